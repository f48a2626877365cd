"""Each limit of what is live is reached, and what docs/limits.md says of it happens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from waits import until
from websockets.asyncio.messages import MAX_FRAGMENTS
from websockets.exceptions import ConnectionClosedError, InvalidMessage

from wslab.anatomy.field import Sender
from wslab.live import Lab, StreamEnded
from wslab.live.errors import NodeMissing
from wslab.live.judges.attempt import attempt
from wslab.live.jupyter import jupyter_socket
from wslab.live.memory import KERNEL, READ
from wslab.live.node import package, process
from wslab.live.relay.notes import opaque
from wslab.live.tls.records import TlsReader
from wslab.protocol import build_frame, build_request, build_response

pytestmark = pytest.mark.lengthy  # all of them together
Run = Callable[[Any], Any]
MASK = bytes(4)
REQUEST = bytes(build_request())


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("carrier", "estate", "server"):
        monkeypatch.setattr(f"wslab.live.{module}.GRACE", 0.1)


FILES = """
import asyncio, resource
from wslab import Lab
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
async def main():
    async with Lab() as lab:
        await lab.serve()
        clients = []
        try:
            while len(clients) < 100:
                clients.append(await lab.connect())
        except OSError as error:
            print(error.strerror, 10 < len(clients) < 30)
        await clients[0].close()
        await asyncio.sleep(0.1)
        async with lab.connect() as client:
            await client.send("still here")
            print(await client.recv())
