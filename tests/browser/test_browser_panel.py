"""The browser panel in the real JupyterLab: Chromium's WebSocket against the lab, directly and through the splice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import LabPages, NotebookPage
from driver import jupyter_server
from playwright.sync_api import BrowserContext, Locator, expect

from wslab.live.article import CLIENT_PAGE, CLIENT_SCRIPT
from wslab.live.node import package as node

pytestmark = pytest.mark.browser

BEGIN = """
import asyncio, json
from contextlib import suppress
from websockets.exceptions import ConnectionClosedError
from wslab import BrowserPanel, Lab

heard = []
async def talk(ws):
    if ws.request.path == "/server-goes":
        await ws.close(4002, "the server goes")
        return
    await ws.send("Hello client!")
    with suppress(ConnectionClosedError):  # which 4001 is to websockets
        async for message in ws:
            heard.append(f"Client: {message}")
    heard.append([ws.close_code, ws.close_reason, ws.subprotocol])

def refuse(connection, request):
    if request.path == "/refused":
        return connection.respond(403, "not you\\n")

def choose(connection, offered):  # given subprotocols=, websockets refuses who offers none
    return "chat" if "chat" in offered else None

lab = Lab()
await lab.serve(talk, select_subprotocol=choose, compression="deflate", process_request=refuse)
panel = BrowserPanel(lab, route=ROUTE)
panel
"""
GREETED = """
await panel.wait_for("console")
await lab.settled()
print(json.dumps({
    "heard": heard,
    "console": [line.text for line in panel.console],
    "events": [[event.what, event.record is not None] for event in panel.events],
    "code": panel.code,
    "origins": sorted({head.get("Origin")[0] for head in lab.trace.handshakes if head.get("Origin")}),
    "token": "token" in repr(lab.trace.heads(0)[0]),
}))
"""
GOODBYES = '''
panel.code = """
const at = 'ws://localhost:1234';
const goodbye = new WebSocket(at + '/goodbye', ['superchat', 'chat']);
goodbye.onopen = () => {
  for (const [code, reason] of [[1001], [4000, 'x'.repeat(124)]])
    try { goodbye.close(code, reason) } catch (error) { console.log(error.name) }
  goodbye.send('again '.repeat(100));
  goodbye.close(4001, 'the page goes');
};
const other = new WebSocket(at + '/server-goes');
other.onclose = () => {
  const refused = new WebSocket(at + '/refused');
  refused.onopen = () => console.log('must never happen');
};
"""
heard.clear()
panel.run()
await panel.wait_for("close", times=3)
async with asyncio.timeout(10):
    while len(heard) < 3:  # the handlers' last words
        await asyncio.sleep(0.01)
closes = {event.socket: [event.code, event.reason, event.was_clean] for event in panel.events if event.what == "close"}
print(json.dumps({
    "heard": heard,
    "closes": closes,
    "opened": {event.socket: [event.protocol, event.extensions] for event in panel.events if event.what == "open"},
    "thrown": [event.thrown.split(":")[0] for event in panel.events if event.thrown],
    "console": [line.text for line in panel.console],
    "refused": [event.what for event in panel.events if event.socket == 2],
    "records": {f"{event.what} {event.socket}": lab.trace.record(event.record).summary
                for event in panel.events if event.record is not None},
    "compressed": lab.trace.record(next(e.record for e in panel.events if e.what == "send()")).summary,
}))
'''
CHOOSE = "panel.selected = next(event.record for event in panel.events if event.code == 4002)"
CLOSED = """
async with asyncio.timeout(10):
    while lab.server.connections:
        await asyncio.sleep(0.01)
print(json.dumps([len(lab.server.connections), next(each for each in heard if "again" in each)]))
"""
NODE = """
other = Lab()
node = await other.node()  # the article's server
relay = await other.relay(to=node.uri)
direct, watched = BrowserPanel(other, also=[node], route=ROUTE), BrowserPanel(relay, route=ROUTE)
display(direct, watched)
"""
NODE_GREETED = """
for each in (direct, watched):
    each.run()
    await each.wait_for("console")
    await node.wait_for("Client: Hello server!")
