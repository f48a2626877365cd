"""Bits and bytes as figures: the bit ruler, and the dump, in which each field has a frame with its number."""

from collections.abc import Sequence
from itertools import groupby

from . import style
from .blocks import ROW, Byte, Cell, Dump, Entry, Line, Ruler
from .pen import CODE, SIZE, WIDTH, Figure, captioned, fitted, in_lines, number, rect, text, text_width, texts
from .visible import count

_TINTS, _INKS = (style.PAPER, style.TINT), (style.INK, style.SOFT)
_MARGIN, _BIT = 46, 27  # where a row's first bit begins, and how wide a bit is, in pixels
_STEP = SIZE + 4
_TURNED = 120  # length of a name that runs down its one bit, at most


def ruler_figure(block: Ruler) -> Figure:
    """The bit ruler. Bits that break a rule have a bar under them."""
    top, parts = captioned(block.caption)
    parts += [
        text(_MARGIN + (bit + 0.5) * _BIT, top + 12, str(bit), size=SIZE - 2, anchor="middle", ink=style.SOFT)
        for bit in range(ROW if block.rows and block.rows[0] else 0)
    ]
    top += 18
    for row in block.rows:
        turned = max((text_width(cell.label) for cell in row if cell.width == 1), default=0)
        lines = 2 if any(cell.number for cell in row) else 1
        height = max(min(turned, _TURNED) + 4, _STEP) + _STEP * lines + 10
        if row:
            at = f"byte {row[0].start // 8}"
            parts.append(text(_MARGIN - 6, top + 12, at, size=SIZE - 2, anchor="end", ink=style.SOFT))
        parts += [_ruler_cell(cell, top, height) for cell in row]
        top += height
        parts += [
            rect(_MARGIN + start % ROW * _BIT + 2, top - 4, (stop - start) * _BIT - 4, 3, f'fill="{style.RED}"')
            for cell in row
            for start, stop in cell.wrong
        ]
    if block.beyond:
        parts.append(text(_MARGIN, top + 16, block.beyond))
        top += 22
    return Figure(top + 1, "\n".join(parts))


def _ruler_cell(cell: Cell, top: float, height: float) -> str:
    left, width = _MARGIN + cell.start % ROW * _BIT, cell.width * _BIT
    middle, base = left + width / 2, top + height - 8
    parts = [rect(left, top, width, height, f'fill="{_TINTS[cell.owner % 2]}" stroke="{style.RULE}"')]
    if cell.number:
        parts.append(text(middle, base, cell.number, anchor="middle", more=CODE))
        base -= _STEP
    each = width / len(cell.pieces)
    parts += [
        text(left + (index + 0.5) * each, base, piece, anchor="middle", more=CODE)
        for index, piece in enumerate(cell.pieces)
    ]
    if cell.width == 1:
        parts.append(text(middle - SIZE / 3, top + 5, fitted(cell.label, _TURNED), turned=True))
    else:
        parts.append(text(middle, base - _STEP, fitted(cell.label, width - 6), anchor="middle"))
    return "".join(parts)


_AT, _BYTE, _LETTER = 46, 24, 9  # where a line's first byte begins, how wide a byte is in hex, and as a character
_ASCII = 16  # between both
_ROW, _HIGH = 42, 36
_BESIDE, _APART = 610, 28  # where the list of fields begins beside the bytes; below them, between its two columns
_FIELDS = 48  # fields that are listed


def dump_figure(block: Dump) -> Figure:
    """The bytes as hex and characters, each field in a frame of its own with its number, and the numbered fields. The
    fields stand beside the bytes, or below them where there are few bytes and much to say. Bytes that break a rule have
    a bar under them, and their fields an exclamation mark."""
    y, body = captioned(block.caption)
    wide = max((len(line.data) for line in block.lines if isinstance(line, Line)), default=0)
    for index, line in enumerate(block.lines):
        top = y + index * _ROW
        if isinstance(line, Line):
            body.append(_row(line, top, _AT + wide * _BYTE + _ASCII))
        else:
            body.append(text(_AT, top + 26, line, ink=style.SOFT))
    bottom = y + len(block.lines) * _ROW
    entries = _entries(block.entries, WIDTH - _BESIDE)
    columns = [(float(_BESIDE), y, entries)]
    if _height(entries) > 1.5 * (bottom - y):
        width = (WIDTH - _APART) / 2
        entries = _entries(block.entries, width)
        # So many make a first column that is as long as the second, or a little longer.
        half = next(n for n in range(len(entries) + 1) if 2 * _height(entries[:n]) >= _height(entries))
        columns = [(0, bottom + 12, entries[:half]), (width + _APART, bottom + 12, entries[half:])]
    for x, top, listed in columns:
        for height, entry in listed:
            body.append(f'<g transform="translate({number(x)} {number(top)})">{entry}</g>')
            top += height
        bottom = max(bottom, top)
    return Figure(bottom, "\n".join(body))


