"""The recording itself: ``Trace`` keeps what crossed, and derives from it what it means.

Theory. A *chunk* is what one read or one write handed over. Chunks are the truth: a
``Tap`` at each end of a TCP connection notes them as they cross, in any thread. Frames,
messages, states and violations are computed from them later, in order, by
``wslab.protocol``; they keep their offsets into the sender's stream.

Three things keep this cheap and bounded:

- A writer only copies its bytes into a ring and one entry of fixed size into a log. Whoever
  reads derives what is new there; so does a writer that finds too much of it, or the ring
  about to run over bytes that were not looked at yet.
- A byte is kept once. Where both ends are in the lab, the sender's chunks hold the bytes
  and the receiver's chunks only say where that end's reads began and stopped.
- Derived records have a fixed size (``wslab.anatomy.record``); what does not fit there
  (violations, inflated payloads, texts of errors) is kept beside them, sparsely.

Two locks: ``_write_lock`` is held for a copy and an append, or to read bytes back;
``_derive_lock`` while what is new is worked off, and by whoever reads what was derived. A
thread never takes the second while it holds the first.
"""

from __future__ import annotations

import copy
import struct
import threading
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, NamedTuple, overload

from ..anatomy.closing import CloseReport
from ..anatomy.field import Explanation, Sender, Violation
from ..anatomy.record import DELAY, DELAY_AT, PACKED, PREVIEW, UNKNOWN, Kind, Record, delay
from ..anatomy.visible import count
from ..protocol.connection import Connection, Message, Unread
from ..protocol.frame import Frame, close_body, explain_frame
from ..protocol.head import Head, explain_head
from ..protocol.states import State, Transition
from ..protocol.words import CLOSE, OPCODE
from .around import Cause, Lanes, Step, lanes_of, states_after, steps_of
from .ring import PackedLog, Ring
from .views import Closing, Handshake, Slice

STEP = 2048
"""Entries that are derived at a time (some milliseconds), by a writer that meets too many."""
LARGE = 2**14
"""A chunk of more bytes is derived at once, while it is at hand, instead of being read back from the ring."""

ENTRY = struct.Struct("<dIBBQQQ")
"""Time, connection, sender, seen by, offset, length, ring position. Most entries are chunks."""
NOT_STORED = 2**64 - 1
"""The position of a chunk whose bytes its sender's chunks hold."""
EVENT = 2**64 - 2
"""The position of an entry that is no chunk; ``Trace._events`` holds what it is."""
WAITING = 4096
"""Records of one stream that wait to be read by a peer of which nothing is known."""
PLACE = struct.Struct("<II")
NO_MESSAGE = 2**32 - 1


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


class Dropped(NamedTuple):
    """What a bounded trace no longer holds."""

    records: int
    chunks: int
    """Chunks, and with them notes of how connections ended."""
    bytes: int


class _Stream:
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


class _Wire:
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
        self.streams = (_Stream(), _Stream())
        self.protocol = Connection()
        self.closings: dict[Sender, CloseReport] = {}
        self.causes: dict[Cause, int] = {}  # new records that may have changed a state
        self.steps: list[Step] = []
        self.last_entry = -1
        self.last_record = -1


class Tap:
    """One end of a connection, as its transport tells it. Made by ``Trace.join``; any thread may use it.

    ``sent`` and ``received`` come before the bytes go on; nothing here changes them.
    """

    __slots__ = ("_closed", "_peer", "_trace", "_wire", "end")

    def __init__(self, trace: Trace, wire: _Wire, end: Sender) -> None:
        self._trace, self._wire, self.end, self._peer = trace, wire, end, end.peer
        self._closed = False

    @property
    def connection(self) -> int:
        """The connection's number in the trace."""
        return self._wire.number

    def sent(self, data: bytes | bytearray | memoryview) -> None:
        """This end wrote ``data``."""
        self._trace._chunk(self._wire, self.end, self.end, data)

    def received(self, data: bytes | bytearray | memoryview) -> None:
        """This end read ``data``."""
        self._trace._chunk(self._wire, self._peer, self.end, data)

    def fin_sent(self) -> None:
        """This end will send no more (TCP FIN)."""
        self._trace._event(_end, self._wire, self.end, self.end, Kind.FIN)

    def fin_received(self) -> None:
        """This end read end of file."""
        self._trace._event(_end, self._wire, self._peer, self.end, Kind.FIN)

    def reset_sent(self) -> None:
        """This end tore the connection down (TCP RST)."""
        self._trace._event(_end, self._wire, self.end, self.end, Kind.RESET)

    def reset_received(self) -> None:
        """This end was told that its peer tore the connection down."""
        self._trace._event(_end, self._wire, self._peer, self.end, Kind.RESET)

    def note(self, text: str) -> None:
        """This end's program failed: ``text`` says how."""
        self._trace._event(_note, self._wire, self.end, self.end, text)

    def closed(self, code: int | None = None, reason: str = "") -> None:
        """This end is done with the connection, and its program reports this code and reason."""
        if not self._closed:
            self._closed = True
            self._trace._event(_closed, self._wire, self.end, self.end, CloseReport(self.end, code, reason))
            self._trace._leave(self._wire)


