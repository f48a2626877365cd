"""Lesson 11, origin, trust and TLS: who is let in, who reads along, and the bank's door. Pages: tests/browser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import pytest
from usual import check_usual
from websockets.asyncio.server import ServerConnection

from wslab import Lab, predict, quiz
from wslab.course import ExerciseVerdict, Trial
from wslab.course.awaited import Awaited
from wslab.course.experiments.lesson11 import (
    ACCOUNTS,
    BALANCE,
    BANK_PAGE,
    STRANGER,
    balance_of,
    door,
    echoed,
    hijack,
    knock,
    let_in,
    let_in_by,
    logged_in,
    over_http,
    read_in_four_ways,
    read_with_tls,
    read_without_tls,
    say_password,
    status,
    status_of_page,
    stolen,
    visitors,
    with_page,
)
from wslab.course.experiments.trust import connects
from wslab.course.prediction import NEEDS_A_PAGE, NOT_SHOWN
from wslab.live.relay.bends import FlipBits

T = TypeVar("T")
BANK = "https://bank.example"
PAGE = "http://127.0.0.1:8888"


async def bank(connection: ServerConnection) -> None:
    assert connection.request is not None
    await connection.send(balance_of(connection.request.headers))
    await connection.wait_closed()


def in_a_lab(program: Callable[[Lab], Awaitable[T]], **kwargs: Any) -> T:
    async def main() -> T:
        async with Lab(seed=11, **kwargs) as lab:
            return await program(lab)

    return asyncio.run(main())


# The bank and the hijack, as far as no page is needed.


@pytest.mark.parametrize(
    ("cookie", "told"),
    [
        ("session=ada", BALANCE),
        ('_xsrf=2|abc; username-127-0-0-1="2|1:0|x="; session=ada', BALANCE),  # cookies know no port
        ("session=eve", STRANGER),
        ("theme=dark", STRANGER),
        ("", STRANGER),
    ],
)
def test_the_bank_knows_its_customer_by_the_cookie(cookie: str, told: str) -> None:
    assert balance_of({"Cookie": cookie}) == told


def test_the_bank_answers_a_plain_get_of_its_chat_too() -> None:
    async def main(lab: Lab) -> list[bytes]:
        server = await lab.serve(bank, origins=None, process_request=over_http)
        server.page(BANK_PAGE)
        answers = []
        for path in ("/chat", "/"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nCookie: session=ada\r\n\r\n".encode()
            )
            answers.append(await reader.read())
            writer.close()
        return answers

    chat, page = in_a_lab(main)
    assert chat.startswith(b"HTTP/1.1 200")
    assert chat.endswith(BALANCE.encode())
    assert b"access-control" not in chat.lower(), "or fetch could read it"
    assert b"<title>The bank</title>" in page


@pytest.mark.parametrize(("names", "is_in"), [(2, True), (1, False), (0, False)])
def test_ada_is_logged_in_when_the_bank_greeted_its_page_under_both_names(names: int, is_in: bool) -> None:
    async def main(lab: Lab) -> bool:
        server = await lab.serve(bank, origins=None)
        page = server.page(BANK_PAGE)
        for origin in page.origins[:names]:
            assert await status(lab, origin) == "101"
        await status(lab, PAGE)
        await lab.settled()
        return logged_in(lab.trace, page)

    assert in_a_lab(main) is is_in


def event(number: int, what: str, **told: Any) -> dict[str, Any]:
    return {"n": number, "t": 0, "what": what, **told}


RUN = [
    event(0, "new WebSocket()", socket=0, target="/chat", port=1234),
    event(1, "message", socket=0, data=BALANCE, data_type="string"),
    event(2, "close", socket=0, code=1000),
    event(3, "message", socket=1, data=STRANGER),
    event(4, "close", socket=2, code=1006),
]
"""What another page tells: the Strict cookie did not go along, and the other name was refused."""


def test_what_a_page_read_is_what_the_page_told() -> None:
    async def main(lab: Lab) -> list[Mapping[str, Any]]:
        server = await lab.serve(bank, origins=None)
        attack = hijack(lab, server.page(BANK_PAGE))
        outcome = stolen(attack)
        known = [dict(outcome)]
        for told in RUN:
            attack._last.note(told)
        known.append(read_in_four_ways(attack, began=True))
        for said in ("fetch: TypeError: Failed to fetch", f"fetch: {BALANCE}"):
            attack._last.entries.pop() if len(attack._last.entries) > len(RUN) else None
            attack._last.note(event(5, "console", level="log", text=said))
            known.append(read_in_four_ways(attack, began=True))
        known.append(dict(outcome))
        return known

    nothing, without_fetch, fetch_failed, fetch_read, not_begun = in_a_lab(main)
    assert set(nothing.values()) == set(not_begun.values()) == {None}, "before Ada is logged in nothing is an outcome"
    assert list(without_fetch.values()) == [BALANCE, STRANGER, "nothing", None]
    assert list(fetch_failed.values()) == [BALANCE, STRANGER, "nothing", "nothing"]
    assert list(fetch_read.values())[3] == BALANCE


HIJACKED = [BALANCE, BALANCE, STRANGER, "nothing"]
"""As ``tests/browser/test_hijack.py`` sees it in Chromium."""


def test_the_usual_answers_are_surprises_with_their_reasons() -> None:
    """Misconception 10, with what Chromium did."""
    check_usual("11.hijack", dict(zip(predict("11.hijack").asked.cases, HIJACKED, strict=True)))
    check_usual("11.origins", {"the page of this notebook": "403", **answered()})
    check_usual("11.wires", on_the_wires())
    check_usual("11.flip", flipped(tls=True))
    check_usual("11.trust", trusted())


def test_without_a_page_the_table_says_so_and_invents_nothing() -> None:
    async def main(lab: Lab) -> str:
        server = await lab.serve(bank, origins=None)
        return repr(predict("11.hijack").reveal(stolen(hijack(lab, server.page(BANK_PAGE)))))

    shown = in_a_lab(main)
    assert shown.count(NOT_SHOWN) == 5  # four rows and the sentence
    assert NEEDS_A_PAGE in shown
    assert "surprise" not in shown


class Telling:
    """What tells an outcome when the test says so."""

    def __init__(self) -> None:
        self.known: dict[str, str | None] = {"one": None, "two": None}
        self.watchers: list[Callable[[], object]] = []

    def watch(self, wake: Callable[[], object]) -> None:
        self.watchers.append(wake)

    def tell(self, **known: str | None) -> None:
        self.known |= known
        for wake in self.watchers:
            wake()


@pytest.mark.usefixtures("student")
def test_an_outcome_that_comes_later_fills_in_and_then_stays() -> None:
    from wslab.course.journal import events

    source = Telling()
    guess = predict("What comes?", {"one": ["a", "b"], "two": ["a", "b"]}, meaning="It came.")
    reveal = guess.reveal(Awaited(source, lambda: dict(source.known)))
    changes: list[int] = []
    guess.watch(lambda: changes.append(1))
    source.tell(one="a")
    assert "rows" not in reveal.state()
    guess.answer(one="a", two="a")
    assert [row.was for row in reveal.rows] == ["a", NOT_SHOWN]
    assert reveal.state()["meaning"] == NEEDS_A_PAGE
    assert reveal.state()["score"] == "1 of 1 as predicted"
    assert not [one for one in events() if one["event"] == "predicted"]
    source.tell(two="b")
    assert [row.verdict for row in reveal.rows] == ["as predicted", "surprise"]
    assert reveal.state()["meaning"] == "It came."
    source.tell(one="b", two=None)
    assert [row.was for row in reveal.rows] == ["a", "b"], "the first outcome stays"
    assert [(one["surprises"], one["of"]) for one in events() if one["event"] == "predicted"] == [(1, 2)]
    assert len(changes) >= 4


# The allow-list.


CLIENTS = {
    "a page whose address begins alike": "https://bank.example.evil.example",
    "the bank's own page over http:": "http://bank.example",
    "a program that names no origin": None,
    "a program that says it is the bank's page": BANK,
}


@cache
def answered() -> dict[str, str]:
    async def main(lab: Lab) -> dict[str, str]:
        await lab.serve(bank, origins=[BANK])
        return await let_in_by(lab, CLIENTS)

    return in_a_lab(main, carrier="memory")


def test_an_allow_list_compares_whole_origins_and_stops_no_liar() -> None:
    assert list(answered().values()) == ["403", "403", "403", "101"]


@pytest.mark.parametrize(
    ("served", "origin", "expected"),
    [
        ({"origins": None}, "https://evil.example", "101"),
        ({"origins": [BANK]}, "https://evil.example", "403"),
        ({}, None, "101"),  # a lab lets programs in, and no page
        ({}, "https://evil.example", "403"),
    ],
)
def test_who_is_let_in_is_for_the_server_to_say(served: dict[str, Any], origin: str | None, expected: str) -> None:
    async def main(lab: Lab) -> str:
        await lab.serve(bank, **served)
        return await status(lab, origin)

    assert in_a_lab(main, carrier="memory") == expected


def test_a_foreign_page_gets_in_with_the_cookie_where_nobody_looks() -> None:
    """Misconception 10, as a program acts it; with TLS it is the same."""

    async def main(lab: Lab) -> str | bytes:
        await lab.serve(bank, tls=True, origins=None)
        cookie = {"Cookie": "session=ada"}
        async with lab.connect("/chat", origin="https://evil.example", additional_headers=cookie) as ws:
            return await ws.recv()

    assert in_a_lab(main) == ACCOUNTS["ada"]


@pytest.mark.parametrize(("origins", "what", "expected"), [(None, "open", "101"), ([BANK], "error", "403")])
def test_the_pages_own_status_is_read_from_the_recording(origins: Any, what: str, expected: str) -> None:
    async def main(lab: Lab) -> list[str | None]:
        server = await lab.serve(bank, origins=origins)
        panel = knock(lab)
        page = {"page": "1", "origin": PAGE, "loopback": True, "jupyter": True}
        panel._start(page)
        told = [with_page(panel, {}, "page")["page"]]
        await status(lab, PAGE)
        panel._last.note(event(0, "new WebSocket()", socket=0, target="/chat", port=server.port))
        panel._last.note(event(1, what, socket=0))
        assert server._origins == origins, "a lesson's page is let in by the list alone"
        return [*told, status_of_page(panel)]

    assert in_a_lab(main) == [None, expected]


# On the wire.


@cache
def on_the_wires() -> dict[str, str]:
    async def main() -> dict[str, str]:
        async with Lab(seed=11) as plain, Lab(seed=11) as secure:
            await plain.serve()
            await secure.serve(tls=True)
            relay = await plain.relay()
            await say_password(plain, relay.uri)
            await say_password(secure)
            return read_without_tls(relay) | read_with_tls(secure.eavesdropped())

    return asyncio.run(main())


def test_ws_is_read_and_wss_tells_the_host_and_the_lengths() -> None:
    """Misconception 20, and 2: a masked frame is read as any other."""
    assert list(on_the_wires().values()) == ["yes", "yes", "yes", "no", "no", "yes"]


def test_who_says_something_else_is_read_otherwise() -> None:
    async def main() -> dict[str, str]:
        async with Lab(seed=11) as plain, Lab(seed=11) as secure:
            await plain.serve()
            await secure.serve(tls=True)
            relay = await plain.relay()
            for uri, lab in ((relay.uri, plain), (None, secure)):
                async with lab.connect(uri) as ws:
                    await ws.send("no")
                    await ws.recv()
            await plain.settled()
            await secure.settled()
            return read_without_tls(relay) | read_with_tls(secure.eavesdropped())

    assert list(asyncio.run(main()).values()) == ["no", "no", "yes", "no", "no", "no"]


def flipped(*, tls: bool, at: int = 50_000) -> str:
    async def main(lab: Lab) -> str:
        await lab.serve(tls=tls)
        relay = await lab.relay(tls="through" if tls else None, bends=[FlipBits(7, at=at)])
        async with lab.connect(relay.uri) as ws:
            return await echoed(ws, "x" * 100_000)

    return in_a_lab(main)


def test_a_flipped_bit_ends_tls_and_changes_one_letter_without() -> None:
    assert flipped(tls=True) == "nothing"
    assert flipped(tls=False) == "all of them, 1 changed"
    assert flipped(tls=True, at=10**9) == "all of them, 0 changed"


@cache
def trusted() -> dict[str, str]:
    async def main(lab: Lab) -> dict[str, str]:
        await lab.serve(tls=True)
        return await connects(lab)

    return in_a_lab(main)


def test_only_who_was_told_of_the_authority_connects_and_under_the_certificates_name() -> None:
    assert [each.partition(":")[0] for each in trusted().values()] == ["yes", "no", "yes", "no", "no"]


def test_the_quiz_is_right() -> None:
    asked = quiz("11")
    asked.answer({name: case.was for name, case in asked.asked.cases.items()})
    assert [row.verdict for row in asked.marked.rows] == ["right"] * 5
    assert all(case.why(case.usual) for case in asked.asked.cases.values())


# The exercise.


def check(answer: Any, **kwargs: Any) -> ExerciseVerdict:
    return asyncio.run(door.check(answer, **kwargs))


@pytest.mark.slow
def test_the_reference_is_solved_for_fifty_seeds() -> None:
    for seed in range(50):
        check(let_in, seed_of=str(seed)).assert_solved()


def test_each_visitor_tells_a_guard_from_another() -> None:
    assert [let_in(one.headers, BANK, "t") for one in visitors(BANK, "t")] == [
        one.wanted for one in visitors(BANK, "t")
    ]
    assert Trial("x").random.random() == Trial("x").random.random()


def of_page(headers: Mapping[str, str]) -> bool:
    return "session=" in headers.get("Cookie", "")


MISTAKES: list[tuple[Callable[[Mapping[str, str], str, str], Any], str]] = [
    (lambda h, own, token: None, "Your function returned None. Is a return missing?"),
    (
        lambda h, own, token: h["Origin"].startswith(own) and of_page(h) if "Origin" in h else let_in(h, own, token),
        "You compare a part of the origin",
    ),
    (
        lambda h, own, token: of_page(h) if "Origin" in h else let_in(h, own, token),
        "You compare a part of the origin. A page of https://bank.example.evil.example got in",
    ),
    (
        lambda h, own, token: (
            h["Origin"].endswith("bank.example") and of_page(h)
            if "Origin" in h and "evil" not in h["Origin"]
            else let_in(h, own, token)
        ),
        "The scheme is a part of the origin",
    ),
    (
        lambda h, own, token: h["Origin"] == own if "Origin" in h else let_in(h, own, token),
        "got in without a session",
    ),
    (lambda h, own, token: let_in(h, own, token) if "Origin" in h else True, "A program without a token got in"),
    (
        lambda h, own, token: let_in(h, own, token) if "Origin" in h else of_page(h) or let_in(h, own, token),
        "with a session and without a token",
    ),
    (
        lambda h, own, token: (
            let_in(h, own, token) if "Origin" in h else h.get("Authorization", "").startswith(f"Bearer {token}")
        ),
        "You compare a part of the token",
    ),
    (lambda h, own, token: "Origin" in h and let_in(h, own, token), "The app was kept out"),
    (lambda h, own, token: h["Origin"] == own, "Your code raised KeyError"),
]


@pytest.mark.parametrize(("answer", "says"), MISTAKES)
@pytest.mark.lengthy
def test_a_foreseen_mistake_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(answer)
    assert not verdict.solved
    assert says in " ".join(repr(verdict).split())


@pytest.mark.slow
def test_an_endless_loop_is_stopped() -> None:
    def endless(headers: Any, own: str, token: str) -> bool:
        while True:
            pass

    assert "had not returned after 1 s" in repr(check(endless))
