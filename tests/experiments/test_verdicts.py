"""Verdicts follow from evidence, and only from evidence: made-up measurements of every kind."""

from __future__ import annotations

import random

import numpy as np
import pytest

from madis_lib import metrics, paper
from madis_lib.experiments import evaluate, verdicts
from madis_lib.experiments.contrasts import ScoredRows
from madis_lib.experiments.verdicts import judge

SPREAD = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


class Made:
    """Evidence from one mean a cell; seeds spread about it, independently in every row."""

    def __init__(
        self, cells=None, seeds=5, spread=0.02, synthetic=True, smoke=False, computed=None
    ):
        self.cells, self.seeds, self.spread = cells or {}, seeds, spread
        self.synthetic, self.smoke, self.numbers = synthetic, smoke, computed or {}

    def contrast(self, artefact, weights, column):
        total = np.zeros(self.seeds)
        for row, weight in weights.items():
            if (row, column) not in self.cells:
                return None
            rng = np.random.default_rng(list(row.encode()))
            noise = self.spread * rng.permutation(np.resize(SPREAD, self.seeds))
            total += weight * (self.cells[row, column] + noise)
        return metrics.nested_estimate(total)

    def computed(self, claim_id):
        return self.numbers.get(claim_id)


COLUMN = "csl.r1"


def claim(rule, kind="ordering", needs="synthetic", id=None):
    return paper.Claim(id or f"table2.{rule}", "§4", "Made up.", kind, "made up", rule, needs)


BETTER = claim(paper.Better("table2", "sign", ("none",), (COLUMN,)))
LOWER = claim(paper.Better("table2", "sign", ("none",), ("csl.dtw_body",)))
CLOSE = claim(paper.Close("table2", "sign", "none", (COLUMN,), 0.1), "equivalence")
RATIO = claim(paper.Ratio("table2", "sign", "none", (COLUMN,), low=1.35), "ratio")
BOUND = claim(paper.Bound("table2", "sign", COLUMN, low=20, high=40), "number")
MATCHES = claim(paper.Matches("table2", "sign", (COLUMN,), 0.05), "number", "real data")  # 33.01
SHARE = claim(paper.GainShare("table2", "none", "sign", "latent", (COLUMN,), 0.5), "ratio")


def verdict(claim, evidence):
    return judge([claim], evidence)[0].verdict


def cells(column=COLUMN, **values):
    return {(row, column): value for row, value in values.items()}


@pytest.mark.parametrize(
    "claim, found, expected",
    [
        (BETTER, cells(sign=33, none=31), "reproduced"),
        (BETTER, cells(sign=31, none=33), "not reproduced"),
        (BETTER, cells(sign=31.001, none=31), "inconclusive"),
        (LOWER, cells("csl.dtw_body", sign=6, none=7), "reproduced"),
        (LOWER, cells("csl.dtw_body", sign=7, none=6), "not reproduced"),
        (CLOSE, cells(sign=31, none=32), "reproduced"),
        (CLOSE, cells(sign=32, none=31), "reproduced"),
        (CLOSE, cells(sign=25, none=32), "not reproduced"),
        (CLOSE, cells(sign=40, none=32), "not reproduced"),
        (CLOSE, cells(sign=28.8, none=32), "inconclusive"),
        (RATIO, cells(sign=145, none=100), "reproduced"),
        (RATIO, cells(sign=125, none=100), "not reproduced"),
        (RATIO, cells(sign=135, none=100), "inconclusive"),
        (BOUND, cells(sign=30), "reproduced"),
        (BOUND, cells(sign=10), "not reproduced"),
        (BOUND, cells(sign=50), "not reproduced"),
        (BOUND, cells(sign=40), "inconclusive"),
        (SHARE, cells(none=10, sign=12, latent=20), "reproduced"),
        (SHARE, cells(none=10, sign=18, latent=20), "not reproduced"),
        (SHARE, cells(none=10, sign=15, latent=20), "inconclusive"),
        (SHARE, cells(none=20, sign=18, latent=10), "not reproduced"),  # no gain to share
    ],
)
def test_rules(claim, found, expected):
    assert verdict(claim, Made(found)) == expected
    assert verdict(claim, Made(found, smoke=True)) == "inconclusive"
    assert "Smoke" in judge([claim], Made(found, smoke=True))[0].reason
    assert verdict(claim, Made()) == "not measured yet"


@pytest.mark.parametrize("value, expected", [(33.5, "reproduced"), (40, "not reproduced"),
                                             (33.01 * 1.05, "inconclusive")])  # fmt: skip
