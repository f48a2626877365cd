"""The ladder as a figure: time runs down, and an arrow falls from where it was sent to where it was read.

Heights are not to scale: each rung has a row, in order, and an arrow ends between the last rung sent before its last
byte was read and the next. So an answer always begins below what it answers, and two arrows
cross where two endpoints sent before either had heard the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from . import style
from .blocks import Gap, Ladder, Rung, Stroke, Tip
from .pen import CODE, SIZE, WIDTH, Figure, fitted, line, mark, number, rect, solid, text, text_width

_LANES = (62, WIDTH - 20)
_HEADING = 30
_LABEL = 20  # Above a row: room for its words.
_BELOW, _ARRIVAL = 11, 12  # Below a row: to the first arrow that ends there, and to each further one.

_WIDTHS = {
    Stroke.PLAIN: 1.6,
    Stroke.DOUBLE: 1.2,
    Stroke.DASHED: 1.6,
    Stroke.DOTTED: 1.8,
    Stroke.THIN: 1,
    Stroke.JAGGED: 1.4,
}
_DASHES = {Stroke.DASHED: "7 4", Stroke.DOTTED: "1.8 4"}


def ladder_figure(block: Ladder) -> Figure:
    """The rungs as arrows between two lanes. An arrow is level where nobody noted when it arrived."""
    sent = [rung.sent for rung in block.rungs]
    read = _read(block.rungs)
    ends = [None if at is None else _ends_below(index, at, sent) for index, at in enumerate(read)]
    rows, bottom = _rows(block.rungs, ends)
    arrivals = _arrivals(block.rungs, rows, read, ends)
    placed = list(zip(block.rungs, rows, strict=True))
    parts = [_lane(lane, said, bottom) for lane, said in enumerate(block.lanes)]
    parts += [
        _arrow(rung, y, arrival)
        for (rung, y), arrival in zip(placed, arrivals, strict=True)
        if isinstance(rung, Rung) and rung.stroke is not Stroke.NONE
    ]
    for rung, y in placed:
        if isinstance(rung, Rung):
            parts.append(_words(rung, y))
        else:
            middle = sum(_LANES) / 2
            parts.append(_over(text_width(rung.said), middle, y, "middle"))
            parts.append(text(middle, y, rung.said, anchor="middle", ink=style.SOFT))
    y = bottom + 24
    parts += _key(block, y)
    return Figure(WIDTH, y + 6, "\n".join(parts))


def _read(rungs: Sequence[Rung | Gap]) -> list[float | None]:
    # When each was read, if known. A stream is read in order, so a clock that went back is corrected.
    latest: dict[tuple[str, int], float] = {}
    read: list[float | None] = []
    for rung in rungs:
        if isinstance(rung, Rung) and rung.read is not None:
            stream = rung.name, rung.lane
            latest[stream] = max(rung.read, latest.get(stream, rung.read))
            read.append(latest[stream])
        else:
            read.append(None)
    return read


def _ends_below(index: int, read: float, sent: Sequence[float]) -> int:
    # The row under which the arrow from row ``index`` ends.
    return max((place for place in range(index, len(sent)) if sent[place] <= read), default=index)


def _rows(rungs: Sequence[Rung | Gap], ends: Sequence[int | None]) -> tuple[list[float], float]:
    # How far down each row is, with room under it for the arrows that end there, and how far down the lanes go.
    y = float(_HEADING)
    rows = []
    for place in range(len(rungs)):
        y += _LABEL
        rows.append(y)
        lanes = [rung.lane for rung, end in zip(rungs, ends, strict=True) if isinstance(rung, Rung) and end == place]
        most = max(map(lanes.count, (0, 1)))
        y += _BELOW + _ARRIVAL * max(most - 1, 0) + 5
    return rows, y


def _arrivals(
    rungs: Sequence[Rung | Gap], rows: Sequence[float], read: Sequence[float | None], ends: Sequence[int | None]
) -> list[float]:
    # Where each arrow ends: under its row, in the order in which they were read; level if that is unknown.
    arrivals = list(rows)
    landed: dict[tuple[int, int], int] = {}
    for _, index, end in sorted(
        (at, index, end)
        for index, (at, end) in enumerate(zip(read, ends, strict=True))
        if at is not None and end is not None
    ):
        rung = rungs[index]
        if isinstance(rung, Rung):
            before = landed.get((end, rung.lane), 0)
            arrivals[index] = rows[end] + _BELOW + _ARRIVAL * before
            landed[end, rung.lane] = before + 1
    return arrivals


def _lane(lane: int, said: str, bottom: float) -> str:
    x = _LANES[lane]
    edge, anchor = (x - 12, "end") if lane else (x + 12, "start")
    return (
        mark(lane, x, 10, 5.5)
        + text(edge, 15, said, size=15, anchor=anchor, weight=700, ink=style.LANE_INKS[lane])
        + line(f"M{x} 24V{number(bottom)}", ink=style.RULE, width=1.5)
    )


def _arrow(rung: Rung, y: float, end: float) -> str:
    ink = style.LANE_INKS[rung.lane]
    x, target = float(_LANES[rung.lane]), float(_LANES[1 - rung.lane])
    length = hypot(target - x, end - y)
    along = ((target - x) / length, (end - y) / length)

    def at(back: float, aside: float = 0) -> str:
        """A point that far from the arrow's end, and that far aside of it."""
        return (
            f"{number(target - back * along[0] - aside * along[1])} {number(end - back * along[1] + aside * along[0])}"
        )

    def begin(aside: float = 0) -> str:
        return f"{number(x - aside * along[1])} {number(y + aside * along[0])}"

    if rung.stroke is Stroke.JAGGED:
        return line(_jagged(x, y, target), ink=ink, width=_WIDTHS[rung.stroke])
    path = "".join(f"M{begin(aside)}L{at(9, aside)}" for aside in _asides(rung.stroke))
    shaft = line(path, ink=ink, width=_WIDTHS[rung.stroke], more=_dashes(rung.stroke))
    match rung.tip:
        case Tip.BAR:
            return shaft + line(f"M{at(7, -7)}L{at(7, 7)}", ink=ink, width=2.5)
        case Tip.CROSS:
            return shaft + line(f"M{at(14, -5)}L{at(4, 5)}M{at(14, 5)}L{at(4, -5)}", ink=ink, width=2.25)
        case Tip.QUESTION:
            return (
                shaft
                + _over(7, target - 9 * along[0], end + 5, "middle")
                + text(target - 9 * along[0], end + 5, "?", size=15, anchor="middle", weight=700, ink=ink)
            )
        case _:
            return shaft + solid(f"M{at(1)}L{at(11, -4.75)}L{at(11, 4.75)}z", ink)


