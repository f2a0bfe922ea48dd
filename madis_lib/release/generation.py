"""release: its reverse process and how tokens become motion (MaDiS §3.3, other reading).

Where the paper enforces both pivots, the release rounds counts down, so that a stage may be asked
for more triples than its grid has left; the rest then falls wherever ``torch.topk`` breaks ties.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from madis_lib import sampler
from madis_lib.model import MaDiS
from madis_lib.parts import FRAMES_PER_TOKEN, PARTS, join
from madis_lib.release import forward, schedule
from madis_lib.tokenizer import Tokenizer
from madis_lib.vocab import Vocab

SIZE, STEPS = 100, 25  # M and passes, constants of the release
# The one shape, in SMPL-X coefficients, that all motion is measured on.
BETAS = (
    -0.07284723, 0.1795129, -0.27608207, 0.13515501, 0.10748172,
    0.16037364, -0.01616933, -0.03450319, 0.01369138, 0.01108842,
)  # fmt: skip
Streams = tuple[list[int], list[int], list[int]]  # body, left, right; lengths may differ


def plan(size: int = SIZE, steps: int = STEPS) -> list[tuple[Tensor, int]]:
    """Grid ``[size]`` and number of triples of every step (:func:`schedule.plan`)."""
    places = torch.arange(size)
    return [(places % stride == 0, count) for stride, count in schedule.plan(size, steps)]


def pick_with_leaks(confidence: Tensor, blank: Tensor, grid: Tensor, count: int) -> Tensor:
    """As :func:`madis_lib.sampler.surest`, but a full grid does not stop it.

    Only blank places compete, those off the grid with -inf; where the grid holds fewer than
    ``count``, some of them win by the accident of how topk breaks ties.
    """
    places = blank.nonzero()[:, 1].view(len(blank), -1)  # as many in every row
    inside = confidence.gather(1, places).masked_fill(~grid[places], -torch.inf)
    return places.gather(1, inside.topk(count).indices)


def unmask(
    logits_of: Callable[[Tensor], Sequence[Tensor]],
    canvas: Tensor,
    vocab: Vocab,
    planned: Sequence[tuple[Tensor, int]],
) -> Tensor:
    """Fill a blank ``canvas [B, M, 3]`` greedily; where the body says eos, all three streams end.

    Args:
        logits_of: a canvas to three logits ``[B, M, V]``.
    """

    def predict(ids: Tensor) -> tuple[Tensor, Tensor]:
        logits = logits_of(ids)
        triples = torch.stack([head.argmax(-1) for head in logits], -1)
        return triples, torch.softmax(logits[0], -1).amax(-1)  # the body alone decides the order

    sampler.fill(canvas, planned, predict, pick_with_leaks)
    ended = (canvas[..., 0] == vocab.eos).int().cummax(1).values.bool()
    return canvas.masked_fill(ended[..., None], vocab.eos)


@torch.no_grad()
def generate(
    model: MaDiS, text_ids: Tensor, text_valid: Tensor, size: int = SIZE, steps: int = STEPS
) -> Tensor:
    """Ids ``[B, size, 3]`` of a batch of texts, int ``[B, Lt]`` without eos."""

    def logits_of(ids: Tensor) -> list[Tensor]:
        hidden = forward.finetuned_hidden(model, text_ids, text_valid, ids)
        return forward.finetuned_logits(model, hidden)

    blank = torch.full((len(text_ids), size, 3), model.vocab.mask, device=text_ids.device)
    return unmask(logits_of, blank, model.vocab, plan(size, steps))


def streams(ids: Tensor, vocab: Vocab) -> Streams:
    """Tokens of the three parts from ids ``[L, 3]``, each stream on its own.

    Ids that are neither codes nor spare ids of the stream are dropped wherever they stand, so that
    an eos in one hand shifts what follows in that hand; an empty stream becomes ``[0]``.
    """
    found = []
    for part in range(3):
        tokens = ids[:, part] - vocab.first[part]
        known = (tokens >= 0) & (tokens < vocab.codes[part] + vocab.spare)
        found.append(tokens[known].tolist() or [0])
    body, left, right = found
    return body, left, right


@torch.no_grad()
def decode(tokens: Streams, tokenizer: Tokenizer) -> Tensor:
    """*Normalised* features ``[T, 133]``: each part decoded alone, the shorter ones held at the end.

    Spare ids are clamped to the last code.
    """
    length = FRAMES_PER_TOKEN * max(map(len, tokens))
    moved = {}
    for part, stream in zip(PARTS, tokens, strict=True):
        vqvae = tokenizer.vqvaes[part]
        codes = torch.tensor([stream]).clamp(max=len(vqvae.codebook.embedding) - 1)
        x = vqvae.decode(codes)[0]
        moved[part] = torch.cat([x, x[-1:].expand(length - len(x), -1)])
    return join(moved)
