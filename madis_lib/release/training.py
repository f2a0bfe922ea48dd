"""release: its losses under its noise, in the place of :mod:`madis_lib.objectives` (MaDiS §3.2-3.3).

What is left out: the three spare ids of each code block, which are never a target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from madis_lib.distributed import ALONE, World
from madis_lib.model import MaDiS
from madis_lib.objectives import Batch, Decoders
from madis_lib.parts import PARTS
from madis_lib.release import losses, noise
from madis_lib.release.system import Text

Loss = tuple[Tensor, dict[str, Tensor]]


def encode_texts(text: PreTrainedTokenizerBase, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Text ids *without* eos, int ``[B, Lt]``, and which are real, bool ``[B, Lt]``."""
    return whole(text).encode(sentences)


def whole(text: PreTrainedTokenizerBase) -> Text:
    """A text tokenizer none of whose rows were trimmed."""
    return Text(text, {i: i for i in range(len(text))})


def pretraining_loss(
    model: MaDiS, decoders: Decoders, batch: Batch, generator: torch.Generator, world: World = ALONE
) -> Loss:
    """:func:`losses.pretraining_loss` under fresh noise; each process has its own normaliser."""
    length = batch.text_ids.shape[1] + batch.codes.shape[1]
    drawn = noise.pretraining_noise(len(batch.codes), length, generator)
    with _dropout_from(generator, world):
        return _logged(*losses.pretraining_loss(model, decoders, *_own_rows(batch, drawn, world)))


def finetuning_loss(
    model: MaDiS,
    decoders: Decoders,
    batch: Batch,
    generator: torch.Generator,
    alpha: float = 0.5,
    world: World = ALONE,
) -> Loss:
    """:func:`losses.finetuning_loss` under fresh noise, over the longest sentence of the batch."""
    drawn = noise.finetuning_noise(len(batch.codes), batch.codes.shape[1], generator)
    with _dropout_from(generator, world):
        rows = _own_rows(batch, drawn, world)
        return _logged(*losses.finetuning_loss(model, decoders, *rows, alpha))


@contextmanager
def _dropout_from(generator: torch.Generator, world: World) -> Iterator[None]:
    """Dropout decided by the update, so that a killed run goes on to the same weights.

    Each process drops its own: several do not compute what one does, as in the release.
    """
    seed = int(torch.randint(2**40, (), generator=generator)) + world.rank
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_available() else []):
        torch.manual_seed(seed)
        yield


def _logged(loss: Tensor, logs: dict[str, Tensor]) -> Loss:
    """The three heads as one sum, as elsewhere; in pretraining the body's holds the text."""
    heads = torch.stack([logs.pop(part) for part in PARTS])
    return loss, {"sign": heads.sum(), **logs}


def _own_rows(
    batch: Batch, drawn: tuple[Tensor, Tensor], world: World
) -> tuple[Batch, Tensor, Tensor]:
    rows, device = world.rows(len(batch.codes)), batch.codes.device
    p, masked = (x[rows].to(device) for x in drawn)
    return batch.rows(rows), p, masked
