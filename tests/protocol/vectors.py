"""Bytes and what RFC 6455 (sections 4 to 7) and RFC 7692 (section 7) make of them: a table that every judge is asked.

Each vector stands below the sentence that it was written from, five a sentence at most. It is a request, a response to
a request, or the frames of one endpoint on an open connection. It names the rules of ``wslab.protocol.rules`` that it
breaks; a vector that names none is a control, and nobody may refuse it. Where a response holds the answer to the key
of ``build_request``, who sends it to a real client puts the answer to that client's key in its place (``answering``).

What these sections demand and no byte shows has no vector: that a nonce and masking keys are random (4.1, 5.3), that a
browser names its origin (4.1), that a client has one connection in CONNECTING (4.1), TLS and its certificates (4.1),
that intermediaries leave fragments alone (5.4), that the TCP connection is closed at once (5.5.1, 7.1.1), that a ping
is answered (5.5.2), since no byte shows that the answer will not come, and that who meets a fault fails the connection:
that is what the judges are asked. One demand is seen on the wire and not told: that the bits behind a last DEFLATE
block are 0 (RFC 7692 7.2.1), since zlib does not show them.
"""

from __future__ import annotations

import zlib
from typing import Final, NamedTuple

from wslab.anatomy.field import Sender
from wslab.protocol import accept_key, build_close, build_frame, build_request, build_response
from wslab.protocol.handshake import SAMPLE_KEY
from wslab.protocol.words import BINARY, CONTINUATION, PING, PONG

CLIENT, SERVER = Sender
KEY: Final = b"\x37\xfa\x21\x3d"
DEFLATE: Final = "permessage-deflate"
BROWSERS: Final = "permessage-deflate; client_max_window_bits"
"""What Chromium, Node's ``ws`` and ``websockets`` offer unless they are told otherwise."""


class Vector(NamedTuple):
    """One conversation up to the bytes that are judged."""

    what: str
    """``"request"``, ``"response"`` or ``"frames"``: what ``data`` is. Frames may follow a head."""
    name: str
    sender: Sender
    data: bytes
    rules: tuple[str, ...]
    """The rules that it breaks, in order; none for a control."""
    extension: str = ""
    """Sec-WebSocket-Extensions: of a response the offer that it answers, of frames what was agreed."""
    protocols: str = ""
    """Sec-WebSocket-Protocol of the request that a response answers."""
    answers: bytes = b""
    """A request other than the usual one, that a response answers."""
    after: bytes = b""
    """What the other endpoint has sent before, on the open connection."""
    ends: bool = False
    """Whether the sender ends its stream behind ``data``."""
    section: str = ""
    sentence: str = ""

    @property
    def request(self) -> bytes:
        """The request before it; of a request, itself."""
        lines = {"Sec-WebSocket-Extensions": self.extension or None, "Sec-WebSocket-Protocol": self.protocols or None}
        return self.data if self.what == "request" else self.answers or build_request("/chat", lines)

    @property
    def response(self) -> bytes:
        """The response after which frames are sent."""
        return build_response(headers={"Sec-WebSocket-Extensions": self.extension or None})

    def answering(self, key: str) -> bytes:
        """``data``, where a response to the usual key answers ``key`` instead."""
        return self.data.replace(accept_key(SAMPLE_KEY).encode(), accept_key(key).encode())

    def __str__(self) -> str:
        return f"{self.section}, {self.name}"


VECTORS: Final[list[Vector]] = []
SHORT: Final = {
    "ext": "Sec-WebSocket-Extensions",
    "proto": "Sec-WebSocket-Protocol",
    "key": "Sec-WebSocket-Key",
    "version": "Sec-WebSocket-Version",
    "accept": "Sec-WebSocket-Accept",
}
"""Names of header lines in the table below; in others ``_`` stands for ``-``."""


def named(lines: dict[str, str | None]) -> dict[str, str | None]:
    """Header lines by their whole names."""
    return {SHORT.get(name, name.replace("_", "-")): value for name, value in lines.items()}


def says(section: str, sentence: str, *vectors: Vector) -> None:
    """Put the vectors of one sentence into the table."""
    VECTORS.extend(vector._replace(section=section, sentence=sentence) for vector in vectors)


def asks(
    name: str, *rules: str, target: str = "/chat", more: str = "", data: bytes = b"", **lines: str | None
) -> Vector:
    """A request. None leaves a line of the head out; ``more`` is put at its end."""
    head = data or build_request(target, named(lines))
    return Vector("request", name, CLIENT, head[:-2] + more.encode("latin-1") + b"\r\n" if more else head, rules)


def answer(
    name: str, *rules: str, offer: str = "", asked: str = "", to: bytes = b"", more: str = "", data: bytes = b"",
    status: int = 101, reason: str = "Switching Protocols", **lines: str | None,
) -> Vector:  # fmt: skip
    """A response to a request that offers extensions (``offer``) and subprotocols (``asked``), or to another "
    "(``to``)."""
    head = data or build_response(headers=named(lines), status=status, reason=reason)
    head = head[:-2] + more.encode() + b"\r\n" if more else head
    return Vector("response", name, SERVER, head, rules, offer, asked, to)


def client(name: str, *rules: str, data: bytes, agreed: str = "", after: bytes = b"", ends: bool = False) -> Vector:
    """Frames of a client."""
    return Vector("frames", name, CLIENT, data, rules, agreed, after=after, ends=ends)


def server(name: str, *rules: str, data: bytes, agreed: str = "", after: bytes = b"", ends: bool = False) -> Vector:
    """Frames of a server."""
    return Vector("frames", name, SERVER, data, rules, agreed, after=after, ends=ends)


def masked(payload: bytes | str = b"", **kw: int | bool | None) -> bytes:
    """A client's frame."""
    return build_frame(payload, mask=KEY, **kw)  # type: ignore[arg-type]


plain = build_frame


def goodbye(code: int | None = None, reason: bytes | str = "") -> bytes:
    """A client's close frame."""
    return build_close(code, reason, mask=KEY)


