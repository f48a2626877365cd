"""The recording itself: ``Trace`` keeps what crossed, derives from it what it means, and answers who asks.

Theory. Chunks are the truth: a ``Tap`` at each end of a TCP connection notes them as they cross (``writing``).
Frames, messages, states and violations are computed from them later, in order (``deriving``), and keep their offsets
into the sender's stream. What is left for this module is to read all that: from here down to where ``explaining``,
``steps`` and ``lanes`` say what lies behind a record and around it.

Two locks: ``_write_lock`` is held for a copy and an append, or to read bytes back; ``_derive_lock`` while what is new
is worked off, and by whoever reads what was derived. A thread never takes the second while it holds the first.
"""

from __future__ import annotations

import copy
import html
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from ..anatomy.closing import CloseReport
from ..anatomy.field import Explanation, Sender, Violation
from ..anatomy.record import PACKED, Kind, Record
from ..drawing.visible import count, visible
from ..protocol.connection import Message
from ..protocol.frame import Frame, close_body
from ..protocol.head import Head
from ..protocol.states import State, Transition
from ..protocol.words import CLOSE
from .deriving import NO_MESSAGE, Deriver
from .explaining import explain
from .lanes import Lanes, lanes
from .steps import Step, record_of, states_after
from .views import Closing, Handshake, Slice
from .writing import ENTRY, EVENT, Chunk, Stream, Tap, Wire

if TYPE_CHECKING:
    import pandas

__all__ = ["Chunk", "Dropped", "Tap", "Trace"]


class Dropped(NamedTuple):
    """What a bounded trace no longer holds."""

    records: int
    chunks: int
    """Chunks, and with them notes of how connections ended."""
    bytes: int


class Trace(Deriver):
    """Everything that crossed, and what it meant.

    Args:
        max_bytes: how many bytes of traffic are kept; older ones are dropped and counted.
        max_entries: how many records are kept, and twice as many chunks.

    Every reader (``records``, ``frames``, ``explain``, ...) first derives what is queued. Offsets and record
    numbers are absolute: they do not shift when something is dropped.
    """

    def __init__(self, *, max_bytes: int = 16 * 2**20, max_entries: int = 200_000) -> None:
        super().__init__(max_bytes, max_entries)
        self.notes: tuple[str, ...] = ()
        """What a file that this trace was read from lacks, could not give or lied about, in words."""
        self.rebuilt = False
        """Whether its bytes never crossed a wire like this, but were built again from messages, as from a HAR."""

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
                bisect_left(self._steps, start, key=record_of) : bisect_left(self._steps, stop, key=record_of)
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
            return lanes(self, self.record(number), around)

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
            return explain(self, record)

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

    def save(self, path: str | PathLike[str], *, reveal: bool = False) -> None:
        """Write the trace to one file, which ``Trace.load`` reads back to an equal trace.

        Cookie and Authorization values are overwritten with ``*`` in the file unless ``reveal`` is true.
        """
        from .archive import save

        save(self, path, reveal=reveal)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Trace:
        """The trace that ``save`` wrote. Raises TraceFileError, which says what is wrong with the file."""
        from .archive import load

        return load(path)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Trace:
        """The trace in a file of any format that is read here, told by its content: ``save``'s, HAR, pcap or pcapng.

        Raises TraceFileError, which says what is wrong with the file, where nothing in it can be read. Where something
        can, ``notes`` says what could not.
        """
        from .files.opening import open_trace

        return open_trace(path)

    def to_har(self, path: str | PathLike[str] | None = None, *, reveal: bool = False) -> dict[str, Any]:
        """The trace as an HTTP Archive (HAR 1.2) with ``_webSocketMessages``, as browsers' developer tools write it.

        Args:
            path: where to write it, as JSON; None writes nothing.
            reveal: whether the values of Cookie and Authorization are written out, and not overwritten with ``*``.

        Returns the archive. A HAR holds handshakes and messages. It carries no masking keys, fragments, control
        frames, close codes, chunks or unread bytes; its ``comment`` says so, and how many there were.
        """
        from .files.har import to_har

        return to_har(self, path, reveal=reveal)

    @classmethod
    def from_har(cls, path: str | PathLike[str]) -> Trace:
        """The WebSocket conversations in a HAR file (Chrome's, Playwright's, ``to_har``'s).

        A HAR tells messages, not bytes. Each message is built again as one whole frame, the client's with a masking
        key of zeros, and the handshake from the headers that the file lists; ``rebuilt`` is true and ``notes`` says so.
        Raises TraceFileError where the file is no HAR.
        """
        from .files.har import from_har

        return from_har(path)

    def to_pcapng(self, path: str | PathLike[str], *, reveal: bool = False) -> None:
        """Write the trace as a pcapng file, which Wireshark and tshark read.

        Args:
            path: where to.
            reveal: whether the values of Cookie and Authorization are written out, and not overwritten with ``*``.

        Addresses, ports and TCP's numbers are made up, as the file's comment says; times, chunks and bytes are
        those of the trace, and ``from_pcapng`` gives them back. Not written: errors, bends, close reports.
        """
        from .files.capture import save_capture

        save_capture(self, path, reveal=reveal)

    @classmethod
    def from_pcapng(cls, path: str | PathLike[str]) -> Trace:
        """The WebSocket connections in a pcapng or pcap file, in either byte order.

        Reads Ethernet with VLAN tags, Linux cooked, loopback and raw IP links, IPv4 and IPv6, and puts TCP segments
        together, whether sent again, out of order or lost. A connection's number is its place among all TCP connections
        of the capture, in the order of first packets. ``notes`` says what is damaged, missing or left out. Not read: IP
        fragments, TLS, HTTP/2, compressed files. Raises TraceFileError where the file is no capture.
        """
        from .files.capture import load_capture

        return load_capture(path)

    def to_dataframe(self) -> pandas.DataFrame:
        """The frames that are kept as a pandas data frame, one row a frame.

        Columns: ``record`` (its number), ``time`` and ``received`` (seconds since the trace began), ``connection``,
        ``sender``, ``opcode`` (its name), ``fin``, ``rsv1`` to ``rsv3``, ``masked``, ``header_length`` and ``length``
        (bytes), ``text`` (a text frame's start), ``start`` (a payload's first bytes, unmasked and inflated),
        ``status_code`` and ``close_reason`` (of a close frame), ``violations`` (names of the rules that it breaks).

        Raises ImportError, which says what to run, where pandas is not installed.
        """
        from .files.dataframe import data_frame

        return data_frame(self)

    def __repr__(self) -> str:
        return "\n".join([repr(Slice(self)), *(f"note: {visible(note)}" for note in self.notes)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{html.escape(visible(note))}</li>" for note in self.notes)
        return Slice(self)._repr_html_() + (f"<ul>{notes}</ul>" if notes else "")

    # --- details -------------------------------------------------------------------------

    def _wire(self, connection: int) -> Wire:
        try:
            return self._wires[connection]
        except KeyError:
            kept = ", ".join(map(str, self._wires)) or "none"
            raise IndexError(f"no connection {connection} in this trace; there are: {kept}") from None

    def _read(self, stream: Stream, start: int, length: int) -> bytes | None:
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
        for _, connection, message_ in list(self._messages):
            parts = data.get((connection, message_.sender, message_.number), [])
            whole = b"".join(part for part in parts if part is not None)
            yield connection, message_._replace(data=whole if len(whole) == message_.length else None)


def _on_its_way(wire: Wire, expected: Callable[[Hashable], bool]) -> Iterator[str]:
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
