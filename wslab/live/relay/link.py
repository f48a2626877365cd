"""``Link``: a connection to a relay, the one that the relay makes to its target, and how one is passed on to the other.

Theory. A link begins undecided: it gathers what the client sends until the head of the first request tells whether a
WebSocket conversation begins. Then it passes everything on, by each stream's row of bends. A stream whose row holds
nothing back takes a short way past it.

A slow reader slows down its peer: where a socket takes no more, or much waits in a row, the link reads no more from
the other side, and TCP does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf
from typing import Any, NamedTuple, cast

from ...anatomy.field import Sender
from ...protocol.dissector import Dissector, Mode
from ...protocol.head import Head
from ...recording.trace import Trace
from .. import secret
from ..carrier import GRACE
from ..errors import complaint
from ..reset import reset
from ..waiting import keep
from .bends import Bend, rows
from .notes import LinkNotes, conversation, opaque
from .stages import Acted, Gate, Item, Row, StreamEnd

PATIENCE = 1.0  # seconds that the head of a first request may take; what takes longer passes unrecorded
MUCH = 2**20  # bytes that may wait in one stream's bends before the link reads no more of it
BUFFER = 2**18  # bytes that may wait to be sent by a socket before the link reads no more for it
UNRECORDED = LinkNotes()


class Target(NamedTuple):
    """Where a relay leads."""

    scheme: str
    host: str
    port: int
    path: str  # path and query, as the URI has them

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.scheme in ("wss", "https")


class Traffic:
    """What the links of one relay share. The loop holds it, so it holds neither the relay nor its lease.

    ``others`` is how many connections passed that were no WebSocket conversations, and ``reaching`` what
    ``create_connection`` is given beside host and port.
    """

    def __init__(self, goal: Target, bends: Sequence[Bend], *, through: bool) -> None:
        self.target, self.bends, self.through = goal, tuple(bends), through
        self.trace, self.others = Trace(), 0
        self.links: dict[Link, None] = {}
        self.holding: set[Sender] = set()
        self.ciphertext: dict[int, dict[Sender, bytearray]] = {}
        self.reaching: dict[str, Any] = {}

    def hold(self, senders: Iterable[Sender]) -> None:
        """Have everything wait that these send, on every connection."""
        for sender in senders:
            self.holding.add(sender)
            for link in self.links:
                link.hold(sender)

    def release(self, senders: Iterable[Sender], chunks: int | None) -> None:
        """Let so many chunks go, in the order in which they came; None lets all go, and holds no more."""
        streams = [(link, sender) for link in [*self.links] for sender in senders]
        gates = [(gate, link, sender) for link, sender in streams for gate in link.rows[sender].gates if gate.shut]
        if chunks is None:
            self.holding.difference_update(senders)
            for gate, link, sender in gates:
                gate.shut = False
                if gate.chunks:
                    link.release(sender, gate, len(gate.chunks))
                link.choose(sender)
        for _ in range(chunks or 0):
            if not (waiting := [each for each in gates if each[0].chunks]):
                break
            gate, link, sender = min(waiting, key=lambda each: each[0].chunks[0])
            link.release(sender, gate, 1)


class _LinkSide(asyncio.Protocol):
    """One of a link's two sockets: the one from which ``sender``'s bytes come.

    ``take`` is called with these bytes; ``ended`` is how the sender ended its stream, once it did. It is ``deaf`` where
    it takes no bytes: it is not connected yet, its stream was ended here, or it is gone.
    """

    write: Callable[[bytes], object]
    closing: Callable[[], bool]
    transport: asyncio.Transport | None = None
    ended: StreamEnd | None = None
    deaf = True
    full = paused = cut = lost = False

    def __init__(self, link: Link, sender: Sender) -> None:
        self._link, self.sender = link, sender
        self.take: Callable[[bytes], object] = partial(link.gather, sender)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(BUFFER)
        self.write, self.deaf, self.closing = self.transport.write, False, self.transport.is_closing
        self._link.made(self)

    def data_received(self, data: bytes) -> None:
        self.take(data)

    def eof_received(self) -> bool:
        self._link.ends(self, StreamEnd.FIN)
        # The other direction stays open until its own end. TLS transports cannot end only one.
        return self.transport is not None and self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self.deaf = True
        end = StreamEnd.FIN if exc is None else StreamEnd.RESET
        if not self.cut and self.ended not in (StreamEnd.RESET, end):
            self._link.ends(self, end)
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
        if self.transport is None or self.lost:
            return
        end = self.transport.write_eof if self.transport.can_write_eof() else self.transport.close
        try:
            end()
        except OSError:  # the peer's RST is there, and asyncio has not told it yet
            self.transport.abort()

    def let_go(self, *, at_once: bool) -> None:
        """Let go of the socket: with RST, or behind what was written."""
        self.deaf = self.cut = True
        if self.transport is None or self.lost:
            return
        if at_once:
            reset(self.transport)
        else:
            self.transport.close()


class Link:
    """A connection to the relay, and the one that it makes to the target."""

    _reaching: asyncio.Task[None]
    _alarm: asyncio.TimerHandle | None = None
    _lingers: asyncio.TimerHandle | None = None
    _decided = False

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.loop = asyncio.get_running_loop()
        self.sides = {sender: _LinkSide(self, sender) for sender in Sender}
        self.notes = UNRECORDED
        self.rows = {sender: Row(()) for sender in Sender}
        self.over = self.loop.create_future()
        self._dissector = Dissector(Sender.CLIENT)
        self._gathered: list[bytes] = []
        own = secret.parted(traffic.target.path)[1]
        self._taker = secret.Taker(traffic.trace, own) if own else None

    # Beginning.

    def made(self, side: _LinkSide) -> None:
        """One of the two connections stands."""
        if side.sender is Sender.CLIENT:
            self.balance(Sender.CLIENT)  # it waits until the target is reached
            self.traffic.links[self] = None
            self._reaching = keep(self.loop.create_task(self._reach()))
            return
        if self.traffic.through:
            streams = self.traffic.ciphertext[len(self.traffic.ciphertext)] = {each: bytearray() for each in Sender}
            self._decide(opaque(streams))
        else:
            self.loop.call_later(PATIENCE, self._decide)
        self.balance(Sender.CLIENT)

    async def _reach(self) -> None:
        goal, client, server = self.traffic.target, self.sides[Sender.CLIENT], self.sides[Sender.SERVER]
        try:
            async with asyncio.timeout(10 * GRACE):
                await self.loop.create_connection(lambda: server, goal.host, goal.port, **self.traffic.reaching)
            if client.lost:  # it did not wait
                self.close()
        except (OSError, TimeoutError) as error:
            tap = self.traffic.trace.join(Sender.CLIENT, object())
            tap.note(f"the relay cannot reach {goal.host}:{goal.port}: {complaint(error)}")
            tap.closed()
            server.lost = True
            client.let_go(at_once=True)
            self.gone()

    def gather(self, sender: Sender, data: bytes) -> None:
        """Bytes came before it was decided what this is."""
        if sender is Sender.SERVER:  # in HTTP the client speaks first
            self._decide()
            self.sides[sender].take(data)
            return
        if self._taker is not None:
            data = self._taker.take(data)
        self._gathered.append(data)
        heads = [head for head in self._dissector.feed(data).heads if isinstance(head, Head)]
        if any("websocket" in value.lower() for head in heads for value in head.get("Upgrade")):
            self._decide(conversation(self.traffic.trace, apart=any(bend.alters for bend in self.traffic.bends)))
        elif self._dissector.mode is not Mode.HEAD or heads:
            self._decide()

    def _decide(self, notes: LinkNotes = UNRECORDED) -> None:
        """Pass on from now what was gathered and what comes. Without ``notes`` it is neither recorded nor bent."""
        if self._decided or self.over.done():
            return
        self._decided, self.notes = True, notes
        server = self.sides[Sender.SERVER]
        if self._taker is not None and not server.deaf:
            self._gathered.append(self._taker.rest())
            server.write = secret.giving(self._taker.taken, server.write)
        if notes is UNRECORDED:
            self.traffic.others += 1
        else:
            self.rows = rows(self.traffic.bends)
            for sender in self.traffic.holding:
                self.rows[sender].gates[-1].shut = True
        for sender in Sender:
            self.choose(sender)
        for sender, row in self.rows.items():
            self._out(sender, row.begin(self.loop.time()))
        for data in filter(None, self._gathered):
            self.sides[Sender.CLIENT].take(data)
        self._schedule()

    def choose(self, sender: Sender) -> None:
        """Take the short way past a row that holds nothing back."""
        row, side, other = self.rows[sender], self.sides[sender], self.sides[sender.peer]
        read, handed = self.notes.read[sender], self.notes.handed[sender]

        def pass_by(data: bytes) -> None:
            read(data)
            if not other.deaf:
                handed(data)
                other.write(data)

        def bend(data: bytes) -> None:
            read(data)
            self._pass_on(sender, row.push(self.loop.time(), data))

        side.take = bend if any(not isinstance(stage, Gate) or stage.shut for stage in row.stages) else pass_by

    # Passing on.

    def _pass_on(self, sender: Sender, items: Iterable[Item]) -> None:
        self._out(sender, items)
        self.balance(sender)
        self._schedule()

    def _out(self, sender: Sender, items: Iterable[Item]) -> None:
        """Send what comes out at the end of a stream's row."""
        other = self.sides[sender.peer]
        for item in items:
            if isinstance(item, bytes):
                if not (other.deaf or other.closing()):  # asyncio would drop it, and complain on standard error
                    self.notes.handed[sender](item)
                    other.write(item)
            elif isinstance(item, Acted):
                self.notes.bend(sender, item)
            elif item is StreamEnd.RESET:
                self._reset(sender)
                return
            elif not other.deaf:
                self.notes.end(sender, item, handed=True)
                other.finish()
        self._perhaps_over()

    def _reset(self, sender: Sender) -> None:
        """Tear down what stands: the peer's connection and, if no RST of the sender's asked for it, the sender's."""
        for side, stream in ((self.sides[sender.peer], sender), (self.sides[sender], sender.peer)):
            if not side.lost:
                self.notes.end(stream, StreamEnd.RESET, handed=True)
                side.let_go(at_once=True)

    def ends(self, side: _LinkSide, end: StreamEnd) -> None:
        """A peer ended its stream."""
        self._decide()
        side.ended = end
        self.notes.end(side.sender, end, handed=False)
        self._out(side.sender, self.rows[side.sender].push(self.loop.time(), end))
        self._schedule()

    def release(self, sender: Sender, gate: Gate, chunks: int) -> None:
        """Let chunks go that wait at a gate."""
        self._pass_on(sender, self.rows[sender].release(self.loop.time(), gate, chunks))

    def hold(self, sender: Sender) -> None:
        """Let nothing more go on until it is released."""
        if self.notes is not UNRECORDED:
            gate = self.rows[sender].gates[-1]
            gate.acting = gate.acting and gate.shut
            gate.shut = True
            self.choose(sender)

    def balance(self, sender: Sender) -> None:
        """Read from the sender as long as there is room for what it sends."""
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

    def _schedule(self) -> None:
        """Wake the rows when the first of them is due."""
        due = min(row.due for row in self.rows.values())
        if self._alarm is not None and self._alarm.when() > due:
            self._alarm.cancel()
            self._alarm = None
        if self._alarm is None and due < inf and not self.over.done():
            self._alarm = self.loop.call_at(due, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        for sender, row in self.rows.items():
            self._out(sender, row.wake(self.loop.time()))
            self.balance(sender)
        self._schedule()

    # Ending.

    def _perhaps_over(self) -> None:
        """Let go of both sockets if both streams have come to their ends, or go nowhere any more."""
        sides = self.sides.values()
        if all(side.ended for side in sides) and all(row.empty for row in self.rows.values()):
            self.close()
        elif all(side.deaf for side in sides) and self._lingers is None and self._decided:
            # Both peers were told that it is over, and get a moment to say the same.
            self._lingers = self.loop.call_later(GRACE, self.close)

    def close(self, *, at_once: bool = False) -> None:
        """Let go of both sockets, behind what was written or at once."""
        if self.sides[Sender.SERVER].transport is None:
            self._reaching.cancel()
            self.sides[Sender.SERVER].lost = True
        for side in self.sides.values():
            side.let_go(at_once=at_once)

    def finish(self) -> None:
        """End both streams, since the relay closes."""
        for sender in Sender:
            if self._decided and not self.sides[sender.peer].deaf:
                self.notes.end(sender, StreamEnd.FIN, handed=True)
                self.sides[sender.peer].finish()
        self.close()

    def gone(self) -> None:
        """One of the two connections is lost."""
        if self.over.done():
            return
        if not all(side.lost for side in self.sides.values()):
            self._perhaps_over()
            return
        for timer in (self._alarm, self._lingers):
            if timer is not None:
                timer.cancel()
        self.traffic.links.pop(self, None)
        self.notes.closed()  # which wakes those who wait for it
        self.over.set_result(None)
