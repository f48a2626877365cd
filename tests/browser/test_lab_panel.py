"""The live panel in the real JupyterLab."""

from __future__ import annotations

import re
import time

import pytest
from conftest import LabPages, NotebookPage
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

GREETING = """
import wslab
lab = wslab.Lab(seed=1)
await lab.serve()
ws = await lab.connect()
await ws.send("Hello server!")
await ws.recv()
"""
WAIT = """
print("waiting", flush=True)
try:
    await ws.recv()
finally:
    print("over", flush=True)  # the traceback takes longer than the interrupt, the first time
"""
INTERRUPT = """
async () => {
  const kernel = window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
  const over = new Promise((resolve) => kernel.anyMessage.connect((_, { msg }) => {
    if (msg.header.msg_type === "stream" && msg.content.text.includes("over")) resolve();
  }));
  const started = performance.now();
  await window.jupyterapp.commands.execute("notebook:interrupt-kernel");
  await over;
  return performance.now() - started;
}
"""
# The subshells that the messages of the page's widgets name.
ASKED = """
() => {
  window.asked = [];
  const kernel = window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
  kernel.anyMessage.connect((_, { direction, msg: { header } }) => {
    if (direction === "send" && header.msg_type === "comm_msg") window.asked.push(header.subshell_id ?? null);
  });
}
"""
# What lies on top in the middle of the captions, when the arrows' drawing has this z-index and can be hit.
ON_TOP = """
(panel, index) => {
  const arrows = panel.querySelector(".wslab-arrows");
  const style = `${arrows.getAttribute("style")}; pointer-events: all; background: #0001; z-index: ${index}`;
  arrows.setAttribute("style", style);
  const found = [...panel.querySelectorAll(".wslab-ladder > .wslab-caption")].map((caption) => {
    const { left, top, width, height } = caption.getBoundingClientRect();
    const hit = document.elementFromPoint(left + width / 2, top + height / 2);
    return hit.closest(".wslab-caption, .wslab-arrows").classList[0];
  });
  return [...new Set(found)];
}
"""


def rows(panel: Locator) -> Locator:
    return panel.locator(".wslab-scroller .wslab-row")


def show_greeting(lab_page: LabPages, *more: str) -> tuple[NotebookPage, Locator]:
    """A notebook that has said hello, and its panel with four records."""
    notebook = lab_page(GREETING, "lab", *more)
    notebook.run(0, 1)
    panel = notebook.panels.first
    expect(rows(panel)).to_have_count(4)
    return notebook, panel


def numbers(panel: Locator) -> list[int]:
    """The records whose rows are on screen."""
    seen: list[int] = panel.locator(".wslab-scroller").evaluate(
        """(scroller) => {
          const { top, bottom } = scroller.getBoundingClientRect();
          return [...scroller.querySelectorAll("[data-number]")]
            .map((row) => [Number(row.dataset.number), row.getBoundingClientRect()])
            .filter(([, box]) => box.top >= top - 1 && box.bottom <= bottom + 1)
            .map(([number]) => number);
        }"""
    )
    return seen


def states(panel: Locator) -> list[str]:
    """What is marked in the client's and in the server's diagram."""
    return panel.locator(".wslab-states [aria-current=step]").all_inner_texts()


