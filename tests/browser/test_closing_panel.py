"""The closing panel in the real JupyterLab."""

from __future__ import annotations

import pytest
from conftest import LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

AT_ONCE = """
import asyncio, threading
from wslab import Lab
from wslab.panels.closing_panel.closing_panel import ClosingPanel
now = asyncio.Event()
async def close_when_told(connection):
    await now.wait()
    await connection.close(4002, "the server goes")
lab = Lab(seed=8, carrier="memory")
await lab.serve(close_when_told)
ws = await lab.connect()
"""
GOODBYE = """
now.set()
await ws.close(4001, "the client goes")
"""
VANISHED = """
import asyncio
from wslab import Lab
from wslab.panels.closing_panel.closing_panel import ClosingPanel
lab = Lab(seed=8)
await lab.serve()
async with lab.connect() as orderly:
    await orderly.send("Hello")
raw = await lab.raw(listen=True)
ws, _ = await asyncio.gather(lab.connect(raw.uri), raw.handshake())
await raw.reset()
await ws.wait_closed()
ClosingPanel(lab)
"""


def test_both_at_once_are_two_ways_and_clicks_choose_their_records(lab_page: LabPages) -> None:
    notebook = lab_page(
        AT_ONCE,
        "panel = ClosingPanel(lab)\nthreads = []\n"
        "panel.observe(lambda change: threads.append(threading.current_thread().name), names='selected')\npanel",
        GOODBYE,
        "panel.selected = 3",
        "print(threads)",
    )
    notebook.run(0, 1)
    panel = notebook.panels.first
    expect(panel.locator(".wslab-summary")).to_contain_text("Nobody has said goodbye yet.")
    notebook.run(2)
    expect(panel.locator(".wslab-summary")).to_contain_text("Both ends said goodbye at once")
    steps = panel.get_by_role("list", name="The way through the states").get_by_role("button")
    expect(steps.nth(2)).to_contain_text("client sent a close frame: OPEN → CLOSING")
    expect(steps.nth(3)).to_contain_text("server sent a close frame: OPEN → CLOSING")
    drawn = panel.locator(".wslab-lanefigure[data-sender=server] .wslab-made .wslab-event")
    expect(drawn).to_have_text(["sent 101", "sent a close frame", "TCP connection closed"])

    panel.get_by_text("The two state machines, drawn").click()
    notebook.run(3)
    lit = panel.locator(".wslab-edge.wslab-lit")
    expect(lit.locator(".wslab-event")).to_have_text("sent a close frame")
    expect(lit).to_have_attribute("data-places", "4")
    expect(steps.nth(3)).to_have_attribute("aria-pressed", "true")

    panel.locator("[data-places='3'] .wslab-event").click()
    expect(steps.nth(2)).to_have_attribute("aria-pressed", "true")
    steps.nth(5).focus()
    notebook.page.keyboard.press("Enter")
    expect(lit).to_have_count(2)  # one FIN closed TCP for both
    notebook.run(4)
    names = eval(notebook.text(4))
    assert names[0] == "MainThread"
    assert names[-1].startswith("subshell-")
    assert len(names) == 3


def test_a_peer_that_vanished_is_reported_as_1006_which_never_crossed(lab_page: LabPages) -> None:
    notebook = lab_page(VANISHED)
    notebook.run(0)
    panel = notebook.panels.first
    expect(panel.locator(".wslab-summary")).to_contain_text(
        "Not clean. TCP ended without a Close frame from either end."
    )
    client = panel.get_by_role("row", name="Its program reports").get_by_role("cell").first
    expect(client).to_contain_text("1006, since no Close frame came from the server")
    expect(client).to_contain_text("1006 never crossed the wire")
    expect(panel.get_by_role("row", name="End of its stream")).to_contain_text("RST first")
    expect(panel.locator(".wslab-made .wslab-event")).to_have_text(
        ["received 101", "TCP connection closed", "sent 101", "TCP connection closed"]
    )

    panel.get_by_role("combobox", name="Connection").select_option("0")
    expect(panel.locator(".wslab-summary")).to_contain_text("Clean. Each end sent a Close frame")
    expect(panel.get_by_role("row", name="Close frame it sent")).to_contain_text("CLOSE 1000 first")
    assert notebook.errors() == []
