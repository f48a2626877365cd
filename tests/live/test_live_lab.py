"""A lab as a notebook uses it, over both carriers: what runs in it is `websockets`, and all of it is recorded."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.live import Lab, LabClosed, NoServer, NotLoopback, PortTaken
from wslab.protocol import build_close, build_frame, build_request
from wslab.recording.trace import Trace

Run = Callable[[Any], Any]
C, S = Sender.CLIENT, Sender.SERVER


def summaries(trace: Trace, connection: int = 0) -> list[str]:
    return [f"{'CS'[record.sender]} {record.summary}" for record in trace.records if record.connection == connection]


def test_the_articles_greeting(carrier: str, run: Run) -> None:
    heard: list[Any] = []

    async def handler(connection: ServerConnection) -> None:
        await connection.send("Hello client!")
        heard.append(await connection.recv())

    async def main() -> Trace:
        async with Lab(carrier=carrier) as lab:
            await lab.serve(handler)
            async with lab.connect() as client:
                heard.append(await client.recv())
                await client.send("Hello server!")
                with pytest.raises(ConnectionClosedOK):
                    await client.recv()
            return lab.trace

    trace = run(main())
    assert heard == ["Hello client!", "Hello server!"]
    assert summaries(trace) == [
        "C GET /",
        "S 101 Switching Protocols",
        'S TEXT "Hello client!"',
        'C TEXT "Hello server!"',
        "S CLOSE 1000",
        "C CLOSE 1000",
        "S FIN, end of stream",
        "C FIN, end of stream",
    ]
    assert {sender: report.code for sender, report in trace.closings(0).items()} == {C: 1000, S: 1000}
    assert trace.violations == []


def test_a_client_that_leaves_before_it_is_answered_is_no_error_of_the_echo(carrier: str, run: Run) -> None:
    async def main() -> Trace:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            async with await lab.raw() as raw:
                await raw.handshake()
                await raw.send(build_frame("Hello", mask=bytes(4)) + build_close(1000, mask=bytes(4)))
                await raw.recv_to_end()
            return lab.trace

    assert [line for line in summaries(run(main())) if "Connection" in line] == []


def test_what_is_handed_out_is_websockets_own(carrier: str, run: Run) -> None:
    kinds: list[type] = []

    async def handler(connection: ServerConnection) -> None:
        kinds.append(type(connection))

    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            server = await lab.serve(handler)
            client = await lab.connect()
            assert isinstance(client, ClientConnection)
            assert client.remote_address == ("127.0.0.1", server.port)
            await client.wait_closed()
            assert issubclass(kinds[0], ServerConnection)
            assert server.uri == f"ws://127.0.0.1:{server.port}/"

    run(main())


def test_ways_to_connect(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            server = await lab.serve()
            async with lab.connect("/chat?room=1") as client:
                assert client.request is not None
                assert client.request.path == "/chat?room=1"
            for uri in (None, server.uri, f"ws://localhost:{server.port}/"):
                client = await lab.connect(uri)
                await client.send("x")
                assert await client.recv() == "x"
                await client.close()
            async for client in lab.connect():
                await client.send("again")
                assert await client.recv() == "again"
                break

    run(main())


def test_the_recording_is_what_both_ends_wrote_and_read(carrier: str, run: Run) -> None:
    """The oracle sits between `websockets` and the tap, and keeps what passes."""
    tapes: dict[tuple[str, str], bytearray] = {}

    def taping(base: type) -> type:
        class Taped(base):  # type: ignore[misc]
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                tape, write = tapes.setdefault((base.__name__, "wrote"), bytearray()), transport.write
                transport.write = lambda data: (tape.extend(data), write(data))

            def data_received(self, data: bytes) -> None:
                tapes.setdefault((base.__name__, "read"), bytearray()).extend(data)
                super().data_received(data)

        return Taped

    async def main() -> Trace:
        async with Lab(carrier=carrier) as lab:
            await lab.serve(create_connection=taping(ServerConnection), max_size=None)
            async with lab.connect(create_connection=taping(ClientConnection), max_size=None) as client:
                for payload in ("", "Hello", b"\x00" * 70_000, "é" * 40_000, bytes(3 * 2**20)):
                    await client.send(payload)
                    assert await client.recv() == payload
                await (await client.ping())
            return lab.trace

    trace = run(main())
    assert trace.bytes_sent(0, C) == tapes["ClientConnection", "wrote"] == tapes["ServerConnection", "read"]
    assert trace.bytes_sent(0, S) == tapes["ServerConnection", "wrote"] == tapes["ClientConnection", "read"]
    seen = [0, 0]
    for chunk in trace.chunks:
        if chunk.sender is C:
            assert chunk.offset == seen[chunk.seen_by]
            seen[chunk.seen_by] += chunk.length
    assert seen == [len(tapes["ClientConnection", "wrote"])] * 2


def test_a_programs_own_connection_class_or_factory(carrier: str, run: Run) -> None:
    class Mine(ClientConnection):
        greeting = "mine"

    def factory(*args: Any, **kwargs: Any) -> ClientConnection:
        return Mine(*args, **kwargs)

    async def main() -> None:
        for own in (Mine, factory):
            async with Lab(carrier=carrier) as lab:
                await lab.serve()
                async with lab.connect(create_connection=own) as client:
                    assert isinstance(client, Mine)
                    assert type(client).__name__ == "Mine"
                    await client.send("x")
                    assert await client.recv() == "x"
                assert 'C TEXT "x"' in summaries(lab.trace)

    run(main())


def test_a_failing_handler_is_a_record(
    carrier: str, run: Run, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(connection: ServerConnection) -> None:
        raise ValueError(f"cannot read\n<b>{await connection.recv()}</b>")

    line, source = (
        handler.__code__.co_firstlineno + 1,
        'raise ValueError(f"cannot read\\n<b>{await connection.recv()}</b>")',
    )

    async def main() -> Trace:
        async with Lab(carrier=carrier) as lab:
            await lab.serve(handler)
            for word in ("one", "two"):
                client = await lab.connect()
                await client.send(word)
                with pytest.raises(ConnectionClosedError) as caught:
                    await client.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1011
            return lab.trace

    logging.getLogger("websockets").setLevel(logging.DEBUG)
    trace = run(main())
    errors = [record for record in trace.records if record.kind is Kind.ERROR]
    assert [record.connection for record in errors] == [0, 1]
    assert [dict(trace.explain(record.number).facts)["error"] for record in errors] == [
        f"ValueError: cannot read <b>{word}</b> (handler, line {line}: {source})" for word in ("one", "two")
    ]
    order = summaries(trace)
    assert order.index("S CLOSE 1011") > next(i for i, line in enumerate(order) if "ValueError" in line)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_other_failures_are_records_too(carrier: str, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    def process_request(connection: ServerConnection, request: Any) -> None:
        raise KeyError("room")

    async def main() -> Trace:
        async with Lab(carrier=carrier) as lab:
            await lab.serve(process_request=process_request)
            raw = await lab.raw()
            assert (await raw.handshake()).status == 500
            return lab.trace

    trace = run(main())
    assert [record.summary for record in trace.records if record.kind is Kind.ERROR] == ["KeyError: 'room'"]
    assert capfd.readouterr() == ("", "")


def test_a_task_that_fails_in_the_servers_thread_is_a_record(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async def handler(connection: ServerConnection) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await connection.recv()

    async def main() -> Trace:
        async with Lab(carrier="tcp") as lab:
            await lab.serve(handler)
            client = await lab.connect()
            await client.send("x")
            await client.wait_closed()
            return lab.trace

    texts = [record.summary for record in run(main()).records if record.kind is Kind.ERROR]
    assert len(texts) == 1
    assert texts[0].startswith("ZeroDivisionError")
    assert capfd.readouterr() == ("", "")


def test_defaults_differ_from_websockets_as_documented(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            async with lab.connect() as client:
                assert client.request is not None
                assert client.response is not None
                assert client.request.headers["User-Agent"] == client.response.headers["Server"] == "wslab"
                assert "Sec-WebSocket-Extensions" not in client.request.headers
                assert client.ping_interval is None
            await lab.serve(compression="deflate", server_header="mine", subprotocols=["chat"])
            async with lab.connect(compression="deflate", subprotocols=["chat"], user_agent_header=None) as client:
                assert client.request is not None
                assert client.response is not None
                assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]
                assert client.response.headers["Server"] == "mine"
                assert client.subprotocol == "chat"
                assert "User-Agent" not in client.request.headers

    run(main())


def test_serving_again_replaces_the_server(carrier: str, run: Run) -> None:
    async def other(connection: ServerConnection) -> None:
        await connection.send("other")

    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            first = await lab.serve()
            client = await lab.connect()
            second = await lab.serve(other)
            with pytest.raises(ConnectionClosedOK) as caught:
                await client.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
            assert (first.is_serving(), second.is_serving()) == (False, True)
            assert await (await lab.connect()).recv() == "other"
            assert lab.server is not None
            assert lab.server.uri == second.uri

    run(main())


def test_the_server_tells_its_connections(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            async with await lab.serve() as server:
                assert server.connections == ()
                client = await lab.connect()
                await client.send("x")
                await client.recv()
                assert [connection.remote_address for connection in server.connections] == [client.local_address]
            assert not server.is_serving()
            await server.wait_closed()
            await server.close()
            with pytest.raises(ConnectionClosed):
                await client.recv()
            again = await lab.serve()
            other = await lab.connect()
            await again.close(1012, "restart")
            with pytest.raises(ConnectionClosedError) as caught:
                await other.recv()
            assert str(caught.value.rcvd) == "1012 (service restart) restart"
            with pytest.raises(ConnectionRefusedError):
                await lab.connect(server.uri)

    run(main())


def test_the_servers_loop_is_known_while_it_runs(carrier: str, run: Run) -> None:
    async def inside() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            assert lab.loop is None
            await lab.serve()
            assert lab.loop is not None
            own = asyncio.get_running_loop()
            if carrier == "tcp":
                assert lab.loop is not own
                answered = asyncio.run_coroutine_threadsafe(inside(), lab.loop)
                assert await asyncio.wrap_future(answered) is lab.loop
            else:
                assert lab.loop is own
        assert lab.loop is None

    run(main())


def test_closing_ends_everybody_well(carrier: str, run: Run) -> None:
    async def main() -> Trace:
        lab = Lab(carrier=carrier)
        await lab.serve()
        await lab.connect()
        await lab.raw()
        raw = await lab.raw()
        await raw.handshake()
        waiting = await lab.raw(listen=True)
        await asyncio.gather(lab.close(), lab.close())
        await lab.close()
        assert raw.ended == "FIN"
        for again in (lab.serve(), lab.connect, lab.raw(), waiting.send(b"")):
            with pytest.raises((LabClosed, ConnectionError)):
                await (again() if callable(again) else again)
        assert "closed" in repr(lab)
        return lab.trace

    trace = run(main())
    assert trace.closings(0)[C].code == 1000
    assert [line for line in summaries(trace, 0) if "CLOSE" in line] == ["C CLOSE 1000", "S CLOSE 1000"]


def test_a_program_outside_hears_1001(run: Run) -> None:
    async def main() -> None:
        lab, outside = Lab(), Lab()
        server = await lab.serve()
        client = await outside.connect(server.uri)
        await lab.close()
        with pytest.raises(ConnectionClosedOK) as caught:
            await client.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
        await outside.close()

    run(main())


async def _for_ever(connection: ServerConnection) -> None:
    await asyncio.Event().wait()


async def _swallow(connection: ServerConnection) -> None:
    while True:
        try:
            await connection.recv()
        except ConnectionClosed:
            await asyncio.sleep(0.01)


@pytest.mark.lengthy
@pytest.mark.parametrize("handler", [_for_ever, _swallow])
def test_a_handler_that_never_returns_is_cut_off(
    handler: Any, carrier: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("estate", "server"):
        monkeypatch.setattr(f"wslab.live.{module}.GRACE", 0.1)

    async def main() -> float:
        lab = Lab(carrier=carrier)
        await lab.serve(handler)
        await lab.connect()
        await lab.raw()
        begun = asyncio.get_running_loop().time()
        await lab.close()
        return asyncio.get_running_loop().time() - begun

    assert run(main()) < 1


def test_a_peer_that_never_answers_is_cut_off(carrier: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("estate", "server"):
        monkeypatch.setattr(f"wslab.live.{module}.GRACE", 0.1)

    async def main() -> None:
        lab = Lab(carrier=carrier)
        await lab.serve()
        waiting = await lab.raw(listen=True)
        assert waiting.uri is not None
        client, _ = await asyncio.gather(lab.connect(waiting.uri), waiting.handshake())
        async with asyncio.timeout(5):
            await lab.close()
        assert client.close_code == 1006

    run(main())


def test_closing_from_another_thread(run: Run) -> None:
    async def main() -> None:
        lab = Lab()
        await lab.serve()
        client = await lab.connect()
        await asyncio.to_thread(asyncio.run, lab.close())
        assert client.close_code == 1000
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("wslab")] == []

    run(main())


def test_closing_from_a_handler(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("estate", "server"):
        monkeypatch.setattr(f"wslab.live.{module}.GRACE", 0.1)

    async def main() -> None:
        lab = Lab()

        async def handler(connection: ServerConnection) -> None:
            await connection.recv()
            await lab.close()

        await lab.serve(handler)
        client = await lab.connect()
        await client.send("stop")
        async with asyncio.timeout(5):
            await client.wait_closed()
            await lab.close()
            while any(thread.name.startswith("wslab") for thread in threading.enumerate()):
                await asyncio.sleep(0.01)

    run(main())


def test_without_a_server(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            with pytest.raises(NoServer, match=r"await lab.serve\(\)"):
                lab.connect()
            with pytest.raises(NoServer):
                await lab.raw()

    run(main())


def test_a_port_of_ones_own(carrier: str, run: Run) -> None:
    port = 4321
    if carrier == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]

    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            assert (await lab.serve(port=port)).port == port
            assert (await lab.serve(port=port)).port == port
            async with lab.connect(f"ws://localhost:{port}") as client:
                await client.send("x")
                assert await client.recv() == "x"

    run(main())


@pytest.mark.parametrize("asked", [True, False], ids=["asked for", "any"])
def test_an_earlier_lab_gives_its_port_up(run: Run, asked: bool) -> None:
    async def main() -> None:
        first, second = Lab(), Lab()
        port = (await first.serve()).port
        if asked:
            await first.serve(port=port)
        client = await first.connect()
        await second.serve(port=port)
        assert client.close_code is not None
        assert "closed" in repr(first)
        async with second.connect() as other:
            await other.send("x")
            assert await other.recv() == "x"
        await second.close()

    run(main())


def test_a_port_that_another_program_has(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            async with Lab() as lab:
                with pytest.raises(PortTaken, match=rf"port {port} is taken .* any free port: await lab.serve\(\)"):
                    await lab.serve(port=port)
                with pytest.raises(PortTaken):
                    await lab.raw(listen=True, port=port)
                await lab.serve()

    run(main())


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.168.0.1", "example.com"])
def test_only_loopback_is_served(host: str, carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            with pytest.raises(NotLoopback, match=r"127\.0\.0\.1 only"):
                await lab.serve(host=host)

    run(main())


def test_a_ready_made_socket_is_held_to_that_too(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="tcp") as lab:
            with socket.create_server(("0.0.0.0", 0)) as sock, pytest.raises(NotLoopback):
                await lab.serve(sock=sock)
            with socket.create_server(("127.0.0.1", 0)) as sock:
                port = sock.getsockname()[1]
                assert (await lab.serve(sock=sock.dup())).port == port

    run(main())


def test_two_labs_share_a_trace(carrier: str, run: Run) -> None:
    async def main() -> Trace:
        trace = Trace()
        async with Lab(carrier=carrier, trace=trace) as one, Lab(carrier=carrier, trace=trace) as other:
            for lab in (one, other):
                await lab.serve()
            first, second = await one.connect(), await other.connect()
            await first.send("to one")
            await second.send("to other")
            await asyncio.gather(first.recv(), second.recv())
        return trace

    trace = run(main())
    assert 'C TEXT "to one"' in summaries(trace, 0)
    assert 'C TEXT "to other"' in summaries(trace, 1)


def test_an_unknown_carrier() -> None:
    with pytest.raises(ValueError, match="'tcp' and 'memory'"):
        Lab(carrier="pigeon")


def test_a_lab_in_memory_stays_on_its_loop() -> None:
    lab = Lab(carrier="memory")
    asyncio.run(lab.serve())  # type: ignore[arg-type]

    async def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="make a new Lab here"):
            await lab.serve()

    asyncio.run(elsewhere())


def test_a_client_that_vanishes(carrier: str, run: Run) -> None:
    async def main() -> Trace:
        async with Lab(carrier=carrier) as lab:
            server = await lab.serve()
            raw = await lab.raw()
            await raw.handshake()
            await raw.send(build_frame("Hello", mask=b"abcd"))
            await raw.recv_frame()
            await raw.reset()
            while S not in lab.trace.closings(0):
                await asyncio.sleep(0.001)
            assert server.connections == ()
            return lab.trace

    trace = run(main())
    assert summaries(trace)[-1] == "C RST, connection reset"
    assert trace.closings(0)[S].code == 1006


def test_what_is_written_to_a_connection_that_was_reset_is_neither_told_nor_complained_of(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio drops it, and from the fifth write on says so on standard error, which is the notebook's."""
    pings = build_frame(b"", opcode=9, mask=bytes(4)) * 1000

    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            assert lab.loop is not None
            sock = socket.create_connection(("127.0.0.1", server.port))
            sock.sendall(build_request())
            assert sock.recv(4096)
            held = threading.Event()
            lab.loop.call_soon_threadsafe(held.wait, 5)
            sock.sendall(pings)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            held.set()
            while S not in lab.trace.closings(0):
                await asyncio.sleep(0.001)
            pongs = summaries(lab.trace).count("S PONG")
            assert summaries(lab.trace).count("C PING") == 1000
            assert pongs <= 1, "the first one found out that the connection is gone"

    run(main())
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_a_client_whose_server_resets_says_nothing_either(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Lab() as lab:
            raw = await lab.raw(listen=True)
            connecting = asyncio.ensure_future(lab.connect(raw.uri))
            await raw.handshake()
            client = await connecting
            await raw.send(build_frame(b"", opcode=9) * 1000)
            raw.reset()  # in the same turn of the loop, so that the client reads after it
            await client.wait_closed()
            assert summaries(lab.trace).count("S PING") == 1000
            assert summaries(lab.trace).count("C PONG") <= 1

    run(main())
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_who_sends_on_after_being_refused_is_told_that_the_connection_is_closed(run: Run) -> None:
    """And not that asyncio's transport has no loop any more: ``websockets`` aborts what is gone."""

    async def never(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def send_on(client: ClientConnection) -> None:
        while True:
            await client.send(bytes(2**24))

    async def main() -> None:
        async with Lab() as lab:
            await lab.serve(never)
            async with lab.connect() as client:
                with pytest.raises(ConnectionClosedError, match="1009"):
                    await send_on(client)

    run(main())
