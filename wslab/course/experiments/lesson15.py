"""Lesson 15, detective: pairs of captures, a proxy that strips a header, ten sentences, a bit turned over, an exercise.

The captures are drawn in ``captures``; the judge and the evidence board are in ``evidence``.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ...anatomy.explanation import Explanation
from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing.blocks import Table, Words
from ...drawing.sheet import Sheet, Shown, sheet_of
from ...drawing.visible import visible
from ...live.judges.judge import Judgement, judge
from ...live.lab import Lab
from ...live.relay.bends import StripHeader
from ...protocol import accept_key, build_close, build_frame
from ...protocol.frame import Frame
from ...protocol.words import BINARY, CLOSE
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise
from ..slider import Slider
from .captures import DrawnCapture, capture, played
from .evidence import bytes_alone, charges, sealed, who

# Pairs of captures that differ in one thing.

PAIRS: Mapping[str, str] = {
    "A: RSV1 is 1, and the 101 names no extension": "RSV1, not agreed",
    "B: RSV1 is 1, and the 101 names permessage-deflate": "RSV1, agreed",
    "C: CLOSE 1011, and no PONG came for the PING": "a ping that is not answered",
    "D: CLOSE 1011, and the PONG stands before it": "a ping that is answered too late for its sender",
}

CASES = tuple(PAIRS)


def pairs(seed: int = 22) -> dict[str, Trace]:
    """By case, a capture. Those of a pair come from one seed, so that their frames are the same but for one thing."""
    return {case: capture(seed, 2, happening) for case, happening in PAIRS.items()}


class WithAnswer(Shown):
    """A capture without what the judge makes of it, and below it the header lines of the server's answer."""

    def __init__(self, trace: Trace) -> None:
        self.trace = sealed(trace)

    def _sheet(self) -> Sheet:
        _, response = self.trace.heads(0)
        lines = [] if response is None else response.headers
        table = Table(("header", "value"), [tuple(map(visible, line)) for line in lines], "The server's answer")
        return Sheet("A capture", [*sheet_of(self.trace).blocks, table])


def side_by_side(captures: Mapping[str, Trace]) -> Slider:
    """The captures, one for each place of a slider, without what the judge makes of them."""
    return Slider("Capture", {case.partition(":")[0]: WithAnswer(trace) for case, trace in captures.items()})


def suspect(trace: Trace) -> Explanation:
    """The first record that breaks a rule, explained; the capture's last frame where none does."""
    numbers = [one.record for one in charges(trace)] or [number for number, _ in _frames(trace)][-1:]
    return trace.explain(numbers[0])


def culprits(captures: Mapping[str, Trace]) -> dict[str, str]:
    """By case, who broke a rule in a capture: in words."""
    return {case: who(trace) for case, trace in captures.items()}


# A proxy that does not know Upgrade.


async def through_proxy(*stripped: str) -> Trace:
    """Connect a real client to a real server through a relay that strips header lines; what both ends recorded."""
    async with Lab(seed=15) as lab:
        await lab.serve()
        relay = await lab.relay(bends=[StripHeader(name) for name in stripped])
        with contextlib.suppress(InvalidStatus, ConnectionClosed):
            async with lab.connect(relay.uri):
                pass
        await lab.settled()
        return lab.trace


SIDES = {(False, False): "neither", (True, False): "the client's side", (False, True): "the server's side"}


def seen_by_both(trace: Trace) -> dict[str, Any]:
    """How a request was answered, at which end's recording a rule is broken, and whose doing that is."""
    sides = [one.connection for one in trace if one.kind is Kind.REQUEST]
    broken = {trace.record(one.record).connection for one in charges(trace)}
    return {
        "Which recording shows a broken rule?": SIDES.get((sides[0] in broken, sides[-1] in broken), "both"),
        "The status of the server's answer": next((one.status for one in trace if one.kind is Kind.RESPONSE), 0),
        "Who did it?": who(trace),
    }


# Ten sentences, and the record that shows whether each is true.

GREETING = '0{"sid":"lv_VI97HAXpY6yYW","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'
"""What a Socket.IO server says first, as its documentation prints it."""
SAID, WIDE = "my code is 4711", "şğü"


