"""MaDiS as a whole: sentence in, motion out, and the folder it is kept in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from madis_lib import distributed, sampler, utc
from madis_lib.data import text as text_data
from madis_lib.data.batches import pad_tokens, valid_mask
from madis_lib.files import atomic_write, read_safetensors
from madis_lib.model import MaDiS
from madis_lib.presets import ModelConfig, Preset
from madis_lib.systems.base import Card, Signing, decoded
from madis_lib.tokenizer import Tokenizer
from madis_lib.vocab import Vocab

FORMAT = "madis-model-1"


CARD = Card(
    "MaDiS",
    "Zuo et al., arXiv 2601.19577",
    "three parts of a position at once, the surest positions of a grid first",
    (
        "tiny, from random weights",
        "eos fills the canvas and is trained, as in LLaDA; the release never trains it",
        "the mean of three log-probabilities is how sure a position is; the release takes the body's",
    ),
)
MDLM = replace(
    CARD,
    name="MDLM baseline",
    source="MaDiS §4.1, after LLaDA",
    tokens="three parts of a position at once, the surest positions first",
    deviations=(
        *CARD.deviations,
        "trained on its corpus alone, for as many updates as the other rows have in all",
    ),
)
MDLM_ALL = replace(
    MDLM,
    name="MDLM baseline, all corpora first",
    deviations=(
        *CARD.deviations,
        "trained on all corpora, then on the one it signs, as SOKE is here",
    ),
)


def vocab_for(text: PreTrainedTokenizerBase, codes: tuple[int, ...]) -> Vocab:
    """The id layout for a text tokenizer and three codebooks."""
    return Vocab(len(text), text.eos_token_id, text.pad_token_id, codes)


def encode_texts(text: PreTrainedTokenizerBase, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Text ids with eos ``[B, Lt]`` and which of them are real, bool ``[B, Lt]``."""
    ids = [text(s, add_special_tokens=False)["input_ids"] + [text.eos_token_id] for s in sentences]
    padded, lengths = pad_tokens(ids, text.pad_token_id)
    return padded, valid_mask(lengths, padded.shape[1])


