"""Grading a folder of submissions: the points of each student, and which foreseen mistake was made how often.

Theory. All submissions are read before the first of them runs, so that none can change another's. A submission's code
runs as ``wslab.course.stranger`` says, and the exercises that judge it are this package's own, whatever its notebook
says. Each student has cases of their own, from their name.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from .copies import CALLED, sources
from .exercises import Exercise, ExerciseVerdict
from .plan import imported
from .stranger import Stranger

MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?")
CANVAS = re.compile(r"(?P<login>[^_]+)_(?:LATE_)?(?P<id>\d+)_(?P<submission>\d+)_.+")
LARGEST = 64 << 20  # bytes of one notebook that are read


class Submission(NamedTuple):
    """What a student handed in."""

    student: str
    identifier: str  # Moodle's participant number, as its grading sheet writes it
    canvas: str  # Canvas's number of the user
    login: str  # the name by which Canvas knows the user
    notebooks: tuple[str, ...]  # as text


class Mark(NamedTuple):
    """What came of one exercise."""

    exercise: str  # such as ``01.server_frame``
    points: float
    most: int
    said: str  # the verdict's words
    mistake: str  # the sentence for a foreseen mistake; empty where none was made


class Task(NamedTuple):
    """An exercise of the course, and what its notebook calls the answer."""

    lesson: str
    exercise: Exercise
    answer: str

    @property
    def name(self) -> str:
        """Lesson and exercise, such as ``01.server_frame``."""
        return f"{self.lesson}.{self.exercise.name}"


class Graded(NamedTuple):
    """A student's marks."""

    submission: Submission
    marks: tuple[Mark, ...]


def tasks() -> list[Task]:
    """The exercises of the whole course, in order."""
    found: list[Task] = []
    for file, notebook in sources().items():
        for cell in notebook["cells"]:
            for name, answer in CALLED.findall("".join(cell["source"])) if cell["cell_type"] == "code" else ():
                module = imported(notebook["cells"], name)
                found.append(Task(file[:2], getattr(import_module(module), name), answer))
    return found


def submissions(folder: Path) -> list[Submission]:
    """What a folder holds: a folder, a zip or a notebook a student, named as Moodle or Canvas names them or freely.

    Raises:
        FileNotFoundError: the folder holds no notebook.
    """
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    found: dict[str, Submission] = {}
    for entry in entries:
        texts = tuple(_notebooks(entry))
        if not texts:
            continue
        one = _named(entry.name if entry.is_dir() else entry.stem, texts)
        known = found.get(one.student)
        found[one.student] = one._replace(notebooks=known.notebooks + texts) if known else one
    if not found:
        raise FileNotFoundError(f"{folder} holds no submission: expected a folder, a zip or a notebook a student")
    return list(found.values())


def _notebooks(entry: Path) -> Iterator[str]:
    if entry.is_dir():
        for path in sorted(entry.rglob("*")):
            if path.suffix in (".ipynb", ".zip") and ".ipynb_checkpoints" not in path.parts and not path.is_symlink():
                yield from _notebooks(path)
    elif entry.suffix == ".ipynb" and entry.stat().st_size <= LARGEST:
        yield entry.read_text(encoding="utf-8", errors="replace")
    elif entry.suffix == ".zip":
        try:
            with zipfile.ZipFile(entry) as packed:
                for info in packed.infolist():
                    if info.filename.endswith(".ipynb") and info.file_size <= LARGEST:
                        yield packed.read(info).decode("utf-8", "replace")
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
            return


def _named(name: str, notebooks: tuple[str, ...]) -> Submission:
    if found := MOODLE.fullmatch(name):
        return Submission(found["name"], f"Participant {found['id']}", "", "", notebooks)
    if found := CANVAS.fullmatch(name):
        return Submission(found["login"], "", found["id"], found["login"], notebooks)
    return Submission(name, "", "", "", notebooks)


