"""``Picture``: a panel as a standalone SVG drawing, for slides and print, made of figures one below the other.

This is the door for the floors above: the makers of figures are named here too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from ..drawing import style
from ..drawing.visible import harmless
from .drawing import SANS, WIDTH, Figure, in_lines, rect, text
from .dump_figure import dump_figure
from .field import Explanation
from .figures import broken_figure, explanation_figures, ruler_figure, table_figure, words_figure
from .ladder_figure import ladder_figure
from .state_diagram import Move, state_figure, state_layout
from .view import View

__all__ = [
    "Figure",
    "Move",
    "Picture",
    "broken_figure",
    "dump_figure",
    "explanation_figures",
    "explanation_picture",
    "ladder_figure",
    "ruler_figure",
    "sheet",
    "state_figure",
    "state_layout",
    "table_figure",
    "words_figure",
]

MARGIN = 24
GAP = 26
TITLE = 19
_RASTERISER = "cairosvg"
"""Not a dependency: what is below needs nothing but Python, and most never ask for a .png."""


@dataclass(frozen=True)
class Picture:
    """A standalone SVG picture; its text is in ``<title>`` and ``<desc>``.

    It shows itself in a notebook; ``str(picture)`` is the SVG.
    """

    svg: str
    name: str
    """What it would be called as a file, without a suffix."""

    def save(self, path: str | Path) -> Path:
        """Write it to ``path``, whose suffix says how.

        ``.svg`` is written as it is; ``.png``, twice as large for sharp print, needs cairosvg, which wslab does not
        bring. An existing file is replaced.

        Returns:
            The path.

        Raises:
            ValueError: another suffix.
            ModuleNotFoundError: ``.png`` without cairosvg.
            OSError: the file cannot be written.
        """
        path = Path(path)
        match path.suffix.lower():
            case ".svg":
                path.write_text(self.svg, encoding="utf-8")
            case ".png":
                path.write_bytes(self._png())
            case _:
                raise ValueError(f"{path.name!r}: a picture is saved as .svg or .png; try {path.stem + '.svg'!r}")
        return path

    def _png(self) -> bytes:
        try:
            cairosvg = import_module(_RASTERISER)
        except (ImportError, OSError) as error:  # OSError: it is there, but the C library cairo is not
            raise ModuleNotFoundError(
                "a .png needs cairosvg (pip install cairosvg) and the cairo library that it uses; a .svg needs neither"
            ) from error
        png: bytes = cairosvg.svg2png(bytestring=self.svg.encode(), scale=2)
        return png

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"picture {self.name!r}: .save({self.name + '.svg'!r}) writes it to a file"

    def __str__(self) -> str:
        return self.svg


def explanation_picture(explanation: Explanation, *, reveal: bool = False, name: str = "") -> Picture:
    """All that ``explanation_text`` says, drawn. ``reveal=True`` shows secrets and what changes from run to run."""
    return sheet(View(explanation, reveal).title, *explanation_figures(explanation, reveal=reveal), name=name)


def sheet(title: str, *figures: Figure, name: str = "") -> Picture:
    """The figures one below the other on white paper, under a title.

    Args:
        title: stands above, in as many lines as it needs.
        figures: in order; none of them wider than ``WIDTH``.
        name: what the picture is called as a file; made from the title where it is empty.
    """
    said = harmless(title)
    y = float(MARGIN)
    parts = []
    for part in in_lines(said, WIDTH, TITLE, bold=True) if said else []:
        y += TITLE
        parts.append(text(MARGIN, y, part, size=TITLE, weight=700))
        y += 5
    for figure in figures:
        y += GAP if parts else 0
        parts.append(f'<g transform="translate({MARGIN} {y:g})">\n{figure.body}\n</g>')
        y += figure.height
    width, height = WIDTH + 2 * MARGIN, round(y + MARGIN)
    described = "\n\n".join(figure.text for figure in figures if figure.text)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{SANS}">\n'
        f"<title>{escape(said)}</title>\n<desc>{_paragraphs(described)}</desc>\n"
        + "\n".join([rect(0, 0, width, height, f'fill="{style.PAPER}"'), *parts])
        + "\n</svg>\n"
    )
    return Picture(svg, name or _file_name(title))


def _paragraphs(said: str) -> str:
    """Lines of text as markup."""
    return "\n".join(escape(harmless(part)) for part in said.split("\n"))


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60].rstrip("-") or "picture"
