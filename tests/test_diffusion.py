"""Eq. 1-3 as properties."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from madis_lib import diffusion


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_times_are_uniform_and_stratified():
    t = diffusion.sample_times(1000, generator())
    assert t.min() >= diffusion.T_MIN and t.max() <= 1
    slices = ((t - diffusion.T_MIN) / (1 - diffusion.T_MIN) * 1000).floor().long()
    assert sorted(slices.tolist()) == list(range(1000))  # one in each slice
    assert t[:500].std() > 0.25  # in random order


def test_eq1_masks_each_position_with_probability_t():
    t = torch.tensor([0.2, 0.9])
    masked = diffusion.mask_independently(t, 20_000, generator())
    torch.testing.assert_close(masked.float().mean(1), t, rtol=0, atol=0.01)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 0.99), st.floats(0.01, 1), st.integers(0, 10**6))
def test_eq2_is_a_distribution_and_keeps_what_is_known(s, t, seed):
    if s >= t:
        return
    g, mask = generator(seed), 4
    xt = torch.tensor([0, mask, 3, mask])
    p0 = torch.rand(4, 5, generator=g, dtype=torch.float64)
    p0[:, mask] = 0
    p0 /= p0.sum(1, keepdim=True)
    q = diffusion.reverse_kernel(xt, p0.clone(), s, t, mask)
    torch.testing.assert_close(q.sum(1), torch.ones(4, dtype=torch.float64))
    assert q[0, 0] == 1 and q[2, 3] == 1
    assert math.isclose(q[1, mask], s / t, rel_tol=1e-12)
    torch.testing.assert_close(q[1, :mask], (t - s) / t * p0[1, :mask])


def test_eq2_composes_to_eq1():
    """From all-masked to s through t masks with probability s, as q_{s|0} says."""
    p0 = torch.tensor([[1.0, 0.0, 0.0]])
    xt = torch.tensor([2])
    q_t = diffusion.reverse_kernel(xt, p0.clone(), 0.6, 1.0, 2)
    q_s = q_t[0, 2] * diffusion.reverse_kernel(xt, p0.clone(), 0.15, 0.6, 2)[0, 2]
    assert math.isclose(float(q_s), 0.15, rel_tol=1e-6)


def test_eq3_by_hand():
    logits = torch.log(torch.tensor([[[0.5, 0.5], [0.9, 0.1], [0.25, 0.75]]]))
    x0 = torch.tensor([[0, 0, 1]])
    masked = torch.tensor([[True, False, True]])
    loss = diffusion.token_loss(logits, x0, masked, torch.tensor([0.5]), torch.ones_like(masked))
    by_hand = -(math.log(0.5) + math.log(0.75)) / (0.5 * 3)
    assert math.isclose(float(loss), by_hand, rel_tol=1e-6)


def test_eq3_expects_the_full_cross_entropy():
    """E_t[1/t * masked sum] is the sum over all positions when p does not depend on xt."""
    g = generator()
    logits = torch.randn(1, 6, 4, generator=g)
    x0 = torch.randint(0, 4, (1, 6), generator=g)
    valid = torch.ones(1, 6, dtype=torch.bool)
    total = 0.0
    t = diffusion.sample_times(20_000, g)
    masked = diffusion.mask_independently(t, 6, g)
    total = diffusion.token_loss(
        logits.expand(20_000, -1, -1), x0.expand(20_000, -1), masked, t, valid.expand(20_000, -1)
    )
    exact = torch.nn.functional.cross_entropy(logits[0], x0[0])
    torch.testing.assert_close(total, exact, rtol=0.03, atol=0)


def test_eq3_ignores_padding():
    g = generator()
    logits = torch.randn(2, 5, 7, generator=g)
    x0 = torch.randint(0, 7, (2, 5), generator=g)
    masked = torch.tensor([[1, 0, 1, 1, 1], [1, 1, 1, 0, 1]]).bool()
    valid = torch.arange(5) < torch.tensor([[3], [5]])
    t = torch.tensor([0.4, 0.8])
    batch = diffusion.token_loss(logits, x0, masked, t, valid)
    logits[0, 3:] = 99.0
    torch.testing.assert_close(batch, diffusion.token_loss(logits, x0, masked, t, valid))
    one = diffusion.token_loss(logits[:1, :3], x0[:1, :3], masked[:1, :3], t[:1], valid[:1, :3])
    two = diffusion.token_loss(logits[1:], x0[1:], masked[1:], t[1:], valid[1:])
    torch.testing.assert_close(batch, (one + two) / 2)
