"""What a page told of one run of its code (``PageRun``), and which records its events crossed the wire in.

Theory. A page hears of messages in order, and never of frames. So the third ``message`` event of a socket is the
server's third message on its connection. No page can tell its connection: it is the first one, not yet matched, whose
request has the page's Origin and the address's path. A browser opens one connection to a server at a time (RFC 6455
4.1), in the order in which the sockets were made. Asked for a password, by a 401, it may show one on a further one.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, NamedTuple

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record, packed_values
from ...drawing.visible import harmless
from ...protocol.words import BINARY, CLOSE, OPCODE, TEXT
from ...recording.trace import Trace

CONSOLE: Final = "console"
MOST_WORDS = 5_000  # characters, at most, of one text that a page may send
MOST_KEPT = 500  # events, and connections that may be the page's, that are remembered of a run
MESSAGES_KEPT = 1_000  # messages of each end of a connection, at most, whose records are remembered


@dataclass(frozen=True, slots=True)
class PageEvent:
    """One event of a page's socket (``open``, ``message``, ``error``, ``close``), or one call by the page's code."""

    number: int  # place in the run, from 0, counted with what the console printed
    what: str  # calls have brackets: ``new WebSocket()``, ``send()``, ``close()``
    socket: int  # which of the run's sockets, from 0 in the order in which they were made
    words: str  # a description, as the panel shows it
    state: str | None = None  # the socket's readyState then: CONNECTING, OPEN, CLOSING, CLOSED
    thrown: str | None = None  # what the call threw: the exception's name and message
    url: str | None = None  # the address, as the code wrote it
    protocols: tuple[str, ...] = ()  # the subprotocols that ``new WebSocket()`` offered
    protocol: str | None = None  # the agreed subprotocol, when it opened; empty where none was agreed
    extensions: str | None = None  # the agreed extensions, when it opened
    code: int | None = None  # of ``close`` and ``close()``; None where none was given
    reason: str | None = None
    was_clean: bool | None = None
    data_type: str | None = None  # of a message: ``string``, ``Blob``, ``ArrayBuffer`` or a view's name
    length: int | None = None  # of a message: bytes of its payload, before compression
    data: str | None = None  # of a message: at most 200 characters of text, or its first bytes as hex; None for a Blob
    buffered: int | None = None  # the socket's bufferedAmount then, in bytes
    record: int | None = None  # number of the record in which it crossed the wire; None where none is known
    nth: int | None = field(default=None, repr=False)  # of a message: how many went before in its direction
    time: float = field(default=0.0, repr=False)  # seconds since the run's first event, by the page's clock

    def __str__(self) -> str:
        return f"{self.what} {self.words}".strip()


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """What the page's code printed, or an exception that it did not catch."""

    number: int  # place in the run, from 0, counted with the events
    level: str  # ``log``, ``info``, ``warn``, ``error``, ``debug``, ``table``; ``uncaught`` for an exception
    text: str
    line: int | None = None  # of an exception: the line of the code, from 1, where that is known
    time: float = field(default=0.0, repr=False)
    what: ClassVar = CONSOLE  # which tells a line from an event

    def __str__(self) -> str:
        return f"{self.text} (line {self.line})" if self.line else self.text


Entry = PageEvent | ConsoleLine


class Way(NamedTuple):
    """Where a port that the code may name leads."""

    to: int
    name: str
    recorded: bool  # whether this panel's recording has what crosses there


_NOTED: Final = ("number", "connection", "sender", "kind", "first", "status")
_TEXTS: Final = ("state", "thrown", "url", "protocol", "extensions", "reason", "data_type", "data")
_NUMBERS: Final = ("code", "length", "buffered", "nth")


