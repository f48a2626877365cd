"""The secret in a server's URL: it keeps other users of the same machine out, and no recording holds it.

The threat: every program of a machine reaches its 127.0.0.1, those of other users too, and a program says whatever
Origin and Host it likes. So a server with a secret lets in those who know the first step of its path: ``/secret-`` and
128 random bits.

Theory. The secret is added below the place where bytes are noted, and taken away before they are. A client of wslab
notes its request and writes it with the secret; a server of wslab takes the secret away, and then notes the request and
reads it. So no record, handler, view or file holds it, and every length and offset is that of the request without it. A
relay takes it away from the one side and adds the same to the other.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ..recording.trace import Trace

PREFIX: Final = "/secret-"
SECRET: Final = re.compile(rf"{PREFIX}[0-9a-f]{{32}}", re.ASCII)
LENGTH: Final = len(PREFIX) + 32
# What files say of it (``Reading.left_out``).
LEFT_OUT: Final = "The secret at the beginning of a request's path is left out, as if it had not crossed."

_BEGINNING = re.compile(PREFIX.encode() + rb"[0-9a-f]{0,32}")
_METHOD = re.compile(rb"[!-~]+ ")  # what stands before a request target (RFC 9112 3)
_BEFORE = re.compile(_METHOD.pattern + rb"(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]*)?(?=/)")  # and before its path (3.2.2)
_ELSEWHERE = re.compile(rb"(?<=" + PREFIX.encode() + rb")[0-9a-f]{8,}")


def new() -> str:
    """Another secret, as it stands at the beginning of a path."""
    return PREFIX + secrets.token_hex(16)


def parted(uri: str) -> tuple[str, str]:
    """``uri`` without the secret at the beginning of its path, and that secret; empty where it has none."""
    parts = urlsplit(uri)
    if (found := SECRET.match(parts.path)) is None:
        return uri, ""
    return parts._replace(path=parts.path[LENGTH:] or "/").geturl(), found[0]


def hidden(text: str) -> str:
    """``text`` without a secret."""
    return SECRET.sub("", text)


def giving(secret: str, write: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """A function that writes what it is given, with ``secret`` before the first request's target."""
    if not secret:
        return write
    seen, done = bytearray(), False

    def give(data: bytes) -> None:
        nonlocal done
        if not done:
            before = len(seen)
            seen.extend(data)
            method = _METHOD.match(seen)
            if method is None:
                done = not all(0x20 < byte < 0x7F for byte in seen)
            elif method.end() < len(seen):
                done = True
                if seen[method.end()] not in b" ?\r\n":  # else there is no target
                    at = method.end() - before
                    data = bytes(data[:at]) + secret.encode() + bytes(data[at:])
        write(data)

    return give


class Taker:
    """Takes a secret away from a connection's first request. In ``taken`` is what it took: empty, or like a secret."""

    taken = ""

    def __init__(self, trace: Trace, *, masks: bool = False) -> None:
        """With ``masks``, a secret that stands elsewhere in the head, as in Referer, becomes as many asterisks."""
        self._trace = trace
        self._seen, self._passed, self._done, self._masks, self._tail = bytearray(), 0, False, masks, b""

    def take(self, data: bytes) -> bytes:
        """What goes on, now that ``data`` came. What may be the beginning of a secret waits for more."""
        if self._done:
            return self._masked(data)
        seen = self._seen
        seen += data
        stop = len(seen)
        if before := _BEFORE.match(seen):
            start = before.end()
            path = bytes(seen[start : start + LENGTH + 1])
            if len(path) <= LENGTH and (_BEGINNING.fullmatch(path) or PREFIX.encode().startswith(path)):
                stop = start
            else:
                self._done = True
                if SECRET.match(found := path[:LENGTH].decode("latin-1")):
                    self.taken, self._trace.left_out = found, (LEFT_OUT,)
                    # What has no path asks for / (RFC 9112 3.2.1).
                    seen[start : start + LENGTH] = b"/" if path[LENGTH:] in (b" ", b"?") else b""
                stop = len(seen)
        else:
            self._done = b"\n" in seen
        goes, self._passed = bytes(seen[self._passed : stop]), stop
        return self._masked(goes)

    def _masked(self, data: bytes) -> bytes:
        if not self._masks:
            return data
        tail, seen = self._tail, self._tail + data
        end = seen.find(b"\r\n\r\n")
        self._masks, self._tail = end < 0, seen[-3:]
        stop = len(data) if end < 0 else max(0, end - len(tail))
        return _ELSEWHERE.sub(lambda found: b"*" * len(found[0]), data[:stop]) + data[stop:]

    def rest(self) -> bytes:
        """What still waits, of a stream that has ended or is not looked at any more."""
        waits, self._passed, self._done = bytes(self._seen[self._passed :]), len(self._seen), True
        return waits
