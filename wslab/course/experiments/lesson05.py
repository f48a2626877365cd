"""Lesson 05, a stream has no edges: reads that do not end where frames end, and the parser that puts frames together.

Theory. TCP delivers bytes in order and keeps nothing of how they were written. Where a read ends is up to the moment.
So an experiment that shall show the same in each run has to decide when the reader reads: it does so when all is there,
or after each byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from functools import partial
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame as LibraryFrame

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing.visible import count
from ...live.lab import Lab
from ...live.raw import RawEndpoint
from ...live.relay.bends import RandomChunks
from ...protocol import build_frame
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise
from .streams import frames_sent, reads

TEXTS = ("one", "two", "three", "four", "five")
"""Five short texts; as a client's frames they are 49 bytes."""

Cut = Callable[[Sequence[bytes]], Iterable[int]]  # from the frames of a stream to the sizes of the reads


# Five texts on their way to a reader, which is a raw endpoint: it reads, and answers nothing.


async def _shaken(lab: Lab) -> tuple[RawEndpoint, Any]:
    """A reader, and a real client that has opened a connection to it."""
    reader = await lab.raw(listen=True)
    dialing = asyncio.ensure_future(_dial(lab, reader.uri))
    await reader.handshake()
    return reader, await dialing


async def _dial(lab: Lab, uri: str | None) -> Any:
    return await lab.connect(uri)


async def _part(reader: RawEndpoint, client: Any) -> None:
    """End a connection to a reader, which answers no close frame."""
    client.transport.abort()
    await client.wait_closed()
    await reader.close()


async def while_busy(lab: Lab, texts: Sequence[str] = TEXTS) -> int:
    """Have a client send texts to a reader that is busy meanwhile; the connection's number in the lab's trace."""
    reader, client = await _shaken(lab)
    for text in texts:
        await client.send(text)  # the reader has no turn before the next line
    await lab.settled()
    await _part(reader, client)
    assert reader.connection is not None
    return reader.connection


async def byte_by_byte(lab: Lab, connection: int) -> int:
    """Send the frames of a recorded connection again, each byte when the one before was read; the new connection."""
    reader = await lab.raw(listen=True)
    sender = await lab.raw(reader.uri)
    await asyncio.gather(reader.handshake(), sender.handshake())
    for byte in frames_sent(lab.trace, connection):
        await sender.send(bytes([byte]))
        await reader.recv(1)
    await asyncio.gather(reader.close(), sender.close())
    assert reader.connection is not None
    return reader.connection


def counted(trace: Trace, busy: int, bytewise: int) -> dict[str, Any]:
    """Reads and texts of two recorded connections, as cases.

    Args:
        trace: what was recorded.
        busy: the connection whose reader was busy.
        bytewise: the connection whose bytes came one at a time.
    """
    return {
        "Reads, when the reader is busy while the client sends": len(reads(trace, busy)),
        "Reads, when the same bytes come one at a time": len(reads(trace, bytewise)),
        "Texts in the bytes that came one at a time": len(trace.messages_of(bytewise, Sender.CLIENT)),
    }


# A long message, and a conversation whose bytes come one at a time.


async def long_text(lab: Lab, size: int) -> dict[str, Any]:
    """Have a client send one text of so many letters to the lab's server; how it crossed, as ``pieces`` tells it."""
    async with lab.connect() as client:
        await client.send("x" * size)
        await client.recv()
    await lab.settled()
    return pieces(lab.trace, lab.trace.connections[-1])


def pieces(trace: Trace, connection: int) -> dict[str, Any]:
    """How a client's message crossed, as cases: its frames, and whether one read was enough for them."""
    told = [record for record in trace.records if record.kind is Kind.FRAME and record.connection == connection]
    frames = [trace.frame_of(record) for record in told if record.sender is Sender.CLIENT and record.first & 0b1111 < 8]
    longest = max(reads(trace, connection), default=0)
    whole = sum(frame.header_length + frame.payload_length for frame in frames)
    return {"The frames": len(frames), "The reads": "one" if longest >= whole else "more than one"}


