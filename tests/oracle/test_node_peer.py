"""Node as a peer, both ways round: the article's server, a client, and that neither outlives its lab."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from processes import DEADLINE, free, gone, listens, lives
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from wslab.anatomy.record import Kind
from wslab.live import Lab, NodeFailed, NodeMissing, NodeProcess, NoServer, PortTaken
from wslab.live.article import CLIENT_SCRIPT, PORT
from wslab.live.node import package
from wslab.live.node import process as node

pytestmark = pytest.mark.oracle

T = TypeVar("T")
NOWHERE = "ws://127.0.0.1:9/"
FOR_EVER = "setInterval(() => {}, 1000); console.log('waits')"
COMPUTES = """
require('http').createServer().listen(1234, () => {
  console.log('computes');
  setImmediate(() => { for (;;); });
});
"""
CLIENT = """
const ws = require('ws');
const clientSocket = new ws(process.argv[1], ['chat.v2', 'chat.v1'], { perMessageDeflate: true });
clientSocket.on('open', () => clientSocket.send('Hello server!'.repeat(20)));
clientSocket.on('message', (data) => console.log(`Server: ${data}`));
clientSocket.on('close', (code, reason) => console.log(`closed ${code} ${reason}`));
clientSocket.on('error', (error) => console.log(`error ${error.message}`));
"""


@pytest.fixture(autouse=True)
def node_and_ws() -> None:
    try:
        package.program()
    except NodeMissing as missing:
        pytest.skip(str(missing))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    async def main() -> T:
        async with asyncio.timeout(DEADLINE):
            return await coroutine

    return asyncio.run(main())


async def greet(connection: ServerConnection) -> None:
    await connection.send("Hello client!")
    await connection.recv()
    await connection.close(4002, "the lesson is over")


def arguments(pid: int | None) -> str:
    """What every user of this machine can see of a program's arguments; nothing where the system does not tell."""
    place = Path(f"/proc/{pid}/cmdline")
    return place.read_text() if place.exists() else ""


class TestServer:
    def test_the_articles_server_and_a_client_in_the_kernel(self) -> None:
        async def main() -> tuple[NodeProcess, str, int]:
            async with Lab(seed=1) as lab:
                server = await lab.node()
                assert server.uri is not None
                assert server.pid is not None
                async with lab.connect(server.uri) as client:
                    assert await client.recv() == "Hello client!"
                    await client.send("Hello server!")
                    assert await server.wait_for("Client: ") == "Client: Hello server!"
                shown = repr(server)
                assert [record.kind for record in lab.trace.records][:2] == [Kind.REQUEST, Kind.RESPONSE]
            return server, shown, server.pid

        server, shown, pid = run(main())
        assert shown == "the article's server in Node runs; 1 line of output\n│ Client: Hello server!"
        assert ">the article&#x27;s server in Node was closed; 1 line of output</p>" in server._repr_html_()
        assert not lives(pid)

    def test_its_port_is_the_one_that_was_asked_for_on_this_machine_alone(self) -> None:
        async def main() -> None:
            with socket.socket() as one:
                one.bind(("127.0.0.1", 0))
                wanted = one.getsockname()[1]
            async with Lab() as lab, await lab.node(port=wanted) as server:
                assert server.port == wanted
                assert bound(wanted) == ["0100007F"]
                # The script of a cell that runs again takes the port from the one before.
                again = await lab.node(port=wanted)
                assert again.port == wanted
                assert not server.running
            assert free(wanted)

        run(main())

    def test_a_port_that_another_program_has(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as taken:
                async with Lab() as lab:
                    with pytest.raises(PortTaken, match=f"port {taken.getsockname()[1]} is taken"):
                        await lab.node(port=taken.getsockname()[1])

        run(main())

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ("const x = ;", "ended with exit status 1 before it had listened: [eval]:1\nconst x = ;"),
            ("\nnothing();", "ReferenceError: nothing is not defined\n    at [eval]:2:1"),
            ("require('http').createServer().listen(80, '0.0.0.0');", "a script of a lab listens on 127.0.0.1 only"),
            ("console.log('nothing to do')", "ended before it had listened: nothing to do"),
        ],
    )
    def test_what_goes_wrong_is_told_in_words(self, script: str, said: str) -> None:
        async def main() -> None:
            async with Lab() as lab:
                with pytest.raises(NodeFailed) as failed:
                    await lab.node(script)
                assert said in str(failed.value)
                assert "node:internal" not in str(failed.value)
                assert "leash" not in str(failed.value)

        run(main())


