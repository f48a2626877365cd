"""Progress in a real kernel: shown to a front end that tells its cells and to no other; an interrupt stops the work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kernels import Kernel, kernel_process

from wslab.recording.trace import Trace

pytestmark = pytest.mark.slow
FILLED = """
from wslab import Trace
from wslab.anatomy.field import Sender
from wslab.recording import work
work.DELAY = 0
trace = Trace()
tap = trace.join(Sender.CLIENT, 1)
for _ in range(5_000):
    tap.sent(b"\\x81\\x80\\0\\0\\0\\0")
trace.update()
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with kernel_process() as kernel:
        assert kernel.run(FILLED).printed == ""
        yield kernel


def displayed(kernel: Kernel, message: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an execution displays, until it is over."""
    while True:
        got = kernel.client.get_iopub_msg(timeout=30)
        if got["parent_header"].get("msg_id") == message:
            kind, content = got["msg_type"], got["content"]
            if kind == "status" and content["execution_state"] == "idle":
                kernel.client.get_shell_msg(timeout=30)
                return
            if kind in ("display_data", "update_display_data", "error", "stream"):
                yield kind, content


def test_it_is_shown_in_a_cell_and_nowhere_else(kernel: Kernel, tmp_path: Path) -> None:
    code = f"trace.save({str(tmp_path / 'saved')!r})"
    assert list(displayed(kernel, kernel.send(code))) == []
    shown = list(displayed(kernel, kernel.send(code, "a cell")))
    assert [kind for kind, _ in shown] == ["display_data", *["update_display_data"] * (len(shown) - 1)]
    assert len({content["transient"]["display_id"] for _, content in shown}) == 1
    assert "<progress" in shown[1][1]["data"]["text/html"]
    assert shown[-1][1]["data"] == {"text/plain": "", "text/html": ""}


def test_an_interrupt_stops_the_work_and_leaves_nothing_half_written(kernel: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "saved"
    told = displayed(kernel, kernel.send(f"while True:\n    trace.save({str(path)!r})", "a cell"))
    texts = [""]
    for kind, content in told:
        if kind == "update_display_data":
            texts.append(content["data"]["text/plain"])
            if "packing" in texts[-1]:
                break
    begun = time.monotonic()
    kernel.manager.interrupt_kernel()
    rest = list(told)
    assert time.monotonic() - begun < 5  # a second, on a machine that nobody else uses
    assert [content["ename"] for kind, content in rest if kind == "error"] == ["KeyboardInterrupt"]
    texts += [content["data"]["text/plain"] for kind, content in rest if kind == "update_display_data"]
    assert texts[-1] == ""  # what was shown is gone
    assert {*tmp_path.iterdir()} <= {path}
    if path.exists():
        assert Trace.load(path).total == 5_000
