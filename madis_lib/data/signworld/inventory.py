"""What a sign can be made of: the phonological inventory the three lexicons share.

A sign is one value for each of six parameters, as in the phonology of real sign languages:
handshape, location, movement, palm orientation, handedness and non-manual.  Everything here is
written for a *canonical* hand, the left one: ``x`` points away from the midline on the hand's own
side, ``y`` up, ``z`` to the front.  A right hand is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PARAMETERS = ("handshape", "location", "movement", "orientation", "handedness", "nonmanual")


@dataclass(frozen=True)
class Sign:
    """One lexical entry; ``base_handshape`` matters only when ``handedness`` is "base"."""

    gloss: str
    handshape: str
    location: str
    movement: str
    orientation: str
    handedness: str = "one"
    nonmanual: str = "none"
    base_handshape: str = "flat"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The six values in the order of ``PARAMETERS``."""
        return tuple(getattr(self, name) for name in PARAMETERS)


# Degrees of flexion at the three joints of a finger.
_STRAIGHT, _CLOSED = (0, 0, 0), (78, 95, 60)
_CURVED, _ROUND, _HOOKED, _BENT = (28, 40, 25), (52, 62, 40), (8, 88, 55), (78, 8, 5)
_CLAWED = (10, 62, 40)

# Degrees of rotation (x, y, z) at the three thumb joints.
_THUMBS = {
    "side": ((8, 32, 0), (0, 4, 0), (0, 4, 0)),  # along the index finger
    "out": ((-6, -28, 4), (0, -6, 0), (0, -14, 4)),  # at a right angle to it
    "across": ((34, 26, -22), (6, 32, -10), (4, 48, -8)),  # over the closed fingers
    "opposed": ((52, 8, -16), (4, 6, -10), (4, 8, -12)),  # facing the finger tips
    "touch": ((58, 20, -24), (6, 14, -18), (4, 18, -22)),  # meeting the finger tips
}

# name: (index, middle, ring, pinky flexion, thumb, spread of index, middle, ring, pinky)
_TOGETHER, _FAN, _PEACE = (0, 0, 0, 0), (-14, -3, 9, 22), (-13, 12, 0, 0)
_HANDSHAPES = {
    "flat": (_STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT, "side", _TOGETHER),
    "five": (_STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT, "out", _FAN),
    "fist": (_CLOSED, _CLOSED, _CLOSED, _CLOSED, "across", _TOGETHER),
    "thumb": (_CLOSED, _CLOSED, _CLOSED, _CLOSED, "out", _TOGETHER),
    "index": (_STRAIGHT, _CLOSED, _CLOSED, _CLOSED, "across", _TOGETHER),
    "L": (_STRAIGHT, _CLOSED, _CLOSED, _CLOSED, "out", _TOGETHER),
    "V": (_STRAIGHT, _STRAIGHT, _CLOSED, _CLOSED, "across", _PEACE),
    "W": (_STRAIGHT, _STRAIGHT, _STRAIGHT, _CLOSED, "across", (-14, 0, 14, 0)),
    "I": (_CLOSED, _CLOSED, _CLOSED, _STRAIGHT, "across", (0, 0, 0, 12)),
    "Y": (_CLOSED, _CLOSED, _CLOSED, _STRAIGHT, "out", (0, 0, 0, 16)),
    "horns": (_STRAIGHT, _CLOSED, _CLOSED, _STRAIGHT, "across", (-6, 0, 0, 14)),
    "hook": (_HOOKED, _CLOSED, _CLOSED, _CLOSED, "across", _TOGETHER),
    "C": (_CURVED, _CURVED, _CURVED, _CURVED, "opposed", _TOGETHER),
    "O": (_ROUND, _ROUND, _ROUND, _ROUND, "touch", _TOGETHER),
    "bent": (_BENT, _BENT, _BENT, _BENT, "side", _TOGETHER),
    "claw": (_CLAWED, _CLAWED, _CLAWED, _CLAWED, "out", _FAN),
    "F": (_ROUND, _STRAIGHT, _STRAIGHT, _STRAIGHT, "touch", (0, 2, 10, 22)),
}
HANDSHAPES = tuple(_HANDSHAPES)
RELAXED = ((14, 18, 10), (18, 22, 12), (22, 26, 14), (26, 30, 16), "side", (-2, 0, 2, 5))
BASE_HANDSHAPES = ("flat", "fist", "index", "C")

