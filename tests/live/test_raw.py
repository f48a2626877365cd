"""Raw endpoints send exactly what they are given, and show what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from wslab.anatomy.field import Sender
from wslab.live import Lab, PortTaken, StreamEnded
from wslab.live.raw import LONGEST_HEAD, RawEndpoint
from wslab.protocol import build_close, build_frame, build_request, build_response

Run = Callable[[Any], Any]
MASK = b"\x01\x02\x03\x04"


def test_a_client_of_ones_own(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            async with await lab.raw() as raw:
                head = await raw.handshake("/chat")
                assert (head.status, head.get("Sec-WebSocket-Accept")) == (101, ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="])
                for size in (0, 5, 125, 126, 65535, 65536):
                    await raw.send(build_frame(bytes(size), opcode=2, mask=MASK))
                    frame = await raw.recv_frame()
                    assert (frame.opcode, frame.payload_length, frame.mask) == (2, size, False)
                await raw.send(build_close(1000, "bye", mask=MASK))
                assert await raw.recv_to_end() == build_close(1000, "bye")
                assert raw.ended == "FIN"
            assert lab.trace.bytes_sent(0, Sender.CLIENT) == bytes(raw.sent)
            assert lab.trace.bytes_sent(0, Sender.SERVER) == bytes(raw.received)

    run(main())


def test_a_server_of_ones_own(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab, await lab.raw(listen=True) as raw:
            client, request = await asyncio.gather(lab.connect(raw.uri), raw.handshake())
            assert request.target == "/"
            await client.send("Hello")
            frame = await raw.recv_frame()
            assert (frame.data, frame.mask) == (b"Hello", True)
            await raw.send(build_frame("Hel", fin=False) + build_frame("lo", opcode=0))
            assert await client.recv() == "Hello"
            await raw.send(build_frame("", opcode=3))
            with pytest.raises(ConnectionClosedError) as caught:
                await asyncio.gather(client.recv(), raw.recv_frame(), raw.close())
            assert caught.value.sent is not None
            assert caught.value.sent.code == 1002
            assert lab.trace.bytes_sent(0, Sender.SERVER) == bytes(raw.sent)

    run(main())


def test_a_server_that_refuses(carrier: str, run: Run) -> None:
    async def refuse(raw: RawEndpoint) -> None:
        await raw.recv_head()
        await raw.send(build_response(headers={"Upgrade": None}, status=403, reason="Forbidden", body=b""))
        await raw.close()

    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            raw = await lab.raw(listen=True)
            with pytest.raises(InvalidStatus):
                await asyncio.gather(lab.connect(raw.uri), refuse(raw))

    run(main())


def test_it_takes_one_client(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            raw = await lab.raw(listen=True)
            first = await lab.raw(raw.uri)
            await raw.connected()
            with pytest.raises(ConnectionRefusedError):
                await lab.raw(raw.uri)
            await first.send(b"x")
            assert await raw.recv() == b"x"

    run(main())


def test_reading(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            server = await lab.raw(listen=True)
            client = await lab.raw(server.uri)
            await server.send(b"one two three")
            assert await client.recv(3) == b"one"
            assert await client.recv() == b" two three"
            with pytest.raises(TimeoutError, match=r"fewer than 4 bytes came within 0\.01 s"):
                await client.recv(4, timeout=0.01)
            await server.send(b"four")
            assert await client.recv_until_quiet(0.01) == b"four"
            await server.send(b"\x82\x7e\x00")
            with pytest.raises(TimeoutError):
                await client.recv_frame(timeout=0.01)
            await server.finish()
            with pytest.raises(StreamEnded, match="short of a frame"):
                await client.recv_frame()
            assert await client.recv() == b"\x82\x7e\x00"
            assert await client.recv() == b""
            assert await client.recv(5) == b""
            with pytest.raises(StreamEnded, match="no whole HTTP head"):
                await client.recv_head()
            await client.send(b"still here")
            assert await server.recv() == b"still here"
            with pytest.raises(ConnectionError, match="cannot send"):
                await server.send(b"x")

    run(main())


def test_fin_and_rst_are_told_apart(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            for vanish, last in ((RawEndpoint.close, "FIN, end of stream"), (RawEndpoint.reset, "RST")):
                raw = await lab.raw()
                await raw.handshake()
                await vanish(raw)
                number = raw.connection
                assert number is not None
                while Sender.SERVER not in lab.trace.closings(number):
                    await asyncio.sleep(0.001)
                records = [record for record in lab.trace.records if record.connection == number]
                assert [record.summary for record in records if record.sender is Sender.CLIENT][-1].startswith(last)
                assert lab.trace.closings(number)[Sender.SERVER].code == 1006

    run(main())


def test_a_client_sees_a_reset(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            raw = await lab.raw(listen=True)
            client, _ = await asyncio.gather(lab.connect(raw.uri), raw.handshake())
            await raw.send(build_frame("last words"))
            await raw.reset()
            assert await client.recv() == "last words"
            with pytest.raises(ConnectionClosedError) as caught:
                await client.recv()
            assert caught.value.rcvd is None
            assert isinstance(caught.value.__cause__, ConnectionResetError)
            assert [r.summary for r in lab.trace.records if r.sender is Sender.SERVER][-1] == "RST, connection reset"
            with pytest.raises(ConnectionError):
                await raw.send(b"x")

    run(main())


@pytest.mark.lengthy
def test_back_pressure(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            raw = await lab.raw(listen=True)
            client, _ = await asyncio.gather(lab.connect(raw.uri, max_size=None, max_queue=1), raw.handshake())
            sent = 0
            sending = asyncio.ensure_future(raw.send(build_frame("begins", opcode=1)))
            while sending in (await asyncio.wait({sending}, timeout=0.2))[0]:
                sent += 1
                sending = asyncio.ensure_future(raw.send(build_frame(bytes(2**20), opcode=2)))
            assert await client.recv() == "begins"
            for _ in range(sent):
                assert len(await client.recv()) == 2**20
            await sending

    run(main())


def test_it_shows_what_came_back(carrier: str, run: Run) -> None:
    async def main() -> tuple[str, str]:
        async with Lab("rfc", carrier=carrier) as lab:
            server = await lab.serve()
            raw = await lab.raw()
            await raw.handshake("/<script>")
            await raw.send(build_frame("<b>\x1b", mask=MASK))
            await raw.recv_frame()
            assert repr(await lab.raw(listen=True)) == "raw server, not connected yet"
            shown = repr(raw), raw._repr_html_()
            for text in shown:
                assert str(server.port) not in text.replace("1234", "" if carrier == "memory" else "1234")
            return shown

    text, html = run(main())
    assert text.startswith("raw client: sent ")
    assert "TEXT" in text
    assert "101 Switching Protocols" in text
    assert max(map(len, text.split("\n"))) <= 80
    for shown in (text, html):
        assert "\x1b" not in shown
    assert "<script>" not in html
    assert "<b>" not in html


def test_anything_can_be_sent(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            for data in (b"\x00", b"\xff" * 300, b"GET / HTTP/1.1\r\n\r\n", build_request(method="POST")):
                async with await lab.raw() as raw:
                    await raw.send(data)
                    await raw.finish()
                    await raw.recv_to_end()
                    assert lab.trace.bytes_sent(raw.connection or 0, Sender.CLIENT) == data

    run(main())


def test_a_client_that_closes_while_the_raw_server_only_listens(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            raw = await lab.raw(listen=True)
            client, _ = await asyncio.gather(lab.connect(raw.uri), raw.handshake())
            closing = asyncio.create_task(client.close(4001, "enough"))
            frame = await raw.recv_frame()
            assert (frame.status_code, frame.close_reason) == (4001, "enough")
            await raw.send(build_close(4001))
            await raw.close()
            await closing
            with pytest.raises(ConnectionClosedError):
                await client.recv()

    run(main())


def test_ports(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            await lab.raw(listen=True, port=80)
            with pytest.raises(PortTaken):
                await lab.raw(listen=True, port=80)

    run(main())


def test_a_close_that_both_ends_know(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            raw = await lab.raw(listen=True)
            client, _ = await asyncio.gather(lab.connect(raw.uri), raw.handshake())
            await raw.send(build_close(1000, "bye"))
            with pytest.raises(ConnectionClosedOK):
                await asyncio.gather(client.recv(), raw.recv_frame(), raw.close())

    run(main())


def test_a_head_behind_much_else_is_waited_for(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            server = await lab.raw(listen=True)
            client = await lab.raw(server.uri)
            await client.send(bytes(LONGEST_HEAD + 1))
            await server.recv(LONGEST_HEAD + 1)
            coming = asyncio.ensure_future(server.recv_head())
            await asyncio.sleep(0)  # it looks before the head is there
            await client.send(build_request("/late"))
            assert (await coming).start_line == "GET /late HTTP/1.1"
            too_long = asyncio.ensure_future(server.recv_head())
            await client.send(b"x" * (LONGEST_HEAD + 1))
            with pytest.raises(StreamEnded):
                await too_long

    run(main())


def test_what_cannot_be_received_is_refused_and_changes_nothing(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            server = await lab.raw(listen=True)
            client = await lab.raw(server.uri)
            await client.send(b"abc")
            assert await server.recv(1) == b"a"
            for number in (-1, -(2**70)):
                with pytest.raises(ValueError, match="0 or more"):
                    await server.recv(number)
            assert await server.recv(0) == b""
            assert await server.recv(2) == b"bc"

    run(main())


def test_a_reset_where_nobody_is_connected_is_over_at_once(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            server = await lab.raw(listen=True)
            await asyncio.wait_for(server.reset(), 5)
            await server.close()

    run(main())
