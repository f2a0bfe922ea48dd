"""The figures of the report; each function takes a :class:`Suite` and returns a Figure.

``figure.data`` holds the numbers that are drawn; :func:`save` writes them beside the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from madis_lib.experiments import efficiency, side_by_side
from madis_lib.experiments import order as order_of_places
from madis_lib.experiments import utc_map as conditions
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.figures.ablation import differences
from madis_lib.reporting.figures.architecture import fig2
from madis_lib.reporting.figures.comparison import fig5
from madis_lib.reporting.figures.confidence import order
from madis_lib.reporting.figures.corpus import corpus_statistics
from madis_lib.reporting.figures.curves import fig9, training, watched
from madis_lib.reporting.figures.gates import fig4, fig10
from madis_lib.reporting.figures.headline import headline
from madis_lib.reporting.figures.masked import fig8
from madis_lib.reporting.figures.metrics import fig7b, metric_blindness, metric_scatter
from madis_lib.reporting.figures.orders import fig3
from madis_lib.reporting.figures.overview import fig1
from madis_lib.reporting.figures.speed import fig6, fig7c
from madis_lib.reporting.figures.strips import strip
from madis_lib.reporting.figures.style import save
from madis_lib.reporting.figures.utc_map import utc_map

__all__ = [
    "ALL",
    "Entry",
    "corpus_statistics",
    "differences",
    "fig1",
    "fig2",
    "fig3",
    "fig4",
    "fig5",
    "fig6",
    "fig7b",
    "fig7c",
    "fig8",
    "fig9",
    "fig10",
    "headline",
    "metric_blindness",
    "metric_scatter",
    "order",
    "save",
    "strip",
    "training",
    "utc_map",
]


@dataclass(frozen=True)
class Entry:
    """A figure of the report: how it is drawn and what to notice."""

    name: str
    draw: Callable[[Suite], Figure]
    title: str
    notice: str
    needs_truth: bool = False  # gloss timelines, which real corpora do not have
    runs: Callable[[Suite], object] | None = None  # that it shows; without any it is left out


ALL = (
    Entry(
        "headline",
        headline,
        "MaDiS against bounds that do not know the sentence",
        "Dots with 95 % intervals over test sentences; the open dot is the ceiling, true signing "
        "sent through the tokenizer. Notice the gap between MaDiS and shuffled text: it is what "
        "the model took from the words.",
    ),
    Entry(
        "strip",
        strip,
        "True and generated signing",
        "The test sentence of median error: half of the test set is signed better, half worse. "
        "Each row is spread over its own length. Right hand orange, left hand blue.",
    ),
    Entry(
        "fig1",
        fig1,
        "Fig. 1: from left to right, or all over at once",
        "(a) A token of each part stands for four frames; equal shades are equal codes. (b) and "
        "(c) write the same tokens. Notice how (c), a real trace of the sampler, has the whole "
        "sentence in outline after a few steps, and settles where it ends.",
    ),
    Entry(
        "fig2",
        fig2,
        "Fig. 2: one model, two stages",
        "Drawn with the values the trained models compute. Notice what differs: fine-tuning keeps "
        "the text, masks signs only in patterns the sampler can meet, and embeds full triples by "
        "the mixture of parts.",
    ),
    Entry(
        "fig3",
        fig3,
        "Fig. 3: the order of unmasking, with and without temporal checkpoints",
        "Real traces of one fine-tuned model on one sentence. Without checkpoints (a) the model "
        "writes wherever it is surest, often the silence after the end first. With them (b) every "
        "fourth token is known before any other, then every second. (c) counts the possible "
        "orders, by Eq. 5 as printed, whose exponents need not be whole. The model was trained with "
        "checkpoints, so (a) shows it off its habit.",
    ),
    Entry(
        "fig4",
        fig4,
        "Fig. 4: an average, or a mixture of parts",
        "(b) and (c) show weights that the gate of the fine-tuned model gives to triples of the "
        "test set; pictures are those triples decoded. Notice that the weights depend on the "
        "triple, which an average cannot do.",
    ),
    Entry(
        "fig5",
        fig5,
        "Fig. 5: truth, SOKE and MaDiS, side by side",
        "Rows of Table 1, trained for equally long. The sentence is the one of the test set for which "
        "the mean error of both systems is the median. All clips start at zero seconds; glosses are "
        "SignWorld's own, and those its oracle reads off what was generated. Red: how far a frame's "
        "joints are off, mean of body and both hands, from the frame that warping pairs it with.",
        runs=side_by_side.finished,
    ),
    Entry(
        "fig6",
        fig6,
        "Fig. 6b-d: quality against speed",
        "Rows of Table 1, trained for shorter than the headline (at smoke size the headline itself). A dot is a "
        "number of tokens a step, written beside those of MaDiS and the ends of other curves; up and to the right is better. "
        "DTW-JPE and SiBLEU are averages of body and hands. Speeds are of one sentence at a time, signing "
        "alone, and count tokens before the end; intervals (95 %) are over sentences, of one training. "
        "Coarse canvases and the threshold are shortcuts that sign other tokens; of what is called trained, "
        "the model is another one. Notice whether a curve falls with more tokens a step, and where: in rows "
        "trained too shortly it need not, because their confidence is not worth following (figure order).",
        runs=efficiency.finished_sweeps,
    ),
    Entry(
        "fig7b",
        fig7b,
        "Fig. 7b: metrics against an oracle",
        "In the place of five signers, SignWorld's oracle: motions from perfect to useless are "
        "scored by every metric and by the glosses that can be read off them. Bars are Spearman's "
        "ρ, oriented so that right is positive, with 95 % intervals over sentences; blue ones are "
        "the paper's metrics. Notice whether SiBLEU and SiCLIP are above DTW-JPE, as the paper has "
        "it. The order of metrics depends on what goes wrong: the first row has changes of tempo, "
        "noise and turned hands among its motions, the second only right signing and signs that are "
        "missing, moved or others, the third ranks whole conditions, the last what the model itself "
        "gets wrong. SiCLIP's R@1 searches the texts of the panel; of a "
        "single clip it is 0 or 1, which caps its ρ. An oracle on synthetic signing is not a "
        "signer: it reads glosses and nothing else.",
        needs_truth=True,
    ),
    Entry(
        "metric_scatter",
        metric_scatter,
        "Each metric beside what can still be read",
        "A point is the mean of a condition; up and to the right is better in every panel. A "
        "metric that agrees with the oracle puts the points on a rising line. Notice which points "
        "leave it: high but illegible is what the metric fails to see, low but legible what it "
        "punishes without need.",
        needs_truth=True,
    ),
    Entry(
        "metric_blindness",
        metric_blindness,
        "What each metric fails to see",
        "The yardstick is the same signs by another signer, which a metric should not mind. ▼: the "
        "oracle reads fewer glosses than there. ✗: it does, and the metric is shown to mind by less "
        "than half a standard deviation, if at all: it is blind to it. !: the signs are shown to be "
        "as legible, and the metric minds all the same. No mark: neither is shown; with few "
        "sentences that is most cells. 95 % intervals, not corrected for the number of cells.",
        needs_truth=True,
    ),
    Entry(
        "fig7c",
        fig7c,
        "Fig. 7c: how far attention looks ahead",
        "The headline's model; the verdict is of the same on csl. Maps of the three heads that look ahead "
        "most, on a sentence of the test set, and the share of every head's attention that falls on later "
        "signs, over the whole test set. The paper has 41 % "
        "over all heads and nothing beside it. Notice the open dots: a model that has learnt nothing "
        "spreads its attention evenly, nearly half of it ahead, so an average of that size is no sign "
        "of having learnt to look ahead. What training can do is to part the heads into those that look "
        "ahead and those that look back, which no average shows. A causal mask gives 0.",
        runs=efficiency.finished_attention,
    ),
    Entry(
        "fig8",
        fig8,
        "Fig. 8: signs rebuilt from what is left of them",
        "The headline's pretrained model (the verdict is of those of the ablations) sees the text and the "
        "unmasked tokens; the latents it predicts for the others are decoded. Compare a quarter of the tokens masked with the tokenizer alone: "
        "the difference is what the model did not know. With all of them masked only the text is "
        "left to go by.",
    ),
    Entry(
        "fig9",
        fig9,
        "Fig. 9: training with and without temporal checkpoints",
        "The full method as a row of the ablations, a thin line a seed, their mean thick. The losses are "
        "taken on different canvases, of which those of UTC are the easier ones: that its loss is lower "
        "says little (notebook 05). Notice in (b) how far seeds are apart.",
        runs=watched,
    ),
    Entry(
        "utc_map",
        utc_map,
        "When temporal checkpoints help",
        "Not in the paper. Table 3's first and fourth row, trained or sampled under other conditions, "
        "one changed at a time; the second and third group divide the test set of the first by the share of "
        "the canvas that is left after the end, and by the length of signs. Filled marks: "
        "the 95 % interval over five seeds and sentences is off zero (not corrected for their number); "
        "green circles where checkpoints help, orange squares where they harm. Ticks: single seeds.",
        runs=conditions.finished,
    ),
    Entry(
        "order",
        order,
        "The surest first? What confidence is worth",
        "Not in the paper. The same models sign in two orders: what they are surest of first, as the paper "
        "has it, or in an order drawn once for all sentences. Bars: 95 % over seeds and sentences, of the "
        "headline over sentences alone. Notice on which side the order drawn at random is, and whether "
        "more tokens a step cost or help: a model can only gain from its confidence once that is good.",
        runs=order_of_places.panels,
    ),
    Entry(
        "fig10",
        fig10,
        "Fig. 10 and Table 5: which hand the gate listens to",
        "(a) For each kind of sign the longest in the test set, with SignWorld's own truth about "
        "handedness. (b) The mean over all signs of the test set, with 95 % intervals over signs. "
        "Of the headline's model; Table 5 and its verdicts are of the ablations' models, on their "
        "corpus, and need not agree. If the paper's finding holds, a one-handed sign gives its hand more "
        "weight than the idle one.",
        needs_truth=True,
    ),
    Entry(
        "training",
        training,
        "Training",
        "Averages over about a hundred stretches of each run. Codebook use (b) falls when codes "
        "die and rises when they are revived; the losses should still be falling slightly at the "
        "end of a short run.",
    ),
    Entry(
        "corpus",
        corpus_statistics,
        "SignWorld beside what is known of a real corpus",
        "Signs last about as long as in Phoenix-2014T (16 frames at 25 a second, transitions "
        "included); sentences are shorter at small presets, whose canvas is short.",
        needs_truth=True,
    ),
)
