"""``Server``: a lab's running server, and how ``websockets.serve`` is called so that every byte is recorded."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ..anatomy.field import Sender
from . import article, guard, kernel, tap
from .carrier import ADDRESS, GRACE, port_of
from .errors import NoServer, blame, failures, port_taken
from .estate import Closer, Lease
from .jupyter.pages import Page
from .secret import Taker
from .secret import new as new_secret
from .waiting import Closes

if TYPE_CHECKING:
    from .jupyter.doors import Door

Handler = Callable[[ServerConnection], Awaitable[None]]

# RFC 6455 7.4.1: "1001 indicates that an endpoint is "going away", such as a server going down".
GOING_AWAY = 1001
CLOSED = "this server was closed: start another with `await lab.serve()`"


async def echo(connection: ServerConnection) -> None:
    """Send every message back, unchanged."""
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass  # the client left before it was answered, vanished or was refused; the trace shows it


class Server(Closes):
    """A lab's running server, as ``Lab.serve`` returns it. Thread-safe. The lab stays open as long as it is held.

    ``port`` is the port it listens on. In ``accepted`` stands every connection that it accepted and that is not lost
    yet, whatever became of its opening handshake.
    """

    _server: WebSocketServer
    _closer: Closer
    _secure: bool
    _origins: list[Any] | None = None

    def __init__(self, lease: Lease, secret: str = "") -> None:
        self._lease, self._secret = lease, secret
        # What the server's loop works with stands in containers, which it holds without holding this object.
        self.accepted: dict[Any, None] = {}
        self._handling: dict[Any, ServerConnection] = {}  # the connections whose handlers run, by the handlers' tasks
        self._pages: list[Page] = []
        self._doors: list[Door] = []
        self._door_lock = threading.Lock()

    async def start(self, handler: Handler, port: int, kwargs: dict[str, Any], network: str) -> None:
        """Listen; see ``Lab.serve``. Runs on the server's loop."""
        estate, accepted, pages, numbers = self._lease.estate, self.accepted, self._pages, itertools.count()
        handling, own = self._handling, self._secret

        def joint(_: Any) -> tap.Joint:
            fixed = tap.keys(estate.seed, Sender.SERVER, next(numbers))
            taker = Taker(estate.trace, own) if own else None
            return tap.Joint(estate.trace, Sender.SERVER, fixed, accepted, taker=taker)

        def with_page(connection: ServerConnection, request: Request) -> Response | None:
            return pages[-1].respond(connection, request) if pages else None

        async def handle(connection: Any) -> None:
            handling[task := asyncio.current_task()] = connection
            try:
                await handler(connection)
            except Exception as error:
                connection.wslab_tap.note(blame(error))  # before the 1011 that comes of it
                failures.append(blame(error))
                raise
            finally:
                del handling[task]

        # RFC 6455 10.2: "Servers that are not intended to process input from any web page but only for certain sites
        # SHOULD verify the |Origin| field is an origin they expect." None stands for a request without it.
        options: dict[str, Any] = {"origins": [None], "compression": None, "ping_interval": None}
        options |= {"server_header": "wslab", "logger": estate.logger, **kwargs}
        if options["origins"] is not None:
            options["origins"] = self._origins = [*options["origins"]]
        answering = (guard.knowing(own) if own else None, with_page, options.get("process_request"))
        options["process_request"] = guard.guarded(*answering, network=network)
        options["create_connection"] = tap.tapping(options.get("create_connection") or ServerConnection, joint)
        if options.get("sock") is None:
            options |= estate.carrier.listening(port) | ({"host": network} if network else {})
        try:
            self._server = await serve(handle, **options)
        except OSError as error:
            raise port_taken(port, error) from None
        self._secure, self._hosts = options.get("ssl") is not None, (network,) if network else (ADDRESS, "localhost")
        self.port = port_of(self._server)
        end = partial(_end, self._server, accepted, handling, self._doors)
        self._closer = estate.serving = Closer(estate.carrier, end, self.port, own)

    @property
    def uri(self) -> str:
        """Its address, ``ws://127.0.0.1:PORT/`` or with TLS ``wss://localhost:PORT/``, with any secret."""
        # By name, since a client names in its ClientHello (SNI, RFC 6066 3) whom it wants, but never an address.
        scheme, host = ("wss", "localhost") if self._secure else ("ws", self._hosts[0])
        return f"{scheme}://{host}:{self.port}{self._secret}/"

    @property
    def connections(self) -> tuple[ServerConnection, ...]:
        """The open connections whose handler runs. They belong to the server's loop, so await nothing of them."""
        return tuple(each for each in tuple(self._handling.values()) if tap.is_open(each))

    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return self._server.is_serving()

    def admit(self, origin: str) -> None:
        """Let in the pages of ``origin`` too, such as ``"http://localhost:8888"``, until this server is closed.

        By itself a lab lets in programs, which name no origin, and no page (RFC 6455 10.2). Thread-safe. Raises
        ValueError for what is no origin, and for ``null``, which every sandboxed page calls itself.
        """
        guard.check_origin(origin)
        # It is the very list that websockets looks into at each handshake; None where it lets in everybody.
        if self._origins is not None and origin not in self._origins:
            self._origins.append(origin)

    def page(self, html: str = article.CLIENT_PAGE, port: int = article.PORT) -> Page:
        """Serve a page on this server's own port, to be opened in a browser at its ``uri``; its origin is admitted.

        It is served until this server is closed or given another. Raises NoServer where this server is closed or one
        in memory.

        Args:
            html: the page, with its script inline; it may connect to this server and load nothing else.
            port: the port that the page's author wrote. Where the page says ``ws://localhost:1234`` or
                ``ws://127.0.0.1:1234`` it is served with this server's own port.
        """
        self._check_tcp("a browser could reach")
        if not self.is_serving():
            raise NoServer(CLOSED)
        page = Page(html, port, self.port, self._secure, self._hosts, self._secret)
        self._pages[:] = [page]
        for origin in page.origins:
            self.admit(origin)
        return replace(page, server=self)

    def door(self, *, public: bool = False) -> Door:
        """The door by which pages of this user's Jupyter server reach this server, at ``base_url`` + ``door.path``.

        It is opened once and closed with the server, and ``public`` to whoever knows its path. The Jupyter server needs
        wslab (``wslab.splice`` passes on), and the pages' origin must be admitted. Thread-safe. Raises NoServer where
        this server is closed, speaks TLS, or is one in memory.
        """
        from .jupyter import doors

        self._check_tcp("another program could reach")
        if self._secure:
            otherwise = "serve without tls=True"
            raise NoServer(f"a page's TLS ends at the Jupyter server, and this server wants it, too: {otherwise}")
        with self._door_lock:
            if not self._doors and self.is_serving():
                self._doors.append(doors.open(self.port, public=public, secret=self._secret))
            if self._closer.begun:  # perhaps too early to see that door
                for door in self._doors:
                    door.close()
            if not self._doors or self._closer.begun:
                raise NoServer(CLOSED)
            return self._doors[0]

    def _check_tcp(self, what: str) -> None:
        if self._lease.estate.carrier.name != "tcp":
            raise NoServer(f"a lab in memory has no port that {what}: use Lab(carrier='tcp')")

    async def close(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """Accept no more, close every connection with ``code`` and ``reason``, after a second by force, and wait."""
        if not self._lease.estate.closed:
            await self._closer.close(code, reason)

    async def wait_closed(self) -> None:
        """Wait until it is closed and its handlers have returned."""
        if not self._lease.estate.closed:
            await self._lease.estate.carrier.run(self._server.wait_closed())

    def __repr__(self) -> str:
        return f"<Server on {self._hosts[0]}, {'listening' if self.is_serving() else 'closed'}>"


async def _end(
    server: WebSocketServer, accepted: dict[Any, None], handling: dict[Any, ServerConnection], doors: list[Door],
    code: int = GOING_AWAY, reason: str = "",
) -> None:  # fmt: skip
    """Close with that code, wait ``GRACE`` seconds, then cut off the peers that are left."""
    for door in doors:
        door.close()
    server.close(code=code, reason=reason)
    closed = asyncio.ensure_future(server.wait_closed())
    await asyncio.wait({closed}, timeout=GRACE)
    if not closed.done():
        # RFC 6455 7.1.1: "The underlying TCP connection, in most normal cases, SHOULD be closed first by the server".
        for connection in list(accepted):
            connection.transport.abort()
        for task in list(handling):
            task.cancel()
        await asyncio.wait({closed}, timeout=GRACE)
    if not closed.done():
        closed.cancel()


async def start(
    lease: Lease, handler: Handler, host: str | None, port: int, tls: bool, kwargs: dict[str, Any], network: str = "",
    secret_wanted: bool | None = None,
) -> Server:  # fmt: skip
    """Start a lab's server, in place of the one that it has; see ``Lab.serve``.

    With ``network`` it listens on that address instead of 127.0.0.1: for a show of hands, and for nothing else.
    """
    estate = lease.estate.open()
    kernel.let_interrupts_arrive(asyncio.get_running_loop())
    guard.check_host(host)
    if tls:
        estate.over_tcp("tls=True: TLS needs TCP, and this lab is in memory")
        if kwargs.get("ssl") is not None:
            raise ValueError("give tls=True, for the lab's own certificate, or ssl=, for yours; not both")
        kwargs["ssl"] = estate.server_context()
    if (sock := kwargs.get("sock")) is not None:
        guard.check_socket(sock)
    if secret_wanted:
        estate.over_tcp("secret=True: no other program can reach a lab in memory, so it needs no secret")
    elif secret_wanted is None:
        secret_wanted = guard.on_a_hub() and estate.carrier.name == "tcp"
    await estate.can_listen(port)
    if estate.serving is not None:
        await estate.serving.close()
        estate.serving = None
    await estate.make_room(port)
    server = Server(lease, new_secret() if secret_wanted else "")
    await estate.carrier.run(server.start(handler, port, kwargs, network))
    estate.has_port(server.port)
    return server
