"""SiCLIP: text and signing in one space, token by token (MaDiS §3.4).

With unit features t_il of text i and v_jm of signing j, and a learned scale::

    s[i, j, l, m] = exp(scale) <t_il, v_jm>
    text view:  mean over l of sum_m softmax_m(s) s        each text token finds its signs
    sign view:  mean over m of sum_l softmax_l(s) s        each sign token finds its words

§3.4 says that a CLIP model is trained on text and sign tokens; the two views, the causal text tower
and the score are the release's.  Rows are texts, columns signings.  The score of an evaluation is the sign view without the scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from madis_lib import parts
from madis_lib.backbone import Backbone
from madis_lib.presets import ModelConfig
from madis_lib.vqvae import Encoder, length_mask

HIDDEN = -1e6  # what a softmax sees of a pair with padding


@dataclass(frozen=True)
class SiCLIPConfig:
    """Sizes: the text tower, the three sign encoders, the space they share."""

    text: ModelConfig  # ``text_vocab`` rows, the first ``num_layers`` layers of the language model
    width: int
    code_dim: int
    depth: int
    projection: int  # hidden width of both projections
    embedding: int


class SiCLIP(nn.Module):
    """Text ids and normalised features to unit vectors, one per token."""

    def __init__(self, config: SiCLIPConfig) -> None:
        super().__init__()
        self.config, d = config, config.text.hidden_size
        self.embed = nn.Embedding(config.text.text_vocab, d)
        self.backbone = Backbone(config.text)
        self.encoders = nn.ModuleDict(
            {
                part: Encoder(len(columns), config.width, config.code_dim, config.depth)
                for part, columns in parts.COLUMNS.items()
            }
        )
        self.text_projection = _projection(d, config)
        self.sign_projection = _projection(3 * config.code_dim, config)
        self.logit_scale = nn.Parameter(torch.zeros(1))

    def text_states(self, ids: Tensor, valid: Tensor) -> Tensor:
        """Hidden states of the causal text tower; int, bool ``[B, Lt] -> [B, Lt, d]``."""
        positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        return self.backbone(self.embed(ids), valid, positions, causal=True)

    def text_features(self, ids: Tensor, valid: Tensor) -> Tensor:
        """Unit vectors ``[B, Lt, D]`` of text tokens."""
        return F.normalize(self.text_projection(self.text_states(ids, valid)), dim=-1)

    def sign_features(self, motion: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Unit vectors ``[B, T / 4, D]``, one per four frames of normalised ``[B, T, 133]``.

        Args:
            lengths: frames of each clip; what lies beyond is hidden from the encoders.
        """
        mask = length_mask(lengths, len(motion), motion.shape[1], motion.device)
        channels = None if mask is None else mask[:, None].to(motion)
        x = parts.split(motion)
        latents = [self.encoders[p](x[p].transpose(1, 2), channels) for p in parts.PARTS]
        return F.normalize(self.sign_projection(torch.cat(latents, 1).transpose(1, 2)), dim=-1)


def _projection(size: int, config: SiCLIPConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(size, config.projection),
        nn.SiLU(),
        nn.Linear(config.projection, config.embedding),
    )


def views(
    text: Tensor,
    text_valid: Tensor,
    sign: Tensor,
    sign_valid: Tensor,
    scale: Tensor | float = 1.0,
    averaged: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Text view and sign view of every pair; ``[I, J]`` each.

    Args:
        text: unit vectors ``[I, L, D]``; ``text_valid`` bool ``[I, L]``.
        sign: unit vectors ``[J, M, D]``; ``sign_valid`` bool ``[J, M]``.
        scale: exp(logit scale).
        averaged: sign tokens that count in the mean of the sign view, bool ``[I, J, M]``; by
            default those of signing j.
    """
    s = scale * torch.einsum("ild,jmd->ijlm", text, sign)
    pair = text_valid[:, None, :, None] & sign_valid[None, :, None, :]
    seen = s.masked_fill(~pair, HIDDEN)
    if averaged is None:
        averaged = sign_valid.expand(len(text), *sign_valid.shape)
    found_signs = (torch.softmax(seen, 3) * s).sum(3)
    found_words = (torch.softmax(seen, 2) * s).sum(2)
    text_tokens = text_valid[:, None].expand_as(found_signs)
    return _mean(found_signs, text_tokens), _mean(found_words, averaged)


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    return (values * valid).sum(-1) / valid.sum(-1)


def contrastive_loss(text_view: Tensor, sign_view: Tensor) -> Tensor:
    """Mean over both views of the cross-entropy of rows and of columns; pairs are on the diagonal."""
    right = torch.arange(len(text_view), device=text_view.device)
    terms = [F.cross_entropy(m, right) for v in (text_view, sign_view) for m in (v, v.T)]
    return torch.stack(terms).mean()
