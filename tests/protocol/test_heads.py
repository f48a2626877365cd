"""The opening handshake's heads: parsed leniently, explained line by line, secrets marked, nothing raised."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_frames import assert_tiled
from wire_streams import CLIENT, REQUEST, RESPONSE, SERVER

from wslab.anatomy.field import Sender
from wslab.protocol import accept_key, build_request, build_response, dissect, explain, explain_head, parse_head
from wslab.protocol.dissector import HEAD_LIMIT, Dissector
from wslab.protocol.head import Head, begins_like_head

SOME_LINES = """Host: 127.0.0.1:81
Upgrade: websocket
Cookie: a=b
no colon
 folded: x
Sec-WebSocket-Key: é
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=77, x;;
Sec-WebSocket-Protocol: ,
Sec-WebSocket-Version:
Sec-WebSocket-Accept: x
Origin: http://localhost:1
Connection:
"""
lines = st.lists(
    st.sampled_from(SOME_LINES.split("\n")) | st.text(st.characters(max_codepoint=255), max_size=20), max_size=6
)


@pytest.mark.lengthy
@given(
    start=st.sampled_from(
        ["GET / HTTP/1.1", "HTTP/1.1 101 Switching Protocols", "HTTP/1.1 101", "GET /", "", "GET  x HTTP/1.1"]
    ),
    lines=lines,
    end=st.sampled_from(["\r\n\r\n", "\r\n", "", "\r\n\r\nmore"]),
    sender=st.sampled_from(Sender),
)
def test_fields_tile_any_head(start: str, lines: list[str], end: str, sender: Sender) -> None:
    data = ("\r\n".join([start, *lines]) + end).encode("latin-1")
    request = parse_head(REQUEST, CLIENT) if sender is SERVER else None
    assert_tiled(explain_head(data, sender, request=request))


@given(data=st.binary(max_size=60), sender=st.sampled_from(Sender))
def test_fields_tile_any_bytes(data: bytes, sender: Sender) -> None:
    assert_tiled(explain_head(data, sender))
    head = parse_head(data, sender)
    assert (head.status is None) or (100 <= head.status <= 999)


SAMPLE_REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n"
    b"Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SAMPLE_RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
)


def test_the_handshake_of_section_1_2() -> None:
    request, response = parse_head(SAMPLE_REQUEST, CLIENT), parse_head(SAMPLE_RESPONSE, SERVER)
    assert (request.method, request.target, request.version, request.status) == ("GET", "/chat", (1, 1), None)
    assert (response.status, response.method, response.version) == (101, None, (1, 1))
    assert request.get("HOST") == ["server.example.com"]
    assert request.tokens("Sec-WebSocket-Protocol") == ["chat", "superchat"]
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == response.get("Sec-WebSocket-Accept")[0]
    told = response.explain(request=request)
    assert told["Sec-WebSocket-Accept"].meaning == "the right answer to the request's key"
    assert "16 bytes: 74 68 65 20" in request.explain()["Sec-WebSocket-Key"].meaning
    assert [field.name for field in request.explain()] == [
        "Method", "Request-URI", "HTTP-Version", "Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Origin",
        "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "Empty line",
    ]  # fmt: skip
    assert [field.value for field in told][:3] == ["HTTP/1.1", "101", "Switching Protocols"]
    assert "request" in str(request)
    assert "response" in response._repr_html_()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Upgrade: h2c", "is not websocket"),
        ("Connection: keep-alive", "does not name Upgrade"),
        ("Sec-WebSocket-Key: AAAA", "3 bytes: 00 00 00, and it must be 16 bytes"),
        ("Sec-WebSocket-Key: %", "is no base64"),
        ("Sec-WebSocket-Version: 12", "must be 13"),
        ("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10", "looks back at most 1,024 bytes"),
        ("Sec-WebSocket-Extensions: ;", "is no extension"),
        ("Sec-WebSocket-Protocol: a, b", 'best first: "a", "b"'),
        ("X-Other: hi", "gives this header no meaning"),
        ("no colon", "no header"),
        ("User-Agent: me", 'calls itself "me"'),
    ],
)
def test_meanings_are_computed(line: str, words: str) -> None:
    data = f"GET / HTTP/1.1\r\n{line}\r\n\r\n".encode()
    assert words in explain_head(data, CLIENT).fields[3].meaning


def test_a_wrong_accept_is_compared() -> None:
    told = explain_head(build_response(key="AAAA"), SERVER, request=parse_head(REQUEST, CLIENT))
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") in told["Sec-WebSocket-Accept"].meaning


@pytest.mark.parametrize("name", ["Cookie", "set-cookie", "AUTHORIZATION", "Proxy-Authorization"])
def test_credentials_are_secret_and_their_meanings_hold_none(name: str) -> None:
    told = explain_head(f"GET / HTTP/1.1\r\n{name}: open sesame\r\n\r\n".encode(), CLIENT)
    assert told[name].secret
    assert "sesame" not in "".join(field.meaning for field in told) + str(told) + told._repr_html_() + str(
        told.to_json()
    )
    assert "sesame" in str(told.to_json(reveal=True))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nCookie : a=sesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nCookie: a=b;\r\n c=sesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nCookie: a=b;\r\n\tc: sesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nX\nCookie: sesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: y\nCookie: sesame\r\n\r\n",
        b"GET / HTTP/1.1\nCookie: sesame\n\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\nCookie: sesame\r\n",
        b"Cookie: sesame",
    ],
)
def test_credentials_are_secret_in_lines_that_are_no_headers(data: bytes) -> None:
    told = explain_head(data, CLIENT)
    entries = json.dumps(list(dissect(data, heads=True).json_objects()))
    assert (
        "sesame" not in str(told) + told._repr_html_() + str(told.to_json()) + repr(parse_head(data, CLIENT)) + entries
    )
    assert_tiled(told)


@pytest.mark.parametrize(
    ("line", "steady"),
    [
        ("Host: 127.0.0.1:40123", "127.0.0.1:PORT"),
        ("Host: localhost:1", "localhost:PORT"),
        ("Host: [::1]:8080", "[::1]:PORT"),
        ("Origin: http://127.0.0.1:8888", "http://127.0.0.1:PORT"),
        ("Date: Sun, 22 Nov 2026 09:00:00 GMT", "DATE"),
        ("Host: example.com:81", None),
        ("Host: 127.0.0.1", None),
    ],
)
def test_what_changes_from_run_to_run_has_a_steady_text(line: str, steady: str | None) -> None:
    field = explain_head(f"GET / HTTP/1.1\r\n{line}\r\n\r\n".encode(), CLIENT).fields[3]
    assert field.steady == steady
    if steady is not None:
        assert field.value != steady
        assert str(field.value) not in field.meaning


@pytest.mark.parametrize(
    ("data", "sender", "problem"),
    [
        (b"GET /\r\n\r\n", CLIENT, "no request line"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", CLIENT, "line 2"),
        (b"GET / HTTP/1.1\r\n C: folded\r\n\r\n", CLIENT, "line 2"),
        (b"GET / HTTP/1.1\r\nA: b\r\n C: \x00\r\n\r\n", CLIENT, "control character"),
        (b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n", CLIENT, "control character"),
        (b"HTTP/1.1 101\r\n\r\n", SERVER, "no status line"),
        (b"HTTP/1.1 999 x\r\n\r\n", SERVER, "no status line"),
        (REQUEST, SERVER, "no status line"),
        (RESPONSE, CLIENT, "no request line"),
    ],
)
def test_what_is_no_http_is_said(data: bytes, sender: Sender, problem: str) -> None:
    head = parse_head(data, sender)
    assert problem in (head.malformed or "")
    assert ("Not HTTP", head.malformed) in head.explain().facts


def test_heads_made_to_order() -> None:
    head = parse_head(build_request("/x", {"host": "a", "Upgrade": None, "X": "1"}), CLIENT)
    assert head.headers[0] == ("Host", "a")
    assert (head.get("Upgrade"), head.get("x")) == ([], ["1"])
    raw = parse_head(build_request(headers=[("Host", "a"), ("Host", "b")], method="PUT", version="HTTP/1.0"), CLIENT)
    assert raw.headers == (("Host", "a"), ("Host", "b"))
    assert (raw.method, raw.version) == ("PUT", (1, 0))
    assert (
        build_response(status=403, reason="Forbidden", headers=[("A", "b")], body=b"no")
        == b"HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\nno"
    )


@pytest.mark.parametrize(
    ("data", "is_head"),
    [(REQUEST, True), (RESPONSE, True), (b"GET / HTTP/", True), (b"GET /", False), (b"\x81\x00", False), (b"", False)],
)
def test_heads_are_told_from_frames(data: bytes, is_head: bool) -> None:
    assert begins_like_head(data) is is_head


BARE = (("\r\n", "\n"), ("\r\nH", "\nH"), ("\r\nU", "\nU"), ("\r\n\r\n", "\r\n\n"), ("\r\n\r\n", "\n\r\n"))


@pytest.mark.parametrize(("crlf", "lf"), BARE)
@pytest.mark.parametrize("data", [REQUEST, RESPONSE])
def test_a_line_may_end_in_lf_alone(data: bytes, crlf: str, lf: str) -> None:
    """Every mixture is read as the same head, byte by byte too, and is told to be one."""
    sender = SERVER if data is RESPONSE else CLIENT
    bare = data.replace(crlf.encode(), lf.encode())
    good, head = parse_head(data, sender), parse_head(bare, sender)
    assert (head.start_line, head.headers, head.malformed) == (good.start_line, good.headers, None)
    assert (head.bare_lf is not None) is (bare != data)
    told = head.explain()
    assert_tiled(told)
    assert [(field.name, field.value) for field in told] == [(field.name, field.value) for field in good.explain()]
    dissector = Dissector(sender)
    found = [dissector.feed(bytes([byte])) for byte in bare + b"\x81\x00"]
    assert [one.heads[0] for one in found if one.heads] == [head]
    assert sum(len(one.marks) for one in found) == 1


def test_a_limit_holds_for_heads_without_cr() -> None:
    line = b"A: " + b"b" * 100 + b"\n"
    endless = b"GET / HTTP/1.1\n" + line * (HEAD_LIMIT // len(line) + 1) + b"\n"
    (told,) = Dissector(CLIENT).feed(endless).heads
    assert isinstance(told, Head)
    assert told.malformed == "no empty line in the first 65,536 bytes"


REFUSING = ("HTTP/1.1 403 Forbidden", "HTTP/1.1 200 OK", "HTTP/1.1 426 Upgrade Required", "HTTP/1.1 103 Early Hints")
ANSWERS = (
    "Sec-WebSocket-Extensions: permessage-deflate",
    "Sec-WebSocket-Protocol: chat",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
)


@pytest.mark.parametrize("line", ANSWERS)
@pytest.mark.parametrize("status", REFUSING)
def test_what_answers_a_handshake_is_no_answer_where_none_is_made(status: str, line: str) -> None:
    data = f"{status}\r\n{line}\r\n\r\n".encode()
    told = explain_head(data, SERVER, request=parse_head(REQUEST, CLIENT)).fields[3]
    assert told.meaning == "belongs to a response that makes the connection, and this one does not"
    accepted = explain_head(
        data.replace(status.encode(), b"HTTP/1.1 101 x"), SERVER, request=parse_head(REQUEST, CLIENT)
    )
    assert "belongs to" not in accepted.fields[3].meaning


@pytest.mark.parametrize(
    ("line", "sender"),
    [
        *(
            (line, SERVER)
            for line in ("Host: a", "Origin: null", "User-Agent: a", "Cookie: a=b", "Authorization: Basic a")
        ),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", SERVER),
        *((line, CLIENT) for line in ("Server: a", "Set-Cookie: a=b", "WWW-Authenticate: Basic", "Location: /")),
        (ANSWERS[2], CLIENT),
    ],
)
def test_a_header_of_the_other_half_is_said_to_be_one(line: str, sender: Sender) -> None:
    begins = "HTTP/1.1 101 x" if sender is SERVER else "GET / HTTP/1.1"
    (told,) = explain_head(f"{begins}\r\n{line}\r\n\r\n".encode(), sender).fields[3:-1]
    assert told.meaning == f"a header of {'requests' if sender is SERVER else 'responses'}; it says nothing here"
    assert told.secret is (line.split(":")[0] in ("Cookie", "Authorization", "Set-Cookie"))


@pytest.mark.parametrize(
    ("first", "part", "meaning"),
    [
        ("HTTP/1.1 100 Continue", 1, '"100": an interim response; the answer to the request follows'),
        ("HTTP/1.1 103 Early Hints", 1, '"103": an interim response; the answer to the request follows'),
        ("HTTP/1.1 302 Found", 1, '"302": not 101, so no WebSocket connection is made'),
        ("HTTP/1.1 405 x", 1, "Method Not Allowed: the resource does not take the request's method"),
        ("HTTP/1.1 505 x", 1, "HTTP Version Not Supported: the server does not take the request's version of HTTP"),
        ("HTTP/1.0 403 x", 0, "older than 1.1"),
        ("GET / HTTP/1.0", 2, "older than the 1.1 that is needed"),
    ],
)
def test_the_first_line_says_no_more_than_it_shows(first: str, part: int, meaning: str) -> None:
    sender = SERVER if first.startswith("HTTP") else CLIENT
    assert explain_head(f"{first}\r\n\r\n".encode(), sender).fields[part].meaning == meaning


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("Origin: null", "the browser does not tell where the page comes from, such as a file"),
        ("Origin: http://a", 'the page whose script asks comes from "http://a"; only browsers cannot lie here'),
        ("Date: x", "when the client wrote this request"),
        ("Sec-WebSocket-Protocol: a,, b,", 'subprotocols that the client would speak, best first: "a", "b"'),
    ],
)
def test_a_line_of_a_request_is_the_clients(line: str, meaning: str) -> None:
    assert explain_head(f"GET / HTTP/1.1\r\n{line}\r\n\r\n".encode(), CLIENT).fields[3].meaning == meaning


PAGE = b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "sender", "request_data", "title"),
    [
        (PAGE, CLIENT, None, "HTTP request"),
        (RESPONSE, SERVER, PAGE, "HTTP response"),
        (RESPONSE, SERVER, REQUEST, "Opening handshake, response"),
        (RESPONSE, SERVER, None, "Opening handshake, response"),
        (REQUEST, CLIENT, None, "Opening handshake, request"),
        (PAGE.replace(b"close", b"Upgrade\r\nUpgrade: WebSocket"), CLIENT, None, "Opening handshake, request"),
        (PAGE.replace(b"close", b"Upgrade\r\nUpgrade: h2c"), CLIENT, None, "HTTP request"),
        (PAGE.replace(b"Connection", b"SEC-WebSocket-KEY"), CLIENT, None, "Opening handshake, request"),
        (b"no HTTP\r\n\r\n", CLIENT, None, "Opening handshake, request"),
    ],
)
def test_only_what_is_about_websocket_is_called_an_opening_handshake(
    data: bytes, sender: Sender, request_data: bytes | None, title: str
) -> None:
    request = None if request_data is None else parse_head(request_data, CLIENT)
    assert explain_head(data, sender, request=request).title == title


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version:\r\n 12"),
        (b"Sec-WebSocket-Key: dGhlIHNh", b"Sec-WebSocket-Key: dGhl\r\n\tIHNh"),
        (b"Host: 127.0.0.1", b"Host:\r\n \r\n a b\r\n  c"),
    ],
)
def test_of_a_folded_header_all_lines_are_blamed(line: bytes, value: bytes) -> None:
    data = build_request().replace(line, value)
    wrong = explain(data).violations[0]
    assert wrong.rule in {"version-not-13", "key-not-16-bytes", "host-invalid"}
    blamed = data[wrong.start // 8 : (wrong.start + wrong.width) // 8]
    assert blamed.startswith(value)
    assert blamed.endswith(b"\r\n")
    assert data[(wrong.start + wrong.width) // 8 :][:1] not in (b" ", b"\t")


def test_a_header_of_many_folds_is_read_in_linear_time() -> None:
    def seconds(folds: int) -> float:
        began = time.process_time()
        head = parse_head(build_request()[:-2] + b"A: b\r\n" + b" c\r\n" * folds + b"\r\n", CLIENT)
        assert head.get("A") == ["b" + " c" * folds]
        return time.process_time() - began

    seconds(100)
    assert seconds(200_000) < 12 * max(seconds(50_000), 0.05)
