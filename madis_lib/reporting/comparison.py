"""Table 1: MaDiS, the systems it is compared with and the bounds, at one budget; the paper beside."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from madis_lib import metrics, paper
from madis_lib.experiments import ablations, rivals
from madis_lib.experiments.ablations import OURS
from madis_lib.experiments.contrasts import MIN_SEEDS, ScoredRows, is_better, is_judged
from madis_lib.experiments.evaluate import METRICS
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.reporting import tables
from madis_lib.reporting.tables import BOUND

SHOWN = (
    "dtw_body", "dtw_hands", "sibleu_body", "sibleu_hands", *tables.RETOKENISED, "r1", "gloss_error",
)  # fmt: skip
NOT_IMPLEMENTED = "not implemented yet"
NOT_MADE = "not made yet"
NO_DICTIONARY = "no dictionary of signs for these data"
NOTHING = {"estimate": np.nan, "low": np.nan, "high": np.nan, "madis_better": ""}
NOTE = (
    "Mean over seeds [95 % interval: Student's, of the spread of seeds and of sentences; with one seed, "
    "of sentences alone]. ✓ MaDiS is better than this row, ✗ it is worse, – the two are not separated: "
    "the interval of the difference, paired by seed and sentence and not corrected for the number of "
    "comparisons; the scoreboard's verdicts are. No mark where one of the two has fewer than "
    f"{MIN_SEEDS} seeds, or at smoke size. Updates: on all corpora + on this one; every row has as many "
    "in all, and the same batch, but the MDLM baseline has them all on this corpus. Learning rates are "
    "those found for MaDiS. SiBLEU of S-MotionGPT is of its one stream, and not comparable with that of "
    "three; re-tokenised SiBLEU is, which encodes the motion of every row with MaDiS's tokenizer. As "
    "reported: the paper's, on real data and at full size."
)


def frame(suite: Suite, corpus: str, world: Suite | None = None) -> pd.DataFrame:
    """A tidy table of a corpus: one row for each system and metric; empty where nothing is measured.

    Args:
        world: in which the rows were trained: the ablations', or the suite itself for those that are
            trained as long as the headline.

    Columns: preset, corpus, data, row, label, place ("ours": not in the paper; "bound"; or why
    nothing was measured), parameters, updates, seeds, n, metric, unit, estimate, low, high, madis_better
    (✓, ✗ or –; empty where :func:`is_judged` says no), reported.
    """
    world = world or ablations.world(suite)
    runs = rivals.finished(world, corpus)
    if not runs:
        return pd.DataFrame()
    bounds = rivals.finished_bounds(world, corpus)
    numbers = suite.store.run(
        f"table1-{corpus}", {"rows": runs, "bounds": bounds, "shown": SHOWN}, ("metrics",),
        lambda _: _numbers(runs, bounds),
    ).result  # fmt: skip
    common = {"preset": world.preset.name, "corpus": corpus, "data": suite.corpus_name(corpus)}
    names = [] if bounds is None else list(bounds.result["scores"])
    return pd.DataFrame(
        common | of | {"metric": metric, "unit": METRICS[metric].unit}
        | _cell(numbers.get(of["row"], {}).get(metric), metric, world.preset.name)
        | {"reported": _reported(of, corpus, metric)}
        for of in _systems(world, runs, names) for metric in SHOWN
    )  # fmt: skip


def _numbers(runs: dict[str, dict[int, Run]], bounds: Run | None) -> dict[str, Any]:
    """By row or bound and metric: its score, and MaDiS's minus it, both :class:`metrics.Estimate`.

    The second is None where there is nothing to compare: MaDiS itself, SiBLEU of other tokens.
    """
    scores = {key: {s: r.result["scores"] for s, r in of.items()} for key, of in runs.items()}
    if bounds is not None:  # the same whatever the seed
        seeds = {s for of in runs.values() for s in of}
        scores |= {name: dict.fromkeys(seeds, of) for name, of in bounds.result["scores"].items()}
    scored = ScoredRows(scores)
    found: dict[str, Any] = {row: {} for row in scores}
    for row, metric in product(scores, SHOWN):
        score, gap = scored.contrast({row: 1}, metric), None
        other_tokens = row.startswith("s_motiongpt") and metric in ("sibleu_body", "sibleu_hands")
        if row != "madis" and not other_tokens:
            gap = scored.contrast({"madis": 1, row: -1}, metric)
        if score is not None:
            found[row][metric] = [asdict(score), gap and asdict(gap)]
    return found


def _cell(held: list[Any] | None, metric: str, preset: str) -> dict[str, Any]:
    """Estimate, interval and comparison with MaDiS, of what :func:`_numbers` has of a cell."""
    if held is None:
        return NOTHING
    score, gap = (e and metrics.Estimate(**e) for e in held)
    judged = gap is not None and is_judged(gap, preset)
    better = tables.MARK[is_better(gap, metric, preset)] if judged else ""
    return score.interval()._asdict() | {"madis_better": better}


def _systems(
    world: Suite, runs: dict[str, dict[int, Run]], bounds: list[str]
) -> list[dict[str, Any]]:
    """What is told of every line: the bounds, then the paper's rows in its order, each before ours
    of the same kind.
    """
    nothing: dict[str, Any] = {"parameters": np.nan, "updates": "", "seeds": 0, "n": 0}
    found = [nothing | {"row": name, "label": name, "place": BOUND} for name in bounds]
    for row in paper.TABLE_1.rows:
        if row.key not in runs:
            place = NOT_IMPLEMENTED if row.key not in rivals.ROWS else NOT_MADE
            if row.key in rivals.ROWS and rivals.ROWS[row.key] not in rivals.rows(world):
                place = NO_DICTIONARY
            found.append(nothing | {"row": row.key, "label": row.label, "place": place})
        for built in (r for r in rivals.ROWS.values() if r.key.startswith(row.key)):
            if built.key in runs:
                found.append(_built(built, runs[built.key]))
    return found


def _built(row: rivals.Row, runs: dict[int, Run]) -> dict[str, Any]:
    first = next(iter(runs.values())).result
    updates = f"{first['updates']['pretraining']} + {first['updates']['finetuning']}"
    return {
        "row": row.key, "label": row.label, "place": row.place,
        "parameters": first["parameters"]["all"], "updates": updates, "seeds": len(runs),
        "n": first["sentences"],
    }  # fmt: skip


def _reported(of: dict[str, Any], corpus: str, metric: str) -> str:
    table, column = paper.TABLE_1, f"{corpus}.{metric}"
    if of["place"] in (OURS, BOUND) or column not in {c.key for c in table.columns}:
        return ""
    return table.printed(of["row"], column)


def grid(found: pd.DataFrame, form: tables.Format) -> pd.DataFrame:
    """Systems down, metrics across; cells as in md, html or tex, the paper's number after them."""
    lines = []
    for _, group in found.groupby("row", sort=False):
        first = group.iloc[0]
        label = f"{first.label} ({first.place})" if first.place else str(first.label)
        known = pd.notna(first.parameters)
        line = {
            "system": label, "parameters": f"{int(first.parameters):,}" if known else "",
            "updates": first.updates, "seeds": str(first.seeds) if first.seeds else "",
        }  # fmt: skip
        for _, row in group.iterrows():
            line[tables.heading(row.metric)] = tables.cell(row, form)
        for _, row in group.iterrows():
            if f"{row.corpus}.{row.metric}" in {c.key for c in paper.TABLE_1.columns}:
                line[f"{METRICS[row.metric].label}, as reported"] = row.reported
        lines.append(line)
    return pd.DataFrame(lines)


