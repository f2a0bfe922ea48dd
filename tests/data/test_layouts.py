from __future__ import annotations

import csv
import gzip
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from madis_lib.data import layouts, tokens
from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.parts import SMPLX_FIELDS, smplx_from_features

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "lengths.json").read_text())
FPS = {"how2sign": 24.0, "csl": 30.0, "phoenix": 25.0}


def counting(num_frames: int) -> np.ndarray:
    """Every feature of frame i is i."""
    return np.repeat(np.arange(num_frames, dtype=np.float32)[:, None], 133, 1)


def noise(num_frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num_frames, 133)).astype(np.float32)


def dump(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value))


def how2sign_list(root: Path, split: str, rows: list[dict], delimiter: str = ",") -> Path:
    """The list as distributed: more columns than are read, in another order."""
    fields = ["VIDEO_ID", "SENTENCE_NAME", "START_REALIGNED", "END_REALIGNED", "SENTENCE", "fps"]
    path = layouts.sentences_path(root, "how2sign", split)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields, delimiter=delimiter)
        writer.writeheader()
        for row in rows:
            times = {"VIDEO_ID": "v", "START_REALIGNED": 1.5, "END_REALIGNED": 4, "fps": 24}
            writer.writerow(times | {"SENTENCE": f"say {row['SENTENCE_NAME']}"} | row)
    return path


