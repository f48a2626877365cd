"""What a lab takes under very much of something: many short connections, much traffic, one hostile frame.

Each part runs in a process of its own and prints a figure beside the bound that it must keep. Growth is of the memory
that the operating system counts for the process. The attacker and the client whose echoes are timed are processes of
their own, too, so that their work is not counted as the lab's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import multiprocessing
import os
import random
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as bare_connect
from websockets.asyncio.server import Server, serve
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from wslab import Lab, dissect
from wslab.live.server import echo
from wslab.protocol import build_frame, build_request

MASK = bytes(4)
FRAME = 2**24  # bytes of a hostile frame
DEFLATE = "permessage-deflate"


def memory() -> float:
    """Megabytes of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def connections(count: int, carrier: str, compression: str | None = None) -> float:
    """Megabytes by which so many short connections make a lab grow."""
    async with Lab(carrier=carrier) as lab:
        await lab.serve(compression=compression)
        grown = await growth(count, lambda: lab.connect(compression=compression))
        assert len(lab.trace.connections) <= 500
        return grown


async def bare_connections(count: int, compression: str | None = None) -> float:
    """The same of a server and clients of ``websockets`` alone, over TCP."""
    async with serve(echo, "127.0.0.1", 0, compression=compression) as server:
        uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        return await growth(count, lambda: bare_connect(uri, compression=compression, proxy=None))


