"""The parts of a server's endpoint that lesson 16 has its learners write, each by itself, as they should be.

No part knows another. ``Endpoint`` puts them together.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

MAY_BE_SENT = frozenset([*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)])
"""The status codes that may stand in a close frame (RFC 6455 7.4; IANA has given out 1012 to 1014 since)."""

Begun = tuple[int, bytes]  # of a message whose end has not come: its opcode, and its bytes so far


def accept_key(key: str) -> str:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def key_in(head: bytes) -> str | None:
    """The key in a request's head; None where the head asks for no WebSocket of version 13."""
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    tokens = [token.strip().lower() for token in headers.get("connection", "").split(",")]
    if not start.startswith("GET ") or "upgrade" not in tokens:
        return None
    if headers.get("upgrade", "").lower() != "websocket" or headers.get("sec-websocket-version") != "13":
        return None
    return headers.get("sec-websocket-key")


def short_frame(opcode: int, payload: bytes) -> bytes:
    """A server's frame with a payload of at most 125 bytes."""
    return bytes([0x80 | opcode, len(payload)]) + payload


def unmask(payload: bytes, key: bytes) -> bytes:
    """A masked payload, readable."""
    return bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


def long_frame(opcode: int, payload: bytes) -> bytes:
    """A server's frame with a payload of 126 bytes or more."""
    size = len(payload)
    length = b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + length + payload


class FrameParser:
    """Takes a client's stream in pieces, and gives the frames that are whole."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes, bytes]]:
        """Take a piece; of each frame that is whole with it: first byte, masking key (or b""), payload as it stands."""
        self.rest += data
        frames = []
        while len(self.rest) >= 2:
            start, length, masked = 2, self.rest[1] & 0x7F, self.rest[1] >> 7
            if length > 125:
                start = 4 if length == 126 else 10
                length = int.from_bytes(self.rest[2:start], "big")
            stop = start + 4 * masked + length
            if len(self.rest) < start + 4 * masked or len(self.rest) < stop:
                break
            frames.append((self.rest[0], self.rest[start : start + 4 * masked], self.rest[stop - length : stop]))
            self.rest = self.rest[stop:]
        return frames


def reply(opcode: int, payload: bytes) -> tuple[int, bytes] | None:
    """What answers a ping or a pong: opcode and payload of a frame, or None for nothing."""
    return (10, payload) if opcode == 9 else None


def reassemble(begun: Begun | None, first: int, payload: bytes) -> tuple[Begun | None, str | bytes | None]:
    """What has begun with this data frame, and the message that is whole with it: one of the two is None."""
    opcode, data = begun or (first & 0x0F, b"")
    data += payload
    if not first & 0x80:
        return (opcode, data), None
    return None, data.decode() if opcode == 1 else data


def close_reply(payload: bytes) -> bytes:
    """The payload of the close frame that answers one with this payload."""
    return payload[:2]


def fault(first: int, masked: bool, payload: bytes, begun: Begun | None) -> int | None:
    """The status code with which a frame of a client ends the connection; None where nothing is wrong with it."""
    fin, opcode = first >> 7, first & 0x0F
    text = begun[1] + payload if begun and begun[0] == 1 and opcode == 0 else payload if opcode == 1 else b""
    if first & 0x70 or not masked or opcode not in (0, 1, 2, 8, 9, 10):
        return 1002
    if (opcode > 7 and (not fin or len(payload) > 125)) or (opcode < 8 and (opcode == 0) != (begun is not None)):
        return 1002
    if opcode == 8:
        if payload and (len(payload) < 2 or int.from_bytes(payload[:2], "big") not in MAY_BE_SENT):
            return 1002
        text = payload[2:]
    try:
        text.decode() if fin else None
    except UnicodeDecodeError:
        return 1007
    return None


class EndpointParts(NamedTuple):
    """The ten parts, in the order of the stages."""

    accept_key: Callable[..., Any]
    key_in: Callable[..., Any]
    short_frame: Callable[..., Any]
    unmask: Callable[..., Any]
    long_frame: Callable[..., Any]
    FrameParser: Callable[..., Any]
    reply: Callable[..., Any]
    reassemble: Callable[..., Any]
    close_reply: Callable[..., Any]
    fault: Callable[..., Any]


RIGHT = EndpointParts(
    accept_key, key_in, short_frame, unmask, long_frame, FrameParser, reply, reassemble, close_reply, fault
)
"""The parts as they should be."""
