"""A show of hands: a class votes, nobody else gets in, and nothing listens beyond loopback unless that was asked."""

import asyncio
import contextlib
import http.client
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waits import until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidMessage, InvalidStatus

from wslab.course import Bits, Choice, Hex, Number, Order, Text, ballot, hands, predict, show_of_hands
from wslab.course.hands import ShowOfHands, own_address
from wslab.course.prediction import Prediction
from wslab.drawing.visible import harmless
from wslab.live.jupyter import doors

CASES = {
    "bytes": Number(unit="bytes"),
    "who is first": Choice("the client", "the server"),
    "in which order": Order("GET", "101", "frame"),
    "a word": Text(),
}
VOTE = {"bytes": "7 bytes", "who is first": "the client", "in which order": "GET → 101 → frame", "a word": "Hello"}
OUTCOME = {"bytes": 7, "who is first": "the server", "in which order": ["GET", "101", "frame"], "a word": "hello"}


def question() -> Prediction:
    return predict("What crosses?", CASES, meaning="A frame is two bytes and the letters.")


@contextlib.asynccontextmanager
async def opened(network: bool | str = False) -> AsyncIterator[tuple[Prediction, ShowOfHands]]:
    guess = question()
    async with asyncio.timeout(30):
        vote = await show_of_hands(guess, network=network)
        try:
            yield guess, vote
        finally:
            await vote.close()


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


def origin(vote: ShowOfHands) -> str:
    return vote.address.removesuffix("/")


def come(vote: ShowOfHands, **kwargs: Any) -> connect:
    return connect(vote.server.uri, **{"origin": origin(vote), "proxy": None, **kwargs})


async def ask(client: ClientConnection, what: object) -> dict[str, Any]:
    """Say something as JSON; the answer."""
    await client.send(what if isinstance(what, str | bytes) else json.dumps(what))
    told: dict[str, Any] = json.loads(await client.recv())
    return told


@contextlib.asynccontextmanager
async def voter(vote: ShowOfHands, **kwargs: str) -> AsyncIterator[tuple[ClientConnection, dict[str, Any]]]:
    async with come(vote) as client:
        yield client, (await ask(client, {"join": vote.code, **kwargs}))["asked"]


def listening() -> set[tuple[str, int]]:
    """Where this process listens."""
    found = psutil.Process().net_connections("inet")
    return {tuple(each.laddr) for each in found if each.status == psutil.CONN_LISTEN}  # type: ignore[misc]


def is_beyond(place: tuple[str, int]) -> bool:
    return not (place[0].startswith("127.") or place[0] == "::1")


def test_a_class_of_thirty_votes_and_sees_what_happened() -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as room, opened() as (guess, vote):

            async def one(number: int) -> ClientConnection:
                client, asked = await room.enter_async_context(voter(vote))
                assert asked["question"] == "What crosses?"
                assert [case["name"] for case in asked["cases"]] == list(CASES)
                given = {**VOTE, "bytes": str(7 if number < 20 else number)}
                assert await ask(client, {"vote": given}) == {"counted": given}
                return client

            clients = await asyncio.gather(*map(one, range(30)))
            assert (vote.voters, vote.present) == (30, 30)
            bars = vote.bars
            assert [tuple(bar) for bar in bars["who is first"]] == [("the client", 30, None), ("the server", 0, None)]
            assert tuple(bars["bytes"][0]) == ("7", 20, None)
            assert sum(bar.votes for bar in bars["bytes"]) == 30
            assert len(bars["bytes"]) == ballot.MOST_SHOWN + 1
            assert guess.answers == {}

            vote.reveal()
            assert guess.locked
            assert guess.answers["bytes"] == "7"
            over = [json.loads(await client.recv())["over"] for client in clients]
            assert all(not told["told"] and told["was"] == {} and told["meaning"] == "" for told in over)
            guess.reveal(OUTCOME)
            over = [json.loads(await client.recv())["over"] for client in clients]
            assert all(told == over[0] for told in over)
            assert over[0]["bars"]["who is first"] == [["the client", 30, False], ["the server", 0, True]]
            assert over[0]["was"]["who is first"] == "the server"
            assert over[0]["meaning"] == "A frame is two bytes and the letters."
            assert await ask(clients[0], {"vote": VOTE}) == {"wrong": "The vote is over."}
            async with voter(vote) as (late, _):
                assert json.loads(await late.recv())["over"] == over[0]
        with pytest.raises(ConnectionClosed):
            await clients[0].recv()
        assert clients[0].close_code == 1001

    run(main)


