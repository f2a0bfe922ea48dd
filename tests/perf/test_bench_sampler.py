"""Contestants sign the same tokens, and the arithmetic is the paper model's. No time is asserted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from madis_lib import presets, sampler
from madis_lib.perf import bench_sampler, floors, plain_loop
from madis_lib.presets import ModelConfig
from tests.tiny import small_model


def test_floors_are_those_of_qwen3():
    config = presets.paper().model
    assert floors.layer_weights(config) == 28 * 15_728_640
    work = floors.step(config, text=65, number=2)
    assert work.flops == pytest.approx(151.6e9, rel=1e-3) and work.bytes == 2 * 440_401_920
    h100 = floors.Machine(790e12, 3.0e12)
    assert work.floor(h100) == pytest.approx(0.294e-3, rel=2e-3)  # bound by memory
    eight = floors.step(config, text=65, batch=8, number=2)
    assert eight.floor(h100) == pytest.approx(1.535e-3, rel=1e-3)  # bound by arithmetic
    full = floors.step(config, text=65, head_rows=151_936, number=2)
    assert full.flops - work.flops == pytest.approx(31e9, rel=0.01)
    assert full.bytes - work.bytes == pytest.approx(311e6, rel=0.01)


def test_the_plain_loop_signs_what_the_sampler_signs():
    for seed in range(4):
        model = small_model(torch.float64, seed=seed)
        with torch.no_grad():
            model.embed.weight[model.vocab.eos] *= 30
        g = torch.Generator().manual_seed(seed)
        ids = torch.randint(1, 20, (3, 6), generator=g)
        valid = torch.arange(6) < torch.tensor([6, 2, 4])[:, None]
        plain, ours = (f(model, ids, valid, 5) for f in (plain_loop.generate, sampler.generate))
        for field in ("codes", "lengths", "step"):
            assert torch.equal(getattr(plain, field), getattr(ours, field))


def test_more_text_rows_change_no_token():
    model = small_model(torch.float64)
    ids = torch.randint(1, 20, (2, 6), generator=torch.Generator().manual_seed(0))
    valid = torch.ones_like(ids, dtype=torch.bool)
    wide = bench_sampler.widened(model, 500)
    assert wide.vocab.size == model.vocab.size + 480
    a, b = (sampler.generate(m, ids, valid, 5) for m in (model, wide))
    assert torch.equal(a.codes, b.codes)
    with pytest.raises(ValueError, match="20 text rows"):
        bench_sampler.widened(model, 19)


def test_every_contestant_is_measured(capsys):
    found = bench_sampler.run((2_500,), batches=(2,), rounds=1, random_size=12)
    assert set(found) == {("random weights", 2_500, 2), ("shipped csl", 2_500, 2)}
    printed = capsys.readouterr().out
    for rows in found.values():
        assert all(r.name in printed for r in rows) and "goal: 1.4 x" in printed
        assert [r.name for r in rows][:2] == [bench_sampler.PLAIN, bench_sampler.SAMPLER]
        assert rows[0].over_plain == (1, 1, 1) and rows[0].agreement == 1
        assert all(0 < r.effective <= r.tokens_per_second for r in rows)


def test_a_sampler_with_other_tokens_is_noticed(monkeypatch):
    model = bench_sampler.random_model(ModelConfig(128, 1, 4, 2, 32, 384, 8, 300), (9, 9, 9))
    text = torch.ones(1, 3, dtype=torch.long)
    monkeypatch.setattr(
        bench_sampler.sampler, "generate",
        lambda model, ids, valid, steps: sampler.Generated(
            torch.full((1, 8, 3), -1), torch.tensor([8]), torch.zeros(1, 8)
        ),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"sampler.generate: 0.0% of the plain"):
        bench_sampler.measure(model, text, text > 0, 4, 1, floors.Machine(1.0, 1.0))


def test_ratios_are_medians_of_pairs():
    slow, fast = np.array([2.0, 4.0, 9.0]), np.array([1.0, 2.0, 3.0])
    found = bench_sampler.ratio(slow, fast)
    assert found.estimate == 2 and 2 <= found.low <= found.high <= 3
