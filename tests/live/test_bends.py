"""Bends as machines: what comes out, when, for what goes in, with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from wslab.anatomy.field import Sender
from wslab.drawing.visible import shows
from wslab.live.relay import bends
from wslab.live.relay.bends import (
    Bandwidth,
    Bend,
    Coalesced,
    Delay,
    DropRest,
    Fin,
    FlipBits,
    Hold,
    IdleClose,
    Inject,
    Jitter,
    OneByte,
    RandomChunks,
    Reset,
    RewriteHeader,
    Silence,
    StripHeader,
    parse,
    rows,
)  # fmt: skip
from wslab.live.relay.stages import Acted, Gate, Item, Row, StreamEnd
from wslab.protocol.handshake import build_request, build_response

FIN, RESET = StreamEnd.FIN, StreamEnd.RESET

CLIENT, SERVER = Sender
MASK = bytes.fromhex("37fa213d")
REQUEST, RESPONSE = build_request(), build_response()


def frame(text: str, *, mask: bool = True) -> bytes:
    """A text frame, as ``websockets`` writes one."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=mask)


FRAMES = [frame(text) for text in ("Hello", "", "x" * 300)]
STREAM = REQUEST + b"".join(FRAMES)


def row(*chain: Bend, sender: Sender = CLIENT, now: float = 0) -> tuple[Row, list[Item]]:
    """A stream's stages, and what they let out before anything came."""
    made = rows(chain)[sender]
    return made, made.begin(now)


def play(chain: Iterable[Bend], items: Iterable[tuple[float, Item]], sender: Sender = CLIENT) -> list[Any]:
    """What leaves when these arrive: (time, item), the words that bends say left out; time runs until all is out."""
    made, out = row(*chain, sender=sender)
    left: list[tuple[float, Item]] = [(0.0, item) for item in out]

    def run_until(time: float) -> None:
        while made.due <= time and made.due < inf:
            now = made.due
            left.extend((now, item) for item in made.wake(now))

    for time, item in items:
        run_until(time)
        left.extend((time, come) for come in made.push(time, item))
    run_until(1e6)
    return [(round(time, 6), item) for time, item in left if not isinstance(item, Acted)]


def joined(left: Iterable[tuple[float, Item]]) -> bytes:
    return b"".join(item for _, item in left if isinstance(item, bytes))


class TestTime:
    def test_delay(self) -> None:
        left = play([Delay(0.2)], [(1, b"one"), (1.1, b"two"), (1.1, FIN)])
        assert left == [(1.2, b"one"), (1.3, b"two"), (1.3, FIN)]

    def test_two_delays_add_up(self) -> None:
        assert play([Delay(0.2), Delay(0.3)], [(1, b"one"), (1, RESET)]) == [
            (1.5, b"one"),
            (1.5, RESET),
        ]

    def test_jitter_keeps_the_order_and_its_bound_and_repeats_with_its_seed(self) -> None:
        sent = [(number / 100, bytes([number])) for number in range(100)]
        left = play([Jitter(0.5, seed=1)], sent)
        assert joined(left) == bytes(range(100))
        late = [time - number / 100 for number, (time, _) in enumerate(left)]
        assert all(-1e-6 <= each <= 0.5 + 1e-6 for each in late)
        assert len({round(each, 3) for each in late}) > 10
        assert left == play([Jitter(0.5, seed=1)], sent) != play([Jitter(0.5, seed=2)], sent)

    def test_bandwidth(self) -> None:
        left = play([Bandwidth(1000)], [(1, bytes(600)), (1.1, bytes(400)), (1.1, FIN)])
        assert joined(left) == bytes(1000)
        assert left[-2:] == [(2.0, bytes(50)), (2.0, FIN)]
        for time, _ in left:
            assert sum(len(item) for at, item in left if at <= time and item is not FIN) <= (time - 1) * 1000 + 1e-3

    def test_bandwidth_that_was_not_used_is_not_saved_up(self) -> None:
        left = play([Bandwidth(1000)], [(1, bytes(50)), (9, bytes(50))])
        assert left == [(1.05, bytes(50)), (9.05, bytes(50))]

    @pytest.mark.parametrize("chain", [[Delay(0)], [Jitter(0)], [Bandwidth(1e12)], []])
    def test_what_changes_nothing_lets_through(self, chain: list[Bend]) -> None:
        assert [item for _, item in play(chain, [(1, b"one"), (1, FIN)])] == [b"one", FIN]

    def test_idle_close_ends_both_streams_after_the_last_byte_of_either(self) -> None:
        both = rows([IdleClose(5)])
        assert [each.begin(0) for each in both.values()] == [[], []]
        assert both[CLIENT].push(1, b"one") == [b"one"]
        assert both[SERVER].push(3, b"two") == [b"two"]
        assert both[CLIENT].due == both[SERVER].due == 8
        assert [each.wake(7.9) for each in both.values()] == [[], []]
        assert both[CLIENT].wake(8) == [Acted("idle for 5 s: closed"), FIN]
        assert both[SERVER].wake(8) == [FIN]
        assert both[CLIENT].push(9, b"late") == both[SERVER].push(9, FIN) == []
        assert both[CLIENT].push(9, RESET) == [RESET]

    def test_idle_close_that_begins_behind_the_handshake(self) -> None:
        both = rows([IdleClose(5, at="frames")])
        assert both[CLIENT].push(1, REQUEST[:-1]) == [REQUEST[:-1]]
        assert both[CLIENT].due == inf
        both[CLIENT].push(2, REQUEST[-1:])
        assert both[CLIENT].due == both[SERVER].due == 7


