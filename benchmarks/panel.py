"""The lab panel in the real JupyterLab: 100,000 records in 50 batches, scrolling, and live traffic beside it.

Three parts, each in a notebook and a page of its own:

- *Pushing*: frames are noted in a trace 2,000 at a time, 20 times a second, while a panel goes along. Measured are the
  time from the last frame's noting until its row is in the page, the page's longest task (what it took, and what of
  that it worked: where two processors serve kernel, server and page, it also waits), the elements of the table, the
  kernel's processor time for each record, and the bytes for each record over the page's own WebSocket. Beside it,
  the same for a tenth of the rows in an ``ipywidgets.HTML`` that is set anew each time.
- *Scrolling*: from the first of those records to the last, a step in each animation frame.
- *Live*: echoes as fast as they go, with the panel open and with it closed, in turn.

What another program does with the processors is in all figures: run it alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.extend([str(Path(__file__).parents[1] / "tests" / folder) for folder in ("", "browser")])
from driver import LabPages, NotebookPage, chromium, jupyter_server, launch
from jupyter_process import JupyterServer

RECORDS, BATCHES = 100_000, 50
ROWS = 10_000  # of the table that ipywidgets.HTML shows
TASK = 50  # ms: what the browser calls a long task
FRAME = 20  # ms

PUSH = """
import json, threading, time
import wslab
from wslab.protocol import build_frame, build_request, build_response
from wslab.recording import reading
trace = wslab.Trace(max_bytes=2**24)
panel = wslab.LabPanel(trace)
cost = {"push": 0.0, "derive": 0.0}
push, derive = panel._push, reading.derive
def timed_derive(*args):
    begun = time.thread_time()
    derive(*args)
    cost["derive"] += time.thread_time() - begun
def timed_push():
    begun, deriving = time.thread_time(), cost["derive"]
    more = push()
    cost["push"] += time.thread_time() - begun - (cost["derive"] - deriving)
    return more
panel._push, reading.derive = timed_push, timed_derive
panel
"""
WRITE = """
client, server = trace.join(wslab.Sender.CLIENT, "one"), trace.join(wslab.Sender.SERVER, "one")
client.sent(bytes(build_request()))
server.sent(bytes(build_response()))
frame = build_frame("A small message", mask=b"1234")
def write():
    due = time.monotonic()
    for batch in range({batches}):
        for _ in range({size}):
            client.sent(frame)
            server.received(frame)
        last = time.time()
        due += 0.05
        time.sleep(max(0.0, due - time.monotonic()))
    cost["last"] = 1000 * last
writer = threading.Thread(target=write)
writer.start()
writer.join()
"""
COST = "print(json.dumps(cost))"

HTML = """
import json, threading, time
import ipywidgets
row = '<tr><td>{}</td><td>0.0231</td><td>TEXT "A small message"</td><td>21</td><td>6</td><td>15</td></tr>'
rows, cost = [], {}
table = ipywidgets.HTML()
table
"""
RENDER = """
def write():
    due = time.monotonic()
    for batch in range({batches}):
        for _ in range({size}):
            rows.append(row.format(len(rows)))
        last = time.time()
        table.value = "<table class='wslab-benchmark'>" + "".join(rows) + "</table>"
        due += 0.05
        time.sleep(max(0.0, due - time.monotonic()))
    cost["last"] = 1000 * last
writer = threading.Thread(target=write)
writer.start()
writer.join()
"""

# Notes when `selector` first matches, checked in every animation frame.
WATCH = """
(selector) => {
  window.seen = null;
  const look = () => {
    if (document.querySelector(selector)) window.seen = Date.now();
    else requestAnimationFrame(look);
  };
  look();
}
"""
SCROLL = """
(frames) => new Promise((resolve) => {
  const scroller = document.querySelector(".wslab-scroller");
  const step = (scroller.scrollHeight - scroller.clientHeight) / frames;
  const times = [];
  scroller.scrollTop = 0;
  const next = (now) => {
    times.push(now);
    if (times.length > frames) return resolve(times.slice(1).map((time, index) => time - times[index]));
    scroller.scrollTop = step * times.length;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
})
"""

LIVE = """
import asyncio, json, time
import wslab
lab = wslab.Lab()
await lab.serve()
ws = await lab.connect()
async def echoes(seconds):
    count, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        await ws.send("A small message")
        await ws.recv()
        count += 1
        if not count % 64:
            await asyncio.sleep(0)
    return count / passed
async def paced(a_second, seconds):
    begun = time.perf_counter()
    for number in range(a_second * seconds // 2):
        await ws.send("A small message")
        await ws.recv()
        ahead = 2 * number / a_second - (time.perf_counter() - begun)
        if ahead > 0.01:
            await asyncio.sleep(ahead)
    return a_second * seconds // 2 / (time.perf_counter() - begun)
await echoes(1)
rates = []
"""
OPEN = "panel = wslab.LabPanel(lab)\npanel"
CLOSE = "panel.close()"
ROUND = "rates.append(await echoes({seconds}))"
PACED = "steady = await paced(5000, {seconds})"
TELL = "print(json.dumps({'rates': rates, 'steady': steady, 'total': lab.trace.total}))"


class Meter:
    """Bytes that came over the page's WebSockets."""

    def __init__(self, page: Page) -> None:
        self.bytes = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._came))

    def _came(self, payload: str | bytes) -> None:
        self.bytes += len(payload)


