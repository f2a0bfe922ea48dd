"""Fig. 2: the model at work in both stages, with the values it really computes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from madis_lib import diffusion, objectives, utc
from madis_lib.data.batches import pad_features, pad_tokens
from madis_lib.experiments.suite import Suite
from madis_lib.objectives import Batch
from madis_lib.parts import PARTS
from madis_lib.reporting.figures import style
from madis_lib.reporting.figures.drawing import arrow, box, heading, sheet, text
from madis_lib.reporting.figures.examples import Example, example_corpus, median_example
from madis_lib.systems.madis import MaDiSSystem, encode_texts
from madis_lib.train import generator_for

NOISE = 0.6  # level shown: between the two checkpoints
WORDS, TRIPLES = 6, 8  # shown at most
COLUMN, CELL = 5.55, 0.36
LOSSES = 5.05  # inches: where the row of losses stands


@dataclass(frozen=True)
class State:
    """What one stage sees of a sentence and what it says."""

    pieces: list[str]
    text_masked: np.ndarray  # [Lt]
    codes: np.ndarray  # true [L, 3]
    masked: np.ndarray  # [L]
    predicted: np.ndarray  # [L, 3]
    losses: dict[str, float]


@torch.no_grad()
def state(suite: Suite, example: Example, stage: str) -> State:
    """The example at noise level ``NOISE``; losses are means over its test set, one draw each."""
    if stage == "pretrain":
        system = MaDiSSystem.load(suite.pretrained.folder / "model", suite.tokenizer)
    else:
        system = suite.system(example.corpus)
    model, vocab = system.model, system.model.vocab
    text_ids, text_valid = encode_texts(system.text, [example.text])
    codes, lengths = pad_tokens([example.true_tokens], 0)
    size = codes.shape[1] + 1 if stage == "pretrain" else model.config.max_tokens
    ids = objectives.canvas(codes, lengths, size, vocab)
    generator, t = generator_for(7), torch.tensor([NOISE])
    if stage == "pretrain":
        both = diffusion.mask_independently(t, text_ids.shape[1] + size, generator)
        text_masked, masked = both.split([text_ids.shape[1], size], 1)
    else:
        text_masked = torch.zeros_like(text_valid)
        masked = ~utc.sample_visible(t, size, generator)
    _, hidden = model(
        text_ids.masked_fill(text_masked, vocab.mask),
        text_valid,
        ids.masked_fill(masked[..., None], vocab.mask),
        torch.ones_like(masked),
        mop=stage == "finetune",
    )
    predicted = torch.stack([x[..., :-1].argmax(-1) for x in model.sign_logits(hidden)], -1)
    length = int(lengths[0])
    return State(
        [_piece(system.text, int(i)) for i in text_ids[0]],
        text_masked[0].numpy(),
        example.true_tokens,
        masked[0, :length].numpy(),
        predicted[0, :length].numpy(),
        _losses(suite, system, example.corpus, stage),
    )


def _piece(tokenizer, token: int) -> str:
    return "eos" if token == tokenizer.eos_token_id else tokenizer.decode([token]).strip() or "␣"


def _losses(suite: Suite, system: MaDiSSystem, corpus: str, stage: str) -> dict[str, float]:
    text_ids, text_valid = encode_texts(system.text, suite.texts(corpus, "test"))
    padded, lengths = pad_tokens(suite.tokens(corpus, "test"), 0)
    clips = [system.tokenizer.normalise(torch.tensor(x)) for x in suite.clips(corpus, "test")]
    motion, _ = pad_features(clips)
    batch = Batch(text_ids, text_valid, padded, lengths, motion)
    decoders = [system.tokenizer.vqvaes[part].decode_latents for part in PARTS]
    loss = objectives.pretraining_loss if stage == "pretrain" else objectives.finetuning_loss
    _, logs = loss(system.model, decoders, batch, generator_for(8))
    return {name: float(value) for name, value in logs.items()}


@style.styled
def fig2(suite: Suite, corpus: str | None = None) -> Figure:
    """Text and triples in, masked tokens, latents and motion out; pretraining and fine-tuning."""
    corpus = example_corpus(suite, corpus)
    example = median_example(suite, corpus)
    figure, axes = sheet(12.0, 6.3)
    states = {stage: state(suite, example, stage) for stage in ("pretrain", "finetune")}
    titles = {
        "pretrain": "(a) Pretraining: everything may be masked",
        "finetune": "(b) Fine-tuning: the text stays, signs follow the checkpoints",
    }
    for i, (stage, found) in enumerate(states.items()):
        x = 0.3 + i * (COLUMN + 0.35)
        heading(axes, x, 6.08, titles[stage])
        _column(axes, x, found, stage, suite)
    text(
        axes, 0.3, 0.14, f"“{example.text}” at noise level t = {NOISE}. Predictions in a frame are "
        "right. Losses: mean over the test set, one draw of noise.",
        ha="left", size=8, color=style.SOFT,
    )  # fmt: skip
    shown = {
        stage: {"losses": s.losses, "masked": s.masked, "text_masked": s.text_masked}
        | {"codes": s.codes, "predicted": s.predicted}
        for stage, s in states.items()
    }
    return style.with_data(
        figure, corpus=corpus, text=example.text, rule=example.rule, noise=NOISE, **shown
    )


def _column(axes: Axes, x: float, found: State, stage: str, suite: Suite) -> None:
    pieces = min(WORDS, len(found.pieces))
    triples = min(TRIPLES, len(found.codes))
    sign = x + (pieces + 0.4) * CELL
    counts = suite.tokenizer.config.codes
    _inputs(axes, x, sign, found, pieces, triples, counts)
    right = sign + (triples + 0.6) * CELL
    model = suite.preset.model
    mixed = stage == "finetune"
    words = "mixture of parts (Fig. 4b)" if mixed else "mean of three rows"
    box(axes, x, 2.0, sign - x - 0.1, 0.34, "row of the table", face=style.MASKED, size=8.5)
    face = style.tint(style.ACCENT, 0.16) if mixed else style.MASKED
    box(axes, sign, 2.0, right - sign, 0.34, words, face=face, size=8.5)
    for place in (x + (sign - x) / 2, sign + (right - sign) / 2):
        arrow(axes, (place, 1.78), (place, 1.98))
        arrow(axes, (place, 2.36), (place, 2.6))
        arrow(axes, (place, 3.24), (place, 3.46))
    words = (
        f"Qwen3, attention in both directions\n{model.num_layers} layers, width {model.hidden_size}"
    )
    box(axes, x, 2.62, right - x, 0.6, words, face=style.tint(style.PART_COLOURS["body"], 0.16))
    _outputs(axes, x, sign, right, found, stage, triples, counts)


def _inputs(axes: Axes, x: float, sign: float, found: State, pieces: int, triples: int, counts):
    for i in range(pieces):
        last = i == pieces - 1 and pieces < len(found.pieces)
        word = "…" if last else found.pieces[i][:6]
        hidden = bool(found.text_masked[i]) and not last
        _cell(axes, x + i * CELL, 1.0, "M" if hidden else word, hidden, style.PAPER)
    for p, part in enumerate(PARTS):
        y = 1.36 - p * CELL
        for i in range(triples):
            hidden = bool(found.masked[i])
            colour = style.code_colours(found.codes[i, p], part, counts[p])
            code = "M" if hidden else str(found.codes[i, p])
            _cell(axes, sign + i * CELL, y, code, hidden, colour)
        text(axes, sign + triples * CELL + 0.12, y + CELL / 2, "…", color=style.SOFT)
    text(axes, x, 0.47, "text tokens", ha="left", size=8.5, color=style.SOFT)
    words = "triples: upper body, left hand, right hand"
    text(axes, sign, 0.47, words, ha="left", size=8.5, color=style.SOFT)


def _cell(axes: Axes, x: float, y: float, word: str, hidden: bool, colour, edge="none") -> None:
    face = style.MASKED if hidden else colour
    axes.add_patch(
        Rectangle((x + 0.015, y + 0.015), CELL - 0.03, CELL - 0.03, fc=face, ec=edge, lw=1.6)
    )
    if isinstance(colour, str) and not hidden and edge == "none":
        axes.add_patch(
            Rectangle((x + 0.015, y + 0.015), CELL - 0.03, CELL - 0.03, fc="none", ec=style.LINE)
        )
    dark = (
        not hidden
        and not isinstance(colour, str)
        and float(np.dot(colour, (0.3, 0.59, 0.11))) < 0.62
    )
    ink = style.PAPER if dark else (style.FAINT if hidden else style.INK)
    text(axes, x + CELL / 2, y + CELL / 2, word, size=7 if len(word) < 5 else 5.6, color=ink)


def _outputs(axes, x, sign, right, found: State, stage: str, triples: int, counts) -> None:
    for p, part in enumerate(PARTS):
        y = 4.18 - p * CELL
        for i in range(triples):
            if not found.masked[i]:
                continue
            code = found.predicted[i, p]
            correct = code == found.codes[i, p]
            colour = style.code_colours(code, part, counts[p])
            _cell(
                axes, sign + i * CELL, y, str(code), False, colour, style.INK if correct else "none"
            )
    words = "three heads predict\nthe masked codes"
    text(axes, sign, 4.74, words, ha="left", size=8.5, color=style.SOFT)
    _latents(axes, x, sign - x - 0.15, found, stage)
    losses = found.losses
    text_part = f"text {losses['text']:.2f} + " if "text" in losses else ""
    words = f"$L_{{tok}}$ (Eq. 3)\n{text_part}signs {losses['sign']:.2f}"
    _loss(axes, sign, right - sign, words, style.ACCENT)
    middle = sign + (right - sign) / 2
    arrow(axes, (middle, 4.6), (middle, LOSSES - 0.02))
    text(axes, sign - 0.075, LOSSES + 0.34, "+", size=12)


def _latents(axes: Axes, x: float, width: float, found: State, stage: str) -> None:
    """From hidden states to code vectors, and on through the frozen decoders to motion."""
    half, top = (width - 0.15) / 2, 3.88
    words = "3 MLPs: latents $H_p$"
    box(axes, x, 3.48, width, 0.4, words, face=style.MASKED, parse_math=True, size=8.5)
    right = x + half + 0.15
    arrow(axes, (x + half / 2, top), (x + half / 2, LOSSES - 0.02))
    arrow(axes, (right + half / 2, top), (right + half / 2, 4.2))
    box(axes, right, 4.22, half, 0.44, "frozen\ndecoders", face=style.MASKED, size=8)
    arrow(axes, (right + half / 2, 4.66), (right + half / 2, LOSSES - 0.02))
    weight = "" if stage == "pretrain" else "α "
    words = f"{weight}$L_{{lat}}$ codes\n{found.losses['latent']:.3f}"
    _loss(axes, x, half, words, style.SERIES[2])
    words = f"{weight}$L_{{phy}}$ motion\n{found.losses['physical']:.3f}"
    _loss(axes, right, half, words, style.SERIES[1])
    text(axes, x + half + 0.075, LOSSES + 0.34, "+", size=12)


def _loss(axes: Axes, x: float, width: float, words: str, colour: str) -> None:
    face = style.tint(colour, 0.12)
    box(axes, x, LOSSES, width, 0.68, words, face=face, edge=colour, parse_math=True, size=8.5)
