"""``Lab``: a real server and real clients in this process, all their bytes recorded in one trace.

A lab calls ``websockets.serve`` (``server``) and ``websockets.connect`` with other defaults, joins to its trace what
they make (``tap``), refuses foreign pages (``guard``), and ends everything well (``estate``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

from ..anatomy.field import Sender
from ..recording.trace import Trace
from . import article, guard, kernel, server, tap
from .carrier import ADDRESS, port_of
from .ends import End, living
from .errors import NoServer, port_taken
from .estate import Estate, Lease
from .raw import RawEndpoint
from .secret import parted
from .server import Handler, Server, echo
from .showing import Alive
from .waiting import Closes, settle

if TYPE_CHECKING:
    import os
    import ssl

    from .certificates import Authority
    from .node.process import NodeProcess
    from .relay.bends import Bend
    from .relay.relay import Relay
    from .tls.eavesdropping import Eavesdropped


class Reachable(Protocol):
    """What can be connected to: a server, a relay, a script in Node."""

    @property
    def uri(self) -> str | None:
        """Where; None while nowhere."""


class Connecting(connect):
    """A connection that is being opened: to be awaited, or for ``async with``."""

    def __getattr__(self, name: str) -> Any:
        if hasattr(ClientConnection, name):
            raise AttributeError(
                f"connect() opens a connection and has no {name!r} itself. Open it first, with `client = await ...` or "
                f"`async with ... as client`: then client.{name}"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Lab(Alive, Closes):
    """A laboratory: a server, clients and raw endpoints whose every byte is recorded.

    Args:
        seed: the same keys, masking keys and ping payloads in every run; ``"rfc"`` gives the examples of RFC 6455.
            Predictable masking keys defeat what masking is for (RFC 6455 10.3). None leaves everything random.
        carrier: ``"tcp"``, loopback TCP with the server in its own thread; or ``"memory"``, all on one event loop, for
            places without threads or sockets and runs that repeat byte for byte. None takes what suits the platform.
        trace: record into this one instead of a new ``Trace``.

    These are its attributes, too. No other program can reach the server of a lab in memory. Its own defaults for
    ``websockets``' arguments are ``host`` 127.0.0.1 and nothing else; ``port`` 0, any free one; ``compression=None``,
    so that payloads can be read; ``ping_interval=None``, so that nobody speaks unasked; ``server_header`` and
    ``user_agent_header`` ``"wslab"``; ``origins=[None]``, so that programs may connect and pages may not;
    ``proxy=None`` to this machine.

    What opens something raises LabClosed once the lab was closed, NoServer where it needs the lab's own server and
    there is none, and PortTaken where another program has the port.
    """

    _server: Server | None = None

    def __init__(self, seed: tap.Seed = None, *, carrier: str | None = None, trace: Trace | None = None) -> None:
        self.trace: Trace = Trace() if trace is None else trace
        self._estate = Estate(seed, carrier, self.trace)
        self._lease = Lease(self._estate)
        self.seed, self.carrier = seed, self._estate.carrier.name

    @property
    def closed(self) -> bool:
        """Whether it was closed, or replaced because its cell ran again."""
        return self._estate.closed

    @property
    def server(self) -> Server | None:
        """The server that ``serve`` started last, while it runs."""
        return self._server if self._estate.serving is not None and not self._estate.closed else None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop of the lab's server, over TCP in its own thread; None before ``serve`` and after ``close``."""
        return None if self._estate.closed else self._estate.carrier.loop

    @property
    def authority(self) -> Authority:
        """Who vouches for this lab's servers with TLS, and how a client comes to trust it. Raises ImportError."""
        return self._estate.authority

    @property
    def ends(self) -> tuple[End, ...]:
        """The ends of live connections that this lab holds, in the trace's order. Any thread may send by them."""
        accepted = () if self._server is None else self._server.accepted
        return living([*self._estate.clients, *accepted], [*self._estate.raws])

    async def serve(
        self, handler: Handler = echo, *, host: str | None = None, port: int = 0, tls: bool = False,
        secret: bool | None = None, **kwargs: Any,
    ) -> Server:  # fmt: skip
        """Start the lab's server; a server that it already has is closed first.

        Args:
            handler: what ``websockets.serve`` takes. Over TCP it runs in another thread than a notebook's cells. If it
                fails, the error becomes a record of the trace and the peer sees close code 1011.
            host: 127.0.0.1 or localhost.
            port: 0 for any free port. With a number, an earlier lab of this process on that port is closed first.
            tls: speak TLS (``wss:``) with a certificate of ``lab.authority``, which only this lab's clients trust. The
                trace keeps what the ends see, above TLS.
            secret: begin the path of ``server.uri`` with 128 random bits, and refuse other requests with 403, so that
                programs of other users of this machine do not get in. What is of this lab gets in by itself;
                recordings, views, files and handlers leave the secret out. None means on a JupyterHub.
            kwargs: what else ``websockets.serve`` takes. ``origins`` is an exact list, with None for clients that name
                none; ``process_request`` is asked after the lab's own check of the Host header.

        It raises NotLoopback for another ``host``, and ValueError for TLS or a secret in memory, or TLS with an
        ``ssl=`` as well.
        """
        self._server = await server.start(self._lease, handler, host, port, tls, kwargs, secret_wanted=secret)
        return self._server

    def connect(
        self, uri: str | None = None, *, key: str | None = None, masks: Iterable[bytes] | None = None, **kwargs: Any
    ) -> connect:
        """Connect to the lab's server, or to any other: ``await`` it, ``async with`` it, or iterate it.

        Args:
            uri: where to; the lab's own server if None. A path such as ``"/chat?room=1"`` is one on that server.
            key: the Sec-WebSocket-Key to send.
            masks: masking keys, 4 bytes each, for the first frames; for lessons only (RFC 6455 10.3).
            kwargs: what else ``websockets.connect`` takes. Without ``ssl``, a ``wss:`` URI of this machine is checked
                against ``lab.authority`` once the lab has used it, and others against the system's list.

        It returns a ``websockets.asyncio.client.connect``, which gives a ``websockets`` ClientConnection.
        """
        estate = self._estate.open()
        if uri is None or uri.startswith("/"):
            uri = self._own_uri() + (uri or "/")[1:]
        uri, given = parted(uri)
        parts = urlsplit(uri)
        if parts.hostname is not None and guard.is_loopback(parts.hostname):
            kwargs.setdefault("proxy", None)
            if parts.scheme == "wss":
                kwargs.setdefault("host", ADDRESS)  # and not ::1, where nothing of the lab's listens
                if "ssl" not in kwargs and (trusting := estate.trusting()) is not None:
                    kwargs["ssl"] = trusting
            if parts.port is not None:
                kwargs = {**estate.carrier.reaching(parts.port), **kwargs}
        first = None if masks is None else [*tap.with_masks(masks, None)]

        def joint(protocol: Any) -> tap.Joint:
            kernel.let_interrupts_arrive(asyncio.get_running_loop())
            fixed = tap.keys(estate.seed, Sender.CLIENT, next(estate.numbers))
            if key is not None:
                fixed.key = key
            if first is not None:
                fixed.masks = tap.with_masks(first, fixed.masks)
            to = protocol.uri  # another than was asked for, after a redirection, and perhaps with a secret
            there = (to.host, to.port) == (parts.hostname, parts.port or to.port)
            path, led = parted(to.path)
            protocol.uri = replace(to, path=path)
            gives = estate.gives(to.host, to.port, led or (given if there else ""))
            return tap.Joint(estate.trace, Sender.CLIENT, fixed, estate.clients, gives)

        kwargs["create_connection"] = tap.tapping(kwargs.get("create_connection") or ClientConnection, joint)
        options = {"compression": None, "ping_interval": None, "user_agent_header": "wslab", "logger": estate.logger}
        return Connecting(uri, **(options | kwargs))

    async def raw(self, uri: str | None = None, *, listen: bool = False, port: int = 0) -> RawEndpoint:
        """A TCP endpoint that sends exactly the bytes it is given and shows what comes back.

        It connects to ``uri``, or to the lab's own server if that is None. With ``listen`` it is the server instead,
        and waits at its ``uri`` for one client, on ``port`` or, if that is 0, on any free one.
        """
        estate = self._estate.open()
        if not listen and uri is None:
            uri = self._own_uri()
        loop = asyncio.get_running_loop()
        kernel.let_interrupts_arrive(loop)
        if listen:
            endpoint = RawEndpoint(estate.trace, Sender.SERVER, estate.raws)
            address = estate.carrier.listening(port)  # in memory, this is what gives the loop its create_server
            try:
                waiting = await loop.create_server(endpoint.accept, **address)
            except OSError as error:
                raise port_taken(port, error) from None
            endpoint.listening(waiting, f"ws://{ADDRESS}:{port_of(waiting)}/")
            return endpoint
        uri, given = parted(uri or "")
        parts = urlsplit(uri)
        secure = parts.scheme == "wss"
        host, port = parts.hostname or ADDRESS, parts.port or (443 if secure else 80)
        target: dict[str, Any] = {"host": host, "port": port, **estate.carrier.reaching(port)}
        if secure and guard.is_loopback(host):
            target |= {"host": ADDRESS, "server_hostname": host, "ssl": estate.trusting() or True}
        elif secure:
            target["ssl"] = True
        gives = estate.gives(host, port, given)
        endpoint = RawEndpoint(estate.trace, Sender.CLIENT, estate.raws, parts.geturl(), gives)
        await loop.create_connection(endpoint.accept, **target)
        return endpoint

    async def relay(
        self, to: str | None = None, *, bends: Iterable[Bend] = (), port: int = 0, remote: bool = False,
        tls: str | ssl.SSLContext | None = None,
    ) -> Relay:  # fmt: skip
        """A recording relay on 127.0.0.1: whoever connects to its ``uri`` talks to ``to``, and can be watched.

        Args:
            to: a URI of the schemes ws, wss, http or https; the lab's own server if None.
            bends: what is done to each conversation, in this order, such as ``[Delay(0.2), OneByte()]``; see
                ``wslab.live.relay.bends``. Without bends no byte is changed, not even in the Host header.
            port: where it listens; 0 for any free port. An earlier relay of this process on that port is closed first.
            remote: whether ``to`` may be on another machine.
            tls: towards a wss or https URI, TLS ends at the relay on both sides: its certificate is of the lab's
                authority, and it trusts what the system trusts and the lab's authority. An ``ssl.SSLContext`` for the
                target says otherwise. ``"through"`` hands TLS on untouched; ``relay.ciphertext`` holds what crossed.

        It raises NotLoopback for another machine without ``remote``, and ValueError for no such URI or a lab in memory.
        """
        from .relay import relay

        self._estate.over_tcp("a lab in memory has no sockets that a relay could stand between")
        goal = self._own_uri() if to is None else to
        return await relay.start(self._lease, goal, [*bends], port, tls, remote=remote)

    async def node(
        self, script: str | os.PathLike[str] = article.SERVER_SCRIPT, *, port: int = 0,
        to: str | Reachable | None = None, kind: str = "server", arguments: Iterable[str] = (),
    ) -> NodeProcess:  # fmt: skip
        """Run a script in Node, with the npm package ``ws``, beside this lab; it ends with the lab.

        What crosses between it and an end of the lab is recorded as that end tells it; with a relay in between, all is.

        Args:
            script: its text, or the ``Path`` of its file. By default the article's server.
            port: where a server listens instead of the article's 1234; 0 for any free port. An earlier script or
                relay of this process on that port is closed first.
            to: what a client's script connects to instead of ``ws://localhost:1234``: a URI, or what has one, such as a
                server; the lab's own server if None. It is ``process.argv[1]`` too, and for a script in a file
                ``process.argv[2]``. A ``to`` makes it a client's.
            kind: ``"server"``, a script that is waited for until it listens, or ``"client"``.
            arguments: more of those.

        It raises NodeMissing where node or ``ws`` is not installed, NodeFailed where the server's script ended before
        it listened, and ValueError for a lab in memory, which another program cannot reach, or another ``kind``.
        """
        from .node import process

        self._estate.over_tcp("a lab in memory has no port that Node could reach")
        if kind not in process.KINDS:
            raise ValueError(f"kind={kind!r}: there is {' and '.join(map(repr, process.KINDS))}")
        uri = None
        if to is not None or kind == "client":
            uri = self._own_uri() if to is None else to if isinstance(to, str) else to.uri
            if uri is None:
                raise NoServer(f"to={to!r}: it listens on no port")
        return await process.start(self._estate, script, port=port, to=uri, arguments=[*arguments])

    def eavesdropped(self, connection: int | None = None) -> Eavesdropped:
        """What an eavesdropper saw of a connection to this lab's server over TLS, beside what its ends saw.

        ``connection`` is its number in the trace; None is the last one, even if TLS failed on it. Raises LookupError.
        """
        from .tls.eavesdropping import Eavesdropped

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

        A connection that one end has closed is settled when the other has, too. Neither ends outside the lab nor
        programs' answers are waited for. Raises TimeoutError, which says what was on its way, after ``timeout`` s.
        """
        await settle(self.trace, lambda: self.trace.on_its_way(self._expects), timeout)

    def _expects(self, key: Hashable) -> bool:
        """Whether a connection of that key goes to a port on which this lab accepts."""
        own = self.server
        ports = {urlsplit(raw.uri or "").port for raw in [*self._estate.raws] if raw.end is Sender.SERVER}
        if own is not None and own.is_serving():
            ports.add(own.port)
        return isinstance(key, frozenset) and any((ADDRESS, port) in key for port in ports)

    async def close(self) -> None:
        """Close what the lab opened: its clients with 1000, raw endpoints with FIN, its server with 1001.

        Any thread may do it. Calling it again does nothing. The trace stays readable, and panels stay.
        """
        await self._estate.end()

    def __repr__(self) -> str:
        state = "closed" if self._estate.closed else "serving" if self.server is not None else "not serving"
        return f"<Lab over {self._estate.carrier.name}, {state}>"

    def _still(self) -> Trace:
        return self.trace

    def _own_uri(self) -> str:
        if self.server is None:
            raise NoServer("this lab has no server yet: run `await lab.serve()` first, or give a URI to connect to")
        return self.server.uri
