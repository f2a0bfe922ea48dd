"""The whole metric object of the release, rebuilt from evaluate.score on its mesh and tokens."""

import numpy as np
import pytest
import torch

from madis_lib.experiments import evaluate
from madis_lib.experiments.evaluate import Reference
from madis_lib.parts import PARTS
from tests.release.tolerances import NAMES

METRICS = {
    "DTW_JPE_body": "dtw_body",
    "DTW_JPE_hands": "dtw_hands",
    "SiBLEU_body": "sibleu_body",
    "SiBLEU_hands": "sibleu_hands",
}


class GoldenBody:
    """Looks landmarks up: its features are the numbers of frames, generated ones negative."""

    def __init__(self, g, upper_body) -> None:
        self.points = {}
        for kind in ("ref", "rst"):
            joints, vertices = g[f"joints_{kind}"], g[f"vertices_{kind}"]
            self.points[kind] = {
                "body": joints[:, [0, *upper_body]],
                "left": torch.einsum("jv,tvc->tjc", g["left_regressor"], vertices),
                "right": torch.einsum("jv,tvc->tjc", g["right_regressor"], vertices),
            }

    def landmarks(self, frames, betas=None):
        kind = "rst" if frames[0] < 0 else "ref"
        index = frames.abs().long() - 1
        return {part: points[index] for part, points in self.points[kind].items()}


@pytest.fixture
def scored(golden):
    g, about = golden.tensors("metrics"), golden.json("metrics")
    clips = {}
    for kind, counts, sign in (("ref", "lengths", 1), ("rst", "lengths_rst", -1)):
        sizes = about[counts]
        padded = len(g[f"joints_{kind}"]) // len(sizes)
        clips[kind] = [sign * (padded * i + np.arange(1, n + 1)) for i, n in enumerate(sizes)]
    true = [g["tokens_ref"][i, : n // 4].numpy() for i, n in enumerate(about["lengths"])]
    made = [tuple(g[f"pred.{name}.{i}"].tolist() for name in NAMES) for i in range(3)]
    body = GoldenBody(g, golden.json("dtw")["upper_body"])
    reference = Reference(clips["ref"], true, None)
    return about, evaluate.score(clips["rst"], made, reference, body, None, max_order=1)


def test_every_value_of_every_sentence(scored):
    about, scores = scored
    for i, corpus in enumerate(about["src"]):
        for theirs, ours in METRICS.items():
            expected = about["per_sample"][f"s{i}"][f"{corpus}_{theirs}"]
            assert evaluate.value(scores, ours, np.array([i])) == pytest.approx(expected, rel=1e-5)


def test_every_value_of_every_corpus(scored):
    about, scores = scored
    sources = np.array(about["src"])
    for name in ("csl", "phoenix", "total"):
        chosen = np.flatnonzero((sources == name) | (name == "total"))
        for theirs, ours in METRICS.items():
            expected = about["compute"][f"{name}_{theirs}"]
            assert evaluate.value(scores, ours, chosen) == pytest.approx(expected, rel=1e-5)


def test_arrays_and_streams_are_the_same_tokens():
    tokens = np.arange(12).reshape(4, 3)
    again = evaluate.streams(tuple(map(list, evaluate.streams(tokens))))
    assert [list(stream) for stream in again] == [tokens[:, p].tolist() for p in range(len(PARTS))]
