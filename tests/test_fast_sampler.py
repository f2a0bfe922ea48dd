"""Every idea keeps the tokens; what is not exact is so only where it says."""

import shutil
from dataclasses import fields, replace
from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from madis_lib import fusion, sampler, utc
from madis_lib.fast_sampler import (
    ALL,
    NONE,
    STATIC,
    Ideas,
    generate,
    generate_above,
    greedy_triples,
)
from madis_lib.model import MaDiS
from madis_lib.perf import cached_decoder
from madis_lib.perf.cuda_graph import graphed
from madis_lib.vocab import on_device
from tests.tiny import small_model

IDEAS = [f.name for f in fields(Ideas) if f.name != "compiled"]  # which takes half a minute


def model_of(seed: int, size: int = 12, text_reads_signs: bool = True, eos: float = 3.0) -> MaDiS:
    """Random, in float64; the larger ``eos``, the more choices of the body are eos."""
    model = small_model(torch.float64, max_tokens=size, seed=seed)
    model.config = replace(model.config, text_reads_signs=text_reads_signs)
    with torch.no_grad():
        model.embed.weight[model.vocab.eos] *= eos
    return model.eval()


def texts(seed: int, batch: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 8, (batch,), generator=g)
    lengths[0] = 7
    if seed % 3 == 1:  # no padding
        lengths[:] = 7
    ids = torch.randint(1, 20, (batch, 7), generator=g)
    return ids, torch.arange(7) < lengths[:, None]


def assert_same_tokens(found: sampler.Generated, plain: sampler.Generated, whole: bool) -> None:
    """Up to the ends of sentences; ``whole``: what is behind them and the order too."""
    assert torch.equal(found.lengths, plain.lengths)
    kept = torch.arange(plain.codes.shape[1]) < plain.lengths[:, None]
    kept = kept | whole
    assert torch.equal(found.codes[kept], plain.codes[kept])
    assert torch.equal(found.step[kept], plain.step[kept])


CASES = [
    (0, 12, 3, utc.CHECKPOINTS, "uniform"),
    (1, 12, 12, utc.CHECKPOINTS, "uniform"),
    (2, 13, 5, (0.5,), "uniform"),
    (3, 16, 7, (0.75,), "contiguous"),
    (4, 10, 4, (), "uniform"),
    (5, 21, 9, utc.CHECKPOINTS, "contiguous"),
    (6, 20, 20, utc.CHECKPOINTS, "uniform"),
]


@pytest.mark.parametrize("seed, size, steps, checkpoints, layout", CASES)
@pytest.mark.parametrize("text_reads_signs", [True, False])
def test_each_idea_alone_and_all_together_keep_the_tokens(
    seed, size, steps, checkpoints, layout, text_reads_signs
):
    model, text = model_of(seed, size, text_reads_signs), texts(seed)
    arguments = (model, *text, steps, checkpoints, layout)
    plain = sampler.generate(*arguments)
    for name in IDEAS:
        alone, without = replace(NONE, **{name: True}), replace(ALL, **{name: False})
        assert_same_tokens(generate(*arguments, alone), plain, whole=name != "early_stop")
        assert_same_tokens(generate(*arguments, without), plain, whole=name == "early_stop")
    everything = Ideas(*[True] * len(IDEAS))  # but for compilation
    assert_same_tokens(generate(*arguments, everything), plain, whole=False)
    assert_same_tokens(generate(*arguments, NONE), plain, whole=True)
    assert_same_tokens(generate(*arguments), plain, whole=False)


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++")


@pytest.mark.slow
@needs_compiler
def test_compiled_layers_keep_the_tokens():
    model, text, text_once = model_of(6, 20), texts(6), model_of(6, 20, text_reads_signs=False)
    for m in (model, text_once):
        found = generate(m, *text, 6, ideas=replace(STATIC, compiled=True))
        assert_same_tokens(found, sampler.generate(m, *text, 6), whole=True)
    ids = text[0][:, :5]
    decoded = cached_decoder.generate(model, ids)
    assert torch.equal(cached_decoder.generate(model, ids, compiled=True), decoded)


