"""A relay between real peers: what passes unbent, and what each bend does to who is at the other end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kernels import Kernel
from waits import until
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from wslab import Lab as ShownLab
from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind, Record
from wslab.live import Lab, LabClosed, NoServer, NotLoopback, PortTaken, Relay
from wslab.live.relay.bends import (
    Bandwidth,
    Bend,
    Coalesced,
    Delay,
    DropRest,
    Fin,
    FlipBits,
    Hold,
    IdleClose,
    Inject,
    Jitter,
    OneByte,
    RandomChunks,
    Reset,
    RewriteHeader,
    Silence,
    StripHeader,
)  # fmt: skip
from wslab.protocol import build_frame, build_request
from wslab.recording.trace import Trace

Run = Callable[[Any], Any]
CLIENT, SERVER = Sender
MASK = bytes.fromhex("37fa213d")


def over(relay: Relay) -> Callable[[], bool]:
    return lambda: relay.trace.total > 0 and relay.connections == ()


def said(trace: Trace, connection: int | None = None) -> list[str]:
    """What bends said, as the records show it."""
    return [record.summary for record in trace if record.kind is Kind.BEND and connection in (None, record.connection)]


def seen_by(trace: Trace, end: Sender) -> bytes:
    """The client's stream on the one of a lab's connections that this end of the lab has."""
    (connection,) = {each.connection for each in trace.chunks if each.seen_by is end}
    return trace.bytes_sent(connection, CLIENT)


def frames(trace: Trace, connection: int, sender: Sender) -> list[Record]:
    return [
        record
        for record in trace
        if (record.kind, record.connection, record.sender) == (Kind.FRAME, connection, sender)
    ]


@asynccontextmanager
async def between(
    *bends: Bend, handler: Callable[[ServerConnection], Awaitable[None]] | None = None, **kwargs: Any
) -> AsyncIterator[tuple[Lab, Relay]]:
    """A lab whose server stands behind a relay."""
    async with Lab(**kwargs) as lab:
        await (lab.serve() if handler is None else lab.serve(handler))
        yield lab, await lab.relay(bends=bends)


class TestUnbent:
    def test_no_byte_is_changed_and_each_end_is_seen(self, run: Run) -> None:
        async def main() -> None:
            async with between() as (lab, relay):
                async with lab.connect(f"{relay.uri}chat?room=1") as client:
                    for size in (0, 1, 125, 126, 65535, 65536, 300_000):
                        await client.send(bytes(size))
                        assert await client.recv() == bytes(size)
                await until(over(relay))
                # Two connections of the lab's trace: the client's to the relay, and the relay's to the server.
                for sender in Sender:
                    assert relay.trace.bytes_sent(0, sender) == lab.trace.bytes_sent(0, sender)
                    assert relay.trace.bytes_sent(0, sender) == lab.trace.bytes_sent(1, sender)
                assert all(record.received is not None for record in relay.trace)
                assert [record.kind for record in relay.trace][-2:] == [Kind.FIN, Kind.FIN]
                assert relay.trace.connections == [0]
                assert (relay.others, said(relay.trace)) == (0, [])

        run(main())

    def test_what_is_no_conversation_passes_unrecorded_and_is_counted(self, run: Run) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line.upper())
            writer.close()

        async def main() -> None:
            plain = await asyncio.start_server(answer, "127.0.0.1", 0)
            async with plain, Lab() as lab:
                relay = await lab.relay(f"http://127.0.0.1:{plain.sockets[0].getsockname()[1]}/")
                for request in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01 no HTTP\n", b"", b"half a head"):
                    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
                    writer.write(request)
                    writer.write_eof()
                    assert await reader.read() == request.upper()
                    writer.close()
                    await writer.wait_closed()
                assert (relay.others, relay.trace.total, relay.trace.connections) == (4, 0, [])

        run(main())

    @pytest.mark.slow
    def test_half_a_request_is_handed_on_at_last(self, run: Run) -> None:
        async def main() -> None:
            async with Lab() as lab, await lab.raw(listen=True) as server:
                relay = await lab.relay(server.uri)
                async with await lab.raw(relay.uri) as client:
                    await client.send(b"GET / HTTP/1.1\r\n")
                    assert await server.recv(16) == b"GET / HTTP/1.1\r\n"
                    assert relay.others == 1

        run(main())

    def test_a_stream_can_end_while_the_other_goes_on(self, run: Run) -> None:
        async def main() -> None:
            async with Lab() as lab, await lab.raw(listen=True) as server:
                relay = await lab.relay(server.uri)
                async with await lab.raw(relay.uri) as client:
                    await client.send(build_request())
                    await client.finish()
                    assert await server.recv_to_end() == build_request()
                    assert server.ended == "FIN"
                    assert client.ended == ""
                    await server.send(b"still here")
                    assert await client.recv(10) == b"still here"
                    await server.close()
                    assert await client.recv_to_end() == b""
                    assert client.ended == "FIN"
                await until(over(relay))
                assert [(each.kind, each.sender) for each in relay.trace if each.kind is Kind.FIN] == [
                    (Kind.FIN, CLIENT),
                    (Kind.FIN, SERVER),
                ]

        run(main())

    @pytest.mark.parametrize("who", ["client", "server"])
    def test_a_reset_is_passed_on_as_one(self, run: Run, who: str) -> None:
        async def main() -> None:
            async with Lab() as lab, await lab.raw(listen=True) as server:
                relay = await lab.relay(server.uri)
                async with await lab.raw(relay.uri) as client:
                    await client.send(build_request())
                    await server.recv(10)
                    one, other = (client, server) if who == "client" else (server, client)
                    await one.reset()
                    await other.recv_to_end()
                    assert other.ended == "RST"
                await until(over(relay))
                assert [(each.kind, each.sender.label) for each in relay.trace if each.kind is Kind.RESET] == [
                    (Kind.RESET, who)
                ]

        run(main())

    def test_who_resets_while_much_is_on_its_way_leaves_no_word(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each byte is a write of its own, and asyncio complains of writes to what is gone."""

        async def main() -> None:
            async with Lab() as lab:
                target = await lab.raw(listen=True)
                relay = await lab.relay(target.uri, bends=[OneByte()])
                client = await lab.raw(relay.uri)
                asking = asyncio.ensure_future(client.handshake())
                await target.handshake()
                await asking
                held = threading.Event()
                assert lab.loop is not None
                lab.loop.call_soon_threadsafe(held.wait, 5)
                await client.send(bytes(5000))
                target.reset()
                held.set()
                await until(over(relay))

        run(main())
        assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []

    def test_who_reads_too_slowly_slows_down_who_writes(self, run: Run) -> None:
        most = 64 * 2**20

        async def main() -> None:
            async with Lab() as lab, await lab.raw(listen=True) as server:
                relay = await lab.relay(server.uri)
                loop = asyncio.get_running_loop()
                with socket.create_connection(("127.0.0.1", relay.port)) as client:
                    client.setblocking(False)
                    begun = build_request() + b"\x82\xff" + most.to_bytes(8, "big") + MASK
                    await loop.sock_sendall(client, begun)
                    await server.connected()
                    assert server._transport is not None
                    server._transport.pause_reading()
                    sent, block = 0, bytes(2**20)
                    while sent < most:
                        try:
                            sent += client.send(block)
                            quiet = 0
                        except BlockingIOError:
                            quiet += 1
                            if quiet > 20:
                                break
                            await asyncio.sleep(0.01)
                    assert 0 < sent < most, "it never had to wait"
                    server._transport.resume_reading()
                    await until(lambda: len(server.received) == len(begun) + sent)

        run(main())

    def test_where_nobody_listens_the_client_is_refused_and_the_trace_says_why(self, run: Run) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as sock:
                port = sock.getsockname()[1]
            async with Lab() as lab:
                relay = await lab.relay(f"ws://127.0.0.1:{port}/")
                try:
                    async with await lab.raw(relay.uri) as client:
                        await client.recv_to_end()
                        assert client.ended == "RST"
                except ConnectionResetError:  # on a busy machine the RST is here before the endpoint is
                    await until(lambda: len(relay.trace), "a record")
                (record,) = relay.trace
                assert record.kind is Kind.ERROR
                facts = dict(relay.trace.explain(0).facts)
                assert f"cannot reach 127.0.0.1:{port}: ConnectionRefusedError" in facts["error"]

        run(main())


