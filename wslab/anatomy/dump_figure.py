"""The byte dump as a figure: hex and ASCII, each field in a frame with its number, and what the numbers stand for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..drawing import style
from ..drawing.visible import count
from . import dump
from .drawing import CODE, SIZE, WIDTH, Figure, captioned, fitted, in_lines, number, rect, text, text_width, texts
from .field import Explanation
from .view import FieldView, View

DUMP = "The bytes in hex and as ASCII; numbers name the fields"
_AT, _BYTE, _LETTER = 46, 24, 9
"""Where a line's first byte begins, how wide a byte is in hex, and as a character."""
_ASCII = 16
"""Between both."""
_ROW, _HIGH = 42, 36
_BESIDE = 610
"""Where the list of fields begins if it stands beside the bytes."""
_APART = 28
_FIELDS = 48
"""Fields that are listed."""


def dump_figure(explanation: Explanation, *, reveal: bool = False) -> Figure:
    """The bytes as hex and ASCII, each field in a frame of its own with its number, and the numbered fields.

    The fields stand beside the bytes, or below them where there are few bytes and much to say. Bytes that break a rule
    have a bar under them, and their fields an exclamation mark. Of long data the middle is left out.
    ``reveal=True`` shows secrets.
    """
    view = View(explanation, reveal)
    y, body = captioned(DUMP)
    rows = list(dump.spans(len(explanation.data))) if explanation.data else []
    for index, span in enumerate(rows):
        body.append(_gap(y + index * _ROW, span) if isinstance(span, int) else _row(view, span, y + index * _ROW))
    bottom = y + len(rows) * _ROW
    beside = _entries(view, WIDTH - _BESIDE)
    if _height(beside) <= 1.5 * (bottom - y):
        body += _listed(beside, _BESIDE, y)
        bottom = max(bottom, y + _height(beside))
    else:
        column = (WIDTH - _APART) / 2
        entries = _entries(view, column)
        top = bottom + 12
        first = _half(entries)
        for place, part in enumerate((entries[:first], entries[first:])):
            body += _listed(part, place * (column + _APART), top)
            bottom = max(bottom, top + _height(part))
    return Figure(WIDTH, bottom, "\n".join(body), _dump_text(view))


def _gap(y: float, missing: int) -> str:
    return text(_AT, y + 26, dump.left_out(missing), ink=style.SOFT)


