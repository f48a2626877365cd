"""Every notebook of the course, run from the menu of the real JupyterLab."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_all_cells_run_and_live_panels_are_shown(lab_page: LabPages, path: Path) -> None:
    notebook = lab_page(path=f"notebooks/{path.name}")
    notebook.run_all()
    expect(notebook.panels.first).to_be_attached()
    for panel in notebook.panels.all():
        panel.scroll_into_view_if_needed()
        expect(panel).to_have_text(re.compile(r"\S"))
        expect(panel.locator(".wslab-problem")).to_be_hidden()
    if "lab" in last_lines(path):
        ladder = notebook.page.locator(".wslab-scroller .wslab-row").first
        ladder.scroll_into_view_if_needed()
        expect(ladder).to_be_visible()


def last_lines(path: Path) -> list[str]:
    """What each code cell of a notebook ends in, which it shows."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]).rpartition("\n")[2] for cell in cells if cell["cell_type"] == "code"]
