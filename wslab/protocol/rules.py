"""The protocol's rules: each a name, the section, the RFC's sentence, and a check that looks for a breach.

A check is given a *case*, all that may be known about one thing, and yields a ``Breach`` for each place where the rule
is broken. What is not known is None or empty, and no check holds what it does not know against anybody. So one check
judges a lone frame and a frame in its connection.

The decorator above a check puts it into its table, in the order of this file, and the check's docstring is the RFC's
own sentence, shortened at the ends only. To add a rule, write one more check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, NamedTuple, TypeVar

from ..anatomy.field import Sender, Violation
from ..drawing.visible import count, quote
from .deflate import NAME, Extension, beyond, parse_extensions, wrong_parameter
from .handshake import accept_key, decode_key, is_host
from .head import TOKEN, Head
from .header import FORM_OF, FORMS, shortest_form
from .words import BINARY, CLOSE, CONTINUATION, FIN, MASK, OPCODE, OPCODES, RSV1, TEXT, opcode_name, status_meaning


class Breach(NamedTuple):
    """Where a rule is broken."""

    found: str  # what was found instead, in plain words
    start: int = 0  # first offending bit of the frame or head
    width: int = 0  # number of offending bits


Case = TypeVar("Case")
Check = Callable[[Case], Iterable[Breach]]


class Rule(NamedTuple, Generic[Case]):
    """One MUST."""

    name: str
    section: str
    sentence: str  # the RFC's own words, shortened at the ends only
    check: Check[Case]


def _rule(rules: list[Rule[Case]], name: str, section: str, sentence: str = "") -> Callable[[Check[Case]], Check[Case]]:
    """What puts a check into ``rules``. A sentence that is not given is the check's docstring."""

    def put(check: Check[Case]) -> Check[Case]:
        rules.append(Rule(name, section, sentence or " ".join((check.__doc__ or "").split()), check))
        return check

    return put


@dataclass(slots=True, repr=False, eq=False)
class FrameCase:
    """All that is known about a frame when it is judged."""

    header_length: int
    payload_length: int
    first: int
    second: int
    data: bytes = b""  # the unmasked payload, as far as it is known
    sender: Sender | None = None
    whole: bool = True  # whether ``data`` is the whole payload
    deflate: bool | None = None  # whether permessage-deflate was agreed; None where the handshake is not known
    foreign: str | None = None  # an agreed extension that is not known here: it may use reserved bits and opcodes
    opened: int | None = None  # opcode of the fragmented message that the sender has begun and not ended
    in_context: bool = False  # whether the frames before this one are known
    too_soon: str | None = None  # why the connection was not yet open, or never was
    close_sent: bool = False  # whether this sender has sent a close frame before
    bad_text: tuple[int, str] | None = None  # position in the frame's text and cause of bad UTF-8
    cut_text: int = 0  # how many bytes at the text message's end are the start of a character
    compressed: bool = False  # whether ``data`` is compressed, so that places in the text are none in the payload
    bad_deflate: str | None = None  # why a compressed payload will not inflate

    @property
    def opcode(self) -> int:
        """The four bits."""
        return self.first & OPCODE

    @property
    def control(self) -> bool:
        """RFC 6455 section 5.5: "Control frames are identified by opcodes where the most significant bit is 1"."""
        return bool(self.first & 0b1000)

    def payload(self, start: int = 0, size: int | None = None) -> tuple[int, int]:
        """First bit and number of bits of ``size`` bytes of payload from byte ``start`` on."""
        return (self.header_length + start) * 8, (len(self.data) - start if size is None else size) * 8


@dataclass(slots=True, repr=False, eq=False)
class HeadCase:
    """All that is known about a request or a response when it is judged."""

    head: Head
    request: Head | None = None  # what a response answers

    def each(self, name: str) -> list[tuple[str, tuple[int, int]]]:
        """The value, and the first bit and number of bits, of each header line of that name, with its folded lines."""
        lines = [line for line in self.head.lines if line.name.lower() == name.lower()]
        return [(line.value, (line.start * 8, (line.end - line.start) * 8)) for line in lines]

    def line(self, name: str, number: int = 0, part: str = "") -> tuple[int, int]:
        """The place, as above, of the ``number``-th such line that holds ``part``; of the first line without it."""
        places = [place for value, place in self.each(name) if part in value]
        return places[number] if number < len(places) else self.first_line

    @property
    def first_line(self) -> tuple[int, int]:
        """First bit and number of bits of the request line or status line."""
        start, end = self.head.prefaced, self.head.data.find(b"\n", self.head.prefaced)
        return start * 8, ((len(self.head.data) if end < 0 else end + 1) - start) * 8

    def part(self, start: int, size: int) -> tuple[int, int]:
        """First bit and number of bits of so many characters of the first line, from that one on."""
        return (self.head.prefaced + start) * 8, size * 8


