"""Masked diffusion: forward masking, reverse kernel, training loss (MaDiS §3.1-3.2, Eq. 1-3).

Symbols: ``x0`` clean tokens, ``xt`` tokens at noise level ``t`` in (0, 1], M the mask token.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

T_MIN = 1e-3  # keeps the 1/t of Eq. 3 finite


def sample_times(count: int, generator: torch.Generator, t_min: float = T_MIN) -> Tensor:
    """Noise levels ``[count]``, each uniform on [t_min, 1], together stratified.

    One time falls in each of ``count`` equal slices, in random order, so that a batch covers all
    noise levels; a single draw is still U(t_min, 1).
    """
    u = (
        torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)
    ) / count
    return t_min + (1 - t_min) * u


def mask_independently(t: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Eq. 1: each position is masked with probability ``t``; ``[B] -> bool [B, length]``."""
    return torch.rand(len(t), length, generator=generator).to(t.device) < t[:, None]


def reverse_kernel(xt: Tensor, p0: Tensor, s: float, t: float, mask_id: int) -> Tensor:
    """Eq. 2: q(xs | xt) as probabilities over the vocabulary.

    Args:
        xt: tokens at time t, ``[L]``.
        p0: the model's clean-token distribution q_{0|t}, ``[L, V]``, zero on ``mask_id``.
        s, t: 0 <= s < t <= 1.
        mask_id: the mask token.

    Returns:
        ``[L, V]``; known tokens stay, a mask stays with s/t and opens with (t - s)/t.
    """
    if not 0 <= s < t <= 1:
        raise ValueError(f"need 0 <= s < t <= 1, got s={s}, t={t}")
    opened = (t - s) / t * p0
    opened[:, mask_id] = s / t
    kept = F.one_hot(xt, p0.shape[-1]).to(p0.dtype)
    return torch.where((xt == mask_id)[:, None], opened, kept)


def token_loss(
    logits: Tensor,
    x0: Tensor,
    masked: Tensor,
    t: Tensor,
    valid: Tensor,
    count: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Eq. 3: ``-1/t * sum over masked i of log p(x0_i | xt)``, per valid position.

    The division by the number of positions is ours (and the release's, over a batch): Eq. 3 as
    printed is the sum.

    Args:
        logits: ``[B, L, V]``.
        x0: targets, ``[B, L]``.
        masked: positions hidden from the model, bool ``[B, L]``.
        t: noise levels, ``[B]``.
        valid: positions that are not padding, bool ``[B, L]``.
        count: valid positions of the whole sequence ``[B]``, where ``L`` is only a stretch of it.
        weight: ``[B, L]`` in place of 1/t, for processes that do not hide every position with
            probability t (:func:`madis_lib.utc.bound_weight`).

    Returns:
        scalar: mean over the batch of each sample's sum divided by (t x its valid positions), so
        a sample weighs the same whatever it is batched with.
    """
    count = valid.sum(1) if count is None else count
    chosen = masked & valid
    cross_entropy = torch.zeros(x0.shape, dtype=logits.dtype, device=logits.device)
    cross_entropy[chosen] = F.cross_entropy(logits[chosen], x0[chosen], reduction="none")
    if weight is not None:
        return ((weight * cross_entropy).sum(1) / count).mean()
    return (cross_entropy.sum(1) / (t * count)).mean()
