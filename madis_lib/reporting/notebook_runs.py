"""Executing the notebooks with a preset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "notebooks"


def execute(
    preset: str, home: Path, folder: Path, source: Path = SOURCE, say: Callable[[str], None] = print
) -> list[Path]:
    """Execute every notebook of ``source``, one at a time, into ``folder``.

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

    import papermill
    from papermill.exceptions import PapermillExecutionError

    folder.mkdir(parents=True, exist_ok=True)
    done = []
    for notebook in found:
        out = folder / notebook.name
        try:
            with _importable():
                papermill.execute_notebook(
                    notebook,
                    out,
                    parameters={"PRESET": preset, "HOME": str(home.resolve())},
                    kernel_name="python3",
                    language="python",
                    log_output=False,
                    progress_bar=False,
                    cwd=source,
                )
        except PapermillExecutionError as error:
            raise ValueError(
                f"{notebook}: cell {error.exec_count} failed with {error.ename}: {error.evalue}; "
                f"what it printed is in {out}"
            ) from None
        say(f"executed {notebook.name}")
        done.append(out)
    return done


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
