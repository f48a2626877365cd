"""Lesson 09, JavaScript and other peers: what Node and Python do, how a page's outcomes are read, and a goodbye.

What only a page can show is asserted by ``tests/browser/test_page_tries.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

import pytest
from usual import check_usual
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from wslab import Lab, Sender, quiz
from wslab.course import ExerciseVerdict, Trial
from wslab.course.experiments.engine_io import OPEN, layers, talk
from wslab.course.experiments.lesson09 import (
    MOST,
    choices,
    closed_by_websockets,
    closed_by_ws,
    cut,
    farewell,
    farewells,
    other_headers,
    page_goodbye,
    try_in_page,
)
from wslab.course.experiments.page_tries import (
    AUTHORIZED,
    ENDINGS,
    LATE,
    LIMITS,
    NO_MORE,
    PINGS,
    TRIES,
    WITH,
    WITHOUT,
    ask_for_password,
    authorizations,
    authorized,
    endings,
    greet,
    in_page,
    limits,
    ping_and_greet,
    pings,
    pings_of,
    refuse,
    requests_of_pages,
    told_of_end,
    tried,
    vanish,
)
from wslab.course.experiments.pages import PageProgram
from wslab.course.prediction import NOT_SHOWN
from wslab.live.article import CLIENT_SCRIPT, SERVER_SCRIPT
from wslab.live.errors import NodeMissing

pytestmark = pytest.mark.oracle

T = TypeVar("T")
PAGE = "http://127.0.0.1:8888"
IN_CHROMIUM = {
    "09.pings": ["undefined", 0, 3, 0],
    "09.limits": ["InvalidAccessError", "InvalidAccessError", "sent", "SyntaxError", "not sent, and no error"],
    "09.told": ["error, close 1006", "close 1006", "close 1006"],
    "09.password": ["SyntaxError", WITHOUT, WITH, WITH],
}
"""As ``tests/browser/test_page_tries.py`` sees it."""


def in_a_lab(program: Callable[[Lab], Awaitable[T]], **kwargs: Any) -> T:
    async def main() -> T:
        async with Lab(seed=9, **kwargs) as lab:
            return await program(lab)

    return asyncio.run(main())


def event(number: int, what: str, **told: Any) -> dict[str, Any]:
    return {"n": number, "t": 0, "what": what, **told}


def begun(lab: Lab, *told: dict[str, Any]) -> PageProgram:
    """A panel that a page at ``PAGE`` runs, and what the page told."""
    panel = PageProgram(lab, "")
    panel._start({"page": "1", "origin": PAGE, "loopback": True, "jupyter": True})
    for one in told:
        panel._last.note(one)
    return panel


# How a page's outcomes are read.


def test_who_pings_and_answers_is_read_from_the_recording() -> None:
    """A client that pings, and a server that does not, give the opposite of what a page gives."""

    async def main(lab: Lab) -> list[dict[str, Any]]:
        server = await lab.serve(greet)
        panel = begun(lab)
        async with lab.connect(origin=PAGE) as ws:  # type: ignore[arg-type]
            await (await ws.ping())
            await ws.recv()
        await lab.settled()
        known = [pings_of(panel)]
        panel._last.note(event(0, "new WebSocket()", socket=0, target="/", port=server.port))
        panel._last.note(event(1, "message", socket=0, data="Hello client!"))
        panel._last.note(event(2, "console", level="log", text="function"))
        panel._last.note(event(3, "close", socket=0, code=1000))
        return [*known, pings_of(panel)]

    before, after = in_a_lab(main)
    assert set(before.values()) == {None}
    assert list(after.values()) == ["function", 0, 0, 1]


def test_a_page_that_heard_of_a_ping_would_be_counted() -> None:
    async def main(lab: Lab) -> dict[str, Any]:
        server = await lab.serve(ping_and_greet)
        panel = begun(lab, event(0, "new WebSocket()", socket=0, target="/", port=server.port))
        async with lab.connect(origin=PAGE) as ws:  # type: ignore[arg-type]
            await ws.recv()
        await lab.settled()
        for number, what in enumerate(["ping", "ping", "ping", "message", "close"], 1):
            panel._last.note(event(number, what, socket=0))
        return pings_of(panel)

    assert list(in_a_lab(main).values())[1:] == [3, 3, 0]


@pytest.mark.parametrize("page_says", ["sent", "not sent, and no error"])
def test_whether_a_frame_crossed_is_read_from_the_recording(page_says: str) -> None:
    async def main(lab: Lab) -> list[str | None]:
        server = await lab.serve()
        panel = begun(lab)
        async with lab.connect(origin=PAGE) as ws:  # type: ignore[arg-type]
            if page_says == "sent":
                await ws.send("late")
                await ws.recv()
                await ws.close(3000)
            else:
                ws.transport.abort()  # type: ignore[attr-defined]
                await ws.wait_closed()
        await lab.settled()
        panel._last.note(event(0, "new WebSocket()", socket=0, target="/", port=server.port))
        panel._last.note(event(1, "close()", socket=0, code=3000))
        panel._last.note(event(2, "send()", socket=0))
        known = [tried(panel, 0, "close(3000)")]
        panel._last.note(event(3, "close", socket=0, code=1006))
        return [*known, tried(panel, 0, "close(3000)"), tried(panel, 0, LATE)]

    assert in_a_lab(main) == [None, page_says, page_says]


def test_what_a_try_threw_is_its_outcome() -> None:
    async def main(lab: Lab) -> str | None:
        await lab.serve()
        panel = begun(lab, event(0, "close()", socket=1, thrown="SyntaxError: too long"), event(1, "close", socket=1))
        return tried(panel, 1, TRIES[1])

    assert in_a_lab(main) == "SyntaxError"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], None),
        ([event(0, "open", socket=0)], None),
        ([event(0, "error", socket=0)], None),
        ([event(0, "error", socket=0), event(1, "close", socket=0, code=1006)], "error, close 1006"),
        ([event(0, "close", socket=0, code=4001)], "close 4001"),
        ([event(0, "close", socket=1, code=4001)], None),
    ],
)
def test_the_events_that_tell_of_an_end_are_those_that_the_page_had(told: Any, words: str | None) -> None:
    async def main(lab: Lab) -> str | None:
        await lab.serve()
        return told_of_end(begun(lab, *told), 0)

    assert in_a_lab(main) == words


def test_the_servers_of_the_lesson_end_as_they_say() -> None:
    async def main(lab: Lab) -> list[list[str]]:
        await lab.serve(vanish, process_request=refuse)
        with pytest.raises(InvalidStatus):
            await lab.connect("/refused")
        for path in ("/fin", "/rst"):
            async with lab.connect(path) as ws:
                with pytest.raises(ConnectionClosedError):
                    await ws.recv()
        return [
            [one.summary.split(",")[0] for one in lab.trace.connection(number) if one.sender is Sender.SERVER]
            for number in lab.trace.connections
        ]

    refused, fin, rst = in_a_lab(main)
    assert refused[0].startswith("403")
    assert fin == ["101 Switching Protocols", "FIN"]
    assert rst == ["101 Switching Protocols", "RST"]


DONE = event(9, "console", level="log", text="that was all")
OPTIONS = event(0, "console", level="log", text="options: SyntaxError")


def asking(*authorization: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What comes of requests of a page with these headers: before the page is done, and after."""

    async def main(lab: Lab) -> tuple[dict[str, Any], dict[str, Any]]:
        await lab.serve(greet, origins=None, process_request=ask_for_password)
        for value in authorization:
            headers = {"Authorization": value} if value else {}
            async with await lab.raw() as raw:
                lines = [f"{name}: {said}\r\n" for name, said in headers.items()]
                await raw.send(
                    (
                        f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                        f"Origin: {PAGE}\r\n{''.join(lines)}\r\n"
                    ).encode()
                )
                await raw.send(b"\x88\x80\0\0\0\0") if value else None
                await raw.recv_to_end()
        requests = requests_of_pages(lab)
        early, late = begun(lab, OPTIONS), begun(lab, OPTIONS, DONE)
        return authorized(early, requests), authorized(late, requests)

    return in_a_lab(main)