async def conversation() -> Trace:
    """Two real endpoints talk, and then the connection breaks; what was recorded."""

    async def greet(connection: ServerConnection) -> None:
        await connection.send(GREETING)
        async for message in connection:
            await connection.send(message)

    async with Lab(seed=15, carrier="memory") as lab:
        await lab.serve(greet)
        client = await lab.connect()
        await client.recv()
        for message in (SAID, ["one message", " in pieces"], WIDE):
            await client.send(message)
            await client.recv()
        client.transport.abort()
        await client.wait_closed()
        await lab.settled()
        return lab.trace


Shows = tuple[bool, int]  # whether a sentence is true, and the number of the record that shows it


def _frames(trace: Trace, sender: Sender | None = None) -> list[tuple[int, Frame]]:
    """The frames of a recording, or those of one end, each with its record's number."""
    all_of_them = [(one.number, trace.frame_of(one)) for one in trace if one.kind is Kind.FRAME]
    return [one for one in all_of_them if sender is None or one[1].sender is sender]


def _first(trace: Trace, is_it: Callable[[Frame], object], sender: Sender | None = None) -> tuple[int, Frame]:
    """The first such frame, or else the first frame."""
    frames = _frames(trace, sender)
    return next((one for one in frames if is_it(one[1])), frames[0])


def _zero_is_the_protocols(trace: Trace) -> Shows:
    number, frame = _first(trace, lambda frame: b'{"sid"' in (frame.data or b""))
    return not (frame.data or b"").startswith(b"0"), number


def _key_encrypts(trace: Trace) -> Shows:
    number, frame = _first(trace, lambda frame: frame.mask, Sender.CLIENT)
    raw, key = frame.raw or b"", frame.masking_key or b""
    hidden = raw[frame.header_length :]
    return bytes(one ^ key[at % 4] for at, one in enumerate(hidden)) != SAID.encode(), number


def _server_may_begin(trace: Trace) -> Shows:
    number, frame = _frames(trace)[0]
    return frame.sender is Sender.SERVER, number


def _all_carry_a_key(trace: Trace) -> Shows:
    number, frame = _first(trace, lambda frame: not frame.mask)
    return frame.mask, number


def _two_bytes_of_header(trace: Trace) -> Shows:
    number, frame = _first(trace, lambda frame: frame.header_length == 2)
    return frame.header_length == 2, number


def _message_is_a_frame(trace: Trace) -> Shows:
    number, frame = _first(trace, lambda frame: not frame.fin)
    return frame.fin, number


def _counts_characters(trace: Trace) -> Shows:
    number, frame = _first(trace, lambda frame: frame.data == WIDE.encode())
    return frame.payload_length == len((frame.data or b"").decode()), number


def _sends_1006(trace: Trace) -> Shows:
    number = next((one.number for one in trace if one.kind in (Kind.RESET, Kind.FIN)), trace.total - 1)
    return any(frame.status_code == 1006 for _, frame in _frames(trace)), number


def _anyone_computes_accept(trace: Trace) -> Shows:
    request, response = trace.heads(0)
    assert request is not None
    assert response is not None
    number = next(one.number for one in trace if one.kind is Kind.RESPONSE)
    computed = [accept_key(key) for key in request.get("Sec-WebSocket-Key")]
    return response.get("Sec-WebSocket-Accept") == computed, number


def _no_more_http(trace: Trace) -> Shows:
    start, number = next((one.header_length, one.number) for one in trace if one.kind is Kind.REQUEST)
    behind = trace.bytes_sent(0, Sender.CLIENT, start)
    later = next((one.number for one in trace if one.number > number and one.sender is Sender.CLIENT), number)
    return not behind[:1].isalpha(), later


_ABOUT: Mapping[str, Callable[[Trace], Shows]] = {
    'Socket.IO is WebSocket: the 0 in its 0{"sid":…} belongs to the protocol.': _zero_is_the_protocols,
    "The masking key encrypts what a client sends.": _key_encrypts,
    "A server may send before the client has sent a message.": _server_may_begin,
    "Every frame carries a masking key.": _all_carry_a_key,
    "A frame's header may be as short as two bytes.": _two_bytes_of_header,
    "One message is one frame.": _message_is_a_frame,
    "A frame's length counts the characters of a text.": _counts_characters,
    "When a connection breaks, an endpoint sends the code 1006.": _sends_1006,
    "Anyone who sees the request can compute Sec-WebSocket-Accept.": _anyone_computes_accept,
    "After the 101, frames cross and no more HTTP.": _no_more_http,
}
SENTENCES = tuple(_ABOUT)
FIRST, SECOND = SENTENCES[:5], SENTENCES[5:]


