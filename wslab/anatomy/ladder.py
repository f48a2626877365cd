"""The ladder: client lane, server lane, and between them an arrow for each record."""

from __future__ import annotations

from collections.abc import Sequence

from ..drawing.visible import cells, clip, pad
from .field import Sender
from .listing import NOTHING, left_out, marker, several, shown
from .record import Kind, Record
from .summary import record_summary
from .view import sender_mark

NARROWEST = 40
_PREFIX = {Kind.ERROR: "error", Kind.BEND: "bend"}
_LINES = {Kind.FIN: "─ ", Kind.RESET: "─ ", Kind.BEND: "~"}


def label(record: Record) -> str:
    """What stands on the record's arrow."""
    said = f"{marker(record)} {record_summary(record)}".lstrip()
    return f"{_PREFIX[record.kind]}: {said}" if record.kind in _PREFIX else said


def tip(record: Record) -> str:
    """The arrow's head; a torn connection ends in a cross, bytes that are no frame in a question, words in nothing."""
    points = {Kind.ERROR: "", Kind.BEND: "", Kind.RESET: "×", Kind.UNREAD: "?"}
    return points.get(record.kind, "►" if record.sender is Sender.CLIENT else "◄")


def ladder_text(records: Sequence[Record], *, width: int = 80) -> str:
    """The records as arrows between two lanes, one line each; of more than 60, the first 48 and the last 12."""
    if not records:
        return NOTHING
    width = max(width, NARROWEST)
    start, missing, end = shown(records)
    digits = max(len(str(record.number)) for record in [*start, *end])
    names = max(len(str(record.connection)) + 2 for record in [*start, *end]) if several(records) else 0
    margin = digits + names + 1
    inside = width - margin - 2
    client, server = sender_mark(Sender.CLIENT), sender_mark(Sender.SERVER)
    lines = [" " * margin + pad(client, width - margin - cells(server)) + server]

    def rung(record: Record) -> str:
        number = str(record.number).rjust(digits)
        name = f" c{record.connection}".ljust(names) if names else ""
        return f"{number}{name} {_arrow(record, inside)}"

    lines += map(rung, start)
    if missing:
        lines.append(" " * margin + "│" + left_out(missing).center(inside) + "│")
    lines += map(rung, end)
    return "\n".join(lines)


def _arrow(record: Record, inside: int) -> str:
    said = label(record)
    if record.kind is Kind.ERROR:
        text = clip(said, inside - 2)
        right = record.sender is Sender.SERVER
        return f"│{pad(f'{text} ' if right else f' {text}', inside, right=right)}│"
    said = clip(said, inside - 8)
    rest = inside - cells(said) - 4
    line = (_LINES.get(record.kind, "─") * rest)[:rest]
    if record.kind is Kind.BEND:  # it acts on the way, and nothing arrives
        return f"├~ {said} {line}~│" if record.sender is Sender.CLIENT else f"│~{line} {said} ~┤"
    if record.sender is Sender.CLIENT:
        return f"├─ {said} {line}{tip(record)}│"
    return f"│{tip(record)}{line[::-1]} {said} ─┤"
