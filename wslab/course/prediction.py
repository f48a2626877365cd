"""Predictions: a form that is filled in before the experiment, and a table of outcomes that waits for it.

Theory. The reveal is a view and no gate: its cell runs the experiment at once, so that *Run All* never hangs, and shows
the outcome when the form above it is locked in. Where nobody can answer (a notebook that is printed or tested) the text
shows the outcomes beside what many say; in a student's copy it shows none.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from ..drawing.blocks import Items, Table, Words
from ..drawing.sheet import Sheet, Shown
from ..live.estate import traces
from ..live.showing import Alive, tell_changed
from ..recording.reading import Reading, holds
from .answers import Choice, Text
from .awaited import Awaited
from .edition import edition
from .journal import note
from .lesson import Asked, Case, prediction_text

T = TypeVar("T")
NOT_YET = "predict first"
LATER = "Answer the question above first; this fills in by itself."
WAITING = "Answer above first; this table fills in by itself."
UNANSWERED = "Nobody has predicted here; the second column shows what many say."
NOT_SHOWN = "not shown here"
NEEDS_A_PAGE = "What is not shown here happens in a page: it fills in when the panel's program has run in a browser."


class Answered(NamedTuple):
    """What was said of one case, what it was, and why an expected answer is wrong."""

    case: str
    said: str
    was: str
    verdict: str
    why: str


class Form(Alive, Shown):
    """Questions that are answered once. ``watch`` tells when they are."""

    button = "Lock in my prediction"
    heads = ("case", "it was")  # of the columns that tell what was asked, and what is so
    told = False  # whether the outcome is known
    words = ("as predicted", "surprise")  # of an answer that is right, and of one that is not

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.answers: dict[str, str] = {}
        self.locked = self.skipped = False
        self._watchers: list[Callable[[], object]] = []

    def watch(self, wake: Callable[[], object]) -> None:
        """Have ``wake()`` called at each change."""
        self._watchers.append(wake)

    def answer(self, answers: Mapping[str, Any] | None = None, /, **by_name: Any) -> Any:
        """Answer from code: by case, as a mapping or by name. When all cases are answered the form is locked.

        Raises:
            KeyError: there is no such case.
            RuntimeError: the form is locked; run its cell again for another try.
        """
        given = {**(answers or {}), **by_name}
        unknown = [case for case in given if case not in self.asked.cases]
        if unknown:
            raise KeyError(f"{unknown[0]!r} is not asked; asked is {', '.join(map(repr, self.asked.cases))}")
        if self.locked:
            raise RuntimeError("your first answer is kept: run the cell with the form again for another try")
        self.answers.update({case: self.asked.cases[case].kind.shown(said) for case, said in given.items()})
        if set(self.answers) == set(self.asked.cases):
            self.locked = True
            self._settled()
        self._changed()
        return self

    def skip(self) -> None:
        """Open the outcome without an answer. It is noted as skipped."""
        if not self.locked and not self.skipped:
            self.skipped = True
            note("skipped", self.asked.name)
            self._changed()

    def _settled(self) -> None:
        """Called when the form was locked."""

    def _changed(self) -> None:
        for wake in self._watchers:
            wake()

    def rows(self, outcome: Mapping[str, Any]) -> list[Answered]:
        """A row for each case: what was said (or what many say), and what it was."""
        return [self._row(name, case, outcome[name]) for name, case in self.asked.cases.items()]

    def _row(self, name: str, case: Case, was: Any) -> Answered:
        said = self.answers[name] if self.locked else case.usual
        if was is None:
            return Answered(name, "" if said is None else case.kind.shown(said), NOT_SHOWN, "", "")
        if said is None:
            return Answered(name, "", case.kind.shown(was), "", "")
        right = case.kind.same(said, was)
        why = "" if right else case.why(said)
        return Answered(name, case.kind.shown(said), case.kind.shown(was), self.words[not right], why)

    def right(self, rows: Sequence[Answered]) -> int:
        """How many answers were right."""
        return sum(row.verdict == self.words[0] for row in rows)

    def score(self, rows: Sequence[Answered]) -> str:
        """How many answers were right, in words; nothing where nothing is shown yet."""
        shown = sum(row.was != NOT_SHOWN for row in rows)
        if not self.locked:
            return UNANSWERED
        return f"{self.right(rows)} of {shown} {self.words[0]}" if shown else ""

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        cases = [{"name": name, **case.kind.form()} for name, case in self.asked.cases.items()]
        return {
            "question": self.asked.question,
            "cases": cases,
            "answers": self.answers,
            "locked": self.locked,
            "told": self.told,
            "button": self.button,
        }

    def _still(self) -> Shown:
        return self

    def _sheet(self) -> Sheet:
        cases = [(name, [(case.kind.hint, "")]) for name, case in self.asked.cases.items()]
        return Sheet("Prediction", [Words(self.asked.question), Items(cases)])


# By the name of each prediction that is open in a student's copy: how many records each trace had when it was asked.
_open: dict[str, weakref.WeakKeyDictionary[Reading, int]] = {}
_waiting: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()  # traces whose views held something back
evidence: weakref.WeakSet[Reading] = weakref.WeakSet()  # traces of which nothing is held back: they are what is asked


def _held(trace: Reading) -> int | None:
    """From which record on the views of a trace wait for a prediction; None where none is open."""
    if not _open or trace in evidence:
        return None
    _waiting[trace] = None
    return min((totals.get(trace, 0) for totals in list(_open.values())), default=None)


holds.append(_held)


class Voting(Protocol):
    """A class's vote on a prediction, as far as a panel needs it."""

    def state(self) -> dict[str, Any]:
        """What the page shows."""

    def watch(self, wake: Callable[[], object]) -> None:
        """Have ``wake()`` called at each change."""

    def seen_from(self, origin: str, root: str | None, loopback: bool) -> None:
        """Learn where the teacher's page is."""

    def reveal(self) -> None:
        """End the voting."""

    def end(self) -> None:
        """Begin to close it."""


