"""Training curves: of the tokenizer, pretraining and fine-tuning; with and without UTC (Fig. 9)."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from madis_lib import paper
from madis_lib.experiments import ablations
from madis_lib.experiments.contrasts import AVERAGES
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.parts import PARTS
from madis_lib.reporting.figures import style
from madis_lib.train import History

PRETRAINING = {
    "sign": "sign tokens (3 parts)",
    "text": "text tokens",
    "latent": "latent",
    "physical": "physical",
}


@style.styled
def training(suite: Suite) -> Figure:
    """Losses against updates: are the runs converging, and how large is each term?"""
    import matplotlib.pyplot as plt

    tokenizer = suite.tokenizer_run.result["history"]
    pretraining = suite.pretrained.result["history"]
    finetuning = {c: suite.finetuned(c).result["history"] for c in suite.corpora}
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.6), layout="constrained")

    lines = {
        "reconstruction": ("reconstruction", style.SERIES[0]),
        "commitment": ("commitment", style.SERIES[1]),
    }
    _draw(axes[0], {label: (tokenizer, key, c) for key, (label, c) in lines.items()})
    axes[0].set(title="(a) Tokenizer", ylabel="loss (smooth L1)")
    perplexities = {
        style.PART_LABELS[p]: (tokenizer, f"perplexity_{p}", style.PART_COLOURS[p]) for p in PARTS
    }
    _draw(axes[1], perplexities, log=False)
    axes[1].set(title="(b) Codebook use", ylabel="perplexity (codes)")
    terms = {
        label: (pretraining, key, style.SERIES[i])
        for i, (key, label) in enumerate(PRETRAINING.items())
    }
    _draw(axes[2], terms)
    axes[2].set(title="(c) Pretraining, three levels", ylabel="loss (nats; smooth L1)")
    names = {c: suite.corpus_name(c) for c in suite.corpora}
    tuned = {names[c]: (finetuning[c], "sign", style.CORPUS_COLOURS[c]) for c in suite.corpora}
    _draw(axes[3], tuned)
    axes[3].set(title="(d) Fine-tuning, sign tokens", ylabel="loss (nats, sum of 3 parts)")
    return style.with_data(
        figure, tokenizer=tokenizer, pretraining=pretraining, finetuning=finetuning
    )


def _draw(axes: Axes, lines: dict[str, tuple[History, str, str]], log: bool = True) -> None:
    for label, (history, key, colour) in lines.items():
        points = [(point["update"], point[key]) for point in history if key in point]
        axes.plot(*zip(*points, strict=True), color=colour, label=label, lw=1.4)
    axes.set_xlabel("update")
    axes.set_xlim(0, None)
    if log:
        _log(axes)
    else:
        axes.set_ylim(0, None)
    axes.grid(axis="y")
    columns = 2 if len(lines) == 4 else 1
    axes.legend(
        handlelength=1.2, labelspacing=0.3, columnspacing=1, ncols=columns,
        loc="upper left", bbox_to_anchor=(-0.04, -0.2), borderpad=0,
    )  # fmt: skip


def _log(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def watched(suite: Suite) -> dict[str, dict[int, Run]]:
    """The finished trainings of Fig. 9 by row and seed, where both rows have some."""
    found = {row: ablations.by_seed(suite, partial(_watched, row=row)) for row in ablations.FIG_9}
    return found if all(found.values()) else {}


def _watched(world: Suite, seed: int, row: str) -> Run:
    return ablations.watched(world, seed, row)


@style.styled
def fig9(suite: Suite) -> Figure:
    """Token loss and validation SiBLEU against updates, a thin line a seed, their mean thick."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    measures = (("sign",), tuple(f"val {m}" for m in AVERAGES["sibleu"]))
    drawn = {}
    for i, (row, runs) in enumerate(watched(suite).items()):
        label, colour = paper.FIG_9.row(row).label, style.SERIES[i]
        for panel, names in zip(axes, measures, strict=True):
            histories = [
                [(p["update"], np.mean([p[n] for n in names])) for p in run.result["history"]
                 if names[0] in p]
                for run in runs.values()
            ]  # fmt: skip
            updates, values = np.array(histories).transpose(2, 0, 1)
            panel.plot(updates.T, values.T, color=style.tint(colour, 0.45), lw=0.8)
            panel.plot(
                updates[0], values.mean(0), color=colour, lw=2, label=label, ls=("--", "-")[i]
            )
            drawn[f"{row} {names[0]}"] = values.tolist()
    axes[0].set(title="(a) Training loss of the tokens", ylabel="loss (nats, sum of 3 parts)")
    axes[1].set(title="(b) Validation", ylabel="SiBLEU, mean of body and hands", ylim=(0, None))
    _log(axes[0])
    for panel in axes:
        panel.set(xlabel="update of fine-tuning", xlim=(0, None))
        panel.grid(axis="y")
    axes[0].legend()
    return style.with_data(figure, seeds=list(runs), **drawn)
