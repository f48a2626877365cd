"""Lesson 12, in the middle: the exercise, to make sure that a message arrived. The experiments are in ``middle``."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from ...anatomy.field import Sender
from ...live.lab import Lab
from ...live.relay.bends import Bend, Hold
from ...live.relay.relay import Relay
from ...recording.trace import Trace
from ..exercises import EndlessLoopError, Outcome, Trial, exercise
from ..stranger import StandIn, hosted

TEXTS = 12
RETURNS = "it returns"
LONGEST, STEP = 5.0, 0.5  # seconds that a function of another process may take, and between two looks at it
Connect = Callable[[], Any]


class ConfirmingStore:
    """A server's memory: it keeps the first text of each number, and confirms every number that it reads."""

    def __init__(
        self, kept: dict[int, str] | None = None, strange: Sequence[str] = (), again: Sequence[str] = ()
    ) -> None:
        self.kept = kept or {}
        self.strange = list(strange)  # messages that are none
        self.again = list(again)  # messages with the number of another text

    def read(self, message: str) -> str | None:
        """Take a message, such as ``7 wire``; the confirmation, or None where it is no such message."""
        number, _, text = message.partition(" ")
        if not number.isdecimal() or not text:
            self.strange.append(message)
            return None
        if self.kept.setdefault(int(number), text) != text:
            self.again.append(message)
        return number

    async def serve(self, connection: ServerConnection) -> None:
        """Read and confirm until the connection ends."""
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                answer = self.read(str(message))
                if answer is not None:
                    await connection.send(answer)


class Loss(NamedTuple):
    """Where a relay stops handing on, and after how many confirmations it is gone. So each answer meets the same."""

    sender: Sender  # whose messages are held back
    through: int  # how many of them it hands on before

    @property
    def bend(self) -> Bend:
        """What holds them back."""
        return Hold(direction=self.sender.label, at=f"frame {self.through}")

    @property
    def confirmed(self) -> int:
        """How many confirmations the relay has read when it ends the connection."""
        return self.through + (self.sender is Sender.SERVER)


