"""Who may connect to a lab's server: programs, but no page of another origin, which the student's browser may be on."""

from __future__ import annotations

import asyncio
import functools
import http.server
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from wslab.anatomy.record import Kind
from wslab.live import Lab

pytestmark = pytest.mark.browser

Run = Callable[[Coroutine[Any, Any, Any]], Any]

CONNECT = """
(uri) => new Promise((resolve) => {
  const socket = new WebSocket(uri);
  socket.onopen = () => resolve("open");
  socket.onclose = (event) => resolve(event.code);
})
"""


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs a coroutine on a loop in a thread of its own: Playwright's sync interface occupies this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def served_lab(run: Run) -> Iterator[Lab]:
    """A lab that serves."""
    lab = Lab()
    run(lab.serve())
    yield lab
    run(lab.close())


@pytest.fixture
def foreign_site(tmp_path: Path) -> Iterator[str]:
    """A page on another origin: the same address, another port."""
    (tmp_path / "index.html").write_text("<!doctype html><title>elsewhere</title>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_of_another_origin_is_refused(chromium: Browser, served_lab: Lab, foreign_site: str) -> None:
    assert served_lab.server is not None
    page = chromium.new_page()
    uris = (served_lab.server.uri, served_lab.server.uri.replace("127.0.0.1", "localhost"))
    for address in (foreign_site, foreign_site.replace("127.0.0.1", "localhost")):
        page.goto(address)
        assert [page.evaluate(CONNECT, uri) for uri in uris] == [1006, 1006]
    page.goto("about:blank")  # here Chromium itself may refuse before anything is sent
    assert [page.evaluate(CONNECT, uri) for uri in uris] == [1006, 1006]
    page.close()
    statuses = [record.status for record in served_lab.trace.records if record.kind is Kind.RESPONSE]
    assert len(statuses) >= 4
    assert set(statuses) == {403}
    assert not [record for record in served_lab.trace.records if record.kind is Kind.FRAME]


def test_a_page_that_the_lab_names_is_let_in(chromium: Browser, run: Run, served_lab: Lab, foreign_site: str) -> None:
    """The test above would pass too if no page could connect at all."""
    run(served_lab.serve(origins=[foreign_site.rstrip("/")]))
    assert served_lab.server is not None
    page = chromium.new_page()
    page.goto(foreign_site)
    assert page.evaluate(CONNECT, served_lab.server.uri) == "open"
    page.close()
