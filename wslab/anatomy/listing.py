"""Records as a table, in words that text and HTML share."""

from __future__ import annotations

from collections.abc import Sequence

from ..drawing.table import Column, table_text
from ..drawing.visible import count, harmless
from .record import Kind, Record
from .summary import record_summary
from .view import LETTERS, MARKS

HEAD = 48
TAIL = 12
"""Of records too many to show, the first HEAD and the last TAIL are shown."""

KINDS = {
    Kind.REQUEST: "request",
    Kind.RESPONSE: "response",
    Kind.FRAME: "frame",
    Kind.FIN: "TCP end",
    Kind.RESET: "TCP reset",
    Kind.ERROR: "error",
    Kind.UNREAD: "unread",
    Kind.BEND: "bend",
}

NOTHING = "no records"

CONNECTION = Column("conn", right=True)
FROM = Column("from")
BROKEN = Column("!", right=True)
COLUMNS = (
    Column("#", right=True), CONNECTION, FROM, Column("kind"), Column("flags"), Column("length", right=True), BROKEN,
    Column("summary", wraps=True, code=True),
)  # fmt: skip

_FLAGS = ((0b1000_0000, "FIN"), (0b0100_0000, "RSV1"), (0b0010_0000, "RSV2"), (0b0001_0000, "RSV3"))


def flags(record: Record) -> str:
    """``FIN MASK``: the header bits that are 1, for a frame."""
    if record.kind is not Kind.FRAME:
        return ""
    set_bits = [name for bit, name in _FLAGS if record.first & bit]
    return " ".join([*set_bits, *(["MASK"] if record.second & 0b1000_0000 else [])])


def marker(record: Record) -> str:
    """``!2`` for a record that breaks two rules."""
    return f"!{record.violations}" if record.violations else ""


def shown(
    records: Sequence[Record], head: int = HEAD, tail: int = TAIL
) -> tuple[Sequence[Record], int, Sequence[Record]]:
    """The records to show, as start, number left out and end."""
    if len(records) <= head + tail:
        return records, 0, ()
    return records[:head], len(records) - head - tail, records[len(records) - tail :]


def row(record: Record) -> tuple[str, ...]:
    """One record as cells of ``COLUMNS``."""
    length = str(record.payload_length) if record.kind in (Kind.FRAME, Kind.UNREAD) else ""
    return (
        str(record.number), str(record.connection), f"{MARKS[record.sender]} {LETTERS[record.sender]}",
        KINDS[record.kind], flags(record), length, marker(record), record_summary(record),
    )  # fmt: skip


def left_out(number: int) -> str:
    """What stands for records that are not shown."""
    return f"… {count(number, 'record')} not shown …"


def several(records: Sequence[Record]) -> bool:
    """Whether the records shown are of more than one connection."""
    start, _, end = shown(records)
    return len({record.connection for record in [*start, *end]}) > 1


def caption(records: Sequence[Record]) -> str:
    """``13 records of connection 0``."""
    whose = "" if several(records) else f" of connection {records[0].connection}"
    return f"{count(len(records), 'record')}{whose}"


def table(records: Sequence[Record]) -> tuple[list[Column], list[list[str]]]:
    """Columns and rows; the connection has a column where there are several."""
    start, missing, end = shown(records)
    gap = ("…", *[""] * (len(COLUMNS) - 2), left_out(missing))
    rows = [*map(row, start), *([gap] if missing else []), *map(row, end)]
    keep = [index for index, column in enumerate(COLUMNS) if column is not CONNECTION or several(records)]
    return [COLUMNS[index] for index in keep], [[cells[index] for index in keep] for cells in rows]


def records_text(records: Sequence[Record], *, width: int = 80, title: str = "") -> str:
    """The records as a table; of more than 60, the first 48 and the last 12. ``title`` is its caption."""
    if not records:
        return harmless(title) or NOTHING
    columns, rows = table(records)
    return table_text(columns, rows, caption=title or caption(records), width=width)
