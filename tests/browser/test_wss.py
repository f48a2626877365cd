"""A browser and a lab over TLS: it trusts the pin that it was started with, and otherwise fails without asking."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run
from playwright.sync_api import Playwright

from wslab.live.lab import Lab
from wslab.live.server import Server

pytestmark = pytest.mark.browser

GREET = """uri => new Promise(done => {
  const told = [];
  const socket = new WebSocket(uri);
  socket.onopen = () => { told.push('open'); socket.send('Hello server!'); };
  socket.onmessage = event => { told.push(event.data); socket.close(4001, 'bye'); };
  socket.onclose = event => done([...told, event.code, event.wasClean]);
})"""


@pytest.mark.parametrize("told", [True, False])
def test_a_browser_trusts_the_pin_that_it_was_told(
    playwright_api: Playwright, chromium_path: str, elsewhere: Run, tmp_path: Path, told: bool
) -> None:
    async def serve() -> tuple[Lab, Server]:
        lab = Lab()
        return lab, await lab.serve(tls=True, origins=None)

    lab, server = elsewhere(serve())
    arguments = [f"--ignore-certificate-errors-spki-list={lab.authority.spki}"] if told else []
    browser = playwright_api.chromium.launch(executable_path=chromium_path, args=["--no-sandbox", *arguments])
    try:
        page = browser.new_page()
        heard = page.evaluate(GREET, server.uri)
    finally:
        browser.close()
    seen = lab.eavesdropped()
    elsewhere(lab.close())
    if told:
        assert heard == ["open", "Hello server!", 4001, True]
        assert seen.client_hello is not None
        assert (seen.client_hello.server_name, seen.client_hello.protocols) == ("localhost", ("http/1.1",))
        assert 'CLOSE 4001 "bye"' in repr(seen)
    else:
        assert heard == [1006, False]
        assert "no connection" in repr(seen)
