"""Film strips: true signing above what MaDiS made of the sentence."""

from __future__ import annotations

from matplotlib.figure import Figure

from madis_lib.data import signworld
from madis_lib.experiments.suite import Suite
from madis_lib.render.strip import film_strip
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.examples import example_corpus, median_example


def strip(suite: Suite, corpus: str | None = None, frames: int = 8) -> Figure:
    """The test sentence of median error, each clip over its own length."""
    corpus = example_corpus(suite, corpus)
    example = median_example(suite, corpus)
    clips = {"truth": example.true, "MaDiS": example.generated}
    title = example.text
    if example.glosses:
        read = " ".join(example.read) or "nothing"
        title += f"\ntrue: {' '.join(example.glosses)}\nread back: {read}"
    figure = film_strip(clips, signworld.FPS[corpus], frames, title)
    return style.with_data(
        figure,
        corpus=corpus,
        text=example.text,
        rule=example.rule,
        glosses=example.glosses,
        read_by_oracle=example.read,
        frames_true=len(example.true),
        frames_generated=len(example.generated),
    )
