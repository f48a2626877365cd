"""An endpoint that sends exactly the bytes it is given, and shows what comes back.

It knows nothing of WebSocket but how to cut what it reads: it answers no ping, echoes no close, and checks nothing.
What it sends and reads is recorded like everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

from ..anatomy.field import Sender
from ..drawing.sheet import Sheet, Shown, sheet_of
from ..drawing.visible import count
from ..protocol import Frame, Head, build_request, build_response, dissect, parse_frame, parse_head
from ..protocol.header import HEADER, payload_length
from .errors import StreamEnded
from .secret import parted
from .tap import SAMPLE_KEY, TappedTransport, wire_key
from .waiting import Changes, Closes

if TYPE_CHECKING:
    from ..protocol.dissection import Dissection
    from ..protocol.handshake import Headers
    from ..recording.trace import Trace

TIMEOUT = 5.0  # seconds that a receiver waits for its peer unless told otherwise
QUIET = 0.1  # seconds of silence after which a peer is taken to have said all that it had to say
LONGEST_HEAD = 65536
ENDED = {"FIN": "; the peer ended its stream (FIN)", "RST": "; the peer reset the connection (RST)"}


class _Refused(asyncio.Protocol):
    """A second client of an endpoint that takes one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


class RawEndpoint(Closes, asyncio.Protocol, Shown):
    """One end of a TCP connection, in your hands. ``Lab.raw`` makes it.

    ``sent`` and ``received`` hold all bytes so far, ``uri`` is where it is connected to, or where it listens, and
    ``ended`` is how the peer's stream ended: ``"FIN"``, ``"RST"``; empty while it has not. Everything that waits takes
    a ``timeout`` in seconds, or None, and raises TimeoutError after it. It belongs to the event loop that made it.
    """

    _transport: TappedTransport  # from when it has joined the trace
    _server: Any = None
    _joined = _reset = _taken = _closed = False
    _read = 0  # how much of what was received somebody has asked for
    ended = ""

    def __init__(
        self, trace: Trace, end: Sender, register: dict[RawEndpoint, None], uri: str | None = None, gives: str = ""
    ) -> None:
        self._gives = gives  # the secret of the server at ``uri``
        self.trace, self.end, self.uri, self._register = trace, end, uri, register
        self.sent, self.received = bytearray(), bytearray()
        self.loop = asyncio.get_running_loop()
        self._changes = Changes()
        self._writable = asyncio.Event()
        self._gone: asyncio.Future[None] = self.loop.create_future()
        register[self] = None

    # What asyncio tells its protocol. ``send`` waits while the transport's buffer is full.

    def accept(self) -> asyncio.Protocol:
        """A protocol factory for asyncio; the first connection is this endpoint's."""
        taken, self._taken = self._taken, True
        return _Refused() if taken else self

    def listening(self, server: Any, uri: str) -> None:
        """Have it wait for the one client of ``server``."""
        self._server, self.uri = server, uri

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._server is not None:
            self._server.close()
        tap = self.trace.join(self.end, wire_key(transport))
        self._transport = TappedTransport(cast(asyncio.Transport, transport), tap, gives=self._gives)
        self._joined = True
        self._writable.set()
        self._changes.tell()

    def data_received(self, data: bytes) -> None:
        self._transport.tap.received(data)
        self.received += data
        self._changes.tell()

    def eof_received(self) -> bool:
        self._transport.tap.fin_received()
        self.ended = self.ended or "FIN"
        self._changes.tell()
        return bool(self._transport.can_write_eof())  # over TLS, asyncio knows no half-closed connection

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._reset:
            self._transport.note_lost(exc)
        self._transport.tap.closed()
        self.ended = "RST" if isinstance(exc, OSError) else self.ended or "closed here"
        self._writable.set()
        self._register.pop(self, None)
        self._gone.set_result(None)
        self._changes.tell()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # What its owner does.

    @property
    def connection(self) -> int | None:
        """Its number in the trace; None while nobody has connected."""
        return self._transport.tap.connection if self._joined else None

    @property
    def open(self) -> bool:
        """Whether it can send: somebody is connected, and it has not ended its stream."""
        return self._joined and self._transport.open and not self._gone.done()

    async def connected(self, timeout: float | None = TIMEOUT) -> Self:
        """Wait until a client has connected; what needs that waits by itself."""
        await self._until(lambda: self._joined or self._closed, timeout, "no client connected")
        if not self._joined:
            raise ConnectionError("this endpoint was closed before a client connected")
        return self

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send exactly these bytes, as one write. Raises ConnectionError when the connection is gone."""
        await self.connected()
        if not self.open:
            raise ConnectionError("this endpoint has ended its stream, or lost its connection: it cannot send any more")
        self.sent += data
        self._transport.write(bytes(data))
        await self._writable.wait()

    async def recv(self, n: int | None = None, timeout: float | None = TIMEOUT) -> bytes:
        """The next ``n`` bytes; fewer only where the stream ends. None takes what is there, at least one byte."""
        if (wanted := 1 if n is None else n) < 0:
            raise ValueError(f"n={n}: a number of bytes is 0 or more, or None for what is there")
        otherwise = f"fewer than {count(wanted, 'byte')} came"
        await self._until(lambda: self.ended or len(self.received) - self._read >= wanted, timeout, otherwise)
        return self._take(len(self.received) if n is None else self._read + n)

    async def recv_until_quiet(self, quiet: float = QUIET, timeout: float | None = TIMEOUT) -> bytes:
        """What comes until the stream ends, or nothing came for ``quiet`` seconds."""
        seen = -1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while seen != len(self.received) and not self.ended:
                    seen = len(self.received)
                    await asyncio.wait({self._gone}, timeout=quiet)
        return self._take(len(self.received))

    async def recv_to_end(self, timeout: float | None = TIMEOUT) -> bytes:
        """What comes until the peer's stream ends."""
        await self._until(lambda: self.ended, timeout, "the peer did not end its stream")
        return self._take(len(self.received))

    async def recv_head(self, timeout: float | None = TIMEOUT) -> Head:
        """The peer's HTTP head, up to its empty line. Raises StreamEnded where the stream ends before."""
        start = self._read

        def ready() -> bool:
            return bool(self.ended) or b"\r\n\r\n" in self.received[start:] or len(self.received) - start > LONGEST_HEAD

        await self._until(ready, timeout, "no whole HTTP head came")
        if (end := self.received.find(b"\r\n\r\n", start)) < 0:
            raise StreamEnded(f"the peer sent {count(len(self.received) - start, 'byte')} and no whole HTTP head")
        return parse_head(self._take(end + 4), self.end.peer, offset=start)

    async def recv_frame(self, timeout: float | None = TIMEOUT) -> Frame:
        """The peer's next frame (RFC 6455 5.2), legal or not. Raises StreamEnded where the stream ends before."""
        start = self._read
        try:
            data = await self._exactly(2, timeout)
            data += await self._exactly(HEADER[data[1]] - 2, timeout)
            data += await self._exactly(payload_length(data, 1), timeout)
        except (StreamEnded, TimeoutError):
            self._read = start  # these bytes are still there to be read
            raise
        return parse_frame(data, sender=self.end.peer, offset=start)

    async def _exactly(self, n: int, timeout: float | None) -> bytes:
        data = await self.recv(n, timeout) if n else b""
        if len(data) < n:
            raise StreamEnded(f"the peer's stream ended ({self.ended}) {count(n - len(data), 'byte')} short of a frame")
        return data

    async def handshake(
        self, target: str = "/", headers: Headers = (), *, key: str = SAMPLE_KEY, timeout: float | None = TIMEOUT
    ) -> Head:
        """The opening handshake, this end's part of it (RFC 6455 4.1 and 4.2); the peer's head, unchecked.

        A client asks for ``target`` with the Sec-WebSocket-Key ``key``; a server answers the key it got. ``headers``
        are header lines to change, add or leave out, as ``wslab.protocol.build_request`` takes them.
        """
        if self.end is Sender.CLIENT:
            host = urlsplit(self.uri or "").netloc or "127.0.0.1"
            await self.send(build_request(parted(target)[0], headers, host=host, key=key))
            return await self.recv_head(timeout)
        request = await self.recv_head(timeout)
        await self.send(build_response("".join(request.get("Sec-WebSocket-Key")[:1]), headers))
        return request

    async def finish(self) -> None:
        """End this end's stream with FIN and go on reading (half-closed). Raises NotImplementedError over TLS."""
        await self.connected()
        if not self._transport.can_write_eof():
            raise NotImplementedError("over TLS asyncio cannot close one direction alone: close() closes both")
        self._transport.write_eof()

    async def close(self) -> None:
        """Close: FIN, wait up to a second for the peer's, then let go. Calling it again does nothing."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        if not self._joined:
            self._register.pop(self, None)
            self._changes.tell()
            return
        if not self._gone.done() and not self._transport.is_closing():
            if self._transport.can_write_eof():
                with contextlib.suppress(OSError):  # the peer's RST is there, and asyncio has not told it yet
                    self._transport.write_eof()
                with contextlib.suppress(TimeoutError):
                    await self._until(lambda: self.ended, 1.0, "")
            self._transport.close()
        await asyncio.wait({self._gone}, timeout=1.0)
        if not self._gone.done():
            self._transport.abort()

    def reset(self) -> asyncio.Future[None]:
        """Tear the connection down with RST, at once. Await what it returns to know that it happened."""
        if self._joined and not self._gone.done():
            self._reset = True
            self._transport.reset()
        return asyncio.shield(self._gone) if self._joined else asyncio.ensure_future(asyncio.sleep(0))

    # How it shows itself.

    @property
    def dissection(self) -> Dissection:
        """Both directions so far, explained."""
        ours, theirs = bytes(self.sent), bytes(self.received)
        return dissect(ours, theirs) if self.end is Sender.CLIENT else dissect(theirs, ours)

    def _sheet(self) -> Sheet:
        from ..drawing.blocks import Words  # loaded when something is shown

        sent, received = count(len(self.sent), "byte"), count(len(self.received), "byte")
        state = f": sent {sent}, received {received}{ENDED.get(self.ended, '')}"
        summary = f"raw {self.end.label}{state if self._joined else ', not connected yet'}"
        found = sheet_of(self.dissection).blocks if self.sent or self.received else []
        return Sheet("A raw end", [Words(summary), *found])

    def _take(self, stop: int) -> bytes:
        start, self._read = self._read, min(stop, len(self.received))
        return bytes(self.received[start : self._read])

    async def _until(self, ready: Callable[[], object], timeout: float | None, otherwise: str) -> None:
        await self._changes.until(ready, timeout, lambda: f"{otherwise} within {timeout:g} s")
