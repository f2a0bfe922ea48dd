"""release: what its language model reads and what its heads say (MaDiS §3.2-3.3, other reading).

Ids are rows of the embedding matrix, V of them; logits are hidden x embedding transposed, with
``-inf`` where a head may not look.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from madis_lib.model import MaDiS
from madis_lib.vocab import Vocab

DROPOUT = 0.1


def row_positions(batch: int, length: int) -> Tensor:
    """Rotary positions ``[B, L]`` along the padded row: signs start after the batch's longest text.

    A sentence's output therefore depends on what it is batched with.
    """
    return torch.arange(length).expand(batch, length)


def head_rows(vocab: Vocab, part: int) -> Tensor:
    """What a fine-tuned head may say: its codes, the spare ids behind them, eos and pad."""
    start = vocab.first[part]
    codes = torch.arange(start, start + vocab.codes[part] + vocab.spare)
    return torch.cat([codes, torch.tensor([vocab.eos, vocab.pad])]).unique()


def finetuned_hidden(
    model: MaDiS, text_ids: Tensor, text_valid: Tensor, sign_ids: Tensor
) -> Tensor:
    """Hidden states of the signs ``[B, L, d]``: text padding hidden, every sign position read.

    Args:
        text_ids: int ``[B, Lt]`` without eos; ``text_valid`` bool ``[B, Lt]``.
        sign_ids: int ``[B, L, 3]``, padding included.
    """
    batch, length, _ = sign_ids.shape
    everything = torch.ones(batch, length, dtype=torch.bool, device=sign_ids.device)
    positions = row_positions(batch, text_ids.shape[1] + length).to(sign_ids.device)
    return model(text_ids, text_valid, sign_ids, everything, mop=True, positions=positions)[1]


def finetuned_logits(model: MaDiS, hidden: Tensor) -> list[Tensor]:
    """Three heads over one softmax's rows; ``[..., d] -> 3 x [..., V]``, -inf off :func:`head_rows`."""
    logits = F.linear(hidden, model.embed.weight)
    heads = []
    for part in range(3):
        blocked = torch.ones(model.vocab.size, dtype=torch.bool, device=hidden.device)
        blocked[head_rows(model.vocab, part)] = False
        heads.append(logits.masked_fill(blocked, -torch.inf))
    return heads


def pretraining_ids(text_ids: Tensor, sign_ids: Tensor) -> Tensor:
    """Text, each id three times, and signs in one row of triples ``[B, Lt + L, 3]``; no eos."""
    return torch.cat([text_ids[..., None].expand(-1, -1, 3), sign_ids], 1)


def pretraining_hidden(model: MaDiS, ids: Tensor) -> Tensor:
    """Hidden states ``[B, L, d]`` of :func:`pretraining_ids`; padding is read like anything else."""
    batch, length, _ = ids.shape
    everything = torch.ones(batch, length, dtype=torch.bool, device=ids.device)
    positions = row_positions(batch, length).to(ids.device)
    no_text = ids.new_zeros(batch, 0)
    return model(no_text, no_text.bool(), ids, everything, mop=False, positions=positions)[1]


def pretraining_logits(model: MaDiS, hidden: Tensor) -> Tensor:
    """One softmax for text and all three parts; ``[..., d] -> [..., V]``, only mask is -inf."""
    mask_id = torch.arange(model.vocab.size, device=hidden.device) == model.vocab.mask
    return F.linear(hidden, model.embed.weight).masked_fill(mask_id, -torch.inf)


def add_dropout(model: MaDiS, share: float = DROPOUT) -> None:
    """Dropout after the activation and on the output of gate and latent heads, in training mode.

    So gate logits are dropped before their softmax, and predicted latents are dropped too.
    """

    def drop(module: torch.nn.Module, _: object, output: Tensor) -> Tensor:
        return F.dropout(output, share, module.training)

    for mlp in (model.fusion.gate, *model.latent_heads):
        for layer in list(mlp)[1:]:
            layer.register_forward_hook(drop)
