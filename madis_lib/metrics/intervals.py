"""How far to trust a number: bootstrap, Wilson and rank-correlation intervals, Holm's correction.

All are deterministic: the bootstraps draw from ``numpy.random.default_rng(seed)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


class Interval(NamedTuple):
    """An estimate and the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


def bootstrap_statistic(
    statistic: Callable[[NDArray[np.int64]], float],
    n: int,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Percentile bootstrap of a corpus-level number such as SiBLEU or a gloss error rate.

    ``statistic`` maps sentence indices ``[n]`` to the number.  For two systems, pass the difference
    of both on the same indices: that is the paired bootstrap.
    """
    draws = [statistic(chosen) for chosen in bootstrap_draws(n, seed, resamples)]
    return percentile_interval(statistic(np.arange(n)), draws, level)


def bootstrap_draws(n: int, seed: int = 0, resamples: int = 2000) -> NDArray[np.int64]:
    """The sentences that bootstraps draw, with replacement; ``[resamples, n]``."""
    if n < 1:
        raise ValueError("no sentences: an interval needs at least one")
    return np.random.default_rng(seed).integers(n, size=(resamples, n))


def percentile_interval(estimate: float, draws: ArrayLike, level: float = 0.95) -> Interval:
    """The percentile bootstrap's interval, from the numbers on what was drawn."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: give a number between 0 and 1")
    low, high = np.quantile(np.asarray(draws), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(estimate), float(low), float(high))


def bootstrap_interval(
    values: ArrayLike, seed: int = 0, level: float = 0.95, resamples: int = 2000
) -> Interval:
    """Mean of ``[sentences]`` or ``[seeds, sentences]`` values and its percentile interval.

    With two axes a draw picks seeds, then sentences, both with replacement.  All seeds are tested
    on the same sentences, so a draw keeps its sentences for every seed it picked.
    """
    table = np.atleast_2d(_finite(values, "values"))
    if table.ndim != 2:
        raise ValueError(f"values have {table.ndim} axes: give [sentences] or [seeds, sentences]")
    seeds, sentences = table.shape
    if seeds == 1:
        draws = table[0][bootstrap_draws(sentences, seed, resamples)].mean(axis=1)
        return percentile_interval(table.mean(), draws, level)
    rng, draws = np.random.default_rng(seed), []
    for _ in range(resamples):
        rows = table[rng.integers(seeds, size=seeds)]
        draws.append(rows.mean(axis=0)[rng.integers(sentences, size=sentences)].mean())
    return percentile_interval(table.mean(), draws, level)


def paired_interval(
    a: ArrayLike, b: ArrayLike, seed: int = 0, level: float = 0.95, resamples: int = 2000
) -> Interval:
    """Mean of ``a - b`` where entry ``i`` of both is the same sentence (and seed, given two axes).

    It lies off zero only if the difference does; shapes as :func:`bootstrap_interval`.
    """
    a, b = _pair(a, b)
    return bootstrap_interval(a - b, seed, level, resamples)


@dataclass(frozen=True)
class Estimate:
    """A number measured with several training seeds on one set of sentences."""

    by_seed: tuple[float, ...]
    error: float  # standard error of the mean over seeds; inf where nothing says how large it is
    freedom: float  # degrees of freedom of that error

    @property
    def mean(self) -> float:
        """The estimate: the mean over seeds."""
        return float(np.mean(self.by_seed))

    def interval(self, level: float = 0.95) -> Interval:
        """Student's interval; an unknown error gives an infinite one."""
        if np.isinf(self.error):
            return Interval(self.mean, -np.inf, np.inf)
        half = stats.t.ppf(_upper(level), self.freedom) * self.error
        return Interval(self.mean, float(self.mean - half), float(self.mean + half))

    def p_not_above(self, threshold: float = 0.0) -> float:
        """One-sided p of "the true number is at most ``threshold``": small if it is larger."""
        return self._tail(self.mean - threshold)

    def p_not_below(self, threshold: float = 0.0) -> float:
        """One-sided p of "the true number is at least ``threshold``": small if it is smaller."""
        return self._tail(threshold - self.mean)

    def _tail(self, distance: float) -> float:
        if self.error == 0:  # no spread: certainty, or a tie
            return 0.5 - 0.5 * float(np.sign(distance))
        return float(stats.t.sf(distance / self.error, self.freedom))


def nested_estimate(
    by_seed: ArrayLike, resampled: ArrayLike | None = None, sentences: int = 0
) -> Estimate:
    """Mean over seeds with the variance of seeds and, nested in it, that of sentences.

    All seeds are tested on the same sentences, so the spread of seeds does not hold the luck of
    drawing those sentences; it is added::

        error² = var(by_seed) / S  +  var over draws of mean over seeds
        freedom by Welch and Satterthwaite, from S - 1 and sentences - 1

    The interaction of both counts twice, which errs on the safe side.  Drawing seeds with
    replacement instead would understate their variance by (S - 1) / S and has no Student tails:
    of five seeds, the percentile interval covers far less than it says (a test shows it).

    Args:
        by_seed: the number on all sentences, ``[S]``; a difference of two systems, seed by seed.
        resampled: the same on sentences drawn with replacement, ``[draws, S]``, one draw for all
            seeds; None where there are none, such as for timings.
        sentences: how many there are.

    With one seed the error is of sentences alone and says nothing of another training.
    """
    values = _finite(by_seed, "by_seed")
    if values.ndim != 1:
        raise ValueError(f"by_seed has shape {values.shape}: give one number a seed")
    seeds = len(values)
    parts = []  # (variance, degrees of freedom)
    if seeds > 1:
        parts.append((float(values.var(ddof=1)) / seeds, seeds - 1))
    if resampled is not None:
        draws = _finite(resampled, "resampled")
        if draws.shape[1:] != values.shape or len(draws) < 2 or sentences < 2:
            raise ValueError(
                f"resampled has shape {draws.shape} of {sentences} sentences: give "
                f"[draws, {seeds}], and at least 2 draws and sentences"
            )
        parts.append((float(draws.mean(axis=1).var(ddof=1)), sentences - 1))
    by = tuple(values.tolist())
    if not parts:
        return Estimate(by, np.inf, 1.0)
    total = sum(v for v, _ in parts)
    if total == 0:
        return Estimate(by, 0.0, float(parts[0][1]))
    return Estimate(by, float(np.sqrt(total)), total**2 / sum(v**2 / f for v, f in parts))


def wilson_interval(successes: float, n: int, level: float = 0.95) -> Interval:
    """Share ``successes / n`` with Wilson's score interval; all in [0, 1], right near the ends."""
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials: give 0 <= successes <= n, n >= 1")
    z = _normal_quantile(level)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Interval(share, float(max(0, centre - half)), float(min(1, centre + half)))


def spearman(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> Interval:
    """Spearman's rank correlation of ``[n]`` pairs (MaDiS Fig. 7b), ties at their mean rank.

    The interval is Fisher's, with the standard error of Bonett and Wright (2000).
    """
    x, y = _pair(x, y)
    if x.ndim != 1 or len(x) < 4:
        raise ValueError(f"values have shape {x.shape}: give two lists of at least 4 numbers")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        raise ValueError("all values of one list are equal: ranks need a difference")
    rho = float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
    if abs(rho) > 1 - 1e-12:
        return Interval(round(rho), round(rho), round(rho))
    half = _normal_quantile(level) * np.sqrt((1 + rho**2 / 2) / (len(x) - 3))
    return Interval(
        rho, float(np.tanh(np.arctanh(rho) - half)), float(np.tanh(np.arctanh(rho) + half))
    )


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p-values ``[n]``: reject those below α and the family errs at most at α."""
    p = _finite(p_values, "p_values")
    if p.ndim != 1 or (p < 0).any() or (p > 1).any():
        raise ValueError("p_values: give one list of numbers in [0, 1]")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def _normal_quantile(level: float) -> float:
    return float(stats.norm.ppf(_upper(level)))


def _upper(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: give a number between 0 and 1")
    return (1 + level) / 2


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.size == 0:
        raise ValueError(f"{name} are empty: give at least one")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} hold NaN or infinity: leave failed sentences out")
    return array


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = _finite(a, "the first values"), _finite(b, "the second values")
    if first.shape != second.shape:
        raise ValueError(f"shapes {first.shape} and {second.shape} differ: pair the values")
    return first, second
