import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from madis_lib.experiments import store
from madis_lib.experiments.store import Store, UnfinishedRunError, key_of
from madis_lib.presets import TrainConfig

ROOT = Path(__file__).parents[2]
CONFIG = {"train": TrainConfig(10, 4, 1e-3), "seed": 0}


class Work:
    """Work that counts how often it is done."""

    def __init__(self):
        self.done = 0

    def __call__(self, folder):
        self.done += 1
        (folder / "weights").write_text("w")
        return {"number": self.done}


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def runs(tmp_path):
    return Store(tmp_path / "quick")


def test_the_same_configuration_is_found_again(runs, work):
    first = runs.run("a", CONFIG, ("model",), work)
    again = Store(runs.root).run("a", dict(reversed(CONFIG.items())), ("model",), work)
    assert work.done == 1 and again == first
    assert first.folder.name == f"a-{first.key}" and (first.folder / "weights").is_file()
    stored = json.loads((first.folder / "config.json").read_text())
    assert stored["train"]["updates"] == 10 and stored["versions"] == {"model": 1}


def test_anything_that_counts_makes_another_run(runs, work, monkeypatch):
    first = runs.run("a", CONFIG, ("model",), work)
    changed = [
        CONFIG | {"seed": 1},
        CONFIG | {"train": replace(CONFIG["train"], learning_rate=2e-3)},
        CONFIG | {"start": first},
    ]
    keys = {runs.run("a", config, ("model",), work).key for config in changed}
    keys.add(runs.run("a", CONFIG, ("model", "tokenizer"), work).key)
    monkeypatch.setitem(store.VERSIONS, "model", 2)
    keys.add(runs.run("a", CONFIG, ("model",), work).key)
    monkeypatch.setitem(store.VERSIONS, "tokenizer", 2)
    keys.add(runs.run("a", CONFIG, ("model",), work).key)  # not used: no other run
    assert len(keys - {first.key}) == len(keys) == 5 and work.done == 6


def test_an_option_at_its_default_keeps_the_old_runs(runs, work):
    @dataclass(frozen=True)
    class Old:
        width: int
        names: list = field(default_factory=list)

    @dataclass(frozen=True)
    class New(Old):
        option: str = "as before"

    old = runs.run("a", {"model": Old(3)}, (), work)
    assert runs.run("a", {"model": New(3)}, (), work).key == old.key and work.done == 1
    assert runs.run("a", {"model": New(3, option="new")}, (), work).key != old.key
    assert runs.run("a", {"model": New(3, names=[1])}, (), work).key != old.key


def test_a_run_built_on_another_has_its_key(runs, work):
    made = [runs.run("a", CONFIG | {"seed": seed}, (), work) for seed in (0, 1)]
    built = [runs.run("b", {"start": run}, (), work) for run in made]
    assert built[0].key != built[1].key
    assert key_of({"start": made[0]}) == key_of({"start": made[0].key})


def test_what_has_no_plain_value_cannot_be_configured(runs, work):
    with pytest.raises(TypeError, match="cannot be part of a run's configuration"):
        runs.run("a", {"model": object()}, (), work)
    assert work.done == 0


def test_keys_do_not_depend_on_the_process():
    code = (
        "from madis_lib.experiments.store import key_of; from madis_lib.presets import quick;"
        "print(key_of({'p': quick(), 'names': ['x', 'y'], 'none': None}))"
    )
    shown = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        told = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT, env=environment
        )
        shown.add(told.stdout)
    assert len(shown) == 1
    assert key_of({"b": [1, 0.1], "a": "ä"}) == "7411ea976be2b77b"


@pytest.mark.parametrize("content", ["", '{"number": ', "\x00"])
def test_a_damaged_result_is_made_again(runs, work, caplog, content):
    run = runs.run("a", CONFIG, (), work)
    (run.folder / "result.json").write_text(content)
    with caplog.at_level(logging.WARNING):
        again = runs.run("a", CONFIG, (), work)
    assert work.done == 2 and again.result == {"number": 2} and "damaged" in caplog.text
    assert runs.run("a", CONFIG, (), work).result == {"number": 2}


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt()])
def test_failed_work_leaves_no_result_but_what_it_made(runs, work, failure):
    def fail(folder):
        (folder / "half").write_text("half")
        raise failure

    with pytest.raises(type(failure)):
        runs.run("a", CONFIG, (), fail)
    (folder,) = runs.root.iterdir()
    assert not (folder / "result.json").exists()
    assert runs.run("a", CONFIG, (), work).folder == folder and work.done == 1
    assert (folder / "half").is_file() and not list(folder.glob(".tmp-*"))


