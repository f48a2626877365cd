"""Explained bytes laid out: the bit ruler, the byte dump, the unmasking, and the rules that are broken."""

from __future__ import annotations

from collections.abc import Iterator

from ..drawing.blocks import LINE, ROW, Byte, Cell, Dump, Entry, Fault, Line, Ruler, Stack
from ..drawing.visible import count, hexed
from .field import Violation
from .view import FieldView, View, bit_range

RULED = 128  # Bits that a ruler shows: the longest header (14 bytes) and a little of what follows.
HEAD, TAIL = 64, 16  # Of bytes too many for a dump, the first HEAD and the last TAIL are shown.
UNMASKED = 16  # Bytes whose unmasking is shown.
POINTED = 6  # Most bytes whose bits are written out, with carets under the ones to blame.


def ruler(view: View, caption: str = "The first bits, 32 in a row") -> Ruler:
    """The figure of RFC 6455 section 5.2 with the first 128 of these bits in it."""
    data = view.explanation.data
    end = min(len(data) * 8, RULED)
    rows = [list(_row(view, row, min(row + ROW, end))) for row in range(0, end, ROW)]
    more = len(data) - RULED // 8
    return Ruler(caption, rows, f"… {count(more, 'more byte')}" if more > 0 else "")


def _row(view: View, first: int, last: int) -> Iterator[Cell]:
    for owner, field in enumerate(view.fields):
        start, stop = max(field.start, first), min(field.stop, last)
        if start < stop:
            continued = start > field.start
            spans = {(max(one.start, start), min(one.start + one.width, stop)) for one in view.violations}
            yield Cell(
                owner, field.name, start, stop, continued, stop == field.stop, _crossed(view, field, start, stop),
                "" if continued else _number(field, stop - start), sorted((a, b) for a, b in spans if a < b),
            )  # fmt: skip


def _crossed(view: View, field: FieldView, start: int, stop: int) -> list[str]:
    # Whole bytes in hex, others as bits.
    first, last = start // 8, -(-stop // 8)
    if start % 8 == 0 and stop % 8 == 0:
        return [view.hex_at(index) for index in range(first, last)]
    if field.hidden:
        return ["·"] * (stop - start)
    bits = "".join(f"{byte:08b}" for byte in view.explanation.data[first:last])
    return list(bits[start - first * 8 : stop - first * 8])


def _number(field: FieldView, width: int) -> str:
    # The value that the bits make, where it has room in a cell of ``width`` bits, two columns each.
    if field.number is None or not 1 < field.width <= 64:
        return ""
    said = f"= {field.number}"
    return said if len(said) < 2 * width else ""


def dump(view: View, *, head: int = HEAD, tail: int = TAIL, numbered: bool = False) -> Dump:
    """The bytes as hex and ASCII. Of long data, the first ``head`` and the last ``tail`` bytes are shown."""
    length = len(view.explanation.data)
    if length <= head + tail + LINE:
        head, tail = length, 0
    lines: list[Line | str] = [_line(view, start, min(start + LINE, head)) for start in range(0, head, LINE)]
    if tail:
        lines.append(f"… {count(length - head - tail, 'byte')} not shown …")
        lines += [_line(view, start, min(start + LINE, length)) for start in range(length - tail, length, LINE)]
    entries = [
        Entry(field.name, field.value, field.meaning, field.section, _blamed(view, field.start, field.stop))
        for field in view.fields
    ]
    caption = "The bytes in hex and as ASCII; numbers name the fields" if numbered else DUMP
    return Dump(caption, lines, entries, numbered)


DUMP = "The bytes, a bar where a field begins"


def _line(view: View, start: int, stop: int) -> Line:
    data = [
        Byte(
            view.hex_at(index), view.ascii_at(index), view.owners(index), index in view.boundaries,
            _blamed(view, index * 8, index * 8 + 8), view.hides(index),
        )
        for index in range(start, stop)
    ]  # fmt: skip
    return Line(start, data, stop == len(view.explanation.data) or stop in view.boundaries)


def _blamed(view: View, start: int, stop: int) -> bool:
    # Whether a rule is broken by some of these bits.
    return any(
        broken.width and broken.start < stop and start < broken.start + broken.width
        for broken in view.explanation.violations
    )


def unmasking(view: View) -> Stack | None:
    """The first masked bytes, the masking key under them and the bytes that both make; None where none are masked."""
    masked, plain, length = b"", b"", 0
    for field, shown in zip(view.explanation.fields, view.fields, strict=True):
        if field.plain is not None:
            length += field.width // 8
            if not shown.hidden:
                masked += field.raw[: UNMASKED + 1]
                plain += field.plain[: UNMASKED + 1]
    if not masked:
        return None
    masked, plain = masked[:UNMASKED], plain[:UNMASKED]
    key = bytes(one ^ other for one, other in zip(masked, plain, strict=True))
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in plain)
    more = f"… {count(length - UNMASKED, 'more byte')}" if length > UNMASKED else ""
    rows = (("masked", hexed(masked), more), ("XOR key", hexed(key), ""), ("unmasked", hexed(plain), text))
    return Stack("Unmasking", rows)


def fault(view: View, broken: Violation) -> Fault:
    """A broken rule, with the bits to blame and the fields that they lie in."""
    return Fault(
        broken.rule, broken.section, broken.sentence, broken.found, _where(view, broken), list(_pointed(view, broken))
    )


def _where(view: View, broken: Violation) -> str:
    # ``bits 9–15, Payload len``; empty for no bits.
    if not broken.width:
        return ""
    start, stop = broken.start, broken.start + broken.width
    names = [field.name for field in view.fields if field.start < stop and start < field.stop]
    said = f"{'bit' if broken.width == 1 else 'bits'} {bit_range(start, broken.width)}"
    return f"{said}, {' to '.join(dict.fromkeys((names[0], names[-1])))}" if names else said


def _pointed(view: View, broken: Violation) -> Iterator[str]:
    # The bytes around the bits, written as bits, and carets under these; nothing where they are many or withheld.
    blamed = range(broken.start, broken.start + broken.width)
    around = range(blamed.start // 8, -(-blamed.stop // 8))
    data = view.explanation.data
    if not blamed or len(around) > POINTED or around.stop > len(data) or any(map(view.hides, around)):
        return
    yield " ".join(f"{data[index]:08b}" for index in around)
    yield " ".join(
        "".join("^" if bit in blamed else " " for bit in range(index * 8, index * 8 + 8)) for index in around
    ).rstrip()
