"""What a reader of signing looks at: where the hands are, how they are held, the face.

Distances between observations are in units in which a clear difference in one parameter is about
one, so that they can be added and compared.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from madis_lib.data.signworld import inventory as inv
from madis_lib.data.signworld.arms import MIRROR, default_skeleton
from madis_lib.data.signworld.inventory import Sign
from madis_lib.data.signworld.motion import NEUTRAL, Signer, render

# One unit of distance.
PLACE, DIRECTION, FINGERS = 0.09, 0.9, 0.9  # metres, unit vectors, radians
JAW, EXPRESSION, ROLL = 0.14, 0.9, 0.14  # radians, coefficients, radians
STATES = 8  # of a template: a sign's stroke and hold, resampled
SIGN_FACES = 5  # the first directions of the face space belong to signs, the others to clauses

ARM, HAND, FACE = 9, 45, 3 + SIGN_FACES + 1
GROUPS = tuple(  # columns: dominant arm, dominant hand, other arm, other hand, face
    slice(int(a), int(b))
    for a, b in zip(
        np.cumsum([0, ARM, HAND, ARM, HAND]), np.cumsum([ARM, HAND, ARM, HAND, FACE]), strict=True
    )
)
WIDTH = GROUPS[-1].stop


def observe(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Observations ``[T, WIDTH]`` of features ``[T, 133]``, read as right- and as left-dominant."""
    features = np.asarray(features, np.float64)
    length = len(features)
    body = features[:, :30].reshape(length, 10, 3)
    sides = []
    for flip, joints, fingers in (
        (np.ones(3), [1, 4, 6, 8], features[:, 30:75]),
        (MIRROR, [2, 5, 7, 9], features[:, 75:120]),
    ):
        hand = (fingers.reshape(length, 15, 3) * flip).reshape(length, 45)
        sides.append(np.concatenate([_arm(body[:, joints] * flip), hand / FINGERS], axis=1))
    left, right = sides
    face = features[:, 123:] @ inv.FACES[:SIGN_FACES].T / EXPRESSION
    head = body[:, 0] + body[:, 3]
    views = []
    for hands, flip in (((right, left), MIRROR), ((left, right), np.ones(3))):
        jaw, roll = features[:, 120:123] * flip / JAW, (head * flip)[:, 2:] / ROLL
        views.append(np.concatenate([*hands, jaw, face, roll], axis=1).astype(np.float32))
    return views[0], views[1]


def _arm(rotations: np.ndarray) -> np.ndarray:
    """Scaled wrist place, palm normal and finger direction of the canonical arm ``[T, 4, 3]``."""
    sk = default_skeleton()
    collar, shoulder, elbow, wrist = (Rotation.from_rotvec(rotations[:, k]) for k in range(4))
    upper = collar * shoulder
    fore = upper * elbow
    hand = fore * wrist
    place = (
        collar.apply(sk.shoulder - sk.collar)
        + upper.apply(sk.elbow - sk.shoulder)
        + fore.apply(sk.wrist - sk.elbow)
    )
    normal, pointing = hand.apply((0.0, -1.0, 0.0)), hand.apply((1.0, 0.0, 0.0))
    return np.concatenate([place / PLACE, normal / DIRECTION, pointing / DIRECTION], axis=1)


@cache
def template(sign: Sign, fps: float, signer: Signer = NEUTRAL) -> np.ndarray:
    """Stroke and hold of the isolated sign, resampled to ``[STATES, WIDTH]``."""
    rendering = render([sign], fps, signer)
    slot = rendering.slots[0]
    seen = observe(rendering.features[slot.stroke : slot.end + 1])[int(signer.left_dominant)]
    at = np.linspace(0, len(seen) - 1, STATES)
    low = np.minimum(at.astype(int), len(seen) - 2)
    part = (at - low)[:, None].astype(np.float32)
    return (1 - part) * seen[low] + part * seen[low + 1]


DISTANCE_FPS = 25.0


def sign_vector(sign: Sign) -> np.ndarray:
    """A sign as a point; Euclidean distance between two is their *motion distance*.

    It is the root mean square, over the states of the template, of the distance of observations.
    """
    return template(sign, DISTANCE_FPS).ravel() / np.sqrt(STATES)
