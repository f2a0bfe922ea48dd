"""The benchmark compares equal results and reports every batch size."""

from __future__ import annotations

import pytest

pytest.importorskip("smplx")


def test_bench_body_reports_ratios(capsys):
    from madis_lib.perf import bench_body

    results = bench_body.run(batches=(1, 3), rounds=1)
    assert list(results) == [1, 3]
    for row in results.values():
        assert row["landmarks ratio"] == row["landmarks"] / row["smplx mesh"] > 0
    assert "landmarks" in capsys.readouterr().out
