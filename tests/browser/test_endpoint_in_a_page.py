"""Chromium talks with the endpoint of lesson 16: the article's page, and what the stages promise a page can try."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from conftest import LabPages
from playwright.sync_api import Browser, expect

from wslab import Lab
from wslab.course.experiments.at_work import AtWork, at_work
from wslab.course.experiments.conversations import Talk, carry
from wslab.course.experiments.lesson16 import right_endpoint
from wslab.live.article import CLIENT_PAGE, PORT
from wslab.live.raw import RawEndpoint

pytestmark = pytest.mark.browser

NOTEBOOK = next((Path(__file__).parents[2] / "notebooks").glob("16-*.ipynb"))
TALK = """async ([uri, size]) => {
  const socket = new WebSocket(uri), heard = [], waiting = [];
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => {
    heard.push(typeof data === "string" ? data : [...new Uint8Array(data)]);
    waiting.shift()?.();
  };
  const ended = new Promise(resolve => { socket.onclose = resolve; });
  const next = () => new Promise(resolve => { waiting.push(resolve); });
  await next();  // the greeting
  for (const said of ["Hello", "şğü 👋", "", "x".repeat(size), new Uint8Array([255, 0])]) {
    const answer = next();
    socket.send(said);
    await answer;
  }
  socket.close(3001, "bye");
  const { code, reason, wasClean } = await ended;
  return { heard: heard.map(one => one.length > 99 ? one.length : one), code, reason, wasClean };
}"""


async def opened() -> tuple[Lab, RawEndpoint, asyncio.Task[None]]:
    lab = Lab()
    door = await lab.raw(listen=True)
    return lab, door, asyncio.ensure_future(carry(door, right_endpoint(), Talk(greets=("y" * 300,))))


async def served() -> tuple[Lab, AtWork]:
    lab = Lab()
    return lab, await at_work(lab, right_endpoint)


def test_chromium_is_told_what_the_stages_promise(
    chromium: Browser, elsewhere: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    lab, door, _ = elsewhere(opened())
    page = chromium.new_page()
    told = page.evaluate(TALK, [door.uri, 70_000])
    assert told["heard"] == [300, "Hello", "şğü 👋", "", 70_000, [255, 0]]
    assert (told["code"], told["wasClean"]) == (3001, True)
    page.close()
    elsewhere(lab.close())


def test_the_articles_page_says_what_the_article_says(
    chromium: Browser, elsewhere: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    lab, work = elsewhere(served())
    page = chromium.new_page()
    with page.expect_console_message() as said:
        page.set_content(CLIENT_PAGE.replace(str(PORT), str(work.relay.port)))
    assert said.value.text == "Server: Hello client!"
    while not work.heard:
        page.wait_for_timeout(20)
    assert work.heard == ["Client: Hello server!"]
    page.close()
    elsewhere(lab.close())


LOOK = """
panel.run()
await panel.wait_for("console")
import asyncio, json
async with asyncio.timeout(10):
    while not work.heard:
        await asyncio.sleep(0.01)
print(json.dumps([[line.text for line in panel.console], work.heard]))
"""


def test_a_learners_endpoint_serves_the_articles_page_in_jupyterlab(lab_page: LabPages) -> None:
    """The lesson's own cells, and the ladder that follows their checks."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"}
    wanted = [name for name in sources if name in ("setup", "ladder", "page") or name.endswith("-stage")]
    sources["page"] = sources["page"].replace("BrowserPanel(", "panel = BrowserPanel(") + "\npanel"
    notebook = lab_page(*(sources[name] for name in wanted), LOOK)
    notebook.run(*range(len(wanted)))
    ladder = notebook.page.locator(".jp-OutputArea-output svg").first
    expect(ladder.locator("title")).to_have_text("11 of 11 stages are green")
    notebook.panels.last.scroll_into_view_if_needed()
    notebook.run(len(wanted))
    assert json.loads(notebook.text(len(wanted))) == [["Server: Hello client!"], ["Client: Hello server!"]]


def test_a_stage_that_breaks_turns_from_green(lab_page: LabPages) -> None:
    check = "from wslab.course.experiments.lesson16 import ping_stage\nawait ping_stage.check(lambda *frame: {})"
    notebook = lab_page(
        "from wslab.course.experiments.climbing import ladder\nladder()",
        check.format("(10, frame[1]) if frame[0] == 9 else None"),
        check.format("None"),
    )
    notebook.run(0)
    title = notebook.page.locator(".jp-OutputArea-output svg title").first
    for cell, said in ((1, "1 of 11 stages are green"), (2, "0 of 11 stages are green")):
        notebook.run(cell)
        expect(title).to_have_text(said)
