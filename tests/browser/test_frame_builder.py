"""The frame builder in the real JupyterLab."""

from __future__ import annotations

import pytest
from conftest import LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

BUILDER = """
import threading
from wslab.panels.frame_builder.frame_builder import FrameBuilder
threads = []
builder = FrameBuilder()
builder.observe(lambda change: threads.append(threading.current_thread().name), names=["fin", "payload", "length_form"])
builder
"""


def test_a_length_that_is_not_minimal_parts_the_judges(lab_page: LabPages) -> None:
    notebook = lab_page(BUILDER, "print(builder.data.hex(' '))\nprint(builder.payload)")
    notebook.run(0)
    panel = notebook.panels.first
    said = panel.locator(".wslab-comparison")
    expect(said).to_have_text("Both judges accept.")
    panel.get_by_role("radio", name="16 bits").check()
    expect(said).to_contain_text(
        "The judges differ: RFC 6455 5.2 says “Note that in all cases, the minimal number of bytes"
    )
    expect(said).to_contain_text("wsproto enforces it, websockets does not.")
    expect(panel.get_by_role("group", name="What wsproto says")).to_contain_text(
        "fails the connection with 1002 because “Payload length used 2 bytes"
    )
    expect(panel.get_by_role("group", name="What websockets says")).to_contain_text("accepted")
    expect(panel.get_by_role("group", name="Bytes", exact=True)).to_have_text("81 fe 00 05 37 fa 21 3d 7f 9f 4d 51 58")
    expect(panel.locator(".wslab-violations")).to_contain_text("length-not-minimal")

    payload = panel.get_by_role("textbox", name="Payload")
    payload.fill("Hello <b>you</b>")
    expect(panel.get_by_role("group", name="Python")).to_contain_text('build_frame("Hello <b>you</b>", opcode=1')
    panel.get_by_role("radio", name="as hex").check()
    payload.fill("48 6")
    expect(panel.get_by_role("alert").filter(has_text="stands alone")).to_be_visible()
    payload.fill("48 69")
    expect(panel.get_by_role("alert").filter(visible=True)).to_have_count(0)
    panel.get_by_role("button", name="Set the length right").click()
    expect(panel.get_by_role("group", name="Bytes", exact=True)).to_have_text("81 82 37 fa 21 3d 7f 93")
    notebook.run(1)
    assert notebook.text(1).splitlines() == ["81 82 37 fa 21 3d 7f 93", "48 69"]


def test_the_bits_are_toggled_by_the_keyboard_alone(lab_page: LabPages) -> None:
    notebook = lab_page(BUILDER)
    notebook.run(0)
    panel = notebook.panels.first
    cells = notebook.page.locator(".jp-Notebook-cell").count()
    press = notebook.page.keyboard.press
    panel.get_by_role("button", name="FIN, bit 0: 1").focus()
    press("ArrowRight")
    press("ArrowRight")
    press("Space")
    expect(panel.get_by_role("button", name="RSV2, bit 2: 1", pressed=True)).to_be_focused()
    expect(panel.locator(".wslab-comparison")).to_contain_text("Both judges refuse, by the same rule: RFC 6455 5.2")
    press("Enter")
    press("End")
    press("Space")
    expect(panel.get_by_role("button", name="Payload len, bit 15: 0")).to_be_focused()
    expect(panel.get_by_role("status").filter(has_text="reads the last byte")).to_be_visible()
    expect(panel.get_by_role("group", name="Bytes", exact=True)).to_have_text("81 84 37 fa 21 3d 7f 9f 4d 51 58")
    press("Space")
    expect(panel.get_by_role("button", name="Set the length right")).to_be_disabled()
    press("ArrowUp")
    press("ArrowRight")
    expect(panel.get_by_role("button", name="MASK, bit 8: 1")).to_be_focused()
    press("Space")
    expect(panel.get_by_role("textbox", name="Masking key")).to_be_hidden()
    expect(panel.locator(".wslab-comparison")).to_contain_text("RFC 6455 5.1")
    for key in "dd":  # JupyterLab deletes a cell on these, but not from in here
        press(key)
    assert notebook.page.locator(".jp-Notebook-cell").count() == cells


def test_a_script_moves_every_view(lab_page: LabPages) -> None:
    notebook = lab_page(
        BUILDER, "builder", "builder.fin = False\nbuilder.opcode = 9\nbuilder.payload = 'again'", "print(threads)"
    )
    notebook.run(0, 1, 2)
    for view in (notebook.panels.first, notebook.panels.nth(1)):
        expect(view.get_by_role("button", name="FIN, bit 0: 0", pressed=False)).to_be_visible()
        expect(view.get_by_role("textbox", name="Payload")).to_have_value("again")
        expect(view.locator(".wslab-comparison")).to_contain_text("RFC 6455 5.5")
    for digit in "10":  # the second click comes on another thread with another event loop
        notebook.panels.nth(1).get_by_role("button", name="FIN, bit 0").click()
        first = notebook.panels.first
        expect(first.get_by_role("button", name=f"FIN, bit 0: {digit}")).to_be_visible()
        expect(first.get_by_role("group", name="Bytes", exact=True)).to_contain_text("89" if digit == "1" else "09")
    notebook.run(3)
    names = eval(notebook.text(3))
    assert len(names) == 4
    assert names[0] == "MainThread"
    assert names[-1].startswith("subshell-")
