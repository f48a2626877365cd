"""Both directions together: cut anywhere, judged the short way or the long way, messages, states and ends."""

from __future__ import annotations

import random
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_streams import CLIENT, KEY, REQUEST, RESPONSE, SERVER, Thing, chop, converse, frame_streams

from wslab.anatomy.field import Sender
from wslab.protocol import (
    TRANSITIONS,
    Connection,
    Event,
    Frame,
    Head,
    Message,
    State,
    Transition,
    Unread,
    build_close,
    build_frame,
    build_request,
    build_response,
    dissect,
)
from wslab.protocol import connection as connection_module
from wslab.protocol.states import NEXT

bodies = frame_streams(CLIENT), frame_streams(SERVER)
heads = st.tuples(
    st.sampled_from([REQUEST, REQUEST, b""]), st.sampled_from([RESPONSE, RESPONSE, build_response(), b""])
)


def things(found: list[Thing], kind: type) -> list[Thing]:
    return [thing for thing in found if isinstance(thing, kind)]


def accounted(found: list[Thing]) -> int:
    """Bytes of the heads, frames and unread bytes."""
    return sum(
        len(thing.data)
        if isinstance(thing, Head)
        else thing.header_length + thing.payload_length
        if isinstance(thing, Frame)
        else thing.length
        for thing in found
        if not isinstance(thing, Message)
    )


@pytest.mark.lengthy
@given(
    heads=heads,
    client=bodies[0],
    server=bodies[1],
    damage=st.binary(max_size=6),
    cuts=st.tuples(*[st.lists(st.integers(0, 500), max_size=6)] * 2),
    payloads=st.sampled_from([0, 3, 1 << 20]),
)
def test_chunks_make_no_difference_and_no_byte_is_lost(
    heads: tuple[bytes, bytes],
    client: bytes,
    server: bytes,
    damage: bytes,
    cuts: tuple[list[int], list[int]],
    payloads: int,
) -> None:
    client, server = heads[0] + client + damage, heads[1] + server + damage[::-1]
    # The client's first chunk ends with its request, so that what follows is fed after the server's answer in any case.
    first = [heads[0]] if heads[0] else []
    rest = client[len(heads[0]) :]

    def found(to_client: list[bytes], to_server: list[bytes]) -> tuple[list[Thing], list[Thing], list[Transition]]:
        one = Connection(payloads=payloads)
        return *converse(one, [*first, *to_client], to_server), one.transitions

    whole = found([rest], [server])
    assert accounted(whole[0]) == len(client)
    assert accounted(whole[1]) == len(server)
    assert found(chop(rest, cuts[0]), chop(server, cuts[1])) == whole
    if len(client) + len(server) < 2_000:
        assert (
            found([rest[n : n + 1] for n in range(len(rest))], [server[n : n + 1] for n in range(len(server))]) == whole
        )


@pytest.mark.lengthy
@given(sender=st.sampled_from(Sender), data=st.data(), extensions=st.sampled_from(["", "permessage-deflate", None]))
def test_the_short_way_finds_what_the_long_way_finds(
    sender: Sender, data: st.DataObject, extensions: str | None
) -> None:
    stream = data.draw(bodies[sender])
    payloads = data.draw(st.sampled_from([0, 5, 1 << 20]))

    def found() -> list[Thing]:
        return list(Connection(heads=(False, False), extensions=extensions, payloads=payloads).feed(sender, stream))

    short = found()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection_module, "PLAIN", dict.fromkeys(connection_module.PLAIN, frozenset()))
        assert found() == short


def open_connection(**kw: int) -> Connection:
    return Connection(heads=(False, False), extensions="", **kw)


