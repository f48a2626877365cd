"""Lesson 02: what its experiments tell, in both directions, and how its exercises judge."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from usual import check_usual

from wslab import Lab, judge
from wslab.course.experiments import lesson02
from wslab.protocol import build_close, build_frame, build_response
from wslab.protocol.handshake import GUID, accept_key

OUTCOMES = {
    "status": {
        "no Upgrade": "426 Upgrade Required",
        "Connection: keep-alive": "426 Upgrade Required",
        "version 12": "400 Bad Request",
        "a key of 3 bytes": "400 Bad Request",
        "names in lower case": "101 Switching Protocols",
        "a page of another site": "403 Forbidden",
    },
    "replay": {"an old 101": "refused", "a computed 101": "open", "the keys of two requests": "different"},
    "http": {"the answer": "CLOSE 1002", "the opcode in the byte G": 7},
    "judges": {
        "version 12": "both refuse",
        "a key of 3 bytes": "they differ",
        "HTTP/1.0": "they differ",
        "POST instead of GET": "both refuse",
        "a page of another site": "both accept",
    },
    "host": {
        "Host: localhost": "101 Switching Protocols",
        "Host: 127.0.0.1:8888": "101 Switching Protocols",
        "Host: evil.example": "403 Forbidden",
        "no Host": "400 Bad Request",
        "two Hosts": "400 Bad Request",
    },
    "cookie": {"in the bytes that crossed": "yes", "in what the lab shows": "no"},
}


def in_lab(work: Callable[[Lab], Awaitable[Any]], **serving: Any) -> Any:
    async def main() -> Any:
        async with Lab(seed=2, carrier="memory") as lab:
            await lab.serve(**serving)
            return await work(lab)

    return asyncio.run(main())


async def status(lab: Lab) -> Any:
    return await lesson02.statuses(lab, OUTCOMES["status"])


async def replay(lab: Lab) -> Any:
    async with lab.connect():
        pass
    recorded = lab.trace.handshake(0).response
    assert recorded is not None
    return {
        "an old 101": await lesson02.impostor(lab, lambda key: recorded.data),
        "a computed 101": await lesson02.impostor(lab, build_response),
        "the keys of two requests": await lesson02.two_keys(lab),
    }


async def http(lab: Lab) -> Any:
    answer = await lesson02.answer_after_101(lab, lesson02.PAGE)
    return {"the answer": answer, "the opcode in the byte G": lesson02.first_frame(lab.trace).opcode}


async def judges(lab: Lab) -> Any:
    return lesson02.judged(OUTCOMES["judges"])


async def host(lab: Lab) -> Any:
    return await lesson02.hosts(lab, OUTCOMES["host"])


async def cookie(lab: Lab) -> Any:
    async with lab.connect(additional_headers={"Cookie": "session=open-sesame"}):
        pass
    return dict(zip(OUTCOMES["cookie"], lesson02.where_it_stands(lab.trace, "open-sesame"), strict=True))


EXPERIMENTS = {one.__name__: one for one in (status, replay, http, judges, host, cookie)}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_experiment_tells_what_the_lesson_says(name: str) -> None:
    assert in_lab(EXPERIMENTS[name]) == OUTCOMES[name]


@pytest.mark.parametrize("name", OUTCOMES)
def test_what_many_say_is_a_surprise_with_its_reason(name: str) -> None:
    check_usual(f"02.{name}", OUTCOMES[name])


# Each helper that turns a recording into a word gives the opposite word for the opposite recording.


def test_a_server_that_lets_pages_in_gives_another_status() -> None:
    async def work(lab: Lab) -> Any:
        return await lesson02.statuses(lab, ["a page of another site"])

    found = in_lab(work, origins=["https://evil.example"])
    assert found == {"a page of another site": "101 Switching Protocols"}
    assert lesson02.named(None) == "no answer"


def test_an_old_101_is_accepted_where_it_answers_the_same_key() -> None:
    async def work(lab: Lab) -> Any:
        key = base64.b64encode(bytes(16)).decode()
        recorded = build_response(key)
        return [await lesson02.refusal(lab, lambda _: recorded, one) for one in (key, None)]

    same, other = in_lab(work)
    assert same == ""
    assert "Sec-WebSocket-Accept" in other


def test_a_client_that_sends_one_key_twice_is_found_out() -> None:
    async def work(lab: Lab) -> Any:
        key = base64.b64encode(bytes(16)).decode()
        for _ in range(2):
            async with lab.connect(key=key):
                pass
        return lesson02.same_key(lab.trace, 0, 1), await lesson02.two_keys(lab)

    assert in_lab(work) == ("equal", "different")


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (b"", "nothing"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP 404"),
        (b"HTTP/1.1 200 OK\r\n\r\nHello", "HTTP 200"),
        (build_close(1002, "invalid opcode"), "CLOSE 1002"),
        (build_frame("Hello"), "TEXT"),
    ],
    ids=str,
)
def test_what_a_peer_says_is_put_into_words(came: bytes, words: str) -> None:
    assert lesson02.in_words(came) == words


def test_a_legal_frame_after_the_101_gets_another_answer() -> None:
    async def work(lab: Lab) -> Any:
        answer = await lesson02.answer_after_101(lab, build_frame("Hello", mask=bytes(4)))
        return answer, lesson02.first_frame(lab.trace).opcode

    assert in_lab(work) == ("TEXT", 1)


def test_two_judges_agree_in_words() -> None:
    assert lesson02.agreement(judge(build_frame("Hello", mask=bytes(4)))) == "both accept"
    assert lesson02.agreement(judge(build_frame("Hello"))) == "both refuse"
    assert lesson02.agreement(judge(build_frame("Hello", mask=bytes(4), length_form=16))) == "they differ"


def test_both_judges_are_shown_for_all_changes() -> None:
    found = lesson02.BothJudges(lesson02.CHANGES).statuses
    assert found["no Upgrade"] == (426, 400)
    assert found["version 12"] == (400, 426)
    assert found["HTTP/1.0"] == (505, 101)
    assert found["two keys"] == (400, 101)
    assert found["no Host"] == (101, 400)
    assert found["names in lower case"] == found["an unknown extension"] == (101, 101)
    assert len(found) == 13


def test_a_header_of_no_secret_stands_in_both_places() -> None:
    async def work(lab: Lab) -> Any:
        async with lab.connect(additional_headers={"X-Word": "open-sesame"}):
            pass
        return lesson02.where_it_stands(lab.trace, "open-sesame"), lesson02.where_it_stands(lab.trace, "never-sent")

    assert in_lab(work) == (("yes", "yes"), ("no", "no"))


def test_the_figure_says_whether_the_server_solved_it() -> None:
    async def work(lab: Lab) -> Any:
        async with lab.connect():
            pass
        good = lesson02.Riddle(lab.trace)
        await lesson02.impostor(lab, lambda key: build_response("AAAAAAAAAAAAAAAAAAAAAA=="))
        return repr(good), repr(lesson02.Riddle(lab.trace)), good.steps

    good, bad, steps = in_lab(work)
    assert steps.accept == accept_key(steps.key)
    assert good.splitlines()[-1].endswith("  equal")
    assert bad.splitlines()[-1].endswith("  not equal")
    assert GUID in good


# The exercise: solve the riddle.


def solve(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def endless(key: str) -> str:
    while True:
        pass


def stub(key: str) -> str:
    raise NotImplementedError


def check(exercise: Any, answer: Any, seed: str | None = None) -> Any:
    coroutine: Coroutine[Any, Any, Any] = exercise.check(answer, seed_of=seed)
    return asyncio.run(coroutine)


WRONG = {
    "returns None": lambda key: None,
    "returns bytes": lambda key: base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()),
    "same for every key": lambda key: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "decode the key first": lambda key: of(hashlib.sha1(base64.b64decode(key) + GUID.encode()).digest()),
    "digest in hex digits": lambda key: hashlib.sha1((key + GUID).encode()).hexdigest(),
    "write the hex digits in base64": lambda key: of(hashlib.sha1((key + GUID).encode()).hexdigest().encode()),
    "GUID in front": lambda key: of(hashlib.sha1((GUID + key).encode()).digest()),
    "left the GUID out": lambda key: of(hashlib.sha1(key.encode()).digest()),
}


@pytest.mark.slow
def test_the_reference_opens_both_clients_for_fifty_seeds() -> None:
    assert check(lesson02.accept_value, lesson02.accept_value.answer).points() == 3
    for seed in range(50):
        verdict = check(lesson02.accept_value, solve, str(seed))
        verdict.assert_solved()
        assert len(verdict.outcomes) == 4


def test_learners_have_different_keys() -> None:
    first, second = (check(lesson02.accept_value, solve, seed).outcomes[0].wanted for seed in ("a", "b"))
    assert first != second


@pytest.mark.parametrize("says", WRONG)
def test_a_wrong_answer_gets_its_own_sentence(says: str) -> None:
    verdict = check(lesson02.accept_value, WRONG[says])
    assert not verdict.solved
    assert says in next(line for line in verdict.lines if "hint" not in line)
    assert "Sec-WebSocket-Accept" in verdict.outcomes[0].came


@pytest.mark.slow
def test_a_stub_is_not_begun_and_an_endless_loop_is_ended() -> None:
    assert "not begun" in repr(check(lesson02.accept_value, stub))
    started = time.perf_counter()
    assert "had not returned after 1 s" in repr(check(lesson02.accept_value, endless))
    assert time.perf_counter() - started < 6


def test_an_error_in_the_learners_code_shows_its_line() -> None:
    def divides(key: str) -> float:
        return 1 / 0

    assert "ZeroDivisionError: division by zero, in line" in repr(check(lesson02.accept_value, divides))


# The exercise of 02b: repair a request.

REPAIRS = {
    "POST": ("POST", "GET"),
    "HTTP/1.0": ("HTTP/1.0", "HTTP/1.1"),
    "web-socket": ("web-socket", "websocket"),
    "Connection: close": ("Connection: close", "Connection: Upgrade"),
    "aGVsbG8=": ("aGVsbG8=", "A" * 22 + "=="),
    "Version: 8": ("Version: 8", "Version: 13"),
}
SENTENCES = ("method is still POST", "still 1.0", "without a dash", "has to name", "five bytes", "Version 8")


def repaired(*but: str) -> str:
    text = lesson02.BROKEN
    for name, (old, new) in REPAIRS.items():
        text = text if name in but else text.replace(old, new)
    return text


def test_all_three_judges_refuse_the_request_and_accept_its_solution() -> None:
    broken = check(lesson02.repaired_request, lambda: lesson02.BROKEN)
    assert [outcome.ok for outcome in broken.outcomes] == [False] * 3
    for solution in (lesson02.repaired_request.answer, repaired):
        check(lesson02.repaired_request, solution).assert_solved()


@pytest.mark.parametrize(("fault", "says"), [*zip(REPAIRS, SENTENCES, strict=True)])
def test_each_of_its_six_faults_has_to_be_repaired_and_has_its_sentence(fault: str, says: str) -> None:
    verdict = check(lesson02.repaired_request, lambda: repaired(fault))
    assert not verdict.solved
    assert says in verdict.lines[0]


@pytest.mark.slow
def test_a_repair_that_does_not_return_is_ended() -> None:
    assert "had not returned after 1 s" in repr(check(lesson02.repaired_request, lambda: endless("")))