@contextmanager
def notebook(browser: Browser, server: JupyterServer, *cells: str) -> Iterator[tuple[NotebookPage, Meter]]:
    """A notebook with these cells, open in a page of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    pages = LabPages(context, server)
    meters: list[Meter] = []
    context.on("page", lambda page: meters.append(Meter(page)))
    opened = pages(*(textwrap.dedent(cell).strip() for cell in cells))
    try:
        yield opened, meters[0]
    finally:
        opened.shut_down()
        context.close()


def told(opened: NotebookPage, cell: int) -> Any:
    """What a cell printed, as JSON."""
    return json.loads(opened.text(cell))


class Task(NamedTuple):
    """A task of the page's main thread, in ms."""

    took: float
    """From its start to its end, with the time in which another program had the processor."""
    worked: float
    """Processor time."""


@contextmanager
def tasks(page: Page) -> Iterator[list[Task]]:
    """The whole tasks of the page's main thread; the list is filled when the block has ended."""
    events: list[dict[str, Any]] = []
    found: list[Task] = []
    over: list[Any] = []
    browser = page.context.new_cdp_session(page)
    browser.on("Tracing.dataCollected", lambda message: events.extend(message["value"]))
    # Playwright marks its listeners, which it cannot with `over.append` itself.
    browser.on("Tracing.tracingComplete", lambda message: over.append(message))
    browser.send("Tracing.start", {"transferMode": "ReportEvents", "categories": "toplevel"})
    yield found
    browser.send("Tracing.end")
    while not over:
        page.wait_for_timeout(50)
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    found += [
        Task(event["dur"] / 1000, event.get("tdur", 0) / 1000)
        for event in events
        if event["name"] == "ThreadControllerImpl::RunTask" and (event["pid"], event["tid"]) in main and "dur" in event
    ]
    assert found, "the browser told of no task"


def until_seen(opened: NotebookPage, meter: Meter, cell: int, selector: str) -> tuple[float, list[Task], int]:
    """Run a cell, and wait for what it shows; when that was, the tasks meanwhile, and the bytes that came."""
    opened.page.evaluate(WATCH, selector)
    before = meter.bytes
    with tasks(opened.page) as found:
        opened.run(cell)
        opened.page.wait_for_function("() => window.seen", timeout=120_000)
    return opened.page.evaluate("() => window.seen"), found, meter.bytes - before


def longest(found: list[Task]) -> dict[str, float]:
    """The longest task, its processor time, and the most that any task had."""
    slowest = max(found)
    return {"longest": slowest.took, "worked": slowest.worked, "most": max(task.worked for task in found)}


