"""Conversations over loopback TCP: an ``Endpoint`` at one end, and ``websockets`` or ``wsproto`` as its client.

Theory. A learner's code runs in the coroutine that judges it, since only there a loop without an end is stopped. So
the client talks in a task of its own, and this coroutine hands bytes between the connection and the endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from wsproto import ConnectionType, WSConnection, events
from wsproto.connection import ConnectionState
from wsproto.utilities import RemoteProtocolError

from ...drawing.visible import count, visible
from ...live.lab import Lab
from ...live.raw import RawEndpoint
from ..exercises import Outcome

WAIT = 1.0  # seconds that a client waits for what it wants
SILENT, OPENS = ("nothing", ""), ("open", "")
Heard = tuple[str, Any]  # what a client was told: its kind and its value, such as ("message", "Hello")


class Act(NamedTuple):
    """One thing that a client does, and what it is told then."""

    does: str  # read, send, ping, pong, close, raw (frames as bytes)
    given: Any
    wanted: Heard
    said: str = ""  # in words


class Talk(NamedTuple):
    """A conversation."""

    acts: tuple[Act, ...] = ()
    opens: Heard = OPENS
    greets: tuple[str | bytes, ...] = ()  # what the program behind the endpoint says first; it echoes each message
    rewritten: Callable[[bytes], bytes] = bytes  # what a proxy makes of the request's head
    cut: Callable[[bytes], Iterable[bytes]] = lambda data: [data]  # the pieces in which the endpoint gets the bytes


class Peer(Protocol):
    """A client's library: what it does, and what it is told.

    Args:
        lab: what carries and records the conversation.
        uri: where the endpoint is.
    """

    name: str

    def __init__(self, lab: Lab, uri: str) -> None: ...

    async def open(self) -> Heard:
        """Open the connection."""

    async def do(self, act: Act) -> Heard:
        """Do one thing; what the client is told then."""

    async def leave(self) -> None:
        """Let go of the connection."""


class ByWebsockets(Peer):
    """A client of ``websockets``."""

    name = "websockets"
    _socket: ClientConnection

    def __init__(self, lab: Lab, uri: str) -> None:
        self._lab, self._uri = lab, uri

    async def open(self) -> Heard:
        """Open the connection."""
        try:
            self._socket = await self._lab.connect(self._uri, open_timeout=WAIT, close_timeout=WAIT, max_size=None)
        except InvalidStatus as error:
            return "refused", error.response.status_code
        except (InvalidMessage, EOFError) as error:
            return "gives up", str(error.__cause__ or error)
        except InvalidHandshake as error:
            return "gives up", str(error)
        except TimeoutError:
            return SILENT
        return OPENS

    async def do(self, act: Act) -> Heard:
        """Do one thing; what the client is told then."""
        socket = self._socket
        try:
            async with asyncio.timeout(WAIT):
                match act.does:
                    case "send":
                        await socket.send(act.given)
                    case "raw":
                        socket.transport.write(act.given)
                    case "pong":
                        await socket.pong(act.given)
                    case "ping":
                        await (await socket.ping(act.given))
                        return "pong", act.given
                    case "close":
                        await socket.close(*act.given)
                        return self._closed()
                return SILENT if act.wanted == SILENT else ("message", await socket.recv())
        except ConnectionClosed:
            return self._closed()
        except TimeoutError:
            return SILENT

    def _closed(self) -> Heard:
        protocol = self._socket.protocol
        if protocol.close_rcvd is not None:
            return "close", int(protocol.close_rcvd.code)
        if protocol.parser_exc is not None and not isinstance(protocol.parser_exc, EOFError):
            return "gives up", str(protocol.parser_exc)
        return "no close frame", ""

    async def leave(self) -> None:
        """Let go of the connection."""
        if hasattr(self, "_socket"):
            self._socket.transport.abort()
            await self._socket.wait_closed()


class ByWsproto(Peer):
    """A client of ``wsproto``, which has no input or output of its own: a bare connection carries its bytes."""

    name = "wsproto"
    _socket: RawEndpoint

    def __init__(self, lab: Lab, uri: str) -> None:
        self._lab, self._uri = lab, uri
        self._library = WSConnection(ConnectionType.CLIENT)
        self._events: Iterator[events.Event] = iter(())

    async def open(self) -> Heard:
        """Open the connection."""
        self._socket = await self._lab.raw(self._uri)
        await self._socket.send(self._library.send(events.Request(host=urlsplit(self._uri).netloc, target="/")))
        return await self._heard()

    async def do(self, act: Act) -> Heard:
        """Do one thing; what the client is told then."""
        match act.does:
            case "send":
                await self._send(events.Message(data=act.given))
            case "raw":
                with contextlib.suppress(ConnectionError):
                    await self._socket.send(act.given)
            case "ping":
                await self._send(events.Ping(payload=act.given))
            case "pong":
                await self._send(events.Pong(payload=act.given))
            case "close":
                await self._send(events.CloseConnection(*act.given))
        return SILENT if act.wanted == SILENT else await self._heard(no_pong=act.does == "raw")

    async def _send(self, event: events.Event) -> None:
        with contextlib.suppress(ConnectionError):
            await self._socket.send(self._library.send(event))

    async def _heard(self, *, no_pong: bool = False) -> Heard:
        pieces: list[Any] = []
        try:
            async with asyncio.timeout(WAIT):
                while True:
                    for event in self._events:
                        told = self._told(event, pieces)
                        if told is not None and not (no_pong and told[0] == "pong"):
                            return told
                    data = await self._socket.recv(timeout=None)
                    if not data:
                        return "no close frame", ""
                    self._library.receive_data(data)
                    self._events = self._library.events()
        except TimeoutError:
            return SILENT
        except RemoteProtocolError as error:
            return "gives up", str(error)

    def _told(self, event: events.Event, pieces: list[Any]) -> Heard | None:
        match event:
            case events.AcceptConnection():
                return OPENS
            case events.RejectConnection():
                return "refused", event.status_code
            case events.Message():
                pieces.append(event.data if isinstance(event.data, str) else bytes(event.data))
                if event.message_finished:
                    return "message", pieces[0][:0].join(pieces)
            case events.Pong():
                return "pong", bytes(event.payload)
            case events.Ping():
                return "ping", bytes(event.payload)
            case events.CloseConnection() if self._library.state in (
                ConnectionState.OPEN,
                ConnectionState.LOCAL_CLOSING,
            ):
                # The same event tells of a close frame that came and of a fault; the state tells them apart.
                return "gives up", str(event.reason)
            case events.CloseConnection():
                return "close", int(event.code)
        return None

    async def leave(self) -> None:
        """Let go of the connection."""
        if hasattr(self, "_socket"):
            await self._socket.reset()


PEERS: tuple[type[Peer], ...] = (ByWebsockets, ByWsproto)


class Promise(NamedTuple):
    """What an endpoint that does its part makes of some conversations."""

    said: str  # what the clients do, to be read behind "both clients"
    kept: str  # what they are told by an endpoint that keeps it
    talks: Sequence[Talk]


async def keeps(lab: Lab, make: Callable[[], Any], promise: Promise) -> list[Outcome]:
    """Have both libraries hold a promise's conversations, each with a new endpoint.

    Args:
        lab: what carries and records them.
        make: makes an ``Endpoint``, or what stands for one in another process.
        promise: the conversations.

    Returns:
        One outcome if both were told what the promise says. Else one for each, the last with what came instead.
    """
    outcomes: list[Outcome] = []
    for peer in PEERS:
        outcomes.append(await _kept(lab, make, promise, peer))
        if outcomes[-1].came == in_words(SILENT):
            break  # the other one would wait as long
    if all(outcome.ok for outcome in outcomes):
        return [Outcome(f"both clients {promise.said}", promise.kept, promise.kept, ok=True)]
    return sorted(outcomes, key=lambda outcome: outcome.ok, reverse=True)


async def _kept(lab: Lab, make: Callable[[], Any], promise: Promise, peer: type[Peer]) -> Outcome:
    for talk in promise.talks:
        heard = await _held(lab, make(), talk, peer)
        acts = (Act("open", None, talk.opens, "opens a connection"), *talk.acts)
        for act, came in zip(acts, heard, strict=False):
            if came != act.wanted:
                said = f"{peer.name} {act.said or act.does}"
                return Outcome(said, in_words(act.wanted), in_words(came, act.wanted), ok=False)
    return Outcome(f"{peer.name}, made to {promise.said}", promise.kept, promise.kept, ok=True)


async def _held(lab: Lab, endpoint: Any, talk: Talk, peer: type[Peer]) -> list[Heard]:
    door = await lab.raw(listen=True)
    client = peer(lab, door.uri or "")
    talking = asyncio.ensure_future(_talk(client, talk))
    try:
        await carry(door, endpoint, talk)
        return await talking
    finally:
        talking.cancel()
        await asyncio.wait({talking})
        await door.reset()


async def _talk(client: Peer, talk: Talk) -> list[Heard]:
    """What a client is told, up to the first thing that is not what was wanted."""
    heard: list[Heard] = []
    try:
        heard.append(await client.open())
        for act in talk.acts if heard[0] == OPENS else ():
            heard.append(await client.do(act))
            if heard[-1] != act.wanted:
                break
        return heard
    finally:
        await client.leave()


async def carry(door: RawEndpoint, endpoint: Any, talk: Talk) -> None:
    """Hand bytes between a connection and an endpoint, and be the program behind it, until one of them ends."""
    head = True
    with contextlib.suppress(ConnectionError):
        while data := await door.recv(timeout=None):
            data, head = talk.rewritten(data) if head else data, False
            for piece in talk.cut(data):
                over, sent = answered(endpoint, piece, talk.greets)
                await door.send(sent)
                if over:
                    await door.finish()
                    await door.recv_to_end(timeout=None)
                    return


def answered(endpoint: Any, data: bytes, greets: Iterable[str | bytes] = ()) -> tuple[bool, bytes]:
    """Whether the connection is over with these bytes, and what is to be sent."""
    over, sent = False, b""
    for kind, value in endpoint.receive(data):
        match kind:
            case "send":
                sent += value
            case "open":
                sent += b"".join(endpoint.send(greeting) for greeting in greets)
            case "message":
                sent += endpoint.send(value)
            case "closed":
                over = True
    return over, sent


def in_words(heard: Heard, instead_of: Heard | None = None) -> str:
    """What a client was told, in a few words; where it looks the same as what was wanted, that it differs."""
    kind, value = heard
    if isinstance(value, str | bytes) and kind in ("message", "ping", "pong"):
        kind = kind if kind != "message" else "text" if isinstance(value, str) else "binary"
        shown = value if isinstance(value, str) else value.hex(" ")
        size = count(len(value.encode() if isinstance(value, str) else value), "byte")
        told = f'{kind} "{visible(shown)}"' if len(shown) <= 40 else f"{kind} of {size}"
    else:
        told = f"{kind} {value}".strip()
    return f"{told}, but other ones" if instead_of not in (None, heard) and told == in_words(instead_of) else told
