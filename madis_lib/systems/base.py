"""What every row of Table 1 has in common: a card, and sentences in, signing out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from madis_lib.parts import FRAMES_PER_TOKEN
from madis_lib.tokenizer import Tokenizer


@dataclass(frozen=True)
class Signing:
    """What a system makes of one sentence."""

    features: np.ndarray  # float32 [4L, 133], raw
    tokens: np.ndarray  # int64 [L, 3]; [L, 1] by a tokenizer of the whole body


@torch.no_grad()
def decoded(tokenizer: Tokenizer, codes: Tensor, lengths: Tensor) -> list[Signing]:
    """Signing of codes ``[B, L, 3]`` and lengths ``[B]``, wherever model and tokenizer are."""
    on = tokenizer.mean.device
    motion = tokenizer.decode(codes.to(on), lengths.to(on)).cpu().numpy()
    return [
        Signing(features[: FRAMES_PER_TOKEN * n], tokens[:n])
        for features, tokens, n in zip(motion, codes.cpu().numpy(), lengths.tolist(), strict=True)
    ]


class Example(NamedTuple):
    """A training sentence."""

    text: str
    corpus: str
    tokens: np.ndarray  # [L, 3], or [L, 1] by a tokenizer of the whole body


Stage = Literal["pretrain", "finetune"]  # on all corpora, then on one


@dataclass(frozen=True)
class Card:
    """What a row of Table 1 is, and where the one built here differs from the published one."""

    name: str
    source: str
    tokens: str  # what a position holds, and in which order positions are written
    deviations: tuple[str, ...]
    dictionary: bool = False  # whether it looks signs up


class System(Protocol):
    """A row of Table 1: text is all it is given."""

    card: Card
    tokenizer: Tokenizer

    @property
    def model(self) -> nn.Module:
        """What is trained; the sign tokenizer is not part of it."""

    def generate(self, sentences: Sequence[str], batch_size: int = 32) -> list[Signing]:
        """Sign sentences; what one becomes depends on no other."""


class TrainableSystem(System, Protocol):
    """A row that is trained by its own loss."""

    def loss(
        self, batch: Sequence[Example], generator: torch.Generator, stage: Stage
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and what to log."""
