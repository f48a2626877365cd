"""Lesson 04, masks: a cache that a page tries to poison, a listener on the wire, and the exercises.

Theory. A page decides what its messages say, and a browser sends them. If the bytes on the wire were the page's own
bytes, a page could write an HTTP request that a proxy on the way takes for a real one. The cast here is real and runs
on loopback: a caching proxy that knows no WebSocket, the attacker's server, which is a raw endpoint and keeps to no
rule, the server of the victim, and a visitor who asks for one script.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from ...anatomy.field import Sender
from ...live.judges.judge import Judgement
from ...live.lab import Lab
from ...protocol import Frame, build_frame, parse_frame
from ...protocol.words import BINARY, apply_mask
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise
from .strips import Stretch, Strip, Strips

REQUEST = b"GET /script.js HTTP/1.1\r\nHost: victim.example\r\n\r\n"
"""What an ordinary visitor asks for."""
CASES = ("no mask", "a random key", "a key that the page can foresee")

_ADDRESS = "127.0.0.1"
_ATTACKER, _VICTIM = "attacker.example", "victim.example"
_SCRIPTS = {_ATTACKER: b"the attacker's script", _VICTIM: b"the victim's script"}
_REQUEST = re.compile(rb"GET (\S+) HTTP/1\.1\r\n(?:[^\r\n]+\r\n)*?Host: ([^\r\n]+)\r\n(?:[^\r\n]+\r\n)*\r\n")
_RESPONSE = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
_LENGTH = re.compile(rb"Content-Length: (\d+)")

Page = tuple[str, str]  # a host and a path
Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes) -> bytes:
    """An HTTP response that a cache may keep."""
    return b"HTTP/1.1 200 OK\r\nCache-Control: public\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class CachingProxy:
    """A proxy that knows HTTP and no WebSocket.

    It hands every byte on. Where it sees a request it goes by the Host line, and it keeps the answer for the next who
    asks for the same page.

    Args:
        ports: where the servers are, by host.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.cache: dict[Page, bytes] = {}
        self._ports = ports

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Stand between one client and the server that its first request names."""
        asked: list[Page] = []
        seen, waiting = b"", b""
        server: asyncio.StreamWriter | None = None
        back: asyncio.Task[None] | None = None
        try:
            while data := await reader.read(65536):
                seen, waiting = seen + data, waiting + data
                while found := _REQUEST.search(seen):
                    page, seen = (found[2].decode(), found[1].decode()), seen[found.end() :]
                    if page in self.cache:
                        writer.write(answer(self.cache[page]))
                        waiting = b""
                        continue
                    asked.append(page)
                    if server is None:
                        answers, server = await asyncio.open_connection(_ADDRESS, self._ports[page[0]])
                        back = asyncio.ensure_future(self._answers(answers, writer, asked))
                if server is not None:
                    server.write(waiting)
                    waiting = b""
        finally:
            if server is not None and back is not None:
                server.close()
                await back

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[Page]) -> None:
        """Hand the server's bytes on, and keep the answers to what was ``asked``."""
        seen = b""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                seen += data
                while asked and (found := _RESPONSE.search(seen)):
                    length = _LENGTH.search(found[2])
                    end = found.end() + int(length[1] if length else 0)
                    if len(seen) < end:
                        break
                    page = asked.pop(0)
                    if found[1] == b"200":
                        self.cache[page] = seen[found.end() : end]
                    seen = seen[end:]
                seen = seen if asked else b""
                writer.write(data)