def test_messages_end_with_their_last_frame() -> None:
    stream = b"".join(
        (
            build_frame("one"),
            build_frame(b"\xc3", fin=False),
            build_frame("ping", opcode=9),
            build_frame(b"\xa9", opcode=0, fin=False),
            build_frame(opcode=0),
            build_frame(b"\x00", opcode=2),
        )
    )
    found = open_connection(payloads=10).feed(SERVER, stream)
    assert [type(thing).__name__ for thing in found] == [
        "Frame",
        "Message",
        "Frame",
        "Frame",
        "Frame",
        "Frame",
        "Message",
        "Frame",
        "Message",
    ]
    messages = things(list(found), Message)
    assert messages == [
        Message(SERVER, 0, 1, 0, 0, 3, b"one", ()),
        Message(SERVER, 1, 1, 1, 4, 2, "é".encode(), ()),
        Message(SERVER, 2, 2, 5, 5, 1, b"\x00", ()),
    ]
    assert [frame.message for frame in found if isinstance(frame, Frame)] == [0, 1, None, 1, 1, 2]
    assert [frame.preview for frame in found if isinstance(frame, Frame)] == [
        b"one",
        b"\xc3",
        b"ping",
        b"\xa9",
        b"",
        b"\x00",
    ]


def test_nothing_is_kept_unless_asked_for() -> None:
    frame, message = open_connection().feed(SERVER, build_frame("x" * 40))
    assert isinstance(frame, Frame)
    assert (frame.payload, frame.raw, frame.preview, message.data) == (None, None, b"x" * 28, None)
    frame, message = open_connection(payloads=40).feed(CLIENT, build_frame("x" * 40, mask=KEY))
    assert isinstance(frame, Frame)
    assert (frame.raw, frame.data, message.data) == (build_frame("x" * 40, mask=KEY), b"x" * 40, b"x" * 40)


def test_a_new_message_inside_another() -> None:
    """A whole one stands beside the one that goes on; one that begins takes its place."""
    whole = build_frame("a", fin=False) + build_frame("b") + build_frame("c", opcode=0)
    assert [m.data for m in things(list(open_connection(payloads=9).feed(SERVER, whole)), Message)] == [b"b", b"ac"]
    begun = build_frame("a", fin=False) + build_frame("b", fin=False) + build_frame("c", opcode=0)
    assert [m.data for m in things(list(open_connection(payloads=9).feed(SERVER, begun)), Message)] == [b"bc"]


def test_a_message_has_the_violations_of_its_frames() -> None:
    found = open_connection().feed(SERVER, build_frame("a", fin=False, rsv2=True) + build_frame(b"\xc3", opcode=0))
    (message,) = things(list(found), Message)
    assert [violation.rule for violation in message.violations] == ["rsv-not-agreed", "text-ends-inside-character"]


def test_text_longer_than_keep_is_not_checked_and_says_so() -> None:
    frame, message = open_connection(keep=100).feed(SERVER, build_frame(b"\xff" * 200))
    assert isinstance(frame, Frame)
    assert (frame.violations, message.violations) == ((), ())
    assert frame.note == "its text is longer than 100 bytes, so it was not checked"
    assert open_connection(keep=200).feed(SERVER, build_frame(b"\xff" * 200))[0].violations


# States.


def states(connection: Connection) -> tuple[State, State]:
    return connection.states[CLIENT], connection.states[SERVER]


def test_a_whole_life() -> None:
    connection = Connection()
    assert states(connection) == (State.CONNECTING, State.CONNECTING)
    connection.feed(CLIENT, REQUEST)
    assert states(connection) == (State.CONNECTING, State.CONNECTING)
    connection.feed(SERVER, RESPONSE)
    assert states(connection) == (State.OPEN, State.OPEN)
    connection.feed(CLIENT, build_frame("Hello", mask=KEY) + build_close(1000, mask=KEY))
    assert states(connection) == (State.CLOSING, State.CLOSING)
    connection.feed(SERVER, build_close(1000))
    assert connection.end(SERVER) == []
    assert states(connection) == (State.CLOSING, State.CLOSING)
    assert connection.end(CLIENT) == connection.end(CLIENT) == []
    assert states(connection) == (State.CLOSED, State.CLOSED)
    assert [(change.endpoint, change.new, change.event, change.after) for change in connection.transitions] == [
        (SERVER, State.OPEN, Event.SENT_ACCEPTANCE, (SERVER, None)),
        (CLIENT, State.OPEN, Event.RECEIVED_ACCEPTANCE, (SERVER, None)),
        (CLIENT, State.CLOSING, Event.SENT_CLOSE, (CLIENT, 1)),
        (SERVER, State.CLOSING, Event.RECEIVED_CLOSE, (CLIENT, 1)),
        (CLIENT, State.CLOSED, Event.TCP_CLOSED, (CLIENT, None)),
        (SERVER, State.CLOSED, Event.TCP_CLOSED, (CLIENT, None)),
    ]
    assert connection.closing_violations == {SERVER: (), CLIENT: ()}


