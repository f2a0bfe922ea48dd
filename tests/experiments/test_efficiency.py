"""What the sweeps and attention runs say of the claims, from made-up points and from a tiny suite."""

import numpy as np
import pytest

from madis_lib import paper, presets
from madis_lib.experiments import ablations, bidirectional, efficiency, registry
from madis_lib.experiments.evidence import Measured
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite


def run_of(**result) -> Run:
    return Run("made up", "0", None, result, {})


def point(k, seconds, places=10, system="MaDiS"):
    n = len(seconds)
    return {"system": system, "tokens_per_step": k, "seconds": seconds, "places": [places] * n}


def test_rows_are_those_of_the_paper():
    assert set(efficiency.ROWS) <= {row.key for row in paper.FIG_6.rows}
    for row, (_, k) in efficiency.ROWS.items():
        if row.startswith("steps_"):
            assert int(row.removeprefix("steps_")) * k == 100
    assert set(efficiency.SPEEDS) == {c.key for c in paper.FIG_6.columns if "." not in c.key}


def test_speeds_are_medians_over_the_sentences_of_all_corpora():
    slow, fast = [1.0, 2.0, 4.0], [0.5, 1.0, 2.0]
    runs = {
        c: run_of(points=[point(1, slow), point(4, fast), point(4, slow, system="other")])
        for c in ("csl", "phoenix")
    }
    of = efficiency.speed_estimate
    assert of(runs, {"steps_25": 1}, "throughput").mean == 10  # 10 places in the median second
    assert of(runs, {"steps_25": 1}, "seconds").mean == 10  # of 100 places
    gap = of(runs, {"steps_25": 1, "steps_100": -2}, "throughput")
    assert gap.mean == 0 and gap.error == 0  # twice as fast on every sentence: draws are paired
    assert of(runs, {"steps_50": 1}, "throughput") is None
    assert of({}, {"steps_25": 1}, "throughput") is None
    runs["how2sign"] = run_of(points=[point(4, fast)])
    assert of(runs, {"steps_100": 1}, "throughput") is None  # not in every corpus


def test_the_rows_of_fig7c():
    trained = np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.5, 0.6, 0.7]])
    ratios = {bidirectional.TRAINED: trained, bidirectional.CAUSAL: 0 * trained}
    run = run_of(ratios={name: {"signs": of.tolist()} for name, of in ratios.items()})
    found = {row.key: bidirectional.estimate(run, {row.key: 1}) for row in paper.FIG_7C.rows}
    assert found["all_heads"].mean == pytest.approx(40) and found["causal"].mean == 0
    assert found["top_heads"].mean == pytest.approx(50)  # the last three of five
    both = bidirectional.estimate(run, {"top_heads": 1, "all_heads": -1})
    assert both.mean == pytest.approx(10) and both.error == pytest.approx(0)


def test_the_claims_get_their_numbers_from_the_finished_runs(suite):
    (corpus,) = efficiency.corpora(suite)
    run = efficiency.swept(suite, corpus)
    bidirectional.future_attention(suite, corpus)
    found = Measured(suite)
    default = efficiency.point(run, "steps_25")
    each = np.array(default["places"]) / np.array(default["seconds"])
    assert found.contrast("fig6", {"steps_25": 1}, "throughput").mean == np.median(each)
    dtw = found.contrast("fig6", {"steps_10": 1, "steps_25": -1}, f"{corpus}.dtw").mean
    parts = ("dtw_body", "dtw_hands")
    mean = {
        row: np.mean([np.mean(efficiency.point(run, row)["scores"][p]) for p in parts])
        for row in ("steps_10", "steps_25")
    }
    assert dtw == pytest.approx(mean["steps_10"] - mean["steps_25"])
    assert found.contrast("fig6", {"steps_25": 1, "soke": -1.35}, "throughput") is None
    assert (
        found.contrast("fig6", {"steps_25": 1}, "how2sign.dtw") is None
    )  # one corpus at this size
    ahead = found.contrast("fig7c", {"all_heads": 1}, f"{corpus}.future_attention")
    average = bidirectional.average(bidirectional.future_attention(suite, corpus))
    assert ahead.mean == pytest.approx(100 * average.estimate)


def test_a_suite_without_these_runs_has_no_numbers_and_makes_none(tmp_path):
    from tests import tiny

    empty = Suite(tiny.preset(), tmp_path / ".madis")
    assert efficiency.finished_sweeps(empty) == efficiency.finished_attention(empty) == {}
    found = Measured(empty)
    assert found.contrast("fig6", {"steps_25": 1}, "throughput") is None
    assert found.contrast("fig6", {"steps_25": 1}, "csl.dtw") is None
    assert found.contrast("fig7c", {"all_heads": 1}, "csl.future_attention") is None
    assert not (tmp_path / ".madis").exists()


def test_the_report_brings_them_and_can_do_without(suite):
    for artefact, count in {"fig6": 1, "fig7c": 3}.items():
        steps = [s for s in registry.chosen(suite, [artefact]) if artefact in s.serves]
        assert len(steps) == count and all(s.kept and s.row for s in steps)
    names = [s.name for s in efficiency.contestants(suite, "csl")]
    assert names == OURS  # at smoke size


OURS = ["MaDiS", "MaDiS, coarse canvases", "MaDiS, also all above 0.5"]


def test_rivals_enter_where_they_are_trained_for_as_long(tmp_path):
    laptop = Suite(presets.get("laptop"), tmp_path / ".madis")
    world = ablations.world(laptop).named
    found = efficiency.contestants(world, "csl")
    names = [s.name for s in found]
    assert names[-3:] == ["MDLM baseline", "SOKE (mBART)", "SOKE (Qwen3)"] and names[:3] == OURS
    faster = [s for s in found if "trained on coarse" in s.name or "reads no signs" in s.name]
    assert len({s.trained.key for s in (*faster, found[0])}) == 3  # each is trained anew
    assert {(s.name, k) for s in found for k in s.tokens_per_step} >= {
        of for row, of in efficiency.ROWS.items()
    }
    steps = {s.title: s for s in registry.chosen(laptop, ["fig6"])}
    swept = [s for s in steps.values() if "fig6" in s.serves]
    assert len(swept) == 3 and all("table1" in steps[n].serves for s in swept for n in s.needs)
