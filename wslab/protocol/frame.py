"""One frame: ``Frame`` is what is known of it, ``parse_frame`` reads a lone one, ``explain_frame`` tells every bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from ..anatomy.explanation import Explanation
from ..anatomy.field import Field, Sender, Violation
from ..drawing.visible import count, hexed, quote
from . import words
from .header import EXTENDED, KEY, FrameHeader, read_header
from .rules import FRAME_RULES, FrameCase, judge
from .words import CLOSE, CONTINUATION, FIN, LENGTH, MASK, OPCODE, OPCODES, RSV1, RSV2, RSV3, TEXT

PREVIEW = 28  # bytes of payload that every frame keeps

_BASE = "RFC 6455 5.2"


class Frame(NamedTuple):
    """A frame and what is known of it: a named tuple, because a recorder makes one for every frame that crosses."""

    sender: Sender | None
    index: int  # type: ignore[assignment]  # 0, 1, ... in its sender's stream; a tuple's own index() gives way.
    offset: int  # of its first byte in its sender's stream, head included
    header_length: int
    payload_length: int  # as the header states it, in bytes
    first: int  # FIN, RSV1, RSV2, RSV3, opcode
    second: int  # MASK, Payload len
    masking_key: bytes | None
    violations: tuple[Violation, ...] = ()
    # At most ``PREVIEW`` bytes of the payload, unmasked and inflated; of a close frame, the reason's.
    preview: bytes = b""
    payload: bytes | None = None  # the payload as it crossed, still masked; None where it was not kept
    inflated: bytes | None = None  # what a compressed payload inflates to; None where it is not compressed, or is lost
    status_code: int | None = None
    close_reason: str | None = None
    # Number of the message it belongs to, in its direction; None for a control frame or where there is none.
    message: int | None = None
    complete: bool = True  # whether its last byte has come
    note: str | None = None  # what could not be read of it, and why
    connection: int | None = None  # of a recording: the number of its connection there

    @property
    def fin(self) -> bool:
        """Whether it is its message's last frame."""
        return bool(self.first & FIN)

    @property
    def rsv1(self) -> bool:
        """Under permessage-deflate: whether the message is compressed (RFC 7692 section 6)."""
        return bool(self.first & RSV1)

    @property
    def rsv2(self) -> bool:
        """Reserved."""
        return bool(self.first & RSV2)

    @property
    def rsv3(self) -> bool:
        """Reserved."""
        return bool(self.first & RSV3)

    @property
    def opcode(self) -> int:
        """0 to 15."""
        return self.first & OPCODE

    @property
    def opcode_name(self) -> str:
        """``"TEXT"`` and so on; ``"reserved opcode 3"``."""
        return words.opcode_name(self.first & OPCODE)

    @property
    def mask(self) -> bool:
        """Whether the payload is masked."""
        return bool(self.second & MASK)

    @property
    def header(self) -> bytes:
        """The header's bytes as they crossed."""
        return FrameHeader(*self[1:8]).encode()

    @property
    def raw(self) -> bytes | None:
        """All its bytes as they crossed; None where the payload was not kept."""
        return None if self.payload is None else self.header + self.payload

    @property
    def data(self) -> bytes | None:
        """The payload unmasked, still compressed where it is; None where it was not kept."""
        if self.payload is None or self.masking_key is None:
            return self.payload
        return words.apply_mask(self.payload, self.masking_key)

    def explain(self) -> Explanation:
        """Every bit of it explained; of its header alone where the payload was not kept."""
        data, place = self.header + (self.payload or b""), self.offset
        told = explain_frame(data, sender=self.sender, offset=place, violations=self.violations, inflated=self.inflated)
        return told if self.note is None else replace(told, facts=(*told.facts, ("Not read", self.note)))

    def __repr__(self) -> str:
        return repr(self.explain())

    def _repr_html_(self) -> str:
        return self.explain()._repr_html_()


