"""What each line of a request head or response head says, computed from its value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ..anatomy.field import Field, Sender
from .deflate import parse_extensions
from .handshake import accept_key, decode_key
from .head import Head
from .words import count, hexadecimal, quote

_LOOPBACK = re.compile(r"(127(?:\.\d{1,3}){3}|localhost|\[::1\]):\d{1,5}", re.IGNORECASE)
_CREDENTIALS = re.compile(rb"cookie|authorization", re.IGNORECASE)
_VERSION = "HTTP-Version"


class Told(NamedTuple):
    """What one header line says."""

    meaning: str
    section: str
    secret: bool = False
    steady: str | None = None


def head_fields(head: Head, request: Head | None) -> Iterator[Field]:
    """The fields of a head: the parts of its first line, each header line, the empty line. They tile its bytes."""
    data = head.data
    end = data.find(b"\r\n")
    stop = len(data) if end < 0 else end + 2
    yield from _first_line(head, data[:stop])
    for line in head.lines:
        told = _tell(line.name.strip(" \t"), line.value, head, request)
        raw = data[line.start : line.stop]
        if not told.secret and _odd_and_secret(line.name, raw):
            told = Told("not written as a header is, and it may hold a credential", "RFC 9112 5.2", secret=True)
        yield Field(
            name=line.name or "no header",
            start=line.start * 8,
            width=(line.stop - line.start) * 8,
            raw=raw,
            value=line.value,
            meaning=told.meaning,
            section=told.section,
            secret=told.secret,
            steady=told.steady,
        )
        stop = line.stop
    if stop < len(data):
        rest = data[stop:]
        name, meaning = ("Empty line", "the head ends here") if rest == b"\r\n" else ("After the head", "no part of it")
        value = "" if rest == b"\r\n" else rest
        yield Field(name, stop * 8, len(rest) * 8, rest, value, meaning, "RFC 9112 2.1", secret=_holds_secret(rest))


def _holds_secret(raw: bytes) -> bool:
    return _CREDENTIALS.search(raw) is not None


def _odd_and_secret(name: str, raw: bytes) -> bool:
    """Whether a line that is not written as a header may hold a credential: folded under one, or with a bare LF."""
    return raw[:1] in (b" ", b"\t") or ((not name or b"\n" in raw[:-1].rstrip(b"\r")) and _holds_secret(raw))


def head_facts(head: Head, request: Head | None) -> Iterator[tuple[str, str]]:
    """What a head says that no single line does."""
    if head.malformed:
        yield "Not HTTP", head.malformed
    if head.sender is Sender.CLIENT:
        for key in head.get("Sec-WebSocket-Key")[:1]:
            yield "Accept wanted", f"a server must answer with {accept_key(key)}"
    elif head.status == 101 and request is not None:
        for key in request.get("Sec-WebSocket-Key")[:1]:
            yield "Accept computed", f"{accept_key(key)} from the request's key {quote(key)}"


def _first_line(head: Head, line: bytes) -> Iterator[Field]:
    """A request line or a status line in its three parts, each with the space or CRLF after it (RFC 9112 section 3)."""
    parts = line.split(b" ", 2)
    if not line or (len(parts) < 3 or head.malformed == _NO_LINE[head.sender]):
        if line:
            value = head.start_line
            secret = _holds_secret(line)
            yield Field("First line", 0, len(line) * 8, line, value, "this is no HTTP", "RFC 9112 2.1", secret=secret)
        return
    names, tell = (_REQUEST_PARTS, _request_part) if head.sender is Sender.CLIENT else (_RESPONSE_PARTS, _response_part)
    start = 0
    for place, name in enumerate(names):
        raw = parts[place] + (b" " if place < 2 else b"")
        value = raw.rstrip(b" \r\n").decode("latin-1") if place < 2 else raw.removesuffix(b"\r\n").decode("latin-1")
        steady = _steady(value)
        meaning, section = tell(name, value)
        yield Field(name, start * 8, len(raw) * 8, raw, value, meaning, section, steady=steady)
        start += len(raw)


_NO_LINE: Final = {
    Sender.CLIENT: "the first line is no request line",
    Sender.SERVER: "the first line is no status line",
}
_REQUEST_PARTS: Final = ("Method", "Request-URI", _VERSION)
_RESPONSE_PARTS: Final = (_VERSION, "Status-Code", "Reason-Phrase")


def _request_part(name: str, value: str) -> tuple[str, str]:
    if name == "Method":
        good = "GET, the only method for this handshake" if value == "GET" else "only GET may begin this handshake"
        return good, "RFC 6455 4.1"
    if name == "Request-URI":
        return (
            f"the resource name: which of the server's services is wanted: {quote(_steady(value) or value)}",
            "RFC 6455 4.1",
        )
    return _http_version(value)


def _response_part(name: str, value: str) -> tuple[str, str]:
    if name == "Status-Code":
        return _STATUSES.get(value, f"{quote(value)}: not 101, so no WebSocket connection is made"), "RFC 6455 4.2.2"
    if name == "Reason-Phrase":
        return "for people; programs ignore it", "RFC 9112 4"
    return _http_version(value)


def _http_version(value: str) -> tuple[str, str]:
    late = value >= "HTTP/1.1"
    return ("1.1 or later, as it must be" if late else "older than the 1.1 that is needed"), "RFC 6455 4.1"


_STATUSES: Final = {
    "101": "Switching Protocols: from here on this is a WebSocket connection",
    "400": "Bad Request: the server finds the handshake wrong",
    "401": "Unauthorized: the server wants credentials first",
    "403": "Forbidden: the server does not accept this connection, for instance its Origin",
    "404": "Not Found: there is no such resource",
    "405": "Method Not Allowed: the request is not a GET",
    "426": "Upgrade Required: the request did not ask for WebSocket, or not for a version that is known",
    "500": "Internal Server Error: the server's program failed",
    "503": "Service Unavailable: the server takes no connections now",
    "505": "HTTP Version Not Supported: older than 1.1",
}


def _steady(value: str) -> str | None:
    """``value`` with the port of a loopback address written PORT; None where there is none."""
    replaced = _LOOPBACK.sub(r"\1:PORT", value)
    return replaced if replaced != value else None


def _tell(name: str, value: str, head: Head, request: Head | None) -> Told:
    teller = _TELLERS.get(name.lower())
    if teller is not None:
        return teller(value, head, request)
    if not name:
        return Told("this line has no colon, so it is no header", "RFC 9112 5")
    steady = _steady(value)
    return Told(f"{quote(steady or value)}; the handshake gives this header no meaning", "RFC 9110 5.1", steady=steady)


Teller = Callable[[str, Head, "Head | None"], Told]


def _host(value: str, head: Head, request: Head | None) -> Told:
    steady = _steady(value)
    return Told(
        f"the host, and the port where it is not the usual one: {quote(steady or value)}", "RFC 6455 4.1", steady=steady
    )


def _upgrade(value: str, head: Head, request: Head | None) -> Told:
    wanted = "websocket" in (part.strip().lower() for part in value.split(","))
    verb = "asks to change" if head.sender is Sender.CLIENT else "changes"
    return Told(f"{verb} the protocol to WebSocket" if wanted else f"{quote(value)} is not websocket", _half(head))


def _connection(value: str, head: Head, request: Head | None) -> Told:
    wanted = "upgrade" in (part.strip().lower() for part in value.split(","))
    said = (
        "names Upgrade, so the Upgrade header holds for this connection"
        if wanted
        else f"{quote(value)} does not name Upgrade"
    )
    return Told(said, _half(head))


def _half(head: Head) -> str:
    return "RFC 6455 4.1" if head.sender is Sender.CLIENT else "RFC 6455 4.2.2"


def _key(value: str, head: Head, request: Head | None) -> Told:
    key = decode_key(value)
    if key is None:
        return Told(f"{quote(value)} is no base64", "RFC 6455 11.3.1")
    wrong = "" if len(key) == 16 else ", and it must be 16 bytes"
    return Told(f"base64 of {count(len(key), 'byte')}: {hexadecimal(key)}{wrong}", "RFC 6455 11.3.1")


def _version(value: str, head: Head, request: Head | None) -> Told:
    if head.sender is Sender.SERVER:
        return Told(f"the versions that the server speaks: {quote(value)}", "RFC 6455 4.4")
    said = "13, the version of RFC 6455" if value == "13" else f"{quote(value)}, and it must be 13"
    return Told(said, "RFC 6455 11.3.5")


def _accept(value: str, head: Head, request: Head | None) -> Told:
    keys = request.get("Sec-WebSocket-Key") if request is not None else []
    if not keys:
        return Told("base64 of the SHA-1 of the request's key and a fixed text", "RFC 6455 11.3.3")
    wanted = accept_key(keys[0])
    said = (
        "the right answer to the request's key"
        if value == wanted
        else f"wrong: the request's key asks for {quote(wanted)}"
    )
    return Told(said, "RFC 6455 11.3.3")


def _extensions(value: str, head: Head, request: Head | None) -> Told:
    extensions, wrong = parse_extensions([value])
    if wrong is not None:
        return Told(f"{quote(wrong)} is no extension", "RFC 6455 9.1")
    parts = []
    for extension in extensions:
        parameters = [_PARAMETERS.get(key, quote(key)).format(size=_window(size)) for key, size in extension.parameters]
        parts.append(f"{quote(extension.name)}" + (f" ({', '.join(parameters)})" if parameters else ""))
    verb = "the client offers" if head.sender is Sender.CLIENT else "the server agrees to"
    return Told(
        f"{verb} {' or '.join(parts) if head.sender is Sender.CLIENT else ' and '.join(parts)}", "RFC 6455 11.3.2"
    )


_PARAMETERS: Final = {
    "server_no_context_takeover": "the server forgets each message before the next",
    "client_no_context_takeover": "the client forgets each message before the next",
    "server_max_window_bits": "the server looks back at most {size}",
    "client_max_window_bits": "the client looks back at most {size}",
}


def _window(bits: str | None) -> str:
    if bits is None:
        return "as far as the server will say"
    return f"{count(1 << int(bits), 'byte')}" if bits in {str(n) for n in range(8, 16)} else quote(bits)


def _protocol(value: str, head: Head, request: Head | None) -> Told:
    if head.sender is Sender.CLIENT:
        names = ", ".join(quote(part.strip()) for part in value.split(","))
        return Told(f"subprotocols that the client would speak, best first: {names}", "RFC 6455 11.3.4")
    asked = request is None or value in request.tokens("Sec-WebSocket-Protocol")
    return Told(f"the server chose {quote(value)}" + ("" if asked else ", which nobody asked for"), "RFC 6455 11.3.4")


def _origin(value: str, head: Head, request: Head | None) -> Told:
    steady = _steady(value)
    return Told(
        f"the page whose script asks comes from {quote(steady or value)}; only browsers cannot lie here",
        "RFC 6455 10.2",
        steady=steady,
    )


def _date(value: str, head: Head, request: Head | None) -> Told:
    return Told("when the server wrote this response", "RFC 9110 6.6.1", steady="DATE")


def _secret(meaning: str, section: str) -> Teller:
    return lambda value, head, request: Told(meaning, section, secret=True)


def _plain(meaning: str, section: str) -> Teller:
    def tell(value: str, head: Head, request: Head | None) -> Told:
        steady = _steady(value)
        return Told(meaning.format(quote(steady or value)), section, steady=steady)

    return tell


_TELLERS: Final[dict[str, Teller]] = {
    "host": _host,
    "upgrade": _upgrade,
    "connection": _connection,
    "sec-websocket-key": _key,
    "sec-websocket-version": _version,
    "sec-websocket-accept": _accept,
    "sec-websocket-extensions": _extensions,
    "sec-websocket-protocol": _protocol,
    "origin": _origin,
    "date": _date,
    "cookie": _secret("what the server stored in this browser; a login, often", "RFC 6265 4.2"),
    "set-cookie": _secret("what the browser is to store and send back", "RFC 6265 4.1"),
    "authorization": _secret("the client's credentials", "RFC 9110 11.6.2"),
    "proxy-authorization": _secret("the client's credentials for a proxy", "RFC 9110 11.7.2"),
    "user-agent": _plain("the client's program calls itself {}", "RFC 9110 10.1.5"),
    "server": _plain("the server's program calls itself {}", "RFC 9110 10.2.4"),
    "content-length": _plain("the body's length in bytes: {}", "RFC 9110 8.6"),
    "content-type": _plain("what the body is: {}", "RFC 9110 8.3"),
    "transfer-encoding": _plain("how the body is sent: {}", "RFC 9112 6.1"),
    "cache-control": _plain("{}: about caches, which do not keep this exchange", "RFC 9111 5.2"),
    "pragma": _plain("{}: about caches, in the words of HTTP/1.0", "RFC 9111 5.4"),
    "accept-encoding": _plain("{}: compressions of HTTP bodies; not of WebSocket messages", "RFC 9110 12.5.3"),
    "accept-language": _plain("languages that the person reads: {}", "RFC 9110 12.5.4"),
    "allow": _plain("methods that the resource knows: {}", "RFC 9110 10.2.1"),
    "www-authenticate": _plain("the credentials that the server wants: {}", "RFC 9110 11.6.1"),
    "location": _plain("where to ask instead: {}", "RFC 9110 10.2.2"),
    "sec-fetch-site": _plain("the browser says how far the page is from this server: {}", "Fetch Metadata 2.4"),
    "sec-fetch-mode": _plain("the browser says what kind of request this is: {}", "Fetch Metadata 2.2"),
    "sec-fetch-dest": _plain("the browser says what the response is for: {}", "Fetch Metadata 2.1"),
    "sec-fetch-storage-access": _plain(
        "the browser says whether cookies of other sites are open: {}", "Storage Access Headers"
    ),
}
"""By a header's name in lower case, what tells its meaning."""
