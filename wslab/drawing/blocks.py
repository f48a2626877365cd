"""What can stand on a sheet: plain data with the layout in it, for painters that know nothing else.

A picture of two lanes, 0 and 1, gives each its mark and its colour; what the lanes are called is data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from .table import Column

ROW = 32  # bits in a row of a ruler
LINE = 16  # bytes in a line of a dump

# How an arrow's line is drawn: kinds differ in shape, since colour alone tells nothing. A jagged one does not arrive;
# where there is none, words stand at the lane.
Stroke: TypeAlias = Literal["plain", "double", "dashed", "dotted", "thin", "jagged", "none"]
Tip: TypeAlias = Literal["point", "bar", "×", "?", "none"]


class Title(NamedTuple):
    """The name of what follows, and where it comes from."""

    said: str
    place: str = ""


class Words(NamedTuple):
    """Lines of text, each as it is."""

    said: str
    code: bool = False  # their spaces mean something: HTML keeps them
    close: bool = False  # in text, no blank line stands above


class Notes(NamedTuple):
    """Remarks on what stands above."""

    said: Sequence[str]


class Table(NamedTuple):
    """Rows under headings. A cell such as ``● client`` gets its lane's colour."""

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    row_heading: int | None = None  # the column that names its row
    look: str = ""  # the style sheet's name for such tables, if it has one


class Pairs(NamedTuple):
    """Pairs of name and text."""

    rows: Sequence[tuple[str, str]]


class Stack(NamedTuple):
    """Rows that are read downwards, as in a written addition: a name, what stands there, and a remark."""

    caption: str
    rows: Sequence[tuple[str, str, str]]


class Items(NamedTuple):
    """Lines of code, each with its notes as pairs of text and section, and a word on those that are left out."""

    items: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    left_out: str = ""


class Fault(NamedTuple):
    """A rule that is broken."""

    rule: str
    section: str
    sentence: str
    found: str
    place: str
    pointed: Sequence[str]  # the bits around, and carets under those to blame


class Faults(NamedTuple):
    """What is wrong."""

    heading: str
    faults: Sequence[Fault]


class Cell(NamedTuple):
    """The part of a field that lies in one row of a ruler."""

    owner: int  # number of the field
    name: str
    start: int
    stop: int
    continued: bool  # the field began in an earlier row
    ends: bool  # the field does not go on in a later row, which may lie beyond the ruler
    pieces: Sequence[str]  # its bits, or its bytes, each as wide as the others
    number: str  # ``= 5`` in a number's first cell, where its bits alone would not say it
    wrong: Sequence[tuple[int, int]]  # start and stop of the bits in it that are to blame

    @property
    def width(self) -> int:
        """Bits in this row."""
        return self.stop - self.start

    @property
    def label(self) -> str:
        """The field's name, marked where the field only goes on."""
        return f"{self.name} (continued)" if self.continued else self.name


class Ruler(NamedTuple):
    """The figure of RFC 6455 section 5.2: rows of 32 bits, each field a cell in every row that it reaches."""

    caption: str
    rows: Sequence[Sequence[Cell]]
    beyond: str = ""  # how much does not fit


class Byte(NamedTuple):
    """One byte of a dump."""

    hex: str
    character: str
    owners: Sequence[int]  # the numbers of the fields that have bits in it
    begins: bool  # a field begins in it
    wrong: bool
    hidden: bool


class Line(NamedTuple):
    """A line of a dump."""

    at: int  # position of its first byte
    data: Sequence[Byte]
    closed: bool  # a field ends with it


class Entry(NamedTuple):
    """A field, as it may be shown. Its texts are visible already and need no further care but HTML escaping."""

    name: str
    start: int
    stop: int
    value: str
    meaning: str
    section: str
    number: int | None  # the value where it is a number that may be shown
    hidden: bool
    wrong: bool


class Dump(NamedTuple):
    """Bytes as hex and characters; a string stands for bytes left out."""

    caption: str
    lines: Sequence[Line | str]
    entries: Sequence[Entry]
    numbered: bool = False  # the fields are listed under their numbers too


class Rung(NamedTuple):
    """One line of a ladder: an arrow from one lane to the other, or words at one of them."""

    number: int
    name: str  # beside the number, where numbers alone do not tell the streams apart
    lane: int  # where it begins
    said: str
    stroke: Stroke
    tip: Tip
    wrong: bool
    sent: float
    read: float | None  # when it arrived; None where nobody noted it


class Gap(NamedTuple):
    """Rungs that are left out, the first of them sent at ``sent``."""

    said: str
    sent: float


class Ladder(NamedTuple):
    """Two lanes and what crosses between them; time runs down."""

    rungs: Sequence[Rung | Gap]
    lanes: Sequence[str]
    key: Mapping[Stroke, str]  # what each stroke stands for
    caption: str = ""


class States(NamedTuple):
    """A state machine for each lane: every change that there is, and those that were made."""

    states: Sequence[str]  # in order; the machine begins in the first
    moves: Mapping[int, Sequence[tuple[str, str, str, str]]]  # by lane, as ``(old, event, new, section)``
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


Painted: TypeAlias = Title | Words | Notes | Table | Pairs | Stack | Items | Faults | Ruler | Dump | Ladder | States
Block: TypeAlias = Painted | Only


def seen_by(painter: Painter, blocks: Iterable[Block]) -> Iterator[Painted]:
    """The blocks that a painter paints."""
    for block in blocks:
        if not isinstance(block, Only):
            yield block
        elif painter in block.painters:
            yield from seen_by(painter, block.blocks)
