"""Tables 2 to 4 and the alpha study: every row, seeds and sentences counted, the paper beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from madis_lib import metrics, paper
from madis_lib.experiments import ablations, gates, reconstruction, rivals
from madis_lib.experiments.ablations import ABLATIONS, Ablation
from madis_lib.experiments.contrasts import MIN_SEEDS, ScoredRows, is_better
from madis_lib.experiments.evaluate import METRICS
from madis_lib.experiments.suite import Suite
from madis_lib.files import write_text
from madis_lib.parts import PARTS
from madis_lib.reporting import tables
from madis_lib.reporting.tables import BOUND

SHOWN = ("dtw_body", "dtw_hands", "sibleu_body", "sibleu_hands", "r1", "gloss_error")
NOTE = (
    "Mean over seeds [95 % interval: Student's, of the spread of seeds and of sentences; with one seed, "
    "of sentences alone]. Bold: better than every other row, the interval of each paired difference off "
    "zero, not corrected for their number; the scoreboard's verdicts are. With fewer than "
    f"{MIN_SEEDS} seeds, or at smoke size, nothing is called better. Rows share data and its order, the "
    "initial weights where shapes agree, and the updates, but for a row without pretraining. Bounds need "
    "no training; their intervals are of the sentences. As reported: on real data."
)


def frame(suite: Suite, artefact: str) -> pd.DataFrame:
    """A tidy table: one row for each row of the artefact and metric; empty where no seed is done.

    Columns: preset, corpus, data, artefact, row, label, place ("ours": not in the paper),
    parameters, fusion_parameters, updates, seeds, n, metric, unit, estimate, low, high, bold,
    reported.
    """
    ablation = ABLATIONS[artefact]
    found = ablations.finished(suite, ablation)
    if not found:
        return pd.DataFrame()
    world, scored = ablations.world(suite), ScoredRows.of(found)
    corpus, rows = ablations.corpus_of(suite), []
    for row in ablation.rows:
        runs = found[row.key]
        first = next(iter(runs.values())).result
        for metric in SHOWN:
            estimate = scored.contrast({row.key: 1}, metric)
            if estimate is None:
                continue
            interval = estimate.interval()
            rows.append({
                "preset": world.preset.name, "corpus": corpus, "data": suite.corpus_name(corpus),
                "artefact": artefact, "row": row.key, "label": row.label, "place": row.place,
                "parameters": first["parameters"]["all"],
                "fusion_parameters": first["parameters"]["fusion"],
                "updates": f"{first['updates']['pretraining']} + {first['updates']['finetuning']}",
                "seeds": len(runs), "n": first["sentences"], "metric": metric,
                "unit": METRICS[metric].unit, "estimate": interval.estimate,
                "low": interval.low, "high": interval.high,
                "bold": _leads(scored, ablation, row.key, metric, world.preset.name),
                "reported": paper.NOT_REPORTED if row.place == ablations.OURS
                else _reported(artefact, row.key, f"{corpus}.{metric}"),
            })  # fmt: skip
    return pd.DataFrame(rows)


def bounds(suite: Suite) -> pd.DataFrame:
    """The bounds of the rows' test sentences as lines of :func:`frame`; empty where not measured."""
    corpus, world = ablations.corpus_of(suite), ablations.world(suite)
    run = rivals.finished_bounds(world, corpus)
    if run is None:
        return pd.DataFrame()
    scores = run.result["scores"]

    def intervals(_: Path) -> dict[str, dict[str, metrics.Interval]]:
        scored = ScoredRows({name: {0: of} for name, of in scores.items()})
        return {
            name: {m: e.interval() for m in SHOWN if (e := scored.contrast({name: 1}, m))}
            for name in scores
        }

    config = {"bounds": run, "shown": SHOWN}
    found = suite.store.run(f"row-bounds-{corpus}", config, ("metrics",), intervals).result
    return pd.DataFrame(
        {
            "preset": world.preset.name, "corpus": corpus, "data": suite.corpus_name(corpus),
            "row": name, "label": name, "place": BOUND, "n": len(scores[name]["dtw_body"]),
            "metric": metric, "unit": METRICS[metric].unit, "bold": False, "reported": "",
            **metrics.Interval(*interval)._asdict(),
        }
        for name, of in found.items() for metric, interval in of.items()
    )  # fmt: skip


