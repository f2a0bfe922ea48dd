"""Execute the committed notebooks in place and normalise them: ``python tools/execute_notebooks.py``.

Outputs are kept, what changes from run to run is not: times, kernel details, standard error.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from madis_lib.files import atomic_write

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def execute(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=3600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    count = 0
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    with atomic_write(path) as temporary:
        nbformat.write(notebook, temporary)


if __name__ == "__main__":
    names = sys.argv[1:]
    for path in sorted(NOTEBOOKS.rglob("*.ipynb")):
        if not names or any(path.name.startswith(n) for n in names):
            print(path.name, flush=True)
            execute(path)
