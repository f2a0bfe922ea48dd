"""From a gloss sequence to 133 features a frame: holds, strokes, transitions, style and noise.

Every articulator follows a list of keys (frame, value) and moves between two keys along a
minimum-jerk profile ``s(u) = 10 u^3 - 15 u^4 + 6 u^5``.  A sign's slot is transition, stroke,
hold; the transition's share grows with the distance travelled, and handshape and face arrive
before the arm does (co-articulation).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy.interpolate import BSpline

from madis_lib.data.signworld import inventory as inv
from madis_lib.data.signworld.arms import (
    FLEXION_RANGE,
    MIRROR,
    TWIST_RANGE,
    aim,
    default_skeleton,
    solve,
)
from madis_lib.data.signworld.inventory import Sign
from madis_lib.parts import NUM_FEATURES

# Timing.  Slots are whole beats: with a beat of four frames each sign starts on a token.
BEAT = 4  # frames
REST_FRAMES, RETURN_FRAMES = 4, 8  # rest before the first sign; hands return, then rest
MIN_FRAMES, MAX_FRAMES = 40, 400
MAX_SIGNS = (MAX_FRAMES - REST_FRAMES - RETURN_FRAMES - BEAT) // BEAT  # a beat each, at least
HOLD_SHARE, MIN_HOLD = 0.16, 3  # of the slot; frames
TRANSITION_SECONDS, SECONDS_PER_METRE = 0.13, 0.36  # how long it takes to reach the next sign
TRANSITION_SHARE = (0.25, 0.50)  # of the slot, whatever the distance
HANDSHAPE_LEAD = 0.85  # of the transition: the hand is formed before it arrives
LOWERING_SHARE = 0.7  # of the slot in which an idle hand sinks back to rest
CLAUSE_RAMP = 5  # frames to raise or lower the brows of a clause
BOW = 0.10  # transitions bulge to the front by this share of their length

# Style and noise.
TEMPO_STEPS = (0.94, 1.0, 1.06)
PLACE_STYLE = 0.008  # metres, std of a signer's constant offset of places
AMPLITUDE_STYLE = 0.06  # relative std of the size of movements
NOISE_DEGREES, NOISE_EXPRESSION = 0.5, 0.02  # std of the fitting noise
NOISE_DEGREES_TRUNK = 0.2  # of neck, head, collars and jaw, which move less
NOISE_KNOTS = 6  # frames between the noise's independent values
SIGNERS = 5  # in a corpus; the last is left-dominant
NECK_SHARE = 0.45  # of a head turn that the neck takes


def stable_seed(*words: object) -> int:
    """A seed that depends on the words alone: the same in every process and on every machine."""
    digest = hashlib.blake2b("|".join(map(str, words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


@dataclass(frozen=True)
class Signer:
    """Who signs: dominance and a few constant habits."""

    name: str
    left_dominant: bool = False
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # metres
    amplitude: float = 1.0
    tempo: float = 1.0


NEUTRAL = Signer("neutral")


def signers(corpus: str, seed: int = 0) -> list[Signer]:
    """The signers of a corpus; one in ``SIGNERS`` is left-dominant."""
    return [_signer(corpus, seed, str(i), left=i == SIGNERS - 1) for i in range(SIGNERS)]


def dictionary_signer(corpus: str, seed: int = 0) -> Signer:
    """The signer of the isolated signs, who appears in no sentence."""
    return _signer(corpus, seed, "dictionary", left=False)


def _signer(corpus: str, seed: int, name: str, left: bool) -> Signer:
    rng = np.random.default_rng(stable_seed("signer", corpus, seed, name))
    offset = PLACE_STYLE * np.clip(rng.standard_normal(3), -1.5, 1.5)
    amplitude = 1 + AMPLITUDE_STYLE * float(np.clip(rng.standard_normal(), -1.5, 1.5))
    tempo = TEMPO_STEPS[rng.integers(len(TEMPO_STEPS))]
    return Signer(f"{corpus}-{name}", left, tuple(offset.tolist()), amplitude, tempo)


@dataclass(frozen=True)
class Hold:
    """Where a wrist must be in the middle of a hold, in the signer's own coordinates."""

    frame: int
    side: str  # "left" or "right"
    wrist: tuple[float, float, float]


@dataclass
class Track:
    """Keys of one articulator: frames and values, joined by minimum-jerk moves."""

    frames: list[int] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, frame: int, value: np.ndarray) -> None:
        self.frames.append(frame)
        self.values.append(value)

    def hold_until(self, frame: int) -> None:
        self.add(frame, self.values[-1])

    def sample(self, length: int) -> np.ndarray:
        """Values at frames 0 ... length - 1; ``[length, d]``."""
        return _between_keys(self.frames, self.values, np.arange(length))[0]


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """Progress of the smoothest point-to-point move at relative time ``u`` in [0, 1]."""
    return u**3 * (10 - 15 * u + 6 * u * u)


