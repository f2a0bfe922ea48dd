"""SiBLEU against sacrebleu, the release's unigram score and the formula."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from madis_lib import metrics

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "sibleu.json").read_text())
SENTENCE = st.lists(st.integers(0, 5), max_size=12)


def corpus_bleu(hypotheses, references) -> float:
    lines = [[" ".join(map(str, tokens)) for tokens in side] for side in (hypotheses, references)]
    return sacrebleu.corpus_bleu(lines[0], [lines[1]], tokenize="none", force=True).score


@given(st.lists(st.tuples(SENTENCE, SENTENCE.filter(bool)), min_size=1, max_size=6))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_equals_sacrebleu(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    expected = corpus_bleu(hypotheses, references)
    assert metrics.sibleu(hypotheses, references) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("item", GOLDEN["items"], ids=range(len(GOLDEN["items"])))
def test_one_gram_is_clipped_overlap(item):
    matches, length, reference = item["stats"]
    rows = metrics.sibleu_statistics([item["pred"]], [item["ref"]], max_order=1)
    assert rows.tolist() == [[length, reference, matches, length]]
    score = metrics.sibleu([item["pred"]], [item["ref"]], max_order=1)
    assert score == pytest.approx(item["score"], rel=1e-6)


def test_golden_corpus():
    hypotheses = [item["pred"] for item in GOLDEN["items"]]
    references = [item["ref"] for item in GOLDEN["items"]]
    unigram = metrics.sibleu(hypotheses, references, max_order=1)
    assert unigram == pytest.approx(GOLDEN["corpus_score"], rel=1e-6)
    kept = [i for i, tokens in enumerate(hypotheses) if tokens]
    bleu = metrics.sibleu([hypotheses[i] for i in kept], [references[i] for i in kept])
    assert bleu == pytest.approx(GOLDEN["comparison"]["bleu4"], rel=1e-9)


def test_formula_on_paper():
    # 3 of 4 unigrams, 2 of 3 bigrams; 4 tokens against 5
    expected = 100 * math.exp(1 - 5 / 4) * math.sqrt(3 / 4 * 2 / 3)
    assert metrics.sibleu([[1, 2, 3, 9]], [[1, 2, 3, 4, 5]], max_order=2) == pytest.approx(expected)


def test_order_matters_from_two_grams_on():
    tokens = list(range(8))
    assert metrics.sibleu([tokens], [tokens]) == pytest.approx(100)
    assert metrics.sibleu([tokens[::-1]], [tokens], max_order=1) == pytest.approx(100)
    assert metrics.sibleu([tokens[::-1]], [tokens]) < 20


def test_random_tokens_score_next_to_nothing_at_four_grams_only():
    rng = np.random.default_rng(0)
    hypotheses, references = rng.integers(96, size=(2, 300, 70))
    assert metrics.sibleu(hypotheses, references) < 0.5
    assert metrics.sibleu(hypotheses, references, max_order=1) > 30


def test_statistics_of_any_choice_of_sentences():
    rng = np.random.default_rng(1)
    hypotheses, references = rng.integers(4, size=(2, 20, 9)).tolist()
    rows = metrics.sibleu_statistics(hypotheses, references)
    chosen = rng.integers(20, size=20)
    expected = metrics.sibleu([hypotheses[i] for i in chosen], [references[i] for i in chosen])
    assert metrics.sibleu_from_statistics(rows[chosen]) == pytest.approx(expected, rel=1e-12)


def test_many_choices_at_once():
    rng = np.random.default_rng(2)
    rows = metrics.sibleu_statistics(*rng.integers(6, size=(2, 20, 9)).tolist())
    chosen = rng.integers(20, size=(3, 5, 8))
    found = metrics.sibleu_from_statistics(rows[chosen])
    assert found.shape == (3, 5)
    assert found[2, 4] == pytest.approx(metrics.sibleu_from_statistics(rows[chosen[2, 4]]))


def test_short_and_unlike_sentences_are_as_in_sacrebleu():
    """Where orders have no k-gram, or none that matches."""
    rng, seen = np.random.default_rng(0), set()
    for _ in range(200):
        made = [
            [rng.integers(rng.integers(2, 30), size=rng.integers(0, 12)).tolist() for _ in range(3)]
            for _ in range(2)
        ]
        for order in (1, 2, 4):
            rows = metrics.sibleu_statistics(*made, order)
            hypothesis, reference, *counts = rows.sum(0).tolist()
            expected = sacrebleu.BLEU.compute_bleu(
                counts[0::2], counts[1::2], hypothesis, reference, "exp", max_ngram_order=order
            ).score
            assert metrics.sibleu_from_statistics(rows) == pytest.approx(expected, abs=1e-9)
            seen |= {expected == 0, 0 in counts[0::2] and expected > 0}
    assert seen == {True, False}


def test_arrays_and_words_are_tokens():
    assert metrics.sibleu([np.arange(6, dtype=np.int16)], [list(range(6))]) == pytest.approx(100)
    assert metrics.sibleu([list("abcdef")], [list("abcdef")]) == pytest.approx(100)
    assert metrics.sibleu([[]], [[1, 2]]) == 0


@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        ([[1]], [], "pair"),
        ([], [], "no sentences"),
        ([1, 2], [1, 2], "one list of tokens"),
        (["1 2"], ["1 2"], "one list of tokens"),
    ],
)
def test_bad_input(hypotheses, references, message):
    with pytest.raises(ValueError, match=message):
        metrics.sibleu(hypotheses, references)
    with pytest.raises(ValueError, match="max_order"):
        metrics.sibleu([[1]], [[1]], max_order=0)
