"""Lesson 07, heartbeats: its exercise, its predictions, and what it tells its learners is so."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

import pytest
from usual import check_usual
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection

from wslab import Lab
from wslab.course import ExerciseVerdict, Trial
from wslab.course.experiments.lesson07 import (
    RUN,
    Busy,
    after_silence,
    answer_pings,
    ask_for_report,
    busy_cell,
    busy_slider,
    frames_made,
    heartbeat,
    intervals,
    kind_of_frame,
    known,
    seen_of,
    situations,
    who_gave_up,
)
from wslab.recording.trace import Slice, Trace

T = TypeVar("T")
GIVEN_UP = ["the client", 1011, 1006, 1011]

WRONG: dict[str, tuple[Callable[[float, float, int], Any], str]] = {
    "no ping": (lambda idle, pause, most: (None, 1), "Without pings nothing crosses"),
    "no timeout": (lambda idle, pause, most: (0.6 * idle, None), "Without a ping_timeout nobody ever notices"),
    "too late": (
        lambda idle, pause, most: (idle + 0.3, pause + 0.6),
        "Your first ping comes when the proxy has closed",
    ),
    "impatient": (lambda idle, pause, most: (0.6 * idle, 0.4 * pause), "You give up while the handler still computes"),
    "too often": (lambda idle, pause, most: (0.1, pause + 0.6), "You ping too often"),
    "notices late": (lambda idle, pause, most: (0.6 * idle, 20), "You notice a dead peer too late"),
}


def in_a_lab(program: Callable[[Lab], Awaitable[T]]) -> T:
    async def main() -> T:
        async with Lab(seed=7, carrier="memory") as lab:
            await lab.serve()
            return await program(lab)

    return asyncio.run(main())


@cache
def verdicts() -> dict[str, ExerciseVerdict]:
    """All answers that are tried, judged at the same time: each takes as long as a connection has to live."""
    answers: dict[str, tuple[Any, str]] = {name: (answer, "author") for name, (answer, _) in WRONG.items()}
    answers |= {f"reference {seed}": (intervals, seed) for seed in ("author", "1", "2")}

    async def main() -> list[ExerciseVerdict]:
        checks = [heartbeat.check(answer, seed_of=seed) for answer, seed in answers.values()]
        return await asyncio.gather(*checks)

    return dict(zip(answers, asyncio.run(main()), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["author", "1", "2"])
def test_the_reference_is_solved(seed: str) -> None:
    verdicts()[f"reference {seed}"].assert_solved()


@pytest.mark.slow
@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_answer_gets_its_own_sentence(mistake: str) -> None:
    verdict = verdicts()[mistake]
    assert not verdict.solved
    assert WRONG[mistake][1] in repr(verdict).replace("\n", " ")


def test_fifty_seeds_are_solvable_with_room_to_spare() -> None:
    for seed in range(50):
        for one in situations(Trial(f"{seed} heartbeat 0")):
            interval, timeout = intervals(*one)
            assert interval < 0.7 * one.idle
            assert timeout > one.pause + 0.5
            assert RUN / interval < one.most
            assert interval + timeout < RUN - 1


@pytest.mark.lengthy
@pytest.mark.slow
def test_an_endless_loop_is_stopped() -> None:
    def endless(idle: float, pause: float, most: int) -> None:
        while True:
            pass

    assert "had not returned after 1 s" in repr(asyncio.run(heartbeat.check(endless)))


def test_what_a_page_sends_as_a_ping_is_a_message() -> None:
    """Misconception 3."""
    outcome = asyncio.run(frames_made())
    assert [*outcome.values()] == ["TEXT", "BINARY", "TEXT"]
    check_usual("07.page", outcome)


def test_a_ping_is_told_as_a_ping() -> None:
    async def program(lab: Lab) -> str:
        async with lab.connect() as ws:
            await (await ws.ping())
        return kind_of_frame([*lab.trace])

    assert in_a_lab(program) == "PING"
    assert kind_of_frame([]) == "no frame"


@pytest.mark.lengthy
@pytest.mark.slow
def test_who_only_listens_learns_nothing_of_silence_and_who_pings_reports_1006() -> None:
    """Misconception 16."""
    outcome = asyncio.run(after_silence())
    assert [*outcome.values()] == ["it is open", "it is closed, 1006"]
    check_usual("07.silence", outcome)


def test_what_a_program_is_told_is_what_it_received() -> None:
    async def program(lab: Lab) -> list[str]:
        async with lab.connect() as ws:
            told = [known(ws)]
        return [*told, known(ws)]

    assert in_a_lab(program) == ["it is open", "it is closed, 1000"]


async def freezes(connection: ServerConnection) -> None:
    async for message in connection:
        time.sleep(1.5)  # noqa: ASYNC251
        await connection.send(message)


async def lets_the_loop_go_on(connection: ServerConnection) -> None:
    async for message in connection:
        await asyncio.to_thread(time.sleep, 1.5)
        await connection.send(message)


async def leaves(connection: ServerConnection) -> None:
    await connection.recv()


async def is_killed(connection: ServerConnection) -> None:
    await connection.recv()
    connection.transport.abort()
    await connection.wait_closed()


@cache
def recording(handler: Callable[[ServerConnection], Awaitable[None]]) -> Trace:
    return asyncio.run(ask_for_report(handler))


@pytest.mark.lengthy
@pytest.mark.slow
def test_the_healthy_end_gives_up_on_the_frozen_one() -> None:
    """Misconception 15."""
    outcome = who_gave_up(recording(freezes))
    assert [*outcome.values()] == GIVEN_UP
    check_usual("07.frozen", outcome)
    said = [record.summary.split()[0] for record in recording(freezes)][2:8]
    assert said == ["TEXT", "PING", "CLOSE", "TEXT", "PONG", "CLOSE"]


@pytest.mark.lengthy
@pytest.mark.slow
def test_a_thread_of_its_own_is_the_cure() -> None:
    assert [*who_gave_up(recording(lets_the_loop_go_on)).values()] == ["the client", 1000, 1000, 1000]


def test_other_ends_give_other_words() -> None:
    assert [*who_gave_up(recording(leaves)).values()] == ["the server", 1000, 1000, 1000]
    assert [*who_gave_up(recording(is_killed)).values()] == ["nobody", "none", 1006, 1006]


@pytest.mark.lengthy
@pytest.mark.slow
def test_a_busy_cell_gives_up_though_the_pong_is_there() -> None:
    """Misconception 15, the other end."""
    busy = asyncio.run(busy_cell(1))
    outcome = seen_of(busy)
    assert [*outcome.values()] == ["the client", "before the CLOSE"]
    check_usual("07.busy", outcome)
    closes = [record.summary for record in busy.records if record.summary.startswith("CLOSE")]
    assert closes == ['CLOSE 1011 "keepalive ping timeout"'] * 2


@pytest.mark.lengthy
def test_a_cell_that_is_busy_for_a_moment_keeps_its_connection() -> None:
    idle = asyncio.run(busy_cell(0))
    assert [*seen_of(idle).values()] == ["nobody", "before the CLOSE"]
    assert seen_of(Busy(0, Slice(Trace()))) == dict.fromkeys(seen_of(idle), "nobody") | {
        "where the server's PONG stands in the recording": "nowhere"
    }
    assert [*seen_of(Busy(0, Slice(recording(freezes)))).values()] == ["the client", "after the CLOSE"]
    slider = busy_slider([idle, idle._replace(seconds=0.2)])
    assert [*slider.stops] == ["0 s", "0.2 s"]
    assert slider.at == "0.2 s"


@pytest.mark.lengthy
@pytest.mark.slow
def test_a_pong_with_another_payload_answers_nothing() -> None:
    assert asyncio.run(answer_pings(lambda payload: payload[::-1])) == "the client gives up: keepalive ping timeout"
    assert asyncio.run(answer_pings(lambda payload: payload)) == "it is open after three pings"


def test_the_library_pings_every_20_s_and_waits_20_s_unless_told_otherwise() -> None:
    told = inspect.signature(connect).parameters
    assert (told["ping_interval"].default, told["ping_timeout"].default) == (20, 20)


def test_a_ping_and_its_pong_carry_the_same() -> None:
    async def program(lab: Lab) -> list[str]:
        async with lab.connect() as ws:
            await (await ws.ping("are you there?"))
            return [record.summary for record in lab.trace][2:]

    assert in_a_lab(program) == ['PING "are you there?"', 'PONG "are you there?"']
