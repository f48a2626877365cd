"""The opening handshake's computations, and its two heads made to order. Nothing is refused."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address
from typing import Final, NamedTuple

# What a server appends to the key before it hashes it (RFC 6455 section 1.3). It is no secret: it shows that the server
# speaks WebSocket, since nothing else would know what to do with the key.
GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SAMPLE_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="  # The RFC's own, "the sample nonce" in base64 (RFC 6455 section 1.3).

Headers = Mapping[str, str | None] | Iterable[tuple[str, str]]


def accept_key(key: str) -> str:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key as written: neither decoded nor checked (RFC 6455 section 4.2.2).
    Raises TypeError for bytes."""
    if not isinstance(key, str):
        raise TypeError(f"accept_key({key!r}): the key is wanted as it stands in the header, a string")
    return AcceptSteps(key).accept


class AcceptSteps(NamedTuple):
    """How a server comes from a Sec-WebSocket-Key to its Sec-WebSocket-Accept in steps (RFC 6455 section 4.2.2)."""

    key: str  # as it is written; a key that is not as it must be is computed with all the same

    @property
    def nonce(self) -> bytes | None:
        """The bytes that the key stands for, 16 of them in a good one; None where it is no base64."""
        return decode_key(self.key)

    @property
    def joined(self) -> str:
        """The key, as a string and not decoded, and the GUID after it."""
        return self.key + GUID

    @property
    def digest(self) -> bytes:
        """The SHA-1 of that, 20 bytes."""
        return hashlib.sha1(self.joined.encode("latin-1", "replace")).digest()

    @property
    def accept(self) -> str:
        """The digest in base64, 28 characters."""
        return base64.b64encode(self.digest).decode("ascii")


def decode_key(value: str) -> bytes | None:
    """The bytes that a Sec-WebSocket-Key stands for; None where it is not base64 (RFC 4648 section 4)."""
    try:
        return base64.b64decode(value.encode("latin-1", "replace"), validate=True)
    except binascii.Error:
        return None


# A host and an optional port (RFC 3986 section 3.2.2).
_HOST: Final = re.compile(
    r"(?:\[(?:([\da-f:.]+)|v[\da-f]+\.[\w\-.~!$&'()*+,;=:]+)\]|(?:[\w\-.~!$&'()*+,;=]|%[\da-f]{2})*)(?::\d*)?",
    re.ASCII | re.IGNORECASE,
)


def is_host(value: str) -> bool:
    """Whether it is a host with an optional port, as the Host header has it."""
    match = _HOST.fullmatch(value)
    try:
        return match is not None and IPv6Address(match[1] or "::") is not None
    except ValueError:
        return False


def build_request(
    target: str = "/", headers: Headers = (), *, host: str = "127.0.0.1", key: str = SAMPLE_KEY,
    method: str = "GET", version: str = "HTTP/1.1", body: bytes = b"",
) -> bytes:  # fmt: skip
    """Write a client's opening handshake (RFC 6455 section 4.1), right or wrong.

    Args:
        target: the Request-URI.
        headers: a mapping replaces the usual lines of the same name, adds others, and leaves out those whose value is
            None. Pairs of name and value are written as they are, in place of the usual lines.
        host, key: values of the usual Host and Sec-WebSocket-Key lines.
        method, version: the other parts of the request line.
        body: bytes after the empty line.
    """
    usual = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade"}
    usual |= {"Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
    return _head(f"{method} {target} {version}", usual, headers) + body


def build_response(
    key: str = SAMPLE_KEY, headers: Headers = (), *, status: int = 101, reason: str = "Switching Protocols",
    version: str = "HTTP/1.1", body: bytes = b"",
) -> bytes:  # fmt: skip
    """Write a server's opening handshake (RFC 6455 section 4.2.2), right or wrong.

    Args:
        key: the request's Sec-WebSocket-Key, from which Sec-WebSocket-Accept is computed.
        headers: as in ``build_request``.
        status, reason, version: the status line's parts.
        body: bytes after the empty line.
    """
    usual = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_key(key)}
    return _head(f"{version} {status} {reason}", usual, headers) + body


def _head(start_line: str, usual: dict[str, str], headers: Headers) -> bytes:
    if isinstance(headers, Mapping):
        places = {name.lower(): name for name in usual}
        merged = usual | {places.get(name.lower(), name): value for name, value in headers.items()}
        lines = [(name, value) for name, value in merged.items() if value is not None]
    else:
        lines = list(headers) or list(usual.items())
    text = "".join(f"{line}\r\n" for line in (start_line, *(f"{name}: {value}" for name, value in lines), ""))
    return text.encode("latin-1", "replace")
