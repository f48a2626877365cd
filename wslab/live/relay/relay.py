"""``Relay``: a recording TCP relay between any two peers, which can bend what passes.

Theory. A relay accepts a connection, makes one to its target, and hands on what it reads: bytes, the end of a stream
(FIN) in each direction on its own, and RST as RST. It speaks no protocol. It reads the head of a client's first
request only to see whether a WebSocket conversation begins. One that does is recorded; anything else, such as the other
requests of a page, passes unrecorded and unbent, and is counted.

A conversation is one connection of the relay's trace: a client's bytes are noted as sent when the relay reads them and
as received when it hands them on, so what a bend delays or drops shows as arrows that slant or never arrive. Where a
bend alters bytes the two halves differ, and they are two connections: one between client and relay, and one between
relay and server.

Who reads too slowly slows down who writes: where a socket takes no more, or much waits in a bend, the relay reads
no more from the other side, and TCP does the rest.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast
from urllib.parse import urlsplit

from ...anatomy.field import Sender
from ...drawing.visible import count
from ...protocol.dissector import Dissector, Mode
from ...recording.trace import Trace
from .. import showing
from ..carrier import ADDRESS, GRACE, port_of
from ..errors import NotLoopback, complaint, port_taken
from ..estate import Closer, Estate, Lease, replace_helpers
from ..guard import is_loopback
from ..reset import reset
from ..showing import Alive
from ..waiting import keep, settle
from .bends import SENDERS, Bend, RewriteHeader, StripHeader, rows
from .stages import Acted, Gate, Item, Row, StreamEnd

if TYPE_CHECKING:
    from ...recording.tape import Tap

DEFAULT_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
SECURE = {"wss", "https"}
THROUGH = "through"
PATIENCE = 1.0
"""Seconds that the head of a first request may take; what takes longer passes unrecorded."""
MUCH = 2**20
"""Bytes that may wait in one stream's bends before the relay reads no more of it."""
CIPHERTEXT = 2**24
"""Bytes of ciphertext that are kept of each stream, from its beginning."""
BUFFER = 2**18
"""Bytes that a socket may owe before the relay reads no more for it."""


class Target(NamedTuple):
    """Where a relay leads."""

    scheme: str
    host: str
    port: int
    path: str
    """Path and query, as the URI has them."""

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.scheme in SECURE


def target(uri: str, *, remote: bool = False) -> Target:
    """What a URI of the schemes ws, wss, http or https leads to.

    Raises:
        ValueError: it is no such URI.
        NotLoopback: it leads to another machine, and ``remote`` is False.
    """
    try:
        parts = urlsplit(uri)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"to={uri!r}: expected a URI such as ws://127.0.0.1:1234/, but {error}") from None
    if scheme not in DEFAULT_PORTS or not host:
        raise ValueError(f"to={uri!r}: expected a URI such as ws://127.0.0.1:1234/; http, https and wss will do too")
    if not (remote or is_loopback(f"[{host}]" if ":" in host else host)):
        raise NotLoopback(
            f"to={uri!r}: {host} is not this machine. A relay sends on what any program here gives it, and records it; "
            "if that is what you want, say so: remote=True (wslab watch --remote)"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme, host, DEFAULT_PORTS[scheme] if port is None else port, path)


_Contexts = tuple[ssl.SSLContext, ssl.SSLContext] | tuple[None, None]


def _contexts(estate: Estate, goal: Target, tls: str | ssl.SSLContext | None) -> _Contexts:
    """What a relay's own side and its side towards the target do with TLS. Raises ValueError for a wrong ``tls``."""
    if tls is not None and tls != THROUGH and not isinstance(tls, ssl.SSLContext):
        raise ValueError(f"tls={tls!r}: expected None, an ssl.SSLContext for the target, or {THROUGH!r}")
    if not goal.secure or tls == THROUGH:
        return None, None
    own = estate.authority.server_context()
    if isinstance(tls, ssl.SSLContext):
        return own, tls
    trusting = ssl.create_default_context(cadata=estate.authority.pem.decode("ascii"))
    trusting.load_default_certs()
    trusting.set_alpn_protocols(["http/1.1"])
    return own, trusting


def _nothing(_: object = None) -> None:
    """Note nothing."""


