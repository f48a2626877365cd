"""Everything on this floor as HTML: the words of the text views, in tables and lists that are read without any style.

No script, no ids, no inline styles. GitHub and JupyterLab (in a notebook that is not trusted) strip the style sheet,
so what is said must not need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from ..drawing.style import CSS
from ..drawing.table import Html, table_html
from ..drawing.visible import count, harmless
from . import dump, ladder, listing, ruler
from .closing import CloseReport, closing_records, closing_rows
from .field import Explanation, Sender
from .record import Kind, Record
from .view import LETTERS, LINES, MARKS, FieldView, View, sender_mark
from .wording import BLANK, DUMP, FIELDS, RULER, UNMASKING, field_table, fields_at, pointed, unmasking_rows, where

__all__ = [
    "Html",
    "closing_html",
    "explanation_html",
    "handshake_html",
    "ladder_html",
    "recording_html",
    "records_html",
    "table_html",
    "wrapped",
]

_CLASS = {Sender.CLIENT: "wsv-c", Sender.SERVER: "wsv-s"}
_RFC = re.compile(r"RFC (\d{4,5}) (\d+(?:\.\d+)*)")


def wrapped(*parts: str) -> str:
    """``parts``, which are HTML, in the one outer element that carries the style sheet."""
    return f'<div class="wsv"><style>{CSS}</style>\n' + "\n".join(part for part in parts if part) + "\n</div>"


def explanation_html(explanation: Explanation, *, reveal: bool = False) -> str:
    """The whole explanation, in the words of ``explanation_text``.

    ``reveal=True`` shows secrets and the values that change from run to run.
    """
    return wrapped(explanation_part(explanation, reveal=reveal))


def explanation_part(explanation: Explanation, *, reveal: bool = False) -> str:
    """The same without the outer element and its style sheet, to be put beside other parts."""
    view = View(explanation, reveal)
    body = [_lines(view)] if view.is_head else [_ruler(view), _dump(view), _unmasking(view), _fields(view)]
    parts = [_title(view), *body, _violations(view), pairs_html(view.facts)]
    return "\n".join(part for part in parts if part)


def handshake_html(request: Explanation | None, response: Explanation | None, *, reveal: bool = False) -> str:
    """The opening handshake: the request's lines, then the response's, each explained."""
    return wrapped(*(explanation_part(head, reveal=reveal) for head in (request, response) if head is not None))


def records_html(records: Sequence[Record], *, title: str = "") -> str:
    """The records as a table; of more than 60, the first 48 and the last 12. ``title`` is its caption."""
    return wrapped(_records(records, title))


def recording_html(records: Sequence[Record], *, title: str) -> str:
    """The records as arrows and, below, as a table; ``title`` stands above both."""
    return wrapped(f"<p>{_text(title)}</p>", *([_ladder(records), _records(records)] if records else []))


def _records(records: Sequence[Record], title: str = "") -> str:
    if not records:
        return f"<p>{_text(title or listing.NOTHING)}</p>"
    columns, rows = listing.table(records)
    sender = next(index for index, column in enumerate(columns) if column is listing.FROM)
    broken = next(index for index, column in enumerate(columns) if column is listing.BROKEN)
    marked = []
    for row in rows:
        cells: list[str] = list(row)
        cells[sender] = _marked(row[sender])
        cells[broken] = Html(f'<strong class="wsv-red">{_text(row[broken])}</strong>') if row[broken] else ""
        marked.append(cells)
    table = table_html(columns, marked, caption=title or listing.caption(records), row_heading=0)
    return f'<div class="wsv-records">{table}</div>'


def ladder_html(records: Sequence[Record]) -> str:
    """The records as arrows between two lanes; of more than 60, the first 48 and the last 12."""
    return wrapped(_ladder(records))


def closing_html(records: Sequence[Record], reports: Iterable[CloseReport] = ()) -> str:
    """How one connection ended, in the words of ``closing_text``, which says what ``records`` are."""
    last = closing_records(records)
    return wrapped(_ladder(last) if last else "", pairs_html(closing_rows(last, reports)))


def pairs_html(pairs: Sequence[tuple[str, str]]) -> str:
    """Pairs of name and text as a list."""
    if not pairs:
        return ""
    body = "\n".join(f"<dt>{_text(name)}</dt><dd>{_marks(text)}</dd>" for name, text in pairs)
    return f'<dl class="wsv-part wsv-facts">\n{body}\n</dl>'


def section_html(section: str, said: str | None = None) -> str:
    """``RFC 6455 5.2``, or ``said`` instead, as a link to that section; what is no section of an RFC as it is."""
    match = _RFC.fullmatch(section)
    if not match:
        return _text(section)
    return f'<a href="https://www.rfc-editor.org/rfc/rfc{match[1]}#section-{match[2]}">{_text(said or section)}</a>'


def _text(text: str) -> str:
    return escape(harmless(text))


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>" if text else ""


def _marks(text: str) -> str:
    """A sentence of ours, with each ``● client`` and ``■ server`` in its colour."""
    shown = _text(text)
    for sender in Sender:
        mark = sender_mark(sender)
        shown = shown.replace(mark, f'<span class="{_CLASS[sender]}">{mark}</span>')
    return shown


def _marked(mark: str) -> str:
    """``● C`` in its colour."""
    sender = next((sender for sender in Sender if mark == f"{MARKS[sender]} {LETTERS[sender]}"), None)
    return mark if sender is None else Html(f'<span class="{_CLASS[sender]}">{mark}</span>')


def _title(view: View) -> str:
    return f'<p class="wsv-title"><strong>{_text(view.title)}</strong><br>{_marks(view.place)}</p>'


def _tint(index: int) -> str:
    return "wsv-even" if index % 2 else "wsv-odd"


def _ruler(view: View) -> str:
    rows = ruler.rows_of(view)
    if not rows or not rows[0]:
        return ""
    quarters = "".join(f'<th scope="col" colspan="8">{bit}–{bit + 7}</th>' for bit in range(0, ruler.ROW, 8))
    body = "\n".join(
        f'<tr><th scope="row" class="wsv-at">byte {row[0].start // 8}</th>{"".join(map(_ruler_cell, row))}</tr>'
        for row in rows
    )
    more = ruler.beyond(view)
    return (
        '<table class="wsv-part wsv-ruler"><caption>' + RULER + "</caption>\n"
        f'<thead><tr><th scope="col" class="wsv-at">bits</th>{quarters}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>"
        + (f'<tfoot><tr><td></td><td colspan="32">{more}</td></tr></tfoot>' if more else "")
        + "</table>"
    )


def _ruler_cell(cell: ruler.Cell) -> str:
    classes = [_tint(cell.field_index)]
    classes += ["wsv-bit"] if cell.width == 1 else []
    classes += ["wsv-up"] if cell.continued else []
    classes += ["wsv-on"] if not cell.ends else []
    number = f"<br><code>{_text(cell.number)}</code>" if cell.number else ""
    return (
        f'<td colspan="{cell.width}" class="{" ".join(classes)}">'
        f'<span class="wsv-name">{_text(cell.name)}</span><br><code>{_text(cell.crossed)}</code>{number}</td>'
    )


def _dump(view: View) -> str:
    if not view.explanation.data:
        return ""
    lines = []
    for span in dump.spans(len(view.explanation.data)):
        if isinstance(span, int):
            lines.append(f"       {dump.left_out(span)}")
            continue
        runs = "".join(_dump_run(view, run) for run in _runs(view, span))
        room = " " * (3 * (dump.LINE - len(span)))
        text = "".join(view.ascii_at(index) for index in span)
        lines.append(f"{span.start:6d} {runs}{dump.end_of(view, span)}{room}  {_text(text)}")
    return f'<p class="wsv-head">{DUMP}</p>\n<pre class="wsv-part">' + "\n".join(lines) + "</pre>"


def _runs(view: View, span: range) -> Iterator[range]:
    """The bytes of a line in runs that look alike: the same fields, and all to blame or none."""
    start = span.start
    for index in span:
        if index > start and _looks(view, index) != _looks(view, start):
            yield range(start, index)
            start = index
    yield range(start, span.stop)


def _looks(view: View, index: int) -> tuple[tuple[FieldView, ...], bool]:
    wrong = any(broken.start < index * 8 + 8 and index * 8 < broken.start + broken.width for broken in view.violations)
    return tuple(fields_at(view, index)), wrong


def _dump_run(view: View, run: range) -> str:
    fields, wrong = _looks(view, run.start)
    names = ", ".join(field.name for field in fields)
    bar = "|" if run.start in view.boundaries else " "
    classes = _tint(view.fields.index(fields[0])) if fields else "wsv-odd"
    classes += " wsv-wrong" if wrong else ""
    pairs = " ".join(view.hex_at(index) for index in run)
    return f'{bar}<span class="{classes}" title="{_text(names)}">{pairs}</span>'


def _unmasking(view: View) -> str:
    rows = unmasking_rows(view)
    if not rows:
        return ""
    body = "\n".join(
        f'<tr><th scope="row">{name}</th><td><code>{pairs}</code></td><td>{_code(text)}</td></tr>'
        for name, pairs, text in rows
    )
    return f'<table class="wsv-part wsv-mask"><caption>{UNMASKING}</caption>\n<tbody>\n{body}\n</tbody></table>'


def _fields(view: View) -> str:
    if not view.fields:
        return ""
    columns, rows = field_table(view)
    linked = [
        (*row[:-1], Html(section_html(field.section, row[-1]))) for row, field in zip(rows, view.fields, strict=True)
    ]
    table = table_html(columns, linked, caption=FIELDS, row_heading=1)
    return f'<div class="wsv-part wsv-fields">{table}</div>'


def _lines(view: View) -> str:
    out = []
    for line in view.lines[:LINES]:
        out.append(f"<dt><code>{_text(line.text or BLANK)}</code></dt>")
        out += [f"<dd>{_said(field, len(line.fields) > 1)}</dd>" for field in line.fields]
    if view.lines_left_out:
        out.append(f"<dt>{view.lines_left_out}</dt>")
    return '<dl class="wsv-part wsv-lines">\n' + "\n".join(out) + "\n</dl>"


def _said(field: FieldView, named: bool) -> str:
    name = f"{_text(field.name)}: " if named else ""
    section = f" [{section_html(field.section)}]" if field.section else ""
    return f"{name}{_text(field.meaning)}{section}"


def _violations(view: View) -> str:
    if not view.violations:
        return ""
    items = []
    for broken in view.violations:
        place = where(view, broken.start, broken.width)
        bits, carets = pointed(view, broken.start, broken.width)
        items.append(
            f"<li><p><strong>! {_text(broken.rule)}</strong>, {section_html(broken.section)}</p>\n"
            f"<blockquote>“{_text(broken.sentence)}”</blockquote>\n<p>{_text(broken.found)}</p>"
            + (f"\n<p>{_text(place)}</p>" if place else "")
            + (f"\n<pre>{bits}\n{carets}</pre>" if bits else "")
            + "</li>"
        )
    return (
        f'<p class="wsv-red"><strong>{count(len(view.violations), "rule")} broken</strong></p>\n'
        '<ul class="wsv-part wsv-broken">\n' + "\n".join(items) + "\n</ul>"
    )


def _ladder(records: Sequence[Record]) -> str:
    if not records:
        return f"<p>{listing.NOTHING}</p>"
    start, missing, end = listing.shown(records)
    several = listing.several(records)
    rows = [_rung(record, several) for record in start]
    if missing:
        rows.append(f'<tr><td></td><td></td><td colspan="2">{listing.left_out(missing)}</td><td></td></tr>')
    rows += [_rung(record, several) for record in end]
    client, server = (
        f'<th scope="col" colspan="2"><span class="{_CLASS[sender]}">{sender_mark(sender)}</span></th>'
        for sender in Sender
    )
    return (
        '<table class="wsv-part wsv-ladder">\n'
        f'<thead><tr><th scope="col" class="wsv-number">#</th>{client}{server}</tr>'
        "</thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody></table>"
    )


_SHAPES = {Kind.FIN: " wsv-ends", Kind.RESET: " wsv-ends", Kind.ERROR: " wsv-note", Kind.BEND: " wsv-bent"}


def _rung(record: Record, several: bool) -> str:
    name = f"{record.number} c{record.connection}" if several else str(record.number)
    mark = f'<span class="{_CLASS[record.sender]}">{MARKS[record.sender]}</span>'
    said = _text(ladder.label(record))
    said = f'<span class="wsv-red">{said}</span>' if record.violations or record.kind is Kind.ERROR else said
    right = record.sender is Sender.SERVER
    parts = [f"<code>{said}</code>", '<span class="wsv-shaft"></span>', ladder.tip(record)]
    arrow = f'<span class="wsv-arrow">{" ".join(reversed(parts) if right else parts)}</span>'
    lanes = ("", mark) if right else (mark, "")
    way = ("wsv-back" if right else "wsv-forth") + _SHAPES.get(record.kind, "")
    return (
        f'<tr class="{way}"><th scope="row" class="wsv-number">{name}</th><td class="wsv-lane">{lanes[0]}</td>'
        f'<td colspan="2">{arrow}</td><td class="wsv-lane">{lanes[1]}</td></tr>'
    )