def parse_frame(data: bytes, *, sender: Sender | None = None, offset: int = 0) -> Frame:
    """Read the frame at the beginning of ``data``. Never raises.

    Args:
        data: the frame's bytes, perhaps cut off, perhaps followed by others, which are left alone.
        sender: who sent it; where it is not known, masking is not judged.
        offset: of its first byte in the sender's stream.

    Returns:
        A frame whose ``complete`` is False where bytes are missing, and whose bits that have not come count as 0. Its
        violations are those that a lone frame shows; nothing is known of the handshake or of other frames.
    """
    header, payload, plain, whole = _split(data)
    opcode = header.first & OPCODE
    case = FrameCase(*header[2:6], plain, sender, whole)
    if opcode == TEXT and not header.first & RSV1:
        try:
            plain.decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                case.bad_text = (error.start, error.reason)
            elif header.first & FIN and whole:
                case.cut_text = error.end - error.start
    code, reason = close_body(plain) if opcode == CLOSE else (None, None)
    broken = judge(FRAME_RULES, case) if len(data) >= header.header_length else ()
    seen, header = plain[2:] if opcode == CLOSE else plain, header._replace(offset=offset)
    return Frame(sender, *header, broken, seen[:PREVIEW], payload, None, code, reason, complete=whole)


def explain_frame(
    data: bytes, *, sender: Sender | None = None, offset: int = 0,
    violations: Iterable[Violation] = (), inflated: bytes | None = None,
) -> Explanation:  # fmt: skip
    """Tell what every bit of a frame says (RFC 6455 section 5.2).

    Args:
        data: the frame's bytes. Missing ones are named as a fact, those after its end as a field, so that the fields
            tile ``data`` whatever it is.
        sender: who sent it.
        offset: of its first byte in the sender's stream.
        violations: the rules it breaks, as its connection found them. They are not looked for here.
        inflated: what the payload inflates to, where it is compressed.
    """
    split = _split(data)
    title = f"{words.opcode_name(data[0] & OPCODE)} frame" if data else "no bytes"
    fields, facts = tuple(_fields(data, split, sender, inflated)), tuple(_facts(data, split, inflated))
    return Explanation(title, data, fields, sender, offset, tuple(violations), facts, inflated)


def close_body(data: bytes) -> tuple[int | None, str | None]:
    """Status code and reason of a close frame's unmasked payload (RFC 6455 section 5.5.1). Both are None where there is
    no status code. Bytes that are no UTF-8 become U+FFFD."""
    if len(data) < 2:
        return None, None
    return int.from_bytes(data[:2], "big"), data[2:].decode(errors="replace")


_Split = tuple[FrameHeader, bytes, bytes, bool]


def _split(data: bytes) -> _Split:
    """A frame's header, its payload as far as it has come, the same unmasked, and whether the frame is whole."""
    header = read_header(data)
    start, length = header.header_length, header.payload_length
    payload = bytes(data[start : start + length])
    plain = words.apply_mask(payload, header.masking_key) if header.masking_key else payload
    return header, payload, plain, len(data) >= start and len(payload) == length


_RESERVED = ("reserved, and 0 as it must be", "reserved: it must be 0 unless an extension uses it")
# The first four bits, and what 0 and 1 say, in a data frame and in a control frame.
_BITS = (
    ("FIN", FIN, "the message goes on in another frame", "this is the last frame of its message"),
    ("RSV1", RSV1, "not compressed, as far as this bit tells", "compressed, if permessage-deflate was agreed on"),
    ("RSV2", RSV2, *_RESERVED),
    ("RSV3", RSV3, *_RESERVED),
)
_CONTROL_BITS = (
    ("FIN", FIN, "0, though a control frame is never fragmented", "a control frame is always whole"),
    ("RSV1", RSV1, *_RESERVED),
    *_BITS[2:],
)

# What MASK says, by its value: where the sender sets it as it must, or is not known, and where it does not.
_MASK_RIGHT = ("the payload is not masked, as a server must leave it", "the payload is masked, as a client must do")
_MASK_WRONG = (
    "the payload is not masked, though a client must mask it",
    "the payload is masked, though a server must not mask it",
)


