"""What is said on stdout while runs are made."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from madis_lib.experiments import schedule
from madis_lib.experiments.registry import Step
from madis_lib.experiments.schedule import Planned
from madis_lib.experiments.store import Run


class Narrator:
    """Numbered lines, with what came out of each step and how long the rest will take.

    Args:
        planned: the steps to come.
        at_once: how many of them are made at a time.
        more: how many other things (:meth:`step`) follow them.
    """

    def __init__(self, planned: list[Planned], at_once: int, more: int = 0) -> None:
        self._at_once = at_once
        self._left = {p.step.title: p for p in planned}
        self._fresh = {p.step.title for p in planned if not p.done}
        self._count, self._total = 0, len(planned) + more

    def line(self, text: str) -> None:
        print(text, flush=True)

    def detail(self, text: str) -> None:
        print(f"        {text}", flush=True)

    def _announce(self, title: str) -> None:
        self._count += 1
        self.line(f"[{self._count:{len(str(self._total))}d}/{self._total}] {title}")

    def began(self, step: Step) -> None:
        """A step is about to be made by itself."""
        self.detail(f"making {step.title} …")

    def told(self, step: Step, run: Run) -> None:
        """A step is finished."""
        self._left.pop(step.title)
        self._announce(step.title)
        how = "found from an earlier run"
        if step.title in self._fresh:
            how = f"done in {duration(run.made['seconds'])}{self._rest()}"
        self.detail(f"{step.told(run)}; {how}")

    def _rest(self) -> str:
        """Such as ", about 3 min left", where enough is known of what is left."""
        seconds, unknown = schedule.remaining(list(self._left.values()), self._at_once)
        return "" if unknown or seconds < 1 else f"; runs: about {duration(seconds)} left"

    def step(self, title: str, work: Callable[[], Any]) -> None:
        """Do something that is not a run."""
        begun = time.monotonic()
        self._announce(title)
        work()
        self.detail(f"done in {duration(time.monotonic() - begun)}")

    def done(self, title: str, seconds: float) -> None:
        """Something that is not a run was done elsewhere."""
        self._announce(title)
        self.detail(f"done in {duration(seconds)}")


def show_plan(planned: list[Planned], at_once: int) -> list[str]:
    """What would be made: a line for every step, and how long it would take in all, ``at_once`` at a
    time, if most of that is known.
    """
    lines = [("state", "takes", "step")]
    for p in planned:
        takes = "–" if p.done else "?" if p.seconds is None else duration(p.seconds)
        lines.append((p.state, takes, p.step.title))
    widths = [max(len(line[i]) for line in lines) for i in range(2)]
    shown = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c}" for a, b, c in lines]
    seconds, unknown = schedule.remaining(planned, at_once)
    left = sum(not p.done for p in planned)
    told = f"{left} of {len(planned)} to make"
    known = 2 * unknown < left
    if known:
        told += f", about {duration(seconds)}, {at_once} at a time"
    if unknown:
        told += f"{' and' if known else ','} {unknown} that were never timed here"
    if not left:
        told = f"all {len(planned)} are done"
    if kept := sum(p.kept for p in planned):
        told += (
            f"; of {kept} only the results are here, kept with the report (--force makes them anew)"
        )
    return [*shown, told]


def duration(seconds: float) -> str:
    """Such as "3 min 20 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