def test_printed_numbers_are_for_real_data(value, expected):
    assert verdict(MATCHES, Made(cells(sign=value), synthetic=False)) == expected
    assert verdict(MATCHES, Made(cells(sign=value))) == "needs real data"


@pytest.mark.parametrize("claim", [BETTER, CLOSE, RATIO, SHARE, BOUND])
@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_few_seeds_give_no_verdict_but_a_direction(claim, seeds):
    found = cells(none=10, sign={CLOSE: 10, BOUND: 30}.get(claim, 14), latent=90)
    judged = judge([claim], Made(found, seeds=seeds, spread=1e-6))[0]
    assert (judged.verdict, judged.seeds, judged.p_for) == ("inconclusive", seeds, None)
    assert f"{seeds} seed" in judged.reason and "paper's side" in judged.reason
    assert verdict(claim, Made(found, seeds=5, spread=1e-6)) == "reproduced"


def test_a_tie_is_on_neither_side():
    both = paper.Better("table2", "sign", ("none", "latent"), (COLUMN,))
    judged = judge([claim(both)], Made(cells(sign=30, none=30, latent=20), spread=0))[0]
    assert [c.side for c in judged.comparisons] == ["tied", "as claimed"]
    assert judged.verdict == "inconclusive"
    assert "1 of 2 comparisons on the paper's side, 1 tied" in judged.reason.lower()


def test_a_ratio_is_told_as_one():
    for sign, verdict in ((150, "reproduced"), (100, "not reproduced"), (135, "inconclusive")):
        judged = judge([RATIO], Made(cells(sign=sign, none=100), spread=1e-6))[0]
        assert judged.verdict == verdict
        assert judged.ours.endswith(f"sign / none = {sign / 100:.3g} (claimed: at least 1.35)")


def test_what_was_measured_too_seldom_could_not_be_reproduced():
    both = claim(paper.Better("table2", "sign", ("none", "latent"), (COLUMN,)))
    few, lacking, whole = (
        judge([of], made)[0]
        for of, made in (
            (BETTER, Made(cells(sign=33, none=31), seeds=4)),
            (both, Made(cells(sign=33, none=31))),
            (BETTER, Made(cells(sign=31, none=33))),
        )
    )
    assert not few.complete and not lacking.complete
    assert whole.complete and whole.verdict == "not reproduced"


def test_what_is_told_has_no_infinite_end_and_no_p_of_zero():
    one = judge([BETTER], Made(cells(sign=33, none=31), seeds=1))[0]
    assert one.ours.endswith("= 2 (one training: no interval)")
    sure = judge([BETTER], Made(cells(sign=33, none=31), spread=0))[0]
    assert sure.p_for == 0 and "p < 0.001" in sure.reason


@pytest.mark.parametrize("gap, expected", [(-3, "not reproduced"), (3, "inconclusive")])
def test_columns_with_fewer_seeds_can_neither_refute_nor_complete_a_claim(gap, expected):
    """r1 has five seeds, DTW-JPE one, which is clearly against the claim."""

    class Uneven(Made):
        def contrast(self, artefact, weights, column):
            self.seeds = 5 if column == COLUMN else 1
            if column != COLUMN:
                return metrics.nested_estimate([9.0], np.full((1000, 1), 9.0) + SPREAD[0], 200)
            return super().contrast(artefact, weights, column)

    both = claim(paper.Better("table2", "sign", ("none",), (COLUMN, "csl.dtw_body")))
    judged = judge([both], Uneven(cells(sign=31 + gap, none=31)))[0]
    assert (judged.verdict, judged.seeds) == (expected, 5)
    assert judged.ours.startswith(COLUMN) and len(judged.comparisons) == 2


@pytest.mark.parametrize("faster, expected", [(1.5, "reproduced"), (1.2, "not reproduced")])
def test_of_speed_one_training_is_enough(faster, expected):
    """Its interval is of the sentences, whose times were measured side by side."""

    class Timed(Made):
        def contrast(self, artefact, weights, column):
            speed = {"soke": 100.0, "steps_25": 100 * faster, "steps_50": 0.0}
            total = sum(w * speed[row] for row, w in weights.items())
            drawn = np.random.default_rng(0).normal(total, 1, (1000, 1))
            return metrics.nested_estimate([total], drawn, 200)

    ratio = claim(paper.Ratio("fig6", "steps_25", "soke", ("throughput",), low=1.35), "ratio")
    assert verdict(ratio, Timed()) == expected
    of_both = claim(paper.Better("fig6", "steps_25", ("steps_50",), ("throughput", "csl.dtw")))
    judged = judge([of_both], Timed())[0]
    assert judged.verdict == "inconclusive" and "1 seed" in judged.reason


