from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from madis_lib.data import tokens
from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.data.layouts import Sample

TRIPLES = np.arange(30).reshape(10, 3)
FOLDER = "How2Sign/TOKENS_h2s_csl_phoenix"


def put(root: Path, place: str, array: object = TRIPLES[None]) -> Path:
    path = root / FOLDER / place
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    ("corpus", "split", "name", "place"),
    [
        ("how2sign", "train", "a", "how2sign/a.npy"),
        ("how2sign", "train", "a", "a.npy"),
        ("csl", "test", "a", "csl/a.npy"),
        ("csl", "test", "a", "a.npy"),
        ("phoenix", "train", "a", "phoenix/train/a.npy"),
        ("phoenix", "val", "a", "phoenix/dev/a.npy"),
        ("phoenix", "val", "a", "phoenix/val/a.npy"),
        ("phoenix", "val", "dev/a", "phoenix/dev/a.npy"),
        ("phoenix", "val", "dev/a", "phoenix/dev/dev/a.npy"),
        ("phoenix", "test", "a", "phoenix/a.npy"),
        ("phoenix", "test", "test/a", "test/a.npy"),
    ],
)
def test_found_in_every_place(tmp_path, corpus, split, name, place):
    put(tmp_path, place)
    got = tokens.read(tmp_path, corpus, split, name)
    assert got.dtype == np.int64 and np.array_equal(got, TRIPLES)


@pytest.mark.parametrize(
    ("corpus", "split", "name", "first", "second"),
    [
        ("csl", "test", "a", "csl/a.npy", "a.npy"),
        ("phoenix", "val", "a", "phoenix/dev/a.npy", "phoenix/a.npy"),
    ],
)
def test_the_corpus_folder_comes_first(tmp_path, corpus, split, name, first, second):
    put(tmp_path, second, TRIPLES[None] + 1)
    put(tmp_path, first)
    assert np.array_equal(tokens.read(tmp_path, corpus, split, name), TRIPLES)


@pytest.mark.parametrize("name", ["a", "dev/a"])
def test_written_is_read(tmp_path, name):
    items = ((name, TRIPLES.astype(np.int16)) for _ in range(1))
    assert tokens.write(tmp_path, "phoenix", "val", items, "f1") == 1
    array = np.load(tmp_path / FOLDER / "phoenix/dev/a.npy", allow_pickle=False)
    assert array.shape == (1, 10, 3)
    assert np.array_equal(tokens.read(tmp_path, "phoenix", "val", name), TRIPLES)
    assert tokens.read_fingerprint(tmp_path) == "f1"
    assert not list(tmp_path.rglob(".tmp-*"))


def test_missing_names_every_place(tmp_path):
    with pytest.raises(MissingDataError, match=r"phoenix/dev/a\.npy.*phoenix/a\.npy.*x/a\.npy"):
        tokens.read(tmp_path / "x", "phoenix", "val", "a")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (TRIPLES, r"\(10, 3\), not \(1, L, 3\)"),
        (TRIPLES[None, :, :2], r"\(1, 10, 2\)"),
        (TRIPLES[None, :0], r"\(1, 0, 3\)"),
        (TRIPLES[None] * 1.0, "no integers"),
        (TRIPLES[None] - 1, "negative"),
    ],
)
def test_bad_arrays(tmp_path, array, message):
    put(tmp_path, "csl/a.npy", array)
    with pytest.raises(DataError, match=f"a.npy: tokens: .*{message}"):
        tokens.read(tmp_path, "csl", "train", "a")


def test_pickled_or_damaged_files_are_refused(tmp_path):
    path = put(tmp_path, "csl/a.npy")
    np.save(path, np.array([[[{}]]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="plain .npy"):
        tokens.read(tmp_path, "csl", "train", "a")
    for data in (b"", b"nothing", put(tmp_path, "b.npy").read_bytes()[:-5]):
        path.write_bytes(data)
        with pytest.raises(DataError, match="a.npy"):
            tokens.read(tmp_path, "csl", "train", "a")


@pytest.mark.parametrize("bad", [TRIPLES * 1.0, TRIPLES[:, :2], TRIPLES[None]])
def test_write_refuses_what_read_would(tmp_path, bad):
    with pytest.raises(DataError, match=r"integers \[L, 3\]"):
        tokens.write(tmp_path, "csl", "train", [("a", bad)], "f1")


def test_tokenizers_do_not_mix(tmp_path):
    tokens.write(tmp_path, "csl", "train", [("a", TRIPLES)], "f1")
    tokens.write(tmp_path, "csl", "val", [("b", TRIPLES)], "f1")
    with pytest.raises(DataError, match="f1, but.*f2"):
        tokens.write(tmp_path, "csl", "val", [("b", TRIPLES)], "f2")
    with pytest.raises(DataError, match="f1, but.*f2"):
        tokens.check_fingerprint(tmp_path, "f2")
    assert tokens.check_fingerprint(tmp_path, "f1") == "f1"


def test_files_from_elsewhere_have_no_fingerprint(tmp_path):
    put(tmp_path, "csl/a.npy")
    assert tokens.read_fingerprint(tmp_path) is None
    assert tokens.check_fingerprint(tmp_path, "f1") is None
    with pytest.raises(DataError, match="unknown tokenizer"):
        tokens.write(tmp_path, "csl", "val", [("b", TRIPLES)], "f1")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"fingerprint": 3})])
def test_damaged_note(tmp_path, text):
    put(tmp_path, "csl/a.npy")
    (tmp_path / FOLDER / "tokenizer.json").write_text(text)
    with pytest.raises(DataError, match="fingerprint: is not readable"):
        tokens.read_fingerprint(tmp_path)


def clips(count: int) -> list[Sample]:
    """Clips whose tokens are the integer parts of every fourth frame."""
    rng = np.random.default_rng(0)
    features = [rng.uniform(0, 9, (40, 133)).astype(np.float32) for _ in range(count)]
    return [Sample(f"n{i}", "t", "csl", f, encode(f)) for i, f in enumerate(features)]


def encode(features: np.ndarray) -> np.ndarray:
    return features[::4, :3].astype(np.int64)


def test_verify_agrees_with_a_warning():
    with pytest.warns(UserWarning, match="no tokenizer; 100.0%"):
        assert tokens.verify(clips(5), encode, how_many=3) == 1.0


def test_verify_allows_a_few_ties_only():
    def wrong_by(share):
        calls = []

        def other(features):
            got = encode(features)
            got.reshape(-1)[: round(share * got.size)] += 1
            calls.append(1)
            return got

        return other, calls

    few, calls = wrong_by(1 / 30)
    with pytest.warns(UserWarning, match="96.7%"):
        assert tokens.verify(clips(20), few, how_many=8) == pytest.approx(29 / 30)
    assert len(calls) == 8
    with pytest.raises(ValueError, match="only 90.0%"):
        tokens.verify(clips(4), wrong_by(0.1)[0])


def test_verify_refuses_other_lengths_and_no_tokens():
    with pytest.raises(ValueError, match="n0: tokens: 9 when encoded again, 10 stored"):
        tokens.verify(clips(2), lambda f: encode(f)[1:])
    with warnings.catch_warnings(), pytest.raises(ValueError, match="a: tokens: not read"):
        tokens.verify([Sample("a", "t", "csl", np.zeros((40, 133)))], encode)
    with pytest.raises(ValueError, match="0.0%"):
        tokens.verify([], encode)
