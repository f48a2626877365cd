"""Lesson 17 in the real JupyterLab: a cell asks its own kernel, and the stop button is an HTTP request."""

from __future__ import annotations

import pytest
from conftest import LabPages
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ASK = """
from wslab import Lab
from wslab.course.experiments.lesson17 import ask_this_kernel

lab = Lab(seed=17)
print(await ask_this_kernel(lab))
await lab.close()
"""
SLEEP = "import time\nprint('asleep', flush=True)\ntime.sleep(60)"


def test_a_cell_asks_the_kernel_that_runs_it(lab_page: LabPages) -> None:
    notebook = lab_page(ASK)
    notebook.run(0)
    said = notebook.text(0)
    assert said.startswith("● page to kernel, control: kernel_info_request")
    assert "■ kernel to page, control: kernel_info_reply" in said
    assert '"implementation": "ipython"' in said


def test_the_stop_button_is_an_http_request(lab_page: LabPages) -> None:
    notebook = lab_page(SLEEP)
    notebook.start_cell(0)
    # An interrupt that comes before the cell's first line finds nothing to interrupt.
    expect(notebook.page.locator(".jp-OutputArea-output").filter(has_text="asleep")).to_be_visible()
    with notebook.page.expect_request("**/interrupt*") as asked:
        notebook.command("notebook:interrupt-kernel")
    assert asked.value.method == "POST"
    assert not notebook.wait_end()
