"""Where things begin and end in one direction of a connection: ``Dissector`` finds the head and indexes the frames.

It reads headers and skips payloads: what a frame says is explained when somebody asks. Three rules hold it together.

- What it finds depends on the bytes alone, never on how they were cut into chunks. So every decision waits for
  the bytes it needs and looks at no others.
- No byte is lost. At any time: heads + frame headers + payloads so far + unread bytes = bytes fed.
- Nothing raises. Bytes that are not what had to come are counted as unread, and said to be so.

A stream is in one of four modes. *HEAD*: bytes are gathered until an empty line. *BODY*: an HTTP message's body whose
end is known (RFC 9112 section 6.3). *FRAMES*: one frame follows another (RFC 6455 section 5.2). *UNREAD*: what follows
is a body that ends with the stream, or nothing that is known here.

========= =========================================================== =============================================
mode      bytes                                                       next
========= =========================================================== =============================================
HEAD      a first byte that could begin a frame, and no head          FRAMES; the connection says that it is too soon
HEAD      a first byte that begins neither                            UNREAD, with a malformed Head of no bytes
HEAD      no empty line within ``HEAD_LIMIT`` bytes                   UNREAD, with a malformed Head of no bytes
HEAD      a head: a 101, or a request that asks for WebSocket         FRAMES
HEAD      a head without a body: 1xx, 204, 304, another request       HEAD
HEAD      a head that says how long its body is                       BODY, then HEAD
HEAD      a head: any other, or one that is not HTTP                  UNREAD
========= =========================================================== =============================================

A request that asks for WebSocket may be refused, and another one follow on the same connection (RFC 6455 section 4.1).
The client's bytes alone do not tell that, so the connection does: ``expect_head``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import ClassVar, Final, NamedTuple, overload

from ..anatomy.field import Sender
from .head import END, TOKEN, Head, parse_head
from .header import EXTENDED, HEADER, KEY, LONGEST, FrameHeader, payload_length
from .words import FIN, LENGTH, MASK, OPCODE, OPCODES, RSV1, RSV2, RSV3

HEAD_LIMIT: Final = 65536
"""A head is at most this long, in bytes. RFC 9112 sets no limit and lets every receiver set one."""

UNREAD_KEPT: Final = 4096
"""Of bytes that are unread for good, so many are kept in ``tail``; the rest are counted."""

CHUNK_LINE: Final = 1024
"""Bytes of a line between two chunks, at most."""

_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_TOKEN_BYTES: Final = frozenset(bytes((code,)) for code in range(128) if TOKEN.fullmatch(chr(code)))
_FRAMELIKE: Final = frozenset(
    first
    for first in range(256)
    if first & OPCODE in OPCODES and not first & (RSV2 | RSV3) and (first & FIN or not first & RSV1)
)
"""First bytes that could begin a frame and cannot begin HTTP: ``A`` is a fragment with RSV1, and a method's letter."""


class Mode(Enum):
    """What the next bytes of a stream are read as; see the table above."""

    HEAD = "head"
    BODY = "body"
    FRAMES = "frames"
    UNREAD = "unread"


_SHORT: Final = tuple(0 if EXTENDED[second] else (second & LENGTH) + HEADER[second] for second in range(256))
"""By a frame's second byte, the whole frame's length where that byte tells it; 0 where the length is extended."""


def _mark(data: bytes | memoryview, position: int, marks: list[int]) -> int:
    """Append the mark of every whole header in ``data`` from ``position`` on; return where the next one begins.

    ``mark`` runs over second bytes, since that byte alone tells a short frame's length.
    """
    short = _SHORT
    append = marks.append
    size = len(data)
    mark = position + 1
    safe = size - LONGEST
    while True:
        while mark < safe and (step := short[data[mark]]):
            append(mark)
            mark += step
        if mark >= size:
            return mark - 1
        second = data[mark]
        start = mark - 1 + HEADER[second]
        if start > size:
            return mark - 1
        append(mark)
        mark = start + payload_length(data, mark) + 1


class Body(NamedTuple):
    """The whole body of an HTTP message that is no frame, as it crossed: chunk sizes included."""

    offset: int
    """Of its first byte, in its sender's stream."""
    length: int
    """Bytes."""
    data: bytes
    """The first ``UNREAD_KEPT`` of them at most."""


