"""Released checkpoints: complete or refused, never executed, and never with another's tokenizer."""

import os
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from madis_lib import release
from madis_lib.data import stats
from madis_lib.presets import ModelConfig, TokenizerConfig
from madis_lib.release import checkpoints, shapes
from madis_lib.release.torch_zip import TorchZip
from madis_lib.tokenizer import Tokenizer
from tests.release import synthetic

FULL = {
    "lm_instruct (sft_*.ckpt)": ("language", 5000),
    "lm_clip (siclip.ckpt)": ("siclip", 5000),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("release")
    return {
        "tokenizer_dir": synthetic.text_folder(root / "text"),
        "stats": synthetic.stats_folder(root / "stats"),
    }


@pytest.fixture
def sft(tmp_path):
    return synthetic.save(tmp_path / "sft_csl.ckpt", synthetic.state("language"))


@pytest.mark.parametrize("file", FULL)
def test_the_full_size_files_have_exactly_these_tensors(golden, file):
    kind, text = FULL[file]
    total = text + 490
    measured = {}
    for name, shape in golden.json("state_dict_keys")[file]["state_dict"].items():
        sizes = [n if isinstance(n, int) else text if n == "V_text" else total for n in shape]
        measured[name] = tuple(sizes)
    found = shapes.relevant(measured)
    assert len(measured) - len(found) in (9, 21)  # losses
    sizes = shapes.sizes(found, "vae", 100)
    assert shapes.kind(found) == kind and shapes.expected(sizes, kind, "vae") == found
    layers = 14 if kind == "siclip" else 28
    canvas = 0 if kind == "siclip" else 100
    assert sizes.language == ModelConfig(1024, layers, 16, 8, 128, 3072, canvas, text)
    assert sizes.tokenizer == TokenizerConfig((96, 192, 192), 512, 512)


@pytest.mark.parametrize("body", ["vae", "motion_vae"])
def test_a_sign_tokenizer(tmp_path, folders, body):
    weights = synthetic.state("tokenizer", body=body)
    path = synthetic.save(tmp_path / "tokenizer.ckpt", weights)
    tokenizer = release.load_checkpoint(path, stats=folders["stats"])
    assert isinstance(tokenizer, Tokenizer) and not tokenizer.training
    assert tokenizer.config == synthetic.VQ
    assert torch.equal(tokenizer.codebooks()[0], weights[f"{body}.quantizer.codebook"])
    weight = tokenizer.vqvaes["right"].decoder.output.weight
    assert torch.equal(weight, weights["rhand_vae.decoder.model.6.weight"])
    np.testing.assert_allclose(tokenizer.mean, stats.load(folders["stats"]).mean)
    assert torch.equal(release.load_checkpoint(path).std, torch.ones(133))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_language_model_signs(tmp_path, folders, seed):
    """Any weights of any sizes; what is signed depends on them."""
    weights = synthetic.state("language", seed)
    path = synthetic.save(tmp_path / "sft.ckpt", weights)
    system = release.load_checkpoint(path, **folders)
    assert isinstance(system, release.ReleasedMaDiS) and not system.model.training
    assert system.model.vocab.size == len(weights[f"{shapes.LANGUAGE}main_lm.embed_tokens.weight"])
    last = system.model.backbone.qwen3.layers[1].mlp.up_proj.weight
    assert torch.equal(last, weights[f"{shapes.LANGUAGE}main_lm.layers.1.mlp.up_proj.weight"])
    gate = system.model.fusion.gate[2].bias
    assert torch.equal(gate, weights[f"{shapes.LANGUAGE}gate_net.linear2.bias"])

    first, second = system.generate(synthetic.TEXTS[:2], steps=10)
    for signed in (first, second):
        longest = max(map(len, signed.tokens))
        assert signed.features.shape == (4 * longest, 133) and np.isfinite(signed.features).all()
        assert min(map(len, signed.tokens)) >= 1 and longest <= 100
    again = system.generate(synthetic.TEXTS[:2], steps=10)
    assert [s.tokens for s in again] == [first.tokens, second.tokens]
    other = synthetic.save(tmp_path / "other.ckpt", synthetic.state("language", seed + 7))
    changed = release.load_checkpoint(other, **folders).generate(synthetic.TEXTS[:2], steps=10)
    assert changed[0].tokens != first.tokens


def test_text_is_looked_up_in_the_trimmed_rows(sft, folders):
    text = release.load_checkpoint(sft, **folders).text
    ids, valid = text.encode(["the dog", "the dog sleeps"])
    plain = text.tokenizer("the dog", add_special_tokens=False)["input_ids"]
    real = ids[0, valid[0]].tolist()
    assert len(real) == len(plain) and real == [text.rows.get(i, text.pad) for i in plain]
    assert (ids[0, ~valid[0]] == text.pad).all() and valid[1].all()
    gone = next(i for i in range(len(text.tokenizer)) if i not in text.rows)
    unmapped, kept = text.encode([text.tokenizer.decode([gone])])
    assert kept.all() and (unmapped == text.pad).any()
    assert text.encode(["dog " * 2000])[0].shape[1] == 256


def test_a_siclip(tmp_path, folders):
    path = synthetic.save(tmp_path / "siclip.ckpt", synthetic.state("siclip"))
    scorer = release.load_checkpoint(path, tokenizer_dir=folders["tokenizer_dir"])
    assert isinstance(scorer, release.ReleasedSiCLIP)
    generator = torch.Generator().manual_seed(0)
    motions = [torch.randn(n, 133, generator=generator) for n in (40, 62, 12)]
    whole = scorer.similarity(synthetic.TEXTS, motions)
    assert whole.shape == (3, 3) and np.isfinite(whole).all()
    np.testing.assert_allclose(
        scorer.similarity(synthetic.TEXTS, motions, block=2), whole, atol=1e-5
    )
    alone = scorer.similarity(synthetic.TEXTS[2:], motions[2:])
    np.testing.assert_allclose(alone[0, 0], whole[2, 2], atol=1e-5)
    (pool,) = scorer.pools(synthetic.TEXTS, motions)
    assert pool.shape == (3, 3) and not np.allclose(pool, whole)
    with (
        torch.no_grad()
    ):  # the softmax of a score keeps the learned scale (golden: eval_similarity)
        scorer.model.logit_scale.fill_(5.0)
    assert not np.allclose(scorer.pools(synthetic.TEXTS, motions)[0], pool, atol=1e-3)
    sharp = scorer.similarity(synthetic.TEXTS, motions)
    assert not np.allclose(sharp, whole, atol=1e-3) and np.abs(sharp).max() <= 1


def test_a_pretrained_model_without_mixture_of_parts(tmp_path, folders):
    weights = synthetic.state("language")
    for name in shapes.FINETUNING_ONLY:
        del weights[name]
    path = synthetic.save(tmp_path / "pretrained.ckpt", weights)
    with pytest.warns(UserWarning, match="no mixture of parts"):
        system = release.load_checkpoint(path, **folders)
    assert torch.equal(system.model.fusion.codebook1, weights["hand_vae.quantizer.codebook"])
    head = system.model.latent_heads[2][2].weight
    assert torch.equal(head, weights["mlp_rhand.linear2.weight"])


# --- conversion ----------------------------------------------------------------------------------


def test_a_converted_model_is_the_same_model(sft, folders, tmp_path):
    system = release.load_checkpoint(sft, **folders)
    system.save(tmp_path / "converted")
    again = release.load_checkpoint(tmp_path / "converted")
    for name, value in system.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert again.text.rows == system.text.rows and again.model.vocab == system.model.vocab
    assert again.tokenizer.fingerprint() == system.tokenizer.fingerprint()
    with safe_open(tmp_path / "converted" / "model.safetensors", "pt") as file:
        assert file.metadata()["tokenizer"] == system.tokenizer.fingerprint()
    signed = [s.tokens for s in again.generate(synthetic.TEXTS[:1], steps=10)]
    assert signed == [s.tokens for s in system.generate(synthetic.TEXTS[:1], steps=10)]


def test_a_model_beside_another_tokenizer_is_refused(sft, folders, tmp_path):
    system = release.load_checkpoint(sft, **folders)
    system.save(tmp_path / "converted")
    other = release.load_checkpoint(sft, folders["tokenizer_dir"])  # other statistics
    other.tokenizer.save(tmp_path / "converted" / "tokenizer.safetensors")
    with pytest.raises(ValueError, match=r"model\.safetensors: sign tokenizer: .*one conversion"):
        release.load_checkpoint(tmp_path / "converted")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "other"}, "'format' is 'other', not"),
        ({"config": "{}"}, "metadata: unusable"),
        ({"config": "["}, "metadata: unusable"),
    ],
)
def test_a_damaged_conversion_is_named(sft, folders, tmp_path, metadata, message):
    release.load_checkpoint(sft, **folders).save(tmp_path / "c")
    path = tmp_path / "c" / "model.safetensors"
    with safe_open(path, "pt") as file:
        state = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        kept = file.metadata()
    save_file(state, path, metadata=kept | metadata)
    with pytest.raises(ValueError, match=message):
        release.load_checkpoint(tmp_path / "c")
    save_file({k: v for k, v in state.items() if k != "embed.weight"}, path, metadata=kept)
    with pytest.raises(ValueError, match=r"model\.safetensors: tensors: missing: embed\.weight;"):
        release.load_checkpoint(tmp_path / "c")
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match=r"model\.safetensors: damaged or not safetensors"):
        release.load_checkpoint(tmp_path / "c")