def _asides(stroke: Stroke) -> tuple[float, ...]:
    # How far aside of the arrow its lines run.
    return (-1.6, 1.6) if stroke is Stroke.DOUBLE else (0,)


def _dashes(stroke: Stroke) -> str:
    return f' stroke-dasharray="{_DASHES[stroke]}"' if stroke in _DASHES else ""


def _jagged(x: float, y: float, target: float) -> str:
    # A jagged line from one lane to shortly before the other: nothing arrives.
    way = 1 if target > x else -1
    return f"M{number(x)} {number(y)}" + f"l{3 * way} -3l{6 * way} 6l{3 * way} -3" * int((abs(target - x) - 12) // 12)


def _over(width: float, x: float, y: float, anchor: str) -> str:
    # A strip of paper behind words: an arrow below it shows faintly.
    left = x - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
    return rect(left - 2, y - 10.5, width + 4, 13, f'fill="{style.PAPER}" fill-opacity=".85"')


def _words(rung: Rung, y: float) -> str:
    source = _LANES[rung.lane]
    room = _LANES[1] - _LANES[0] - 60
    said = fitted(rung.said, room, SIZE, code=True)
    x, anchor = (source - 13, "end") if rung.lane else (source + 13, "start")
    width = text_width(said, SIZE, code=True)
    name = fitted(f"{rung.number} {rung.name}".rstrip(), _LANES[0] - 14, 10)
    return (
        _over(width, x, y - 6, anchor)
        + text(x, y - 6, said, anchor=anchor, ink=style.RED if rung.wrong else style.INK, more=CODE)
        + mark(rung.lane, source, y)
        + text(_LANES[0] - 14, y + 4, name, size=10, anchor="end", ink=style.SOFT)
    )


def _key(block: Ladder, y: float) -> list[str]:
    # What the lines mean, those that there are.
    rungs = [rung for rung in block.rungs if isinstance(rung, Rung) and rung.stroke is not Stroke.NONE]
    x = float(_LANES[0])
    parts = []
    for stroke in dict.fromkeys(rung.stroke for rung in rungs):
        path = "".join(f"M{number(x)} {number(y - 4 + aside)}h26" for aside in _asides(stroke))
        path = _jagged(x, y - 4, x + 38) if stroke is Stroke.JAGGED else path
        parts.append(line(path, ink=style.SOFT, width=_WIDTHS[stroke], more=_dashes(stroke)))
        parts.append(text(x + 33, y, block.key[stroke], size=11, ink=style.SOFT))
        x += 33 + text_width(block.key[stroke], 11) + 18
    if any(rung.read is None and rung.stroke is not Stroke.JAGGED for rung in rungs):
        parts.append(text(x, y, "level: not known when read", size=11, ink=style.SOFT))
    return parts
