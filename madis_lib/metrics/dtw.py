"""Dynamic time warping over joint position errors, DTW-JPE (MaDiS §4, evaluation metrics).

Two clips of different length are compared along the cheapest monotone pairing of their frames.
With joints ``g`` (generated, ``T1`` frames) and ``r`` (reference, ``T2`` frames), both moved so
that one root joint sits at the origin (translation only, no Procrustes alignment):

    cost[i, j]  = mean over joints of |g[i] - r[j]|                         metres
    total[i, j] = cost[i, j] + min(total[i-1, j-1], total[i-1, j], total[i, j-1])
    DTW-JPE     = total[-1, -1]                                             summed metres

The sum is not divided by anything, so it grows with length; :func:`dtw_path` also gives the number
of frame pairs for those who want a mean.  The first functions spell the definition out; the kernel
below them computes the same numbers some hundred times faster.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Packed = NDArray[np.float32]


def pairwise_jpe(
    generated: ArrayLike,
    reference: ArrayLike,
    joints: Iterable[int] | None = None,
    align: int | None = 0,
) -> Floats:
    """Joint position error of every pair of frames, metres: ``[T1,J,3], [T2,J,3] -> [T1,T2]``.

    ``align`` is the joint of the full skeleton put at the origin (None: none), ``joints`` the ones
    that count (None: all).  ValueError for no frames, values that are not finite, or mismatches.
    """
    g, r = _prepare(generated, reference, joints, align)
    return np.linalg.norm(g[:, None] - r[None], axis=-1).mean(axis=-1)


def accumulated_cost(cost: ArrayLike) -> Floats:
    """Cost of the cheapest path from the first pair to every pair; ``[T1,T2] -> [T1,T2]``."""
    cost = np.asarray(cost, np.float64)
    if cost.ndim != 2 or cost.size == 0:
        raise ValueError(f"cost has shape {cost.shape}: give a matrix with at least one frame each")
    if np.isnan(cost).any():
        raise ValueError("cost holds NaN: drop or repair the clip")
    total = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0.0
    for i, row in enumerate(cost, start=1):
        for j, value in enumerate(row, start=1):
            total[i, j] = value + min(total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
    return total[1:, 1:]


def dtw_from_cost(cost: ArrayLike) -> float:
    """DTW of a cost matrix ``[T1,T2]``, in plain loops: the definition the kernel is tested on."""
    return float(accumulated_cost(cost)[-1, -1])


def warping_path(cost: ArrayLike) -> NDArray[np.int64]:
    """The frame pairs of one cheapest path, first to last: ``[T1,T2] -> [length,2]``."""
    total = accumulated_cost(cost)
    i, j = total.shape[0] - 1, total.shape[1] - 1
    path = [(i, j)]
    while i or j:
        before = [(a, b) for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if a >= 0 and b >= 0]
        i, j = min(before, key=lambda pair: total[pair])
        path.append((i, j))
    return np.array(path[::-1])


def dtw_jpe(
    generated: ArrayLike,
    reference: ArrayLike,
    joints: Iterable[int] | None = None,
    align: int | None = 0,
) -> float:
    """DTW-JPE of two clips in summed metres (MaDiS §4); arguments as :func:`pairwise_jpe`.

    The upper body of ``body.landmarks`` is ``joints=range(1, 13)`` aligned on 0, the pelvis; a hand
    is all its joints aligned on 0, the wrist.  Costs are float32, sums float64.
    """
    return dtw_path(generated, reference, joints, align)[0]


def dtw_path(
    generated: ArrayLike,
    reference: ArrayLike,
    joints: Iterable[int] | None = None,
    align: int | None = 0,
) -> tuple[float, int]:
    """``(DTW-JPE, number of frame pairs)``; of equally cheap paths, the shortest counts."""
    g, r = _prepare(generated, reference, joints, align)
    return _dtw(_pack(g), _pack(r))


def dtw_pairs(
    generated: ArrayLike,
    reference: ArrayLike,
    joints: Iterable[int] | None = None,
    align: int | None = 0,
) -> NDArray[np.int64]:
    """The frame pairs that :func:`dtw_jpe` sums over, as :func:`warping_path`: ``[length,2]``."""
    g, r = _prepare(generated, reference, joints, align)
    return _pairs(_pack(g), _pack(r))


def dtw_jpe_many(
    generated: Sequence[ArrayLike],
    reference: Sequence[ArrayLike],
    joints: Iterable[int] | None = None,
    align: int | None = 0,
) -> Floats:
    """:func:`dtw_jpe` of ``N`` pairs of clips of any lengths; ``[N]``."""
    if len(generated) != len(reference):
        raise ValueError(
            f"{len(generated)} generated clips, {len(reference)} references: pair them"
        )
    chosen = None if joints is None else list(joints)
    pairs = zip(generated, reference, strict=True)
    return np.array([dtw_jpe(g, r, chosen, align) for g, r in pairs], np.float64)


def mpjpe_mm(
    generated: ArrayLike,
    reference: ArrayLike,
    joints: Iterable[int] | None = None,
    align: int | None = 0,
) -> float:
    """Mean joint position error in millimetres of two clips of equal length (no warping).

    What a tokenizer's reconstruction is measured by (MaDiS §4.2); arguments as
    :func:`pairwise_jpe`.
    """
    g, r = _prepare(generated, reference, joints, align)
    if len(g) != len(r):
        raise ValueError(f"clips have {len(g)} and {len(r)} frames: cut them to equal length")
    return float(1000 * np.linalg.norm(g - r, axis=-1).mean())


def unaligned_jpe(
    generated: ArrayLike,
    reference: ArrayLike,
    joints: Iterable[int] | None = None,
    align: int | None = 0,
) -> float:
    """Mean joint position error in metres without warping; arguments as :func:`pairwise_jpe`.

    The generated clip is resampled linearly in time to the reference's length, so a clip that is
    only faster or slower throughout costs next to nothing, one whose signs come at other moments
    does.  A single generated frame is held.
    """
    g, r = _prepare(generated, reference, joints, align)
    return float(np.linalg.norm(resample(g, len(r)) - r, axis=-1).mean())


def resample(clip: NDArray[Any], frames: int) -> NDArray[Any]:
    """A clip ``[T, ...]`` at ``frames`` evenly spaced times, between its frames along a line."""
    at = np.linspace(0, len(clip) - 1, frames)
    before = at.astype(int)
    after = np.minimum(before + 1, len(clip) - 1)
    share = (at - before).astype(clip.dtype).reshape(-1, *[1] * (clip.ndim - 1))
    return (1 - share) * clip[before] + share * clip[after]


def _prepare(
    generated: ArrayLike,
    reference: ArrayLike,
    joints: Iterable[int] | None,
    align: int | None,
) -> tuple[Floats, Floats]:
    """Both clips checked, moved to the root and cut to ``joints``; ``[T,J,3]`` float64."""
    clips = []
    for name, clip in (("generated", generated), ("reference", reference)):
        clip = np.asarray(clip, np.float64)
        if clip.ndim != 3 or clip.shape[2] != 3 or clip.shape[1] == 0:
            raise ValueError(f"{name} has shape {clip.shape}: give [frames, joints, 3]")
        if len(clip) == 0:
            raise ValueError(f"{name} has no frames: leave empty clips out")
        if not np.isfinite(clip).all():
            raise ValueError(f"{name} holds NaN or infinity: drop or repair the clip")
        clips.append(clip)
    count = clips[0].shape[1]
    if clips[1].shape[1] != count:
        raise ValueError(
            f"generated has {count} joints, reference {clips[1].shape[1]}: use one skeleton"
        )
    chosen = range(count) if joints is None else [operator.index(joint) for joint in joints]
    if not (chosen and min(chosen) >= 0 and max(chosen) < count):
        raise ValueError(f"joints are {chosen}: name some of 0 to {count - 1}")
    if not (align is None or 0 <= align < count):
        raise ValueError(f"align is {align}: name one of 0 to {count - 1}, or None")
    # In memory [3, joints, T], which the kernel reads; choosing joints is several times faster so.
    packed = [np.ascontiguousarray(clip.T) for clip in clips]
    g, r = (
        points.take(chosen, 1) - (0 if align is None else points[:, align, None])
        for points in packed
    )
    return g.T, r.T


# The kernel.  The cost, not the recursion, is the work: it runs over reference frames in the inner
# loop, on arrays [3, joints, frames], so that the compiler vectorises it.  Only the cost may be
# reassociated; the recursion needs true infinities and exact comparisons.


def _pack(clip: Floats) -> Packed:
    return np.ascontiguousarray(clip.T, np.float32)


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _cost_row(g: Packed, i: int, r: Packed, row: Packed) -> None:
    # row[j] = sum over joints of |g[i] - r[j]|
    row[:] = 0
    for joint in range(r.shape[1]):
        x, y, z = g[0, joint, i], g[1, joint, i], g[2, joint, i]
        for j in range(r.shape[2]):
            dx, dy, dz = r[0, joint, j] - x, r[1, joint, j] - y, r[2, joint, j] - z
            row[j] += np.sqrt(dx * dx + dy * dy + dz * dz)


@numba.njit(cache=True)
def _dtw(g: Packed, r: Packed) -> tuple[float, int]:
    joints, frames = r.shape[1], r.shape[2]
    row = np.empty(frames, np.float32)
    total = np.full(frames + 1, np.inf)  # total[j + 1] belongs to reference frame j
    length = np.zeros(frames + 1, np.int64)
    total[0] = 0.0
    for i in range(g.shape[2]):
        _cost_row(g, i, r, row)
        corner, corner_length = total[0], length[0]
        left, left_length = np.inf, 0
        total[0] = np.inf
        for j in range(frames):
            up, up_length = total[j + 1], length[j + 1]
            best, steps = corner, corner_length
            if up < best or (up == best and up_length < steps):
                best, steps = up, up_length
            if left < best or (left == best and left_length < steps):
                best, steps = left, left_length
            left, left_length = best + np.float64(row[j]), steps + 1
            total[j + 1], length[j + 1] = left, left_length
            corner, corner_length = up, up_length
    return total[frames] / joints, int(length[frames])


@numba.njit(cache=True)
def _pairs(g: Packed, r: Packed) -> NDArray[np.int64]:
    rows, columns = g.shape[2], r.shape[2]
    row = np.empty(columns, np.float32)
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(rows):
        _cost_row(g, i, r, row)
        for j in range(columns):
            before = min(total[i, j], total[i, j + 1], total[i + 1, j])
            total[i + 1, j + 1] = before + np.float64(row[j])
    path = np.empty((rows + columns - 1, 2), np.int64)
    i, j, first = rows, columns, rows + columns - 1
    while i > 0 and j > 0:  # walk back; on a tie both clips go on
        first -= 1
        path[first, 0], path[first, 1] = i - 1, j - 1
        before = min(total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
        if total[i - 1, j - 1] == before:
            i, j = i - 1, j - 1
        elif total[i - 1, j] == before:
            i -= 1
        else:
            j -= 1
    return path[first:]
