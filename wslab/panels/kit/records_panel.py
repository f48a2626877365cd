"""``RecordsPanel``: a panel whose page holds the recording's records and asks for the explanation of a selected one.

Theory. Records are pushed in their packed form, many at a time; an explanation is pulled. Messages are lost while the
page does not listen yet. So a new view asks for what it lacks, and until the first question a push repeats the last
records.

A record is pushed as soon as it was sent, perhaps before the peer has read it. Each push carries the receptions that
became known since the last one as well. A push handles packed bytes, never single records in Python.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ...anatomy.record import PACKED
from ...live.errors import complaint
from .panel import Question
from .trace_panel import TracePanel

BATCH = 20_000  # records in one message, at most (1.5 MB)
UNHEARD_BATCH = 1_000  # the same while no view has asked
MOST_STATES = 50  # connections, at most, whose states before its first record a message carries


class RecordsPanel(TracePanel):
    """A panel over a recording whose page holds a ``Recording`` (recording.js)."""

    _sent = 0  # number of the next record to push
    _receptions = 0  # number of the next reception to push
    _fresh = True  # the next push is the first that a view gets

    def __init__(self, source: Any, **kwargs: Any) -> None:
        self._sending = threading.Lock()
        super().__init__(source, **kwargs)

    def _push(self) -> bool:
        with self._sending:
            total, first = self.trace.total, self.trace.first
            start = max(first, self._sent if self._asked else total - UNHEARD_BATCH)
            # First the receptions, then the records: what is received in between is told with the next push.
            with self.trace.still():
                log = self.trace.ledger.receptions
                late, self._receptions = log.slice(self._receptions, log.total), log.total
            packed = self.trace.packed(start, min(total, start + BATCH))
            stop = start + len(packed) // PACKED.size
            self._sent = stop
            status = {"total": self.trace.total, "first": self.trace.first, "bytes_dropped": self.trace.dropped.bytes}
            facts = {"before": self._states_before(start), "steps": self._steps(start, stop)}
            self._fresh = not self._asked
            self.tell("records", [packed, _of_records_before(start, late)], start=start, status=status, **facts)
        return bool(stop < total)

    def _steps(self, start: int, stop: int) -> list[list[Any]]:
        """The states that these records changed: [record, connection, endpoint, state, event, section], in order."""
        return [
            [step.record, step.connection, change.endpoint.label, change.new.name, change.event.value, change.section]
            for step in self.trace.steps(start, stop)
            for change in (step.transition,)
        ]

    def _states_before(self, start: int) -> dict[str, dict[str, str]]:
        """The states of the connections before the first record that a view gets."""
        if not start or not self._fresh:
            return {}
        found = {}
        for connection in self.trace.connections[-MOST_STATES:]:
            try:
                states = self.trace.states_at(connection, start - 1)
            except IndexError:  # dropped meanwhile
                continue
            found[str(connection)] = {sender.label: state.name for sender, state in states.items()}
        return found

    def _answer_records(self, question: Question) -> None:
        with self._sending:
            start = int(question["from"])
            self._sent = start if not self._asked else min(self._sent, start)
            self._fresh = self._asked = True
        self._begin()

    def _answer_explanation(self, question: Question) -> None:
        number = int(question["number"])
        self._tell_of(number, "explanation", lambda: self.trace.explain(number).to_json())

    def _tell_of(self, number: int, what: str, look: Callable[[], Any]) -> None:
        """Tell the views what ``look()`` returns, or why it failed."""
        answer: dict[str, Any]
        try:
            answer = {what: look(), "problem": None}
        except Exception as error:
            answer = {what: None, "problem": complaint(error)}
        self.tell(what, number=number, **answer)

    answers: ClassVar[Mapping[str, Any]] = {"records": _answer_records, "explanation": _answer_explanation}


def _of_records_before(number: int, receptions: bytes) -> bytes:
    """Of packed receptions, those of records before ``number``; a later record carries its delay itself."""
    numbers = memoryview(receptions).cast("I").tolist()[::2]
    if not numbers or min(numbers) >= number:
        return b""
    return b"".join(receptions[8 * at : 8 * at + 8] for at, each in enumerate(numbers) if each < number)
