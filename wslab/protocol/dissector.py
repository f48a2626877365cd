"""Where things begin and end in one direction of a connection: ``Dissector`` finds the head and indexes the frames.

It reads headers and skips payloads: what a frame says is explained when somebody asks. Three rules hold it together.

- What it finds depends on the bytes alone, never on how they were cut into chunks. So every decision waits for
  the bytes it needs and looks at no others.
- No byte is lost. At any time: heads + frame headers + payloads so far + unread bytes = bytes fed.
- Nothing raises. Bytes that are not what had to come are counted as unread, and said to be so.

A stream is in one of four modes, and begins in HEAD or, where no head is expected, in FRAMES:

========= =========================================================== =============================================
mode      bytes                                                       next
========= =========================================================== =============================================
HEAD      a first byte that could begin a frame, and no head          FRAMES; the connection says that it is too soon
HEAD      a first byte that begins neither                            UNREAD, with a malformed Head of no bytes
HEAD      no empty line within ``HEAD_LIMIT`` bytes                   UNREAD, with a malformed Head of no bytes
HEAD      a head: a 101, or a request that asks for WebSocket         FRAMES
HEAD      a head without a body: 1xx, 204, 304, another request       HEAD
HEAD      a head that says how long its body is                       BODY, then HEAD
HEAD      a head: any other, one that is not HTTP, or of hixie-76     UNREAD
========= =========================================================== =============================================

A request that asks for WebSocket may be refused, and another one follow on the same connection (RFC 6455 section 4.1).
The client's bytes alone tell that where they begin another GET and no 101 has come (``expect_frames``); else the
connection does (``expect_head``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from ..anatomy.field import Sender
from .head import TOKEN, Head, empty_lines, head_end, parse_head
from .header import EXTENDED, HEADER, LONGEST, FrameHeader, payload_length, read_header
from .words import FIN, LENGTH, OPCODE, OPCODES, RSV1, RSV2, RSV3

# A head is at most this long, in bytes. RFC 9112 sets no limit and lets every receiver set one.
HEAD_LIMIT: Final = 65536
UNREAD_KEPT: Final = 4096  # of bytes that are unread for good, so many are kept in ``tail``; the rest are counted
PIECE: Final = 4096  # bytes that are looked at, at once, for heads and bodies: each piece of many heads is copied
CHUNK_LINE: Final = 1024  # bytes of a line between two chunks, at most
# The line before a chunk: its size, and extensions.
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})\s*(;.*)?", re.DOTALL)
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
# What another request begins with; a frame that began so would have a reserved opcode, and no mask.
AGAIN: Final = b"GET "
# First bytes that could begin a frame and cannot begin HTTP: ``A`` is a fragment with RSV1, and a method's letter.
_FRAMELIKE: Final = frozenset(
    first
    for first in range(256)
    if first & OPCODE in OPCODES and not first & (RSV2 | RSV3) and (first & FIN or not first & RSV1)
)


class Mode(Enum):
    """What the next bytes of a stream are read as; see the table above."""

    HEAD = "head"  # bytes are gathered until an empty line
    BODY = "body"  # an HTTP message's body whose end is known (RFC 9112 section 6.3)
    FRAMES = "frames"  # one frame follows another (RFC 6455 section 5.2)
    UNREAD = "unread"  # what follows is a body that ends with the stream, or nothing that is known here


# By a frame's second byte, the whole frame's length where that byte tells it; 0 where the length is extended.
_SHORT: Final = tuple(0 if EXTENDED[second] else (second & LENGTH) + HEADER[second] for second in range(256))


def _mark(data: bytes | memoryview, position: int, marks: list[int]) -> int:
    """Append the mark of every whole header in ``data`` from ``position`` on; return where the next one begins.
    ``mark`` runs over second bytes, since that byte alone tells a short frame's length."""
    short, append, size = _SHORT, marks.append, len(data)
    mark, safe = position + 1, size - LONGEST
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

    offset: int  # of its first byte, in its sender's stream
    length: int  # bytes
    data: bytes  # the first ``UNREAD_KEPT`` of them at most


