"""Bytes as a person writes them: pairs of hex digits, however they are set apart, or in words what is wrong."""

import re
from collections.abc import Sequence
from functools import cache

from ..drawing.visible import count, visible

HIDDEN_BYTE = "··"  # stands for the two hex digits of a byte that is not shown
LINE = 16  # bytes in a line that ``hex_text`` writes
_HEX = frozenset("0123456789abcdefABCDEF")


@cache
def _piece() -> re.Pattern[str]:
    return re.compile(
        rf"""
          (?P<apart> [\s,:;-]+ | 0[xX](?=[0-9a-fA-F]) | \\x(?=[0-9a-fA-F]) )
        | (?P<byte>  [0-9a-fA-F]{{2}} )
        | (?P<hidden>{HIDDEN_BYTE} )
        | (?P<stranger> . )
        """,
        re.VERBOSE | re.DOTALL,
    )


class HexError(ValueError):
    """A text that is no hex. Its message says which character; ``start`` and ``stop`` say where in the text."""

    def __init__(self, message: str, start: int, stop: int) -> None:
        super().__init__(message)
        self.start, self.stop = start, stop


def parse_hex(text: str, withheld: Sequence[int] = ()) -> bytes:
    """The bytes that ``text`` writes as pairs of hex digits.

    Args:
        text: pairs, run together or set apart by spaces, line ends, ``,``, ``:``, ``;`` or ``-``, each with or
            without ``0x`` or ``\\x`` before it.
        withheld: the bytes that ``··`` stands for, in order; as many as there are such pairs.

    Raises:
        HexError: something else stands in the text, or a digit has no second one.
    """
    written, first = text.count(HIDDEN_BYTE), text.find(HIDDEN_BYTE)
    if written not in (0, len(withheld)):
        message = (
            f"{HIDDEN_BYTE} stands for {count(len(withheld), 'byte')} of a credential and is written {written} times; "
            "leave all of them as they are, or write hex digits instead"
        )
        raise HexError(message, first, first + len(HIDDEN_BYTE))
    held = iter(withheld)
    data = bytearray()
    for piece in _piece().finditer(text):
        if piece.lastgroup == "stranger":
            raise _fault(text, piece.start())
        if piece.lastgroup != "apart":
            data.append(int(piece[0], 16) if piece.lastgroup == "byte" else next(held))
    return bytes(data)


def bytes_of(data: object, call: str) -> bytes:
    """The bytes that somebody gave: as bytes, or as a string of hex digits.

    Args:
        data: what was given.
        call: what it was given to, for the message, such as ``judge``.

    Raises:
        HexError: a string that is no hex.
        TypeError: something else; it says what is wanted.
    """
    if isinstance(data, str):
        return parse_hex(data)
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"{call}({data!r}): bytes are wanted, or a string of hex digits such as '81 05 48 65 6c 6c 6f'")


def _fault(text: str, at: int) -> HexError:
    following = _piece().match(text, at + 1)
    if text[at] in _HEX and following and following.lastgroup == "stranger":
        at += 1  # it is the character after the digit
    where = f"line {text.count(chr(10), 0, at) + 1}, character {at - text.rfind(chr(10), 0, at)}"
    stranger = f"'{visible(text[at])}' is no hex digit (0 to 9, a to f)"
    problem = f"the digit {text[at]!r} stands alone" if text[at] in _HEX else stranger
    return HexError(f"{where}: {problem}; a byte is two hex digits, such as 81", at, at + 1)


def hex_text(data: bytes, hidden: Sequence[range] = ()) -> str:
    """``data`` as pairs of hex digits, 16 in a line; ``··`` for bytes at the places ``hidden``."""
    withheld = {place for span in hidden for place in span}
    pairs = [HIDDEN_BYTE if place in withheld else f"{byte:02x}" for place, byte in enumerate(data)]
    return "\n".join(" ".join(pairs[start : start + LINE]) for start in range(0, len(pairs), LINE))
