"""The opening handshake's two halves: ``Head``, a request or a response, and ``explain_head``, which tells each line.

A head is parsed leniently: whatever is not HTTP as RFC 9112 writes it is named in ``Head.malformed`` and kept. What a
header line says is computed from its value by the table ``_HEADERS`` at the end of this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from sys import maxsize
from typing import Final, NamedTuple

from ..anatomy.explanation import Explanation
from ..anatomy.field import Field, Sender, Violation
from ..drawing.sheet import Sheet, Shown, sheet_of
from ..drawing.visible import count, hexed, quote
from .deflate import parse_extensions
from .handshake import accept_key, decode_key

END = b"\r\n\r\n"  # an empty line ends a head (RFC 9112 section 2.1)
# "Although the line terminator for the start-line and fields is the sequence CRLF, a recipient MAY recognize a single
# LF as a line terminator and ignore any preceding CR." (RFC 9112 2.2)
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FOLDS = re.compile(rb"(?:[ \t][^\n]*\n?)*")  # the lines that go on with the one before them
_EMPTY_LINES = re.compile(rb"(?:\r?\n)*")  # which a request may stand behind

# Headers of the protocols hixie-75 and hixie-76 alone, whose frames are others.
_EARLIER = ({"sec-websocket-key1", "sec-websocket-key2"}, {"sec-websocket-location"}, {"websocket-location"})

# A token (RFC 9110 section 5.6.2): what a method, a header name, a subprotocol or an extension may be called.
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

_REQUEST_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^ ]+) HTTP/(\d)\.(\d)")
_STATUS_LINE = re.compile(r"HTTP/(\d)\.(\d) ([1-5]\d\d) ([\t\x20-\x7e\x80-\xff]*)")
_LOOSE_STATUS = re.compile(r"HTTP/\d\.\d (\d{3})\b")
_LOOPBACK = re.compile(r"(127(?:\.\d{1,3}){3}|localhost|\[::1\]):\d{1,5}", re.IGNORECASE)
_CREDENTIALS = re.compile(rb"cookie|authorization", re.IGNORECASE)
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_BEGINS_LIKE_A_HEAD = re.compile(rb"HTTP/|(?:\r?\n)*[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [^ \r\n]+ HTTP/")


class HeaderLine(NamedTuple):
    """One header line of a head."""

    name: str
    value: str
    start: int  # offset of its first byte in the head
    stop: int  # offset after its CRLF or LF
    number: int  # of the line in the head, from 1
    folded: bool = False  # whether it goes on with the line before it (RFC 9112 section 5.2)
    end: int = 0  # offset after the last line that goes on with it


@dataclass(frozen=True, repr=False)
class Head(Shown):
    """A request head or a response head up to and including its empty line, without a body."""

    sender: Sender
    data: bytes  # empty where the bytes that came were no head at all
    start_line: str
    headers: tuple[tuple[str, str], ...]  # name and value of each header line, in order, doubled ones included
    malformed: str | None = None  # what is not HTTP about it, in plain words; None where all is
    offset: int = 0  # of its first byte in the sender's stream
    violations: tuple[Violation, ...] = ()

    def get(self, name: str) -> list[str]:
        """The values of every header line of that name, whose case does not count (RFC 6455 section 4.1)."""
        name = name.lower()
        return [value for key, value in self.headers if key.lower() == name]

    def tokens(self, name: str) -> list[str]:
        """The comma-separated elements of every header line of that name, without those that are empty."""
        return [token for value in self.get(name) for part in value.split(",") if (token := part.strip(" \t"))]

    def has_token(self, name: str, token: str) -> bool:
        """Whether one of those elements is ``token``, given in lower case; the case of the elements does not count."""
        return token in (element.lower() for element in self.tokens(name))

    @property
    def length(self) -> int:
        """Its bytes."""
        return len(self.data)

    @cached_property
    def request_line(self) -> tuple[str, str, tuple[int, int]] | None:
        """Method, Request-URI and HTTP version; None where the first line is no request line."""
        match = _REQUEST_LINE.fullmatch(self.start_line)
        return (match[1], match[2], (int(match[3]), int(match[4]))) if match else None

    @property
    def method(self) -> str | None:
        """``"GET"``; None in a response."""
        return self.request_line[0] if self.request_line else None

    @property
    def target(self) -> str | None:
        """The Request-URI; None in a response."""
        return self.request_line[1] if self.request_line else None

    @cached_property
    def version(self) -> tuple[int, int] | None:
        """The HTTP version, such as (1, 1)."""
        if self.request_line:
            return self.request_line[2]
        match = _STATUS_LINE.fullmatch(self.start_line)
        return (int(match[1]), int(match[2])) if match else None

    @cached_property
    def status(self) -> int | None:
        """The status code of a response, such as 101; None in a request."""
        match = _LOOSE_STATUS.match(self.start_line)
        return int(match[1]) if match else None

    @property
    def final(self) -> bool:
        """Whether it is a response that no other one follows for the same request, as one follows 100 and 103."""
        return self.sender is Sender.SERVER and (self.status == 101 or not 100 <= (self.status or 0) < 200)

    @cached_property
    def lines(self) -> tuple[HeaderLine, ...]:
        """The header lines with the place of each."""
        return tuple(_lines(self.data, self.prefaced))

    @property
    def about_websocket(self) -> bool:
        """Whether a line of it is the opening handshake's; a request without any asks for a page, or for HTTP/2."""
        named = any(name.lower().startswith("sec-websocket-") for name, _ in self.headers)
        return named or self.has_token("Upgrade", "websocket")

    @property
    def earlier(self) -> bool:
        """Whether it opens a connection of an earlier protocol than RFC 6455, whose bytes are not told here."""
        names = {name.lower() for name, _ in self.headers}
        return any(names >= some for some in _EARLIER)

    @property
    def prefaced(self) -> int:
        """The bytes of empty lines before a request."""
        return empty_lines(self.data, self.sender)

    @cached_property
    def bare_lf(self) -> int | None:
        """The number of the first line, from 1, that ends in LF without CR; None where none does."""
        ends = enumerate(self.data.split(b"\n")[:-1], 1)
        return next((number for number, line in ends if not line.endswith(b"\r")), None)

    def explain(self, *, request: Head | None = None) -> Explanation:
        """Its lines explained; see ``explain_head``."""
        return explain_head(self.data, self.sender, request=request, offset=self.offset, violations=self.violations)

    def _sheet(self) -> Sheet:
        return sheet_of(self.explain())


