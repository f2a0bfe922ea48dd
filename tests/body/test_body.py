"""Forward kinematics, landmarks and the default body."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from madis_lib import body, parts
from madis_lib.body.landmarks import BODY_NAMES, FACE_VERTICES, HAND_NAMES, TIP_VERTICES
from madis_lib.body.model import DEFAULT_FILE
from madis_lib.body.rotations import Tree, rodrigues
from madis_lib.parts import JOINT, JOINT_NAMES, PARENTS

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "dtw.json").read_text())


@pytest.fixture(scope="module")
def figure():
    return body.load(DEFAULT_FILE)


def random(seed: int, *shape: int, scale: float = 0.5, dtype=torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=dtype) * scale


# -- rotations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-6, 1e-3, 1.0, 3.0, 10.0])
def test_rodrigues_is_scipys(scale):
    axis_angle = random(0, 50, 3, scale=scale)
    wanted = Rotation.from_rotvec(axis_angle.numpy()).as_matrix()
    np.testing.assert_allclose(rodrigues(axis_angle), wanted, atol=1e-12)
    single = rodrigues(axis_angle.float()).double()
    np.testing.assert_allclose(single, wanted, atol=2e-6 * max(1, scale))


@pytest.mark.parametrize("scale", [0.0, 1e-5, 1.0])
def test_rodrigues_gradient(scale):
    assert torch.autograd.gradcheck(rodrigues, random(1, 4, 3, scale=scale).requires_grad_())


def test_tree_levels_cover_the_skeleton_once():
    tree = Tree(PARENTS)
    assert len(tree.sizes) == 11 and sum(tree.sizes) == 55
    assert tree.by_level[tree.by_joint].tolist() == list(range(55))


# -- joints ---------------------------------------------------------------------------------------


def chain_of_matrices(rest: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Forward kinematics one joint at a time, with 4 x 4 matrices."""
    world = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = Rotation.from_rotvec(pose[joint]).as_matrix()
        local[:3, 3] = rest[joint] - (rest[parent] if joint else 0)
        world.append(world[parent] @ local if joint else local)
    return np.stack(world)[:, :3, 3]


def test_joints_equal_a_chain_of_matrices(figure):
    pose = random(2, 3, 55, 3, scale=1.0)
    rest = figure.rest_joints.double().numpy()
    wanted = np.stack([chain_of_matrices(rest, frame) for frame in pose.numpy()])
    np.testing.assert_allclose(figure.joints(pose), wanted, atol=1e-7)


def test_rest_pose_and_bone_lengths(figure):
    still = figure.joints(torch.zeros(55, 3))
    assert torch.allclose(still, figure.rest_joints, atol=1e-7)

    def lengths(joints):
        return (joints[..., 1:, :] - joints[..., PARENTS[1:], :]).norm(dim=-1)

    posed = figure.joints(random(3, 8, 55, 3, scale=2.0))
    assert torch.allclose(lengths(posed), lengths(figure.rest_joints.double()), atol=1e-6)


def test_the_root_turns_about_the_pelvis(figure):
    pose = random(4, 55, 3)
    pose[0] = 0
    turned = pose.clone()
    turned[0] = torch.tensor([0.3, -1.2, 0.7])
    straight, rotated = figure.joints(pose), figure.joints(turned)
    pelvis = figure.rest_joints[0].double()
    assert torch.allclose(rotated[0], pelvis, atol=1e-7)
    around = (straight - pelvis) @ rodrigues(turned[0]).T + pelvis
    assert torch.allclose(rotated, around, atol=1e-7)


def test_a_joint_moves_only_what_hangs_on_it(figure):
    pose = torch.zeros(55, 3)
    pose[JOINT["left_elbow"]] = torch.tensor([0.0, -1.0, 0.0])
    moved = (figure.joints(pose) - figure.rest_joints).norm(dim=-1) > 1e-4
    hanging = {n for n in JOINT_NAMES if n.startswith("left") and n[-1] in "123"} | {"left_wrist"}
    assert {JOINT_NAMES[i] for i in moved.nonzero().flatten().tolist()} == hanging


@pytest.mark.parametrize("pose", [torch.zeros(2, 55, 3), random(5, 2, 55, 3, dtype=torch.float32)])
def test_gradient_is_finite_also_at_rest(figure, pose):
    pose = pose.clone().requires_grad_()
    figure.joints(pose).square().sum().backward()
    assert pose.grad.isfinite().all()
    assert (pose.grad[:, JOINT["left_shoulder"]].abs().amax(dim=-1) > 1e-3).all()


def test_gradient_after_a_first_call_in_inference_mode():
    fresh = body.Body(DEFAULT_FILE)
    with torch.inference_mode():
        fresh.landmarks(torch.zeros(2, 133))
    features = torch.zeros(2, 133, requires_grad=True)
    fresh.landmarks(features)["left"].sum().backward()
    assert features.grad.isfinite().all()


