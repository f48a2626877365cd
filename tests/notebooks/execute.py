"""Executes notebooks and stores their outputs in place: ``python tests/notebooks/execute.py [notebook ...]``.

What is stored is what strict nbval compares, and nothing that differs from one run to the next: no execution
times. Of a panel it is its text and HTML, since nobody attends: JupyterLab would show "model not found" in the place of
a live view.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

COURSE = Path(__file__).resolve().parents[2] / "notebooks"
TIMEOUT = 30
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path: Path) -> str | None:
    """Execute one notebook and write it back.

    Returns None, or the first cell's error; then the notebook is written all the same, with the error in it.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
    )
    error = None
    try:
        client.execute()
    except CellExecutionError as failure:
        error = str(failure)
    settle(notebook)
    nbformat.write(notebook, path)
    return error


def settle(notebook: Any) -> None:
    """Remove what differs from run to run or from machine to machine."""
    notebook.metadata = nbformat.from_dict(METADATA)


def main(names: list[str]) -> int:
    """Execute the named notebooks, or the whole course; the exit status."""
    failed = False
    for path in [Path(name).resolve() for name in names] or sorted(COURSE.glob("*.ipynb")):
        error = execute(path)
        print(f"{'failed' if error else 'executed'} {path.name}", flush=True)
        if error:
            failed = True
            print(error, file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
