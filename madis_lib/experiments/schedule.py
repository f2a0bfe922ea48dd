"""Making the runs of a report: what is there, what is missing, how long it takes, in which order."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from madis_lib import train
from madis_lib.experiments import registry, workers
from madis_lib.experiments.registry import Step
from madis_lib.experiments.store import RESULT, Run
from madis_lib.experiments.suite import Suite


@dataclass(frozen=True)
class Planned:
    """A step before it is made; ``run`` is only named, and None where even that needs other runs."""

    step: Step
    run: Run | None
    done: bool
    begun: bool
    seconds: float | None  # that a run of this name takes; None: none was made yet
    kept: bool = False  # done, and only its result is here, beside the report

    @property
    def state(self) -> str:
        if self.done:
            return "kept" if self.kept else "done"
        return "begun" if self.begun else "to do"


def plan(
    suite: Suite,
    only: Collection[str] = (),
    elsewhere: Mapping[str, float] | None = None,
    force: bool = False,
) -> list[Planned]:
    """The steps of some artefacts, or of the whole suite, and what is done of them.

    Args:
        only: artefacts; none: all.
        elsewhere: seconds of runs by the title of their step, where they are known so well; of others
            what runs of the same name took here.
        force: as if what is asked for were not there.

    Raises:
        ValueError: an artefact that has no runs here.
    """
    found = {}
    pairs = zip(registry.steps(suite), registry.steps(suite.named), strict=True)
    for step, named in pairs:
        try:
            run = named.find()
        except FileNotFoundError:  # of what was not made yet
            found[step.title] = Planned(step, None, False, False, None)
            continue
        store = suite.store.beside(run.folder.parent.name)
        seconds = (elsewhere or {}).get(step.title) or store.expected_seconds(run.name)
        begun, done = (run.folder / "config.json").exists(), store.find(run.folder) is not None
        if force and is_asked_for(step, only):
            done = begun = False
        kept = done and not (run.folder / RESULT).exists()
        found[step.title] = Planned(step, run, done, begun, seconds, kept)
    # what is finished needs nothing made again; but processes that train together all go through
    # the same steps, whatever one of them finds, and make a step's parts within it
    alone = suite.store.world.size == 1
    finished = {title for title, p in found.items() if p.done and alone}
    chosen = registry.chosen(suite, only, finished) if only else [p.step for p in found.values()]
    return [
        found[step.title] for step in chosen
        if not step.part_of
        or (alone and (found[step.title].done or step.part_of not in finished))
    ]  # fmt: skip


def is_asked_for(step: Step, only: Collection[str]) -> bool:
    """By name, and not as what another one needs."""
    return not only or bool(set(step.serves) & set(only))


def remaining(planned: list[Planned]) -> tuple[float, int]:
    """Seconds of all that is to do, for as many cores as there are, and how many steps of that are
    not known.
    """
    left = [p for p in planned if not p.done]
    known = [p.seconds for p in left if p.seconds is not None]
    return sum(known) / workers.cores(), len(left) - len(known)


def make(
    suite: Suite,
    planned: list[Planned],
    told: Callable[[Step, Run], None],
    began: Callable[[Step], None] = lambda step: None,
    until: float | None = None,
) -> list[dict[str, Any]]:
    """Make or find every step's run; name, key and with what it was made of each, in their order.

    On several cores, and as one process, the runs that are missing are made side by side, each as
    soon as what it needs is there.

    Args:
        told: called with every step and its run, as they finish.
        began: called with a step that is about to be made by itself.
        until: epoch seconds after which nothing begins, and training stops at a checkpoint.

    Raises:
        OutOfTimeError: ``until`` is over; what is finished stays.
        Whatever making a run raises.
    """
    found: dict[str, Run] = {}

    def finish(step: Step) -> None:
        run = found[step.title] = step.find()
        if step.kept:
            suite.store.keep(run)
        told(step, run)

    alone = suite.store.world.size == 1  # else all processes take the steps in one order
    for p in planned:
        if p.done and alone:
            finish(p.step)
    missing = {p.step.title: p.step for p in planned if not p.done}
    if alone and workers.cores() > 1 and len(missing) > 1:
        jobs = [(title, step.find) for title, step in missing.items()]
        needs = {title: step.needs for title, step in missing.items()}
        for title, _ in workers.side_by_side(jobs, needs=needs, until=until):
            finish(missing[title])
    else:
        train.stop_at(until)
        try:
            for p in planned:
                if p.step.title not in found:
                    if alone and until is not None and time.time() > until:
                        raise train.OutOfTimeError(f"{len(planned) - len(found)} are left")
                    began(p.step)
                    finish(p.step)
        finally:
            train.stop_at(None)
    return [
        {"title": p.step.title, "name": r.name, "key": r.key, "made_now": not p.done, **r.made}
        for p in planned
        if (r := found[p.step.title])
    ]
