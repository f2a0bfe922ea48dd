import json
import os
import struct

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from madis_lib.parts import JOINT_NAMES, axis_angles, smplx_from_features
from madis_lib.render import export
from madis_lib.render.export import check_path, write, write_html, write_webp

COMPONENTS = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTH = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def read_glb(path):
    """The JSON of a GLB and its accessors as arrays, all bounds checked."""
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON" and size % 4 == 0
    scene = json.loads(data[20 : 20 + size])
    binary_size, kind = struct.unpack_from("<I4s", data, 20 + size)
    assert kind == b"BIN\0" and 28 + size + binary_size == len(data)
    binary = data[28 + size :]
    assert scene["buffers"] == [{"byteLength": len(binary)}]
    arrays = []
    for accessor in scene["accessors"]:
        view = scene["bufferViews"][accessor["bufferView"]]
        dtype, width = COMPONENTS[accessor["componentType"]], WIDTH[accessor["type"]]
        count = accessor["count"] * width
        assert view["byteOffset"] % 4 == 0
        assert count * np.dtype(dtype).itemsize == view["byteLength"]
        assert view["byteOffset"] + view["byteLength"] <= len(binary)
        array = np.frombuffer(binary, dtype, count, view["byteOffset"]).reshape(-1, width)
        for bound, value in (("min", array.min(0)), ("max", array.max(0))):
            if bound in accessor:
                np.testing.assert_allclose(accessor[bound], value)
        arrays.append(array)
    return scene, arrays


def test_npz_is_what_the_blender_add_on_reads(tmp_path, features):
    write(tmp_path / "sign.npz", features, fps=25)
    with np.load(tmp_path / "sign.npz", allow_pickle=False) as read:
        arrays = dict(read)
    assert arrays["poses"].shape == (12, 165) and arrays["trans"].shape == (12, 3)
    assert not arrays["trans"].any() and arrays["betas"].tolist() == [0.0] * 10
    assert str(arrays["gender"]) == "neutral" and float(arrays["mocap_frame_rate"]) == 25
    np.testing.assert_array_equal(arrays["expression"], features[:, 123:])
    smplx = smplx_from_features(features)
    order = ("root", "body", "jaw", None, "lhand", "rhand")
    eyes = np.zeros((12, 6))
    expected = [smplx[f"smplx_{name}_pose"] if name else eyes for name in order]
    np.testing.assert_array_equal(arrays["poses"], np.concatenate(expected, axis=1))


def test_glb_is_a_skinned_animation_of_the_same_motion(tmp_path, body, features):
    write(tmp_path / "sign.glb", features, fps=25)
    scene, arrays = read_glb(tmp_path / "sign.glb")
    assert [node["name"] for node in scene["nodes"][:55]] == JOINT_NAMES
    (skin,), (animation,) = scene["skins"], scene["animations"]
    assert skin["joints"] == list(range(55))
    inverse_bind = arrays[skin["inverseBindMatrices"]].reshape(55, 4, 4)
    np.testing.assert_allclose(inverse_bind[:, 3, :3], -np.asarray(body.rest_joints), atol=1e-6)

    attributes = scene["meshes"][0]["primitives"][0]
    vertices = len(arrays[attributes["attributes"]["POSITION"]])
    assert arrays[attributes["indices"]].max() == vertices - 1
    assert all(len(arrays[index]) == vertices for index in attributes["attributes"].values())
    assert (arrays[attributes["attributes"]["WEIGHTS_0"]].astype(int).sum(1) == 255).all()
    assert arrays[attributes["attributes"]["JOINTS_0"]].max() < 55

    frame = 7
    local = np.tile(np.eye(3), (55, 1, 1))
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        times, turns = arrays[sampler["input"]], arrays[sampler["output"]]
        assert len(times) == len(turns) == 12
        np.testing.assert_allclose(times[-1], 11 / 25)
        assert ((turns[1:] * turns[:-1]).sum(1) > 0).all()  # the short way round
        local[channel["target"]["node"]] = Rotation.from_quat(turns[frame]).as_matrix()

    place = np.zeros((55, 3))

    def visit(joint, rotation, origin):
        node = scene["nodes"][joint]
        place[joint] = origin + rotation @ node["translation"]
        for child in node.get("children", ()):
            visit(child, rotation @ local[joint], place[joint])

    visit(0, np.eye(3), np.zeros(3))
    expected = np.asarray(body.joints(axis_angles(features)[frame]))
    np.testing.assert_allclose(place, expected, atol=1e-5)


