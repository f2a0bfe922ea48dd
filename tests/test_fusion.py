"""The mixture of parts, written out (MaDiS §3.3)."""

import pytest
import torch

from madis_lib import fusion
from madis_lib.fusion import MixtureOfParts, mean_of_rows


def row(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    """A row of Table 4 with codebooks and weights of its own, and code triples ``[40, 3]``."""
    g = torch.Generator().manual_seed(0)
    books = [torch.randn(5, 6, generator=g) for _ in range(3)]
    torch.manual_seed(0)
    return fusion.build(name, books, 8), torch.randint(5, (40, 3), generator=g)


def test_mixture_of_parts_as_in_the_paper():
    g = torch.Generator().manual_seed(0)
    books = [torch.randn(k, 6, generator=g) for k in (4, 5, 5)]
    torch.manual_seed(0)
    mop = MixtureOfParts(books, 8)
    codes = torch.tensor([[1, 2, 3], [0, 4, 4]])
    c = [books[p][codes[:, p]] for p in range(3)]
    gate = torch.softmax(mop.gate(torch.cat(c, -1)), -1)
    by_hand = sum(gate[:, p : p + 1] * (c[p] @ mop.fc[p].weight.T) for p in range(3))
    torch.testing.assert_close(mop(codes), by_hand)
    torch.testing.assert_close(mop.gate_weights(codes).sum(-1), torch.ones(2))


def test_codebooks_are_saved_but_not_trained():
    mop = MixtureOfParts([torch.randn(4, 6)] * 3, 8)
    assert {f"codebook{p}" for p in range(3)} <= set(mop.state_dict())
    assert not any("codebook" in name for name, _ in mop.named_parameters())


def test_mean_of_rows():
    table = torch.arange(12.0).reshape(6, 2)
    ids = torch.tensor([[0, 1, 5]])
    torch.testing.assert_close(mean_of_rows(table, ids), table[[0, 1, 5]].mean(0, keepdim=True))


def test_a_parts_share_of_the_embedding_grows_with_its_vectors():
    torch.manual_seed(0)
    mixture = MixtureOfParts([torch.randn(7, 5) for _ in range(3)], 6)
    codes = torch.randint(7, (4, 9, 3))
    before = mixture.shares(codes)
    size = mixture.gate_weights(codes) * mixture.part_embeddings(codes).norm(dim=-1)
    torch.testing.assert_close(before, size / size.sum(-1, keepdim=True))
    lengths = mixture.part_embeddings(codes).norm(dim=-1)
    torch.testing.assert_close(mixture.even_shares(codes), lengths / lengths.sum(-1, keepdim=True))
    with torch.no_grad():
        mixture.fc[1].weight *= 2  # the gate sees the codes, not this
    odds = [x[..., 1] / (1 - x[..., 1]) for x in (before, mixture.shares(codes))]
    torch.testing.assert_close(odds[1], 2 * odds[0])


@pytest.mark.parametrize(("name", "top"), [("sparse_top1", 1), ("sparse_top2", 2)])
def test_a_sparse_mixture_keeps_the_largest_weights_as_they_are(name, top):
    (dense, codes), (sparse, _) = row("dense"), row(name)
    sparse.load_state_dict(dense.state_dict())
    g = dense.gate_weights(codes)
    largest = g.argsort(-1, descending=True).argsort(-1) < top
    torch.testing.assert_close(sparse.gate_weights(codes), g * largest)
    by_hand = ((g * largest)[..., None] * dense.part_embeddings(codes)).sum(-2)
    torch.testing.assert_close(sparse(codes), by_hand)


def test_the_codebook_rows_by_hand():
    average, codes = row("codebook_average")
    vectors = average.vectors(codes)
    by_hand = sum(c @ fc.weight.T for c, fc in zip(vectors, average.fc, strict=True)) / 3
    torch.testing.assert_close(average(codes), by_hand)
    mlp, codes = row("codebook_mlp")
    torch.testing.assert_close(mlp(codes), mlp.mlp(torch.cat(mlp.vectors(codes), -1)))


@pytest.mark.parametrize("name", [n for n, made in fusion.FUSIONS.items() if made is not None])
def test_every_fusion_but_the_average_knows_which_part_a_code_is_of(name):
    """With one codebook and one projection for all, parts exchanged are another sign."""
    made, codes = row(name)
    for p in (1, 2):
        getattr(made, f"codebook{p}").copy_(made.codebook0)
        if hasattr(made, "fc"):
            made.fc[p].load_state_dict(made.fc[0].state_dict())
    same = torch.allclose(made(codes), made(codes[:, [1, 0, 2]]), atol=1e-5)
    assert same == (name == "codebook_average")