class TestChunks:
    def test_one_byte(self) -> None:
        assert play([OneByte()], [(1, b"abc"), (1, FIN)]) == [
            (1, b"a"),
            (1, b"b"),
            (1, b"c"),
            (1, FIN),
        ]
        assert play([OneByte(gap=0.5)], [(1, b"ab"), (1, b"c")]) == [(1, b"a"), (1.5, b"b"), (2, b"c")]

    def test_coalesced(self) -> None:
        left = play([Coalesced(0.5, size=6)], [(1, b"ab"), (1.4, b"c"), (2, b"def"), (2.1, b"ghij"), (3, b"k")])
        assert left == [(1.5, b"abc"), (2.1, b"defghij"), (3.5, b"k")]
        assert play([Coalesced(9)], [(1, b"ab"), (2, FIN)]) == [(2, b"ab"), (2, FIN)]

    def test_coalesced_undoes_one_byte(self) -> None:
        assert play([OneByte(), Coalesced(0.1)], [(1, b"abc")]) == [(1.1, b"abc")]

    @settings(max_examples=30)
    @given(st.lists(st.binary(min_size=1), max_size=8), st.integers(0, 99), st.integers(1, 40))
    def test_random_chunks(self, chunks: list[bytes], seed: int, largest: int) -> None:
        sent = [(float(time), chunk) for time, chunk in enumerate(chunks)]
        left = play([RandomChunks(seed, largest)], sent)
        assert joined(left) == b"".join(chunks)
        assert all(1 <= len(item) <= largest for _, item in left)
        assert left == play([RandomChunks(seed, largest)], sent)

    def test_random_chunks_differ_by_seed_and_by_stream(self) -> None:
        cuts = [play([RandomChunks(seed)], [(0, bytes(500))], sender) for seed in (1, 2) for sender in Sender]
        assert len({tuple(len(item) for _, item in cut) for cut in cuts}) == 4


class TestHold:
    def test_chunks_go_one_by_one_and_the_end_counts_as_one(self) -> None:
        made, _ = row(Hold())
        assert made.push(0, b"one") == [Acted("hold: chunks wait here")]
        assert made.push(0, b"two") == made.push(0, FIN) == []
        (gate,) = [stage for stage in made.gates if stage.shut]
        assert (made.held, len(gate.chunks), made.empty) == (6, 3, False)
        assert made.release(0, gate, 1) == [Acted("release 1 chunk"), b"one"]
        assert made.release(0, gate, 2) == [Acted("release 2 chunks"), b"two", FIN]
        assert made.empty

    def test_what_another_bend_said_waits_in_its_place(self) -> None:
        made, _ = row(Hold(), Hold(at=1))
        made.push(0, b"one")
        first, second = (stage for stage in made.gates if stage.shut)
        made.release(0, first, 1)
        assert [len(gate.chunks) for gate in (first, second)] == [0, 1]
        assert made.release(0, second, 9)[-1] == b"ne"

    def test_every_row_ends_in_an_open_gate(self) -> None:
        made, _ = row()
        (gate,) = made.stages
        assert isinstance(gate, Gate)
        assert made.push(0, b"one") == [b"one"]
        gate.shut = True
        assert made.push(0, b"two")[1:] == []
        gate.shut = False
        assert made.release(0, gate, 1)[1:] == [b"two"]
        assert made.push(0, b"three") == [b"three"]


