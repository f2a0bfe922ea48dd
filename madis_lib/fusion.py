"""Three part tokens, one embedding: the mixture of parts and its rivals (MaDiS §3.3, Fig. 4, Table 4).

Every fusion but the usual mean of embedding rows sees a triple as the three frozen codebook vectors
c_p of its tokens, and makes one embedding E of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mean_of_rows(table: Tensor, ids: Tensor) -> Tensor:
    """The usual sign embedding (Fig. 4a): the mean of a triple's rows; ``[..., 3] -> [..., d]``."""
    return F.embedding(ids, table).mean(-2)


class Codebooks(nn.Module):
    """The tokenizer's frozen codes c_p of body, left and right hand, ``3 x [K_p, code_dim]``."""

    def __init__(self, codebooks: Sequence[Tensor]) -> None:
        super().__init__()
        self.parts = len(codebooks)
        for p, codebook in enumerate(codebooks):
            self.register_buffer(f"codebook{p}", codebook.detach().clone())

    @property
    def codebooks(self) -> list[Tensor]:
        return [getattr(self, f"codebook{p}") for p in range(self.parts)]

    def vectors(self, codes: Tensor) -> list[Tensor]:
        """c_p of code triples; ``[..., 3] -> 3 x [..., code_dim]``."""
        return [F.embedding(codes[..., p], book) for p, book in enumerate(self.codebooks)]


class ProjectedParts(Codebooks):
    """E_p = FC_p(c_p): what most fusions start from.

    Args:
        codebooks: ``3 x [K_p, code_dim]``.
        hidden_size: width d of the language model.
    """

    def __init__(self, codebooks: Sequence[Tensor], hidden_size: int) -> None:
        super().__init__(codebooks)
        code_dim = codebooks[0].shape[1]
        self.fc = nn.ModuleList(nn.Linear(code_dim, hidden_size, bias=False) for _ in codebooks)

    def part_embeddings(self, codes: Tensor) -> Tensor:
        """E_p of code triples; ``[..., 3] -> [..., 3, d]``."""
        # projecting the codebook once is the same as projecting every position
        tables = [fc(book) for fc, book in zip(self.fc, self.codebooks, strict=True)]
        return torch.stack([F.embedding(codes[..., p], t) for p, t in enumerate(tables)], -2)


class MixtureOfParts(ProjectedParts):
    """E = sum_p g_p FC_p(c_p), G = softmax(MLP(cat(c_b, c_l, c_r))) (Fig. 4b)."""

    def __init__(self, codebooks: Sequence[Tensor], hidden_size: int) -> None:
        super().__init__(codebooks, hidden_size)
        self.gate = nn.Sequential(
            nn.Linear(self.parts * codebooks[0].shape[1], hidden_size),
            nn.SiLU(),
            nn.Linear(hidden_size, self.parts),
        )

    def gate_weights(self, codes: Tensor) -> Tensor:
        """G, how much each part counts; ``[..., 3] -> [..., 3]``, sums to 1."""
        return torch.softmax(self.gate(torch.cat(self.vectors(codes), -1)), -1)

    def shares(self, codes: Tensor) -> Tensor:
        """|g_p E_p| of each part over their sum; ``[..., 3] -> [..., 3]``.

        Ours: what of an embedding comes from a part.  A weight alone does not say it, for E_p are
        not equally long.
        """
        return self._shared(self.gate_weights(codes), codes)

    def even_shares(self, codes: Tensor) -> Tensor:
        """:meth:`shares` if all weights were 1/3: what the lengths of E_p do without the gate."""
        return self._shared(torch.ones(()), codes)

    def _shared(self, weights: Tensor, codes: Tensor) -> Tensor:
        size = weights * self.part_embeddings(codes).norm(dim=-1)
        return size / size.sum(-1, keepdim=True)

    def forward(self, codes: Tensor) -> Tensor:
        """Embeddings of code triples; ``[..., 3] -> [..., d]``."""
        return (self.gate_weights(codes)[..., None] * self.part_embeddings(codes)).sum(-2)


# --- the other rows of Table 4: each maps code triples [..., 3] to embeddings [..., d] -------------


class CodebookAverage(ProjectedParts):
    """E = mean_p FC_p(c_p): the mixture without its gate."""

    def forward(self, codes: Tensor) -> Tensor:
        return self.part_embeddings(codes).mean(-2)


class CodebookMLP(Codebooks):
    """E = MLP(cat(c_b, c_l, c_r))."""

    def __init__(self, codebooks: Sequence[Tensor], hidden_size: int) -> None:
        super().__init__(codebooks)
        width = self.parts * codebooks[0].shape[1]
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden_size), nn.SiLU(), nn.Linear(hidden_size, hidden_size)
        )

    def forward(self, codes: Tensor) -> Tensor:
        return self.mlp(torch.cat(self.vectors(codes), -1))


class CodebookTransformer(ProjectedParts):
    """E is what a two-layer Transformer makes of a CLS vector beside the three FC_p(c_p).

    The paper gives no sizes: four heads, or one where d does not divide by four, and a feed-forward
    width of 2d are ours.
    """

    def __init__(self, codebooks: Sequence[Tensor], hidden_size: int) -> None:
        super().__init__(codebooks, hidden_size)
        self.cls = nn.Parameter(torch.randn(hidden_size) * hidden_size**-0.5)
        self.part = nn.Parameter(torch.randn(self.parts, hidden_size) * hidden_size**-0.5)
        heads = 4 if hidden_size % 4 == 0 else 1
        layer = nn.TransformerEncoderLayer(
            hidden_size, heads, 2 * hidden_size, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, codes: Tensor) -> Tensor:
        parts = self.part_embeddings(codes) + self.part  # which part is which
        flat = parts.reshape(-1, self.parts, parts.shape[-1])
        cls = self.cls.expand(len(flat), 1, -1)
        return self.layers(torch.cat([cls, flat], 1))[:, 0].reshape(
            *codes.shape[:-1], parts.shape[-1]
        )


class SparseMixture(MixtureOfParts):
    """The mixture with only the ``top`` largest g_p; the others are 0.

    Weights keep their value, so that the gate learns through the one that is left as well.
    """

    top = 1

    def gate_weights(self, codes: Tensor) -> Tensor:
        """``[..., 3] -> [..., 3]``; sums to less than 1."""
        g = super().gate_weights(codes)
        kept = g.topk(self.top, -1).indices
        return torch.zeros_like(g).scatter(-1, kept, g.gather(-1, kept))


class SparseMixtureTop2(SparseMixture):
    """:class:`SparseMixture` with the two largest."""

    top = 2


# Rows of Table 4 by their key in ``paper.TABLE_4``; None: no fusion, every triple is the mean of its
# embedding rows.  ``experiments.register`` adds to it.
FUSIONS: dict[str, Callable[[Sequence[Tensor], int], Codebooks] | None] = {
    "average": None,
    "codebook_average": CodebookAverage,
    "codebook_mlp": CodebookMLP,
    "codebook_transformer": CodebookTransformer,
    "sparse_top1": SparseMixture,
    "sparse_top2": SparseMixtureTop2,
    "dense": MixtureOfParts,
}


def build(name: str, codebooks: Sequence[Tensor], hidden_size: int) -> Codebooks:
    """The fusion called ``name``, freshly initialised; ValueError names the choices."""
    if name not in FUSIONS:
        known = ", ".join(FUSIONS)
        raise ValueError(f"unknown fusion {name!r}: choose one of {known}, or register it first")
    made = FUSIONS[name]
    return Codebooks(codebooks) if made is None else made(codebooks, hidden_size)
