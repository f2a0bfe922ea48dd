"""Every piece of an evaluation is timed on a machine that has trained nothing."""

from __future__ import annotations

from madis_lib.perf import bench_evaluate
from tests import tiny


def test_every_piece_is_measured(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seconds = bench_evaluate.run(tiny.preset(), "phoenix")
    pieces = {name: s for name, s in seconds.items() if name != "all"}
    assert set(pieces) == set(bench_evaluate.PIECES) and min(pieces.values()) > 0
    assert 0.5 * seconds["all"] < sum(pieces.values()) <= seconds["all"]  # none counted twice
    printed = capsys.readouterr().out
    assert all(name in printed for name in seconds) and "preset tiny" in printed
    assert not list(tmp_path.iterdir())
