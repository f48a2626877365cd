"""Runs what the README shows, as the cell of a notebook would."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from wslab.live.errors import NodeMissing
from wslab.live.node import package as node

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")

BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(source: str) -> dict[str, Any]:
    """Run it as a cell; the names that it leaves."""
    names: dict[str, Any] = {}
    code = compile(source, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def cell() -> None:
        outcome = eval(code, names)
        if inspect.isawaitable(outcome):
            await outcome

    asyncio.run(cell())
    return names


def test_the_ten_lines_run() -> None:
    names = run(BLOCKS[0])
    assert names["answer"] == "Hello server!"
    assert 'TEXT "Hello server!"' in str(names["lab"].trace)


@pytest.mark.oracle
def test_the_lines_about_node_run() -> None:
    try:
        node.program()
    except NodeMissing as missing:
        pytest.skip(str(missing))
    assert len(BLOCKS) == 3
    before = "from wslab import Lab\nlab = Lab()\nawait lab.serve()\n"
    names = run(before + BLOCKS[1] + "await lab.close()\n")
    assert names["server"].lines == ["Client: Hello server!"]
    assert names["client"].state == "was closed"


@pytest.mark.lengthy
def test_the_lines_about_the_relay_run() -> None:
    before = "from wslab import Lab\nlab = Lab()\nserver = await lab.serve()\n"
    after = 'await ws.send("Hello server!")\nanswer = await ws.recv()\nawait lab.close()\n'
    names = run(before + BLOCKS[2].replace('"ws://127.0.0.1:1234/"', "server.uri") + after)
    assert names["answer"] == "Hello server!"
    assert "bend: one byte at a time" in str(names["relay"].trace)


def test_the_notebooks_it_lists_are_there() -> None:
    listed = re.findall(r"^\| (\d\d) (.+?) \|", README, re.MULTILINE)
    there = {path.name[:2] for path in (Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb")}
    assert {number for number, _ in listed} == there