class TestEnds:
    def test_drop_rest_drops_bytes_and_passes_the_end(self) -> None:
        assert play([DropRest(at=2)], [(0, b"abc"), (1, b"d"), (2, FIN)]) == [(0, b"ab"), (2, FIN)]

    def test_silence_drops_the_end_too(self) -> None:
        assert play([Silence(at=2)], [(0, b"abc"), (1, b"d"), (2, FIN), (3, RESET)]) == [(0, b"ab")]
        assert play([Silence(at=2)], [(0, b"a"), (2, FIN)]) == [(0, b"a"), (2, FIN)]

    def test_fin_ends_the_stream_once(self) -> None:
        assert play([Fin(at=2)], [(0, b"ab"), (1, b"c"), (2, FIN)]) == [(0, b"ab"), (0, FIN)]

    def test_reset(self) -> None:
        assert play([Reset()], [(1, b"ab")]) == [(0, RESET)]
        assert play([Reset(at="frame 1")], [(1, REQUEST + FRAMES[0]), (2, FRAMES[1])]) == [
            (1, REQUEST + FRAMES[0]),
            (2, RESET),
        ]


class TestBytes:
    @pytest.mark.parametrize("size", [1, 7, len(STREAM)])
    def test_strip_header(self, size: int) -> None:
        chunks = [(0.0, STREAM[at : at + size]) for at in range(0, len(STREAM), size)]
        assert b"\r\nUpgrade: websocket" in REQUEST
        assert joined(play([StripHeader("upgrade")], chunks)) == STREAM.replace(b"\r\nUpgrade: websocket", b"")

    def test_a_header_that_is_not_there_is_not_stripped_and_nothing_is_said(self) -> None:
        made, _ = row(StripHeader("Cookie"))
        assert made.push(0, STREAM) == [STREAM]

    def test_rewrite_header_changes_the_one_line_or_adds_it(self) -> None:
        head = b"GET / HTTP/1.1\r\nhost: a\r\nX: 1\r\nHOST: b\r\n\r\n"
        assert RewriteHeader("Host", "c").alter(head) == b"GET / HTTP/1.1\r\nhost: c\r\nX: 1\r\n\r\n"
        assert RewriteHeader("Y", "c").alter(head) == head[:-2] + b"Y: c\r\n\r\n"

    def test_the_response_is_the_server_s(self) -> None:
        bend = StripHeader("Sec-WebSocket-Accept", direction="server")
        assert b"Sec-WebSocket-Accept" not in joined(play([bend], [(0, RESPONSE)], SERVER))
        assert rows([bend])[CLIENT].push(0, RESPONSE) == [RESPONSE]

    @pytest.mark.parametrize("last", [b"", FIN])
    def test_a_head_that_never_ends_is_passed_at_last(self, last: Item) -> None:
        head = b"GET / HTTP/1.1\r\n" + (b"" if last else b"X: " + bytes(70_000))
        assert joined(play([StripHeader("Host")], [(0, head), (1, last)])) == head

    @settings(max_examples=30)
    @given(st.sets(st.integers(0, 99), min_size=1), st.integers(1, 20))
    def test_flip_bits_as_a_whole_number_would(self, bits: set[int], size: int) -> None:
        data = bytes(range(1, 21))
        chunks = [(0.0, data[at : at + size]) for at in range(0, 20, size)]
        (turned,) = {joined(play([FlipBits(*bits, at=2)], chunks))}
        mask = sum(1 << (8 * 18 - 1 - bit) for bit in bits)
        assert turned == data[:2] + (int.from_bytes(data[2:], "big") ^ mask).to_bytes(18, "big")

    @pytest.mark.parametrize(
        ("sender", "at", "before"),
        [
            (SERVER, 0, 0),
            (CLIENT, 5, 5),
            (SERVER, "frames", len(RESPONSE)),
            (SERVER, "frame 1", len(RESPONSE) + 7),
        ],
    )
    def test_inject_behind_what_was_there_at_once(self, sender: Sender, at: int | str, before: int) -> None:
        stream = STREAM if sender is CLIENT else RESPONSE + frame("Hello", mask=False)
        left = play([Inject(b"\x89\x00", direction=sender.label, at=at)], [(1, stream)], sender)
        assert joined(left) == stream[:before] + b"\x89\x00" + stream[before:]
        at_the_end = play([Inject(b"\x89\x00", direction=sender.label, at=at)], [(1, stream[:before])], sender)
        assert joined(at_the_end) == stream[:before] + b"\x89\x00"

    def test_what_is_put_before_a_client_s_first_frame_waits_for_it(self) -> None:
        left = play([Inject(b"\x89\x80" + MASK)], [(1, REQUEST), (2, FRAMES[0])])
        assert left == [(1, REQUEST), (2, b"\x89\x80" + MASK), (2, FRAMES[0])]


PLACES = [(0, 0), (3, 3), ("frames", len(REQUEST)), ("frame 0", len(REQUEST))]
PLACES += [(f"frame {n}", len(REQUEST) + len(b"".join(FRAMES[:n]))) for n in (1, 2, 3)]