def pickled_list(root: Path, corpus: str, split: str, rows: object, zipped: bool = True) -> Path:
    path = layouts.sentences_path(root, corpus, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = pickle.dumps(rows)
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


def small(root: Path, corpus: str = "csl", split: str = "train", lengths=(44, 40)) -> list[str]:
    """A corpus of clips of the given lengths; their names."""
    names = [f"{corpus}_{split}_{i}" for i in range(len(lengths))]
    items = (
        (name, f"sentence {name}", noise(n, i), FPS[corpus])
        for i, (name, n) in enumerate(zip(names, lengths, strict=True))
    )
    assert layouts.write(root, corpus, split, items) == len(lengths)
    return names


def test_the_disk_is_as_the_authors_have_it(tmp_path):
    """By hand, from the documented layout, not through `write`."""
    pose = {k: np.ones((40, d), np.float32) for k, d in SMPLX_FIELDS.items()}
    h, c, p = (tmp_path / f for f in ("How2Sign", "CSL-Daily", "Phoenix_2014T"))
    how2sign_list(tmp_path, "val", [{"SENTENCE_NAME": "abc_1-5"}])
    assert (h / "val/re_aligned/how2sign_realigned_val_preprocessed_fps.csv").is_file()
    dump(h / "poses_video_level/val/poses/abc_1-5.pkl", pose)
    pickled_list(tmp_path, "csl", "val", [{"name": "S1", "text": "你好", "gloss": "x"}])
    assert (c / "csl_clean.val").is_file()
    dump(c / "poses_video_level/S1.pkl", pose)
    pickled_list(tmp_path, "phoenix", "val", [{"name": "dev/d1", "text": "und", "signer": "1"}])
    assert (p / "phoenix14t.dev").is_file()
    dump(p / "poses_video_level/dev/d1.pkl", pose)
    corpora = [layouts.read(tmp_path, corpus, "val") for corpus in layouts.LAYOUTS]
    got = [sample for corpus in corpora for sample in corpus]
    expected = [("how2sign", "abc_1-5"), ("csl", "S1"), ("phoenix", "dev/d1")]
    assert [(s.corpus, s.name) for s in got] == expected
    assert [s.text for s in got] == ["say abc_1-5", "你好", "und"]
    assert all(s.features.shape == (40, 133) and s.tokens is None for s in got)
    assert not any(corpus.skipped for corpus in corpora)


def test_golden_lengths_through_the_files(tmp_path):
    how2sign = [(c["name"], "t", counting(c["frames_in"]), c["fps"]) for c in GOLDEN["fps_cases"]]
    csl = [(f"c{n}", "t", counting(n), 30.0) for n in GOLDEN["csl_lengths"]]
    layouts.write(tmp_path, "how2sign", "test", iter(how2sign))
    layouts.write(tmp_path, "csl", "test", iter(csl))
    layouts.write(tmp_path, "phoenix", "test", [("test/p50", "t", counting(50), 25.0)])
    corpora = [layouts.read(tmp_path, corpus, "test") for corpus in layouts.LAYOUTS]
    got = [sample for corpus in corpora for sample in corpus]
    assert [s.name for s in got] == [s["name"] for s in GOLDEN["samples"]]
    for sample, expected in zip(got, GOLDEN["samples"], strict=True):
        assert sample.corpus == expected["src"]
        assert len(sample.features) == expected["length"]
        assert sample.features[:, 0].tolist() == expected["frames"], sample.name
        assert (sample.features == sample.features[:, :1]).all()
    short = {"fewer than 4 frames": 1}
    assert [corpus.skipped for corpus in corpora] == [short, short, {}]


@pytest.mark.parametrize("corpus", layouts.LAYOUTS)
@pytest.mark.parametrize("split", layouts.SPLITS)
def test_written_is_read(tmp_path, corpus, split):
    names = [f"{split}/a", "b.c", "d e"]
    texts = ['comma, "quote"', "tab\tand\nline", "天气 Größe 🤟"]
    clips = [noise(n, n) for n in (40, 64, 400)]
    fps = [FPS[corpus]] * 3
    layouts.write(tmp_path, corpus, split, zip(names, texts, clips, fps, strict=True))
    got = layouts.read(tmp_path, corpus, split)
    assert [s.name for s in got] == names and [s.text for s in got] == texts
    for sample, clip in zip(got, clips, strict=True):
        assert sample.features.dtype == np.float32 and np.array_equal(sample.features, clip)
    assert (got.corpus, got.split, got.root) == (corpus, split, tmp_path)
    assert not list(tmp_path.rglob(".tmp-*"))


def test_written_poses_are_seven_plain_arrays(tmp_path):
    clip = noise(40)
    layouts.write(tmp_path, "csl", "train", [("a", "t", clip, 30.0)])
    data = (tmp_path / "CSL-Daily/poses_video_level/a.pkl").read_bytes()
    assert b"numpy._core" not in data and b"numpy.core" in data  # numpy 1 can read it
    arrays = pickle.loads(data)
    expected = smplx_from_features(clip)
    assert {k: v.shape for k, v in arrays.items()} == {k: (40, d) for k, d in SMPLX_FIELDS.items()}
    assert all(np.array_equal(arrays[k], expected[k]) for k in SMPLX_FIELDS)


def test_writing_is_deterministic_and_streams(tmp_path):
    alive = []

    def items():
        for i in range(3):
            done = sorted(p.stem for p in (tmp_path / "a").rglob("*.pkl"))
            alive.append(done)
            yield f"n{i}", "t", noise(40, i), 30.0

    layouts.write(tmp_path / "a", "csl", "train", items())
    assert alive == [[], ["n0"], ["n0", "n1"]]  # each clip is on disk before the next is made
    small_items = [(f"n{i}", "t", noise(40, i), 30.0) for i in range(3)]
    layouts.write(tmp_path / "b", "csl", "train", small_items)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert files
    for file in files:
        if (tmp_path / "a" / file).is_file():
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_stopped_write_leaves_no_list(tmp_path):
    def items():
        yield "a", "t", noise(40), 30.0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layouts.write(tmp_path, "csl", "train", items())
    with pytest.raises(MissingDataError, match="csl_clean.train"):
        layouts.read(tmp_path, "csl", "train")


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_the_table_may_have_commas_or_tabs(tmp_path, delimiter):
    row = {"SENTENCE_NAME": "a", "SENTENCE": 'So, "cut" it'}
    how2sign_list(tmp_path, "train", [row], delimiter)
    dump(
        layouts.pose_places(tmp_path, "how2sign", "train", "a")[0].with_suffix(".pkl"),
        smplx_from_features(noise(40)),
    )
    assert layouts.read(tmp_path, "how2sign", "train")[0].text == row["SENTENCE"]


def test_clips_left_out_are_counted(tmp_path):
    rows = [
        {"SENTENCE_NAME": "29", "START_REALIGNED": 1, "END_REALIGNED": 30.9},
        {"SENTENCE_NAME": "30", "START_REALIGNED": 1, "END_REALIGNED": 31},
        {"SENTENCE_NAME": "untimed", "END_REALIGNED": ""},
        {"SENTENCE_NAME": "in file"},
        {"SENTENCE_NAME": "short"},
        {"SENTENCE_NAME": "fast", "fps": 60},
    ]
    how2sign_list(tmp_path, "train", rows)
    (tmp_path / "How2Sign" / "bad_ids.txt").write_text("other\nin file\n\n")
    for name, n in (("29", 40), ("short", 3), ("fast", 9)):  # those left out by name have no poses
        layouts.poses.write(
            tmp_path / f"How2Sign/poses_video_level/train/poses/{name}.pkl", noise(n)
        )
    got = layouts.read(tmp_path, "how2sign", "train")
    assert [s.name for s in got] == ["29"]
    assert got.skipped == {
        "30 s or longer, or without times": 2,
        "bad id": 1,
        "fewer than 4 frames": 2,
    }


def test_only_how2sign_knows_bad_ids(tmp_path):
    names = small(tmp_path, "csl")
    (tmp_path / "CSL-Daily" / "bad_ids.txt").write_text("\n".join(names))
    assert len(layouts.read(tmp_path, "csl", "train")) == len(names)


def frames_in(folder: Path, clip: np.ndarray, name: str = "x_{}_3D.pkl", one_row: bool = False):
    for k, arrays in enumerate(smplx_from_features(frame[None]) for frame in clip):
        if not one_row:
            arrays = {field: values[0] for field, values in arrays.items()}
        dump(folder / name.format(k), arrays)


@pytest.mark.parametrize("one_row", [False, True])
@pytest.mark.parametrize(
    ("corpus", "folder"),
    [
        ("how2sign", "How2Sign/poses_video_level/val/poses/a"),
        ("how2sign", "How2Sign/val/poses/a"),
        ("csl", "CSL-Daily/poses/a"),
        ("phoenix", "Phoenix_2014T/a"),
    ],
)
def test_a_folder_of_frames_in_numerical_order(tmp_path, corpus, folder, one_row):
    small(tmp_path, corpus, "val", lengths=(40,))
    name = layouts.read(tmp_path, corpus, "val")[0].name
    place = layouts.pose_places(tmp_path, corpus, "val", name)[0]
    place.with_name(place.name + ".pkl").unlink()
    clip = counting(120)  # x_2 sorts after x_10 as text
    frames_in(tmp_path / folder.replace("/a", f"/{name}"), clip, one_row=one_row)
    assert np.array_equal(layouts.read(tmp_path, corpus, "val")[0].features, clip)


def test_one_file_per_clip_comes_first(tmp_path):
    small(tmp_path, "how2sign", "val", lengths=(40,))
    whole = layouts.read(tmp_path, "how2sign", "val")[0]
    frames_in(tmp_path / f"How2Sign/poses_video_level/val/poses/{whole.name}", counting(48))
    again = layouts.read(tmp_path, "how2sign", "val")[0]
    assert np.array_equal(again.features, whole.features)


def test_bad_frame_folders(tmp_path):
    small(tmp_path, "csl", lengths=(40,))
    pose = tmp_path / "CSL-Daily/poses_video_level/csl_train_0.pkl"
    folder = pose.with_suffix("")
    pose.unlink()
    folder.mkdir()
    with pytest.raises(DataError, match="holds no .pkl"):
        layouts.read(tmp_path, "csl", "train")
    frames_in(folder, noise(5))
    frames_in(folder, noise(1), "y_0{}_3D.pkl")
    with pytest.raises(DataError, match="second frame 00?;"):
        layouts.read(tmp_path, "csl", "train")
    (folder / "y_00_3D.pkl").rename(folder / "notes.pkl")
    with pytest.raises(DataError, match="notes.pkl.*frame number"):
        layouts.read(tmp_path, "csl", "train")
    (folder / "notes.pkl").unlink()
    dump(folder / "x_5_3D.pkl", {f: np.zeros(d + 1) for f, d in SMPLX_FIELDS.items()})
    with pytest.raises(DataError, match="x_5_3D.pkl: smplx_root_pose: 4 numbers, not 3"):
        layouts.read(tmp_path, "csl", "train")


def test_missing_files_are_named_with_every_place(tmp_path):
    with pytest.raises(MissingDataError, match="CSL-Daily: corpus folder"):
        layouts.read(tmp_path, "csl", "train")
    small(tmp_path, "how2sign")
    with pytest.raises(MissingDataError, match="how2sign_realigned_test_preprocessed_fps.csv"):
        layouts.read(tmp_path, "how2sign", "test")
    (tmp_path / "How2Sign/poses_video_level/train/poses/how2sign_train_1.pkl").unlink()
    with pytest.raises(MissingDataError, match=r"how2sign_train_1\.pkl: poses.*_1/.*put the"):
        layouts.read(tmp_path, "how2sign", "train")
    with pytest.raises(FileNotFoundError):
        layouts.read(tmp_path, "how2sign", "train")


def bad_pose(**changes):
    arrays = smplx_from_features(noise(40))
    for field, value in changes.items():
        if value is None:
            del arrays[field]
        else:
            arrays[field] = value
    return arrays


def with_value(field: str, frame: int, column: int, value: float) -> dict:
    arrays = smplx_from_features(noise(40))
    arrays[field][frame, column] = value
    return arrays


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        (bad_pose(smplx_jaw_pose=None), "smplx_jaw_pose: is missing"),
        (bad_pose(smplx_lhand_pose=np.zeros((40, 44))), r"smplx_lhand_pose: \[40, 44\], not \[40"),
        (bad_pose(smplx_expr=np.zeros((39, 10))), r"smplx_expr: \[39, 10\], not \[40, 10\]"),
        (bad_pose(smplx_root_pose=np.zeros(3)), r"smplx_root_pose: \[3\], not"),
        (bad_pose(smplx_expr="much"), "smplx_expr: is no array"),
        (with_value("smplx_rhand_pose", 7, 44, np.nan), "smplx_rhand_pose: frame 7 is nan"),
        (with_value("smplx_body_pose", 3, 33, np.inf), "smplx_body_pose: frame 3 is inf"),
        (with_value("smplx_jaw_pose", 39, 2, -np.inf), "smplx_jaw_pose: frame 39 is -inf"),
        ([1, 2], "no dict"),
        ({"f": os.system}, "system"),
    ],
)
def test_bad_poses(tmp_path, pose, message):
    small(tmp_path)
    dump(tmp_path / "CSL-Daily/poses_video_level/csl_train_1.pkl", pose)
    with pytest.raises(DataError, match=f"csl_train_1.pkl: .*{message}") as caught:
        layouts.read(tmp_path, "csl", "train")
    assert "\n" not in str(caught.value) and "; " in str(caught.value)