def test_a_refusal_and_a_reset_close_at_once() -> None:
    refused = Connection()
    refused.feed(CLIENT, REQUEST)
    refused.feed(SERVER, build_response(status=403, reason="Forbidden", body=b"no"))
    assert states(refused) == (State.CLOSED, State.CLOSED)
    (body,) = refused.end(SERVER)
    assert (body.what, body.data, body.violations) == ("the body of an HTTP message", b"no", ())
    torn = Connection()
    torn.end(CLIENT, reset=True)
    assert states(torn) == (State.CLOSED, State.CLOSED)
    assert [change.event for change in torn.transitions] == [Event.TCP_CLOSED] * 2


def test_an_unanswered_close_is_found_unless_the_connection_was_torn_down() -> None:
    for reset, rules in ((False, ["close-not-answered"]), (True, [])):
        connection = open_connection()
        connection.feed(SERVER, build_close(1000))
        connection.end(CLIENT, reset=reset)
        assert [violation.rule for violation in connection.closing_violations[CLIENT]] == rules


@pytest.mark.lengthy
@given(events=st.lists(st.tuples(st.sampled_from(Event), st.integers(0, 3)), max_size=12))
def test_the_table_never_leads_back(events: list[tuple[Event, int]]) -> None:
    """RFC 6455 has no way from CLOSED, and none from a later state to an earlier one."""
    order = list(State)
    state = State.CONNECTING
    for event, _ in events:
        rule = NEXT.get((state, event))
        if rule is not None:
            assert order.index(rule.new) > order.index(state)
            state = rule.new


def test_the_table_is_complete_in_itself() -> None:
    assert len(NEXT) == len(TRANSITIONS)
    assert {rule.event for rule in TRANSITIONS} == set(Event)
    assert not any(rule.old is State.CLOSED for rule in TRANSITIONS)
    assert all(NEXT.get((state, Event.TCP_CLOSED)) for state in State if state is not State.CLOSED)


# What is left at the end.

PAGE = b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage"


@pytest.mark.parametrize(
    ("sender", "data", "offset", "what", "rules"),
    [
        (CLIENT, REQUEST[:-1], 0, "an opening handshake without its end", ["stream-cut"]),
        (CLIENT, PAGE[0] + b"\r\n", len(PAGE[0]), "empty lines without a request behind them", []),
        (CLIENT, b"\n\r\n", 0, "empty lines without a request behind them", []),
        (CLIENT, b"\r\nGET", 0, "an opening handshake without its end", ["stream-cut"]),
        (CLIENT, REQUEST + b"\x81", len(REQUEST), "a frame header without its end", ["stream-cut"]),
        (CLIENT, b"\x16\x03\x01\x00", 0, "bytes that are neither HTTP nor frames", []),
        (
            SERVER,
            RESPONSE + b"\x83\x05ab",
            len(RESPONSE),
            "a frame with 2 of 5 bytes of payload",
            ["opcode-reserved", "stream-cut"],
        ),
    ],
)
def test_what_is_left_is_said(sender: Sender, data: bytes, offset: int, what: str, rules: list[str]) -> None:
    connection = Connection()
    connection.feed(sender, data)
    (unread,) = connection.end(sender)
    assert unread[:3] == (sender, offset, data[offset:])
    assert (unread.length, unread.what) == (len(data) - offset, what)
    assert [violation.rule for violation in unread.violations] == rules


def test_a_long_cut_payload_is_counted_and_its_start_kept() -> None:
    connection = open_connection()
    frame = build_frame(bytes(range(256)) * 1000, opcode=2)
    for start in range(0, 200_000, 7_000):
        assert connection.feed(SERVER, frame[start : min(start + 7_000, 200_000)]) == []
    (unread,) = connection.end(SERVER)
    assert isinstance(unread, Unread)
    assert (unread.length, unread.data) == (200_000, frame[:4096])


# Cost.


