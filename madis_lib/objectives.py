"""What MaDiS is trained on: token, latent and physical space (MaDiS §3.2-3.3).

``world`` (``distributed``) is for training as several processes: each is given the whole batch,
draws the noise of all of it, and computes its own rows' share of the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from madis_lib import diffusion, utc
from madis_lib.data.batches import valid_mask
from madis_lib.distributed import ALONE, World
from madis_lib.model import MaDiS
from madis_lib.parts import FRAMES_PER_TOKEN, split
from madis_lib.presets import LEVELS
from madis_lib.vocab import Vocab

Decoders = Sequence[Callable[[Tensor, Tensor], Tensor]]


@dataclass
class Batch:
    """Sentences with their signing.

    text_ids int ``[B, Lt]`` and text_valid bool ``[B, Lt]``: text, then eos, padded on the right;
    codes int ``[B, L, 3]`` and lengths int ``[B]``: tokens of the three parts, padded;
    motion float ``[B, 4L, 133]``: normalised features, padded.
    """

    text_ids: Tensor
    text_valid: Tensor
    codes: Tensor
    lengths: Tensor
    motion: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(x.to(device) for x in vars(self).values()))

    def rows(self, rows: slice) -> Batch:
        """Some of the samples, padded as they are."""
        return Batch(*(x[rows] for x in vars(self).values()))


def _total(terms: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, terms)


def canvas(codes: Tensor, lengths: Tensor, size: int, vocab: Vocab) -> Tensor:
    """Sign ids ``[B, size, 3]``: a sample's triples, then eos to the end."""
    ids = torch.full((len(codes), size, 3), vocab.eos, device=codes.device)
    real = valid_mask(lengths, size)
    ids[real] = vocab.to_ids(codes)[real[:, : codes.shape[1]]]
    return ids


def head_targets(ids: Tensor, vocab: Vocab) -> list[Tensor]:
    """Each head's target: the code, or its last class for eos; ``3 x int [B, L]``."""
    codes = vocab.to_codes(ids)
    is_eos = ids == vocab.eos
    return [torch.where(is_eos[..., p], n, codes[..., p]) for p, n in enumerate(vocab.codes)]


def sign_token_loss(
    model: MaDiS,
    hidden: Tensor,
    ids: Tensor,
    masked: Tensor,
    t: Tensor,
    valid: Tensor,
    count: Tensor,
    weight: Tensor | None = None,
) -> Tensor:
    """Eq. 3 on sign positions, summed over the three parts."""
    targets = head_targets(ids, model.vocab)
    return _total(
        diffusion.token_loss(
            logits, x0.clamp(0, logits.shape[-1] - 1), masked, t, valid, count, weight
        )
        for logits, x0 in zip(model.sign_logits(hidden), targets, strict=True)
    )


def latent_loss(
    predicted: Sequence[Tensor], codebooks: Sequence[Tensor], codes: Tensor, masked: Tensor
) -> Tensor:
    """L_lat (§3.2): smooth L1 between predicted and true code vectors at masked signs.

    The paper writes a norm, so a sum.  The mean over the masked positions of a *batch* is ours (and
    the release's): unlike in L_tok, a sentence with many masked signs counts more.

    Args:
        predicted: H_p, ``3 x [B, L, code_dim]``.
        codebooks: ``3 x [K_p, code_dim]``.
        codes: int ``[B, L, 3]``.
        masked: masked positions that hold codes, bool ``[B, L]``.

    Returns:
        scalar: the sum over parts of the mean; 0 when nothing is masked.
    """
    if not masked.any():
        return _total(h.sum() * 0 for h in predicted)
    return _total(
        F.smooth_l1_loss(h[masked], book[codes[..., p][masked]])
        for p, (h, book) in enumerate(zip(predicted, codebooks, strict=True))
    )


