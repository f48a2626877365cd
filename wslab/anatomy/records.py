"""Records laid out: as a table, as arrows between two lanes, and the closing sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..drawing.blocks import Block, Gap, Ladder, Pairs, Rung, Stroke, Table, Tip, Words
from ..drawing.table import Column
from ..drawing.visible import both_ends, count, visible
from .field import Sender
from .record import Kind, Record

NOTHING = "no records"
LANES = tuple(sender.label for sender in Sender)  # What the two lanes of a drawing are called.

_KINDS = {
    Kind.REQUEST: "request",
    Kind.RESPONSE: "response",
    Kind.FRAME: "frame",
    Kind.FIN: "TCP end",
    Kind.RESET: "TCP reset",
    Kind.ERROR: "error",
    Kind.UNREAD: "unread",
    Kind.BEND: "bend",
}
_CONNECTION = Column("conn", right=True)
_COLUMNS = (
    Column("#", right=True), _CONNECTION, Column("from"), Column("kind"), Column("flags"),
    Column("length", right=True), Column("!", right=True, wrong=True), Column("summary", wraps=True, code=True),
)  # fmt: skip
_FLAGS = {0b1000_0000: "FIN", 0b0100_0000: "RSV1", 0b0010_0000: "RSV2", 0b0001_0000: "RSV3"}


def _shown(records: Sequence[Record]) -> tuple[Sequence[Record], int, Sequence[Record], bool]:
    # The records to show, as start, number left out and end; and whether they are of several connections.
    start, missing, end = both_ends(records)
    several = len({record.connection for record in [*start, *end]}) > 1
    return start, missing, end, several


def _left_out(missing: int) -> str:
    return f"… {count(missing, 'record')} not shown …"


def _marker(record: Record) -> str:
    # ``!2`` for a record that breaks two rules.
    return f"!{record.violations}" if record.violations else ""


def records_table(records: Sequence[Record], title: str = "") -> Block:
    """The records as a table; of more than 60, the first 48 and the last 12.

    ``title`` is its caption. The connection has a column where there are several.
    """
    if not records:
        return Words(title or NOTHING)
    start, missing, end, several = _shown(records)
    gap = ("…", *[""] * (len(_COLUMNS) - 2), _left_out(missing))
    rows = [*map(_row, start), *([gap] if missing else []), *map(_row, end)]
    keep = [index for index, column in enumerate(_COLUMNS) if column is not _CONNECTION or several]
    whose = "" if several else f" of connection {records[0].connection}"
    return Table(
        [_COLUMNS[index] for index in keep],
        [[cells[index] for index in keep] for cells in rows],
        title or count(len(records), "record") + whose,
        row_heading=0,
        look="records",
    )


def _row(record: Record) -> tuple[str, ...]:
    flags = [name for bit, name in _FLAGS.items() if record.first & bit]
    flags += ["MASK"] if record.second & 0b1000_0000 else []
    length = str(record.payload_length) if record.kind in (Kind.FRAME, Kind.UNREAD) else ""
    return (
        str(record.number), str(record.connection), record.sender.letter, _KINDS[record.kind],
        " ".join(flags) if record.kind is Kind.FRAME else "", length, _marker(record), record.summary,
    )  # fmt: skip


_STROKES = {
    Kind.REQUEST: (Stroke.DOUBLE, Tip.POINT),
    Kind.RESPONSE: (Stroke.DOUBLE, Tip.POINT),
    Kind.FRAME: (Stroke.PLAIN, Tip.POINT),
    Kind.FIN: (Stroke.DOTTED, Tip.BAR),
    Kind.RESET: (Stroke.DOTTED, Tip.CROSS),
    Kind.ERROR: (Stroke.NONE, Tip.NONE),
    Kind.UNREAD: (Stroke.THIN, Tip.QUESTION),
    Kind.BEND: (Stroke.JAGGED, Tip.NONE),
}
_KEY = {
    Stroke.DOUBLE: "handshake",
    Stroke.PLAIN: "data",
    Stroke.DASHED: "control frame",
    Stroke.DOTTED: "TCP: bar FIN, cross RST",
    Stroke.THIN: "no frame",
    Stroke.JAGGED: "bend",
}
_PREFIX = {Kind.ERROR: "error: ", Kind.BEND: "bend: "}


def label(record: Record) -> str:
    """What stands on the record's arrow."""
    return _PREFIX.get(record.kind, "") + f"{_marker(record)} {record.summary}".lstrip()


