"""Lanes: the bytes around a record in its sender's stream, with the chunks, records and messages that lie over them.

They are found from the record outwards, so that it costs the same in a long recording as in a short one.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..anatomy.field import Sender
from ..anatomy.record import PACKED, Kind, Record
from ..protocol.message import Message
from .ledger import NO_MESSAGE, Ledger
from .tape import EVENT, Chunk, Tape

FARTHEST = 4096  # records, and chunks, that are looked through in each direction
WHOSE = struct.Struct("<4xI30xBB36x")  # Connection, sender and kind of a packed record
_WORDS = frozenset((Kind.ERROR, Kind.BEND))  # kinds that tell of no bytes


class Lanes(NamedTuple):
    """A run of one stream's bytes, and what lies over them: chunks, records and messages, none bound to another."""

    start: int  # offset of the first byte, in the sender's stream
    stop: int
    # Writes of the sender and reads of the peer that touch these bytes, as far as those ends are in the lab.
    chunks: tuple[Chunk, ...]
    records: tuple[Record, ...]
    # For each message that ends among the records: the numbers of its first and last record here, where they start and
    # stop, and the message itself, without data.
    messages: tuple[tuple[int, int, int, int, Message], ...]


def lanes(tape: Tape, ledger: Ledger, record: Record, around: int) -> Lanes:
    """See ``Trace.lanes``."""
    number, places = record.number, ledger.places
    own = places[number][1]

    def along(numbers: range) -> Iterator[Record]:
        """The nearest of these that belong to the lanes, in the order of ``numbers``."""
        beyond = 0
        lowest = min(numbers, default=0)
        packed = ledger.records.slice(lowest, max(numbers, default=-1) + 1)
        for other in numbers:
            at = (other - lowest) * PACKED.size
            connection, sender, kind = WHOSE.unpack_from(packed, at)
            if (connection, sender) == (record.connection, record.sender) and kind not in _WORDS:
                beyond += own == NO_MESSAGE or places[other][1] != own
                if beyond > around:
                    return
                yield Record.unpack(packed[at : at + PACKED.size])

    before = [*along(range(number - 1, max(ledger.records.first, number - FARTHEST) - 1, -1))]
    after = along(range(number + 1, min(ledger.records.total, number + FARTHEST)))
    records = (*reversed(before), record, *after)
    start, stop = records[0].offset, max(map(_stop, records))
    chunks = [
        Chunk(at, connection, Sender(sender), Sender(seen_by), offset, length)
        for at, connection, sender, seen_by, offset, length, position in tape.near(record.time, FARTHEST)
        if offset < stop and offset + length > start and position != EVENT
        if (connection, sender) == (record.connection, record.sender)
    ]
    return Lanes(start, stop, tuple(chunks), records, tuple(_messages(ledger, records)))


def _stop(record: Record) -> int:
    return record.offset + record.header_length + record.payload_length


def _messages(ledger: Ledger, records: Iterable[Record]) -> Iterator[tuple[int, int, int, int, Message]]:
    """The messages whose last frame is among these records of one stream."""
    parts: dict[int, list[Record]] = {}
    for record in records:
        parts.setdefault(ledger.places[record.number][1], []).append(record)
    parts.pop(NO_MESSAGE, None)
    messages = range(ledger.messages.first, ledger.messages.total)
    for own in parts.values():
        first, last = own[0], own[-1]
        at = bisect_left(messages, last.number, key=lambda place: ledger.messages[place][0])
        if at < len(messages):
            completed, _, told = ledger.message(messages[at])
            if completed == last.number:
                yield first.number, last.number, first.offset, _stop(last), told