class TestTls:
    def test_tls_ends_at_the_relay_on_both_sides(self, run: Run) -> None:
        async def main() -> None:
            async with Lab() as lab:
                await lab.serve(tls=True)
                relay = await lab.relay(bends=[OneByte(at="frames", direction="client")])
                assert relay.uri.startswith("wss://localhost:")
                async with lab.connect(relay.uri) as client:
                    await client.send("Hello")
                    assert await client.recv() == "Hello"
                await until(over(relay))
                assert [each.summary for each in frames(relay.trace, 0, CLIENT)] == ['TEXT "Hello"', "CLOSE 1000"]
                assert relay.ciphertext == {}

        run(main())

    def test_through_nothing_can_be_read(self, run: Run) -> None:
        async def main() -> None:
            async with Lab() as lab:
                await lab.serve(tls=True)
                relay = await lab.relay(tls="through")
                async with lab.connect(relay.uri) as client:
                    await client.send("Hello")
                    assert await client.recv() == "Hello"
                assert relay.trace.total == 0
                (streams,) = relay.ciphertext.values()
                assert all(stream[:2] == b"\x16\x03" for stream in streams.values()), "no TLS handshake record"
                assert all(b"Upgrade" not in stream for stream in streams.values())
                # What came is what the server's end wrote: a client that trusts nobody sees the server's certificate.
                pem = ssl.get_server_certificate(("127.0.0.1", relay.port))
                assert pem == ssl.get_server_certificate(("127.0.0.1", lab.server.port if lab.server else 0))

        run(main())

    def test_a_target_that_nobody_vouches_for_is_refused(self, run: Run) -> None:
        async def main() -> None:
            async with Lab() as stranger, Lab() as lab:
                server = await stranger.serve(tls=True)
                relay = await lab.relay(server.uri)
                with pytest.raises((OSError, InvalidMessage)):
                    await lab.connect(relay.uri)
                assert "CERTIFICATE_VERIFY_FAILED" in dict(relay.trace.explain(0).facts)["error"]

        run(main())


