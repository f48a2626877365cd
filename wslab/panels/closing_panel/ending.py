"""How one connection ended: each end's way through its states, what each said and reports, and how TCP was closed.

Theory. A trace sees the wire, and takes what one end sends to have reached the other. Where both ends are in the lab,
it also knows when each record was read. So this can say what the wire alone does not show: that an end sent its Close
frame before it had read the other's, and so was CLOSING by its own Close frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...anatomy.records import LANES, CloseReport, is_close, reported
from ...drawing.blocks import States
from ...protocol.states import NEXT, TRANSITIONS, Event, State, Transition
from ...protocol.words import CLOSE, OPCODE, status_meaning
from ...recording.trace import Trace

STATES: Final = tuple(state.value for state in State)
_OWN = {
    Sender.CLIENT: {Event.SENT_ACCEPTANCE, Event.SENT_REFUSAL},
    Sender.SERVER: {Event.RECEIVED_ACCEPTANCE, Event.RECEIVED_REFUSAL},
}
"""What never happens to an end: a client sends no 101, a server receives none."""
MOVES: Final[Mapping[int, Sequence[tuple[str, str, str, str]]]] = {
    sender: [
        (rule.old.value, rule.event.value, rule.new.value, rule.section)
        for rule in TRANSITIONS
        if rule.event not in _OWN[sender]
    ]
    for sender in Sender
}
"""Each end's part of the protocol's table, in words."""

_NEVER_SENT: Final = {
    1005: "the Close frame that came had no status code, and a program has to report something",
    1006: "it is what a program reports where no Close frame came that it could accept",
    1015: "it is what a program reports where TLS could not be set up",
}
_TCP = {Kind.FIN: "FIN", Kind.RESET: "RST"}
_OPENS_OR_ENDS = {Kind.RESPONSE, *_TCP}


class MadeMove(NamedTuple):
    """One change that an end made."""

    sender: Sender
    rule: Any
    """The row of the protocol's table."""
    record: int | None
    """Number of the record that caused it; None where it is no longer kept."""


@dataclass(frozen=True)
class Ending:
    """What is known of how one connection ended."""

    connection: int
    states: dict[Sender, State]
    moves: list[MadeMove]
    records: list[Record]
    """Those that opened the connection or belong to its end, as far as they are kept, in order."""
    reports: dict[Sender, CloseReport]

    def close_of(self, sender: Sender) -> Record | None:
        """The first Close frame that an end sent."""
        return next((record for record in self.records if record.sender is sender and is_close(record)), None)

    def tcp_of(self, sender: Sender) -> Record | None:
        """How an end's stream ended."""
        ends = [record for record in self.records if record.sender is sender and record.kind in _TCP]
        return ends[-1] if ends else None

    @property
    def at_once(self) -> bool:
        """Whether each end sent its Close frame before it had read the other's. False where that is not known."""
        client, server = self.close_of(Sender.CLIENT), self.close_of(Sender.SERVER)
        return before_reading(client, server) and before_reading(server, client)

    def first(self, kinds: Iterable[Record | None]) -> Sender | None:
        """The sender of the first of these records."""
        numbers = [record for record in kinds if record is not None]
        return min(numbers, key=lambda record: record.number).sender if numbers else None


def belongs(kind: int, first: int) -> bool:
    """Whether a record of that kind, with that first byte, opens a connection or belongs to its end."""
    return first & OPCODE == CLOSE if kind == Kind.FRAME else kind in _OPENS_OR_ENDS


def before_reading(own: Record | None, others: Record | None) -> bool:
    """Whether ``own`` was sent before its sender had read ``others``."""
    return own is not None and others is not None and others.received is not None and own.time < others.received


