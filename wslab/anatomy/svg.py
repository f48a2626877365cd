"""The ladder and the bit ruler as SVG drawings; each carries its text in ``<title>`` and ``<desc>``.

Colours are JupyterLab's variables where there are any. With the style sheet stripped, lines and text take the colour
of the text around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from html import escape
from typing import NamedTuple

from ..drawing.style import variables
from ..drawing.visible import clip, harmless
from . import ladder, listing, ruler
from .drawing import FIXED, fitted, rect, text, text_width
from .field import Field, Sender
from .record import Kind, Record
from .view import View, joined, sender_mark

_RUNG = 32
_WIDTH = 720
_LANES = {Sender.CLIENT: 60, Sender.SERVER: _WIDTH - 24}


class Pen(NamedTuple):
    """What a ruler is drawn with: here the colours of the page around it, in a standalone picture its own."""

    bit: float
    """Width of a bit, in pixels."""
    margin: float
    """Where the first bit begins."""
    size: float
    """Of the letters."""
    ink: str
    soft: str
    red: str
    code: str
    """Attributes of a text in the fixed-width font."""
    cells: tuple[str, str]
    """Attributes of a field's rectangle, for every other field in turn."""


_LINED = 'fill="currentColor" fill-opacity="{}" stroke="currentColor" stroke-opacity=".55"{}'
_CODE = ' class="wsv-code" font-family="monospace"'
_ON_A_PAGE = Pen(
    bit=20, margin=46, size=11, ink="currentColor", soft="currentColor", red="currentColor", code=_CODE,
    cells=(_LINED.format("0", ""), _LINED.format("0.06", ' class="wsv-even"')),
)  # fmt: skip
_text = partial(text, size=11, anchor="middle", ink="currentColor")

_STYLE = (
    variables(".wsv-svg")
    + ".wsv-svg{color:var(--wsv-ink);max-width:100%;height:auto}"
    + ".wsv-svg text{font-family:var(--jp-content-font-family,system-ui,sans-serif)}"
    + ".wsv-svg .wsv-code{font-family:var(--jp-code-font-family,ui-monospace,monospace)}"
    + ".wsv-svg .wsv-c{color:var(--wsv-client)}.wsv-svg .wsv-s{color:var(--wsv-server)}"
    + ".wsv-svg .wsv-red{color:var(--wsv-red)}"
    + ".wsv-svg .wsv-even{fill:var(--wsv-tint);fill-opacity:1}"
)


def ruler_svg(fields: Iterable[Field], *, reveal: bool = False, title: str = "Bit ruler") -> str:
    """The bit ruler of RFC 6455 section 5.2 with these fields' own bits; ``ruler_text`` is its ``<desc>``."""
    view = View(joined(fields), reveal)
    height, parts = ruler_drawing(view, _ON_A_PAGE)
    width = _ON_A_PAGE.margin + ruler.ROW * _ON_A_PAGE.bit + 2
    return _drawing(width, height + 2, title, ruler.draw(view), parts)


def ruler_drawing(view: View, pen: Pen) -> tuple[float, list[str]]:
    """The ruler's height and elements; bits that break a rule have a bar under them."""
    rows = ruler.rows_of(view)
    small = pen.size - 2
    parts = [
        text(pen.margin + (bit + 0.5) * pen.bit, 12, str(bit), size=small, anchor="middle", ink=pen.soft)
        for bit in range(ruler.ROW if rows and rows[0] else 0)
    ]
    top = 18.0
    for row in rows:
        height = _row_height(row, pen)
        if row:
            name = f"byte {row[0].start // 8}"
            parts.append(text(pen.margin - 6, top + 12, name, size=small, anchor="end", ink=pen.soft))
        parts += [_ruler_cell(cell, top, height, pen) for cell in row]
        parts += [_blame(cell, start, stop, top + height, pen) for cell in row for start, stop in _broken(view, cell)]
        top += height
    if more := ruler.beyond(view):
        parts.append(text(pen.margin, top + 16, more, size=pen.size, ink=pen.ink))
        top += 22
    return top, parts


def ladder_svg(records: Sequence[Record], *, title: str = "Ladder") -> str:
    """The records as arrows between two lanes; ``ladder_text`` is its ``<desc>``, which says what is left out."""
    start, missing, end = listing.shown(records)
    several = listing.several(records)
    height = 34 + _RUNG * (len(start) + bool(missing) + len(end))
    parts = []
    for sender, x in _LANES.items():
        anchor = "start" if sender is Sender.CLIENT else "end"
        edge = x - 5 if sender is Sender.CLIENT else x + 5
        parts.append(
            f'<g class="{_side(sender)}">{_text(edge, 16, sender_mark(sender), anchor=anchor, weight=600)}</g>'
        )
        parts.append(f'<path d="M{x} 24V{height}" stroke="currentColor" stroke-opacity=".5"/>')
    y = 24.0
    for record in start:
        y += _RUNG
        parts.append(_rung(record, y, several))
    if missing:
        y += _RUNG
        parts.append(_text(sum(_LANES.values()) / 2, y, listing.left_out(missing)))
    for record in end:
        y += _RUNG
        parts.append(_rung(record, y, several))
    return _drawing(_WIDTH, height, title, ladder.ladder_text(records), parts)


