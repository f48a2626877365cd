"""Lesson 07, heartbeats: silence, a frozen program, a busy cell, and an exercise on pings through a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...live.lab import Lab
from ...live.relay.bends import Delay, IdleClose, Silence
from ...live.server import Handler
from ...protocol import build_frame
from ...recording.trace import Slice, Trace
from ..exercises import Outcome, Trial, exercise
from ..slider import Slider

CLOSE, PING, PONG = 8, 9, 10
LEAVE = 0.1  # seconds that a goodbye may take where nobody answers
THROUGH = 0.05  # seconds that each byte needs through the relay: 0.1 s there and back

# What a page may try as a ping, and the message that it is.
TRIED: Mapping[str, str | bytes] = {
    'socket.send("ping")': "ping",
    "socket.send(new Uint8Array([0x89, 0x00]))": b"\x89\x00",
    'socket.send("")': "",
}


def _opcode(record: Record) -> int | None:
    return record.first & 15 if record.kind is Kind.FRAME else None


# Each experiment has a lab of its own: then no panel above shows what it does before a prediction is locked in.


async def frames_made(messages: Mapping[str, str | bytes] = TRIED) -> dict[str, str]:
    """Send each as a message; by its name, the kind of frame that crossed, as recorded."""
    made = {}
    async with Lab() as lab:
        await lab.serve()
        async with lab.connect() as ws:
            for name, message in messages.items():
                before = lab.trace.total
                await ws.send(message)
                await ws.recv()
                made[name] = kind_of_frame(lab.trace.between(before, None))
    return made


def kind_of_frame(records: Sequence[Record]) -> str:
    """The kind of the first frame of a client: ``TEXT``, ``BINARY``, ``PING``; ``no frame`` where there is none."""
    frames = [one for one in records if one.kind is Kind.FRAME and one.sender is Sender.CLIENT]
    return frames[0].summary.split()[0].strip(",") if frames else "no frame"


async def after_silence() -> dict[str, str]:
    """What two clients know when a relay passes nothing on any more and ends nothing, as a pulled cable does."""
    async with Lab() as lab:
        await lab.serve()
        relay = await lab.relay(bends=[Silence(at="frames")])
        async with _kept(lab, relay.uri, None, None) as listens, _kept(lab, relay.uri, 0.1, 0.3) as pings:
            await pings.wait_closed()
            return {"a client that only listens": known(listens), "a client that pings": known(pings)}


def _kept(lab: Lab, uri: str, interval: float | None, timeout: float | None) -> connect:
    return lab.connect(uri, ping_interval=interval, ping_timeout=timeout, close_timeout=LEAVE)


def known(connection: Connection) -> str:
    """What a program is told of its connection."""
    return "it is open" if connection.state is State.OPEN else f"it is closed, {int(connection.close_code or 0)}"


async def ask_for_report(handler: Handler) -> Trace:
    """Serve ``handler``, ask it something while the client pings, and wait for an answer or the end; the recording.

    The client pings every 0.2 s, and gives up where a pong takes longer than 0.6 s.
    """
    async with Lab(seed=7) as lab:
        await lab.serve(handler)
        async with lab.connect(ping_interval=0.2, ping_timeout=0.6) as ws:
            await ws.send("report")
            with contextlib.suppress(ConnectionClosed):
                await ws.recv()
        await lab.settled()
        return lab.trace


def who_gave_up(trace: Trace) -> dict[str, Any]:
    """Who sent the first close frame on a connection, its code, and what each program was told."""
    closes = [one for one in trace if _opcode(one) == CLOSE]
    told = trace.closings(0)
    return {
        "who sends the first CLOSE": f"the {closes[0].sender.label}" if closes else "nobody",
        "the code in that frame": closes[0].status if closes else "none",
        "the code that the client's program is told": int(told[Sender.CLIENT].code or 0),
        "the code that the server's program is told": int(told[Sender.SERVER].code or 0),
    }


class Busy(NamedTuple):
    """A cell that computed for some seconds while its connection was open, and what a relay recorded."""

    seconds: float
    records: Slice


async def busy_cell(seconds: float) -> Busy:
    """Connect through a relay that takes 0.05 s each way, and compute as soon as a keepalive ping is on its way.

    The client pings every 0.2 s, and gives up where a pong takes longer than 0.5 s.
    """
    async with Lab(seed=7) as lab:
        await lab.serve()
        relay = await lab.relay(bends=[Delay(THROUGH, at="frames")])
        async with lab.connect(relay.uri, ping_interval=0.2, ping_timeout=0.5) as ws:
            await _recorded(relay.trace, lambda record: _opcode(record) == PING)
            time.sleep(seconds)  # noqa: ASYNC251  # what a busy cell does
            await asyncio.wait({asyncio.ensure_future(ws.wait_closed())}, timeout=4 * THROUGH)
        await relay.settled()
        return Busy(seconds, relay.trace.connection(0))


async def _recorded(trace: Trace, wanted: Callable[[Record], object]) -> None:
    """Wait until such a record is there."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    unsubscribe = trace.subscribe(lambda: loop.call_soon_threadsafe(news.set))
    try:
        while not any(map(wanted, trace)):
            await news.wait()
            news.clear()
    finally:
        unsubscribe()


