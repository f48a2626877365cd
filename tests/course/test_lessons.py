"""Every lesson has the shape of one, and a student's copy of it, run unanswered, tells no outcome."""

import asyncio
import html
import json
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from shape import asked, broken, calls, cells, constants_in, minutes, sittings

from wslab.course import quiz
from wslab.course.copies import SOLUTION, source_folder, student
from wslab.course.lesson import misconceptions
from wslab.course.prediction import NOT_SHOWN, NOT_YET, WAITING

IN_A_PAGE = {"09", "11"}  # lessons of which a part happens in a page, and is asserted by tests that drive one
LESSONS = sorted(source_folder().glob("*.ipynb"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_it_has_the_shape_of_a_lesson(path: Path):
    assert broken(path) == []


@pytest.mark.parametrize("path", sorted(source_folder().glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_constant_reaches_a_reveal(path: Path):
    assert list(constants_in(path)) == []


class Rows(HTMLParser):
    """The cells of a table's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Begin a row or a cell."""
        if tag == "tr":
            self.rows.append([])
        self._inside = tag in ("td", "th") or (self._inside and tag not in ("tr", "table", "caption"))
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        """Text of a cell."""
        if self._inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def outcomes(path: Path) -> Iterator[tuple[str, str]]:
    """The cell of each reveal and an outcome that its stored output tells."""
    for cell in cells(path):
        if calls(cell, "reveal"):
            for output in cell["outputs"]:
                parser = Rows()
                parser.feed("".join(output.get("data", {}).get("text/html", "")))
                told = [row[2].strip() for row in parser.rows[1:] if len(row) >= 4]
                yield from ((cell["id"], was) for was in told if was != NOT_SHOWN)


def said(cell: Any) -> str:
    """What the outputs of a cell say, without markup."""
    parts: list[str] = []
    for output in cell.get("outputs", []):
        parts += ["".join(output.get("text", "")), *("".join(text) for text in output.get("data", {}).values())]
    return html.unescape("\n".join(parts))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs a student's copy once."""
    done: dict[Path, Any] = {}

    def run(path: Path) -> Any:
        if path not in done:
            folder = tmp_path_factory.mktemp("student")
            notebook = nbformat.reads(json.dumps(student(json.loads(path.read_text("utf-8")))), as_version=4)
            client = NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}})
            asyncio.run(client.async_execute(env={**os.environ, "WSLAB_EDITION": "student"}))
            done[path] = notebook
        return done[path]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_students_copy_that_nobody_answered_tells_no_outcome(path: Path, ran: Any):
    notebook = ran(path)
    shown = "\n".join("".join(cell["source"]) + "\n" + said(cell) for cell in notebook.cells)
    for one in asked(path):
        for sentence in [one.meaning, *(why for case in one.cases.values() for why in case.because.values())]:
            assert not sentence or sentence not in shown, f"{one.name}: {sentence}"
    options = {option for one in asked(path) for case in one.cases.values() for option in case.kind.form()["options"]}
    told = {was for _, was in outcomes(path) if len(was) > 2 and was not in options}
    # A form shows its question, in which an outcome may stand among other things.
    outputs = {
        cell["id"]: said(cell)
        for cell in notebook.cells
        if not calls({**cell, "source": "".join(cell.source)}, "predict")
    }
    seen = [
        f"{cell} tells {was}"
        for was in sorted(told)
        for cell, text in outputs.items()
        if re.search(rf"(?<![\w]){re.escape(was)}(?![\w])", text)
    ]
    assert seen == []
    for cell in notebook.cells:
        if cell.cell_type == "code" and calls({**cell, "source": "".join(cell.source)}, "reveal"):
            assert WAITING in said(cell)
            assert NOT_YET in said(cell)


def test_the_whole_course_takes_the_minutes_that_it_says():
    assert all(10 <= minutes(path) / sittings(path) <= 40 for path in LESSONS if path.name[2] != "b")


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_what_many_say_is_a_surprise_with_its_reason(path: Path):
    """Strict nbval holds these stored outputs, in which the usual answers stand, to what each run records."""
    seen = 0
    for cell in cells(path):
        if calls(cell, "reveal"):
            for output in cell["outputs"]:
                parser = Rows()
                parser.feed("".join(output.get("data", {}).get("text/html", "")))
                for case, many_say, it_was, verdict, why in (row for row in parser.rows[1:] if len(row) == 5):
                    seen += 1
                    if it_was.strip() == NOT_SHOWN:  # a test in tests/browser asserts it
                        assert path.name[:2] in IN_A_PAGE, f"{case}: nothing tells what it was"
                        continue
                    assert verdict.strip() == "surprise", f"{case}: many say {many_say}, it was {it_was}"
                    assert why.strip(), f"{case}: no reason"
    assert seen >= sum(len(one.cases) for one in asked(path) if not one.name.endswith(".quiz"))


QUIZZES = [path.name[:2] for path in LESSONS if any(calls(cell, "quiz") for cell in cells(path))]


@pytest.mark.parametrize("lesson", QUIZZES)
def test_each_question_of_a_quiz_has_its_answer_and_a_reason_for_what_many_say(lesson: str):
    asked = quiz(lesson).asked.cases
    assert len(asked) == 5
    for case in asked.values():
        assert not case.kind.same(case.was, case.usual)
        assert case.why(case.usual)
        assert not case.why(case.was)
        if options := case.kind.form()["options"]:
            assert {case.was, case.usual, *case.because} <= set(options)


def test_each_misconception_of_these_lessons_has_its_prediction():
    told = {number for path in LESSONS for one in asked(path) for number in one.misconceptions}
    assert told == set(misconceptions())


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_students_copy_holds_no_solution(path: Path):
    notebook = json.loads(path.read_text("utf-8"))
    handed_out = "\n".join("".join(cell["source"]) for cell in student(notebook)["cells"])
    for solution in SOLUTION.findall("\n".join("".join(cell["source"]) for cell in notebook["cells"])):
        for line in solution.splitlines()[1:-1]:
            assert len(line.strip()) < 15 or line.strip() not in handed_out
    assert "SOLUTION" not in handed_out
