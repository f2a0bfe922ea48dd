import numpy as np
import pytest

from madis_lib.parts import JOINT, axis_angles
from madis_lib.render import look
from madis_lib.render.kernels import rasterise
from madis_lib.render.raster import VIEWS, Camera, draw, draw_frames, view_camera

FACING = np.array([[0, 1, 2]], np.int32)


def triangle(*corners):
    """Corners (x, y, inverse depth), in the order that faces the camera (y points down)."""
    points = np.array(corners, np.float32)
    (ax, ay), (bx, by), (cx, cy) = points[:, :2]
    facing = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < 0
    return points if facing else points[[0, 2, 1]]


@pytest.mark.parametrize("seed", range(8))
def test_a_triangle_covers_the_pixels_whose_centres_lie_in_it(seed):
    rng = np.random.default_rng(seed)
    points = triangle(*np.c_[rng.uniform(-5, 25, (3, 2)), np.ones(3)])
    depth, owner = rasterise(points, FACING, 20, 16)
    y, x = np.mgrid[:16, :20] + 0.5
    sides = []
    for i in range(3):
        (px, py), (qx, qy) = points[i, :2], points[(i + 1) % 3, :2]
        sides.append(-((qx - px) * (y - py) - (qy - py) * (x - px)))
    inside = np.min(sides, axis=0)
    np.testing.assert_array_equal(owner == 0, np.where(abs(inside) < 1e-2, owner == 0, inside > 0))
    assert (depth[owner < 0] == 0).all()
    np.testing.assert_allclose(depth[owner == 0], 1, rtol=1e-5)


def test_the_nearer_triangle_wins_in_either_order():
    near = triangle((0, 0, 1 / 2), (0, 20, 1 / 2), (20, 0, 1 / 2))
    far = triangle((0, 0, 1 / 3), (0, 40, 1 / 3), (40, 0, 1 / 3))
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    depth, owner = rasterise(np.concatenate([near, far]), faces, 30, 30)
    assert owner[3, 3] == 0 and owner[14, 14] == 1 and owner[29, 29] == -1
    assert depth[3, 3] == pytest.approx(1 / 2) and depth[14, 14] == pytest.approx(1 / 3)
    swapped_depth, swapped = rasterise(np.concatenate([far, near]), faces, 30, 30)
    np.testing.assert_array_equal(swapped_depth, depth)
    np.testing.assert_array_equal(swapped >= 0, owner >= 0)
    assert swapped[3, 3] == 1 and swapped[14, 14] == 0


def test_triangles_that_cross_are_cut_where_they_meet():
    rising = triangle((0, 0, 0.2), (0, 10, 0.2), (20, 0, 0.8))
    level = triangle((0, 0, 0.5), (0, 10, 0.5), (20, 0, 0.5))
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    _, owner = rasterise(np.concatenate([rising, level]), faces, 20, 10)
    # inverse depth rises from 0.2 to 0.8 over 20 pixels, so it passes 0.5 at x = 10
    assert (owner[0, :10] == 1).all() and (owner[0, 10:19] == 0).all()


def test_a_seam_has_no_hole_and_what_faces_away_or_lies_behind_is_dropped():
    a, b, c, d = [(2, 2, 1), (2, 13, 1), (14, 2, 1), (14, 13, 1)]
    square = np.array([a, b, c, d], np.float32)
    faces = np.array([[0, 1, 2], [2, 1, 3]], np.int32)
    _, owner = rasterise(square, faces, 16, 16)
    assert (owner[2:13, 2:14] >= 0).all() and (owner >= 0).sum() == 11 * 12
    _, away = rasterise(square, faces[:, ::-1].copy(), 16, 16)
    assert (away == -1).all()
    square[0, 2] = 0
    _, behind = rasterise(square, faces, 16, 16)
    assert set(np.unique(behind)) == {-1, 1}


def test_a_camera_projects_its_target_to_the_centre_and_scales_with_distance():
    camera = Camera(np.array([0, 0, 2.0]), np.zeros(3), np.array([0, 1.0, 0]), field_of_view=90.0)
    points = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0.5, 0, -2], [0, 0, 3]], np.float32)
    # with 90 degrees, 100 pixels high: 50 pixels a metre at one metre, 25 at two
    expected = [[60, 50, 0.5], [72.5, 50, 0.5], [60, 37.5, 0.5], [66.25, 50, 0.25]]
    np.testing.assert_allclose(camera.project(points, 120, 100)[:4], expected, rtol=1e-5)
    assert camera.project(points, 120, 100)[4, 2] == 0  # behind the camera


def near(picture, colour):
    """Pixels whose hue is close to the named colour of the palette."""
    wanted = np.array(look.PALETTE[colour]) - np.mean(look.PALETTE[colour])
    value = picture / 255.0
    value = value - value.mean(-1, keepdims=True)
    norm = np.linalg.norm(value, axis=-1)
    cosine = (value @ wanted) / np.maximum(norm * np.linalg.norm(wanted), 1e-9)
    return (cosine > 0.95) & (norm > 0.25)