# --- refusals ------------------------------------------------------------------------------------


def test_missing_unexpected_and_misshaped_tensors_are_listed(tmp_path, folders):
    weights = synthetic.state("language")
    gate = f"{shapes.LANGUAGE}gate_net.linear1.bias"
    del weights[gate], weights["mlp_body.linear2.weight"]
    weights["extra.weight"] = torch.zeros(2)
    weights["mlp_rhand.linear1.bias"] = torch.zeros(3)
    path = synthetic.save(tmp_path / "bad.ckpt", weights)
    with pytest.raises(ValueError) as error:
        release.load_checkpoint(path, **folders)
    said = str(error.value)
    assert said.startswith(str(path)) and "\n" not in said
    assert f"missing: {gate}, mlp_body.linear2.weight" in said
    assert "unexpected: extra.weight" in said
    assert "of the wrong shape: mlp_rhand.linear1.bias [3] instead of [24]" in said


def test_long_lists_are_cut(tmp_path):
    weights = synthetic.state("tokenizer")
    path = synthetic.save(
        tmp_path / "bad.ckpt", {k: v for k, v in weights.items() if "decoder" not in k}
    )
    with pytest.raises(ValueError, match=r"missing: .* and \d+ more;"):
        release.load_checkpoint(path)


@pytest.mark.parametrize(
    "weights",
    [
        {"weight": torch.zeros(2)},
        {"vae.quantizer.codebook": torch.zeros(3)},
        synthetic.state("tokenizer") | {"vae.encoder.model.0.weight": torch.tensor(1.0)},
        synthetic.state("tokenizer")
        | {"vae.encoder.model.2.1.model.999999999.conv1.weight": torch.zeros(1)},
        {f"{shapes.LANGUAGE}main_lm.embed_tokens.weight": torch.zeros(3, 2)},
    ],
)
def test_another_checkpoint_is_refused(tmp_path, folders, weights):
    path = synthetic.save(tmp_path / "bad.ckpt", weights)
    with pytest.raises(ValueError, match=r"bad\.ckpt: state_dict: .* is missing"):
        release.load_checkpoint(path, **folders)


