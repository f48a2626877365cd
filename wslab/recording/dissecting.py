"""What a trace holds of each connection as a ``Dissection``, for those who want it whole: the terminal, JSON."""

from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter

from ..anatomy.field import Sender
from ..anatomy.record import Kind, Record
from ..protocol.connection import Unread
from ..protocol.dissection import Dissection
from ..protocol.dissector import UNREAD_KEPT
from ..protocol.head import parse_head
from .reading import Reading


def dissections(trace: Reading) -> Iterator[tuple[int, Dissection]]:
    """Each connection's number, and all that is kept of it, the client's things first. Messages are left out."""
    with trace.still():
        kept: dict[int, list[Record]] = {number: [] for number in trace.connections}
        for record in trace.records:
            kept.setdefault(record.connection, []).append(record)
        for number in sorted(kept):
            yield number, _dissection(trace, number, kept[number])


def _dissection(trace: Reading, number: int, records: list[Record]) -> Dissection:
    heads, frames, unread = [], [], []
    for record in sorted(records, key=attrgetter("sender")):
        sender, offset, violations = record.sender, record.offset, trace.ledger.violations.get(record.number, ())
        match record.kind:
            case Kind.FRAME:
                frames.append(trace.frame_of(record))
            case Kind.REQUEST | Kind.RESPONSE:
                head = parse_head(trace.raw(record) or b"", sender, offset=offset)
                heads.append(replace(head, violations=violations))
            case Kind.UNREAD:
                data, what = (trace.raw(record) or b"")[:UNREAD_KEPT], trace.ledger.texts.get(record.number, "")
                unread.append(Unread(sender, offset, data, record.payload_length, what, violations))
    conversation = trace.conversation(number)
    unfinished = [sender for sender in Sender if not conversation.streams[sender].ended]
    unread += [rest for rest in map(conversation.protocol.rest, unfinished) if rest is not None]
    return Dissection(
        heads=tuple(heads),
        frames=tuple(frames),
        messages=(),
        unread=tuple(sorted(unread, key=attrgetter("sender"))),
        states=trace.states(number),
        transitions=tuple(trace.transitions(number)),
    )
