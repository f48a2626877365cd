"""``ClosingPanel``: how a connection ended: both ends' states with the changes made, and what each end said.

Theory. A trace takes what one end sends to have reached the other. Where both ends are in the lab, it also knows when
each record was read, and so that an end sent its Close frame before it had read the other's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from traitlets import Int, TraitError, observe, validate

from ...anatomy.field import Sender
from ...anatomy.record import CloseReport, Kind, Record, packed_values
from ...anatomy.records import LANES, is_close, reported
from ...drawing.blocks import DRAWN, READ, Only, States, Table, Words
from ...drawing.sheet import Sheet, sheet_of
from ...drawing.svg_states import state_layout
from ...protocol.states import NEXT, TRANSITIONS, Event, State, StateRule, Transition
from ...protocol.words import CLOSE, OPCODE, status_meaning
from ..kit.trace_panel import TracePanel

MOST_CHOICES = 100  # connections that the page offers to choose from: the newest
MOST_KEPT = 5_000  # connections, at most, whose closing records are remembered
STATES: Final = tuple(state.value for state in State)
# What never happens to an end: a client sends no 101, a server receives none.
_NEVER: Final = {
    Sender.CLIENT: {Event.SENT_ACCEPTANCE, Event.SENT_REFUSAL},
    Sender.SERVER: {Event.RECEIVED_ACCEPTANCE, Event.RECEIVED_REFUSAL},
}
# Each end's part of the protocol's table, in words.
MOVES: Final[Mapping[int, Sequence[tuple[str, str, str, str]]]] = {
    sender: [(by.old.value, by.event.value, by.new.value, by.section) for by in TRANSITIONS if by.event not in never]
    for sender, never in _NEVER.items()
}

_NEVER_SENT: Final = {
    1005: "the Close frame that came had no status code, and a program has to report something",
    1006: "it is what a program reports where no Close frame came that it could accept",
    1015: "it is what a program reports where TLS could not be set up",
}
_TCP = {Kind.FIN: "FIN", Kind.RESET: "RST"}


class Ending(NamedTuple):
    """What is known of how one connection ended."""

    connection: int
    states: dict[Sender, State]
    transitions: list[Transition]
    records: list[Record]  # those that opened the connection or belong to its end, as far as they are kept, in order
    reports: dict[Sender, CloseReport]
    said: dict[int, str]  # by a record's number, what a capture tells of an RST

    def close_of(self, sender: Sender) -> Record | None:
        """The first Close frame that an end sent."""
        return next((record for record in self.records if record.sender is sender and is_close(record)), None)

    def tcp_of(self, sender: Sender) -> Record | None:
        """How an end's stream ended."""
        ends = [record for record in self.records if record.sender is sender and record.kind in _TCP]
        return ends[-1] if ends else None

    @property
    def began(self) -> Sender | None:
        """Who sent the first Close frame."""
        return next((record.sender for record in self.records if is_close(record)), None)

    @property
    def at_once(self) -> bool:
        """Whether each end sent its Close frame before it had read the other's. False where that is not known."""
        client, server = self.close_of(Sender.CLIENT), self.close_of(Sender.SERVER)
        return _before_reading(client, server) and _before_reading(server, client)

    @property
    def moves(self) -> list[tuple[Sender, StateRule, int | None]]:
        """The changes that the ends made, in order, each with the record that caused it, as far as it is kept."""
        moves = []
        for sender, event, old, (by, _) in ((one.endpoint, one.event, one.old, one.after) for one in self.transitions):
            own, cause = self.close_of(sender), self.tcp_of(by)
            if event in (Event.SENT_CLOSE, Event.RECEIVED_CLOSE):
                cause = self.close_of(by)
            elif event is not Event.TCP_CLOSED:
                cause = next((record for record in reversed(self.records) if record.kind is Kind.RESPONSE), None)
            if event is Event.RECEIVED_CLOSE and _before_reading(own, cause):
                event, cause = Event.SENT_CLOSE, own
            moves.append((sender, NEXT[old, event], None if cause is None else cause.number))
        return moves


def _before_reading(own: Record | None, others: Record | None) -> bool:
    """Whether ``own`` was sent before its sender had read ``others``."""
    return own is not None and others is not None and others.received is not None and own.time < others.received