# Checks that several rules share.


def _too_soon(sender: Sender, case: FrameCase) -> Iterator[Breach]:
    if case.too_soon is not None and case.sender is sender:
        yield Breach(f"a frame {case.too_soon}", 0, 8)


def _close_code(wrong: tuple[range, ...], case: FrameCase) -> Iterator[Breach]:
    code = int.from_bytes(case.data[:2], "big")
    if case.opcode == CLOSE and len(case.data) >= 2 and any(code in codes for codes in wrong):
        yield Breach(f"status code {code}: {status_meaning(code)[0]}", *case.payload(0, 2))


def _missing(name: str, case: HeadCase) -> Iterator[Breach]:
    if not case.head.get(name):
        yield Breach(f"there is no {name}", *case.first_line)


def _doubled(name: str, case: HeadCase) -> Iterator[Breach]:
    times = len(case.head.get(name))
    if times > 1:
        yield Breach(f"{name} appears {times} times", *case.line(name, 1))


def _lacks(case: HeadCase, name: str, wanted: str) -> Breach:
    values = case.head.get(name)
    found = f"{name} is {quote(', '.join(values))}, not {wanted}" if values else f"there is no {name}"
    return Breach(found, *case.line(name))


def _named(head: Head) -> list[Extension]:
    return parse_extensions(head.get("Sec-WebSocket-Extensions"))[0]


def _deflates(head: Head | None) -> list[Extension]:
    return [extension for extension in (_named(head) if head else ()) if extension.name == NAME]


# Frames: how they are written, how they make messages, how they close.

FRAME_RULES: Final[list[Rule[FrameCase]]] = []
_frame = partial(_rule, FRAME_RULES)
_frame(
    "client-frame-before-handshake", "RFC 6455 4.1",
    "Once the client's opening handshake has been sent, the client MUST wait for a response from the server "
    "before sending any further data.",
)(partial(_too_soon, Sender.CLIENT))  # fmt: skip
_frame(
    "server-frame-before-handshake", "RFC 6455 6.1",
    "The endpoint MUST ensure the WebSocket connection is in the OPEN state (cf. Sections 4.1 and 4.2.2.)",
)(partial(_too_soon, Sender.SERVER))  # fmt: skip


_RSV: Final = {"RSV1": 1, "RSV2": 2, "RSV3": 3}  # the bits of the first byte in which they stand


@_frame("rsv-not-agreed", "RFC 6455 5.2")
def _rsv(case: FrameCase) -> Iterator[Breach]:
    """MUST be 0 unless an extension is negotiated that defines meanings for non-zero values."""
    agreed = ("RSV1",) if case.deflate else ()
    if case.foreign is not None or case.deflate is None:
        return
    found = [(bit, name) for name, bit in _RSV.items() if case.first & 0b10000000 >> bit and name not in agreed]
    if found:
        (first, _), (last, _) = found[0], found[-1]
        names = " and ".join(name for _, name in found)
        yield Breach(f"{names} set, and no extension was agreed that uses it", first, last - first + 1)


@_frame("rsv1-not-on-first-frame", "RFC 7692 6.1")
def _rsv1_not_first(case: FrameCase) -> Iterator[Breach]:
    """An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and non-first fragments of a data
    message."""
    if case.first & RSV1 and case.deflate and case.foreign is None and (case.control or case.opcode == CONTINUATION):
        yield Breach(f"RSV1 set on a {opcode_name(case.opcode)} frame", 1, 1)


@_frame("opcode-reserved", "RFC 6455 5.2")
def _reserved_opcode(case: FrameCase) -> Iterator[Breach]:
    """If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."""
    if case.opcode not in OPCODES and case.foreign is None:
        yield Breach(f"opcode {case.opcode} is reserved", 4, 4)


@_frame("server-frame-masked", "RFC 6455 5.1")
def _server_masked(case: FrameCase) -> Iterator[Breach]:
    """A server MUST NOT mask any frames that it sends to the client."""
    if case.sender is Sender.SERVER and case.second & MASK:
        yield Breach("the server's frame is masked", 8, 1)


@_frame("client-frame-not-masked", "RFC 6455 5.1")
def _client_unmasked(case: FrameCase) -> Iterator[Breach]:
    """a client MUST mask all frames that it sends to the server"""
    if case.sender is Sender.CLIENT and not case.second & MASK:
        yield Breach("the client's frame is not masked", 8, 1)


