"""Everything that can be made of a trace: text, HTML, pictures, JSON, panels, the terminal's words, files read again.

A view may raise nothing: what is wrong with a trace is part of what it shows.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from wslab import cli
from wslab.drawing.sheet import Shown
from wslab.panels.closing_panel.closing_panel import ClosingPanel
from wslab.panels.lab_panel.lab_panel import LabPanel, lanes_json
from wslab.recording.trace import Trace

View = tuple[str, Callable[[], object]]
MANY = 3
"""Records and connections of a trace that are looked at one by one: the first and the last ones."""


def some(numbers: list[int]) -> list[int]:
    return numbers if len(numbers) <= 2 * MANY else [*numbers[:MANY], *numbers[-MANY:]]


def shows(name: str, thing: Shown) -> Iterator[View]:
    """A thing as text, HTML and picture."""
    yield f"{name}, text", lambda: repr(thing)
    yield f"{name}, HTML", thing._repr_html_
    yield f"{name}, picture", lambda: thing.picture().svg


def views_of(trace: Trace, folder: Path) -> Iterator[View]:
    """Every view, each with its name; ``folder`` is where it may write."""
    yield "deriving", trace.update
    yield from shows("trace", trace)
    for connection in some(trace.connections):
        yield from shows("connection", trace.connection(connection))
        yield from shows("handshake", trace.handshake(connection))
        yield from shows("closing", trace.closing(connection))
        yield "states", lambda connection=connection: (trace.states(connection), trace.transitions(connection))
    for record in some([record.number for record in trace.records]):
        explained = trace.explain(record)
        yield from shows("explanation", explained)
        yield "explanation, JSON", lambda explained=explained: json.dumps(explained.to_json())
        yield "lanes", lambda record=record: json.dumps(lanes_json(trace, record))
    yield "lists", lambda: (trace.frames, trace.messages, trace.violations, trace.handshakes, trace.chunks, trace.notes)
    yield "data frame", trace.to_dataframe
    yield "lab panel", lambda: panelled(LabPanel(trace), trace)
    yield "closing panel", lambda: panelled(ClosingPanel(trace), trace)
    for name, write in (
        ("x.har", trace.to_har),
        ("x.pcapng", trace.to_pcapng),
        ("x.wslab", trace.save),
    ):
        yield name, lambda name=name, write=write: write(folder / name)
        yield f"{name} again", lambda name=name: Trace.open(folder / name).update()
    yield "terminal", lambda: dissected(folder / "x.wslab")
    yield "terminal, JSON", lambda: [json.loads(line) for line in dissected(folder / "x.wslab", "--json").splitlines()]


def dissected(*arguments: object) -> str:
    """What ``wslab dissect`` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        assert cli.main(["dissect", *map(str, arguments)]) == 0
    return out.getvalue()


def panelled(panel: LabPanel | ClosingPanel, trace: Trace) -> None:
    """A panel's state, what it shows, and its answers to a page."""
    told: list[dict[str, object]] = []
    panel.send = lambda content, buffers=None: told.append(content)
    try:
        json.dumps(panel.get_state(drop_defaults=True), default=str)
        repr(panel), panel._repr_html_(), panel.picture()
        panel._push()
        if isinstance(panel, LabPanel) and trace.total > trace.first:
            for ask in ("explanation", "lanes"):
                panel._handle_custom_msg({"ask": ask, "number": trace.first}, [])
        json.dumps(told)
        problems = [panel.problem, *(message["problem"] for message in told if message.get("problem"))]
        assert not any(problems), problems
    finally:
        panel.close()
