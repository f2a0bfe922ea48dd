"""The bound that matches UTC, proven by enumeration on a language small enough to list."""

from itertools import pairwise, permutations, product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from madis_lib import diffusion, objectives, utc
from tests.test_objectives import DECODERS, batch
from tests.test_utc import SETTINGS
from tests.tiny import small_model

V = 2  # tokens of the toy language; V itself stands for the mask


def orders(size, checkpoints, layout):
    """Every order of writing one token at a time: stage after stage, any order inside."""
    opened = [np.flatnonzero(o) for _, _, o in utc.stages(size, checkpoints, layout)]
    return [sum(parts, ()) for parts in product(*map(permutations, opened))]


def canvases(size):
    return list(product(range(V + 1), repeat=size))


def arbitrary(size, seed=0):
    """A predictor without rhyme or reason: any distribution at any position of any canvas."""
    rng = np.random.default_rng(seed)
    return {xt: rng.dirichlet(np.ones(V), size) for xt in canvases(size)}


def exact(size, seed=0):
    """The predictor of a random language, by conditioning; and the language."""
    joint = np.random.default_rng(seed).dirichlet(np.full(V**size, 0.4)).reshape((V,) * size)
    found = {}
    for xt in canvases(size):
        left = joint[tuple(slice(None) if x == V else slice(x, x + 1) for x in xt)]
        axes = [tuple(j for j in range(size) if j != i) for i in range(size)]
        row = [left.sum(a) / left.sum() for a in axes]
        found[xt] = np.array([r if x == V else np.eye(V)[x] for r, x in zip(row, xt, strict=True)])
    return found, joint


def hide(x0, masked):
    return tuple(V if m else x for x, m in zip(x0, masked, strict=True))


def cost_of_order(predictor, x0, order):
    """-log of the probability of writing x0 in this order."""
    masked, total = [True] * len(x0), 0.0
    for i in order:
        total -= np.log(predictor[hide(x0, masked)][i, x0[i]])
        masked[i] = False
    return total


def bound_by_integration(predictor, x0, checkpoints, layout):
    """E_t sum w_i(t) cost_i(xt), exactly: the integrand is a polynomial within each stage."""
    size, (nodes, shares) = len(x0), np.polynomial.legendre.leggauss(8)
    total = 0.0
    for low, high in pairwise((0.0, *reversed(checkpoints), 1.0)):
        t = torch.tensor(low + (high - low) * (nodes + 1) / 2)
        p = utc.mask_probability(t, size, checkpoints, layout).numpy()
        w = utc.bound_weight(t, size, checkpoints, layout).numpy()
        for masked in map(np.array, product((False, True), repeat=size)):
            likely = np.where(masked, p, 1 - p).prod(1)
            costs = -np.log(predictor[hide(x0, masked)][range(size), x0]) * masked
            total += (high - low) / 2 * shares @ (likely * (w @ costs))
    return total


@pytest.mark.parametrize(("checkpoints", "layout"), SETTINGS)
@pytest.mark.parametrize("size", [4, 5])
def test_the_integral_is_the_mean_cost_over_orders(size, checkpoints, layout):
    predictor, allowed = arbitrary(size), orders(size, checkpoints, layout)
    for x0 in product(range(V), repeat=size):
        mean = np.mean([cost_of_order(predictor, x0, o) for o in allowed])
        integral = bound_by_integration(predictor, x0, checkpoints, layout)
        assert integral == pytest.approx(mean, rel=1e-10)


def test_the_integral_at_six_tokens_with_stages_of_two_one_and_three():
    predictor, x0 = arbitrary(6, seed=3), (0, 1, 1, 0, 1, 0)
    for checkpoints, layout in SETTINGS:
        costs = [cost_of_order(predictor, x0, o) for o in orders(6, checkpoints, layout)]
        integral = bound_by_integration(predictor, x0, checkpoints, layout)
        assert integral == pytest.approx(np.mean(costs), rel=1e-10)


@pytest.mark.parametrize(("checkpoints", "layout"), SETTINGS)
def test_it_bounds_the_likelihood_of_the_reverse_process(checkpoints, layout):
    predictor, allowed = arbitrary(4), orders(4, checkpoints, layout)
    total = 0.0
    for x0 in product(range(V), repeat=4):
        likely = np.mean([np.exp(-cost_of_order(predictor, x0, o)) for o in allowed])
        assert bound_by_integration(predictor, x0, checkpoints, layout) >= -np.log(likely)
        total += likely
    assert total == pytest.approx(1)  # the reverse process is a distribution over sentences


@pytest.mark.parametrize(("checkpoints", "layout"), SETTINGS)
def test_with_exact_predictions_it_is_the_negative_log_likelihood(checkpoints, layout):
    predictor, joint = exact(5)
    for x0 in product(range(V), repeat=5):
        bound = bound_by_integration(predictor, x0, checkpoints, layout)
        assert bound == pytest.approx(-np.log(joint[x0]), rel=1e-9)