def test_codes_that_are_not_the_tokenizers_are_refused(tmp_path, folders):
    weights = synthetic.state("language")
    weights[f"{shapes.LANGUAGE}lhand_codebook"] += 1
    path = synthetic.save(tmp_path / "bad.ckpt", weights)
    with pytest.raises(ValueError, match=r"bad\.ckpt: codebooks: the left codes"):
        release.load_checkpoint(path, **folders)


def test_text_folders_that_do_not_fit(sft, folders, tmp_path):
    with pytest.raises(ValueError, match=r"sft_csl\.ckpt: text tokenizer: is needed"):
        release.load_checkpoint(sft)
    with pytest.raises(FileNotFoundError, match="tokenizer"):
        release.load_checkpoint(sft, tmp_path / "nowhere")
    other = synthetic.text_folder(tmp_path / "other", rows=280)
    with pytest.raises(ValueError, match=r"map_ids\.pkl: 280 rows, but sft_csl\.ckpt has 290"):
        release.load_checkpoint(sft, other)
    (other / "map_ids.pkl").unlink()
    with pytest.raises(ValueError, match=r"without map_ids\.pkl: 296 rows"):
        release.load_checkpoint(sft, other)
    (other / "map_ids.pkl").write_bytes(pickle.dumps({i + 1: i for i in range(290)}))
    with pytest.raises(ValueError, match="eos_token: has no embedding row"):
        release.load_checkpoint(sft, other)


# --- safety --------------------------------------------------------------------------------------


