"""Lesson 14, a chat: a member who stops reading, one who vanishes, one who comes back, and a handler that fails.

The page by which members join is in ``chat``, the hall with the frozen member in ``halls``, and the bots that judge the
exercise in ``bots``.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed

from ...anatomy.record import Kind
from ...drawing.blocks import Words
from ...drawing.sheet import Sheet, Shown, sheet_of
from ...live.lab import Lab
from ...live.relay.bends import Silence
from ...live.server import Handler
from ...recording.trace import Slice, Trace
from ..exercises import Outcome, Trial, exercise
from .bots import FAST, MESSAGES, MOST_HELD, Sent, cast, send_to_bots
from .halls import Handed, Way, one_stops_reading, what_others_get, where_they_wait

# One says Hello.


async def say_hello(chat: Handler) -> Trace:
    """Ada and Bob join a room, and Ada says Hello; the recording. Its record 9 is the frame to Bob."""
    async with Lab(seed=14) as lab:
        await lab.serve(chat)
        async with lab.connect("/shed?name=Ada") as ada:
            await ada.recv()  # each waits for what it is told, so that the order is the same in every run
            async with lab.connect("/shed?name=Bob") as bob:
                await asyncio.gather(ada.recv(), bob.recv())
                await ada.send("Hello")
                await asyncio.gather(ada.recv(), bob.recv())
        return lab.trace


# One member stops reading.


def heard_by_others(runs: Sequence[tuple[str, Handed]]) -> dict[str, str]:
    """What the others got in each way of sending, as cases, and where the frozen member's messages are in the last."""
    told = {f"{name}: the others get": what_others_get(heard) for name, heard in runs}
    name, last = runs[-1]
    return {**told, f"{name}: what the frozen member has not taken is": where_they_wait(last)}


async def freeze_one(*ways: Way) -> dict[str, str]:
    """Send 100 messages to 50 members of whom one has stopped reading, in each of these ways; what came of it."""
    return heard_by_others([(getattr(way, "__name__", ""), await one_stops_reading(way)) for way in ways])


# One member vanishes.

WAIT = 1.0  # seconds after which is looked whether the room still names who has gone
BEAT = 0.2  # seconds between two pings, and for which a pong is waited for


class Leave(NamedTuple):
    """How a member goes without a goodbye."""

    cable: bool  # whether her cable is pulled; else her program is killed
    said: bool = False  # whether the server sends her a message afterwards
    pings: bool = False  # whether the server pings


LEAVES = {
    "her program is killed": Leave(cable=False),
    "her cable is pulled, and nobody says anything": Leave(cable=True),
    "her cable is pulled, and the server sends her a message": Leave(cable=True, said=True),
    "her cable is pulled, and the server pings every 0.2 s and waits 0.2 s": Leave(cable=True, pings=True),
}


async def still_named(leave: Leave) -> bool:
    """Whether a room still names a member one second after she went."""
    room: set[str] = set()
    begun, emptied = asyncio.Event(), asyncio.Event()
    here = asyncio.get_running_loop()

    async def handle(connection: ServerConnection) -> None:
        room.add("Ada")
        here.call_soon_threadsafe(begun.set)
        try:
            if leave.said:
                await connection.send("Are you there?")
            with contextlib.suppress(ConnectionClosed):
                await connection.recv()
        finally:
            room.discard("Ada")
            here.call_soon_threadsafe(emptied.set)

    async with Lab(seed=14) as lab:
        beat = BEAT if leave.pings else None
        server = await lab.serve(handle, ping_interval=beat, ping_timeout=beat, close_timeout=BEAT)
        # Behind the opening handshake no byte crosses any more: the cable is out before anything is said.
        relay = await lab.relay(bends=[Silence(at="frames")] if leave.cable else [])
        ada = await lab.connect(relay.uri, close_timeout=BEAT)
        await begun.wait()
        if not leave.cable:
            ada.transport.abort()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(emptied.wait(), WAIT)
        named = bool(room)
        ada.transport.abort()
        await server.close()
        return named


async def vanish() -> dict[str, str]:
    """Go in each of the four ways; whether the room still names her one second later."""
    named = await asyncio.gather(*map(still_named, LEAVES.values()))
    told = ("the room has dropped her", "the room still names her")
    return {case: told[one] for case, one in zip(LEAVES, named, strict=True)}


