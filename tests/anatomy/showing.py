"""What the tests show, each in a word: a block as text, as HTML and as a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wslab.anatomy.explained import explanation_sheet, handshake_sheet
from wslab.anatomy.explanation import Explanation
from wslab.anatomy.layout import DUMP, dump, ruler
from wslab.anatomy.record import CloseReport, Record
from wslab.anatomy.records import LANES, closing, ladder, records_table
from wslab.anatomy.view import View
from wslab.drawing.blocks import Block, Pairs, States, Table, Words
from wslab.drawing.html import html_of
from wslab.drawing.picture import Picture, figure_of, picture_of
from wslab.drawing.sheet import Sheet
from wslab.drawing.svg_states import state_layout as layout_of
from wslab.drawing.table import Column
from wslab.drawing.table import pairs_text as pairs_text
from wslab.drawing.table import table_text as table_text
from wslab.drawing.text import text_of


class Drawn:
    """A block for ``sheet``, with what it becomes in SVG and in words."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.body, self.text = figure_of(block).body, text_of([block])


def sheet(title: str, *figures: Drawn, name: str = "") -> Picture:
    return picture_of(title, [figure.block for figure in figures], name)


# As text


def explanation_text(one: Explanation, *, width: int = 80, reveal: bool = False) -> str:
    return explanation_sheet(one, reveal=reveal).text(width)


def handshake_text(request: Explanation | None, response: Explanation | None, *, reveal: bool = False) -> str:
    return handshake_sheet(request, response, reveal=reveal).text()


def ruler_text(one: Explanation, *, reveal: bool = False) -> str:
    return text_of([ruler(View(one, reveal), caption="")])


def dump_text(one: Explanation, *, head: int = 64, reveal: bool = False) -> str:
    return text_of([dump(View(one, reveal), head=head)]).removeprefix(DUMP).lstrip("\n")


def records_text(records: Sequence[Record], *, width: int = 80, title: str = "") -> str:
    return text_of([records_table(records, title)], width)


def ladder_text(records: Sequence[Record], *, width: int = 80) -> str:
    return text_of([ladder(records)], width)


def closing_text(records: Sequence[Record], reports: Iterable[CloseReport] = (), *, width: int = 80) -> str:
    return text_of(closing(records, reports), width)


# As HTML


def explanation_html(one: Explanation, *, reveal: bool = False) -> str:
    return explanation_sheet(one, reveal=reveal).html()


def handshake_html(request: Explanation | None, response: Explanation | None, *, reveal: bool = False) -> str:
    return handshake_sheet(request, response, reveal=reveal).html()


def records_html(records: Sequence[Record], *, title: str = "") -> str:
    return html_of([records_table(records, title)])


def ladder_html(records: Sequence[Record]) -> str:
    return html_of([ladder(records)])


def closing_html(records: Sequence[Record], reports: Iterable[CloseReport] = ()) -> str:
    return html_of(closing(records, reports))


def table_html(columns: Sequence[Column | str], rows: Sequence[Sequence[str]], **more: Any) -> str:
    return html_of([Table(columns, rows, **more)])


def pairs_html(pairs: Sequence[tuple[str, str]]) -> str:
    return html_of([Pairs(pairs)])


# As SVG


def ladder_svg(records: Sequence[Record], *, title: str = "Ladder") -> str:
    return Sheet(title, [ladder(records)]).svg()


def explanation_picture(one: Explanation, *, reveal: bool = False) -> Picture:
    return explanation_sheet(one, reveal=reveal).picture()


def ruler_figure(one: Explanation) -> Drawn:
    return Drawn(ruler(View(one)))


def dump_figure(one: Explanation) -> Drawn:
    return Drawn(dump(View(one), numbered=True))


def ladder_figure(records: Sequence[Record]) -> Drawn:
    return Drawn(ladder(records))


def words_figure(said: str) -> Drawn:
    return Drawn(Words(said))


def table_figure(columns: Sequence[Column | str], rows: Sequence[Sequence[str]], caption: str = "") -> Drawn:
    return Drawn(Table(columns, rows, caption))


def state_figure(states: Any, moves: Any, taken: Any = ()) -> Drawn:
    return Drawn(States(states, moves, tuple(taken), LANES))


def state_layout(states: Any, moves: Any, taken: Any = ()) -> dict[str, Any]:
    return layout_of(States(states, moves, tuple(taken), LANES))
