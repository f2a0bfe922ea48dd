"""Rows of the paper's tables: what each changes, and that nothing else differs between them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from madis_lib import experiments, fusion, paper, presets, sampler
from madis_lib.experiments import ablations, contrasts, gates, registered, registry
from madis_lib.experiments.ablations import ABLATIONS, CORPUS, Row
from madis_lib.experiments.evidence import Measured
from madis_lib.experiments.suite import Suite
from madis_lib.reporting import ablation_tables, figures
from madis_lib.reporting import page as page_of
from tests import tiny


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    return Suite(tiny.preset(), tmp_path_factory.mktemp("home") / ".madis")


def config(run):
    return json.loads((run.folder / "config.json").read_text())


@pytest.mark.parametrize("artefact", ABLATIONS)
def test_rows_are_those_of_the_paper_in_its_order(artefact):
    ablation = ABLATIONS[artefact]
    printed = [row.key for row in ablation.rows if row.place != ablations.OURS]
    assert printed == [row.key for row in paper.ARTEFACTS[artefact].rows]
    bold = paper.ARTEFACTS[artefact].bold
    assert bold is None or ablation.full == bold
    changes = [repr(row.changes) for row in ablation.rows]
    assert len(set(changes)) == len(changes)
    assert ablation.row(ablation.full).changes == {}
    with pytest.raises(ValueError, match="has no row 'nope'"):
        ablation.row("nope")


def test_the_method_is_one_run_that_all_tables_share(suite):
    keys = {ablations.measured(suite.named, a.row(a.full), 0).key for a in ABLATIONS.values()}
    assert len(keys) == 1
    named = [ablations.measured(suite.named, row, 0).key for row, _ in ablations.distinct_rows()]
    assert len(set(named)) == len(named) == 1 + sum(len(a.rows) - 1 for a in ABLATIONS.values())
    assert not suite.store.root.exists()  # to name is to make nothing


def test_only_what_is_named_differs(suite):
    """Same start, data, order and updates; another level has another pretraining."""
    rows = {row.key: row for a in ABLATIONS.values() for row in a.rows}
    plain = suite.named.row(True, 0)
    for row in rows.values():
        variant = suite.named.row(True, 0, **row.changes)
        assert variant.tokens_run.key == plain.tokens_run.key
        same_start = variant.pretrained.key == plain.pretrained.key
        assert same_start == ("levels" not in row.changes)
    assert suite.named.row(True, 1).pretrained.key != plain.pretrained.key
    assert suite.named.row(True, 1).tokens_run.key == plain.tokens_run.key


@pytest.mark.parametrize(
    "row", [ABLATIONS["table2"].row("none"), ABLATIONS["table4"].row("codebook_transformer")],
    ids=lambda row: row.key,
)  # fmt: skip
def test_a_row_is_trained_and_scored(suite, row):
    run = ablations.measured(suite, row, 0)
    result = run.result
    assert result["sentences"] == len(result["scores"]["dtw_body"]) == suite.preset.corpus.test
    assert {"gloss_edits", "siclip_hits", "bleu"} <= result["scores"].keys()
    assert 0 < result["parameters"]["fusion"] < result["parameters"]["all"]
    assert (result["updates"]["pretraining"] == 0) == (row.changes.get("levels") == ())
    variant = suite.row(True, 0, **row.changes)
    loaded = variant.system(CORPUS).model
    assert loaded.config.fusion == row.changes.get("fusion", "dense")
    assert variant.pretrained.result["history"] or not variant.preset.method.levels


def test_rows_begin_with_the_same_weights_where_shapes_agree(suite):
    start = suite.row(True, 0)._start_of_finetuning().model
    for name in ("codebook_average", "sparse_top2", "codebook_mlp"):
        other = suite.row(True, 0, fusion=name)._start_of_finetuning().model
        mine, theirs = start.state_dict(), other.state_dict()
        for key in mine.keys() & theirs.keys():
            if mine[key].shape == theirs[key].shape:
                assert torch.equal(mine[key], theirs[key]), key


def test_a_result_is_kept_and_found_without_its_run(suite, tmp_path):
    row = ABLATIONS["table2"].row("none")
    run = ablations.measured(suite, row, 0)
    elsewhere = Suite(tiny.preset(), tmp_path / ".madis")
    elsewhere.store.kept = tmp_path / "results"
    suite.store.kept, before = tmp_path / "results", suite.store.kept
    try:
        suite.store.keep(run)
    finally:
        suite.store.kept = before
    with elsewhere.store.only_finding():
        again = ablations.measured(elsewhere, row, 0)
    assert again.result == run.result and again.made["commit"] == run.made["commit"]
    assert not (tmp_path / ".madis").exists()


def test_tables_hold_only_seeds_with_which_every_row_is_there(suite):
    ablation = ABLATIONS["table3"]
    assert ablations.finished(suite, ablation) == {}
    assert ablation_tables.frame(suite, "table3").empty
    for row in ablation.rows:
        ablations.measured(suite, row, 0)
    found = ablation_tables.frame(suite, "table3")
    assert list(found.row.unique()) == [row.key for row in ablation.rows]
    assert set(found.seeds) == {1} and set(found.n) == {suite.preset.corpus.test}
    scores = ablations.measured(suite, ablation.row("none"), 0).result["scores"]
    cell = found[(found.row == "none") & (found.metric == "dtw_body")].iloc[0]
    assert cell.estimate == pytest.approx(np.mean(scores["dtw_body"]))
    assert cell.low <= cell.estimate <= cell.high
    assert cell.reported == paper.TABLE_3.printed("none", "csl.dtw_body")
    text = ablation_tables.markdown(found)
    assert "Contiguous" in text and "no verdict" in text.lower()
    assert r"\toprule" in ablation_tables.latex(found)


def test_watching_changes_nothing_of_the_training(suite):
    watched = ablations.watched(suite, 0, "utc").result["history"]
    trained = suite.row(True, 0).finetuned(CORPUS).result["history"]
    assert [h["loss"] for h in watched] == [h["loss"] for h in trained]
    assert "val sibleu_body" in watched[-1] and "val gloss_error" in watched[-1]


# -- registering ----------------------------------------------------------------------------------


class Sum(fusion.ProjectedParts):
    def forward(self, codes):
        return self.part_embeddings(codes).sum(-2)


def first_blank(confidence, blank, grid, count):
    return sampler.surest(
        -torch.arange(grid.numel()).expand_as(confidence).float(), blank, grid, count
    )


@pytest.fixture
def clean(monkeypatch):
    monkeypatch.setattr(fusion, "FUSIONS", dict(fusion.FUSIONS))
    monkeypatch.setattr(sampler, "RULES", dict(sampler.RULES))
    for known in (ABLATIONS, paper.ARTEFACTS):  # whatever a test adds is taken out again
        monkeypatch.setitem(known, "mine", None)
        monkeypatch.delitem(known, "mine")
    registered.SOURCES.clear()
    yield
    registered.SOURCES.clear()


def test_a_registered_fusion_and_rule_are_rows_like_any_other(suite, clean):
    experiments.register("sum", Sum)
    experiments.register("in order", first_blank)
    for changes in ({"fusion": "sum"}, {"rule": "in order"}):
        run = ablations.measured(suite, Row("mine", "mine", changes), 0)
        assert run.result["sentences"] == suite.preset.corpus.test
    signed = suite.row(True, 0).system(CORPUS)
    texts = suite.texts(CORPUS, "test")
    plan = signed.generate(texts, pick=first_blank)
    assert len(plan) == len(texts)


def test_the_source_of_what_is_registered_is_part_of_the_key(suite, clean):
    row = Row("mine", "mine", {"rule": "mine"})
    experiments.register("mine", first_blank)
    first = ablations.measured(suite.named, row, 0).key
    experiments.register("mine", lambda confidence, blank, grid, count: None)
    assert ablations.measured(suite.named, row, 0).key != first
    experiments.register("mine", first_blank)
    assert ablations.measured(suite.named, row, 0).key == first


@pytest.mark.parametrize(
    ("name", "thing", "message"),
    [
        ("dense", Sum, "one of the paper's rows"),
        ("surest", first_blank, "one of the paper's rows"),
        ("mine", torch.nn.Linear, "neither a class derived from fusion.Codebooks nor a function"),
        ("mine", 3, "neither"),
    ],
)
def test_what_cannot_be_registered(clean, name, thing, message):
    with pytest.raises(ValueError, match=message):
        experiments.register(name, thing)


def test_a_fusion_that_is_not_registered_says_so(suite):
    with pytest.raises(ValueError, match="unknown fusion 'nope': choose one of average"):
        suite.row(True, 0, fusion="nope").finetuned(CORPUS)
    assert Path(suite.store.root).is_dir()


# -- a table of one's own ---------------------------------------------------------------------------

FULL = ABLATIONS["table3"].row("uniform_75_50")
NONE = ABLATIONS["table3"].row("none")
MINE = Row("mine", "In order", {"rule": "in order"}, ablations.OURS)


@pytest.fixture
def mine(suite, clean):
    """A table with rows of the paper's and one of our own, finished."""
    experiments.register("in order", first_blank)
    ablation = ablations.add("mine", "Mine & <others>", [NONE, MINE, FULL])
    for row in ablation.rows:
        ablations.measured(suite, row, 0)
    return ablation


