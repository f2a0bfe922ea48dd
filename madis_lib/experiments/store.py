"""Work that is done once: results under the hash of all they depend on.

A run's folder is named by its configuration, the keys of the runs it builds on and the versions of
the method modules it uses.  Change any of them and it is another run; change a comment, or add an
option that stays at its default, and it is not.  ``made.json`` says with what it was made;
``result.json`` is written last, so a folder with one is complete.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from madis_lib.distributed import ALONE, World
from madis_lib.experiments import provenance
from madis_lib.files import atomic_write

MADE = "made.json"
# Raised when a change alters results of earlier runs.
VERSIONS = {
    "signworld": 1, "tokenizer": 1, "model": 1, "siclip": 1, "sampler": 2, "metrics": 2,
    "translator": 1, "release": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A finished piece of work."""

    name: str
    key: str  # hexadecimal, 16 digits
    folder: Path
    result: dict[str, Any]
    made: dict[str, Any]  # when, from which commit, on what device, in how many seconds


class UnfinishedRunError(FileNotFoundError):
    """A run that was only to be found has not been made."""


def key_of(config: object) -> str:
    """16 hexadecimal digits that change with any value in ``config``."""
    plain = json.dumps(config, sort_keys=True, default=_plain)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    if isinstance(value, Run):
        return value.key
    if is_dataclass(value) and not isinstance(value, type):
        values = {f.name: (getattr(value, f.name), f) for f in fields(value)}
        return {name: v for name, (v, f) in values.items() if v != _default(f)}
    raise TypeError(f"{value!r} cannot be part of a run's configuration")


def _default(field: Field) -> object:
    """A field's default; what equals it is left out of a key, so that new options keep old runs."""
    return field.default if field.default_factory is MISSING else field.default_factory()


class Store:
    """Finished and unfinished runs below one folder.

    Of several processes (``world``) all ask for the same runs in the same order; the first one
    looks, locks and writes, and all see the same folder.
    """

    def __init__(self, root: str | Path, world: World = ALONE) -> None:
        self.root, self.world = Path(root), world
        self._may_work = True

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, this process asks for runs by itself; the others are elsewhere."""
        before, self.world = self.world, ALONE
        try:
            yield
        finally:
            self.world = before

    @contextmanager
    def only_finding(self) -> Iterator[None]:
        """Within, a run that is not finished is an UnfinishedRunError; nothing is made."""
        self._may_work = False
        try:
            yield
        finally:
            self._may_work = True

    def run(
        self,
        name: str,
        config: Mapping[str, object],
        uses: tuple[str, ...],
        work: Callable[[Path], dict[str, Any]],
        together: bool = False,
    ) -> Run:
        """The run for ``config``: found, or made now by ``work(folder)``.

        Args:
            name: what a reader calls it, such as "finetuned-csl".
            config: all that decides the result (plain values, dataclasses).
            uses: modules whose :data:`VERSIONS` count.
            work: fills the folder and returns the result; it may find what a killed run left.
            together: all processes of ``world`` do the work, of which only the first writes files;
                else the first does it and the others wait.

        Other processes that ask for the same run wait for the one that makes it.
        """
        config = {**config, "versions": {m: VERSIONS[m] for m in uses}}
        key = key_of(config)
        folder = self.root / f"{name}-{key}"
        result_file = folder / "result.json"
        if not self._may_work and _read(result_file) is None:
            raise UnfinishedRunError(f"{folder}: this run is not finished")
        folder.mkdir(parents=True, exist_ok=True)
        world = self.world
        with FileLock(folder / ".lock") if world.first else nullcontext():
            result = _read(result_file) if world.first else None
            if not world.decide(result is not None):
                resumed = (folder / "config.json").exists()
                if world.first:
                    _write(folder / "config.json", config)
                begun, clock = datetime.now(UTC), time.monotonic()
                if together:
                    result = work(folder)
                elif world.first:
                    with self.alone():
                        result = work(folder)
                if world.first:
                    made = {
                        "begun": begun.isoformat(timespec="seconds"),
                        "seconds": round(time.monotonic() - clock, 1),
                        "resumed": resumed,  # then the seconds are those since the last kill
                        "processes": world.size if together else 1,
                        **provenance.environment(),
                        "peak_memory_mb": provenance.peak_memory_mb(),
                    }
                    _write(folder / MADE, made)
                    _write(result_file, result)
                world.decide(True)  # now it can be read
        if result is None:
            result = _read(result_file) or {}
        return Run(name, key, folder, result, _read(folder / MADE) or {})

    def listing(self) -> list[str]:
        """A line for every run, oldest first; the first line names the columns."""
        folders = [f for f in self.root.glob("*-*") if (f / "config.json").is_file()]
        rows = [("run", "key", "state", "seconds", "MB", "age")]
        rows += map(_row, sorted(folders, key=_began))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]


def _began(folder: Path) -> float:
    return (folder / "config.json").stat().st_mtime


def _row(folder: Path) -> tuple[str, str, str, str, str, str]:
    name, key = folder.name.rsplit("-", 1)
    done, made = (folder / "result.json").exists(), _read(folder / MADE) or {}
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    seconds = f"{made['seconds']:.0f}" if "seconds" in made else "-"
    age = _age(time.time() - _began(folder))
    return name, key, "done" if done else "unfinished", seconds, f"{size / 1e6:.1f}", age


def _age(seconds: float) -> str:
    """A duration in its largest whole unit, such as "3 h"."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _write(path: Path, value: object) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, default=_plain))


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError:
        logging.getLogger(__name__).warning("%s is damaged: making this run again", path)
        return None
