"""A lab under any order of what can be done to it, held to a model (Hypothesis' state machines).

The model keeps what was sent by each client and echoed by each handler. The trace must tell exactly these messages, in
order; what ``websockets`` returned must be a beginning of them, and all of them where nothing was torn down. When the
lab is closed nothing is left: no thread, no task, no descriptor, no port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import socket
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import paths  # noqa: F401 (it puts the other tests' builders on the path)
from hypothesis import HealthCheck, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from waits import soon
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.live import Lab
from wslab.live.raw import RawEndpoint
from wslab.protocol import build_close, build_frame

T = TypeVar("T")
CLIENT, SERVER = Sender
PATIENCE = 15.0
MOST_WAITING = 6
"""Echoes that a client leaves unread, at most: with more, both ends may wait for each other, as TCP makes them."""

payloads = st.one_of(
    st.text(max_size=20), st.binary(max_size=20), st.sampled_from([125, 126, 65535, 65536, 70_000]).map(bytes)
)
# Bytes after a handshake on which a server has to fail the connection, and the status code that it gives.
BROKEN = {
    "reserved bits": (build_frame("x", rsv2=True, mask=bytes(4)), 1002),
    "not masked": (build_frame("x"), 1002),
    "no such opcode": (build_frame("x", opcode=3, mask=bytes(4)), 1002),
    "continuation of nothing": (build_frame("x", opcode=0, mask=bytes(4)), 1002),
    "long ping": (build_frame(bytes(126), opcode=9, mask=bytes(4)), 1002),
    "not UTF-8": (build_frame(b"\xff", opcode=1, mask=bytes(4)), 1007),
    "no such code": (build_close(1005, mask=bytes(4)), 1002),
}


@dataclass
class Client:
    """A client and what the model knows of its connection."""

    name: str
    ws: Any
    server: int  # which of the lab's servers it talks to
    sent: list[str | bytes] = field(default_factory=list)
    received: list[str | bytes] = field(default_factory=list)
    open: bool = True
    torn: bool = False  # its connection may have ended with messages on their way


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class LabMachine(RuleBasedStateMachine):
    """One lab after another; each rule is run to its end on the machine's own event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.complaints: list[dict[str, Any]] = []
        """What the loop would have written to stderr, into somebody's cell."""
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self.lab: Lab | None = None
        self.names = 0

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, PATIENCE))

    @initialize(carrier=st.sampled_from(["tcp", "memory"]))
    def begin(self, carrier: str) -> None:
        gc.collect()
        self.before = descriptors()
        self.lab, self.carrier = Lab(carrier=carrier), carrier
        self.servers = 0
        self.ports: list[int] = []
        self.clients: list[Client] = []
        self.raws: list[RawEndpoint] = []
        self.relay: Any = None
        self.echoed: dict[str, list[str | bytes]] = {}
        self.handled: dict[str, list[str | bytes]] = {}

    async def _echo(self, connection: Any) -> None:
        name = connection.request.path.partition("?")[2]
        handled, echoed = self.handled.setdefault(name, []), self.echoed.setdefault(name, [])
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                handled.append(message)
                await connection.send(message)
                echoed.append(message)

    # What can be done.

    @precondition(lambda self: self.lab is not None)
    @rule()
    def serve(self) -> None:
        """A first server, or another one in place of it: the first one's clients hear 1001."""
        server = self.run(self.lab.serve(self._echo, compression="deflate"))
        self.servers += 1
        if self.carrier == "tcp":
            self.ports.append(server.port)
        for client in self.clients:
            client.torn = client.torn or client.open
            client.open = False
        # What one end has closed is settled when the other has, too; websockets' clients do that by themselves.
        for raw in self.raws:
            self.run(raw.close())
        self.raws.clear()
        self.relay = None  # the earlier one leads to a server that is gone

    @property
    def serves(self) -> bool:
        return self.lab is not None and self.lab.server is not None

    @precondition(lambda self: self.serves)
    @rule(compression=st.sampled_from([None, "deflate"]), relayed=st.booleans())
    def connect(self, compression: str | None, relayed: bool) -> None:
        self.names += 1
        name = f"n{self.names}"
        uri = self.relay.uri if relayed and self.relay is not None else "/"
        ws = self.run(_opened(self.lab.connect(f"{uri}?{name}", compression=compression)))
        self.clients.append(Client(name, ws, self.servers))

    def _pick(self, number: int) -> Client | None:
        there = [client for client in self.clients if client.open]
        return there[number % len(there)] if there else None

    @precondition(lambda self: self.lab is not None)
    @rule(number=st.integers(0, 9), payload=payloads, fragments=st.booleans())
    def send(self, number: int, payload: str | bytes, fragments: bool) -> None:
        if (client := self._pick(number)) is None:
            return
        if len(client.sent) - len(client.received) >= MOST_WAITING:
            self._receive(client)
        half = len(payload) // 2
        self.run(client.ws.send([payload[:half], payload[half:]] if fragments else payload))
        client.sent.append(payload)

    def _receive(self, client: Client) -> None:
        client.received.append(self.run(client.ws.recv()))
        assert client.received[-1] == client.sent[len(client.received) - 1]

    @rule(number=st.integers(0, 9))
    def recv(self, number: int) -> None:
        client = self._pick(number)
        if client is not None and len(client.received) < len(client.sent):
            self._receive(client)

    @rule(number=st.integers(0, 9))
    def cancel_recv(self, number: int) -> None:
        """Somebody interrupts the cell that waits; no message may be lost by it."""
        if (client := self._pick(number)) is None:
            return

        async def begin_and_cancel() -> None:
            task = asyncio.ensure_future(client.ws.recv())
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                client.received.append(await task)  # it had come already

        self.run(begin_and_cancel())

    @precondition(lambda self: self.serves)
    @rule(steps=st.integers(0, 6))
    def cancel_connect(self, steps: int) -> None:
        async def begin_and_cancel() -> None:
            task = asyncio.ensure_future(_opened(self.lab.connect()))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, InvalidHandshake, OSError):
                await (await task).close()

        self.run(begin_and_cancel())

    @precondition(lambda self: self.serves)
    @rule(kind=st.sampled_from(sorted(BROKEN)))
    def break_with_raw_bytes(self, kind: str) -> None:
        data, code = BROKEN[kind]

        async def broken() -> None:
            raw = await self.lab.raw()
            await raw.handshake()
            await raw.send(data)
            frame = await raw.recv_frame()
            assert (frame.opcode, frame.status_code) == (8, code), kind
            number = raw.connection
            assert number is not None
            broken = [record for record in self.lab.trace.connection(number)
                      if record.sender is CLIENT and record.violations]  # fmt: skip
            assert broken, f"{kind}: no rule is named"
            await raw.close()

        self.run(broken())

    @precondition(lambda self: self.serves)
    @rule(half=st.booleans())
    def leave_a_raw_end_open(self, half: bool) -> None:
        async def opened() -> RawEndpoint:
            raw = await self.lab.raw()
            if half:
                await raw.send(b"GET / HTTP/1.1\r\nHost:")
            else:
                await raw.handshake()
            return raw

        self.raws.append(self.run(opened()))

    @rule()
    def reset_a_raw_end(self) -> None:
        if self.raws and self.serves:
            self.run(_reset(self.raws.pop()))

    @rule(number=st.integers(0, 9))
    def close(self, number: int) -> None:
        if (client := self._pick(number)) is not None:
            client.torn = len(client.received) < len(client.sent)
            client.open = False
            self.run(client.ws.close())

    @rule(number=st.integers(0, 9))
    def vanish(self, number: int) -> None:
        if (client := self._pick(number)) is not None:
            client.open, client.torn = False, True
            client.ws.transport.abort()
            self.run(client.ws.wait_closed())

    @precondition(lambda self: self.serves and self.carrier == "tcp")
    @rule()
    def stand_between(self) -> None:
        """A relay to the present server; an earlier one goes on."""
        self.relay = self.run(self.lab.relay())
        self.ports.append(self.relay.port)

    @precondition(lambda self: self.lab is not None)
    @rule()
    def look(self) -> None:
        """Everything has arrived, and the trace tells it."""
        self.run(self.lab.settled())
        for client in self.clients:
            if client.open:
                while len(client.received) < len(client.sent):
                    self._receive(client)
        self._compare()

    @precondition(lambda self: self.lab is not None)
    @rule(carrier=st.sampled_from(["tcp", "memory"]))
    def close_the_lab(self, carrier: str) -> None:
        self._end()
        self.begin(carrier)

    # What holds.

    def _compare(self) -> None:
        for client in self.clients:
            tap = client.ws.wslab_tap.connection
            sent = [_said(message) for message in self.lab.trace.messages_of(tap, CLIENT)]
            assert sent == client.sent, f"{client.name}: the trace tells other messages than were sent"
            handled = self.handled.get(client.name, [])
            assert client.sent[: len(handled)] == handled, f"{client.name}: the handler was given other messages"
            echoed = self.echoed.get(client.name, [])
            assert handled[: len(echoed)] == echoed
            assert client.sent[: len(client.received)] == client.received, f"{client.name}: recv() returned others"
            told = [_said(message) for message in self.lab.trace.messages_of(tap, SERVER)]
            assert told[: len(client.received)] == client.received, f"{client.name}: more was received than is told"
            assert client.sent[: len(told)] == told
            if client.open and not client.torn:
                assert told == client.sent == client.received
        assert not [record for record in self.lab.trace if record.kind is Kind.ERROR], "something failed in the lab"
        assert self.complaints == []

    def _end(self) -> None:
        lab = self.lab
        self.run(lab.close())
        for client in self.clients:
            client.torn, client.open = client.torn or client.open, False
        self._compare()
        self.lab = None
        for client in self.clients:
            assert client.ws.close_code is not None, f"{client.name} was not closed"
        self.clients.clear()
        self.raws.clear()
        self.relay = None
        del lab
        left = asyncio.all_tasks(self.loop)
        if left:
            self.run(asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), PATIENCE))
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("wslab server")] == []
        assert [port for port in self.ports if listens(port)] == []
        gc.collect()
        soon(lambda: descriptors() <= self.before, lambda: f"{descriptors()} descriptors instead of {self.before}")

    def teardown(self) -> None:
        try:
            if self.lab is not None:
                self._end()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()


async def _opened(connecting: Any) -> Any:
    return await connecting


async def _reset(raw: RawEndpoint) -> None:
    await raw.reset()


def _said(message: Any) -> str | bytes | None:
    """The message's data as ``websockets`` gives it."""
    if message.data is None:
        return None
    return message.data.decode() if message.opcode == 1 else message.data


def run(examples: int, steps: int, *, told: bool = False) -> None:
    """Try so many lives of labs, of at most so many steps. Raises what went wrong, with the steps that lead there."""
    run_state_machine_as_test(
        LabMachine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True,
            suppress_health_check=list(HealthCheck), verbosity=Verbosity.verbose if told else Verbosity.normal,
        ),
    )  # fmt: skip


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="endurance machines", description=__doc__)
    parser.add_argument("--examples", type=int, default=1000, help="lives of labs")
    parser.add_argument("--steps", type=int, default=60, help="steps in each, at most")
    parser.add_argument("--verbose", action="store_true", help="tell each step")
    options = parser.parse_args(argv)
    run(options.examples, options.steps, told=options.verbose)
    print(f"{options.examples} lives of labs, of at most {options.steps} steps each: all as the model says")
    return 0
