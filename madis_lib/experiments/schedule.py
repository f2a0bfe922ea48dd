"""Making the runs of a report: what is there, what is missing, how long it takes, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from madis_lib.experiments.registry import Step
from madis_lib.experiments.store import Run

Clock = Mapping[str, float]  # seconds by the name of a run, as measured elsewhere


@dataclass(frozen=True)
class Planned:
    """A step before it is made."""

    step: Step
    run: Run  # named only
    done: bool
    begun: bool
    seconds: float | None  # that a run of this name took; None: not known


def plan(
    steps: Sequence[Step], named: Sequence[Step], elsewhere: Clock | None = None
) -> list[Planned]:
    """What is done of ``steps``, and what the rest will take.

    Args:
        named: the same steps of ``suite.named``.
        elsewhere: measured times for runs that were never made here.
    """
    found = []
    for step, name in zip(steps, named, strict=True):
        run = name.find()
        store = step_store(step)
        seconds = store.expected_seconds(run.name)
        if seconds is None:
            seconds = (elsewhere or {}).get(run.name)
        done = store.find(run.folder) is not None
        found.append(Planned(step, run, done, (run.folder / "config.json").exists(), seconds))
    return found