def head_end(data: bytes | bytearray | memoryview, start: int = 0, stop: int = maxsize) -> int:
    """The offset behind the empty line that ends a head, looked for in ``data[start:stop]``; -1 where none does. Empty
    lines at the beginning end none."""
    found = _EMPTY_LINE.search(data, start or empty_lines(data, Sender.CLIENT), stop)
    return -1 if found is None else found.end()


def begins_like_head(data: bytes) -> bool:
    """Whether ``data`` begins with a request line or a status line, and not with a frame."""
    return _BEGINS_LIKE_A_HEAD.match(data) is not None


def parse_head(data: bytes, sender: Sender, *, offset: int = 0) -> Head:
    """The head that ``data`` holds, up to its empty line. Never raises; what is wrong is in ``malformed``.

    A client sends a request, a server a response. ``offset`` is of the first byte in the sender's stream, in bytes.
    """
    before = empty_lines(data, sender)
    start_line = _without_end(data[before:].partition(b"\n")[0]).decode("latin-1")
    lines = _lines(data, before)
    headers = tuple((line.name, line.value) for line in lines if not line.folded)
    return Head(sender, data, start_line, headers, _malformed(start_line, lines, sender), offset)


def explain_head(
    data: bytes, sender: Sender, *, request: Head | None = None, offset: int = 0, violations: Iterable[Violation] = ()
) -> Explanation:
    """Tell what each line of a request head or response head says (RFC 6455 sections 4.1 and 4.2).

    Args:
        data: the head's bytes; a head that is cut off, or no head, is explained as far as it goes.
        sender: who sent it.
        request: the request that a response answers; with it, Sec-WebSocket-Accept is compared.
        offset: of the first byte in the sender's stream.
        violations: the rules it breaks, as ``wslab.protocol.rules`` found them.
    """
    head = parse_head(data, sender)
    asked = head if sender is Sender.CLIENT else request
    of = "Opening handshake," if asked is None or asked.malformed or asked.about_websocket else "HTTP"
    title = f"{of} {('request', 'response')[sender]}"
    fields, facts = tuple(head_fields(head, request)), tuple(head_facts(head, request))
    return Explanation(title, data, fields, sender, offset, tuple(violations), facts)


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def empty_lines(data: bytes | bytearray | memoryview, sender: Sender, start: int = 0) -> int:
    """The offset behind the empty lines that begin at ``start``, behind which a request may stand."""
    # "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF)
    # received prior to the request-line" (RFC 9112 2.2)
    found = _EMPTY_LINES.match(data, start) if sender is Sender.CLIENT else None
    return found.end() if found else start


