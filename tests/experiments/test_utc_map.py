"""Table 3's comparison under other conditions: what changes, and what does not."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from madis_lib import presets, sampler
from madis_lib.experiments import ablations, order, registry, utc_map
from madis_lib.experiments.suite import Suite
from madis_lib.reporting import figures
from madis_lib.reporting.figures import style
from tests import tiny

GIVEN = next(c for c in utc_map.CONDITIONS if c.true_lengths)


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    preset = tiny.preset()
    preset = replace(preset, corpus=replace(preset.corpus, test=6))
    return Suite(preset, tmp_path_factory.mktemp("home") / ".madis")


def key(suite, condition, row):
    return utc_map.measured(suite.named, condition, row, 0).key


def test_the_usual_condition_is_table_3_itself(suite):
    for row in (utc_map.WITH, utc_map.WITHOUT):
        in_table = ablations.measured(suite.named, utc_map.TABLE_3.row(row), 0)
        assert key(suite, utc_map.USUAL, row) == in_table.key
    keys = {
        key(suite, c, row) for c in utc_map.CONDITIONS for row in (utc_map.WITH, utc_map.WITHOUT)
    }
    assert len(keys) == 2 * len(utc_map.CONDITIONS)


def test_only_a_wider_model_is_pretrained_anew(suite):
    usual = suite.named.row(True, 0).pretrained.key
    for condition in utc_map.CONDITIONS:
        changed = suite.named.variant(condition.change(suite.preset)).row(True, 0)
        assert (changed.pretrained.key == usual) == (condition.axis != "model")
        assert changed.tokens_run.key == suite.named.tokens_run.key
        trained_anew = condition.axis in ("model", "fine-tuning")
        assert (changed.finetuned("csl").key != suite.named.row(True, 0).finetuned("csl").key) == (
            trained_anew
        )


def test_points_are_paired_differences_and_thirds_divide_the_test_set(suite, tmp_path):
    assert utc_map.differences(suite, ("gloss_error",)) == []
    assert not utc_map.finished(suite)
    with pytest.raises(ValueError, match="no condition was measured"):
        figures.utc_map(suite)
    for condition in (utc_map.USUAL, GIVEN):
        for row in (utc_map.WITH, utc_map.WITHOUT):
            utc_map.measured(suite, condition, row, 0)
    points = utc_map.differences(suite, ("dtw_body", "gloss_error"))
    axes = [p.axis for p in points if p.metric == "dtw_body"]
    assert axes.count(utc_map.USUAL.axis) == 1 and GIVEN.axis in axes
    whole, *parts = (p for p in points if p.metric == "dtw_body" and p.axis != GIVEN.axis)
    for axis in (utc_map.SILENCE, utc_map.SIGN_LENGTH):
        thirds = [p for p in parts if p.axis == axis]
        assert sum(p.sentences for p in thirds) == whole.sentences
        total = sum(p.sentences * p.estimate.by_seed[0] for p in thirds)
        assert total / whole.sentences == pytest.approx(whole.estimate.by_seed[0])
    assert utc_map.finished(suite)
    kept = Suite(suite.preset, tmp_path / ".madis")
    kept.store.kept = tmp_path / "kept"
    for condition in (utc_map.USUAL, GIVEN):
        for row in (utc_map.WITH, utc_map.WITHOUT):
            kept.store.keep(utc_map.measured(suite, condition, row, 0))
    assert utc_map.differences(kept, ("dtw_body", "gloss_error")) == points  # results are enough
    assert not kept.store.root.exists()
    figure = figures.utc_map(suite)
    assert {p["axis"] for p in figure.data["points"]} == set(axes)
    colours = {line.get_color() for panel in figure.axes for line in panel.lines}
    assert style.SOFT in colours and not colours & {style.GOOD, style.BAD}  # one seed


def test_a_given_length_is_kept(suite):
    run = utc_map.measured(suite, GIVEN, "none", 0)
    np.testing.assert_allclose(run.result["scores"]["length_ratio"], 1)


def test_the_orders_are_compared_where_all_of_a_kind_is_finished(suite, monkeypatch):
    monkeypatch.setitem(sampler.RULES, "somebody's own", sampler.surest)  # is none of them
    assert order.panels(suite) == []
    for pace in order.PACES:
        for rule in order.ORDERS:
            condition = utc_map.Condition("", "", partial(utc_map.paced, tokens=pace), rule=rule)
            utc_map.measured(suite, condition, utc_map.WITHOUT, 0)
    (panel,) = order.panels(suite)
    assert (panel.label, panel.seeds) == ("rows without checkpoints", 1)
    points = figures.order(suite).data["points"]
    by = {(p["tokens_per_step"], p["rule"]): p for p in points}
    assert len(by) == 2 * len(order.PACES)
    for pace in order.PACES:
        a, b = by[pace, order.AT_RANDOM], by[pace, order.SUREST]
        assert a["estimate"] - b["estimate"] == pytest.approx(
            a["at_random_minus_surest"]["estimate"]
        )
    body = {k: panel.scored.contrast({order.key(*k): 1}, "dtw_body").mean for k in by}
    assert len(set(body.values())) > 2  # gloss errors of so small a model are all 100 %


def test_smoke_presets_leave_it_out():
    def titles(name):
        steps = registry.steps(Suite(presets.get(name), Path("nowhere/.madis")))
        return [s.title for s in steps if "utc_map" in s.serves]

    assert titles("quick") == []
    found = titles("laptop")
    assert len(found) == 2 * (len(utc_map.CONDITIONS) - 1) * len(presets.get("rows").seeds)
