"""What a visit to a page costs in each of four ways, computed from measured bytes, and the curves of it.

Measured here and now are the bytes of an opening, of an update, of a request that brings nothing, of a message of the
page, and the delays. The rest is arithmetic: how often each of these occurs in a visit.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from ...drawing import style
from ...drawing.blocks import Table, Words
from ...drawing.cell import beside
from ...drawing.sheet import Sheet
from ...drawing.style import themed
from ...drawing.table import Column
from ...protocol import build_frame
from ...protocol.words import PING, PONG
from .ways import (
    EVENTS,
    EVERY,
    LONG_POLLING,
    POLLING,
    WEBSOCKET,
    Delivered,
    Feed,
    Socket,
    chunk,
    deliver,
    serving,
    update,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot

FOUR = (POLLING, LONG_POLLING, EVENTS, WEBSOCKET)
"""From the simplest to the one that needs most: an ordinary request, a late answer, an endless one, a new protocol."""
HOLD = 30  # seconds after which a long poll is answered with nothing, so that no proxy gives up
COMMENT = 15  # seconds between two comments in a stream of events, for the same reason
HEARTBEAT = 20  # seconds between two pings of a WebSocket server
RATES = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
INTERVALS = (0.2, 0.5, 1, 5, 30)  # seconds between two polls
SOON = 0.05  # seconds; a mean delay below this is not told to the millisecond, since it is another in each run


class Costs(NamedTuple):
    """What was measured, in bytes and in seconds."""

    opening: Mapping[str, float]  # by way: once for each connection
    each: Mapping[str, float]  # by way: for an update
    empty: float  # for a request that brings nothing
    say: Mapping[str, float]  # by way: for a message of the page, as large as an update
    alive: Mapping[str, float]  # by way: for each sign of life on a connection that stays open
    delay: Mapping[str, float]  # by way, the mean; for polling, as a share of the interval


async def measure(made: Mapping[str, Delivered] | None = None) -> Costs:
    """Measure what each way costs.

    Args:
        made: deliveries that were made before; a few updates are delivered in the ways that are not among them.
    """
    known = dict(made or {})
    for way in FOUR[1:]:
        known[way] = known.get(way) or await deliver(way, 20)
    feed = Feed()
    async with serving(feed, POLLING) as wire:
        await wire.fetch("/poll?after=000")
        empty = wire.bytes
        for _ in range(10):
            feed.publish()
        await wire.fetch("/poll?after=000")
        full = wire.bytes - empty
        before = wire.bytes
        await wire.fetch("/say", update(0))
        post = wire.bytes - before
    async with serving(Feed(), WEBSOCKET) as wire:
        socket = Socket(wire)
        await socket.open()
        before = wire.bytes
        await socket.say(update(0))
        frame = wire.bytes - before
    ping, pong = build_frame(b"", opcode=PING), build_frame(b"", opcode=PONG, mask=bytes(4))
    delays = {way: known[way].delay for way in FOUR[1:]}
    return Costs(
        opening={POLLING: 0, LONG_POLLING: 0, **{way: known[way].opening for way in FOUR[2:]}},
        each={POLLING: (full - empty) / 10, **{way: known[way].each for way in FOUR[1:]}},
        empty=empty,
        say={**dict.fromkeys(FOUR[:3], post), WEBSOCKET: frame},
        alive={EVENTS: len(chunk(":\n\n")), WEBSOCKET: len(ping) + len(pong)},
        delay={POLLING: known[POLLING].delay / EVERY if POLLING in known else 0.5, **delays},
    )


class Stay(NamedTuple):
    """Somebody who looks at a page for a while."""

    updates: float  # a minute
    talks: bool  # whether the page says as much as it gets
    delay: float  # seconds that an update may wait at most
    minutes: float


def bill(costs: Costs, visit: Stay) -> dict[str, float]:
    """The bytes that a visit takes in each way. Polls come as seldom as the delay allows."""
    seconds, updates = 60 * visit.minutes, visit.updates * visit.minutes
    said = {way: costs.say[way] * updates if visit.talks else 0 for way in FOUR}
    polls = 1 + seconds / visit.delay
    silent = max(0.0, seconds / HOLD - updates)
    return {
        POLLING: said[POLLING] + polls * costs.empty + updates * costs.each[POLLING],
        LONG_POLLING: said[LONG_POLLING] + silent * costs.empty + updates * costs.each[LONG_POLLING],
        EVENTS: said[EVENTS] + _kept_open(costs, EVENTS, updates, seconds / COMMENT),
        WEBSOCKET: said[WEBSOCKET] + _kept_open(costs, WEBSOCKET, updates, seconds / HEARTBEAT),
    }


def _kept_open(costs: Costs, way: str, updates: float, signs: float) -> float:
    return costs.opening[way] + updates * costs.each[way] + signs * costs.alive[way]


def a_minute(costs: Costs, rate: float, *, talks: bool, every: float) -> dict[str, float]:
    """The bytes of a minute in each way, over a visit of an hour.

    Args:
        costs: as they were measured.
        rate: updates a minute.
        talks: whether the page says as much as it gets.
        every: seconds between two polls.
    """
    return {way: size / 60 for way, size in bill(costs, Stay(rate, talks, every, 60)).items()}


def rounded(value: float, digits: int = 2) -> str:
    """A number with so many digits that mean something, and zeros after them."""
    return f"{float(f'{value:.{digits}g}'):,.0f}" if value >= 10 else f"{value:.{digits}g}"


class Curves:
    """Bytes a minute and mean delays of the four ways. In a notebook it has sliders and a switch.

    Args:
        costs: as they were measured.
        rate: updates a minute, where the mark stands.
        talks: whether the page says as much as it gets.
        every: seconds between two polls.
    """

    def __init__(self, costs: Costs, rate: float = 10, *, talks: bool = False, every: float = 1) -> None:
        self.costs, self.rate, self.talks, self.every = costs, rate, talks, every

    @property
    def situation(self) -> str:
        """What is shown, in words."""
        says = "the client talks back as often" if self.talks else "the client only listens"
        return f"{self.rate:g} updates a minute; {says}; a poll every {self.every:g} s"

    def rows(self) -> list[tuple[str, str, str, str]]:
        """By way, the bytes of a minute, these against WebSocket's, and the delay as far as each run gives the same."""
        sizes = a_minute(self.costs, self.rate, talks=self.talks, every=self.every)
        one = sizes[WEBSOCKET]
        return [(way, rounded(size), f"{rounded(size / one)} ×", self._wait(way)) for way, size in sizes.items()]

    def _wait(self, way: str) -> str:
        delay = self.delay(way)
        if way == POLLING:
            return f"{round(4 * self.costs.delay[way]) / 4 * self.every:g} s"  # in quarters of the interval
        return f"under {SOON:g} s" if delay < SOON else f"{delay:.1f} s"

    def delay(self, way: str) -> float:
        """The mean delay of an update, in seconds."""
        return self.costs.delay[way] * (self.every if way == POLLING else 1)

    def __repr__(self) -> str:
        return self.table().text()

    def table(self) -> Sheet:
        """The numbers where the mark stands."""
        heads = ("bytes a minute", "against WebSocket", "mean delay")
        columns = (Column("way"), *(Column(head, right=True) for head in heads))
        return Sheet("Four ways", [Words(self.situation), Table(columns, self.rows(), row_heading=0)])

    def plot(self) -> Plot:
        """The curves, by matplotlib."""
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        with rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
            plot = Figure(figsize=(9.5, 3.6))
            plot.subplots_adjust(left=0.1, right=0.99, bottom=0.14, top=0.82, wspace=0.2)
            left, right = plot.subplots(1, 2)
            self._draw(left, right)
            handles, names = left.get_legend_handles_labels()
            plot.legend(handles, names, loc="upper center", ncols=4, frameon=False, labelcolor=style.INK)
        return plot

    def _draw(self, left: Axes, right: Axes) -> None:
        from matplotlib.ticker import NullLocator

        sizes = [a_minute(self.costs, rate, talks=self.talks, every=self.every) for rate in RATES]
        for place, (way, (ink, dashes)) in enumerate(_LINES.items()):
            look: dict[str, Any] = {"color": ink, "linestyle": dashes, "linewidth": 2.2, "label": way}
            look["zorder"] = 3 - place / 10  # where curves meet, the one without gaps lies lowest
            left.plot(RATES, [one[way] for one in sizes], **look)
            right.plot(RATES, [self.delay(way)] * len(RATES), **look)
        for axes, title in ((left, "bytes a minute"), (right, "mean delay in seconds")):
            axes.set(xscale="log", yscale="log", xlabel="updates a minute")
            axes.set_title(title, loc="left", fontweight="bold", color=style.INK)
            axes.axvline(self.rate, color=style.INK, linewidth=0.9)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(_plain)
                axis.set_minor_locator(NullLocator())  # hundreds of small ticks take seconds to draw
            axes.tick_params(colors=style.INK)
            axes.xaxis.label.set_color(style.INK)
            for edge in axes.spines.values():
                edge.set_color(style.RULE)
        left.set_ylim(10, 3e6)
        right.set_ylim(min(1e-4, *(self.delay(way) / 2 for way in FOUR)), 60)

    def svg(self) -> str:
        """The curves in the colours of the page, light or dark."""
        from matplotlib import rc_context

        page = io.StringIO()
        # A page's own fonts, ids that are the same in every run, and no date.
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "wslab"}):
            self.plot().savefig(page, format="svg", transparent=True, metadata={"Date": None})
        drawn = page.getvalue()
        drawn = drawn[drawn.index("<svg ") :]
        start, rest = drawn.split(">", 1)
        # The style sheet that matplotlib writes would hold for every drawing on the page.
        rest = rest.replace(rest[rest.index("<style") : rest.index("</style>") + 8], "", 1)
        for name, ink in _INKS.items():
            rest = rest.replace(ink, f"var(--wsv-{name},{ink})")
        told = f"<title>{escape(self.situation)}</title>\n<desc>{escape(repr(self))}</desc>"
        return themed(f'{start} role="img">{told}{rest}')

    def png(self) -> bytes:
        """The curves on white paper."""
        page = io.BytesIO()
        self.plot().savefig(page, format="png", dpi=100, facecolor=style.PAPER)
        return page.getvalue()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        still = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": repr(self)}
        return beside(still, lambda: curves_form(self), **kwargs)


