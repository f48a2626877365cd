"""What may be shown of some explained bytes, and in which words: sheets and JSON are made from a ``View``.

A view holds back two things unless asked: the bytes and values of secret fields (a login cookie), and values that
change from run to run (a port), which ``Field.steady`` replaces. Because all that is shown comes from here and
nothing from the Explanation itself, a secret has one door to be kept shut.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..drawing.visible import count, decode, harmless, hexed, visible
from .field import Explained, Field, Violation

WITHHELD = "(withheld)"
HIDDEN_BYTE = "··"  # Stands for the two hex digits of a byte that is not shown.
VALUE = 40  # Bytes or characters of a value that a view shows.
SENTENCE = 1000  # Characters of a sentence that a view shows: it may quote the wire.
NAME = 80  # The same of a name: the wire names headers.
LINES = 128  # Lines of a head that a view shows.
# What a TLS record begins with, and no line of text does.
TLS_TYPES = tuple(bytes([number]) for number in range(20, 25))
SHORTEST_SECRET = 4  # Shorter values are not looked for in other sentences: ``1`` occurs everywhere.


def bit_range(start: int, width: int) -> str:
    """``4–7``, or ``4`` for one bit."""
    return str(start) if width <= 1 else f"{start}–{start + width - 1}"


def cut_sentence(text: str, most: int) -> str:
    """``text``; when longer than ``most`` characters, its start and how long the whole is."""
    return text if len(text) <= most else f"{text[:most]}… {count(len(text), 'character')}"


def cut_text(text: str, length: int, noun: str = "byte") -> str:
    """``text`` in quotes; when longer than a view shows, its start and how long the whole is."""
    if len(text) <= VALUE:
        return f'"{visible(text)}"'
    return f'"{visible(text[:VALUE])}…" {count(length, noun)}'


def cut_bytes(data: bytes) -> str:
    """``data`` as hex; when longer than a view shows, its start and how long the whole is."""
    if len(data) <= VALUE // 3:
        return hexed(data)
    return f"{hexed(data[: VALUE // 3])} … {count(len(data), 'byte')}"


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field, as it may be shown. All texts are visible already and need no further care but HTML escaping."""

    name: str
    start: int
    width: int
    value: str
    meaning: str
    section: str
    number: int | None
    """The value where it is a number that may be shown."""
    bits: str | None
    """The bits; None where they may not be shown or are more than 64."""
    hidden: bool

    @property
    def stop(self) -> int:
        """One past the last bit."""
        return self.start + self.width

    @property
    def range(self) -> str:
        """``4–7``."""
        return bit_range(self.start, self.width)


@dataclass(frozen=True, slots=True)
class HeadLine:
    """One line of a handshake head, with the fields that make it."""

    text: str
    fields: tuple[FieldView, ...]


