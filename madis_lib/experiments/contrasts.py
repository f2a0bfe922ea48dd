"""Comparisons of trained systems from per-sentence scores, seeds and sentences both counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from madis_lib import metrics, presets
from madis_lib.experiments import evaluate
from madis_lib.experiments.store import Run
from madis_lib.experiments.verdicts import MIN_SEEDS

# Columns of Fig. 6 and 9 that average body and hands.
AVERAGES = {m: (f"{m}_body", f"{m}_hands") for m in ("dtw", "sibleu")}
RESAMPLES = 1000


def sentence_estimate(
    weights: Sequence[float],
    rows: Sequence[np.ndarray],
    statistic: Callable[..., np.ndarray] = np.mean,
) -> metrics.Estimate:
    """Sum over rows of weight times a statistic of sentences, seeds and sentences both counted.

    Args:
        rows: values ``[seeds, n]`` of the same sentences, or ``[n]`` of one training.
        statistic: such as ``np.median``; takes an axis.
    """
    values, by_row = np.stack([np.atleast_2d(row) for row in rows]), np.array(weights)
    n = values.shape[-1]
    drawn = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))  # the same for all rows
    by_seed = np.tensordot(by_row, statistic(values, axis=-1), 1)
    resampled = np.tensordot(by_row, statistic(values[..., drawn], axis=-1), 1)
    return metrics.nested_estimate(by_seed, resampled.T, n)


def is_judged(difference: metrics.Estimate, preset: str) -> bool:
    """Whether it may be said which of two rows is better: not with fewer than :data:`MIN_SEEDS` seeds,
    which do not tell the luck of a training, and not at smoke size.
    """
    return len(difference.by_seed) >= MIN_SEEDS and not presets.is_smoke(preset)


def is_better(difference: metrics.Estimate, metric: str, preset: str) -> bool | None:
    """Whether a row is better than another, by the 95 % interval of its score minus the other's.

    None where zero is inside, or where that is not to be judged.
    """
    if not is_judged(difference, preset):
        return None
    low, high = sorted(evaluate.METRICS[metric].better * end for end in difference.interval()[1:])
    return True if low > 0 else False if high < 0 else None


class ScoredRows:
    """Rows of an artefact on one corpus: several seeds each, all on the same sentences.

    Args:
        scores: row, then seed, to what :func:`evaluate.score` returns.  Rows are paired by seed;
            of a comparison, the seeds that all its rows have count.
        among: indices of the sentences to judge by; None: all.
    """

    def __init__(
        self,
        scores: Mapping[str, Mapping[int, dict[str, Any]]],
        resamples: int = RESAMPLES,
        among: np.ndarray | None = None,
    ) -> None:
        self._scores = {
            row: {seed: evaluate.arrays(found) for seed, found in seeds.items()}
            for row, seeds in scores.items()
        }
        counts = {len(f["dtw_body"]) for seeds in self._scores.values() for f in seeds.values()}
        if len(counts) != 1 or min(counts) < 2:
            raise ValueError(
                f"rows hold {sorted(counts)} sentences: give the same 2 or more for all, to pair them"
            )
        among = np.arange(counts.pop()) if among is None else among
        self.sentences = len(among)
        # The first choice is all sentences; the others are drawn once, so all rows share them.
        drawn = np.random.default_rng(0).integers(self.sentences, size=(resamples, self.sentences))
        self._chosen = np.concatenate([among[None], among[drawn]])
        self._cache: dict[tuple[str, int, str], np.ndarray] = {}

    @classmethod
    def of(
        cls, runs: Mapping[str, Mapping[int, Run]], among: np.ndarray | None = None
    ) -> ScoredRows:
        """Rows by what their runs hold as ``scores``: row, then seed, to run."""
        scores = {row: {s: r.result["scores"] for s, r in of.items()} for row, of in runs.items()}
        return cls(scores, among=among)

    def contrast(self, weights: Mapping[str, float], metric: str) -> metrics.Estimate | None:
        """Sum over rows of weight times score; None where a row or its metric was not measured.

        ``{"a": 1, "b": -1}`` is the paired difference a - b, ``{"a": 1}`` the score itself.
        """
        if any(row not in self._scores for row in weights):
            return None
        seeds = sorted(set.intersection(*(set(self._scores[row]) for row in weights)))
        columns = []  # [1 + resamples] each, one a seed
        for seed in seeds:
            values = [self._values(row, seed, metric) for row in weights]
            known = [v for v in values if v is not None]
            if len(known) < len(values):
                return None
            columns.append(np.array(list(weights.values())) @ np.stack(known))
        if not columns:
            return None
        table = np.stack(columns, axis=1)
        return metrics.nested_estimate(table[0], table[1:], self.sentences)

    def _values(self, row: str, seed: int, metric: str) -> np.ndarray | None:
        """The score on all sentences, then on each draw; ``[1 + resamples]``."""
        if metric in AVERAGES:
            body, hands = (self._values(row, seed, part) for part in AVERAGES[metric])
            return None if body is None or hands is None else (body + hands) / 2
        scores = self._scores[row][seed]
        if metric not in evaluate.available(scores):
            return None
        if (row, seed, metric) not in self._cache:
            self._cache[row, seed, metric] = evaluate.value(scores, metric, self._chosen)
        return self._cache[row, seed, metric]
