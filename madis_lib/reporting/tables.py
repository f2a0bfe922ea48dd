"""Results tables: MaDiS, the bounds beside it, and what the paper reports (design: never one
without the other).

A table is a tidy frame, one number a row; ``write`` puts it into csv, Markdown and LaTeX, and
:func:`html` into the report.  A bound's verdict says whether MaDiS beats it: the 95 % interval of
their paired difference over sentences lies off zero.
"""

from __future__ import annotations

import html as markup
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from madis_lib import metrics, paper, presets
from madis_lib.experiments import evaluate, sign_tokenizer
from madis_lib.experiments.evaluate import CEILING, FLOORS, METRICS, SYSTEM
from madis_lib.experiments.suite import Suite
from madis_lib.files import write_text
from madis_lib.parts import PARTS
from madis_lib.release.siclip import POOL

REPORTED = {"MaDiS": "madis", "MDLM baseline": "mdlm"}  # rows of the paper's Table 1
MEASURED, AS_REPORTED = "measured", "as reported, real data"
SMOKE = "smoke size: no verdict on the paper"
BOUND = "bound"  # place of a line that needs no training
MARK = {True: "✓", False: "✗", None: "–"}
LEGEND = (
    "✓ MaDiS is better than this row, ✗ it is worse, – the two are not separated "
    "(95 % interval of the paired difference over sentences, 1,000 resamples, not corrected for the "
    "number of comparisons). One trained model, one seed: intervals hold for its sentences, not for "
    "other trainings. Bold: MaDiS is better than every row that does not know the sentence. {sibleu}; "
    "the round trip's is 100 by construction. Re-tokenised SiBLEU, in the files, encodes "
    "the motion of every system again with the one tokenizer. Rows as reported come from real data and "
    "another tokenizer: they are not comparable with ours. Metres are ours; the paper prints no unit. "
    "SiCLIP R@1: signings that find their own sentence among all of the test set, or in pools of "
    f"{POOL}, the release's size (its direction and mask differ), by the SiCLIP trained here; "
    "the paper names no gallery."
)
SIBLEU = {"paper": "SiBLEU is BLEU-4", "release": "SiBLEU is of single tokens, as in the release"}
RETOKENISED = ("sibleu_re_body", "sibleu_re_hands")
DECIMALS = dict.fromkeys(("dtw_body", "dtw_hands", "sibleu_body", "sibleu_hands", *RETOKENISED), 2)


def legend(frame: pd.DataFrame) -> str:
    """How to read a table of :func:`results`."""
    return LEGEND.format(sibleu=SIBLEU[frame.protocol.iloc[0]])


def results(suite: Suite, corpus: str) -> pd.DataFrame:
    """The tidy results table of a corpus; one row for each system and metric.

    Columns: preset, protocol, corpus, data, seed, system, source, metric, unit, n, estimate, low, high,
    madis_better (✓, ✗ or –; empty for MaDiS itself and for the paper's rows).
    """
    scored = suite.evaluated(corpus)
    run = suite.store.run(
        f"intervals-{corpus}", {"scores": scored, "shown": list(METRICS)}, ("metrics",),
        lambda _: {"rows": _measured(scored.result["scores"])},
    )  # fmt: skip
    name = suite.corpus_name(corpus)
    common = {
        "preset": suite.preset.name, "protocol": suite.protocol.name, "corpus": corpus,
        "data": name, "seed": suite.seed,
    }  # fmt: skip
    return pd.DataFrame([common | row for row in [*run.result["rows"], *_reported(corpus)]])


