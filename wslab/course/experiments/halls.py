"""A hall: a server that tells the same to all who are in it, and members of which one reads slowly or not at all.

Theory. ``send`` hands bytes to the operating system, which keeps them until the receiver's system takes them, and that
one keeps them until a program reads. On loopback the two hold several megabytes. Here both are told to hold little for
the slow member, so that what happens after megabytes happens after a hundred kilobytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any, NamedTuple

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed

from ...live.lab import Lab

SLOW, SPEAK = "/slow", "/speak"
LITTLE = 4096  # bytes that the system is told to hold for the slow member; it takes a little more
PATIENCE = 0.5  # seconds in which a message has to have gone to all

Members = Collection[ServerConnection]
Way = Callable[[Any, str], Awaitable[None]]  # how a text is sent to all members


def waiting(connection: Connection) -> int:
    """How many bytes for a connection wait in this program, since the operating system takes no more."""
    return connection.transport.get_write_buffer_size()


def hold_little(connection: Connection, option: int) -> None:
    """Tell the operating system to keep little of what is sent, or received, as ``option`` says."""
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, LITTLE)


class Hall:
    """A room whose members only listen. Who connects to ``/speak`` and sends a text has it sent to all members.

    The speaker is answered, when all was sent, with the bytes that wait in the server for the member who is worst off.
    """

    def __init__(self, way: Way) -> None:
        self.way = way
        self.members: list[ServerConnection] = []

    async def handle(self, connection: ServerConnection) -> None:
        """Serve a member or a speaker."""
        assert connection.request is not None
        with contextlib.suppress(ConnectionClosed):
            if connection.request.path == SPEAK:
                async for text in connection:
                    await self.way(list(self.members), str(text))
                    await connection.send(str(max(map(waiting, self.members), default=0)))
                return
            if connection.request.path == SLOW:
                hold_little(connection, socket.SO_SNDBUF)
            self.members.append(connection)
            try:
                await connection.wait_closed()
            finally:
                self.members.remove(connection)


class Speaker(NamedTuple):
    """Who has something sent to all members of a hall."""

    connection: Any

    async def say(self, text: str) -> int | None:
        """Have a text sent to all; the bytes that wait in the server then, or None where it took too long."""
        await self.connection.send(text)
        try:
            async with asyncio.timeout(PATIENCE):
                return int(await self.connection.recv())
        except TimeoutError:
            return None


@contextlib.asynccontextmanager
async def opened(way: Way) -> AsyncIterator[tuple[Hall, Lab]]:
    """A hall that sends in that way, in a lab of its own. At the end the server cuts all off at once."""
    hall = Hall(way)
    async with Lab(seed=14) as lab:
        server = await lab.serve(hall.handle)
        try:
            yield hall, lab
        finally:
            for connection in [*server.accepted]:
                connection.loop.call_soon_threadsafe(connection.transport.abort)  # some wait for a frozen member


async def join(lab: Lab, path: str = "/") -> Any:
    """A new member of the lab's hall; at ``/slow``, one for whom the system holds little."""
    member = await lab.connect(path)
    if path == SLOW:
        hold_little(member, socket.SO_RCVBUF)
    return member


class Handed(NamedTuple):
    """What came of messages to a hall in which one member has stopped reading."""

    sent: int  # messages that were to be sent
    size: int  # bytes of each
    got: tuple[int, ...]  # messages that each of the others has read
    held: int  # bytes that waited in the server for the frozen member, at most


async def one_stops_reading(way: Way, *, members: int = 50, messages: int = 100, size: int = 4000) -> Handed:
    """Send messages to a hall in which one member has stopped reading, until the others get no more of them.

    Args:
        way: how a text is sent to all: a coroutine function of the members and the text.
        members: how many there are, the frozen one among them.
        messages: how many are sent.
        size: bytes of each.
    """
    async with opened(way) as (_, lab):
        others = [await join(lab) for _ in range(members - 1)]
        frozen = await join(lab, SLOW)  # and never reads
        got = [0] * len(others)

        async def read(place: int) -> None:
            async for _ in others[place]:
                got[place] += 1

        reading = [asyncio.create_task(read(place)) for place in range(len(others))]
        speaker = Speaker(await lab.connect(SPEAK))
        held = 0
        for _ in range(messages):
            now = await speaker.say("x" * size)
            if now is None:
                break
            held = max(held, now)
        before: list[int] = []
        while got != before and min(got, default=messages) < messages:
            before = got[:]
            await asyncio.sleep(PATIENCE / 5)
        for task in reading:
            task.cancel()
        frozen.transport.abort()  # it would answer no goodbye
        return Handed(messages, size, tuple(got), held)


def what_others_get(heard: Handed) -> str:
    """The messages that the others read, in words."""
    if all(number == heard.sent for number in heard.got):
        return f"all {heard.sent} messages"
    return "some, and then nothing" if any(heard.got) else "nothing"


def where_they_wait(heard: Handed) -> str:
    """Where the messages are that the frozen member does not read."""
    return "in the server's memory" if 2 * heard.held > heard.sent * heard.size else "on their way"


async def without_the_slow(members: Members, text: str) -> None:
    """Send to all without waiting, and cut off for whom too much waits."""
    broadcast(members, text)
    for member in members:
        if waiting(member) > 100_000:
            member.transport.abort()
