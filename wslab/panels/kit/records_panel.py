"""``RecordsPanel``: a panel whose page holds the recording's records, and has one explained when somebody looks at it.

Theory. Records are pushed, in their packed form and many at a time; the explanation of one record is pulled when
somebody looks at it. Messages to a page that does not listen yet are lost. So a new view asks for what it lacks, and
until the first question has come a push repeats what went before.

A record is pushed as soon as it was sent, so the page may have it before the peer has read it. Those are looked up
again with every push, as long as they are among the last ``LATE`` records, and the delays that became known go along.
Nothing here is done for a single record in Python: what a push carries is cut out of packed bytes.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ...anatomy.record import DELAY_AT, PACKED, UNKNOWN
from ...live.carrier import complaint
from .panel import Question
from .trace_panel import TracePanel

BATCH = 20_000
"""Records in one message, at most (1.5 MB)."""
UNHEARD_BATCH = 1_000
"""The same while no view has asked yet."""
LATE = 16_384
"""How many of the last records are looked up again for a reception that was not known when they were pushed."""
MOST_STATES = 50
"""Connections whose states before the first record of a message go along with it."""

WORDS = PACKED.size // 4
DELAY_WORD = DELAY_AT // 4


def _delays(packed: bytes) -> memoryview:
    """The delays of packed records, as they lie there."""
    return memoryview(packed).cast("I")[DELAY_WORD::WORDS]


class RecordsPanel(TracePanel):
    """A panel over a recording whose page holds a ``Recording`` (recording.js)."""

    def __init__(self, source: Any, **kwargs: Any) -> None:
        self._sending = threading.Lock()
        self._sent = 0  # number of the next record to push
        self._late = array("I")  # numbers of records that were pushed before it was known when they were received
        self._fresh = True  # the next push is the first that a view gets
        super().__init__(source, **kwargs)

    def _push(self) -> bool:
        with self._sending:
            total, first = self.trace.total, self.trace.first
            start = max(first, self._sent if self._asked else total - UNHEARD_BATCH)
            packed = self.trace.packed(start, min(total, start + BATCH))
            stop = start + len(packed) // PACKED.size
            self._sent = stop
            late = self._come_late(start) if self._asked else b""
            status = {"total": self.trace.total, "first": self.trace.first, "bytes_dropped": self.trace.dropped.bytes}
            facts = {"before": self._states_before(start), "steps": self._steps(start, stop)}
            self._fresh = not self._asked
            self._expect_late(start, packed)
            self.tell("records", [packed, late], start=start, status=status, **facts)
        return bool(stop < total)

    def _steps(self, start: int, stop: int) -> list[list[Any]]:
        """What these records changed: [record, connection, endpoint, state, event, section], in order."""
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

    def _expect_late(self, start: int, packed: bytes) -> None:
        """Note which of these records are not known to be received."""
        if not self._asked:
            return
        delays = _delays(packed)
        self._late.extend(start + at for at, delay in enumerate(delays) if delay == UNKNOWN)

    def _come_late(self, stop: int) -> bytes:
        """Number and delay (u32 each) of records before ``stop`` that are known to be received by now."""
        oldest = max(self.trace.first, stop - LATE)
        waiting = [number for number in self._late if oldest <= number < stop]
        if not waiting:
            self._late = array("I")
            return b""
        delays = _delays(self.trace.packed(waiting[0], stop))
        base = stop - len(delays)  # something may have been dropped meanwhile
        known = array("I")
        self._late = array("I")
        for number in waiting:
            if number < base:
                continue
            delay = delays[number - base]
            if delay == UNKNOWN:
                self._late.append(number)
            else:
                known.extend((number, delay))
        return known.tobytes()

    def _answer_records(self, question: Question) -> None:
        with self._sending:
            start = int(question["from"])
            self._sent = start if not self._asked else min(self._sent, start)
            self._late = array("I", (number for number in self._late if number < self._sent))
            self._fresh = self._asked = True
        self._begin()

    def _answer_explanation(self, question: Question) -> None:
        number = int(question["number"])
        self._tell_of(number, "explanation", lambda: self.trace.explain(number).to_json())

    def _tell_of(self, number: int, what: str, look: Callable[[], Any]) -> None:
        """Tell the views what ``look()`` gives, or in words why it does not."""
        answer: dict[str, Any]
        try:
            answer = {what: look(), "problem": None}
        except Exception as error:
            answer = {what: None, "problem": complaint(error)}
        self.tell(what, number=number, **answer)

    answers: ClassVar[Mapping[str, Any]] = {"records": _answer_records, "explanation": _answer_explanation}
