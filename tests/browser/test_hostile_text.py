"""What crosses the wire is shown as text, wherever it appears: no element is made of it and no script runs."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from conftest import LabPages, NotebookPage
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
PANELS = """
from wslab import BrowserPanel, ByteInspector, ClosingPanel, Composer, FrameBuilder, HandshakeWorkbench
from wslab.protocol import build_request
import json

attack = evil + "\\u202e"  # 123 bytes are what a close frame's reason has room for
tag = "<img src=x onerror=__pwned=5>\\u202e"

async def answer(connection, request):
    if "refuse" in request.path:
        return connection.respond(403, attack + "\\n" + evil)
await lab.serve(process_request=answer, origins=None)
client = await lab.connect()
number = lab.trace.connections[-1]

panel = lab.panel
panel.lanes_open = True
panel.text = panel.find = "<"

composer = Composer(lab, payload=attack, reason=tag, code=4000)
await composer.send_message()
await composer.close_connection()

bench = HandshakeWorkbench(lab, build_request(f"/refuse{short}", {"X-Evil": evil, "Cookie": evil}).decode())
bench.key = attack
await bench.send_request()
bench.predict("unchanged", 403)
await bench.run("unchanged")

builder = FrameBuilder(attack)
inspector = ByteInspector(head, picked=20)
closing = ClosingPanel(lab, connection=number)
panel.selected = next(r.number for r in lab.trace.records if "img" in r.summary and r.payload_length)
panel.notes = {panel.selected: attack}
browser = BrowserPanel(lab, f'''// {short}
const attack = {json.dumps(attack)};
const socket = new WebSocket('ws://localhost:1234/');
socket.onopen = () => socket.send(attack);
socket.onmessage = ({{ data }}) => {{
  console.log(data);
  console.table([{{ [attack]: attack }}]);
  socket.close(4000, {json.dumps(tag)});
}};
setTimeout(() => {{ throw new Error(attack) }});
''')
browser.run()
display(panel, composer, bench, builder, inspector, closing, browser)
"""
PROBLEMS = """
for each in (panel, composer, bench, builder, inspector, closing, browser):
    each.problem = attack
"""
PICTURES = """
for each in (panel, composer, bench, builder, inspector, closing, browser):
    display(each.picture())
"""
NAMES = (
    "Lab panel", "Composer", "Handshake workbench", "Frame builder", "Byte inspector", "Closing panel", "Browser panel"
)  # fmt: skip
UNTOUCHED = """
() => {
  // JupyterLab shows an SVG as the picture of a data URL, where nothing runs; what is in it is looked at elsewhere.
  const svg = `img[src^="data:image/svg+xml"]`;
  const made = ["script", `img:not(${svg})`, "iframe", "object", "embed", "[onerror]", "[onload]"];
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
        expect(panel.get_by_text("The kernel is asked")).to_have_count(0)
        found = notebook.page.evaluate(UNTOUCHED)
        assert found == {"pwned": None, "made": []}, f"record {number}: {found}"
        notebook.page.keyboard.press("ArrowDown")
    text = panel.inner_text()
    assert not any(character in text for character in "\u202e\u2066\x1b")
    captions = notebook.page.evaluate("() => document.querySelector('.wslab-panel').textContent")
    assert "<script>" in captions, "it must be shown, not hidden"
    assert notebook.errors() == []


def check_panels(notebook: NotebookPage, what: str) -> None:
    """Nothing has acted, each panel shows the attack as text, and nothing in it hides."""
    for name in NAMES:
        panel = notebook.page.get_by_role("region", name=name, exact=True)
        expect(panel).to_contain_text("<img src=x onerror=")
        text = panel.inner_text()
        assert not any(character in text for character in "\u202e\u2066\x1b"), f"{name}, {what}"
    found = notebook.page.evaluate(UNTOUCHED)
    assert found == {"pwned": None, "made": []}, what


def check_picture(svg: str) -> None:
    """A picture is XML that holds shapes and text, and nothing that could act."""
    drawn = ElementTree.fromstring(svg)
    tags = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in drawn.iter()}
    assert tags <= {"svg", "title", "desc", "g", "path", "rect", "circle", "text", "tspan", "line", "polygon"}
    names = {name for element in drawn.iter() for name in element.attrib}
    assert not [name for name in names if name.startswith("on") or "href" in name]
    assert not any(character in svg for character in "\u202e\u2066\x1b")


