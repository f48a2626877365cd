"""Deriving: entries of the log become records, messages, states and violations, in the order of their writing.

Theory. Whoever reads derives what is new first; so does a writer that finds too much of it. One thread does it at a
time, under ``_derive_lock``, and takes ``_write_lock`` only to fetch the next entries. What comes out is bounded:
records have a fixed size (``wslab.anatomy.record``); what does not fit there (violations, inflated payloads, texts of
errors) is kept beside them, sparsely, and goes when they go.

A chunk of the sender goes to ``wslab.protocol``, and what that completes becomes records. Each of them then waits for
the chunk of the receiver that covers its last byte, whose time is written into it.
"""

from __future__ import annotations

import struct
import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable
from typing import Any

from ..anatomy.closing import CloseReport
from ..anatomy.field import Sender, Violation
from ..anatomy.record import DELAY, DELAY_AT, PACKED, PREVIEW, UNKNOWN, Kind, delay
from ..protocol.connection import Message, Unread
from ..protocol.frame import Frame
from ..protocol.head import Head
from ..protocol.words import CLOSE, OPCODE
from .ring import PackedLog
from .steps import Step, record_of, steps_of
from .writing import ENTRY, EVENT, LARGE, NOT_STORED, STEP, BendNote, Wire, Writer

WAITING = 4096
"""Records of one stream that wait to be read by a peer of which nothing is known."""
PLACE = struct.Struct("<II")
NO_MESSAGE = 2**32 - 1