@_frame("length-not-minimal", "RFC 6455 5.2")
def _length_not_minimal(case: FrameCase) -> Iterator[Breach]:
    """Note that in all cases, the minimal number of bytes MUST be used to encode the length"""
    bits, needed = FORM_OF[case.second].bits, shortest_form(case.payload_length).bits
    if bits > needed:
        # The seven bits of Payload len, which announce the longer form, and that form's own.
        yield Breach(f"{bits} bits say {case.payload_length:,}, which fits in {needed}", 9, 7 + bits)


@_frame("length-first-bit-set", "RFC 6455 5.2")
def _length_msb(case: FrameCase) -> Iterator[Breach]:
    """If 127, the following 8 bytes interpreted as a 64-bit unsigned integer (the most significant bit MUST be 0) are
    the payload length."""
    if case.payload_length > FORMS[64].most:
        yield Breach("the first bit of the 64-bit length is 1", 16, 1)


@_frame("control-frame-too-long", "RFC 6455 5.5")
def _control_too_long(case: FrameCase) -> Iterator[Breach]:
    """All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."""
    if case.control and case.payload_length > 125:
        width = (case.header_length - (4 if case.second & MASK else 0)) * 8 - 9
        yield Breach(f"a control frame with a payload of {case.payload_length:,} bytes", 9, width)


@_frame("control-frame-fragmented", "RFC 6455 5.5")
def _control_fragmented(case: FrameCase) -> Iterator[Breach]:
    """All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."""
    if case.control and not case.first & FIN:
        yield Breach("a control frame with FIN 0", 0, 1)


@_frame("continuation-without-message", "RFC 6455 5.4")
def _continuation_from_nowhere(case: FrameCase) -> Iterator[Breach]:
    """A fragmented message consists of a single frame with the FIN bit clear and an opcode other than 0, followed by
    zero or more frames with the FIN bit clear and the opcode set to 0, and terminated by a single frame with the FIN
    bit set and an opcode of 0."""
    if case.in_context and case.opcode == CONTINUATION and case.opened is None and case.foreign is None:
        yield Breach("a CONTINUATION, and no message has begun", 4, 4)


@_frame("message-inside-message", "RFC 6455 5.4")
def _message_in_message(case: FrameCase) -> Iterator[Breach]:
    """The fragments of one message MUST NOT be interleaved between the fragments of another message unless an extension
    has been negotiated that can interpret the interleaving."""
    if case.opened is not None and case.opcode in (TEXT, BINARY) and case.foreign is None:
        yield Breach(f"a new {opcode_name(case.opcode)} inside a message whose last fragment has not come", 4, 4)


@_frame("data-after-close", "RFC 6455 5.5.1")
def _data_after_close(case: FrameCase) -> Iterator[Breach]:
    """The application MUST NOT send any more data frames after sending a Close frame."""
    if case.close_sent and not case.control:
        yield Breach(f"a {opcode_name(case.opcode)} frame after this endpoint's close frame", 4, 4)


@_frame("deflate-data-broken", "RFC 7692 7.2.2")
def _inflate(case: FrameCase) -> Iterator[Breach]:
    """Decompress the resulting data using DEFLATE."""
    if case.bad_deflate is not None:
        yield Breach(f"the compressed payload will not inflate: {case.bad_deflate}", *case.payload())


@_frame("text-not-utf8", "RFC 6455 5.6")
def _text_not_utf8(case: FrameCase) -> Iterator[Breach]:
    """the whole message MUST contain valid UTF-8."""
    if case.bad_text is not None:
        position, cause = case.bad_text
        place = case.payload() if case.compressed else case.payload(position, 1)
        yield Breach(f"byte {position} of this frame's text is no UTF-8: {cause}", *place)


@_frame("text-ends-inside-character", "RFC 6455 5.6")
def _text_cut(case: FrameCase) -> Iterator[Breach]:
    """Note that a particular text frame might include a partial UTF-8 sequence; however, the whole message MUST contain
    valid UTF-8."""
    if case.cut_text:
        here = len(case.data) if case.compressed else min(case.cut_text, len(case.data))
        found = f"the message ends after {count(case.cut_text, 'byte')} of a character that needs more"
        yield Breach(found, *case.payload(len(case.data) - here, here))


@_frame("close-body-of-one-byte", "RFC 6455 5.5.1")
def _close_one_byte(case: FrameCase) -> Iterator[Breach]:
    """If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer (in network byte order)
    representing a status code with value /code/ defined in Section 7.4."""
    if case.opcode == CLOSE and case.payload_length == 1:
        yield Breach("a body of 1 byte", *case.payload())