def read_entry(told: Mapping[str, Any]) -> Entry:
    """Read what a page sends for one event or line. Raises ValueError where the page would not send it."""
    number, what, time = _number(told, "n"), _text(told, "what"), told.get("t")
    if number is None or what is None or not isinstance(time, int | float):
        raise ValueError(f"a page told of an event without its number, name or time: {sorted(map(str, told))}")
    if what == CONSOLE:
        level = _text(told, "level") or "log"
        return ConsoleLine(number, level, _text(told, "text") or "", _number(told, "line"), float(time))
    given = {name: _text(told, name) for name in _TEXTS} | {name: _number(told, name) for name in _NUMBERS}
    given["protocols"] = tuple(str(each)[:MOST_WORDS] for each in told.get("protocols") or ())
    given["was_clean"] = None if told.get("was_clean") is None else bool(told["was_clean"])
    return PageEvent(number, what, _number(told, "socket") or 0, _text(told, "words") or "", time=float(time), **given)


def _text(told: Mapping[str, Any], name: str) -> Any:
    value = told.get(name)
    if not isinstance(value, str | None):
        raise ValueError(f"a page told {name}={value!r}: a text is wanted")
    return value and value[:MOST_WORDS]


def _number(told: Mapping[str, Any], name: str) -> Any:
    value = told.get(name)
    if value is None or (type(value) is int and 0 <= value < 2**53):
        return value
    raise ValueError(f"a page told {name}={value!r}: a whole number is wanted")


class PageConnection:
    """The records of one connection to which a page's events can belong. ``target`` is its request's path and query."""

    def __init__(self, connection: int, request: int, target: str, password: Sequence[str] = ()) -> None:
        self.connection, self.request, self.target, self.password = connection, request, target, password
        self.status, self.taken = 0, False  # of the response; whether it is some socket's
        self._response: int | None = None
        self._end: int | None = None
        self._messages: dict[Sender, deque[int]] = {sender: deque(maxlen=MESSAGES_KEPT) for sender in Sender}
        self._count = dict.fromkeys(Sender, 0)
        self._close: dict[Sender, int] = {}

    def note(self, number: int, kind: int, sender: int, first: int, status: int = 0) -> None:
        """One more record of this connection: its number, kind, sender, a frame's first byte, a response's status."""
        opcode = first & OPCODE
        if kind == Kind.RESPONSE:
            self._response, self.status = number, status
        elif kind in (Kind.FIN, Kind.RESET):
            self._end = number if self._end is None else self._end
        elif kind == Kind.FRAME and opcode == CLOSE:
            self._close.setdefault(Sender(sender), number)
        elif kind == Kind.FRAME and opcode in (TEXT, BINARY):  # of a message of several frames, the first
            self._messages[Sender(sender)].append(number)
            self._count[Sender(sender)] += 1

    def record_of(self, event: PageEvent) -> int | None:
        """Number of the record in which ``event`` crossed the wire; None where none did, or none is known yet."""
        match event.what if event.thrown is None else None:
            case "new WebSocket()":
                return self.request
            case "open" | "error":
                return self._response if event.what == "error" or self.status == 101 else None
            case "send()" | "message":
                sender = Sender.CLIENT if event.what == "send()" else Sender.SERVER
                kept = self._messages[sender]
                index = -1 if event.nth is None else event.nth - (self._count[sender] - len(kept))
                return kept[index] if 0 <= index < len(kept) else None
            case "close()":
                return self._close.get(Sender.CLIENT)
            case "close":
                return self._close.get(Sender.SERVER, self._end)
        return None


