"""The benchmark's rivals compute the same number, so its ratios compare like with like."""

from __future__ import annotations

import pytest

from madis_lib.perf import bench_dtw


def test_every_method_agrees_and_is_reported(capsys):
    medians = bench_dtw.run(pairs=3, frames=(1, 9), joints=4, rounds=1)  # raises if they disagree
    assert set(medians) == set(bench_dtw.METHODS)
    printed = capsys.readouterr().out
    assert all(name in printed for name in medians)


def test_a_wrong_method_is_noticed(monkeypatch):
    monkeypatch.setitem(bench_dtw.METHODS, "wrong", lambda g, r: [1.0] * len(g))
    with pytest.raises(ValueError, match="wrong gives"):
        bench_dtw.run(pairs=2, frames=(2, 5), joints=3, rounds=1)