def test_which_requests_had_the_header_is_read_from_the_recording() -> None:
    early, late = asking(None, "Basic YWRhOnB3", "Basic YWRhOnB3")
    assert set(early.values()) == {None}
    assert list(late.values()) == IN_CHROMIUM["09.password"]
    _, other = asking("Basic YWRhOnB3", None)
    assert list(other.values()) == ["SyntaxError", WITH, WITHOUT, NO_MORE]


def outcomes(name: str) -> dict[str, Any]:
    cases: dict[str, tuple[str, ...]] = {
        "09.pings": tuple(in_a_lab(lambda lab: _cases(lab, pings))),
        "09.limits": TRIES,
        "09.told": tuple(ENDINGS),
        "09.password": AUTHORIZED,
    }
    return dict(zip(cases[name], IN_CHROMIUM[name], strict=True))


async def _cases(lab: Lab, read: Any) -> list[str]:
    await lab.serve()
    return list(read(in_page(lab, PINGS)))


@pytest.mark.parametrize("name", IN_CHROMIUM)
def test_the_usual_answers_are_surprises_with_their_reasons(name: str) -> None:
    """Misconceptions 3 and 4, 17 and 21, 26, 25, with what Chromium did."""
    check_usual(name, outcomes(name))


def test_without_a_page_nothing_is_told() -> None:
    async def main(lab: Lab) -> list[Any]:
        await lab.serve()
        panel = in_page(lab, LIMITS)
        return [
            value
            for told in (pings(panel), limits(panel), endings(panel), authorizations(lab, panel))
            for value in told.values()
        ]

    assert set(in_a_lab(main)) == {None}
    assert NOT_SHOWN == "not shown here"


