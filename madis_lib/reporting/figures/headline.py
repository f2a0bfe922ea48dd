"""The figure on the report's first screen: MaDiS against every bound, and a strip of signing."""

from __future__ import annotations

import html

from matplotlib.figure import Figure

from madis_lib.experiments import evaluate
from madis_lib.experiments.evaluate import CEILING, FLOORS, METRICS, SHUFFLED_TEXT, SYSTEM
from madis_lib.experiments.suite import Suite
from madis_lib.reporting import tables
from madis_lib.reporting.figures import style

SHOWN = ("gloss_error", "sibleu_hands", "dtw_hands")


@style.styled
def headline(suite: Suite) -> Figure:
    """MaDiS and the bounds with 95 % intervals; a row a metric, a column a corpus."""
    import matplotlib.pyplot as plt

    frames = {c: tables.results(suite, c) for c in suite.corpora}
    measured = {c: f[f.source == tables.MEASURED] for c, f in frames.items()}
    metrics = [m for m in SHOWN if m in set(measured[suite.corpora[0]].metric)]
    systems = [SYSTEM, *reversed(FLOORS), CEILING]
    figure, grid = plt.subplots(
        len(metrics), len(suite.corpora), figsize=(11.5, 1.75 * len(metrics) + 0.5),
        layout="constrained", sharex="row", squeeze=False,
    )  # fmt: skip
    for row, metric in enumerate(metrics):
        for column, corpus in enumerate(suite.corpora):
            axes, frame = grid[row][column], measured[corpus]
            for place, system in enumerate(systems):
                cell = frame[(frame.system == system) & (frame.metric == metric)].iloc[0]
                is_ours = system == SYSTEM
                colour = style.ACCENT if is_ours else style.SOFT
                face = style.PAPER if system == CEILING else colour
                axes.plot([cell.low, cell.high], [place] * 2, color=colour, lw=2.4)
                axes.plot(
                    cell.estimate, place, "o", color=colour, mfc=face, ms=7 if is_ours else 5.5
                )
            axes.set_yticks(range(len(systems)), systems if column == 0 else [""] * len(systems))
            axes.get_yticklabels()[0].set(fontweight="bold", color=style.ACCENT)
            axes.set_ylim(len(systems) - 0.5, -0.5)
            axes.grid(axis="x")
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0)
            m = METRICS[metric]
            unit = f" ({m.unit})" if m.unit else ""
            axes.set_xlabel(f"{m.label}{unit}, {'lower' if m.better < 0 else 'higher'} is better")
            if row == 0:
                axes.set_title(suite.corpus_name(corpus))
    for axes in grid[:, 0]:  # of a whole row, after all of it is drawn
        right = axes.get_xlim()[1]
        axes.set_xlim(-0.02 * right, right)
    rows = [
        r for c in suite.corpora for r in measured[c].to_dict("records") if r["metric"] in metrics
    ]
    return style.with_data(figure, rows=rows)


def headline_sentence(suite: Suite) -> str:
    """The result in one sentence of HTML, computed, with its failures."""
    told = []
    for corpus in suite.corpora:
        scores = suite.evaluated(corpus).result["scores"]
        beaten = [
            evaluate.beats(scores[SYSTEM], scores[SHUFFLED_TEXT], m)
            for m in evaluate.available(scores[SYSTEM])
        ]
        wins, name = (
            sum(b is True for b in beaten),
            html.escape(suite.corpus_name(corpus)),
        )
        told.append(f"{name} {wins} of {len(beaten)}")
    return (
        "What MaDiS signs is closer to the truth of its own sentence than what it signs for another one "
        "(shuffled text), with a 95 % interval off zero, on this many metrics: "
        f"{'; '.join(told)}."
    )