_frame(
    "close-code-never-sent", "RFC 6455 7.4.1",
    "is a reserved value and MUST NOT be set as a status code in a Close control frame by an endpoint.",
)(partial(_close_code, (range(1005, 1007), range(1015, 1016))))  # fmt: skip
_frame(
    "close-code-reserved", "RFC 6455 7.4.2",
    "Status codes in the range 1000-2999 are reserved for definition by this protocol, its future revisions, and "
    "extensions specified in a permanent and readily available public specification.",
)(partial(_close_code, (range(1004, 1005), range(1016, 3000))))  # fmt: skip
_frame(
    "close-code-out-of-range", "RFC 6455 5.5.1",
    "the first two bytes of the body MUST be a 2-byte unsigned integer (in network byte order) representing a "
    "status code with value /code/ defined in Section 7.4.",
)(partial(_close_code, (range(1000), range(5000, 1 << 16))))  # fmt: skip


@_frame("close-reason-not-utf8", "RFC 6455 8.1")
def _close_reason_utf8(case: FrameCase) -> Iterator[Breach]:
    """When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in fact, a valid
    UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_."""
    if case.opcode == CLOSE and case.whole and len(case.data) > 2:
        try:
            case.data[2:].decode()
        except UnicodeDecodeError as error:
            found = f"byte {error.start} of the reason is no UTF-8: {error.reason}"
            yield Breach(found, *case.payload(2 + error.start, error.end - error.start))


# The request.

# What no path and query may hold (RFC 3986 sections 3.3 and 3.4).
_NO_TARGET: Final = re.compile(r"[^\w\-.~!$&'()*+,;=:@/?%\[\]]|%(?![0-9A-Fa-f]{2})", re.ASCII)

# The authority of an absolute URI without its userinfo (RFC 3986 section 3.2).
_AUTHORITY: Final = re.compile(r"https?://(?:[^/?#]*@)?([^/?#]*)", re.IGNORECASE)

REQUEST_RULES: Final[list[Rule[HeadCase]]] = []
_request = partial(_rule, REQUEST_RULES)


@_request("request-malformed", "RFC 6455 4.1")
def _not_http(case: HeadCase) -> Iterator[Breach]:
    """The handshake MUST be a valid HTTP request as specified by [RFC2616]."""
    if case.head.malformed:
        yield Breach(case.head.malformed, *case.first_line)


@_request("request-not-get", "RFC 6455 4.1")
def _request_method(case: HeadCase) -> Iterator[Breach]:
    """The method of the request MUST be GET, and the HTTP version MUST be at least 1.1."""
    if case.head.method not in ("GET", None):
        yield Breach(f"the method is {quote(case.head.method or '')}", *case.part(0, len(case.head.method or "")))


@_request("request-http-version", "RFC 6455 4.1")
def _request_version(case: HeadCase) -> Iterator[Breach]:
    """The method of the request MUST be GET, and the HTTP version MUST be at least 1.1."""
    version = case.head.version
    if version is not None and version < (1, 1):
        place = case.part(len(case.head.start_line) - len("HTTP/1.1"), len("HTTP/1.1"))
        yield Breach(f"the HTTP version is {version[0]}.{version[1]}", *place)


@_request("request-target", "RFC 6455 4.1")
def _request_target(case: HeadCase) -> Iterator[Breach]:
    """The "Request-URI" part of the request MUST match the /resource name/ defined in Section 3 (a relative URI) or be
    an absolute http/https URI"""
    target, start = case.head.target or "/", len(case.head.method or "") + 1
    if not target.lower().startswith(("/", "http://", "https://")):
        yield Breach(f"the Request-URI is {quote(target)}", *case.part(start, len(target)))
    elif odd := _NO_TARGET.search(target.partition("#")[0]):
        found = f"the Request-URI holds {quote(odd[0])}, which must be written in percent-encoding"
        yield Breach(found, *case.part(start + odd.start(), 1))


@_request("request-target-fragment", "RFC 6455 3")
def _request_fragment(case: HeadCase) -> Iterator[Breach]:
    """Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on these URIs."""
    target = case.head.target or "/"
    if (at := target.find("#")) >= 0:
        start = len(case.head.method or "") + 1 + at
        yield Breach(f"a fragment, {quote(target[at:])}", *case.part(start, len(target) - at))


_request(
    "host-missing", "RFC 6455 4.1",
    'The request MUST contain a |Host| header field whose value contains /host/ plus optionally ":" followed by '
    "/port/ (when not using the default port).",
)(partial(_missing, "Host"))  # fmt: skip
_request(
    "host-doubled", "RFC 9112 3.2",
    "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host"
    " header field and to any request message that contains more than one Host header field line or a Host header"
    " field with an invalid field value.",
)(partial(_doubled, "Host"))  # fmt: skip


