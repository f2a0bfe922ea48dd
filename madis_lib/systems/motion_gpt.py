"""S-MotionGPT: motion as a foreign language, one stream of tokens for the whole body.

Jiang et al., NeurIPS 2023, trained on signs.  Text and motion tokens are one vocabulary of one
encoder-decoder; a tag says which of the two it is to write::

    loss = - sum_i log p(y_i | y_1 ... y_i-1, x)        (x, y) = (text, motion) or (motion, text)
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from madis_lib.data.batches import pad_tokens, valid_mask
from madis_lib.presets import ModelConfig, Preset
from madis_lib.systems import stacks
from madis_lib.systems.base import Card, Example, Signing, Stage, decoded
from madis_lib.tokenizer import Tokenizer

CARD = Card(
    "S-MotionGPT",
    "Jiang et al., NeurIPS 2023, trained on signs by SOKE",
    "one code of the whole body, from left to right",
    (
        "tiny layers of mBART's kind, from random weights, in place of Flan-T5",
        "a tag names the task, text to motion or motion to text; no templates, no motion prediction",
        "trained on both tasks and all corpora, then to sign one corpus, as MaDiS is",
        "a sentence has at least one sign",
        "it draws its tokens, at temperature 1, as its authors do; all other rows are greedy",
    ),
)

GREEDY = replace(
    CARD, name="S-MotionGPT, greedy", source="ours: the same weights",
    deviations=("as S-MotionGPT, but it takes the most probable token, as every other row does",),
)  # fmt: skip


class MotionGPT(nn.Module):
    """p(next token | source, tokens so far) over text and motion tokens.

    Ids: text, the codes, then a tag for writing motion and one for writing text.
    """

    def __init__(self, config: ModelConfig, text_size: int, eos: int, codes: int) -> None:
        super().__init__()
        self.config, self.text_size, self.eos, self.codes = config, text_size, eos, codes
        self.to_motion, self.to_text = text_size + codes, text_size + codes + 1
        d = config.hidden_size
        self.embed = nn.Embedding(self.to_text + 1, d)
        nn.init.normal_(self.embed.weight, std=d**-0.5)  # rows are also the output layer
        self.stack = stacks.EncoderDecoderStack(config)

    def logits(self, hidden: Tensor) -> Tensor:
        """``[..., d]`` to ``[..., text + codes]``."""
        return F.linear(hidden, self.embed.weight[: self.to_motion])

    def forward(self, source: Tensor, valid: Tensor, written: Tensor) -> Tensor:
        """Logits ``[B, L, V]`` of what follows each of ``written``, int ``[B, L]``, tag first."""
        return self.logits(self.stack(self.embed(source), valid, self.embed(written)))


class MotionGPTSystem:
    """S-MotionGPT for the signing of one corpus.

    Args:
        tokenizer: of the whole body.
        text: the text tokenizer.
        model: trained, or to be.
    """

    card = CARD

    def __init__(
        self, tokenizer: Tokenizer, text: PreTrainedTokenizerBase, model: MotionGPT
    ) -> None:
        self.tokenizer, self.text, self.model = tokenizer, text, model

    @classmethod
    def untrained(
        cls, preset: Preset, tokenizer: Tokenizer, text: PreTrainedTokenizerBase, seed: int
    ) -> MotionGPTSystem:
        """Before any training: weights depend on ``seed``."""
        (codes,) = tokenizer.config.codes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = MotionGPT(preset.model, len(text), text.eos_token_id, codes)
        return cls(tokenizer, text, model)

    def _text(self, sentence: str) -> list[int]:
        """Ids with eos."""
        return [*self.text(sentence, add_special_tokens=False)["input_ids"], self.model.eos]

    def loss(
        self, batch: Sequence[Example], generator: torch.Generator, stage: Stage
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy of motion given text; in pretraining a coin may turn a pair round."""
        model = self.model
        device = model.embed.weight.device
        turned = 0.5 if stage == "pretrain" else 0.0
        reads_motion = torch.rand(len(batch), generator=generator) < turned
        sources, targets = [], []
        for example, reads in zip(batch, reads_motion.tolist(), strict=True):
            text = self._text(example.text)
            motion = [*(example.tokens[:, 0] + model.text_size).tolist(), model.eos]
            sources.append(motion if reads else text)
            targets.append([model.to_text, *text] if reads else [model.to_motion, *motion])
        source, source_lengths = pad_tokens(sources, model.eos)
        target, lengths = pad_tokens(targets, model.eos)
        valid = valid_mask(source_lengths, source.shape[1])
        said = valid_mask(lengths - 1, target.shape[1] - 1).to(device)
        source, valid, target = (x.to(device) for x in (source, valid, target))
        logits = model(source, valid, target[:, :-1])
        return F.cross_entropy(logits[said], target[:, 1:][said]), {}

    @torch.no_grad()
    def generate(
        self,
        sentences: Sequence[str],
        batch_size: int = 32,
        temperature: float = 1.0,
        cache: bool = True,
    ) -> list[Signing]:
        """Sign sentences; each is drawn by itself, from its own words, so its batch does not matter.

        ``temperature``: 1 as in the release, 0 takes the most probable.  Text that is written among
        the motion is left out; of nothing else, code 0 remains, as in the release.
        """
        model, signed = self.model, list[Signing]()
        device = model.embed.weight.device
        for first in range(0, len(sentences), batch_size):
            chosen = sentences[first : first + batch_size]
            padded, lengths = pad_tokens([self._text(s) for s in chosen], model.eos)
            valid = valid_mask(lengths, padded.shape[1])
            draws = [torch.Generator().manual_seed(zlib.crc32(s.encode())) for s in chosen]

            def choose(
                hidden: Tensor, position: int, draws: list[torch.Generator] = draws
            ) -> tuple[Tensor, Tensor]:
                logits = model.logits(hidden)
                if position == 0:
                    logits[:, model.eos] = -torch.inf
                if temperature > 0:  # Gumbel-max
                    u = torch.stack([torch.rand(logits.shape[-1], generator=g) for g in draws])
                    noise = -torch.log(-torch.log(u.clamp(1e-20, 1 - 1e-7)))
                    logits = logits / temperature + noise.to(logits)
                ids = logits.argmax(-1)
                return ids, ids == model.eos

            start = model.embed.weight[model.to_motion].expand(len(chosen), -1)
            ids, ends = stacks.decode(
                model.stack, model.embed(padded.to(device)), valid.to(device), start, choose,
                model.embed, model.config.max_tokens, cache,
            )  # fmt: skip
            for row, n in zip(ids, ends.tolist(), strict=True):
                codes = row[:n][row[:n] >= model.text_size] - model.text_size
                codes = codes if len(codes) else codes.new_zeros(1)
                length = torch.tensor([len(codes)])
                signed += decoded(self.tokenizer, codes[None, :, None], length)
        return signed


class GreedyMotionGPTSystem(MotionGPTSystem):
    """S-MotionGPT that takes the most probable token."""

    card = GREEDY

    def generate(self, sentences: Sequence[str], batch_size: int = 32) -> list[Signing]:  # type: ignore[override]
        """Sign sentences."""
        return super().generate(sentences, batch_size, temperature=0.0)
