"""``Drawn``: a drawing with a text that says the same; and ``Bars``, columns of boxes, one box for each byte."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from ...drawing import style
from ...drawing.pen import SANS, in_lines, rect, text, text_width
from ...drawing.picture import Picture
from ...drawing.style import themed

WIDTH = 640  # pixels, so few that the letters stay readable in a narrow window
MARGIN = 16
_TITLE = 15


class Drawn:
    """What shows itself as a drawing and as text. A subclass gives ``drawing`` and ``__repr__``.

    Args:
        title: stands above the drawing.
    """

    def __init__(self, title: str) -> None:
        self.title = title

    def drawing(self) -> tuple[float, list[str]]:
        """Its height in pixels, and its SVG elements, ``WIDTH`` wide, from (0, 0)."""
        raise NotImplementedError

    def picture(self) -> Picture:
        """It as a standalone picture."""
        height, parts = self.drawing()
        wide, high = WIDTH + 2 * MARGIN, round(height + 3 * MARGIN + _TITLE)
        body = [
            rect(0, 0, wide, high, f'fill="{style.PAPER}"'),
            text(MARGIN, MARGIN + 10, self.title, size=_TITLE, weight=700),
            f'<g transform="translate({MARGIN} {2 * MARGIN + _TITLE})">',
            *parts,
            "</g>",
        ]
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{wide}" height="{high}" '
            f'viewBox="0 0 {wide} {high}" font-family="{SANS}">\n'
            f"<title>{escape(self.title)}</title>\n<desc>{escape(repr(self))}</desc>\n" + "\n".join(body) + "\n</svg>\n"
        )
        return Picture(svg, self.title.lower().replace(" ", "-"))

    def svg(self) -> str:
        """The picture in the colours of the page, light or dark."""
        return themed(self.picture().svg)

    def _repr_html_(self) -> str:
        # As image/svg+xml JupyterLab makes an image of it, and a page's colours do not reach into that.
        return self.svg()


class Bar(NamedTuple):
    """A column of boxes."""

    name: str
    value: int  # how many boxes; 0 where nothing is known yet
    strong: bool = False  # drawn in red


class Group(NamedTuple):
    """Bars beside one another, what they are, and what came of them."""

    name: str
    bars: Sequence[Bar]
    said: str = ""


_TALL = 104  # pixels that the highest bar has
_BOX = 16  # pixels of a box, at most
_SMALLEST = 3  # pixels of a box; smaller ones are drawn as one
_WIDE = 46  # pixels that a bar is wide, at most
_BETWEEN = 20  # pixels between two groups


class Bars(Drawn):
    """Groups of bars, one box for each byte.

    Args:
        title: stands above.
        groups: from left to right.
        places: how many groups there is room for; as many as there are, if None.
    """

    def __init__(self, title: str, groups: Sequence[Group], places: int | None = None) -> None:
        super().__init__(title)
        self.groups, self._places = tuple(groups), places or len(groups) or 1

    def __repr__(self) -> str:
        lines = [self.title]
        for group in self.groups:
            lines += [group.name, "    " + ", ".join(f"{bar.name}: {bar.value}" for bar in group.bars)]
            lines += [f"    → {group.said}"] if group.said else []
        return "\n".join(lines)

    def drawing(self) -> tuple[float, list[str]]:
        """Its height in pixels, and its SVG elements."""
        most = max(bar.value for group in self.groups for bar in group.bars) or 1
        box = min(_BOX, _TALL / most)
        room = (WIDTH - _BETWEEN * (self._places - 1)) / self._places
        floor = 44.0 + _TALL
        parts, lowest = [], floor
        for place, group in enumerate(self.groups):
            left = place * (room + _BETWEEN)
            parts.append(text(left, 12, group.name, weight=700))
            step = room / len(group.bars)
            crowded = any(text_width(str(bar.value), 11) > step - 1 for bar in group.bars)
            for number, bar in enumerate(group.bars):
                middle = left + (number + 0.5) * step
                raised = 12 if crowded and number % 2 else 0  # every other value, so that neighbours do not touch
                parts += _column(bar, middle, floor, box, min(_WIDE, step * 0.8), raised)
                names = in_lines(bar.name, step - 4, 11)
                ink = style.RED if bar.strong else style.INK
                parts += [
                    text(middle, floor + 16 + 14 * row, one, size=11, anchor="middle", ink=ink)
                    for row, one in enumerate(names)
                ]
                lowest = max(lowest, floor + 14 * len(names))
        lowest += 24
        for place, group in enumerate(self.groups):
            left = place * (room + _BETWEEN)
            parts += [
                text(left, lowest + 6 + 15 * row, one, weight=700)
                for row, one in enumerate(in_lines(f"→ {group.said}" if group.said else "", room, bold=True))
            ]
        return lowest + (26 if any(group.said for group in self.groups) else 0), parts


def _column(bar: Bar, middle: float, floor: float, box: float, wide: float, raised: int) -> list[str]:
    """A bar's boxes around ``middle``, on ``floor``, and its value above, ``raised`` by so many pixels."""
    ink = style.RED if bar.strong else style.SOFT
    top = floor - box * bar.value - 5
    gap = box / 8
    boxes = [
        rect(middle - wide / 2, floor - box * (row + 1) + gap / 2, wide, box - gap, f'fill="{ink}"')
        for row in range(bar.value)
    ]
    if box < _SMALLEST:
        boxes = [rect(middle - wide / 2, top + 5, wide, floor - top - 5, f'fill="{ink}"')]
    value = text(middle, top - raised, str(bar.value), size=11, anchor="middle", weight=700 if bar.strong else 400)
    return [*boxes, value] if bar.value else [rect(middle - wide / 2, floor - 1, wide, 1, f'fill="{style.RULE}"')]