class _Unrecorded:
    """Notes nothing."""

    number: int | None = None

    def __init__(self) -> None:
        self.read: dict[Sender, Callable[[bytes], object]] = dict.fromkeys(Sender, _nothing)
        self.handed: dict[Sender, Callable[[bytes], object]] = dict.fromkeys(Sender, _nothing)

    def end_read(self, sender: Sender, end: StreamEnd) -> None:
        """The relay was told that the sender ended its stream."""

    def end_handed(self, sender: Sender, end: StreamEnd) -> None:
        """The relay ended that stream towards the sender's peer."""

    def bend(self, sender: Sender, text: str) -> None:
        """A bend acted on that stream."""

    def closed(self) -> None:
        """Both connections are over."""


class _Opaque(_Unrecorded):
    """Keeps the bytes as they are, since nobody here can read them."""

    def __init__(self, streams: dict[Sender, bytearray]) -> None:
        super().__init__()
        self.read = {sender: partial(self._keep, streams[sender]) for sender in Sender}

    def _keep(self, stream: bytearray, data: bytes) -> None:
        stream += data[: CIPHERTEXT - len(stream)]


_Point = tuple["Tap", str]
"""A tap, and which of its methods is told: ``sent`` or ``received``, and for an end ``fin_sent`` and so on."""
_ENDS = {StreamEnd.FIN: "fin", StreamEnd.RESET: "reset"}


class _Recorded(_Unrecorded):
    """One conversation in the trace: a connection, or two where what goes on is not what came."""

    def __init__(self, trace: Trace, *, apart: bool) -> None:
        super().__init__()
        near = self._join(trace)
        far = self._join(trace) if apart else near
        self.number = near[Sender.CLIENT].connection
        self._taps = [*near.values(), *(far.values() if apart else ())]
        self._read: dict[Sender, list[_Point]] = {}
        self._handed: dict[Sender, list[_Point]] = {}
        self._bent: dict[Sender, Tap] = {}
        for sender in Sender:
            here, there = (near, far) if sender is Sender.CLIENT else (far, near)
            self._read[sender] = [(here[sender], "sent")]
            self._handed[sender] = [(there[sender.peer], "received")]
            self._bent[sender] = there[sender]
            if apart:
                self._read[sender].append((here[sender.peer], "received"))
                self._handed[sender].insert(0, (there[sender], "sent"))
        self.read = {sender: _all(points) for sender, points in self._read.items()}
        self.handed = {sender: _all(points) for sender, points in self._handed.items()}
        if apart:
            near[Sender.CLIENT].bend(f"goes on as connection {far[Sender.CLIENT].connection}")
            far[Sender.CLIENT].bend(f"comes from connection {self.number}")

    @staticmethod
    def _join(trace: Trace) -> dict[Sender, Tap]:
        key = object()
        return {sender: trace.join(sender, key) for sender in Sender}

    def end_read(self, sender: Sender, end: StreamEnd) -> None:
        for tap, verb in self._read[sender]:
            getattr(tap, f"{_ENDS[end]}_{verb}")()

    def end_handed(self, sender: Sender, end: StreamEnd) -> None:
        for tap, verb in self._handed[sender]:
            getattr(tap, f"{_ENDS[end]}_{verb}")()

    def bend(self, sender: Sender, text: str) -> None:
        self._bent[sender].bend(text)

    def closed(self) -> None:
        for tap in self._taps:
            tap.closed()


def _all(points: Sequence[_Point]) -> Callable[[bytes], object]:
    first, *rest = (getattr(tap, verb) for tap, verb in points)
    if not rest:
        return cast(Callable[[bytes], object], first)
    (second,) = rest

    def both(data: bytes) -> None:
        first(data)
        second(data)

    return both


