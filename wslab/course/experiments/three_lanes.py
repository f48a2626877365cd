"""Three lanes on one ladder: what crossed between a client and a relay, and between that relay and a server.

Theory. A relay ends one TCP connection and begins another, so one conversation is two recordings: the client's end
tells of the nearer connection and the server's end of the farther one. What stands in both, in the same order, is
drawn as one arrow through the relay. What stands in one alone is where the relay kept something, or made something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from html import escape
from typing import Any, NamedTuple

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...anatomy.records import is_close
from ...drawing import style
from ...drawing.cell import beside
from ...drawing.pen import CODE, WIDTH, fitted, line, mark, rect, solid, text
from ...drawing.picture import Picture
from ...drawing.style import themed
from ...drawing.visible import cells, clip, pad
from ...recording.trace import Trace

_LANES = (30.0, WIDTH / 2, WIDTH - 30.0)  # where client, relay and server stand
_TOP, _ROW, _FALL, _MARGIN = 66.0, 46.0, 9.0, 16  # heights in pixels: above the first arrow, of a row, of an arrow
_NAMES = ("● client", "◆ relay", "■ server")
_LETTERS = 14.0  # their size: a narrow page makes the picture smaller
_HALF = 38  # columns between two lanes, in text


class Passage(NamedTuple):
    """What one peer sent, on both sides of a relay; empty on the side where it did not cross."""

    sender: Sender
    near: str  # between client and relay
    far: str  # between relay and server
    changed: bool = False  # other bytes left the relay than had come


def ends(trace: Trace) -> tuple[int, int]:
    """The connections of a lab's last conversation through a relay: the client's, and the server's."""
    seen = {chunk.seen_by: chunk.connection for chunk in trace.chunks}
    return seen[Sender.CLIENT], seen[Sender.SERVER]


def crossings(trace: Trace, stop: int | None = None) -> list[Passage]:
    """What crossed in a lab's last conversation through a relay, in order, up to the first refusal or close frame.

    Args:
        trace: the lab's, in which both ends tell.
        stop: the number of the first record that is left out; None leaves none out.
    """
    numbers = ends(trace)
    sides = [_told(trace, number, stop) for number in numbers]
    made: list[Passage] = []
    keys = [[(one.sender, one.kind, one.first & 15) for one in side] for side in sides]
    for same, start, end, first, last in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        near, far = sides[0][start:end], sides[1][first:last]
        if same == "equal":
            made += [_both(trace, *pair) for pair in zip(near, far, strict=True)]
        else:
            made += [_alone(trace, one, numbers, sides) for one in sorted([*near, *far], key=lambda one: one.number)]
    return made


def _told(trace: Trace, connection: int, stop: int | None) -> list[Record]:
    told = []
    for record in trace.connection(connection):
        if record.kind in (Kind.UNREAD, Kind.ERROR) or (stop is not None and record.number >= stop):
            continue
        told.append(record)
        if is_close(record) or (record.kind is Kind.RESPONSE and record.status != 101):
            break
    return told


def _alone(trace: Trace, one: Record, numbers: tuple[int, int], sides: Sequence[Sequence[Record]]) -> Passage:
    """What stands on one side only. On the other, some bytes of it may have come that make no whole frame."""
    here = numbers.index(one.connection)
    there = 1 - here
    said = ["", ""]
    said[here] = one.summary
    whole = max((_stop(other) for other in sides[there] if other.sender is one.sender), default=0)
    goes_on = here == one.sender  # and does not come from the relay
    if goes_on and one.kind is Kind.FRAME and len(trace.bytes_sent(numbers[there], one.sender)) > whole:
        said[there] = "bytes, and no whole frame"
    return Passage(one.sender, said[0], said[1], goes_on)


def _stop(record: Record) -> int:
    return record.offset + record.header_length + record.payload_length


def _both(trace: Trace, near: Record, far: Record) -> Passage:
    came, went = trace.raw(near) or b"", trace.raw(far) or b""
    lost = [] if near.kind is not Kind.REQUEST else [name for name in _names(came) if name not in _names(went)]
    said = f"{far.summary}, no {', '.join(lost)}" if lost else far.summary
    return Passage(near.sender, near.summary, said, came != went)


def _names(head: bytes) -> list[str]:
    return [each.partition(b":")[0].decode("latin-1") for each in head.split(b"\r\n")[1:] if each]


class ThreeLanes:
    """Client, relay and server on one ladder.

    Args:
        crossed: what crossed, in order.
        relay: what the relay does, in words; empty where it changes nothing.
        told: what the client's program got in the end, in words; empty where that is not told.
    """

    def __init__(self, crossed: Sequence[Passage], relay: str = "", told: str = "") -> None:
        self.crossed, self.relay, self.told = crossed, relay, told

    @property
    def _names(self) -> tuple[str, str, str]:
        client, relay, server = _NAMES
        return client, f"{relay}: {self.relay}" if self.relay else relay, server

    def __repr__(self) -> str:
        client, relay, server = self._names
        room = 2 * _HALF + 3 - cells(client) - cells(server) - 2
        said = clip(relay, room)
        left = max(1, _HALF + 1 - cells(client) - cells(said) // 2)
        head = f"{client}{' ' * left}{said}"
        lines = [pad(head, 2 * _HALF + 3 - cells(server)) + server, *map(_line, self.crossed)]
        return "\n".join([*lines, *([self.told] if self.told else [])])

    def picture(self) -> Picture:
        """It as a standalone picture."""
        bottom = _TOP + _ROW * len(self.crossed)
        parts = [line(f"M{x} 34V{bottom}", ink=style.RULE, width=1.5) for x in _LANES]
        for lane, name, x, anchor in zip((0, 2, 1), self._names, _LANES, ("start", "middle", "end"), strict=True):
            at = {"start": 0.0, "middle": x, "end": float(WIDTH)}[anchor]
            ink = style.INK if lane == 2 else style.LANE_INKS[lane]
            parts.append(text(at, 18, name, size=17, anchor=anchor, weight=700, ink=ink))
        for place, one in enumerate(self.crossed):
            parts += _arrows(one, _TOP + _ROW * place)
        if self.told:
            parts.append(text(0, bottom + 26, self.told, size=16, weight=700))
        width, height = WIDTH + 2 * _MARGIN, round(bottom + 2 * _MARGIN + (28 if self.told else 0))
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}">\n<title>Client, relay and server</title>\n'
            f"<desc>{escape(repr(self))}</desc>\n"
            f'{rect(0, 0, width, height, f"""fill="{style.PAPER}" """)}\n'
            f'<g transform="translate({_MARGIN} {_MARGIN})">\n' + "\n".join(parts) + "\n</g>\n</svg>\n"
        )
        return Picture(svg, "three-lanes")

    def svg(self) -> str:
        """The picture in the colours of the page, light or dark."""
        return themed(self.picture().svg)

    def _repr_html_(self) -> str:
        return in_page(self.svg(), repr(self))


