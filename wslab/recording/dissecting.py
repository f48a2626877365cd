"""What a trace holds of each connection as a ``Dissection``, for those who want it whole: the terminal, JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
        kept: dict[int, dict[Kind, list[Record]]] = {number: {} for number in trace.connections}
        for record in trace.records:
            kept.setdefault(record.connection, {}).setdefault(record.kind, []).append(record)
        for number in sorted(kept):
            yield number, _dissection(trace, number, kept[number])


def _dissection(trace: Reading, number: int, records: dict[Kind, list[Record]]) -> Dissection:
    violations, texts = trace.ledger.violations, trace.ledger.texts
    heads = []
    for record in [*records.get(Kind.REQUEST, ()), *records.get(Kind.RESPONSE, ())]:
        head = parse_head(trace.raw(record) or b"", record.sender, offset=record.offset)
        heads.append(replace(head, violations=violations.get(record.number, ())))
    frames = [trace.frame_of(record) for record in records.get(Kind.FRAME, ())]
    unread = [
        Unread(
            record.sender,
            record.offset,
            (trace.raw(record) or b"")[:UNREAD_KEPT],
            record.payload_length,
            texts.get(record.number, ""),
            violations.get(record.number, ()),
        )
        for record in records.get(Kind.UNREAD, ())
    ]
    conversation = trace.conversation(number)
    for sender, stream in zip(Sender, conversation.streams, strict=True):
        rest = None if stream.ended else conversation.protocol.rest(sender)
        if rest is not None:
            unread.append(rest)
    return Dissection(
        heads=tuple(heads),
        frames=tuple(sorted(frames, key=lambda frame: frame.sender or 0)),
        messages=(),
        unread=tuple(sorted(unread, key=lambda rest: rest.sender)),
        states=trace.states(number),
        transitions=tuple(trace.transitions(number)),
    )
