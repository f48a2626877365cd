"""Takes the pictures of this folder: each panel in the real JupyterLab, 1280 and 800 pixels wide, light and dark.

``python docs/pictures/make.py [panel ...]`` writes ``<panel>-<width>-<theme>.png``. Chromium has to be installed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Locator, sync_playwright

sys.path.extend([str(Path(__file__).parents[2] / "tests" / folder) for folder in ("", "browser")])
from driver import THEMES, LabPages, chromium, jupyter_server, launch

FOLDER = Path(__file__).parent
WIDTHS = (1280, 800)
HEIGHT = 5200  # px, so that no panel has to be scrolled

TALK = """
import asyncio, wslab
lab = wslab.Lab(seed="rfc")
async def talk(ws):
    await ws.send("Hello client!")
    async for message in ws:
        await ws.send(f"You said: {message}")
await lab.serve(talk)
ws = await lab.connect()
await ws.recv()
await ws.send("Hello server!")
await ws.recv()
await ws.ping(b"alive?")
await asyncio.gather(ws.send("One more"), ws.recv())
await ws.close(1000, "bye")
await lab.settled()
"""
SERVE = """
import wslab
lab = wslab.Lab()
async def talk(ws):
    await ws.send("Hello client!")
    async for message in ws:
        print("Client:", message)
await lab.serve(talk)
"""
GOODBYE = '''
panel = wslab.BrowserPanel(lab)
panel.code += """
// Say goodbye when all is said
setTimeout(() => clientSocket.close(1000, 'bye'), 100);
clientSocket.onclose = event => {
console.log(event.code, event.reason);
};
"""
panel
'''


def nothing(panel: Locator) -> None:
    """Leave the panel as it comes."""


def look_at_a_frame(panel: Locator) -> None:
    """Select the masked greeting and pick a byte of it."""
    panel.locator('[data-number="3"]').click()
    panel.locator(".wslab-byte").nth(8).click()


def send_the_request(panel: Locator) -> None:
    """Send the request and wait for its answer."""
    panel.get_by_role("button", name="Send", exact=True).click()
    panel.locator(".wslab-status").wait_for()


def send_what_is_wrong(panel: Locator) -> None:
    """Send the frame that is not masked and wait until the server has ended the connection."""
    panel.get_by_role("button", name="Send these").click()
    panel.get_by_role("button", name="Open a client and send by it").wait_for()


def run_the_page(panel: Locator) -> None:
    """Run the article's code and look at the greeting that it is told of."""
    panel.get_by_role("button", name="Run", exact=True).click()
    panel.get_by_text("wasClean true").wait_for()
    panel.get_by_role("option").filter(has_text="Hello client!").first.click()


class Scene(NamedTuple):
    """How a panel comes to be shown."""

    cells: tuple[str, ...]
    """The last one shows the panel."""
    prepare: Callable[[Locator], None] = nothing


SCENES = {
    "lab-panel": Scene((TALK, 'lab.panel.notes = {2: "the server speaks first"}\nlab'), look_at_a_frame),
    "byte-inspector": Scene(("import wslab", 'wslab.ByteInspector("81 85 37 fa 21 3d 7f 9f 4d 51 58", picked=8)')),
    "frame-builder": Scene(("import wslab", 'wslab.FrameBuilder(payload="Hello", length_form=16)')),
    "composer": Scene(
        (TALK.replace('await ws.close(1000, "bye")\n', ""), "wslab.Composer(lab, mask='none')"), send_what_is_wrong
    ),
    "handshake-workbench": Scene(
        (
            TALK,
            'bench = wslab.HandshakeWorkbench(lab)\nbench.predict("no-upgrade", 426)\nbench.predict("no-key", 426)',
            "bench",
        ),
        send_the_request,
    ),
    "browser-panel": Scene((SERVE, GOODBYE), run_the_page),
    "closing-panel": Scene((TALK, "wslab.ClosingPanel(lab)")),
}


def main(names: list[str]) -> None:
    """Take the named panels' pictures, or all."""
    with (
        tempfile.TemporaryDirectory() as home,
        jupyter_server(Path(home)) as server,
        sync_playwright() as playwright,
        launch(playwright, chromium()) as browser,
    ):
        for name in names or SCENES:
            context = browser.new_context(viewport={"width": WIDTHS[0], "height": HEIGHT})
            context.set_default_timeout(30_000)
            notebook = LabPages(context, server)(*(cell.strip() for cell in SCENES[name].cells))
            notebook.command("application:toggle-left-area")
            notebook.run_all()
            panel = notebook.panels.last
            panel.wait_for()
            SCENES[name].prepare(panel)
            notebook.page.mouse.move(0, 0)
            for theme in THEMES:
                for width in WIDTHS:
                    path = FOLDER / f"{name}-{width}-{theme}.png"
                    notebook.picture(path, theme=theme, width=width, height=HEIGHT, of=panel)
                    print(path.name)
            notebook.shut_down()
            context.close()


if __name__ == "__main__":
    main(sys.argv[1:])