def grade(folder: Path, *, processes: int | None = None) -> list[Graded]:
    """Grade every exercise of every submission in a folder.

    Args:
        folder: what ``submissions`` reads.
        processes: how many submissions are graded at once; None for one a processor.

    Returns:
        The marks, a row a student, in the order of the folder.
    """
    handed_in = submissions(folder)
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(grade_one, handed_in))


def grade_one(submission: Submission) -> Graded:
    """The marks of one submission: an exercise that it lacks is worth nothing."""
    defined = [(text, _names(text)) for text in submission.notebooks]
    marks: list[Mark] = []
    for task in tasks():
        verdicts = [asyncio.run(_judged(task, text, submission)) for text, names in defined if task.answer in names]
        best = max(verdicts, key=lambda verdict: verdict.points(), default=None)
        if best is None:
            marks.append(Mark(task.name, 0.0, task.exercise.points, "not handed in", ""))
        else:
            said = " ".join([best.heading, *best.lines])
            marks.append(Mark(task.name, best.points(), task.exercise.points, said, best.mistake))
    return Graded(submission, tuple(marks))


async def _judged(task: Task, notebook: str, submission: Submission) -> ExerciseVerdict:
    with Stranger(notebook) as stranger:
        return await task.exercise.check(stranger.answer(task.answer), seed_of=submission.student, kept=False)


def _names(notebook: str) -> set[str]:
    """The functions and classes that a notebook's text defines; none where it is no notebook."""
    try:
        cells = json.loads(notebook)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return set()
    return set(re.findall(r"^\s*(?:async\s+)?(?:def|class)\s+(\w+)", text, re.MULTILINE)) | set(
        re.findall(r"^(\w+)\s*=", text, re.MULTILINE)
    )


COLUMNS = (
    "Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Identifier", "Full name", "Grade", "Maximum grade"
)  # fmt: skip


def as_csv(graded: Sequence[Graded]) -> str:
    """A row a student, with the columns by which Canvas (the first five) and Moodle (the next four) know it."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = [mark.exercise for mark in graded[0].marks] if graded else []
    writer.writerow([*COLUMNS, *names])
    for (student, identifier, canvas, login, _), marks in graded:
        total = round(sum(mark.points for mark in marks), 2)
        row = [student, canvas, "", login, "", identifier, student, total, sum(mark.most for mark in marks)]
        writer.writerow([_safe(str(cell)) for cell in row] + [str(mark.points) for mark in marks])
    return out.getvalue()


def _safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: a student chooses the name of a file."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def report(graded: Sequence[Graded]) -> str:
    """The class report, as Markdown: for each exercise who solved it, and which foreseen mistake was made how often."""
    lines = ["# The class report", ""]
    for at, mark in enumerate(graded[0].marks if graded else ()):
        all_marks = [one.marks[at] for one in graded]
        solved = sum(one.points >= one.most for one in all_marks)
        missing = sum(one.said == "not handed in" for one in all_marks)
        untouched = sum(one.said.startswith(f"{mark.exercise.partition('.')[2]}: not begun") for one in all_marks)
        left = f"{missing} did not hand it in, and {untouched} did not begin it"
        lines += [f"## {mark.exercise}", "", f"{solved} of {len(graded)} solved it; {left}.", ""]
        mistakes = Counter(one.mistake for one in all_marks if one.mistake)
        lines += [f"- {count} × {sentence}" for sentence, count in mistakes.most_common()]
        other = sum(one.points < one.most and not one.mistake for one in all_marks) - missing - untouched
        lines += [f"- {other} × something that was not foreseen"] if other else []
        lines += [""]
    return "\n".join(lines)


def write(graded: Sequence[Graded], folder: Path) -> dict[str, Path]:
    """Write ``grades.csv``, ``report.md`` and ``verdicts.json`` (each student's words) into a folder."""
    told: dict[str, Any] = {
        one.submission.student: {mark.exercise: {"points": mark.points, "said": mark.said} for mark in one.marks}
        for one in graded
    }
    texts = {
        "grades.csv": as_csv(graded),
        "report.md": report(graded),
        "verdicts.json": json.dumps(told, indent=1, ensure_ascii=False),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return {name: folder / name for name in texts}
