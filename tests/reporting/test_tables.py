import csv

import numpy as np
import pandas as pd
import pytest

from madis_lib import paper, presets
from madis_lib.experiments import evaluate
from madis_lib.reporting import metric_tables, tables

SYSTEMS = [evaluate.SYSTEM, *evaluate.FLOORS, evaluate.CEILING]


def frame_of(marks: dict[str, str], preset="laptop") -> pd.DataFrame:
    """A table of one metric; ``marks`` says for each bound whether MaDiS beats it."""
    rows = [
        {
            "preset": preset,
            "protocol": "paper",
            "corpus": "csl",
            "data": "SignWorld csl",
            "system": system,
            "source": tables.MEASURED,
        }
        | {"metric": "dtw_body", "unit": "m", "n": 9, "estimate": 1.0, "low": 0.5, "high": 1.5}
        | {"madis_better": marks.get(system, "")}
        for system in SYSTEMS
    ]
    reported = {"source": tables.AS_REPORTED, "estimate": 5.99, "madis_better": ""}
    return pd.DataFrame([*rows, rows[0] | reported | {"low": np.nan, "high": np.nan}])


def test_a_table_holds_every_system_and_metric_with_its_interval(suite):
    frame = tables.results(suite, "phoenix")
    measured = frame[frame.source == tables.MEASURED]
    assert list(measured.system.unique()) == SYSTEMS
    assert set(measured.metric) == set(evaluate.METRICS)
    assert len(measured) == len(SYSTEMS) * len(evaluate.METRICS)
    assert (measured.low <= measured.high).all()
    scores = suite.evaluated("phoenix").result["scores"]["random clip"]
    row = measured[(measured.system == "random clip") & (measured.metric == "gloss_error")].iloc[0]
    expected = evaluate.summary(scores, "gloss_error")
    assert (row.estimate, row.low, row.high) == pytest.approx(tuple(expected))


def test_another_metric_is_measured_and_not_missed(suite, monkeypatch):
    few = {name: m for name, m in evaluate.METRICS.items() if name != "mm_body"}
    with monkeypatch.context() as before:
        for module in (evaluate, tables):
            before.setattr(module, "METRICS", few)
        assert "mm_body" not in set(tables.results(suite, "phoenix").metric)
    assert "mm_body" in set(tables.results(suite, "phoenix").metric)


def test_verdicts_are_those_of_the_paired_comparison(suite):
    frame = tables.results(suite, "csl")
    scores = suite.evaluated("csl").result["scores"]
    for row in frame[frame.source == tables.MEASURED].itertuples():
        if row.system == "MaDiS":
            assert row.madis_better == ""
        elif row.metric in ("dtw_body", "sibleu_hands"):
            found = evaluate.beats(scores["MaDiS"], scores[row.system], row.metric)
            assert row.madis_better == tables.MARK[found]


def test_the_papers_numbers_stand_apart_as_reported(suite):
    frame = tables.results(suite, "how2sign")
    reported = frame[frame.source == tables.AS_REPORTED]
    assert set(reported.system) == {"MaDiS", "MDLM baseline"}
    assert "gloss_error" not in set(reported.metric)
    for row in reported.itertuples():
        key = {"MaDiS": "madis", "MDLM baseline": "mdlm"}[row.system]
        assert row.estimate == paper.TABLE_1.value(key, f"how2sign.{row.metric}")
    page = tables.html(frame)
    assert page.index("as reported, real data") > page.index("tokenizer round trip")


def test_bold_only_when_every_bound_is_beaten():
    all_beaten = dict.fromkeys(evaluate.FLOORS, "✓") | {evaluate.CEILING: "✗"}
    assert tables.best(frame_of(all_beaten)) == {("MaDiS", "dtw_body")}
    assert r"\textbf{1.00}" in tables.latex(frame_of(all_beaten))
    assert tables.latex(frame_of(all_beaten)).count(r"\textbf") == 1
    for mark in ("–", "✗"):
        frame = frame_of(all_beaten | {"mean pose": mark})
        assert tables.best(frame) == set()
        assert r"\textbf" not in tables.latex(frame) and "<b>" not in tables.html(frame)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("md", "**5.99** [5.70, 6.31] ✓"),
        ("html", '<b>5.99</b> <span class="soft">[5.70, 6.31]</span> ✓'),
        ("tex", r"\textbf{5.99} {\scriptsize[5.70, 6.31]} \checkmark"),
    ],
)
def test_a_cell_says_what_its_row_holds(form, text):
    row = pd.Series({"metric": "dtw_body", "estimate": 5.99, "low": 5.7, "high": 6.31})
    assert tables.cell(pd.Series({**row, "bold": True, "madis_better": "✓"}), form) == text
    assert tables.cell(row, "md") == "5.99 [5.70, 6.31]"
    assert tables.cell(pd.Series({**row, "low": np.nan, "high": np.nan}), form) == "5.99"
    assert tables.cell(pd.Series({**row, "estimate": np.nan}), form) == ""


def test_failures_are_said_in_words():
    frame = frame_of({"mean pose": "✗", "random clip": "–", "shuffled text": "✓"})
    said = tables.failure_sentence(frame)
    assert "worse than mean pose on DTW-JPE body" in said
    assert "not separated from random clip on DTW-JPE body" in said
    assert "shuffled" not in said
    assert "beats every bound" in tables.failure_sentence(frame_of(dict.fromkeys(SYSTEMS, "✓")))


def test_small_presets_say_that_they_decide_nothing():
    assert tables.SMOKE.lower() in tables.markdown(frame_of({}, preset="quick")).lower()
    assert "smoke" not in tables.markdown(frame_of({}, preset="laptop")).lower()


