"""The 133 features against the arrays the authors' code passes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from madis_lib.parts import SMPLX_FIELDS, features_from_smplx, smplx_from_features

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "features.safetensors")


def test_features_of_a_pose_file():
    arrays = {field: GOLDEN[f"pose.{field}"] for field in SMPLX_FIELDS}
    assert np.array_equal(features_from_smplx(arrays), GOLDEN["features133"])


def test_smplx_of_features():
    """What the body model is given: de-normalised features, with legs, spine, root, eyes at rest.

    Its betas are one fixed vector of average shape in the authors' code; ours are zero.
    """
    features = GOLDEN["feats2joints.in"] * GOLDEN["std133"] + GOLDEN["mean133"]
    ours = smplx_from_features(features.reshape(-1, 133))
    theirs = {
        "smplx_root_pose": "global_orient",
        "smplx_body_pose": "body_pose",
        "smplx_lhand_pose": "left_hand_pose",
        "smplx_rhand_pose": "right_hand_pose",
        "smplx_jaw_pose": "jaw_pose",
        "smplx_expr": "expression",
    }
    for field, name in theirs.items():
        expected = GOLDEN[f"feats2joints.smplx.{name}"]
        np.testing.assert_allclose(ours[field], expected, rtol=2e-5, atol=2e-5, err_msg=name)
    assert not ours["smplx_shape"].any()
    betas = GOLDEN["feats2joints.smplx.betas"]
    assert betas.any() and (betas == betas[0]).all()
    for eye in ("leye_pose", "reye_pose"):
        assert not GOLDEN[f"feats2joints.smplx.{eye}"].any()


def test_what_features_hold_survives():
    features = GOLDEN["features133"]
    assert np.array_equal(features_from_smplx(smplx_from_features(features)), features)


def test_statistics_are_cut_like_features():
    arrays = np.split(GOLDEN["mean179"][None], np.cumsum(list(SMPLX_FIELDS.values()))[:-1], axis=1)
    cut = features_from_smplx(dict(zip(SMPLX_FIELDS, arrays, strict=True)))
    assert np.array_equal(cut[0], GOLDEN["mean133"])


def test_a_missing_array_is_named():
    arrays = {field: GOLDEN[f"pose.{field}"] for field in SMPLX_FIELDS if field != "smplx_expr"}
    with pytest.raises(KeyError, match="smplx_expr"):
        features_from_smplx(arrays)
