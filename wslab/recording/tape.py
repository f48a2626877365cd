"""The tape: what crossed, as each end's ``Tap`` tells it, in any thread, as fast as a copy.

Theory. A *chunk* is what one read or one write handed over. Noting one copies its bytes into a ring and appends one
entry of fixed size to a log. What the bytes mean is worked out later (``derive``), in batches and behind the writer:
a writer helps only when the log or the ring is full of what nobody has looked at.

A byte is kept once. Where both ends are in the lab, the sender's chunks hold the bytes, and the receiver's chunks only
say where its reads began and stopped.

Locking. The tape's own lock is held for one copy and one append, or to read bytes back, and never while something is
derived. It is reentrant: a finalizer may run in the midst of a write and tell of the end of another connection.
"""

from __future__ import annotations

import struct
import sys
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

from ..anatomy.field import Sender
from ..anatomy.record import CloseReport, Kind
from .ring import PackedLog, Ring

# Time, connection, sender, seen by, offset, length, ring position.
ENTRY = struct.Struct("<dIBBQQQ")
Entry = tuple[float, int, int, int, int, int, int]
NOT_STORED = 2**64 - 1  # the position of a chunk whose bytes its sender's chunks hold
EVENT = 2**64 - 2  # the position of an entry that is no chunk
BATCH = 256  # entries that are taken off the tape at a time, which is a few milliseconds of work
NEW = 1024  # connections of which nobody has looked at a byte: for more of them a writer helps, too
PIECE = 2**12  # bytes whose deriving takes about as long as an entry's


class BendNote(str):
    """What a relay did to a stream, in words."""


class LossNote(str):
    """That the next bytes of a stream are not known, in words; empty where the recording ends."""


class ResetNote(str):
    """That a connection was torn down with an RST of unknown author: what is known of the packet, in words."""


# What an entry that is no chunk tells: FIN or RESET, a program's error, a bend, what a program reports at the end.
Told = Kind | str | BendNote | LossNote | CloseReport


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

    __slots__ = ("first_entry", "heads", "key", "last_entry", "live", "number", "seen", "tapped")

    def __init__(self, number: int, key: Hashable, first_entry: int) -> None:
        self.number, self.key, self.first_entry, self.last_entry = number, key, first_entry, -1
        self.heads = (True, True)  # whether the client's and the server's stream are told from the handshake on
        self.tapped = [False, False]  # whether the client's and the server's end are in the lab
        self.live = 0  # how many taps still tell
        # Of the client's and of the server's stream: bytes that the client's end and the server's end saw.
        self.seen = ([0, 0], [0, 0])


class Tap:
    """One end of a connection, as its transport tells it. Made by ``Trace.join``. Thread-safe.

    ``sent`` and ``received`` come before the bytes go on; nothing here changes them. Each thing is noted with the
    present time, unless ``at`` says when it was, in seconds since the trace began, as of what was captured elsewhere.
    """

    __slots__ = ("_closed", "_peer", "_tape", "_wire", "connection", "end")

    def __init__(self, tape: Tape, wire: Wire, end: Sender) -> None:
        self._tape, self._wire, self._peer, self._closed = tape, wire, end.peer, False
        self.end, self.connection = end, wire.number  # which end it is, and the connection's number in the trace

    @property
    def whole(self) -> bool:
        """Whether both ends of this connection tell of it now, so that each is of this process."""
        return self._wire.live == 2

    def sent(self, data: bytes | bytearray | memoryview, at: float | None = None) -> None:
        """This end wrote ``data``."""
        self._tape.write(self._wire, self.end, self.end, data, at)

    def received(self, data: bytes | bytearray | memoryview, at: float | None = None) -> None:
        """This end read ``data``."""
        self._tape.write(self._wire, self._peer, self.end, data, at)

    def fin_sent(self, at: float | None = None) -> None:
        """This end will send no more (TCP FIN)."""
        self._tape.tell(self._wire, self.end, self.end, Kind.FIN, at)

    def fin_received(self, at: float | None = None) -> None:
        """This end read end of file."""
        self._tape.tell(self._wire, self._peer, self.end, Kind.FIN, at)

    def reset_sent(self, at: float | None = None, seen: str = "") -> None:
        """This end tore the connection down (TCP RST), or something with its address did: what was ``seen`` of that."""
        self._tape.tell(self._wire, self.end, self.end, ResetNote(seen) if seen else Kind.RESET, at)

    def reset_received(self, at: float | None = None) -> None:
        """This end was told that its peer tore the connection down."""
        self._tape.tell(self._wire, self._peer, self.end, Kind.RESET, at)

    def note(self, text: str, at: float | None = None) -> None:
        """This end's program failed: ``text`` says how."""
        self._tape.tell(self._wire, self.end, self.end, str(text), at)

    def lost(self, text: str, at: float | None = None) -> None:
        """What this end sends next is not known; ``text`` says why, and is empty where the recording ends."""
        self._tape.tell(self._wire, self.end, self.end, LossNote(text), at)

    def bend(self, text: str) -> None:
        """A relay did something to what this end sends: ``text`` says what."""
        self._tape.tell(self._wire, self.end, self.end, BendNote(text))

    def left(self) -> None:
        """This end tells no more, and its program's view of the end is not known. Calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._tape.leave(self._wire)

    def closed(self, code: int | None = None, reason: str = "") -> None:
        """This end is done with the connection, as its program reports. Calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._tape.tell(self._wire, self.end, self.end, CloseReport(self.end, code, reason))
            self._tape.leave(self._wire)