def test_the_quiz_is_right() -> None:
    asked = quiz("09")
    asked.answer({name: case.was for name, case in asked.asked.cases.items()})
    assert [row.verdict for row in asked.marked.rows] == ["right"] * 5
    assert all(case.why(case.usual) for case in asked.asked.cases.values())


# Node and Python.


@cache
def said() -> dict[str, str]:
    async def main(lab: Lab) -> dict[str, str]:
        await lab.serve()
        return await choices(lab)

    return in_a_lab(main)


@pytest.mark.usefixtures("node_path")
def test_two_libraries_send_the_same_and_refuse_the_same() -> None:
    by_ws, by_websockets = list(said().values())[::2], list(said().values())[1::2]
    assert by_ws == by_websockets == ["sent", "sent", "refused", "sent", "refused", "sent", "refused", "refused"]
    check_usual("09.choices", said())


@pytest.mark.usefixtures("node_path")
def test_what_crosses_is_what_they_say_and_of_a_reason_123_bytes() -> None:
    codes = {1000: "sent", 1001: "sent", 1014: "sent", 3000: "sent", 4999: "sent"}
    codes |= dict.fromkeys((1004, 1005, 1006, 1015, 2999, 5000), "refused")

    async def main(lab: Lab) -> None:
        await lab.serve()
        attempts = [*((code, "") for code in codes), (4000, "a" * 123), (4000, "a" * 124)]
        assert await closed_by_ws(lab, attempts) == [*codes.values(), "sent", "refused"]
        await lab.settled()
        reports = [lab.trace.closings(each)[Sender.SERVER].code for each in lab.trace.connections]
        assert reports == [*(code if said == "sent" else 1005 for code, said in codes.items()), 4000, 1005]
        for code, said in codes.items():
            assert await closed_by_websockets(lab, code, "") == said
        assert await closed_by_websockets(lab, 4000, "a" * 124) == "refused"

    in_a_lab(main)


@pytest.mark.usefixtures("node_path")
def test_ws_offers_compression_unasked_and_names_no_origin() -> None:
    async def main(lab: Lab) -> tuple[list[str], list[str]]:
        await lab.serve(greet)
        async with lab.connect():
            pass
        async with await lab.node(CLIENT_SCRIPT, kind="client") as client:
            await client.wait_for("Server: Hello client!")
        first, second = lab.trace.connections
        return other_headers(lab.trace, first), other_headers(lab.trace, second)

    assert in_a_lab(main) == (["User-Agent"], ["Sec-WebSocket-Extensions"])


@pytest.mark.usefixtures("node_path")
def test_the_articles_name_for_the_server_is_another_name_of_todays() -> None:
    assert "new ws.Server(" in SERVER_SCRIPT

    async def main(lab: Lab) -> str:
        await lab.serve()
        script = 'const ws = require("ws"); console.log(ws.Server === ws.WebSocketServer);'
        async with await lab.node(script, kind="client") as client:
            await client.wait_closed()
            return client.output.strip()

    assert in_a_lab(main) == "true"


# A layer above.


def layered(answer: str | None) -> dict[str, str]:
    async def main(lab: Lab) -> dict[str, str]:
        await talk(lab, answer)
        return layers(lab.trace)

    return in_a_lab(main)


def test_socket_io_is_text_above_and_closes_who_does_not_answer() -> None:
    """Misconception 14."""
    told = layered(None)
    assert list(told.values()) == ["1, text", "a TEXT frame", "is closed"]
    check_usual("09.layer", told)
    assert OPEN.startswith('0{"sid"')


def test_who_answers_is_kept_and_another_server_is_read_otherwise() -> None:
    assert list(layered("3").values()) == ["1, text", "a TEXT frame", "is kept"]

    async def pinging(connection: ServerConnection) -> None:
        await connection.send(b"0")
        await (await connection.ping())

    async def main(lab: Lab) -> dict[str, str]:
        await lab.serve(pinging)
        async with lab.connect() as ws:
            async for _ in ws:
                pass
        return layers(lab.trace)

    assert list(in_a_lab(main).values()) == ["2, binary", "a PING frame", "is closed"]


