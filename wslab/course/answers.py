"""Kinds of answers: what a learner is asked for, and how leniently an answer is compared with what happened.

A kind reads an answer and an outcome in the same way, whatever their types, and they agree where both read the same.
What reads as nothing agrees with nothing.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

_NUMBER = re.compile(r"[-−]?(?:0x[0-9a-f]+|0b[01]+|\d{1,3}(?:[,_ ]\d{3})+(?!\d)|\d+)(\.\d+)?", re.IGNORECASE)
_YES = {True: "yes", False: "no"}


@dataclass(frozen=True)
class Text:
    """A few words; upper and lower case, quotation marks and spaces do not matter.

    Args:
        unit: what stands after the field.
    """

    unit: str = field(default="", kw_only=True)
    kind: ClassVar[str] = "text"

    def read(self, said: Any) -> Hashable | None:
        """What an answer says, so that equal answers are equal; None where it says nothing."""
        return " ".join(self.shown(said).strip("\"'`“”. ").casefold().split()) or None

    def shown(self, said: Any) -> str:
        """An answer or an outcome as a cell of a table."""
        return _YES[said] if isinstance(said, bool) else str(said)

    def same(self, said: Any, was: Any) -> bool:
        """Whether an answer agrees with what happened."""
        read = self.read(said)
        return read is not None and read == self.read(was)

    def form(self) -> dict[str, Any]:
        """What the page needs to ask for it."""
        return {"kind": self.kind, "unit": self.unit, "options": [], "hint": self.hint}

    @property
    def hint(self) -> str:
        """What may be written, in words."""
        return f"in {self.unit}" if self.unit else "in a few words"


@dataclass(frozen=True)
class Number(Text):
    """A number: the first in what is written (``15``, ``15 bytes``, ``0x0f``, ``65,536``, ``426 Upgrade Required``)."""

    kind: ClassVar[str] = "number"

    def read(self, said: Any) -> Hashable | None:
        """The number, or None."""
        found = _NUMBER.search(self.shown(said).replace("−", "-"))
        if found is None:
            return None
        digits = re.sub(r"[,_ ]", "", found[0])
        return float(digits) if found[1] else int(digits, 0 if re.match(r"-?0[xb]", digits, re.IGNORECASE) else 10)

    @property
    def hint(self) -> str:
        """What may be written, in words."""
        return f"a number of {self.unit}" if self.unit else "a number"


@dataclass(frozen=True)
class Hex(Text):
    """Bytes in hex; blanks, ``_``, ``:`` and ``0x`` do not matter.

    Args:
        length: how many bytes.
    """

    length: int = 1
    kind: ClassVar[str] = "hex"

    def read(self, said: Any) -> Hashable | None:
        """The bytes, or None where it is no hex."""
        if isinstance(said, bytes | bytearray | memoryview):
            return bytes(said)
        digits = (
            f"{said:0{2 * self.length}x}" if isinstance(said, int) else re.sub(r"0x|[\s_:,]", "", str(said).lower())
        )
        return bytes.fromhex(digits) if digits and re.fullmatch(r"(?:[0-9a-f]{2})+", digits) else None

    def shown(self, said: Any) -> str:
        """Bytes as hex in pairs."""
        read = self.read(said)
        return read.hex(" ") if isinstance(read, bytes) else str(said)

    @property
    def hint(self) -> str:
        """What may be written, in words."""
        return f"{2 * self.length} hex digits"


@dataclass(frozen=True)
class Bits(Text):
    """Bits; blanks, ``_`` and ``0b`` do not matter.

    Args:
        width: how many bits.
    """

    width: int = 8
    kind: ClassVar[str] = "bits"

    def read(self, said: Any) -> Hashable | None:
        """The bits as a text of 0 and 1, or None where it is none."""
        if isinstance(said, bytes | bytearray):
            said = int.from_bytes(said, "big")
        bits = f"{said:0{self.width}b}" if isinstance(said, int) else re.sub(r"0b|[\s_]", "", str(said).lower())
        return bits if bits and not bits.strip("01") else None

    def shown(self, said: Any) -> str:
        """Bits in groups of four."""
        read = self.read(said)
        return re.sub(r"(.{4})(?=.)", r"\1 ", read) if isinstance(read, str) else str(said)

    @property
    def hint(self) -> str:
        """What may be written, in words."""
        return f"{self.width} bits"


@dataclass(frozen=True, init=False)
class Choice(Text):
    """One of several answers.

    Args:
        options: the answers.
    """

    options: tuple[str, ...] = ()
    kind: ClassVar[str] = "choice"

    def __init__(self, *options: str) -> None:
        if len(set(options)) < 2:
            raise ValueError(f"Choice{options}: expected at least two different answers to choose from")
        object.__setattr__(self, "unit", "")
        object.__setattr__(self, "options", options)

    def form(self) -> dict[str, Any]:
        """What the page needs to ask for it."""
        return {**super().form(), "options": list(self.options)}

    @property
    def hint(self) -> str:
        """What may be written, in words."""
        return " / ".join(self.options)


class Order(Choice):
    """Things in the order in which they happen: a sequence, or text with commas or arrows between them."""

    kind: ClassVar[str] = "order"

    def read(self, said: Any) -> Hashable | None:
        """The things in order, each as ``Text`` reads it."""
        parts = re.split(r"\s*(?:,|;|→|->|>|\n)\s*", said) if isinstance(said, str) else said
        if not isinstance(parts, Sequence):
            return None
        read = tuple(super(Order, self).read(part) for part in parts)
        return read if all(read) and read else None

    def shown(self, said: Any) -> str:
        """The things with arrows between them."""
        return str(said) if isinstance(said, str) or not isinstance(said, Sequence) else " → ".join(map(str, said))

    @property
    def hint(self) -> str:
        """What may be written, in words."""
        return f"in order: {', '.join(self.options)}"


def kind_of(told: Mapping[str, Any], where: str) -> Text:
    """The kind that a table of a lesson's TOML describes.

    Raises:
        ValueError: it names no kind, or one that there is not; ``where`` says in which table.
    """
    match told.get("kind"):
        case "choice":
            return Choice(*told["options"])
        case "order":
            return Order(*told["options"])
        case "number":
            return Number(unit=told.get("unit", ""))
        case "hex":
            return Hex(told.get("length", 1))
        case "bits":
            return Bits(told.get("width", 8))
        case "text":
            return Text(unit=told.get("unit", ""))
    kinds = "choice, order, number, hex, bits, text"
    raise ValueError(f"{where}: kind = {told.get('kind')!r}: expected one of {kinds}")