def test_an_interval_that_spans_zero_is_inconclusive():
    for gap in np.linspace(-0.1, 0.1, 21):
        judged = judge([BETTER], Made(cells(sign=31 + gap, none=31), spread=0.05))[0]
        spans = judged.low < 0 < judged.high
        assert (judged.verdict == "inconclusive") == spans


def test_verdicts_are_monotone_in_the_evidence():
    order = ["not reproduced", "inconclusive", "reproduced"]
    found = [
        order.index(verdict(BETTER, Made(cells(sign=31 + gap, none=31), spread=0.05)))
        for gap in np.linspace(-1, 1, 41)
    ]
    assert found == sorted(found) and set(found) == {0, 1, 2}
    assert found == [2 - f for f in found[::-1]]  # a change of sign changes the verdict


def test_a_claim_asserts_all_its_comparisons():
    rule = paper.Better("table2", "sign", ("none", "latent"), (COLUMN, "csl.sibleu_body"))
    good = cells(sign=33, none=31, latent=30) | cells("csl.sibleu_body", sign=5, none=4, latent=4)
    assert verdict(claim(rule), Made(good)) == "reproduced"
    assert verdict(claim(rule), Made(good | {("latent", COLUMN): 33.0})) == "inconclusive"
    judged = judge([claim(rule)], Made(good | {("latent", COLUMN): 35.0}))[0]
    assert judged.verdict == "not reproduced"
    assert "sign - latent in csl.r1" in judged.reason and judged.estimate == pytest.approx(-2)


def test_what_was_not_measured_is_named_and_stops_a_verdict_for():
    rule = paper.Better("table2", "sign", ("none", "latent"), (COLUMN,))
    judged = judge([claim(rule)], Made(cells(sign=33, none=31)))[0]
    assert judged.verdict == "inconclusive"
    assert judged.missing == ("sign - latent in csl.r1",)
    assert "not measured: sign - latent." in judged.reason
    assert verdict(claim(rule), Made(cells(sign=31, none=33))) == "not reproduced"


def test_no_number_in_the_paper_asserts_nothing():
    best = paper.claim("table1.best_csl").rule
    about = {(item.column, item.about) for item in verdicts.inequalities(best)}
    assert ("csl.r1", "madis - text2mesh") in about
    assert ("csl.sibleu_body", "madis - text2mesh") not in about  # N/A
    assert not any("nsa" in what for _, what in about)  # not reported on CSL-Daily


def test_holm_runs_over_the_table_and_only_over_it():
    def weak(i, artefact="table2"):
        rule = paper.Better(artefact, "none", (["sign", "latent"][i % 2],), (COLUMN,))
        return claim(rule, id=f"{artefact}.{i}")

    found = Made(cells(none=31.025, sign=31, latent=31, uniform_75=31), spread=0.005)
    alone = judge([weak(0)], found)[0]
    assert alone.verdict == "reproduced" and 0.025 / 30 < alone.p_for < 0.025
    many = judge([weak(0) for _ in range(30)], found)
    assert {j.verdict for j in many} == {"inconclusive"}
    assert many[0].p_for == pytest.approx(30 * alone.p_for)
    other = claim(paper.Better("table3", "uniform_75", ("none",), (COLUMN,)), id="table3.x")
    assert judge([weak(0)] + [other] * 29, found)[0] == alone


def test_order_of_claims_does_not_matter():
    rng = np.random.default_rng(0)
    found = {
        (row.key, column.key): float(rng.normal(10, 0.1))
        for artefact in (paper.TABLE_2, paper.TABLE_3, paper.TABLE_4)
        for row in artefact.rows
        for column in artefact.columns
    }
    straight = {j.claim.id: j for j in judge(paper.CLAIMS, Made(found))}
    claims = list(paper.CLAIMS)
    random.Random(0).shuffle(claims)
    judged = judge(claims, Made(found))
    assert [j.claim for j in judged] == claims
    assert {j.claim.id: j for j in judged} == straight


@pytest.mark.parametrize("synthetic", [True, False])
def test_every_claim_can_be_judged_without_evidence(synthetic):
    judged = judge(paper.CLAIMS, Made(synthetic=synthetic))
    assert [j.claim for j in judged] == list(paper.CLAIMS)
    found = {j.verdict for j in judged}
    assert found == {"not measured yet", "needs people"} | (
        {"needs real data"} if synthetic else set()
    )
    assert all(j.reason for j in judged)


@pytest.mark.parametrize(
    "value, expected",
    [(0.757, "derived"), (0.8, "not reproduced"), (None, "not measured yet")],
)
def test_arithmetic_is_derived(value, expected):
    item = paper.claim("fig6.seconds_follow_from_throughput")
    assert verdict(item, Made(computed={item.id: value})) == expected


