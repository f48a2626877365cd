"""Lesson 13, when to use WebSocket: what four ways cost and how long they take, and an exercise on five situations."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...protocol import build_frame
from ..exercises import Outcome, Trial, exercise
from .bills import FOUR, Costs, Stay, bill, measure
from .page_requests import page_request
from .strips import Stretch, Strip, Strips
from .ways import (
    COMPRESSED,
    EVENTS,
    LONG_POLLING,
    POLLING,
    WEBSOCKET,
    Delivered,
    Feed,
    deliver,
    event,
    serving,
    update,
)


def times(size: float, other: float) -> str:
    """How many times as large something is, in words."""
    ratio = size / other
    bounds = {1: "less", 2: "up to 2 times", 10: "2 to 10 times"}
    return next((words for bound, words in bounds.items() if ratio <= bound), "over 10 times")


def against_websocket(made: Mapping[str, Delivered]) -> dict[str, str]:
    """The bytes of each way against WebSocket's, as cases."""
    names = {POLLING: "polling, every 0.2 s", LONG_POLLING: LONG_POLLING, EVENTS: EVENTS, COMPRESSED: COMPRESSED}
    return {name: times(made[way].bytes, made[WEBSOCKET].bytes) for way, name in names.items()}


def waits(made: Mapping[str, Delivered]) -> dict[str, str]:
    """The mean delay of two ways in words, as cases."""
    names = {POLLING: "polling, every 0.2 s", LONG_POLLING: LONG_POLLING}
    return {name: nearest(made[way].delay) for way, name in names.items()}


def nearest(seconds: float) -> str:
    """The nearest of a few delays, in words."""
    return f"{min((0, 100, 200, 400), key=lambda one: abs(one - 1000 * seconds))} ms"


async def only_once() -> dict[str, str]:
    """One update for a page that then leaves: WebSocket against one request, and how much of it opens, as cases."""
    socket, request = await deliver(WEBSOCKET, 1), await deliver(LONG_POLLING, 1)
    ratio, share = socket.bytes / request.bytes, socket.opening / socket.bytes
    return {
        "WebSocket's bytes against one request's": against_one(ratio),
        "the handshake's part of WebSocket's bytes": part(share),
    }


def against_one(ratio: float) -> str:
    """A ratio in words."""
    return "less than half" if ratio < 0.5 else "about the same" if ratio < 2 else "more than twice"


def part(share: float) -> str:
    """A share in words."""
    return "under a half" if share < 0.5 else "a half to nine tenths" if share < 0.9 else "over nine tenths"


def talking(costs: Costs) -> dict[str, str]:
    """What a page's messages cost over HTTP, against WebSocket, as cases."""
    both = {way: costs.each[way] + costs.say[way] for way in (EVENTS, WEBSOCKET)}
    return {
        "a message of the page: a POST against a frame": times(costs.say[EVENTS], costs.say[WEBSOCKET]),
        "an event and a POST against two frames": times(both[EVENTS], both[WEBSOCKET]),
    }


async def exchange() -> str:
    """A long poll that brings one update, as text: the request and the response."""
    feed = Feed()
    feed.publish()
    async with serving(feed, LONG_POLLING) as wire:
        head, body = await wire.fetch("/wait?after=000")
        asked = page_request(wire.port, "/wait?after=000")
        said = [(asked + head + body).decode().replace(f":{wire.port}", ":PORT").replace("\r\n", "\n")]
    return re.sub(r"Date: .*", "Date: DATE", said[0])


def pieces() -> Strips:
    """One update as an event and as a frame, byte by byte."""
    text = update(0)
    piece, frame = event(0), build_frame(text)
    at = piece.index(text.encode())
    stop = at + len(text)
    before = [Stretch("size", 0, 4), Stretch("id", 4, 12), Stretch("field", 12, at)]
    runs = [*before, Stretch("the update", at, stop, True), Stretch("ends", stop, len(piece))]
    rows = [
        Strip("server-sent events", piece, runs),
        Strip("WebSocket", frame, [Stretch("header", 0, 2), Stretch("the update", 2, len(frame), True)]),
    ]
    return Strips("One update on the wire", rows)


async def bursts(*, remembers: bool, pairs: int = 5) -> str:
    """Publish updates in pairs, the second before the page can ask again; how many a page gets by long polling.

    Args:
        remembers: whether each request says how many updates the page has.
        pairs: how many pairs.
    """
    feed, came = Feed(), asyncio.Event()
    got: list[str] = []
    async with serving(feed, LONG_POLLING) as wire:

        async def page() -> None:
            while True:
                target = f"/wait?after={len(got):03}" if remembers else "/wait"
                got.extend(json.loads((await wire.fetch(target))[1]))
                came.set()

        asking = asyncio.ensure_future(page())
        for _ in range(pairs):
            await feed.asked.wait()
            came.clear()
            feed.publish()
            await came.wait()
            feed.publish()
        while remembers and len(got) < len(feed.published):
            came.clear()
            await came.wait()
        await feed.asked.wait()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
    return f"{len(feed.published)} updates, {len(got)} arrive"


