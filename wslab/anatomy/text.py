"""Everything on this floor as plain text, readable at 80 columns and in a terminal without colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import dump, ruler
from .closing import CloseReport, closing_text
from .field import Explanation, Field
from .ladder import ladder_text
from .listing import records_text
from .summary import record_summary
from .table import Column, table_text
from .view import View, bit_range, plain_run
from .visible import cells, clip, count, harmless, hex_pairs, pad, wrap

__all__ = [
    "CloseReport",
    "closing_text",
    "dump_text",
    "explanation_text",
    "handshake_text",
    "ladder_text",
    "record_summary",
    "records_text",
    "ruler_text",
    "side_by_side",
    "table_text",
]

INDENT = "    "


def explanation_text(explanation: Explanation, *, width: int = 80, reveal: bool = False) -> str:
    """The whole explanation: title, bit ruler, byte dump, fields, broken rules, facts.

    A handshake's head reads as its lines, each explained. ``width`` is in columns; ``reveal=True`` shows secrets and
    the values that change from run to run.
    """
    view = View(explanation, reveal)
    parts = [_title(view, width)]
    if view.is_head:
        parts.append(_head_lines(view, width))
    elif explanation.data:
        parts += [ruler.draw(view), dump.draw(view)]
        if unmasking := unmasking_text(view):
            parts.append(unmasking)
        parts.append(_field_table(view, width))
    if view.violations:
        parts.append(_violations(view, width))
    if view.facts:
        parts.append("\n".join(_pairs(view.facts, width)))
    return "\n\n".join(part for part in parts if part)


def ruler_text(fields: Iterable[Field], *, reveal: bool = False) -> str:
    """The bit ruler of RFC 6455 section 5.2 with these fields' own bits, 70 columns wide."""
    return ruler.draw(View(joined(fields), reveal))


