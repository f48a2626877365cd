"""The Node panel in the real JupyterLab: the article's server, to which the article's page talks."""

from __future__ import annotations

import pytest
from conftest import LabPages
from playwright.sync_api import expect

from wslab.live import NodeMissing
from wslab.live.article import CLIENT_SCRIPT, PORT
from wslab.live.node import package as node

pytestmark = pytest.mark.browser

SERVER = """
from wslab import Lab
lab = Lab()
server = await lab.node()
print(server.port)
"""
HOSTILE = r"""
console.log('<img src=x onerror=alert(1)>\x1b[31m\u202e');
console.error('it went wrong');
setInterval(() => {}, 1000);
"""


def test_what_the_script_prints_appears_as_it_prints_it(lab_page: LabPages) -> None:
    try:
        node.program()
    except NodeMissing as missing:
        pytest.skip(str(missing))
    notebook = lab_page(
        SERVER, "server", f"other = await lab.node({HOSTILE!r}, to=server)\nother", "await lab.close()\nother.state"
    )
    notebook.run(0, 1)
    panel = notebook.panels.first
    expect(panel.get_by_role("status").last).to_have_text("the article's server in Node runs; 0 lines of output")
    # The page's own JavaScript, as the article has it, but for its port.
    heard = notebook.page.evaluate(
        "script => new Promise(done => { const console = { log: done }; eval(script); })",
        CLIENT_SCRIPT.replace(str(PORT), notebook.text(0).strip()),
    )
    assert heard == "Server: Hello client!"
    expect(panel.get_by_role("log")).to_have_text("Client: Hello server!")
    expect(panel.get_by_role("status").last).to_have_text("the article's server in Node runs; 1 line of output")

    notebook.run(2)
    other = notebook.panels.nth(1)
    lines = other.get_by_role("log").locator("div")
    expect(lines).to_have_count(2)
    assert sorted(lines.all_text_contents()) == ["! it went wrong", "<img src=x onerror=alert(1)>\\x1b[31m\\u202e"]
    end = other.get_by_role("button", name="End the script")
    end.focus()
    notebook.page.keyboard.press("Enter")
    expect(other.get_by_role("status").last).to_contain_text("was closed")
    expect(end).to_be_disabled()
    notebook.run(3)
    expect(panel.get_by_role("status").last).to_contain_text("was closed")
    expect(panel.get_by_role("log")).to_have_text("Client: Hello server!")