made: list[weakref.ref[Prediction]] = []  # the predictions of this kernel, the oldest first
listeners: weakref.WeakSet[Callable[[], object]] = weakref.WeakSet()  # called when there is more of either


def tell_listeners() -> None:
    """Tell those who show all predictions that there is another one, or a vote on one."""
    for tell in list(listeners):
        tell()


class Prediction(Form):
    """A question and what somebody expects. Made by ``predict``.

    While it is open in a student's copy, and no later one was answered, the views of each lab hold back what was
    recorded since.
    """

    vote: Voting | None = None  # of a class, on this prediction

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._outcome: Mapping[str, Any] | None = None
        self._noted = False
        made.append(weakref.ref(self))
        tell_listeners()
        if edition() == "student":
            told: dict[Reading, int] = {trace: trace.total for trace in traces()}
            _open.pop(asked.name, None)  # asked anew, it is the latest
            _open[asked.name] = weakref.WeakKeyDictionary(told)
            self.watch(self._let_go)

    def _let_go(self) -> None:
        if (self.locked or self.skipped) and self.asked.name in _open:
            # Who answers this question has gone past those before it: their tables wait, the views do no longer.
            for name in list(_open)[: list(_open).index(self.asked.name) + 1]:
                del _open[name]
            for reference in _waiting.keyrefs():  # a list, made at once: panels add to it on threads of their own
                if (trace := reference()) is not None:
                    tell_changed(trace)

    @property
    def outcome(self) -> Reveal | None:
        """What happened, beside the prediction; None before the experiment ran."""
        return None if self._outcome is None else Reveal(self, self._outcome)

    def agrees(self, case: str, said: Any) -> bool | None:
        """Whether an answer to a case agrees with what happened; None before the experiment ran."""
        return None if self._outcome is None else self.asked.cases[case].kind.same(said, self._outcome[case])

    def after(self, view: T) -> T | Later:
        """What shows the outcome too: it waits for the prediction, and then shows itself in the same place.

        Args:
            view: anything that a cell can show, such as a ``ByteInspector``.
        """
        if self.locked or self.skipped or edition() != "student":
            return view
        return Later(self, view)

    def reveal(self, outcome: Any) -> Reveal:
        """What happened, beside the prediction. It shows nothing before the form is locked in or skipped.

        Args:
            outcome: what happened; for several cases a mapping from case to outcome, which may be ``Awaited``.

        Raises:
            KeyError: the outcome lacks a case that was asked, or knows one that was not.
        """
        told: Mapping[str, Any] = outcome if isinstance(outcome, Mapping) else dict.fromkeys(self.asked.cases, outcome)
        if set(told) != set(self.asked.cases):
            raise KeyError(
                f"asked was {', '.join(self.asked.cases)}; the outcome tells of {', '.join(map(str, told))}: "
                "give an outcome for each case. If this name stands for another prediction now, run its own cell again"
            )
        self._outcome, self.told, self._noted = told, True, False
        self._changed()
        self._settled()
        if isinstance(told, Awaited):
            told.watch(self._came)
        return Reveal(self, told)

    def _came(self) -> None:
        self._settled()
        self._changed()

    def _settled(self) -> None:
        if self.locked and not self._noted and self._outcome is not None and None not in self._outcome.values():
            self._note()

    def _note(self) -> None:
        self._noted = True
        rows = self.rows(self._outcome or {})
        note("predicted", self.asked.name, answers=self.answers, surprises=len(rows) - self.right(rows), of=len(rows))


