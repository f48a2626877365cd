"""A secret in the server's path: who knows it gets in, and nothing that is shown, kept or handed on holds it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Coroutine
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waits import until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.live import secret
from wslab.live.estate import secret_of
from wslab.live.lab import Lab
from wslab.live.relay.bends import Delay
from wslab.protocol import build_request
from wslab.recording.trace import Trace

HUB = "JUPYTERHUB_SERVICE_PREFIX"
SAID = (Kind.REQUEST, Kind.RESPONSE, Kind.FRAME)
ANY = re.compile("secret-[0-9a-f]")


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await coroutine

    asyncio.run(main())


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HUB, raising=False)


async def status(port: int, request: bytes) -> tuple[int, str]:
    """What another program is answered that sends that request: the status and the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head, _, body = (await asyncio.wait_for(reader.read(4096), 5)).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body.decode("latin-1")


def request(target: str, port: int) -> bytes:
    return build_request(target, host=f"127.0.0.1:{port}")


async def conversation(trace: Trace, wanted: bool | None) -> list[str]:
    """A conversation of everything that connects, with the paths that the handlers saw."""
    seen: list[str] = []

    async def handler(connection: Any) -> None:
        seen.append(connection.request.path)
        with suppress(ConnectionClosed):  # of the raw endpoints
            async for message in connection:
                await connection.send(message)

    async with Lab(seed=1, trace=trace) as lab:
        server = await lab.serve(handler, secret=wanted)
        for uri in (None, "/chat?room=1", f"ws://127.0.0.1:{server.port}/direct", server.uri):
            async with lab.connect(uri) as client:
                seen.append(client.request.path)
                await client.send("Hello")
                assert await client.recv() == "Hello"
            await lab.settled()
        raw = await lab.raw()
        assert (await raw.handshake("/raw")).status == 101
        seen.append(repr(raw) + str(raw.uri).replace(str(server.port), "PORT"))
        await raw.close()
        await lab.settled()
        odd = await lab.raw()
        for part in (b"G", b"ET ", b"/o", b"dd HTTP/1.1\r\n", request("/odd", server.port).split(b"\r\n", 1)[1]):
            await odd.send(part)
        assert (await odd.recv_head()).status == 101
        await odd.close()
        await lab.settled()
    return seen


def told(trace: Trace, folder: Path) -> dict[str, str]:
    """Everything that a trace shows and writes, without what changes from run to run."""
    trace.save(folder / "saved", reveal=True)
    trace.to_pcapng(folder / "capture.pcapng", reveal=True)
    again = Trace.load(folder / "saved")
    return {
        "text": repr(trace), "html": trace._repr_html_(), "svg": trace[0:].svg(),
        "har": json.dumps(trace.to_har(reveal=True)), "pcapng": (folder / "capture.pcapng").read_bytes().hex(),
        "saved": repr(again), "frames": repr(trace.frames), "handshake": repr(trace.handshake(1)),
        "explained": "".join(repr(trace.explain(record.number)) for record in trace.records),
        "json": json.dumps([trace.explain(record.number).to_json() for record in trace.records if record.kind in SAID]),
    }  # fmt: skip


def streams(trace: Trace) -> list[bytes]:
    sent = [trace.bytes_sent(number, end) for number in trace.connections for end in Sender]
    return [re.sub(rb"127.0.0.1:\d+", b"HOST", data) for data in sent]


def test_with_and_without_a_secret_the_same_is_recorded_and_shown(tmp_path: Path) -> None:
    async def main() -> None:
        traces = [Trace(), Trace()]
        seen = [await conversation(trace, wanted) for trace, wanted in zip(traces, (False, True), strict=True)]
        assert sorted(seen[0]) == sorted(seen[1])  # an end may be first
        streams = [
            [
                re.sub(rb"127.0.0.1:\d+", b"HOST", trace.bytes_sent(number, end))
                for number in trace.connections
                for end in Sender
            ]
            for trace in traces
        ]
        assert streams[0] == streams[1]
        assert [record.summary for record in traces[0].records] == [record.summary for record in traces[1].records]
        for trace in traces:
            for name, text in told(trace, tmp_path).items():
                assert not ANY.search(text), name
                assert b"secret-".hex() not in text, name
        assert repr(traces[0]) == repr(traces[1])

    run(main())


