"""Gloss error rate: the edit distance is a metric and equals a search over edits."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madis_lib import metrics

WORD = st.lists(st.sampled_from("abc"), max_size=6).map(tuple)


@cache
def by_recursion(a: tuple, b: tuple) -> int:
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return by_recursion(a[1:], b[1:])
    return 1 + min(by_recursion(a[1:], b[1:]), by_recursion(a[1:], b), by_recursion(a, b[1:]))


@given(WORD, WORD, WORD)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_edit_distance(a, b, c):
    distance = metrics.edit_distance(a, b)
    assert distance == by_recursion(a, b) == metrics.edit_distance(b, a)
    assert abs(len(a) - len(b)) <= distance <= max(len(a), len(b))
    assert (distance == 0) == (a == b)
    assert metrics.edit_distance(a, c) <= distance + metrics.edit_distance(b, c)


def test_textbook_word():
    assert metrics.edit_distance("kitten", "sitting") == 3
    assert metrics.edit_distance(["HOUSE", "BIG"], []) == 2


def test_corpus_rate_weights_by_length():
    hypotheses = [["A", "B"], ["X"], ["D", "E", "F", "G"]]
    references = [["A", "C"], ["X"], ["D", "E"]]
    assert metrics.gloss_error_counts(hypotheses, references).tolist() == [[1, 2], [0, 1], [2, 2]]
    assert metrics.gloss_error_rate(hypotheses, references) == pytest.approx(60)
    rates = metrics.sentence_gloss_error_rates(hypotheses, references)
    assert rates.tolist() == [50, 0, 100]


def test_rate_can_exceed_100():
    assert metrics.gloss_error_rate([["A", "B", "C"]], [["X"]]) == pytest.approx(300)


def test_bad_input():
    with pytest.raises(ValueError, match="pair"):
        metrics.gloss_error_rate([["A"]], [])
    for hypotheses, references in (([], []), ([["A"]], [[]])):
        with pytest.raises(ValueError, match="no gloss"):
            metrics.gloss_error_rate(hypotheses, references)
    with pytest.raises(ValueError, match="reference 1 is empty"):
        metrics.sentence_gloss_error_rates([["A"], ["A"]], [["A"], []])
