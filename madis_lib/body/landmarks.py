"""The points DTW-JPE reads (MaDiS §4.1), as weights over SMPL-X vertices and joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from madis_lib.body.smplx_file import NUM_VERTICES, SmplxFile
from madis_lib.parts import JOINT, JOINT_NAMES

# Vertices of the SMPL-X mesh, in the order smplx appends them as joints 55-59.
FACE_VERTICES = {"nose": 9120, "right_eye": 9929, "left_eye": 9448, "right_ear": 616, "left_ear": 6}
TIP_VERTICES = {
    "left": {"thumb": 5361, "index": 4933, "middle": 5058, "ring": 5169, "pinky": 5286},
    "right": {"thumb": 8079, "index": 7669, "middle": 7794, "ring": 7905, "pinky": 8022},
}
TOE_HEEL_VERTICES = {  # not read by any metric; smplx appends them all the same
    "left": {"big_toe": 5770, "small_toe": 5780, "heel": 8846},
    "right": {"big_toe": 8463, "small_toe": 8474, "heel": 8635},
}

BODY_JOINTS = (0, 12, 16, 17, 18, 19, 20, 21)  # pelvis (to align on), neck, shoulders ... wrists
BODY_POINTS = ("left_ear", "right_ear", "left_eye", "right_eye", "nose")
BODY_NAMES = [*(JOINT_NAMES[joint] for joint in BODY_JOINTS), *BODY_POINTS]
HAND_NAMES = ["wrist"] + [
    f"{finger}{i}" for finger in ("thumb", "index", "middle", "ring", "pinky") for i in (1, 2, 3, 4)
]  # 4 is the finger tip


def point_rows(joint_regressor: np.ndarray) -> np.ndarray:
    """Every point as a weighted sum of posed vertices, ``[47, 10475]``.

    Rows: 5 points of the face, 21 of the left hand, 21 of the right.  The joints of a hand are the
    regressor's rows applied to the *posed* mesh, as the metric has them; the pelvis and the 7
    joints of the upper body are joints of the skeleton itself and need no row.
    """
    rows = [_one_hot(FACE_VERTICES[name]) for name in BODY_POINTS]
    for side in ("left", "right"):
        for name in HAND_NAMES:
            if name == "wrist":
                rows.append(joint_regressor[JOINT[f"{side}_wrist"]])
            elif name.endswith("4"):
                rows.append(_one_hot(TIP_VERTICES[side][name[:-1]]))
            else:
                rows.append(joint_regressor[JOINT[f"{side}_{name}"]])
    return np.stack(rows)


def _one_hot(vertex: int) -> np.ndarray:
    row = np.zeros(NUM_VERTICES)
    row[vertex] = 1
    return row


@dataclass(frozen=True)
class Pairs:
    """Skinned points, folded onto the joints that move them.

    Linear blend skinning moves vertex v to ``sum_j W_vj (G_j (x_v - J_j) + p_j)``.  A point that
    weighs vertices by ``r_v`` is therefore a sum over (point, joint) pairs of
    ``G_j (m - w J_j) + w p_j`` with ``w = sum_v r_v W_vj`` and ``m = sum_v r_v W_vj x_v``, and
    ``m`` is affine in whatever ``x_v`` is affine in: shape, expression, pose corrections.

    Attributes:
        point, joint: ``[P]`` which point, which joint.
        weight: ``[P]`` the ``w``.
        moment: ``[P, 3]`` the ``m`` of the template.
        shape_dirs, pose_dirs: ``[P, 3, 20]`` and ``[P, 3, 486]``, or None: the change of ``m``.
    """

    point: np.ndarray
    joint: np.ndarray
    weight: np.ndarray
    moment: np.ndarray
    shape_dirs: np.ndarray | None
    pose_dirs: np.ndarray | None


def fold(rows: np.ndarray, model: SmplxFile) -> Pairs:
    """Fold points given as ``rows`` over vertices ``[L, V]`` onto joints; see :class:`Pairs`."""
    used = np.flatnonzero(rows.any(0))
    rows, weights = rows[:, used], model.weights[used]
    point, joint = np.nonzero((rows != 0).astype(float) @ (weights != 0))
    share = rows[point] * weights[:, joint].T  # [P, used vertices]

    def folded(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else np.tensordot(share, values[used], axes=1)

    moment = np.tensordot(share, model.template[used], axes=1)
    shape_dirs, pose_dirs = folded(model.shape_dirs), folded(model.pose_dirs)
    return Pairs(point, joint, share.sum(1), moment, shape_dirs, pose_dirs)
