"""Drawing in inches: boxes, arrows, strips of tokens and rendered frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from madis_lib.parts import PARTS
from madis_lib.reporting.figures import style

PIXELS = 200  # of rendered frames, per inch


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure whose one axes is measured in inches from the lower left corner."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def text(axes: Axes, x: float, y: float, words: str, **more) -> None:
    """Text; by default centred, and never read as mathematics unless asked."""
    more.setdefault("parse_math", False)
    axes.text(x, y, words, **{"ha": "center", "va": "center"} | more)


def heading(axes: Axes, x: float, y: float, words: str, **more) -> None:
    text(axes, x, y, words, **{"ha": "left", "weight": "bold", "size": 10.5} | more)


def box(
    axes: Axes, x: float, y: float, width: float, height: float, words: str = "",
    face: object = style.PAPER, edge: object = style.FAINT, **more,
) -> None:  # fmt: skip
    """A rounded box with its lower left corner at (x, y)."""
    axes.add_patch(
        FancyBboxPatch(
            (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.07", fc=face, ec=edge, lw=1
        )
    )
    if words:
        text(axes, x + width / 2, y + height / 2, words, **more)


def arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str = style.SOFT,
    **more,
) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=9, color=colour, lw=1.1,
            shrinkA=0, shrinkB=0, **more,
        )
    )  # fmt: skip


def strip(
    axes: Axes, x: float, y: float, cell: tuple[float, float], colours: np.ndarray,
    words: Sequence[Sequence[str]] | None = None, size: float = 6.5,
) -> None:  # fmt: skip
    """Cells of ``colours [rows, n, 3]`` below and right of (x, y), optionally with words."""
    width, height = cell
    for row, line in enumerate(colours):
        for i, colour in enumerate(line):
            left, low = x + i * width, y - (row + 1) * height
            axes.add_patch(
                Rectangle(
                    (left + 0.06 * width, low + 0.06 * height), 0.88 * width, 0.88 * height,
                    color=colour, lw=0,
                )
            )  # fmt: skip
            if words is not None:
                dark = float(np.dot(colour, (0.3, 0.59, 0.11))) < 0.62
                text(
                    axes, left + width / 2, low + height / 2, words[row][i], size=size,
                    color=style.PAPER if dark else style.INK,
                )  # fmt: skip


def triple_colours(codes: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """Colours ``[3, L, 3]`` of code triples ``[L, 3]``, a row a part."""
    return np.stack([style.code_colours(codes[:, p], q, counts[p]) for p, q in enumerate(PARTS)])


def state_colours(
    codes: np.ndarray, written: np.ndarray, length: int, counts: Sequence[int]
) -> np.ndarray:
    """Colours ``[3, M, 3]`` of a canvas: unwritten pale, eos grey, else the codes' own."""
    colours = triple_colours(codes, counts)
    colours[:, length:] = style.tint(style.FAINT, 0.55)
    colours[:, ~written] = style.tint(style.FAINT, 0.16)
    return colours


@lru_cache(maxsize=1)
def _body():
    from madis_lib import body

    return body.load()


def render(features: np.ndarray, width: float, height: float, view: str = "front") -> np.ndarray:
    """Pictures uint8 ``[T, h, w, 3]`` of frames ``[T, 133]`` for cells measured in inches."""
    from madis_lib.render.raster import draw_frames

    size = (round(width * PIXELS), round(height * PIXELS))
    return draw_frames(_body(), features, size=size, view=view)


def picture(axes: Axes, x: float, y: float, width: float, height: float, image: np.ndarray) -> None:
    """An image with its lower left corner at (x, y); the axes keep their limits."""
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(image, extent=(x, x + width, y, y + height), aspect="auto", interpolation="none")
    axes.set(xlim=limits[0], ylim=limits[1])


def sign_centres(timeline: Sequence[tuple[str, int, int]], frames: int, count: int) -> np.ndarray:
    """Frames to show: late in each sign, where it is held; evenly spread without a timeline."""
    if not timeline:
        return np.linspace(0, frames - 1, count + 2).astype(int)[1:-1]
    centres = np.array([a + 0.8 * (b - a) for _, a, b in timeline])
    chosen = np.linspace(0, len(centres) - 1, min(count, len(centres))).round().astype(int)
    return centres[chosen].astype(int).clip(0, frames - 1)
