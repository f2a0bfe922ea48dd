"""Fig. 8: signs rebuilt from partly masked tokens by the pretrained model."""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.figure import Figure

from madis_lib import body as bodies
from madis_lib import metrics, objectives, paper
from madis_lib.data import signworld
from madis_lib.data.batches import pad_tokens
from madis_lib.experiments.evaluate import BODY_JOINTS
from madis_lib.experiments.suite import Suite
from madis_lib.parts import FRAMES_PER_TOKEN
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.drawing import picture, render, sheet, text
from madis_lib.reporting.figures.examples import example_corpus, median_example
from madis_lib.systems.madis import MaDiSSystem, encode_texts
from madis_lib.train import generator_for

RATIOS = (0.25, 0.5, 0.75, 1.0)
FRAMES = 7


@torch.no_grad()
def rebuild(
    system: MaDiSSystem, texts: list[str], codes: list[np.ndarray], ratio: float, seed: int = 0
) -> list[np.ndarray]:
    """Motion ``[4L, 133]`` when a share ``ratio`` of each sentence's triples is masked.

    The latents H_p that the pretrained model predicts (MaDiS §3.2) stand in for the masked codes;
    the others keep their codebook vectors.  Text and length stay visible.
    """
    model, tokenizer = system.model, system.tokenizer
    text_ids, text_valid = encode_texts(system.text, texts)
    padded, lengths = pad_tokens(codes, 0)
    size = padded.shape[1] + 1
    ids = objectives.canvas(padded, lengths, size, model.vocab)
    valid = torch.arange(size) <= lengths[:, None]
    masked = torch.zeros(len(codes), size, dtype=torch.bool)
    generator = generator_for(seed, round(1000 * ratio))
    for row, length in zip(masked, lengths.tolist(), strict=True):
        order = torch.randperm(length, generator=generator)
        row[order[: math.ceil(ratio * length)]] = True
    shown = ids.masked_fill(masked[..., None], model.vocab.mask)
    _, hidden = model(text_ids, text_valid, shown, valid, mop=False)
    latents = [
        torch.where(masked[:, :-1, None], predicted, book[padded[..., p]])
        for p, (predicted, book) in enumerate(
            zip(model.latents(hidden[:, :-1]), model.fusion.codebooks, strict=True)
        )
    ]
    motion = tokenizer.denormalise(tokenizer.decode_latents(latents, lengths))
    ends = (lengths * FRAMES_PER_TOKEN).tolist()
    return [clip[:end].numpy() for clip, end in zip(motion, ends, strict=True)]


def errors_mm(clips: list[np.ndarray], true: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Mean joint error of each clip in mm, over all its frames; hands averaged."""
    body = bodies.load()
    rows: dict[str, list[float]] = {"body": [], "hands": []}
    with torch.no_grad():
        for clip, reference in zip(clips, true, strict=True):
            a, b = body.landmarks(clip), body.landmarks(reference[: len(clip)])
            a, b = ({k: np.asarray(v) for k, v in x.items()} for x in (a, b))
            rows["body"].append(metrics.mpjpe_mm(a["body"], b["body"], BODY_JOINTS))
            hands = [metrics.mpjpe_mm(a[side], b[side]) for side in ("left", "right")]
            rows["hands"].append(float(np.mean(hands)))
    return {k: np.array(v) for k, v in rows.items()}


@style.styled
def fig8(suite: Suite, corpus: str | None = None) -> Figure:
    """One sentence at four mask ratios, and the error over the test set beside it."""
    corpus = example_corpus(suite, corpus)
    example = median_example(suite, corpus)
    system = MaDiSSystem.load(suite.pretrained.folder / "model", suite.tokenizer)
    texts, codes = suite.texts(corpus, "test"), suite.tokens(corpus, "test")
    true = suite.clips(corpus, "test")
    rebuilt = {ratio: rebuild(system, texts, codes, ratio) for ratio in (0.0, *RATIOS)}
    found = {ratio: errors_mm(clips, true) for ratio, clips in rebuilt.items()}

    width, cell, left = 12.0, 1.0, 1.15
    height = 0.75 + cell * (len(rebuilt) + 1)
    figure, axes = sheet(width, height)
    text(axes, 0.1, height - 0.2, f"“{example.text}”", ha="left", color=style.SOFT)
    rows = {"truth": example.true, "tokenizer\nalone": rebuilt[0.0][example.index]}
    rows |= {f"{ratio:.0%} masked": rebuilt[ratio][example.index] for ratio in RATIOS}
    for row, (label, clip) in enumerate(rows.items()):
        times = np.linspace(0, len(clip) - 1, FRAMES + 2).astype(int)[1:-1]
        y = height - 0.42 - (row + 1) * cell
        text(axes, 0.1, y + cell / 2, label, ha="left", weight="bold", size=9.5)
        for i, image in enumerate(render(clip[times], cell, cell)):
            picture(axes, left + i * cell, y, cell, cell, image)
            if row == len(rows) - 1:
                seconds = times[i] / signworld.FPS[corpus]
                text(axes, left + (i + 0.5) * cell, y - 0.14, f"{seconds:.2f} s", size=8)
    start = left + FRAMES * cell + 0.75
    chart = figure.add_axes(
        (start / width, 0.75 / height, (width - start - 0.25) / width, (height - 1.45) / height)
    )
    summary = _draw_errors(chart, found)
    return style.with_data(
        figure,
        corpus=corpus,
        text=example.text,
        rule=example.rule,
        n=len(true),
        error_mm=summary,
        reported={q.key: q.value for q in paper.QUOTED if q.key.startswith("masked_mpjpe")},
    )


def _draw_errors(axes, found: dict[float, dict[str, np.ndarray]]) -> list[dict]:
    colours = {"body": style.PART_COLOURS["body"], "hands": style.PART_COLOURS["right"]}
    rows = []
    for part, colour in colours.items():
        intervals = [metrics.bootstrap_interval(found[ratio][part]) for ratio in found]
        middle, low, high = np.array(intervals).T
        shares = 100 * np.array(list(found))
        axes.fill_between(shares, low, high, color=style.tint(colour, 0.2), lw=0)
        axes.plot(shares, middle, "o-", color=colour, ms=5)
        axes.annotate(
            part, (shares[-1], middle[-1]), xytext=(-2, 8), textcoords="offset points",
            color=colour, ha="right", weight="bold",
        )  # fmt: skip
        rows += [
            {"part": part, "masked": ratio, "mm": m, "low": a, "high": b}
            for ratio, m, a, b in zip(found, middle, low, high, strict=True)
        ]
    axes.set(xlabel="masked tokens (%)", ylabel="joint error (mm)", ylim=(0, None), xlim=(-4, 104))
    axes.set_xticks([0, 25, 50, 75, 100], ["tokenizer\nalone", "25", "50", "75", "100"])
    axes.grid(axis="y")
    axes.set_title("Test set, mean and 95 %")
    return rows
