"""The strokes and letters that the SVG painters draw with, and ``Figure``, what they make.

A figure goes onto a slide or paper, where no page brings a style sheet. So every colour is written out, every font has
fallbacks, and no element needs a style, a script or an id: PowerPoint, Inkscape and cairosvg support few of these.
Nobody knows which font will be used: widths are estimated, rather too large, and what does not fit is wrapped or cut.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from html import escape
from typing import NamedTuple

from . import style
from .visible import cells, fitting, harmless, wrap

SANS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
MONO = "Consolas, Menlo, 'Liberation Mono', 'DejaVu Sans Mono', monospace"
CODE = f' font-family="{MONO}"'  # the attribute that sets a text in the fixed-width font

WIDTH = 912  # a figure is this wide, in pixels; a sheet adds its margins

FIXED = 0.61  # width of a fixed-width font's letter, by its size
# The widths of Helvetica's and Arial's letters, by their size.
_WIDTHS = {
    0.22: "ijl'", 0.28: " !,./:;I[\\]ft|", 0.35: '()-`r{}"', 0.5: "*^ckvxyzJs", 0.56: "abdeghnopqu0123456789#$_?L",
    0.61: "+<=>~FTZ", 0.67: "&ABEKPSVXY", 0.72: "wCDHNRU", 0.78: "GOQ", 0.84: "mM", 1.02: "%W@",
}  # fmt: skip
_ADVANCE = {letter: width for width, letters in _WIDTHS.items() for letter in letters}
_OTHER = 0.8
# From here on, letters are from another font. Their width, by their columns in a terminal.
_FOREIGN = "\u0250"
_LENT = (0.0, 1.0, 1.25)
_GENEROUS, _BOLD = 1.1, 1.07  # another font may be so much wider; bold letters are so much wider
# The characters beyond ASCII in wslab's own sentences; they are as wide as others in the fixed-width fonts.
_OURS = "·…–—●■→←×“”‘’↓↑─│►◄"

SIZE = 12.0


class Figure(NamedTuple):
    """A drawing of a block, ``WIDTH`` wide, to be put on a page."""

    height: float  # in pixels
    body: str  # SVG elements, from (0, 0); all text in them is escaped


def text_width(said: str, size: float = SIZE, *, code: bool = False, bold: bool = False) -> float:
    """How wide ``said`` is in pixels, rather too wide than too narrow; fonts as wide as DejaVu Sans use all of it."""
    if code:
        return size * sum(FIXED if one < _FOREIGN or one in _OURS else _LENT[cells(one)] for one in said)
    width = sum(_ADVANCE.get(one) or (_OTHER if one < _FOREIGN else _LENT[cells(one)]) for one in said)
    return size * width * _GENEROUS * (_BOLD if bold else 1)


def fitted(said: str, room: float, size: float = SIZE, *, code: bool = False, bold: bool = False) -> str:
    """``said`` if ``room`` pixels hold it, else its start and ``…``."""
    measure = partial(text_width, size=size, code=code, bold=bold)
    if measure(said) <= room:
        return said
    return f"{fitting(said, room - measure('…'), measure).rstrip()}…" if room > size else ""


def in_lines(said: str, room: float, size: float = SIZE, *, code: bool = False, bold: bool = False) -> list[str]:
    """``said`` in lines that ``room`` pixels hold, broken at spaces where that is possible."""
    return wrap(said, room, partial(text_width, size=size, code=code, bold=bold))


def number(value: float) -> str:
    """A coordinate."""
    return f"{round(value, 2):g}"


def text(
    x: float, y: float, said: str, *, size: float = SIZE, anchor: str = "start", weight: int = 400,
    ink: str = style.INK, turned: bool = False, marks: bool = False, more: str = "",
) -> str:  # fmt: skip
    """One line of text, escaped and made harmless. ``turned`` runs it downwards, ``marks`` puts each ``● client`` and
    ``■ S`` in it into its colour, ``more`` holds further attributes, such as ``CODE``."""
    shown = harmless(said)
    if "  " in shown or shown != shown.strip(" "):
        more += ' xml:space="preserve"'
    more += f' font-weight="{weight}"' if weight != 400 else ""
    more += f' transform="rotate(90 {number(x)} {number(y)})"' if turned else ""
    return (
        f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}" text-anchor="{anchor}" fill="{ink}"{more}>'
        f"{style.MARKED.sub(_marked, escape(shown)) if marks else escape(shown)}</text>"
    )


def _marked(match: re.Match[str]) -> str:
    return f'<tspan fill="{style.LANE_INKS[style.LANES.index(match[1])]}" font-weight="600">{match[0]}</tspan>'


def texts(x: float, y: float, pieces: Iterable[tuple[str, str]], *, size: float = SIZE) -> str:
    """One line of several texts, each with its own attributes, set behind one another with a little space between."""
    spaces = ("", ' dx="8"')
    shown = "".join(
        f"<tspan{more}{spaces[place > 0]}>{escape(harmless(said))}</tspan>" for place, (said, more) in enumerate(pieces)
    )
    return f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}" fill="{style.INK}">{shown}</text>'


def rect(x: float, y: float, width: float, height: float, more: str) -> str:
    """A rectangle; ``more`` is its fill and stroke."""
    return f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" {more}/>'


def line(path: str, *, ink: str = style.INK, width: float = 1.25, more: str = "") -> str:
    """A stroke along ``path``, without fill."""
    return f'<path d="{path}" fill="none" stroke="{ink}" stroke-width="{number(width)}"{more}/>'


def rule(y: float, end: float) -> str:
    """A thin level line from the left edge."""
    return line(f"M0 {number(y)}H{number(end)}", ink=style.RULE, width=1)


def solid(path: str, ink: str = style.INK) -> str:
    """A filled shape."""
    return f'<path d="{path}" fill="{ink}"/>'


def mark(lane: int, x: float, y: float, size: float = 4.5) -> str:
    """A lane's mark around (x, y): a circle or a square."""
    fill = f'fill="{style.LANE_INKS[lane]}"'
    if lane == 0:
        return f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(size)}" {fill}/>'
    side = size * 1.8
    return rect(x - side / 2, y - side / 2, side, side, fill)