async def dripped(lab: Lab) -> dict[str, Any]:
    """Open a connection to the lab's server and send a text, each byte when the one before was read, as cases."""
    async with await lab.raw() as probe:  # what a client asks, as it is recorded
        await probe.handshake()
        request = bytes(probe.sent)
    async with await lab.raw() as socket:
        await _drip(lab, socket, request)
        head = await socket.recv_head()
        said = "no answer"
        if head.status == 101:
            await _drip(lab, socket, build_frame("Hello", mask=bytes(4)))
            said = (await socket.recv_frame()).data.decode()  # type: ignore[union-attr]
    return {"The answer to the request": str(head.status), "The first answer to the text": said}


async def _drip(lab: Lab, socket: RawEndpoint, data: bytes) -> None:
    for byte in data:
        await socket.send(bytes([byte]))
        await lab.settled()


def asked(frame: bytes) -> list[int]:
    """How many bytes ``websockets`` asks for, one after another, to read an unmasked frame: the payload is the last."""
    wanted: list[int] = []
    at = 0

    def read_exact(size: int) -> Generator[None, None, bytes]:
        nonlocal at
        wanted.append(size)
        at += size
        yield from ()
        return frame[at - size : at]

    for _ in LibraryFrame.parse(read_exact, mask=False):
        pass
    return wanted


def before_the_length(frames: Iterable[bytes]) -> dict[str, int]:
    """How many bytes of each frame ``websockets`` has read when it knows the payload's length, by its first two."""
    return {f"{frame[:2].hex(' ')} …": sum(asked(frame)[:-1]) for frame in frames}


# The exercise.


def _alone(frames: Sequence[bytes]) -> list[int]:
    return [1] * len(b"".join(frames))


def _together(frames: Sequence[bytes]) -> list[int]:
    return [len(b"".join(frames))]


def _two_and_a_half(frames: Sequence[bytes]) -> list[int]:
    first = len(frames[0] + frames[1]) + len(frames[2]) // 2
    return [first, len(b"".join(frames)) - first]


def _inside_the_length(within: int, frames: Sequence[bytes]) -> list[int]:
    long = max(range(len(frames)), key=lambda place: len(frames[place]))
    first = len(b"".join(frames[:long])) + within
    return [first, len(b"".join(frames)) - first]


def _told(payloads: Sequence[Any]) -> str:
    """Payloads in a few words."""
    return ", ".join(_one(payload) for payload in payloads) or "nothing"


def _one(payload: Any) -> str:
    if not isinstance(payload, bytes | bytearray):
        return repr(payload)[:20]
    if len(payload) > 20:
        return count(len(payload), "byte")
    try:
        return f'"{payload.decode()}"'
    except UnicodeDecodeError:
        return payload.hex(" ")


def _fed(parser: Any, *given: bytes) -> list[Any]:
    """What a new parser returns for the pieces, one after another."""
    one = parser()
    return [payload for piece in given for payload in one.feed(piece)]


_A, _B, _LONG = build_frame("Hello"), build_frame("wire"), build_frame("x" * 200)


