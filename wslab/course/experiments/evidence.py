"""Evidence: the judge that has no answer key, and the board on which a learner accuses somebody.

Theory. A capture is judged from its bytes each time somebody asks. Most of that is ``wslab.protocol.rules``. Two things
are added. A ping that was not answered is looked for where the bytes show that the peer read on. And where a capture
was made on both sides of a proxy, who broke a rule on one side only is neither end, but what stands between them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing.blocks import Table
from ...drawing.cell import beside
from ...drawing.sheet import Sheet, Shown, sheet_of
from ...drawing.visible import count, visible
from ...protocol.frame import Frame
from ...protocol.words import CLOSE, PING, PONG
from ...recording.trace import Trace
from ..answers import Choice
from ..edition import edition
from ..journal import events, note
from ..lesson import Asked, Case
from ..prediction import Answered, Form
from ..prediction import evidence as never_held
from ..quizzes import Quiz
from .captures import capture

WHO = ("the client", "the server", "a program between them", "nobody")
NOTHING = "none"
SECTIONS: Mapping[str, str] = {
    "4.1": "the opening handshake", "5.1": "who masks", "5.2": "a frame's header", "5.4": "fragments",
    "5.5": "control frames", "5.5.1": "CLOSE", "5.5.2": "PING", "5.6": "text", "7.4.1": "status codes",
}  # fmt: skip
"""Sections of RFC 6455 that a capture may break, and what each is about."""
_PONG_OWED = (
    "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a Close "
    "frame."
)


class Charge(NamedTuple):
    """A broken rule: in which record it shows, whose doing that is, and where the rule stands."""

    record: int
    who: str  # one of ``WHO``
    section: str  # of RFC 6455, such as ``5.1``
    rule: str
    sentence: str  # the RFC's own
    found: str


NO_CHARGE = Charge(-1, "nobody", NOTHING, "", "", "no byte of this capture breaks a rule")


def charges(trace: Trace) -> list[Charge]:
    """Every rule that is broken in a recording, computed from its bytes anew."""
    judged = bytes_alone(trace)
    broken = [
        Charge(number, _culprit(judged, number, one.rule), one.section.rpartition(" ")[2], *one[:1], *one[2:4])
        for number, one in judged.violations
    ]
    return sorted([*broken, *_pongs_owed(judged)])


def bytes_alone(trace: Trace, instead: Mapping[int, bytes] | None = None) -> Trace:
    """The same bytes, recorded anew: whatever was derived from them before is forgotten.

    Its views show all while a prediction is open, too, since it is what is asked about.

    Args:
        trace: a recording.
        instead: by a record's number, other bytes that take its place.
    """
    fresh = Trace()
    never_held.add(fresh)
    fresh.began = trace.began
    taps = {(wire, end): fresh.join(end, ("again", wire), number=wire) for wire in trace.connections for end in Sender}
    for record in trace:
        tap = taps[record.connection, record.sender]
        match record.kind:
            case Kind.FIN:
                tap.fin_sent(record.time)
            case Kind.RESET:
                tap.reset_sent(record.time)
            case Kind.ERROR | Kind.BEND:
                tap.note(record.summary, record.time)  # so that the numbers stay
            case _ if data := (instead or {}).get(record.number, trace.raw(record)):
                tap.sent(data, record.time)
    for tap in taps.values():
        tap.left()
    return fresh


def _keys(trace: Trace, connection: int) -> list[str]:
    request, _ = trace.heads(connection)
    return request.get("Sec-WebSocket-Key") if request else []


def _culprit(trace: Trace, number: int, rule: str) -> str:
    """Who broke a rule that a record breaks: its sender, if the rule is broken wherever this conversation passed."""
    record = trace.record(number)
    keys = _keys(trace, record.connection)
    sides = {wire for wire in trace.connections if keys and _keys(trace, wire) == keys}
    broken = {trace.record(at).connection for at, one in trace.violations if one.rule == rule}
    return WHO[2] if sides - broken else WHO[record.sender]


def _pongs_owed(trace: Trace) -> Iterator[Charge]:
    """Pings that were never answered, though the peer answered a close frame that came after them."""
    for connection in trace.connections:
        frames = [(one.number, trace.frame_of(one)) for one in trace.connection(connection) if one.kind is Kind.FRAME]
        for at, (number, ping) in enumerate(frames):
            later = [frame for _, frame in frames[at + 1 :]]
            if ping.opcode == PING and ping.sender is not None and _owes(ping, later):
                found = "this ping was not answered, and the peer answered the CLOSE after it"
                yield Charge(number, WHO[ping.sender.peer], "5.5.2", "ping-not-answered", _PONG_OWED, found)


def _owes(ping: Frame, later: Sequence[Frame]) -> bool:
    """Whether the peer read the ping, which it shows by echoing a CLOSE that came after it, and sent no pong before.

    RFC 6455 5.5.3: "the endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame."
    """
    payloads, code, open_ = {ping.data}, None, True
    for frame in later:
        mine = frame.sender is ping.sender
        if mine and frame.opcode == PING:
            payloads.add(frame.data)
        elif mine and frame.opcode == CLOSE and open_:
            code, open_ = frame.status_code, False
        elif not mine and frame.opcode == PONG and frame.data in payloads:
            return False
        elif not mine and frame.opcode == CLOSE:
            return code is not None and frame.status_code == code
    return False


def who(trace: Trace) -> str:
    """Who broke a rule in a recording, in words."""
    return next((one.who for one in charges(trace)), NO_CHARGE.who)


def points(trace: Trace, *accusations: Sequence[Any]) -> float:
    """What accusations are worth, from 0 to 1: a third each for the record, for who and for the section.

    Args:
        trace: the capture.
        accusations: a record's number, who, and a section each; ``(None, "nobody", None)`` says that nobody broke a
            rule. Each counts alike, so who accuses everybody gains nothing.
    """
    if not accusations:
        return 0.0
    truths = charges(trace) or [NO_CHARGE]
    return sum(max(sum(_right(said, one)) for one in truths) / 3 for said in accusations) / len(accusations)


def _right(said: Sequence[Any], truth: Charge) -> tuple[bool, bool, bool]:
    """Whether record, culprit and section of an accusation are right."""
    record, culprit, section = (NOTHING if one is None else str(one).casefold() for one in said)
    number = NOTHING if truth is NO_CHARGE else str(truth.record)
    return record == number, culprit == truth.who, section.partition(" ")[0] == truth.section


# The evidence board.


def sealed(trace: Trace) -> Trace:
    """A recording's bytes without what the judge makes of them: its views show what crossed and accuse nobody."""
    shown = bytes_alone(trace)
    packed = b"".join(record._replace(violations=0).pack() for record in shown)
    shown.ledger.records.restore(0, packed)
    shown.ledger.violations.clear()
    for conversation in shown.ledger.conversations.values():
        conversation.protocol.heads[:] = [replace(one, violations=()) for one in conversation.protocol.heads]
    return shown


