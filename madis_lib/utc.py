"""Unmasking with temporal checkpoints: grids, feasible states, schedule, order counts.

MaDiS §3.3, Eq. 4-5.  Generation passes through pivot states: at noise level 0.75 exactly the
tokens at i % 4 == 0 are known, at 0.5 exactly those at i % 2 == 0.  Between pivots the usual
confidence-based unmasking runs inside the current grid.

``checkpoints`` are the noise levels of the pivots, from high to low (any of 0.75 and 0.5);
``layout`` says which tokens a pivot knows: spread evenly ("uniform") or the first ones
("contiguous", Table 3).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

CHECKPOINTS = (0.75, 0.5)


def pivots(
    num_tokens: int, checkpoints: tuple[float, ...] = CHECKPOINTS, layout: str = "uniform"
) -> list[Tensor]:
    """The tokens known at each checkpoint, then all of them: nested bool tensors ``[M]``."""
    if checkpoints and num_tokens < 4:
        raise ValueError(f"temporal checkpoints need at least 4 tokens, got {num_tokens}")
    if any(c not in CHECKPOINTS for c in checkpoints) or list(checkpoints) != sorted(
        set(checkpoints), reverse=True
    ):
        raise ValueError(
            f"checkpoints must be a descending selection of 0.75 and 0.5: {checkpoints}"
        )
    i = torch.arange(num_tokens)
    grids = []
    for t in checkpoints:
        stride = round(1 / (1 - t))
        grid = i % stride == 0
        if layout == "contiguous":
            grid = i < grid.sum()
        elif layout != "uniform":
            raise ValueError(f"layout must be 'uniform' or 'contiguous', got {layout!r}")
        grids.append(grid)
    return [*grids, torch.ones(num_tokens, dtype=torch.bool)]


def grids(num_tokens: int) -> tuple[Tensor, Tensor]:
    """The quarter and the half grid, bool ``[M]`` each (MaDiS Fig. 3b)."""
    quarter, half, _ = pivots(num_tokens)
    return quarter, half


def stages(
    num_tokens: int, checkpoints: tuple[float, ...] = CHECKPOINTS, layout: str = "uniform"
) -> list[tuple[float, float, Tensor]]:
    """Per stage its first and last noise level, ``high > low``, and the tokens it opens."""
    inner, found = torch.zeros(num_tokens, dtype=torch.bool), []
    for (high, low), outer in zip(
        pairwise((1.0, *checkpoints, 0.0)), pivots(num_tokens, checkpoints, layout), strict=True
    ):
        found.append((high, low, outer & ~inner))
        inner = outer
    return found


def current_grid(
    t: Tensor,
    num_tokens: int,
    checkpoints: tuple[float, ...] = CHECKPOINTS,
    layout: str = "uniform",
) -> Tensor:
    """The tokens that are known or may open at noise levels ``t [B]``: bool ``[B, M]``.

    All others are hidden there, whatever was drawn: M/4 tokens are in the grid above t = 0.75, M/2
    above 0.5, then all.
    """
    grid = torch.zeros(len(t), num_tokens, dtype=torch.bool, device=t.device)
    for high, _, opens in stages(num_tokens, checkpoints, layout):
        grid[:, opens] = (t < high)[:, None] | (high == 1.0)
    return grid


def mask_probability(
    t: Tensor,
    num_tokens: int,
    checkpoints: tuple[float, ...] = CHECKPOINTS,
    layout: str = "uniform",
) -> Tensor:
    """p_i(t) = clip((t - low) / (high - low), 0, 1) for a token i of the stage [low, high).

    The probability that :func:`sample_visible` hides it, ``[B] -> [B, M]``.  Given t the tokens are
    hidden independently, so UTC is Eq. 1 with a noise schedule of its own for each token.
    """
    p = torch.empty(len(t), num_tokens, dtype=t.dtype, device=t.device)
    for high, low, opens in stages(num_tokens, checkpoints, layout):
        p[:, opens] = ((t[:, None] - low) / (high - low)).clamp(0, 1)
    return p


def sample_visible(
    t: Tensor,
    num_tokens: int,
    generator: torch.Generator,
    checkpoints: tuple[float, ...] = CHECKPOINTS,
    layout: str = "uniform",
) -> Tensor:
    """States the sampler can reach at noise levels ``t [B]``; bool ``[B, M]``, True = visible.

    One uniform draw per position, turned into a state by :func:`visible_state`.
    """
    return visible_state(
        torch.rand(len(t), num_tokens, generator=generator), t, checkpoints, layout
    )


def visible_state(
    u: Tensor,
    t: Tensor,
    checkpoints: tuple[float, ...] = CHECKPOINTS,
    layout: str = "uniform",
) -> Tensor:
    """The state at noise levels ``t [B]`` that uniform draws ``u [B, M]`` stand for; bool ``[B, M]``.

    Within a stage from checkpoint ``high`` down to ``low`` the inner grid is known and every other
    token of the outer grid is kept with probability ``1 - (t - low) / (high - low)``; so on
    average a share 1 - t is visible, as in Eq. 1.  Without checkpoints this is Eq. 1 itself.
    """
    return u < 1 - mask_probability(t.cpu(), u.shape[1], checkpoints, layout)


def feasible(
    visible: Tensor, checkpoints: tuple[float, ...] = CHECKPOINTS, layout: str = "uniform"
) -> bool:
    """Whether a visible set ``[M]`` can occur: between two neighbouring pivots, for some pair."""
    inner = torch.zeros_like(visible)
    for outer in pivots(len(visible), checkpoints, layout):
        if bool((inner <= visible).all() and (visible <= outer).all()):
            return True
        inner = outer
    return False


def bound_weight(
    t: Tensor,
    num_tokens: int,
    checkpoints: tuple[float, ...] = CHECKPOINTS,
    layout: str = "uniform",
    floor: float = 0.0,
) -> Tensor:
    """w_i(t) = p_i'(t) / p_i(t) = 1 / (t - low) in token i's own stage [low, high), else 0.

    **Ours, not the paper's.**  A masked diffusion that hides token i with probability p_i(t) has

        -log p(x0) <= E_t sum over masked i of w_i(t) * -log p(x0_i | xt),   t ~ U(0, 1),

    because a token counts when it opens, which happens at rate p_i'.  Eq. 3 is the case p_i = t.
    Under UTC each stage is such a diffusion of its own tokens, given the inner grid; tokens of
    later stages are hidden too, but cannot open yet and do not count.

    Args:
        t: noise levels ``[B]``; the result is ``[B, M]``.
        floor: smallest ``t - low``, so that the weight stays finite, as T_MIN does for Eq. 3.
    """
    weight = torch.zeros(len(t), num_tokens, dtype=t.dtype, device=t.device)
    for high, low, opens in stages(num_tokens, checkpoints, layout):
        here = (t >= low) & ((t < high) | (high == 1.0))
        rate = 1 / (t - low).clamp(min=floor)
        weight[:, opens] = torch.where(here, rate, 0.0)[:, None]
    return weight


def random_orders(
    count: int,
    num_tokens: int,
    generator: torch.Generator,
    checkpoints: tuple[float, ...] = CHECKPOINTS,
    layout: str = "uniform",
) -> Tensor:
    """Uniform draws among the orders of Eq. 5 with k = 1; int ``[count, M]``, when each is written.

    These are the orders in which the reverse process opens tokens when its steps are so short that
    no two open together.
    """
    u = torch.rand(count, num_tokens, generator=generator)
    for stage, (_, _, opens) in enumerate(stages(num_tokens, checkpoints, layout)):
        u[:, opens] += stage
    return u.argsort(1).argsort(1)


def stage_sizes(
    num_tokens: int, checkpoints: tuple[float, ...] = CHECKPOINTS, layout: str = "uniform"
) -> list[int]:
    """How many tokens each stage opens: M/4, M/4, M/2 for two checkpoints."""
    known = [0, *(int(g.sum()) for g in pivots(num_tokens, checkpoints, layout))]
    return [b - a for a, b in pairwise(known)]


def steps_for(num_tokens: int, tokens_per_step: int) -> int:
    """As many steps as write on average at most k tokens each, the k of Eq. 4: M / k, rounded up."""
    _check_counts(num_tokens, tokens_per_step)
    return -(-num_tokens // tokens_per_step)


def stage_schedule(
    num_tokens: int,
    steps: int,
    checkpoints: tuple[float, ...] = CHECKPOINTS,
    layout: str = "uniform",
) -> list[list[int]]:
    """Tokens opened by each step of each stage; every stage ends exactly on its pivot.

    Steps go to stages in proportion to their sizes (largest remainder, at least one each), and a
    stage's tokens are spread over its steps as evenly as whole numbers allow.
    """
    sizes = stage_sizes(num_tokens, checkpoints, layout)
    if not len(sizes) <= steps <= num_tokens:
        raise ValueError(f"steps must be between {len(sizes)} and {num_tokens}, got {steps}")
    share = [steps * n / num_tokens for n in sizes]
    given = [max(1, int(s)) for s in share]
    while sum(given) != steps:
        sign = 1 if sum(given) < steps else -1
        movable = [j for j, n in enumerate(sizes) if (given[j] < n if sign > 0 else given[j] > 1)]
        given[max(movable, key=lambda j: sign * (share[j] - given[j]))] += sign
    return [
        [(j + 1) * n // s - j * n // s for j in range(s)] for n, s in zip(sizes, given, strict=True)
    ]


def schedule(
    num_tokens: int,
    steps: int,
    checkpoints: tuple[float, ...] = CHECKPOINTS,
    layout: str = "uniform",
) -> list[int]:
    """Tokens opened per step, each at least 1, for 3 <= steps <= M (two checkpoints)."""
    return [n for stage in stage_schedule(num_tokens, steps, checkpoints, layout) for n in stage]


def order_count(num_tokens: int, tokens_per_step: int) -> int:
    """Eq. 4, exactly: ordered ways to open M tokens k at a time; the last group may be smaller."""
    _check_counts(num_tokens, tokens_per_step)
    full, rest = divmod(num_tokens, tokens_per_step)
    ways = math.factorial(num_tokens)
    return ways // (math.factorial(tokens_per_step) ** full * math.factorial(rest))


def order_count_utc(
    num_tokens: int,
    tokens_per_step: int,
    checkpoints: tuple[float, ...] = CHECKPOINTS,
    layout: str = "uniform",
) -> int:
    """Eq. 5 with whole groups: the product of :func:`order_count` over the stages."""
    sizes = stage_sizes(num_tokens, checkpoints, layout)
    return math.prod(order_count(n, tokens_per_step) for n in sizes)


def eq5_readings(num_tokens: int, tokens_per_step: int) -> dict[str, float]:
    """log10 of Eq. 5 in every reading of its exponents M/4k, M/4k and M/2k, which need not be whole.

    Rounded, they still divide the same factorials; "whole groups" is :func:`order_count_utc`.
    """
    _check_counts(num_tokens, tokens_per_step)
    numerator = log10_eq5(num_tokens, 1)
    group = _log10_factorial(tokens_per_step)
    exponents = [num_tokens / n / tokens_per_step for n in (4, 4, 2)]
    return {
        "as printed": log10_eq5(num_tokens, tokens_per_step),
        "exponents rounded down": numerator - group * sum(map(math.floor, exponents)),
        "exponents rounded up": numerator - group * sum(map(math.ceil, exponents)),
        "whole groups": math.log10(order_count_utc(num_tokens, tokens_per_step)),
    }


def _check_counts(num_tokens: int, tokens_per_step: int) -> None:
    for name, value in (("num_tokens", num_tokens), ("tokens_per_step", tokens_per_step)):
        if value < 1:
            raise ValueError(f"{name} is {value}: give 1 or more")


def _log10_factorial(n: float) -> float:
    return math.lgamma(n + 1) / math.log(10)


def log10_eq4(num_tokens: int, tokens_per_step: int) -> float:
    """log10 of Eq. 4 as printed: M! / (k!)^(M/k)."""
    _check_counts(num_tokens, tokens_per_step)
    groups = num_tokens / tokens_per_step
    return _log10_factorial(num_tokens) - groups * _log10_factorial(tokens_per_step)


def log10_eq5(num_tokens: int, tokens_per_step: int) -> float:
    """log10 of Eq. 5 as printed: (M/4)! (M/4)! (M/2)! / (k!)^(M/k), exponents not rounded."""
    _check_counts(num_tokens, tokens_per_step)
    stages = 2 * _log10_factorial(num_tokens / 4) + _log10_factorial(num_tokens / 2)
    return stages - num_tokens / tokens_per_step * _log10_factorial(tokens_per_step)
