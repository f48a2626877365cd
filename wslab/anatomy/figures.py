"""Figures of what has no time in it: lines of words, tables, the bit ruler, and all that is told of some bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

from ..drawing import style
from ..drawing.table import Column, columns_of, shares, table_text
from ..drawing.visible import count, harmless
from . import ruler
from .drawing import (
    CODE,
    FIXED,
    SIZE,
    WIDTH,
    Figure,
    captioned,
    fitted,
    in_lines,
    line,
    number,
    rect,
    text,
    text_width,
    texts,
)
from .dump_figure import dump_figure
from .field import Explanation
from .svg import Pen, ruler_drawing
from .view import View
from .wording import RULER, UNMASKING, pointed, unmasking_rows, where

STEP = 17.0
"""From one line of ``SIZE`` to the next."""


def words_figure(said: str) -> Figure:
    """Lines in the fixed-width font; a line too long goes on in the next, as far in as it began."""
    lines = []
    for part in map(harmless, said.split("\n")):
        indent = part[: len(part) - len(part.lstrip(" "))][:40]
        room = WIDTH - text_width(indent, SIZE, code=True)
        fits = text_width(part, SIZE, code=True) <= WIDTH
        lines += [part] if fits else [indent + more for more in in_lines(part.strip(" "), room, SIZE, code=True)]
    body = [
        text(0, SIZE + index * STEP, shown, marks=True, more=CODE) for index, shown in enumerate(lines) if shown.strip()
    ]
    return Figure(WIDTH, len(lines) * STEP, "\n".join(body), "\n".join(map(harmless, said.split("\n"))))


# Tables

_GAP = 20
_HEADING = 11.0
_NARROWEST = 40


def table_figure(columns: Sequence[Column | str], rows: Iterable[Sequence[str]], caption: str = "") -> Figure:
    """A table like ``table_text``'s: where room is short, a column that wraps goes on in the next line."""
    heads = [head._replace(heading=harmless(head.heading)) for head in columns_of(columns)]
    said = list(rows)
    shown = [[harmless(cell) for cell in row] for row in said]
    widths = _widths(heads, shown)
    lefts = [sum(widths[:index]) + _GAP * index for index in range(len(widths))]
    width = lefts[-1] + widths[-1] if widths else 0
    y, body = captioned(caption)
    y += STEP
    for head, left, size in zip(heads, lefts, widths, strict=True):
        body.append(_cell(fitted(head.heading, size, _HEADING), left, size, y, head.right, _HEADING, style.SOFT))
    y += 7
    body.append(line(f"M0 {number(y)}H{number(width)}", ink=style.RULE, width=1))
    for row in shown:
        parts = [_lines(cell, size, head) for cell, size, head in zip(row, widths, heads, strict=True)]
        for place in range(max(map(len, parts), default=0)):
            y += STEP + (4 if place == 0 else 0)
            for part, head, left, size in zip(parts, heads, lefts, widths, strict=True):
                if place < len(part) and part[place]:
                    body.append(_cell(part[place], left, size, y, head.right, SIZE, style.INK, code=head.code))
    y += 9
    body.append(line(f"M0 {number(y)}H{number(width)}", ink=style.RULE, width=1))
    return Figure(WIDTH, y + 1, "\n".join(body), table_text(heads, said, caption=caption, width=100))


