"""``Lab``: a real server and real clients in this process, every byte of theirs recorded in one trace.

A lab's own part is small. It calls ``websockets.serve`` and ``websockets.connect`` with
other defaults, joins what they make to its trace (``tap``), refuses foreign pages
(``guard``), and ends everything well however the notebook is used: closed, forgotten,
its cell run again, its kernel interrupted or restarted.

What has to be put in order when a lab is gone lives in an ``_Estate``, which knows nothing
of the lab. So a lab that nobody holds any more is collected, and that closes its estate.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import itertools
import logging
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import CONNECTING

from ..anatomy.field import Sender
from ..recording.trace import Trace
from . import article, guard, kernel, tap
from .carrier import ADDRESS, GRACE, Carrier, check_host, check_socket, complaint, keep, make, port_of, port_taken
from .certificates import Authority
from .ends import End, living
from .jupyter import doors
from .jupyter.pages import Page, answering
from .raw import RawEndpoint
from .tls.ciphertext import noted
from .tls.eavesdropping import Ciphertext, Eavesdropped
from .waiting import settle

if TYPE_CHECKING:
    import os
    import ssl

    from .node.process import NodeProcess
    from .relay.bends import Bend
    from .relay.relay import Relay, Relaying

Handler = Callable[[ServerConnection], Awaitable[None]]

GOING_AWAY = 1001
CIPHERTEXTS = 64
"""Connections over TLS whose encrypted bytes are kept, the last ones."""
SERVER_CLOSED = "this server was closed: start another with `await lab.serve()`"
HANDLER_FAILED = "connection handler failed"
"""What ``websockets`` logs when the connection that this failure closed is gone. It was noted when it happened."""


class NoServer(RuntimeError):  # noqa: N818 - the exceptions of this floor say what is the case
    """The lab has no server to connect to."""


class LabClosed(RuntimeError):  # noqa: N818
    """The lab was closed."""


async def echo(connection: ServerConnection) -> None:
    """Send every message back, unchanged."""
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass  # the client left before it was answered, vanished or was refused; the trace shows it


class _Notes(logging.Handler):
    """Turns what ``websockets`` would log as an error into records of the trace."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(logging.ERROR)
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == HANDLER_FAILED:
            return
        exception = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() if exception is None else complaint(exception)
        try:
            record.__dict__["websocket"].wslab_tap.note(text)
        except (KeyError, AttributeError, ReferenceError):  # it is about no connection of ours
            self._trace.note(text)


def _quiet_logger(trace: Trace) -> logging.Logger:
    """A logger outside the hierarchy: nothing reaches stderr, errors reach the trace."""
    logger = logging.Logger("wslab", logging.ERROR)
    logger.addHandler(_Notes(trace))
    return logger


