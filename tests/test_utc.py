"""Temporal checkpoints: grids, reachable states, schedules and Eq. 4-5."""

import json
import math
from itertools import combinations
from pathlib import Path

import pytest
import torch

from madis_lib import utc

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = [((0.75, 0.5), "uniform"), ((0.75,), "uniform"), ((0.5,), "uniform"), ((), "uniform"),
            ((0.75, 0.5), "contiguous")]  # fmt: skip


def test_grids():
    quarter, half = utc.grids(10)
    assert quarter.nonzero().flatten().tolist() == [0, 4, 8]
    assert half.nonzero().flatten().tolist() == [0, 2, 4, 6, 8]
    contiguous = utc.pivots(10, layout="contiguous")
    assert [int(g.sum()) for g in contiguous] == [3, 5, 10] and contiguous[0][:3].all()


@pytest.mark.parametrize(("checkpoints", "layout"), SETTINGS)
def test_training_states_are_feasible_and_show_1_minus_t(checkpoints, layout):
    g = torch.Generator().manual_seed(0)
    t = torch.rand(4000, generator=g)
    visible = utc.sample_visible(t, 16, g, checkpoints, layout)
    assert all(utc.feasible(v, checkpoints, layout) for v in visible[:500])
    share = visible.float().mean(1)
    for low in (0.0, 0.25, 0.5, 0.75):
        here = (t >= low) & (t < low + 0.25)
        assert abs(share[here].mean() - (1 - t[here]).mean()) < 0.02


def test_pivot_states_at_the_checkpoints():
    g = torch.Generator().manual_seed(0)
    quarter, half = utc.grids(12)
    at = utc.sample_visible(torch.tensor([1.0, 0.75, 0.5, 1e-9]), 12, g)
    assert not at[0].any()
    assert at[1].tolist() == quarter.tolist()
    assert at[2].tolist() == half.tolist()
    assert at[3].all()


def test_frequencies_match_those_measured_from_the_release():
    measured = json.loads((GOLDEN / "utc_stats.json").read_text())
    g = torch.Generator().manual_seed(0)
    for p, expected in measured["stats"].items():
        visible = utc.sample_visible(torch.full((20_000,), float(p)), measured["length"], g)
        ours = visible.float().mean(0)
        torch.testing.assert_close(
            ours, torch.tensor(expected["visible_frequency"]), rtol=0, atol=0.02
        )


@pytest.mark.parametrize("m", range(4, 9))
def test_feasible_by_enumeration(m):
    quarter, half = (set(g.nonzero().flatten().tolist()) for g in utc.grids(m))
    for size in range(m + 1):
        for chosen in map(set, combinations(range(m), size)):
            visible = torch.tensor([i in chosen for i in range(m)])
            expected = chosen <= quarter or quarter <= chosen <= half or half <= chosen
            assert utc.feasible(visible) == expected


def test_every_schedule_reaches_both_pivots_exactly():
    for m in range(4, 129):
        quarter, half = (int(g.sum()) for g in utc.grids(m))
        for steps in {3, 4, 5, max(3, m // 4), m // 2 + 1, m - 1, m}:
            if not 3 <= steps <= m:
                continue
            counts = utc.schedule(m, steps)
            known = torch.tensor(counts).cumsum(0).tolist()
            assert len(counts) == steps and min(counts) >= 1 and known[-1] == m
            assert quarter in known and half in known


def test_the_papers_setting():
    assert [len(s) for s in utc.stage_schedule(100, 25)] == [6, 6, 13]
    assert set(utc.schedule(100, 25)) <= {3, 4, 5}
    assert utc.schedule(100, 100) == [1] * 100


def brute_force(m, k, allowed):
    """Count orders by opening groups of k (the last of a stage smaller) inside allowed sets."""

    def count(known, stage):
        if stage == len(allowed):
            return 1
        left = sorted(allowed[stage] - known)
        if not left:
            return count(known, stage + 1)
        groups = combinations(left, min(k, len(left)))
        return sum(count(known | set(group), stage) for group in groups)

    return count(frozenset(), 0)


@pytest.mark.parametrize(("m", "k"), [(4, 1), (5, 2), (6, 2), (8, 2), (8, 3)])
def test_order_counts_by_enumeration(m, k):
    everything = set(range(m))
    assert utc.order_count(m, k) == brute_force(m, k, [everything])
    quarter, half = (set(g.nonzero().flatten().tolist()) for g in utc.grids(m))
    assert utc.order_count_utc(m, k) == brute_force(m, k, [quarter, half, everything])


def test_the_papers_numbers():
    assert f"{utc.order_count(100, 4):.3e}" == "2.916e+123"  # printed as 2.9e123
    assert math.isclose(utc.log10_eq4(100, 4), math.log10(utc.order_count(100, 4)), rel_tol=1e-12)
    ratio = 10 ** (utc.log10_eq4(100, 4) - utc.log10_eq5(100, 4))
    assert math.isclose(ratio, 1.275e43, rel_tol=1e-3)  # "over 10^41" is true, and loose
    assert f"{utc.order_count_utc(100, 4):.3e}" == "2.743e+81"


def test_bad_arguments():
    with pytest.raises(ValueError, match="at least 4"):
        utc.grids(3)
    with pytest.raises(ValueError, match="descending"):
        utc.pivots(8, (0.5, 0.75))
    with pytest.raises(ValueError, match="layout"):
        utc.pivots(8, layout="spiral")
    with pytest.raises(ValueError, match="steps"):
        utc.schedule(8, 2)
