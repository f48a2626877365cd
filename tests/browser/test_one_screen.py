"""Each panel fits one screen, and the answer to a question stands beside the button that asked it."""

from __future__ import annotations

import pytest
from conftest import LabPages, NotebookPage
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

SCREEN = {"width": 1280, "height": 800}
TALLEST = 700  # px
NEAR = 160  # px between a button and the beginning of what it was answered
TALK = """
from wslab import ByteInspector, ClosingPanel, Composer, FrameBuilder, HandshakeWorkbench, Lab, build_frame
lab = Lab(seed=1)
await lab.serve()
async with lab.connect() as ws:
    await ws.send("Hello")
    await ws.recv()
await lab.settled()
"""
COMPOSER = "ws = await lab.connect()\ncomposer = Composer(lab)\ncomposer"
PANELS = {
    "Lab panel": "lab",
    "Composer": COMPOSER,
    "Frame builder": "FrameBuilder('Hello', length_form=16)",
    "Byte inspector": "ByteInspector(build_frame('Hello', mask=b'7abc'))",
    "Closing panel": "ClosingPanel(lab, connection=0)",
    "Handshake workbench": "bench = HandshakeWorkbench(lab)\nbench",
}
# What scrolls up and down inside a panel.
SCROLLED = """
(panel) => [...panel.querySelectorAll("*")].filter((node) => node.checkVisibility() && node.clientHeight > 0
  && node.scrollHeight > node.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(node).overflowY))
  .map((node) => node.className)
"""


def box(node: Locator) -> tuple[float, float]:
    """The top and the bottom of what is seen."""
    found = node.bounding_box()
    assert found is not None, f"{node} is not seen"
    return found["y"], found["y"] + found["height"]


def apart(asked: Locator, answered: Locator) -> float:
    """How many px lie between the button and the beginning of the answer."""
    top, bottom = box(asked)
    begin, _ = box(answered)
    return max(0.0, begin - bottom, top - begin)


def both_on_screen(notebook: NotebookPage, asked: Locator, answered: Locator) -> bool:
    """Whether the button and the answer's end are seen at once, where the button was pressed."""
    notebook_top = box(notebook.page.locator(".jp-WindowedPanel-outer").first)[0]
    return box(asked)[0] >= notebook_top and box(answered)[1] <= SCREEN["height"]


def test_every_panel_fits_one_screen(lab_page: LabPages) -> None:
    notebook = lab_page(TALK, *PANELS.values())
    notebook.run_all()
    notebook.page.set_viewport_size({"width": SCREEN["width"], "height": 6000})
    for name in PANELS:
        expect(notebook.page.get_by_role("region", name=name, exact=True)).to_be_visible()
    notebook.page.wait_for_function("() => document.querySelectorAll('.wslab-field').length > 8")
    workbench = notebook.page.get_by_role("region", name="Handshake workbench", exact=True)
    for name in PANELS:
        panel = notebook.page.get_by_role("region", name=name, exact=True)
        top, bottom = box(panel)
        assert bottom - top <= TALLEST, name
        assert panel.evaluate(SCROLLED) == [], name
    workbench.get_by_role("button", name="Send").click()
    expect(workbench.get_by_role("group", name="The answer")).to_contain_text("101 Switching Protocols")
    for tab in workbench.get_by_role("tab").all():
        tab.click()
        top, bottom = box(workbench)
        assert bottom - top <= TALLEST, tab.inner_text()
        assert workbench.evaluate(SCROLLED) == [], tab.inner_text()


def test_the_lab_panel_fits_one_screen_whatever_is_selected(lab_page: LabPages) -> None:
    notebook = lab_page(TALK, "lab")
    notebook.run_all()
    notebook.page.set_viewport_size({"width": SCREEN["width"], "height": 6000})
    panel = notebook.panels.first
    every_field = panel.locator("summary", has_text="Every field")
    for number, words in enumerate(("GET /", "101 Switching Protocols", 'TEXT "Hello"', 'TEXT "Hello"', "CLOSE 1000")):
        panel.locator(".wslab-scroller .wslab-row").nth(number).click()
        expect(panel.locator(".wslab-title")).to_contain_text(f"No. {number}{words}")
        expect(panel.locator(".wslab-byte").first).to_be_visible()
        top, bottom = box(panel)
        assert bottom - top <= TALLEST, words
        assert panel.evaluate(SCROLLED) == [], words
    every_field.press("Enter")
    expect(panel.locator(".wslab-field").first).to_be_visible()
    panel.get_by_role("grid", name="Records").press("Home")
    expect(panel.locator(".wslab-title")).to_contain_text("No. 0")
    expect(panel.locator(".wslab-field").first).to_be_visible()  # it stays unfolded


def test_the_composers_answers_stand_beside_its_buttons(lab_page: LabPages) -> None:
    notebook = lab_page(TALK, COMPOSER)
    notebook.run(0, 1)
    notebook.page.set_viewport_size(SCREEN)
    panel = notebook.panels.first
    library, bytes_ = (panel.get_by_role("group", name=name) for name in ("Through the library", "The bytes"))
    for place, button, words in (
        (bytes_, "Send these 11 bytes", 'server TEXT "Hello"'),
        (library, "Send as a text message", 'server TEXT "Hello"'),
        (library, "Ping", 'server PONG "Hello"'),
    ):
        asked, answer = place.get_by_role("button", name=button), place.get_by_role("status").filter(has_text="answer")
        asked.click()
        expect(answer).to_contain_text(words)
        assert apart(asked, answer) < NEAR, button
        assert both_on_screen(notebook, asked, answer), button

    panel.get_by_role("combobox", name="Opcode").select_option("3")
    asked = bytes_.get_by_role("button", name="Send these 11 bytes")
    asked.click()
    answer = bytes_.get_by_role("status").filter(has_text="answer")
    expect(answer).to_contain_text("CLOSE 1002")
    again = bytes_.get_by_role("button", name="Open a client and send by it")
    expect(again).to_be_visible()
    assert apart(asked, answer) < NEAR
    assert apart(asked, again) < NEAR
    assert both_on_screen(notebook, asked, again)
    top, bottom = box(panel)
    assert bottom - top <= TALLEST
    again.click()
    expect(asked).to_be_enabled()
    expect(again).to_be_hidden()


def test_the_workbenchs_answer_stands_beside_its_request(lab_page: LabPages) -> None:
    notebook = lab_page(TALK, "bench = HandshakeWorkbench(lab)\nbench")
    notebook.run(0, 1)
    notebook.page.set_viewport_size(SCREEN)
    panel = notebook.panels.first
    request, asked = panel.get_by_role("textbox", name="The request"), panel.get_by_role("button", name="Send")
    answer = panel.get_by_role("group", name="The answer")
    asked.click()
    expect(answer).to_contain_text("101 Switching Protocols")
    assert both_on_screen(notebook, asked, answer)
    request.fill(request.input_value().replace("Upgrade: websocket\n", ""))
    asked.click()
    expect(answer).to_contain_text("426 Upgrade Required")
    assert both_on_screen(notebook, asked, answer)
    (left, right) = (node.bounding_box() for node in (request, answer))
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"], "the answer stands beside the request"
    assert abs(left["y"] - right["y"]) < 60