class _LinkSide(asyncio.Protocol):
    """One of a link's two sockets: the one from which ``sender``'s bytes come."""

    def __init__(self, link: _Link, sender: Sender) -> None:
        self._link, self.sender = link, sender
        self.transport: asyncio.Transport | None = None
        self.take: Callable[[bytes], object] = partial(link.gather, sender)
        self.ended: StreamEnd | None = None
        """How the sender ended its stream, once it did."""
        self.deaf = True
        """Whether it takes no bytes: not connected yet, its stream was ended here, or it is gone."""
        self.full = self.paused = self.cut = self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(BUFFER)
        self.deaf = False
        self._link.made(self)

    def data_received(self, data: bytes) -> None:
        self.take(data)

    def eof_received(self) -> bool:
        self._link.ends(self, StreamEnd.FIN)
        # The other direction stays open until its own end; TLS transports have no half that could.
        return self.transport is not None and self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self.deaf = True
        if not self.cut and self.ended is not StreamEnd.RESET:
            if exc is not None:
                self._link.ends(self, StreamEnd.RESET)
            elif self.ended is None:
                self._link.ends(self, StreamEnd.FIN)
        self._link.gone()

    def pause_writing(self) -> None:
        self.full = True
        self._link.balance(self.sender.peer)

    def resume_writing(self) -> None:
        self.full = False
        self._link.balance(self.sender.peer)

    def finish(self) -> None:
        """Send FIN behind what was written."""
        self.deaf = True
        if self.transport is not None and not self.lost:
            if self.transport.can_write_eof():
                try:
                    self.transport.write_eof()
                except OSError:  # the peer's RST is there, and asyncio has not told it yet
                    self.transport.abort()
            else:
                self.transport.close()

    def reset(self) -> None:
        """Send RST."""
        self.deaf = self.cut = True
        if self.transport is None or self.lost:
            return
        reset(self.transport)