@_request("host-invalid", "RFC 9112 3.2")
def _host(case: HeadCase) -> Iterator[Breach]:
    """A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host
    header field and to any request message that contains more than one Host header field line or a Host header field
    with an invalid field value."""
    for value, place in case.each("Host"):
        if not is_host(value):
            yield Breach(f"{quote(value)} is no host with an optional port", *place)


@_request("host-differs", "RFC 9112 3.2")
def _host_differs(case: HeadCase) -> Iterator[Breach]:
    """If the target URI includes an authority component, then a client MUST send a field value for Host that is
    identical to that authority component, excluding any userinfo subcomponent and its "@" delimiter"""
    if match := _AUTHORITY.match(case.head.target or ""):
        for value, place in case.each("Host"):
            if value.lower() != match[1].lower():
                yield Breach(f"Host is {quote(value)}, and the Request-URI names {quote(match[1])}", *place)


@_request("request-upgrade", "RFC 6455 4.1")
def _upgrade(case: HeadCase) -> Iterator[Breach]:
    """The request MUST contain an |Upgrade| header field whose value MUST include the "websocket" keyword."""
    if not case.head.has_token("Upgrade", "websocket"):
        yield _lacks(case, "Upgrade", "websocket")


@_request("request-connection", "RFC 6455 4.1")
def _connection(case: HeadCase) -> Iterator[Breach]:
    """The request MUST contain a |Connection| header field whose value MUST include the "Upgrade" token."""
    if not case.head.has_token("Connection", "upgrade"):
        yield _lacks(case, "Connection", "Upgrade")


_request(
    "key-missing", "RFC 6455 4.1", "The request MUST include a header field with the name |Sec-WebSocket-Key|."
)(partial(_missing, "Sec-WebSocket-Key"))  # fmt: skip


@_request("key-not-16-bytes", "RFC 6455 4.1")
def _key_not_16_bytes(case: HeadCase) -> Iterator[Breach]:
    """The value of this header field MUST be a nonce consisting of a randomly selected 16-byte value that has been
    base64-encoded (see Section 4 of [RFC4648])."""
    for value, place in case.each("Sec-WebSocket-Key"):
        key = decode_key(value)
        if key is None or len(key) != 16:
            what = "is no base64" if key is None else f"stands for {count(len(key), 'byte')}"
            yield Breach(f"{quote(value)} {what}", *place)


_request(
    "key-doubled", "RFC 6455 11.3.1",
    "The |Sec-WebSocket-Key| header field MUST NOT appear more than once in an HTTP request.",
)(partial(_doubled, "Sec-WebSocket-Key"))  # fmt: skip


@_request("version-not-13", "RFC 6455 4.1")
def _version_not_13(case: HeadCase) -> Iterator[Breach]:
    """The request MUST include a header field with the name |Sec-WebSocket-Version|. The value of this header field
    MUST be 13."""
    yield from _missing("Sec-WebSocket-Version", case)
    for value, place in case.each("Sec-WebSocket-Version"):
        if value != "13":
            yield Breach(f"the version is {quote(value)}", *place)


_request(
    "version-doubled", "RFC 6455 11.3.5",
    "However, the |Sec-WebSocket-Version| header field MUST NOT appear more than once in an HTTP request.",
)(partial(_doubled, "Sec-WebSocket-Version"))  # fmt: skip
_request(
    "origin-doubled", "RFC 6454 7.3",
    "The user agent MUST NOT include more than one Origin header field in any HTTP request.",
)(partial(_doubled, "Origin"))  # fmt: skip


@_request("subprotocols-malformed", "RFC 6455 4.1")
def _subprotocols(case: HeadCase) -> Iterator[Breach]:
    """The elements that comprise this value MUST be non-empty strings with characters in the range U+0021 to U+007E not
    including separator characters as defined in [RFC2616] and MUST all be unique strings."""
    values = case.head.get("Sec-WebSocket-Protocol")
    names, line = case.head.tokens("Sec-WebSocket-Protocol"), partial(case.line, "Sec-WebSocket-Protocol")
    if values and not names:
        yield Breach("no subprotocol is named", *line())
    wrong = next((name for name in names if not TOKEN.fullmatch(name)), None)
    if wrong is not None:
        yield Breach(f"{quote(wrong)} cannot be a subprotocol's name", *line(part=wrong))
    if len(set(names)) < len(names):
        yield Breach("a subprotocol is named twice", *line())


@_request("extensions-malformed", "RFC 6455 9.1")
def _extensions(case: HeadCase) -> Iterator[Breach]:
    """If a value is received by either the client or the server during negotiation that does not conform to the ABNF
    below, the recipient of such malformed data MUST immediately _Fail the WebSocket Connection_."""
    values, line = case.head.get("Sec-WebSocket-Extensions"), partial(case.line, "Sec-WebSocket-Extensions")
    extensions, wrong = parse_extensions(values)
    if wrong is not None:
        yield Breach(f"{quote(wrong)} is no extension", *line(part=wrong))
    elif values and not extensions:
        yield Breach("no extension is named", *line())


