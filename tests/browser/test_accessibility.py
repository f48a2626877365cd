"""All panels with every part on show: axe-core finds nothing serious, Tab reaches everything, nothing is nameless."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import THEMES, LabPages, NotebookPage
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PANELS = 12
EVERYTHING = """
from IPython.display import display
from wslab import BrowserPanel, ByteInspector, ClosingPanel, Composer, FrameBuilder, HandshakeWorkbench
from wslab import Lab, build_frame, predict, quiz

lab = Lab(seed=1)
await lab.serve()
async with lab.connect() as ws:
    await ws.send("Hello")
    await ws.recv()
raw = await lab.raw()
await raw.handshake()
await raw.send(build_frame("masked", mask=b"7abc") + build_frame("not masked"))
await raw.recv_until_quiet()
ws = await lab.connect()

panel = lab.panel
broken = next(record.number for record in lab.trace.records if record.violations)
panel.notes = {broken: "this one is not masked"}
bench = HandshakeWorkbench(lab)
bench.request = bench.request.replace("Upgrade: websocket\\n", "")
await bench.send_request()
accept = HandshakeWorkbench(lab, part="accept", key="a2V5")
tries = HandshakeWorkbench(lab, part="experiments")
for name, status in (("unchanged", 101), ("no-upgrade", 400)):
    tries.predict(name, status)
    await tries.run(name)
tries.predict("post", 405)
composer = Composer(lab, rsv1=True, fragments=2, mask="key", payload="Hello there")
await composer.send_message()
builder = FrameBuilder("Hello", length_form=16)
inspector = ByteInspector(build_frame("Hello", mask=b"7abc"), sender="server", picked=7)
closing = ClosingPanel(lab, connection=1)
browser = BrowserPanel(lab, "<script>new WebSocket('ws://localhost:1234', ['a']).close(1001)</ script>")
panel.lanes_open = True
panel.selected = broken
browser.run()
guess = predict("Who speaks next?", {"the end": ["the client", "the server"], "bytes": None})
answered = predict("Who speaks first?", {"the end": ["the client", "the server"]}, meaning="Either may.")
outcome = answered.reveal("the server")
answered.answer({"the end": "the client"})
display(panel, inspector, composer, builder, bench, accept, tries, closing, browser, guess, outcome, quiz("01"))
"""

SHOWN = (
    ("Lab panel", ".wslab-violations", "client-frame-not-masked"),
    ("Lab panel", ".wslab-tracks", "frames"),
    ("Byte inspector", ".wslab-pickedbyte", "Byte 7"),
    ("Lab panel", ".wslab-row .wslab-arrowlabel", "not masked"),
    ("Lab panel", ".wslab-time", "live"),
    ("Composer", ".wslab-sent", "TEXT"),
    ("Composer", ".wslab-answers", "TEXT"),
    ("Frame builder", ".wslab-comparison", "differ"),
    ("Handshake workbench", ".wslab-status code", "426 Upgrade Required"),
    ("Handshake workbench", "[role=tab]", "Request and answer"),
    ("Handshake workbench", ".wslab-steps", "3 bytes in base64"),
    ("Handshake workbench", ".wslab-score", "1 of 2 predicted; 1 to run; 10 to predict"),
    ("Closing panel", "svg", "now"),
    ("Browser panel", ".wslab-thrown", "InvalidAccessError"),
    ("Browser panel", ".wslab-notes", "is no end tag"),
)
"""Of each panel what comes last, with words that it has when it is there."""

# What Tab has to come to: of radio buttons the checked one, else the first; of a group with one tab stop only that one.
TABBABLE = """
() => {
  const visible = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest("[inert]");
  const controls = ["a[href]", "button", "input", "select", "textarea", "[tabindex]"];
  const candidates = [...document.querySelectorAll(`.wslab-panel :is(${controls})`)];
  const radios = (node) => [...document.querySelectorAll(`.wslab-panel input[type=radio][name="${node.name}"]`)];
  const stop = (all) => all.find((each) => each.checked) ?? all[0];
  const stops = (node) => node.type !== "radio" || node === stop(radios(node));
  return candidates.filter((node) => visible(node) && node.tabIndex >= 0 && !node.disabled && stops(node));
}
"""
NAME = """
(node) => `${node.closest(".wslab-panel").ariaLabel}: ${node.localName} ` +
  `${node.ariaLabel ?? node.labels?.[0]?.textContent ?? node.textContent}`.slice(0, 60)
