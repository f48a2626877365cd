"""The live panel in the real JupyterLab."""

from __future__ import annotations

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


def rows(panel: Locator) -> Locator:
    return panel.locator(".wslab-scroller .wslab-row")


def show_greeting(lab_page: LabPages, *more: str) -> tuple[NotebookPage, Locator]:
    """A notebook that has said hello, and its panel with four records."""
    notebook = lab_page(GREETING, "lab", *more)
    notebook.run(0, 1)
    panel = notebook.panels.first
    expect(rows(panel)).to_have_count(4)
    return notebook, panel


def test_a_cell_that_ends_in_a_lab_shows_what_crossed(lab_page: LabPages) -> None:
    notebook, panel = show_greeting(lab_page)
    assert notebook.errors() == []
    captions = panel.locator(".wslab-ladder .wslab-caption").all_inner_texts()
    assert captions == ["GET /", "101 Switching Protocols", 'TEXT "Hello server!"', 'TEXT "Hello server!"']
    expect(panel.locator(".wslab-counts")).to_have_text("4 records · 4 kept · 0 dropped")
    assert panel.locator(".wslab-lane").all_inner_texts() == ["client\nOPEN", "server\nOPEN"]
    senders = rows(panel).evaluate_all("(rows) => rows.map((row) => row.dataset.sender)")
    assert senders == ["client", "server", "client", "server"]


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


def test_a_panel_goes_along_only_if_it_was_shown_before_anything_happened(lab_page: LabPages) -> None:
    traffic = """
async with lab.connect() as client:
    for number in range(30):
        await client.send(f"number {number}")
        await client.recv()
"""
    notebook = lab_page("from wslab import Lab\nlab = Lab()\nserver = await lab.serve()\nlab", traffic, "lab", traffic)
    notebook.run_all()
    watching, looking_back = notebook.panels.first, notebook.panels.nth(1)
    for panel in (watching, looking_back):
        expect(panel.locator(".wslab-counts")).to_have_text("132 records · 132 kept · 0 dropped")
    expect(watching.locator('[data-number="131"]')).to_be_visible()
    expect(looking_back.locator('[data-number="0"]')).to_be_visible()
    looking_back.get_by_role("button", name="Follow latest").click()
    expect(looking_back.locator('[data-number="131"]')).to_be_visible()


def test_a_panel_shown_by_a_cell_that_goes_on_computing_fills(lab_page: LabPages) -> None:
    notebook = lab_page(GREETING, "from IPython.display import display; import time\ndisplay(lab)\ntime.sleep(5)")
    notebook.run(0)
    notebook.start_cell(1)
    expect(rows(notebook.panels.first)).to_have_count(4)
    assert notebook.is_running(1), "the records came only after the cell had ended"


def test_click_and_keys_choose_a_record_and_explain_it(lab_page: LabPages) -> None:
    notebook, panel = show_greeting(lab_page, "print(lab.panel.selected)")
    rows(panel).nth(2).click()
    fields = panel.locator(".wslab-field")
    expect(fields.first).to_contain_text("FIN")
    expect(panel.locator(".wslab-byte").first).to_have_text("81")
    expect(panel.locator(".wslab-title")).to_contain_text('TEXT "Hello server!"')

    mask = fields.filter(has_text="asking")
    mask.last.hover()
    lit = panel.locator(".wslab-byte.wslab-lit")
    assert lit.count() > 0
    panel.locator(".wslab-byte").first.hover()
    expect(fields.first).to_have_class("wslab-field wslab-lit")

    panel.get_by_role("grid", name="Records").focus()
    notebook.page.keyboard.press("ArrowUp")
    expect(panel.locator(".wslab-title")).to_contain_text("101 Switching Protocols")
    expect(panel.locator(".wslab-fields")).to_contain_text("Switching Protocols")
    notebook.page.keyboard.press("Home")
    expect(panel.locator(".wslab-title")).to_contain_text("GET /")
    notebook.run(2)
    assert notebook.text(2) == "0\n"
    panel.get_by_role("button", name="Clear selection").click()
    expect(panel.locator(".wslab-hint")).to_contain_text("Select a record")


def test_bytes_and_fields_are_reached_with_the_keyboard_alone(lab_page: LabPages) -> None:
    notebook, panel = show_greeting(lab_page)
    cells = notebook.page.locator(".jp-Notebook-cell").count()
    panel.get_by_role("grid", name="Records").focus()
    press = notebook.page.keyboard.press
    press("End")
    expect(panel.locator(".wslab-title")).to_contain_text("No. 3")
    expect(panel.locator(".wslab-byte").first).to_have_text("81")
    press("Tab")
    expect(panel.locator(".wslab-byte").first).to_be_focused()
    press("ArrowRight")
    press("ArrowRight")
    expect(panel.locator(".wslab-byte").nth(2)).to_be_focused()
    expect(panel.locator(".wslab-field.wslab-lit")).to_contain_text(["Payload"])
    press("Tab")
    press("End")
    expect(panel.locator(".wslab-field").last).to_be_focused()
    for key in "dd":  # JupyterLab deletes a cell on these, but not from in here
        press(key)
    assert notebook.page.locator(".jp-Notebook-cell").count() == cells


def test_a_second_request_seconds_later_is_answered_too(lab_page: LabPages) -> None:
    """The second one comes on another thread with another event loop: JupyterLab's subshell."""
    notebook, panel = show_greeting(lab_page)
    rows(panel).nth(0).click()
    expect(panel.locator(".wslab-field").first).to_be_visible()
    time.sleep(5)  # the trap needs the pause
    for number in (3, 2, 1):
        rows(panel).nth(number).click()
        expect(panel.locator(".wslab-title")).to_contain_text(f"No. {number}")
        expect(panel.locator(".wslab-field").first).to_be_visible()
    assert notebook.errors() == []
    expect(panel.locator(".wslab-problem")).to_be_hidden()


def test_two_views_of_one_lab_share_records_and_selection(lab_page: LabPages) -> None:
    notebook, first = show_greeting(
        lab_page, "lab", "await ws.send('again'); await ws.recv()", "lab.panel.selected = 4"
    )
    notebook.run(2, 3)
    second = notebook.panels.nth(1)
    expect(rows(first)).to_have_count(6)
    expect(rows(second)).to_have_count(6)
    rows(second).nth(2).click()
    expect(first.locator(".wslab-title")).to_contain_text("No. 2")
    notebook.run(4)
    expect(second.locator(".wslab-title")).to_contain_text("No. 4")
    expect(first.locator(".wslab-title")).to_contain_text("No. 4")


def test_a_closed_lab_says_so_and_stays_readable(lab_page: LabPages) -> None:
    notebook, panel = show_greeting(lab_page, "await lab.close()", "lab")
    notebook.run(2)
    expect(panel.get_by_text("This lab is closed")).to_be_visible()
    expect(panel.locator(".wslab-lane").first).to_contain_text("CLOSED")
    rows(panel).nth(0).click()
    expect(panel.locator(".wslab-fields")).to_contain_text("GET")
    notebook.run(3)
    expect(notebook.panels.nth(1).get_by_text("This lab is closed")).to_be_visible()


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
        "lab.panel.send({'tell': 'problem', 'text': 'ZeroDivisionError: by <b>nothing</b>'})",
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
