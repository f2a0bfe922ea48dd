"""Scores of a system on a test split, sentence by sentence, and the bounds beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from madis_lib import metrics
from madis_lib.body import Body
from madis_lib.data.signworld import Oracle
from madis_lib.parts import PARTS
from madis_lib.release.siclip import POOL  # MaDiS §4 names no gallery

Streams = tuple[Sequence[int], ...]
SYSTEM = "MaDiS"  # beside its bounds, in scores and tables
FLOORS = MEAN_POSE, RANDOM_CLIP, SHUFFLED_TEXT = "mean pose", "random clip", "shuffled text"
CEILING = "tokenizer round trip"  # knows all of the sentence, the floors nothing
BODY_JOINTS = range(1, 13)  # the pelvis only aligns


@dataclass(frozen=True)
class Reference:
    """The true signing of a test split.

    features ``[T, 133]``, tokens ``[L, 3]`` (or ``[L, 1]``) and, on SignWorld, glosses, one entry per sentence;
    the texts are what SiCLIP searches.
    """

    features: Sequence[np.ndarray]
    tokens: Sequence[np.ndarray]
    glosses: Sequence[Sequence[str]] | None
    texts: Sequence[str] | None = None


# Texts and motions to similarities [signings, texts]: JointEmbedding.similarity
Similarity = Callable[[Sequence[str], Sequence[np.ndarray]], np.ndarray]


def streams(tokens: np.ndarray | Streams) -> Streams:
    """Body, left and right tokens of a clip: the columns of ``[L, 3]``, or the three as given.

    A tokenizer of the whole body has one column, which stands for the body, as in Table 1.
    """
    return tokens if isinstance(tokens, tuple) else tuple(tokens.T)


def landmarks(
    body: Body, features: np.ndarray, betas: Sequence[float] | None = None
) -> dict[str, np.ndarray]:
    """The points of each part that the metrics read, ``[T, J, 3]`` metres by part."""
    shape = None if betas is None else torch.tensor(betas)
    with torch.no_grad():
        found = body.landmarks(torch.as_tensor(features, dtype=torch.float32), shape)
    return {part: points.numpy() for part, points in found.items()}


def bleu_counts(
    tokens: Sequence[np.ndarray | Streams],
    reference: Sequence[np.ndarray],
    max_order: int,
) -> dict[str, list[list[int]]]:
    """BLEU counts of each part, a row a sentence (``metrics.sibleu_statistics``)."""
    generated, true = [streams(t) for t in tokens], [streams(t) for t in reference]
    return {
        part: metrics.sibleu_statistics(
            [s[p] for s in generated], [s[p] for s in true], max_order
        ).tolist()
        for p, part in enumerate(PARTS[: len(true[0])])
    }


def score(
    features: Sequence[np.ndarray],
    tokens: Sequence[np.ndarray | Streams],
    reference: Reference,
    body: Body,
    oracle: Oracle | None,
    max_order: int = 4,
    betas: Sequence[float] | None = None,
    similarity: Similarity | None = None,
    retokenised: Sequence[np.ndarray] | None = None,
) -> dict[str, Any]:
    """Per-sentence scores of one system: what every table is made from.

    Args:
        features: raw motion ``[T, 133]`` per sentence.
        tokens: ``[L, 3]`` per sentence, in the codes of the reference; or three streams, which
            may differ in length; or ``[L, 1]`` by a tokenizer of the whole body, with a reference in
            the same codes.
        reference: the truth, in the same order.
        body: where joints are.
        oracle: reads glosses off motion; None on real data.
        max_order: of SiBLEU; 4 is the paper's, 1 the release's.
        betas: SMPL-X shape ``[10]`` of the body; by default the mean shape.
        similarity: SiCLIP's; the reference must hold the texts.
        retokenised: what the shared tokenizer makes of ``features``, ``[L, 3]`` per sentence.

    Returns:
        lists over sentences: ``dtw_body``, ``dtw_hands`` (summed metres, hands averaged),
        ``mm_body``, ``mm_hands`` (millimetres per aligned frame pair), ``length_ratio``,
        ``bleu`` (BLEU counts per part; of the body alone where there is one stream) and ``bleu_retokenised`` with ``retokenised``;
        ``siclip_hits`` and ``siclip_hits_45`` (whether a signing finds its text among all, and in
        pools of 45 in the order of the split) with a similarity; ``gloss_edits``,
        ``gloss_length`` and ``read`` with an oracle.
    """
    rows: dict[str, list[Any]] = {
        k: [] for k in ("dtw_body", "dtw_hands", "mm_body", "mm_hands", "length_ratio")
    }
    for generated, true in zip(features, reference.features, strict=True):
        g, r = (landmarks(body, clip, betas) for clip in (generated, true))
        joints = {"body": BODY_JOINTS, "left": None, "right": None}
        total, steps = np.array(
            [metrics.dtw_path(g[part], r[part], joints[part]) for part in PARTS]
        ).T
        rows["dtw_body"].append(float(total[0]))
        rows["dtw_hands"].append(float(total[1:].mean()))
        rows["mm_body"].append(float(1000 * total[0] / steps[0]))
        rows["mm_hands"].append(float(1000 * (total[1:] / steps[1:]).mean()))
        rows["length_ratio"].append(len(generated) / len(true))
    scores: dict[str, Any] = dict(rows)
    scores["bleu"] = bleu_counts(tokens, reference.tokens, max_order)
    if retokenised is not None:
        scores["bleu_retokenised"] = bleu_counts(retokenised, reference.tokens, max_order)
    if similarity is not None:
        if reference.texts is None:
            raise ValueError("the reference holds no texts: SiCLIP needs them")
        found = similarity(reference.texts, features)
        for key, pool in (("siclip_hits", None), ("siclip_hits_45", POOL)):
            scores[key] = metrics.retrieval_hits(found, 1, pool, reference.texts).tolist()
    if oracle is not None and reference.glosses is not None:
        read = [oracle.read(f) for f in features]
        counts = metrics.gloss_error_counts(read, reference.glosses)
        scores["read"] = [list(r) for r in read]
        scores["gloss_edits"], scores["gloss_length"] = counts.T.tolist()
    return scores


@dataclass(frozen=True)
class Metric:
    """A column of a results table: how it is made from per-sentence scores."""

    name: str
    label: str
    unit: str
    better: int  # +1 higher, -1 lower


METRICS = {
    m.name: m
    for m in (
        Metric("dtw_body", "DTW-JPE body", "m", -1),
        Metric("dtw_hands", "DTW-JPE hands", "m", -1),
        Metric("mm_body", "aligned error body", "mm", -1),
        Metric("mm_hands", "aligned error hands", "mm", -1),
        Metric("sibleu_body", "SiBLEU body", "", 1),
        Metric("sibleu_hands", "SiBLEU hands", "", 1),
        Metric("sibleu_re_body", "SiBLEU re-tokenised body", "", 1),
        Metric("sibleu_re_hands", "SiBLEU re-tokenised hands", "", 1),
        Metric("r1", "SiCLIP R@1", "%", 1),
        Metric("r1_45", f"SiCLIP R@1 in {POOL}", "%", 1),
        Metric("gloss_error", "gloss error", "%", -1),
    )
}


SOMETIMES = {  # what a metric is made from that not every system or corpus has
    "sibleu_re_body": "bleu_retokenised", "sibleu_re_hands": "bleu_retokenised",
    "r1": "siclip_hits", "r1_45": "siclip_hits_45", "gloss_error": "gloss_edits",
}  # fmt: skip


def value(scores: dict[str, Any], metric: str, chosen: np.ndarray) -> Any:
    """The corpus-level number of ``metric`` on the chosen sentences.

    Args:
        chosen: indices ``[n]``; with axes before it, ``[..., n]``, there is an array of numbers.
    """
    found = _value(scores, metric, chosen)
    return found if np.ndim(found) else float(found)


def _value(scores: dict[str, Any], metric: str, chosen: np.ndarray) -> Any:
    if metric.startswith("sibleu"):
        counts = scores["bleu_retokenised" if metric.startswith("sibleu_re_") else "bleu"]
        parts = ("left", "right") if metric.endswith("hands") else ("body",)
        by_part = [metrics.sibleu_from_statistics(np.array(counts[p])[chosen]) for p in parts]
        return np.mean(by_part, axis=0)
    if metric == "gloss_error":
        edits, length = (
            np.array(scores[k])[chosen].sum(-1) for k in ("gloss_edits", "gloss_length")
        )
        return 100 * edits / length
    if metric in ("r1", "r1_45"):
        return 100 * np.array(scores[SOMETIMES[metric]])[chosen].mean(-1)
    return np.array(scores[metric])[chosen].mean(-1)


def arrays(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores with arrays for lists: a thousand resamples index them."""
    return {
        key: {part: np.array(v) for part, v in found.items()}
        if isinstance(found, dict)
        else found if key == "read" else np.array(found)
        for key, found in scores.items()
    }  # fmt: skip