"""
BEGIN_WALK = f"""
() => {{
  window.expected = new Set(({TABBABLE})());
  window.reached = new Set();
  document.addEventListener("focusin", (event) => window.reached.add(event.target));
  return window.expected.size;
}}
"""
MISSED = f"() => [...window.expected].filter((node) => node.isConnected && !window.reached.has(node)).map({NAME})"
INSIDE = "() => Boolean(document.activeElement?.closest('.wslab-panel'))"

# An element that draws has a name, or is hidden from a screen reader that then reads the words beside it.
NAMELESS = """
() => {
  const text = (id) => document.getElementById(id)?.textContent;
  const named = (node) => node.ariaLabel || node.getAttribute("aria-labelledby")?.split(" ").some(text)
    || node.querySelector(":scope > :is(caption, title, legend)")?.textContent;
  const words = (node) => node.closest("[aria-label]:not(.wslab-panel)") || node.parentElement.textContent.trim();
  const roles = ["grid", "table", "listbox", "region", "group", "radiogroup", "img", "search"];
  const drawn = document.querySelectorAll(`.wslab-panel :is(svg, table, fieldset, ${roles.map((r) => `[role=${r}]`)})`);
  const hidden = (node) => node.closest("[aria-hidden=true]");
  const bad = [...drawn].filter((node) => (hidden(node) ? !words(hidden(node)) : !named(node)));
  const cells = document.querySelectorAll(".wslab-panel :is([role=gridcell], [role=option])[tabindex]");
  bad.push(...[...cells].filter((cell) => !hidden(cell) && !(cell.ariaLabel || cell.textContent.trim())));
  return bad.map((node) => node.outerHTML.slice(0, 160));
}
"""


def show_everything(lab_page: LabPages) -> NotebookPage:
    """A notebook with all panels in one cell's output, and a window in which all of them lie."""
    notebook = lab_page(EVERYTHING)
    notebook.run_all()
    notebook.page.set_viewport_size({"width": 1280, "height": 6000})
    expect(notebook.panels).to_have_count(PANELS)
    notebook.panels.first.get_by_role("button", name="Filter, find, step, save").click()
    expect(notebook.panels.locator("details").first).to_be_attached()
    notebook.panels.locator("details").evaluate_all("(folds) => folds.forEach((fold) => { fold.open = true; })")
    for name, part, words in SHOWN:
        panel = notebook.page.get_by_role("region", name=re.compile(rf"^{name}( \d)?$"))
        last = panel.locator(part).filter(visible=True).first
        expect(last).to_be_visible()
        expect(last).to_contain_text(words)
    return notebook


def serious(notebook: NotebookPage) -> dict[str, list[str]]:
    """What axe-core finds serious or critical in the panels, and landmarks of one name."""
    found = Axe().run(notebook.page, context=".wslab-panel").response["violations"]
    return {
        rule["id"]: [node["html"] for node in rule["nodes"]]
        for rule in found
        if rule["impact"] in ("serious", "critical") or rule["id"] == "landmark-unique"
    }


def test_axe_finds_nothing_serious_in_either_theme_and_nothing_is_nameless(lab_page: LabPages) -> None:
    notebook = show_everything(lab_page)
    for theme in THEMES:
        notebook.theme(theme)
        assert serious(notebook) == {}, theme
    assert notebook.page.evaluate(NAMELESS) == []


def test_the_tab_key_comes_to_every_control_and_out_again(lab_page: LabPages) -> None:
    notebook = show_everything(lab_page)
    page = notebook.page
    page.evaluate(f"() => ({TABBABLE})()[0].focus()")
    count = page.evaluate(BEGIN_WALK)
    page.evaluate("() => window.reached.add(document.activeElement)")
    assert count > 60
    for _ in range(count + 40):
        page.keyboard.press("Tab")
        if not page.evaluate(INSIDE):
            break
    assert page.evaluate(MISSED) == []
    assert not page.evaluate(INSIDE), "the focus was held in a panel"
