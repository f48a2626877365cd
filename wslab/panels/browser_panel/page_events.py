"""What a page told of its WebSockets: ``PageEvent`` and ``ConsoleLine``. ``PageConnection`` finds an event's record.

Theory. A page hears of messages, in the order in which they came, and never of frames. So the third ``message`` event
of a socket is the server's third message on its connection, and the fifth ``send()`` on the open socket is the client's
fifth message. No page can tell its connection either: it is the first one, not yet matched, whose request has the
page's Origin and the address's path. A browser opens one connection to a server at a time (RFC 6455 4.1), in the order
in which the sockets were made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing.visible import harmless
from ...protocol.words import BINARY, CLOSE, TEXT

CONSOLE: Final = "console"
MOST_WORDS = 5_000
"""Characters, at most, of one text that a page may send."""
MESSAGES_KEPT = 1_000
"""Messages of each end of a connection, at most, whose records are remembered."""


@dataclass(frozen=True, slots=True)
class PageEvent:
    """One event of a socket of the page, or one call that the page's code made.

    Calls have brackets: ``new WebSocket()``, ``send()``, ``close()``. Events have none: ``open``, ``message``,
    ``error``, ``close``.
    """

    number: int
    """Place in the run, from 0, counted with what the console printed."""
    what: str
    socket: int
    """Which of the run's sockets, from 0 in the order in which they were made."""
    words: str
    """A description, as the panel shows it."""
    state: str | None = None
    """The socket's readyState then: CONNECTING, OPEN, CLOSING, CLOSED."""
    thrown: str | None = None
    """What the call threw: the exception's name and message."""
    url: str | None = None
    """The address, as the code wrote it."""
    protocols: tuple[str, ...] = ()
    """The subprotocols that ``new WebSocket()`` offered."""
    protocol: str | None = None
    """The agreed subprotocol, when it opened; empty where none was agreed."""
    extensions: str | None = None
    """The agreed extensions, when it opened."""
    code: int | None = None
    """Of ``close`` and ``close()``; None where none was given."""
    reason: str | None = None
    was_clean: bool | None = None
    data_type: str | None = None
    """Of a message: ``string``, ``Blob``, ``ArrayBuffer`` or a view's name."""
    length: int | None = None
    """Of a message: bytes of its payload, before compression."""
    data: str | None = None
    """Of a message: its text, at most 200 characters, or its first bytes as hex; None for a Blob."""
    buffered: int | None = None
    """The socket's bufferedAmount then, in bytes."""
    record: int | None = None
    """Number of the record in which it crossed the wire; None where none is known."""
    nth: int | None = field(default=None, repr=False)
    """Of a message: how many of the socket's went before in its direction."""
    time: float = field(default=0.0, repr=False)
    """Seconds since the run's first event, by the page's clock."""

    def __str__(self) -> str:
        return f"{self.what} {self.words}".strip()


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """What the page's code printed, or an exception that it did not catch."""

    number: int
    """Place in the run, from 0, counted with the events."""
    level: str
    """``log``, ``info``, ``warn``, ``error``, ``debug``, ``table``; ``uncaught`` for an exception."""
    text: str
    line: int | None = None
    """Of an exception: the line of the code, from 1, where that is known."""
    time: float = field(default=0.0, repr=False)

    @property
    def what(self) -> str:
        """``console``, which tells a line from an event."""
        return CONSOLE

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line else ""
        return f"{self.text}{where}"


@dataclass(frozen=True, slots=True)
class OpenedSocket:
    """Where a socket of the page was led to."""

    socket: int
    target: str | None
    """The path and query of its request; None where it was led nowhere that is known."""
    port: int | None


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    if value is None or isinstance(value, str):
        return None if value is None else value[:MOST_WORDS]
    raise ValueError(f"a page told {name}={value!r}: a text is wanted")


def _number(told: Mapping[str, Any], name: str) -> int | None:
    value = told.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53):
        return value
    raise ValueError(f"a page told {name}={value!r}: a whole number is wanted")


