"""Every notebook of the course, run from the menu of the real JupyterLab."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_all_cells_run_and_a_live_panel_is_shown(lab_page: LabPages, path: Path) -> None:
    notebook = lab_page(path=f"notebooks/{path.name}")
    notebook.run_all()
    panel = notebook.panels.first
    panel.scroll_into_view_if_needed()
    expect(panel.locator(".wslab-scroller .wslab-row").first).to_be_visible()
    expect(panel.locator(".wslab-problem")).to_be_hidden()
