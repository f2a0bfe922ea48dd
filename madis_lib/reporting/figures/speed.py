"""Fig. 6b-d and 7c: quality against speed, and how far attention looks ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from madis_lib import attention
from madis_lib.experiments import bidirectional, evaluate, sweep
from madis_lib.experiments.evaluate import METRICS
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.examples import example_corpus, median_example
from madis_lib.systems.madis import encode_texts

QUALITY = ("sibleu_hands", "dtw_hands", "gloss_error")
TOP = 3  # heads that the paper shows
Systems = Callable[[Suite, str], Sequence[sweep.Contestant]]


@style.styled
def fig6(suite: Suite, systems: Systems | None = None) -> Figure:
    """Quality against tokens per second: a row a metric, a column a corpus, a curve a system."""
    import matplotlib.pyplot as plt

    runs = {
        c: sweep.steps_sweep(suite, c, None if systems is None else systems(suite, c))
        for c in suite.corpora
    }
    points = {c: r.result["points"] for c, r in runs.items()}
    held = evaluate.available(points[suite.corpora[0]][0]["scores"])
    shown = [m for m in QUALITY if m in held]
    figure, grid = plt.subplots(
        len(shown), len(points), figsize=(11.5, 2.2 * len(shown) + 0.4), layout="constrained",
        sharex="col", squeeze=False,
    )  # fmt: skip
    rows = []
    for column, (corpus, of) in enumerate(points.items()):
        for row, metric in enumerate(shown):
            axes = grid[row][column]
            rows += _draw_curves(axes, of, metric, corpus)
            if METRICS[metric].better < 0:
                axes.invert_yaxis()  # better is up in every panel
            if column == 0:
                m = METRICS[metric]
                axes.set_ylabel(f"{m.label} ({m.unit})" if m.unit else m.label)
        grid[0][column].set_title(suite.corpus_name(corpus))
        grid[-1][column].set_xlabel("tokens before the end, per second of one CPU thread")
    if len({r["system"] for r in rows}) > 1:
        grid[0][0].legend()
    return style.with_data(figure, points=rows)


def _draw_curves(axes: Axes, points: list[dict], metric: str, corpus: str) -> list[dict]:
    """A curve for each system; its numbers."""
    rows = []
    for i, name in enumerate(dict.fromkeys(p["system"] for p in points)):
        mine = [p for p in points if p["system"] == name]
        x = [sweep.speed(p) for p in mine]
        y = [evaluate.summary(p["scores"], metric) for p in mine]
        colour = style.SERIES[i]
        axes.plot([v.estimate for v in x], [v.estimate for v in y], "-o", ms=4.5, color=colour,
                  lw=1.4, label=name)  # fmt: skip
        axes.errorbar(
            [v.estimate for v in x], [v.estimate for v in y],
            yerr=[[v.estimate - v.low for v in y], [v.high - v.estimate for v in y]],
            fmt="none", ecolor=style.tint(colour, 0.45), elinewidth=1.2, zorder=1,
        )  # fmt: skip
        for p, a, b in zip(mine, x, y, strict=True):
            if len(mine) > 1:
                axes.annotate(str(p["tokens_per_step"]), (a.estimate, b.estimate), xytext=(0, 6),
                              textcoords="offset points", ha="center", fontsize=8,
                              color=style.SOFT)  # fmt: skip
            rows.append({
                "corpus": corpus, "system": name, "tokens_per_step": p["tokens_per_step"],
                "metric": metric, "value": b._asdict(), "effective_per_second": a._asdict(),
                "places_per_second": sweep.speed(p, "places")._asdict(),
            })  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid()
    axes.margins(x=0.08, y=0.22)
    return rows


@style.styled
def fig7c(suite: Suite, corpus: str | None = None) -> Figure:
    """Maps of the three heads that look ahead most, and the ratio of every head with a yardstick."""
    import matplotlib.pyplot as plt

    corpus = example_corpus(suite, corpus)
    run = bidirectional.future_attention(suite, corpus)
    mean = {
        name: np.array(scopes["signs"]).mean(0) for name, scopes in run.result["ratios"].items()
    }
    order = attention.ranked_heads(torch.tensor(mean[bidirectional.TRAINED])).tolist()
    example, system = median_example(suite, corpus), suite.system(corpus)
    ids, valid = encode_texts(system.text, [example.text])
    canvas, length = bidirectional.final_canvas(system, ids, valid)
    layer = bidirectional.layer_of(system.model)
    maps = attention.maps(system.model, ids, valid, canvas, layer)[0, order[:TOP]].numpy()
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
        figure, corpus=corpus, text=example.text, rule=example.rule, heads=order[:TOP],
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
