"""How fast is DTW-JPE?  The library's kernel against three ways to write it.

Each method gets the same clips as arrays and must return the same sum.  Times are CPU medians per
pair; rounds take turns, so a busy machine slows all methods alike and the ratios stay meaningful.
``python -m madis_lib.perf.bench_dtw`` prints them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from madis_lib import metrics

Clips = list[NDArray[np.float64]]


def run(
    pairs: int = 4, frames: tuple[int, int] = (160, 320), joints: int = 21, rounds: int = 5
) -> dict[str, float]:
    """Median milliseconds per pair of each method, fastest first; prints them with their ratios.

    ``pairs`` made-up hands of ``frames`` (fewest, most) frames at ``joints`` joints a round.
    ValueError if two methods disagree by more than 1e-5.
    """
    rng = np.random.default_rng(0)
    lengths = rng.integers(frames[0], frames[1] + 1, size=(2, pairs))
    generated, reference = ([_motion(rng, n, joints) for n in side] for side in lengths)
    truth = metrics.dtw_jpe_many(generated, reference)  # also compiles the kernel
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    for _ in range(rounds):
        for name, method in METHODS.items():
            start = time.process_time()
            values = method(generated, reference)
            seconds[name].append((time.process_time() - start) / pairs)
            if not np.allclose(values, truth, rtol=1e-5):
                raise ValueError(f"{name} gives {values}, the kernel {truth}: one of them is wrong")
    medians = {name: 1000 * float(np.median(times)) for name, times in seconds.items()}
    fastest_first = dict(sorted(medians.items(), key=lambda item: item[1]))
    kernel = medians["fused kernel"]
    print(f"{pairs} pairs of {frames[0]}-{frames[1]} frames, {joints} joints, {rounds} rounds")
    for name, median in fastest_first.items():
        print(f"{name:32s} {median:10.3f} ms  {median / kernel:8.1f} x")
    return fastest_first


def plain_loop(generated: Clips, reference: Clips) -> list[float]:
    """One frame pair at a time, cost and recursion in the same Python loop."""
    sums = []
    for g, r in zip(generated, reference, strict=True):
        g, r = g - g[:, :1], r - r[:, :1]
        total = np.full((len(g) + 1, len(r) + 1), np.inf)
        total[0, 0] = 0
        for i in range(len(g)):
            for j in range(len(r)):
                cost = np.sqrt(((g[i] - r[j]) ** 2).sum(-1)).mean()
                total[i + 1, j + 1] = cost + min(total[i, j], total[i, j + 1], total[i + 1, j])
        sums.append(total[-1, -1])
    return sums


def numpy_diagonals(generated: Clips, reference: Clips) -> list[float]:
    """The cost matrix by broadcasting, then the recursion one anti-diagonal at a time."""
    sums = []
    for g, r in zip(generated, reference, strict=True):
        cost = metrics.pairwise_jpe(g, r)
        rows, columns = cost.shape
        before, last = np.full((2, rows + 1), np.inf)  # entry i + 1 belongs to frame i
        before[0] = 0
        for d in range(rows + columns - 1):
            i = np.arange(max(0, d - columns + 1), min(rows, d + 1))
            new = np.full(rows + 1, np.inf)
            best = np.minimum(np.minimum(last[i], last[i + 1]), before[i])
            new[i + 1] = cost[i, d - i] + best
            before, last = last, new
        sums.append(last[rows])
    return sums


def torch_wavefront(generated: Clips, reference: Clips) -> NDArray[np.float64]:
    """All pairs at once, padded: torch.cdist per joint, then one step per anti-diagonal."""

    def pad(clips: Clips) -> torch.Tensor:  # [pairs, joints, frames, 3]
        tensors = [torch.from_numpy(clip - clip[:, :1]).float() for clip in clips]
        return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True).transpose(1, 2)

    g, r = pad(generated), pad(reference)
    exact = "donot_use_mm_for_euclid_dist"
    cost = torch.cdist(g, r, compute_mode=exact).mean(1).double()  # [pairs, T1, T2]
    pairs, rows, columns = cost.shape
    total = torch.full((pairs, rows + 1, columns + 1), torch.inf, dtype=cost.dtype)
    total[:, 0, 0] = 0
    for d in range(rows + columns - 1):
        i = torch.arange(max(0, d - columns + 1), min(rows, d + 1))
        j = d - i
        best = torch.minimum(total[:, i, j + 1], total[:, i + 1, j]).minimum(total[:, i, j])
        total[:, i + 1, j + 1] = cost[:, i, j] + best
    ends = [[len(clip) for clip in clips] for clips in (generated, reference)]
    return total[range(pairs), ends[0], ends[1]].numpy()


METHODS: dict[str, Callable[[Clips, Clips], ArrayLike]] = {
    "fused kernel": metrics.dtw_jpe_many,
    "torch.cdist, batched wavefront": torch_wavefront,
    "numpy broadcast, diagonals": numpy_diagonals,
    "plain Python loop": plain_loop,
}


def _motion(rng: np.random.Generator, frames: int, joints: int) -> NDArray[np.float64]:
    """A smooth wandering clip of about a hand's size, ``[frames, joints, 3]`` metres."""
    steps = rng.normal(scale=0.004, size=(frames, joints, 3))
    return rng.normal(scale=0.05, size=(joints, 3)) + steps.cumsum(axis=0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run()
