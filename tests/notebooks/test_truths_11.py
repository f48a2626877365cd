"""What lesson 11, Origin, trust and TLS, claims of origins; of TLS, the tests of the lab's TLS do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidStatus

from wslab import Lab

BANK = "https://bank.example"


async def bank(connection: ServerConnection) -> None:
    """Say whom the cookie names."""
    assert connection.request is not None
    await connection.send(connection.request.headers.get("Cookie", "nobody"))
    await connection.wait_closed()


def answer(*, served: dict[str, Any], **kwargs: Any) -> tuple[int, str | bytes]:
    """The status that a bank which is served like this answers with, and what it then says."""

    async def main() -> tuple[int, str | bytes]:
        async with Lab() as lab:
            await lab.serve(bank, **served)
            try:
                async with lab.connect("/chat", **kwargs) as ws:
                    assert ws.response is not None
                    return ws.response.status_code, await ws.recv()
            except InvalidStatus as refused:
                return refused.response.status_code, ""

    return asyncio.run(main())


def test_a_foreign_page_gets_in_with_the_cookie_where_nobody_looks() -> None:
    """Misconception 10: no same-origin policy protects a WebSocket."""
    cookie = {"Cookie": "session=ada"}
    foreign = {"origin": "https://evil.example", "additional_headers": cookie}
    assert answer(served={"origins": None}, **foreign) == (101, "session=ada")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (BANK, 101),
        ("https://evil.example", 403),
        ("https://bank.example.evil.example", 403),
        ("http://bank.example", 403),
        (None, 403),
    ],
)
def test_an_allow_list_compares_whole_origins(origin: str | None, status: int) -> None:
    """A program that says the bank's origin is let in as the bank's page is."""
    assert answer(served={"origins": [BANK]}, origin=origin)[0] == status


@pytest.mark.parametrize(("origin", "status"), [(None, 101), ("https://evil.example", 403)])
def test_a_lab_lets_programs_in_and_no_page(origin: str | None, status: int) -> None:
    assert answer(served={}, origin=origin)[0] == status
