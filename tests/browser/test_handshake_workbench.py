"""The handshake workbench in the real JupyterLab."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import LabPages, NotebookPage
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

BENCH = """
import wslab
from wslab.panels.handshake_workbench.handshake_workbench import HandshakeWorkbench
lab = wslab.Lab(seed=1)
await lab.serve()
bench = HandshakeWorkbench(lab)
bench
"""


def show_bench(lab_page: LabPages, *more: str) -> tuple[NotebookPage, Locator]:
    notebook = lab_page(BENCH, *more)
    notebook.run(0)
    panel = notebook.panels.first
    expect(panel.locator(".wslab-experiments tbody tr")).to_have_count(13)
    return notebook, panel


def test_a_request_without_upgrade_gets_426_and_two_views_stay_in_step(lab_page: LabPages) -> None:
    notebook, panel = show_bench(lab_page, "bench", "print(bench.attempt.status, lab.trace.connections)")
    notebook.run(1)
    other = notebook.panels.nth(1)
    request = panel.get_by_role("textbox", name="The request")
    send = panel.get_by_role("button", name="Send")
    answer = panel.locator(".wslab-status code")
    send.click()
    expect(answer).to_have_text("HTTP/1.1 101 Switching Protocols")
    expect(panel.locator(".wslab-checks > [data-outcome=holds]")).to_have_count(6)
    expect(panel.locator(".wslab-step").last).to_contain_text("equal: whoever answered")

    request.fill(request.input_value().replace("Upgrade: websocket\n", ""))
    expect(panel.locator(".wslab-violations")).to_contain_text("request-upgrade")
    expect(other.get_by_role("textbox", name="The request")).to_have_value(request.input_value())
    send.click()
    for each in (panel, other):
        expect(each.locator(".wslab-status code")).to_have_text("HTTP/1.1 426 Upgrade Required")
        expect(each.locator(".wslab-words pre")).to_contain_text("missing Upgrade header.")
        expect(each.locator(".wslab-checks > [data-outcome=fails]")).to_contain_text("the status is 101: fails")
    notebook.run(2)
    assert notebook.text(2) == "426 [0, 1]\n"

    panel.get_by_role("tab", name="Accept, step by step").click()
    panel.locator(".wslab-key").fill("a2V5")
    expect(other.locator(".wslab-key")).to_have_value("a2V5")
    expect(other.locator(".wslab-step").first).to_contain_text("3 bytes in base64")
    expect(panel.get_by_role("alert")).to_be_hidden()


def test_an_outcome_is_shown_only_after_its_prediction(lab_page: LabPages) -> None:
    notebook, panel = show_bench(lab_page, "await lab.close()")
    panel.get_by_role("tab", name="One change, which status?").click()
    row = panel.locator("tr[data-name=no-upgrade]")
    run = row.get_by_role("button", name="Run")
    expect(row.locator(".wslab-outcome")).to_have_text("predict first")
    expect(run).to_have_attribute("aria-disabled", "true")
    run.click(force=True)  # what does nothing looks like it, and does nothing
    expect(panel.locator(".wslab-score")).to_have_text("13 to predict")

    row.get_by_role("combobox").select_option("400")
    expect(row.locator(".wslab-outcome")).to_have_text("not run yet")
    run.click()
    expect(row.locator(".wslab-outcome")).to_have_text("426 ≠ surprise")
    expect(row.locator(".wslab-reason")).to_have_text("missing Upgrade header.")
    panel.locator("tr[data-name=post]").get_by_role("combobox").select_option("405")
    panel.get_by_role("button", name="Run all predicted").click()
    expect(panel.locator("tr[data-name=post] .wslab-outcome")).to_have_text("405 ✓ as predicted")
    expect(panel.locator(".wslab-score")).to_have_text("1 of 2 predicted; 11 to predict")

    row.get_by_role("combobox").select_option("426")
    expect(row.locator(".wslab-outcome")).to_have_text("not run yet")
    notebook.run(1)
    expect(panel.locator(".wslab-closed")).to_be_visible()
    run.click()
    expect(panel.get_by_role("alert")).to_contain_text("lab = Lab()")
    expect(row.locator(".wslab-outcome")).to_have_text("not run yet")


def test_the_keyboard_alone_edits_sends_predicts_and_runs(lab_page: LabPages) -> None:
    notebook, panel = show_bench(lab_page)
    keys = notebook.page.keyboard
    panel.get_by_role("textbox", name="The request").focus()
    keys.press("Control+Home")
    keys.press("Shift+ArrowRight")
    keys.press("Shift+ArrowRight")
    keys.press("Shift+ArrowRight")
    keys.type("PUT")
    expect(panel.locator(".wslab-violations")).to_contain_text("request-not-get")
    keys.press("Tab")
    expect(panel.get_by_role("button", name="Send")).to_be_focused()
    keys.press("Enter")
    expect(panel.locator(".wslab-status code")).to_have_text("HTTP/1.1 405 Method Not Allowed")
    expect(panel.get_by_role("button", name="Send")).to_be_focused()
    keys.press("Tab")
    expect(panel.get_by_role("button", name="Restore")).to_be_focused()
    keys.press("Space")
    expect(panel.locator(".wslab-violations")).to_have_count(0)
    keys.press("Tab")
    keys.press("Space")
    expect(panel.get_by_role("checkbox")).to_be_checked()
    expect(panel.locator(".wslab-violations").first).to_contain_text("line-ends-in-bare-lf")

    row = panel.locator("tr[data-name=http-1\\.0]")
    tabs = panel.get_by_role("tab")
    tabs.first.focus()
    keys.press("ArrowRight")
    expect(tabs.nth(1)).to_be_focused()
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    expect(panel.get_by_role("tabpanel", name="Accept, step by step")).to_be_visible()
    expect(panel.get_by_role("textbox", name="The request")).to_be_hidden()
    keys.press("End")
    expect(panel.get_by_role("tabpanel", name="One change, which status?")).to_be_visible()
    panel.get_by_role("button", name="Put into the editor: POST").focus()
    keys.press("Tab")
    keys.press("Enter")
    expect(row).to_contain_text("GET /chat HTTP/1.0")
    keys.press("Tab")
    keys.type("505")
    expect(row.get_by_role("combobox")).to_have_value("505")
    keys.press("Tab")
    keys.press("Enter")
    expect(row.locator(".wslab-outcome")).to_have_text("505 ✓ as predicted")
    expect(row.get_by_role("button", name="Run")).to_be_focused()
    panel.get_by_role("button", name="Put into the editor: POST").press("Enter")
    expect(tabs.first).to_have_attribute("aria-selected", "true")
    expect(panel.get_by_role("textbox", name="The request")).to_be_focused()
    expect(panel.locator(".wslab-violations")).to_contain_text("request-not-get")


@pytest.mark.parametrize(
    ("part", "there", "absent"),
    [
        ("request", ("textbox", "The request"), ("table", "Experiments with one change")),
        ("accept", ("list", "From the key to Sec-WebSocket-Accept"), ("textbox", "The request")),
        ("experiments", ("table", "Experiments with one change"), ("button", "Put into the editor: POST")),
    ],
)
def test_a_part_is_shown_alone(lab_page: LabPages, part: str, there: tuple[Any, str], absent: tuple[Any, str]) -> None:
    notebook = lab_page(BENCH.replace("(lab)", f"(lab, part={part!r})"))
    notebook.run(0)
    panel = notebook.panels.first
    expect(panel.get_by_role(there[0], name=there[1])).to_be_visible()
    expect(panel.get_by_role(absent[0], name=absent[1])).to_have_count(0)
    expect(panel.get_by_role("tab")).to_have_count(0)
