"""The network in memory against the real one: the same scene over both has to be seen alike."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from waits import until

from wslab.live.memory import DOMAIN, KERNEL, MemoryTransport, Network

Scene = Callable[["Actor", "Actor"], Awaitable[None]]


class Actor(asyncio.Protocol):
    """A protocol that writes down what happens to it."""

    def __init__(self, *, keeps_open: bool = False) -> None:
        self.seen: list[str] = []
        self.data = bytearray()
        self.keeps_open = keeps_open
        self.gone = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.seen.append("made")

    def data_received(self, data: bytes) -> None:
        if self.seen[-1] != "data":
            self.seen.append("data")
        self.data += data

    def eof_received(self) -> bool:
        self.seen.append("eof")
        return self.keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.append(f"lost {type(exc).__name__}" if exc else "lost")
        self.gone.set_result(None)

    def pause_writing(self) -> None:
        self.seen.append("pause")

    def resume_writing(self) -> None:
        self.seen.append("resume")

    def reset(self) -> None:
        if isinstance(self.transport, MemoryTransport):
            self.transport.reset()
        else:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


async def settle() -> None:
    """Long enough for anything on its way over loopback to arrive."""
    await asyncio.sleep(0.03)


async def send_and_close(client: Actor, server: Actor) -> None:
    client.transport.write(b"one")
    client.transport.write(b"two")
    client.transport.close()
    client.transport.write(b"never sent")
    await asyncio.gather(client.gone, server.gone)


async def half_close(client: Actor, server: Actor) -> None:
    server.keeps_open = True
    client.transport.write(b"question")
    client.transport.write_eof()
    await until(lambda: "eof" in server.seen)
    server.transport.write(b"answer")
    server.transport.close()
    await asyncio.gather(client.gone, server.gone)


async def write_after_eof(client: Actor, server: Actor) -> None:
    client.transport.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        client.transport.write(b"x")
    await asyncio.gather(client.gone, server.gone)


async def reset_behind_data(client: Actor, server: Actor) -> None:
    client.transport.write(b"last words")
    client.reset()
    await asyncio.gather(client.gone, server.gone)


async def abort_behind_data(client: Actor, server: Actor) -> None:
    client.transport.write(b"last words")
    client.transport.abort()
    await asyncio.gather(client.gone, server.gone)


async def close_with_unread_data(client: Actor, server: Actor) -> None:
    server.transport.pause_reading()
    client.transport.write(b"nobody reads this")
    await settle()
    server.transport.close()
    await asyncio.gather(client.gone, server.gone)


async def write_to_nobody(client: Actor, server: Actor) -> None:
    client.keeps_open = True
    server.transport.close()
    await until(lambda: "eof" in client.seen)
    client.transport.write(b"is anybody there?")
    await settle()
    client.transport.write(b"hello?")
    await asyncio.gather(client.gone, server.gone)


async def pause_and_resume_reading(client: Actor, server: Actor) -> None:
    server.transport.pause_reading()
    client.transport.write(b"wait")
    await settle()
    assert server.seen == ["made"]
    server.transport.resume_reading()
    await until(lambda: server.data == b"wait")
    client.transport.close()
    await asyncio.gather(client.gone, server.gone)


async def more_than_the_buffers_hold(client: Actor, server: Actor) -> None:
    server.transport.pause_reading()
    client.transport.set_write_buffer_limits(high=1000)
    client.transport.write(bytes(16 * 2**20))
    assert client.seen[-1] == "pause"
    server.transport.resume_reading()
    await until(lambda: "resume" in client.seen)
    client.transport.close()
    await asyncio.gather(client.gone, server.gone)
    assert len(server.data) == 16 * 2**20


SCENES: list[Scene] = [
    send_and_close, half_close, write_after_eof, reset_behind_data, abort_behind_data, close_with_unread_data,
    write_to_nobody, pause_and_resume_reading, more_than_the_buffers_hold,
]  # fmt: skip


async def play(scene: Scene, host: str) -> tuple[list[str], bytes, list[str], bytes]:
    loop = asyncio.get_running_loop()
    servers: list[Actor] = []

    def accept() -> Actor:
        servers.append(Actor())
        return servers[-1]

    listener = await loop.create_server(accept, host, 0)
    port = listener.sockets[0].getsockname()[1]
    _, client = await loop.create_connection(Actor, host, port)
    await until(lambda: bool(servers) and bool(servers[0].seen))
    try:
        await asyncio.wait_for(scene(client, servers[0]), 5)
    finally:
        listener.close()
    return client.seen, bytes(client.data), servers[0].seen, bytes(servers[0].data)


@pytest.mark.lengthy
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_scene_is_seen_alike_over_tcp_and_in_memory(scene: Scene) -> None:
    async def main() -> tuple[Any, Any]:
        network = Network(asyncio.get_running_loop())
        try:
            return await play(scene, "127.0.0.1"), await play(scene, network.host)
        finally:
            network.detach()

    real, imitated = asyncio.run(main())
    assert imitated == real


def in_memory(test: Callable[[Network], Awaitable[None]]) -> None:
    async def main() -> None:
        network = Network(asyncio.get_running_loop())
        try:
            await asyncio.wait_for(test(network), 5)
        finally:
            network.detach()

    asyncio.run(main())


def test_reads_are_cut_where_no_write_was() -> None:
    class Reads(Actor):
        def data_received(self, data: bytes) -> None:
            self.seen.append(str(len(data)))

    async def main(network: Network) -> None:
        reader: list[Reads] = []

        def accept() -> Reads:
            reader.append(Reads())
            return reader[-1]

        listener = await network.create_server(accept)
        transport, _ = await network.create_connection(Actor, listener.port)
        transport.write(b"a")
        transport.write(b"bc")
        await asyncio.sleep(0)
        transport.write(bytes(100_000))
        transport.close()
        await reader[0].gone
        assert reader[0].seen == ["made", "3", "65536", "34464", "eof", "lost"]

    in_memory(main)


def test_abort_loses_what_the_kernel_had_no_room_for() -> None:
    async def main(network: Network) -> None:
        servers: list[Actor] = []

        def accept() -> Actor:
            servers.append(Actor())
            return servers[-1]

        listener = await network.create_server(accept)
        transport, _ = await network.create_connection(Actor, listener.port)
        transport.write(bytes(10 * KERNEL))
        assert transport.get_write_buffer_size() == 9 * KERNEL
        transport.abort()
        await servers[0].gone
        assert len(servers[0].data) == KERNEL

    in_memory(main)


def test_nobody_listens_and_a_port_is_taken() -> None:
    async def main(network: Network) -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Actor, network.host, 80)
        listener = await loop.create_server(Actor, network.host, 80)
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(Actor, network.host, 80)
        listener.close()
        assert not listener.is_serving()
        await listener.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Actor, network.host, 80)
        with pytest.raises(ValueError, match="TLS"):
            await loop.create_server(Actor, network.host, 80, ssl=cast(Any, True))

    in_memory(main)


def test_other_hosts_keep_the_loops_own_network() -> None:
    async def main(network: Network) -> None:
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(Actor, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(Actor, *listener.sockets[0].getsockname())
        assert isinstance(transport.get_extra_info("socket"), asyncio.trsock.TransportSocket)
        transport.abort()
        listener.close()
        await settle()
        with contextlib.suppress(OSError):
            await loop.create_connection(Actor, f"unknown.{DOMAIN}", 80)
            pytest.fail("a name that is no network's reached something")

    in_memory(main)


def test_the_loop_gets_its_own_methods_back() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        first, second = Network(loop), Network(loop)
        assert first.host != second.host
        assert "create_server" in vars(loop)
        first.detach()
        await loop.create_server(Actor, second.host, 80)
        second.detach()
        assert "create_server" not in vars(loop)
        assert "create_connection" not in vars(loop)

    asyncio.run(main())


def test_a_loop_that_cannot_be_given_methods_is_a_clear_error() -> None:
    class Sealed:
        __slots__ = ()

        def create_server(self) -> None: ...

        def create_connection(self) -> None: ...

    with pytest.raises(RuntimeError, match="Sealed lets nobody replace its create_server"):
        Network(cast(Any, Sealed()))
