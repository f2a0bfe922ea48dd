"""``torchrun … madis reproduce``: one set of runs, one report, the weights of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file
from torch.testing import assert_close

from tests.distributed.cases import ROOT

TRAINED = ("vqvae", "tokenizer", "pretrained", "finetuned")  # what all processes make together


def torchrun(folder, *more):
    """What ``madis reproduce`` of the tiny preset prints, as two processes in ``folder``."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "tests.distributed.tiny_cli", "reproduce", "--preset", "tiny", "--no-notebooks", *more,
    ]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("how", [[], ["--fsdp"]], ids=["ddp", "fsdp"])
def test_two_processes_reproduce_as_one(suite, tmp_path, how):
    said = torchrun(tmp_path, *how)
    assert said.count("[ 1/") == 1 and said.count("The report:") == 1
    assert (tmp_path / "reports" / "tiny" / "report.html").is_file()

    home = tmp_path / ".madis" / "tiny"
    results = {p.parent.name: p for p in home.glob("*/result.json")}
    for name, path in results.items():
        made = json.loads(path.with_name("made.json").read_text())
        together = name.rsplit("-", 1)[0].split("-")[0] in TRAINED and "quality" not in name
        assert made["processes"] == (2 if together else 1), name
    mine = [suite.tokenizer_run, suite.pretrained, suite.finetuned("csl")]
    for run in mine:  # the same keys, so that either finds what the other made
        (one,) = run.folder.rglob("*.safetensors")
        two = home / one.relative_to(suite.store.root)
        assert_close(load_file(two), load_file(one), rtol=1e-5, atol=1e-5)

    if how:
        return
    before = {name: path.stat().st_mtime_ns for name, path in results.items()}
    assert "found from an earlier run" in torchrun(tmp_path, *how)
    assert {n: (home / n / "result.json").stat().st_mtime_ns for n in before} == before
