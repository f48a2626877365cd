"""Runs what the README shows, as the cell of a notebook would."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    code = compile(source, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def cell() -> None:
        outcome = eval(code, names)
        if inspect.isawaitable(outcome):
            await outcome

    asyncio.run(cell())
    assert names["answer"] == "Hello server!"
    assert 'TEXT "Hello server!"' in str(names["lab"].trace)


def test_the_notebooks_it_lists_are_there() -> None:
    listed = re.findall(r"^\| (\d\d) (.+?) \|", README, re.MULTILINE)
    there = {path.name[:2] for path in (Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb")}
    assert {number for number, _ in listed} == there