def _row(view: View, span: range, y: float) -> str:
    base = y + _HIGH - 9
    ascii_at = _AT + min(len(view.explanation.data), dump.LINE) * _BYTE + _ASCII
    parts = [text(_AT - 8, base, str(span.start), size=10, anchor="end", ink=style.SOFT)]
    for first, run in groupby(span, key=lambda index: _owners(view, index)):
        held = list(run)
        left = _AT + (held[0] - span.start) * _BYTE
        tint = style.TINT if first and first[0] % 2 else style.PAPER
        parts.append(rect(left, y, len(held) * _BYTE, _HIGH, f'fill="{tint}" stroke="{style.RULE}"'))
        begins = any(view.fields[place].start // 8 == held[0] for place in first)
        parts.append(
            text(
                left + 4, y + 11, fitted(_numbers(first), len(held) * _BYTE - 4, 8.5), size=8.5,
                weight=700 if begins else 400, ink=style.INK if begins else style.SOFT,
            )
        )  # fmt: skip
    for index in span:
        place = index - span.start
        middle = _AT + (place + 0.5) * _BYTE
        ink = style.SOFT if view.hides(index) else style.INK
        parts.append(text(middle, base, view.hex_at(index), size=12.5, anchor="middle", ink=ink, more=CODE))
        character = view.ascii_at(index)
        ink = style.SOFT if character == "·" else style.INK
        parts.append(
            text(ascii_at + (place + 0.5) * _LETTER, base, character, size=12.5, anchor="middle", ink=ink, more=CODE)
        )
        if _blamed(view, index * 8, 8):
            parts.append(rect(middle - _BYTE / 2 + 2, y + _HIGH - 4, _BYTE - 4, 3, f'fill="{style.RED}"'))
    return "".join(parts)


def _owners(view: View, index: int) -> tuple[int, ...]:
    """Which fields have bits in a byte."""
    return tuple(
        place for place, field in enumerate(view.fields) if field.start < index * 8 + 8 and index * 8 < field.stop
    )


def _numbers(places: Sequence[int]) -> str:
    """``1–5``: the numbers of fields that lie next to each other."""
    if not places:
        return ""
    return str(places[0] + 1) if len(places) == 1 else f"{places[0] + 1}–{places[-1] + 1}"


def _blamed(view: View, start: int, width: int) -> bool:
    return any(
        broken.width and broken.start < start + width and start < broken.start + broken.width
        for broken in view.violations
    )


_INSIDE = 26
_PROSE, _CITE = 11.5, 9.5
_MOST = 4
"""Lines of a field's meaning."""


def _entries(view: View, width: float) -> list[tuple[float, str]]:
    """The fields as entries of a list, each with its height."""
    entries = [_entry(view, place, width) for place in range(min(len(view.fields), _FIELDS))]
    if (missing := len(view.fields) - _FIELDS) > 0:
        entries.append((20, text(_INSIDE, 12, f"… {count(missing, 'field')} not listed …", ink=style.SOFT)))
    return entries


def _entry(view: View, place: int, width: float) -> tuple[float, str]:
    field = view.fields[place]
    wrong = _blamed(view, field.start, field.width)
    ink = style.RED if wrong else style.INK
    cited = text_width(field.section, _CITE) + 8 if field.section else 0.0
    room = width - _INSIDE - cited
    name = fitted(f"! {field.name}" if wrong else field.name, room, SIZE, bold=True)
    begin = [(name, f' font-weight="700" fill="{ink}"')]
    aside = room - text_width(name, SIZE, bold=True) - 8
    value = fitted(field.value, width - _INSIDE, _PROSE, code=True)
    more = f'{CODE} font-size="{_PROSE}"'
    fits = text_width(value, _PROSE, code=True) <= aside
    y = 12.0
    parts = [
        text(0, y, str(place + 1), size=10.5, weight=700),
        texts(_INSIDE, y, [*begin, (value, more)] if value and fits else begin),
        text(width, y, field.section, size=_CITE, anchor="end", ink=style.SOFT),
    ]
    if value and not fits:
        y += 15
        parts.append(texts(_INSIDE, y, [(value, more)]))
    lines = in_lines(field.meaning, width - _INSIDE, _PROSE) if field.meaning else []
    if len(lines) > _MOST:
        lines = [*lines[: _MOST - 1], fitted(f"{lines[_MOST - 1]} …{lines[_MOST]}", width - _INSIDE, _PROSE)]
    for said in lines:
        y += 15
        parts.append(text(_INSIDE, y, said, size=_PROSE, ink=style.SOFT, marks=True))
    return y + 12, "".join(parts)


def _height(entries: Sequence[tuple[float, str]]) -> float:
    return sum(height for height, _ in entries)


def _half(entries: Sequence[tuple[float, str]]) -> int:
    """How many of the entries make a first column that is as long as the second, or a little longer."""
    return next((n for n in range(len(entries)) if 2 * _height(entries[:n]) >= _height(entries)), len(entries))


def _listed(entries: Sequence[tuple[float, str]], x: float, y: float) -> list[str]:
    body = []
    for height, entry in entries:
        body.append(f'<g transform="translate({number(x)} {number(y)})">{entry}</g>')
        y += height
    return body


def _dump_text(view: View) -> str:
    lines = [DUMP, dump.draw(view), ""]
    lines += [_entry_text(place, field) for place, field in enumerate(view.fields[:_FIELDS], 1)]
    return "\n".join(lines)


def _entry_text(place: int, field: FieldView) -> str:
    value = f" {field.value}" if field.value else ""
    meaning = f": {field.meaning}" if field.meaning else ""
    cited = f" ({field.section})" if field.section else ""
    return f"{place}. {field.name}{value}{meaning}{cited}"
