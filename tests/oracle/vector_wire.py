"""Asks real endpoints over TCP what they make of the vectors: a bare client for servers, a bare server for clients.

What an endpoint makes of frames is told by what it sends next. A ping follows them, and its pong says that they were
taken. So does a close frame with the status code of the vector's own. Another close frame, or the end of the stream,
says that they were refused.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence

from vectors import CLIENT, SERVER, Vector

from wslab.anatomy.field import Sender
from wslab.protocol import build_frame, build_response
from wslab.protocol.deflate import NAME, parse_extensions, wrong_parameter
from wslab.protocol.head import Head, parse_head
from wslab.protocol.words import CLOSE, PING, PONG, apply_mask

TAKES, DECLINES, REFUSES, NOT_ASKED = "takes it", "declines the extension", "refuses it", "not asked"
SILENT = "does not answer"
PROBE = b"are you still there?"
MASK = b"\x01\x02\x03\x04"
PATIENCE = 5.0
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<!doctype html>"

Frames = Iterator[tuple[int, bytes]]


def frames_in(data: bytes) -> Frames:
    """Opcode and unmasked payload of each whole frame in ``data``."""
    at = 0
    while len(data) - at >= 2:
        first, second = data[at], data[at + 1]
        size = {126: 2, 127: 8}.get(second & 127, 0)
        start = at + 2 + size
        length = int.from_bytes(data[at + 2 : start], "big") if size else second & 127
        key = data[start : start + 4] if second & 128 else b""
        start += len(key)
        if len(data) < start + length:
            return
        payload = data[start : start + length]
        yield first & 15, apply_mask(payload, key) if key else payload
        at = start + length


def offers(vector: Vector) -> dict[str, str | bool] | None:
    """The parameters of permessage-deflate that go with a vector; None without it."""
    named = parse_extensions([vector.extension])[0]
    return {name: value or True for name, value in named[0].parameters} if named else None


def can_be_asked(vector: Vector, judged: Sender) -> bool:
    """Whether a real endpoint can be driven by the vector at all, and its answer can be seen."""
    # Who ends its stream, or answers nothing, gives the other nothing to refuse. A client that is refused has no
    # choice, and sends no broken requests.
    refusal = vector.what == "response" and vector.data.startswith(b"HTTP/1.1 ") and b"HTTP/1.1 101" not in vector.data
    offered = parse_extensions([vector.extension])[0]
    known = all(one.name == NAME and wrong_parameter(one, offered=vector.what == "response") is None for one in offered)
    driven = not (vector.ends or vector.after or vector.answers or refusal)
    return vector.sender is not judged and driven and known


def said_by(vector: Vector, received: bytes) -> str | None:
    """What an endpoint makes of the vector's frames, by what it has sent since; None where that cannot be told yet."""
    behind = vector.data.partition(b"\r\n\r\n")[2] if vector.what != "frames" else vector.data
    codes = {payload[:2] if len(payload) > 1 else b"" for opcode, payload in frames_in(behind) if opcode == CLOSE}
    for opcode, payload in frames_in(received):
        if opcode == PONG and payload == PROBE:
            return TAKES
        if opcode == CLOSE:
            return TAKES if payload[:2] in codes else REFUSES
    return None


@contextlib.asynccontextmanager
async def patience(vector: Vector) -> AsyncIterator[None]:
    """Wait for an answer to a vector, and not for ever."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise TimeoutError(f"no answer to {vector}, {vector.what} of a {vector.sender.label}") from None


async def told_by(vector: Vector, reader: asyncio.StreamReader) -> str:
    received = b""
    while (said := said_by(vector, received)) is None:
        try:
            more = await reader.read(1 << 16)
        except ConnectionError:
            more = b""
        if not more:
            return REFUSES
        received += more
    return said


async def read_head(reader: asyncio.StreamReader, sender: Sender) -> Head | None:
    """The next head; None where the stream ends without one."""
    try:
        return parse_head(await reader.readuntil(b"\r\n\r\n"), sender)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def agrees(vector: Vector, response: Head) -> bool:
    """Whether what a server agreed to is what the vector's frames need."""
    agreed = parse_extensions(response.get("Sec-WebSocket-Extensions"))[0]
    wanted = offers(vector)
    if wanted is None or not agreed:
        return wanted is None and not agreed
    given = {name: value or True for name, value in agreed[0].parameters}
    takeover = ("client_no_context_takeover", "server_no_context_takeover")
    same = all(given.get(name) == wanted.get(name) for name in takeover)
    window = "client_max_window_bits"
    return same and (window not in wanted or given.get(window) == wanted[window])


async def ask_server(port: int, vector: Vector) -> str:
    """What the server on that port of this machine makes of a client's bytes."""
    if not can_be_asked(vector, SERVER):
        return NOT_ASKED
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with patience(vector):
            writer.write(vector.request)
            response = await read_head(reader, SERVER)
            if response is None or response.status != 101:
                return REFUSES
            if vector.what == "frames" and not agrees(vector, response):
                return NOT_ASKED
            frames = vector.data if vector.what == "frames" else b""
            # In one write, since who has said goodbye may reset what comes later.
            writer.write(frames + build_frame(PROBE, opcode=PING, mask=MASK))
            told = await told_by(vector, reader)
        offered = NAME.encode() in vector.request.partition(b"\r\n\r\n")[0]
        declined = vector.what == "request" and offered and not response.get("Sec-WebSocket-Extensions")
        return DECLINES if told == TAKES and declined else told
    finally:
        writer.transport.abort()


class BareServer:
    """Sends each client the vector whose number is its path, and notes what the client makes of it."""

    def __init__(self, vectors: Sequence[Vector]) -> None:
        self.vectors = vectors
        self.outcomes = [NOT_ASKED] * len(vectors)
        self.port = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[BareServer]:
        """Listen for as long as the block lasts."""
        async with await asyncio.start_server(self._answer, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_head(reader, CLIENT)
        if request is None or not request.get("Sec-WebSocket-Key"):
            writer.write(PAGE)
            writer.close()  # once all has been sent
            return
        try:
            number = int((request.target or "/").strip("/"))
            vector, key = self.vectors[number], request.get("Sec-WebSocket-Key")[0]
            self.outcomes[number] = SILENT
            lines = {"Sec-WebSocket-Extensions": vector.extension or None}
            frames = build_response(key, lines) + vector.data if vector.what == "frames" else vector.answering(key)
            writer.write(frames + build_frame(PROBE, opcode=PING))
            async with patience(vector):
                self.outcomes[number] = await told_by(vector, reader)
        finally:
            writer.transport.abort()
