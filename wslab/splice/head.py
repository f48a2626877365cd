"""The head of a request as the lab is given it: the browser's own, without what is Jupyter's alone.

The threat: a lab runs a learner's code and records every byte, and what it records is shown and saved. A login of the
Jupyter server, or of a proxy in front of it, must not get there. What differs from what the browser sent, and nothing
else does:

- the request target is what follows the door's key;
- Host is the lab's own address, since a lab answers to no other name (DNS rebinding);
- headers of the names in ``CREDENTIALS`` are taken out, and so are cookies of such names and of those in ``COOKIES``;
- Jupyter's ``token`` and ``_xsrf`` are taken out of the query of the request target and of every header that holds an
  address, such as Referer, and subprotocols that carry a token out of Sec-WebSocket-Protocol;
- header names are in the case in which tornado hands them out, corrected where browsers are known to write another,
  and lines of one name stand together. Neither has a meaning (RFC 9110 5.1, 5.3).

A proxy may call a cookie or a header as it likes. One of another name passes, as ``docs/installing.md`` says.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

PARAMETERS = {"token", "_xsrf"}
# Words in names of headers and cookies that hold a login: Jupyter's own, a hub's, one for a proxy in front of them
# (RFC 9110 11.7.2), and those by which such proxies say who somebody is. A page cannot add a header to its opening
# handshake, so no lab misses one.
WORDS = (
    ".*(authorization|token|jwt|assertion|oidc|oauth|saml|dpop|secret|password|credential|signature|api-?key|access-?key|"
    "[xc]srf|jupyter|client-?cert|ssl-client|client-principal|authenticated-user|x-auth-|authentik|pomerium|vouch).*"
)
PEOPLE = "(x-)?(forwarded|remote|webauth)-(user|name|groups?|email|preferred-username)|(x-)?shib-.*|gap-auth"
FLAGS = re.ASCII | re.IGNORECASE | re.DOTALL
CREDENTIALS = re.compile(f"{WORDS}|{PEOPLE}|cookie2|.+-cookie", FLAGS)
# Cookies know no port: those of every Jupyter server on this host come along, and those of the same proxies.
COOKIES = re.compile(
    f"{WORDS}|(__(host|secure)-)?(username-|service-|_forward_auth|authelia_|cf_appsession|awselbauth|gcp_ia|"
    "appserviceauth|mod_auth_|_shib|keycloak_|kc_).*",
    FLAGS,
)
# A token as a subprotocol: Jupyter's (JEP 121), and the one of Kubernetes that it follows.
SUBPROTOCOLS = re.compile(r"v1\.token\.websocket\.jupyter\.org.*|base64url\.bearer\.authorization\..*", re.IGNORECASE)
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
            case "sec-websocket-protocol":
                offered = [each.strip() for each in value.split(",")]
                kept = [each for each in offered if not SUBPROTOCOLS.fullmatch(each)]
                if kept != offered and not (value := ", ".join(kept)):
                    continue
            case lower if CREDENTIALS.fullmatch(lower):
                continue
            case _:
                value = _without_token(value)
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
    kept = [cookie for cookie, name in each if name != login and not COOKIES.fullmatch(name)]
    return "; ".join(kept)
