"""release: how training noise is drawn, in the release's order of random numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from madis_lib import diffusion, utc


def masking_probabilities(count: int, generator: torch.Generator) -> Tensor:
    """p = (1 - 1e-3) t + 1e-3 with t ~ U(0, 1), one per sequence; ``[count]``.

    The paper has t itself; here the draws are independent, not stratified.
    """
    return (1 - diffusion.T_MIN) * torch.rand(count, generator=generator) + diffusion.T_MIN


def utc_visible(p: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """The states of :func:`utc.visible_state`; bool ``[B, length]``.

    Random numbers are drawn for all rows of the first stage, then the second, then the third, and
    the *large* ones keep a position, as in Eq. 1 where the small ones mask it.
    """
    u = torch.empty(len(p), length)
    high, low = utc.CHECKPOINTS
    for rows in (p >= high, (p < high) & (p >= low), p < low):
        u[rows] = 1 - torch.rand(int(rows.sum()), length, generator=generator)
    return utc.visible_state(u, p)


def finetuning_noise(count: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Probabilities ``[count]`` and what is masked, bool ``[count, length]``, with UTC always on."""
    p = masking_probabilities(count, generator)
    torch.rand((), generator=generator)  # whether UTC applies; the release's share is 1
    return p, ~utc_visible(p, length, generator)


def pretraining_noise(count: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """As :func:`finetuning_noise`, every position masked on its own (Eq. 1)."""
    p = masking_probabilities(count, generator)
    return p, diffusion.mask_independently(p, length, generator)
