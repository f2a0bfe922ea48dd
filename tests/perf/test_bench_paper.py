"""The full model takes an update and signs a sentence; at small size, so does the benchmark."""

from __future__ import annotations

import os

import pytest

from madis_lib import presets
from madis_lib.perf import bench_paper
from tests import tiny

PIECES = 6
NEEDED = 12e9  # bytes free, for weights, gradients and AdamW's moments


def test_every_piece_is_measured(capsys):
    costs = bench_paper.run(tiny.preset(), batch_size=2, text_length=5)
    assert len(costs) == PIECES and all(s > 0 and peak > 0 for s, peak in costs.values())
    printed = capsys.readouterr().out
    assert all(name in printed for name in costs) and "preset tiny" in printed


@pytest.mark.slow
@pytest.mark.xdist_group("memory")  # never two at once
def test_full_size_takes_an_update_and_signs():
    """With few text rows, whose number changes no shape but theirs."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    if free < NEEDED:
        pytest.skip(f"needs {NEEDED / 1e9:.0f} GB of free memory, {free / 1e9:.0f} are")
    costs = bench_paper.run(presets.paper(), batch_size=1, text_vocab=512)
    assert len(costs) == PIECES
