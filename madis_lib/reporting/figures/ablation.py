"""What the rows of an ablation lose or gain against the full method."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from madis_lib import presets
from madis_lib.experiments import ablations
from madis_lib.experiments.contrasts import MIN_SEEDS
from madis_lib.experiments.evaluate import METRICS
from madis_lib.experiments.suite import Suite
from madis_lib.reporting import ablation_tables, tables
from madis_lib.reporting.figures import style

# Colour and filling of a difference: better, worse, neither.
LOOKS = {"yes": (style.GOOD, True), "no": (style.BAD, True), "": (style.SOFT, False)}
OPEN = f"not separated, or not judged (fewer than {MIN_SEEDS} seeds; smoke size)"
MEANING = {"yes": "better", "no": "worse", "": OPEN}
COLUMNS = 3


@style.styled
def differences(suite: Suite, artefact: str) -> Figure:
    """Row minus the full method with 95 % paired intervals, a panel a metric.

    Right of zero is better in every panel: the axis runs backwards where lower is better.

    Raises:
        ValueError: no seed with which every row is finished.
    """
    import matplotlib.pyplot as plt

    found = ablation_tables.differences(suite, artefact)
    if found.empty:
        raise ValueError(f"{artefact} has no seed with which every row is finished: run its rows")
    labels = list(found.label.unique())
    metrics = list(found.metric.unique())
    lines = -(-len(metrics) // COLUMNS)
    figure, grid = plt.subplots(
        lines, COLUMNS, figsize=(9.5, lines * (0.95 + 0.27 * len(labels)) + 0.6),
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for axes, metric in zip(grid.flat, metrics, strict=False):
        _panel(axes, found[found.metric == metric], labels, METRICS[metric].better < 0)
        first = axes in grid[:, 0]
        axes.set_yticks(range(len(labels)), labels if first else [""] * len(labels))
    for axes in grid.flat[len(metrics) :]:
        style.bare(axes)
    for better, meaning in MEANING.items():
        colour, filled = LOOKS[better]
        grid[0, 0].plot([], [], "o", color=colour, mfc=colour if filled else style.PAPER,
                        label=meaning)  # fmt: skip
    figure.legend(loc="outside lower right", ncols=3, handletextpad=0.1, columnspacing=1)
    n, seeds = found.n.iloc[0], found.seeds.iloc[0]
    told = f"{n} test sentences, {seeds} seed{'s' if seeds > 1 else ''}, 95 % paired intervals"
    smoke = presets.is_smoke(ablations.world(suite).preset.name)
    figure.suptitle(
        f"Row minus the full method: {told}" + (f"; {tables.SMOKE}" if smoke else ""),
        x=0.01, ha="left", fontsize=10.5,
    )  # fmt: skip
    return style.with_data(figure, rows=found.to_dict("records"))


def _panel(axes: Axes, found: pd.DataFrame, labels: list[str], lower: bool) -> None:
    for cell in found.itertuples():
        colour, filled = LOOKS[cell.better]
        y = labels.index(cell.label)
        axes.plot([cell.low, cell.high], [y, y], color=colour, lw=1.8)
        axes.plot(cell.estimate, y, "o", ms=6, color=colour, mfc=colour if filled else style.PAPER)
    axes.axvline(0, color=style.INK, lw=1)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    if lower:
        axes.invert_xaxis()
    m = METRICS[found.metric.iloc[0]]
    unit = f" ({m.unit})" if m.unit else ""
    axes.set_xlabel(f"difference{unit}, better →")
    axes.set_title(m.label)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
