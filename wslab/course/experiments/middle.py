"""Lesson 12, in the middle: relays that damage, close or lose something. Its exercise is in ``lesson12``.

Each experiment has a lab of its own: then no panel above shows what it does before a prediction is locked in.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import State

from ...anatomy.field import Sender
from ...anatomy.records import is_close
from ...drawing.visible import quote
from ...live.lab import Lab
from ...live.relay.bends import Bend, Fin, FlipBits, Hold, IdleClose, Inject, Silence, StripHeader
from ...protocol import parse_frame
from ...recording.trace import Trace
from .strips import Stretch, Strip, Strips
from .three_lanes import LanesPicker, ThreeLanes, crossings, ends, in_page

GREETING = "Hello server!"
QUIET = 0.5  # seconds in which a greeting comes back, or does not
PING = bytes.fromhex("89 80 00 00 00 00")  # of a client: masked, with a key of four zeros
IDLE = 0.8  # seconds of silence after which the office's proxy closes
WATCHED = 1.6  # seconds for which a quiet connection is watched
SENT, THROUGH = 1000, 30  # messages that are sent, and that a relay hands on

DAMAGES: Mapping[str, Bend] = {
    "the line Upgrade is taken out": StripHeader("Upgrade"),
    "the MASK bit is flipped": FlipBits(8),
    "the highest bit of the H is flipped": FlipBits(48),
    "the lowest bit of the H is flipped": FlipBits(55),
    "a ping is put in": Inject(PING, at="frames"),
    "the server's stream ends (FIN) after the handshake": Fin(direction="server", at="frames"),
}  # a bit's place is counted from the frame's first bit


class Greeting(NamedTuple):
    """A greeting through a relay: what the client's program got, and what crossed on both sides of the relay."""

    got: str
    trace: Trace
    stop: int  # the number of the first record of the goodbye
    relay: str  # what the relay does, in words

    @property
    def lanes(self) -> ThreeLanes:
        """Client, relay and server on one ladder."""
        code = self.got.isdecimal() or self.got == "nothing"
        told = f"The client's program gets: {self.got if code else quote(self.got)}"
        return ThreeLanes(crossings(self.trace, self.stop), self.relay, told)

    def __repr__(self) -> str:
        return repr(self.lanes)

    def _repr_html_(self) -> str:
        return self.lanes._repr_html_()


