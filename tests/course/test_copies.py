"""Editions hold what they should and no more, and a learner's copy is never written over."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from wslab.course import copies, plan
from wslab.course.copies import LAID_OUT, fresh, nbgrader, student, teacher, working_copy, write_edition

EXPERIMENT = '''"""A lesson's module."""
from wslab.course import exercise


@exercise(points=3)
async def doubled(answer, trial):
    """Return the word twice."""
    return []
'''


def cell(name: str, source: str, kind: str = "code") -> dict[str, Any]:
    extra: dict[str, Any] = {
        "execution_count": 7,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["42"]}],
    }
    return {"cell_type": kind, "id": name, "metadata": {}, "source": [source], **(extra if kind == "code" else {})}


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


STUB = "def twice(word):\n    ### BEGIN SOLUTION\n    return word * 2\n    ### END SOLUTION"
LESSON = notebook(
    cell("title", "# A lesson", "markdown"),
    cell("setup", "from doubling import doubled"),
    cell("stub", STUB),
    cell("check", "await doubled.check(twice)"),
)


@pytest.fixture(autouse=True)
def doubling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "doubling.py").write_text(EXPERIMENT)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The author's folder, with one lesson."""
    folder = tmp_path / "author"
    folder.mkdir()
    (folder / "02-lesson.ipynb").write_text(json.dumps(LESSON))
    monkeypatch.setattr(copies, "source_folder", lambda: folder)
    return folder


def text(made: dict[str, Any]) -> str:
    return json.dumps(made)


def test_a_student_gets_no_output_and_no_solution():
    made = student(LESSON)
    assert "word * 2" not in text(made)
    assert "42" not in text(made)
    assert made["cells"][2]["source"] == ["def twice(word):\n", "    raise NotImplementedError"]
    assert made["metadata"]["wslab"] == {"edition": "student"}
    assert "word * 2" in text(LESSON), "the source was changed"


def test_a_teacher_gets_outputs_solutions_and_a_note_at_each_prediction(monkeypatch: pytest.MonkeyPatch):
    from wslab.course.answers import Number
    from wslab.course.lesson import Asked, Case

    told = Asked("02.x", "How many?", {"bytes": Case(Number(), 5, {5: "You counted letters."})}, "It is seven.")
    monkeypatch.setattr(plan, "prediction_text", lambda _: told)
    made = teacher(notebook(*LESSON["cells"], cell("ask", 'guess = predict("02.x")\nguess')))
    note = "".join(made["cells"][-1]["source"])
    for words in ("How many?", "*5*", "You counted letters.", "It is seven."):
        assert words in note
    assert "word * 2" in text(made)
    assert "42" in text(made)


def test_nbgrader_gets_a_test_cell_whose_last_value_is_the_points():
    made = nbgrader(LESSON)
    stub, check, points = made["cells"][2:]
    assert stub["metadata"]["nbgrader"]["solution"] is True
    assert "nbgrader" not in check["metadata"]
    assert points["metadata"]["nbgrader"]["grade"] is True
    assert points["metadata"]["nbgrader"]["points"] == 3
    assert "".join(points["source"]) == "verdict = await doubled.check(twice)\nverdict.points()"


def test_students_get_a_zip_of_each_lesson(course: Path, tmp_path: Path):
    written = write_edition("student", tmp_path / "hand-out")
    assert [path.name for path in written] == ["02-lesson.ipynb", "02-lesson.zip"]
    with zipfile.ZipFile(written[1]) as packed:
        assert packed.read("02-lesson.ipynb").decode() == written[0].read_text(encoding="utf-8")


class TestWorkingCopy:
    def change_the_lesson(self, course: Path) -> None:
        changed = notebook(*LESSON["cells"], cell("more", "# a better version"))
        (course / "02-lesson.ipynb").write_text(json.dumps(changed))

    def test_an_untouched_lesson_is_brought_up_to_date(self, course: Path, tmp_path: Path):
        copy = tmp_path / "copy"
        assert working_copy(copy) == []
        self.change_the_lesson(course)
        assert working_copy(copy) == []
        assert "a better version" in (copy / "02-lesson.ipynb").read_text()
        assert sorted(path.name for path in copy.iterdir()) == [LAID_OUT, "02-lesson.ipynb"]

    def test_of_a_touched_one_the_new_version_stands_beside_it(self, course: Path, tmp_path: Path):
        copy = tmp_path / "copy"
        working_copy(copy)
        (copy / "02-lesson.ipynb").write_text("mine")
        assert working_copy(copy) == []  # nothing is new
        self.change_the_lesson(course)
        (told,) = working_copy(copy)
        assert "02-lesson.new.ipynb" in told
        assert (copy / "02-lesson.ipynb").read_text() == "mine"
        assert "a better version" in (copy / "02-lesson.new.ipynb").read_text()
        assert working_copy(copy) == []  # it is told once

    def test_a_copy_that_nothing_is_known_of_is_kept(self, course: Path, tmp_path: Path):
        copy = tmp_path / "copy"
        working_copy(copy)
        (copy / "02-lesson.ipynb").write_text("mine")
        (copy / LAID_OUT).write_text("damaged")
        working_copy(copy)
        assert (copy / "02-lesson.ipynb").read_text() == "mine"

    def test_fresh_keeps_every_old_one(self, course: Path, tmp_path: Path):
        copy = tmp_path / "copy"
        working_copy(copy)
        for words in ("first", "second"):
            (copy / "02-lesson.ipynb").write_text(words)
            assert len(fresh(copy, "02")) == 1
            assert json.loads((copy / "02-lesson.ipynb").read_text()) == student(LESSON)
        assert (copy / "02-lesson.old1.ipynb").read_text() == "first"
        assert (copy / "02-lesson.old2.ipynb").read_text() == "second"
        assert fresh(copy, "02") == []  # it is fresh

    def test_fresh_names_the_lessons_that_there_are(self, course: Path, tmp_path: Path):
        with pytest.raises(LookupError, match="lesson '77': there is none; expected one of 02"):
            fresh(tmp_path / "copy", "77")
