"""The standalone page: what is served to a plain GET, what it may do, and that handshakes are none the worse for it."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response

from wslab.live import article
from wslab.live.errors import NoServer
from wslab.live.lab import Lab

Run = Callable[[Any], Any]
KEY = "0123456789abcdef" * 2


def fetch(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """The answer to a plain request, read by Python's own client."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, dict(response.getheaders()), body


def policy(headers: dict[str, str]) -> dict[str, list[str]]:
    """The directives of a Content-Security-Policy."""
    words = [directive.split() for directive in headers["Content-Security-Policy"].split(";")]
    return {name: values for name, *values in words}


def test_the_articles_page_is_served_unedited_but_for_the_port(run: Run) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            page = server.page()
            assert page.uri == f"http://127.0.0.1:{server.port}/"
            status, headers, body = await asyncio.to_thread(fetch, server.port)
            assert status == 200
            assert body == article.CLIENT_PAGE.replace("1234", str(server.port))
            assert headers["Content-Type"] == "text/html; charset=utf-8"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert policy(headers) == {
                "default-src": ["'none'"],
                "script-src": ["'unsafe-inline'"],
                "style-src": ["'unsafe-inline'"],
                "img-src": ["data:"],
                "connect-src": [f"ws://127.0.0.1:{server.port}", f"ws://localhost:{server.port}"],
                "base-uri": ["'none'"],
                "form-action": ["'none'"],
                "frame-ancestors": ["'none'"],
            }

    run(main())


def test_only_the_port_that_the_author_wrote_is_replaced(run: Run) -> None:
    html = (
        "ws://localhost:80 ws://127.0.0.1:80/a ws://localhost:8080 wss://localhost:80 ws://example.com:80 localhost:80"
    )

    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            server.page(html, 80)
            own = server.port
            assert (await asyncio.to_thread(fetch, own))[2] == (
                f"ws://localhost:{own} ws://127.0.0.1:{own}/a ws://localhost:8080 ws://localhost:{own} "
                "ws://example.com:80 localhost:80"
            )

    run(main())


@pytest.mark.parametrize(
    ("host", "prefix", "spliced"),
    [
        ("hub.example", f"/user/ann/wslab/{KEY}/", True),
        ("127.0.0.1:8888", f"/wslab/{KEY}/", True),
        ("[::1]:8888", f"/user/a%40b.c/wslab/{KEY}/", True),
        ("hub.example", f"/wslab/{KEY}", False),
        ("hub.example", f"/wslab/{KEY}/;script-src/", False),
        ("hub.example", f"/x y/wslab/{KEY}/", False),
        ("hub.example", f"/x,y/wslab/{KEY}/", False),
        ("hub.example; script-src *", f"/wslab/{KEY}/", False),
        ("*", f"/wslab/{KEY}/", False),
        ("", f"/wslab/{KEY}/", False),
        ("hub.example", "/", False),
    ],
)
def test_through_a_jupyter_server_the_page_connects_to_where_it_came_from(
    host: str, prefix: str, spliced: bool, run: Run
) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            server.page()
            told = {"X_Forwarded_Host": host, "X_Forwarded_Prefix": prefix}
            _, headers, body = await asyncio.to_thread(lambda: fetch(server.port, **told))
            own = [f"ws://127.0.0.1:{server.port}", f"ws://localhost:{server.port}"]
            through = [f"ws://{host}{prefix}", f"wss://{host}{prefix}"]
            assert policy(headers)["connect-src"] == (through if spliced else own)
            assert policy(headers)["script-src"] == ["'unsafe-inline'"]
            assert ("sandbox" in policy(headers)) == spliced
            assert "allow-popups" not in headers["Content-Security-Policy"]
            assert ("new WebSocket('./')" in body) == spliced

    run(main())


def test_the_page_stands_beside_the_handshake_and_the_programs_own_check(run: Run) -> None:
    def check(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(HTTPStatus.NOT_FOUND, "not here") if request.path == "/other" else None

    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(process_request=check)
            assert (await asyncio.to_thread(fetch, server.port))[0] == 426  # no page yet
            server.page("<p>one")
            assert (await asyncio.to_thread(fetch, server.port, "/?query"))[2] == "<p>one"
            server.page("<p>two")
            assert (await asyncio.to_thread(fetch, server.port))[2] == "<p>two"
            assert (await asyncio.to_thread(fetch, server.port, "/other"))[0] == 404
            assert (await asyncio.to_thread(fetch, server.port, "/third"))[0] == 426
            async with lab.connect("/") as client:
                await client.send("Hello server!")
                assert await client.recv() == "Hello server!"
            server = await lab.serve()
            assert (await asyncio.to_thread(fetch, server.port))[0] == 426

    run(main())


def test_a_foreign_host_is_refused_the_page(run: Run) -> None:
    """A page of evil.example whose name was pointed at 127.0.0.1 could otherwise read this one."""

    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            server.page()
            assert (await asyncio.to_thread(lambda: fetch(server.port, Host="evil.example")))[0] == 403

    run(main())


def test_the_pages_own_origin_is_let_in_and_no_other(run: Run) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            own = [f"http://127.0.0.1:{server.port}", f"http://localhost:{server.port}"]
            for origin in own:
                with pytest.raises(InvalidStatus):
                    await lab.connect(origin=origin)
            server.page()
            for origin in own:
                async with lab.connect(origin=origin) as client:
                    await client.send("Hello server!")
                    assert await client.recv() == "Hello server!"
            for origin in (
                f"https://localhost:{server.port}",
                "http://localhost",
                f"http://evil.example:{server.port}",
            ):
                with pytest.raises(InvalidStatus):
                    await lab.connect(origin=origin)

    run(main())


def test_a_large_page_arrives_whole(run: Run) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            server.page("é" * 5_000_000)
            assert (await asyncio.to_thread(fetch, server.port))[2] == "é" * 5_000_000

    run(main())


def test_a_page_needs_a_port(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            server = await lab.serve()
            with pytest.raises(NoServer, match="in memory"):
                server.page()
        async with Lab(carrier="tcp") as lab:
            server = await lab.serve()
        with pytest.raises(NoServer, match="this server was closed"):
            server.page()

    run(main())


def test_the_articles_code_is_the_articles() -> None:
    assert article.CLIENT_PAGE.count("<script>") == article.CLIENT_PAGE.count("</script>") == 1
    assert article.CLIENT_SCRIPT in article.CLIENT_PAGE
    assert f"ws://localhost:{article.PORT}'" in article.CLIENT_SCRIPT
    assert f"server.listen({article.PORT});" in article.SERVER_SCRIPT
