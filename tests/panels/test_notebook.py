"""Which panel shows what is told to IPython by names, and nothing is imported before it is shown."""

from __future__ import annotations

import subprocess
import sys

import pytest

import wslab
from wslab import live
from wslab.panels.notebook import PANELS

PROGRAM = """
import sys
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