class _Link:
    """A connection to the relay and the one that it makes to the target."""

    def __init__(self, traffic: _Traffic) -> None:
        self.traffic = traffic
        self.loop = asyncio.get_running_loop()
        self.sides = {sender: _LinkSide(self, sender) for sender in Sender}
        self.notes: _Unrecorded = _Unrecorded()
        self.rows = {sender: Row(()) for sender in Sender}
        self.over = self.loop.create_future()
        self._decided = False
        self._dissector = Dissector(Sender.CLIENT)
        self._gathered: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._lingers: asyncio.TimerHandle | None = None
        self._reaching: asyncio.Task[None] | None = None

    # Beginning.

    def made(self, side: _LinkSide) -> None:
        """One of the two connections stands."""
        if side.sender is Sender.CLIENT:
            assert side.transport is not None
            side.paused = True
            side.transport.pause_reading()  # until there is somebody to read for
            self.traffic.links[self] = None
            self._reaching = keep(self.loop.create_task(self._reach()))
            return
        if self.traffic.through:
            self._decide(_Opaque(self.traffic.new_ciphertext()), rows(self.traffic.bends))
        else:
            self._timer = self.loop.call_later(PATIENCE, self._decide)
        self.balance(Sender.CLIENT)

    async def _reach(self) -> None:
        goal = self.traffic.target
        try:
            async with asyncio.timeout(10 * GRACE):
                await self.loop.create_connection(
                    lambda: self.sides[Sender.SERVER], goal.host, goal.port, **self.traffic.reaching
                )
        except (OSError, TimeoutError) as error:
            tap = self.traffic.trace.join(Sender.CLIENT, object())
            tap.note(f"the relay cannot reach {goal.host}:{goal.port}: {complaint(error)}")
            tap.closed()
            self.sides[Sender.SERVER].lost = True
            self.sides[Sender.CLIENT].reset()
            self.gone()
        else:
            if self.sides[Sender.CLIENT].lost:  # it did not wait
                self.close()

    def gather(self, sender: Sender, data: bytes) -> None:
        """Bytes came before it was decided what this is."""
        if sender is Sender.SERVER:  # who speaks first speaks no HTTP
            self._decide()
            self.sides[sender].take(data)
            return
        self._gathered.append(data)
        found = self._dissector.feed(data)
        if any("websocket" in value.lower() for head in found.heads for value in head.get("Upgrade")):
            bends = self.traffic.bends
            notes = _Recorded(self.traffic.trace, apart=any(bend.alters for bend in bends))
            self._decide(notes, rows(bends))
        elif self._dissector.mode is not Mode.HEAD or found.heads:
            self._decide()

    def _decide(self, notes: _Unrecorded | None = None, own: dict[Sender, Row] | None = None) -> None:
        """Pass on from now: what was gathered, and what comes. Without ``notes`` this is no conversation."""
        if self._decided:
            return
        self._decided = True
        self._schedule(cancel=True)
        if notes is None:
            self.traffic.others += 1
        else:
            self.notes = notes
            self.rows = own or self.rows
            for sender in self.traffic.holding:
                self.rows[sender].gates[-1].shut = True
        for sender in Sender:
            self.choose(sender)
        if notes is not None:
            for sender, row in self.rows.items():
                self._out(sender, row.begin(self.loop.time()))
        gathered, self._gathered = self._gathered, []
        for data in gathered:
            self.sides[Sender.CLIENT].take(data)
        self._schedule()

    def choose(self, sender: Sender) -> None:
        """Take the short way where nothing bends."""
        row, side, other = self.rows[sender], self.sides[sender], self.sides[sender.peer]
        if any(not isinstance(stage, Gate) or stage.shut for stage in row.stages):
            side.take = partial(self._bend, sender)
            return
        read, handed = self.notes.read[sender], self.notes.handed[sender]

        def take(data: bytes) -> None:
            read(data)
            if not other.deaf:
                handed(data)
                cast(asyncio.Transport, other.transport).write(data)

        side.take = take

    # Passing on.

    def _bend(self, sender: Sender, data: bytes) -> None:
        self.notes.read[sender](data)
        self._out(sender, self.rows[sender].push(self.loop.time(), data))
        self.balance(sender)
        self._schedule()

    def _out(self, sender: Sender, items: Iterable[Item]) -> None:
        """What comes out at the end of a stream's row."""
        other = self.sides[sender.peer]
        for item in items:
            if isinstance(item, bytes):
                if not other.deaf:
                    self.notes.handed[sender](item)
                    cast(asyncio.Transport, other.transport).write(item)
            elif isinstance(item, Acted):
                self.notes.bend(sender, item)
            elif item is StreamEnd.RESET:
                self._reset(sender)
                return
            elif not other.deaf:
                self.notes.end_handed(sender, item)
                other.finish()
        self._perhaps_over()

    def _reset(self, sender: Sender) -> None:
        """Tear down what stands: the peer's connection and, where the relay does it unasked, the sender's too."""
        for side, stream in ((self.sides[sender.peer], sender), (self.sides[sender], sender.peer)):
            if not side.lost:
                self.notes.end_handed(stream, StreamEnd.RESET)
                side.reset()

    def ends(self, side: _LinkSide, end: StreamEnd) -> None:
        """A peer ended its stream."""
        if not self._decided:
            self._decide()
        side.ended = end
        self.notes.end_read(side.sender, end)
        self._out(side.sender, self.rows[side.sender].push(self.loop.time(), end))
        self._schedule()

    def release(self, sender: Sender, gate: Gate, chunks: int) -> None:
        """Let chunks go that wait at a gate."""
        self._out(sender, self.rows[sender].release(self.loop.time(), gate, chunks))
        self.balance(sender)
        self._schedule()

    def hold(self, sender: Sender) -> None:
        """Let nothing more go on until it is released."""
        if isinstance(self.notes, _Recorded | _Opaque):
            gate = self.rows[sender].gates[-1]
            gate.acting = gate.acting and gate.shut
            gate.shut = True
            self.choose(sender)

    def balance(self, sender: Sender) -> None:
        """Read from the sender as long as there is room for it."""
        side, other = self.sides[sender], self.sides[sender.peer]
        if side.transport is None or side.lost or side.cut:
            return
        pause = other.full or other.transport is None or self.rows[sender].held > MUCH
        if pause is not side.paused:
            side.paused = pause
            if pause:
                side.transport.pause_reading()
            else:
                side.transport.resume_reading()

    def _schedule(self, *, cancel: bool = False) -> None:
        """Wake the bends when the first of them is due."""
        due = min(row.due for row in self.rows.values()) if self._decided else inf
        timer = self._timer
        if timer is not None and (cancel or timer.when() > due):
            timer.cancel()
            timer = self._timer = None
        if timer is None and due < inf and not self.over.done():
            self._timer = self.loop.call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        for sender, row in self.rows.items():
            self._out(sender, row.wake(self.loop.time()))
            self.balance(sender)
        self._schedule()

    # Closer.

    def _perhaps_over(self) -> None:
        """Let go of both sockets when both streams came to their ends, or go nowhere any more."""
        sides = self.sides.values()
        if all(side.ended for side in sides) and all(row.empty for row in self.rows.values()):
            self.close()
        elif all(side.deaf for side in sides) and self._lingers is None and self._decided:
            # Both peers were told that it is over, and get a moment to say the same.
            self._lingers = self.loop.call_later(GRACE, self.close)

    def close(self) -> None:
        """Let go of both sockets, behind what was written."""
        if self.sides[Sender.SERVER].transport is None and self._reaching is not None:
            self._reaching.cancel()
            self.sides[Sender.SERVER].lost = True
        for side in self.sides.values():
            side.deaf = side.cut = True
            if side.transport is not None and not side.lost:
                side.transport.close()

    def cut(self) -> None:
        """Let go of both at once."""
        for side in self.sides.values():
            side.reset()

    def finish(self) -> None:
        """End both streams, since the relay closes."""
        if not self._decided:
            self.close()
            return
        for sender in Sender:
            if not self.sides[sender.peer].deaf:
                self.notes.end_handed(sender, StreamEnd.FIN)
                self.sides[sender.peer].finish()
        self.close()

    def gone(self) -> None:
        """One of the two connections is lost."""
        if self.over.done():
            return
        if all(side.lost for side in self.sides.values()):
            for timer in (self._timer, self._lingers):
                if timer is not None:
                    timer.cancel()
            self.traffic.links.pop(self, None)
            self.notes.closed()  # which wakes whoever waits for it
            self.over.set_result(None)
        else:
            self._perhaps_over()


