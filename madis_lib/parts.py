"""The 133 features of a frame, the three body parts and their joints (MaDiS §3.1).

A frame of signing is 133 numbers: the SMPL-X axis-angle rotations of the joints that sign, then
jaw and expression.  They fall into three parts, each with its own tokenizer, always in the order
``PARTS``: upper body (43), left hand (45), right hand (45).

=========  =====================================================================
columns    meaning
=========  =====================================================================
0:30       SMPL-X joints 12-21: neck, collars, head, shoulders, elbows, wrists
30:75      left hand, 15 joints
75:120     right hand, 15 joints
120:123    jaw
123:133    expression coefficients
=========  =====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch

Array = TypeVar("Array", np.ndarray, torch.Tensor)

PARTS = ("body", "left", "right")
NUM_FEATURES = 133
FRAMES_PER_TOKEN = 4  # two stride-2 stages in the tokenizer
COLUMNS = {
    "body": np.r_[0:30, 120:133],
    "left": np.r_[30:75],
    "right": np.r_[75:120],
}

# One pose file holds these arrays, in this order; together they are 179 numbers a frame.
SMPLX_FIELDS = {
    "smplx_root_pose": 3,
    "smplx_body_pose": 63,
    "smplx_lhand_pose": 45,
    "smplx_rhand_pose": 45,
    "smplx_jaw_pose": 3,
    "smplx_shape": 10,
    "smplx_expr": 10,
}
_LEGS_AND_SPINE = 36  # root and body joints 1-11 are dropped: signing is seated on the hips
_KEPT_OF_179 = np.r_[_LEGS_AND_SPINE:159, 169:179]  # also drops the ten shape numbers

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
JOINT_NAMES = [
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "jaw",
    "left_eye_smplhf",
    "right_eye_smplhf",
] + [f"{side}_{f}{i}" for side in ("left", "right") for f in FINGERS for i in (1, 2, 3)]
JOINT = {name: i for i, name in enumerate(JOINT_NAMES)}
PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15]
for _wrist, _first in ((20, 25), (21, 40)):
    for _finger in range(5):
        _knuckle = _first + 3 * _finger
        PARENTS += [_wrist, _knuckle, _knuckle + 1]


def reduce_179(values: Array) -> Array:
    """Keep the 133 signing columns of the 179 in a pose file; ``[..., 179] -> [..., 133]``."""
    return values[..., _KEPT_OF_179]


def features_from_smplx(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The 133 features of a clip given its seven SMPL-X arrays ``[T, d]``; float32 ``[T, 133]``."""
    stacked = np.concatenate([np.asarray(arrays[key]) for key in SMPLX_FIELDS], axis=1)
    return reduce_179(stacked).astype(np.float32)


def smplx_from_features(features: np.ndarray) -> dict[str, np.ndarray]:
    """The seven SMPL-X arrays of ``[T, 133]`` features; what features lack (legs, shape) is zero."""
    full = np.zeros((len(features), 179), np.float32)
    full[:, _KEPT_OF_179] = features
    ends = np.cumsum(list(SMPLX_FIELDS.values()))
    return dict(zip(SMPLX_FIELDS, np.split(full, ends[:-1], axis=1), strict=True))


def axis_angles(features: Array) -> Array:
    """Rotations of the 55 SMPL-X joints in radians; ``[..., 133] -> [..., 55, 3]``.

    Joints that features do not hold (hips to spine, eyes) keep the rest pose.
    """
    lead: tuple[int, ...] = tuple(features.shape[:-1])
    pose: Any
    if isinstance(features, torch.Tensor):
        pose = features.new_zeros((*lead, 55, 3))
    else:
        pose = np.zeros((*lead, 55, 3), dtype=features.dtype)
    pose[..., 12:22, :] = features[..., 0:30].reshape(*lead, 10, 3)
    pose[..., 22, :] = features[..., 120:123]
    pose[..., 25:40, :] = features[..., 30:75].reshape(*lead, 15, 3)
    pose[..., 40:55, :] = features[..., 75:120].reshape(*lead, 15, 3)
    return pose


def expression(features: Array) -> Array:
    """The ten expression coefficients; ``[..., 133] -> [..., 10]``."""
    return features[..., 123:133]


def split(features: Array) -> dict[str, Array]:
    """The three parts of ``[..., 133]`` features: body 43, left 45, right 45."""
    return {part: features[..., columns] for part, columns in COLUMNS.items()}


def join(parts: Mapping[str, Array]) -> Array:
    """The inverse of :func:`split`."""
    body, left, right = (parts[p] for p in PARTS)
    pieces = [body[..., :30], left, right, body[..., 30:]]
    if isinstance(body, torch.Tensor):
        return torch.cat(pieces, dim=-1)
    return np.concatenate(pieces, axis=-1)