def _parameters(offered: bool, case: HeadCase) -> Iterator[Breach]:
    for value, place in case.each("Sec-WebSocket-Extensions"):
        for extension in parse_extensions([value])[0]:
            if extension.name == NAME and (wrong := wrong_parameter(extension, offered=offered)) is not None:
                return (yield Breach(wrong, *place))


_request(
    "deflate-offer-invalid", "RFC 7692 7",
    "A server MUST decline an extension negotiation offer for this extension if any of the following conditions are "
    "met",
)(partial(_parameters, True))  # fmt: skip


# The response that accepts.

ACCEPTANCE_RULES: Final[list[Rule[HeadCase]]] = []
_acceptance = partial(_rule, ACCEPTANCE_RULES)
_acceptance(
    "response-malformed", "RFC 6455 4.2.2",
    "If the server chooses to accept the incoming connection, it MUST reply with a valid HTTP response",
)(_not_http)  # fmt: skip


@_acceptance("broken-request-accepted", "RFC 6455 4.2.1")
def _broken_request_accepted(case: HeadCase) -> Iterator[Breach]:
    """the server MUST stop processing the client's handshake and return an HTTP response with an appropriate error code
    (such as 400 Bad Request)."""
    found = judge(REQUEST_RULES, HeadCase(case.request)) if case.request else ()
    # An offer can be declined, and "the origin server MUST ignore the received Host header field (if any)" (RFC 9112
    # 3.2.2) where the Request-URI is absolute.
    broken = [one.rule for one in found if one.rule not in ("deflate-offer-invalid", "host-differs")]
    if broken:
        names = ", ".join(dict.fromkeys(broken))
        yield Breach(f"101 for a request that breaks {names}", *case.first_line)


@_acceptance("response-upgrade", "RFC 6455 4.1")
def _upgrade_response(case: HeadCase) -> Iterator[Breach]:
    """If the response lacks an |Upgrade| header field or the |Upgrade| header field contains a value that is not an
    ASCII case-insensitive match for the value "websocket", the client MUST _Fail the WebSocket Connection_."""
    if [value.lower() for value in case.head.get("Upgrade")] != ["websocket"]:
        yield _lacks(case, "Upgrade", "websocket")


_acceptance(
    "response-connection", "RFC 6455 4.1",
    "If the response lacks a |Connection| header field or the |Connection| header field doesn't contain a token "
    'that is an ASCII case-insensitive match for the value "Upgrade", the client MUST _Fail the WebSocket '
    "Connection_.",
)(_connection)  # fmt: skip
_acceptance("accept-missing", "RFC 6455 4.1", "If the response lacks a |Sec-WebSocket-Accept| header field")(
    partial(_missing, "Sec-WebSocket-Accept")
)


@_acceptance("accept-wrong", "RFC 6455 4.1")
def _accept_wrong(case: HeadCase) -> Iterator[Breach]:
    """the |Sec-WebSocket-Accept| contains a value other than the base64-encoded SHA-1 of the concatenation of the
    |Sec-WebSocket-Key| (as a string, not base64-decoded) with the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11\""""
    keys = case.request.get("Sec-WebSocket-Key") if case.request else []
    for value, place in case.each("Sec-WebSocket-Accept") if keys else ():
        if value != (wanted := accept_key(keys[0])):
            yield Breach(f"{quote(value)}, but the key's answer is {quote(wanted)}", *place)


_acceptance(
    "accept-doubled", "RFC 6455 11.3.3",
    "The |Sec-WebSocket-Accept| header MUST NOT appear more than once in an HTTP response.",
)(partial(_doubled, "Sec-WebSocket-Accept"))  # fmt: skip


@_acceptance("subprotocol-not-asked-for", "RFC 6455 4.1")
def _subprotocol_not_asked(case: HeadCase) -> Iterator[Breach]:
    """this header field indicates the use of a subprotocol that was not present in the client's handshake (the server
    has indicated a subprotocol not requested by the client), the client MUST _Fail the WebSocket Connection_."""
    if case.request is not None:
        asked = set(case.request.tokens("Sec-WebSocket-Protocol"))
        for value, place in case.each("Sec-WebSocket-Protocol"):
            if value not in asked:
                yield Breach(f"{quote(value)} was not asked for", *place)