def summary(scores: dict[str, Any], metric: str, resamples: int = 1000) -> metrics.Interval:
    """The number and its 95 % bootstrap interval over sentences."""
    n = len(scores["dtw_body"])
    draws = value(scores, metric, metrics.bootstrap_draws(n, resamples=resamples))
    return metrics.percentile_interval(value(scores, metric, np.arange(n)), draws)


def median_index(errors: np.ndarray) -> int:
    """Index of the (lower) median error; of equal ones the first."""
    return int(np.argsort(errors, kind="stable")[(len(errors) - 1) // 2])


def difference(
    a: dict[str, Any], b: dict[str, Any], metric: str, resamples: int = 1000
) -> metrics.Interval:
    """a - b with its 95 % paired bootstrap interval: both on the same drawn sentences."""
    n = len(a["dtw_body"])
    drawn = metrics.bootstrap_draws(n, resamples=resamples)
    at, draws = (
        value(a, metric, chosen) - value(b, metric, chosen) for chosen in (np.arange(n), drawn)
    )
    return metrics.percentile_interval(at, draws)


def beats(a: dict[str, Any], b: dict[str, Any], metric: str) -> bool | None:
    """True when ``a`` is better than ``b`` with an interval off zero, False when worse, else None."""
    found = difference(a, b, metric)
    sign = METRICS[metric].better
    low, high = sorted((sign * found.low, sign * found.high))
    return True if low > 0 else False if high < 0 else None


def available(scores: dict[str, Any]) -> list[str]:
    """The metrics these scores hold."""
    absent = () if "left" in scores["bleu"] else ("sibleu_hands",)
    return [
        m for m in METRICS if m not in absent and (m not in SOMETIMES or SOMETIMES[m] in scores)
    ]
