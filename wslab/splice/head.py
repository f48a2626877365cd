"""The head of a request as the lab is given it: the browser's own, without what is Jupyter's alone.

The threat: a lab runs a learner's code and records every byte, and what it records is shown and saved. A login of the
Jupyter server, or of a proxy in front of it, must not get there. What differs from what the browser sent, and nothing
else does:

- the request target is what follows the door's key;
- Host is the lab's own address, since a lab answers to no other name (DNS rebinding);
- headers of the names in ``CREDENTIALS`` are taken out, and so are cookies of such names and of those in ``COOKIES``;
- Jupyter's ``token`` and ``_xsrf`` are taken out of the query of the request target; and they, what else logs in there
  (``CODES``), and a user's name and password, out of every header that holds an address, such as Referer;
- subprotocols that carry a token are taken out of Sec-WebSocket-Protocol;
- header names are in the case in which tornado hands them out, corrected where browsers are known to write another,
  and lines of one name stand together. Neither has a meaning (RFC 9110 5.1, 5.3).

A proxy may call a cookie or a header as it likes. One of another name passes, as ``docs/installing.md`` says.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

PARAMETERS = "token|_xsrf"
# And of addresses to which OAuth, OpenID Connect, SAML and CAS lead back.
CODES = (
    f"{PARAMETERS}|[^=?&;]*(token|jwt|saml|secret|password|signature|api.?key)[^=?&;]*|code|(session_)?state|ticket|sig"
)
# Words in names of headers and cookies that hold a login: Jupyter's own, a hub's, one for a proxy in front of them
# (RFC 9110 11.7.2), and those by which such proxies say who somebody is. A page cannot add a header to its opening
# handshake, so no lab misses one. An underscore counts as a hyphen.
WORDS = (
    ".*(authorization|authenticat|token|jwt|assertion|oidc|oauth|saml|dpop|secret|passw|credential|signature|jupyter|"
    "(api|access|app|functions|subscription)-?key|[xc]srf|client-?(cert|dn|verify|principal)|ssl-client|authentik|"
    "pomerium|vouch|shib-|mellon|session-?id|smsession|authelia|impersonate).*|(.*[^a-z])?(auth[nz]?|sso)([^a-z].*)?"
)
PEOPLE = (
    "(?!sec-fetch-)(.*-)?(user|user-?(name|id|info|login|email)|email|groups?|roles?|login|principal|identity|creds)|"
    "(x-)?(forwarded|remote|webauth)-name|(x-)?(remote-extra|tailscale|consumer|cf-access)-.*|(.*-)?(auth|proxy|cas)user"
)
FLAGS = re.ASCII | re.IGNORECASE | re.DOTALL
CREDENTIALS = re.compile(f"{WORDS}|{PEOPLE}|cookie2|.+-cookie", FLAGS)
# Cookies know no port: those of every Jupyter server on this host come along, and those of the same proxies.
COOKIES = re.compile(
    f"{WORDS}|(--(host|secure)-)?(username-|service-|-forward-auth|cf-(app)?session|awselbauth|awsalbauth|gcp-ia|kc-|"
    "appserviceauth|staticwebappsauth|mod-auth|-shib|keycloak|smidentity|obsso|oam|iplanetdirectory|amauth|openam|"
    "ltpatoken|pd-(s-session|id)|castgc|tgc$|lemonldap|msis|fedauth|[.]aspx?(auth|net)|estsauth|ory-|okta|tailscale).*",
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
    return _without(PARAMETERS, (rest or "/") + mark + query)


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
            case lower if CREDENTIALS.fullmatch(lower.replace("_", "-")):
                continue
            case _:  # an address may begin with a name and a password (RFC 3986 3.2.1)
                value = _without(CODES, re.sub(r"(?<=//)[^/?#@\s]*@", "", value))
        lines.append((CASE.get(name, name.replace("Websocket", "WebSocket")), value))
    return lines


def encode(target: str, version: str, lines: Iterable[tuple[str, str]]) -> bytes:
    """The bytes of a GET request's head."""
    head = [f"GET {target} {version}", *(f"{name}: {value}" for name, value in lines), "", ""]
    return "\r\n".join(head).encode("latin-1")  # as tornado decoded it


def _without(names: str, uri: str) -> str:
    """``uri`` without those parameters in its query, and those that hold them; others stay as they are written."""
    path, mark, query = uri.partition("?")
    kept = [each for each in query.split("&") if not _tells(names, each)]
    return path + (mark + "&".join(kept) if kept or not query else "")


def _tells(names: str, text: str) -> bool:
    """Whether a parameter of those names stands in ``text``: at its beginning or in an address, escaped or not."""
    for _ in range(4):  # an address in an address in an address
        text = unquote_plus(text)
    return re.search(rf"(^|[?&;])\s*(amp;)?({names})(=|$)", text, re.IGNORECASE) is not None


def _without_jupyter(cookies: str, login: str) -> str:
    each = [(cookie.strip(), cookie.partition("=")[0].strip(' \t"')) for cookie in cookies.split(";")]
    harmless = (cookie for cookie, name in each if name != login and not COOKIES.fullmatch(name.replace("_", "-")))
    return "; ".join(cookie for cookie in harmless if not _tells(PARAMETERS, cookie))
