"""Lesson 06, messages, fragments, UTF-8: a cut that moves, what a server makes of rows of frames, an exercise."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...anatomy.view import letter
from ...drawing.blocks import Byte, Dump, Entry, Line, Table
from ...drawing.sheet import Sheet, Shown
from ...drawing.table import Column
from ...live.judges.judge import judge
from ...live.lab import Lab
from ...protocol import build_frame, dissect
from ..exercises import Outcome, Trial, exercise
from ..slider import Slider

KEY = bytes(4)  # a masking key that changes nothing, so that the payload can be read
CONTINUATION, TEXT, BINARY, PING, PONG = 0, 1, 2, 9, 10
NAMES = {TEXT: "TEXT", CONTINUATION: "CONTINUATION"}
HALF, REST = b"H\xc3", b"\xa9llo"  # "Héllo", cut inside its é


def row(*frames: tuple[bytes, int, bool]) -> list[bytes]:
    """Frames of a client, each given as payload, opcode and FIN."""
    return [build_frame(payload, opcode=opcode, fin=fin, mask=KEY) for payload, opcode, fin in frames]


CUT = {
    "TEXT with FIN 0, then CONTINUATION with FIN 1": row((HALF, TEXT, False), (REST, CONTINUATION, True)),
    "TEXT with FIN 1, and nothing after it": row((HALF, TEXT, True)),
    "BINARY with FIN 0, then CONTINUATION with FIN 1": row((HALF, BINARY, False), (REST, CONTINUATION, True)),
}
BETWEEN = {
    "a PING between the two fragments": row((b"Hel", TEXT, False), (b"", PING, True), (b"lo", CONTINUATION, True)),
    "another TEXT between the two fragments": row(
        (b"Hel", TEXT, False), (b"x", TEXT, True), (b"lo", CONTINUATION, True)
    ),
    "a CONTINUATION when no message has begun": row((b"lo", CONTINUATION, True)),
    "a PING in two fragments": row((b"he", PING, False), (b"ar", CONTINUATION, True)),
}
FIRST, LAST = row((b"\xff", TEXT, False), (b"a", CONTINUATION, True))


# What a real server did, told by the recording.


async def outcomes(rows: Mapping[str, Sequence[bytes]]) -> dict[str, str]:
    """Send each row of frames over a connection of its own to a server that echoes; what came of it, in words.

    It has a lab of its own: then no panel above shows what happens before a prediction is locked in.
    """
    async with Lab() as lab:
        await lab.serve()
        return {name: await _outcome(lab, frames) for name, frames in rows.items()}


async def _outcome(lab: Lab, frames: Sequence[bytes]) -> str:
    async with await lab.raw() as raw:
        await raw.handshake()
        await raw.send(b"".join(frames))
        while (await raw.recv_frame()).opcode == PONG:  # no answer to a message
            pass
    await lab.settled()
    return what_came(lab.trace.connection(raw.connection or 0).records)


def what_came(records: Sequence[Record]) -> str:
    """What a server that echoes made of a conversation: ``delivered``, ``closed with 1007``, or ``no answer``."""
    for record in records:
        if record.kind is Kind.FRAME and record.sender is Sender.SERVER:
            match record.first & 15:
                case 1 | 2:
                    return "delivered"
                case 8:
                    return f"closed with {record.status}"
    return "no answer"


async def send_in_pieces(lab: Lab, pieces: Sequence[str]) -> dict[str, int]:
    """Have ``websockets`` send one message given as pieces; how many frames and messages crossed, as recorded."""
    async with lab.connect() as ws:
        await ws.send(pieces)
        await ws.recv()
    await lab.settled()
    return counted(lab, lab.trace.connections[-1])


def counted(lab: Lab, connection: int) -> dict[str, int]:
    """How many data frames each end sent on a connection, and how many messages the client's frames are."""
    records = lab.trace.connection(connection).records
    data = [one.sender for one in records if one.kind is Kind.FRAME and one.first & 15 < 8]
    return {
        "frames from the client": data.count(Sender.CLIENT),
        "messages that the server's program gets": len(lab.trace.messages_of(connection, Sender.CLIENT)),
        "frames of the echo": data.count(Sender.SERVER),
    }


def when_refused(first: bytes = FIRST, last: bytes = LAST) -> dict[str, str]:
    """By library: when it refuses a message of two frames, told by its verdicts on one frame and on both."""
    early, late = judge(first).verdicts, judge(first + last).verdicts
    return {one.judge: _when(one.accepted, both.accepted) for one, both in zip(early, late, strict=True)}


def _when(first_passes: bool, both_pass: bool) -> str:
    if both_pass:
        return "never"
    return "at the last frame" if first_passes else "at the first frame"