def seen_of(busy: Busy) -> dict[str, str]:
    """Who sent the first close frame, and where the pong for the client's first ping stands, as recorded."""
    records = busy.records.records
    ends = [place for place, one in enumerate(records) if _opcode(one) == CLOSE]
    pongs = [place for place, one in enumerate(records) if _opcode(one) == PONG and one.sender is Sender.SERVER]
    where = "nowhere" if not pongs else "before the CLOSE" if not ends or pongs[0] < ends[0] else "after the CLOSE"
    given_up = bool(ends) and records[ends[0]].status != 1000
    who = f"the {records[ends[0]].sender.label}" if given_up else "nobody"
    return {"who gives up": who, "where the server's PONG stands in the recording": where}


async def busy_cells(*seconds: float) -> list[Busy]:
    """``busy_cell`` for each of these times."""
    return [await busy_cell(one) for one in seconds]


def busy_slider(runs: Sequence[Busy]) -> Slider:
    """A slider over cells that computed for longer and longer; it stands at the last."""
    words = [f"{run.seconds:g} s" for run in runs]
    stops = {word: run.records for word, run in zip(words, runs, strict=True)}
    return Slider("The cell computes for", stops, words[-1])


async def answer_pings(answer: Callable[[bytes], bytes]) -> str:
    """Be a server that answers a ping with a pong of ``answer(payload)``; what a real client makes of it, in words."""
    async with Lab() as lab, await lab.raw(listen=True) as raw:
        dialing = asyncio.ensure_future(_dialed(_kept(lab, raw.uri or "", 0.1, 0.3)))
        await raw.handshake()
        ws = await dialing
        for _ in range(3):
            frame = await raw.recv_frame()
            if frame.opcode != PING:
                return f"the client gives up: {frame.close_reason}"
            await raw.send(build_frame(answer(bytes(frame.preview)), opcode=PONG))
        return f"{known(ws)} after three pings"


async def _dialed(dialing: connect) -> ClientConnection:
    return await dialing


# The exercise.

RUN = 3.0  # seconds that a connection has to live
SOON = 0.05  # seconds before a ping at which the handler begins to compute


class Situation(NamedTuple):
    """What an answer has to cope with."""

    idle: float  # seconds of silence after which the proxy closes
    pause: float  # seconds for which the handler does not answer
    most: int  # pings that are allowed in ``RUN`` seconds


def situations(trial: Trial) -> list[Situation]:
    """Two different ones."""
    idles = trial.random.sample([0.8, 0.9, 1.0], 2)
    return [Situation(idle, trial.random.choice([0.4, 0.5, 0.6]), int(RUN / (0.6 * idle)) + 1) for idle in idles]


async def _computes(connection: ServerConnection) -> None:
    async for message in connection:
        time.sleep(float(message))  # noqa: ASYNC251  # the mistake that the exercise is about


async def _lives(proxies: Lab, now: Situation, interval: float | None, timeout: float | None) -> list[Outcome]:
    """Whether a connection through the proxy lives while the handler computes each time when a ping comes."""
    async with Lab() as lab:  # of its own, since a handler that computes holds up the thread of its lab
        server = await lab.serve(_computes)
        relay = await proxies.relay(server.uri, bends=[IdleClose(now.idle)])
        async with _kept(proxies, relay.uri, interval, timeout) as ws:
            work = asyncio.ensure_future(_work(ws, interval, now.pause))
            await asyncio.wait({asyncio.ensure_future(ws.wait_closed())}, timeout=RUN)
            came = known(ws)
            pings = sum(_opcode(record) == PING for record in relay.trace)
            work.cancel()
        reason = ws.protocol.close_sent.reason if came != "it is open" and ws.protocol.close_sent else ""
        sent = f"proxy {now.idle:g} s, handler computes for {now.pause:g} s"
        told = f"{came}: {reason}" if reason else came
        few = f"at most {now.most} pings"
        return [
            Outcome(sent, f"after {RUN:g} s, it is open", told, came == "it is open"),
            Outcome(sent, few, few if pings <= now.most else f"{pings} pings", pings <= now.most),
        ]


