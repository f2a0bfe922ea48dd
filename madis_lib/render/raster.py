"""Still pictures of the body: a z-buffer rasteriser that needs no GPU and no display.

Two passes.  The first finds, for every sample, the nearest triangle; the second colours each
visible sample once, with normals and clothes interpolated to that point.  The same input gives the
same bytes, so pictures can be compared in tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from madis_lib.parts import JOINT, NUM_FEATURES
from madis_lib.render.kernels import (
    SAMPLES,
    rasterise,
    shade,
    surrounding_depth,
    vertex_normals,
)
from madis_lib.render.look import (
    as_pose,
    expression_of,
    mesh_of,
    palette,
    to_numpy,
)

if TYPE_CHECKING:
    from madis_lib.body import Body

BODY_DISTANCE = 2.6  # metres from the camera to the chest
FIELD_OF_VIEW = 24.0  # degrees, vertical
NEAR = 0.05  # metres; triangles closer to the camera are dropped
AZIMUTH = {"front": 0.0, "three_quarter": 40.0, "side": 90.0}  # degrees, towards the signer's left
VIEWS = (*AZIMUTH, "left_hand", "right_hand", "left_palm", "right_palm")


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: positions in metres, vertical field of view in degrees."""

    eye: np.ndarray
    target: np.ndarray
    up: np.ndarray
    field_of_view: float = FIELD_OF_VIEW

    @property
    def axes(self) -> np.ndarray:
        """Rows: right, up, backward (towards the viewer)."""
        backward = _unit(np.asarray(self.eye, float) - self.target)
        right = _unit(np.cross(self.up, backward))
        return np.stack([right, np.cross(backward, right), backward])

    def project(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """``[N, 3]`` metres to x and y in pixels (y down) and inverse depth (0 behind NEAR)."""
        x, y, z = (self.axes @ (points - self.eye).T).astype(np.float32)
        inverse = np.where(-z > NEAR, 1.0 / np.maximum(-z, NEAR), 0.0)
        focal = height / (2.0 * np.tan(np.radians(self.field_of_view / 2)))
        out = np.stack([width / 2 + focal * x * inverse, height / 2 - focal * y * inverse, inverse])
        return np.ascontiguousarray(out.T, np.float32)


def draw(
    body: Body,
    pose: Any,
    *,
    size: int | tuple[int, int] = 384,
    view: str | Camera = "front",
    hands: str = "both",
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """A picture of one pose; uint8 ``[height, width, 3]``.

    ``pose`` is axis-angles [55, 3] or features [133]; ``size`` pixels, or (width, height).
    ``view`` is one of ``VIEWS`` or a camera: the upper body from an angle, a hand as the front
    camera sees it, or a palm alone, fingers up, wherever it points.  ``hands`` says which are
    tinted (left blue, right orange).
    """
    shape = np.shape(pose)
    if shape not in ((NUM_FEATURES,), (55, 3)):
        raise ValueError(f"draw takes one pose [55, 3] or features [{NUM_FEATURES}], not {shape}")
    poses = to_numpy(pose)[None]
    return draw_frames(body, poses, size=size, view=view, hands=hands, background=background)[0]


def draw_frames(
    body: Body,
    poses: Any,
    *,
    size: int | tuple[int, int] = 384,
    view: str | Camera = "front",
    hands: str = "both",
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Pictures of T poses, uint8 ``[T, height, width, 3]``; otherwise as :func:`draw`."""
    face = expression_of(poses)
    poses = as_pose(poses)
    width, height = (size, size) if isinstance(size, int) else size
    mesh, colours = mesh_of(body), palette(hands)
    faces = mesh.faces
    if isinstance(view, str) and view.endswith("_palm"):
        # The chest would hide a palm that faces it, so only that forearm and hand are drawn.
        side = 1.0 if view.startswith("left") else -1.0
        forearm = side * mesh.rest[:, 0] > mesh.outfit.cuff - 0.16
        faces = faces[forearm[faces].all(axis=1)]
    joints = body.joints(poses)
    frames = np.empty((len(poses), height, width, 3), np.uint8)
    for t, pose in enumerate(poses):
        if isinstance(view, Camera):
            camera = view
        else:
            camera = view_camera(view, joints[t], mesh.rest_joints)
        vertices = body.vertices(pose, expression=face[t])[mesh.used]
        points = camera.project(vertices, width * SAMPLES, height * SAMPLES)
        inverse_depth, owner = rasterise(points, faces, width * SAMPLES, height * SAMPLES)
        frames[t] = shade(
            points,
            faces,
            vertex_normals(vertices, mesh.faces),
            mesh.rest,
            mesh.is_eye,
            inverse_depth,
            owner,
            surrounding_depth(inverse_depth[::SAMPLES, ::SAMPLES], max(1, height // 40)),
            BODY_DISTANCE / float(np.linalg.norm(camera.eye - camera.target)),
            camera.axes.astype(np.float32),
            mesh.outfit.numbers(),
            colours,
            np.array(background, np.float32),
        )
    return frames


def chest(rest_joints: np.ndarray) -> np.ndarray:
    """What a camera of the upper body looks at, ``[3]``."""
    return np.array([0.0, rest_joints[JOINT["left_shoulder"], 1] - 0.1, 0.0])


def view_camera(view: str, joints: np.ndarray, rest_joints: np.ndarray) -> Camera:
    """The camera of a named view for posed joints ``[55, 3]``."""
    if view in AZIMUTH:
        angle = np.radians(AZIMUTH[view])
        target = chest(rest_joints)
        eye = target + BODY_DISTANCE * np.array([np.sin(angle), 0.03, np.cos(angle)])
        return Camera(eye, target, np.array([0.0, 1.0, 0.0]))
    if view not in VIEWS:
        raise ValueError(f"view={view!r}: choose one of {', '.join(VIEWS)}")
    side, kind = view.split("_")
    wrist, middle, index, pinky = (
        joints[JOINT[f"{side}_{name}"]] for name in ("wrist", "middle1", "index1", "pinky1")
    )
    along = _unit(middle - wrist)
    target = wrist + 0.095 * along
    if kind == "hand":
        return Camera(target + np.array([0.0, 0.0, 0.75]), target, np.array([0.0, 1.0, 0.0]))
    thumbwards = index - pinky
    palm = _unit(np.cross(along, thumbwards) if side == "left" else np.cross(thumbwards, along))
    return Camera(target + 0.75 * palm + 0.12 * _unit(thumbwards), target, along)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(float(np.linalg.norm(v)), 1e-9)
