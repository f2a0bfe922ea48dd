import numpy as np
import pytest

from madis_lib.data.signworld.lexicon import Lexicon
from madis_lib.data.signworld.motion import fitting_noise, render, signers
from madis_lib.data.signworld.oracle import Oracle
from madis_lib.data.signworld.world import FPS


def gloss_errors(read: list[str], truth: list[str]) -> int:
    row = np.arange(len(truth) + 1)
    for i, word in enumerate(read, 1):
        above, row[0] = row.copy(), i
        for j, other in enumerate(truth, 1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other))
    return int(row[-1])


def percent_error(reads, truths) -> float:
    errors = sum(gloss_errors(r, t) for r, t in zip(reads, truths, strict=True))
    return 100 * errors / sum(map(len, truths))


def sample(corpus: str, size: int, count: int = 40):
    """A lexicon and noisy, coarticulated sentences of all its signers."""
    glosses = [f"GLOSS{i}" for i in range(size)]
    lexicon = Lexicon.build(corpus, glosses)
    rng, who = np.random.default_rng(5), signers(corpus)
    truths, motions = [], []
    for k in range(count):
        truth = [glosses[i] for i in rng.integers(size, size=rng.integers(2, 9))]
        question = (0, len(truth)) if k % 5 == 0 else None
        negation = (len(truth) - 2, len(truth)) if k % 4 == 0 else None
        signs = [lexicon[g] for g in truth]
        motion = render(signs, FPS[corpus], who[k % len(who)], question, negation, rng)
        truths.append(truth)
        motions.append(motion)
    return Oracle(lexicon, FPS[corpus]), truths, motions


@pytest.fixture(scope="module")
def phoenix():
    return sample("phoenix", 48)


@pytest.mark.parametrize("corpus", ["csl", "how2sign"])
def test_reads_what_was_signed(corpus):
    oracle, truths, motions = sample(corpus, 120)
    assert percent_error(oracle.read_many(m.features for m in motions), truths) <= 2


def test_reads_a_small_lexicon(phoenix):
    oracle, truths, motions = phoenix
    assert percent_error(oracle.read_many(m.features for m in motions), truths) <= 2


def test_another_sentence_is_at_chance(phoenix):
    oracle, truths, motions = phoenix
    others = motions[1:] + motions[:1]
    assert percent_error(oracle.read_many(m.features for m in others), truths) > 80


def test_survives_smoothing_and_errors_of_a_few_degrees(phoenix):
    oracle, truths, motions = phoenix
    rng, window = np.random.default_rng(0), np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
    worse = []
    for motion in motions:
        padded = np.pad(motion.features, ((2, 2), (0, 0)), mode="edge")
        blurred = sum(w * padded[i : i + len(motion.features)] for i, w in enumerate(window))
        worse.append(blurred + 5 * fitting_noise(len(blurred), rng))  # 2.5 degrees
    assert percent_error(oracle.read_many(worse), truths) <= 10


def test_spans_lie_inside_the_signs(phoenix):
    oracle, truths, motions = phoenix
    checked = 0
    for truth, motion in zip(truths, motions, strict=True):
        spans = oracle.read_spans(motion.features)
        if [s.gloss for s in spans] != truth:
            continue
        for span, slot in zip(spans, motion.slots, strict=True):
            assert 0 <= span.start < span.end <= len(motion.features)
            overlap = min(span.end, slot.end) - max(span.start, slot.start)
            assert overlap >= 0.5 * (span.end - span.start)
            checked += 1
    assert checked > 100


def test_rest_says_nothing(phoenix):
    oracle, _, motions = phoenix
    still = np.repeat(motions[0].features[:1], 60, axis=0)
    assert oracle.read(still) == []


def test_minimal_pairs_are_told_apart_in_every_parameter():
    lexicon = Lexicon.build("csl", [f"GLOSS{i}" for i in range(48)])
    oracle = Oracle(lexicon, 30.0)
    confused = [
        parameter
        for first, second, parameter in lexicon.minimal_pairs
        if oracle.read(render([lexicon[first], lexicon[second]], 30.0).features) != [first, second]
    ]
    assert len(confused) <= 1  # of 36; up then down at one place is also one long movement


def test_hands_matter(phoenix):
    oracle, truths, motions = phoenix
    handless = []
    for motion in motions:
        features = motion.features.copy()
        features[:, 30:120] = features[0, 30:120]
        handless.append(features)
    assert percent_error(oracle.read_many(handless), truths) > 30


@pytest.mark.parametrize("bad", [np.zeros((4, 132)), np.full((4, 133), np.nan), np.zeros(133)])
def test_wrong_input_is_refused(phoenix, bad):
    with pytest.raises(ValueError, match=r"\[T, 133\]"):
        phoenix[0].read(bad)
