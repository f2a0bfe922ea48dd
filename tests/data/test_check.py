from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from madis_lib.data import layouts, stats, tokens
from madis_lib.data.check import check


def clip(num_frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num_frames, 133)).astype(np.float32)


@pytest.fixture
def root(tmp_path) -> Path:
    """Three small corpora with everything, tokens for CSL-Daily's training split only."""
    for corpus in layouts.LAYOUTS:
        for split in layouts.SPLITS:
            lengths = (40, 3, 48, 56)
            items = [(f"{split}/{i}", f"t{i}", clip(n, i), 24.0) for i, n in enumerate(lengths)]
            layouts.write(tmp_path, corpus, split, items)
    train = layouts.read(tmp_path, "csl", "train")
    stats.compute(s.features for s in train).save(tmp_path / "CSL-Daily")
    (tmp_path / "How2Sign" / "bad_ids.txt").touch()
    made = [(s.name, np.zeros((len(s.features) // 4, 3), int)) for s in train]
    tokens.write(tmp_path, "csl", "train", made, "f00d")
    return tmp_path


def pose(root: Path, name: str) -> Path:
    return root / f"CSL-Daily/poses_video_level/{name}.pkl"


def test_a_good_folder(root):
    report = check(root)
    assert report.ok and not report.problems and not report.missing
    assert len(report.found) == 9 and report.fingerprint == "f00d"
    by_name = {(s.corpus, s.split): s for s in report.found}
    train = by_name["csl", "train"]
    assert (train.samples, train.frames, train.with_tokens) == (3, 144, 3)
    assert train.lengths == (40, 48, 56) and train.skipped == {"fewer than 4 frames": 1}
    assert by_name["csl", "val"].with_tokens == 0
    text = str(report)
    assert text.splitlines()[0].endswith(": ok")
    assert (
        "csl train: 3 clips, 144 frames (shortest 40, median 48, longest 56); "
        "left out: 1 fewer than 4 frames; tokens: all"
    ) in text
    assert "tokens made by: f00d" in text


def test_it_agrees_with_the_reader(root):
    for summary in check(root).found:
        corpus = layouts.read(root, summary.corpus, summary.split)
        assert tuple(len(s.features) for s in corpus) == summary.lengths
        assert corpus.skipped == summary.skipped


def test_every_bad_clip_is_listed_with_its_fix(root):
    pose(root, "train/0").unlink()
    pose(root, "val/0").write_bytes(b"\x80\x04")
    pose(root, "val/2").write_bytes(pickle.dumps({"smplx_root_pose": Path("x")}))
    report = check(root)
    assert not report.ok
    assert report.counts == {"missing poses": 1, "bad poses": 2}
    (missing,) = report.problems["missing poses"]
    assert missing.path == str(pose(root, "train/0")) and missing.fix == "put the poses there"
    text = str(report)
    assert "needs attention" in text and "bad poses (2):" in text and "PosixPath" in text


def test_many_problems_are_counted_but_not_all_listed(root):
    for name in ("0", "2", "3"):
        for split in layouts.SPLITS:
            pose(root, f"{split}/{name}").unlink()
    report = check(root, limit=2)
    assert report.counts["missing poses"] == 9 and len(report.problems["missing poses"]) == 2
    assert "... and 7 more" in str(report)
    assert len(check(root, limit=9).problems["missing poses"]) == 9
    with pytest.raises(ValueError, match="limit is 0"):
        check(root, limit=0)


def test_bad_entries_do_not_hide_the_good_ones(root):
    path = layouts.sentences_path(root, "how2sign", "train")
    lines = path.read_text().splitlines()
    lines += ["x,,24,0,1", "y,text,fast,0,1", lines[1]]
    path.write_text("\n".join(lines) + "\n")
    report = check(root)
    assert report.counts == {"sentence list": 3}
    assert report.found[0].samples == 3
    text = str(report)
    assert (
        "x, SENTENCE: is empty" in text and "y, fps" in text and "train/0: is listed twice" in text
    )
    path.write_bytes(b"\xff\xfe")
    assert "sentence list (1)" in str(check(root))
    layouts.sentences_path(root, "csl", "test").write_bytes(b"junk")
    assert check(root).counts == {"sentence list": 2}


def test_some_tokens_are_a_problem_none_are_not(root):
    folder = root / tokens.FOLDER
    (folder / "csl/train/0.npy").unlink()
    report = check(root)
    assert report.counts == {"missing tokens": 1} and "tokens: 2 clips" in str(report)
    np.save(folder / "csl/train/0.npy", np.zeros((1, 9, 3), int))
    assert check(root).counts == {"bad tokens": 1}
    (folder / "csl/train/0.npy").write_bytes(b"")
    (folder / tokens.SIDECAR).write_text("{")
    assert check(root).counts == {"bad tokens": 2}


def test_a_name_in_two_splits(root):
    path = layouts.sentences_path(root, "csl", "val")
    path.write_bytes(layouts.sentences_path(root, "csl", "train").read_bytes())
    report = check(root, corpora=["csl"])
    assert report.counts["name in two splits"] == 4
    assert "train/0: is also in train" in str(report)


def test_what_is_absent_matters_when_asked_for(root):
    (root / "How2Sign").rename(root / "elsewhere")
    report = check(root)
    assert report.ok and "How2Sign" in str(report) and "not there:" in str(report)
    assert check(root, corpora=["csl"]).ok
    assert check(root, corpora=["how2sign"]).counts == {"missing corpus": 1}


def test_a_corpus_that_is_there_needs_all_its_splits(root):
    layouts.sentences_path(root, "phoenix", "val").unlink()
    for splits in (None, ["val"]):
        report = check(root, splits=splits)
        assert not report.ok and report.counts == {"missing sentence list": 1}
        assert "phoenix14t.dev: phoenix val: no sentence list" in str(report)
    assert check(root, splits=["train"]).ok


def test_a_split_that_holds_no_clip(root):
    layouts.write(root, "csl", "test", [])
    layouts.write(root, "phoenix", "val", [("dev/short", "text", clip(3), 25.0)])
    report = check(root)
    assert not report.ok and report.counts == {"empty split": 2}
    for split in ("csl_clean.test: csl test", "phoenix14t.dev: phoenix val"):
        assert f"{split}: holds no clip; train, val and test need one" in str(report)


def test_values_that_are_no_angles(root, recwarn):
    path = pose(root, "train/0")
    arrays = pickle.loads(path.read_bytes())
    for value in (1e30, -1e300):
        spoilt = {field: array.astype(float) for field, array in arrays.items()}
        spoilt["smplx_rhand_pose"][7, 2] = value
        path.write_bytes(pickle.dumps(spoilt))
        report = check(root)
        assert report.counts == {"bad poses": 1}
        assert f"{path}: smplx_rhand_pose: frame 7 is " in str(report)
        assert "not within ±1000" in str(report)
    assert not recwarn.list


def test_a_user_of_how2sign_is_told_where_bad_ids_go(root):
    (root / "How2Sign" / "bad_ids.txt").unlink()
    report = check(root)
    (told,) = report.missing
    assert report.ok and told.path == str(root / "How2Sign" / "bad_ids.txt")
    assert "the release leaves out 31 clips" in str(report)


def test_nothing_there(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        report = check(path)
        assert not report.ok and report.counts == {"no corpus": 1}
        assert "give the folder that holds How2Sign/ or CSL-Daily/" in str(report)


def test_a_folder_without_sentences_is_not_absent(tmp_path):
    (tmp_path / "CSL-Daily").mkdir()
    told = check(tmp_path)
    assert not told.ok and list(told.counts) == ["no sentences"]
    assert "put csl_clean.train, csl_clean.val, csl_clean.test there" in str(told)
    assert str(tmp_path / "CSL-Daily") not in {p.path for p in told.missing}


def test_statistics(root):
    (root / "CSL-Daily/std.pt").unlink()
    report = check(root)
    assert report.ok and "std.pt" in str(report)
    torch.save(torch.zeros(3), root / "CSL-Daily/std.pt")
    assert check(root).counts == {"statistics": 1}


def test_unknown_names(root):
    with pytest.raises(ValueError, match="unknown corpus"):
        check(root, corpora=["asl"])
    with pytest.raises(ValueError, match="unknown split"):
        check(root, splits=["dev"])
