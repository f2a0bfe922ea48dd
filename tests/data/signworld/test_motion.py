import numpy as np
import pytest

from madis_lib import body, parts
from madis_lib.body.model import DEFAULT_FILE
from madis_lib.data.signworld import arms
from madis_lib.data.signworld import inventory as inv
from madis_lib.data.signworld.inventory import Sign
from madis_lib.data.signworld.lexicon import random_sign
from madis_lib.data.signworld.motion import (
    MAX_FRAMES,
    MIN_FRAMES,
    NEUTRAL,
    NOISE_DEGREES,
    Signer,
    dictionary_signer,
    fitting_noise,
    minimum_jerk,
    render,
    signers,
)

BODY = body.load(DEFAULT_FILE)
NAMES = [*parts.JOINT_NAMES[12:22], *parts.JOINT_NAMES[25:55], "jaw"]

# Largest rotation of each joint, in degrees, that a signer here may reach.
LIMITS = {
    "neck": 20, "head": 25, "jaw": 25, "collar": 22, "shoulder": 150, "elbow": 175, "wrist": 75,
    "1": 90, "2": 105, "3": 70,
}  # fmt: skip


def sentences(count: int, length: int, seed: int = 0) -> list[list[Sign]]:
    rng = np.random.default_rng(seed)
    return [[random_sign(f"G{k}", rng) for k in range(length)] for _ in range(count)]


def everything() -> list[list[Sign]]:
    """Short sentences that together visit every location, orientation and handedness."""
    signs = [Sign("x", "flat", place, "hold", turn) for place in inv.LOCATIONS
             for turn in inv.ORIENTATIONS]  # fmt: skip
    signs += [Sign("x", "C", place, "hold", turn, "symmetric")
              for place in inv.SYMMETRIC_LOCATIONS for turn in inv.ORIENTATIONS]  # fmt: skip
    signs += [Sign("x", "index", place, "hold", "down", "base", base_handshape=base)
              for place in inv.BASE_LOCATIONS for base in inv.BASE_HANDSHAPES]  # fmt: skip
    return [signs[i : i + 8] for i in range(0, len(signs), 8)]


def joints(features: np.ndarray) -> np.ndarray:
    return np.asarray(BODY.joints(parts.axis_angles(features)))


@pytest.mark.parametrize("signer", [NEUTRAL, *signers("csl")[-2:]], ids=lambda s: s.name)
def test_wrists_reach_their_targets_in_the_middle_of_a_hold(signer):
    for signs in [*everything(), *sentences(20, 4)]:
        motion = render(signs, 25.0, signer)
        placed = joints(motion.features)
        assert len(motion.holds) >= len(signs)
        for hold in motion.holds:
            wrist = placed[hold.frame, parts.JOINT[f"{hold.side}_wrist"]]
            assert np.linalg.norm(wrist - hold.wrist) < 0.01


def test_one_sided_targets_belong_to_the_dominant_hand():
    sign = [Sign("x", "index", "chin", "hold", "in")]
    assert {h.side for h in render(sign, 25.0).holds} == {"right"}
    assert {h.side for h in render(sign, 25.0, Signer("l", left_dominant=True)).holds} == {"left"}


def test_joints_stay_in_human_ranges():
    clips = [render(signs, 25.0).features for signs in [*everything(), *sentences(30, 5)]]
    angles = np.concatenate(clips)[:, :123].reshape(-1, 41, 3)
    largest = np.rad2deg(np.linalg.norm(angles, axis=-1)).max(0)
    for name, degrees in zip(NAMES, largest, strict=True):
        key = name[-1] if name[-1].isdigit() else name.split("_")[-1]
        assert degrees <= LIMITS[key], name


def test_elbows_bend_like_elbows():
    features = np.concatenate(
        [render(s, 25.0).features for s in [*everything(), *sentences(20, 5)]]
    )
    placed = joints(features)
    for side in ("left", "right"):
        shoulder, elbow, wrist = (
            placed[:, parts.JOINT[f"{side}_{j}"]] for j in ("shoulder", "elbow", "wrist")
        )
        upper, lower = shoulder - elbow, wrist - elbow
        cosine = (upper * lower).sum(-1) / np.linalg.norm(upper, axis=-1)
        angle = np.rad2deg(np.arccos(cosine / np.linalg.norm(lower, axis=-1)))
        assert angle.min() > 20 and angle.max() < 172
        outward = elbow[:, 0] if side == "left" else -elbow[:, 0]
        assert outward.min() > -0.02  # elbows never cross the midline
        assert wrist[:, 2].min() > 0.03  # hands in front of the trunk


def test_motion_is_continuous():
    for signs in sentences(30, 5, seed=3):
        motion = render(signs, 25.0).features[:, :123]
        assert np.rad2deg(np.abs(np.diff(motion, axis=0)).max()) < 90  # a 2 pi flip jumps by more


def test_holds_are_still_and_transitions_are_not():
    motion = render(sentences(1, 4)[0], 25.0)
    speed = np.abs(np.diff(motion.features, axis=0)).max(1)
    for slot in motion.slots:
        assert slot.start < slot.stroke < slot.hold < slot.end
        assert speed[slot.hold : slot.end].max() < 1e-5
        assert speed[slot.start : slot.stroke].max() > 0.02