def test_a_cell_that_ends_in_a_lab_shows_what_crossed_and_explains_it(lab_page: LabPages) -> None:
    notebook, panel = show_greeting(lab_page, "print(lab.panel.selected)")
    assert notebook.errors() == []
    captions = panel.locator(".wslab-ladder .wslab-caption").all_inner_texts()
    assert captions == ["GET /", "101 Switching Protocols", 'TEXT "Hello server!"', 'TEXT "Hello server!"']
    expect(panel.locator(".wslab-counts")).to_have_text("4 records · 4 kept · 0 dropped")
    assert states(panel) == ["OPEN", "OPEN"]
    senders = rows(panel).evaluate_all("(rows) => rows.map((row) => row.dataset.sender)")
    assert senders == ["client", "server", "client", "server"]

    assert panel.evaluate(ON_TOP, "auto") == ["wslab-caption"], "an arrow strikes through what a row says"
    assert panel.evaluate(ON_TOP, "9") == ["wslab-arrows"], "the check can fail"
    panel.get_by_role("grid", name="Records").press("Home")  # a draw puts the arrows back where they cannot be hit

    rows(panel).nth(2).click()
    expect(panel.locator(".wslab-title")).to_contain_text('TEXT "Hello server!"')
    expect(panel.locator(".wslab-title")).to_contain_text("ms later")
    expect(panel.locator(".wslab-byte").first).to_have_text("81")
    panel.locator("summary", has_text="Every field").click()
    expect(panel.locator(".wslab-field").first).to_contain_text("FIN")
    time.sleep(5)  # JupyterLab's trap: the second question comes on another thread with another event loop
    for number in (3, 1, 0):
        rows(panel).nth(number).click()
        expect(panel.locator(".wslab-title")).to_contain_text(f"No. {number}")
        expect(panel.locator(".wslab-field").first).to_be_visible()
    expect(panel.locator(".wslab-problem")).to_be_hidden()
    notebook.run(2)
    assert notebook.text(2) == "0\n"
    panel.get_by_role("button", name="Clear selection").click()
    expect(panel.locator(".wslab-hint")).to_contain_text("Select a record")


def test_the_panel_follows_while_a_cell_computes(lab_page: LabPages) -> None:
    notebook, panel = show_greeting(
        lab_page,
        """
import threading, time
from websockets.sync.client import connect
def talk():
    with connect(lab.server.uri, proxy=None, compression=None) as other:
        for number in range(60):
            other.send(f"number {number}")
            other.recv()
            time.sleep(0.05)
talker = threading.Thread(target=talk)
talker.start()
talker.join()
""",
    )
    notebook.start_cell(2)
    notebook.page.wait_for_function("() => document.querySelector('.wslab-records').ariaRowCount > 20", polling=50)
    assert notebook.is_running(2), "the records came only after the cell had ended"
    assert notebook.wait_end(), notebook.errors()
    expect(panel.locator(".wslab-counts")).to_have_text(f"{4 + 2 + 120 + 4} records · 130 kept · 0 dropped")
    assert rows(panel).count() < 30, "rows that nobody sees are in the page"


def test_a_panel_that_one_reads_never_jumps_and_counts_what_is_new(lab_page: LabPages) -> None:
    traffic = """
async with lab.connect() as client:
    for number in range(30):
        await client.send(f"number {number}")
        await client.recv()
await lab.settled()
"""
    notebook = lab_page("from wslab import Lab\nlab = Lab()\nserver = await lab.serve()\nlab", traffic, "lab", traffic)
    notebook.run(0, 1, 2)
    watching, reading = notebook.panels.first, notebook.panels.nth(1)
    for panel in (watching, reading):
        expect(panel.locator(".wslab-counts")).to_have_text("66 records · 66 kept · 0 dropped")
    expect(reading.locator('[data-number="0"]')).to_be_visible()
    expect(reading.locator(".wslab-pill")).to_be_hidden()
    reading.locator(".wslab-scroller").hover()
    notebook.page.mouse.wheel(0, 500)
    notebook.page.wait_for_function("() => document.querySelectorAll('.wslab-scroller')[1].scrollTop > 100")
    before = numbers(reading)
    assert before[0] > 0

    notebook.run(3)
    expect(watching.locator('[data-number="131"]')).to_be_visible()
    expect(reading.locator(".wslab-counts")).to_have_text("132 records · 132 kept · 0 dropped")
    pill = reading.get_by_role("button", name="new records")
    expect(pill).to_have_text("66 new records ↓")
    assert numbers(reading) == before
    pill.click()
    expect(reading.locator('[data-number="131"]')).to_be_visible()
    expect(pill).to_be_hidden()


