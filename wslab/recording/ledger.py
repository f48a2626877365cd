"""The ledger: what the tape means, as plain data. ``derive`` writes it and nobody else; it has no lock of its own.

All of it is bounded. Records have a fixed size (``wslab.anatomy.record``). What does not fit there, such as violations,
inflated payloads and the texts of errors, is kept beside them, sparsely, and goes when they go.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

from ..anatomy.field import Sender, Violation
from ..anatomy.record import DELAY, DELAY_AT, PACKED, Kind
from ..anatomy.records import CloseReport
from ..drawing.visible import count
from ..protocol.connection import Connection, Message
from .entries import Wire
from .ring import PackedLog
from .steps import Cause, Step, record_of, steps_of

try:  # compiled, and 30 to 70 times as fast
    from websockets.speedups import apply_mask
except ImportError:  # a platform without compiled extensions, such as Pyodide
    from websockets.utils import apply_mask

PLACE = struct.Struct("<II")
"""For each record: its frame's index among its sender's, and the number of the message it is a part of."""
NO_MESSAGE = 2**32 - 1
RECEPTION = struct.Struct("<II")
"""A record's number, and its delay in microseconds."""
RECEPTIONS = 16_384
"""How many of them are kept."""
MESSAGE = struct.Struct("<qIBIBIIQ")
"""For each message: the record that completed it, connection, sender, and its number, opcode, first and last frame and
length. Millions of tuples would keep Python's collector busy."""


class Stream:
    """One direction of one connection: where its bytes lie, how it ended, and what its peer has not read."""

    __slots__ = ("ended", "offsets", "positions", "untold", "waiting")

    def __init__(self) -> None:
        self.offsets: list[int] = []
        """Of the stored chunks, in order."""
        self.positions: list[int] = []
        """Where in the tape's ring each of them lies."""
        self.ended: set[Kind] = set()
        self.untold: dict[Kind, tuple[int, float]] = {}
        """Ends that the peer was not told of: record, and its time."""
        self.waiting: deque[tuple[int, int, float]] = deque()
        """Records whose last byte the peer has not read: where they stop, their number and time."""


class Conversation:
    """What one TCP connection means."""

    __slots__ = ("causes", "closings", "last_record", "protocol", "steps", "streams", "wire")

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.protocol = Connection(heads=(not wire.middle, not wire.middle), unmask=apply_mask)
        self.streams = (Stream(), Stream())
        self.closings: dict[Sender, CloseReport] = {}
        self.causes: dict[Cause, int] = {}
        """New records that may have changed a state."""
        self.steps: list[Step] = []
        self.last_record = -1

    def on_its_way(self, expected: Callable[[Hashable], bool]) -> Iterator[str]:
        """What one end sent or did and the other was not told of yet, in words; see ``Trace.on_its_way``."""
        wire, streams, closings = self.wire, self.streams, self.closings
        if not all(wire.tapped):
            reset = any(Kind.RESET in stream.ended for stream in streams)
            if wire.tapped[Sender.CLIENT] and not reset and expected(wire.key):
                yield f"connection {wire.number}, which the server has not accepted yet"
            return
        for sender in Sender:
            sent, read = wire.seen[sender][sender], wire.seen[sender][sender.peer]
            if sender.peer in closings:
                continue  # it reads no more
            if read < sent:
                yield f"{count(sent - read, 'byte')} from the {sender.label} of connection {wire.number}"
            for kind in streams[sender].untold:
                yield f"the {sender.label}'s {kind.name} on connection {wire.number}"
        if len(closings) == 1:
            (told,) = closings
            yield f"the {told.peer.label}'s end of connection {wire.number}, which is not closed yet"


class Dropped(NamedTuple):
    """What a bounded trace no longer holds."""

    records: int
    chunks: int
    """Chunks, and with them notes of how connections ended."""
    bytes: int


class Ledger:
    """What is derived from a tape.

    Args:
        max_entries: how many records are kept.
        max_inflated: how many bytes of inflated payloads are kept.
    """

    def __init__(self, max_entries: int, max_inflated: int) -> None:
        self.records = PackedLog(PACKED, max_entries)
        self.places = PackedLog(PLACE, max_entries)
        self.receptions = PackedLog(RECEPTION, RECEPTIONS)
        """In the order in which they became known."""
        self.conversations: dict[int, Conversation] = {}
        self.over: deque[Wire] = deque()
        """Connections that no end told of any more when they were put here."""
        # Queues, oldest first. A plain dict would be a slow one: finding its first key means to step over all that were
        # removed before.
        self.violations: OrderedDict[int, tuple[Violation, ...]] = OrderedDict()
        self.texts: OrderedDict[int, str] = OrderedDict()
        self.inflated: OrderedDict[int, bytes] = OrderedDict()
        self.steps: list[Step] = []
        self.messages = PackedLog(MESSAGE, max_entries)
        self.broken: OrderedDict[int, tuple[Violation, ...]] = OrderedDict()
        """By a message's place in ``messages``, the rules that its frames break."""
        self.busy = False
        """Whether it is being written, which a finalizer may find that runs in the midst of it."""
        self._max_inflated = max_inflated
        self._inflated_bytes = 0

    def note_reception(self, number: int, late: int) -> None:
        """Note that a record was received, so many microseconds after it was sent."""
        self.records.patch(number, DELAY, DELAY_AT, late)
        self.receptions.append(RECEPTION.pack(number, late))

    def keep_inflated(self, number: int, data: bytes) -> None:
        """Keep a record's inflated payload, and drop the oldest ones where they are too much."""
        self.inflated[number] = data
        self._inflated_bytes += len(data)
        while self._inflated_bytes > self._max_inflated and self.inflated:
            self._drop_inflated()

    def _drop_inflated(self) -> None:
        _, data = self.inflated.popitem(last=False)
        self._inflated_bytes -= len(data)

    def keep_message(self, record: int, connection: int, message: Message) -> None:
        """Keep a message, without its data, that the frame of that record completed."""
        sender, number, opcode, first, last, length, _, violations = message
        place = self.messages.append(MESSAGE.pack(record, connection, sender, number, opcode, first, last, length))
        if violations:
            self.broken[place] = violations

    def message(self, place: int) -> tuple[int, int, Message]:
        """The record that completed a message, its connection, and the message without its data."""
        record, connection, sender, number, opcode, first, last, length = self.messages[place]
        told = Message(Sender(sender), number, opcode, first, last, length, None, self.broken.get(place, ()))
        return record, connection, told

    def note_steps(self, conversation: Conversation) -> None:
        """Note what changed of the connection's states, and by which record."""
        number, known = conversation.wire.number, len(conversation.steps)
        new = list(steps_of(number, conversation.protocol.transitions, conversation.causes, known))
        conversation.steps += new
        self.steps += new
        conversation.causes.clear()

    def forget(self) -> None:
        """Drop what belongs to records that are no longer kept."""
        first = self.records.first
        if not first:
            return
        queues: tuple[tuple[OrderedDict[int, Any], int], ...] = (
            (self.violations, first),
            (self.texts, first),
            (self.broken, self.messages.first),
        )
        for kept, oldest in queues:
            while kept and next(iter(kept)) < oldest:
                kept.popitem(last=False)
        while self.inflated and next(iter(self.inflated)) < first:
            self._drop_inflated()
        if self.steps and self.steps[0].record < first:
            del self.steps[: bisect_left(self.steps, first, key=record_of)]