def _lines(data: bytes, before: int) -> list[HeaderLine]:
    lines: list[HeaderLine] = []
    first = start = data.find(b"\n", before) + 1
    number = data.count(b"\n", 0, first)
    while start > 0 and start < len(data):
        found = data.find(b"\n", start)
        stop = len(data) if found < 0 else found + 1
        text = _without_end(data[start:stop]).decode("latin-1")
        if not text and found >= 0:
            break
        number += 1
        folded = start > first and text[:1] in (" ", "\t")
        name, colon, value = ("", "", "") if folded else text.partition(":")
        name, value = (name, value.strip(" \t")) if colon else ("", text)
        end = stop if folded or not (folds := _FOLDS.match(data, stop)) else folds.end()
        # "replace each received obs-fold with one or more SP octets prior to interpreting the field value"
        # (RFC 9112 5.2)
        more = (_without_end(part).decode("latin-1").strip(" \t") for part in data[stop:end].split(b"\n"))
        value = " ".join(filter(None, (value, *more)))
        lines.append(HeaderLine(name, value, start, stop, number, folded, end))
        start = stop
    return lines


_NO_START_LINE: Final = ("the first line is no request line", "the first line is no status line")


def _malformed(start_line: str, lines: list[HeaderLine], sender: Sender) -> str | None:
    wanted = (_REQUEST_LINE, _STATUS_LINE)[sender]
    if not wanted.fullmatch(start_line):
        return _NO_START_LINE[sender]
    for line in lines:
        if not (line.folded or TOKEN.fullmatch(line.name)):
            return f"line {line.number} does not begin with a header's name and a colon"
        if not _FIELD_VALUE.fullmatch(line.value):
            return f"the value of {line.name or 'a header'} in line {line.number} holds a control character"
    return None


class Told(NamedTuple):
    """What one header line, or one part of the first line, says."""

    meaning: str
    section: str
    secret: bool = False
    steady: str | None = None


Teller = Callable[[str, Head, "Head | None"], Told]  # tells what a value means in its head, and in answer to a request


def head_fields(head: Head, request: Head | None) -> Iterator[Field]:
    """The fields of a head: the parts of its first line, each header line, the empty line. They tile its bytes."""
    start = 0
    for name, raw, value, told in _parts(head, request):
        meaning, section, secret, steady = told
        yield Field(name, start * 8, len(raw) * 8, raw, value, meaning, section, secret=secret, steady=steady)
        start += len(raw)


_Part = tuple[str, bytes, str | bytes, Told]  # name, bytes, value, and what it says


def _parts(head: Head, request: Head | None) -> Iterator[_Part]:
    data, before = head.data, head.prefaced
    end = data.find(b"\n", before)
    stop = len(data) if end < 0 else end + 1
    if before:
        yield "Empty line", data[:before], "", Told("a server may skip empty lines before a request", "RFC 9112 2.2")
    yield from _first_line(head, data[before:stop], request)
    secret = False  # a folded line is, where the one that it goes on with is
    for line in head.lines:
        raw = data[line.start : line.stop]
        told = _header(line.name.strip(" \t").lower(), line.value, head, request)
        if line.folded:
            told = _FOLDED._replace(secret=secret)
        elif not told.secret and _odd_and_secret(line.name, raw):
            told = Told("not written as a header is, and it may hold a credential", "RFC 9112 5.2", secret=True)
        secret = told.secret
        yield line.name or ("Folded line" if line.folded else "no header"), raw, line.value, told
        stop = line.stop
    # "an empty line indicating the end of the header section" (RFC 9112 2.1)
    rest = data[stop:]
    if rest in (b"\r\n", b"\n"):
        yield "Empty line", rest, "", Told("the head ends here", "RFC 9112 2.1")
    elif rest:
        yield "After the head", rest, rest, Told("no part of it", "RFC 9112 2.1", bool(_CREDENTIALS.search(rest)))