# A member comes back.


class Numbered(NamedTuple):
    """What a member was told: the numbers of the messages, before she was away and after."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def lost_or_doubled(told: Numbered) -> str:
    """Whether each message from the first to the last that she was told came to her once."""
    came = [*told.before, *told.after]
    lost = set(range(came[0], came[-1] + 1)) - set(came)
    doubled = len(came) > len(set(came))
    words = {
        (False, False): "each comes once",
        (True, False): "some are lost",
        (False, True): "some come twice",
        (True, True): "some are lost, and some come twice",
    }
    return words[bool(lost), doubled]


class Listener:
    """A member of a room who notes the number of each message that her program has read."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.numbers: list[int] = []

    async def until(self, said: str) -> int:
        """Read on until that was said; its number."""
        while True:
            number, _, text = str(await self.connection.recv()).partition(" ")
            self.numbers.append(int(number))
            if text == said:
                return self.numbers[-1]


ASKS: dict[str, Callable[[int, int], str]] = {  # from the last number sent to her, and the last that she has seen
    "she names no number": lambda sent, seen: "",
    "the server goes on after the last message that it sent her": lambda sent, seen: f"&last={sent}",
    "the server sends everything again": lambda sent, seen: "&last=0",
    "she names the last number that she has seen": lambda sent, seen: f"&last={seen}",
}


async def be_away(lab: Lab, room: str, ask: Callable[[int, int], str]) -> Numbered:
    """Ada's connection is cut while messages for her are on their way; Bob says more; she comes back.

    Args:
        lab: it serves the chat of the lesson.
        room: the path of a room in which nobody is.
        ask: what her request says when she comes back.
    """
    async with lab.connect(f"{room}?name=Bob") as connection:
        bob, ada = Listener(connection), Listener(await lab.connect(f"{room}?name=Ada"))
        for number in (1, 2, 3):
            await connection.send(f"{number}")
        await ada.until("Bob: 3")
        for number in (4, 5):  # sent to her, and her program does not read them any more
            await connection.send(f"{number}")
        sent = await bob.until("Bob: 5")
        ada.connection.transport.abort()
        await bob.until("Ada leaves: Bob")
        await connection.send("6")
        await bob.until("Bob: 6")
        async with lab.connect(f"{room}?name=Ada{ask(sent, ada.numbers[-1])}") as again:
            back = Listener(again)
            await bob.until("Ada joins: Bob, Ada")
            await connection.send("7")
            await back.until("Bob: 7")
        return Numbered(tuple(ada.numbers), tuple(back.numbers))


async def come_back(chat: Handler) -> dict[str, str]:
    """Be away and come back in four ways, each in a room of its own; what became of the messages."""
    async with Lab(seed=14) as lab:
        await lab.serve(chat)
        told = [lost_or_doubled(await be_away(lab, f"/away{at}", ask)) for at, ask in enumerate(ASKS.values())]
        return dict(zip(ASKS, told, strict=True))


# A handler fails.


@dataclass(repr=False)
class Failed(Shown):
    """What came of a message that a handler fails on; it shows the cause, and what crossed on Ada's connection."""

    ada: int | None  # the code that her program was told; None while she is connected
    bob: int | None
    kept: int  # how many of the two the handler's list still holds
    records: Slice  # of her connection

    @property
    def cause(self) -> str:
        """What the handler raised and where, as it was recorded; empty where it raised nothing."""
        trace = self.records.trace
        return "".join(trace.ledger.texts[one.number] for one in self.records if one.kind is Kind.ERROR)

    def _sheet(self) -> Sheet:
        cause = self.cause or "nothing"
        return Sheet("A handler", [Words(f"The handler raised {cause}"), *sheet_of(self.records).blocks])

    @property
    def cases(self) -> dict[str, Any]:
        """As cases."""
        return {
            "the code that Ada's program is told": self.ada if self.ada is not None else "none",
            "Bob, who said nothing wrong": "stays connected" if self.bob is None else "is closed, too",
            "the list of members": "holds both" if self.kept == 2 else "holds Bob only" if self.kept else "is empty",
        }


