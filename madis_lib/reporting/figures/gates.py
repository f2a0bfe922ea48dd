"""Fig. 4: two ways to embed a triple.  Fig. 10: what the gate attends to, sign by sign."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from madis_lib import paper
from madis_lib.experiments.gates import (
    CATEGORIES,
    KINDS,
    SignToken,
    gate_weights,
    mean_by_category,
    signs,
)
from madis_lib.experiments.suite import Suite
from madis_lib.parts import PARTS
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.drawing import (
    arrow,
    box,
    heading,
    picture,
    render,
    sheet,
    strip,
    text,
    triple_colours,
)
from madis_lib.reporting.figures.examples import example_corpus

SYMBOLS = ("b", "l", "r")


def example_signs(found: list[SignToken]) -> list[SignToken]:
    """For each kind, the first sign of the longest in the test set; kinds that occur only."""
    chosen = []
    for kind in KINDS:
        ours = [s for s in found if s.kind == kind]
        if ours:
            chosen.append(max(ours, key=lambda s: (len(s.weights), -s.sentence)))
    return chosen


@style.styled
def fig10(suite: Suite, corpus: str | None = None) -> Figure:
    """Gate weights over the tokens of example signs, and their mean by handedness (Table 5)."""
    corpus = example_corpus(suite, corpus)
    found = signs(suite, corpus)
    examples, means = example_signs(found), mean_by_category(found)
    width, height, cell = 12.0, 4.4, 1.7
    figure, axes = sheet(width, height)
    where = suite.corpus_name(corpus)
    heading(axes, 0.15, height - 0.2, f"(a) Gate weights over the tokens of a sign, {where}")
    for i, sign in enumerate(examples):
        x = 0.55 + i * 1.92
        clip = suite.clips(corpus, "test")[sign.sentence]
        image = render(clip[sign.frame : sign.frame + 1], cell, cell)[0]
        picture(axes, x, height - 0.95 - cell, cell, cell, image)
        text(axes, x + cell / 2, height - 0.55, sign.gloss, weight="bold")
        text(axes, x + cell / 2, height - 0.77, KINDS[sign.kind], size=8.5, color=style.SOFT)
        chart = figure.add_axes((x / width, 0.55 / height, cell / width, 1.15 / height))
        _draw_weights(chart, sign.weights, first=i == 0)
    start = 0.55 + 4 * 1.92 + 0.55
    heading(axes, start - 0.45, height - 0.2, "(b) Mean weight by signing hand")
    chart = figure.add_axes(
        (start / width, 1.05 / height, (width - start - 0.2) / width, (height - 1.75) / height)
    )
    _draw_means(chart, means)
    reported = paper.TABLE_5
    told = "   ".join(
        f"{c}: " + " / ".join(reported.printed(p, f"csl.{c}") for p in PARTS) for c in CATEGORIES
    )
    text(
        axes, start - 0.45, 0.33, f"as reported, real CSL-Daily (body / left / right)\n{told}",
        ha="left", size=7, color=style.SOFT,
    )  # fmt: skip
    shown = [vars(s) | {"weights": s.weights.tolist()} for s in examples]
    return style.with_data(figure, corpus=corpus, examples=shown, means=means)


def _draw_weights(axes: Axes, weights: np.ndarray, first: bool) -> None:
    steps = np.arange(len(weights) + 1)
    bottom = np.zeros(len(weights))
    for p, part in enumerate(PARTS):
        top = bottom + weights[:, p]
        axes.fill_between(
            steps, np.append(bottom, bottom[-1]), np.append(top, top[-1]), step="post",
            color=style.PART_COLOURS[part], lw=0, alpha=0.9,
        )  # fmt: skip
        bottom = top
    axes.set(xlim=(0, len(weights)), ylim=(0, 1), xlabel="token of the sign")
    axes.set_xticks(np.arange(len(weights)) + 0.5, [str(i + 1) for i in range(len(weights))])
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"] if first else [])
    if first:
        axes.set_ylabel("gate weight")


def _draw_means(axes: Axes, means: list[dict]) -> None:
    for row in means:
        p = PARTS.index(row["part"])
        x = list(CATEGORIES).index(row["category"]) + (p - 1) * 0.27
        colour = style.PART_COLOURS[row["part"]]
        label = style.PART_LABELS[row["part"]] if row["category"] == means[0]["category"] else None
        axes.bar(x, row["weight"], 0.24, color=colour, label=label)
        axes.plot([x, x], [row["low"], row["high"]], color=style.INK, lw=1)
    counts = {row["category"]: row["n"] for row in means}
    names = {"left": "left hand", "right": "right hand", "two": "both hands"}
    axes.set_xticks(
        range(len(CATEGORIES)), [f"{names[c]}\n{counts.get(c, 0)} signs" for c in CATEGORIES]
    )
    axes.axhline(1 / 3, color=style.SOFT, lw=0.8, ls=(0, (4, 3)))
    axes.set(ylabel="mean gate weight", ylim=(0, max(0.6, *(r["high"] for r in means)) * 1.22))
    axes.tick_params(axis="x", length=0)
    axes.legend(ncols=3, loc="upper left", handlelength=0.8, columnspacing=0.9, fontsize=8)


def telling_triples(codes: np.ndarray, weights: np.ndarray) -> dict[str, int]:
    """Rows where the gate leans most to each part, and where it is most even."""
    entropy = -(weights * np.log(weights + 1e-12)).sum(-1)
    rows = {
        f"leans on the {style.PART_LABELS[p]}": int(weights[:, i].argmax())
        for i, p in enumerate(PARTS)
    }
    return rows | {"most even": int(entropy.argmax())}


@style.styled
def fig4(suite: Suite, corpus: str | None = None) -> Figure:
    """Averaged embedding and mixture of parts, on triples of the test set with real weights."""
    corpus = example_corpus(suite, corpus)
    codes = np.unique(np.concatenate(suite.tokens(corpus, "test")), axis=0)
    weights = gate_weights(suite, corpus, codes)
    rows = telling_triples(codes, weights)
    counts = suite.tokenizer.config.codes
    figure, axes = sheet(12.0, 4.6)
    shown = rows["most even"]
    heading(axes, 0.15, 4.4, "(a) The usual embedding: an average")
    _average(axes, codes[shown], counts)
    heading(axes, 3.55, 4.4, "(b) Mixture of parts: a gated sum")
    _mixture(axes, codes[shown], weights[shown], counts)
    heading(axes, 8.2, 4.4, "(c) Weights the gate has learnt")
    with torch.no_grad():
        still = np.repeat(codes[list(rows.values())][:, None], 5, 1)  # each triple, held
        motion = suite.tokenizer.decode(torch.as_tensor(still))[:, 10].numpy()
    for i, (label, row) in enumerate(rows.items()):
        y = 3.2 - i * 0.98
        picture(axes, 8.2, y - 0.05, 0.95, 0.95, render(motion[i : i + 1], 0.95, 0.95)[0])
        text(axes, 9.3, y + 0.72, label, ha="left", size=8.5, color=style.SOFT)
        left = 9.3
        for p, part in enumerate(PARTS):
            share = 2.4 * weights[row, p]
            box(axes, left, y + 0.22, share, 0.34, face=style.PART_COLOURS[part], edge=style.PAPER)
            if share > 0.3:
                words = f"{weights[row, p]:.2f}"
                text(axes, left + share / 2, y + 0.385, words, color=style.PAPER, size=8.5)
            left += share
    data = [
        {"label": k, "codes": codes[r].tolist(), "weights": weights[r].tolist()}
        for k, r in rows.items()
    ]
    return style.with_data(figure, corpus=corpus, triples=data)


def _tokens(axes: Axes, x: float, triple: np.ndarray, counts) -> list[float]:
    """The three tokens at the bottom; where their middles are."""
    colours = triple_colours(triple[None], counts)
    middles = []
    for p, part in enumerate(PARTS):
        left = x + p * 1.0
        strip(axes, left, 0.72, (0.52, 0.4), colours[p : p + 1], [[str(triple[p])]], size=9)
        text(
            axes, left + 0.26, 0.17, style.PART_LABELS[part], size=8, color=style.PART_COLOURS[part]
        )
        middles.append(left + 0.26)
    return middles


def _average(axes: Axes, triple: np.ndarray, counts) -> None:
    middles = _tokens(axes, 0.35, triple, counts)
    for middle, part in zip(middles, PARTS, strict=True):
        arrow(axes, (middle, 0.76), (middle, 1.35))
        edge = style.PART_COLOURS[part]
        box(axes, middle - 0.4, 1.38, 0.8, 0.5, "row of\ntable", edge=edge, size=8)
        arrow(axes, (middle, 1.9), (1.61 + (middle - 1.61) * 0.25, 2.72))
        text(axes, middle + (1.61 - middle) * 0.3 + 0.13, 2.25, "⅓", size=9, color=style.SOFT)
    box(axes, 1.06, 2.76, 1.1, 0.42, "mean", face=style.MASKED)
    arrow(axes, (1.61, 3.2), (1.61, 3.72))
    text(axes, 1.61, 3.9, "embedding, width d", size=9)


def _mixture(axes: Axes, triple: np.ndarray, weights: np.ndarray, counts) -> None:
    middles = _tokens(axes, 3.75, triple, counts)
    gate = 7.05
    for p, (middle, part) in enumerate(zip(middles, PARTS, strict=True)):
        colour = style.PART_COLOURS[part]
        arrow(axes, (middle, 0.76), (middle, 0.98))
        words = f"$c_{SYMBOLS[p]}$"
        box(axes, middle - 0.4, 1.0, 0.8, 0.36, words, edge=colour, parse_math=True)
        arrow(axes, (middle, 1.38), (middle, 1.72))
        words = f"$\\mathrm{{FC}}_{SYMBOLS[p]}$"
        box(axes, middle - 0.4, 1.74, 0.8, 0.36, words, edge=colour, parse_math=True)
        arrow(axes, (middle, 2.12), (middle, 2.46))
        box(
            axes, middle - 0.4, 2.48, 0.8, 0.36, f"× {weights[p]:.2f}", face=style.tint(colour, 0.2)
        )
        arrow(axes, (middle, 2.86), (5.01 + (middle - 5.01) * 0.25, 3.24))
    box(axes, 4.46, 3.26, 1.1, 0.36, "sum", face=style.MASKED)
    arrow(axes, (5.01, 3.64), (5.01, 3.82))
    text(axes, 5.01, 3.97, "embedding, width d", size=9)
    bus = 1.54  # all three codes go to the gate
    axes.plot([middles[0], gate], [bus, bus], color=style.SOFT, lw=1.1)
    axes.plot(middles, [bus] * 3, "o", color=style.SOFT, ms=3.5)
    arrow(axes, (gate, bus), (gate, 1.72))
    text(
        axes,
        gate,
        bus - 0.2,
        "codes of the\nfrozen codebooks",
        size=7.5,
        color=style.SOFT,
        va="top",
    )
    box(axes, gate - 0.5, 1.74, 1.0, 0.36, "MLP", face=style.MASKED)
    arrow(axes, (gate, 2.12), (gate, 2.46))
    box(axes, gate - 0.5, 2.48, 1.0, 0.36, "softmax", face=style.MASKED)
    arrow(axes, (gate - 0.52, 2.66), (middles[-1] + 0.42, 2.66), style.ACCENT)
    text(axes, (gate + middles[-1]) / 2, 2.8, "G", size=9, color=style.ACCENT)