def test_what_is_not_used_may_be_anything(tmp_path):
    small(tmp_path, lengths=(40,))
    pose = with_value("smplx_body_pose", 0, 0, np.nan) | {"width": 1920, "names": ["x"]}
    dump(tmp_path / "CSL-Daily/poses_video_level/csl_train_0.pkl", pose)
    assert np.isfinite(layouts.read(tmp_path, "csl", "train")[0].features).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"name": "a", "text": "x"}, {"name": "a", "text": "y"}], "a: is listed twice"),
        ([{"name": "a", "text": " \n"}], "a, text: is empty"),
        ([{"name": "a"}], "entry 0, text: is missing"),
        ([{"name": "a", "text": "x"}, {"text": "x"}], "entry 1, name: is missing"),
        ([{"name": "../../secret", "text": "x"}], "no file name"),
        ([{"name": "/etc/passwd", "text": "x"}], "no file name"),
        ([{"name": "", "text": "x"}], "no file name"),
        (["a"], "entry 0, name"),
        ({"a": "x"}, "is no list"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_bad_pickled_lists(tmp_path, rows, message, zipped):
    pickled_list(tmp_path, "phoenix", "val", rows, zipped)
    with pytest.raises(DataError, match=f"phoenix14t.dev: .*{message}"):
        layouts.read(tmp_path, "phoenix", "val")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"SENTENCE_NAME": "a", "SENTENCE": ""}, "a, SENTENCE: is empty"),
        ({"SENTENCE_NAME": "a", "fps": "fast"}, "a, fps: is 'fast'"),
        ({"SENTENCE_NAME": "a", "fps": ""}, "a, fps: is ''"),
        ({"SENTENCE_NAME": "a", "fps": 0}, "a, fps: is '0'"),
        ({"SENTENCE_NAME": "a", "START_REALIGNED": 5}, "END_REALIGNED: 4.0 is before 5.0; give"),
        ({"SENTENCE_NAME": "a", "START_REALIGNED": "x"}, "a, START_REALIGNED: is 'x'"),
        ({"SENTENCE_NAME": "../a"}, "no file name"),
    ],
)
def test_bad_table_rows(tmp_path, row, message):
    how2sign_list(tmp_path, "train", [row])
    with pytest.raises(DataError, match=message):
        layouts.read(tmp_path, "how2sign", "train")


