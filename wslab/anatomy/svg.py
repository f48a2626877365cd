"""The ladder and the bit ruler as SVG drawings; each carries its text in ``<title>`` and ``<desc>``.

Colours are JupyterLab's variables where there are any. With the style sheet stripped, lines and text take the colour
of the text around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from . import ladder, listing, ruler
from .field import Field, Sender
from .record import Kind, Record
from .style import variables
from .view import View, joined, sender_mark
from .visible import clip, harmless

_BIT = 20
_ROW_LINE = 15
_MARGIN = 46
_LETTER = 6.2
"""Width of an average letter at 11 px, in pixels: generous, since what does not fit is cut."""
_RUNG = 32
_WIDTH = 720
_LANES = {Sender.CLIENT: 60, Sender.SERVER: _WIDTH - 24}
_FIXED = 7.3
"""Width of a letter of the fixed-width font at 12 px."""

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
    rows = ruler.rows_of(view)
    parts = [
        _text(_MARGIN + bit * _BIT + _BIT / 2, 12, str(bit), size=9)
        for bit in range(ruler.ROW if rows and rows[0] else 0)
    ]
    top = 18.0
    for row in rows:
        height = _row_height(row)
        if row:
            parts.append(_text(_MARGIN - 6, top + 12, f"byte {row[0].start // 8}", size=9, anchor="end"))
        parts += [_ruler_cell(cell, top, height) for cell in row]
        top += height
    if more := ruler.beyond(view):
        parts.append(_text(_MARGIN, top + 16, more, anchor="start"))
        top += 22
    return _drawing(_MARGIN + ruler.ROW * _BIT + 2, top + 2, title, ruler.draw(view), parts)


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


def _text(
    x: float, y: float, text: str, *, size: float = 11, anchor: str = "middle", weight: int = 400, turned: bool = False,
    code: bool = False,
) -> str:  # fmt: skip
    more = f' font-weight="{weight}"' if weight != 400 else ""
    more += ' class="wsv-code" font-family="monospace"' if code else ""
    more += f' transform="rotate(90 {x:g} {y:g})"' if turned else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}" fill="currentColor"{more}>'
        f"{escape(harmless(text))}</text>"
    )


def _row_height(row: Sequence[ruler.Cell]) -> float:
    turned = max((len(cell.name) for cell in row if cell.width == 1), default=0) * _LETTER * 1.1
    numbers = any(cell.number for cell in row)
    return max(turned, _ROW_LINE) + _ROW_LINE * (2 if numbers else 1) + 10


def _ruler_cell(cell: ruler.Cell, top: float, height: float) -> str:
    left, width = _MARGIN + cell.start % ruler.ROW * _BIT, cell.width * _BIT
    middle = left + width / 2
    numbers = bool(cell.number)
    base = top + height - 8
    even = ' class="wsv-even"' if cell.field_index % 2 else ""
    parts = [
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" fill="currentColor" '
        f'fill-opacity="{"0.06" if even else "0"}" stroke="currentColor" stroke-opacity=".55"{even}/>'
    ]
    lines = [cell.crossed, cell.number] if numbers else [cell.crossed]
    if cell.width == 1:
        parts.append(_text(middle - 4, top + 5, cell.name, anchor="start", turned=True))
    else:
        above = base - _ROW_LINE * len(lines)
        parts.append(_text(middle, above, clip(cell.name, int(width / _LETTER))))
    for index, line in enumerate(reversed(lines)):
        parts.append(_text(middle, base - _ROW_LINE * index, line, code=True))
    return "".join(parts)


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
    elif record.kind in (Kind.RESET, Kind.UNREAD):
        head = _text(target - 10 * way, y + 5, ladder.tip(record), size=15)
    else:
        head = f'<path d="M{target - 2 * way} {y:g}l{-9 * way} -4.5v9z" fill="currentColor"/>'
    room = int((_LANES[Sender.SERVER] - _LANES[Sender.CLIENT] - 24) / _FIXED)
    anchor = "start" if client else "end"
    label = _text(source + 10 * way, y - 6, clip(ladder.label(record), room), size=12, anchor=anchor, code=True)
    bad = record.violations or record.kind is Kind.ERROR
    label = f'<g class="wsv-red">{label}</g>' if bad else label
    name = f"{record.number} c{record.connection}" if several else str(record.number)
    number = _text(_LANES[Sender.CLIENT] - 14, y + 4, name, size=10, anchor="end")
    return f'{number}<g class="{_side(record.sender)}">{mark}{shaft}{head}</g>{label}'
