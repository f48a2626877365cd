"""Echo through the relay against a direct connection, and against mitmproxy's reverse mode, as ratios of one run.

First as in a lesson: server, relay and client in one process, a lab's, all recorded. Then as ``wslab watch`` stands
between strangers: the echo server is a process of its own, the relay is, ``mitmdump`` is, and the client is here. There
what the relay costs is mostly that a third process has to get its turn, and on two processors it has to wait for it.

Rounds of what is compared alternate, and each ratio is one of medians. ``mitmdump`` is taken from PATH, or from an
environment that ``--mitmproxy FOLDER`` makes and fills with pip once; without either it is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect

from wslab.live import Lab

SIZES = {"16 B": 16, "1 KiB": 2**10, "16 KiB": 2**14, "64 KiB": 2**16, "1 MiB": 2**20}
TARGETS = {"16 B": 0.8, "1 KiB": 0.8, "16 KiB": 0.5, "64 KiB": 0.5, "1 MiB": 0.5}
FASTER = 10
SEVERAL = 8
"""Messages that are on their way at once where the goals are measured. With one at a time, what counts is how long a
processor takes to turn to another thread or process, twice as often through a relay; that is printed too."""
OPTIONS: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None, "proxy": None}
STARTUP = 60.0
SERVER = """
import asyncio
from websockets.asyncio.server import serve

async def echo(connection):
    async for message in connection:
        await connection.send(message)

async def main():
    async with serve(echo, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


@contextmanager
def process(*command: str) -> Iterator[tuple[int, int]]:
    """Run it; its process id, and the port that it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running.pid, int(running.stdout.readline())
        finally:
            running.kill()


RELAY = """
import asyncio, sys
from wslab.live import Lab

async def main():
    async with Lab() as lab:
        relay = await lab.relay(sys.argv[1])
        print(relay.port, flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


@contextmanager
def mitmproxy(program: str, port: int) -> Iterator[tuple[int, int]]:
    """mitmproxy in front of that port; its process id, and the port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        own = sock.getsockname()[1]
    command = [program, "--quiet", "--mode", f"reverse:http://127.0.0.1:{port}/", "--listen-host", "127.0.0.1"]
    with subprocess.Popen([*command, "--listen-port", str(own)], stdout=subprocess.DEVNULL) as running:
        try:
            deadline = time.monotonic() + STARTUP
            while True:
                try:
                    socket.create_connection(("127.0.0.1", own)).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
            yield running.pid, own
        finally:
            running.kill()


def find_mitmdump(folder: Path | None) -> str | None:
    """The program, installed into ``folder`` where it is not there yet."""
    if folder is None:
        return shutil.which("mitmdump")
    program = folder / "bin" / "mitmdump"
    if not program.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", "mitmproxy"], check=True)
    return str(program)


def used(pid: int) -> float:
    """Seconds of processor time of a process so far; 0 where /proc does not tell."""
    try:
        _, _, told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return 0.0
    return sum(map(int, told.split()[11:13])) / os.sysconf("SC_CLK_TCK")


class Speed(NamedTuple):
    """How fast echoes were through one port."""

    rate: float
    """Echoes a second."""
    cost: float
    """Seconds of processor time of what listens there, an echo."""


async def rate(client: ClientConnection, payload: bytes, seconds: float, window: int) -> tuple[float, int]:
    """Echoes a second while so many messages are on their way, and how many there were."""
    count, begun = 0, time.perf_counter()
    for _ in range(window):
        await client.send(payload)
    while time.perf_counter() - begun < seconds or count < 3:
        await client.recv()
        await client.send(payload)
        count += 1
    for _ in range(window):
        await client.recv()
    return (count + window) / (time.perf_counter() - begun), count + window


async def measure(listening: list[tuple[int, int]], size: int, rounds: int, seconds: float, window: int) -> list[Speed]:
    """The median rate through each port, and what it cost there."""
    payload = bytes(size)
    async with asyncio.timeout(600):
        clients = [await connect(f"ws://127.0.0.1:{port}/", **OPTIONS) for _, port in listening]
        rates: list[list[float]] = [[] for _ in clients]
        counts, costs = [0] * len(clients), [0.0] * len(clients)
        for turn in range(rounds + 1):
            for place, client in enumerate(clients):
                before = used(listening[place][0])
                found, count = await rate(client, payload, seconds, window)
                if turn:  # the first round fills caches, and the ring its pages
                    rates[place].append(found)
                    counts[place] += count
                    costs[place] += used(listening[place][0]) - before
        for client in clients:
            await client.close()
    return [Speed(median(each), cost / count) for each, cost, count in zip(rates, costs, counts, strict=True)]


async def in_a_lab(size: int, rounds: int, seconds: float, window: int) -> list[Speed]:
    """The same, with everything in one lab."""
    async with Lab() as lab:
        server = await lab.serve(**{name: value for name, value in OPTIONS.items() if name != "proxy"})
        relay = await lab.relay()
        listening = [(os.getpid(), server.port), (os.getpid(), relay.port)]
        return await measure(listening, size, rounds, seconds, window)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each round of each kind")
    parser.add_argument("--mitmproxy", type=Path, metavar="FOLDER", help="an environment to have mitmproxy in")
    options = parser.parse_args()
    program = find_mitmdump(options.mitmproxy)
    if program is None:
        print("mitmdump is not installed, so it is left out: --mitmproxy FOLDER installs it there")
    print("in one lab\n  echo  in flight  direct/s   relay/s  ratio  wanted")
    for name, size in SIZES.items():
        for window in (SEVERAL, 1):
            direct, through = asyncio.run(in_a_lab(size, options.rounds, options.seconds, window))
            wanted = f"{TARGETS[name]:6.2f}" if window == SEVERAL else ""
            ratio = through.rate / direct.rate
            print(f"{name:>6}  {window:9}  {direct.rate:8.0f}  {through.rate:8.0f}  {ratio:5.2f}  {wanted}", flush=True)
    print("\nbetween processes")
    with ExitStack() as running:
        pid, target = running.enter_context(process(sys.executable, "-c", SERVER))
        relay = running.enter_context(process(sys.executable, "-c", RELAY, f"ws://127.0.0.1:{target}/"))
        listening = [(pid, target), relay]
        columns = "  echo  in flight  direct/s   relay/s  ratio"
        if program is not None:
            listening.append(running.enter_context(mitmproxy(program, target)))
            columns += "  mitmproxy/s  faster  wanted  processor time, as a multiple of the relay's"
        print(columns)
        for name, size in SIZES.items():
            for window in (SEVERAL, 1):
                run = measure(listening, size, options.rounds, options.seconds, window)
                direct, through, *other = asyncio.run(run)
                line = f"{name:>6}  {window:9}  {direct.rate:8.0f}  {through.rate:8.0f}"
                line += f"  {through.rate / direct.rate:5.2f}"
                for one in other:
                    line += f"  {one.rate:11.0f}  {through.rate / one.rate:6.1f}  {FASTER:6}"
                    line += f"  {one.cost / through.cost:42.1f}" if through.cost else ""
                print(line, flush=True)


if __name__ == "__main__":
    main()