def test_a_panel_shown_by_a_cell_that_goes_on_computing_fills(lab_page: LabPages) -> None:
    notebook = lab_page(GREETING, "from IPython.display import display; import time\ndisplay(lab)\ntime.sleep(5)")
    notebook.run(0)
    notebook.start_cell(1)
    panel = notebook.panels.first
    expect(rows(panel)).to_have_count(4)
    rows(panel).nth(2).click()
    expect(panel.locator(".wslab-title")).to_contain_text("Hello server!")
    expect(panel.get_by_role("gridcell").first).to_be_visible()
    assert notebook.is_running(1), "the records, or the bytes of one, came only after the cell had ended"


def test_what_a_page_asks_while_cells_run_changes_nothing_for_them(lab_page: LabPages) -> None:
    """It comes to the widgets' own thread; on the cells' own, ipykernel 7.4 mistakes the cell that runs for another."""
    shown = "await asyncio.sleep(0.05)\nLabPanel(lab, selected={})"
    cells = [cell for number in range(6) for cell in (shown.format(number % 4), f"print({number})")]
    notebook = lab_page(
        GREETING + "import asyncio, threading\nfrom wslab import LabPanel\nthreads = set()\n"
        "lab.panel.on_msg(lambda *_: threads.add(threading.current_thread().name))",
        "lab", *cells, "print(bool(threads), 'MainThread' in threads)",
    )  # fmt: skip
    notebook.page.evaluate(ASKED)
    notebook.run_all()
    assert [notebook.text(cell).strip() for cell in range(3, 14, 2)] == list("012345")
    asked = notebook.page.evaluate("() => window.asked")
    assert len(asked) > 6
    assert None not in asked, "JupyterLab had no thread for widgets yet"
    rows(notebook.panels.first).nth(2).click()
    expect(notebook.panels.first.locator(".wslab-title")).to_contain_text("Hello server!")
    notebook.run(14)
    assert notebook.text(14).strip() == "True False"


CONVERSATION = """
import wslab
lab = wslab.Lab(seed=1)
await lab.serve()
ws = await lab.connect()
for word in ("one", "two", "three"):
    await ws.send(word)
    await ws.recv()
await (await ws.ping(b"beat"))
await ws.close(1000, "bye")
await lab.settled()
"""


def test_the_filter_is_set_in_the_page_and_in_python(lab_page: LabPages) -> None:
    notebook = lab_page(
        CONVERSATION,
        "lab",
        "seen = []\nlab.panel.observe(lambda change: seen.append((change['name'], change['new'])))",
        "print(seen)\nlab.panel.text = 'beat'",
        "lab.panel.kinds = ['tcp']; lab.panel.text = ''",
        "lab.panel.opcode = 16",
    )
    notebook.run(0, 1, 2)
    panel = notebook.panels.first
    expect(rows(panel)).to_have_count(14)

    def shown() -> list[str]:
        return panel.locator(".wslab-scroller .wslab-caption").all_inner_texts()

    expect(panel.get_by_role("search")).to_be_hidden()
    panel.get_by_role("button", name="Filter, find, step").click()
    panel.get_by_role("group", name="Direction").get_by_role("button", name="client").click()
    expect(panel.locator(".wslab-counts")).to_have_text("7 of 14 records · 14 kept · 0 dropped")
    panel.get_by_role("button", name="data").click()
    expect(rows(panel)).to_have_count(4)
    assert shown() == ["GET /", 'PING "beat"', 'CLOSE 1000 "bye"', "FIN, end of stream"]
    panel.get_by_role("searchbox", name="Text").fill("Bye")
    expect(rows(panel)).to_have_count(1)
    notebook.run(3)
    assert all(
        said in notebook.text(3) for said in ("('direction', 'client')", "'tcp', 'error', 'bend'])", "('text', 'Bye')")
    )
    expect(rows(panel)).to_have_count(1)
    assert shown() == ['PING "beat"']
    notebook.run(4)
    expect(rows(panel)).to_have_count(1)
    panel.get_by_role("button", name="Show all").click()
    expect(rows(panel)).to_have_count(14)

    find = panel.get_by_role("searchbox", name="Find")
    find.fill("t")
    expect(panel.locator(".wslab-find")).to_contain_text("found")
    find.fill("two")
    for key, said, number in (("Enter", "1 of 2", 4), ("Enter", "2 of 2", 5), ("Shift+Enter", "1 of 2", 4)):
        find.press(key)
        expect(panel.locator(".wslab-find")).to_contain_text(said)
        expect(panel.locator(".wslab-selected")).to_have_attribute("data-number", str(number))
    notebook.select_cell(5)
    assert not notebook.command("notebook:run-cell"), "there is no opcode 16"
    assert "opcode" in notebook.errors()[0]


