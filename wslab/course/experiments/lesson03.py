"""Lesson 03, the two bytes that rule: its experiments, the header that grows under a slider, and its exercise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...anatomy.explained import explanation_sheet
from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...drawing.blocks import Ruler, Words
from ...drawing.cell import beside
from ...drawing.sheet import Sheet, Shown, sheet_of
from ...drawing.visible import count
from ...live.judges.judge import Judgement, judge
from ...live.lab import Lab
from ...protocol import build_frame, explain
from ...protocol.words import BINARY, LENGTH, PING
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise

KEY = bytes(4)
"""A masking key of zeros, which changes nothing, so that a masked payload can be read. A real client draws its own."""
CAPTURE = bytes.fromhex("c1 87 00 00 00 00 f2 48 cd c9 c9 07 00")
"""A client's frame from a recording."""
SHORT, MIDDLE = 125, 65_535
"""The longest payloads whose length is written in 7 and in 16 bits."""
LENGTHS = (
    *(0, 1, 5, 50, 100, SHORT - 1, SHORT, SHORT + 1, SHORT + 2, 200, 256, 1_000, 10_000),
    *(MIDDLE - 1, MIDDLE, MIDDLE + 1, 100_000, 1_000_000),
)
"""Where the slider stops: bytes of payload."""
MESSAGES = (SHORT, SHORT + 1, MIDDLE + 1)
"""Bytes of the messages whose headers are predicted."""


def in_words(judgement: Judgement) -> str:
    """Whether websockets and wsproto accept or refuse, in words."""
    accepted = {verdict.accepted for verdict in judgement.verdicts}
    return "they differ" if len(accepted) > 1 else "both accept" if accepted == {True} else "both refuse"


def accepted_first_bytes() -> list[int]:
    """The first bytes, of 256, with which both judges accept an empty, masked frame at the start of a connection."""
    verdicts = {first: judge(bytes([first, 0b1000_0000]) + KEY).verdicts for first in range(256)}
    return [first for first, both in verdicts.items() if all(verdict.accepted for verdict in both)]


async def echoed(lab: Lab, *messages: str | bytes) -> list[tuple[Record, Record]]:
    """Send messages to the lab's echo server: of each, the client's frame and the server's, from the recording."""
    async with lab.connect() as client:
        for message in messages:
            await client.send(message)
            await client.recv()
    return data_frames(lab.trace, lab.trace.connections[-1])


def data_frames(trace: Trace, connection: int) -> list[tuple[Record, Record]]:
    """The frames of a connection that carry messages, in pairs of the client's and the server's."""
    records = [one for one in trace.connection(connection) if one.kind is Kind.FRAME and one.first & 0b1111 <= BINARY]
    sent = [one for one in records if one.sender is Sender.CLIENT]
    return list(zip(sent, (one for one in records if one.sender is Sender.SERVER), strict=True))


async def headers(lab: Lab) -> dict[str, int]:
    """Have five messages echoed: how long the headers were, and what Payload len said, from the recording."""
    short, longer, long, letters, money = await echoed(lab, *(b"a" * n for n in MESSAGES), "şğü", "10 €")
    return {
        "125 bytes from a client: its header": short[0].header_length,
        "126 bytes from a server: its header": longer[1].header_length,
        "65,536 bytes from a server: its header": long[1].header_length,
        "the text şğü: Payload len": letters[0].second & LENGTH,
        "the text 10 €: Payload len": money[0].second & LENGTH,
    }


def five_in_other_forms() -> dict[str, str]:
    """``Hello`` with its length written in other ways: what both judges make of each, in words."""
    frames = {
        "5 in 16 bits": build_frame("Hello", mask=KEY, length_form=16),
        "5 in 64 bits": build_frame("Hello", mask=KEY, length_form=64),
        "3 in place of 5": build_frame("Hello", mask=KEY, length=3),
    }
    return {case: in_words(judge(frame)) for case, frame in frames.items()}


def captured(extensions: str | None) -> str:
    """What both judges make of ``CAPTURE`` where these extensions were agreed: what they deliver, or their code."""
    said = {
        verdict.events[0] if verdict.accepted and verdict.events else f"{verdict.code}"
        for verdict in judge(CAPTURE, extensions=extensions).verdicts
    }
    return " / ".join(sorted(said))


async def answer_to(lab: Lab, frame: bytes) -> str:
    """Open a WebSocket to the lab's server and send a frame as it is: the record of the server's answer, in words."""
    async with await lab.raw() as raw:
        await raw.handshake()
        await raw.send(frame)
        if (await raw.recv_frame()).status_code is not None:
            await raw.recv_to_end()  # who fails a connection ends it
    records = lab.trace.connection(lab.trace.connections[-1])
    return next(one.summary for one in records if one.kind is Kind.FRAME and one.sender is Sender.SERVER)


def ping(length: int) -> bytes:
    """A client's ping with so many bytes of payload, legal or not."""
    return build_frame(b"a" * length, opcode=PING, mask=KEY)


class Header(Shown):
    """The header of one frame, bit by bit, without its payload.

    Args:
        length: bytes of payload.
        masked: whether a client sends it.
    """

    def __init__(self, length: int, *, masked: bool = False) -> None:
        frame = build_frame(bytes(length), opcode=BINARY, mask=KEY if masked else None)
        self.length, self.data = length, frame[: len(frame) - length]

    def _sheet(self) -> Sheet:
        boxes = [block for block in explanation_sheet(explain(self.data)).blocks if isinstance(block, Ruler)]
        said = f"{count(self.length, 'byte')} of payload: {count(len(self.data), 'byte')} of header"
        return Sheet(said, [Words(said), *boxes])