class FoundFrames(Sequence["Head | Body | FrameHeader"]):
    """What one call of ``feed`` found, in stream order: heads and the bodies behind them, then frame headers.

    A sequence that notes where each frame begins and reads its header when asked for it: that is what makes
    indexing fast. It holds the fed chunk for as long as it lives.
    """

    __slots__ = ("base", "data", "first_index", "heads", "marks")

    def __init__(
        self, heads: list[Head | Body], data: bytes | memoryview, base: int, marks: list[int], first_index: int
    ) -> None:
        self.heads = heads
        self.data = data
        """The bytes that the frames were found in."""
        self.base = base
        """Stream offset of ``data``."""
        self.marks = marks
        """Of each frame, the position of its *second* byte in ``data``."""
        self.first_index = first_index

    def __len__(self) -> int:
        return len(self.heads) + len(self.marks)

    @overload
    def __getitem__(self, place: int) -> Head | Body | FrameHeader: ...
    @overload
    def __getitem__(self, place: slice) -> list[Head | Body | FrameHeader]: ...
    def __getitem__(self, place: int | slice) -> Head | Body | FrameHeader | list[Head | Body | FrameHeader]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place] - len(self.heads)
        return self.heads[number] if number < 0 else self.header(number)

    def __iter__(self) -> Iterator[Head | Body | FrameHeader]:
        yield from self.heads
        for number in range(len(self.marks)):
            yield self.header(number)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, FoundFrames | list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self.heads)} heads and {len(self.marks)} frame headers>"

    def header(self, number: int) -> FrameHeader:
        """The ``number``-th frame header found, from 0."""
        data, mark = self.data, self.marks[number]
        second = data[mark]
        size = HEADER[second]
        start = mark - 1 + size
        key = bytes(data[start - KEY : start]) if second & MASK else None
        length = payload_length(data, mark)
        return FrameHeader(self.first_index + number, self.base + mark - 1, size, length, data[mark - 1], second, key)


class Dissector:
    """One direction of one connection, fed in chunks of any size.

    Args:
        sender: whose bytes these are.
        expect_head: whether the stream begins with an opening handshake, or in the midst of frames.
    """

    __slots__ = ("_body", "_buffer", "_gathered", "_index", "mode", "next_offset", "received", "sender")

    def __init__(self, sender: Sender, *, expect_head: bool = True) -> None:
        self.sender: Final = sender
        self.mode = Mode.HEAD if expect_head else Mode.FRAMES
        self.received = 0
        """Bytes fed so far."""
        self.next_offset = 0
        """Stream offset where the next head or frame begins; beyond ``received`` while a payload is arriving."""
        self._buffer = b""
        self._gathered = bytearray()
        self._index = 0
        self._body: BodyEnd | None = None

    @property
    def tail(self) -> bytes:
        """The bytes after ``next_offset`` that make no whole head or header yet (the first 4,096 of unread ones)."""
        return bytes(self._gathered) if self._gathered else self._buffer

    @property
    def unread(self) -> int:
        """How many bytes were fed after ``next_offset``."""
        return max(0, self.received - self.next_offset)

    def feed(self, data: bytes | bytearray | memoryview) -> FoundFrames:
        """Take the stream's next bytes, and return what was completed by them, in stream order.

        A Head is returned when its empty line has come, a FrameHeader as soon as its own bytes have, which may be
        before its payload. The cost is that of the headers, whatever the chunks' sizes. Never raises. Frame headers are
        read from a memoryview where it lies, so it must not change while they are.
        """
        self.received += len(data)
        heads: list[Head | Body] = []
        rest = data if isinstance(data, memoryview) and self.mode is Mode.FRAMES else bytes(data)
        while rest and self.mode is not Mode.FRAMES:
            rest = self._READ[self.mode](self, bytes(rest), heads)
        return self._frames(rest, heads)

    def expect_head(self) -> None:
        """Take the next bytes for another head, as far as no frame has begun behind the last one."""
        if self.mode is Mode.FRAMES and self.next_offset == self.received and not self._index:
            self.mode = Mode.HEAD

    def _frames(self, data: bytes | memoryview, heads: list[Head | Body]) -> FoundFrames:
        if self._buffer and data:
            data = self._buffer + data
            self._buffer = b""
        base = self.received - len(data)
        first_index = self._index
        marks: list[int] = []
        if data:
            position = _mark(data, self.next_offset - base, marks)
            self.next_offset = base + position
            self._buffer = bytes(data[position:])
            self._index += len(marks)
        return FoundFrames(heads, data, base, marks, first_index)

    def _head(self, data: bytes, found: list[Head | Body]) -> bytes:
        """Gather a head; return the bytes that are for another mode."""
        gathered = self._gathered
        if not gathered:
            if data[0] in _FRAMELIKE:
                self.mode = Mode.FRAMES
                return data
            if data[:1] not in _TOKEN_BYTES:
                return self._no_head(f"these bytes begin no HTTP: {data[0]:02x}", data, found)
        seen = len(gathered)
        gathered += data
        at = gathered.find(END, max(0, seen - len(END) + 1), HEAD_LIMIT)
        if at < 0:
            if len(gathered) < HEAD_LIMIT:
                return b""
            return self._no_head(f"no empty line in the first {HEAD_LIMIT:,} bytes", bytes(gathered), found)
        stop = at + len(END)
        head = parse_head(bytes(gathered[:stop]), self.sender, offset=self.next_offset)
        found.append(head)
        self.next_offset += stop
        self.mode, self._body = _after(head)
        rest = bytes(gathered[stop:])
        gathered.clear()
        return rest

    def _no_head(self, problem: str, data: bytes, found: list[Head | Body]) -> bytes:
        found.append(Head(self.sender, b"", "", (), malformed=problem, offset=self.next_offset))
        self._gathered.clear()
        self.mode = Mode.UNREAD
        return data

    def _read_body(self, data: bytes, found: list[Head | Body]) -> bytes:
        """Step over the body's next bytes; return those behind it."""
        assert self._body is not None, "a head comes before its body"
        taken = self._body.take(data)
        self._rest(data if taken is None else data[:taken], found)
        if taken is None:
            self.mode = Mode.UNREAD  # its chunks are not what they must be: nothing tells where it ends
            return b""
        rest = data[taken:]
        if self._body.over:
            length = self.received - len(rest) - self.next_offset
            found.append(Body(self.next_offset, length, self._buffer))
            self.next_offset += length
            self._buffer = b""
            self.mode = Mode.HEAD
        return rest

    def _rest(self, data: bytes, found: list[Head | Body]) -> bytes:
        room = UNREAD_KEPT - len(self._buffer)
        if room > 0:
            self._buffer += data[:room]
        return b""

    _READ: ClassVar[Mapping[Mode, Callable[[Dissector, bytes, list[Head | Body]], bytes]]] = {
        Mode.HEAD: _head,
        Mode.BODY: _read_body,
        Mode.UNREAD: _rest,
    }


