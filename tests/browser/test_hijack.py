"""Lesson 11 in the real JupyterLab: its own page reads the bank's socket, five ways, and each is asserted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import NotebookPage
from driver import CHROMIUM_ARGUMENTS, jupyter_server, write_notebook
from jupyter_process import JupyterServer
from playwright.sync_api import BrowserContext, Page, Playwright, expect

pytestmark = pytest.mark.browser

BANK = """
import json, os
os.environ["WSLAB_EDITION"] = "student"
from wslab import Lab, Sender, predict
from wslab.course.experiments.lesson11 import BANK_PAGE, balance_of, hijack, knock, over_http, stolen
from wslab.course.experiments.lesson11 import let_in_by, with_page

async def bank(connection):
    await connection.send(balance_of(connection.request.headers))
    await connection.wait_closed()

lab = Lab(seed=11)
await lab.serve(bank, origins=None, process_request=over_http)
at_home = lab.server.page(BANK_PAGE)
at_home
"""
GUESS = 'guess = predict("11.hijack")\nguess'
ATTACK = "attack = hijack(lab, at_home)\nguess.reveal(stolen(attack))"
SHOW = "guess.after(attack)"
TOLD = """
await attack.wait_for("console")
requests = []
for connection in lab.trace.connections:
    request, _ = lab.trace.heads(connection)
    if request.get("Origin") and request.get("Origin")[0] not in at_home.origins:  # a page that is loaded names none
        requests.append([request.get("Origin"), request.get("Host"), "session=ada" in str(request.get("Cookie"))])
print(json.dumps({"read": dict(stolen(attack)), "requests": requests}))
"""
GUARDED = """
guarded = Lab(seed=11)
await guarded.serve(bank, origins=["https://bank.example"])
visit = knock(guarded)
visit
"""
REFUSED = """
await visit.wait_for("close")
await guarded.settled()
events = [[event.what, event.code, event.reason] for event in visit.events]
print(json.dumps({"events": events, "status": dict(with_page(visit, {}, "this page"))["this page"]}))
"""
BALANCE = "your balance is 1815 pounds"


def lab_at(host: str, server: JupyterServer) -> JupyterServer:
    """The same Jupyter server under another name of this machine."""
    return JupyterServer(server.url.replace(urlsplit(server.url).hostname or "", host), server.token, server.folder)


@pytest.fixture(params=["127.0.0.1", "localhost"])
def notebook(request: pytest.FixtureRequest, profile: BrowserContext, jupyter: JupyterServer) -> Iterator[NotebookPage]:
    """The lesson's cells in a JupyterLab that is opened under each of the machine's names."""
    path = f"hijack-{request.param}.ipynb"
    write_notebook(jupyter.folder / path, [BANK, GUESS, ATTACK, SHOW, TOLD, GUARDED, REFUSED])
    profile.clear_cookies()
    opened = NotebookPage(profile.new_page(), lab_at(request.param, jupyter), path)
    opened.open()
    yield opened
    opened.shut_down()
    opened.page.close()


def log_in(notebook: NotebookPage) -> Page:
    """Open the bank's own page by the link in the notebook, as a learner does."""
    with notebook.page.context.expect_page() as opening:
        notebook.page.get_by_role("link", name="Open the page in a tab of its own").click()
    bank = opening.value
    bank.wait_for_url("**/?again")
    expect(bank.locator("output")).to_have_text(BALANCE)
    return bank


def test_the_learners_own_page_reads_the_bank_in_two_ways_of_five(notebook: NotebookPage) -> None:
    """Misconception 10: the same-origin policy protects fetch's answers, and no WebSocket."""
    notebook.run(0, 1, 2, 3)
    assert BALANCE not in notebook.page.locator(".jp-Notebook-cell").nth(2).locator(".jp-OutputArea").inner_text()
    form = notebook.panels.nth(1)
    for group in form.get_by_role("radiogroup").all():
        group.get_by_role("radio").first.check()
    form.get_by_role("button", name="Lock in my prediction").click()
    reveal = notebook.panels.nth(2)
    expect(reveal.get_by_role("row").nth(1)).to_contain_text("not shown here")
    expect(reveal).to_contain_text("happens in a page")

    bank = log_in(notebook)
    rows = reveal.get_by_role("row")
    for number, what in enumerate([BALANCE, BALANCE, "please log in", "nothing"], 1):
        expect(rows.nth(number).get_by_role("cell").nth(1)).to_have_text(what)
    expect(reveal).to_contain_text("reads the balance")
    expect(reveal).not_to_contain_text("not shown here")
    bank.close()

    notebook.run(4)
    told = json.loads(notebook.text(4))
    assert list(told["read"].values()) == [BALANCE, BALANCE, "please log in", "nothing"]
    origin = notebook.page.evaluate("() => location.origin")
    here = urlsplit(origin).hostname
    other = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}[str(here)]
    sent = [(origins, hosts[0].partition(":")[0], cookie) for origins, hosts, cookie in told["requests"]]
    # The last is fetch's: the bank has answered it, and the browser keeps the answer from the page.
    assert sent == [([origin], here, True), ([origin], here, True), ([origin], other, False), ([origin], here, True)]

    notebook.run(5, 6)
    said = json.loads(notebook.text(6))
    assert said["status"] == "403"
    assert said["events"] == [["new WebSocket()", None, None], ["error", None, None], ["close", 1006, ""]]


def test_on_another_machine_it_says_what_it_cannot_show(
    playwright_api: Playwright, chromium_path: str, tmp_path: Path
) -> None:
    """A page of hub.example, as of a hub: no row tells an outcome, and the panel says why."""
    rule = "--host-resolver-rules=MAP hub.example 127.0.0.1"
    browser = playwright_api.chromium.launch(executable_path=chromium_path, args=[*CHROMIUM_ARGUMENTS, rule])
    with jupyter_server(tmp_path, "--ServerApp.allow_remote_access=True") as server:
        write_notebook(server.folder / "far.ipynb", [BANK, GUESS, ATTACK, SHOW, "attack.run()", GUARDED])
        far = NotebookPage(browser.new_page(), lab_at("hub.example", server), "far.ipynb")
        far.open()
        far.run(0, 1, 2, 3)
        far.panels.nth(2).get_by_role("button", name="I would rather see").click()
        far.run(4, 5)
        for panel in far.page.get_by_role("region", name="Browser panel").all():
            expect(panel).to_contain_text("The server is not on hub.example: it runs where the notebook computes.")
        rows = far.panels.nth(2).get_by_role("row")
        expect(rows).to_have_count(5)
        expect(rows.filter(has_text="not shown here")).to_have_count(4)
        far.shut_down()
    browser.close()
