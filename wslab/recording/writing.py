"""Writing: each end's ``Tap`` notes what crosses, in any thread, as fast as a copy.

Theory. A *chunk* is what one read or one write handed over. Noting one copies its bytes into a ring and appends one
entry of fixed size to a log, both under ``_write_lock``, and wakes who wants to read. What the bytes mean is worked
out later (``deriving``), unless so much waits that the writer has to do a part of it first, or the ring is about to
run over bytes that were not looked at yet.

A byte is kept once: where both ends are in the lab, the sender's chunks hold the bytes, and the receiver's chunks
only say where that end's reads began and stopped.
"""

from __future__ import annotations

import struct
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable
from typing import NamedTuple

from ..anatomy.closing import CloseReport
from ..anatomy.field import Sender
from ..anatomy.record import Kind
from ..protocol.connection import Connection
from .ring import PackedLog, Ring
from .steps import Cause, Step

STEP = 2048
"""Entries that are derived at a time (some milliseconds), by a writer that meets too many."""
LARGE = 2**14
"""A chunk of more bytes is derived at once, while it is at hand, instead of being read back from the ring."""

ENTRY = struct.Struct("<dIBBQQQ")
"""Time, connection, sender, seen by, offset, length, ring position. Most entries are chunks."""
NOT_STORED = 2**64 - 1
"""The position of a chunk whose bytes its sender's chunks hold."""
EVENT = 2**64 - 2
"""The position of an entry that is no chunk; ``Writer._events`` holds what it is."""


class BendNote(str):
    """What a relay did to a stream, in words."""


Told = Kind | str | BendNote | CloseReport
"""What an entry that is no chunk tells: FIN or RESET, a program's error, a bend, what a program reports at the end."""


class Chunk(NamedTuple):
    """What one read or one write handed over. It is not a frame."""

    time: float
    """Seconds since the trace began."""
    connection: int
    sender: Sender
    """Who sent these bytes."""
    seen_by: Sender
    """Which end's read or write this was: equal to ``sender`` for a write."""
    offset: int
    """Of its first byte in the sender's stream."""
    length: int


class Stream:
    """One direction of one connection: how far it got, and where its bytes lie in the ring."""

    __slots__ = ("ended", "offsets", "positions", "seen", "untold", "waiting")

    def __init__(self) -> None:
        self.seen = [0, 0]  # bytes that the client's end, the server's end saw of this stream
        self.ended: set[Kind] = set()
        self.untold: dict[Kind, tuple[int, float]] = {}  # ends that the peer was not told of: record, and its time
        self.offsets: list[int] = []
        self.positions: list[int] = []
        self.waiting: deque[tuple[int, int, float]] = deque()
        """Records whose last byte the peer has not read: where they stop, their number and time."""


class Wire:
    """One TCP connection as the trace keeps it."""

    __slots__ = (
        "causes", "closings", "key", "last_entry", "last_record", "live", "number", "protocol", "steps", "streams",
        "tapped",
    )  # fmt: skip

    def __init__(self, number: int, key: Hashable) -> None:
        self.number = number
        self.key = key
        self.tapped = [False, False]
        self.live = 0
        self.streams = (Stream(), Stream())
        self.protocol = Connection()
        self.closings: dict[Sender, CloseReport] = {}
        self.causes: dict[Cause, int] = {}  # new records that may have changed a state
        self.steps: list[Step] = []
        self.last_entry = -1
        self.last_record = -1


class Tap:
    """One end of a connection, as its transport tells it. Made by ``Trace.join``; any thread may use it.

    ``sent`` and ``received`` come before the bytes go on; nothing here changes them. Each thing is noted with the
    present time, unless ``at`` says when it was, in seconds since the trace began: that is how what was captured
    elsewhere is told.
    """

    __slots__ = ("_closed", "_peer", "_trace", "_wire", "end")

    def __init__(self, trace: Writer, wire: Wire, end: Sender) -> None:
        self._trace, self._wire, self.end, self._peer = trace, wire, end, end.peer
        self._closed = False

    @property
    def connection(self) -> int:
        """The connection's number in the trace."""
        return self._wire.number

    def sent(self, data: bytes | bytearray | memoryview, at: float | None = None) -> None:
        """This end wrote ``data``."""
        self._trace._chunk(self._wire, self.end, self.end, data, at)

    def received(self, data: bytes | bytearray | memoryview, at: float | None = None) -> None:
        """This end read ``data``."""
        self._trace._chunk(self._wire, self._peer, self.end, data, at)

    def fin_sent(self, at: float | None = None) -> None:
        """This end will send no more (TCP FIN)."""
        self._trace._event(self._wire, self.end, self.end, Kind.FIN, at)

    def fin_received(self, at: float | None = None) -> None:
        """This end read end of file."""
        self._trace._event(self._wire, self._peer, self.end, Kind.FIN, at)

    def reset_sent(self, at: float | None = None) -> None:
        """This end tore the connection down (TCP RST)."""
        self._trace._event(self._wire, self.end, self.end, Kind.RESET, at)

    def reset_received(self, at: float | None = None) -> None:
        """This end was told that its peer tore the connection down."""
        self._trace._event(self._wire, self._peer, self.end, Kind.RESET, at)

    def note(self, text: str, at: float | None = None) -> None:
        """This end's program failed: ``text`` says how."""
        self._trace._event(self._wire, self.end, self.end, str(text), at)

    def bend(self, text: str) -> None:
        """A relay did something to what this end sends: ``text`` says what."""
        self._trace._event(self._wire, self.end, self.end, BendNote(text))

    def left(self) -> None:
        """This end tells no more, and what its program makes of the end is not known."""
        if not self._closed:
            self._closed = True
            self._trace._leave(self._wire)

    def closed(self, code: int | None = None, reason: str = "") -> None:
        """This end is done with the connection, and its program reports this code and reason."""
        if not self._closed:
            self._closed = True
            self._trace._event(self._wire, self.end, self.end, CloseReport(self.end, code, reason))
            self._trace._leave(self._wire)


