"""Lesson 04: what its experiments tell, in both directions, and how its exercises judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from usual import check_usual

from wslab import Lab, Sender, build_frame, judge
from wslab.course.experiments import lesson04
from wslab.course.experiments.lesson04 import CASES, REQUEST, poisoning, unmasking
from wslab.protocol import parse_frame
from wslab.protocol.words import BINARY, apply_mask

KEY = bytes.fromhex("0f f0 55 aa")
TEXTS = ["my name is Ada", "my code is 4711", "see you at eight"]
OUTCOMES: dict[str, dict[str, Any]] = {
    "arithmetic": {
        "Byte 69 meets byte f0 of the key": b"\x99",
        "The fifth byte meets a byte of the key": "the first",
        "The same key is used on the result": "the text",
    },
    "listener": {"Can a listener read the three texts?": "yes", "How many masking keys cross?": 3},
    "cache": dict(zip(CASES, ["the attacker's script", "the victim's script", "the attacker's script"], strict=True)),
    "zeros": {"websockets": "accepts it", "wsproto": "accepts it", "Letters that can be read": 5},
}


def in_lab(work: Callable[[Lab], Awaitable[Any]], *, carrier: str = "memory", seed: int = 4) -> Any:
    async def main() -> Any:
        async with Lab(seed=seed, carrier=carrier) as lab:
            await lab.serve()
            return await work(lab)

    return asyncio.run(main())


async def says(lab: Lab, texts: list[str], masks: list[bytes] | None = None) -> Lab:
    async with lab.connect(masks=masks) as client:
        for text in texts:
            await client.send(text)
            assert await client.recv() == text
    return lab


async def arithmetic(lab: Lab) -> Any:
    await says(lab, ["wires"], [KEY])
    return lesson04.arithmetic(lesson04.sent(lab.trace)[0], "wires")


async def listener(lab: Lab) -> Any:
    await says(lab, TEXTS)
    return lesson04.listener(lesson04.eavesdrop(lab.trace), TEXTS)


async def cache(lab: Lab) -> Any:
    return {case: visit.got for case, visit in (await lesson04.three_visits(lab)).items()}


async def zeros(lab: Lab) -> Any:
    return lesson04.zeros(judge(build_frame("Hello", mask=bytes(4))))


EXPERIMENTS = {"arithmetic": arithmetic, "listener": listener, "cache": cache, "zeros": zeros}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_experiment_tells_the_outcome_and_the_usual_answers_are_surprises_with_reasons(name: str) -> None:
    outcome = in_lab(EXPERIMENTS[name], carrier="tcp" if name == "cache" else "memory")
    assert outcome == OUTCOMES[name]
    check_usual(f"04.{name}", outcome)


# The same helpers, told of the opposite, say the opposite.


def test_a_payload_that_was_not_masked_as_it_must_be_is_told_as_such() -> None:
    frame = parse_frame(build_frame("wires", mask=KEY), sender=Sender.CLIENT)
    assert frame.payload is not None
    stops = frame._replace(payload=frame.payload[:4] + b"s")  # as who masks no further than the key reaches
    assert lesson04.arithmetic(stops, "wires")["The fifth byte meets a byte of the key"] == "none"
    assert lesson04.arithmetic(stops, "wires")["The same key is used on the result"] == "other bytes"
    last = frame._replace(payload=frame.payload[:4] + bytes([ord("s") ^ KEY[3]]))
    assert lesson04.arithmetic(last, "wires")["The fifth byte meets a byte of the key"] == "the fourth"
    plain = parse_frame(build_frame("wires"), sender=Sender.SERVER)
    assert lesson04.arithmetic(plain, "wires") == {
        "Byte 69 meets byte f0 of the key": b"i",
        "The fifth byte meets a byte of the key": "none",
        "The same key is used on the result": "other bytes",
    }


def test_a_listener_who_hears_something_else_has_not_read_it() -> None:
    async def other(lab: Lab) -> Any:
        await says(lab, ["not this", "nor that", "see you at eight"], [KEY] * 3)
        return lesson04.listener(lesson04.eavesdrop(lab.trace), TEXTS)

    assert in_lab(other) == {"Can a listener read the three texts?": "no", "How many masking keys cross?": 1}


def test_a_frame_without_a_mask_is_refused_and_a_random_key_leaves_no_letters() -> None:
    assert lesson04.zeros(judge(build_frame("Hello"))) == {
        "websockets": "refuses it",
        "wsproto": "refuses it",
        "Letters that can be read": 5,
    }
    assert lesson04.zeros(judge(build_frame("Hello", mask=b"\xff" * 4)))["Letters that can be read"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_mask_alone_decides_what_the_cache_keeps(seed: int) -> None:
    assert in_lab(cache, carrier="tcp", seed=seed) == OUTCOMES["cache"]


def test_a_page_that_sends_something_else_poisons_nothing() -> None:
    other = REQUEST.replace(b"/script.js", b"/other.js")
    visit = in_lab(lambda lab: lesson04.visit(lab, build_frame(other, opcode=BINARY)), carrier="tcp")
    assert visit.got == "the victim's script"


def test_the_cache_is_a_cache_for_those_who_ask_in_http() -> None:
    """The second visitor is answered without the server."""

    async def main() -> list[str]:
        asked = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            writer.write(lesson04.answer(b"answer %d" % asked))

        async with lesson04._listening(serve) as port:
            proxy = lesson04.CachingProxy({"victim.example": port})
            async with lesson04._listening(proxy.serve) as at:
                return [await lesson04.ask(at) for _ in range(2)]

    assert asyncio.run(main()) == ["answer 1", "answer 1"]


# What the lesson prints and says beside its predictions.


def test_the_bars_show_the_request_where_the_proxy_found_one() -> None:
    visits = in_lab(lesson04.three_visits, carrier="tcp")
    text = repr(lesson04.bars(visits))
    assert text.count("GET /script.js HTTP/1.1··Host: victim.example····") == 2
    assert "a request for victim.example: bytes 2 to 50" in text
    assert "a request for victim.example: bytes 6 to 54" in text
    assert text.count("bytes that are no request") == 1
    assert [visit.frame[6:] == REQUEST for visit in visits.values()] == [False, False, True]
    svg = lesson04.bars(visits).picture().svg
    assert "the next visitor gets" in svg


def test_two_frames_under_one_key_give_the_xor_of_their_texts() -> None:
    async def twice(lab: Lab) -> Any:
        await says(lab, ["see you at eight", "my code is 4711!"], [KEY, KEY])
        return [frame.payload for frame in lesson04.sent(lab.trace, 2)], lab.trace.violations

    (first, second), violations = in_lab(twice)
    both = lesson04.xor(first, second)
    assert both == lesson04.xor(b"see you at eight", b"my code is 4711!")
    assert lesson04.xor(both, b"see you at eight") == b"my code is 4711!"
    assert violations == []  # nobody sees what was promised


def test_the_table_of_bits_and_the_quiz_are_so() -> None:
    assert (ord("w"), 0x0F, ord("w") ^ 0x0F) == (0b0111_0111, 0b0000_1111, 0b0111_1000)
    for size in (5, 1000):
        assert len(build_frame(bytes(size), mask=KEY)) - len(build_frame(bytes(size))) == 4
    # A server's masked frame, and a client's frame without a mask.
    for data, as_client in ((build_frame("Hello", mask=KEY), False), (build_frame("Hello"), True)):
        assert [verdict.code for verdict in judge(data, as_client=as_client).verdicts] == [1002, 1002]


# The exercises.


def check(exercise: Any, answer: Any, **options: Any) -> Any:
    return asyncio.run(exercise.check(answer, **options))


def stops(data: bytes, key: bytes) -> bytes:
    return bytes(one ^ two for one, two in zip(data, key, strict=False))


def endless(_: bytes) -> None:
    while True:
        pass


@pytest.mark.slow
@pytest.mark.parametrize("exercise", [unmasking, poisoning])
def test_the_reference_is_right_for_fifty_seeds(exercise: Any) -> None:
    for seed in range(50):
        check(exercise, exercise.answer, seed_of=str(seed)).assert_solved()


@pytest.mark.parametrize("exercise", [unmasking, poisoning])
def test_the_reference_is_right_for_the_author(exercise: Any) -> None:
    verdict = check(exercise, exercise.answer)
    verdict.assert_solved()
    assert verdict.points() == 3


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda frame: apply_mask(frame[6:], frame[2:6]), "You gave bytes"),
        (lambda frame: stops(frame[6:], frame[2:6]).decode("utf-8", "replace"), "It ends after four bytes"),
        (lambda frame: apply_mask(frame[6:], frame[4:6] + frame[2:4]).decode("utf-8", "replace"), "the wrong byte"),
        (lambda frame: frame[6:].decode("utf-8", "replace"), "You gave the masked bytes"),
        (lambda frame: apply_mask(frame[6:], frame[2:6]).decode("latin-1"), "You make a letter of each byte"),
        (lambda frame: "key " + apply_mask(frame[6:], frame[2:6]).decode(), "Something stands before the text"),
        (lambda frame: None, "None"),
        (lambda frame: frame[100], "IndexError"),
    ],
)
def test_a_wrong_reading_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(unmasking, answer)
    assert not verdict.solved
    assert says in repr(verdict)


def test_the_server_closes_with_4001_for_another_word() -> None:
    assert {outcome.came[:4] for outcome in check(unmasking, lambda frame: "no").outcomes} == {"4001"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda key: REQUEST, "You send the request as it is"),
        (lambda key: stops(REQUEST, key), "It ends after four bytes"),
        (lambda key: apply_mask(REQUEST, key[1:] + key[:1]), "the wrong byte"),
        (lambda key: b"\x82\xb1" + key + apply_mask(REQUEST, key), "Your payload is too long"),
        (lambda key: REQUEST.decode(), "You gave a text"),
        (lambda key: b"", "the victim's script"),
    ],
)
def test_a_wrong_payload_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(poisoning, answer)
    assert not verdict.solved
    assert says in repr(verdict)
    assert "the victim's script" in repr(verdict) or "no bytes" in repr(verdict)


@pytest.mark.slow
@pytest.mark.parametrize("exercise", [unmasking, poisoning])
def test_an_endless_loop_is_ended(exercise: Any) -> None:
    started = time.perf_counter()
    assert "had not returned after 1 s" in repr(check(exercise, endless))
    assert time.perf_counter() - started < 6
