"""Lesson 01, one conversation and every byte of it: what a message costs, who reads it, and a frame of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...anatomy.field import Sender
from ...drawing.blocks import Table
from ...drawing.sheet import Sheet, Shown
from ...drawing.table import Column
from ...drawing.visible import count, visible
from ...live.judges.judge import judge
from ...live.lab import Lab
from ...protocol import Frame
from ...protocol.words import TEXT
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise

QUIET = 0.2  # seconds in which a client has read what came, and a program would have been told
READ_IN = {
    (True, True): "both frames",
    (False, True): "only the server's frame",
    (True, False): "only the client's frame",
    (False, False): "neither frame",
}  # whether the letters stand in the client's frame and in the server's


class Characters(Shown):
    """The characters of a text, each with its bytes in UTF-8, as hex and as bits."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _sheet(self) -> Sheet:
        rows = []
        for character in self.text:
            data = character.encode()
            bits = " ".join(f"{byte >> 4:04b}_{byte & 15:04b}" for byte in data)
            rows.append((visible(character), str(len(data)), data.hex(" "), bits))
        heading = f"{count(len(self.text), 'character')}, {count(len(self.text.encode()), 'byte')}"
        columns = "character", Column("bytes", right=True), Column("as hex", code=True), Column("as bits", code=True)
        return Sheet(heading, [Table(columns, rows, heading, row_heading=0)])


def characters(text: str) -> Characters:
    """The characters of a text and the bytes that stand for each."""
    return Characters(text)


def cost(trace: Trace) -> dict[str, int | str]:
    """What the last message of each end cost, and in whose frame its letters can be read."""
    frames = _text_frames(trace)
    letters = {sender: _messages(trace, sender)[-1] for sender in frames}
    readable = tuple(letters[sender] in _raw(frames[sender]) for sender in (Sender.CLIENT, Sender.SERVER))
    return {
        "bytes from the client": len(_raw(frames[Sender.CLIENT])),
        "bytes from the server": len(_raw(frames[Sender.SERVER])),
        "the letters can be read in": READ_IN[readable[0], readable[1]],
    }


def first_bits(trace: Trace) -> dict[str, int]:
    """The bytes that begin the last text frame of each end."""
    frames = _text_frames(trace)
    return {
        "the server's first byte": _raw(frames[Sender.SERVER])[0],
        "the server's second byte": _raw(frames[Sender.SERVER])[1],
        "the client's second byte": _raw(frames[Sender.CLIENT])[1],
    }


def empty_cost(trace: Trace) -> dict[str, int | str]:
    """What the last message of each end cost, and what came out at the client."""
    frames = _text_frames(trace)
    came = _messages(trace, Sender.SERVER)[-1:]
    return {
        "bytes from the client": len(_raw(frames[Sender.CLIENT])),
        "bytes from the server": len(_raw(frames[Sender.SERVER])),
        "the client's program receives": "nothing" if not came else "a message" if came[0] else "an empty message",
    }


