"""What a panel waits for before it speaks to a kernel, in front ends with subshells and in those that have none."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from wslab.panels.kit.module import esm

DRIVER = """
const { subshell } = await import("data:text/javascript;base64," + Buffer.from(%(module)s).toString("base64"));
let disposed = 0;
const comm = { dispose: () => (disposed += 1), ...%(comm)s };
const kernel = { supportsSubshells: true, createComm: (target) => ({ ...comm, target }), ...%(kernel)s };
const ready = subshell({ widget_manager: %(manager)s }, 20);
const waited = ready !== null;
await ready;
process.stdout.write(JSON.stringify({ waited, disposed }));
"""


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("manager", "kernel", "comm", "waited", "disposed"),
    [
        ("{ kernel }", "{}", "{ subshellStarted: Promise.resolve() }", True, 1),
        ("{ kernel }", "{}", "{ subshellStarted: Promise.reject('no more threads') }", True, 1),
        ("{ kernel }", "{}", "{ subshellStarted: new Promise(() => {}) }", True, 1),
        ("{ kernel }", "{}", "{ subshellStarted: new Promise(() => {}), commsOverSubshells: 'disabled' }", False, 1),
        ("{ kernel }", "{}", "{}", False, 1),  # an older JupyterLab's comm
        ("{ kernel }", "{ supportsSubshells: false }", "{}", False, 0),
        ("{ kernel }", "{ createComm: undefined }", "{}", False, 0),
        ("{ kernel: null }", "{}", "{}", False, 0),  # a saved notebook
        ("undefined", "{}", "{}", False, 0),  # no Jupyter
    ],
)
def test_a_panel_waits_for_the_widgets_thread_where_there_will_be_one(
    node_path: str, manager: str, kernel: str, comm: str, waited: bool, disposed: int
) -> None:
    source = DRIVER % {"module": json.dumps(esm("kit/subshell.js")), "manager": manager, "kernel": kernel, "comm": comm}
    run = subprocess.run([node_path, "--input-type=module", "-"], input=source, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    assert found == {"waited": waited, "disposed": disposed}
