"""What can stand on a sheet: plain data with the layout in it, for painters that know nothing else.

A picture of two lanes, 0 and 1, gives each its mark and its colour; what the lanes are called is data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

from .table import Column


class Title(NamedTuple):
    """The name of what follows, and where it comes from."""

    said: str
    place: str = ""


class Words(NamedTuple):
    """Lines of text, each as it is."""

    said: str
    code: bool = False  # Their spaces mean something: HTML keeps them.
    close: bool = False  # In text, no blank line stands above.


SPACE = Words("", close=True)  # In text, one blank line more.


class Notes(NamedTuple):
    """Remarks on what stands above."""

    said: Sequence[str]


class Table(NamedTuple):
    """Rows under headings. A cell such as ``● client`` gets its lane's colour."""

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    row_heading: int | None = None  # The column that names its row.
    look: str = ""  # The style sheet's name for such tables, if it has one.


class Pairs(NamedTuple):
    """Pairs of name and text."""

    rows: Sequence[tuple[str, str]]


class Stack(NamedTuple):
    """Rows that are read downwards, as in a written addition: a name, what stands there, and a remark."""

    caption: str
    rows: Sequence[tuple[str, str, str]]


class Item(NamedTuple):
    """A line, and the notes on it as pairs of text and section."""

    said: str
    notes: Sequence[tuple[str, str]]


class Items(NamedTuple):
    """Lines of code, each with its notes, and a word on those that are left out."""

    items: Sequence[Item]
    left_out: str = ""


class Fault(NamedTuple):
    """A rule that is broken: its name and section, its sentence, what was found, where, and the bits to blame."""

    rule: str
    section: str
    sentence: str
    found: str
    place: str
    pointed: Sequence[str]


class Faults(NamedTuple):
    """What is wrong."""

    heading: str
    faults: Sequence[Fault]


class Cell(NamedTuple):
    """The part of a field that lies in one row of a ruler."""

    owner: int  # Number of the field.
    name: str
    start: int
    stop: int
    continued: bool  # The field began in an earlier row.
    ends: bool  # The field does not go on in a later row, which may lie beyond the ruler.
    pieces: Sequence[str]  # Its bits, or its bytes, each as wide as the others.
    number: str  # ``= 5`` in a number's first cell, where its bits alone would not say it.
    wrong: Sequence[tuple[int, int]]  # Start and stop of the bits in it that are to blame.

    @property
    def width(self) -> int:
        """Bits in this row."""
        return self.stop - self.start

    @property
    def label(self) -> str:
        """The field's name, marked where the field only goes on."""
        return f"{self.name} (continued)" if self.continued else self.name


ROW = 32  # Bits in a row of a ruler.


class Ruler(NamedTuple):
    """The figure of RFC 6455 section 5.2: rows of 32 bits, each field a cell in every row that it reaches."""

    caption: str
    rows: Sequence[Sequence[Cell]]
    beyond: str = ""  # How much does not fit.


class Byte(NamedTuple):
    """One byte of a dump: in hex, as a character, the numbers of the fields that have bits in it."""

    hex: str
    character: str
    owners: Sequence[int]
    begins: bool  # A field begins in it.
    wrong: bool
    hidden: bool


class Line(NamedTuple):
    """A line of a dump."""

    at: int  # Position of its first byte.
    data: Sequence[Byte]
    closed: bool  # A field ends with it.


class Entry(NamedTuple):
    """What a field of a dump is."""

    name: str
    value: str
    meaning: str
    section: str
    wrong: bool


LINE = 16  # Bytes in a line of a dump.


class Dump(NamedTuple):
    """Bytes as hex and characters; a string stands for bytes left out."""

    caption: str
    lines: Sequence[Line | str]
    entries: Sequence[Entry]
    numbered: bool = False  # The fields are listed under their numbers too.


class Stroke(Enum):
    """How an arrow's line is drawn: kinds differ in shape, since colour alone tells nothing."""

    PLAIN = "plain"
    DOUBLE = "double"
    DASHED = "dashed"
    DOTTED = "dotted"
    THIN = "thin"
    JAGGED = "jagged"  # It does not arrive.
    NONE = "none"  # No line at all, only words at the lane.


class Tip(Enum):
    """How an arrow ends."""

    POINT = ""
    BAR = "bar"
    CROSS = "×"
    QUESTION = "?"
    NONE = "none"


class Rung(NamedTuple):
    """One line of a ladder: an arrow from one lane to the other, or words at one of them."""

    number: int
    name: str  # Beside the number, where numbers alone do not tell the streams apart.
    lane: int  # Where it begins.
    said: str
    stroke: Stroke
    tip: Tip
    wrong: bool
    sent: float
    read: float | None  # When it arrived; None where nobody noted it.


class Gap(NamedTuple):
    """Rungs that are left out, the first of them sent at ``sent``."""

    said: str
    sent: float


class Ladder(NamedTuple):
    """Two lanes and what crosses between them; time runs down."""

    rungs: Sequence[Rung | Gap]
    lanes: Sequence[str]
    key: Mapping[Stroke, str]  # What each stroke stands for.
    caption: str = ""


class States(NamedTuple):
    """A state machine for each lane: every change that there is, and those that were made."""

    states: Sequence[str]  # In order; the machine begins in the first.
    moves: Mapping[int, Sequence[tuple[str, str, str, str]]]  # By lane, as ``(old, event, new, section)``.
    # As ``(lane, old, event, new)`` in order; numbered from 1. They need not follow from one another.
    taken: Sequence[tuple[int, str, str, str]]
    lanes: Sequence[str]


Painter: TypeAlias = Literal["text", "html", "svg"]
READ: Sequence[Painter] = ("text", "html")
DRAWN: Sequence[Painter] = ("svg",)


class Only(NamedTuple):
    """Blocks for some painters, where others say the same better to the rest. They may be computed when asked for."""

    painters: Sequence[Painter]
    blocks: Iterable[Block]


Block: TypeAlias = (
    Title | Words | Notes | Table | Pairs | Stack | Items | Faults | Ruler | Dump | Ladder | States | Only
)  # fmt: skip


def seen_by(painter: Painter, blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks that a painter paints."""
    for block in blocks:
        if not isinstance(block, Only):
            yield block
        elif painter in block.painters:
            yield from seen_by(painter, block.blocks)
