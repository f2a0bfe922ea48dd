"""Fig. 8: signs rebuilt from partly masked tokens by the pretrained model."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from madis_lib import metrics, paper
from madis_lib.data import signworld
from madis_lib.experiments.reconstruction import RATIOS, errors_mm, rebuild
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.drawing import picture, render, sheet, text
from madis_lib.reporting.figures.examples import example_corpus, median_example
from madis_lib.systems.madis import MaDiSSystem

FRAMES = 7


@style.styled
def fig8(suite: Suite, corpus: str | None = None) -> Figure:
    """One sentence at four mask ratios, and the error over the test set beside it."""
    corpus = example_corpus(suite, corpus)
    example = median_example(suite, corpus)
    system = MaDiSSystem.load(suite.pretrained.folder / "model", suite.tokenizer)
    texts, codes = suite.texts(corpus, "test"), suite.tokens(corpus, "test")
    true = suite.clips(corpus, "test")
    rebuilt = {ratio: rebuild(system, texts, codes, ratio) for ratio in (0.0, *RATIOS)}
    found = {ratio: errors_mm(clips, true) for ratio, clips in rebuilt.items()}

    width, cell, left = 12.0, 1.0, 1.15
    height = 0.75 + cell * (len(rebuilt) + 1)
    figure, axes = sheet(width, height)
    told = f"{suite.corpus_name(corpus)}, the pretrained model: “{example.text}”"
    text(axes, 0.1, height - 0.2, told, ha="left", color=style.SOFT)
    rows = {"truth": example.true, "tokenizer\nalone": rebuilt[0.0][example.index]}
    rows |= {f"{ratio:.0%} masked": rebuilt[ratio][example.index] for ratio in RATIOS}
    for row, (label, clip) in enumerate(rows.items()):
        times = np.linspace(0, len(clip) - 1, FRAMES + 2).astype(int)[1:-1]
        y = height - 0.42 - (row + 1) * cell
        text(axes, 0.1, y + cell / 2, label, ha="left", weight="bold", size=9.5)
        for i, image in enumerate(render(clip[times], cell, cell)):
            picture(axes, left + i * cell, y, cell, cell, image)
            if row == len(rows) - 1:
                seconds = times[i] / signworld.FPS[corpus]
                text(axes, left + (i + 0.5) * cell, y - 0.14, f"{seconds:.2f} s", size=8)
    start = left + FRAMES * cell + 0.75
    chart = figure.add_axes(
        (start / width, 0.75 / height, (width - start - 0.25) / width, (height - 1.45) / height)
    )
    summary = _draw_errors(chart, found)
    return style.with_data(
        figure,
        corpus=corpus,
        text=example.text,
        rule=example.rule,
        n=len(true),
        error_mm=summary,
        reported={q.key: q.value for q in paper.QUOTED if q.key.startswith("masked_mpjpe")},
    )


def _draw_errors(axes, found: dict[float, dict[str, np.ndarray]]) -> list[dict]:
    colours = {"body": style.PART_COLOURS["body"], "hands": style.PART_COLOURS["right"]}
    rows = []
    for part, colour in colours.items():
        intervals = [metrics.bootstrap_interval(found[ratio][part]) for ratio in found]
        middle, low, high = np.array(intervals).T
        shares = 100 * np.array(list(found))
        axes.fill_between(shares, low, high, color=style.tint(colour, 0.2), lw=0)
        axes.plot(shares, middle, "o-", color=colour, ms=5)
        axes.annotate(
            part, (shares[-1], middle[-1]), xytext=(7, 0), textcoords="offset points",
            color=colour, va="center", weight="bold",
        )  # fmt: skip
        rows += [
            {"part": part, "masked": ratio, "mm": m, "low": a, "high": b}
            for ratio, m, a, b in zip(found, middle, low, high, strict=True)
        ]
    axes.set(xlabel="masked tokens (%)", ylabel="joint error (mm)", ylim=(0, None), xlim=(-4, 122))
    axes.set_xticks([0, 25, 50, 75, 100], ["tokenizer\nalone", "25", "50", "75", "100"])
    axes.grid(axis="y")
    axes.set_title("Test set, mean and 95 %")
    return rows
