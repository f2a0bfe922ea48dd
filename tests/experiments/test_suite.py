import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from madis_lib.data import tokens as token_files
from madis_lib.data.errors import DataError
from madis_lib.experiments.evaluate import available, bleu_counts, value
from madis_lib.experiments.sign_tokenizer import encode
from madis_lib.experiments.store import UnfinishedRunError
from madis_lib.experiments.suite import (
    CORPORA,
    DATASET_NAMES,
    SPLITS,
    Suite,
    fit_canvas,
)
from madis_lib.reporting import figures
from madis_lib.tokenizer import Tokenizer
from tests import tiny

ROOT = Path(__file__).parents[2]
BOUNDS = {"mean pose", "random clip", "shuffled text", "tokenizer round trip"}
CORPUS = "csl"  # the one that is trained and scored more than once here


def weights(path: Path) -> dict[str, object]:
    """A weight file bit by bit.  (Two equal files may list their metadata in different orders.)"""
    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        bits = {n: (t.dtype.str, t.shape, t.tobytes()) for n, t in tensors.items()}
        return {"metadata": file.metadata(), **bits}


def outcome(suite: Suite) -> dict[str, object]:
    """All that a suite's runs end in, for one corpus: weights bit by bit, and scores."""
    return {
        "tokenizer": weights(suite.tokenizer_run.folder / "tokenizer.safetensors"),
        "tokens": [t.tolist() for t in suite.tokens(CORPUS, "test")],
        "pretrained": weights(suite.pretrained.folder / "model" / "model.safetensors"),
        "finetuned": weights(suite.finetuned(CORPUS).folder / "model" / "model.safetensors"),
        "scores": suite.evaluated(CORPUS).result["scores"],
    }


def clip(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, 133)).astype(np.float32)


def test_the_same_seed_gives_the_same_everything(suite, tmp_path):
    again = Suite(tiny.preset(), tmp_path)
    assert outcome(again) == outcome(suite)
    assert again.finetuned(CORPUS).key == suite.finetuned(CORPUS).key


