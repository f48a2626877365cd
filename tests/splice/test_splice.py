"""A real Jupyter server with a base_url and a token, and what crosses it between a client and a lab: everything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from credential_table import HEADERS, PARTS, SECRET
from jupyter_process import ALONE, JupyterServer, jupyter_process
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import PerMessageDeflate

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.live.jupyter import doors
from wslab.live.lab import Lab

pytestmark = pytest.mark.slow  # a Jupyter server takes two seconds to start

MIB = 1 << 20
DEADLINE = 20.0
LINGER_NOT = struct.pack("ii", 1, 0)
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(DEADLINE):
            await coroutine

    asyncio.run(main())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the Jupyter servers here, whose runtime directory is this process's, too."""
    folder = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        yield folder


@pytest.fixture(scope="module")
def jupyter(home: Path) -> Iterator[JupyterServer]:
    with jupyter_process("jupyter_server", home, ALONE, "--ServerApp.base_url=/x/") as server:
        yield server


@pytest.fixture(scope="module")
def cookie(jupyter: JupyterServer) -> str:
    """The login cookie that a browser has after it opened the server's address with the token."""

    async def log_in() -> str:
        head, _ = (await exchange(jupyter, "GET", f"/x/?token={jupyter.token}")).split(b"\r\n\r\n", 1)
        cookies = [line[12:].split(b";")[0] for line in head.split(b"\r\n") if line.startswith(b"Set-Cookie: ")]
        return b"; ".join(cookies).decode()

    cookie = asyncio.run(log_in())
    assert "username-127-0-0-1" in cookie
    return cookie


def address(jupyter: JupyterServer, door: doors.Door, target: str = "") -> str:
    return f"ws{jupyter.url[4:]}{door.path}{target}"


def origin(jupyter: JupyterServer) -> str:
    return jupyter.url.removesuffix("/x/")


def token(jupyter: JupyterServer) -> dict[str, str]:
    return {"Authorization": f"token {jupyter.token}"}


def opened(jupyter: JupyterServer, door: doors.Door, target: str = "", **kwargs: Any) -> connect:
    return connect(
        address(jupyter, door, target),
        **{"additional_headers": token(jupyter), "proxy": None, "max_size": None, **kwargs},
    )


def request(jupyter: JupyterServer, method: str, target: str, headers: dict[str, str] | None = None) -> bytes:
    lines = {"Host": urlsplit(jupyter.url).netloc, **(headers or {})}
    return "\r\n".join([f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in lines.items()), "", ""]).encode()


def upgrade(jupyter: JupyterServer, door: doors.Door, target: str = "", **headers: str) -> bytes:
    usual = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(jupyter, "GET", f"/x/{door.path}{target}", {**usual, **token(jupyter), **more})


