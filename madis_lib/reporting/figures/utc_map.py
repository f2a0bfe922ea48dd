"""When temporal checkpoints help: Table 3's comparison under other conditions."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from madis_lib.experiments import ablations
from madis_lib.experiments import utc_map as conditions
from madis_lib.experiments.contrasts import MIN_SEEDS, is_better
from madis_lib.experiments.evaluate import METRICS
from madis_lib.experiments.suite import Suite
from madis_lib.experiments.utc_map import Point
from madis_lib.reporting.figures import style

SHOWN = ("gloss_error", "sibleu_hands", "dtw_hands")


@style.styled
def utc_map(suite: Suite) -> Figure:
    """With minus without checkpoints, a row a condition; ValueError where nothing was measured.

    In colour is what :func:`is_better` calls better or worse.
    """
    import matplotlib.pyplot as plt

    points = conditions.differences(suite, SHOWN)
    if not points:
        raise ValueError("no condition was measured: madis reproduce --only table3 utc_map does it")
    rows = list(dict.fromkeys((p.axis, p.label) for p in points))
    preset = ablations.world(suite).preset.name
    shown = [m for m in SHOWN if any(p.metric == m for p in points)]
    figure, grid = plt.subplots(
        1, len(shown), figsize=(11.5, 1.5 + 0.3 * len(rows)), layout="constrained", sharey=True,
        squeeze=False,
    )  # fmt: skip
    for axes, metric in zip(grid[0], shown, strict=True):
        _draw(axes, metric, [p for p in points if p.metric == metric], rows, preset)
    seeds = {(p.axis, p.label): len(p.estimate.by_seed) for p in points}
    labels = [
        (f"{axis}: {label}" if label else axis)
        + (f" (seeds: {seeds[axis, label]})" if seeds[axis, label] < MIN_SEEDS else "")
        for axis, label in rows
    ]
    grid[0][0].set_yticks(range(len(rows)), labels)
    grid[0][0].invert_yaxis()
    found = [
        {"axis": p.axis, "label": p.label, "metric": p.metric, "sentences": p.sentences,
         "by_seed": p.estimate.by_seed, **p.estimate.interval()._asdict()}
        for p in points
    ]  # fmt: skip
    return style.with_data(figure, points=found)


def _draw(
    axes: Axes, metric: str, points: list[Point], rows: list[tuple[str, str]], preset: str
) -> None:
    m = METRICS[metric]
    axes.axvline(0, color=style.FAINT, lw=1)
    for row, (axis, _) in enumerate(rows):
        if row and axis != rows[row - 1][0]:
            axes.axhline(row - 0.5, color=style.LINE, lw=0.8)
    for p in points:
        at, found = rows.index((p.axis, p.label)), p.estimate.interval()
        apart = is_better(p.estimate, metric, preset) is not None
        helps = found.estimate * m.better > 0
        colour = (style.GOOD if helps else style.BAD) if apart else style.SOFT
        axes.plot([found.low, found.high], [at, at], color=colour, lw=1.6)
        axes.plot(found.estimate, at, "o" if helps else "s", color=colour, ms=6,
                  mfc=colour if apart else style.PAPER)  # fmt: skip
        axes.plot(p.estimate.by_seed, [at + 0.28] * len(p.estimate.by_seed), "|",
                  color=style.FAINT, ms=5)  # fmt: skip
    unit = f" ({m.unit})" if m.unit else ""
    side = "left" if m.better < 0 else "right"
    axes.set(title=f"{m.label}", xlabel=f"with minus without checkpoints{unit}\n{side}: they help")
    axes.grid(axis="x")
