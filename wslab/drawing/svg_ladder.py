"""The ladder as a figure: time runs down, and an arrow falls from where it was sent to where it was read.

Heights are not to scale: each rung has a row, in order, and an arrow ends between the last rung sent before its last
byte was read and the next. So an answer begins below what it answers, and two arrows cross where two endpoints sent
before either had heard the other.
"""

from collections.abc import Sequence
from math import hypot

from . import style
from .blocks import Gap, Ladder, Rung, Stroke
from .pen import CODE, SIZE, WIDTH, Figure, fitted, line, mark, number, rect, solid, text, text_width

_LANES = (62.0, WIDTH - 20.0)
_HEADING = 30.0
_LABEL = 20  # above a row: room for its words
_BELOW, _ARRIVAL = 11, 12  # below a row: to the first arrow that ends there, and to each further one

# How each line is drawn: its width, its dashes, and how far aside of the arrow it runs, once or twice.
_STROKES: dict[Stroke, tuple[float, str, tuple[float, ...]]] = {
    "plain": (1.6, "", (0,)), "double": (1.2, "", (-1.6, 1.6)), "thin": (1, "", (0,)), "jagged": (1.4, "", (0,)),
    "dashed": (1.6, ' stroke-dasharray="7 4"', (0,)), "dotted": (1.8, ' stroke-dasharray="1.8 4"', (0,)),
}  # fmt: skip


def ladder_figure(block: Ladder) -> Figure:
    """The rungs as arrows between two lanes. An arrow is level where nobody noted when it arrived."""
    rows, ends, bottom = _placed(block.rungs)
    arrows = [
        _arrow(rung, y, ends.get(place, y))
        for place, (rung, y) in enumerate(zip(block.rungs, rows, strict=True))
        if isinstance(rung, Rung) and rung.stroke != "none"
    ]
    lanes = [_lane(lane, said, bottom) for lane, said in enumerate(block.lanes)]
    return Figure(bottom + 30, "\n".join([*lanes, *arrows, *map(_words, block.rungs, rows), *_key(block, bottom + 24)]))


def _placed(rungs: Sequence[Rung | Gap]) -> tuple[list[float], dict[int, float], float]:
    # How far down each row is, how far down each arrow ends if that is known, and how far down the lanes go.
    # A stream is read in order, so a clock that went back is corrected.
    latest: dict[tuple[str, int], float] = {}
    arrivals = []
    for place, rung in enumerate(rungs):
        if isinstance(rung, Rung) and rung.read is not None:
            stream = rung.name, rung.lane
            latest[stream] = max(rung.read, latest.get(stream, rung.read))
            arrivals.append((latest[stream], place, rung.lane))
    # Under each row, the arrows from either lane that end there, in the order in which they were read.
    under: list[tuple[list[int], list[int]]] = [([], []) for _ in rungs]
    for read, place, lane in sorted(arrivals):
        row = max((later for later in range(place, len(rungs)) if rungs[later].sent <= read), default=place)
        under[row][lane].append(place)
    rows = []
    ends: dict[int, float] = {}
    y = _HEADING
    for both in under:
        y += _LABEL
        rows.append(y)
        for places in both:
            ends.update((place, y + _BELOW + _ARRIVAL * before) for before, place in enumerate(places))
        y += _BELOW + _ARRIVAL * (max(1, *map(len, both)) - 1) + 5
    return rows, ends, y


def _lane(lane: int, said: str, bottom: float) -> str:
    x = _LANES[lane]
    edge, anchor = (x - 12, "end") if lane else (x + 12, "start")
    return (
        mark(lane, x, 10, 5.5)
        + text(edge, 15, said, size=15, anchor=anchor, weight=700, ink=style.LANE_INKS[lane])
        + line(f"M{number(x)} 24V{number(bottom)}", ink=style.RULE, width=1.5)
    )


