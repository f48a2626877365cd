"""permessage-deflate (RFC 7692): what was agreed in the handshake, and payloads inflated with the sender's own context.

A compressed message is DEFLATE data (RFC 1951) whose last four bytes, always ``00 00 ff ff``, are left off. With
*context takeover* a message may point back into the ones before it, so one ``Inflater`` follows each sender through
all its messages. It stops at a limit, since a few bytes can inflate to a thousand times their number.
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from typing import Any, Final, NamedTuple

from ..anatomy.field import Sender
from ..drawing.visible import quote

NAME: Final = "permessage-deflate"
TAIL: Final = b"\x00\x00\xff\xff"  # what the sender left off (RFC 7692 section 7.2.1)
# A message with more blocks that have BFINAL set is given up. Each of them costs a new zlib engine with a window of up
# to 32 KiB, and takes as little as two bytes; 1,024 are one every 16 KiB of the longest payload that is gathered.
FINAL_BLOCKS: Final = 1024
# Bytes that an engine is given at once. After a final block zlib copies what it did not use, which is at most this.
SLICE: Final = 1 << 14
_WINDOW_BITS: Final = frozenset(str(bits) for bits in range(8, 16))
_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
# "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform to the 'token'
# ABNF." (RFC 6455 9.1)
_PARAMETER = re.compile(rf'[ \t]*({_TOKEN}+)[ \t]*(?:=[ \t]*(?:"((?:\\?{_TOKEN})+)"|({_TOKEN}+))[ \t]*)?')


class Extension(NamedTuple):
    """One extension of a Sec-WebSocket-Extensions line (RFC 6455 section 9.1)."""

    name: str
    parameters: tuple[tuple[str, str | None], ...]  # name and value, in order; None where there is no value

    def get(self, name: str) -> str | None:
        """The value of the first parameter of that name; the empty string where it stands without one."""
        return next((value or "" for key, value in self.parameters if key == name), None)


class Parameters(NamedTuple):
    """What the two endpoints agreed on (RFC 7692 section 7.1)."""

    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int
    client_max_window_bits: int

    def inflater(self, sender: Sender, limit: int) -> Inflater:
        """An inflater for what ``sender`` compresses, at most ``limit`` bytes a message."""
        if sender is Sender.CLIENT:
            return Inflater(self.client_max_window_bits, not self.client_no_context_takeover, limit)
        return Inflater(self.server_max_window_bits, not self.server_no_context_takeover, limit)


def parse_extensions(values: list[str]) -> tuple[list[Extension], str | None]:
    """The extensions that the values of all Sec-WebSocket-Extensions lines name, in order. The second value is what
    does not fit their grammar, if anything; nothing behind it is read."""
    extensions: list[Extension] = []
    for element in (part for value in values for part in _split(value, ",")):
        if not element.strip(" \t"):
            continue
        pieces = [_PARAMETER.fullmatch(piece) for piece in _split(element, ";")]
        if None in pieces or not pieces[0] or pieces[0][2] is not None or pieces[0][3] is not None:
            return extensions, element.strip(" \t")
        parameters = tuple((m[1], m[2].replace("\\", "") if m[2] else m[3]) for m in pieces[1:] if m)
        extensions.append(Extension(pieces[0][1], parameters))
    return extensions, None


# Whether a parameter has a value: always, never, or as its sender likes.
_VALUED: Final[dict[str, bool | None]] = {
    "server_no_context_takeover": False,
    "client_no_context_takeover": False,
    "server_max_window_bits": True,
    "client_max_window_bits": None,
}


def wrong_parameter(extension: Extension, *, offered: bool) -> str | None:
    """What is wrong with the parameters of permessage-deflate (RFC 7692 sections 7.1.1 and 7.1.2), in words; None where
    nothing is. ``offered`` says whether a client offers them, and else a server agrees to them."""
    seen: set[str] = set()
    for name, value in extension.parameters:
        if name not in _VALUED:
            return f"{quote(name)} is no parameter of {NAME}"
        if name in seen:
            return f"{name} is given twice"
        seen.add(name)
        valued = _VALUED[name] if offered or name != "client_max_window_bits" else True
        if valued is False and value is not None:
            return f"{name} has a value, {quote(value)}"
        if valued and value is None:
            return f"{name} has no value"
        if value is not None and valued is not False and value not in _WINDOW_BITS:
            return f"{name} is {quote(value)}, and no number from 8 to 15"
    return None


def beyond(answer: Extension, offer: Extension) -> dict[str, str]:
    """By a rule's name, what an answer takes beyond that offer or leaves out of it (RFC 7692 section 7.1)."""
    (bits, most), found = [e.get("server_max_window_bits") for e in (answer, offer)], {}
    if answer.get("client_max_window_bits") is not None and offer.get("client_max_window_bits") is None:
        found["window-bits-not-offered"] = "client_max_window_bits, which the client did not offer"
    if offer.get("server_no_context_takeover") is not None and answer.get("server_no_context_takeover") is None:
        found["takeover-limit-ignored"] = "server_no_context_takeover was offered, and is missing"
    if most and (not bits or settled(answer).server_max_window_bits > int(most)):
        found["window-limit-ignored"] = f"server_max_window_bits is {bits or 'missing'}, where {most} was offered"
    return found