def reverse_process(predictor, size, steps, checkpoints, layout):
    """The distribution of sentences that Eq. 2 writes, stage by stage, in short steps of time."""
    now = {(V,) * size: 1.0}
    for _, _, opens in utc.stages(size, checkpoints, layout):
        for t, s in pairwise(np.linspace(1, 0, steps + 1)):
            later: dict[tuple, float] = {}
            for xt, likely in now.items():
                p0 = F.pad(torch.tensor(predictor[xt]), (0, 1))
                q = diffusion.reverse_kernel(torch.tensor(xt), p0, s, t, V).numpy()
                free = [i for i in range(size) if opens[i] and xt[i] == V]
                for drawn in product(range(V + 1), repeat=len(free)):
                    xs = list(xt)
                    for i, x in zip(free, drawn, strict=True):
                        xs[i] = x
                    chance = np.prod([q[i, x] for i, x in zip(free, drawn, strict=True)])
                    later[tuple(xs)] = later.get(tuple(xs), 0.0) + likely * float(chance)
            now = {xt: p for xt, p in later.items() if p > 0}
    return np.array([now.get(x0, 0.0) for x0 in product(range(V), repeat=size)])


@pytest.mark.parametrize(("checkpoints", "layout"), [SETTINGS[0], SETTINGS[3]])
def test_eq2_in_short_steps_writes_in_random_orders(checkpoints, layout):
    predictor, allowed = arbitrary(4), orders(4, checkpoints, layout)
    limit = [
        np.mean([np.exp(-cost_of_order(predictor, x0, o)) for o in allowed])
        for x0 in product(range(V), repeat=4)
    ]
    coarse, fine = (reverse_process(predictor, 4, n, checkpoints, layout) for n in (10, 20))
    assert fine.sum() == pytest.approx(1)
    assert abs(fine - limit).sum() < 0.6 * abs(coarse - limit).sum()
    assert abs(2 * fine - coarse - limit).sum() < 0.01  # extrapolated to no time at all


def one_sentence(model, count):
    """The same sentence ``count`` times."""
    single = batch(model, lengths=(4,))
    return objectives.Batch(*(x.repeat_interleave(count, 0) for x in vars(single).values()))


@torch.no_grad()
def cost_of_model(model, sentence, order):
    """nats of writing the canvas of one sentence in this order, its parts summed."""
    size = model.config.max_tokens
    ids = objectives.canvas(sentence.codes, sentence.lengths, size, model.vocab)
    targets = objectives.head_targets(ids, model.vocab)
    masked, total = torch.ones(1, size, dtype=torch.bool), 0.0
    for i in order:
        noisy = ids.masked_fill(masked[..., None], model.vocab.mask)
        _, hidden = model(sentence.text_ids, sentence.text_valid, noisy, masked | True, mop=True)
        for logits, x0 in zip(model.sign_logits(hidden), targets, strict=True):
            total -= float(logits[0, i].log_softmax(-1)[x0[0, i]])
        masked[0, i] = False
    return total


@pytest.mark.parametrize(("checkpoints", "layout"), [SETTINGS[0], SETTINGS[3], SETTINGS[4]])
def test_a_models_bound_is_the_mean_over_every_order(checkpoints, layout, monkeypatch):
    size = 6 if checkpoints else 4
    model = small_model(torch.float64, max_tokens=size)
    every = torch.tensor(orders(size, checkpoints, layout)).argsort(1)
    monkeypatch.setattr(utc, "random_orders", lambda *_: every)
    cost = objectives.likelihood_bound(
        model, one_sentence(model, len(every)), torch.Generator(), checkpoints, layout
    )
    by_hand = [cost_of_model(model, one_sentence(model, 1), o.argsort()) for o in every]
    assert float(cost.sum(1).mean()) == pytest.approx(np.mean(by_hand), rel=1e-6)


def test_random_orders_are_every_order_equally_often():
    drawn = utc.random_orders(24_000, 6, torch.Generator().manual_seed(0))
    found, counts = drawn.unique(dim=0, return_counts=True)
    assert {tuple(o) for o in found.argsort(1).tolist()} == set(
        orders(6, utc.CHECKPOINTS, "uniform")
    )
    assert len(found) == utc.order_count_utc(6, 1)
    assert abs(counts / 2000 - 1).max() < 0.12  # five standard deviations


@pytest.mark.parametrize(("checkpoints", "layout"), [SETTINGS[0]])
def test_the_loss_option_expects_the_bound(checkpoints, layout):
    model, g = small_model(max_tokens=6), torch.Generator().manual_seed(0)
    many = one_sentence(model, 4000)
    with torch.no_grad():
        _, logs = objectives.finetuning_loss(
            model, DECODERS, many, g, 0.0, checkpoints, layout, weighting="bound"
        )
    bound = objectives.likelihood_bound(model, one_sentence(model, 300), g, checkpoints, layout)
    assert float(logs["sign"]) == pytest.approx(float(bound.mean()), rel=0.04)


def test_without_checkpoints_both_weightings_are_eq3():
    model = small_model()
    b = batch(model)
    paper, bound = (
        objectives.finetuning_loss(
            model, DECODERS, b, torch.Generator().manual_seed(0), checkpoints=(), weighting=w
        )[0]
        for w in ("paper", "bound")
    )
    torch.testing.assert_close(paper, bound)


@pytest.mark.parametrize("value", [0.0, 0.5, 0.75, 1.0])
def test_weights_are_finite_with_a_floor_also_at_the_checkpoints(value):
    weight = utc.bound_weight(torch.tensor([value]), 12, floor=diffusion.T_MIN)
    assert weight.isfinite().all() and weight.max() <= 1 / diffusion.T_MIN
    assert ((weight > 0).sum(1) > 0).all()