def true_or_false(trace: Trace, sentences: Iterable[str] = SENTENCES) -> dict[str, str]:
    """Whether a recording shows that sentences are true or that they are false."""
    return {sentence: "true" if _ABOUT[sentence](trace)[0] else "false" for sentence in sentences}


class Proof(Shown):
    """Ten sentences, each with the record that shows whether it is true, and the recording."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def _sheet(self) -> Sheet:
        title = "What the recording says"
        told = [(sentence, *about(self.trace)) for sentence, about in _ABOUT.items()]
        rows = [(said, "true" if so else "false", str(at), self.trace.record(at).summary) for said, so, at in told]
        table = Table(("sentence", "it is", "record", "which shows it"), rows, title, row_heading=0)
        return Sheet(title, [*sheet_of(self.trace).blocks, table])


# Break it: one bit of a capture that breaks no rule is turned over.


def quiet() -> Trace:
    """A capture in which nobody breaks a rule: the client says hello, the server answers, and both close."""
    talk = DrawnCapture(random.Random(15))
    talk.opening(offered=False)
    talk.frame(Sender.CLIENT, "hello")
    talk.frame(Sender.SERVER, "good morning")
    talk.goodbye(Sender.CLIENT)
    return played(talk.events)


class Turned(Shown):
    """A frame of which one bit was turned over: what the judge says of the capture, and two libraries of the frame."""

    def __init__(self, trace: Trace, record: int, bit: int) -> None:
        self.trace = bytes_alone(trace, {record: turned(trace.raw(trace.record(record)) or b"", bit)})
        sent = trace.record(record)
        frame = turned(trace.raw(sent) or b"", bit)
        self.libraries: Judgement = judge(frame, as_client=sent.sender is Sender.CLIENT, handshake=False)

    def _sheet(self) -> Sheet:
        found = charges(self.trace)
        first = [f"record {one.record}, {one.who}, section {one.section}: {one.found}" for one in found[:1]]
        # RFC 6455 has no marks between frames: where one is read wrongly, so is what stands after it.
        rest = [f"and {len(found) - 1} more, since what stands after it is read wrongly"] if found[1:] else []
        said = [Words(f"The judge: {visible(one)}", close=True) for one in first or ["nobody broke a rule"]]
        said += [Words(one, close=True) for one in rest]
        said += [Words(f"{one.judge}: {one.sentence}", close=True) for one in self.libraries.verdicts]
        return Sheet("One bit turned over", [*said, *sheet_of(self.trace).blocks])


def turned(data: bytes, bit: int) -> bytes:
    """The bytes with one bit turned over; bit 0 is the first of the first byte. Raises ValueError for no such bit."""
    if not 0 <= bit < 8 * len(data):
        raise ValueError(f"bit={bit}: the record has bits 0 to {8 * len(data) - 1}")
    number = int.from_bytes(data, "big") ^ 1 << (8 * len(data) - 1 - bit)
    return number.to_bytes(len(data), "big")


def turn(trace: Trace, record: int, bit: int) -> Turned:
    """Turn over one bit of a record's frame; what the judge and two libraries say of it."""
    return Turned(trace, record, bit)


# The exercise.

ASKED = ("a client does not mask", "a long form of the length", "a code that is never sent", "nobody errs")
"""What happens in the exercise's captures, once in each trial."""


def frames_of(trace: Trace) -> list[tuple[int, str, bytes]]:
    """The frames of a capture: record's number, ``"client"`` or ``"server"``, and the frame's bytes."""
    return [(at, frame.sender.label, frame.raw or b"") for at, frame in _frames(trace) if frame.sender is not None]


