"""One frame: ``Frame`` is what is known of it, ``parse_frame`` reads a lone one, ``explain_frame`` tells every bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from ..anatomy.explanation import Explanation
from ..anatomy.field import Field, Sender, Violation
from ..drawing.visible import count, hexed, quote
from .header import EXTENDED, FrameHeader, read_header
from .rules import FrameCase, judge_frame
from .words import (
    CLOSE,
    CONTINUATION,
    FIN,
    LENGTH,
    MASK,
    OPCODE,
    OPCODES,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    apply_mask,
    opcode_name,
    status_meaning,
)

PREVIEW = 28
"""Bytes of payload that every frame keeps."""

_BASE = "RFC 6455 5.2"


class Frame(NamedTuple):
    """A frame and what is known of it. It does not change.

    (A named tuple and not a dataclass, because a recorder makes one for every frame that crosses.)
    """

    sender: Sender | None
    index: int  # type: ignore[assignment]  # a tuple's own index() gives way
    """0, 1, ... in its sender's stream."""
    offset: int
    """Of its first byte in its sender's stream, head included."""
    header_length: int
    payload_length: int
    """As the header states it, in bytes."""
    first: int
    """FIN, RSV1, RSV2, RSV3, opcode."""
    second: int
    """MASK, Payload len."""
    masking_key: bytes | None
    violations: tuple[Violation, ...] = ()
    preview: bytes = b""
    """At most ``PREVIEW`` bytes of the payload, unmasked and inflated; of a close frame, the reason's."""
    payload: bytes | None = None
    """The payload as it crossed, still masked; None where it was not kept."""
    inflated: bytes | None = None
    """What a compressed payload inflates to; None where it is not compressed, or is lost."""
    status_code: int | None = None
    close_reason: str | None = None
    message: int | None = None
    """Number of the message it belongs to, in its direction; None for a control frame or where there is none."""
    complete: bool = True
    """Whether its last byte has come."""
    note: str | None = None
    """What could not be read of it, and why."""

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
        return opcode_name(self.first & OPCODE)

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
        return apply_mask(self.payload, self.masking_key)

    def explain(self) -> Explanation:
        """Every bit of it explained; of its header alone where the payload was not kept."""
        explanation = explain_frame(
            self.header + (self.payload or b""),
            sender=self.sender,
            offset=self.offset,
            violations=self.violations,
            inflated=self.inflated,
        )
        if self.note is None:
            return explanation
        return replace(explanation, facts=(*explanation.facts, ("Not read", self.note)))

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
        A frame whose ``complete`` is False where bytes are missing. Bits that have not come count as 0. Its
        violations are those that a lone frame shows; nothing is known of the handshake or of other frames.
    """
    _, _, start, length, first, second, key = read_header(data)
    headed = len(data) >= start
    payload = bytes(data[start : start + length]) if headed else b""
    plain = apply_mask(payload, key) if key else payload
    whole = headed and len(payload) == length
    case = FrameCase(first, second, start, length, plain, sender, whole)
    case.bad_text, case.cut_text = _lone_text(first, plain, whole)
    code, reason = close_body(plain) if first & OPCODE == CLOSE else (None, None)
    return Frame(
        sender=sender,
        index=0,
        offset=offset,
        header_length=start,
        payload_length=length,
        first=first,
        second=second,
        masking_key=key,
        violations=judge_frame(case) if headed else (),
        preview=(plain[2:] if first & OPCODE == CLOSE else plain)[:PREVIEW],
        payload=payload,
        status_code=code,
        close_reason=reason,
        complete=whole,
    )


def explain_frame(
    data: bytes,
    *,
    sender: Sender | None = None,
    offset: int = 0,
    violations: Iterable[Violation] = (),
    inflated: bytes | None = None,
) -> Explanation:
    """Tell what every bit of a frame says (RFC 6455 section 5.2).

    Args:
        data: the frame's bytes. Missing ones are named as a fact, those after its end as a field, so that the fields
            tile ``data`` whatever it is.
        sender: who sent it.
        offset: of its first byte in the sender's stream.
        violations: the rules it breaks, as its connection found them. They are not looked for here.
        inflated: what the payload inflates to, where it is compressed.
    """
    reader = _Reader(data, sender)
    fields = tuple(reader.fields(inflated))
    return Explanation(
        title=f"{opcode_name(data[0] & OPCODE)} frame" if data else "no bytes",
        data=data,
        fields=fields,
        sender=sender,
        offset=offset,
        violations=tuple(violations),
        facts=tuple(reader.facts(inflated)),
        inflated=inflated,
    )


def close_body(data: bytes) -> tuple[int | None, str | None]:
    """Status code and reason of a close frame's unmasked payload (RFC 6455 section 5.5.1).

    Both are None where there is no status code. Bytes that are no UTF-8 become U+FFFD.
    """
    if len(data) < 2:
        return None, None
    return int.from_bytes(data[:2], "big"), data[2:].decode(errors="replace")


def _text_problem(error: UnicodeDecodeError, data: bytes) -> tuple[tuple[int, str] | None, int]:
    """Tell bad UTF-8 from a character that is cut at the end: where and why, and how many bytes of it there are."""
    if error.reason == "unexpected end of data" and error.end == len(data):
        return None, error.end - error.start
    return (error.start, error.reason), 0


def _lone_text(first: int, plain: bytes, whole: bool) -> tuple[tuple[int, str] | None, int]:
    if first & OPCODE != TEXT or first & RSV1:
        return None, 0
    try:
        plain.decode()
    except UnicodeDecodeError as error:
        bad, cut = _text_problem(error, plain)
        return bad, cut if first & FIN and whole else 0
    return None, 0


_BITS = (
    ("FIN", FIN, "the message goes on in another frame", "this is the last frame of its message"),
    ("RSV1", RSV1, "not compressed, as far as this bit tells", "compressed, if permessage-deflate was agreed on"),
    ("RSV2", RSV2, "reserved, and 0 as it must be", "reserved: it must be 0 unless an extension uses it"),
    ("RSV3", RSV3, "reserved, and 0 as it must be", "reserved: it must be 0 unless an extension uses it"),
)  # fmt: skip

_MASK = {
    (None, True): "the payload is masked, as a client must do",
    (None, False): "the payload is not masked, as a server must leave it",
    (Sender.CLIENT, True): "the payload is masked, as a client must do",
    (Sender.CLIENT, False): "the payload is not masked, though a client must mask it",
    (Sender.SERVER, True): "the payload is masked, though a server must not mask it",
    (Sender.SERVER, False): "the payload is not masked, as a server must leave it",
}


class _Reader:
    """A frame's parts, as far as its bytes go."""

    def __init__(self, data: bytes, sender: Sender | None = None) -> None:
        self.data = data
        self.sender = sender
        header = read_header(data)
        self.first, self.second = header.first, header.second
        self.opcode = self.first & OPCODE
        self.masked = bool(self.second & MASK)
        self.form = self.second & LENGTH
        self.at, self.start, self.length = header.key_at, header.header_length, header.payload_length
        self.headed = len(data) >= self.start
        self.key = data[self.at : self.start]
        self.payload = data[self.start : self.start + self.length] if self.headed else b""
        self.plain = apply_mask(self.payload, self.key) if self.headed and self.masked else self.payload
        self.stop = self.start + len(self.payload)
        self.whole = self.headed and len(self.payload) == self.length

    def fields(self, inflated: bytes | None) -> Iterator[Field]:
        data = self.data
        if data:
            yield from self._first_byte()
        if len(data) > 1:
            yield from self._second_byte()
        if len(data) > 2 and self.at > 2:
            yield self._extended()
        if len(data) > self.at and self.masked:
            yield self._masking_key()
        if self.payload:
            yield from self._close_fields() if self.opcode == CLOSE else self._payload_fields(inflated)
        if self.headed and len(data) > self.stop:
            rest = data[self.stop :]
            meaning = f"{count(len(rest), 'byte')} after this frame's end: the next frame, if any"
            yield Field("Bytes after the frame", self.stop * 8, len(rest) * 8, rest, rest, meaning, _BASE)

    def facts(self, inflated: bytes | None) -> Iterator[tuple[str, str]]:
        if not self.headed:
            yield "Missing", f"the header goes on: {self.start if len(self.data) > 1 else '2 or more'} bytes in all"
        elif not self.whole:
            missing = self.length - len(self.payload)
            yield "Missing", f"{count(missing, 'byte')} of payload are not here"
        if self.masked and self.payload:
            yield "Unmasked", self._said(self.plain)
        if inflated is not None:
            yield "Inflated", f"{self._said(inflated, compressed=False)} ({count(len(inflated), 'byte')})"
        if self.opcode == CLOSE and self.whole and not self.payload:
            yield "Status code", "none was sent; the receiving program is told 1005 (RFC 6455 7.1.5)"

    def _first_byte(self) -> Iterator[Field]:
        raw = self.data[:1]
        for place, (name, bit, no, yes) in enumerate(_BITS):
            value = int(bool(self.first & bit))
            yield Field(name, place, 1, raw, value, yes if value else no, _BASE)
        name, meaning = OPCODES.get(self.opcode, ("", ""))
        said = f"{name}: {meaning}" if name else "reserved: the receiver must fail the connection"
        yield Field("opcode", 4, 4, raw, self.opcode, said, _BASE)

    def _second_byte(self) -> Iterator[Field]:
        raw = self.data[1:2]
        yield Field("MASK", 8, 1, raw, int(self.masked), _MASK[self.sender, self.masked], "RFC 6455 5.1")
        size = EXTENDED[self.second]
        said = f"the next {size} bytes hold the length" if size else f"the payload is {count(self.form, 'byte')} long"
        yield Field("Payload len", 9, 7, raw, self.form, said, _BASE)

    def _extended(self) -> Field:
        raw = self.data[2 : self.at]
        size = self.at - 2
        if len(raw) < size:
            return Field(
                "Extended payload length", 16, len(raw) * 8, raw, raw, f"{len(raw)} of {size} bytes have come", _BASE
            )
        said = f"the payload is {count(self.length, 'byte')} long"
        return Field("Extended payload length", 16, size * 8, raw, self.length, said, _BASE)

    def _masking_key(self) -> Field:
        raw = self.key
        said = (
            "payload byte i is XORed with key byte i modulo 4" if len(raw) == 4 else f"{len(raw)} of 4 bytes have come"
        )
        return Field("Masking-key", self.at * 8, len(raw) * 8, raw, raw, said, "RFC 6455 5.3")

    def _payload_fields(self, inflated: bytes | None) -> Iterator[Field]:
        value: str | bytes = self.plain
        if self.opcode == TEXT and not self.first & RSV1:
            try:
                value = self.plain.decode()
            except UnicodeDecodeError:
                value = self.plain
        yield self._part(
            "Payload data",
            0,
            len(self.payload),
            value,
            self._said(self.plain, compressed=inflated is not None),
            "RFC 6455 5.2",
        )

    def _close_fields(self) -> Iterator[Field]:
        plain = self.plain
        if len(plain) < 2:
            yield self._part("Payload data", 0, 1, plain, "one byte, too short for a status code", "RFC 6455 5.5.1")
            return
        code = int.from_bytes(plain[:2], "big")
        meaning, section = status_meaning(code)
        yield self._part("Status code", 0, 2, code, f"{code}: {meaning}", section)
        if len(plain) > 2:
            try:
                reason: str | bytes = plain[2:].decode()
            except UnicodeDecodeError:
                reason = plain[2:]
            said = f"the reason {quote(reason)}" if isinstance(reason, str) else f"no UTF-8: {hexed(reason, 16)}"
            yield self._part("Close reason", 2, len(plain), reason, said, "RFC 6455 5.5.1")

    def _part(self, name: str, start: int, stop: int, value: int | str | bytes, meaning: str, section: str) -> Field:
        return Field(
            name=name,
            start=(self.start + start) * 8,
            width=(stop - start) * 8,
            raw=self.payload[start:stop],
            value=value,
            meaning=meaning,
            section=section,
            plain=self.plain[start:stop] if self.masked else None,
        )

    def _said(self, data: bytes, *, compressed: bool | None = None) -> str:
        if compressed or (compressed is None and self.first & RSV1 and self.opcode not in (CLOSE, CONTINUATION)):
            return f"{count(len(data), 'byte')}, compressed if RSV1 means so: {hexed(data, 16)}"
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = None
        if text is not None and (self.opcode in (TEXT, CLOSE, CONTINUATION) or (text.isascii() and text.isprintable())):
            return quote(text)
        return f"{count(len(data), 'byte')}: {hexed(data, 16)}"