class Deriver(Writer):
    """The deriving half of a trace: see ``Trace`` for its arguments."""

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        super().__init__(max_bytes, max_entries)
        self._derive_lock = threading.RLock()
        self._deriving = False
        self._records = PackedLog(PACKED, max_entries)
        self._places = PackedLog(PLACE, max_entries)
        self._violations: dict[int, tuple[Violation, ...]] = {}
        self._inflated: dict[int, bytes] = {}
        self._inflated_bytes = 0
        self._texts: dict[int, str] = {}
        self._steps: list[Step] = []
        self._messages: deque[tuple[int, int, Message]] = deque(maxlen=max_entries)
        """Number of the record that completed it, connection, message."""

    def update(self, most: int | None = None) -> None:
        """Derive records from what was written since the last time. Every reader does this first.

        ``most`` bounds the work to so many entries.
        """
        with self._derive_lock:
            if self._deriving:  # a finalizer of this very thread reads or writes: what it asks for is on its way
                return
            self._deriving = True
            try:
                self._derive(most)
            finally:
                self._deriving = False

    def _derive(self, most: int | None) -> None:
        for subscriber in self._subscribers:
            subscriber.woken = False
        stop = self._log.total if most is None else min(self._log.total, self._derived + most)
        while self._derived < stop:
            with self._write_lock:
                packed = self._log.slice(self._derived, min(stop, self._derived + STEP))
            for entry in ENTRY.iter_unpack(packed):
                self._derived += 1
                if entry[6] < EVENT:
                    _stored(self, entry)
                elif entry[6] == NOT_STORED:
                    _read(self, entry)
                else:
                    wire, told = self._events.pop(self._derived - 1)
                    _TOLD[type(told)](self, entry[0], wire, _SENDERS[entry[2]], _SENDERS[entry[3]], entry[4], told)
        self._forget()

    def _append(
        self,
        at: float,
        wire: Wire,
        sender: Sender,
        kind: Kind,
        offset: int,
        *,
        payload_length: int = 0,
        header_length: int = 0,
        status: int = 0,
        violations: tuple[Violation, ...] = (),
        preview: bytes = b"",
    ) -> int:
        preview = preview[:PREVIEW]
        number = self._records.append(
            PACKED.pack(
                self._records.total, wire.number, at, offset, payload_length, header_length, status, sender, kind,
                0, 0, min(len(violations), 255), len(preview), preview, UNKNOWN,
            )
        )  # fmt: skip
        self._places.append(PLACE.pack(0, NO_MESSAGE))
        if violations:
            self._violations[number] = violations
        wire.last_record = number
        return number

    def _keep_inflated(self, number: int, data: bytes) -> None:
        self._inflated[number] = data
        self._inflated_bytes += len(data)
        while self._inflated_bytes > self.max_bytes // 4 and self._inflated:
            self._inflated_bytes -= len(self._inflated.pop(next(iter(self._inflated))))

    def _forget(self) -> None:
        """Drop what belongs to records and bytes that are no longer kept."""
        first = self._records.first
        for kept in (self._violations, self._texts):
            while kept and next(iter(kept)) < first:
                del kept[next(iter(kept))]
        while self._inflated and next(iter(self._inflated)) < first:
            self._inflated_bytes -= len(self._inflated.pop(next(iter(self._inflated))))
        if first and self._steps and self._steps[0].record < first:
            del self._steps[: bisect_left(self._steps, first, key=record_of)]
        if len(self._wires) > max(64, self.max_entries // 16) or (first and self._wires):
            with self._write_lock:
                for number, wire in list(self._wires.items()):
                    if wire.live:
                        continue
                    if wire.last_record >= first or wire.last_entry >= self._derived:
                        break
                    del self._wires[number]
                    if self._joinable.get(wire.key) is wire:
                        del self._joinable[wire.key]

    def _step(self, wire: Wire) -> None:
        """Note what changed of the connection's states, and by which record."""
        new = list(steps_of(wire.number, wire.protocol.transitions, wire.causes, len(wire.steps)))
        wire.steps += new
        self._steps += new
        wire.causes.clear()


_SENDERS = tuple(Sender)


_Entry = tuple[float, int, int, int, int, int, int]


def _stored(trace: Deriver, entry: _Entry) -> None:
    at, connection, by, seen_by, offset, length, position = entry
    wire, sender = trace._wires[connection], _SENDERS[by]
    data = trace._large.pop(trace._derived - 1, None) if length > LARGE else trace._ring.read(position, length)
    trace._derived_to = position + length
    stream = wire.streams[sender]
    stream.offsets.append(offset)
    stream.positions.append(position)
    if not len(stream.positions) & 1023:
        gone = bisect_right(stream.positions, trace._ring.start) - 1
        if gone > 512:
            del stream.offsets[:gone], stream.positions[:gone]
    assert data is not None, "a writer waits until its ring position has been derived"
    for event in wire.protocol.feed(sender, data):
        _DERIVE[type(event)](trace, at, wire, event)
    if wire.causes:
        trace._step(wire)
    waiting = stream.waiting
    if by != seen_by:
        waiting.clear()  # the sender is not tapped, so that it is not known when it sent
    elif len(waiting) > WAITING:
        first = trace._records.total - WAITING if not wire.tapped[sender.peer] else trace._records.first
        while waiting and waiting[0][1] < first:
            waiting.popleft()


def _read(trace: Deriver, entry: _Entry) -> None:
    """The peer read bytes that are kept already: which records has it read to their end by that?"""
    at, connection, by, _, offset, length, _ = entry
    waiting = trace._wires[connection].streams[by].waiting
    stop = offset + length
    while waiting and waiting[0][0] <= stop:
        end, number, sent = waiting.popleft()
        if end > offset:  # else it was read before anybody told that it was sent
            trace._records.patch(number, DELAY, DELAY_AT, delay(sent, at))


def _head(trace: Deriver, at: float, wire: Wire, head: Head) -> None:
    status = head.status
    preview = (
        head.start_line.removesuffix(" HTTP/1.1") if status is None else head.start_line.partition(" ")[2]
    ).encode("utf-8", "replace")
    number = trace._append(
        at, wire, head.sender, Kind.REQUEST if head.sender is Sender.CLIENT else Kind.RESPONSE, head.offset,
        header_length=len(head.data), status=status or 0, violations=head.violations, preview=preview,
    )  # fmt: skip
    wire.causes[head.sender, "head"] = number
    wire.streams[head.sender].waiting.append((head.offset + len(head.data), number, at))


def _frame(trace: Deriver, at: float, wire: Wire, frame: Frame) -> None:
    # What most records are, so it goes the short way round ``_append``.
    (
        sender, index, offset, header_length, payload_length, first, second, _, violations, preview,
        _, inflated, status, _, message, _, note,
    ) = frame  # fmt: skip
    assert sender is not None, "a connection's frames have one"
    preview = preview[:PREVIEW]
    records = trace._records
    number = records.append(
        PACKED.pack(
            records.total, wire.number, at, offset, payload_length, header_length, status or 0, sender, Kind.FRAME,
            first, second, min(len(violations), 255) if violations else 0, len(preview), preview, UNKNOWN,
        )
    )  # fmt: skip
    trace._places.append(PLACE.pack(index, NO_MESSAGE if message is None else message))
    wire.last_record = number
    wire.streams[sender].waiting.append((offset + header_length + payload_length, number, at))
    if first & OPCODE == CLOSE:
        wire.causes[sender, index] = number
    if violations:
        trace._violations[number] = violations
    if inflated is not None:
        trace._keep_inflated(number, inflated)
    if note is not None:
        trace._texts[number] = note


def _message(trace: Deriver, at: float, wire: Wire, message: Message) -> None:
    number = trace._records.total - 1  # of its last frame, which was told just before
    trace._messages.append((number, wire.number, message if message.data is None else message._replace(data=None)))


def _unread(trace: Deriver, at: float, wire: Wire, unread: Unread) -> None:
    number = trace._append(
        at, wire, unread.sender, Kind.UNREAD, unread.offset,
        payload_length=unread.length, violations=unread.violations, preview=unread.data,
    )  # fmt: skip
    trace._texts[number] = unread.what
    wire.streams[unread.sender].waiting.append((unread.offset + unread.length, number, at))


_DERIVE: dict[type, Callable[[Deriver, float, Wire, Any], None]] = {
    Head: _head,
    Frame: _frame,
    Message: _message,
    Unread: _unread,
}


def _end(trace: Deriver, at: float, wire: Wire, sender: Sender, told_by: Sender, offset: int, kind: Kind) -> None:
    stream = wire.streams[sender]
    if kind not in stream.ended:  # else both ends tell of it
        if not stream.ended:
            for unread in wire.protocol.end(sender, reset=kind is Kind.RESET):
                _unread(trace, at, wire, unread)
        violations = wire.protocol.closing_violations.get(sender, ())
        number = trace._append(at, wire, sender, kind, offset, violations=violations)
        stream.ended.add(kind)
        stream.untold[kind] = (number, at)
        wire.causes[sender, "end"] = number
        trace._step(wire)
    if told_by is not sender and wire.tapped[sender] and kind in stream.untold:
        number, sent = stream.untold.pop(kind)
        trace._records.patch(number, DELAY, DELAY_AT, delay(sent, at))


def _note(trace: Deriver, at: float, wire: Wire, sender: Sender, told_by: Sender, offset: int, text: str) -> None:
    kind = Kind.BEND if isinstance(text, BendNote) else Kind.ERROR
    number = trace._append(at, wire, sender, kind, offset, preview=text.encode("utf-8", "replace"))
    trace._texts[number] = str(text)


def _closed(
    trace: Deriver, at: float, wire: Wire, sender: Sender, told_by: Sender, offset: int, closing: CloseReport
) -> None:
    wire.closings[sender] = closing
    wire.streams[sender.peer].waiting.clear()  # this end reads no more


_TOLD: dict[type, Callable[..., None]] = {Kind: _end, str: _note, BendNote: _note, CloseReport: _closed}
"""By the type of what an entry that is no chunk tells (``Told``)."""
