"""Where there is a GPU the suite computes on it, and nothing is left on the CPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from madis_lib import presets
from madis_lib.experiments import registry
from madis_lib.experiments.suite import Suite
from madis_lib.presets import Method
from madis_lib.systems.madis import encode_texts
from tests import tiny
from tests.pretend_gpu import on_gpu, pretend_gpu


def untimed(value):
    """A result without what depends on the clock."""
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if k != "seconds"}
    return [untimed(v) for v in value] if isinstance(value, list) else value


def run_there(suite):
    """Make every step on the pretended GPU; AssertionError where a layer computes elsewhere."""
    _ = suite.corpus

    def check(module, _):
        if type(module).__name__.endswith(("DecoderLayer", "EncoderLayer")):
            assert all(map(on_gpu, module.parameters()))

    hook = nn.modules.module.register_module_forward_pre_hook(check)
    try:
        with pretend_gpu():
            for step in registry.steps(suite):
                step.find()
    finally:
        hook.remove()


def test_what_is_pretended():
    with pretend_gpu():
        layer, x = nn.Linear(2, 2).to("cuda"), torch.ones(1, 2)
        with pytest.raises(RuntimeError, match="same device"):
            layer(x)
        out = layer(x.to(layer.weight.device))
        assert out.device.type == "cuda" and out.is_cuda
        with pytest.raises(TypeError, match="numpy"):
            out.detach().numpy()
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(2, device="cuda", generator=torch.Generator())
        out.sum().backward()
        assert layer.weight.grad.is_cuda and (layer.weight + 1.0).is_cuda
        assert out[torch.tensor([0])].is_cuda and not x.is_cuda
        with pytest.raises(RuntimeError, match="same device"):
            torch.cat([out, x])
        assert np.array_equal(out.detach().cpu().numpy(), layer.cpu()(x).detach().numpy())
    assert not torch.cuda.is_available() or torch.cuda.get_device_name() != "a pretended GPU"


@pytest.mark.slow
def test_every_step_of_a_report_runs_on_a_gpu(suite, tmp_path, monkeypatch):
    """All layers of the language models compute there, and what comes out is what a CPU gives."""
    monkeypatch.setitem(presets.PRESETS, "tiny", tiny.preset)
    there = Suite(tiny.preset(), tmp_path)
    run_there(there)
    here = {step.title: step.find for step in registry.steps(suite)}
    for step in registry.steps(there):
        if step.kept:
            assert untimed(step.find().result) == untimed(here[step.title]().result), step.title


@pytest.mark.slow
def test_the_releases_protocol_runs_on_a_gpu(tmp_path):
    run_there(Suite(replace(tiny.preset(), method=Method(protocol="release")), tmp_path))


def test_a_system_on_a_gpu_signs_as_on_the_cpu(suite):
    system, texts = suite.system("csl"), suite.texts("csl", "test")
    expected = system.generate(texts)
    with pretend_gpu():
        system.model.to("cuda")
        signed = system.generate(texts)
        ids, _ = encode_texts(system.text, texts)
        with pytest.raises(RuntimeError, match="same device"):
            system.model.embed(ids)
    for a, b in zip(expected, signed, strict=True):
        assert np.array_equal(a.features, b.features) and np.array_equal(a.tokens, b.tokens)