@pytest.mark.parametrize(
    ("opcode", "fin", "reset"), [(1, True, True), (1, False, False), (0, True, True), (9, True, False)]
)
def test_a_payload_that_was_cut_off_is_let_go_at_the_end(opcode: int, fin: bool, reset: bool) -> None:
    """A peer that breaks off in the midst of a long text leaves no more behind than any other."""
    frame = build_frame(bytes(2**20), opcode=opcode, fin=fin, mask=KEY)
    tracemalloc.start()
    try:
        ended = [open_connection() for _ in range(8)]
        for connection in ended:
            if not opcode:
                connection.feed(CLIENT, build_frame("a", fin=False, mask=KEY))
            connection.feed(CLIENT, frame[:-1])
            (unread,) = connection.end(CLIENT, reset=reset)
            assert unread.length == len(frame) - 1
        assert tracemalloc.get_traced_memory()[0] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("first", [0x81, 0xC1, 0xC2])
@pytest.mark.parametrize("begun", [True, False])
def test_what_its_receiver_has_given_up_is_not_gathered(first: int, begun: bool) -> None:
    """A server that refuses a long payload at its header reads on and keeps none of it. Neither is it kept here."""
    length = 2**24
    header = bytes([first, 0xFF]) + length.to_bytes(8, "big") + KEY
    connection = Connection(heads=(False, False), extensions="permessage-deflate")
    tracemalloc.start()
    try:
        if begun:
            connection.feed(CLIENT, header)
            connection.feed(CLIENT, bytes(2**20))
        connection.feed(SERVER, build_close(1009))
        if not begun:
            connection.feed(CLIENT, header)
            connection.feed(CLIENT, bytes(2**20))
        for _ in range(14):
            connection.feed(CLIENT, bytes(2**20))
        assert tracemalloc.get_traced_memory()[0] < 2**20
        (frame, *_) = connection.feed(CLIENT, bytes(2**20))
    finally:
        tracemalloc.stop()
    assert isinstance(frame, Frame)
    assert frame.payload_length == length
    assert frame.violations == ()
    assert frame.note is not None
    assert "longer than 65,536 bytes" in frame.note


@pytest.mark.parametrize("closed", [True, False])
def test_what_is_short_is_judged_though_its_receiver_has_closed(closed: bool) -> None:
    connection = open_connection()
    data = build_frame(b"a" * 65_535 + b"\xff", opcode=1, mask=KEY)
    connection.feed(CLIENT, data[:30_000])
    if closed:
        connection.feed(SERVER, build_close(1000))
    (frame, *_) = connection.feed(CLIENT, data[30_000:])
    assert isinstance(frame, Frame)
    assert [violation.rule for violation in frame.violations] == ["text-not-utf8"]
    assert frame.note is None