_FOLDED: Final = Told("goes on with the line before it, as old programs may write it", "RFC 9112 5.2")


def _odd_and_secret(name: str, raw: bytes) -> bool:
    """Whether a line that is not written as a header may hold a credential: folded under one, without a colon, or with
    another line behind a CR."""
    odd = not name or b"\r" in _without_end(raw)
    return raw[:1] in (b" ", b"\t") or (odd and _CREDENTIALS.search(raw) is not None)


def head_facts(head: Head, request: Head | None) -> Iterator[tuple[str, str]]:
    """What a head says that no single line does."""
    if head.malformed:
        yield "Not HTTP", head.malformed
    if head.earlier:
        yield "Protocol", "an earlier one than RFC 6455, hixie-75 or hixie-76; it is held to no rule of the RFC"
    if head.bare_lf:
        yield "Ends of lines", f"line {head.bare_lf} ends in LF without CR"
    if head.sender is Sender.CLIENT:
        for key in head.get("Sec-WebSocket-Key")[:1]:
            yield "Accept wanted", f"a server must answer with {accept_key(key)}"
    elif head.status == 101 and request is not None:
        for key in request.get("Sec-WebSocket-Key")[:1]:
            yield "Accept computed", f"{accept_key(key)} from the request's key {quote(key)}"


def _first_line(head: Head, line: bytes, request: Head | None) -> Iterator[_Part]:
    """A request line or a status line in its three parts, each with the space or CRLF after it."""
    parts = line.split(b" ", 2)
    if len(parts) < 3 or head.malformed == _NO_START_LINE[head.sender]:
        if line:
            told = Told("this is no HTTP", "RFC 9112 2.1", bool(_CREDENTIALS.search(line)))
            yield "First line", line, head.start_line, told
        return
    for (name, says), part, space in zip(_PARTS[head.sender], parts, (b" ", b" ", b""), strict=True):
        value = _without_end(part).decode("latin-1")
        yield name, part + space, value, _tell(says, value, head, request)._replace(steady=_steady(value))


def _steady(value: str) -> str | None:
    """``value`` with the port of a loopback address written PORT; None where there is none."""
    replaced = _LOOPBACK.sub(r"\1:PORT", value)
    return replaced if replaced != value else None


def _tell(says: Teller | Told, value: str, head: Head, request: Head | None) -> Told:
    if not isinstance(says, Told):
        return says(value, head, request)
    if "{}" not in says.meaning:
        return says
    steady = _steady(value)
    return says._replace(meaning=says.meaning.format(quote(steady or value)), steady=steady)


def _header(name: str, value: str, head: Head, request: Head | None) -> Told:
    said = (told := _tell(_HEADERS.get(name, _UNKNOWN), value, head, request)).meaning
    if name in _ONLY_OF[head.sender.peer]:
        said = f"a header of {('requests', 'responses')[head.sender.peer]}; it says nothing here"
    elif name in _OF_ANSWERS and _refused(head):
        said = "belongs to a response that makes the connection, and this one does not"
    elif name == "origin" and value == "null":
        said = "the browser does not tell where the page comes from, such as a file"
    elif name == "date" and head.sender is Sender.CLIENT:
        said = "when the client wrote this request"
    return told._replace(meaning=said)


# Headers that a client alone sends, and a server alone; and those by which a server answers a handshake.
_ONLY_OF: Final = (
    ("host", "origin", "user-agent", "cookie", "authorization", "proxy-authorization", "sec-websocket-key"),
    ("server", "set-cookie", "www-authenticate", "location", "sec-websocket-accept"),
)
_OF_ANSWERS: Final = ("sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-protocol")

# The parts of the first line.


def _method(value: str, head: Head, request: Head | None) -> Told:
    # "The method of the request MUST be GET, and the HTTP version MUST be at least 1.1." (RFC 6455 4.1)
    good = "GET, the only method for this handshake" if value == "GET" else "only GET may begin this handshake"
    return Told(good, "RFC 6455 4.1")