class Accusation(Quiz):
    """The form in which somebody is accused. It is marked by the judge, who has nothing but the capture."""

    button = "Accuse"
    heads = ("question", "the bytes show")
    questions = ("Which record shows it?", "Who did it?", "Which section of RFC 6455 says so?")

    def __init__(self, evidence: Trace, name: str) -> None:
        records = [str(record.number) for record in evidence]
        sections = [f"{number} {about}" for number, about in SECTIONS.items()]
        kinds = (Choice(*records, NOTHING), Choice(*WHO), Choice(*sections, NOTHING))
        cases = {asked: Case(kind) for asked, kind in zip(self.questions, kinds, strict=True)}
        super().__init__(Asked(name, "Your accusation", cases))
        self._evidence = evidence

    @cached_property
    def charge(self) -> Charge:
        """The broken rule that agrees best with what was said."""
        said = [self.answers.get(asked, "") for asked in self.questions]
        return max(charges(self._evidence) or [NO_CHARGE], key=lambda one: sum(_right(said, one)))

    def rows(self, outcome: Mapping[str, Any]) -> list[Answered]:
        """A row for each question: what was said, what the bytes show, and the rule."""
        one = self.charge
        shown = (
            (NOTHING if one is NO_CHARGE else str(one.record), one.found),
            (one.who, self._why(one)),
            (_section(None if one is NO_CHARGE else one.section), one.sentence),
        )
        said = [self.answers.get(asked, "") for asked in self.questions]
        right = _right(said, one)
        return [
            Answered(asked, said[at], was, self.words[not right[at]] if self.locked else "", visible(why))
            for at, (asked, (was, why)) in enumerate(zip(self.questions, shown, strict=True))
        ]

    def _why(self, one: Charge) -> str:
        """Why it was them."""
        if one is NO_CHARGE:
            return ""
        sender = f"the {self._evidence.record(one.record).sender.label}"
        if one.who not in ("the client", "the server"):
            return f"{sender}'s bytes break the rule on one side of that program only"
        return f"record {one.record} is {one.who}'s" if sender == one.who else f"{one.who} did not answer {sender}"

    def score(self, rows: Sequence[Answered]) -> str:
        """How much of the accusation holds, and what all first accusations on this level were worth."""
        level = self.asked.name.partition(",")[0]
        first: dict[str, int] = {}
        for event in events():
            if event["event"] == "accused" and event["name"].partition(",")[0] == level:
                first.setdefault(event["name"], int(event.get("right", 0)))
        so_far = f"{sum(first.values())} of {count(len(self.questions) * len(first), 'point')}"
        where = f"on {level.partition('.')[2]}, in {count(len(first), 'capture')}"
        said = Form.score(self, rows)  # a quiz's own words invite to try the same questions again
        return f"{said}. So far {where}: {so_far}." if self.locked and first else said

    def _sheet(self) -> Sheet:
        if self.locked or edition() == "student":
            return super()._sheet()
        rows = [(row.case, row.was, row.why) for row in self.rows({})]
        table = Table((self.heads[0], self.heads[1], "why"), rows, "What the judge finds", row_heading=0)
        return Sheet("Accusation", [*Form._sheet(self).blocks, table])

    def _settled(self) -> None:
        self.__dict__.pop("charge", None)
        note("accused", self.asked.name, right=self.right(self.rows({})), of=len(self.questions))


