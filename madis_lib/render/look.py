"""What the figure looks like: its mesh, its clothes and its colours.

Clothes are regions of the T-pose, not of joints: a sleeve ends where the arm passes a plane, so its
edge is as sharp as the picture, whatever the triangles under it.  The same few numbers
(:class:`Outfit`) dress the still pictures, the interactive player and the exported GLB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from madis_lib.parts import JOINT, NUM_FEATURES, axis_angles, expression
from madis_lib.render.kernels import vertex_colours

if TYPE_CHECKING:
    from madis_lib.body import Body

# sRGB. Left blue and right orange stay apart for every kind of colour vision.
PALETTE = {
    "skin": (0.90, 0.74, 0.64),
    "shirt": (0.235, 0.300, 0.420),
    "trousers": (0.225, 0.225, 0.245),
    "left": (0.22, 0.55, 0.88),
    "right": (0.96, 0.55, 0.13),
    "hair": (0.23, 0.18, 0.16),
    "eye": (0.96, 0.96, 0.95),
    "iris": (0.20, 0.15, 0.13),
}
HANDS = {"both": (1.0, 1.0), "left": (1.0, 0.0), "right": (0.0, 1.0), "none": (0.0, 0.0)}


def palette(hands: str = "both") -> np.ndarray:
    """Linear-light colours ``[8, 3]`` in the order of ``PALETTE``; untinted hands are skin.

    Raises ``ValueError`` when ``hands`` is not one of both, left, right, none.
    """
    if hands not in HANDS:
        raise ValueError(f"hands={hands!r}: choose one of {', '.join(HANDS)}")
    colours = np.array(list(PALETTE.values()), np.float32)
    for row, tinted in zip((3, 4), HANDS[hands], strict=True):
        if not tinted:
            colours[row] = colours[0]
    return colours**2  # gamma 2, as the shader undoes it


@dataclass(frozen=True)
class Outfit:
    """Where garments end on the T-pose, in metres."""

    sleeve: float  # |x| of the sleeve's edge
    cuff: float  # |x| where the hand's tint begins
    hem: float  # height of the shirt's lower edge
    collar: float  # height of the neckline at z = 0; it falls towards the front
    eye: tuple[float, float, float]  # centre of the left eye; the right one is its mirror image

    @classmethod
    def of(cls, rest_joints: np.ndarray) -> Outfit:
        """Measure a body's T-pose joints ``[55, 3]``."""
        place = {name: rest_joints[index] for name, index in JOINT.items()}
        shoulder, elbow, wrist = (place[f"left_{n}"][0] for n in ("shoulder", "elbow", "wrist"))
        eye = place["left_eye_smplhf"]
        return cls(
            sleeve=float(0.25 * shoulder + 0.75 * elbow),
            cuff=float(wrist - 0.012),
            hem=float(place["pelvis"][1] + 0.02),
            collar=float(place["neck"][1]),
            eye=(float(eye[0]), float(eye[1]), float(eye[2])),
        )

    def numbers(self) -> np.ndarray:
        return np.array([self.sleeve, self.cuff, self.hem, self.collar, *self.eye], np.float32)


@dataclass(frozen=True)
class Mesh:
    """The drawable part of a body: V vertices that some triangle uses."""

    used: np.ndarray  # [V] index into the body's vertices
    rest: np.ndarray  # [V, 3] T-pose, metres
    faces: np.ndarray  # [F, 3] into the V vertices
    is_eye: np.ndarray  # [V] 1 on the eyeballs
    influences: np.ndarray  # [V, 4] joints that move the vertex
    influence_weights: np.ndarray  # [V, 4], sums to one
    rest_joints: np.ndarray  # [55, 3]
    outfit: Outfit

    def colours(self, hands: str = "both") -> np.ndarray:
        """sRGB colour of every vertex ``[V, 3]`` in 0-1."""
        linear = vertex_colours(self.rest, self.is_eye, self.outfit.numbers(), palette(hands))
        return np.sqrt(linear)

    def byte_weights(self) -> np.ndarray:
        """Influence weights as uint8 ``[V, 4]`` that sum to 255."""
        weights = np.round(self.influence_weights * 255).astype(int)
        weights[:, 0] += 255 - weights.sum(1)
        return weights.astype("u1")


