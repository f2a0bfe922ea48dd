"""The figures of the report; each function takes a :class:`Suite` and returns a Figure.

``figure.data`` holds the numbers that are drawn; :func:`save` writes them beside the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from madis_lib.experiments.suite import Suite
from madis_lib.reporting.figures.curves import training
from madis_lib.reporting.figures.headline import headline
from madis_lib.reporting.figures.orders import fig3
from madis_lib.reporting.figures.style import save

__all__ = ["ALL", "Entry", "fig3", "headline", "save", "training"]


@dataclass(frozen=True)
class Entry:
    """A figure of the report: how it is drawn and what to notice."""

    name: str
    draw: Callable[[Suite], Figure]
    title: str
    notice: str
    needs_truth: bool = False  # gloss timelines, which real corpora do not have


ALL = (
    Entry(
        "headline",
        headline,
        "MaDiS against bounds that do not know the sentence",
        "Dots with 95 % intervals over test sentences; the open dot is the ceiling, true signing "
        "sent through the tokenizer. Notice the gap between MaDiS and shuffled text: it is what "
        "the model took from the words.",
    ),
    Entry(
        "fig3",
        fig3,
        "Fig. 3: the order of unmasking, with and without temporal checkpoints",
        "Real traces of one fine-tuned model on one sentence. Without checkpoints (a) the model "
        "writes wherever it is surest, often the silence after the end first. With them (b) every "
        "fourth token is known before any other, then every second. (c) counts the possible "
        "orders. The model was trained with checkpoints, so (a) shows it off its habit.",
    ),
    Entry(
        "training",
        training,
        "Training",
        "Averages over about a hundred stretches of each run. Notice that fine-tuning starts far "
        "lower than pretraining did: pretraining is not in vain.",
    ),
)
