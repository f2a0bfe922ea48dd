"""One sentence, signed by the truth, by SOKE and by MaDiS (MaDiS Fig. 5).

The sentence is chosen by a rule that favours neither: of the test set, the one for which the mean
error of the two systems is the median.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from madis_lib import body as bodies
from madis_lib import metrics
from madis_lib.body import Body
from madis_lib.experiments import ablations, rivals
from madis_lib.experiments.evaluate import BODY_JOINTS, landmarks, median_index
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.parts import PARTS
from madis_lib.train import on_device

SYSTEMS = ("soke_mbart", "madis")  # rows of Table 1
TRUTH = "truth"


def frame_errors(body: Body, generated: np.ndarray, true: np.ndarray) -> np.ndarray:
    """How far each generated frame is off, in mm: ``[T1, 133], [T2, 133] -> [T1]``.

    Frames are paired by the cheapest warping path of the mean joint error of the three parts; where
    a frame has several partners their mean counts.
    """
    g, r = landmarks(body, generated), landmarks(body, true)
    joints = {"body": BODY_JOINTS, "left": None, "right": None}
    cost = np.mean([metrics.pairwise_jpe(g[p], r[p], joints[p]) for p in PARTS], axis=0)
    i, j = metrics.warping_path(cost).T
    return 1000 * np.bincount(i, cost[i, j]) / np.bincount(i)


def chosen(suite: Suite, corpus: str, seed: int) -> int:
    """The place in the test set of the sentence whose mean error of both systems is the median."""
    errors = []
    for key in SYSTEMS:
        scores = rivals.measured(suite, key, corpus, seed).result["scores"]
        if "gloss_edits" in scores:
            errors.append(np.array(scores["gloss_edits"]) / np.array(scores["gloss_length"]))
        else:
            errors.append(np.array(scores["dtw_body"]))
    return median_index(np.mean(errors, axis=0))


def signed(suite: Suite, corpus: str, seed: int) -> Run:
    """The chosen sentence by every system.

    The result has ``text``, ``index`` and ``rule``; and by label (the truth, then the systems)
    ``clips``, features ``[T][133]``, ``glosses``, lists of gloss, first frame and frame after the
    last as SignWorld knows them or its oracle reads them, and ``errors`` of the systems, mm a frame.
    """
    body = bodies.load()
    config = {
        "systems": [rivals.measured(suite.named, key, corpus, seed) for key in SYSTEMS],
        "corpus": corpus, "body": body.fingerprint(),
    }  # fmt: skip

    def work(_: Path) -> dict[str, Any]:
        index, oracle = chosen(suite, corpus, seed), suite.oracle(corpus)
        text, true = suite.texts(corpus, "test")[index], suite.clips(corpus, "test")[index]
        clips, truth = {TRUTH: true}, suite.truth(corpus, "test")
        for key in SYSTEMS:
            system = rivals.system(suite, key, corpus, seed)
            with on_device(system.model):
                clips[system.card.name] = system.generate([text])[0].features
        glosses = {} if truth is None else {TRUTH: truth[index]["timeline"]}
        errors = {}
        for name, clip in clips.items():
            if name != TRUTH:
                errors[name] = frame_errors(body, clip, true).round(2).tolist()
                if oracle is not None:
                    spans = oracle.read_spans(clip)
                    glosses[name] = [[s.gloss, s.start, s.end] for s in spans]
        by = "DTW-JPE of the body" if oracle is None else "gloss error"
        return {
            "text": text, "index": index,
            "rule": f"the test sentence with the median {by}, mean of both systems",
            "clips": {name: clip.astype(float).round(4).tolist() for name, clip in clips.items()},
            "glosses": glosses, "errors": errors,
        }  # fmt: skip

    return suite.store.run(f"side-by-side-{corpus}", config, ("rivals", "sampler"), work)


def finished(suite: Suite) -> dict[str, dict[str, Any]]:
    """By corpus the result of :func:`signed` with the first seed of the rows, where it is there."""
    world = ablations.world(suite)
    return world.store.finished(
        rivals.corpora(suite), lambda corpus: signed(world, corpus, world.row_seeds[0]).result
    )
