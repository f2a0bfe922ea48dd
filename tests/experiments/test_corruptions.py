from functools import cache

import numpy as np
import pytest

from madis_lib import body as bodies
from madis_lib import metrics
from madis_lib.data.signworld.lexicon import Lexicon
from madis_lib.data.signworld.motion import render, signers
from madis_lib.data.signworld.oracle import Oracle
from madis_lib.experiments import corruptions as wrong
from madis_lib.experiments.evaluate import landmarks


@cache
def world(count: int = 12):
    """An oracle and sentences of four signs: features, timeline, glosses."""
    names = [f"GLOSS{i}" for i in range(40)]
    lexicon, rng, who = Lexicon.build("csl", names), np.random.default_rng(3), signers("csl")
    sentences = []
    for k in range(count):
        glosses = [names[i] for i in rng.choice(40, 4, replace=False)]
        found = render([lexicon[g] for g in glosses], 30.0, who[k % 5], rng=rng)
        timeline = [(g, *span) for g, span in zip(glosses, found.timeline, strict=True)]
        sentences.append((found.features, timeline, glosses))
    return Oracle(lexicon, 30.0), sentences


def oracle_error(corrupt) -> float:
    oracle, sentences = world()
    read = [
        oracle.read(corrupt(features, timeline, np.random.default_rng(i)))
        for i, (features, timeline, _) in enumerate(sentences)
    ]
    return metrics.gloss_error_rate(read, [glosses for *_, glosses in sentences])


def test_every_corruption_changes_the_motion_and_keeps_whole_tokens():
    _, sentences = world()
    for i, (features, timeline, _) in enumerate(sentences[:3]):
        for corruption in wrong.GRADED:
            clip = wrong.Clip(features, timeline, sentences[i + 1][0])
            before = features.copy()
            made = corruption.make(clip, np.random.default_rng(0))
            assert made.shape[1] == 133 and len(made) % 4 == 0 and made.dtype == np.float32
            assert np.isfinite(made).all(), corruption.name
            assert made.shape != features.shape or np.abs(made - features).max() > 0.1
            np.testing.assert_array_equal(features, before)
            again = corruption.make(clip, np.random.default_rng(0))
            np.testing.assert_array_equal(made, again)


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda f, t, rng: wrong.add_noise(f, 0, rng),
        lambda f, t, rng: wrong.stretch(f, 1.0),
        lambda f, t, rng: wrong.uneven_tempo(f, t, 1.0, rng),
        lambda f, t, rng: wrong.drop_signs(f, t, 0, rng),
        lambda f, t, rng: wrong.sign_again(f, t, range(len(t))),
        lambda f, t, rng: wrong.turn_palms(f, 0),
        lambda f, t, rng: wrong.turn_body(f, 0),
        lambda f, t, rng: wrong.other_hands(f, f),
        lambda f, t, rng: wrong.other_body(f, f),
        lambda f, t, rng: wrong.mirror(wrong.mirror(f)),
        lambda f, t, rng: wrong.reverse_signs(f[: t[0][2]], t[:1]),
    ],
)
def test_no_severity_no_change(corrupt):
    features, timeline, _ = world()[1][0]
    made = corrupt(features, timeline, np.random.default_rng(0))
    np.testing.assert_allclose(made, features[: len(made)], atol=1e-6)
    assert len(made) in (len(features), timeline[0][2])


@pytest.mark.parametrize(
    "levels",
    [
        [lambda f, t, r, s=s: wrong.add_noise(f, s, r) for s in (0, 15, 30)],
        [lambda f, t, r, s=s: wrong.drop_signs(f, t, s, r) for s in (0, 1, 2)],
        [lambda f, t, r, s=s: wrong.turn_palms(f, s) for s in (0, 60, 120)],
        [lambda f, t, r, s=s: wrong.turn_body(f, s) for s in (0, 30, 60)],
        [lambda f, t, r: f, lambda f, t, r: wrong.swap_two(f, t, r),
         lambda f, t, r: wrong.reverse_signs(f, t)],
    ],
    ids=["noise", "drop", "palms", "body", "order"],
)  # fmt: skip
def test_the_oracle_reads_less_with_severity(levels):
    none, some, much = (oracle_error(level) for level in levels)
    assert none + 5 < some and some + 5 < much


@pytest.mark.parametrize(
    "legible",
    [
        lambda f, t, rng: wrong.mirror(f),
        lambda f, t, rng: wrong.stretch(f, 1.4),
        lambda f, t, rng: wrong.uneven_tempo(f, t, 1.4, rng),
    ],
)
def test_what_changes_no_sign_stays_legible(legible):
    assert oracle_error(legible) <= oracle_error(lambda f, t, rng: f) + 3


def test_cut_sentences_are_read_as_what_is_left():
    """The oracle is not fooled by joints between pieces: it reads the signs in the new order."""
    oracle, sentences = world()
    read, expected = [], []
    for features, timeline, glosses in sentences:
        for order in ([0, 2, 3], [3, 2, 1, 0], [1, 0, 2, 3]):
            read.append(oracle.read(wrong.sign_again(features, timeline, order)))
            expected.append([glosses[i] for i in order])
    whole = oracle_error(lambda f, t, rng: f)
    assert metrics.gloss_error_rate(read, expected) <= whole + 6


def test_joints_between_pieces_are_no_jumps():
    features, timeline, _ = world()[1][0]
    made = wrong.reverse_signs(features, timeline)
    step = np.abs(np.diff(made, axis=0)).max()
    hard = np.concatenate([features[a:b] for _, a, b in timeline[::-1]])
    assert step < 0.7 * np.abs(np.diff(hard, axis=0)).max()


def test_a_mirror_image_has_mirrored_joints():
    features = world()[1][0][0]
    points, mirrored = (landmarks(bodies.load(), f) for f in (features, wrong.mirror(features)))
    for here, there in (("left", "right"), ("right", "left")):
        shape = points[here] - points[here][:, :1]
        image = mirrored[there] - mirrored[there][:, :1]
        np.testing.assert_allclose(image * (-1, 1, 1), shape, atol=0.012)  # bodies are not even


def test_turned_palms_keep_place_and_handshape():
    features = world()[1][0][0]
    points, turned = (
        landmarks(bodies.load(), f) for f in (features, wrong.turn_palms(features, 90))
    )
    assert metrics.mpjpe_mm(turned["body"], points["body"]) < 1  # wrists and all above them
    assert metrics.mpjpe_mm(turned["left"], points["left"]) > 20
    error = 1000 * metrics.procrustes_error(turned["left"], points["left"])
    assert error.max() < 6  # a rigid turn but for the skin at the wrist
    assert (turned["left"][:, 12] - turned["left"][:, 0]).shape == (len(features), 3)
