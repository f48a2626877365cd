"""The real JupyterLab in a real Chromium: a private server, and a notebook that a test or a benchmark drives.

What JupyterLab stores (config, data, runtime files, settings, workspaces, IPython's profile) lies in a folder of its
own, so a test sees no one's settings and leaves none. Conditions are waited for, never times: a notebook is ready when
its kernel is connected and idle.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_process import JupyterServer, jupyter_process
from playwright.sync_api import Browser, Locator, Page, Playwright

ROOT = Path(__file__).parents[2]
PATIENCE = 30_000  # ms for anything in the page
CHROMIUM_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--no-first-run", "--disable-component-update", "--disable-sync",
)  # fmt: skip
LAB_ARGUMENTS = (
    "--expose-app-in-browser", "--LabApp.news_url=",
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
)  # fmt: skip
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
VIEWPORT = {"width": 1280, "height": 900}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}

READY = """
() => {
  const app = window.jupyterapp;
  const session = app?.shell.currentWidget?.context?.sessionContext;
  return app?.commands.hasCommand("notebook:run-all-cells") && session?.isReady
    && session.session?.kernel?.status === "idle" && session.session.kernel.connectionStatus === "connected";
}
"""
OUTPUTS = """
() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map((cell) => cell.toJSON().outputs ?? [])
"""
# Opens another notebook in the place of what is open, without asking whether that is to be saved.
REPLACE = """
async (path) => {
  const { shell, commands } = window.jupyterapp;
  const opened = await commands.execute("docmanager:open", { path });
  for (const widget of [...shell.widgets("main")]) if (widget !== opened) widget.dispose();
  shell.activateById(opened.id);
}
"""
# Keeps the last messages between the page and the kernel, for whoever asks why a test failed. Reading them waits until
# somebody asks: a benchmark drives a page like this too.
LISTEN = """
() => {
  const kernel = window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
  if (window.listensTo === kernel) return;
  window.listensTo = kernel;
  window.heard = [];
  kernel.anyMessage.connect((_, { direction, msg }) => {
    window.heard.push({ at: performance.now(), direction, header: msg.header, content: msg.content });
    if (window.heard.length > 40) window.heard.shift();
  });
}
"""
TOLD = """
() => ({
  status: window.listensTo?.status,
  panels: [...document.querySelectorAll(".wslab-panel")].map((panel) => panel.innerText.slice(0, 3000)),
  heard: (window.heard ?? []).map(({ at, direction, header, content }) => {
    const said = JSON.stringify(content).slice(0, 150);
    return [Math.round(at), direction, header.msg_type, header.subshell_id ?? "main", said].join(" ");
  }),
  now: Math.round(performance.now()),
})
"""


@contextmanager
def jupyter_server(home: Path, *arguments: str) -> Iterator[JupyterServer]:
    """A private JupyterLab server on a copy of the course's notebooks, everything of it below ``home``."""
    shutil.copytree(ROOT / "notebooks", home / "work" / "notebooks", ignore=shutil.ignore_patterns(".*"))
    for name, values in SETTINGS.items():
        file = home / "settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    with jupyter_process("jupyterlab", home, *LAB_ARGUMENTS, *arguments) as server:
        yield server


def chromium() -> str:
    """Where Chromium is; ends the program where it is not."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or sys.exit("Chromium is not installed: apt-get install chromium")


def launch(playwright: Playwright, path: str) -> Browser:
    """The Chromium at ``path``. It shows its scroll bars, as a person's does."""
    return playwright.chromium.launch(
        executable_path=path, args=list(CHROMIUM_ARGUMENTS), ignore_default_args=["--hide-scrollbars"]
    )