def test_files_say_once_that_the_secret_is_left_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(secret=True)
            async with lab.connect():
                pass
            assert lab.trace.left_out == ()  # a lab knows its own clients' connections
            async with connect(server.uri, proxy=None):
                pass
            lab.trace.save(tmp_path / "saved")
            lab.trace.to_pcapng(tmp_path / "capture.pcapng")
            assert lab.trace.notes == ()
            assert Trace.load(tmp_path / "saved").notes == (secret.LEFT_OUT,)
            assert (tmp_path / "capture.pcapng").read_bytes().count(secret.LEFT_OUT.encode()) == 1
            assert json.dumps(lab.trace.to_har()).count(secret.LEFT_OUT) == 1

    run(main())


def test_another_program_gets_in_by_the_uri_and_by_nothing_else() -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(secret=True)
            path = urlsplit(server.uri).path
            assert secret.SECRET.fullmatch(path[:-1])
            async with connect(server.uri, proxy=None) as client:
                await client.send("Hello")
                assert await client.recv() == "Hello"
            async with connect(server.uri + "chat?room=1", proxy=None):
                pass
            inside = [path, path[:-1], path + "chat", path[:-1] + "?room=1", f"http://127.0.0.1:{server.port}{path}"]
            for target in inside:
                assert (await status(server.port, request(target, server.port)))[0] == 101, target
            other = secret.new() + "/"
            nearly = path[:-2] + ("0" if path[-2] != "0" else "1") + "/"
            short = path[:-2] + "/"
            wrong = ["/", "/chat", "/secret", "/secret-/", short, nearly, other, path.upper(), "/x" + path, f"/?{path}"]
            for target in wrong:
                code, said = await status(server.port, request(target, server.port))
                assert code == 403, target
                assert "server.uri" in said
                assert path not in said
            assert len(lab.trace.connections) == 2 + len(inside) + len(wrong)
            referer = build_request("/favicon.ico", {"Referer": f"http://127.0.0.1{path}"}, host="127.0.0.1")
            assert (await status(server.port, referer))[0] == 403
            requests = [lab.trace.bytes_sent(number, Sender.CLIENT) for number in lab.trace.connections]
            assert not [data for data in requests if path[:20].encode() in data]
            assert requests[-1] == referer.replace(path[8:-1].encode(), b"*" * 32)  # as long as it was

    run(main())


def spellings(path: str) -> dict[str, str]:
    """How somebody may write a secret where it is not taken from, by request target or header line."""
    digits = path.removeprefix("/secret-").rstrip("/")
    escaped = "".join(f"%{ord(digit):02x}" for digit in digits)
    return {
        "in capitals": path.upper(),
        "digits in capitals": f"/secret-{digits.upper()}/",
        "an escaped s": f"/%73ecret-{digits}",
        "escaped digits": f"/secret-{escaped}/",
        "escaped digits in capitals": f"/secret-{escaped.upper()}/",
        "an escaped slash": f"/%2Fsecret-{digits}",
        "a query": f"/?room={digits}",
        "an address in a query": f"/?to=ws%3A%2F%2F127.0.0.1%3A1%2Fsecret-{digits}%2F",
        "a fragment": f"/#secret-{digits}",
        "dot segments": f"/x/../secret-{digits}/",
        "two slashes": f"//secret-{digits}/",
        "a NUL": f"/\0secret-{digits}",
        "a beginning": f"/{path[:20]}",
        "an escaped beginning": f"/%2fsecret-{digits[:20]}",
    }


