"""What a tape notes: entries of fixed size, most of which are chunks, and the connections that they belong to."""

from __future__ import annotations

import struct
from collections.abc import Hashable
from typing import NamedTuple

from ..anatomy.field import Sender
from ..anatomy.record import Kind
from ..anatomy.records import CloseReport

# Time, connection, sender, seen by, offset, length, ring position.
ENTRY = struct.Struct("<dIBBQQQ")
Entry = tuple[float, int, int, int, int, int, int]
NOT_STORED = 2**64 - 1  # the position of a chunk whose bytes its sender's chunks hold
EVENT = 2**64 - 2  # the position of an entry that is no chunk


class BendNote(str):
    """What a relay did to a stream, in words."""


# What an entry that is no chunk tells: FIN or RESET, a program's error, a bend, what a program reports at the end.
Told = Kind | str | BendNote | CloseReport


class Chunk(NamedTuple):
    """What one read or one write handed over. It is not a frame."""

    time: float  # seconds since the trace began
    connection: int
    sender: Sender  # who sent these bytes
    seen_by: Sender  # which end's read or write this was: equal to ``sender`` for a write
    offset: int  # of its first byte in the sender's stream
    length: int


class Wire:
    """One TCP connection as its ends tell it."""

    __slots__ = ("key", "last_entry", "live", "middle", "number", "seen", "tapped")

    def __init__(self, number: int, key: Hashable) -> None:
        self.number, self.key = number, key
        self.middle = False  # whether what is told begins in the midst of frames
        self.tapped = [False, False]  # whether the client's and the server's end are in the lab
        self.live = 0  # how many taps still tell
        # Of the client's and of the server's stream: bytes that the client's end and the server's end saw.
        self.seen = ([0, 0], [0, 0])
        self.last_entry = -1