def _between_keys(
    frames: Sequence[int], values: Sequence[np.ndarray], at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values at frames ``at``, and the vertical arch ``sin(pi s) |move|`` of each move."""
    times, table = np.asarray(frames), np.stack(values)
    k = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    width = np.maximum(times[k + 1] - times[k], 1)
    s = minimum_jerk(np.clip((at - times[k]) / width, 0, 1))
    move = table[k + 1] - table[k]
    arch = np.sin(np.pi * s) * np.linalg.norm(move[:, :3], axis=1)
    return table[k] + s[:, None] * move, arch


@cache
def _aim(location: str, orientation: str, role: str) -> np.ndarray:
    """Arm pose at a location for a dominant hand: "one", of a "symmetric" pair, over a "base"."""
    sk = default_skeleton()
    anchor, place = inv.REST_LOCATION if location == "rest" else inv.LOCATIONS[location]
    if role == "symmetric":
        place = (max(place[0], inv.SYMMETRIC_MARGIN), *place[1:])
    centre, floor = sk.place(anchor, place), -np.inf
    if role == "base":
        floor = centre[1] - inv.BASE_MARGIN * sk.width
    palm, fingers = inv.ORIENTATIONS[orientation]
    return aim(sk, centre, palm, fingers, sk.front(anchor, place), floor)


@cache
def _aim_base(location: str, handshape: str) -> np.ndarray:
    """Arm pose of the base hand under a dominant hand that acts at ``location``."""
    sk = default_skeleton()
    anchor, place = inv.LOCATIONS[location]
    dominant = sk.place(anchor, place) + sk.width * np.array(inv.BASE_OFFSET)
    palm, fingers = inv.ORIENTATIONS[inv.BASE_ORIENTATION[handshape]]
    mirrored = dominant * (-1.0, 1.0, 1.0)  # seen from its own side
    return aim(sk, mirrored, palm, fingers, sk.front(anchor, place))


def _with_room(turn: np.ndarray, movement: inv.Movement) -> np.ndarray:
    """Forearm twist and wrist flexion from which the stroke's own turns stay in range."""
    extent = np.abs(inv.wrist_turn(movement, np.linspace(0, 1, 33))).max(axis=0)
    low, high = np.deg2rad([TWIST_RANGE, FLEXION_RANGE]).T
    return np.clip(turn, low + extent, high - extent)


@cache
def _hand(name: str) -> np.ndarray:
    return inv.handshape_rotations(name, default_skeleton().finger_rays)


@dataclass(frozen=True)
class Slot:
    """Frames of one sign: [start, stroke) transition, [stroke, hold) stroke, [hold, end) hold."""

    start: int
    stroke: int
    hold: int
    end: int


@dataclass(frozen=True)
class Rendering:
    """Motion with its truth."""

    features: np.ndarray  # float32 [T, 133]
    slots: tuple[Slot, ...]
    holds: tuple[Hold, ...]

    @property
    def timeline(self) -> list[tuple[int, int]]:
        """First frame and the frame after the last of every sign, transition into it included."""
        return [(slot.start, slot.end) for slot in self.slots]


def slot_lengths(signs: Sequence[Sign], signer: Signer, fps: float) -> list[int]:
    """Frames of every sign's slot, whole beats; a too long sentence is signed faster."""
    seconds = np.array([inv.MOVEMENTS[sign.movement].seconds for sign in signs])
    beats = np.maximum(2, np.rint(seconds * fps * signer.tempo / BEAT)).astype(int)
    if beats.sum() > MAX_SIGNS:
        if len(signs) > MAX_SIGNS:
            raise ValueError(f"{len(signs)} signs do not fit into {MAX_FRAMES} frames")
        beats = np.maximum(1, (beats * MAX_SIGNS / beats.sum()).astype(int))
        while beats.sum() > MAX_SIGNS:
            beats[beats.argmax()] -= 1
    return (beats * BEAT).tolist()


class _Score:
    """Keys of a whole sentence, in the coordinates of a canonical dominant hand."""

    def __init__(self, signs: Sequence[Sign], signer: Signer, fps: float):
        self.signer, self.fps, self.width = signer, fps, default_skeleton().width
        self.arms, self.hands, self.face = (Track(), Track()), (Track(), Track()), Track()
        self.strokes: list[tuple[int, int, int, Sign]] = []  # arm, first, last frame, sign
        self.aims: list[tuple[int, int, np.ndarray]] = []  # arm, frame, arm pose
        self.slots: list[Slot] = []
        self.rest = self._styled(_aim("rest", "in", "one"))
        for frame in (0, REST_FRAMES):
            for arm in (0, 1):
                self.arms[arm].add(frame, self.rest)
                self.hands[arm].add(frame, _hand("relaxed"))
            self.face.add(frame, inv.NONMANUALS["none"].channels())
        start = REST_FRAMES
        for sign, length in zip(signs, slot_lengths(signs, signer, fps), strict=True):
            self._add(sign, start, length)
            start += length
        end = start + RETURN_FRAMES
        for arm in (0, 1):
            self.arms[arm].add(end, self.rest)
            self.hands[arm].add(end, _hand("relaxed"))
        self.face.add(end, inv.NONMANUALS["none"].channels())
        self.length = max(MIN_FRAMES, -(-(end + 1) // 4) * 4)

    def _styled(self, pose: np.ndarray) -> np.ndarray:
        return pose + np.concatenate([self.signer.offset, np.zeros(4)])

    def _add(self, sign: Sign, start: int, length: int) -> None:
        movement = inv.MOVEMENTS[sign.movement]
        first, last = (self._stroke(movement, np.array([u]))[0] for u in (0.0, 1.0))
        target = self._styled(_aim(sign.location, sign.orientation, sign.handedness))
        target[4:6] = _with_room(target[4:6], movement)
        distance = float(np.linalg.norm((target + first - self.arms[0].values[-1])[:3]))
        seconds = TRANSITION_SECONDS + SECONDS_PER_METRE * distance
        shortest, longest = (round(share * length) for share in TRANSITION_SHARE)
        move = int(np.clip(round(seconds * self.fps * self.signer.tempo), shortest, longest))
        still = max(min(MIN_HOLD, length - move - 1), round(HOLD_SHARE * length))
        slot = Slot(start, start + move, start + length - still, start + length)
        self.slots.append(slot)
        self._act(0, sign, slot, target, first, last)
        if sign.handedness == "symmetric":
            self._act(1, sign, slot, target, first, last)
        elif sign.handedness == "base":
            base = self._styled(_aim_base(sign.location, sign.base_handshape))
            self._place(1, slot, base, base, _hand(sign.base_handshape))
            self.aims.append((1, (slot.hold + slot.end) // 2, base))
        else:
            arrive = start + round(LOWERING_SHARE * length)
            self.arms[1].add(arrive, self.rest)
            self.hands[1].add(arrive, _hand("relaxed"))
            self.arms[1].hold_until(slot.end)
            self.hands[1].hold_until(slot.end)
        formed = start + max(1, round(HANDSHAPE_LEAD * move))
        self.face.add(formed, inv.NONMANUALS[sign.nonmanual].channels())
        self.face.hold_until(slot.end)

    def _act(self, arm: int, sign: Sign, slot: Slot, target, first, last) -> None:
        self._place(arm, slot, target + first, target + last, _hand(sign.handshape))
        self.aims.append((arm, (slot.hold + slot.end) // 2, target + last))
        self.strokes.append((arm, slot.stroke, slot.hold, sign))

    def _place(self, arm: int, slot: Slot, first, last, hand: np.ndarray) -> None:
        self.arms[arm].add(slot.stroke, first)
        self.arms[arm].add(slot.hold, last)
        self.arms[arm].hold_until(slot.end)
        formed = slot.start + max(1, round(HANDSHAPE_LEAD * (slot.stroke - slot.start)))
        self.hands[arm].add(formed, hand)
        self.hands[arm].hold_until(slot.end)

    def _stroke(self, movement: inv.Movement, progress: np.ndarray) -> np.ndarray:
        """Change of the arm pose along a stroke, ``[T, 7]``."""
        change = np.zeros((len(progress), 7))
        scale = self.width * self.signer.amplitude
        change[:, :3] = scale * inv.stroke_path(movement, progress)
        change[:, 4:6] = inv.wrist_turn(movement, progress)
        return change

    def arm_poses(self, arm: int) -> np.ndarray:
        """``[T, 7]``: keys, transitions that bow to the front, and strokes."""
        track = self.arms[arm]
        poses, arch = _between_keys(track.frames, track.values, np.arange(self.length))
        lift = BOW * arch
        for which, first, last, sign in self.strokes:
            if which != arm:
                continue
            u = np.arange(last - first) / (last - first)
            movement = inv.MOVEMENTS[sign.movement]
            eased = minimum_jerk(u)
            if movement.cycles > 1:
                eased = (u + eased) / 2  # repetitions keep an even beat
            start = track.values[track.frames.index(first)]
            origin = start - self._stroke(movement, np.zeros(1))[0]
            poses[first:last] = origin + self._stroke(movement, eased)
            lift[first:last] = 0.0
        poses[:, 2] += lift
        return poses


def _clause(channels: np.ndarray, span: tuple[int, int], slots: Sequence[Slot], length: int):
    """A clause's non-manual raised over its signs; envelope ``[T]`` and channels ``[T, 16]``."""
    first, last = slots[span[0]].start, slots[span[1] - 1].end
    at = np.arange(length)
    ramp = np.clip(np.minimum(at - first, last + CLAUSE_RAMP - at) / CLAUSE_RAMP, 0, 1)
    envelope = minimum_jerk(ramp)
    return envelope, envelope[:, None] * channels


def fitting_noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise with the stated std, ``[T, 133]``: cubic splines through independent knots."""
    count = length // NOISE_KNOTS + 4
    basis = _noise_basis(length, count)
    noise = basis @ rng.standard_normal((count, NUM_FEATURES))
    noise[:, 12:120] *= np.deg2rad(NOISE_DEGREES)
    noise[:, np.r_[0:12, 120:123]] *= np.deg2rad(NOISE_DEGREES_TRUNK)
    noise[:, 123:] *= NOISE_EXPRESSION
    return noise


@cache
def _noise_basis(length: int, count: int) -> np.ndarray:
    knots = np.arange(-3, count + 1, dtype=float)
    at = np.linspace(0, count - 3 - 1e-9, length)
    basis = BSpline.design_matrix(at, knots, 3).toarray()
    return basis / np.linalg.norm(basis, axis=1, keepdims=True)


def render(
    signs: Sequence[Sign],
    fps: float,
    signer: Signer = NEUTRAL,
    question: tuple[int, int] | None = None,
    negation: tuple[int, int] | None = None,
    rng: np.random.Generator | None = None,
) -> Rendering:
    """Sign a sentence.

    Args:
        signs: at least one sign.
        fps: frames a second.
        question, negation: spans [start, end) of signs under raised brows or a head shake.
        rng: source of the fitting noise; without it the motion is clean.

    Returns:
        Features ``[T, 133]`` with ``T`` a multiple of 4 in 40 ... 400, and their truth.
    """
    if not signs:
        raise ValueError("a sentence needs at least one sign")
    sk = default_skeleton()
    score = _Score(signs, signer, fps)
    face = score.face.sample(score.length)
    if question:
        face += _clause(inv.QUESTION.channels(), question, score.slots, score.length)[1]
    if negation:
        envelope, held = _clause(inv.NEGATION.channels(), negation, score.slots, score.length)
        period = BEAT * round(inv.SHAKE_SECONDS * fps / BEAT)
        phase = 2 * np.pi * (np.arange(score.length) - score.slots[negation[0]].start) / period
        face += held
        face[:, 1] += np.deg2rad(inv.SHAKE_DEGREES) * envelope * np.sin(phase)
    arms = [solve(sk, score.arm_poses(arm)) for arm in (0, 1)]
    hands = [score.hands[arm].sample(score.length).reshape(-1, 15, 3) for arm in (0, 1)]
    dominant, other = (0, 1) if signer.left_dominant else (1, 0)  # column 0 is the left side
    sides = [0, 0]
    sides[dominant], sides[other] = 0, 1
    left, right = sides
    head, jaw = face[:, 0:3], face[:, 3:6]
    if not signer.left_dominant:
        head, jaw = head * MIRROR, jaw * MIRROR
    features = np.zeros((score.length, NUM_FEATURES))
    body = features[:, :30].reshape(score.length, 10, 3)
    body[:, 0], body[:, 3] = NECK_SHARE * head, (1 - NECK_SHARE) * head
    body[:, [1, 4, 6, 8]] = arms[left]
    body[:, [2, 5, 7, 9]] = arms[right] * MIRROR
    features[:, :30] = body.reshape(score.length, 30)
    features[:, 30:75] = hands[left].reshape(-1, 45)
    features[:, 75:120] = (hands[right] * MIRROR).reshape(-1, 45)
    features[:, 120:123] = jaw
    features[:, 123:] = face[:, 6:]
    if rng is not None:
        features += fitting_noise(score.length, rng)
    flip = np.array([-1.0, 1.0, 1.0])
    holds = tuple(
        Hold(frame, *(("left", w) if arm == left else ("right", w * flip)))
        for arm, frame, w in ((a, f, pose[:3]) for a, f, pose in score.aims)
    )
    return Rendering(features.astype(np.float32), tuple(score.slots), holds)
