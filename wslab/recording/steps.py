"""Steps: which record changed which end's state, worked out from what the protocol says it came after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..anatomy.field import Sender
from ..anatomy.record import Kind, Record
from ..protocol.states import Event, State, Transition
from ..protocol.words import CLOSE

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


def record_of(step: Step) -> int:
    """The number by which steps are in order."""
    return step.record