async def echo_once(lab: Lab, relay: Relay, text: str = "Hello") -> str | bytes:
    async with lab.connect(relay.uri) as client:
        await client.send(text)
        return await client.recv()


async def lost(client: ClientConnection) -> int | None:
    """The code with which the client's connection ends, whatever comes before."""
    try:
        async for _ in client:
            pass
    except ConnectionClosed:
        pass
    return client.close_code


class TestBends:
    @pytest.mark.lengthy
    @pytest.mark.parametrize("bend", [Delay(0.05), Coalesced(0.05), Bandwidth(10_000)], ids=repr)
    def test_what_takes_time_shows_as_late_reception(self, run: Run, bend: Bend) -> None:
        async def main() -> None:
            async with between(bend) as (lab, relay):
                assert await echo_once(lab, relay) == "Hello"
                await until(over(relay))
                late = [each.received - each.time for each in relay.trace if each.received is not None]
                least = {Delay: 0.05, Coalesced: 0.05, Bandwidth: 6 / 10_000}[type(bend)]
                assert min(late[:2]) >= least - 1e-4
                assert said(relay.trace) == [bend.words] * 2

        run(main())

    def test_jitter_keeps_frames_in_order(self, run: Run) -> None:
        async def main() -> None:
            async with between(Jitter(0.01, at="frames")) as (lab, relay), lab.connect(relay.uri) as client:
                for number in range(20):
                    await client.send(str(number))
                assert [await client.recv() for _ in range(20)] == [str(number) for number in range(20)]

        run(main())

    @pytest.mark.parametrize("bend", [OneByte(gap=0.0005), RandomChunks(6455, largest=3, gap=0.0005)], ids=repr)
    def test_a_peer_puts_together_what_comes_in_pieces(self, run: Run, bend: Bend) -> None:
        async def main() -> None:
            async with between(bend) as (lab, relay):
                assert await echo_once(lab, relay, "Straße 🙂") == "Straße 🙂"
                await until(over(relay))
                most = 1 if isinstance(bend, OneByte) else 3
                handed = [each.length for each in relay.trace.chunks if each.sender is not each.seen_by]
                assert set(handed) <= set(range(1, most + 1))
                assert len(handed) > 80  # more than 40 each way
                # With a gap between two, the peer's own reads are as short, unless it is kept from reading.
                reads = [each for each in lab.trace.chunks if (each.sender, each.seen_by) == (CLIENT, SERVER)]
                assert min(each.length for each in reads) <= most

        run(main())

    def test_hold_and_release_frame_by_frame(self, run: Run) -> None:
        got: list[str | bytes] = []

        async def handler(connection: ServerConnection) -> None:
            async for message in connection:
                got.append(message)

        async def main() -> None:
            async with between(Hold(direction="client", at="frames"), handler=handler) as (lab, relay):
                async with lab.connect(relay.uri) as client:
                    for number in range(3):
                        await client.send(str(number))
                        await until(lambda number=number: relay.held == number + 1)
                    assert got == []
                    relay.release()
                    await until(lambda: got == ["0"])
                    relay.release(2)
                    await until(lambda: got == ["0", "1", "2"])
                    await client.send("3")
                    await until(lambda: relay.held == 1)
                    relay.release(None)
                    await until(lambda: got[-1] == "3")
                    await client.send("4")
                    await until(lambda: got[-1] == "4")
                assert said(relay.trace) == ["hold: chunks wait here", *["release 1 chunk"] * 4]

        run(main())

    def test_hold_and_release_by_hand(self, run: Run) -> None:
        async def main() -> None:
            async with between() as (lab, relay), lab.connect(relay.uri) as client:
                relay.hold("server")
                await client.send("one")
                await client.send("two")
                await until(lambda: relay.held >= 1)
                held = [each for each in frames(relay.trace, 0, SERVER) if each.received is None]
                assert held
                relay.release(None)
                assert [await client.recv(), await client.recv()] == ["one", "two"]
                await client.send("three")
                assert await client.recv() == "three"

        run(main())

    def test_without_an_upgrade_header_the_server_answers_426(self, run: Run) -> None:
        async def main() -> None:
            async with between(StripHeader("Upgrade")) as (lab, relay):
                with pytest.raises(InvalidStatus) as caught:
                    await echo_once(lab, relay)
                assert caught.value.response.status_code == 426
                await until(over(relay))
                # What was altered makes two connections, each of which names the other.
                assert said(relay.trace, 0) == ["goes on as connection 1"]
                assert said(relay.trace, 1) == ["comes from connection 0", "strip header Upgrade"]
                came, went = (relay.trace.bytes_sent(each, CLIENT) for each in (0, 1))
                assert came.replace(b"Upgrade: websocket\r\n", b"") == went != came
                assert relay.trace.bytes_sent(0, SERVER) == relay.trace.bytes_sent(1, SERVER)

        run(main())

    def test_a_rewritten_host_is_refused(self, run: Run) -> None:
        async def main() -> None:
            async with between(RewriteHeader("Host", "evil.example")) as (lab, relay):
                with pytest.raises(InvalidStatus) as caught:
                    await echo_once(lab, relay)
                assert caught.value.response.status_code == 403

        run(main())

    @pytest.mark.parametrize(
        ("bits", "code"),
        # Behind two bytes of header and four of masking key: the first payload byte's highest bit makes "H" no UTF-8.
        [((48,), 1007), ((1,), 1002), ((6,), 1002), ((8,), 1002)],
        ids=["payload", "RSV1", "opcode", "MASK"],
    )
    def test_a_flipped_bit_fails_the_connection(self, run: Run, bits: tuple[int, ...], code: int) -> None:
        async def main() -> None:
            async with between(FlipBits(*bits)) as (lab, relay), lab.connect(relay.uri) as client:
                await client.send("Hello")
                assert await lost(client) == code

        run(main())

    def test_a_frame_put_in_is_heard(self, run: Run) -> None:
        async def main() -> None:
            hello = Inject(build_frame("from nobody"), direction="server", at="frames")
            masked = Inject(build_frame("masked", mask=MASK), at="frame 1")
            async with between(hello, masked) as (lab, relay), lab.connect(relay.uri) as client:
                assert await client.recv() == "from nobody"
                await client.send("Hello")
                assert [await client.recv(), await client.recv()] == ["Hello", "masked"]

        run(main())

    @pytest.mark.lengthy
    def test_silence_ends_in_1006_by_keepalive(self, run: Run) -> None:
        async def main() -> None:
            async with between(Silence(at="frame 1")) as (lab, relay):
                options = {"ping_interval": 0.05, "ping_timeout": 0.1, "close_timeout": 0.1}
                async with lab.connect(relay.uri, **options) as client:
                    assert await (await client.ping()) >= 0
                    assert await lost(client) in (1006, 1011)
                sent = frames(relay.trace, 0, CLIENT)
                assert [each.received is None for each in sent[:2]] == [False, True]
                assert sent[-1].summary.startswith("CLOSE 1011")
                assert sent[-1].received is None
                sent_bytes, received = seen_by(lab.trace, CLIENT), seen_by(lab.trace, SERVER)
                assert received == sent_bytes[: len(received)] != sent_bytes

        run(main())

    @pytest.mark.lengthy
    def test_half_open_the_peer_reports_1006_when_it_gives_up(self, run: Run) -> None:
        async def main() -> None:
            async with between(Silence(at="frame 1")) as (lab, relay), Lab() as outside:
                async with outside.connect(relay.uri, close_timeout=0.1) as client:
                    await client.send("Hello")
                    assert await client.recv() == "Hello"
                assert client.close_code == 1006
                assert lab.server is not None
                assert len(lab.server.connections) == 1, "the server knows nothing"

        run(main())

    @pytest.mark.parametrize("bend", [Reset(at="frame 1", direction="client"), IdleClose(0.1, at="frames")], ids=repr)
    def test_who_is_cut_off_reports_1006_on_both_sides(self, run: Run, bend: Bend) -> None:
        codes: list[int | None] = []

        async def handler(connection: ServerConnection) -> None:
            try:
                async for message in connection:
                    await connection.send(message)
            finally:
                codes.append(connection.close_code)

        async def main() -> None:
            async with between(bend, handler=handler) as (lab, relay), lab.connect(relay.uri) as client:
                await client.send("Hello")
                assert await client.recv() == "Hello"
                if isinstance(bend, Reset):
                    await client.send("again")
                assert await lost(client) == 1006
                await until(lambda: codes)
                assert codes == [1006]
                await until(over(relay))
                assert bend.words in said(relay.trace)
                kind = Kind.RESET if isinstance(bend, Reset) else Kind.FIN
                assert {each.sender for each in relay.trace if each.kind is kind} == set(Sender)

        run(main())

    @pytest.mark.lengthy
    def test_a_fin_in_the_middle_of_a_frame(self, run: Run) -> None:
        async def main() -> None:
            async with Lab() as lab, await lab.raw(listen=True) as server:
                bend = Fin(direction="client", at=len(build_request()) + 4)
                relay = await lab.relay(server.uri, bends=[bend])
                async with await lab.raw(relay.uri) as client:
                    await client.send(build_request() + build_frame("Hello", mask=MASK))
                    assert await server.recv_to_end() == build_request() + build_frame("Hello", mask=MASK)[:4]
                    assert (server.ended, client.ended) == ("FIN", "")
                    await server.send(b"half")
                    assert await client.recv(4) == b"half"

        run(main())

    def test_what_is_dropped_never_arrives_but_the_end_does(self, run: Run) -> None:
        async def main() -> None:
            async with Lab() as lab, await lab.raw(listen=True) as server:
                relay = await lab.relay(server.uri, bends=[DropRest(direction="client", at="frame 1")])
                async with await lab.raw(relay.uri) as client:
                    one, two = (build_frame(text, mask=MASK) for text in ("one", "two"))
                    await client.send(build_request() + one + two)
                    await client.finish()
                    assert await server.recv_to_end() == build_request() + one
                    await server.close()
                await until(over(relay))
                assert [each.received is not None for each in frames(relay.trace, 0, CLIENT)] == [True, False]

        run(main())

    def test_bends_stand_in_a_row(self, run: Run) -> None:
        async def main() -> None:
            async with between(StripHeader("User-Agent"), OneByte(), Coalesced(0.01), Delay(0.01)) as (lab, relay):
                assert await echo_once(lab, relay) == "Hello"
                await until(over(relay))
                assert b"User-Agent" not in relay.trace.bytes_sent(1, CLIENT)
                handed = [each for each in relay.trace.chunks if (each.connection, each.seen_by) == (1, CLIENT)]
                assert handed[0].length == len(relay.trace.handshakes[0].data) - len(b"User-Agent: wslab\r\n")

        run(main())