def _arrow(rung: Rung, y: float, end: float) -> str:
    ink = style.LANE_INKS[rung.lane]
    x, target = _LANES[rung.lane], _LANES[1 - rung.lane]
    length = hypot(target - x, end - y)
    right, down = (target - x) / length, (end - y) / length
    width, dashes, asides = _STROKES[rung.stroke]

    def at(back: float, aside: float = 0) -> str:
        """A point that far from the arrow's end, and that far aside of it."""
        return f"{number(target - back * right - aside * down)} {number(end - back * down + aside * right)}"

    if rung.stroke == "jagged":
        return line(_jagged(x, y, target), ink=ink, width=width)
    shaft = line("".join(f"M{at(length, aside)}L{at(9, aside)}" for aside in asides), ink=ink, width=width, more=dashes)
    match rung.tip:
        case "bar":
            return shaft + line(f"M{at(7, -7)}L{at(7, 7)}", ink=ink, width=2.5)
        case "×":
            return shaft + line(f"M{at(14, -5)}L{at(4, 5)}M{at(14, 5)}L{at(4, -5)}", ink=ink, width=2.25)
        case "?":
            x = target - 9 * right
            tip = text(x, end + 5, "?", size=15, anchor="middle", weight=700, ink=ink)
            return shaft + _over(7, x, end + 5, "middle") + tip
        case _:
            return shaft + solid(f"M{at(1)}L{at(11, -4.75)}L{at(11, 4.75)}z", ink)


def _jagged(x: float, y: float, target: float) -> str:
    # A jagged line from one lane to shortly before the other: nothing arrives.
    way = 1 if target > x else -1
    return f"M{number(x)} {number(y)}" + f"l{3 * way} -3l{6 * way} 6l{3 * way} -3" * int((abs(target - x) - 12) // 12)


def _over(width: float, x: float, y: float, anchor: str) -> str:
    # A strip of paper behind words: an arrow below it shows faintly.
    left = x - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
    return rect(left - 2, y - 10.5, width + 4, 13, f'fill="{style.PAPER}" fill-opacity=".85"')


def _words(rung: Rung | Gap, y: float) -> str:
    if isinstance(rung, Gap):
        middle = sum(_LANES) / 2
        over = _over(text_width(rung.said), middle, y, "middle")
        return f"{over}\n{text(middle, y, rung.said, anchor='middle', ink=style.SOFT)}"
    source = _LANES[rung.lane]
    said = fitted(rung.said, _LANES[1] - _LANES[0] - 60, SIZE, code=True)
    x, anchor = (source - 13, "end") if rung.lane else (source + 13, "start")
    name = fitted(f"{rung.number} {rung.name}".rstrip(), _LANES[0] - 14, 10)
    return (
        _over(text_width(said, SIZE, code=True), x, y - 6, anchor)
        + text(x, y - 6, said, anchor=anchor, ink=style.RED if rung.wrong else style.INK, more=CODE)
        + mark(rung.lane, source, y)
        + text(_LANES[0] - 14, y + 4, name, size=10, anchor="end", ink=style.SOFT)
    )


def _key(block: Ladder, y: float) -> list[str]:
    # What the lines mean, those that there are.
    rungs = [rung for rung in block.rungs if isinstance(rung, Rung) and rung.stroke != "none"]
    x = _LANES[0]
    parts = []
    for stroke in dict.fromkeys(rung.stroke for rung in rungs):
        width, dashes, asides = _STROKES[stroke]
        path = "".join(f"M{number(x)} {number(y - 4 + aside)}h26" for aside in asides)
        path = _jagged(x, y - 4, x + 38) if stroke == "jagged" else path
        parts.append(line(path, ink=style.SOFT, width=width, more=dashes))
        parts.append(text(x + 33, y, block.key[stroke], size=11, ink=style.SOFT))
        x += 33 + text_width(block.key[stroke], 11) + 18
    if any(rung.read is None and rung.stroke != "jagged" for rung in rungs):
        parts.append(text(x, y, "level: not known when read", size=11, ink=style.SOFT))
    return parts
