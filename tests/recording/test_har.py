"""HAR carries handshakes and messages, says what it leaves out, and comes back as messages and not as more."""

from __future__ import annotations

import base64
import json
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from recorded import conversation

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.protocol import build_close, build_frame, build_request, build_response
from wslab.protocol.handshake import SAMPLE_KEY, accept_key
from wslab.protocol.states import State
from wslab.recording.files import har
from wslab.recording.trace import Trace

read_har = partial(har.read_har, kind=Trace)

CLIENT, SERVER = Sender
MASK = bytes.fromhex("37fa213d")


def headers(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def entry(messages: Any = (), **kw: Any) -> dict[str, Any]:
    """An entry as Chrome's DevTools export it."""
    return {
        "_resourceType": "websocket",
        "startedDateTime": "2026-01-02T03:04:05.678Z",
        "time": 12.5,
        "request": {
            "method": "GET",
            "url": "ws://localhost:1234/chat?room=1",
            "httpVersion": "HTTP/1.1",
            "headers": headers(
                ("Host", "localhost:1234"),
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Key", SAMPLE_KEY),
                ("Sec-WebSocket-Version", "13"),
            ),
        },
        "response": {
            "status": 101,
            "statusText": "Switching Protocols",
            "httpVersion": "HTTP/1.1",
            "headers": headers(
                ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_key(SAMPLE_KEY))
            ),
        },
        "_webSocketMessages": list(messages) if isinstance(messages, tuple) else messages,
        **kw,
    }


def message(kind: str = "send", time: Any = 1767323046.0, opcode: Any = 1, data: Any = "Hello") -> dict[str, Any]:
    return {"type": kind, "time": time, "opcode": opcode, "data": data}


def test_as_chrome_writes_it():
    trace = read_har(
        [
            entry(
                [
                    message("send", 1767323046.0, 1, "Hello server! ş"),
                    message("receive", 1767323046.25, 2, base64.b64encode(b"\x00\xff").decode()),
                    message("receive", 1767323046.5, 1, ""),
                ]
            )
        ]
    )
    assert [(m.sender, m.opcode, m.data) for m in trace.messages] == [
        (CLIENT, 1, "Hello server! ş".encode()),
        (SERVER, 2, b"\x00\xff"),
        (SERVER, 1, b""),
    ]
    assert [record.kind for record in trace.records[:2]] == [Kind.REQUEST, Kind.RESPONSE]
    assert [head.target for head in trace.handshakes] == ["/chat?room=1", None]
    assert trace.began == pytest.approx(1767323045.678)
    assert [round(record.time, 3) for record in trace.records] == [0.0, 0.0, 0.322, 0.572, 0.822]
    assert trace.violations == []


def test_it_says_that_its_bytes_are_rebuilt(tmp_path: Path):
    trace = read_har([entry([message()])])
    assert trace.rebuilt
    assert trace.notes[0].startswith("rebuilt from a HAR, which tells messages and no bytes")
    assert "note: rebuilt from a HAR" in repr(trace)
    (frame,) = trace.frames
    assert (frame.masking_key, frame.fin, frame.rsv1) == (bytes(4), True, False)
    trace.save(tmp_path / "a")
    assert Trace.load(tmp_path / "a").rebuilt
    assert "rebuilt from a HAR" in trace.to_har()["log"]["comment"]
    trace.to_pcapng(tmp_path / "b")
    assert b"built again from messages" in (tmp_path / "b").read_bytes()
    assert not Trace().rebuilt


