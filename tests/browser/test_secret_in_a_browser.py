"""Through a server's secret: the article's page in a tab, and the browser panel, as a hub's default has it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from conftest import LabPages, Run
from playwright.sync_api import Browser, expect
from websockets.asyncio.server import ServerConnection

from wslab.anatomy.field import Sender
from wslab.live.lab import Lab
from wslab.live.server import Server

pytestmark = pytest.mark.browser

BEGIN = """
import json, os
os.environ["JUPYTERHUB_SERVICE_PREFIX"] = "/user/ann/"
from wslab import BrowserPanel, Lab

async def talk(ws):
    await ws.send(f"Hello client! {ws.request.path}")
    async for message in ws:
        pass

lab = Lab()
server = await lab.serve(talk)
relay = await lab.relay()
display(*(BrowserPanel(over, route=route) for over in (lab, relay) for route in ("loopback", "jupyter")), server.page())
"""
DONE = """
from wslab.anatomy.record import Kind
await lab.settled()
print(json.dumps({
    "in force": [server.uri.count("secret-"), relay.uri.count("secret-")],
    "paths": [lab.trace.record(number).summary for number in range(lab.trace.total)
              if lab.trace.record(number).kind is Kind.REQUEST],
    "relayed": [record.summary for record in relay.trace.records if record.kind is Kind.REQUEST],
    "leaks": [number for number, text in enumerate((repr(lab.trace), repr(relay.trace), json.dumps(lab.trace.to_har())))
              if server.uri[-34:-1] in text],
}))
"""


def test_the_articles_page_greets_through_the_secret_and_shows_it_to_nobody(chromium: Browser, elsewhere: Run) -> None:
    lab = Lab()
    seen = []

    async def greet(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.path)
        await connection.send("Hello client!")
        async for _ in connection:
            pass

    async def serve() -> Server:
        return await lab.serve(greet, secret=True)

    server: Server = elsewhere(serve())
    context = chromium.new_context()
    try:
        page = context.new_page()
        with page.expect_console_message(lambda message: message.text == "Server: Hello client!"):
            page.goto(server.page().uri)
        page.wait_for_function("clientSocket.bufferedAmount === 0")
        assert seen == ["/"]
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/secret-[0-9a-f]{32}/", page.evaluate("clientSocket.url"))
        refused = context.new_page().goto(f"http://127.0.0.1:{server.port}/")
        assert refused is not None
        assert refused.status == 403
        sent = [lab.trace.bytes_sent(number, end) for number in lab.trace.connections for end in Sender]
        assert len(sent) >= 6
        assert [data for data in sent if b"secret-" in data] == []
    finally:
        context.close()
        elsewhere(lab.close())


def test_on_a_hub_panels_and_pages_add_the_secret_by_themselves(lab_page: LabPages) -> None:
    notebook = lab_page(BEGIN, DONE)
    notebook.run(0)
    panels = notebook.page.get_by_role("region", name="Browser panel")
    expect(panels).to_have_count(4)
    for panel in panels.all():
        panel.get_by_role("button", name="Run", exact=True).click()
        expect(panel.locator(".wslab-printed")).to_have_text(["Server: Hello client! /"])
        expect(panel).not_to_contain_text("secret-")
    link = notebook.panels.get_by_role("link", name="Open the page in a tab of its own")
    with (
        notebook.page.context.expect_page() as opened,
        notebook.page.context.expect_console_message(lambda message: message.text == "Server: Hello client! /"),
    ):
        link.click()
    opened.value.close()
    notebook.run(1)
    said: dict[str, Any] = json.loads(notebook.text(1))
    assert said["in force"] == [1, 1]
    assert said["leaks"] == []
    assert said["paths"][:4] == ["GET /"] * 4
    assert said["relayed"] == ["GET /"] * 2
    assert not re.search("secret-[0-9a-f]", json.dumps(notebook.outputs()))
