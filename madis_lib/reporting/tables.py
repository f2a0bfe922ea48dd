"""Results tables: MaDiS, the bounds beside it, and what the paper reports (design: never one
without the other).

A table is a tidy frame, one number a row; ``write`` puts it into csv, Markdown and LaTeX, and
:func:`html` into the report.  A bound's verdict says whether MaDiS beats it: the 95 % interval of
their paired difference over sentences lies off zero.
"""

from __future__ import annotations

import html as markup
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from madis_lib import metrics, paper
from madis_lib.experiments import back_translation, embedding, evaluate, panel
from madis_lib.experiments.evaluate import METRICS
from madis_lib.experiments.suite import DATASET_NAMES, Suite
from madis_lib.files import atomic_write
from madis_lib.parts import PARTS

SYSTEM = "MaDiS"
FLOORS = ("mean pose", "random clip", "shuffled text")  # know nothing of the sentence
CEILING = "tokenizer round trip"  # knows all of it
REPORTED = {"MaDiS": "madis", "MDLM baseline": "mdlm"}  # rows of the paper's Table 1
MEASURED, AS_REPORTED = "measured", "as reported, real data"
SMOKE = "smoke size: no verdict on the paper"
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
    f"{evaluate.POOL}, the release's size (its direction and mask differ), by the SiCLIP trained here; "
    "the paper names no gallery."
)
SIBLEU = {"paper": "SiBLEU is BLEU-4", "release": "SiBLEU is of single tokens, as in the release"}
RETOKENISED = ("sibleu_re_body", "sibleu_re_hands")
DECIMALS = dict.fromkeys(("dtw_body", "dtw_hands", "sibleu_body", "sibleu_hands", *RETOKENISED), 2)


def legend(frame: pd.DataFrame) -> str:
    """How to read a table of :func:`results`."""
    return LEGEND.format(sibleu=SIBLEU[frame.protocol.iloc[0]])


def is_smoke(preset: str) -> bool:
    """Whether a preset is too small for a verdict on the paper."""
    return preset not in ("laptop", "gpu", "paper")


def results(suite: Suite, corpus: str) -> pd.DataFrame:
    """The tidy results table of a corpus; one row for each system and metric.

    Columns: preset, protocol, corpus, data, seed, system, source, metric, unit, n, estimate, low, high,
    madis_better (✓, ✗ or –; empty for MaDiS itself and for the paper's rows).
    """
    scored = suite.evaluated(corpus)
    run = suite.store.run(
        f"intervals-{corpus}", {"scores": scored}, ("metrics",),
        lambda _: {"rows": _measured(scored.result["scores"])},
    )  # fmt: skip
    name = suite.corpus_name(corpus)
    common = {
        "preset": suite.preset.name, "protocol": suite.protocol.name, "corpus": corpus,
        "data": name, "seed": suite.seed,
    }  # fmt: skip
    return pd.DataFrame([common | row for row in [*run.result["rows"], *_reported(corpus)]])


