"""What is noted of one link of a relay while bytes and ends pass: nothing, the bare bytes, or a conversation.

A conversation is one connection of the relay's trace: the bytes of a sender are noted as sent when the relay reads
them, and as received when it hands them on. Where a bend alters bytes the two halves differ, and are two connections:
one between client and relay, and one between relay and server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import cast

from ...anatomy.field import Sender
from ...recording.tape import Tap
from ...recording.trace import Trace
from .stages import StreamEnd

CIPHERTEXT = 2**24
"""Bytes of ciphertext that are kept of each stream, from its beginning."""

Point = tuple[Tap, str]
"""A tap, and which of its methods is called: ``sent`` or ``received``, and for an end ``fin_sent`` and so on."""
Points = Mapping[Sender, Sequence[Point]]
NO_POINTS: Points = dict.fromkeys(Sender, ())
_ENDS = {StreamEnd.FIN: "fin", StreamEnd.RESET: "reset"}


class LinkNotes:
    """What is noted of one link. Without points it notes nothing.

    Args:
        number: the connection's number in the trace, the nearer one's if there are two.
        read: by sender, what is told when the relay has read from it.
        handed: by sender, what is told when the relay has handed that on.
    """

    def __init__(self, number: int | None = None, read: Points = NO_POINTS, handed: Points = NO_POINTS) -> None:
        self.number = number
        self._read, self._handed = read, handed
        self.read = {sender: _each(read[sender]) for sender in Sender}
        """Called with each chunk that was read from a sender."""
        self.handed = {sender: _each(handed[sender]) for sender in Sender}
        """Called with each chunk of a sender that was handed on."""

    def end_read(self, sender: Sender, end: StreamEnd) -> None:
        """The sender ended its stream."""
        _end(self._read[sender], end)

    def end_handed(self, sender: Sender, end: StreamEnd) -> None:
        """The relay ended that stream towards the sender's peer."""
        _end(self._handed[sender], end)

    def bend(self, sender: Sender, text: str) -> None:
        """A bend acted on that stream. It is told where what goes on is sent."""
        sent = [tap for tap, verb in (*self._read[sender], *self._handed[sender]) if verb == "sent"]
        for tap in sent[-1:]:
            tap.bend(text)

    def closed(self) -> None:
        """Both connections are over."""
        told = [tap for points in (*self._read.values(), *self._handed.values()) for tap, _ in points]
        for tap in dict.fromkeys(told):
            tap.closed()


def _end(points: Iterable[Point], end: StreamEnd) -> None:
    for tap, verb in points:
        getattr(tap, f"{_ENDS[end]}_{verb}")()


def _each(points: Iterable[Point]) -> Callable[[bytes], object]:
    """A function that tells all points. It is called for every chunk, so there is one for each number of points."""
    match [getattr(tap, verb) for tap, verb in points]:
        case []:
            return lambda data: None
        case [one]:
            return cast(Callable[[bytes], object], one)
        case [first, second]:

            def both(data: bytes) -> None:
                first(data)
                second(data)

            return both
    raise AssertionError("a byte is told at most twice")


def conversation(trace: Trace, *, apart: bool) -> LinkNotes:
    """Notes of a new conversation in the trace: one connection, or two if what goes on is not what came."""
    near = _join(trace)
    far = _join(trace) if apart else near
    read: dict[Sender, list[Point]] = {}
    handed: dict[Sender, list[Point]] = {}
    for sender in Sender:
        here, there = (near, far) if sender is Sender.CLIENT else (far, near)
        read[sender] = [(here[sender], "sent")]
        handed[sender] = [(there[sender.peer], "received")]
        if apart:
            read[sender].append((here[sender.peer], "received"))
            handed[sender].insert(0, (there[sender], "sent"))
    number = near[Sender.CLIENT].connection
    if apart:
        near[Sender.CLIENT].bend(f"goes on as connection {far[Sender.CLIENT].connection}")
        far[Sender.CLIENT].bend(f"comes from connection {number}")
    return LinkNotes(number, read, handed)


def _join(trace: Trace) -> dict[Sender, Tap]:
    key = object()
    return {sender: trace.join(sender, key) for sender in Sender}


def opaque(streams: Mapping[Sender, bytearray]) -> LinkNotes:
    """Notes that keep the bytes as they are in ``streams``, since the relay has no key to them."""
    notes = LinkNotes()
    notes.read = {sender: partial(_keep, streams[sender]) for sender in Sender}
    return notes


def _keep(stream: bytearray, data: bytes) -> None:
    stream += data[: CIPHERTEXT - len(stream)]
