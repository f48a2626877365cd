"""The byte dump: hex and ASCII, sixteen bytes a line, with a bar where a field begins."""

from __future__ import annotations

from collections.abc import Iterator

from ..drawing.visible import count
from .view import View

LINE = 16
HEAD = 64
TAIL = 16
"""Of bytes too many to show, the first HEAD and the last TAIL are shown."""


def spans(length: int, head: int = HEAD, tail: int = TAIL) -> Iterator[range | int]:
    """The byte positions to show, a line at a time; an int stands for that many left out."""
    if length <= head + tail + LINE:
        head, tail = length, 0
    for start in range(0, head, LINE):
        yield range(start, min(start + LINE, head))
    if tail:
        yield length - head - tail
        for start in range(length - tail, length, LINE):
            yield range(start, min(start + LINE, length))


def left_out(number: int) -> str:
    """The line that stands for bytes left out."""
    return f"… {count(number, 'byte')} not shown …"


def end_of(view: View, span: range) -> str:
    """What closes a line: a bar where its last field ends with it."""
    return "|" if span.stop == len(view.explanation.data) or span.stop in view.boundaries else " "


def draw(view: View, head: int = HEAD, tail: int = TAIL) -> str:
    """The dump as text, 76 columns wide."""
    length = len(view.explanation.data)
    lines = []
    for span in spans(length, head, tail):
        if isinstance(span, int):
            lines.append(f"       {left_out(span)}")
            continue
        pairs = "".join(("|" if index in view.boundaries else " ") + view.hex_at(index) for index in span)
        pairs += end_of(view, span)
        text = "".join(view.ascii_at(index) for index in span)
        lines.append(f"{span.start:6d} {pairs:<{3 * LINE + 1}}  {text}")
    return "\n".join(lines)