@lru_cache(maxsize=4)
def mesh_of(body: Body) -> Mesh:
    """The mesh of a body; remembered, since it costs more than a picture."""
    used, compact = np.unique(body.faces, return_inverse=True)
    weights = body.weights[used]
    joints = np.ascontiguousarray(np.argsort(-weights, axis=1, kind="stable")[:, :4])
    strongest = np.take_along_axis(weights, joints, axis=1)
    rest_joints = to_numpy(body.rest_joints).astype(np.float32)
    eyes = [JOINT["left_eye_smplhf"], JOINT["right_eye_smplhf"]]
    return Mesh(
        used=used,
        rest=np.ascontiguousarray(body.template[used], np.float32),
        faces=compact.reshape(-1, 3).astype(np.int32),
        is_eye=(weights[:, eyes].sum(1) > 0.5).astype(np.float32),
        influences=joints,
        influence_weights=(strongest / strongest.sum(1, keepdims=True)).astype(np.float32),
        rest_joints=rest_joints,
        outfit=Outfit.of(rest_joints),
    )


def as_pose(motion: Any) -> np.ndarray:
    """Axis-angles ``[..., 55, 3]`` of either themselves or features ``[..., 133]``; float32.

    Raises ``ValueError`` on any other shape and on values that are not finite.
    """
    values = to_numpy(motion).astype(np.float32)
    if values.shape[-1:] == (NUM_FEATURES,):
        values = axis_angles(values)
    if values.shape[-2:] != (55, 3):
        raise ValueError(
            f"motion has shape {tuple(values.shape)}: "
            f"give features [..., {NUM_FEATURES}] or axis-angles [..., 55, 3]"
        )
    if not np.isfinite(values).all():
        raise ValueError("motion holds NaN or infinity: drop or repair those frames first")
    return values


def as_clip(motion: Any) -> np.ndarray:
    """As :func:`as_pose` for a clip: ``[T, 55, 3]`` with at least one frame."""
    pose = as_pose(motion)
    if pose.ndim != 3 or not len(pose):
        raise ValueError(
            f"a clip needs shape [T, {NUM_FEATURES}] or [T, 55, 3] with T >= 1, "
            f"but this one gives poses of shape {tuple(pose.shape)}"
        )
    return pose


def expression_of(motion: Any) -> np.ndarray:
    """Expression coefficients ``[..., 10]`` of features; zeros for axis-angles."""
    values = to_numpy(motion).astype(np.float32)
    if values.shape[-1:] == (NUM_FEATURES,):
        return expression(values)
    return np.zeros((*values.shape[:-2], 10), np.float32)


def local_rotations(body: Body, pose: np.ndarray) -> np.ndarray:
    """Rotations ``[..., 55, 3]`` against the mesh at rest: the pose plus the body's mean hand."""
    rotations = pose.copy()
    rotations[..., 25:55, :] += body.hand_mean
    return rotations


def default_body(body: Body | None) -> Body:
    """``body`` itself, or the default one."""
    return body if body is not None else _load_default()


@lru_cache(maxsize=1)
def _load_default() -> Body:
    from madis_lib import body

    return body.load()


def to_numpy(values: Any) -> np.ndarray:
    """Values of a tensor, an array or a list."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values)


def require_clips(clips: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Labelled clips as axis-angles; an error names the clip it is about."""
    if not clips:
        raise ValueError("no clips: give at least one, {label: features [T, 133]}")
    checked = {}
    for label, motion in clips.items():
        try:
            checked[label] = as_clip(motion)
        except ValueError as problem:
            raise ValueError(f"clip {label!r}: {problem}") from None
    return checked


def require_fps(fps: float) -> float:
    """``fps`` when it is a positive number."""
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps={fps!r}: frames per second must be a positive number")
    return float(fps)