def test_another_seed_gives_other_weights_on_the_same_corpus(suite, tmp_path):
    other = Suite(tiny.preset(), tmp_path, seed=1)
    first, second = outcome(suite), outcome(other)
    # the tokenizer is of the preset's first seed, so that seeds share its tokens
    assert [n for n in first if first[n] == second[n]] == ["tokenizer", "tokens"]
    assert other.corpus.key == suite.corpus.key
    for mine, theirs in zip(suite.clips(CORPUS, "test"), other.clips(CORPUS, "test"), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_second_suite_finds_the_runs(suite, home):
    folders = {suite.evaluated(c).folder for c in CORPORA}
    before = {f: (f / "result.json").stat().st_mtime_ns for f in folders}
    again = Suite(tiny.preset(), home)
    assert {again.evaluated(c).folder for c in CORPORA} == folders
    assert {f: (f / "result.json").stat().st_mtime_ns for f in folders} == before


def test_what_decides_a_result_decides_its_run(suite, tmp_path):
    preset = suite.preset
    changed = replace(preset, finetune=replace(preset.finetune, learning_rate=1e-3))
    other = Suite(changed, suite.store.root.parent)
    assert other.pretrained.key == suite.pretrained.key
    with pytest.raises(FileNotFoundError, match="finetuned-csl"), other.store.only_finding():
        other.finetuned(CORPUS)


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_evaluation_has_its_bounds(suite, corpus):
    result = suite.evaluated(corpus).result
    assert set(result["scores"]) == {"MaDiS"} | BOUNDS
    assert result["texts"] == suite.texts(corpus, "test")
    n = len(result["texts"])
    for name, scores in result["scores"].items():
        assert all(len(scores[k]) == n for k in ("dtw_body", "dtw_hands", "gloss_edits")), name
        assert all(len(counts) == n for counts in scores["bleu"].values())
        assert np.isfinite(scores["dtw_body"] + scores["dtw_hands"]).all()
    ceiling = result["scores"]["tokenizer round trip"]
    assert ceiling["length_ratio"] == [1.0] * n
    assert value(ceiling, "sibleu_body", np.arange(n)) == pytest.approx(100)  # its own tokens
    for name, motion in suite.outputs(corpus).items():  # every system by the one tokenizer
        again = encode(suite.tokenizer, motion)
        counts = bleu_counts(again, suite.tokens(corpus, "test"), 4)
        assert result["scores"][name]["bleu_retokenised"] == counts, name
    shuffled, own = result["scores"]["shuffled text"], result["scores"]["MaDiS"]
    assert sorted(map(tuple, shuffled["read"])) == sorted(map(tuple, own["read"]))
    assert shuffled["read"] == [own["read"][-1], *own["read"][:-1]]
    assert len(set(result["scores"]["mean pose"]["length_ratio"])) > 1


def test_tokens_on_disk_carry_the_tokenizer_and_another_is_refused(suite, home, tmp_path):
    folder = suite.tokens_run.folder
    fingerprint = suite.tokenizer.fingerprint()
    assert token_files.read_fingerprint(folder) == fingerprint
    again = Suite(tiny.preset(), home)
    changed = Tokenizer.load(suite.tokenizer_run.folder / "tokenizer.safetensors")
    with torch.no_grad():
        changed.codebooks()[0][0, 0] += 1
    again.tokenizer = changed
    with pytest.raises(DataError, match="but the tokenizer in use is") as error:
        again.tokens(CORPUS, "test")
    assert fingerprint in str(error.value) and "\n" not in str(error.value)


def test_tokens_on_disk_are_what_the_tokenizer_says(suite):
    for split in SPLITS:
        clips, stored = suite.clips(CORPUS, split), suite.tokens(CORPUS, split)
        for features, codes in list(zip(clips, stored, strict=True))[:3]:
            alone = suite.tokenizer.encode(torch.tensor(features)[None])[0].numpy()
            np.testing.assert_array_equal(codes, alone)


def test_a_folder_of_data_takes_the_place_of_signworld(suite, tmp_path):
    """What lies in the real layouts is trained on; without glosses there is no gloss error."""
    data = tmp_path / "real"
    shutil.copytree(suite.root, data, ignore=shutil.ignore_patterns("signworld"))
    with_data = Suite(tiny.preset(), tmp_path / "home", data=data)
    assert not with_data.synthetic and with_data.corpus_name(CORPUS) == DATASET_NAMES[CORPUS]
    result = with_data.evaluated(CORPUS).result
    assert set(result["scores"]) == {"MaDiS"} | BOUNDS
    assert result["texts"] == suite.texts(CORPUS, "test")
    assert "gloss_error" not in available(result["scores"]["MaDiS"])
    assert not [p for p in (tmp_path / "home").rglob("*.pkl")], "the data was copied"
    assert with_data.finetuned(CORPUS).key != suite.finetuned(CORPUS).key


def test_one_real_corpus_is_enough(suite, tmp_path):
    """Someone with CSL-Daily alone trains and reports on it alone."""
    data = tmp_path / "real"
    shutil.copytree(suite.root / "CSL-Daily", data / "CSL-Daily")
    alone = Suite(tiny.preset(), tmp_path / "home", data=data)
    assert alone.corpora == ("csl",) and alone.evaluated("csl").result["texts"]
    for figure in figures.ALL:
        if not figure.needs_truth and (figure.runs is None or figure.runs(alone)):
            figure.draw(alone)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="none of How2Sign/"):
        Suite(tiny.preset(), tmp_path / "home", data=tmp_path / "empty")


def test_real_data_is_known_by_its_content_and_not_by_its_place(suite, tmp_path):
    first = Suite(tiny.preset(), tmp_path / "home", data=suite.root)
    shutil.copytree(suite.root, tmp_path / "moved")
    moved = Suite(tiny.preset(), tmp_path / "home", data=tmp_path / "moved")
    assert moved.corpus.key == first.corpus.key and moved.root == tmp_path / "moved"
    pose = next((tmp_path / "moved").rglob("*.pkl"))
    pose.write_bytes(pose.read_bytes() + b" ")
    changed = Suite(tiny.preset(), tmp_path / "home", data=tmp_path / "moved")
    assert changed.corpus.key != first.corpus.key


def test_settings_are_chosen_on_val(suite):
    tuned, shown = suite.evaluated(CORPUS, "val"), suite.evaluated(CORPUS)
    assert tuned.result["texts"] == suite.texts(CORPUS, "val") and tuned.key != shown.key
    assert tuned.folder.name.startswith(f"evaluated-{CORPUS}-val-")


def test_a_variant_shares_what_it_cannot_alter(suite):
    plain = suite.variant(checkpoints=())
    assert plain.pretrained.key == suite.pretrained.key
    assert plain.finetuned(CORPUS).key != suite.finetuned(CORPUS).key
    assert suite.variant(checkpoints=(0.75, 0.5)).finetuned(CORPUS).key == (
        suite.finetuned(CORPUS).key
    )
    signed = plain.system(CORPUS).generate(plain.texts(CORPUS, "test"), checkpoints=())
    expected = plain.evaluated(CORPUS).result["generated"]
    assert [s.tokens.tolist() for s in signed] == expected


def test_a_variant_makes_nothing_where_only_finding_is_allowed(suite):
    with suite.store.only_finding(), pytest.raises(UnfinishedRunError):
        suite.variant(alpha=0.125).finetuned(CORPUS)


