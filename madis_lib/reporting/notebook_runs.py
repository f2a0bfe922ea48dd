"""Executing the notebooks with a preset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from madis_lib import presets
from madis_lib.experiments.workers import at_once, side_by_side

SOURCE = Path(__file__).parents[2] / "notebooks"


class NotebookError(ValueError):
    """A cell failed."""


def jobs(
    preset: str, home: Path, folder: Path, source: Path = SOURCE
) -> dict[str, Callable[[], None]]:
    """What executes every notebook of ``source`` into ``folder``, by the notebook's file name.

    Each gets the parameters PRESET and HOME; the kernel is "python3".  A job raises a NotebookError
    that names the notebook, the cell and its error.
    """
    parameters = {"PRESET": preset, "HOME": str(home.resolve())}
    # the later ones train more: from the end, so that none of them is left alone at last
    found = sorted(source.glob("*.ipynb"), reverse=True) if source.is_dir() else []
    return {path.name: partial(_execute, path, folder / path.name, parameters) for path in found}


def execute(
    preset: str, home: Path, folder: Path, source: Path = SOURCE, say: Callable[[str], None] = print
) -> None:
    """Execute the notebooks of ``source``, as many at a time as there are cores; see :func:`jobs`."""
    found = jobs(preset, home, folder, source)
    if not found:
        say(f"no notebooks in {source}: skipped")
    for name, _ in side_by_side(list(found.items()), at_once(presets.get(preset))):
        say(f"executed {name}")


def _execute(notebook: Path, out: Path, parameters: dict[str, str]) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    out.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the kernel: others run beside it
    try:
        with _importable():
            papermill.execute_notebook(
                notebook,
                out,
                parameters=parameters,
                kernel_name="python3",
                language="python",
                log_output=False,
                progress_bar=False,
                cwd=notebook.parent,
            )
    except PapermillExecutionError as error:
        raise NotebookError(
            f"{notebook}: cell {error.exec_count} failed with {error.ename}: {error.evalue}; "
            f"what it printed is in {out}"
        ) from None


@contextmanager
def _importable() -> Iterator[None]:
    """Let kernels import this very package, installed or not."""
    before = os.environ.get("PYTHONPATH")
    paths = [str(Path(__file__).parents[2]), *([before] if before else [])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