# The exercise.


def check(answer: Any, **kwargs: Any) -> ExerciseVerdict:
    return asyncio.run(farewell.check(answer, **kwargs))


def doing(body: str) -> Callable[[], str]:
    return lambda: f"function goodbye(socket, status, text) {{\n{body}\n}}"


def test_fifty_seeds_have_a_text_that_is_too_long_in_letters_and_one_in_bytes() -> None:
    for seed in range(50):
        cases = farewells(Trial(f"{seed} farewell 0"))
        assert all(400 <= status <= 429 for status, _ in cases)
        sizes = [(len(text), len(text.encode())) for _, text in cases]
        assert sizes[0][1] < MOST
        assert sizes[1] == (MOST, MOST)
        assert sizes[2][0] > MOST
        assert all(letters < MOST < size for letters, size in sizes[3:])
        assert all(MOST - 4 < len(cut(text).encode()) <= MOST for _, text in cases[1:])


@pytest.mark.usefixtures("node_path")
@pytest.mark.parametrize("seed", ["author", "1", "2"])
def test_the_reference_is_solved(seed: str) -> None:
    check(page_goodbye, seed_of=seed).assert_solved()


@pytest.mark.usefixtures("node_path")
@pytest.mark.slow
def test_the_reference_is_solved_for_more_seeds() -> None:
    for seed in range(3, 9):  # what differs between seeds is asserted for fifty above
        check(page_goodbye, seed_of=str(seed)).assert_solved()


@pytest.mark.usefixtures("node_path")
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: 7, "must return the JavaScript as a text"),
        (lambda: "socket.close()", "There is no function goodbye"),
        (doing("socket.close(status, text.slice(0, 123));"), "The code is no code of WebSocket's"),
        (doing("socket.close(4000 + status, text);"), "Cut the text before you close"),
        (doing("socket.close(4000 + status, text.slice(0, 123));"), "You count letters"),
        (
            doing(
                "const data = new TextEncoder().encode(text).slice(0, 123);\n"
                "socket.close(4000 + status, new TextDecoder().decode(data));"
            ),
            "You cut through a letter",
        ),
        (doing("socket.close();"), "closes without a code"),
        (doing(""), "does not call `socket.close`"),
        (doing("socket.close('4' + status, text);"), "Your code is a text"),
        (
            doing(
                "while (new TextEncoder().encode(text).length > 123) text = text.slice(0, -1);\n"
                "socket.close(4000 + status, text);"
            ),
            "You cut 👋 into two halves",
        ),
        (doing("socket.close(4001, 'bye');"), "The code is not 4000 and the status"),
        (doing("socket.close(4000 + status, [...text].slice(0, 30).join(''));"), "The reason is not what is wanted"),
        (doing("socket.close(4000 + status,, text);"), "SyntaxError"),
        (doing("require('fs').rmSync(text);"), "It has what a page has, and nothing of Node's"),
        (doing("socket.close(4000 + process.pid, text);"), "ReferenceError: process"),
    ],
)
def test_a_foreseen_mistake_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(answer)
    assert not verdict.solved
    assert says in " ".join(repr(verdict).split())


@pytest.mark.usefixtures("node_path")
@pytest.mark.slow
def test_an_endless_loop_in_node_and_one_in_python_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.course.experiments.lesson09.PATIENCE", 3.0)
    for body, says in {
        "for (;;) {}": "Script execution timed out after 1000ms",
        "(function again() { Promise.resolve().then(again); })();": "had not ended after 3 s",
    }.items():
        assert says in " ".join(repr(check(doing(body))).split())

    def endless() -> str:
        while True:
            pass

    assert "had not returned after 1 s" in repr(check(endless))


def test_where_there_is_no_node_the_verdict_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def missing(*_: Any, **__: Any) -> Any:
        raise NodeMissing("Node is not installed")

    monkeypatch.setattr(Lab, "node", missing)
    assert "Node is not installed" in repr(check(page_goodbye))


def test_the_panel_for_the_exercise_waits_for_a_program() -> None:
    def stub() -> str:
        raise NotImplementedError

    async def main(lab: Lab) -> tuple[Any, Any]:
        await lab.serve()
        return try_in_page(lab, stub, 401, "bye"), try_in_page(lab, page_goodbye, 401, 'say "bye"')

    waiting, panel = in_a_lab(main)
    assert repr(waiting) == "Write your program first, and then run this cell again."
    assert 'const text = "say \\"bye\\"";' in panel.code
    assert panel.code.startswith("function goodbye")
