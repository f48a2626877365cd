"""``QuestionPanel``: a form that is answered once, and the table of outcomes that waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import traitlets

from ...drawing.sheet import Sheet, Shown, sheet_of
from ..kit.panel import Panel, Question


class Asking(Protocol):
    """What such a panel shows: a prediction, its reveal, a quiz."""

    def state(self) -> dict[str, Any]:
        """What the page shows."""

    def watch(self, wake: Callable[[], object]) -> None:
        """Have ``wake()`` called at each change."""

    def answer(self, answers: Mapping[str, Any], /) -> Any:
        """Take the answers."""

    def skip(self) -> None:
        """Open the outcome without an answer."""


class QuestionPanel(Panel):
    """The form of a prediction or a quiz, or the table in which an outcome is revealed.

    Args:
        asking: what it shows.

    Nothing of an outcome is in the page before the form is locked in, or skipped.
    """

    state = traitlets.Dict(read_only=True, help="What is asked, what was answered, and what it was.")

    def __init__(self, asking: Asking, **kwargs: Any) -> None:
        self._asking = asking
        super().__init__(**kwargs)
        asking.watch(self._changed)
        self._changed()

    def _changed(self) -> None:
        self.set_trait("state", self._asking.state())
        if self.snapshot:
            self._keep()

    def _sheet(self) -> Sheet:
        assert isinstance(self._asking, Shown)
        return sheet_of(self._asking)

    def _answer_lock(self, question: Question) -> None:
        self._asking.answer(question["answers"])

    def _answer_skip(self, _: Question) -> None:
        self._asking.skip()

    answers: ClassVar[Mapping[str, Any]] = {"lock": _answer_lock, "skip": _answer_skip}
