"""The ladder as a figure: time runs down, and an arrow falls from where it was sent to where it was read.

Heights are not to scale: each record has a row, in the order of the recording, and an arrow ends between the last
record sent before its last byte was read and the next. So an answer always begins below what it answers, and two arrows
cross where two endpoints sent before either had heard the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import NamedTuple

from ..drawing import style
from . import ladder, listing
from .drawing import CODE, INK, SIZE, WIDTH, Figure, fitted, line, mark, number, rect, solid, text, text_width
from .field import Sender
from .record import Kind, Record

_LANES = {Sender.CLIENT: 62, Sender.SERVER: WIDTH - 20}
_HEADING = 30
_LABEL = 20
"""Above a row: room for its words."""
_BELOW, _ARRIVAL = 11, 12
"""Below a row: to the first arrow that ends there, and to each further one."""


class _Shape(NamedTuple):
    """How a line is drawn: a shape for each kind, since colour alone tells nothing."""

    said: str
    width: float
    dashes: str = ""
    double: bool = False


_HANDSHAKE = _Shape("handshake", 1.2, double=True)
_DATA = _Shape("data", 1.6)
_CONTROL = _Shape("control frame", 1.6, "7 4")
_END = _Shape("TCP: bar FIN, cross RST", 1.8, "1.8 4")
_UNREAD = _Shape("no frame", 1)
_BEND = _Shape("bend", 1.4)
_SHAPES = {
    Kind.REQUEST: _HANDSHAKE,
    Kind.RESPONSE: _HANDSHAKE,
    Kind.FRAME: _DATA,
    Kind.FIN: _END,
    Kind.RESET: _END,
    Kind.UNREAD: _UNREAD,
    Kind.BEND: _BEND,
}
_CONTROLS = 0b1000
"""The opcode's bit that a control frame has (RFC 6455 section 5.5)."""


def _shape(record: Record) -> _Shape:
    return _CONTROL if record.kind is Kind.FRAME and record.first & _CONTROLS else _SHAPES[record.kind]


class _Rung(NamedTuple):
    y: float
    record: Record | None
    """None where records are left out."""


def ladder_figure(records: Sequence[Record]) -> Figure:
    """The records as arrows between two lanes; of more than 60, the first 48 and the last 12.

    An arrow is level where nobody noted when its record was read.
    """
    start, missing, end = listing.shown(records)
    several = listing.several(records)
    shown: list[Record | None] = [*start, *([None] if missing else []), *end]
    sent = [records[len(start)].time if record is None else record.time for record in shown]
    read = _read(shown)
    ends = [None if at is None else _ends_below(index, at, sent) for index, at in enumerate(read)]
    rows, bottom = _rows(shown, ends)
    arrivals = _arrivals(rows, read, ends)
    parts = [_lane(sender, bottom) for sender in Sender]
    for row, arrival in zip(rows, arrivals, strict=True):
        if row.record is not None and row.record.kind is not Kind.ERROR:
            parts.append(_arrow(row.record, row.y, arrival))
    for row in rows:
        if row.record is None:
            middle = sum(_LANES.values()) / 2
            parts.append(_over(text_width(listing.left_out(missing)), middle, row.y, "middle"))
            parts.append(text(middle, row.y, listing.left_out(missing), anchor="middle", ink=style.SOFT))
        else:
            parts.append(_words(row.record, row.y, several))
    y = bottom + 24
    arrows = _SHAPES.keys() - {Kind.BEND}
    level = any(end is None for end, row in zip(ends, rows, strict=True) if row.record and row.record.kind in arrows)
    parts += _key([record for record in shown if record is not None], y, level)
    return Figure(WIDTH, y + 6, "\n".join(parts), ladder.ladder_text(records))


def _read(shown: Sequence[Record | None]) -> list[float | None]:
    """When each record was read, if known; a stream is read in order, whatever the last microsecond says."""
    latest: dict[tuple[int, Sender], float] = {}
    read = []
    for record in shown:
        at = None if record is None else record.received
        if record is not None and at is not None:
            stream = record.connection, record.sender
            at = latest[stream] = max(at, latest.get(stream, at))
        read.append(at)
    return read


def _ends_below(index: int, read: float, sent: Sequence[float]) -> int:
    """The row under which the arrow of the record in row ``index`` ends."""
    return max((place for place in range(index, len(sent)) if sent[place] <= read), default=index)


def _rows(shown: Sequence[Record | None], ends: Sequence[int | None]) -> tuple[list[_Rung], float]:
    """The rows, with room under each for the arrows that end there, and how far down the lanes go."""
    y = float(_HEADING)
    rows = []
    for place, record in enumerate(shown):
        y += _LABEL
        rows.append(_Rung(y, record))
        here = [shown[index] for index, end in enumerate(ends) if end == place]
        most = max((sum(one is not None and one.sender is sender for one in here) for sender in Sender), default=0)
        y += _BELOW + _ARRIVAL * max(most - 1, 0) + 5
    return rows, y


