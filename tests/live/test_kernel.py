"""A lab in a real kernel: cells that run again, a named port, failing handlers, pasted scripts."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kernels import Kernel, kernel_process
from waits import soon
from websockets.sync.client import connect

from wslab.live import kernel as asked_of_the_kernel
from wslab.live import paste_scripts

pytestmark = pytest.mark.slow
THREADS = "import threading; print(sum(thread.name == 'wslab server' for thread in threading.enumerate()))"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with kernel_process() as kernel:
        kernel.run("from wslab.live import Lab, paste_scripts")
        yield kernel


def test_an_interrupt_reaches_a_cell_that_has_await_in_it_and_computes(kernel: Kernel) -> None:
    assert kernel.run("lab = Lab()\nawait lab.serve()\nclient = await lab.connect()").status == "ok"
    message = kernel.send("await client.send('x')\nprint('computing')\nwhile True: pass")
    kernel.wait_for_print(message)
    kernel.manager.interrupt_kernel()
    outcome = kernel.outcome(message, timeout=10)
    assert (outcome.status, outcome.error.split(":")[0]) == ("error", "KeyboardInterrupt")
    assert kernel.run("await lab.close()\nprint('goes on')").printed == "goes on"


def test_a_cell_that_runs_again_replaces_its_lab(kernel: Kernel) -> None:
    # A cell that ends in `lab` keeps it in IPython's Out, for good.
    code = "lab = Lab()\nserver = await lab.serve()\nclient = await lab.connect()\nprint(server.port)\nlab"
    ports = []
    for _ in range(3):
        outcome = kernel.run(code, cell="first")
        ports.append(int(outcome.printed))
        assert "101 Switching Protocols" in outcome.result  # the text of the panel that shows it
    soon(lambda: kernel.run(THREADS).printed == "1")
    for port in ports[:2]:
        with pytest.raises(ConnectionRefusedError):
            connect(f"ws://127.0.0.1:{port}/", proxy=None)
    with connect(f"ws://127.0.0.1:{ports[2]}/", proxy=None) as outside:
        outside.send("x")
        assert outside.recv() == "x"
    assert kernel.run("await client.send('x')\nprint(await client.recv())\nawait lab.close()").printed == "x"


def test_two_labs_of_one_cell_live_together(kernel: Kernel) -> None:
    code = "one, two = Lab(), Lab()\nawait one.serve()\nawait two.serve()\nprint(one, two)"
    assert kernel.run(code, cell="both").printed == "<Lab over tcp, serving> <Lab over tcp, serving>"
    assert kernel.run("await one.close()\nawait two.close()").status == "ok"


def test_a_forgotten_lab_is_gone(kernel: Kernel) -> None:
    """Front ends that do not name their cells."""
    for _ in range(3):
        assert kernel.run("lab = Lab()\nserver = await lab.serve()\nclient = await lab.connect()").status == "ok"
    soon(lambda: kernel.run("import gc; gc.collect();" + THREADS).printed == "1")
    assert kernel.run("await lab.close()\n" + THREADS).printed == "0"


def test_a_named_port_can_be_served_again(kernel: Kernel) -> None:
    for run in range(3):
        outcome = kernel.run(
            f"lab{run} = Lab()\nserver = await lab{run}.serve(port=int('1234'))\nprint(server.port)", cell=f"cell {run}"
        )
        if "PortTaken" in outcome.error:
            pytest.skip("this machine has another program on port 1234")
        assert outcome.printed == "1234"
    assert kernel.run("print(lab0, lab1, lab2)").printed == " ".join(["<Lab over tcp, closed>"] * 2 + [
        "<Lab over tcp, serving>"
    ])  # fmt: skip
    assert kernel.run("await lab2.close()").status == "ok"


def test_a_failing_handler_leaves_stderr_empty(kernel: Kernel) -> None:
    code = """
async def handler(connection):
    raise ValueError("no")
lab = Lab()
await lab.serve(handler)
client = await lab.connect()
await client.wait_closed()
await lab.close()
print([dict(lab.trace.explain(one.number).facts)["error"] for one in lab.trace.records if one.kind == 5])
"""
    assert kernel.run(code).printed == """['ValueError: no (handler, line 2: raise ValueError("no"))']"""


SCRIPT = """
import asyncio
import os
async def main():
    async with Lab() as lab:
        await lab.serve()
        async with lab.connect() as client:
            await client.send("pasted")
            print(await client.recv())
asyncio.run(main())
"""


def test_a_script_can_be_pasted_when_asked_for() -> None:
    with kernel_process() as kernel:
        assert kernel.run("from wslab.live import Lab, paste_scripts").status == "ok"
        assert (
            "cannot be called from a running event loop"
            in kernel.run(SCRIPT.replace("main())", "asyncio.sleep(0))")).error
        )
        # Two cells queued at once: the second must not be lost behind the first's nested loop.
        messages = [
            kernel.send(code)
            for code in ("paste_scripts()", SCRIPT, SCRIPT, "print(await asyncio.sleep(0, 'awaited'))")
        ]
        outcomes = [kernel.outcome(message) for message in messages[:1]]
        assert outcomes[0].status == "ok"
        printed = []
        deadline = time.monotonic() + 30
        replies: dict[str, Any] = {}
        while len(replies) < 3 and time.monotonic() < deadline:
            reply = kernel.client.get_shell_msg(timeout=30)
            replies[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
        assert [replies[message] for message in messages[1:]] == ["ok"] * 3
        while len(printed) < 3:
            got = kernel.client.get_iopub_msg(timeout=30)
            if got["msg_type"] == "stream":
                printed.append(got["content"]["text"].strip())
        assert printed == ["pasted", "pasted", "awaited"]


def test_a_script_needs_no_help_where_no_loop_runs() -> None:
    with pytest.raises(RuntimeError, match="works as it is"):
        paste_scripts()


def test_importing_patches_nothing(kernel: Kernel) -> None:
    assert kernel.run("import sys, wslab, wslab.live.kernel\nprint('nest_asyncio2' in sys.modules)").printed in (
        "False",
        "True",  # where ipykernel loaded it for itself
    )
    assert kernel.run("import asyncio\nprint(asyncio.run.__module__)").printed == "asyncio.runners"


class _Events:
    @staticmethod
    def register(*_: object) -> None: ...


class _Shell:
    kernel = object()
    events = _Events()


def test_a_handler_that_the_user_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_of_the_kernel, "shell", _Shell)

    async def arranged() -> bool:
        return asked_of_the_kernel.let_interrupts_arrive(asyncio.get_running_loop())

    def own(*_: object) -> None: ...

    before = signal.signal(signal.SIGUSR2, own)
    try:
        assert asyncio.run(arranged()) is False
        assert signal.getsignal(signal.SIGUSR2) is own
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        assert asyncio.run(arranged()) is True
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_outside_a_kernel_no_signal_is_touched() -> None:
    async def arranged() -> bool:
        return asked_of_the_kernel.let_interrupts_arrive(asyncio.get_running_loop())

    assert asyncio.run(arranged()) is False
    assert asked_of_the_kernel.running_cell() is None
