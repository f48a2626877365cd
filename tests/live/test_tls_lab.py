"""A lab over TLS: who trusts it, what the trace keeps above TLS, and what an eavesdropper is left with."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.live import Lab, RawEndpoint
from wslab.live.tls.eavesdropping import Ciphertext, Eavesdropped
from wslab.live.tls.records import ALERT, APPLICATION_DATA, TLS_1_3

Run = Callable[[Any], Any]

SEEN = """\
connection 0 over TLS: what an eavesdropper sees, and what the ends know is
inside
from  TLS record        length  carries  inside
────  ────────────────  ──────  ───────  ───────────────────────
● C   ClientHello
■ S   ServerHello
● C   application_data     190      173  GET /
■ S   application_data     198      181  101 Switching Protocols
● C   application_data      36       19  TEXT "Hello server!"
■ S   application_data      32       15  TEXT "Hello server!"
● C   application_data      28       11  CLOSE 4001 "bye"
■ S   application_data      24        7  CLOSE 4001 "bye"
"""
"""A header of 2 bytes and a masking key of 4 make the text's 13 bytes 19, and TLS 1.3 makes those 36."""


async def greeting(lab: Lab) -> None:
    async with lab.connect() as client:
        await client.send("Hello server!")
        assert await client.recv() == "Hello server!"
        await client.close(4001, "bye")


def test_its_own_clients_trust_it_and_the_trace_is_as_without_tls(run: Run) -> None:
    async def main(tls: bool) -> str:
        async with Lab(seed=1) as lab:
            server = await lab.serve(tls=tls)
            assert server.uri == (f"wss://localhost:{server.port}/" if tls else f"ws://127.0.0.1:{server.port}/")
            await greeting(lab)
            await lab.settled()
            kinds = (Kind.REQUEST, Kind.RESPONSE, Kind.FRAME)
            return "\n".join(record.summary for record in lab.trace.records if record.kind in kinds)

    assert run(main(True)) == run(main(False))


def test_who_was_not_told_fails(run: Run) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(tls=True)
            with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
                await connect(server.uri, proxy=None)
            with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
                await lab.connect(ssl=ssl.create_default_context())
            assert "no connection" in repr(lab.eavesdropped())
            # Another lab's authority is another one.
            async with Lab() as other:
                context = other.authority.client_context()
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(server.uri, ssl=context, proxy=None)
            context = ssl.create_default_context(cafile=lab.authority.path)
            async with connect(server.uri, ssl=context, proxy=None) as outside:
                await outside.send("x")
                assert await outside.recv() == "x"

    run(main())


def test_paths_and_addresses(run: Run) -> None:
    async def main() -> list[str]:
        paths = []

        async def handler(connection: ServerConnection) -> None:
            assert connection.request is not None
            paths.append(connection.request.path)

        async with Lab() as lab:
            server = await lab.serve(handler, tls=True)
            for uri in ("/chat?room=1", f"wss://127.0.0.1:{server.port}/a", f"wss://localhost:{server.port}/b"):
                async with lab.connect(uri):
                    pass
        return paths

    assert run(main()) == ["/chat?room=1", "/a", "/b"]


def test_a_raw_endpoint(run: Run) -> None:
    async def main() -> RawEndpoint:
        async with Lab() as lab:
            await lab.serve(tls=True)
            raw = await lab.raw()
            assert (await raw.handshake()).status == 101
            await raw.send(b"\x81\x81\0\0\0\0x")
            assert (await raw.recv_frame()).payload == b"x"
            with pytest.raises(NotImplementedError, match="close\\(\\) closes both"):
                await raw.finish()
            await raw.close()
            gone = await lab.raw()
            await gone.reset()
            return raw

    assert run(main()).ended


def test_the_server_closes(run: Run) -> None:
    async def main() -> tuple[int | None, str | None]:
        async with Lab() as lab:
            server = await lab.serve(tls=True)
            client = await lab.connect()
            await server.close(4002, "over")
            with pytest.raises(ConnectionClosed):
                await client.recv()
            return client.close_code, client.close_reason

    assert run(main()) == (4002, "over")


