"""Which panel shows what is told to IPython by names, and nothing is imported before it is shown."""

from __future__ import annotations

import subprocess
import sys

import pytest

import wslab
from wslab import live
from wslab.panels.notebook import PANELS

PROGRAM = """
import os, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
from wslab.live import Lab
class Own(Lab):
    pass
lab = Own(carrier="memory")
def shown():
    return shell.display_formatter.format(lab)[0]
assert shown()["text/plain"] == repr(lab.trace), "IPython without a kernel"
print(sorted(shown()), "anywidget" in sys.modules)
shell.kernel = object()
print(*sorted(shown()), sep="\\n")
assert lab.panel is lab.panel
assert shown()["text/plain"] == repr(lab.panel)
view = "application/vnd.jupyter.widget-view+json"
executed = {"content": {"allow_stdin": False}, "metadata": {}}
for request, live in (
    (executed, False),  # by nbclient, so by nbconvert and papermill
    ({**executed, "metadata": {"cellId": "one"}}, True),
    ({"content": {"allow_stdin": True}, "metadata": {}}, True),  # by a person, whose front end tells no cell
):
    shell.get_parent = lambda: request
    assert (view in shown()) is live, request
    assert (view in shell.display_formatter.format(lab.panel)[0]) is live, request
    assert "text/html" in shown() and "text/html" in shell.display_formatter.format(lab.panel)[0]
shell.get_parent = lambda: executed
os.environ["SERVER_SOFTWARE"] = "voila/0.5"
assert view in shown(), "Voila executes a notebook as nbclient does, and shows its widgets"
"""


def test_nobody_is_two_classes() -> None:
    assert wslab.Lab is live.Lab


@pytest.mark.parametrize(("module", "name"), PANELS)
def test_a_class_that_a_panel_shows_is_where_it_is_said_to_be(module: str, name: str) -> None:
    assert getattr(__import__(module, fromlist=[name]), name).__module__ == module


@pytest.mark.lengthy
def test_a_lab_shows_its_recording_and_in_a_kernel_its_panel() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.splitlines() == [
        "['text/html', 'text/plain'] False",
        "application/vnd.jupyter.widget-view+json",
        "text/html",
        "text/plain",
    ], run.stderr