@pytest.mark.gpu
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=needs_compiler)])
def test_a_cuda_graph_of_the_whole_loop_keeps_the_tokens(compiled):
    model, (ids, valid) = model_of(6, 20).cuda(), (x.cuda() for x in texts(6))
    ideas = replace(STATIC, compiled=compiled)
    sign = graphed(lambda: generate(model, ids, valid, 6, ideas=ideas))
    decode = graphed(lambda: cached_decoder.generate(model, ids, compiled))
    for seed in (6, 9):
        for mine, other in zip((ids, valid), texts(seed), strict=True):
            mine.copy_(other)
        plain = sampler.generate(model, ids, valid, 6)
        found, plain = (
            replace(x, codes=x.codes.cpu(), lengths=x.lengths.cpu(), step=x.step.cpu())
            for x in (sign(), plain)
        )
        assert_same_tokens(found, plain, whole=True)
        assert torch.equal(decode(), cached_decoder.generate(model, ids))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_graph_needs_a_gpu():
    with pytest.raises((RuntimeError, AssertionError), match=r"CUDA|NVIDIA|cuda"):
        graphed(list)


def test_many_random_models_and_sentences():
    ended = 0
    for seed in range(12):
        model = model_of(100 + seed, size=4 + seed, eos=3.0 + 27 * (seed % 2))
        text = texts(seed, batch=3)
        for steps in {3, 4 + seed // 2, 4 + seed}:
            plain = sampler.generate(model, *text, steps)
            assert_same_tokens(generate(model, *text, steps), plain, whole=False)
            ended += int((plain.lengths < plain.codes.shape[1]).sum())
    assert ended > 10  # so that stopping early was put to the test


def test_stopping_early_leaves_passes_out():
    class Counting(torch.nn.Module):
        rows = 0

        def forward(self, x):
            Counting.rows += len(x)
            return x

    rows = {False: 0, True: 0}
    for seed in range(4):
        model, text = model_of(seed, 20, eos=30.0), texts(seed, 6)
        model.backbone.qwen3.norm = torch.nn.Sequential(model.backbone.qwen3.norm, Counting())
        found = {}
        for early in rows:
            Counting.rows = 0
            found[early] = generate(model, *text, 20, ideas=replace(ALL, early_stop=early))
            rows[early] += Counting.rows
        assert_same_tokens(found[True], found[False], whole=False)
    assert rows[True] < rows[False] == 4 * 6 * 20


def test_log_probabilities_without_a_softmax():
    g = torch.Generator().manual_seed(0)
    logits = [torch.randn(5, 9, k, generator=g, dtype=torch.float64) * 4 for k in (4, 3, 6)]
    triples, confidence = sampler.choose_triples([z.clone() for z in logits], 0.0, None)
    found = greedy_triples(logits)
    assert torch.equal(found[0], triples) and (triples[..., 0] == 3).any()
    torch.testing.assert_close(found[1], confidence)


def test_no_step_waits_for_the_device():
    """A value that the host must know before it can go on, or that it copies to the device."""
    waiting = (
        "local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "lift_fresh",
    )  # fmt: skip

    class Watch(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.waits = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            name = function.overloadpacket.__name__.strip("_")
            self.waits += name.startswith(waiting)
            if name in ("index", "index_put"):
                self.waits += any(i is not None and i.dtype == torch.bool for i in args[1])
            return function(*args, **(kwargs or {}))

    model, text = model_of(0), texts(0)
    waits = {}
    for steps in (4, 12):
        for ideas in (replace(ALL, early_stop=False), STATIC, None):
            arguments = (model, *text, steps)

            def sign(arguments=arguments, ideas=ideas):
                if ideas is None:
                    return sampler.generate(*arguments)
                return generate(*arguments, ideas=ideas)

            sign()  # what is made once is made
            with Watch() as watch:
                sign()
            waits[steps, ideas] = watch.waits
        assert waits[steps, replace(ALL, early_stop=False)] == 1  # is any text padded?
        assert waits[steps, STATIC] == 0
    assert waits[4, None] < waits[12, None]  # the watch sees what it should


def test_the_static_loop_looks_at_no_value_and_copies_nothing_to_the_device():
    """On the device "meta" there are no values, and a tensor from elsewhere is seen."""

    class Elsewhere(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            tensors = [x for x in (*args, out) if isinstance(x, torch.Tensor)]
            assert all(x.device.type == "meta" for x in tensors), function
            return out

    model, ids = model_of(0).to("meta"), texts(0)[0].to("meta")
    for work in (
        partial(generate, model, ids, torch.ones_like(ids, dtype=torch.bool), 4, ideas=STATIC),
        partial(generate, model, ids, None, 4, ideas=replace(STATIC, unmasked=True)),
        partial(cached_decoder.generate, model, ids),
    ):
        work()  # what is moved once is moved
        with Elsewhere():
            work()


def test_what_is_kept_on_the_device_can_be_trained_with():
    on_device.cache_clear()
    model, hidden = model_of(0), torch.randn(2, 3, 32, dtype=torch.float64)
    hidden = hidden[..., : model.config.hidden_size]
    with torch.inference_mode():
        model.sign_logits(hidden)
    sum(z.sum() for z in model.sign_logits(hidden)).backward()


def test_text_that_reads_no_signs_does_not_depend_on_them():
    ids, valid = texts(0)
    shown = torch.ones(4, 12, dtype=torch.bool)
    for reads, same in ((True, False), (False, True)):
        model = model_of(0, text_reads_signs=reads)
        g = torch.Generator().manual_seed(0)
        hidden = []
        for _ in range(2):
            codes = torch.stack([torch.randint(5, (4, 12), generator=g) for _ in range(3)], -1)
            hidden.append(model(ids, valid, model.vocab.to_ids(codes), shown, mop=True)[0])
        assert torch.equal(*(h[valid] for h in hidden)) is same


@pytest.mark.parametrize("coarse", [False, True])
def test_above_a_threshold_of_one_a_step_writes_one_place(coarse):
    model, text = model_of(0), texts(0)
    found, passes = generate_above(model, *text, 1.0, coarse=coarse)
    assert passes == 12
    assert_same_tokens(found, generate(model, *text, 12, coarse=coarse), whole=False)


def test_pivots_hold_under_any_threshold_and_lower_ones_take_fewer_passes():
    model, text = model_of(0), texts(0)
    passes = []
    for threshold in (1.0, 0.05, 1e-9):
        found, taken = generate_above(model, *text, threshold)
        passes.append(taken)
        earlier = torch.zeros(12, dtype=torch.bool)
        last = -1
        for pivot in utc.pivots(12):
            new = found.step[:, pivot & ~earlier]
            assert (new > last).all()
            last, earlier = int(new.max()), pivot
    assert passes[0] >= passes[1] >= passes[2] == 3
    with pytest.raises(ValueError, match="threshold is 0"):
        generate_above(model, *text, 0)


def test_coarse_canvases_hide_later_places_and_are_exact_without_checkpoints():
    model, text = model_of(0), texts(0)
    plain = sampler.generate(model, *text, 4, ())
    assert_same_tokens(generate(model, *text, 4, (), coarse=True), plain, whole=False)
    coarse = generate(model, *text, 12, ideas=NONE, coarse=True)
    first = utc.pivots(12)[0]
    again = generate(model, *text, 12, ideas=ALL, coarse=True)
    assert_same_tokens(again, coarse, whole=False)
    assert_same_tokens(again, sampler.generate(model, *text, 12, coarse=True), whole=False)
    assert not torch.equal(coarse.codes, generate(model, *text, 12).codes)
    assert (coarse.step[:, first] < 3).all()


@pytest.mark.parametrize("name", [n for n in fusion.FUSIONS if n != "dense"])
def test_other_rows_of_table_4_keep_the_tokens_too(name):
    model, text = model_of(1), texts(1)
    model.change_fusion(name, 0)
    model = model.double().eval()
    assert_same_tokens(generate(model, *text, 5), sampler.generate(model, *text, 5), whole=False)
