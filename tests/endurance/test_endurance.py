"""Samples of what ``run.py endurance`` runs for hours, and that each of its programs can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import fuzz
import machines
import pytest
from fuzz_readers import READERS, Reader

ROOT = Path(__file__).resolve().parents[2]


def endurance(*arguments: str) -> str:
    """What the command prints, in a process of its own: it counts what that process holds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tests" / "endurance"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=100)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_hostile_bytes_for_each_reader_and_view(name: str, tmp_path: Path) -> None:
    run = fuzz.Run(name, inputs=150, views=5, minutes=5, folder=tmp_path)
    fuzz.run_plainly(run, seed=1)
    assert run.found == {}
    assert (run.tried, run.viewed) == (150, 5)
    assert run.read > 30, "most inputs are refused at the door: the mutations do not keep their form"


def test_what_a_reader_and_a_view_must_not_do_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(data: bytes, folder: Path) -> Iterator[tuple[str, object]] | None:
        if data == b"refused":
            return None
        if data == b"raises":
            raise ZeroDivisionError("nobody documented that")
        return iter([("slow", lambda: sum(range(3_000_000))), ("fails", lambda: {}["missing"])])

    monkeypatch.setitem(READERS, "made up", Reader(lambda _: [], lambda data, *_: data, read, 100))
    monkeypatch.setattr(fuzz, "SLOWEST", 0.01)
    run = fuzz.Run("made up", inputs=3, views=3, minutes=5, folder=tmp_path)
    for data in (b"refused", b"raises", b"viewed, and long", b"viewed"):
        run(data)
    assert (run.tried, run.read, run.viewed) == (4, 2, 2)
    kinds = {what.partition(" at ")[0]: data for what, data in run.found.items()}
    assert kinds == {
        "reading: ZeroDivisionError": b"raises", "slow: 0.01 s": b"viewed", "fails: KeyError": b"viewed",
    }, "each kind is kept once, with its shortest input"  # fmt: skip


@pytest.mark.slow
def test_labs_in_any_order_of_calls() -> None:
    machines.run(20, 15)


@pytest.mark.parametrize("wrong", ["sent", "handled"])
def test_a_message_that_the_trace_does_not_tell_is_found(wrong: str) -> None:
    machine = machines.LabMachine()
    machine.begin("memory")
    machine.serve()
    machine.connect(None, False, ["Hello"])
    machine.look()
    client = machine.clients[0]
    (client.sent if wrong == "sent" else machine.handled[client.name])[0] = "Hallo"
    with pytest.raises(AssertionError, match="other messages"):
        machine.look()
    (client.sent if wrong == "sent" else machine.handled[client.name])[0] = "Hello"
    machine.teardown()


@pytest.mark.slow
def test_a_short_soak() -> None:
    assert "every message is accounted for, and nothing was left" in endurance("soak", "--seconds=4")


@pytest.mark.slow
def test_some_of_autobahns_cases() -> None:
    if find_spec("kosoku") is None:
        pytest.skip("kosoku is not installed")
    assert "no worse on any case, and the recordings agree" in endurance("autobahn", "--quick")
