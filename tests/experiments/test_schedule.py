"""Plans, order, a time limit, and several processes at one suite."""

import pickle
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from madis_lib import paper, presets, train
from madis_lib.experiments import ablations, registry, schedule, workers
from madis_lib.experiments.store import BusyRunError, Store
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.narrator import show_plan
from tests import tiny


@pytest.fixture
def suite(tmp_path):
    return Suite(tiny.preset(), tmp_path / ".madis")


def test_every_step_needs_only_steps_before_it(suite):
    seen = set()
    for step in registry.steps(suite):
        assert set(step.needs) <= seen, step.title
        assert step.title not in seen
        seen.add(step.title)
    served = {a for step in registry.steps(suite) for a in step.serves}
    assert {"table1", "table2", "table3", "table4", "alpha", "table6", "fig7b", "fig9"} <= served


def test_every_artefact_can_be_asked_for():
    suite = Suite(presets.get("laptop"), Path("nowhere"))
    served = {a for step in registry.steps(suite.named) for a in step.serves}
    assert set(paper.ARTEFACTS) - served == {"fig7a"}
    with pytest.raises(ValueError, match="signers rate 'fig7a'.* madis study"):
        registry.chosen(suite.named, ["fig7a"])
    rows = [step.title for step in registry.chosen(suite.named, ["table1"])]
    assert not [t for t in rows if t.startswith(("fine-tuning", "signing and scoring"))]


def test_an_artefact_brings_what_it_needs_and_no_more(suite):
    titles = [step.title for step in registry.chosen(suite, ["table3"])]
    assert "sign tokenizer" in titles and "pretraining of the rows, seed 0" in titles
    assert not [t for t in titles if "Table 4" in t or t == "pretraining" or "retrieval" in t]
    assert [t for t in titles if t.startswith("Table 3")]
    asked = Suite(suite.preset, suite.store.root.parent, row_seeds=(4, 5))
    more = [s.title for s in registry.chosen(asked, ["table3"])]
    assert sum(t.endswith("seed 4") for t in more) == sum(t.endswith("seed 5") for t in more) > 4


@pytest.mark.parametrize("artefact", ["table9", "utc_map", "order", "table1_long"])
def test_what_has_no_runs_here_is_refused_by_name(suite, artefact):
    """Some artefacts need a larger preset than others."""
    says = f"no runs of '{artefact}' with preset 'tiny': choose from .*table3"
    with pytest.raises(ValueError, match=says):
        registry.chosen(suite, ["table3", artefact])


@pytest.mark.parametrize("artefact", ["fig5", "fig6", "table1"])
@pytest.mark.parametrize("preset", ["laptop", "paper"])
def test_the_first_seed_that_is_asked_for_is_the_one_of_every_corpus(preset, artefact):
    suite = Suite(presets.get(preset), Path("nowhere"), row_seeds=(3, 1)).named
    titles = [step.title for step in registry.chosen(suite, [artefact])]
    other = [t for t in titles if t.startswith("Table 1") and "how2sign, seed" in t]
    assert other and all(t.endswith("seed 3") for t in other)


def test_seeds_of_rows_go_where_the_rows_are():
    laptop = Suite(presets.get("laptop"), Path("nowhere"), row_seeds=(3, 1, 3))
    world = ablations.world(laptop)
    again = pickle.loads(pickle.dumps(world))
    for suite in (world, world.named, world.variant(alpha=0.1), again):
        assert suite.row_seeds == (3, 1)
    assert laptop.row_seeds == laptop.preset.seeds  # of rows as long as the headline
    usual = ablations.world(Suite(presets.get("laptop"), Path("nowhere")))
    assert usual.row_seeds == usual.preset.seeds == (0, 1, 2, 3, 4)


def test_a_plan_makes_nothing_and_knows_what_is_done(suite):
    planned = schedule.plan(suite, ["table6"])
    assert not suite.store.root.exists() and not any(p.done for p in planned)
    assert schedule.remaining(planned, 2) == (0, len(planned))
    _ = suite.corpus
    planned = schedule.plan(suite, ["table6"])
    assert [p.step.title for p in planned if p.done] == ["corpus"]
    elsewhere = schedule.plan(suite, ["table6"], elsewhere={registry._siclip("baseline"): 60.0})
    assert schedule.remaining(elsewhere, 2)[0] == 60 / 2
    lines = show_plan(planned, 2)
    assert lines[1].startswith("done") and lines[-1].startswith(f"{len(planned) - 1} of")


def test_runs_have_titles_before_they_are_made(suite):
    titles = registry.titles(suite)
    assert not suite.store.root.exists() and "corpus" in titles.values()
    assert titles[suite.corpus.key] == "corpus"


def test_a_part_of_what_is_done_is_not_asked_for(suite):
    def vqvaes(suite, only=()):
        return {p.step.title for p in schedule.plan(suite, only) if p.step.part_of}

    assert len(vqvaes(suite)) == len(vqvaes(suite, ["fig8"])) == 3
    run = suite.tokenizer_run
    made = {f.name.split("-")[1] for f in suite.store.root.glob("vqvae-*")}
    assert made == {"body", "left", "right"}
    for folder in suite.store.root.glob("vqvae-*"):
        shutil.rmtree(folder)  # as in a store of before
    assert not vqvaes(suite) and not vqvaes(suite, ["fig8"])
    assert Suite(suite.preset, suite.store.root.parent).tokenizer_run.key == run.key


