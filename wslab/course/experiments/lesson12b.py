"""12b: slow relays, pieces, 200 clients of one server, and a handshake over HTTP/2."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...drawing.blocks import Table, Words
from ...drawing.sheet import Sheet, Shown
from ...drawing.table import Column
from ...live.lab import Lab
from ...live.relay.bends import Bend, OneByte
from ...live.relay.relay import Relay
from ...protocol import build_frame, build_request, build_response, parse_frame
from ...recording.trace import Trace

MESSAGES = ("one", "two", "three and a little more")
LATE = 0.1  # seconds that a relay keeps each chunk
CLIENTS = 200

# Slow, and in pieces.


async def timed(*bends: Bend) -> dict[str, str]:
    """Open a connection through a relay and have a message echoed; what took how long, as ``late`` tells it."""
    clock = asyncio.get_running_loop().time
    async with Lab(seed=12) as lab:
        await lab.serve()
        relay = await lab.relay(bends=bends)
        started = clock()
        async with lab.connect(relay.uri) as ws:
            opened = clock()
            await ws.send(MESSAGES[0])
            answer = await ws.recv()
            return late(opened - started, clock() - opened, changed=answer != MESSAGES[0])


def late(handshake: float, echo: float, *, changed: bool) -> dict[str, str]:
    """Whether a handshake and an echo took twice the relay's delay, in seconds, and whether the message was changed."""
    return {
        "the opening handshake takes at least 0.2 s": "yes" if handshake >= 2 * LATE else "no",
        "an echo takes at least 0.2 s": "yes" if echo >= 2 * LATE else "no",
        "messages are changed": "yes" if changed else "no",
    }


class Bending(NamedTuple):
    """What came back through a relay for what was sent, and what the relay recorded."""

    sent: Sequence[str]
    back: Sequence[str]
    trace: Trace

    @property
    def outcome(self) -> dict[str, Any]:
        """As cases: whether the handshake succeeded, and what came back."""
        _, response = self.trace.heads(self.trace.connections[-1])
        return {
            "the handshake": "succeeds" if response is not None and response.status == 101 else "fails",
            "messages that come back": len(self.back),
            "they are the same": "yes" if [*self.back] == [*self.sent] else "no",
        }

    @property
    def chunks(self) -> int:
        """In how many chunks the client's data frames left the relay."""
        frames = [one for one in self.trace if _data(one)]
        start, stop = frames[0].offset, frames[-1].offset
        whole = stop + frames[-1].header_length + frames[-1].payload_length
        return sum(
            (chunk.sender, chunk.seen_by) == (Sender.CLIENT, Sender.SERVER) and start <= chunk.offset < whole
            for chunk in self.trace.chunks
        )


def _data(record: Record) -> bool:
    return record.kind is Kind.FRAME and record.sender is Sender.CLIENT and record.first & 15 < 8


async def converse(*bends: Bend, messages: Sequence[str] = MESSAGES) -> Bending:
    """Send messages through a relay, one after another without waiting, and read as many back."""
    async with Lab(seed=12) as lab:
        await lab.serve()
        relay = await lab.relay(bends=bends)
        async with lab.connect(relay.uri) as ws:
            for message in messages:
                await ws.send(message)
            back = [str(await ws.recv()) for _ in messages]
        await relay.settled()
        return Bending(messages, back, relay.trace)


async def byte_by_byte() -> Bending:
    """Three messages; each of the client's bytes leaves the relay alone, a millisecond after the one before."""
    return await converse(OneByte(gap=0.001, direction="client"))


class ChunkCounts(Shown):
    """In how many chunks the frames of several conversations left a relay, and what came back."""

    def __init__(self, talks: Mapping[str, Bending]) -> None:
        self.rows = [
            (name, str(len(talk.sent)), str(talk.chunks), ", ".join(talk.back)) for name, talk in talks.items()
        ]

    def _sheet(self) -> Sheet:
        columns = ("the relay", "messages sent", "chunks that left the relay", "what came back")
        return Sheet("Chunks and messages", [Table(columns, self.rows, row_heading=0)])


async def until_held(relay: Relay, chunks: int) -> None:
    """Wait until so many chunks are held at a relay. Raises TimeoutError after five seconds."""
    async with asyncio.timeout(5):
        while relay.held != chunks:  # noqa: ASYNC110 - what is held is noted a moment before it is
            await asyncio.sleep(0.01)


# 200 clients.

Ends = tuple[str, int, str, int]  # a client's address and port, a server's address and port


async def _stay(connection: ServerConnection) -> None:
    await connection.wait_closed()


@contextlib.asynccontextmanager
async def crowd(lab: Lab, clients: int) -> AsyncIterator[list[ClientConnection]]:
    """So many clients of a lab's server, all connected at the same time."""
    async with contextlib.AsyncExitStack() as stack:
        connecting = [stack.enter_async_context(lab.connect()) for _ in range(clients)]
        yield await asyncio.gather(*connecting)


def ends_of(connection: ClientConnection) -> Ends:
    """The four numbers by which TCP knows a client's connection."""
    return (*connection.local_address[:2], *connection.remote_address[:2])


async def count_ports(clients: int = CLIENTS) -> dict[str, Any]:
    """Connect so many clients to one server, then one more from a port in use; the ports in use, as cases."""
    async with Lab(seed=12) as lab:
        await lab.serve(_stay)
        async with crowd(lab, clients) as all_of_them:
            four = [ends_of(one) for one in all_of_them]
            return {**ports(four), "one more, from a port that is in use, and from 127.0.0.2": await again(lab, four)}


