"""The release's schedule against what was measured from it."""

import pytest

from madis_lib.release import schedule


def test_counts_stages_and_leaks_are_those_measured(golden):
    for name, measured in golden.json("schedule").items():
        size, steps = (int(x) for x in name.removeprefix("M").split("_steps"))
        plan = schedule.plan(size, steps)
        assert [count for _, count in plan] == measured["counts"]
        strides = [stride for stride, _ in plan]
        assert [strides.count(s) for s in (4, 2, 1)] == [
            measured[f"steps_{grid}"] for grid in ("quarter", "half", "full")
        ]
        quarter, half = (len(range(0, size, s)) for s in (4, 2))
        assert schedule.pivot_errors(size, steps) == (
            measured["unmasked_after_quarter"] - quarter,
            measured["unmasked_after_half"] - half,
        )
        # how many leaks land on even places is chance: some number explains what was seen
        first = sum(measured["off_grid_per_step"][: strides.count(4)])
        possible = [schedule.off_grid(size, steps, even) for even in range(first + 1)]
        assert measured["off_grid_per_step"] in possible


@pytest.mark.parametrize("sample", range(3))
def test_leaks_of_a_real_trace_step_by_step(golden, sample):
    trace = golden.json("generate_trace")["m100"]
    steps = trace["steps"]
    assert [(s["grid"], s["count"]) for s in steps] == schedule.plan(100, 25)
    seen = [s["off_grid"][sample] for s in steps]
    even = sum(i % 2 == 0 for s, leaked in zip(steps, seen, strict=True) if s["grid"] == 4
               for i in leaked)  # fmt: skip
    assert [len(leaked) for leaked in seen] == schedule.off_grid(100, 25, even)


def test_every_token_is_written_once():
    for size in (4, 7, 36, 100, 128):
        for steps in (3, 10, 25, size):
            plan = schedule.plan(size, steps)
            assert sum(count for _, count in plan) == size and min(count for _, count in plan) >= 0
            first = sum(n for (s, _), n in zip(plan, schedule.off_grid(size, steps), strict=True)
                        if s == 4)  # fmt: skip
            assert first == max(0, schedule.pivot_errors(size, steps)[0])
