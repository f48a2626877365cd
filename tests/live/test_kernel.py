"""A lab in a real kernel: interrupts, cells that run again, restarts, pasted scripts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from processes import free, gone, listens, lives
from waits import soon
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from wslab.live import kernel as asked_of_the_kernel
from wslab.live import paste_scripts
from wslab.live.errors import NodeMissing
from wslab.live.jupyter import doors
from wslab.live.node import package as node

pytestmark = pytest.mark.slow
THREADS = "import threading; print(sum(thread.name == 'wslab server' for thread in threading.enumerate()))"


@dataclass
class Outcome:
    status: str = ""
    error: str = ""
    streams: dict[str, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})
    result: str = ""

    @property
    def printed(self) -> str:
        assert self.status == "ok", f"{self.error}\n{self.streams['stderr']}"
        assert self.streams["stderr"] == ""
        return self.streams["stdout"].strip()


class Kernel:
    """A kernel, and what a front end does with it."""

    def __init__(self) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel()
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def send(self, code: str, cell: str | None = None) -> str:
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def outcome(self, message: str, timeout: float = 30) -> Outcome:
        outcome = Outcome()
        deadline = time.monotonic() + timeout
        while True:
            got = self.client.get_iopub_msg(timeout=max(0.0, deadline - time.monotonic()))
            if got["parent_header"].get("msg_id") != message:
                continue
            kind, content = got["msg_type"], got["content"]
            if kind == "stream":
                outcome.streams[content["name"]] += content["text"]
            elif kind == "execute_result":
                outcome.result = content["data"]["text/plain"]
            elif kind == "error":
                outcome.error = f"{content['ename']}: {content['evalue']}"
            elif kind == "status" and content["execution_state"] == "idle":
                break
        while True:
            reply = self.client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == message:
                outcome.status = reply["content"]["status"]
                return outcome

    def run(self, code: str, cell: str | None = None) -> Outcome:
        return self.outcome(self.send(code, cell))

    def wait_for_print(self, message: str) -> str:
        while True:
            got = self.client.get_iopub_msg(timeout=30)
            if got["parent_header"].get("msg_id") == message and got["msg_type"] == "stream":
                return str(got["content"]["text"])


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    kernel.run("from wslab.live import Lab, paste_scripts")
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)
    kernel.manager.cleanup_resources()


@pytest.mark.parametrize(
    "waits_for_ever",
    [
        "print('waiting')\nawait client.recv()",
        "print('waiting')\nraw = await lab.raw()\nawait raw.recv(timeout=None)",
        "print('waiting')\nraw = await lab.raw(listen=True)\nawait raw.connected(timeout=None)",
    ],
)
def test_an_interrupt_reaches_a_cell_that_awaits(kernel: Kernel, waits_for_ever: str) -> None:
    assert kernel.run("lab = Lab()\nawait lab.serve()\nclient = await lab.connect()").status == "ok"
    message = kernel.send(waits_for_ever)
    kernel.wait_for_print(message)
    time.sleep(0.3)  # it prints, and then it waits: nothing tells when
    begun = time.monotonic()
    kernel.manager.interrupt_kernel()
    outcome = kernel.outcome(message, timeout=10)
    assert time.monotonic() - begun < 1
    assert (outcome.status, outcome.error.split(":")[0]) in [
        ("error", "KeyboardInterrupt"),
        ("error", "CancelledError"),
    ]
    again = kernel.run("await client.send('x')\nprint(await client.recv())\nawait lab.close()\n" + THREADS)
    assert again.printed == "x\n0"


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


def test_a_restarted_kernel_says_goodbye() -> None:
    kernel = Kernel()
    code = "from wslab.live import Lab\nlab = Lab()\nserver = await lab.serve()\nprint(server.port)"
    port = int(kernel.run(code).printed)
    with connect(f"ws://127.0.0.1:{port}/", proxy=None) as outside:
        outside.send("x")
        assert outside.recv() == "x"
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel()
        with pytest.raises(ConnectionClosedOK) as caught:
            outside.recv(timeout=5)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
    kernel.manager.cleanup_resources()


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
    kernel = Kernel()
    try:
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
    finally:
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)
        kernel.manager.cleanup_resources()


def test_a_script_needs_no_help_where_no_loop_runs() -> None:
    with pytest.raises(RuntimeError, match="works as it is"):
        paste_scripts()


def test_importing_patches_nothing(kernel: Kernel) -> None:
    assert kernel.run("import sys, wslab, wslab.live.kernel\nprint('nest_asyncio2' in sys.modules)").printed in (
        "False",
        "True",  # where ipykernel loaded it for itself
    )
    assert kernel.run("import asyncio\nprint(asyncio.run.__module__)").printed == "asyncio.runners"


class _Shell:
    kernel = object()


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


BEGIN = """
import asyncio, json
from wslab.live import Lab

