"""Which frames of a clip are kept: frame rate, then length (MaDiS §4; the release's rules).

Both rules return frame numbers, so they apply to anything that is kept per frame.
"""

from __future__ import annotations

import math

import numpy as np

from madis_lib.parts import FRAMES_PER_TOKEN

MAX_FPS = 24.0  # How2Sign is brought down to this
MIN_FRAMES, MAX_FRAMES = 40, 400  # 10 to 100 tokens


def reduce_fps(num_frames: int, fps: float) -> np.ndarray:
    """Frames kept when a clip at ``fps`` is brought to at most 24 frames a second; int64 ``[n]``.

    ``int(24 T / fps)`` frames, evenly spaced and rounded down; none may be left of a very short
    clip.  ValueError when ``fps`` is no positive number.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps is {fps}: a positive number of frames a second is needed")
    if fps <= MAX_FPS:
        return np.arange(num_frames)
    return _evenly(num_frames, int(MAX_FPS * num_frames / fps))


def fit_length(num_frames: int) -> np.ndarray:
    """Frames kept so that a clip has 40 to 400 frames, a multiple of four; int64 ``[n]``.

    Shorter clips repeat frames, longer ones skip some, others lose up to three at their ends.
    """
    if num_frames < 1:
        raise ValueError("a clip without frames has no length to fit")
    if num_frames < MIN_FRAMES:
        return _evenly(num_frames, MIN_FRAMES)
    if num_frames > MAX_FRAMES:
        return _evenly(num_frames, MAX_FRAMES)
    spare = num_frames % FRAMES_PER_TOKEN
    return np.arange(num_frames - spare) + spare // 2


def _evenly(num_frames: int, count: int) -> np.ndarray:
    return np.linspace(0, num_frames - 1, count).astype(np.int64)
