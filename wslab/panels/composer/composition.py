"""What a composer sends, as values: the frames of one message, split as asked for, and a close frame's body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from ...drawing.visible import count
from ...protocol import build_frame
from ...protocol.words import CONTINUATION, LENGTH
from ..kit.frame_fields import FITS, LONGEST, CannotCompose, typed

MOST_FRAGMENTS = 64
LONGEST_CODE = 0xFFFF


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
        if longest <= FITS.get(self.length_form or 0, LONGEST):
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


def close_body(code: int | None, reason: str) -> bytes:
    """A close frame's body (RFC 6455 5.5.1). Raises CannotCompose for a status code that 16 bits cannot hold."""
    if code is not None and not 0 <= code <= LONGEST_CODE:
        raise CannotCompose(f"a status code is written in 16 bits, so it is 0 to {LONGEST_CODE}; {code} was given")
    return (b"" if code is None else code.to_bytes(2, "big")) + typed(reason, "text")