class ClosingPanel(TracePanel):
    """How one connection of a recording ended, or is ending. It follows the recording.

    Args:
        source: a ``Trace``, or anything with one as its ``trace``, such as a ``Lab``.
        connection: its number; None for the newest that is closing or closed, or else the newest.

    It draws each end's states (RFC 6455 4 and 7) with the changes that were made, and says who sent the first Close
    frame, what each end's program reports, and how TCP ended. A change whose record was dropped is shown without it.
    """

    connection = Int(
        None, allow_none=True, help="Number of the connection; None for the newest that is closing or closed."
    )

    _looked = 0  # number of the next record to look at
    _ending: int | None = None  # the newest connection that is closing or closed

    def __init__(self, source: Any, connection: int | None = None, **kwargs: Any) -> None:
        self._numbers: dict[int, list[int]] = {}
        super().__init__(source, **kwargs)
        self.connection = connection

    @property
    def shown(self) -> int | None:
        """Number of the connection that is shown; None where nothing was recorded."""
        with self._lock:
            self._scan()
            kept = self.trace.connections
            if self.connection is not None:
                return self.connection
            return self._ending if self._ending in kept else kept[-1] if kept else None

    def _sheet(self) -> Sheet:
        ending = self._now()
        if ending is None:
            return Sheet("How a connection ended", [Words("nothing recorded yet")], "closing")
        moves = enumerate(ending.moves, 1)
        path = [f"{at}. {end.mark} {_words(rule)} ({rule.section})" for at, (end, rule, _) in moves]
        blocks = [
            Only(READ, sheet_of(self.trace.closing(ending.connection)).blocks),
            Only(["text"], [Words("\n".join(path or ["both ends are CONNECTING"]))]),
            Only(DRAWN, [_machines(ending), Table(["", *(sender.mark for sender in Sender)], _rows(ending))]),
            Only(["text", "svg"], [Words("\n".join(_sentences(ending)))]),
        ]
        return Sheet(f"How connection {ending.connection} ended", blocks, "closing")

    def _scan(self) -> None:
        """Note which of the new records open a connection or belong to its end."""
        packed = self.trace.packed(max(self._looked, self.trace.first), self.trace.total)
        for number, connection, kind, first in packed_values(packed, "number", "connection", "kind", "first"):
            ends = first & OPCODE == CLOSE if kind == Kind.FRAME else kind in _TCP
            if ends or kind == Kind.RESPONSE:
                self._numbers.setdefault(connection, []).append(number)
            if ends and (self._ending is None or connection > self._ending):
                self._ending = connection
            self._looked = number + 1
        while len(self._numbers) > MOST_KEPT:
            del self._numbers[next(iter(self._numbers))]

    def _now(self) -> Ending | None:
        with self._lock:
            shown, trace = self.shown, self.trace
            if shown is None:
                return None
            try:
                records = [one for number in self._numbers.get(shown, ()) for one in trace.between(number, number + 1)]
                if records and trace.held is not None and records[-1].number >= trace.held:
                    return None
                states, transitions = trace.states(shown), trace.transitions(shown)
                said = {one.number: text for one in records if (text := trace.ledger.texts.get(one.number))}
                return Ending(shown, states, transitions, records, trace.closings(shown), said)
            except IndexError:  # dropped meanwhile
                return None

    def _push(self) -> bool:
        with self._lock:
            ending, choices = self._now(), self.trace.connections[-MOST_CHOICES:]
            if self.is_news("closing", (ending, choices)):
                self.tell("closing", closing=None if ending is None else _ending_json(ending), connections=choices)
        return False

    @validate("connection")
    def _valid_connection(self, proposal: Any) -> int | None:
        number: int | None = proposal["value"]
        kept = self.trace.connections
        if number is not None and number not in kept:
            there = ", ".join(map(str, kept[-10:])) or "none yet"
            raise TraitError(f"no connection {number} in this trace; there are: {there}. None takes the newest")
        return number

    @observe("connection")
    def _chosen(self, _: Any) -> None:
        self.refresh()


def _rows(ending: Ending) -> list[tuple[str, ...]]:
    ends = [_end_json(ending, sender) for sender in Sender]
    return [
        ("Close frame sent", *(end["close"]["summary"] if end["close"] else "none" for end in ends)),
        ("its program reports", *(end["report"] or "nothing yet" for end in ends)),
        ("end of its stream", *(end["tcp"]["word"] if end["tcp"] else end["untold"] for end in ends)),
    ]


def _machines(ending: Ending) -> States:
    taken = [(sender, rule.old.value, rule.event.value, rule.new.value) for sender, rule, _ in ending.moves]
    return States(STATES, MOVES, taken, LANES)


def _words(rule: StateRule) -> str:
    return f"{rule.event.value}: {rule.old.value} → {rule.new.value}"


def _sentences(ending: Ending) -> Iterator[str]:
    """Who began, how clean it was, how TCP ended, and what is odd about what a program reports."""
    if began := _who_began(ending):
        yield began
    word, words, section = _how_clean(ending)
    yield f"{word}. {words} ({section})"
    if tcp := _how_tcp_ended(ending):
        yield f"{tcp} (RFC 6455 7.1.1)"
    if never := next(filter(None, (_never_sent(ending, report) for report in ending.reports.values())), ""):
        yield f"{never} (RFC 6455 7.4.1)"


def _who_began(ending: Ending) -> str:
    if ending.began is None:
        return ""
    if ending.at_once:
        return "Both ends said goodbye at once: each sent its Close frame before it had read the other's."
    end = f", and the {ending.began.peer.label} answered." if ending.close_of(ending.began.peer) else "."
    return f"The {ending.began.label} said goodbye first{end}"