async def dial(jupyter: JupyterServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(jupyter.url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def exchange(
    jupyter: JupyterServer, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """All that is answered to one request, until the server closes."""
    reader, writer = await dial(jupyter)
    writer.write(request(jupyter, method, target, {"Connection": "close", **(headers or {})}) + body)
    answer = await reader.read()
    writer.close()
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


class Listener:
    """A port with a door and nobody behind it but a test."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.put_nowait((reader, writer))

    async def accept(self) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """The head that the next connection sent, and the connection."""
        reader, writer = await self.accepted.get()
        return await reader.readuntil(b"\r\n\r\n"), reader, writer


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[Listener, doors.Door]]:
    listener = Listener()
    server = await asyncio.start_server(listener.met, "127.0.0.1", 0, limit=64 * MIB)
    door = doors.open(server.sockets[0].getsockname()[1])
    try:
        yield listener, door
    finally:
        door.close()
        server.close()


async def closing(connection: ServerConnection) -> None:
    """Echo, and close with 4002 when asked to."""
    async for message in connection:
        if message == "close":
            await connection.close(4002, "the server says goodbye")
        else:
            await connection.send(message)


async def seen(lab: Lab, kind: Kind, sender: Sender) -> str:
    """Wait for a record of that kind and sender; its summary."""
    moved = asyncio.Event()
    loop = asyncio.get_running_loop()
    unsubscribe = lab.trace.subscribe(lambda: loop.call_soon_threadsafe(moved.set))
    try:
        while True:
            for record in lab.trace.records:
                if record.kind is kind and record.sender is sender:
                    return record.summary
            await moved.wait()
            moved.clear()
    finally:
        unsubscribe()


def test_close_codes_and_reasons_arrive_as_they_were_sent(jupyter: JupyterServer) -> None:
    told = []

    async def main() -> None:
        async def handler(connection: ServerConnection) -> None:
            try:
                await closing(connection)
            finally:
                told.append((connection.close_code, connection.close_reason))

        async with Lab() as lab:
            door = (await lab.serve(handler)).door()
            async with opened(jupyter, door) as client:
                await client.close(4001, "the client says goodbye")
            async with opened(jupyter, door) as client:
                await client.send("close")
                with pytest.raises(ConnectionClosed):
                    await client.recv()
                assert (client.close_code, client.close_reason) == (4002, "the server says goodbye")
        assert told[0] == (4001, "the client says goodbye")

    run(main())


def test_subprotocol_and_compression_are_agreed_end_to_end(jupyter: JupyterServer) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(subprotocols=["second"], compression="deflate")
            async with opened(jupyter, server.door(), subprotocols=["first", "second"]) as client:
                assert client.subprotocol == "second"
                assert [type(each) for each in client.protocol.extensions] == [PerMessageDeflate]
                await client.send("x" * 1000)
                assert await client.recv() == "x" * 1000
            await seen(lab, Kind.FIN, Sender.CLIENT)
            frames = [record for record in lab.trace.records if record.kind is Kind.FRAME]
            assert frames[0].first & 0b0100_0000
            assert frames[0].payload_length < 100

    run(main())


def test_messages_of_a_mebibyte_cross_both_ways(jupyter: JupyterServer) -> None:
    message = random.Random(4).randbytes(MIB)

    async def main() -> None:
        async with Lab() as lab, opened(jupyter, (await lab.serve(max_size=None)).door()) as client:
            for _ in range(4):
                await client.send(message)
            assert [await client.recv() == message for _ in range(4)] == [True] * 4

    run(main())


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Origin": "http://evil.example"}, 403),  # with a token Jupyter asks for no origin; the lab does
        ({"Sec_WebSocket_Version": "12"}, 400),
        ({"Upgrade": "h2c"}, 426),
        ({"Sec_WebSocket_Key": "short"}, 400),
    ],
)
def test_a_refusal_arrives_byte_for_byte(jupyter: JupyterServer, headers: dict[str, str], expected: int) -> None:
    async def main() -> None:
        async with Lab() as lab:
            door = (await lab.serve()).door()
            reader, writer = await dial(jupyter)
            writer.write(upgrade(jupyter, door, **headers))
            answer = await reader.read()
            writer.close()
            assert status(answer) == expected
            assert answer == lab.trace.bytes_sent(0, Sender.SERVER)

    run(main())


def test_without_jupyters_authentication_nothing_is_reached(jupyter: JupyterServer) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            for given in ({}, {"Authorization": "token wrong"}, {"Cookie": "username-127-0-0-1=forged"}):
                for target in ("", "chat", "?token=wrong"):
                    with pytest.raises(InvalidStatus) as caught:
                        await opened(jupyter, server.door(), target, additional_headers=given)
                    assert caught.value.response.status_code == 403
            assert status(await exchange(jupyter, "GET", f"/x/{server.door().path}")) == 403
            assert status(await exchange(jupyter, "GET", "/x/wslab/")) == 403
            assert status(await exchange(jupyter, "GET", f"/x/wslab/{'0' * 32}/")) == 403
            assert len(lab.trace.records) == 0

    run(main())


def test_a_page_of_another_origin_does_not_pass_with_the_users_cookie(jupyter: JupyterServer, cookie: str) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(origins=None)
            with pytest.raises(InvalidStatus) as caught:
                await opened(
                    jupyter, server.door(), additional_headers={"Cookie": cookie}, origin="http://evil.example"
                )
            assert caught.value.response.status_code == 403
            assert len(lab.trace.records) == 0

    run(main())


def test_jupyters_own_page_passes_once_the_lab_admits_it(jupyter: JupyterServer, cookie: str) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            page = {"additional_headers": {"Cookie": cookie}, "origin": origin(jupyter)}
            with pytest.raises(InvalidStatus) as caught:
                await opened(jupyter, server.door(), **page)
            assert caught.value.response.headers["Server"] == "wslab"
            server.admit(origin(jupyter))
            async with opened(jupyter, server.door(), **page) as client:
                await client.send("Hello server!")
                assert await client.recv() == "Hello server!"
            assert f"Origin: {origin(jupyter)}\r\n".encode() in lab.trace.bytes_sent(1, Sender.CLIENT)

    run(main())


def test_the_lab_reads_the_browsers_request_without_jupyters_credentials(jupyter: JupyterServer, cookie: str) -> None:
    async def main() -> None:
        async with listening() as (listener, door):
            reader, writer = await dial(jupyter)
            target = f"a%20b//c/?room=%31&token={jupyter.token}&%5fxsrf=2&empty="
            names = [name for names in HEADERS.values() for name in names if name != "Authorization"]
            logins = "; ".join(value.split("; ")[1] for name, value, _ in PARTS if name == "Cookie")
            secret = {name.replace("-", "_"): SECRET for name in names if "_" not in name}
            secret |= {name.replace("-", "_"): value for name, value, _ in PARTS if name != "Cookie"}
            secret["Referer"] = f"http://127.0.0.1/lab?room=1&token={jupyter.token}"
            cookies = f"{cookie}; {logins}; colour=red"
            writer.write(upgrade(jupyter, door, target, Cookie=cookies, User_Agent="Test", **secret))
            head, _, peer = await listener.accept()
            lines = head.decode().split("\r\n")
            assert lines[0] == "GET /a%20b//c/?room=%31&empty= HTTP/1.1"
            assert SECRET not in head.decode()
            assert jupyter.token not in head.decode()
            left = {f"{name}: {value}".lower() for name, _, value in PARTS if name not in ("Cookie", "Referer")}
            assert {line for line in lines[1:-2] if line.lower() not in left} == {
                f"Host: 127.0.0.1:{door.port}",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                f"Sec-WebSocket-Key: {KEY}",
                "Cookie: colour=red",
                "User-Agent: Test",
                "Referer: http://127.0.0.1/lab?room=1",
            }
            peer.close()
            assert await reader.read() == b""
            writer.close()

    run(main())


def test_every_byte_after_the_head_crosses_both_ways(jupyter: JupyterServer) -> None:
    """Also those sent in one write with the head, and those sent after the other end's FIN."""
    draw = random.Random(6455)
    up, down, last = draw.randbytes(3 * MIB), draw.randbytes(3 * MIB), draw.randbytes(1000)

    async def main() -> None:
        async with listening() as (listener, door):
            reader, writer = await dial(jupyter)
            writer.write(upgrade(jupyter, door) + up[:1000])
            _, lab_reader, lab_writer = await listener.accept()
            assert await lab_reader.readexactly(1000) == up[:1000]
            lab_writer.write(SWITCHING + down)
            writer.write(up[1000:])
            writer.write_eof()
            assert await lab_reader.read() == up[1000:]  # to the end of the stream
            assert await reader.readexactly(len(SWITCHING + down)) == SWITCHING + down
            lab_writer.write(last)
            lab_writer.close()
            assert await reader.read() == last
            writer.close()

    run(main())


def test_the_labs_fin_leaves_the_pages_direction_open(jupyter: JupyterServer) -> None:
    async def main() -> None:
        async with listening() as (listener, door):
            reader, writer = await dial(jupyter)
            writer.write(upgrade(jupyter, door))
            _, lab_reader, lab_writer = await listener.accept()
            lab_writer.write(SWITCHING)
            lab_writer.write_eof()
            assert await reader.read() == SWITCHING
            writer.write(b"still here")
            assert await lab_reader.readexactly(10) == b"still here"
            writer.close()
            assert await lab_reader.read() == b""
            lab_writer.close()

    run(main())


def test_who_reads_slowly_slows_the_sender(jupyter: JupyterServer) -> None:
    """A stalled sender may be one that was never slowed: then it got rid of everything, which is what fails."""
    cap = 64 * MIB
    block = random.Random(1).randbytes(MIB)

    async def main() -> None:
        async with listening() as (listener, door):
            with socket.create_connection((urlsplit(jupyter.url).hostname, urlsplit(jupyter.url).port)) as sock:
                sock.sendall(upgrade(jupyter, door))
                _, lab_reader, lab_writer = await listener.accept()
                lab_writer.transport.pause_reading()  # type: ignore[attr-defined]
                sent = await asyncio.to_thread(until_stalled, sock, block, cap)
                assert sent < cap
                lab_writer.transport.resume_reading()  # type: ignore[attr-defined]
                received = await lab_reader.readexactly(sent)
                assert received == (block * (sent // MIB + 1))[:sent]
                lab_writer.close()

    run(main())


def until_stalled(sock: socket.socket, block: bytes, cap: int) -> int:
    """Send ``block`` over and over until nothing goes any more for half a second; how many bytes went."""
    sock.settimeout(0.5)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < cap:
            sent += sock.send(block[sent % len(block) :])
    return sent


def test_a_clients_reset_reaches_the_lab_as_a_reset(jupyter: JupyterServer) -> None:
    async def main() -> None:
        async with Lab() as lab:
            door = (await lab.serve()).door()
            reader, writer = await dial(jupyter)
            writer.write(upgrade(jupyter, door))
            assert status(await reader.readuntil(b"\r\n\r\n")) == 101
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            writer.transport.abort()
            await seen(lab, Kind.RESET, Sender.CLIENT)

    run(main())


def test_a_labs_reset_reaches_the_client_as_a_reset(jupyter: JupyterServer) -> None:
    async def main() -> None:
        async with listening() as (listener, door):
            reader, writer = await dial(jupyter)
            writer.write(upgrade(jupyter, door))
            _, _, lab_writer = await listener.accept()
            lab_writer.write(SWITCHING)
            assert await reader.readexactly(len(SWITCHING)) == SWITCHING
            lab_writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            lab_writer.transport.abort()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    run(main())


def test_what_follows_a_refusal_on_the_same_connection_stays_here(jupyter: JupyterServer) -> None:
    """A browser or a proxy sends its next request on it, with its cookies, and means Jupyter."""

    async def main() -> None:
        async with listening() as (listener, door):
            reader, writer = await dial(jupyter)
            writer.write(upgrade(jupyter, door))
            _, lab_reader, lab_writer = await listener.accept()
            refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
            lab_writer.write(refusal)
            assert await reader.readexactly(len(refusal)) == refusal
            writer.write(request(jupyter, "GET", "/x/api/kernels", token(jupyter)))
            assert await lab_reader.read() == b""
            lab_writer.close()
            assert await reader.read() == b""
            writer.close()

    run(main())


def test_unknown_keys_and_other_ways_in_are_not_found(jupyter: JupyterServer) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            key = server.door().key
            for path in (
                "0" * 32,
                key.upper(),
                key[:-1],
                f"{key}x",
                f"%{ord(key[0]):x}{key[1:]}",
                str(server.port),
                "..",
            ):
                answer = await exchange(jupyter, "GET", f"/x/wslab/{path}/", {**token(jupyter), "Upgrade": "websocket"})
                assert status(answer) == 404, path
            for target in ("chat", "../api", "%2e%2e/"):  # without an upgrade, the page at the root and nothing else
                assert status(await exchange(jupyter, "GET", f"/x/wslab/{key}/{target}", token(jupyter))) == 404, target
            await server.close()
            answer = await exchange(jupyter, "GET", f"/x/wslab/{key}/", {**token(jupyter), "Upgrade": "websocket"})
            assert status(answer) == 404
            assert len(lab.trace.records) == 0

    run(main())


def test_the_door_of_a_killed_process_is_gone(jupyter: JupyterServer) -> None:
    program = (
        "import sys; from wslab.live.jupyter.doors import open; print(open(int(sys.argv[1])).key, flush=True); input()"
    )

    async def main() -> None:
        async with listening() as (_, living):
            child = subprocess.Popen(  # noqa: ASYNC220 - nothing else is to run meanwhile
                [sys.executable, "-c", program, str(living.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            assert child.stdout is not None
            assert child.stdin is not None
            key = child.stdout.readline().decode().strip()
            assert doors.find(key) == living.port
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            child.stdout.close()
            child.stdin.close()
            answer = await exchange(jupyter, "GET", f"/x/wslab/{key}/", {**token(jupyter), "Upgrade": "websocket"})
            assert status(answer) == 404
            assert not (doors.folder() / key).exists()

    run(main())


def test_a_door_behind_which_nobody_listens_is_a_bad_gateway(jupyter: JupyterServer) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            door = doors.open(taken.getsockname()[1])
        for headers in (token(jupyter), {**token(jupyter), "Upgrade": "websocket"}):
            answer = await exchange(jupyter, "GET", f"/x/{door.path}", headers)
            assert status(answer) == 502
            assert answer.endswith(b"Nobody listens behind this door any more.\n")
        door.close()

    run(main())


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS"])
def test_only_a_get_passes(jupyter: JupyterServer, method: str) -> None:
    async def main() -> None:
        async with Lab() as lab:
            door = (await lab.serve()).door()
            answer = await exchange(jupyter, method, f"/x/{door.path}", {**token(jupyter), "Upgrade": "websocket"})
            assert status(answer) >= 400
            assert len(lab.trace.records) == 0

    run(main())


def test_a_request_with_a_body_does_not_pass(jupyter: JupyterServer) -> None:
    async def main() -> None:
        async with Lab() as lab:
            door = (await lab.serve()).door()
            headers = {**token(jupyter), "Upgrade": "websocket", "Content-Length": "4"}
            answer = await exchange(jupyter, "GET", f"/x/{door.path}", headers, b"body")
            assert status(answer) == 400
            assert len(lab.trace.records) == 0

    run(main())


def test_a_page_can_ask_whether_the_splice_is_there(jupyter: JupyterServer) -> None:
    async def main() -> None:
        head, body = (await exchange(jupyter, "GET", "/x/wslab/", token(jupyter))).split(b"\r\n\r\n", 1)
        assert status(head) == 200
        assert json.loads(body) == {"splice": 1}

    run(main())


def test_a_jupyter_server_with_tls_splices_too(home: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(home / "server.pem"))
    message = random.Random(5).randbytes(3 * MIB)

    async def main(jupyter: JupyterServer) -> None:
        async with Lab() as lab:
            context = ssl.create_default_context()
            authority.configure_trust(context)
            door = (await lab.serve(closing, subprotocols=["chat"], max_size=None)).door()
            async with opened(jupyter, door, ssl=context, subprotocols=["chat"]) as client:
                assert client.subprotocol == "chat"
                await client.send(message)
                assert await client.recv() == message
                await client.send("close")
                with pytest.raises(ConnectionClosed):
                    await client.recv()
                assert (client.close_code, client.close_reason) == (4002, "the server says goodbye")
            await seen(lab, Kind.FIN, Sender.CLIENT)

    pem = home / "server.pem"
    options = [ALONE, "--ServerApp.base_url=/x/", f"--ServerApp.certfile={pem}", f"--ServerApp.keyfile={pem}"]
    with jupyter_process("jupyter_server", home, *options) as server:
        run(main(server))


def test_a_public_door_is_for_whoever_knows_it_and_for_no_page_of_another_origin(jupyter: JupyterServer) -> None:
    """What a show of hands opens on a hub, where a class has no login at its teacher's server."""

    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(origins=[None, origin(jupyter)])
            server.page()
            door = server.door(public=True)
            assert doors.find(door.key, public=True) == server.port
            async with connect(address(jupyter, door), proxy=None, origin=origin(jupyter)) as client:
                await client.send("no login")
                assert await client.recv() == "no login"
            with pytest.raises(InvalidStatus) as refused:
                await connect(address(jupyter, door), proxy=None, origin="http://evil.example")
            assert refused.value.response.status_code == 403
            assert status(await exchange(jupyter, "GET", f"/x/{door.path}")) == 200
            assert status(await exchange(jupyter, "GET", f"/x/{door.path}api/kernels")) == 404
            # Another lab's door stays a private one.
            async with Lab() as other:
                private = (await other.serve()).door()
                assert doors.find(private.key, public=True) is None
                with pytest.raises(InvalidStatus) as refused:
                    await connect(address(jupyter, private), proxy=None)
                assert refused.value.response.status_code == 403
                assert status(await exchange(jupyter, "GET", f"/x/{private.path}")) == 403

    run(main())


def test_behind_a_door_the_splice_adds_the_secret_and_nobody_sees_it(jupyter: JupyterServer) -> None:
    async def main() -> None:
        async with Lab() as lab:
            seen = []

            async def handler(connection: ServerConnection) -> None:
                assert connection.request is not None
                seen.append(connection.request.path)
                await closing(connection)

            server = await lab.serve(handler, secret=True)
            page, door = server.page(), server.door()
            secret = urlsplit(server.uri).path
            for target in ("", "chat?room=1"):
                async with opened(jupyter, door, target) as client:
                    await client.send("Hello server!")
                    assert await client.recv() == "Hello server!"
            assert seen == ["/", "/chat?room=1"]
            answer = await exchange(jupyter, "GET", f"/x/{door.path}", token(jupyter))
            assert status(answer) == 200
            assert b"new WebSocket('./')" in answer
            assert secret.encode() not in answer
            assert secret in page.uri
            sent = [lab.trace.bytes_sent(number, end) for number in lab.trace.connections for end in Sender]
            assert [data for data in sent if b"secret-" in data] == []

    run(main())