class _Serving:
    """A running server; its methods belong to the server's loop."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.secure = False
        """Whether it speaks TLS."""
        self.server: Any = None
        self.origins: list[Any] | None = None
        """The very list that ``websockets`` looks into at each handshake; None where it lets in everybody."""
        self.accepted: dict[Any, None] = {}
        self.handling: dict[asyncio.Task[Any], ServerConnection] = {}
        self.page: Page | None = None
        """What a plain GET is answered with."""
        self._door: doors.Door | None = None
        self._door_lock = threading.Lock()
        self._ending: asyncio.Task[None] | None = None

    def door(self) -> doors.Door | None:
        """The server's door, opened when it is first asked for; None where the server ends. Any thread may ask."""
        with self._door_lock:
            if self._door is None and self._ending is None and self.server.is_serving():
                self._door = doors.open(self.port)
            return None if self._ending is not None else self._door

    def _shut_door(self) -> None:
        with self._door_lock:
            if self._door is not None:
                self._door.close()

    def wrap(self, handler: Handler) -> Handler:
        """The same handler, known here while it runs, its failure noted."""

        async def handle(connection: Any) -> None:
            task = asyncio.current_task()
            assert task is not None
            self.handling[task] = connection
            try:
                await handler(connection)
            except Exception as error:
                connection.wslab_tap.note(complaint(error))  # before the 1011 that comes of it
                raise
            finally:
                del self.handling[task]

        return handle

    async def end(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """Close with that code, wait ``GRACE`` seconds, then cut off who is left."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end(code, reason))
        await asyncio.shield(self._ending)

    async def _end(self, code: int, reason: str) -> None:
        self._shut_door()
        self.server.close(code=code, reason=reason)
        closed = asyncio.ensure_future(self.server.wait_closed())
        await asyncio.wait({closed}, timeout=GRACE)
        if not closed.done():
            for connection in list(self.accepted):
                connection.transport.abort()
            for task in list(self.handling):
                task.cancel()
            await asyncio.wait({closed}, timeout=GRACE)
        if not closed.done():
            closed.cancel()


class Helper(Protocol):
    """What a lab keeps running beside its server and on the server's loop: a relay, a child process."""

    async def close(self) -> None:
        """End it, and wait until nothing of it is left; called on the server's loop, more than once perhaps."""


class Reachable(Protocol):
    """What can be connected to: a server, a relay, a script in Node."""

    @property
    def uri(self) -> str | None:
        """Where; None while nowhere."""


class _Estate:
    """What a lab has to put in order, without the lab."""

    def __init__(self, seed: tap.Seed, carrier: str | None, trace: Trace) -> None:
        self.seed, self.trace = seed, trace
        self.logger = _quiet_logger(trace)
        self.carrier: Carrier = make(carrier, trace.note)
        self.clients: dict[Any, None] = {}
        self.raws: dict[RawEndpoint, None] = {}
        self.helpers: dict[Helper, None] = {}
        self.numbers = itertools.count()
        self.serving: _Serving | None = None
        self._authority: Authority | None = None
        self.ciphertexts: deque[Ciphertext] = deque(maxlen=CIPHERTEXTS)
        self._lock = threading.Lock()
        self._ended: concurrent.futures.Future[None] | None = None
        _estates.add(self)

    @property
    def closed(self) -> bool:
        return self._ended is not None

    @property
    def authority(self) -> Authority:
        """The lab's own authority, made when it is first asked for."""
        with self._lock:
            if self._authority is None:
                self._authority = Authority()
            return self._authority

    @property
    def has_authority(self) -> bool:
        """Whether it was asked for."""
        return self._authority is not None

    def encrypted(self) -> Ciphertext:
        """Where the encrypted bytes of a new connection to the server are noted."""
        ciphertext = Ciphertext(self.trace.now)
        self.ciphertexts.append(ciphertext)
        return ciphertext

    def trusting(self) -> ssl.SSLContext | None:
        """A context for clients that trusts the lab's own authority; None where it has none."""
        return None if self._authority is None else self._authority.client_context()

    @property
    def ports(self) -> set[int]:
        """The ports that its server and its helpers listen on."""
        helpers = {getattr(helper, "port", 0) for helper in [*self.helpers]}
        return helpers | ({self.serving.port} if self.serving is not None else set())

    def _first(self) -> bool:
        with self._lock:
            if self._ended is not None:
                return False
            self._ended = concurrent.futures.Future()
            return True

    async def end(self) -> None:
        """Close clients, raw endpoints and the server, and leave no thread behind. Any loop; twice is once."""
        if self._first():
            await asyncio.shield(keep(asyncio.get_running_loop().create_task(self._end())))
        elif self._ended is not None:
            await asyncio.shield(asyncio.wrap_future(self._ended))

    async def _end(self) -> None:
        try:
            leaving = [_in_its_loop(client.loop, partial(_leave, client)) for client in [*self.clients]]
            leaving += [_in_its_loop(raw.loop, raw.close) for raw in [*self.raws]]
            if leaving:
                await asyncio.wait([asyncio.ensure_future(one) for one in leaving], timeout=2 * GRACE)
            if self.serving is not None or self.helpers:
                with contextlib.suppress(TimeoutError):  # a handler that computes or sleeps blocks the server's thread
                    async with asyncio.timeout(3 * GRACE):
                        await self.carrier.run(self._end_serving())
            await self.carrier.stop()
        finally:
            assert self._ended is not None
            self._ended.set_result(None)

    async def _end_serving(self) -> None:
        """End the server, then what stands between it and others; runs on the server's loop."""
        if self.serving is not None:
            await self.serving.end()
        await asyncio.gather(*[helper.close() for helper in [*self.helpers]], return_exceptions=True)

    def abandon(self, *, clients: bool = False) -> None:
        """Begin the same without waiting for it, from any thread; clients keep their connections unless told."""
        if self._first():
            for client in [*self.clients] if clients else ():
                if client.loop.is_running():
                    client.loop.call_soon_threadsafe(_leave_soon, client)
            self.carrier.soon(self._end_server())

    async def _end_server(self) -> None:
        try:
            here = asyncio.get_running_loop()
            # A raw endpoint on a loop that is about to end has nobody who could close it afterwards.
            leaving = [raw.close() for raw in [*self.raws] if raw.loop is here and self.carrier.name == "tcp"]
            await asyncio.gather(*leaving, self._end_serving())
            await self.carrier.stop()
        finally:
            assert self._ended is not None
            self._ended.set_result(None)


async def _leave(client: Connection) -> None:
    """Close a client's connection, or cut it off."""
    if client.protocol.state is CONNECTING:
        client.transport.abort()
        return
    try:
        async with asyncio.timeout(GRACE):
            await client.close()
    except TimeoutError:
        client.transport.abort()


def _leave_soon(client: Connection) -> None:
    keep(asyncio.get_running_loop().create_task(_leave(client)))


async def _in_its_loop(loop: asyncio.AbstractEventLoop, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run what ``make`` makes on ``loop``, and wait; a loop that has ended cannot run it."""
    if loop is asyncio.get_running_loop():
        await make()
    elif loop.is_running():
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(), loop))


_estates: weakref.WeakSet[_Estate] = weakref.WeakSet()
_by_port: weakref.WeakValueDictionary[int, _Estate] = weakref.WeakValueDictionary()
_by_cell: kernel.Cells[_Estate] = kernel.Cells()
_relays_by_cell: kernel.Cells[Relaying] = kernel.Cells()
_nodes_by_cell: kernel.Cells[NodeProcess] = kernel.Cells()


@atexit.register
def _end_all() -> None:
    """Say goodbye with 1001 when the kernel is restarted or shut down."""
    estates = list(_estates)
    for estate in estates:
        estate.abandon()
    for estate in estates:
        estate.carrier.stop_now(2 * GRACE)


def _replace_earlier(estate: _Estate) -> None:
    """End the labs that an earlier run of this very cell made."""
    for earlier in _by_cell.replaced(estate):
        earlier.abandon(clients=True)


class Server:
    """A lab's running server, as ``Lab.serve`` returns it. Any loop and any thread may use it."""

    def __init__(self, lab: Lab, serving: _Serving) -> None:
        self.lab = lab  # held, so that a server that somebody has is not collected with a forgotten lab
        self._serving = serving

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._serving.port

    @property
    def uri(self) -> str:
        """Where to connect to: ``ws://127.0.0.1:PORT/``; with TLS ``wss://localhost:PORT/``."""
        # By name, since a client names in its ClientHello (SNI, RFC 6066 3) whom it wants, but never an address.
        return f"wss://localhost:{self.port}/" if self._serving.secure else f"ws://{ADDRESS}:{self.port}/"

    @property
    def connections(self) -> tuple[ServerConnection, ...]:
        """The open connections whose handler runs. They belong to the server's loop: look at them, await nothing."""
        return tuple(each for each in tuple(self._serving.handling.values()) if tap.is_open(each))

    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return bool(self._serving.server.is_serving())

    def admit(self, origin: str) -> None:
        """Let in the pages of ``origin`` too, such as ``"http://localhost:8888"``, until this server is closed.

        By itself a lab lets in programs, which name no origin, and no page (RFC 6455 10.2). Any thread may do it.

        Raises:
            ValueError: that is no origin, or it is ``null``, which every sandboxed page calls itself.
        """
        guard.check_origin(origin)
        origins = self._serving.origins
        if origins is not None and origin not in origins:
            origins.append(origin)

    def page(self, html: str = article.CLIENT_PAGE, port: int = article.PORT) -> Page:
        """Serve a page on this server's own port, to be opened in a browser; its origin is admitted.

        Args:
            html: the page, with its script inline; it may connect to this server and load nothing else. The article's
                page if none is given.
            port: the port that the page's author wrote. Where the page says ``ws://localhost:1234`` or
                ``ws://127.0.0.1:1234`` it is served with this server's own port.

        Returns:
            The page: ``page.uri`` is where to open it. It is served until this server is closed or given another.

        Raises:
            NoServer: it is closed, or it is one in memory, which no browser reaches.
        """
        if self.lab._estate.carrier.name != "tcp":
            raise NoServer("a lab in memory has no port that a browser could reach: use Lab(carrier='tcp')")
        if not self.is_serving():
            raise NoServer(SERVER_CLOSED)
        page = self._serving.page = Page(html, port, self.port, self._serving.secure)
        for origin in page.origins:
            self.admit(origin)
        return self.lab._as_page(self, page)

    def door(self) -> doors.Door:
        """The door by which pages of this user's Jupyter server reach this server, at ``base_url`` + ``door.path``.

        It is opened once and closed with the server. The Jupyter server must have wslab installed, which is what
        passes on (``wslab.splice``); the pages' origin must be admitted, too. Any thread may open it.

        Raises:
            NoServer: it is closed, it speaks TLS, or it is one in memory, which has no port.
        """
        if self.lab._estate.carrier.name != "tcp":
            raise NoServer("a lab in memory has no port that another program could reach: use Lab(carrier='tcp')")
        if self._serving.secure:
            raise NoServer(
                "a page's TLS ends at the Jupyter server, and this server wants it, too: serve without tls=True"
            )
        if (door := self._serving.door()) is None:
            raise NoServer(SERVER_CLOSED)
        return door

    async def close(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """Accept no more, close every connection with ``code`` and ``reason``, and wait until that is done.

        Who does not answer within a second is cut off (RFC 6455 7.1.1 lets a server close TCP first).
        """
        if not self.lab._estate.closed:
            await self.lab._estate.carrier.run(self._serving.end(code, reason))

    async def wait_closed(self) -> None:
        """Wait until it is closed and its handlers have returned."""
        if not self.lab._estate.closed:
            await self.lab._estate.carrier.run(self._serving.server.wait_closed())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Server on {ADDRESS}, {'listening' if self.is_serving() else 'closed'}>"


class Lab:
    """A laboratory: a server, clients and raw endpoints whose every byte is recorded.

    Args:
        seed: the same keys, masking keys and ping payloads in every run, for examples that print the same text;
            ``"rfc"`` gives the examples of RFC 6455 themselves. Predictable masking keys are for a lab only: they
            defeat what masking is for (RFC 6455 10.3). None leaves everything random.
        carrier: ``"tcp"``, loopback TCP with the server in its own thread; or ``"memory"``, everything on one event
            loop, for places without threads or sockets and for runs that repeat byte for byte. None takes what
            suits the platform.
        trace: record into this one instead of a new ``Trace``.

    It has its own defaults for ``websockets``' arguments, all of which can be given: ``host`` 127.0.0.1 and nothing
    else; ``port`` 0, any free one; ``compression=None``, so that payloads can be read; ``ping_interval=None``, so that
    nobody speaks unasked; ``server_header`` and ``user_agent_header`` ``"wslab"``, with no version in the text;
    ``origins=[None]``, so that programs may connect and pages may not; ``proxy=None`` to this machine.
    """

    def __init__(self, seed: tap.Seed = None, *, carrier: str | None = None, trace: Trace | None = None) -> None:
        self.trace: Trace = Trace() if trace is None else trace
        self._estate = _Estate(seed, carrier, self.trace)
        self._finalizer = weakref.finalize(self, self._estate.abandon)
        self._finalizer.atexit = False  # _end_all does that, and waits
        _replace_earlier(self._estate)

    @property
    def closed(self) -> bool:
        """Whether it was closed, or replaced because its cell ran again."""
        return self._estate.closed

    @property
    def server(self) -> Server | None:
        """The server that ``serve`` started last, while it runs."""
        serving = self._estate.serving
        return Server(self, serving) if serving is not None and not self._estate.closed else None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that the lab's server runs on; None before ``serve`` and after ``close``.

        Over TCP it is one in a thread of its own, which runs while a cell computes.
        """
        return None if self._estate.closed else self._estate.carrier.loop

    @property
    def authority(self) -> Authority:
        """Who vouches for this lab's servers with TLS: shown in a cell, it says how a client comes to trust it.

        Raises ImportError, which says what to do, where ``trustme`` is not installed.
        """
        return self._estate.authority

    @property
    def carrier(self) -> str:
        """``"tcp"``, or ``"memory"``, where no other program can reach the lab's server."""
        return self._estate.carrier.name

    @property
    def seed(self) -> tap.Seed:
        """The seed that it was given; None where keys are random."""
        return self._estate.seed

    @property
    def ends(self) -> tuple[End, ...]:
        """The ends of live connections that this lab holds, in the trace's order: to send by them, from any thread."""
        estate = self._estate
        accepted = [] if estate.serving is None else [*estate.serving.accepted]
        return living([*estate.clients, *accepted], [*estate.raws])

    async def serve(
        self, handler: Handler = echo, *, host: str | None = None, port: int = 0, tls: bool = False, **kwargs: Any
    ) -> Server:
        """Start the lab's server; a server that it already has is closed first.

        Args:
            handler: what ``websockets.serve`` takes. It runs on the server's loop, which over TCP is in another
                thread than a notebook's cells. If it fails, the error becomes a record of the trace and the peer
                sees close code 1011.
            host: 127.0.0.1 or localhost.
            port: 0 for any free port. With a number, an earlier lab of this process on that port is closed first.
            tls: speak TLS, so that its URI is a ``wss:`` one, with a certificate of ``lab.authority``, which this lab's
                clients trust and nobody else. The trace keeps what the ends see, above TLS.
            kwargs: what else ``websockets.serve`` takes. ``origins`` is an exact list, with None in it for clients
                that name no origin; ``process_request`` is asked after the lab's own check of the Host header.

        Raises:
            PortTaken: another program has that port.
            NotLoopback: ``host`` is another one.
            LabClosed: the lab was closed.
            ValueError: TLS in memory, or with an ``ssl=`` as well.
        """
        estate = self._open_estate()
        check_host(host)
        if tls:
            if estate.carrier.name != "tcp":
                raise ValueError("tls=True: TLS needs TCP, and this lab is in memory: use Lab(carrier='tcp')")
            if kwargs.get("ssl") is not None:
                raise ValueError("give tls=True, for the lab's own certificate, or ssl=, for yours; not both")
            kwargs["ssl"] = estate.authority.server_context(noted(estate.encrypted))
        if (sock := kwargs.get("sock")) is not None:
            check_socket(sock)
        if estate.serving is not None:
            await estate.carrier.run(estate.serving.end())
            estate.serving = None
        if port and estate.carrier.name == "tcp":
            earlier = _by_port.get(port)
            if earlier not in (None, estate) and port in earlier.ports:
                await earlier.end()
        estate.serving = await estate.carrier.run(_start(estate, handler, port, kwargs))
        if port and estate.carrier.name == "tcp":
            _by_port[port] = estate
        return Server(self, estate.serving)

    def connect(
        self,
        uri: str | None = None,
        *,
        key: str | None = None,
        masks: Iterable[bytes] | None = None,
        **kwargs: Any,
    ) -> connect:
        """Connect to the lab's server, or to any other: ``await`` it, ``async with`` it, or iterate it.

        Args:
            uri: where to; the lab's own server if None. A path such as ``"/chat?room=1"`` is one on that server.
            key: the Sec-WebSocket-Key to send.
            masks: masking keys, 4 bytes each, for the first frames; for lessons only (RFC 6455 10.3).
            kwargs: what else ``websockets.connect`` takes. Without ``ssl``, a ``wss:`` URI of this machine is checked
                against ``lab.authority`` once the lab has used it, and others against the system's list.

        Returns:
            A ``websockets.asyncio.client.connect``, which gives a ``websockets`` ClientConnection.

        Raises:
            NoServer: no ``uri``, and ``serve`` was not called yet.
            LabClosed: the lab was closed.
        """
        estate = self._open_estate()
        if uri is None or uri.startswith("/"):
            uri = self._own_uri() + (uri or "/")[1:]
        parts = urlsplit(uri)
        if parts.hostname is not None and guard.is_loopback(parts.hostname):
            kwargs.setdefault("proxy", None)
            if parts.scheme == "wss":
                kwargs.setdefault("host", ADDRESS)  # and not ::1, where nothing of the lab's listens
                if "ssl" not in kwargs and (trusting := estate.trusting()) is not None:
                    kwargs["ssl"] = trusting
            if parts.port is not None:
                kwargs = {**estate.carrier.reaching(parts.port), **kwargs}
        given = None if masks is None else [*tap.with_masks(masks, None)]

        def joint() -> tap.Joint:
            kernel.let_interrupts_arrive(asyncio.get_running_loop())
            fixed = tap.keys(estate.seed, Sender.CLIENT, next(estate.numbers))
            if key is not None:
                fixed.key = key
            if given is not None:
                fixed.masks = tap.with_masks(given, fixed.masks)
            return tap.Joint(estate.trace, Sender.CLIENT, fixed, estate.clients)

        kwargs["create_connection"] = tap.tapping(kwargs.get("create_connection") or ClientConnection, joint)
        defaults = {
            "compression": None,
            "ping_interval": None,
            "user_agent_header": "wslab",
            "logger": estate.logger,
        }
        return connect(uri, **{**defaults, **kwargs})

    async def raw(self, uri: str | None = None, *, listen: bool = False, port: int = 0) -> RawEndpoint:
        """A TCP endpoint that sends exactly the bytes it is given and shows what comes back.

        Args:
            uri: where to connect to; the lab's own server if None.
            listen: be the server instead: accept one connection on ``port``.
            port: where to listen; 0 for any free port.

        Returns:
            A connected endpoint; with ``listen=True`` one that waits, at its ``uri``, for one client.

        Raises:
            NoServer, LabClosed, PortTaken: as ``connect`` and ``serve`` do.
        """
        estate = self._open_estate()
        loop = asyncio.get_running_loop()
        kernel.let_interrupts_arrive(loop)
        if listen:
            endpoint = RawEndpoint(estate.trace, Sender.SERVER, estate.raws)
            address = estate.carrier.listening(port)  # in memory, this is what gives the loop its create_server
            try:
                server = await loop.create_server(endpoint.accept, **address)
            except OSError as error:
                raise port_taken(port, error) from None
            endpoint.listening(server, f"ws://{ADDRESS}:{port_of(server)}/")
            return endpoint
        parts = urlsplit(self._own_uri() if uri is None else uri)
        secure = parts.scheme == "wss"
        host, number = parts.hostname or ADDRESS, parts.port or (443 if secure else 80)
        target: dict[str, Any] = {"host": host, "port": number, **estate.carrier.reaching(number)}
        if secure and guard.is_loopback(host):
            target |= {"host": ADDRESS, "server_hostname": host, "ssl": estate.trusting() or True}
        elif secure:
            target["ssl"] = True
        endpoint = RawEndpoint(estate.trace, Sender.CLIENT, estate.raws, parts.geturl())
        await loop.create_connection(endpoint.accept, **target)
        return endpoint

    async def relay(
        self,
        to: str | None = None,
        *,
        bends: Iterable[Bend] = (),
        port: int = 0,
        remote: bool = False,
        tls: str | ssl.SSLContext | None = None,
    ) -> Relay:
        """A recording relay on 127.0.0.1: whoever connects to its ``uri`` talks to ``to``, and can be watched.

        Args:
            to: a URI of the schemes ws, wss, http or https; the lab's own server if None.
            bends: what is done to each conversation, in this order, such as ``[Delay(0.2), OneByte()]``; see
                ``wslab.live.relay.bends``. Where there are none, no byte is changed, not even those of the Host header.
            port: where it listens; 0 for any free port. An earlier relay of this process on that port is closed first.
            remote: whether ``to`` may be on another machine.
            tls: towards a wss or https URI, TLS ends at the relay on both sides: its own certificate is of the lab's
                authority, and of the target it trusts what the system trusts and the lab's authority. An
                ``ssl.SSLContext`` says otherwise. ``"through"`` hands TLS on untouched; nothing can be read then, and
                ``relay.ciphertext`` holds what crossed.

        Raises:
            NoServer, LabClosed, PortTaken: as ``connect`` and ``serve`` do.
            NotLoopback: ``to`` is on another machine, and ``remote`` is False.
            ValueError: ``to`` is no such URI, or the lab is one in memory, which has no sockets.
        """
        from .relay.relay import THROUGH, Relaying, contexts, target

        estate = self._open_estate()
        if estate.carrier.name != "tcp":
            raise ValueError("a lab in memory has no sockets that a relay could stand between: Lab(carrier='tcp')")
        goal = target(self._own_uri() if to is None else to, remote=remote)
        if port:
            await self._make_room(port)
        relaying = Relaying(goal, [*bends], estate.helpers, through=tls == THROUGH)
        for earlier in _relays_by_cell.replaced(relaying):
            earlier.abandon()
        await estate.carrier.run(relaying.start(port, contexts(goal, tls, self)))
        if port:
            _by_port[port] = estate
        return self._as_relay(relaying)

    def _as_page(self, server: Server, page: Page) -> Page:
        return page

    def _as_node(self) -> type[NodeProcess]:
        from .node.process import NodeProcess

        return NodeProcess

    def _as_relay(self, relaying: Relaying) -> Relay:
        from .relay.relay import Relay

        return Relay(self, relaying)

    async def _make_room(self, port: int) -> None:
        """Close what an earlier lab, or an earlier relay of this one, has on that port."""
        estate, earlier = self._estate, _by_port.get(port)
        if earlier is not None and port in earlier.ports:
            if earlier is not estate:
                await earlier.end()
            for helper in [each for each in [*estate.helpers] if getattr(each, "port", None) == port]:
                await estate.carrier.run(helper.close())

    async def node(
        self,
        script: str | os.PathLike[str] = article.SERVER_SCRIPT,
        *,
        port: int = 0,
        to: str | Reachable | None = None,
        kind: str = "server",
        arguments: Iterable[str] = (),
    ) -> NodeProcess:
        """Run a script in Node, with the npm package ``ws``, beside this lab; it ends with the lab.

        What crosses between it and an end of the lab is recorded as that end tells it; with a relay in between, all is.

        Args:
            script: its text, or the ``Path`` of its file. By default the article's server.
            port: where a server listens instead of the article's 1234; 0 for any free port. An earlier script or
                relay of this process on that port is closed first.
            to: what a client's script connects to where it says ``new WebSocket("ws://localhost:1234")``: a URI, or
                what has one, such as a server; the lab's own server if None. It is ``process.argv[1]`` too, and for a
                script in a file ``process.argv[2]``. A ``to`` makes it a client's.
            kind: ``"server"``, a script that is waited for until it listens, or ``"client"``.
            arguments: more of those.

        Raises:
            NodeMissing: node or ``ws`` is not installed; the message says what to run.
            NodeFailed: the server's script ended before it listened; the message has what it said.
            PortTaken: another program has that port.
            NoServer, LabClosed: as ``connect`` does.
            ValueError: the lab is one in memory, which another program cannot reach, or that is no kind.
        """
        from .node import process as node

        estate = self._open_estate()
        kernel.let_interrupts_arrive(asyncio.get_running_loop())
        if estate.carrier.name != "tcp":
            raise ValueError("a lab in memory has no port that Node could reach: Lab(carrier='tcp')")
        if kind not in node.KINDS:
            raise ValueError(f"kind={kind!r}: there is {' and '.join(map(repr, node.KINDS))}")
        uri = None
        if to is not None or kind == "client":
            uri = self._own_uri() if to is None else to if isinstance(to, str) else to.uri
            if uri is None:
                raise NoServer(f"to={to!r}: it listens on no port")
            arguments = [uri, *arguments]
        if port:
            await self._make_room(port)
        authority = estate.authority.path if estate.has_authority else None
        child = self._as_node()(estate.carrier, estate.helpers, script)
        await node.start(child, script, port=port, to=uri, arguments=[*arguments], authority=authority)
        for earlier in _nodes_by_cell.replaced(child):
            earlier.abandon()
        if port:
            _by_port[port] = estate
        return child

    def eavesdropped(self, connection: int | None = None) -> Eavesdropped:
        """What an eavesdropper saw of a connection to this lab's server over TLS, beside what its ends saw.

        Args:
            connection: its number in the trace; the last one if None, be it one on which TLS failed.

        Raises:
            LookupError: there was no such connection over TLS.
        """
        for ciphertext in [*self._estate.ciphertexts][::-1]:
            if connection in (None, ciphertext.connection):
                return Eavesdropped(ciphertext, self.trace)
        which = "no connection" if connection is None else f"no connection {connection}"
        raise LookupError(
            f"{which} to this lab's server went over TLS: start it with `await lab.serve(tls=True)`. Without TLS an "
            "eavesdropper sees what the ends see, byte for byte: lab.trace"
        )

    async def settled(self, timeout: float = 5.0) -> None:
        """Wait until every byte, FIN and RST that one end of the lab sent has been read by the other end.

        A connection that one end has closed is settled when the other has, too. Ends outside the lab are not waited
        for, and neither is a program's answer to what it has read.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: something was still on its way after ``timeout`` seconds; the message says what.
        """
        await settle(self.trace, lambda: self.trace.on_its_way(self._expects), timeout)

    def _expects(self, key: Hashable) -> bool:
        """Whether a connection of that key goes to a port on which this lab accepts."""
        server = self.server
        ports = {urlsplit(raw.uri or "").port for raw in [*self._estate.raws] if raw.end is Sender.SERVER}
        if server is not None and server.is_serving():
            ports.add(server.port)
        return isinstance(key, frozenset) and any((ADDRESS, port) in key for port in ports)

    async def close(self) -> None:
        """Close what the lab opened: its clients with 1000, raw endpoints with FIN, its server with 1001.

        Any loop of any thread may do it, and doing it again does nothing. The trace stays readable.
        """
        await self._estate.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self._estate.closed else "serving" if self.server is not None else "not serving"
        return f"<Lab over {self._estate.carrier.name}, {state}>"

    def _open_estate(self) -> _Estate:
        if self._estate.closed:
            raise LabClosed("this lab was closed (or its cell was run again): make a new one with lab = Lab()")
        return self._estate

    def _own_uri(self) -> str:
        server = self.server
        if server is None:
            raise NoServer("this lab has no server yet: run `await lab.serve()` first, or give a URI to connect to")
        return server.uri


async def _start(estate: _Estate, handler: Handler, port: int, kwargs: dict[str, Any]) -> _Serving:
    """Start a server; runs on the server's loop."""
    kernel.let_interrupts_arrive(asyncio.get_running_loop())
    serving = _Serving(port)

    numbers = itertools.count()

    def joint() -> tap.Joint:
        fixed = tap.keys(estate.seed, Sender.SERVER, next(numbers))
        return tap.Joint(estate.trace, Sender.SERVER, fixed, serving.accepted)

    defaults: dict[str, Any] = {
        "origins": [None],
        "compression": None,
        "ping_interval": None,
        "server_header": "wslab",
        "logger": estate.logger,
    }
    options = {**defaults, **kwargs}
    if options["origins"] is not None:
        options["origins"] = serving.origins = [*options["origins"]]
    options["process_request"] = guard.guarded(answering(lambda: serving.page, options.get("process_request")))
    options["create_connection"] = tap.tapping(options.get("create_connection") or ServerConnection, joint)
    if options.get("sock") is None:
        options |= estate.carrier.listening(port)
    try:
        serving.server = await serve(serving.wrap(handler), **options)
    except OSError as error:
        raise port_taken(port, error) from None
    serving.port = port_of(serving.server)
    serving.secure = options.get("ssl") is not None
    return serving
