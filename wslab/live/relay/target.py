"""Where a relay leads, and the TLS that it speaks on both sides where it ends TLS itself."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..errors import NotLoopback
from ..guard import is_loopback

if TYPE_CHECKING:
    from ..estate import Estate

DEFAULT_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
SECURE = {"wss", "https"}
THROUGH = "through"


class Target(NamedTuple):
    """Where a relay leads."""

    scheme: str
    host: str
    port: int
    path: str  # path and query, as the URI has them

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.scheme in SECURE


def target(uri: str, *, remote: bool = False) -> Target:
    """Where a URI of the schemes ws, wss, http or https leads.

    Raises ValueError for another URI, and NotLoopback for one to another machine, unless it may be ``remote``.
    """
    try:
        parts = urlsplit(uri)
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
