"""Tables as text: columns, how they share the room there is, and what does not fit."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from .visible import cells, clip, harmless, pad, wrap

GAP = 2


class Column(NamedTuple):
    """How one column is set."""

    heading: str
    right: bool = False  # numbers stand at the right edge
    most: int = 1000  # columns it takes at most, where others need the room
    wraps: bool = False  # too long a text goes on in the next line; otherwise it is cut and ends in ``…``
    code: bool = False  # set in the fixed-width font in HTML
    wrong: bool = False  # what stands in it tells of something wrong
    cites: str | None = None  # what makes each cell a section, such as ``RFC 6455 ``; None where none are cited


def columns_of(columns: Iterable[Column | str]) -> list[Column]:
    """``columns`` with plain headings made into a Column that wraps."""
    return [Column(column, wraps=True) if isinstance(column, str) else column for column in columns]


NARROWEST = 4  # columns that a column keeps even where there is no room


def shares(wanted: Sequence[int], wraps: Sequence[bool], room: int, narrowest: int = NARROWEST) -> list[int]:
    """How wide each column is: as wide as it wants; where that is too much, columns that wrap give way, then all."""
    wanted = list(wanted)
    for gives_way in (wraps, [True] * len(wraps)):
        for most in range(room, narrowest - 1, -1):
            given = [min(size, most) if gives else size for size, gives in zip(wanted, gives_way, strict=True)]
            if sum(given) <= room:
                if sum(given) < room and given != wanted:  # what is left goes to the last that gave way
                    last = max(index for index, size in enumerate(given) if size < wanted[index])
                    given[last] += min(room - sum(given), wanted[last] - given[last])
                return given
        wanted = given
    return wanted


def table_text(
    columns: Sequence[Column | str], rows: Iterable[Sequence[str]], *, caption: str = "", width: int = 80
) -> str:
    """A table at most ``width`` columns wide: caption, headings, a rule, rows. Cells may hold anything; what could act
    or hide is made visible here (wire text goes through ``visible`` first)."""
    heads = columns_of(columns)
    shown = [[harmless(cell) for cell in row] for row in rows]
    columnwise = zip([head.heading for head in heads], *shown, strict=True)
    wanted = [min(head.most, max(map(cells, said))) for head, said in zip(heads, columnwise, strict=True)]
    widths = shares(wanted, [head.wraps for head in heads], width - GAP * (len(heads) - 1))

    def line(texts: Iterable[str]) -> str:
        parts = [pad(text, size, right=head.right) for text, size, head in zip(texts, widths, heads, strict=True)]
        return clip((" " * GAP).join(parts).rstrip(), width)

    lines = wrap(harmless(caption), width) if caption else []
    lines.append(line(head.heading for head in heads))
    lines.append(line("─" * size for size in widths))
    for row in shown:
        parts = (
            wrap(text, size) if head.wraps else [text] for text, size, head in zip(row, widths, heads, strict=True)
        )
        lines += map(line, zip_longest(*parts, fillvalue=""))
    return "\n".join(lines)


def pairs_text(pairs: Sequence[tuple[str, str]], *, width: int = 80) -> str:
    """Pairs of name and text, the names in a column of their own, at most ``width`` columns wide."""
    shown = [(harmless(name), harmless(text)) for name, text in pairs]
    size = min(max((cells(name) for name, _ in shown), default=0), width // 3)
    lines: list[tuple[str, str]] = []
    for name, text in shown:
        lines += zip_longest([name], wrap(text, width - size - GAP), fillvalue="")
    return "\n".join(f"{pad(name, size + GAP)}{part}".rstrip() for name, part in lines)
