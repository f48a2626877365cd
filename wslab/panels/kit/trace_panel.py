"""``TracePanel``: a panel over a recording. It pushes what is new; all panels of one trace share a selection.

Theory. A push from the kernel reaches the page even while a cell computes. ``Trace.subscribe`` wakes a ``Pusher``,
whose thread lives only while something waits. It pushes at most 20 times a second.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import traitlets

from ...live import showing
from ...live.errors import complaint
from ...recording.trace import Trace
from .panel import Panel, Question

PUSHES_A_SECOND = 20
QUIET = 1.0  # seconds without a push after which the text for a notebook without a kernel is written again
MOST_KEPT = 20_000  # with more records than these the text is not written again: it would take a noticeable time
KNOCKS = (0.2, 0.5, 1.0, 2.0)
"""Seconds after which a panel that was shown pushes again, as long as no view has asked: the page may be loading."""


class Pusher:
    """Calls ``push`` in a thread of its own, at most 20 times a second.

    Args:
        push: returns whether more waits; then it is called again.
        name: the thread's.
    """

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
        while self._is_due():
            started = time.monotonic()
            if self._push():
                self._due = True
            time.sleep(max(0.0, started + 1 / PUSHES_A_SECOND - time.monotonic()))

    def _is_due(self) -> bool:
        with self._lock:
            self._running, self._due = self._due, False
            return self._running


class Selection(traitlets.HasTraits):
    """Which record of a trace is selected in all panels over it."""

    number = traitlets.Int(None, allow_none=True)


_selections: weakref.WeakKeyDictionary[Trace, Selection] = weakref.WeakKeyDictionary()
_panels: weakref.WeakKeyDictionary[Trace, weakref.WeakSet[TracePanel]] = weakref.WeakKeyDictionary()


def refresh(trace: Trace) -> None:
    """Refresh every panel over this trace: for what no record tells, such as a lab that was closed."""
    for panel in list(_panels.get(trace, ())):
        panel.refresh()


showing.closings.append(refresh)


class TracePanel(Panel):
    """A panel over a recording. A subclass defines ``_push`` as well.

    Args:
        source: a ``Trace``, or anything with one as its ``trace``, such as a ``Lab``.
    """

    selected = traitlets.Int(
        None, allow_none=True, help="Number of the selected record, or None. Can be set and observed."
    )
    closed = traitlets.Bool(
        False, read_only=True, help="Whether the lab was closed. A trace without a lab is never closed."
    )

    _unsubscribe: Callable[[], None] | None = None
    _link: traitlets.link | None = None
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
        self._link = traitlets.link((selection, "number"), (self, "selected"))
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
                self._forget_told()
            more = self._push()
            self._keep_when_quiet()
            return more
        except Exception as error:  # else the thread would end and write its traceback under some cell
            self.problem = complaint(error)
            return False

    def _keep_when_quiet(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        if self.trace.total - self.trace.first <= MOST_KEPT:
            self._keeper = _later(QUIET, self._try_to_keep)

    def _try_to_keep(self) -> None:
        try:
            self._keep()
        except Exception as error:  # else the timer would write a traceback under some cell
            self.problem = complaint(error)

    def _shown(self) -> None:
        self._begin()

    def _greeted(self, question: Question) -> None:
        self._asked = True
        super()._greeted(question)
        self._begin()

    def _begin(self) -> None:
        if self._unsubscribe is None:
            self._unsubscribe = self.trace.subscribe(self._pusher.wake)
            for delay in KNOCKS:
                _later(delay, self._knock)
        self._pusher.wake()

    def _knock(self) -> None:
        if not self._asked:
            self.refresh()


def _later(seconds: float, call: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer
