"""Fig. 1: the idea on one sentence of our own corpus."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from madis_lib.experiments.suite import Suite
from madis_lib.parts import FRAMES_PER_TOKEN, PARTS
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.drawing import (
    arrow,
    heading,
    picture,
    render,
    sheet,
    sign_centres,
    state_colours,
    strip,
    text,
    triple_colours,
)
from madis_lib.reporting.figures.examples import example_corpus, median_example, trace

WIDTH, HEIGHT = 12.0, 6.75
MARGIN, FRAME, STATES = 0.35, 1.08, 6
GLOSSES = 4  # signs shown at most


@style.styled
def fig1(suite: Suite, corpus: str | None = None) -> Figure:
    """A sentence as part tokens; left-to-right against masked generation; what comes out."""
    corpus = example_corpus(suite, corpus)
    example = median_example(suite, corpus)
    found = trace(suite.system(corpus), example.text)
    counts = suite.tokenizer.config.codes
    figure, axes = sheet(WIDTH, HEIGHT)

    heading(
        axes, MARGIN, HEIGHT - 0.25, "(a) A sign tokenizer turns motion into tokens of three parts"
    )
    text(axes, MARGIN, HEIGHT - 0.5, f"“{example.text}”", ha="left", color=style.SOFT, size=10)
    _signing(axes, example, counts, HEIGHT - 0.78)

    top = 3.35
    half = (WIDTH - 3 * MARGIN) / 2
    heading(axes, MARGIN, top, "(b) Autoregressive: left to right, one token a step")
    _left_to_right(axes, found, counts, MARGIN, top - 0.28, half)
    right = 2 * MARGIN + half
    title = f"(c) Masked diffusion: {suite.preset.tokens_per_step} tokens a step, coarse to fine"
    heading(axes, right, top, title)
    _masked(axes, found, counts, right, top - 0.28, half)
    return style.with_data(
        figure,
        corpus=corpus,
        text=example.text,
        rule=example.rule,
        glosses=example.glosses,
        true_tokens=example.true_tokens,
        generated_tokens=found.codes[: found.length],
        step=found.step,
        read_by_oracle=example.read,
    )


def _signing(axes: Axes, example, counts, top: float) -> None:
    """True signing above its tokens on the left, the generated one on the right."""
    half = (WIDTH - 3 * MARGIN) / 2
    for column, (features, tokens, label) in enumerate(
        [
            (example.true, example.true_tokens, "true\nsigning"),
            (example.generated, example.tokens, "MaDiS,\nfrom the\ntext alone"),
        ]
    ):
        x = MARGIN + column * (half + MARGIN)
        timeline = example.timeline if column == 0 else ()
        frames = sign_centres(timeline, len(features), GLOSSES)
        pictures = render(features[frames], FRAME, FRAME)
        cell = min(0.2, (half - 0.85) / max(len(tokens), 1))
        start = x + 0.85
        wide = (half - 0.85) / len(frames)
        for i, image in enumerate(pictures):
            place = start + i * wide + (wide - FRAME) / 2
            picture(axes, place, top - 0.1 - FRAME, FRAME, FRAME, image)
        text(axes, x, top - 0.1 - FRAME / 2, label, ha="left", size=9, weight="bold")
        y = top - 0.22 - FRAME
        arrow(axes, (start + 0.1, y + 0.1), (start + 0.1, y - 0.06))
        strip(axes, start, y - 0.1, (cell, 0.2), triple_colours(tokens, counts))
        for row, part in enumerate(PARTS):
            colour = style.PART_COLOURS[part]
            words = style.PART_LABELS[part]
            text(axes, start - 0.06, y - 0.2 - row * 0.2, words, ha="right", size=8, color=colour)
        low = y - 0.1 - 0.6
        if column == 0:
            _brackets(axes, example.timeline, start, low, cell)
        elif example.read:
            words = f"read back by the oracle: {' '.join(example.read)}"
            text(axes, start, low - 0.2, words, ha="left", size=8, color=style.SOFT)


def _brackets(axes: Axes, timeline, start: float, low: float, cell: float) -> None:
    for gloss, first, end in timeline:
        a, b = (start + cell * frame / FRAMES_PER_TOKEN for frame in (first, end))
        axes.plot([a + 0.02, b - 0.02], [low - 0.06] * 2, color=style.SOFT, lw=1)
        text(axes, (a + b) / 2, low - 0.2, gloss, size=7.5, color=style.SOFT)


def _rows(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count, STATES).round().astype(int))


def _left_to_right(axes: Axes, found, counts, x: float, top: float, width: float) -> None:
    length = max(found.length, 1)
    labels = []
    states = []
    for done in _rows(length):
        states.append(np.arange(len(found.step)) < done)
        labels.append(f"step {done}")
    _states(axes, found, counts, x, top, width, states, labels)
    words = f"the same tokens in {length} steps; each sees only what is left of it"
    text(axes, x + 0.85, 0.2, words, ha="left", size=9, color=style.SOFT)


def _masked(axes: Axes, found, counts, x: float, top: float, width: float) -> None:
    rows = _rows(found.steps)
    states = [found.step < done for done in rows]
    _states(axes, found, counts, x, top, width, states, [f"step {done}" for done in rows])
    words = f"{found.steps} steps; each token sees all that is written; grey: after the end"
    text(axes, x + 0.85, 0.2, words, ha="left", size=9, color=style.SOFT)


def _states(axes: Axes, found, counts, x, top, width, states, labels) -> None:
    """One strip of three parts for each state of the canvas, time going down."""
    cell = min(0.2, (width - 0.85) / len(found.step))
    height = (top - 0.42) / len(states)
    thin = height * 0.78 / 3
    for i, (written, label) in enumerate(zip(states, labels, strict=True)):
        y = top - i * height
        colours = state_colours(found.codes, written, found.length, counts)
        strip(axes, x + 0.85, y, (cell, thin), colours)
        text(axes, x + 0.78, y - 1.5 * thin, label, ha="right", size=8, color=style.SOFT)