def test_pictures_are_reproducible_and_features_are_their_axis_angles(body, features):
    first = draw(body, features[3], size=(96, 128))
    assert first.shape == (128, 96, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, draw(body, features[3], size=(96, 128)))
    np.testing.assert_array_equal(first, draw(body, axis_angles(features[3]), size=(96, 128)))
    np.testing.assert_array_equal(first, draw_frames(body, features[2:5], size=(96, 128))[1])
    assert (first[0] == 255).all() and (first != 255).any(-1).mean() > 0.15


def test_left_is_blue_at_the_viewers_right_and_right_is_orange(body, features):
    picture = draw(body, features[0], size=160)
    for colour, half in (("left", slice(80, None)), ("right", slice(None, 80))):
        assert near(picture, colour)[:, half].sum() > 40
        assert near(picture, colour).sum() == near(picture, colour)[:, half].sum()
    for hands, shown in (("left", "left"), ("right", "right"), ("none", None)):
        picture = draw(body, features[0], size=160, hands=hands)
        for colour in ("left", "right"):
            assert (near(picture, colour).sum() > 40) == (colour == shown)


def test_a_hand_before_the_chest_hides_it_and_behind_the_back_is_hidden(body):
    pose = np.zeros((55, 3), np.float32)
    pose[JOINT["left_shoulder"]] = [0, 0, -0.9]
    front, back = pose.copy(), pose.copy()
    front[JOINT["left_elbow"]] = [0, -2.0, 0]
    back[JOINT["left_elbow"]] = [0, 2.0, 0]
    assert near(draw(body, front, size=160), "left").sum() > 60
    assert near(draw(body, back, size=160), "left").sum() < 20


def test_a_palm_looks_the_same_wherever_the_arm_is(body, features):
    moved = features[0].copy()
    moved[12:18] = np.random.default_rng(1).normal(0, 0.8, 6)  # both shoulders
    for view in ("left_palm", "right_palm"):
        pictures = [
            draw(body, f, size=96, view=view)[:64].astype(int) for f in (features[0], moved)
        ]
        assert near(pictures[0], view.split("_")[0]).sum() > 250
        assert abs(pictures[0] - pictures[1]).mean() < 3


@pytest.mark.parametrize("side, sign", [("left", -1), ("right", 1)])
def test_a_palm_view_is_on_the_side_to_which_fingers_curl(body, side, sign):
    flat, fist = np.zeros((2, 55, 3), np.float32)
    for finger in ("index", "middle", "ring", "pinky"):
        fist[[JOINT[f"{side}_{finger}{i}"] for i in (1, 2)], 2] = sign
    joints, curled = np.asarray(body.joints(flat)), np.asarray(body.joints(fist))
    camera = view_camera(f"{side}_palm", joints, np.asarray(body.rest_joints))
    tip = JOINT[f"{side}_middle3"]
    right, up, backward = camera.axes
    assert (curled[tip] - joints[tip]) @ backward > 0.02
    wrist = joints[JOINT[f"{side}_wrist"]]
    assert (joints[tip] - wrist) @ up > 0.15  # fingers point up,
    thumb = joints[JOINT[f"{side}_thumb3"]]
    assert (thumb - wrist) @ right * sign > 0.03  # a left thumb to the left


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_something(body, features, view):
    covered = (draw(body, features[0], size=64, view=view) != 255).any(-1).mean()
    assert 0.1 < covered < 0.95


def test_clothes_end_at_planes_of_the_t_pose(body):
    mesh = look.mesh_of(body)
    colours = mesh.colours("left")
    x, y, _ = mesh.rest.T
    for region, name in (
        (x > mesh.outfit.cuff + 0.01, "left"),
        ((x < -mesh.outfit.cuff - 0.01), "skin"),  # the untinted hand
        ((abs(x) > mesh.outfit.sleeve + 0.01) & (abs(x) < mesh.outfit.cuff - 0.01), "skin"),
        ((abs(x) < mesh.outfit.sleeve - 0.01) & (abs(y - 0.03) < 0.05), "shirt"),
        (y < mesh.outfit.hem - 0.02, "trousers"),
    ):
        assert region.sum() > 50
        expected = np.broadcast_to(look.PALETTE[name], (region.sum(), 3))
        np.testing.assert_allclose(colours[region], expected, atol=1e-3)


def test_bad_input_is_one_clear_line(body, features):
    with pytest.raises(ValueError, match=r"one pose .* not \(12, 133\)"):
        draw(body, features)
    with pytest.raises(ValueError, match="features .*133.* or axis-angles"):
        draw_frames(body, np.zeros((4, 132)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        draw(body, np.full(133, np.nan))
    with pytest.raises(ValueError, match="view='top': choose one of front"):
        draw(body, features[0], view="top")
    with pytest.raises(ValueError, match="hands='all': choose one of both"):
        draw(body, features[0], hands="all")