def test_bad_tables(tmp_path):
    path = how2sign_list(tmp_path, "train", [])
    assert len(layouts.read(tmp_path, "how2sign", "train")) == 0
    path.write_text(path.read_text().replace("END_REALIGNED", "END"))
    with pytest.raises(DataError, match="END_REALIGNED: column is missing"):
        layouts.read(tmp_path, "how2sign", "train")
    path.write_bytes(path.read_bytes().replace(b"END", b"END_REALIGNED") + b"v,a,1,2,\xff\xfe,24\n")
    with pytest.raises(DataError, match="UTF-8"):
        layouts.read(tmp_path, "how2sign", "train")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (['"Hello he said', "Bye", '"Then" fine', "ok"], 4),  # b and c would be in a's sentence
        (["fine", '"Hello he said', "Bye", "ok"], 5),
        (["fine", '"Then" fine', "Bye", "ok"], 3),
    ],
)
def test_a_stray_quote_swallows_no_clip(tmp_path, said, line):
    path = how2sign_list(tmp_path, "train", [])
    rows = (f"v\t{name}\t0\t1\t{text}\t24\n" for name, text in zip("abcd", said, strict=True))
    path.write_text(path.read_text().replace(",", "\t") + "".join(rows))
    with pytest.raises(DataError, match=f"table, line {line}: not readable .* double those inside"):
        layouts.entries(tmp_path, "how2sign", "train", problems=[])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (("a", "t", np.zeros((40, 132)), 24.0), r"\[40, 132\], not \[T, 133\]"),
        (("a", "t", np.full((40, 133), np.nan), 24.0), "a, smplx_body_pose: frame 0 is nan"),
        (("a", "", np.zeros((40, 133)), 24.0), "a: has no sentence"),
        (("../a", "t", np.zeros((40, 133)), 24.0), "no file name"),
        (("a", "t", np.zeros((40, 133)), 0.0), "a, fps"),
    ],
)
def test_write_refuses_what_read_would(tmp_path, item, message):
    with pytest.raises(DataError, match=message):
        layouts.write(tmp_path, "how2sign", "train", [item])
    assert not list(tmp_path.rglob("*.pkl"))


