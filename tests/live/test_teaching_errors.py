"""What a beginner gets wrong is taken, or told in a few lines with what to do next."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import wslab
from wslab import Lab, accept_key, build_close, build_frame, dissect, explain, judge
from wslab.anatomy.hex_text import HexError
from wslab.live.errors import LabClosed, PortTaken

HELLO = "81 05 48 65 6c 6c 6f"


def test_hex_is_read_wherever_bytes_are():
    assert "Hello" in repr(explain(HELLO))
    assert judge(HELLO, as_client=False).websockets.accepted
    assert dissect(server=HELLO).frames == dissect(server=bytes.fromhex(HELLO)).frames


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: dissect("x"), HexError, "'x' is no hex digit"),
        (lambda: explain(5), TypeError, r"explain\(5\): bytes are wanted, or a string of hex digits"),
        (lambda: judge(None), TypeError, r"judge\(None\): bytes are wanted"),
        (lambda: build_frame(5), TypeError, r"build_frame\(5\): text or bytes are wanted, such as build_frame\('5'\)"),
        (lambda: build_close(1000, 5), TypeError, r"build_close\(5\): text or bytes are wanted"),
        (lambda: accept_key(b"x"), TypeError, r"accept_key\(b'x'\): the key is wanted as it stands in the header"),
    ],
)
def test_a_wrong_type_is_told_with_what_is_wanted(call: Any, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        call()


def test_only_public_names_are_completed():
    assert dir(wslab) == sorted([*wslab.__all__, "__version__"])


def test_a_forgotten_await_is_named():
    async def scene() -> None:
        lab = Lab(carrier="memory")
        await lab.serve()
        with pytest.raises(AttributeError, match=r"`async with ... as client`: then client.send"):
            lab.connect().send("x")
        with pytest.raises(AttributeError, match="no attribute 'sned'"):
            lab.connect().sned  # noqa: B018

    asyncio.run(scene())


def test_a_port_that_is_taken_leaves_the_running_server_alone():
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            async with Lab(carrier="tcp") as lab:
                server = await lab.serve()
                with pytest.raises(PortTaken):
                    await lab.serve(port=other.getsockname()[1])
                assert lab.server is server
                async with lab.connect() as client:
                    await client.send("still there")
                    assert await client.recv() == "still there"
                assert (await lab.serve(port=server.port)).port == server.port  # its own is not taken

    asyncio.run(scene())


def test_a_closed_lab_says_which_cell_to_run():
    async def scene() -> None:
        lab = Lab(carrier="memory")
        await lab.close()
        with pytest.raises(LabClosed, match=r"run the cell with lab = Lab\(\) again, and then the cells below it"):
            await lab.serve()

    asyncio.run(scene())


SETUP = """
from wslab import Lab
lab = Lab()

async def divide(connection):
    async for message in connection:
        await connection.send(str(1 / int(message)))

await lab.serve(divide)
"""


def run(*cells: str) -> list[list[str]]:
    """What each cell of a notebook says of its error, in a real kernel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
    NotebookClient(notebook, timeout=60, allow_errors=True).execute()
    return [
        line
        for cell in notebook.cells
        for line in [[line for one in cell.outputs if one.output_type == "error" for line in one.traceback]]
    ]


@pytest.mark.skipif(sys.platform == "emscripten", reason="no kernels there")
@pytest.mark.lengthy
def test_a_kernel_tells_errors_in_a_few_lines():
    failed, noted, early, plain, whole = run(
        SETUP + "client = await lab.connect()\nawait client.send('0')\nawait client.recv()",
        "assert any('division by zero (divide, line 6' in repr(lab.trace.explain(one.number)) for one in lab.trace)",
        "await Lab().raw()",
        "1 / 0",
        "%tb",
    )
    assert failed == [
        "ConnectionClosedError: received 1011 (internal error); then sent 1011 (internal error)",
        "at line 11 of your code: await client.recv()",
        "The server's handler raised ZeroDivisionError: division by zero (divide, line 6: "
        "await connection.send(str(1 / int(message)))). The server told the client so by 1011.",
        "(%tb shows the whole traceback.)",
    ]
    assert noted == []
    assert early[0].startswith("NoServer: this lab has no server yet: run `await lab.serve()` first")
    assert early[1] == "at line 1 of your code: await Lab().raw()"
    assert any("ZeroDivisionError" in line for line in plain)
    assert any("ZeroDivisionError" in line for line in whole)