class Malicious:
    """Pickles as a call; ``how`` chooses what it tries."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        (os.mkdir, "pwned"),
        (os.system, "mkdir pwned"),
        (eval, "__import__('os').mkdir('pwned')"),
        (exec, "open('pwned', 'w')"),
    ],
)
@pytest.mark.parametrize("place", ["hyper_parameters", "state_dict"])
def test_nothing_in_a_checkpoint_is_executed(tmp_path, monkeypatch, call, place):
    monkeypatch.chdir(tmp_path)
    weights = synthetic.state("tokenizer")
    if place == "state_dict":
        weights["vae.quantizer.codebook"] = Malicious(*call)
        path = synthetic.save(tmp_path / "bad.ckpt", weights)
        with pytest.raises(
            ValueError, match=r"bad\.ckpt: state_dict\['vae\.quantizer\.codebook'\]"
        ):
            release.load_checkpoint(path)
    else:
        path = synthetic.save(tmp_path / "odd.ckpt", weights, hyper_parameters=Malicious(*call))
        assert isinstance(release.load_checkpoint(path), Tokenizer)
    assert not (tmp_path / "pwned").exists()


def rewrite(path, change):
    """The same zip, its pickle and entries changed by ``change(name, content)``."""
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in entries.items():
            if (content := change(name, content)) is not None:
                new.writestr(name, content)


def tensors(folder):
    return synthetic.save(folder / "t.ckpt", synthetic.state("tokenizer"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, c: c[:-40] if n.endswith("data.pkl") else c, "pickle: cut short or damaged"),
        (lambda n, c: b"" if n.endswith("data.pkl") else c, "pickle: cut short or damaged"),
        (lambda n, c: None if n.endswith("data.pkl") else c, "is no torch zip checkpoint"),
        (lambda n, c: None if n.endswith("data/5") else c, "data/5: is missing"),
        (lambda n, c: c[:-8] if n.endswith("data/5") else c, "cut short or damaged"),
        (lambda n, c: b"big" if n.endswith("byteorder") else c, "byteorder"),
        (lambda n, c: b"\xff" * len(c) if n.endswith("data/5") else c, "holds NaN or infinity"),
        (lambda n, c: c.replace(b"state_dict", b"state_mess"), "state_dict: is missing"),
    ],
)
def test_damaged_files_are_named(tmp_path, change, message):
    path = tensors(tmp_path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=message) as error:
        release.load_checkpoint(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_files_that_are_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        release.load_checkpoint(tmp_path / "nowhere.ckpt")
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        release.load_checkpoint(tmp_path)
    path = tmp_path / "x.ckpt"
    for content in (b"", b"text", pickle.dumps({"state_dict": {}})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.ckpt: file: is no torch zip"):
            release.load_checkpoint(path)
    path = tensors(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"t\.ckpt: file: is no torch zip"):
        release.load_checkpoint(path)


def test_a_compressed_bomb_is_not_inflated(tmp_path):
    path = tensors(tmp_path)
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in entries.items():
            new.writestr(name, content)
    with pytest.raises(ValueError, match="is compressed"):
        release.load_checkpoint(path)


def test_a_tensor_larger_than_its_numbers(tmp_path):
    """A view that repeats one number a million times would fill the memory when copied."""
    weights = synthetic.state("tokenizer") | {"vae.big": torch.zeros(1).expand(1000, 1000)}
    file = TorchZip(synthetic.save(tmp_path / "t.ckpt", weights))
    with pytest.raises(ValueError, match=r"vae\.big: is larger than its numbers"):
        file.read(["vae.big"])


def test_views_half_precision_and_shared_storage(tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    weights = {
        "a": base.T, "b": base[1:3, ::2], "c": base.half(), "d": base.bfloat16(),
        "e": torch.tensor([True, False]), "f": torch.nn.Parameter(base), "g": torch.zeros(0, 3),
    }  # fmt: skip
    file = TorchZip(synthetic.save(tmp_path / "t.ckpt", weights))
    read = file.read(list(weights))
    for name, value in weights.items():
        assert torch.equal(read[name], value.float() if value.is_floating_point() else value), name
    assert read["c"].dtype == read["d"].dtype == torch.float32 and read["a"].is_contiguous()


def test_optimiser_states_are_not_read(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        zipfile.ZipFile, "read",
        lambda self, name, original=zipfile.ZipFile.read: (read.append(name), original(self, name))[1],
    )  # fmt: skip
    release.load_checkpoint(tensors(tmp_path))
    numbers = [n for n in read if re.search(r"data/\d+$", getattr(n, "filename", str(n)))]
    assert len(numbers) == len(shapes.expected(synthetic.KINDS["tokenizer"], "tokenizer", "vae"))


def test_the_reader_cannot_be_altered(tmp_path):
    """BUILD with a state changes an object; here the objects are the reader's own stand-ins."""
    for stand_in in (("torch._utils", "_rebuild_tensor_v2"), ("os", "system")):
        program = b"\x80\x02c" + "\n".join(stand_in).encode() + b"\n}b."
        path = tensors(tmp_path)
        rewrite(path, lambda n, c, p=program: p if n.endswith("data.pkl") else c)
        with pytest.raises(ValueError, match="pickle: cut short or damaged"):
            release.load_checkpoint(path)
    assert isinstance(release.load_checkpoint(tensors(tmp_path)), Tokenizer)


def test_load_checkpoint_is_the_packages():
    assert release.load_checkpoint is checkpoints.load_checkpoint