@pytest.mark.parametrize("corpus", layouts.LAYOUTS)
def test_a_name_belongs_to_one_clip(tmp_path, corpus):
    item = ("a", "t", noise(40), FPS[corpus])
    with pytest.raises(DataError, match="a: is already"):
        layouts.write(tmp_path, corpus, "train", [item, item])
    layouts.write(tmp_path, corpus, "train", [item])
    layouts.write(tmp_path, corpus, "train", [item])  # writing a split again is fine
    with pytest.raises(DataError, match="a: is already"):
        layouts.write(tmp_path, corpus, "test", [item])


def test_unknown_names(tmp_path):
    with pytest.raises(ValueError, match="how2sign, csl, phoenix"):
        layouts.read(tmp_path, "asl", "train")
    with pytest.raises(ValueError, match="train, val, test"):
        layouts.read(tmp_path, "phoenix", "dev")


def test_tokens_come_along(tmp_path):
    names = small(tmp_path, "csl", lengths=(45, 40))
    stored = [(n, np.full((k, 3), k)) for n, k in zip(names, (11, 10), strict=True)]
    tokens.write(tmp_path, "csl", "train", stored, fingerprint="f1")
    got = layouts.read(tmp_path, "csl", "train", tokens=True, fingerprint="f1")
    assert [s.tokens.tolist() for s in got] == [[[k] * 3] * k for k in (11, 10)]
    assert got.fingerprint == "f1" and got[0].tokens.dtype == np.int64
    with pytest.raises(DataError, match="f1, but the tokenizer in use is f2"):
        layouts.read(tmp_path, "csl", "train", tokens=True, fingerprint="f2")


def test_tokens_that_do_not_fit_the_clip(tmp_path):
    names = small(tmp_path, "csl")
    tokens.write(tmp_path, "csl", "train", [(n, np.zeros((10, 3), int)) for n in names], "f1")
    with pytest.raises(DataError, match="csl_train_0.npy: tokens: 10 for 44 frames, not 11"):
        layouts.read(tmp_path, "csl", "train", tokens=True)
