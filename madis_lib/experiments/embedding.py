"""SiCLIP trained and measured: the three rungs of Table 6, and the judge of generated signing.

The rungs: plain CLIP with one encoder for the whole body; an encoder for each part; and the
fine-grained loss on top.  Each is one model for all corpora, trained on ground-truth pairs (§3.4).
It depends on the corpora only, not on a sign tokenizer or a seed under study, so that one judge
serves all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from madis_lib import metrics, train
from madis_lib.data import text as text_data
from madis_lib.data.batches import pad_features, valid_mask
from madis_lib.data.stats import Stats
from madis_lib.experiments.store import CHECKPOINT, Run
from madis_lib.files import atomic_write, read_safetensors
from madis_lib.parts import FRAMES_PER_TOKEN
from madis_lib.presets import ModelConfig, SiCLIPConfig
from madis_lib.release.siclip import POOL
from madis_lib.siclip import SiCLIP
from madis_lib.systems.madis import encode_texts

if TYPE_CHECKING:
    from madis_lib.experiments.suite import Suite

FORMAT = "madis-siclip-1"
RUNGS = {  # rows of paper.TABLE_6: decoupled encoders, fine-grained loss
    "baseline": (False, False),
    "decoupled": (True, False),
    "fine_grained": (True, True),
}
BEST = "fine_grained"
DIRECTIONS = ("sign to text", "text to sign")  # the first is the paper's


@dataclass(frozen=True)
class JointEmbedding:
    """A trained SiCLIP with what it needs to read texts and raw motion."""

    model: SiCLIP
    text: PreTrainedTokenizerBase
    stats: Stats

    def text_features(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Unit vectors ``[B, Lt, D]`` of texts, eos included, and which are real ``[B, Lt]``."""
        ids, valid = (x.to(self.model.logit_scale.device) for x in encode_texts(self.text, texts))
        return self.model.text_features(ids, valid), valid

    def sign_features(self, clips: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Unit vectors ``[B, L, D]`` of raw ``[T, 133]`` clips, and which are real ``[B, L]``.

        L is max T / 4; up to three last frames of a clip are left out.
        """
        if any(len(clip) < FRAMES_PER_TOKEN for clip in clips):
            raise ValueError(f"a clip has fewer than {FRAMES_PER_TOKEN} frames: leave it out")
        whole = [clip[: len(clip) // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN] for clip in clips]
        motion, lengths = pad_features([self.stats.normalise(clip) for clip in whole])
        motion, lengths = (x.to(self.model.logit_scale.device) for x in (motion, lengths))
        features = self.model.sign_features(motion, lengths)
        return features, valid_mask(lengths // FRAMES_PER_TOKEN, features.shape[1])

    def loss(self, texts: Sequence[str], clips: Sequence[np.ndarray]) -> Tensor:
        """The contrastive loss of a batch of pairs."""
        return self.model.loss(*self.text_features(texts), *self.sign_features(clips))

    @torch.no_grad()
    def similarity(
        self, texts: Sequence[str], clips: Sequence[np.ndarray], batch_size: int = 64
    ) -> np.ndarray:
        """How well every signing agrees with every text; float32 ``[signings, texts]``.

        Rows are signings, so that :func:`metrics.retrieval` searches texts (sign to text, the
        paper's direction); transpose it for the other.  No pair depends on its batch.

        Args:
            clips: raw motion ``[T, 133]``, T at least 4; read as by :meth:`sign_features`.
            batch_size: texts and signings that are compared at once, which bounds the memory.

        Raises:
            ValueError: no texts or no clips, or a clip of fewer than 4 frames.
        """
        if not len(texts) or not len(clips):
            raise ValueError(f"{len(clips)} signings, {len(texts)} texts: give one of each or more")
        words = [
            self.text_features(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)
        ]
        rows = []
        for i in range(0, len(clips), batch_size):
            signs = self.sign_features(clips[i : i + batch_size])
            rows.append(torch.cat([self.model.similarity(*w, *signs) for w in words]).T)
        return torch.cat(rows).cpu().numpy()

    def save(self, folder: Path) -> None:
        """Write ``siclip.safetensors`` (weights, statistics, config) and the text tokenizer."""
        state = {k: v.detach().cpu().contiguous() for k, v in self.model.state_dict().items()}
        for name in ("mean", "std"):
            state[f"stats.{name}"] = torch.from_numpy(getattr(self.stats, name))
        metadata = {"format": FORMAT, "config": json.dumps(asdict(self.model.config))}
        self.text.save_pretrained(folder / "text")
        with atomic_write(folder / "siclip.safetensors") as temporary:
            save_file(state, temporary, metadata=metadata)

    @classmethod
    def load(cls, folder: str | Path) -> JointEmbedding:
        """Read what :meth:`save` wrote; ValueError (FileNotFoundError) names the file and the fix."""
        path = Path(folder) / "siclip.safetensors"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no SiCLIP here; train one or give its folder")
        state, metadata = read_safetensors(path, FORMAT)
        try:
            config = json.loads(metadata["config"])
            stats = Stats(*(state.pop(f"stats.{name}").numpy() for name in ("mean", "std")))
            model = SiCLIP(SiCLIPConfig(**config | {"text": ModelConfig(**config["text"])}))
            model.load_state_dict(state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise ValueError(f"{path}: no usable SiCLIP ({reason}); train it again") from None
        return cls(model.eval(), text_data.load(Path(folder) / "text"), stats)


def untrained(suite: Suite, rung: str) -> JointEmbedding:
    """Before training: weights depend on the preset's seed, and on its Qwen3 if any."""
    p, text = suite.preset, suite.text_tokenizer
    config = replace(_config(suite, rung), text=replace(p.siclip.text, text_vocab=len(text)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(p.seeds[0])
        model = SiCLIP(config)
        if config.text.qwen3:
            model.start_from_qwen3(config.text.qwen3)
    return JointEmbedding(model, text, suite.statistics)


def _config(suite: Suite, rung: str) -> SiCLIPConfig:
    if rung not in RUNGS:
        raise ValueError(f"unknown rung {rung!r}: choose one of {', '.join(RUNGS)}")
    decoupled, fine_grained = RUNGS[rung]
    return replace(suite.preset.siclip, decoupled=decoupled, fine_grained=fine_grained)


def trained(suite: Suite, rung: str = BEST) -> Run:
    """SiCLIP of a rung on the training pairs of all corpora together (§4.2).

    A batch mixes the corpora, as it comes: most texts it could be mistaken for are of another
    language.  The first process trains it alone: a contrastive batch has to meet as a whole.
    """
    p = suite.preset
    config = {
        "corpus": suite.corpus, "siclip": _config(suite, rung), "train": p.train_siclip,
        "seed": p.seeds[0],
    }  # fmt: skip
    if not p.siclip.text.qwen3:
        _ = suite.text_run  # every process has to ask for it, not only the first

    def work(folder: Path) -> dict[str, Any]:
        texts = [t for c in suite.corpora for t in suite.texts(c, "train")]
        clips = [clip for c in suite.corpora for clip in suite.clips(c, "train")]
        embedding = untrained(suite, rung)
        model = embedding.model.to(train.device())

        def loss_of(indices: Tensor, generator: torch.Generator, update: int):
            chosen = indices.tolist()
            loss = embedding.loss([texts[i] for i in chosen], [clips[i] for i in chosen])
            return loss, {"scale": model.logit_scale.detach().exp().squeeze()}

        with train.one_thread():
            history = train.fit(
                model, loss_of, len(texts), p.train_siclip, folder / CHECKPOINT, p.seeds[0],
                f"SiCLIP {rung}",
            )  # fmt: skip
        embedding.save(folder)
        return {"history": history}

    return suite.store.run(f"siclip-{rung}", config, ("siclip",), work)


def load(suite: Suite, rung: str = BEST) -> JointEmbedding:
    """The trained SiCLIP of a rung."""
    embedding = JointEmbedding.load(trained(suite, rung).folder)
    embedding.model.to(train.device())
    return embedding


def retrieved(suite: Suite, corpus: str, rung: str = BEST, split: str = "test") -> Run:
    """Recall of a rung on the true signing of a split (Table 6), and of chance.

    ``rows`` of the result: direction, pool (None: the full gallery), k, ``hits`` of every query (0
    to 1, see :func:`metrics.retrieval_hits`; equal texts answer each other), ``estimate`` with
    Wilson's 95 % ``low`` and ``high``, and ``chance``, all in percent.  Settings are chosen on
    ``val``; a report shows ``test``.
    """
    config = {"siclip": trained(suite.named, rung), "corpus": corpus, "split": split}

    def work(_: Path) -> dict[str, Any]:
        texts = suite.texts(corpus, split)
        signs_by_texts = load(suite, rung).similarity(texts, suite.clips(corpus, split))
        rows: list[dict[str, Any]] = []
        for direction, matrix in zip(DIRECTIONS, (signs_by_texts, signs_by_texts.T), strict=True):
            for pool in (POOL, None):
                for k in metrics.KS:
                    hits = metrics.retrieval_hits(matrix, k, pool, texts)
                    estimate, low, high = metrics.wilson_interval(hits.sum(), len(hits))
                    chance = metrics.chance_hits(len(texts), k, pool, texts).mean()
                    rows.append(
                        {"direction": direction, "pool": pool, "k": k, "estimate": 100 * estimate}
                        | {"low": 100 * low, "high": 100 * high, "chance": 100 * chance}
                        | {"hits": hits.tolist()}
                    )
        return {"sentences": len(texts), "rows": rows}

    name = f"retrieved-{rung}-{corpus}" if split == "test" else f"retrieved-{rung}-{corpus}-{split}"
    return suite.store.run(name, config, ("siclip", "metrics"), work)