class _Subscriber:
    __slots__ = ("wake", "woken")

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake, self.woken = wake, False


class Writer(ABC):
    """The writing half of a trace: see ``Trace`` for its arguments."""

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        if max_bytes < 1024 or max_entries < 16:
            raise ValueError(
                f"max_bytes={max_bytes}, max_entries={max_entries}: a trace keeps at least 1024 bytes and 16 entries"
            )
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self.began = time.time()
        self._epoch = time.perf_counter()
        self._write_lock = threading.Lock()
        self._ring = Ring(max_bytes)
        self._log = PackedLog(ENTRY, 2 * max_entries)
        self._events: dict[int, tuple[Wire, Told]] = {}
        self._large: dict[int, bytes] = {}
        self._derived = 0  # entries of the log that have been looked at
        self._derived_to = 0  # ring position up to which every byte has been looked at
        self._wires: dict[int, Wire] = {}
        self._joinable: dict[Hashable, Wire] = {}
        self._next_connection = 0
        self._subscribers: list[_Subscriber] = []

    @abstractmethod
    def update(self, most: int | None = None) -> None:
        """Derive records from what was written since the last time; at most from so many entries."""

    def join(self, end: Sender, key: Hashable, *, number: int | None = None, middle: bool = False) -> Tap:
        """A tap for one end of a TCP connection.

        Args:
            end: which end this is.
            key: equal for both ends of one connection, such as a frozenset of its two socket addresses.
            number: the connection's number in the trace, which must be free; None gives it the next one.
            middle: whether what is told begins in the midst of frames, so that no opening handshake is looked for.
        """
        with self._write_lock:
            wire = self._joinable.get(key)
            # The peer may have come and gone before the accepting side was told of the connection. The other
            # way round it is a new connection that happens to use the same ports again.
            if wire is None or wire.tapped[end] or (not wire.live and end is Sender.CLIENT):
                wire = self._joinable[key] = self._new_wire(key, number)
                if middle:
                    wire.protocol = Connection(heads=(False, False))
            wire.tapped[end] = True
            wire.live += 1
        self._wake()
        return Tap(self, wire, end)

    def now(self) -> float:
        """Seconds since the trace began."""
        return time.perf_counter() - self._epoch

    def note(self, text: str, *, connection: int | None = None, sender: Sender = Sender.SERVER) -> None:
        """Record that a program failed, in words, as an ERROR record of that connection (the newest unless named)."""
        with self._write_lock:
            number = self._next_connection - 1 if connection is None else connection
            wire = self._wires.get(number) or self._new_wire(None)
        self._event(wire, sender, sender, str(text))

    def _new_wire(self, key: Hashable, number: int | None = None) -> Wire:
        if number is None:
            number = self._next_connection
        wire = self._wires[number] = Wire(number, key)
        self._next_connection = max(self._next_connection, number + 1)
        return wire

    def _leave(self, wire: Wire) -> None:
        with self._write_lock:
            wire.live -= 1
            done = not wire.live and (wire.tapped[Sender.SERVER] or len(self._joinable) > 1024)
            if done and self._joinable.get(wire.key) is wire:
                del self._joinable[wire.key]

    def _chunk(
        self,
        wire: Wire,
        sender: Sender,
        seen_by: Sender,
        data: bytes | bytearray | memoryview,
        at: float | None = None,
    ) -> None:
        length = len(data)
        if not length:
            return
        now = time.perf_counter() - self._epoch if at is None else at
        seen = wire.streams[sender].seen
        stored = sender is seen_by or not wire.tapped[sender]
        ring, log, pack = self._ring, self._log, ENTRY.pack
        room = self.max_bytes - min(length, self.max_bytes) if stored else self.max_bytes
        while True:
            with self._write_lock:
                if log.total - self._derived < self.max_entries and ring.end - self._derived_to <= room:
                    offset = seen[seen_by]
                    seen[seen_by] = offset + length
                    position = ring.write(data) if stored else NOT_STORED
                    entry = log.append(pack(now, wire.number, sender, seen_by, offset, length, position))
                    wire.last_entry = entry
                    if stored and length > LARGE:
                        self._large[entry] = bytes(data)
                    break
            self.update(STEP)
        if entry in self._large:
            self.update()
        if self._subscribers:
            self._wake()

    def _event(self, wire: Wire, sender: Sender, told_by: Sender, told: Told, at: float | None = None) -> None:
        with self._write_lock:
            now = time.perf_counter() - self._epoch if at is None else at
            place = max(wire.streams[sender].seen)
            entry = wire.last_entry = self._log.append(ENTRY.pack(now, wire.number, sender, told_by, place, 0, EVENT))
            self._events[entry] = (wire, told)
        if self._subscribers:
            self._wake()

    def _wake(self) -> None:
        for subscriber in self._subscribers:
            if not subscriber.woken:
                subscriber.woken = True
                subscriber.wake()

    def subscribe(self, wake: Callable[[], object]) -> Callable[[], None]:
        """Have ``wake()`` called when something new was written.

        It is called from whichever thread wrote, once until somebody reads; it must be quick and must not write
        to the trace. Returns a function that ends the subscription.
        """
        subscriber = _Subscriber(wake)
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber) if subscriber in self._subscribers else None
