"""``TracePanel``: a panel over a recording. It pushes what is new; all panels of one trace share a selection.
``RecordsPanel``: one whose page holds the recording's records and asks for the explanation of a selected one.

Theory. ``Trace.subscribe`` wakes a ``Pusher``, whose thread lives only while something waits, also while a cell
computes. Packed records are pushed once they were sent; when they were received comes later. A page that does not
listen yet loses messages: a new view asks for what it lacks, and until then a push repeats the last records.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from traitlets import Bool, HasTraits, Int, link

from ...anatomy.record import PACKED
from ...live import showing
from ...live.errors import complaint
from ...recording.trace import Trace
from .panel import Panel, Question

PUSHES_A_SECOND = 20
QUIET = 1.0  # seconds without a push after which the text for a notebook without a kernel is written again
MOST_KEPT = 20_000  # with more records than these the text is not written again: it would take a noticeable time
# Seconds after which a panel that was shown pushes again, as long as no view has asked: the page may be loading.
KNOCKS = (0.2, 0.5, 1.0, 2.0)
BATCH = 20_000  # records in one message, at most (1.5 MB)
UNHEARD_BATCH = 1_000  # the same while no view has asked
MOST_STATES = 50  # connections, at most, whose states before its first record a message carries


class Pusher:
    """Calls ``push`` in a thread of that name, at most 20 times a second; again where it returns that more waits."""

    def __init__(self, push: Callable[[], bool], *, name: str) -> None:
        self._push, self._name = push, name
        self._lock = threading.Lock()
        self._due = self._running = False

    def wake(self) -> None:
        """Ask for a push. Thread-safe; returns at once."""
        with self._lock:
            self._due = True
            if self._running:
                return
            self._running = True
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError:  # the interpreter is shutting down
            self._running = False

    def _run(self) -> None:
        while True:
            with self._lock:
                self._running, self._due = self._due, False
                if not self._running:
                    return
            started = time.monotonic()
            if self._push():
                self._due = True
            time.sleep(max(0.0, started + 1 / PUSHES_A_SECOND - time.monotonic()))


class Selection(HasTraits):
    """Which record of a trace is selected in all panels over it."""

    number = Int(None, allow_none=True)


_selections: weakref.WeakKeyDictionary[Trace, Selection] = weakref.WeakKeyDictionary()
_panels: weakref.WeakKeyDictionary[Trace, weakref.WeakSet[TracePanel]] = weakref.WeakKeyDictionary()


def refresh(trace: Trace) -> None:
    """Refresh every panel over this trace: for what no record tells, such as a lab that was closed."""
    for panel in list(_panels.get(trace, ())):
        panel.refresh()


showing.changes.append(refresh)


class TracePanel(Panel):
    """A panel over a ``Trace``, or what has one as its ``trace``, such as a ``Lab``. A subclass gives ``_push``."""

    selected = Int(None, allow_none=True, help="Number of the selected record, or None. Can be set and observed.")
    closed = Bool(False, read_only=True, help="Whether the lab was closed. A trace without a lab is never closed.")

    _unsubscribe: Callable[[], None] | None = None
    _link: link | None = None
    _keeper: threading.Timer | None = None

    def __init__(self, source: Any, **kwargs: Any) -> None:
        trace = source if isinstance(source, Trace) else getattr(source, "trace", None)
        if not isinstance(trace, Trace):
            name = type(self).__name__
            raise TypeError(f"{name}({source!r}): a Trace or a Lab is wanted, for instance {name}(lab)")
        self.trace = trace
        self._lab = None if source is trace else weakref.ref(source)  # a panel does not keep a lab alive
        self._asked = False
        self._pusher = Pusher(self._try_to_push, name=f"wslab {type(self).__name__}")
        selection = _selections.setdefault(trace, Selection())
        if "selected" in kwargs:
            selection.number = kwargs.pop("selected")
        super().__init__(**kwargs)
        self._link = link((selection, "number"), (self, "selected"))
        _panels.setdefault(trace, weakref.WeakSet()).add(self)
        self._look()

    @property
    def lab(self) -> Any:
        """The lab whose trace it is. None for a trace without a lab, and after the lab was collected."""
        return None if self._lab is None else self._lab()

    def refresh(self) -> None:
        """Push the present state, for what no record tells, such as a lab that was closed."""
        self._look()
        if self._unsubscribe:
            self._pusher.wake()

    @property
    def _open_lab(self) -> Any:
        """The lab, as long as it is there and was not closed; else None."""
        lab = self.lab
        return None if lab is None or getattr(lab, "closed", False) else lab

    def close(self) -> None:
        """Close the panel: its views disappear, and nothing is pushed any more. The recording stays."""
        if self._unsubscribe:
            self._unsubscribe()
            self._unsubscribe = None
        if self._keeper is not None:
            self._keeper.cancel()
        if self._link:
            self._link.unlink()
            self._link = None
        super().close()

    def _file(self, what: str) -> tuple[str, bytes]:
        if what != "recording":
            return super()._file(what)
        with TemporaryDirectory() as folder:
            self.trace.to_pcapng(path := Path(folder, "recording.pcapng"))
            return path.name, path.read_bytes()

    def _look(self) -> None:
        self.set_trait("closed", self._lab is not None and self._open_lab is None)

    def _push(self) -> bool:
        """Tell the views what they lack. Returns whether more waits."""
        raise NotImplementedError

    def _try_to_push(self) -> bool:
        if self.comm is None:
            return False
        try:
            self._look()
            if not self._asked:
                with self._lock:
                    self._told = {}
            more = self._push()
            if self._keeper is not None:
                self._keeper.cancel()
            if self.trace.total - self.trace.first <= MOST_KEPT:
                self._keeper = _later(QUIET, self._try_to_keep)
            return more
        except Exception as error:  # else the thread would end and write its traceback under some cell
            self.problem = complaint(error)
            return False

    def _try_to_keep(self) -> None:
        try:
            self._keep()
        except Exception as error:  # else the timer would write a traceback under some cell
            self.problem = complaint(error)

    def _greeted(self, question: Question) -> None:
        self._asked = True
        super()._greeted(question)
        self._shown()

    def _shown(self) -> None:
        if self._unsubscribe is None:
            self._unsubscribe = self.trace.subscribe(self._pusher.wake)
            for delay in KNOCKS:
                _later(delay, self._knock)
        self._pusher.wake()

    def _knock(self) -> None:
        if not self._asked:
            self.refresh()


class RecordsPanel(TracePanel):
    """A panel over a recording whose page holds a ``Recording`` (recording.js)."""

    _sent = 0  # number of the next record to push
    _receptions = 0  # number of the next reception to push
    _fresh = True  # the next push is the first that a view gets

    def _push(self) -> bool:
        with self._lock:
            held, first = self.trace.held, self.trace.first
            total = self.trace.total if held is None else min(held, self.trace.total)
            start = max(first, min(self._sent, total) if self._asked else total - UNHEARD_BATCH)
            # First the receptions, then the records: what is received in between is told with the next push.
            with self.trace.still():
                log = self.trace.ledger.receptions
                late, self._receptions = log.slice(self._receptions, log.total), log.total
            packed = self.trace.packed(start, min(total, start + BATCH))
            self._sent = stop = start + len(packed) // PACKED.size
            waiting = 0 if held is None else self.trace.total - total
            status = {
                "total": total,
                "waiting": waiting,
                "first": self.trace.first,
                "bytes_dropped": self.trace.dropped.bytes,
            }
            steps = [  # the states that these records changed, in order
                [step.record, step.connection, to.endpoint.label, to.new.name, to.event.value, to.section]
                for step, to in ((step, step.transition) for step in self.trace.steps(start, stop))
            ]
            before, late = self._states_before(start), _of_records_before(start, late)
            self.tell("records", [packed, late], start=start, status=status, before=before, steps=steps)
            self._fresh = not self._asked
        return bool(stop < total)

    def _states_before(self, start: int) -> dict[str, dict[str, str]]:
        """The states of the connections before the first record that a view gets."""
        if not start or not self._fresh:
            return {}
        found = {}
        for connection in self.trace.connections[-MOST_STATES:]:
            with suppress(IndexError):  # dropped meanwhile
                states = self.trace.states_at(connection, start - 1)
                found[str(connection)] = {sender.label: state.name for sender, state in states.items()}
        return found

    def _answer_records(self, question: Question) -> None:
        with self._lock:
            start = int(question["from"])
            self._sent = start if not self._asked else min(self._sent, start)
            self._fresh = self._asked = True
        self._shown()

    def _answer_explanation(self, question: Question) -> None:
        self._tell_of(question, "explanation", lambda number: self.trace.explain(number).to_json())

    def _tell_of(self, question: Question, what: str, look: Callable[[int], Any]) -> None:
        """Tell the views what ``look`` returns for the record that was asked for, or why it failed."""
        facts: dict[str, Any] = {"number": int(question["number"]), what: None, "problem": None}
        try:
            facts[what] = look(facts["number"])
        except Exception as error:
            facts["problem"] = complaint(error)
        self.tell(what, **facts)

    answers: ClassVar[Mapping[str, Any]] = {"records": _answer_records, "explanation": _answer_explanation}


def _of_records_before(number: int, receptions: bytes) -> bytes:
    """Of packed receptions, those of records before ``number``; a later record carries its delay itself."""
    numbers = memoryview(receptions).cast("I").tolist()[::2]
    if not numbers or min(numbers) >= number:
        return b""
    return b"".join(receptions[8 * at : 8 * at + 8] for at, each in enumerate(numbers) if each < number)


def _later(seconds: float, call: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer
