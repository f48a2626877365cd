"""The page of limits tells every limit of the package, with the default that the code has."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from test_house import MODULES, PACKAGE, ROOT
from test_rails import DOTTED
from websockets.asyncio.client import connect

from wslab import Lab, Trace
from wslab.protocol.connection import Connection
from wslab.recording.derive import RECORDS_EACH

PAGE = (ROOT / "docs/limits.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and "`" in line
]
CALLED: dict[str, Callable[..., Any]] = {
    "Trace": Trace,
    "Connection": Connection,
    "lab.serve": connect.__init__,  # websockets gives both ends the same defaults
    "lab.connect": connect.__init__,
    "lab.settled": Lab.settled,
}
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
LIMITING = re.compile(r"(^|_)(MOST|LARGEST|LONGEST|KEPT|LIMIT|PATIENCE|TIMEOUT|DEADLINE|GRACE|CAPACITY|MEMORY)(_|$)")
NO_LIMITS = {
    "drawing.svg_bytes._MOST": "lines of a picture",
    "protocol.header.LONGEST": "the RFC's",
    "recording.files.capture_out.MOST": "what a packet of IPv4 holds",
    "recording.ring.CAPACITY": "told as Trace(max_bytes=)",
    "panels.composer.composition.LONGEST_CODE": "what two bytes can say",
}


def numbers(text: str) -> list[float]:
    """The numbers of a cell, in bytes where it says KiB, MiB or GiB."""
    found = re.findall(r"(\d[\d,]*(?:\.\d+)?) ?(KiB|MiB|GiB)?", text)
    return [float(digits.replace(",", "")) * UNITS.get(unit, 1) for digits, unit in found]


def settings(cell: str) -> Iterator[tuple[str, float]]:
    """The settings that a cell names, with the value that each has in the code."""
    for name, file in re.findall(r"`(\w+)` in `(\w+\.js)`", cell):
        (path,) = PACKAGE.glob(f"panels/*/{file}")
        match = re.search(rf"const {name} = ([\d_]+)", path.read_text(encoding="utf-8"))
        assert match, f"{path} has no {name}"
        yield name, float(match[1].replace("_", ""))
    for called, argument in re.findall(r"`([\w.]+)\((\w+)=\)`", cell):
        yield f"{called}({argument}=)", float(inspect.signature(CALLED[called]).parameters[argument].default)
    for stem, name in re.findall(r"`(\w+)\.([A-Z_]+)`", cell):
        there = [module for module in DOTTED if module.rpartition(".")[2] == stem]
        (found,) = [module for module in there if hasattr(import_module(module), name)]
        yield f"{found.removeprefix('wslab.')}.{name}", float(getattr(import_module(found), name))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_default_is_the_codes(row: list[str]) -> None:
    _, default, outcome, setting = row
    named = list(settings(setting))
    assert {value for _, value in named} <= set(numbers(default)[: len(named)]) or "quarter" in setting
    assert outcome.endswith(".")


@pytest.mark.lengthy
def test_each_limit_of_the_code_is_told() -> None:
    told = {name for row in ROWS for name, _ in settings(row[3])}
    missing, spared = [], set()
    for path in MODULES:
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if module.startswith("course.experiments"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if not isinstance(target, ast.Name) or not LIMITING.search(target.id):
                continue
            value = getattr(import_module(f"wslab.{module}"), target.id)
            name = f"{module}.{target.id}"
            if name in NO_LIMITS:
                spared.add(name)
            elif isinstance(value, int | float) and name not in told:
                missing.append(name)
    assert missing == []
    assert spared == set(NO_LIMITS)


def test_a_quarter_of_the_recording_may_be_inflated_payloads() -> None:
    (row,) = [row for row in ROWS if "quarter" in row[3]]
    assert numbers(row[1]) == [Trace().ledger._max_inflated]
    assert "after 500 connections" in PAGE
    assert Trace().tape.max_entries // RECORDS_EACH == 500
