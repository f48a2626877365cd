"""Explained bytes laid out: the bit ruler, the byte dump, the unmasking, and the rules that are broken."""

from collections.abc import Iterator

from ..drawing.blocks import LINE, ROW, Cell, Dump, Entry, Fault, Line, Ruler, Stack
from ..drawing.visible import count, hexed, left_out
from .field import Violation
from .view import View, letter

RULED = 128  # bits that a ruler shows: the longest header (14 bytes) and a little of what follows
HEAD, TAIL = 64, 16  # of bytes too many for a dump, the first HEAD and the last TAIL are shown
UNMASKED = 16  # bytes whose unmasking is shown
POINTED = 6  # most bytes whose bits are written out, with carets under the ones to blame
DUMP = "The bytes, a bar where a field begins"


def bit_range(start: int, stop: int) -> str:
    """``4–7``, or ``4`` for one bit."""
    return str(start) if stop - start <= 1 else f"{start}–{stop - 1}"


def ruler(view: View, caption: str = "The first bits, 32 in a row") -> Ruler:
    """The figure of RFC 6455 section 5.2 with the first 128 of these bits in it."""
    data = view.explanation.data
    end = min(len(data) * 8, RULED)
    rows = [list(_row(view, row, min(row + ROW, end))) for row in range(0, end, ROW)]
    return Ruler(caption, rows, _more(len(data) - RULED // 8))


def _more(missing: int) -> str:
    return f"… {count(missing, 'more byte')}" if missing > 0 else ""


def _row(view: View, first: int, last: int) -> Iterator[Cell]:
    for owner, field in enumerate(view.fields):
        start, stop = max(field.start, first), min(field.stop, last)
        if start < stop:
            spans = {(max(one.start, start), min(one.start + one.width, stop)) for one in view.violations}
            wrong = sorted((begin, end) for begin, end in spans if begin < end)
            number = f"= {field.number}" if field.number is not None and 1 < field.stop - field.start <= 64 else ""
            fits = start == field.start and len(number) < 2 * (stop - start)  # a bit is two columns wide
            yield Cell(
                owner, field.name, start, stop, start > field.start, stop == field.stop,
                _crossed(view, field, start, stop), number if fits else "", wrong,
            )  # fmt: skip


def _crossed(view: View, field: Entry, start: int, stop: int) -> list[str]:
    # Whole bytes in hex, others as bits.
    first, last = start // 8, -(-stop // 8)
    if start % 8 == 0 and stop % 8 == 0:
        return [view.hex_at(index) for index in range(first, last)]
    if field.hidden:
        return ["·"] * (stop - start)
    bits = "".join(f"{byte:08b}" for byte in view.explanation.data[first:last])
    return list(bits[start - first * 8 : stop - first * 8])


def dump(view: View, *, head: int = HEAD, numbered: bool = False) -> Dump:
    """The bytes as hex and ASCII. Of long data, the first ``head`` and the last 16 bytes are shown."""
    length = len(view.explanation.data)
    if length <= head + TAIL + LINE:
        lines = _lines(view, 0, length)
    else:
        missing = left_out(length - head - TAIL, "byte")
        lines = [*_lines(view, 0, head), missing, *_lines(view, length - TAIL, length)]
    caption = "The bytes in hex and as ASCII; numbers name the fields" if numbered else DUMP
    return Dump(caption, lines, view.fields, numbered)


def _lines(view: View, first: int, last: int) -> list[Line | str]:
    lines: list[Line | str] = []
    for start in range(first, last, LINE):
        stop = min(start + LINE, last)
        closed = stop == len(view.explanation.data) or any(field.start // 8 == stop for field in view.fields)
        lines.append(Line(start, [*map(view.byte_at, range(start, stop))], closed))
    return lines


def unmasking(view: View) -> Stack | None:
    """The first masked bytes, the masking key under them and the bytes that both make; None where none are masked."""
    pairs, length = list[tuple[int, int]](), 0
    for field, shown in zip(view.explanation.fields, view.fields, strict=True):
        if field.plain is not None:
            length += field.width // 8
            pairs += zip(field.raw[:UNMASKED], b"" if shown.hidden else field.plain[:UNMASKED], strict=False)
    if not pairs:
        return None
    masked, plain = map(bytes, zip(*pairs[:UNMASKED], strict=True))
    key = bytes(one ^ other for one, other in pairs[:UNMASKED])
    above, below = _more(length - UNMASKED), "".join(map(letter, plain))
    rows = (("masked", hexed(masked), above), ("XOR key", hexed(key), ""), ("unmasked", hexed(plain), below))
    return Stack("Unmasking", rows)


def fault(view: View, broken: Violation) -> Fault:
    """A broken rule, with the bits to blame and the fields that they lie in."""
    start, stop = broken.start, broken.start + broken.width
    place = f"{'bit' if broken.width == 1 else 'bits'} {bit_range(start, stop)}" if broken.width else ""
    if names := [field.name for field in view.fields if place and field.start < stop and start < field.stop]:
        place += f", {' to '.join(dict.fromkeys((names[0], names[-1])))}"
    return Fault(broken.rule, broken.section, broken.sentence, broken.found, place, _pointed(view, range(start, stop)))


def _pointed(view: View, blamed: range) -> list[str]:
    # The bytes around the bits, written as bits, and carets under these; nothing where they are many or withheld.
    around = range(blamed.start // 8, -(-blamed.stop // 8))
    data = view.explanation.data
    if not blamed or len(around) > POINTED or around.stop > len(data) or any(map(view.hides, around)):
        return []
    carets = ("".join(" ^"[bit in blamed] for bit in range(index * 8, index * 8 + 8)) for index in around)
    return [" ".join(f"{data[index]:08b}" for index in around), " ".join(carets).rstrip()]
