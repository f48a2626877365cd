"""``End``: one end of a live connection that a lab holds, driven from any thread, by the library or byte by byte.

Theory. A connection belongs to the event loop that made it: a client to the kernel's loop, a server's connection to the
loop of the server's thread. An ``End`` holds it, works on that loop, and may be used from any. A lab keeps no ends.

There are two ways to send. ``websockets`` builds the frame, refuses what the protocol forbids, and changes its state.
Or bytes go straight into the transport: they are recorded like all others, nothing is refused, and the library never
learns of them. A raw endpoint has no library. There the first way builds a frame, masked where a client sends it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, Protocol

from websockets.exceptions import ConcurrencyError, ConnectionClosed, ProtocolError
from websockets.protocol import OPEN

from ..anatomy.field import Sender
from ..anatomy.record import Kind
from ..protocol.builder import build_close, build_frame
from ..protocol.states import State
from ..protocol.words import BINARY, CLOSE, PING, PONG, TEXT, opcode_name
from .errors import CannotSend, LibraryRefuses
from .tap import SAMPLE_MASK, Seed, Tapped
from .waiting import keep, run_on

if TYPE_CHECKING:
    from ..recording.trace import Trace
    from .raw import RawEndpoint

RAW_KIND: Final = "raw"
# Seconds between two looks at whether the library has sent its close frame; it waits while a message is being sent.
TURN = 0.01


def masking_keys(seed: Seed, purpose: str) -> Iterator[bytes]:
    """Masking keys for frames that are written by hand: from a strong source of entropy (RFC 6455 5.3), or by the seed.

    The seed ``"rfc"`` gives the RFC's own key again and again. Two purposes get different keys of one seed.
    """
    if seed == "rfc":
        return repeat(SAMPLE_MASK)
    draw = secrets.token_bytes if seed is None else random.Random(f"{seed!r} {purpose}").randbytes
    return iter(partial(draw, 4), b"")


class End:
    """One end of a live connection, as ``Lab.ends`` gives it. Any thread and any loop may use it.

    What sends returns the number of the record that came of it, or None where no whole frame did. It raises CannotSend
    where the connection is not open and, all but ``write``, LibraryRefuses for what ``websockets`` does not send.

    Attributes:
        kind: ``"client"`` or ``"server"``, which ``websockets`` drives, or ``"raw"``, which nobody does.
        connection: the connection's number in the trace.
        loop: the event loop that it belongs to.
        key: what no other end of the lab is called: ``"client 0"`` is the client's end of connection 0.
        label: ``● client of connection 0``.
    """

    def __init__(
        self, kind: str, trace: Trace, loop: asyncio.AbstractEventLoop, connection: int | None, end: Sender
    ) -> None:
        assert connection is not None
        self.kind, self.trace, self.loop, self.connection, self.end = kind, trace, loop, connection, end
        self.key = f"{end.label} {connection}"
        self.label = f"{end.mark} of connection {connection}{', raw' if kind == RAW_KIND else ''}"

    @property
    def open(self) -> bool:
        """Whether bytes can be sent: its TCP connection is there, and it has not ended its stream."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        """The connection's state as this end knows it: of the library, or by what a raw endpoint has sent and seen."""
        raise NotImplementedError

    async def write(self, data: bytes | bytearray | memoryview) -> int | None:
        """Send exactly these bytes, as one write. Nothing is checked, and no library learns of it."""
        return await self._here(self._write_now, bytes(data))

    async def send(self, message: str | bytes) -> int | None:
        """Send a message of one frame, TEXT for ``str`` and BINARY for ``bytes`` (RFC 6455 5.6)."""
        return await self._here(self._give, TEXT if isinstance(message, str) else BINARY, message)

    async def ping(self, data: str | bytes = b"") -> int | None:
        """Send a ping with that payload (RFC 6455 5.5.2), and do not wait for the pong."""
        return await self._here(self._give, PING, data)

    async def pong(self, data: str | bytes = b"") -> int | None:
        """Send a pong that no ping asked for."""
        # RFC 6455 5.5.3: "A Pong frame MAY be sent unsolicited."
        return await self._here(self._give, PONG, data)

    async def close(self, code: int | None = 1000, reason: str = "") -> int | None:
        """Send a close frame (RFC 6455 5.5.1), and wait for nothing; with ``code`` None it has no status code.

        A library then waits for the peer's close frame and closes the TCP connection; a raw endpoint does nothing more.
        """
        return await self._here(self._give, CLOSE, code, reason)

    def __repr__(self) -> str:
        return f"<End {self.label}, {self.state.value if self.open else 'no longer open'}>"

    async def _here(self, act: Callable[..., Awaitable[int | None]], *given: Any) -> int | None:
        """Run ``act`` on the loop that owns this end."""

        async def run() -> int | None:
            if not self.open:
                raise CannotSend(f"{self.label} cannot send any more: its stream has ended, or its connection is gone")
            return await act(*given)

        return await run_on(self.loop, run())

    async def _write_now(self, data: bytes) -> int | None:
        raise NotImplementedError

    async def _give(self, opcode: int, *given: Any) -> int | None:
        """Send a frame of that opcode; ``given`` is its payload or, of a close frame, the status code and reason."""
        raise NotImplementedError

    def _record_since(self, number: int, opcode: int | None = None) -> int | None:
        """The first frame that this end has sent since there were ``number`` records."""
        frames = (
            record.number
            for record in self.trace.between(number, self.trace.total)
            if (record.connection, record.sender, record.kind) == (self.connection, self.end, Kind.FRAME)
            and opcode in (None, record.first & 0b1111)
        )
        return next(frames, None)