def test_a_voter_has_one_vote_also_after_coming_back() -> None:
    async def main() -> None:
        async with opened() as (_, vote):
            async with voter(vote) as (client, asked):
                assert asked["said"] == {}
                await ask(client, {"vote": {"a word": "one"}})
                await ask(client, {"vote": {"a word": "two"}})
            async with voter(vote, voter=asked["voter"]) as (client, again):
                assert (again["voter"], again["said"]) == (asked["voter"], {"a word": "two"})
                await ask(client, {"vote": {"a word": "three"}})
                assert [tuple(bar) for bar in vote.bars["a word"]] == [("three", 1, None)]
            async with voter(vote, voter="0" * 32) as (_, other):
                assert other["voter"] not in ("0" * 32, asked["voter"])
            assert vote.voters == 1

    run(main)


@pytest.mark.parametrize("code", ["", "AAA-AAA", None, 7, ["x"], "\ud800", "ß" * 300, {"a": 1}])
@pytest.mark.lengthy
def test_a_wrong_join_code_gets_nowhere(code: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "SLOW", 0.05)

    async def main() -> None:
        async with opened() as (_, vote), come(vote) as client:
            began = time.monotonic()
            with pytest.raises(ConnectionClosedError) as caught:
                await ask(client, {"join": code})
            assert time.monotonic() - began >= 0.05
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "this is not the join code")
            assert (vote.voters, vote.present) == (0, 0)

    run(main)


@pytest.mark.parametrize("said", ["{}", "[]", "vote", b"\x00\xff", '{"vote": {"a word": "x"}}', "[" * 2000])
def test_who_has_not_joined_cannot_vote(said: str | bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "SLOW", 0.0)

    async def main() -> None:
        async with opened() as (_, vote), come(vote) as client:
            with pytest.raises(ConnectionClosedError):
                await ask(client, said)
            assert vote.voters == 0

    run(main)


def test_the_join_code_may_be_typed_as_people_type() -> None:
    async def main() -> None:
        async with opened() as (_, vote):
            assert len(vote.code) == 6
            for said in (vote.code.lower(), hands.spaced(vote.code), f" {vote.code[:2]} {vote.code[2:]} "):
                async with come(vote) as client:
                    assert "asked" in await ask(client, {"join": said})

    run(main)


def test_it_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(hands.hmac, "compare_digest", lambda *both: compared.append(both) or False)
    monkeypatch.setattr(hands, "SLOW", 0.0)

    async def main() -> None:
        async with opened() as (_, vote), come(vote) as client:
            with pytest.raises(ConnectionClosedError):
                await ask(client, {"join": vote.code})
            assert compared == [(vote.code.encode(), vote.code.encode())]

    run(main)


