"""A causal decoder with a cache of keys and values: what masked diffusion is to be faster than.

It has the backbone of a MaDiS and its rows, read forwards: a token, three codes at once, for each
pass after one over the text.  It is no system, and SOKE does more (retrieval, a language tag, a
weighted fusion); this one only has to be fast.  Every help that the fast sampler has, it has too:
logits of the reachable codes only, one matrix product for all three heads, embeddings from tables,
lean layers, a cache of fixed size, no look at what was written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from madis_lib.fast_sampler import keys_values, rotate
from madis_lib.model import MaDiS


@torch.no_grad()
def generate(model: MaDiS, text_ids: Tensor, compiled: bool = False) -> Tensor:
    """Codes ``[B, M, 3]``, greedy, one place after another to the end of the canvas.

    Args:
        text_ids: int ``[B, Lt]``, without padding.
        compiled: all of a layer but its attention by torch.compile, as :class:`fast_sampler.Ideas`.
    """
    qwen3, size, (batch, text) = model.backbone.qwen3, model.config.max_tokens, text_ids.shape
    weight, device = model.embed.weight, text_ids.device
    tables = [weight[model.vocab.head_ids(part, device)[:-1]] for part in range(3)]
    codes = [len(table) for table in tables]
    heads = torch.cat(tables)
    places = torch.arange(text + size, device=device)[None]
    cos, sin = qwen3.rotary_emb(weight, places)
    c = model.config
    shape = (batch, c.num_kv_heads, text + size, c.head_dim)
    kept = [[weight.new_empty(shape) for _ in range(2)] for _ in range(c.num_layers)]
    written = torch.empty(batch, size, 3, dtype=torch.long, device=device)
    before, after = _compiled() if compiled else (_before, _after)
    x, start = F.embedding(text_ids, weight), 0
    for i in range(size):
        end = start + x.shape[1]
        rotary = cos[:, start:end], sin[:, start:end]
        layers: Any = qwen3.layers
        for layer, (keys, values) in zip(layers, kept, strict=True):
            q, keys[:, :, start:end], values[:, :, start:end] = before(layer, x, rotary)
            k, v = keys[:, :, :end], values[:, :, :end]
            read = F.scaled_dot_product_attention(q, k, v, is_causal=start == 0, enable_gqa=True)
            x = after(layer, x, read)
        logits = F.linear(qwen3.norm(x[:, -1]), heads).split(codes, -1)
        triple = [z.argmax(-1) for z in logits]
        written[:, i] = torch.stack(triple, -1)
        rows = [F.embedding(c, table) for c, table in zip(triple, tables, strict=True)]
        x, start = (rows[0] + rows[1] + rows[2])[:, None] / 3, end
    return written


def _before(
    layer: Any,  # Qwen3DecoderLayer
    x: Tensor,
    rotary: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values ``[B, heads, n, head_dim]`` of ``x [B, n, d]``."""
    attention, normed = layer.self_attn, layer.input_layernorm(x)
    k, v = keys_values(attention, normed, rotary)
    q = attention.q_proj(normed).unflatten(-1, (-1, attention.head_dim))
    return rotate(attention.q_norm(q).transpose(1, 2), *rotary), k, v


def _after(layer: Any, x: Tensor, read: Tensor) -> Tensor:
    """What a layer makes of ``x [B, n, d]`` and what its attention read."""
    x = x + layer.self_attn.o_proj(read.transpose(1, 2).flatten(2))
    return x + layer.mlp(layer.post_attention_layernorm(x))


@cache
def _compiled() -> tuple[Callable[..., Any], Callable[..., Any]]:
    return torch.compile(_before, dynamic=False), torch.compile(_after, dynamic=False)
