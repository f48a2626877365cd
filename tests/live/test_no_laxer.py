"""A lab's server and clients are ``websockets``; neither recording nor the lab's options loosen it on any vector."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import websockets
from vector_wire import NOT_ASKED, REFUSES, TAKES, BareServer, ask_server, can_be_asked
from vectors import CLIENT, SERVER, VECTORS, Vector
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from wslab.live import Lab

pytestmark = pytest.mark.lengthy

OF_CLIENTS = [vector for vector in VECTORS if can_be_asked(vector, SERVER)]
OF_SERVERS = [vector for vector in VECTORS if can_be_asked(vector, CLIENT)]
AT_ONCE = 8
STRICTER = {
    # A lab refuses pages of any origin, and a Host that is not its own address.
    "one origin", "the handshake of RFC 6455 1.2 as it stands",
    "no Host", "two Host lines", "a host with a blank", "a host with a path", "a port that is no number",
    "a Host other than the target's",
}  # fmt: skip
"""Names of vectors that plain ``websockets`` takes and a lab refuses."""


async def each(ask: Callable[[int, Vector], Awaitable[Any]], vectors: Sequence[Vector]) -> list[Any]:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, vector: Vector) -> Any:
        async with limit:
            return await ask(number, vector)

    return await asyncio.gather(*(one(number, vector) for number, vector in enumerate(vectors)))


async def made_by_server(port: int) -> list[str]:
    return await each(lambda _, vector: ask_server(port, vector), OF_CLIENTS)


async def made_by_clients(connect: Callable[..., Any], **options: Any) -> list[str]:
    bare = BareServer(OF_SERVERS)

    async def attempt(number: int, vector: Vector) -> None:
        names = [name.strip() for name in vector.protocols.split(",") if name.strip()] or None
        uri = f"ws://127.0.0.1:{bare.port}/{number}"
        with contextlib.suppress(InvalidHandshake, ConnectionClosed, OSError):
            async with connect(uri, subprotocols=names, **options) as client:
                async for _ in client:
                    pass

    async with bare.listening():
        await each(attempt, OF_SERVERS)
    return bare.outcomes


async def echo(connection: Any) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


def no_laxer(vectors: Sequence[Vector], plain: list[str], lab: list[str]) -> list[str]:
    """Vectors on which a lab says something else, but for those of ``STRICTER`` that it refuses."""
    odd = {v.name for v, one, other in zip(vectors, plain, lab, strict=True) if one != other}
    refused = {v.name for v, other in zip(vectors, lab, strict=True) if other == REFUSES}
    return sorted(odd - (STRICTER & refused))


def test_a_laxer_lab_would_be_seen() -> None:
    lax, strict = (next(v for v in OF_CLIENTS if v.name == name) for name in ("POST", "one origin"))
    assert no_laxer([lax, strict], [REFUSES, TAKES], [TAKES, REFUSES]) == ["POST"]
    assert no_laxer([lax, strict], [REFUSES, REFUSES], [REFUSES, TAKES]) == ["one origin"]
    assert no_laxer([lax, strict], [REFUSES, TAKES], [NOT_ASKED, TAKES]) == ["POST"]


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_the_server_is_no_laxer(compression: str | None, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        quiet = {"compression": compression, "ping_interval": None, "max_size": 2**20}
        async with websockets.serve(echo, "127.0.0.1", 0, **quiet) as server:  # type: ignore[arg-type]
            plain = await made_by_server(server.sockets[0].getsockname()[1])
        async with Lab() as lab:
            ours = await made_by_server((await lab.serve(compression=compression)).port)
            assert len(lab.trace.connections) > 50
        assert no_laxer(OF_CLIENTS, plain, ours) == []
        assert min(plain.count(TAKES), plain.count(REFUSES)) > 40
        assert (plain.count(NOT_ASKED) > 15) is (compression is None)

    run(main())


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_the_client_is_no_laxer(compression: str | None, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        plain = await made_by_clients(websockets.connect, compression=compression, ping_interval=None, proxy=None)
        async with Lab() as lab:
            ours = await made_by_clients(lab.connect, compression=compression)
        assert no_laxer(OF_SERVERS, plain, ours) == []
        assert min(plain.count(TAKES), plain.count(REFUSES)) > 30
        assert NOT_ASKED not in plain

    run(main())
