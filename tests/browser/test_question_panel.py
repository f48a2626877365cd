"""Predictions and quizzes in the real JupyterLab: by keyboard alone, and no outcome in the page before its answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ASK = """
import os
os.environ["WSLAB_EDITION"] = "student"
from wslab.course import Choice, Number, Order, predict, progress
guess = predict(
    "You send Hello both ways. What crosses?",
    {
        "bytes from the client": Number(unit="bytes"),
        "who speaks first": Choice("the client", "the server"),
        "in which order": Order("frame", "GET", "101"),
    },
    because={"bytes from the client": {7: "A client masks its frame: the key takes four bytes more."}},
    meaning="A frame is two bytes and the letters.",
)
guess
"""
REVEAL = """
guess.reveal(
    {"bytes from the client": 1815, "who speaks first": "the client", "in which order": ["GET", "101", "frame"]}
)
"""


def test_a_prediction_is_answered_by_keyboard_and_then_its_outcome_appears(lab_page: LabPages, tmp_path: Path) -> None:
    notebook = lab_page(ASK, REVEAL, "progress()")
    notebook.run(0, 1)
    form, reveal = notebook.panels.nth(0), notebook.panels.nth(1)
    press, focused = notebook.page.keyboard.press, notebook.page.locator(":focus")
    expect(reveal.get_by_role("status")).to_have_text("Answer above first; this table fills in by itself.")
    assert "1815" not in notebook.page.locator(".jp-OutputArea").nth(1).inner_html()

    form.get_by_label("bytes from the client").focus()
    notebook.page.keyboard.type("7 bytes")
    press("Tab")
    press("ArrowDown")
    expect(form.get_by_label("the server")).to_be_checked()
    expect(notebook.page.locator(".jp-Notebook-cell").nth(0)).to_contain_class("jp-mod-selected")
    while 'Move "frame" down' not in (focused.first.get_attribute("aria-label") or ""):
        press("Tab")
    press("Enter")
    press("Enter")
    expect(form.locator(".wslab-order li")).to_contain_text(["GET", "101", "frame"])
    while focused.first.get_attribute("type") != "submit":
        press("Tab")
    press("Enter")

    expect(form.get_by_role("status")).to_be_focused()
    expect(form.get_by_role("status")).to_have_text("Locked in. The table below shows what happened.")
    expect(form.get_by_label("bytes from the client")).to_be_disabled()
    expect(form.get_by_label("bytes from the client")).to_have_value("7 bytes")
    expect(reveal.get_by_role("status")).to_have_text("1 of 3 as predicted")
    row = reveal.get_by_role("row").nth(1)
    expect(row).to_contain_text("bytes from the client")
    expect(row).to_contain_text("1815")
    expect(row).to_contain_text("A client masks its frame")
    expect(reveal).to_contain_text("A frame is two bytes and the letters.")
    for theme in ("light", "dark"):
        for width in (1280, 800):
            notebook.picture(tmp_path / f"{theme}-{width}.png", theme=theme, width=width)


def test_who_would_rather_see_sees(lab_page: LabPages) -> None:
    notebook = lab_page(ASK, REVEAL)
    notebook.run(0, 1)
    reveal = notebook.panels.nth(1)
    reveal.get_by_role("button", name="I would rather see").click()
    expect(reveal.get_by_role("row").nth(1)).to_contain_text("1815")
    expect(reveal.get_by_role("button")).to_have_count(0)


LAB = """
import os
os.environ["WSLAB_EDITION"] = "student"
from wslab import Lab, predict
lab = Lab(seed=1)
await lab.serve()
async with lab.connect() as client:
    await client.send("before")
    await client.recv()
lab
"""
GUESS = """
guess = predict("What comes back?", {"the echo": ["the same", "nothing"]})
guess
"""
TALK = """
async with lab.connect() as client:
    await client.send("the outcome")
    echo = await client.recv()
guess.reveal({"the echo": "the same" if echo == "the outcome" else "nothing"})
"""


def test_a_lab_holds_back_what_was_recorded_since_a_prediction(lab_page: LabPages) -> None:
    notebook = lab_page(LAB, GUESS, TALK, "guess.after(lab.trace.frame(2))", "lab.trace")
    notebook.run(0, 1, 2, 3, 4)
    panel = notebook.panels.nth(0)
    outputs = notebook.page.locator(".jp-Cell-outputWrapper")
    expect(panel).to_contain_text("records wait for your prediction")
    expect(panel).to_contain_text('"before"')
    assert "the outcome" not in " ".join(outputs.all_inner_texts())
    expect(outputs.nth(3)).to_contain_text("Answer the question above first; this fills in by itself.")

    notebook.panels.nth(1).get_by_label("the same").check()
    notebook.panels.nth(1).get_by_role("button", name="Lock in my prediction").click()
    expect(panel).to_contain_text('"the outcome"')
    expect(panel).not_to_contain_text("wait for your prediction")
    expect(outputs.nth(3)).to_contain_text("Payload")
    heads = notebook.panels.nth(2).get_by_role("columnheader")
    expect(heads).to_have_text(["case", "you said", "it was", "so"])  # there is no reason to tell