class _Traffic:
    """What a relay's links have in common. The loop holds it, so it holds neither the relay nor its lease."""

    def __init__(self, goal: Target, bends: Sequence[Bend], *, through: bool) -> None:
        for bend in bends:
            if not isinstance(bend, Bend):
                raise TypeError(
                    f"bends=[{bend!r}]: expected bends such as wslab.live.relay.bends.Delay(0.2); "
                    "for a terminal's words there is wslab.live.relay.bends.parse"
                )
            if through and (isinstance(bend, StripHeader | RewriteHeader) or isinstance(bend.at, str)):
                raise ValueError(
                    f"bends=[{bend!r}] with tls='through': neither headers nor frames can be found in ciphertext; "
                    "say behind how many bytes it acts, such as at=5000"
                )
        self.target, self.bends, self.through = goal, tuple(bends), through
        self.trace = Trace()
        self.links: dict[_Link, None] = {}
        self.others = 0
        self.holding: set[Sender] = set()
        self.ciphertext: dict[int, dict[Sender, bytearray]] = {}
        self.reaching: dict[str, Any] = {}
        """What ``create_connection`` is told beside host and port."""

    def new_ciphertext(self) -> dict[Sender, bytearray]:
        """Where the next connection's bytes are kept."""
        return self.ciphertext.setdefault(len(self.ciphertext), {sender: bytearray() for sender in Sender})

    def hold(self, senders: Iterable[Sender]) -> None:
        """Have everything wait that these send, on every connection."""
        for sender in senders:
            self.holding.add(sender)
            for link in self.links:
                link.hold(sender)

    def release(self, senders: Iterable[Sender], chunks: int | None) -> None:
        """Let so many chunks go, in the order in which they came; None lets all go, and holds no more."""
        gates = [
            (link, sender, gate)
            for link in [*self.links]
            for sender in senders
            for gate in link.rows[sender].gates
            if gate.shut
        ]
        if chunks is None:
            self.holding.difference_update(senders)
            for link, sender, gate in gates:
                gate.shut = False
                if gate.chunks:
                    link.release(sender, gate, len(gate.chunks))
                link.choose(sender)
            return
        for _ in range(chunks):
            waiting = [(gate.chunks[0], link, sender, gate) for link, sender, gate in gates if gate.chunks]
            if not waiting:
                return
            _, link, sender, gate = min(waiting, key=lambda one: one[0])
            link.release(sender, gate, 1)