def test_what_is_no_websocket_is_counted():
    trace = read_har([{"request": {}}, {"_resourceType": "document"}, entry([message()])])
    assert trace.connections == [0]
    assert "2 of 3 entries left out: they are no WebSocket's" in trace.notes
    assert not read_har([{}]).rebuilt


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("request", {"method": "GET", "url": "ws://x/", "httpVersion": "HTTP/1.1", "headers": []}),
        ("request", {"method": "GET", "url": "ws://x/", "httpVersion": "h2", "headers": headers((":method", "GET"))}),
        ("request", {"method": "GET", "url": "nonsense", "httpVersion": "HTTP/1.1", "headers": headers(("A", "b"))}),
        ("response", None),
        ("response", {"status": 0, "headers": []}),
    ],
)  # fmt: skip
def test_a_handshake_that_is_not_told_whole_is_not_made_up(change: str, value: Any):
    trace = read_har([entry([message()], **{change: value})])
    assert trace.handshakes == []
    assert [m.data for m in trace.messages] == [b"Hello"]
    assert trace.violations == []
    assert "a handshake is left out: the file does not tell it whole" in trace.notes


def test_a_refused_handshake():
    refused = {"status": 403, "statusText": "Forbidden", "httpVersion": "HTTP/1.1", "headers": headers(("A", "b"))}
    trace = read_har([entry([], response=refused)])
    assert [head.start_line for head in trace.handshakes] == ["GET /chat?room=1 HTTP/1.1", "HTTP/1.1 403 Forbidden"]


def test_a_header_cannot_smuggle_lines_in():
    """A value with a line feed is two lines of one name, as browsers write them; a CR goes nowhere."""
    evil = headers(("Set-Cookie", "a=1\nb=2"), ("X", "y\r\n\r\nHTTP/1.1 200 OK"), ("Upgrade", "websocket"))
    response = {"status": 101, "statusText": "OK\r\nEvil: 1", "httpVersion": "HTTP/1.1", "headers": evil}
    trace = read_har([entry([message()], response=response)])
    _, head = trace.handshakes
    assert head.get("Set-Cookie") == ["a=1", "b=2"]
    assert [name for name, _ in head.headers] == ["Set-Cookie", "Set-Cookie", "Upgrade"]
    assert head.start_line == "HTTP/1.1 101 "
    assert "a header line is left out: it holds a line's end or a null character" in trace.notes


def test_an_error_of_the_browser_is_a_note():
    trace = read_har([entry([message("error", opcode=-1, data="net::ERR_CONNECTION_REFUSED")])])
    assert trace.records[-1].kind is Kind.ERROR
    assert trace.messages == []


def test_times_that_go_back_or_are_missing_stand_still():
    trace = read_har([entry([message(time=1767323050), message(time=1767323046), message(time=None)])])
    times = [record.time for record in trace.records]
    assert times == sorted(times)
    assert any("no usable time" in note for note in trace.notes)


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000], ids=["Chromium", "Playwright, milliseconds", "microseconds"])
def test_times_in_the_unit_of_their_producer(unit: int):
    begun = 1767323045.678  # what startedDateTime says
    times = [begun + 0.015, begun + 0.7]
    trace = read_har([entry([{"type": "send", "time": at * unit, "opcode": 1, "data": "a"} for at in times])])
    frames = [record for record in trace.records if record.kind is Kind.FRAME]
    assert [frame.time for frame in frames] == pytest.approx([0.015, 0.7], abs=1e-5)
    assert not any("usable time" in note for note in trace.notes)


@pytest.mark.parametrize("time", [-1, float("nan"), 1e30, True, "soon", None])
def test_what_is_no_time_in_any_unit(time: Any):
    trace = read_har([entry([{"type": "send", "time": time, "opcode": 1, "data": "a"}])])
    assert any("usable time" in note for note in trace.notes)


