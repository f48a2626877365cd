"""Lesson 02, the opening handshake: its experiments, the figure of the riddle, and its exercises."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any

from websockets.exceptions import InvalidHandshake

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing.blocks import Stack, Table
from ...drawing.sheet import Sheet, Shown
from ...live.judges.attempt import attempt, written
from ...live.judges.judge import Judgement, judge
from ...live.lab import Lab
from ...panels.handshake_workbench.experiments import EXPERIMENTS
from ...protocol import Frame, build_request, build_response, parse_frame, parse_head
from ...protocol.handshake import GUID, SAMPLE_KEY, AcceptSteps
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise

GOOD = build_request("/chat").decode().replace("\r\n", "\n").rstrip("\n")
"""A request as it should be, a line for each line."""
PAGE = b"GET /index HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html, text/plain\r\n\r\n"
"""A request for a page. With its first two letters read as a frame's header, it makes one frame."""
BROKEN = """\
POST /chat HTTP/1.0
Host: 127.0.0.1
Upgrade: web-socket
Connection: close
Sec-WebSocket-Key: aGVsbG8=
Sec-WebSocket-Version: 8"""
"""A request with six faults, in five lines."""
CHANGES = tuple(one.title for one in EXPERIMENTS.values())
"""What the workbench changes in a request."""
_YES = {True: "yes", False: "no"}


def named(status: int | None) -> str:
    """A status with its name, such as ``403 Forbidden``."""
    return "no answer" if status is None else f"{status} {HTTPStatus(status).phrase}"


async def ask(lab: Lab, request: str) -> str:
    """The status with which the lab's server answers a request, sent byte for byte over a TCP connection of its own.

    Args:
        lab: whose server is asked.
        request: a line for each line; the line ends and the empty line of HTTP are added.
    """
    return named((await attempt(lab.raw, written(request))).status)


async def statuses(lab: Lab, changes: Iterable[str]) -> dict[str, str]:
    """By the workbench's title of a change, the status with which the lab's server answers the changed request."""
    return {title: named((await attempt(lab.raw, changed(title))).status) for title in changes}


def changed(title: str) -> bytes:
    """The bytes of a request with the change that the workbench calls so."""
    by_title = {one.title: one for one in EXPERIMENTS.values()}
    return written(by_title[title].apply(GOOD))


def judged(changes: Iterable[str]) -> dict[str, str]:
    """By title of a change: what websockets and wsproto make of the request, in words."""
    return {title: agreement(judge(changed(title))) for title in changes}


def agreement(judgement: Judgement) -> str:
    """Whether two judges accept or refuse, in words."""
    accepted = {verdict.accepted for verdict in judgement.verdicts}
    return "they differ" if len(accepted) > 1 else "both accept" if accepted == {True} else "both refuse"


class BothJudges(Shown):
    """Each change of a request before websockets and wsproto: a table of their statuses."""

    def __init__(self, changes: Iterable[str]) -> None:
        verdicts = {title: judge(changed(title)).verdicts for title in changes}
        self.statuses = {title: tuple(one.status for one in both) for title, both in verdicts.items()}

    def _sheet(self) -> Sheet:
        rows = [(title, *map(str, both)) for title, both in self.statuses.items()]
        return Sheet("Two judges", [Table(("change", "websockets", "wsproto"), rows, row_heading=0)])


async def hosts(lab: Lab, cases: Iterable[str]) -> dict[str, str]:
    """By case, such as ``Host: localhost``, the status for a request with this Host; also none, and two."""
    lines = {"no Host": "", "two Hosts": "Host: 127.0.0.1\nHost: evil.example\n"}
    requests = {case: GOOD.replace("Host: 127.0.0.1\n", lines.get(case, f"{case}\n")) for case in cases}
    return {case: await ask(lab, request) for case, request in requests.items()}


def where_it_stands(trace: Trace, secret: str) -> tuple[str, str]:
    """Whether a text stands in the bytes that the last connection's client sent, and in what a lab shows of them."""
    number = trace.connections[-1]
    handshake = trace.handshake(number)
    views = [repr(handshake), handshake._repr_html_(), repr(trace), trace._repr_html_()]
    crossed = secret.encode() in trace.bytes_sent(number, Sender.CLIENT)
    return _YES[crossed], _YES[any(secret in view for view in views)]