def test_a_payload_in_many_chunks_is_gathered_once() -> None:
    """Ten thousand chunks of one message: what is kept in between is the chunks themselves."""
    text = "é" * 500_000
    stream = build_frame(text, mask=KEY)
    connection = open_connection(payloads=1 << 20)
    found = [
        thing for start in range(0, len(stream), 100) for thing in connection.feed(CLIENT, stream[start : start + 100])
    ]
    assert [type(thing) for thing in found] == [Frame, Message]
    assert found[1].data == text.encode()


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.lengthy
@pytest.mark.parametrize(
    "line",
    [b"Sec-WebSocket-Key:\r\n", b"a:\r\n", b"Sec-WebSocket-Extensions: ;\r\n", b"Sec-WebSocket-Protocol: a\r\n", b""],
)
def test_the_largest_head_takes_no_more_than_its_share(line: bytes) -> None:
    """64 KiB of the shortest lines there are, or of one line full of commas: linear, so far from a second."""
    filler = line * (65_000 // len(line)) if line else b"Sec-WebSocket-Extensions: " + b"a;b," * 16_000 + b"\r\n"
    head = b"GET / HTTP/1.1\r\n" + filler + b"\r\n"
    assert seconds(lambda: Connection().feed(CLIENT, head)) < 1


def test_a_bomb_in_fragments_is_stopped_by_the_message() -> None:
    source = zlib.compressobj(wbits=-15)
    data = source.compress(bytes(1_000_000)) + source.flush(zlib.Z_SYNC_FLUSH)
    half = len(data) // 2
    frames = build_frame(data[:half], opcode=2, rsv1=True, fin=False) + build_frame(data[half:-4], opcode=0)
    connection = Connection(heads=(False, False), extensions="permessage-deflate", inflate_limit=600_000)
    found = connection.feed(SERVER, frames)
    inflated = [frame.inflated for frame in found if isinstance(frame, Frame)]
    assert inflated[0] is not None
    assert len(inflated[0]) <= 600_000
    assert inflated[1] is None


def test_random_bytes_in_both_directions_raise_nothing() -> None:
    source = random.Random(3)
    for _ in range(300):
        connection = Connection(payloads=source.choice((0, 100)))
        fed = [0, 0]
        found: list[Thing] = []
        for _ in range(source.randrange(12)):
            sender = source.choice(list(Sender))
            chunk = source.choice((REQUEST, RESPONSE, source.randbytes(20), build_frame("x", mask=KEY), build_close()))
            fed[sender] += len(chunk)
            found += connection.feed(sender, chunk)
        for sender in Sender:
            found += connection.end(sender, reset=source.random() < 0.5)
            assert accounted([thing for thing in found if thing.sender is sender]) == fed[sender]


REFUSED = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "response"),
    [(REQUEST, REFUSED), PAGE, (PAGE[0], CHUNKS), (PAGE[0], b"HTTP/1.1 204 No Content\r\n\r\n")],
    ids=["refused", "a page", "a page in chunks", "no content"],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_second_request_on_one_connection_is_read_as_one(request_: bytes, response: bytes, size: int) -> None:
    """RFC 6455 section 4.1: a client that is answered 401 may try again with credentials, on the same connection."""
    talk = [
        (CLIENT, request_), (SERVER, response), (CLIENT, REQUEST), (SERVER, RESPONSE),
        (CLIENT, build_frame("Hello", mask=KEY)), (SERVER, build_frame("Hello")),
    ]  # fmt: skip
    one = Connection(payloads=100)
    found: list[Thing] = []
    for sender, data in talk:
        for start in range(0, len(data), size):
            found += one.feed(sender, data[start : start + size])
    assert accounted(found) == sum(len(data) for _, data in talk)
    assert [thing.data for thing in found if isinstance(thing, Message)] == [b"Hello", b"Hello"]
    assert [type(thing) for thing in found if isinstance(thing, Head | Frame)] == [Head] * 4 + [Frame] * 2
    later = [thing for thing in found if isinstance(thing, Head)][2:]
    assert [head.violations for head in later] == [(), ()]
    assert one.states == dict.fromkeys(Sender, State.OPEN)
    bodies = [(thing.offset, thing.length, thing.what) for thing in found if isinstance(thing, Unread)]
    body = response.partition(b"\r\n\r\n")[2]
    assert bodies == ([(len(response) - len(body), len(body), "the body of an HTTP message")] if body else [])
    at_once = dissect(*(b"".join(data for who, data in talk if who is sender) for sender in Sender))
    assert [frame.violations for frame in at_once.frames] == [(), ()]
    assert [head.violations for head in at_once.heads if head.get("Upgrade")] == [()] * (
        3 if request_ == REQUEST else 2
    )
    assert at_once.states == one.states


def test_frames_behind_a_refusal_that_ends_the_connection_are_still_too_soon() -> None:
    closing = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
    one = Connection()
    one.feed(CLIENT, REQUEST)
    one.feed(SERVER, closing)
    assert one.states == dict.fromkeys(Sender, State.CLOSED)
    (frame,) = one.feed(CLIENT, build_frame(b"", opcode=9, mask=KEY))
    assert isinstance(frame, Frame)
    assert [broken.rule for broken in frame.violations] == ["client-frame-before-handshake"]


