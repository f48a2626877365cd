"""What surrounds a record: the state changes that it caused, and the bytes of its stream with what lies over them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..anatomy.field import Sender
from ..anatomy.record import Kind, Record
from ..protocol.connection import Message
from ..protocol.states import Event, State, Transition
from ..protocol.words import CLOSE

if TYPE_CHECKING:
    from .trace import Chunk

FARTHEST = 4096
"""Records, and chunks, that are looked through in each direction."""
HEADS = (Kind.REQUEST, Kind.RESPONSE)
ENDS = (Kind.FIN, Kind.RESET)

Cause = tuple[Sender, int | str]
"""What may change a state: who sent it, and a Close frame's index among its frames, or ``"head"`` or ``"end"``."""


class Step(NamedTuple):
    """A change of state, and what caused it."""

    record: int
    """Number of the record that caused it; -1 where that was dropped before anybody asked."""
    connection: int
    transition: Transition


class Lanes(NamedTuple):
    """A run of one stream's bytes, and what lies over them: chunks, records and messages, none bound to another."""

    start: int
    """Offset of the first byte, in the sender's stream."""
    stop: int
    chunks: tuple[Chunk, ...]
    """Writes of the sender and reads of the peer that touch these bytes, as far as those ends are in the lab."""
    records: tuple[Record, ...]
    messages: tuple[tuple[int, int, int, int, Message], ...]
    """For each message: numbers of its first and last record, where it starts and stops, and itself without data."""


def cause_of(record: Record, index: int) -> Cause | None:
    """What a record may be the cause of; ``index`` is its place among its sender's frames."""
    if record.kind in HEADS:
        return record.sender, "head"
    if record.kind in ENDS:
        return record.sender, "end"
    return (record.sender, index) if record.kind is Kind.FRAME and record.first & 0b1111 == CLOSE else None


def steps_of(
    connection: int, transitions: Sequence[Transition], causes: dict[Cause, int], known: int = 0
) -> Iterable[Step]:
    """The steps of a connection from its ``known``-th on."""
    for transition in transitions[known:]:
        sender, index = transition.after
        other = "end" if transition.event is Event.TCP_CLOSED else "head"
        yield Step(causes.get((sender, other if index is None else index), -1), connection, transition)


def states_after(steps: Iterable[Step], number: int) -> dict[Sender, State]:
    """Each end's state when the record of that number had crossed."""
    states = dict.fromkeys(Sender, State.CONNECTING)
    for step in steps:
        if step.record <= number:
            states[step.transition.endpoint] = step.transition.new
    return states


def lanes_of(
    record: Record,
    around: int,
    *,
    total: int,
    record_at: Callable[[int], Record | None],
    message_of: Callable[[int], int | None],
    messages: Callable[[set[int]], dict[int, Message]],
    chunk_at: Callable[[int], Chunk | None],
    chunks: int,
) -> Lanes:
    """See ``Trace.lanes``. What it needs of the trace is handed in as functions of a number."""
    own = message_of(record.number)

    def along(step: int) -> list[Record]:
        found: list[Record] = []
        beyond = 0
        for number in range(record.number + step, record.number + step * FARTHEST, step):
            one = record_at(number) if 0 <= number < total else None
            if one is None:
                break
            if (one.connection, one.sender) != (record.connection, record.sender) or one.kind is Kind.ERROR:
                continue
            beyond += own is None or message_of(number) != own
            if beyond > around:
                break
            found.append(one)
        return found

    records = [*reversed(along(-1)), record, *along(1)]
    start = records[0].offset
    stop = max(one.offset + one.header_length + one.payload_length for one in records)
    spans: dict[int, list[Record]] = {}
    for one in records:
        number = message_of(one.number)
        if number is not None:
            spans.setdefault(number, []).append(one)
    whole = messages(set(spans))
    return Lanes(
        start,
        stop,
        tuple(_touching(record, start, stop, chunk_at, chunks)),
        tuple(records),
        tuple(
            (parts[0].number, parts[-1].number, parts[0].offset, _end(parts[-1]), whole[number])
            for number, parts in spans.items()
            if number in whole
        ),
    )


def _end(record: Record) -> int:
    return record.offset + record.header_length + record.payload_length


def _touching(
    record: Record, start: int, stop: int, chunk_at: Callable[[int], Chunk | None], total: int
) -> Iterable[Chunk]:
    """The chunks of the record's stream that touch its bytes ``start`` to ``stop``; they lie near it in time."""

    def time_of(index: int) -> float:
        chunk = chunk_at(index)
        return -1.0 if chunk is None else chunk.time

    middle = bisect_left(range(total), record.time, key=time_of)
    for index in range(max(0, middle - FARTHEST), min(total, middle + FARTHEST)):
        chunk = chunk_at(index)
        if chunk is None or (chunk.connection, chunk.sender) != (record.connection, record.sender):
            continue
        if chunk.offset < stop and chunk.offset + chunk.length > start:
            yield chunk