async def _until(trace: Trace, condition: Callable[[], object]) -> None:
    """Wait until a recording is so."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    unsubscribe = trace.subscribe(lambda: loop.call_soon_threadsafe(news.set))
    try:
        while not condition():
            await news.wait()
            news.clear()
    finally:
        unsubscribe()


async def _end(relay: Relay, cut: Loss) -> None:
    """Let a relay go away when the server has confirmed so many."""
    messages = relay.trace
    await _until(messages, lambda: sum(one.sender is Sender.SERVER for one in messages.messages) >= cut.confirmed)
    await relay.close()


async def _delivered(answer: Any, texts: Sequence[str], cuts: Sequence[Loss], told: str) -> list[Outcome]:
    """Have an answer deliver texts over relays that go away one after another, and at last over one that stays."""
    store, used = ConfirmingStore(), 0
    async with Lab(seed=1) as lab, contextlib.AsyncExitStack() as stack:
        await lab.serve(store.serve)
        relays = [await lab.relay(bends=[cut.bend]) for cut in cuts] + [await lab.relay()]
        for relay, cut in zip(relays, cuts, strict=False):
            stack.callback(asyncio.ensure_future(_end(relay, cut)).cancel)

        def connect() -> contextlib.AbstractAsyncContextManager[ClientConnection]:
            nonlocal used
            used += 1
            return lab.connect(relays[min(used, len(relays)) - 1].uri, close_timeout=0.2)

        ended = RETURNS
        try:
            if isinstance(answer, StandIn):
                ended = await _elsewhere(answer, [relay.uri for relay in relays], list(texts))
            else:
                await answer(connect, list(texts))
        except ConnectionClosed as closed:
            ended = f"it gives up: {type(closed).__name__}"
    whole = dict(enumerate(texts))
    right = sum(store.kept.get(number) == text for number, text in whole.items())
    extra = len(store.strange) + len(store.again) + len(set(store.kept) - set(whole))
    came = f"{right} of {len(texts)} texts" + (f", and {extra} that it cannot place" if extra else "")
    wanted = f"{len(texts)} of {len(texts)} texts"
    return [
        Outcome(told, RETURNS, ended, ended == RETURNS),
        Outcome(told, wanted, came, came == wanted),
    ]


# A connection on paper: it shows what an answer does when its first connection breaks.


class _Opening:
    """A connection on paper before it is opened; ``with`` and ``await`` open it, as they do a real one."""

    def __init__(self, paper: _Paper) -> None:
        self._paper = paper

    async def __aenter__(self) -> _Paper:
        return self._paper

    async def __aexit__(self, *error: object) -> None:
        pass

    def __await__(self) -> Generator[Any, None, _Paper]:
        return self.__aenter__().__await__()


class _Paper:
    """Takes ``whole`` messages and confirms them; what is sent later is lost. None is no limit."""

    def __init__(self, store: ConfirmingStore, whole: int | None) -> None:
        self._store, self._left = store, whole
        self._answers: list[str] = []

    async def close(self) -> None:
        pass

    async def send(self, message: str) -> None:
        if self._left is None or self._left > 0:
            self._left = None if self._left is None else self._left - 1
            answer = self._store.read(message)
            self._answers += [answer] if answer else []

    async def recv(self) -> str:
        if not self._answers:
            raise ConnectionClosedError(None, None)
        return self._answers.pop(0)

    def __aiter__(self) -> _Paper:
        return self

    async def __anext__(self) -> str:
        return await self.recv()


class _Tried(NamedTuple):
    store: ConfirmingStore
    connections: int
    error: str


def _paper(answer: Any) -> _Tried:
    """What an answer does with four texts where the first connection takes two of them."""
    if isinstance(answer, StandIn):
        kept, strange, again, connections, error = hosted(answer, COURIER).paper()
        return _Tried(ConfirmingStore(kept, strange, again), connections, error)
    store = ConfirmingStore()
    papers: list[_Paper] = []

    def connect() -> _Opening:
        papers.append(_Paper(store, None if papers else 2))
        return _Opening(papers[-1])

    try:
        answer(connect, ["a", "b", "c", "d"])
        error = ""
    except Exception as raised:
        error = type(raised).__name__
    return _Tried(store, len(papers), error)


class Courier:
    """A learner's function at work in the process that it belongs to; its methods take and give plain values."""

    def __init__(self, deliver: Callable[..., Any]) -> None:
        self._deliver, self._how = deliver, ""
        self._ended = threading.Event()

    def paper(self) -> tuple[dict[int, str], list[str], list[str], int, str]:
        """What the function does on paper, see ``_paper``: what is kept, strange and sent again, connections, error."""

        def at_once(*args: Any) -> None:
            with contextlib.suppress(StopIteration):
                self._deliver(*args).send(None)

        tried = _paper(at_once)
        return tried.store.kept, tried.store.strange, tried.store.again, tried.connections, tried.error

    def begin(self, uris: list[str], texts: list[str]) -> None:
        """Begin to deliver the texts, over the first address first; the last one serves for all further connections."""
        left = iter(uris)
        last = uris[-1]

        def connect() -> Any:
            return dial(next(left, last), close_timeout=0.2, proxy=None, ping_interval=None)

        def work() -> None:
            try:
                asyncio.run(self._deliver(connect, texts))
                self._how = RETURNS
            except BaseException as error:
                self._how = f"it gives up: {type(error).__name__}"
            self._ended.set()

        threading.Thread(target=work, daemon=True).start()

    def ended(self, seconds: float) -> str:
        """How it ended, waiting so long at most; empty while it works."""
        return self._how if self._ended.wait(seconds) else ""


COURIER = f"{__name__}:{Courier.__name__}"


