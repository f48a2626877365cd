"""A learner's first twenty minutes, from ``wslab lab`` on: cleared copies, predictions by keyboard, an exercise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import NotebookPage
from driver import LAB_ARGUMENTS
from jupyter_process import JupyterServer, jupyter_process
from playwright.sync_api import BrowserContext, Locator, expect

from wslab.course.lesson import prediction_text
from wslab.course.prediction import WAITING

pytestmark = pytest.mark.browser

PREDICTIONS = {
    "00-start-here.ipynb": ("00.first", "00.run"),
    "01-one-conversation-every-byte.ipynb": ("01.bytes", "01.bits", "01.empty", "01.length"),
}
IDLE = "() => ![...document.querySelectorAll('.jp-InputPrompt')].some((prompt) => prompt.innerText === '[*]:')"
RESTART = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
SET = """
([index, source]) => window.jupyterapp.shell.currentWidget.content.model.cells.get(index).sharedModel.setSource(source)
"""
INDEX = """
(id) => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells.findIndex((cell) => cell.id === id)
"""
LETTERS = "def frame(text):\n    return bytes([0b1000_0001, len(text)]) + text.encode()"
BYTES = "def frame(text):\n    data = text.encode()\n    return bytes([0b1000_0001, len(data)]) + data"


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """What the command opens, in an empty folder."""
    with jupyter_process("wslab.cli lab", tmp_path_factory.mktemp("learner"), *LAB_ARGUMENTS) as server:
        yield server


def opened(profile: BrowserContext, server: JupyterServer, name: str) -> NotebookPage:
    """A lesson of the learner's copy."""
    notebook = NotebookPage(profile.new_page(), server, name)
    notebook.open()
    return notebook


def run_by_keyboard(notebook: NotebookPage) -> None:
    """Shift+Enter on every cell, from top to bottom."""
    notebook.select_cell(0)
    notebook.command("notebook:enter-command-mode")
    for _ in notebook.outputs():
        notebook.page.keyboard.press("Shift+Enter")
    notebook.page.wait_for_function(IDLE)
    notebook.wait_ready()


def answer_by_keyboard(form: Locator) -> None:
    """Fill a form in with Tab, Space and digits alone, and lock it in with Enter."""
    keyboard, focused = form.page.keyboard, form.page.locator(":focus")
    form.locator("input").first.focus()
    while (kind := focused.first.get_attribute("type")) != "submit":
        if kind == "radio":
            keyboard.press("Space")
        elif focused.first.evaluate("(node) => node.tagName") == "INPUT":
            keyboard.type("7")
        keyboard.press("Tab")
    keyboard.press("Enter")
    expect(form.locator("fieldset[disabled]")).to_be_attached()


def cell(notebook: NotebookPage, name: str) -> int:
    """Where the cell of that id is."""
    return int(notebook.page.evaluate(INDEX, name))


@pytest.mark.parametrize("name", PREDICTIONS)
def test_nothing_is_told_before_it_is_predicted_and_answers_open_it(
    name: str, learner: JupyterServer, profile: BrowserContext
) -> None:
    copy = json.loads((learner.folder / "wslab-notebooks" / name).read_text(encoding="utf-8"))
    assert copy["metadata"]["wslab"] == {"edition": "student"}
    notebook = opened(profile, learner, name)
    try:
        assert not any(notebook.outputs())
        run_by_keyboard(notebook)
        forms = notebook.page.locator(".wslab-panel:has(form:not([hidden]) button[type=submit])")
        asked = [prediction_text(one) for one in PREDICTIONS[name]]
        reveals = notebook.page.get_by_role("status").filter(has_text=WAITING)
        expect(reveals).to_have_count(len(asked))
        assert notebook.page.locator(".wslab-answers").count() == 0
        seen = notebook.page.locator(".jp-Notebook").inner_text()
        for one in asked:
            for told in (one.meaning, *(why for case in one.cases.values() for why in case.because.values())):
                assert told not in seen
        for number, one in enumerate(asked, 1):
            # A form that was answered has no button any more, so the first one is the next.
            form = notebook.page.locator(".wslab-panel", has=notebook.page.locator("form:not([hidden])")).filter(
                has_text=one.question
            )
            answer_by_keyboard(form.first)
            expect(notebook.page.locator("table.wslab-answers")).to_have_count(number)
            outcome = notebook.page.locator("table.wslab-answers").nth(number - 1)
            expect(outcome.locator("tbody tr")).to_have_count(len(one.cases))
            expect(notebook.page.get_by_text(one.meaning)).to_be_attached()
        assert forms.count() == (1 if name.startswith("01") else 0)  # the quiz is left
    finally:
        notebook.shut_down()
        notebook.page.close()


def test_the_exercise_answers_and_a_restart_loses_nothing(learner: JupyterServer, profile: BrowserContext) -> None:
    notebook = opened(profile, learner, "01-one-conversation-every-byte.ipynb")
    try:
        stub, check = cell(notebook, "stub"), cell(notebook, "check")
        for index in range(stub):
            notebook.select_cell(index)
            notebook.command("notebook:run-cell")
        output = notebook.page.locator(".jp-Notebook-cell").nth(check).locator(".jp-OutputArea")
        imported = "from wslab.course.experiments.lesson01 import say, server_frame\n"
        for source, words in ((LETTERS, "You count letters. The length counts bytes"), (BYTES, "server_frame: solved")):
            notebook.page.evaluate(SET, [stub, imported + source])
            notebook.run(stub, check)
            expect(output).to_contain_text(words)

        panel = notebook.panels.first
        panel.scroll_into_view_if_needed()
        notebook.page.evaluate(RESTART)
        expect(panel).to_contain_text("no kernel answers", ignore_case=True)
        notebook.wait_ready()
        notebook.page.evaluate(SET, [check, "from wslab import progress\nprogress()"])
        notebook.run(check)
        expect(output).to_contain_text("solved, 2 tries, 0 hints")
    finally:
        notebook.shut_down()
        notebook.page.close()


def test_the_learners_folder_holds_the_course_and_the_progress(learner: JupyterServer) -> None:
    folder = learner.folder / "wslab-notebooks"
    assert (folder / "wslab-progress.jsonl").exists()
    assert len(list(folder.glob("*.ipynb"))) == len(list((Path(__file__).parents[2] / "notebooks").glob("*.ipynb")))