@given(
    text=st.one_of(st.text("a🙂é€", max_size=20).map(str.encode), st.binary(max_size=20)),
    damage=st.binary(max_size=2),
    cut=st.integers(0, 40),
)
def test_a_text_is_held_to_utf_8_in_slices_as_at_once(text: bytes, damage: bytes, cut: int) -> None:
    """Decoding 16 MiB at once held every other thread up for a tenth of a second."""
    data = text + damage + text
    fragments = build_frame(data[:cut], fin=False, opcode=1) + build_frame(data[cut:], opcode=0)
    told = []
    for size in (3, 1 << 18):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("wslab.protocol.message.SLICE", size)
            found = open_connection(keep=100).feed(SERVER, fragments)
        told.append([thing.violations for thing in found if isinstance(thing, Frame)])
    assert told[0] == told[1]
    try:
        data.decode()
    except UnicodeDecodeError:
        assert any(told[0])
    else:
        assert not any(told[0])


def test_a_get_behind_a_request_is_another_request_and_behind_a_101_a_frame() -> None:
    for answered, told in ((False, Head), (True, Frame)):
        connection = Connection()
        connection.feed(Sender.CLIENT, REQUEST)
        if answered:
            connection.feed(Sender.SERVER, RESPONSE)
        found = [thing for byte in REQUEST for thing in connection.feed(Sender.CLIENT, bytes([byte]))]
        assert isinstance(found[0], told)


EARLY = (
    b"HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 100 Continue\r\n\r\n",
    b"HTTP/1.1 199 x\r\n\r\n",
)


@pytest.mark.parametrize("early", EARLY)
def test_an_interim_response_refuses_nothing(early: bytes) -> None:
    connection = Connection()
    connection.feed(CLIENT, REQUEST)
    connection.feed(SERVER, early)
    assert connection.states == dict.fromkeys(Sender, State.CONNECTING)
    connection.feed(SERVER, RESPONSE)
    assert connection.states == dict.fromkeys(Sender, State.OPEN)


@pytest.mark.parametrize(
    "request_",
    [
        build_request(headers={"Content-Length": "3"}, body=b"abc"),
        build_request(headers={"Transfer-Encoding": "chunked"}, body=b"0\r\n\r\n"),
        build_request(headers={"Upgrade": None}),
    ],
    ids=["a body", "a body in chunks", "no Upgrade"],
)
@pytest.mark.parametrize("frame", [{"opcode": 3}, {"rsv1": True, "fin": False}, {"rsv2": True}, {"opcode": 15}])
def test_behind_a_101_the_client_sends_frames_whatever_its_request_was(request_: bytes, frame: dict[str, int]) -> None:
    """A first byte that begins no frame as it must be was taken for HTTP."""
    sent = build_frame("x", mask=KEY, **frame)  # type: ignore[arg-type]
    connection = Connection()
    connection.feed(CLIENT, request_)
    connection.feed(SERVER, build_response())
    (found,) = connection.feed(CLIENT, sent)[:1]
    assert isinstance(found, Frame)
    assert found.first == sent[0]
    assert [thing.first for thing in dissect(request_ + sent, build_response()).frames] == [sent[0]]


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("client", "server"),
    [(REQUEST, b"HTTP/1.1 100 x\r\n\r\n"), (b"", b"HTTP/1.1 100 x\r\n\r\n")],
    ids=["interim responses", "of one direction"],
)
def test_many_heads_cost_as_much_as_they_are(client: bytes, server: bytes) -> None:
    """8,000 of them took 20 s, and twice as many 100 s. The ceiling is generous: they take half a second."""
    times = 8000
    begun = time.perf_counter()
    found = dissect(client, server * times)
    assert time.perf_counter() - begun < 10
    assert len([head for head in found.heads if head.sender is SERVER]) == times


def test_bodies_that_come_with_other_heads_are_told_whole() -> None:
    """One write holds them all, and they are longer than a piece that is looked at."""
    body = b"b" * 5000
    refusal = b"HTTP/1.1 401 x\r\nContent-Length: 5000\r\n\r\n" + body
    chunked = b"HTTP/1.1 401 x\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + body + b"\r\n0\r\n\r\n"
    connection = Connection()
    found = connection.feed(SERVER, refusal + chunked + RESPONSE + build_frame("x"))
    assert [thing.length for thing in found if isinstance(thing, Unread)] == [5000, 5013]
    assert accounted(found) == len(refusal + chunked + RESPONSE) + 3
    assert isinstance(found[-2], Frame)


