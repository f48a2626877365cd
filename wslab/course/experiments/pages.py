"""Programs of a lesson that run in the learner's page: ``PageProgram``, and what can be read of its events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...anatomy.record import Record
from ...panels.browser_panel.browser_panel import BrowserPanel
from ...panels.browser_panel.page_run import PageEvent, Way

LOCAL = """\
const here = location.hostname;
if (!["localhost", "127.0.0.1"].includes(here))
  throw new Error("The server is not on " + here +
    ": it runs where the notebook computes.");
"""
"""A lesson's program ends here in a page that cannot reach the kernel's machine under a name of its own."""
REFUSED = "nothing"  # what a page reads of a socket that gave it no message


class PageProgram(BrowserPanel):
    """A browser panel that tells a lesson when the page has told something.

    Args:
        lab: a ``Lab``, or what else has a ``trace`` and a ``port``.
        code: the program.
        admits: whether the server lets the page in, as a browser panel asks it to; False leaves it to the server's own
            list of origins.
        kwargs: what else ``BrowserPanel`` takes.
    """

    def __init__(self, lab: Any, code: str, *, admits: bool = True, **kwargs: Any) -> None:
        self._admits = admits
        self._watchers: list[Callable[[], object]] = []
        super().__init__(lab, code, **kwargs)

    def watch(self, wake: Callable[[], object]) -> None:
        """Have ``wake()`` called, on any thread, when the page or the recording may have told more."""
        self._watchers.append(wake)

    @property
    def records(self) -> list[Record]:
        """What crossed on the connections that the last run opened."""
        with self._lock:
            self._untold |= self._last.match()
            return self._last.records

    def _servers(self) -> Iterator[tuple[Any, Way]]:
        for server, way in super()._servers():
            yield (server if self._admits else None), way

    def _push(self) -> bool:
        more = super()._push()
        for wake in [*self._watchers]:
            wake()
        return more


def of_socket(panel: BrowserPanel, number: int, what: str) -> list[PageEvent]:
    """The events of that name of one of a run's sockets, counted from 0 in the order in which they were made."""
    return [event for event in panel.events if event.socket == number and event.what == what]


def read_by(panel: BrowserPanel, number: int) -> str | None:
    """The first message that a socket was given, ``nothing`` where it closed without one, None before that."""
    messages = of_socket(panel, number, "message")
    if messages:
        return messages[0].data
    return REFUSED if of_socket(panel, number, "close") else None