def _row(line: Line, y: float, ascii_at: float) -> str:
    base = y + _HIGH - 9
    parts = [text(_AT - 8, base, str(line.at), size=10, anchor="end", ink=style.SOFT)]
    placed = list(enumerate(line.data))
    parts += (_frame(owners, list(run), y) for owners, run in groupby(placed, key=lambda one: one[1].owners))
    for place, byte in placed:
        middle, x = _AT + (place + 0.5) * _BYTE, ascii_at + (place + 0.5) * _LETTER
        for at, said, soft in (middle, byte.hex, byte.hidden), (x, byte.character, byte.character == "·"):
            parts.append(text(at, base, said, size=12.5, anchor="middle", ink=_INKS[soft], more=CODE))
        if byte.wrong:
            parts.append(rect(middle - _BYTE / 2 + 2, y + _HIGH - 4, _BYTE - 4, 3, f'fill="{style.RED}"'))
    return "".join(parts)


def _frame(owners: Sequence[int], run: Sequence[tuple[int, Byte]], y: float) -> str:
    # The frame around a line's bytes of the same fields, with the fields' numbers.
    left, width = _AT + run[0][0] * _BYTE, len(run) * _BYTE
    tint = _TINTS[owners[0] % 2 if owners else 0]
    numbers = "–".join(str(owner + 1) for owner in dict.fromkeys((*owners[:1], *owners[-1:])))
    weight, ink = (700, style.INK) if run[0][1].begins else (400, style.SOFT)
    return rect(left, y, width, _HIGH, f'fill="{tint}" stroke="{style.RULE}"') + text(
        left + 4, y + 11, fitted(numbers, width - 4, 8.5), size=8.5, weight=weight, ink=ink
    )


_INSIDE = 26
_PROSE, _CITE = 11.5, 9.5
_MOST = 4  # lines of a field's meaning


def _entries(fields: Sequence[Entry], width: float) -> list[tuple[float, str]]:
    # The fields as entries of a list, each with its height.
    missing = len(fields) - _FIELDS
    more = (20, text(_INSIDE, 12, f"… {count(missing, 'field')} not listed …", ink=style.SOFT))
    entries = [_entry(place, field, width) for place, field in enumerate(fields[:_FIELDS], 1)]
    return [*entries, more] if missing > 0 else entries


def _entry(place: int, field: Entry, width: float) -> tuple[float, str]:
    room = width - _INSIDE - (text_width(field.section, _CITE) + 8 if field.section else 0.0)
    name = fitted(f"! {field.name}" if field.wrong else field.name, room, SIZE, bold=True)
    value = fitted(field.value, width - _INSIDE, _PROSE, code=True)
    values = [(value, f'{CODE} font-size="{_PROSE}"')] if value else []
    fits = text_width(value, _PROSE, code=True) <= room - text_width(name, SIZE, bold=True) - 8
    y, ink = 12.0, style.RED if field.wrong else style.INK
    parts = [
        text(0, y, str(place), size=10.5, weight=700),
        texts(_INSIDE, y, [(name, f' font-weight="700" fill="{ink}"'), *(values if fits else [])]),
        text(width, y, field.section, size=_CITE, anchor="end", ink=style.SOFT),
    ]
    if values and not fits:
        y += 15
        parts.append(texts(_INSIDE, y, values))
    lines = in_lines(field.meaning, width - _INSIDE, _PROSE) if field.meaning else []
    if len(lines) > _MOST:
        lines = [*lines[: _MOST - 1], fitted(f"{lines[_MOST - 1]} …{lines[_MOST]}", width - _INSIDE, _PROSE)]
    for said in lines:
        y += 15
        parts.append(text(_INSIDE, y, said, size=_PROSE, ink=style.SOFT, marks=True))
    return y + 12, "".join(parts)


def _height(entries: Sequence[tuple[float, str]]) -> float:
    return sum(height for height, _ in entries)
