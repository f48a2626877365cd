"""What ``docs/article.md`` says of the article's programs and no lesson shows, asked of Node."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from processes import DEADLINE
from websockets.asyncio.server import ServerConnection

from wslab.live import Lab, NodeMissing
from wslab.live.article import CLIENT_SCRIPT, SERVER_SCRIPT
from wslab.live.node import package

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


@pytest.fixture
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


@pytest.mark.oracle
@pytest.mark.usefixtures("node_and_ws")
class TestNode:
    def test_the_articles_server_never_answers_a_plain_request(self) -> None:
        """It has no handler for requests; that it is alive, the next client hears."""

        async def main() -> bytes:
            async with Lab() as lab:
                node = await lab.node()
                plain = await lab.raw(node.uri)
                await plain.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                async with lab.connect(node.uri) as client:
                    assert await client.recv() == "Hello client!"
                return bytes(plain.received)

        assert run(main()) == b""

    def test_listen_without_a_host_is_open_to_the_network(self, node_path: str) -> None:
        assert "server.listen(1234);" in SERVER_SCRIPT
        script = """
            const server = require('http').createServer();
            server.listen(0, () => { console.log(server.address().address); server.close(); });
        """
        said = subprocess.run([node_path, "-e", script], capture_output=True, text=True, check=True).stdout.strip()
        assert said in ("::", "0.0.0.0")

    def test_what_the_articles_server_is_given_is_bytes(self) -> None:
        script = SERVER_SCRIPT.replace("console.log(`Client: ${data}`);", "console.log(data.constructor.name);")

        async def main() -> str:
            async with Lab() as lab:
                node = await lab.node(script)
                async with lab.connect(node.uri) as client:
                    await client.send("Hello server!")
                    return await node.wait_for("Buffer")

        assert run(main()) == "Buffer"

    def test_onmessage_is_called_once_for_a_message_of_three_frames(self) -> None:
        async def pieces(connection: ServerConnection) -> None:
            await connection.send(["Hel", "lo cli", "ent!"])
            await connection.close()

        async def main() -> list[str]:
            async with Lab() as lab:
                await lab.serve(pieces)
                client = await lab.node(CLIENT_SCRIPT, kind="client")
                await client.wait_closed()
                assert sum(frame.opcode < 8 and frame.sender == 1 for frame in lab.trace.frames) >= 3
                return client.lines

        assert run(main()) == ["Server: Hello client!"]


def test_each_test_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs/article.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    assert named - there == set()
    assert named
