"""Words as figures: titles, lines of text, tables, and what is wrong."""

from collections.abc import Sequence
from itertools import zip_longest
from math import ceil

from . import style
from .blocks import Faults, Pairs, Stack, Table, Title
from .pen import CODE, FIXED, SIZE, WIDTH, Figure, captioned, fitted, in_lines, rect, rule, text, text_width, texts
from .table import Column, columns_of, shares
from .visible import harmless

STEP = 17.0  # from one line of ``SIZE`` to the next


def words_figure(said: str) -> Figure:
    """Lines in the fixed-width font; a line too long goes on in the next, as far in as it began."""
    lines = []
    for part in map(harmless, said.split("\n")):
        indent = part[: len(part) - len(part.lstrip(" "))][:40]
        room = WIDTH - text_width(indent, code=True)
        fits = text_width(part, code=True) <= WIDTH
        lines += [part] if fits else [indent + more for more in in_lines(part.strip(" "), room, code=True)]
    body = (text(0, SIZE + STEP * at, said, marks=True, more=CODE) for at, said in enumerate(lines) if said.strip())
    return Figure(len(lines) * STEP, "\n".join(body))


_GAP, _NARROWEST = 20, 40  # between two columns; what a column keeps
_HEADING = 11.0


def table_figure(block: Table) -> Figure:
    """A table; where room is short, a column that wraps goes on in the next line."""
    heads = [head._replace(heading=harmless(head.heading)) for head in columns_of(block.columns)]
    shown = [[harmless(cell) for cell in row] for row in block.rows]
    widths = _widths(heads, shown)
    lefts = [sum(widths[:index]) + _GAP * index for index in range(len(widths))]
    y, body = captioned(block.caption)

    def put(said: str, place: int, size: float, ink: str, more: str = "") -> None:
        """A line of a cell, as far down as the table has come."""
        left, right = lefts[place], heads[place].right
        x, anchor = (left + widths[place], "end") if right else (left, "start")
        body.append(text(x, y, said, size=size, anchor=anchor, ink=ink, marks=True, more=more))

    y += STEP
    for place, (head, width) in enumerate(zip(heads, widths, strict=True)):
        put(fitted(head.heading, width, _HEADING), place, _HEADING, style.SOFT)
    y += 7
    end = lefts[-1] + widths[-1] if widths else 0
    body.append(rule(y, end))
    for row in shown:
        y += 4
        parts = [
            in_lines(cell, width, code=head.code) if head.wraps else [fitted(cell, width, code=head.code)]
            for cell, width, head in zip(row, widths, heads, strict=True)
        ]
        for cells in zip_longest(*parts, fillvalue=""):
            y += STEP
            for place, cell in enumerate(cells):
                if cell:
                    put(cell, place, SIZE, style.INK, CODE if heads[place].code else "")
    y += 9
    return Figure(y + 1, "\n".join([*body, rule(y, end)]))


def _widths(heads: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    wanted = []
    for index, head in enumerate(heads):
        sizes = [text_width(head.heading, _HEADING), *(text_width(row[index], code=head.code) for row in rows)]
        wanted.append(ceil(min(head.most * SIZE * FIXED, max(sizes))))
    room = WIDTH - _GAP * (len(heads) - 1)
    return shares(wanted, [head.wraps for head in heads], room, min(_NARROWEST, room // max(len(heads), 1)))


def pairs_figure(block: Pairs) -> Figure:
    """Pairs of name and text, as a table."""
    return table_figure(Table((Column("fact"), Column("value", wraps=True)), block.rows))


def stack_figure(block: Stack) -> Figure:
    """Rows that are read downwards, as a table."""
    columns = (Column("", right=True), Column("bytes", code=True), Column("as text", code=True))
    return table_figure(Table(columns, block.rows, block.caption))


_BAR = 14


def faults_figure(block: Faults) -> Figure:
    """Rules that are broken, each with its sentence, what was found, and the bits to blame."""
    y, body = 16.0, [text(0, 12, block.heading, weight=700, ink=style.RED)]
    for fault in block.faults:
        top = y + 8
        y += 4
        for said, more in (
            (f"! {fault.rule}, {fault.section}", ' font-weight="700"'),
            (f"“{fault.sentence}”", ' font-style="italic"'),
            (fault.found, ""),
            (fault.place, f' fill="{style.SOFT}"'),
        ):
            for shown in in_lines(said, WIDTH - _BAR, bold=True) if said else []:
                y += STEP
                body.append(texts(_BAR, y, [(shown, more)]))
        for shown in fault.pointed:
            y += STEP - 2
            body.append(text(_BAR, y, shown, more=CODE))
        y += 6
        body.append(rect(0, top, 3, y - top, f'fill="{style.RED}"'))
        y += 6
    return Figure(y, "\n".join(body))


def title_figure(block: Title) -> Figure:
    """The title and, in its own line, where what follows comes from."""
    lines = in_lines(block.said, WIDTH, bold=True) if block.said else []
    body = [text(0, 12 + index * STEP, said, weight=700) for index, said in enumerate(lines)]
    height, place = captioned(block.place)
    top = len(lines) * STEP
    if place:
        body.append(f'<g transform="translate(0 {top:g})">{"".join(place)}</g>')
    return Figure(top + height - 8, "\n".join(body))
