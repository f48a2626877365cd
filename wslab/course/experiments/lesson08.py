"""Lesson 08, saying goodbye: who may send which code, who reports what, six ways to leave, a close frame by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...anatomy.records import is_close, ladder
from ...drawing import pen, style
from ...drawing.blocks import Block, Table, Title, Words
from ...drawing.sheet import Sheet, Shown
from ...drawing.visible import quote
from ...live.judges.judge import judge
from ...live.lab import Lab
from ...live.raw import RawEndpoint
from ...protocol import build_close
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise

KEY = bytes(4)  # a masking key that leaves the payload as it is: for lessons only
QUIET = 0.3  # seconds in which a program is told what there is to tell
LAST = 5000  # the line of codes ends here
OTHER = 4001  # the code that a client closes with, to see whether it comes back


# Which codes may be sent.


def word(data: bytes, who: str) -> str:
    """What one judge makes of a client's frame: "accepted", that it waits, or the status code of its refusal."""
    verdict = next(one for one in judge(data, handshake=False).verdicts if one.judge == who)
    return str(verdict.code) if not verdict.accepted else "accepted" if verdict.events else "waits"


def accepted_by(code: int) -> tuple[str, ...]:
    """Which judges accept a close frame with this code."""
    frame = build_close(code, mask=KEY)
    return tuple(verdict.judge for verdict in judge(frame, handshake=False).verdicts if verdict.accepted)


def may_carry(codes: Iterable[str]) -> dict[str, str]:
    """For each code: whether both judges accept a close frame that carries it."""
    return {code: "yes" if len(accepted_by(int(code))) == 2 else "no" for code in codes}


class Codes(NamedTuple):
    """A run of status codes that are treated alike."""

    first: int
    last: int
    judges: tuple[str, ...]  # those that accept it
    page: bool  # whether a page's close() takes it

    @property
    def name(self) -> str:
        """The codes, in digits."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def who(self) -> str:
        """Who may send it, in words."""
        if not self.judges:
            return "nobody"
        if len(self.judges) == 1:
            return f"only {self.judges[0]} takes it"
        return "endpoints, and pages" if self.page else "endpoints"


MEANINGS = {
    999: "not used",
    1000: "normal: what the connection was for is done",
    1003: "going away, protocol error, a kind of data that is not accepted",
    1006: "1004 has no meaning; 1005 and 1006 are what programs report where no code, or no close frame, came",
    1013: "wrong data, policy, too big, extension missing, unexpected; 1012 and 1013 are from the registry",
    1014: "bad gateway: in the registry, and later than some libraries",
    2999: "1015 is what programs report where TLS failed; the rest is reserved",
    4999: "3000 to 3999 are for libraries, and registered; 4000 to 4999 are yours",
    LAST: "outside",
}  # by the last code of a run: what the codes up to it are (RFC 6455 7.4)


class CodeLine(Shown):
    """The codes from 0 to 5000 as a line: who may send which. Every code was put to both judges."""

    def __init__(self) -> None:
        # What a page may say is the browsers' rule (WHATWG WebSockets); lesson 09 tries it.
        asked = [(code, accepted_by(code), code == 1000 or 3000 <= code <= 4999) for code in range(LAST + 1)]
        self.runs = [
            Codes(codes[0][0], codes[-1][0], *treated)
            for treated, codes in ((key, list(some)) for key, some in groupby(asked, lambda one: one[1:]))
        ]

    def _sheet(self) -> Sheet:
        rows = [
            (run.name, run.who, next(said for last, said in MEANINGS.items() if run.last <= last)) for run in self.runs
        ]
        title = "Status codes of a close frame: who may send which"
        return Sheet(title, [Table(("codes", "may be sent by", "what they are"), rows, title, row_heading=0)])

    def _repr_html_(self) -> str:
        return self.svg() + self._sheet().html()

    def svg(self) -> str:
        """The line, and below it the codes from 1000 to 1015, as a picture."""
        parts = [*self._strip(0, LAST + 1, 40, (0, 1000, 2000, 3000, 4000, 5000))]
        parts += self._strip(1000, 1016, 130, range(1000, 1016))
        x = 0.0
        for said in ("endpoints, and pages", "endpoints", "only websockets takes it", "nobody"):
            parts.append(pen.rect(x, 178, 14, 14, _look(said)) + pen.text(x + 20, 190, said))
            x += 40 + pen.text_width(said)
        described = "; ".join(f"{run.name}: {run.who}" for run in self.runs)
        return style.themed(
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{pen.WIDTH}" height="206" '
            f'viewBox="0 0 {pen.WIDTH} 206" font-family="{pen.SANS}"><title>Status codes</title>'
            f"<desc>{described}</desc>{''.join(parts)}</svg>"
        )

    def _strip(self, first: int, stop: int, y: float, named: Iterable[int]) -> list[str]:
        scale = pen.WIDTH / (stop - first)
        parts = [pen.text(0, y - 22, f"{first} to {stop - 1}", weight=700)]
        for run in self.runs:
            start, end = max(run.first, first), min(run.last + 1, stop)
            if start < end:
                parts.append(pen.rect((start - first) * scale, y, (end - start) * scale, 22, _look(run.who)))
        for code in named:
            middle = scale / 2 if stop - first < 100 else 0
            x = min((code - first) * scale + middle, pen.WIDTH - 14)
            parts.append(pen.text(max(x, 14), y - 5, str(code), size=10, anchor="middle", ink=style.SOFT))
        return parts


def _look(who: str) -> str:
    """How a run is drawn: filled, hollow or red, so that colour alone tells nothing."""
    fill, stroke = {
        "endpoints, and pages": (style.LANE_INKS[0], style.LANE_INKS[0]),
        "endpoints": (style.TINT2, style.LANE_INKS[0]),
        "nobody": (style.PAPER, style.RED),
    }.get(who, (style.TINT2, style.RED))
    return f'fill="{fill}" stroke="{stroke}" stroke-width="1"'


def code_line() -> CodeLine:
    """The codes from 0 to 5000, each put to both judges."""
    return CodeLine()


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


# Break it.


class TwoOpinions(Shown):
    """What both judges make of several frames of a client."""

    def __init__(self, frames: Mapping[str, bytes]) -> None:
        self.words = {case: (word(data, "websockets"), word(data, "wsproto")) for case, data in frames.items()}

    def _sheet(self) -> Sheet:
        rows = [(case, *words) for case, words in self.words.items()]
        title = "What two libraries make of it"
        return Sheet(title, [Table(("a client's close frame", "websockets", "wsproto"), rows, title, row_heading=0)])


def two_opinions(frames: Mapping[str, bytes]) -> TwoOpinions:
    """What both judges make of each frame: "accepted", or the code of the refusal."""
    return TwoOpinions(frames)


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
        (lambda f: f(4000, "ab")[2:4] == b"\x0f\xa0", "MASK is 1, and the key is missing behind the second byte."),
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
            "You count letters. The length counts bytes, and ş takes two.",
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
