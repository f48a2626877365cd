"""What lesson 09, JavaScript and other peers, claims of Node and of Python; of a page, the browser panel's tests do."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ProtocolError

from wslab import Lab
from wslab.live.article import CLIENT_SCRIPT, SERVER_SCRIPT

pytestmark = pytest.mark.oracle

CLOSE = """
const socket = new WebSocket("ws://localhost:1234");
socket.onopen = () => {
  try {
    socket.close(...JSON.parse(process.argv[2]));
    console.log("sent");
  } catch (error) {
    console.log("refused", error.name);
    socket.close();
  }
};
"""
SENT = (1000, 1001, 1014, 3000, 4999)
REFUSED = (1004, 1005, 1006, 1015, 2999, 5000)


def by_ws(code: int, reason: str = "") -> tuple[str, tuple[int | None, str]]:
    """What ``ws`` says to closing like this, and what the server was told."""

    async def main() -> tuple[str, tuple[int | None, str]]:
        async with Lab() as lab:
            await lab.serve()
            arguments = [f'[{code}, "{reason}"]']
            async with await lab.node(CLOSE, kind="client", arguments=arguments) as client:
                await client.wait_closed()
                await lab.settled()
            report = lab.trace.closing(0).reports["server"]
            return client.output.strip(), (report.code, report.reason)

    return asyncio.run(main())


def by_websockets(code: int, reason: str = "") -> str:
    """What ``websockets`` says to it."""

    async def main() -> str:
        async with Lab() as lab:
            await lab.serve()
            async with lab.connect() as ws:
                try:
                    await ws.close(code, reason)
                except ProtocolError:
                    return "refused"
            return "sent"

    return asyncio.run(main())


@pytest.mark.usefixtures("node_path")
@pytest.mark.parametrize("code", SENT)
def test_what_a_page_may_not_send_a_program_may(code: int) -> None:
    said, told = by_ws(code)
    assert (said, told[0]) == ("sent", code)
    assert by_websockets(code) == "sent"


@pytest.mark.usefixtures("node_path")
@pytest.mark.parametrize("code", REFUSED)
def test_what_nobody_may_send(code: int) -> None:
    said, told = by_ws(code)
    assert (said.split()[0], told[0]) == ("refused", 1005)
    assert by_websockets(code) == "refused"


@pytest.mark.usefixtures("node_path")
def test_124_bytes_of_reason_are_one_too_many() -> None:
    assert by_ws(4000, "a" * 123) == ("sent", (4000, "a" * 123))
    assert by_ws(4000, "a" * 124)[0].startswith("refused")
    assert by_websockets(4000, "a" * 124) == "refused"


@pytest.mark.usefixtures("node_path")
def test_ws_offers_compression_unasked() -> None:
    async def main() -> dict[str, str]:
        async with Lab() as lab:
            await lab.serve()
            async with await lab.node(CLIENT_SCRIPT, kind="client"):
                async with asyncio.timeout(5):
                    while not lab.trace.connections or lab.trace.heads(0)[1] is None:
                        await asyncio.sleep(0.01)
            request, _ = lab.trace.heads(0)
            assert request is not None
            return {name.lower(): value for name, value in request.headers}

    headers = asyncio.run(main())
    assert headers["sec-websocket-extensions"].startswith("permessage-deflate")
    assert "origin" not in headers


@pytest.mark.usefixtures("node_path")
def test_the_articles_name_for_the_server_is_another_name_of_todays() -> None:
    assert "new ws.Server(" in SERVER_SCRIPT

    async def main() -> str:
        async with Lab() as lab:
            await lab.serve()
            script = 'const ws = require("ws"); console.log(ws.Server === ws.WebSocketServer);'
            async with await lab.node(script, kind="client") as client:
                await client.wait_closed()
                return client.output.strip()

    assert asyncio.run(main()) == "true"