class BodyEnd:
    """Finds the end of one HTTP body, whose bytes come in pieces (RFC 9112 section 6.3).

    Args:
        length: of the body, in bytes; None where it is sent in chunks that say their own.
    """

    __slots__ = ("_left", "_line", "_trailer", "chunked", "over")

    def __init__(self, length: int | None) -> None:
        self.chunked = length is None
        self.over = length == 0
        self._left = length or 0
        self._line = b""
        self._trailer = False

    def take(self, data: bytes) -> int | None:
        """How many of the next bytes belong to the body; None where they are no chunks."""
        at = 0
        while at < len(data) and not self.over:
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                self.over = not self._left and not self.chunked
                continue
            newline = data.find(b"\n", at, at + CHUNK_LINE)
            stop = len(data) if newline < 0 else newline + 1
            self._line += data[at : min(stop, at + CHUNK_LINE + 1)]
            if len(self._line) > CHUNK_LINE or (newline >= 0 and not self._end_line()):
                return None
            at = stop
        return at

    def _end_line(self) -> bool:
        """Read a whole line between chunks; whether it is what must be there."""
        line, self._line = self._line.strip(), b""
        if self._trailer:
            # "chunked-body = *chunk last-chunk trailer-section CRLF" (RFC 9112 7.1)
            self.over = not line
            return True
        size = line.partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(size):
            return False
        length = int(size, 16)
        self._trailer = not length
        self._left = length + 2 if length else 0  # CRLF ends its data
        return True


def _after(head: Head) -> tuple[Mode, BodyEnd | None]:
    """The mode behind a head, and its body where one with a known end follows."""
    status = head.status
    if head.sender is Sender.CLIENT and head.request_line is None:
        return Mode.UNREAD, None
    if head.sender is Sender.SERVER and status is None:
        return Mode.UNREAD, None
    if status == 101:
        return Mode.FRAMES, None
    # "any response with a 1xx (Informational), 204 (No Content), or 304 (Not Modified) status code is always terminated
    # by the first empty line after the header fields" (RFC 9112 6.3)
    if status is not None and (status < 200 or status in (204, 304)):
        return Mode.HEAD, None
    lengths = {value.strip() for value in head.get("Content-Length")}
    if "chunked" in (token.lower() for token in head.tokens("Transfer-Encoding")):
        return Mode.BODY, BodyEnd(None)
    if head.get("Transfer-Encoding"):
        return Mode.UNREAD, None
    if lengths:
        length = lengths.pop()
        if lengths or not _LENGTH.fullmatch(length):
            return Mode.UNREAD, None
        if int(length):
            return Mode.BODY, BodyEnd(int(length))
    elif status is not None:
        # "this is a response message without a declared message body length, so the message body length is determined
        # by the number of octets received prior to the server closing the connection" (RFC 9112 6.3)
        return Mode.UNREAD, None
    asks = status is None and "websocket" in (token.lower() for token in head.tokens("Upgrade"))
    return (Mode.FRAMES if asks else Mode.HEAD), None