_KEY = b"\x37\xfa\x21\x3d"
_FINE = (2, "client", build_frame("hello", mask=_KEY))
_BARE = (3, "client", build_frame("hello"))
_LONG_FOR_5 = (3, "client", build_frame("hello", mask=_KEY, length_form=16))
_SERVERS = (3, "server", build_frame("hello"))
_LONG = (4, "server", build_frame("news " * 30))
_PAYLOAD = (5, "server", build_frame(b"\x03\xed", opcode=BINARY))
_MASKED_CODE = (6, "client", build_close(1005, mask=_KEY))
_BARE_CODE = (7, "server", build_close(1006))
_EMPTY_CLOSE = (8, "server", build_close())


@exercise(
    points=3,
    misconception=1,
    variants=3,
    hints=[
        "Byte 0 holds FIN and the opcode, byte 1 the MASK bit (128) and the length (7 bits). Look at byte 1 first.",
        "126 in the seven bits says that the next two bytes are the length. Is the number in them below 126?",
        "A close frame has opcode 8. Its code is the first two bytes of the payload, after the key if there is one; "
        "a client's code is masked.",
    ],
    foreseen=[
        (lambda f: list(f([_BARE]) or ()) == [3, 5.1], 'You gave the section as a number. It is a text: "5.1".'),
        (
            lambda f: isinstance(f([_BARE]), list) and f([_BARE]) != [3, "5.1"],
            "You gave a list: accuse one record, or return None.",
        ),
        (lambda f: f([_SERVERS]) is not None, "You accuse a server's frame that has no mask: only clients mask."),
        (lambda f: f([_LONG]) is not None, "You accuse a length of 150 in 16 bits: it does not fit in seven."),
        (lambda f: f([_PAYLOAD]) is not None, "You accuse a payload of 03 ed: that is a code in a close frame only."),
        (lambda f: f([_EMPTY_CLOSE]) is not None, "You accuse a close frame without a payload: it has no code at all."),
        (lambda f: f([_FINE]) is not None, "You accuse a masked frame of a client in which nothing is wrong."),
        (lambda f: f([_BARE]) is None, "You miss a client's frame that has no mask."),
        (lambda f: f([_LONG_FOR_5]) is None, "You miss a length of 5 that is written in 16 bits."),
        (lambda f: f([_BARE_CODE]) is None, "You miss 1006: neither 1005 nor 1006 nor 1015 may stand on the wire."),
        (lambda f: f([_MASKED_CODE]) is None, "You miss the code of a client's close frame: unmask its payload first."),
    ],
)
async def detective(answer: Any, trial: Trial) -> list[Outcome]:
    """Write ``accuse(frames)``: which frame breaks a rule, and which section says so.

    ``frames`` is a list of ``(record, sender, data)``: a number, "client" or "server", and the frame's bytes. In a
    capture a client may have sent a frame without a mask (5.1), somebody may have written a length below 126 in 16 bits
    (5.2), or sent a close frame with 1005, 1006 or 1015 (7.4.1), or nobody broke a rule. Return ``(record, section)``,
    such as ``(4, "5.1")``, or ``None``. The judge finds out from the bytes, too.
    """
    outcomes = []
    for happening in trial.random.sample(ASKED, len(ASKED)):
        trace = capture(trial.random.random(), 2, happening)
        frames = frames_of(trace)
        wanted = [(one.record, one.section) for one in charges(trace)]
        came = answer(frames)
        right = came in (wanted[0], [*wanted[0]]) if wanted else came is None
        words = repr(wanted[0]) if wanted else "None"
        outcomes.append(Outcome(f"a capture with {len(frames)} frames", words, repr(came)[:60], right))
    return outcomes


@detective.reference
def accuse(frames: list[tuple[int, str, bytes]]) -> tuple[int, str] | None:
    """Return the record that breaks a rule and the section that says so; None if nobody broke one."""
    for record, sender, data in frames:
        masked, length = data[1] >> 7, data[1] & 127
        if sender == "client" and not masked:
            return record, "5.1"
        if length == 126 and int.from_bytes(data[2:4], "big") < 126:
            return record, "5.2"
        if data[0] & 15 == CLOSE and length >= 2:
            key, code = (data[2:6], data[6:8]) if masked else (bytes(2), data[2:4])
            if (code[0] ^ key[0]) << 8 | code[1] ^ key[1] in (1005, 1006, 1015):
                return record, "7.4.1"
    return None
