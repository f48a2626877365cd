"""The ledger: what the tape means, as plain data. ``derive`` writes it and nobody else; it has no lock of its own.

All of it is bounded. Records have a fixed size (``wslab.anatomy.record``). What does not fit there, such as violations,
inflated payloads and the texts of errors, is kept beside them, sparsely, and goes when they go.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, overload

from ..anatomy.field import Sender, Violation
from ..anatomy.record import DELAY, DELAY_AT, PACKED, CloseReport, Kind, Record
from ..drawing.visible import count
from ..protocol.connection import Connection
from ..protocol.message import Message
from ..protocol.states import Event, Transition
from .ring import PackedLog
from .tape import Wire

try:  # compiled, and 30 to 70 times as fast
    from websockets.speedups import apply_mask
except ImportError:  # a platform without compiled extensions, such as Pyodide
    from websockets.utils import apply_mask

# For each record: its frame's index among its sender's, and the number of the message it is a part of.
PLACE = struct.Struct("<II")
NO_MESSAGE = 2**32 - 1
# A record's number, and its delay in microseconds; and how many of them are kept.
RECEPTION = struct.Struct("<II")
RECEPTIONS = 16_384
# For each message: the record that completed it, connection, sender, and its number, opcode, first and last frame and
# length. Millions of tuples would keep Python's collector busy.
MESSAGE = struct.Struct("<qIBIBIIQ")

# What may change a state: who sent it, and a Close frame's index among its frames, or "head" or "end".
Cause = tuple[Sender, int | str]


class Step(NamedTuple):
    """A change of state, and what caused it."""

    record: int  # number of the record that caused it; -1 where that was dropped before anybody asked
    connection: int
    transition: Transition


by_record = attrgetter("record")  # what steps are in order by


class Stream:
    """One direction of one connection: where its bytes lie, how it ended, and what its peer has not read."""

    __slots__ = ("ended", "offsets", "positions", "untold", "waiting")

    def __init__(self) -> None:
        # Of the stored chunks, in order, and where in the tape's ring each of them lies.
        self.offsets: list[int] = []
        self.positions: list[int] = []
        self.ended: set[Kind] = set()
        # Ends that the peer was not told of: record, and its time.
        self.untold: dict[Kind, tuple[int, float]] = {}
        # Records whose last byte the peer has not read: where they stop, their number and time.
        self.waiting: deque[tuple[int, int, float]] = deque()


class Conversation:
    """What one TCP connection means."""

    __slots__ = ("causes", "closings", "first_record", "last_record", "protocol", "steps", "streams", "wire")

    def __init__(self, wire: Wire, first_record: int) -> None:
        self.wire, self.first_record = wire, first_record  # the latter is at most the first one's number
        self.protocol = Connection(heads=wire.heads, unmask=apply_mask)
        self.streams = (Stream(), Stream())
        self.closings: dict[Sender, CloseReport] = {}
        self.causes: dict[Cause, int] = {}  # new records that may have changed a state
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
            if sender.peer in closings:
                continue  # it reads no more
            unread = wire.seen[sender][sender] - wire.seen[sender][sender.peer]
            if unread > 0:
                yield f"{count(unread, 'byte')} from the {sender.label} of connection {wire.number}"
            for kind in streams[sender].untold:
                yield f"the {sender.label}'s {kind.name} on connection {wire.number}"
        if len(closings) == 1:
            (told,) = closings
            yield f"the {told.peer.label}'s end of connection {wire.number}, which is not closed yet"


class Records(Sequence[Record]):
    """Records in their packed form: 100,000 of them cost no more than their bytes until one is looked at."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // PACKED.size

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        at = range(len(self))[place] * PACKED.size
        return Record.unpack(self._packed[at : at + PACKED.size])

    def __iter__(self) -> Iterator[Record]:
        return (Record.unpack(self._packed[at : at + PACKED.size]) for at in range(0, len(self._packed), PACKED.size))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Records | list) else NotImplemented

    def __repr__(self) -> str:
        return repr(list(self))


class Dropped(NamedTuple):
    """What a bounded trace no longer holds."""

    records: int
    chunks: int  # chunks, and with them notes of how connections ended
    bytes: int

    def __str__(self) -> str:
        """The same in words; empty where nothing was dropped."""
        gone = f"{count(self.records, 'record')} and {count(self.bytes, 'byte')} before were dropped"
        return gone if self.records or self.bytes else ""


class Ledger:
    """What is derived from a tape: at most so many records, and so many bytes of inflated payloads."""

    def __init__(self, max_entries: int, max_inflated: int) -> None:
        self.records = PackedLog(PACKED, max_entries)
        self.places = PackedLog(PLACE, max_entries)
        self.receptions = PackedLog(RECEPTION, RECEPTIONS)  # in the order in which they became known
        self.messages = PackedLog(MESSAGE, max_entries)
        self.conversations: dict[int, Conversation] = {}
        self.steps: list[Step] = []
        # Queues by record, oldest first. A plain dict would be a slow one: finding its first key means to step over all
        # that were removed before.
        self.violations: OrderedDict[int, tuple[Violation, ...]] = OrderedDict()
        self.texts: OrderedDict[int, str] = OrderedDict()
        self.inflated: OrderedDict[int, bytes] = OrderedDict()
        # By a message's place in ``messages``, the rules that its frames break.
        self.broken: OrderedDict[int, tuple[Violation, ...]] = OrderedDict()
        self.busy = False  # whether it is being written, which a finalizer may find that runs in the midst of it
        self._max_inflated, self._inflated_bytes = max_inflated, 0

    def note_reception(self, number: int, late: int) -> None:
        """Note that a record was received, so many microseconds after it was sent."""
        self.records.patch(number, DELAY, DELAY_AT, late)
        self.receptions.append(RECEPTION.pack(number, late))

    def keep_inflated(self, number: int, data: bytes) -> None:
        """Keep a record's inflated payload, and drop the oldest ones where they are too much."""
        self.inflated[number] = data
        self._inflated_bytes += len(data)
        while self._inflated_bytes > self._max_inflated and self.inflated:
            self._inflated_bytes -= len(self.inflated.popitem(last=False)[1])

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
        for transition in conversation.protocol.transitions[len(conversation.steps) :]:
            sender, index = transition.after
            other = "end" if transition.event is Event.TCP_CLOSED else "head"
            record = conversation.causes.get((sender, other if index is None else index), -1)
            step = Step(record, conversation.wire.number, transition)
            conversation.steps.append(step)
            self.steps.append(step)
        conversation.causes.clear()

    def forget(self) -> None:
        """Drop what is older than every connection that is kept, and what belongs to records that are not."""
        oldest = next(iter(self.conversations.values()), None)
        first = self.records.first if oldest is None else max(self.records.first, oldest.first_record)
        if not first:
            return
        self.records.drop(first)
        self.places.drop(first)
        messages = range(self.messages.first, self.messages.total)
        self.messages.drop(messages.start + bisect_left(messages, first, key=lambda place: self.messages[place][0]))
        queues: tuple[OrderedDict[int, Any], ...] = (self.violations, self.texts, self.inflated, self.broken)
        for kept in queues:
            least = self.messages.first if kept is self.broken else first
            while kept and next(iter(kept)) < least:
                _, gone = kept.popitem(last=False)
                if kept is self.inflated:
                    self._inflated_bytes -= len(gone)
        if self.steps and self.steps[0].record < first:
            del self.steps[: bisect_left(self.steps, first, key=by_record)]
