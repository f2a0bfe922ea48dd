from __future__ import annotations

import contextlib
import json
import pickle
import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madis_lib.data import text
from madis_lib.data.errors import DataError, MissingDataError

SENTENCES = [
    "am freitag regnet es im süden , sonst scheint die sonne .",
    "morgen regnet es im norden .",
    "今天天气很好 。",
    "你今天去学校吗 ?",
    "First you cut the paper in half.",
    "Then you fold the paper again.",
] * 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    return folder, text.train(SENTENCES, 320, folder)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a local tokenizer must not open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_code_in_a_tokenizer_folder_never_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text.train(["a b c"], 300, tmp_path / "evil")
    (tmp_path / "evil" / "evil.py").write_text("open('pwned', 'w').close()\nclass T: pass\n")
    config = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.T", "evil.T"]}}
    (tmp_path / "evil" / "tokenizer_config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with contextlib.suppress(DataError):
        text.load(tmp_path / "evil")
    assert not (tmp_path / "pwned").exists()


def test_special_tokens_and_size(trained):
    _, tokenizer = trained
    assert tokenizer.eos_token == tokenizer.pad_token == "<|endoftext|>"
    assert 257 < len(tokenizer) <= 320
    assert tokenizer.eos_token_id not in tokenizer(SENTENCES[0]).input_ids


@pytest.mark.parametrize(
    "sentence",
    [
        *SENTENCES[:6],
        "Größenwahn, „Straße“ – ÄÖÜ ß!",
        "谢谢你！👋🏽👨‍👩‍👧",
        "  two  spaces , and a space before .  ",
        "line\nbreak\ttab é e\u0301",
    ],
)
def test_round_trip(trained, sentence):
    _, tokenizer = trained
    assert tokenizer.decode(tokenizer(sentence).input_ids) == sentence


@settings(max_examples=60, deadline=None)
@given(sentence=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_round_trip_of_anything(trained, sentence):
    _, tokenizer = trained
    assert tokenizer.decode(tokenizer(sentence).input_ids) == sentence


def test_merges_are_learned(trained):
    _, tokenizer = trained
    sentence = SENTENCES[0]
    assert len(tokenizer(sentence).input_ids) < 0.7 * len(sentence.encode())


def test_a_folder_loads_without_network(trained, no_network):
    folder, tokenizer = trained
    loaded = text.load(folder)
    assert loaded(SENTENCES[2]).input_ids == tokenizer(SENTENCES[2]).input_ids
    assert loaded.pad_token_id == tokenizer.pad_token_id


def test_training_is_deterministic(trained, tmp_path):
    folder, _ = trained
    text.train(iter(SENTENCES), 320, tmp_path / "again")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert not list((tmp_path / "again").glob(".tmp-*"))


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="257"):
        text.train(SENTENCES, 256, tmp_path)
    with pytest.raises(ValueError, match="no text"):
        text.train(["", ""], 300, tmp_path)


def test_bad_folders(trained, tmp_path, no_network):
    with pytest.raises(MissingDataError, match="no such folder"):
        text.load(tmp_path / "nowhere")
    with pytest.raises(MissingDataError, match="no such folder"):
        text.load("./nowhere")
    with pytest.raises(MissingDataError, match="tokenizer.json"):
        text.load(tmp_path)
    folder, _ = trained
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config.pop("eos_token")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="eos_token: is missing"):
        text.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match="cannot be loaded") as caught:
        text.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_padding_falls_back_to_eos(trained, tmp_path):
    folder, tokenizer = trained
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config.pop("pad_token")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert text.load(tmp_path).pad_token_id == tokenizer.eos_token_id


def test_trimmed_vocabulary(tmp_path):
    assert text.embedding_rows(tmp_path) is None
    path = tmp_path / "map_ids.pkl"
    path.write_bytes(pickle.dumps({7: 0, np.int64(3): 2, 151643: 1}))
    assert text.embedding_rows(tmp_path) == {7: 0, 3: 2, 151643: 1}
    path.write_bytes(pickle.dumps({7: 0, 3: 2}))
    with pytest.raises(DataError, match="map_ids.pkl: map: rows"):
        text.embedding_rows(tmp_path)
    path.write_bytes(pickle.dumps({"a": 0}))
    with pytest.raises(DataError, match="no dict of ids"):
        text.embedding_rows(tmp_path)
