"""A real kernel that is interrupted, restarted, killed or shut down: what a lab began ends with it, without a word."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kernels import Kernel, kernel_process
from processes import gone, listens, lives
from waits import soon

from wslab.live.errors import NodeMissing
from wslab.live.jupyter import doors
from wslab.live.node import package as node

pytestmark = pytest.mark.slow
PROMPT = 2.0  # seconds in which an end must have given back its ports
BEGIN = """
import asyncio, json, os, threading, time
from wslab import BrowserPanel, Lab
from wslab.course import stranger
from wslab.course.exercises import exercise
from IPython.display import display

def once_it_waits():
    "Print when the running cell awaits something: then the loop takes its next turn."
    asyncio.get_running_loop().call_soon(print, "waiting")

@exercise()
async def never_answered(answer, trial):
    "Wait for what the answer does, and then for ever."
    async with Lab() as lab:
        await lab.serve()
        client = await lab.connect()
        answer()
        await client.recv()

def busy():
    "A stranger that computes for ever, and whose grader does not end it."
    stranger.CALL = 1000
    child = stranger.Stranger('{"cells": [{"cell_type": "code", "source": "def f():\\\\n    while True: pass"}]}')
    threading.Thread(target=lambda: child.answer("f")(), daemon=True).start()
    return child

async def begin(lab):
    server, relay, script = await lab.serve(), await lab.relay(), await lab.node()
    client = await lab.connect(relay.uri)
    display(lab.panel)
    for _ in range(1000):  # so many that the panel's pushes are long
        await client.send("x")
        await client.recv()
    ports = [server.port, relay.port, script.port]
    print(json.dumps([ports, [script.pid, busy()._process.pid], server.uri, server.door().key]))
"""
MAKES = "lab = Lab()\nawait begin(lab)"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with kernel_process() as kernel:
        assert kernel.run(BEGIN + "async with Lab() as lab:\n    await lab.serve()").status == "ok"
        yield kernel


def with_node() -> None:
    try:
        node.program()
    except NodeMissing as missing:
        pytest.skip(str(missing))


def interrupted(kernel: Kernel, code: str, cell: str | None = None) -> str:
    """What a cell has printed that runs for ever, once an interrupt has ended it."""
    message = kernel.send(code, cell)
    printed = kernel.wait_for_print(message)
    begun = time.monotonic()
    kernel.manager.interrupt_kernel()
    outcome = kernel.outcome(message, timeout=10)
    assert time.monotonic() - begun < PROMPT
    assert outcome.status == "error"
    assert outcome.error.split(":")[0] in ("KeyboardInterrupt", "CancelledError")
    return printed


AWAITS = {
    "a message": "once_it_waits()\nawait client.recv()",
    "bytes": "raw = await lab.raw()\nonce_it_waits()\nawait raw.recv(timeout=None)",
    "a client": "raw = await lab.raw(listen=True)\nonce_it_waits()\nawait raw.connected(timeout=None)",
    "a connection": "raw = await lab.raw(listen=True)\nonce_it_waits()\nawait lab.connect(raw.uri, open_timeout=None)",
    "a relay's client": "relay = await lab.relay()\nthrough = await lab.connect(relay.uri)\nonce_it_waits()\n"
    "await through.recv()",
    "a panel": "panel = BrowserPanel(lab)\npanel.run()\nonce_it_waits()\nawait panel.wait_for('close', timeout=1000)",
    "an exercise": "once_it_waits()\nawait never_answered.check(lambda: None)",
}
COMPUTES = {
    "in a loop": "print('on')\nwhile True: pass",
    "in a function that sleeps": "print('on')\ntime.sleep(1000)",
    "in a loop whose waits are over at once": "print('on')\nwhile True: await lab.settled()",
    "in an exercise": "await never_answered.check(lambda: (print('on'), time.sleep(0.7)))",
    "while a stranger begins": 'print(\'on\')\nstranger.Stranger(\'{"cells": [{"cell_type": "code", '
    '"source": "x = [1 for _ in iter(int, 1)]"}]}\')',
}


@pytest.mark.parametrize("code", [*AWAITS.values(), *COMPUTES.values()], ids=[*AWAITS, *COMPUTES])
def test_an_interrupt_reaches_a_cell(kernel: Kernel, code: str) -> None:
    made = kernel.run("lab = Lab()\nserver = await lab.serve()\nclient = await lab.connect()\nprint(server.port)")
    port = int(made.printed)
    # With an await in it, which makes it a cell that ipykernel cancels, and does not stop by itself.
    interrupted(kernel, "await asyncio.sleep(0)\n" + code)
    assert kernel.run("await client.send('x')\nprint(await client.recv())\nawait lab.close()").printed == "x"
    soon(lambda: not listens(port), patience=PROMPT)
    assert kernel.run(f"print(open(f'/proc/{kernel.pid}/task/{kernel.pid}/children').read())").printed == ""
    assert kernel.said == ""


def test_an_interrupt_while_code_outside_the_cell_computes_leaves_the_kernel_alive(kernel: Kernel) -> None:
    code = """
