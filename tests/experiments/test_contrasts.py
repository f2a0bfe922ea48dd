"""When a row may be called better than another."""

import pytest

from madis_lib.experiments.contrasts import MIN_SEEDS, ScoredRows, is_better, is_judged
from madis_lib.experiments.store import Run
from madis_lib.metrics import Estimate


def estimate(mean, seeds=MIN_SEEDS):
    """A difference with an interval of about 0.25 on each side."""
    return Estimate((mean,) * seeds, 0.1, 10)


@pytest.mark.parametrize(("metric", "sign"), [("sibleu_body", 1), ("gloss_error", -1)])
def test_better_is_an_interval_on_the_good_side_of_zero(metric, sign):
    assert is_better(estimate(sign), metric, "laptop") is True
    assert is_better(estimate(-sign), metric, "laptop") is False
    for mean in (0.2, 0, -0.2):
        assert is_better(estimate(mean), metric, "laptop") is None


def test_few_seeds_and_smoke_size_call_nothing_better():
    large = 100.0
    assert is_judged(estimate(0), "rows")  # it is then not separated
    assert not is_judged(estimate(0, MIN_SEEDS - 1), "rows") and not is_judged(estimate(0), "quick")
    assert is_better(estimate(large, MIN_SEEDS - 1), "sibleu_body", "rows") is None
    assert is_better(estimate(large, 2 * MIN_SEEDS), "sibleu_body", "quick") is None
    assert is_better(estimate(large), "sibleu_body", "rows") is True


def test_rows_of_runs_hold_their_scores(tmp_path):
    def run(*errors):
        scores = {"dtw_body": list(errors), "bleu": {}}
        return Run("row", "0" * 16, tmp_path, {"scores": scores}, {})

    rows = ScoredRows.of({"a": {0: run(1.0, 2.0), 1: run(2.0, 3.0)}, "b": {1: run(1.0, 1.0)}})
    assert rows.contrast({"a": 1}, "dtw_body").by_seed == (1.5, 2.5)
    assert rows.contrast({"a": 1, "b": -1}, "dtw_body").by_seed == (1.5,)
