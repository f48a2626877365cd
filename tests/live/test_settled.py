"""``await lab.settled()``: what one end sent has been read at the other, and what never is, is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.live import Lab
from wslab.protocol import build_frame
from wslab.recording.trace import Trace

Run = Callable[[Coroutine[Any, Any, Any]], Any]
CLIENT, SERVER = Sender


def unread(trace: Trace) -> list[tuple[int, Sender]]:
    """Connections and senders of which not every byte was read, counted from the chunks."""
    total: dict[tuple[int, Sender], int] = {}
    for chunk in trace.chunks:
        sign = 1 if chunk.seen_by is chunk.sender else -1
        key = (chunk.connection, chunk.sender)
        total[key] = total.get(key, 0) + sign * chunk.length
    return [key for key, left in total.items() if left]


def test_both_ends_have_reported_and_read_everything(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            for _ in range(20):
                async with lab.connect() as ws:
                    await ws.send("Hello")
                await lab.settled()
                number = lab.trace.connections[-1]
                reports = lab.trace.closings(number)
                assert {report.code for report in reports.values()} == {1000}
                assert len(reports) == 2
                frames = [record for record in lab.trace.connection(number) if record.kind is Kind.FRAME]
                assert all(record.received is not None for record in frames)
                assert unread(lab.trace) == []

    run(main())


def test_a_connection_that_the_server_has_yet_to_accept_is_waited_for(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            for _ in range(20):
                raw = await lab.raw()
                await raw.send(b"GET / HTTP/1.1\r\n")
                await lab.settled()
                read = [chunk for chunk in lab.trace.chunks if chunk.connection == raw.connection]
                assert [chunk.seen_by for chunk in read] == [CLIENT, SERVER]
                await raw.close()
            silent = await lab.raw()
            await lab.settled()
            await silent.close()
            await lab.settled()
            assert unread(lab.trace) == []

    run(main())


def test_an_endpoint_that_listens_is_a_server_too(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            listener = await lab.raw(listen=True)
            client = await lab.raw(listener.uri)
            await client.send(build_frame("Hello", mask=bytes(4)))
            await lab.settled()
            assert bytes(listener.received) == bytes(client.sent)

    run(main())


def test_a_connection_that_was_cut_settles(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            raw = await lab.raw()
            await raw.handshake()
            await raw.reset()
            await lab.settled()
            assert len(lab.trace.closings(0)) == 2
            assert lab.trace.record(2).kind is Kind.RESET

    run(main())


def test_an_outside_peer_is_not_waited_for(run: Run) -> None:
    async def main() -> None:
        async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        outside = await asyncio.start_server(swallow, "127.0.0.1", 0)
        port = outside.sockets[0].getsockname()[1]
        async with Lab() as lab:
            await lab.serve()
            raw = await lab.raw(f"ws://127.0.0.1:{port}/")
            await raw.send(b"anything")
            await lab.settled()
        outside.close()
        await outside.wait_closed()

    run(main())


@pytest.mark.slow
def test_what_a_server_does_not_read_is_named(run: Run) -> None:
    async def main() -> str:
        release = asyncio.Event()

        async def busy(connection: ServerConnection) -> None:
            connection.transport.pause_reading()
            await connection.send("reading nothing now")
            await release.wait()

        async with Lab(carrier="memory") as lab:
            await lab.serve(busy)
            ws = await lab.connect()
            await ws.recv()
            await ws.send(b"lost")
            with pytest.raises(TimeoutError) as caught:
                await lab.settled(0.05)
            release.set()
            return str(caught.value)

    assert run(main()) == "after 0.05 s there was still on its way: 10 bytes from the client of connection 0"
