"""``NodePanel``: what a script in Node prints, as it prints it, and a button that ends it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ...drawing.sheet import Sheet, sheet_of
from ...live.node import process as node
from ..kit.panel import Panel, Question
from ..kit.trace_panel import Pusher


class NodePanel(Panel):
    """The last lines of the output of a script in Node, as ``lab.node`` starts it, even while a cell computes."""

    def __init__(self, process: node.NodeProcess, **kwargs: Any) -> None:
        self._process = process
        self._shown_last: tuple[int, str] | None = None
        super().__init__(**kwargs)
        self._pusher = Pusher(self._push, name="wslab node panel")
        process.watch(self._pusher.wake)

    def _sheet(self) -> Sheet:
        return sheet_of(self._process)

    def _push(self) -> bool:
        with self._lock:
            before, (total, lines), state = self._shown_last, self._process.shown_so_far(), self._process.state
            if (total, state) != before:
                new = total - before[0] if before else total
                self._tell_lines("output", total, state, lines[max(0, len(lines) - new) :])
        if state != "runs":
            self._keep()
        return False

    def _greeted(self, _: Question) -> None:
        with self._lock:
            total, lines = self._process.shown_so_far()
            self._tell_lines("all", total, self._process.state, lines)

    def _tell_lines(self, what: str, total: int, state: str, lines: list[tuple[str, bool]]) -> None:
        self._shown_last = (total, state)
        self.tell(what, lines=lines, summary=self._process.summary, running=self._process.running)

    answers: ClassVar[Mapping[str, Any]] = {"end": lambda self, _: self._process.abandon()}
