"""How fast is DTW-JPE?  The library's kernel against the obvious ways to write it.

A sample is what a table compares: three parts (12 joints of the body, 21 of each hand) of a
generated and a true clip, one sample at a time, as an evaluation meets them.  Every method starts
from the same landmarks and must return the same sums.  Times are CPU medians on one thread; rounds
take turns, so a busy machine slows all methods alike and the ratios stay meaningful.
``madis bench dtw`` prints them.

The wavefront is what the authors' release uses: all parts of a sample in one padded batch, a step
an anti-diagonal; its cost is broadcast here, and by torch.cdist in a row of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from madis_lib import metrics

Clip = NDArray[np.float32]  # [T, root and joints, 3] metres
Sample = list[tuple[Clip, Clip]]  # generated and true clip of each part
JOINTS = (12, 21, 21)
TARGET = 40.0  # times the wavefront's speed


def run(
    frames: Sequence[int] = (100, 200, 300, 400), rounds: int = 5, joints: Sequence[int] = JOINTS
) -> dict[int, dict[str, float]]:
    """Median milliseconds a sample, by length and method; prints them with their ratios.

    Args:
        frames: of the true clip; the generated one has a tenth fewer.
        rounds: how often each method runs.
        joints: of each part, its root not counted.

    ValueError if two methods differ by more than 1e-5 of the sum.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        results = {n: _measure(n, rounds, joints) for n in frames}
    finally:
        torch.set_num_threads(threads)
    print(f"ms a sample of {len(joints)} parts on one thread, medians of {rounds}; times slower")
    print(f"{'frames':28s}" + "".join(f"{n:10d}{'':8s}" for n in results))
    for name in METHODS:
        cells = (f"{row[name]:10.2f}{row[name] / row[OURS]:6.0f} x" for row in results.values())
        print(f"{name:28s}" + "".join(cells))
    ratios = [row[WAVEFRONT] / row[OURS] for row in results.values()]
    print(f"{min(ratios):.0f} to {max(ratios):.0f} x the wavefront (target: {TARGET:.0f} x)")
    return results


def _measure(frames: int, rounds: int, joints: Sequence[int]) -> dict[str, float]:
    rng = np.random.default_rng(frames)
    lengths = max(1, round(0.9 * frames)), frames
    sample = [(_motion(rng, lengths[0], n + 1), _motion(rng, lengths[1], n + 1)) for n in joints]
    truth = METHODS[OURS](sample)
    METHODS[WAVEFRONT](sample)  # both compiled and warm
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    for turn in range(rounds):
        for name, method in METHODS.items():
            if turn and seconds[name][0] > 1:
                continue  # once is enough for what takes seconds
            start = time.process_time()
            sums = method(sample)
            seconds[name].append(time.process_time() - start)
            if not np.allclose(sums, truth, rtol=1e-5):
                raise ValueError(f"{name} gives {sums}, the kernel {truth}: one of them is wrong")
    return {name: 1000 * float(np.median(times)) for name, times in seconds.items()}


def fused_kernel(sample: Sample) -> list[float]:
    """The library's, with all its checks."""
    return [metrics.dtw_jpe(g, r, range(1, g.shape[1])) for g, r in sample]


def plain_loop(sample: Sample) -> list[float]:
    """One frame pair at a time, cost and recursion in the same Python loop."""
    sums = []
    for g, r in map(_at_root, sample):
        total = np.full((len(g) + 1, len(r) + 1), np.inf)
        total[0, 0] = 0
        for i in range(len(g)):
            for j in range(len(r)):
                cost = np.sqrt(((g[i] - r[j]) ** 2).sum(-1)).mean()
                total[i + 1, j + 1] = cost + min(total[i, j], total[i, j + 1], total[i + 1, j])
        sums.append(float(total[-1, -1]))
    return sums


def numpy_diagonals(sample: Sample) -> list[float]:
    """The cost matrix by broadcasting, then the recursion one anti-diagonal at a time."""
    sums = []
    for pair in sample:
        cost = _broadcast(pair)
        rows, columns = cost.shape
        before, last = np.full((2, rows + 1), np.inf)  # entry i + 1 belongs to frame i
        before[0] = 0
        for d in range(rows + columns - 1):
            i = np.arange(max(0, d - columns + 1), min(rows, d + 1))
            new = np.full(rows + 1, np.inf)
            best = np.minimum(np.minimum(last[i], last[i + 1]), before[i])
            new[i + 1] = cost[i, d - i] + best
            before, last = last, new
        sums.append(float(last[rows]))
    return sums


def shortest_path(sample: Sample) -> list[float]:
    """The cost matrix by broadcasting, then scipy: Dijkstra's shortest path through its cells."""
    return [dijkstra(_broadcast(pair)) for pair in sample]


def dijkstra(cost: NDArray) -> float:
    """DTW of a cost matrix ``[T1, T2]``, as the shortest path from a node before its first cell."""
    rows, columns = cost.shape
    cell = np.arange(rows * columns).reshape(rows, columns)
    steps = [(cell[:-1, :-1], cell[1:, 1:]), (cell[:-1], cell[1:]), (cell[:, :-1], cell[:, 1:])]
    start = np.concatenate([[cell.size], *(a.ravel() for a, _ in steps)])
    end = np.concatenate([[0], *(b.ravel() for _, b in steps)])
    nodes = (cell.size + 1,) * 2
    graph = sparse.csr_array((cost.ravel()[end].astype(np.float64), (start, end)), shape=nodes)
    return float(csgraph.dijkstra(graph, indices=cell.size)[cell.size - 1])


def torch_wavefront(sample: Sample) -> list[float]:
    """The parts as a batch: broadcast cost, then one indexed step per anti-diagonal."""
    pairs = [[torch.from_numpy(clip) for clip in _at_root(pair)] for pair in sample]
    return _wavefront([(g[:, None] - r[None]).norm(dim=-1).mean(-1) for g, r in pairs])


def torch_cdist_wavefront(sample: Sample) -> list[float]:
    """The same with torch.cdist per joint for the cost."""
    pairs = [[torch.from_numpy(c).transpose(0, 1) for c in _at_root(pair)] for pair in sample]
    exact = "donot_use_mm_for_euclid_dist"
    return _wavefront([torch.cdist(g, r, compute_mode=exact).mean(0) for g, r in pairs])


def _wavefront(costs: list[torch.Tensor]) -> list[float]:
    cost = torch.stack(costs).double()  # [parts, T1, T2]
    parts, rows, columns = cost.shape
    total = torch.full((parts, rows + 1, columns + 1), torch.inf, dtype=cost.dtype)
    total[:, 0, 0] = 0
    for d in range(rows + columns - 1):
        i = torch.arange(max(0, d - columns + 1), min(rows, d + 1))
        j = d - i
        best = torch.minimum(total[:, i, j + 1], total[:, i + 1, j]).minimum(total[:, i, j])
        total[:, i + 1, j + 1] = cost[:, i, j] + best
    return total[:, -1, -1].tolist()


OURS, WAVEFRONT = "fused kernel", "torch wavefront"
METHODS: dict[str, Callable[[Sample], list[float]]] = {
    OURS: fused_kernel,
    "torch.cdist, wavefront": torch_cdist_wavefront,
    WAVEFRONT: torch_wavefront,
    "numpy broadcast, diagonals": numpy_diagonals,
    "numpy broadcast, scipy": shortest_path,
    "plain Python loop": plain_loop,
}


def _at_root(pair: tuple[Clip, Clip]) -> tuple[Clip, Clip]:
    """Both clips without their root joint, which is moved to the origin."""
    g, r = (clip[:, 1:] - clip[:, :1] for clip in pair)
    return g, r


def _broadcast(pair: tuple[Clip, Clip]) -> NDArray[np.float32]:
    g, r = _at_root(pair)
    return np.linalg.norm(g[:, None] - r[None], axis=-1).mean(-1)


def _motion(rng: np.random.Generator, frames: int, joints: int) -> Clip:
    """A smooth wandering clip of about a hand's size, ``[frames, joints, 3]`` metres."""
    steps = rng.normal(scale=0.004, size=(frames, joints, 3))
    start = rng.normal(scale=0.05, size=(joints, 3))
    return (start + steps.cumsum(axis=0)).astype(np.float32)


if __name__ == "__main__":
    run()
