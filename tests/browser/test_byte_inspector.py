"""The byte inspector in the real JupyterLab: each view of a byte lights the others, and the text is edited."""

from __future__ import annotations

import pytest
from conftest import LabPages
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

SHOW = """
from wslab.panels.byte_inspector.byte_inspector import ByteInspector
inspector = ByteInspector("81 85 37 fa 21 3d 7f 9f 4d 51 58", sender="client")
inspector
"""
LIT = "(nodes) => nodes.map((node) => node.classList.contains('wslab-lit'))"


def lit_bytes(panel: Locator) -> list[int]:
    """Places of the bytes that are lit in the grid."""
    lit = panel.locator(".wslab-byte[role=gridcell]").evaluate_all(LIT)
    return [place for place, yes in enumerate(lit) if yes]


def test_bytes_bits_and_fields_light_each_other_and_a_picked_one_stays(lab_page: LabPages) -> None:
    notebook = lab_page(SHOW, "print(inspector.picked)", "inspector", "inspector.picked = 2")
    notebook.run(0)
    panel = notebook.panels.first
    fields, line = panel.locator(".wslab-field"), panel.locator(".wslab-pickedbyte")
    expect(fields).to_have_count(9)

    fields.filter(has_text="Masking-key").hover()
    assert lit_bytes(panel) == [2, 3, 4, 5]
    cells = panel.locator(".wslab-bitfield.wslab-lit")
    expect(cells).to_have_text(["Masking-key37fa", "Masking-key (continued)213d"])
    panel.locator(".wslab-bitfield", has_text="opcode").hover()
    expect(panel.locator(".wslab-field.wslab-lit")).to_contain_text(["opcode"])

    panel.locator(".wslab-byte").nth(8).click()
    panel.locator(".wslab-hexfield").hover()  # away
    assert lit_bytes(panel) == [6, 7, 8, 9, 10]
    expect(line).to_contain_text("Byte 8 of 11")
    expect(line).to_contain_text("0x4d 01001101 XOR key[2] 0x21 00100001 = 0x6c 01101100 'l'")
    expect(panel.locator(".wslab-sum")).to_contain_text("Payload byte 2")
    notebook.run(1, 2)
    assert notebook.text(1) == "8\n"
    second = notebook.panels.nth(1)
    expect(second.locator(".wslab-byte.wslab-picked")).to_have_text("4d")
    notebook.run(3)
    for view in (panel, second):
        expect(view.locator(".wslab-byte.wslab-picked")).to_have_text("37")

    press = notebook.page.keyboard.press
    panel.locator(".wslab-byte.wslab-picked").focus()
    for key in ("End", "ArrowUp"):
        press(key)
    expect(line).to_contain_text("Byte 2 of 11")
    expect(second.locator(".wslab-byte.wslab-picked")).to_have_text("37")
    press("Escape")
    expect(panel.locator(".wslab-lit")).to_have_count(0)
    expect(second.locator(".wslab-picked")).to_have_count(0)

    # Where room is short the figure wraps, and what had the focus keeps it.
    numbers = panel.locator(".wslab-bitnumber")
    expect(numbers).to_have_count(32)
    notebook.page.set_viewport_size({"width": 800, "height": 900})
    expect(numbers).to_have_count(16)
    expect(panel.locator(".wslab-byte").nth(2)).to_be_focused()
    assert panel.evaluate("(node) => node.scrollWidth - node.clientWidth") == 0


def test_the_text_is_edited_and_nothing_of_it_is_lost(lab_page: LabPages) -> None:
    notebook = lab_page(SHOW, "print(inspector.data_hex, inspector.read_as)", "inspector.data_hex = '88 02 03 ee'")
    notebook.run(0)
    panel = notebook.panels.first
    text = panel.get_by_label("Bytes, as hex")
    text.fill("81 05 48 65 6c 6c 6")
    expect(panel.locator(".wslab-trouble")).to_contain_text("line 1, character 19: the digit '6' stands alone")
    expect(text).to_have_value("81 05 48 65 6c 6c 6")
    expect(panel.locator(".wslab-field", has_text="Masking-key")).to_have_count(1)  # what was read last
    text.press("End")
    text.press("f")
    expect(panel.locator(".wslab-trouble")).to_be_empty()
    expect(panel.locator(".wslab-violation")).to_contain_text("client-frame-not-masked")
    panel.get_by_label("Read as").select_option("server")
    expect(panel.locator(".wslab-violation")).to_have_count(0)
    notebook.run(1)
    assert notebook.text(1) == "81 05 48 65 6c 6c 6f server\n"

    notebook.run(2)
    expect(text).to_have_value("88 02 03 ee")
    broken = panel.get_by_role("button", name="close-code-never-sent")
    broken.focus()
    assert lit_bytes(panel) == [2, 3]
    wrong = panel.locator(".wslab-digits > .wslab-wrong")
    expect(wrong).to_have_text(["03", "ee"])
    assert wrong.first.evaluate("(node) => getComputedStyle(node).textDecorationStyle") == "wavy"
    expect(panel.locator(".wslab-bitfield .wslab-bang")).to_have_count(1)


def test_a_stream_is_stepped_through_and_a_compressed_payload_inflated(lab_page: LabPages) -> None:
    notebook = lab_page(
        "from wslab.panels.byte_inspector.byte_inspector import ByteInspector\n"
        "ByteInspector('01 03 6f 6e 65 89 00 80 03 74 77 6f c1 07 f2 48 cd c9 c9 07 00', read_as='server stream')"
    )
    notebook.run(0)
    panel = notebook.panels.first
    title = panel.locator(".wslab-title")
    forth = panel.get_by_role("button", name="Next")
    for name, offset in (("PING frame", 5), ("CONTINUATION frame", 7), ("TEXT frame", 12)):
        forth.click()
        expect(title).to_contain_text(name)
        expect(title).to_contain_text(f"from byte {offset} of the stream")
    expect(forth).to_be_disabled()
    panel.get_by_label("permessage-deflate").check()
    inflating = panel.get_by_label("Inflating", exact=True)
    expect(inflating).to_contain_text("7 bytes on the wire, 5 after inflating")
    expect(inflating.locator("pre")).to_contain_text(["f2 48 cd c9 c9 07 00", "48 65 6c 6c 6f"])
    assert notebook.errors() == []
