"""Three part tokens, one embedding: the mixture of parts (MaDiS §3.3, Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mean_of_rows(table: Tensor, ids: Tensor) -> Tensor:
    """The usual sign embedding (Fig. 4a): the mean of a triple's rows; ``[..., 3] -> [..., d]``."""
    return F.embedding(ids, table).mean(-2)


class MixtureOfParts(nn.Module):
    """E = sum_p g_p FC_p(c_p), G = softmax(MLP(cat(c_b, c_l, c_r))) (Fig. 4b).

    Args:
        codebooks: the tokenizer's frozen codes of body, left and right hand, ``[K_p, code_dim]``.
        hidden_size: width d of the language model.
    """

    def __init__(self, codebooks: Sequence[Tensor], hidden_size: int) -> None:
        super().__init__()
        code_dim = codebooks[0].shape[1]
        for p, codebook in enumerate(codebooks):
            self.register_buffer(f"codebook{p}", codebook.detach().clone())
        self.fc = nn.ModuleList(nn.Linear(code_dim, hidden_size, bias=False) for _ in codebooks)
        self.gate = nn.Sequential(
            nn.Linear(len(codebooks) * code_dim, hidden_size),
            nn.SiLU(),
            nn.Linear(hidden_size, len(codebooks)),
        )

    @property
    def codebooks(self) -> list[Tensor]:
        return [getattr(self, f"codebook{p}") for p in range(len(self.fc))]

    def gate_weights(self, codes: Tensor) -> Tensor:
        """G, how much each part counts; ``[..., 3] -> [..., 3]``, sums to 1."""
        c = [F.embedding(codes[..., p], book) for p, book in enumerate(self.codebooks)]
        return torch.softmax(self.gate(torch.cat(c, -1)), -1)

    def forward(self, codes: Tensor) -> Tensor:
        """Embeddings of code triples; ``[..., 3] -> [..., d]``."""
        books = self.codebooks
        # FC_p(c_p): projecting the codebook once is the same as projecting every position
        experts = [F.embedding(codes[..., p], self.fc[p](books[p])) for p in range(len(books))]
        return (self.gate_weights(codes)[..., None] * torch.stack(experts, -2)).sum(-2)