def test_making_keeps_results_and_repeats_nothing(suite):
    suite.store.kept = suite.store.root.parent / "results"
    planned = [
        p for p in schedule.plan(suite, ["table6"]) if "csl" in p.step.title or not p.step.kept
    ]
    told = []
    made = schedule.make(suite, planned, lambda step, run: told.append(step.title))
    assert {m["title"] for m in made} == set(told) == {p.step.title for p in planned}
    assert all(m["made_now"] for m in made)
    kept = sorted(p.name for p in suite.store.kept.iterdir())
    assert len(kept) == 3 and all(name.startswith("retrieved-") for name in kept)
    titles = {p.step.title for p in planned}
    there = [p for p in schedule.plan(suite) if p.step.title in titles]
    again = schedule.make(suite, there, lambda step, run: None)
    assert [m["key"] for m in again] == [m["key"] for m in made]
    assert not any(m["made_now"] for m in again)


def test_time_that_is_over_begins_nothing(suite):
    planned = schedule.plan(suite, ["table6"])
    with pytest.raises(train.OutOfTimeError, match="are left"):
        schedule.make(suite, planned, lambda step, run: None, until=time.time() - 1)
    assert not any(p.done for p in schedule.plan(suite, ["table6"]))


def test_training_stops_at_a_checkpoint_and_goes_on_to_the_same_end(suite, tmp_path):
    whole = Suite(tiny.preset(), tmp_path / "other" / ".madis").tokenizer
    try:
        train.stop_at(time.time() - 1)
        with pytest.raises(train.OutOfTimeError, match="stopped after 1 updates"):
            _ = suite.tokenizer
    finally:
        train.stop_at(None)
    assert suite.tokenizer.fingerprint() == whole.fingerprint()


# -- workers --------------------------------------------------------------------------------------


def note(path, text):
    with path.open("a") as file:
        file.write(f"{text}\n")


def busy_once(path):
    if not path.exists():
        path.write_text("")
        raise BusyRunError("another process makes this run")


def test_a_job_begins_after_those_it_needs(tmp_path):
    log = tmp_path / "log"
    jobs = [(n, partial(note, log, n)) for n in ("a", "b", "c")]
    done = [n for n, _ in workers.side_by_side(jobs, 2, needs={"a": ["c", "not here"], "b": ["a"]})]
    assert done == ["c", "a", "b"] == log.read_text().split()


def test_a_busy_job_is_asked_for_again(tmp_path):
    jobs = [("busy", partial(busy_once, tmp_path / "asked")), ("other", time.time)]
    assert {n for n, _ in workers.side_by_side(jobs, 1)} == {"busy", "other"}


def hold(root, started, release):
    def work(folder):
        started.write_text("")
        while not release.exists():
            time.sleep(0.05)
        return {"made": True}

    Store(root).run("a", {}, (), work)


def test_a_run_that_another_process_makes_is_busy_or_waited_for(tmp_path):
    from multiprocessing import get_context

    started, release = tmp_path / "started", tmp_path / "release"
    other = get_context("spawn").Process(target=hold, args=(tmp_path / "s", started, release))
    other.start()
    while not started.exists():
        time.sleep(0.05)
    store = Store(tmp_path / "s")
    store.waits = False
    with pytest.raises(BusyRunError, match="another process makes this run"):
        store.run("a", {}, (), lambda _: {"made": False})
    release.write_text("")
    store.waits = True
    assert store.run("a", {}, (), lambda _: {"made": False}).result == {"made": True}
    other.join()


def test_ablations_of_another_world_need_that_world(suite, monkeypatch):
    """Then the headline's tokenizer and judge, which can take an hour, are none of their business."""
    small = replace(tiny.preset(), name="small", corpus=replace(tiny.preset().corpus, test=4))
    monkeypatch.setitem(presets.PRESETS, "small", lambda: small)
    large = Suite(replace(tiny.preset(), rows="small"), suite.store.root.parent)
    steps = {step.title: step for step in registry.chosen(large, ["table3"])}
    assert {
        "corpus of the rows",
        "tokens of the rows",
        "sign tokenizer of the rows",
    } <= steps.keys()
    assert not {"corpus", "sign tokenizer", "tokens", "pretraining"} & steps.keys()
    assert steps["corpus of the rows"].find().result["sentences"]["csl"]["test"] == 4
    seen = set()
    for step in registry.steps(large):
        assert set(step.needs) <= seen, step.title
        seen.add(step.title)


def test_what_a_kept_result_was_made_from_is_not_made_again(suite):
    names = [p.step.title for p in schedule.plan(suite, ["table6"])]
    kept = {"retrieval, SignWorld csl, Baseline (CLIP)"}
    rest = [s.title for s in registry.chosen(suite, ["table6"], done=kept)]
    assert set(names) == set(rest)  # others still need that SiCLIP
    every = {t for t in names if t.startswith("retrieval")}
    assert [s.title for s in registry.chosen(suite, ["table6"], done=every | {"x"})] == [
        t for t in names if t.startswith(("retrieval", "SiCLIP", "corpus"))
    ]  # SiCLIP is of Table 6 itself
    only = registry.chosen(suite, ["fig9"], done={f"Fig. 9, {n}, seed 0" for n in ("none", "utc")})
    assert len(only) == 2