@pytest.mark.parametrize(
    "ends, expected",
    [((1.1, 2.0), "reproduced"), ((0.5, 0.9), "not reproduced"), ((0.9, 1.1), "inconclusive")],
)
def test_a_timing_is_measured_not_derived(ends, expected):
    item = paper.claim("dtw.slower_than_sibleu")
    value = metrics.Interval(sum(ends) / 2, *ends)
    assert verdict(item, Made(computed={item.id: value})) == expected


def test_the_papers_own_exceptions_are_shown():
    for item in paper.CLAIMS:
        if isinstance(item.rule, paper.Better):
            told = verdicts.printed(item.rule)
            assert ("contradict" in told) == bool(paper.exceptions(item.rule))
            for column, other in paper.exceptions(item.rule):
                assert f"{column} against {other}" in told


# --- from per-sentence scores ---


def made_scores(n, shift, seed, sentence_seed=0):
    """Scores as evaluate.score gives them; ``shift`` moves all metrics of a seed."""
    rng, common = np.random.default_rng(seed), np.random.default_rng(sentence_seed)
    easy = common.normal(0, 1, n)
    matches = np.clip(np.rint(6 + easy + shift + rng.normal(0, 0.3, n)), 0, 12).astype(int)
    counts = [[14, 14, m, 14, m // 2, 13, m // 3, 12, m // 4, 11] for m in matches.tolist()]
    return {
        "dtw_body": (10 - easy - shift + rng.normal(0, 0.3, n)).tolist(),
        "dtw_hands": (12 - easy - shift + rng.normal(0, 0.3, n)).tolist(),
        "mm_body": easy.tolist(),
        "mm_hands": easy.tolist(),
        "bleu": {"body": counts, "left": counts, "right": counts},
        "gloss_edits": (14 - matches).tolist(),
        "gloss_length": [14] * n,
    }


def rows(n=40, seeds=range(5), **shifts):
    return {
        row: {seed: made_scores(n, shift, 10 * seed + i) for seed in seeds}
        for i, (row, shift) in enumerate(shifts.items())
    }


def test_contrasts_of_scores_are_differences_of_the_corpus_numbers():
    scores = rows(a=1, b=0)
    found = ScoredRows(scores, resamples=50)
    everything = np.arange(40)
    for metric in ("dtw_body", "sibleu_hands", "gloss_error"):
        expected = [
            evaluate.value(scores["a"][s], metric, everything)
            - evaluate.value(scores["b"][s], metric, everything)
            for s in range(5)
        ]
        assert found.contrast({"a": 1, "b": -1}, metric).by_seed == pytest.approx(expected)
    body, hands, both = (found.contrast({"a": 1}, m).mean for m in ("dtw_body", "dtw_hands", "dtw"))
    assert both == pytest.approx((body + hands) / 2)


def test_pairing_removes_what_sentences_share():
    found = ScoredRows(rows(a=0.5, b=0), resamples=200)
    single, paired = (
        found.contrast({"a": 1}, "dtw_body"),
        found.contrast({"a": 1, "b": -1}, "dtw_body"),
    )
    assert paired.error < single.error / 2
    assert paired.interval().high < 0 and paired.mean == pytest.approx(-0.5, abs=0.1)


def test_contrasts_do_not_depend_on_order():
    scores = rows(a=0.5, b=0)
    expected = ScoredRows(scores, resamples=400).contrast({"a": 1, "b": -1}, "sibleu_body")
    other = {r: dict(reversed(s.items())) for r, s in reversed(scores.items())}
    assert ScoredRows(other, resamples=400).contrast({"b": -1, "a": 1}, "sibleu_body") == expected
    at = np.random.default_rng(1).permutation(40)

    def moved(value):
        if isinstance(value, dict):
            return {k: moved(v) for k, v in value.items()}
        return [value[i] for i in at]

    turned = {r: {s: moved(f) for s, f in found.items()} for r, found in scores.items()}
    found = ScoredRows(turned, resamples=400).contrast({"a": 1, "b": -1}, "sibleu_body")
    assert found.by_seed == pytest.approx(expected.by_seed)
    assert found.error == pytest.approx(expected.error, rel=0.15)  # other draws


def test_contrasts_of_what_is_not_there():
    found = ScoredRows(rows(a=0), resamples=20)
    assert found.contrast({"a": 1, "b": -1}, "dtw_body") is None
    assert found.contrast({"a": 1}, "r1") is None
    with pytest.raises(ValueError, match="same 2 or more"):
        ScoredRows({"a": {0: made_scores(3, 0, 0)}, "b": {0: made_scores(4, 0, 0)}})
