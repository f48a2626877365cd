"""``Sheet``, the blocks that show a thing, and ``Shown``, which gives a thing its text, HTML and picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .blocks import Block
    from .picture import Picture


@dataclass(eq=False, repr=False)
class Sheet:
    """What is to be shown, once for all painters."""

    title: str  # Stands above the picture. Text and HTML have their titles among the blocks.
    blocks: Sequence[Block]
    name: str = ""  # what the picture is called as a file; made from the title where it is empty

    def text(self, width: int = 80) -> str:
        """Plain text, at most ``width`` columns wide."""
        from .text import text_of  # each painter loads when it is asked for

        return text_of(self.blocks, width)

    def html(self) -> str:
        """An HTML fragment with its own style sheet."""
        from .html import html_of

        return html_of(self.blocks)

    def picture(self) -> Picture:
        """A standalone picture on white paper."""
        from .picture import picture_of

        return picture_of(self.title, self.blocks, self.name)

    def svg(self) -> str:
        """The picture as SVG in the colours of the page that it is put on, light or dark."""
        from .style import themed

        return themed(self.picture().svg)


class Shown:
    """What shows itself as text, as HTML and as a picture: a subclass gives ``_sheet``."""

    def _sheet(self) -> Sheet:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()

    def picture(self) -> Picture:
        """It as a standalone picture (SVG), for slides and print; ``picture().save("name.svg")`` writes it."""
        return self._sheet().picture()


def sheet_of(thing: Shown) -> Sheet:
    """What ``thing`` shows itself with, to stand among other blocks."""
    return thing._sheet()
