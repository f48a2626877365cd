"""The estate of a lab: what has to be put in order when the lab is gone, and the lease that keeps it open.

Theory. A lab may be closed, forgotten, replaced because its cell ran again, or cut short with its kernel. Each time its
connections must end well, and its port and thread must be given back. So all that must be ended stands in an
``Estate``, which knows nothing of the lab. The lab, its server and its relays share one ``Lease``. When the last of
them is gone, so is the lease, and the estate ends in the background. What runs on the server's loop holds the estate
and never a lease, or it would keep itself running.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import itertools
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from websockets.asyncio.connection import Connection
from websockets.protocol import CONNECTING

from ..recording.trace import Trace
from . import kernel, showing, tap
from .carrier import ADDRESS, GRACE, Carrier, make
from .errors import CLOSED, LabClosed, complaint, port_taken
from .guard import is_loopback
from .secret import LEFT_OUT
from .waiting import keep, run_on, start_on

if TYPE_CHECKING:
    import ssl

    from .certificates import Authority
    from .raw import RawEndpoint
    from .tls.eavesdropping import Ciphertext

CIPHERTEXTS = 64  # connections over TLS whose encrypted bytes are kept, the last ones
# What ``websockets`` logs when the connection that this failure closed is gone. It was noted when it happened.
HANDLER_FAILED = "connection handler failed"


class _LoggedErrors(logging.Handler):
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
        except (KeyError, AttributeError, ReferenceError):  # it is about no connection of the lab
            self._trace.note(text)


class Helper(Protocol):
    """What runs beside a lab's server, on the server's loop: a relay, a child process."""

    @property
    def port(self) -> int | None:
        """The port of 127.0.0.1 that it listens on, if any."""

    async def close(self) -> None:
        """End it, and wait until nothing of it is left. Calling it again does nothing."""

    def abandon(self) -> None:
        """Begin to end it. Thread-safe; returns at once."""


class Closer:
    """Ends once what listens on ``port``: ``end`` is called on the server's loop with what ``close`` is given."""

    _ending: asyncio.Task[None] | None = None

    def __init__(
        self, carrier: Carrier, end: Callable[..., Coroutine[Any, Any, None]], port: int, secret: str = ""
    ) -> None:
        self._carrier, self._end, self.port, self.secret = carrier, end, port, secret

    @property
    def begun(self) -> bool:
        """Whether it has begun to end."""
        return self._ending is not None

    async def close(self, *how: Any) -> None:
        """End it, and wait for that; from any loop. A later call waits for the same end."""
        await self._carrier.run(self._once(*how))

    def abandon(self) -> None:
        """Begin to end it. Thread-safe; returns at once."""
        self._carrier.soon(self._once())

    async def _once(self, *how: Any) -> None:
        if self._ending is None:
            self._ending = keep(asyncio.get_running_loop().create_task(self._end(*how)))
        await asyncio.shield(self._ending)