def test_a_table_of_ones_own_stands_where_the_papers_do(suite, mine):
    assert mine.full == FULL.key and mine is ABLATIONS["mine"]
    table = paper.ARTEFACTS["mine"]
    assert table.printed("none", "csl.r1") == paper.TABLE_3.printed("none", "csl.r1")
    assert table.printed("mine", "csl.r1") == paper.OURS and table.value("mine", "csl.r1") is None
    found = ablation_tables.frame(suite, "mine")
    assert list(found.row.unique()) == ["none", "mine", FULL.key]
    assert "In order (ours)" in ablation_tables.markdown(found)


def test_differences_are_paired_with_the_full_method(suite, mine, monkeypatch):
    found = ablation_tables.differences(suite, "mine")
    assert set(found.row) == {"none", "mine"} and set(found.seeds) == {1}
    assert list(found.metric.unique()) == list(ablation_tables.SHOWN)
    scores = [ablations.measured(suite, row, 0).result["scores"] for row in (NONE, FULL)]
    paired = np.subtract(*(np.array(s["dtw_body"]) for s in scores))
    cell = found[(found.row == "none") & (found.metric == "dtw_body")].iloc[0]
    assert cell.estimate == pytest.approx(paired.mean())
    assert cell.low < cell.estimate < cell.high
    assert set(found.better) == {""}  # one seed, smoke size
    apart = found[(found.low > 0) | (found.high < 0)]
    assert len(apart)
    monkeypatch.setattr(contrasts, "MIN_SEEDS", 1)
    monkeypatch.setattr(presets, "is_smoke", lambda name: False)
    found = ablation_tables.differences(suite, "mine")
    for cell in found.itertuples():
        assert (cell.better == "") == (cell.low <= 0 <= cell.high)
    assert ablation_tables.differences(suite, "table4").empty
    with pytest.raises(ValueError, match="table4 has no seed with which every row is finished"):
        figures.differences(suite, "table4")