def deflated(data: bytes, *, bits: int = 15, before: bytes = b"", tail: bool = False) -> bytes:
    """A compressed payload. ``before`` is in the window already; the last four octets stay with ``tail``."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -bits, 9, zlib.Z_DEFAULT_STRATEGY, before) if before else None
    engine = engine or zlib.compressobj(9, zlib.DEFLATED, -bits)
    out = engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH)
    return out if tail else out[:-4]


NOISE: Final = bytes((n * n * 7 + n * 13 + (n >> 5) * 91) & 0xFF for n in range(700))
"""700 bytes in which little repeats, so that their repetition is found far back."""
FAR: Final = deflated(NOISE + bytes(range(256)) * 8 + NOISE)
"""A message that refers 2,748 bytes back, which takes a window of 12 bits."""
HELLO: Final = bytes.fromhex("f248cdc9c90700")  # "Hello" (RFC 7692 7.2.3.1)
HELLO_AGAIN: Final = bytes.fromhex("f200110000")  # the same in the window of the first (RFC 7692 7.2.3.2)

# The request.

says(
    "RFC 6455 4.1",
    "The handshake MUST be a valid HTTP request as specified by [RFC2616].",
    asks("the handshake of RFC 6455 1.2 as it stands", proto="chat, superchat", Origin="http://example.com"),
    asks("a line without a colon", "request-malformed", more="no colon here\r\n"),
    asks("a blank between a header's name and its colon", "request-malformed", more="X-Note : a\r\n"),
    asks("NUL in a header's value", "request-malformed", more="X-Note: a\0b\r\n"),
    asks("a header with letters of Latin-1, which RFC 2616 allows", more="X-Note: caf\xe9\r\n"),
)
says(
    "RFC 6455 4.1",
    "The method of the request MUST be GET, and the HTTP version MUST be at least 1.1.",
    asks("POST", "request-not-get", data=build_request(method="POST")),
    asks("the method get in small letters", "request-not-get", data=build_request(method="get")),
    asks("HTTP/1.0", "request-http-version", data=build_request(version="HTTP/1.0")),
    asks("HTTP/1.2, which is more than 1.1", data=build_request(version="HTTP/1.2")),
    asks("GET and HTTP/1.1"),
)
says(
    "RFC 6455 4.1",
    'The "Request-URI" part of the request MUST match the /resource name/ defined in Section 3 (a '
    "relative URI) or be an absolute http/https URI",
    asks("no slash at the beginning", "request-target", target="chat"),
    asks("a ws URI", "request-target", target="ws://127.0.0.1/chat"),
    asks("a letter that must be percent-encoded", "request-target", target="/caf\xe9"),
    asks("a path with a query", target="/chat?room=1&name=a%20b"),
    asks("an absolute http URI", target="http://127.0.0.1/chat"),
)
says(
    "RFC 6455 3",
    "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on these URIs.",
    asks("a fragment", "request-target-fragment", target="/chat#top"),
    asks("an empty fragment", "request-target-fragment", target="/chat#"),
    asks('"#" in percent-encoding', target="/chat%23top"),
)
says(
    "RFC 6455 4.1",
    'The request MUST contain a |Host| header field whose value contains /host/ plus optionally ":" '
    "followed by /port/ (when not using the default port).",
    asks("no Host", "host-missing", Host=None),
    asks("a host and a port", Host="127.0.0.1:8000"),
    asks("an address of IPv6", Host="[::1]:8000"),
    asks("the name host in small letters", Host=None, more="host: localhost\r\n"),
)
says(
    "RFC 9112 3.2",
    "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that "
    "lacks a Host header field and to any request message that contains more than one Host header field line or a Host "
    "header field with an invalid field value.",
    asks("two Host lines", "host-doubled", more="Host: 127.0.0.1\r\n"),
    asks("a host with a blank", "host-invalid", Host="a b"),
    asks("a host with a path", "host-invalid", Host="a/b"),
    asks("a port that is no number", "host-invalid", Host="localhost:80x"),
)
says(
    "RFC 9112 3.2",
    "If the target URI includes an authority component, then a client MUST send a field value for Host that is "
    'identical to that authority component, excluding any userinfo subcomponent and its "@" delimiter',
    asks("a Host other than the target's", "host-differs", target="http://localhost/chat", Host="example.com"),
    asks("a Host without the target's port", "host-differs", target="http://localhost:81/chat", Host="localhost"),
    asks("a Host and a target with the same port", target="http://LOCALHOST:81/chat", Host="localhost:81"),
)
says(
    "RFC 9112 5.2",
    "A sender MUST NOT generate a message that includes line folding",
    asks("a header that goes on in the next line", "line-folded", more="X-One: 1\r\n 2\r\n"),
    answer("a header of the answer that goes on", "line-folded", more="X-One: 1\r\n\t2\r\n"),
)
says(
    "RFC 9112 2.2",
    "An HTTP/1.1 user agent MUST NOT preface or follow a request with an extra CRLF.",
    asks("an empty line before the request", "request-prefaced", data=b"\r\n" + build_request("/chat")),
)
says(
    "RFC 9112 2.2",
    "Although the line terminator for the start-line and fields is the sequence CRLF, a recipient MAY recognize a "
    "single LF as a line terminator and ignore any preceding CR.",
    asks("a line that ends in LF alone", "line-ends-in-bare-lf", more="X-One: 1\n"),
)
says(
    "RFC 6455 4.1",
    'The request MUST contain an |Upgrade| header field whose value MUST include the "websocket" keyword.',
    asks("no Upgrade", "request-upgrade", Upgrade=None),
    asks("Upgrade to h2c", "request-upgrade", Upgrade="h2c"),
    asks("Upgrade to websockets", "request-upgrade", Upgrade="websockets"),
    asks("websocket in other letters", Upgrade="WebSocket"),
    asks("websocket beside another protocol", Upgrade="h2c, websocket"),
)
says(
    "RFC 6455 4.1",
    'The request MUST contain a |Connection| header field whose value MUST include the "Upgrade" token.',
    asks("no Connection", "request-connection", Connection=None),
    asks("Connection: keep-alive", "request-connection", Connection="keep-alive"),
    asks("a token that only begins so", "request-connection", Connection="Upgrade-Insecure-Requests"),
    asks("Upgrade beside keep-alive, as Firefox sends it", Connection="keep-alive, Upgrade"),
    asks("two Connection lines", Connection="keep-alive", more="Connection: Upgrade\r\n"),
)
says(
    "RFC 6455 4.1",
    "The request MUST include a header field with the name |Sec-WebSocket-Key|.",
    asks("no key", "key-missing", key=None),
    asks("a key below another name", "key-missing", key=None, more=f"Sec-WebSocket-Key1: {SAMPLE_KEY}\r\n"),
    asks("the name in small letters", key=None, more=f"sec-websocket-key: {SAMPLE_KEY}\r\n"),
)
says(
    "RFC 6455 4.1",
    "The value of this header field MUST be a nonce consisting of a randomly selected 16-byte value "
    "that has been base64-encoded (see Section 4 of [RFC4648]).",
    asks("a key of 15 bytes", "key-not-16-bytes", key="AAECAwQFBgcICQoLDA0O"),
    asks("a key of 17 bytes", "key-not-16-bytes", key="AAECAwQFBgcICQoLDA0ODxA="),
    asks("an empty key", "key-not-16-bytes", key=""),
    asks("a key that is no base64", "key-not-16-bytes", key="dGhlIHNhbXBsZSBub25j%%=="),
    asks("a key with + and /", key="+/+/+/+/+/+/+/+/+/+/+w=="),
)
says(
    "RFC 6455 11.3.1",
    "The |Sec-WebSocket-Key| header field MUST NOT appear more than once in an HTTP request.",
    asks("the key twice", "key-doubled", more=f"Sec-WebSocket-Key: {SAMPLE_KEY}\r\n"),
    asks("two keys", "key-doubled", more="Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n"),
)
says(
    "RFC 6455 4.1",
    "The request MUST include a header field with the name |Sec-WebSocket-Version|. The value of this "
    "header field MUST be 13.",
    asks("no version", "version-not-13", version=None),
    asks("version 8", "version-not-13", version="8"),
    asks("version 013", "version-not-13", version="013"),
    asks("versions 13 and 8 in one line", "version-not-13", version="13, 8"),
    asks("blanks around 13", version="  13  "),
)
says(
    "RFC 6455 11.3.5",
    "However, the |Sec-WebSocket-Version| header field MUST NOT appear more than once in an HTTP request.",
    asks("the version twice", "version-doubled", more="Sec-WebSocket-Version: 13\r\n"),
)
says(
    "RFC 6454 7.3",
    "The user agent MUST NOT include more than one Origin header field in any HTTP request.",
    asks("two origins", "origin-doubled", more="Origin: http://a\r\nOrigin: http://b\r\n"),
    asks("one origin", Origin="http://127.0.0.1"),
)
says(
    "RFC 6455 4.1",
    "The elements that comprise this value MUST be non-empty strings with characters in the range "
    "U+0021 to U+007E not including separator characters as defined in [RFC2616] and MUST all be unique strings.",
    asks("the same subprotocol twice", "subprotocols-malformed", proto="chat, chat"),
    asks("a subprotocol with a slash", "subprotocols-malformed", proto="chat/1"),
    asks("a subprotocol with a blank", "subprotocols-malformed", proto="super chat"),
    asks("no subprotocol in the line", "subprotocols-malformed", proto=","),
    asks("two subprotocols in two lines", proto="chat", more="Sec-WebSocket-Protocol: superchat\r\n"),
)
says(
    "RFC 6455 9.1",
    "If a value is received by either the client or the server during negotiation that does not "
    "conform to the ABNF below, the recipient of such malformed data MUST immediately _Fail the WebSocket Connection_.",
    asks("an extension with a value and no parameter", "extensions-malformed", ext="permessage-deflate=1"),
    asks("a parameter without a name", "extensions-malformed", ext="permessage-deflate;"),
    answer("a blank in an extension's name", "response-extensions-malformed", offer=DEFLATE, ext="permessage deflate"),
    asks("extensions that nobody knows", ext="x-a; b=1; c, x-d"),
    asks("empty elements in the list", ext=", x-a,, x-b"),
)
says(
    "RFC 6455 9.1",
    "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform "
    "to the 'token' ABNF.",
    asks("a quoted value with a blank", "extensions-malformed", ext='x-a; b="c d"'),
    asks("an empty quoted value", "extensions-malformed", ext='x-a; b=""'),
    asks("a value with a bracket and no quotes", "extensions-malformed", ext="x-a; b=(c)"),
    asks("a quoted token", ext='x-a; b="c"'),
    asks("a quoted token with a backslash before a letter", ext='x-a; b="\\c"'),
)
says(
    "RFC 6455 4.1",
    "Once the client's opening handshake has been sent, the client MUST wait for a response from the "
    "server before sending any further data.",
    asks("a frame right behind the request", "client-frame-before-handshake", data=build_request() + masked("early")),
    asks(
        "a ping right behind the request", "client-frame-before-handshake", data=build_request() + masked(opcode=PING)
    ),
)

# The response that accepts.

says(
    "RFC 6455 4.2.2",
    "If the server chooses to accept the incoming connection, it MUST reply with a valid HTTP response",
    answer(
        "a status line without a blank at the end",
        "response-malformed",
        data=build_response().replace(b" Switching Protocols", b""),
    ),
    answer("a line without a colon in the response", "response-malformed", more="no colon here\r\n"),
    answer("an empty reason", data=build_response(reason="")),
    answer("a reason in other words", data=build_response(reason="Web Socket Protocol Handshake")),
    answer("headers that nobody knows", Server="x", X_Note="a: b"),
)
says(
    "RFC 6455 4.1",
    "If the response lacks an |Upgrade| header field or the |Upgrade| header field contains a value "
    'that is not an ASCII case-insensitive match for the value "websocket", the client MUST _Fail the WebSocket '
    "Connection_.",
    answer("no Upgrade in the response", "response-upgrade", Upgrade=None),
    answer("Upgrade to h2c in the response", "response-upgrade", Upgrade="h2c"),
    answer("a list in Upgrade", "response-upgrade", Upgrade="websocket, h2c"),
    answer("WEBSOCKET", Upgrade="WEBSOCKET"),
    answer("the name UPGRADE", Upgrade=None, more="UPGRADE: websocket\r\n"),
)
says(
    "RFC 6455 4.1",
    "If the response lacks a |Connection| header field or the |Connection| header field doesn't "
    'contain a token that is an ASCII case-insensitive match for the value "Upgrade", the client MUST _Fail the '
    "WebSocket Connection_.",
    answer("no Connection in the response", "response-connection", Connection=None),
    answer("Connection: close in the response", "response-connection", Connection="close"),
    answer("a list in Connection", Connection="keep-alive, upgrade"),
    answer("a longer word in Connection", "response-connection", Connection="Upgraded"),
)
says(
    "RFC 6455 4.1",
    "If the response lacks a |Sec-WebSocket-Accept| header field",
    answer("no accept", "accept-missing", accept=None),
    answer(
        "accept below another name",
        "accept-missing",
        accept=None,
        more=f"Sec-WebSocket-Key: {accept_key(SAMPLE_KEY)}\r\n",
    ),
)
says(
    "RFC 6455 4.1",
    "the |Sec-WebSocket-Accept| contains a value other than the base64-encoded SHA-1 of the "
    "concatenation of the |Sec-WebSocket-Key| (as a string, not base64-decoded) with the string "
    '"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"',
    answer("an answer to another key", "accept-wrong", accept=accept_key("AQIDBAUGBwgJCgsMDQ4PEA==")),
    answer("an empty answer", "accept-wrong", accept=""),
    answer("the key itself", "accept-wrong", accept=SAMPLE_KEY),
    answer("the right answer with a letter more", "accept-wrong", accept=accept_key(SAMPLE_KEY) + "="),
    answer("the right answer with blanks around", accept=f"  {accept_key(SAMPLE_KEY)}  "),
)
says(
    "RFC 6455 11.3.3",
    "The |Sec-WebSocket-Accept| header MUST NOT appear more than once in an HTTP response.",
    answer("the right answer twice", "accept-doubled", more=f"Sec-WebSocket-Accept: {accept_key(SAMPLE_KEY)}\r\n"),
)
says(
    "RFC 6455 4.1",
    "this header field indicates the use of a subprotocol that was not present in the client's "
    "handshake (the server has indicated a subprotocol not requested by the client), the client MUST _Fail the "
    "WebSocket Connection_.",
    answer("a subprotocol, and none was asked for", "subprotocol-not-asked-for", proto="chat"),
    answer("another subprotocol", "subprotocol-not-asked-for", asked="chat", proto="superchat"),
    answer(
        "both subprotocols in one line", "subprotocol-not-asked-for", asked="chat, superchat", proto="chat, superchat"
    ),
    answer("the second of two", asked="chat, superchat", proto="superchat"),
    answer("none, though one was asked for", asked="chat"),
)
says(
    "RFC 6455 11.3.4",
    "However, the |Sec-WebSocket-Protocol| header field MUST NOT appear more than once in an HTTP response.",
    answer(
        "the subprotocol twice",
        "subprotocol-doubled",
        asked="chat",
        proto="chat",
        more="Sec-WebSocket-Protocol: chat\r\n",
    ),
)
says(
    "RFC 6455 9",
    "A server MUST NOT respond with any extension not requested by the client.",
    answer("an extension that nobody asked for", "extension-not-asked-for", ext="x-a"),
    answer(
        "one more extension than was asked for",
        "extension-not-asked-for",
        offer=BROWSERS,
        ext="permessage-deflate, x-a",
    ),
    answer("the old name of the extension", "extension-not-asked-for", offer=BROWSERS, ext="x-webkit-deflate-frame"),
    answer("no extension, though one was offered", offer=BROWSERS),
    answer("the extension that was offered", offer=BROWSERS, ext=DEFLATE),
)
says(
    "RFC 6455 11.3.2",
    "However, the |Sec-WebSocket-Extensions| header field MUST NOT appear more than once in an HTTP response.",
    answer(
        "two lines of extensions",
        "extensions-doubled",
        offer="x-a, x-b",
        ext="x-a",
        more="Sec-WebSocket-Extensions: x-b\r\n",
    ),
)
says(
    "RFC 6455 6.1",
    "The endpoint MUST ensure the WebSocket connection is in the OPEN state (cf. Sections 4.1 and 4.2.2.)",
    answer("a frame in place of the response", "server-frame-before-handshake", data=plain("early\r\n\r\n")),
    answer("a frame right behind the response", data=build_response() + plain("early")),
)
says(
    "RFC 6455 4.2.1",
    "the server MUST stop processing the client's handshake and return an HTTP response with an "
    "appropriate error code (such as 400 Bad Request).",
    answer(
        "101 for a request without a key",
        "broken-request-accepted",
        to=build_request(headers={"Sec-WebSocket-Key": None}),
    ),
    answer("101 for a request without Host", "broken-request-accepted", to=build_request(headers={"Host": None})),
    answer(
        "400 for a request without Host", to=build_request(headers={"Host": None}), status=400, reason="Bad Request"
    ),
)

# The response that refuses.

says(
    "RFC 6455 4.2.2",
    "If the server does not wish to accept this connection, it MUST return an appropriate HTTP error code",
    answer("a line of another protocol", "no-http-response", data=b"SSH-2.0-x\r\n\r\n"),
    Vector("response", "no response at all", SERVER, b"", ("request-not-answered",), ends=True),
    answer("403", status=403, reason="Forbidden", Upgrade=None, Connection="close", accept=None),
    answer("401 with what it wants", status=401, reason="Unauthorized", WWW_Authenticate="Basic"),
    answer("307 to another place", status=307, reason="Temporary Redirect", Location="ws://127.0.0.1:1/"),
)
says(
    "RFC 6455 4.4",
    "If the server doesn't support the requested version, it MUST respond with a "
    "|Sec-WebSocket-Version| header field (or multiple |Sec-WebSocket-Version| header fields) containing all versions "
    "it is willing to use.",
    answer(
        "version 14 is refused, and none is named",
        "versions-not-listed",
        to=build_request(headers={"Sec-WebSocket-Version": "14"}),
        status=426,
        reason="Upgrade Required",
    ),
    answer(
        "version 14 is refused, and 13 is named",
        to=build_request(headers={"Sec-WebSocket-Version": "14"}),
        status=426,
        reason="Upgrade Required",
        version="13",
    ),
    answer(
        "the versions in two lines",
        to=build_request(headers={"Sec-WebSocket-Version": "14"}),
        status=426,
        reason="Upgrade Required",
        version="13",
        more="Sec-WebSocket-Version: 8\r\n",
    ),
)

# permessage-deflate's parameters.

says(
    "RFC 7692 7",
    "A server MUST decline an extension negotiation offer for this extension if any of the following "
    "conditions are met",
    asks("a parameter that there is not", "deflate-offer-invalid", ext=f"{DEFLATE}; mem_level=9"),
    asks(
        "a parameter twice in an offer",
        "deflate-offer-invalid",
        ext=f"{DEFLATE}; server_no_context_takeover; server_no_context_takeover",
    ),
    asks("the plain offer", ext=DEFLATE),
    asks("the offer of browsers", ext=BROWSERS),
    asks("two offers, the second without parameters", ext=f"{DEFLATE}; server_max_window_bits=10, {DEFLATE}"),
)
says(
    "RFC 7692 7",
    "The negotiation offer contains an extension parameter not defined for use in an offer.",
    answer(
        "an answer to an offer of 16 window bits",
        "invalid-offer-accepted",
        offer=f"{DEFLATE}; server_max_window_bits=16",
        ext=DEFLATE,
    ),
    answer(
        "an answer to an offer with an unknown parameter",
        "invalid-offer-accepted",
        offer=f"{DEFLATE}; mem_level=9",
        ext=DEFLATE,
    ),
    answer("no answer to an offer that cannot be accepted", offer=f"{DEFLATE}; mem_level=9"),
    answer("an answer to the second offer", offer=f"{DEFLATE}; mem_level=9, {DEFLATE}", ext=DEFLATE),
)
says(
    "RFC 7692 7.1.2.1",
    "This parameter has a decimal integer value without leading zeroes between 8 to 15, inclusive, "
    "indicating the base-2 logarithm of the LZ77 sliding window size",
    asks("16 window bits for the server", "deflate-offer-invalid", ext=f"{DEFLATE}; server_max_window_bits=16"),
    asks("7 window bits for the server", "deflate-offer-invalid", ext=f"{DEFLATE}; server_max_window_bits=7"),
    asks("window bits with a zero in front", "deflate-offer-invalid", ext=f"{DEFLATE}; server_max_window_bits=010"),
    asks("the server's window bits without a value", "deflate-offer-invalid", ext=f"{DEFLATE}; server_max_window_bits"),
    asks("8 window bits for the server", ext=f"{DEFLATE}; server_max_window_bits=8"),
)
says(
    "RFC 7692 7.1.2.2",
    "no value or a decimal integer value without leading zeroes between 8 to 15",
    asks("no window bits for the client", "deflate-offer-invalid", ext=f"{DEFLATE}; client_max_window_bits=0"),
    asks("16 window bits for the client", "deflate-offer-invalid", ext=f"{DEFLATE}; client_max_window_bits=16"),
    asks("window bits that are no number", "deflate-offer-invalid", ext=f"{DEFLATE}; client_max_window_bits=ten"),
    asks("15 window bits for the client", ext=f"{DEFLATE}; client_max_window_bits=15"),
    asks("window bits in quotes", ext=f'{DEFLATE}; client_max_window_bits="10"'),
)
says(
    "RFC 7692 7.1.1.1",
    "This extension parameter has no value.",
    asks("a value for the server's takeover", "deflate-offer-invalid", ext=f"{DEFLATE}; server_no_context_takeover=1"),
    answer(
        "a value for the server's takeover in the answer",
        "deflate-response-invalid",
        offer=BROWSERS,
        ext=f"{DEFLATE}; server_no_context_takeover=true",
    ),
    asks("no takeover for the server", ext=f"{DEFLATE}; server_no_context_takeover"),
    answer("no takeover for the server, unasked", offer=BROWSERS, ext=f"{DEFLATE}; server_no_context_takeover"),
)
says(
    "RFC 7692 7.1.1.2",
    "This extension parameter has no value.",
    asks("a value for the client's takeover", "deflate-offer-invalid", ext=f"{DEFLATE}; client_no_context_takeover=1"),
    answer(
        "a value for the client's takeover in the answer",
        "deflate-response-invalid",
        offer=BROWSERS,
        ext=f"{DEFLATE}; client_no_context_takeover=true",
    ),
    asks("no takeover for the client", ext=f"{DEFLATE}; client_no_context_takeover"),
    answer("no takeover for the client, unasked", offer=BROWSERS, ext=f"{DEFLATE}; client_no_context_takeover"),
)
says(
    "RFC 7692 7",
    "A client MUST _Fail the WebSocket Connection_ if the peer server accepted an extension negotiation "
    "offer for this extension with an extension negotiation response meeting any of the following conditions",
    answer(
        "a parameter that there is not, in the answer",
        "deflate-response-invalid",
        offer=BROWSERS,
        ext=f"{DEFLATE}; mem_level=9",
    ),
    answer(
        "a parameter twice in the answer",
        "deflate-response-invalid",
        offer=BROWSERS,
        ext=f"{DEFLATE}; client_max_window_bits=10; client_max_window_bits=10",
    ),
    answer(
        "16 window bits in the answer",
        "deflate-response-invalid",
        offer=BROWSERS,
        ext=f"{DEFLATE}; server_max_window_bits=16",
    ),
    answer(
        "the client's window bits without a value in the answer",
        "deflate-response-invalid",
        offer=BROWSERS,
        ext=BROWSERS,
    ),
    answer(
        "all four parameters",
        offer=BROWSERS,
        ext=f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; "
        "client_max_window_bits=12",
    ),
)
says(
    "RFC 7692 7.1.1.1",
    'A server accepts an extension negotiation offer that includes the "server_no_context_takeover" '
    'extension parameter by including the "server_no_context_takeover" extension parameter in the corresponding '
    "extension negotiation response to send back to the client.",
    answer(
        "an answer that leaves the limit on takeover out",
        "takeover-limit-ignored",
        offer=f"{DEFLATE}; server_no_context_takeover",
        ext=DEFLATE,
    ),
    answer(
        "an answer that keeps to it",
        offer=f"{DEFLATE}; server_no_context_takeover",
        ext=f"{DEFLATE}; server_no_context_takeover",
    ),
    answer("an answer that ignores the client's hint", offer=f"{DEFLATE}; client_no_context_takeover", ext=DEFLATE),
)
says(
    "RFC 7692 7.1.2.1",
    "A server accepts an extension negotiation offer with this parameter by including the "
    '"server_max_window_bits" extension parameter in the extension negotiation response to send back to the client '
    "with "
    "the same or smaller value as the offer.",
    answer(
        "a larger window than was offered",
        "window-limit-ignored",
        offer=f"{DEFLATE}; server_max_window_bits=10",
        ext=f"{DEFLATE}; server_max_window_bits=12",
    ),
    answer(
        "an answer that leaves the limit on the window out",
        "window-limit-ignored",
        offer=f"{DEFLATE}; server_max_window_bits=10",
        ext=DEFLATE,
    ),
    answer(
        "the same window", offer=f"{DEFLATE}; server_max_window_bits=10", ext=f"{DEFLATE}; server_max_window_bits=10"
    ),
    answer(
        "a smaller window", offer=f"{DEFLATE}; server_max_window_bits=12", ext=f"{DEFLATE}; server_max_window_bits=10"
    ),
    answer("a limit that nobody asked for", offer=BROWSERS, ext=f"{DEFLATE}; server_max_window_bits=9"),
)
says(
    "RFC 7692 7.1.2.2",
    'If a received extension negotiation offer doesn\'t have the "client_max_window_bits" extension '
    "parameter, the corresponding extension negotiation response to the offer MUST NOT include the "
    '"client_max_window_bits" extension parameter.',
    answer(
        "the client's window, which was not offered",
        "window-bits-not-offered",
        offer=DEFLATE,
        ext=f"{DEFLATE}; client_max_window_bits=10",
    ),
    answer("the client's window, which was offered", offer=BROWSERS, ext=f"{DEFLATE}; client_max_window_bits=10"),
    answer(
        "the client's window, larger than its hint",
        offer=f"{DEFLATE}; client_max_window_bits=10",
        ext=f"{DEFLATE}; client_max_window_bits=12",
    ),
)
says(
    "RFC 7692 5",
    "A server MUST NOT accept a PMCE extension negotiation offer together with another extension if the "
    "PMCE will conflict with the extension on their use of the RSV1 bit.",
    answer("permessage-deflate twice", "deflate-accepted-twice", offer=BROWSERS, ext=f"{DEFLATE}, {DEFLATE}"),
)

# Frames.

says(
    "RFC 6455 5.1",
    "a client MUST mask all frames that it sends to the server",
    client("a text without a masking key", "client-frame-not-masked", data=plain("Hello")),
    client("a close without a masking key", "client-frame-not-masked", data=build_close(1000)),
    client("a masked text", data=masked("Hello")),
    client("a masking key of zeros", data=build_frame("Hello", mask=bytes(4))),
    client("a masked frame without a payload", data=masked("")),
)
says(
    "RFC 6455 5.1",
    "A server MUST NOT mask any frames that it sends to the client.",
    server("a masked text of a server", "server-frame-masked", data=masked("Hello")),
    server("a masked ping of a server", "server-frame-masked", data=masked(opcode=PING)),
    server("a text of a server", data=plain("Hello")),
)
says(
    "RFC 6455 5.2",
    "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values.",
    server("RSV1 of a server, and nothing was agreed", "rsv-not-agreed", data=plain("Hello", rsv1=True)),
    client("RSV1 of a client, and nothing was agreed", "rsv-not-agreed", data=masked("Hello", rsv1=True)),
    server("RSV2, and nothing was agreed", "rsv-not-agreed", data=plain("Hello", rsv2=True)),
    client("RSV3 on a ping, and nothing was agreed", "rsv-not-agreed", data=masked(opcode=PING, rsv3=True)),
)
says(
    "RFC 6455 5.2",
    "If a nonzero value is received and none of the negotiated extensions defines the meaning of such a "
    "nonzero value, the receiving endpoint MUST _Fail the WebSocket Connection_.",
    server("RSV2 with permessage-deflate", "rsv-not-agreed", data=plain("Hello", rsv2=True), agreed=DEFLATE),
    client("RSV3 with permessage-deflate", "rsv-not-agreed", data=masked("Hello", rsv3=True), agreed=DEFLATE),
    client(
        "all three bits with permessage-deflate",
        "rsv-not-agreed",
        data=masked(HELLO, rsv1=True, rsv2=True, rsv3=True),
        agreed=DEFLATE,
    ),
    server("RSV1 with permessage-deflate", data=plain(HELLO, rsv1=True), agreed=DEFLATE),
)
says(
    "RFC 6455 5.2",
    "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_.",
    server("opcode 3", "opcode-reserved", data=plain("Hello", opcode=3)),
    client("opcode 7", "opcode-reserved", data=masked("Hello", opcode=7)),
    client("opcode 11", "opcode-reserved", data=masked(opcode=11)),
    server("opcode 15", "opcode-reserved", data=plain(opcode=15)),
    server("a binary frame", data=plain(b"\xff\0", opcode=BINARY)),
)
says(
    "RFC 6455 5.2",
    "Note that in all cases, the minimal number of bytes MUST be used to encode the length",
    server("16 bits for 5", "length-not-minimal", data=plain("Hello", length_form=16)),
    client("64 bits for 5", "length-not-minimal", data=masked("Hello", length_form=64)),
    client("64 bits for 65,535", "length-not-minimal", data=masked(bytes(65535), opcode=BINARY, length_form=64)),
    client("16 bits for 126", data=masked(bytes(126), opcode=BINARY)),
    server("64 bits for 65,536", data=plain(bytes(65536), opcode=BINARY)),
)
says(
    "RFC 6455 5.2",
    "If 127, the following 8 bytes interpreted as a 64-bit unsigned integer (the most significant bit "
    "MUST be 0) are the payload length.",
    server("a length with its first bit", "length-first-bit-set", data=plain("x", length=(1 << 63) + 1)),
    client("a length with its first bit of a client", "length-first-bit-set", data=masked("x", length=1 << 63)),
)
says(
    "RFC 6455 5.5",
    "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented.",
    server("a ping of 126 bytes", "control-frame-too-long", data=plain(bytes(126), opcode=PING)),
    client("a close with a reason of 124 bytes", "control-frame-too-long", data=goodbye(1000, "x" * 124)),
    client("a ping with FIN 0", "control-frame-fragmented", data=masked(opcode=PING, fin=False)),
    server("a close with FIN 0", "control-frame-fragmented", data=build_close(1000, fin=False)),
    client("a ping of 125 bytes", data=masked(bytes(125), opcode=PING)),
)
says(
    "RFC 6455 5.4",
    "A fragmented message consists of a single frame with the FIN bit clear and an opcode other than 0, "
    "followed by zero or more frames with the FIN bit clear and the opcode set to 0, and terminated by a single frame "
    "with the FIN bit set and an opcode of 0.",
    server("a continuation of nothing", "continuation-without-message", data=plain("x", opcode=CONTINUATION)),
    client(
        "a continuation with FIN 0 of nothing",
        "continuation-without-message",
        data=masked("x", opcode=CONTINUATION, fin=False),
    ),
    client(
        "a continuation behind a whole message",
        "continuation-without-message",
        data=masked("a") + masked("b", opcode=CONTINUATION),
    ),
    client(
        "a message in three frames",
        data=masked("a", fin=False) + masked("b", opcode=CONTINUATION, fin=False) + masked("c", opcode=CONTINUATION),
    ),
    server("a message in two frames without a payload", data=plain(fin=False) + plain(opcode=CONTINUATION)),
)
says(
    "RFC 6455 5.4",
    "The fragments of one message MUST NOT be interleaved between the fragments of another message "
    "unless an extension has been negotiated that can interpret the interleaving.",
    server("a text inside a message", "message-inside-message", data=plain("a", fin=False) + plain("b")),
    client(
        "a binary fragment inside a text",
        "message-inside-message",
        data=masked("a", fin=False) + masked("b", opcode=BINARY, fin=False),
    ),
    client(
        "two messages one after the other", data=masked("a", fin=False) + masked("b", opcode=CONTINUATION) + masked("c")
    ),
)
says(
    "RFC 6455 5.4",
    "An endpoint MUST be capable of handling control frames in the middle of a fragmented message.",
    server(
        "a ping inside a message", data=plain("a", fin=False) + plain(opcode=PING) + plain("b", opcode=CONTINUATION)
    ),
    client(
        "a pong inside a message",
        data=masked("a", fin=False) + masked("x", opcode=PONG) + masked("b", opcode=CONTINUATION),
    ),
    client("a close inside a message", data=masked("a", fin=False) + goodbye(1001)),
    server(
        "a ping inside a compressed message",
        data=plain(HELLO[:3], rsv1=True, fin=False) + plain(opcode=PING) + plain(HELLO[3:], opcode=CONTINUATION),
        agreed=DEFLATE,
    ),
    client(
        "a ping inside a compressed message of a client",
        data=masked(HELLO[:3], rsv1=True, fin=False) + masked(opcode=PING) + masked(HELLO[3:], opcode=CONTINUATION),
        agreed=DEFLATE,
    ),
)
says(
    "RFC 6455 5.4",
    "Clients and servers MUST support receiving both fragmented and unfragmented messages.",
    server("a text message in one frame of a server", data=plain("Good day")),
    server(
        "a message in fifty frames",
        data=plain("a", fin=False) + plain("b", opcode=CONTINUATION, fin=False) * 48 + plain("c", opcode=CONTINUATION),
    ),
    client(
        "a binary message in two frames",
        data=masked(b"\0", opcode=BINARY, fin=False) + masked(b"\xff", opcode=CONTINUATION),
    ),
)
says(
    "RFC 6455 5.5.2",
    "A Ping frame MAY include",
    client("a ping with a payload", data=masked("are you there", opcode=PING)),
    server("three pings", data=plain("1", opcode=PING) + plain("2", opcode=PING) + plain(opcode=PING)),
)
says(
    "RFC 6455 5.5.3",
    "A Pong frame MAY be sent unsolicited.",
    client("a pong that nobody asked for", data=masked("still here", opcode=PONG)),
    server("a pong of a server that nobody asked for", data=plain(opcode=PONG)),
)

# Text.

says(
    "RFC 6455 5.6",
    "the whole message MUST contain valid UTF-8.",
    server("a byte that is never in UTF-8", "text-not-utf8", data=plain(b"a\xff")),
    client("a slash in two bytes", "text-not-utf8", data=masked(b"\xc0\xaf")),
    client("half of a surrogate pair", "text-not-utf8", data=masked(b"\xed\xa0\x80")),
    server("a code point beyond U+10FFFF", "text-not-utf8", data=plain(b"\xf4\x90\x80\x80")),
    client("U+10FFFF, U+FFFF and U+0000", data=masked("\U0010ffff\uffff\0")),
)
says(
    "RFC 6455 5.6",
    "Note that a particular text frame might include a partial UTF-8 sequence; however, the whole "
    "message MUST contain valid UTF-8.",
    server("a text that ends inside a character", "text-ends-inside-character", data=plain(b"caf\xc3")),
    client(
        "a text in two frames that ends inside a character",
        "text-ends-inside-character",
        data=masked(b"\xe2", fin=False) + masked(b"\x82", opcode=CONTINUATION),
    ),
    client(
        "a character that the next frame does not go on with",
        "text-not-utf8",
        data=masked(b"\xc3", fin=False) + masked("x", opcode=CONTINUATION),
    ),
    server("a character in two frames", data=plain(b"\xc3", fin=False) + plain(b"\xa9", opcode=CONTINUATION)),
    client(
        "a character of four bytes in four frames",
        data=masked(b"\xf0", fin=False)
        + masked(b"\x9f", opcode=CONTINUATION, fin=False)
        + masked(b"\x98", opcode=CONTINUATION, fin=False)
        + masked(b"\x80", opcode=CONTINUATION),
    ),
)

# Closing.

says(
    "RFC 6455 5.5.1",
    "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer (in network "
    "byte order) representing a status code with value /code/ defined in Section 7.4.",
    server("a body of one byte", "close-body-of-one-byte", data=plain(b"\x03", opcode=8)),
    client("a body of one byte of a client", "close-body-of-one-byte", data=masked(b"\x03", opcode=8)),
    server("no body", data=build_close()),
    client("1000 and a reason", data=goodbye(1000, "goodbye, caf\xe9")),
)
says(
    "RFC 6455 5.5.1",
    "the first two bytes of the body MUST be a 2-byte unsigned integer (in network byte order) "
    "representing a status code with value /code/ defined in Section 7.4.",
    server("status code 0", "close-code-out-of-range", data=build_close(0)),
    client("status code 999", "close-code-out-of-range", data=goodbye(999)),
    client("status code 5000", "close-code-out-of-range", data=goodbye(5000)),
    server("status code 65535", "close-code-out-of-range", data=build_close(65535)),
    client("status code 4999", data=goodbye(4999)),
)
says(
    "RFC 6455 7.4.1",
    "is a reserved value and MUST NOT be set as a status code in a Close control frame by an endpoint.",
    server("status code 1005", "close-code-never-sent", data=build_close(1005)),
    client("status code 1006", "close-code-never-sent", data=goodbye(1006)),
    client("status code 1015", "close-code-never-sent", data=goodbye(1015)),
    server("status code 1001", data=build_close(1001)),
    client("status code 1008", data=goodbye(1008)),
)
says(
    "RFC 6455 7.4.2",
    "Status codes in the range 1000-2999 are reserved for definition by this protocol, its future "
    "revisions, and extensions specified in a permanent and readily available public specification.",
    server("status code 1004", "close-code-reserved", data=build_close(1004)),
    client("status code 1016", "close-code-reserved", data=goodbye(1016)),
    client("status code 2999", "close-code-reserved", data=goodbye(2999)),
    server("status code 1012, which IANA lists", data=build_close(1012)),
    client("status code 1014, which IANA lists", data=goodbye(1014)),
)
says(
    "RFC 6455 7.4.2",
    "Status codes in the range 3000-3999 are reserved for use by libraries, frameworks, and applications.",
    client("status code 3000", data=goodbye(3000)),
    server("status code 3999 and a reason", data=build_close(3999, "moved")),
)
says(
    "RFC 6455 8.1",
    "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in "
    "fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_.",
    server("a reason that is no UTF-8", "close-reason-not-utf8", data=build_close(1000, b"a\xff")),
    client("a reason that ends inside a character", "close-reason-not-utf8", data=goodbye(1000, b"caf\xc3")),
    client("two bytes of half a surrogate pair", "text-not-utf8", data=masked(b"\xed\xa0")),
    client("a reason of 123 bytes", data=goodbye(1000, "\u20ac" * 41)),
)
says(
    "RFC 6455 5.5.1",
    "The application MUST NOT send any more data frames after sending a Close frame.",
    server("a text behind a close", "data-after-close", data=build_close(1000) + plain("Hello")),
    client(
        "the rest of a message behind a close",
        "data-after-close",
        data=masked("a", fin=False) + goodbye(1000) + masked("b", opcode=CONTINUATION),
    ),
    client("a pong behind a close", data=goodbye(1000) + masked(opcode=PONG)),
    server("a close behind a text", data=plain("Hello") + build_close(1000)),
)
says(
    "RFC 6455 5.5.1",
    "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint "
    "MUST send a Close frame in response.",
    client(
        "an end without an answer to the close",
        "close-not-answered",
        data=masked("Hello"),
        after=build_close(1000),
        ends=True,
    ),
    server(
        "an end of a server without an answer to the close",
        "close-not-answered",
        data=b"",
        after=goodbye(1000),
        ends=True,
    ),
    client("an answer to the close, and an end", data=goodbye(1000), after=build_close(1000), ends=True),
    server("an answer without a status code", data=build_close(), after=goodbye(1000), ends=True),
    client("a close of its own", data=goodbye(1000), ends=True),
)
says(
    "RFC 6455 6.1",
    "The frame(s) that have been formed MUST be transmitted over the underlying network connection.",
    client("an end inside a header", "stream-cut", data=masked("Hello")[:1], ends=True),
    server("an end inside a payload", "stream-cut", data=plain("Hello")[:4], ends=True),
    client("an end between two frames", data=masked("Hello"), ends=True),
)

# Compressed messages.

says(
    "RFC 7692 6.1",
    'An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and non-first fragments '
    "of a data message.",
    server("RSV1 on a ping", "rsv1-not-on-first-frame", data=plain(opcode=PING, rsv1=True), agreed=DEFLATE),
    client("RSV1 on a close", "rsv1-not-on-first-frame", data=build_close(1000, mask=KEY, rsv1=True), agreed=DEFLATE),
    client(
        "RSV1 on the second fragment",
        "rsv1-not-on-first-frame",
        data=masked(HELLO[:3], rsv1=True, fin=False) + masked(HELLO[3:], opcode=CONTINUATION, rsv1=True),
        agreed=DEFLATE,
    ),
    server(
        "RSV1 on the first fragment",
        data=plain(HELLO[:3], rsv1=True, fin=False) + plain(HELLO[3:], opcode=CONTINUATION),
        agreed=DEFLATE,
    ),
    client("a message that is not compressed", data=masked("Hello"), agreed=DEFLATE),
)
says(
    "RFC 7692 7.2.2",
    "Decompress the resulting data using DEFLATE.",
    server(
        "two bytes that are no DEFLATE",
        "deflate-data-broken",
        data=plain(b"\xff\xff", opcode=BINARY, rsv1=True),
        agreed=DEFLATE,
    ),
    client(
        "a block of a type that there is not",
        "deflate-data-broken",
        data=masked(b"\x06\x00", opcode=BINARY, rsv1=True),
        agreed=DEFLATE,
    ),
    client(
        "a text that is no UTF-8 when inflated",
        "text-not-utf8",
        data=masked(deflated(b"a\xff"), rsv1=True),
        agreed=DEFLATE,
    ),
    server("an empty message (RFC 7692 7.2.3.6)", data=plain(b"\0", rsv1=True), agreed=DEFLATE),
    client(
        "65,536 bytes in one message", data=masked(deflated(bytes(65536)), opcode=BINARY, rsv1=True), agreed=DEFLATE
    ),
)
says(
    "RFC 7692 7.2.1",
    'An endpoint MAY use both DEFLATE blocks with the "BFINAL" bit set to 0 and DEFLATE blocks with the '
    '"BFINAL" bit set to 1.',
    server("BFINAL (RFC 7692 7.2.3.4)", data=plain(bytes.fromhex("f348cdc9c9070000"), rsv1=True), agreed=DEFLATE),
    client(
        "a stored block (RFC 7692 7.2.3.3)",
        data=masked(bytes.fromhex("000500faff48656c6c6f00"), rsv1=True),
        agreed=DEFLATE,
    ),
    client(
        "two blocks (RFC 7692 7.2.3.5)",
        data=masked(bytes.fromhex("f248050000 00ffffcac9c90700"), rsv1=True),
        agreed=DEFLATE,
    ),
)
says(
    "RFC 7692 7.2.1",
    "Note that for non-final fragments, the removal of 0x00 0x00 0xff 0xff MUST NOT be done.",
    server(
        "a first fragment whose tail was removed",
        "deflate-data-broken",
        data=plain(deflated(b"Hello "), rsv1=True, fin=False) + plain(deflated(b"there"), opcode=CONTINUATION),
        agreed=DEFLATE,
    ),
    client(
        "a first fragment that keeps its tail",
        data=masked(deflated(b"Hello ", tail=True), rsv1=True, fin=False)
        + masked(deflated(b"there"), opcode=CONTINUATION),
        agreed=DEFLATE,
    ),
)
says(
    "RFC 7692 7.2.1",
    'If the "agreed parameters" contain the "client_no_context_takeover" extension parameter, the '
    "client MUST start compressing each new message with an empty LZ77 sliding window.",
    client(
        "a second message that refers to the first",
        "deflate-data-broken",
        data=masked(HELLO, rsv1=True) + masked(HELLO_AGAIN, rsv1=True),
        agreed=f"{DEFLATE}; client_no_context_takeover",
    ),
    client(
        "the same, and takeover was not given up",
        data=masked(HELLO, rsv1=True) + masked(HELLO_AGAIN, rsv1=True),
        agreed=DEFLATE,
    ),
    client(
        "a second message that refers to nothing",
        data=masked(HELLO, rsv1=True) + masked(HELLO, rsv1=True),
        agreed=f"{DEFLATE}; client_no_context_takeover",
    ),
)
says(
    "RFC 7692 7.2.1",
    'If the "agreed parameters" contain the "server_no_context_takeover" extension parameter, the '
    "server MUST start compressing each new message with an empty LZ77 sliding window.",
    server(
        "a second message of a server that refers to the first",
        "deflate-data-broken",
        data=plain(HELLO, rsv1=True) + plain(HELLO_AGAIN, rsv1=True),
        agreed=f"{DEFLATE}; server_no_context_takeover",
    ),
    server(
        "the same, and only the client gave takeover up",
        data=plain(HELLO, rsv1=True) + plain(HELLO_AGAIN, rsv1=True),
        agreed=f"{DEFLATE}; client_no_context_takeover",
    ),
)
says(
    "RFC 7692 7.2.1",
    'If the "agreed parameters" contain the "client_max_window_bits" extension parameter with a value '
    "of w, the client MUST NOT use an LZ77 sliding window longer than the w-th power of 2 bytes to compress messages "
    "to send.",
    client(
        "2,748 bytes back in a window of 9 bits",
        "deflate-data-broken",
        data=masked(FAR, opcode=BINARY, rsv1=True),
        agreed=f"{DEFLATE}; client_max_window_bits=9",
    ),
    client(
        "2,748 bytes back in a window of 12 bits",
        data=masked(FAR, opcode=BINARY, rsv1=True),
        agreed=f"{DEFLATE}; client_max_window_bits=12",
    ),
    client(
        "a message before that is out of the window",
        "deflate-data-broken",
        data=masked(deflated(NOISE), opcode=BINARY, rsv1=True)
        + masked(deflated(NOISE, before=NOISE), opcode=BINARY, rsv1=True),
        agreed=f"{DEFLATE}; client_max_window_bits=9",
    ),
)
says(
    "RFC 7692 7.2.1",
    'If the "agreed parameters" contain the "server_max_window_bits" extension parameter with a value '
    "of w, the server MUST NOT use an LZ77 sliding window longer than the w-th power of 2 bytes to compress messages "
    "to send.",
    server(
        "2,748 bytes back in a server's window of 9 bits",
        "deflate-data-broken",
        data=plain(FAR, opcode=BINARY, rsv1=True),
        agreed=f"{DEFLATE}; server_max_window_bits=9",
    ),
    server(
        "a message that keeps to 9 bits",
        data=plain(deflated(NOISE + NOISE, bits=9), opcode=BINARY, rsv1=True),
        agreed=f"{DEFLATE}; server_max_window_bits=9",
    ),
)