def ladder(records: Sequence[Record], caption: str = "") -> Block:
    """The records as arrows between client and server; of more than 60, the first 48 and the last 12."""
    if not records:
        return Words(NOTHING)
    start, missing, end, several = _shown(records)
    gap = [Gap(_left_out(missing), records[len(start)].time)] if missing else []
    rungs = [[_rung(record, several) for record in part] for part in (start, end)]
    return Ladder([*rungs[0], *gap, *rungs[1]], LANES, _KEY, caption)


def _rung(record: Record, several: bool) -> Rung:
    stroke, tip = _STROKES[record.kind]
    # RFC 6455 5.5: "Control frames are identified by opcodes where the most significant bit of the opcode is 1."
    if record.kind is Kind.FRAME and record.first & 0b1000:
        stroke = Stroke.DASHED
    return Rung(
        record.number, f"c{record.connection}" if several else "", record.sender, label(record), stroke, tip,
        record.kind is Kind.ERROR or record.violations > 0, record.time, record.received,
    )  # fmt: skip


class CloseReport(NamedTuple):
    """How one end's program says the connection ended. It need not be what crossed the wire."""

    sender: Sender
    """The end that reports."""
    code: int | None
    """None while the program has reported nothing."""
    reason: str = ""


_CLOSE = 0x8


def closing(records: Iterable[Record], reports: Iterable[CloseReport]) -> list[Block]:
    """How one connection ended: its last records as a ladder, then who closed and what each end reports.

    ``records`` are one connection's; what comes before the first Close frame or TCP end is left out.
    """
    last: list[Record] = []
    for record in records:
        if last or record.kind in (Kind.FIN, Kind.RESET) or is_close(record):
            last.append(record)
    return [*([ladder(last)] if last else []), Pairs(closing_rows(last, reports))]


def is_close(record: Record) -> bool:
    """Whether it is a Close frame."""
    return record.kind is Kind.FRAME and record.first & 0b1111 == _CLOSE


def closing_rows(records: Sequence[Record], reports: Iterable[CloseReport]) -> list[tuple[str, str]]:
    """What the end of the connection comes to, as pairs of name and text."""
    closes = [record for record in records if is_close(record)]
    answer = _first(closes, closes[0].sender.peer) if closes else None
    rows = [("first Close", f"{closes[0].sender.mark}: {closes[0].summary}" if closes else "none")]
    if closes:
        rows.append(("the other's", f"{answer.sender.mark}: {answer.summary}" if answer else "none"))
    rows += [
        (f"{report.sender.label} reports", reported(report, _first(closes, report.sender.peer)))
        for report in sorted(reports, key=lambda report: report.sender)
    ]
    words = {Kind.FIN: "FIN", Kind.RESET: "RST"}
    ends = [f"{record.sender.mark} with {words[record.kind]}" for record in records if record.kind in words]
    return [*rows, ("TCP ended by", ", then ".join(ends) or "nobody yet")]


def _first(records: Sequence[Record], sender: Sender) -> Record | None:
    return next((record for record in records if record.sender is sender), None)


def reported(report: CloseReport, received: Record | None) -> str:
    """What an end's program reports, and how that came from ``received``, the peer's first Close frame."""
    if report.code is None:
        return "nothing"
    peer = report.sender.peer
    said = f'{report.code} "{visible(report.reason)}"' if report.reason else str(report.code)
    if received is None:
        return f"{said}, since no Close frame came from the {peer.label}"
    if received.violations and report.code == 1006:  # an equal code would be chance: the frame was not accepted
        return f"{said}, since the {peer.label}'s Close frame breaks a rule"
    if received.payload_length < 2:
        return f"{said}, since the {peer.label}'s Close frame has no code"
    if received.status != report.code:
        return f"{said}, though the {peer.label}'s Close frame says {received.status}"
    return f"{said}, as the {peer.label}'s Close frame says"
