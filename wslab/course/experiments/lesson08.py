"""Lesson 08, saying goodbye: who sends 1006, who reports what, six ways to leave, and a close frame of one's own.

Which codes may be sent is in ``status_codes``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...anatomy.records import is_close, ladder
from ...drawing.blocks import Block, Title, Words
from ...drawing.sheet import Sheet, Shown
from ...drawing.visible import quote
from ...live.judges.judge import judge
from ...live.lab import Lab
from ...live.raw import RawEndpoint
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise

QUIET = 0.3  # seconds in which a program is told what there is to tell
OTHER = 4001  # the code that a client closes with, to see whether it comes back


# Who sends 1006.


async def say_1006(lab: Lab) -> int | None:
    """A raw client sends a close frame that says 1006; the number of its connection."""
    async with await lab.raw() as raw:
        await raw.handshake()
        await raw.send(bytes.fromhex("88 82 00 00 00 00 03 ee"))
        await raw.recv_to_end()
    await lab.settled()
    return raw.connection


async def cut_tcp(lab: Lab) -> int:
    """A client's TCP connection is ended behind its library's back; the number of its connection."""
    client = await lab.connect()
    connection = lab.trace.connections[-1]
    client.transport.close()
    await client.wait_closed()
    await lab.settled()
    return connection


def close_of_server(trace: Trace, connection: int | None) -> str:
    """The first close frame that the server sent on a connection, with its code."""
    for record in trace.connection(connection or 0):
        if is_close(record) and record.sender is Sender.SERVER:
            return " ".join(record.summary.split()[:2])
    return "no close frame"


def sent_and_reported(trace: Trace, said: int | None, cut: int) -> dict[str, Any]:
    """What the server sent on a connection where 1006 was said, and on one that was cut, and what it reports then."""
    return {
        "the server's answer to a frame that says 1006": close_of_server(trace, said),
        "the server's close frame after the cut": close_of_server(trace, cut),
        "the code that the server's program reports after the cut": trace.closings(cut)[Sender.SERVER].code,
    }


async def who_sends_1006(lab: Lab) -> dict[str, Any]:
    """Both experiments: a client says 1006; a client's TCP connection is cut. What the server sent, and reports."""
    said, cut = await say_1006(lab), await cut_tcp(lab)
    return sent_and_reported(lab.trace, said, cut)


# Do I get back what I sent?


async def connect_to_raw(lab: Lab) -> tuple[RawEndpoint, ClientConnection]:
    """A raw server, and a client that is connected to it."""
    raw = await lab.raw(listen=True)
    client, _ = await asyncio.gather(lab.connect(raw.uri), raw.handshake())
    return raw, client


async def code_after(lab: Lab, answer: bytes) -> int | None:
    """A client closes with 4001, a raw server answers with these bytes; the code that the client reports."""
    raw, client = await connect_to_raw(lab)
    closing = asyncio.create_task(client.close(OTHER))
    await raw.recv_frame()
    await raw.send(answer)
    await raw.close()
    await closing
    return client.close_code


async def codes_after(lab: Lab, answers: Mapping[str, bytes]) -> dict[str, int | None]:
    """The code that a client reports after each of these answers to its 4001."""
    return {case: await code_after(lab, answer) for case, answer in answers.items()}


async def both_at_once() -> Lab:
    """A lab in memory, closed, in which client and server closed before either had read the other's close frame.

    One event loop runs both ends, so it is known whose turn is next: the server's handler wakes in the turn after the
    client has written its close frame, and that frame arrives after the server has written its own.
    """
    now = asyncio.Event()

    async def close_when_told(connection: ServerConnection) -> None:
        await now.wait()
        await connection.close(4002, "the server goes")

    lab = Lab(seed=8, carrier="memory")
    await lab.serve(close_when_told)
    client = await lab.connect()
    now.set()
    await client.close(OTHER, "the client goes")
    await lab.close()
    return lab


def reports_of(trace: Trace) -> dict[str, int | None]:
    """The codes that both programs report of a recording's first connection."""
    reports = trace.closings(trace.connections[0])
    return {
        "both close at once: the client reports": reports[Sender.CLIENT].code,
        "both close at once: the server reports": reports[Sender.SERVER].code,
    }


# Six ways to leave.


class Farewell(NamedTuple):
    """How a server left, what crossed, and what the client's program was told."""

    way: str
    records: Sequence[Record]
    told: str


class Farewells(Shown):
    """Several ways to leave, one below the other."""

    def __init__(self, farewells: Sequence[Farewell]) -> None:
        self.farewells = farewells

    @property
    def told(self) -> dict[str, str]:
        """By way: what the client's program was told."""
        return {one.way: one.told for one in self.farewells}

    def _sheet(self) -> Sheet:
        blocks: list[Block] = []
        for one in self.farewells:
            crossed = [ladder(one.records)] if one.records else [Words("nothing crosses")]
            blocks += [Title(one.way), *crossed, Words(f"The client's program is told: {one.told}")]
        return Sheet("Ways to leave", blocks)


async def _return(connection: ServerConnection) -> None:
    pass


async def _fail(connection: ServerConnection) -> None:
    raise LookupError("no such room")


async def _close(connection: ServerConnection) -> None:
    await connection.close(4001)


async def _silence(raw: RawEndpoint) -> None:
    pass


