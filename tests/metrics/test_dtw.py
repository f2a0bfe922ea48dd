"""DTW-JPE against its definition: every monotone path of small problems, and known properties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from madis_lib import metrics
from madis_lib.perf.bench_dtw import dijkstra

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "dtw.json").read_text())["cases"]


def clip(seed: int, frames: int, joints: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, joints, 3))


def all_paths(rows: int, columns: int):
    """Every path from (0, 0) to the far corner by steps down, right or both."""
    if (rows, columns) == (1, 1):
        yield [(0, 0)]
        return
    for a, b in ((1, 1), (1, 0), (0, 1)):
        if rows > a and columns > b:
            for path in all_paths(rows - a, columns - b):
                yield [*path, (rows - 1, columns - 1)]


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return load_file(GOLDEN / "dtw.safetensors")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"case{case['case']}")
def test_golden(case, arrays):
    name = f"c{case['case']}"
    pair = arrays[f"{name}.gen"], arrays[f"{name}.ref"]
    where = {"joints": case["wanted"], "align": case["align_idx"]}
    assert metrics.dtw_jpe(*pair, **where) == pytest.approx(case["dtw"], rel=1e-6, abs=1e-6)
    cost = metrics.pairwise_jpe(*pair, **where)
    np.testing.assert_allclose(cost, arrays[f"{name}.cost"], rtol=1e-5, atol=1e-6)
    assert metrics.dtw_from_cost(cost) == pytest.approx(case["dtw"], rel=1e-6)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_is_the_cheapest_of_all_paths(rows, columns, seed, ties):
    g, r = clip(seed, rows, 2), clip(seed + 1, columns, 2)
    if ties:
        g, r = np.round(g), np.round(r)
    cost = metrics.pairwise_jpe(g, r)
    sums = [(sum(cost[pair] for pair in path), len(path)) for path in all_paths(rows, columns)]
    best = min(sums)[0]
    assert metrics.dtw_from_cost(cost) == pytest.approx(best, abs=1e-12)
    total, length = metrics.dtw_path(g, r)
    assert total == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert length in {n for value, n in sums if value <= best + 1e-5}
    path = [tuple(pair) for pair in metrics.warping_path(cost)]
    assert path in list(all_paths(rows, columns))
    assert sum(cost[pair] for pair in path) == pytest.approx(best, abs=1e-12)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 21), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_kernel_equals_definition_and_bounds(t1, t2, joints, seed):
    g, r = clip(seed, t1, joints), clip(seed + 1, t2, joints)
    cost = metrics.pairwise_jpe(g, r)
    total, length = metrics.dtw_path(g, r)
    assert total == pytest.approx(metrics.dtw_from_cost(cost), rel=1e-6, abs=1e-6)
    assert max(t1, t2) <= length <= t1 + t2 - 1
    assert total == pytest.approx(metrics.dtw_jpe(r, g), rel=1e-6, abs=1e-6)  # symmetric
    every_frame = max(cost.min(axis=0).sum(), cost.min(axis=1).sum())
    assert every_frame - 1e-5 <= total
    if t1 == t2:
        assert total <= np.trace(cost) + 1e-5


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 10**6), st.booleans())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_agrees_with_a_shortest_path_by_scipy(t1, t2, seed, still):
    """Another algorithm by other people: Dijkstra on the grid of frame pairs."""
    g, r = clip(seed, t1, 3), clip(seed + 1, t2, 3)
    if still:
        g[t1 // 2 :] = r[-1]  # cells that cost nothing
    shortest = dijkstra(metrics.pairwise_jpe(g, r))
    assert metrics.dtw_jpe(g, r) == pytest.approx(shortest, rel=1e-6, abs=1e-6)


def walk(seed: int, frames: int) -> np.ndarray:
    """Smooth motion of a hand's size in metres."""
    steps = np.random.default_rng(seed).normal(scale=0.01, size=(frames, 4, 3))
    return steps.cumsum(axis=0)