class PageRun:
    """One run of the code in a page of that ``origin``, over connections that ``trace`` records from now on."""

    def __init__(self, number: int, trace: Trace, origin: str = "", ways: Mapping[int, Way] | None = None) -> None:
        self.number = number
        self.ways = ways or {}  # where the ports lead that the code may name
        self.told: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)  # what the page told, as it told it
        self.entries: deque[Entry] = deque(maxlen=MOST_KEPT)  # the same, read
        self.next = 0  # number of the next event
        self.matches: dict[int, int] = {}  # by an event's number: its record's
        self._trace, self._origin = trace, origin
        self._looked = trace.total
        self._opened: dict[int, tuple[str | None, int | None]] = {}  # by socket: its request's path and query, its port
        self._let_in: dict[int, bool] = {}  # by socket, whether it opened, as soon as its page was told
        self._wires: dict[int, list[PageConnection]] = {}  # by socket
        self._watched: dict[int, PageConnection] = {}  # by connection

    @property
    def dropped(self) -> int:
        """How many events and lines are no longer kept."""
        return self.next - len(self.entries)

    @property
    def events(self) -> list[PageEvent]:
        """What the sockets were told and the code did with them, each with its record."""
        return [replace(one, record=self.matches.get(one.number)) for one in self.entries if isinstance(one, PageEvent)]

    @property
    def connections(self) -> list[int]:
        """The connections that the run's sockets opened."""
        return sorted(wire.connection for wires in self._wires.values() for wire in wires)

    @property
    def records(self) -> list[Record]:
        """The records of those connections, as far as they are kept."""
        total, known = self._trace.total, set(self.connections)
        first = min((wires[0].request for wires in self._wires.values() if wires), default=total)
        return [one for one in self._trace.between(max(first, self._trace.first), total) if one.connection in known]

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """Each event as its number, what happened, what it says and its record; further lines as rows of their own."""
        rows = []
        for entry in self.entries:
            if isinstance(entry, ConsoleLine):
                what = entry.level if entry.level == "uncaught" else f"console.{entry.level}"
                first, *more = map(harmless, str(entry).split("\n"))
            else:
                ready = f" ({entry.state})" if entry.state else ""
                what, first, more = harmless(entry.what), harmless(entry.words) + ready, []
            rows.append((str(entry.number), what, first, str(self.matches.get(entry.number, ""))))
            rows += [("", "", line, "") for line in more]
        return rows

    def note(self, told: Mapping[str, Any]) -> None:
        """Note one thing that happened in the page. Raises ValueError where it is not what a page tells."""
        entry = read_entry(told)
        if isinstance(entry, PageEvent) and entry.what == "new WebSocket()" and not entry.thrown:
            self._opened[entry.socket] = _text(told, "target"), _number(told, "port")
        elif isinstance(entry, PageEvent) and entry.what in ("open", "error"):
            self._let_in.setdefault(entry.socket, entry.what == "open")
        self.told.append(dict(told))
        self.entries.append(entry)
        self.next = entry.number + 1
        self.matches = {event: record for event, record in self.matches.items() if event >= self.entries[0].number}

    def match(self) -> dict[int, int]:
        """Look at new records, and find those of events that have none yet; the matches that are new."""
        if not self._opened:
            return {}
        self._read_records()
        recorded = {way.to for way in self.ways.values() if way.recorded}
        # The first socket that fits gets a connection. It fits if it has none yet, or if a 401 answered its last one.
        # Nothing is decided while the page has not told whether that socket was let in.
        for wire in [each for each in self._watched.values() if not each.taken]:
            for socket, (target, port) in self._opened.items():
                wires, let_in = self._wires.setdefault(socket, []), self._let_in.get(socket)
                if target != wire.target or port not in recorded or (wires and wires[-1].status != 401):
                    continue
                if not wires or (wire.password and let_in == (wire.status == 101)):
                    wires.append(wire)
                    wire.taken = True
                if wire.taken or let_in is None:
                    break
        new = {
            entry.number: record
            for entry in self.entries
            if isinstance(entry, PageEvent) and (own := self._wires.get(entry.socket))
            if entry.number not in self.matches
            if (record := own[-(entry.what != "new WebSocket()")].record_of(entry)) is not None
        }
        self.matches |= new
        return new

    def _read_records(self) -> None:
        """Give each new record to its connection, if that may be a socket's, as its request has the page's origin."""
        stop = self._trace.total
        packed = self._trace.packed(max(self._looked, self._trace.first), stop)
        for number, connection, sender, kind, *more in packed_values(packed, *_NOTED):
            if kind == Kind.REQUEST:
                with suppress(IndexError):  # dropped meanwhile
                    head, _ = self._trace.heads(connection)
                    if head and (line := head.request_line) and head.get("Origin") == [self._origin]:
                        facts = connection, number, line[1], head.get("Authorization")
                        self._watched[connection] = PageConnection(*facts)
            if connection in self._watched:
                self._watched[connection].note(number, kind, sender, *more)
            if len(self._watched) > MOST_KEPT:
                del self._watched[next(iter(self._watched))]
        self._looked = stop
