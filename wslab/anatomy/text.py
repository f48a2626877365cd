"""Everything on this floor as plain text, readable at 80 columns and in a terminal without colours."""

from __future__ import annotations

from collections.abc import Iterable

from ..drawing.table import pairs_text, table_text
from ..drawing.visible import cells, clip, count, pad, wrap
from . import dump, ruler
from .closing import CloseReport, closing_text
from .field import Explanation, Field
from .ladder import ladder_text
from .listing import records_text
from .summary import record_summary
from .view import LINES, View, joined
from .wording import BLANK, DUMP, FIELDS, RULER, UNMASKING, field_table, pointed, unmasking_rows, where

__all__ = [
    "CloseReport",
    "closing_text",
    "dump_text",
    "explanation_text",
    "handshake_text",
    "ladder_text",
    "pairs_text",
    "record_summary",
    "records_text",
    "ruler_text",
    "table_text",
]

INDENT = "    "
NO_BREAK = "\u00a0"
"""Holds a section's name together while lines are broken; it occurs in no text made harmless."""


def explanation_text(explanation: Explanation, *, width: int = 80, reveal: bool = False) -> str:
    """The whole explanation: title, bit ruler, byte dump, fields, broken rules, facts.

    A handshake's head reads as its lines, each explained. ``width`` is in columns; ``reveal=True`` shows secrets and
    the values that change from run to run.
    """
    view = View(explanation, reveal)
    parts = [_title(view, width)]
    if view.is_head:
        parts.append(_head_lines(view, width))
    else:
        figures = ((RULER, ruler.draw(view)), (DUMP, dump.draw(view)), (UNMASKING, _unmasking(view)))
        parts += [f"{caption}\n{figure}" for caption, figure in figures if figure]
        parts.append(_field_table(view, width))
    if view.violations:
        parts.append(_violations(view, width))
    if view.facts:
        parts.append(pairs_text(view.facts, width=width))
    return "\n\n".join(part for part in parts if part)


def ruler_text(fields: Iterable[Field], *, reveal: bool = False) -> str:
    """The bit ruler of RFC 6455 section 5.2 with these fields' own bits, 70 columns wide."""
    return ruler.draw(View(joined(fields), reveal))


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


def _unmasking(view: View) -> str:
    rows = unmasking_rows(view)
    size = max((cells(name) for name, _, _ in rows), default=0)
    return "\n".join(f"{pad(name, size, right=True)}  {pairs}  {text}".rstrip() for name, pairs, text in rows)


def _title(view: View, width: int) -> str:
    return "\n".join([*wrap(view.title, width), *wrap(view.place, width)])


def _field_table(view: View, width: int) -> str:
    return table_text(*field_table(view), caption=FIELDS, width=width) if view.fields else ""


def _head_lines(view: View, width: int) -> str:
    lines: list[str] = []
    for line in view.lines[:LINES]:
        lines += [clip(part, width) for part in wrap(line.text or BLANK, width)]
        for field in line.fields:
            name = f"{field.name}: " if len(line.fields) > 1 else ""
            section = f"[{field.section}]".replace(" ", NO_BREAK)
            said = f"{name}{field.meaning} {section if field.section else ''}".rstrip(" ")
            lines += [INDENT + part.replace(NO_BREAK, " ") for part in wrap(said, width - len(INDENT))]
    return "\n".join([*lines, view.lines_left_out]).rstrip("\n")


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
