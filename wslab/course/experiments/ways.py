"""Four ways in which updates reach a page: polling, long polling, server-sent events and WebSocket, over loopback.

Theory. A server has a feed of updates. A page *polls* when it asks now and then; *long polling* is a request that the
server answers only when it has news; with *server-sent events* (WHATWG HTML 9.2) one response never ends, and each
update is a piece of it. All three are ordinary HTTP. The requests have the header lines that Chromium sends for a page,
since these lines are most of what crosses. Every byte is counted at the client's end, and every update is timed from
when the feed has it until the client has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from email.utils import formatdate
from typing import Any, NamedTuple

from websockets.asyncio.server import ServerConnection, serve
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame as Part
from websockets.http11 import Response
from websockets.uri import parse_uri

from ...live.carrier import ADDRESS
from .page_requests import SOCKET_LINES, page_request

POLLING, LONG_POLLING, EVENTS, WEBSOCKET = "polling", "long polling", "server-sent events", "WebSocket"
COMPRESSED = "WebSocket, compressed"
UPDATES = 1000
EVERY = 0.2  # seconds between two polls
SPACING = 0.00199  # seconds between two updates where polls go by the clock: the last comes between two polls


def update(number: int) -> str:
    """The feed's update of that number, below 1,000: 43 bytes."""
    return f'{{"type":"price","symbol":"AB","value":{1000 + number}}}'


class Feed:
    """Updates, when each was published, and when each arrived at the client."""

    def __init__(self) -> None:
        self.published: list[float] = []
        self.arrived: list[float] = []
        self.calm = asyncio.Event()  # set while all that was published has arrived and somebody waits for more
        self.asked = asyncio.Event()  # set while somebody waits for more
        self._news = asyncio.Event()
        self._waiting = 0

    @property
    def updates(self) -> list[str]:
        """What was published."""
        return [update(number) for number in range(len(self.published))]

    def publish(self) -> None:
        """Have one more update."""
        self.published.append(_now())
        news, self._news = self._news, asyncio.Event()
        news.set()
        self._look()

    def arrive(self, text: str) -> None:
        """Note that the client has the next update. Raises ValueError for another text."""
        if text != update(len(self.arrived)):
            raise ValueError(f"{text!r} came, and {update(len(self.arrived))!r} was due")
        self.arrived.append(_now())
        self._look()

    async def after(self, number: int) -> None:
        """Wait for an update that stands after so many."""
        while len(self.published) <= number:
            self._waiting += 1
            self._look()
            try:
                await self._news.wait()
            finally:
                self._waiting -= 1
                self._look()

    def _look(self) -> None:
        everything = len(self.arrived) == len(self.published)
        for event, so in ((self.asked, self._waiting), (self.calm, self._waiting and everything)):
            if so:
                event.set()
            else:
                event.clear()


def _now() -> float:
    return asyncio.get_running_loop().time()


