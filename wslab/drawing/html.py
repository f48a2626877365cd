"""The HTML painter: blocks as tables and lists that are read without any style.

No script, no ids, no inline styles. GitHub and JupyterLab (in a notebook that is not trusted) strip the style sheet,
so what is said must not need it.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from . import blocks
from .style import CSS, LANES, MARKED, lane_mark
from .table import Column, columns_of
from .text import text_of, tip_of
from .visible import harmless

_RFC = re.compile(r"RFC (\d{4,5}) (\d+(?:\.\d+)*)")


def html_of(shown: Iterable[blocks.Block]) -> str:
    """The blocks in the one outer element that carries the style sheet."""
    painted = filter(None, map(_painted, blocks.seen_by("html", shown)))
    return "\n".join([f'<div class="wsv"><style>{CSS}</style>', *painted, "</div>"])


def _painted(block: blocks.Painted) -> str:
    match block:
        case blocks.Title():
            place = f"<br>{_marks(block.place)}" if block.place else ""
            return f'<p class="wsv-title"><strong>{_text(block.said)}</strong>{place}</p>'
        case blocks.Words(code=True):
            return _pre(block.said)
        case blocks.Words():
            return "<p>" + "<br>".join(map(_marks, block.said.split("\n"))) + "</p>" if block.said else ""
        case blocks.Notes():
            return "<ul>" + "".join(f"<li>{_text(note)}</li>" for note in block.said) + "</ul>"
        case blocks.Table():
            return _table(block)
        case blocks.Pairs():
            return _part("dl", "facts", (f"<dt>{_text(name)}</dt><dd>{_marks(said)}</dd>" for name, said in block.rows))
        case blocks.Stack():
            rows = (
                f'<tr><th scope="row">{_text(name)}</th><td>{_code(said)}</td><td>{_code(more)}</td></tr>'
                for name, said, more in block.rows
            )
            return _grid("mask", f"<caption>{block.caption}</caption>", rows)
        case blocks.Items():
            return _items(block)
        case blocks.Faults():
            faults = _part("ul", "broken", map(_fault, block.faults))
            return f'<p class="wsv-red"><strong>{block.heading}</strong></p>\n{faults}'
        case blocks.Ruler():
            return _ruler(block)
        case blocks.Dump():
            lines = [f"       {line}" if isinstance(line, str) else _dump_line(line, block) for line in block.lines]
            return f'<p class="wsv-head">{block.caption}</p>\n<pre class="wsv-part">' + "\n".join(lines) + "</pre>"
        case blocks.Ladder():
            return _ladder(block)
        case blocks.States():
            return _pre(text_of([block]))


def _text(said: str) -> str:
    return escape(harmless(said))


def _pre(said: str) -> str:
    return '<pre class="wsv-part">' + "\n".join(map(_text, said.split("\n"))) + "</pre>"


def _part(tag: str, look: str, items: Iterable[str]) -> str:
    return f'<{tag} class="wsv-part wsv-{look}">\n' + "\n".join(items) + f"\n</{tag}>"


def _grid(look: str, head: str, rows: Iterable[str], foot: str = "") -> str:
    return f'<table class="wsv-part wsv-{look}">{head}\n<tbody>\n' + "\n".join(rows) + f"\n</tbody>{foot}</table>"


def _code(said: str) -> str:
    return f"<code>{_text(said)}</code>" if said else ""


def _marks(said: str) -> str:
    # A sentence with each lane's mark, and the word behind it, in its colour.
    return MARKED.sub(lambda match: _lane(LANES.index(match[1]), match[0]), _text(said))


def _lane(lane: int, said: str) -> str:
    return f'<span class="{"wsv-s" if lane else "wsv-c"}">{said}</span>'


def _section(section: str, said: str = "") -> str:
    # ``RFC 6455 5.2``, or ``said`` instead, as a link to that section; what is no section of an RFC as it is.
    match = _RFC.fullmatch(section)
    if not match:
        return _text(section)
    return f'<a href="https://www.rfc-editor.org/rfc/rfc{match[1]}#section-{match[2]}">{_text(said or section)}</a>'


_TINTS = ("wsv-odd", "wsv-even")
_LOOKS = {"fields": "wsv-part wsv-fields", "records": "wsv-records"}


def _table(block: blocks.Table) -> str:
    heads = columns_of(block.columns)
    numbers = [' class="wsv-number"' if head.right else "" for head in heads]
    caption = f"<caption>{_text(block.caption)}</caption>" if block.caption else ""
    top = "".join(
        f'<th scope="col"{number}>{_text(head.heading)}</th>' for head, number in zip(heads, numbers, strict=True)
    )
    body = ""
    for row in block.rows:
        body += "<tr>"
        for index, (cell, head, number) in enumerate(zip(row, heads, numbers, strict=True)):
            tag, scope = ("th", ' scope="row"') if index == block.row_heading else ("td", "")
            body += f"<{tag}{scope}{number}>{_cell(cell, head)}</{tag}>"
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


def _items(block: blocks.Items) -> str:
    out = []
    for line, notes in block.items:
        out.append(f"<dt><code>{_text(line)}</code></dt>")
        out += (f"<dd>{_text(said)}{f' [{_section(section)}]' if section else ''}</dd>" for said, section in notes)
    return _part("dl", "lines", [*out, f"<dt>{block.left_out}</dt>"] if block.left_out else out)


def _fault(fault: blocks.Fault) -> str:
    return (
        f"<li><p><strong>! {_text(fault.rule)}</strong>, {_section(fault.section)}</p>\n"
        f"<blockquote>“{_text(fault.sentence)}”</blockquote>\n<p>{_text(fault.found)}</p>"
        + (f"\n<p>{_text(fault.place)}</p>" if fault.place else "")
        + ("\n<pre>" + "\n".join(fault.pointed) + "</pre>" if fault.pointed else "")
        + "</li>"
    )


def _ruler(block: blocks.Ruler) -> str:
    quarters = "".join(f'<th scope="col" colspan="8">{bit}–{bit + 7}</th>' for bit in range(0, blocks.ROW, 8))
    head = f'<thead><tr><th scope="col" class="wsv-at">bits</th>{quarters}</tr></thead>'
    rows = (
        f'<tr><th scope="row" class="wsv-at">byte {row[0].start // 8}</th>{"".join(map(_ruler_cell, row))}</tr>'
        for row in block.rows
    )
    more = f'<tfoot><tr><td></td><td colspan="32">{block.beyond}</td></tr></tfoot>' if block.beyond else ""
    return _grid("ruler", f"<caption>{block.caption}</caption>\n{head}", rows, more)


def _ruler_cell(cell: blocks.Cell) -> str:
    looks = {"wsv-bit": cell.width == 1, "wsv-up": cell.continued, "wsv-on": not cell.ends}
    classes = " ".join([_TINTS[cell.owner % 2], *(name for name, holds in looks.items() if holds)])
    number = f"<br><code>{_text(cell.number)}</code>" if cell.number else ""
    return (
        f'<td colspan="{cell.width}" class="{classes}">'
        f'<span class="wsv-name">{_text(cell.label)}</span><br><code>{_text(" ".join(cell.pieces))}</code>{number}</td>'
    )


def _dump_line(line: blocks.Line, block: blocks.Dump) -> str:
    runs = groupby(line.data, key=lambda byte: (byte.owners, byte.wrong))
    pairs = "".join(_dump_run(list(run), block) for _, run in runs) + ("|" if line.closed else " ")
    text = "".join(byte.character for byte in line.data)
    return f"{line.at:6d} {pairs}{' ' * (3 * (blocks.LINE - len(line.data)))}  {_text(text)}"


def _dump_run(run: Sequence[blocks.Byte], block: blocks.Dump) -> str:
    # Bytes that look alike: of the same fields, and all to blame or none.
    owners = run[0].owners
    names = ", ".join(block.entries[owner].name for owner in owners)
    classes = _TINTS[owners[0] % 2 if owners else 0] + (" wsv-wrong" if run[0].wrong else "")
    pairs = " ".join(byte.hex for byte in run)
    return f'{"|" if run[0].begins else " "}<span class="{classes}" title="{_text(names)}">{pairs}</span>'


def _ladder(block: blocks.Ladder) -> str:
    lanes = (_lane(lane, lane_mark(lane, said)) for lane, said in enumerate(block.lanes))
    heads = "".join(f'<th scope="col" colspan="2">{lane}</th>' for lane in lanes)
    caption = f"<p>{_text(block.caption)}</p>\n" if block.caption else ""
    head = f'\n<thead><tr><th scope="col" class="wsv-number">#</th>{heads}</tr></thead>'
    return caption + _grid("ladder", head, map(_rung, block.rungs))


_SHAPES = {"dotted": " wsv-ends", "none": " wsv-note", "jagged": " wsv-bent"}


def _rung(rung: blocks.Rung | blocks.Gap) -> str:
    if not isinstance(rung, blocks.Rung):
        return f'<tr><td></td><td></td><td colspan="2">{rung.said}</td><td></td></tr>'
    said = f'<span class="wsv-red">{_text(rung.said)}</span>' if rung.wrong else _text(rung.said)
    parts = [f"<code>{said}</code>", '<span class="wsv-shaft"></span>', tip_of(rung)]
    ends = [_lane(rung.lane, LANES[rung.lane]), ""]
    if rung.lane:
        parts.reverse()
        ends.reverse()
    way = ("wsv-back" if rung.lane else "wsv-forth") + _SHAPES.get(rung.stroke, "")
    number = f"{rung.number} {rung.name}".rstrip()
    return (
        f'<tr class="{way}"><th scope="row" class="wsv-number">{number}</th><td class="wsv-lane">{ends[0]}</td>'
        f'<td colspan="2"><span class="wsv-arrow">{" ".join(parts)}</span></td><td class="wsv-lane">{ends[1]}</td></tr>'
    )