async def computes():
    print("on")
    end = time.monotonic() + 1.2  # longer than an interrupt waits before it comes again
    while time.monotonic() < end: pass
await asyncio.gather(computes(), asyncio.sleep(1000))
"""
    interrupted(kernel, code)
    assert kernel.run("print('next')").printed == "next"
    assert kernel.said == ""


@pytest.mark.parametrize("order", ["press(); over.set()", "over.set(); press()"])
@pytest.mark.parametrize("wait", ["over.wait()", "asyncio.sleep(0)"])
def test_an_interrupt_reaches_a_cell_whose_wait_ends_in_the_same_moment(kernel: Kernel, wait: str, order: str) -> None:
    """The cancelling takes turns of the loop. A cell that goes on in one of these and computes lets none more come."""
    code = f"""
import signal
over = asyncio.Event()
def press():
    signal.raise_signal(signal.SIGINT)
async def both():
    {order}
begun = asyncio.ensure_future(both())
while not over.is_set(): await {wait}
while True: pass
"""
    begun = time.monotonic()
    outcome = kernel.outcome(kernel.send(code), timeout=10)
    assert time.monotonic() - begun < PROMPT
    assert outcome.error.split(":")[0] in ("KeyboardInterrupt", "CancelledError")
    assert kernel.run("print('next')").printed == "next"
    assert kernel.said == ""


@pytest.mark.parametrize("awaits", ["await asyncio.sleep(0)\n", ""], ids=["awaits", "awaits nothing"])
def test_an_interrupt_comes_again_where_python_could_not_raise_it(kernel: Kernel, awaits: str) -> None:
    """What a collected thing's weak reference calls cannot raise: Python tells "Exception ignored" and goes on."""
    code = """
import weakref
one = asyncio.Event()
told = weakref.ref(one, lambda _: (print("on"), time.sleep(1000)))
del one
while True: pass
"""
    interrupted(kernel, awaits + code)
    assert kernel.run("print('next')").printed == "next"
    assert kernel.said == ""


def test_what_else_python_could_not_raise_is_told(kernel: Kernel) -> None:
    code = "import weakref\none = asyncio.Event()\ntold = weakref.ref(one, lambda _: 1 / 0)\ndel one"
    assert "ZeroDivisionError" in kernel.outcome(kernel.send(code)).streams["stderr"]


def test_an_interrupt_that_a_cell_catches_is_over(kernel: Kernel) -> None:
    code = """
await asyncio.sleep(0)
print("on")
try:
    time.sleep(1000)
except KeyboardInterrupt:
    print("caught")
"""
    message = kernel.send(code)
    kernel.wait_for_print(message)
    kernel.manager.interrupt_kernel()
    assert kernel.outcome(message).streams["stdout"] == "caught\n"
    assert kernel.run("while True:\n    print('next')\n    break").printed == "next"


@pytest.mark.oracle
def test_twenty_runs_of_a_cell_gain_nothing(kernel: Kernel) -> None:
    """No port, thread, task, descriptor or process."""
    with_node()
    kernel.run("""
import gc, glob
def parent(path):
    try:
        return open(path).read().rpartition(")")[2].split()[1]
    except OSError:  # it has ended meanwhile
        return ""
def census():
    gc.collect()
    own = f"/proc/{os.getpid()}"
    sockets = {os.path.realpath(f"{own}/fd/{one}") for one in os.listdir(f"{own}/fd")}
    inodes = {name.partition("[")[2].rstrip("]") for name in sockets if "socket:" in name}
    lines = [line.split() for line in open("/proc/net/tcp")]
    listening = sum(line[3] == "0A" and line[9] in inodes for line in lines)
    children = sum(str(os.getpid()) == parent(path) for path in glob.glob("/proc/[0-9]*/stat"))
    return [listening, threading.active_count(), len(asyncio.all_tasks()), len(os.listdir(f"{own}/fd")), children]
""")
    code = """
lab = Lab()
server, relay, script = await lab.serve(), await lab.relay(), await lab.node()
client, raw, through = await lab.connect(), await lab.raw(listen=True), await lab.connect(relay.uri)
waiting = asyncio.ensure_future(client.recv())
lab
"""
    counted = "print(json.dumps(census()))"
    for _ in range(2):
        assert kernel.run(code, cell="twenty").status == "ok"
    first: list[int] = json.loads(kernel.run("await asyncio.sleep(0.5)\n" + counted, cell="count").printed)
    for _ in range(20):
        assert kernel.run(code, cell="twenty").status == "ok"

    def same() -> bool:
        now: list[int] = json.loads(kernel.run(counted, cell="count").printed)
        return all(one <= other for one, other in zip(now, first, strict=True))

    soon(same, lambda: f"{first} became {kernel.run(counted, cell='count').printed}")
    assert kernel.run("await lab.close()").status == "ok"
    assert kernel.said == ""


