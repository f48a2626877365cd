"""Records laid out: as a table, as arrows between two lanes, and the closing sequence."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import dropwhile
from operator import itemgetter

from ..drawing.blocks import Block, Gap, Ladder, Pairs, Rung, Stroke, Table, Tip, Words
from ..drawing.table import Column
from ..drawing.visible import FIRST, both_ends, count, left_out, visible
from .field import Sender
from .record import FLAGS, OPCODES, CloseReport, Kind, Record

NOTHING = "no records"
LANES = tuple(sender.label for sender in Sender)  # what the two lanes of a drawing are called

# What a table calls each kind, and how its arrow is drawn.
_KINDS: dict[Kind, tuple[str, Stroke, Tip]] = {
    Kind.REQUEST: ("request", "double", "point"),
    Kind.RESPONSE: ("response", "double", "point"),
    Kind.FRAME: ("frame", "plain", "point"),
    Kind.FIN: ("TCP end", "dotted", "bar"),
    Kind.RESET: ("TCP reset", "dotted", "×"),
    Kind.ERROR: ("error", "none", "none"),
    Kind.UNREAD: ("unread", "thin", "?"),
    Kind.BEND: ("bend", "jagged", "none"),
}
_BODY: tuple[str, Stroke, Tip] = ("body", "double", "point")  # of an HTTP message, which belongs to its head
_KEY: dict[Stroke, str] = {
    "double": "handshake", "plain": "data", "dashed": "control frame", "dotted": "TCP: bar FIN, cross RST",
    "thin": "no frame", "jagged": "bend",
}  # fmt: skip
_CONNECTION = Column("conn", right=True)
_COLUMNS = (
    Column("#", right=True), _CONNECTION, Column("from"), Column("kind"), Column("flags"),
    Column("length", right=True), Column("!", right=True, wrong=True), Column("summary", wraps=True, code=True),
)  # fmt: skip


def _kind(record: Record) -> tuple[str, Stroke, Tip]:
    body = record.kind is Kind.UNREAD and record.first and not record.second
    return _BODY if body else _KINDS[record.kind]


def _shown(records: Sequence[Record]) -> tuple[list[Record | None], str, bool]:
    # The records to show, None for those left out, what stands for these, and whether there are several connections.
    start, missing, end = both_ends(records)
    several = len({record.connection for record in [*start, *end]}) > 1
    return [*start, *([None] if missing else []), *end], left_out(missing, "record"), several


def _marker(record: Record) -> str:
    # ``!2`` for a record that breaks two rules.
    return f"!{record.violations}" if record.violations else ""


def records_table(records: Sequence[Record], title: str = "") -> Block:
    """The records as a table; of more than 60, the first 48 and the last 12. ``title`` is its caption. The connection
    has a column where there are several."""
    if not records:
        return Words(title or NOTHING)
    shown, missing, several = _shown(records)
    gap = ("…", *[""] * (len(_COLUMNS) - 2), missing)
    rows = [gap if record is None else _row(record) for record in shown]
    picked = itemgetter(*(place for place, column in enumerate(_COLUMNS) if several or column is not _CONNECTION))
    title = title or count(len(records), "record") + ("" if several else f" of connection {records[0].connection}")
    return Table(picked(_COLUMNS), [*map(picked, rows)], title, row_heading=0, look="records")


def _row(record: Record) -> tuple[str, ...]:
    flags = [name for bit, name in FLAGS.items() if record.first & bit]
    flags += ["MASK"] if record.second & 0b1000_0000 else []
    return (
        str(record.number), str(record.connection), record.sender.letter, _kind(record)[0],
        " ".join(flags) if record.kind is Kind.FRAME else "",
        str(record.payload_length) if record.kind in (Kind.FRAME, Kind.UNREAD) else "",
        _marker(record), record.summary,
    )  # fmt: skip


def label(record: Record) -> str:
    """What stands on the record's arrow."""
    prefix = f"{_KINDS[record.kind][0]}: " if record.kind in (Kind.ERROR, Kind.BEND) else ""
    return prefix + f"{_marker(record)} {record.summary}".lstrip()


def ladder(records: Sequence[Record], caption: str = "", notes: Mapping[int, str] | None = None) -> Block:
    """The records as arrows between client and server; of more than 60, the first 48 and the last 12.

    ``notes`` are written on their arrows: by number, what is said of a record.
    """
    if not records:
        return Words(NOTHING)
    shown, missing, several = _shown(records)
    time = records[FIRST].time if missing else 0.0
    said = {number: f" ({visible(note)})" for number, note in (notes or {}).items()}
    rungs = [Gap(missing, time) if one is None else _rung(one, several, said.get(one.number, "")) for one in shown]
    return Ladder(rungs, LANES, _KEY, caption)


def _rung(record: Record, several: bool, note: str) -> Rung:
    _, stroke, tip = _kind(record)
    # RFC 6455 5.5: "Control frames are identified by opcodes where the most significant bit of the opcode is 1."
    if record.kind is Kind.FRAME and record.first & 0b1000:
        stroke = "dashed"
    return Rung(
        record.number, f"c{record.connection}" if several else "", record.sender, label(record) + note, stroke, tip,
        record.kind is Kind.ERROR or record.violations > 0, record.time, record.received,
    )  # fmt: skip


def is_close(record: Record) -> bool:
    """Whether it is a Close frame."""
    return record.kind is Kind.FRAME and OPCODES.get(record.first & 0b1111) == "CLOSE"


_ENDS = {Kind.FIN: "FIN", Kind.RESET: "RST"}


def closing(
    records: Iterable[Record], reports: Iterable[CloseReport], said: Mapping[int, str] | None = None
) -> list[Block]:
    """How one connection ended: its last records as a ladder, then who closed and what each end reports. ``records``
    are one connection's; what comes before the first Close frame or TCP end is left out. By a record's number, what is
    ``said`` of an RST that a capture holds: it bears an address, and no author."""
    last = [*dropwhile(lambda record: record.kind not in _ENDS and not is_close(record), records)]
    firsts: dict[Sender, Record] = {}  # each end's first Close frame, the first of all first
    for record in filter(is_close, last):
        firsts.setdefault(record.sender, record)
    closes = [f"{record.sender.mark}: {record.summary}" for record in firsts.values()]
    rows = [*zip(("first Close", "the other's"), [*closes, "none"], strict=False)]
    for report in sorted(reports, key=lambda report: report.sender):
        rows.append((f"{report.sender.label} reports", reported(report, firsts.get(report.sender.peer))))
    tcp = [record for record in last if record.kind in _ENDS]
    ends = [(said or {}).get(record.number) or f"{record.sender.mark} with {_ENDS[record.kind]}" for record in tcp]
    rows.append(("TCP ended by", ", then ".join(ends) or "nobody yet"))
    return [*([ladder(last)] if last else []), Pairs(rows)]


def reported(report: CloseReport, received: Record | None) -> str:
    """What an end's program reports, and how that came from ``received``, the peer's first Close frame."""
    if report.code is None:
        return "nothing"
    peer = report.sender.peer.label
    frame = f"the {peer}'s Close frame"
    said = f'{report.code} "{visible(report.reason)}"' if report.reason else str(report.code)
    if received is None:
        return f"{said}, since no Close frame came from the {peer}"
    if received.violations and report.code == 1006:  # an equal code would be chance: the frame was not accepted
        return f"{said}, since {frame} breaks a rule"
    if received.payload_length < 2:
        return f"{said}, since {frame} has no code"
    if received.status != report.code:
        return f"{said}, though {frame} says {received.status}"
    return f"{said}, as {frame} says"