@given(st.integers(1, 12), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_a_late_start_is_forgiven(late, seed):
    """Waiting before the motion costs nothing; the same delay in a fixed window costs its end."""
    motion = walk(seed, 40)
    waiting = np.concatenate([np.repeat(motion[:1], late, 0), motion])
    total, length = metrics.dtw_path(waiting, motion)
    assert (total, length) == (0.0, 40 + late)
    window = waiting[:40]
    lost = metrics.dtw_jpe(window, motion)
    assert lost <= metrics.pairwise_jpe(window[-1:], motion[40 - late :]).sum() + 1e-5
    assert lost <= np.trace(metrics.pairwise_jpe(window, motion)) + 1e-5


@given(st.floats(0.001, 0.1), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_corruption_costs_at_most_what_it_moves_and_grows(size, seed):
    """Joints off by ``d`` cost at most T d (the diagonal), and something; ten times, more."""
    motion = walk(seed, 30)
    noise = np.random.default_rng(seed + 1).normal(size=motion.shape)
    noise *= size / np.linalg.norm(noise, axis=-1, keepdims=True)
    little, much = (metrics.dtw_jpe(motion + k * noise, motion, align=None) for k in (1, 10))
    assert 0 < little <= 30 * size + 1e-5
    assert little < much


def test_one_bad_frame_costs_its_own_error():
    motion = walk(0, 30)
    spoilt = motion.copy()
    spoilt[11] += 5.0  # metres: any pairing of this frame is about as bad
    best = metrics.pairwise_jpe(spoilt[11:12], motion, align=None).min()
    found = metrics.dtw_jpe(spoilt, motion, align=None)
    assert best - 1e-5 <= found <= 1.1 * best


def test_same_motion_costs_nothing():
    g = clip(0, 30)
    slowed = np.repeat(g, 3, axis=0)
    assert metrics.dtw_path(g, g) == (0.0, 30)  # of the free paths the shortest
    assert metrics.dtw_path(g, slowed) == (0.0, 90)


@pytest.mark.parametrize(("t1", "t2"), [(5, 9), (9, 5), (1, 4), (6, 6)])
def test_of_equal_paths_the_shortest_counts(t1, t2):
    assert metrics.dtw_path(np.zeros((t1, 2, 3)), np.zeros((t2, 2, 3))) == (0.0, max(t1, t2))


def test_grows_with_length():
    g = clip(0, 10)
    still = np.zeros_like(g)
    twice = np.concatenate([g, g]), np.concatenate([still, still])
    assert metrics.dtw_jpe(*twice, align=None) > 1.5 * metrics.dtw_jpe(g, still, align=None)


def test_one_frame_is_compared_with_every_other():
    g, r = clip(0, 1), clip(1, 6)
    total, length = metrics.dtw_path(g, r)
    assert length == 6
    assert total == pytest.approx(metrics.pairwise_jpe(g, r).sum(), rel=1e-6)


def test_alignment_removes_translation_only():
    g, r = clip(0, 8), clip(1, 9)
    moved = g + np.random.default_rng(2).normal(size=(8, 1, 3))
    assert metrics.dtw_jpe(moved, r) == pytest.approx(metrics.dtw_jpe(g, r), rel=1e-6)
    assert metrics.dtw_jpe(moved, r, align=None) != pytest.approx(
        metrics.dtw_jpe(g, r, align=None), rel=1e-3
    )
    turned = g[..., [1, 0, 2]]  # mirrored in space: no rotation is undone
    assert metrics.dtw_jpe(turned, g) > 1


def test_alignment_uses_the_full_skeleton():
    g, r = clip(0, 8), clip(1, 9)
    by_hand = metrics.dtw_jpe((g - g[:, 4:5])[:, [1, 3]], (r - r[:, 4:5])[:, [1, 3]], align=None)
    assert metrics.dtw_jpe(g, r, joints=[1, 3], align=4) == pytest.approx(by_hand, rel=1e-6)


def test_float32_costs_keep_long_clips_exact():
    steps = np.random.default_rng(0).normal(scale=0.01, size=(2, 300, 12, 3))
    g, r = steps.cumsum(axis=1)
    definition = metrics.dtw_from_cost(metrics.pairwise_jpe(g, r))
    assert metrics.dtw_jpe(g, r) == pytest.approx(definition, rel=1e-6)


def test_many_equals_one_by_one():
    gs, rs = [clip(i, 3 + i) for i in range(6)], [clip(9 + i, 12 - i) for i in range(6)]
    many = metrics.dtw_jpe_many(gs, rs, joints=range(1, 5), align=0)
    singles = [metrics.dtw_jpe(g, r, joints=range(1, 5)) for g, r in zip(gs, rs, strict=True)]
    assert many.tolist() == singles
    assert metrics.dtw_jpe_many([], []).shape == (0,)


def test_accepts_lists_and_leaves_the_input_alone():
    g, r = clip(0, 4).astype(np.float32), clip(1, 5).astype(np.float32)
    before = g.copy()
    assert metrics.dtw_jpe(g.tolist(), r.tolist()) == metrics.dtw_jpe(g, r)
    np.testing.assert_array_equal(g, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g[:0], "no frames"),
        (lambda g: g[0], "shape"),
        (lambda g: g[..., :2], "shape"),
        (lambda g: g[:, :4], "joints"),
        (lambda g: np.where(g == g[1, 2, 0], np.nan, g), "NaN"),
        (lambda g: np.where(g == g[1, 2, 0], np.inf, g), "infinity"),
    ],
)
def test_bad_clips_are_named(change, message):
    g, r = clip(0, 4), clip(1, 5)
    with pytest.raises(ValueError, match=message):
        metrics.dtw_jpe(change(g), r)
    with pytest.raises(ValueError, match=message):
        metrics.dtw_jpe(r, change(g))


