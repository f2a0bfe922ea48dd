"""MaDiS as a whole: its folder on disk, and that a sentence is signed alike alone and in a batch."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from madis_lib.data import text as text_data
from madis_lib.presets import TokenizerConfig
from madis_lib.systems.madis import MaDiSSystem, encode_texts
from madis_lib.tokenizer import Tokenizer
from tests import tiny

TEXTS = [
    "put the onion in the pan",
    "the dog sleeps",
    "cut bread and cheese for the children now",
    "you dance",
    "when does the train to the village leave today",
]


def sign_tokenizer(seed: int = 0) -> Tokenizer:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = TokenizerConfig(codes=(12, 8, 8), width=12, code_dim=6, depth=1)
        tokenizer = Tokenizer(config, 0.1 * torch.randn(133), torch.rand(133) + 0.5)
    return tokenizer.eval()


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return text_data.train(TEXTS * 3, 280, tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def system(text) -> MaDiSSystem:
    return made(text)


def made(text, seed: int = 0) -> MaDiSSystem:
    """Untrained, with larger weights than usual, so that sentences are signed differently."""
    system = MaDiSSystem.untrained(tiny.preset(), sign_tokenizer(), text, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in system.model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    system.model.eval()
    return system


@pytest.fixture
def folder(system, tmp_path):
    system.save(tmp_path / "model")
    return tmp_path / "model"


def equal(a, b) -> bool:
    return all(
        np.array_equal(x.tokens, y.tokens) and np.array_equal(x.features, y.features)
        for x, y in zip(a, b, strict=True)
    )


def rewrite(folder, change, metadata=None) -> None:
    """Save the model's file again with changed tensors or metadata."""
    path = folder / "model.safetensors"
    with safe_open(path, "pt") as file:
        stored = file.metadata()
    state = load_file(path)
    change(state)
    save_file(state, path, metadata=stored | (metadata or {}))


def test_signing_has_the_promised_shapes(system):
    for signed in system.generate(TEXTS):
        length = len(signed.tokens)
        assert 1 <= length <= 24 and signed.tokens.shape == (length, 3)
        assert signed.tokens.dtype == np.int64 and signed.features.dtype == np.float32
        assert signed.features.shape == (4 * length, 133) and np.isfinite(signed.features).all()
        assert (signed.tokens >= 0).all() and (signed.tokens < (12, 8, 8)).all()


def test_sentences_are_signed_differently(system):
    signed = system.generate(TEXTS)
    assert len({s.tokens.tobytes() for s in signed}) == len(TEXTS)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_sentence_is_signed_alike_in_any_batch(text, size):
    double = made(text)
    double.model.double()
    together = double.generate(TEXTS, batch_size=len(TEXTS))
    for a, b in zip(together, double.generate(TEXTS, batch_size=size), strict=True):
        np.testing.assert_array_equal(a.tokens, b.tokens)
        np.testing.assert_allclose(a.features, b.features, atol=1e-5)
    turned = double.generate(TEXTS[::-1], batch_size=size)[::-1]
    for a, b in zip(together, turned, strict=True):
        np.testing.assert_array_equal(a.tokens, b.tokens)


def test_the_generator_decides_the_draw_above_temperature_zero(system):
    def draw(seed, temperature=2.0):
        generator = torch.Generator().manual_seed(seed)
        return system.generate(TEXTS[:2], temperature=temperature, generator=generator)

    assert equal(draw(0), draw(0))
    assert not equal(draw(0), draw(1))
    assert equal(draw(0, 0.0), draw(1, 0.0))


