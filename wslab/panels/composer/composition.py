"""What a composer sends: a message's frames (``Series``), in a connection (``Preview``), by a ``TargetEnd``."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ...anatomy.explanation import Explanation
from ...anatomy.field import Sender
from ...drawing.visible import count, hexed, visible
from ...live.ends import RAW_KIND, End
from ...protocol import Frame, build_frame, explain_frame, parse_frame
from ...protocol.header import FORMS
from ...protocol.states import State
from ...protocol.words import CLOSE, CONTINUATION, LENGTH, STATUS_CODES, STATUS_RANGES, status_meaning
from ...recording.trace import Trace
from ..kit.frame_fields import CannotCompose, typed
from ..kit.record_filter import CONTROL

MOST_ENDS = 60  # ends that are offered at once; of more, the newest
MOST_FRAGMENTS = 64
LONGEST_CODE = 0xFFFF
# RFC 6455 5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
LONGEST_REASON = 125 - 2  # bytes of a close reason that leave room for the status code (RFC 6455 5.5 and 5.5.1)
# The status codes to choose from.
CODES: Final = [
    *([code, meaning] for code, (meaning, _) in STATUS_CODES.items()),
    *([low, f"to {high}: {use}"] for low, high, use in STATUS_RANGES if low in (3000, 4000)),
]
SHOWN = 32  # bytes of each frame in the list of frames
FRESH = "a fresh masking key"
_SENDERS: Final = {sender.label: sender for sender in Sender}


class TargetEnd(NamedTuple):
    """An end, as ``"client 0"`` names it: the client of connection 0."""

    key: str
    end: End | None  # none when it is gone, or was never there

    @property
    def sender(self) -> Sender | None:
        """The side that the key names; None where it names none."""
        side, _, number = self.key.partition(" ")
        return _SENDERS.get(side) if number.isdecimal() else None

    @property
    def label(self) -> str:
        """What a person calls it; empty where the key names no end."""
        if self.end is not None:
            return self.end.label
        return "" if self.sender is None else f"{self.sender.mark} of connection {self.key.partition(' ')[2]}, gone"

    @property
    def trouble(self) -> str:
        """Why nothing can be sent by it; empty where something can."""
        if self.end is not None:
            ended = f"{self.label} has ended its stream: it can send no more. Choose another end."
            return "" if self.end.open else ended
        if not self.key:
            said = "There is no open connection yet. Open a client here, or connect one: `await lab.connect()`. "
            return f"{said}To be connected to, the lab needs a server: `await lab.serve()`."
        if self.sender is None:
            return f'target={self.key!r} names no end: it is said as "client 0" or "server 0". Choose one.'
        return f"{self.label}: its connection is over. Choose another end, or open one."

    @property
    def facts(self) -> dict[str, Any]:
        """All of it as JSON values."""
        end, is_open, connection = self.end, self.end is not None and self.end.open, self.key.partition(" ")[2]
        state = (end.state if end is not None and is_open else State.CLOSED).value
        facts = {"kind": "" if end is None else end.kind, "state": state, "open": is_open, "label": self.label}
        sender = "" if self.sender is None else self.sender.label
        return {"key": self.key, "sender": sender, "connection": connection, **facts}

    def among(self, ends: Sequence[End]) -> dict[str, Any]:
        """The newest ends to choose from, and itself among them, as JSON values."""
        listed = [TargetEnd(end.key, end).facts for end in ends[-MOST_ENDS:]]
        if self.sender is not None and self.key not in [each["key"] for each in listed]:
            listed.insert(0, self.facts)
        return {"ends": listed, "more": max(0, len(ends) - MOST_ENDS), "why": self.trouble}


class Series(NamedTuple):
    """One message's frames, or one frame: what a person wants to send."""

    payload: bytes
    opcode: int
    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool
    masked: bool
    key: bytes | None  # of every frame; None for a fresh one each
    length_form: int | None
    fragments: int

    def frames(self, fresh: Callable[[int], bytes]) -> list[bytes]:
        """Each frame's bytes, the payload split evenly; ``fresh(index)`` is its masking key where there is no other."""
        # RFC 6455 5.4: "A fragmented message consists of a single frame with the FIN bit clear and an opcode other than
        # 0, followed by zero or more frames with the FIN bit clear and the opcode set to 0, and terminated by a single
        # frame with the FIN bit set and an opcode of 0."
        first: dict[str, Any] = {"opcode": self.opcode, "rsv1": self.rsv1, "rsv2": self.rsv2, "rsv3": self.rsv3}
        return [
            build_frame(
                part,
                fin=self.fin and index == self.fragments - 1,
                mask=(self.key or fresh(index)) if self.masked else None,
                length_form=self.length_form,
                **({"opcode": CONTINUATION} if index else first),
            )
            for index, part in enumerate(split(self.payload, self.fragments))
        ]

    @property
    def lies(self) -> str:
        """What follows from a length that does not fit into its bits, in words; empty where it fits."""
        longest = max(map(len, split(self.payload, self.fragments)))
        if self.length_form is None or longest <= FORMS[self.length_form].most:
            return ""
        low = longest & (LENGTH if self.length_form == 7 else 0xFFFF)
        said = f"{count(longest, 'byte')} do not fit into {self.length_form} bits, which take the low bits: {low}."
        return f"{said} The peer takes what follows for something else."