def joined(fields: Iterable[Field], title: str = "") -> Explanation:
    """An explanation of the bytes that ``fields`` tile."""
    fields = tuple(fields)
    data = bytearray(-(-fields[-1].stop // 8) if fields else 0)
    for field in fields:
        first = field.start // 8
        data[first : first + len(field.raw)] = field.raw
    return Explanation(title, bytes(data), fields)


def dump_text(explanation: Explanation, *, head: int = dump.HEAD, tail: int = dump.TAIL, reveal: bool = False) -> str:
    """The bytes as hex and ASCII, 76 columns wide, a bar where a field begins.

    Of long data the first ``head`` and last ``tail`` bytes are shown, and how many are not.
    """
    return dump.draw(View(explanation, reveal), head, tail)


def handshake_text(
    request: Explanation | None, response: Explanation | None, *, width: int = 80, reveal: bool = False
) -> str:
    """The opening handshake: the request's lines, then the response's, each explained."""
    parts = [explanation_text(head, width=width, reveal=reveal) for head in (request, response) if head is not None]
    return "\n\n\n".join(parts)


def side_by_side(left: str, right: str, *, width: int = 80) -> str:
    """Two blocks of text in two columns with a bar between; long lines go on in the next."""
    half = (width - 3) // 2
    columns = [[part for line in text.split("\n") for part in wrap(harmless(line), half)] for text in (left, right)]
    height = max(map(len, columns))
    for column in columns:
        column += [""] * (height - len(column))
    return "\n".join(f"{pad(one, half)} │ {other}".rstrip() for one, other in zip(*columns, strict=True))


def unmasking_text(view: View) -> str:
    """The first masked bytes, the masking key under them, and what both make."""
    rows = unmasking_rows(view)
    if not rows:
        return ""
    size = max(cells(name) for name, _, _ in rows)
    return "\n".join(
        f"{pad(name, size, right=True)} {pairs}{'  ' + text if text else ''}" for name, pairs, text in rows
    )


def unmasking_rows(view: View, most: int = dump.LINE) -> list[tuple[str, str, str]]:
    """``(label, hex, text)`` for the masked bytes, the key and the unmasked ones, at most ``most`` bytes of them."""
    run = plain_run(
        field for field, shown in zip(view.explanation.fields, view.fields, strict=True) if not shown.hidden
    )
    if run is None or not run[0]:
        return []
    masked, plain = run[0][:most], run[1][:most]
    key = bytes(one ^ other for one, other in zip(masked, plain, strict=True))
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in plain)
    more = f"… {count(len(run[0]) - most, 'more byte')}" if len(run[0]) > most else ""
    return [
        ("masked", hex_pairs(masked), more),
        ("XOR key", hex_pairs(key), ""),
        ("= data", hex_pairs(plain), text),
    ]


def _title(view: View, width: int) -> str:
    return "\n".join([*wrap(view.title, width), *wrap(view.place, width)])


FIELD_COLUMNS = (
    Column("bits"),
    Column("field", wraps=True, most=16, code=True),
    Column("value", wraps=True, most=20, code=True),
    Column("meaning", wraps=True),
    Column("section"),
)


def field_rows(view: View) -> list[tuple[str, ...]]:
    """The fields as table rows, the same in text and HTML."""
    return [(field.range, field.name, field.value, field.meaning, field.section) for field in view.fields]


def _field_table(view: View, width: int) -> str:
    return table_text(FIELD_COLUMNS, field_rows(view), width=width)


def _head_lines(view: View, width: int) -> str:
    lines: list[str] = []
    for line in view.lines:
        lines += [clip(part, width) for part in wrap(line.text or "(blank line)", width)]
        for field in line.fields:
            said = f"{field.meaning} [{field.section}]" if field.section else field.meaning
            lines += [INDENT + part for part in wrap(said, width - len(INDENT))]
    return "\n".join(lines)


def pointed(view: View, start: int, width: int) -> tuple[str, str]:
    """The bytes in which the bits lie, written as bits, and carets under the bits; empty where there are too many."""
    first, last = start // 8, -(-(start + width) // 8)
    if not width or last - first > 6 or last > len(view.explanation.data) or any(map(view.hides, range(first, last))):
        return "", ""
    bits = " ".join(f"{byte:08b}" for byte in view.explanation.data[first:last])
    marks = "".join(
        (" " if index % 9 == 8 else "^" if start <= first * 8 + index - index // 9 < start + width else " ")
        for index in range(len(bits))
    )
    return bits, marks.rstrip()


def where(view: View, start: int, width: int) -> str:
    """``bits 9–15, Payload len``: which bits are to blame and the fields that they lie in."""
    if not width:
        return ""
    names = [field.name for field in view.fields if field.start < start + width and start < field.stop]
    named = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}" if names else ""
    said = f"{'bit' if width == 1 else 'bits'} {bit_range(start, width)}"
    return f"{said}, {named}" if named else said


def _violations(view: View, width: int) -> str:
    lines = [f"{count(len(view.violations), 'rule')} broken"]
    for broken in view.violations:
        lines += wrap(f"! {broken.rule}, {broken.section}", width)
        lines += [INDENT + part for part in wrap(f"“{broken.sentence}”", width - len(INDENT))]
        lines += [INDENT + part for part in wrap(broken.found, width - len(INDENT))]
        if place := where(view, broken.start, broken.width):
            lines += [INDENT + part for part in wrap(place, width - len(INDENT))]
        lines += [INDENT + part for part in pointed(view, broken.start, broken.width) if part]
    return "\n".join(lines)


def _pairs(pairs: Sequence[tuple[str, str]], width: int) -> list[str]:
    lines = []
    size = min(max(cells(name) for name, _ in pairs), width // 3)
    for name, text in pairs:
        for index, part in enumerate(wrap(text, width - size - 2)):
            lines.append(f"{pad(name if index == 0 else '', size)}  {part}")
    return lines
