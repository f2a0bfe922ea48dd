"""Statistics of SignWorld beside what is known of the real corpora."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from madis_lib.data import signworld
from madis_lib.experiments.suite import Suite
from madis_lib.parts import FRAMES_PER_TOKEN
from madis_lib.reporting.figures import style

# Phoenix-2014T: about 16 frames a gloss at 25 frames a second, transitions included, and 9.6
# glosses a sentence.
REAL_SECONDS_PER_GLOSS = 16 / 25
REAL_GLOSSES_PER_SENTENCE = 9.6
REAL_TOKENS_PER_GLOSS = 16 / FRAMES_PER_TOKEN


@style.styled
def corpus_statistics(suite: Suite) -> Figure:
    """Tokens a sign, seconds a sign and signs a sentence of the training sets."""
    import matplotlib.pyplot as plt

    tokens, seconds, lengths = {}, {}, {}
    for corpus in suite.corpora:
        truth = suite.truth(corpus, "train")
        if truth is None:
            raise ValueError("statistics of signs need SignWorld's truth")
        frames = np.array([b - a for t in truth for _, a, b in t["timeline"]])
        tokens[corpus] = frames / FRAMES_PER_TOKEN
        seconds[corpus] = frames / signworld.FPS[corpus]
        lengths[corpus] = np.array([len(t["glosses"]) for t in truth])
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.3), layout="constrained")
    top = max(v.max() for v in tokens.values())
    _draw(axes[0], tokens, np.arange(0.5, top + 1), REAL_TOKENS_PER_GLOSS, "4 tokens")
    axes[0].set(title="(a) Tokens a sign", xlabel="tokens, transition included")
    axes[0].set_ylabel("share of signs (%)")
    bins = np.linspace(0, max(v.max() for v in seconds.values()), 16)
    _draw(axes[1], seconds, bins, REAL_SECONDS_PER_GLOSS, "0.64 s")
    axes[1].set(title="(b) Duration of a sign", xlabel="seconds", ylabel="share of signs (%)")
    top = max(v.max() for v in lengths.values())
    bins = np.arange(0.5, max(top, REAL_GLOSSES_PER_SENTENCE) + 1)
    _draw(axes[2], lengths, bins, REAL_GLOSSES_PER_SENTENCE, "9.6 signs")
    axes[2].set(title="(c) Length of a sentence", xlabel="signs", ylabel="share of sentences (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4)
    means = {
        c: {"tokens": tokens[c].mean(), "seconds": seconds[c].mean(), "glosses": lengths[c].mean()}
        for c in suite.corpora
    }
    return style.with_data(
        figure, split="train", mean=means, signs={c: len(tokens[c]) for c in suite.corpora},
        sentences={c: len(lengths[c]) for c in suite.corpora},
    )  # fmt: skip


def _draw(axes: Axes, values: dict[str, np.ndarray], bins: np.ndarray, real: float, told: str):
    for corpus, found in values.items():
        height, edges = np.histogram(found, bins)
        used = slice(height.nonzero()[0][0], height.nonzero()[0][-1] + 1)  # no line along zero
        share = 100 * height[used] / height.sum()
        edges = edges[used.start : used.stop + 1]
        label = f"{corpus}, synthetic signing"
        axes.stairs(share, edges, color=style.CORPUS_COLOURS[corpus], lw=1.8, label=label)
    axes.axvline(real, color=style.INK, lw=1.2, ls=(0, (4, 3)), label="real Phoenix-2014T, mean")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
    axes.annotate(
        told, (real, 1), xycoords=("data", "axes fraction"), xytext=(4, -2), fontsize=8.5,
        textcoords="offset points", va="top", color=style.INK,
    )  # fmt: skip
    axes.grid(axis="y")
