"""Two streams at once, and what ``wslab dissect --json`` says of them."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_streams import CLIENT, KEY, REQUEST, RESPONSE, SERVER, frame_streams

from wslab.protocol import State, build_close, build_frame, build_request, build_response, dissect
from wslab.protocol.handshake import SAMPLE_KEY

COMPRESSED = build_frame(bytes.fromhex("f248cdc9c90700"), rsv1=True, mask=KEY)


def test_the_keys_are_those_of_the_issue() -> None:
    request = build_request("/chat", {"Cookie": "login=secret", "Sec-WebSocket-Extensions": "permessage-deflate"})
    client = request + COMPRESSED + build_close(1000, "bye", mask=KEY)
    server = RESPONSE + build_frame("Hello", rsv2=True) + build_close()
    entries = list(dissect(client, server).json_objects())
    assert [(entry["kind"], entry["sender"]) for entry in entries] == [
        ("handshake", "client"), ("handshake", "server"), ("frame", "client"), ("frame", "client"),
        ("frame", "server"), ("frame", "server"),
    ]  # fmt: skip
    assert entries[2] == {
        "kind": "frame",
        "connection": 0,
        "sender": "client",
        "index": 0,
        "offset": len(request),
        "header_length": 6,
        "payload_length": 7,
        "fin": True,
        "rsv1": True,
        "rsv2": False,
        "rsv3": False,
        "opcode": 1,
        "mask": True,
        "masking_key": "37fa213d",
        "payload_sha256": hashlib.sha256(bytes.fromhex("f248cdc9c90700")).hexdigest(),
        "status_code": None,
        "close_reason": None,
        "violations": [],
    }
    assert (entries[3]["status_code"], entries[3]["close_reason"]) == (1000, "bye")
    assert (entries[5]["status_code"], entries[5]["close_reason"], entries[5]["masking_key"]) == (None, None, None)
    assert entries[4]["violations"] == [{"rule": "rsv-not-agreed", "section": "RFC 6455 5.2"}]
    handshake = entries[0]
    assert handshake["start_line"] == "GET /chat HTTP/1.1"
    assert (handshake["offset"], handshake["length"], handshake["violations"]) == (0, len(request), [])
    assert ["Cookie", "(withheld)"] in handshake["headers"]
    assert "secret" not in json.dumps(entries)


def test_what_is_left_comes_last_and_is_no_frame() -> None:
    entries = list(dissect(REQUEST + b"\x81\x85", RESPONSE + build_frame("Hello")[:-1]).json_objects())
    assert [entry["kind"] for entry in entries] == ["handshake", "handshake", "unread", "unread"]
    assert entries[2] == {
        "kind": "unread",
        "connection": 0,
        "sender": "client",
        "offset": len(REQUEST),
        "length": 2,
        "what": "a frame header without its end",
        "violations": [],  # nothing shows that the stream ended here
    }
    assert entries[3]["length"] == 6


@pytest.mark.lengthy
@given(
    client=st.binary(max_size=30) | frame_streams(CLIENT),
    server=st.binary(max_size=30) | frame_streams(SERVER),
    heads=st.sampled_from([None, True, False]),
)
def test_any_two_streams_are_taken_apart(client: bytes, server: bytes, heads: bool | None) -> None:
    found = dissect(client, server, heads=heads)
    for sender, data in ((CLIENT, client), (SERVER, server)):
        length = sum(len(head.data) for head in found.heads if head.sender is sender)
        for frame in found.frames:
            if frame.sender is sender:
                assert frame.raw == data[frame.offset : frame.offset + len(frame.raw or b"")]
                length += len(frame.raw or b"")
        assert length + sum(unread.length for unread in found.unread if unread.sender is sender) == len(data)
    json.dumps(list(found.json_objects()))


def test_one_stream_alone_is_not_held_to_the_other() -> None:
    client = dissect(client=REQUEST + build_frame("Hello", mask=KEY))
    server = dissect(server=RESPONSE + build_frame("Hello"))
    assert client.violations == server.violations == ()
    assert client.messages[0].data == server.messages[0].data == b"Hello"
    assert dissect(client=REQUEST + build_frame("x", mask=KEY, rsv1=True)).violations == ()


@pytest.mark.parametrize(
    ("heads", "extensions", "rules"),
    [
        (None, None, []),
        (None, "permessage-deflate", []),
        (None, "", ["rsv-not-agreed"]),
        (True, None, ["client-frame-before-handshake"]),
    ],
)
def test_streams_without_a_handshake(heads: bool | None, extensions: str | None, rules: list[str]) -> None:
    found = dissect(client=COMPRESSED, server=b"\x89\x00" if heads is None else b"", heads=heads, extensions=extensions)
    assert [violation.rule for thing, violation in found.violations if thing.sender is CLIENT] == rules
    assert [message.data for message in found.messages] == ([b"Hello"] if extensions else [None])


@pytest.mark.parametrize("frame", ["a100", "9100", "b100", "e900", "c900", "c000"])
def test_reserved_bits_are_judged_only_where_the_handshake_is_known(frame: str) -> None:
    begun = b"\x01\x00" + bytes.fromhex(frame) if frame == "c000" else bytes.fromhex(frame)
    assert dissect(server=begun).violations == ()
    found = dissect(server=begun, extensions="permessage-deflate").violations
    assert {one.rule for _, one in found} <= {"rsv-not-agreed", "rsv1-not-on-first-frame"}
    assert found
    assert [one.rule for _, one in dissect(server=begun, extensions="").violations] == ["rsv-not-agreed"]
    assert dissect(server=begun, extensions="x-unknown").violations == ()


def test_a_dissection_shows_itself() -> None:
    found = dissect(build_request("/<b>"), build_response() + build_frame("<script>") + b"\x81<")
    text, page = str(found), found._repr_html_()
    assert repr(found) == text
    for words in ("Opening handshake, request", "Opening handshake, response", "TEXT frame", "2 bytes left over"):
        assert words in text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert str(dissect()) == "no bytes"
    assert "<p>no bytes</p>" in dissect()._repr_html_()
    assert page.count("<style>") == 1
    assert dissect(REQUEST, RESPONSE).states[CLIENT] is State.OPEN
    assert dissect(REQUEST, RESPONSE).transitions[0].endpoint is SERVER


def test_a_cell_shows_a_bounded_part_of_many_frames_and_str_all() -> None:
    many = dissect(b"\x89\x80\0\0\0\0" * 20_000, extensions="")
    for shown in (repr(many), many._repr_html_()):
        assert len(shown) < 1_000_000
        assert shown.count("PING frame") == 60
        assert "… 19,940 heads, frames and runs of unread bytes not shown …" in shown
    few = dissect(b"\x89\x80\0\0\0\0" * 61, extensions="")
    assert str(few).count("PING frame") == 61
    assert repr(dissect(b"\x89\x80\0\0\0\0" * 60, extensions="")).count("PING frame") == 60


def test_each_response_is_explained_by_the_request_that_it_answers() -> None:
    """A client that is answered 401 tries again with another key."""
    keys = SAMPLE_KEY, "AQIDBAUGBwgJCgsMDQ4PEA==", "AAAAAAAAAAAAAAAAAAAAAA=="
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
    found = dissect(
        b"".join(build_request(key=key) for key in keys),
        early + refusal + early * 2 + refusal + build_response(keys[2]),
    )
    assert found.violations == ()
    *_, response = found.explanations()
    assert response["Sec-WebSocket-Accept"].meaning == "the right answer to the request's key"
    assert f'"{keys[2]}"' in dict(response.facts)["Accept computed"]
    assert "wrong" not in str(found)