@dataclass(frozen=True)
class View:
    """An explanation, as it may be shown."""

    explanation: Explained
    reveal: bool = False
    """Show secrets, and the values that change from run to run."""
    steady: bool = True
    """Hold back the values that change from run to run (a live panel does not)."""

    @cached_property
    def hidden(self) -> tuple[range, ...]:
        """Byte positions that are not shown."""
        return tuple(
            range(field.start // 8, -(-field.stop // 8)) for field in self.explanation.fields if self._withholds(field)
        )

    def _withholds(self, field: Field) -> bool:
        return not self.reveal and (field.secret or (self.steady and field.steady is not None))

    @cached_property
    def _replacements(self) -> tuple[tuple[str, str], ...]:
        pairs = []
        for field in self.explanation.fields:
            if self._withholds(field):
                text = field.value.decode("latin-1") if isinstance(field.value, bytes) else str(field.value)
                if len(text) >= SHORTEST_SECRET:
                    pairs.append((text, WITHHELD if field.secret else field.steady or WITHHELD))
        return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))

    def sentence(self, text: str) -> str:
        """A sentence written by a floor above, with what is held back taken out of it too."""
        for secret, instead in self._replacements:
            text = text.replace(secret, instead)
        return harmless(cut_sentence(text, SENTENCE))

    def value(self, field: Field) -> str:
        """The field's value in words."""
        if self._withholds(field):
            return WITHHELD if field.secret else harmless(field.steady or "")
        match field.value:
            case None:
                return ""
            case int(number):
                return str(number)
            case str(text):
                return cut_text(text, -(-field.width // 8))
            case bytes(data):
                return cut_bytes(data)

    @cached_property
    def fields(self) -> tuple[FieldView, ...]:
        """The fields in order."""
        return tuple(map(self._field, self.explanation.fields))

    def _field(self, field: Field) -> FieldView:
        hides = self._withholds(field)
        return FieldView(
            name=harmless(cut_sentence(field.name, NAME)),
            start=field.start,
            width=field.width,
            value=self.value(field),
            meaning=self.sentence(field.meaning),
            section=harmless(field.section),
            number=field.value if isinstance(field.value, int) and not hides else None,
            bits=None if hides or field.width > 64 else field.bits,
            hidden=hides,
        )

    @cached_property
    def title(self) -> str:
        """The explanation's title."""
        return self.sentence(self.explanation.title)

    @cached_property
    def place(self) -> str:
        """``● client, 11 bytes from byte 129 of its stream``; without a sender only the length."""
        explanation = self.explanation
        size = count(len(explanation.data), "byte")
        if explanation.sender is None:
            return size
        extent = f"{size} from" if explanation.data else "at"
        return f"{explanation.sender.mark}, {extent} byte {explanation.offset} of its stream"

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The broken rules, in words that may be shown."""
        return tuple(
            Violation(
                harmless(broken.rule), harmless(broken.section), self.sentence(broken.sentence),
                self.sentence(broken.found), broken.start, broken.width,
            )
            for broken in self.explanation.violations
        )  # fmt: skip

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """The facts, in words that may be shown."""
        return tuple((harmless(name), self.sentence(text)) for name, text in self.explanation.facts)

    def hides(self, index: int) -> bool:
        """Whether the byte at ``index`` is held back."""
        return any(index in span for span in self.hidden)

    def hex_at(self, index: int) -> str:
        """The two hex digits of a byte, or two dots."""
        return HIDDEN_BYTE if self.hides(index) else f"{self.explanation.data[index]:02x}"

    def ascii_at(self, index: int) -> str:
        """The byte as a character where it is a printable ASCII one, else a dot."""
        byte = self.explanation.data[index]
        return chr(byte) if 0x20 <= byte < 0x7F and not self.hides(index) else "·"

    def owners(self, index: int) -> tuple[int, ...]:
        """The numbers of the fields that have bits in the byte at ``index``."""
        start, stop = index * 8, index * 8 + 8
        return tuple(place for place, field in enumerate(self.fields) if field.start < stop and start < field.stop)

    @cached_property
    def boundaries(self) -> frozenset[int]:
        """The bytes in which a field begins."""
        return frozenset(field.start // 8 for field in self.explanation.fields)

    @cached_property
    def is_head(self) -> bool:
        """Whether these bytes are lines of text (a handshake's head) and not a frame or a TLS record."""
        fields = self.explanation.fields
        if self.explanation.data[:1] in TLS_TYPES:
            return False
        return all(field.start % 8 == 0 and field.width % 8 == 0 for field in fields) and any(
            field.raw.endswith(b"\n") for field in fields
        )

    @cached_property
    def lines(self) -> tuple[HeadLine, ...]:
        """A head's lines, each with the fields that make it."""
        lines: list[HeadLine] = []
        text = ""
        held: list[FieldView] = []
        for field, shown in zip(self.explanation.fields, self.fields, strict=True):
            text += self._line_text(field)
            held.append(shown)
            if field.raw.endswith(b"\n"):
                lines.append(HeadLine(text, tuple(held)))
                text, held = "", []
        if held:
            lines.append(HeadLine(text, tuple(held)))
        return tuple(lines)

    @property
    def lines_left_out(self) -> str:
        """What stands for the lines that are not shown; empty where all are."""
        more = len(self.lines) - LINES
        return f"… {count(more, 'line')} not shown …" if more > 0 else ""

    def _line_text(self, field: Field) -> str:
        raw = field.raw
        crossed = decode(raw.removesuffix(b"\r\n"))
        if not self._withholds(field):
            return visible(crossed[:SENTENCE]) + (f"… {count(len(raw), 'byte')}" if len(crossed) > SENTENCE else "")
        name, colon, _ = crossed.partition(":")
        value = self.value(field)
        return f"{visible(name)}: {value}" if colon and name.lower() == field.name.lower() else value
