"""Lanes: the bytes around a record in its sender's stream, with the chunks, records and messages that lie over them.

They are found from the record outwards, so that it costs the same in a long recording as in a short one.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from ..anatomy.field import Sender
from ..anatomy.record import PACKED, Kind, Record
from ..protocol.connection import Message
from .deriving import NO_MESSAGE
from .writing import ENTRY, EVENT, Chunk

if TYPE_CHECKING:
    from .trace import Trace

FARTHEST = 4096
"""Records, and chunks, that are looked through in each direction."""
_WORDS = frozenset((Kind.ERROR, Kind.BEND))
"""Kinds that tell of no bytes."""
WHOSE = struct.Struct("<4xI30xBB36x")
"""Connection, sender and kind of a packed record."""


class Lanes(NamedTuple):
    """A run of one stream's bytes, and what lies over them: chunks, records and messages, none bound to another."""

    start: int
    """Offset of the first byte, in the sender's stream."""
    stop: int
    chunks: tuple[Chunk, ...]
    """Writes of the sender and reads of the peer that touch these bytes, as far as those ends are in the lab."""
    records: tuple[Record, ...]
    messages: tuple[tuple[int, int, int, int, Message], ...]
    """For each message that ends among the records: the numbers of its first and last record here, where they start and
    stop, and the message itself, without data."""


def lanes(trace: Trace, record: Record, around: int) -> Lanes:
    """See ``Trace.lanes``."""
    own = _message_of(trace, record.number)
    first, total = trace._records.first, trace._records.total

    def along(numbers: range) -> list[Record]:
        """The nearest of these that belong to the lanes, in the order of ``numbers``."""
        found: list[Record] = []
        beyond = 0
        lowest = min(numbers, default=0)
        packed = trace._records.slice(lowest, max(numbers, default=-1) + 1)
        for number in numbers:
            at = (number - lowest) * PACKED.size
            connection, sender, kind = WHOSE.unpack_from(packed, at)
            if (connection, sender) != (record.connection, record.sender) or kind in _WORDS:
                continue
            beyond += own is None or _message_of(trace, number) != own
            if beyond > around:
                break
            found.append(Record.unpack(packed[at : at + PACKED.size]))
        return found

    before = along(range(record.number - 1, max(first, record.number - FARTHEST) - 1, -1))
    after = along(range(record.number + 1, min(total, record.number + FARTHEST)))
    records = (*reversed(before), record, *after)
    start, stop = records[0].offset, max(map(_stop, records))
    return Lanes(start, stop, tuple(_touching(trace, record, start, stop)), records, tuple(_messages(trace, records)))


def _stop(record: Record) -> int:
    return record.offset + record.header_length + record.payload_length


def _message_of(trace: Trace, number: int) -> int | None:
    """Which of its sender's messages a record is a part of."""
    message: int = trace._places[number][1]
    return None if message == NO_MESSAGE else message


def _messages(trace: Trace, records: Iterable[Record]) -> Iterator[tuple[int, int, int, int, Message]]:
    """The messages whose last frame is among these records of one stream."""
    parts: dict[int, list[Record]] = {}
    for record in records:
        message = _message_of(trace, record.number)
        if message is not None:
            parts.setdefault(message, []).append(record)
    for own in parts.values():
        first, last = own[0], own[-1]
        at = bisect_left(trace._messages, last.number, key=itemgetter(0))
        if at < len(trace._messages) and trace._messages[at][0] == last.number:
            yield first.number, last.number, first.offset, _stop(last), trace._messages[at][2]


def _touching(trace: Trace, record: Record, start: int, stop: int) -> list[Chunk]:
    """The chunks of the record's stream that touch its bytes ``start`` to ``stop``; they lie near it in time."""
    log = trace._log
    with trace._write_lock:
        kept = range(log.first, log.total)
        middle = log.first + bisect_left(kept, record.time, key=lambda entry: log[entry][0])
        lowest, highest = max(log.first, middle - FARTHEST), min(log.total, middle + FARTHEST)
        packed = log.slice(lowest, highest)
    wire = trace._wires.get(record.connection)
    ends = {end for end in Sender if wire is None or wire.tapped[end]}

    def along(numbers: range, beyond: Callable[[int, int], bool]) -> list[Chunk]:
        """Those of the log's entries that touch the bytes, until each end is ``beyond`` them."""
        found, left = [], set(ends)
        for number in numbers:
            entry = ENTRY.unpack_from(packed, (number - lowest) * ENTRY.size)
            at, connection, sender, seen_by, offset, length, position = entry
            if (connection, sender) != (record.connection, record.sender) or position == EVENT:
                continue
            if offset < stop and offset + length > start:
                found.append(Chunk(at, connection, Sender(sender), Sender(seen_by), offset, length))
            if beyond(offset, offset + length):
                left.discard(Sender(seen_by))
                if not left:
                    break
        return found

    before = along(range(middle - 1, lowest - 1, -1), lambda first, last: first <= start)
    return [*reversed(before), *along(range(middle, highest), lambda first, last: last >= stop)]