def test_lengths_are_whole_tokens_within_the_limits():
    for count, fps in ((1, 24.0), (3, 25.0), (7, 30.0), (60, 30.0)):
        motion = render(sentences(1, count)[0], fps)
        assert len(motion.features) % 4 == 0
        assert MIN_FRAMES <= len(motion.features) <= MAX_FRAMES
        ends = [end for _, end in motion.timeline]
        assert [start for start, _ in motion.timeline[1:]] == ends[:-1]
        assert ends[-1] <= len(motion.features)
        assert motion.features.dtype == np.float32 and motion.features.shape[1] == 133


def test_signs_take_human_time():
    for fps in (24.0, 25.0, 30.0):
        for signer in signers("phoenix"):
            motion = render(sentences(1, 12)[0], fps, signer)
            seconds = np.array([end - start for start, end in motion.timeline]) / fps
            assert seconds.min() >= 0.4 and seconds.max() <= 1.2


def test_too_many_signs_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        render(sentences(1, 120)[0], 25.0)
    with pytest.raises(ValueError, match="at least one"):
        render([], 25.0)


def test_rest_at_both_ends():
    motion = render(sentences(1, 3)[0], 25.0).features
    assert np.allclose(motion[0], motion[-1], atol=1e-6)
    assert np.allclose(motion[0], motion[3], atol=1e-6)


def test_left_dominant_signing_is_the_mirror_image():
    signs = sentences(1, 4)[0]
    right = render(signs, 25.0, Signer("r"), negation=(0, 2)).features
    left = render(signs, 25.0, Signer("l", left_dominant=True), negation=(0, 2)).features
    flip = np.array([-1.0, 1.0, 1.0])
    swap = [parts.JOINT_NAMES.index(_other_side(name)) for name in parts.JOINT_NAMES]
    assert np.allclose(joints(left), (joints(right) * flip)[:, swap], atol=5e-3)


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name[5:]
    return "left_" + name[6:] if name.startswith("right_") else name


def test_clauses_move_the_head_only_over_their_span():
    signs = sentences(1, 4)[0]
    plain = render(signs, 25.0)
    shaken = render(signs, 25.0, negation=(1, 3)).features - plain.features
    asked = render(signs, 25.0, question=(1, 3)).features - plain.features
    first, last = plain.slots[1].start, plain.slots[2].end
    turn = np.rad2deg(shaken[:, 1] + shaken[:, 10])  # neck and head about y
    assert turn[first:last].max() > 8 and turn[first:last].min() < -8
    for change in (shaken, asked):
        assert np.abs(change[:first]).max() < 1e-6 and np.abs(change[last + 6 :]).max() < 1e-6
        assert np.abs(change[:, 30:120]).max() < 1e-6  # hands do not care
        assert np.abs(change[first + 6 : last, 123:]).max() > 0.2


def test_signers_differ_a_little_and_one_is_left_dominant():
    found = signers("csl")
    assert sum(s.left_dominant for s in found) == 1
    assert len({s.offset for s in found}) == len(found)
    assert all(0.9 <= s.tempo <= 1.1 and 0.85 <= s.amplitude <= 1.15 for s in found)
    assert dictionary_signer("csl") not in found
    assert signers("csl") == found


def test_noise_is_small_smooth_and_given_by_the_generator():
    noise = fitting_noise(4000, np.random.default_rng(0))
    assert np.allclose(np.rad2deg(noise[:, 12:120].std()), NOISE_DEGREES, rtol=0.1)
    assert np.diff(noise, axis=0).std() < 0.5 * noise.std()
    assert np.array_equal(noise, fitting_noise(4000, np.random.default_rng(0)))


def test_minimum_jerk_starts_and_ends_at_rest():
    u = np.linspace(0, 1, 1001)
    s = minimum_jerk(u)
    assert s[0] == 0 and s[-1] == 1 and (np.diff(s) >= 0).all()
    velocity = np.gradient(s, u)
    assert (
        velocity[0] < 1e-4 and velocity[-1] < 1e-4 and np.isclose(velocity.max(), 1.875, rtol=1e-3)
    )


def test_aim_turns_the_palm_as_asked_where_an_arm_can():
    sk = arms.default_skeleton()
    palm, fingers = inv.ORIENTATIONS["in"]
    pose = arms.aim(sk, sk.place(*inv.LOCATIONS["chest"]), palm, fingers)
    placed = arms.solve(sk, pose[None])
    features = np.zeros((1, 133), np.float32)
    features.reshape(-1)[[*range(3, 6), *range(12, 15), *range(18, 21), *range(24, 27)]] = (
        placed.ravel()
    )
    found = joints(features)[0]
    wrist, index, pinky, middle = (
        found[parts.JOINT[f"left_{j}"]] for j in ("wrist", "index1", "pinky1", "middle1")
    )
    normal = np.cross(pinky - wrist, index - wrist)
    normal /= np.linalg.norm(normal)
    assert abs(normal @ np.array(palm)) > 0.95
    assert (middle - wrist)[0] < 0  # fingers point to the midline
