"""The release's reverse process, step by step, and its way from tokens to motion."""

import re

import pytest
import torch

from madis_lib import utc
from madis_lib.parts import PARTS, split
from madis_lib.release import generation
from tests.release.tolerances import CLOSE, NAMES


def test_every_measured_schedule(golden):
    measured = golden.json("schedule")
    assert len(measured) == 15
    for name, expected in measured.items():
        size, steps = map(int, re.findall(r"\d+", name))
        plan = generation.plan(size, steps)
        assert [count for _, count in plan] == expected["counts"], name
        grids = [int(grid.sum()) for grid, _ in plan]
        quarter, half = (int(grid.sum()) for grid in utc.grids(size))
        assert grids.count(quarter) == expected["steps_quarter"]
        assert grids.count(half) == expected["steps_half"]
        assert grids.count(size) == expected["steps_full"]
        known = torch.tensor(expected["counts"]).cumsum(0).tolist()
        assert known[grids.count(quarter) - 1] == expected["unmasked_after_quarter"]
        assert known[-grids.count(size) - 1] == expected["unmasked_after_half"]


def off_grid(size: int, steps: int) -> list[int]:
    """How many places each step writes off its grid when a random model fills the canvas."""
    generator = torch.Generator().manual_seed(0)
    plan = generation.plan(size, steps)
    blank = torch.ones(1, size, dtype=torch.bool)
    leaks = []
    for grid, count in plan:
        confidence = torch.rand(1, size, generator=generator)
        chosen = generation.pick_with_leaks(confidence, blank, grid, count)
        assert blank[0, chosen].all() and len(chosen.unique()) == count
        leaks.append(int((~grid[chosen]).sum()))
        blank[0, chosen] = False
    assert not blank.any()
    return leaks


def test_leaks_of_the_quarter_grid(golden):
    """Those of the half grid depend on whether earlier leaks were even."""
    for name, expected in golden.json("schedule").items():
        size, steps = map(int, re.findall(r"\d+", name))
        quarter = expected["steps_quarter"]
        assert off_grid(size, steps)[:quarter] == expected["off_grid_per_step"][:quarter], name


@pytest.fixture
def generated(golden, made, weights):
    """The golden texts, and the model with the weights of the file, codebooks as everywhere."""
    g = golden.tensors("generate")
    own = {f"lm.language_model.{k[2:]}": v for k, v in g.items() if k.startswith("w.")}
    return g, made(weights | own)


@pytest.mark.parametrize(("size", "exact"), [(40, 25), (100, 6)])
def test_states_step_by_step(golden, generated, monkeypatch, size, exact):
    """From step ``exact`` on, m100 needs topk to break ties as torch's CPU kernel did."""
    g, model = generated
    states = []
    read = generation.forward.finetuned_hidden

    def recorded(model, text_ids, text_valid, canvas):
        states.append(canvas[..., 0].clone())
        return read(model, text_ids, text_valid, canvas)

    monkeypatch.setattr(generation.forward, "finetuned_hidden", recorded)
    ids = generation.generate(model, g["prompt_ids"], g["prompt_mask"].bool(), size)
    states.append(ids[..., 0])
    expected = g[f"m{size}.states"].long()
    assert len(states) == len(expected) == 26
    assert torch.equal(torch.stack(states[: exact + 1]), expected[: exact + 1])
    steps = golden.json("generate_trace")[f"m{size}"]["steps"]
    for before, after, step in list(zip(states, states[1:], steps, strict=False))[:exact]:
        for row, places in enumerate(step["positions"]):
            assert (before[row] != after[row]).nonzero().flatten().tolist() == places
    if not torch.equal(torch.stack(states), expected):
        assert exact < 25
        pytest.skip("this torch breaks ties otherwise; the steps before the first tie agree")
    for part, name in enumerate(NAMES):
        assert torch.equal(ids[..., part], g[f"m{size}.{name}"])


def test_the_body_ends_all_three_streams(golden, model):
    g = golden.tensors("generate_eos")
    logits = [g[f"logits_{name}"] for name in NAMES]
    batch, size, _ = logits[0].shape
    blank = torch.full((batch, size, 3), model.vocab.mask)
    ids = generation.unmask(lambda _: logits, blank, model.vocab, generation.plan(size))
    for part, name in enumerate(NAMES):
        assert torch.equal(ids[..., part], g[name])
    assert (ids[0, 5:] == model.vocab.eos).all() and (ids[0, :5, 0] != model.vocab.eos).all()


def test_streams_drop_what_is_no_token(golden, model):
    example = golden.json("vocab")["decode_stream_example"]
    for ids, values in list(zip(example["ids"], example["values"], strict=True))[:2]:
        body, _, _ = generation.streams(torch.tensor(ids)[:, None].expand(-1, 3), model.vocab)
        assert body == values  # the third row holds a text id, which no head can say
    triples = torch.tensor([[103, 122, 149], [104, 99, 150], [105, 124, 99]])
    assert generation.streams(triples, model.vocab) == ([0, 1, 2], [0, 2], [0, 1])


def test_motion_of_streams_of_unequal_length(golden, tokenizer):
    g = golden.tensors("assemble")
    for row, length in enumerate(g["lengths"].tolist()):
        streams = tuple(g[f"{name}.{row}"].tolist() for name in NAMES)
        motion = generation.decode(streams, tokenizer)
        assert len(motion) == length
        torch.testing.assert_close(motion, g["motion"][row, :length], **CLOSE)
        beyond = g["motion"][row, length:]  # a batch is padded as a short part is: held
        torch.testing.assert_close(motion[-1].expand_as(beyond), beyond, **CLOSE)


def test_the_shape_motion_is_measured_on(golden):
    betas = golden.tensors("features")["feats2joints.smplx.betas"]
    torch.testing.assert_close(torch.tensor(generation.BETAS).expand_as(betas), betas)


def test_short_parts_hold_their_last_frame(tokenizer):
    motion = split(generation.decode(([1, 2, 3], [23 + 2], [0, 5]), tokenizer))
    assert {part: len(x) for part, x in motion.items()} == dict.fromkeys(PARTS, 12)
    assert (motion["left"][4:] == motion["left"][3]).all()
    last = split(generation.decode(([1], [23], [0]), tokenizer))["left"]
    torch.testing.assert_close(motion["left"][:4], last)  # a spare id is the last code
