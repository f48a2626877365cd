"""``Picture``: blocks as a standalone SVG drawing, for slides and print, one below the other."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from . import style
from .blocks import Block, Dump, Faults, Ladder, Pairs, Ruler, Stack, States, Table, Title, seen_by
from .pen import SANS, WIDTH, Figure, in_lines, rect, text
from .svg_bytes import dump_figure, ruler_figure
from .svg_ladder import ladder_figure
from .svg_states import states_figure
from .svg_words import faults_figure, pairs_figure, stack_figure, table_figure, title_figure, words_figure
from .text import text_of
from .visible import harmless

MARGIN, GAP, TITLE = 24, 26, 19  # around all, between two figures, and the size of the title's letters
_RASTERISER = "cairosvg"  # not a dependency: most never ask for a .png


@dataclass(frozen=True)
class Picture:
    """A standalone SVG picture; its text is in ``<title>`` and ``<desc>``. It shows itself in a notebook;
    ``str(picture)`` is the SVG."""

    svg: str
    name: str  # what it would be called as a file, without a suffix

    def save(self, path: str | Path) -> Path:
        """Write it to ``path``, as its suffix says, and return the path; an existing file is replaced.

        A ``.png`` is twice as large, for sharp print, and needs cairosvg, which wslab does not bring.

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
        return bytes(cairosvg.svg2png(bytestring=self.svg.encode(), scale=2))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"picture {self.name!r}: .save({self.name + '.svg'!r}) writes it to a file"

    def __str__(self) -> str:
        return self.svg


_FIGURES: dict[type, Callable[[Any], Figure]] = {
    Title: title_figure, Table: table_figure, Pairs: pairs_figure, Stack: stack_figure, Faults: faults_figure,
    Ruler: ruler_figure, Dump: dump_figure, Ladder: ladder_figure, States: states_figure,
}  # fmt: skip


def figure_of(block: Block) -> Figure:
    """The block as a figure; one that has no figure of its own is drawn as its text."""
    draw = _FIGURES.get(type(block))
    return draw(block) if draw else words_figure(text_of([block], 100))


def picture_of(title: str, blocks: Iterable[Block], name: str = "") -> Picture:
    """The blocks one below the other on white paper, under a title.

    Args:
        title: stands above, in as many lines as it needs.
        blocks: in order. A ``Title`` that says the same as ``title`` gives only its place.
        name: what the picture is called as a file; made from the title where it is empty.
    """
    said = harmless(title)
    shown = [
        block._replace(said="") if isinstance(block, Title) and block.said == said else block
        for block in seen_by("svg", blocks)
    ]
    y = float(MARGIN)
    parts = []
    for part in in_lines(said, WIDTH, TITLE, bold=True) if said else []:
        parts.append(text(MARGIN, y + TITLE, part, size=TITLE, weight=700))
        y += TITLE + 5
    for figure in map(figure_of, shown):
        y += GAP if parts else 0
        parts.append(f'<g transform="translate({MARGIN} {y:g})">\n{figure.body}\n</g>')
        y += figure.height
    described = "\n".join(escape(harmless(part)) for part in text_of(shown).split("\n"))
    width, height = WIDTH + 2 * MARGIN, round(y + MARGIN)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{SANS}">\n'
        f"<title>{escape(said)}</title>\n<desc>{described}</desc>\n"
        + "\n".join([rect(0, 0, width, height, f'fill="{style.PAPER}"'), *parts])
        + "\n</svg>\n"
    )
    name = name or re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60].rstrip("-")
    return Picture(svg, name or "picture")