@pytest.mark.parametrize("before", [b"", PAGE[0], PAGE[0] * 2])
@pytest.mark.parametrize("kept", [0, 1, 40])
def test_a_101_that_is_seen_before_its_request_makes_no_frames_of_that(before: bytes, kept: int) -> None:
    """So a capture may show them, where packets were noted out of order."""
    connection = Connection()
    found = connection.feed(CLIENT, before) + connection.feed(SERVER, PAGE[1] * before.count(b"GET"))
    found += connection.feed(CLIENT, REQUEST[:kept]) + connection.feed(SERVER, RESPONSE)
    found += connection.feed(CLIENT, REQUEST[kept:] + build_frame("x", mask=KEY))
    assert [thing.target for thing in found if isinstance(thing, Head) and thing.sender is CLIENT][-1] == "/chat"
    assert [thing.violations for thing in found if isinstance(thing, Frame)] == [()]


@pytest.mark.parametrize(
    ("payload", "offered", "said"),
    [
        (b"a" * 65537, "", "its text is longer than 65,536 bytes{}, so it was not checked"),
        (b"a" * 65537, "permessage-deflate", "not inflated: a compressed payload is longer than 65,536 bytes{}"),
    ],
)
@pytest.mark.parametrize("closed", [False, True])
def test_what_is_not_read_behind_the_other_ends_close_says_so(
    payload: bytes, offered: str, said: str, closed: bool
) -> None:
    connection = Connection(keep=1 << 20 if closed else 65536, heads=(False, False), extensions=offered)
    if closed:
        connection.feed(CLIENT, build_close(1000, mask=KEY))
    data = build_frame(payload, rsv1=bool(offered))
    assert connection.feed(SERVER, data[:100]) == []
    frame = connection.feed(SERVER, data[100:])[0]
    assert isinstance(frame, Frame)
    assert frame.note == said.format(" and came after the other endpoint's close frame" if closed else "")


EMPTY = (b"\r\n", b"\n", b"\r\n\r\n", b"\n\n", b"\r\n\n\r\n", b"\r\n" * 3000)


@pytest.mark.parametrize("empty", EMPTY, ids=["CRLF", "LF", "2 CRLF", "2 LF", "mixed", "3,000 CRLF"])
@pytest.mark.parametrize("size", [1, 3, 5000])
@pytest.mark.parametrize("again", [False, True], ids=["first", "behind another"])
def test_a_request_is_read_behind_any_number_of_empty_lines(empty: bytes, size: int, again: bool) -> None:
    """As Node's parser of HTTP reads it."""
    greeting, asked = build_frame("hi", mask=KEY), empty + REQUEST
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    connection, things = Connection(payloads=100), list[Thing]()
    for sender, data in (
        (Sender.CLIENT, (REQUEST if again else b"") + asked),
        (Sender.SERVER, (refused if again else b"") + RESPONSE),
        (Sender.CLIENT, greeting),
    ):
        for at in range(0, len(data), size):
            things += connection.feed(sender, data[at : at + size])
    heads = [thing for thing in things if isinstance(thing, Head)]
    assert [head.data for head in heads if head.sender is Sender.CLIENT] == [REQUEST] * again + [asked]
    rules = {violation.rule for thing in things for violation in thing.violations}
    assert rules - {"line-ends-in-bare-lf"} == {"request-prefaced"}
    assert [thing.data for thing in things if isinstance(thing, Message)] == [b"hi"]
    dissection = dissect((REQUEST if again else b"") + asked + greeting, (refused if again else b"") + RESPONSE)
    assert [frame.data for frame in dissection.frames] == [b"hi"]
    assert not dissection.unread


def test_empty_lines_alone_are_not_looked_at_again_and_again() -> None:
    connection, began = Connection(), time.perf_counter()
    for _ in range(60_000):
        connection.feed(Sender.CLIENT, b"\n")
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize("frame", [b"\x0a\x80\1\2\3\4", b"\x0a\x00", b"\x0a\x01G"], ids=repr)
def test_a_fragment_of_a_pong_is_no_empty_line(frame: bytes) -> None:
    connection = Connection()
    things = [thing for byte in frame for thing in connection.feed(Sender.CLIENT, bytes([byte]))]
    for told in (things, Connection().feed(Sender.CLIENT, frame)):
        assert [type(thing) for thing in told] == [Frame]