class CountedWire:
    """A client's TCP connection whose bytes are counted."""

    def __init__(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.port, self._reader, self.writer = port, reader, writer
        self.bytes = 0  # in both directions

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.bytes += len(data)
        self.writer.write(data)
        await self.writer.drain()

    def _read(self, data: bytes) -> bytes:
        self.bytes += len(data)
        return data

    async def until(self, end: bytes) -> bytes:
        """What comes, up to these bytes."""
        return self._read(await self._reader.readuntil(end))

    async def exactly(self, size: int) -> bytes:
        """So many bytes."""
        return self._read(await self._reader.readexactly(size))

    async def some(self) -> bytes:
        """What is there, at least one byte."""
        if not (data := await self._reader.read(65536)):
            raise ConnectionError("the server has ended the connection")
        return self._read(data)

    async def fetch(self, target: str, body: str | None = None) -> tuple[bytes, bytes]:
        """Ask as a page does; the head and the body of the response."""
        await self.send(page_request(self.port, target, body))
        head = await self.until(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
        return head, await self.exactly(int(length.partition(b":")[2]))


def response(body: bytes, *lines: str) -> bytes:
    """A server's answer that nobody may keep."""
    head = ["HTTP/1.1 200 OK", "Server: wslab", f"Date: {formatdate(usegmt=True)}", "Cache-Control: no-store", *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def _answer(body: str) -> bytes:
    return response(body.encode(), "Content-Type: application/json", f"Content-Length: {len(body)}")


async def http(feed: Feed, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one client: ``/poll?after=N``, ``/wait?after=N``, ``/events`` and, for what a page says, ``/say``."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            path, _, number = head.split(b" ")[1].decode().partition("?after=")
            if path == "/events":
                await _stream(feed, writer)
            if path == "/say":
                length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                writer.write(_answer(""))
                continue
            had = int(number) if number else len(feed.published)  # who does not say gets what comes from now on
            if path == "/wait":
                await feed.after(had)
            news = "[" + ",".join(feed.updates[had:]) + "]"
            writer.write(_answer(news))


async def _stream(feed: Feed, writer: asyncio.StreamWriter) -> None:
    """Send the updates as events, each a piece (a *chunk*) of a response that does not end."""
    writer.write(response(b"", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"))
    sent = 0
    while True:
        await feed.after(sent)
        while sent < len(feed.published):
            writer.write(event(sent))
            sent += 1


def event(number: int) -> bytes:
    """An update as an event in a chunk of its own. Its id lets a page that reconnects say what it has."""
    return chunk(f"id: {number:03}\ndata: {update(number)}\n\n")


def chunk(text: str) -> bytes:
    """A piece of a response whose length nobody knows yet (RFC 9112 7.1)."""
    return f"{len(text):x}\r\n{text}\r\n".encode()


async def messages(feed: Feed, connection: ServerConnection) -> None:
    """Send a message for each update."""
    sent = 0
    with contextlib.suppress(ConnectionClosed):
        while True:
            await feed.after(sent)
            while sent < len(feed.published):
                await connection.send(update(sent))
                sent += 1


# The clients. Each takes a wire and a feed, and returns when so many updates have come.


async def _poll(wire: CountedWire, feed: Feed, total: int) -> int:
    due = _now()
    while len(feed.arrived) < total:
        due += EVERY
        await asyncio.sleep(due - _now())
        _take(feed, (await wire.fetch(f"/poll?after={len(feed.arrived):03}"))[1])
    return 0


async def _wait(wire: CountedWire, feed: Feed, total: int) -> int:
    while len(feed.arrived) < total:
        _take(feed, (await wire.fetch(f"/wait?after={len(feed.arrived):03}"))[1])
    return 0


def _take(feed: Feed, body: bytes) -> None:
    for one in json.loads(body):
        feed.arrive(json.dumps(one, separators=(",", ":")))


async def _listen(wire: CountedWire, feed: Feed, total: int) -> int:
    await wire.send(page_request(wire.port, "/events"))
    await wire.until(b"\r\n\r\n")
    opening = wire.bytes
    while len(feed.arrived) < total:
        size = int(await wire.until(b"\r\n"), 16)
        for line in (await wire.exactly(size + 2)).decode().split("\n"):
            if line.startswith("data: "):
                feed.arrive(line.removeprefix("data: "))
    return opening


class Socket:
    """A WebSocket client on a wire: ``websockets`` makes and reads the bytes."""

    def __init__(self, wire: CountedWire, *, compressed: bool = False) -> None:
        self.wire = wire
        extensions = [ClientPerMessageDeflateFactory(client_max_window_bits=True)] if compressed else None
        uri = parse_uri(f"ws://{ADDRESS}:{wire.port}/")
        self.protocol = ClientProtocol(uri, origin=f"http://{ADDRESS}:{wire.port}", extensions=extensions)  # type: ignore[arg-type]

    async def open(self) -> None:
        """The handshake, with the lines that Chromium sends."""
        request = self.protocol.connect()
        for name, value in SOCKET_LINES:
            request.headers[name] = value
        self.protocol.send_request(request)
        await self._flush()
        answered = await self.next()
        assert isinstance(answered, Response), answered

    async def next(self) -> Any:
        """What comes next: the response to the handshake, or a frame."""
        while not (events := self.protocol.events_received()):
            self.protocol.receive_data(await self.wire.some())
            await self._flush()
        assert len(events) == 1, events  # updates come one by one
        return events[0]

    async def say(self, text: str) -> None:
        """Send a message."""
        self.protocol.send_text(text.encode())
        await self._flush()

    async def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.wire.send(data)


async def _open(wire: CountedWire, feed: Feed, total: int, *, compressed: bool = False) -> int:
    socket = Socket(wire, compressed=compressed)
    await socket.open()
    opening = wire.bytes
    while len(feed.arrived) < total:
        frame = await socket.next()
        assert isinstance(frame, Part)
        feed.arrive(bytes(frame.data).decode())
    return opening


async def _open_compressed(wire: CountedWire, feed: Feed, total: int) -> int:
    return await _open(wire, feed, total, compressed=True)


WAYS: dict[str, Callable[[CountedWire, Feed, int], Awaitable[int]]] = {
    POLLING: _poll,
    LONG_POLLING: _wait,
    EVENTS: _listen,
    WEBSOCKET: _open,
    COMPRESSED: _open_compressed,
}


class Delivered(NamedTuple):
    """What it took to bring updates to a client in one way."""

    way: str
    updates: int
    bytes: int  # on the TCP connection, in both directions
    opening: int  # of these, what crossed before the first update, once for a connection
    delays: tuple[float, ...]  # seconds that each update was on its way

    @property
    def delay(self) -> float:
        """The mean delay, in seconds."""
        return sum(self.delays) / len(self.delays)

    @property
    def each(self) -> float:
        """Bytes for an update, without the opening."""
        return (self.bytes - self.opening) / self.updates


@contextlib.asynccontextmanager
async def serving(feed: Feed, way: str) -> AsyncIterator[CountedWire]:
    """A server that brings updates in one way, and a client's wire to it."""
    tasks: set[asyncio.Task[Any]] = set()

    @contextlib.contextmanager
    def ended_with_the_feed() -> Iterator[None]:
        """What serves one client waits for news for ever: it ends when the client has all that it wanted."""
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            yield

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with ended_with_the_feed():
            await http(feed, reader, writer)
        writer.close()

    async def talk(connection: ServerConnection) -> None:
        with ended_with_the_feed():
            await messages(feed, connection)

    server: Any
    if way in (WEBSOCKET, COMPRESSED):
        compression = "deflate" if way == COMPRESSED else None
        server = await serve(
            talk, ADDRESS, 0, compression=compression, ping_interval=None, server_header="wslab"
        )  # fmt: skip
    else:
        server = await asyncio.start_server(accept, ADDRESS, 0)
    port = next(iter(server.sockets)).getsockname()[1]
    wire = CountedWire(port, *await asyncio.open_connection(ADDRESS, port))
    try:
        yield wire
    finally:
        wire.writer.close()
        for task in tasks:
            task.cancel()
        server.close()
        await server.wait_closed()


async def deliver(way: str, updates: int = UPDATES) -> Delivered:
    """Bring updates to a client in one way. Polls go by the clock; else an update comes when the last has arrived."""
    feed = Feed()
    async with serving(feed, way) as wire:
        receiving = asyncio.ensure_future(WAYS[way](wire, feed, updates))
        start = _now()
        for number in range(updates):
            if way == POLLING:
                await asyncio.sleep(max(0.0, start + number * SPACING - _now()))
            else:
                waiting = asyncio.ensure_future(feed.calm.wait())
                await asyncio.wait({waiting, receiving}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if receiving.done():
                    break  # it failed; awaiting it says why
            feed.publish()
        opening = await receiving
        delays = tuple(there - here for here, there in zip(feed.published, feed.arrived, strict=True))
        return Delivered(way, updates, wire.bytes, opening, delays)


async def deliveries(*ways: str, updates: int = UPDATES) -> dict[str, Delivered]:
    """The same updates in each of these ways, one after another; all that there are, if none is named."""
    return {way: await deliver(way, updates) for way in ways or WAYS}
