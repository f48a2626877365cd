"""What is noted of one link of a relay while bytes and ends pass: nothing, the bare bytes, or a conversation.

A conversation is one connection of the relay's trace: the bytes of a sender are noted as sent when the relay reads
them, and as received when it hands them on. Where a bend alters bytes the two halves differ, and are two connections:
one between client and relay, and one between relay and server.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from ...anatomy.field import Sender
from ...recording.tape import Tap
from ...recording.trace import Trace
from .stages import StreamEnd

CIPHERTEXT = 2**24  # bytes of ciphertext that are kept of each stream, from its beginning

# A tap, and which of its methods is called: ``sent`` or ``received``, and for an end ``fin_sent`` and so on.
Point = tuple[Tap, str]
Points = Mapping[Sender, Sequence[Point]]
NO_POINTS: Points = dict.fromkeys(Sender, ())
_ENDS = {StreamEnd.FIN: "fin", StreamEnd.RESET: "reset"}


class LinkNotes:
    """What is noted of one link. Without points it notes nothing.

    ``number`` is the connection's in the trace, the nearer one's if there are two. By sender, ``reads`` is what is told
    when the relay has read from it, and ``hands`` what is told when that was handed on. What is called with each such
    chunk stands in ``read`` and in ``handed``.
    """

    def __init__(self, number: int | None = None, reads: Points = NO_POINTS, hands: Points = NO_POINTS) -> None:
        self.number, self._reads, self._hands = number, reads, hands
        self.read = {sender: _each(reads[sender]) for sender in Sender}
        self.handed = {sender: _each(hands[sender]) for sender in Sender}

    def end(self, sender: Sender, end: StreamEnd, *, handed: bool) -> None:
        """The sender ended its stream, or the relay ``handed`` that end on to the sender's peer."""
        for tap, verb in (self._hands if handed else self._reads)[sender]:
            getattr(tap, f"{_ENDS[end]}_{verb}")()

    def bend(self, sender: Sender, text: str) -> None:
        """A bend acted on that stream. It is told where what goes on is sent."""
        sent = [tap for tap, verb in (*self._reads[sender], *self._hands[sender]) if verb == "sent"]
        for tap in sent[-1:]:
            tap.bend(text)

    def closed(self) -> None:
        """Both connections are over."""
        for tap in {tap: None for points in (*self._reads.values(), *self._hands.values()) for tap, _ in points}:
            tap.closed()


def _each(points: Iterable[Point]) -> Callable[[bytes], object]:
    """A function that tells all points. It is called for every chunk, so there is one for each number of points."""
    told: list[Callable[[bytes], object]] = [getattr(tap, verb) for tap, verb in points]
    if len(told) < 2:
        return told[0] if told else bool  # which does nothing
    first, second = told

    def both(data: bytes) -> None:
        first(data)
        second(data)

    return both


def conversation(trace: Trace, *, apart: bool) -> LinkNotes:
    """Notes of a new conversation in the trace: one connection, or two if what goes on is not what came."""
    near = _join(trace)
    far = _join(trace) if apart else near
    reads: dict[Sender, list[Point]] = {}
    hands: dict[Sender, list[Point]] = {}
    for sender in Sender:
        here, there = (near, far) if sender is Sender.CLIENT else (far, near)
        reads[sender] = [(here[sender], "sent"), (here[sender.peer], "received")]
        hands[sender] = [(there[sender], "sent"), (there[sender.peer], "received")]
        if not apart:  # the relay's own two ends are not told of
            del reads[sender][1], hands[sender][0]
    number = near[Sender.CLIENT].connection
    if apart:
        near[Sender.CLIENT].bend(f"goes on as connection {far[Sender.CLIENT].connection}")
        far[Sender.CLIENT].bend(f"comes from connection {number}")
    return LinkNotes(number, reads, hands)


def _join(trace: Trace) -> dict[Sender, Tap]:
    key = object()
    return {sender: trace.join(sender, key) for sender in Sender}


def opaque(streams: Mapping[Sender, bytearray]) -> LinkNotes:
    """Notes that keep the first bytes of each stream in ``streams``, since the relay has no key to them."""
    notes = LinkNotes()

    def keep(stream: bytearray, data: bytes) -> None:
        stream += data[: CIPHERTEXT - len(stream)]

    notes.read.update({sender: partial(keep, stream) for sender, stream in streams.items()})
    return notes