@dataclass(slots=True, repr=False, eq=False)
class FoundFrames:
    """What one call of ``feed`` found, in stream order: heads and the bodies behind them, then frame headers. It notes
    where each frame begins and reads its header when asked for it: that is what makes indexing fast. It holds the fed
    chunk for as long as it lives."""

    heads: list[Head | Body]
    data: bytes | memoryview  # the bytes that the frames were found in
    base: int  # stream offset of ``data``
    marks: list[int]  # of each frame, the position of its *second* byte in ``data``
    first_index: int

    def __len__(self) -> int:
        return len(self.heads) + len(self.marks)

    def __iter__(self) -> Iterator[Head | Body | FrameHeader]:
        yield from self.heads
        for number in range(len(self.marks)):
            yield self.header(number)

    def __repr__(self) -> str:
        return f"<{len(self.heads)} heads and {len(self.marks)} frame headers>"

    def header(self, number: int) -> FrameHeader:
        """The ``number``-th frame header found, from 0."""
        at = self.marks[number] - 1
        return read_header(self.data, at, index=self.first_index + number, offset=self.base + at)


class Dissector:
    """One direction of one connection, fed in chunks of any size.

    Args:
        sender: whose bytes these are.
        expect_head: whether the stream begins with an opening handshake, or in the midst of frames.
    """

    __slots__ = (
        "_asked",
        "_before",
        "_behind",
        "_body",
        "_index",
        "_kept",
        "mode",
        "next_offset",
        "received",
        "sender",
    )

    def __init__(self, sender: Sender, *, expect_head: bool = True) -> None:
        self.sender: Final = sender
        self.mode = Mode.HEAD if expect_head else Mode.FRAMES
        self.received = 0  # bytes fed so far
        # Stream offset where the next head or frame begins; beyond ``received`` while a payload is arriving.
        self.next_offset = 0
        self._kept = bytearray()
        self._index = self._before = 0  # ``_before``: of the kept bytes, those of empty lines before a request
        self._asked = False  # whether the next bytes come right behind a request that asks for WebSocket
        self._behind = Mode.HEAD  # what comes behind a body
        self._body: BodyEnd | None = None

    @property
    def tail(self) -> bytes:
        """The bytes after ``next_offset`` that make no whole head or header yet (the first 4,096 of unread ones)."""
        return bytes(self._kept)

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
        left = memoryview(rest)
        while left and (self.mode is not Mode.FRAMES or self._asked):
            piece = bytes(left[:PIECE])
            match self.mode:
                case Mode.FRAMES:
                    over = self._ask_again(piece)
                case Mode.HEAD:
                    over = self._read_head(piece, heads)
                case Mode.BODY:
                    over = self._read_body(piece, heads)
                case _:
                    over = self._keep(piece)
            left = left[len(piece) - len(over) :]
        rest = rest[len(rest) - len(left) :]
        marks: list[int] = []
        first_index = self._index
        if rest and self._kept:
            rest = bytes(self._kept) + rest
            self._kept.clear()
        base = self.received - len(rest)
        if rest:
            position = _mark(rest, self.next_offset - base, marks)
            self.next_offset = base + position
            self._kept += rest[position:]
            self._index += len(marks)
        return FoundFrames(heads, rest, base, marks, first_index)

    def expect_head(self) -> None:
        """Take the next bytes for another head, as far as no frame has begun behind the last one."""
        if self.mode is Mode.FRAMES and self.next_offset == self.received and not self._index:
            self.mode = Mode.HEAD

    def expect_frames(self) -> None:
        """Take the next bytes for frames, whatever they are: the request before them was accepted."""
        self._asked = False
        self._behind = Mode.FRAMES
        if self.mode is Mode.HEAD and not self._kept:
            self.mode = Mode.FRAMES

    def _read_head(self, data: bytes, found: list[Head | Body]) -> bytes:
        """Gather a head; return the bytes that are for another mode."""
        kept, seen, stop = self._kept, len(self._kept), 0
        kept += data
        # Looked for where the last call stopped, so that no byte is looked at twice.
        before = self._before = empty_lines(kept, self.sender, self._before)
        begins = kept[before : before + 2].removesuffix(b"\r" if self.sender is Sender.CLIENT else b"")
        token = bool(begins) and TOKEN.match(chr(begins[0])) is not None
        if begins and kept[0] in _FRAMELIKE and not (before and token):
            self.mode, self._before = Mode.FRAMES, 0
            del kept[seen:]
            return data
        elif begins and not token:
            return self._no_head(f"these bytes begin no HTTP: {kept[0]:02x}", found)
        elif (stop := head_end(kept, max(before, seen - 2), HEAD_LIMIT)) >= 0:
            head = parse_head(bytes(kept[:stop]), self.sender, offset=self.next_offset)
            found.append(head)
            self.next_offset += stop
            self.mode, self._body = _after(head)
            self._asked = self.mode is Mode.FRAMES and head.status is None
        elif len(kept) < HEAD_LIMIT:
            return b""
        else:
            return self._no_head(f"no empty line in the first {HEAD_LIMIT:,} bytes", found)
        rest, self._before = bytes(kept[stop:]), 0
        kept.clear()
        return rest

    def _ask_again(self, data: bytes) -> bytes:
        """Behind a request for WebSocket: a head where another GET begins, or empty lines and one, and else frames."""
        kept = bytes(self._kept) + data
        begun = kept.lstrip(b"\r\n")[: len(AGAIN)]
        again = AGAIN.startswith(begun)
        if again and len(begun) < len(AGAIN) and len(kept) < UNREAD_KEPT:
            return self._keep(data)
        self.mode, self._asked = Mode.HEAD if again else Mode.FRAMES, False
        return data

    def _no_head(self, problem: str, found: list[Head | Body]) -> bytes:
        """Step over bytes that are no head; none are left."""
        self.mode = Mode.UNREAD
        found.append(Head(self.sender, b"", "", (), malformed=problem, offset=self.next_offset))
        del self._kept[UNREAD_KEPT:]
        return b""

    def _read_body(self, data: bytes, found: list[Head | Body]) -> bytes:
        """Step over the body's next bytes; return those behind it."""
        assert self._body is not None, "a head comes before its body"
        taken = self._body.take(data)
        self._keep(data[:taken])
        if taken is None:
            self.mode = Mode.UNREAD  # its chunks are not what they must be: nothing tells where it ends
            return b""
        rest = data[taken:]
        if self._body.over:
            length = self._body.length
            found.append(Body(self.next_offset, length, self.tail))
            self.next_offset += length
            self._kept.clear()
            self.mode = self._behind
        return rest

    def _keep(self, data: bytes) -> bytes:
        """Keep the first of the bytes that are stepped over; none are left."""
        self._kept += data[: UNREAD_KEPT - len(self._kept)]
        return b""