# Flexed fingers converge on the ball of the thumb, so each flexion axis is turned a little: what
# is added along x and along y, per unit of flexion.
_CONVERGENCE = {
    "index": (0.10, 0.11),
    "middle": (-0.08, 0.08),
    "ring": (-0.14, -0.08),
    "pinky": (-0.22, -0.11),
}


def handshape_rotations(name: str, finger_rays: dict[str, np.ndarray]) -> np.ndarray:
    """Axis-angle of the 15 joints of the canonical hand, ``[45]`` radians, in SMPL-X order.

    ``finger_rays`` are the unit directions of the four fingers at rest; flexion turns about
    ``ray x palm normal``.  ``name`` may also be "relaxed".
    """
    index, middle, ring, pinky, thumb, spread = RELAXED if name == "relaxed" else _HANDSHAPES[name]
    joints = []
    for finger, flexion, fan in (
        ("index", index, spread[0]),
        ("middle", middle, spread[1]),
        ("pinky", pinky, spread[3]),
        ("ring", ring, spread[2]),
    ):
        axis = np.cross(finger_rays[finger], (0.0, -1.0, 0.0))
        axis /= np.linalg.norm(axis)
        axis = axis + (*_CONVERGENCE[finger], 0.0)
        axis /= np.linalg.norm(axis)
        for joint, degrees in enumerate(flexion):
            vector = np.deg2rad(degrees) * axis
            if joint == 0:
                vector = vector + (0.0, np.deg2rad(fan), 0.0)
            joints.append(vector)
    joints.extend(np.deg2rad(np.array(_THUMBS[thumb], float)))
    return np.concatenate(joints)


# Places of the hand's centre.  "face": from the point between the eyes; "body": from the point
# between the shoulders, on the front of the torso.  Units are shoulder widths.
LOCATIONS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "forehead": ("face", (0.08, 0.14, 0.16)),
    "temple": ("face", (0.34, 0.02, 0.02)),
    "mouth": ("face", (0.04, -0.17, 0.18)),
    "cheek": ("face", (0.30, -0.22, 0.10)),
    "chin": ("face", (0.04, -0.42, 0.16)),
    "chest": ("body", (0.08, -0.22, 0.16)),
    "contra_shoulder": ("body", (-0.36, -0.06, 0.14)),
    "ipsi_shoulder": ("body", (0.58, 0.02, 0.30)),
    "belly": ("body", (0.08, -0.78, 0.16)),
    "centre": ("body", (0.16, -0.42, 0.55)),
    "high": ("body", (0.34, 0.30, 0.50)),
    "low": ("body", (0.22, -0.84, 0.42)),
    "ipsi": ("body", (0.86, -0.40, 0.42)),
    "ipsi_high": ("body", (0.84, 0.30, 0.30)),
    "contra": ("body", (-0.32, -0.48, 0.42)),
    "far": ("body", (0.30, -0.16, 0.78)),
}
REST_LOCATION = ("body", (0.24, -1.16, 0.16))
# Two hands that mirror each other must not meet: neither crosses the midline.
SYMMETRIC_MARGIN = 0.32
SYMMETRIC_LOCATIONS = tuple(k for k, (_, p) in LOCATIONS.items() if p[0] > 0)
# The dominant hand acts on a base hand only in front of the trunk.
BASE_LOCATIONS = ("chest", "centre", "low", "far")
BASE_OFFSET = (-0.04, -0.36, 0.02)  # from the sign's place to the base hand
BASE_MARGIN = 0.04  # the dominant hand's lowest point is at most this far below the place

# Direction of the palm and of the fingers.
ORIENTATIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "down": ((0, -1, 0), (-0.45, 0, 1)),
    "up": ((0, 1, 0), (-0.45, 0, 1)),
    "out": ((0, 0, 1), (-0.1, 1, 0)),
    "in": ((0, 0, -1), (-1, 0.6, 0)),
    "medial": ((-1, 0, 0), (0, 0.25, 1)),
    "upright": ((-1, 0, 0), (0, 1, 0.15)),
}
BASE_ORIENTATION = {"flat": "up", "fist": "down", "index": "medial", "C": "up"}


@dataclass(frozen=True)
class Movement:
    """The stroke of a sign: its length, and where it takes the hand.

    ``seconds`` is the whole slot of the sign at neutral tempo, transition into it included.
    """

    seconds: float
    kind: str
    vector: tuple[float, float, float] = (0.0, 0.0, 0.0)  # shoulder widths, or degrees
    cycles: int = 1