class _LibraryEnd(End):
    """An end that ``websockets`` drives. Its state knows nothing of bytes that went past the library."""

    def __init__(self, connection: Tapped) -> None:
        self._library, joint = connection, connection.wslab
        super().__init__(joint.end.label, joint.trace, connection.loop, connection.wslab_tap.connection, joint.end)

    @property
    def open(self) -> bool:
        return self._library.wslab_wire.open

    @property
    def state(self) -> State:
        return State[self._library.protocol.state.name]

    async def _write_now(self, data: bytes) -> int | None:
        before = self.trace.total
        self._library.wslab_wire.write_as_it_is(data)
        number = self._record_since(before)
        await self._library.drain()
        return number

    async def _say_bye(self, code: int | None, reason: str) -> None:
        """Have the library close, and wait no longer than until its close frame is sent."""
        closing = keep(self.loop.create_task(self._library.close(code, reason)))  # type: ignore[arg-type]
        while not closing.done() and self._library.protocol.state is OPEN:
            await asyncio.wait({closing}, timeout=TURN)
        if closing.done():
            closing.result()

    async def _give(self, opcode: int, *given: Any) -> int | None:
        if self.state is not State.OPEN:
            raise CannotSend(
                f"{self.label} is {self.state.value}: websockets sends only while its own state is OPEN "
                "(RFC 6455 6.1). The same as exact bytes is refused by nobody"
            )
        library = self._library
        acts: dict[int, Callable[..., Awaitable[object]]] = {
            TEXT: library.send, BINARY: library.send, PING: library.ping, PONG: library.pong, CLOSE: self._say_bye,
        }  # fmt: skip
        before = self.trace.total
        try:
            await acts[opcode](*given)
        except (ProtocolError, ConcurrencyError, UnicodeError) as error:
            name = opcode_name(opcode)
            what = f"{name} {given[0]}" if opcode == CLOSE and given[0] is not None else f"this {name}"
            raise LibraryRefuses(
                f"websockets does not send {what}: {error}. The same as exact bytes is refused by nobody"
            ) from None
        except ConnectionClosed:
            raise CannotSend(f"{self.label} was closed before this was sent") from None
        return self._record_since(before, opcode)


class _RawEnd(End):
    """A raw endpoint, which has no library: every frame is built by hand, masked where it is the client's."""

    def __init__(self, endpoint: RawEndpoint) -> None:
        super().__init__(RAW_KIND, endpoint.trace, endpoint.loop, endpoint.connection, endpoint.end)
        self._endpoint = endpoint

    @property
    def open(self) -> bool:
        return self._endpoint.open

    @property
    def state(self) -> State:
        return self.trace.states(self.connection)[self.end]

    async def _write_now(self, data: bytes) -> int | None:
        before = self.trace.total
        await self._endpoint.send(data)
        return self._record_since(before)

    async def _give(self, opcode: int, *given: Any) -> int | None:
        build = build_close if opcode == CLOSE else partial(build_frame, opcode=opcode)
        # RFC 6455 5.1: "a client MUST mask all frames that it sends to the server".
        return await self._write_now(build(*given, mask=self.end is Sender.CLIENT))


def living(libraries: Iterable[Any], raws: Iterable[RawEndpoint]) -> tuple[End, ...]:
    """The ends of these connections that have a number in the trace, in the trace's order, the client's first."""
    ends = [*map(_LibraryEnd, libraries), *[_RawEnd(each) for each in raws if each.connection is not None]]
    return tuple(sorted(ends, key=lambda end: (end.connection, end.end)))


class Connects(Protocol):
    """What connects to a lab's server: the lab."""

    def connect(self) -> Awaitable[Any]:
        """See ``Lab.connect``."""

    def raw(self) -> Awaitable[RawEndpoint]:
        """See ``Lab.raw``."""


async def open_client(lab: Connects) -> End:
    """Connect a ``websockets`` client to the lab's server, on the running loop. It drops what it reads."""
    connection = await lab.connect()
    keep(asyncio.get_running_loop().create_task(_read_on(connection)))
    return _LibraryEnd(connection)


async def open_raw(lab: Connects) -> End:
    """Connect a raw endpoint to the lab's server, on the running loop, and do the opening handshake, but no more."""
    endpoint = await lab.raw()
    await endpoint.handshake()
    return _RawEnd(endpoint)


async def _read_on(connection: Any) -> None:
    """Read messages for nobody: what nobody reads makes a library stop reading, close frames included."""
    with suppress(ConnectionClosed):
        async for _ in connection:
            pass