def bound(port: int) -> list[str]:
    """The addresses at which somebody listens on a port, as the kernel tells them."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port]


class TestClient:
    def test_the_articles_client_in_node(self) -> None:
        """The article's page's script, unedited, at a server in the kernel and at one in Node."""

        async def main() -> None:
            async with Lab() as lab:
                await lab.serve(greet)
                client = await lab.node(CLIENT_SCRIPT, kind="client")
                await client.wait_for("Server: Hello client!")
                assert await client.wait_closed() == 0
                head = lab.trace.handshake(0).request
                assert head is not None
                assert f"Host: localhost:{PORT}".encode() not in head.data
                server = await lab.node()
                other = await lab.node(CLIENT_SCRIPT, to=server)
                await other.wait_for("Server: Hello client!")
                await server.wait_for("Client: Hello server!")

        run(main())

    @pytest.mark.parametrize("tls", [False, True])
    def test_what_is_agreed_and_how_it_ends(self, tls: bool) -> None:
        async def main() -> None:
            async with Lab() as lab:
                server = await lab.serve(greet, tls=tls, subprotocols=["chat.v1"], compression="deflate")
                client = await lab.node(CLIENT, to=server)
                await client.wait_for("closed")
                assert client.lines == ["Server: Hello client!", "closed 4002 the lesson is over"]
                response = lab.trace.handshake(0).response
                assert response is not None
                assert response["Sec-WebSocket-Protocol"].value == "chat.v1"
                assert b"permessage-deflate" in response.data

        run(main())

    def test_a_refused_handshake(self) -> None:
        async def main() -> None:
            async with Lab() as lab:
                await lab.serve(process_request=lambda connection, request: connection.respond(403, "no\n"))
                client = await lab.node(CLIENT, kind="client")
                await client.wait_for("error Unexpected server response: 403")

        run(main())

    def test_a_secret_is_no_argument_that_others_see_and_no_output(self, tmp_path: Path) -> None:
        script = tmp_path / "client.js"
        script.write_text(CLIENT.replace("argv[1]", "argv[2]") + "console.log('to ' + process.argv.slice(2).join(' '))")

        async def main() -> None:
            async with Lab() as lab:
                first = lambda connection, offered: offered[0] if offered else None  # noqa: E731
                server = await lab.serve(greet, secret=True, select_subprotocol=first)
                for each in (CLIENT + "console.log('to ' + process.argv.slice(1).join(' '))", script):
                    client = await lab.node(each, kind="client", arguments=["more"])
                    assert "secret-" not in arguments(client.pid)
                    assert await client.wait_for("to ") == f"to ws://127.0.0.1:{server.port}/ more"
                    await client.wait_for("Server: Hello client!")
                    await client.wait_for("closed 4002 the lesson is over")
                page = await lab.node(CLIENT_SCRIPT, kind="client")
                await page.wait_for("Server: Hello client!")

        run(main())

    def test_a_script_in_a_file(self, tmp_path: Path) -> None:
        script = tmp_path / "client.js"
        script.write_text("console.log(process.argv.slice(2).join(' ')); nothing()")

        async def main() -> None:
            async with Lab() as lab:
                client = await lab.node(script, to=NOWHERE, arguments=["more"])
                await client.wait_for("ws://127.0.0.1:9/ more")
                assert await client.wait_closed() == 1
                assert client.state == "ended with exit status 1"
                assert "ReferenceError: nothing is not defined" in client.lines
                with pytest.raises(NodeFailed, match=r"ended with exit status 1 before it had printed"):
                    await client.wait_for("never")

        run(main())


def test_output_is_bounded_and_harmless() -> None:
    script = """
    process.stdout.write('half a line');
    console.log('\\x1b[31mred\\u202e <b>');
    process.stdout.write(Buffer.from([0xff, 0x0a]));
    for (let i = 0; i < 5000; i++) console.log(i);
    console.error('x'.repeat(100000));
    console.log('done');
    """

    async def main() -> NodeProcess:
        async with Lab() as lab:
            process = await lab.node(script, to=NOWHERE)
            await process.wait_for("done")
            await process.wait_closed()
            return process

    process = run(main())
    assert len(process.lines) == node.LINES
    assert max(map(len, process.lines)) <= node.LONGEST + 1
    assert "5,004 lines of output" in repr(process)
    assert len(repr(process).splitlines()) == node.SHOWN + 1

    async def short() -> NodeProcess:
        async with Lab() as lab:
            process = await lab.node(script.replace("5000", "0").replace("100000", "1"), to=NOWHERE)
            await process.wait_closed()
            return process

    process = run(short())
    assert sorted(process.lines) == ["\\xff", "done", "half a line\\x1b[31mred\\u202e <b>", "x"]
    assert "! x" in repr(process)
    assert "<b>" not in process._repr_html_()


def test_mistakes_are_named() -> None:
    async def main() -> None:
        async with Lab() as lab:
            with pytest.raises(NoServer, match="no server yet"):
                await lab.node(CLIENT, kind="client")
            with pytest.raises(ValueError, match="there is 'server' and 'client'"):
                await lab.node(kind="peer")
            with pytest.raises(ValueError, match="put it into a file"):
                await lab.node(" " * 200_000)
            silent = await lab.node(FOR_EVER, to=NOWHERE)
            with pytest.raises(NoServer, match="it listens on no port"):
                await lab.node(CLIENT, to=silent)
            with pytest.raises(TimeoutError, match=r"after 0\.1 s the script in Node has not printed 'never'"):
                await silent.wait_for("never", timeout=0.1)
        async with Lab(carrier="memory") as lab:
            with pytest.raises(ValueError, match="carrier='tcp'"):
                await lab.node()

    run(main())


def test_what_is_missing_is_named_with_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(package, "home", lambda: tmp_path)
    with pytest.raises(NodeMissing, match=re.escape("Run `wslab node` in a terminal, or `!wslab node` in a cell")):
        package.program()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeMissing, match=r"node is not on PATH\. Install Node 18 or newer"):
        package.program()
    with pytest.raises(NodeMissing, match="npm is not on PATH"):
        package.install()


@pytest.mark.slow
def test_the_pinned_ws_is_installed_for_one_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By npm, from package-lock.json; nothing of it lands where Python's packages are."""
    monkeypatch.setattr(package, "home", lambda: tmp_path / "node")
    assert not package.installed()
    assert package.install() == tmp_path / "node"
    assert package.installed()
    assert json.loads((tmp_path / "node/node_modules/ws/package.json").read_text())["version"] == package.pinned()


