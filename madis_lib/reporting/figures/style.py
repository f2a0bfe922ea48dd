"""One look for every figure, and how a figure is kept with the numbers it shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib

matplotlib.use("Agg", force=False)

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from madis_lib.files import atomic_write
from madis_lib.render.strip import fonts, legible

INK, SOFT, FAINT, LINE, PAPER = "#1c2430", "#5d6878", "#98a2b3", "#dfe4ec", "#ffffff"
MASKED = "#eceff4"  # a position not yet written
# Parts wear the colours of the rendered body: shirt, left hand, right hand.
PART_COLOURS = {"body": "#4a5d80", "left": "#2b7fd0", "right": "#e07a10"}
PART_LABELS = {"body": "upper body", "left": "left hand", "right": "right hand"}
# Okabe and Ito's palette, told apart by every kind of colour vision.
CORPUS_COLOURS = {"csl": "#0072b2", "phoenix": "#d55e00", "how2sign": "#009e73"}
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
ACCENT, GOOD, BAD = "#1f5fd1", "#00704f", "#b03a00"

_P = ParamSpec("_P")


def settings() -> Any:  # matplotlib's own type lists its keys one by one
    """matplotlib settings of every figure, a dict."""
    return {
        "figure.facecolor": PAPER,
        "figure.dpi": 110,
        "savefig.dpi": 200,
        "font.family": fonts(),
        "font.size": 9.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.linewidth": 0.8,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 0.7,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 1.8,
        "svg.fonttype": "path",
        "svg.hashsalt": "madis",
    }


def styled(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Run a drawing function in the common style; its figure is shown by whoever displays it."""

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with plt.rc_context(settings()):
            figure = legible(draw(*args, **kwargs))
        plt.close(figure)
        return figure

    return drawn


def with_data(figure: Figure, **data: Any) -> Figure:
    """Keep the numbers a figure shows with it, for its sidecar."""
    figure.data = data  # type: ignore[attr-defined]
    return figure


def save(figure: Figure, folder: Path, name: str, provenance: Mapping[str, Any]) -> None:
    """``name.svg``, ``name.png`` and ``name.json``: picture, and its data with provenance."""
    with plt.rc_context(settings()):
        for suffix, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            with atomic_write(folder / f"{name}.{suffix}") as temporary:
                figure.savefig(temporary, format=suffix, metadata=metadata)
    sidecar = {"figure": name, "provenance": dict(provenance), "data": getattr(figure, "data", {})}
    with atomic_write(folder / f"{name}.json") as temporary:
        text = json.dumps(sidecar, ensure_ascii=False, indent=1, default=_plain)
        temporary.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be part of a figure's data")


def tint(colour: str, share: float) -> tuple[float, float, float]:
    """A colour mixed with white; ``share`` 1 is the colour itself."""
    rgb = np.array(to_rgb(colour))
    return tuple(1 - share * (1 - rgb))


def code_colours(codes: np.ndarray, part: str, count: int) -> np.ndarray:
    """A shade of the part's colour for every code, the same code the same shade; ``[..., 3]``.

    Codes have no order, so they are spread over the shades by a multiplicative hash.
    """
    spread = (np.asarray(codes) * 0.6180339887) % 1.0 if count > 1 else np.zeros(np.shape(codes))
    share = 0.25 + 0.7 * spread[..., None]
    return 1 - share * (1 - np.array(to_rgb(PART_COLOURS[part])))


def bare(axes: Axes) -> Axes:
    """Axes as a drawing area: no ticks, no frame."""
    axes.set_axis_off()
    return axes


def direct_label(axes: Axes, x: float, y: float, text: str, colour: str, **more: Any) -> None:
    """A label beside its line instead of a legend."""
    axes.annotate(
        text, (x, y), xytext=(5, 0), textcoords="offset points", color=colour,
        va="center", annotation_clip=False, **more,
    )  # fmt: skip