def test_a_page_of_ones_own_table(suite, mine, tmp_path):
    rule = paper.Better("mine", "mine", (FULL.key,), paper.columns(["csl"]))
    claim = paper.Claim("mine.helps", "ours", "Order <helps>.", "ordering", "SignWorld", rule)
    page = page_of.write_ablation(suite, "mine", [claim], tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "Order &lt;helps&gt;." in text and "Mine &amp; &lt;others&gt;" in text
    assert "Smoke size, no verdict" in text and "data:image/svg+xml" in text
    assert {p.name for p in tmp_path.iterdir()} == {
        "index.html", "mine.csv", "mine.md", "mine.tex", "claims.json",
    }  # fmt: skip
    (judged,) = json.loads((tmp_path / "claims.json").read_text())["claims"]
    assert judged["verdict"] == "inconclusive" and len(judged["comparisons"]) == 5


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("table3", [NONE, FULL], "'table3' is one of the paper's"),
        ("mine", [NONE, MINE], "0 of the rows change nothing"),
        ("mine", [NONE, ABLATIONS["table2"].row("none"), FULL], "give each its own"),
        ("mine", [FULL, ablations.FULL], "2 of the rows change nothing"),
    ],
)
def test_what_is_no_table_of_ones_own(clean, name, rows, message):
    with pytest.raises(ValueError, match=message):
        ablations.add(name, "Mine", rows)


