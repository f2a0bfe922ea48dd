"""Fig. 7b with an oracle for signers: which metric ranks motions as the oracle does, which is blind."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from madis_lib import paper
from madis_lib.experiments import agreement, panel
from madis_lib.experiments.agreement import MEASURES
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.figures import style

SHORT = {
    "dtw": "DTW-JPE",
    "dtw_body": "DTW-JPE body",
    "dtw_hands": "DTW-JPE hands",
    "mm": "DTW per pair",
    "unaligned": "no warping",
    "procrustes": "DTW, Procrustes",
    "sibleu": "SiBLEU",
    "siclip": "SiCLIP",
    "siclip_r1": "SiCLIP R@1",
    "back_translation": "back-translation",
}
IN_PAPER = {"dtw": "dtw", "sibleu": "sibleu", "siclip": "siclip_r1"}  # row of Fig. 7b, our column
COMPARED = (
    "dtw",
    "mm",
    "unaligned",
    "procrustes",
    "sibleu",
    "siclip",
    "siclip_r1",
    "back_translation",
)
LEVELS = {
    "clips": "every clip",
    "content": "errors of content",
    "conditions": "means of conditions",
    agreement.SYSTEM: "MaDiS's clips alone",
}
# Conditions by what was done to them: colour and marker, told apart by either.
KINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "true signing": ("#009e73", "o", (agreement.TRUTH, agreement.ROUND_TRIP, agreement.OTHER_SIGNER)),
    "time": ("#56b4e9", ">", ("faster × 0.7", "slower × 1.4", "uneven tempo")),
    "noise": ("#999999", "s", ("noise 2°", "noise 5°", "noise 10°")),
    "signs left out or moved": (
        "#e69f00",
        "^",
        ("one sign dropped", "half dropped", "two signs swapped", "order reversed"),
    ),
    "turned or mirrored": (
        "#cc79a7",
        "D",
        ("mirrored", "palms turned 30°", "palms turned 90°", "body turned 15°", "body turned 45°"),
    ),
    "another sentence, or none": (
        "#d55e00",
        "X",
        ("other sentence's hands", "other sentence's arms", "wrong sentence", "mean pose"),
    ),
    "systems": ("#0072b2", "*", ()),  # all other conditions
}  # fmt: skip


@style.styled
def fig7b(suite: Suite) -> Figure:
    """Bars of ρ with 95 % intervals, a row a level, a column a corpus."""
    import matplotlib.pyplot as plt

    found = {c: panel.analysed(suite, c).result for c in suite.corpora}
    shown = [m for m in COMPARED if m in {r["metric"] for r in found[suite.corpora[0]]["rho"]}]
    figure, grid = plt.subplots(
        len(LEVELS), len(suite.corpora), figsize=(11.5, 10.5), layout="constrained",
        sharex=True, squeeze=False,
    )  # fmt: skip
    for row, (level, told) in enumerate(LEVELS.items()):
        for column, corpus in enumerate(suite.corpora):
            axes = grid[row][column]
            values = {r["metric"]: r for r in found[corpus]["rho"] if r["level"] == level}
            for place, metric in enumerate(shown):
                v = values[metric]
                colour = style.ACCENT if metric in IN_PAPER.values() else style.FAINT
                axes.barh(place, v["estimate"], 0.62, color=colour)
                axes.plot([v["low"], v["high"]], [place] * 2, color=style.INK, lw=1.6)
            axes.set_yticks(range(len(shown)), [SHORT[m] for m in shown] if column == 0 else [])
            axes.set_ylim(len(shown) - 0.4, -0.6)
            axes.axvline(0, color=style.FAINT, lw=0.8)
            axes.set_xlim(min(0, *(r["low"] for of in found.values() for r in of["rho"])), 1)
            axes.grid(axis="x")
            axes.tick_params(axis="y", length=0)
            if row == 0:
                axes.set_title(suite.corpus_name(corpus))
            if row == len(LEVELS) - 1:
                axes.set_xlabel("Spearman's ρ with the oracle\n(below 0: the wrong way round)")
        grid[row][0].set_ylabel(told)
    reported = _reported()
    figure.supxlabel(reported, fontsize=9, color=style.SOFT)
    rows = [{"corpus": c, **row} for c, of in found.items() for row in of["rho"]]
    over = [{"corpus": c, **row} for c, of in found.items() for row in of["over_dtw"]]
    return style.with_data(figure, rho=rows, over_dtw=over, paper=reported)


def _reported() -> str:
    """The paper's own values, in words: they are about signers, so no axis is shared with them."""
    cells = {row: paper.FIG_7B.printed(row, "csl.spearman") for row in IN_PAPER}
    label = {"dtw": "DTW-JPE", "sibleu": "SiBLEU", "siclip": "SiCLIP"}
    if all(cell == paper.ONLY_DRAWN for cell in cells.values()):
        values = "drawn, not printed; its text says SiBLEU and SiCLIP are strong, DTW-JPE weaker"
    else:
        values = ", ".join(f"{label[row]} {cell}" for row, cell in cells.items())
    return f"As reported by the paper, five signers, real CSL-Daily: {values}."


