"""The benchmark's rivals compute the same number, so its ratios compare like with like."""

from __future__ import annotations

import pytest

from madis_lib.perf import bench_dtw


def test_every_method_agrees_and_is_reported(capsys):
    found = bench_dtw.run(frames=(1, 9), rounds=1, joints=(3, 4))  # raises if they disagree
    assert list(found) == [1, 9] and all(set(r) == set(bench_dtw.METHODS) for r in found.values())
    printed = capsys.readouterr().out
    assert all(name in printed for name in bench_dtw.METHODS) and "target: 40 x" in printed


def test_a_wrong_method_is_noticed(monkeypatch):
    monkeypatch.setitem(bench_dtw.METHODS, "wrong", lambda sample: [1.0] * len(sample))
    with pytest.raises(ValueError, match="wrong gives"):
        bench_dtw.run(frames=(5,), rounds=1, joints=(3,))
