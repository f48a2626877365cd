"""The article's page in a tab of its own: on loopback, and through a Jupyter server with a base_url and a token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest
from conftest import LabPages, Run
from jupyter_process import ALONE, JupyterServer, jupyter_process
from playwright.sync_api import Browser, BrowserContext, Page, expect
from waits import soon
from websockets.asyncio.server import ServerConnection

from wslab.anatomy.field import Sender
from wslab.live.lab import Lab
from wslab.live.server import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def lab(elsewhere: Run) -> Iterator[Lab]:
    lab = Lab()
    yield lab
    elsewhere(lab.close())


@pytest.fixture
def server(lab: Lab, elsewhere: Run) -> Server:
    """A lab's server that greets as the article's does."""

    async def greet(connection: ServerConnection) -> None:
        await connection.send("Hello client!")
        async for _ in connection:
            pass

    def chat(_: ServerConnection, offered: Sequence[str]) -> str | None:
        return "chat" if "chat" in offered else None

    async def serve() -> Server:
        return await lab.serve(greet, select_subprotocol=chat, compression="deflate")

    serving: Server = elsewhere(serve())
    return serving


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Jupyter server as a hub starts them."""
    home: Path = tmp_path_factory.mktemp("remote")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(home / "runtime"))
        with jupyter_process("jupyter_server", home, ALONE, "--ServerApp.base_url=/user/ann/") as running:
            yield running


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context()
    yield context
    context.close()


def greeted(page: Page, address: str, lab: Lab) -> None:
    """Open the page; it greets and is greeted."""
    with page.expect_console_message(lambda message: message.text == "Server: Hello client!"):
        page.goto(address)

    def sent() -> list[bytes]:
        messages = [lab.trace.messages_of(number, Sender.CLIENT) for number in lab.trace.connections]
        return [message.data for message in chain.from_iterable(messages)]

    soon(sent)  # what left the page may still be on its way
    assert sent() == [b"Hello server!"]


def test_the_articles_page_greets_on_loopback(context: BrowserContext, lab: Lab, server: Server) -> None:
    greeted(context.new_page(), server.page().uri, lab)


def test_the_articles_page_greets_through_a_jupyter_server(
    context: BrowserContext, lab: Lab, server: Server, remote: JupyterServer
) -> None:
    page = context.new_page()
    page.goto(f"{remote.url}?token={remote.token}")  # which leaves the login cookie
    server.page()
    server.admit(remote.url.removesuffix("/user/ann/"))
    greeted(page, f"{remote.url}{server.door().path}", lab)


CLOSED_BY_PAGE = """
async () => {
  const socket = new WebSocket(clientSocket.url, ["none", "chat"]);
  await new Promise((resolve) => { socket.onopen = resolve; });
  const { protocol, extensions } = socket;
  socket.close(4001, "the page says goodbye");
  const { code, reason, wasClean } = await new Promise((resolve) => { socket.onclose = resolve; });
  return [protocol, extensions, code, reason, wasClean];
}
"""


def test_what_the_browser_is_told_through_jupyter_is_what_the_lab_said(
    context: BrowserContext, lab: Lab, server: Server, remote: JupyterServer
) -> None:
    page = context.new_page()
    page.goto(f"{remote.url}?token={remote.token}")
    server.page()
    server.admit(remote.url.removesuffix("/user/ann/"))
    greeted(page, f"{remote.url}{server.door().path}", lab)
    protocol, extensions, *closing = page.evaluate(CLOSED_BY_PAGE)
    assert protocol == "chat"
    assert extensions.startswith("permessage-deflate")
    assert closing == [4001, "the page says goodbye", True]


def test_the_page_reaches_nothing_of_jupyters(
    context: BrowserContext, lab: Lab, server: Server, remote: JupyterServer
) -> None:
    """It is of Jupyter's origin there, and has its cookie."""
    page = context.new_page()
    page.goto(f"{remote.url}?token={remote.token}")
    server.page()
    server.admit(remote.url.removesuffix("/user/ann/"))
    greeted(page, f"{remote.url}{server.door().path}", lab)
    assert page.evaluate("fetch('/user/ann/api/kernels').then(() => 'read it', (error) => error.name)") == "TypeError"
    assert page.evaluate("window.open('/user/ann/api') === null")
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate("new Promise((done) => { new WebSocket('/user/ann/terminals/websocket/1').onerror = done; })")


SERVING = """
from wslab import Lab

async def greet(connection):
    await connection.send("Hello client!")
    async for message in connection:
        pass

lab = Lab()
server = await lab.serve(greet)
server.page()
"""
GREETED = """
from wslab import Sender

for number in lab.trace.connections:
    print([message.data for message in lab.trace.messages_of(number, Sender.CLIENT)])
"""


def test_a_cell_shows_the_link_by_which_the_page_is_opened(lab_page: LabPages) -> None:
    notebook = lab_page(SERVING, GREETED)
    notebook.run(0)
    link = notebook.panels.get_by_role("link", name="Open the page in a tab of its own")
    expect(link).to_have_attribute("href", re.compile(r"http://127\.0\.0\.1:\d+/"))
    expect(notebook.panels.get_by_role("group", name="The page as HTML")).to_contain_text(
        "new WebSocket('ws://localhost:1234')"
    )
    with (
        notebook.page.context.expect_page() as opened,
        notebook.page.context.expect_console_message(lambda message: message.text == "Server: Hello client!"),
    ):
        link.click()
    opened.value.close()
    notebook.run(1)
    assert "[b'Hello server!']" in notebook.text(1)
    shown = notebook.outputs()[0][-1]["data"]
    assert "".join(shown["text/plain"]).startswith("22 lines of HTML, served by the lab")
    assert "127.0.0.1" not in "".join(shown["text/plain"]) + "".join(shown["text/html"])
