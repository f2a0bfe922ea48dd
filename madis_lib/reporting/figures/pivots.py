"""What happens to the pivots when a schedule is not made for them: the release's, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from madis_lib.release import schedule
from madis_lib.reporting.figures import style

STRIDES = {4: "every 4th", 2: "every 2nd", 1: "all"}
WORST = 4  # errors beyond this share a colour


@style.styled
def release_pivots(
    num_tokens: int = 100, steps: int = 25, sizes: Sequence[int] = tuple(range(8, 129, 4))
) -> Figure:
    """Tokens the release writes on and off its grid, and how far it is from its first pivot."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 3.7), width_ratios=(1.25, 1), layout="constrained"
    )
    plan, leaks = _draw_steps(left, num_tokens, steps)
    errors = _draw_map(right, sizes, max(sizes))
    return style.with_data(
        figure, num_tokens=num_tokens, plan=plan, off_grid=leaks, sizes=list(sizes), errors=errors
    )


def _draw_steps(axes: Axes, num_tokens: int, steps: int) -> tuple[list[tuple[int, int]], list[int]]:
    plan, leaks = schedule.plan(num_tokens, steps), schedule.off_grid(num_tokens, steps)
    counts, off, step = np.array([n for _, n in plan]), np.array(leaks), np.arange(1, steps + 1)
    axes.bar(step, counts - off, color=style.SERIES[0], width=0.8, label="on the grid")
    axes.bar(step, off, bottom=counts - off, color=style.SERIES[1], width=0.8, label="off the grid",
             hatch="///", edgecolor=style.PAPER)  # fmt: skip
    first = 0
    for stride, name in STRIDES.items():
        last = first + sum(s == stride for s, _ in plan)
        axes.text((first + last + 1) / 2, max(counts) + 0.35, name, ha="center", color=style.ACCENT)
        if last < steps:
            axes.axvline(last + 0.5, color=style.ACCENT, lw=1.2)
        first = last
    axes.set(xlim=(0.3, steps + 0.7), ylim=(0, max(counts) + 1.6), xlabel="sampling step")
    axes.set_ylabel("tokens written")
    axes.set_title(f"(a) {num_tokens} tokens in {steps} steps")
    axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.0), handlelength=1.2)
    return plan, leaks


def _draw_map(axes: Axes, sizes: Sequence[int], most: int) -> dict[str, int]:
    """Colour: tokens too many (orange) or missing (blue) when the first stage ends."""
    steps = range(4, most + 1, 2)
    errors = {(m, s): schedule.pivot_errors(m, s)[0] for m in sizes for s in steps if s <= m}
    grid = np.ma.masked_all((len(sizes), len(steps)))
    for (m, s), error in errors.items():
        grid[list(sizes).index(m), (s - 4) // 2] = np.clip(error, -WORST, WORST)
    colours = [style.tint(style.SERIES[0], x) for x in (1, 0.75, 0.5, 0.25)]
    colours += [style.tint(style.SERIES[1], x) for x in (0, 0.25, 0.5, 0.75, 1)]  # 0 is white
    edges = np.arange(-WORST, WORST + 2) - 0.5
    image = axes.pcolormesh(
        steps, sizes, grid, cmap=ListedColormap(colours), norm=BoundaryNorm(edges, len(colours)),
        shading="nearest", rasterized=True,
    )  # fmt: skip
    bar = axes.figure.colorbar(image, ax=axes, ticks=range(-WORST, WORST + 1, 2))
    bar.ax.set_yticklabels([f"≤ −{WORST}", "−2", "0", "+2", f"≥ +{WORST}"])
    bar.set_label("tokens beyond T/4")
    axes.plot(25, 100, "o", mfc="none", mec=style.INK, ms=8)
    axes.annotate(
        "default", (25, 100), xytext=(9, 7), textcoords="offset points",
        bbox={"fc": style.PAPER, "ec": "none", "pad": 1.5},
    )  # fmt: skip
    axes.set(xlabel="sampling steps", ylabel="tokens M", facecolor=style.MASKED)
    axes.set_title("(b) Error at the first pivot")
    axes.legend(handles=[Patch(color=style.MASKED, label="more steps than tokens")],
                loc="lower right", handlelength=1)  # fmt: skip
    return {f"M{m}_steps{s}": error for (m, s), error in errors.items()}
