"""Bytes and text from the wire, made harmless and visible: what one sees is what was sent.

A terminal obeys escape sequences, a page obeys tags, and both obey invisible characters: U+202E reverses the rest of a
line. Every character without a glyph of its own becomes an escape here, so that it can neither act nor hide. Four forms
keep apart whatever differs on the wire:

``\\n``         also ``\\r`` and ``\\t``; a backslash itself is doubled
``\\x1b``       another control character below U+0080, or a byte that is no UTF-8
``\\u202e``     another invisible character up to U+FFFF
``\\u{e0041}``  one beyond that
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar
from unicodedata import category, east_asian_width

T = TypeVar("T")
FEW = 12  # things that a sentence names
FIRST, LAST = 48, 12  # of many things, a view shows so many from the start and so many from the end

# Controls, format and bidirectional characters, spaces other than U+0020, variation selectors, surrogates and private
# use: all that has no glyph, or none that can be known. What ``str.isprintable`` says changes with Python's version.
INVISIBLE = (
    (0x0000, 0x001F), (0x007F, 0x00A0), (0x00AD, 0x00AD), (0x034F, 0x034F), (0x0600, 0x0605), (0x061C, 0x061C),
    (0x06DD, 0x06DD), (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2), (0x115F, 0x1160), (0x1680, 0x1680),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x2800, 0x2800),
    (0x3000, 0x3000), (0x3164, 0x3164), (0xD800, 0xF8FF), (0xFDD0, 0xFDEF), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF), (0x110BD, 0x110BD), (0x110CD, 0x110CD),
    (0x13430, 0x1345F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0x10FFFF),
)  # fmt: skip


@lru_cache
def _hidden(*more: str) -> re.Pattern[str]:
    """What finds an invisible character, or one more; made when text is first shown, since it takes a while."""
    return re.compile(f"[{''.join([*more, *(f'{chr(first)}-{chr(last)}' for first, last in INVISIBLE)])}]")


_SHORT = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match: re.Match[str]) -> str:
    if short := _SHORT.get(match[0]):
        return short
    point = ord(match[0])
    if point < 0x80 or 0xDC80 <= point <= 0xDCFF:  # the latter is a byte that is no UTF-8, as surrogateescape has it
        return f"\\x{point & 0xFF:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\u{{{point:x}}}"


def visible(text: str) -> str:
    """Wire text with every character that could act or hide written as an escape, and backslashes doubled."""
    return _hidden("\\\\").sub(_escape, text)


def harmless(text: str) -> str:
    """Like ``visible``, but leaves backslashes alone: for sentences that may quote text that is visible already.
    Calling it again does nothing."""
    return _hidden().sub(_escape, text)


def shows(text: str) -> bool:
    """Whether ``text`` is nothing but characters that show themselves."""
    return _hidden().search(text) is None


def decode(data: bytes, *, cut: bool = False) -> str:
    """``data`` as UTF-8. A byte that is not UTF-8 becomes a lone surrogate, which ``visible`` shows as ``\\xNN``.
    ``cut=True`` says that more bytes follow: the start of a character at the end is then left out."""
    if cut:
        for begun, byte in enumerate(data[:-4:-1], 1):  # from the last byte back
            if byte >= 0xC0 and begun < 2 + (byte >= 0xE0) + (byte >= 0xF0):
                data = data[:-begun]
            if byte >= 0xC0 or byte < 0x80:
                break
    return data.decode("utf-8", "surrogateescape")


def hexed(data: bytes, most: int | None = None) -> str:
    """``b"\\x81\\x05"`` as ``81 05``; of more than ``most`` bytes, the first ones and ``…``."""
    return data.hex(" ") if most is None or len(data) <= most else f"{data[:most].hex(' ')} …"


def quote(text: str, most: int = 60) -> str:
    """Wire text in double quotes, made visible, cut after ``most`` characters."""
    return f'"{visible(text)}"' if len(text) <= most else f'"{visible(text[:most])}…"'


def count(number: int, noun: str) -> str:
    """``1 byte``, ``2 bytes``."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def left_out(number: int, noun: str) -> str:
    """What stands for things that are not shown; empty where all are."""
    return f"… {count(number, noun)} not shown …" if number > 0 else ""


def both_ends(things: Sequence[T]) -> tuple[Sequence[T], int, Sequence[T]]:
    """What a view shows of many things: the first ``FIRST``, how many it leaves out, and the last ``LAST``."""
    missing = len(things) - FIRST - LAST
    return (things, 0, ()) if missing <= 0 else (things[:FIRST], missing, things[-LAST:])


def named(things: Sequence[object]) -> str:
    """The first few things for a sentence, and how many there are beyond them; "none" where there is nothing."""
    more = len(things) - FEW
    return ", ".join(map(str, things[:FEW])) + (f" and {more:,} more" if more > 0 else "") or "none"


def cells(text: str) -> int:
    """How many columns a terminal needs for ``text``: two for wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(map(_cell, text))


@lru_cache(maxsize=4096)
def _cell(character: str) -> int:
    if category(character) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(character) in ("W", "F") else 1


def clip(text: str, width: int) -> str:
    """``text`` if it fits into ``width`` columns, else its start and ``…``."""
    if cells(text) <= width:
        return text
    return fitting(text, max(width - 1, 0)) + "…" if width > 0 else ""


def fitting(text: str, width: float, measure: Callable[[str], float] = cells) -> str:
    """The longest start of ``text`` that fits into ``width``; ``measure`` adds up over characters."""
    used = 0.0
    for index, character in enumerate(text):
        used += measure(character)
        if used > width:
            return text[:index]
    return text


def pad(text: str, width: int, *, right: bool = False) -> str:
    """``text`` clipped to ``width`` columns and filled with spaces; ``right=True`` puts it at the right edge."""
    text = clip(text, width)
    spaces = " " * (width - cells(text))
    return spaces + text if right else text + spaces


def wrap(text: str, width: float, measure: Callable[[str], float] = cells) -> list[str]:
    """``text`` in lines of at most ``width``, broken at spaces where that is possible. Not ``textwrap``, which counts
    characters; here ``measure`` says how wide a text is, in columns if nothing else is given. An empty text is one
    empty line."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if measure(joined) > width:
            lines += [line] if line else []
            while measure(word) > width:
                part = fitting(word, width, measure) or word[0]
                lines.append(part)
                word = word[len(part) :]
            joined = word
        line = joined
    return [*lines, line] if line or not lines else lines
