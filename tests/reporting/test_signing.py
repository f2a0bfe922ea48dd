import json
import shutil

import numpy as np
import pytest

from madis_lib.experiments.suite import Suite
from madis_lib.reporting import signing


@pytest.fixture
def text(suite):
    return suite.texts("how2sign", "test")[0]


def test_a_page_says_what_it_is(checkpoint, text, tmp_path):
    out = tmp_path / "sign.html"
    signing.generate(text, "en", out, checkpoint)
    page = out.read_text(encoding="utf-8")
    assert "Synthetic signing, not a real sign language" in page
    assert "Read back by the oracle" in page and "SignWorld how2sign, 40 signs" in page


@pytest.mark.parametrize(("language", "corpus", "fps"), [("zh", "csl", 30), ("de", "phoenix", 25)])
def test_each_language_has_its_corpus_and_rate(suite, checkpoint, tmp_path, language, corpus, fps):
    sentence = suite.texts(corpus, "test")[0]
    out = tmp_path / "sign.npz"
    signing.generate(sentence, language, out, checkpoint)
    with np.load(out) as motion:
        assert motion["mocap_frame_rate"] == fps
        assert motion["poses"].shape[1] == 165 and len(motion["poses"]) % 4 == 0


def test_a_model_that_was_just_trained_signs(suite, text, tmp_path):
    out = tmp_path / "sign.html"
    signing.generate(text, "en", out, suite=suite)
    page = out.read_text(encoding="utf-8")
    assert "SignWorld how2sign · preset tiny" in page and "Read back by the oracle" in page
    signing.generate(text, "en", tmp_path / "a.npz", suite=suite)
    (expected,) = suite.system("how2sign").generate([text])
    with np.load(tmp_path / "a.npz") as motion:
        assert len(motion["poses"]) == len(expected.features)
    with pytest.raises(ValueError, match="no word of this text has a sign"):
        signing.generate("blorg", "en", out, suite=suite)
    empty = Suite(suite.preset, tmp_path / ".madis")
    with pytest.raises(FileNotFoundError, match="go to the folder where madis reproduce"):
        signing.generate(text, "en", out, suite=empty)
    empty.store.root.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="make it with: madis reproduce --preset tiny"):
        signing.generate(text, "en", out, suite=empty)


def test_a_model_of_other_data_knows_no_synthetic_words(suite, text, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(suite.root, data)
    theirs = Suite(suite.preset, tmp_path / ".madis", data)
    theirs.store.root.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=f"--preset tiny --data {data}"):
        signing.generate("blorg", "en", tmp_path / "a.html", suite=theirs)


def test_the_seed_counts_only_above_temperature_zero(checkpoint, text, tmp_path):
    def poses(temperature, seed):
        signing.generate(text, "en", tmp_path / "a.npz", checkpoint, temperature, seed)
        with np.load(tmp_path / "a.npz") as motion:
            return motion["poses"]

    np.testing.assert_array_equal(poses(0.0, 0), poses(0.0, 1))
    np.testing.assert_array_equal(poses(1.0, 3), poses(1.0, 3))
    a, b = poses(1.0, 3), poses(1.0, 4)
    assert a.shape != b.shape or (a != b).any()


def test_unknown_words_are_named_once(checkpoint, text, tmp_path, capsys):
    signing.generate(f"{text} Blorg, blorg zwumf!", "en", tmp_path / "a.npz", checkpoint)
    assert capsys.readouterr().err == "madis: warning: no sign for blorg, zwumf\n"


@pytest.mark.parametrize("words", ["blorg", "🎉🎉", "the a", "1" * 10_000])
def test_no_known_word_is_an_error_with_examples(checkpoint, tmp_path, words, suite):
    with pytest.raises(ValueError, match="no word of this text has a sign") as error:
        signing.generate(words, "en", tmp_path / "a.npz", checkpoint)
    assert str(error.value).count('"') == 6
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": " \n"}, "text is empty"),
        ({"language": "fr"}, "unknown language 'fr': choose one of zh, de, en"),
        ({"out": "a.mp4"}, r"\.mp4.*\.html, \.npz, \.glb, \.webp"),
        ({"out": "none/a.html"}, "no such folder"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": 1e300}, "from 0 to 100"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**80}, "seed"),
        ({"text": "cut \udcff onion"}, "UTF-8"),
        ({"checkpoint": "none"}, "no checkpoint here"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(tmp_path, monkeypatch, change, message):
    monkeypatch.setattr(signing, "load", lambda *_: pytest.fail("the model was loaded"))
    wanted = {"text": "x", "language": "en", "out": "a.html", "checkpoint": "c"} | change
    wanted["out"] = tmp_path / wanted["out"]
    wanted["checkpoint"] = tmp_path / wanted["checkpoint"]
    with pytest.raises((ValueError, OSError), match=message) as error:
        signing.generate(**wanted)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "a.html").mkdir()
    with pytest.raises(OSError, match="is a folder"):
        signing.generate("x", "en", tmp_path / "a.html")


def test_a_very_long_text_is_refused(checkpoint, text, tmp_path):
    with pytest.raises(ValueError, match="more than 256: give it in sentences"):
        signing.generate(f"{text} " * 400, "en", tmp_path / "a.npz", checkpoint)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer.safetensors", b"not a tensor"),
        ("how2sign/model.safetensors", b"\x08\0\0\0\0\0\0\0{}      "),
        ("provenance.json", b"{"),
        ("provenance.json", json.dumps({"sings": 4}).encode()),
    ],
)
def test_a_damaged_checkpoint_is_one_line_naming_the_file(
    checkpoint, text, tmp_path, file, content
):
    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    (broken / file).write_bytes(content)
    with pytest.raises(ValueError, match=file.split("/")[-1].replace(".", r"\.")) as error:
        signing.generate(text, "en", tmp_path / "a.npz", broken)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a.npz").exists()
