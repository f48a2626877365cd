"""``ClosingPanel``: how a connection ended: both ends' states with the changes made, and what each end said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import traitlets

from ...anatomy.field import Sender
from ...anatomy.record import Kind, packed_values
from ...drawing.blocks import DRAWN, READ, Only, Table, Words
from ...drawing.sheet import Sheet, sheet_of
from ...drawing.svg_states import state_layout
from ..kit.trace_panel import TracePanel
from .ending import (
    Ending,
    belongs,
    ending_json,
    ending_of,
    how_clean,
    how_tcp_ended,
    machines,
    path_text,
    report_words,
    who_began,
)

NOTHING = "nothing recorded yet"
MOST_CHOICES = 100
"""Connections that the page offers to choose from: the newest."""
MOST_KEPT = 5_000
"""Connections, at most, whose closing records are remembered."""


class ClosingPanel(TracePanel):
    """How one connection of a recording ended, or is ending. It follows the recording.

    Args:
        source: a ``Trace``, or anything with one as its ``trace``, such as a ``Lab``.
        connection: its number; None for the newest that is closing or closed, or else the newest.

    It draws each end's states as the protocol's table has them (RFC 6455 4 and 7) with the changes that were made, in
    order. It says who sent the first Close frame, what each end's program reports, and how TCP ended. A change whose
    record is no longer kept is shown without it.
    """

    connection = traitlets.Int(
        None, allow_none=True, help="Number of the connection; None for the newest that is closing or closed."
    )

    def __init__(self, source: Any, connection: int | None = None, **kwargs: Any) -> None:
        self._looked = 0  # number of the next record to look at
        self._numbers: dict[int, list[int]] = {}
        self._ending: int | None = None  # the newest connection that is closing or closed
        super().__init__(source, **kwargs)
        self.connection = connection

    @property
    def shown(self) -> int | None:
        """Number of the connection that is shown; None where nothing was recorded."""
        with self._lock:
            self._scan()
            kept = self.trace.connections
            if self.connection is not None:
                return self.connection
            return self._ending if self._ending in kept else kept[-1] if kept else None

    def _sheet(self) -> Sheet:
        ending = self._now()
        if ending is None:
            return Sheet("How a connection ended", [Words(NOTHING)], "closing")
        summary = Table(["", *(sender.mark for sender in Sender)], _rows(ending))
        return Sheet(
            f"How connection {ending.connection} ended",
            [
                Only(READ, sheet_of(self.trace.closing(ending.connection)).blocks),
                Only(["text"], [Words(path_text(ending))]),
                Only(DRAWN, [machines(ending), summary]),
                Only(["text", "svg"], [Words("\n".join(_sentences(ending)))]),
            ],
            "closing",
        )

    # Details -----------------------------------------------------------------------------

    def _scan(self) -> None:
        """Note which of the new records open a connection or belong to its end."""
        start, stop = max(self._looked, self.trace.first), self.trace.total
        packed = self.trace.packed(start, stop)
        for number, connection, kind, first in packed_values(packed, "number", "connection", "kind", "first"):
            if belongs(kind, first):
                self._numbers.setdefault(connection, []).append(number)
                if kind != Kind.RESPONSE and (self._ending is None or connection > self._ending):
                    self._ending = connection
            self._looked = number + 1
        while len(self._numbers) > MOST_KEPT:
            del self._numbers[next(iter(self._numbers))]

    def _now(self) -> Ending | None:
        with self._lock:
            shown = self.shown
            if shown is None:
                return None
            try:
                return ending_of(self.trace, shown, self._numbers.get(shown, ()))
            except IndexError:  # dropped meanwhile
                return None

    def _push(self) -> bool:
        with self._lock:
            ending = self._now()
            choices = self.trace.connections[-MOST_CHOICES:]
            if self.is_news("closing", (ending, choices)):
                said = None
                if ending is not None:
                    said = ending_json(ending, state_layout(machines(ending)))
                self.tell("closing", closing=said, connections=choices)
        return False

    @traitlets.validate("connection")
    def _valid_connection(self, proposal: Any) -> int | None:
        number: int | None = proposal["value"]
        kept = self.trace.connections
        if number is not None and number not in kept:
            there = ", ".join(map(str, kept[-10:])) or "none yet"
            raise traitlets.TraitError(
                f"no connection {number} in this trace; there are: {there}. None takes the newest"
            )
        return number

    @traitlets.observe("connection")
    def _chosen(self, _: Any) -> None:
        self.refresh()


def _sentences(ending: Ending) -> Iterable[str]:
    word, words, section = how_clean(ending)
    yield from filter(None, [who_began(ending)])
    yield f"{word}. {words} ({section})"
    tcp, section = how_tcp_ended(ending)
    if tcp:
        yield f"{tcp} ({section})"
    for _, never in report_words(ending).values():
        if never:
            yield f"{never} (RFC 6455 7.4.1)"
            break


def _rows(ending: Ending) -> list[tuple[str, str, str]]:
    said = ending_json(ending, {})["ends"]
    rows = [
        ("Close frame sent", *((end["close"] or {"summary": "none"})["summary"] for end in said)),
        ("its program reports", *(end["report"] or "nothing yet" for end in said)),
        ("end of its stream", *(end["tcp"]["word"] if end["tcp"] else end["untold"] for end in said)),
    ]
    return [(name, left, right) for name, left, right in rows]
