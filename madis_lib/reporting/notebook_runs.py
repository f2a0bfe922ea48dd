"""Executing the notebooks with a preset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from madis_lib.experiments.workers import side_by_side

SOURCE = Path(__file__).parents[2] / "notebooks"


def execute(
    preset: str, home: Path, folder: Path, source: Path = SOURCE, say: Callable[[str], None] = print
) -> list[Path]:
    """Execute every notebook of ``source`` into ``folder``, as many at a time as there are cores.

    Each gets the parameters PRESET and HOME; the kernel is "python3".

    Returns:
        the executed notebooks; none, with a note, when there is no ``source``.

    Raises:
        ValueError: a cell failed; names the notebook, the cell and its error.
    """
    found = sorted(source.glob("*.ipynb")) if source.is_dir() else []
    if not found:
        say(f"no notebooks in {source}: skipped")
        return []

    folder.mkdir(parents=True, exist_ok=True)
    parameters = {"PRESET": preset, "HOME": str(home.resolve())}
    jobs = [(path.name, partial(_execute, path, folder / path.name, parameters)) for path in found]
    # the later ones train more: from the end, so that none of them is left alone at last
    for name, _ in side_by_side(jobs[::-1]):
        say(f"executed {name}")
    return [folder / path.name for path in found]


def _execute(notebook: Path, out: Path, parameters: dict[str, str]) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

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
        raise ValueError(
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
