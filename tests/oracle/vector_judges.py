"""What websockets, wsproto, Node's ``ws`` and Chromium make of the vectors, each in the way in which it is driven."""

from __future__ import annotations

import asyncio
import json
import threading
from asyncio.subprocess import PIPE
from collections.abc import Coroutine, Sequence
from typing import Any

import websockets
import wsproto
from peers import node, node_environment
from playwright.sync_api import Browser
from vector_wire import DECLINES, NOT_ASKED, REFUSES, TAKES, BareServer, ask_server, can_be_asked, offers
from vectors import BROWSERS, CLIENT, Vector
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wsproto import ConnectionType, WSConnection, events
from wsproto.extensions import PerMessageDeflate

from wslab.live.judges.judge import judge
from wslab.live.node.package import pinned
from wslab.protocol.handshake import SAMPLE_KEY

WINDOWS = ("server_max_window_bits", "client_max_window_bits")


def _settings(vector: Vector) -> dict[str, Any]:
    """The parameters of an offer as the libraries take them."""
    given = offers(vector) or {}
    return {name: int(value) if name in WINDOWS and value is not True else value for name, value in given.items()}


def _subprotocols(vector: Vector) -> list[str]:
    return [name.strip() for name in vector.protocols.split(",") if name.strip()]


def by_websockets(vector: Vector) -> str:
    """Its sans-I/O protocols. Text is decoded as its ``recv`` does it."""
    if not can_be_asked(vector, vector.sender.peer):
        return NOT_ASKED
    if vector.what == "frames":
        taken = judge(vector.data, vector.sender is CLIENT, vector.extension or None, handshake=False)
        return TAKES if taken.websockets.accepted else REFUSES
    if vector.what == "request":
        chosen = ["chat", "superchat"] if b"Sec-WebSocket-Protocol" in vector.data else None
        server = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()], subprotocols=chosen)  # type: ignore[arg-type]
        server.receive_data(vector.data)
        request = next(iter(server.events_received()), None)
        if not isinstance(request, Request):
            return REFUSES
        response = server.accept(request)
        server.send_response(response)
        server.receive_data(b"")
        server.events_received()
        if response.status_code != 101 or server.parser_exc is not None:
            return REFUSES
        declined = b"permessage-deflate" in vector.data and "Sec-WebSocket-Extensions" not in response.headers
        return DECLINES if declined else TAKES
    offered = {"client_max_window_bits": None, **_settings(vector)}  # its own default is to offer that
    client = ClientProtocol(
        parse_uri("ws://127.0.0.1/chat"),
        extensions=[ClientPerMessageDeflateFactory(**offered)] if vector.extension else None,
        subprotocols=_subprotocols(vector) or None,  # type: ignore[arg-type]
    )
    client.key = SAMPLE_KEY
    client.send_request(client.connect())
    client.receive_data(vector.data)
    client.events_received()
    return TAKES if client.state is OPEN and client.parser_exc is None else REFUSES


def by_wsproto(vector: Vector) -> str:
    """Its connections, which do no I/O. One that raises anything has not taken what it was given."""
    if not can_be_asked(vector, vector.sender.peer):
        return NOT_ASKED
    if vector.what == "frames":
        taken = judge(vector.data, vector.sender is CLIENT, vector.extension or None, handshake=False)
        return TAKES if taken.wsproto.accepted else REFUSES
    try:
        return _wsproto_handshake(vector)
    except Exception:
        return REFUSES