def pushing(browser: Browser, server: JupyterServer) -> dict[str, float]:
    """The first two parts: pushed to the panel, then scrolled through."""
    write = WRITE.format(batches=BATCHES, size=RECORDS // BATCHES)
    with notebook(browser, server, PUSH, write, COST) as (opened, meter):
        opened.run(0)
        opened.panels.first.locator(".wslab-records").wait_for()
        seen, found, came = until_seen(opened, meter, 1, f'.wslab-scroller [data-number="{RECORDS + 1}"]')
        nodes = opened.page.evaluate("() => document.querySelectorAll('.wslab-records, .wslab-records *').length")
        opened.run(2)
        cost = told(opened, 2)
        opened.page.mouse.move(0, 0)
        frames = opened.page.evaluate(SCROLL, 600)
        return {
            "behind": seen - cost["last"],
            **longest(found),
            "nodes": nodes,
            "push": 1e6 * cost["push"] / RECORDS,
            "derive": 1e6 * cost["derive"] / RECORDS,
            "bytes": came / RECORDS,
            "smooth": 100 * sum(frame < FRAME for frame in frames) / len(frames),
            "slowest": max(frames),
        }


def rendering(browser: Browser, server: JupyterServer) -> dict[str, float]:
    """The same for a tenth of the rows through ipywidgets.HTML."""
    write = RENDER.format(batches=BATCHES, size=ROWS // BATCHES)
    with notebook(browser, server, HTML, write, COST) as (opened, meter):
        opened.run(0)
        seen, found, came = until_seen(opened, meter, 1, f".wslab-benchmark tr:nth-child({ROWS})")
        opened.run(2)
        return {"behind": seen - told(opened, 2)["last"], **longest(found), "bytes": came / ROWS, "all": came}


def live(browser: Browser, server: JupyterServer, rounds: int, seconds: int) -> dict[str, float]:
    """Echoes with the panel closed and open, in turn; at last a steady 5,000 messages a second with it open."""
    each = ROUND.format(seconds=seconds)
    with notebook(browser, server, LIVE, each, OPEN, CLOSE, PACED.format(seconds=10), TELL) as (opened, _):
        opened.run(0)
        for _ in range(rounds):
            opened.run(1, 2)
            opened.panels.first.locator(".wslab-scroller .wslab-row").first.wait_for()
            opened.run(1, 3)
        opened.run(2)
        opened.panels.first.locator(".wslab-scroller .wslab-row").first.wait_for()
        opened.run(4, 5)
        found = told(opened, 5)
        opened.panels.first.locator(".wslab-counts", has_text=f"{found['total']:,} records").wait_for()
        closed, opened_ = found["rates"][::2], found["rates"][1::2]
        return {
            "closed": sum(closed) / rounds,
            "open": sum(opened_) / rounds,
            "steady": 2 * found["steady"],
            "total": found["total"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of the live part")
    parser.add_argument("--seconds", type=int, default=5, help="for each round of it")
    parser.add_argument("--only", choices=("push", "html", "live"))
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as home,
        jupyter_server(Path(home)) as server,
        sync_playwright() as playwright,
        launch(playwright, chromium()) as browser,
    ):
        part = options.only
        panel = pushing(browser, server) if part in (None, "push") else {}
        html = rendering(browser, server) if part in (None, "html") else {}
        echo = live(browser, server, options.rounds, options.seconds) if part in (None, "live") else {}
    rows: list[tuple[str, float | str, str]] = []
    if panel:
        rows += [
            (f"{RECORDS:,} records into the panel in {BATCHES} batches, 20 a second", "measured", "wanted"),
            ("the last is visible after, ms", panel["behind"], "at most 300"),
            ("longest task of the page, ms", panel["longest"], f"at most {TASK}"),
            ("processor time of that task, ms", panel["worked"], ""),
            ("the most processor time of any task, ms", panel["most"], f"at most {TASK}"),
            ("elements of the table", panel["nodes"], "under 400"),
            ("kernel's processor time a record to push, us", panel["push"], "at most 3"),
            ("and to derive it, for any reader, us", panel["derive"], ""),
            ("bytes a record over the page's WebSockets", panel["bytes"], "at most 80"),
            (f"animation frames under {FRAME} ms while it scrolls, %", panel["smooth"], "at least 95"),
            ("the slowest of them, ms", panel["slowest"], ""),
        ]
    if html:
        rows += [
            (f"{ROWS:,} rows through ipywidgets.HTML, set anew for each batch", "", ""),
            ("the last is visible after, ms", html["behind"], ""),
            ("longest task of the page, ms", html["longest"], ""),
            ("the most processor time of any task, ms", html["most"], ""),
            ("bytes in all", html["all"], ""),
        ]
    if panel and html:
        rows += [
            ("ipywidgets.HTML against the panel", "", ""),
            ("behind, times", html["behind"] / panel["behind"], ""),
            ("bytes a row, times", html["bytes"] / panel["bytes"], ""),
        ]
    if echo:
        rows += [
            ("live traffic", "", ""),
            ("echoes a second with the panel closed", echo["closed"], ""),
            ("echoes a second with it open", echo["open"], ""),
            ("ratio", echo["open"] / echo["closed"], "at least 0.7"),
            ("messages a second of 5,000 asked for, panel open, 10 s", echo["steady"], ""),
            ("records that the panel counts at the end, as the trace does", echo["total"], ""),
        ]
    for name, value, wanted in rows:
        print(f"{name:<66}{value if isinstance(value, str) else f'{value:,.2f}':>14}  {wanted}")


if __name__ == "__main__":
    main()
