"""``PageRun``: what a page told of one run of its code, and which records its events crossed the wire in."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ...anatomy.record import Kind, Record, packed_values
from ...recording.trace import Trace
from .page_events import ConsoleLine, OpenedSocket, PageConnection, PageEvent, read_entry, read_opened, shown

Entry = PageEvent | ConsoleLine

MOST_KEPT = 500
"""Events, and connections that may be the page's, that are remembered of a run."""
_NOTED: Final = ("number", "connection", "sender", "kind", "first")


class Way(NamedTuple):
    """Where a port that the code may name leads."""

    port: int
    name: str
    recorded: bool
    """Whether this panel's recording has what crosses there."""


class PageRun:
    """One run of the code.

    Args:
        number: which run of the panel it is.
        trace: the recording in which its connections are looked for, from its next record on.
        origin: the page's, which its requests carry.
        ways: where the ports lead that the code may name.
    """

    def __init__(self, number: int, trace: Trace, origin: str = "", ways: Mapping[int, Way] | None = None) -> None:
        self.number, self.ways = number, ways or {}
        self.told: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)
        """What the page told, as it told it."""
        self.entries: deque[Entry] = deque(maxlen=MOST_KEPT)
        """The same, read."""
        self.next = 0
        """Number of the next event."""
        self.matches: dict[int, int] = {}
        """By an event's number: its record's."""
        self._trace, self._origin = trace, origin
        self._looked = trace.total
        self._opened: dict[int, OpenedSocket] = {}
        self._wires: dict[int, PageConnection] = {}  # by socket
        self._watched: dict[int, PageConnection] = {}  # by connection

    @property
    def dropped(self) -> int:
        """How many events and lines are no longer kept."""
        return self.next - len(self.entries)

    @property
    def events(self) -> list[PageEvent]:
        """What the sockets were told and the code did with them, each with its record."""
        return [
            replace(entry, record=self.matches.get(entry.number))
            for entry in self.entries
            if isinstance(entry, PageEvent)
        ]

    @property
    def connections(self) -> list[int]:
        """The connections that the run's sockets opened."""
        return sorted(wire.connection for wire in self._wires.values())

    @property
    def records(self) -> list[Record]:
        """The records of those connections, as far as they are kept."""
        if not self._wires:
            return []
        known = set(self.connections)
        first = min(wire.request for wire in self._wires.values())
        records = self._trace.between(max(first, self._trace.first), self._trace.total)
        return [record for record in records if record.connection in known]

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """Each event as its number, what happened, what it says and its record; further lines as rows of their own."""
        rows = []
        for entry in self.entries:
            what, said = shown(entry)
            first, *more = said.split("\n")
            rows.append((str(entry.number), what, first, str(self.matches.get(entry.number, ""))))
            rows += [("", "", line, "") for line in more]
        return rows

    def note(self, told: Mapping[str, Any]) -> None:
        """Note one thing that happened in the page. Raises ValueError where it is not what a page tells."""
        entry, opened = read_entry(told), read_opened(told)
        if opened is not None:
            self._opened[opened.socket] = opened
        self.told.append(dict(told))
        self.entries.append(entry)
        self.next = entry.number + 1
        self.matches = {event: record for event, record in self.matches.items() if event >= self.entries[0].number}

    def match(self) -> dict[int, int]:
        """Look at new records, and find those of events that have none yet; the matches that are new."""
        if not self._opened:
            return {}
        self._read_records()
        self._claim()
        new = {}
        for entry in self.entries:
            if isinstance(entry, ConsoleLine) or entry.number in self.matches:
                continue
            wire = self._wires.get(entry.socket)
            record = None if wire is None else wire.record_of(entry)
            if record is not None:
                new[entry.number] = record
        self.matches |= new
        return new

    def _read_records(self) -> None:
        start, stop = max(self._looked, self._trace.first), self._trace.total
        for number, connection, sender, kind, first in packed_values(self._trace.packed(start, stop), *_NOTED):
            if kind == Kind.REQUEST:
                self._consider(number, connection)
            wire = self._watched.get(connection)
            if wire is not None:
                wire.note(number, kind, sender, first)
        self._looked = stop

    def _consider(self, number: int, connection: int) -> None:
        """Watch a connection if its request has the page's origin: it may turn out to be one of the sockets'."""
        try:
            request, _ = self._trace.heads(connection)
        except IndexError:  # dropped meanwhile
            return
        if request is None or request.request_line is None or request.get("Origin") != [self._origin]:
            return
        self._watched[connection] = PageConnection(connection, number, request.request_line[1])
        if len(self._watched) > MOST_KEPT:
            del self._watched[next(iter(self._watched))]

    def _claim(self) -> None:
        """Give each socket that was led to the recorded server the first fitting connection that no socket has."""
        taken = set(self.connections)
        recorded = {way.port for way in self.ways.values() if way.recorded}
        for opened in self._opened.values():
            if opened.socket in self._wires or opened.port not in recorded:
                continue
            for connection, wire in self._watched.items():
                if connection not in taken and wire.target == opened.target:
                    self._wires[opened.socket] = wire
                    taken.add(connection)
                    break
