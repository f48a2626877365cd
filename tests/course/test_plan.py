"""The plan of a lesson adds up, names each question, and stands at the beginning of a teacher's copy."""

import json
import re
from pathlib import Path

import pytest

from wslab.course import plan
from wslab.course.copies import source_folder, teacher

LESSONS = [path for path in sorted(source_folder().glob("*.ipynb")) if path.name[2] != "b"]


def cells(path: Path) -> list[plan.Cell]:
    read: list[plan.Cell] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return read


def cell(kind: str, source: str, *outputs: str) -> plan.Cell:
    return {"cell_type": kind, "source": [source], "outputs": [{"data": {one: "x"}} for one in outputs]}


@pytest.mark.parametrize(
    ("made", "seconds"),
    [
        (cell("markdown", "one " * 200), 60),
        (cell("markdown", "# `a` **b** | c"), 0.9),
        (cell("raw", "one " * 200), 0),
        (cell("code", "lab = Lab()"), 30),
        (cell("code", 'guess = predict("02.x")\nguess', "text/html"), 90),
        (cell("code", "guess.reveal(f())", "text/html"), 30),
        (cell("code", 'quiz("02")', "text/html"), 30),
        (cell("code", "lab", "text/html"), 60),
        (cell("code", "await f.check(g)", "text/html"), 480),
    ],
)
def test_a_cell_takes_its_time(made: plan.Cell, seconds: float):
    assert plan.seconds(made) == pytest.approx(seconds)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_plan_adds_up_and_names_each_question_and_each_usual_answer(path: Path):
    told = plan.plan(cells(path))
    assert f"a plan of {plan.minutes(cells(path))} minutes" in told
    parts = plan.sections(cells(path))
    assert sum(part.seconds for part in parts) == pytest.approx(sum(map(plan.seconds, cells(path))))
    rows = re.findall(r"^\| (\d+):(\d\d) \|", told, re.MULTILINE)
    begins = [60 * int(minutes) + int(seconds) for minutes, seconds in rows]
    assert begins == sorted(begins)
    assert len(begins) == len(parts)
    for asked in (asked for part in parts for asked in part.asked):
        assert asked.question.replace("|", "\\|").replace("\n", " ") in told
        for case in asked.cases.values():
            assert case.usual is None or case.why(case.usual) in told


def test_what_goes_wrong_in_an_exercise_is_told():
    (path,) = (path for path in LESSONS if path.name.startswith("05"))
    told = plan.plan(cells(path))
    assert "What goes wrong in the exercise" in told
    assert "You take a read for a frame: the length says where it ends." in told


def test_a_teachers_copy_begins_with_the_plan():
    (path,) = (path for path in LESSONS if path.name.startswith("05"))
    first = teacher(json.loads(path.read_text(encoding="utf-8")))["cells"][0]
    assert first["cell_type"] == "markdown"
    assert "".join(first["source"]) == plan.plan(cells(path))


def test_what_stands_before_a_heading_belongs_to_the_one_above():
    made = plan.sections([cell("code", "1"), cell("markdown", "## One"), cell("code", "1"), cell("markdown", "text")])
    assert [(part.heading, len(part.cells)) for part in made] == [("Before it begins", 1), ("One", 3)]


def test_a_lesson_that_is_longer_than_an_hour_leaves_the_exercise_for_homework():
    begin = cell("code", "from wslab.course.experiments.lesson05 import parsing")
    long = [cell("markdown", "# Long"), begin, *[cell("code", "await parsing.check(g)")] * 7]
    assert "give the exercise and the quiz as homework" in plan.plan(long)
    assert "of the 50 minutes" in plan.plan(long[:3])
