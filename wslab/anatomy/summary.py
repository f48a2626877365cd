"""A record in a few words, the same in the table, on the ladder and in the panel.

The panel says the same in JavaScript, and a test compares both, so the rules are few:

- A text payload stands in quotes, other payloads as hex. ``preview`` holds at most 28 bytes; when it is full and the
  payload is not 28 bytes long, the text is cut, ends in ``…`` and is followed by the payload's length.
- Of hex, 8 bytes are shown.
- TEXT and a close reason are text. Other payloads are text when they are UTF-8 without characters that act or hide.
"""

from __future__ import annotations

from ..drawing.visible import count, decode, hex_pairs, shows, visible
from .record import OPCODES, PREVIEW, Kind, Record

HEX = 8
"""Bytes of a payload shown as hex."""


def record_summary(record: Record) -> str:
    """The record in a few words: ``TEXT "Hello"``, ``CLOSE 1000 "bye"``, ``GET /chat``."""
    match record.kind:
        case Kind.FRAME:
            return _frame(record)
        case Kind.FIN:
            return "FIN, end of stream"
        case Kind.RESET:
            return "RST, connection reset"
        case Kind.UNREAD:
            return f"no frame: {_payload(record.preview, record.payload_length)}"
        case _:
            full = len(record.preview) == PREVIEW
            return visible(decode(record.preview, cut=full)) + ("…" if full else "")


def opcode_name(opcode: int) -> str:
    """``TEXT``, or ``reserved opcode 3``."""
    return OPCODES.get(opcode, f"reserved opcode {opcode}")


def _frame(record: Record) -> str:
    opcode = record.first & 0b1111
    words = opcode_name(opcode)
    length = record.payload_length
    if opcode == 0x8:
        if length == 1:
            words += " with 1 byte"
        elif length >= 2:
            words += f" {record.status}"
            length -= 2
            words += f" {_quoted(record.preview, length)}" if record.preview else ""
    elif opcode == 0x1 and (record.preview or not length):
        words += f" {_quoted(record.preview, length)}"
    elif record.preview:
        words += f" {_payload(record.preview, length)}"
    elif length:
        words += f", {count(length, 'byte')}"
    if not record.first & 0b1000_0000:
        words += ", not final"
    for bit, name in ((0b0100_0000, "RSV1"), (0b0010_0000, "RSV2"), (0b0001_0000, "RSV3")):
        if record.first & bit:
            words += f", {name}"
    return words


def _cut(preview: bytes, length: int) -> bool:
    return len(preview) == PREVIEW and length != PREVIEW


def _quoted(preview: bytes, length: int) -> str:
    if _cut(preview, length):
        return f'"{visible(decode(preview, cut=True))}…" {count(length, "byte")}'
    return f'"{visible(decode(preview))}"'


def _hex(preview: bytes, length: int) -> str:
    if len(preview) <= HEX:
        return hex_pairs(preview)
    return f"{hex_pairs(preview[:HEX])} … {count(length, 'byte')}"


def _payload(preview: bytes, length: int) -> str:
    text = decode(preview, cut=_cut(preview, length))
    return _quoted(preview, length) if shows(text) else _hex(preview, length)
