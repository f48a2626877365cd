"""Lesson 03: what its experiments tell, in both directions, and how its exercise judges."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from usual import check_usual

from wslab import Lab, build_frame, judge
from wslab.course.experiments import lesson03
from wslab.drawing import cell

OUTCOMES: dict[str, dict[str, Any]] = {
    "door": {"first bytes that both accept": 7},
    "lengths": {
        "125 bytes from a client: its header": 6,
        "126 bytes from a server: its header": 4,
        "65,536 bytes from a server: its header": 10,
        "the text şğü: Payload len": 6,
        "the text 10 €: Payload len": 6,
    },
    "form": {"5 in 16 bits": "they differ", "5 in 64 bits": "they differ", "3 in place of 5": "both refuse"},
    "rsv1": {"no extension was agreed": "1002", "permessage-deflate was agreed": 'text message "Hello"'},
}
KEY = bytes(4)


def in_lab(work: Callable[[Lab], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with Lab(seed=3, carrier="memory") as lab:
            await lab.serve()
            return await work(lab)

    return asyncio.run(main())


EXPERIMENTS: dict[str, Callable[[], Any]] = {
    "door": lambda: {"first bytes that both accept": len(lesson03.accepted_first_bytes())},
    "lengths": lambda: in_lab(lesson03.headers),
    "form": lesson03.five_in_other_forms,
    "rsv1": lambda: {
        "no extension was agreed": lesson03.captured(None),
        "permessage-deflate was agreed": lesson03.captured("permessage-deflate"),
    },
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_experiment_tells_what_the_lesson_says(name: str) -> None:
    assert EXPERIMENTS[name]() == OUTCOMES[name]


@pytest.mark.parametrize("name", OUTCOMES)
def test_what_many_say_is_a_surprise_with_its_reason(name: str) -> None:
    check_usual(f"03.{name}", OUTCOMES[name])


def test_what_the_quiz_says_is_so() -> None:
    frame = build_frame(bytes(256), opcode=2)
    assert frame[:4].hex(" ") == "82 7e 01 00"
    sent = [len(build_frame(b"a" * length, mask=KEY)) for length in (125, 126)]
    assert sent[1] - sent[0] == 3
    assert [verdict.accepted for verdict in judge(bytes.fromhex("89 fe")).verdicts] == [True, False]
    assert lesson03.in_words(judge(lesson03.ping(126))) == "both refuse"


# Each helper that turns a recording into an outcome gives the opposite one for the opposite recording.


def test_the_seven_first_bytes_are_named() -> None:
    assert lesson03.accepted_first_bytes() == [0x01, 0x02, 0x81, 0x82, 0x88, 0x89, 0x8A]


def test_two_judges_are_put_into_words() -> None:
    frames = {
        "both accept": build_frame("Hello", mask=KEY),
        "both refuse": build_frame("Hello", mask=KEY, rsv1=True),
        "they differ": build_frame("Hello", mask=KEY, length_form=16),
    }
    assert {words: lesson03.in_words(judge(frame)) for words, frame in frames.items()} == {one: one for one in frames}


def test_other_messages_have_other_headers() -> None:
    async def work(lab: Lab) -> Any:
        return await lesson03.echoed(lab, "abc", "abcdef", b"a" * 65_535)

    three, six, middle = in_lab(work)
    assert [one.second & 0b0111_1111 for one, _ in (three, six)] == [3, 6]
    assert [(one.header_length, other.header_length) for one, other in (three, middle)] == [(6, 2), (8, 4)]


def test_a_header_in_a_longer_form_is_measured_as_it_crossed() -> None:
    async def work(lab: Lab) -> Any:
        async with await lab.raw() as raw:
            await raw.handshake()
            await raw.send(build_frame("Hello", mask=KEY, length_form=64))
            await raw.recv_frame()
            [(sent, returned)] = lesson03.data_frames(lab.trace, lab.trace.connections[-1])
        return sent.header_length, returned.header_length

    assert in_lab(work) == (14, 2)


def test_another_capture_has_another_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesson03, "CAPTURE", build_frame("Hello", mask=KEY))
    assert lesson03.captured(None) == 'text message "Hello"'
    monkeypatch.setattr(lesson03, "CAPTURE", build_frame("Hello", mask=KEY, rsv2=True))
    assert lesson03.captured("permessage-deflate") == "1002"


def test_a_ping_of_125_bytes_has_its_pong_and_one_of_126_ends_the_connection() -> None:
    async def work(lab: Lab) -> Any:
        return [await lesson03.answer_to(lab, lesson03.ping(length)) for length in (125, 126)]

    pong, close = in_lab(work)
    assert pong.startswith("PONG")
    assert pong.endswith("125 bytes")
    assert close == 'CLOSE 1002 "control frame too long"'


# The figure.


@pytest.mark.parametrize(("length", "size"), [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)], ids=str)
def test_the_figure_shows_the_header_alone(length: int, size: int) -> None:
    for masked in (False, True):
        header = lesson03.Header(length, masked=masked)
        assert header.data == build_frame(bytes(length), opcode=2, mask=KEY if masked else None)[: size + 4 * masked]
        assert f": {size + 4 * masked} bytes of header" in repr(header)
        assert ("Masking-key" in repr(header)) == masked
        assert ("Extended payload length" in repr(header)) == (size > 2)


def test_the_figure_follows_the_slider_and_the_box() -> None:
    shown = lesson03.HeaderSlider()
    slider, client, figure = shown.widgets()
    assert "2 bytes of header" in figure.value
    slider.value = 126
    assert "4 bytes of header" in figure.value
    client.value = True
    assert "8 bytes of header" in figure.value
    assert "8 bytes of header" in repr(shown)
    assert {125, 126, 65_535, 65_536} <= {value for _, value in slider.options}


def test_a_notebook_keeps_text_and_html_of_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = lesson03.HeaderSlider()._repr_mimebundle_()
    assert bundle["text/plain"].startswith("5 bytes of payload: 2 bytes of header")
    assert "<table" in bundle["text/html"] or "<svg" in bundle["text/html"]
    view = "application/vnd.jupyter.widget-view+json"
    assert view not in bundle, "no kernel"
    monkeypatch.setattr(cell, "shell", object)
    assert view in lesson03.HeaderSlider()._repr_mimebundle_()


# The exercise.


def header(length: int) -> bytes:
    if length <= 125:
        return bytes([0x82, length])
    if length <= 65_535:
        return bytes([0x82, 126]) + length.to_bytes(2, "big")
    return bytes([0x82, 127]) + length.to_bytes(8, "big")


def check(answer: Any, seed: str | None = None) -> Any:
    return asyncio.run(lesson03.frame_header.check(answer, seed_of=seed))


def built(**how: Any) -> Callable[[int], bytes]:
    """What writes headers with these settings, such as ``length_form=64``."""

    def made(length: int) -> bytes:
        frame = build_frame(bytes(length), **{"opcode": 2, **how})
        return frame[: len(frame) - length]

    return made


def forms(short: int, middle: int, order: Any = "big", longest: int = 8) -> Callable[[int], bytes]:
    """What takes the longer forms beyond these lengths."""

    def made(length: int) -> bytes:
        if length <= short:
            return bytes([0x82, length])
        if length <= middle:
            return bytes([0x82, 126]) + length.to_bytes(2, order)
        return bytes([0x82, 127]) + length.to_bytes(longest, order)

    return made


WRONG: dict[str, Callable[[int], Any]] = {
    "returns None": lambda length: None,
    "does not return bytes": lambda length: f"82 {length:02x}",
    "has MASK set": lambda length: bytes([0x82, 0x80 | header(length)[1]]) + header(length)[2:],
    "FIN is 0": built(fin=False),
    "not 2, binary": built(opcode=1),
    "small length in a long form": built(length_form=16),
    "least significant byte": forms(125, 65_535, "little"),
    "126 as a length in seven bits": forms(126, 65_535),
    "125 is the last length": forms(124, 65_535),
    "1,000 in eight bytes": forms(125, 125),
    "65,535 still fits": forms(125, 65_534),
    "in four bytes": forms(125, 65_535, longest=4),
}


@pytest.mark.lengthy
def test_the_reference_is_read_by_both_for_fifty_seeds() -> None:
    assert check(lesson03.frame_header.answer).points() == 3
    for seed in range(50):
        check(header, str(seed)).assert_solved()


def test_each_seed_tries_each_form() -> None:
    for seed in range(20):
        second = {bytes.fromhex(outcome.sent)[1] for outcome in check(header, str(seed)).outcomes}
        assert {126, 127} < second


@pytest.mark.parametrize("says", WRONG)
def test_a_wrong_answer_gets_its_own_sentence(says: str) -> None:
    verdict = check(WRONG[says])
    assert not verdict.solved
    assert says in " ".join(verdict.lines)


@pytest.mark.parametrize(
    "says", [says for says in WRONG if says not in ("125 is the last length", "65,535 still fits")]
)
def test_a_wrong_answer_is_not_solved(says: str) -> None:
    assert not check(WRONG[says]).solved


@pytest.mark.lengthy
def test_a_limit_that_is_off_by_one_is_found_by_every_seed() -> None:
    for seed in range(30):
        for answer in (forms(124, 65_535), forms(126, 65_535), forms(125, 65_534), forms(125, 65_536)):
            assert not check(answer, str(seed)).solved


def test_a_right_part_has_its_points() -> None:
    assert 0 < check(forms(125, 65_535, longest=4)).points() < 3


@pytest.mark.slow
def test_an_endless_loop_is_ended() -> None:
    def endless(length: int) -> bytes:
        while True:
            pass

    started = time.perf_counter()
    verdict = check(endless)
    assert "had not returned after 1 s" in repr(verdict)
    assert not verdict.solved
    assert time.perf_counter() - started < 6


def test_a_stub_is_not_begun() -> None:
    def stub(length: int) -> bytes:
        raise NotImplementedError

    assert "not begun" in repr(check(stub))