def test_glb_takes_the_short_way_past_a_half_turn(tmp_path):
    clip = np.zeros((3, 133), np.float32)
    clip[:, 24] = [3.0, 3.1, -3.1]  # the left wrist; -3.1 is 3.18 the other way round
    write(tmp_path / "turn.glb", clip, fps=25)
    scene, arrays = read_glb(tmp_path / "turn.glb")
    (channel,) = scene["animations"][0]["channels"]
    assert scene["nodes"][channel["target"]["node"]]["name"] == "left_wrist"
    turns = arrays[scene["animations"][0]["samplers"][0]["output"]]
    half = np.array([3.0, 3.1, 2 * np.pi - 3.1]) / 2
    np.testing.assert_allclose(turns[:, 0], np.sin(half), atol=1e-6)
    np.testing.assert_allclose(turns[:, 3], np.cos(half), atol=1e-6)


def test_glb_of_a_still_t_pose_has_no_empty_animation(tmp_path):
    write(tmp_path / "still.glb", np.zeros((1, 133)), fps=25)
    scene, _ = read_glb(tmp_path / "still.glb")
    assert "animations" not in scene


def test_webp_moves_at_the_right_rate(tmp_path, features):
    write_webp(tmp_path / "sign.webp", features, fps=24, size=(48, 64))
    with Image.open(tmp_path / "sign.webp") as picture:
        assert picture.size == (48, 64) and picture.n_frames == 12 and picture.is_animated
        first = np.asarray(picture.convert("RGB"), int)
        total = 0
        for frame in range(12):
            picture.seek(frame)
            picture.load()
            total += picture.info["duration"]
        assert total == 500  # 12 frames at 24 a second, though 1000 / 24 is no whole number
        assert abs(np.asarray(picture.convert("RGB"), int) - first).max() > 60


def test_html_shows_one_clip_or_several(tmp_path, features):
    write(tmp_path / "a.HTML", features, 25, title="Rain", glosses=[("RAIN", 0, 1)])
    assert "<title>Rain</title>" in (tmp_path / "a.HTML").read_text(encoding="utf-8")
    write_html(tmp_path / "b.html", {"x": features, "y": features}, 25)
    assert '"label":"y"' in (tmp_path / "b.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["sign.mp4", "sign", "sign.html.gz"])
def test_another_suffix_is_refused_by_name(tmp_path, features, name):
    with pytest.raises(ValueError, match=r"use one of \.html, \.npz, \.glb, \.webp"):
        check_path(tmp_path / name)
    with pytest.raises(ValueError, match="cannot write"):
        write(tmp_path / name, features, fps=25)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", export.SUFFIXES)
def test_bad_motion_leaves_no_file(tmp_path, suffix):
    with pytest.raises(ValueError):
        write(tmp_path / f"sign{suffix}", np.full((3, 133), np.nan), fps=25)
    with pytest.raises(ValueError, match="fps"):
        write(tmp_path / f"sign{suffix}", np.zeros((1, 133)), fps=0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", export.SUFFIXES)
def test_a_write_that_fails_names_the_file_and_keeps_the_old_one(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"sign{suffix}"
    path.write_bytes(b"old")

    def full(temporary, _):
        raise OSError(28, "No space left on device", str(temporary))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=f"No space left on device: '.*sign{suffix}'") as problem:
        write(path, np.zeros((1, 133)), fps=25)
    assert problem.value.errno == 28
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == b"old"


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "folder").write_text("")
    with pytest.raises(OSError, match="sign.npz"):
        write(tmp_path / "folder" / "sign.npz", np.zeros((1, 133)), fps=25)