class Board(Shown):
    """An evidence board: a capture, all bytes of which can be looked at, and a form to accuse somebody. See ``board``.

    Attributes:
        evidence: the capture, as a recording.
        accusation: the form.
    """

    def __init__(self, evidence: Trace, name: str) -> None:
        self.evidence = sealed(evidence)
        self.accusation = Accusation(self.evidence, name)

    def accuse(self, record: int | None, culprit: str, section: str | None) -> Board:
        """Accuse somebody from code.

        Args:
            record: the number of the record that shows it; None if nobody broke a rule.
            culprit: one of "the client", "the server", "a program between them", "nobody".
            section: such as "5.1"; None if nobody broke a rule.

        Raises:
            RuntimeError: somebody was accused here before.
            KeyError: that section is not among ``SECTIONS``.
        """
        said = (NOTHING if record is None else str(record), culprit, _section(section))
        self.accusation.answer(dict(zip(self.accusation.questions, said, strict=True)))
        return self

    def _sheet(self) -> Sheet:
        blocks = [*sheet_of(self.evidence).blocks, *sheet_of(self.accusation).blocks]
        return Sheet("Evidence board", blocks)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        text = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return text if sys.platform == "emscripten" else beside(text, lambda: _widget(self), **kwargs)


def _widget(board: Board) -> Any:
    """The live board: the panel of the capture, and under it the form. What was found is then written on its arrow."""
    import ipywidgets

    from ...panels.lab_panel.lab_panel import LabPanel

    panel, form = LabPanel(board.evidence), board.accusation

    def told() -> None:
        if form.locked and form.charge is not NO_CHARGE:
            panel.notes, panel.selected = {form.charge.record: form.charge.rule}, form.charge.record

    form.watch(told)
    told()
    return ipywidgets.VBox([panel, form.panel])


def board(level: int = 1, seed: int | str = 0) -> Board:
    """An evidence board: somebody may have broken a rule of RFC 6455 in this capture, or nobody.

    Args:
        level: 1 (one breach, everything else is plain), 2 (much looks odd and is allowed) or 3 (a proxy stands between
            both ends, and the capture was made on both of its sides).
        seed: makes another capture.

    Raises:
        ValueError: there is no such level.
    """
    return Board(capture(seed, level), f"15.level {level}, seed {seed}")


def _section(number: str | None) -> str:
    return NOTHING if number is None else f"{number} {SECTIONS[number]}"
