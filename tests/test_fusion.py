"""The mixture of parts, written out (MaDiS §3.3)."""

import torch

from madis_lib.fusion import MixtureOfParts, mean_of_rows


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
