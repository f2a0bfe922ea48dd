"""Fig. 6 and Fig. 7c as tables: speed by both ways of counting tokens, quality beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from madis_lib.experiments import ablations, bidirectional, efficiency, evaluate, sweep
from madis_lib.experiments.contrasts import AVERAGES, ScoredRows
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.files import write_text
from madis_lib.metrics import Interval
from madis_lib.reporting import tables

QUALITY = ("dtw", "sibleu", "gloss_error")
HEADINGS = {
    "places": "places / s", "tokens": "tokens before the end / s",
    "dtw": "DTW-JPE (m) ↓", "sibleu": "SiBLEU ↑", "gloss_error": "gloss error (%) ↓",
}  # fmt: skip
NOTE = (
    "Beside rivals MaDiS is its row of Table 1, trained for as long as they, first seed; SOKE has a KV "
    "cache and stops at its end. Its step is the library's own, and so is that of the plain sampler, by "
    "which the paper's claims are judged; MaDiS without a word behind it has the fast sampler of this "
    "library. A leaner decoder, without a prompt's signs, is timed by madis bench crossover. "
    "One sentence at a time; time of the signing alone, without the decoder, on a CPU that of one thread; "
    "settings take turns sentence by sentence. Speeds: medians over sentences [95 % bootstrap "
    "interval]. A token is a triple. Places: all M of the canvas, as the paper's 132 tokens a second "
    "seem to count; before the end: what a reader gets. Quality: averages of body and hands [Student's "
    "95 % interval over sentences, one training]. Coarse canvases, without training for them, and a "
    "threshold of confidence sign other tokens than MaDiS; all else leaves the tokens as they are."
)

ABOUT = (
    "The fewer steps, the faster; but tokens of one step cannot know of each other. These are times of "
    "this preset's model. They say nothing of the paper's 132 tokens a second, of "
    "another model on another machine, nor of its 400 frames in 0.76 s (100 tokens at 132 a second; at 30 frames a "
    "second they last 13 s). What can be compared is how speed and quality change with the number of "
    "steps. That masked diffusion is 40 % faster than a cached autoregressive model is a matter of the "
    "batch: a sampler of 25 steps does 25 times the arithmetic, which costs little where the machine waits "
    "for memory or for launches, one sentence at a time, and all of it where it computes. "
    "<code>madis bench crossover</code> measures where it turns round."
)


def rows(run: Run) -> list[dict[str, Any]]:
    """The points of a sweep, each with its speeds and its quality as (estimate, low, high)."""
    points = run.result["points"]
    scored = ScoredRows({str(i): {0: p["scores"]} for i, p in enumerate(points)})
    held = {*AVERAGES, *evaluate.available(points[0]["scores"])}
    found = []
    for i, p in enumerate(points):
        row = {"system": p["system"], "tokens_per_step": p["tokens_per_step"]}
        row |= {count: sweep.speed(p, count) for count in ("places", "tokens")}
        for metric in QUALITY:
            if metric in held:
                estimate = scored.contrast({str(i): 1}, metric)
                assert estimate is not None
                row[metric] = estimate.interval()
        found.append(row)
    return found


def _work(run: Run, _: Path) -> dict[str, Any]:
    return {"rows": rows(run)}


def _clock(run: Run) -> str:
    device = run.made["device"]
    return "one CPU thread" if device == "cpu" else device


def frame(suite: Suite) -> pd.DataFrame:
    """A tidy table: a row for each corpus, system, number of tokens a step and measure.

    Columns: preset, corpus, data, seed, clock (whose time), system, tokens_per_step, n, measure, estimate, low, high;
    empty where no sweep is finished.
    """
    found = []
    for corpus, swept in efficiency.finished_sweeps(suite).items():
        n = len(swept.result["points"][0]["seconds"])
        made = suite.store.run(
            f"speeds-{corpus}",
            {"sweep": swept, "shown": QUALITY},
            ("metrics",),
            partial(_work, swept),
        )
        for row in made.result["rows"]:
            about = {
                "preset": ablations.world(suite).preset.name, "corpus": corpus, "data": suite.corpus_name(corpus),
                "seed": efficiency.seed_of(suite), "clock": _clock(swept), "system": row["system"],
                "tokens_per_step": row["tokens_per_step"], "n": n,
            }  # fmt: skip
            found += [
                about | {"measure": m} | Interval(*row[m])._asdict() for m in HEADINGS if m in row
            ]
    return pd.DataFrame(found)


def grid(found: pd.DataFrame) -> pd.DataFrame:
    """One corpus: systems and tokens a step down, measures across: "12.3 [10.1, 14.2]"."""
    lines = []
    for (system, k), group in found.groupby(["system", "tokens_per_step"], sort=False):
        line = {"system": system, "tokens a step": str(k)}
        for r in group.itertuples():
            cells = (_number(v, r.measure) for v in (r.estimate, r.low, r.high))
            line[HEADINGS[r.measure]] = "{} [{}, {}]".format(*cells)
        lines.append(line)
    return pd.DataFrame(lines)


def _number(value: float, measure: str) -> str:
    if measure in ("places", "tokens"):
        return f"{value:.0f}"
    return f"{value:.1f}" if measure == "gloss_error" else f"{value:.2f}"


def caption(found: pd.DataFrame) -> str:
    """What a table of one corpus holds, and on what."""
    first = found.iloc[0]
    told = f"Speed and quality by tokens a step: {first['data']}, preset {first.preset}, "
    told += f"{first.n} test sentences, seed {first.seed}; timed on {first.clock}."
    return told + tables.smoke(first.preset)


def markdown(found: pd.DataFrame) -> str:
    """The table of one corpus with its caption and note."""
    return f"### {caption(found)}\n\n{tables.markdown_of(grid(found))}\n\n{NOTE}\n"


def latex(found: pd.DataFrame) -> str:
    """A booktabs table of one corpus."""
    return f"% {caption(found)} {NOTE}\n{tables.latex_of(grid(found))}\n"


def attention(suite: Suite) -> pd.DataFrame:
    """Share of attention that looks ahead, percent: systems and scopes by corpus, with intervals."""
    found = []
    for corpus, run in efficiency.finished_attention(suite).items():
        for system in run.result["ratios"]:
            for scope, told in bidirectional.SCOPES.items():
                share = bidirectional.average(run, system, scope)
                found.append(
                    {"corpus": suite.corpus_name(corpus), "model": system, "among": told}
                    | {"n": len(run.result["sentences"])}
                    | {k: 100 * v for k, v in share._asdict().items()}
                )
    return pd.DataFrame(found)


def write(suite: Suite, folder: Path) -> None:
    """``speed-CORPUS`` as csv, md and tex of every finished sweep, ``attention.csv`` of Fig. 7c."""
    found, ahead = frame(suite), attention(suite)
    if not found.empty:
        for corpus, of in found.groupby("corpus", sort=False):
            tables.write_files(folder / f"speed-{corpus}", of, markdown(of), latex(of))
    if not ahead.empty:
        write_text(folder / "attention.csv", ahead.to_csv(index=False))
