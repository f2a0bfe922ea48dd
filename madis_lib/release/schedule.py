"""The release's sampling schedule, from its rules: tokens per step, and the grid of each step.

The paper's pivots are exact in :func:`madis_lib.utc.schedule`; here they are not, and these
functions say by how much.
"""

from __future__ import annotations

import torch


def plan(num_tokens: int, steps: int) -> list[tuple[int, int]]:
    """Stride of the grid and number of tokens of each step.

    times = linspace(1, 1e-5, steps + 1); the step from t to s writes int(remaining (1 - s / t))
    tokens, the last one all that remain, inside i % 4 == 0 while t >= 0.75, then i % 2 == 0 while
    t >= 0.5, then anywhere: 3, 4 (23 times), 5 for 100 places in 25 steps.
    """
    times = torch.linspace(1, 1e-5, steps + 1)
    shares = (1 - times[1:] / times[:-1]).numpy()  # float32, as there: the product is truncated
    strides = torch.where(times >= 0.75, 4, torch.where(times >= 0.5, 2, 1)).tolist()
    remaining, found = num_tokens, []
    for stride, share in zip(strides[:-1], shares, strict=True):
        count = int(remaining * share)
        remaining -= count
        found.append((stride, count))
    found[-1] = found[-1][0], found[-1][1] + remaining
    return found


def off_grid(num_tokens: int, steps: int, even: int = 0) -> list[int]:
    """Tokens each step writes off its grid, since the grid has fewer masked places than it writes.

    Where they land is left to the sorting of equal confidences; ``even`` says how many of those
    that leave the quarter grid land on the half grid, where the next stage then has less room.
    """
    quarter, half = -(-num_tokens // 4), -(-num_tokens // 2)
    # masked places, by the coarsest grid they are on
    masked = {4: quarter, 2: half - quarter, 1: num_tokens - half}
    leaks = []
    for stride, count in plan(num_tokens, steps):
        left = count
        for grid in (g for g in (4, 2, 1) if g >= stride):
            inside = min(left, masked[grid])
            masked[grid] -= inside
            left -= inside
        leaks.append(left)
        if stride == 4:
            landed = min(left, even)
            even -= landed
            masked[2] -= landed
            masked[1] -= left - landed
        else:
            masked[1] -= left
    return leaks


def pivot_errors(num_tokens: int, steps: int) -> tuple[int, int]:
    """Tokens written by the end of the first two stages beyond their grids; negative: too few."""
    grids = -(-num_tokens // 4), -(-num_tokens // 2)
    written = [sum(n for g, n in plan(num_tokens, steps) if g >= stride) for stride in (4, 2)]
    return written[0] - grids[0], written[1] - grids[1]