def test_both_state_machines_follow_the_moment_that_one_steps_to(lab_page: LabPages) -> None:
    notebook = lab_page(CONVERSATION, "lab", "print(lab.panel.paused, lab.panel.position, lab.panel.selected)", "lab")
    notebook.run(0, 1, 3)
    panel, other = notebook.panels.first, notebook.panels.nth(1)
    expect(rows(panel)).to_have_count(14)
    assert states(panel) == ["CLOSED", "CLOSED"]
    back, forward = (panel.get_by_role("button", name=f"Step {way}") for way in ("back", "forward"))
    slider = panel.get_by_role("slider", name="Moment")
    panel.get_by_role("button", name="Filter, find, step").click()
    for _ in range(3):
        back.click()
    expect(panel.locator(".wslab-selected")).to_have_attribute("data-number", "10")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"record 11 of 14, \d\.\d{4} s"))
    for view in (panel, other):
        assert states(view) == ["CLOSING", "CLOSING"]
        expect(view.locator(".wslab-why").first).to_have_text("sent a close frame, RFC 6455 7.1.3")
        expect(view.locator(".wslab-to-come")).to_have_count(3)
        expect(view.locator(".wslab-now")).to_be_visible()
    back.click()
    assert states(panel) == ["OPEN", "OPEN"]
    panel.get_by_role("button", name="First record").click()
    assert states(panel) == ["CONNECTING", "CONNECTING"]
    forward.click()
    assert states(panel) == ["OPEN", "OPEN"]
    notebook.run(2)
    assert notebook.text(2) == "True 1 1\n"
    panel.get_by_role("button", name="Go on").click()
    assert states(other) == ["CLOSED", "CLOSED"]
    expect(panel.locator(".wslab-to-come")).to_have_count(0)


CROSSING = """
from wslab import LabPanel, Sender, Trace, build_frame
trace = Trace()
client, server = trace.join(Sender.CLIENT, 1), trace.join(Sender.SERVER, 1)
ours, theirs = build_frame("ours", mask=b"1234"), build_frame("theirs")
client.sent(ours); server.sent(theirs); server.received(ours); client.received(theirs)
client.sent(build_frame("on its way", mask=b"1234"))
LabPanel(trace)
"""
SHAFTS = """
(panel) => [...panel.querySelectorAll(".wslab-arrow-shaft[d^=M]")].map((path) =>
  [path.dataset.sender, [...path.getAttribute("d").matchAll(/[-.\\d]+/g)].map(Number)])
"""


def test_what_was_sent_at_the_same_time_crosses_on_the_ladder(lab_page: LabPages) -> None:
    notebook = lab_page(CROSSING)
    notebook.run(0)
    panel = notebook.panels.first
    expect(rows(panel)).to_have_count(3)
    shafts = dict(panel.evaluate(SHAFTS))
    left, high, right, low, *waiting = shafts["client"]
    other_right, other_high, other_left, other_low = shafts["server"]
    assert left < other_left < other_right
    assert other_left < right < other_right
    assert high < other_high < other_low, "the second record is sent below the first"
    assert low > other_high, "the first arrives after the second was sent: the arrows cross"
    assert waiting[1] == waiting[3], "what was not received is level"
    assert waiting[2] < right - 5, "and does not reach the other lane"
    expect(panel.locator('[data-number="0"] .wslab-unseen')).to_contain_text("read after 1 further record")


