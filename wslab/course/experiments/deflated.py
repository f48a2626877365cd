"""What a compressed message says: letters as they are, and copies of what came before (DEFLATE, RFC 1951)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...protocol import Frame
from ...protocol.deflate import TAIL
from ...recording.trace import Trace
from .strips import Stretch, Strip, Strips


def answers(trace: Trace) -> list[Frame]:
    """The server's messages on the last connection, as they were recorded."""
    last = trace.connections[-1]
    records = [one for one in trace.connection(last) if one.kind is Kind.FRAME and one.sender is Sender.SERVER]
    return [frame for frame in map(trace.frame_of, records) if frame.message is not None]


def size_of(frame: Frame) -> int:
    """How many bytes a frame takes on the wire, header and all."""
    return frame.header_length + frame.payload_length


def last_answer(trace: Trace) -> int:
    """The number of the record of the server's last message."""
    return [
        one.number for one in trace if one.kind is Kind.FRAME and one.sender is Sender.SERVER and one.first & 0b1111 < 8
    ][-1]


class Token(NamedTuple):
    """A step of a DEFLATE stream: some bytes, and from how far back they were copied; 0 where they stand there."""

    data: bytes
    back: int = 0


_EXTRA = (
    *[0] * 8,
    *[1] * 4,
    *[2] * 4,
    *[3] * 4,
    *[4] * 4,
    *[5] * 4,
    0,
)  # bits after each length code (RFC 1951 3.2.5)
_FAR = (*[0] * 2, *[number // 2 for number in range(28)])  # bits after each distance code


def tokens(payload: bytes, before: bytes) -> list[Token]:
    """The steps of a compressed message whose blocks have DEFLATE's fixed codes, as those of short texts do.

    Args:
        payload: as it crossed.
        before: what the sender said in earlier messages, where copies reach into them.

    Raises:
        ValueError: a block of another type.
    """
    bits = _bits(payload + TAIL)
    said = bytearray(before)
    found: list[Token] = []
    while bits and len(said) - len(before) < 1000:
        bits.pop(0)  # BFINAL
        kind = _number(bits, 2)
        if kind == 0:  # an empty stored block: the end of the message
            return found
        if kind != 1:
            raise ValueError(f"a block of type {kind}: these tokens are of fixed codes only")
        while (symbol := _symbol(bits)) != 256:
            if symbol < 256:
                found.append(Token(bytes([symbol])))
                said.append(symbol)
                continue
            code = symbol - 257
            length = 258 if code == 28 else 3 + _base(_EXTRA, code) + _number(bits, _EXTRA[code])
            far = _code(bits, 5)
            back = 1 + _base(_FAR, far) + _number(bits, _FAR[far])
            start = len(said)
            for _ in range(length):
                said.append(said[-back])
            found.append(Token(bytes(said[start:]), back))
    return found


def _bits(data: bytes) -> list[int]:
    return [byte >> place & 1 for byte in data for place in range(8)]


def _number(bits: list[int], width: int) -> int:
    """A number; its lowest bit comes first."""
    return sum(bits.pop(0) << place for place in range(width))


def _code(bits: list[int], width: int, code: int = 0) -> int:
    """A code; its highest bit comes first."""
    for _ in range(width):
        code = code << 1 | bits.pop(0)
    return code


def _symbol(bits: list[int]) -> int:
    """A literal or a length, in the fixed code of RFC 1951 3.2.6."""
    code = _code(bits, 7)
    if code < 0b0011000:
        return code + 256
    code = _code(bits, 1, code)
    if code < 0b11000000:
        return code - 0b00110000
    if code < 0b11001000:
        return code - 0b11000000 + 280
    return _code(bits, 1, code) - 0b110010000 + 144


def _base(extra: Sequence[int], code: int) -> int:
    return sum(1 << width for width in extra[:code])


def steps(trace: Trace) -> Strips:
    """The server's messages on its last connections with a vault, each as the steps that its payload tells."""
    strips = []
    for number in trace.connections:
        frames = [
            trace.frame_of(one)
            for one in trace.connection(number)
            if one.kind is Kind.FRAME and one.sender is Sender.SERVER and one.first & 0b1111 < 8
        ]
        before = b"".join(frame.inflated or b"" for frame in frames[:-1])
        found = tokens(frames[-1].payload or b"", before)
        strips.append(_told(b"".join(one.data for one in found), found, frames[-1].payload_length))
    return Strips("What the answers say: copies, and letters as they are", strips)


def _told(data: bytes, found: Sequence[Token], size: int) -> Strip:
    runs, at = [], 0
    for one in found:
        words = f"copy {len(one.data)} from {one.back} back" if one.back else "as it is"
        runs.append(Stretch(words, at, at + len(one.data), strong=bool(one.back)))
        at += len(one.data)
    copies = sum(bool(one.back) for one in found)
    letters = len(found) - copies
    said = f"{copies} copy and {letters} letters: {size} bytes of payload"
    return Strip(f'The answer "{data.decode()}"', data, runs, said=said.replace(" 1 letters", " 1 letter"))