def ending_of(trace: Trace, connection: int, numbers: Iterable[int]) -> Ending:
    """How that connection ended, as far as it has.

    Args:
        trace: where it was recorded.
        connection: its number.
        numbers: of its records for which ``belongs`` is true.

    Raises:
        IndexError: the trace does not keep that connection.
    """
    records = [record for number in numbers for record in trace.between(number, number + 1)]
    ending = Ending(connection, trace.states(connection), [], records, trace.closings(connection))
    ending.moves.extend(_move(ending, transition) for transition in trace.transitions(connection))
    return ending


def _move(ending: Ending, transition: Transition) -> MadeMove:
    sender, event = transition.endpoint, transition.event
    cause = _cause(ending, transition)
    own = ending.close_of(sender)
    if event is Event.RECEIVED_CLOSE and before_reading(own, cause):
        event, cause = Event.SENT_CLOSE, own
    return MadeMove(sender, NEXT[transition.old, event], None if cause is None else cause.number)


def _cause(ending: Ending, transition: Transition) -> Record | None:
    by, _ = transition.after
    if transition.event in (Event.SENT_CLOSE, Event.RECEIVED_CLOSE):
        return ending.close_of(by)
    if transition.event is Event.TCP_CLOSED:
        return ending.tcp_of(by)
    return next((record for record in reversed(ending.records) if record.kind is Kind.RESPONSE), None)


# In words ---------------------------------------------------------------------------------


def machines(ending: Ending) -> States:
    """Both ends' states, and the changes that were made."""
    taken = [(sender, rule.old.value, rule.event.value, rule.new.value) for sender, rule, _ in ending.moves]
    return States(STATES, MOVES, taken, LANES)


def move_words(move: MadeMove) -> str:
    """One change in words, without its number."""
    rule = move.rule
    return f"{rule.event.value}: {rule.old.value} → {rule.new.value}"


def path_text(ending: Ending) -> str:
    """The way through the states, one change a line."""
    lines = [
        f"{place}. {move.sender.mark} {move_words(move)} ({move.rule.section})"
        for place, move in enumerate(ending.moves, 1)
    ]
    return "\n".join(lines or ["both ends are CONNECTING"])


def who_began(ending: Ending) -> str:
    """Who said goodbye first, in a sentence; empty before anybody has."""
    closes = [ending.close_of(sender) for sender in Sender]
    first = ending.first(closes)
    if first is None:
        return ""
    if ending.at_once:
        return "Both ends said goodbye at once: each sent its Close frame before it had read the other's."
    answered = ending.close_of(first.peer) is not None
    return f"The {first.label} said goodbye first" + (f", and the {first.peer.label} answered." if answered else ".")


def how_clean(ending: Ending) -> tuple[str, str, str]:
    """Whether the connection was closed cleanly: in a word, in a sentence, and the RFC's section."""
    closes = {sender: ending.close_of(sender) for sender in Sender}
    sent = [sender for sender, record in closes.items() if record is not None]
    if State.CLOSED not in ending.states.values():
        if len(sent) == 2:
            return "Not over", "Both Close frames have crossed; TCP has still to end.", "RFC 6455 7.1.1"
        if sent:
            return "Not over", f"The {sent[0].peer.label}'s Close frame has still to come.", "RFC 6455 5.5.1"
        return "Not over", "Nobody has said goodbye yet.", "RFC 6455 7.1.2"
    if len(sent) == 2:
        broken = next((sender for sender, record in closes.items() if record is not None and record.violations), None)
        if broken is None:
            return "Clean", "Each end sent a Close frame, and only then was TCP closed.", "RFC 6455 7.1.4"
        return "Not clean", f"The {broken.label}'s Close frame breaks a rule.", "RFC 6455 7.1.7"
    if sent:
        return "Not clean", f"TCP ended, and the {sent[0].peer.label} had sent no Close frame.", "RFC 6455 7.1.4"
    return "Not clean", "TCP ended without a Close frame from either end.", "RFC 6455 7.1.4"


