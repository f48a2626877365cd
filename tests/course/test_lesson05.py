"""Lesson 05: what its experiments tell, in both directions, and how its exercise judges."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import pytest
from usual import check_usual

from wslab import Lab, Sender, build_frame
from wslab.course.experiments import lesson05, streams
from wslab.course.experiments.lesson05 import TEXTS, parsing
from wslab.recording.trace import Trace

OUTCOMES: dict[str, dict[str, Any]] = {
    "reads": {
        "Reads, when the reader is busy while the client sends": 1,
        "Reads, when the same bytes come one at a time": 49,
        "Texts in the bytes that came one at a time": 5,
    },
    "long": {"The frames": 1, "The reads": "more than one"},
    "drip": {"The answer to the request": "101", "The first answer to the text": "Hello"},
    "length": {"81 05 …": 2, "81 7e …": 4, "81 7f …": 10},
}


def in_lab(work: Callable[[Lab], Awaitable[Any]], **serving: Any) -> Any:
    async def main() -> Any:
        async with Lab(seed=5) as lab:
            await lab.serve(**serving)
            return await work(lab)

    return asyncio.run(main())


async def reads(lab: Lab) -> Any:
    busy = await lesson05.while_busy(lab)
    return lesson05.counted(lab.trace, busy, await lesson05.byte_by_byte(lab, busy))


async def long(lab: Lab) -> Any:
    return await lesson05.long_text(lab, 300_000)


async def length(lab: Lab) -> Any:
    return lesson05.before_the_length([build_frame("x" * size) for size in (5, 200, 70_000)])


EXPERIMENTS = {"reads": reads, "long": long, "drip": lesson05.dripped, "length": length}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_experiment_tells_the_outcome_and_the_usual_answers_are_surprises_with_reasons(name: str) -> None:
    outcome = in_lab(EXPERIMENTS[name])
    assert outcome == OUTCOMES[name]
    check_usual(f"05.{name}", outcome)


# The same helpers, told of the opposite, say the opposite.


def recorded(stream: bytes, sizes: Sequence[int]) -> Trace:
    """A recording of a client that sent frames in one write, and of a server whose reads took so many bytes."""
    trace = Trace()
    client, server = (trace.join(end, "a connection") for end in Sender)
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    client.sent(request)
    server.received(request)
    server.sent(response)
    client.received(response)
    client.sent(stream)
    for size in sizes:
        server.received(stream[:size])
        stream = stream[size:]
    return trace


FRAMES = b"".join(build_frame(text, mask=bytes(4)) for text in TEXTS)


def test_other_reads_are_other_numbers() -> None:
    trace = recorded(FRAMES, [9, 9, 11, 10, 10])
    assert streams.reads(trace, 0) == [9, 9, 11, 10, 10]
    assert set(lesson05.counted(trace, 0, 0).values()) == {5}
    two = recorded(FRAMES[:18], [18])
    assert list(lesson05.counted(two, 0, 0).values()) == [1, 1, 2]


def test_a_reader_that_keeps_up_reads_once_for_each_text() -> None:
    async def one_by_one(lab: Lab) -> list[int]:
        reader, client = await lesson05._shaken(lab)
        for text in TEXTS:
            await client.send(text)
            await lab.settled()
        await lesson05._part(reader, client)
        return streams.reads(lab.trace, reader.connection or 0)

    assert in_lab(one_by_one) == [9, 9, 11, 10, 10]


def test_a_short_text_is_one_read_and_a_message_may_be_two_frames() -> None:
    whole = build_frame("Hello", mask=bytes(4))
    assert lesson05.pieces(recorded(whole, [len(whole)]), 0) == {"The frames": 1, "The reads": "one"}
    parts = build_frame("Hel", mask=bytes(4), fin=False) + build_frame("lo", opcode=0, mask=bytes(4))
    assert lesson05.pieces(recorded(parts, [9, len(parts) - 9]), 0) == {"The frames": 2, "The reads": "more than one"}
    two = [len(whole) - 1, 1]
    assert lesson05.pieces(recorded(whole, two), 0)["The reads"] == "more than one"


def test_a_server_that_refuses_or_says_something_else_is_told_as_such() -> None:
    async def early(connection: Any) -> None:
        await connection.recv()
        await connection.send("H")

    assert in_lab(lesson05.dripped, handler=early) == {
        "The answer to the request": "101",
        "The first answer to the text": "H",
    }
    refusing = in_lab(lesson05.dripped, process_request=lambda connection, request: connection.respond(400, "no"))
    assert refusing == {"The answer to the request": "400", "The first answer to the text": "no answer"}


def test_websockets_asks_for_a_header_piece_by_piece() -> None:
    assert lesson05.asked(build_frame("Hello")) == [2, 5]
    assert lesson05.asked(build_frame("x" * 200)) == [2, 2, 200]
    assert lesson05.asked(build_frame("x" * 70_000)) == [2, 8, 70_000]
    assert lesson05.asked(build_frame("Hello", length_form=16)) == [2, 2, 5]


# What the lesson prints and says beside its predictions.


def test_the_ruler_shows_the_recorded_stream_and_cuts_it_elsewhere() -> None:
    async def ruler(lab: Lab) -> Any:
        return streams.CutStream(lab.trace, await lesson05.while_busy(lab))

    shown = in_lab(ruler)
    assert len(shown.stream) == 49
    assert [len(frame) for frame in streams.cut_into_frames(shown.stream)] == [9, 9, 11, 10, 10]
    first = repr(shown)
    assert "a frame ends after byte 9, 18, 29, 39, 49" in first
    drawn = shown.strips.picture().svg
    rows = re.findall(r'y="([\d.]+)" width="22" height="26"', drawn)
    assert [rows.count(row) for row in dict.fromkeys(rows)] == [25, 24]  # a long strip has two lines
    assert all(drawn.count(f">TEXT &quot;{text}&quot;<") == 1 for text in TEXTS)
    shown.again()
    assert repr(shown) != first
    assert "<svg" in shown._repr_mimebundle_()["text/html"]


def test_the_button_cuts_elsewhere() -> None:
    async def ruler(lab: Lab) -> Any:
        return streams.CutStream(lab.trace, await lesson05.while_busy(lab))

    box = streams._buttoned(in_lab(ruler))
    button, page, *_ = box.children
    first = page.value
    button.click()
    assert page.value != first
    assert page.value.startswith("<svg")


@pytest.mark.parametrize("seed", range(20))
def test_a_relay_cuts_all_of_a_stream(seed: int) -> None:
    sizes = streams.chopped(49, seed)
    assert sum(sizes) == 49
    assert 1 <= min(sizes) <= max(sizes) <= streams.LARGEST


ENDS = [0, *accumulate((9, 9, 11, 10, 10))]  # where a frame ends and the next one begins
FINDS: dict[str, Callable[[int, int], bool]] = {
    "a read that holds two whole frames": lambda start, stop: sum(start <= end <= stop for end in ENDS) > 2,
    "a read that ends inside a header": lambda start, stop: any(end < stop < end + 6 for end in ENDS[:-1]),
    "a read that begins with a frame": lambda start, stop: start in ENDS[1:],
}


@pytest.mark.parametrize("what", FINDS)
def test_what_the_learner_is_to_look_for_is_found_within_ten_presses(what: str) -> None:
    cuts = [[0, *accumulate(streams.chopped(49, seed))] for seed in range(10)]
    assert sum(FINDS[what](*read) for cut in cuts for read in pairwise(cut)) >= 2


def test_the_rulers_show_what_was_read() -> None:
    assert "5 frames, 1 read (49 bytes)" in repr(streams.rulers(recorded(FRAMES, [49]), [0]))
    text = repr(streams.rulers(recorded(FRAMES, [20, 29]), [0]))
    assert "5 frames, 2 reads" in text
    assert "a read ends after byte 20, 49" in text


def test_a_length_that_lies_takes_the_next_frame_for_payload() -> None:
    async def lie(lab: Lab) -> Any:
        async with await lab.raw() as socket:
            await socket.handshake()
            head = len(socket.received)
            await socket.send(build_frame(b"Hello", opcode=2, mask=bytes(4), length=16))
            await lab.settled()
            before = len(socket.received) - head
            await socket.send(build_frame(b"World", opcode=2, mask=bytes(4)))
            return before, (await socket.recv_frame()).payload

    assert in_lab(lie) == (0, b"Hello\x82\x85\x00\x00\x00\x00World")


# The exercise.


def check(answer: Any, **options: Any) -> Any:
    return asyncio.run(parsing.check(answer, **options))


class Base:
    def __init__(self) -> None:
        self.rest = b""

    def header(self) -> tuple[int, int]:
        """Where the payload begins, and its length."""
        if self.rest[1] == 126:
            return 4, int.from_bytes(self.rest[2:4], "big")
        return 2, self.rest[1]

    def feed(self, data: bytes) -> Any:
        self.rest += data
        found = []
        while len(self.rest) >= 2:
            start, length = self.header()
            if len(self.rest) < start + length:
                break
            found.append(self.rest[start : start + length])
            self.rest = self.rest[start + length :]
        return found


class Returnless(Base):
    def feed(self, data: bytes) -> Any:
        super().feed(data)


class Texts(Base):
    def feed(self, data: bytes) -> Any:
        return [payload.decode() for payload in super().feed(data)]


class ReadIsFrame(Base):
    def feed(self, data: bytes) -> Any:
        return [data[2:]]


class WithHeader(Base):
    def feed(self, data: bytes) -> Any:
        return [data]


class OnlyOne(Base):
    def feed(self, data: bytes) -> Any:
        return super().feed(data)[:1]


class Forgets(Base):
    def feed(self, data: bytes) -> Any:
        self.rest = b""
        return super().feed(data)


class ShortOnly(Base):
    def header(self) -> tuple[int, int]:
        return 2, self.rest[1]


class TooEarly(Base):
    """Reads the header's length as soon as the second byte is there, once."""

    known: tuple[int, int] | None = None

    def header(self) -> tuple[int, int]:
        if self.known is None:
            self.known = super().header()
        return self.known

    def feed(self, data: bytes) -> Any:
        found = []
        self.rest += data
        while len(self.rest) >= 2:
            start, length = self.header()
            if len(self.rest) < start + length:
                break
            found.append(self.rest[start : start + length])
            self.rest, self.known = self.rest[start + length :], None
        return found