def test_hostile_text_stays_text_in_every_panel_its_picture_and_its_saved_view(lab_page: LabPages) -> None:
    notebook = lab_page(ATTACK, PANELS, PROBLEMS, PICTURES)
    notebook.run(0, 1)
    notebook.page.set_viewport_size({"width": 1280, "height": 6000})
    expect(notebook.panels).to_have_count(len(NAMES))
    expect(notebook.page.locator(".wslab-words pre")).to_be_visible()
    expect(notebook.page.locator(".wslab-told").filter(has_text="wasClean")).to_contain_text("<img src=x")
    notebook.run(2, 3)
    assert notebook.errors() == []
    for panel in notebook.panels.all():
        expect(panel.locator(":scope > .wslab-problem")).to_contain_text("<img src=x")
    notebook.panels.locator("details").evaluate_all("(folds) => folds.forEach((fold) => { fold.open = true; })")
    check_panels(notebook, "as displayed")

    composer, bench, builder, inspector, closing, browser = (
        notebook.page.get_by_role("region", name=name, exact=True) for name in NAMES[1:]
    )
    lab = notebook.page.get_by_role("region", name="Lab panel")
    expect(lab.locator(".wslab-tracks")).to_contain_text("<img")
    expect(lab.locator(".wslab-fields")).to_contain_text("<img")
    expect(composer.locator(".wslab-sent")).to_be_visible()
    expect(lab.locator(".wslab-sizer .wslab-arrowlabel").filter(has_text="<img").first).to_be_visible()
    shown = ((".wslab-words pre",), (".wslab-step",), (".wslab-reason", ".wslab-change"))
    for tab, parts in zip(bench.get_by_role("tab").all(), shown, strict=True):
        tab.click()
        for part in parts:
            expect(bench.locator(part).filter(has_text="<").first).to_be_visible()
        assert not any(character in bench.inner_text() for character in "\u202e\u2066\x1b"), tab.inner_text()
    expect(closing.locator(".wslab-ends")).to_contain_text("<img")

    for part in (".wslab-level-log", ".wslab-level-table", ".wslab-level-uncaught", ".wslab-said"):
        expect(browser.locator(part).filter(has_text="<img src=x").first).to_be_visible()
    browser.get_by_role("textbox").fill(f"<script type=<svg{chr(0x202E)}/onload=__pwned=12></script>")
    browser.get_by_role("button", name="Run", exact=True).click()
    expect(browser.locator(".wslab-notes")).to_contain_text("<svg")
    browser.get_by_role("button", name="Restore").click()

    # What is typed into the page, and what comes of it.
    for field in (composer.get_by_label("Payload", exact=False), builder.get_by_role("textbox", name="Payload")):
        field.first.fill("<svg onload=__pwned=6>")
    composer.get_by_role("radio", name="hex", exact=True).check()
    builder.get_by_role("radio", name="as hex").check()
    builder.get_by_role("textbox", name="Payload").fill("<svg onload=__pwned=11>")
    inspector.get_by_role("textbox").fill("<svg onload=__pwned=7>")
    bench.get_by_role("tab").first.click()
    bench.get_by_role("textbox", name="The request").fill("<svg onload=__pwned=8>")
    expect(bench.locator(".wslab-violations").first).to_contain_text("request-malformed")
    bench.get_by_role("tab").nth(1).click()
    bench.locator(".wslab-key").fill("<svg onload=__pwned=9>")
    lab.get_by_role("searchbox", name="Find").fill("<svg onload=__pwned=10>")
    expect(builder.locator(".wslab-refused").filter(visible=True).first).to_contain_text("hex")
    expect(inspector.locator(".wslab-trouble")).to_contain_text("hex")
    assert notebook.page.evaluate(UNTOUCHED) == {"pwned": None, "made": []}

    pictures = [output["data"]["image/svg+xml"] for output in notebook.outputs()[3]]
    assert len(pictures) == len(NAMES)
    for picture in pictures:
        check_picture("".join(picture))

    notebook.reopen_without_kernel()
    notebook.page.set_viewport_size({"width": 1280, "height": 6000})
    expect(notebook.page.locator(".wslab-snapshot").filter(visible=True)).to_have_count(len(NAMES))
    found = notebook.page.evaluate(UNTOUCHED)
    assert found == {"pwned": None, "made": []}, "reopened"