def _widths(heads: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    wanted = [
        min(
            ceil(head.most * SIZE * FIXED),
            max(
                [
                    ceil(text_width(head.heading, _HEADING)),
                    *(ceil(text_width(row[index], SIZE, code=head.code)) for row in rows),
                ]
            ),
        )
        for index, head in enumerate(heads)
    ]
    room = WIDTH - _GAP * (len(heads) - 1)
    return shares(wanted, [head.wraps for head in heads], room, min(_NARROWEST, room // max(len(heads), 1)))


def _lines(cell: str, size: float, head: Column) -> list[str]:
    if head.wraps:
        return in_lines(cell, size, SIZE, code=head.code)
    return [fitted(cell, size, SIZE, code=head.code)]


def _cell(
    said: str, left: float, width: float, y: float, right: bool, size: float, ink: str, *, code: bool = False
) -> str:
    more = CODE if code else ""
    x, anchor = (left + width, "end") if right else (left, "start")
    return text(x, y, said, size=size, anchor=anchor, ink=ink, marks=True, more=more)


# The bit ruler

_PEN = Pen(
    bit=27, margin=46, size=12, ink=style.INK, soft=style.SOFT, red=style.RED, code=CODE,
    cells=tuple(f'fill="{fill}" stroke="{style.RULE}"' for fill in (style.PAPER, style.TINT)),  # type: ignore[arg-type]
)  # fmt: skip


def ruler_figure(explanation: Explanation, *, reveal: bool = False) -> Figure:
    """The bit ruler of RFC 6455 section 5.2 with this explanation's first bits.

    Bits that break a rule have a bar under them. ``reveal=True`` shows secrets.
    """
    view = View(explanation, reveal)
    y, body = captioned(RULER)
    height, parts = ruler_drawing(view, _PEN)
    body.append(f'<g transform="translate(0 {number(y)})">' + "\n".join(parts) + "</g>")
    return Figure(WIDTH, y + height + 1, "\n".join(body), f"{RULER}\n{ruler.draw(view)}")


# Everything

_BAR = 14
_ITALIC = ' font-style="italic"'
_SIGN = Column("", right=True)
_UNMASKED = (_SIGN, Column("bytes", code=True), Column("as text", code=True))
_FACTS = (Column("fact"), Column("value", wraps=True))


def explanation_figures(explanation: Explanation, *, reveal: bool = False) -> list[Figure]:
    """All that ``explanation_text`` says of some bytes, in the same order, except for the title.

    A handshake's head has no bit ruler: it is lines of text. ``reveal=True`` shows secrets.
    """
    view = View(explanation, reveal)
    height, place = captioned(view.place)
    figures = [Figure(WIDTH, height - 8, "".join(place), view.place)]
    if explanation.data:
        figures += [] if view.is_head else [ruler_figure(explanation, reveal=reveal)]
        figures.append(dump_figure(explanation, reveal=reveal))
    if unmasking := unmasking_rows(view):
        figures.append(table_figure(_UNMASKED, unmasking, UNMASKING))
    if view.violations:
        figures.append(broken_figure(explanation, reveal=reveal))
    if view.facts:
        figures.append(table_figure(_FACTS, view.facts))
    return figures


def broken_figure(explanation: Explanation, *, reveal: bool = False) -> Figure:
    """The rules that these bytes break, each with the RFC's sentence, what was found, and the bits to blame."""
    view = View(explanation, reveal)
    said = f"{count(len(view.violations), 'rule')} broken"
    y, body = 16.0, [text(0, 12, said, weight=700, ink=style.RED)]
    words = [said]
    room = WIDTH - _BAR
    for broken in view.violations:
        top = y + 8
        parts = [(f"! {broken.rule}, {broken.section}", ' font-weight="700"'), (f"“{broken.sentence}”", _ITALIC)]
        parts += [(broken.found, ""), (where(view, broken.start, broken.width), f' fill="{style.SOFT}"')]
        y += 4
        for part, more in parts:
            for shown in in_lines(part, room, SIZE, bold=True) if part else []:
                y += STEP
                body.append(texts(_BAR, y, [(shown, more)]))
        for shown in filter(None, pointed(view, broken.start, broken.width)):
            y += STEP - 2
            body.append(text(_BAR, y, shown, more=CODE))
        y += 6
        body.append(rect(0, top, 3, y - top, f'fill="{style.RED}"'))
        y += 6
        words += ["", *(part for part, _ in parts if part)]
    return Figure(WIDTH, y, "\n".join(body), "\n".join(words))