def test_messages_that_the_file_leaves_out():
    left_out = entry()
    del left_out["_webSocketMessages"]
    trace = read_har([left_out])
    assert any("what wrote it left them out, or there were none" in note for note in trace.notes)
    refused = {**left_out, "response": {**left_out["response"], "status": 403}}
    for none in (entry([]), refused):  # no messages, and none that could be left out
        assert not any("left them out" in note for note in read_har([none]).notes)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"code": 1011, "reason": "oops", "timestamp": 1767323048.678}, 'the file says: closed with 1011 "oops"'),
        ({"code": 1005}, "the file says: closed with 1005"),
        ({"reason": "", "timestamp": 1767323048.678}, "the file says: closed without a code"),
        ("aborted", "the file says: the connection ended without a close frame"),
        ("disconnected", "the file says: the connection ended without a close frame"),
    ],
)
def test_the_end_as_http_toolkit_tells_it(told: Any, said: str):
    trace = read_har([entry([], _webSocketClose=told)])
    last = trace.records[-1]
    assert last.kind is Kind.ERROR
    assert said in " ".join(repr(trace.explain(last.number)).split())
    assert "how it was closed" not in trace.notes[0]
    if isinstance(told, dict) and "timestamp" in told:
        assert last.time == pytest.approx(3.0, abs=1e-5)


def test_a_time_that_counts_from_another_moment():
    """HTTP Toolkit's time of the end counts from when the program began; the recording did not begin in 1970."""
    end = {"code": 1000, "reason": "", "timestamp": 4821.25}
    trace = read_har([entry([message(time=1767323046.0), message(time=12.5)], _webSocketClose=end)])
    assert trace.began == pytest.approx(1767323045.678)
    assert [round(record.time, 3) for record in trace.records] == [0, 0, 0.322, 0.322, 0.322]
    assert "a message has no usable time, and is given the time of the message before" in trace.notes


@pytest.mark.parametrize("time", ["soon", 1e30, -1, None, 4821.25], ids=str)
def test_an_end_without_a_usable_time_is_told_without_one(time: Any):
    trace = read_har([entry([message(time=1767323046)], _webSocketClose={"code": 1000, "timestamp": time})])
    assert trace.records[-1].time == trace.records[-2].time
    assert "the end has no usable time, and is given the time of the message before" in trace.notes


@pytest.mark.parametrize("told", [None, [], {"code": "1000"}, {"code": True}, {"code": 10**30}, {"code": -1}, "x", 5])
def test_an_end_that_is_none_is_not_told(told: Any):
    trace = read_har([entry([], _webSocketClose=told)])
    assert [record.kind for record in trace.records] == [Kind.REQUEST, Kind.RESPONSE]
    assert "how it was closed" in trace.notes[0]
    assert (told is None) is not any("a _webSocketClose is left out" in note for note in trace.notes)


@pytest.mark.parametrize(
    ("url", "host"),
    [("ws://localhost:1234/chat", "localhost:1234"), ("wss://me:it@[::1]/?a@b", "[::1]"), ("ws://h?a=b", "h")],
)
def test_a_host_that_is_not_listed_is_that_of_the_url(url: str, host: str):
    listed = entry([message()])
    listed["request"] |= {"url": url, "headers": [one for one in listed["request"]["headers"] if one["name"] != "Host"]}
    trace = read_har([listed])
    request, _ = trace.heads(0)
    assert request is not None
    assert request.get("Host") == [host]
    assert not trace.violations
    assert "a request's Host is that of its URL: the file lists none" in trace.notes
    assert not any("Host is that of" in note for note in read_har([entry([message()])]).notes)


@pytest.mark.parametrize("host", ["b\u00fccher.example", "a\0b", "a\\b", "\U0001f600", "a\x7f", "[::1"])
def test_a_client_is_not_accused_of_a_host_that_stands_in_a_wrong_url(host: str):
    listed = entry([message()])
    headers = [one for one in listed["request"]["headers"] if one["name"] != "Host"]
    listed["request"] |= {"url": f"ws://{host}/chat", "headers": headers}
    trace = read_har([listed])
    assert not trace.violations
    assert "a handshake is left out: the file does not tell it whole" in trace.notes
    assert [one.data for one in trace.messages] == [one.data for one in read_har([entry([message()])]).messages]
    listed["request"]["headers"] = [*headers, {"name": "Host", "value": host.replace("\0", "/")}]
    assert "host-invalid" in [found.rule for _, found in read_har([listed]).violations], "what is listed is judged"