def with_bounds(suite: Suite, artefact: str) -> pd.DataFrame:
    """:func:`frame`, with the bounds below its rows."""
    found = frame(suite, artefact)
    if found.empty:
        return found
    counts = dict.fromkeys(("parameters", "fusion_parameters", "seeds"), "Int64")
    whole = pd.concat([found, bounds(suite)], ignore_index=True).astype(counts)
    return whole.assign(artefact=artefact, updates=whole.updates.fillna(""))


def differences(suite: Suite, artefact: str) -> pd.DataFrame:
    """What each row loses or gains: row minus the full method, paired by seed and sentence.

    Columns: artefact, row, label, seeds, n, metric, unit, estimate, low, high (95 %), better
    ("yes", "no", or "" where :func:`is_better` says neither); empty where no seed is done.
    """
    ablation = ABLATIONS[artefact]
    found = ablations.finished(suite, ablation)
    if not found:
        return pd.DataFrame()
    scored, rows, told = ScoredRows.of(found), [], {True: "yes", False: "no", None: ""}
    preset = ablations.world(suite).preset.name
    for row in ablation.rows:
        for metric in SHOWN:
            d = scored.contrast({row.key: 1, ablation.full: -1}, metric) if row.changes else None
            if d is None:
                continue
            rows.append({
                "artefact": artefact, "row": row.key, "label": row.label,
                "seeds": len(d.by_seed), "n": scored.sentences, "metric": metric,
                "unit": METRICS[metric].unit, **d.interval()._asdict(),
                "better": told[is_better(d, metric, preset)],
            })  # fmt: skip
    return pd.DataFrame(rows)


def _leads(scored: ScoredRows, ablation: Ablation, row: str, metric: str, preset: str) -> bool:
    """Whether a row is better than each other one."""
    others = [other.key for other in ablation.rows if other.key != row]
    gaps = [scored.contrast({row: 1, other: -1}, metric) for other in others]
    return all(gap is not None and is_better(gap, metric, preset) for gap in gaps)


def _reported(artefact: str, row: str, column: str) -> str:
    """The paper's number, where it has one of this corpus."""
    table = paper.ARTEFACTS[artefact]
    known = column in {c.key for c in table.columns}
    return table.printed(row, column) if known else paper.NOT_REPORTED


def grid(found: pd.DataFrame, form: tables.Format) -> pd.DataFrame:
    """Rows down, metrics across; cells as in md, html or tex, the paper's number after them."""
    lines = []
    for label, group in found.groupby("label", sort=False):
        first = group.iloc[0]
        label = f"{label} ({first.place})" if first.place in (ablations.OURS, BOUND) else str(label)
        size = "" if first.place == BOUND else f"{first.parameters:,}"
        line = {"row": label, "parameters": size}
        for _, row in group.iterrows():
            line[tables.heading(row.metric)] = tables.cell(row, form)
        for _, row in group.iterrows():
            if row.metric != "gloss_error":
                line[f"{METRICS[row.metric].label}, as reported"] = row.reported
        lines.append(line)
    return pd.DataFrame(lines)


def caption(found: pd.DataFrame) -> str:
    """What the table holds, and on what."""
    first, table = found.iloc[0], paper.ARTEFACTS[str(found.artefact.iloc[0])]
    found = found[found.place != BOUND]
    return (
        f"{table.place}: {table.title}. {first['data']}, preset {first.preset}, {first.n} test "
        f"sentences, {first.seeds} seed{'s' if first.seeds > 1 else ''}, "
        f"{found.updates.iloc[-1]} updates.{tables.smoke(first.preset)}"
    )


def markdown(found: pd.DataFrame) -> str:
    """The table with its caption and note, in Markdown."""
    return f"### {caption(found)}\n\n{tables.markdown_of(grid(found, 'md'))}\n\n{NOTE}\n"