def in_page(svg: str, said: str) -> str:
    """A picture as a part of its page, whose colours and width it takes; where a page strips it, its text remains."""
    sheet = "<style>.wslab-in-page>pre{display:none}</style>"
    return f'<div class="wslab-in-page">{sheet}{svg}<pre>{escape(said)}</pre></div>'


def _line(one: Passage) -> str:
    """A row as text: an arrow between each two lanes, or nothing where nothing crossed."""
    forth = one.sender is Sender.CLIENT
    tips = ("►" if one.far else "×", "►") if forth else ("◄", "◄" if one.near else "×")
    near, far = (_half(said, tip, forth=forth) for said, tip in zip((one.near, one.far), tips, strict=True))
    begins = (one.near, one.far, "") if forth else ("", one.near, one.far)  # what begins at each lane
    client, relay, server = ("├┤"[not forth] if said else "│" for said in begins)
    return f"{client}{near}{relay}{far}{server}"


def _half(said: str, tip: str, *, forth: bool) -> str:
    if not said:
        return " " * _HALF
    words = clip(said, _HALF - 6)
    shaft = "─" * (_HALF - cells(words) - 4)
    return f"─ {words} {shaft}{tip}" if forth else f"{tip}{shaft} {words} ─"


def _arrows(one: Passage, y: float) -> list[str]:
    """A row of the picture: two arrows that fall a little, or one that ends or begins at the relay."""
    forth = one.sender is Sender.CLIENT
    near, far = (_LANES[0], _LANES[1]), (_LANES[1], _LANES[2])
    ways = [(one.near, near, bool(one.far)), (one.far, far, True)]
    if not forth:
        ways = [(one.far, far[::-1], bool(one.near)), (one.near, near[::-1], True)]
    parts = []
    for place, (said, (start, end), arrives) in enumerate(ways):
        if said:
            changed = one.changed and place == 1
            made = place == 1 and not ways[0][0]
            top = y + _FALL * place
            parts += _arrow(said, start, end, top, one.sender, arrives=arrives, red=changed or made or not arrives)
    return parts


def _arrow(said: str, start: float, end: float, y: float, sender: Sender, *, arrives: bool, red: bool) -> list[str]:
    ink = style.LANE_INKS[sender]
    way = 1 if end > start else -1
    lost = f"M{end - 15 * way} {y + _FALL - 6}l10 11m-10 0l10 -11"
    tip = solid(f"M{end - way} {y + _FALL}l{-11 * way} -5v10z", ink)
    shown = fitted(said, abs(end - start) - 40, _LETTERS, code=True)
    x, anchor = start + 14 * way, "start" if way > 0 else "end"
    dashes = ' stroke-dasharray="2 4"' if said.startswith(("FIN", "RST")) else ""
    return [
        line(
            f"M{start} {y}L{end - 9 * way} {y + _FALL * (1 - 9 / abs(end - start)):.2f}",
            ink=ink,
            width=1.6,
            more=dashes,
        ),
        tip if arrives else line(lost, ink=style.RED, width=2.4),
        mark(sender, start, y, 4),
        text(x, y - 8, shown, size=_LETTERS, anchor=anchor, ink=style.RED if red else style.INK, more=CODE),
    ]


class LanesPicker:
    """Several conversations through relays, one of which is shown. In a notebook it is chosen from a list.

    Args:
        stops: by name, the picture that is shown. The pictures must be ready: choosing one runs nothing.
    """

    def __init__(self, stops: Mapping[str, ThreeLanes]) -> None:
        self.stops = dict(stops)
        self.at = next(iter(self.stops))

    def __repr__(self) -> str:
        return f"{self.at}\n\n{self.stops[self.at]!r}"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        still = {"text/html": self.stops[self.at]._repr_html_(), "text/plain": repr(self)}
        return beside(still, lambda: _listed(self), **kwargs)


def _listed(picker: LanesPicker) -> Any:
    """The live form: a list of names, and under it the picture."""
    import ipywidgets

    from ..forms import form

    def chosen(change: Mapping[str, Any]) -> None:
        picker.at = change["new"]
        page.value = picker.stops[picker.at].svg()

    page = ipywidgets.HTML(picker.stops[picker.at].svg())
    names = ipywidgets.Dropdown(
        options=list(picker.stops), value=picker.at, description="The relay",
        style={"description_width": "initial"}, layout={"width": "max-content", "max_width": "98%"},
    )  # fmt: skip
    names.observe(chosen, "value")
    return form(names, page)