class Comparison(Shown):
    """The last text frame of each end, one under the other, cut where a part begins."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def _sheet(self) -> Sheet:
        rows = [_parts(frame) for _, frame in sorted(_text_frames(self.trace).items())]
        parts = ("first", "second", "key", "payload", "as text")
        columns = [Column("sent by"), *(Column(part, code=True) for part in parts)]
        title = "The same message in both directions"
        return Sheet(title, [Table(columns, rows, title, row_heading=0)])


def compare(trace: Trace) -> Comparison:
    """The last text frame of each end, one under the other."""
    return Comparison(trace)


def _parts(frame: Frame) -> tuple[str, ...]:
    raw, key = _raw(frame), frame.masking_key or b""
    payload = raw[frame.header_length :]
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in payload)
    sender = "" if frame.sender is None else frame.sender.mark
    return sender, raw[:1].hex(), raw[1:2].hex(), key.hex(" "), payload.hex(" "), text


class Coverage(Shown):
    """For each end: how many bytes crossed in a connection, and how many of them an explanation tells of."""

    def __init__(self, trace: Trace, connection: int) -> None:
        self.crossed: dict[Sender, int] = {}
        self.explained: dict[Sender, int] = {}  # bytes all of whose bits lie in one field and in no other
        for sender in Sender:
            sent = trace.bytes_sent(connection, sender)
            told = [0] * len(sent) * 8  # by bit: how many fields it lies in
            for record in trace.connection(connection):
                if record.sender is sender and trace.raw(record):
                    one = trace.explain(record.number)
                    for field in one.fields:
                        for bit in range(field.start, field.stop):
                            told[one.offset * 8 + bit] += 1
            self.crossed[sender] = len(sent)
            self.explained[sender] = sum(told[at : at + 8] == [1] * 8 for at in range(0, len(told), 8))

    def _sheet(self) -> Sheet:
        rows = [(sender.mark, str(self.crossed[sender]), str(self.explained[sender])) for sender in Sender]
        columns = "sent by", Column("bytes that crossed", right=True), Column("explained, each once", right=True)
        title = "Every byte of a connection"
        return Sheet(title, [Table(columns, rows, title, row_heading=0)])


def coverage(trace: Trace, connection: int = 0) -> Coverage:
    """How many bytes of a connection are explained."""
    return Coverage(trace, connection)


async def what_a_client_hears(lab: Lab, data: bytes) -> str:
    """What a real client is told when a server sends it these bytes: a message, an error, or nothing yet."""
    raw = await lab.raw(listen=True)
    client, _ = await asyncio.gather(lab.connect(raw.uri), raw.handshake())
    await raw.send(data)
    heard, refused = asyncio.ensure_future(client.recv()), asyncio.ensure_future(raw.recv_frame())
    await asyncio.wait({heard, refused}, timeout=QUIET, return_when=asyncio.FIRST_COMPLETED)
    if heard.done() and heard.exception() is None:
        told = f'"{heard.result()!s}"'
    elif refused.done() and refused.exception() is None:
        told = "an error"
    else:
        told = "nothing: it waits"
    await raw.close()
    await client.close()
    await asyncio.gather(heard, refused, return_exceptions=True)
    return told


async def what_clients_hear(lab: Lab, frames: Mapping[str, bytes]) -> dict[str, str]:
    """What a real client is told of each."""
    return {case: await what_a_client_hears(lab, data) for case, data in frames.items()}


async def say(lab: Lab, answer: Callable[[str], bytes], text: str) -> str:
    """What a real client is told when a server sends it what ``answer`` makes of a text."""
    try:
        data = answer(text)
    except NotImplementedError:
        return "first write the function above"
    return await what_a_client_hears(lab, data)


def _text_frames(trace: Trace) -> dict[Sender, Frame]:
    """The last text frame of each end."""
    return {frame.sender: frame for frame in trace.frames if frame.first & 0xF == TEXT and frame.sender is not None}


def _messages(trace: Trace, sender: Sender) -> Sequence[bytes]:
    return [message.data or b"" for message in trace.messages if message.sender is sender]


def _raw(frame: Frame) -> bytes:
    return frame.raw or b""


# The exercise.


def _opening(f: Callable[[str], bytes], byte: int) -> int:
    return f("ab")[byte]


@exercise(
    points=3,
    misconception=18,
    hints=[
        "A frame of a server is: one byte for the kind, one byte for the length, and then the text as UTF-8.",
        "The first byte has FIN (1), three reserved bits (000) and the opcode of text (0001). `bytes([...])` makes "
        "bytes of numbers.",
        "The length counts bytes. `text.encode()` gives the bytes of a text, and `len` of those counts them.",
    ],
    foreseen=[
        (lambda f: isinstance(f("ab"), str), "Your function returned a text. A frame is bytes: `bytes([...]) + ...`."),
        (lambda f: f("ab")[:2] == b"ab", "You sent the letters without a header: nothing says what they are."),
        (
            lambda f: f("ab")[1:] == b"ab",
            "The length is left out, so the first letter is read as the length.",
        ),
        (lambda f: _opening(f, 1) & 0x80, "Your second byte has MASK set. Only a client masks."),
        (lambda f: not _opening(f, 0) & 0x80, "FIN is 0, so the client waits for the rest of the message."),
        (lambda f: _opening(f, 0) & 0xF == 2, "Opcode 2 is a binary message. Text has the opcode 1."),
        (
            lambda f: _opening(f, 1) == 2 and f("şğü")[1] == 3,
            "You count letters. The length counts bytes, and a letter such as ş takes two.",
        ),
        (lambda f: _opening(f, 1) > 2, "The length counts what follows the two bytes, and not those two as well."),
    ],
)
async def server_frame(answer: Any, trial: Trial) -> list[Outcome]:
    """Return the bytes of a text frame as a server sends it. Two real clients read what you made."""
    outcomes = []
    for word in trial.words(3):
        made, wanted = answer(word), f'text message "{word}"'
        if not isinstance(made, bytes | bytearray):
            outcomes.append(Outcome(word, wanted, f"a {type(made).__name__} and no bytes", False))
            continue
        said = {}
        for verdict in judge(made, as_client=False, handshake=False).verdicts:
            right = verdict.accepted and list(verdict.events) == [wanted]
            said[verdict.judge] = wanted if right else ", ".join([*verdict.events, verdict.sentence])
        came = set(said.values())
        told = came.pop() if len(came) == 1 else "; ".join(f"{name}: {what}" for name, what in said.items())
        outcomes.append(Outcome(made.hex(" "), wanted, told, told == wanted))
    return outcomes


@server_frame.reference
def frame(text: str) -> bytes:
    """Return the bytes of a text frame as a server sends it."""
    payload = text.encode()
    return bytes([0b1000_0001, len(payload)]) + payload
