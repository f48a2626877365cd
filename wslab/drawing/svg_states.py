"""State machines as a diagram: every change that there is, and which were made, in which order.

It is laid out once, as plain data, for the picture and for the live panel. Down each lane stand the states. A change to
the next state is a straight arrow; every other leaves its box at the right, runs down (or up) in a channel of its own
and comes back: the longer its way, the further out its channel, so that no two cross.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import style
from .blocks import States
from .pen import CODE, WIDTH, Figure, badge, in_lines, line, mark, number, rect, rounded, solid, text
from .text import text_of

LANE = 444  # Width of one endpoint's machine.
_TOP = 34
_BOX, _MIDDLE = 112, 158  # Width of a box, and where its middle is.
_SIDE = _MIDDLE + _BOX / 2  # Where its right side is.
_LEAST = 58  # Height of a box, at least.
_GAP = 80  # Height between boxes: an arrow's two lines and its number beside them.
_STRAIGHT = 2  # Arrows side by side between two boxes: one's words stand to the left of it, the other's to the right.
_APART = 44
_CHANNEL = 22
_OUTERMOST = LANE - 12
_LETTERS, _SMALL, _STEP = 11.5, 9.5, 14.0
_HEAD = 9


class Move(NamedTuple):
    """One change of the table, in words."""

    old: str
    event: str
    new: str
    section: str


def state_layout(block: States) -> dict[str, Any]:
    """Where everything in the diagram is, as plain JSON values.

    Returns:
        ``{"lanes": [...], "text": "..."}``, one lane for each in ``block.moves``::

            {"sender": 0, "label": "client", "mark": "●", "now": "OPEN", "width": 444, "height": 520,
             "boxes": [{"name": "OPEN", "x": 103, "y": 172, "w": 124, "h": 58, "now": true, "visited": true}, ...],
             "edges": [{"old": ..., "event": ..., "new": ..., "section": ..., "taken": [1],
                        "path": "M165 92L165 163", "head": "M165 172l-4.5 -9h9z",   # two d attributes
                        "label": [{"x": ..., "y": ..., "anchor": "start", "text": "received 101"}, ...],  # lines
                        "cite": {"x": ..., "y": ..., "anchor": "start", "text": "RFC 6455 4.1"},
                        "badge": {"x": ..., "y": ...}}, ...]}                      # where its number stands

        Coordinates are pixels from the lane's own corner, a text's ``y`` is its baseline. ``text`` is the diagram in
        words. Words in it are the caller's own; they are not escaped.

    Raises:
        ValueError: a change leads from or to a state that is not in ``block.states``.

    A change that was made and that ``block.moves`` lacks is drawn like the others.
    """
    lanes = []
    for sender, moves in block.moves.items():
        own = [
            (place, (old, event, new)) for place, (lane, old, event, new) in enumerate(block.taken, 1) if lane == sender
        ]
        known = [Move(*move) for move in moves]
        named = {move[:3] for move in known}
        known += [Move(*step, "") for step in dict.fromkeys(step for _, step in own) if step not in named]
        _check(block.states, known)
        lanes.append(_lane(sender, block.lanes[sender], block.states, known, own))
    return {"lanes": lanes, "text": text_of([block])}


def states_figure(block: States) -> Figure:
    """The diagram as a figure.

    A change that was made is drawn bold, in its lane's colour, with its number; the others are thin and grey. The
    state that a machine is in now has a double frame.
    """
    lanes = state_layout(block)["lanes"]
    height = max((lane["height"] for lane in lanes), default=0)
    parts = []
    for index, lane in enumerate(lanes):
        x = index * (WIDTH - LANE)
        parts.append(f'<g transform="translate({x} 0)">{_drawn(lane)}</g>')
        if index:
            parts.append(line(f"M{WIDTH / 2:g} 0V{height:g}", ink=style.TINT2, width=1))
    return Figure(WIDTH, height, "\n".join(parts))


def _check(states: Sequence[str], moves: Iterable[Move]) -> None:
    for move in moves:
        for state in (move.old, move.new):
            if state not in states:
                raise ValueError(
                    f"{move.event!r} leads from {move.old!r} to {move.new!r}, but the states are {', '.join(states)}: "
                    f"add {state!r} to them or leave the change out"
                )


def _lane(
    sender: int,
    label: str,
    states: Sequence[str],
    moves: Sequence[Move],
    taken: Sequence[tuple[int, tuple[str, str, str]]],
) -> dict[str, Any]:
    straight, around = _sorted_out(states, moves)
    lowest = max((y for state in states for y, _, _ in _ports(around, state)[-1:]), default=0)
    tall = max(_LEAST, lowest + 13)
    tops = {state: _TOP + index * (tall + _GAP) for index, state in enumerate(states)}
    now = taken[-1][1][2] if taken else states[0]
    visited = {states[0], *(state for _, step in taken for state in (step[0], step[2]))}
    numbers = {move: [place for place, step in taken if step == move[:3]] for move in moves}
    places = {
        **_straight_arrows(straight, tops, tall),
        **_channels(states, around, tops, tall),
    }
    return {
        "sender": int(sender),
        "label": label,
        "mark": style.LANES[sender],
        "now": now,
        "width": LANE,
        "height": _TOP + len(states) * (tall + _GAP) - _GAP + 4,
        "boxes": [
            {
                "name": state, "x": _MIDDLE - _BOX / 2, "y": tops[state], "w": _BOX, "h": tall,
                "now": state == now, "visited": state in visited,
            }
            for state in states
        ],
        "edges": [{**move._asdict(), "taken": numbers[move], **places[move]} for move in moves],
    }  # fmt: skip


def _sorted_out(states: Sequence[str], moves: Sequence[Move]) -> tuple[list[list[Move]], list[Move]]:
    # The changes to the next state, those between the same two together, and all others, from the innermost channel to
    # the outermost: short ways first; of two alike, the later one.
    pairs: dict[tuple[str, str], list[Move]] = {}
    around = []
    for move in moves:
        side_by_side = pairs.setdefault((move.old, move.new), [])
        if states.index(move.new) == states.index(move.old) + 1 and len(side_by_side) < _STRAIGHT:
            side_by_side.append(move)
        else:
            around.append(move)
    around.reverse()
    around.sort(key=lambda move: abs(states.index(move.new) - states.index(move.old)))
    return [pair for pair in pairs.values() if pair], around


def _straight_arrows(pairs: Iterable[Sequence[Move]], tops: Mapping[str, float], tall: float) -> dict[Move, Any]:
    places = {}
    for pair in pairs:
        for index, move in enumerate(pair):
            x = _MIDDLE + (index - (len(pair) - 1) / 2) * _APART
            start, end = tops[move.old] + tall, tops[move.new]
            middle = (start + end) / 2 - 2
            left = len(pair) > 1 and index == 0
            places[move] = {
                "path": rounded([(x, start), (x, end - _HEAD + 1)]),
                "head": f"M{number(x)} {number(end)}l-4.5 -{_HEAD}h9z",
                **_words(move, x - 17 if left else x + 17, middle, "end" if left else "start", _OUTERMOST),
                "badge": {"x": x, "y": middle},
            }
    return places


def _lines(move: Move, room: float) -> list[str]:
    # The event's words in as few lines as possible, all about equally long.
    lines = in_lines(move.event, room, _LETTERS, bold=True)
    while len(closer := in_lines(move.event, room := room - 4, _LETTERS, bold=True)) == len(lines) > 1:
        lines = closer
    return lines


def _words(move: Move, x: float, middle: float, anchor: str, room: float) -> dict[str, Any]:
    # The event in lines above ``middle``, the section under it.
    lines = _lines(move, room)
    return {
        "label": [
            {"x": x, "y": middle - 2 - _STEP * (len(lines) - 1 - index), "anchor": anchor, "text": said}
            for index, said in enumerate(lines)
        ],
        "cite": {"x": x, "y": middle + 12, "anchor": anchor, "text": move.section},
    }


def _channel(around: Sequence[Move], move: Move) -> float:
    return _OUTERMOST - _CHANNEL * (len(around) - 1 - around.index(move))


def _ports(around: Sequence[Move], state: str) -> list[tuple[float, Move, bool]]:
    """The lines at a box's right side from the top: how far down, whose, and whether it begins here.

    What comes from above comes first, the innermost on top; what leaves leaves the outermost on top.
    """
    arriving = [move for move in around if move.new == state]
    leaving = [move for move in reversed(around) if move.old == state]
    ports = []
    y = 0.0
    for move in arriving:
        y += 15
        ports.append((y, move, False))
    for index, move in enumerate(leaving):
        lines = _lines(move, _channel(around, move) - _SIDE - 16)
        # The first label may rise above its box, where nothing else is.
        y += 15 if index == 0 else 20 + _STEP * len(lines)
        ports.append((y, move, True))
    return ports


def _channels(
    states: Sequence[str], around: Sequence[Move], tops: Mapping[str, float], tall: float
) -> dict[Move, dict[str, Any]]:
    places: dict[Move, dict[str, Any]] = {}
    ends: dict[tuple[Move, bool], float] = {}
    for state in states:
        ports = _ports(around, state)
        spare = (tall - ports[0][0] - ports[-1][0]) / 2 if ports else 0
        for y, move, begins in ports:
            ends[move, begins] = tops[state] + y + spare
    for move in around:
        left, right = _SIDE, _channel(around, move)
        start, end = ends[move, True], ends[move, False]
        places[move] = {
            "path": rounded([(left, start), (right, start), (right, end), (left + _HEAD - 1, end)]),
            "head": f"M{number(left)} {number(end)}l{_HEAD} -4.5v9z",
            **_words(move, left + 10, start - 3, "start", right - left - 16),
            "badge": {"x": right, "y": start + 26},
        }
        places[move]["cite"]["y"] = start + 12
    return places


def _drawn(lane: Mapping[str, Any]) -> str:
    ink = style.LANE_INKS[lane["sender"]]
    # What was made is drawn last, so that it lies on top where two lines touch.
    edges = sorted(lane["edges"], key=lambda edge: bool(edge["taken"]))
    parts = [
        mark(lane["sender"], _MIDDLE - _BOX / 2 + 6, 10, 5.5),
        text(_MIDDLE - _BOX / 2 + 18, 15, lane["label"], size=15, weight=700, ink=ink),
    ]
    parts += [_edge(edge, ink) for edge in edges]
    parts += [_box(box, ink) for box in lane["boxes"]]
    return "\n".join(parts)


def _edge(edge: Mapping[str, Any], ink: str) -> str:
    made = bool(edge["taken"])
    colour = ink if made else style.SOFT
    parts = [line(edge["path"], ink=colour, width=2.75 if made else 1), solid(edge["head"], colour)]
    parts += [
        text(
            part["x"], part["y"], part["text"], size=_LETTERS, anchor=part["anchor"], weight=700 if made else 400,
            ink=style.INK if made else style.SOFT,
        )
        for part in edge["label"]
    ]  # fmt: skip
    cite = edge["cite"]
    parts.append(text(cite["x"], cite["y"], cite["text"], size=_SMALL, anchor=cite["anchor"], ink=style.SOFT))
    if made:
        numbers = " ".join(f"{place}." for place in edge["taken"])
        parts.append(badge(edge["badge"]["x"], edge["badge"]["y"], numbers, ink))
    return "".join(parts)


def _box(box: Mapping[str, Any], ink: str) -> str:
    x, y, width, height = box["x"], box["y"], box["w"], box["h"]
    colour = ink if box["visited"] else style.RULE
    fill = style.TINT if box["visited"] else style.PAPER
    parts = [rect(x, y, width, height, f'rx="4" fill="{fill}" stroke="{colour}" stroke-width="1.5"')]
    if box["now"]:
        parts.append(
            rect(x + 4, y + 4, width - 8, height - 8, f'rx="2" fill="none" stroke="{colour}" stroke-width="1.5"')
        )
    middle = y + height / 2
    parts.append(
        text(
            x + width / 2, middle + (0 if box["now"] else 5), box["name"], size=13, anchor="middle",
            weight=700 if box["now"] else 400, ink=style.INK if box["visited"] else style.SOFT, more=CODE,
        )
    )  # fmt: skip
    if box["now"]:
        parts.append(text(x + width / 2, middle + 15, "now", size=11, anchor="middle", ink=style.SOFT))
    return "".join(parts)
