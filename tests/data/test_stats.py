from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from madis_lib import presets
from madis_lib.data import stats
from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.data.stats import Stats
from madis_lib.tokenizer import Tokenizer

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "features.safetensors")


@pytest.fixture
def clips() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    scale = np.geomspace(0.01, 10, 133)
    return [rng.normal(5 * scale, scale, (n, 133)).astype(np.float32) for n in (1, 40, 13)]


def test_the_authors_files_give_their_cut(tmp_path):
    for name in ("mean", "std"):
        torch.save(torch.from_numpy(GOLDEN[f"{name}179"]), tmp_path / f"{name}.pt")
    loaded = stats.load(tmp_path)
    assert np.array_equal(loaded.mean, GOLDEN["mean133"])
    assert np.array_equal(loaded.std, GOLDEN["std133"])


def test_double_precision_files_load(tmp_path):
    for name in ("mean", "std"):
        torch.save(torch.from_numpy(GOLDEN[f"{name}179"]).double(), tmp_path / f"{name}.pt")
    assert stats.load(tmp_path).mean.dtype == np.float32


def test_compute_is_mean_and_deviation_of_all_frames(clips):
    frames = np.concatenate(clips).astype(np.float64)
    got = stats.compute(iter(clips))
    np.testing.assert_allclose(got.mean, frames.mean(0), rtol=1e-6)
    np.testing.assert_allclose(got.std, frames.std(0), rtol=1e-6)


def test_order_and_cutting_of_clips_do_not_matter(clips):
    whole = stats.compute([np.concatenate(clips)])
    got = stats.compute([clips[2], np.zeros((0, 133)), clips[0], clips[1][:7], clips[1][7:]])
    np.testing.assert_allclose(got.mean, whole.mean, rtol=1e-6)
    np.testing.assert_allclose(got.std, whole.std, rtol=1e-6)


def test_a_still_feature_is_not_blown_up(clips):
    for clip in clips:
        clip[:, 7] = 0.1
    got = stats.compute(clips)
    assert got.std[7] == 1
    assert np.abs(got.normalise(clips[1] + 0.01)[:, 7]).max() < 0.02


def test_normalise_is_the_formula_and_the_tokenizers(clips):
    s = stats.compute(clips)
    s.std[7] = 0  # never moves: only centred
    x = clips[1]
    z = s.normalise(x)
    moving = np.arange(133) != 7
    assert z.dtype == np.float32 and np.array_equal(z[:, 7], x[:, 7] - s.mean[7])
    np.testing.assert_array_equal(z[:, moving], ((x - s.mean) / s.std.clip(1e-9))[:, moving])
    tokenizer = Tokenizer(presets.quick().tokenizer, *map(torch.from_numpy, (s.mean, s.std)))
    np.testing.assert_array_equal(tokenizer.normalise(torch.from_numpy(x)).numpy(), z)


@pytest.mark.parametrize("place", ["stats.safetensors", "folder"])
def test_saved_is_loaded(tmp_path, clips, place):
    s = stats.compute(clips)
    s.save(tmp_path / place)
    got = stats.load(tmp_path / place)
    assert np.array_equal(got.mean, s.mean) and np.array_equal(got.std, s.std)
    assert got.fingerprint() == s.fingerprint()
    assert not list(tmp_path.rglob(".tmp-*"))


def test_saved_vectors_have_the_authors_length(tmp_path, clips):
    stats.compute(clips).save(tmp_path)
    std = torch.load(tmp_path / "std.pt", weights_only=True)
    assert std.shape == (179,) and (std[:36] == 1).all() and (std[159:169] == 1).all()


def test_fingerprint_sees_every_number(clips):
    s = stats.compute(clips)
    prints = {s.fingerprint()}
    for i in (0, 132):
        mean = s.mean.copy()
        mean[i] = np.nextafter(mean[i], np.float32(100))
        prints.add(Stats(mean, s.std).fingerprint())
    assert len(prints) == 3
    zeros_ones = Stats(np.zeros(133), np.ones(133)).fingerprint()
    assert zeros_ones == "c0043b361d1e6e03"  # the same on every machine


def test_bad_files(tmp_path):
    with pytest.raises(MissingDataError, match="mean.pt"):
        stats.load(tmp_path)
    torch.save(torch.zeros(10), tmp_path / "mean.pt")
    with pytest.raises(DataError, match="mean.pt: tensor: not 179"):
        stats.load(tmp_path)
    torch.save(torch.nn.Linear(1, 1), tmp_path / "mean.pt")  # code, not numbers
    with pytest.raises(DataError, match="mean.pt: file") as caught:
        stats.load(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "mean.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="mean.pt"):
        stats.load(tmp_path)
    (tmp_path / "s.safetensors").write_bytes(b"short")
    with pytest.raises(DataError, match="s.safetensors"):
        stats.load(tmp_path / "s.safetensors")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        {"mean": torch.zeros(179)},
        torch.zeros(179, dtype=torch.complex64),
        torch.zeros(179).to_sparse(),
        torch.zeros(179, dtype=torch.int64),
    ],
)
def test_files_that_hold_no_plain_tensor(tmp_path, content):
    stats.Stats(np.zeros(133), np.ones(133)).save(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / "mean.pt").write_bytes(content)
    else:
        torch.save(content, tmp_path / "mean.pt")
    with pytest.raises(DataError, match=r"mean\.pt: (file|tensor): ") as error:
        stats.load(tmp_path)
    assert "weights_only" not in str(error.value)  # torch's own advice is to execute the file


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
def test_other_precisions_load(tmp_path, kind):
    stats.Stats(np.zeros(133), np.ones(133)).save(tmp_path)
    torch.save(torch.nn.Parameter(torch.full((133,), 2.0, dtype=kind)), tmp_path / "mean.pt")
    assert (stats.load(tmp_path).mean == 2).all()


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        (np.zeros(179), np.ones(133)),
        (np.full(133, np.nan), np.ones(133)),
        (np.zeros(133), -np.ones(133)),
    ],
)
def test_bad_numbers(mean, std):
    with pytest.raises(ValueError, match="mean|std"):
        Stats(mean, std)


def test_no_clips():
    with pytest.raises(ValueError, match="no clips"):
        stats.compute([])
