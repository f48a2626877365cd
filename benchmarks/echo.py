"""Echo with recording against bare ``websockets``, over TCP and in memory, as ratios of one run.

Bare and recorded echoes alternate in short rounds, since a machine that others use too is never twice as fast as
before. Each ratio is the median of the rounds' ratios of processor time, which counts both ends and both threads. All
that a round recorded is also derived within it, which is what a recording costs in the long run or with a panel open.

Over TCP, the server runs on a loop in its own thread and the client on the main thread's loop; in memory, both are on
one loop. Bare connections have the same arrangement and the options that a lab gives them.

The program starts itself again with glibc's allocator told to keep memory that was freed. Otherwise it hands large
blocks back to the system in some runs and not in others, and bare echo at 64 KiB takes one of two speeds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from wslab.live.lab import Lab
from wslab.live.memory import Network

SIZES = {"16 B": 16, "1 KiB": 2**10, "16 KiB": 2**14, "64 KiB": 2**16, "256 KiB": 2**18, "1 MiB": 2**20}
WANTED = {"tcp": 0.65, "memory": 0.57}
OPTIONS: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None}
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**28)}


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def bare_tcp() -> AsyncIterator[ClientConnection]:
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
async def bare_memory() -> AsyncIterator[ClientConnection]:
    network = Network(asyncio.get_running_loop())
    async with serve(echo, network.host, 0, **OPTIONS) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://{network.host}:{port}/", proxy=None, **OPTIONS) as client:
            yield client
    network.detach()


@asynccontextmanager
async def recorded(carrier: str) -> AsyncIterator[tuple[ClientConnection, Lab]]:
    async with Lab(carrier=carrier) as lab:
        await lab.serve(echo, max_size=None)
        async with lab.connect(max_size=None) as client:
            yield client, lab


def nothing() -> None:
    """What follows a bare round."""


async def cost(client: ClientConnection, payload: bytes | str, times: int, derive: Callable[[], None]) -> float:
    """Seconds of processor time for so many echoes, one after the other."""
    send, recv = client.send, client.recv
    used = time.process_time()
    for _ in range(times):
        await send(payload)
        await recv()
    derive()
    return time.process_time() - used


async def measure(carrier: str, payload: bytes | str, rounds: int, seconds: float) -> tuple[float, float]:
    """Microseconds of a bare echo, and the ratio of bare to recorded."""
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(bare_tcp() if carrier == "tcp" else bare_memory())
        client, lab = await stack.enter_async_context(recorded(carrier))
        update = lab.trace.update
        for _ in range(3):  # caches are filled, and the ring gets its memory
            await cost(client, payload, max(8, 2**23 // len(payload) if len(payload) > 4096 else 200), update)
            each = await cost(bare, payload, 20, nothing) / 20
        times = max(4, round(seconds / each))
        plain, whole = [], []
        for _ in range(rounds):
            plain.append(await cost(bare, payload, times, nothing))
            whole.append(await cost(client, payload, times, update))
        return median(plain) / times * 1e6, median(one / two for one, two in zip(plain, whole, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.02, help="of processor time for a bare round")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=SIZES)
    parser.add_argument("--carriers", nargs="*", default=list(WANTED), choices=WANTED)
    options = parser.parse_args()
    if sys.platform == "linux" and any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    print("processor time of an echo: bare, in microseconds; and bare by recorded and derived")
    print("carrier     size   binary  ratio     text  ratio  wanted")
    for carrier in options.carriers:
        for name in options.sizes:
            size = SIZES[name]
            binary = asyncio.run(measure(carrier, bytes(size), options.rounds, options.seconds))
            text = asyncio.run(measure(carrier, "x" * size, options.rounds, options.seconds))
            print(
                f"{carrier:>7}  {name:>7}  {binary[0]:7.0f}  {binary[1]:5.2f}  {text[0]:7.0f}  {text[1]:5.2f}"
                f"  {WANTED[carrier]:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
