"""A page that a lab's server serves on its own port: the browser as a peer with nothing of Jupyter around it.

Theory. The opening handshake is an HTTP request, so the server that answers it can answer a plain GET as well. A page
that is served from the lab's port names that port in its Origin, and the lab lets it in.

The threat: through a Jupyter server (``wslab.splice``) the same page is of Jupyter's origin, where a script could act
as the user. So the page is served with a policy that lets it connect to this lab and to nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from ...drawing.visible import count
from ..carrier import ADDRESS
from ..guard import AUTHORITY
from ..showing import LivePanel, panel_of

if TYPE_CHECKING:
    from .doors import Door

# Where a splice may say that it serves the page: no character of it has a meaning in a policy or in a page.
PREFIX = re.compile(r"/(?:[A-Za-z0-9._~@%+-]+/)*wslab/[0-9a-f]{32}/", re.ASCII)
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src {}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# For a page of Jupyter's origin: it must not open a window of Jupyter's, in which it could act.
SANDBOX = "; sandbox allow-scripts allow-same-origin allow-modals"
HEADERS = {
    "Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip


class Serves(Protocol):
    """The server of a page, as far as its panel needs it."""

    def is_serving(self) -> bool:
        """Whether it accepts connections."""

    def admit(self, origin: str) -> None:
        """Let in the pages of ``origin`` too."""

    def door(self) -> Door:
        """The door by which pages of this user's Jupyter server reach it."""


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A page that a server serves, as ``Server.page`` returns it. It ends with the server."""

    html: str  # the page as it was given, with the port that its author wrote
    written_port: int
    port: int
    secure: bool
    hosts: tuple[str, ...]  # the names by which a browser reaches the port
    secret: str = field(default="", repr=False)  # at the beginning of the server's path
    # What serves it; None in the server's own copy, which must not keep the server.
    server: Serves | None = field(default=None, compare=False)

    @property
    def panel(self) -> LivePanel:
        """A link to open it by. Raises ImportError, which says what to do, where anywidget is not installed."""
        return panel_of(self)

    @property
    def uri(self) -> str:
        """Where a browser on this machine opens it: ``http://127.0.0.1:PORT/``; with the server's secret, if any."""
        return f"{self.origins[0]}{self.secret}/"

    @property
    def origins(self) -> tuple[str, ...]:
        """What the page calls its origin when it is opened there."""
        return tuple(f"{'https' if self.secure else 'http'}://{host}:{self.port}" for host in self.hosts)

    def respond(self, connection: ServerConnection, request: Request) -> Response | None:
        """The page, or None if ``request`` asks for something else: for an upgrade, or for another path."""
        if request.method != "GET" or "Upgrade" in request.headers or request.path.partition("?")[0] != "/":
            return None
        scheme = "wss" if self.secure else "ws"
        written = re.compile(rf"wss?://({re.escape(ADDRESS)}|localhost):{self.written_port}(?![0-9])(/?)")
        if (spliced := _spliced(request)) is None:
            policy = POLICY.format(" ".join(f"{scheme}://{host}:{self.port}" for host in self.hosts))
            # What the server sends is recorded, so the secret must not stand in it: the page's own address has it.
            html = written.sub("./" if self.secret else rf"{scheme}://\1:{self.port}\2", self.html)
        else:
            # The browser may have come by http or, as through a hub, by https. A relative address suits both.
            policy = POLICY.format(f"ws://{spliced} wss://{spliced}") + SANDBOX
            html = written.sub("./", self.html)
        response = connection.respond(200, html)
        del response.headers["Content-Type"]
        response.headers.update({**HEADERS, "Content-Security-Policy": policy})
        return response

    def __repr__(self) -> str:
        return f"<Page of {count(len(self.html.splitlines()), 'line')}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self)}


def _spliced(request: Request) -> str | None:
    """Host and path where the user's Jupyter server serves the page, as ``wslab.splice`` says; else None."""
    host, prefix = ("".join(request.headers.get_all(f"X-Forwarded-{name}")) for name in ("Host", "Prefix"))
    return host + prefix if AUTHORITY.fullmatch(host) and PREFIX.fullmatch(prefix) else None
