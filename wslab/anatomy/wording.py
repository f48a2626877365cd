"""The words in which a view is told, shared by text and HTML: rows of fields, where a rule is broken, the unmasking."""

from __future__ import annotations

import re

from ..drawing.table import Column
from ..drawing.visible import count, hex_pairs
from .view import FieldView, View, bit_range

UNMASKED = 16
"""Bytes of which the unmasking is shown."""
POINTED = 6
"""Bytes at most whose bits are written out to point at some of them."""

RULER = "The first bits, 32 in a row"
DUMP = "The bytes, a bar where a field begins"
UNMASKING = "Unmasking"
FIELDS = "The fields"
BLANK = "(blank line)"

COLUMNS = (
    Column("bits"),
    Column("field", wraps=True, most=16),
    Column("value", wraps=True, most=20, code=True),
    Column("meaning", wraps=True),
)
_DOCUMENT = re.compile(r"(RFC \d+) ([\d.]+)")


def field_table(view: View) -> tuple[list[Column], list[tuple[str, ...]]]:
    """The fields as columns and rows; the last column is the section, under the RFC's name where it is one."""
    sections = [field.section for field in view.fields]
    places = [_DOCUMENT.fullmatch(section) for section in sections]
    documents = {place[1] if place else "" for place in places}
    heading = "section"
    if len(documents) == 1 and "" not in documents:
        heading = documents.pop()
        sections = [place[2] for place in places if place]
    rows: list[tuple[str, ...]] = [
        (field.range, field.name, field.value, field.meaning, section)
        for field, section in zip(view.fields, sections, strict=True)
    ]
    return [*COLUMNS, Column(heading, wraps=True, most=16)], rows


def fields_at(view: View, index: int) -> list[FieldView]:
    """The fields that have bits in the byte at ``index``."""
    return [field for field in view.fields if field.start < index * 8 + 8 and index * 8 < field.stop]


def where(view: View, start: int, width: int) -> str:
    """``bits 9–15, Payload len``: which bits are to blame and the fields that they lie in; empty for no bits."""
    if not width:
        return ""
    names = [field.name for field in view.fields if field.start < start + width and start < field.stop]
    named = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}" if names else ""
    said = f"{'bit' if width == 1 else 'bits'} {bit_range(start, width)}"
    return f"{said}, {named}" if named else said


def pointed(view: View, start: int, width: int) -> tuple[str, str]:
    """The bytes around some bits, written as bits, and carets under these; empty where they are many or withheld."""
    first, stop = start // 8, -(-(start + width) // 8)
    if not width or stop - first > POINTED or stop > len(view.explanation.data):
        return "", ""
    if any(map(view.hides, range(first, stop))):
        return "", ""
    bits, carets = [], []
    for index in range(first, stop):
        bits.append(f"{view.explanation.data[index]:08b}")
        carets.append("".join("^" if start <= bit < start + width else " " for bit in range(index * 8, index * 8 + 8)))
    return " ".join(bits), " ".join(carets).rstrip()


def unmasking_rows(view: View) -> list[tuple[str, str, str]]:
    """``(name, hex, text)`` of the first masked bytes, the masking key under them and the bytes that both make."""
    masked, plain = b"", b""
    for field, shown in zip(view.explanation.fields, view.fields, strict=True):
        if field.plain is not None and not shown.hidden:
            masked += field.raw[: UNMASKED + 1]
            plain += field.plain[: UNMASKED + 1]
    if not masked:
        return []
    length = sum(field.width // 8 for field in view.explanation.fields if field.plain is not None)
    masked, plain = masked[:UNMASKED], plain[:UNMASKED]
    key = bytes(one ^ other for one, other in zip(masked, plain, strict=True))
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in plain)
    more = f"… {count(length - UNMASKED, 'more byte')}" if length > UNMASKED else ""
    return [("masked", hex_pairs(masked), more), ("XOR key", hex_pairs(key), ""), ("unmasked", hex_pairs(plain), text)]