@contextlib.asynccontextmanager
async def _listening(serve: Streams) -> AsyncIterator[int]:
    """Have ``serve`` called for each connection to a port; the port. At the end, all have ended."""
    serving: list[asyncio.Task[Any]] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(accept, _ADDRESS, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if serving:
            await asyncio.wait(serving)


async def _give(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a server with one page."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(answer(body))


async def ask(port: int) -> str:
    """Be a visitor: ask for the script at a port; the script that comes."""
    reader, writer = await asyncio.open_connection(_ADDRESS, port)
    try:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length is not None
        return (await reader.readexactly(int(length[1]))).decode()
    finally:
        writer.close()
        await writer.wait_closed()


class Visit(NamedTuple):
    """What a page put on the wire, and what the next visitor got."""

    frame: bytes
    got: str


async def visit(lab: Lab, frame: bytes) -> Visit:
    """Send a frame through a fresh caching proxy to the attacker's server; then a visitor asks the proxy for a script.

    Args:
        lab: it records both ends of the attack.
        frame: what the attacker's page has its browser send.
    """
    async with contextlib.AsyncExitStack() as stack:
        victim = await stack.enter_async_context(_listening(partial(_give, _SCRIPTS[_VICTIM])))
        server = await stack.enter_async_context(await lab.raw(listen=True))
        attacker = int((server.uri or "").rpartition(":")[2].strip("/"))
        proxy = CachingProxy({_ATTACKER: attacker, _VICTIM: victim})
        port = await stack.enter_async_context(_listening(proxy.serve))
        page = await stack.enter_async_context(await lab.raw(f"ws://{_ADDRESS}:{port}/chat"))
        shaking = asyncio.ensure_future(server.handshake())
        await page.handshake("/chat", {"Host": _ATTACKER})
        await shaking
        await page.send(frame)
        await server.recv_frame()
        reply = answer(_SCRIPTS[_ATTACKER])
        await server.send(reply)  # whatever came: it looks like the answer to a request
        await page.recv(len(reply))
        return Visit(frame, await ask(port))


def xor(data: bytes, other: bytes) -> bytes:
    """Each byte of ``data`` XOR its byte of ``other``, as far as both reach."""
    return bytes(one ^ two for one, two in zip(data, other, strict=False))


async def three_visits(lab: Lab) -> dict[str, Visit]:
    """The attack three times, by the cases' names, with keys that the lab's seed fixes. The lab records it."""
    draw = random.Random(f"{lab.seed!r} masks") if lab.seed is not None else random.SystemRandom()
    drawn, foreseen = draw.randbytes(4), draw.randbytes(4)
    frames = (
        build_frame(REQUEST, opcode=BINARY),
        build_frame(REQUEST, opcode=BINARY, mask=drawn),
        build_frame(apply_mask(REQUEST, foreseen), opcode=BINARY, mask=foreseen),
    )
    return {case: await visit(lab, frame) for case, frame in zip(CASES, frames, strict=True)}


def bars(visits: Mapping[str, Visit]) -> Strips:
    """The bytes that the proxy read, a bar for each case, with the request that it found in them."""
    return Strips("What the proxy reads", [_bar(case, one) for case, one in visits.items()])


def _bar(case: str, visit: Visit) -> Strip:
    header = parse_frame(visit.frame).header_length
    runs = [Stretch("header", 0, 2)] + [Stretch("key", 2, header)] * (header > 2)
    if found := _REQUEST.search(visit.frame):
        runs.append(Stretch("a request for victim.example", found.start(), found.end(), strong=True))
    else:
        runs.append(Stretch("bytes that are no request", header, len(visit.frame)))
    return Strip(case, visit.frame, runs, said=f"the next visitor gets: {visit.got}")


class Heard(NamedTuple):
    """What an eavesdropper took from one frame."""

    key: bytes
    text: str


def eavesdrop(trace: Trace) -> list[Heard]:
    """What somebody on the wire reads in the last client's masked frames, by nothing but the bytes that cross."""
    stream = trace.bytes_sent(trace.connections[-1], Sender.CLIENT).partition(b"\r\n\r\n")[2]
    heard = []
    while stream:
        frame = parse_frame(stream)
        stop = frame.header_length + frame.payload_length
        key, payload = frame.masking_key or bytes(4), stream[frame.header_length : stop]
        if frame.opcode < 8:  # a message, and not a close frame
            heard.append(Heard(key, apply_mask(payload, key).decode("utf-8", "replace")))
        stream = stream[stop:]
    return heard


def listener(heard: Sequence[Heard], sent: Sequence[str]) -> dict[str, Any]:
    """The eavesdropper's success as cases: whether the texts that were sent are those that were heard, and the keys."""
    read = [one.text for one in heard] == list(sent)
    return {
        "Can a listener read the three texts?": "yes" if read else "no",
        "How many masking keys cross?": len({one.key for one in heard}),
    }


def arithmetic(frame: Frame, text: str, place: int = 4) -> dict[str, Any]:
    """What masking did to a recorded frame, as cases.

    Args:
        frame: as it was recorded.
        text: what it says.
        place: which byte of the text is looked at, from 0.
    """
    key, masked, plain = frame.masking_key or b"", frame.payload or b"", text.encode()
    met = [number for number, byte in enumerate(key) if masked[place] == plain[place] ^ byte]
    names = ("the first", "the second", "the third", "the fourth")
    again = apply_mask(masked, key) if key else masked
    return {
        "Byte 69 meets byte f0 of the key": masked[1:2],
        "The fifth byte meets a byte of the key": names[met[0]] if met else "none",
        "The same key is used on the result": "the text" if key and again == plain else "other bytes",
    }


def zeros(judgement: Judgement) -> dict[str, Any]:
    """What the judges say of a frame, and how many letters of it can be read on the wire, as cases."""
    said = {verdict.judge: "accepts it" if verdict.accepted else "refuses it" for verdict in judgement.verdicts}
    return {**said, "Letters that can be read": sum(chr(byte).isalpha() for byte in judgement.data[2:] if byte < 0x80)}


def sent(trace: Trace, number: int = 1) -> list[Frame]:
    """The last frames of messages that a client sent, so many of them, as they were recorded."""
    return [frame for frame in trace.frames if frame.sender is Sender.CLIENT and frame.message is not None][-number:]


# The exercises. Foreseen mistakes are tried with a key and a text whose XOR are letters in every case.
_KEY = b"\x01\x02\x03\x04"
_TEXT = "Hello!"
_FRAME = build_frame(_TEXT, mask=_KEY)
_WIDE = "é日"
_WIDE_FRAME = build_frame(_WIDE, mask=_KEY)
_STOPS = "It ends after four bytes, where the key ends: `xor` and `zip` stop there. Begin the key again."
_WRONG_BYTE = "You begin at the wrong byte of the key: byte 0 of the payload meets byte 0 of the key."
_TURNED = _KEY[2:] + _KEY[:2]  # who counts from the frame's first byte begins here


@exercise(
    points=3,
    misconception=2,
    variants=2,
    hints=[
        "Byte 1 holds the MASK bit and the length. The key is `frame[2:6]`, and the masked text begins after it.",
        "Byte `i` of the payload meets byte `i % 4` of the key. XOR is written `^`.",
        "The result of `bytes(...)` is no text yet: `.decode()` makes it one.",
    ],
    foreseen=[
        (lambda f: f(_FRAME) == _TEXT.encode(), "You gave bytes: a text message is UTF-8, so `.decode()` them."),
        (lambda f: f(_FRAME) == _TEXT[:4], _STOPS),
        (lambda f: f(_FRAME) == apply_mask(_FRAME[6:], _TURNED).decode(), _WRONG_BYTE),
        (lambda f: f(_FRAME) == _FRAME[6:].decode(), "You gave the masked bytes: XOR each with its byte of the key."),
        (
            lambda f: f(_FRAME) == _TEXT and f(_WIDE_FRAME) == _WIDE.encode().decode("latin-1"),
            "You make a letter of each byte. A letter may take several: put the bytes together, then `.decode()`.",
        ),
        (
            lambda f: f(_FRAME) != _TEXT and f(_FRAME).endswith(_TEXT),
            "Something stands before the text: it begins after the key, at byte 6.",
        ),
    ],
)
async def unmasking(answer: Any, trial: Trial) -> list[Outcome]:
    """Write ``unmask(frame)``: the text of a masked text frame of at most 125 bytes.

    A client sends a word to a server, and your function gets the bytes of its frame. A second client sends what you
    read to the same server, which closes with 4000 for the right word and with 4001 for any other.
    """
    words = trial.words(3)
    outcomes = []
    async with Lab(seed=trial.random.randrange(10**6), carrier="memory") as lab:
        for word in words:
            await lab.serve(partial(_door, word))
            await _knock(lab, word)
            frame = [frame for frame in lab.trace.frames if frame.message is not None][-1].raw or b""
            read = answer(frame)
            code = await _knock(lab, read)
            outcomes.append(Outcome(frame.hex(" "), "4000", f"{code}, for {read!r}"[:80], code == 4000))
    return outcomes


async def _door(word: str, connection: ServerConnection) -> None:
    """Close with 4000 for who says that word, and with 4001 for who says anything else."""
    await connection.close(4000 if await connection.recv() == word else 4001)


async def _knock(lab: Lab, said: Any) -> int | None:
    """Say something to the lab's server; the code with which it closes, None where nothing can be said."""
    if not isinstance(said, str | bytes):
        return None
    async with lab.connect() as client:
        with contextlib.suppress(ConnectionClosed):
            await client.send(said)
            await client.recv()
        return client.close_code


@exercise(
    points=3,
    misconception=2,
    variants=2,
    hints=[
        "The browser XORs your payload with the key. The proxy has to read `REQUEST` after that.",
        "XOR undoes itself: which payload XOR key is `REQUEST`?",
        "It is `REQUEST` XOR the key, byte `i` with byte `i % 4` of the key, to its last byte.",
    ],
    foreseen=[
        (lambda f: isinstance(f(_KEY), str), "You gave a text: the payload has to be bytes."),
        (lambda f: f(_KEY) == REQUEST, "You send the request as it is, and the browser masks it."),
        (lambda f: f(_KEY) == apply_mask(REQUEST, _KEY)[:4], _STOPS),
        (lambda f: f(_KEY) in [apply_mask(REQUEST, _KEY[n:] + _KEY[:n]) for n in (1, 2, 3)], _WRONG_BYTE),
        (lambda f: len(f(_KEY)) > len(REQUEST), "Your payload is too long: give the payload, without header and key."),
    ],
)
async def poisoning(answer: Any, trial: Trial) -> list[Outcome]:
    """Write ``payload(key)``: what a page has to send so that ``REQUEST`` stands on the wire.

    You are the attacker, and you know the masking key that the browser will use next. The browser masks your payload
    with it. The next visitor of the proxy tells what came of it.
    """
    key = trial.random.randbytes(4)
    sent = answer(key)
    wanted = _SCRIPTS[_ATTACKER].decode()
    if not isinstance(sent, bytes | bytearray):
        return [Outcome(repr(sent)[:60], wanted, f"no bytes, but {type(sent).__name__}", False)]
    async with Lab() as lab:
        got = (await visit(lab, build_frame(bytes(sent), opcode=BINARY, mask=key))).got
    return [Outcome(f"key {key.hex(' ')}, {len(sent)} bytes", wanted, got, got == wanted)]


@unmasking.reference
def unmask(frame: bytes) -> str:
    """Return the text of a masked text frame."""
    key, hidden = frame[2:6], frame[6:]
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(hidden)).decode()


@poisoning.reference
def payload(key: bytes) -> bytes:
    """Return what a page sends so that ``REQUEST`` stands on the wire."""
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(REQUEST))
