"""The surest places first, or in any order: what confidence is worth."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from madis_lib.experiments import ablations
from madis_lib.experiments import order as orders
from madis_lib.experiments.evaluate import METRICS
from madis_lib.experiments.order import AT_RANDOM, PACES, SUREST, Panel, key
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.figures import style

METRIC = "gloss_error"
LOOKS = {SUREST: ("o", style.SERIES[0]), AT_RANDOM: ("s", style.SERIES[1])}


@style.styled
def order(suite: Suite) -> Figure:
    """A panel a kind of model, a curve an order; ValueError where none is finished."""
    import matplotlib.pyplot as plt

    found = orders.panels(suite)
    if not found:
        raise ValueError("nothing is finished: madis reproduce --only utc_map order does it")
    figure, grid = plt.subplots(
        1, len(found), figsize=(3.9 * len(found), 3.5), layout="constrained", sharey=True,
        squeeze=False,
    )  # fmt: skip
    points = [
        point for axes, panel in zip(grid[0], found, strict=True) for point in _draw(axes, panel)
    ]
    m = METRICS[METRIC]
    where = suite.corpus_name(ablations.corpus_of(suite))
    grid[0][0].set_ylabel(f"{m.label} ({m.unit}), {where}")
    grid[0][0].invert_yaxis()  # better is up
    grid[0][0].legend(title="places are written", loc="best")
    return style.with_data(figure, metric=METRIC, points=points)


def _draw(axes: Axes, panel: Panel) -> list[dict[str, Any]]:
    points = []
    for rule, (marker, colour) in LOOKS.items():
        for i, pace in enumerate(PACES):
            estimate = panel.scored.contrast({key(pace, rule): 1}, METRIC)
            gap = panel.scored.contrast({key(pace, AT_RANDOM): 1, key(pace, SUREST): -1}, METRIC)
            assert estimate is not None and gap is not None
            at, of = i + (-0.06 if rule == SUREST else 0.06), estimate.interval()
            axes.plot([at, at], [of.low, of.high], color=style.tint(colour, 0.5), lw=1.6, zorder=1)
            points.append(
                {"model": panel.label, "tokens_per_step": pace, "rule": rule, "at": at,
                 **of._asdict(), "at_random_minus_surest": gap.interval()._asdict()}
            )  # fmt: skip
        mine = [p for p in points if p["rule"] == rule]
        label = "surest first" if rule == SUREST else rule
        axes.plot([p["at"] for p in mine], [p["estimate"] for p in mine], marker=marker, color=colour,
                  label=label)  # fmt: skip
    axes.set_xticks(range(len(PACES)), [str(p) for p in PACES])
    trained = f"{panel.updates:,} updates, {panel.seeds} seed{'s' if panel.seeds > 1 else ''}"
    axes.set(xlabel="tokens a step", title=f"{panel.label}\n{trained}")
    axes.margins(x=0.12)
    axes.grid(axis="y")
    return points