class Later:
    """A view that waits for a prediction. Made by ``Prediction.after``."""

    def __init__(self, form: Form, view: Any) -> None:
        self._form, self._view = form, view
        self._places: list[Any] = []  # where it was shown
        form.watch(self._show)

    def _show(self) -> None:
        if self._form.locked or self._form.skipped:
            for place in self._places:
                place.update(self._view)
            self._places.clear()

    def __repr__(self) -> str:
        return LATER

    def _ipython_display_(self) -> None:
        from IPython import display

        handle: Any = display.DisplayHandle  # has no types
        place = handle()
        if self._form.locked or self._form.skipped:
            place.display(self._view)
        else:
            place.display({"text/plain": LATER}, raw=True)
            self._places.append(place)


class Reveal(Alive, Shown):
    """What happened, for who has predicted it. Made by ``Prediction.reveal``."""

    def __init__(self, form: Form, outcome: Mapping[str, Any]) -> None:
        self._form, self._outcome = form, outcome
        self.watch, self.skip, self.answer = form.watch, form.skip, form.answer

    @property
    def rows(self) -> list[Answered]:
        """A row for each case; without outcomes where the prediction is still open in a student's copy."""
        rows = self._form.rows(self._outcome)
        if self.open or edition() != "student":
            return rows
        return [Answered(row.case, "", "", NOT_YET, "") for row in rows]

    @property
    def open(self) -> bool:
        """Whether the outcome may be seen: the form was locked in, or skipped."""
        return self._form.locked or self._form.skipped

    def state(self) -> dict[str, Any]:
        """What the page shows: nothing of the outcome while it is not open."""
        if not self.open:
            return {"question": self._form.asked.question, "waiting": WAITING}
        return {
            "question": self._form.asked.question,
            "columns": self._columns,
            "rows": [list(row) for row in self.rows],
            "score": self._form.score(self.rows),
            "meaning": NEEDS_A_PAGE if self._lacks else self._form.asked.meaning,
        }

    @property
    def _lacks(self) -> bool:
        """Whether something is not shown here."""
        return any(row.was == NOT_SHOWN for row in self.rows)

    @property
    def _columns(self) -> tuple[str, ...]:
        asked, outcome = self._form.heads
        return asked, "you said" if self._form.locked else "many say", outcome, "so", "why"

    def _still(self) -> Shown:
        return self

    def _sheet(self) -> Sheet:
        table = Table(self._columns, self.rows, self._form.asked.question, row_heading=0)
        if self.open or edition() != "student":
            lacks = NEEDS_A_PAGE if self._lacks else ""
            said = [self._form.score(self.rows), lacks, self._form.asked.meaning]
        else:
            said = [WAITING]
        return Sheet("Outcome", [table, *(Words(one, close=True) for one in said if one)])


def predict(
    question: str,
    cases: Mapping[str, Text | Sequence[str] | None] | None = None,
    *,
    usual: Mapping[str, Any] | None = None,
    because: Mapping[str, Mapping[Any, str]] | None = None,
    meaning: str = "",
) -> Prediction:
    """Ask for a prediction.

    Args:
        question: the name of a lesson's prediction, such as ``01.bytes``; or the question itself, with the rest.
        cases: what is asked: by case a kind of answer (``Number``, ``Choice``, ...), or a list of choices.
        usual: by case: the wrong answer that many give.
        because: by case: for each foreseen wrong answer one sentence on why it is wrong.
        meaning: what the outcome means; it opens with the reveal.

    Raises:
        LookupError: there is no such lesson, or it has no such prediction.
    """
    if cases is None:
        return Prediction(prediction_text(question))
    usual, because = usual or {}, because or {}
    made = {
        name: Case(
            kind if isinstance(kind, Text) else Choice(*kind) if kind else Text(),
            usual.get(name),
            because.get(name, {}),
        )
        for name, kind in cases.items()
    }
    return Prediction(Asked(question, question, made, meaning))