def how_tcp_ended(ending: Ending) -> tuple[str, str]:
    """Who ended TCP first and how: in a sentence, and the RFC's section; empty before anybody has."""
    ends = [record for record in ending.records if record.kind in _TCP]
    if not ends:
        return "", ""
    first = ends[0]
    said = f"TCP was ended first by the {first.sender.label}, with {_TCP[first.kind]}"
    if first.kind is Kind.RESET:
        return f"{said}: the connection is torn down at once, and bytes on their way may be lost.", "RFC 6455 7.1.1"
    # RFC 6455 7.1.1: "The underlying TCP connection, in most normal cases, SHOULD be closed first by the server".
    if first.sender is Sender.SERVER:
        return f"{said}, as it should be in most normal cases.", "RFC 6455 7.1.1"
    return f"{said}. In most normal cases the server should be first.", "RFC 6455 7.1.1"


def report_words(ending: Ending) -> dict[Sender, tuple[str, str]]:
    """What each end's program reports, in words, and a remark on a code that is never sent."""
    return {
        sender: (reported(report, ending.close_of(sender.peer)), _never_sent(ending, report))
        for sender, report in ending.reports.items()
    }


def _never_sent(ending: Ending, report: CloseReport) -> str:
    why = _NEVER_SENT.get(report.code or 0)
    crossed = [record.sender for record in ending.records if is_close(record) and record.status == report.code]
    if why is None:
        return ""
    if crossed:
        return f"{report.code} must never cross the wire, and here the {crossed[0].label} sent it."
    return f"{report.code} never crossed the wire: {why}."


# For the page -----------------------------------------------------------------------------


def ending_json(ending: Ending, layout: dict[str, Any]) -> dict[str, Any]:
    """All of it as plain JSON values. ``layout`` is ``state_layout``'s."""
    clean, clean_words, clean_section = how_clean(ending)
    tcp, tcp_section = how_tcp_ended(ending)
    return {
        "connection": ending.connection,
        "layout": layout,
        "steps": [
            {
                "sender": move.sender.label,
                "old": move.rule.old.value,
                "event": move.rule.event.value,
                "new": move.rule.new.value,
                "words": move_words(move),
                "section": move.rule.section,
                "sentence": move.rule.sentence,
                "record": move.record,
            }
            for move in ending.moves
        ],
        "began": who_began(ending),
        "clean": {"word": clean, "words": clean_words, "section": clean_section},
        "tcp": {"words": tcp, "section": tcp_section},
        "ends": [_end_json(ending, sender) for sender in Sender],
    }


def _end_json(ending: Ending, sender: Sender) -> dict[str, Any]:
    close, tcp = ending.close_of(sender), ending.tcp_of(sender)
    report, never = report_words(ending).get(sender, ("", ""))
    return {
        "sender": sender.label,
        "state": ending.states[sender].value,
        "close": None if close is None else _close_json(close),
        "first": not ending.at_once and ending.first([ending.close_of(one) for one in Sender]) is sender,
        "report": report,
        "never": never,
        "tcp": None if tcp is None else {"word": _TCP[tcp.kind], "record": tcp.number},
        "untold": _untold(ending, sender),
        "tcp_first": ending.first([ending.tcp_of(one) for one in Sender]) is sender,
    }


def _untold(ending: Ending, sender: Sender) -> str:
    """How to describe an end's stream that nothing has ended."""
    others = ending.tcp_of(sender.peer)
    return f"torn down by the {sender.peer.label}'s RST" if others and others.kind is Kind.RESET else "not yet"


def _close_json(close: Record) -> dict[str, Any]:
    if close.payload_length < 2:
        meaning, section = (
            ("no status code" if not close.payload_length else "one byte, too short for a status code"),
            "RFC 6455 7.1.5",
        )
    else:
        meaning, section = status_meaning(close.status)
    return {
        "summary": close.summary,
        "record": close.number,
        "meaning": meaning,
        "section": section,
        "broken": close.violations,
    }