def test_a_result_that_is_no_json_leaves_no_result(runs, work):
    with pytest.raises(TypeError):
        runs.run("a", CONFIG, (), lambda _: {"x": object()})
    assert not list(runs.root.rglob("result.json"))
    assert runs.run("a", CONFIG, (), work).result == {"number": 1}


def test_only_finding_makes_nothing(runs, work):
    with pytest.raises(UnfinishedRunError, match="not finished"), runs.only_finding():
        runs.run("a", CONFIG, (), work)
    assert work.done == 0 and not runs.root.exists()
    made = runs.run("a", CONFIG, (), work)
    with runs.only_finding():
        assert runs.run("a", CONFIG, (), work) == made
    (made.folder / "result.json").write_text("")
    with pytest.raises(UnfinishedRunError), runs.only_finding():
        runs.run("a", CONFIG, (), work)
    assert work.done == 1


def test_what_is_finished_is_found_and_nothing_is_made(runs, work):
    def find(seed):
        return runs.run("a", CONFIG | {"seed": seed}, (), work)

    there = {seed: find(seed) for seed in (0, 2)}
    assert runs.finished((0, 1, 2), find) == there and work.done == 2
    assert runs.look_for(lambda: find(1)) is None and runs.look_for(lambda: find(2)) == there[2]
    with runs.only_finding():
        runs.finished((0,), find)
        with pytest.raises(UnfinishedRunError):  # still only finding
            find(1)
    assert find(1).result == {"number": 3}


SHARED = """
import json, os, sys, time
from pathlib import Path
from madis_lib.experiments.store import Store
root = Path(sys.argv[1])
def work(folder):
    with open(root / "made", "a") as log:
        log.write("once\\n")
    while len(list(root.glob("asking-*"))) < 2:
        time.sleep(0.01)
    time.sleep(0.2)  # long enough for the other to ask while this one works
    return {"by": os.getpid()}
(root / f"asking-{os.getpid()}").touch()
print(Store(root / "quick").run("a", {"x": 1}, (), work).result["by"])
"""


