"""The HTML painter: blocks as tables and lists that are read without any style.

No script, no ids, no inline styles. GitHub and JupyterLab (in a notebook that is not trusted) strip the style sheet,
so what is said must not need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from .blocks import (
    LINE,
    ROW,
    Block,
    Byte,
    Cell,
    Dump,
    Faults,
    Items,
    Ladder,
    Line,
    Notes,
    Pairs,
    Ruler,
    Rung,
    Stack,
    States,
    Stroke,
    Table,
    Title,
    Words,
    seen_by,
)
from .style import CSS, LANES, MARKED, lane_mark
from .table import Column, columns_of
from .text import text_of, tip_of
from .visible import harmless

_RFC = re.compile(r"RFC (\d{4,5}) (\d+(?:\.\d+)*)")


def html_of(blocks: Iterable[Block]) -> str:
    """The blocks in the one outer element that carries the style sheet."""
    painted = [part for part in map(_painted, seen_by("html", blocks)) if part]
    return "\n".join([f'<div class="wsv"><style>{CSS}</style>', *painted, "</div>"])


def _painted(block: Block) -> str:
    match block:
        case Title():
            place = f"<br>{_marks(block.place)}" if block.place else ""
            return f'<p class="wsv-title"><strong>{_text(block.said)}</strong>{place}</p>'
        case Words(code=True):
            return _pre(block.said)
        case Words():
            return "<p>" + "<br>".join(map(_marks, block.said.split("\n"))) + "</p>" if block.said else ""
        case Notes():
            return "<ul>" + "".join(f"<li>{_text(note)}</li>" for note in block.said) + "</ul>"
        case Table():
            return _table(block)
        case Pairs():
            body = "\n".join(f"<dt>{_text(name)}</dt><dd>{_marks(said)}</dd>" for name, said in block.rows)
            return f'<dl class="wsv-part wsv-facts">\n{body}\n</dl>'
        case Stack():
            body = "\n".join(
                f'<tr><th scope="row">{_text(name)}</th><td>{_code(said)}</td><td>{_code(more)}</td></tr>'
                for name, said, more in block.rows
            )
            caption = f"<caption>{block.caption}</caption>"
            return f'<table class="wsv-part wsv-mask">{caption}\n<tbody>\n{body}\n</tbody></table>'
        case Items():
            return _items(block)
        case Faults():
            return _faults(block)
        case Ruler():
            return _ruler(block)
        case Dump():
            lines = [f"       {line}" if isinstance(line, str) else _dump_line(line, block) for line in block.lines]
            return f'<p class="wsv-head">{block.caption}</p>\n<pre class="wsv-part">' + "\n".join(lines) + "</pre>"
        case Ladder():
            return _ladder(block)
        case States():
            return _pre(text_of([block]))
        case _:
            raise TypeError(f"no HTML for {block!r}")


def _text(said: str) -> str:
    return escape(harmless(said))


def _pre(said: str) -> str:
    return '<pre class="wsv-part">' + "\n".join(map(_text, said.split("\n"))) + "</pre>"


def _code(said: str) -> str:
    return f"<code>{_text(said)}</code>" if said else ""


def _marks(said: str) -> str:
    # A sentence with each lane's mark, and the word behind it, in its colour.
    return MARKED.sub(lambda match: f'<span class="{_class(LANES.index(match[1]))}">{match[0]}</span>', _text(said))


def _class(lane: int) -> str:
    return "wsv-s" if lane else "wsv-c"


def _section(section: str, said: str = "") -> str:
    # ``RFC 6455 5.2``, or ``said`` instead, as a link to that section; what is no section of an RFC as it is.
    match = _RFC.fullmatch(section)
    if not match:
        return _text(section)
    return f'<a href="https://www.rfc-editor.org/rfc/rfc{match[1]}#section-{match[2]}">{_text(said or section)}</a>'


def _tint(owner: int) -> str:
    return "wsv-even" if owner % 2 else "wsv-odd"


_LOOKS = {"fields": "wsv-part wsv-fields", "records": "wsv-records"}


def _table(block: Table) -> str:
    heads = columns_of(block.columns)
    numbers = [' class="wsv-number"' if head.right else "" for head in heads]
    caption = f"<caption>{_text(block.caption)}</caption>" if block.caption else ""
    top = "".join(
        f'<th scope="col"{number}>{_text(head.heading)}</th>' for head, number in zip(heads, numbers, strict=True)
    )
    body = ""
    for row in block.rows:
        body += "<tr>"
        for index, (cell, head) in enumerate(zip(row, heads, strict=True)):
            shown = _cell(cell, head)
            tag, scope = ("th", ' scope="row"') if index == block.row_heading else ("td", "")
            body += f"<{tag}{scope}{numbers[index]}>{shown}</{tag}>"
        body += "</tr>\n"
    table = f'<table class="wsv-table">{caption}<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table>'
    return f'<div class="{_LOOKS[block.look]}">{table}</div>' if block.look else table


def _cell(cell: str, head: Column) -> str:
    if not cell or head.code:
        return _code(cell)
    if head.wrong:
        return f'<strong class="wsv-red">{_text(cell)}</strong>'
    if head.cites is not None:
        return _section(head.cites + cell, cell)
    return _marks(cell) if MARKED.fullmatch(cell) else _text(cell)


def _items(block: Items) -> str:
    out = []
    for item in block.items:
        out.append(f"<dt><code>{_text(item.said)}</code></dt>")
        for said, section in item.notes:
            out.append(f"<dd>{_text(said)}{f' [{_section(section)}]' if section else ''}</dd>")
    out += [f"<dt>{block.left_out}</dt>"] if block.left_out else []
    return '<dl class="wsv-part wsv-lines">\n' + "\n".join(out) + "\n</dl>"


def _faults(block: Faults) -> str:
    items = [
        f"<li><p><strong>! {_text(fault.rule)}</strong>, {_section(fault.section)}</p>\n"
        f"<blockquote>“{_text(fault.sentence)}”</blockquote>\n<p>{_text(fault.found)}</p>"
        + (f"\n<p>{_text(fault.place)}</p>" if fault.place else "")
        + ("\n<pre>" + "\n".join(fault.pointed) + "</pre>" if fault.pointed else "")
        + "</li>"
        for fault in block.faults
    ]
    return (
        f'<p class="wsv-red"><strong>{block.heading}</strong></p>\n'
        '<ul class="wsv-part wsv-broken">\n' + "\n".join(items) + "\n</ul>"
    )


def _ruler(block: Ruler) -> str:
    quarters = "".join(f'<th scope="col" colspan="8">{bit}–{bit + 7}</th>' for bit in range(0, ROW, 8))
    body = "\n".join(
        f'<tr><th scope="row" class="wsv-at">byte {row[0].start // 8}</th>{"".join(map(_ruler_cell, row))}</tr>'
        for row in block.rows
    )
    more = f'<tfoot><tr><td></td><td colspan="32">{block.beyond}</td></tr></tfoot>' if block.beyond else ""
    return (
        f'<table class="wsv-part wsv-ruler"><caption>{block.caption}</caption>\n'
        f'<thead><tr><th scope="col" class="wsv-at">bits</th>{quarters}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>{more}</table>"
    )


def _ruler_cell(cell: Cell) -> str:
    classes = [_tint(cell.owner)]
    classes += ["wsv-bit"] if cell.width == 1 else []
    classes += ["wsv-up"] if cell.continued else []
    classes += ["wsv-on"] if not cell.ends else []
    number = f"<br><code>{_text(cell.number)}</code>" if cell.number else ""
    return (
        f'<td colspan="{cell.width}" class="{" ".join(classes)}">'
        f'<span class="wsv-name">{_text(cell.label)}</span><br><code>{_text(" ".join(cell.pieces))}</code>{number}</td>'
    )


def _dump_line(line: Line, block: Dump) -> str:
    runs = groupby(line.data, key=lambda byte: (byte.owners, byte.wrong))
    pairs = "".join(_dump_run(list(run), block) for _, run in runs) + ("|" if line.closed else " ")
    text = "".join(byte.character for byte in line.data)
    return f"{line.at:6d} {pairs}{' ' * (3 * (LINE - len(line.data)))}  {_text(text)}"


def _dump_run(run: Sequence[Byte], block: Dump) -> str:
    # Bytes that look alike: of the same fields, and all to blame or none.
    names = ", ".join(block.entries[owner].name for owner in run[0].owners)
    classes = _tint(run[0].owners[0] if run[0].owners else 0) + (" wsv-wrong" if run[0].wrong else "")
    pairs = " ".join(byte.hex for byte in run)
    return f'{"|" if run[0].begins else " "}<span class="{classes}" title="{_text(names)}">{pairs}</span>'


def _ladder(block: Ladder) -> str:
    rows = [
        _rung(rung)
        if isinstance(rung, Rung)
        else f'<tr><td></td><td></td><td colspan="2">{rung.said}</td><td></td></tr>'
        for rung in block.rungs
    ]
    lanes = "".join(
        f'<th scope="col" colspan="2"><span class="{_class(lane)}">{lane_mark(lane, said)}</span></th>'
        for lane, said in enumerate(block.lanes)
    )
    return (
        (f"<p>{_text(block.caption)}</p>\n" if block.caption else "") + '<table class="wsv-part wsv-ladder">\n'
        f'<thead><tr><th scope="col" class="wsv-number">#</th>{lanes}</tr>'
        "</thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody></table>"
    )


_SHAPES = {Stroke.DOTTED: " wsv-ends", Stroke.NONE: " wsv-note", Stroke.JAGGED: " wsv-bent"}


def _rung(rung: Rung) -> str:
    mark = f'<span class="{_class(rung.lane)}">{LANES[rung.lane]}</span>'
    said = f'<span class="wsv-red">{_text(rung.said)}</span>' if rung.wrong else _text(rung.said)
    parts = [f"<code>{said}</code>", '<span class="wsv-shaft"></span>', tip_of(rung)]
    arrow = f'<span class="wsv-arrow">{" ".join(reversed(parts) if rung.lane else parts)}</span>'
    left, right = ("", mark) if rung.lane else (mark, "")
    way = ("wsv-back" if rung.lane else "wsv-forth") + _SHAPES.get(rung.stroke, "")
    number = f"{rung.number} {rung.name}".rstrip()
    return (
        f'<tr class="{way}"><th scope="row" class="wsv-number">{number}</th><td class="wsv-lane">{left}</td>'
        f'<td colspan="2">{arrow}</td><td class="wsv-lane">{right}</td></tr>'
    )
