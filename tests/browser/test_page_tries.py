"""Lesson 09 in the real JupyterLab: what a page may say, and what it is told, in Chromium; each outcome is asserted."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from conftest import LabPages
from playwright.sync_api import Browser, expect

from wslab import Lab, Sender
from wslab.course.experiments.lesson09 import page_goodbye
from wslab.course.lesson import prediction_text

pytestmark = pytest.mark.browser

BEGIN = """
import json, os
os.environ["WSLAB_EDITION"] = "student"
from wslab import Lab, predict
from wslab.course.experiments import page_tries as page
from wslab.course.experiments.lesson09 import page_goodbye, try_in_page

async def seen(panel, last, outcome):
    await panel.wait_for(last)
    await panel.lab.settled()
    print(json.dumps(dict(outcome)))
"""
TRIES = {
    "pings": (
        "lab = Lab(seed=9)\nawait lab.serve(page.ping_and_greet)\npanel = page.in_page(lab, page.PINGS)",
        "page.pings(panel)",
        "'close'",
        ["undefined", 0, 3, 0],
    ),
    "limits": (
        "lab = Lab(seed=9)\nawait lab.serve()\npanel = page.in_page(lab, page.LIMITS)",
        "page.limits(panel)",
        "lambda entry: entry.what == 'close' and entry.socket == 4",
        ["InvalidAccessError", "InvalidAccessError", "sent", "SyntaxError", "not sent, and no error"],
    ),
    "told": (
        "lab = Lab(seed=9)\nawait lab.serve(page.vanish, process_request=page.refuse)\n"
        "panel = page.in_page(lab, page.ENDS)",
        "page.endings(panel)",
        "lambda entry: entry.what == 'close' and entry.socket == 2",
        ["error, close 1006", "close 1006", "close 1006"],
    ),
    "password": (
        "lab = Lab(seed=9)\nawait lab.serve(page.greet, process_request=page.ask_for_password)\n"
        "panel = page.in_page(lab, page.PASSWORD, route='loopback')",
        "page.authorizations(lab, panel)",
        "lambda entry: 'that was all' in str(entry)",
        ["SyntaxError", "a request without it", "a request with Authorization", "a request with Authorization"],
    ),
}


@pytest.mark.parametrize("name", TRIES)
def test_what_only_a_page_can_show_fills_in_when_it_was_predicted(lab_page: LabPages, name: str) -> None:
    """Misconceptions 3 and 4, 17 and 21, 26, 25."""
    make, outcome, last, wanted = TRIES[name]
    notebook = lab_page(
        BEGIN, f'guess = predict("09.{name}")\nguess', f"{make}\nguess.reveal({outcome})", "guess.after(panel)",
        f"await seen(panel, {last}, {outcome})",
    )  # fmt: skip
    notebook.run(0, 1, 2, 3)
    form, reveal = notebook.panels.nth(0), notebook.panels.nth(1)
    asked = prediction_text(f"09.{name}")
    for case, one in asked.cases.items():
        if one.kind.form()["options"]:
            form.get_by_role("radiogroup", name=case, exact=True).get_by_label(str(one.usual), exact=True).check()
        else:
            form.get_by_label(case).fill(str(one.usual))
    form.get_by_role("button", name="Lock in my prediction").click()
    rows = reveal.get_by_role("row")
    for number, (case, was) in enumerate(zip(asked.cases, wanted, strict=True), 1):
        expect(rows.nth(number).get_by_role("cell").nth(1)).to_have_text(str(was))
        expect(rows.nth(number)).to_contain_text("surprise")
        expect(rows.nth(number)).to_contain_text(asked.cases[case].why(asked.cases[case].usual))
    expect(reveal).to_contain_text(asked.meaning)
    notebook.run(4)
    assert list(json.loads(notebook.text(4)).values()) == wanted


def test_a_socket_is_tied_to_the_connection_that_let_it_in_and_every_connection_is_listed(lab_page: LabPages) -> None:
    """Chromium answers a 401 by a second connection, and shows the password on the first one of the next socket."""
    make, _, last, _ = TRIES["password"]
    records = (
        "print(json.dumps([[event.socket, event.what, lab.trace.record(event.record).connection, "
        "lab.trace.record(event.record).summary] for event in panel.events if event.record is not None]))"
    )
    notebook = lab_page(f"{BEGIN}{make}\npanel", f"await panel.wait_for({last})\nawait lab.settled()\n{records}")
    notebook.run(0, 1)
    greeted = ["101 Switching Protocols", 'TEXT "Hello client!"', "CLOSE", "CLOSE"]
    names = ["open", "message", "close()", "close"]
    assert json.loads(notebook.text(1)) == [
        [1, "new WebSocket()", 0, "GET /"], *([1, name, 1, said] for name, said in zip(names, greeted, strict=True)),
        [2, "new WebSocket()", 2, "GET /"], *([2, name, 2, said] for name, said in zip(names, greeted, strict=True)),
    ]  # fmt: skip
    crossed = notebook.panels.first.locator(".wslab-records")
    expect(crossed).to_have_attribute("aria-rowcount", str(1 + 5 + 7 + 7))  # of connections 0, 1 and 2


def test_the_addresses_of_the_break_and_the_exercises_goodbye(lab_page: LabPages) -> None:
    notebook = lab_page(
        BEGIN
        + "lab = Lab(seed=9)\nawait lab.serve()\naddresses = page.ADDRESSES.replace('];', '  \"ftp://a.example\",\\n];')\n"
        "display(panel := page.in_page(lab, addresses))",
        "await panel.wait_for('console', times=5)\nprint(json.dumps(sorted(line.text for line in panel.console)))",
        "display(other := try_in_page(lab, page_goodbye, 403, 'ü' * 70))\nother.run()\n"
        "await other.wait_for('close')\n"
        "await lab.settled()\nprint(json.dumps([event.code for event in other.events if event.what == 'close']))\n"
        "print(len(next(e for e in other.events if e.what == 'close').reason.encode()))",
    )
    notebook.run(0, 1)
    origin_is_no_server = "/chat error"
    assert json.loads(notebook.text(1)) == [
        origin_is_no_server, "ftp://a.example SyntaxError", "ftp://localhost:1234 SyntaxError",
        "http://localhost:1234 open", "ws://localhost:1234/#part SyntaxError",
    ]  # fmt: skip
    events = notebook.panels.first.get_by_role("listbox", name="What the page was told")
    thrown = events.get_by_role("option").filter(has_text="throws SyntaxError")
    expect(thrown).to_have_text([re.compile(r'#part" throws'), re.compile('1234" throws'), re.compile('e" throws')])
    expect(notebook.panels.first).to_contain_text("1 socket led elsewhere than to the lab")  # that of /chat
    notebook.run(2)
    assert notebook.text(2).split() == ["[4403]", "122"]


SWEEP = """
uri => {
  const socket = new WebSocket(uri);
  const taken = [];
  for (let code = 0; code < 65536; code += 1)
    try {
      socket.close(code);
      taken.push(code);
    } catch (error) {
      if (error.name !== "InvalidAccessError") throw error;
    }
  return taken;
}
"""
OPEN = "async uri => { const s = new WebSocket(uri); await new Promise(go => { s.onopen = go; }); }"


async def serving() -> Lab:
    lab = Lab()
    await lab.serve(origins=None)
    return lab


async def told(lab: Lab, connection: int) -> tuple[int | None, str | None]:
    async with asyncio.timeout(10):
        while (report := lab.trace.closings(connection).get(Sender.SERVER)) is None or report.code is None:
            await asyncio.sleep(0.01)
    return report.code, report.reason


def test_a_page_may_close_with_1000_or_3000_to_4999_and_with_nothing_else(
    chromium: Browser, elsewhere: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    """Misconception 17, the page's side: each of the 65,536 codes that two bytes can say, as Chromium takes it."""
    lab = elsewhere(serving())
    page = chromium.new_page()
    assert page.evaluate(SWEEP, lab.server.uri) == [1000, *range(3000, 5000)]
    page.close()
    elsewhere(lab.close())


@pytest.mark.parametrize("leave", ["close", "goto"])
def test_a_tab_that_is_closed_or_goes_elsewhere_says_1001_without_a_reason(
    chromium: Browser, elsewhere: Callable[[Coroutine[Any, Any, Any]], Any], leave: str
) -> None:
    lab = elsewhere(serving())
    page = chromium.new_page()
    page.evaluate(OPEN, lab.server.uri)
    page.close() if leave == "close" else page.goto("data:text/html,elsewhere")
    assert elsewhere(told(lab, 0)) == (1001, "")
    if not page.is_closed():
        page.close()
    elsewhere(lab.close())


def test_the_reference_is_javascript_for_a_page() -> None:
    assert "function goodbye(socket, status, text)" in page_goodbye()