def test_a_secret_in_a_wrong_place_is_recorded_as_asterisks_however_it_is_written() -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(secret=True)
            path = urlsplit(server.uri).path
            digits = path.removeprefix("/secret-").rstrip("/")
            plain = request("/", server.port)
            headers = {"Authorization": f"Bearer {digits}", "Cookie": f"a=secret-{digits}", "X": digits.upper()}
            sent = [request(target, server.port) for target in spellings(path).values()]
            sent += [build_request("/", {name: value}, host="127.0.0.1") for name, value in headers.items()]
            sent += [
                b"\r\n" + request(path, server.port),
                plain + request(path, server.port),
                plain.replace(b"\r\n\r\n", b"\r\nContent-Length: 39\r\n\r\n") + path[:-1].encode(),
                request(path, server.port).rstrip(),
                f"GET {path[:30]}".encode(),
                b"GET " + path.encode() + b"?" + b"a" * 9000,
                b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + path.encode(),
                digits.encode(),
                b"\x16\x03\x01" + digits.encode(),
            ]
            for number, data in enumerate(sent):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(data)
                writer.write_eof()
                with suppress(ConnectionError):
                    await asyncio.wait_for(reader.read(), 5)
                writer.close()
                await until(lambda number=number: Sender.SERVER in lab.trace.closings(number))
                noted = lab.trace.bytes_sent(number, Sender.CLIENT).lower()
                assert noted, data
                for shown in (noted, re.sub(rb"%([0-9a-f]{2})", lambda one: bytes.fromhex(one[1].decode()), noted)):
                    assert digits[:16].encode() not in shown, data
                    assert digits[16:].encode() not in shown, data

    run(main())


def test_a_redirection_and_a_page_that_hold_it_are_recorded_as_asterisks() -> None:
    async def main() -> None:
        async with Lab() as lab, Lab() as elsewhere:
            there = await elsewhere.serve(secret=True)

            def redirect(connection: Any, request: Any) -> Any:
                goals = {"/": f"{lab.server.uri}moved", "/away": f"{there.uri}chat?x=1"}
                if (uri := goals.get(request.path)) is None or "Upgrade" not in request.headers:
                    return None
                response = connection.respond(302, "")
                response.headers["Location"] = uri
                return response

            server = await lab.serve(process_request=redirect, secret=True)
            for path, seen in (("/", "/moved"), ("/away", "/chat?x=1")):
                async with lab.connect(path) as client:
                    assert client.request.path == seen
                    await client.send("Hello")
                    assert await client.recv() == "Hello"
            server.page(f"<script>new WebSocket('{server.uri}')</script>")
            plain = request(urlsplit(server.uri).path, server.port).replace(b"Upgrade", b"X")
            code, page = await status(server.port, plain)
            assert (code, server.uri in page) == (200, True)
            for trace in (lab.trace, elsewhere.trace):
                for number in trace.connections:
                    for end in Sender:
                        assert not re.search(b"secret-[0-9a-f]", trace.bytes_sent(number, end)), (number, end)
            async with Lab() as other:
                async with other.connect(server.uri + "away") as client:
                    assert client.request.path == "/chat?x=1"
                for number in other.trace.connections:
                    assert not re.search(b"secret-[0-9a-f]", other.trace.bytes_sent(number, Sender.SERVER))

    run(main())


def test_no_error_tells_it() -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(secret=True)
            for uri in (server.uri.replace("ws:", "ftp:"), server.uri.replace("127.0.0.1", "wslab.example"),
                        server.uri.replace(f":{server.port}", ":99999")):  # fmt: skip
                with pytest.raises(ValueError, match="to='") as caught:
                    await lab.relay(uri)
                assert not ANY.search(str(caught.value))

            async def fails(connection: Any) -> None:
                raise RuntimeError(f"cannot reach {lab.server.uri}")

            await lab.serve(fails, secret=True)
            async with lab.connect() as client:
                with pytest.raises(ConnectionClosed):
                    await client.recv()
            await lab.settled()
            told = "".join(str(lab.trace.explain(record.number)) for record in lab.trace.records)
            assert f"cannot reach ws://127.0.0.1:{lab.server.port}/" in told
            assert not ANY.search(told)
            raw = await lab.raw()
            assert (await raw.handshake(urlsplit(lab.server.uri).path)).status == 101
            assert not ANY.search(repr(raw))

    run(main())