def _http_version(value: str, head: Head, request: Head | None) -> Told:
    old = "older than the 1.1 that is needed" if head.sender is Sender.CLIENT else "older than 1.1"
    return Told("1.1 or later, as it must be" if value >= "HTTP/1.1" else old, "RFC 6455 4.1")


def _status(value: str, head: Head, request: Head | None) -> Told:
    # "Any status code other than 101 indicates that the WebSocket handshake has not completed" (RFC 6455 1.3)
    if not head.final:
        return Told(f"{quote(value)}: an interim response; the answer to the request follows", "RFC 9110 15.2")
    other = f"{quote(value)}: not 101, so no WebSocket connection is made"
    return Told(_STATUSES.get(value, other), "RFC 6455 4.2.2")


_STATUSES: Final = {
    "101": "Switching Protocols: from here on this is a WebSocket connection",
    "400": "Bad Request: the server finds the handshake wrong",
    "401": "Unauthorized: the server wants credentials first",
    "403": "Forbidden: the server does not accept this connection, for instance its Origin",
    "404": "Not Found: there is no such resource",
    "405": "Method Not Allowed: the resource does not take the request's method",
    "426": "Upgrade Required: the server wants another protocol than the request's, or another version of it",
    "500": "Internal Server Error: the server's program failed",
    "503": "Service Unavailable: the server takes no connections now",
    "505": "HTTP Version Not Supported: the server does not take the request's version of HTTP",
}
_TARGET: Final = Told("the resource name: which of the server's services is wanted: {}", "RFC 6455 4.1")
_REASON: Final = Told("for people; programs ignore it", "RFC 9112 4")
# The client's first line and the server's (RFC 9112 sections 3 and 4).
_PARTS: Final[tuple[tuple[tuple[str, Teller | Told], ...], ...]] = (
    (("Method", _method), ("Request-URI", _TARGET), ("HTTP-Version", _http_version)),
    (("HTTP-Version", _http_version), ("Status-Code", _status), ("Reason-Phrase", _REASON)),
)

# The header lines.


def _names(value: str, word: str) -> bool:
    return word in (part.strip().lower() for part in value.split(","))


def _half(head: Head) -> str:
    return "RFC 6455 4.1" if head.sender is Sender.CLIENT else "RFC 6455 4.2.2"


def _refused(head: Head) -> bool:
    """Whether this is a response that makes no WebSocket connection."""
    return head.sender is Sender.SERVER and head.status != 101


def _upgrade(value: str, head: Head, request: Head | None) -> Told:
    if _refused(head):
        # An offer for a later request (RFC 9110 7.8).
        return Told(f"what the server can change to: {quote(value)}; it does not now", "RFC 9110 7.8")
    good = f"{'asks to change' if head.sender is Sender.CLIENT else 'changes'} the protocol to WebSocket"
    return Told(good if _names(value, "websocket") else f"{quote(value)} is not websocket", _half(head))


def _connection(value: str, head: Head, request: Head | None) -> Told:
    if _refused(head) and head.final and _names(value, "close"):
        return Told("the server closes the TCP connection after this", "RFC 9112 9.3")
    if _refused(head):
        return Told(f"options of this connection: {quote(value)}", "RFC 9110 7.6.1")
    good = "names Upgrade, so the Upgrade header holds for this connection"
    return Told(good if _names(value, "upgrade") else f"{quote(value)} does not name Upgrade", _half(head))


def _key(value: str, head: Head, request: Head | None) -> Told:
    key = decode_key(value)
    if key is None:
        return Told(f"{quote(value)} is no base64", "RFC 6455 11.3.1")
    wrong = "" if len(key) == 16 else ", and it must be 16 bytes"
    return Told(f"base64 of {count(len(key), 'byte')}: {hexed(key, 16)}{wrong}", "RFC 6455 11.3.1")


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
    wrong = f"wrong: the request's key asks for {quote(wanted)}"
    return Told("the right answer to the request's key" if value == wanted else wrong, "RFC 6455 11.3.3")


def _extensions(value: str, head: Head, request: Head | None) -> Told:
    extensions, wrong = parse_extensions([value])
    if wrong is not None:
        return Told(f"{quote(wrong)} is no extension", "RFC 6455 9.1")
    parts = []
    for extension in extensions:
        parameters = [_PARAMETERS.get(key, quote(key)).format(size=_window(size)) for key, size in extension.parameters]
        parts.append(quote(extension.name) + (f" ({', '.join(parameters)})" if parameters else ""))
    verb, word = ("the client offers", " or ") if head.sender is Sender.CLIENT else ("the server agrees to", " and ")
    return Told(f"{verb} {word.join(parts)}", "RFC 6455 11.3.2")