_acceptance(
    "subprotocol-doubled", "RFC 6455 11.3.4",
    "However, the |Sec-WebSocket-Protocol| header field MUST NOT appear more than once in an HTTP response.",
)(partial(_doubled, "Sec-WebSocket-Protocol"))  # fmt: skip
_acceptance("response-extensions-malformed", "RFC 6455 9.1")(_extensions)


@_acceptance("extension-not-asked-for", "RFC 6455 9")
def _extension_not_asked(case: HeadCase) -> Iterator[Breach]:
    """A server MUST NOT respond with any extension not requested by the client."""
    # What stands behind something malformed is not read, and may have been asked for.
    if case.request and parse_extensions(case.request.get("Sec-WebSocket-Extensions"))[1] is None:
        asked, named = (dict.fromkeys(one.name for one in _named(head)) for head in (case.request, case.head))
        for stranger in [name for name in named if name not in asked][:1]:
            found = f"{quote(stranger)} was not asked for"
            yield Breach(found, *case.line("Sec-WebSocket-Extensions", part=stranger))


_acceptance(
    "extensions-doubled", "RFC 6455 11.3.2",
    "However, the |Sec-WebSocket-Extensions| header field MUST NOT appear more than once in an HTTP response.",
)(partial(_doubled, "Sec-WebSocket-Extensions"))  # fmt: skip


def _accepts(rule: str, case: HeadCase) -> Iterator[Breach]:
    # Of several offers a server may accept any, but as a whole (RFC 7692 section 5). The one that is met best counts.
    offers = [offer for offer in _deflates(case.request) if wrong_parameter(offer, offered=True) is None]
    for answer in _deflates(case.head)[:1] if offers else ():
        if found := min((beyond(answer, offer) for offer in reversed(offers)), key=len).get(rule):
            yield Breach(found, *case.line("Sec-WebSocket-Extensions"))


@_acceptance("invalid-offer-accepted", "RFC 7692 7")
def _invalid_offer_accepted(case: HeadCase) -> Iterator[Breach]:
    """A server MUST decline an extension negotiation offer for this extension if any of the following conditions are
    met"""
    wrong = [wrong_parameter(offer, offered=True) for offer in _deflates(case.request)]
    if wrong and all(wrong) and _deflates(case.head):
        yield Breach(f"{NAME} is accepted, and of the offer {wrong[0]}", *case.line("Sec-WebSocket-Extensions"))


_acceptance(
    "window-bits-not-offered", "RFC 7692 7.1.2.2",
    'If a received extension negotiation offer doesn\'t have the "client_max_window_bits" extension parameter, the '
    "corresponding extension negotiation response to the offer MUST NOT include the "
    '"client_max_window_bits" extension parameter.',
)(partial(_accepts, "window-bits-not-offered"))  # fmt: skip
_acceptance(
    "takeover-limit-ignored", "RFC 7692 7.1.1.1",
    'A server accepts an extension negotiation offer that includes the "server_no_context_takeover" extension '
    'parameter by including the "server_no_context_takeover" extension parameter in the corresponding extension '
    "negotiation response to send back to the client.",
)(partial(_accepts, "takeover-limit-ignored"))  # fmt: skip
_acceptance(
    "window-limit-ignored", "RFC 7692 7.1.2.1",
    'A server accepts an extension negotiation offer with this parameter by including the "server_max_window_bits" '
    "extension parameter in the extension negotiation response to send back to the client with the same or smaller "
    "value as the offer.",
)(partial(_accepts, "window-limit-ignored"))  # fmt: skip


@_acceptance("deflate-accepted-twice", "RFC 7692 5")
def _deflate_twice(case: HeadCase) -> Iterator[Breach]:
    """A server MUST NOT accept a PMCE extension negotiation offer together with another extension if the PMCE will
    conflict with the extension on their use of the RSV1 bit."""
    if len(_deflates(case.head)) > 1:
        yield Breach(f"{NAME} is accepted twice", *case.line("Sec-WebSocket-Extensions"))


_acceptance(
    "deflate-response-invalid", "RFC 7692 7",
    "A client MUST _Fail the WebSocket Connection_ if the peer server accepted an extension negotiation offer for this "
    "extension with an extension negotiation response meeting any of the following conditions",
)(partial(_parameters, False))  # fmt: skip


# The response that refuses.

REFUSAL_RULES: Final[list[Rule[HeadCase]]] = []
_refusal = partial(_rule, REFUSAL_RULES)
_refusal(
    "no-http-response", "RFC 6455 4.2.2",
    "If the server does not wish to accept this connection, it MUST return an appropriate HTTP error code",
)(_not_http)  # fmt: skip


