"""The bit ruler: the figure of RFC 6455 section 5.2, with this frame's own bits in it.

Rows of 32 bits. A field that goes on in the next row is a cell in each of them. Text, HTML and SVG draw the same
cells; ``ruler_text`` here is the RFC's own way, two columns a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ..drawing.visible import count, wrap
from .view import FieldView, View

ROW = 32
RULED = 128
"""Bits that a ruler shows: the longest header (14 bytes) and a little of what follows."""
MARGIN = "     "
BYTE = 8
"""Cells of whole bytes show their bytes; others show their bits."""


class Cell(NamedTuple):
    """The part of a field that lies in one row."""

    field_index: int
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
                        _crossed(view, field, start, stop), "" if continued else _number(field, stop - start),
                    )
                )  # fmt: skip
        rows.append(cells)
    return rows


def _crossed(view: View, field: FieldView, start: int, stop: int) -> str:
    first, last = start // BYTE, -(-stop // BYTE)
    if start % BYTE == 0 and stop % BYTE == 0:
        return " ".join(view.hex_at(index) for index in range(first, last))
    if field.hidden:
        return " ".join("·" * (stop - start))
    bits = "".join(f"{byte:08b}" for byte in view.explanation.data[first:last])
    return " ".join(bits[start - first * BYTE : stop - first * BYTE])


def _number(field: FieldView, width: int) -> str:
    """The value that the bits make, where it has room in a cell of ``width`` bits, two columns each."""
    if field.number is None or not 1 < field.width <= 64:
        return ""
    said = f"= {field.number}"
    return said if len(said) < 2 * width else ""


def beyond(view: View, limit: int = RULED) -> str:
    """``… 300 more bytes``, or nothing."""
    more = len(view.explanation.data) - limit // 8
    return f"… {count(more, 'more byte')}" if more > 0 else ""


def draw(view: View, limit: int = RULED) -> str:
    """The ruler as text, 70 columns wide: a margin with each row's first byte, then two columns a bit."""
    rows = rows_of(view, limit)
    if not rows or not rows[0]:
        return ""
    lines = [
        MARGIN + " " + " ".join(str(bit // 10) if bit % 10 == 0 else " " for bit in range(ROW)).rstrip(),
        MARGIN + " " + " ".join(str(bit % 10) for bit in range(ROW)),
        MARGIN + _border([], rows[0]),
    ]
    for row, below in pairwise([*rows, []]):
        lines += _drawn(row)
        lines.append(MARGIN + _border(row, below))
    if more := beyond(view, limit):
        lines.append(f"{MARGIN} {more}")
    return "\n".join(line.rstrip() for line in lines)


def _drawn(row: Sequence[Cell]) -> list[str]:
    """The lines of one row: names from the top, what crossed on one line, the numbers that it makes below."""
    names = [list(cell.field.name) if cell.width == 1 else wrap(cell.name, 2 * cell.width - 1) for cell in row]
    height = max(map(len, names))
    insides = [[*name, *[""] * (height - len(name)), _spread(cell)] for name, cell in zip(names, row, strict=True)]
    if any(cell.number for cell in row):
        insides = [[*inside, cell.number] for inside, cell in zip(insides, row, strict=True)]
    edge = "|" if row[-1].ends or row[-1].stop % ROW == 0 else ":"
    lines = []
    for line, texts in enumerate(zip(*insides, strict=True)):
        label = f"{row[0].start // 8:>{len(MARGIN) - 1}} " if line == 0 else MARGIN
        body = "|".join(text.center(2 * cell.width - 1) for text, cell in zip(texts, row, strict=True))
        lines.append(f"{label}|{body}{edge}")
    return lines


def _spread(cell: Cell) -> str:
    """What crossed, each byte in the middle of its own eight bits."""
    if cell.start % BYTE or cell.stop % BYTE:
        return cell.crossed
    return " ".join(pair.center(15) for pair in cell.crossed.split(" "))


def _border(above: Sequence[Cell], below: Sequence[Cell]) -> str:
    """The line between two rows: ``+`` where a cell begins or ends, gaps inside a field that goes on."""
    upper, lower = _owners(above), _owners(below)
    edges = {cell.start % ROW for cell in [*above, *below]}
    widest = max(*upper, *lower) + 1
    line = ""
    for bit in range(widest):
        goes_on = bit in upper and upper[bit] == lower.get(bit)
        ends = bit in edges or (bit not in upper and bit - 1 in upper) or (bit not in lower and bit - 1 in lower)
        line += ("+" if ends else "-") + (" " if goes_on else "-")
    return line + "+"


def _owners(row: Sequence[Cell]) -> dict[int, int]:
    """Which field has each bit of a row."""
    return {bit % ROW: cell.field_index for cell in row for bit in range(cell.start, cell.stop)}
