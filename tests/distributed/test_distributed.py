"""Two processes compute what one does, go on from its checkpoints, and it from theirs."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from madis_lib import distributed
from madis_lib.distributed import ALONE, World
from tests.distributed import cases

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
BIG = ["tokenizer", "pretrain", "finetune", "pretrain-fsdp", "finetune-fsdp"]


def outcomes(folder, names):
    """What :func:`cases.alone` and :func:`cases.together` left for every name."""
    plain = {name.partition("-")[0] for name in names}
    for case in plain:
        cases.alone(case, folder)
    cases.start(2, folder, *names)

    def read(name):
        return torch.load(folder / f"{name}.out", weights_only=True)

    found = {}
    for name in names:
        case = name.partition("-")[0]
        found[name] = {run: read(f"{name}-{run}") for run in ("two", "again", "resumed")}
        found[name]["one"] = read(f"{case}-one")
        found[name]["back"] = cases.fit(case, ALONE, folder / f"{name}-two-cut.pt")
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return outcomes(tmp_path_factory.mktemp("toy"), ["toy"])


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    return outcomes(tmp_path_factory.mktemp("big"), BIG)


def check(found):
    """All properties at once: they cost one start of two processes."""
    for run in ("two", "resumed", "back"):
        assert_close(found[run]["weights"], found["one"]["weights"], **CLOSE)
        for ours, one in zip(found[run]["history"], found["one"]["history"], strict=True):
            assert ours == pytest.approx(one, rel=1e-5, abs=1e-5)
    assert_close(found["two"], found["again"], rtol=0, atol=0)
    assert all(torch.is_tensor(x) for x in found["two"]["weights"].values())


def test_two_processes_train_as_one_and_take_turns(small):
    check(small["toy"])


@pytest.mark.slow
@pytest.mark.parametrize("name", BIG)
def test_two_processes_train_every_stage_as_one(big, name):
    check(big[name])


def test_rows_cover_the_batch_in_order():
    rows = [World(rank, 3).rows(6) for rank in range(3)]
    assert [list(range(6))[r] for r in rows] == [[0, 1], [2, 3], [4, 5]]
    assert ALONE.rows(5) == slice(0, 5)
    with pytest.raises(ValueError, match="batch of 6 cannot be shared equally by 4 processes"):
        World(0, 4).rows(6)


def test_alone_nothing_changes():
    x = torch.randn(3, 2)
    assert ALONE.gather(x) is x and ALONE.weight(torch.tensor(3)) == 1.0
    values = {"loss": x.sum()}
    assert ALONE.mean(values) is values
    assert ALONE.decide(True) and not ALONE.decide(False)


def test_fsdp_needs_several_processes(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with distributed.joined() as world:
        assert world is ALONE and distributed.is_first()
    with pytest.raises(ValueError, match="torchrun"), distributed.joined(sharded=True):
        pass


def test_each_process_needs_a_gpu_of_its_own(monkeypatch):
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="more processes than the 1 GPUs"), distributed.joined():
        pass
