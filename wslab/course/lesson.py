"""Lessons' texts: what tells an outcome stands in ``lessons/NN.toml``, and never in a student's notebook.

A lesson's file has a table ``[predict.NAME]`` for each prediction and a list ``[[quiz]]``. A question, one of a quiz or
of a prediction's cases, has a ``kind`` (see ``wslab.course.answers``), a ``usual`` wrong answer, and under ``because``
one sentence for each foreseen wrong answer.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from .answers import Text, kind_of

FOLDER = files(__package__) / "lessons"
MISCONCEPTIONS = files(__package__) / "misconceptions.toml"


class Case(NamedTuple):
    """One thing that is asked."""

    kind: Text
    usual: Any = None  # the wrong answer that many give
    because: Mapping[Any, str] = {}  # by foreseen wrong answer: why it is wrong, in one sentence
    was: Any = None  # the right answer, where no experiment tells it

    def why(self, said: Any) -> str:
        """The sentence for a wrong answer; empty where none was foreseen."""
        return next((text for wrong, text in self.because.items() if self.kind.same(said, wrong)), "")


class Asked(NamedTuple):
    """A prediction, or a quiz: a question with its cases."""

    name: str
    question: str
    cases: Mapping[str, Case]
    meaning: str = ""  # opens with the reveal
    misconceptions: tuple[int, ...] = ()  # by their numbers in the course's list


class Misconception(NamedTuple):
    """What many learners believe, and what shows that it is otherwise."""

    claim: str
    end: str  # what a learner does and sees, in a sentence or two


@cache
def misconceptions() -> Mapping[int, Misconception]:
    """What learners get wrong, by the numbers that the lessons name."""
    told = tomllib.loads(MISCONCEPTIONS.read_text(encoding="utf-8"))["misconception"]
    return {number: Misconception(**one) for number, one in enumerate(told, 1)}


def ended_by(number: int) -> list[str]:
    """The predictions that end a misconception, by name, such as ``08.abnormal``."""
    return [
        f"{told}.{name}"
        for told in numbers()
        for name, text in lesson(told).get("predict", {}).items()
        if number in text.get("misconceptions", ())
    ]


def numbers() -> list[str]:
    """The numbers of the lessons that have texts, in order."""
    return sorted(path.name.removesuffix(".toml") for path in FOLDER.iterdir() if path.name.endswith(".toml"))


@cache
def lesson(number: str) -> Mapping[str, Any]:
    """A lesson's texts.

    Raises:
        LookupError: there is no such lesson.
    """
    file = FOLDER / f"{number}.toml"
    if not file.is_file():
        raise LookupError(f"lesson {number!r}: there is none; expected one of {', '.join(numbers())}")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def prediction_text(name: str) -> Asked:
    """A lesson's prediction by name, such as ``01.bytes``.

    Raises:
        LookupError: there is no such lesson, or it has no such prediction.
    """
    number, _, which = name.partition(".")
    told = lesson(number).get("predict", {})
    if which not in told:
        raise LookupError(f"predict({name!r}): lesson {number} asks for {', '.join(told) or 'nothing'}")
    text = told[which]
    cases = {case: _case(one, f"{name}, {case}") for case, one in text["cases"].items()}
    return Asked(name, text["question"], cases, text.get("meaning", ""), tuple(text.get("misconceptions", ())))


def quiz_text(number: str) -> Asked:
    """A lesson's quiz.

    Raises:
        LookupError: there is no such lesson, or it has no quiz.
    """
    told = lesson(number).get("quiz")
    if not told:
        raise LookupError(f"quiz({number!r}): this lesson has no quiz")
    cases = {one["question"]: _case(_mixed(one), f"quiz {number}, {one['question']}") for one in told}
    return Asked(f"{number}.quiz", "Five questions", cases)


def _mixed(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """A question whose options stand in an order that tells nothing: authors like to write the right one first."""
    if told.get("kind") != "choice":
        return told
    order = {one: hashlib.sha256(f"{told['question']} {one}".encode()).digest() for one in told["options"]}
    return {**told, "options": sorted(order, key=lambda option: order[option])}


def _case(told: Mapping[str, Any], where: str) -> Case:
    return Case(kind_of(told, where), told.get("usual"), told.get("because", {}), told.get("was"))
