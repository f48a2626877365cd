"""Lesson 08: which codes may be sent, who reports what, six ways to leave, and a close frame that a server reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from usual import check_usual

from wslab import Lab, Sender, build_close, build_frame, judge
from wslab.course.experiments.lesson08 import (
    both_at_once,
    close_of_server,
    codes_after,
    connect_to_raw,
    cut_tcp,
    goodbye,
    goodbye_frame,
    leave_in_all_ways,
    reports_of,
    say_1006,
    sent_and_reported,
    what_is_told,
    who_sends_1006,
)
from wslab.course.experiments.status_codes import KEY, accepted_by, code_line, may_carry, two_opinions

CODES = ("1005", "1015", "2999", "3000", "4999", "5000")
ANSWERS = {"the peer answers 4009": build_close(4009), "the peer's close frame is empty": build_close()}


def in_memory(work: Callable[[Lab], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with Lab(seed=8, carrier="memory") as lab:
            await lab.serve()
            return await work(lab)

    return asyncio.run(main())


def told_in_all_ways() -> dict[str, str]:
    return asyncio.run(leave_in_all_ways("memory")).told


def codes_reported() -> dict[str, Any]:
    return {
        **in_memory(lambda lab: codes_after(lab, ANSWERS)),
        **reports_of(asyncio.run(both_at_once()).trace),
    }


def check(answer: Any, **options: Any) -> Any:
    return asyncio.run(goodbye_frame.check(answer, **options))


def test_a_close_frame_may_carry_what_the_lesson_tells() -> None:
    assert may_carry(CODES) == dict(zip(CODES, ("no", "no", "no", "yes", "yes", "no"), strict=True))


@pytest.mark.lengthy
def test_the_line_has_every_code_once_and_says_who_may_send_it() -> None:
    line = code_line()
    assert [(run.first, run.last, run.who) for run in line.runs] == [
        (0, 999, "nobody"),
        (1000, 1000, "endpoints, and pages"),
        (1001, 1003, "endpoints"),
        (1004, 1006, "nobody"),
        (1007, 1013, "endpoints"),
        (1014, 1014, "only websockets takes it"),
        (1015, 2999, "nobody"),
        (3000, 4999, "endpoints, and pages"),
        (5000, 5000, "nobody"),
    ]
    assert all(run.page <= bool(run.judges) for run in line.runs)
    assert "1004 to 1006: nobody" in line._repr_html_()
    assert "only websockets takes it" in repr(line)
    assert accepted_by(65535) == ()


def test_1006_is_refused_when_it_is_said_and_reported_when_nothing_was() -> None:
    assert in_memory(who_sends_1006) == {
        "the server's answer to a frame that says 1006": "CLOSE 1002",
        "the server's close frame after the cut": "no close frame",
        "the code that the server's program reports after the cut": 1006,
    }


def test_what_the_server_sent_is_told_by_the_recording() -> None:
    async def swapped(lab: Lab) -> dict[str, Any]:
        said, cut = await say_1006(lab), await cut_tcp(lab)
        return sent_and_reported(lab.trace, cut, said or 0)

    async def goodbyes(lab: Lab) -> list[str]:
        said = []
        for code in (1000, 4001):
            client = await lab.connect()
            await client.close(code)
            said.append(close_of_server(lab.trace, lab.trace.connections[-1]))
        return said

    told = list(in_memory(swapped).values())
    assert told[:2] == ["no close frame", "CLOSE 1002"]
    assert in_memory(goodbyes) == ["CLOSE 1000", "CLOSE 4001"]


def test_a_program_reports_the_code_that_it_received() -> None:
    assert codes_reported() == {
        "the peer answers 4009": 4009,
        "the peer's close frame is empty": 1005,
        "both close at once: the client reports": 4002,
        "both close at once: the server reports": 4001,
    }
    assert in_memory(lambda lab: codes_after(lab, {"echo": build_close(4001)})) == {"echo": 4001}


def test_both_close_at_once_with_two_frames() -> None:
    both = asyncio.run(both_at_once())
    closes = [record for record in both.trace if record.summary.startswith("CLOSE")]
    assert sorted(record.sender for record in closes) == [Sender.CLIENT, Sender.SERVER]
    assert closes[1].time < (closes[0].received or 0), "the server wrote before it had read"


def test_a_goodbye_of_one_end_is_reported_alike_by_both() -> None:
    async def one(lab: Lab) -> dict[str, Any]:
        client = await lab.connect()
        await client.close(4001)
        await lab.settled()
        return reports_of(lab.trace)

    assert set(in_memory(one).values()) == {4001}


def test_only_a_close_frame_is_a_goodbye_and_silence_is_not_reported() -> None:
    assert told_in_all_ways() == {
        "its handler returns": "1000, in order",
        "its handler fails": "1011, an error",
        "it closes with 4001": "4001, an error",
        "FIN, and no close frame": "1006, an error",
        "RST": "1006, an error",
        "silence": "nothing: it is OPEN",
    }


@pytest.mark.lengthy
def test_over_tcp_it_is_the_same_and_shown_with_what_crossed() -> None:
    left = asyncio.run(leave_in_all_ways())
    assert left.told == told_in_all_ways()
    shown = repr(left)
    assert "RST, connection reset" in shown
    assert "nothing crosses" in shown
    assert "error: LookupError: no such room" in shown


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (build_close(1000), "1000, in order"),
        (build_close(1001), "1001, in order"),
        (build_close(), "1005, in order"),
        (build_close(4001), "4001, an error"),
        (build_close(1008), "1008, an error"),
        (build_frame(b"Hello"), "a message"),
    ],
)
def test_which_ends_websockets_calls_in_order(data: bytes, told: str) -> None:
    async def hear(lab: Lab) -> str:
        raw, client = await connect_to_raw(lab)
        await raw.send(data)
        if told != "a message":
            await raw.recv_frame()
        await raw.close()
        return await what_is_told(client)

    assert in_memory(hear) == told


def test_a_goodbye_has_limits() -> None:
    goodbyes = {
        "no payload at all": build_close(mask=KEY),
        "a payload of 1 byte": build_frame(bytes([3]), opcode=8, mask=KEY),
        "a reason of 123 letters a": build_close(1000, "a" * 123, mask=KEY),
        "a reason of 124 letters a": build_close(1000, "a" * 124, mask=KEY),
        "a reason of 62 letters ü": build_close(1000, "ü" * 62, mask=KEY),
        "a reason that ends inside ü": build_close(1000, "ü".encode()[:1], mask=KEY),
        "the code 1014": build_close(1014, mask=KEY),
        "half a frame": build_close(1000, mask=KEY)[:3],
    }
    assert list(two_opinions(goodbyes).words.values()) == [
        ("accepted", "accepted"),
        ("1002", "1002"),
        ("accepted", "accepted"),
        ("1002", "1002"),
        ("1002", "1002"),
        ("1007", "1007"),
        ("accepted", "1002"),
        ("waits", "waits"),
    ]


OUTCOMES: dict[str, Callable[[], Any]] = {
    "08.codes": lambda: may_carry(CODES),
    "08.abnormal": lambda: in_memory(who_sends_1006),
    "08.back": codes_reported,
    "08.ways": told_in_all_ways,
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_usual_answers_are_surprises_with_their_reasons(name: str) -> None:
    check_usual(name, OUTCOMES[name]())


@pytest.mark.slow
def test_the_reference_is_solved_for_fifty_seeds() -> None:
    for seed in range(50):
        check(goodbye, seed_of=str(seed)).assert_solved()
    assert judge(goodbye(4000, "good night")).websockets.events == ('close 4000 "good night"',)


def frame_of(code: bytes, reason: bytes, *, first: int = 0x88, mask: int = 0x80, length: int | None = None) -> bytes:
    payload = code + reason
    return bytes([first, mask | (len(payload) if length is None else length)]) + bytes(4) + payload


def big(code: int) -> bytes:
    return code.to_bytes(2, "big")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda code, reason: f"{code} {reason}", "A frame is bytes"),
        (lambda code, reason: frame_of(big(code), reason.encode(), first=0x81), "A close frame has the opcode 8"),
        (lambda code, reason: frame_of(big(code), reason.encode(), first=0x08), "FIN is 0"),
        (lambda code, reason: build_close(code, reason), "MASK is 0"),
        (
            lambda code, reason: bytes([0x88, 0x80 | (len(reason.encode()) + 2)]) + big(code) + reason.encode(),
            "the key is missing",
        ),
        (lambda code, reason: frame_of(str(code).encode(), reason.encode()), "The code is written in digits"),
        (lambda code, reason: frame_of(code.to_bytes(2, "little"), reason.encode()), "the wrong way round"),
        (
            lambda code, reason: frame_of(big(code), reason.encode(), length=len(reason.encode())),
            "The length counts the whole payload",
        ),
        (
            lambda code, reason: frame_of(big(code), reason.encode(), length=len(reason.encode()) + 6),
            "The key is no part of the payload",
        ),
        (lambda code, reason: frame_of(big(code), reason.encode(), length=len(reason) + 2), "You count letters"),
    ],
)
@pytest.mark.slow
def test_a_foreseen_mistake_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(answer)
    assert not verdict.solved
    assert says in " ".join(repr(verdict).split())


@pytest.mark.slow
def test_an_endless_loop_is_stopped() -> None:
    def endless(code: int, reason: str) -> bytes:
        while True:
            pass

    assert "had not returned after 1 s" in repr(check(endless))