def test_two_processes_share_one_run(tmp_path):
    both = [
        subprocess.Popen(
            [sys.executable, "-c", SHARED, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert (tmp_path / "made").read_text() == "once\n"
    assert said[0] == said[1] and int(said[0]) in {process.pid for process in both}


def test_listing(runs, work, monkeypatch):
    assert runs.listing({}) == ["run  key  state  seconds  MB  age  what"]
    done = runs.run("finetuned-csl", CONFIG, (), work)
    (done.folder / "big").write_bytes(b"0" * 3_000_000)
    assert done.made["seconds"] >= 0 and done.made["commit"] and not done.made["resumed"]
    (done.folder / store.MADE).write_text(json.dumps({"seconds": 61.7}))
    with pytest.raises(ZeroDivisionError):
        runs.run("tokens", CONFIG, (), lambda _: 1 / 0)
    (runs.root / "no-run").mkdir()
    for age, folder in ((7500, done.folder), (5, next(runs.root.glob("tokens-*")))):
        now = (folder / "config.json").stat().st_mtime
        os.utime(folder / "config.json", (now - age, now - age))
    monkeypatch.setattr(store.time, "time", lambda: now)
    titles = {done.key: "fine-tuning, csl"}
    assert [line.split() for line in runs.listing(titles)[1:]] == [
        ["finetuned-csl", done.key, "done", "62", "3.0", "2", "h", "fine-tuning,", "csl"],
        ["tokens", done.key, "unfinished", "-", "0.0", "5", "s", "fine-tuning,", "csl"],
    ]
    assert len(set(map(len, runs.listing(titles)[1:]))) == 1


def test_a_file_that_was_cut_is_noticed_and_the_run_made_again(runs, work, caplog):
    run = runs.run("a", CONFIG, (), work)
    assert runs.damaged() == []
    (run.folder / "weights").write_text("other")
    with caplog.at_level(logging.WARNING):
        assert runs.run("a", CONFIG, (), work).result == {"number": 2}
    assert "weights is damaged" in caplog.text
    (run.folder / "weights").write_text("x")  # the same size: only reading it all tells
    assert runs.run("a", CONFIG, (), work).result == {"number": 2}
    assert runs.damaged() == [run.folder / "weights"]


def test_a_check_reads_everything(runs, work, caplog):
    def many(folder):
        for i in range(store.FEW + 1):
            (folder / f"{i}.npy").write_text("x")
        return {"clips": store.FEW + 1}

    one, crowd, third = (runs.run(*a) for a in (("a", CONFIG, (), work), ("b", CONFIG, (), many),
                                                ("c", CONFIG, (), work)))  # fmt: skip
    assert runs.damaged() == []
    (one.folder / store.RESULT).write_text('{"number": 7}')
    (crowd.folder / "3.npy").write_text("")
    (third.folder / store.MADE).write_text("[1]")
    assert runs.damaged() == [one.folder / store.RESULT, crowd.folder, third.folder / store.MADE]
    assert "made.json is damaged" in caplog.text
    assert runs.run("c", CONFIG, (), work).result == {"number": 2}  # its result is there
    for run in (one, crowd, third):
        runs.forget(run)
    assert runs.damaged() == []


def test_a_kept_result_stands_for_a_run_that_is_not_there(tmp_path, work):
    runs = Store(tmp_path / "quick", kept=tmp_path / "results")
    run = runs.run("a", CONFIG, (), work)
    path = runs.keep(run)
    first = path.read_bytes()
    assert runs.keep(run) == path and path.read_bytes() == first
    elsewhere = Store(tmp_path / "new", kept=tmp_path / "results")
    found = elsewhere.run("a", CONFIG, (), work)
    assert work.done == 1 and found.result == run.result and found.key == run.key
    path.write_bytes(path.read_bytes()[:-9])  # cut: as good as not there
    assert elsewhere.run("a", CONFIG, (), work).result == {"number": 2}
    assert Store(tmp_path / "new").keep(run) is None


def test_a_forgotten_run_is_made_from_its_beginning(tmp_path, work):
    runs = Store(tmp_path / "quick", kept=tmp_path / "results")
    run = runs.run("a", CONFIG, (), work)
    runs.keep(run)
    (run.folder / "checkpoint.pt").write_text("")
    runs.forget(run)
    assert not (run.folder / "checkpoint.pt").exists()
    assert runs.run("a", CONFIG, (), work).result == {"number": 2}


def test_a_store_of_names_touches_nothing(tmp_path, work):
    named = Store(tmp_path / "quick", names=True).run("a", CONFIG, (), work)
    assert work.done == 0 and not (tmp_path / "quick").exists() and named.result == {}
    assert Store(tmp_path / "quick").run("a", CONFIG, (), work).key == named.key


def test_what_is_allowed_holds_for_the_store_beside(tmp_path, work):
    runs = Store(tmp_path / "laptop")
    with runs.only_finding(), pytest.raises(UnfinishedRunError):
        runs.beside("rows").run("a", CONFIG, (), work)
    assert runs.beside("rows").run("a", CONFIG, (), work).folder.parent == tmp_path / "rows"
    assert runs.expected_seconds("a") is None
    assert runs.beside("rows").expected_seconds("a") == pytest.approx(0, abs=1)


def test_what_to_expect_is_not_moved_by_a_run_that_was_paused(tmp_path, work):
    runs = Store(tmp_path)
    for i, seconds in enumerate((10.0, 11.0, 1800.0)):
        made = runs.run("row", CONFIG | {"seed": i}, (), work).folder / "made.json"
        made.write_text(json.dumps(json.loads(made.read_text()) | {"seconds": seconds}))
    assert runs.expected_seconds("row") == 11


def test_what_to_expect_is_not_of_runs_whose_names_begin_alike(tmp_path, work):
    runs = Store(tmp_path)
    for name, seconds in (
        ("tokenizer", 50.0),
        ("tokenizer-whole", 1.0),
        ("tokenizer-quality", 2.0),
    ):
        made = runs.run(name, CONFIG, (), work).folder / "made.json"
        made.write_text(json.dumps(json.loads(made.read_text()) | {"seconds": seconds}))
    assert runs.expected_seconds("tokenizer") == 50