def test_gradient_is_right(figure):
    pose = (random(6, 55, 3) * (torch.arange(55)[:, None] % 2)).requires_grad_()  # half are zero
    assert torch.autograd.gradcheck(lambda p: figure.joints(p)[[15, 27, 54]], pose)


# -- shapes, kinds, precision ---------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3), (0,), (2, 0)])
def test_leading_dimensions_are_free(figure, lead):
    features = random(7, *lead, 133)
    points = figure.landmarks(features)
    joints = figure.joints(parts.axis_angles(features))
    assert joints.shape == (*lead, 55, 3)
    assert {p: tuple(v.shape) for p, v in points.items()} == {
        "body": (*lead, 13, 3),
        "left": (*lead, 21, 3),
        "right": (*lead, 21, 3),
    }
    assert figure.vertices(parts.axis_angles(features)).shape == (*lead, 10475, 3)


def test_a_frame_alone_equals_a_frame_in_a_batch(figure):
    features = random(8, 7, 133)
    together = figure.landmarks(features)
    for i in range(7):
        alone = figure.landmarks(features[i])
        for part in parts.PARTS:
            assert torch.allclose(alone[part], together[part][i], rtol=0, atol=1e-12)


def test_numpy_in_numpy_out_and_precision(figure):
    features = random(9, 3, 133)
    double = figure.landmarks(features)["left"]
    frozen = features.numpy().astype(np.float32)
    frozen.flags.writeable = False
    single = figure.landmarks(frozen)["left"]
    assert double.dtype == torch.float64 and single.dtype == np.float32
    np.testing.assert_allclose(single, double, atol=2e-6)
    assert figure.joints(np.zeros((55, 3))).dtype == np.float64
    assert figure.landmarks(features.half())["body"].dtype == torch.float32


# -- landmarks ------------------------------------------------------------------------------------


def test_names_follow_the_golden_order():
    smplx_extra = list(FACE_VERTICES)  # joints 55-59
    wanted = ["pelvis"] + [
        JOINT_NAMES[j] if j < 55 else smplx_extra[j - 55] for j in GOLDEN["upper_body"]
    ]
    assert wanted == BODY_NAMES
    for side, rows in GOLDEN["hand_rows"].items():
        names = []
        for name in HAND_NAMES:
            is_tip = name.endswith("4")
            names.append(TIP_VERTICES[side][name[:-1]] if is_tip else JOINT[f"{side}_{name}"])
        assert names == rows


def test_landmarks_of_the_default_body_are_joints_and_rigid_points(figure):
    features = random(10, 5, 133)
    points, joints = figure.landmarks(features), figure.joints(parts.axis_angles(features))
    assert torch.allclose(points["body"][:, :8], joints[:, [0, 12, *range(16, 22)]], atol=1e-9)
    for side in ("left", "right"):
        own = [i for i, name in enumerate(HAND_NAMES) if not name.endswith("4")]
        rows = [JOINT[f"{side}_{HAND_NAMES[i]}"] for i in own]
        assert torch.allclose(points[side][:, own], joints[:, rows], atol=1e-7)
        for i, name in enumerate(HAND_NAMES):
            if name.endswith("4"):  # a tip keeps its distance to the last joint and is no joint
                last = joints[:, JOINT[f"{side}_{name[:-1]}3"]]
                bone = (points[side][:, i] - last).norm(dim=-1)
                assert bone.min() > 0.01 and bone.max() - bone.min() < 1e-7
    nose_to_head = (points["body"][:, 12] - joints[:, JOINT["head"]]).norm(dim=-1)
    assert nose_to_head.max() - nose_to_head.min() < 1e-7


def test_landmarks_are_differentiable(figure):
    features = torch.zeros(2, 133, requires_grad=True)
    sum(p.square().sum() for p in figure.landmarks(features).values()).backward()
    assert features.grad.isfinite().all()
    assert (features.grad[:, :30].abs().sum() > 0) and (features.grad[:, 30:120].abs().sum() > 0)


def test_shape_and_expression_do_nothing_on_the_default_body(figure):
    features = random(11, 2, 133)
    other = features.clone()
    other[:, 123:133] += 1
    assert torch.equal(figure.landmarks(features)["body"], figure.landmarks(other)["body"])
    shaped = figure.landmarks(features, betas=torch.ones(10))
    assert torch.equal(figure.landmarks(features)["left"], shaped["left"])


# -- the default body -----------------------------------------------------------------------------


def test_default_body_stands_as_smplx_does(figure):
    rest = figure.rest_joints.numpy()
    mirrored = [n.replace("left_", "right_") for n in JOINT_NAMES if n.startswith("left_")]
    for name in mirrored:
        left, right = rest[JOINT[name.replace("right_", "left_")]], rest[JOINT[name]]
        np.testing.assert_allclose(right, left * (-1, 1, 1), atol=1e-6)
    upper_arm = rest[JOINT["left_elbow"]] - rest[JOINT["left_shoulder"]]
    slope = np.degrees(np.arctan2(upper_arm[1:], upper_arm[0]))
    np.testing.assert_allclose(slope, (-16, -9), atol=0.5)  # down, back
    assert 1.5 < np.ptp(figure.template[np.unique(figure.faces)][:, 1]) < 1.9  # height in metres
    still = figure.landmarks(np.zeros(133))
    assert still["body"][BODY_NAMES.index("nose"), 2] > rest[JOINT["head"], 2] + 0.1  # faces +z
    assert still["left"][:, 0].min() > 0.6 > -0.6 > still["right"][:, 0].max()  # left is +x
    np.testing.assert_allclose(still["right"], still["left"] * (-1, 1, 1), atol=1e-6)


