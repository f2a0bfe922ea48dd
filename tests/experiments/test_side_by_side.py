"""Fig. 5: which sentence is shown, and how far each frame is off."""

import numpy as np
import pytest

from madis_lib import body as bodies
from madis_lib.experiments import rivals, side_by_side
from madis_lib.experiments.evaluate import median_index
from madis_lib.reporting import figures


def test_errors_of_frames_are_those_along_the_warping_path(suite):
    body = bodies.load()
    first, second = suite.clips("csl", "test")[:2]
    np.testing.assert_allclose(side_by_side.frame_errors(body, first, first), 0, atol=1e-6)
    slow = np.repeat(first, 2, axis=0)
    np.testing.assert_allclose(side_by_side.frame_errors(body, slow, first), 0, atol=1e-6)
    found = side_by_side.frame_errors(body, second, first)
    assert found.shape == (len(second),) and found.min() > 0.1 and found.max() < 2000  # mm


def test_the_sentence_is_the_median_of_both_systems(suite):
    run = side_by_side.signed(suite, "csl", 0)
    errors = []
    for key in side_by_side.SYSTEMS:
        scores = rivals.measured(suite, key, "csl", 0).result["scores"]
        errors.append(np.array(scores["gloss_edits"]) / np.array(scores["gloss_length"]))
    result = run.result
    assert result["index"] == median_index(np.mean(errors, axis=0))
    assert result["text"] == suite.texts("csl", "test")[result["index"]]
    labels = ["truth", *(rivals.ROWS[key].label for key in side_by_side.SYSTEMS)]
    assert list(result["clips"]) == list(result["glosses"]) == labels
    assert list(result["errors"]) == labels[1:]
    made = rivals.measured(suite, "soke_mbart", "csl", 0).result["generated"][result["index"]]
    clip = result["clips"][rivals.ROWS["soke_mbart"].label]
    assert len(clip) == 4 * len(made) == len(result["errors"][rivals.ROWS["soke_mbart"].label])

    drawn = figures.fig5(suite)
    assert drawn.data["corpora"]["csl"]["rule"] == result["rule"]


def test_nothing_is_drawn_of_what_was_not_made(tmp_path):
    from madis_lib.experiments.suite import Suite
    from tests import tiny

    with pytest.raises(ValueError, match="--only fig5"):
        figures.fig5(Suite(tiny.preset(), tmp_path / ".madis"))


@pytest.mark.parametrize("key", side_by_side.SYSTEMS)
def test_systems_are_rows_of_table_1(key):
    assert rivals.ROWS[key].place == ""