@pytest.mark.parametrize("long", ["@", "#", "/", "a@b#"], ids=str)
def test_a_long_url_is_looked_at_once(long: str):
    """Two of the pattern's parts could share out such a URL in any way, and so many ways were tried."""
    began = process_time()
    for end in ("", "\n", "\0", " "):
        listed = entry([message()])
        listed["request"] |= {"url": "ws://" + long * 50_000 + end}
        read_har([listed])
    assert process_time() - began < 5


@pytest.mark.parametrize("key", ["_failureText", "_error"], ids=["Playwright", "Chromium and mitmproxy"])
def test_a_failure_is_told_in_the_words_of_the_file(key: str):
    response = {"status": -1, "headers": [], "httpVersion": "HTTP/1.1", key: "net::ERR_UNSAFE_PORT"}
    trace = read_har([entry([], response=response)])
    assert "the file says: net::ERR_UNSAFE_PORT" in repr(trace.explain(trace.records[-1].number))


@pytest.mark.parametrize("messages", [None, [message("error", opcode=-1, data="code 403")]], ids=["", "an error told"])
def test_a_refusal_as_playwright_tells_it(messages: Any):
    """The request is whole, the answer has neither status nor headers: what was refused was never open."""
    failed = {"status": -1, "statusText": "", "headers": [], "httpVersion": "HTTP/1.1", "_failureText": "code 403"}
    trace = read_har([entry(messages, response=failed), entry(messages, response=failed, request={"headers": []})])
    assert [head.target for head in trace.handshakes] == ["/chat?room=1"]
    assert {record.kind for record in trace.records} == {Kind.REQUEST, Kind.ERROR}
    assert [*trace.states(0).values(), *trace.states(1).values()] == [State.CONNECTING] * 4
    assert trace.notes.count("a handshake is left out: the file does not tell it whole") == 1
    assert trace.violations == []


def test_messages_behind_a_refusal_are_told_as_what_they_are():
    refused = {"status": 403, "statusText": "Forbidden", "httpVersion": "HTTP/1.1", "headers": headers(("A", "b"))}
    trace = read_har([entry([message()], response=refused)])
    assert "a handshake is left out: its answer is no 101, and yet messages follow" in trace.notes
    assert trace.violations == []


@pytest.mark.parametrize(
    ("version", "told"), [("h2", "H2"), ("HTTP/2.0", "HTTP/2.0"), ("", ""), ("unknown", "UNKNOWN")]
)
def test_a_handshake_of_another_http_is_said_to_be_one(version: str, told: str):
    """Also where nothing but a header says that it is a WebSocket's."""
    for pair in (("Upgrade", " WebSocket "), (":protocol", "websocket")):
        other = entry()
        del other["_webSocketMessages"], other["_resourceType"]
        other["request"] |= {"url": "https://x/", "httpVersion": version, "headers": headers(("x", "y"), pair)}
        trace = read_har([other])
        assert trace.connections == [0]
        said = f'a head is left out: its HTTP version is "{told}", and HTTP/1.1 is expected'
        assert said in trace.notes


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_control_frames_that_a_file_lists_are_not_said_to_be_unknown(opcode: int):
    trace = read_har([entry([message(opcode=opcode, data="A+g=")])])
    assert trace.notes[0].endswith("and how it was closed are known only as far as the file tells them")


@pytest.mark.parametrize("begun", ["2026-01-02T03:04:05.678Z", "2026-01-02T05:04:05.678Z"], ids=["", "begun later"])
def test_times_that_go_back_are_not_altered_in_silence(begun: str):
    said = "a time is earlier than that of what the file lists before it, and is told as the same"
    back = read_har([entry([message(time=1767323050), message(time=1767323046)], startedDateTime=begun)])
    forth = read_har([entry([message(time=1767323046), message(time=1767323050)], startedDateTime=begun)])
    late = "05:04" in begun
    assert [note for note in back.notes if said in note] == [said + " (2 times)" * late]
    assert [note for note in forth.notes if said in note] == [f"{said} (2 times)"] * late


