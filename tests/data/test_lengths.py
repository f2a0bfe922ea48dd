from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madis_lib.data.lengths import fit_length, reduce_fps

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "lengths.json").read_text())


def source_clips() -> dict[str, tuple[int, float | None]]:
    """Frames and rate of each clip the golden file starts from."""
    clips = {c["name"]: (c["frames_in"], c["fps"]) for c in GOLDEN["fps_cases"]}
    clips |= {f"c{n}": (n, None) for n in GOLDEN["csl_lengths"]}
    return clips | {"test/p50": (50, None)}


def kept(num_frames: int, fps: float | None) -> np.ndarray | None:
    frames = np.arange(num_frames) if fps is None else reduce_fps(num_frames, fps)
    return None if len(frames) < 4 else frames[fit_length(len(frames))]


def test_golden_frames():
    expected = {s["name"]: s["frames"] for s in GOLDEN["samples"]}
    clips = source_clips()
    assert set(clips) - set(expected) == {"h6", "c3"}
    for name, (num_frames, fps) in clips.items():
        frames = kept(num_frames, fps)
        assert (None if frames is None else frames.tolist()) == expected.get(name), name


@given(st.integers(1, 2000))
def test_fitted_clips_suit_the_tokenizer(n):
    frames = fit_length(n)
    assert len(frames) % 4 == 0 and 40 <= len(frames) <= 400
    assert frames[0] >= 0 and frames[-1] <= n - 1 and (np.diff(frames) >= 0).all()
    if 40 <= n <= 400:
        assert (np.diff(frames) == 1).all() and n - len(frames) < 4
        before, after = frames[0], n - 1 - frames[-1]
        assert 0 <= after - before <= 1


@given(st.integers(0, 2000), st.floats(1, 240))
def test_reduced_rate(n, fps):
    frames = reduce_fps(n, fps)
    if fps <= 24:
        assert frames.tolist() == list(range(n))
    else:
        assert len(frames) == int(24 * n / fps)
        assert len(frames) == 0 or frames[0] == 0
        assert len(frames) < 2 or (frames[-1] == n - 1 and (np.diff(frames) >= 1).all())


@pytest.mark.parametrize("fps", [0.0, -25.0, float("nan"), float("inf")])
def test_bad_rate(fps):
    with pytest.raises(ValueError, match="fps"):
        reduce_fps(10, fps)


def test_no_frames():
    with pytest.raises(ValueError, match="frames"):
        fit_length(0)