@_refusal("versions-not-listed", "RFC 6455 4.4")
def _versions_not_listed(case: HeadCase) -> Iterator[Breach]:
    """If the server doesn't support the requested version, it MUST respond with a |Sec-WebSocket-Version| header field
    (or multiple |Sec-WebSocket-Version| header fields) containing all versions it is willing to use."""
    asked = case.request.get("Sec-WebSocket-Version") if case.request else []
    # Of another status the version need not be the reason, such as credentials that are missing.
    named = case.head.status not in (400, 426) or case.head.get("Sec-WebSocket-Version")
    if len(asked) == 1 and asked != ["13"] and not named:
        yield Breach(f"version {quote(asked[0])} is refused, and none is offered instead", *case.first_line)


# Every head.

HEAD_RULES: Final[list[Rule[HeadCase]]] = []
_head = partial(_rule, HEAD_RULES)


@_head("line-ends-in-bare-lf", "RFC 9112 2.2")
def _bare_lf(case: HeadCase) -> Iterator[Breach]:
    """Although the line terminator for the start-line and fields is the sequence CRLF, a recipient MAY recognize a
    single LF as a line terminator and ignore any preceding CR."""
    if number := case.head.bare_lf:
        end = len(b"\n".join(case.head.data.split(b"\n")[:number]))
        yield Breach(f"line {number} ends in LF without CR", end * 8, 8)


@_head("line-folded", "RFC 9112 5.2")
def _folded(case: HeadCase) -> Iterator[Breach]:
    """A sender MUST NOT generate a message that includes line folding"""
    if line := next((line for line in case.head.lines if line.folded), None):
        yield Breach(f"line {line.number} begins with a blank", line.start * 8, (line.stop - line.start) * 8)


@_head("request-prefaced", "RFC 9112 2.2")
def _prefaced(case: HeadCase) -> Iterator[Breach]:
    """An HTTP/1.1 user agent MUST NOT preface or follow a request with an extra CRLF."""
    if size := case.head.prefaced:
        lines = case.head.data.count(b"\n", 0, size)
        yield Breach(f"{count(lines, 'empty line')} before the request line", 0, size * 8)


# The end of a stream.


class EndCase(NamedTuple):
    """What is known when a sender's stream ends."""

    cut: str | None = None  # what was cut off: a head, a frame header, a payload
    close_unanswered: bool = False  # whether the peer sent a close frame, and this sender none before an end in order
    no_answer: bool = False  # whether a server ended in order, and sent nothing in answer to a request


END_RULES: Final[list[Rule[EndCase]]] = []
_end = partial(_rule, END_RULES)


@_end("stream-cut", "RFC 6455 6.1")
def _cut(case: EndCase) -> Iterator[Breach]:
    """The frame(s) that have been formed MUST be transmitted over the underlying network connection."""
    if case.cut is not None:
        yield Breach(f"the stream ends inside {case.cut}")


@_end("close-not-answered", "RFC 6455 5.5.1")
def _close_unanswered(case: EndCase) -> Iterator[Breach]:
    """If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a Close
    frame in response."""
    if case.close_unanswered:
        yield Breach("the stream ends, and the peer's close frame was not answered")


@_end("request-not-answered", "RFC 6455 4.2.2")
def _not_answered(case: EndCase) -> Iterator[Breach]:
    """If the server does not wish to accept this connection, it MUST return an appropriate HTTP error code"""
    if case.no_answer:
        yield Breach("the stream ends, and nothing was sent in answer to the request")


# Every rule that is checked. Each name appears once.
RULES: Final = (*REQUEST_RULES, *ACCEPTANCE_RULES, *REFUSAL_RULES, *HEAD_RULES, *FRAME_RULES, *END_RULES)


def judge(rules: Iterable[Rule[Case]], case: Case) -> tuple[Violation, ...]:
    """Those of the rules that a frame, a head or the end of a stream breaks, in order, as far as ``case`` tells."""
    return tuple(
        Violation(rule.name, rule.section, rule.sentence, *breach) for rule in rules for breach in rule.check(case)
    )


def judge_head(head: Head, request: Head | None = None, *, meant: bool = False) -> tuple[Violation, ...]:
    """The rules that a request or a response breaks, in order.

    Args:
        request: what a response answers, if known.
        meant: whether a request is meant as an opening handshake though no header of it says so.
    """
    response = ACCEPTANCE_RULES if head.status == 101 else REFUSAL_RULES
    rules = REQUEST_RULES if head.sender is Sender.CLIENT else response
    if head.earlier or (request is not None and request.earlier):
        return ()
    if head.sender is Sender.CLIENT and not (meant or head.about_websocket):
        rules = rules[:1]  # it may ask for a page, which must be HTTP and no more
    # Where no head came at all, its first rule says so, and the others have nothing to look at.
    return judge([*rules, *HEAD_RULES] if head.data else rules[:1], HeadCase(head, request))
