"""What a person takes away: bytes by the clipboard, pictures and recordings as files, records as a data frame."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import LabPages
from playwright.sync_api import expect

from wslab import Trace

pytestmark = pytest.mark.browser

TALK = """
from wslab import ByteInspector, Lab
lab = Lab(seed=1)
await lab.serve()
async with lab.connect() as ws:
    await ws.send("Hello")
    await ws.recv()
await lab.settled()
lab
"""


def test_bytes_picture_and_recording_leave_the_panel(lab_page: LabPages, tmp_path: Path) -> None:
    notebook = lab_page(
        TALK, "ByteInspector('81 05 48 65 6c 6c 6f')",
        "lab.panel.selected = 3; lab.panel.kinds = ['data']\nprint(len(lab.panel.shown), len(lab.panel.selection))",
    )  # fmt: skip
    notebook.run(0, 1)
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel, inspector = notebook.panels.first, notebook.panels.nth(1)
    inspector.get_by_role("button", name="Copy these bytes as hex").click()
    expect(inspector.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    assert notebook.page.evaluate("() => navigator.clipboard.readText()") == "81 05 48 65 6c 6c 6f"

    panel.get_by_role("button", name="Filter, find, step, save").click()
    with notebook.page.expect_download() as saved:
        panel.get_by_role("button", name="Save the recording").click()
    assert saved.value.suggested_filename == "recording.pcapng"
    saved.value.save_as(tmp_path / "recording.pcapng")
    said = [record.summary for record in Trace.open(tmp_path / "recording.pcapng").records]
    assert said[2:4] == ['TEXT "Hello"', 'TEXT "Hello"']
    with notebook.page.expect_download() as saved:
        inspector.get_by_role("button", name="Save the picture").click()
    saved.value.save_as(tmp_path / "picture.svg")
    assert saved.value.suggested_filename.endswith(".svg")
    assert "48 65 6c 6c 6f" in (tmp_path / "picture.svg").read_text(encoding="utf-8").replace("</tspan>", "")

    notebook.run(2)
    assert notebook.text(2) == "2 1\n"
    assert notebook.errors() == []