def test_it_is_not_installed_into_pythons_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(package, "SOURCE", tmp_path / "site-packages/wslab/live/node")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    assert package.home() == tmp_path / "data" / "wslab" / "node"


class TestLife:
    """No child outlives its lab, however the lab ends."""

    @pytest.mark.parametrize("script", [node.SERVER_SCRIPT, COMPUTES])
    def test_a_lab_that_closes(self, script: str) -> None:
        async def main() -> tuple[int, int]:
            lab = Lab()
            child = await lab.node(script)
            assert child.pid is not None
            assert child.port is not None
            begun = time.monotonic()
            await lab.close()
            assert time.monotonic() - begun < 2
            assert not lives(child.pid)
            return child.pid, child.port

        _, port = run(main())
        assert free(port)

    def test_what_the_script_started_ends_too(self) -> None:
        script = "console.log(require('child_process').spawn('sleep', ['1000'], { stdio: 'inherit' }).pid);"

        async def main() -> None:
            async with Lab() as lab:
                child = await lab.node(script + FOR_EVER, to=NOWHERE)
                await child.wait_for("waits")
                grandchild = int(child.lines[0])
                assert lives(grandchild)
                await child.close()
                assert child.state == "was closed"
                assert gone(grandchild)

        run(main())

    def test_a_peer_sees_no_goodbye(self) -> None:
        async def main() -> int:
            async with Lab() as lab:
                server = await lab.node()
                assert server.uri is not None
                async with connect(server.uri, proxy=None) as client:
                    await client.recv()
                    await server.close()
                    with pytest.raises(ConnectionClosed):
                        await client.recv()
                    return client.close_code or 0

        assert run(main()) == 1006

    @pytest.mark.parametrize(
        ("end", "script"), [("crash", "SERVER_SCRIPT"), ("crash", "COMPUTES"), ("exit", "SERVER_SCRIPT")]
    )
    def test_a_kernel_that_dies(self, end: str, script: str) -> None:
        with self.kernel(script) as (kernel, child, port):
            assert lives(child)
            assert listens(port)
            if end == "crash":
                kernel.send_signal(signal.SIGKILL)
            else:
                kernel.communicate("go\n", timeout=DEADLINE)
            assert gone(child)
            assert free(port)

    @contextlib.contextmanager
    def kernel(self, script: str) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
        """A process with a lab and a script in Node; it ends without closing the lab when it is told so."""
        program = f"""
import asyncio, sys
from wslab.live import Lab
from wslab.live.article import SERVER_SCRIPT
COMPUTES = {COMPUTES!r}
async def main():
    global lab
    lab = Lab()
    child = await lab.node({script})
    print(child.pid, child.port, flush=True)
    sys.stdin.readline()
asyncio.run(main())
"""
        command = [sys.executable, "-c", program]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as kernel:
            try:
                assert kernel.stdout is not None
                pid, port = map(int, kernel.stdout.readline().split())
                yield kernel, pid, port
            finally:
                kernel.kill()


def test_watchers_are_told() -> None:
    async def main() -> None:
        told: list[Callable[[], None]] = []
        async with Lab() as lab:
            child = await lab.node(FOR_EVER, to=NOWHERE)
            stop = child.watch(lambda: told.append(stop))
            await child.wait_for("waits")
            before = len(told)
            await child.close()
            assert len(told) > before
            stop()
            stop()

    run(main())
