"""Work that is done once: results under the hash of all they depend on.

A run's folder is named by its configuration, the keys of the runs it builds on and the versions of
the method modules it uses.  Change any of them and it is another run; change a comment, or add an
option that stays at its default, and it is not.  ``made.json`` says with what it was made, and
what the files were; ``result.json`` is written last, so a folder with one is complete.

Results that took long are also kept beside the reports (:meth:`Store.keep`): small files, without
weights, that are found where the folder is not there.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import time
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from madis_lib.distributed import ALONE, World
from madis_lib.experiments import provenance
from madis_lib.files import atomic_write, write_text

MADE, RESULT, CHECKPOINT = "made.json", "result.json", "checkpoint.pt"
OWN_FILES = (MADE, RESULT, CHECKPOINT, "config.json", ".lock")
FEW = 50  # files of a run that are remembered one by one; a corpus has thousands
log = logging.getLogger(__name__)
Found = TypeVar("Found")
Key = TypeVar("Key", bound=Hashable)
# Raised when a change alters results of earlier runs.
VERSIONS = {
    "signworld": 1, "tokenizer": 1, "model": 1, "siclip": 1, "sampler": 2, "metrics": 2,
    "translator": 1, "release": 1, "rivals": 1,
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


class BusyRunError(OSError):
    """Another process makes this run, and it was not to be waited for."""


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

    waits = True  # for a run that another process makes; else BusyRunError

    def __init__(
        self, root: str | Path, world: World = ALONE, kept: Path | None = None, names: bool = False
    ) -> None:
        """
        Args:
            kept: folder of results that were kept without their runs.
            names: a store that makes, reads and writes nothing: its runs have a key and no result.
        """
        self.root, self.world, self.kept, self.names = Path(root), world, kept, names
        self._may = {"work": True}

    def beside(self, name: str) -> Store:
        """The store of another preset, in which the same is allowed as in this one."""
        other = Store(self.root.parent / name, self.world, self.kept, self.names)
        other._may = self._may
        return other

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
        before, self._may["work"] = self._may["work"], False
        try:
            yield
        finally:
            self._may["work"] = before

    def look_for(self, find: Callable[[], Found]) -> Found | None:
        """What ``find`` returns; None where a run that it asks for is not finished."""
        with self.only_finding():
            try:
                return find()
            except UnfinishedRunError:
                return None

    def finished(self, among: Iterable[Key], find: Callable[[Key], Found]) -> dict[Key, Found]:
        """What ``find`` returns by key, where all that it asks for is finished; nothing is made."""
        found = {key: self.look_for(partial(find, key)) for key in among}
        return {key: of for key, of in found.items() if of is not None}

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
        if self.names:
            return Run(name, key, folder, {}, {})
        if not self._may["work"]:
            found = self.find(folder)
            if found is None:
                raise UnfinishedRunError(f"{folder}: this run is not finished")
            return Run(name, key, folder, *found)
        world = self.world
        with self._locked(folder) if world.first else nullcontext():
            found = self.find(folder) if world.first else None
            if not world.decide(found is not None):
                resumed = (folder / "config.json").exists()
                if world.first:
                    plain = json.dumps(config, indent=1, default=_plain)
                    write_text(folder / "config.json", plain)
                begun, clock = datetime.now(UTC), time.monotonic()
                result: dict[str, Any] = {}
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
                        "files": _files(folder),
                    }
                    told = json.dumps(result, indent=1, default=_plain)
                    made["digests"] = {RESULT: hashlib.sha256(told.encode()).hexdigest()}
                    if not made["files"]:
                        made["digests"]["."] = _tree(folder)
                    write_text(folder / MADE, json.dumps(made, indent=1))
                    write_text(folder / RESULT, told)
                world.decide(True)  # now it can be read
                found = None
        return Run(name, key, folder, *(found or self.find(folder) or ({}, {})))

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        """The only process at this run; waits for another one, or is told that it is busy."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / ".lock", timeout=-1 if self.waits else 0):
                yield
        except Timeout:
            raise BusyRunError(f"{folder}: another process makes this run") from None

    def find(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Result of a finished run and with what it was made; None where it has to be made.

        A run is damaged, and as good as not there, when its result cannot be read or a file does
        not have the size it had.
        """
        result = _read(folder / RESULT)
        if result is not None:
            made = _read(folder / MADE) or {}
            wrong = [
                n for n, (size, _) in made.get("files", {}).items() if _size(folder / n) != size
            ]
            if not wrong:
                return result, made
            log.warning("%s is damaged: this run has to be made again", folder / wrong[0])
        kept = None if self.kept is None else _read(self.kept / f"{folder.name}.json.gz")
        return None if kept is None else (kept["result"], kept["made"])

    def damaged(self) -> list[Path]:
        """Files of finished runs that are not what they were when the run was finished; of a run of
        many files its folder.
        """
        found = []
        for path in sorted(self.root.glob(f"*/{MADE}")):
            folder = path.parent
            if not (folder / RESULT).is_file():  # forgotten, or on its way
                continue
            made = _read(path)
            if made is None:
                found.append(path)
                continue
            digests = {name: digest for name, (_, digest) in made.get("files", {}).items()}
            digests |= made.get("digests", {})
            for name, digest in digests.items():
                there = folder / name
                now = _tree(folder) if name == "." else _digest(there) if there.is_file() else ""
                if now != digest:
                    found.append(there)
        return found

    def keep(self, run: Run) -> Path | None:
        """Write a run's result into the folder of kept ones, where there is one."""
        if self.kept is None:
            return None
        path = self.kept / f"{run.folder.name}.json.gz"
        if not path.is_file():
            plain = json.dumps({"name": run.name, "made": run.made, "result": run.result})
            with atomic_write(path) as temporary:
                temporary.write_bytes(gzip.compress(plain.encode(), mtime=0))
        return path

    def forget(self, run: Run) -> None:
        """Let a run be made from its beginning when it is next asked for."""
        with self._locked(run.folder):
            for name in (RESULT, CHECKPOINT):
                (run.folder / name).unlink(missing_ok=True)
        if self.kept is not None:
            (self.kept / f"{run.folder.name}.json.gz").unlink(missing_ok=True)

    def expected_seconds(self, name: str) -> float | None:
        """What finished runs of this name took here (median); None when there is none."""
        folders = f"{name}-{16 * '[0-9a-f]'}"  # and not those of name-whole
        made = (_read(path) or {} for path in self.root.glob(f"{folders}/{MADE}"))
        took = [m["seconds"] for m in made if "seconds" in m and not m.get("resumed")]
        return median(took) if took else None

    def listing(self, titles: Mapping[str, str]) -> list[str]:
        """A line for every run, oldest first; the first line names the columns.

        Args:
            titles: by key, what to call runs beside their names.
        """
        folders = [f for f in self.root.glob("*-*") if (f / "config.json").is_file()]
        rows = [("run", "key", "state", "seconds", "MB", "age", "what")]
        rows += [(*(r := _row(f)), titles.get(r[1], "")) for f in sorted(folders, key=_began)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [
            "  ".join(
                cell.rjust(width) if 3 <= i < 6 else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]


def _began(folder: Path) -> float:
    return (folder / "config.json").stat().st_mtime


def _row(folder: Path) -> tuple[str, str, str, str, str, str]:
    name, key = folder.name.rsplit("-", 1)
    done, made = (folder / RESULT).exists(), _read(folder / MADE) or {}
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


def _read(path: Path) -> dict[str, Any] | None:
    """What a JSON object holds; None, with a warning, if it is none."""
    if not path.exists():
        return None
    try:
        raw = path.read_bytes()
        found = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error):
        found = None
    if not isinstance(found, dict):
        log.warning("%s is damaged: it is as good as not there", path)
        return None
    return found


def _left(folder: Path) -> list[Path]:
    """The files that a run left, and not those about it."""
    found = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in OWN_FILES]
    return [p for p in found if not p.name.startswith(".tmp-")]


def _files(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and digest of what a run left, unless these are many files."""
    found = _left(folder)
    if len(found) > FEW:
        return {}
    return {p.relative_to(folder).as_posix(): (p.stat().st_size, _digest(p)) for p in found}


def _tree(folder: Path) -> str:
    """One digest of all that a run left."""
    found = hashlib.sha256()
    for path in _left(folder):
        found.update(f"{path.relative_to(folder).as_posix()} {_digest(path)}\n".encode())
    return found.hexdigest()


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