def test_the_keyboard_alone_does_everything(lab_page: LabPages) -> None:
    notebook, panel = show_greeting(lab_page)
    cells = notebook.page.locator(".jp-Notebook-cell").count()
    press, focused = notebook.page.keyboard.press, notebook.page.locator(":focus")
    panel.get_by_role("button", name="Filter, find, step").press("Enter")
    reached = []
    while focused.get_attribute("role") != "grid":
        press("Tab")
        reached.append(focused.get_attribute("aria-label") or focused.inner_text().strip())
    controls = ("server", "control", "Opcode", "Text", "Find the next", "Pause", "Step back ([)", "Moment")
    assert [name for name in controls if name not in reached] == []

    press("End")
    expect(panel.locator(".wslab-title")).to_contain_text("No. 3")
    press("ArrowUp")
    expect(panel.locator(".wslab-title")).to_contain_text("No. 2")
    panel.get_by_role("button", name="Filter, find, step").press("Enter")
    expect(panel.locator(".wslab-moment")).to_be_hidden()
    panel.get_by_role("grid", name="Records").focus()
    press("[")
    expect(panel.locator(".wslab-title")).to_contain_text("No. 2")
    expect(panel.locator(".wslab-moment")).to_be_visible()  # what steps unfolds by itself
    press("[")
    expect(panel.locator(".wslab-title")).to_contain_text("No. 1")
    press("]")
    expect(panel.locator(".wslab-moment")).to_contain_text("record 3 of 4")
    expect(panel.locator(".wslab-byte").first).to_have_text("81")
    while "wslab-byte" not in (focused.get_attribute("class") or ""):
        press("Tab")
    press("ArrowRight")
    expect(panel.locator(".wslab-byte").nth(1)).to_be_focused()
    expect(panel.locator(".wslab-field.wslab-lit")).to_contain_text(["MASK", "Payload"])
    for key in "dd":  # JupyterLab deletes a cell on these, but not from in here
        press(key)
    assert notebook.page.locator(".jp-Notebook-cell").count() == cells


def test_a_press_counts_though_records_come_before_the_release(lab_page: LabPages) -> None:
    notebook, panel = show_greeting(lab_page, "await ws.send('again'); await ws.recv()")
    unfold = panel.get_by_role("button", name="Filter, find, step, save")
    if unfold.get_attribute("aria-expanded") == "false":
        unfold.click()
    panel.get_by_role("button", name="Pause").get_by_text("Pause").hover()
    notebook.page.mouse.down()
    before = rows(panel).count()
    notebook.run(2)
    expect(rows(panel)).to_have_count(before + 2)
    notebook.page.mouse.up()
    expect(panel.get_by_role("button", name="Go on")).to_be_visible()


def test_two_views_of_one_lab_are_in_step_and_stay_readable_when_it_is_closed(lab_page: LabPages) -> None:
    notebook, first = show_greeting(
        lab_page,
        "lab",
        "await ws.send('again'); await ws.recv()",
        "lab.panel.selected = 4",
        "lab.panel.position = 1",
        "await lab.close()",
        "lab",
    )
    notebook.run(2, 3)
    second = notebook.panels.nth(1)
    expect(rows(first)).to_have_count(6)
    expect(rows(second)).to_have_count(6)
    rows(second).nth(2).click()
    expect(first.locator(".wslab-title")).to_contain_text("No. 2")
    second.locator(".wslab-byte").nth(8).click()
    expect(first.get_by_text("Byte 8 of 19")).to_be_visible()
    notebook.run(4)
    for panel in (first, second):
        expect(panel.locator(".wslab-title")).to_contain_text("No. 4")
        expect(panel.get_by_text("Byte 8 of 19")).to_have_count(0)
    notebook.run(5)
    for panel in (first, second):
        expect(panel.get_by_role("button", name="Go on")).to_be_visible()
        expect(panel.locator(".wslab-to-come")).to_have_count(4)
    second.get_by_role("button", name="handshake").click()
    for panel in (first, second):
        expect(rows(panel)).to_have_count(4)
    second.get_by_role("button", name="Show all").click()
    second.get_by_role("button", name="Go on").click()

    notebook.run(6)
    for panel in (first, second):
        expect(panel.get_by_text("this lab is closed")).to_be_visible()
        expect(panel.locator(".wslab-states [aria-current=step]").first).to_have_text("CLOSED")
    first.get_by_role("grid", name="Records").press("Home")
    expect(first.locator(".wslab-fields")).to_contain_text("GET")
    notebook.run(7)
    expect(notebook.panels.nth(2).get_by_text("this lab is closed")).to_be_visible()


