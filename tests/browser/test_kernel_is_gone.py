"""The page when a notebook's kernel ends while its panels are at work, and when the notebook is closed after that."""

from __future__ import annotations

import pytest
from conftest import LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# A panel that tells the kernel something by itself: its page's code prints a line every 20 ms.
WORK = """
from IPython.display import display
from wslab import BrowserPanel, Composer, Lab, predict
lab = Lab()
await lab.serve()
ticks = BrowserPanel(lab, "new WebSocket('ws://localhost:1234'); setInterval(() => console.log('tick'), 20)")
ticks.run()
display(lab.panel, Composer(lab), ticks, predict("Who speaks first?", {"the end": ["the client", "the server"]}))
await ticks.wait_for("console", times=3)
"""
SESSION = "window.jupyterapp.shell.currentWidget.context.sessionContext"
# What panels say to a kernel: the answers to their views, and changes of traits. ipywidgets itself says other things.
LISTEN = f"""
() => {{
  window.told = [];
  {SESSION}.session.kernel.anyMessage.connect((_, {{ direction, msg }}) => {{
    if (direction === "send" && ["custom", "update"].includes(msg.content.data?.method)) window.told.push(msg.content);
  }});
}}
"""
DEBUGGER = "Could not restore the debugger state"  # JupyterLab's own, of a kernel that it has just restarted
CLICK_ALL = """
() => document.querySelectorAll(".wslab-panel :is(button, input[type=radio], input[type=checkbox], .wslab-row)")
  .forEach((control) => control.click())
"""
ENDS = {
    "it is shut down": f"() => {SESSION}.shutdown()",
    "it is restarted": f"() => {SESSION}.restartKernel()",
    "the page lets go of it": f"() => {SESSION}.session.kernel.dispose()",
}


@pytest.mark.parametrize("end", ENDS)
def test_after_a_kernels_end_panels_say_no_more_and_the_page_has_no_error(lab_page: LabPages, end: str) -> None:
    notebook = lab_page(WORK)
    page, said = notebook.page, []
    page.on("console", lambda one: said.append(one.text) if one.type == "error" and DEBUGGER not in one.text else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    notebook.run_all()
    expect(notebook.panels).to_have_count(4)
    page.evaluate(LISTEN)
    page.wait_for_function("() => window.told.length > 0")
    page.evaluate(ENDS[end])
    page.evaluate(CLICK_ALL)
    expect(notebook.panels.first.get_by_text("A saved view.")).to_be_visible()
    page.evaluate("() => { window.told.length = 0; }")
    page.evaluate(CLICK_ALL)
    if "restart" in end:
        notebook.wait_ready()
    told = page.evaluate("() => window.told")
    notebook.save()
    page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")
    expect(page.locator(".jp-Notebook")).to_have_count(0)
    page.close()
    lab_page.opened.clear()
    assert (said, told) == ([], [])
