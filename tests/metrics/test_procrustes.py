"""Procrustes alignment against a search over rotations, and DTW's frame pairs against its paths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from madis_lib import metrics


def points(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(*shape, 6, 3))


def test_no_rotation_comes_closer():
    """A search from many starts over rotations and translations finds nothing better."""
    for seed in range(3):
        x, y = points(seed), points(seed + 10)

        def squared(motion: np.ndarray, x=x, y=y) -> float:
            return float(((Rotation.from_rotvec(motion[:3]).apply(x) + motion[3:] - y) ** 2).sum())

        starts = np.random.default_rng(seed).normal(size=(12, 6))
        best = min(minimize(squared, start).fun for start in starts)
        x0, y0 = x - x.mean(0), y - y.mean(0)
        assert ((x0 @ metrics.kabsch(x, y).T - y0) ** 2).sum() == pytest.approx(best, rel=1e-6)


def test_a_rigid_motion_costs_nothing_and_a_mirror_image_does():
    x = points(0, 7)
    moved = Rotation.random(rng=1).apply(x.reshape(-1, 3)).reshape(x.shape) + (1.0, -2.0, 3.0)
    np.testing.assert_allclose(metrics.procrustes_error(moved, x), 0, atol=1e-12)
    assert (metrics.procrustes_error(x * (-1, 1, 1), x) > 0.05).all()


def test_rotations_are_proper_and_batched():
    x, y = points(1, 4, 5), points(2, 4, 5)
    found = metrics.kabsch(x, y)
    assert found.shape == (4, 5, 3, 3)
    np.testing.assert_allclose(np.linalg.det(found), 1, atol=1e-12)
    np.testing.assert_allclose(found[2, 3], metrics.kabsch(x[2, 3], y[2, 3]), atol=1e-12)


def test_flat_points_do_not_become_mirror_images():
    x = points(3) * (1, 1, 0)
    turned = Rotation.from_euler("xyz", (0.3, 1.0, -2.0)).apply(x)
    rotation = metrics.kabsch(x, turned)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(metrics.procrustes_error(x, turned), 0, atol=1e-12)


@pytest.mark.parametrize("shape", [(3,), (4, 2), (0, 3)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="joints, 3"):
        metrics.procrustes_error(np.zeros(shape), np.zeros(shape))


def test_frame_pairs_are_those_of_the_definition():
    for seed, (a, b) in enumerate(((1, 1), (1, 4), (5, 1), (6, 9), (12, 7))):
        rng = np.random.default_rng(seed)
        g, r = rng.normal(size=(a, 5, 3)), rng.normal(size=(b, 5, 3))
        pairs = metrics.dtw_pairs(g, r)
        cost = metrics.pairwise_jpe(g, r)
        np.testing.assert_array_equal(pairs, metrics.warping_path(cost))
        assert cost[tuple(pairs.T)].sum() == pytest.approx(metrics.dtw_jpe(g, r), rel=1e-5)


def test_equal_clips_are_paired_frame_by_frame():
    still = np.ones((4, 5, 3))
    np.testing.assert_array_equal(metrics.dtw_pairs(still, still), [[i, i] for i in range(4)])