def _fields(data: bytes, split: _Split, sender: Sender | None, inflated: bytes | None) -> Iterator[Field]:
    """The fields of a frame, as far as its bytes go. They tile ``data``."""
    header, payload, plain, _ = split
    payload_start = header.header_length * 8
    start = 0
    for name, width, value, meaning, section in _parts(data, split, sender, inflated):
        stop = start + width
        unmasked = None
        if header.masking_key and payload_start <= start < payload_start + len(payload) * 8:
            unmasked = plain[(start - payload_start) // 8 : (stop - payload_start) // 8]
        yield Field(name, start, width, data[start // 8 : (stop + 7) // 8], value, meaning, section, unmasked)
        start = stop


def _parts(
    data: bytes, split: _Split, sender: Sender | None, inflated: bytes | None
) -> Iterator[tuple[str, int, int | str | bytes, str, str]]:
    """Name, number of bits, value, meaning and section of each part of a frame, in order."""
    header, payload, plain, _ = split
    _, _, start, length, first, second, _ = header
    opcode = first & OPCODE
    if data:
        for name, bit, no, yes in _CONTROL_BITS if opcode >= CLOSE else _BITS:
            yield name, 1, int(bool(first & bit)), yes if first & bit else no, _BASE
        said = ": ".join(OPCODES[opcode]) if opcode in OPCODES else "reserved: the receiver must fail the connection"
        yield "opcode", 4, opcode, said, _BASE
    size = EXTENDED[second]
    if len(data) > 1:
        masked = int(bool(second & MASK))
        # A client is 0 and must set the bit to 1, a server the other way round.
        yield "MASK", 1, masked, (_MASK_WRONG if masked == sender else _MASK_RIGHT)[masked], "RFC 6455 5.1"
        short = second & LENGTH
        said = f"the next {size} bytes hold the length" if size else f"the payload is {count(short, 'byte')} long"
        yield "Payload len", 7, short, said, _BASE
    if extended := data[2 : header.key_at]:
        come = len(extended)
        said = f"{come} of {size} bytes have come" if come < size else f"the payload is {count(length, 'byte')} long"
        yield "Extended payload length", come * 8, extended if come < size else length, said, _BASE
    if key := data[header.key_at : start]:
        whole = len(key) == KEY
        said = "payload byte i is XORed with key byte i modulo 4" if whole else f"{len(key)} of 4 bytes have come"
        yield "Masking-key", len(key) * 8, key, said, "RFC 6455 5.3"
    if payload and opcode != CLOSE:
        value = _decoded(plain) if opcode == TEXT and not first & RSV1 else plain
        said = _said(plain, opcode, compressed=inflated is not None)
        yield "Payload data", len(payload) * 8, value, said, _BASE
    elif len(payload) == 1:
        yield "Payload data", 8, plain, "one byte, too short for a status code", "RFC 6455 5.5.1"
    elif payload:
        code = int.from_bytes(plain[:2], "big")
        meaning, section = words.status_meaning(code, sender)
        yield "Status code", 16, code, f"{code}: {meaning}", section
        if reason := plain[2:]:
            text = _decoded(reason)
            said = f"the reason {quote(text)}" if isinstance(text, str) else f"no UTF-8: {hexed(reason, 16)}"
            yield "Close reason", len(reason) * 8, text, said, "RFC 6455 5.5.1"
    if rest := data[start + len(payload) :]:
        said = f"{count(len(rest), 'byte')} after this frame's end: the next frame, if any"
        yield "Bytes after the frame", len(rest) * 8, rest, said, _BASE


def _facts(data: bytes, split: _Split, inflated: bytes | None) -> Iterator[tuple[str, str]]:
    """What a frame says that no single bit does."""
    header, payload, plain, whole = split
    opcode = header.first & OPCODE
    if len(data) < header.header_length:
        yield "Missing", f"the header goes on: {header.header_length if len(data) > 1 else '2 or more'} bytes in all"
    elif not whole:
        yield "Missing", f"{count(header.payload_length - len(payload), 'byte')} of payload are not here"
    if header.masking_key and payload:
        compressed = bool(header.first & RSV1) and opcode not in (CLOSE, CONTINUATION)
        yield "Unmasked", _said(plain, opcode, compressed=compressed)
    if inflated is not None:
        yield "Inflated", f"{_said(inflated, opcode)} ({count(len(inflated), 'byte')})"
    if opcode == CLOSE and whole and not payload:
        yield "Status code", "none was sent; the receiving program is told 1005 (RFC 6455 7.1.5)"


def _decoded(data: bytes) -> str | bytes:
    """The text, or the bytes where they are no UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _said(data: bytes, opcode: int, *, compressed: bool = False) -> str:
    """A payload as text where it is some, else as hex."""
    size = count(len(data), "byte")
    if compressed:
        return f"{size}, compressed if RSV1 means so: {hexed(data, 16)}"
    text = _decoded(data)
    if isinstance(text, str) and (opcode in (TEXT, CLOSE, CONTINUATION) or (text.isascii() and text.isprintable())):
        return quote(text)
    return f"{size}: {hexed(data, 16)}"