def _drawing(width: float, height: float, title: str, text: str, parts: Iterable[str]) -> str:
    return (
        f'<svg class="wsv-svg" xmlns="http://www.w3.org/2000/svg" role="img" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">\n'
        f"<title>{escape(harmless(title))}</title>\n<desc>{escape(text)}</desc>\n<style>{_STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</svg>"
    )


_TURNED = 120
"""Length of a name that runs down its one bit, at most."""


def _row_height(row: Sequence[ruler.Cell], pen: Pen) -> float:
    turned = max((text_width(cell.name, pen.size) for cell in row if cell.width == 1), default=0)
    lines = 2 if any(cell.number for cell in row) else 1
    return max(min(turned, _TURNED) + 4, pen.size + 4) + (pen.size + 4) * lines + 10


def _ruler_cell(cell: ruler.Cell, top: float, height: float, pen: Pen) -> str:
    first = cell.start % ruler.ROW
    left, width = pen.margin + first * pen.bit, cell.width * pen.bit
    middle, step = left + width / 2, pen.size + 4
    base = top + height - 8
    parts = [rect(left, top, width, height, pen.cells[cell.field_index % 2])]
    if cell.number:
        parts.append(text(middle, base, cell.number, size=pen.size, anchor="middle", ink=pen.ink, more=pen.code))
        base -= step
    pieces = cell.crossed.split(" ")
    each = width / len(pieces)
    parts += [
        text(left + (index + 0.5) * each, base, piece, size=pen.size, anchor="middle", ink=pen.ink, more=pen.code)
        for index, piece in enumerate(pieces)
    ]
    if cell.width == 1:
        name = fitted(cell.name, _TURNED, pen.size)
        parts.append(text(middle - pen.size / 3, top + 5, name, size=pen.size, ink=pen.ink, turned=True))
    else:
        name = fitted(cell.name, width - 6, pen.size)
        parts.append(text(middle, base - step, name, size=pen.size, anchor="middle", ink=pen.ink))
    return "".join(parts)


def _broken(view: View, cell: ruler.Cell) -> list[tuple[int, int]]:
    """The bits of a cell that break a rule, as starts and stops."""
    spans = ((broken.start, broken.start + broken.width) for broken in view.violations)
    cut = {(max(start, cell.start), min(stop, cell.stop)) for start, stop in spans}
    return sorted((start, stop) for start, stop in cut if start < stop)


def _blame(cell: ruler.Cell, start: int, stop: int, bottom: float, pen: Pen) -> str:
    left = pen.margin + start % ruler.ROW * pen.bit
    return rect(left + 2, bottom - 4, (stop - start) * pen.bit - 4, 3, f'fill="{pen.red}"')


def _side(sender: Sender) -> str:
    return "wsv-c" if sender is Sender.CLIENT else "wsv-s"


def _rung(record: Record, y: float, several: bool) -> str:
    client = record.sender is Sender.CLIENT
    source, target = _LANES[record.sender], _LANES[record.sender.peer]
    way = 1 if client else -1
    mark = (
        f'<circle cx="{source}" cy="{y:g}" r="4.5" fill="currentColor"/>'
        if client
        else f'<rect x="{source - 4}" y="{y - 4:g}" width="8" height="8" fill="currentColor"/>'
    )
    dashed = ' stroke-dasharray="4 4"' if record.kind in (Kind.FIN, Kind.RESET) else ""
    shaft = f'<path d="M{source} {y:g}H{target - 12 * way}" stroke="currentColor"{dashed}/>'
    if record.kind is Kind.ERROR:
        head = shaft = ""
    elif record.kind is Kind.BEND:
        jags = f"l{3 * way} -3l{6 * way} 6l{3 * way} -3" * ((abs(target - source) - 12) // 12)
        shaft = f'<path d="M{source} {y:g}{jags}" fill="none" stroke="currentColor"/>'
        head = ""
    elif record.kind in (Kind.RESET, Kind.UNREAD):
        head = _text(target - 10 * way, y + 5, ladder.tip(record), size=15)
    else:
        head = f'<path d="M{target - 2 * way} {y:g}l{-9 * way} -4.5v9z" fill="currentColor"/>'
    room = int((_LANES[Sender.SERVER] - _LANES[Sender.CLIENT] - 24) / (12 * FIXED))
    anchor = "start" if client else "end"
    label = _text(source + 10 * way, y - 6, clip(ladder.label(record), room), size=12, anchor=anchor, more=_CODE)
    bad = record.violations or record.kind is Kind.ERROR
    label = f'<g class="wsv-red">{label}</g>' if bad else label
    name = f"{record.number} c{record.connection}" if several else str(record.number)
    number = _text(_LANES[Sender.CLIENT] - 14, y + 4, name, size=10, anchor="end")
    return f'{number}<g class="{_side(record.sender)}">{mark}{shaft}{head}</g>{label}'