_PARAMETERS: Final = {
    "server_no_context_takeover": "the server forgets each message before the next",
    "client_no_context_takeover": "the client forgets each message before the next",
    "server_max_window_bits": "the server looks back at most {size}",
    "client_max_window_bits": "the client looks back at most {size}",
}


def _window(bits: str | None) -> str:
    if bits is None:
        return "as far as the server will say"
    return count(1 << int(bits), "byte") if bits in {str(n) for n in range(8, 16)} else quote(bits)


def _protocol(value: str, head: Head, request: Head | None) -> Told:
    if head.sender is Sender.CLIENT:
        names = ", ".join(quote(part.strip()) for part in value.split(",") if part.strip())
        return Told(f"subprotocols that the client would speak, best first: {names}", "RFC 6455 11.3.4")
    asked = request is None or value in request.tokens("Sec-WebSocket-Protocol")
    return Told(f"the server chose {quote(value)}" + ("" if asked else ", which nobody asked for"), "RFC 6455 11.3.4")


_UNKNOWN: Final = Told("{}; the handshake gives this header no meaning", "RFC 9110 5.1")
# By a header's name in lower case, what it says, or what tells that. The value stands for ``{}``.
_HEADERS: Final[dict[str, Teller | Told]] = {
    "": Told("this line has no colon, so it is no header", "RFC 9112 5"),
    "upgrade": _upgrade,
    "connection": _connection,
    "sec-websocket-key": _key,
    "sec-websocket-version": _version,
    "sec-websocket-accept": _accept,
    "sec-websocket-extensions": _extensions,
    "sec-websocket-protocol": _protocol,
    "date": Told("when the server wrote this response", "RFC 9110 6.6.1", steady="DATE"),
    "cookie": Told("what the server stored in this browser; a login, often", "RFC 6265 4.2", secret=True),
    "set-cookie": Told("what the browser is to store and send back", "RFC 6265 4.1", secret=True),
    "authorization": Told("the client's credentials", "RFC 9110 11.6.2", secret=True),
    "proxy-authorization": Told("the client's credentials for a proxy", "RFC 9110 11.7.2", secret=True),
    "host": Told("the host, and the port where it is not the usual one: {}", "RFC 6455 4.1"),
    "origin": Told("the page whose script asks comes from {}; only browsers cannot lie here", "RFC 6455 10.2"),
    "user-agent": Told("the client's program calls itself {}", "RFC 9110 10.1.5"),
    "server": Told("the server's program calls itself {}", "RFC 9110 10.2.4"),
    "content-length": Told("the body's length in bytes: {}", "RFC 9110 8.6"),
    "content-type": Told("what the body is: {}", "RFC 9110 8.3"),
    "transfer-encoding": Told("how the body is sent: {}", "RFC 9112 6.1"),
    "cache-control": Told("{}: about caches, which do not keep this exchange", "RFC 9111 5.2"),
    "pragma": Told("{}: about caches, in the words of HTTP/1.0", "RFC 9111 5.4"),
    "accept-encoding": Told("{}: compressions of HTTP bodies; not of WebSocket messages", "RFC 9110 12.5.3"),
    "accept-language": Told("languages that the person reads: {}", "RFC 9110 12.5.4"),
    "allow": Told("methods that the resource knows: {}", "RFC 9110 10.2.1"),
    "www-authenticate": Told("the credentials that the server wants: {}", "RFC 9110 11.6.1"),
    "location": Told("where to ask instead: {}", "RFC 9110 10.2.2"),
    "sec-fetch-site": Told("the browser says how far the page is from this server: {}", "Fetch Metadata 2.4"),
    "sec-fetch-mode": Told("the browser says what kind of request this is: {}", "Fetch Metadata 2.2"),
    "sec-fetch-dest": Told("the browser says what the response is for: {}", "Fetch Metadata 2.1"),
    "sec-fetch-storage-access": Told(
        "the browser says whether cookies of other sites are open: {}", "Storage Access Headers"
    ),
}
