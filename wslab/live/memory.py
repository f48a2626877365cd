"""A network for one event loop, with no sockets and no threads.

Theory. ``websockets`` reaches the network through two methods of the running loop, ``create_server`` and
``create_connection``. A ``Network`` answers both for one private host name, and leaves every other host to the loop's
own methods. Its transports keep asyncio's and TCP's manners, because lessons and tests are about those:

- What was written in one turn of the loop may be read in one piece, and one large write in several: a read is at most
  ``READ`` bytes of what is there.
- ``KERNEL`` bytes of a direction count as lying in the kernels' socket buffers: they survive ``abort()`` and
  ``reset()``. More fills the transport's own write buffer, whose limits pause and resume the writing protocol.
- ``write_eof()`` and ``close()`` send FIN behind the data. An end that closes with unread bytes sends RST, and so does
  one that is written to when it is gone. RST is read behind the data, too.

Everything happens in the order of the loop's callbacks, so a run repeats byte for byte.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from collections.abc import Callable, Hashable
from types import SimpleNamespace
from typing import Any, cast

from .waiting import Changes

DOMAIN = "wslab.invalid"  # a name that can be no real host's (RFC 2606 2)
ADDRESS = "127.0.0.1"  # what both ends say their host is
FIRST_PORT = 1234
FIRST_CLIENT_PORT = 50001
REPLACED = ("create_server", "create_connection")  # the methods of a loop by which programs reach the network
READ = 64 * 1024
KERNEL = 64 * 1024

Address = tuple[str, int]
ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory. asyncio says what its methods do."""

    _protocol: asyncio.Protocol
    _peer: MemoryTransport
    _fin = _rst = False  # what stands behind the unread bytes
    _closing = _lost = _pumping = _paused = _told_to_pause = _reading_ended = _reset_came = False
    _high, _low = 64 * 1024, 16 * 1024

    def __init__(self, loop: asyncio.AbstractEventLoop, own: Address, other: Address, link: Hashable) -> None:
        super().__init__({"sockname": own, "peername": other, "wslab.link": link})
        self._loop = loop
        self._unread = bytearray()  # written here, not yet read there
        self.at_its_end: Callable[[], object] = bool  # nothing

    # Reading: what the peer wrote reaches the protocol in a later turn of the loop.

    def _schedule(self) -> None:
        if not self._pumping and not self._lost:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        peer = self._peer
        if self._closing or self._paused or self._reading_ended:
            return
        if peer._unread:
            data = bytes(peer._unread[:READ])
            del peer._unread[:READ]
            peer._relieved()
            self._protocol.data_received(data)
            if peer._unread or peer._fin or peer._rst:
                self._schedule()
        elif peer._rst:
            self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
        elif peer._fin:
            self._reading_ended = True
            if not self._protocol.eof_received():
                self.close()

    def is_reading(self) -> bool:
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._schedule()

    # Writing.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data``. Raises RuntimeError after ``write_eof``, as asyncio does."""
        if self._closing or not data:
            return
        if self._fin:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not self._peer._lost:
            self._unread += data
            if self.get_write_buffer_size() > self._high and not self._told_to_pause:
                self._told_to_pause = True
                self._protocol.pause_writing()
            self._peer._schedule()
        # "If the connection does not exist ... then a reset is sent in response" (RFC 9293 3.5.2). Who has read the
        # end of the stream looks no more, and finds out at the next write.
        elif not self._reading_ended:
            self._peer._rst = True
            self._schedule()
        elif not self._reset_came:
            self._reset_came = True
        else:
            self._loop.call_soon(self._lose, BrokenPipeError(errno.EPIPE, "Broken pipe"))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._closing and not self._fin:
            self._fin = True
            self._peer._schedule()

    def _relieved(self) -> None:
        size = self.get_write_buffer_size()
        if self._told_to_pause and size <= self._low:
            self._told_to_pause = False
            self._protocol.resume_writing()
        if self._closing and not size:
            self._loop.call_soon(self._lose, None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = 64 * 1024 if low is None else 4 * low
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return max(0, len(self._unread) - KERNEL)

    # Ending.

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self.get_write_buffer_size():
                self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        del self._unread[KERNEL:]
        self._closing = True
        self._loop.call_soon(self._lose, None)

    def reset(self) -> None:
        """Tear the connection down with RST."""
        self._rst = True
        self.abort()

    def _lose(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        # RFC 9293 3.10.4 and RFC 1122 4.2.2.13: to close with unread data is to lose it, and TCP says so with RST.
        if self._peer._unread:
            self._rst = True
        self._peer._unread.clear()
        self._fin = True
        if exc is None:
            self._peer._schedule()
        else:
            self._unread.clear()
        self.at_its_end()
        self._protocol.connection_lost(exc)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol


class MemoryServer(asyncio.AbstractServer):
    """What ``create_server`` gives for a host in memory."""

    def __init__(self, network: Network, port: int, factory: ProtocolFactory) -> None:
        self._network, self.port, self.factory = network, port, factory
        self.sockets = (SimpleNamespace(family=socket.AF_INET, getsockname=lambda: (ADDRESS, port)),)
        self._connections: set[MemoryTransport] = set()
        self._changes, self._serving = Changes(), True

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._network.loop

    def is_serving(self) -> bool:
        return self._serving

    async def start_serving(self) -> None:
        pass

    async def serve_forever(self) -> None:
        await self.wait_closed()

    def close(self) -> None:
        self._serving = False
        self._network.listeners.pop(self.port, None)
        self._changes.tell()

    async def wait_closed(self) -> None:
        await self._changes.until(lambda: not (self._serving or self._connections), None, str)

    def accept(self, transport: MemoryTransport) -> None:
        """Count a connection in, and out at its end."""

        def forget() -> None:
            self._connections.discard(transport)
            self._changes.tell()

        self._connections.add(transport)
        transport.at_its_end = forget


class Network:
    """Hosts in memory under one private name, on one loop."""

    _numbers = itertools.count()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.host = f"lab{next(self._numbers)}.{DOMAIN}"
        self.listeners: dict[int, MemoryServer] = {}
        # Every port that was ever listened on here: those are this network's, also when nobody listens any more.
        self.ports: set[int] = set()
        self._client_ports = itertools.count(FIRST_CLIENT_PORT)
        _gate(loop).networks[self.host] = self

    def detach(self) -> None:
        """Give the loop its own methods back, if no other network needs them changed."""
        for server in list(self.listeners.values()):
            server.close()
        gate = _gate(self.loop)
        gate.networks.pop(self.host, None)
        for name in () if gate.networks else REPLACED:
            if getattr(vars(self.loop).get(name), "__self__", None) is gate:  # nobody else has replaced it since
                delattr(self.loop, name)

    async def create_server(
        self, protocol_factory: ProtocolFactory, port: int | None = None, *, ssl: Any = None, **_: Any
    ) -> MemoryServer:
        """Listen on ``port``, or on the first free one from ``FIRST_PORT`` on."""
        _no_tls(ssl)
        if not port:
            port = next(number for number in itertools.count(FIRST_PORT) if number not in self.listeners)
        if port in self.listeners:
            raise OSError(errno.EADDRINUSE, f"address already in use: port {port} of this lab's memory")
        self.ports.add(port)
        return self.listeners.setdefault(port, MemoryServer(self, port, protocol_factory))

    async def create_connection(
        self, protocol_factory: ProtocolFactory, port: int | None = None, *, ssl: Any = None, **_: Any
    ) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        """Connect to ``port``. Raises ConnectionRefusedError where nobody listens."""
        _no_tls(ssl)
        server = self.listeners.get(port or 0)
        if server is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens on port {port} of this lab's memory")
        here, there, link = (ADDRESS, next(self._client_ports)), (ADDRESS, server.port), object()
        ours, theirs = (MemoryTransport(self.loop, *ends, link) for ends in ((here, there), (there, here)))
        ours._peer, theirs._peer = theirs, ours
        ours.set_protocol(protocol := protocol_factory())
        theirs.set_protocol(accepting := server.factory())
        server.accept(theirs)
        self.loop.call_soon(accepting.connection_made, theirs)
        self.loop.call_soon(protocol.connection_made, ours)
        try:
            await asyncio.sleep(0)  # both are told first
        except asyncio.CancelledError:
            ours.close()
            raise
        return ours, protocol


def _no_tls(ssl: Any) -> None:
    if ssl is not None and ssl is not False:
        raise ValueError("there is no TLS in memory: use Lab(carrier='tcp') for wss://")


class _LoopPatch:
    """Stands before a loop's own ``create_server`` and ``create_connection``, and sends each host its way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.networks: dict[str, Network] = {}
        self._own_server, self._own_connection = loop.create_server, loop.create_connection
        for name in REPLACED:
            try:
                setattr(loop, name, getattr(self, name))
            except AttributeError:
                raise RuntimeError(
                    f"{type(loop).__name__} lets nobody replace its {name}, which a network in memory needs: "
                    "use asyncio's own event loop, or Lab(carrier='tcp')"
                ) from None

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        if isinstance(host, str) and host in self.networks:
            return await self.networks[host].create_server(protocol_factory, port, **kwargs)
        return await self._own_server(protocol_factory, host, port, **kwargs)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        if isinstance(host, str) and host in self.networks:
            return await self.networks[host].create_connection(protocol_factory, port, **kwargs)
        return await self._own_connection(protocol_factory, host, port, **kwargs)


def _gate(loop: asyncio.AbstractEventLoop) -> _LoopPatch:
    gate = getattr(loop.create_server, "__self__", None)
    return gate if isinstance(gate, _LoopPatch) else _LoopPatch(loop)