@pytest.mark.parametrize(
    "where", [{"joints": []}, {"joints": [5]}, {"joints": [-1]}, {"align": 5}, {"align": -1}]
)
def test_joints_that_do_not_exist(where):
    with pytest.raises(ValueError, match="0 to 4"):
        metrics.dtw_jpe(clip(0, 4), clip(1, 5), **where)


def test_unpaired_lists_and_empty_costs():
    with pytest.raises(ValueError, match="pair"):
        metrics.dtw_jpe_many([clip(0, 4)], [])
    with pytest.raises(ValueError, match="matrix"):
        metrics.dtw_from_cost(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="NaN"):
        metrics.dtw_from_cost([[0.0, np.nan]])


def test_mpjpe_mm():
    g = clip(0, 6)
    r = g + [0.003, 0.0, 0.004]
    assert metrics.mpjpe_mm(g, r, align=None) == pytest.approx(5.0)
    assert metrics.mpjpe_mm(g, r) == pytest.approx(0.0, abs=1e-9)
    one = g.copy()
    one[:, 2] += [0.0, 0.012, 0.005]
    assert metrics.mpjpe_mm(one, g) == pytest.approx(13 / 5)
    assert metrics.mpjpe_mm(one, g, joints=[2]) == pytest.approx(13)
    with pytest.raises(ValueError, match="equal length"):
        metrics.mpjpe_mm(g, g[:5])


def test_unaligned_jpe_of_equal_lengths_is_the_mean_joint_error():
    g, r = clip(0, 9), clip(1, 9)
    expected = metrics.mpjpe_mm(g, r, joints=[1, 3], align=2) / 1000
    assert metrics.unaligned_jpe(g, r, joints=[1, 3], align=2) == pytest.approx(expected)


@given(st.integers(1, 30), st.integers(3, 30))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_unaligned_jpe_forgives_tempo_but_not_timing(t1, t2):
    """Motion at constant speed is the same at any tempo; a pause within it is not."""
    path = clip(0, 2)

    def moving(at: np.ndarray) -> np.ndarray:
        return (1 - at)[:, None, None] * path[0] + at[:, None, None] * path[1]

    there = moving(np.linspace(0, 1, t2))
    if t1 > 1:
        assert metrics.unaligned_jpe(moving(np.linspace(0, 1, t1)), there) < 1e-9
    late = np.concatenate([there[:1]] * t2 + [there])
    assert metrics.dtw_jpe(late, there) == 0 < metrics.unaligned_jpe(late, there)


def test_unaligned_jpe_by_hand():
    reference = np.zeros((3, 1, 3))
    moving = np.array([[[0.0, 0, 0]], [[0.3, 0, 0]]])  # resampled to 0, 0.15, 0.3
    assert metrics.unaligned_jpe(moving, reference, align=None) == pytest.approx(0.15)
    held = np.full((1, 1, 3), [3.0, 4.0, 0.0])
    assert metrics.unaligned_jpe(held, reference, align=None) == pytest.approx(5)
    assert metrics.unaligned_jpe(moving, reference[:1], align=None) == 0  # its first frame


def test_resampling_runs_along_a_line_and_keeps_ends_and_precision():
    clip = np.array([[0, 10], [2, 10], [4, 40]], np.float32)
    np.testing.assert_allclose(
        metrics.resample(clip, 5), [[0, 10], [1, 10], [2, 10], [3, 25], [4, 40]]
    )
    assert metrics.resample(clip, 7).dtype == np.float32
    assert np.array_equal(metrics.resample(clip, 3), clip)
    assert np.array_equal(metrics.resample(clip[:1], 4), np.repeat(clip[:1], 4, 0))
    assert metrics.resample(np.zeros((4, 5, 3)), 9).shape == (9, 5, 3)
