"""A message, which may be many frames (RFC 6455 section 5.4): what has begun, and what an application receives."""

import codecs
from dataclasses import dataclass, field
from typing import NamedTuple

from ..anatomy.field import Sender, Violation
from .frame import Frame
from .rules import FrameCase
from .words import FIN


class Message(NamedTuple):
    """A whole message of one sender (RFC 6455 section 5.4): what an application receives."""

    sender: Sender
    number: int  # 0, 1, ... in its direction, counting those that were begun
    opcode: int  # TEXT or BINARY, as the first frame says
    first_frame: int  # index of its first frame
    last_frame: int
    length: int  # bytes, inflated; of a compressed message that is lost, as they crossed
    data: bytes | None  # unmasked and inflated; None where it was not kept or is lost
    violations: tuple[Violation, ...]  # those of its frames, in order


SLICE = 1 << 18  # bytes that are decoded at once: other threads wait for so many, and not for a whole message


@dataclass(slots=True, repr=False, eq=False)
class OpenedMessage:
    """A message that has begun."""

    number: int
    opcode: int
    first_frame: int
    compressed: bool
    # What its text is held to; None where it is no text, or no longer checked.
    decoder: codecs.IncrementalDecoder | None
    length: int = 0
    kept: list[bytes] | None = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    def check_text(self, case: FrameCase, body: bytes | None) -> None:
        """Hold the next bytes to UTF-8, which a character may cross from frame to frame (RFC 6455 section 5.6)."""
        if self.decoder is None or body is None:
            self.decoder = None
            return
        try:
            for at in range(0, len(body), SLICE):
                before = len(self.decoder.getstate()[0])
                self.decoder.decode(body[at : at + SLICE])
            held = self.decoder.getstate()[0]
            if held[:1] == b"\xed" and held[1:] > b"\x9f":  # half a surrogate pair, with which the decoder waits
                at, before = len(body) - len(held), 0
                held.decode()
            if case.first & FIN:
                case.cut_text = len(held)
        except UnicodeDecodeError as error:
            case.bad_text = (max(0, at + error.start - before), error.reason)
            self.decoder = None

    def add(self, body: bytes | None, frame: Frame, most: int) -> None:
        """Take a frame's body, of which at most so many bytes are kept."""
        self.length += frame.payload_length if body is None else len(body)
        self.violations += frame.violations
        if body is None or self.length > most:
            self.kept = None
        elif self.kept is not None:
            self.kept.append(body)

    def ended(self, sender: Sender, last_frame: int) -> Message:
        """The whole message, of which that was the last frame."""
        data, broken = None if self.kept is None else b"".join(self.kept), tuple(self.violations)
        return Message(sender, self.number, self.opcode, self.first_frame, last_frame, self.length, data, broken)
