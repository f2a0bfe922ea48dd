"""Training curves of the tokenizer, pretraining and fine-tuning."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

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
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, None)
    axes.grid(axis="y")
    columns = 2 if len(lines) == 4 else 1
    axes.legend(
        handlelength=1.2, labelspacing=0.3, columnspacing=1, ncols=columns,
        loc="upper left", bbox_to_anchor=(-0.04, -0.2), borderpad=0,
    )  # fmt: skip
