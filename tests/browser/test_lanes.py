"""Chunks, frames and messages in the real JupyterLab: nothing is asked for while they are closed."""

from __future__ import annotations

import pytest
from conftest import LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

TRAFFIC = """
from wslab import LabPanel, Sender, Trace, build_frame
from wslab.protocol import build_request, build_response
trace = Trace()
client, server = trace.join(Sender.CLIENT, "one"), trace.join(Sender.SERVER, "one")
request, response = bytes(build_request()), bytes(build_response())
client.sent(request); server.received(request); server.sent(response); client.received(response)
data = build_frame("one", fin=False) + build_frame("p", opcode=9) + build_frame("two", opcode=0)
server.sent(data)
for place in range(len(data)):
    client.received(data[place:place + 1])
panel = LabPanel(trace, selected=2)
asked = []
panel.on_msg(lambda _, content, buffers: asked.append(content["ask"]))
panel
"""


def test_chunks_frames_and_messages_over_the_same_bytes(lab_page: LabPages) -> None:
    notebook = lab_page(TRAFFIC, "print(asked.count('lanes'))", "print(panel.selected, panel.lanes_open)")
    notebook.run(0)
    panel = notebook.panels.first
    expect(panel.locator(".wslab-title")).to_contain_text("No. 2")
    notebook.run(1)
    assert notebook.text(1) == "0\n", "the lanes were asked for while nobody could see them"

    button = panel.get_by_role("button", name="TCP chunks, frames, messages")
    button.focus()
    notebook.page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(panel.locator(".wslab-lesson")).to_contain_text("2 writes, 14 reads, 3 frames, 1 message")
    spoken = panel.locator(".wslab-lanebody li")
    expect(spoken.nth(1)).to_have_text("server wrote bytes 129 to 141 as one chunk; client read them in 13 chunks.")

    frames = panel.locator(".wslab-laneframe")
    expect(frames).to_have_count(4)
    chosen = panel.locator('.wslab-laneframe[aria-pressed="true"]')
    expect(chosen).to_contain_text('TEXT "one"')
    # The message lies over its two fragments and leaves the ping out; both ends' bytes stand over the frame's.
    pieces = panel.locator(".wslab-message")
    expect(pieces).to_have_count(2)
    left, right = pieces.nth(0).bounding_box(), pieces.nth(1).bounding_box()
    ping = frames.filter(has_text="PING").bounding_box()
    assert left
    assert right
    assert ping
    assert left["x"] + left["width"] <= ping["x"] + 1
    assert right["x"] >= ping["x"] + ping["width"] - 1

    frames.filter(has_text="PING").click()
    expect(panel.locator(".wslab-title")).to_contain_text("No. 3")
    expect(chosen).to_contain_text("PING")
    expect(chosen).to_be_focused()
    notebook.run(2)
    assert notebook.text(2) == "3 True\n"