_VIOLET = "#a05fd6"  # can be read on light and on dark ground
_LINES: Mapping[str, tuple[str, str]] = {
    POLLING: (style.SOFT, ":"),
    LONG_POLLING: (_VIOLET, "--"),
    EVENTS: (style.LANE_INKS[1], "-."),
    WEBSOCKET: (style.LANE_INKS[0], "-"),
}
_INKS = {
    "ink": style.INK, "soft": style.SOFT, "rule": style.RULE,
    "client": style.LANE_INKS[0], "server": style.LANE_INKS[1],
}  # fmt: skip


def _plain(value: float, _: object = None) -> str:
    """A number on an axis."""
    return f"{value:,.0f}" if value >= 1 else f"{value:f}".rstrip("0")


def curves_form(curves: Curves) -> Any:
    """The curves with what moves them."""
    import ipywidgets

    from ..forms import form

    def slider(label: str, places: Sequence[float], at: float) -> Any:
        return ipywidgets.SelectionSlider(
            options=[(f"{place:g}", place) for place in places], value=at, description=label,
            style={"description_width": "9em"}, layout={"width": "100%", "max_width": "40em"},
        )  # fmt: skip

    rate = slider("updates a minute", RATES, curves.rate)
    every = slider("poll every (s)", INTERVALS, curves.every)
    talks = ipywidgets.Checkbox(curves.talks, description="the client talks back", indent=False)
    page, table = ipywidgets.HTML(), ipywidgets.HTML()

    def show(_: object = None) -> None:
        curves.rate, curves.every, curves.talks = rate.value, every.value, talks.value
        page.value, table.value = curves.svg(), curves.table().html()

    for one in (rate, every, talks):
        one.observe(show, "value")
    show()
    return form(rate, every, talks, page, table)
