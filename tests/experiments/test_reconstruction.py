"""Fig. 8: what is rebuilt from partly masked tokens, and how far off it is."""

import numpy as np
import pytest
import torch

from madis_lib import paper
from madis_lib.experiments import ablations, reconstruction
from madis_lib.experiments.evidence import Measured
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.reporting import ablation_tables
from madis_lib.systems.madis import MaDiSSystem
from tests import tiny


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    return Suite(tiny.preset(), tmp_path_factory.mktemp("home") / ".madis")


def test_rebuilding_without_masks_is_the_tokenizer_alone(suite):
    system = MaDiSSystem.load(suite.pretrained.folder / "model", suite.tokenizer)
    texts, codes = suite.texts("csl", "test"), suite.tokens("csl", "test")
    with torch.no_grad():
        alone = [suite.tokenizer.decode(torch.as_tensor(c)[None])[0].numpy() for c in codes]
    for clip, expected in zip(
        reconstruction.rebuild(system, texts, codes, 0.0), alone, strict=True
    ):
        np.testing.assert_allclose(clip, expected, atol=1e-4)
    changed = reconstruction.rebuild(system, texts, codes, 1.0)
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(changed, alone, strict=True))
    assert [len(c) for c in changed] == [len(c) for c in alone]


def test_errors_of_the_truth_are_zero(suite):
    clips = suite.clips("csl", "test")[:2]
    for values in reconstruction.errors_mm(clips, clips).values():
        np.testing.assert_allclose(values, 0, atol=1e-6)


def test_claims_about_reconstruction_are_weighed_on_what_was_measured(suite):
    evidence = Measured(suite)
    assert evidence.contrast("fig8", {"masked_25": 1}, "csl.mpjpe_body") is None  # nothing made yet
    assert ablation_tables.reconstruction_errors(suite).empty
    run = ablations.rebuilt(suite, 0)
    assert run.result["errors"].keys() == reconstruction.MASKED.keys()
    evidence = Measured(suite)
    found = evidence.contrast("fig8", {"masked_25": 1, "tokenizer": -1}, "csl.mpjpe_body")
    of = {row: np.array(e["body"]) for row, e in run.result["errors"].items()}
    assert found.interval().estimate == pytest.approx((of["masked_25"] - of["tokenizer"]).mean())
    assert evidence.contrast("fig8", {"masked_30": 1}, "csl.mpjpe_body") is None

    table = ablation_tables.reconstruction_errors(suite)
    assert list(table.masked.unique()) == [0, 0.25, 0.5, 0.75, 1]
    told = table[(table.reported != paper.NOT_REPORTED) & (table.part == "hands")]
    assert list(told.masked) == [0.25, 0.75]  # both readings of the paper's t
    assert set(told.reported) == {"5.64"}


def test_seeds_and_sentences_both_count(tmp_path):
    rng = np.random.default_rng(0)

    def run(shift):
        errors = {
            row: {"body": (shift + i + rng.normal(0, 0.1, 50)).tolist()}
            for i, row in enumerate(reconstruction.MASKED)
        }
        return Run("masked-csl", "0", tmp_path, {"errors": errors}, {})

    runs = {seed: run(shift) for seed, shift in enumerate((9, 10, 11))}
    value = reconstruction.estimate(runs, {"tokenizer": 1}, "body").interval()
    difference = reconstruction.estimate(runs, {"masked_25": 1, "tokenizer": -1}, "body").interval()
    assert value.estimate == pytest.approx(10, abs=0.1)
    assert difference.estimate == pytest.approx(1, abs=0.1)
    assert value.high - value.low > 10 * (difference.high - difference.low)  # seeds differ, paired
