"""What a run of bits is: ``Field``, the ``Violation`` that may lie on it, and ``Explained``, bytes with both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from ..drawing.style import lane_mark


class Sender(IntEnum):
    """The endpoint that sent the bytes (RFC 6455 section 1.3 calls them client and server)."""

    CLIENT = 0
    SERVER = 1

    def __eq__(self, other: object) -> bool:
        # A comparison with a word that is silently false would mislead a learner.
        return self.label == other if isinstance(other, str) else int.__eq__(self, other)

    __hash__ = int.__hash__

    @property
    def label(self) -> str:
        """``"client"`` or ``"server"``."""
        return self.name.lower()

    @property
    def mark(self) -> str:
        """``"● client"`` or ``"■ server"``."""
        return lane_mark(self, self.label)

    @property
    def letter(self) -> str:
        """``"● C"`` or ``"■ S"``."""
        return lane_mark(self, self.name[0])

    @property
    def peer(self) -> Sender:
        """The other endpoint."""
        return Sender(1 - self)


class Field(NamedTuple):
    """A named run of bits, counted from the first bit of the explained bytes. The fields of one explanation tile its
    bytes with no gap and no overlap."""

    name: str  # the RFC's name: ``FIN``, ``Payload len``, ``Masking-key``, a header's name
    start: int  # first bit
    width: int  # number of bits, at least 1
    raw: bytes  # the whole bytes that these bits lie in, as they crossed the wire
    value: int | str | bytes | None  # what the bits say, after unmasking where they were masked
    meaning: str  # one plain sentence, computed from the value
    section: str  # where it is written, for instance ``RFC 6455 5.2``
    plain: bytes | None = None  # ``raw`` after unmasking; None where nothing was masked
    secret: bool = False  # a credential (Cookie, Authorization): no view or export shows it unless asked
    steady: str | None = None  # shown instead of a value that changes from run to run, such as a port or a date

    @property
    def stop(self) -> int:
        """One past the last bit."""
        return self.start + self.width

    @property
    def bits(self) -> str:
        """The bits themselves, most significant first, as a string of 0 and 1."""
        number = int.from_bytes(self.raw, "big")
        spare = len(self.raw) * 8 - (self.start % 8) - self.width
        return f"{(number >> spare) & ((1 << self.width) - 1):0{self.width}b}"


class Violation(NamedTuple):
    """A rule of the protocol that these bytes break. It is data, never an exception."""

    rule: str  # the rule's name in ``wslab.protocol.rules``, for instance ``length-not-minimal``
    section: str  # for instance ``RFC 6455 5.2``
    sentence: str  # the RFC's own sentence
    found: str  # what was found instead, in plain words
    start: int = 0  # first offending bit, counted like a Field's
    width: int = 0  # number of offending bits; 0 where no single bits are to blame


@dataclass(frozen=True)
class Explained:
    """Some bytes with their fields, the rules that they break, and facts that are not bits."""

    title: str
    data: bytes
    fields: tuple[Field, ...]
    sender: Sender | None = None
    offset: int = 0  # where ``data`` begins in its sender's stream, in bytes
    violations: tuple[Violation, ...] = ()
    # Pairs of name and text: what was unmasked, inflated, computed or could not be read.
    facts: tuple[tuple[str, str], ...] = ()
    # What the payload inflates to, where it is compressed (RFC 7692) and could be inflated.
    inflated: bytes | None = None

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __getitem__(self, name: str) -> Field:
        """The first field of that name. Raises KeyError with the names there are."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"no field {name!r} here; there are {', '.join(field.name for field in self.fields)}")