class Relay(Alive):
    """A relay between any two peers. ``Lab.relay`` makes it, and it keeps the lab open. Any thread may use it."""

    def __init__(self, lease: Lease, traffic: _Traffic, closer: Closer) -> None:
        self._lease, self._traffic, self._closer = lease, traffic, closer
        self.trace = traffic.trace
        """The recording of what passed, a ``Trace`` of the relay's own."""

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 on which it listens."""
        return self._closer.port

    @property
    def uri(self) -> str:
        """Where to connect to instead of the target; its path and query are the target's."""
        goal = self._traffic.target
        # By name where there is TLS, since a certificate is asked for by name (SNI, RFC 6066 3).
        return f"wss://localhost:{self.port}{goal.path}" if goal.secure else f"ws://{ADDRESS}:{self.port}{goal.path}"

    @property
    def bends(self) -> tuple[Bend, ...]:
        """What it does to each conversation, in this order."""
        return self._traffic.bends

    @property
    def connections(self) -> tuple[int, ...]:
        """The numbers of the conversations that are open, as the trace counts connections."""
        numbers = (link.notes.number for link in tuple(self._traffic.links))
        return tuple(number for number in numbers if number is not None)

    @property
    def others(self) -> int:
        """How many connections passed that were no WebSocket conversations."""
        return self._traffic.others

    @property
    def held(self) -> int:
        """How many chunks wait to be released."""
        links = tuple(self._traffic.links)
        return sum(len(gate.chunks) for link in links for row in link.rows.values() for gate in row.gates)

    @property
    def ciphertext(self) -> dict[int, dict[Sender, bytes]]:
        """With ``tls="through"``: for each connection what crossed, by sender, the first 16 MiB of it."""
        return {
            number: {sender: bytes(stream) for sender, stream in streams.items()}
            for number, streams in tuple(self._traffic.ciphertext.items())
        }

    @property
    def closed(self) -> bool:
        """Whether it was closed, or its lab."""
        return self._closer.begun or self._lease.estate.closed

    def hold(self, direction: str = "both") -> None:
        """Have every chunk that ``"client"``, ``"server"`` or ``"both"`` send wait from now on until it is released."""
        self._soon(partial(self._traffic.hold, SENDERS[direction]))

    def release(self, chunks: int | None = 1, direction: str = "both") -> None:
        """Let so many chunks go that wait, in the order in which they came. None lets all go, and holds no more."""
        self._soon(partial(self._traffic.release, SENDERS[direction], chunks))

    async def settled(self, timeout: float = 5.0) -> None:
        """Wait until every byte, FIN and RST that it was handed has been handed on; what a bend holds back never is.

        A conversation that one peer has ended is settled when the other has, too. For what the peers read and did
        of it, wait for ``lab.settled()``.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: something was still on its way after ``timeout`` seconds; the message says what.
        """

        def half_ended() -> list[str]:
            links = [link for link in tuple(self._traffic.links) if any(side.ended for side in link.sides.values())]
            return [f"the end of connection {link.notes.number}" for link in links if link.notes.number is not None]

        await settle(self.trace, lambda: [*self.trace.on_its_way(), *half_ended()], timeout)

    async def close(self) -> None:
        """Accept no more, end every connection with FIN, and wait until nothing is left.

        Calling it again does nothing. Its panels say that it is closed, and stay.
        """
        if not self.closed:
            await self._closer.close()
            showing.tell_closed(self.trace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "listening"
        bends = f", {count(len(self.bends), 'bend')}" if self.bends else ""
        return f"<Relay on {ADDRESS}, {state}{bends}>"

    def _still(self) -> Trace:
        return self.trace

    def _soon(self, do: Callable[[], None]) -> None:
        loop = self._lease.estate.carrier.loop
        if loop is not None and not self.closed:
            loop.call_soon_threadsafe(do)


async def start(
    lease: Lease, goal: Target, bends: Sequence[Bend], port: int, tls: str | ssl.SSLContext | None
) -> Relay:
    """Start a relay beside a lab; see ``Lab.relay``."""
    estate = lease.estate
    traffic = _Traffic(goal, bends, through=tls == THROUGH)
    own, towards = _contexts(estate, goal, tls)
    if towards is not None:
        traffic.reaching = {"ssl": towards, "server_hostname": goal.host}
    await estate.make_room(port)
    closer = await estate.carrier.run(_listen(estate, traffic, port, own))
    replace_helpers(closer)
    return Relay(lease, traffic, closer)


async def _listen(estate: Estate, traffic: _Traffic, port: int, context: ssl.SSLContext | None) -> Closer:
    """Listen; runs on the server's loop."""
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: _Link(traffic).sides[Sender.CLIENT], ADDRESS, port, ssl=context)
    except OSError as error:
        raise port_taken(port, error) from None

    async def end() -> None:
        """Accept no more, end what passes, and wait until nothing of it is left."""
        estate.helpers.pop(closer, None)
        server.close()
        for step in (_Link.finish, _Link.cut):
            for link in [*traffic.links]:
                step(link)
            if left := [link.over for link in traffic.links]:
                await asyncio.wait(left, timeout=GRACE)

    closer = Closer(estate.carrier, end, port_of(server))
    estate.helpers[closer] = None
    estate.traces.add(traffic.trace)
    return closer
