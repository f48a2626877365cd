"""``Readers``: a fast and a slow member of one hall, live. The learner chooses how the server sends, and who reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from websockets.exceptions import ConnectionClosed

from ...drawing.blocks import Table, Words
from ...drawing.cell import beside
from ...drawing.sheet import Sheet, Shown
from ...live.waiting import keep
from .halls import SLOW, SPEAK, Hall, Speaker, Way, join, opened

RATE, MESSAGES, SIZE = 50, 500, 4000  # messages a second, in a run, and bytes of each
LONGEST = 60.0  # seconds that a run takes at most, however long it stands still
AGAIN = 0.1  # seconds between two looks
ROWS = {
    "sent": "messages sent to all",
    "fast": "read by the fast member",
    "slow": "read by the slow member",
    "held": "kB that wait in the server",
}


class Readers(Shown):
    """A hall with two members. As text, it is the numbers as they stand.

    Args:
        ways: ways to send a text to all, by the words for each.
    """

    def __init__(self, ways: Mapping[str, Way]) -> None:
        self.ways = dict(ways)
        self.way = next(iter(self.ways))
        self.pace = 0  # messages a second that the slow member reads
        self.numbers = dict.fromkeys(ROWS, 0)
        self.said = "Not started."
        self._running: asyncio.Task[None] | None = None
        self._sending: asyncio.Future[None] | None = None  # belongs to the server's loop
        self._drawn: list[Any] = []  # called when a number has changed

    def _sheet(self) -> Sheet:
        rows = [(words, str(self.numbers[name])) for name, words in ROWS.items()]
        chosen = f"The server: {self.way}. The slow member reads {self.pace} messages a second."
        return Sheet("A fast and a slow reader", [Words(chosen), Words(self.said), Table(("", "number"), rows)])

    def start(self) -> None:
        """Begin a run; one that is under way ends. Runs on the kernel's loop."""
        self.stop()
        self._running = keep(asyncio.ensure_future(self._run()))

    def choose(self, way: str) -> None:
        """Send in another way from now on. A message that waits for somebody is given up."""
        self.way, sending = way, self._sending
        if sending is not None and not sending.done():
            sending.get_loop().call_soon_threadsafe(sending.cancel)

    def stop(self) -> None:
        """End the run."""
        if self._running is not None:
            self._running.cancel()
            self._running = None

    async def _run(self) -> None:
        self.numbers = dict.fromkeys(ROWS, 0)
        self._say("Running.")

        async def send(members: Any, text: str) -> None:
            self._sending = asyncio.ensure_future(self.ways[self.way](members, text))
            await asyncio.wait({self._sending})

        try:
            async with asyncio.timeout(LONGEST), opened(send) as (hall, lab):
                fast, slow = await join(lab), await join(lab, SLOW)
                reading = [asyncio.ensure_future(self._read(fast)), asyncio.ensure_future(self._dawdle(slow))]
                looking = asyncio.ensure_future(self._look(hall))
                try:
                    await self._speak(Speaker(await lab.connect(SPEAK)))
                finally:
                    for task in (*reading, looking):
                        task.cancel()
                    slow.transport.abort()
            self._say(f"All {MESSAGES} messages are sent.")
        except TimeoutError:
            self._say("Stopped: nothing moved for a long time.")
        except asyncio.CancelledError:
            self._say("Stopped.")
            raise

    async def _speak(self, speaker: Speaker) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while self.numbers["sent"] < MESSAGES:
            await speaker.connection.send("x" * SIZE)
            self.numbers["held"] = int(await speaker.connection.recv()) // 1000
            self.numbers["sent"] += 1
            due = max(due + 1 / RATE, clock())  # after a halt it does not hurry
            await asyncio.sleep(due - clock())

    async def _read(self, member: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for _ in member:
                self.numbers["fast"] += 1

    async def _dawdle(self, member: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                if self.pace:
                    await member.recv()
                    self.numbers["slow"] += 1
                await asyncio.sleep(1 / self.pace if self.pace else AGAIN)

    async def _look(self, hall: Hall) -> None:
        while True:
            gone = self.numbers["sent"] and len(hall.members) < 2
            self._say("The server has cut off the slow member." if gone else "Running.")
            await asyncio.sleep(AGAIN)

    def _say(self, said: str) -> None:
        self.said = said
        self._draw()

    def _draw(self) -> None:
        for draw in self._drawn:
            draw()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        text = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return beside(text, lambda: _widget(self), **kwargs)


def _widget(readers: Readers) -> Any:
    """The live form: what is chosen, and a bar for each number."""
    import ipywidgets

    from ..forms import form

    loop = asyncio.get_running_loop()
    wide = {"description_width": "14em"}
    most, colours = {"held": MESSAGES * SIZE // 1000}, {"fast": "success", "slow": "info", "held": "danger"}
    bars = {
        name: ipywidgets.IntProgress(
            max=most.get(name, MESSAGES),
            description=words,
            bar_style=colours.get(name, ""),
            style=wide,
            layout={"width": "40em", "max_width": "85%"},
        )
        for name, words in ROWS.items()
    }
    counts = {name: ipywidgets.Label("0") for name in ROWS}
    said = ipywidgets.Label(readers.said)
    ways = ipywidgets.RadioButtons(
        options=list(readers.ways), value=readers.way, description="the server sends", style=wide
    )
    ways.layout.width = "max-content"
    pace = ipywidgets.IntSlider(
        min=0, max=RATE, value=readers.pace, description="slow member reads / s", style=wide,
        layout={"width": "40em", "max_width": "90%"},
    )  # fmt: skip
    start, stop = ipywidgets.Button(description="Start"), ipywidgets.Button(description="Stop")

    def draw() -> None:
        for name, bar in bars.items():
            bar.value, counts[name].value = readers.numbers[name], f"{readers.numbers[name]:,}"
        said.value = readers.said

    readers._drawn.append(draw)
    ways.observe(lambda change: readers.choose(change["new"]), "value")
    pace.observe(lambda change: setattr(readers, "pace", change["new"]), "value")
    # A button may be heard on another thread; the run belongs to the kernel's loop.
    start.on_click(lambda _: loop.call_soon_threadsafe(readers.start))
    stop.on_click(lambda _: loop.call_soon_threadsafe(readers.stop))
    rows = [ipywidgets.HBox([bars[name], counts[name]]) for name in ROWS]
    return form(ways, pace, ipywidgets.HBox([start, stop, said]), *rows)