async def send_zero(handler: Handler, members: Collection[Any]) -> Failed:
    """Ada and Bob join, and Ada sends ``0``; what became of both and of the handler's list of members."""
    before = len(members)
    async with Lab(seed=14) as lab:
        await lab.serve(handler)
        ada, bob = await lab.connect("/?name=Ada"), await lab.connect("/?name=Bob")
        await ada.send("50")
        await asyncio.gather(ada.recv(), bob.recv())
        await ada.send("0")
        with contextlib.suppress(ConnectionClosed):
            await ada.recv()
        await lab.settled()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(bob.wait_closed(), 0.1)
        return Failed(ada.close_code, bob.close_code, len(members) - before, lab.trace.connection(0))


# The exercise. What an answer did with the bots tells which mistake it makes.

_last: weakref.WeakKeyDictionary[Any, Sent] = weakref.WeakKeyDictionary()


def _did(makes: Callable[[Sent], object]) -> Callable[[Any], object]:
    """A test of an answer by what came of its last messages to the bots."""

    def test(answer: Any) -> object:
        sent = _last.get(answer.args[0] if isinstance(answer, partial) else answer)
        return sent is not None and makes(sent)

    return test


@exercise(
    points=4,
    misconception=27,
    variants=1,
    hints=[
        "Who must never wait for whom? `broadcast(members, text)` waits for nobody.",
        "What waits for a member grows while it does not read: look at `get_write_buffer_size()` after each message.",
        "More than 500,000 bytes wait for a member: `member.transport.abort()`.",
    ],
    foreseen=[
        (
            _did(lambda sent: sent.raised.startswith("ConnectionClosed")),
            "One member vanished, and `send` raised ConnectionClosed. That is no reason to leave the others.",
        ),
        (
            _did(lambda sent: sent.raised == "RuntimeError" and "changed size" in sent.words),
            "The set changes while you walk through it: walk through `list(members)`.",
        ),
        (
            _did(lambda sent: not sent.raised and sent.done < MESSAGES),
            "You wait for the member who does not read, and so do all others. Nobody may wait for one member.",
        ),
        (
            _did(lambda sent: sent.held >= MOST_HELD),
            "Nobody waits, but all that the frozen member does not read piles up in the server: cut it off in time.",
        ),
        (
            _did(lambda sent: not sent.raised and (sent.left < FAST or min(sent.got) < sent.done)),
            "A member who reads has lost messages: cut off only for whom much waits.",
        ),
        (
            _did(lambda sent: sent.left > FAST),
            "The frozen member is still in the room. Leaving it out is not enough: end its connection.",
        ),
    ],
)
async def sending(answer: Any, trial: Trial) -> list[Outcome]:
    """Write ``send_all(members, text)``: send a text to all members of a room, whoever they are.

    Five bots are in the room: three read fast, one never reads, and one vanishes on the way. There are 100 messages of
    100 kB. A member who reads too slowly has to be cut off; nobody else may wait or lose a message.
    """
    sent = _last[answer] = await send_to_bots(answer, cast(trial))
    all_got = sent.done == MESSAGES and set(sent.got) == {MESSAGES}
    in_time = not sent.raised and sent.done == MESSAGES
    stuck = f"message {sent.done + 1} raised {sent.raised}" if sent.raised else f"message {sent.done + 1} took longer"
    little = sent.done == MESSAGES and sent.held < MOST_HELD
    waited = "less than 1 MB" if little else "more" if sent.held >= MOST_HELD else "not all was sent"
    return [
        Outcome(
            f"{MESSAGES} messages of 100 kB",
            f"three fast bots read {MESSAGES} each",
            f"{MESSAGES} each" if all_got else "fewer",
            all_got,
        ),
        Outcome("each message", "half a second at most", "half a second at most" if in_time else stuck, in_time),
        Outcome("one bot reads nothing", "less than 1 MB waits", waited, little),
        Outcome("at the end", f"{FAST} members", f"{sent.left} members", sent.left == FAST),
    ]


@sending.reference
async def send_all(members: Collection[ServerConnection], text: str) -> None:
    """Send to all without waiting, and cut off for whom too much waits."""
    everybody = list(members)
    broadcast(everybody, text)
    for member in everybody:
        if member.transport.get_write_buffer_size() > 500_000:
            member.transport.abort()