def test_a_table_can_be_added_again(clean):
    ablations.add("mine", "Mine", [NONE, FULL])
    ablations.add("mine", "Mine, changed", [MINE, FULL])
    assert [row.key for row in paper.ARTEFACTS["mine"].rows] == ["mine", FULL.key]


# -- Table 5 --------------------------------------------------------------------------------------


def test_the_wrist_rule():
    raised = np.array([[True, False]] * 3 + [[False, False]] * 2)
    assert gates.by_rule(raised) == "left" and gates.by_rule(raised[:, ::-1]) == "right"
    assert gates.by_rule(np.ones((4, 2), bool)) == "two"
    assert gates.by_rule(np.array([[True, True], [False, False]])) == "none"  # half is not most


def test_gate_weights_by_hand_are_shares(suite):
    run = ablations.gated(suite, 0)
    weights = np.array(run.result["weights"])
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    truth = sum(len(t["glosses"]) for t in suite.truth(CORPUS, "test"))
    assert len(weights) == len(run.result["truth"]) == truth
    runs = {0: run}
    hand = run.result["truth"][0]
    whole = gates.estimate(runs, dict.fromkeys(("body", "left", "right"), 1.0), hand)
    assert whole.mean == pytest.approx(1, abs=1e-5)
    left = gates.estimate(runs, {"left": 1}, hand)
    expected = weights[np.array(run.result["truth"]) == hand, 1].mean()
    assert left.mean == pytest.approx(expected)
    np.testing.assert_allclose(np.sum(run.result["shares"], 1), 1, atol=1e-5)
    share = gates.estimate(runs, {"left": 1}, hand, of="shares")
    chosen = np.array(run.result["truth"]) == hand
    assert share.mean == pytest.approx(np.array(run.result["shares"])[chosen, 1].mean())
    table = ablation_tables.gate_shares(suite)
    assert "reported" not in table and len(table) == 2 * len(ablation_tables.gate_weights(suite))
    assert gates.estimate({}, {"left": 1}, hand) is None


def test_data_without_the_papers_corpus_has_rows_on_its_own(suite, tmp_path):
    """And no number of the paper's beside them, nor a say in its claims."""
    data = tmp_path / "mine"
    shutil.copytree(suite.root, data, ignore=shutil.ignore_patterns("CSL*", "How2Sign*"))
    mine = Suite(tiny.preset(), tmp_path / ".madis", data=data)
    assert mine.corpora == ("phoenix",) and mine.synthetic
    seed = mine.preset.seeds[0]
    for row in ABLATIONS["table3"].rows:
        run = ablations.measured(mine, row, seed)
    assert run.folder.name.startswith("row-phoenix-")
    found = ablation_tables.frame(mine, "table3")
    assert set(found.corpus) == {"phoenix"} and set(found.reported) == {paper.NOT_REPORTED}
    measured, weights = Measured(mine), {"none": 1.0}
    assert measured.contrast("table3", weights, "csl.dtw_body") is None
    assert measured.contrast("table3", weights, "phoenix.dtw_body") is not None
    titles = [step.title for step in registry.steps(mine)]
    assert f"Table 3, N/A, seed {seed}" in titles
    assert f"Table 1, MaDiS, rendered phoenix, seed {seed}" in titles
