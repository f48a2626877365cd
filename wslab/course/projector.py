"""``teacher()``: the predictions of a notebook for a projector, one a screen, and the one that a class votes on.

Big letters, the form left and the result right, keys for the next and for what happened, and a button that fills the
screen. A presenter's clicker sends Page Down and Page Up.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import traitlets

from ..drawing.blocks import Words
from ..drawing.sheet import Sheet, sheet_of
from ..panels.kit.module import css, esm
from ..panels.kit.panel import Panel, Question
from . import prediction
from .prediction import Prediction, Voting

EMPTY = "Nothing is asked yet: run the cells with the predictions, and they appear here."


class Projector(Panel):
    """Predictions, of which one is shown.

    Args:
        guesses: which ones; None for all of this kernel, also those that are asked later.
    """

    state = traitlets.Dict(read_only=True, help="What is asked, what was answered, what it was, and how a class votes.")

    _esm = esm("../course/projector.js")
    _css = css("../course/projector.css", "question_panel/question_panel.css")

    def __init__(self, guesses: Sequence[Prediction] | None = None, **kwargs: Any) -> None:
        self._given, self._at = guesses, 0
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()
        super().__init__(**kwargs)
        self._wake = self._changed  # held here, since the set of listeners is a weak one
        if guesses is None:
            prediction.listeners.add(self._wake)
        self._changed()

    @property
    def _guesses(self) -> list[Prediction]:
        if self._given is not None:
            return list(self._given)
        newest = {guess.asked.name: guess for one in prediction.made if (guess := one()) is not None}
        return list(newest.values())

    @property
    def _guess(self) -> Prediction | None:
        guesses = self._guesses
        return guesses[min(self._at, len(guesses) - 1)] if guesses else None

    def _changed(self) -> None:
        guess, guesses = self._guess, self._guesses
        if guess is None:
            self.set_trait("state", {"question": EMPTY, "cases": [], "place": 0, "places": 0})
            return
        vote = guess.vote
        for thing in (guess, vote):
            if thing is not None and thing not in self._watched:
                self._watched.add(thing)
                thing.watch(self._changed)
        outcome = guess.outcome if guess.locked or guess.skipped else None
        told = {
            **guess.state(),
            **(outcome.state() if outcome is not None else {}),
            "open": guess.locked or guess.skipped,
            "place": guesses.index(guess) + 1,
            "places": len(guesses),
            "hands": vote.state() if vote is not None else None,
        }
        if vote is not None and "columns" in told:
            told["columns"] = [words.replace("you said", "the class said") for words in told["columns"]]
        self.set_trait("state", told)
        if self.snapshot:
            self._keep()

    def _sheet(self) -> Sheet:
        guess = self._guess
        if guess is None:
            return Sheet("For the projector", [Words(EMPTY)])
        shown: Any = guess.vote or (guess.outcome if guess.locked or guess.skipped else None) or guess
        return Sheet("For the projector", sheet_of(shown).blocks)

    @property
    def _vote(self) -> Voting | None:
        return None if self._guess is None else self._guess.vote

    def _answer_lock(self, question: Question) -> None:
        if self._guess is not None:
            self._guess.answer(question["answers"])

    def _answer_reveal(self, _: Question) -> None:
        shown = self._vote or self._guess
        if isinstance(shown, Prediction):
            shown.skip()
        elif shown is not None:
            shown.reveal()

    def _answer_turn(self, question: Question) -> None:
        self._at = max(0, min(self._at + int(question["by"]), len(self._guesses) - 1))
        self._changed()

    def _answer_where(self, question: Question) -> None:
        if self._vote is not None:
            self._vote.seen_from(str(question["origin"]), question["root"], bool(question["loopback"]))

    def _answer_end(self, _: Question) -> None:
        if self._vote is not None:
            self._vote.end()

    answers: ClassVar[Mapping[str, Any]] = {
        "lock": _answer_lock, "reveal": _answer_reveal, "turn": _answer_turn, "where": _answer_where,
        "end": _answer_end,
    }  # fmt: skip


def teacher() -> Projector:
    """The predictions of this notebook for a projector, one a screen: run all cells, and then show this one.

    Page Down and Page Up, or the arrow keys, go from one to the next. R tells what happened. F fills the screen.
    """
    return Projector()
