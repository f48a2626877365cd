"""Quizzes: a lesson's last questions, answered in one form and marked in the same place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..drawing.sheet import Sheet, sheet_of
from .edition import edition
from .journal import note
from .lesson import quiz_text
from .prediction import Answered, Form, Reveal


class Quiz(Form):
    """A lesson's questions. Made by ``quiz``."""

    button = "Check my answers"
    heads = ("question", "right is")
    told = True
    words = ("right", "not so")

    def score(self, rows: Sequence[Answered]) -> str:
        """How many answers were right, in words, and how to try again."""
        again = ". Run this cell again for another try; your first answers are kept."
        return super().score(rows) + (again if self.locked and self.right(rows) < len(rows) else "")

    @property
    def marked(self) -> Reveal:
        """Each answer beside the right one."""
        return Reveal(self, {name: case.was for name, case in self.asked.cases.items()})

    def _settled(self) -> None:
        rows = self.marked.rows
        note("quiz", self.asked.name, right=self.right(rows), of=len(rows))

    def state(self) -> dict[str, Any]:
        """What the page shows: the form and, once it is locked, what was right."""
        return {**super().state(), **(self.marked.state() if self.locked else {})}

    def _sheet(self) -> Sheet:
        hidden = edition() == "student" and not self.locked
        return Sheet("Quiz", [*super()._sheet().blocks, *(() if hidden else sheet_of(self.marked).blocks)])


def quiz(lesson: str) -> Quiz:
    """A lesson's questions, by its number, such as ``02``.

    Raises:
        LookupError: there is no such lesson, or it has no quiz.
    """
    return Quiz(quiz_text(lesson))