async def endless_message(piece: bytes) -> str:
    """Send fragments and no FIN until a server ends it; its close frame in words."""
    async with Lab() as lab:
        await lab.serve()
        async with await lab.raw() as raw:
            await raw.handshake()
            quiet, opcode = len(raw.received), TEXT
            with contextlib.suppress(ConnectionError):
                while len(raw.received) == quiet and not raw.ended:
                    await raw.send(build_frame(piece, opcode=opcode, fin=False, mask=KEY))
                    opcode = CONTINUATION
                    await asyncio.sleep(0.001)
            frame = await raw.recv_frame()
            return f"CLOSE {frame.status_code}: {frame.close_reason}"


# A text in frames, as a picture.


class Fragments(Shown):
    """A text in frames, each byte beside the character that it belongs to.

    Args:
        text: a text message.
        cuts: after how many of its bytes it is cut, in order.
        judged: show what two libraries make of the frames, which a server sent.
    """

    def __init__(self, text: str, cuts: Sequence[int], *, judged: bool = False) -> None:
        data = text.encode()
        self.text, self.judged = text, judged
        self.pieces = [data[start:stop] for start, stop in pairwise([0, *cuts, len(data)])]
        last = len(self.pieces) - 1
        self.frames = [
            build_frame(piece, opcode=CONTINUATION if place else TEXT, fin=place == last)
            for place, piece in enumerate(self.pieces)
        ]

    @property
    def halves(self) -> list[int]:
        """The places of the bytes whose character lies in two frames."""
        edges = set(accumulate(len(piece) for piece in self.pieces))
        return [
            place for start, stop in _characters(self.text) for place in range(start, stop)
            if any(start < edge < stop for edge in edges)
        ]  # fmt: skip

    def _sheet(self) -> Sheet:
        frames = Table(
            (Column("frame", code=True), Column("FIN"), Column("opcode"), Column("length"), "as characters"),
            [self._row(frame, piece) for frame, piece in zip(self.frames, self.pieces, strict=True)],
        )
        return Sheet(f'"{self.text}" in {len(self.frames)} frames', [frames, self._dump(), *self._verdicts()])

    def _row(self, frame: bytes, piece: bytes) -> tuple[str, ...]:
        opcode = frame[0] & 15
        parts = re.findall(r"(?:\\x[0-9a-f]{2})+|[^\\]+", piece.decode(errors="backslashreplace"))
        shown = [f"({part[2:]})".replace("\\x", " ") if part[0] == "\\" else f'"{part}"' for part in parts]
        return frame.hex(" "), str(frame[0] >> 7), f"{opcode} {NAMES[opcode]}", str(len(piece)), " ".join(shown)

    def _dump(self) -> Dump:
        # A line of bytes for each frame; the bytes of a character that was cut are marked.
        characters = _characters(self.text)
        data, halves, lines, at = self.text.encode(), self.halves, [], 0
        for piece in self.pieces:
            line = []
            for place in range(at, at + len(piece)):
                owner = next(number for number, (start, stop) in enumerate(characters) if start <= place < stop)
                line.append(
                    Byte(
                        f"{data[place]:02x}",
                        letter(data[place]),
                        [owner],
                        place == characters[owner][0],
                        place in halves,
                        False,
                    )
                )
            at += len(piece)
            lines.append(Line(at - len(piece), line, True))
        entries = [
            Entry(character, start * 8, stop * 8, "", "", "", None, False, start in halves)
            for character, (start, stop) in zip(self.text, characters, strict=True)
        ]
        return Dump(
            "The bytes of the message, a line for each frame; a bar stands where a character begins", lines, entries
        )

    def _verdicts(self) -> list[Table]:
        if not self.judged:
            return []
        verdicts = judge(b"".join(self.frames), as_client=False).verdicts
        return [
            Table(("library", "verdict"), [(one.judge, "; ".join([one.sentence, *one.events])) for one in verdicts])
        ]


def _characters(text: str) -> list[tuple[int, int]]:
    """Where each character's bytes begin and end in UTF-8."""
    return list(pairwise(accumulate((len(character.encode()) for character in text), initial=0)))


def cut_slider(text: str, at: int = 1, *, judged: bool = False) -> Slider:
    """A slider that moves the cut through a text message of two frames; it stands first after byte ``at``."""
    data = text.encode()
    words = {cut: f"after byte {cut} of {len(data)}" for cut in range(1, len(data))}
    return Slider("The cut", {words[cut]: Fragments(text, [cut], judged=judged) for cut in words}, words[at])


# The exercise.


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _payloads(frames: Sequence[bytes]) -> list[bytes]:
    return [frame[2:] for frame in frames]


def _probe(says: Callable[[list[bytes]], object]) -> Callable[[Any], object]:
    """A test of an answer by what it makes of "née", cut inside its é."""
    return lambda answer: says(list(answer("née", [2])))