HANDLERS: Mapping[str, Callable[[ServerConnection], Awaitable[None]]] = {
    "its handler returns": _return,
    "its handler fails": _fail,
    "it closes with 4001": _close,
}
RAW_WAYS: Mapping[str, Callable[[RawEndpoint], Awaitable[None]]] = {
    "FIN, and no close frame": RawEndpoint.close,
    "RST": RawEndpoint.reset,
    "silence": _silence,
}


async def what_is_told(client: ClientConnection) -> str:
    """What a program is told that waits for a message: a code, and whether ``websockets`` calls it in order."""
    try:
        async with asyncio.timeout(QUIET):
            await client.recv()
    except ConnectionClosed as closed:
        return f"{client.close_code}, {'in order' if isinstance(closed, ConnectionClosedOK) else 'an error'}"
    except TimeoutError:
        return f"nothing: it is {client.state.name}"
    return "a message"


async def leave_in_all_ways(carrier: str | None = None) -> Farewells:
    """A server leaves in each of six ways, each in a lab of its own, while a client waits for a message."""
    farewells = []
    for way in (*HANDLERS, *RAW_WAYS):
        async with Lab(seed=8, carrier=carrier) as lab:
            if way in HANDLERS:
                await lab.serve(HANDLERS[way])
                client = await lab.connect()
            else:
                raw, client = await connect_to_raw(lab)
                await RAW_WAYS[way](raw)
            told = await what_is_told(client)
            if not told.startswith("nothing"):
                await client.wait_closed()
                await lab.settled()
            records = [one for one in lab.trace.connection(0) if one.kind not in (Kind.REQUEST, Kind.RESPONSE)]
            farewells.append(Farewell(way, records, told))
            if way in RAW_WAYS:
                await raw.close()  # else a client in silence waits for its peer's goodbye
    return Farewells(farewells)


# The exercise.


async def said_by_server(lab: Lab, frame: bytes) -> str:
    """A client sends this as its goodbye; the code and the reason that the server's program reports."""
    async with await lab.raw() as raw:
        await raw.handshake()
        await raw.send(frame)
        try:
            await raw.recv_to_end(timeout=QUIET)
        except TimeoutError:
            return "nothing: it waits for more bytes"
    await lab.settled()
    report = lab.trace.closings(raw.connection or 0)[Sender.SERVER]
    return f"{report.code} {quote(report.reason or '')}"


@exercise(
    points=3,
    misconception=17,
    hints=[
        "The payload is the code, in two bytes, and then the reason in UTF-8. Begin with "
        '`payload = code.to_bytes(2, "big") + reason.encode()`.',
        "The first byte has FIN (1), three reserved bits (000) and the opcode of a close frame, which is 8 (1000).",
        "The second byte is MASK (1) and the length of the whole payload: `0b1000_0000 | len(payload)`.",
        "The key stands between the second byte and the payload. XOR with zeros changes nothing.",
    ],
    foreseen=[
        (lambda f: isinstance(f(4000, "ab"), str), "Your function returned a text. A frame is bytes."),
        (lambda f: f(4000, "ab")[0] & 0xF != 8, "A close frame has the opcode 8."),
        (lambda f: not f(4000, "ab")[0] & 0x80, "FIN is 0. A control frame must not be cut in pieces."),
        (lambda f: not f(4000, "ab")[1] & 0x80, "MASK is 0. What a client sends must be masked."),
        (lambda f: f(4000, "ab")[2:4] == b"\x0f\xa0", "MASK is 1, and the key is missing after the second byte."),
        (lambda f: f(4000, "ab")[6:10] == b"4000", "The code is written in digits. It is a number of two bytes."),
        (
            lambda f: f(4000, "ab")[6:8] == b"\xa0\x0f",
            "The code's bytes are the wrong way round: the more significant one comes first.",
        ),
        (
            lambda f: f(4000, "ab")[1] & 0x7F == 2,
            "The length counts the whole payload, and the code is a part of it.",
        ),
        (lambda f: f(4000, "ab")[1] & 0x7F == 8, "The key is no part of the payload, so the length leaves it out."),
        (
            lambda f: f(4000, "şğü")[1] & 0x7F == 5,
            "You count letters. The length counts bytes, and a letter such as ş takes two.",
        ),
    ],
)
async def goodbye_frame(answer: Any, trial: Trial) -> list[Outcome]:
    """Return the bytes of a client's close frame with this code and reason, masked with a key of four zeros.

    A real server must report the code and the reason, and a second library must read them.
    """
    outcomes = []
    async with Lab(carrier="memory") as lab:
        await lab.serve()
        for reason in trial.words(2):
            code = trial.random.randrange(4000, 5000)
            wanted = f"{code} {quote(reason)}"
            made = answer(code, reason)
            if not isinstance(made, bytes | bytearray):
                outcomes.append(Outcome(wanted, wanted, f"a {type(made).__name__} and no bytes", False))
                continue
            reported = await said_by_server(lab, bytes(made))
            read = judge(made, handshake=False).wsproto
            right = read.accepted and list(read.events) == [f"close {wanted}"]
            second = wanted if right else ", ".join([*read.events, read.sentence])
            came = reported if reported == second else f"websockets: {reported}; wsproto: {second}"
            outcomes.append(Outcome(made.hex(" "), wanted, came, came == wanted))
    return outcomes


@goodbye_frame.reference
def goodbye(code: int, reason: str) -> bytes:
    """Return the bytes of a client's close frame, masked with a key of four zeros."""
    payload = code.to_bytes(2, "big") + reason.encode()
    return bytes([0b1000_1000, 0b1000_0000 | len(payload)]) + bytes(4) + payload