def test_untrained_weights_depend_on_the_seed_only(text):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    a = MaDiSSystem.untrained(tiny.preset(), sign_tokenizer(), text, 3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    b = MaDiSSystem.untrained(tiny.preset(), sign_tokenizer(), text, 3)
    c = MaDiSSystem.untrained(tiny.preset(), sign_tokenizer(), text, 4)
    assert torch.equal(a.model.embed.weight, b.model.embed.weight)
    assert not torch.equal(a.model.embed.weight, c.model.embed.weight)


def test_text_ends_in_eos_and_padding_is_not_valid(system):
    ids, valid = encode_texts(system.text, TEXTS)
    eos = system.text.eos_token_id
    for row, ok, sentence in zip(ids, valid, TEXTS, strict=True):
        real = row[ok].tolist()
        assert real[-1] == eos and system.text.decode(real[:-1]) == sentence
        assert ok[: len(real)].all() and not ok[len(real) :].any()


def test_a_saved_system_signs_the_same(system, folder):
    loaded = MaDiSSystem.load(folder, sign_tokenizer())
    assert loaded.steps == system.steps and loaded.model.config == system.model.config
    for name, tensor in system.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor), name
    assert equal(loaded.generate(TEXTS), system.generate(TEXTS))
    assert not list(folder.glob(".tmp-*"))


def test_a_half_save_is_what_float16_keeps_and_is_smaller(system, folder, tmp_path):
    system.save(tmp_path / "half", half=True)
    small, large = ((d / "model.safetensors").stat().st_size for d in (tmp_path / "half", folder))
    assert small < 0.55 * large
    state = load_file(tmp_path / "half" / "model.safetensors")
    assert {t.dtype for t in state.values()} == {torch.float16}
    assert not [name for name in state if name.startswith("latent_heads")]
    loaded = MaDiSSystem.load(tmp_path / "half", sign_tokenizer())
    rounded = made(system.text)
    rounded.model.load_state_dict(
        {k: v.half().float() for k, v in system.model.state_dict().items()}
    )
    assert equal(loaded.generate(TEXTS), rounded.generate(TEXTS))


def test_another_sign_tokenizer_is_refused(folder):
    with pytest.raises(ValueError, match="was trained with another sign tokenizer"):
        MaDiSSystem.load(folder, sign_tokenizer(seed=1))


def nothing(state):
    """Change no tensor."""


def poison(state):
    state["embed.weight"][3, 3] = float("nan")


def cut(state):
    state["embed.weight"] = state["embed.weight"][:-1].clone()


def lose(state):
    del state["embed.weight"]


def gain(state):
    state["extra"] = torch.zeros(1)


def config_with(**changes) -> dict[str, str]:
    return {"config": json.dumps(asdict(tiny.preset().model) | changes)}


@pytest.mark.parametrize(
    ("change", "metadata", "message"),
    [
        (poison, {}, "'embed.weight' holds NaN"),
        (cut, {}, "does not fit its config"),
        (lose, {}, "weights missing .*embed.weight"),
        (gain, {}, "unexpected .*extra"),
        (nothing, {"format": "other"}, "metadata 'format' is 'other', not 'madis-model-1'"),
        (nothing, {"config": "{"}, "metadata is unusable"),
        (nothing, {"config": json.dumps({"width": 3})}, "metadata is unusable"),
        (nothing, {"steps": "many"}, "metadata is unusable"),
        (nothing, {"steps": "0"}, "metadata is unusable .*0 steps for 24 tokens"),
        (nothing, {"steps": "25"}, "metadata is unusable .*25 steps for 24 tokens"),
        (nothing, config_with(hidden_size="a"), "does not fit its config"),
        (nothing, config_with(fusion="mine"), "unknown fusion 'mine': .* or register it first"),
    ],
)
def test_a_damaged_file_is_one_line_naming_it(folder, change, metadata, message):
    rewrite(folder, change, metadata)
    with pytest.raises(ValueError, match=message) as error:
        MaDiSSystem.load(folder, sign_tokenizer())
    assert str(folder / "model.safetensors") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a tensor", b"\xff" * 64])
def test_a_file_that_is_no_model(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors: damaged or not safetensors"):
        MaDiSSystem.load(folder, sign_tokenizer())


def test_a_file_cut_short(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged"):
        MaDiSSystem.load(folder, sign_tokenizer())


def test_missing_pieces(folder):
    shutil.rmtree(folder / "text")
    with pytest.raises(FileNotFoundError, match="text"):
        MaDiSSystem.load(folder, sign_tokenizer())
    with pytest.raises(FileNotFoundError, match="no model here"):
        MaDiSSystem.load(folder.parent, sign_tokenizer())
