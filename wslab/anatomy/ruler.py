"""The bit ruler: the figure of RFC 6455 section 5.2, with this frame's own bits in it.

Rows of 32 bits. A field that goes on in the next row is a cell in each of them. Text, HTML and SVG draw the same
cells; ``ruler_text`` here is the RFC's own way, two columns a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from .view import FieldView, View
from .visible import count, wrap

ROW = 32
RULED = 128
"""Bits that a ruler shows: the longest header (14 bytes) and a little of what follows."""
NARROW = 8
"""Up to this many bits, a cell shows its bits; wider ones show their bytes."""


class Cell(NamedTuple):
    """The part of a field that lies in one row."""

    index: int
    """Place of the field in its explanation."""
    field: FieldView
    start: int
    stop: int
    continued: bool
    """The field began in an earlier row."""
    ends: bool
    """The field does not go on in a later one (which may lie beyond the ruler)."""
    crossed: str
    """The bits ``1 0 1``, or the bytes ``7f 9f``."""
    number: str
    """``= 5`` in a number's first cell, where its bits alone would not say it."""

    @property
    def width(self) -> int:
        """Bits in this row."""
        return self.stop - self.start

    @property
    def name(self) -> str:
        """The field's name, marked where it only goes on."""
        return f"{self.field.name} (continued)" if self.continued else self.field.name


def rows_of(view: View, limit: int = RULED) -> list[list[Cell]]:
    """The cells of the ruler's rows, over at most ``limit`` bits."""
    end = min(len(view.explanation.data) * 8, limit)
    rows: list[list[Cell]] = []
    for row in range(0, end, ROW):
        cells = []
        for index, field in enumerate(view.fields):
            start, stop = max(field.start, row), min(field.stop, row + ROW, end)
            if start < stop:
                continued = start > field.start
                cells.append(
                    Cell(
                        index, field, start, stop, continued, stop == field.stop,
                        _crossed(view, field, start, stop), "" if continued else _number(field),
                    )
                )  # fmt: skip
        rows.append(cells)
    return rows


def _crossed(view: View, field: FieldView, start: int, stop: int) -> str:
    if field.width <= NARROW or start % 8 or stop % 8:
        bits = "·" * field.width if field.bits is None else field.bits
        return " ".join(bits[start - field.start : stop - field.start])
    return " ".join(view.hex_at(index) for index in range(start // 8, stop // 8))


def _number(field: FieldView) -> str:
    return f"= {field.number}" if field.number is not None and 1 < field.width <= 64 else ""


def beyond(view: View, limit: int = RULED) -> str:
    """``… 300 more bytes``, or nothing."""
    more = len(view.explanation.data) - limit // 8
    return f"… {count(more, 'more byte')}" if more > 0 else ""


def draw(view: View, limit: int = RULED) -> str:
    """The ruler as text, 70 columns wide."""
    rows = rows_of(view, limit)
    if not rows or not rows[0]:
        return ""
    lines = [
        "      " + " ".join(str(bit // 10) if bit % 10 == 0 else " " for bit in range(ROW)).rstrip(),
        "      " + " ".join(str(bit % 10) for bit in range(ROW)),
        "     " + _border([], rows[0]),
    ]
    for row, below in pairwise([*rows, []]):
        inside = [_inside(cell) for cell in row]
        height = max(len(texts) for texts in inside)
        for line in range(height):
            body = "|".join(
                (texts[line] if line < len(texts) else "").center(2 * cell.width - 1)
                for texts, cell in zip(inside, row, strict=True)
            )
            label = f"{row[0].start // 8:3d}" if line == 0 else "   "
            edge = "|" if row[-1].ends or row[-1].stop % ROW == 0 else ":"
            lines.append(f"{label}  |{body}{edge}")
        lines.append("     " + _border(row, below))
    if more := beyond(view, limit):
        lines.append("      " + more)
    return "\n".join(line.rstrip() for line in lines)


def _inside(cell: Cell) -> list[str]:
    """The lines of one cell: its name, what crossed, and the number that it makes."""
    width = 2 * cell.width - 1
    name = list(cell.name) if cell.width == 1 else [part for part in wrap(cell.name, width)]
    crossed = cell.crossed
    if len(crossed) <= width and cell.field.width > NARROW and cell.width % 8 == 0:
        crossed = "".join(pair.center(16) for pair in crossed.split(" "))[:width]
    return [*name, "", crossed, *([cell.number] if cell.number else [])]


def _border(above: Sequence[Cell], below: Sequence[Cell]) -> str:
    """The line between two rows: ``+`` where a field ends above or below, gaps inside one that goes on."""
    widest = max((cell.stop - (cell.start // ROW) * ROW for cell in [*above, *below]), default=0)
    edges = {0, widest} | {edge % ROW or ROW for cell in above for edge in (cell.stop,)}
    edges |= {edge % ROW for cell in [*above, *below] for edge in (cell.start,)}
    edges |= {edge % ROW or ROW for cell in below for edge in (cell.stop,)}

    def covering(cells: Sequence[Cell], bit: int) -> int | None:
        return next((cell.index for cell in cells if cell.start % ROW <= bit < cell.start % ROW + cell.width), None)

    out = []
    for bit in range(widest):
        same = covering(above, bit) is not None and covering(above, bit) == covering(below, bit)
        out.append("+" if bit in edges else (" " if same else "-"))
        out.append(" " if same and bit % 2 else "-")
    return "".join(out) + "+"