@style.styled
def metric_scatter(suite: Suite) -> Figure:
    """Each metric against the oracle, a point a condition: means over sentences."""
    import matplotlib.pyplot as plt

    found = {c: panel.analysed(suite, c).result["means"] for c in suite.corpora}
    present = {row["metric"] for row in found[suite.corpora[0]]}
    shown = [
        m for m in ("dtw", "unaligned", "sibleu", "siclip", "back_translation") if m in present
    ]
    figure, grid = plt.subplots(
        len(shown), len(suite.corpora), figsize=(11.5, 2.7 * len(shown) + 0.7),
        layout="constrained", sharex=True, squeeze=False,
    )  # fmt: skip
    for row, metric in enumerate(shown):
        for column, corpus in enumerate(suite.corpora):
            axes = grid[row][column]
            _scatter(axes, found[corpus], metric)
            if row == 0:
                axes.set_title(suite.corpus_name(corpus))
            if column == 0:
                m = MEASURES[metric]
                unit = f" ({m.unit})" if m.unit else ""
                axes.set_ylabel(
                    f"{SHORT[metric]}{unit}\n{'higher' if m.better > 0 else 'lower'} is better"
                )
            if row == len(shown) - 1:
                axes.set_xlabel("oracle's gloss accuracy (%)")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    rows = [{"corpus": c, **row} for c, of in found.items() for row in of]
    return style.with_data(figure, means=rows)


def _scatter(axes: Axes, means: list[dict], metric: str) -> None:
    value = {(r["condition"], r["metric"]): r["mean"] for r in means}
    named = {c for *_, conditions in KINDS.values() for c in conditions}
    others = tuple(dict.fromkeys(c for c, _ in value if c not in named))
    for kind, (colour, marker, chosen) in KINDS.items():
        conditions = chosen or others
        x, y = np.array(
            [(100 * value[c, agreement.ORACLE], value[c, metric]) for c in conditions]
        ).T
        axes.scatter(
            x, y, s=70 if marker == "*" else 38, c=colour, marker=marker,
            edgecolors=style.PAPER, linewidths=0.6, label=kind, zorder=3, clip_on=False,
        )  # fmt: skip
    axes.set_xlim(-2, 102)
    if MEASURES[metric].better < 0:
        axes.set_ylim(axes.get_ylim()[::-1])  # better is up in every panel
    axes.grid()


@style.styled
def metric_blindness(suite: Suite) -> Figure:
    """Share of sentences that a metric ranks below another signer's, by condition and metric."""
    import matplotlib.pyplot as plt

    found = {c: panel.analysed(suite, c).result["sight"] for c in suite.corpora}
    metrics = [m for m in COMPARED if m in {r["metric"] for r in found[suite.corpora[0]]}]
    conditions = list(dict.fromkeys(row["condition"] for row in found[suite.corpora[0]]))
    figure, grid = plt.subplots(
        1, len(suite.corpora), figsize=(11.5, 0.3 * len(conditions) + 1.9),
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for column, corpus in enumerate(suite.corpora):
        axes = grid[0][column]
        cell = {(r["condition"], r["metric"]): r for r in found[corpus]}
        share = np.array([[cell[c, m]["seen"] for m in metrics] for c in conditions])
        image = axes.imshow(share, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for i, c in enumerate(conditions):
            for j, m in enumerate(metrics):
                mark = "✗" if cell[c, m]["blind"] else "!" if cell[c, m]["false_alarm"] else ""
                dark = share[i, j] < 0.5
                axes.text(
                    j, i, mark, ha="center", va="center", fontsize=10, fontweight="bold",
                    color=style.PAPER if dark else style.INK,
                )  # fmt: skip
        falls = [cell[c, metrics[0]]["oracle_falls"] for c in conditions]
        labels = [f"{c} {'▼' if f else '  '}" for c, f in zip(conditions, falls, strict=True)]
        axes.set_yticks(
            range(len(conditions)),
            labels if column == 0 else ["▼" if f else "" for f in falls],
        )
        axes.set_xticks(range(len(metrics)), [SHORT[m] for m in metrics], rotation=60, ha="right")
        axes.tick_params(length=0)
        axes.set_title(suite.corpus_name(corpus))
        for side in axes.spines.values():
            side.set_visible(False)
    figure.colorbar(
        image, ax=grid[0].tolist(), label="share of sentences scored worse than another signer's",
        shrink=0.6,
    )  # fmt: skip
    rows = [{"corpus": c, **row} for c, of in found.items() for row in of]
    return style.with_data(figure, sight=rows)
