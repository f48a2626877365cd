"""Explanations laid out: one with its ruler, dump and fields, the two heads of a handshake, and one as JSON."""

import re
from collections.abc import Iterator
from typing import Any

from ..drawing.blocks import DRAWN, READ, Block, Faults, Items, Only, Pairs, Table, Title, Words
from ..drawing.sheet import Sheet
from ..drawing.table import Column
from ..drawing.visible import count, left_out
from .field import Explained
from .hex_text import HIDDEN_BYTE
from .layout import bit_range, dump, fault, ruler, unmasking
from .view import View

# Bytes of hex that one explanation or field carries as JSON; ``length`` and ``width`` say how many there are.
SENT = 4096
LINES = 128  # lines of a head that are shown

_COLUMNS = (
    Column("bits"), Column("field", wraps=True, most=16), Column("value", wraps=True, most=20, code=True),
    Column("meaning", wraps=True),
)  # fmt: skip
_DOCUMENT = re.compile(r"RFC \d+ (?=[\d.]+$)")


def explanation_sheet(explanation: Explained, *, reveal: bool = False) -> Sheet:
    """The whole explanation: title, bit ruler, byte dump, unmasking, fields, broken rules, facts. In its picture the
    dump lists the fields under their numbers, so that the table of fields is left out. ``reveal=True`` shows secrets
    and the values that change from run to run."""
    view = View(explanation, reveal)
    return Sheet(view.title, list(_blocks(view)))


def handshake_sheet(request: Explained | None, response: Explained | None, *, reveal: bool = False) -> Sheet:
    """The opening handshake: the request's lines, then the response's, each explained."""
    sheets = [explanation_sheet(head, reveal=reveal) for head in (request, response) if head is not None]
    blocks = [block for one in sheets for block in (Words("", close=True), *one.blocks)]
    # In text, two blank lines between both.
    return Sheet("Opening handshake", blocks[1:] or [Words("no opening handshake was recorded")])


def _blocks(view: View) -> Iterator[Block]:
    yield Title(view.title, view.place)
    if view.is_head:
        yield Only(READ, [_lines(view)])
    elif view.explanation.data:
        if view.fields:
            yield ruler(view)
        yield Only(READ, [dump(view)])
    if view.explanation.data:
        yield Only(DRAWN, [dump(view, numbered=True)])
    if not view.is_head:
        if (masked := unmasking(view)) is not None:
            yield masked
        if view.fields:
            yield Only(READ, [_fields(view)])
    if view.violations:
        yield Faults(f"{count(len(view.violations), 'rule')} broken", [fault(view, one) for one in view.violations])
    if view.facts:
        yield Pairs(view.facts)


def _lines(view: View) -> Items:
    # A head's lines, each with what its fields mean.
    lines = view.lines
    items = []
    for text, fields in lines[:LINES]:
        notes = [(f"{one.name}: {one.meaning}" if len(fields) > 1 else one.meaning, one.section) for one in fields]
        items.append((text or "(blank line)", notes))
    return Items(items, left_out(len(lines) - LINES, "line"))


def _fields(view: View) -> Table:
    # The fields; the last column is the section, under the RFC's name where all are of one RFC.
    documents = {place[0] if (place := _DOCUMENT.match(field.section)) else "" for field in view.fields}
    document = documents.pop() if len(documents) == 1 else ""
    rows = [
        (bit_range(one.start, one.stop), one.name, one.value, one.meaning, one.section.removeprefix(document))
        for one in view.fields
    ]
    column = Column(document.rstrip() or "section", wraps=True, most=16, cites=document)
    return Table((*_COLUMNS, column), rows, "The fields", row_heading=1, look="fields")


def ruler_sheet(explanation: Explained, reveal: bool) -> Sheet:
    """The bit ruler alone."""
    view = View(explanation, reveal)
    return Sheet(view.title, [ruler(view, caption="")])


def explanation_json(explanation: Explained, reveal: bool) -> dict[str, Any]:
    """The explanation as plain JSON values; see ``Explanation.to_json``."""
    view = View(explanation, reveal, steady=False)
    return {
        "title": view.title,
        "sender": None if explanation.sender is None else explanation.sender.label,
        "offset": explanation.offset,
        "length": len(explanation.data),
        "data": _hex(view, 0, len(explanation.data)),
        "fields": [_field(view, index) for index in range(len(explanation.fields))],
        "violations": [broken._asdict() for broken in view.violations],
        "facts": [list(pair) for pair in view.facts],
        "inflated": None if explanation.inflated is None else explanation.inflated[:SENT].hex(),
        "inflated_length": None if explanation.inflated is None else len(explanation.inflated),
    }


def _hex(view: View, first: int, stop: int) -> str:
    return "".join(view.hex_at(index) for index in range(first, min(stop, first + SENT, len(view.explanation.data))))


def _field(view: View, index: int) -> dict[str, Any]:
    one, shown = view.explanation.fields[index], view.fields[index]
    first, stop = one.start // 8, -(-one.stop // 8)
    plain = None if one.plain is None else one.plain[:SENT].hex()
    return {
        "name": shown.name, "start": one.start, "width": one.width, "raw": _hex(view, first, stop),
        "value": shown.value, "is_number": shown.number is not None,
        "bits": None if shown.hidden or one.width > 64 else one.bits,
        "meaning": shown.meaning, "section": shown.section,
        "plain": HIDDEN_BYTE * (stop - first) if plain is not None and shown.hidden else plain,
        "secret": one.secret,
    }  # fmt: skip
