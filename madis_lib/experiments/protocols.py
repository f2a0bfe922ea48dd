"""The one switch between the paper's reading and the release's (design: which reading is ours).

A protocol is a set of functions; code that trains, signs or scores takes them from here and asks
nothing further.  ``Method.protocol`` names it for a suite, ``madis evaluate --protocol`` for a
checkpoint of the authors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from madis_lib import metrics, objectives, sampler, utc
from madis_lib.model import MaDiS
from madis_lib.parts import FRAMES_PER_TOKEN
from madis_lib.presets import Method
from madis_lib.release import ReleasedMaDiS, ReleasedSiCLIP, forward, generation, training
from madis_lib.release.siclip import POOL
from madis_lib.release.system import Signed
from madis_lib.systems.madis import MaDiSSystem, Signing, encode_texts
from madis_lib.tokenizer import Tokenizer
from madis_lib.train import on_device


@dataclass(frozen=True)
class Row:
    """A line of a table of scores."""

    label: str
    value: float
    unit: str


Retrieval = Callable[[ReleasedSiCLIP, Sequence[str], Sequence[Tensor]], list[Row]]


@dataclass(frozen=True)
class Protocol:
    """How a model is trained, signs and is scored."""

    name: str
    # training: ``prepare`` changes the model before its first update
    prepare: Callable[[MaDiS], None]
    encode_texts: Callable[..., tuple[Tensor, Tensor]]
    pretraining_loss: Callable[..., tuple[Tensor, dict[str, Tensor]]]
    finetuning_loss: Callable[..., tuple[Tensor, dict[str, Tensor]]]
    # signing: models trained here, those of the authors, and what stored tokens look like
    sign: Callable[[MaDiSSystem, Sequence[str], Method], list[Signing] | list[Signed]]
    sign_released: Callable[[ReleasedMaDiS, Sequence[str]], list[Signed]]  # one batch
    plain_tokens: Callable[[Any], Any]  # for JSON
    decode: Callable[[Any, Tokenizer], np.ndarray]  # plain tokens to raw features [T, 133]
    # scoring
    metrics: tuple[str, ...]  # of evaluate.METRICS
    max_order: int  # of SiBLEU
    betas: Sequence[float] | None  # of the body that is measured
    retrieval: Retrieval
    claims: bool  # whether the paper's claims and ablations are about it


# -- the paper ------------------------------------------------------------------------------------


def sign(
    system: MaDiSSystem,
    texts: Sequence[str],
    method: Method,
    lengths: Sequence[int] | None = None,
) -> list[Signing]:
    """The sampler of §3.3, with the checkpoints the model was trained with."""
    with on_device(system.model):
        return system.generate(
            texts, checkpoints=method.checkpoints, layout=method.layout,
            pick=sampler.RULES[method.rule], lengths=lengths, coarse=method.coarse,
        )  # fmt: skip


def sign_with_exact_pivots(system: ReleasedMaDiS, sentences: Sequence[str]) -> list[Signed]:
    """The paper's sampler (§3.3) on released weights, four tokens a step."""
    model = system.model
    ids, valid = (x.to(model.embed.weight.device) for x in system.text.encode(sentences))
    out = sampler.generate(model, ids, valid, utc.steps_for(model.config.max_tokens, 4))
    codes, lengths = out.codes.cpu(), out.lengths.cpu()
    with torch.no_grad():
        motion = system.tokenizer.decode(codes, lengths)
    signed = []
    for tokens, features, n in zip(codes, motion, lengths.tolist(), strict=True):
        body, left, right = tokens[:n].T.tolist()
        signed.append(Signed(features[: FRAMES_PER_TOKEN * n].numpy(), (body, left, right)))
    return signed


@torch.no_grad()
def decode_triples(tokens: list[list[int]], tokenizer: Tokenizer) -> np.ndarray:
    """Triples ``[L][3]`` to raw features ``[4L, 133]``."""
    codes = torch.tensor(tokens, dtype=torch.int64).reshape(1, -1, 3)
    return tokenizer.decode(codes)[0].numpy()


def sign_to_text(
    siclip: ReleasedSiCLIP, texts: Sequence[str], motions: Sequence[Tensor]
) -> list[Row]:
    """MaDiS §4: each signing searches the texts; all of them, and pools beside it."""
    similarity = siclip.similarity(texts, motions).T
    rows = []
    for pool, gallery in ((None, f"all {len(texts)}"), (POOL, f"pools of up to {POOL}")):
        found = metrics.retrieval(similarity, metrics.KS, pool, texts)
        rows += [
            Row(f"{name} sign to text, {gallery}", value, "%") for name, value in found.items()
        ]
    return rows


# -- the release ----------------------------------------------------------------------------------


def sign_as_released(system: MaDiSSystem, texts: Sequence[str], method: Method) -> list[Signed]:
    """The release's sampler on a model trained here."""
    text = training.whole(system.text)
    released = ReleasedMaDiS(system.tokenizer, text, system.model)
    with on_device(system.model):
        return released.generate(texts, steps=system.steps)


def decode_streams(streams: list[list[int]], tokenizer: Tokenizer) -> np.ndarray:
    """Three streams, each of its own length, to raw features ``[T, 133]``."""
    body, left, right = streams
    return tokenizer.denormalise(generation.decode((body, left, right), tokenizer)).numpy()


def text_to_sign_in_pools(
    siclip: ReleasedSiCLIP, texts: Sequence[str], motions: Sequence[Tensor]
) -> list[Row]:
    """release: each text searched among the signings of its own pool, with its own mask."""
    pools = siclip.pools(texts, motions)
    hits = {
        k: np.concatenate([metrics.retrieval_hits(pool, k) for pool in pools]) for k in metrics.KS
    }
    label = f"text to sign, pools of up to {POOL}, release's mask"
    return [Row(f"R@{k} {label}", 100 * float(h.mean()), "%") for k, h in hits.items()]


_RELEASE_METRICS = ("dtw_body", "dtw_hands", "sibleu_body", "sibleu_hands")

PROTOCOLS = {
    p.name: p
    for p in (
        Protocol(
            name="paper",
            prepare=lambda model: None,
            encode_texts=encode_texts,
            pretraining_loss=objectives.pretraining_loss,
            finetuning_loss=objectives.finetuning_loss,
            sign=sign,
            sign_released=sign_with_exact_pivots,
            plain_tokens=lambda tokens: tokens.tolist(),
            decode=decode_triples,
            metrics=("dtw_body", "dtw_hands", "mm_body", "mm_hands", *_RELEASE_METRICS[2:]),
            max_order=4,
            betas=None,
            retrieval=sign_to_text,
            claims=True,
        ),
        Protocol(
            name="release",
            prepare=forward.add_dropout,
            encode_texts=training.encode_texts,
            pretraining_loss=training.pretraining_loss,
            finetuning_loss=training.finetuning_loss,
            sign=sign_as_released,
            sign_released=ReleasedMaDiS.generate,
            plain_tokens=list,
            decode=decode_streams,
            metrics=_RELEASE_METRICS,
            max_order=1,
            betas=generation.BETAS,
            retrieval=text_to_sign_in_pools,
            claims=False,
        ),
    )
}


def get(name: str) -> Protocol:
    """The protocol called ``name``; ValueError names the choices."""
    if name not in PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}: choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
