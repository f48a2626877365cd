"""Broadcast to 300 clients through a lab against a bare ``websockets`` broadcast, as ratios of one run.

A speaker sends a text, and the server's ``broadcast`` sends it to all members. In the lab both ends of all connections
are recorded. The server runs on a loop in its own thread and all clients on the main thread's loop, in both, with the
same options.

Rounds of both alternate, and each figure is a median of the rounds' ratios. The throughput is that of messages read by
members while the speaker has several on their way. What was recorded is derived when somebody looks, as a panel does;
the second ratio counts that, too. A latency is the time from the speaker's send until one member has read it, with one
message on its way at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median, quantiles
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, broadcast, serve

from wslab.live.lab import Lab

SIZES = {"100 B": 100, "1 kB": 1000, "10 kB": 10_000}
THROUGHPUT, P50 = 0.6, 1.7  # at least, at most
SPEAK = "speak"
OPTIONS: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None}
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**28)}


class Room:
    """Members, and speakers whose texts go to all of them."""

    def __init__(self) -> None:
        self.members: list[ServerConnection] = []

    async def handle(self, connection: ServerConnection) -> None:
        """Serve a member or a speaker."""
        assert connection.request is not None
        if connection.request.path.endswith(SPEAK):
            async for text in connection:
                broadcast(self.members, text)
        else:
            self.members.append(connection)
            await connection.wait_closed()


class Joined(NamedTuple):
    """Clients that are in one room."""

    speaker: ClientConnection
    members: Sequence[ClientConnection]
    derive: Callable[[], object]


@asynccontextmanager
async def bare(number: int) -> AsyncIterator[Joined]:
    loop, room = asyncio.new_event_loop(), Room()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Any:
        return await serve(room.handle, "127.0.0.1", 0, **OPTIONS)

    async def stop() -> None:
        server.close()
        await server.wait_closed()

    server = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(start(), loop))
    uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    members = [await connect(uri, proxy=None, **OPTIONS) for _ in range(number)]
    yield Joined(await connect(uri + SPEAK, proxy=None, **OPTIONS), members, lambda: None)
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(stop(), loop))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@asynccontextmanager
async def recorded(number: int) -> AsyncIterator[Joined]:
    async with Lab() as lab:
        await lab.serve(Room().handle, max_size=None)
        members = [await lab.connect(max_size=None) for _ in range(number)]
        yield Joined(await lab.connect(f"/{SPEAK}", max_size=None), members, lab.trace.update)


async def rate(joined: Joined, text: str, times: int) -> tuple[float, float]:
    """Messages that members read a second, while so many are on their way to each; and with all of it derived."""

    async def read(member: ClientConnection) -> None:
        for _ in range(times):
            await member.recv()

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as reading:
        for member in joined.members:
            reading.create_task(read(member))
        for _ in range(times):
            await joined.speaker.send(text)
    read_by = time.perf_counter()
    joined.derive()
    number = times * len(joined.members)
    return number / (read_by - begun), number / (time.perf_counter() - begun)


async def latencies(joined: Joined, text: str, times: int) -> list[float]:
    """Seconds from a send until a member has read it, for each member and each of so many messages."""
    found: list[float] = []

    async def read(member: ClientConnection) -> None:
        await member.recv()
        found.append(time.perf_counter() - begun)

    for _ in range(times):
        async with asyncio.TaskGroup() as reading:
            for member in joined.members:
                reading.create_task(read(member))
            await asyncio.sleep(0)  # all of them wait
            begun = time.perf_counter()
            await joined.speaker.send(text)
        joined.derive()
    return found


async def measure(number: int, size: int, rounds: int, times: int) -> str:
    """The figures for a size, in a line."""
    text = "x" * size
    async with AsyncExitStack() as stack:
        two = [await stack.enter_async_context(kind(number)) for kind in (bare, recorded)]
        rates: list[list[tuple[float, float]]] = [[], []]
        waits: list[list[list[float]]] = [[], []]
        for turn in range(rounds + 1):
            for place, joined in enumerate(two):
                fast = await rate(joined, text, times)
                slow = await latencies(joined, text, times)
                if turn:  # the first round fills caches, and the ring its pages
                    rates[place].append(fast)
                    waits[place].append(slow)
    read, derived = (median(lab[at] / plain[at] for plain, lab in zip(*rates, strict=True)) for at in (0, 1))
    p50 = [[median(one) for one in kind] for kind in waits]
    p99 = [median(quantiles(one, n=100)[-1] for one in kind) * 1e3 for kind in waits]
    slower = median(lab / plain for plain, lab in zip(*p50, strict=True))
    return (
        f"{median(one for one, _ in rates[0]):9,.0f}  {read:5.2f}  {THROUGHPUT:6.2f}  {derived:7.2f}"
        f"  {median(p50[0]) * 1e3:7.1f}  {slower:5.2f}  {P50:6.2f}  {p99[0]:7.1f}  {p99[1]:7.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--times", type=int, default=8, help="messages in a round")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=SIZES)
    options = parser.parse_args()
    if sys.platform == "linux" and any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    print(f"broadcast to {options.clients} clients: bare, and the lab's ratio to it; latencies in milliseconds")
    print("  size     read/s  ratio  wanted  derived  p50 bare  ratio  wanted  p99 bare  p99 lab")
    for name in options.sizes:
        line = asyncio.run(measure(options.clients, SIZES[name], options.rounds, options.times))
        print(f"{name:>6}  {line}", flush=True)


if __name__ == "__main__":
    main()