def _measured(scores: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    scores = {name: evaluate.arrays(found) for name, found in scores.items()}
    rows: list[dict[str, Any]] = []
    for system, found in scores.items():
        for metric in evaluate.available(found):
            better = ""
            if system != SYSTEM:
                better = MARK[evaluate.beats(scores[SYSTEM], found, metric)]
            estimate, low, high = evaluate.summary(found, metric)
            rows.append(
                {"system": system, "source": MEASURED, "metric": metric}
                | {"unit": METRICS[metric].unit, "n": len(found["dtw_body"])}
                | {"estimate": estimate, "low": low, "high": high, "madis_better": better}
            )
    return rows


def _reported(corpus: str) -> list[dict[str, Any]]:
    table = paper.TABLE_1
    rows = []
    for system, key in REPORTED.items():
        for metric in METRICS:
            column = f"{corpus}.{metric}"
            if column in {c.key for c in table.columns}:
                found = {"system": system, "source": AS_REPORTED, "metric": metric}
                rows.append(
                    found
                    | {"unit": METRICS[metric].unit, "estimate": table.value(key, column)}
                    | {"madis_better": ""}
                )
    return rows


def best(frame: pd.DataFrame) -> set[tuple[str, str]]:
    """(system, metric) cells to print bold: MaDiS where it beats every floor, separated."""
    bold = set()
    floors = frame[frame.system.isin(FLOORS)]
    for metric, group in floors.groupby("metric"):
        if (group.madis_better == MARK[True]).all():
            bold.add((SYSTEM, str(metric)))
    return bold


def failures(frame: pd.DataFrame) -> list[str]:
    """Every floor that MaDiS is not better than, in words, with the metrics concerned."""
    said = {MARK[False]: "worse than", MARK[None]: "not separated from"}
    floors = frame[frame.system.isin(FLOORS) & frame.madis_better.isin(list(said))]
    return [
        f"{said[mark]} {system} on {', '.join(METRICS[m].label for m in group.metric)}"
        for (system, mark), group in floors.groupby(["system", "madis_better"], sort=False)
    ]


def number(value: float, metric: str) -> str:
    """A number with the digits its metric deserves."""
    return "–" if pd.isna(value) else f"{value:.{DECIMALS.get(metric, 1)}f}"


def heading(metric: str) -> str:
    """Label, unit and direction of a metric, such as "DTW-JPE body (m) ↓"."""
    m = METRICS[metric]
    return f"{m.label}{f' ({m.unit})' if m.unit else ''} {'↓' if m.better < 0 else '↑'}"


Format = Literal["md", "html", "tex"]
FORMATS: dict[Format, tuple[str, str]] = {  # how a bold number and an interval are written
    "md": ("**{}**", "[{}, {}]"),
    "html": ("<b>{}</b>", '<span class="soft">[{}, {}]</span>'),
    "tex": (r"\textbf{{{}}}", r"{{\scriptsize[{}, {}]}}"),
}


def cell(row: pd.Series, form: Format) -> str:
    """``**5.99** [5.70, 6.31] ✓`` of a tidy row; empty where nothing was measured.

    ``bold`` and ``madis_better`` of the row count where it has them.
    """
    if pd.isna(row.estimate):
        return ""
    bold, interval = FORMATS[form]
    value, *ends = (number(x, row.metric) for x in (row.estimate, row.low, row.high))
    told = bold.format(value) if row.get("bold", False) else value
    told += f" {interval.format(*ends)}" if pd.notna(row.low) else ""
    mark = row.get("madis_better", "")
    return f"{told} {mark.translate(TEX) if form == 'tex' else mark}".strip()


def grid(frame: pd.DataFrame, form: Format) -> tuple[list[str], list[list[str]]]:
    """Metrics present, and rows of text: system, source, then a cell for each metric."""
    metrics, bold = [m for m in METRICS if m in set(frame.metric)], best(frame)
    of = zip(frame.source, frame.system, frame.metric, strict=True)
    frame = frame.assign(bold=[source == MEASURED and (s, m) in bold for source, s, m in of])
    draw = html_cell if form == "html" else partial(cell, form=form)
    rows = []
    for (source, system), group in frame.groupby(["source", "system"], sort=False):
        cells = {row.metric: draw(row) for _, row in group.iterrows()}
        told = [cells.get(m) or ("--" if form == "tex" else "–") for m in metrics]
        rows.append([str(system), str(source), *told])
    return metrics, rows


def markdown(frame: pd.DataFrame) -> str:
    """The table with its legend and every failure, in Markdown."""
    metrics, rows = grid(frame, "md")
    table = markdown_of(pd.DataFrame(rows, columns=["system", "source", *map(heading, metrics)]))
    return f"### {_title(frame)}\n\n{table}\n\n{legend(frame)}\n\n{failure_sentence(frame)}\n"


def markdown_of(wide: pd.DataFrame) -> str:
    """A frame of text as a Markdown table."""
    lines = [list(wide.columns), ["---"] * wide.shape[1], *wide.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def latex_of(wide: pd.DataFrame) -> str:
    """A frame of LaTeX cells, its first column plain text, as a booktabs table."""
    lines = [r"\begin{tabular}{l" + "r" * (wide.shape[1] - 1) + "}", r"\toprule"]
    lines.append(" & ".join(c.translate(TEX) for c in wide.columns) + r" \\")
    lines.append(r"\midrule")
    for label, *cells in wide.to_numpy().tolist():
        lines.append(" & ".join([label.translate(TEX), *map(str, cells)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _title(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    return f"{first.data} (preset {first.preset}, {int(first.n)} sentences).{smoke(first.preset)}"


def smoke(preset: str) -> str:
    """What a caption ends with: nothing, or that a preset of smoke size decides nothing."""
    return f" {SMOKE.capitalize()}." if presets.is_smoke(preset) else ""


def failure_sentence(frame: pd.DataFrame) -> str:
    """What MaDiS does not beat, said plainly."""
    found = failures(frame)
    if not found:
        return "MaDiS beats every bound that does not know the sentence, on every metric."
    return f"Not beaten everywhere: MaDiS is {'; '.join(found)}."


TEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"–": "--", "↓": r"$\downarrow$"}
                     | {"↑": r"$\uparrow$", "✓": r"\checkmark", "✗": r"$\times$"})  # fmt: skip


def latex(frame: pd.DataFrame) -> str:
    """A booktabs table; needs the packages booktabs and amssymb."""
    metrics, rows = grid(frame, "tex")
    lines = [r"\begin{tabular}{ll" + "r" * len(metrics) + "}", r"\toprule"]
    lines.append(" & ".join(["System", "Source", *(heading(m).translate(TEX) for m in metrics)]))
    lines[-1] += r" \\"
    previous = None
    for system, source, *cells in rows:
        if source != previous:
            lines.append(r"\midrule")
        previous = source
        lines.append(" & ".join([system.translate(TEX), source.translate(TEX), *cells]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = f"{_title(frame)} {legend(frame)} {failure_sentence(frame)}"
    return f"% {notes}\n" + "\n".join(lines) + "\n"


def html_cell(row: pd.Series) -> str:
    """As :func:`cell`, with the mark in words for who points at it and the interval below."""
    text = number(row.estimate, row.metric)
    text = f"<b>{text}</b>" if row.bold else text
    if row.madis_better:
        kind = {"✓": "better", "✗": "worse", "–": "open"}[row.madis_better]
        title = {"better": "MaDiS is better", "worse": "MaDiS is worse", "open": "not separated"}
        text += f' <span class="{kind}" title="{title[kind]}">{row.madis_better}</span>'
    if pd.notna(row.low):
        low, high = number(row.low, row.metric), number(row.high, row.metric)
        text += f"<small>{low} to {high}</small>"
    return text


def html(frame: pd.DataFrame) -> str:
    """A ``<table>``; everything that is not a number is escaped.

    Re-tokenised SiBLEU is left to the files: beside SiBLEU it would make the table too wide.
    """
    metrics, rows = grid(frame[~frame.metric.isin(RETOKENISED)], "html")
    head = "".join(f'<th scope="col">{markup.escape(heading(m))}</th>' for m in metrics)
    body, previous = [], None
    for system, source, *cells in rows:
        if source != previous and source == AS_REPORTED:
            span = len(metrics) + 1
            body.append(
                f'<tr class="section"><th scope="rowgroup" colspan="{span}">The paper, '
                f"{AS_REPORTED}: not comparable with the rows above</th></tr>"
            )
        previous = source
        kind = "system" if (system, source) == (SYSTEM, MEASURED) else "bound"
        kind = "reported" if source == AS_REPORTED else kind
        note = " <small>ceiling</small>" if system == CEILING else ""
        numbers = "".join(f"<td>{c}</td>" for c in cells)
        name = markup.escape(system)
        body.append(f'<tr class="{kind}"><th scope="row">{name}{note}</th>{numbers}</tr>')
    return (
        f'<table><thead><tr><th scope="col">System</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def tokenizer(suite: Suite) -> pd.DataFrame:
    """Codes, codes used, perplexity and reconstruction error of each part on the test splits."""
    found = sign_tokenizer.quality(suite).result
    rows = [
        {
            "part": part,
            "codes": found["codes"][part],
            "codes used": found["codes_used"][part],
            "perplexity": found["perplexity"][part],
            "reconstruction error (mm)": found["error_mm"][part],
        }
        for part in PARTS
    ]
    return pd.DataFrame(rows)


def targets(suite: Suite) -> pd.DataFrame:
    """What the suite aims at beside what it reached; a target that is missed is printed as such."""
    frames = {c: results(suite, c) for c in suite.corpora}
    rows = []

    def add(target: str, reached: str, met: bool) -> None:
        rows.append({"target": target, "reached": reached, "": "met" if met else "missed"})

    beaten = [c for c, frame in frames.items() if not failures(frame)]
    everywhere = not presets.is_smoke(suite.preset.name)
    add(
        "beats mean pose, random clip and shuffled text on every metric"
        + (" and every corpus" if everywhere else " of a corpus"),
        f"{len(beaten)} of {len(frames)} corpora",
        len(beaten) == len(frames) if everywhere else bool(beaten),
    )
    if suite.synthetic:
        error = {
            system: {c: _estimate(f, system, "gloss_error") for c, f in frames.items()}
            for system in (CEILING, SYSTEM)
        }
        told = {s: " / ".join(f"{e:.0f}" for e in by.values()) + " %" for s, by in error.items()}
        worst = max(error[CEILING].values())
        add("gloss error after the tokenizer at most 10 %", told[CEILING], worst <= 10)
        if everywhere:
            best = min(error[SYSTEM].values())
            add("gloss error of MaDiS at most 35 % on the best corpus", told[SYSTEM], best <= 35)
    return pd.DataFrame(rows)


def _estimate(frame: pd.DataFrame, system: str, metric: str) -> float:
    found = frame[(frame.system == system) & (frame.metric == metric) & (frame.source == MEASURED)]
    return float(found.estimate.iloc[0])


def lengths(suite: Suite) -> pd.DataFrame:
    """How long clips are and how long MaDiS makes them; a row a corpus.

    ``covered (%)``: training clips that fit the canvas of M tokens, the others are sampled down to
    it; ``length ratio``: generated over true length, mean over test sentences with its 95 %
    interval; ``eos share (%)``: of the masked positions that fine-tuning is scored on.
    """
    rows = []
    for corpus in suite.corpora:
        clips = np.array(suite.corpus.result["tokens"][corpus])
        ratio = np.array(suite.evaluated(corpus).result["scores"][SYSTEM]["length_ratio"])
        interval = metrics.bootstrap_interval(ratio)
        history = suite.finetuned(corpus).result["history"]
        eos = [h.get("eos_share", np.nan) for h in history]  # the release trains no eos
        rows.append(
            {
                "corpus": suite.corpus_name(corpus),
                "M (tokens)": suite.preset.model.max_tokens,
                "mean clip (tokens)": clips.mean(),
                "covered (%)": 100 * suite.coverage(corpus),
                "length ratio": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "eos share (%)": 100 * np.mean(eos),
            }
        )
    return pd.DataFrame(rows)


def write(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """``name.csv``, ``name.md`` and ``name.tex`` of a results table."""
    write_files(folder / name, frame, markdown(frame), latex(frame))


def write_files(path: Path, frame: pd.DataFrame, markdown: str, latex: str) -> None:
    """A table as ``path`` with .csv, .md and .tex behind it."""
    for suffix, text in (("csv", frame.to_csv(index=False)), ("md", markdown), ("tex", latex)):
        write_text(path.with_name(f"{path.name}.{suffix}"), text)
