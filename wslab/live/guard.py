"""Which requests a server on loopback may answer.

Every page that a browser shows can reach 127.0.0.1. Two checks stand against it:

- *Origin* (RFC 6455 10.2): a page names its origin truthfully, so a server lets in the origins on its list. The list
  stops pages, not programs, which need not send any. ``websockets`` checks it; wslab's default is "none at all".
- *Host*: a page of ``evil.example`` whose name was pointed at 127.0.0.1 after it was loaded (DNS rebinding) is of the
  server's own origin in the browser's eyes, but its requests still carry ``Host: evil.example``. Only names of this
  machine are answered, and the address in a network (``network``) on which somebody chose to listen.

Against other programs of the machine neither helps: that is what a secret in the path is for (``secret``).
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from .errors import NotLoopback

ProcessRequest = Callable[[ServerConnection, Request], Awaitable[Response | None] | Response | None]

# RFC 3986 3.2.2 and 3.2.3: what a Host header may hold, less the escapes and names that no loopback has.
AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::([0-9]{0,5}))?", re.ASCII)
# RFC 6454 6.2, the form in which a browser sends it: no path, no capitals, no user.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(:[0-9]{1,5})?", re.ASCII)
ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)

MALFORMED = "The Host header is no host with an optional port (RFC 9110 7.2).\n"
UNKNOWN = (
    "This lab's server refuses a request whose path does not begin with the server's secret: it keeps out programs of "
    "other users of this machine. Connect with lab.connect(), or to the whole of server.uri.\n"
)
FOREIGN = "This server answers to localhost and to loopback addresses only, as a defence against DNS rebinding.\n"


def is_loopback(host: str) -> bool:
    """Whether ``host`` (no port; IPv6 in brackets) is ``localhost`` or a loopback address, and nothing like it."""
    if host.lower() == "localhost":
        return True
    try:
        if host.startswith("["):
            return ipaddress.IPv6Address(host[1:-1]) == ipaddress.IPv6Address("::1")
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def check_host(host: str | None) -> None:
    """Raise NotLoopback unless ``host`` means 127.0.0.1."""
    if host not in (None, "127.0.0.1", "localhost"):
        raise NotLoopback(
            f"host={host!r}: a lab listens on 127.0.0.1 only, since its server would be open to everybody who can "
            "reach this machine. Leave host= out; to serve a network, run the same handler with websockets.serve"
        )


def check_socket(sock: socket.socket) -> None:
    """Raise NotLoopback unless a ready-made listening socket is bound to a loopback address."""
    address = sock.getsockname()
    host = str(address[0] if isinstance(address, tuple) else address)
    check_host(None if host == "::1" else host)


def check_origin(origin: str) -> str:
    """``origin`` if it is one that names who speaks, such as ``http://localhost:8888`` (RFC 6454 6.2).

    Else raises ValueError, also for ``null``: every sandboxed page and every local file calls itself that.
    """
    if not ORIGIN.fullmatch(origin):
        raise ValueError(
            f"origin={origin!r}: an origin is a scheme, a host and perhaps a port in small letters, with nothing after "
            "them, such as 'http://localhost:8888' (RFC 6454 6.2); in a page it is location.origin"
        )
    return origin


def refuse(request: Request, network: str = "") -> tuple[int, str] | None:
    """The HTTP status and text with which ``request`` is refused for its Host, or None. Does not check Origin."""
    hosts = request.headers.get_all("Host")
    if len(hosts) != 1:
        found = "more" if hosts else "none"
        return 400, f"A request has exactly one Host header (RFC 9112 3.2); this one has {found}.\n"
    # RFC 9112 3.2.2: of a request target in absolute form "the server MUST ignore the received Host header field".
    absolute = ABSOLUTE.match(request.path)
    for authority in (hosts[0], absolute[1]) if absolute else hosts:
        match = AUTHORITY.fullmatch(authority)
        if match is None:
            return 400, MALFORMED
        if not is_loopback(match[1]) and match[1] != network:
            return 403, FOREIGN
    return None


def on_a_hub() -> bool:
    """Whether this is a user's server of a JupyterHub, or a kernel of one: the hub tells it where its pages are."""
    return "JUPYTERHUB_SERVICE_PREFIX" in os.environ


def knowing(secret: str) -> ProcessRequest:
    """A ``process_request=`` that refuses a request from whose path another secret was taken, or none.

    A client of the lab itself needs none: no other program has both addresses of its connection at the same time.
    """

    def process(connection: Any, request: Request) -> Response | None:
        known = connection.wslab_tap.whole or hmac.compare_digest(connection.wslab.taker.taken, secret)
        return None if known else connection.respond(403, UNKNOWN)

    return process


def guarded(*answering: ProcessRequest | None, network: str = "") -> ProcessRequest:
    """A ``process_request=`` that refuses foreign hosts and then asks the given ones in turn, until one responds."""

    def process(connection: ServerConnection, request: Request) -> Awaitable[Response | None] | Response | None:
        if (refusal := refuse(request, network)) is not None:
            return connection.respond(*refusal)
        responses = (each(connection, request) for each in answering if each is not None)
        return next((response for response in responses if response is not None), None)

    return process
