"""Attention maps are the model's own, and the ratio is 0 for a causal one."""

import pytest
import torch

from madis_lib import attention
from tests.tiny import small_model


def inputs(model, batch=2):
    g = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 20, (batch, 5), generator=g)
    valid = torch.arange(5) < torch.tensor([5, 3])[:batch, None]
    codes = torch.stack([torch.randint(5, (batch, 12), generator=g) for _ in range(3)], -1)
    return ids, valid, model.vocab.to_ids(codes)


@pytest.mark.parametrize("layer", [0, 1, -1, -2])
@pytest.mark.parametrize("causal", [False, True])
def test_maps_are_what_the_stack_computes(layer, causal):
    """Beside transformers' own weights, which its eager attention returns."""
    model = small_model().eval()
    ids, valid, canvas = inputs(model)
    found = attention.maps(model, ids, valid, canvas, layer, causal)
    model.backbone.qwen3.set_attn_implementation("eager")
    seen = {}
    for i, of in enumerate(model.backbone.qwen3.layers):
        of.self_attn.register_forward_hook(lambda m, a, out, i=i: seen.__setitem__(i, out[1]))
    embedded = torch.cat([model.embed(ids), model.embed_signs(canvas, mop=True)], 1)
    shown = torch.cat([valid, torch.ones(2, 12, dtype=torch.bool)], 1)
    with torch.no_grad():
        positions = attention.positions_of(valid, 12)
        model.backbone(embedded, shown, positions, causal=causal)
    expected = seen[layer % 2]
    real = shown[:, None, :, None].expand_as(expected)
    torch.testing.assert_close(found[real], expected[real], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:-1]))
    assert (found.transpose(-1, -2)[real & shown[:, None, None]] > 0).any()
    assert (found[1, :, :, 3:5][:, shown[1]] == 0).all()  # padding is read by nothing


def test_a_causal_model_never_reads_ahead_and_ours_does():
    model = small_model().eval()
    ids, valid, canvas = inputs(model)
    kept = torch.arange(17) >= 5
    for chosen in (None, kept):
        causal = attention.maps(model, ids, valid, canvas, causal=True)
        assert (attention.future_ratio(causal, chosen) == 0).all()
        both = attention.maps(model, ids, valid, canvas)
        assert (attention.future_ratio(both, chosen) > 0.1).all()


def test_the_ratio_by_hand():
    a = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.6, 0.4, 0.0]])
    assert attention.future_ratio(a).item() == pytest.approx(0.6 / 3)
    first = torch.tensor([True, True, False])
    assert attention.future_ratio(a, first).item() == pytest.approx(0.3 / 1.7)
    n = 8
    even = torch.full((2, n, n), 1 / n)
    torch.testing.assert_close(attention.future_ratio(even), torch.full((2,), (n - 1) / (2 * n)))


def test_heads_are_ranked_and_a_missing_layer_is_named():
    assert attention.ranked_heads(torch.tensor([0.2, 0.9, 0.4, 0.9])).tolist() == [1, 3, 2, 0]
    model = small_model()
    with pytest.raises(ValueError, match="layer 2 of a model with 2"):
        attention.maps(model, *inputs(model), layer=2)