@pytest.mark.lengthy
@pytest.mark.parametrize(("at", "offset"), PLACES)
@settings(max_examples=30)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_bend_acts_at_the_same_byte_however_the_bytes_come(at: int | str, offset: int, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    chunks = [(0.0, STREAM[one:other]) for one, other in pairwise(places) if one < other]
    assert joined(play([DropRest(at=at)], chunks)) == STREAM[:offset]
    assert joined(play([Inject(b"!", at=at)], [*chunks, (1, FIN)])) == STREAM[:offset] + b"!" + STREAM[offset:]


def test_a_refused_handshake_has_no_frames() -> None:
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n\x81\x00"
    assert joined(play([DropRest(at="frames")], [(0, refused)], SERVER)) == refused


def test_each_bend_says_once_where_it_acts() -> None:
    made, begun = row(Delay(0), OneByte(at="frames"), FlipBits(0))
    out = [*begun, *made.push(0, REQUEST), *made.push(0, FRAMES[0]), *made.push(0, FRAMES[2])]
    said = [item for item in out if isinstance(item, Acted)]
    assert said == ["delay 0 s", "one byte at a time", "flip bit 0"]
    assert out.index(said[1]) == out.index(REQUEST) + 1


def test_direction() -> None:
    for direction, senders in bends.SENDERS.items():
        acts = [sender for sender in Sender if play([DropRest(direction=direction)], [(0, b"x")], sender) == []]
        assert tuple(acts) == senders


def one_of_each() -> list[Bend]:
    return [
        Delay(0.2), Jitter(0.1, seed=3), Bandwidth(1000), OneByte(gap=0.1, at="frames"), Coalesced(), RandomChunks(4),
        Hold(direction="client"), DropRest(at=7), Silence(at="frame 2"), Fin(), Reset(), IdleClose(60),
        StripHeader("Upgrade"), RewriteHeader("Host", "a b", direction="server"), FlipBits(0, 9), Inject(b"\x89\x00"),
    ]  # fmt: skip


def test_a_bend_is_a_value() -> None:
    assert one_of_each() == one_of_each()
    assert len({*one_of_each(), *one_of_each()}) == len(bends.KINDS) == 16
    for bend in one_of_each():
        with pytest.raises(AttributeError):
            bend.at = 1  # type: ignore[misc]


def test_a_repr_makes_the_bend_again() -> None:
    for bend in one_of_each():
        assert eval(repr(bend), vars(bends)) == bend
        assert len(bend.words) <= 28, "more than a record shows"
        assert shows(bend.words)
    assert repr(Delay(0.2, at="frame2")) == "Delay(0.2, at='frame 2')"


def test_which_bends_alter_bytes() -> None:
    assert {bend.name for bend in one_of_each() if bend.alters} == {
        "strip-header", "rewrite-header", "flip-bits", "inject",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "bend"),
    [
        ("delay 0.2", Delay(0.2)),
        ("delay seconds=.2 direction=server at=frames", Delay(0.2, direction="server", at="frames")),
        ("one-byte", OneByte()),
        ("random-chunks 7 gap=0.001 at='frame 2'", RandomChunks(7, gap=0.001, at="frame 2")),
        ("flip-bits 0 9 at=frame1", FlipBits(0, 9, at="frame 1")),
        ("inject 8900 at=12", Inject(b"\x89\0", at=12)),
        ("rewrite-header Cookie 'a=b; c=d'", RewriteHeader("Cookie", "a=b; c=d")),
        ("idle-close 60", IdleClose(60)),
    ],
)
def test_a_terminal_s_words(text: str, bend: Bend) -> None:
    assert parse(text) == bend


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is delay, jitter"),
        ("lag 1", "'lag' is no bend"),
        ("delay", "delay takes seconds, direction=both, at=0"),
        ("delay soon", "'delay soon'"),
        ("delay -1", "0 or more"),
        ("delay nan", "0 or more"),
        ("delay 1 2", "'2' is one too many"),
        ("delay 1 direction=up", "'client', 'server' or 'both'"),
        ("fin at=end", "'frames'"),
        ("fin at=-1", "'frames'"),
        ("inject zz", "inject takes data"),
        ("inject 890", "the digit '0' stands alone"),
        ("inject ''", "at least one"),
        ("strip-header a:b", "a header's name"),
        ("rewrite-header Host 'a\r\nEvil: b'", "in one line"),
        ("flip-bits", "numbers of bits"),
        ("delay 'open", "quot"),
    ],
)
def test_a_mistake_says_what_there_is(text: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(text)
    assert said in str(error.value)