def _how_clean(ending: Ending) -> tuple[str, str, str]:
    """Whether the connection was closed cleanly: in a word, in a sentence, and the RFC's section."""
    closes = [record for sender in Sender if (record := ending.close_of(sender)) is not None]
    broken = [record.sender.label for record in closes if record.violations]
    other = closes[0].sender.peer.label if closes else ""
    over = State.CLOSED in ending.states.values()
    if over and len(closes) == 2 and broken:
        return "Not clean", f"The {broken[0]}'s Close frame breaks a rule.", "RFC 6455 7.1.7"
    return {
        (False, 0): ("Not over", "Nobody has said goodbye yet.", "RFC 6455 7.1.2"),
        (False, 1): ("Not over", f"The {other}'s Close frame has still to come.", "RFC 6455 5.5.1"),
        (False, 2): ("Not over", "Both Close frames have crossed; TCP has still to end.", "RFC 6455 7.1.1"),
        (True, 0): ("Not clean", "TCP ended without a Close frame from either end.", "RFC 6455 7.1.4"),
        (True, 1): ("Not clean", f"TCP ended, and the {other} had sent no Close frame.", "RFC 6455 7.1.4"),
        (True, 2): ("Clean", "Each end sent a Close frame, and only then was TCP closed.", "RFC 6455 7.1.4"),
    }[over, len(closes)]


def _how_tcp_ended(ending: Ending) -> str:
    """Who ended TCP first and how (RFC 6455 7.1.1); empty before anybody has."""
    first = next((record for record in ending.records if record.kind in _TCP), None)
    if first is None:
        return ""
    so = ". In most normal cases the server should be first."
    if first.kind is Kind.RESET:
        so = ": the connection is torn down at once, and bytes on their way may be lost."
    # RFC 6455 7.1.1: "The underlying TCP connection, in most normal cases, SHOULD be closed first by the server".
    elif first.sender is Sender.SERVER:
        so = ", as it should be in most normal cases."
    if seen := ending.said.get(first.number):
        return (
            f"TCP was ended first by {seen}. The connection is torn down at once, and bytes on their way may be lost."
        )
    return f"TCP was ended first by the {first.sender.label}, with {_TCP[first.kind]}{so}"


def _never_sent(ending: Ending, report: CloseReport) -> str:
    """A remark on a code that a program reports and that is never sent."""
    crossed = [record.sender for record in ending.records if is_close(record) and record.status == report.code]
    if report.code not in _NEVER_SENT:
        return ""
    if crossed:
        return f"{report.code} must never cross the wire, and here the {crossed[0].label} sent it."
    return f"{report.code} never crossed the wire: {_NEVER_SENT[report.code]}."


def _ending_json(ending: Ending) -> dict[str, Any]:
    clean, clean_words, clean_section = _how_clean(ending)
    tcp = _how_tcp_ended(ending)
    return {
        "connection": ending.connection,
        "layout": state_layout(_machines(ending)),
        "steps": [
            {"sender": sender.label, "old": rule.old.value, "event": rule.event.value, "new": rule.new.value}
            | {"words": _words(rule), "section": rule.section, "sentence": rule.sentence, "record": record}
            for sender, rule, record in ending.moves
        ],
        "began": _who_began(ending),
        "clean": {"word": clean, "words": clean_words, "section": clean_section},
        "tcp": {"words": tcp, "section": "RFC 6455 7.1.1" if tcp else ""},
        "ends": [_end_json(ending, sender) for sender in Sender],
    }


def _end_json(ending: Ending, sender: Sender) -> dict[str, Any]:
    close, tcp, others = ending.close_of(sender), ending.tcp_of(sender), ending.tcp_of(sender.peer)
    report = ending.reports.get(sender)
    reset = others is not None and others.kind is Kind.RESET
    captured = others is not None and others.number in ending.said
    rst = f"an RST with the {sender.peer.label}'s address" if captured else f"the {sender.peer.label}'s RST"
    said = None
    if close is not None:
        short = {0: "no status code", 1: "one byte, too short for a status code"}.get(close.payload_length)
        meaning, section = (short, "RFC 6455 7.1.5") if short else status_meaning(close.status, sender)
        said = {"summary": close.summary, "record": close.number, "meaning": meaning}
        said |= {"section": section, "broken": close.violations}
    return {
        "sender": sender.label,
        "state": ending.states[sender].value,
        "close": said,
        "first": not ending.at_once and ending.began is sender,
        "report": "" if report is None else reported(report, ending.close_of(sender.peer)),
        "never": "" if report is None else _never_sent(ending, report),
        "tcp": None if tcp is None else {"word": _TCP[tcp.kind], "record": tcp.number},
        "untold": f"torn down by {rst}" if reset else "not yet",
        "tcp_first": tcp is not None and (others is None or tcp.number < others.number),
    }