class Preview(NamedTuple):
    """What would be sent now, frame by frame; or why there are no bytes."""

    target: TargetEnd
    series: Series | None = None
    frames: tuple[bytes, ...] = ()
    places: tuple[Frame, ...] = ()  # the same, each with its offset and the rules that it breaks in its connection
    begun: int = 0  # how many of the frames were sent
    hides: bool = False  # whether the masking keys differ at each run, so that steady text must not show them
    field: str = ""  # the setting that makes no bytes
    why: str = ""

    def explain(self, index: int) -> Explanation:
        """Every bit of a frame, and the rules that it would break in its connection. Raises CannotCompose."""
        if not self.frames:
            raise CannotCompose(self.why)
        data, place, sender = self.frames[index], self.places[index], self.target.sender or Sender.CLIENT
        return explain_frame(data, sender=sender, offset=place.offset, violations=place.violations)

    def explain_steadily(self, index: int) -> Explanation:
        """The same without the masking key, and without what it masks, where they differ at each run."""
        explanation = self.explain(index)
        start = next((field.start for field in explanation.fields if field.name == "Masking-key"), None)
        if not self.hides or start is None:
            return explanation
        fields = []
        for field in explanation.fields:
            said = field.value.hex(" ") if isinstance(field.value, bytes) else visible(str(field.value))
            steady = FRESH if field.start == start else said
            fields.append(field._replace(steady=steady) if field.start >= start else field)
        return replace(explanation, fields=tuple(fields))

    def notes(self, close: bool) -> list[str]:
        """What is worth knowing before it is sent. ``close`` is whether a status code and a reason were typed."""
        if self.series is None:
            return []
        payload, opcode, fin = self.series[:3]
        # Only a library keeps a state that it would have to be told of.
        untold = self.target.end is not None and self.target.end.kind != RAW_KIND
        code = (
            "A Close frame's payload begins with its status code: these first two bytes say "
            f"{int.from_bytes(payload[:2], 'big')}. Choose “the status code and reason” to have them written "
            "(RFC 6455 5.5.1)."
        )
        answer = "It will take the peer's answering Close for the first one, and send a Close of its own after yours."
        inside = "Until you send the fragment with FIN, the next message that it sends stands inside yours."
        notes = {
            code: opcode == CLOSE and not close and len(payload) > 1,
            f"websockets is not told of these bytes. {answer}": untold and opcode == CLOSE,
            f"websockets is not told of these bytes. {inside}": untold and not fin and not opcode & CONTROL,
            self.series.lies: bool(self.series.lies),
        }
        return [note for note, holds in notes.items() if holds]

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """Each frame as its place, what it is, its length and its bytes."""
        rows = []
        for index, (data, place) in enumerate(zip(self.frames, self.places, strict=True)):
            broken = f", breaks {count(len(place.violations), 'rule')}" if place.violations else ""
            what = place.opcode_name + ("" if place.fin else ", not final") + broken
            hidden = f"{data[: place.header_length - 4].hex(' ')} {FRESH} and what it masks"
            shown = hidden if place.mask and self.hides else hexed(data, SHOWN)
            rows.append((f"{index + 1}{' (sent)' if index < self.begun else ''}", what, str(len(data)), shown))
        return rows

    @property
    def facts(self) -> dict[str, Any]:
        """All of it but the explanation, as JSON values."""
        frames = [
            {"what": place.opcode_name, "fin": int(place.fin), "hex": data[:SHOWN].hex(), "length": len(data)}
            | {"broken": len(place.violations), "sent": index < self.begun}
            for index, (data, place) in enumerate(zip(self.frames, self.places, strict=True))
        ]
        left = sum(map(len, self.frames[self.begun :]))
        sizes = {"left": left, "payload": None if self.series is None else len(self.series.payload)}
        return {"field": self.field, "trouble": self.why, "frames": frames, "reason_most": LONGEST_REASON, **sizes}


def placed(trace: Trace, end: End | None, sender: Sender, frames: Sequence[bytes]) -> list[Frame]:
    """Each frame with its offset and broken rules as the next ones of its connection; alone where there is none."""
    places = [parse_frame(data, sender=sender) for data in frames]
    if end is not None:
        with suppress(IndexError):  # the trace has dropped this connection
            for index, found in enumerate(trace.foresee(end.connection, end.end, frames)):
                for first in found[:1]:
                    places[index] = places[index]._replace(violations=first.violations, offset=first.offset)
    return places


def split(payload: bytes, parts: int) -> list[bytes]:
    """``payload`` in so many parts, as even as can be, longer ones first."""
    size, longer = divmod(len(payload), parts)
    ends = [size * index + min(index, longer) for index in range(parts + 1)]
    return [payload[start:stop] for start, stop in pairwise(ends)]


def close_body(code: int | None, reason: str) -> bytes:
    """A close frame's body (RFC 6455 5.5.1). Raises CannotCompose for a status code that 16 bits cannot hold."""
    if code is not None and not 0 <= code <= LONGEST_CODE:
        raise CannotCompose(f"a status code is written in 16 bits, so it is 0 to {LONGEST_CODE}; {code} was given")
    # RFC 6455 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer (in network
    # byte order) representing a status code".
    return (b"" if code is None else code.to_bytes(2, "big")) + typed(reason, "text")


def code_meaning(code: int | None, sender: Sender | None = None) -> list[str]:
    """What a status code means, or its absence, and where that is written; ``sender`` is who sends it, if known."""
    if code is None:
        return ["no status code: the peer's program is told 1005", "RFC 6455 7.1.5"]
    return (
        [*status_meaning(code, sender)] if 0 <= code <= LONGEST_CODE else ["more than 16 bits hold", "RFC 6455 5.5.1"]
    )
