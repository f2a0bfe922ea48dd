"""The numbers of the claims that need no training: arithmetic, enumeration, two timings.

Each function computes what its claim's rule names (:class:`madis_lib.paper.Computed`).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch

from madis_lib import metrics, paper, presets, utc
from madis_lib.presets import TokenizerConfig
from madis_lib.sampler import surest
from madis_lib.tokenizer import Tokenizer

M, K, STEPS = 100, 4, 25  # MaDiS §4

NOISE = 1.25  # of a ratio of times


def value(claim_id: str) -> float | metrics.Interval | None:
    """The number of a Computed claim; None for those that need a corpus or a trained model."""
    make = COMPUTED.get(claim_id)
    return None if make is None else make()


def seconds_per_video() -> float:
    """M tokens at the throughput of §4.1."""
    return M / next(q.value for q in paper.QUOTED if q.key == "throughput")


def orders() -> float:
    """Eq. 4."""
    return float(utc.order_count(M, K))


def order_reduction() -> float:
    """Eq. 4 over Eq. 5, whole groups."""
    return utc.order_count(M, K) / utc.order_count_utc(M, K)


def closed_form() -> float:
    """Eq. 4: largest deviation from 1 of the product of binomials over the closed form, exactly."""
    worst = Fraction(0)
    for k, groups in itertools.product(range(1, 9), range(1, 14)):
        m = k * groups
        product = math.prod(math.comb(m - k * j, k) for j in range(groups))
        closed = Fraction(math.factorial(m), math.factorial(k) ** groups)
        worst = max(worst, abs(product / closed - 1))
    return float(worst)


def time_dependence(vocabulary: int = 3, length: int = 3) -> float:
    """Eq. 2: largest change of q(x0^i | xt) with t, over all masked xt of a random distribution.

    By Bayes from Eq. 1, q(x0 | xt) ~ p(x0) · product of (1 - t where visible, t where masked),
    over the x0 that agree with xt.
    """
    p = np.random.default_rng(0).dirichlet(np.ones(vocabulary**length))
    words = list(itertools.product(range(vocabulary), repeat=length))
    mask = vocabulary
    worst = 0.0
    for xt in itertools.product(range(vocabulary + 1), repeat=length):
        posteriors = []
        for t in (0.1, 0.5, 0.9):
            forward = [
                math.prod(
                    t if b == mask else (1 - t) * (a == b) for a, b in zip(x0, xt, strict=True)
                )
                for x0 in words
            ]
            joint = p * np.array(forward)
            posteriors.append(joint / joint.sum())
        worst = max(worst, float(np.ptp(posteriors, axis=0).max()))
    return worst


def positions_off_pivots() -> float:
    """§3.3: positions that differ from i % 4 == 0, then i % 2 == 0, when their stages end.

    The sampler's own choice of positions, on random confidences.
    """
    confidence = torch.rand(1, M, generator=torch.Generator().manual_seed(0))
    blank, off = torch.ones(1, M, dtype=torch.bool), 0
    position = torch.arange(M)
    for stage, (grid, counts) in enumerate(
        zip(utc.pivots(M), utc.stage_schedule(M, STEPS), strict=True)
    ):
        for count in counts:
            blank[0, surest(confidence, blank, grid, count)[0]] = False
        off += int((~blank[0] != (position % (4, 2, 1)[stage] == 0)).sum())
    return float(off)


def infeasible_training_states(draws: int = 500) -> float:
    """§3.3: states drawn in training that the sampler could never reach."""
    generator = torch.Generator().manual_seed(0)
    visible = utc.sample_visible(torch.rand(draws, generator=generator), M, generator)
    return float(sum(not utc.feasible(state) for state in visible))


def frames_from_tokens() -> float:
    """§4: frames that M tokens decode to, by a tokenizer of random weights."""
    config = TokenizerConfig(codes=(4, 4, 4), width=8, code_dim=4, depth=1)
    tokens = torch.zeros(1, presets.get("paper").model.max_tokens, 3, dtype=torch.long)
    with torch.no_grad():
        return float(Tokenizer(config).eval().decode(tokens).shape[1])


def dtw_above_diagonal() -> float:
    """§3.4: largest DTW-JPE minus error along the diagonal, pairs of random and of equal clips."""
    differences = []
    for a, b in [_clips(2, 20, seed=s) for s in range(20)] + [_clips(1, 20, seed=0) * 2]:
        cost = metrics.pairwise_jpe(a, b)
        along = np.add.accumulate(cost.diagonal())[-1]  # summed in DTW's order
        differences.append(metrics.dtw_from_cost(cost) - along)
    return float(max(differences))


def procrustes_above_translation() -> float:
    """§4: largest squared error after Procrustes minus that after translation, random poses."""
    x, y = np.random.default_rng(0).normal(size=(2, 200, 15, 3))
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    turned = x @ np.swapaxes(metrics.kabsch(x, y), -1, -2)
    return float((((turned - y) ** 2).sum((1, 2)) - ((x - y) ** 2).sum((1, 2))).max())


def dtw_over_sibleu(sentences: int = 40, repeats: int = 5) -> metrics.Interval:
    """§3.4: seconds of DTW-JPE over seconds of SiBLEU, three parts each, clips of 120 frames.

    The median of the repeats, with the smallest and the largest and NOISE beyond them: another
    machine, or another day, may be so much off.
    """
    generated, true = _clips(sentences, 120, seed=0), _clips(sentences, 120, seed=1)
    tokens = np.random.default_rng(0).integers(96, size=(2, sentences, 30)).tolist()
    metrics.dtw_jpe_many(generated[:1], true[:1])  # compiles

    def seconds(work: Callable[[], object]) -> float:
        """Of one part, both cost three times that; the quickest of five, as noise only adds."""
        taken = []
        for _ in range(5):
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
        return min(taken)

    ratios = [
        seconds(lambda: metrics.dtw_jpe_many(generated, true))
        / seconds(lambda: metrics.sibleu(tokens[0], tokens[1]))
        for _ in range(repeats)
    ]
    return metrics.Interval(float(np.median(ratios)), min(ratios) / NOISE, max(ratios) * NOISE)


def _clips(count: int, frames: int, seed: int) -> list[np.ndarray]:
    """Random walks of 15 joints, ``[frames, 15, 3]`` metres each."""
    steps = np.random.default_rng(seed).normal(0, 0.02, size=(count, frames, 15, 3))
    return list(steps.cumsum(axis=1))


COMPUTED: dict[str, Callable[[], float | metrics.Interval]] = {
    "fig6.seconds_follow_from_throughput": seconds_per_video,
    "eq4.count": orders,
    "eq5.reduction": order_reduction,
    "eq4.closed_form": closed_form,
    "eq2.time_free": time_dependence,
    "utc.pivots_are_uniform": positions_off_pivots,
    "utc.training_states_are_feasible": infeasible_training_states,
    "frames.from_tokens": frames_from_tokens,
    "dtw.is_a_minimum": dtw_above_diagonal,
    "dtw.procrustes_flatters": procrustes_above_translation,
    "dtw.slower_than_sibleu": dtw_over_sibleu,
}