class MaDiSSystem:
    """A trained MaDiS for one corpus; model and sign tokenizer may be on different devices.

    Args:
        tokenizer: the sign tokenizer.
        text: the text tokenizer.
        model: the fine-tuned language model.
        steps: passes of the sampler; M / 4 for the paper's four tokens a step.
    """

    card = CARD

    def __init__(
        self, tokenizer: Tokenizer, text: PreTrainedTokenizerBase, model: MaDiS, steps: int
    ) -> None:
        self.tokenizer, self.text, self.model, self.steps = tokenizer, text, model, steps

    @classmethod
    def untrained(
        cls, preset: Preset, tokenizer: Tokenizer, text: PreTrainedTokenizerBase, seed: int
    ) -> MaDiSSystem:
        """Before any training: weights depend on ``seed``, and on the Qwen3 checkpoint if any."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = MaDiS(
                preset.model, vocab_for(text, tokenizer.config.codes), tokenizer.codebooks()
            )
            if preset.model.qwen3:
                model.start_from_qwen3(preset.model.qwen3)
        return cls(
            tokenizer, text, model, utc.steps_for(preset.model.max_tokens, preset.tokens_per_step)
        )

    def generate(
        self,
        sentences: Sequence[str],
        batch_size: int = 32,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
        checkpoints: tuple[float, ...] = utc.CHECKPOINTS,
        layout: str = "uniform",
        pick: sampler.Pick = sampler.surest,
        lengths: Sequence[int] | None = None,
        coarse: bool = False,
    ) -> list[Signing]:
        """Sign sentences; greedily (temperature 0), one does not depend on its batch.

        ``checkpoints`` and ``layout`` are UTC's, as in :mod:`madis_lib.utc`; ``pick`` is
        :func:`sampler.generate`'s, and so is ``coarse``.  ``lengths`` gives each sentence so many tokens (then the result
        is no longer made from text alone).
        """
        signed: list[Signing] = []
        device = self.model.embed.weight.device
        for first in range(0, len(sentences), batch_size):
            ids, valid = encode_texts(self.text, sentences[first : first + batch_size])
            given = None
            if lengths is not None:
                given = torch.tensor(lengths[first : first + batch_size], device=device)
            out = sampler.generate(
                self.model, ids.to(device), valid.to(device), self.steps, checkpoints, layout,
                temperature=temperature, generator=generator, pick=pick, lengths=given,
                coarse=coarse,
            )  # fmt: skip
            signed += decoded(self.tokenizer, out.codes, out.lengths)
        return signed

    def save(self, folder: str | Path, half: bool = False) -> None:
        """Write model and text tokenizer into ``folder``; the sign tokenizer has its own file.

        ``half`` is for shipping: float16, without the latent heads that only training uses.  Of
        processes that trained together all must call it, and the first writes.
        """
        folder = Path(folder)
        state = distributed.whole(self.model.state_dict())
        if not distributed.is_first():
            return
        state = {k: v.detach().cpu().contiguous() for k, v in state.items()}
        if half:
            state = {k: v.half() for k, v in state.items() if not k.startswith("latent_heads")}
        metadata = {
            "format": FORMAT,
            "config": json.dumps(asdict(self.model.config)),
            "steps": str(self.steps),
            "tokenizer": self.tokenizer.fingerprint(),
        }
        self.text.save_pretrained(folder / "text")
        with atomic_write(folder / "model.safetensors") as temporary:
            save_file(state, temporary, metadata=metadata)

    @classmethod
    def load(cls, folder: str | Path, tokenizer: Tokenizer) -> MaDiSSystem:
        """Read what :meth:`save` wrote.

        Raises FileNotFoundError, or ValueError naming the file and what is wrong with it, among
        that a tokenizer other than the one the model was trained with.
        """
        path = Path(folder) / "model.safetensors"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no model here; train one or give its folder")
        state, metadata = read_safetensors(path, FORMAT)
        try:
            trained_with, steps = metadata["tokenizer"], int(metadata["steps"])
            config = ModelConfig(**json.loads(metadata["config"]))
            if not 1 <= steps <= config.max_tokens:
                raise ValueError(f"{steps} steps for {config.max_tokens} tokens")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: metadata is unusable ({error!r}); make it anew") from None
        if trained_with != tokenizer.fingerprint():
            raise ValueError(
                f"{path}: was trained with another sign tokenizer "
                f"({trained_with[:12]}, not {tokenizer.fingerprint()[:12]}); use that one"
            )
        for name, tensor in state.items():
            if not bool(tensor.isfinite().all()):
                raise ValueError(f"{path}: tensor {name!r} holds NaN or infinity; make it anew")
        text = text_data.load(Path(folder) / "text")
        vocab = vocab_for(text, tokenizer.config.codes)
        try:
            model = MaDiS(config, vocab, tokenizer.codebooks())
            wrong = model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
        except (TypeError, ValueError, RuntimeError) as error:  # sizes, or a fusion unknown here
            reason = str(error).strip().splitlines()[-1].strip()
            raise ValueError(
                f"{path}: does not fit its config or its text tokenizer ({reason}); copy both again"
            ) from None
        missing = [k for k in wrong.missing_keys if not k.startswith("latent_heads")]
        if missing or wrong.unexpected_keys:
            raise ValueError(
                f"{path}: weights missing {missing}, unexpected {wrong.unexpected_keys}; make it anew"
            )
        return cls(tokenizer, text, model.eval(), steps)


class MDLMSystem(MaDiSSystem):
    """The masked diffusion baseline: MaDiS's parts without what MaDiS adds (MaDiS §4.1)."""

    card = MDLM

    def generate(  # type: ignore[override]
        self, sentences: Sequence[str], batch_size: int = 32
    ) -> list[Signing]:
        """Sign sentences, the surest of all blank positions first."""
        return super().generate(sentences, batch_size, checkpoints=())
