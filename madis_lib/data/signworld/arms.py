"""Two-bone inverse kinematics of the signing arm, in closed form.

Solved for the canonical (left) arm; a right arm is the mirror image.  An arm pose is seven
numbers, smooth to interpolate and inside human ranges by construction::

    wrist x, y, z (metres) | elbow swivel | forearm twist | wrist flexion | wrist deviation
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial.transform import Rotation

from madis_lib import body
from madis_lib.body.model import DEFAULT_FILE
from madis_lib.parts import JOINT

# Ranges in degrees: forearm twist (supination -, pronation +), wrist flexion (+ towards the
# palm), wrist deviation (+ towards the little finger), swivel of the elbow (+ raised).
TWIST_RANGE = (-80.0, 80.0)
FLEXION_RANGE = (-62.0, 62.0)
DEVIATION_RANGE = (-22.0, 32.0)
SWIVEL_RANGE = (-15.0, 70.0)
TORSO = (0.44, 0.40)  # half axes of the trunk, shoulder widths: elbows stay outside
CLEARANCE = 0.10  # shoulder widths between the body's front and a hand's wrist and fingers
COMFORTABLE_REACH = 0.93  # of the straight arm: where signs are placed
REACH = 0.985  # of the straight arm: an elbow never locks
ELBOW_POLE = (0.50, -1.0, -0.35)  # elbows point out, down and a little back
# The collar follows the hand: radians per metre that the wrist is in front of (turn), above
# (lift) and beside (roll) its resting place.
COLLAR_TURN, COLLAR_LIFT, COLLAR_ROLL = 0.28, 0.30, 0.18

MIRROR = np.array([1.0, -1.0, -1.0])  # of an axis-angle in the plane x = 0


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed frames with columns first, second made orthogonal, their cross product."""
    second = _unit(second - (second * first).sum(-1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


@dataclass(frozen=True)
class Skeleton:
    """Rest joints of the left side and the midline, made symmetric; metres."""

    collar: np.ndarray
    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    palm: np.ndarray  # from the wrist to the middle of the hand
    eyes: np.ndarray  # the point between them
    finger_rays: dict[str, np.ndarray]

    @classmethod
    def from_rest(cls, joints: np.ndarray) -> Skeleton:
        """From SMPL-X rest joints ``[55, 3]``."""
        flip = np.array([-1.0, 1.0, 1.0])

        def left(name: str) -> np.ndarray:
            return (joints[JOINT[f"left_{name}"]] + flip * joints[JOINT[f"right_{name}"]]) / 2

        rays = {f: _unit(left(f + "2") - left(f + "1")) for f in ("index", "middle", "ring")}
        rays["pinky"] = _unit(left("pinky2") - left("pinky1"))
        wrist = left("wrist")
        eyes = left("eye_smplhf") * (0.0, 1.0, 1.0)
        palm = 0.8 * (left("middle1") - wrist)
        return cls(left("collar"), left("shoulder"), left("elbow"), wrist, palm, eyes, rays)

    @property
    def width(self) -> float:
        """Distance between the shoulders: the unit of places and paths."""
        return 2 * float(self.shoulder[0])

    def front(self, anchor: str, offset: tuple[float, float, float]) -> float:
        """Depth of the body's surface behind a place; none beside the face."""
        if anchor == "face" and offset[0] > 0.25:
            return -np.inf
        return float(self.place(anchor, (0.0, 0.0, 0.0))[2])

    def place(self, anchor: str, offset: tuple[float, float, float]) -> np.ndarray:
        """A point in metres from an anchor and an offset in shoulder widths."""
        if anchor == "face":
            origin = self.eyes + (0.0, 0.0, 0.12 * self.width)
        else:
            origin = self.shoulder * (0.0, 1.0, 1.0) + (0.0, 0.0, 0.36 * self.width)
        return origin + self.width * np.array(offset)


@lru_cache(maxsize=1)
def default_skeleton() -> Skeleton:
    """The skeleton of the default body, whatever body is in use: the corpora are the same."""
    return Skeleton.from_rest(np.asarray(body.load(DEFAULT_FILE).rest_joints, float))


def _forearm(sk: Skeleton, wrist: np.ndarray, swivel: np.ndarray) -> tuple[Rotation, ...]:
    """World rotations of collar, upper arm and (untwisted) forearm for wrists ``[T, 3]``."""
    away = wrist - sk.place("body", (0.24, -1.16, 0.16))
    collar = Rotation.from_rotvec(
        np.stack(
            [COLLAR_ROLL * away[:, 0], -COLLAR_TURN * away[:, 2], COLLAR_LIFT * away[:, 1]], axis=1
        )
    )
    shoulder = sk.collar + collar.apply(sk.shoulder - sk.collar)
    upper, lower = sk.elbow - sk.shoulder, sk.wrist - sk.elbow
    a, b = np.linalg.norm(upper), np.linalg.norm(lower)
    line = wrist - shoulder
    distance = np.linalg.norm(line, axis=1, keepdims=True)
    axis = line / distance
    distance = np.clip(distance, abs(a - b) + 0.05 * (a + b), REACH * (a + b))
    cosine = (a**2 + distance**2 - b**2) / (2 * a * distance)  # law of cosines
    pole = np.array(ELBOW_POLE)
    pole = _unit(pole - (axis @ pole)[:, None] * axis)
    side = np.cross(axis, pole)
    turn = swivel[:, None]
    pole = np.cos(turn) * pole + np.sin(turn) * side
    along = cosine * axis + np.sqrt(1 - cosine**2) * pole  # direction of the upper arm
    ahead = _unit(distance * axis - a * along)  # direction of the forearm
    hinge = _unit(np.cross(along, ahead))
    rest_hinge = np.array([0.0, -1.0, 0.0])
    rest_upper = _frame(upper / a, rest_hinge)
    rest_lower = _frame(lower / b, rest_hinge)
    return (
        collar,
        Rotation.from_matrix(_frame(along, hinge) @ rest_upper.T),
        Rotation.from_matrix(_frame(ahead, hinge) @ rest_lower.T),
    )


def solve(sk: Skeleton, pose: np.ndarray) -> np.ndarray:
    """Axis-angles of collar, shoulder, elbow and wrist of the canonical arm.

    ``pose`` is ``[T, 7]`` (see the module's docstring); returns ``[T, 4, 3]`` radians.  The elbow
    bends like a hinge, then the forearm twists; the wrist flexes and deviates but never twists.
    """
    collar, upper, forearm = _forearm(sk, pose[:, :3], pose[:, 3])
    along = _unit(sk.wrist - sk.elbow)
    twist = Rotation.from_rotvec(pose[:, 4:5] * along)
    flexion, deviation = _bend_axes(sk)
    bend = pose[:, 5:6] * flexion + pose[:, 6:7] * deviation
    return np.stack(
        [
            collar.as_rotvec(),
            (collar.inv() * upper).as_rotvec(),
            (upper.inv() * forearm * twist).as_rotvec(),
            bend,
        ],
        axis=1,
    )


def _within_reach(sk: Skeleton, wrist: np.ndarray) -> np.ndarray:
    """The wrist, drawn to the shoulder if a comfortable arm is too short."""
    arm = np.linalg.norm(sk.elbow - sk.shoulder) + np.linalg.norm(sk.wrist - sk.elbow)
    line = wrist - sk.shoulder
    return sk.shoulder + line * min(1.0, COMFORTABLE_REACH * arm / np.linalg.norm(line))


def _bend_axes(sk: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Axes of wrist flexion and deviation, orthogonal to the forearm."""
    frame = _frame(_unit(sk.wrist - sk.elbow), np.array([0.0, 0.0, -1.0]))
    return frame[:, 1], frame[:, 2] * np.sign(frame[1, 2])


def aim(
    sk: Skeleton,
    centre: np.ndarray,
    palm: tuple[float, float, float],
    fingers: tuple[float, float, float],
    front: float = -np.inf,
    floor: float = -np.inf,
) -> np.ndarray:
    """The most comfortable arm pose ``[7]`` with the hand's centre and palm as asked.

    The place is kept, the orientation is met as far as forearm and wrist can turn; the elbow's
    swivel is chosen to make that as far as possible, and to keep the elbow out of the trunk.
    Wrist and finger tips stay before the body, whose surface is at ``z = front``, and above
    ``y = floor``.
    """
    normal = _unit(np.array(palm, float))
    pointing = _unit(np.array(fingers, float) - (normal @ np.array(fingers, float)) * normal)
    swivel = np.deg2rad(np.arange(SWIVEL_RANGE[0], SWIVEL_RANGE[1] + 1, 5.0))
    rest = _frame(_unit(sk.wrist - sk.elbow), np.array([0.0, -1.0, 0.0]))
    wanted = Rotation.from_matrix(_frame(pointing, normal) @ rest.T)
    wrist = centre - wanted.apply(sk.palm)
    shift = np.zeros(3)
    for _ in range(4):  # the hand may end up elsewhere than wanted: move the wrist with it
        _, _, forearm = _forearm(sk, np.repeat(wrist[None], len(swivel), 0), swivel)
        relative = (forearm.inv() * wanted).as_quat()  # x, y, z, w
        relative *= np.where(relative[:, 3:] < 0, -1, 1)
        along = rest[:, 0]
        twist = 2 * np.arctan2(relative[:, :3] @ along, relative[:, 3])
        twist = (twist + np.pi) % (2 * np.pi) - np.pi
        turned = Rotation.from_rotvec(twist[:, None] * along)
        bend = (turned.inv() * Rotation.from_quat(relative)).as_rotvec()
        flexion, deviation = _bend_axes(sk)
        raw = np.stack([twist, bend @ flexion, bend @ deviation], axis=1)
        low, high = np.deg2rad([TWIST_RANGE, FLEXION_RANGE, DEVIATION_RANGE]).T
        kept = np.clip(raw, low, high)
        elbow = wrist - forearm.apply(sk.wrist - sk.elbow)
        depth = np.hypot(*(elbow[:, [0, 2]] / (sk.width * np.array(TORSO))).T)
        cost = (
            ((raw - kept) ** 2).sum(1)
            + 0.08 * (kept**2).sum(1)
            + 0.4 * (swivel - 0.1) ** 2
            + 20 * np.maximum(0, 1 - depth) ** 2
        )
        best = int(cost.argmin())
        hand = forearm[best] * Rotation.from_rotvec(kept[best, 0] * along)
        hand = hand * Rotation.from_rotvec(kept[best, 1] * flexion + kept[best, 2] * deviation)
        reach = hand.apply(sk.palm)
        nearest = centre - abs(reach)  # of wrist and finger tips
        shift[1] = max(0.0, floor - nearest[1])
        shift[2] = max(0.0, front + CLEARANCE * sk.width - nearest[2])
        wrist = _within_reach(sk, centre + shift - reach)
    return np.concatenate([wrist, swivel[best : best + 1], kept[best]])
