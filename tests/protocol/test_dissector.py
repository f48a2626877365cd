"""Where things begin and end: the same however the bytes are cut, with none lost, and nothing raised."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_streams import CLIENT, KEY, REQUEST, RESPONSE, SERVER, chop, frame_streams

from wslab.anatomy.field import Sender
from wslab.protocol import Dissector, FrameHeader, Head, build_frame, build_request, build_response
from wslab.protocol.dissector import HEAD_LIMIT, UNREAD_KEPT, Body, Mode

REFUSAL = b"HTTP/1.1 401 Unauthorized\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def things(
    chunks: list[bytes], sender: Sender, *, expect_head: bool = True
) -> tuple[list[Head | Body | FrameHeader], Dissector]:
    dissector = Dissector(sender, expect_head=expect_head)
    found: list[Head | Body | FrameHeader] = []
    for chunk in chunks:
        found += dissector.feed(chunk)
    return found, dissector


def accounted(found: list[Head | Body | FrameHeader], dissector: Dissector) -> int:
    """Bytes of the heads, bodies, headers, payloads so far and the unread tail."""
    whole = sum(
        thing.header_length + thing.payload_length if isinstance(thing, FrameHeader) else thing.length
        for thing in found
    )
    return whole - max(0, dissector.next_offset - dissector.received) + dissector.unread


streams = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda head, rest: head + rest,
        st.sampled_from([REQUEST, RESPONSE, b"", b"POST / HTTP/1.1\r\n\r\n"]),
        frame_streams(CLIENT),
    ),
    st.builds(
        lambda head, body, rest: head + body + rest,
        st.sampled_from([REFUSAL, b"POST / HTTP/1.1\r\n"]),
        st.sampled_from(
            [
                b"Content-Length: 3\r\n\r\nabc",
                b"Content-Length: 9\r\n\r\nabc",
                CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
                CHUNKED + b"3;x\nabc\r\n0\r\nA: b\r\n\r\n",
                CHUNKED + b"3\r\nabc\r\nzz\r\n",
                CHUNKED + b"0" * 1500,
            ]
        ),
        st.sampled_from([REQUEST, RESPONSE, b"", b"\x89\x00"]),
    ),
    st.builds(lambda head, rest: head[:-1] + rest, st.sampled_from([REQUEST, RESPONSE]), st.binary(max_size=9)),
)


@given(data=streams, sender=st.sampled_from(Sender), expect_head=st.booleans(), cuts=st.lists(st.integers(0, 400)))
def test_chunks_make_no_difference_and_no_byte_is_lost(
    data: bytes, sender: Sender, expect_head: bool, cuts: list[int]
) -> None:
    whole, dissector = things([data], sender, expect_head=expect_head)
    assert accounted(whole, dissector) == len(data) == dissector.received
    assert data[dissector.next_offset :][:UNREAD_KEPT] == dissector.tail[:UNREAD_KEPT]
    ways = [chop(data, cuts)]
    if len(data) < 1000:
        ways.append([data[place : place + 1] for place in range(len(data))])
    for chunks in ways:
        found, other = things(chunks, sender, expect_head=expect_head)
        assert found == whole
        assert (other.next_offset, other.tail, other.unread, other.mode) == (
            dissector.next_offset, dissector.tail, dissector.unread, dissector.mode,
        )  # fmt: skip


@given(data=frame_streams(CLIENT))
def test_a_frame_header_says_what_the_bytes_say(data: bytes) -> None:
    found, dissector = things([data], CLIENT, expect_head=False)
    place = 0
    for number, header in enumerate(found):
        assert isinstance(header, FrameHeader)
        assert (header.index, header.offset) == (number, place)
        assert header.encode() == data[place : place + header.header_length]
        place += header.header_length + header.payload_length
    assert place == dissector.next_offset == len(data)


@pytest.mark.parametrize(
    ("sender", "data", "mode", "found"),
    [
        (CLIENT, REQUEST, Mode.FRAMES, 1),
        (SERVER, RESPONSE, Mode.FRAMES, 1),
        (CLIENT, b"\x81\x80" + KEY, Mode.FRAMES, 1),
        (CLIENT, b"\x16\x03\x01\x02\x00", Mode.UNREAD, 1),
        (CLIENT, b"hello there\r\n\r\nmore", Mode.UNREAD, 1),
        (CLIENT, build_request(method="POST", headers={"Content-Length": "3"}, body=b"ab"), Mode.BODY, 1),
        (CLIENT, build_request(method="POST", headers={"Content-Length": "3"}, body=b"abc"), Mode.HEAD, 2),
        (CLIENT, build_request(headers={"Content-Length": "0"}), Mode.FRAMES, 1),
        (CLIENT, build_request(headers={"Upgrade": None}), Mode.HEAD, 1),
        (CLIENT, build_request(headers={"Upgrade": None}) + REQUEST, Mode.FRAMES, 2),
        (SERVER, REFUSAL + b"Content-Length: 5\r\n\r\nSorry", Mode.HEAD, 2),
        (SERVER, REFUSAL + b"Content-Length: 5\r\n\r\nSorry" + RESPONSE, Mode.FRAMES, 3),
        (SERVER, REFUSAL + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nSorry", Mode.UNREAD, 1),
        (SERVER, REFUSAL + b"Content-Length: x\r\n\r\nSorry", Mode.UNREAD, 1),
        (SERVER, REFUSAL + CHUNKED + b"5;q=1\r\nSorry\r\n0\r\nX: 1\r\n\r\n", Mode.HEAD, 2),
        (SERVER, REFUSAL + CHUNKED + b"5\r\nSorry\r\n0\r\n", Mode.BODY, 1),
        (SERVER, REFUSAL + CHUNKED + b"five\r\n", Mode.UNREAD, 1),
        (SERVER, REFUSAL + CHUNKED + b"5" * 2000, Mode.UNREAD, 1),
        (SERVER, b"HTTP/1.1 304 Not Modified\r\n\r\n" + RESPONSE, Mode.FRAMES, 2),
        (SERVER, b"HTTP/1.1 103 Early Hints\r\n\r\n", Mode.HEAD, 1),
        (SERVER, b"HTTP/1.1 103 Early Hints\r\n\r\n" + RESPONSE, Mode.FRAMES, 2),
        (SERVER, build_response(status=400, reason="Bad Request", body=b"\x81\x00no frame"), Mode.UNREAD, 1),
        (CLIENT, b"a" * HEAD_LIMIT, Mode.UNREAD, 1),
        (CLIENT, b"a" * (HEAD_LIMIT - 1), Mode.HEAD, 0),
        (CLIENT, b"", Mode.HEAD, 0),
    ],
)
def test_what_follows_depends_on_what_came(sender: Sender, data: bytes, mode: Mode, found: int) -> None:
    things_found, dissector = things([data], sender)
    assert (dissector.mode, len(things_found)) == (mode, found)
    assert accounted(things_found, dissector) == len(data)


def test_unread_bytes_are_counted_and_the_first_are_kept() -> None:
    _, dissector = things([b"\x16" + b"x" * 10_000, b"y" * 10_000], CLIENT)
    assert dissector.unread == 20_001
    assert dissector.tail == b"\x16" + b"x" * (UNREAD_KEPT - 1)


def test_a_header_is_found_before_its_payload_comes() -> None:
    dissector = Dissector(SERVER, expect_head=False)
    assert len(dissector.feed(build_frame(b"x" * 70_000)[:10])) == 1
    assert (dissector.next_offset, dissector.received, dissector.unread) == (70_010, 10, 0)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_will_do(kind: type) -> None:
    found = Dissector(CLIENT, expect_head=False).feed(kind(build_frame("Hello", mask=KEY)))
    assert list(found) == [FrameHeader(0, 0, 6, 5, 0x81, 0x85, KEY)]
    assert repr(found) == "<0 heads and 1 frame headers>"


@pytest.mark.lengthy
def test_feeding_is_not_quadratic() -> None:
    """A million bytes one by one, and headers that never end, take as many steps as there are bytes."""
    stream = build_frame(b"x" * 50, mask=KEY) * 3_000
    dissector = Dissector(CLIENT, expect_head=False)
    longest = 0
    for place in range(len(stream)):
        dissector.feed(stream[place : place + 1])
        longest = max(longest, len(dissector.tail))
    assert longest < 14
    assert dissector.next_offset == len(stream)


@pytest.mark.parametrize("size", [1, 1000, 4096, 5000, 1 << 20])
def test_of_a_head_that_is_none_the_first_bytes_are_kept(size: int) -> None:
    """However it was cut, and what comes behind them is counted."""
    endless = b"GET / HTTP/1.1\r\n" + b"".join(b"A: %d\r\n" % number for number in range(9000))
    assert len(endless) > HEAD_LIMIT + 5000
    dissector = Dissector(CLIENT)
    heads = [head for at in range(0, len(endless), size) for head in dissector.feed(endless[at : at + size]).heads]
    assert [head.length for head in heads] == [0]
    assert (dissector.tail, dissector.unread) == (endless[:4096], len(endless))


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("sender", "head", "mode"),
    [
        (CLIENT, b"GET / HTTP/1.1\r\n\r\n", Mode.HEAD),
        (CLIENT, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", Mode.FRAMES),
        (SERVER, b"HTTP/1.1 100 Continue\r\n\r\n", Mode.HEAD),
        (SERVER, b"HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx", Mode.HEAD),
    ],
)
def test_many_heads_in_one_read_are_not_quadratic(sender: Sender, head: bytes, mode: Mode) -> None:
    """Of what stands behind a head, no more is copied than one piece: else these megabytes take a minute."""
    begun = time.process_time()
    found, dissector = things([head * 60_000], sender)
    assert time.process_time() - begun < 20
    assert sum(isinstance(thing, Head) for thing in found) == 60_000
    assert accounted(found, dissector) == dissector.received == 60_000 * len(head)
    assert dissector.mode is mode
