"""Signing made wrong on purpose, from hardly to wholly: what a metric ought to notice.

Every function takes raw features ``[T, 133]`` and gives new ones, with a length that is a multiple
of four frames; at severity zero it gives back what it got.  ``GRADED`` lists the corruptions of the
panel.  The other conditions, which no single clip can give (round trip, other signer, systems'
outputs), are made in ``panel``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from madis_lib.data.signworld.arms import MIRROR
from madis_lib.data.signworld.motion import fitting_noise, minimum_jerk
from madis_lib.metrics import resample
from madis_lib.parts import COLUMNS, FRAMES_PER_TOKEN, JOINT

Timeline = Sequence[tuple[str, int, int]]  # gloss, first frame, frame after the last
BLEND = 4  # frames in which a piece leaves where the last one ended; within a sign's transition


def _joint(name: str) -> slice:
    """The columns of a body joint, neck to wrists."""
    first = 3 * (JOINT[name] - JOINT["neck"])
    return slice(first, first + 3)


def whole_tokens(features: np.ndarray) -> np.ndarray:
    """The last frame repeated until the length is a multiple of four."""
    missing = -len(features) % FRAMES_PER_TOKEN
    return np.concatenate([features, np.repeat(features[-1:], missing, axis=0)])


# -- time and order -----------------------------------------------------------------------------


def stretch(features: np.ndarray, factor: float) -> np.ndarray:
    """Slower (``factor`` above 1) or faster, to the nearest multiple of four frames."""
    tokens = max(1, round(factor * len(features) / FRAMES_PER_TOKEN))
    return resample(features, tokens * FRAMES_PER_TOKEN)


def uneven_tempo(
    features: np.ndarray, timeline: Timeline, ratio: float, rng: np.random.Generator
) -> np.ndarray:
    """Every sign slower or faster by its own factor, drawn between ``1/ratio`` and ``ratio``."""
    made, last = [features[: timeline[0][1]]], timeline[-1][2]
    for _, start, end in timeline:
        factor = np.exp(rng.uniform(-np.log(ratio), np.log(ratio)))
        made.append(resample(features[start:end], max(1, round(factor * (end - start)))))
    return whole_tokens(np.concatenate([*made, features[last:]]))


def sign_again(features: np.ndarray, timeline: Timeline, order: Sequence[int]) -> np.ndarray:
    """The sentence with the signs of ``order`` (indices into the timeline), in that order.

    A sign is cut where its slot begins, which is the transition into it.  Where a cut joins what
    did not belong together, the first ``BLEND`` frames after it set out from the frame before it.
    """
    first, last = timeline[0][1], timeline[-1][2]
    pieces = [(0, first), *(timeline[i][1:] for i in order), (last, len(features))]
    made = [features[:first]]
    for (_, before), (start, end) in pairwise(pieces):
        piece = features[start:end].copy()
        if start != before and len(piece) and len(made[-1]):
            progress = minimum_jerk(np.arange(1, BLEND + 1) / (BLEND + 1))[: len(piece), None]
            piece[:BLEND] += ((1 - progress) * (made[-1][-1] - piece[0])).astype(piece.dtype)
        made.append(piece)
    return whole_tokens(np.concatenate(made))


def drop_signs(
    features: np.ndarray, timeline: Timeline, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Without ``count`` signs, drawn at random; one always stays."""
    n = len(timeline)
    kept = rng.permutation(n)[min(count, n - 1) :]
    return sign_again(features, timeline, sorted(kept.tolist()))


def swap_two(features: np.ndarray, timeline: Timeline, rng: np.random.Generator) -> np.ndarray:
    """Two neighbouring signs, drawn at random, in the other order."""
    order = list(range(len(timeline)))
    if len(order) > 1:
        i = int(rng.integers(len(order) - 1))
        order[i], order[i + 1] = order[i + 1], order[i]
    return sign_again(features, timeline, order)


def reverse_signs(features: np.ndarray, timeline: Timeline) -> np.ndarray:
    """The signs in reverse order, each signed forwards."""
    return sign_again(features, timeline, range(len(timeline))[::-1])


# -- form ---------------------------------------------------------------------------------------


def add_noise(features: np.ndarray, times: float, rng: np.random.Generator) -> np.ndarray:
    """More of the corpus's own smooth fitting noise (half a degree): ``times`` as much."""
    return (features + times * fitting_noise(len(features), rng)).astype(features.dtype)


