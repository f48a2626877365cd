"""Who may pass through the Jupyter server to a lab, and where to.

A request passes only if Jupyter knows its sender, the sender may execute code in kernels, the page that sent it is of
an origin that Jupyter allows (RFC 6455 10.2), and its path names a door of this user. It passes to that door's port.
A public door, which a show of hands opens, asks neither who nor what for: a class may vote, and execute no code.
"""

import json
import re
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.httputil import HTTPHeaders
from tornado.web import HTTPError

from ..live.jupyter import doors
from . import head
from .pipe import ADDRESS, Pipe

NO_DOOR = "No lab of this user has a door of that key: its server was closed, or its kernel ended."
NOBODY = "Nobody listens behind this door any more."
BODY = "A request that is to pass to a lab has no body."
ONLY_THE_PAGE = "Of a lab, pages of this server reach its WebSocket and the page at its root, and nothing else."
PAGE_HEADERS = ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control")


class _Authenticated(WebSocketMixin, JupyterHandler):
    """Checks what Jupyter's own WebSocket handlers check: who asks, what that user may do, and which page it is."""

    async def _check(self, public: bool = False) -> None:
        # A lab runs in a kernel, so only a user who may execute code there may talk to it.
        user, may = self.current_user, self.authorizer.is_authorized
        if not public and not (user and await ensure_async(may(self, user, "execute", "kernels"))):
            raise HTTPError(403)
        # RFC 6455 10.2: "Servers that are not intended to process input from any web page but only for certain sites
        # SHOULD verify the |Origin| field is an origin they expect."
        if not self.check_origin():
            raise HTTPError(403, "a page of another origin")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The refusal in one line of text, to be read in the browser's tools."""
        error = kwargs.get("exc_info", (None, None))[1]
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{(error.log_message if isinstance(error, HTTPError) else None) or self._reason}\n")


class StatusHandler(_Authenticated):
    """``GET <base_url>/wslab/``: tells a page, which has to choose its way to the lab, that the splice is there."""

    @allow_unauthenticated  # _check asks who it is
    async def get(self) -> None:
        """Answer ``{"splice": 1}``."""
        await self._check()
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"splice": 1}))


class SpliceHandler(_Authenticated):
    """``GET <base_url>/wslab/<key>/...``: an upgrade request passes whole; another request can read a lab's page."""

    @allow_unauthenticated  # through a public door; _check asks who comes to any other
    async def get(self, key: str) -> None:
        """Find the port of that key, and join the connection to it."""
        await self._check(public=doors.find(key, public=True) is not None)
        if self.request.body or "Transfer-Encoding" in self.request.headers:
            raise HTTPError(400, BODY)
        door = doors.believed(key)
        target = head.behind(self.request.uri or "", f"/{doors.PREFIX}/{key}")
        if door is None or target is None:
            raise HTTPError(404, NO_DOOR)
        port, inside = door.port, door.secret + target
        login = self.identity_provider.get_cookie_name(self)
        lines = head.headers(self.request.headers.get_all(), f"{ADDRESS}:{port}", login)
        if "Upgrade" in self.request.headers:
            pipe = Pipe(port)
            try:
                await pipe.connect()
            except OSError:
                raise HTTPError(502, NOBODY) from None
            await pipe.join(self.detach(), head.encode(inside, self.request.version, lines))
        elif target.partition("?")[0] == "/" and "/" in self.request.path.rpartition(key)[2]:
            await self._fetch(port, inside, lines)
        else:
            raise HTTPError(404, ONLY_THE_PAGE)

    async def _fetch(self, port: int, target: str, lines: list[tuple[str, str]]) -> None:
        """Answer with the lab's page. The connection is not joined: a browser sends its next requests on it, and those
        are for Jupyter."""
        given = HTTPHeaders()
        for name, value in lines:
            if name not in ("Connection", "Accept-Encoding", "If-None-Match"):
                given.add(name, value)
        # The lab writes addresses into its page, and has to know those that the browser needs.
        given["X-Forwarded-Host"] = self.request.headers.get("Host", "")
        given["X-Forwarded-Prefix"] = (self.request.uri or "").partition("?")[0]
        try:
            response = await AsyncHTTPClient().fetch(
                f"http://{ADDRESS}:{port}{target}", raise_error=False, headers=given, follow_redirects=False
            )
        except (OSError, HTTPClientError):
            raise HTTPError(502, NOBODY) from None
        if response.code == 599:  # tornado's number for no answer at all
            raise HTTPError(502, NOBODY)
        self.set_status(response.code, response.reason)
        # What the lab serves is of Jupyter's origin here, so it gets a sandbox unless it brings a policy.
        self.set_header("Content-Security-Policy", "sandbox")
        for name in PAGE_HEADERS:
            if name in response.headers:
                self.set_header(name, response.headers[name])
        self.finish(response.body)


def handlers(base_url: str) -> list[tuple[str, type[JupyterHandler]]]:
    """The handlers for the Jupyter server at ``base_url``, which ends in a slash."""
    root = re.escape(base_url) + doors.PREFIX
    return [(rf"{root}/?", StatusHandler), (rf"{root}/([^/]+)(?:/.*)?", SpliceHandler)]
