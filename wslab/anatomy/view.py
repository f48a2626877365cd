"""What may be shown of some explained bytes, and in which words: sheets and JSON are made from a ``View``.

A view holds back two things unless asked: the bytes and values of secret fields (a login cookie), and values that
change from run to run (a port), which ``Field.steady`` replaces. Because all that is shown comes from here and
nothing from the Explanation itself, a secret has one door to be kept shut.
"""

from dataclasses import dataclass
from functools import cached_property

from ..drawing.blocks import Byte, Entry
from ..drawing.visible import count, decode, harmless, hexed, quote, visible
from .field import Explained, Field, Violation
from .hex_text import HIDDEN_BYTE

WITHHELD = "(withheld)"
VALUE = 40  # bytes or characters of a value that a view shows
SENTENCE = 1000  # characters of a sentence that a view shows: it may quote the wire
NAME = 80  # the same of a name: the wire names headers
# What a TLS record begins with, and no line of text does.
TLS_TYPES = tuple(bytes([number]) for number in range(20, 25))
SHORTEST_SECRET = 4  # shorter values are not looked for in other sentences: ``1`` occurs everywhere


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… {count(len(text), 'character')}"


def cut_text(text: str, length: int) -> str:
    """``text`` in quotes; when longer than a view shows, its start and the ``length`` of the whole in bytes."""
    return quote(text, VALUE) + (f" {count(length, 'byte')}" if len(text) > VALUE else "")


def cut_bytes(data: bytes) -> str:
    """``data`` as hex; when longer than a view shows, its start and how long the whole is."""
    return hexed(data, VALUE // 3) + (f" {count(len(data), 'byte')}" if len(data) > VALUE // 3 else "")


def letter(byte: int) -> str:
    """The byte as a character where it is a printable ASCII one, else a dot."""
    return chr(byte) if 0x20 <= byte < 0x7F else "·"


@dataclass(frozen=True)
class View:
    """An explanation, as it may be shown."""

    explanation: Explained
    reveal: bool = False  # show secrets, and the values that change from run to run
    steady: bool = True  # hold back the values that change from run to run (a live panel does not)

    @cached_property
    def hidden(self) -> tuple[range, ...]:
        """Byte positions that are not shown."""
        return tuple(
            range(field.start // 8, -(-field.stop // 8)) for field in self.explanation.fields if self._withholds(field)
        )

    def _withholds(self, field: Field) -> bool:
        return not self.reveal and (field.secret or (self.steady and field.steady is not None))

    @cached_property
    def _replacements(self) -> list[tuple[str, str]]:
        pairs = []
        for field in filter(self._withholds, self.explanation.fields):
            text = field.value.decode("latin-1") if isinstance(field.value, bytes) else str(field.value)
            if len(text) >= SHORTEST_SECRET:
                pairs.append((text, WITHHELD if field.secret else field.steady or WITHHELD))
        return sorted(pairs, key=lambda pair: -len(pair[0]))

    def sentence(self, text: str) -> str:
        """A sentence written by a floor above, with what is held back taken out of it too."""
        for secret, instead in self._replacements:
            text = text.replace(secret, instead)
        return harmless(_cut(text, SENTENCE))

    def _value(self, field: Field) -> str:
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
    def fields(self) -> tuple[Entry, ...]:
        """The fields in order."""
        return tuple(map(self._field, self.explanation.fields))

    def _field(self, field: Field) -> Entry:
        hides = self._withholds(field)
        number = field.value if isinstance(field.value, int) and not hides else None
        return Entry(
            harmless(_cut(field.name, NAME)), field.start, field.stop, self._value(field), self.sentence(field.meaning),
            harmless(field.section), number, hides, self._blames(field.start, field.stop),
        )  # fmt: skip

    def _blames(self, start: int, stop: int) -> bool:
        # Whether a rule is broken by some of these bits.
        return any(
            broken.width and broken.start < stop and start < broken.start + broken.width
            for broken in self.explanation.violations
        )

    @cached_property
    def title(self) -> str:
        """The explanation's title."""
        return self.sentence(self.explanation.title)

    @property
    def place(self) -> str:
        """``● client, 11 bytes from byte 129 of its stream``; without a sender only the length."""
        data, sender = self.explanation.data, self.explanation.sender
        size = count(len(data), "byte")
        if sender is None:
            return size
        return f"{sender.mark}, {f'{size} from' if data else 'at'} byte {self.explanation.offset} of its stream"

    @cached_property
    def violations(self) -> tuple[Violation, ...]:
        """The broken rules, in words that may be shown."""
        return tuple(
            broken._replace(
                rule=harmless(broken.rule), section=harmless(broken.section),
                sentence=self.sentence(broken.sentence), found=self.sentence(broken.found),
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

    def byte_at(self, index: int) -> Byte:
        """A byte, to stand in a dump."""
        start, stop, hidden = index * 8, index * 8 + 8, self.hides(index)
        owners = [place for place, field in enumerate(self.fields) if field.start < stop and start < field.stop]
        return Byte(
            self.hex_at(index), "·" if hidden else letter(self.explanation.data[index]), owners,
            any(self.fields[owner].start >= start for owner in owners), self._blames(start, stop), hidden,
        )  # fmt: skip

    @property
    def is_head(self) -> bool:
        """Whether these bytes are lines of text (a handshake's head) and not a frame or a TLS record."""
        fields = self.explanation.fields
        return (
            self.explanation.data[:1] not in TLS_TYPES
            and all(field.start % 8 == 0 and field.width % 8 == 0 for field in fields)
            and any(field.raw.endswith(b"\n") for field in fields)
        )

    @property
    def lines(self) -> list[tuple[str, list[Entry]]]:
        """A head's lines, each with the fields that make it."""
        lines: list[tuple[str, list[Entry]]] = []
        ended = True
        for field, shown in zip(self.explanation.fields, self.fields, strict=True):
            text, held = ("", []) if ended else lines.pop()
            lines.append((text + self._line_text(field), [*held, shown]))
            ended = field.raw.endswith(b"\n")
        return lines

    def _line_text(self, field: Field) -> str:
        crossed = decode(field.raw.removesuffix(b"\n").removesuffix(b"\r"))
        if not self._withholds(field):
            more = f"… {count(len(field.raw), 'byte')}" if len(crossed) > SENTENCE else ""
            return visible(crossed[:SENTENCE]) + more
        name, colon, _ = crossed.partition(":")
        value = self._value(field)
        return f"{visible(name)}: {value}" if colon and name.lower() == field.name.lower() else value