class BodyEnd:
    """Finds the end of one HTTP body, whose bytes come in pieces (RFC 9112 section 6.3). ``length`` is in bytes; None
    where the body is sent in chunks that say their own."""

    __slots__ = ("_chunked", "_left", "_line", "_trailer", "length", "over")

    def __init__(self, length: int | None) -> None:
        self.over = length == 0
        self._chunked = length is None
        self._left = length or 0
        self.length = 0  # bytes taken so far
        self._line = b""
        self._trailer = False

    def take(self, data: bytes, at: int = 0) -> int | None:
        """Where in ``data`` the body's bytes end, of which the next is at ``at``; None where they are no chunks."""
        while at < len(data) and not self.over:
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                self.over = not self._left and not self._chunked
                continue
            newline = data.find(b"\n", at, at + CHUNK_LINE)
            stop = len(data) if newline < 0 else newline + 1
            self._line += data[at : min(stop, at + CHUNK_LINE + 1)]
            if len(self._line) > CHUNK_LINE:
                return None
            at = stop
            if newline < 0:
                continue
            line, self._line = self._line.strip(), b""
            if self._trailer:
                # "chunked-body = *chunk last-chunk trailer-section CRLF" (RFC 9112 7.1)
                self.over = not line
            elif size := _CHUNK.fullmatch(line):
                length = int(size[1], 16)
                self._trailer = not length
                self._left = length + 2 if length else 0  # CRLF ends its data
            else:
                return None
        self.length += at
        return at


def _after(head: Head) -> tuple[Mode, BodyEnd | None]:
    """The mode behind a head, and its body where one with a known end follows."""
    status = head.status
    if (head.request_line if head.sender is Sender.CLIENT else status) is None or head.earlier:
        return Mode.UNREAD, None
    if status == 101:
        return Mode.FRAMES, None
    # "any response with a 1xx (Informational), 204 (No Content), or 304 (Not Modified) status code is always terminated
    # by the first empty line after the header fields" (RFC 9112 6.3)
    if status is not None and (status < 200 or status in (204, 304)):
        return Mode.HEAD, None
    if head.has_token("Transfer-Encoding", "chunked"):
        return Mode.BODY, BodyEnd(None)
    lengths = {value.strip() for value in head.get("Content-Length")}
    if head.get("Transfer-Encoding") or len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        return Mode.UNREAD, None
    # "this is a response message without a declared message body length, so the message body length is determined by
    # the number of octets received prior to the server closing the connection" (RFC 9112 6.3)
    if status is not None and not lengths:
        return Mode.UNREAD, None
    if length := sum(map(int, lengths)):
        return Mode.BODY, BodyEnd(length)
    asks = status is None and head.has_token("Upgrade", "websocket")
    return (Mode.FRAMES if asks else Mode.HEAD), None
