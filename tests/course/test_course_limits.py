"""Each limit of grading and of drawing slides is reached, and what docs/limits.md says of it happens."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from pathlib import Path

import pytest
from test_grading import RIGHT, one_exercise, submitted

from wslab.course import slides, stranger
from wslab.course.exercises import EndlessLoopError
from wslab.course.grading import submissions
from wslab.course.stranger import Stranger, StrangerError

__all__ = ["one_exercise"]


@pytest.mark.lengthy
def test_one_call_while_grading_is_ended_and_the_next_gets_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stranger, "CALL", 0.2)
    with Stranger(submitted("def f(word):\n    while word: pass\n    return 1\n")) as one:
        assert one.answer("f")("") == 1
        begun = time.monotonic()
        with pytest.raises(EndlessLoopError):
            one.answer("f")("x")
        assert time.monotonic() - begun < 5


@pytest.mark.lengthy
def test_definitions_that_never_end_are_worth_nothing_and_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stranger, "BEGIN", 0.2)
    endless = "def f():\n    return 1\nWAITED = [0 for _ in iter(int, 1)]\n"
    with Stranger(submitted(endless)) as one, pytest.raises(StrangerError, match="never ends"):
        one.answer("f")()


@pytest.mark.slow
def test_a_submission_that_takes_too_much_memory_meets_memory_error() -> None:
    code = "def f():\n    try: return len(bytearray(1 << 31))\n    except MemoryError: return 'none left'\n"
    with Stranger(submitted(code)) as one:
        assert one.answer("f")() == "none left"


def test_one_value_from_a_submission_has_a_length() -> None:
    with pytest.raises(ValueError, match="too long"):
        stranger._get(io.BytesIO(struct.pack("!I", stranger.LONGEST + 1) + b"0"))
    assert stranger._get(io.BytesIO(struct.pack("!I", 2) + b"42")) == 42


@pytest.mark.slow
def test_a_longer_value_is_no_answer() -> None:
    code = f"def f(more):\n    return 'x' * ({stranger.LONGEST} // 2 + more)\n"
    with Stranger(submitted(code)) as one, pytest.raises((StrangerError, EndlessLoopError)):
        one.answer("f")(stranger.LONGEST)


def test_a_notebook_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = submitted(RIGHT)
    monkeypatch.setattr("wslab.course.grading.LARGEST", len(text))
    for name, padding in (("exact", ""), ("larger", " ")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "99.ipynb").write_text(text + padding, encoding="utf-8")
        with zipfile.ZipFile(tmp_path / f"{name}_zipped.zip", "w") as packed:
            packed.writestr("99.ipynb", text + padding)
    found = {one.student: len(one.notebooks) for one in submissions(tmp_path)}
    assert found == {"exact": 1, "exact_zipped": 1}


@pytest.mark.slow
def test_a_cell_that_takes_too_long_gives_no_slide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slides, "DEADLINE", 1)
    with pytest.raises(TimeoutError):
        slides.hero({"cells": [{"cell_type": "code", "source": ["import time\n", "time.sleep(60)"]}]})
