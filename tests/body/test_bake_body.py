"""The recipe of the default body, as far as it runs without Anny."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from madis_lib.body.model import DEFAULT_FILE
from madis_lib.parts import JOINT, JOINT_NAMES


@pytest.fixture(scope="module")
def bake():
    path = Path(__file__).parents[2] / "tools" / "bake_body.py"
    spec = importlib.util.spec_from_file_location("bake_body", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_default_file_is_what_the_recipe_writes(bake):
    """From the file's own mesh and joints the last step gives the file back, array by array."""
    with np.load(DEFAULT_FILE) as npz:
        stored = {key: npz[key] for key in npz.files}
    mesh, faces = np.unique(stored["f"], return_inverse=True)
    again = bake.smplx_arrays(
        stored["v_template"][mesh].astype(float),
        faces.reshape(-1, 3),
        stored["weights"][mesh].astype(float),
        (stored["J_regressor"] @ stored["v_template"]).astype(float),
    )
    assert list(again) == list(stored)
    for key, value in stored.items():
        assert again[key].dtype == value.dtype, key
        np.testing.assert_allclose(again[key], value, atol=1e-6, err_msg=key)


def test_every_joint_but_jaw_and_eyes_has_a_bone(bake):
    lacking = {"jaw", "left_eye_smplhf", "right_eye_smplhf"}
    assert set(bake.RIG.values()) == set(JOINT_NAMES) - lacking
    assert len(bake.RIG) == 52


def test_turn_brings_one_direction_to_the_other(bake):
    rng = np.random.default_rng(0)
    for source, target in rng.normal(size=(20, 2, 3)):
        rotation = bake.turn(source, target)
        np.testing.assert_allclose(rotation @ bake.unit(source), bake.unit(target), atol=1e-12)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(bake.turn(source, 3 * source), np.eye(3), atol=1e-7)


def test_symmetric_mirrors_the_skeleton(bake):
    joints = bake.symmetric(np.random.default_rng(1).normal(size=(55, 3)))
    left, right = joints[JOINT["left_pinky2"]], joints[JOINT["right_pinky2"]]
    np.testing.assert_allclose(left, right * (-1, 1, 1))
    assert joints[JOINT["head"], 0] == 0


def test_jaw_share_is_harmonic_between_chin_and_face(bake):
    """On a strip of skin from the chin up, with no slit, the share falls evenly to zero."""
    height = np.linspace(-0.03, 0.05, 41)
    x = np.array([-0.01, 0.01])
    places = np.array([(a, y, 0.12) for y in height for a in x])
    faces = np.array(
        [f for i in range(0, 80, 2) for f in ((i, i + 1, i + 2), (i + 1, i + 3, i + 2))]
    )
    share = bake.jaw_share(places, faces, np.ones(len(places), bool)).reshape(-1, 2).mean(1)
    assert share[0] == 1 and share[-1] == 0
    assert (np.diff(share) <= 1e-12).all()
    between = np.diff(share)[(share[:-1] > 0) & (share[1:] < 1)]
    assert len(between) > 3 and np.allclose(between[1:-1], between[1:-1].mean(), rtol=0.2)