# The exercise.

TWICE = 2  # the simplest way may cost so many times the cheapest


class PageKind(NamedTuple):
    """A page, and what is asked of it."""

    name: str
    visit: Stay


def situations(trial: Trial) -> list[PageKind]:
    """Five pages, each with numbers by chance, in an order by chance."""
    chance = trial.random
    minutes = chance.choice([0.25, 0.4, 0.5])
    pages = [
        PageKind("weather", Stay(chance.choice([0.1, 0.2]), False, chance.choice([600, 900]), chance.randint(3, 8))),
        PageKind("a payment", Stay(1 / minutes, False, chance.choice([0.5, 1]), minutes)),
        PageKind("prices", Stay(chance.randint(30, 120), False, chance.choice([0.5, 1, 2]), chance.randint(10, 60))),
        PageKind("a chat", Stay(chance.randint(5, 30), True, chance.choice([0.5, 1]), chance.randint(20, 60))),
        PageKind("a game", Stay(chance.randint(300, 900), True, chance.choice([0.1, 0.2]), chance.randint(5, 20))),
    ]
    chance.shuffle(pages)
    return pages


def simplest(bills: Mapping[str, float]) -> str:
    """The first of the four ways that costs at most twice what the cheapest does."""
    return next(way for way in FOUR if bills[way] <= TWICE * min(bills.values()))


def _says(*visit: Any) -> Callable[[Any], Any]:
    return lambda answer: answer(*visit)


_PRICES, _CHAT, _WEATHER, _PAYMENT = (
    _says(60, False, 1, 30), _says(10, True, 1, 60), _says(0.1, False, 600, 5), _says(2, False, 1, 0.5),
)  # fmt: skip


@exercise(
    points=3,
    variants=1,
    hints=[
        "Begin with the page that talks back. What does each of its messages cost over HTTP?",
        "Then look at the page that needs one or two requests in its whole visit: 60 * minutes <= delay.",
        "A late answer is one request an update. That is little where the visit brings one: updates * minutes <= 1.",
    ],
    foreseen=[
        (lambda f: _PRICES(f) not in FOUR, f"You return something else than one of these texts: {', '.join(FOUR)}."),
        (
            lambda f: _PRICES(f) == WEBSOCKET,
            "You take WebSocket for a page that only listens. Server-sent events cost less than twice as much there, "
            "and they are ordinary HTTP.",
        ),
        (
            lambda f: _CHAT(f) != WEBSOCKET,
            "A page that talks back sends a request for each of its messages, with all header lines, unless it has a "
            "WebSocket.",
        ),
        (
            lambda f: _PRICES(f) in (POLLING, LONG_POLLING),
            "A page with many updates pays for a request with each of them, or for each poll. An open stream does not.",
        ),
        (
            lambda f: _WEATHER(f) != POLLING,
            "A page that may wait longer than its visit lasts asks once or twice. That is the simplest way.",
        ),
        (
            lambda f: _PAYMENT(f) == POLLING,
            "A page that may not wait has to poll all the time. The server could answer late instead.",
        ),
        (lambda f: _PAYMENT(f) != LONG_POLLING, "For a single update one request is enough, with a late answer."),
    ],
)
async def choosing(answer: Any, trial: Trial) -> list[Outcome]:
    """Write ``choose(updates, talks, delay, minutes)``: the way in which a page should get its updates.

    ``updates`` come a minute; ``talks`` is whether the page says as much as it gets; an update may wait ``delay``
    seconds; the visit lasts ``minutes``. Return the simplest way whose bill is at most twice the cheapest one's. From
    the simplest on: polling, long polling, server-sent events, WebSocket.

    The judge measures what each way costs on this machine, and draws up the bills of five visits.
    """
    costs = await measure()
    outcomes = []
    for name, visit in situations(trial):
        bills = bill(costs, visit)
        right, said = simplest(bills), answer(*visit)
        came = f"{said}: {bills[said]:,.0f} bytes" if isinstance(said, str) and said in bills else repr(said)[:60]
        wanted = f"{right}: {bills[right]:,.0f} bytes"
        outcomes.append(Outcome(_told(name, visit), wanted, came, said == right))
    return outcomes


def _told(name: str, visit: Stay) -> str:
    says = "talks" if visit.talks else "listens"
    return f"{name}: {visit.updates:g} a minute, {says}, {visit.delay:g} s, {visit.minutes:g} minutes"


@choosing.reference
def choose(updates: float, talks: bool, delay: float, minutes: float) -> str:
    """The simplest way that is not dear."""
    if talks:
        return "WebSocket"
    if 60 * minutes <= delay:
        return "polling"
    if updates * minutes <= 1:
        return "long polling"
    return "server-sent events"