class Riddle(Shown):
    """How a server comes from the key in a request to the accept value in its response: one figure.

    Args:
        trace: where the handshake was recorded.
        connection: its number; the last one's if None.
    """

    def __init__(self, trace: Trace, connection: int | None = None) -> None:
        number = trace.connections[-1] if connection is None else connection
        self.steps = AcceptSteps(header(trace, number, Sender.CLIENT, "Sec-WebSocket-Key"))
        self.answered = header(trace, number, Sender.SERVER, "Sec-WebSocket-Accept")

    def _sheet(self) -> Sheet:
        steps = self.steps
        rows = [
            ("the client's key", steps.key, "16 bytes, in base64"),
            ("the GUID", GUID, "a fixed text"),
            ("both, joined", steps.joined, ""),
            ("SHA-1 of that", steps.digest.hex(" "), "20 bytes"),
            ("in base64", steps.accept, "28 characters"),
            ("the server said", self.answered, "equal" if self.answered == steps.accept else "not equal"),
        ]
        title = "From the key to the accept value"
        return Sheet(title, [Stack(title, rows)])


def header(trace: Trace, connection: int, sender: Sender, name: str) -> str:
    """What a header of one connection's opening handshake says."""
    handshake = trace.handshake(connection)
    head = handshake.request if sender is Sender.CLIENT else handshake.response
    if head is None:
        raise LookupError(f"connection {connection} has no such half of a handshake: {sender.label}")
    return str(head[name].value)


async def impostor(lab: Lab, answer: Callable[[str], bytes]) -> str:
    """Be a server that answers one request with ``answer(key)``: what a real client makes of it, in a word."""
    return "refused" if await refusal(lab, answer) else "open"


async def refusal(lab: Lab, answer: Callable[[str], bytes], key: str | None = None) -> str:
    """The words with which a real client refuses ``answer(key)``; empty where it opens the connection."""
    socket = await lab.raw(listen=True)
    dialing = asyncio.ensure_future(lab.connect(socket.uri, key=key))
    try:
        request = await socket.recv_head()
        await socket.send(answer(request.get("Sec-WebSocket-Key")[0]))
        await dialing
    except InvalidHandshake as error:
        return str(error)
    finally:
        await socket.close()
        if not dialing.done():  # the answer could not be made
            await asyncio.gather(dialing, return_exceptions=True)
    return ""


async def two_keys(lab: Lab) -> str:
    """Have one client connect twice: whether both requests have the same key, in a word."""
    for _ in range(2):
        async with lab.connect():
            pass
    return same_key(lab.trace, *lab.trace.connections[-2:])


def same_key(trace: Trace, *connections: int) -> str:
    """Whether the requests of these connections have one and the same key, in a word."""
    keys = {header(trace, number, Sender.CLIENT, "Sec-WebSocket-Key") for number in connections}
    return "equal" if len(keys) == 1 else "different"


async def answer_after_101(lab: Lab, data: bytes) -> str:
    """Open a WebSocket to the lab's server and send bytes on it as they are: what comes back, in a few words."""
    async with await lab.raw() as socket:
        await socket.handshake()
        await socket.send(data)
        return in_words(await socket.recv_until_quiet())


def in_words(came: bytes) -> str:
    """What a peer said, in a few words: ``HTTP 404``, ``CLOSE 1002``, ``nothing``."""
    if not came:
        return "nothing"
    if came.startswith(b"HTTP/"):
        return f"HTTP {parse_head(came, Sender.SERVER).status}"
    frame = parse_frame(came, sender=Sender.SERVER)
    return f"{frame.opcode_name} {frame.status_code or ''}".strip()


def first_frame(trace: Trace, sender: Sender = Sender.CLIENT) -> Frame:
    """The first frame that an end of the last connection sent."""
    records = trace.connection(trace.connections[-1])
    numbers = [one.number for one in records if one.kind is Kind.FRAME and one.sender is sender]
    return trace.frame(numbers[0])


def _right(key: str) -> str:
    return AcceptSteps(key).accept


def _of(data: bytes) -> str:
    return base64.b64encode(data).decode()