async def _echo(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def greet(*bends: Bend, text: str = GREETING) -> Greeting:
    """Connect through a relay, say something, and wait for its echo, half a second at most.

    Args:
        bends: what the relay does to the bytes; without any it changes nothing.
        text: what the client says.
    """
    async with Lab(seed=12) as lab:
        await lab.serve(_echo)
        relay = await lab.relay(bends=bends)
        stop = None
        try:
            async with lab.connect(relay.uri, close_timeout=0.1) as ws:
                with contextlib.suppress(TimeoutError):
                    got = "nothing"
                    await ws.send(text)
                    got = str(await asyncio.wait_for(ws.recv(), QUIET))
                stop = lab.trace.total
        except InvalidStatus as refused:
            got = str(refused.response.status_code)
        except ConnectionClosed:
            got = str(int(ws.close_code or 0))
        if stop is None:
            await lab.settled()
        words = ", ".join(bend.words for bend in bends)
        return Greeting(got, lab.trace, lab.trace.total if stop is None else stop, words)


# A relay that changes nothing.


async def unbent() -> dict[str, Any]:
    """A greeting through a relay that changes nothing, as ``compared`` tells it."""
    return compared((await greet()).trace)


def compared(trace: Trace) -> dict[str, Any]:
    """A client's conversation through a relay, at both ends: its TCP connections, and what the relay changed."""
    near, far = (trace.bytes_sent(number, Sender.CLIENT) for number in ends(trace))
    both = min(len(near), len(far))
    frame = parse_frame(far.partition(b"\r\n\r\n")[2])
    return {
        "TCP connections": len(trace.connections),
        "bytes of the client's that the relay changed": sum(map(int.__ne__, near[:both], far[:both])),
        "the first frame reaches the server": "masked" if frame.masking_key else "unmasked",
    }


# Relays that damage something.


async def damaged() -> dict[str, Greeting]:
    """By damage: a greeting through a relay that does it."""
    return {name: await greet(bend) for name, bend in DAMAGES.items()}


def what_programs_got(greetings: Mapping[str, Greeting]) -> dict[str, str]:
    """By damage: what the client's program got."""
    return {name: greeting.got for name, greeting in greetings.items()}


def pick_damage(greetings: Mapping[str, Greeting]) -> LanesPicker:
    """Three lanes for each damage, to choose from."""
    return LanesPicker({name: greeting.lanes for name, greeting in greetings.items()})


def first_frames(trace: Trace) -> tuple[bytes, bytes]:
    """A client's first frame in a conversation through a relay: as the client wrote it, as the server read it."""
    streams = (trace.bytes_sent(number, Sender.CLIENT).partition(b"\r\n\r\n")[2] for number in ends(trace))
    wrote, read = (stream[: _length(stream)] for stream in streams)
    return wrote, read


def _length(stream: bytes) -> int:
    """How many bytes the first frame of a stream has."""
    frame = parse_frame(stream)
    return frame.header_length + frame.payload_length


class FrameRows(Strips):
    """Strips that are a part of their page."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": in_page(self.svg(), repr(self)), "text/plain": repr(self)}


def both_frames(greeting: Greeting) -> FrameRows:
    """A client's first frame as it left the client and as it reached the server, what differs with a red frame."""
    wrote, read = first_frames(greeting.trace)
    other = [at for at, pair in enumerate(zip(wrote, read, strict=False)) if pair[0] != pair[1]]
    marks = [Stretch("", at, at + 1, strong=True) for at in other]
    parts = [("header", 0, 2), ("masking key", 2, 6), ("payload, masked", 6, len(wrote))]
    runs = [Stretch(*part) for part in parts]
    return FrameRows(
        f"One frame on both sides of the relay: {greeting.relay or 'nothing is changed'}",
        [
            Strip("as the client wrote it", wrote, runs, letters=False),
            Strip("as the server read it", read, [*runs, *marks], said=_differs(other), letters=False),
        ],
    )


def _differs(places: Sequence[int]) -> str:
    return f"differs in byte {', '.join(map(str, places))}" if places else "every byte is the same"


# Quiet connections.


def known(connection: Connection | None) -> str:
    """What a program is told of its connection: that it is open, or a code."""
    return str(int(connection.close_code or 0)) if connection and connection.state is not State.OPEN else "it is open"


async def _stay(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def through_the_office(server_pings: float | None = None) -> str:
    """What a client that says nothing is told through a proxy that closes what is idle for 0.8 s, after 1.6 s."""
    async with Lab(seed=12) as lab:
        await lab.serve(_stay, ping_interval=server_pings)
        relay = await lab.relay(bends=[IdleClose(IDLE)])
        async with lab.connect(relay.uri) as ws:
            await asyncio.wait({asyncio.ensure_future(ws.wait_closed())}, timeout=WATCHED)
            return known(ws)


class Cable(NamedTuple):
    """A connection whose relay hands on nothing any more, and what both programs know when the client has given up."""

    trace: Trace
    stop: int  # the number of the first record that came later
    client: str
    server: str

    @property
    def lanes(self) -> ThreeLanes:
        """Client, relay and server on one ladder."""
        return ThreeLanes(
            crossings(self.trace, self.stop), "silence", f"The client is told: {self.client}. The server: {self.server}"
        )


async def pulled_cable() -> Cable:
    """A client pings after 0.1 s, and then waits 0.2 s for the pong; its relay hands on no frame. The server waits."""
    accepted: list[ServerConnection] = []

    async def stay(connection: ServerConnection) -> None:
        accepted.append(connection)
        await connection.wait_closed()

    async with Lab(seed=12) as lab:
        await lab.serve(stay)
        relay = await lab.relay(bends=[Silence(at="frames")])
        async with lab.connect(relay.uri, ping_interval=0.1, ping_timeout=0.2, close_timeout=0.1) as ws:
            await ws.wait_closed()
            return Cable(lab.trace, lab.trace.total, known(ws), known(accepted[0] if accepted else None))


def code_sent(trace: Trace) -> str:
    """The code in the first close frame that a client sent into the relay; ``none`` where it sent none."""
    sent = (one for one in trace.connection(ends(trace)[0]) if one.sender is Sender.CLIENT and is_close(one))
    first = next(sent, None)
    return "none" if first is None else str(first.status)


async def quiet() -> tuple[Cable, dict[str, str]]:
    """Three quiet connections at the same time: the cable's recording, and what became of all of them."""
    alone, pinged, cable = await asyncio.gather(through_the_office(), through_the_office(0.1), pulled_cable())
    return cable, {
        "the office, and nobody speaks: the client is told": alone,
        "the office, and the server pings: the client is told": pinged,
        "the cable: the code in the close frame that the client sends": code_sent(cable.trace),
        "the cable: the client is told": cable.client,
        "the cable: the server is told": cable.server,
    }


# It was delivered, because send() returned.


async def send_a_thousand() -> dict[str, int]:
    """A client sends a thousand messages; a relay hands on thirty, and is gone. How many each end knows of."""
    read: list[str | bytes] = []
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def collect(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                read.append(message)
                if len(read) == THROUGH:
                    loop.call_soon_threadsafe(enough.set)

    async with Lab(seed=12) as lab:
        await lab.serve(collect)
        relay = await lab.relay(bends=[Hold(direction="client", at=f"frame {THROUGH}")])
        ws = await lab.connect(relay.uri)
        returned = 0
        for number in range(SENT):
            await ws.send(str(number))
            returned += 1
        await asyncio.wait_for(enough.wait(), 5)
        await relay.close()  # nobody lets go what is held
        await ws.wait_closed()
        return delivered(lab.trace, returned, len(read))


def delivered(trace: Trace, returned: int, read: int) -> dict[str, int]:
    """How many messages were sent and read, and how many the server's messages in a recording confirm."""
    return {
        "calls of send() that returned": returned,
        "messages that the server's handler read": read,
        "messages that the client knows to be read": len(trace.messages_of(ends(trace)[0], Sender.SERVER)),
    }