asyncio.run(main())
"""


@pytest.mark.slow
def test_open_files_end_the_number_of_connections_and_no_lab() -> None:
    done = subprocess.run([sys.executable, "-c", FILES], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["Too many open files True", "still here"], done.stderr


def test_a_longer_message_is_refused_with_1009(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve(max_size=10)
            async with lab.connect(max_size=None) as client:
                await client.send("x" * 10)
                assert await client.recv() == "x" * 10
                await client.send("x" * 11)
                with pytest.raises(ConnectionClosedError) as caught:
                    await client.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1009
            await lab.serve(max_size=None)
            async with lab.connect(max_size=None) as client:
                await client.send(bytes(2**20 + 1))
                assert len(await client.recv()) == 2**20 + 1

    run(main())


def test_fragments_of_a_message_count_together(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            await lab.serve(max_size=10)
            async with lab.connect() as client:
                await client.send(["x"] * 11)
                with pytest.raises(ConnectionClosedError, match="1009"):
                    await client.recv()

    run(main())


def test_a_message_in_too_many_fragments_is_refused(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            async with lab.connect() as client:
                await client.send(["x"] * (MAX_FRAGMENTS - 1))  # an empty fragment ends it
                assert len(await client.recv()) == MAX_FRAGMENTS - 1
                await client.send(["x"] * MAX_FRAGMENTS)
                with pytest.raises(ConnectionClosedError, match=r"1009.*too many fragments"):
                    await client.recv()

    run(main())
    assert MAX_FRAGMENTS == 4096, "docs/limits.md names this number"


def test_send_waits_where_too_much_waits_to_be_sent(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab, await lab.raw(listen=True) as raw:
            connecting = lab.connect(raw.uri, write_limit=100, close_timeout=0.1)
            client, _ = await asyncio.gather(connecting, raw.handshake())
            assert raw._transport is not None
            raw._transport.pause_reading()
            await client.send(bytes(1000))  # the other end's kernel takes it
            sending = asyncio.ensure_future(client.send(bytes(4 * KERNEL)))
            done, _ = await asyncio.wait({sending}, timeout=0.05)
            assert not done
            raw._transport.resume_reading()
            await sending

    run(main())


def test_pings_wait_as_long_as_one_likes_and_nothing_is_forgotten(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab, await lab.raw(listen=True) as raw:
            client, _ = await asyncio.gather(lab.connect(raw.uri, close_timeout=0.1), raw.handshake())
            pongs = [await client.ping(str(number)) for number in range(500)]
            await raw.send(build_frame("499", opcode=10))
            await pongs[499]
            assert all(pong.done() for pong in pongs), "a pong answers all pings before its own"

    run(main())


def test_a_handshake_that_does_not_come_is_given_up(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab, await lab.raw(listen=True) as silent:
            with pytest.raises(TimeoutError):
                await lab.connect(silent.uri, open_timeout=0.05)
            await lab.serve(open_timeout=0.05)
            async with await lab.raw() as raw:
                await raw.send(REQUEST[:20])
                assert await raw.recv_to_end() == b""
                assert raw.ended

    run(main())


def test_a_handshake_that_is_too_large_is_refused(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            for large in ({"X-Long": "x" * 8192}, {f"X-{number}": "x" for number in range(129)}):
                async with await lab.raw() as raw:
                    await raw.send(bytes(build_request(headers=large)))
                    head = await raw.recv_head()
                    assert head.status == 431
            async with await lab.raw(listen=True) as raw:

                async def connect() -> None:
                    with pytest.raises(InvalidMessage):
                        await lab.connect(raw.uri)

                connecting = asyncio.ensure_future(connect())
                await raw.recv_head()
                await raw.send(bytes(build_response(headers={"X-Long": "x" * 8192})))
                await raw.close()
                await connecting

    run(main())


def test_a_close_that_nobody_answers_is_given_up_with_1006(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab, await lab.raw(listen=True) as raw:
            client, _ = await asyncio.gather(lab.connect(raw.uri, close_timeout=0.05), raw.handshake())
            await client.close()
            assert client.close_code == 1006

    run(main())


def test_a_raw_endpoint_says_what_did_not_come(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab, await lab.raw(listen=True) as raw, await lab.raw(raw.uri) as client:
            await raw.connected()
            for call in (client.recv, client.recv_frame, client.recv_head, client.recv_to_end):
                with pytest.raises(TimeoutError, match=r"within 0.02 s"):
                    await call(timeout=0.02)
            await raw.send(b"abc")
            assert await client.recv_until_quiet(quiet=0.02) == b"abc"

    run(main())


def test_a_raw_endpoint_gives_a_long_head_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.live.raw.LONGEST_HEAD", 100)

    async def main() -> None:
        async with Lab(carrier="memory") as lab, await lab.raw(listen=True) as raw, await lab.raw(raw.uri) as client:
            await client.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 100)
            with pytest.raises(StreamEnded):
                await raw.recv_head()

    run(main())


def test_settled_says_what_is_still_on_its_way(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab, await lab.raw(listen=True) as raw, await lab.raw(raw.uri) as client:
            await raw.connected()
            assert raw._transport is not None
            raw._transport.pause_reading()
            await client.send(bytes(7))
            with pytest.raises(TimeoutError, match="7 bytes from the client"):
                await lab.settled(timeout=0.02)

    run(main())


def test_a_judge_counts_no_answer_as_silence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.live.judges.attempt.LEAVING", 0.02)

    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            async with await lab.raw(listen=True) as raw:
                tried = await attempt(lambda: lab.raw(raw.uri), REQUEST, timeout=0.02)
                assert tried.response is None
                assert "said nothing within 0.02 s" in tried.silence
            async with await lab.raw(listen=True) as raw:  # it accepts, and never says goodbye
                trying = asyncio.ensure_future(attempt(lambda: lab.raw(raw.uri), REQUEST))
                await raw.recv_head()
                await raw.send(bytes(build_response()))
                assert (await trying).accepted

    run(main())


def test_one_read_in_memory_takes_so_much_and_the_writer_pauses(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab, await lab.raw(listen=True) as raw, await lab.raw(raw.uri) as client:
            await raw.connected()
            await client.send(bytes(READ + 10))
            assert len(await raw.recv(READ + 10)) == READ + 10
        assert [chunk.length for chunk in lab.trace.chunks if chunk.seen_by is Sender.SERVER] == [READ, 10]

    run(main())


def test_a_relay_reads_no_more_where_its_bends_are_full(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.live.relay.link.MUCH", 1000)

    async def main() -> None:
        async with Lab() as lab, await lab.raw(listen=True) as raw:
            relay = await lab.relay(raw.uri)
            client, _ = await asyncio.gather(lab.connect(relay.uri, close_timeout=0.1), raw.handshake())
            relay.hold()
            for _ in range(200):
                sending = asyncio.ensure_future(client.send(bytes(2**17)))
                done, _ = await asyncio.wait({sending}, timeout=0.2)
                if not done:
                    break
            assert not sending.done(), "the sender never had to wait"
            sending.cancel()
            client.transport.abort()

    run(main())


def test_of_ciphertext_the_first_bytes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.live.relay.notes.CIPHERTEXT", 5)
    streams = {sender: bytearray() for sender in Sender}
    notes = opaque(streams)
    for _ in range(3):
        notes.read[Sender.CLIENT](b"abc")
    assert streams == {Sender.CLIENT: b"abcab", Sender.SERVER: b""}


@pytest.mark.lengthy
def test_of_connections_over_tls_the_newest_are_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.live.estate.CIPHERTEXTS", 2)

    async def main() -> None:
        async with Lab() as lab:
            await lab.serve(tls=True)
            for _ in range(3):
                async with lab.connect():
                    pass
            await lab.settled()
            assert lab.eavesdropped(2) is not None
            with pytest.raises(LookupError, match="no connection 0"):
                lab.eavesdropped(0)

    run(main())


def test_a_tls_record_that_is_longer_is_none() -> None:
    for length, lost in ((18432, False), (18433, True)):
        reader = TlsReader()
        assert list(reader.feed(b"\x17\x03\x03" + length.to_bytes(2, "big"))) == []
        assert bool(reader.lost) is lost


def test_a_script_as_text_has_a_length(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "program", lambda: "node")

    async def main() -> None:
        async with Lab() as lab:
            with pytest.raises(ValueError, match="put it into a file"):
                await lab.node("x" * (process.LONGEST_SCRIPT + 1))

    run(main())


def test_npms_complaint_is_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(package, "home", lambda: tmp_path)
    monkeypatch.setattr(package, "_on_path", str)
    monkeypatch.setattr(package, "_run", lambda *_: (1, "e" * 5000))
    with pytest.raises(NodeMissing) as caught:
        package.install()
    assert str(caught.value).count("e" * package.LONGEST) == 1
    assert "e" * (package.LONGEST + 1) not in str(caught.value)


def test_a_part_of_a_kernel_message_is_cut() -> None:
    data = jupyter_socket.encode("shell", "execute_request", {"code": "x" * 500})
    message = jupyter_socket.JupyterMessage(data)
    assert "x" * 200 in str(message)
    assert "x" * jupyter_socket.MOST not in str(message)


def test_a_jupyter_server_that_says_nothing_counts_as_not_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jupyter_socket, "PATIENCE", 0.05)

    async def main() -> None:
        async with Lab() as lab, await lab.raw(listen=True) as raw:
            assert raw.uri is not None
            url = raw.uri.replace("ws:", "http:")
            assert "timed out" in str(await asyncio.to_thread(jupyter_socket._ask, url, "token"))
            await until(lambda: raw.ended or raw.received)

    run(main())


@pytest.mark.oracle
def test_a_script_that_never_listens_is_given_up_with_its_last_words(
    run: Run, monkeypatch: pytest.MonkeyPatch, node_path: str
) -> None:
    monkeypatch.setattr(process, "TIMEOUT", 1.0)

    async def main() -> None:
        async with Lab() as lab:
            with pytest.raises(TimeoutError, match="has not listened") as failed:
                await lab.node("console.log('my last words'); setInterval(() => {}, 1000)")
            assert "my last words" in str(failed.value)

    assert node_path
    run(main())
