"""One line of a trace: ``Record``, and the fixed-size packed form in which it travels to the panels.

The packed form is 76 bytes, little-endian, no padding:

====== ====== =============== ==========================================================
offset type   name            meaning
====== ====== =============== ==========================================================
0      u32    number          place in the trace, from 0; never reused
4      u32    connection      TCP connection, from 0 in order of first byte
8      f64    time            seconds since the trace began
16     u64    offset          of the first byte in the sender's stream
24     u64    payload_length  payload or HTTP body, in bytes
32     u32    header_length   frame header or HTTP head, in bytes
36     u16    status          HTTP status or close status code; 0 where there is none
38     u8     sender          0 client, 1 server
39     u8     kind            a ``Kind``
40     u8     first           a frame's first byte: FIN, RSV1-3, opcode; also of one cut short; 1 for an HTTP body
41     u8     second          a frame's second byte: MASK, Payload len; also of one that is cut short
42     u8     violations      how many rules it breaks, at most 255
43     u8     preview_length  how many bytes of ``preview`` count
44     28 s   preview         the start of what it says, see ``Record.preview``
72     u32    delay           microseconds from ``time`` to ``received``, at most 0xFFFFFFFE
                              (71 minutes); 0xFFFFFFFF where ``received`` is not known
====== ====== =============== ==========================================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from operator import itemgetter
from typing import Any, Final, NamedTuple

from ..drawing.visible import count, decode, hexed, shows, visible
from .field import Sender

PREVIEW = 28  # bytes of a payload that a record keeps
HEX = 8  # bytes of it that a summary shows as hex
# The values of the packed form in order, and what ``struct`` calls their types.
LAYOUT: Final = {
    "number": "I", "connection": "I", "time": "d", "offset": "Q", "payload_length": "Q", "header_length": "I",
    "status": "H", "sender": "B", "kind": "B", "first": "B", "second": "B", "violations": "B", "preview_length": "B",
    "preview": f"{PREVIEW}s", "delay": "I",
}  # fmt: skip
PACKED = struct.Struct("<" + "".join(LAYOUT.values()))
DELAY = struct.Struct("<" + LAYOUT["delay"])
# Where ``delay`` lies: the one value that is not known yet when a record is made.
DELAY_AT = PACKED.size - DELAY.size
UNKNOWN = 2**32 - 1

# The bits of a frame's first byte before its opcode (RFC 6455 section 5.2).
FLAGS = {0b1000_0000: "FIN", 0b0100_0000: "RSV1", 0b0010_0000: "RSV2", 0b0001_0000: "RSV3"}
# What a summary calls a frame (RFC 6455 section 11.8): all that this floor knows of the protocol.
OPCODES = {0x0: "CONTINUATION", 0x1: "TEXT", 0x2: "BINARY", 0x8: "CLOSE", 0x9: "PING", 0xA: "PONG"}


def packed_values(packed: bytes, *names: str) -> Iterator[tuple[Any, ...]]:
    """Of each record in ``packed``, the values that ``LAYOUT`` calls so; at least two."""
    return map(itemgetter(*map([*LAYOUT].index, names)), PACKED.iter_unpack(packed))


def delay(time: float, received: float) -> int:
    """Microseconds from ``time`` to ``received`` as a record carries them; a clock that went back gives 0."""
    late = int((received - time) * 1e6 + 0.5)
    return late if 0 <= late < UNKNOWN else 0 if late < 0 else UNKNOWN - 1


class Kind(IntEnum):
    """What a record tells of."""

    REQUEST = 0
    RESPONSE = 1
    FRAME = 2
    FIN = 3  # the sender's TCP stream ended in order
    RESET = 4  # the sender's TCP connection was torn down
    ERROR = 5  # a program's error, such as a handler that failed; ``preview`` begins its text
    UNREAD = 6  # bytes that were left over when the stream ended, or that are not what had to come
    BEND = 7  # what a relay between both ends did to the sender's stream, in words; ``preview`` begins them


class CloseReport(NamedTuple):
    """How one end's program says the connection ended. It need not be what crossed the wire."""

    sender: Sender  # the end that reports
    code: int | None  # none while the program has reported nothing
    reason: str = ""


