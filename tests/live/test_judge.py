"""Both judges on the course's own claims, and the judge of `websockets` against a real server of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wslab.anatomy.field import Sender
from wslab.live.judges.judge import Judgement, judge
from wslab.live.lab import Lab
from wslab.protocol import build_close, build_frame, build_request, build_response

Run = Callable[[Any], Any]
KEY = bytes(4)
PING, PONG, CONTINUATION, TEXT, BINARY = 9, 10, 0, 1, 2


def masked(*args: Any, **kwargs: Any) -> bytes:
    return build_frame(*args, mask=KEY, **kwargs)


def codes(judgement: Judgement) -> tuple[int | None, int | None]:
    """What each judge fails the connection with; None where it accepts."""
    first, second = (None if verdict.accepted else verdict.code for verdict in judgement.verdicts)
    return first, second


FRAMES = [
    ("a masked Hello", bytes.fromhex("818537fa213d7f9f4d5158"), None, None),
    ("an all-zero masking key is legal", bytes.fromhex("81850000000048656c6c6f"), None, None),
    ("a client's frame that is not masked", bytes.fromhex("810548656c6c6f"), 1002, 1002),
    ("a ping of 125 bytes", masked(bytes(125), opcode=PING), None, None),
    ("a ping of 126 bytes", masked(bytes(126), opcode=PING), 1002, 1002),
    ("a fragmented ping", masked(b"", opcode=PING, fin=False), 1002, 1002),
    ("a length in 16 bits that needs 7", masked("Hello", length_form=16), None, 1002),
    ("a length in 64 bits that needs 7", masked("Hello", length_form=64), None, 1002),
    ("a length in 64 bits that needs 16", masked(bytes(126), opcode=BINARY, length_form=64), None, 1002),
    ("fragments with a ping between",
     masked("Hel", fin=False) + masked("", opcode=PING) + masked("lo", opcode=CONTINUATION), None, None),
    ("a new message inside a fragmented one", masked("Hel", fin=False) + masked("lo"), 1002, 1002),
    ("a continuation from nowhere", masked("lo", opcode=CONTINUATION), 1002, 1002),
    ("half a character at the end of a message", masked(b"caf\xc3"), 1007, 1007),
    ("a character cut in two by fragments",
     masked(b"\xc3", fin=False) + masked(b"\xa9", opcode=CONTINUATION), None, None),
    ("half a character in a binary message", masked(b"caf\xc3", opcode=BINARY), None, None),
    ("RSV1 without the extension", bytes.fromhex("c18700000000f248cdc9c90700"), 1002, 1002),
    ("RSV2", masked("Hello", rsv2=True), 1002, 1002),
    ("a reserved opcode", masked("", opcode=3), 1002, 1002),
    ("HTTP behind the 101: G is FIN 0, RSV1, opcode 7", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1002, 1002),
    ("close 1000", build_close(1000, "bye", mask=KEY), None, None),
    ("close without a status code", build_close(mask=KEY), None, None),
    ("close with one byte", masked(b"\x03", opcode=8), 1002, 1002),
    ("close 1005", build_close(1005, mask=KEY), 1002, 1002),
    ("close 1006", bytes.fromhex("88820000000003ee"), 1002, 1002),
    ("close 1015", build_close(1015, mask=KEY), 1002, 1002),
    ("close 999", build_close(999, mask=KEY), 1002, 1002),
    ("close 3000", build_close(3000, mask=KEY), None, None),
    ("close 4999", build_close(4999, mask=KEY), None, None),
    ("close 5000", build_close(5000, mask=KEY), 1002, 1002),
    ("a close reason that is no UTF-8", build_close(1000, b"\xff", mask=KEY), 1007, 1007),
    ("a message of more than 1 MiB", masked(bytes(2**20 + 1), opcode=BINARY), 1009, None),
    ("half a frame", bytes.fromhex("818537fa21"), None, None),
    ("nothing", b"", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("data", "websockets", "wsproto"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES])
def test_frames_of_a_client(data: bytes, websockets: int | None, wsproto: int | None) -> None:
    assert codes(judge(data, handshake=False)) == (websockets, wsproto)


@pytest.mark.parametrize(
    ("data", "code"),
    [(build_frame("Hello"), None), (masked("Hello"), 1002), (build_close(1006), 1002), (build_frame(b"\xff"), 1007)],
)
def test_frames_of_a_server(data: bytes, code: int | None) -> None:
    assert codes(judge(data, as_client=False)) == (code, code)


COMPRESSED = bytes.fromhex("c18700000000f248cdc9c90700")


@pytest.mark.parametrize(
    "agreed",
    [
        "permessage-deflate",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=9; server_max_window_bits=10",
    ],
)
def test_compression_where_it_was_agreed(agreed: str) -> None:
    for verdict in judge(COMPRESSED, extensions=agreed).verdicts:
        assert verdict.accepted
        assert verdict.events == ('text message "Hello"',)


def test_context_takeover_is_the_judged_ends_own() -> None:
    again = build_frame(bytes.fromhex("f200110000"), rsv1=True, mask=KEY)  # "Hello" that points back at "Hello"
    kept = judge(COMPRESSED + again, extensions="permessage-deflate; server_no_context_takeover")
    assert [verdict.events for verdict in kept.verdicts] == [('text message "Hello"',) * 2] * 2
    forgotten = judge(COMPRESSED + again, extensions="permessage-deflate; client_no_context_takeover")
    assert [verdict.accepted for verdict in forgotten.verdicts] == [False, False]


def test_eight_window_bits_split_the_judges() -> None:
    judgement = judge(COMPRESSED, extensions="permessage-deflate; client_max_window_bits=8")
    assert judgement.websockets.accepted
    assert not judgement.wsproto.accepted
    assert not judgement.agree


@pytest.mark.parametrize("as_client", [True, False])
@pytest.mark.parametrize("end", ["client", "server"])
def test_eight_window_bits_of_either_end_upset_no_judge(end: str, as_client: bool) -> None:
    frame = COMPRESSED if as_client else build_frame("Hello")
    assert judge(frame, as_client, f"permessage-deflate; {end}_max_window_bits=8").websockets.accepted


@pytest.mark.parametrize("extensions", ["", "gzip", "permessage-deflate; level=9", "permessage-deflate, x", "a;;"])
def test_unknown_extensions_are_the_callers_mistake(extensions: str) -> None:
    with pytest.raises(ValueError, match="permessage-deflate"):
        judge(b"", extensions=extensions)


REQUESTS = [
    ("correct", build_request(), 101, 101),
    ("no Upgrade", build_request(headers={"Upgrade": None}), 426, 400),
    ("Connection: keep-alive", build_request(headers={"Connection": "keep-alive"}), 426, 400),
    ("version 12", build_request(headers={"Sec-WebSocket-Version": "12"}), 400, 426),
    ("no version", build_request(headers={"Sec-WebSocket-Version": None}), 400, 400),
    ("no key", build_request(headers={"Sec-WebSocket-Key": None}), 400, 400),
    ("a short key", build_request(key="c2hvcnQ="), 400, 101),
    ("POST", build_request(method="POST"), 405, 400),
    ("HTTP/1.0", build_request(version="HTTP/1.0"), 505, 101),
    ("no HTTP", b"GET / HTTP/1.1\r\nno header\r\n\r\n", None, 400),
]


@pytest.mark.parametrize(("data", "websockets", "wsproto"), [r[1:] for r in REQUESTS], ids=[r[0] for r in REQUESTS])
def test_opening_handshakes(data: bytes, websockets: int | None, wsproto: int) -> None:
    judgement = judge(data)
    assert judgement.websockets.status == websockets
    assert judgement.wsproto.status == wsproto
    assert [verdict.accepted for verdict in judgement.verdicts] == [websockets == 101, wsproto == 101]


def test_frames_behind_a_handshake_are_judged_too() -> None:
    judgement = judge(build_request("/chat") + masked("Hello") + masked("", opcode=3))
    assert codes(judgement) == (1002, 1002)
    for verdict in judgement.verdicts:
        assert verdict.status == 101
        assert verdict.events == ('request for "/chat"', 'text message "Hello"')


def test_frames_behind_a_head_with_bare_line_feeds_are_judged_too() -> None:
    head = build_response().replace(b"\r\n", b"\n")
    wsproto = judge(head + masked("Hello"), as_client=False, handshake=True).wsproto
    assert (wsproto.events, wsproto.code) == (("response 101",), 1002), "a server's frame that is masked"


@pytest.mark.parametrize(
    ("data", "accepted", "status"),
    [
        (build_response() + build_frame("hi"), True, 101),
        (build_response("another key"), False, 101),
        (build_response(headers={"Upgrade": None}), False, 101),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", False, 403),
    ],
)
def test_a_servers_handshake(data: bytes, accepted: bool, status: int) -> None:
    for verdict in judge(data, as_client=False).verdicts:
        assert (verdict.accepted, verdict.status) == (accepted, status)


def test_half_a_head_is_not_yet_an_error() -> None:
    for data, as_client in ((build_request()[:40], True), (build_response()[:40], False)):
        assert [verdict.sentence for verdict in judge(data, as_client).verdicts] == ["waits for more bytes"] * 2


def test_a_judgement_shows_both_sides() -> None:
    text = str(judge(masked("<b>", length_form=16)))
    assert "the judges disagree" in text
    assert "fails the connection with 1002" in text
    assert max(map(len, text.split("\n"))) <= 80
    html = judge(masked("<b>\x1b"))._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert "\x1b" not in html + str(judge(masked("<b>\x1b")))


@pytest.mark.lengthy
@given(st.binary(max_size=200), st.booleans(), st.sampled_from([None, "permessage-deflate"]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_bytes_upset_a_judge(data: bytes, as_client: bool, extensions: str | None, handshake: bool) -> None:
    judgement = judge(data, as_client, extensions, handshake=handshake)
    assert str(judgement)
    for verdict in judgement.verdicts:
        assert verdict.accepted or verdict.reason is not None


WHOLE = [row for row in FRAMES if row[0] != "half a frame"]


@pytest.mark.parametrize("data", [row[1] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_the_judge_says_what_a_real_server_does(data: bytes, run: Run) -> None:
    """The judge has no event loop; a `websockets` server that reads the same bytes has to end alike."""

    async def main() -> int | None:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            raw = await lab.raw()
            await raw.handshake()
            # A server that reads a fault and a close frame at once may answer the close frame first.
            await raw.send(data if code else data + build_close(4000, mask=KEY))
            await raw.recv_to_end()
            *_, last = (frame for frame in raw.dissection.frames if frame.sender is Sender.SERVER)
            assert last.opcode == 8
            return last.status_code

    code = judge(data, handshake=False).websockets.code
    assert run(main()) == {None: 4000, 1005: None}.get(code, code)


def test_a_judge_needs_no_server() -> None:
    program = (
        "import sys, json; from wslab.live.judges.judge import judge; judge(b''); "
        "print(json.dumps([name for name in sys.modules if name in ('asyncio', 'wslab.live.lab', 'wslab.recording')]))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert "wslab.live.lab" not in json.loads(loaded)
