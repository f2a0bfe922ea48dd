"""Work that is done once: results under the hash of all they depend on.

A run's folder is named by its configuration, the keys of the runs it builds on and the versions of
the method modules it uses.  Change any of them and it is another run; change a comment and it is
not.  ``result.json`` is written last, so a folder with one is complete.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from madis_lib.files import atomic_write

# Raised when a change alters results of earlier runs.
VERSIONS = {"signworld": 1, "tokenizer": 1, "model": 1, "sampler": 1, "metrics": 1}


@dataclass(frozen=True)
class Run:
    """A finished piece of work."""

    name: str
    key: str  # hexadecimal, 16 digits
    folder: Path
    result: dict[str, Any]


def key_of(config: object) -> str:
    """16 hexadecimal digits that change with any value in ``config``."""
    plain = json.dumps(config, sort_keys=True, default=_plain)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    if isinstance(value, Run):
        return value.key
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} cannot be part of a run's configuration")


class Store:
    """Finished and unfinished runs below one folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def run(
        self,
        name: str,
        config: Mapping[str, object],
        uses: tuple[str, ...],
        work: Callable[[Path], dict[str, Any]],
    ) -> Run:
        """The run for ``config``: found, or made now by ``work(folder)``.

        Args:
            name: what a reader calls it, such as "finetuned-csl".
            config: all that decides the result (plain values, dataclasses).
            uses: modules whose :data:`VERSIONS` count.
            work: fills the folder and returns the result; it may find what a killed run left.

        Processes that ask for the same run wait for the one that makes it.
        """
        config = {**config, "versions": {m: VERSIONS[m] for m in uses}}
        key = key_of(config)
        folder = self.root / f"{name}-{key}"
        result_file = folder / "result.json"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            result = _read(result_file)
            if result is None:
                with atomic_write(folder / "config.json") as temporary:
                    temporary.write_text(json.dumps(config, indent=1, default=_plain))
                result = work(folder)
                with atomic_write(result_file) as temporary:
                    temporary.write_text(json.dumps(result, indent=1))
        return Run(name, key, folder, result)


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError:
        logging.getLogger(__name__).warning("%s is damaged: making this run again", path)
        return None
