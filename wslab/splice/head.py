"""The head of a request as the lab is given it: the browser's own, without what is Jupyter's alone.

The threat: a lab runs a learner's code and records every byte, and what it records is shown and saved. A login of the
Jupyter server, or of a proxy in front of it, must not get there. What differs from what the browser sent, and nothing
else does:

- the request target is what follows the door's key;
- Host is the lab's own address, since a lab answers to no other name (DNS rebinding);
- the headers whose names match ``CREDENTIALS`` and Jupyter's cookies are taken out;
- Jupyter's ``token`` and ``_xsrf`` are taken out of the query of the request target and of Referer;
- header names are in the case in which tornado hands them out, corrected where browsers are known to write another,
  and lines of one name stand together. Neither has a meaning (RFC 9110 5.1, 5.3).
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

# Names of headers that hold a login: Jupyter's own, one for a proxy in front of it (RFC 9110 11.7.2), and those that
# proxies add which log people in. A page cannot add a header to its opening handshake, so no lab misses one.
CREDENTIALS = re.compile(r".*(authorization|token|jwt|assertion|oidc|secret|password|api-?key).*", re.IGNORECASE)
PARAMETERS = {"token", "_xsrf"}
# Jupyter's cookies: a server's login on any port of this host (cookies ignore ports), and a hub's.
COOKIES = re.compile(r"_xsrf|username-.*|jupyter.*", re.ASCII | re.IGNORECASE | re.DOTALL)
CASE = {"Dnt": "DNT", "Sec-Gpc": "Sec-GPC"}  # as browsers write them; tornado gives every word one capital


def behind(uri: str, prefix: str) -> str | None:
    """The request target for the lab: what follows ``prefix`` (``/wslab/<key>``) in ``uri``, without Jupyter's token.
    None where ``prefix`` is not written there letter for letter, or where the path goes on without a slash."""
    path, mark, query = uri.partition("?")
    _, found, rest = path.partition(prefix)
    if not found or (rest and not rest.startswith("/")):
        return None
    return _without_token((rest or "/") + mark + query)


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
                if not (value := _without_jupyter(value, login)):
                    continue
            case "referer":
                value = _without_token(value)
            case lower if CREDENTIALS.fullmatch(lower):
                continue
        lines.append((CASE.get(name, name.replace("Websocket", "WebSocket")), value))
    return lines


def encode(target: str, version: str, lines: Iterable[tuple[str, str]]) -> bytes:
    """The bytes of a GET request's head."""
    head = [f"GET {target} {version}", *(f"{name}: {value}" for name, value in lines), "", ""]
    return "\r\n".join(head).encode("latin-1")  # as tornado decoded it


def _without_token(uri: str) -> str:
    """``uri`` without Jupyter's parameters in its query; every other one stays as it is written."""
    path, mark, query = uri.partition("?")
    kept = [each for each in query.split("&") if unquote_plus(each.partition("=")[0]) not in PARAMETERS]
    return path + (mark + "&".join(kept) if kept or not query else "")


def _without_jupyter(cookies: str, login: str) -> str:
    each = [(cookie.strip(), cookie.partition("=")[0].strip()) for cookie in cookies.split(";")]
    return "; ".join(cookie for cookie, name in each if name != login and not COOKIES.fullmatch(name))