@pytest.mark.parametrize("value", ["\u2603", "\ud800", "a\u0416?"])
def test_characters_that_no_header_can_hold_are_told(value: str):
    said = "a head holds characters beyond Latin-1, which are told as '?'"
    odd = entry([message()])
    odd["response"]["headers"] += headers(("X-Name", value))
    assert said in read_har([odd]).notes
    odd["response"]["headers"][-1]["value"] = "é?"
    assert said not in read_har([odd]).notes


def test_a_websocket_that_no_field_names():
    """Firefox lists its handshake like any other request, and no messages; mitmproxy so lists a refused one."""
    firefox = entry()
    del firefox["_webSocketMessages"], firefox["_resourceType"]
    refusal = {"status": 403, "statusText": "Forbidden", "httpVersion": "HTTP/1.1", "headers": headers(("A", "b"))}
    http = {**firefox["request"], "url": "http://localhost:1234/chat"}
    plain = {"request": {**http, "headers": headers(("Host", "x"))}, "response": refusal}
    trace = read_har([firefox, {**firefox, "request": http, "response": refusal}, plain])
    assert [head.status for head in trace.handshakes] == [None, 101, None, 403]
    assert "1 of 3 entries left out: they are no WebSocket's" in trace.notes


def test_own_export_comes_back_with_its_messages(tmp_path: Path):
    trace = Trace()
    conversation(trace, "one")
    client, server = trace.join(CLIENT, 2), trace.join(SERVER, 2)
    client.sent(build_request(headers={"Sec-WebSocket-Protocol": "chat"}))
    server.sent(build_response(headers={"Sec-WebSocket-Protocol": "chat"}))
    client.sent(build_frame(bytes(range(256)), opcode=2, mask=MASK))
    server.sent(build_frame("ş" * 40_000) + build_close(4000))
    trace.to_har(tmp_path / "own.har")
    other = Trace.open(tmp_path / "own.har")
    told = [(m.sender, m.opcode, m.length, m.data) for m in trace.messages]
    assert [(m.sender, m.opcode, m.length, m.data) for m in other.messages] == told
    assert [head.headers for head in other.handshakes] == [head.headers for head in trace.handshakes]
    assert other.began + other.records[2].time == pytest.approx(trace.began + trace.records[4].time, abs=2e-6)


def test_own_export_has_no_time_that_goes_back():
    """Its startedDateTime has microseconds, and its messages' times are floats."""
    for thousandth in range(40):
        trace = Trace()
        trace.began = 1767323045 + thousandth / 7777
        alone = trace.join(SERVER, "one", heads=(False, False))
        alone.sent(build_frame("Hello"), at=thousandth / 333)
        again = read_har(trace.to_har()["log"]["entries"])
        assert not any("earlier" in note for note in again.notes)


def test_what_an_export_leaves_out_is_said():
    trace = Trace()
    conversation(trace)
    log = trace.to_har()["log"]
    assert "no masking keys, fragments, control frames, close codes" in log["comment"]
    assert log["comment"].endswith(" Left out: 2 FIN records, 2 close reports.")
    assert log["entries"][0]["comment"] == "left out, since HAR does not carry it: 3 control frames, 2 fragments"
    assert log["entries"][0]["_webSocketMessages"] == [
        {"type": "receive", "time": trace.began + trace.records[4].time, "opcode": 1, "data": "Hello"}
    ]
    json.dumps(log, allow_nan=False)