print(json.dumps({
    "printed": [[line.text for line in each.console] for each in (direct, watched)],
    "recorded": [relay.trace.record(event.record).summary for event in watched.events],
    "not recorded": [event.record for event in direct.events],
    "node": node.lines,
}))
"""


def begin(lab_page: LabPages, route: str, *cells: str) -> tuple[NotebookPage, Locator]:
    notebook = lab_page(*(cell.replace("ROUTE", repr(route)) for cell in (BEGIN, *cells)))
    notebook.run(0)
    panel = notebook.page.get_by_role("region", name="Browser panel")
    expect(panel.locator(".wslab-leads")).to_contain_text("the lab's server")
    return notebook, panel


def answer(notebook: NotebookPage, cell: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(notebook.text(cell))
    return found


def check_the_greeting(notebook: NotebookPage, panel: Locator) -> None:
    """The article's code, not edited, greets the lab's server, which greets back."""
    panel.get_by_role("button", name="Run", exact=True).click()
    expect(panel.locator(".wslab-printed")).to_have_text(["Server: Hello client!"])
    notebook.run(1)
    said = answer(notebook, 1)
    assert "new WebSocket('ws://localhost:1234')" in said["code"]
    assert said["heard"] == ["Client: Hello server!"]
    assert said["console"] == ["Server: Hello client!"]
    assert said["events"] == [["new WebSocket()", True], ["open", True], ["send()", True], ["message", True]]
    origin = notebook.page.evaluate("() => location.origin")
    assert said["origins"] == [origin]
    assert not said["token"], "Jupyter's token is nobody else's"


def check_the_goodbyes(notebook: NotebookPage, panel: Locator) -> None:
    """Codes, reasons, subprotocol, extension and refusals arrive as what they are."""
    notebook.run(2)
    said = answer(notebook, 2)
    assert said["closes"]["0"] == [4001, "the page goes", True]
    assert said["closes"]["1"] == [4002, "the server goes", True]
    assert said["closes"]["2"] == [1006, "", False]
    assert [1000, "stopped", None] in said["heard"], "another run closes what the one before opened"
    assert "Client: " + "again " * 100 in said["heard"]
    assert [4001, "the page goes", "chat"] in said["heard"]
    assert said["opened"]["0"][0] == "chat"
    assert said["opened"]["1"][0] == ""
    assert all("permessage-deflate" in extensions for _, extensions in said["opened"].values())
    assert said["thrown"] == said["console"] == ["InvalidAccessError", "SyntaxError"]
    assert said["refused"] == ["new WebSocket()", "error", "close"]
    assert said["records"]["error 2"].startswith("403")
    assert said["records"]["close 1"] == 'CLOSE 4002 "the server goes"'
    assert said["records"]["close() 0"] == 'CLOSE 4001 "the page goes"'
    assert "RSV1" in said["compressed"]
    events = panel.get_by_role("listbox", name="What the page was told")
    expect(events.get_by_role("option").filter(has_text="throws SyntaxError")).to_be_visible()
    expect(events).to_contain_text('code 4002, reason "the server goes", wasClean true')
    expect(panel.get_by_role("gridcell").filter(has_text="403 Forbidden")).to_be_visible()


def test_on_loopback_the_article_greets_and_every_goodbye_arrives(lab_page: LabPages) -> None:
    notebook, panel = begin(lab_page, "auto", GREETED, GOODBYES, "lab", CHOOSE, NODE, NODE_GREETED)
    check_the_greeting(notebook, panel)
    check_the_goodbyes(notebook, panel)

    notebook.run(3)  # one selection for all panels over the trace
    recording = notebook.page.get_by_role("region", name="Lab panel")
    panel.get_by_role("option").filter(has_text="send()").click()
    expect(recording.locator(".wslab-title")).to_contain_text('TEXT "again')
    expect(panel.locator(".wslab-records .wslab-selected")).to_contain_text('TEXT "again')
    notebook.run(4)
    expect(recording.locator(".wslab-title")).to_contain_text("CLOSE 4002")
    expect(panel.get_by_role("option", selected=True)).to_contain_text("code 4002")
    events = panel.get_by_role("listbox", name="What the page was told")
    events.focus()
    notebook.page.keyboard.press("Home")
    expect(panel.get_by_role("option", selected=True)).to_contain_text("new WebSocket()")

    check_the_articles_server(notebook, 5)


def check_the_articles_server(notebook: NotebookPage, cell: int) -> None:
    """The article's page and the article's server in Node greet each other, with a relay between and without."""
    if not node.installed():
        pytest.skip("npm's ws is not installed: wslab node")  # what a page does with the lab has been seen by now
    notebook.run(cell)
    expect(notebook.page.get_by_role("region", name="Browser panel")).to_have_count(3)
    notebook.run(cell + 1)
    said = answer(notebook, cell + 1)
    assert said["printed"] == [["Server: Hello client!"]] * 2
    assert said["node"] == ["Client: Hello server!"] * 2
    assert said["recorded"] == ["GET /", "101 Switching Protocols", 'TEXT "Hello server!"', 'TEXT "Hello client!"']
    assert said["not recorded"] == [None] * 4


@pytest.fixture(scope="module")
def far_page(profile: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabPages]:
    """Opens notebooks of a Jupyter server that has a ``base_url``."""
    with jupyter_server(tmp_path_factory.mktemp("jupyter-x"), "--ServerApp.base_url=/x/") as server:
        pages = LabPages(profile, server)
        yield pages
        pages.close()


def test_through_jupyters_server_the_same_crosses_untouched(far_page: LabPages) -> None:
    notebook, panel = begin(far_page, "jupyter", GREETED, GOODBYES, NODE, NODE_GREETED)
    expect(panel.get_by_role("radio", name="through Jupyter’s server", exact=True)).to_be_checked()
    sockets: list[str] = []
    notebook.page.on("websocket", lambda socket: sockets.append(socket.url))
    check_the_greeting(notebook, panel)
    check_the_goodbyes(notebook, panel)
    check_the_articles_server(notebook, 3)
    opened = [url for url in sockets if "kernels" not in url]
    assert len(opened) == 6
    assert all("/x/wslab/" in url for url in opened), "not all went through the server"


def test_one_cell_shows_it_runs_it_and_waits_for_what_the_page_tells(lab_page: LabPages) -> None:
    show = "display(panel)\npanel.run()\nprint(await panel.wait_for('console'))"
    notebook = lab_page(BEGIN.replace("ROUTE", "'auto'").removesuffix("panel\n") + show)
    notebook.run(0)
    assert notebook.text(0).strip() == "Server: Hello client!"


LAID_OUT = """
list => [
  [...list.children].filter(row => !row.lastChild.checkVisibility({ contentVisibilityAuto: true })).length,
  list.scrollHeight > list.clientHeight,
  Math.abs(list.scrollTop + list.clientHeight - list.scrollHeight) < 2,
]
"""


def test_every_row_of_a_burst_is_laid_out_and_the_list_stands_at_its_end(lab_page: LabPages) -> None:
    burst = "for (let n = 0; n < 40; n++) console.log(n, 'word '.repeat(60))"
    notebook, panel = begin(lab_page, "auto", f"panel.code = {burst!r}\npanel.run()\nawait panel.wait_for('console')")
    notebook.run(1)
    events = panel.get_by_role("listbox", name="What the page was told")
    expect(events.get_by_role("option")).to_have_count(40)
    assert events.evaluate(LAID_OUT) == [0, True, True]


def test_what_runs_is_seen_bounded_and_over_when_it_is_stopped(lab_page: LabPages) -> None:
    """A flood leaves the page alive, what handlers throw is told with its line, and Stop ends everything."""
    flood = (
        "const socket = new WebSocket('ws://localhost:1234/flood');\n"
        "let count = 0;\n"
        "socket.onmessage = () => { throw new TypeError('in a handler') };\n"
        "socket.onclose = () => new WebSocket('ws://localhost:1234/again');\n"
        "setInterval(() => { for (let n = 0; n < 30; n++) console.log('line', count++) }, 10);\n"
        "await new Promise((resolve) => setTimeout(resolve, 1));\n"
        "console.info('%s awaited %d', 'it', 1);\n"
    )
    notebook, panel = begin(
        lab_page, "auto",
        f"panel.code = {flood!r}\npanel.run()\nawait panel.wait_for(lambda line: panel.dropped > 1000)\n"
        "print(len(panel.console) + len(panel.events) <= 500)",
        "print(len(lab.server.connections))", CLOSED,
    )  # fmt: skip
    editor = panel.get_by_role("textbox", name="The page’s JavaScript")
    notebook.run(1)
    assert notebook.text(1).strip() == "True"
    expect(panel.locator(".wslab-about").first).to_contain_text("the last 500 kept")
    panel.get_by_role("button", name="Stop").click()
    expect(panel.get_by_text("over: no socket and no timer is left")).to_be_visible()
    expect(panel.locator(".wslab-event")).to_have_count(500)
    notebook.run(2)
    assert notebook.text(2).strip() == "0", "a socket outlived Stop"

    panel.get_by_role("button", name="Restore").click()
    expect(editor).to_have_value(CLIENT_SCRIPT)
    editor.fill("const a = 1;\n\nsetTimeout(() => { a.b.c }, 0);\nPromise.reject(new Error('nobody'));")
    editor.press("Control+Enter")
    expect(panel.locator(".wslab-level-uncaught")).to_have_count(2)
    expect(panel.locator(".wslab-failed")).to_have_text(["! 3\n", "! 4\n"])
    page = CLIENT_PAGE.replace("</script>", "</ script>")  # as the article prints it
    editor.fill(page.replace("'Hello server!'", "'Hello again!'"))
    editor.press("Control+Enter")
    expect(panel.locator(".wslab-printed")).to_have_text(["Server: Hello client!"])
    expect(panel.get_by_text("is no end tag")).to_be_visible()
    editor.focus()
    notebook.page.keyboard.press("Tab")
    expect(editor).not_to_be_focused()
    notebook.select_cell(0)
    notebook.command("notebook:clear-cell-output")  # the last view goes, and with it what the code opened
    notebook.run(3)
    assert json.loads(notebook.text(3)) == [0, "Client: Hello again!"]