def test_a_failing_handler_and_a_failing_request_are_told_in_words(lab_page: LabPages) -> None:
    notebook = lab_page(
        """
import wslab
lab = wslab.Lab(seed=1)
async def handler(ws):
    raise ValueError("the handler <b>tripped</b>")
await lab.serve(handler)
ws = await lab.connect()
await ws.wait_closed()
lab
""",
        "lab.panel.problem = 'ZeroDivisionError: by <b>nothing</b>'",
    )
    notebook.run(0)
    panel = notebook.panels.first
    note = panel.locator('[data-shape="note"]').first
    note.click()
    expect(panel.locator(".wslab-facts")).to_contain_text("the handler <b>tripped</b>")
    notebook.run(1)
    expect(panel.get_by_role("alert")).to_contain_text("ZeroDivisionError: by <b>nothing</b>")
    assert panel.locator("b", has_text="nothing").count() == 0


def test_a_notebook_without_its_kernel_shows_the_recording_as_text(lab_page: LabPages) -> None:
    notebook = lab_page(GREETING, "lab")
    notebook.run_all()
    expect(rows(notebook.panels.first)).to_have_count(4)
    notebook.reopen_without_kernel()
    saved = notebook.panels.first
    expect(saved.get_by_text("A saved view.")).to_be_visible()
    expect(saved).to_contain_text("Shift+Enter")
    expect(saved.locator(".wslab-snapshot")).to_contain_text('TEXT "Hello server!"')
    notebook.run_all()
    expect(rows(notebook.panels.first)).to_have_count(4)


def test_an_interrupt_reaches_a_cell_that_awaits_a_silent_peer(lab_page: LabPages) -> None:
    notebook, _ = show_greeting(lab_page, WAIT)
    notebook.start_cell(2)
    expect(notebook.page.locator(".jp-OutputArea-output").get_by_text("waiting")).to_be_visible()
    assert notebook.is_running(2)
    assert notebook.page.evaluate(INTERRUPT) < 1000  # ms
    assert not notebook.wait_end()
    assert [output["ename"] for output in notebook.outputs()[2] if output["output_type"] == "error"] in (
        ["KeyboardInterrupt"],
        ["CancelledError"],
    )


DAMAGED = """
import wslab
lab = wslab.Lab(seed=1)
await lab.serve()
async with lab.connect() as ws:
    await ws.send("Hello server!")
    await ws.recv()
await lab.close()
lab.trace.to_pcapng("whole.pcapng")
with open("whole.pcapng", "rb") as whole, open("cut.pcapng", "wb") as cut:
    cut.write(whole.read()[:-30])
found = wslab.Trace.open("cut.pcapng")
print(len(found.notes), found.notes[0])
wslab.LabPanel(found)
"""


def test_a_capture_opens_like_live_traffic_and_says_what_is_wrong_with_it(lab_page: LabPages) -> None:
    notebook = lab_page(DAMAGED, "print(wslab.LabPanel(found).file_notes == list(found.notes))")
    notebook.run(0)
    panel = notebook.panels.first
    rows(panel).filter(has_text="Hello server!").first.click()
    expect(panel.locator(".wslab-title")).to_contain_text("Hello server!")
    number, told = notebook.text(0).strip().split(" ", 1)
    notes = panel.get_by_role("group").filter(has_text="on the file that this was read from")
    expect(notes.get_by_role("listitem")).to_have_count(int(number))
    expect(notes.get_by_role("listitem").first).to_have_text(told)
    notebook.page.get_by_text("on the file that this was read from").click()
    expect(notes.get_by_role("listitem").first).to_be_hidden()
    notebook.run(1)
    assert notebook.text(1).strip() == "True"


