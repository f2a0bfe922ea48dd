"""The tables in ``reports/laptop`` follow from the results that are kept beside them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from madis_lib import presets
from madis_lib.experiments import ablations, evaluate, registry, rivals
from madis_lib.experiments.ablations import ABLATIONS
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.tables import BOUND

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "reports" / "laptop"


@pytest.mark.parametrize("artefact", ABLATIONS)
def test_a_table_is_the_mean_of_its_kept_results(artefact):
    table = pd.read_csv(FOLDER / "tables" / f"{artefact}.csv", dtype={"row": str})
    suite = Suite(presets.get("laptop"), ROOT / ".madis")
    runs = ablations.finished(suite, ABLATIONS[artefact])
    bounds = rivals.finished_bounds(ablations.world(suite), ablations.CORPUS).result["scores"]
    assert list(table.row.unique()) == [*runs, *bounds]
    for line in table[table.place == BOUND].itertuples():
        true = evaluate.value(bounds[line.row], line.metric, np.arange(line.n))
        assert line.estimate == pytest.approx(true, abs=1e-6)
        assert line.low <= line.estimate <= line.high
    for line in table[table.place != BOUND].itertuples():
        results = [run.result for run in runs[line.row].values()]
        assert line.seeds == len(results) and {line.n} == {r["sentences"] for r in results}
        everyone = np.arange(line.n)
        by_seed = [evaluate.value(r["scores"], line.metric, everyone) for r in results]
        assert line.estimate == pytest.approx(np.mean(by_seed), abs=1e-6)
        assert line.low <= line.estimate <= line.high


def test_a_kept_result_is_found_without_what_it_was_made_from(tmp_path):
    suite = Suite(presets.get("laptop"), tmp_path / ".madis")
    suite.store.kept = FOLDER / "results"
    pairs = zip(registry.steps(suite), registry.steps(suite.named), strict=True)
    kept = {step: run for step, named in pairs if (run := _named(named)) and _is_kept(run)}
    assert len(kept) > 100
    with suite.store.only_finding():
        for step, run in kept.items():
            assert step.find().key == run.key and step.told(step.find()), step.title


def _named(step):
    try:
        return step.find()
    except FileNotFoundError:  # cannot be named without runs of its own
        return None


def _is_kept(run):
    return (FOLDER / "results" / f"{run.folder.name}.json.gz").is_file()
