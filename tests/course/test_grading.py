"""Submissions are graded from outside: no attempt gains a point, and none costs another student one."""

import csv
import io
import json
import shutil
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest

from wslab.course import Outcome, Trial, exercise, grading
from wslab.course.copies import source_folder
from wslab.course.grading import Graded, Task, as_csv, grade, report, submissions, write
from wslab.course.stranger import Stranger, StrangerError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process has no limits there")


@exercise(
    points=3,
    variants=1,
    foreseen=[(lambda f: f("ab") == "ab", "You gave the word back as it is."), (lambda f: f("ab") == "aba", "Half.")],
)
async def doubled(answer: Any, trial: Trial) -> list[Outcome]:
    """Return the word twice."""
    return [
        Outcome(word, word * 2, came := answer(word), came == word * 2) for word in ("ab", "abc", trial.words(1)[0])
    ]


@pytest.fixture(autouse=True)
def one_exercise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "tasks", lambda: [Task("99", doubled, "twice")])


def submitted(code: str) -> str:
    cells = [
        {"cell_type": "code", "source": textwrap.dedent(part).strip("\n").splitlines(True)}
        for part in code.split("# cell")
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def hand_in(folder: Path, **students: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, code in students.items():
        (folder / name).mkdir()
        (folder / name / "99.ipynb").write_text(submitted(code), encoding="utf-8")


RIGHT = "def twice(word):\n    return word * 2\n"
ATTEMPTS = {
    "redefines_the_check": """
        from wslab.course import exercises
        exercises.ExerciseVerdict.solved = True
        exercises.ExerciseVerdict.points = lambda self: 3
        # cell
        class doubled:
            async def check(answer): return 3
        def twice(word): return word
        """,
    "catches_everything": """
        def twice(word):
            while True:
                try:
                    while True: pass
                except BaseException:
                    pass
        """,
    "sleeps": "import time\ndef twice(word):\n    time.sleep(60)\n",
    "prints_a_verdict": """
        import os, sys
        def twice(word):
            for file in (1, 2, 3, 4, 5, 6):
                try: os.write(file, b'{"points": 3} solved')
                except OSError: pass
            print("doubled: solved")
        """,
    "fills_the_memory": "def twice(word):\n    return bytearray(1 << 34)\n",
    "returns_what_equals_everything": """
        class Yes(str):
            def __eq__(self, other): return True
            __hash__ = str.__hash__
        def twice(word): return Yes(word)
        """,
    "returns_an_endless_list": "def twice(word):\n    a = []\n    a.append(a)\n    return a\n",
    "exits": "import os\ndef twice(word):\n    os._exit(0)\n",
    "exits_before_it_is_called": "import sys\nend = sys.exit()\ndef twice(word):\n    return word * 2\n",
    "raises_system_exit": "def twice(word):\n    raise SystemExit\n",
}


@pytest.mark.slow
class TestAttempts:
    @pytest.mark.parametrize("name", ATTEMPTS)
    def test_none_gains_a_point(self, name: str, tmp_path: Path):
        hand_in(tmp_path / "in", **{name: ATTEMPTS[name]})
        (graded,) = grade(tmp_path / "in", processes=1)
        assert [mark.points for mark in graded.marks] == [0]

    def test_none_costs_a_neighbour_one(self, tmp_path: Path):
        vandal = f"""
            from pathlib import Path
            for path in Path({str(tmp_path / "in")!r}).rglob("*.ipynb"): path.write_text("gone")
            def twice(word):
                for path in Path({str(tmp_path / "in")!r}).rglob("*.ipynb"): path.write_text("gone")
                return word
            """
        hand_in(tmp_path / "in", a_vandal=vandal, b_right=RIGHT, **ATTEMPTS)
        graded = {one.submission.student: one.marks[0].points for one in grade(tmp_path / "in", processes=2)}
        assert graded.pop("b_right") == 3
        assert set(graded.values()) == {0}


class TestStranger:
    def test_a_function_a_class_and_a_coroutine_are_called(self):
        code = """
            import asyncio
            class Parser:
                def __init__(self): self.rest = b""
                def feed(self, data):
                    self.rest += data
                    return [self.rest]
            async def later(word, times=2):
                await asyncio.sleep(0)
                return word * times
            """
        with Stranger(submitted(code)) as stranger:
            parser = stranger.answer("Parser")()
            parser.feed(b"a")
            assert parser.feed(b"b") == [b"ab"]
            assert stranger.answer("later")("x", times=3) == "xxx"
            with pytest.raises(NotImplementedError):
                stranger.answer("missing")()

    def test_what_its_code_raises_is_told(self):
        with (
            Stranger(submitted("def f():\n    return 1 / 0\n")) as stranger,
            pytest.raises(StrangerError, match="ZeroDivisionError"),
        ):
            stranger.answer("f")()

    def test_a_notebooks_experiments_are_not_run(self, tmp_path: Path):
        code = f"""
            from wslab import Lab
            lab = Lab()
            open({str(tmp_path / "ran")!r}, "w")
            await lab.serve()
            # cell
            this is no Python
            # cell
            FACTOR = len("ab")
            def twice(word): return word * FACTOR
            """
        with Stranger(submitted(code)) as stranger:
            assert stranger.answer("twice")("a") == "aa"
        assert not (tmp_path / "ran").exists()

    def test_its_folder_is_gone_afterwards(self):
        with Stranger(submitted("import os\ndef here():\n    return os.getcwd()\n")) as stranger:
            folder = Path(stranger.answer("here")())
            assert folder.is_dir()
        assert not folder.exists()


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> list[Graded]:
    """Thirty students, whose mistakes are known beforehand."""
    folder = tmp_path_factory.mktemp("class") / "in"
    as_it_is, half, other = (f"def twice(word):\n    return {what}\n" for what in ("word", "word + 'a'", "1 / 0"))
    stub, absent = "def twice(word):\n    raise NotImplementedError\n", "x = 1\n"
    kinds = [RIGHT] * 10 + [as_it_is] * 8 + [half] * 5 + [other] * 3 + [stub] * 2 + [absent] * 2
    hand_in(folder, **{f"student{at:02}": code for at, code in enumerate(kinds)})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(grading, "tasks", lambda: [Task("99", doubled, "twice")])
        return grade(folder)


@pytest.mark.slow
class TestReport:
    def test_the_csv_has_a_row_a_student(self, graded: list[Graded]):
        rows = list(csv.DictReader(io.StringIO(as_csv(graded))))
        assert [row["Student"] for row in rows] == [f"student{at:02}" for at in range(30)]
        # `word + "a"` is right by chance for no word; one of the outcomes may be right in part.
        assert [float(row["99.doubled"]) for row in rows] == [3.0] * 10 + [0.0] * 20
        assert {row["Maximum grade"] for row in rows} == {"3"}

    def test_the_report_counts_each_foreseen_mistake(self, graded: list[Graded]):
        told = report(graded)
        assert "10 of 30 solved it; 2 did not hand it in, and 2 did not begin it." in told
        assert "- 8 × You gave the word back as it is." in told
        assert "- 5 × Half." in told
        assert "- 3 × something that was not foreseen" in told  # those that raise

    def test_what_is_written(self, graded: list[Graded], tmp_path: Path):
        written = write(graded, tmp_path / "out")
        assert sorted(written) == ["grades.csv", "report.md", "verdicts.json"]
        assert (
            "ZeroDivisionError" in json.loads(written["verdicts.json"].read_text())["student25"]["99.doubled"]["said"]
        )


class TestSubmissions:
    def test_names_of_moodle_and_canvas_are_read(self, tmp_path: Path):
        hand_in(tmp_path / "in", **{"Ada Lovelace_1815_assignsubmission_file_": RIGHT})
        with zipfile.ZipFile(tmp_path / "in" / "hopper_1906_77_submission.zip", "w") as packed:
            packed.writestr("deep/99.ipynb", submitted(RIGHT))
        ada, hopper = submissions(tmp_path / "in")
        assert (ada.student, ada.identifier) == ("Ada Lovelace", "Participant 1815")
        assert (hopper.student, hopper.canvas, hopper.login) == ("hopper", "1906", "hopper")
        assert [mark.points for one in grade(tmp_path / "in", processes=1) for mark in one.marks] == [3, 3]

    def test_damaged_files_are_worth_nothing(self, tmp_path: Path):
        folder = tmp_path / "in"
        folder.mkdir()
        for name, data in {"a.zip": b"PK no zip", "b.ipynb": b"\xff\x00", "c.ipynb": b"[1]", "d.ipynb": b"{}"}.items():
            (folder / name).write_bytes(data)
        assert {mark.said for one in grade(folder, processes=1) for mark in one.marks} == {"not handed in"}

    def test_a_formula_is_no_name(self, tmp_path: Path):
        hand_in(tmp_path / "in", **{"=cmd": RIGHT})
        assert "'=cmd" in as_csv(grade(tmp_path / "in", processes=1))

    def test_an_empty_folder_is_said(self, tmp_path: Path):
        with pytest.raises(FileNotFoundError, match="holds no submission"):
            submissions(tmp_path)


@pytest.mark.slow
def test_the_courses_own_solutions_get_every_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()  # the real exercises
    folder = tmp_path / "in" / "author"
    shutil.copytree(source_folder(), folder)
    hand_in(tmp_path / "in", blank="x = 1\n")
    author, blank = grade(tmp_path / "in")
    assert [(mark.exercise, mark.said) for mark in author.marks if mark.points < mark.most] == []
    assert len(author.marks) >= 9
    assert {mark.points for mark in blank.marks} == {0}