SHORT, MEDIUM, LONG = 0.50, 0.59, 0.80
MOVEMENTS = {
    "hold": Movement(SHORT, "hold"),
    "up": Movement(MEDIUM, "straight", (0.0, 0.36, 0.0)),
    "down": Movement(MEDIUM, "straight", (0.0, -0.36, 0.0)),
    "side": Movement(MEDIUM, "straight", (0.38, 0.0, 0.0)),
    "out": Movement(MEDIUM, "outward", (0.0, 0.0, 0.36)),
    "in": Movement(MEDIUM, "inward", (0.0, 0.0, 0.36)),
    "arc": Movement(MEDIUM, "arc", (0.40, 0.24, 0.0)),
    "circle": Movement(LONG, "circle", (0.16, 0.16, 0.0)),
    "tap": Movement(LONG, "bounce", (0.0, 0.10, 0.18), cycles=2),
    "shake": Movement(LONG, "swing", (0.13, 0.0, 0.0), cycles=2),
    "twist": Movement(LONG, "twist", (30.0, 0.0, 0.0), cycles=2),
    "flap": Movement(LONG, "flap", (22.0, 0.0, 0.0), cycles=2),
}


def stroke_path(movement: Movement, progress: np.ndarray) -> np.ndarray:
    """Displacement of the hand in shoulder widths at ``progress`` in [0, 1]; ``[T] -> [T, 3]``."""
    u = progress[:, None]
    vector = np.array(movement.vector)
    turn = 2 * np.pi * movement.cycles * u
    if movement.kind == "straight":
        return (u - 0.5) * vector
    if movement.kind == "outward":
        return u * vector
    if movement.kind == "inward":
        return (1 - u) * vector
    if movement.kind == "arc":
        across = np.array([1.0, 0.0, 0.0])
        return (u - 0.5) * vector * across + np.sin(np.pi * u) * vector * (1 - across)
    if movement.kind == "circle":  # starts and ends at the top
        x, y = np.sin(turn), np.cos(turn)
        return np.concatenate([x, y, 0 * x], axis=1) * vector
    if movement.kind == "bounce":
        return np.sin(turn / 2) ** 2 * vector
    if movement.kind == "swing":
        return np.sin(turn) * vector
    return np.zeros((len(progress), 3))


def wrist_turn(movement: Movement, progress: np.ndarray) -> np.ndarray:
    """Extra (twist, flexion) of the wrist in radians during the stroke; ``[T] -> [T, 2]``."""
    swing = np.deg2rad(movement.vector[0]) * np.sin(2 * np.pi * movement.cycles * progress)
    zero = np.zeros_like(swing)
    if movement.kind == "twist":
        return np.stack([swing, zero], axis=1)
    if movement.kind == "flap":
        return np.stack([zero, swing], axis=1)
    return np.stack([zero, zero], axis=1)


# Ten orthonormal directions of the expression coefficients, so that faces do not interfere.
FACES = np.linalg.qr(np.random.default_rng(7).standard_normal((10, 10)))[0]


@dataclass(frozen=True)
class NonManual:
    """Face and head while a sign or a clause lasts (rotations in degrees)."""

    expression: int | None = None  # which direction of the face space
    strength: float = 1.6
    jaw: tuple[float, float, float] = (0.0, 0.0, 0.0)
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def channels(self) -> np.ndarray:
        """Head (3, radians), jaw (3, radians), expression (10)."""
        face = np.zeros(10) if self.expression is None else self.strength * FACES[self.expression]
        return np.concatenate([np.deg2rad(self.head), np.deg2rad(self.jaw), face])


NONMANUALS = {
    "none": NonManual(),
    "open": NonManual(expression=0, strength=0.8, jaw=(15.0, 0.0, 0.0)),
    "puff": NonManual(expression=1, jaw=(1.0, 2.0, -2.0), head=(0.0, 3.0, 3.0)),
    "pout": NonManual(expression=2, jaw=(3.0, -2.0, 2.0), head=(0.0, -3.0, -4.0)),
    "squint": NonManual(expression=3, head=(-5.0, 0.0, 0.0)),
    "tilt": NonManual(expression=4, strength=0.6, jaw=(2.0, 4.0, -3.0), head=(0.0, 0.0, -12.0)),
}
QUESTION = NonManual(expression=5, head=(9.0, 0.0, 0.0))  # brows up, head forward
NEGATION = NonManual(expression=6, strength=0.8)  # with a head shake
SHAKE_DEGREES, SHAKE_SECONDS = 13.0, 0.64  # amplitude and period of the head shake