def test_a_refusal_is_told_in_the_trace_with_what_to_do_next() -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(secret=True)
            with pytest.raises(InvalidStatus):
                await connect(f"ws://127.0.0.1:{server.port}/", proxy=None)
            response = lab.trace.handshake(0).response
            assert response is not None
            assert "403" in repr(response)
            assert b"server.uri" in lab.trace.bytes_sent(0, Sender.SERVER)

    run(main())


def test_it_is_in_force_on_a_hub_and_nowhere_else_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Lab() as lab:
            assert urlsplit((await lab.serve()).uri).path == "/"
            monkeypatch.setenv(HUB, "/user/ann/")
            server = await lab.serve()
            assert secret.SECRET.fullmatch(urlsplit(server.uri).path[:-1])
            again = await lab.serve()
            assert urlsplit(again.uri).path != urlsplit(server.uri).path
            assert (await status(again.port, request(urlsplit(server.uri).path, again.port)))[0] == 403
            assert urlsplit((await lab.serve(secret=False)).uri).path == "/"
        async with Lab(carrier="memory") as lab:
            assert urlsplit((await lab.serve()).uri).path == "/"  # no other program can reach it
            with pytest.raises(ValueError, match="needs no secret"):
                await lab.serve(secret=True)

    run(main())


def test_over_tls_too() -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(tls=True, secret=True)
            async with lab.connect() as client:
                await client.send("Hello")
                assert await client.recv() == "Hello"
                assert client.request is not None
                assert client.request.path == "/"
            with pytest.raises(InvalidStatus):
                await connect(f"wss://localhost:{server.port}/", ssl=lab.authority.client_context(), proxy=None)
            async with connect(server.uri, ssl=lab.authority.client_context(), proxy=None) as client:
                await client.send("Hello")
                assert await client.recv() == "Hello"
            known, unknown = lab.eavesdropped(0), lab.eavesdropped()
            for eavesdropped in (known, unknown):
                inside = [row[4] for row in eavesdropped.rows if "C" in row[0] and row[4]]
                assert inside[0].startswith("GET /")
                assert inside[1].startswith('TEXT "Hello"')

    run(main())


@pytest.mark.lengthy
@pytest.mark.parametrize("bends", [[], [Delay(0.01)]])
def test_a_relay_passes_it_on_and_lets_nobody_in_by_itself(bends: list[Any]) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(secret=True)
            for to in (None, server.uri):
                relay = await lab.relay(to, bends=bends)
                assert urlsplit(relay.uri).path == urlsplit(server.uri).path
                for uri in (relay.uri, f"ws://127.0.0.1:{relay.port}/"):
                    async with lab.connect(uri) as client:
                        await client.send("Hello")
                        assert await client.recv() == "Hello"
                async with connect(relay.uri, proxy=None) as client:
                    await client.send("Hello")
                    assert await client.recv() == "Hello"
                assert (await status(relay.port, request("/", relay.port)))[0] == 403
                await relay.settled()
                data = [relay.trace.bytes_sent(number, Sender.CLIENT) for number in relay.trace.connections]
                assert len(data) == 4
                assert all(one.startswith(b"GET / HTTP/1.1\r\n") for one in data)
                assert relay.trace.left_out
                await relay.close()
            assert not ANY.search(repr(lab.trace))

    run(main())


