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
ENTRY = 3.0  # cost of a sign
STAY, SKIP = 0.05, 0.25  # cost of holding a state one frame longer, or leaving one out
CLIPS = (5.0, 4.0, 3.0, 3.0, 3.0)  # most that a group of columns can cost in one frame
_OUTSIDE = -1


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
            cost, spans = _viterbi(costs, STATES, FILLER + floor, ENTRY, STAY, SKIP)
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
def _viterbi(costs, states, filler, entry, stay, skip):
    """Cheapest path; its cost and an array of (sign, first frame, frame after the last)."""
    frames, width = costs.shape
    signs = width // states
    previous = np.full(width, np.inf)
    current = np.empty(width)
    move = np.empty((frames, width), np.int8)  # how many states back; -1: entered here
    leave = np.empty(frames, np.int64)  # the sign that ends best at this frame, or the filler
    exit_cost = 0.0  # of everything before this frame
    for t in range(frames):
        best, source = exit_cost + filler, _OUTSIDE
        for sign in range(signs):
            first = sign * states
            for k in range(states):
                i = first + k
                cost, step = previous[i] + stay, 0
                if k >= 1 and previous[i - 1] < cost:
                    cost, step = previous[i - 1], 1
                if k >= 2 and previous[i - 2] + skip < cost:
                    cost, step = previous[i - 2] + skip, 2
                if k == 0 and exit_cost + entry < cost:
                    cost, step = exit_cost + entry, -1
                current[i] = cost + costs[t, i]
                move[t, i] = step
            last = first + states - 1
            if current[last] < best:
                best, source = current[last], sign
        leave[t] = source
        exit_cost = best
        previous, current = current, previous
    spans = []
    t = frames - 1
    while t >= 0:
        sign = leave[t]
        if sign == _OUTSIDE:
            t -= 1
            continue
        end, i = t + 1, sign * states + states - 1
        while move[t, i] != -1:
            i -= move[t, i]
            t -= 1
        spans.append((sign, t, end))
        t -= 1
    out = np.empty((len(spans), 3), np.int64)
    for n in range(len(spans)):
        for c in range(3):
            out[n, c] = spans[len(spans) - 1 - n][c]
    return exit_cost, out
