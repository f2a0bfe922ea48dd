"""R@k: by sorting, by the release's numbers, and when scores tie."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from madis_lib import metrics

GOLDEN = Path(__file__).parents[1] / "golden"


def test_golden():
    golden = json.loads((GOLDEN / "retrieval.json").read_text())
    matrices = list(load_file(GOLDEN / "retrieval.safetensors").values())
    if len(matrices[0]) != len(golden["src"][0]):
        matrices = matrices[::-1]
    sources = np.concatenate(golden["src"])
    for k in (1, 5, 10):
        hits = np.concatenate([metrics.retrieval_hits(matrix, k) for matrix in matrices])
        for name, wanted in [("total", sources != "")] + [(s, sources == s) for s in set(sources)]:
            expected = golden["result"][f"{name}_SiCLIP_R@{k}"]
            assert 100 * hits[wanted].mean() == pytest.approx(expected, rel=1e-6)


def test_equals_sorting():
    similarity = np.random.default_rng(0).normal(size=(30, 30)) + 2 * np.eye(30)
    best_first = np.argsort(-similarity, axis=1)
    for k, name in ((1, "R@1"), (5, "R@5"), (10, "R@10")):
        found = [i in best_first[i, :k] for i in range(30)]
        assert metrics.retrieval(similarity)[name] == pytest.approx(100 * np.mean(found))


def test_rows_are_queries():
    similarity = [[2.0, 0.0, 0.0], [3.0, 2.5, 0.0], [3.0, 1.0, 2.0]]  # column 0 attracts all
    assert metrics.retrieval(similarity, ks=[1]) == {"R@1": pytest.approx(100 / 3)}
    assert metrics.retrieval(np.transpose(similarity), ks=[1]) == {"R@1": pytest.approx(200 / 3)}


def test_ties_count_as_a_fair_draw():
    row = np.array([1.0, 3.0, 1.0, 1.0, 0.0])  # the answer, column 0, ties with two, one is better
    similarity = np.full((5, 5), -1.0)
    np.fill_diagonal(similarity, 9.0)
    similarity[0] = row
    for k in (1, 2, 3, 4, 5):
        wins = []
        for order in itertools.permutations(range(5)):
            ranked = sorted(order, key=lambda column: -row[column])  # stable: order breaks ties
            wins.append(0 in ranked[:k])
        assert metrics.retrieval_hits(similarity, k)[0] == pytest.approx(np.mean(wins))


def test_constant_similarity_is_chance():
    assert metrics.retrieval(np.ones((50, 50)), ks=(1, 10)) == {
        "R@1": pytest.approx(2.0),
        "R@10": pytest.approx(20.0),
    }


def test_pools_are_consecutive_and_the_last_is_smaller():
    similarity = np.random.default_rng(1).normal(size=(100, 100))
    pooled = metrics.retrieval_hits(similarity, 5, pool=45)
    parts = [slice(0, 45), slice(45, 90), slice(90, 100)]
    expected = [metrics.retrieval_hits(similarity[part, part], 5) for part in parts]
    np.testing.assert_array_equal(pooled, np.concatenate(expected))
    assert metrics.retrieval(similarity, pool=45)["R@5"] > metrics.retrieval(similarity)["R@5"]
    assert metrics.retrieval(similarity, pool=1)["R@1"] == 100
    assert metrics.retrieval(similarity, pool=500) == metrics.retrieval(similarity)


def test_bad_input():
    with pytest.raises(ValueError, match="square"):
        metrics.retrieval(np.ones((3, 4)))
    with pytest.raises(ValueError, match="square"):
        metrics.retrieval(np.ones((0, 0)))
    with pytest.raises(ValueError, match="NaN"):
        metrics.retrieval([[np.nan]])
    with pytest.raises(ValueError, match="k is 0"):
        metrics.retrieval(np.ones((3, 3)), ks=(0,))
    with pytest.raises(ValueError, match="pool"):
        metrics.retrieval(np.ones((3, 3)), pool=0)
    with pytest.raises(ValueError, match="2 texts for 3 pairs"):
        metrics.retrieval(np.ones((3, 3)), texts=["a", "b"])


def test_equal_texts_answer_each_other():
    """By drawing ties in every order: right when any entry with the query's text is early enough."""
    texts = ["a", "b", "a", "c", "b"]
    similarity = np.random.default_rng(2).integers(0, 3, (5, 5)).astype(float)  # many ties
    for k in (1, 2, 3, 4, 5):
        found = metrics.retrieval_hits(similarity, k, texts=texts)
        for query, row in enumerate(similarity):
            wins = []
            for order in itertools.permutations(range(5)):
                best = sorted(order, key=lambda column: -row[column])[:k]
                wins.append(any(texts[column] == texts[query] for column in best))
            assert found[query] == pytest.approx(np.mean(wins))


def test_equal_texts_answer_only_within_their_pool():
    similarity = np.array([[0, 1, 9, 9], [1, 0, 9, 9], [9, 9, 0, 1], [9, 9, 1, 0]], float)
    texts = ["a", "b", "a", "b"]
    assert metrics.retrieval_hits(similarity, 1, pool=2, texts=texts).tolist() == [0] * 4
    assert metrics.retrieval_hits(similarity, 1, texts=texts).tolist() == [0.5] * 4  # a tie of two
    assert metrics.retrieval_hits(similarity, 2, texts=texts).tolist() == [1] * 4


def test_chance_is_what_drawing_gives():
    assert metrics.chance_hits(50, 5).tolist() == pytest.approx([0.1] * 50)
    pooled = metrics.chance_hits(50, 1, pool=45)  # one pool of 45 and one of 5
    assert pooled.tolist() == pytest.approx([1 / 45] * 45 + [1 / 5] * 5)
    large = metrics.chance_hits(1500, 375)  # C(1500, 375) is larger than any float
    assert large.tolist() == pytest.approx([1 / 4] * 1500, rel=1e-12)
    twice = metrics.chance_hits(4, 1, texts=["a", "a", "b", "c"])
    assert twice.tolist() == pytest.approx([0.5, 0.5, 0.25, 0.25])
