"""Fig. 5: truth, SOKE and MaDiS, one sentence a corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from madis_lib.data import signworld
from madis_lib.experiments import side_by_side
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.drawing import picture, render, sheet, text

WIDTH, LEFT, CELL, RIBBON, CHART = 11.5, 1.35, 1.0, 0.26, 0.55  # inches
GAP = 0.12


@style.styled
def fig5(suite: Suite) -> Figure:
    """Frames, glosses and the error of every frame, on one axis of time.

    ValueError where nothing was signed side by side.
    """
    found = side_by_side.finished(suite)
    if not found:
        raise ValueError("nothing was signed side by side: madis reproduce --only fig5 does it")
    blocks = [_height(result) for result in found.values()]
    height = sum(blocks)
    figure, axes = sheet(WIDTH, height)
    top = height
    for (corpus, result), block in zip(found.items(), blocks, strict=True):
        _block(axes, result, suite.corpus_name(corpus), signworld.FPS[corpus], top)
        top -= block
    kept = ("text", "index", "rule", "glosses", "errors")
    return style.with_data(figure, corpora={c: {k: r[k] for k in kept} for c, r in found.items()})


def _height(result: dict[str, Any]) -> float:
    systems = len(result["clips"]) - 1
    ribbons = RIBBON * len(result["glosses"])
    return 0.6 + CELL * (systems + 1) + ribbons + CHART * systems + GAP * (systems + 1) + 0.35


def _block(axes: Axes, result: dict[str, Any], name: str, fps: float, top: float) -> None:
    """A corpus: its sentence, then a row a clip."""
    longest = max(len(clip) for clip in result["clips"].values())
    scale = (WIDTH - LEFT - 0.15) / longest  # inches a frame
    worst = max(max(e) for e in result["errors"].values())
    text(axes, 0.1, top - 0.18, f"{name}: “{result['text']}”", ha="left", weight="bold", size=10.5)
    y = top - 0.38
    for label, clip in result["clips"].items():
        y -= CELL
        text(axes, 0.1, y + CELL / 2, label, ha="left", weight="bold")
        count = max(1, int(scale * len(clip) / CELL))
        shown = ((np.arange(count) + 0.5) * len(clip) / count).astype(int)
        for frame, image in zip(shown, render(np.array(clip)[shown], CELL, CELL), strict=True):
            picture(axes, LEFT + scale * frame - CELL / 2, y, CELL, CELL, image)
        if label in result["glosses"]:
            y -= RIBBON
            for gloss, a, b in result["glosses"][label]:
                _ribbon(axes, gloss, LEFT + scale * a, LEFT + scale * b, y)
        if label in result["errors"]:
            y -= CHART
            _errors(axes, result["errors"][label], scale, y, worst)
        y -= GAP
    for second in range(int(longest / fps) + 1):
        x = LEFT + scale * fps * second
        axes.plot([x, x], [y + 0.04, y + 0.1], color=style.FAINT, lw=0.8)
        text(axes, x, y - 0.06, f"{second} s", size=8, color=style.SOFT)


def _ribbon(axes: Axes, gloss: str, start: float, end: float, y: float) -> None:
    axes.plot([start + 0.02, end - 0.02], [y + 0.22] * 2, color=style.SOFT, lw=1.2)
    text(axes, (start + end) / 2, y + 0.1, gloss, size=7.5, color=style.SOFT)


def _errors(axes: Axes, errors: list[float], scale: float, y: float, worst: float) -> None:
    """Error of each frame as an area, drawn to the scale of the block's largest."""
    x = LEFT + scale * (np.arange(len(errors)) + 0.5)
    tall = y + 0.06 + (CHART - 0.14) * np.array(errors) / worst
    axes.fill_between(x, y + 0.06, tall, color=style.tint(style.BAD, 0.35), lw=0)
    axes.plot(x, tall, color=style.BAD, lw=1)
    text(axes, LEFT - 0.12, y + CHART / 2 + 0.08, f"off by, mean {np.mean(errors):.0f} mm", ha="right",
         size=7.5, color=style.SOFT)  # fmt: skip
    text(axes, LEFT - 0.12, y + CHART / 2 - 0.08, f"most {np.max(errors):.0f} mm", ha="right",
         size=7.5, color=style.SOFT)  # fmt: skip
