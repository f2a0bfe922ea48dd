"""Joints, landmarks and mesh equal those of the smplx package to 1e-5 m."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from madis_lib import body, parts
from madis_lib.body.model import DEFAULT_FILE
from tests.body.synthetic_smplx import Referee, arrays

pytest.importorskip("smplx")
CLOSE = {"rtol": 0, "atol": 1e-5}


def random(seed: int, *shape: int, scale: float = 0.5) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    path = tmp_path_factory.mktemp("smplx") / "SMPLX_NEUTRAL.npz"
    np.savez(path, **arrays(np.random.default_rng(0)))
    return path


@pytest.fixture(scope="module", params=["default", "synthetic", "synthetic, flat hand"])
def pair(request, synthetic):
    path = DEFAULT_FILE if request.param == "default" else synthetic
    flat = request.param.endswith("flat hand")
    return body.load(path, flat_hand=flat), Referee(path, flat)


def test_joints_and_vertices(pair):
    ours, referee = pair
    pose, expression, betas = random(0, 5, 55, 3), random(1, 5, 10), random(2, 5, 10)
    joints, vertices = referee(pose, expression, betas)
    assert torch.allclose(ours.joints(pose, expression, betas), joints[:, :55], **CLOSE)
    assert torch.allclose(ours.vertices(pose, expression, betas), vertices, **CLOSE)


@pytest.mark.parametrize("with_betas", [False, True])
def test_landmarks(pair, with_betas):
    ours, referee = pair
    features = random(3, 6, 133)
    betas = random(4, 10, scale=1.0) if with_betas else None
    wanted = referee.landmarks(
        parts.axis_angles(features),
        parts.expression(features),
        None if betas is None else betas.expand(6, 10),
    )
    got = ours.landmarks(features, betas)
    for part in parts.PARTS:
        assert torch.allclose(got[part], wanted[part], **CLOSE), part


def test_every_input_of_the_synthetic_body_matters(synthetic):
    """Else the parity above could hold with a term left out."""
    ours, flat = body.load(synthetic), body.load(synthetic, flat_hand=True)
    features, betas = random(5, 1, 133), random(6, 10)
    still = features.clone()
    still[:, 123:133] = 0
    points = ours.landmarks(features)
    for other in (ours.landmarks(still), ours.landmarks(features, betas), flat.landmarks(features)):
        for part in parts.PARTS:
            assert (points[part] - other[part]).abs().amax() > 1e-3


def test_hands_are_read_from_the_posed_mesh(synthetic):
    """With shared weights the regressed wrist is not the joint of the skeleton."""
    features = random(7, 1, 133)
    ours = body.load(synthetic)
    wrist = ours.joints(parts.axis_angles(features), parts.expression(features))[:, 20]
    assert (ours.landmarks(features)["left"][:, 0] - wrist).abs().amax() > 1e-3


def test_files_with_twenty_directions(tmp_path):
    """The older layout: ten shape directions, then ten of expression."""
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    np.savez(path, **arrays(np.random.default_rng(1), directions=20))
    pose, expression, betas = random(8, 2, 55, 3), random(9, 2, 10), random(10, 2, 10)
    joints, _ = Referee(path)(pose, expression, betas)
    assert torch.allclose(body.load(path).joints(pose, expression, betas), joints[:, :55], **CLOSE)
