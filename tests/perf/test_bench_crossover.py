"""The decoder that masked diffusion is held against is right, and so is the arithmetic. No time is
asserted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from madis_lib import presets
from madis_lib.perf import bench_crossover as bench
from madis_lib.perf import cached_decoder, floors
from tests.tiny import small_model

H100 = floors.Machine(790e12, 3.0e12)


def uncached(model, text_ids):
    """The same by whole causal passes."""
    written = torch.empty(len(text_ids), 0, 3, dtype=torch.long)
    for _ in range(model.config.max_tokens):
        rows = F.embedding(model.vocab.to_ids(written), model.embed.weight).mean(-2)
        x = torch.cat([model.embed(text_ids), rows], 1)
        valid = torch.ones(x.shape[:2], dtype=torch.bool)
        positions = torch.arange(x.shape[1]).expand(len(x), -1)
        last = model.backbone(x, valid, positions, causal=True)[:, -1]
        triple = [z[..., :-1].argmax(-1) for z in model.sign_logits(last)]
        written = torch.cat([written, torch.stack(triple, -1)[:, None]], 1)
    return written


@torch.no_grad()
def test_with_and_without_the_cache_the_tokens_are_the_same():
    for seed in range(3):
        model = small_model(torch.float64, seed=seed)
        text = torch.randint(1, 20, (2, 5), generator=torch.Generator().manual_seed(seed))
        assert torch.equal(cached_decoder.generate(model, text), uncached(model, text))


def test_floors_of_a_cached_decoder():
    """A step reads all weights for a token, and the cache, 114.7 kB a token at the paper's size."""
    config = presets.paper().model
    one = floors.token(config, context=115, number=2)
    assert one.bytes == 2 * 440_401_920 + 115 * 114_688
    assert one.floor(H100) == pytest.approx(0.298e-3, rel=2e-3)
    assert floors.token(config, 115, 64, number=2).floor(H100) == pytest.approx(0.575e-3, rel=2e-3)
    whole = floors.sentence(config, 65, None, number=2)
    assert len(whole) == config.max_tokens
    sampler = floors.sentence(config, 65, 25, number=2)
    ratio = sum(p.flops for p in sampler) / sum(p.flops for p in whole)
    assert 25 < ratio < 26  # a pass of the sampler is as much as the whole decoder
    assert floors.seconds(sampler, H100) == pytest.approx(25 * sampler[0].floor(H100))


def test_at_the_papers_size_the_floors_cross_near_seven_sentences():
    speeds = bench.roofline(presets.paper().model, 25, bench.BATCHES, H100, 2, text=65)
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[0] == pytest.approx(4.1, abs=0.2) and speeds[-1] == pytest.approx(0.2, abs=0.02)
    assert 6 < bench.crossing(bench.BATCHES, speeds, 1.0) < 8
    assert 4 < bench.crossing(bench.BATCHES, speeds, 1.4) < 6


@pytest.mark.parametrize(
    "speeds, level, expected",
    [((4, 2, 1, 0.5), 1, 4), ((4, 2, 1, 0.5), 2, 2), ((4, 2, 1, 0.5), math.sqrt(2), 2 * math.sqrt(2)),
     ((4, 3, 2, 1.5), 1, math.inf), ((0.9, 0.5, 0.2, 0.1), 1, 0), ((2, 0.9, 1.1, 0.5), 1.1, 4)],
)  # fmt: skip
def test_a_crossing_lies_between_the_batches_around_it(speeds, level, expected):
    assert bench.crossing((1, 2, 4, 8), speeds, level) == pytest.approx(expected)


def test_the_interval_of_a_crossing_follows_the_rounds():
    fast = {b: np.ones(5) for b in (1, 2, 4)}
    slow = {1: np.full(5, 2.0), 2: np.full(5, 1.0), 4: np.full(5, 0.5)}
    assert bench.crossover(slow, fast, 1.0) == (2, 2, 2)
    slow[2] = np.array([0.8, 0.9, 1.0, 1.1, 1.2])
    found = bench.crossover(slow, fast, 1.0)
    assert found.low < found.estimate == 2 < found.high
    assert bench.crossover(slow, fast, 0.4).low == math.inf


def test_every_contestant_is_measured_at_every_batch_size(capsys):
    config = replace(bench.shape("small"), num_layers=1, max_tokens=32, text_vocab=30)
    found = bench.run(batches=(1, 2), budget=0.01, config=config)
    assert set(found) == {1, 2}
    printed = capsys.readouterr().out
    for rows in found.values():
        assert [r.name for r in rows] == list(bench.contestants(config))
        assert [r.passes for r in rows] == [32, 32, 16, 8, 4]
        assert rows[0].speed == (1, 1, 1) and all(len(r.seconds) == bench.ROUNDS[0] for r in rows)
        assert all(r.name in printed for r in rows)
    assert printed.count("40 % faster:") == len(bench.TOKENS_PER_STEP)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_papers_shape_wants_a_gpu():
    with pytest.raises(ValueError, match="use a GPU, or the small shape"):
        bench.run("paper")
