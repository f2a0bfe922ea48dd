"""release: its training losses (MaDiS §3.2-3.3, Eq. 3, other reading).

In the release a sum over the batch is divided by a count over the batch, so that a sentence weighs
more beside short ones; padding is motion of its own; eos is never a target.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from madis_lib import diffusion, objectives, parts
from madis_lib.data.batches import valid_mask
from madis_lib.model import MaDiS
from madis_lib.objectives import Batch, Decoders
from madis_lib.release import forward
from madis_lib.vocab import Vocab


def token_loss(logits: Tensor, ids: Tensor, masked: Tensor, p: Tensor, valid: Tensor) -> Tensor:
    """Sum over masked valid positions of CE / p, by the count of *all* valid positions of the batch.

    Args: as for :func:`madis_lib.diffusion.token_loss`, which this is with another count.
    """
    batch_mean = valid.sum().expand(len(p)) / len(p)
    return diffusion.token_loss(logits, ids, masked, p, valid, batch_mean)


def latent_loss(
    predicted: Sequence[Tensor], codebooks: Sequence[Tensor], codes: Tensor, masked: Tensor
) -> Tensor:
    """L_lat as one mean over the concatenated numbers of the three parts; the paper has a sum."""
    return objectives.latent_loss(predicted, codebooks, codes, masked) / len(predicted)


def physical_loss(
    predicted: Sequence[Tensor], decoders: Decoders, motion: Tensor, frames: Tensor | None = None
) -> Tensor:
    """L_phy as one mean over the 133 features of the chosen ``frames``, bool ``[B, 4L]``.

    None: all of them, unmasked and padding too (whose target is zero), as the release trains now;
    its first public version had the frames of masked real positions.
    """
    lengths = torch.full((len(motion),), predicted[0].shape[1], device=motion.device)
    decoded = [decode(h, lengths) for decode, h in zip(decoders, predicted, strict=True)]
    whole = parts.join(dict(zip(parts.PARTS, decoded, strict=True)))
    if frames is None:
        return F.smooth_l1_loss(whole, motion)
    return F.smooth_l1_loss(whole[frames], motion[frames])


def sign_ids(codes: Tensor, real: Tensor, vocab: Vocab) -> Tensor:
    """Ids ``[B, L, 3]`` of a batch; padding is the pad id, and no eos follows the last sign."""
    return vocab.to_ids(codes).masked_fill(~real[..., None], vocab.pad)


def pretraining_loss(
    model: MaDiS,
    decoders: Decoders,
    batch: Batch,
    p: Tensor,
    masked: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L_body + L_left + L_right + L_lat + L_phy under given noise; text counts with the body.

    Args:
        p: masking probabilities ``[B]``; ``masked`` bool ``[B, Lt + L]`` (:mod:`.noise`).
    """
    vocab, text_size = model.vocab, batch.text_ids.shape[1]
    real = valid_mask(batch.lengths, batch.codes.shape[1])
    ids = forward.pretraining_ids(batch.text_ids, sign_ids(batch.codes, real, vocab))
    hidden = forward.pretraining_hidden(model, ids.masked_fill(masked[..., None], vocab.mask))
    logits = forward.pretraining_logits(model, hidden)
    tokens = []
    for part in range(3):
        valid = torch.cat([batch.text_valid & (part == 0), real], 1)
        tokens.append(token_loss(logits, ids[..., part], masked, p, valid))
    sign_hidden, sign_masked = hidden[:, text_size:], masked[:, text_size:] & real
    return _total(model, decoders, batch, tokens, sign_hidden, sign_masked, weight=1.0)


def finetuning_loss(
    model: MaDiS,
    decoders: Decoders,
    batch: Batch,
    p: Tensor,
    masked: Tensor,
    weight: float = 0.5,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L_body + L_left + L_right + weight (L_lat + L_phy) under given noise, ``masked [B, L]``."""
    real = valid_mask(batch.lengths, batch.codes.shape[1])
    ids = sign_ids(batch.codes, real, model.vocab)
    noisy = ids.masked_fill(masked[..., None], model.vocab.mask)
    hidden = forward.finetuned_hidden(model, batch.text_ids, batch.text_valid, noisy)
    heads = forward.finetuned_logits(model, hidden)
    tokens = [
        token_loss(logits, ids[..., part], masked, p, real) for part, logits in enumerate(heads)
    ]
    return _total(model, decoders, batch, tokens, hidden, masked & real, weight)


def _total(
    model: MaDiS,
    decoders: Decoders,
    batch: Batch,
    tokens: Sequence[Tensor],
    hidden: Tensor,
    masked: Tensor,
    weight: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    predicted = model.latents(hidden)
    latent = latent_loss(predicted, model.fusion.codebooks, batch.codes, masked)
    physical = physical_loss(predicted, decoders, batch.motion)
    logs = dict(zip(parts.PARTS, tokens, strict=True)) | {"latent": latent, "physical": physical}
    return torch.stack(list(tokens)).sum() + weight * (latent + physical), logs