CLIENT = """
import sys
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None) as client:
    print("in", flush=True)
    try:
        client.recv()
    except ConnectionClosed as closed:
        print(closed.rcvd and closed.rcvd.code)
"""


def runs_again(kernel: Kernel) -> None:
    assert kernel.run("lab = Lab()", cell="one").status == "ok"


def is_closed(kernel: Kernel) -> None:
    assert kernel.run("await lab.close()").status == "ok"


def restarts(kernel: Kernel) -> None:
    kernel.manager.restart_kernel()


def restarts_at_once(kernel: Kernel) -> None:
    kernel.manager.restart_kernel(now=True)


def shuts_down(kernel: Kernel) -> None:
    kernel.manager.shutdown_kernel()


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (runs_again, 1001), (is_closed, 1001), (restarts, 1001), (restarts_at_once, None), (Kernel.kill, None),
        pytest.param(shuts_down, 1001, marks=pytest.mark.lengthy),
    ],
)  # fmt: skip
def test_nothing_that_a_lab_began_outlives_it(end: Callable[[Kernel], Any], code: int | None) -> None:
    """Its server, relay, script in Node, door and stranger, however it ends, and what its clients are told."""
    with_node()
    with kernel_process() as kernel:
        assert kernel.run(BEGIN).status == "ok"
        ports, children, uri, key = json.loads(kernel.run(MAKES, cell="one").printed)
        client = subprocess.Popen([sys.executable, "-c", CLIENT, uri], stdout=subprocess.PIPE, text=True)
        assert client.stdout is not None
        assert client.stdout.readline() == "in\n"
        end(kernel)
        soon(lambda: not any(map(listens, ports)), patience=PROMPT)
        assert client.communicate(timeout=10)[0] == f"{code}\n"
        assert gone(children[0])
        assert doors.find(key) is None
        if end not in (runs_again, is_closed):  # what grades belongs to the kernel, and not to a lab
            assert gone(children[1])
        if end not in (shuts_down, Kernel.kill):
            kernel.ready()
            assert kernel.run("print('next')").printed == "next"
        assert kernel.said == ""


@pytest.mark.oracle
def test_an_interrupt_ends_what_a_cell_does_and_not_the_lab_that_it_made() -> None:
    with_node()
    with kernel_process() as kernel:
        assert kernel.run(BEGIN).status == "ok"
        ports, (script, _), *_ = json.loads(interrupted(kernel, MAKES + "\nawait asyncio.sleep(1000)", cell="one"))
        assert all(map(listens, ports))
        assert lives(script)
        holds = "async with Lab() as other:\n    await begin(other)\n    await asyncio.sleep(1000)"
        held, (other, _), *_ = json.loads(interrupted(kernel, holds))
        soon(lambda: not any(map(listens, held)), patience=PROMPT)
        assert gone(other)
        second = kernel.run("child = await lab.node()\nprint(child.pid)\nchild", cell="first").printed
        waits = "once_it_waits()\nawait child.wait_for('what it never prints', timeout=1000)"
        assert interrupted(kernel, waits) == "waiting\n"
        assert kernel.run("print(child.running)").printed == "True"
        third = kernel.run("child = await lab.node()\nprint(child.pid)\nchild", cell="first").printed
        assert second != third
        assert gone(int(second))
        runs_again(kernel)
        soon(lambda: not any(map(listens, ports)), patience=PROMPT)
        assert gone(script)
        assert gone(int(third))
        assert kernel.said == ""
