"""What stands before the opening handshake, what only looks like one, and what else a TCP connection may be."""

from __future__ import annotations

import pytest
from packets import ACK, GREETING, SAID, STREAMS, SYN, Talk, pcap

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.protocol import build_frame, build_request, dissect, explain
from wslab.recording.files.capture_in import read_capture
from wslab.recording.trace import Trace

Lines = list[tuple[str, bytes]]

PROXY_1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 80\r\n"
PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 192, 0, 2, 2, 0xDC, 4, 0, 80])
SOCKS: Lines = [("c", b"\5\1\0"), ("s", b"\5\0"), ("c", b"\5\1\0\1\n\0\0\2\0\x50"), ("s", b"\5\0\0\1\0\0\0\0\0\0")]
CONNECT = b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n"
TUNNEL: Lines = [("c", CONNECT), ("s", b"HTTP/1.1 200 OK\r\n\r\n")]
REFUSED: Lines = [("c", CONNECT), ("s", b"HTTP/1.1 407 Who?\r\nContent-Length: 2\r\n\r\nno")]
RECORD = b"\x16\x03\x01\x00\x20\x01\x00\x00\x1c" + bytes(28)
NO_UPGRADE = build_request().replace(b"Upgrade: websocket\r\n", b"")
FOLDED = build_request().replace(b"Upgrade: websocket", b"Upgrade:\r\n websocket")


def read(lines: Lines, *, begun: bool = True) -> Trace:
    talk = Talk().open().say(lines).close() if begun else Talk().say(lines)
    return read_capture(pcap(talk.packets), Trace)


def length(lines: Lines) -> int:
    return sum(len(data) for _, data in lines)


def joined(before: bytes) -> Lines:
    return [("c", before + GREETING[0][1]), *GREETING[1:]]


@pytest.mark.parametrize(
    ("lines", "skipped"),
    [
        (joined(PROXY_1), len(PROXY_1)),
        (joined(PROXY_2), len(PROXY_2)),
        ([("c", PROXY_1), *GREETING], len(PROXY_1)),
        ([*SOCKS, *GREETING], length(SOCKS)),
        ([*TUNNEL, *GREETING], length(TUNNEL)),
        ([*REFUSED, *TUNNEL, *GREETING], length(REFUSED) + length(TUNNEL)),
    ],
    ids=["PROXY", "PROXY, version 2", "PROXY alone", "SOCKS", "CONNECT", "CONNECT twice"],
)
def test_what_stands_before_the_request_is_left_out_and_the_request_is_read(lines: Lines, skipped: int):
    trace = read(lines)
    assert [bytes(message.data or b"") for message in trace.messages] == SAID
    assert {sender: trace.bytes_sent(0, sender) for sender in Sender} == STREAMS
    assert trace.notes == (f"connection 0: {skipped} bytes before the upgrade are left out",)
    assert not trace.violations


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("empty", [b"\r\n", b"\r\n" * 2, b"\r\n" * 7])
def test_empty_lines_before_the_request_are_the_clients_fault_and_the_request_is_read(empty: bytes, apart: bool):
    begun = [("c", empty), GREETING[0]] if apart else joined(empty)[:1]
    trace = read([*begun, *GREETING[1:]])
    assert [bytes(message.data or b"") for message in trace.messages] == SAID
    assert [found.rule for _, found in trace.violations] == ["request-prefaced"]
    assert trace.explain(0).data.startswith(empty + b"GET")
    assert not trace.notes


@pytest.mark.parametrize(
    ("request_head", "rule"), [(NO_UPGRADE, "request-upgrade"), (FOLDED, "line-folded")], ids=["none", "folded"]
)
def test_a_request_that_the_server_accepted_is_held_to_the_rules(request_head: bytes, rule: str):
    trace = read([("c", request_head), *GREETING[1:]])
    assert not trace.notes
    assert rule in [found.rule for found in trace.explain(0).violations]
    assert len(trace.messages) == 2


@pytest.mark.parametrize("cut", [0, 1, 20])
def test_a_request_in_a_body_whose_length_is_told_is_none(cut: int):
    body = build_request()
    head = b"POST /log HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = ("s", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    trace = read([("c", head + body[:cut]), ("c", body[cut:]), answer])
    assert trace.notes == ("1 TCP connection left out: HTTP without an upgrade to WebSocket",)
    assert read([("c", head + body[:cut]), ("c", body[cut:]), answer, *GREETING]).messages