async def growth(count: int, opened: Callable[[], contextlib.AbstractAsyncContextManager[ClientConnection]]) -> float:
    async def some(many: int) -> None:
        for _ in range(many):
            async with opened() as client:
                await client.send("x")
                await client.recv()

    await some(100)
    before = memory()
    await asyncio.gather(*(some(count // 4) for _ in range(4)))
    return memory() - before


async def traffic(size: int, message: int) -> float:
    """Megabytes by which so many bytes of messages, half of them echoes, make a lab grow; each is accounted for."""
    async with Lab() as lab:
        await lab.serve(max_size=None)
        async with lab.connect(max_size=None) as client:
            payload = random.Random(1).randbytes(message)
            await client.send(payload)
            await client.recv()
            before, count = memory(), size // message // 2
            for _ in range(count):
                await client.send(payload)
                assert await client.recv() == payload
            grown = memory() - before
        trace = lab.trace
        await lab.settled()
        heads = sum(len(head.data) for head in trace.handshakes)
        header = len(build_frame(payload, opcode=2)) - message
        closes = 2 * (2 + 2) + 4
        wanted = heads + (count + 1) * 2 * (message + header) + (count + 1) * 4 + closes
        seen = sum(max(seen) for seen in trace.conversation(0).wire.seen)
        ring = trace.tape.kept()
        assert trace.ledger.messages.total == 2 * (count + 1), trace.ledger.messages.total
        assert seen == wanted == trace.dropped.bytes + len(ring.data), (seen, wanted)
        return grown


def header(length: int) -> bytes:
    """Of a client's compressed binary message of more than 65,535 bytes."""
    return b"\xc2\xff" + struct.pack(">Q", length) + MASK


def frames() -> dict[str, bytes]:
    """Frames of 16 MiB that cost as much as their makers could think of."""
    squeeze, chance = zlib.compressobj(9, wbits=-15), random.Random(1)
    bomb = squeeze.compress(bytes(2**30)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    noise = chance.randbytes(FRAME)
    return {
        "blocks with BFINAL": header(FRAME) + b"\x03\x00" * (FRAME // 2),
        "stored blocks of no bytes": header(FRAME) + (b"\x00\x00\x00\xff\xff" * (FRAME // 5 + 1))[:FRAME],
        "empty blocks": header(FRAME) + (b"\x02" + bytes([0x08, 0x20, 0x80, 0x00]))[:5] * (FRAME // 5) + b"\x02",
        "noise": header(FRAME) + noise,
        "a bomb": header(len(bomb)) + bomb,
        "text that ends wrong": b"\x81\xff" + struct.pack(">Q", FRAME) + MASK + b"a" * (FRAME - 1) + b"\xff",
        "text of long characters": b"\x81\xff" + struct.pack(">Q", FRAME) + MASK + "🙂".encode() * (FRAME // 4),
    }


ECHOES = """
import sys, time
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None) as client:
    print("ready", flush=True)
    waits, stop = [], time.monotonic() + float(sys.argv[2])
    while time.monotonic() < stop:
        begun = time.monotonic()
        client.send("x")
        client.recv()
        waits.append(time.monotonic() - begun)
        time.sleep(0.002)
waits.sort()
print(waits[-1])
"""


def attack(uri: str, frame: bytes) -> None:
    """Send a frame over a connection that agreed on compression, and wait for what comes of it."""
    client = connect(uri, compression="deflate", proxy=None, max_size=None, close_timeout=1)
    with contextlib.suppress(ConnectionClosed, OSError, TimeoutError), client:
        client.socket.sendall(frame)
        client.recv(timeout=5)


async def longest_wait(uri: str, frame: bytes | None, meanwhile: Callable[[], object], seconds: float = 2.5) -> float:
    """Milliseconds that another client's echoes wait at most while one sends ``frame``."""
    wanted = [sys.executable, "-c", ECHOES, uri, str(seconds)]
    echoes = await asyncio.create_subprocess_exec(*wanted, stdout=subprocess.PIPE)
    await echoes.stdout.readline()
    attacker = None
    if frame is not None:
        wanted = [sys.executable, __file__, "attacker", "--uri", uri]
        attacker = await asyncio.create_subprocess_exec(*wanted, stdin=subprocess.PIPE)
        attacker.stdin.write(frame)
        attacker.stdin.close()
    said = asyncio.ensure_future(echoes.stdout.readline())
    while not said.done():
        await asyncio.wait({said}, timeout=0.05)
        meanwhile()
    if attacker is not None:
        await attacker.wait()
    await echoes.wait()
    return float(await said) * 1000


async def in_a_lab(frame: bytes | None, max_size: int) -> float:
    """The longest wait at a lab's server, while its records are derived as for a panel."""
    async with Lab() as lab:
        server = await lab.serve(compression="deflate", max_size=max_size)
        return await longest_wait(server.uri, frame, lab.trace.update)


async def bare(frame: bytes | None, max_size: int) -> float:
    """The same at a server of ``websockets`` alone, in a thread as a lab's is."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def start() -> Server:
        return await serve(echo, "127.0.0.1", 0, compression="deflate", max_size=max_size)

    server = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(start(), loop))
    port = server.sockets[0].getsockname()[1]
    return await longest_wait(f"ws://127.0.0.1:{port}/", frame, int)


async def closing(peers: int) -> float:
    """Seconds for ``lab.close()`` with so many peers that never answer."""
    lab = Lab()
    server = await lab.serve()
    opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(peers)]
    for reader, writer in opened:
        writer.write(bytes(build_request()))
        await reader.readuntil(b"\r\n\r\n")
    begun = time.perf_counter()
    await lab.close()
    took = time.perf_counter() - begun
    for _, writer in opened:
        writer.transport.abort()
    return took


def apart(measure: Callable[..., Coroutine[Any, Any, float]], *args: object) -> float:
    """What a coroutine function returns in a new process, whose memory nothing else has used before."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, measure, *args).result()


def run(measure: Callable[..., Coroutine[Any, Any, float]], *args: object) -> float:
    return asyncio.run(measure(*args))


def part(options: argparse.Namespace) -> None:
    match options.part:
        case "connections":
            for compression in (None, "deflate"):
                count, words = options.connections, f"{options.connections:,} short connections, {compression=}"
                grown = apart(connections, count, options.carrier, compression)
                alone = apart(bare_connections, count, compression)
                print(f"{words}: {grown:.1f} MB more (wanted: under 40), without wslab {alone:.1f}", flush=True)
        case "traffic":
            grown = asyncio.run(traffic(options.bytes, 2**16))
            print(f"{options.bytes:,} bytes, every one counted: {grown:.1f} MB more (wanted: under 33.5)", flush=True)
        case "frames":
            for name, frame in frames().items():
                begun = time.perf_counter()
                dissect(frame, extensions=DEFLATE)
                took = time.perf_counter() - begun
                print(f"dissecting {len(frame):,} bytes, {name}: {took:.2f} s (wanted: under 2)", flush=True)
        case "waits":
            for name, frame in {"nothing": None, **frames()}.items():
                print(f"another client's longest echo while one sends {name}, ms:", end="", flush=True)
                for size, words in ((2**20, "(wanted: under 50)"), (2**25, "")):
                    lab, other = asyncio.run(in_a_lab(frame, size)), asyncio.run(bare(frame, size))
                    print(f" max_size={size:,}: {lab:.0f}, without wslab {other:.0f} {words}", end="", flush=True)
                print(flush=True)
        case "closing":
            for peers in (20, 200):
                print(f"closing with {peers} peers that never answer: {asyncio.run(closing(peers)):.2f} s", flush=True)
        case "attacker":
            attack(options.uri, sys.stdin.buffer.read())


PARTS = ("closing", "frames", "waits", "traffic", "connections")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=[*PARTS, "attacker"])
    parser.add_argument("--connections", type=int, default=10_000, help="100,000 take some minutes")
    parser.add_argument("--bytes", type=int, default=2**28, help="2**30 take half a minute")
    parser.add_argument("--carrier", default="tcp", choices=["tcp", "memory"])
    parser.add_argument("--uri")
    options = parser.parse_args()
    if options.part is not None:
        part(options)
        return
    for name in PARTS:
        subprocess.run([sys.executable, __file__, name, *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