@exercise(
    points=3,
    misconception=9,
    variants=2,
    hints=[
        "You join two texts first: the key as it stands in the request, and the GUID after it.",
        "hashlib.sha1(text.encode()).digest() gives 20 bytes, and base64.b64encode(those bytes) writes them in base64.",
        "b64encode returns bytes. A header holds text: .decode() makes text of them.",
    ],
    foreseen=[
        (lambda f: f(SAMPLE_KEY) is None, "Your function returns None: its last line needs `return`."),
        (
            lambda f: isinstance(f(SAMPLE_KEY), bytes),
            "Your function returns bytes; a header holds text, and `.decode()` makes text of bytes.",
        ),
        (
            lambda f: f(SAMPLE_KEY) == f("AAAAAAAAAAAAAAAAAAAAAA=="),
            "Your answer is the same for every key: that is a replay, and a client refuses it.",
        ),
        (
            lambda f: f(SAMPLE_KEY) == _of(hashlib.sha1(base64.b64decode(SAMPLE_KEY) + GUID.encode()).digest()),
            "You decode the key first; the server takes its 24 characters as they stand.",
        ),
        (
            lambda f: f(SAMPLE_KEY) == hashlib.sha1((SAMPLE_KEY + GUID).encode()).hexdigest(),
            "Your answer is the digest in hex digits; the header carries its 20 bytes in base64.",
        ),
        (
            lambda f: f(SAMPLE_KEY) == _of(hashlib.sha1((SAMPLE_KEY + GUID).encode()).hexdigest().encode()),
            "You write the hex digits in base64; take the 20 bytes, which `digest()` gives and `hexdigest()` does not.",
        ),
        (
            lambda f: f(SAMPLE_KEY) == _of(hashlib.sha1((GUID + SAMPLE_KEY).encode()).digest()),
            "You put the GUID in front of the key; it stands after it.",
        ),
        (
            lambda f: f(SAMPLE_KEY) == _of(hashlib.sha1(SAMPLE_KEY.encode()).digest()),
            "You left the GUID out: any program could do that by accident.",
        ),
    ],
)
async def accept_value(answer: Any, trial: Trial) -> Sequence[Outcome]:
    """Return the accept value for a key. Two real clients, websockets and wsproto, each with a new key, judge it."""
    outcomes = []
    async with Lab(carrier="memory") as lab:
        key = base64.b64encode(trial.random.randbytes(16)).decode()
        said = answer(key)
        response = build_response(key, {"Sec-WebSocket-Accept": str(said)})
        refused = await refusal(lab, lambda _: response, key)
        outcomes.append(Outcome(f"{said}", f"websockets opens, its key is {key}", refused or "it opens", not refused))
    judged = judge(response, as_client=False, key=key).wsproto
    opens = judged.accepted and bool(judged.events)
    came = "it opens" if opens else judged.fault or judged.sentence
    outcomes.append(Outcome(f"{said}", f"wsproto opens, its key is {key}", came, opens))
    return outcomes


@accept_value.reference
def _accept_value(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def _says(f: Callable[[], str], line: str) -> bool:
    return line.lower() in [one.strip().lower() for one in f().splitlines()]


def _first(f: Callable[[], str], part: str) -> bool:
    return part in f().strip().partition("\n")[0]


@exercise(
    points=2,
    variants=1,
    hints=[
        "There are six faults, in five lines. Only Host is as it should be.",
        "How long is the key when it is decoded? len(base64.b64decode('aGVsbG8=')) tells. It has to be 16 bytes.",
        "base64.b64encode(bytes(16)).decode() makes a key that will do here. A real client draws one at random.",
    ],
    foreseen=[
        (lambda f: _first(f, "POST"), "The method is still POST."),
        (lambda f: _first(f, "HTTP/1.0"), "The version of HTTP is still 1.0."),
        (lambda f: _says(f, "Upgrade: web-socket"), "The protocol to change to is called `websocket`, without a dash."),
        (lambda f: _says(f, "Connection: close"), "`Connection` has to name the header that is meant for the server."),
        (lambda f: _says(f, "Sec-WebSocket-Key: aGVsbG8="), "The key still stands for five bytes."),
        (lambda f: _says(f, "Sec-WebSocket-Version: 8"), "Version 8 was a draft; RFC 6455 has another number."),
    ],
)
async def repaired_request(answer: Any, trial: Trial) -> Sequence[Outcome]:
    """Return the request without its six faults. The lab's server and two libraries read it, and each answers 101."""
    text = str(answer())
    data = written(text)
    outcomes = [
        Outcome(
            text.partition("\n")[0],
            f"{one.judge} answers 101",
            f"{one.status}: {one.fault}".rstrip(": "),
            one.status == 101,
        )
        for one in judge(data).verdicts
    ]
    async with Lab(carrier="memory") as lab:
        await lab.serve()
        said = await ask(lab, text)
    return [*outcomes, Outcome(text.partition("\n")[0], "the lab's server answers 101", said, said == named(101))]


@repaired_request.reference
def _repaired_request() -> str:
    return GOOD
