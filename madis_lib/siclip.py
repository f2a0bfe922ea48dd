"""SiCLIP: text and signing in one space (MaDiS §3.4, §4.2, Table 6).

With unit features t_il of text i and v_jm of signing j, and a learned scale::

    plain CLIP:    exp(scale) <t_i, v_j>       t_i, v_j: means over tokens, made unit again

    fine-grained:  s[i, j, l, m] = exp(scale) <t_il, v_jm>
        text view:  mean over l of sum_m softmax_m(s) s    each text token finds its signs
        sign view:  mean over m of sum_l softmax_l(s) s    each sign token finds its words

Rows are texts, columns signings.  The score of an evaluation is the sign view divided by
exp(scale), which the softmax keeps; of plain CLIP, the cosine.

§3.4 and §4.2 say that a CLIP model is trained on pairs of text and motion, and name a fine-grained
loss; its two views, the causal text tower and the score are the release's.  Of plain CLIP nothing is
told but its name: the pooling is ours.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from madis_lib import parts
from madis_lib.backbone import Backbone
from madis_lib.presets import SiCLIPConfig
from madis_lib.vqvae import Encoder, frame_mask

HIDDEN = -1e6  # what a softmax sees of a pair with padding
# exp(scale) starts at 1 / 0.07, as CLIP's does (Radford et al. 2021).  The release draws the scale
# from a standard normal: exp(scale) is then about 1, and a softmax of cosines flat at first.
LOGIT_SCALE = math.log(1 / 0.07)


class SiCLIP(nn.Module):
    """Text ids and normalised features to unit vectors, one per token."""

    def __init__(self, config: SiCLIPConfig) -> None:
        super().__init__()
        self.config, d = config, config.text.hidden_size
        self.embed = nn.Embedding(config.text.text_vocab, d)
        self.backbone = Backbone(config.text)
        columns, width, latent = parts.COLUMNS, config.width, config.code_dim
        if not config.decoupled:  # one encoder with as many latents, and about as many weights
            columns = {"whole": list(range(parts.NUM_FEATURES))}
            width, latent = round(3**0.5 * width), 3 * latent
        self.encoders = nn.ModuleDict(
            {part: Encoder(len(c), width, latent, config.depth) for part, c in columns.items()}
        )
        self.text_projection = _projection(d, config)
        self.sign_projection = _projection(3 * config.code_dim, config)
        self.logit_scale = nn.Parameter(torch.full((1,), LOGIT_SCALE))

    def start_from_qwen3(self, checkpoint: str) -> None:
        """Take the first layers and the text rows of a Qwen3 checkpoint, as the release does.

        Its sign encoders start from the sign tokenizer's as well; ours do not, so that one SiCLIP
        judges systems of any tokenizer.  ValueError: the checkpoint does not fit the config.
        """
        rows = self.backbone.start_from_qwen3(checkpoint, first_layers=True)
        if len(rows) < len(self.embed.weight):
            raise ValueError(
                f"{checkpoint}: {len(rows)} embedding rows for {len(self.embed.weight)} text tokens"
            )
        with torch.no_grad():
            self.embed.weight.copy_(rows[: len(self.embed.weight)])

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

        Raises:
            ValueError: T or a length is not a multiple of four.
        """
        mask = frame_mask(motion, lengths)
        channels = None if mask is None else mask[:, None].to(motion)
        x = parts.split(motion) if self.config.decoupled else {"whole": motion}
        latents = [encoder(x[p].transpose(1, 2), channels) for p, encoder in self.encoders.items()]
        return F.normalize(self.sign_projection(torch.cat(latents, 1).transpose(1, 2)), dim=-1)

    def loss(self, text: Tensor, text_valid: Tensor, sign: Tensor, sign_valid: Tensor) -> Tensor:
        """The contrastive loss of a batch of pairs, from their features; arguments as :func:`views`."""
        features, scale = (text, text_valid, sign, sign_valid), self.logit_scale.exp()
        if self.config.fine_grained:
            return contrastive_loss(*views(*features, scale))
        return contrastive_loss(scale * global_similarity(*features))

    def similarity(
        self, text: Tensor, text_valid: Tensor, sign: Tensor, sign_valid: Tensor
    ) -> Tensor:
        """The score of an evaluation ``[I, J]``, at most 1; arguments as :func:`views`."""
        features, scale = (text, text_valid, sign, sign_valid), self.logit_scale.exp()
        if self.config.fine_grained:
            return views(*features, scale)[1] / scale
        return global_similarity(*features)


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


def global_similarity(text: Tensor, text_valid: Tensor, sign: Tensor, sign_valid: Tensor) -> Tensor:
    """Plain CLIP: one cosine for every pair, ``[I, J]``; arguments as :func:`views`."""
    t, v = (
        F.normalize((x * valid[..., None]).sum(1), dim=-1)
        for x, valid in ((text, text_valid), (sign, sign_valid))
    )
    return t @ v.T


def contrastive_loss(*logits: Tensor) -> Tensor:
    """Mean over views ``[B, B]`` of the cross-entropy of rows and of columns; pairs are on the diagonal."""
    right = torch.arange(len(logits[0]), device=logits[0].device)
    terms = [F.cross_entropy(m, right) for view in logits for m in (view, view.T)]
    return torch.stack(terms).mean()
