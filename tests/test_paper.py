"""The registry of the paper: complete, consistent with itself, and read by rules that exist."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections import Counter

import pytest

from madis_lib import paper


def test_standard_library_only():
    code = (
        "import sys; before = set(sys.modules); import madis_lib.paper;"
        "print([m for m in set(sys.modules) - before"
        " if m.split('.')[0] not in {*sys.stdlib_module_names, 'madis_lib'}])"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("artefact", paper.ARTEFACTS.values(), ids=lambda a: a.key)
def test_artefacts_are_rectangular(artefact):
    assert all(len(row.printed) == len(artefact.columns) for row in artefact.rows)
    for items in (artefact.rows, artefact.columns):
        assert max(Counter(item.key for item in items).values()) == 1
    for row in artefact.rows:
        for column in artefact.columns:
            artefact.value(row.key, column.key)  # every cell is a number or a known mark


def test_table_sizes():
    sizes = {t.key: (len(t.rows), len(t.columns)) for t in paper.TABLES}
    assert sizes == {
        "table1": (10, 15),
        "table2": (5, 5),
        "table3": (5, 5),
        "table4": (7, 5),
        "table5": (3, 3),
        "table6": (3, 6),
    }
    marks = Counter(cell for row in paper.TABLE_1.rows for cell in row.printed)
    assert marks["N/A"] == 2 * 3 * 3 + 3 * 3  # no tokens; one token stream
    assert marks["–"] == 2 * 3  # NSA on two corpora


def test_cells_as_printed():
    assert paper.TABLE_1.printed("madis", "phoenix.r1") == "57.94"
    assert paper.TABLE_1.printed("t2s_gpt", "how2sign.sibleu_body") == "2.13"
    assert paper.TABLE_4.printed("sparse_top2", "csl.sibleu_hands") == "3.50"
    assert paper.TABLE_1.value("nsa", "csl.dtw_body") is None
    assert paper.FIG_6.value("steps_10", "throughput") == 300


@pytest.mark.parametrize("table", [t for t in paper.TABLES if t.bold], ids=lambda t: t.key)
def test_bold_row_is_best_in_every_column(table):
    for column in table.columns:
        assert table.best(column.key) == {table.bold}


def test_the_full_model_is_one_row_in_four_tables():
    full = [paper.TABLE_1.row("madis").printed[:5]]
    full += [t.row(t.bold).printed for t in (paper.TABLE_2, paper.TABLE_3, paper.TABLE_4)]
    full += [paper.ALPHA.row("0.5").printed]
    assert len(set(full)) == 1


def test_gate_weights_sum_to_one():
    for column in paper.TABLE_5.columns:
        weights = [paper.TABLE_5.value(part, column.key) for part in ("body", "left", "right")]
        assert sum(weights) == pytest.approx(1, abs=1e-9)


def test_recall_grows_with_k():
    for row in paper.TABLE_6.rows:
        for corpus in paper.CORPORA:
            r1, r5 = (paper.TABLE_6.value(row.key, f"{corpus}.r{k}") for k in (1, 5))
            assert 0 < r1 < r5 < 100


def test_quoted_numbers_agree_with_each_other():
    quoted = {q.key: q.value for q in paper.QUOTED}
    settings = {q.key: q.value for q in paper.SETTINGS}
    assert len(quoted) == len(paper.QUOTED) and len(settings) == len(paper.SETTINGS)
    tokens, step = int(settings["max_tokens"]), int(settings["tokens_per_step"])
    assert tokens / quoted["throughput"] == pytest.approx(quoted["seconds_per_video"], abs=0.005)
    assert tokens * settings["frames_per_token"] == settings["max_frames"]
    assert tokens / step == settings["steps"]
    assert quoted["throughput"] * settings["steps"] / 10 > quoted["throughput_10_steps"]
    orders = math.factorial(tokens) // math.factorial(step) ** (tokens // step)
    assert f"{orders:.1e}" == "2.9e+123" == f"{quoted['orders']:.1e}"
    ratio = math.factorial(100) / (math.factorial(25) ** 2 * math.factorial(50))
    assert ratio > quoted["order_reduction"]
    for key, artefact, cell in (
        ("throughput", "fig6", ("steps_25", "throughput")),
        ("seconds_per_video", "fig6", ("steps_25", "seconds")),
        ("rating_madis", "fig7a", ("madis", "csl.rating")),
        ("rating_soke", "fig7a", ("soke", "csl.rating")),
        ("rating_motion", "fig7a", ("motion", "csl.rating")),
        ("future_attention", "fig7c", ("all_heads", "csl.future_attention")),
        ("masked_mpjpe_body", "fig8", ("masked_25", "csl.mpjpe_body")),
        ("masked_mpjpe_hands", "fig8", ("masked_25", "csl.mpjpe_hands")),
    ):
        assert paper.ARTEFACTS[artefact].value(*cell) == quoted[key]


def test_quantities_are_printed_as_they_are():
    for quantity in paper.SETTINGS:
        number = quantity.printed.rstrip("xB")
        number = {"three": "3", "five": "5"}.get(number, number)
        scale = 1e9 if quantity.printed.endswith("B") else 1
        assert float(number) * scale == pytest.approx(quantity.value)


def test_equations_are_numbered_one_to_five():
    assert [e.number for e in paper.EQUATIONS if e.number] == [1, 2, 3, 4, 5]
    for equation in paper.EQUATIONS:
        assert equation.latex.count("{") == equation.latex.count("}"), equation.key
        assert equation.latex.count(r"\left") == equation.latex.count(r"\right"), equation.key


def test_datasets_are_the_corpora():
    assert tuple(d.key for d in paper.DATASETS) == paper.CORPORA
    assert [d.pairs for d in paper.DATASETS] == ["20K", "8K", "35K"]


# --- claims ---


def test_claims_are_many_and_distinct():
    assert len(paper.CLAIMS) >= 60
    assert len({c.id for c in paper.CLAIMS}) == len(paper.CLAIMS)
    assert len({c.statement for c in paper.CLAIMS}) == len(paper.CLAIMS)
    assert len({(c.rule, c.scope) for c in paper.CLAIMS}) == len(paper.CLAIMS)
    assert {c.kind for c in paper.CLAIMS} == set(paper.Kind.__args__)
    assert {c.needs for c in paper.CLAIMS} == set(paper.Needs.__args__)


@pytest.mark.parametrize("claim", paper.CLAIMS, ids=lambda c: c.id)
def test_what_decides_a_claim_exists(claim):
    assert claim.place and claim.scope and claim.statement.endswith(".")
    assert paper.claim(claim.id) is claim
    fields = dataclasses.asdict(claim.rule)
    assert all(low <= high for low, high in [(fields.get("low", 0), fields.get("high", math.inf))])
    if isinstance(claim.rule, (paper.Computed, paper.Judged)):
        assert claim.kind in {"derivation", "qualitative", "number", "ratio"}
        return
    artefact = paper.ARTEFACTS[claim.rule.artefact]
    assert claim.id.startswith(f"{artefact.key}.")
    names = [fields[k] for k in ("row", "to", "over", "start", "middle", "end") if k in fields]
    names += fields.get("than", ())
    assert names and len(set(names)) == len(names)
    for name in names:
        artefact.row(name)
    columns = fields.get("columns") or (fields["column"],)
    assert columns and len(set(columns)) == len(columns)
    for column in columns:
        artefact.column(column)


KINDS = {
    paper.Better: {"ordering"},
    paper.Close: {"equivalence"},
    paper.Matches: {"number"},
    paper.Bound: {"number"},
    paper.Ratio: {"ratio"},
    paper.GainShare: {"ratio"},
    paper.Computed: {"derivation", "ratio", "number"},
    paper.Judged: {"qualitative"},
}


def test_kind_and_rule_agree():
    assert set(KINDS) == {type(c.rule) for c in paper.CLAIMS} == set(paper.Rule.__args__)
    assert all(c.kind in KINDS[type(c.rule)] for c in paper.CLAIMS)


def test_orderings_hold_in_print_but_for_two_claims():
    orderings = [c for c in paper.CLAIMS if isinstance(c.rule, paper.Better)]
    broken = {c.id: paper.exceptions(c.rule) for c in orderings if paper.exceptions(c.rule)}
    assert broken == {
        "table1.momask_below_soke": [("phoenix.r1", "momask"), ("how2sign.r1", "momask")],
        "table1.qwen3_above_mbart": [
            ("phoenix.dtw_body", "soke_mbart"),
            ("phoenix.sibleu_body", "soke_mbart"),
            ("how2sign.dtw_hands", "soke_mbart"),
        ],
    }


def test_a_reversed_ordering_is_contradicted():
    rule = paper.Better("table1", "mdlm", ("madis",), ("csl.dtw_body", "csl.r1"))
    assert paper.exceptions(rule) == [("csl.dtw_body", "madis"), ("csl.r1", "madis")]


def test_orderings_compare_printed_cells_in_tables():
    for claim in paper.CLAIMS:
        if isinstance(claim.rule, paper.Better) and claim.rule.artefact.startswith("table"):
            table = paper.ARTEFACTS[claim.rule.artefact]
            for column in claim.rule.columns:
                assert table.column(column).better
                assert table.value(claim.rule.row, column) is not None, claim.id
                assert any(table.value(o, column) is not None for o in claim.rule.than), claim.id


def test_equivalences_and_gain_shares_hold_in_print():
    for claim in paper.CLAIMS:
        rule = claim.rule
        if isinstance(rule, paper.Close) and rule.artefact.startswith("table"):
            table = paper.ARTEFACTS[rule.artefact]
            for column in rule.columns:
                a, b = table.value(rule.row, column), table.value(rule.to, column)
                assert abs(a - b) <= rule.margin * b, claim.id
        if isinstance(rule, paper.GainShare):
            table = paper.ARTEFACTS[rule.artefact]
            for column in rule.columns:
                start, middle, end = (
                    table.value(row, column) for row in (rule.start, rule.middle, rule.end)
                )
                assert (end - middle) / (end - start) >= rule.low, (claim.id, column)


def test_every_method_but_ours_has_its_claim():
    beaten = {c.rule.than[0] for c in paper.CLAIMS if c.id.startswith("table1.madis_beats_")}
    assert beaten == {row.key for row in paper.TABLE_1.rows} - {"madis"}


def test_every_artefact_has_a_claim():
    claimed = {c.rule.artefact for c in paper.CLAIMS if hasattr(c.rule, "artefact")}
    assert claimed == set(paper.ARTEFACTS)


@pytest.mark.parametrize(
    "call",
    [
        lambda: paper.claim("table9.x"),
        lambda: paper.TABLE_1.row("nobody"),
        lambda: paper.TABLE_1.column("csl.dtw"),
    ],
)
def test_unknown_names(call):
    with pytest.raises(ValueError, match="no "):
        call()


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        paper.TABLE_1.title = "x"
