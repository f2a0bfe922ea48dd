"""The oracle: reads any motion back to glosses, by Viterbi over connected sign templates.

Every sign is a left-to-right chain of template states, once per dominance of the signer; between
signs lies a filler for transitions and rest that costs the same for any frame.  The reading is
the cheapest path::

    sum of state distances + FILLER * filler frames + ENTRY * signs + stays and skips

It knows the lexicon and the neutral signer, nothing of the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np

from madis_lib.data.signworld.lexicon import Lexicon
from madis_lib.data.signworld.observation import GROUPS, STATES, observe, template

FILLER = 3.0  # cost of a frame outside all signs, above the motion's own noise
FLOOR_PERCENTILE, FLOOR_MOST = 25, 3.0  # that noise: distance of the better read frames
ENTRY = 4.0  # cost of a sign
LONGEST = 4  # frames that a state can last
STAY, SKIP = 0.05, 0.25  # cost of holding a state one frame longer, or leaving one out
CLIPS = (5.0, 4.0, 3.0, 3.0, 3.0)  # most that a group of columns can cost in one frame


@dataclass(frozen=True)
class Span:
    """A sign that was read, and the frames [start, end) of its stroke and hold."""

    gloss: str
    start: int
    end: int


class Oracle:
    """Reads features ``[T, 133]`` signed with a lexicon at a frame rate."""

    def __init__(self, lexicon: Lexicon, fps: float):
        self.glosses = list(lexicon.signs)
        states = np.concatenate([template(lexicon[gloss], fps) for gloss in self.glosses])
        self._groups = [np.ascontiguousarray(states[:, columns].T) for columns in GROUPS]

    def read(self, features: np.ndarray) -> list[str]:
        """The glosses of a motion."""
        return [span.gloss for span in self.read_spans(features)]

    def read_many(self, motions: Iterable[np.ndarray]) -> list[list[str]]:
        """:meth:`read` for each motion."""
        return [self.read(features) for features in motions]

    def read_spans(self, features: np.ndarray) -> list[Span]:
        """The signs of a motion and when they were signed.  ValueError on a wrong shape."""
        features = np.asarray(features)
        if features.ndim != 2 or features.shape[1] != 133 or not np.isfinite(features).all():
            raise ValueError(f"features must be finite [T, 133], got {features.shape}")
        best_cost, best = np.inf, np.zeros((0, 3), np.int64)
        for view in observe(features):
            costs = self._costs(view)
            floor = min(FLOOR_MOST, np.percentile(costs.min(axis=1), FLOOR_PERCENTILE))
            cost, spans = _viterbi(costs, STATES, LONGEST, FILLER + floor, ENTRY, STAY, SKIP)
            if cost < best_cost:
                best_cost, best = cost, spans
        return [Span(self.glosses[sign], int(a), int(b)) for sign, a, b in best]

    def _costs(self, view: np.ndarray) -> np.ndarray:
        """Clipped squared distances of frames and template states, ``[T, signs * STATES]``."""
        total = np.zeros((len(view), self._groups[0].shape[1]), np.float32)
        for columns, states, clip in zip(GROUPS, self._groups, CLIPS, strict=True):
            seen = view[:, columns]
            squared = (seen**2).sum(1)[:, None] - 2 * seen @ states + (states**2).sum(0)
            total += np.clip(squared, 0, clip)
        return total


@numba.njit(cache=True)
def _viterbi(costs, states, longest, filler, entry, stay, skip):
    """Cheapest path; its cost and an array of (sign, first frame, frame after the last).

    A state lasts 1 ... ``longest`` frames: ``previous[i, r]`` is the cheapest way to have been in
    state ``i`` for ``r + 1`` frames.
    """
    frames, width = costs.shape
    previous = np.full((width, longest), np.inf)
    current = np.empty((width, longest))
    step = np.zeros((frames, width), np.int8)  # states back when a state begins; 0: sign begins
    lasted = np.zeros((frames, width), np.int8)  # r of the state before it
    leave = np.full((frames, 2), -1)  # sign and r that end best at this frame; -1: filler
    exit_cost = 0.0  # of everything before this frame
    for t in range(frames):
        best = exit_cost + filler
        for i in range(width):
            k = i % states
            cost = np.inf
            if k == 0:
                cost = exit_cost + entry
            for back in range(1, min(k, 2) + 1):
                for r in range(longest):
                    candidate = previous[i - back, r] + (back - 1) * skip
                    if candidate < cost:
                        cost, step[t, i], lasted[t, i] = candidate, back, r
            current[i, 0] = cost + costs[t, i]
            for r in range(1, longest):
                current[i, r] = previous[i, r - 1] + stay + costs[t, i]
            if k == states - 1:
                for r in range(longest):
                    if current[i, r] < best:
                        best, leave[t, 0], leave[t, 1] = current[i, r], i // states, r
        exit_cost = best
        previous, current = current, previous
    spans = np.empty((frames, 3), np.int64)
    count, t = 0, frames - 1
    while t >= 0:
        sign, r = leave[t]
        if sign < 0:
            t -= 1
            continue
        end, i = t + 1, sign * states + states - 1
        t -= r  # where the last state begins
        while step[t, i] > 0:
            i, t = i - step[t, i], t - 1 - lasted[t, i]
        spans[count] = sign, t, end
        count += 1
        t -= 1
    return exit_cost, spans[:count][::-1]
