"""Where things begin and end in one direction of a connection: ``Dissector`` finds the head and indexes the frames.

It reads headers and skips payloads: what a frame says is explained when somebody asks. Three rules hold it together.

- What it finds depends on the bytes alone, never on how they were cut into chunks. So every decision waits for
  the bytes it needs and looks at no others.
- No byte is lost. At any time: heads + frame headers + payloads so far + unread bytes = bytes fed.
- Nothing raises. Bytes that are not what had to come are counted as unread, and said to be so.

A stream is in one of three modes. *HEAD*: bytes are gathered until an empty line. *FRAMES*: one frame follows another
(RFC 6455 section 5.2). *UNREAD*: what follows is HTTP's body, or nothing that is known here, until the stream ends.

========= =========================================================== =============================================
mode      bytes                                                       next
========= =========================================================== =============================================
HEAD      a first byte that could begin a frame, and no head          FRAMES; the connection says that it is too soon
HEAD      a first byte that begins neither                            UNREAD, with a malformed Head of no bytes
HEAD      no empty line within ``HEAD_LIMIT`` bytes                   UNREAD, with a malformed Head of no bytes
HEAD      a head: a request without a body, or a 101                  FRAMES
HEAD      a head: an interim response (1xx, not 101)                  HEAD
HEAD      a head: any other, or one that is not HTTP                  UNREAD
========= =========================================================== =============================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final, overload

from ..anatomy.field import Sender
from .head import END, TOKEN, Head, parse_head
from .header import EXTENDED, HEADER, KEY, LONGEST, FrameHeader, payload_length
from .words import FIN, LENGTH, MASK, OPCODE, OPCODES, RSV1, RSV2, RSV3

HEAD_LIMIT: Final = 65536
"""A head is at most this long, in bytes. RFC 9112 sets no limit and lets every receiver set one."""

UNREAD_KEPT: Final = 4096
"""Of bytes that are unread for good, so many are kept in ``tail``; the rest are counted."""

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


class FoundFrames(Sequence["Head | FrameHeader"]):
    """What one call of ``feed`` found, in stream order: heads, then frame headers.

    A sequence that notes where each frame begins and reads its header when asked for it: that is what makes
    indexing fast. It holds the fed chunk for as long as it lives.
    """

    __slots__ = ("base", "data", "first_index", "heads", "marks")

    def __init__(
        self, heads: list[Head], data: bytes | memoryview, base: int, marks: list[int], first_index: int
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
    def __getitem__(self, place: int) -> Head | FrameHeader: ...
    @overload
    def __getitem__(self, place: slice) -> list[Head | FrameHeader]: ...
    def __getitem__(self, place: int | slice) -> Head | FrameHeader | list[Head | FrameHeader]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place] - len(self.heads)
        return self.heads[number] if number < 0 else self.header(number)

    def __iter__(self) -> Iterator[Head | FrameHeader]:
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

    __slots__ = ("_buffer", "_gathered", "_index", "mode", "next_offset", "received", "sender")

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
        heads: list[Head] = []
        rest = data if isinstance(data, memoryview) and self.mode is Mode.FRAMES else bytes(data)
        while rest and self.mode is not Mode.FRAMES:
            rest = self._head(bytes(rest), heads) if self.mode is Mode.HEAD else self._rest(bytes(rest))
        return self._frames(rest, heads)

    def _frames(self, data: bytes | memoryview, heads: list[Head]) -> FoundFrames:
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

    def _head(self, data: bytes, found: list[Head]) -> bytes:
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
        self.mode = _mode_after(head)
        rest = bytes(gathered[stop:])
        gathered.clear()
        return rest

    def _no_head(self, problem: str, data: bytes, found: list[Head]) -> bytes:
        found.append(Head(self.sender, b"", "", (), malformed=problem, offset=self.next_offset))
        self._gathered.clear()
        self.mode = Mode.UNREAD
        return data

    def _rest(self, data: bytes) -> bytes:
        room = UNREAD_KEPT - len(self._buffer)
        if room > 0:
            self._buffer += data[:room]
        return b""


def _mode_after(head: Head) -> Mode:
    if head.sender is Sender.SERVER:
        if head.status == 101:
            return Mode.FRAMES
        return Mode.HEAD if head.status is not None and head.status < 200 else Mode.UNREAD
    return Mode.UNREAD if head.request_line is None or head.announces_body else Mode.FRAMES