async def begin(lab):
    server, relay, child = await lab.serve(), await lab.relay(), await lab.node()
    await lab.connect(relay.uri)
    print(json.dumps([[server.port, relay.port, child.port], child.pid, server.door().key]))
"""
MAKES = "lab = Lab()\nawait begin(lab)"


def stopped_by(kernel: Kernel, message: str) -> str:
    """What a cell that waits for ever has printed, once it was interrupted."""
    printed = kernel.wait_for_print(message)
    time.sleep(0.3)  # it prints, and then it waits: nothing tells when
    kernel.manager.interrupt_kernel()
    assert kernel.outcome(message, timeout=10).status == "error"
    return printed


def runs_again(kernel: Kernel) -> str:
    printed = kernel.run(MAKES, cell="one").printed
    kernel.run("lab = Lab()", cell="one")
    return printed


def is_closed(kernel: Kernel) -> str:
    return kernel.run(MAKES + "\nawait lab.close()").printed


def is_interrupted(kernel: Kernel) -> str:
    """A cell that holds its lab for as long as it runs."""
    return stopped_by(
        kernel, kernel.send("async with Lab() as lab:\n    await begin(lab)\n    await asyncio.sleep(1000)")
    )


def is_interrupted_and_runs_again(kernel: Kernel) -> str:
    printed = stopped_by(kernel, kernel.send(MAKES + "\nawait asyncio.sleep(1000)", cell="one"))
    ports, child, _ = json.loads(printed)
    assert all(map(listens, ports)), "an interrupt ends what a cell does, and not the lab that it made"
    assert lives(child)
    kernel.run("lab = Lab()", cell="one")
    return printed


def restarts(kernel: Kernel) -> str:
    printed = kernel.run(MAKES).printed
    kernel.manager.restart_kernel()
    return printed


def is_killed(kernel: Kernel) -> str:
    printed = kernel.run(MAKES).printed
    assert kernel.manager.provisioner is not None
    os.kill(kernel.manager.provisioner.pid, signal.SIGKILL)
    return printed


@pytest.mark.oracle
@pytest.mark.parametrize(
    "end", [runs_again, is_closed, is_interrupted, is_interrupted_and_runs_again, restarts, is_killed]
)
def test_nothing_that_a_lab_began_outlives_it(end: Callable[[Kernel], str]) -> None:
    """Its server, relay, script in Node and door, however it ends."""
    try:
        node.program()
    except NodeMissing as missing:
        pytest.skip(str(missing))
    kernel = Kernel()
    try:
        assert kernel.run(BEGIN).status == "ok"
        ports, child, key = json.loads(end(kernel))
        assert all(map(free, ports))
        assert gone(child)
        assert doors.find(key) is None
    finally:
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)
        kernel.manager.cleanup_resources()


@pytest.mark.oracle
def test_a_script_in_node_is_replaced_and_an_interrupt_reaches_a_cell_that_waits_for_it() -> None:
    """In a lab that has nothing else."""
    try:
        node.program()
    except NodeMissing as missing:
        pytest.skip(str(missing))
    kernel = Kernel()
    try:
        assert kernel.run("from wslab.live import Lab\nlab = Lab()").status == "ok"
        code = "child = await lab.node()\nprint(child.pid)\nchild"
        first, second = (int(kernel.run(code, cell="first").printed) for _ in range(2))
        assert first != second
        assert gone(first)
        waits = "print('waiting')\nawait child.wait_for('what it never prints', timeout=1000)"
        assert stopped_by(kernel, kernel.send(waits)) == "waiting\n"
        assert kernel.run("print(child.running)").printed == "True"
    finally:
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)
        kernel.manager.cleanup_resources()
    assert gone(second)
