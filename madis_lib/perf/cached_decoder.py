"""A causal decoder with a cache of keys and values: what masked diffusion is to be faster than.

It has the backbone of a MaDiS and its rows, read forwards: a token, three codes at once, for each
pass after one over the text.  It is no system, and SOKE does more (retrieval, a language tag, a
weighted fusion); this one only has to be fast.  Every help that the fast sampler has, it has too:
logits of the reachable codes only, one matrix product for all three heads, embeddings from tables,
lean layers, a cache of fixed size, no look at what was written.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from madis_lib.fast_sampler import keys_values, rotate
from madis_lib.model import MaDiS


@torch.no_grad()
def generate(model: MaDiS, text_ids: Tensor) -> Tensor:
    """Codes ``[B, M, 3]``, greedy, one place after another to the end of the canvas.

    Args:
        text_ids: int ``[B, Lt]``, without padding.
    """
    qwen3, size, (batch, text) = model.backbone.qwen3, model.config.max_tokens, text_ids.shape
    weight, device = model.embed.weight, text_ids.device
    tables = [weight[model.vocab.head_ids(part)[:-1].to(device)] for part in range(3)]
    codes = [len(table) for table in tables]
    heads = torch.cat(tables)
    places = torch.arange(text + size, device=device)[None]
    cos, sin = qwen3.rotary_emb(weight, places)
    c = model.config
    shape = (batch, c.num_kv_heads, text + size, c.head_dim)
    cache = [[weight.new_empty(shape) for _ in range(2)] for _ in range(c.num_layers)]
    written = torch.empty(batch, size, 3, dtype=torch.long, device=device)
    x, start = F.embedding(text_ids, weight), 0
    for i in range(size):
        end = start + x.shape[1]
        layers: Any = qwen3.layers
        for layer, kept in zip(layers, cache, strict=True):
            x = _layer(layer, x, (cos[:, start:end], sin[:, start:end]), kept, start)
        logits = F.linear(qwen3.norm(x[:, -1]), heads).split(codes, -1)
        triple = [z.argmax(-1) for z in logits]
        written[:, i] = torch.stack(triple, -1)
        rows = [F.embedding(c, table) for c, table in zip(triple, tables, strict=True)]
        x, start = (rows[0] + rows[1] + rows[2])[:, None] / 3, end
    return written


def _layer(
    layer: Any,  # Qwen3DecoderLayer
    x: Tensor,
    rotary: tuple[Tensor, Tensor],
    kept: list[Tensor],
    start: int,
) -> Tensor:
    """One Qwen3 layer at places from ``start`` on, ``[B, n, d] -> [B, n, d]``; ``kept`` grows."""
    attention, normed, end = layer.self_attn, layer.input_layernorm(x), start + x.shape[1]
    for all_, new in zip(kept, keys_values(attention, normed, rotary), strict=True):
        all_[:, :, start:end] = new
    q = attention.q_proj(normed).unflatten(-1, (-1, attention.head_dim))
    q = rotate(attention.q_norm(q).transpose(1, 2), *rotary)
    k, v = (all_[:, :, :end] for all_ in kept)
    read = F.scaled_dot_product_attention(q, k, v, is_causal=start == 0, enable_gqa=True)
    x = x + attention.o_proj(read.transpose(1, 2).flatten(2))
    return x + layer.mlp(layer.post_attention_layernorm(x))
