"""Intervals: they cover what they claim to cover, and repeat."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from madis_lib import metrics


def test_bootstrap_agrees_with_the_normal_interval():
    values = np.random.default_rng(0).normal(3, 2, 400)
    interval = metrics.bootstrap_interval(values, seed=1)
    half = 1.96 * values.std() / 20
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)


def test_bootstrap_covers():
    rng = np.random.default_rng(0)
    intervals = [
        metrics.bootstrap_interval(rng.exponential(1, 60), level=0.8, resamples=200)
        for _ in range(200)
    ]
    covered = sum(interval.low <= 1 <= interval.high for interval in intervals)
    assert 0.70 <= covered / 200 <= 0.88


def test_same_seed_same_interval():
    values = np.random.default_rng(0).normal(size=50)
    assert metrics.bootstrap_interval(values, seed=4) == metrics.bootstrap_interval(values, seed=4)
    assert metrics.bootstrap_interval(values, seed=4) != metrics.bootstrap_interval(values, seed=5)


def test_higher_level_is_wider():
    values = np.random.default_rng(0).normal(size=50)
    wide, narrow = (metrics.bootstrap_interval(values, level=level) for level in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_pairing_removes_what_sentences_share():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 10, 200)
    a, b = (difficulty + rng.normal(mean, 0.5, 200) for mean in (1, 0))
    interval = metrics.paired_interval(a, b)
    assert 0.7 < interval.low < interval.estimate < interval.high < 1.3
    assert interval.estimate == pytest.approx(a.mean() - b.mean())


def test_seeds_widen_the_interval():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(5, 300))
    seed_effect = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None]
    calm, shaky = (metrics.bootstrap_interval(table) for table in (noise, noise + seed_effect))
    assert shaky.estimate == pytest.approx(calm.estimate)
    assert shaky.high - shaky.low > 4 * (calm.high - calm.low)


def test_a_single_row_is_the_flat_case():
    values = np.random.default_rng(0).normal(size=30)
    assert metrics.bootstrap_interval(values[None]) == metrics.bootstrap_interval(values)


def test_sentences_are_shared_between_seeds():
    by_sentence = np.random.default_rng(0).normal(size=40)
    once, copies = metrics.bootstrap_interval(by_sentence), np.tile(by_sentence, (50, 1))
    repeated = metrics.bootstrap_interval(copies)  # more seeds do not make more sentences
    assert repeated.high - repeated.low == pytest.approx(once.high - once.low, rel=0.1)


def test_corpus_level_statistic():
    rng = np.random.default_rng(0)
    hypotheses, references = rng.integers(4, size=(2, 80, 12))
    rows = metrics.sibleu_statistics(hypotheses, references)
    interval = metrics.bootstrap_statistic(
        lambda chosen: metrics.sibleu_from_statistics(rows[chosen]), 80, resamples=300
    )
    assert interval.estimate == pytest.approx(metrics.sibleu(hypotheses, references))
    assert interval.low < interval.estimate < interval.high


def test_statistic_of_means_is_the_mean_bootstrap():
    values = np.random.default_rng(0).normal(size=40)
    by_function = metrics.bootstrap_statistic(lambda chosen: values[chosen].mean(), 40, seed=3)
    by_mean = metrics.bootstrap_interval(values, seed=3)
    assert by_function == pytest.approx(by_mean)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 10), (57, 120), (1, 1)])
def test_wilson(successes, n):
    interval = metrics.wilson_interval(successes, n)
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert interval.estimate == successes / n
    assert interval[1:] == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_spearman():
    rng = np.random.default_rng(0)
    x = rng.integers(10, size=40)
    y = x + rng.normal(0, 4, 40)
    interval = metrics.spearman(x, y)
    assert interval.estimate == pytest.approx(stats.spearmanr(x, y).statistic)
    assert -1 < interval.low < interval.estimate < interval.high < 1
    np.testing.assert_allclose(
        metrics.spearman(-x, y), [-interval.estimate, -interval.high, -interval.low]
    )
    assert metrics.spearman([1, 2, 3, 4], [1, 8, 27, 64]) == (1, 1, 1)


def test_spearman_covers():
    rng = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # of a bivariate normal with correlation 0.6
    inside = 0
    for _ in range(300):
        x, z = rng.normal(size=(2, 50))
        _, low, high = metrics.spearman(x, 0.6 * x + 0.8 * z)
        inside += low <= truth <= high
    assert 0.91 <= inside / 300 <= 0.985


def test_holm():
    adjusted = metrics.holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert metrics.holm([0.9, 0.8]).tolist() == [1, 1]
    assert metrics.holm([0.02]) == pytest.approx([0.02])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.bootstrap_interval([]), "empty"),
        (lambda: metrics.bootstrap_interval([1, np.nan]), "NaN"),
        (lambda: metrics.bootstrap_interval(np.ones((2, 2, 2))), "axes"),
        (lambda: metrics.bootstrap_interval([1, 2], level=95), "level"),
        (lambda: metrics.bootstrap_statistic(len, 0), "no sentences"),
        (lambda: metrics.paired_interval([1, 2], [1]), "pair"),
        (lambda: metrics.wilson_interval(3, 2), "trials"),
        (lambda: metrics.wilson_interval(1, 2, level=1), "level"),
        (lambda: metrics.spearman([1, 2, 3], [1, 2, 3]), "at least 4"),
        (lambda: metrics.spearman([1, 1, 1, 1], [1, 2, 3, 4]), "equal"),
        (lambda: metrics.holm([0.1, 1.2]), "p_values"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("of_seeds, of_sentences", [(0.0, 1.0), (0.2, 1.0), (1.0, 0.0), (0.2, 0.0)])
def test_nested_interval_covers_with_five_seeds(of_seeds, of_sentences):
    """Seeds' and sentences' luck in any mixture; drawing seeds with replacement would not cover."""
    rng = np.random.default_rng(0)
    ours = percentile = 0
    for _ in range(300):
        table = (
            of_seeds * rng.normal(size=(5, 1))
            + of_sentences * rng.normal(size=(1, 40))
            + 0.5 * rng.normal(size=(5, 40))
        )
        drawn = rng.integers(40, size=(100, 40))
        resampled = table[:, drawn].mean(axis=2).T
        low, high = metrics.nested_estimate(table.mean(1), resampled, 40).interval()[1:]
        ours += low <= 0 <= high
        low, high = metrics.bootstrap_interval(table, resamples=100)[1:]
        percentile += low <= 0 <= high
    assert 0.92 <= ours / 300 <= 1.0
    if of_seeds == 1.0:
        assert percentile / 300 < 0.90


def test_nested_estimate_without_sentences_is_the_t_test():
    differences = np.array([0.3, 0.1, 0.4, 0.2, 0.6])
    found = metrics.nested_estimate(differences)
    two_sided = stats.ttest_1samp(differences, 0).pvalue
    assert 2 * found.p_not_above(0) == pytest.approx(two_sided)
    assert found.p_not_above(0) + found.p_not_below(0) == pytest.approx(1)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert found.interval()[1:] == pytest.approx(tuple(expected))


def test_nested_estimate_of_one_seed():
    alone = metrics.nested_estimate([2.0])
    assert alone.interval() == (2.0, -np.inf, np.inf) and alone.p_not_above(0) == 0.5
    rng = np.random.default_rng(0)
    values = rng.normal(2, 1, 50)
    drawn = values[rng.integers(50, size=(2000, 50))].mean(1, keepdims=True)
    found = metrics.nested_estimate([values.mean()], drawn, 50)
    assert found.error == pytest.approx(values.std() / 50**0.5, rel=0.05) and found.freedom == 49


def test_nested_estimate_refuses():
    for resampled, sentences in ((np.ones((3, 2)), 9), (np.ones((1, 3)), 9), (np.ones((3, 3)), 1)):
        with pytest.raises(ValueError, match="resampled has shape"):
            metrics.nested_estimate([1, 2, 3], resampled, sentences)
    with pytest.raises(ValueError, match="one number a seed"):
        metrics.nested_estimate([[1, 2]])