def test_files_hold_the_same_numbers(suite, tmp_path):
    frame = tables.results(suite, "phoenix")
    tables.write(frame, tmp_path, "results-phoenix")
    with (tmp_path / "results-phoenix.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(frame)
    assert float(rows[0]["estimate"]) == pytest.approx(frame.iloc[0].estimate)
    tex = (tmp_path / "results-phoenix.tex").read_text(encoding="utf-8")
    assert r"\toprule" in tex and r"\%" in tex and "↓" not in tex.split("\\begin", 1)[1]
    lines = (tmp_path / "results-phoenix.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 2 + len(SYSTEMS) + 2


def test_tokenizer_quality(suite):
    frame = tables.tokenizer(suite)
    assert list(frame.part) == ["body", "left", "right"]
    assert (frame["codes used"] <= frame["codes"]).all()
    assert (frame.perplexity <= frame["codes used"] + 1e-6).all()
    assert frame["reconstruction error (mm)"].nunique() == 3  # each part has its own


def test_lengths(suite):
    frame = tables.lengths(suite).set_index("corpus")
    assert list(frame.index) == [suite.corpus_name(c) for c in suite.corpora]
    assert (frame["covered (%)"] == 100).all() and frame["eos share (%)"].between(1, 99).all()
    for corpus in suite.corpora:
        row = frame.loc[suite.corpus_name(corpus)]
        ratios = suite.evaluated(corpus).result["scores"]["MaDiS"]["length_ratio"]
        assert row["length ratio"] == pytest.approx(np.mean(ratios))
        assert row.low <= row["length ratio"] <= row.high
        mean = np.mean([len(t) for t in suite.tokens(corpus, "train")])
        assert row["mean clip (tokens)"] == pytest.approx(mean)


def test_targets_are_judged_and_a_miss_is_called_one(suite, monkeypatch):
    """The tiny suite learns nothing, so it must miss; made-up results that are good must meet."""
    missed = tables.targets(suite)
    assert list(missed[""]) == ["missed", "missed"]
    monkeypatch.setattr(tables, "failures", lambda frame: [])
    monkeypatch.setattr(presets, "is_smoke", lambda preset: False)
    monkeypatch.setattr(tables, "_estimate", lambda frame, system, metric: 10.0)
    met = tables.targets(suite)
    assert list(met[""]) == ["met", "met", "met"] and "10 / 10 / 10 %" in set(met.reached)


def test_table_6_holds_every_rung_beside_chance_and_the_papers_apart(suite):
    frame = metric_tables.siclip(suite)
    measured = frame[frame.source == tables.MEASURED]
    assert len(measured) == 3 * 3 * 2 * 2 * 3  # corpora, rungs, directions, pools, k
    assert (measured.low <= measured.estimate).all() and (measured.estimate <= measured.high).all()
    assert measured.chance.between(0, 100, inclusive="right").all()
    reported = frame[frame.source == tables.AS_REPORTED]
    assert reported.n.isna().all() and set(reported.pool) == {"not stated"}
    for row in reported.itertuples():
        assert row.estimate == paper.TABLE_6.value(row.rung, f"{row.corpus}.r{row.k}")
    grid = metric_tables.siclip_grid(frame, "phoenix")
    assert list(grid["encoders and loss"]) == [r.label for r in paper.TABLE_6.rows] + ["chance"]
    cell = measured[
        (measured.corpus == "phoenix") & (measured.rung == "decoupled") & (measured.pool == "all")
    ].query("k == 5 and direction == 'sign to text'")
    shown = grid.set_index("encoders and loss")["sign to text, R@5 of all"]["+ Decoupled encoders"]
    assert shown.startswith(f"{cell.estimate.iloc[0]:.1f} [")
    printed = metric_tables.siclip_reported(suite).set_index(tables.AS_REPORTED)
    assert printed["CSL-Daily R@1"]["+ Fine-grained loss"] == "59.10"


def test_the_order_of_table_6_is_judged_and_a_failure_is_said(suite, monkeypatch):
    hits = {"baseline": [0] * 30 + [1] * 10, "decoupled": [0] * 30 + [1] * 10}
    hits["fine_grained"] = [1] * 40

    def found(_, corpus, rung):
        return {"all": 100.0 * np.array(hits[rung]), 45: 100.0 * np.array(hits[rung])}

    monkeypatch.setattr(metric_tables, "_r1_hits", found)
    gains = metric_tables.siclip_gains(suite)
    assert set(gains[gains.rung == "fine_grained"].verdict) == {"✓"}
    assert set(gains[gains.rung == "decoupled"].verdict) == {"–"}
    assert set(gains[gains.rung == "fine_grained"].gain) == {75.0}
    said = metric_tables.siclip_sentence(suite)
    assert (
        "in 3 of 6 comparisons" in said and "most of the gain over the baseline on 3 of 3" in said
    )
    assert said.count("not separated (+0.0 points)") == 3
    hits["decoupled"] = [0] * 40
    assert "worse (-25.0 points)" in metric_tables.siclip_sentence(suite)


def test_the_metrics_panel_has_every_number_once(suite):
    frame = metric_tables.metrics_panel(suite)
    keys = ["data", "statistic", "metric", "level", "condition"]
    assert not frame.duplicated(keys).any()
    assert set(frame.statistic) == {
        "rho", "rho over DTW-JPE", "rho without one condition",
        "rho over DTW-JPE without one condition", "seen", "drop", "share removed",
        "mean", "seconds a clip",
    }  # fmt: skip
    truth = frame[(frame.statistic == "mean") & (frame.condition == "truth")].set_index("metric")
    assert (truth.loc["dtw"].estimate.abs() < 1e-6).all()
