"""Which metric ranks motions as the oracle does, and which is blind: statistics of the panel.

Tables in, numbers out: scores are ``[conditions, sentences]`` by metric, gloss accuracy among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from madis_lib import metrics
from madis_lib.experiments import corruptions
from madis_lib.experiments.evaluate import SYSTEM
from madis_lib.metrics import Interval

Scores = Mapping[str, np.ndarray]  # [conditions, sentences] by metric

TRUTH, ROUND_TRIP, OTHER_SIGNER = "truth", "tokenizer round trip", "other signer"
HARMLESS = OTHER_SIGNER  # what a metric should not mind: the same signs by another person
# Signing that is right, and signing in which other signs, or in another order, are all that is wrong.
CONTENT = (TRUTH, OTHER_SIGNER, *(c.name for c in corruptions.GRADED if c.content))
MEDIUM = 0.5  # standard deviations: a drop shown to be smaller is one that a metric does not see
MATERIAL = 0.02  # of gloss accuracy: what falls by less is as legible
ORACLE = "oracle"  # its column holds gloss accuracy


@dataclass(frozen=True)
class Measure:
    """A column of the panel."""

    label: str
    unit: str
    better: int  # +1 higher, -1 lower


MEASURES = {
    "dtw": Measure("DTW-JPE, body and hands averaged", "m", -1),
    "dtw_body": Measure("DTW-JPE body", "m", -1),
    "dtw_hands": Measure("DTW-JPE hands", "m", -1),
    "mm": Measure("DTW error per aligned pair", "mm", -1),
    "unaligned": Measure("error without warping", "mm", -1),
    "procrustes": Measure("DTW error after Procrustes", "mm", -1),
    "sibleu": Measure("SiBLEU, body and hands averaged", "", 1),
    "siclip": Measure("SiCLIP, similarity", "", 1),
    "siclip_r1": Measure("SiCLIP, R@1", "", 1),
    "back_translation": Measure("BLEU-4 of the text read back", "", 1),
}


def measured(scores: Scores) -> list[str]:
    """The metrics of a table, in the order of :data:`MEASURES`."""
    return [name for name in MEASURES if name in scores]


@dataclass(frozen=True)
class Agreement:
    """How far metrics rank motions as the oracle does, oriented so that right is positive.

    ``rho`` and ``over_dtw`` (ρ of the metric minus ρ of DTW-JPE) by (metric, level).  Level "clips"
    ranks every clip of every condition, "content" those of :data:`CONTENT`, "MaDiS" the model's own
    alone, and "conditions" the conditions' means.
    ``without``: least and most ρ over all clips when one condition is left out, and
    ``over_without`` the same of the difference, by metric: conditions are chosen, not drawn.
    """

    rho: Mapping[tuple[str, str], Interval]
    over_dtw: Mapping[tuple[str, str], Interval]
    without: Mapping[str, tuple[float, float]]
    over_without: Mapping[str, tuple[float, float]]


def agreement(
    scores: Scores, names: Sequence[str], seed: int = 0, resamples: int = 1000
) -> Agreement:
    """Spearman's ρ of each metric with the oracle's accuracy (Fig. 7b).

    The paper prints |ρ|; this is the same where a metric points the right way, and negative where
    it does not.  Intervals are 95 % bootstraps over sentences with all conditions kept, and metrics
    are compared on the same draws.
    """
    found = measured(scores)
    better = np.array([MEASURES[name].better for name in found])
    values = np.stack([scores[name] for name in (*found, ORACLE)])  # [metrics + 1, C, n]
    content = [i for i, name in enumerate(names) if name in CONTENT]
    levels: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "clips": lambda drawn: drawn.reshape(len(drawn), -1),
        "content": lambda drawn: drawn[:, content].reshape(len(drawn), -1),
        "conditions": lambda drawn: drawn.mean(-1),
    }
    if SYSTEM in names:
        levels[SYSTEM] = lambda drawn: drawn[:, list(names).index(SYSTEM)]
    n, rng = values.shape[-1], np.random.default_rng(seed)
    choices = [rng.integers(n, size=n) for _ in range(resamples)]
    rho, over = {}, {}
    for level, seen in levels.items():
        estimate = better * _rho(seen(values))
        draws = np.array([better * _rho(seen(values[..., chosen])) for chosen in choices])
        base = found.index("dtw")
        for m, name in enumerate(found):
            rho[name, level] = _interval(estimate[m], draws[:, m])
            if m != base:
                gap = draws[:, m] - draws[:, base]
                over[name, level] = _interval(estimate[m] - estimate[base], gap)
    left = np.array(
        [better * _rho(levels["clips"](np.delete(values, c, 1))) for c in range(len(names))]
    )
    gaps = left - left[:, [found.index("dtw")]]
    return Agreement(rho, over, _ranges(found, left), _ranges(found, gaps))


def _rho(values: np.ndarray) -> np.ndarray:
    """Spearman's ρ of every row with the last one; ``[m + 1, n] -> [m]``, NaN where all are equal."""
    ranks = stats.rankdata(values, axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    norm = np.linalg.norm(ranks, axis=1)
    scale = norm[:-1] * norm[-1]
    return np.where(scale > 0, ranks[:-1] @ ranks[-1] / np.maximum(scale, 1e-12), np.nan)


def _ranges(found: Sequence[str], values: np.ndarray) -> dict[str, tuple[float, float]]:
    return {
        name: (float(column.min()), float(column.max()))
        for name, column in zip(found, values.T, strict=True)
    }


def _interval(estimate: float, draws: np.ndarray) -> Interval:
    kept = draws[~np.isnan(draws)]
    if len(kept) < len(draws) / 2:
        return Interval(float(estimate), np.nan, np.nan)
    low, high = np.quantile(kept, [0.025, 0.975])
    return Interval(float(estimate), float(low), float(high))


@dataclass(frozen=True)
class Sight:
    """What a metric makes of a condition, beside the same signs by another signer.

    ``seen``: share of sentences ranked below the other signer's, ties half.  ``drop``: mean
    worsening in standard deviations of its paired differences, ``low`` and ``high`` the ends of its
    95 % interval.  ``fall``: those of the fall of the oracle's accuracy.  With few sentences most
    cells are neither blind nor a false alarm: undecided.
    """

    seen: float
    drop: float
    low: float
    high: float
    fall: tuple[float, float]

    @property
    def oracle_falls(self) -> bool:
        """Fewer signs are read than of the other signer, by more than :data:`MATERIAL`."""
        return self.fall[0] > MATERIAL

    @property
    def blind(self) -> bool:
        """The signs got worse, and the metric minds less than :data:`MEDIUM`, if at all."""
        return self.oracle_falls and self.low <= 0 and self.high < MEDIUM

    @property
    def false_alarm(self) -> bool:
        """The metric minds, and the signs are as legible as another signer's."""
        return self.low > 0 and self.fall[1] < MATERIAL


def blindness(scores: Scores, names: Sequence[str], seed: int = 0) -> dict[tuple[str, str], Sight]:
    """Which condition each metric fails to see, by (condition, metric).

    Reference-based metrics put anything below the truth itself, so that would test nothing.  The
    yardstick is the harmless change: the same signs by another signer.  Not corrected for the
    number of cells.
    """
    yardstick = list(names).index(HARMLESS)
    n = scores[ORACLE].shape[1]
    draws = np.random.default_rng(seed).integers(n, size=(1000, n))

    def ends(worsening: np.ndarray) -> tuple[float, float]:
        """The 95 % interval of the mean over sentences."""
        low, high = np.quantile(worsening[draws].mean(1), [0.025, 0.975])
        return float(low), float(high)

    found = {}
    for c, condition in enumerate(names):
        if condition in (TRUTH, HARMLESS):
            continue
        fall = ends(scores[ORACLE][yardstick] - scores[ORACLE][c])
        for name in measured(scores):
            loss = MEASURES[name].better * (scores[name][yardstick] - scores[name][c])
            spread = loss.std(ddof=1) if len(loss) > 1 and np.ptp(loss) else 1.0
            seen = float(((loss > 0) + 0.5 * (loss == 0)).mean())
            low, high = ends(loss / spread)
            found[condition, name] = Sight(seen, float(loss.mean() / spread), low, high, fall)
    return found


def share_removed(
    scores: Scores, names: Sequence[str], before: str, after: str, condition: str, seed: int = 0
) -> Interval:
    """1 - (mean error ``after``) / (mean error ``before``) of a condition, with its interval.

    ``unaligned`` to ``mm`` is what warping forgives; ``mm`` to ``procrustes`` what rotation does,
    and centring on all joints in the place of one root.
    Warping that undid differences of timing alone would remove the error of time-stretched truth
    and little of a wrong sentence's: what it removes there is over-optimism (MaDiS §3.4).  Both
    are means per pair; a path that waits has more pairs, which flatters it too (notebook 07).
    """
    c = list(names).index(condition)
    first, second = scores[before][c], scores[after][c]
    n = len(first)
    removed, draws = (
        1 - second[chosen].mean(-1) / np.maximum(first[chosen].mean(-1), 1e-12)
        for chosen in (np.arange(n), metrics.bootstrap_draws(n, seed, resamples=1000))
    )
    return metrics.percentile_interval(removed, draws)
