"""The head of a request as the lab is given it: the browser's own, without what is Jupyter's alone.

What differs from what the browser sent, and nothing else does:

- the request target is what follows the door's key;
- Host is the lab's own address, since a lab answers to no other name (DNS rebinding);
- Authorization, X-XSRFToken, Jupyter's cookies and Jupyter's ``token`` and ``_xsrf`` in the query are taken out;
- header names are in the case in which tornado hands them out, corrected where browsers are known to write another,
  and lines of one name stand together. Neither has a meaning (RFC 9110 5.1, 5.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

CREDENTIALS = {"authorization", "x-xsrftoken"}
PARAMETERS = {"token", "_xsrf"}
COOKIES = re.compile(r"_xsrf|username-.*|jupyter.*", re.ASCII | re.IGNORECASE | re.DOTALL)
"""Jupyter's cookies: a server's login on any port of this host (cookies ignore ports), and a hub's."""
CASE = {"Dnt": "DNT", "Sec-Gpc": "Sec-GPC", "X-Xsrftoken": "X-XSRFToken"}
"""As browsers write them; tornado gives every word one capital."""


def behind(uri: str, prefix: str) -> str | None:
    """The request target for the lab: what follows ``prefix`` (``/wslab/<key>``) in ``uri``, without Jupyter's token.

    None where ``prefix`` is not written there letter for letter, or where the path goes on without a slash.
    """
    path, mark, query = uri.partition("?")
    _, found, rest = path.partition(prefix)
    if not found or (rest and not rest.startswith("/")):
        return None
    kept = [each for each in query.split("&") if unquote_plus(each.partition("=")[0]) not in PARAMETERS]
    return (rest or "/") + (mark + "&".join(kept) if kept or not query else "")


def headers(given: Iterable[tuple[str, str]], host: str, login: str) -> list[tuple[str, str]]:
    """The header lines for the lab.

    Args:
        given: name and value of each line, as tornado gives them.
        host: the lab's own address and port.
        login: the name of this Jupyter server's login cookie, if it is not one that all of them use.
    """
    lines = []
    for name, value in given:
        match name.lower():
            case "host":
                value = host
            case "cookie":
                value = _without_jupyter(value, login)
                if not value:
                    continue
            case lower if lower in CREDENTIALS:
                continue
        lines.append((CASE.get(name, name.replace("Websocket", "WebSocket")), value))
    return lines


def encode(target: str, version: str, lines: Iterable[tuple[str, str]]) -> bytes:
    """The bytes of a GET request's head."""
    text = "".join([f"GET {target} {version}\r\n", *(f"{name}: {value}\r\n" for name, value in lines), "\r\n"])
    return text.encode("latin-1")  # as tornado decoded it


def _without_jupyter(cookies: str, login: str) -> str:
    kept = []
    for cookie in cookies.split(";"):
        name = cookie.partition("=")[0].strip()
        if name != login and not COOKIES.fullmatch(name):
            kept.append(cookie.strip())
    return "; ".join(kept)
