"""The evidence board of lesson 15 in the real JupyterLab: by keyboard alone, and no outcome before an accusation."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import THEMES, LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

STUDENT = """
import os
os.environ["WSLAB_EDITION"] = "student"
from wslab.course.experiments.evidence import board
"""
BOARD = "board(level=1, seed=25)"
TWO_SIDES = "board(level=3, seed=43)"


def test_somebody_is_accused_by_keyboard_and_then_the_rule_is_shown(lab_page: LabPages, tmp_path: Path) -> None:
    notebook = lab_page(STUDENT, BOARD, TWO_SIDES)
    notebook.run(0, 1, 2)
    capture, form = notebook.panels.nth(0), notebook.panels.nth(1)
    press, focused = notebook.page.keyboard.press, notebook.page.locator(":focus")
    expect(capture.locator(".wslab-row").first).to_be_visible()
    shown = notebook.page.locator(".jp-OutputArea").nth(0)
    assert "client-frame-not-masked" not in shown.inner_html()
    assert "MUST mask" not in shown.inner_html()

    capture.locator(".wslab-scroller").focus()
    for _ in range(5):
        press("ArrowDown")
    capture.locator("summary", has_text="Every field").press("Enter")
    expect(capture.get_by_text("the payload is not masked").first).to_be_visible()

    form.get_by_role("radiogroup", name="Which record shows it?").get_by_label("3", exact=True).focus()
    press("ArrowRight")
    expect(form.get_by_label("4", exact=True)).to_be_checked()
    press("Tab")
    press("ArrowRight")
    expect(form.get_by_label("the server")).to_be_checked()
    press("Tab")
    press("ArrowRight")
    expect(form.get_by_label("5.1 who masks")).to_be_checked()
    while focused.first.get_attribute("type") != "submit":
        press("Tab")
    press("Enter")

    status = form.get_by_role("status")
    expect(status).to_be_focused()
    expect(status).to_have_text("2 of 3 right. So far on level 1, in 1 capture: 2 of 3 points.")
    expect(form.get_by_role("row").nth(2)).to_contain_text("the client")
    expect(form).to_contain_text("a client MUST mask all frames that it sends to the server")
    expect(capture.locator(".wslab-row .wslab-arrowlabel").nth(4)).to_contain_text("client-frame-not-masked")
    for theme in THEMES:
        for width in (1280, 800):
            notebook.picture(tmp_path / f"{theme}-{width}.png", theme=theme, width=width)


def test_a_board_has_no_serious_fault_of_accessibility(lab_page: LabPages) -> None:
    notebook = lab_page(STUDENT, BOARD, TWO_SIDES)
    notebook.run(0, 1, 2)
    expect(notebook.panels.nth(3).get_by_role("radiogroup")).to_have_count(3)
    for theme in THEMES:
        notebook.theme(theme)
        found = Axe().run(notebook.page, context=".wslab-panel").response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    names = notebook.panels.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert len(set(names)) == len(names) == 4
