"""Runs side by side: the same results, errors told, nothing left running."""

import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from madis_lib import presets
from madis_lib.experiments import registry
from madis_lib.experiments.suite import Suite
from madis_lib.experiments.workers import at_once, side_by_side

ROOT = Path(__file__).parents[2]


def note(path: Path) -> None:
    path.write_text(f"{os.getpid()} {torch.get_num_threads()}")


def fail() -> None:
    raise FileNotFoundError("pose.pkl: no such file")


def wait(path: Path, seconds: float) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(seconds)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def gone(pid: int, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not alive(pid):
            return True
        time.sleep(0.1)
    return False


def wait_for(path: Path) -> int:
    while not (path.exists() and path.read_text()):
        time.sleep(0.05)
    return int(path.read_text())


def test_all_is_done_in_other_processes_with_one_thread(tmp_path):
    jobs = [(name, partial(note, tmp_path / name)) for name in ("a", "b", "c")]
    done = dict(side_by_side(jobs, workers=2))
    assert done.keys() == {"a", "b", "c"} and all(s >= 0 for s in done.values())
    made = [(tmp_path / name).read_text().split() for name in done]
    assert str(os.getpid()) not in {pid for pid, _ in made}
    assert {threads for _, threads in made} == {"1"}
    assert list(side_by_side([], workers=2)) == []


def test_what_most_waits_for_is_done_first(tmp_path):
    jobs = [(name, partial(note, tmp_path / name)) for name in ("alone", "table", "model", "data")]
    needs = {"model": ["data"], "table": ["model"]}
    done = [name for name, _ in side_by_side(jobs, workers=1, needs=needs)]
    assert done == ["data", "model", "alone", "table"]


def test_an_error_is_told_and_stops_the_others(tmp_path):
    jobs = [("slow", partial(wait, tmp_path / "slow", 600)), ("bad", fail)]
    begun = time.monotonic()
    with pytest.raises(FileNotFoundError, match=r"pose\.pkl"):
        list(side_by_side(jobs, workers=2))
    assert time.monotonic() - begun < 60
    if (tmp_path / "slow").exists():
        assert gone(wait_for(tmp_path / "slow"))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_told_and_stops_the_others(tmp_path):
    jobs = [("slow", partial(wait, tmp_path / "slow", 600)), ("killed", die)]
    begun = time.monotonic()
    with pytest.raises(ChildProcessError, match="lack of memory; run the same command again"):
        list(side_by_side(jobs, workers=2))
    assert time.monotonic() - begun < 60
    if (tmp_path / "slow").exists():
        assert gone(wait_for(tmp_path / "slow"))


PROGRAM = """
from functools import partial
from pathlib import Path
from madis_lib.experiments.workers import side_by_side
from tests.experiments.test_workers import wait
if __name__ == "__main__":
    list(side_by_side([("slow", partial(wait, Path("slow"), 600))], workers=1))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_do_not_outlive_the_one_who_asked(tmp_path, how):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    worker = wait_for(tmp_path / "slow")
    process.send_signal(how)
    assert process.wait(30) != 0
    assert gone(worker)


def test_a_gpu_is_shared_by_as_many_as_its_memory_holds(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert at_once(presets.quick()) == 64
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(79e9), int(80e9)))
    assert at_once(presets.paper()) == 1
    assert (at_once(presets.quick()), at_once(presets.gpu())) == (19, 13)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(1e9), int(80e9)))
    assert at_once(presets.quick()) == 1


def test_every_step_can_be_sent_to_a_worker(tmp_path):
    suite = Suite(presets.laptop(), tmp_path)
    for step in registry.steps(suite):
        assert pickle.loads(pickle.dumps(step.find)), step.title
