"""What crosses the wire is shown as text, wherever it appears: no element is made of it and no script runs."""

from __future__ import annotations

import pytest
from conftest import LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ATTACK = """
from IPython.display import display
from wslab import Lab, build_close, build_frame, dissect, explain, judge
evil = '<img src=x onerror="__pwned=1"><script>__pwned=2</script></pre></table></svg>&lt;b&gt;'
hiding = evil + "\\u202e\\u2066\\x1b[2J"
short = "<script>__pwned=3</script>"
lab = Lab(seed=1)
async def handler(ws):
    await ws.send(await ws.recv())
    await ws.send(hiding)
    raise RuntimeError(hiding)
await lab.serve(handler)
ws = await lab.connect("/<svg/onload=__pwned=4>", additional_headers={"X-Evil": evil})
await ws.send(short)
await ws.recv(); await ws.recv()
await ws.wait_closed()
raw = await lab.raw()
head = f"GET /{short} HTTP/1.1\\r\\nHost: {short}\\r\\n<b>bad</b>: {hiding}\\r\\nCookie: {hiding}\\r\\n\\r\\n".encode()
await raw.send(head)
await raw.send(build_frame(hiding, mask=b"\\1\\2\\3\\4") + build_close(4000, short, mask=b"\\1\\2\\3\\4"))
await raw.close()
"""
VIEWS = """
frame = build_frame(hiding, mask=b"\\1\\2\\3\\4", rsv1=True)
close = build_close(1000, evil[:100])
explanations = [lab.trace.explain(record.number) for record in lab.trace.records]
dissections = [dissect(frame, close), dissect(head + frame, b"")]
for thing in (lab.trace, explain(frame), explain(close), *dissections, judge(frame), *explanations):
    display(thing)
"""
UNTOUCHED = """
() => {
  const made = ["script", "img", "iframe", "object", "embed", "[onerror]", "[onload]"];
  const inside = [".jp-OutputArea-output", ".wslab-panel"];
  const found = document.querySelectorAll(inside.flatMap((part) => made.map((what) => `${part} ${what}`)).join());
  return { pwned: window.__pwned ?? null, made: [...found].map((element) => element.outerHTML) };
}
"""


def test_hostile_text_stays_text_in_every_view_and_in_the_panel(lab_page: LabPages) -> None:
    notebook = lab_page(ATTACK, "lab", VIEWS)
    notebook.run_all()
    panel = notebook.panels.first
    rows = panel.locator(".wslab-scroller .wslab-row")
    expect(rows.first).to_be_visible()
    panel.get_by_role("grid", name="Records").focus()
    notebook.page.keyboard.press("Home")
    total = int(notebook.page.evaluate("() => document.querySelector('.wslab-records').ariaRowCount")) - 1
    assert total >= 8
    for number in range(total):
        expect(panel.locator(".wslab-title")).to_contain_text(f"No. {number} ".strip())
        expect(panel.locator(".wslab-hint")).to_have_count(0)
        found = notebook.page.evaluate(UNTOUCHED)
        assert found == {"pwned": None, "made": []}, f"record {number}: {found}"
        notebook.page.keyboard.press("ArrowDown")
    text = panel.inner_text()
    assert not any(character in text for character in "\u202e\u2066\x1b")
    captions = notebook.page.evaluate("() => document.querySelector('.wslab-panel').textContent")
    assert "<script>" in captions, "it must be shown, not hidden"
    assert notebook.errors() == []