class Endless(Base):
    def feed(self, data: bytes) -> Any:
        while True:
            pass


class Stub(Base):
    def feed(self, data: bytes) -> Any:
        raise NotImplementedError


@pytest.mark.slow
def test_the_reference_is_right_for_fifty_seeds() -> None:
    for seed in range(50):
        check(parsing.answer, seed_of=str(seed)).assert_solved()


@pytest.mark.parametrize("answer", [parsing.answer, Base])
def test_a_right_parser_is_solved(answer: Any) -> None:
    verdict = check(answer)
    verdict.assert_solved()
    assert verdict.points() == 5
    assert len(verdict.outcomes) == 10


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Returnless, "`feed` returns nothing"),
        (Texts, "You gave texts"),
        (WithHeader, "You gave the whole frame"),
        (ReadIsFrame, "You take a read for a frame"),
        (OnlyOne, "Two frames can come in one read"),
        (Forgets, "Half a frame can come"),
        (ShortOnly, "126 in the second byte is no length"),
        (TooEarly, "You read the length before all of it has come"),
    ],
)
def test_a_wrong_parser_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(answer)
    assert not verdict.solved
    assert says in repr(verdict)


def test_a_stub_is_not_begun() -> None:
    assert "not begun" in repr(check(Stub))


@pytest.mark.slow
def test_an_endless_loop_is_ended() -> None:
    started = time.perf_counter()
    assert "had not returned after 1 s" in repr(check(Endless))
    assert time.perf_counter() - started < 6
