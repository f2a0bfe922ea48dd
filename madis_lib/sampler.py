"""From an empty canvas to signs: the reverse process in the fewest lines (MaDiS §3.3).

At each step the model looks at the canvas, and the positions it is surest of, inside the current
grid, are written.  The grid widens at the temporal checkpoints.

The paper calls the maximum of the categorical probabilities the confidence and leaves open how
three parts share it.  Ours: the mean log-probability of the triple; the body alone decides on eos;
a sentence has at least one sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from madis_lib import utc
from madis_lib.model import MaDiS


@dataclass(frozen=True)
class Generated:
    """codes int ``[B, M, 3]``; lengths int ``[B]``, tokens before eos; step int ``[B, M]``, when
    each position was written.

    What codes hold behind a sentence's length means nothing: decode them with the lengths.
    """

    codes: Tensor
    lengths: Tensor
    step: Tensor


def choose_triples(
    logits: list[Tensor], temperature: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """One triple a position, and how sure the model is of it.

    If the body's choice is eos the whole triple is; otherwise the hands choose among codes only.
    How sure: the mean of what the three heads, each over its codes and eos, say of their choice.

    Args:
        logits: ``3 x [..., K_p + 1]``, eos last.
        temperature: 0 takes the most probable; else tokens are drawn (Gumbel-max).

    Returns:
        codes ``[..., 3]`` (K_b in the body stream means eos) and mean log-probability ``[...]``.
    """
    picked, log_probs = [], []
    body_eos = torch.empty(0, dtype=torch.bool)  # known once the body, which comes first, is
    for part, raw in enumerate(logits):
        log_p = torch.log_softmax(raw, -1)
        allowed = log_p
        if part > 0:  # eos where the body ended, a code everywhere else
            is_eos = torch.arange(raw.shape[-1], device=raw.device) == raw.shape[-1] - 1
            allowed = log_p.masked_fill(is_eos != body_eos[..., None], -torch.inf)
        noisy = allowed
        if temperature > 0:
            u = torch.rand(raw.shape, generator=generator)  # float32: lower precision rounds to 1
            gumbel = -torch.log(-torch.log(u.clamp(1e-20, 1 - 1e-7)))
            noisy = allowed / temperature + gumbel.to(raw)
        best = noisy.argmax(-1)
        if part == 0:
            body_eos = best == raw.shape[-1] - 1
        picked.append(best)
        log_probs.append(log_p.gather(-1, best[..., None])[..., 0])
    return torch.stack(picked, -1), torch.stack(log_probs, -1).mean(-1)


def surest(confidence: Tensor, blank: Tensor, grid: Tensor, count: int) -> Tensor:
    """The ``count`` blank places of the grid with the highest confidence; int ``[B, count]``.

    Args:
        confidence: ``[B, M]``.
        blank: not written yet, bool ``[B, M]``.
        grid: where this stage may write, bool ``[M]``; it has ``count`` blank places left.
    """
    return confidence.masked_fill(~(blank & grid), -torch.inf).topk(count).indices


def at_random(confidence: Tensor, blank: Tensor, grid: Tensor, count: int) -> Tensor:
    """As :func:`surest`, in one order drawn once for all sentences, however sure the model is.

    LLaDA (arXiv 2502.09992) calls it random remasking.
    """
    order = torch.rand(confidence.shape[1], generator=torch.Generator().manual_seed(0))
    return surest(order.to(confidence).expand_as(confidence), blank, grid, count)


Pick = Callable[[Tensor, Tensor, Tensor, int], Tensor]  # as :func:`surest`
# The paper's and, to see what confidence is worth, none at all; experiments.register adds others.
RULES: dict[str, Pick] = {"surest": surest, "at random": at_random}


def fill(
    ids: Tensor,
    plan: Iterable[tuple[Tensor, int]],
    predict: Callable[[Tensor], tuple[Tensor, Tensor]],
    pick: Pick = surest,
) -> Tensor:
    """Write a blank canvas ``ids [B, M, 3]`` in place, the surest triples first (MaDiS §3.3).

    Args:
        plan: for each step the grid ``[M]`` and how many triples it writes.
        predict: canvas to a triple of ids for every position ``[B, M, 3]``, and how sure of it the
            model is ``[B, M]``.
        pick: which positions are written, from (confidence, blank, grid, count).

    Returns:
        the step at which each position was written, int ``[B, M]``.
    """
    written = torch.full(ids.shape[:2], -1, device=ids.device)
    rows = torch.arange(len(ids), device=ids.device)[:, None]
    for step, (grid, count) in enumerate(plan):
        triples, confidence = predict(ids)
        chosen = pick(confidence, written < 0, grid.to(ids.device), count)
        ids[rows, chosen] = triples[rows, chosen]
        written[rows, chosen] = step
    return written


@torch.no_grad()
def generate(
    model: MaDiS,
    text_ids: Tensor,
    text_valid: Tensor,
    steps: int,
    checkpoints: tuple[float, ...] = utc.CHECKPOINTS,
    layout: str = "uniform",
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
    pick: Pick = surest,
    lengths: Tensor | None = None,
    coarse: bool = False,
) -> Generated:
    """Sign a batch of sentences.

    Args:
        text_ids: text then eos, int ``[B, Lt]``; ``text_valid`` bool ``[B, Lt]``.
        steps: passes through the model; each pivot is reached exactly.
        temperature: 0 is greedy, as in the release.
        pick: which blank places are written; the paper's are the surest.
        lengths: tokens before eos, int ``[B]``, 1 to M, where they are to be given; else the model
            decides.
        coarse: show the model the current grid only, for one that was trained so; ours.

    Raises:
        ValueError: a length outside 1 to M, or a schedule that :func:`utc.stage_schedule` refuses.
    """
    vocab, size, batch = model.vocab, model.config.max_tokens, len(text_ids)
    if lengths is not None and bool(((lengths < 1) | (lengths > size)).any()):
        raise ValueError(f"lengths are {lengths.tolist()}: give 1 to {size} for each sentence")
    ids = torch.full((batch, size, 3), vocab.mask, device=text_ids.device)
    valid = torch.ones(batch, size, dtype=torch.bool, device=text_ids.device)
    grids = utc.pivots(size, checkpoints, layout)
    stages = zip(grids, utc.stage_schedule(size, steps, checkpoints, layout), strict=True)
    plan = [(grid, count) for grid, counts in stages for count in counts]
    place = torch.arange(size, device=text_ids.device)

    def predict(canvas: Tensor) -> tuple[Tensor, Tensor]:
        shown = valid
        if coarse:
            done = int((canvas[0, :, 0] != vocab.mask).sum())  # as many in every row
            shown = valid & next(grid for grid in grids if grid.sum() > done).to(valid.device)
        _, hidden = model(text_ids, text_valid, canvas, shown, mop=True)
        logits = model.sign_logits(hidden)
        logits[0][:, 0, -1] = -torch.inf  # a sentence has at least one sign
        if lengths is not None:
            signs = place < lengths[:, None]
            logits[0][..., -1].masked_fill_(signs, -torch.inf)
            logits[0][..., :-1].masked_fill_(~signs[..., None], -torch.inf)
        codes, confidence = choose_triples(logits, temperature, generator)
        is_eos = (codes[..., :1] == vocab.codes[0]).expand_as(codes)
        return vocab.to_ids(codes).masked_fill(is_eos, vocab.eos), confidence

    written = fill(ids, plan, predict, pick)
    ended = ids[..., 0] == vocab.eos
    lengths = torch.where(ended.any(1), ended.int().argmax(1), size)
    return Generated(vocab.to_codes(ids).masked_fill(ended[..., None], 0), lengths, written)