class Estate:
    """What a lab has to put in order, without the lab."""

    serving: Closer | None = None  # the end of the server that was started last
    closed = False  # whether it has begun to end
    _authority: Authority | None = None

    def __init__(self, seed: tap.Seed, carrier: str | None, trace: Trace) -> None:
        self.seed, self.trace = seed, trace
        self.logger = logging.Logger("wslab", logging.ERROR)  # outside the hierarchy: nothing reaches stderr
        self.logger.addHandler(_LoggedErrors(trace))
        self.carrier: Carrier = make(carrier, trace.note)
        self.clients: dict[Any, None] = {}
        self.raws: dict[RawEndpoint, None] = {}
        self.helpers: dict[Helper, None] = {}
        self.traces = weakref.WeakSet([trace])  # what was recorded here: by the lab, and by its relays
        self.numbers = itertools.count()
        self.ciphertexts: deque[Ciphertext] = deque(maxlen=CIPHERTEXTS)
        self._lock = threading.Lock()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        _estates.add(self)
        kernel.tell_errors_shortly()
        for earlier in _by_cell.replaced(self):  # what an earlier run of this very cell made
            earlier.abandon(clients=True)

    def open(self) -> Estate:
        """The estate itself. Raises LabClosed."""
        if self.closed:
            raise LabClosed(CLOSED)
        return self

    def over_tcp(self, otherwise: str) -> Estate:
        """The open estate of a lab over TCP. Raises LabClosed, and ValueError with ``otherwise`` for one in memory."""
        if self.open().carrier.name != "tcp":
            raise ValueError(f"{otherwise}: use Lab(carrier='tcp')")
        return self

    def gives(self, host: str, port: int, given: str = "") -> str:
        """The secret that a client of this lab writes there; none to the lab's own server, which knows its clients."""
        own = self.serving is not None and self.serving.port == port and is_loopback(host)
        if found := "" if own else given or secret_of(host, port):
            self.trace.left_out = (LEFT_OUT,)
        return found

    # TLS.

    @property
    def authority(self) -> Authority:
        """The lab's own authority, made when it is first asked for."""
        from .certificates import Authority

        with self._lock:
            if self._authority is None:
                self._authority = Authority()
            return self._authority

    @property
    def has_authority(self) -> bool:
        """Whether it was asked for."""
        return self._authority is not None

    def server_context(self) -> ssl.SSLContext:
        """What the lab's server gives its sockets; the encrypted bytes of each connection are noted."""
        from .tls.ciphertext import noted
        from .tls.eavesdropping import Ciphertext

        def begun() -> Ciphertext:
            self.ciphertexts.append(Ciphertext(self.trace.now))
            return self.ciphertexts[-1]

        return self.authority.server_context(noted(begun))

    def trusting(self) -> ssl.SSLContext | None:
        """A context for clients that trusts the lab's own authority; None where it has none."""
        return None if self._authority is None else self._authority.client_context()

    # Ports and cells.

    async def can_listen(self, port: int) -> None:
        """Raise PortTaken where another program has the port, before what runs here is closed for it."""
        if not port or self.carrier.name != "tcp" or port in [*self.ports, *_by_port.get(port, self).ports]:
            return
        try:
            (await asyncio.get_running_loop().create_server(asyncio.Protocol, ADDRESS, port)).close()
        except OSError as error:
            raise port_taken(port, error) from None

    @property
    def ports(self) -> list[int | None]:
        """Where its server and its helpers listen."""
        return [each.port for each in (self.serving, *self.helpers) if each]

    async def make_room(self, port: int) -> None:
        """Close what an earlier lab, or a helper of this one, has on that port; from now on this lab has it."""
        if not port or self.carrier.name != "tcp":
            return
        earlier, _by_port[port] = _by_port.get(port, self), self
        if earlier is not self and port in earlier.ports:
            await earlier.end()
        for helper in [each for each in [*self.helpers] if each.port == port]:
            await helper.close()

    def has_port(self, port: int) -> None:
        """Remember a port that the system chose; ``make_room`` frees it for a later lab that asks for it."""
        if self.carrier.name == "tcp":
            _by_port[port] = self

    # Ending.

    def _first(self) -> bool:
        """Whether nobody has begun to end it before."""
        with self._lock:
            closed, self.closed = self.closed, True
            return not closed

    async def end(self) -> None:
        """Close clients, raw endpoints and the server, and leave no thread behind; again waits for the same end."""
        if self._first():
            await asyncio.shield(keep(asyncio.get_running_loop().create_task(self._end())))
        else:
            await asyncio.shield(asyncio.wrap_future(self._ended))

    async def _end(self) -> None:
        leaving = [run_on(each.loop, _leave(each)) for each in [*self.clients] if each.loop.is_running()]
        leaving += [run_on(each.loop, each.close()) for each in [*self.raws] if each.loop.is_running()]
        try:
            if leaving:
                await asyncio.wait([asyncio.ensure_future(one) for one in leaving], timeout=2 * GRACE)
            if served := [each for each in (self.serving, *self.helpers) if each]:
                try:
                    async with asyncio.timeout(3 * GRACE):
                        await self.carrier.run(self._end_serving())
                except TimeoutError:  # a handler that computes or sleeps blocks the server's thread
                    for each in served:  # the end was called off before it began: it comes when the thread is free
                        each.abandon()
        finally:
            await self._over()
            for trace in [*self.traces]:
                showing.tell_changed(trace)

    async def _end_serving(self) -> None:
        """End the server, then what stands between it and others; runs on the server's loop."""
        if self.serving is not None:
            await self.serving.close()
        await asyncio.gather(*[helper.close() for helper in [*self.helpers]], return_exceptions=True)

    async def _over(self) -> None:
        try:
            await self.carrier.stop()
        finally:
            self.serving = None  # it holds the handler, which may hold the lab
            self._ended.set_result(None)

    def abandon(self, *, clients: bool = False) -> None:
        """Begin the same. Thread-safe; returns at once. Clients and raw ends are closed if ``clients`` is true."""
        if self._first():
            for client in [*self.clients] if clients else ():
                start_on(client.loop, _leave(client))
            for raw in [*self.raws] if clients else ():
                start_on(raw.loop, raw.close())
            self.carrier.soon(self._end_server())

    async def _end_server(self) -> None:
        here = asyncio.get_running_loop()
        # A raw endpoint on a loop that is about to end has nobody who could close it afterwards.
        leaving = [raw.close() for raw in [*self.raws] if raw.loop is here and self.carrier.name == "tcp"]
        await asyncio.gather(*leaving, self._end_serving(), return_exceptions=True)
        await self._over()


class Lease:
    """Keeps an estate open. The estate is abandoned as soon as nothing refers to the lease any more."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        weakref.finalize(self, estate.abandon).atexit = False  # _end_all does that, and waits


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


_estates: weakref.WeakSet[Estate] = weakref.WeakSet()
_by_port: weakref.WeakValueDictionary[int, Estate] = weakref.WeakValueDictionary()
_by_cell: kernel.Cells[Estate] = kernel.Cells()
_helpers_by_cell: kernel.Cells[Helper] = kernel.Cells()


def traces() -> list[Trace]:
    """What the labs and relays of this process have recorded."""
    return [trace for estate in list(_estates) for trace in list(estate.traces)]


def secret_of(host: str, port: int | None) -> str:
    """The secret of the server, or of the relay to one, that this process has there; empty where there is none."""
    ends = [end for estate in list(_estates) for end in (estate.serving, *estate.helpers) if is_loopback(host)]
    told = (end.secret for end in ends if isinstance(end, Closer) and end.port == port and not end.begun)
    return next(told, "")


def replace_helpers(helper: Helper) -> None:
    """Begin to end the relays and scripts that an earlier run of this very cell started before ``helper``."""
    for earlier in _helpers_by_cell.replaced(helper):
        earlier.abandon()


@atexit.register
def _end_all() -> None:
    """Say goodbye with 1001 when the kernel is restarted or shut down."""
    for estate in (estates := list(_estates)):
        estate.abandon()
    end = time.monotonic() + 2 * GRACE  # of all together: Jupyter kills a kernel that has not ended after 5 s
    for estate in estates:
        estate.carrier.stop_now(max(0.0, end - time.monotonic()))