def caption(found: pd.DataFrame) -> str:
    """What the table holds, and on what."""
    first = found.iloc[0]
    told = f"{paper.TABLE_1.place}: {paper.TABLE_1.title}. {first['data']}, preset {first.preset}, "
    return f"{told}{found.n.max()} test sentences.{tables.smoke(first.preset)}"


def cards(suite: Suite) -> pd.DataFrame:
    """What each row that is built here is, and where it differs from the published system."""
    rows = rivals.rows(ablations.world(suite))
    return pd.DataFrame(
        {
            "system": row.label, "source": row.card.source, "tokens": row.card.tokens,
            "differs": "; ".join(row.card.deviations),
        }
        for row in rows
    )  # fmt: skip


def markdown(found: pd.DataFrame) -> str:
    """The table with its caption and note, in Markdown."""
    return f"### {caption(found)}\n\n{tables.markdown_of(grid(found, 'md'))}\n\n{NOTE}\n"


def latex(found: pd.DataFrame) -> str:
    """A booktabs table; needs the packages booktabs and amssymb."""
    return f"% {caption(found)} {NOTE}\n{tables.latex_of(grid(found, 'tex'))}\n"


def frames(suite: Suite) -> dict[str, pd.DataFrame]:
    """By the name of its file, Table 1 of every corpus of which a row is finished; where ablations
    have a world of their own, those trained as long as the headline too.
    """
    world = ablations.world(suite)
    found = {f"table1-{c}": frame(suite, c, world) for c in suite.corpora}
    if world is not suite:
        found |= {f"table1-{c}-long": frame(suite, c, suite) for c in suite.corpora}
    return {name: of for name, of in found.items() if not of.empty}


def write(suite: Suite, folder: Path) -> None:
    """:func:`frames` as csv, md and tex."""
    for name, found in frames(suite).items():
        tables.write_files(folder / name, found, markdown(found), latex(found))