class NotebookPage:
    """A notebook that is open in JupyterLab, with its kernel."""

    def __init__(self, page: Page, server: JupyterServer, path: str) -> None:
        self.page, self.server, self.path = page, server, path

    def open(self) -> None:
        """Load JupyterLab with this notebook alone, and wait until its kernel is connected and idle."""
        self.page.goto(f"{self.server.url}lab/tree/{self.path}?reset&token={self.server.token}")
        self.wait_ready()

    def replace(self) -> None:
        """The same in a page in which JupyterLab runs already: this notebook takes the place of what is open there."""
        self.page.set_viewport_size(VIEWPORT)
        self.page.mouse.move(0, 0)
        self.page.evaluate(REPLACE, self.path)
        self.wait_ready()
        self.theme("light")

    def wait_ready(self) -> None:
        self.page.wait_for_function(READY, timeout=60_000)
        self.page.evaluate(LISTEN)

    def command(self, name: str, **arguments: Any) -> Any:
        """Execute one of JupyterLab's commands; its result."""
        return self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def run_all(self) -> None:
        """Run all cells, as a person does from the menu; they must not fail, nor write to stderr."""
        done = self.command("notebook:run-all-cells")
        self.wait_ready()
        assert done, self.errors()
        assert self.errors() == []

    def select_cell(self, index: int) -> None:
        self.page.evaluate("(i) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i }", index)

    def run(self, *cells: int) -> None:
        """Run some cells one after the other; they must not fail."""
        for cell in cells:
            self.select_cell(cell)
            assert self.command("notebook:run-cell"), self.errors()

    def start_cell(self, index: int) -> None:
        """Run one cell and do not wait for its end."""
        self.select_cell(index)
        self.page.evaluate("() => { window.running = window.jupyterapp.commands.execute('notebook:run-cell') }")

    def is_running(self, cell: int) -> bool:
        """Whether the cell still runs. The kernel's status does not tell: a subshell that has answered says idle."""
        return self.page.locator(".jp-Notebook-cell").nth(cell).locator(".jp-InputPrompt").inner_text() == "[*]:"

    def wait_end(self) -> bool:
        """Wait for the end of the cell that was started; whether it did not fail."""
        return bool(self.page.evaluate("() => window.running"))

    def save(self) -> None:
        self.command("docmanager:save")

    def reopen_without_kernel(self) -> None:
        """Save, end the kernel, and open the notebook anew; its cells have not run there."""
        self.save()
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
        self.open()

    def outputs(self) -> list[list[dict[str, Any]]]:
        """Each cell's outputs, in the notebook's format."""
        found: list[list[dict[str, Any]]] = self.page.evaluate(OUTPUTS)
        return found

    def text(self, cell: int) -> str:
        """What a cell printed."""
        return "".join("".join(output["text"]) for output in self.outputs()[cell] if output["output_type"] == "stream")

    def errors(self) -> list[str]:
        """The errors in the notebook's outputs, and whatever was written to stderr."""
        return [
            output.get("evalue") or "".join(output.get("text", ""))
            for outputs in self.outputs()
            for output in outputs
            if output["output_type"] == "error" or output.get("name") == "stderr"
        ]

    @property
    def panels(self) -> Locator:
        """The live panels in the page."""
        return self.page.locator(".jp-Notebook .wslab-panel")

    def theme(self, name: str) -> None:
        """``"light"`` or ``"dark"``."""
        if self.page.evaluate("() => document.body.dataset.jpThemeName") == THEMES[name]:
            return
        self.command("apputils:change-theme", theme=THEMES[name])
        self.page.wait_for_function(
            "(light) => document.body.dataset.jpThemeLight === light", arg="true" if name == "light" else "false"
        )

    def picture(self, path: Path, *, theme: str, width: int, height: int = 1000, of: Locator | None = None) -> Path:
        """A screenshot of the page, or of one element, in a theme and at a window's width; ``path`` again."""
        self.theme(theme)
        self.page.set_viewport_size({"width": width, "height": height})
        (of or self.page).screenshot(path=path)
        return path

    def told(self) -> str:
        """What the panels show and what was said to and by the kernel last, for a test that failed."""
        found = self.page.evaluate(TOLD)
        panels = "\n\n".join(found["panels"])
        heard = "\n".join(found["heard"])
        return f"{self.path}, kernel {found['status']}\n{panels}\n\nmessages before {found['now']}:\n{heard}"

    def shut_down(self) -> None:
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget?.context.sessionContext.shutdown()")


class LabPages:
    """Makes and opens notebooks: ``lab_page(cell, cell, ...)`` or ``lab_page(path="notebooks/08-....ipynb")``.

    Each is alone in its page. JupyterLab takes seconds to start, so a page serves one notebook after another.
    """

    def __init__(self, context: Any, server: JupyterServer) -> None:
        self.context, self.server = context, server
        self.opened: list[NotebookPage] = []
        self.spoilt = False
        """Whether something went wrong, so that no page of now may serve again."""
        self._free: list[Page] = []

    def __call__(self, *cells: str, path: str | None = None) -> NotebookPage:
        if path is None:
            path = f"test-{secrets.token_hex(4)}.ipynb"
            write_notebook(self.server.folder / path, cells)
        started = bool(self._free)
        opened = NotebookPage(self._free.pop() if started else self.context.new_page(), self.server, path)
        self.opened.append(opened)
        if started:
            opened.replace()
        else:
            opened.open()
        return opened

    def finish(self) -> None:
        """End the kernels of the notebooks that are open; their pages are free for others."""
        for opened in self.opened:
            opened.shut_down()
            if self.spoilt:
                opened.page.close()
            else:
                self._free.append(opened.page)
        self.opened.clear()
        self.spoilt = False

    def close(self) -> None:
        """The same, and close the pages: what is open of a server that has ended keeps asking for it."""
        self.finish()
        while self._free:
            self._free.pop().close()


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """A notebook of code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
