"""Lesson 00: who speaks first, over how many connections, and how a notebook runs it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from usual import check_usual
from websockets.asyncio.server import ServerConnection

from wslab import Lab, Trace
from wslab.course import predict
from wslab.course.experiments.lesson00 import awaited, first_words, heard_while_computing, run

GREETING, ANSWER = "Hello client!", "Hello server!"


async def greet(connection: ServerConnection) -> None:
    await connection.send(GREETING)
    async for _ in connection:
        pass


async def conversation(connections: int = 1, *, server_first: bool = True) -> Trace:
    async with Lab(seed=1, carrier="memory") as lab:
        if server_first:
            await lab.serve(greet)
        else:
            await lab.serve()
        for _ in range(connections):
            async with lab.connect() as client:
                if server_first:
                    assert await client.recv() == GREETING
                await client.send(ANSWER)
    return lab.trace


def from_a_cell() -> dict[str, str]:
    """What both lines give where an event loop runs already, as in a cell."""

    async def main() -> str:
        return GREETING

    async def cell() -> dict[str, str]:
        return {"asyncio.run(main())": run(main), "await main()": await awaited(main)}

    return asyncio.run(cell())


def while_computing() -> dict[str, str]:
    async def cell() -> dict[str, str]:
        async with Lab() as lab:
            server = await lab.serve(greet)
            return {"it hears": heard_while_computing(server.uri)}

    return asyncio.run(cell())


def test_the_server_speaks_first_and_one_connection_carries_it() -> None:
    assert first_words(asyncio.run(conversation())) == {"who sends the first message": "server", "TCP connections": 1}


def test_the_opposite_recording_gives_the_opposite_word() -> None:
    told = first_words(asyncio.run(conversation(2, server_first=False)))
    assert told == {"who sends the first message": "client", "TCP connections": 2}


def test_asyncio_run_is_refused_in_a_cell_and_await_is_not() -> None:
    assert from_a_cell() == {"asyncio.run(main())": "an error: RuntimeError", "await main()": f'"{GREETING}"'}


def test_asyncio_run_works_in_a_script_and_an_error_of_await_is_told() -> None:
    async def main() -> str:
        return GREETING

    async def fails() -> str:
        raise RuntimeError("no")

    assert run(main) == f'"{GREETING}"'
    assert asyncio.run(awaited(fails)) == "an error: RuntimeError"


def test_the_meaning_quotes_the_error() -> None:
    async def cell() -> str:
        attempt = asyncio.sleep(0)
        try:
            asyncio.run(attempt)
        except RuntimeError as error:
            attempt.close()
            return str(error)
        return ""

    assert asyncio.run(cell()) in predict("00.run").asked.meaning


@pytest.mark.lengthy
@pytest.mark.slow
def test_a_program_outside_is_greeted_while_a_cell_computes() -> None:
    assert while_computing() == {"it hears": f'"{GREETING}"'}


@pytest.mark.lengthy
def test_where_nobody_answers_it_hears_nothing() -> None:
    async def cell() -> str:
        async with Lab() as lab:
            silent = await lab.raw(listen=True)
            uri = silent.uri or ""
            await silent.close()
            return heard_while_computing(uri)

    assert asyncio.run(cell()) == "nothing"


OUTCOMES: dict[str, Any] = {
    "00.first": lambda: first_words(asyncio.run(conversation())),
    "00.run": from_a_cell,
    "00.busy": while_computing,
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_usual_answers_are_surprises_with_their_reasons(name: str) -> None:
    check_usual(name, OUTCOMES[name]())