def _wsproto_handshake(vector: Vector) -> str:
    if vector.what == "request":
        server = WSConnection(ConnectionType.SERVER)
        server.receive_data(vector.data)
        if not isinstance(next(server.events(), None), events.Request):
            return REFUSES
        response = server.send(events.AcceptConnection(extensions=[PerMessageDeflate()]))
        for _ in server.events():
            pass
        declined = b"permessage-deflate" in vector.data and b"permessage-deflate" not in response
        return DECLINES if declined else TAKES
    # It always offers both windows, each with its size.
    if vector.rules == ("window-bits-not-offered",):
        return NOT_ASKED
    sized = {name: value for name, value in _settings(vector).items() if value is not True or name not in WINDOWS}
    client = WSConnection(ConnectionType.CLIENT)
    wanted = [PerMessageDeflate(**sized)] if vector.extension else []
    client.send(events.Request("127.0.0.1", "/chat", extensions=wanted, subprotocols=_subprotocols(vector)))  # type: ignore[arg-type]
    # wsproto draws its key itself, and has no other way to be given one.
    client.handshake._nonce = SAMPLE_KEY.encode()
    client.receive_data(vector.data)
    told = [*client.events()]
    return TAKES if told and isinstance(told[0], events.AcceptConnection) else REFUSES


async def _by_node(vectors: Sequence[Vector]) -> list[str]:
    bare = BareServer(vectors)
    async with bare.listening():
        asked = [number for number, vector in enumerate(vectors) if can_be_asked(vector, CLIENT)]
        plan = {"port": bare.port, "clients": [_node_client(number, vectors[number]) for number in asked]}
        process = await asyncio.create_subprocess_exec(
            *node("vectors.js"), stdin=PIPE, stdout=PIPE, env=node_environment()
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(plan).encode())
            process.stdin.close()
            port = int(await process.stdout.readline())
            limit = asyncio.Semaphore(16)

            async def ask(vector: Vector) -> str:
                async with limit:
                    return await ask_server(port, vector)

            served = await asyncio.gather(*map(ask, vectors))
            await process.stdout.readline()
        finally:
            process.terminate()
            await process.wait()
    return [one if one != NOT_ASKED else other for one, other in zip(served, bare.outcomes, strict=True)]


def _node_client(number: int, vector: Vector) -> list[Any]:
    settings = _settings(vector)
    words = {
        name: "".join(part.title() if at else part for at, part in enumerate(name.split("_"))) for name in settings
    }
    deflate: Any = {words[name]: value for name, value in settings.items()} if vector.extension else False
    if deflate is not False and "clientMaxWindowBits" not in deflate:
        deflate["clientMaxWindowBits"] = False
    return [str(number), _subprotocols(vector), deflate]


def by_node(vectors: Sequence[Vector]) -> list[str]:
    """Node's ``ws``, at both ends, in one process."""
    return asyncio.run(_by_node(vectors))


# Opens eight at a time. A page cannot choose the extensions that it offers.
PAGE = """
async ([port, clients]) => {
  const attempt = ([path, protocols]) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/${path}`, protocols);
      socket.onclose = resolve;
    });
  const work = async () => {
    while (clients.length) await attempt(clients.shift());
  };
  await Promise.all(Array.from({ length: 8 }, work));
}
"""


def by_chromium(vectors: Sequence[Vector], browser: Browser) -> list[str]:
    """Chromium as a client, all vectors in one page."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    bare = BareServer(vectors)

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    listening = bare.listening()
    try:
        run(listening.__aenter__())
        asked = [[str(number), _subprotocols(vector)] for number, vector in enumerate(vectors) if _chromium_can(vector)]
        page = browser.new_page()
        try:
            page.goto(f"http://127.0.0.1:{bare.port}/")
            page.evaluate(PAGE, [bare.port, asked])
        finally:
            page.close()
        run(listening.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    return bare.outcomes


def _chromium_can(vector: Vector) -> bool:
    """Whether what Chromium always offers is what the vector answers."""
    if not can_be_asked(vector, CLIENT):
        return False
    return vector.what == "frames" or vector.extension == BROWSERS or b"permessage-deflate" not in vector.data


def versions(browser: Browser) -> dict[str, str]:
    """Each judge's version."""
    return {
        "websockets": websockets.__version__,
        "wsproto": wsproto.__version__,
        "ws": pinned(),
        "Chromium": browser.version.partition(".")[0],
    }