def _measured(scores: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    scores = {name: _arrays(found) for name, found in scores.items()}
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


def _arrays(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores with arrays for lists: a thousand resamples index them."""
    return {
        key: {part: np.array(v) for part, v in found.items()}
        if isinstance(found, dict)
        else found if key == "read" else np.array(found)
        for key, found in scores.items()
    }  # fmt: skip


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


Cell = Callable[[pd.Series, bool], str]  # a tidy row and whether it is bold, to text


def grid(frame: pd.DataFrame, cell: Cell, empty: str = "–") -> tuple[list[str], list[list[str]]]:
    """Metrics present, and rows of text: system, source, then a cell for each metric."""
    metrics = [m for m in METRICS if m in set(frame.metric)]
    bold = best(frame)
    rows = []
    for (source, system), group in frame.groupby(["source", "system"], sort=False):
        cells = {
            row.metric: cell(row, source == MEASURED and (system, row.metric) in bold)
            for _, row in group.iterrows()
        }
        rows.append([str(system), str(source), *(cells.get(m, empty) for m in metrics)])
    return metrics, rows


def plain_cell(row: pd.Series, bold: bool) -> str:
    """``5.99 [5.70, 6.31] ✓``"""
    text = number(row.estimate, row.metric)
    text = f"**{text}**" if bold else text
    if pd.notna(row.low):
        text += f" [{number(row.low, row.metric)}, {number(row.high, row.metric)}]"
    return f"{text} {row.madis_better}".strip()


def markdown(frame: pd.DataFrame) -> str:
    """The table with its legend and every failure, in Markdown."""
    metrics, rows = grid(frame, plain_cell)
    lines = [["system", "source", *map(heading, metrics)], ["---"] * (len(metrics) + 2), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"### {_title(frame)}\n\n{table}\n\n{legend(frame)}\n\n{failure_sentence(frame)}\n"


def _title(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    title = f"{first.data} (preset {first.preset}, {int(first.n)} sentences)"
    return f"{title}. {SMOKE.capitalize()}." if is_smoke(first.preset) else title


def failure_sentence(frame: pd.DataFrame) -> str:
    """What MaDiS does not beat, said plainly."""
    found = failures(frame)
    if not found:
        return "MaDiS beats every bound that does not know the sentence, on every metric."
    return f"Not beaten everywhere: MaDiS is {'; '.join(found)}."


_TEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"–": "--", "↓": r"$\downarrow$"}
                     | {"↑": r"$\uparrow$", "✓": r"\checkmark", "✗": r"$\times$"})  # fmt: skip


def tex_cell(row: pd.Series, bold: bool) -> str:
    text = number(row.estimate, row.metric)
    text = rf"\textbf{{{text}}}" if bold else text
    if pd.notna(row.low):
        low, high = number(row.low, row.metric), number(row.high, row.metric)
        text += rf" {{\scriptsize[{low}, {high}]}}"
    return f"{text} {row.madis_better.translate(_TEX)}".strip()


def latex(frame: pd.DataFrame) -> str:
    """A booktabs table; needs the packages booktabs and amssymb."""
    metrics, rows = grid(frame, tex_cell, "--")
    lines = [r"\begin{tabular}{ll" + "r" * len(metrics) + "}", r"\toprule"]
    lines.append(" & ".join(["System", "Source", *(heading(m).translate(_TEX) for m in metrics)]))
    lines[-1] += r" \\"
    previous = None
    for system, source, *cells in rows:
        if source != previous:
            lines.append(r"\midrule")
        previous = source
        lines.append(" & ".join([system.translate(_TEX), source.translate(_TEX), *cells]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = f"{_title(frame)} {legend(frame)} {failure_sentence(frame)}"
    return f"% {notes}\n" + "\n".join(lines) + "\n"


def html_cell(row: pd.Series, bold: bool) -> str:
    text = number(row.estimate, row.metric)
    text = f"<b>{text}</b>" if bold else text
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
    metrics, rows = grid(frame[~frame.metric.isin(RETOKENISED)], html_cell)
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
    found = suite.tokenizer_quality.result
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


def siclip(suite: Suite) -> pd.DataFrame:
    """Table 6, tidy: the recall of SiCLIP's rungs on true signing; a row a number.

    Columns: preset, corpus, data, seed, rung, source, direction, pool, k, n, estimate, low, high,
    chance; percent, intervals 95 % (Wilson).  Rows as reported are the paper's, on real data and a
    gallery it does not name.
    """
    rows = []
    for corpus in suite.corpora:
        name, seed = suite.corpus_name(corpus), suite.preset.seeds[0]
        common = {"preset": suite.preset.name, "corpus": corpus, "data": name, "seed": seed}
        for rung in embedding.RUNGS:
            result = embedding.retrieved(suite, corpus, rung).result
            about = common | {"rung": rung, "source": MEASURED, "n": result["sentences"]}
            for found in result["rows"]:
                row = {k: v for k, v in found.items() if k != "hits"}
                rows.append(about | row | {"pool": found["pool"] or "all"})
        for rung in embedding.RUNGS:
            for k in (1, 5):
                reported = paper.TABLE_6.value(rung, f"{corpus}.r{k}")
                rows.append(
                    common
                    | {"rung": rung, "source": AS_REPORTED, "direction": embedding.DIRECTIONS[0]}
                    | {"pool": "not stated", "k": k, "estimate": reported}
                )
    return pd.DataFrame(rows)


def siclip_grid(frame: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """What :func:`siclip` measured on a corpus as printed: a row a rung, and chance last."""
    found = frame[(frame.corpus == corpus) & (frame.source == MEASURED)]
    columns: dict[str, dict[str, str]] = {}
    for (direction, pool, k), cells in found.groupby(["direction", "pool", "k"], sort=False):
        if direction == embedding.DIRECTIONS[0] or k == 1:
            gallery = f"in {pool}" if pool != "all" else "of all"
            column = columns.setdefault(f"{direction}, R@{k} {gallery}", {})
            for row in cells.itertuples():
                column[_rung(row.rung)] = f"{row.estimate:.1f} [{row.low:.1f}, {row.high:.1f}]"
            column["chance"] = f"{cells.chance.iloc[0]:.1f}"
    return pd.DataFrame(columns).rename_axis("encoders and loss").reset_index()


def siclip_reported(suite: Suite) -> pd.DataFrame:
    """The paper's Table 6 for the suite's corpora."""
    rows = []
    for row in paper.TABLE_6.rows:
        cells = {
            f"{DATASET_NAMES[c]} R@{k}": paper.TABLE_6.printed(row.key, f"{c}.r{k}")
            for c in suite.corpora
            for k in (1, 5)
        }
        rows.append({AS_REPORTED: row.label} | cells)
    return pd.DataFrame(rows)


def _rung(key: str) -> str:
    return paper.TABLE_6.row(key).label


def siclip_gains(suite: Suite) -> pd.DataFrame:
    """What each rung adds to sign-to-text R@1, in points, with a paired 95 % interval over signings.

    Columns: corpus, data, rung (against the one before), pool, gain, low, high, verdict (✓ better,
    ✗ worse, – not separated).
    """
    rows = []
    for corpus in suite.corpora:
        hits = {rung: _r1_hits(suite, corpus, rung) for rung in embedding.RUNGS}
        for before, rung in pairwise(embedding.RUNGS):
            for pool in hits[rung]:
                gain = metrics.paired_interval(hits[rung][pool], hits[before][pool])
                better = True if gain.low > 0 else False if gain.high < 0 else None
                rows.append(
                    {"corpus": corpus, "data": suite.corpus_name(corpus), "rung": rung}
                    | {"pool": pool, "gain": gain.estimate, "low": gain.low, "high": gain.high}
                    | {"verdict": MARK[better]}
                )
    return pd.DataFrame(rows)


def _r1_hits(suite: Suite, corpus: str, rung: str) -> dict[Any, np.ndarray]:
    """Sign-to-text hits at k = 1 in percent, for each pool."""
    return {
        row["pool"] or "all": 100 * np.array(row["hits"])
        for row in embedding.retrieved(suite, corpus, rung).result["rows"]
        if row["direction"] == embedding.DIRECTIONS[0] and row["k"] == 1
    }


def siclip_sentence(suite: Suite) -> str:
    """Whether the order of Table 6 holds here, said plainly, with what does not."""
    gains = siclip_gains(suite)
    gains = gains[gains.pool == "all"]
    held = (gains.verdict == MARK[True]).sum()
    told = f"Each rung is better than the one before it in {held} of {len(gains)} comparisons"
    words = {MARK[False]: "worse", MARK[None]: "not separated"}
    missed = [
        f"{_rung(g.rung).lstrip('+ ').lower()} on {g.data} {words[g.verdict]} ({g.gain:+.1f} points)"
        for g in gains.itertuples()
        if g.verdict in words
    ]
    told += f"; not so: {', '.join(missed)}" if missed else ""
    total = gains.groupby("corpus", sort=False).gain.sum()
    fine = gains[gains.rung == embedding.BEST].set_index("corpus").gain
    most = sum(fine[c] > total[c] / 2 > 0 for c in total.index)
    first = [_r1_hits(suite, c, next(iter(embedding.RUNGS)))["all"].mean() for c in suite.corpora]
    return (
        f"The baseline finds {' / '.join(f'{r1:.0f}' for r1 in first)} %: what is left to 100 is all "
        f"that the others can gain. {told}. The fine-grained loss brings most of the gain over the baseline on {most} of "
        f"{len(total)} corpora (R@1 among all)."
    )


def back_translated(suite: Suite) -> pd.DataFrame:
    """BLEU-4 of what the sign-to-text model reads, with its 95 % interval; a row a corpus, system.

    The truth's is the ceiling: what it lacks to 100 are errors of the translation (MaDiS §3.4).
    """
    rows = []
    for corpus in suite.corpora:
        run = back_translation.evaluated(suite, corpus)
        for system, counts in run.result["counts"].items():
            found = back_translation.bleu(run, system)._asdict()
            row = {"corpus": suite.corpus_name(corpus), "system": system, "n": len(counts)}
            rows.append(row | {"BLEU-4": found.pop("estimate"), **found})
    return pd.DataFrame(rows)


def metrics_panel(suite: Suite) -> pd.DataFrame:
    """The metrics against the oracle (Fig. 7b), one number a row.

    ``statistic`` is ``rho`` or ``rho over DTW-JPE`` (by metric and level), either ``without one
    condition`` (least and most), ``seen`` and ``drop`` (by
    condition and metric; the verdict says blind or false alarm), ``share removed`` (by condition;
    the metric is "before to after"), ``mean`` (by condition and metric) or ``seconds a clip`` (by
    stage: DTW-JPE needs ``landmarks`` and ``dtw``, SiBLEU ``encoding`` and ``sibleu``).
    """
    rows: list[dict[str, Any]] = []
    for corpus in suite.corpora:
        found = panel.analysed(suite, corpus).result
        common = {"preset": suite.preset.name, "data": suite.corpus_name(corpus)}
        for statistic, part in (("rho", "rho"), ("rho over DTW-JPE", "over_dtw")):
            rows += [common | {"statistic": statistic} | row for row in found[part]]
        for row in found["without_one"]:
            cell = common | {"metric": row["metric"], "level": "clips"}
            for statistic, ends in (("rho", ""), ("rho over DTW-JPE", "over_dtw_")):
                told = cell | {"statistic": f"{statistic} without one condition"}
                rows.append(told | {e: row[ends + e] for e in ("low", "high")})
        for row in found["sight"]:
            cell = common | {k: row[k] for k in ("condition", "metric")}
            verdict = "blind" if row["blind"] else "false alarm" if row["false_alarm"] else ""
            rows += [
                cell | {"statistic": s, "estimate": row[s], "verdict": verdict}
                for s in ("seen", "drop")
            ]
        for row in found["removed"]:
            cell = {k: row[k] for k in ("condition", "estimate", "low", "high")}
            metric = f"{row['before']} to {row['after']}"
            rows.append(common | {"statistic": "share removed", "metric": metric} | cell)
        for row in found["means"]:
            cell = {k: row[k] for k in ("condition", "metric")}
            rows.append(common | {"statistic": "mean", "estimate": row["mean"]} | cell)
        seconds = panel.graded(suite, corpus).result["seconds"]
        rows += [
            common | {"statistic": "seconds a clip", "metric": stage, "estimate": value}
            for stage, value in seconds.items()
        ]
    columns = ("preset", "data", "statistic", "metric", "level", "condition")
    return pd.DataFrame(rows, columns=[*columns, "estimate", "low", "high", "verdict"])


def targets(suite: Suite) -> pd.DataFrame:
    """What the suite aims at beside what it reached; a target that is missed is printed as such."""
    frames = {c: results(suite, c) for c in suite.corpora}
    rows = []

    def add(target: str, reached: str, met: bool) -> None:
        rows.append({"target": target, "reached": reached, "": "met" if met else "missed"})

    beaten = [c for c, frame in frames.items() if not failures(frame)]
    everywhere = not is_smoke(suite.preset.name)
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
    texts = {"csv": frame.to_csv(index=False), "md": markdown(frame), "tex": latex(frame)}
    for suffix, text in texts.items():
        with atomic_write(folder / f"{name}.{suffix}") as temporary:
            temporary.write_text(text, encoding="utf-8")
