"""Where attention goes: maps of one layer and the share of it that looks ahead (MaDiS §4.2, Fig. 7c).

    rho = sum_{i, j > i} A_ij / sum_{i, j} A_ij

A row of A is a query i, a column what it reads.  The paper does not say which positions the sums
run over, nor how it treats the text.  Ours: the written signs, those before the end of the
sentence, A being cut down to them; with the text in, where a sign reads text it looks back and a
text token that reads signs looks ahead, which is :func:`future_ratio` of the whole map.

A uniform A over n positions has rho = (n - 1) / 2n, just under one half, without having learned
anything; so has an untrained model.  A causal one has 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from madis_lib.backbone import attention_mask
from madis_lib.fast_sampler import keys_values, rotate
from madis_lib.model import MaDiS, positions_of

PENULTIMATE = -2


@torch.no_grad()
def maps(
    model: MaDiS,
    text_ids: Tensor,
    text_valid: Tensor,
    sign_ids: Tensor,
    layer: int = PENULTIMATE,
    causal: bool = False,
) -> Tensor:
    """Attention probabilities ``[B, heads, L, L]`` of a layer, L = text + signs; rows sum to 1.

    Args:
        text_ids: int ``[B, Lt]``, padded on the right; ``text_valid`` bool ``[B, Lt]``.
        sign_ids: a canvas ``[B, M, 3]``; of the paper's, what the sampler reads at its last step.
        layer: which one; the paper's is the penultimate.
        causal: let every layer read backwards only.

    Raises:
        ValueError: there is no such layer.
    """
    layers: list[Any] = list(model.backbone.qwen3.layers)
    if not -len(layers) <= layer < len(layers):
        raise ValueError(f"layer {layer} of a model with {len(layers)}: give one it has")
    size = sign_ids.shape[1]
    shown = torch.ones(sign_ids.shape[:2], dtype=torch.bool, device=sign_ids.device)
    x = torch.cat([model.embed(text_ids), model.embed_signs(sign_ids, mop=True)], 1)
    prefix = 0 if model.config.text_reads_signs else text_ids.shape[1]
    mask = attention_mask(torch.cat([text_valid, shown], 1), x.dtype, causal, prefix)
    rotary = model.backbone.qwen3.rotary_emb(x, positions_of(text_valid, size))
    for before in layers[: layer % len(layers)]:
        x = before(x, attention_mask=mask, position_embeddings=rotary)
    this = layers[layer]
    attention, normed = this.self_attn, this.input_layernorm(x)
    k, _ = keys_values(attention, normed, rotary)
    q = attention.q_proj(normed).unflatten(-1, (-1, attention.head_dim))
    q = rotate(attention.q_norm(q).transpose(1, 2), *rotary)
    k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)  # several query heads share one of keys
    return torch.softmax(q @ k.transpose(-1, -2) * attention.head_dim**-0.5 + mask, -1)


def future_ratio(attention: Tensor, chosen: Tensor | None = None) -> Tensor:
    """Share of attention above the diagonal, ``[..., L, L] -> [...]``.

    Args:
        chosen: positions that A is cut down to, bool ``[L]``; the others neither ask nor are read.
    """
    if chosen is not None:
        attention = attention[..., chosen, :][..., chosen]
    return attention.triu(1).sum((-2, -1)) / attention.sum((-2, -1))


def ranked_heads(ratios: Tensor) -> Tensor:
    """Heads by falling future-attention ratio ``[heads]``; int ``[heads]``."""
    return ratios.argsort(descending=True, stable=True)
