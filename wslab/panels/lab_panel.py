"""``LabPanel``: a recording in a cell, alive: its ladder and records, and every byte of the selected one explained.

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
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from ..anatomy.record import DELAY_AT, PACKED, UNKNOWN, Record
from ..live.carrier import complaint
from .lanes import lanes_json
from .module import css, esm
from .panel import Question, guarded
from .record_filter import DIRECTIONS, KINDS, RecordFilter
from .trace_panel import TracePanel

if TYPE_CHECKING:
    from ..anatomy.picture import Picture

BATCH = 20_000
"""Records in one message, at most (1.5 MB)."""
UNHEARD_BATCH = 1_000
"""The same while no view has asked yet."""
LATE = 16_384
"""How many of the last records are looked up again for a reception that was not known when they were pushed."""
MOST_STATES = 50
"""Connections whose states before the first record of a message go along with it."""
PICTURED = 24
"""Records on a picture's ladder."""

LOOKED_THROUGH = 256
"""Records that are read at a time for a picture."""

WORDS = PACKED.size // 4
DELAY_WORD = DELAY_AT // 4


def _delays(packed: bytes) -> memoryview:
    """The delays of packed records, as they lie there."""
    return memoryview(packed).cast("I")[DELAY_WORD::WORDS]


class LabPanel(TracePanel):
    """A live view of a recording: ladder, records, and the bytes of the selected one.

    Args:
        source: a ``Trace``, or anything with one as its ``trace``, such as a ``Lab``.

    It shows itself when it is the last thing in a cell, in as many cells as one likes; all show the same and share one
    selection, one filter and one moment. Where there is no kernel, its text and HTML are shown. It records nothing and
    changes nothing, and it keeps no bytes of its own: what the trace dropped is gone here too.

    Every trait below can be set, to script a demonstration, and observed: ``lab.panel.text = "ping"``.
    """

    _esm = esm("lab_panel.js")
    _css = css("lab_panel.css", "lanes.css")

    direction = traitlets.Enum(DIRECTIONS, "both", help="Whose records are shown: 'both', 'client' or 'server'.").tag(
        sync=True
    )
    kinds = traitlets.List(
        traitlets.Enum(KINDS), list(KINDS), help=f"Which kinds of records are shown, some of {', '.join(KINDS)}."
    ).tag(sync=True)
    opcode = traitlets.Int(
        None, allow_none=True, min=0, max=15, help="Show only frames of this opcode, 0 to 15; None shows all records."
    ).tag(sync=True)
    connection = traitlets.Int(
        None, allow_none=True, min=0, help="Show only the TCP connection of this number; None shows all."
    ).tag(sync=True)
    text = traitlets.Unicode(
        "", help="Show only records whose summary contains this text, whatever its case. It does not see beyond that."
    ).tag(sync=True)
    broken = traitlets.Bool(False, help="Show only records that break a rule.").tag(sync=True)
    find = traitlets.Unicode("", help="Text that is looked for among the records that are shown.").tag(sync=True)
    picked = traitlets.Int(
        None, allow_none=True, min=0, help="Byte of the selected record that is looked at, from 0, or None."
    ).tag(sync=True)
    lanes_open = traitlets.Bool(
        False, help="Whether the chunks, frames and messages around the selected record are shown."
    ).tag(sync=True)
    paused = traitlets.Bool(False, help="Whether the panel stands still at ``position``.").tag(sync=True)
    position = traitlets.Int(
        None,
        allow_none=True,
        min=-1,
        help="Number of the last record that has happened, -1 for none; None is live. A number pauses the panel.",
    ).tag(sync=True)

    def __init__(self, source: Any, **kwargs: Any) -> None:
        self._sending = threading.Lock()
        self._sent = 0  # number of the next record to push
        self._late = array("I")  # numbers of records that were pushed before it was known when they were received
        self._fresh = True  # the next push is the first that a view gets
        super().__init__(source, **kwargs)

    def picture(self) -> Picture:
        """The ladder and the selected record's bytes explained, as a standalone picture.

        The ladder shows up to ``PICTURED`` of the records that the filter takes: those around the selected one or,
        where none is selected, up to the panel's position.
        """
        from ..anatomy.picture import dump_figure, ladder_figure, ruler_figure, sheet, words_figure
        from ..anatomy.view import sender_mark

        records = self._pictured()
        figures = [ladder_figure(records)]
        if self.selected is not None:
            record, explanation = self.trace.record(self.selected), self.trace.explain(self.selected)
            figures += [words_figure(f"No. {record.number}  {sender_mark(record.sender)}  {record.summary}")]
            figures += [ruler_figure(explanation)] if explanation.fields else []
            figures += [dump_figure(explanation)]
        return sheet("Recording", *figures, name="recording")

    def _pictured(self) -> list[Record]:
        """The records on the picture's ladder."""
        stop = self.trace.total if self.position is None else self.position + 1
        middle = stop - 1 if self.selected is None else self.selected
        takes = RecordFilter(
            self.direction, tuple(self.kinds), self.opcode, self.connection, self.text, self.broken
        ).takes
        before = list(islice(filter(takes, self._backwards(middle + 1)), PICTURED))
        after = list(islice(filter(takes, self._forwards(middle + 1, stop)), PICTURED // 3))
        return [*reversed(before[: PICTURED - len(after)]), *after]

    def _backwards(self, stop: int) -> Iterator[Record]:
        while stop > self.trace.first:
            start = max(stop - LOOKED_THROUGH, self.trace.first)
            yield from reversed(self.trace.between(start, stop))
            stop = start

    def _forwards(self, start: int, stop: int) -> Iterator[Record]:
        for begin in range(max(start, self.trace.first), stop, LOOKED_THROUGH):
            yield from self.trace.between(begin, min(begin + LOOKED_THROUGH, stop))

    def _text(self) -> str:
        return repr(self.trace)

    def _html(self) -> str:
        return self.trace._repr_html_()

    @traitlets.validate("kinds")
    def _in_order(self, proposal: Any) -> list[str]:
        return [kind for kind in KINDS if kind in proposal["value"]]

    @traitlets.validate("position")
    def _within(self, proposal: Any) -> int | None:
        position: int | None = proposal["value"]
        total = self.trace.total
        if position is not None and position >= total:
            raise traitlets.TraitError(
                f"position={position}: the recording has records 0 to {total - 1}; None is live"
                if total
                else f"position={position}: nothing has been recorded yet; -1 is before the first record, None is live"
            )
        return position

    @traitlets.observe("selected")
    def _let_go(self, _: Any) -> None:
        self.picked = None

    @traitlets.observe("paused", "position")
    @guarded
    def _moved(self, change: Any) -> None:
        if change["name"] == "position":
            self.paused = self.position is not None
        elif self.paused and self.position is None:
            self.position = self.trace.total - 1
        elif not self.paused:
            self.position = None

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

    def _answer_lanes(self, question: Question) -> None:
        number = int(question["number"])
        self._tell_of(number, "lanes", lambda: lanes_json(self.trace, number))

    def _tell_of(self, number: int, what: str, look: Callable[[], Any]) -> None:
        """Tell the views what ``look()`` gives, or in words why it does not."""
        answer: dict[str, Any]
        try:
            answer = {what: look(), "problem": None}
        except Exception as error:
            answer = {what: None, "problem": complaint(error)}
        self.tell(what, number=number, **answer)

    answers: ClassVar[Mapping[str, Any]] = {
        "records": _answer_records,
        "explanation": _answer_explanation,
        "lanes": _answer_lanes,
    }