@pytest.mark.lengthy
def test_guessing_is_slow_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess that is wrong holds one of a few places for a while, so more connections make no more guesses."""
    monkeypatch.setattr(hands, "SLOW", 0.1)
    monkeypatch.setattr(hands, "AT_ONCE", 2)
    monkeypatch.setattr(hands, "MOST_WRONG", 10)

    async def main() -> None:
        async with opened() as (_, vote), voter(vote) as (inside, _):

            async def guess(number: int) -> str:
                async with come(vote) as client:
                    with pytest.raises(ConnectionClosedError) as caught:
                        await ask(client, {"join": f"AAA{number:03}"})
                    assert caught.value.rcvd is not None
                    return caught.value.rcvd.reason

            began = time.monotonic()
            reasons = await asyncio.gather(*map(guess, range(14)))
            assert time.monotonic() - began >= 0.5  # ten guesses, two at once
            assert reasons.count("this is not the join code") in (10, 11)
            async with come(vote) as client:
                with pytest.raises(ConnectionClosedError, match="too many wrong join codes"):
                    await ask(client, {"join": vote.code})
            # Who is in stays in.
            assert "counted" in await ask(inside, {"vote": {"a word": "still here"}})

    run(main)


FOREIGN = ["http://evil.example", "null", "http://localhost:8888", "http://127.0.0.1", None]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_foreign_origin_gets_nowhere(foreign: str | None) -> None:
    async def main() -> None:
        async with opened() as (_, vote):
            with pytest.raises(InvalidStatus) as caught:
                await come(vote, origin=foreign)
            assert caught.value.response.status_code == 403
            assert vote.present == 0

    run(main)


def test_another_name_of_the_host_is_refused() -> None:
    async def main() -> None:
        async with opened() as (_, vote):
            assert await asyncio.to_thread(fetch, vote, "evil.example") == 403
            assert await asyncio.to_thread(fetch, vote, "192.168.0.1") == 403

    run(main)


def fetch(vote: ShowOfHands, host: str | None = None) -> int:
    """The status of the answer to a plain request for the page."""
    where, port = vote.server.uri[5:-1].split(":")
    connection = http.client.HTTPConnection(where, int(port), timeout=10)
    connection.request("GET", "/", headers={"Host": host or f"{where}:{port}"})
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_who_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "PATIENCE", 0.05)

    async def main() -> None:
        async with opened() as (_, vote), come(vote) as client:
            with pytest.raises(ConnectionClosedError, match="no join code came"):
                await client.recv()

    run(main)


WRONG = {
    "no case": ({}, "This is no vote."),
    "no object": ("x", "This is no vote."),
    "not asked": ({"other": "x"}, "This was not asked."),
    "no number": ({"bytes": "many"}, "bytes: expected a number of bytes"),
    "no choice": ({"who is first": "me"}, "who is first: expected the client / the server"),
    "not all": ({"in which order": "GET → 101"}, "in which order: expected in order: GET, 101, frame"),
    "twice": ({"in which order": "GET → GET → 101"}, "in which order: expected in order: GET, 101, frame"),
    "nothing": ({"a word": " "}, "a word: expected in a few words"),
    "no text": ({"a word": {"x": 1}}, "a word: expected at most 60 letters"),
    "too long": ({"a word": "x" * 61}, "a word: expected at most 60 letters"),
}


@pytest.mark.parametrize(("given", "words"), WRONG.values(), ids=WRONG)
def test_what_is_no_vote_is_not_counted(given: object, words: str) -> None:
    async def main() -> None:
        async with opened() as (_, vote), voter(vote) as (client, _):
            assert await ask(client, {"vote": given}) == {"wrong": words}
            assert vote.voters == 0

    run(main)


def test_what_a_voter_makes_grow_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ballot, "MOST_VOTERS", 2)
    monkeypatch.setattr(hands, "MOST_MESSAGES", 3)
    monkeypatch.setattr(hands, "MOST_CONNECTIONS", 3)

    async def main() -> None:
        async with opened() as (_, vote):
            async with voter(vote) as (client, _):
                for _ in range(3):
                    await ask(client, {"vote": {"a word": "x"}})
                with pytest.raises(ConnectionClosedError, match="too many messages"):
                    await client.recv()
            async with voter(vote) as (client, _):
                with pytest.raises(ConnectionClosedError) as caught:
                    await ask(client, "x" * (hands.LONGEST + 1))
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1009
            async with come(vote) as client:
                with pytest.raises(ConnectionClosedError, match="too many voters"):
                    await ask(client, {"join": vote.code})
            await until(lambda: not vote.server.accepted)
            async with come(vote), come(vote), come(vote):
                with pytest.raises((OSError, EOFError, InvalidMessage)):
                    await come(vote)

    run(main)


kinds = st.sampled_from([Number(), Hex(2), Bits(8), Text(), Choice("a", "B"), Order("GET", "101", "x, y")])
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.text("0123456789xXbB-−,._ eE→"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(kinds, st.lists(anything, max_size=8))
@pytest.mark.lengthy
def test_no_vote_does_any_harm_whatever_it_holds(kind: Text, said: list[Any]) -> None:
    votes = ballot.Ballot({"x": kind})
    for one in said:
        voter = votes.voter(one)
        assert voter is not None
        wrong = votes.cast(voter, {"x": one})
        assert votes.of(voter) == ({} if wrong else {"x": one.strip()})
        votes.cast(voter, one)
    bars = votes.bars()["x"]
    assert sum(bar.votes for bar in bars) == votes.voters
    assert all(harmless(bar.answer) == bar.answer for bar in bars)
    assert all(len(bar.answer) < 1000 for bar in bars)


def test_what_voters_write_is_shown_as_text_and_cannot_act() -> None:
    async def main() -> None:
        async with opened() as (_, vote), voter(vote) as (client, _):
            await ask(client, {"vote": {"a word": "\u202e<b>x</b>", "bytes": "15 <script>"}})
            assert vote.bars["a word"][0].answer == "\\u202e<b>x</b>"
            assert vote.bars["bytes"][0].answer == "15"
            assert "<b>" not in vote._repr_html_()

    run(main)


def test_the_page_makes_no_markup_of_text_and_fetches_nothing() -> None:
    page = Path(hands.__file__).with_name("hands.html").read_text(encoding="utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "http://",
        "https://",
        "src=",
    ):
        assert word not in page


def test_without_the_argument_nothing_listens_beyond_loopback() -> None:
    async def main() -> None:
        before = listening()
        async with opened() as (_, vote):
            fresh = listening() - before
            assert fresh == {("127.0.0.1", vote.server.port)}
            assert "Only browsers on this machine can vote." in repr(vote)
            assert "WARNING" not in repr(vote)
            assert await asyncio.to_thread(fetch, vote) == 200
        assert listening() - before == set()

    run(main)


def test_with_the_argument_it_listens_on_one_address_and_says_so_loudly() -> None:
    async def main() -> None:
        before = listening()
        async with opened(network=True) as (_, vote):
            fresh = listening() - before
            assert fresh == {(own_address(), vote.server.port)}
            assert all(map(is_beyond, fresh))
            assert vote.address == f"http://{own_address()}:{vote.server.port}/"
            assert vote.address in repr(vote)
            assert "WARNING: everybody in your network" in repr(vote)
            assert await asyncio.to_thread(fetch, vote) == 200
            assert await asyncio.to_thread(fetch, vote, "evil.example") == 403
            async with voter(vote) as (client, _):
                assert "counted" in await ask(client, {"vote": VOTE})
            with pytest.raises(InvalidStatus):
                await come(vote, origin=f"http://127.0.0.1:{vote.server.port}")
        assert listening() - before == set()

    run(main)


@pytest.fixture(autouse=True)
def is_in_a_network(request: pytest.FixtureRequest) -> None:
    """What needs a network is skipped where this machine is in none."""
    if "with_the_argument" in request.node.name:
        try:
            own_address()
        except OSError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("network", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "localhost", "2001:db8::1"])
def test_it_listens_on_no_other_kind_of_address(network: str) -> None:
    async def main() -> None:
        before = listening()
        with pytest.raises(ValueError, match=r"network|address|Expected"):
            await show_of_hands(question(), network=network)
        assert listening() == before

    run(main)


def test_it_ends_with_its_lab() -> None:
    async def main() -> None:
        before = listening()
        async with opened() as (_, vote), voter(vote) as (client, _):
            await vote.lab.close()
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1001
            assert listening() == before
            assert vote.state()["ended"]
            assert "The vote has ended." in repr(vote)

    run(main)


KERNEL = """
import asyncio
import sys
from wslab.course import predict, show_of_hands