class TestLife:
    def test_everything_is_gone_with_the_relay(self, run: Run) -> None:
        async def main() -> None:
            async with between() as (lab, relay), lab.connect(relay.uri) as client:
                assert "listening" in repr(relay)
                await relay.close()
                await relay.close()
                assert await lost(client) == 1006
                assert repr(relay) == "<Relay on 127.0.0.1, closed>"
                assert (relay.closed, relay.connections, lab._estate.helpers) == (True, (), {})
                with pytest.raises(ConnectionRefusedError):
                    await lab.raw(relay.uri)
                relay.hold()
                relay.release()

        run(main())

    @pytest.mark.lengthy
    def test_everything_is_gone_with_the_lab(self, run: Run) -> None:
        async def main() -> None:
            async with between(Delay(60, at="frames")) as (lab, relay), Lab() as outside:
                client = await outside.connect(relay.uri)
                await client.send("on its way")
                await lab.close()
                assert relay.closed
                assert await lost(client) in (1001, 1006)
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", relay.port))
                with pytest.raises(LabClosed):
                    await lab.relay()

        run(main())

    def test_a_server_s_goodbye_still_passes(self, run: Run) -> None:
        async def main() -> None:
            async with between() as (lab, relay), connect(relay.uri, proxy=None) as client:
                await client.send("x")
                assert await client.recv() == "x"
                await lab.close()
                assert await lost(client) == 1001

        run(main())

    def test_a_port_of_its_own_is_free_for_the_next(self, run: Run) -> None:
        async def main() -> None:
            async with Lab() as first, Lab() as second:
                await second.serve()
                two = await second.relay(port=_free())
                three = await second.relay(port=two.port)
                assert (two.closed, three.port) == (True, two.port)
                await first.serve()
                four = await first.relay(port=three.port)
                assert (second.closed, four.port) == (True, three.port)
                with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTaken):
                    await first.relay(port=taken.getsockname()[1])

        run(main())

    @pytest.mark.parametrize(
        ("to", "words"),
        [("127.0.0.1:1234", "ws://127.0.0.1:1234/"), ("ftp://127.0.0.1/", "https"), ("ws:///", "ws://"),
         ("ws://127.0.0.1:99999/", "Port out of range")],
    )  # fmt: skip
    def test_a_target_that_cannot_be(self, run: Run, to: str, words: str) -> None:
        async def main() -> None:
            async with Lab() as lab:
                with pytest.raises(ValueError, match=r"to=.*expected a URI") as caught:
                    await lab.relay(to)
                assert words in str(caught.value)

        run(main())

    def test_another_machine_needs_a_word(self, run: Run) -> None:
        async def main() -> None:
            async with Lab() as lab:
                for host in ("example.com", "localhost.example.com", "192.0.2.1", "[2001:db8::1]"):
                    with pytest.raises(NotLoopback, match="remote=True"):
                        await lab.relay(f"ws://{host}/")
                relay = await lab.relay("ws://192.0.2.1:1/chat?x=1", remote=True)
                assert relay.uri == f"ws://127.0.0.1:{relay.port}/chat?x=1"
                with pytest.raises(NoServer):
                    await lab.relay()
                with pytest.raises(ValueError, match="tls='no'"):
                    await lab.relay("wss://localhost/", tls="no")
                wrong: Any = ["delay 0.2"]
                with pytest.raises(TypeError, match="parse"):
                    await lab.relay("ws://127.0.0.1:1/", bends=wrong)
                with pytest.raises(ValueError, match="ciphertext"):
                    await lab.relay("wss://localhost/", bends=[StripHeader("Host")], tls="through")
                with pytest.raises(ValueError, match="at=5000"):
                    await lab.relay("wss://localhost/", bends=[FlipBits(0)], tls="through")
                assert len(lab._estate.helpers) == 1
            async with Lab(carrier="memory") as lab:
                with pytest.raises(ValueError, match="carrier='tcp'"):
                    await lab.relay("ws://127.0.0.1:1/")

        run(main())

    def test_a_relay_shows_its_own_recording(self, run: Run) -> None:
        async def main() -> None:
            async with ShownLab() as lab:
                await lab.serve()
                relay: Any = await lab.relay()
                assert await echo_once(lab, relay) == "Hello"
                await until(over(relay))
                shown = relay._repr_mimebundle_()
                assert shown["text/plain"] == repr(relay.trace) != repr(lab.trace)
                assert relay.panel.trace is relay.trace
                assert relay.panel.closed is False
            assert relay.panel.closed is True

        run(main())

    def test_a_saved_recording_keeps_what_was_bent(self, run: Run, tmp_path: Any) -> None:
        async def main() -> Trace:
            async with between(Delay(0), FlipBits(48)) as (lab, relay):
                async with lab.connect(relay.uri) as client:
                    await client.send("Hello")
                    await lost(client)
                await until(over(relay))
                return relay.trace

        trace = run(main())
        trace.save(tmp_path / "bent.wslab")
        again = Trace.load(tmp_path / "bent.wslab")
        assert said(again) == said(trace) != []
        assert repr(again) == repr(trace)
        place = next(each.number for each in again if each.summary == "flip bit 48")
        assert dict(again.explain(place).facts)["bend"] == "flip bit 48"


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.mark.slow
def test_a_cell_that_runs_again_replaces_its_relay() -> None:
    kernel = Kernel()
    try:
        kernel.run("from wslab.live import Lab\nlab = Lab()\nserver = await lab.serve()")
        ports = [int(kernel.run("relay = await lab.relay()\nprint(relay.port)\nrelay", "one").printed) for _ in "ab"]
        assert int(kernel.run("print(len(lab._estate.helpers))").printed) in (1, 2)
        gone = "import asyncio\nwhile len(lab._estate.helpers) > 1: await asyncio.sleep(0.01)\nprint(relay.closed)"
        assert kernel.run(gone).printed == "False"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ports[0]))
        socket.create_connection(("127.0.0.1", ports[1])).close()
        kernel.manager.shutdown_kernel(now=True)  # SIGKILL
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ports[1]))
    finally:
        kernel.close()