class HeaderSlider(Shown):
    """A frame's header under a slider for the length of its payload, and a box for the client's mask.

    Where there are no widgets it shows the header that it begins with.
    """

    def __init__(self, length: int = 5) -> None:
        self.header = Header(length)

    def _sheet(self) -> Sheet:
        return sheet_of(self.header)

    def widgets(self) -> tuple[Any, Any, Any]:
        """The slider, the box for the mask, and the figure, which follows both."""
        from ipywidgets import HTML, Checkbox, SelectionSlider  # only where a notebook shows it

        options = [(count(length, "byte"), length) for length in LENGTHS]
        slider = SelectionSlider(options=options, value=self.header.length, description="payload")
        client = Checkbox(value=False, description="a client sends it, masked", indent=False)
        figure = HTML(self.header._repr_html_())

        def moved(_: Mapping[str, Any]) -> None:
            self.header = Header(slider.value, masked=client.value)
            figure.value = self.header._repr_html_()

        slider.observe(moved, names="value")
        client.observe(moved, names="value")
        return slider, client, figure

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        from ipywidgets import VBox

        still = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return beside(still, lambda: VBox(self.widgets()), **kwargs)


def _lengths(trial: Trial) -> list[int]:
    """Lengths of each form: one by chance, the last one, and the first one of the next form."""
    draw = trial.random.randint
    short, middle, long = draw(0, SHORT - 1), draw(SHORT + 2, MIDDLE - 1), draw(MIDDLE + 2, MIDDLE + 5_000)
    return [short, SHORT, SHORT + 1, middle, MIDDLE, MIDDLE + 1, long]


def _plain(length: int) -> bytes:
    return build_frame(bytes(length), opcode=BINARY)


def _header(length: int, **how: Any) -> bytes:
    frame = build_frame(bytes(length), opcode=BINARY, **how)
    return frame[: len(frame) - length]


@exercise(
    points=3,
    misconception=19,
    variants=1,
    hints=[
        "Three cases: up to 125 bytes, up to 65,535 bytes, and more. Each has one `return`.",
        "The first byte is 0x82 in all three: FIN, and opcode 2, binary. The second has MASK 0: you are a server.",
        "length.to_bytes(2, 'big') writes a number in two bytes, the most significant one first.",
    ],
    foreseen=[
        (lambda f: f(5) is None, "Your function returns None: each case needs its `return`."),
        (
            lambda f: not isinstance(f(5), bytes),
            "Your function does not return bytes: bytes([...]) makes some of numbers.",
        ),
        (lambda f: f(5)[1] & 0x80, "Your second byte has MASK set: a server does not mask."),
        (lambda f: not f(5)[0] & 0x80, "FIN is 0 in your first byte: the peer waits for the rest of the message."),
        (lambda f: f(5)[0] & 0x0F != BINARY, "The opcode of your first byte is not 2, binary."),
        (
            lambda f: f(5) in (_header(5, length_form=16), _header(5, length_form=64)),
            "You write a small length in a long form: it must be in the fewest bits, and wsproto checks that.",
        ),
        (
            lambda f: f(256)[2:] == (256).to_bytes(2, "little") or f(70_000)[2:] == (70_000).to_bytes(8, "little"),
            "Your longer lengths begin with the least significant byte; the most significant one goes first.",
        ),
        (
            lambda f: f(SHORT + 1)[1] == SHORT + 1 and len(f(SHORT + 1)) == 2,
            "You write 126 as a length in seven bits; there it is a mark, and announces two more bytes.",
        ),
        (
            lambda f: f(SHORT) != _header(SHORT),
            "125 is the last length that stands in the seven bits themselves; you already take the longer form.",
        ),
        (
            lambda f: f(1_000) == _header(1_000, length_form=64),
            "You write 1,000 in eight bytes; two hold it, and it must be in the fewest.",
        ),
        (
            lambda f: f(MIDDLE) == _header(MIDDLE, length_form=64),
            "65,535 still fits into two bytes; you already take eight.",
        ),
        (
            lambda f: len(f(70_000)) == 6,
            "You write the long length in four bytes; the mark 127 announces eight.",
        ),
    ],
)
async def frame_header(answer: Any, trial: Trial) -> Sequence[Outcome]:
    """Return the header of a server's binary frame, for a payload of so many bytes. Two libraries read each frame."""
    outcomes = []
    for length in _lengths(trial):
        header = answer(length)
        data = bytes(header or b"") + bytes(length)
        found = judge(data, as_client=False)
        wanted = judge(_plain(length), as_client=False).websockets.events
        faults = [f"{one.judge}: {one.fault or one.sentence}" for one in found.verdicts if one.events != wanted]
        came = "; ".join(faults) or "both read it"
        sent = bytes(header or b"").hex(" ")
        outcomes.append(Outcome(sent, f"both read a message of {count(length, 'byte')}", came, not faults))
    return outcomes


@frame_header.reference
def _frame_header(length: int) -> bytes:
    if length <= 125:
        return bytes([0x82, length])
    if length <= 65_535:
        return bytes([0x82, 0x7E]) + length.to_bytes(2, "big")
    return bytes([0x82, 0x7F]) + length.to_bytes(8, "big")
