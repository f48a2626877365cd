"""The ladder: client lane, server lane, and between them an arrow for each record."""

from __future__ import annotations

from collections.abc import Sequence

from .field import Sender
from .listing import marker, shown
from .record import Kind, Record
from .summary import record_summary
from .view import sender_mark
from .visible import cells, clip, count, pad

NARROWEST = 40


def label(record: Record) -> str:
    """What stands on the record's arrow."""
    said = record_summary(record)
    return f"{marker(record)} {said}" if record.violations else said


def ladder_text(records: Sequence[Record], *, width: int = 80) -> str:
    """The records as arrows between two lanes, one line each; of more than 60, the first 48 and the last 12."""
    if not records:
        return "no records"
    width = max(width, NARROWEST)
    start, missing, end = shown(records)
    several = len({record.connection for record in [*start, *end]}) > 1
    digits = max(len(str(record.number)) for record in [*start, *end])
    names = max((len(str(record.connection)) + 2 for record in [*start, *end])) if several else 0
    margin = digits + names + 1
    inside = width - margin - 2
    client, server = sender_mark(Sender.CLIENT), sender_mark(Sender.SERVER)
    lines = [" " * margin + pad(client, width - margin - cells(server)) + server]

    def rung(record: Record) -> str:
        number = str(record.number).rjust(digits)
        name = f" c{record.connection}".ljust(names) if several else ""
        return f"{number}{name} {_arrow(record, inside)}"

    lines += map(rung, start)
    if missing:
        lines.append(" " * margin + "│" + f"… {count(missing, 'record')} not shown …".center(inside) + "│")
    lines += map(rung, end)
    return "\n".join(lines)


def _arrow(record: Record, inside: int) -> str:
    said = label(record)
    if record.kind is Kind.ERROR:
        text = clip(f"error: {said}", inside - 2)
        right = record.sender is Sender.SERVER
        return f"│{pad(f'{text} ' if right else f' {text}', inside, right=right)}│"
    said = clip(said, inside - 8)
    rest = inside - cells(said) - 4
    line = ("─ " * rest)[:rest] if record.kind in (Kind.FIN, Kind.RESET) else "─" * rest
    tip = {Kind.RESET: "╳╳", Kind.UNREAD: "??"}.get(record.kind)
    if record.sender is Sender.CLIENT:
        return f"├─ {said} {line}{tip[0] if tip else '►'}│"
    return f"│{tip[0] if tip else '◄'}{line[::-1]} {said} ─┤"