FIRST_ARROW = """
(panel) => panel.querySelector(".wslab-sizer").getBoundingClientRect().top - panel.getBoundingClientRect().top
"""


def test_the_ladder_comes_first_and_what_is_written_on_it_explains_it(lab_page: LabPages) -> None:
    notebook, panel = show_greeting(
        lab_page, "lab.panel.notes = {2: 'the client <b>speaks</b> first'}", "lab", "await lab.close()"
    )
    assert panel.evaluate(FIRST_ARROW) < 120, "a row of controls, the states and the names of the columns"
    notebook.run(2, 3)
    expect(panel.locator('[data-number="2"] .wslab-arrowlabel')).to_have_text("the client <b>speaks</b> first")
    expect(panel.locator(".wslab-sizer .wslab-arrowlabel").filter(visible=True)).to_have_count(1)
    saved = notebook.outputs()[3][0]["data"]
    assert "the client <b>speaks</b> first" in "".join(saved["text/plain"])
    names = notebook.panels.evaluate_all("(panels) => panels.map((panel) => panel.ariaLabel)")
    assert names == ["Lab panel", "Lab panel 2"]

    notebook.run(4)
    told = panel.get_by_role("status").filter(has_text="A recording now")
    expect(told).to_be_visible()
    lowest, table = told.bounding_box(), panel.get_by_role("grid", name="Records").bounding_box()
    assert lowest is not None
    assert table is not None
    assert lowest["y"] >= table["y"] + table["height"], "it covers a record"
    expect(panel.get_by_role("button", name="Follow latest")).to_be_hidden()


RESTART = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"


def test_after_a_restart_every_panel_says_what_to_run(lab_page: LabPages) -> None:
    notebook = lab_page(
        GREETING, "lab", "composer = wslab.Composer(lab)\ncomposer", "wslab.HandshakeWorkbench(lab)",
        "wslab.FrameBuilder()",
    )  # fmt: skip
    notebook.run_all()
    expect(notebook.panels).to_have_count(4)
    expect(notebook.panels.nth(1).get_by_text("OPEN").first).to_be_visible()
    notebook.page.evaluate(RESTART)
    begins = ("lab", "composer = wslab.Composer(lab)", "wslab.HandshakeWorkbench(lab)", "wslab.FrameBuilder()")
    for panel, words in zip(notebook.panels.all(), begins, strict=True):
        told = panel.get_by_role("status").filter(has_text="No kernel answers")
        expect(told).to_be_visible(timeout=3000)
        expect(told).to_contain_text(f"the one that begins with {words}: click each and press Shift+Enter")
        expect(panel.get_by_role("button").filter(visible=True)).to_have_count(0)
        expect(panel.get_by_role("alert")).to_be_hidden()
    notebook.wait_ready()
    notebook.run_all()
    expect(rows(notebook.panels.first)).to_have_count(4)
    expect(notebook.panels.get_by_text("No kernel answers").filter(visible=True)).to_have_count(0)


REFUSED = """
import asyncio, wslab
lab = wslab.Lab(seed=1)
server = await lab.serve()
reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
writer.write(b"GET / HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n")
await reader.read()
"""


def test_an_http_body_is_drawn_as_its_head_is(lab_page: LabPages) -> None:
    notebook = lab_page(REFUSED, "lab")
    notebook.run(0, 1)
    panel = notebook.panels.first
    expect(panel.locator(".wslab-ladder .wslab-caption", has_text="HTTP body")).to_have_count(1)
    expect(panel.locator("path[data-line=unread]")).to_have_count(0)
    heads = panel.locator("path.wslab-arrow-head[data-line=handshake][data-sender=server]")
    assert (heads.get_attribute("d") or "").count("Z") == 2, "the 426's and its body's"