def mirror(features: np.ndarray) -> np.ndarray:
    """The mirror image in the plane x = 0: the other hand signs.

    Left and right change places, and an axis-angle ``(x, y, z)`` becomes ``(x, -y, -z)``.
    Expression coefficients stay: they have no mirror image of their own.
    """
    flip = np.tile(MIRROR, 41).astype(features.dtype)  # 10 body joints, two hands, the jaw
    flipped = features.copy()
    flipped[:, :123] *= flip
    made = flipped.copy()
    for part in ("collar", "shoulder", "elbow", "wrist"):
        left, right = _joint(f"left_{part}"), _joint(f"right_{part}")
        made[:, left], made[:, right] = flipped[:, right], flipped[:, left]
    made[:, COLUMNS["left"]] = flipped[:, COLUMNS["right"]]
    made[:, COLUMNS["right"]] = flipped[:, COLUMNS["left"]]
    return made


def _turned(features: np.ndarray, joints: Sequence[str], turn: np.ndarray) -> np.ndarray:
    """Joints turned by axis-angle ``turn`` in their parent's frame, after their own rotation."""
    made = features.copy()
    for joint in joints if np.any(turn) else ():
        columns = _joint(joint)
        rotation = Rotation.from_rotvec(turn) * Rotation.from_rotvec(features[:, columns])
        made[:, columns] = rotation.as_rotvec()
    return made


def turn_palms(features: np.ndarray, degrees: float) -> np.ndarray:
    """Both hands turned about the forearm: the same handshape at the same place, another palm."""
    return _turned(features, ("left_wrist", "right_wrist"), np.deg2rad([degrees, 0, 0]))


def turn_body(features: np.ndarray, degrees: float) -> np.ndarray:
    """Neck and arms turned about the vertical: all signing goes to the side."""
    joints = ("neck", "left_collar", "right_collar")
    return _turned(features, joints, np.deg2rad([0, degrees, 0]))


def other_hands(features: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Arms and face kept, finger rotations from another clip, stretched to this one's length."""
    hands = np.concatenate([COLUMNS["left"], COLUMNS["right"]])
    made = features.copy()
    made[:, hands] = resample(other, len(features))[:, hands]
    return made


def other_body(features: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Finger rotations kept, arms and face from another clip, stretched to this one's length."""
    made = features.copy()
    made[:, COLUMNS["body"]] = resample(other, len(features))[:, COLUMNS["body"]]
    return made


# -- the panel's list ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Clip:
    """What a corruption may use: the true motion, its timeline, another sentence's motion."""

    features: np.ndarray
    timeline: Timeline
    other: np.ndarray


@dataclass(frozen=True)
class Corruption:
    """A named corruption at one severity; ``make`` takes a clip and its random generator.

    ``content``: it changes which signs there are, or their order, not how they are signed.
    """

    name: str
    make: Callable[[Clip, Any], np.ndarray]
    content: bool = False


GRADED = (
    Corruption("noise 2°", lambda c, rng: add_noise(c.features, 4, rng)),
    Corruption("noise 5°", lambda c, rng: add_noise(c.features, 10, rng)),
    Corruption("noise 10°", lambda c, rng: add_noise(c.features, 20, rng)),
    Corruption("faster × 0.7", lambda c, _: stretch(c.features, 0.7)),
    Corruption("slower × 1.4", lambda c, _: stretch(c.features, 1.4)),
    Corruption("uneven tempo", lambda c, rng: uneven_tempo(c.features, c.timeline, 1.6, rng)),
    Corruption("one sign dropped", lambda c, rng: drop_signs(c.features, c.timeline, 1, rng), True),
    Corruption(
        "half dropped",
        lambda c, rng: drop_signs(c.features, c.timeline, -(-len(c.timeline) // 2), rng),
        True,
    ),
    Corruption("two signs swapped", lambda c, rng: swap_two(c.features, c.timeline, rng), True),
    Corruption("order reversed", lambda c, _: reverse_signs(c.features, c.timeline), True),
    Corruption("mirrored", lambda c, _: mirror(c.features)),
    Corruption("palms turned 30°", lambda c, _: turn_palms(c.features, 30)),
    Corruption("palms turned 90°", lambda c, _: turn_palms(c.features, 90)),
    Corruption("body turned 15°", lambda c, _: turn_body(c.features, 15)),
    Corruption("body turned 45°", lambda c, _: turn_body(c.features, 45)),
    Corruption("other sentence's hands", lambda c, _: other_hands(c.features, c.other), True),
    Corruption("other sentence's arms", lambda c, _: other_body(c.features, c.other), True),
    Corruption("wrong sentence", lambda c, _: c.other, True),
)
