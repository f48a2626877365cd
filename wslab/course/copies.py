"""Editions of the course as files: students' and teachers' notebooks, nbgrader's sources, and a learner's working copy.

Theory. There is one source, the author's notebooks, with outputs and solutions. Every other edition is made of it: a
student's copy has no outputs and no solutions, a teacher's has notes beside both. A working copy belongs to its
learner: a notebook in it that was touched is never written over.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from .lesson import Asked
from .plan import half_the_room, imported, plan, predictions

SOLUTION = re.compile(r"### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)
STUB = "raise NotImplementedError"
WORKING_COPY = "wslab-notebooks"
LAID_OUT = ".wslab-copy.json"  # what a working copy was given: by notebook, the hash of what was laid out
CALLED = re.compile(r"await (\w+)\.check\((\w+)\)")

Notebook = dict[str, Any]


def source_folder() -> Path:
    """Where the author's notebooks are: the checkout's folder, else the installed one."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "notebooks"
    return checkout if any(checkout.glob("00-*.ipynb")) else package / "notebooks"


def sources() -> dict[str, Notebook]:
    """The author's notebooks by file name, in order."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(source_folder().glob("*.ipynb"))}


def student(notebook: Notebook) -> Notebook:
    """A student's copy: without outputs, and with a stub in place of each solution."""
    made = _marked(notebook, "student")
    for cell in _code(made):
        cell.update(outputs=[], execution_count=None)
        _write(cell, SOLUTION.sub(STUB, _source(cell)))
    return made


def teacher(notebook: Notebook) -> Notebook:
    """A teacher's copy: outputs, solutions, a plan at its beginning, and a note at each prediction: what to ask, and
    what to say to whom."""
    made = _marked(notebook, "teacher")
    cells = [_markdown("plan", plan(made["cells"]))]
    for cell in made["cells"]:
        cells.append(cell)
        cells += [_markdown(f"note-{cell['id']}", _note(asked)) for asked in predictions(cell)]
    made["cells"] = cells
    return made


def _markdown(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name[:64], "metadata": {}, "source": _lines(text)}


def nbgrader(notebook: Notebook) -> Notebook:
    """A source for ``nbgrader generate_assignment``: the cell of each solution, and a test cell that gives points.

    The test cell's last value is the number of points, which nbgrader takes as partial credit.
    """
    made = _marked(notebook, "student")
    cells: list[dict[str, Any]] = []
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
        cells.append(cell)
        if SOLUTION.search(_source(cell)):
            cell["metadata"]["nbgrader"] = _graded(cell["id"], solution=True)
        for name, answer in CALLED.findall(_source(cell)) if cell["cell_type"] == "code" else ():
            points = getattr(import_module(imported(made["cells"], name)), name).points
            test = f"points-{cell['id']}"[:64]
            cells.append(
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "id": test,
                    "metadata": {"nbgrader": {**_graded(test, grade=True), "points": points}},
                    "outputs": [],
                    "source": _lines(f"verdict = await {name}.check({answer})\nverdict.points()"),
                }
            )
    made["cells"] = cells
    return made


def _graded(name: str, *, solution: bool = False, grade: bool = False) -> dict[str, Any]:
    return {
        "schema_version": 3, "cell_type": "code", "grade_id": name, "solution": solution, "grade": grade,
        "locked": grade, "task": False,
    }  # fmt: skip


EDITIONS: dict[str, Callable[[Notebook], Notebook]] = {"student": student, "teacher": teacher, "nbgrader": nbgrader}


def write_edition(kind: str, folder: Path) -> list[Path]:
    """Write an edition of every lesson: the notebooks, and for students a zip of each beside them.

    Args:
        kind: one of ``EDITIONS``. nbgrader's has a folder for each lesson, ``source/02/02-....ipynb``.
        folder: where to; it is made, and files of the same names are replaced.

    Returns:
        What was written.
    """
    written: list[Path] = []
    for name, notebook in sources().items():
        text = _text(EDITIONS[kind](notebook))
        place = folder / "source" / name[:2] if kind == "nbgrader" else folder
        if kind == "nbgrader" and not any(CALLED.search(_source(cell)) for cell in _code(notebook)):
            continue
        place.mkdir(parents=True, exist_ok=True)
        path = place / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
        if kind == "student":
            packed = path.with_suffix(".zip")
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
                file.writestr(name, text)
            written.append(packed)
    return written


def working_copy(folder: Path) -> list[str]:
    """Lay out a student's copy of the course, or bring it up to date. Nothing that was touched is written over.

    Args:
        folder: the learner's folder; it is made.

    Returns:
        What a learner should know, a sentence each: which lessons have a newer version beside their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    laid = _laid(folder)
    told: list[str] = []
    for name, notebook in sources().items():
        path, text = folder / name, _text(student(notebook))
        new = _hash(text)
        if not path.exists() or _hash(path.read_text(encoding="utf-8")) == laid.get(name):
            path.write_text(text, encoding="utf-8")
        elif laid.get(name) != new:
            beside = path.with_name(f"{path.stem}.new.ipynb")
            beside.write_text(text, encoding="utf-8")
            told.append(f"{name} has a newer version, which stands beside yours as {beside.name}.")
        laid[name] = new
    (folder / LAID_OUT).write_text(json.dumps(laid, indent=1), encoding="utf-8")
    return told


def fresh(folder: Path, lesson: str) -> list[str]:
    """Start a lesson of a working copy again. The old notebook is kept beside the new one.

    Args:
        folder: the working copy.
        lesson: its number, such as ``02``.

    Returns:
        A sentence for each notebook: where the old one is.

    Raises:
        LookupError: there is no such lesson.
    """
    notebooks = {name: one for name, one in sources().items() if re.match(rf"{re.escape(lesson)}b?-", name)}
    if not notebooks:
        numbers = sorted({name[:2] for name in sources()})
        raise LookupError(f"lesson {lesson!r}: there is none; expected one of {', '.join(numbers)}")
    working_copy(folder)
    laid = _laid(folder)
    told: list[str] = []
    for name, notebook in notebooks.items():
        path, text = folder / name, _text(student(notebook))
        if path.read_text(encoding="utf-8") == text:
            continue
        kept = next(_free(path))
        path.rename(kept)
        path.write_text(text, encoding="utf-8")
        laid[name] = _hash(text)
        told.append(f"{name} is fresh; your old one is {kept.name}.")
    (folder / LAID_OUT).write_text(json.dumps(laid, indent=1), encoding="utf-8")
    return told


def _free(path: Path) -> Iterator[Path]:
    """Names for what is kept of a notebook, that no file has."""
    number = 1
    while True:
        kept = path.with_name(f"{path.stem}.old{number}.ipynb")
        if not kept.exists():
            yield kept
        number += 1


def _laid(folder: Path) -> dict[str, str]:
    try:
        told = json.loads((folder / LAID_OUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(notebook: Notebook) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _marked(notebook: Notebook, edition: str) -> Notebook:
    made = copy.deepcopy(notebook)
    made["metadata"]["wslab"] = {"edition": edition}
    return made


def _code(notebook: Notebook) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def _write(cell: dict[str, Any], source: str) -> None:
    cell["source"] = _lines(source)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _note(asked: Asked) -> str:
    lines = [f"**For the teacher.** Ask: {asked.question} Two minutes, and each learner writes an answer down."]
    lines += half_the_room(asked)
    if asked.meaning:
        lines.append(f"\nTo say at the end: {asked.meaning}")
    return "\n".join(lines)