def test_a_client_of_another_process_leaves_it_out_of_its_own_trace() -> None:
    """The same address in another process: it is known by its form, and by no list of this process."""
    code = (
        "import asyncio, sys\n"
        "from wslab.live.lab import Lab\n"
        "async def main():\n"
        "    async with Lab() as lab:\n"
        "        async with lab.connect(sys.stdin.readline().strip()) as client:\n"
        "            await client.send('Hello')\n"
        "            print(client.request.path, await client.recv(), lab.trace.left_out, lab.trace)\n"
        "asyncio.run(main())\n"
    )

    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(secret=True)
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            said, _ = await child.communicate(f"{server.uri}chat\n".encode())
            assert said.startswith(b'/chat Hello ("The secret')
            assert not ANY.search(said.decode())

    run(main())


def test_a_closed_servers_port_is_led_to_without_it() -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(secret=True)
            port = server.port
            assert secret_of("127.0.0.1", port)
            assert not secret_of("wslab.example", port)
            relay = await lab.relay()
            assert secret_of("localhost", relay.port)
        assert not secret_of("127.0.0.1", port)
        assert not secret_of("127.0.0.1", relay.port)

    run(main())


SECRET = secret.new()
METHODS = st.sampled_from(["GET", "POST", "G"])
TARGETS = st.sampled_from(
    ["/", "/chat?room=1", "*", "chat", "http://a/b", "http://a", "/secret-", "/secret-" + "0" * 7]
)
HEADS = st.builds("{} {} HTTP/1.1\r\nHost: a\r\n\r\n{}".format, METHODS, TARGETS, st.text("x /\n\r"))


@pytest.mark.lengthy
@given(HEADS.map(str.encode), st.lists(st.integers(0, 200)), st.lists(st.integers(0, 200)))
def test_what_is_given_is_taken_however_the_bytes_are_cut(data: bytes, cuts: list[int], others: list[int]) -> None:
    """Whatever a client asks for, a server with a secret reads the same, and has taken the secret."""
    wire = bytearray()
    write = secret.giving(SECRET, wire.extend)
    for part in parts(data, cuts):
        write(part)
    assert len(wire) == len(data) + len(SECRET)
    taker = secret.Taker(Trace(), SECRET)
    assert b"".join(taker.take(part) for part in parts(bytes(wire), others)) + taker.rest() == data
    assert taker.taken == SECRET


@given(st.binary(max_size=80), st.lists(st.integers(0, 200)))
def test_what_has_no_secret_stays_as_it_is(data: bytes, cuts: list[int]) -> None:
    taker = secret.Taker(Trace())
    assert b"".join(taker.take(part) for part in parts(data, cuts)) + taker.rest() == data
    assert taker.taken == ""


def parts(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(places)]


@given(st.lists(st.integers(0, 200)), st.sampled_from(["/", "", "?a", "/chat"]))
def test_a_secret_is_taken_wherever_reads_end(cuts: list[int], after: str) -> None:
    data = f"GET {SECRET}{after} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    taker = secret.Taker(Trace())
    read = b"".join(taker.take(part) for part in parts(data, cuts))
    assert read == f"GET {after if after.startswith('/') else '/' + after} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    assert taker.taken == SECRET


def test_a_line_that_is_too_long_is_not_waited_for() -> None:
    taker = secret.Taker(Trace())
    assert taker.take(b"x" * secret.LONGEST_LINE) == b""
    assert taker.take(b"y") == b"x" * secret.LONGEST_LINE + b"y"
    assert taker.take(b"z") == b"z"


def test_parted_and_hidden() -> None:
    assert secret.parted(f"ws://a:1{SECRET}/x?y#z") == ("ws://a:1/x?y#z", SECRET)
    assert secret.parted(f"ws://a:1{SECRET}") == ("ws://a:1/", SECRET)
    assert secret.parted("ws://a:1/x") == ("ws://a:1/x", "")
    assert secret.hidden(f"to ws://a:1{SECRET}/x") == "to ws://a:1/x"
