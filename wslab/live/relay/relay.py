"""``Relay``: a recording TCP relay between any two peers, which can bend what passes.

Theory. A relay accepts a connection, makes one to its target, and hands on what it reads: bytes, the end of a stream
(FIN) in each direction on its own, and RST as RST. It reads the head of a client's first request only to see whether a
WebSocket conversation begins. Anything else, such as the other requests of a page, passes unrecorded and unbent, and is
counted.

============ =====================================================================
``bends``    what a relay can do to what passes, as values
``machines`` what does it, one machine a stream; ``stages`` the row they stand in
``link``     the two connections, and how one is passed on to the other
``notes``    what the trace is told meanwhile
============ =====================================================================
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ...anatomy.field import Sender
from ...drawing.visible import count
from ...recording.trace import Trace
from .. import showing
from ..carrier import ADDRESS, GRACE, port_of
from ..errors import NotLoopback, port_taken
from ..estate import Closer, Estate, Lease, replace_helpers
from ..guard import is_loopback
from ..secret import hidden, parted
from ..showing import Alive
from ..waiting import Closes, settle
from .bends import SENDERS, Bend, check
from .link import Link, Target, Traffic

DEFAULT_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
THROUGH = "through"


class Relay(Alive, Closes):
    """A relay between any two peers. ``Lab.relay`` makes it. Any loop and any thread may use it.

    To hold it keeps the lab open.

    Attributes:
        trace: the recording of what passed, a ``Trace`` of the relay's own.
        port: the port on 127.0.0.1 on which it listens.
        bends: what it does to each conversation, in the order in which it does it.
    """

    def __init__(self, lease: Lease, traffic: Traffic, ending: Closer) -> None:
        self._lease, self._traffic, self._ending = lease, traffic, ending
        self.trace, self.port, self.bends = traffic.trace, ending.port, traffic.bends

    @property
    def uri(self) -> str:
        """Where to connect instead of to the target. Path and query are the target's."""
        goal = self._traffic.target
        # RFC 6066 3, of the name that asks for a certificate: "Literal IPv4 and IPv6 addresses are not permitted".
        return f"wss://localhost:{self.port}{goal.path}" if goal.secure else f"ws://{ADDRESS}:{self.port}{goal.path}"

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
        """With ``tls="through"``: the first 16 MiB of what crossed, for each connection and sender."""
        return {
            number: {sender: bytes(stream) for sender, stream in streams.items()}
            for number, streams in tuple(self._traffic.ciphertext.items())
        }

    @property
    def closed(self) -> bool:
        """Whether it, or its lab, was closed."""
        return self._ending.begun or self._lease.estate.closed

    def hold(self, direction: str = "both") -> None:
        """From now on, have every chunk of ``"client"``, ``"server"`` or ``"both"`` wait until it is released."""
        self._soon(partial(self._traffic.hold, SENDERS[direction]))

    def release(self, chunks: int | None = 1, direction: str = "both") -> None:
        """Let so many of the chunks that wait go on, in the order in which they came. None ends the holding."""
        self._soon(partial(self._traffic.release, SENDERS[direction], chunks))

    async def settled(self, timeout: float = 5.0) -> None:
        """Wait until every byte, FIN and RST that it was handed has been handed on; what a bend holds back never is.

        A conversation that one peer has ended is settled once the other has ended it too. ``lab.settled()`` waits
        until the peers have read what they were handed. Raises TimeoutError, which says what was still on its way,
        after ``timeout`` seconds.
        """

        def on_its_way() -> list[str]:
            links = [link for link in tuple(self._traffic.links) if any(side.ended for side in link.sides.values())]
            half = [f"the end of connection {link.notes.number}" for link in links if link.notes.number is not None]
            return [*self.trace.on_its_way(), *half]

        await settle(self.trace, on_its_way, timeout)

    async def close(self) -> None:
        """Accept no more, end every connection with FIN, and wait until nothing is left. Its panels stay."""
        if not self.closed:
            await self._ending.close()
            showing.tell_changed(self.trace)

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


def target(uri: str, *, remote: bool = False) -> Target:
    """Where a URI of the schemes ws, wss, http or https leads.

    Raises ValueError for another URI, and NotLoopback for one to another machine, unless it may be ``remote``.
    """
    given, uri = uri, hidden(uri)
    try:
        parts = urlsplit(given)
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


def contexts(
    estate: Estate, goal: Target, tls: str | ssl.SSLContext | None
) -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
    """The TLS contexts towards a relay's clients and towards its target; None if TLS does not end at the relay.

    Raises ValueError where ``tls`` is none of the values that ``Lab.relay`` takes.
    """
    if tls not in (None, THROUGH) and not isinstance(tls, ssl.SSLContext):
        raise ValueError(f"tls={tls!r}: expected None, an ssl.SSLContext for the target, or {THROUGH!r}")
    if isinstance(tls, str) or not goal.secure:
        return None
    if tls is None:
        tls = ssl.create_default_context(cadata=estate.authority.pem.decode("ascii"))
        tls.load_default_certs()
        tls.set_alpn_protocols(["http/1.1"])
    return estate.authority.server_context(), tls


async def start(
    lease: Lease, to: str, bends: Sequence[Bend], port: int, tls: str | ssl.SSLContext | None, *, remote: bool
) -> Relay:
    """Start a relay beside a lab; see ``Lab.relay``."""
    goal = target(to, remote=remote)
    estate = lease.estate
    check(bends, opaque=tls == THROUGH)
    traffic = Traffic(goal, bends, through=tls == THROUGH)
    ends_here = contexts(estate, goal, tls)
    await estate.make_room(port)
    ending = await estate.carrier.run(_listen(estate, traffic, port, ends_here))
    replace_helpers(ending)
    return Relay(lease, traffic, ending)


async def _listen(
    estate: Estate, traffic: Traffic, port: int, contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None
) -> Closer:
    """Listen; runs on the server's loop. ``contexts`` are the server's and the client's where TLS ends here."""
    listening: dict[str, Any] = {}
    if contexts is not None:
        listening["ssl"] = contexts[0]
        traffic.reaching = {"ssl": contexts[1], "server_hostname": traffic.target.host}
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: Link(traffic).sides[Sender.CLIENT], ADDRESS, port, **listening)
    except OSError as error:
        raise port_taken(port, error) from None

    async def end() -> None:
        estate.helpers.pop(ending, None)
        server.close()
        for step in (Link.finish, partial(Link.close, at_once=True)):
            for link in [*traffic.links]:
                step(link)
            if left := [link.over for link in traffic.links]:
                await asyncio.wait(left, timeout=GRACE)

    ending = Closer(estate.carrier, end, port_of(server), parted(traffic.target.path)[1])
    estate.helpers[ending] = None
    estate.traces.add(traffic.trace)
    return ending
