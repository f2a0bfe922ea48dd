"""The sentences that figures show: chosen by stated rules, never by looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from madis_lib import sampler, utc
from madis_lib.experiments.evaluate import median_index
from madis_lib.experiments.suite import Suite
from madis_lib.systems.madis import MaDiSSystem, encode_texts

PREFERRED = "how2sign"  # English, so that most readers can follow the example


@dataclass(frozen=True)
class Example:
    """A test sentence, its truth and what MaDiS made of it."""

    corpus: str
    index: int
    text: str
    glosses: tuple[str, ...]  # empty on real data
    timeline: tuple[tuple[str, int, int], ...]  # gloss, first frame, frame after the last
    true: np.ndarray  # features [T, 133]
    true_tokens: np.ndarray  # [L, 3]
    generated: np.ndarray
    tokens: np.ndarray
    read: tuple[str, ...]  # by the oracle, off the generated motion
    rule: str


def example_corpus(suite: Suite, corpus: str | None = None) -> str:
    """The corpus that examples come from: the one asked for, else English where there is any."""
    return corpus or (PREFERRED if PREFERRED in suite.corpora else suite.corpora[0])


def truth_of(suite: Suite, corpus: str, index: int) -> dict[str, Any] | None:
    """Truth of one test sentence, or None on real data."""
    found = suite.truth(corpus, "test")
    return None if found is None else found[index]


def sentence_errors(suite: Suite, corpus: str) -> tuple[np.ndarray, str]:
    """The number sentences are ranked by, and its name: gloss error, or body DTW on real data."""
    scores = suite.evaluated(corpus).result["scores"]["MaDiS"]
    if "gloss_edits" in scores:
        return np.array(scores["gloss_edits"]) / np.array(scores["gloss_length"]), "gloss error"
    return np.array(scores["dtw_body"]), "DTW-JPE of the body"


def median_example(suite: Suite, corpus: str | None = None) -> Example:
    """The test sentence of median error: half of the test set is signed better, half worse."""
    corpus = example_corpus(suite, corpus)
    errors, name = sentence_errors(suite, corpus)
    index = median_index(errors)
    rule = f"the test sentence with the median {name}"
    return example(suite, corpus, index, rule)


def example(suite: Suite, corpus: str, index: int, rule: str) -> Example:
    """A test sentence by its place in the split."""
    result = suite.evaluated(corpus).result
    tokens = np.array(result["generated"][index], dtype=np.int64).reshape(-1, 3)
    with torch.no_grad():
        generated = suite.tokenizer.decode(torch.tensor(tokens)[None])[0].numpy()
    truth = truth_of(suite, corpus, index)
    read = result["scores"]["MaDiS"].get("read")
    return Example(
        corpus=corpus,
        index=index,
        text=suite.texts(corpus, "test")[index],
        glosses=tuple(truth["glosses"]) if truth else (),
        timeline=tuple((g, int(a), int(b)) for g, a, b in truth["timeline"]) if truth else (),
        true=suite.clips(corpus, "test")[index],
        true_tokens=suite.tokens(corpus, "test")[index],
        generated=generated,
        tokens=tokens,
        read=tuple(read[index]) if read else (),
        rule=rule,
    )


@dataclass(frozen=True)
class Trace:
    """One run of the sampler: codes ``[M, 3]``, length, and at which step each was written."""

    codes: np.ndarray
    length: int
    step: np.ndarray
    steps: int


def trace(
    system: MaDiSSystem, text: str, checkpoints: tuple[float, ...] = utc.CHECKPOINTS
) -> Trace:
    """Sign one sentence and keep the order in which positions were written."""
    ids, valid = encode_texts(system.text, [text])
    out = sampler.generate(system.model, ids, valid, system.steps, checkpoints)
    return Trace(out.codes[0].numpy(), int(out.lengths[0]), out.step[0].numpy(), system.steps)