def latex(found: pd.DataFrame) -> str:
    """A booktabs table."""
    return f"% {caption(found)} {NOTE}\n{tables.latex_of(grid(found, 'tex'))}\n"


def gate_weights(suite: Suite, of: str = "weights") -> pd.DataFrame:
    """Table 5: mean gate weights by which hand signs, as SignWorld knows it and by the wrist rule.

    Columns: preset, by, hand, part, seeds, n (signs of one seed), estimate, low, high, reported.
    With ``of`` "shares" or "even_shares", ours: what of the embeddings comes from a part (``fusion``).
    """
    runs = ablations.by_seed(suite, ablations.gated)
    rows = []
    for by in ("truth", "rule"):
        for column in paper.TABLE_5.columns:
            hand = column.key.rpartition(".")[2]
            for part in PARTS:
                found = gates.estimate(runs, {part: 1}, hand, by, of)
                if found is None:
                    continue
                interval, (first, *_) = found.interval(), runs.values()
                rows.append(
                    {"preset": ablations.world(suite).preset.name, "by": by, "hand": hand}
                    | {"part": part, "seeds": len(runs), "n": first.result[by].count(hand)}
                    | interval._asdict()
                    | (
                        {"reported": paper.TABLE_5.printed(part, column.key)}
                        if of == "weights"
                        else {}
                    )
                )
    return pd.DataFrame(rows)


def gate_shares(suite: Suite) -> pd.DataFrame:
    """Beside Table 5, ours: what each part adds to the embedding, and would by a gate of 1/3 each.

    Columns of :func:`gate_weights`, with ``gate`` ("trained" or "even").
    """
    kinds = {"trained": "shares", "even": "even_shares"}
    found = [gate_weights(suite, of).assign(gate=gate) for gate, of in kinds.items()]
    return pd.concat(found, ignore_index=True)


def reconstruction_errors(suite: Suite) -> pd.DataFrame:
    """Fig. 8: joint error after masking a share of the tokens, of the rows' pretrained models.

    Columns: preset, masked (share), part, seeds, n, estimate, low, high (mm), reported, and read_as:
    how the paper's "t = 0.75 (i.e., masking 25 % of tokens)" must be read for that number to stand
    here, as the sentence says or with t the masked share as everywhere else in the paper.
    """
    runs = ablations.by_seed(suite, ablations.rebuilt)
    readings = {0.25: "25 % masked, as the sentence says", 0.75: "t the masked share, as in Eq. 1"}
    rows = []
    for row, share in reconstruction.MASKED.items():
        for part in ("body", "hands"):
            found = reconstruction.estimate(runs, {row: 1}, part)
            if found is None:
                continue
            column = f"{ablations.corpus_of(suite)}.mpjpe_{part}"
            told = _reported("fig8", "masked_25", column)
            rows.append(
                {"preset": ablations.world(suite).preset.name, "masked": share, "part": part}
                | {
                    "seeds": len(runs),
                    "n": len(next(iter(runs.values())).result["errors"][row][part]),
                }
                | found.interval()._asdict()
                | {"reported": told if share in readings else paper.NOT_REPORTED}
                | {"read_as": readings.get(share, "")}
            )
    return pd.DataFrame(rows)


def write_table(found: pd.DataFrame, folder: Path) -> None:
    """A table of :func:`frame` as csv, md and tex, called by its artefact."""
    path = folder / str(found.artefact.iloc[0])
    tables.write_files(path, found, markdown(found), latex(found))


def write(suite: Suite, folder: Path) -> None:
    """Every ablation that has a finished seed, as csv, md and tex."""
    for artefact in ABLATIONS:
        found = with_bounds(suite, artefact)
        if not found.empty:
            write_table(found, folder)
    for name, found in (
        ("table5", gate_weights(suite)),
        ("table5-shares", gate_shares(suite)),
        ("fig8", reconstruction_errors(suite)),
    ):
        if not found.empty:
            write_text(folder / f"{name}.csv", found.to_csv(index=False))