def agreed(values: list[str]) -> Parameters | None:
    """The parameters of permessage-deflate that a response's Sec-WebSocket-Extensions lines settle; None without it.
    What a response does not name is the default: context takeover, and a window of 15 bits (32 KiB). The same goes for
    a window size that is no number from 8 to 15."""
    return next((settled(extension) for extension in parse_extensions(values)[0] if extension.name == NAME), None)


def settled(extension: Extension) -> Parameters:
    """The parameters that permessage-deflate stands with in an offer or an answer, read as ``agreed`` says."""
    takeovers = [extension.get(f"{side}_no_context_takeover") is not None for side in ("server", "client")]
    windows = [extension.get(f"{side}_max_window_bits") for side in ("server", "client")]
    return Parameters(*takeovers, *(int(bits) if bits in _WINDOW_BITS else 15 for bits in windows))


class Inflater:
    """Inflates one sender's compressed messages, frame by frame, in order.

    Args:
        window_bits: base-2 logarithm of the sender's LZ77 window, 8 to 15.
        takeover: whether a message may refer to those before it.
        limit: a message that inflates to more bytes is given up.
    """

    __slots__ = ("_blocks", "_engine", "_history", "_limit", "_room", "_takeover", "_window", "lost")

    def __init__(self, window_bits: int = 15, takeover: bool = True, limit: int = 1 << 24) -> None:
        self._window = window_bits
        self._takeover = takeover
        self._limit = self._room = limit
        self._blocks = FINAL_BLOCKS
        self._history = b""
        self._engine: Any = None  # made with the first bytes
        # Why nothing more can be inflated; with context takeover that is so for good, else until the next message.
        self.lost: str | None = None

    def begin(self) -> None:
        """A message begins."""
        self._room = self._limit
        self._blocks = FINAL_BLOCKS
        if not self._takeover:
            self._history = b""
            self._engine = None
            self.lost = None

    def skip(self, why: str) -> None:
        """Compressed data went by that could not be fed; what refers to it is lost."""
        self.lost = self.lost or why

    def end(self) -> None:
        """Nothing more comes: let go of some 50 KiB."""
        self.lost, self._history, self._engine = self.lost or "the stream had ended", b"", None

    def inflate(self, data: bytes, *, final: bool) -> tuple[bytes | None, str | None]:
        """Inflate one frame's payload. Never raises.

        Args:
            data: the unmasked payload.
            final: whether the frame is its message's last, so that the tail is appended (RFC 7692 section 7.2.2).

        Returns:
            What it inflates to, or None where that is lost; and what is wrong with the data, if anything.
        """
        if self.lost:
            return None, None
        try:
            inflated = self._run(data + TAIL if final else data)
            if final and inflated is not None:
                probe = self._engine.copy()
                with suppress(zlib.error):
                    probe.decompress(b"\x03\x00")  # an empty last block, which can follow where all others have ended
                if not probe.eof:
                    raise zlib.error("the data ends inside a block")
            return inflated, None
        except zlib.error as error:
            self.lost = "an earlier frame could not be inflated"
            return None, str(error).rpartition(": ")[2]

    def _run(self, data: bytes) -> bytes | None:
        pieces = []
        # "the client MUST NOT use an LZ77 sliding window longer than the w-th power of 2 bytes to compress messages to
        # send" (RFC 7692 7.2.1) zlib finds a reference too far back only where it leads out of this window and out of
        # what it is asked for at once, so it is asked for about a quarter of it.
        most = self._limit + 1 if self._window == 15 else max(1 << self._window - 2, 128)
        for start in range(0, len(data), SLICE):
            given, more = data[start : start + SLICE], False
            while given or more:
                if self._engine is None:
                    self._engine = zlib.decompressobj(-self._window)
                engine = self._engine
                wanted = min(self._room + 1, most)
                piece = engine.decompress(given, wanted)
                if len(piece) > self._room:
                    self.lost = f"it inflates to more than {self._limit:,} bytes"
                    return None
                self._room -= len(piece)
                pieces.append(piece)
                self._history = (self._history + piece)[-(1 << self._window) :]
                given, more = engine.unconsumed_tail, len(piece) == wanted and not engine.eof
                if engine.eof:
                    # "An endpoint MAY use both DEFLATE blocks with the "BFINAL" bit set to 0 and DEFLATE blocks with
                    # the "BFINAL" bit set to 1." (RFC 7692 7.2.1) zlib stops behind the latter, so a new engine goes on
                    # with the old one's window.
                    if not self._blocks:
                        self.lost = f"it has more than {FINAL_BLOCKS:,} blocks with BFINAL set, which is allowed"
                        return None
                    self._blocks -= 1
                    given = engine.unused_data
                    self._engine = zlib.decompressobj(-self._window, zdict=self._history)
        return b"".join(pieces)


def _split(text: str, separator: str) -> list[str]:
    """Split at separators that do not stand in a quoted string."""
    return re.findall(rf'(?:^|(?<={separator}))(?:[^"{separator}]|"[^"]*(?:"|$))*', text)
