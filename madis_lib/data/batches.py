"""Clips and sentences of different lengths side by side in one tensor, with their lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def pad_features(clips: Sequence[np.ndarray | Tensor]) -> tuple[Tensor, Tensor]:
    """``[T_i, 133]`` clips as float32 ``[B, max T, 133]``, zeros behind, and int64 lengths."""
    return _pad([torch.as_tensor(clip, dtype=torch.float32) for clip in clips], 0.0)


def pad_tokens(
    streams: Sequence[np.ndarray | Tensor | Sequence[int]], pad: int
) -> tuple[Tensor, Tensor]:
    """Ids ``[L_i, ...]`` (text ``[L]``, triples ``[L, 3]``) as int64 ``[B, max L, ...]``, lengths.

    An empty text is a row of padding of length 0.
    """
    return _pad([torch.as_tensor(stream, dtype=torch.int64) for stream in streams], pad)


def valid_mask(lengths: Tensor, size: int) -> Tensor:
    """True at real positions; lengths ``[B]`` -> bool ``[B, size]``."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def _pad(items: list[Tensor], fill: float) -> tuple[Tensor, Tensor]:
    if not items:
        raise ValueError("a batch needs at least one sample")
    lengths = torch.tensor([len(item) for item in items])
    return torch.nn.utils.rnn.pad_sequence(items, True, fill), lengths
