"""The secret in a server's URL: it keeps other users of the same machine out, and no recording holds it.

The threat: every program of a machine reaches its 127.0.0.1, those of other users too, and a program says whatever
Origin and Host it likes. So a server with a secret lets in those who know the first step of its path: ``/secret-`` and
128 random bits.

Theory. A server takes the secret away before it notes the request and reads it; a client of wslab that connects to
another lab adds it below the place where it notes its request; a relay does both. So no record, handler, view or file
holds it, and lengths and offsets are those of the request without it. A lab's own clients need none: the lab knows
their connections.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ..recording.trace import Tap, Trace

SECRET: Final = re.compile(r"/secret-[0-9a-f]{32}", re.ASCII)
# What files say of it (``Reading.left_out``).
LEFT_OUT: Final = "The secret at the beginning of a request's path is left out, as if it had not crossed."

# A request line up to its path, before which scheme and host may stand (RFC 9112 3.2), the secret, and what follows.
_FIRST = re.compile(rb"([!-~]+ (?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]*)?)(/secret-[0-9a-f]{32})([ ?]?)")
_ELSEWHERE = rb"(?:(?<=/secret-)|(?<=%2fsecret-))[0-9a-f]{8,}"
LONGEST_LINE = 8192  # bytes of a line that is waited for: websockets takes no longer one


def new() -> str:
    """Another secret, as it stands at the beginning of a path."""
    return f"/secret-{secrets.token_hex(16)}"


def parted(uri: str) -> tuple[str, str]:
    """``uri`` without the secret at the beginning of its path, and that secret; empty where it has none."""
    parts = urlsplit(uri)
    if (found := SECRET.match(parts.path)) is None:
        return uri, ""
    return parts._replace(path=parts.path[found.end() :] or "/").geturl(), found[0]


def hidden(text: str) -> str:
    """``text`` without a secret."""
    return SECRET.sub("", text)


def covered(data: bytes, own: str = "") -> bytes:
    """``data`` with asterisks for the digits of secrets, and for those of ``own`` wherever and however they stand.

    A secret that is not ``own`` is known by the path that it begins. What two reads share is not found.
    """
    digits, small = own.removeprefix("/secret-").encode(), data.lower()
    if b"secret-" not in small and b"%" not in small and not (digits and digits in small):
        return data  # which is found out a hundred times faster
    spelt = b"".join(b"(?:%c|%%%02x)" % (digit, digit) for digit in digits)
    found = re.compile(_ELSEWHERE + (b"|" + spelt if spelt else b""), re.IGNORECASE)
    return found.sub(lambda one: b"*" * len(one[0]), data)


def giving(secret: str, write: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """A function that writes what it is given, and ``secret`` behind the first space: before the request's target."""
    left = [secret.encode()] if secret else []

    def give(data: bytes) -> None:
        if left and (at := data.find(b" ") + 1):
            data = bytes(data[:at]) + left.pop() + bytes(data[at:])
        write(data)

    return give if secret else write


class Taker:
    """Takes a secret away from a connection's first request. In ``taken`` is what it took: empty, or like a secret.

    ``known`` is whether the connection's client is the lab's own, which has none. ``own`` is the server's: where it, or
    another secret, stands elsewhere, as in Referer, it becomes as many asterisks.
    """

    taken, known = "", False

    def __init__(self, trace: Trace, own: str = "") -> None:
        self._trace, self.own, self._waits, self._lines = trace, own, b"", 0

    def take(self, data: bytes, tap: Tap | None = None) -> bytes:
        """What goes on, now that ``data`` came: of the head whole lines, and all that follows it."""
        if not (self._lines or self._waits or tap is None or not tap.whole):
            self.known, self._lines = True, -1
        if self._lines < 0:
            return covered(data, self.own)
        goes, self._waits = b"", self._waits + data
        while self._lines >= 0 and (stop := self._waits.find(b"\n") + 1):
            line, self._waits = self._waits[:stop], self._waits[stop:]
            goes += self._without(line)
            self._lines = -1 if line in (b"\r\n", b"\n") else self._lines + 1
        return goes + self.rest() if self._lines < 0 or len(self._waits) > LONGEST_LINE else goes

    def _without(self, line: bytes) -> bytes:
        if not self._lines and (found := _FIRST.match(line)):
            self.taken, self._trace.left_out = found[2].decode(), (LEFT_OUT,)
            line = found[1] + (b"/" if found[3] else b"") + line[found.start(3) :]  # no path is / (RFC 9112 3.2.1)
        return covered(line, self.own)

    def rest(self) -> bytes:
        """What still waits, of a stream that has ended or is not looked at any more."""
        waits, self._waits, self._lines = self._waits, b"", -1
        return covered(waits, self.own)