def test_an_export_says_of_each_exchange_and_text_that_it_cannot_carry():
    """Two requests on one connection, bytes that are no UTF-8 as text, a line that no header is."""
    trace = Trace()
    client, server = trace.join(CLIENT, "one"), trace.join(SERVER, "one")
    client.sent(build_request())
    server.sent(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nno header\r\n\r\n")
    client.sent(build_request(headers={"Authorization": "Basic YTpi"}))
    server.sent(build_response() + build_frame(b"\xff\xfe", opcode=1) + build_frame(b"\xff", opcode=1))
    client.sent(build_frame("fine \ufffd", mask=MASK))
    (told,) = trace.to_har()["log"]["entries"]
    assert told["comment"] == (
        "left out, since HAR does not carry it: 2 heads of an earlier request or its response, 2 texts in part, where "
        "it is not UTF-8"
    )
    assert [line["data"] for line in told["_webSocketMessages"]] == ["\ufffd\ufffd", "\ufffd", "fine \ufffd"]


def test_an_export_says_which_request_is_made_up():
    trace = Trace()
    alone = trace.join(SERVER, "one", heads=(False, False))
    alone.sent(build_frame("Hello"))
    (told,) = trace.to_har()["log"]["entries"]
    assert told["comment"] == "no request was recorded: its method and URL are made up"
    assert read_har([told]).handshakes == []


@pytest.mark.parametrize(
    ("target", "url"), [(b"http://h/a?b", "http://h/a?b"), (b"/a", "ws://h/a"), (b"/http://x/", "ws://h/http://x/")]
)
def test_the_url_of_a_target_in_any_form(target: bytes, url: str):
    """RFC 9112 3.2.2: a target may be a whole URL."""
    trace = Trace()
    trace.join(CLIENT, "one").sent(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\nno header\r\n\r\n")
    (told,) = trace.to_har()["log"]["entries"]
    assert told["request"]["url"] == url
    assert told["comment"] == "left out, since HAR does not carry it: 1 head in part, where it is not HTTP"


def test_the_archive_has_what_the_format_wants():
    """HAR 1.2: http://www.softwareishard.com/blog/har-12-spec/, the fields that are not optional."""
    trace = Trace()
    conversation(trace)
    log = trace.to_har()["log"]
    assert {"version", "creator", "entries"} <= log.keys()
    (told,) = log["entries"]
    assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= told.keys()
    half = {"httpVersion", "cookies", "headers", "headersSize", "bodySize"}
    assert half | {"method", "url", "queryString"} <= told["request"].keys()
    assert half | {"status", "statusText", "content", "redirectURL"} <= told["response"].keys()
    assert {"send", "wait", "receive"} <= told["timings"].keys()
    assert told["request"]["url"] == "ws://127.0.0.1/"


def test_credentials_stay_here_unless_asked_for(tmp_path: Path):
    trace = Trace()
    trace.join(CLIENT, 1).sent(build_request("/?q=1", headers={"Cookie": "session=opensesame"}))
    assert "sesame" not in json.dumps(trace.to_har(tmp_path / "a.har"))
    assert "sesame" not in (tmp_path / "a.har").read_text()
    assert "opensesame" in json.dumps(trace.to_har(reveal=True))


ODD: list[Any] = [None, True, -1, 0, 1.0, 1e400, 2**80, "", "\ud800", "\0\r\n", [], ["send"], {}, {"a": [1]}]
"""JSON values, each of which may stand where another is expected."""


def places(value: Any) -> list[tuple[Any, ...]]:
    """The way to each value inside a JSON value, the value itself included."""
    keys: Any = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
    return [(), *((key, *rest) for key in keys for rest in places(value[key]))]


def replaced(value: Any, way: tuple[Any, ...], odd: Any) -> Any:
    """The same with ``odd`` in one place."""
    if not way:
        return odd
    changed = value.copy()
    changed[way[0]] = replaced(value[way[0]], way[1:], odd)
    return changed


@pytest.mark.parametrize("way", places(entry([message(), message("receive", data="Hi")])), ids=str)
@pytest.mark.lengthy
def test_a_value_of_any_type_in_any_place_loses_no_other_conversation(way: tuple[Any, ...]) -> None:
    good = entry([message(), message("receive", data="Hi")])
    for odd in ODD:
        trace = read_har([replaced(good, way, odd), good])
        last = trace.connections[-1]
        assert [m.data for m in trace.messages_of(last, CLIENT)] == [b"Hello"], odd
        assert [m.data for m in trace.messages_of(last, SERVER)] == [b"Hi"], odd
        assert trace.notes
        for record in trace.records:
            trace.explain(record.number)