@exercise(
    points=5,
    misconception=5,
    variants=2,
    hints=[
        "Keep what has not been used: `self.rest += data`. Look at `self.rest` only, and never at `data` alone.",
        "A whole frame is there when `len(self.rest)` is at least the header's length and the payload's together.",
        "If `self.rest[1]` is 126, the header has four bytes, and bytes 2 and 3 are the length: `int.from_bytes(…)`.",
        "Go on in a loop: take one payload, shorten `self.rest`, and stop when no whole frame is left.",
    ],
    foreseen=[
        (lambda p: p().feed(_A) is None, "`feed` returns nothing: return a list, an empty one if no frame is whole."),
        (lambda p: _fed(p, _A) == ["Hello"], "You gave texts: payloads are bytes."),
        (lambda p: _fed(p, _A) == [_A], "You gave the whole frame: the payload begins after the header."),
        (lambda p: _fed(p, _A + _B) == [_A[2:] + _B], "You take a read for a frame: the length says where it ends."),
        (lambda p: _fed(p, _A + _B) == [b"Hello"], "Two frames can come in one read: go on while one is whole."),
        (lambda p: _fed(p, _A[:4], _A[4:]) != [b"Hello"], "Half a frame can come: keep the rest, and wait for more."),
        (lambda p: _fed(p, _LONG) != [b"x" * 200], "126 in the second byte is no length: the next two are it."),
        (lambda p: _fed(p, _LONG[:3], _LONG[3:]) != [b"x" * 200], "You read the length before all of it has come."),
    ],
)  # fmt: skip
async def parsing(answer: Any, trial: Trial) -> list[Outcome]:
    """Write ``class Parser`` with ``feed(data)``: takes a piece of a server's stream, returns the payloads now whole.

    A real server sends five unmasked texts, each of at most 65,535 bytes. Your parser gets the stream in pieces, and
    a real client, which reads the same server, says what is right. At last a relay cuts the stream.
    """
    words = trial.words(4)
    long = "".join(trial.random.choices("abcdefgh", k=trial.random.randint(130, 250)))
    texts = [*words[:2], *trial.random.sample([*words[2:], long], 3)]
    cuts: dict[str, Cut] = {
        "all in one read": _together,
        "each byte alone": _alone,
        "two frames and a half": _two_and_a_half,
        "a cut inside the length": partial(_inside_the_length, trial.random.choice((1, 2, 3))),
    }
    outcomes = []
    frames = [build_frame(text) for text in texts]
    async with Lab(seed=trial.random.randrange(10**6), carrier="memory") as lab:
        await lab.serve(partial(_speak, texts))
        async with lab.connect() as client:
            wanted = [str(await client.recv()).encode() for _ in texts]
        for name, cut in cuts.items():
            outcomes.append(await _tried(name, lab.raw, wanted, answer(), cut(frames)))
    async with Lab(seed=1) as lab:
        await lab.serve(partial(_speak, texts))
        relay = await lab.relay(bends=[RandomChunks(trial.random.randrange(10**6), 9, direction="server", at="frames")])
        whole = len(b"".join(frames))
        outcomes.append(await _tried("as a relay cuts it", partial(lab.raw, relay.uri), wanted, answer(), whole))
    return outcomes


async def _speak(texts: Sequence[str], connection: ServerConnection) -> None:
    """Say all that there is to say, and stay."""
    for text in texts:
        await connection.send(text)
    await connection.wait_closed()


async def _tried(
    name: str,
    connect: Callable[[], Awaitable[RawEndpoint]],
    wanted: Sequence[bytes],
    parser: Any,
    sizes: Iterable[int] | int,
) -> Outcome:
    """Feed a parser with a server's stream.

    Args:
        name: of the way in which the stream is read.
        connect: how to reach the server.
        wanted: the payloads that a right parser returns.
        parser: the learner's.
        sizes: how many bytes each read takes; or how many there are, to be taken as they come.
    """
    came: list[Any] = []
    async with await connect() as socket:
        await socket.handshake()
        if isinstance(sizes, int):
            left = sizes
            while left > 0:
                data = await socket.recv()
                left -= len(data)
                came += parser.feed(data) or []
        else:
            for size in sizes:
                came += parser.feed(await socket.recv(size)) or []
    return Outcome(name, _told(wanted), _told(came), came == list(wanted))


@parsing.reference
class Parser:
    """Takes a stream in pieces, and gives the payloads that are whole."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take a piece; the payloads that are whole with it."""
        self.rest += data
        payloads = []
        while len(self.rest) >= 2:
            start, length = 2, self.rest[1]
            if length == 126:
                start, length = 4, int.from_bytes(self.rest[2:4], "big")
            if len(self.rest) < start + length:
                break
            payloads.append(self.rest[start : start + length])
            self.rest = self.rest[start + length :]
        return payloads
