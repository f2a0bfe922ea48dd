"""The presets, and the full size: what the paper and the release fix is what ``paper`` holds."""

from __future__ import annotations

import importlib
from dataclasses import fields, is_dataclass
from functools import reduce

import pytest
import torch

from madis_lib import paper, presets
from madis_lib.model import MaDiS
from madis_lib.presets import TrainConfig
from madis_lib.tokenizer import Tokenizer
from madis_lib.vocab import Vocab


def value_of(key: str) -> object:
    """What a key of ``paper.CHOICES`` names."""
    if ":" in key:
        module, name = key.split(":")
        return getattr(importlib.import_module(module), name)
    return reduce(getattr, key.split("."), presets.paper())


@pytest.mark.parametrize("choice", paper.CHOICES, ids=lambda c: c.key)
def test_the_table_of_choices_is_what_the_preset_holds(choice):
    assert value_of(choice.key) == choice.ours
    assert choice.paper and choice.release and choice.why


def test_every_value_of_the_preset_is_in_the_table():
    def keys(config, prefix=""):
        for field in fields(config):
            value = getattr(config, field.name)
            if is_dataclass(value):
                yield from keys(value, f"{prefix}{field.name}.")
            else:
                yield prefix + field.name

    ours = {
        "name",
        "languages",
        "gpu_memory",
    }  # of this companion; and SignWorld's size, for a rehearsal
    ours_too = ("corpus.", "translator.")  # the paper trains no back-translation model
    expected = {k for k in keys(presets.paper()) if not k.startswith(ours_too)} - ours
    listed = [c.key for c in paper.CHOICES]
    assert len(set(listed)) == len(listed)
    assert {k for k in listed if ":" not in k} == expected


def test_the_preset_agrees_with_what_the_paper_states():
    stated = {q.key: q.value for q in paper.SETTINGS}
    p = presets.paper()
    for stage in (p.pretrain, p.finetune):
        assert stage.batch_size == stated["batch_size"] * stated["gpus"]
        assert stage.learning_rate == stated["learning_rate"]
    assert p.pretrain.epochs == stated["pretrain_epochs"]
    assert p.finetune.epochs == stated["finetune_epochs"]
    assert p.model.max_tokens == stated["max_tokens"]
    assert p.tokenizer_window == stated["max_frames"]
    assert (p.method.alpha, p.tokens_per_step) == (stated["alpha"], stated["tokens_per_step"])


def test_a_method_names_only_what_differs_from_the_paper():
    assert presets.Method().changed("checkpoints", "layout", "alpha") == {}
    other = presets.Method(checkpoints=(), alpha=0.25)
    assert other.changed("checkpoints", "layout") == {"checkpoints": ()}
    assert presets.get("quick", alpha=0.25).method.alpha == 0.25
    with pytest.raises(ValueError, match="its own method"):
        presets.Method(protocol="release", layout="contiguous")


def test_epochs_become_updates():
    config = TrainConfig(0, 256, 2e-4, epochs=150)
    assert config.counted(7096).updates == 4158  # 150 x 7096 / 256 = 4157.8
    assert config.counted(256).updates == 150
    fixed = TrainConfig(7, 256, 2e-4)
    assert fixed.counted(7096) is fixed


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_full_size_has_the_parameters_of_qwen3():
    """On the meta device: shapes only.  Layers and rows as Qwen3-0.6B's own published counts."""
    p = presets.paper()
    text = p.model.text_vocab
    with torch.device("meta"):
        vocab = Vocab(text, text - 1, text - 1, p.tokenizer.codes)
        books = [torch.empty(k, p.tokenizer.code_dim) for k in p.tokenizer.codes]
        model, tokenizer = MaDiS(p.model, vocab, books), Tokenizer(p.tokenizer)
    assert count(model.backbone) == 440_467_456  # "0.44B non-embedding"
    assert count(model.embed) == (151_669 + 1 + 96 + 192 + 192) * 1024
    assert count(model.backbone) + 151_669 * 1024 == pytest.approx(0.6e9, rel=0.01)
    d, mlp, code_dim = 1024, 3072, 512
    assert count(model.latent_heads) == 3 * ((d + 1) * mlp + (mlp + 1) * code_dim)
    gate = (3 * code_dim + 1) * d + (d + 1) * 3
    assert count(model.fusion) == 3 * code_dim * d + gate
    assert count(model) == 613_585_411  # as the preset says
    assert [round(count(v) / 1e6, 2) for v in tokenizer.vqvaes.values()] == [18.76, 18.77, 18.77]
    assert all(x.is_meta for x in [*model.parameters(), *model.buffers()])
