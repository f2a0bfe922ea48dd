"""Fig. 3: the order in which tokens are written, and how many orders there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from madis_lib import paper, utc
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.examples import Trace, example_corpus, median_example, trace

PAPER_M, PAPER_K = 100, 4
STAGES = ("to T/4", "to T/2", "to T")


@style.styled
def fig3(suite: Suite, corpus: str | None = None) -> Figure:
    """Unmasking without and with temporal checkpoints, on one sentence, and the orders' number."""
    corpus = example_corpus(suite, corpus)
    import matplotlib.pyplot as plt

    example, system = median_example(suite, corpus), suite.system(corpus)
    free, guided = trace(system, example.text, ()), trace(system, example.text)
    size, k = len(free.step), suite.preset.tokens_per_step
    figure = plt.figure(figsize=(11.5, 4.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.95))
    _draw_trace(left, free)
    left.set_title("(a) Vanilla: most confident first")
    left.set_ylabel("sampling step")
    _draw_trace(middle, guided)
    _draw_stages(middle, size, system.steps)
    middle.set_title("(b) With temporal checkpoints")
    curves = _draw_orders(right, size, k)
    figure.suptitle(f"“{example.text}”", x=0.01, ha="left", fontsize=9.5, color=style.SOFT)
    key = [
        Rectangle((0, 0), 1, 1, color=style.PART_COLOURS["body"], label="sign token, written here"),
        Rectangle((0, 0), 1, 1, color=style.FAINT, label="end of sentence, written here"),
        Rectangle((0, 0), 1, 1, color=style.tint(style.FAINT, 0.25), label="known from now on"),
    ]
    figure.legend(handles=key, loc="outside lower left", ncols=3, handlelength=0.9)
    return style.with_data(
        figure,
        corpus=corpus,
        text=example.text,
        rule=example.rule,
        vanilla={"step": free.step, "length": free.length},
        utc={"step": guided.step, "length": guided.length},
        tokens_per_step=k,
        log10_orders=curves,
    )


def _draw_trace(axes: Axes, found: Trace) -> None:
    """A filled square where and when a position is written; paler from then on."""
    size = len(found.step)
    inside = np.arange(size) < found.length
    for position, step in enumerate(found.step):
        colour = style.PART_COLOURS["body"] if inside[position] else style.FAINT
        later = found.steps - step - 1
        axes.add_patch(
            Rectangle((position, step + 1), 1, later, color=style.tint(colour, 0.14), lw=0)
        )
        axes.add_patch(Rectangle((position + 0.06, step + 0.06), 0.88, 0.88, color=colour, lw=0))
    axes.set(xlim=(0, size), ylim=(found.steps, 0), xlabel="position (1 token = 4 frames)")
    ticks = np.arange(0, size + 1, 4 if size <= 40 else 20)
    axes.set_xticks(ticks)
    axes.set_yticks(np.arange(0, found.steps, max(1, found.steps // 8)) + 0.5)
    axes.set_yticklabels(np.arange(0, found.steps, max(1, found.steps // 8)) + 1)
    if found.length < size:
        axes.axvline(found.length, color=style.SOFT, lw=1, ls=(0, (4, 3)))


def _draw_stages(axes: Axes, size: int, steps: int) -> None:
    plan = utc.stage_schedule(size, steps)
    ends = np.cumsum([len(stage) for stage in plan])
    for label, end, before in zip(STAGES, ends, (0, *ends), strict=False):
        if end < steps:
            axes.axhline(end, color=style.ACCENT, lw=1.4)
        axes.text(
            1.02, (before + end) / 2, label, transform=axes.get_yaxis_transform(), rotation=-90,
            va="center", fontsize=8.5, color=style.ACCENT,
        )  # fmt: skip


def _draw_orders(axes: Axes, size: int, k: int) -> dict[str, Any]:
    lengths = np.arange(8, PAPER_M + 1, 4)
    eq4 = [utc.log10_eq4(int(m), PAPER_K) for m in lengths]
    eq5 = [utc.log10_eq5(int(m), PAPER_K) for m in lengths]
    colours = style.SERIES[1], style.SERIES[0]
    axes.plot(lengths, eq4, color=colours[0])
    axes.plot(lengths, eq5, color=colours[1])
    axes.fill_between(lengths, eq5, eq4, color=style.tint(style.SERIES[1], 0.1), lw=0)
    top = {"eq4": eq4[-1], "eq5": eq5[-1]}
    style.direct_label(axes, PAPER_M, top["eq4"], f"Eq. 4: $10^{{{top['eq4']:.1f}}}$", colours[0])
    style.direct_label(axes, PAPER_M, top["eq5"], f"Eq. 5: $10^{{{top['eq5']:.1f}}}$", colours[1])
    reported = {q.key: q.printed for q in paper.QUOTED}
    middle = (top["eq4"] + top["eq5"]) / 2
    axes.annotate(
        "", (PAPER_M, top["eq5"]), (PAPER_M, top["eq4"]),
        arrowprops={"arrowstyle": "<->", "color": style.SOFT, "lw": 1, "shrinkA": 1, "shrinkB": 1},
    )  # fmt: skip
    style.direct_label(
        axes, PAPER_M, middle, f"$10^{{{top['eq4'] - top['eq5']:.1f}}}$ times\nfewer", style.SOFT,
        fontsize=8.5,
    )  # fmt: skip
    axes.text(
        0.03, 0.97, f"as reported, M = 100:\n${reported['orders']}$ in all,\n"
        f"over ${reported['order_reduction']}$ times fewer",
        transform=axes.transAxes, va="top", fontsize=8.5, color=style.SOFT,
    )  # fmt: skip
    here = {"eq4": utc.log10_eq4(size, k), "eq5": utc.log10_eq5(size, k)}
    axes.plot([size] * 2, [here["eq4"], here["eq5"]], "o", ms=4.5, color=style.INK)
    axes.annotate(
        f"this preset, M = {size}:\n$10^{{{here['eq4']:.1f}}}$ and $10^{{{here['eq5']:.1f}}}$",
        (size, here["eq5"]), xytext=(10, -4), textcoords="offset points", fontsize=8.5, va="top",
    )  # fmt: skip
    axes.set(xlabel=f"tokens M, {PAPER_K} a step", ylabel="orders, log$_{10}$", ylim=(0, None))
    axes.set_xlim(0, PAPER_M)
    axes.set_title("(c) Number of unmasking orders")
    axes.grid(axis="y")
    return {"M": lengths.tolist(), "eq4": eq4, "eq5": eq5, "preset": here}
