"""A room on a thread of its own in which a learner's function sends to all, and the bots that are its members.

Theory. The bots know only what comes over their connections. The room may run here, or in the process of somebody whose
answer is graded: then it is reached by plain values, and the bots connect to its port in the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from ..exercises import EndlessLoopError, Trial, watched
from ..stranger import StandIn, hosted
from .halls import hold_little, waiting

FAST, MESSAGES, SIZE = 3, 100, 100_000  # bots that read, messages, and bytes of each: less fits into loopback's buffers
LIMIT = 0.5  # seconds that one message may take
MOST_HELD = 1_000_000  # bytes that may wait in the server
SOON = 0.2  # seconds in which a loop that runs comes to its next turn
OPTIONS: dict[str, Any] = {"compression": None, "ping_interval": None}

T = TypeVar("T")
SendAll = Callable[[set[ServerConnection], str], Awaitable[None]]
Told = tuple[bool, int, str, str]  # whether it was done in time, the bytes held, what was raised, and its words


class Floor:
    """A server whose members are told by ``send_all``, on a thread of its own. Its methods take and give plain values.

    Args:
        send_all: a coroutine function of the members, a set of connections, and a text.
    """

    def __init__(self, send_all: SendAll) -> None:
        self._send_all = send_all
        self._members: set[ServerConnection] = set()
        self._news = asyncio.Event()  # somebody came or went
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(self._serve())

    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1])

    def tell(self, text: str) -> Told:
        """Have ``send_all`` send a text to all. Raises EndlessLoopError where it computes and never awaits."""
        telling = asyncio.run_coroutine_threadsafe(self._tell(text), self._loop)
        try:
            return telling.result(LIMIT)
        except TimeoutError:
            turned = threading.Event()
            self._loop.call_soon_threadsafe(turned.set)
            if not turned.wait(SOON):
                raise EndlessLoopError(f"your function had not returned after {LIMIT:g} s") from None
            telling.cancel()
            return False, self.held(), "", ""

    def held(self) -> int:
        """How many bytes wait in the server for all members."""
        return self._run(self._held())

    def members(self) -> int:
        """How many are in the room."""
        return len(self._members)

    def settle(self, number: int) -> None:
        """Wait until the room knows of so many open connections."""
        self._run(self._settled(number))

    def close(self) -> None:
        """Cut everybody off, and end the thread."""
        with contextlib.suppress(TimeoutError):
            self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(4 * LIMIT)  # an endless loop is stopped after a second
        if not self._thread.is_alive():
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10 * LIMIT)

    async def _serve(self) -> Any:
        return await serve(self._stay, "127.0.0.1", 0, **OPTIONS)

    async def _stay(self, connection: ServerConnection) -> None:
        self._members.add(connection)
        self._news.set()
        await connection.wait_closed()
        self._news.set()

    async def _tell(self, text: str) -> Told:
        try:
            await watched(self._send_all(self._members, text))
        except (NotImplementedError, EndlessLoopError):
            raise
        except Exception as error:
            return True, await self._held(), type(error).__name__, str(error)
        finally:  # a room notices a moment later who has gone
            self._members -= {one for one in self._members if one.state is State.CLOSED}
        return True, await self._held(), "", ""

    async def _held(self) -> int:
        return sum(map(waiting, self._members))

    async def _settled(self, number: int) -> None:
        while sum(one.state is State.OPEN for one in self._members) != number:
            self._news.clear()
            await self._news.wait()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in self._members:
            connection.transport.abort()
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._server.close()
        await self._server.wait_closed()


class Cast(NamedTuple):
    """Five bots, in the order in which they join."""

    frozen: int  # which of them never reads
    vanishing: int  # which of them vanishes
    vanishes: int  # after so many messages


def cast(trial: Trial) -> Cast:
    """Draw who is frozen, and who vanishes when: before loopback's buffers are full."""
    frozen, vanishing = trial.random.sample(range(FAST + 2), 2)
    return Cast(frozen, vanishing, trial.random.randint(5, 20))


class Sent(NamedTuple):
    """What came of 100 messages to five bots."""

    done: int  # messages that were sent to all in time
    got: tuple[int, ...]  # messages that each fast bot has read
    held: int  # bytes that waited in the server, at most
    left: int  # members in the end
    raised: str  # the name of the exception that ended it, or empty
    words: str


async def send_to_bots(answer: SendAll | StandIn, roles: Cast) -> Sent:
    """Have an answer send 100 messages to three fast bots, a frozen one and one that vanishes.

    Raises NotImplementedError for an empty stub, and EndlessLoopError where it computes and never awaits.
    """
    async with _floor(answer) as floor, _bots(floor.port(), FAST + 2) as bots:
        hold_little(bots[roles.frozen], socket.SO_RCVBUF)  # else it depends on the machine when the others have to wait
        fast = [bot for place, bot in enumerate(bots) if place not in (roles.frozen, roles.vanishing)]
        await asyncio.to_thread(floor.settle, len(bots))
        got, news = [0] * FAST, asyncio.Event()
        reading = [asyncio.ensure_future(_read(bot, got, place, news)) for place, bot in enumerate(fast)]
        done = held = 0
        raised = words = ""
        for number in range(MESSAGES):
            if number == roles.vanishes:
                bots[roles.vanishing].transport.abort()
                await asyncio.to_thread(floor.settle, len(bots) - 1)
            in_time, waits, raised, words = await asyncio.to_thread(floor.tell, f"{number:{SIZE}}")
            held = max(held, waits)
            if raised or not in_time:
                break
            done += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LIMIT):  # the last messages may be on their way
                while min(got) < done:
                    news.clear()
                    await news.wait()
        for task in reading:
            task.cancel()
        return Sent(done, tuple(got), held, await asyncio.to_thread(floor.members), raised, words)


@contextlib.asynccontextmanager
async def _bots(port: int, number: int) -> AsyncIterator[list[ClientConnection]]:
    """So many connections to a port, which all end at once."""
    uri = f"ws://127.0.0.1:{port}/"
    bots = [await connect(uri, proxy=None, max_size=None, **OPTIONS) for _ in range(number)]
    try:
        yield bots
    finally:
        for bot in bots:
            bot.transport.abort()
        await asyncio.gather(*(bot.wait_closed() for bot in bots))


async def _read(bot: ClientConnection, got: list[int], place: int, news: asyncio.Event) -> None:
    """Count the messages that come in order."""
    with contextlib.suppress(ConnectionClosed):
        async for text in bot:
            got[place] += int(text) == got[place]
            news.set()


@contextlib.asynccontextmanager
async def _floor(answer: SendAll | StandIn) -> AsyncIterator[Any]:
    """The room, here or in the process of who wrote the answer."""
    if isinstance(answer, StandIn):  # what is over there ends with its process
        yield await asyncio.to_thread(hosted, answer, f"{__name__}:Floor")
        return
    floor = Floor(answer)
    try:
        yield floor
    finally:
        await asyncio.to_thread(floor.close)
