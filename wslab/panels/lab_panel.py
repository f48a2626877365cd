"""``LabPanel``: a recording in a cell, alive: its ladder and records, and every byte of the selected one explained.

Theory. Records are pushed, in their packed form and many at a time; the explanation of one record is pulled when
somebody looks at it. Messages to a page that does not listen yet are lost. So a new view asks for what it lacks, and
until the first question has come a push repeats what went before.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..anatomy.record import PACKED
from .module import css, esm
from .panel import Question
from .trace_panel import TracePanel

if TYPE_CHECKING:
    from ..anatomy.picture import Picture

BATCH = 20_000
"""Records in one message, at most (1.5 MB)."""
UNHEARD_BATCH = 1_000
"""The same while no view has asked yet."""
MOST_STATES = 50
"""Connections whose states go along with one message."""


class LabPanel(TracePanel):
    """A live view of a recording: ladder, records, and the bytes of the selected one.

    Args:
        source: a ``Trace``, or anything with one as its ``trace``, such as a ``Lab``.

    It shows itself when it is the last thing in a cell, in as many cells as one likes; all show the same and share one
    selection. Where there is no kernel, its text and HTML are shown. It records nothing and changes nothing, and
    it keeps no bytes of its own: what the trace dropped is gone here too.
    """

    _esm = esm("lab_panel.js")
    _css = css("lab_panel.css")

    def __init__(self, source: Any, **kwargs: Any) -> None:
        self._sending = threading.Lock()
        self._sent = 0  # number of the next record to push
        super().__init__(source, **kwargs)

    def picture(self) -> Picture:
        """The ladder, and the selected record's bytes explained, as a standalone picture."""
        raise NotImplementedError

    def _text(self) -> str:
        return repr(self.trace)

    def _html(self) -> str:
        return self.trace._repr_html_()

    def _push(self) -> bool:
        with self._sending:
            total, first = self.trace.total, self.trace.first
            start = max(first, self._sent if self._asked else total - UNHEARD_BATCH)
            packed = self.trace.packed(start, min(total, start + BATCH))
            stop = start + len(packed) // PACKED.size
            self._sent = stop
            self.tell("records", [packed], start=start, status=self._status(packed))
        return bool(stop < total)

    def _status(self, packed: bytes) -> dict[str, Any]:
        """Small facts that go along with the records: how many there are, and the states that they led to."""
        dropped = self.trace.dropped
        connections = {PACKED.unpack_from(packed, at)[1] for at in range(0, len(packed), PACKED.size)}
        return {
            "total": self.trace.total,
            "first": self.trace.first,
            "bytes_dropped": dropped.bytes,
            "states": dict(filter(None, map(self._states, sorted(connections)[-MOST_STATES:]))),
        }

    def _states(self, connection: int) -> tuple[str, dict[str, str]] | None:
        try:
            states = self.trace.states(connection)
        except IndexError:  # dropped meanwhile
            return None
        return str(connection), {sender.label: state.name for sender, state in states.items()}

    def _answer_records(self, question: Question) -> None:
        with self._sending:
            self._sent = int(question["from"]) if not self._asked else min(self._sent, int(question["from"]))
            self._asked = True
        self._begin()

    def _answer_explanation(self, question: Question) -> None:
        number = int(question["number"])
        answer: dict[str, Any]
        try:
            answer = {"explanation": self.trace.explain(number).to_json(), "problem": None}
        except Exception as error:
            answer = {"explanation": None, "problem": f"{type(error).__name__}: {error}"}
        self.tell("explanation", number=number, **answer)

    answers: ClassVar[Mapping[str, Any]] = {"records": _answer_records, "explanation": _answer_explanation}
