"""The rules one by one: bytes that break each, alone, and the bits that are blamed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from wire_streams import CLIENT, KEY, REQUEST, RESPONSE, SERVER, converse

from wslab.anatomy.field import Sender, Violation
from wslab.protocol import (
    RULES,
    Connection,
    Frame,
    Head,
    Unread,
    accept_key,
    build_close,
    build_frame,
    build_request,
    build_response,
    dissect,
    explain,
)

PLAIN_REQUEST, PLAIN_RESPONSE = build_request(), build_response()
GET, SWITCHING, BAD = b"GET / HTTP/1.1\r\n", b"HTTP/1.1 101 Switching Protocols\r\n", b"HTTP/1.1 400 Bad Request\r\n"
REFUSED = build_response(status=400, reason="Bad Request", headers=[("Sec-WebSocket-Version", "13")])
REFUSED_BARELY = build_response(status=400, reason="Bad Request", headers=[("A", "b")])
KEY_LINE = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ACCEPT_LINE = b"Sec-WebSocket-Accept: " + accept_key("dGhlIHNhbXBsZSBub25jZQ==").encode() + b"\r\n"
PROTOCOL, EXTENSIONS = "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"


class Example(NamedTuple):
    """Two streams, in chunks, of which one thing breaks one rule."""

    client: Sequence[bytes] = (PLAIN_REQUEST,)
    server: Sequence[bytes] = (PLAIN_RESPONSE,)
    start: int = 0
    width: int = 0
    blamed: bytes | None = None
    """In place of the two numbers: the bytes that are blamed, at their last place in the head."""
    also: tuple[str, ...] = ()
    """Rules that cannot but be broken with it."""
    ends: Sequence[Sender] = tuple(Sender)
    """Who ends its stream first."""


def server(*frames: bytes, deflate: bool = False) -> dict[str, list[bytes]]:
    """A server that sends these."""
    heads = (REQUEST, RESPONSE) if deflate else (PLAIN_REQUEST, PLAIN_RESPONSE)
    return {"client": [heads[0]], "server": [heads[1], *frames]}


def client(*frames: bytes) -> dict[str, list[bytes]]:
    """A client that sends these."""
    return {"client": [PLAIN_REQUEST, *frames]}


def request(blamed: bytes, headers: dict[str, str | None] | None = None, **kw: str) -> Example:
    """A broken request, refused."""
    return Example([build_request(**{"headers": headers or {}, **kw})], [REFUSED], blamed=blamed)


def more(blamed: bytes) -> Example:
    """A request with one line more, refused."""
    return Example([PLAIN_REQUEST[:-2] + blamed + b"\r\n"], [REFUSED], blamed=blamed)


def second(good: str, blamed: str) -> Example:
    """A request with two lines more, the second of which is wrong."""
    return Example([PLAIN_REQUEST[:-2] + good.encode() + blamed.encode() + b"\r\n"], [REFUSED], blamed=blamed.encode())


def response(blamed: bytes, headers: dict[str, str | None], asked: dict[str, str] | None = None) -> Example:
    """A broken response."""
    return Example([build_request(headers=asked or {})], [build_response(headers=headers)], blamed=blamed)


def more_said(blamed: bytes, *lines: bytes, asked: dict[str, str] | None = None) -> Example:
    """A response with some lines more."""
    return Example(
        [build_request(headers=asked or {})], [PLAIN_RESPONSE[:-2] + b"".join(lines) + blamed + b"\r\n"], blamed=blamed
    )


AT_THE_END = ("close-not-answered", "stream-cut", "request-not-answered")
NO_HOSTS = (
    "a b",
    "a/b",
    "user@a",
    "[::1",
    "a:80x",
    "%zz",
    "[:::1]",
    "[1::2::3]",
    "[1.2.3.4]:80",
    "[abc]",
    "[12345::1]",
)
NO_PARAMETERS = (
    "server_max_window_bits=16",
    "server_max_window_bits=7",
    "server_max_window_bits=08",
    "client_max_window_bits=0",
    "client_max_window_bits=10; client_max_window_bits=10",
    "server_no_context_takeover; server_no_context_takeover",
    "server_no_context_takeover=1",
    "client_no_context_takeover=true",
    "mem_level=9",
)

EXAMPLES: dict[str, list[Example]] = {
    "request-malformed": [
        Example([PLAIN_REQUEST[:-2] + b"no colon\r\n\r\n"], [REFUSED], blamed=GET),
        Example([b"\x16\x03\x01"], []),
    ],
    "line-ends-in-bare-lf": [
        Example([PLAIN_REQUEST.replace(b"\r\n", b"\n")], start=(len(GET) - 2) * 8, width=8),
        Example([PLAIN_REQUEST[:-2] + b"\n"], start=(len(PLAIN_REQUEST) - 2) * 8, width=8),
        Example(server=[PLAIN_RESPONSE.replace(b"\r\n", b"\n")], start=(len(SWITCHING) - 2) * 8, width=8),
        Example(
            server=[PLAIN_RESPONSE.replace(b"websocket\r\n", b"websocket\n")],
            start=(len(SWITCHING) + len(b"Upgrade: websocket")) * 8,
            width=8,
        ),
        Example(server=[REFUSED[:-2] + b"\n"], start=(len(REFUSED) - 2) * 8, width=8),
    ],
    "line-folded": [
        Example([PLAIN_REQUEST[:-2] + b"A: b\r\n c\r\n\r\n"], blamed=b" c\r\n"),
        Example([PLAIN_REQUEST[:-2] + b"A: b\r\n\tc: d\r\n e\r\n\r\n"], blamed=b"\tc: d\r\n"),
        Example(server=[PLAIN_RESPONSE[:-2] + b"A: b\r\n c\r\n\r\n"], blamed=b" c\r\n"),
    ],
    "request-prefaced": [
        Example([b"\r\n" + PLAIN_REQUEST], start=0, width=16),
        Example([b"\r\n" * 3 + PLAIN_REQUEST], start=0, width=48),
        Example([b"\r\n", b"\r\n", PLAIN_REQUEST], start=0, width=32),
    ],
    "request-not-get": [request(b"POST", method="POST")],
    "request-http-version": [request(b"HTTP/1.0", version="HTTP/1.0")],
    "request-target": [
        request(b"chat", target="chat"),
        request(b"\xc3", target="/\xc3\xa9"),
        request(b"\0", target="/a\0b"),
        request(b'"', target='/?q="'),
        request(b"%", target="/100%"),
    ],
    "request-target-fragment": [request(b"#top", target="/chat#top"), request(b"#", target="/#")],
    "host-invalid": [request(f"Host: {value}\r\n".encode(), {"Host": value}) for value in NO_HOSTS],
    "host-differs": [
        request(b"Host: a\r\n", {"Host": "a"}, target="http://b/"),
        Example([build_request("https://a:81/", {"Host": "a"})], blamed=b"Host: a\r\n"),
    ],
    "host-missing": [request(GET, {"Host": None})],
    "host-doubled": [more(b"Host: b\r\n")],
    "request-upgrade": [request(GET, {"Upgrade": None}), request(b"Upgrade: h2c\r\n", {"Upgrade": "h2c"})],
    "request-connection": [
        request(GET, {"Connection": None}),
        request(b"Connection: keep-alive\r\n", {"Connection": "keep-alive"}),
    ],
    "key-missing": [request(GET, {"Sec-WebSocket-Key": None})],
    "key-not-16-bytes": [
        request(b"Sec-WebSocket-Key: AAAA\r\n", key="AAAA"),
        request(b"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4P%==\r\n", key="AQIDBAUGBwgJCgsMDQ4P%=="),
    ],
    "key-doubled": [more(KEY_LINE)],
    "version-not-13": [
        request(GET, {"Sec-WebSocket-Version": None}),
        request(b"Sec-WebSocket-Version: 12\r\n", {"Sec-WebSocket-Version": "12"}),
    ],
    "version-doubled": [more(b"Sec-WebSocket-Version: 13\r\n")],
    "origin-doubled": [
        Example([PLAIN_REQUEST[:-2] + b"Origin: null\r\nOrigin: null\r\n\r\n"], [REFUSED], blamed=b"Origin: null\r\n")
    ],
    "subprotocols-malformed": [
        *(more(f"{PROTOCOL}: {value}\r\n".encode()) for value in ("a, a", ",", "a(b")),
        second(f"{PROTOCOL}: x\r\n", f"{PROTOCOL}: y, a(b\r\n"),
    ],
    "extensions-malformed": [
        *(
            more(f"{EXTENSIONS}: {value}\r\n".encode())
            for value in ("a=b", ";", "", 'a; b="c d"', 'a; b=""', 'a; b="c\\"', "a; b=c@d", 'a; b="c')
        ),
        second(f"{EXTENSIONS}: x; y\r\n", f"{EXTENSIONS}: z, a=b\r\n"),
    ],
    "deflate-offer-invalid": [
        *(
            more(f"{EXTENSIONS}: permessage-deflate; {value}\r\n".encode())
            for value in (*NO_PARAMETERS, "server_max_window_bits")
        ),
        second(f"{EXTENSIONS}: permessage-deflate\r\n", f"{EXTENSIONS}: permessage-deflate; x\r\n"),
    ],
    "response-malformed": [
        Example(server=[PLAIN_RESPONSE.replace(SWITCHING, b"HTTP/1.1 101\r\n")], blamed=b"HTTP/1.1 101\r\n")
    ],
    "broken-request-accepted": [
        Example([build_request(headers={"Host": None})], [PLAIN_RESPONSE], blamed=SWITCHING, also=("host-missing",))
    ],
    "response-upgrade": [response(SWITCHING, {"Upgrade": None}), response(b"Upgrade: h2c\r\n", {"Upgrade": "h2c"})],
    "response-connection": [response(b"Connection: close\r\n", {"Connection": "close"})],
    "accept-missing": [response(SWITCHING, {"Sec-WebSocket-Accept": None})],
    "accept-wrong": [response(b"Sec-WebSocket-Accept: AAAA\r\n", {"Sec-WebSocket-Accept": "AAAA"})],
    "accept-doubled": [more_said(ACCEPT_LINE)],
    "subprotocol-not-asked-for": [
        more_said(b"Sec-WebSocket-Protocol: chat\r\n"),
        more_said(b"Sec-WebSocket-Protocol: a, b\r\n", asked={PROTOCOL: "a, b"}),
    ],
    "subprotocol-doubled": [
        more_said(b"Sec-WebSocket-Protocol: a\r\n", b"Sec-WebSocket-Protocol: a\r\n", asked={PROTOCOL: "a"})
    ],
    "response-extensions-malformed": [more_said(b"Sec-WebSocket-Extensions: a b\r\n")],
    "extension-not-asked-for": [
        more_said(b"Sec-WebSocket-Extensions: permessage-deflate\r\n", asked={EXTENSIONS: "x"})
    ],
    "extensions-doubled": [
        more_said(b"Sec-WebSocket-Extensions: b\r\n", b"Sec-WebSocket-Extensions: a\r\n", asked={EXTENSIONS: "a, b"})
    ],
    "window-bits-not-offered": [
        more_said(
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10\r\n",
            asked={EXTENSIONS: offer},
        )
        for offer in (
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits, permessage-deflate",
        )
    ],
    "takeover-limit-ignored": [
        more_said(
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
            asked={EXTENSIONS: f"permessage-deflate; {offer}server_no_context_takeover"},
        )
        for offer in ("", "client_max_window_bits; ", "server_no_context_takeover, permessage-deflate; ")
    ],
    "window-limit-ignored": [
        more_said(
            f"Sec-WebSocket-Extensions: permessage-deflate{answer}\r\n".encode(),
            asked={EXTENSIONS: ", ".join(f"permessage-deflate; server_max_window_bits={bits}" for bits in (9, 12))},
        )
        for answer in ("", "; server_max_window_bits=13", "; client_no_context_takeover; server_max_window_bits=15")
    ]
    + [
        more_said(
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n", asked={EXTENSIONS: f"permessage-deflate; {offer}"}
        )
        for offer in (
            "server_max_window_bits=15",
            'server_max_window_bits="10", permessage-deflate; server_no_context_takeover; server_max_window_bits=12',
            "server_max_window_bits=10, permessage-deflate; server_no_context_takeover; client_max_window_bits=9; "
            "server_max_window_bits=9",
        )
    ],
    "invalid-offer-accepted": [
        more_said(
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
            asked={EXTENSIONS: f"permessage-deflate; {wrong}"},
        )._replace(also=("deflate-offer-invalid",))
        for wrong in NO_PARAMETERS
    ],
    "deflate-accepted-twice": [
        more_said(
            f"Sec-WebSocket-Extensions: {answer}\r\n".encode(),
            asked={EXTENSIONS: "permessage-deflate; client_max_window_bits, x"},
        )
        for answer in (
            "permessage-deflate, permessage-deflate",
            "permessage-deflate; client_max_window_bits=9, x, permessage-deflate; server_no_context_takeover",
        )
    ],
    "deflate-response-invalid": [
        more_said(
            f"Sec-WebSocket-Extensions: permessage-deflate; {value}\r\n".encode(),
            asked={EXTENSIONS: "permessage-deflate; client_max_window_bits"},
        )
        for value in (*NO_PARAMETERS, "server_max_window_bits", "client_max_window_bits")
    ],
    "no-http-response": [Example(server=[b"SSH-2.0\r\n\r\n"], blamed=b"SSH-2.0\r\n")],
    "versions-not-listed": [
        Example(
            [build_request(headers={"Sec-WebSocket-Version": "12"})],
            [REFUSED_BARELY],
            blamed=BAD,
            also=("version-not-13",),
        )
    ],
    "client-frame-before-handshake": [
        Example([PLAIN_REQUEST + build_frame("early", mask=KEY)], [], 0, 8),
        Example([build_frame("early", mask=KEY)], [], 0, 8),
        Example([PLAIN_REQUEST, build_frame("late", mask=KEY)], [REFUSED], 0, 8),
    ],
    "server-frame-before-handshake": [Example([PLAIN_REQUEST], [build_frame("early")], 0, 8)],
    "rsv-not-agreed": [
        Example(**server(build_frame("x", rsv1=True)), start=1, width=1),
        Example(**server(build_frame("x", rsv2=True, rsv3=True)), start=2, width=2),
        Example(**server(build_frame("x", rsv3=True), deflate=True), start=3, width=1),
        Example(**server(build_frame("x", rsv1=True, rsv3=True)), start=1, width=3),
    ],
    "rsv1-not-on-first-frame": [
        Example(**server(build_frame(opcode=9, rsv1=True), deflate=True), start=1, width=1),
        Example(**server(build_frame(fin=False), build_frame(opcode=0, rsv1=True), deflate=True), start=1, width=1),
    ],
    "opcode-reserved": [Example(**server(build_frame(opcode=opcode)), start=4, width=4) for opcode in (3, 7, 11, 15)],
    "server-frame-masked": [Example(**server(build_frame("x", mask=KEY)), start=8, width=1)],
    "client-frame-not-masked": [Example(**client(build_frame("x")), start=8, width=1)],
    "length-not-minimal": [
        Example(**server(build_frame("x" * 125, length_form=16)), start=9, width=23),
        Example(**server(build_frame("x" * 125, length_form=64)), start=9, width=71),
        Example(**client(build_frame(b"x" * 65535, length_form=64, mask=KEY)), start=9, width=71),
    ],
    "length-first-bit-set": [
        Example(**server(build_frame("x", length=1 << 63)), start=16, width=1, also=("stream-cut",))
    ],
    "control-frame-too-long": [
        Example(**server(build_frame("x" * 126, opcode=9)), start=9, width=23),
        Example(**client(build_frame("x" * 65536, opcode=10, mask=KEY)), start=9, width=71),
    ],
    "control-frame-fragmented": [
        Example(**server(build_frame(opcode=opcode, fin=False)), width=1) for opcode in (8, 9, 10)
    ],
    "continuation-without-message": [
        Example(**server(build_frame(opcode=0)), start=4, width=4),
        Example(**server(build_frame("a"), build_frame("b", opcode=0)), start=4, width=4),
    ],
    "message-inside-message": [Example(**server(build_frame("a", fin=False), build_frame("b")), start=4, width=4)],
    "data-after-close": [Example(**server(build_close(1000), build_frame("x")), start=4, width=4)],
    "deflate-data-broken": [
        Example(**server(build_frame(b"\xff\xff", opcode=2, rsv1=True), deflate=True), start=16, width=16)
    ],
    "text-not-utf8": [
        Example(**server(build_frame(b"ab\xffcd")), start=32, width=8),
        Example(**server(build_frame(b"ab\xff", fin=False)), start=32, width=8),
        Example(**server(build_frame(b"\xc3", fin=False), build_frame(b"x", opcode=0)), start=16, width=8),
        Example(**server(build_frame(b"\xed\xa0\x80")), start=16, width=8),
    ],
    "text-ends-inside-character": [
        Example(**server(build_frame(b"caf\xc3")), start=40, width=8),
        Example(**client(build_frame(b"\xe2\x82", mask=KEY)), start=48, width=16),
        Example(**server(build_frame(b"\xe2", fin=False), build_frame(b"\x82", opcode=0)), start=16, width=8),
        Example(**server(build_frame(b"\xe2\x82", fin=False), build_frame(opcode=0)), start=16, width=0),
    ],
    "close-body-of-one-byte": [Example(**server(build_frame(b"\x03", opcode=8)), start=16, width=8)],
    "close-code-never-sent": [Example(**server(build_close(code)), start=16, width=16) for code in (1005, 1006, 1015)],
    "close-code-reserved": [Example(**server(build_close(code)), start=16, width=16) for code in (1004, 1016, 2999)],
    "close-code-out-of-range": [
        Example(**server(build_close(code)), start=16, width=16) for code in (0, 999, 5000, 65535)
    ],
    "close-reason-not-utf8": [
        Example(**client(build_close(1000, b"a\xff", mask=KEY)), start=72, width=8),
        Example(**server(build_close(1000, b"\xc3")), start=32, width=8),
    ],
    "stream-cut": [Example(**server(b"\x81")), Example(**server(b"\x81\x05abc")), Example([PLAIN_REQUEST[:-2]], [])],
    "close-not-answered": [Example(**server(build_close(1000)))],
    "request-not-answered": [
        Example([PLAIN_REQUEST], interim, ends=(SERVER, CLIENT))
        for interim in (
            [],
            [b"HTTP/1.1 100 Continue\r\n\r\n"],
            [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"],
        )
    ],
}


def broken(example: Example) -> list[tuple[Head | Frame | Unread | Sender, Violation]]:
    connection = Connection()
    both = converse(connection, example.client, example.server, example.ends)
    found: list[tuple[Head | Frame | Unread | Sender, Violation]] = [
        (thing, violation)
        for things in both
        for thing in things
        if isinstance(thing, Head | Frame | Unread)
        for violation in thing.violations
    ]
    return found + [(sender, v) for sender, each in connection.closing_violations.items() for v in each]


def test_every_rule_has_an_example_and_every_name_is_its_own() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert set(EXAMPLES) == set(names)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_a_section_and_a_sentence(rule: object) -> None:
    name, section, sentence = (getattr(rule, part) for part in ("name", "section", "sentence"))
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)
    assert re.fullmatch(r"RFC (6454|6455|7692|9112) \d+(\.\d+)*", section)
    assert len(sentence) > 20


@pytest.mark.parametrize(
    ("rule", "number"), [(rule, number) for rule, some in EXAMPLES.items() for number in range(len(some))]
)
def test_a_broken_rule_is_found_where_it_is_broken(rule: str, number: int) -> None:
    example = EXAMPLES[rule][number]
    found = [
        (thing, violation)
        for thing, violation in broken(example)
        if violation.rule not in AT_THE_END or rule == violation.rule
    ]
    assert {violation.rule for _, violation in found} - set(example.also) == {rule}
    thing, violation = next(pair for pair in found if pair[1].rule == rule)
    assert violation.found
    if example.blamed is None:
        assert (violation.start, violation.width) == (example.start, example.width)
    else:
        assert isinstance(thing, Head)
        first = violation.start // 8
        assert thing.data[first : first + violation.width // 8] == example.blamed
        assert first == thing.data.rfind(example.blamed)
    if isinstance(thing, Frame):
        assert violation.start + violation.width <= (thing.header_length + thing.payload_length) * 8


LIMITED = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10, permessage-deflate"
OFFERS = ("client_max_window_bits", "client_max_window_bits=8; server_max_window_bits=15", 'server_max_window_bits="9"')
HOSTS = ("", "a", "a:", "a:80", "[::1]:80", "a_b.c%20", "[::ffff:1.2.3.4]:", "[2001:db8::1]", "[v1.fe:x-y]:80")
MORE_LIMITED = "permessage-deflate; server_no_context_takeover, permessage-deflate; server_max_window_bits=10"
FALLBACKS = [
    (
        [build_request(headers={EXTENSIONS: offer})],
        [build_response(headers={EXTENSIONS: f"permessage-deflate; {answer}"})],
    )
    for offer, answer in (
        (MORE_LIMITED, "server_max_window_bits=9"),
        (MORE_LIMITED, "server_no_context_takeover"),
        ("permessage-deflate; server_max_window_bits=15", "server_max_window_bits=15"),
        (f"{MORE_LIMITED}; client_max_window_bits", 'client_max_window_bits="9"; server_max_window_bits=10'),
    )
]
LEGAL = [
    Example(),
    Example(**client(build_frame("Hello", mask=KEY), build_close(1000, "bye", mask=KEY))),
    Example(**server(build_frame("a", fin=False), build_frame(opcode=9), build_frame("b", opcode=0), build_close())),
    Example(**server(build_frame(b"\xc3", fin=False), build_frame(b"\xa9", opcode=0))),
    Example(**server(build_frame("x" * 126), build_frame("x" * 65536), build_frame("x" * 125, opcode=9))),
    Example(**server(*[build_close(code) for code in (1000, 1003, 1007, 1011, 1014, 3000, 4999)])),
    Example(**server(build_close(1000), build_frame(opcode=10))),
    Example([build_request(headers={"Connection": "keep-alive, Upgrade", "upgrade": "WebSocket"})]),
    Example([build_request("http://127.0.0.1/chat")]),
    Example([build_request("/a-b_c.d~e!f$g&h'i(j)k*l+m,n;o=p:q@r/s?t/u?v%20w")]),
    *(Example([build_request(headers={"Host": host})]) for host in HOSTS),
    *(Example(*exchange) for exchange in FALLBACKS),
    # An extension that is not known here may interleave the fragments of messages.
    Example(
        [build_request(headers={EXTENSIONS: "x-mux"})],
        [
            build_response(headers={EXTENSIONS: "x-mux"}),
            *[build_frame("x", fin=False)] * 2,
            *[build_frame(opcode=0)] * 3,
        ],
    ),
    *(
        Example([build_request(headers={"Sec-WebSocket-Extensions": f"permessage-deflate; {offer}"})])
        for offer in OFFERS
    ),
    *(
        Example([build_request(headers={EXTENSIONS: LIMITED})], [build_response(headers={EXTENSIONS: answer})])
        for answer in (
            "permessage-deflate",  # it accepts the second offer
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=15; client_no_context_takeover",
        )
    ),
    Example([REQUEST], [RESPONSE, build_frame(bytes.fromhex("f248cdc9c90700"), rsv1=True)]),
    Example([PLAIN_REQUEST], [REFUSED + b"the body of a refusal"]),
    Example([PLAIN_REQUEST], [b"HTTP/1.1 103 Early Hints\r\n\r\n" + PLAIN_RESPONSE, build_frame("x")]),
]


@pytest.mark.parametrize("number", range(len(LEGAL)))
def test_what_is_legal_breaks_no_rule(number: int) -> None:
    assert [violation.rule for _, violation in broken(LEGAL[number]) if violation.rule != "close-not-answered"] == []


@pytest.mark.parametrize(
    ("data", "sender", "rules"),
    [
        ("81 7e 00 05 48 65 6c 6c 6f", None, ["length-not-minimal"]),
        ("81 05 48 65 6c 6c 6f", CLIENT, ["client-frame-not-masked"]),
        ("81 85 00 00 00 00 48 65 6c 6c 6f", SERVER, ["server-frame-masked"]),
        ("81 01 c3", None, ["text-ends-inside-character"]),
        ("01 01 c3", None, []),
        ("81 02 ff 61", None, ["text-not-utf8"]),
        ("c1 07 f2 48 cd c9 c9 07 00", None, []),
        ("89 7e 00 7e", None, ["control-frame-too-long"]),
        ("80 01 61", None, []),
        ("83 00", None, ["opcode-reserved"]),
        ("88 01 03", None, ["close-body-of-one-byte"]),
        ("", None, []),
    ],
)
def test_a_lone_frame_is_judged_by_what_it_shows(data: str, sender: Sender | None, rules: list[str]) -> None:
    assert [violation.rule for violation in explain(bytes.fromhex(data), sender).violations] == rules


@pytest.mark.parametrize(
    ("code", "sender", "meaning"),
    [
        (1011, SERVER, "1011: the server met an unexpected condition"),
        (1011, CLIENT, "1011: the client met an unexpected condition, and the code is defined for a server"),
        (1011, None, "1011: the server met an unexpected condition"),
        (1010, CLIENT, "1010: the client misses an extension"),
        (1010, SERVER, "1010: the server misses an extension, and the code is defined for a client"),
        (1001, CLIENT, "1001: going away"),
    ],
)
def test_a_status_code_is_explained_as_its_senders(code: int, sender: Sender | None, meaning: str) -> None:
    assert explain(build_close(code, mask=KEY if sender is CLIENT else None), sender)["Status code"].meaning == meaning


SAME = ("13", "13"), ("13", "8"), ("13, 14",)


@pytest.mark.parametrize(
    ("status", "versions", "told"),
    [
        *((status, ("14",), False) for status in (100, 103, 200, 301, 401, 403, 407, 429, 500, 503)),
        *((400, versions, False) for versions in SAME[:2]),
        *((status, versions, True) for status in (400, 426) for versions in (("14",), SAME[2])),
    ],
)
def test_a_version_is_refused_only_where_the_status_says_so(status: int, versions: tuple[str, ...], told: bool) -> None:
    """Whoever wants credentials first, or is busy, may speak that version."""
    lines = "".join(f"Sec-WebSocket-Version: {version}\r\n" for version in versions).encode()
    request = build_request(headers={"Sec-WebSocket-Version": None})[:-2] + lines + b"\r\n"
    found = broken(Example([request], [f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode()], ends=()))
    assert ("versions-not-listed" in [violation.rule for _, violation in found]) is told


@pytest.mark.parametrize("sender", [CLIENT, SERVER])
def test_a_frame_behind_a_refusal_that_keeps_the_connection_is_called_so(sender: Sender) -> None:
    connection = Connection()
    converse(connection, [PLAIN_REQUEST], [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"], ends=())
    (frame,) = connection.feed(sender, build_frame(opcode=9, mask=None if sender else KEY))
    assert isinstance(frame, Frame)
    assert [violation.found for violation in frame.violations] == [
        "a frame after the server refused the opening handshake"
    ]


def test_a_lone_head_is_judged_too() -> None:
    assert explain(PLAIN_REQUEST).violations == explain(PLAIN_RESPONSE).violations == ()
    assert explain(PLAIN_REQUEST).sender is CLIENT
    assert explain(PLAIN_RESPONSE).sender is SERVER
    assert [v.rule for v in explain(build_request(headers={"Host": None})).violations] == ["host-missing"]


def test_what_a_malformed_offer_asks_for_is_not_known() -> None:
    """Nothing behind what does not fit the grammar is read, so nobody can say that it was not asked for."""
    for offer in ("x; y=, permessage-deflate", "permessage-deflate; x=, permessage-deflate", "a=b, permessage-deflate"):
        asked, answer = ({EXTENSIONS: value} for value in (offer, "permessage-deflate"))
        found = dissect(build_request(headers=asked), build_response(headers=answer)).heads[1].violations
        assert [one.rule for one in found] == ["broken-request-accepted"]