def _arrivals(rows: Sequence[_Rung], read: Sequence[float | None], ends: Sequence[int | None]) -> list[float]:
    """Where each arrow ends: under its row, in the order in which the records were read; level if that is unknown."""
    arrivals = [row.y for row in rows]
    landed: dict[tuple[int, Sender], int] = {}
    for _, index, end in sorted(
        (at, index, end)
        for index, (at, end) in enumerate(zip(read, ends, strict=True))
        if at is not None and end is not None
    ):
        record = rows[index].record
        if record is not None:
            before = landed.get((end, record.sender), 0)
            arrivals[index] = rows[end].y + _BELOW + _ARRIVAL * before
            landed[end, record.sender] = before + 1
    return arrivals


def _lane(sender: Sender, bottom: float) -> str:
    x = _LANES[sender]
    edge, anchor = (x + 12, "start") if sender is Sender.CLIENT else (x - 12, "end")
    return (
        mark(sender, x, 10, 5.5)
        + text(edge, 15, sender.label, size=15, anchor=anchor, weight=700, ink=INK[sender])
        + line(f"M{x} 24V{number(bottom)}", ink=style.RULE, width=1.5)
    )


def _arrow(record: Record, y: float, end: float) -> str:
    ink = INK[record.sender]
    x, target = float(_LANES[record.sender]), float(_LANES[record.sender.peer])
    length = hypot(target - x, end - y)
    along = ((target - x) / length, (end - y) / length)

    def at(back: float, aside: float = 0) -> str:
        """A point that far from the arrow's end, and that far aside of it."""
        return (
            f"{number(target - back * along[0] - aside * along[1])} {number(end - back * along[1] + aside * along[0])}"
        )

    def begin(aside: float = 0) -> str:
        return f"{number(x - aside * along[1])} {number(y + aside * along[0])}"

    shape = _shape(record)
    if shape is _BEND:
        return line(_jagged(x, y, target), ink=ink, width=shape.width)
    more = f' stroke-dasharray="{shape.dashes}"' if shape.dashes else ""
    path = "".join(f"M{begin(aside)}L{at(9, aside)}" for aside in ((-1.6, 1.6) if shape.double else (0,)))
    shaft = line(path, ink=ink, width=shape.width, more=more)
    match record.kind:
        case Kind.FIN:
            return shaft + line(f"M{at(7, -7)}L{at(7, 7)}", ink=ink, width=2.5)
        case Kind.RESET:
            return shaft + line(f"M{at(14, -5)}L{at(4, 5)}M{at(14, 5)}L{at(4, -5)}", ink=ink, width=2.25)
        case Kind.UNREAD:
            return (
                shaft
                + _over(7, target - 9 * along[0], end + 5, "middle")
                + text(target - 9 * along[0], end + 5, "?", size=15, anchor="middle", weight=700, ink=ink)
            )
        case _:
            return shaft + solid(f"M{at(1)}L{at(11, -4.75)}L{at(11, 4.75)}z", ink)


def _jagged(x: float, y: float, target: float) -> str:
    """A jagged line from one lane to shortly before the other: nothing arrives."""
    way = 1 if target > x else -1
    return f"M{number(x)} {number(y)}" + f"l{3 * way} -3l{6 * way} 6l{3 * way} -3" * int((abs(target - x) - 12) // 12)


def _over(width: float, x: float, y: float, anchor: str) -> str:
    """Paper behind words, through which an arrow shows but faintly."""
    left = x - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
    return rect(left - 2, y - 10.5, width + 4, 13, f'fill="{style.PAPER}" fill-opacity=".85"')


def _words(record: Record, y: float, several: bool) -> str:
    client = record.sender is Sender.CLIENT
    source = _LANES[record.sender]
    wrong = record.violations or record.kind is Kind.ERROR
    room = _LANES[Sender.SERVER] - _LANES[Sender.CLIENT] - 60
    said = fitted(ladder.label(record), room, SIZE, code=True)
    x, anchor = (source + 13, "start") if client else (source - 13, "end")
    width = text_width(said, SIZE, code=True)
    name = f"{record.number} c{record.connection}" if several else str(record.number)
    ink = style.RED if wrong else style.INK
    return (
        _over(width, x, y - 6, anchor)
        + text(x, y - 6, said, anchor=anchor, ink=ink, more=CODE)
        + mark(record.sender, source, y)
        + text(
            _LANES[Sender.CLIENT] - 14, y + 4, fitted(name, _LANES[Sender.CLIENT] - 14, 10), size=10, anchor="end",
            ink=style.SOFT,
        )
    )  # fmt: skip


def _key(records: Sequence[Record], y: float, level: bool) -> list[str]:
    """What the lines mean, those that there are."""
    shapes = dict.fromkeys(_shape(record) for record in records if record.kind in _SHAPES)
    x = float(_LANES[Sender.CLIENT])
    parts = []
    for shape in shapes:
        aside = (-1.6, 1.6) if shape.double else (0.0,)
        path = "".join(f"M{number(x)} {number(y - 4 + one)}h26" for one in aside)
        path = _jagged(x, y - 4, x + 38) if shape is _BEND else path
        more = f' stroke-dasharray="{shape.dashes}"' if shape.dashes else ""
        parts.append(line(path, ink=style.SOFT, width=shape.width, more=more))
        parts.append(text(x + 33, y, shape.said, size=11, ink=style.SOFT))
        x += 33 + text_width(shape.said, 11) + 18
    if level:
        parts.append(text(x, y, "level: not known when read", size=11, ink=style.SOFT))
    return parts
