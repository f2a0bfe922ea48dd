"""Temporal checkpoints: grids, reachable states, schedules and Eq. 4-5."""

import json
import math
from itertools import accumulate, combinations, pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize(("checkpoints", "layout"), SETTINGS)
@settings(max_examples=40, deadline=None)
@given(size=st.integers(4, 128), seed=st.integers(0, 2**31))
def test_every_training_state_lies_between_two_pivots(checkpoints, layout, size, seed):
    g = torch.Generator().manual_seed(seed)
    t = torch.cat([torch.rand(60, generator=g), torch.tensor([0, 0.25, 0.5, 0.75, 1.0])])
    visible = utc.sample_visible(t, size, g, checkpoints, layout)
    known = [torch.zeros(size, dtype=torch.bool), *utc.pivots(size, checkpoints, layout)]
    between = [((visible >= inner) & (visible <= outer)).all(1) for inner, outer in pairwise(known)]
    assert torch.stack(between).any(0).all()


@pytest.mark.parametrize(("checkpoints", "layout"), SETTINGS)
@pytest.mark.parametrize("size", [4, 7, 36])
def test_mask_probability_is_how_often_a_token_is_hidden(checkpoints, layout, size):
    draws, t = 4000, torch.linspace(0, 1, 21)
    p = utc.mask_probability(t, size, checkpoints, layout)
    g = torch.Generator().manual_seed(size)
    hidden = ~utc.sample_visible(t.repeat_interleave(draws), size, g, checkpoints, layout)
    share = hidden.view(21, draws, size).float().mean(1)
    assert ((share - p).abs() <= 5 * (p * (1 - p) / draws).sqrt() + 1e-6).all()
    if size % 4 == 0:
        torch.testing.assert_close(p.mean(1), t)


@pytest.mark.parametrize("layout", ["uniform", "contiguous"])
def test_the_current_grid_is_where_something_may_be_visible(layout):
    t = torch.tensor([0.99, 0.9, 0.75, 0.6, 0.5, 0.2, 0.0])
    grid = utc.current_grid(t, 12, layout=layout)
    assert grid.sum(1).tolist() == [3, 3, 3, 6, 6, 12, 12]
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        assert (utc.sample_visible(t, 12, generator, layout=layout) <= grid).all()
    hidden = utc.mask_probability(t, 12, layout=layout)
    assert torch.equal(grid, hidden < 1)
    assert utc.current_grid(t, 12, ()).all()


def test_mask_probability_by_position_class():
    t = torch.tensor([0.2, 0.6, 0.8])
    quarter, even, odd = utc.mask_probability(t, 4)[:, [0, 2, 1]].T
    torch.testing.assert_close(quarter, torch.tensor([0, 0, 0.05 / 0.25]))
    torch.testing.assert_close(even, torch.tensor([0, 0.1 / 0.25, 1]))
    torch.testing.assert_close(odd, torch.tensor([0.2 / 0.5, 1, 1]))


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
        theirs = torch.tensor(expected["visible_frequency"])
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)
        exact = 1 - utc.mask_probability(torch.tensor([float(p)]), measured["length"])[0]
        torch.testing.assert_close(theirs, exact, rtol=0, atol=0.018)  # five deviations


@pytest.mark.parametrize("m", range(4, 9))
def test_feasible_by_enumeration(m):
    quarter, half = (set(g.nonzero().flatten().tolist()) for g in utc.grids(m))
    for size in range(m + 1):
        for chosen in map(set, combinations(range(m), size)):
            visible = torch.tensor([i in chosen for i in range(m)])
            expected = chosen <= quarter or quarter <= chosen <= half or half <= chosen
            assert utc.feasible(visible) == expected


@pytest.mark.parametrize("layout", ["uniform", "contiguous"])
def test_every_schedule_reaches_both_pivots_exactly(layout):
    """All 4 <= M <= 128 and 3 <= steps <= M."""
    for m in range(4, 129):
        ends = [int(g.sum()) for g in utc.pivots(m, layout=layout)]
        for steps in range(3, m + 1):
            plan = utc.stage_schedule(m, steps, layout=layout)
            assert list(accumulate(map(sum, plan))) == ends
            assert sum(map(len, plan)) == steps and min(map(min, plan)) >= 1
            assert all(max(stage) - min(stage) <= 1 for stage in plan)


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


@pytest.mark.parametrize(("m", "k"), [(m, k) for m in range(4, 8) for k in range(1, 5)] + [(8, 3)])
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


def test_the_reduction_in_every_reading_of_eq5():
    eq4, expected = utc.log10_eq4(100, 4), {
        "as printed": 1.275e43,
        "exponents rounded down": 5.314e41,
        "exponents rounded up": 7.343e45,
        "whole groups": 1.063e42,
    }  # fmt: skip
    readings = utc.eq5_readings(100, 4)
    assert readings.keys() == expected.keys()
    for name, ratio in expected.items():
        assert math.isclose(10 ** (eq4 - readings[name]), ratio, rel_tol=1e-3), name
    whole = utc.eq5_readings(96, 4)  # exponents are whole: one reading
    assert all(math.isclose(v, whole["whole groups"], rel_tol=1e-12) for v in whole.values())


def test_bad_arguments():
    with pytest.raises(ValueError, match="at least 4"):
        utc.grids(3)
    with pytest.raises(ValueError, match="descending"):
        utc.pivots(8, (0.5, 0.75))
    with pytest.raises(ValueError, match="layout"):
        utc.pivots(8, layout="spiral")
    with pytest.raises(ValueError, match="steps"):
        utc.schedule(8, 2)
    counts = (utc.order_count, utc.log10_eq4, utc.log10_eq5, utc.eq5_readings, utc.steps_for)
    for count in counts:
        with pytest.raises(ValueError, match="tokens_per_step is 0: give 1 or more"):
            count(100, 0)
        with pytest.raises(ValueError, match="num_tokens is -5: give 1 or more"):
            count(-5, 2)


def test_without_checkpoints_a_sentence_may_be_shorter():
    (everything,) = utc.pivots(3, ())
    assert everything.all() and utc.schedule(3, 2, ()) == [1, 2]
