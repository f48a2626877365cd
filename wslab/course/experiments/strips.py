"""Strips: bytes in a row, one box each, with runs of them named, edges above and below, and a word beside them.

A strip is drawn as a picture. As text it says the same in words, for a terminal and for who does not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil
from typing import NamedTuple

from ...drawing import style
from ...drawing.pen import CODE, fitted, in_lines, line, rect, text, text_width
from ...drawing.picture import Picture
from ...drawing.style import themed
from ...drawing.visible import count
from .drawn import MARGIN, WIDTH

_ABOVE, _BOX, _BELOW = 38, 26, 34  # heights, in pixels: what stands above the boxes, the boxes, what stands below
_LINE = 62  # from a line of boxes to the next one of the same strip
_WIDEST = 22  # pixels of a box, where few bytes leave it the choice
_LEAST = (16.0, 9.0)  # pixels that a byte needs as hex, and as a character
_LABEL = 11.0


class Stretch(NamedTuple):
    """Some of the bytes, from ``start`` up to ``stop``, and what they are."""

    name: str
    start: int
    stop: int
    strong: bool = False  # drawn with a frame of its own


class Strip(NamedTuple):
    """Bytes in a row.

    Args:
        name: what the row is.
        data: its bytes.
        runs: what some of them are.
        above, below: after which byte an edge stands, above and below the row.
        edges: what the edges above and those below are called.
        said: what came of it.
        letters: whether a byte is shown as a character, and else as hex.
    """

    name: str
    data: bytes
    runs: Sequence[Stretch] = ()
    above: Sequence[int] = ()
    below: Sequence[int] = ()
    edges: tuple[str, str] = ("", "")
    said: str = ""
    letters: bool = True


def character(byte: int) -> str:
    """A byte as a character; ``·`` where it is none that can be seen."""
    return chr(byte) if 0x20 <= byte < 0x7F else "·"


class Strips:
    """Strips under one another, and a title above."""

    def __init__(self, title: str, strips: Sequence[Strip]) -> None:
        self.title, self.strips = title, tuple(strips)

    def __repr__(self) -> str:
        return "\n".join([self.title, *("\n".join(_words(strip)) for strip in self.strips)])

    def picture(self) -> Picture:
        """The strips as a standalone picture."""
        least = _LEAST[all(strip.letters for strip in self.strips)]
        longest = max((len(strip.data) for strip in self.strips), default=0) or 1
        per = ceil(longest / ceil(longest * least / WIDTH))  # boxes of a line
        y, parts = MARGIN + 8.0, [text(MARGIN, MARGIN + 8, self.title, size=15, weight=700)]
        for strip in self.strips:
            tall, drawn = _drawn(strip, y + 14, per)
            parts += drawn
            y += 14 + tall
        width, height = WIDTH + 2 * MARGIN, round(y + MARGIN)
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}">\n<title>{escape(self.title)}</title>\n<desc>{escape(repr(self))}</desc>\n'
            + "\n".join([rect(0, 0, width, height, f'fill="{style.PAPER}"'), *parts])
            + "\n</svg>\n"
        )
        return Picture(svg, "strips")

    def svg(self) -> str:
        """The picture in the colours of the page, light or dark."""
        return themed(self.picture().svg)

    def _repr_html_(self) -> str:
        # As image/svg+xml JupyterLab makes an image of it, and a page's colours do not reach into that.
        return self.svg()


def _words(strip: Strip) -> list[str]:
    shown = "".join(map(character, strip.data)) if strip.letters else ""
    runs = [f"{run.name}: {_span(run)}" for run in strip.runs if run.name]
    edges = [
        f"{name} after byte {', '.join(map(str, places))}"
        for name, places in zip(strip.edges, (strip.above, strip.below), strict=True)
        if places
    ]
    said = [f"→ {strip.said}"] if strip.said else []
    lines = [shown, "; ".join(runs), *edges, *said]
    return [f"{strip.name} ({count(len(strip.data), 'byte')})", *(f"    {one}" for one in lines if one)]


def _span(run: Stretch) -> str:
    return f"byte {run.start}" if run.stop - run.start == 1 else f"bytes {run.start} to {run.stop - 1}"


def _drawn(strip: Strip, y: float, per: int) -> tuple[float, list[str]]:
    """Its height, and the strip's parts from ``y`` on downwards, in lines of ``per`` boxes."""
    each, size = min(_WIDEST, WIDTH / per), 12.0 if strip.letters else 11.0
    name = f"{strip.name} ({count(len(strip.data), 'byte')})"
    parts = [text(MARGIN, y + 14, name, weight=700)]
    bottom = y + _ABOVE - _LINE + _BOX
    for first in range(0, max(1, len(strip.data)), per):
        bottom += _LINE
        parts += _boxes(strip, first, strip.data[first : first + per], bottom - _BOX, each, size)
    above, below = strip.edges
    if strip.above and above:
        parts.append(text(MARGIN + WIDTH, y + 14, above, anchor="end", ink=style.LANE_INKS[0]))
    if strip.below and below:
        parts.append(text(MARGIN + WIDTH, bottom + 26, below, anchor="end", ink=style.LANE_INKS[1]))
    said = in_lines(f"→ {strip.said}", WIDTH, bold=True) if strip.said else []
    parts += [text(MARGIN, bottom + 19 + 15 * row, one, weight=700) for row, one in enumerate(said)]
    return bottom - y + _BELOW + 15 * max(0, len(said) - 1), parts


def _boxes(strip: Strip, first: int, data: bytes, top: float, each: float, size: float) -> list[str]:
    """A line of boxes, with the byte ``first`` at the left."""
    parts, free = [], 0.0
    stop = first + len(data)
    for place, byte in enumerate(data, first):
        x = MARGIN + (place - first) * each
        own = [number for number, run in enumerate(strip.runs) if run.start <= place < run.stop]
        tint = (style.TINT, style.TINT2)[own[0] % 2] if own else style.PAPER
        parts.append(rect(x, top, each, _BOX, f'fill="{tint}" stroke="{style.RULE}" stroke-width="0.5"'))
        shown = character(byte) if strip.letters else f"{byte:02x}"
        parts.append(text(x + each / 2, top + 17, shown, size=size, anchor="middle", more=CODE))
    for run in (one for one in strip.runs if one.start < stop and one.stop > first):
        left, right = (MARGIN + (place - first) * each for place in (max(run.start, first), min(run.stop, stop)))
        if run.strong:
            frame = f'fill="none" stroke="{style.RED}" stroke-width="2.5"'
            parts.append(rect(left, top - 2, right - left, _BOX + 4, frame))
        if run.name and first <= (run.start + run.stop) // 2 < stop:  # on the line with most of its bytes
            x = max(left + 3, free)
            shown = fitted(run.name, MARGIN + WIDTH - x, _LABEL)
            free = x + text_width(shown, _LABEL) + 5
            parts.append(text(x, top - 7, shown, size=_LABEL, ink=style.RED if run.strong else style.SOFT))
    for places, direction, ink in ((strip.above, -1, style.LANE_INKS[0]), (strip.below, 1, style.LANE_INKS[1])):
        start = top if direction < 0 else top + _BOX
        for x in (MARGIN + (place - first) * each for place in places if first < place <= stop):
            parts.append(
                line(f"M{x:.1f} {start + 6 * -direction:.1f}V{start + 13 * direction:.1f}", ink=ink, width=2.5)
            )
    return parts
