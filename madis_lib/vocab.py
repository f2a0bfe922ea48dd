"""Where text, mask and the three code blocks lie among the embedding rows.

``[ text ... | mask | body codes | left codes | right codes ]``

A sign position holds three ids, one of each part: a *triple*.  Mask and end-of-sentence are one id
repeated three times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Vocab:
    """Id layout of one model; ``spare`` unused ids end each code block (3 in the release)."""

    text_size: int
    eos: int
    pad: int
    codes: tuple[int, ...]  # of body, left and right hand
    spare: int = 0

    @property
    def mask(self) -> int:
        return self.text_size

    @property
    def first(self) -> tuple[int, int, int]:
        """The id of code 0 of each part."""
        body = self.text_size + 1
        left = body + self.codes[0] + self.spare
        right = left + self.codes[1] + self.spare
        return body, left, right

    @property
    def size(self) -> int:
        return self.text_size + 1 + sum(self.codes) + 3 * self.spare

    def to_ids(self, codes: Tensor) -> Tensor:
        """Codes ``[..., 3]`` (from 0 in each part) to ids ``[..., 3]``."""
        return codes + on_device(self.first, codes.device)

    def to_codes(self, ids: Tensor) -> Tensor:
        """The inverse of :meth:`to_ids`; meaningful where :meth:`is_code_triple`."""
        return ids - on_device(self.first, ids.device)

    def is_code_triple(self, ids: Tensor) -> Tensor:
        """True where all three ids of ``[..., 3]`` are codes of their own part."""
        codes = self.to_codes(ids)
        return ((codes >= 0) & (codes < on_device(self.codes, ids.device))).all(-1)

    def head_ids(self, part: int, device: torch.device = CPU) -> Tensor:
        """What the head of a part chooses from: its codes, then eos; ``[codes + 1]``."""
        start = self.first[part]
        return on_device((*range(start, start + self.codes[part]), self.eos), device)


@cache
def on_device(values: tuple[int, ...], device: torch.device) -> Tensor:
    """``values`` as a tensor, moved to the device once: a copy in every step would make it wait."""
    with torch.inference_mode(False):  # it stays, and training may need it next
        return torch.tensor(values, device=device)