async def _elsewhere(answer: StandIn, uris: list[str], texts: list[str]) -> str:
    """Have a function of another process deliver; how it ended."""
    courier = await asyncio.to_thread(hosted, answer, COURIER)
    await asyncio.to_thread(courier.begin, uris, texts)
    for _ in range(round(LONGEST / STEP)):
        if how := await asyncio.to_thread(courier.ended, STEP):
            return str(how)
    raise EndlessLoopError(f"your function had not returned after {LONGEST:g} s")


def _probe(says: Callable[[_Tried], object]) -> Callable[[Any], object]:
    """A test of what came on paper. An exception other than ConnectionClosed tells for itself what is wrong."""

    def test(answer: Any) -> object:
        tried = _paper(answer)
        return (not tried.error or tried.error.startswith("ConnectionClosed")) and says(tried)

    return test


WHOLE = {0: "a", 1: "b", 2: "c", 3: "d"}


@exercise(
    points=4,
    misconception=21,
    variants=1,
    hints=[
        "Keep a set of the numbers that were confirmed. You are done when it has as many as there are texts.",
        "In a loop: connect, send each text whose number is not in the set, and then read confirmations.",
        "Where the connection ends, `send` or `recv` raises ConnectionClosed. Catch it, and go round the loop again.",
        "A confirmation is the number as text: `confirmed.add(int(await ws.recv()))`.",
    ],
    foreseen=[
        (
            _probe(lambda tried: tried.store.strange),
            'Your message has another form: the server reads a number, a space, and the text, as in "7 wire".',
        ),
        (
            _probe(lambda tried: tried.error.startswith("ConnectionClosed")),
            "Your function ends with the connection. Catch ConnectionClosed, connect again, and go on.",
        ),
        (
            _probe(lambda tried: set(tried.store.kept) - set(WHOLE) or tried.store.again),
            "You count anew on each connection. A text must keep its number: its place in the list.",
        ),
        (
            _probe(lambda tried: tried.connections == 1 and tried.store.kept != WHOLE),
            "You trust send(): it returned for texts that nobody has read. Wait for the confirmations.",
        ),
        (
            _probe(lambda tried: tried.store.kept != WHOLE),
            "You go on after the last text that was sent. Send again what was not confirmed.",
        ),
    ],
)
async def delivery(answer: Any, trial: Trial) -> list[Outcome]:
    """Write ``async def deliver(connect, texts)``: it returns when the server has confirmed every text.

    ``connect()`` is a new connection, for ``async with``. Send a text as its place in the list, a space, and the text:
    ``7 wire``. The server answers each such message with the number, and keeps the first text of each number.
    A connection may end at any time.
    """
    texts = [f"{trial.random.choice(trial.WORDS)} {number}" for number in range(TEXTS)]
    first, second = trial.random.randint(2, 5), trial.random.randint(1, 3)
    lost, unconfirmed = Loss(Sender.CLIENT, first), Loss(Sender.SERVER, second)
    ways = {
        "nothing happens on the way": [],
        f"it is cut after {first} texts": [lost],
        f"it is cut after {second} confirmations": [unconfirmed],
        "both, one after the other": [lost, unconfirmed],
    }
    # One after another, since a loop without an end is stopped only where it is awaited and no task of its own.
    return [outcome for told, way in ways.items() for outcome in await _delivered(answer, texts, way, told)]


@delivery.reference
async def deliver(connect: Connect, texts: Sequence[str]) -> None:
    """Send until every text is confirmed."""
    confirmed: set[int] = set()
    while len(confirmed) < len(texts):
        with contextlib.suppress(ConnectionClosed):
            async with connect() as ws:
                for number, text in enumerate(texts):
                    if number not in confirmed:
                        await ws.send(f"{number} {text}")
                while len(confirmed) < len(texts):
                    confirmed.add(int(await ws.recv()))
