"""Fig. 6b-d and 7c: quality against speed, and how far attention looks ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from madis_lib import attention
from madis_lib.experiments import bidirectional, efficiency
from madis_lib.experiments.suite import Suite
from madis_lib.reporting import speed_tables
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.examples import example_corpus, median_example
from madis_lib.systems.madis import encode_texts

MARKERS = "osD^vPX<>*"
SERIES = (*style.SERIES, style.INK, style.FAINT, "#6a3d9a", "#8c510a")


@style.styled
def fig6(suite: Suite) -> Figure:
    """Quality against tokens per second: a row a metric, a column a corpus, a curve a system.

    Of the sweeps that are finished (:func:`efficiency.finished_sweeps`).
    """
    import matplotlib.pyplot as plt

    found = speed_tables.frame(suite)
    shown = [m for m in speed_tables.QUALITY if m in set(found.measure)]
    corpora = list(found.corpus.unique())
    figure, grid = plt.subplots(
        len(shown), len(corpora), figsize=(max(7.0, 3.8 * len(corpora)), 2.2 * len(shown) + 0.6),
        layout="constrained", sharex="col", squeeze=False,
    )  # fmt: skip
    for column, (_, of) in enumerate(found.groupby("corpus", sort=False)):
        for axes, metric in zip(grid[:, column], shown, strict=True):
            _draw_curves(axes, of, metric)
            heading = speed_tables.HEADINGS[metric]
            if "↓" in heading:
                axes.invert_yaxis()  # better is up in every panel
            if column == 0:
                axes.set_ylabel(heading.strip(" ↓↑"))
        grid[0][column].set_title(of.data.iloc[0])
        grid[-1][column].set_xlabel(f"tokens before the end, per second of {of.clock.iloc[0]}")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return style.with_data(figure, points=found.to_dict("records"))


def _draw_curves(axes: Axes, found: pd.DataFrame, metric: str) -> None:
    """A curve for each system, a dot for each number of tokens a step: the first curve has them all
    beside it, of the others the least and the most, so that they can be read.
    """
    for i, (name, mine) in enumerate(found.groupby("system", sort=False)):
        x, y = (mine[mine.measure == m].set_index("tokens_per_step") for m in ("tokens", metric))
        colour = SERIES[i]
        axes.plot(x.estimate, y.estimate, "-", marker=MARKERS[i], ms=5, color=colour, lw=1.4,
                  label=name)  # fmt: skip
        axes.errorbar(
            x.estimate, y.estimate, yerr=[y.estimate - y.low, y.high - y.estimate], fmt="none",
            ecolor=style.tint(colour, 0.45), elinewidth=1.2, zorder=1,
        )  # fmt: skip
        paces = list(x.index) if len(x) > 1 else []
        for k in paces if i == 0 else paces[:1] + paces[-1:]:
            place = {"xytext": (0, 6), "ha": "center"} if i == 0 else {"va": "center", **_beside(k)}
            axes.annotate(str(k), (x.estimate[k], y.estimate[k]), textcoords="offset points",
                          fontsize=8, color=colour, **place)  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid()
    axes.margins(x=0.08, y=0.22)


def _beside(pace: int) -> dict[str, Any]:
    """Left of a curve's beginning, right of its end."""
    return {"xytext": (-6, 0), "ha": "right"} if pace == 1 else {"xytext": (6, 0), "ha": "left"}


@style.styled
def fig7c(suite: Suite, corpus: str | None = None) -> Figure:
    """Maps of the three heads that look ahead most, and the ratio of every head with a yardstick.

    Args:
        corpus: by default the example's, or the first one of which a run is finished.
    """
    import matplotlib.pyplot as plt

    there = efficiency.finished_attention(suite)
    corpus = example_corpus(suite, corpus)
    corpus = corpus if corpus in there else next(iter(there), corpus)
    run = bidirectional.future_attention(suite, corpus)
    mean = {
        name: np.array(scopes["signs"]).mean(0) for name, scopes in run.result["ratios"].items()
    }
    order = attention.ranked_heads(torch.tensor(mean[bidirectional.TRAINED])).tolist()
    example, system = median_example(suite, corpus), suite.system(corpus)
    ids, valid = encode_texts(system.text, [example.text])
    canvas, length = bidirectional.final_canvas(system, ids, valid)
    layer = bidirectional.layer_of(system.model)
    maps = attention.maps(system.model, ids, valid, canvas, layer)[
        0, order[: bidirectional.TOP]
    ].numpy()
    text = ids.shape[1]
    figure = plt.figure(figsize=(11.5, 3.5), layout="constrained")
    *panels, last = figure.subplots(1, len(maps) + 1, width_ratios=(1,) * len(maps) + (1.25,))
    for axes, head, of_head in zip(panels, order, maps, strict=False):
        _draw_map(axes, of_head[: text + length, : text + length], text)
        axes.set_title(f"head {head + 1}: {100 * mean[bidirectional.TRAINED][head]:.0f} %")
    panels[0].set_ylabel("reads: text, then signs")
    _draw_ratios(last, mean, order)
    averages = {
        name: {s: bidirectional.average(run, name, s)._asdict() for s in bidirectional.SCOPES}
        for name in mean
    }
    whole = averages[bidirectional.TRAINED]["signs"]
    last.set_title(
        f"ahead: {100 * whole['estimate']:.1f} % "
        f"[{100 * whole['low']:.1f}, {100 * whole['high']:.1f}]"
    )
    figure.suptitle(
        f"{suite.corpus_name(corpus)}, “{example.text}”, penultimate layer at the last step; above "
        "the diagonal is the future", x=0.01, ha="left", fontsize=9.5, color=style.SOFT,
    )  # fmt: skip
    return style.with_data(
        figure, corpus=corpus, text=example.text, rule=example.rule, heads=order[: bidirectional.TOP],
        maps=maps, averages=averages, per_head=mean,
        above_untrained={
            s: bidirectional.above_untrained(run, s)._asdict() for s in bidirectional.SCOPES
        },
    )  # fmt: skip


def _draw_map(axes: Axes, of_head: np.ndarray, text: int) -> None:
    n = len(of_head)
    axes.imshow(np.sqrt(of_head), cmap="Blues", vmin=0, interpolation="nearest")
    axes.plot([-0.5, n - 0.5], [-0.5, n - 0.5], color=style.BAD, lw=0.8)
    for line in (axes.axhline, axes.axvline):
        line(text - 0.5, color=style.FAINT, lw=0.8)
    axes.set_xticks([text / 2, (text + n) / 2], ["text", "signs"])
    axes.set_yticks([])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_ratios(axes: Axes, mean: dict[str, np.ndarray], order: list[int]) -> None:
    """A dot for each head, the untrained and the causal one beside it."""
    looks = {
        bidirectional.TRAINED: (style.ACCENT, style.ACCENT),
        bidirectional.UNTRAINED: (style.FAINT, style.PAPER),
        bidirectional.CAUSAL: (style.BAD, style.PAPER),
    }
    for name, (edge, face) in looks.items():
        axes.plot(100 * mean[name][order], range(len(order)), "o", color=edge, mfc=face, ms=6.5,
                  label=name, clip_on=False)  # fmt: skip
    axes.set_yticks(range(len(order)), [f"head {h + 1}" for h in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("attention to the future, % (signs only)")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.17), ncols=3, fontsize=8)