async def _work(ws: ClientConnection, interval: float | None, pause: float) -> None:
    """Have the handler begin to compute just before a ping is due, and half of the time at most."""
    if interval is None:
        return
    clock = asyncio.get_running_loop().time
    due, rested = clock(), 0.0
    with contextlib.suppress(ConnectionClosed):
        while True:
            due += interval
            await asyncio.sleep(max(0.001, due - SOON - clock()))
            if clock() >= rested:
                rested = clock() + 2 * pause
                await ws.send(str(pause))


async def _notices(proxies: Lab, interval: float | None, timeout: float | None) -> Outcome:
    """Whether a client notices within ``RUN`` seconds that nobody is there any more."""
    relay = await proxies.relay(bends=[Silence(at="frames")])
    async with _kept(proxies, relay.uri, interval, timeout) as ws:
        await asyncio.wait({asyncio.ensure_future(ws.wait_closed())}, timeout=RUN)
        came = known(ws)
    return Outcome("the server's cable is pulled", f"after {RUN:g} s, it is closed, 1006", came, came != "it is open")


def _probe(says: Callable[[Any, Any, Situation], object]) -> Callable[[Any], object]:
    """A test of an answer by what it says for one situation."""
    asked = Situation(1.0, 0.5, 6)

    def test(answer: Any) -> object:
        interval, timeout = answer(*asked)
        return says(interval, timeout, asked)

    return test


@exercise(
    points=3,
    misconception=15,
    variants=1,
    hints=[
        "A ping is traffic. Which of the two numbers decides how long the proxy sees nothing?",
        "While the handler computes, nothing is answered. Which number must be larger than `pause`?",
        "A dead peer is noticed after `ping_interval + ping_timeout + close_timeout` seconds at the latest. "
        "The last is 0.1 s here.",
    ],
    foreseen=[
        (_probe(lambda interval, _, __: interval is None), "Without pings nothing crosses, and the proxy closes."),
        (_probe(lambda _, timeout, __: timeout is None), "Without a ping_timeout nobody ever notices a dead peer."),
        (
            _probe(lambda interval, _, asked: interval >= asked.idle),
            "Your first ping comes when the proxy has closed already: ping_interval must be less than idle.",
        ),
        (
            _probe(lambda _, timeout, asked: timeout <= asked.pause),
            "You give up while the handler still computes: ping_timeout must be more than pause.",
        ),
        (
            _probe(lambda interval, _, asked: RUN / interval > asked.most),
            "You ping too often: make ping_interval longer, but less than idle.",
        ),
        (
            _probe(lambda interval, timeout, _: interval + timeout >= RUN),
            "You notice a dead peer too late: that takes ping_interval and ping_timeout together.",
        ),
    ],
)
async def heartbeat(answer: Any, trial: Trial) -> list[Outcome]:
    """Return ping_interval and ping_timeout, in seconds, for a client of ``websockets``.

    A proxy closes the connection where nothing crosses for ``idle`` seconds. The server's handler may compute for
    ``pause`` seconds, and answers nothing meanwhile. The connection must live for 3 s with ``most`` pings at most. A
    dead peer must be noticed within 3 s.
    """
    asked = situations(trial)
    said = [answer(*one) for one in asked]
    async with Lab() as proxies:
        await proxies.serve()
        noticed = asyncio.ensure_future(_notices(proxies, *said[0]))
        lives = [_lives(proxies, one, *numbers) for one, numbers in zip(asked, said, strict=True)]
        outcomes = [outcome for both in await asyncio.gather(*lives) for outcome in both]
        return [*outcomes, await noticed]


@heartbeat.reference
def intervals(idle: float, pause: float, most: int) -> tuple[float, float]:
    """Seconds between pings, and seconds to wait for a pong."""
    return 0.6 * idle, pause + 0.6