def test_default_file_is_small_and_holds_no_pickle():
    assert DEFAULT_FILE.stat().st_size <= 350 * 1024
    with np.load(DEFAULT_FILE, allow_pickle=False) as npz:
        assert all(npz[key].dtype.kind in "fiu" for key in npz.files)
    assert "CC0" in DEFAULT_FILE.with_name("NOTICE.txt").read_text()


def test_opening_the_jaw_parts_the_lips(figure):
    """The chin drops; nose, upper head and hands stay."""
    pose = torch.zeros(55, 3)
    pose[JOINT["jaw"], 0] = 0.3
    mesh = np.unique(figure.faces)
    drop = (figure.template - figure.vertices(pose).numpy())[mesh, 1]
    height = figure.template[mesh, 1]
    assert drop.max() > 0.02
    assert abs(drop[height > figure.rest_joints[JOINT["head"], 1].item() + 0.035]).max() < 1e-4


# -- loading --------------------------------------------------------------------------------------


@pytest.fixture
def contents():
    """The arrays of the default file; the zero directions as small as allowed."""
    with np.load(DEFAULT_FILE) as npz:
        arrays = {key: npz[key] for key in npz.files if not key.endswith("dirs")}
    small = {"shapedirs": np.zeros((10475, 3, 20), np.int8)}
    return arrays | small | {"posedirs": np.zeros((10475, 3, 486), np.int8)}


def put(key, value):
    return lambda arrays: arrays.__setitem__(key, value)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("posedirs", lambda a: a.pop("posedirs")),
        ("v_template", put("v_template", np.zeros((6890, 3), np.float32))),
        ("v_template", put("v_template", np.full((10475, 3), np.nan, np.float32))),
        ("kintree_table", put("kintree_table", np.zeros((2, 24), np.int64))),
        ("kintree_table", put("kintree_table", np.zeros((2, 55), np.int64))),
        ("f", put("f", np.full((5, 3), 20000))),
        ("weights", put("weights", np.zeros((10475, 55), np.float32))),
        ("shapedirs", put("shapedirs", np.zeros((10475, 3, 10), np.float16))),
        ("J_regressor", put("J_regressor", np.array({"a": "pickle"}, dtype=object))),
        ("hands_meanl", put("hands_meanl", np.array(["text"] * 45))),
    ],
)
def test_a_bad_file_is_named_with_its_key(contents, tmp_path, key, change):
    change(contents)
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    np.savez(path, **contents)
    with pytest.raises(ValueError, match=f"SMPLX_NEUTRAL.npz: {key}: .*non-commercial") as error:
        body.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a zip", DEFAULT_FILE.read_bytes()[:100_000]])
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="SMPLX_NEUTRAL.npz: .*MADIS_SMPLX"):
        body.load(path)


def test_a_damaged_array_is_named(tmp_path):
    content = bytearray(DEFAULT_FILE.read_bytes())
    content[2000:2100] = bytes(100)
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="v_template: unreadable"):
        body.load(path)


def test_environment_variable(monkeypatch, tmp_path, contents):
    monkeypatch.delenv("MADIS_SMPLX", raising=False)
    assert body.load().path == DEFAULT_FILE
    monkeypatch.setenv("MADIS_SMPLX", str(tmp_path / "absent.npz"))
    with pytest.raises(FileNotFoundError, match="absent.npz.*smpl-x.is.tue.mpg.de"):
        body.load()
    contents["v_template"] = contents["v_template"] * 2
    np.savez(tmp_path / "twice.npz", **contents)
    monkeypatch.setenv("MADIS_SMPLX", str(tmp_path / "twice.npz"))
    assert torch.allclose(body.load().rest_joints, 2 * body.load(DEFAULT_FILE).rest_joints)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda b: b.joints(torch.zeros(4, 54, 3)), "axis_angles"),
        (lambda b: b.landmarks(torch.zeros(4, 179)), "features"),
        (lambda b: b.landmarks(torch.zeros(4, 133), betas=torch.zeros(11)), "betas"),
        (lambda b: b.vertices(torch.zeros(4, 55, 3), expression=torch.zeros(3, 10)), "expression"),
    ],
)
def test_wrong_shapes_are_named(figure, call, name):
    with pytest.raises(ValueError, match=name):
        call(figure)


def test_neither_import_nor_use_needs_smplx():
    script = (
        "import sys, numpy; sys.modules['smplx'] = None; from madis_lib import body; "
        "body.load().landmarks(numpy.zeros((2, 133)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ})
