"""Everything on this floor as HTML: the same words as the text, in tables that are read without any style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .closing import CloseReport, closing_text
from .field import Explanation
from .ladder import ladder_text
from .listing import COLUMNS, rows
from .record import Record
from .style import CSS
from .table import table_html
from .text import explanation_text

__all__ = [
    "closing_html",
    "explanation_html",
    "handshake_html",
    "ladder_html",
    "records_html",
    "side_by_side_html",
    "table_html",
]


def wrapped(*parts: str) -> str:
    """``parts`` in the one outer element, with the style sheet."""
    return f'<div class="wslab"><style>{CSS}</style>\n' + "\n".join(part for part in parts if part) + "\n</div>"


def explanation_html(explanation: Explanation, *, reveal: bool = False) -> str:
    """The whole explanation, in the words of ``explanation_text``."""
    return wrapped(f"<pre>{escape(explanation_text(explanation, reveal=reveal))}</pre>")


def handshake_html(request: Explanation | None, response: Explanation | None, *, reveal: bool = False) -> str:
    """The opening handshake: the request's lines, then the response's, each explained."""
    return wrapped(
        *(f"<pre>{escape(explanation_text(one, reveal=reveal))}</pre>" for one in (request, response) if one)
    )


def records_html(records: Sequence[Record], *, caption: str = "") -> str:
    """The records as a table; of more than 60, the first 48 and the last 12."""
    return wrapped(table_html(COLUMNS, rows(records), caption=caption))


def ladder_html(records: Sequence[Record]) -> str:
    """The records as arrows between two lanes."""
    return wrapped(f"<pre>{escape(ladder_text(records))}</pre>")


def closing_html(records: Sequence[Record], reports: Iterable[CloseReport] = ()) -> str:
    """How one connection ended, in the words of ``closing_text``."""
    return wrapped(f"<pre>{escape(closing_text(records, reports))}</pre>")


def side_by_side_html(left: str, right: str, *, headings: tuple[str, str] = ("", "")) -> str:
    """Two fragments of HTML (already escaped) in two columns."""
    heads = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    return f'<table class="wslab-pair"><thead><tr>{heads}</tr></thead><tbody><tr><td>{left}</td><td>{right}</td></tr></tbody></table>'