@exercise(
    points=3,
    misconception=7,
    variants=3,
    hints=[
        "Make bytes of the text first: `data = text.encode()`. The cuts count bytes.",
        "The pieces lie between these edges: `[0, *cuts, len(data)]`. `itertools.pairwise` gives them two by two.",
        "A frame is `bytes([first, len(piece)]) + piece`. `first` is FIN (0x80 or 0) plus the opcode (1 or 0).",
    ],
    foreseen=[
        (
            lambda answer: isinstance(answer("née", [2]), bytes),
            "You returned one run of bytes. Return a list with an item for each frame.",
        ),
        (
            _probe(lambda frames: not all(isinstance(frame, bytes) for frame in frames)),
            "An item of your list is no bytes.",
        ),
        (_probe(lambda frames: len(frames) < 2), "One cut makes two frames. You returned fewer."),
        (
            _probe(lambda frames: any(frame[1] & 0x80 for frame in frames)),
            "You set MASK. Only clients mask, and these frames come from a server.",
        ),
        (
            _probe(lambda frames: all(frame[0] & 15 == 1 for frame in frames)),
            "Each of your frames says TEXT. Only the first frame does; the others have opcode 0.",
        ),
        (
            _probe(lambda frames: frames[0][0] & 15 != 1),
            "Your first frame does not say that it begins a text: its opcode must be 1.",
        ),
        (
            _probe(lambda frames: any(frame[0] & 15 for frame in frames[1:])),
            "A frame after the first has another opcode than 0.",
        ),
        (
            _probe(lambda frames: all(frame[0] & 0x80 for frame in frames)),
            "Each of your frames has FIN set. FIN marks the last frame only.",
        ),
        (
            _probe(lambda frames: not any(frame[0] & 0x80 for frame in frames)),
            "No frame has FIN set, so the message never ends.",
        ),
        (_probe(lambda frames: frames[0][0] & 0x80), "Your first frame has FIN set. FIN marks the last frame only."),
        (_probe(lambda frames: b"".join(_payloads(frames)) == b"n\xc3"), "The bytes after the last cut are missing."),
        (
            _probe(lambda frames: _payloads(frames)[0] == "né".encode()),
            "You cut the text. Cut its bytes: the é has two of them.",
        ),
        (
            _probe(lambda frames: any(frame[1] != len(frame) - 2 for frame in frames)),
            "A length does not fit its payload. It counts bytes and not characters.",
        ),
    ],
)
async def fragments(answer: Any, trial: Trial) -> list[Outcome]:
    """Return the frames of a text message that a server sends, cut after the given numbers of its bytes.

    A ping is put between two of them. ``websockets`` and ``wsproto`` read what comes out, as clients.
    """
    text = " ".join(trial.words(2)) + trial.random.choice(trial.WIDE)
    data = text.encode()
    inside = [cut for cut in range(1, len(data)) if data[cut] & 0xC0 == 0x80]
    other = trial.random.sample([cut for cut in range(1, len(data)) if cut not in inside], 2)
    cuts = sorted([trial.random.choice(inside), *other])
    frames = [bytes(frame) for frame in answer(text, list(cuts))]
    sizes = [stop - start for start, stop in pairwise([0, *cuts, len(data)])]
    came = [frame.payload_length for frame in dissect(server=b"".join(frames), heads=False, extensions="").frames]
    sent = f'"{text}", cut after {_listed(cuts)}'
    outcomes = [Outcome(sent, f"payloads of {_listed(sizes)} bytes", f"of {_listed(came)} bytes", came == sizes)]
    where = trial.random.randrange(1, len(sizes))
    stream = b"".join([*frames[:where], build_frame(b"", opcode=PING), *frames[where:]])
    whole = judge(build_frame(b"", opcode=PING) + build_frame(text), as_client=False).verdicts
    for wanted, verdict in zip(whole, judge(stream, as_client=False).verdicts, strict=True):
        told = "; ".join([*verdict.events, verdict.fault]).strip("; ") or verdict.sentence
        outcomes.append(
            Outcome(f"a ping after frame {where}, to {verdict.judge}", "; ".join(wanted.events), told,
                    verdict.accepted and verdict.events == wanted.events)
        )  # fmt: skip
    return outcomes


@fragments.reference
def in_frames(text: str, cuts: list[int]) -> list[bytes]:
    """A text message in frames."""
    data = text.encode()
    frames = []
    for start, stop in pairwise([0, *cuts, len(data)]):
        fin = 0x80 if stop == len(data) else 0
        opcode = 1 if start == 0 else 0
        frames.append(bytes([fin | opcode, stop - start]) + data[start:stop])
    return frames
