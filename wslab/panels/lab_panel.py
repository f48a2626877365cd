"""``LabPanel``: a recording in a cell, alive: its ladder and records, and every byte of the selected one explained.

Theory. A push from the kernel reaches the page even while a cell computes; a request from the page waits until it has
ended. So records are pushed, and the explanation of one record is pulled when somebody looks at it.

- ``Trace.subscribe`` wakes a ``Pusher``, whose thread lives only while there is something to push. It sends the packed
  records that the page lacks, at most 20 messages a second, many records in each.
- Messages to a page that does not listen yet are lost. So a new view asks for what it lacks, and until the first
  question has come a push repeats what went before.
- Questions come on threads that JupyterLab chooses (``subshell-...``). Nothing here touches an event loop.
- Nothing that grows is a trait: an attribute of a widget is sent whole whenever it changes.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..anatomy.record import PACKED
from ..recording.trace import Trace

PUSHES_A_SECOND = 20
BATCH = 20_000
"""Records in one message, at most (1.4 MB)."""
UNHEARD_BATCH = 1_000
"""The same while no view has asked yet."""
KNOCKS = (0.2, 0.5, 1.0, 2.0)
"""Seconds after which a panel that was shown, and was asked nothing yet, is pushed again: the page was loading."""
MOST_STATES = 50
"""Connections whose states go along with one message."""
SNAPSHOT = 8_000
"""Characters of the text that stays in the notebook."""


class Pusher:
    """Runs ``push`` from a thread of its own, at most 20 times a second, for as long as it is woken."""

    def __init__(self, push: Callable[[], bool], *, name: str) -> None:
        """``push`` answers whether more is waiting."""
        self._push, self._name = push, name
        self._lock = threading.Lock()
        self._due = False
        self._running = False

    def wake(self) -> None:
        """There is something to push. Any thread may say so; it does not wait."""
        with self._lock:
            self._due = True
            if self._running:
                return
            self._running = True
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError:  # the interpreter is shutting down, and nobody looks any more
            self._running = False

    def _run(self) -> None:
        while self._is_due():
            started = time.monotonic()
            if self._push():
                self._due = True
            time.sleep(max(0.0, started + 1 / PUSHES_A_SECOND - time.monotonic()))

    def _is_due(self) -> bool:
        with self._lock:
            self._running, self._due = self._due, False
            return self._running


class LabPanel(anywidget.AnyWidget):
    """A live view of a recording: ladder, records, and the bytes of the selected one.

    Args:
        source: a ``Trace``, or anything with one as its ``trace``, such as a ``Lab``.

    It shows itself when it is the last thing in a cell, in as many cells as one likes; all show the same and share one
    selection. Where there is no kernel, its text and HTML are shown. It records nothing and changes nothing, and
    it keeps no bytes of its own: what the trace dropped is gone here too.
    """

    _esm = Path(__file__).with_name("lab_panel.js")
    _css = Path(__file__).with_name("lab_panel.css")

    selected = traitlets.Int(
        None, allow_none=True, help="Number of the record whose bytes are shown, or None. Can be set and observed."
    ).tag(sync=True)
    snapshot = traitlets.Unicode(
        "", read_only=True, help="The recording as text when the panel was last shown, for a notebook without a kernel."
    ).tag(sync=True)

    _unsubscribe: Callable[[], None] | None = None

    def __init__(self, source: Any, **kwargs: Any) -> None:
        trace = source if isinstance(source, Trace) else getattr(source, "trace", None)
        if not isinstance(trace, Trace):
            raise TypeError(f"LabPanel({source!r}): a Trace or a Lab is wanted, for instance LabPanel(lab)")
        self.trace = trace
        self._lab = None if source is trace else weakref.ref(source)  # a lab that nobody else holds is over
        self._sending = threading.Lock()
        self._sent = 0  # number of the next record to push
        self._asked = False
        self._pusher = Pusher(self._push, name="wslab-panel")
        super().__init__(**kwargs)
        self.on_msg(self._answer)

    def __repr__(self) -> str:
        return repr(self.trace)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        text = repr(self.trace)
        self.set_trait("snapshot", text if len(text) <= SNAPSHOT else text[:SNAPSHOT] + "\n… cut here")
        self._begin()
        return {**data, "text/plain": text, "text/html": self.trace._repr_html_()}, metadata

    @property
    def closed(self) -> bool:
        """Whether the lab that this panel shows was closed. A trace alone is never closed."""
        if self._lab is None:
            return False
        lab = self._lab()
        return lab is None or bool(getattr(lab, "closed", False))

    def refresh(self) -> None:
        """Push the present state: for what no record tells, such as a lab that was closed."""
        if self._unsubscribe:
            self._pusher.wake()

    def close(self) -> None:
        """End the panel: its views go, and nothing is pushed any more. The recording stays."""
        if self._unsubscribe:
            self._unsubscribe()
            self._unsubscribe = None
        super().close()

    def _begin(self) -> None:
        if self._unsubscribe is None:
            self._unsubscribe = self.trace.subscribe(self._pusher.wake)
            for delay in KNOCKS:
                knock = threading.Timer(delay, self._knock)
                knock.daemon = True
                knock.start()
        self._pusher.wake()

    def _knock(self) -> None:
        if not self._asked:
            self.refresh()

    def _push(self) -> bool:
        """Send what the views lack; whether there is more."""
        if self.comm is None:
            return False
        with self._sending:
            total, first = self.trace.total, self.trace.first
            start = max(first, self._sent if self._asked else total - UNHEARD_BATCH)
            packed = self.trace.packed(start, min(total, start + BATCH))
            stop = start + len(packed) // PACKED.size
            self._sent = stop
            self.send({"tell": "records", "start": start, "status": self._status(packed)}, [packed])
        return bool(stop < total)

    def _status(self, packed: bytes) -> dict[str, Any]:
        """Small facts that go along with the records: how many there are, and the states that they led to."""
        dropped = self.trace.dropped
        connections = {PACKED.unpack_from(packed, at)[1] for at in range(0, len(packed), PACKED.size)}
        return {
            "total": self.trace.total,
            "first": self.trace.first,
            "bytes_dropped": dropped.bytes,
            "closed": self.closed,
            "states": dict(filter(None, map(self._states, sorted(connections)[-MOST_STATES:]))),
        }

    def _states(self, connection: int) -> tuple[str, dict[str, str]] | None:
        try:
            states = self.trace.states(connection)
        except IndexError:  # dropped meanwhile
            return None
        return str(connection), {sender.label: state.name for sender, state in states.items()}

    def _answer(self, _: Any, question: Any, buffers: Any) -> None:
        try:
            ask = _ANSWERS[question["ask"]]
            ask(self, question)
        except Exception as error:  # shown where the question was asked, in words
            self.send({"tell": "problem", "text": f"{type(error).__name__}: {error}"})

    def _answer_records(self, question: Mapping[str, Any]) -> None:
        with self._sending:
            self._sent = int(question["from"]) if not self._asked else min(self._sent, int(question["from"]))
            self._asked = True
        self._begin()

    def _answer_explanation(self, question: Mapping[str, Any]) -> None:
        number = int(question["number"])
        answer: dict[str, Any]
        try:
            answer = {"explanation": self.trace.explain(number).to_json(), "problem": None}
        except Exception as error:
            answer = {"explanation": None, "problem": f"{type(error).__name__}: {error}"}
        self.send({"tell": "explanation", "number": number, **answer})


_ANSWERS: Mapping[str, Callable[[LabPanel, Mapping[str, Any]], None]] = {
    "records": LabPanel._answer_records,
    "explanation": LabPanel._answer_explanation,
}
