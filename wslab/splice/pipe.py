"""Two connections joined into one: bytes go on as they come, and so do an end of stream and a reset.

Theory. Each connection has a protocol (asyncio's word) that writes what it reads to the other connection. If one side
does not take bytes fast enough, the pipe stops reading from the other, so nothing piles up here. An end of stream (FIN)
ends one direction and leaves the other open. A reset (RST) ends both at once, and is passed on to the other side.

The page's connection comes from tornado. Its ``IOStream`` closes both directions at an end of stream, so the pipe takes
the socket out of it. With TLS it cannot; there the stream stays, and an end of stream ends both directions.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import cast

from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from ..live.reset import reset

ADDRESS = "127.0.0.1"
CHUNK = 65536
SWITCHED = b"HTTP/1.1 101 "
_copying: set[asyncio.Future[None]] = set()


class _PipeSide(asyncio.Protocol):
    other: _PipeSide
    transport: asyncio.Transport | None = None
    ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.other.transport is None:
            self.transport.pause_reading()  # the other connection is not there yet

    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        self.other.write_eof()
        if self.other.ended:
            self.close()
            self.other.close()
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if exc is None:
            self.other.close()
        else:
            self.other.reset()

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.other.resume_reading()

    def resume_reading(self) -> None:
        if self.transport is not None:
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def write_eof(self) -> None:
        if self.transport is not None:
            self.transport.write_eof()

    def close(self) -> None:
        """Write what waits, then end."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """End at once, with RST."""
        if self.transport is not None:
            reset(self.transport)


class _PageSide(_PipeSide):
    """The page's connection. One request of it may pass."""

    refused = False

    def data_received(self, data: bytes) -> None:
        """Pass it on, unless the lab refused: then it is another request, for Jupyter, and may hold a login."""
        if self.refused:
            self.other.write_eof()
        else:
            self.other.write(data)


class _LabSide(_PipeSide):
    """The connection to the lab. Its first bytes tell whether the lab switched protocols."""

    other: _PageSide
    start = b""

    def data_received(self, data: bytes) -> None:
        if len(self.start) < len(SWITCHED):
            self.start += data[: len(SWITCHED) - len(self.start)]
            self.other.refused = not SWITCHED.startswith(self.start)
        self.other.write(data)

    def eof_received(self) -> bool:
        super().eof_received()
        if self.other.refused:
            self.other.close()
        return True


class Pipe:
    """A connection to a port of this machine, to which a page's connection can be joined."""

    def __init__(self, port: int) -> None:
        self._port, self._page, self._lab = port, _PageSide(), _LabSide()
        self._page.other, self._lab.other = self._lab, self._page

    async def connect(self) -> None:
        """Connect to the port. Raises OSError if nothing listens there."""
        await asyncio.get_running_loop().create_connection(lambda: self._lab, ADDRESS, self._port)

    async def join(self, stream: IOStream, head: bytes) -> None:
        """Send ``head`` to the port, and from then on pass everything on both ways. ``stream`` is the page's
        connection; from now on it belongs to the pipe."""
        if stream.closed():
            self._lab.close()
            return
        self._lab.write(head)
        sock = _behind_tls(stream) if isinstance(stream, SSLIOStream) else self._taken(stream)
        sock.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self._page, sock)
        self._lab.resume_reading()

    def _taken(self, stream: IOStream) -> socket.socket:
        """The socket of ``stream``, which is closed; what tornado has read of it already goes to the lab."""
        sock = stream.socket.dup()
        with contextlib.suppress(StreamClosedError):
            # One read takes everything that tornado holds. It reads from the socket only if tornado holds nothing.
            reading = asyncio.ensure_future(stream.read_bytes(stream.max_buffer_size, partial=True))
            if reading.done():
                self._lab.write(reading.result())
        stream.close()  # the connection stays open by the duplicate
        if stream.error is not None:
            self._lab.reset()  # that read met an RST, which a socket tells only once
        return sock


def _behind_tls(stream: IOStream) -> socket.socket:
    """A socket that reads what ``stream`` decrypts, and whose writes ``stream`` encrypts."""
    near, far = socket.socketpair()
    inner = IOStream(far)
    for source, sink in ((stream, inner), (inner, stream)):
        task = asyncio.ensure_future(_copy(source, sink))
        _copying.add(task)
        task.add_done_callback(_copying.discard)
    return near


async def _copy(source: IOStream, sink: IOStream) -> None:
    with contextlib.suppress(StreamClosedError):
        while True:
            await sink.write(await source.read_bytes(CHUNK, partial=True))
    source.close()
    sink.close()