async def main():
    vote = await show_of_hands(predict("What?", {"it": ["a", "b"]}))
    print(vote.server.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


def test_it_ends_with_its_kernel() -> None:
    async def main() -> None:
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KERNEL, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert program.stdin is not None
        assert program.stdout is not None
        port = int(await program.stdout.readline())
        where: Any = f"http://127.0.0.1:{port}"
        async with connect(f"ws://127.0.0.1:{port}/", origin=where, proxy=None) as client:
            program.stdin.close()
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1001
        assert await program.wait() == 0
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    run(main)


def test_only_one_vote_is_open_at_a_time() -> None:
    async def main() -> None:
        first = await show_of_hands(question())
        async with opened() as (_, second):
            assert first.lab.closed
            assert not second.lab.closed
        assert second.lab.closed

    run(main)


def test_on_a_hub_it_stays_on_loopback_behind_a_public_door(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ann/")

    async def main() -> None:
        before = listening()
        async with opened(network=True) as (_, vote):
            assert listening() - before == {("127.0.0.1", vote.server.port)}
            vote.seen_from("https://hub.example", "https://hub.example/user/ann/", loopback=False)
            key = vote.address.removeprefix("https://hub.example/user/ann/wslab/").removesuffix("/")
            assert doors.find(key, public=True) == vote.server.port
            assert "without a login" in repr(vote)
            async with come(vote, origin="https://hub.example") as client:
                assert "asked" in await ask(client, {"join": vote.code})
        assert doors.find(key) is None

    run(main)


def test_without_the_argument_a_hubs_door_is_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ann/")

    async def main() -> None:
        async with opened() as (_, vote):
            vote.seen_from("https://hub.example", "https://hub.example/user/ann/", loopback=False)
            key = vote.address.removeprefix("https://hub.example/user/ann/wslab/").removesuffix("/")
            assert doors.find(key) == vote.server.port
            assert doors.find(key, public=True) is None

    run(main)


def test_where_not_all_was_voted_on_the_outcome_is_opened_without_an_answer() -> None:
    async def main() -> None:
        async with opened() as (guess, vote), voter(vote) as (client, _):
            await ask(client, {"vote": {"a word": "x"}})
            vote.reveal()
            assert guess.skipped
            assert not guess.locked
            assert "over" in json.loads(await client.recv())

    run(main)