def badge(x: float, y: float, said: str, ink: str) -> str:
    """A number in a disc, or in a lozenge where it is long, around (x, y)."""
    half = max(9.0, text_width(said, 11, bold=True) / 2 + 5)
    return rect(x - half, y - 9, 2 * half, 18, f'rx="9" fill="{style.PAPER}" stroke="{ink}" stroke-width="1.5"') + text(
        x, y + 4, said, size=11, anchor="middle", weight=700, ink=ink
    )


def captioned(said: str) -> tuple[float, list[str]]:
    """What stands above a figure, and how far down it reaches."""
    lines = in_lines(harmless(said), WIDTH) if said else []
    return 4.0 + 16 * len(lines) if lines else 0.0, [
        text(0, 12 + 16 * index, shown, ink=style.SOFT, marks=True, more=' font-style="italic"')
        for index, shown in enumerate(lines)
    ]


def rounded(points: Sequence[tuple[float, float]]) -> str:
    """A path through ``points`` whose corners are round; each leg is level or upright."""
    path = f"M{_point(*points[0])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        path += f"L{_towards(corner, before)}Q{_point(*corner)} {_towards(corner, after)}"
    return f"{path}L{_point(*points[-1])}"


def _point(x: float, y: float) -> str:
    return f"{number(x)} {number(y)}"


def _towards(start: tuple[float, float], end: tuple[float, float]) -> str:
    # The point 7 pixels from ``start`` towards ``end``, at most half-way.
    across, down = end[0] - start[0], end[1] - start[1]
    part = min(7 / (abs(across) + abs(down) or 7), 0.5)
    return _point(start[0] + across * part, start[1] + down * part)
