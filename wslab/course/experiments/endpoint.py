"""``Endpoint``: a server's end of one connection without any input or output of its own, made of a learner's parts."""

from __future__ import annotations

from typing import Any

from .endpoint_parts import Begun, EndpointParts

REFUSED = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
ACCEPTED = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n"
)


class Endpoint:
    """A server's end of one connection: bytes in, events out. It opens no socket and reads no clock.

    Args:
        parts: the functions that know the protocol.
    """

    def __init__(self, parts: EndpointParts) -> None:
        self.parts, self.parser = parts, parts.FrameParser()
        self.state, self.head = "CONNECTING", b""
        self.begun: Begun | None = None

    def receive(self, data: bytes) -> list[tuple[str, Any]]:
        """Take bytes. The events, in order: ("open", key), ("message", it), ("send", bytes), ("closed", code)."""
        events = []
        if self.state == "CONNECTING":
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            events += self.on_head(head) if end else []
        if self.state == "OPEN":
            for first, key, payload in self.parser.feed(data):
                events += self.on_frame(first, key, payload) if self.state == "OPEN" else []
        return events

    def on_head(self, head: bytes) -> list[tuple[str, Any]]:
        """Answer a request."""
        key = self.parts.key_in(head)
        if key is None:
            self.state = "CLOSED"
            return [("send", REFUSED), ("closed", 400)]
        self.state = "OPEN"
        return [("send", ACCEPTED.format(self.parts.accept_key(key)).encode()), ("open", key)]

    def on_frame(self, first: int, key: bytes, payload: bytes) -> list[tuple[str, Any]]:
        """Answer a frame."""
        opcode, payload = first & 0x0F, self.parts.unmask(payload, key) if key else payload
        code = self.parts.fault(first, bool(key), payload, self.begun)
        if code or opcode == 8:
            self.state = "CLOSED"
            answer = code.to_bytes(2, "big") if code else self.parts.close_reply(payload)
            return [("send", self.frame(8, answer)), ("closed", code)]
        if opcode > 8:
            answer = self.parts.reply(opcode, payload)
            return [("send", self.frame(*answer))] if answer else []
        self.begun, message = self.parts.reassemble(self.begun, first, payload)
        return [] if message is None else [("message", message)]

    def send(self, message: str | bytes) -> bytes:
        """The bytes of a message to the client."""
        return self.frame(1, message.encode()) if isinstance(message, str) else self.frame(2, message)

    def frame(self, opcode: int, payload: bytes) -> bytes:
        """The bytes of a frame to the client."""
        made = self.parts.short_frame if len(payload) <= 125 else self.parts.long_frame
        return bytes(made(opcode, payload))