def physical_loss(
    predicted: Sequence[Tensor], decoders: Decoders, motion: Tensor, lengths: Tensor, masked: Tensor
) -> Tensor:
    """L_phy (§3.2): smooth L1 between decoded and true motion in the frames of masked signs.

    The predicted latents of *every* real position are decoded, since a decoder looks at
    neighbours; only the four frames of each masked position count.  As in :func:`latent_loss` a
    mean over the batch stands where the paper writes a norm.

    Args:
        predicted: H_p, ``3 x [B, L, code_dim]``.
        decoders: frozen, latents ``[B, L, code_dim]`` and token lengths to ``[B, 4L, d_p]``.
        motion: normalised features ``[B, 4L, 133]``.
        lengths: tokens, int ``[B]``.
        masked: masked positions that hold codes, bool ``[B, L]``.
    """
    if not masked.any():
        return _total(h.sum() * 0 for h in predicted)
    frames = masked.repeat_interleave(FRAMES_PER_TOKEN, 1)
    target = split(motion).values()
    return _total(
        F.smooth_l1_loss(decode(h, lengths)[frames], s[frames])
        for h, decode, s in zip(predicted, decoders, target, strict=True)
    )


def _auxiliary(
    model: MaDiS,
    decoders: Decoders,
    hidden: Tensor,
    batch: Batch,
    masked: Tensor,
    world: World,
    levels: Sequence[str] = LEVELS,
    shown: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    size = batch.codes.shape[1]
    masked = masked[:, :size] & valid_mask(batch.lengths, size)
    predicted = model.latents(hidden[:, :size])
    if shown is not None:  # of the rest the decoders get the truth
        predicted = [
            torch.where(shown[:, :size, None], h, F.embedding(batch.codes[..., p], book))
            for p, (h, book) in enumerate(zip(predicted, model.fusion.codebooks, strict=True))
        ]
    weight = world.weight(masked.sum())  # both are means over masked positions
    latent = physical = hidden.new_zeros(())
    if "latent" in levels:
        latent = weight * latent_loss(predicted, model.fusion.codebooks, batch.codes, masked)
    if "physical" in levels:
        physical = weight * physical_loss(predicted, decoders, batch.motion, batch.lengths, masked)
    return latent, physical


def pretraining_loss(
    model: MaDiS,
    decoders: Decoders,
    batch: Batch,
    generator: torch.Generator,
    levels: Sequence[str] = LEVELS,
    world: World = ALONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L_pre = L_tok + L_lat + L_phy (§3.2): text, eos, signs and eos, all of it maskable.

    Args:
        levels: those of Table 2 that count.  Without "text" the text stays, as in fine-tuning, and
            L_tok is of the signs alone; the signs are masked by the same draws.
    """
    vocab, device = model.vocab, batch.codes.device
    text_size, size = batch.text_ids.shape[1], batch.codes.shape[1] + 1
    times = diffusion.sample_times(len(batch.codes), generator)
    hidden_ones = diffusion.mask_independently(times, text_size + size, generator)

    rows = world.rows(len(batch.codes))
    batch, t, masked = batch.rows(rows), times[rows].to(device), hidden_ones[rows].to(device)
    ids = canvas(batch.codes, batch.lengths, size, vocab)
    valid = valid_mask(batch.lengths + 1, size)  # one eos
    text_masked, sign_masked = masked.split([text_size, size], 1)
    count = batch.text_valid.sum(1) + valid.sum(1)
    if "text" not in levels:
        text_masked, count = torch.zeros_like(text_masked), valid.sum(1)
    text_hidden, sign_hidden = model(
        batch.text_ids.masked_fill(text_masked, vocab.mask),
        batch.text_valid,
        ids.masked_fill(sign_masked[..., None], vocab.mask),
        valid,
        mop=False,
    )
    text = diffusion.token_loss(
        model.text_logits(text_hidden), batch.text_ids, text_masked, t, batch.text_valid, count
    )
    sign = sign_token_loss(model, sign_hidden, ids, sign_masked, t, valid, count)
    latent, physical = _auxiliary(model, decoders, sign_hidden, batch, sign_masked, world, levels)
    logs = {"text": text, "sign": sign, "latent": latent, "physical": physical}
    return text + sign + latent + physical, logs


def finetuning_loss(
    model: MaDiS,
    decoders: Decoders,
    batch: Batch,
    generator: torch.Generator,
    alpha: float = 0.5,
    checkpoints: tuple[float, ...] = utc.CHECKPOINTS,
    layout: str = "uniform",
    weighting: Literal["paper", "bound"] = "paper",
    coarse: bool = False,
    world: World = ALONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L_sft = L_tok + alpha (L_lat + L_phy) (§3.3): text stays, signs follow UTC.

    The canvas has M positions; those after the last sign are eos, and are trained.

    Args:
        weighting: of L_tok. "paper" is 1/t; "bound", ours, is :func:`utc.bound_weight`, which
            makes L_tok a bound on the likelihood under UTC too.  Without checkpoints they agree.
        coarse: ours: show the model the current grid only, as ``fast_sampler.generate(coarse=True)``
            does; what it is not shown it is not asked for.
    """
    vocab, size, device = model.vocab, model.config.max_tokens, batch.codes.device
    times = diffusion.sample_times(len(batch.codes), generator)
    visible = utc.sample_visible(times, size, generator, checkpoints, layout)

    rows = world.rows(len(batch.codes))
    batch, t, masked = batch.rows(rows), times[rows].to(device), ~visible[rows].to(device)
    ids = canvas(batch.codes, batch.lengths, size, vocab)
    valid = shown = torch.ones(ids.shape[:2], dtype=torch.bool, device=device)
    if coarse:
        shown = utc.current_grid(t, size, checkpoints, layout)
        masked = masked & shown
    _, hidden = model(
        batch.text_ids,
        batch.text_valid,
        ids.masked_fill(masked[..., None], vocab.mask),
        shown,
        mop=True,
    )
    weight = None
    if weighting == "bound":
        weight = utc.bound_weight(t, size, checkpoints, layout, diffusion.T_MIN)
    sign = sign_token_loss(model, hidden, ids, masked, t, valid, valid.sum(1), weight)
    latent, physical = _auxiliary(
        model, decoders, hidden, batch, masked, world, shown=shown if coarse else None
    )
    eos_share = (masked & (ids[..., 0] == vocab.eos)).sum() / masked.sum().clamp(min=1)
    eos_share = world.weight(masked.sum()) * eos_share
    logs = {"sign": sign, "latent": latent, "physical": physical, "eos_share": eos_share}
    return sign + alpha * (latent + physical), logs


@torch.no_grad()
def likelihood_bound(
    model: MaDiS,
    batch: Batch,
    generator: torch.Generator,
    checkpoints: tuple[float, ...] = utc.CHECKPOINTS,
    layout: str = "uniform",
) -> Tensor:
    """-log p(x0) <= E over orders of sum_i -log p(x0_i | text, tokens written before i).

    **Ours, not the paper's**: the yardstick on which models trained with and without checkpoints
    can be compared, since each can be read under both processes.  It is the integral over t of
    :func:`utc.bound_weight`, taken by counting: along a random order, when n tokens are still
    masked, the next is any of the m masked ones of the current stage, so their mean loss counts,
    once for each n from M to 1.  One pass of the model for each n; nothing is infinite or floored.

    Returns:
        ``[B, M]``, nats that each position costs, its three parts summed; ``.mean(1)`` estimates
        the bound in nats per token (a triple, the eos of the tail among them).
    """
    vocab, size = model.vocab, model.config.max_tokens
    ids = canvas(batch.codes, batch.lengths, size, vocab)
    targets = head_targets(ids, vocab)
    valid = torch.ones(ids.shape[:2], dtype=torch.bool, device=ids.device)
    order = utc.random_orders(len(ids), size, generator, checkpoints, layout).to(ids.device)
    cost = torch.zeros(ids.shape[:2], device=ids.device)
    first = 0
    for stage_size in utc.stage_sizes(size, checkpoints, layout):
        last = first + stage_size
        for written in range(first, last):
            masked = order >= written
            noisy = ids.masked_fill(masked[..., None], vocab.mask)
            _, hidden = model(batch.text_ids, batch.text_valid, noisy, valid, mop=True)
            loss = _total(
                F.cross_entropy(logits.transpose(1, 2), x0, reduction="none")
                for logits, x0 in zip(model.sign_logits(hidden), targets, strict=True)
            )
            cost += torch.where(masked & (order < last), loss / (last - written), 0.0)
        first = last
    return cost
