"""axe-core finds nothing serious in the panel, in either theme, with every part of it on show."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import THEMES, LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

BROKEN = """
import wslab
lab = wslab.Lab(seed=1)
await lab.serve()
raw = await lab.raw()
await raw.send(b"GET / HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
               b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n")
await raw.send(wslab.build_frame("not masked"))
await raw.recv_until_quiet()
lab
"""


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(lab_page: LabPages, theme: str) -> None:
    notebook = lab_page(BROKEN)
    notebook.run_all()
    notebook.theme(theme)
    panel = notebook.panels.first
    broken = panel.locator(".wslab-row", has=notebook.page.locator(".wslab-broken")).first
    broken.click()
    expect(panel.locator(".wslab-violations")).to_be_visible()
    panel.locator(".wslab-field").first.hover()
    found = Axe().run(notebook.page, context=".wslab-panel").response["violations"]
    bad = {
        rule["id"]: [node["html"] for node in rule["nodes"]]
        for rule in found
        if rule["impact"] in ("serious", "critical")
    }
    assert bad == {}
