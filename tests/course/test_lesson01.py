"""Lesson 01: what a message costs, what its header says, and a frame that real clients read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from usual import check_usual

from wslab import Lab, Sender, Trace, build_frame, judge
from wslab.course.experiments.lesson01 import (
    characters,
    compare,
    cost,
    coverage,
    empty_cost,
    first_bits,
    frame,
    say,
    server_frame,
    what_clients_hear,
)

MASKED = bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")
UNMASKED = bytes.fromhex("81 05 48 65 6c 6c 6f")
FRAMES = {
    "the length says 4": bytes([0x81, 4]) + b"Hello",
    "the length says 5": bytes([0x81, 5]) + b"Hello",
    "the length says 6": bytes([0x81, 6]) + b"Hello",
    "MASK is set": bytes([0x81, 0x85]) + b"Hello",
}


def echoed(*texts: str, seed: str | None = "rfc") -> Trace:
    """A recording: each text on a connection of its own, and back."""

    async def main() -> Trace:
        async with Lab(seed=seed, carrier="memory") as lab:
            await lab.serve()
            for text in texts:
                async with lab.connect() as client:
                    await client.send(text)
                    assert await client.recv() == text
            return lab.trace

    return asyncio.run(main())


def heard() -> dict[str, str]:
    async def main() -> dict[str, str]:
        async with Lab(carrier="memory") as lab:
            return await what_clients_hear(lab, FRAMES)

    return asyncio.run(main())


def recorded(client: list[bytes], server: list[bytes]) -> Trace:
    """A recording of these bytes and no others, from raw endpoints."""

    async def main() -> Trace:
        async with Lab(carrier="memory") as lab:
            raw = await lab.raw(listen=True)
            other = await lab.raw(raw.uri)
            await asyncio.gather(raw.handshake(), other.handshake())
            for data in client:
                await other.send(data)
            for data in server:
                await raw.send(data)
            await lab.settled()
            return lab.trace

    return asyncio.run(main())


def check(answer: Any, **options: Any) -> Any:
    return asyncio.run(server_frame.check(answer, **options))


def test_a_message_costs_what_the_lesson_tells() -> None:
    trace = echoed("Hello")
    sent, back = trace.frames[:2]
    assert (sent.raw, back.raw) == (MASKED, UNMASKED)  # RFC 6455 5.7 prints both
    assert cost(trace) == {
        "bytes from the client": 11,
        "bytes from the server": 7,
        "the letters can be read in": "only the server's frame",
    }
    assert first_bits(trace) == {
        "the server's first byte": 0b1000_0001,
        "the server's second byte": 0b0000_0101,
        "the client's second byte": 0b1000_0101,
    }


@pytest.mark.parametrize(
    ("client", "server", "where"),
    [
        (build_frame(b"Hello"), build_frame(b"Hello", mask=b"abcd"), "only the client's frame"),
        (build_frame(b"Hello", mask=b"abcd"), build_frame(b"Hello", mask=b"abcd"), "neither frame"),
        (build_frame(b"Hello", mask=bytes(4)), build_frame(b"Hello"), "both frames"),
    ],
)
def test_where_letters_can_be_read_is_told_by_the_recording(client: bytes, server: bytes, where: str) -> None:
    trace = recorded([client], [server])
    assert cost(trace)["the letters can be read in"] == where
    assert cost(trace)["bytes from the server"] == len(server)
    assert first_bits(trace)["the client's second byte"] == client[1]


def test_an_empty_message_is_a_message() -> None:
    assert empty_cost(echoed("Hello", "")) == {
        "bytes from the client": 6,
        "bytes from the server": 2,
        "the client's program receives": "an empty message",
    }


def test_what_is_received_is_told_by_the_recording() -> None:
    unfinished = build_frame(b"", fin=False)
    full = recorded([build_frame(b"", mask=bytes(4))], [build_frame(b"x")])
    none = recorded([build_frame(b"", mask=bytes(4))], [unfinished])
    assert empty_cost(full)["the client's program receives"] == "a message"
    assert empty_cost(none)["the client's program receives"] == "nothing"


def test_a_client_believes_the_length_and_refuses_a_mask() -> None:
    assert heard() == {
        "the length says 4": '"Hell"',
        "the length says 5": '"Hello"',
        "the length says 6": "nothing: it waits",
        "MASK is set": "an error",
    }


def test_every_byte_of_the_conversation_is_explained_once() -> None:
    trace = echoed("Hello")
    told = coverage(trace)
    assert told.crossed == told.explained
    assert all(told.crossed.values())
    for record in trace.connection(0):
        if trace.raw(record):
            fields = trace.explain(record.number).fields
            assert [one.start for one in fields[1:]] == [one.stop for one in fields[:-1]], "no gap and no overlap"


def test_an_explanation_that_leaves_a_byte_out_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = echoed("Hello")
    explain = trace.explain

    def short(number: int) -> Any:
        told = explain(number)
        return replace(told, fields=told.fields[1:])

    monkeypatch.setattr(trace, "explain", short)
    told = coverage(trace)
    assert all(told.explained[sender] < told.crossed[sender] for sender in Sender)


def test_both_frames_stand_under_each_other() -> None:
    lines = repr(compare(echoed("Hello"))).splitlines()
    assert " ".join(lines[-2].split()) == "● client 81 85 37 fa 21 3d 7f 9f 4d 51 58 ··MQX"
    assert " ".join(lines[-1].split()) == "■ server 81 05 48 65 6c 6c 6f Hello"


def test_characters_are_shown_with_their_bytes() -> None:
    told = repr(characters("é👋\x1b"))
    assert "3 characters, 7 bytes" in told
    assert "1100_0011 1010_1001" in told
    assert "\x1b" not in told


OUTCOMES: dict[str, Callable[[], Any]] = {
    "01.bytes": lambda: cost(echoed("Hello")),
    "01.bits": lambda: first_bits(echoed("Hello")),
    "01.empty": lambda: empty_cost(echoed("")),
    "01.length": heard,
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_usual_answers_are_surprises_with_their_reasons(name: str) -> None:
    check_usual(name, OUTCOMES[name]())


def test_what_the_quiz_says_is_so() -> None:
    assert judge(b"\x82\x02Hi", as_client=False).websockets.events == ("binary message 48 69",)
    twice = [each.raw for each in echoed("Hello", "Hello", seed=None).frames if each.raw and len(each.raw) == 11]
    assert len(set(twice)) == 2
    assert len(frame("Hi")) == 4
    assert frame("şğü")[1] == 6


def test_the_reference_is_solved_for_fifty_seeds() -> None:
    for seed in range(50):
        check(frame, seed_of=str(seed)).assert_solved()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda text: text, "Your function returned a text"),
        (lambda text: text.encode(), "You sent the letters without a header"),
        (lambda text: b"\x81" + text.encode(), "The length is left out"),
        (lambda text: build_frame(text.encode(), mask=bytes(4)), "Only a client masks"),
        (lambda text: build_frame(text.encode(), fin=False), "FIN is 0"),
        (lambda text: build_frame(text.encode(), opcode=2), "Opcode 2 is a binary message"),
        (lambda text: bytes([0x81, len(text)]) + text.encode(), "You count letters"),
        (lambda text: bytes([0x81, len(text.encode()) + 2]) + text.encode(), "and not those two as well"),
    ],
)
def test_a_foreseen_mistake_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(answer)
    assert not verdict.solved
    assert says in " ".join(repr(verdict).split())


def test_who_counts_letters_has_the_points_for_english() -> None:
    assert check(lambda text: bytes([0x81, len(text)]) + text.encode()).points() == 2


@pytest.mark.slow
def test_an_endless_loop_is_stopped() -> None:
    def endless(text: str) -> bytes:
        while True:
            pass

    assert "had not returned after 1 s" in repr(check(endless))


def test_a_real_client_is_told_what_was_written() -> None:
    def stub(text: str) -> bytes:
        raise NotImplementedError

    async def main() -> list[str]:
        async with Lab() as lab:
            return [await say(lab, frame, "Hello"), await say(lab, stub, "Hello")]

    assert asyncio.run(main()) == ['"Hello"', "first write the function above"]
