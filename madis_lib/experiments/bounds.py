"""The bounds that stand beside every score: floors, and the sign tokenizer's ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from madis_lib.experiments.evaluate import (
    CEILING,
    MEAN_POSE,
    RANDOM_CLIP,
    SHUFFLED_TEXT,
    Reference,
    Streams,
)
from madis_lib.experiments.sign_tokenizer import encode
from madis_lib.parts import FRAMES_PER_TOKEN

if TYPE_CHECKING:
    from madis_lib.experiments.suite import Suite

# Motion [T, 133] and tokens, [L, 3] or streams, of each sentence.
Signing = tuple[list[np.ndarray], Sequence[np.ndarray | Streams]]


def floors_and_ceiling(suite: Suite, corpus: str, reference: Reference) -> dict[str, Signing]:
    """Systems that know nothing of the sentence, and the tokenizer that knows all of it.

    By name; the ceiling last.
    """
    rng = np.random.default_rng(0)
    training = suite.clips(corpus, "train")
    mean_length = round(np.mean([len(c) for c in training]) / FRAMES_PER_TOKEN) * FRAMES_PER_TOKEN
    n = len(reference.features)
    mean_pose = np.concatenate(training).mean(0, dtype=np.float64).astype(np.float32)
    still = [np.repeat(mean_pose[None], mean_length, 0)] * n
    spread = np.linspace(0, 1, mean_length)
    random_clips = [
        clip[(spread * (len(clip) - 1)).astype(int)]
        for clip in (training[i] for i in rng.integers(len(training), size=n))
    ]
    with torch.no_grad():
        again = [suite.tokenizer.decode(torch.tensor(t)[None])[0].numpy() for t in reference.tokens]
    return {
        MEAN_POSE: (still, encode(suite.tokenizer, still)),
        RANDOM_CLIP: (random_clips, encode(suite.tokenizer, random_clips)),
        CEILING: (again, reference.tokens),
    }


def with_shuffled_text(
    suite: Suite, corpus: str, reference: Reference, generated: Signing
) -> dict[str, Signing]:
    """:func:`floors_and_ceiling`, and every sentence with another's signing, as ``generated``."""
    other = np.roll(np.arange(len(reference.features)), 1).tolist()
    motion, tokens = generated
    shuffled = [motion[i] for i in other], [tokens[i] for i in other]
    *floors, ceiling = floors_and_ceiling(suite, corpus, reference).items()
    return dict([*floors, (SHUFFLED_TEXT, shuffled), ceiling])