def test_mistakes_are_named(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            with pytest.raises(ValueError, match="TLS needs TCP, and this lab is in memory"):
                await lab.serve(tls=True)
        async with Lab() as lab:
            with pytest.raises(ValueError, match="not both"):
                await lab.serve(tls=True, ssl=ssl.create_default_context())
            await lab.serve()
            with pytest.raises(LookupError, match="no connection to this lab's server went over TLS"):
                lab.eavesdropped()

    run(main())


class TestEavesdropper:
    def test_the_view_is_the_same_in_every_run(self, run: Run) -> None:
        async def main() -> str:
            async with Lab(seed=1) as lab:
                await lab.serve(tls=True)
                await greeting(lab)
                await lab.settled()
                seen = lab.eavesdropped(0)
                assert seen.version == TLS_1_3
                assert seen.client_hello is not None
                assert seen.client_hello.server_name == "localhost"
                assert "Hello server!" in seen._repr_html_()
                return repr(seen)

        shown = run(main())
        assert shown == run(main())
        assert shown.startswith(SEEN)
        assert "who is called      localhost" in shown
        assert "chosen             TLS 1.3, TLS_" in shown
        assert max(map(len, shown.splitlines())) <= 80

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_every_byte_of_the_ends_lies_in_one_record(self, run: Run, version: ssl.TLSVersion) -> None:
        """Messages larger than a record and many in one write, both ways: carried bytes are the trace's, in order."""

        async def main() -> Eavesdropped:
            async with Lab() as lab:
                await lab.serve(tls=True)
                context = lab.authority.client_context()
                context.maximum_version = version
                async with lab.connect(ssl=context, max_size=None) as client:
                    for size in (0, 1, 16_384, 100_000):
                        await client.send(b"x" * size)
                        assert len(await client.recv()) == size
                    await asyncio.gather(*[client.ping(bytes([number])) for number in range(50)])
                await lab.settled()
                seen = lab.eavesdropped()
                assert "make no whole frame" not in repr(seen)
                for sender in Sender:
                    at = 0
                    for each in seen.records:
                        if each.sender is sender and each.carried:
                            assert each.position == at
                            assert each.record.content_type == APPLICATION_DATA
                            assert 0 < each.length - each.carried < 40
                            at += each.carried
                    told = [each for each in lab.trace.records if each.sender is sender]
                    assert at == sum(each.header_length + each.payload_length for each in told) > 100_000
                return seen

        seen = run(main())
        assert not seen.ciphertext.lost
        times = [each.time for each in seen.records]
        assert times == sorted(times)
        alerts = [number for number, each in enumerate(seen.records) if each.record.content_type == ALERT]
        if version is ssl.TLSVersion.TLSv1_2:
            assert "encrypted" in seen.explain(alerts[-1])["encrypted_record"].meaning
        else:
            assert alerts == []

    def test_bytes_that_somebody_else_recorded(self, run: Run) -> None:
        """Of them it is not known what they carry, and it is not made up."""

        async def main() -> tuple[Eavesdropped, Eavesdropped]:
            async with Lab(seed=1) as lab:
                await lab.serve(tls=True)
                relay = await lab.relay(tls="through")
                async with lab.connect(relay.uri) as client:
                    await client.send("Hello server!")
                    await client.recv()
                inside = lab.eavesdropped()
                await lab.close()
                return inside, Eavesdropped(Ciphertext.of(relay.ciphertext[0]))

        inside, outside = run(main())
        assert outside.lengths[Sender.CLIENT][:5] == inside.lengths[Sender.CLIENT][:5]
        assert outside.server_hello == inside.server_hello
        assert "?" in repr(outside)
        assert "TEXT" not in repr(outside)

    def test_what_is_kept_is_bounded(self) -> None:
        ciphertext = Ciphertext()
        record = b"\x17\x03\x03\x40\x00" + bytes(16384)
        for _ in range(100):
            ciphertext.crossed(Sender.CLIENT, record)
        assert sum(len(each.record.data) for each in ciphertext.crossings) < 2**20 + len(record)
        for _ in range(30_000):
            ciphertext.crossed(Sender.CLIENT, b"\x17\x03\x03\x00\x00")
        assert len(ciphertext.crossings) == 20_000
        ciphertext.carried(Sender.SERVER, 5)  # of what is no longer there

    def test_what_is_no_tls_is_said(self) -> None:
        seen = Eavesdropped(Ciphertext.of({Sender.CLIENT: b"GET / HTTP/1.1\r\n"}))
        assert "byte 0 begins no TLS record: 47 45 54 20 2f" in repr(seen)
