"""A day of lessons pressed into ten minutes: labs, panels, relays, Node, broken peers, clients that vanish, cells that
are run again, files out and in. Every message is accounted for, and at the end nothing is there that was not before.

The acts are played in turn once, then in a random order. Memory is measured from the first minute on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import paths  # noqa: F401 (it puts the other tests' builders on the path)
from machines import BROKEN, descriptors
from memory import MALLOC, memory
from waits import until
from websockets.exceptions import ConnectionClosed

import wslab
from wslab.anatomy.field import Sender
from wslab.live import Lab, NodeMissing
from wslab.live.node import package
from wslab.live.relay.bends import Delay, OneByte, RandomChunks
from wslab.panels.closing_panel.closing_panel import ClosingPanel
from wslab.panels.lab_panel.lab_panel import LabPanel
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender
SECONDS = 600.0
MINUTE = 60.0
FLAT = 10 * 2**20
"""Bytes that the process may gain between the first minute and the end."""
HELD = 2**20
"""Bytes that the one recorder keeps that runs all the time."""
SCRIPT = """
const ws = require('ws');
const server = new ws.Server({ port: 1234 });
server.on('connection', one => one.on('message', (data, binary) => one.send(data, { binary })));
"""


class Account:
    """Messages that a handler was given, by the path of the connection."""

    def __init__(self) -> None:
        self.given: dict[str, list[str | bytes]] = {}

    async def echo(self, connection: Any) -> None:
        given = self.given.setdefault(connection.request.path, [])
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                given.append(message)
                await connection.send(message)


class Soak:
    """The acts, what they counted, and what was measured."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng, self.folder = random.Random(seed), folder
        self.counts: Counter[str] = Counter()
        self.steady = Lab(trace=Trace(max_bytes=HELD, max_entries=1_000))
        self.steady_account = Account()
        self.acts: list[Callable[[], Awaitable[None]]] = [
            self.chat, self.chat_in_memory, self.relay, self.broken, self.vanish, self.run_again, self.files, self.tls,
            self.explain, self.long_lived,
        ]  # fmt: skip
        with contextlib.suppress(NodeMissing):
            package.program()
            self.acts.append(self.node)

    def payload(self) -> str | bytes:
        length = self.rng.choice((0, 1, 10, 125, 126, 1000, 65535, 65536))
        return self.rng.randbytes(length) if self.rng.random() < 0.5 else "é" * (length // 2)

    async def talk(self, lab: Lab, uri: str, given: list[str | bytes] | None, number: int, **options: Any) -> None:
        """One client says some things and hears them again; the trace, the handler and the client agree."""
        said = [self.payload() for _ in range(number)]
        async with lab.connect(uri, **options) as ws:
            heard = []
            for one in said:
                await ws.send(one)
                heard.append(await ws.recv())
            connection = ws.wslab_tap.connection
            assert heard == said
            assert given is None or given == said
            if lab.trace is not self.steady.trace:
                for sender in Sender:
                    told = lab.trace.messages_of(connection, sender)
                    assert [one.data.decode() if one.opcode == 1 else one.data for one in told] == said, sender
        self.counts["messages sent and received"] += 2 * number
        self.counts["clients"] += 1

    async def _hall(self, lab: Lab, uri: str, account: Account, clients: int, **options: Any) -> None:
        number = self.rng.randrange(1, 12)
        names = [f"/{self.rng.getrandbits(60)}" for _ in range(clients)]
        for name in names:
            account.given[name] = []
        talks = [self.talk(lab, uri.rstrip("/") + name, account.given[name], number, **options) for name in names]
        await asyncio.gather(*talks)
        for name in names:
            del account.given[name]

    # The acts.

    async def chat(self) -> None:
        """A lab with two panels and a few clients."""
        account = Account()
        async with Lab() as lab:
            server = await lab.serve(account.echo, max_size=None, compression="deflate")
            panels = [LabPanel(lab), ClosingPanel(lab)]
            for panel in panels:
                panel._repr_mimebundle_()
            compression = self.rng.choice((None, "deflate"))
            await self._hall(lab, server.uri, account, self.rng.randrange(1, 6), max_size=None, compression=compression)
            await lab.settled()
            for panel in panels:
                repr(panel), panel.picture(), panel.close()
                assert not panel.problem, panel.problem
        self.counts["panels"] += len(panels)

    async def chat_in_memory(self) -> None:
        account = Account()
        async with Lab(carrier="memory", seed=1) as lab:
            server = await lab.serve(account.echo, max_size=None)
            await self._hall(lab, server.uri, account, 3, max_size=None)
            repr(lab.trace), lab.trace._repr_html_()

    async def relay(self) -> None:
        account = Account()
        bends = self.rng.choice(([], [Delay(0.001)], [RandomChunks(seed=1)], [OneByte()]))
        async with Lab() as lab:
            await lab.serve(account.echo, max_size=None)
            relay = await lab.relay(bends=bends)
            name = f"/{self.rng.getrandbits(60)}"
            said = ["Hello", b"\0" * 200, "again"]
            async with lab.connect(relay.uri.rstrip("/") + name) as ws:
                for one in said:
                    await ws.send(one)
                    assert await ws.recv() == one
            await relay.settled()
            for sender in Sender:
                told = relay.trace.messages_of(relay.trace.connections[0], sender)
                assert [one.data.decode() if one.opcode == 1 else one.data for one in told] == said
            assert account.given[name] == said
        self.counts["messages sent and received"] += 2 * len(said)
        self.counts["relays"] += 1

    async def broken(self) -> None:
        async with Lab() as lab:
            await lab.serve()
            for kind in self.rng.sample(sorted(BROKEN), 3):
                data, code = BROKEN[kind]
                raw = await lab.raw()
                await raw.handshake()
                await raw.send(data)
                frame = await raw.recv_frame()
                assert frame.status_code == code
                await raw.close()
                assert any(record.violations for record in lab.trace.connection(raw.connection))
                self.counts["broken peers"] += 1

    async def vanish(self) -> None:
        """Clients that end without a word, in a handshake, in a frame or after a message."""
        account = Account()
        async with Lab() as lab:
            server = await lab.serve(account.echo)
            for way in ("head", "frame", "message", "abort"):
                if way == "abort":
                    ws = await lab.connect()
                    await ws.send("Hello")
                    ws.transport.abort()
                    await ws.wait_closed()
                    continue
                raw = await lab.raw()
                if way == "head":
                    await raw.send(b"GET / HT")
                else:
                    await raw.handshake()
                    await raw.send(wslab.build_frame("Hello", mask=bytes(4))[: 4 if way == "frame" else None])
                await raw.reset()
            await until(lambda: not server.accepted, "the server lets go of who has vanished")
        self.counts["vanished clients"] += 4

    async def run_again(self) -> None:
        """Cells that are run again: another server in place of one, another lab on the same port."""
        first, second = Lab(), Lab()
        port = (await first.serve()).port
        async with first.connect() as ws:
            await first.serve(port=port)
            with contextlib.suppress(ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 1001
        await second.serve(port=port)
        assert first.closed
        async with second.connect() as ws:
            await ws.send("x")
            assert await ws.recv() == "x"
        await second.close()
        await first.close()
        self.counts["messages sent and received"] += 2
        self.counts["runs again"] += 2

    async def files(self) -> None:
        """Out and in: each format gives the messages back."""
        account = Account()
        async with Lab() as lab:
            server = await lab.serve(account.echo, max_size=None)
            await self._hall(lab, server.uri, account, 2, max_size=None)
            await lab.settled()
        said = Counter((m.sender, m.data) for m in lab.trace.messages)
        for name in ("x.wslab", "x.pcapng", "x.har"):
            path = self.folder / name
            {"x.wslab": lab.trace.save, "x.pcapng": lab.trace.to_pcapng, "x.har": lab.trace.to_har}[name](path)
            again = Trace.open(path)
            assert Counter((m.sender, m.data) for m in again.messages) == said, name
            repr(again), again._repr_html_()
            self.counts["files out and in"] += 1
        lab.trace.to_dataframe()

    async def tls(self) -> None:
        account = Account()
        async with Lab() as lab:
            server = await lab.serve(account.echo, tls=True, max_size=None)
            await self._hall(lab, server.uri, account, 2, max_size=None)
            repr(lab.eavesdropped())
        self.counts["TLS servers"] += 1

    async def explain(self) -> None:
        data = self.rng.randbytes(self.rng.randrange(1, 200))
        found = wslab.dissect(data, data)
        repr(found), found._repr_html_(), repr(wslab.explain(data))
        self.counts["explanations"] += 1

    async def node(self) -> None:
        async with Lab() as lab:
            script = await lab.node(SCRIPT, port=0)
            await self.talk(lab, script.uri, None, 5, max_size=None)
        self.counts["scripts in Node"] += 1

    async def long_lived(self) -> None:
        """The one lab that is there all the time, with a small recorder: what it dropped is counted exactly."""
        lab, trace = self.steady, self.steady.trace
        if lab.server is None:
            await lab.serve(self.steady_account.echo, max_size=None)
            self.panel = LabPanel(lab)
            self.panel._repr_mimebundle_()
        await self._hall(lab, lab.server.uri, self.steady_account, 4, max_size=None)
        await lab.settled()
        trace.update()
        assert trace.total - trace.first == len(trace.records)
        assert trace.dropped.records == trace.first
        assert not self.panel.problem, self.panel.problem


def threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


async def soak(seconds: float, seed: int, tell: Callable[[str], object] = str) -> dict[str, Any]:
    """Play the acts for so long; the figures. Raises AssertionError where something was lost, gained or left."""
    with tempfile.TemporaryDirectory() as folder:
        play = Soak(seed, Path(folder))
        before = threads(), len(asyncio.all_tasks())
        began, played, held = time.monotonic(), Counter[str](), []
        first_minute = min(MINUTE, seconds / 3)
        opened: int | None = None
        while (spent := time.monotonic() - began) < seconds or len(played) < len(play.acts):
            turn = sum(played.values())
            act = play.acts[turn] if turn < len(play.acts) else play.rng.choice(play.acts)
            await asyncio.wait_for(act(), 60)
            played[act.__name__] += 1
            if turn % 5 == 0:
                held.append((spent, memory()))
                tell(f"{spent:4.0f} s  {held[-1][1] / 2**20:6.1f} MiB  {turn} acts")
            if opened is None and spent >= first_minute and len(played) == len(play.acts):
                gc.collect()
                opened = descriptors()
        play.panel.close()
        total = play.steady.trace.total
        await play.steady.close()
        del play.panel, act
        gc.collect()
        await until(lambda: threads() == before[0], f"the threads of before: {before[0]}")
        await until(lambda: len(asyncio.all_tasks()) == before[1], "as many tasks as before")
        after = descriptors()
    early = [size for spent, size in held if first_minute <= spent] or [held[-1][1]]
    share = max(1, len(early) // 10)
    # The least of a few measures: what was taken for an act and given back is no growth.
    grown = min(early[-share:]) - min(early[:share])
    return {
        "seconds": round(time.monotonic() - began), "acts": sum(played.values()), **dict(sorted(played.items())),
        **play.counts, "records of the lab that runs all the time": total,
        "memory after the first minute, MiB": round(min(early[:share]) / 2**20, 1),
        "memory at the end, MiB": round(min(early[-share:]) / 2**20, 1),
        "growth, MiB": round(grown / 2**20, 1),
        "descriptors after the first minute": opened, "descriptors at the end": after,
        "threads": len(before[0]), "tasks": before[1],
    }  # fmt: skip


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="endurance soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    if not MALLOC.items() <= os.environ.items():
        folder = str(Path(__file__).parent)
        os.execve(sys.executable, [sys.executable, folder, "soak", *argv], {**os.environ, **MALLOC})
    figures = asyncio.run(soak(options.seconds, options.seed, tell=lambda text: print(text, flush=True)))
    width = max(map(len, figures))
    print("\n".join(f"{what:{width}}  {value}" for what, value in figures.items()))
    problems = []
    if figures["growth, MiB"] * 2**20 > FLAT:
        problems.append("memory grew")
    opened, after = figures["descriptors after the first minute"], figures["descriptors at the end"]
    if opened is not None and after > opened:
        problems.append("descriptors were gained")
    print("; ".join(problems) or "every message is accounted for, and nothing was left")
    return int(bool(problems))
