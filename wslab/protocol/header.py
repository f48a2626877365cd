"""The header of a frame, read and written (RFC 6455 section 5.2). Nothing else in wslab takes one apart."""

from __future__ import annotations

from typing import Final, NamedTuple

from .words import LENGTH, MASK


class LengthForm(NamedTuple):
    """One of the three ways to write a payload's length."""

    bits: int  # 7, 16 or 64
    mark: int | None  # what the seven bits of Payload len then say; None where they say the length itself
    size: int  # bytes of Extended payload length
    least: int  # the shortest length that needs this form
    most: int  # the longest length that it can state


# The forms by their bits, the shortest first.
FORMS: Final = {
    # "The length of the "Payload data", in bytes: if 0-125, that is the payload length." (RFC 6455 5.2)
    7: LengthForm(7, None, 0, 0, 125),
    # "If 126, the following 2 bytes interpreted as a 16-bit unsigned integer are the payload length." (RFC 6455 5.2)
    16: LengthForm(16, 126, 2, 126, (1 << 16) - 1),
    # "If 127, the following 8 bytes interpreted as a 64-bit unsigned integer (the most significant bit MUST be 0) are
    # the payload length." (RFC 6455 5.2)
    64: LengthForm(64, 127, 8, 1 << 16, (1 << 63) - 1),
}
KEY: Final = 4  # bytes of a masking key
LONGEST: Final = 2 + FORMS[64].size + KEY  # bytes of the longest header

# By a frame's second byte, the form of its length.
FORM_OF: Final = tuple(
    next((form for form in FORMS.values() if form.mark == second & LENGTH), FORMS[7]) for second in range(256)
)
# By a frame's second byte, how many bytes of Extended payload length follow it.
EXTENDED: Final = tuple(form.size for form in FORM_OF)
# By a frame's second byte, its header's length in bytes.
HEADER: Final = tuple(2 + EXTENDED[second] + (KEY if second & MASK else 0) for second in range(256))


class FrameHeader(NamedTuple):
    """Where a frame lies and what its header says. Its payload may not have come yet."""

    index: int  # type: ignore[assignment]  # 0, 1, ... in its sender's stream; a tuple's own index() gives way.
    offset: int  # of its first byte in its sender's stream, head included
    header_length: int  # 2 to 14 bytes
    payload_length: int  # as the header states it, in bytes
    first: int  # FIN, RSV1, RSV2, RSV3, opcode
    second: int  # MASK, Payload len
    masking_key: bytes | None  # 4 bytes where MASK is set; None where it is not, or has not come

    @property
    def key_at(self) -> int:
        """Where in the frame its masking key begins, or would begin."""
        return 2 + EXTENDED[self.second]

    def encode(self) -> bytes:
        """The header's bytes as they crossed the wire."""
        length = self.payload_length.to_bytes(EXTENDED[self.second], "big") if EXTENDED[self.second] else b""
        return bytes((self.first, self.second)) + length + (self.masking_key or b"")


_new = tuple.__new__  # in a third of the time that the class itself takes


def shortest_form(length: int) -> LengthForm:
    """The form that holds ``length`` in the fewest bits."""
    return next(form for form in reversed(FORMS.values()) if length >= form.least)


def is_legal(second: int, length: int) -> bool:
    """Whether that second byte announces the length as it must be written."""
    # "Note that in all cases, the minimal number of bytes MUST be used to encode the length" (RFC 6455 5.2)
    return FORM_OF[second].least <= length <= FORM_OF[second].most


def payload_length(data: bytes | memoryview, second_at: int) -> int:
    """The payload's length, by the second byte of a frame, which lies at ``second_at``, and those that extend it."""
    second = data[second_at]
    size = EXTENDED[second]
    return int.from_bytes(data[second_at + 1 : second_at + 1 + size], "big") if size else second & LENGTH


def read_header(data: bytes | memoryview, at: int = 0, *, index: int = 0, offset: int = 0) -> FrameHeader:
    """The header of the frame that begins at ``data[at]``. Never raises: what has not come counts as 0, and as no key.
    ``index`` and ``offset`` are the frame's place in its stream, which the bytes do not tell."""
    come = len(data) - at
    if come < 2:
        return FrameHeader(index, offset, HEADER[0], 0, data[at] if come > 0 else 0, 0, None)
    second = data[at + 1]
    size, key = HEADER[second], None
    if second & MASK and come >= size:
        key = bytes(data[at + size - KEY : at + size])
    length = payload_length(data, at + 1) if EXTENDED[second] else second & LENGTH
    return _new(FrameHeader, (index, offset, size, length, data[at], second, key))


def write_header(first: int, length: int, key: bytes = b"", form: LengthForm | None = None) -> bytes:
    """The header's bytes; of a length that does not fit into ``form``, the low bits. None takes the shortest form."""
    form = form or shortest_form(length)
    low = length & ((1 << form.bits) - 1)
    second = (MASK if key else 0) | (low if form.mark is None else form.mark)
    return bytes((first, second)) + (low.to_bytes(form.size, "big") if form.size else b"") + key
