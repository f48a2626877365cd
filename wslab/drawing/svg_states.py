"""State machines as a diagram: every change that there is, and which were made, in which order.

It is laid out once, as plain data, for the picture and for the live panel. Down each lane stand the states. A change to
the next state is a straight arrow; every other leaves its box at the right, runs down (or up) in a channel of its own
and comes back: the longer its way, the further out its channel, so that no two cross.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from . import style
from .blocks import States
from .pen import CODE, WIDTH, Figure, badge, in_lines, line, mark, number, rect, rounded, solid, text
from .text import text_of

LANE = 444  # width of one endpoint's machine
_TOP = 34
_BOX, _MIDDLE = 112, 158  # width of a box, and where its middle is
_SIDE = _MIDDLE + _BOX / 2  # where its right side is
_LEAST = 58  # height of a box, at least
_GAP = 80  # height between boxes: an arrow's two lines and its number beside them
_STRAIGHT = 2  # arrows side by side between two boxes: one's words stand to the left of it, the other's to the right
_APART, _CHANNEL = 44, 22  # between two such arrows, and between two channels
_OUTERMOST = LANE - 12
_LETTERS, _SMALL, _STEP = 11.5, 9.5, 14.0
_HEAD = 9


class _Move(NamedTuple):
    old: str
    event: str
    new: str
    section: str


_Places: TypeAlias = Iterator[tuple[_Move, dict[str, Any]]]
_Ports: TypeAlias = Sequence[tuple[float, _Move, bool]]


def state_layout(block: States) -> dict[str, Any]:
    """Where everything in the diagram is, as plain JSON values.

    Returns:
        ``{"lanes": [...], "text": "..."}``: the diagram in words, and one lane for each in ``block.moves``::

            {"sender": 0, "label": "client", "mark": "●", "now": "OPEN", "width": 444, "height": 520,
             "boxes": [{"name": "OPEN", "x": 103, "y": 172, "w": 124, "h": 58, "now": true, "visited": true}, ...],
             "edges": [{"old": ..., "event": ..., "new": ..., "section": ..., "taken": [1],
                        "path": "M165 92L165 163", "head": "M165 172l-4.5 -9h9z",   # two d attributes
                        "label": [{"x": ..., "y": ..., "anchor": "start", "text": "received 101"}, ...],  # lines
                        "cite": {...}, "badge": {"x": ..., "y": ...}}, ...]}       # the section, where a number stands

        Coordinates are pixels from the lane's own corner, a text's ``y`` is its baseline. Words are the caller's own;
        they are not escaped. A change that was made and that ``block.moves`` lacks is drawn like the others.

    Raises ValueError where a change leads from or to a state that is not in ``block.states``.
    """
    return {"lanes": [_lane(block, lane) for lane in block.moves], "text": text_of([block])}


def states_figure(block: States) -> Figure:
    """The diagram as a figure: a change that was made is bold, in its lane's colour, with its number. The others are
    thin and grey. The state that a machine is in now has a double frame."""
    lanes = state_layout(block)["lanes"]
    height = max((lane["height"] for lane in lanes), default=0)
    parts = []
    for index, lane in enumerate(lanes):
        parts.append(f'<g transform="translate({index * (WIDTH - LANE)} 0)">{_drawn(lane)}</g>')
        if index:
            parts.append(line(f"M{WIDTH / 2:g} 0V{height:g}", ink=style.TINT2, width=1))
    return Figure(height, "\n".join(parts))


def _lane(block: States, lane: int) -> dict[str, Any]:
    states = block.states
    now = states[0]
    taken: dict[tuple[str, str, str], list[int]] = {}  # the numbers of each change that was made
    for place, (whose, old, event, new) in enumerate(block.taken, 1):
        if whose == lane:
            taken.setdefault((old, event, new), []).append(place)
            now = new
    moves = [_Move(*move) for move in block.moves[lane]]
    moves += [_Move(*step, "") for step in taken if step not in {move[:3] for move in block.moves[lane]}]
    for old, event, new, _ in moves:
        if unknown := [state for state in (old, new) if state not in states]:
            raise ValueError(
                f"{event!r} leads from {old!r} to {new!r}, but the states are {', '.join(states)}: "
                f"add {unknown[0]!r} to them or leave the change out"
            )
    straight, channels = _sorted_out(states, moves)
    ports = {state: _ports(channels, state) for state in states}
    tall = max([_LEAST, *(ends[-1][0] + 13 for ends in ports.values() if ends)])
    tops = {state: _TOP + index * (tall + _GAP) for index, state in enumerate(states)}
    places = dict([*_straight_arrows(straight, tops, tall), *_channels(channels, ports, tops, tall)])
    visited = {states[0], *(state for old, _, new in taken for state in (old, new))}
    return {
        "sender": int(lane), "label": block.lanes[lane], "mark": style.LANES[lane], "now": now,
        "width": LANE, "height": _TOP + len(states) * (tall + _GAP) - _GAP + 4,
        "boxes": [
            {
                "name": state, "x": _MIDDLE - _BOX / 2, "y": tops[state], "w": _BOX, "h": tall,
                "now": state == now, "visited": state in visited,
            }
            for state in states
        ],
        "edges": [{**move._asdict(), "taken": taken.get(move[:3], []), **places[move]} for move in moves],
    }  # fmt: skip


def _sorted_out(states: Sequence[str], moves: Sequence[_Move]) -> tuple[list[list[_Move]], dict[_Move, float]]:
    # The changes to the next state, those between the same two together; and all others with their channels, from the
    # outermost to the innermost: long ways first; of two alike, the earlier one.
    pairs: dict[str, list[_Move]] = {}
    around = []
    for move in moves:
        side_by_side = pairs.setdefault(move.old, [])
        if states.index(move.new) == states.index(move.old) + 1 and len(side_by_side) < _STRAIGHT:
            side_by_side.append(move)
        else:
            around.append(move)
    around.sort(key=lambda move: -abs(states.index(move.new) - states.index(move.old)))
    return [*pairs.values()], {move: _OUTERMOST - _CHANNEL * index for index, move in enumerate(around)}


def _ports(channels: Mapping[_Move, float], state: str) -> _Ports:
    # The lines at a box's right side from the top: how far down, whose, and whether it begins here. What comes from
    # above comes first, the innermost on top; what leaves leaves the outermost on top.
    arriving = [move for move in reversed([*channels]) if move.new == state]
    ports = [(15.0 * place, move, False) for place, move in enumerate(arriving, 1)]
    y = 15.0 * len(ports)
    for index, move in enumerate(move for move in channels if move.old == state):
        # The first label may rise above its box, where nothing else is.
        y += 20 + _STEP * len(_lines(move, channels[move] - _SIDE - 16)) if index else 15
        ports.append((y, move, True))
    return ports


def _lines(move: _Move, room: float) -> list[str]:
    # The event's words in as few lines as possible, all about equally long.
    lines = in_lines(move.event, room, _LETTERS, bold=True)
    while len(closer := in_lines(move.event, room := room - 4, _LETTERS, bold=True)) == len(lines) > 1:
        lines = closer
    return lines


def _straight_arrows(pairs: Sequence[Sequence[_Move]], tops: Mapping[str, float], tall: float) -> _Places:
    for pair in pairs:
        for index, move in enumerate(pair):
            x = _MIDDLE + (index - (len(pair) - 1) / 2) * _APART
            start, end = tops[move.old] + tall, tops[move.new]
            middle = (start + end) / 2 - 2
            aside, anchor = (-17, "end") if len(pair) > 1 and index == 0 else (17, "start")
            path, head = rounded([(x, start), (x, end - _HEAD + 1)]), f"M{number(x)} {number(end)}l-4.5 -{_HEAD}h9z"
            words = _words(move, x + aside, middle - 2, middle + 12, anchor, _OUTERMOST)
            yield move, {"path": path, "head": head, **words, "badge": {"x": x, "y": middle}}


def _channels(
    channels: Mapping[_Move, float], ports: Mapping[str, _Ports], tops: Mapping[str, float], tall: float
) -> _Places:
    ends: dict[tuple[_Move, bool], float] = {}
    for state, lines in ports.items():
        spare = (tall - lines[0][0] - lines[-1][0]) / 2 if lines else 0
        for y, move, begins in lines:
            ends[move, begins] = tops[state] + y + spare
    left = _SIDE
    for move, right in channels.items():
        start, end = ends[move, True], ends[move, False]
        path = rounded([(left, start), (right, start), (right, end), (left + _HEAD - 1, end)])
        head = f"M{number(left)} {number(end)}l{_HEAD} -4.5v9z"
        words = _words(move, left + 10, start - 5, start + 12, "start", right - left - 16)
        yield move, {"path": path, "head": head, **words, "badge": {"x": right, "y": start + 26}}


def _words(move: _Move, x: float, y: float, below: float, anchor: str, room: float) -> dict[str, Any]:
    # The event in lines, the last of them at ``y``, and the section at ``below``.
    lines = _lines(move, room)
    label = [
        {"x": x, "y": y - _STEP * (len(lines) - index), "anchor": anchor, "text": said}
        for index, said in enumerate(lines, 1)
    ]
    return {"label": label, "cite": {"x": x, "y": below, "anchor": anchor, "text": move.section}}


def _drawn(lane: Mapping[str, Any]) -> str:
    ink = style.LANE_INKS[lane["sender"]]
    left = _MIDDLE - _BOX / 2
    head = [mark(lane["sender"], left + 6, 10, 5.5), text(left + 18, 15, lane["label"], size=15, weight=700, ink=ink)]
    # What was made is drawn last, so that it lies on top where two lines touch.
    edges = sorted(lane["edges"], key=lambda edge: bool(edge["taken"]))
    return "\n".join([*head, *(_edge(edge, ink) for edge in edges), *(_box(box, ink) for box in lane["boxes"])])


def _edge(edge: Mapping[str, Any], ink: str) -> str:
    made = bool(edge["taken"])
    colour, letters, weight = (ink, style.INK, 700) if made else (style.SOFT, style.SOFT, 400)
    parts = [line(edge["path"], ink=colour, width=2.75 if made else 1), solid(edge["head"], colour)]
    parts += [_said(part, _LETTERS, letters, weight) for part in edge["label"]]
    parts.append(_said(edge["cite"], _SMALL, style.SOFT))
    if made:
        numbers = " ".join(f"{place}." for place in edge["taken"])
        parts.append(badge(edge["badge"]["x"], edge["badge"]["y"], numbers, ink))
    return "".join(parts)


def _said(part: Mapping[str, Any], size: float, ink: str, weight: int = 400) -> str:
    return text(part["x"], part["y"], part["text"], size=size, anchor=part["anchor"], weight=weight, ink=ink)


def _box(box: Mapping[str, Any], ink: str) -> str:
    x, y, width, height = (box[key] for key in "xywh")
    colour, fill, letters = (ink, style.TINT, style.INK) if box["visited"] else (style.RULE, style.PAPER, style.SOFT)
    frame = f'stroke="{colour}" stroke-width="1.5"'
    middle, base = x + width / 2, y + height / 2
    outer = rect(x, y, width, height, f'rx="4" fill="{fill}" {frame}')
    if not box["now"]:
        return outer + text(middle, base + 5, box["name"], size=13, anchor="middle", ink=letters, more=CODE)
    return (
        outer
        + rect(x + 4, y + 4, width - 8, height - 8, f'rx="2" fill="none" {frame}')
        + text(middle, base, box["name"], size=13, anchor="middle", weight=700, ink=letters, more=CODE)
        + text(middle, base + 15, "now", size=11, anchor="middle", ink=style.SOFT)
    )