def read_entry(told: Mapping[str, Any]) -> PageEvent | ConsoleLine:
    """Read what a page sends for one event or line. Raises ValueError where the page would not send it."""
    number, what, time = _number(told, "n"), _text(told, "what"), told.get("t")
    if number is None or what is None or not isinstance(time, int | float):
        raise ValueError(f"a page told of an event without its number, name or time: {sorted(map(str, told))}")
    if what == CONSOLE:
        level, text = _text(told, "level") or "log", _text(told, "text") or ""
        return ConsoleLine(number, level, text, _number(told, "line"), float(time))
    protocols = told.get("protocols") or ()
    was_clean = told.get("was_clean")
    return PageEvent(
        number, what, _number(told, "socket") or 0, _text(told, "words") or "",
        state=_text(told, "state"), thrown=_text(told, "thrown"), url=_text(told, "url"),
        protocols=tuple(str(each)[:MOST_WORDS] for each in protocols), protocol=_text(told, "protocol"),
        extensions=_text(told, "extensions"), code=_number(told, "code"), reason=_text(told, "reason"),
        was_clean=None if was_clean is None else bool(was_clean), data_type=_text(told, "data_type"),
        length=_number(told, "length"), data=_text(told, "data"), buffered=_number(told, "buffered"),
        nth=_number(told, "nth"), time=float(time),
    )  # fmt: skip


def read_opened(told: Mapping[str, Any]) -> OpenedSocket | None:
    """Where a new socket was led to; None where ``told`` is of no new socket."""
    if told.get("what") != "new WebSocket()" or told.get("thrown"):
        return None
    return OpenedSocket(_number(told, "socket") or 0, _text(told, "target"), _number(told, "port"))


class PageConnection:
    """The records of one connection to which a page's events can belong."""

    def __init__(self, connection: int, request: int, target: str) -> None:
        """``target`` is what the request asks for: path and query."""
        self.connection, self.request, self.target = connection, request, target
        self.response: int | None = None
        self.end: int | None = None
        self._messages: dict[Sender, deque[int]] = {sender: deque(maxlen=MESSAGES_KEPT) for sender in Sender}
        self._count = dict.fromkeys(Sender, 0)
        self._close: dict[Sender, int] = {}

    def note(self, number: int, kind: int, sender: int, first: int) -> None:
        """One more record of this connection: its number, kind, sender and a frame's first byte."""
        opcode = first & 0b1111
        if kind == Kind.RESPONSE:
            self.response = number
        elif kind in (Kind.FIN, Kind.RESET):
            self.end = number if self.end is None else self.end
        elif kind == Kind.FRAME and opcode == CLOSE:
            self._close.setdefault(Sender(sender), number)
        elif kind == Kind.FRAME and opcode in (TEXT, BINARY):  # of a message of several frames, the first
            self._messages[Sender(sender)].append(number)
            self._count[Sender(sender)] += 1

    def _message(self, sender: Sender, nth: int | None) -> int | None:
        kept = self._messages[sender]
        index = -1 if nth is None else nth - (self._count[sender] - len(kept))
        return kept[index] if 0 <= index < len(kept) else None

    def record_of(self, event: PageEvent) -> int | None:
        """Number of the record in which ``event`` crossed the wire; None where none did, or none is known yet."""
        if event.thrown is not None:
            return None
        match event.what:
            case "new WebSocket()":
                return self.request
            case "open" | "error":
                return self.response
            case "send()":
                return self._message(Sender.CLIENT, event.nth)
            case "message":
                return self._message(Sender.SERVER, event.nth)
            case "close()":
                return self._close.get(Sender.CLIENT)
            case "close":
                return self._close.get(Sender.SERVER, self.end)
        return None


def shown(entry: PageEvent | ConsoleLine) -> tuple[str, str]:
    """The event's name and description, as two harmless texts."""
    if isinstance(entry, ConsoleLine):
        name = entry.level if entry.level == "uncaught" else f"console.{entry.level}"
        return name, "\n".join(map(harmless, str(entry).split("\n")))
    ready = f" ({entry.state})" if entry.state else ""
    return harmless(entry.what), harmless(entry.words) + ready