def ports(connections: Iterable[Ends]) -> dict[str, int]:
    """How many ports connections use at each end."""
    four = [*connections]
    return {
        "ports of the server that are in use": len({(host, port) for _, _, host, port in four}),
        "ports of the clients that are in use": len({(host, port) for host, port, _, _ in four}),
    }


async def again(lab: Lab, taken: Sequence[Ends], address: str = "127.0.0.2") -> str:
    """Connect from the port that the first of these has, and from an address; what comes of it, in words."""
    try:
        async with lab.connect(local_addr=(address, taken[0][1])) as ws:
            return "it connects" if ends_of(ws) not in taken else "it is one of those"
    except OSError as error:
        return f"an error: {(error.strerror or str(error)).lower()}"


# A handshake over HTTP/2.

HOST, PATH = "server.example.com", "/chat"
CONNECT = (
    (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", PATH), (":authority", HOST),
    ("sec-websocket-version", "13"),
)  # fmt: skip
GET = (
    (":method", "GET"), (":scheme", "https"), (":path", PATH), (":authority", HOST), ("upgrade", "websocket"),
    ("connection", "Upgrade"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13"),
)  # fmt: skip
# What says the same in both: by a header of HTTP/1.1, that of HTTP/2 (RFC 8441 5).
PAIRS = {"host": ":authority", "upgrade": ":protocol"}
Headers = Sequence[tuple[str, str]]


def _h2(module: str) -> Any:
    try:
        return import_module(f"h2.{module}")
    except ImportError:
        raise ImportError(
            "this experiment needs h2, which wslab does not bring along: run "
            f"`{sys.executable} -m pip install h2`, and then this again"
        ) from None


class Http2(NamedTuple):
    """A request over HTTP/2 as a server read it, the answer as the client read it, and a message that came back."""

    request: Headers  # empty where the server refused to read it
    response: Headers
    echo: bytes  # the frame that the server read in the stream
    refused: str  # the server's reason; empty where it refused nothing

    @property
    def word(self) -> str:
        """What became of it."""
        return "refused" if self.refused else f"accepted with {dict(self.response)[':status']}"


def over_http2(request: Headers) -> Http2:
    """Send a request to a server of HTTP/2 that allows WebSocket, and a frame after it; both are of the library h2.

    Raises:
        ImportError: h2 is not installed.
    """
    connections, config, settings = _h2("connection"), _h2("config"), _h2("settings")
    events, errors = _h2("events"), _h2("exceptions")
    careless = config.H2Configuration(
        client_side=True, header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
    )
    client = connections.H2Connection(careless)
    server = connections.H2Connection(config.H2Configuration(client_side=False, header_encoding="utf-8"))
    client.initiate_connection()
    server.initiate_connection()
    server.update_settings({settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
    try:
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
        client.send_headers(1, request)
        read = _first(server.receive_data(client.data_to_send()), events.RequestReceived).headers
        server.send_headers(1, [(":status", "200")])
        answer = _first(client.receive_data(server.data_to_send()), events.ResponseReceived).headers
        client.send_data(1, build_frame("Hello", mask=bytes(4)))
        data = _first(server.receive_data(client.data_to_send()), events.DataReceived).data
    except errors.ProtocolError as refusal:
        return Http2((), (), b"", str(refusal))
    return Http2([*map(tuple, read)], [*map(tuple, answer)], data, "")


def _first(happened: Iterable[Any], kind: type) -> Any:
    return next(event for event in happened if isinstance(event, kind))


def tried(asked: Mapping[str, Headers]) -> dict[str, Any]:
    """What became of requests over HTTP/2, by case, and how many keys stand in the last of them that was read."""
    results = {case: over_http2(request) for case, request in asked.items()}
    return {**{case: one.word for case, one in results.items()}, **keys([*results.values()][-1].request)}


def keys(request: Headers) -> dict[str, int]:
    """How many headers of a request carry a key."""
    case = "header lines of the accepted request that begin with Sec-WebSocket-Key"
    return {case: sum(name.lower() == "sec-websocket-key" for name, _ in request)}


WAYS: Mapping[str, Headers] = {"GET, with Upgrade and Connection": GET, "CONNECT, with :protocol websocket": CONNECT}


class BothVersions(Shown):
    """A handshake over HTTP/1.1 beside one over HTTP/2, line by line."""

    def __init__(self) -> None:
        self.http2 = over_http2(CONNECT)
        self.asked = build_request(PATH, host=HOST).decode()
        self.answered = build_response().decode()

    def _sheet(self) -> Sheet:
        rows = [*_beside(self.asked, self.http2.request), *_beside(self.answered, self.http2.response)]
        columns = (Column("over HTTP/1.1", code=True, wraps=True), Column("over HTTP/2", code=True, wraps=True))
        text = bytes(parse_frame(self.http2.echo).preview).decode()
        data = f'A client\'s frame in the stream: {self.http2.echo.hex(" ")}, which is the text "{text}"'
        return Sheet("Two handshakes", [Table(columns, rows, "Two handshakes, line by line"), Words(data)])


def _beside(head: str, headers: Headers) -> list[tuple[str, str]]:
    """The lines of a head of HTTP/1.1, each beside the headers of HTTP/2 that say the same."""
    start, *lines = head.strip().split("\r\n")
    left = dict(headers)
    rows = []
    for line in lines:
        name = line.partition(":")[0].lower()
        pair = PAIRS.get(name, name)
        rows.append((line, f"{pair}: {left.pop(pair)}" if pair in left else "–"))
    first = ", ".join(f"{name}: {value}" for name, value in left.items())
    return [(start, first), *rows]