class Kept(NamedTuple):
    """What a tape holds, as plain data: what a file of it has to carry."""

    start: int  # ring position of the first byte that is kept
    data: bytes
    first: int  # number of the first entry that is kept
    entries: bytes  # those that were taken, packed as ``ENTRY``


class Tape:
    """What crossed, in the order in which it was told. Thread-safe.

    Args:
        max_bytes: how many bytes of traffic are kept.
        max_entries: half of how many entries are kept; and how many may wait to be taken.
        make_room: takes a batch off the given tape, or waits until another thread has; called by a writer, without the
            lock, when the tape is full. It returns False where neither is possible.
    """

    def __init__(self, max_bytes: int, max_entries: int, make_room: Callable[[Tape], bool]) -> None:
        if max_bytes < 1024 or max_entries < 16:
            least = "a trace keeps at least 1024 bytes and 16 entries"
            raise ValueError(f"max_bytes={max_bytes}, max_entries={max_entries}: {least}")
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self.wires: dict[int, Wire] = {}
        self.next_connection = 0  # the number that the next new connection gets
        # Connections that are new to the reader, and those that no end tells of any more. The reader takes them off; an
        # end that comes late may tell of one again.
        self.joined: deque[Wire] = deque()
        self.left: deque[Wire] = deque()
        self._lock = threading.RLock()
        self._taken = 0  # entries that were looked at
        self._taken_to = 0  # ring position up to which every byte was looked at
        self._make_room = make_room
        self._epoch = time.perf_counter()
        self._ring = Ring(max_bytes)
        self._log = PackedLog(ENTRY, 2 * max_entries)
        self._told: dict[int, Told] = {}  # by entry
        self._long: dict[int, bytes] = {}  # by entry: chunks that are longer than the ring
        self._joinable: dict[Hashable, Wire] = {}
        self._subscribers: tuple[Callable[[], object], ...] = ()
        self._woken = True  # whether all of them know of something new

    def join(
        self, end: Sender, key: Hashable, *, number: int | None = None, heads: tuple[bool, bool] = (True, True)
    ) -> Tap:
        """See ``Trace.join``."""
        with self._lock:
            wire = self._joinable.get(key)
            # The peer may have come and gone before the accepting side was told of the connection. The other
            # way round it is a new connection that happens to use the same ports again.
            if wire is None or wire.tapped[end] or (not wire.live and end is Sender.CLIENT):
                wire = self._joinable[key] = self.wire(key, number)
                wire.heads = heads
            wire.tapped[end] = True
            wire.live += 1
        self._wake()
        return Tap(self, wire, end)

    def wire(self, key: Hashable = None, number: int | None = None) -> Wire:
        """A new connection, of which no end tells yet. ``number`` must be free; None gives it the next one."""
        with self._lock:
            wire = Wire(self.next_connection if number is None else number, key, self._log.total)
            self.wires[wire.number] = wire
            self.next_connection = max(self.next_connection, wire.number + 1)
            self.joined.append(wire)
            return wire

    def write(
        self, wire: Wire, sender: Sender, seen_by: Sender, data: bytes | bytearray | memoryview, at: float | None = None
    ) -> None:
        """Note a chunk of ``sender``'s stream that the end ``seen_by`` wrote or read."""
        length = len(data)
        if not length:
            return
        now = time.perf_counter() - self._epoch if at is None else at
        seen = wire.seen[sender]
        stored = sender is seen_by or not wire.tapped[sender]
        ring, log = self._ring, self._log
        if len(self.joined) > NEW:
            self._make_room(self)
        room = self.max_bytes - min(length, self.max_bytes) if stored else self.max_bytes
        while True:
            with self._lock:
                if log.total - self._taken < self.max_entries and ring.end - self._taken_to <= room:
                    offset = seen[seen_by]
                    seen[seen_by] = offset + length
                    position = ring.write(data) if stored else NOT_STORED
                    entry = log.append(ENTRY.pack(now, wire.number, sender, seen_by, offset, length, position))
                    wire.last_entry = entry
                    if stored and length > self.max_bytes:
                        self._long[entry] = bytes(data)
                    break
            if not self._make_room(self):
                return  # a finalizer writes in the midst of deriving, and only that would make room
        if not self._woken:
            self._wake()

    def tell(self, wire: Wire, sender: Sender, told_by: Sender, told: Told, at: float | None = None) -> None:
        """Note something that is no chunk: it concerns ``sender``'s stream, and the end ``told_by`` tells it."""
        with self._lock:
            now = self.now() if at is None else at
            place = max(wire.seen[sender])
            entry = wire.last_entry = self._log.append(ENTRY.pack(now, wire.number, sender, told_by, place, 0, EVENT))
            self._told[entry] = told
        self._wake()

    def note(self, text: str, connection: int | None, sender: Sender) -> None:
        """See ``Trace.note``."""
        with self._lock:
            wire = self.wires.get(self.next_connection - 1 if connection is None else connection)
            if wire is None:
                wire = self.wire()
                self.left.append(wire)
        self.tell(wire, sender, sender, str(text))

    def leave(self, wire: Wire) -> None:
        """One of the connection's ends tells no more."""
        with self._lock:
            wire.live -= 1
            if not wire.live:
                self.left.append(wire)
                if wire.tapped[Sender.SERVER] or len(self._joinable) > 1024:
                    self._part(wire)

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop connections that are over, and the entries that are older than every connection that is kept."""
        with self._lock:
            for number in numbers:
                self._part(self.wires.pop(number))
            oldest = next(iter(self.wires.values()), None)
            self._log.drop(self._taken if oldest is None else min(oldest.first_entry, self._taken))

    def _part(self, wire: Wire) -> None:
        if self._joinable.get(wire.key) is wire:
            del self._joinable[wire.key]

    def now(self) -> float:
        """Seconds since the tape began."""
        return time.perf_counter() - self._epoch

    def subscribe(self, wake: Callable[[], object]) -> Callable[[], None]:
        """See ``Trace.subscribe``."""
        with self._lock:
            self._subscribers, self._woken = (*self._subscribers, wake), False

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(other for other in self._subscribers if other is not wake)

        return unsubscribe

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            for wake in self._subscribers:
                wake()

    def take(self, most: int | None = None) -> Iterator[tuple[Entry, bytes | memoryview | Told | None]]:
        """The entries that were not taken yet, at most ``most``, in order; one reader at a time.

        With each comes what it holds: a stored chunk's bytes, which are good until the next entry is asked for; what an
        event tells; or None for a chunk whose bytes its sender's chunks hold. An entry counts as one, and as one more
        for each ``PIECE`` bytes.
        """
        self._woken = False
        stop = self._log.total
        left = sys.maxsize if most is None else most
        while self._taken < stop and left > 0:
            with self._lock:
                packed = self._log.slice(self._taken, min(stop, self._taken + BATCH))
            for entry in ENTRY.iter_unpack(packed):
                taken = self._taken
                self._taken = taken + 1
                left -= 1
                position = entry[6]
                if position < EVENT:
                    length = entry[5]
                    data = self._long.pop(taken) if length > self.max_bytes else self._ring.view(position, length)
                    assert data is not None, "a writer waits until what it would write over was taken"
                    yield entry, data
                    self._taken_to = position + length
                    left -= length // PIECE
                else:
                    yield entry, self._told.pop(taken) if position == EVENT else None
                if left <= 0:
                    return

    def hold(self) -> AbstractContextManager[object]:
        """Let nothing be written by others until the block ends; writers wait."""
        return self._lock

    def waiting(self, wire: Wire) -> bool:
        """Whether something of the connection was not taken yet."""
        return wire.last_entry >= self._taken

    @property
    def dropped(self) -> tuple[int, int]:
        """How many entries and bytes were dropped, which is where the first entry and the first byte kept lie."""
        return self._log.first, self._ring.start

    def read(self, position: int, length: int) -> bytes | None:
        """The bytes at a ring position, or None where some of them were dropped."""
        with self._lock:
            return self._ring.read(position, length)

    def entries(self) -> Iterator[Entry]:
        """The entries that are kept and were taken."""
        with self._lock:
            return ENTRY.iter_unpack(self._log.slice(stop=self._taken))

    def begins(self) -> dict[tuple[int, int], int]:
        """For each connection and sender, the offset of the first byte that is kept together with its whole chunk, or
        where there is none, with its chunk's entry."""
        parts: dict[tuple[int, int], int] = {}
        begins: dict[tuple[int, int], int] = {}  # the log and the ring drop their oldest each at its own pace
        for _, connection, sender, _, offset, length, position in self.entries():
            if self._ring.start <= position < EVENT:
                begins.setdefault((connection, sender), offset)
            elif self._ring.start - length < position < EVENT:
                parts[connection, sender] = offset + self._ring.start - position
        return parts | begins

    def near(self, moment: float, farthest: int) -> Iterator[Entry]:
        """At most ``farthest`` entries before and after ``moment``."""
        with self._lock:
            kept = range(self._log.first, self._log.total)
            middle = kept.start + bisect_left(kept, moment, key=lambda entry: self._log[entry][0])
            return ENTRY.iter_unpack(self._log.slice(middle - farthest, middle + farthest))

    def kept(self) -> Kept:
        """A copy of all that is kept and was taken, as plain data."""
        with self._lock:
            start, log = self._ring.start, self._log
            data = self._ring.read(start, self._ring.end - start) or b""
            return Kept(start, data, log.first, log.slice(stop=self._taken))

    def restore(self, kept: Kept) -> None:
        """Take over what another tape kept, as the whole of this one."""
        with self._lock:
            self._ring.end = kept.start
            self._ring.write(kept.data)
            self._log.restore(kept.first, kept.entries)
            self._taken, self._taken_to = self._log.total, self._ring.end
