"""Who may reach a server on loopback: every page that the student visits tries, and none gets in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.live.lab import Lab
from wslab.protocol import build_request

Run = Callable[[Any], Any]
USUAL = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
]

HOSTS = {
    "127.0.0.1": 101,
    "127.0.0.1:1234": 101,
    "127.0.0.1:": 101,
    "127.1.2.3": 101,
    "localhost": 101,
    "LocalHost:80": 101,
    "[::1]": 101,
    "[::1]:1234": 101,
    "[0:0:0:0:0:0:0:1]": 101,
    "evil.example": 403,
    "localhost.evil.com": 403,
    "127.0.0.1.evil.com": 403,
    "evil.com:1234": 403,
    "localhost.": 403,
    "127.0.0.1.": 403,
    "0.0.0.0": 403,
    "127.1": 403,
    "2130706433": 403,
    "0x7f000001": 403,
    "0177.0.0.1": 403,
    "localhost127.0.0.1": 403,
    "[::]": 403,
    "[::ffff:127.0.0.1]": 403,
    "[2001:db8::1]": 403,
    "192.168.0.1": 403,
    "": 400,
    ":1234": 400,
    "user@localhost": 400,
    "localhost@evil.com": 400,
    "evil.com#@localhost": 400,
    "localhost/evil.com": 400,
    "localhost\\evil.com": 400,
    "localhost evil.com": 400,
    "localhost,evil.com": 400,
    "localhost:evil.com": 400,
    "localhost:123456": 400,
    "[::1": 400,
    "[::1%25lo]": 400,
    "127.0.0.1:80:80": 400,
    "localhost%00": 400,
}

ORIGINS = [
    # the server's list, the request's Origin headers, the status
    ("default", [], 101),
    ("default", ["null"], 403),
    ("default", [""], 403),
    ("default", ["http://127.0.0.1"], 403),
    ("default", ["http://localhost:8888"], 403),
    (["http://localhost:8888"], ["http://localhost:8888"], 101),
    (["http://localhost:8888"], ["http://localhost:8889"], 403),
    (["http://localhost:8888"], ["http://localhost"], 403),
    (["http://localhost:8888"], ["https://localhost:8888"], 403),
    (["http://localhost:8888"], ["http://localhost:8888.evil.com"], 403),
    (["http://localhost:8888"], ["http://localhost:8888/"], 403),
    (["http://localhost:8888"], ["http://LOCALHOST:8888"], 403),
    (["http://localhost:8888"], ["http://evil.com, http://localhost:8888"], 403),
    (["http://localhost:8888"], ["http://localhost:8888", "http://evil.com"], 400),
    (["http://localhost:8888"], ["null"], 403),
    (["http://localhost:8888"], [], 403),
    ([None, "http://localhost:8888"], [], 101),
    (["null"], ["null"], 101),
]


async def status_of(lab: Lab, headers: list[tuple[str, str]], target: str = "/") -> tuple[int, int]:
    """The status that the client reads, and the one that the trace recorded."""
    async with await lab.raw() as raw:
        await raw.send(build_request(target, headers))
        head = await raw.recv_head()
        number = raw.connection
    recorded = [
        record.status for record in lab.trace.records if record.connection == number and record.kind is Kind.RESPONSE
    ]
    assert head.status is not None
    assert len(recorded) == 1
    return head.status, recorded[0]


def test_hosts(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            found = {host: await status_of(lab, [("Host", host), *USUAL]) for host in HOSTS}
            assert found == {host: (status, status) for host, status in HOSTS.items()}

    run(main())


@pytest.mark.parametrize(
    ("hosts", "target", "status"),
    [
        ([], "/", 400),
        (["localhost", "localhost"], "/", 400),
        (["localhost", "evil.com"], "/", 400),
        (["localhost"], "http://evil.com/", 403),
        (["localhost"], "http://evil.com@localhost/", 400),
        (["localhost"], "http://localhost:1/chat", 101),
    ],
)
def test_hosts_that_are_missing_doubled_or_overruled(
    hosts: list[str], target: str, status: int, carrier: str, run: Run
) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            assert await status_of(lab, [*(("Host", host) for host in hosts), *USUAL], target) == (status, status)

    run(main())


def test_origins(carrier: str, run: Run) -> None:
    async def main() -> None:
        for allowed, given_origins, status in ORIGINS:
            async with Lab(carrier=carrier) as lab:
                await lab.serve(**({} if allowed == "default" else {"origins": allowed}))
                headers = [("Host", "localhost"), *USUAL, *(("Origin", origin) for origin in given_origins)]
                assert await status_of(lab, headers) == (status, status), (allowed, given_origins)

    run(main())


def test_a_client_hears_of_its_refusal(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            with pytest.raises(InvalidStatus) as caught:
                await lab.connect(origin="http://evil.example")
            assert caught.value.response.status_code == 403
            response = next(record for record in lab.trace.records if record.sender is Sender.SERVER)
            assert response.summary == "403 Forbidden"

    run(main())


def test_the_programs_own_check_comes_after(carrier: str, run: Run) -> None:
    asked: list[str] = []

    def plain(connection: ServerConnection, request: Request) -> Response | None:
        asked.append(request.path)
        return connection.respond(HTTPStatus.NOT_FOUND, "no") if request.path == "/no" else None

    async def slow(connection: ServerConnection, request: Request) -> Response | None:
        await asyncio.sleep(0)
        return plain(connection, request)

    async def main() -> None:
        for check in (plain, slow):
            async with Lab(carrier=carrier) as lab:
                await lab.serve(process_request=check)
                for target, host, status in (("/no", "localhost", 404), ("/", "localhost", 101), ("/", "x.com", 403)):
                    assert await status_of(lab, [("Host", host), *USUAL], target) == (status, status)
        assert asked == ["/no", "/"] * 2

    run(main())