class Record(NamedTuple):
    """One line of a trace."""

    number: int
    connection: int
    time: float
    offset: int
    payload_length: int
    header_length: int
    status: int
    sender: Sender
    kind: Kind
    first: int
    second: int
    violations: int
    # At most ``PREVIEW`` bytes: the start of a request or status line, of a payload (unmasked and inflated), of a close
    # frame's reason, or of an error's or a bend's text.
    preview: bytes
    # When the peer had read the record's last byte, or learned of the stream's end: seconds since the trace began, to
    # the microsecond. None until then, and where the trace records only one end.
    received: float | None = None

    def pack(self) -> bytes:
        """The 76 bytes described above."""
        preview = self.preview[:PREVIEW]
        late = UNKNOWN if self.received is None else delay(self.time, self.received)
        return PACKED.pack(*self[:11], min(self.violations, 255), len(preview), preview, late)

    @classmethod
    def unpack(cls, data: bytes) -> Record:
        """The record whose packed form is ``data`` (76 bytes)."""
        *values, sender, kind, first, second, broken, length, preview, late = PACKED.unpack(data)
        received = None if late == UNKNOWN else values[2] + late / 1e6
        return cls._make((*values, Sender(sender), Kind(kind), first, second, broken, preview[:length], received))

    @property
    def summary(self) -> str:
        """The record in a few words, the same in every view, such as ``TEXT "Hello"`` or ``GET /chat``.

        The panels say the same in JavaScript, so the rules are few. A payload is text when its frame says so, or when
        it is UTF-8 without characters that act or hide; text stands in quotes, other payloads as hex, of which 8 bytes
        are shown. When the 28 bytes of ``preview`` do not hold all, the text ends in ``…`` and the payload's length.
        """
        match self.kind:
            case Kind.FRAME:
                return _frame(self)
            case Kind.FIN:
                return "FIN, end of stream"
            case Kind.RESET:
                return "RST, connection reset"
            case Kind.UNREAD if self.second:
                return _cut(self)
            case Kind.UNREAD:
                return f"{'HTTP body' if self.first else 'no frame'}: {_told(self.preview, self.payload_length)}"
            case _:
                full = len(self.preview) == PREVIEW
                return visible(decode(self.preview, cut=full)) + ("…" if full else "")


def _cut(record: Record) -> str:
    # The preview begins with the frame's header: two bytes, the extended payload length if there is one, the key.
    extended = record.preview[2 : record.header_length - (4 if record.second & 0b1000_0000 else 0)]
    length = int.from_bytes(extended, "big") if extended else record.second & 0b111_1111
    words = OPCODES.get(record.first & 0b1111, f"reserved opcode {record.first & 0b1111}")
    return f"{words} cut short: {record.payload_length:,} of {count(length, 'byte')}"


def _frame(record: Record) -> str:
    opcode, length, preview = record.first & 0b1111, record.payload_length, record.preview
    words = OPCODES.get(opcode, f"reserved opcode {opcode}")
    match opcode:
        case 0x8 if length == 1:
            words += " with 1 byte"
        case 0x8:
            words += f" {record.status}" if length else ""
            words += f" {_told(preview, length - 2, text=True)}" if length and preview else ""
        case 0x1 if preview or not length:
            words += f" {_told(preview, length, text=True)}"
        case _ if preview:
            words += f" {_told(preview, length)}"
        case _ if length:
            words += f", {count(length, 'byte')}"
    marks = [name for bit, name in FLAGS.items() if record.first & bit and name != "FIN"]
    return ", ".join([words, *([] if record.first & 0b1000_0000 else ["not final"]), *marks])


def _told(preview: bytes, length: int, *, text: bool = False) -> str:
    # The preview in quotes if it is ``text`` or looks like it, else as hex.
    cut = len(preview) == PREVIEW and length != PREVIEW
    said = decode(preview, cut=cut)
    if text or shows(said):
        return f'"{visible(said)}' + (f'…" {count(length, "byte")}' if cut else '"')
    return hexed(preview, HEX) + (f" {count(length, 'byte')}" if len(preview) > HEX else "")
