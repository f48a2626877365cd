"""Echo with recording against bare ``websockets``, in the same arrangement of loops and threads, as ratios of one run.

The server runs on a loop in its own thread and the client on the main thread's loop, both
with the options that a lab gives them. Bare and recorded runs alternate, since a machine
that others use too is never twice as fast as before; each ratio is one of medians. Where
others do use it, the ratio of processor time says more than the one of rates.

A trace derives records when somebody reads it. So there are two kinds of recorded run: one
that nobody reads meanwhile, and one that derives all it has at the end of each round, which
is what a recording costs in the long run or with a panel open.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from statistics import median
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve

from wslab.live.lab import Lab
from wslab.live.server import echo

SIZES = {"16 B": 16, "1 KiB": 2**10, "64 KiB": 2**16, "1 MiB": 2**20}
TARGETS = {"16 B": 0.85, "1 KiB": 0.85, "64 KiB": 0.75, "1 MiB": 0.75}
OPTIONS: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None}


@asynccontextmanager
async def bare() -> AsyncIterator[ClientConnection]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Any:
        return await serve(echo, "127.0.0.1", 0, **OPTIONS)

    async def stop() -> None:
        server.close()
        await server.wait_closed()

    server = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(start(), loop))
    port = server.sockets[0].getsockname()[1]
    async with connect(f"ws://127.0.0.1:{port}/", proxy=None, **OPTIONS) as client:
        yield client
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(stop(), loop))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@asynccontextmanager
async def recorded() -> AsyncIterator[tuple[ClientConnection, Lab]]:
    async with Lab() as lab:
        await lab.serve(max_size=None)
        async with lab.connect(max_size=None) as client:
            yield client, lab


class Speed(NamedTuple):
    """How fast echoes were."""

    rate: float
    """Echoes a second."""
    cost: float
    """Seconds of processor time an echo, of both threads."""


def nobody() -> None:
    """Reads nothing."""


async def speed(client: ClientConnection, payload: bytes, seconds: float, read: Callable[[], None] = nobody) -> Speed:
    """Send and receive one at a time for so long, and then have everything read."""
    send, recv = client.send, client.recv
    count, begun, used = 0, time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - begun) < seconds or count < 5:
        await send(payload)
        await recv()
        count += 1
    read()
    passed = time.perf_counter() - begun
    return Speed(count / passed, (time.process_time() - used) / count)


async def measure(size: int, rounds: int, seconds: float) -> list[Speed]:
    """Bare, recorded, recorded and read."""
    payload = bytes(size)
    async with bare() as plain, recorded() as (unread, _), recorded() as (watched, lab):
        kinds = ((plain, nobody), (unread, nobody), (watched, lab.trace.update))
        speeds: list[list[Speed]] = [[] for _ in kinds]
        for turn in range(rounds + 1):
            for (client, read), measured in zip(kinds, speeds, strict=True):
                found = await speed(client, payload, seconds, read)
                if turn:  # the first round fills caches, and the ring its pages
                    measured.append(found)
    return [Speed(*map(median, zip(*measured, strict=True))) for measured in speeds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.25, help="for each round of each kind")
    options = parser.parse_args()
    print("echo      bare/s  recorded/s  ratio  wanted  read too  processor time: recorded  read too")
    for name, size in SIZES.items():
        plain, unread, watched = asyncio.run(measure(size, options.rounds, options.seconds))
        print(
            f"{name:>6}  {plain.rate:8.0f}  {unread.rate:10.0f}  {unread.rate / plain.rate:5.2f}  {TARGETS[name]:6.2f}"
            f"  {watched.rate / plain.rate:8.2f}  {plain.cost / unread.cost:24.2f}  {plain.cost / watched.cost:8.2f}"
        )


if __name__ == "__main__":
    main()