@pytest.mark.parametrize("cut", [0, 7])
def test_a_request_somewhere_in_a_segment_is_none_where_no_server_switched(cut: int):
    """As a protocol of logs carries it."""
    line = b"<13>Oct 11 host x: " + build_request()
    assert not len(read([("c", line[cut:]), ("s", b"+\r\n")]))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([*TUNNEL, ("c", RECORD), ("s", RECORD)], "TLS, which is not decrypted here"),
        ([*SOCKS, ("c", RECORD), ("s", RECORD)], "TLS, which is not decrypted here"),
        ([("s", b"220 x\r\n"), ("c", b"STARTTLS\r\n"), ("s", b"220 go\r\n"), ("c", RECORD)], "TLS, which is not"),
        ([("c", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)), ("s", bytes(9))], "HTTP/2, which is not read here"),
        (
            [("c", b"TRACE / HTTP/1.1\r\n\r\n"), ("s", b"HTTP/1.1 200 OK\r\n\r\n"), ("s", build_request())],
            "HTTP without",
        ),
        (
            [
                ("c", build_request().replace(b"Upgrade: websocket", b"Upgrade: h2c, websocket")),
                ("s", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + bytes(9)),
            ],
            'HTTP with an upgrade to "h2c", and not to WebSocket',
        ),
        ([("c", b"\1\2\3\4"), ("s", b"\4\3\2\1")], "not WebSocket"),
    ],
    ids=["CONNECT", "SOCKS", "STARTTLS", "HTTP/2", "TRACE", "another protocol", "anything"],
)
def test_what_else_a_connection_may_be(lines: Lines, reason: str):
    (note,) = read(lines).notes
    assert note.startswith(f"1 TCP connection left out: {reason}")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([("c", b"\x17\x03\x03\0\x20" + bytes(32)), ("s", b"\x17\x03\x03\0\x20" + bytes(32))], "TLS"),
        ([("s", build_frame("x" * 2000)[900:]), ("c", b"?")], "not WebSocket, as far as what was captured of it tells"),
        ([("s", build_frame("alone"))], "not WebSocket, as far as what was captured of it tells"),
    ],
    ids=["TLS", "in a payload", "one frame"],
)
def test_what_a_connection_may_be_whose_beginning_was_not_captured(lines: Lines, reason: str):
    (note,) = read(lines, begun=False).notes
    assert note.startswith(f"1 TCP connection left out: {reason}")


@pytest.mark.parametrize("answer", [SYN | ACK, SYN])
def test_a_client_that_did_not_open_tcp(answer: int):
    """The server calls back, or both ends send a SYN: the client is who asks for WebSocket."""
    talk = Talk()
    talk.put("s", flags=SYN)
    talk.put("c", flags=answer)
    talk.put("s")
    trace = read_capture(pcap(talk.say(GREETING).close().packets), Trace)
    assert not trace.notes
    assert not trace.violations
    assert [message.sender for message in trace.messages] == [Sender.CLIENT, Sender.SERVER]


PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"
ASKED = b"HTTP/1.1 401 Who?\r\nContent-Length: 2\r\n\r\nno"
GIVEN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "page", [PAGE, PAGE.replace(b"GET", b"HEAD"), PAGE.replace(b"\r\n\r\n", b"\r\nCookie: a=b\r\n\r\n")]
)
def test_a_page_behind_a_refusal_is_no_opening_handshake(page: bytes):
    given = GIVEN[:-2] if page[:4] == b"HEAD" else GIVEN
    trace = read([GREETING[0], ("s", ASKED), ("c", page), ("s", given)])
    assert [record.kind for record in trace.records].count(Kind.REQUEST) == 2
    assert not trace.violations


def test_a_second_try_that_lacks_what_it_must_have_is_still_held_to_the_rules():
    trace = read(
        [GREETING[0], ("s", ASKED), ("c", build_request().replace(b"Connection: Upgrade\r\n", b"")), ("s", ASKED)]
    )
    assert [found.rule for _, found in trace.violations] == ["request-connection"]


H2C = (
    b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n"
)


def test_a_page_that_is_asked_for_is_no_opening_handshake_until_it_is_answered_with_101():
    for page in (PAGE, H2C):
        assert not any(head.violations for head in dissect(page, GIVEN).heads)
        assert explain(page).violations == ()
    found = [one for head in dissect(PAGE, GREETING[1][1]).heads for one in head.violations]
    assert [one.rule for one in found if "request-upgrade" in one.found] == ["broken-request-accepted"]


# The example of draft-hixie-thewebsocketprotocol-76, sections 1.2 and 1.3, and a frame of it.
HIXIE_ASKED = (
    b"GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n"
    b"Sec-WebSocket-Protocol: sample\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n"
    b"Origin: http://example.com\r\n\r\n^n:ds[4U"
)
HIXIE_GIVEN = (
    b"HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Location: ws://example.com/demo\r\n"
    b"Sec-WebSocket-Protocol: sample\r\n\r\n8jKS'y:G*Co,Wxa-"
)
HIXIE_FRAME = b"\x00hello\xff"


def test_more_empty_lines_than_are_kept_before_a_request_that_is_cut():
    trace = Trace()
    tap = trace.join(Sender.CLIENT, 1)
    tap.sent(b"\r\n" * 3_000 + b"GET / HTTP/1.1\r\nCookie: opensesame")
    tap.fin_sent()
    assert [record.kind for record in trace.records] == [Kind.UNREAD, Kind.FIN]
    assert "sesame" not in repr(trace) + repr(trace.explain(0))


def test_an_earlier_protocol_is_named_and_held_to_no_rule():
    asked, given = HIXIE_ASKED + HIXIE_FRAME, HIXIE_GIVEN + HIXIE_FRAME
    trace = read([("c", asked), ("s", given)])
    assert not trace.violations
    assert not trace.frames
    for number in (0, 1):
        assert "an earlier one than RFC 6455, hixie-75 or hixie-76" in " ".join(str(trace.explain(number)).split())
    found = dissect(asked, given)
    assert [rest.what for rest in found.unread] == ["bytes of an earlier protocol than RFC 6455"] * 2
    assert found.violations == ()


def test_the_answer_tells_the_earliest_protocol_whose_request_has_no_key():
    given = b"HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    given += b"WebSocket-Origin: http://a\r\nWebSocket-Location: ws://a/\r\n\r\n"
    found = dissect(b"", given + HIXIE_FRAME)
    assert [rest.what for rest in found.unread] == ["bytes of an earlier protocol than RFC 6455"]
    assert found.violations == ()