def test_the_release_protocol_trains_signs_and_scores(suite):
    theirs = suite.variant(protocol="release")
    assert theirs.tokenizer_run.key == suite.tokenizer_run.key
    assert theirs.pretrained.key != suite.pretrained.key
    result = theirs.evaluated(CORPUS).result
    assert len(result["scores"]["MaDiS"]["bleu"]["body"][0]) == 4  # unigrams only
    for streams, motion in zip(result["generated"], theirs.outputs(CORPUS)["MaDiS"], strict=True):
        assert len(streams) == 3 and len(motion) == 4 * max(map(len, streams))
    history = theirs.finetuned(CORPUS).result["history"]
    assert "sign" in history[0] and "eos_share" not in history[0]


def test_another_body_is_another_evaluation(suite, home, monkeypatch, tmp_path):
    from madis_lib.body.model import DEFAULT_FILE

    with np.load(DEFAULT_FILE) as stored:
        arrays = dict(stored)
    np.savez(tmp_path / "body.npz", **arrays | {"v_template": arrays["v_template"] * 1.1})
    before = suite.evaluated(CORPUS).key
    monkeypatch.setenv("MADIS_SMPLX", str(tmp_path / "body.npz"))
    other = Suite(tiny.preset(), home)
    assert other.finetuned(CORPUS).key == suite.finetuned(CORPUS).key
    assert other.evaluated(CORPUS).key != before


def test_the_share_that_the_canvas_covers(suite):
    lengths = [len(t) for t in suite.tokens(CORPUS, "train")]
    assert suite.corpus.result["tokens"][CORPUS] == lengths
    assert suite.coverage(CORPUS) == 1.0


def test_rendered_data_is_never_called_real(suite, tmp_path):
    """What SignWorld or ``madis corpus`` wrote keeps its truth, its oracle and its label."""
    rendered = Suite(tiny.preset(), tmp_path, data=suite.root)
    assert rendered.synthetic and rendered.corpus_name(CORPUS) == f"rendered {CORPUS}"
    assert suite.corpus_name(CORPUS) == f"SignWorld {CORPUS}"
    assert rendered.truth(CORPUS, "test") == suite.truth(CORPUS, "test")
    assert rendered.oracle(CORPUS) is not None


def test_a_long_clip_is_sampled_evenly_to_fill_the_canvas():
    short, long = clip(16), clip(37)
    assert fit_canvas(short, 4) is short
    fitted = fit_canvas(long, 4)
    assert fitted.shape == (16, 133)
    np.testing.assert_array_equal(fitted[[0, -1]], long[[0, -1]])
    place = [int(np.flatnonzero((long == row).all(1))[0]) for row in fitted]
    assert set(np.diff(place)) <= {2, 3}


DRIVER = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from madis_lib import train
from madis_lib.experiments.suite import Suite
from tests import tiny
torch.set_num_threads(1)
train.SAVE_EVERY = 0.0  # a checkpoint after every update, so that a kill can meet any of them
p = tiny.preset()
p = replace(
    p,
    train_tokenizer=replace(p.train_tokenizer, updates=24),
    pretrain=replace(p.pretrain, updates=30),
    finetune=replace(p.finetune, updates=30),
)
suite = Suite(p, Path(sys.argv[1]))
print("ready", flush=True)
suite.evaluated("csl")
"""


def start(home: Path) -> subprocess.Popen:
    """A process that makes every run of one corpus; returns when it has begun to."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, home], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    line = process.stdout.readline()
    assert line == "ready\n", process.communicate()[1]
    return process


def finish(process: subprocess.Popen) -> None:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


def made(home: Path) -> dict[str, object]:
    """Every weight file, bit by bit, and every result of a home; by place."""
    found: dict[str, object] = {
        str(p.relative_to(home)): weights(p) for p in home.rglob("*.safetensors")
    }
    for p in home.rglob("result.json"):
        result = json.loads(p.read_text())
        result.pop("root", None)  # where this home's corpus lies
        found[str(p.relative_to(home))] = result
    return found


@pytest.mark.slow
def test_killed_ten_times_and_resumed_ends_with_the_same_weights(tmp_path):
    process, began = start(tmp_path / "straight"), time.monotonic()
    finish(process)
    whole = time.monotonic() - began  # moments are shares of it, whatever the machine's speed
    expected = made(tmp_path / "straight")
    assert {"model.safetensors", "tokenizer.safetensors"} <= {Path(p).name for p in expected}
    moments = random.Random(0)
    killed = homes = 0
    while killed < 10:
        home = tmp_path / f"killed-{homes}"
        process = start(home)
        time.sleep(whole * moments.uniform(0.05, 0.45))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        if process.returncode == -signal.SIGKILL:
            killed += 1
        else:  # all was done before: another one
            assert process.returncode == 0 and made(home) == expected
            homes += 1
    finish(start(home))
    assert made(home) == expected
