"""The Node panel without Node and without a browser: what it tells its views, and its text."""

from __future__ import annotations

from typing import Any

import pytest

from wslab.live.estate import Estate
from wslab.live.node.process import NodeProcess
from wslab.panels.node_panel.node_panel import NodePanel
from wslab.recording.trace import Trace

HOSTILE = "<b>\x1b[31m\u202e"


@pytest.fixture
def process() -> NodeProcess:
    """A script that has not been started; what it prints is given by hand."""
    return NodeProcess(Estate(None, "tcp", Trace()), "script")


def test_it_tells_all_once_and_then_what_is_new(process: NodeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = NodePanel(process)
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(panel, "tell", lambda what, buffers=(), **facts: told.append({"tell": what, **facts}))
    monkeypatch.setattr(panel._pusher, "wake", lambda: None)
    process._add(["one"], False)
    panel._heard(None, {"ask": "hello"}, [])
    assert (told[-1]["tell"], told[-1]["lines"]) == ("all", [("one", False)])
    panel._push()
    process._add([HOSTILE, "three"], True)
    panel._push()
    assert told[-1]["lines"] == [("<b>\\x1b[31m\\u202e", True), ("three", True)]
    assert told[-1]["summary"] == "the script in Node runs; 3 lines of output"
    number = len(told)
    panel._push()
    assert len(told) == number
    process._add([str(number) for number in range(500)], False)
    panel._push()
    assert len(told[-1]["lines"]) == 60
    panel._heard(None, {"ask": "end"}, [])  # it does not run, so there is nothing to end
    assert panel.problem == ""


def test_a_line_that_a_new_view_was_told_is_not_told_again(
    process: NodeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = NodePanel(process)
    told: list[Any] = []
    monkeypatch.setattr(panel, "tell", lambda what, buffers=(), **facts: told.append((what, facts["lines"])))
    monkeypatch.setattr(panel._pusher, "wake", lambda: None)
    process._add(["one"], False)
    panel._push()
    process._add(["two"], False)
    panel._heard(None, {"ask": "hello"}, [])
    panel._push()
    process._closing, process._ended = True, 0
    panel._push()
    both = [("one", False), ("two", False)]
    assert told == [("output", both[:1]), ("all", both), ("output", [])]


def test_its_text_is_steady_and_harmless(process: NodeProcess) -> None:
    panel = NodePanel(process)
    process._add([HOSTILE], True)
    assert repr(panel) == repr(process) == "the script in Node runs; 1 line of output\n! <b>\\x1b[31m\\u202e"
    assert "<b>" not in panel._repr_html_()
    assert "&lt;b&gt;" in panel.picture().svg


def test_it_is_one_panel(process: NodeProcess) -> None:
    assert process.panel is process.panel
    assert process._repr_mimebundle_() == {"text/plain": repr(process), "text/html": process._repr_html_()}
