"""What a composer is asked for, as values: the payload that was typed, and the frames that it is to be sent in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ...anatomy.hex_text import HexError, parse_hex
from ...drawing.visible import count
from ...protocol import build_frame
from ...protocol.words import CONTINUATION, LENGTH

MOST_PAYLOAD = 1 << 16
"""Bytes of payload: what one may want to send by hand."""
MOST_FRAGMENTS = 64
LONGEST_CODE = 0xFFFF
_FITS: Final = {7: 125, 16: 0xFFFF, 64: (1 << 64) - 1, None: (1 << 64) - 1}


class CannotCompose(ValueError):  # noqa: N818 - it says what is the case
    """What was typed makes no bytes."""


@dataclass(frozen=True, slots=True)
class Series:
    """One message's frames, or one frame: what a person wants to send."""

    payload: bytes
    opcode: int
    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool
    masked: bool
    key: bytes | None
    """Of every frame; None for a fresh one each."""
    length_form: int | None
    fragments: int

    def frames(self, fresh: Callable[[int], bytes]) -> list[bytes]:
        """Each frame's bytes; ``fresh(index)`` gives the masking key of a frame that has no other.

        The payload is split evenly. The first frame has the opcode and the reserved bits, the others go on with it
        (RFC 6455 5.4); only the last may have FIN.
        """
        return [
            build_frame(
                part,
                opcode=CONTINUATION if index else self.opcode,
                fin=self.fin and index == self.fragments - 1,
                rsv1=self.rsv1 and not index,
                rsv2=self.rsv2 and not index,
                rsv3=self.rsv3 and not index,
                mask=(self.key or fresh(index)) if self.masked else None,
                length_form=self.length_form,
            )
            for index, part in enumerate(split(self.payload, self.fragments))
        ]

    @property
    def lies(self) -> str:
        """What comes of a length that does not fit into its bits, in words; empty where it fits."""
        longest = max(map(len, split(self.payload, self.fragments)))
        if longest <= _FITS[self.length_form]:
            return ""
        written = longest & (LENGTH if self.length_form == 7 else 0xFFFF)
        return (
            f"{count(longest, 'byte')} do not fit into {self.length_form} bits, which take the low bits: {written}. "
            "The peer takes what follows for something else."
        )


def split(payload: bytes, parts: int) -> list[bytes]:
    """``payload`` in so many parts, as even as can be, longer ones first."""
    size, longer = divmod(len(payload), parts)
    ends = [size * index + min(index, longer) for index in range(parts + 1)]
    return [payload[start:stop] for start, stop in pairwise(ends)]


def typed(text: str, way: str) -> bytes:
    """The payload that was typed as ``"text"`` or ``"hex"``. Raises CannotCompose, which says what is wrong with it."""
    try:
        data = from_hex(text) if way == "hex" else text.encode()
    except UnicodeEncodeError:
        raise CannotCompose(
            "this text holds half a surrogate pair, which UTF-8 cannot encode; send it as hex"
        ) from None
    if len(data) > MOST_PAYLOAD:
        raise CannotCompose(
            f"{count(len(data), 'byte')} of payload: by hand at most {MOST_PAYLOAD:,} are sent at once. "
            "In Python, `await end.write(data)` with an end of lab.ends has no such limit"
        )
    return data


def written(text: str, way: str, other: str) -> str:
    """The payload that was typed one way, written the other way; as it is where that is no payload, or the same way.

    Raises CannotCompose where bytes are no text.
    """
    if {way, other} != {"text", "hex"}:
        return text
    try:
        data = typed(text, way)
    except CannotCompose:
        return text
    if other == "hex":
        return data.hex(" ")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CannotCompose(
            f"these bytes are no UTF-8 (byte {error.start}: {error.reason}), so no text says them"
        ) from None


def from_hex(text: str) -> bytes:
    """Bytes as ``parse_hex`` reads them. Raises CannotCompose, which says what is wrong with them."""
    try:
        return parse_hex(text)
    except HexError as error:
        raise CannotCompose(str(error)) from None


def close_body(code: int | None, reason: str) -> bytes:
    """A close frame's body (RFC 6455 5.5.1). Raises CannotCompose for a status code that 16 bits cannot hold."""
    if code is not None and not 0 <= code <= LONGEST_CODE:
        raise CannotCompose(f"a status code is written in 16 bits, so it is 0 to {LONGEST_CODE}; {code} was given")
    return (b"" if code is None else code.to_bytes(2, "big")) + typed(reason, "text")


def masking_key(text: str) -> bytes:
    """The masking key that was typed as hex. Raises CannotCompose unless it is four bytes."""
    key = from_hex(text)
    if len(key) != 4:
        raise CannotCompose(f"a masking key is four bytes as hex, such as 37 fa 21 3d; {count(len(key), 'byte')} given")
    return key
