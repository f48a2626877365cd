"""nbgrader grades a course's exercise end to end: nobody's submission is thrown away, and part of it counts in part."""

import csv
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from wslab.course.copies import nbgrader

pytestmark = [pytest.mark.oracle, pytest.mark.slow, pytest.mark.timeout(400)]

EXPERIMENT = '''"""A lesson's module."""
from wslab.course import Outcome, exercise


@exercise(points=4, variants=1, foreseen=[(lambda f: f("ab") == "ab", "You gave the word back.")])
async def doubled(answer, trial):
    """Return the word twice."""
    return [Outcome(word, word * 2, answer(word), answer(word) == word * 2) for word in ("a", "bb")]
'''
SOLUTION = "    ### BEGIN SOLUTION\n    return word * 2\n    ### END SOLUTION"
STUDENTS = {
    "right": "    return 2 * word",
    "half": "    return word + 'a'",
    "blank": None,
    "endless": "    while True: pass",
    "sly": "    doubled.check = None\n    return word",
}
SCORES = {"right": 4.0, "half": 2.0, "blank": 0.0, "endless": 0.0, "sly": 0.0}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with nbgrader beside what is installed here: in the tests' own it would add its menus to JupyterLab."""
    folder = tmp_path_factory.mktemp("nbgrader")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    made = folder / "bin" / "python"
    paths = json.loads(
        subprocess.run(
            [str(made), "-c", "import json, sysconfig; print(json.dumps(sysconfig.get_path('purelib')))"],
            check=True, capture_output=True, text=True,
        ).stdout
    )  # fmt: skip
    here = sysconfig.get_path("purelib")  # with its .pth files, one of which leads to wslab
    (Path(paths) / "installed-here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    done = subprocess.run([str(made), "-m", "pip", "install", "-qq", "nbgrader>=0.9"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nbgrader cannot be installed: {done.stderr.decode()[-300:]}")
    return made


def cell(name: str, source: str) -> dict[str, Any]:
    return {
        "cell_type": "code", "id": name, "metadata": {}, "execution_count": None, "outputs": [], "source": [source],
    }  # fmt: skip


def test_scores_are_as_they_should_be(tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "doubling_for_nbgrader.py").write_text(EXPERIMENT)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    lesson = {
        "cells": [
            cell("setup", "from doubling_for_nbgrader import doubled"),
            cell("stub", f"def twice(word):\n{SOLUTION}"),
            cell("check", "await doubled.check(twice)"),
        ],
        "metadata": kernel, "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    course = tmp_path / "course"
    source = course / "source" / "02" / "02-lesson.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps(nbgrader(lesson)))

    def run(*arguments: str) -> None:
        command = [str(python), "-m", "nbgrader", *arguments]
        paths = {
            "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
            "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),  # it calls alembic
        }
        environment = {**os.environ, **paths}
        done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]

    run("generate_assignment", "02", "--create")
    released = (course / "release" / "02" / "02-lesson.ipynb").read_text(encoding="utf-8")
    assert "return word * 2" not in released
    for student, answer in STUDENTS.items():
        notebook = json.loads(released)
        stub = next(one for one in notebook["cells"] if one["id"] == "stub")
        if answer is not None:
            stub["source"] = f"def twice(word):\n{answer}"
        place = course / "submitted" / student / "02" / "02-lesson.ipynb"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(notebook))
    run("autograde", "02", "--create")
    run("export")
    with (course / "grades.csv").open(encoding="utf-8") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores == SCORES