class Trace:
    """Everything that crossed, and what it meant.

    Args:
        max_bytes: how many bytes of traffic are kept; older ones are dropped and counted.
        max_entries: how many records are kept, and twice as many chunks.

    Every reader (``records``, ``frames``, ``explain``, ...) first derives what is queued. Offsets and record
    numbers are absolute: they do not shift when something is dropped.
    """

    def __init__(self, *, max_bytes: int = 16 * 2**20, max_entries: int = 200_000) -> None:
        if max_bytes < 1024 or max_entries < 16:
            raise ValueError(
                f"max_bytes={max_bytes}, max_entries={max_entries}: a trace keeps at least 1024 bytes and 16 entries"
            )
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self.began = time.time()
        self._epoch = time.perf_counter()
        self._write_lock = threading.Lock()
        self._derive_lock = threading.RLock()
        self._ring = Ring(max_bytes)
        self._log = PackedLog(ENTRY, 2 * max_entries)
        self._events: dict[int, tuple[Callable[..., None], _Wire, Any]] = {}
        self._large: dict[int, bytes] = {}
        self._deriving = False
        self._derived = 0  # entries of the log that have been looked at
        self._derived_to = 0  # ring position up to which every byte has been looked at
        self._records = PackedLog(PACKED, max_entries)
        self._places = PackedLog(PLACE, max_entries)
        self._violations: dict[int, tuple[Violation, ...]] = {}
        self._inflated: dict[int, bytes] = {}
        self._inflated_bytes = 0
        self._texts: dict[int, str] = {}
        self._steps: list[Step] = []
        self._messages: deque[tuple[int, Message]] = deque(maxlen=max_entries)
        self._wires: dict[int, _Wire] = {}
        self._joinable: dict[Hashable, _Wire] = {}
        self._next_connection = 0
        self._subscribers: list[_Subscriber] = []

    # --- writing -------------------------------------------------------------------------

    def join(self, end: Sender, key: Hashable) -> Tap:
        """A tap for one end of a TCP connection.

        Args:
            end: which end this is.
            key: equal for both ends of one connection, such as a frozenset of its two socket addresses.
        """
        with self._write_lock:
            wire = self._joinable.get(key)
            # The peer may have come and gone before the accepting side was told of the connection. The other
            # way round it is a new connection that happens to use the same ports again.
            if wire is None or wire.tapped[end] or (not wire.live and end is Sender.CLIENT):
                wire = self._joinable[key] = self._new_wire(key)
            wire.tapped[end] = True
            wire.live += 1
        self._wake()
        return Tap(self, wire, end)

    def note(self, text: str, *, connection: int | None = None, sender: Sender = Sender.SERVER) -> None:
        """Record that a program failed, in words, as an ERROR record of that connection (the newest unless named)."""
        with self._write_lock:
            number = self._next_connection - 1 if connection is None else connection
            wire = self._wires.get(number) or self._new_wire(None)
        self._event(_note, wire, sender, sender, text)

    def _new_wire(self, key: Hashable) -> _Wire:
        wire = self._wires[self._next_connection] = _Wire(self._next_connection, key)
        self._next_connection += 1
        return wire

    def _leave(self, wire: _Wire) -> None:
        with self._write_lock:
            wire.live -= 1
            done = not wire.live and (wire.tapped[Sender.SERVER] or len(self._joinable) > 1024)
            if done and self._joinable.get(wire.key) is wire:
                del self._joinable[wire.key]

    def _chunk(self, wire: _Wire, sender: Sender, seen_by: Sender, data: bytes | bytearray | memoryview) -> None:
        length = len(data)
        if not length:
            return
        now = time.perf_counter() - self._epoch
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

    def _event(self, derive: Callable[..., None], wire: _Wire, sender: Sender, told_by: Sender, detail: Any) -> None:
        with self._write_lock:
            now = time.perf_counter() - self._epoch
            entry = wire.last_entry = self._log.append(ENTRY.pack(now, wire.number, sender, told_by, 0, 0, EVENT))
            self._events[entry] = (derive, wire, detail)
        if self._subscribers:
            self._wake()

    def _wake(self) -> None:
        for subscriber in self._subscribers:
            if not subscriber.woken:
                subscriber.woken = True
                subscriber.wake()

    # --- deriving ------------------------------------------------------------------------

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
                    derive, wire, detail = self._events.pop(self._derived - 1)
                    derive(self, entry[0], wire, Sender(entry[2]), Sender(entry[3]), detail)
        self._forget()

    def _append(
        self,
        at: float,
        wire: _Wire,
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
            del self._steps[: bisect_left(self._steps, first, key=_record_of)]
        if len(self._wires) > max(64, self.max_entries // 16) or (first and self._wires):
            with self._write_lock:
                for number, wire in list(self._wires.items()):
                    if wire.live:
                        continue
                    if wire.last_record >= first or wire.last_entry >= self._derived:
                        break
                    del self._wires[number]
                    self._joinable.pop(wire.key, None)

    def _step(self, wire: _Wire) -> None:
        """Note what changed of the connection's states, and by which record."""
        new = list(steps_of(wire.number, wire.protocol.transitions, wire.causes, len(wire.steps)))
        wire.steps += new
        self._steps += new
        wire.causes.clear()

    # --- reading -------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many records there ever were."""
        self.update()
        return self._records.total

    @property
    def first(self) -> int:
        """Number of the first record that is still kept."""
        return self._records.first

    @property
    def dropped(self) -> Dropped:
        """How much is no longer kept."""
        self.update()
        return Dropped(self._records.first, self._log.first, self._ring.start)

    @property
    def records(self) -> Sequence[Record]:
        """The records that are kept, in order."""
        return self.between(0, self.total)

    def between(self, start: int, stop: int) -> list[Record]:
        """The kept records numbered ``start`` to ``stop`` (not included)."""
        packed = self.packed(start, stop)
        return [Record.unpack(packed[at : at + PACKED.size]) for at in range(0, len(packed), PACKED.size)]

    def packed(self, start: int = 0, stop: int | None = None) -> bytes:
        """The same records in their packed form, ``wslab.anatomy.record.PACKED.size`` bytes each."""
        self.update()
        with self._derive_lock:
            return self._records.slice(start, self._records.total if stop is None else stop)

    def record(self, number: int) -> Record:
        """The record of that number. Raises IndexError when it is not kept or does not exist yet."""
        found = self.between(number, number + 1)
        if not found:
            raise IndexError(f"no record {number}: the trace holds records {self.first} to {self.total - 1}")
        return found[0]

    @property
    def chunks(self) -> list[Chunk]:
        """The chunks that are kept, in order of time."""
        self.update()
        with self._write_lock:
            packed = self._log.slice(0, self._log.total)
        return [
            Chunk(at, connection, Sender(sender), Sender(seen_by), offset, length)
            for at, connection, sender, seen_by, offset, length, position in ENTRY.iter_unpack(packed)
            if position != EVENT
        ]

    @property
    def connections(self) -> list[int]:
        """Numbers of the connections that are kept."""
        self.update()
        return list(self._wires)

    @property
    def frames(self) -> list[Frame]:
        """The frames that are kept."""
        with self._derive_lock:
            return [self._frame(record) for record in self.records if record.kind is Kind.FRAME]

    def frame(self, number: int) -> Frame:
        """The frame of that record. Raises IndexError when the record is no frame or not kept."""
        with self._derive_lock:
            record = self.record(number)
            if record.kind is not Kind.FRAME:
                raise IndexError(f"record {number} is no frame: {record.summary}")
            return self._frame(record)

    @property
    def messages(self) -> list[Message]:
        """The messages that are kept, as they were completed; ``data`` is None where bytes were dropped."""
        with self._derive_lock:
            return [message for _, message in self._whole_messages()]

    def messages_of(self, connection: int, sender: Sender) -> list[Message]:
        """The messages that ``sender`` completed on one connection."""
        with self._derive_lock:
            return [m for number, m in self._whole_messages() if number == connection and m.sender is sender]

    @property
    def handshakes(self) -> list[Head]:
        """Request and response heads of the connections that are kept."""
        self.update()
        heads = ((wire.protocol.request, wire.protocol.response) for wire in list(self._wires.values()))
        return [head for pair in heads for head in pair if head is not None]

    @property
    def violations(self) -> list[tuple[int, Violation]]:
        """Every broken rule, with the number of the record that breaks it."""
        with self._derive_lock:
            self.update()
            return [(number, v) for number, broken in self._violations.items() for v in broken]

    def states(self, connection: int) -> dict[Sender, State]:
        """Each end's state (RFC 6455: CONNECTING, OPEN, CLOSING, CLOSED)."""
        self.update()
        return dict(self._wire(connection).protocol.states)

    def transitions(self, connection: int) -> list[Transition]:
        """How each end came to its state."""
        self.update()
        return list(self._wire(connection).protocol.transitions)

    def steps(self, start: int = 0, stop: int | None = None) -> list[Step]:
        """The changes of state that the kept records numbered ``start`` to ``stop`` (not included) caused, in order."""
        self.update()
        with self._derive_lock:
            stop = self._records.total if stop is None else stop
            return self._steps[
                bisect_left(self._steps, start, key=_record_of) : bisect_left(self._steps, stop, key=_record_of)
            ]

    def states_at(self, connection: int, number: int) -> dict[Sender, State]:
        """Each end's state when the record of that number had crossed, as ``states`` gives the present one."""
        self.update()
        with self._derive_lock:
            return states_after(self._wire(connection).steps, number)

    def lanes(self, number: int, around: int = 2) -> Lanes:
        """The bytes around a record in its sender's stream, and the chunks, records and messages that lie over them.

        Args:
            number: of the record.
            around: how many of its sender's records before and after it, or before and after its message, come along.

        Raises IndexError when there is no such record. A message is there only once it is complete.
        """
        with self._derive_lock:
            record = self.record(number)

            def record_at(other: int) -> Record | None:
                packed = self._records.slice(other, other + 1)
                return Record.unpack(packed) if packed else None

            def message_of(other: int) -> int | None:
                found: int = self._places[other][1] if self._places.first <= other < self._places.total else NO_MESSAGE
                return None if found == NO_MESSAGE else found

            def messages(numbers: set[int]) -> dict[int, Message]:
                mine = (each for at, each in self._messages if at == record.connection and each.sender is record.sender)
                return {message.number: message for message in mine if message.number in numbers} if numbers else {}

            with self._write_lock:
                first, total = self._log.first, self._log.total

                def chunk_at(index: int) -> Chunk | None:
                    at, connection, sender, seen_by, offset, length, position = self._log[first + index]
                    # An entry that is no chunk has a time too.
                    return Chunk(
                        at, connection, Sender(sender), Sender(seen_by), offset, 0 if position == EVENT else length
                    )

                return lanes_of(
                    record, around,
                    total=self._records.total, record_at=record_at, message_of=message_of, messages=messages,
                    chunk_at=chunk_at, chunks=total - first,
                )  # fmt: skip

    def on_its_way(self, expected: Callable[[Hashable], bool] = lambda key: False) -> list[str]:
        """What one end in the lab sent or did and the other end there was not told of yet, in words.

        Args:
            expected: whether a server in the lab will join the connection of that key, of which only the client told.
        """
        self.update()
        with self._derive_lock, self._write_lock:
            return [words for wire in self._wires.values() for words in _on_its_way(wire, expected)]

    def closings(self, connection: int) -> dict[Sender, CloseReport]:
        """What each end's program reported when it was done with the connection (RFC 6455 7.1.5 and 7.1.6)."""
        self.update()
        return dict(self._wire(connection).closings)

    def connection(self, number: int) -> Slice:
        """One connection's records, as a view that shows itself."""
        self.update()
        self._wire(number)
        return Slice(self, connection=number)

    def handshake(self, connection: int = 0) -> Handshake:
        """One connection's opening handshake, as a view that shows itself."""
        self.update()
        self._wire(connection)
        return Handshake(self, connection)

    def closing(self, connection: int = 0) -> Closing:
        """How one connection ended, as a view that shows itself."""
        self.update()
        self._wire(connection)
        return Closing(self, connection)

    def heads(self, connection: int) -> tuple[Head | None, Head | None]:
        """The connection's request and response."""
        self.update()
        protocol = self._wire(connection).protocol
        return protocol.request, protocol.response

    def bytes_sent(self, connection: int, sender: Sender, start: int = 0, stop: int | None = None) -> bytes:
        """What ``sender`` sent on a connection, from stream offset ``start`` up to ``stop``.

        Raises LookupError when some of it was dropped.
        """
        self.update()
        stream = self._wire(connection).streams[sender]
        known = max(stream.seen)
        stop = known if stop is None else min(stop, known)
        with self._derive_lock:
            data = self._read(stream, start, stop - start)
        if data is None:
            raise LookupError(
                f"bytes {start} to {stop} of the {sender.label}'s stream are no longer kept; "
                f"make the trace larger with Trace(max_bytes=...)"
            )
        return data

    def explain(self, number: int) -> Explanation:
        """The bytes of that record with every field explained.

        Raises IndexError when there is no such record. Bytes that were dropped are said to be so.
        """
        with self._derive_lock:
            record = self.record(number)
            return _EXPLAIN[record.kind](self, record)

    def foresee(self, connection: int, sender: Sender, writes: Iterable[bytes]) -> list[list[Frame]]:
        """The frames that each of ``writes`` would complete if ``sender`` sent them next, judged as they would be.

        Nothing is recorded. Raises IndexError when the connection is not kept.
        """
        with self._derive_lock:
            self.update()
            protocol = copy.deepcopy(self._wire(connection).protocol)
        return [[thing for thing in protocol.feed(sender, data) if isinstance(thing, Frame)] for data in writes]

    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> Slice: ...
    def __getitem__(self, key: int | slice) -> Record | Slice:
        """``trace[3]`` is record number 3, ``trace[3:9]`` a view of records 3 to 8 that shows itself."""
        if isinstance(key, int):
            return self.record(key if key >= 0 else self.total + key)
        start, stop, step = key.indices(self.total)
        if step != 1:
            raise ValueError(f"step {step} given: a slice of a trace is a run of records, so leave the step out")
        return Slice(self, start, stop)

    def __len__(self) -> int:
        return self.total - self.first

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def subscribe(self, wake: Callable[[], object]) -> Callable[[], None]:
        """Have ``wake()`` called when something new was written.

        It is called from whichever thread wrote, once until somebody reads; it must be quick and must not write
        to the trace. Returns a function that ends the subscription.
        """
        subscriber = _Subscriber(wake)
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber) if subscriber in self._subscribers else None

    def save(self, path: str | PathLike[str], *, reveal: bool = False) -> None:
        """Write the trace to one file, which ``Trace.load`` reads back to an equal trace.

        Cookie and Authorization values are overwritten with ``*`` in the file unless ``reveal`` is true.
        """
        from .files import save

        save(self, path, reveal=reveal)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Trace:
        """The trace that ``save`` wrote. Raises TraceFileError, which says what is wrong with the file."""
        from .files import load

        return load(path)

    def __repr__(self) -> str:
        return repr(Slice(self))

    def _repr_html_(self) -> str:
        return Slice(self)._repr_html_()

    # --- details -------------------------------------------------------------------------

    def _wire(self, connection: int) -> _Wire:
        try:
            return self._wires[connection]
        except KeyError:
            kept = ", ".join(map(str, self._wires)) or "none"
            raise IndexError(f"no connection {connection} in this trace; there are: {kept}") from None

    def _read(self, stream: _Stream, start: int, length: int) -> bytes | None:
        """``length`` bytes of a stream, gathered from the chunks that hold them; None when some were dropped."""
        pieces: list[bytes] = []
        at = bisect_right(stream.offsets, start) - 1
        while length > 0:
            if not 0 <= at < len(stream.offsets):
                return None
            within = start - stream.offsets[at]
            until = stream.offsets[at + 1] if at + 1 < len(stream.offsets) else start + length
            take = min(length, until - start)
            with self._write_lock:
                piece = self._ring.read(stream.positions[at] + within, take)
            if piece is None:
                return None
            pieces.append(piece)
            start, length, at = start + take, length - take, at + 1
        return b"".join(pieces)

    def _raw(self, record: Record) -> bytes | None:
        wire = self._wires.get(record.connection)
        if wire is None:
            return None
        return self._read(wire.streams[record.sender], record.offset, record.header_length + record.payload_length)

    def _frame(self, record: Record) -> Frame:
        raw = self._raw(record)
        index, message = self._places[record.number]
        frame = Frame(
            sender=record.sender,
            index=index,
            offset=record.offset,
            header_length=record.header_length,
            payload_length=record.payload_length,
            first=record.first,
            second=record.second,
            masking_key=raw[record.header_length - 4 : record.header_length] if raw and record.second & 0x80 else None,
            violations=self._violations.get(record.number, ()),
            preview=record.preview,
            payload=None if raw is None else raw[record.header_length :],
            inflated=self._inflated.get(record.number),
            message=None if message == NO_MESSAGE else message,
            note=self._texts.get(record.number),
        )
        if record.first & 0b1111 == CLOSE and frame.data is not None:
            code, reason = close_body(frame.data)
            return frame._replace(status_code=code, close_reason=reason)
        return frame

    def _whole_messages(self) -> Iterator[tuple[int, Message]]:
        """Messages with their data, put together again from the frames that carried them."""
        data: dict[tuple[int, Sender, int], list[bytes | None]] = {}
        for record in self.records:
            message = self._places[record.number][1]
            if message != NO_MESSAGE:
                frame = self._frame(record)
                part = frame.inflated if frame.inflated is not None else frame.data
                data.setdefault((record.connection, record.sender, message), []).append(part)
        for connection, message_ in list(self._messages):
            parts = data.get((connection, message_.sender, message_.number), [])
            whole = b"".join(part for part in parts if part is not None)
            yield connection, message_._replace(data=whole if len(whole) == message_.length else None)


def _record_of(step: Step) -> int:
    return step.record


def _on_its_way(wire: _Wire, expected: Callable[[Hashable], bool]) -> Iterator[str]:
    if not all(wire.tapped):
        reset = any(Kind.RESET in stream.ended for stream in wire.streams)
        if wire.tapped[Sender.CLIENT] and not reset and expected(wire.key):
            yield f"connection {wire.number}, which the server has not accepted yet"
        return
    for sender, stream in zip(Sender, wire.streams, strict=True):
        sent, read = stream.seen[sender], stream.seen[sender.peer]
        if sender.peer in wire.closings:
            continue  # it reads no more
        if read < sent:
            yield f"{count(sent - read, 'byte')} from the {sender.label} of connection {wire.number}"
        for kind in stream.untold:
            yield f"the {sender.label}'s {kind.name} on connection {wire.number}"
    if len(wire.closings) == 1:
        (told,) = wire.closings
        yield f"the {told.peer.label}'s end of connection {wire.number}, which is not closed yet"


class _Subscriber:
    __slots__ = ("wake", "woken")

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake, self.woken = wake, False


# --- how each queued entry becomes records ---------------------------------------------


_SENDERS = tuple(Sender)


_Entry = tuple[float, int, int, int, int, int, int]


def _stored(trace: Trace, entry: _Entry) -> None:
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


def _read(trace: Trace, entry: _Entry) -> None:
    """The peer read bytes that are kept already: which records has it read to their end by that?"""
    at, connection, by, _, offset, length, _ = entry
    waiting = trace._wires[connection].streams[by].waiting
    stop = offset + length
    while waiting and waiting[0][0] <= stop:
        end, number, sent = waiting.popleft()
        if end > offset:  # else it was read before anybody told that it was sent
            trace._records.patch(number, DELAY, DELAY_AT, delay(sent, at))


def _head(trace: Trace, at: float, wire: _Wire, head: Head) -> None:
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


def _frame(trace: Trace, at: float, wire: _Wire, frame: Frame) -> None:
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


def _message(trace: Trace, at: float, wire: _Wire, message: Message) -> None:
    trace._messages.append((wire.number, message if message.data is None else message._replace(data=None)))


def _unread(trace: Trace, at: float, wire: _Wire, unread: Unread) -> None:
    number = trace._append(
        at, wire, unread.sender, Kind.UNREAD, unread.offset,
        payload_length=unread.length, violations=unread.violations, preview=unread.data,
    )  # fmt: skip
    trace._texts[number] = unread.what
    wire.streams[unread.sender].waiting.append((unread.offset + unread.length, number, at))


_DERIVE: dict[type, Callable[[Trace, float, _Wire, Any], None]] = {
    Head: _head,
    Frame: _frame,
    Message: _message,
    Unread: _unread,
}


def _end(trace: Trace, at: float, wire: _Wire, sender: Sender, told_by: Sender, kind: Kind) -> None:
    stream = wire.streams[sender]
    if kind not in stream.ended:  # else both ends tell of it
        if not stream.ended:
            for unread in wire.protocol.end(sender, reset=kind is Kind.RESET):
                _unread(trace, at, wire, unread)
        violations = wire.protocol.closing_violations.get(sender, ())
        number = trace._append(at, wire, sender, kind, max(stream.seen), violations=violations)
        stream.ended.add(kind)
        stream.untold[kind] = (number, at)
        wire.causes[sender, "end"] = number
        trace._step(wire)
    if told_by is not sender and wire.tapped[sender] and kind in stream.untold:
        number, sent = stream.untold.pop(kind)
        trace._records.patch(number, DELAY, DELAY_AT, delay(sent, at))


def _note(trace: Trace, at: float, wire: _Wire, sender: Sender, told_by: Sender, text: str) -> None:
    number = trace._append(
        at, wire, sender, Kind.ERROR, max(wire.streams[sender].seen), preview=text.encode("utf-8", "replace")
    )
    trace._texts[number] = text


def _closed(trace: Trace, at: float, wire: _Wire, sender: Sender, told_by: Sender, closing: CloseReport) -> None:
    wire.closings[sender] = closing
    wire.streams[sender.peer].waiting.clear()  # this end reads no more


# --- how each kind of record explains itself -------------------------------------------


def _explain_head(trace: Trace, record: Record) -> Explanation:
    request, response = trace.heads(record.connection)
    head = request if record.kind is Kind.REQUEST else response
    if head is None:
        return _explain_words(trace, record)
    return explain_head(head.data, record.sender, request=request, violations=trace._violations.get(record.number, ()))


def _explain_frame(trace: Trace, record: Record) -> Explanation:
    raw = trace._raw(record)
    if raw is None:
        return _explain_words(trace, record, ("not kept", "These bytes were dropped; Trace(max_bytes=...) keeps more."))
    explained = explain_frame(
        raw,
        sender=record.sender,
        offset=record.offset,
        violations=trace._violations.get(record.number, ()),
        inflated=trace._inflated.get(record.number),
    )
    note = trace._texts.get(record.number)
    return explained if note is None else replace(explained, facts=(*explained.facts, ("not read", note)))


_WORDS: dict[Kind, tuple[tuple[str, str], ...]] = {
    Kind.FIN: (("TCP FIN", "The sender will send no more bytes. RFC 6455 7.1.1 lets the server close first."),),
    Kind.RESET: (
        ("TCP RST", "The connection was torn down: bytes on their way may be lost, and no close frame came."),
    ),
}


def _explain_words(trace: Trace, record: Record, *facts: tuple[str, str]) -> Explanation:
    return Explanation(
        title=record.summary,
        data=b"",
        fields=(),
        sender=record.sender,
        offset=record.offset,
        violations=trace._violations.get(record.number, ()),
        facts=_WORDS.get(record.kind, ()) + facts,
    )


def _explain_error(trace: Trace, record: Record) -> Explanation:
    return _explain_words(trace, record, ("error", trace._texts.get(record.number, record.preview.decode())))


def _explain_unread(trace: Trace, record: Record) -> Explanation:
    raw = trace._raw(record)
    what = trace._texts.get(record.number, "bytes that are no whole head and no whole frame")
    return replace(_explain_words(trace, record, ("left over", what)), data=raw or b"")


_EXPLAIN: dict[Kind, Callable[[Trace, Record], Explanation]] = {
    Kind.REQUEST: _explain_head,
    Kind.RESPONSE: _explain_head,
    Kind.FRAME: _explain_frame,
    Kind.FIN: _explain_words,
    Kind.RESET: _explain_words,
    Kind.ERROR: _explain_error,
    Kind.UNREAD: _explain_unread,
}
