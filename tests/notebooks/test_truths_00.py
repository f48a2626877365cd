"""What lesson 00 tells its learners is so."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import websockets
from jupyter_process import jupyter_process
from websockets.asyncio.server import ServerConnection
from websockets.sync.client import connect as dial

from wslab import Sender, judge
from wslab.anatomy.record import Kind
from wslab.live import Lab

GREETING, ANSWER = "Hello client!", "Hello server!"
KERNEL_SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"


async def greet(connection: ServerConnection) -> None:
    await connection.send(GREETING)
    async for _ in connection:
        pass


async def conversation() -> Lab:
    """The article's greeting: the server speaks first, the client hears it and then speaks."""
    async with Lab(seed=1, carrier="memory") as lab:
        await lab.serve(greet)
        async with lab.connect() as client:
            assert await client.recv() == GREETING
            await client.send(ANSWER)
    return lab


def test_the_server_may_speak_first_on_the_connection_that_http_opened() -> None:
    trace = asyncio.run(conversation()).trace
    assert len(trace.connections) == 1
    assert [record.kind for record in trace.records[:2]] == [Kind.REQUEST, Kind.RESPONSE]
    assert [(message.sender, message.data) for message in trace.messages] == [
        (Sender.SERVER, GREETING.encode()),
        (Sender.CLIENT, ANSWER.encode()),
    ]
    assert [record.summary for record in trace.records[4:]] == [
        "CLOSE 1000",
        "CLOSE 1000",
        "FIN, end of stream",
        "FIN, end of stream",
    ]


def test_a_greeting_costs_two_bytes_more_than_its_letters_and_a_client_four_more_again() -> None:
    to_client, to_server = asyncio.run(conversation()).trace.frames[:2]
    assert to_client.raw == bytes([0b1000_0001, 13]) + GREETING.encode()
    assert to_server.raw is not None
    assert len(to_server.raw) == 19
    assert to_server.raw[:2] == bytes([0b1000_0001, 0b1000_1101])
    assert ANSWER.encode() not in to_server.raw


@pytest.mark.parametrize(("length", "heard"), [(8, ()), (7, ('text message "Merhaba"',))])
def test_a_frame_that_promises_more_than_it_holds_is_waited_for_and_no_error(
    length: int, heard: tuple[str, ...]
) -> None:
    for verdict in judge(bytes([0b1000_0001, length]) + b"Merhaba", as_client=False).verdicts:
        assert verdict.accepted
        assert verdict.events == heard


def test_asyncio_run_refuses_where_a_loop_runs_and_await_does_not() -> None:
    async def answer() -> int:
        return 42

    async def cell() -> int:
        attempt = answer()
        with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
            asyncio.run(attempt)
        attempt.close()
        return await answer()

    assert asyncio.run(cell()) == 42


def called_while_the_loop_is_busy(uri: str, patience: float) -> str:
    """What an outside client hears while this function, which awaits nothing, keeps its loop from running."""
    heard = []

    def call() -> None:
        try:
            with dial(uri, proxy=None, open_timeout=patience) as client:
                heard.append(str(client.recv()))
        except TimeoutError:
            heard.append("nothing")

    caller = threading.Thread(target=call)
    caller.start()
    while caller.is_alive():
        sum(range(1000))
    return heard[0]


@pytest.mark.lengthy
def test_a_busy_cell_does_not_silence_the_labs_server_and_does_silence_one_on_its_own_loop() -> None:
    silent = logging.Logger("silent")
    silent.addHandler(logging.NullHandler())

    async def cell() -> tuple[str, str]:
        async with Lab() as lab:
            server = await lab.serve(greet)
            own_thread = called_while_the_loop_is_busy(server.uri, patience=10)
        async with websockets.serve(greet, "127.0.0.1", 0, logger=silent) as plain:
            port = next(iter(plain.sockets)).getsockname()[1]
            own_loop = called_while_the_loop_is_busy(f"ws://127.0.0.1:{port}/", patience=0.3)
        return own_thread, own_loop

    assert asyncio.run(cell()) == (GREETING, "nothing")


SCRIPT = """
import asyncio
from wslab import paste_scripts

async def main():
    return "ran"

async def cell():
    paste_scripts()
    print(asyncio.run(main()), asyncio.run.__module__)

asyncio.run(cell())
"""


def test_a_pasted_script_runs_once_asked_for_and_asyncio_run_is_then_another() -> None:
    # In a process of its own, since nothing undoes it.
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("ran nest_asyncio2\n", "")


@pytest.mark.slow
def test_the_kernels_own_websocket_speaks_the_subprotocol_that_the_lesson_names(tmp_path: Path) -> None:
    with jupyter_process("jupyter_server", tmp_path) as jupyter:
        place, token = urlsplit(jupyter.url).netloc, jupyter.token
        with contextlib.closing(http.client.HTTPConnection(place, timeout=60)) as server:
            server.request("POST", "/api/kernels", body="{}", headers={"Authorization": f"token {token}"})
            kernel = json.loads(server.getresponse().read())["id"]
        uri = f"ws://{place}/api/kernels/{kernel}/channels?token={token}"
        offer = [websockets.Subprotocol(KERNEL_SUBPROTOCOL)]
        with dial(uri, subprotocols=offer, proxy=None, open_timeout=60) as client:
            assert client.subprotocol == KERNEL_SUBPROTOCOL
            assert isinstance(client.recv(timeout=30), bytes)  # it speaks unasked: the kernel's state
