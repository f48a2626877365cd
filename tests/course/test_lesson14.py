"""Lesson 14, a chat: the lesson's own room with 300 members, its predictions and exercise, and what it tells."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from usual import check_usual
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed

from wslab import Lab, Sender, quiz
from wslab.course import ExerciseVerdict, Trial, grading
from wslab.course.copies import source_folder
from wslab.course.experiments import readers
from wslab.course.experiments.bots import FAST, MESSAGES, SIZE, Cast, Sent, cast, send_to_bots
from wslab.course.experiments.chat import CHAT_PAGE, visitor
from wslab.course.experiments.halls import (
    Handed,
    one_stops_reading,
    what_others_get,
    where_they_wait,
    without_the_slow,
)
from wslab.course.experiments.lesson14 import (
    LEAVES,
    Failed,
    Numbered,
    come_back,
    freeze_one,
    heard_by_others,
    lost_or_doubled,
    say_hello,
    send_all,
    send_zero,
    sending,
    still_named,
    vanish,
)
from wslab.course.experiments.readers import Readers
from wslab.course.stranger import Stranger

NOTEBOOK = next(source_folder().glob("14-*.ipynb"))


def written(*cells: str) -> dict[str, Any]:
    """What the lesson's cells of these names define."""
    sources = {cell["id"]: "".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]}
    space: dict[str, Any] = {"__name__": "lesson14"}
    for name in cells:
        lines = [line for line in sources[name].splitlines() if not line.startswith(("lab = ", "guess"))]
        exec("\n".join(lines), space)
    return space


def chat() -> Any:
    """The lesson's chat, with rooms of its own."""
    return written("setup", "room", "chat")["chat"]


WAYS = written("setup", "ways")


# The room.


class Member:
    """A member of the chat who notes what it is told."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.told: list[str] = []
        self.reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        try:
            async for text in self.connection:
                self.told.append(text)
        except ConnectionClosed:
            pass

    @property
    def numbers(self) -> list[int]:
        return [int(text.partition(" ")[0]) for text in self.told]

    async def until(self, ending: str) -> None:
        while not any(text.endswith(ending) for text in self.told):
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving() -> AsyncIterator[Lab]:
    async with Lab(seed=14) as lab:
        await lab.serve(chat())
        yield lab


async def joined(lab: Lab, name: str, more: str = "", room: str = "/garden") -> Member:
    return Member(await lab.connect(f"{room}?name={name}{more}"))


def run(work: Callable[[Lab], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(60), serving() as lab:
            return await work(lab)

    return asyncio.run(main())


@pytest.mark.lengthy
@pytest.mark.slow
def test_300_members_are_told_the_same_in_the_same_order_though_one_freezes_and_one_vanishes() -> None:
    """Misconception 27: the frozen and the vanished member cost the others nothing."""
    said = [f"{who}: {number}" for number in range(20) for who in ("a", "b")]

    async def work(lab: Lab) -> None:
        members = [await joined(lab, f"m{number}") for number in range(298)]
        frozen = await lab.connect("/garden?name=frozen")
        frozen.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        vanishing = await joined(lab, "gone")
        speakers = await joined(lab, "a"), await joined(lab, "b")

        async def speak(speaker: Member, begin: int, end: int) -> None:
            for number in range(begin, end):
                await speaker.connection.send(str(number))

        await asyncio.gather(*(speak(one, 0, 10) for one in speakers))
        vanishing.connection.transport.abort()
        await asyncio.gather(*(speak(one, 10, 20) for one in speakers))
        everybody = [*members, *speakers]
        for each in everybody:
            await asyncio.gather(*(each.until(f" {text}") for text in said[-2:]))
        for each in members:
            assert each.numbers == list(range(each.numbers[0], each.numbers[-1] + 1))  # in order, and none is missing
        told = [[text for text in each.told if text.partition(" ")[2] in said] for each in everybody]
        assert all(one == told[0] for one in told)  # two speak at once, and all see one order
        assert sorted(text.partition(" ")[2] for text in told[0]) == sorted(said)
        assert any("gone leaves" in text for text in members[0].told)
        frozen.transport.abort()

    run(work)


def test_who_joins_and_leaves_is_told_and_rooms_are_apart() -> None:
    async def work(lab: Lab) -> None:
        ada, bob = await joined(lab, "Ada"), await joined(lab, "Bob")
        cem = await joined(lab, "Cem", room="/shed")
        await bob.connection.send("hello")
        await asyncio.gather(ada.until("Bob: hello"), cem.until("Cem joins: Cem"))
        await bob.connection.close()
        await ada.until("Bob leaves: Ada")
        assert ada.told == ["1 Ada joins: Ada", "2 Bob joins: Ada, Bob", "3 Bob: hello", "4 Bob leaves: Ada"]
        assert cem.told == ["1 Cem joins: Cem"]

    run(work)


def test_who_gives_no_number_gets_nothing_of_the_past() -> None:
    async def work(lab: Lab) -> None:
        ada = await joined(lab, "Ada")
        await ada.connection.send("before")
        await ada.until("before")
        bob = await joined(lab, "Bob")
        await bob.until("Bob joins: Ada, Bob")
        assert bob.told == ["3 Bob joins: Ada, Bob"]

    run(work)


@pytest.mark.slow
def test_ten_times_killed_in_a_stream_of_messages_nothing_is_lost_and_nothing_doubled() -> None:
    async def work(lab: Lab) -> list[int]:
        ada, numbers = await joined(lab, "Ada"), []
        bob = await lab.connect("/garden?name=Bob")
        stop = asyncio.Event()

        async def speak() -> None:
            while not stop.is_set():
                await bob.send("x")
                while not str(await bob.recv()).endswith(": x"):
                    pass

        speaking = asyncio.ensure_future(speak())
        for _ in range(10):
            wanted = len(ada.told) + 20
            while len(ada.told) < wanted:
                await asyncio.sleep(0)
            ada.connection.transport.abort()
            await ada.reading
            numbers += ada.numbers
            ada = await joined(lab, "Ada", f"&last={numbers[-1]}")
        stop.set()
        await speaking
        await bob.send("the end")
        await ada.until("Bob: the end")
        return numbers + ada.numbers

    numbers = run(work)
    assert len(numbers) > 200
    assert all(after == before + 1 for before, after in pairwise(numbers))


class Asked:
    """A connection with nothing but a request."""

    def __init__(self, path: str) -> None:
        self.request = self
        self.path = path


@pytest.mark.parametrize(
    ("path", "name", "last"),
    [
        ("/garden?name=Ada&last=7", "Ada", 7),
        ("/garden?name=Ada", "Ada", None),
        ("/garden", "somebody", None),
        ("/garden?name=+A:da++B%0Aob+", "A da B ob", None),
        ("/garden?name=" + "x" * 99, "x" * 20, None),
        ("/garden?name=Ada&last=-1", "Ada", None),
        ("/garden?name=Ada&last=7x", "Ada", None),
        ("/garden?name=Ada&last=" + "9" * 99, "Ada", None),
        ("/garden?name=Ada&last=%C2%B2", "Ada", None),
    ],
)
def test_who_connects_is_read_from_the_address(path: str, name: str, last: int | None) -> None:
    asked: Any = Asked(path)
    read = visitor(asked)
    assert (read.room, read.name) == ("/garden", name)
    assert read.last == last if last is not None else [1, 2][read.last :] == []


def test_the_page_connects_to_the_port_that_is_replaced() -> None:
    assert '"ws://localhost:1234/"' in CHAT_PAGE
    assert "innerHTML" not in CHAT_PAGE


# One member stops reading.


@cache
def frozen() -> dict[str, str]:
    return asyncio.run(freeze_one(WAYS["one_by_one"], WAYS["all_at_once"], WAYS["without_waiting"]))


@pytest.mark.slow
def test_who_waits_for_all_waits_for_the_slowest_and_who_waits_for_nobody_keeps_it_all() -> None:
    """Misconception 27."""
    assert [*frozen().values()] == [
        "some, and then nothing", "some, and then nothing", "all 100 messages", "in the server's memory"
    ]  # fmt: skip
    check_usual("14.frozen", frozen())


@pytest.mark.slow
def test_the_small_buffers_are_full_after_about_100_kb() -> None:
    told = asyncio.run(one_stops_reading(WAYS["one_by_one"], members=3))
    assert 20_000 < max(told.got) * told.size < 400_000


def test_other_deliveries_are_other_words() -> None:
    assert what_others_get(Handed(10, 1, (10, 10), 0)) == "all 10 messages"
    assert what_others_get(Handed(10, 1, (10, 9), 0)) == "some, and then nothing"
    assert what_others_get(Handed(10, 1, (0, 0), 0)) == "nothing"
    assert where_they_wait(Handed(10, 4, (10,), 30)) == "in the server's memory"
    assert where_they_wait(Handed(10, 4, (10,), 10)) == "on their way"
    told = heard_by_others([("a", Handed(3, 1, (3,), 0)), ("b", Handed(3, 1, (1,), 0))])
    assert [*told.values()] == ["all 3 messages", "some, and then nothing", "on their way"]


def test_who_is_cut_off_holds_up_nobody_and_piles_up_nothing() -> None:
    told = asyncio.run(one_stops_reading(without_the_slow, members=4))
    assert what_others_get(told) == "all 100 messages"
    assert told.held < 110_000


# The live readers.


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "RATE", 1000)


async def reach(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


LIVE = {"one by one": WAYS["one_by_one"], "without waiting": WAYS["without_waiting"], "cuts off": without_the_slow}


@pytest.mark.slow
def test_the_fast_reader_stops_with_the_slow_one_until_that_one_reads_again(hurried: None) -> None:
    async def main() -> None:
        live = Readers(LIVE)
        live.start()
        await reach(lambda: live.numbers["sent"] > 0)
        before = -1
        while live.numbers["fast"] != before:  # until nothing moves any more
            before = live.numbers["fast"]
            await asyncio.sleep(0.3)
        assert 0 < before < readers.MESSAGES / 2
        assert live.numbers["slow"] == 0
        live.pace = 10_000
        await reach(lambda: live.numbers["slow"] > before)
        live.pace = 0
        live.choose("without waiting")  # what waits for the slow one is given up
        await reach(lambda: live.numbers["held"] > 200)
        live.stop()
        await reach(lambda: live.said == "Stopped.")

    asyncio.run(main())


@pytest.mark.slow
def test_without_waiting_the_fast_one_gets_all_and_the_servers_memory_grows(hurried: None) -> None:
    async def main() -> Readers:
        live = Readers(LIVE)
        live.way = "without waiting"
        live.start()
        await reach(lambda: live.said.startswith("All"))
        return live

    live = asyncio.run(main())
    assert live.numbers["fast"] >= readers.MESSAGES - 5  # the last ones may be on their way
    assert live.numbers["held"] > 1000
    assert "read by the slow member" in repr(live)


@pytest.mark.slow
def test_whom_the_server_cuts_off_is_told(hurried: None) -> None:
    async def main() -> Readers:
        live, said = Readers(LIVE), []
        live._drawn.append(lambda: said.append(live.said))
        live.way = "cuts off"
        live.start()
        await reach(lambda: live.said.startswith("All"))
        assert "The server has cut off the slow member." in said
        return live

    assert asyncio.run(main()).numbers["held"] <= 110


# One member vanishes.


@pytest.mark.lengthy
@pytest.mark.slow
def test_a_killed_program_is_noticed_and_a_pulled_cable_only_by_who_pings() -> None:
    """Misconceptions 16 and 21."""
    outcome = asyncio.run(vanish())
    still, dropped = "the room still names her", "the room has dropped her"
    assert [*outcome.values()] == [dropped, still, still, dropped]
    check_usual("14.vanish", outcome)


@pytest.mark.slow
def test_pings_are_what_notices() -> None:
    """The same with one thing changed is the opposite."""
    pulled = LEAVES["her cable is pulled, and nobody says anything"]
    assert asyncio.run(still_named(pulled))
    assert not asyncio.run(still_named(pulled._replace(pings=True)))
    assert not asyncio.run(still_named(pulled._replace(cable=False)))


# One member comes back.


def test_only_the_number_that_the_member_has_seen_loses_and_doubles_nothing() -> None:
    """Misconception 21: what was sent is not what was read."""
    outcome = asyncio.run(come_back(chat()))
    assert [*outcome.values()] == ["some are lost", "some are lost", "some come twice", "each comes once"]
    check_usual("14.back", outcome)


def test_other_numbers_are_other_words() -> None:
    assert lost_or_doubled(Numbered((1, 2), (3, 4))) == "each comes once"
    assert lost_or_doubled(Numbered((1, 2), (4,))) == "some are lost"
    assert lost_or_doubled(Numbered((1, 2), (2, 3))) == "some come twice"
    assert lost_or_doubled(Numbered((1, 3), (3, 4))) == "some are lost, and some come twice"


def test_a_chat_that_forgets_what_was_said_loses_messages_in_every_way() -> None:
    forgetful = written("setup", "room", "chat")
    enter = forgetful["Room"].enter
    forgetful["Room"].enter = lambda room, connection, name, last: enter(room, connection, name, 10**9)
    assert {*asyncio.run(come_back(forgetful["chat"])).values()} == {"some are lost"}


# A handler fails.


def careless() -> tuple[Any, list[Any]]:
    space = written("setup", "careless")
    return space["careless"], space["members"]


def test_a_handler_that_raises_ends_its_own_connection_with_1011_and_cleans_nothing_up() -> None:
    """Misconception 24."""
    failed = asyncio.run(send_zero(*careless()))
    assert [*failed.cases.values()] == [1011, "stays connected", "holds both"]
    check_usual("14.fails", failed.cases)
    assert failed.cause.startswith("ZeroDivisionError: division by zero")
    assert f"The handler raised {failed.cause}" in repr(failed).replace("\n", " ")


def test_a_careful_handler_is_another_outcome() -> None:
    members: list[ServerConnection] = []

    async def careful(connection: ServerConnection) -> None:
        members.append(connection)
        try:
            async for text in connection:
                if text == "0":
                    return
                broadcast(members, text)
        finally:
            members.remove(connection)

    failed = asyncio.run(send_zero(careful, members))
    assert [*failed.cases.values()] == [1000, "stays connected", "holds Bob only"]
    assert failed.cause == ""
    empty = Failed(None, 1001, 0, failed.records).cases
    assert [*empty.values()] == ["none", "is closed, too", "is empty"]


# What crosses.


def test_one_message_becomes_two_frames_with_the_same_bytes() -> None:
    trace = asyncio.run(say_hello(chat()))
    frames = [trace.frame_of(record) for record in trace[7:10]]
    assert [(frame.sender, bytes(frame.preview)) for frame in frames] == [
        (Sender.CLIENT, b"Hello"), (Sender.SERVER, b"3 Ada: Hello"), (Sender.SERVER, b"3 Ada: Hello")
    ]  # fmt: skip
    assert frames[1].raw == frames[2].raw
    assert trace[9].connection == 1


def test_in_a_room_of_n_where_each_says_one_thing_the_server_sends_n_times_n() -> None:
    async def work(lab: Lab) -> int:
        members = [await joined(lab, str(number)) for number in range(7)]
        for member in members:
            await member.connection.send("!")
        for member in members:
            await reach(lambda member=member: sum(text.endswith("!") for text in member.told) == 7)
        return sum(text.endswith("!") for member in members for text in member.told)

    assert run(work) == 7 * 7
    first = quiz("14").asked.cases
    assert next(iter(first.values())).was == 50 * 50


def test_the_quiz_has_five_questions_and_its_usual_answers_are_wrong_with_a_reason() -> None:
    form = quiz("14")
    form.answer({case: one.usual for case, one in form.asked.cases.items()})
    assert len(form.marked.rows) == 5
    assert all(row.verdict == "not so" and row.why for row in form.marked.rows)


# The exercise.


async def limited(members: Any, text: str) -> None:
    async def one(member: Any) -> None:
        try:
            await asyncio.wait_for(member.send(text), 0.1)
        except Exception:
            member.transport.abort()

    await asyncio.gather(*[one(member) for member in list(members)])


async def in_turn(members: Any, text: str) -> None:
    for member in list(members):
        await member.send(text)


async def together(members: Any, text: str) -> None:
    await asyncio.gather(*[member.send(text) for member in list(members)], return_exceptions=True)


async def to_all(members: Any, text: str) -> None:
    broadcast(members, text)


async def leaves_out(members: Any, text: str) -> None:
    broadcast([member for member in members if member.transport.get_write_buffer_size() < 500_000], text)


async def discards(members: Any, text: str) -> None:
    for member in members:
        try:
            await asyncio.wait_for(member.send(text), 0.1)
        except Exception:
            members.discard(member)


async def skips_one(members: Any, text: str) -> None:
    if text.strip() != "30":
        broadcast(members, text)
    for member in list(members):
        if member.transport.get_write_buffer_size() > 500_000:
            member.transport.abort()


WRONG: dict[Callable[[Any, str], Awaitable[None]], str] = {
    in_turn: "One member vanished, and `send` raised ConnectionClosed",
    together: "You wait for the member who does not read",
    to_all: "Nobody waits, but all that the frozen member does not read piles up",
    leaves_out: "The frozen member is still in the room",
    discards: "The set changes while you walk through it",
    skips_one: "A member who reads has lost messages",
}


def verdict(answer: Any, seed: str = "author") -> ExerciseVerdict:
    return asyncio.run(sending.check(answer, seed_of=seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["author", "1", "2", "3"])
@pytest.mark.parametrize("answer", [send_all, limited])
def test_a_right_answer_is_solved(answer: Any, seed: str) -> None:
    verdict(answer, seed).assert_solved()


@pytest.mark.slow
@pytest.mark.parametrize("answer", WRONG, ids=lambda answer: answer.__name__)
def test_a_wrong_answer_gets_its_own_sentence(answer: Any) -> None:
    told = verdict(answer)
    assert not told.solved
    assert WRONG[answer] in told.mistake


def test_fifty_seeds_have_a_frozen_and_another_vanishing_bot() -> None:
    for seed in range(50):
        roles = cast(Trial(f"{seed} sending 0"))
        assert roles.frozen != roles.vanishing
        assert {roles.frozen, roles.vanishing} <= set(range(FAST + 2))
        assert 0 < roles.vanishes * SIZE < 3_000_000  # loopback's buffers hold more, so nobody waits before


@pytest.mark.slow
def test_usual_buffers_are_full_after_some_megabytes() -> None:
    sent: Sent = asyncio.run(send_to_bots(together, Cast(0, 1, 5)))
    assert 1_000_000 < sent.done * SIZE < MESSAGES * SIZE


@pytest.mark.slow
def test_an_endless_loop_is_stopped() -> None:
    async def endless(members: Any, text: str) -> None:
        while True:
            pass

    assert "had not returned after" in repr(verdict(endless))


def test_an_empty_stub_is_not_begun() -> None:
    async def stub(members: Any, text: str) -> None:
        raise NotImplementedError

    assert verdict(stub).heading == "sending: not begun"


def test_another_exception_is_told_with_its_name() -> None:
    async def raises(members: Any, text: str) -> None:
        raise KeyError(text[:1])

    assert "message 1 raised KeyError" in repr(verdict(raises)).replace("\n", " ")


def judged_elsewhere(solution: str) -> ExerciseVerdict:
    """The verdict on a submission, whose code runs in a process of its own."""
    cells = [{"cell_type": "code", "source": solution}]
    with Stranger(json.dumps({"cells": cells})) as stranger:
        return asyncio.run(sending.check(stranger.answer("send_all"), seed_of="ada", kept=False))


HEAD = "from websockets.asyncio.server import broadcast\nasync def send_all(members, text):\n"
ELSEWHERE = {
    "    raise NotImplementedError": "not begun",
    "    while True: pass": "had not returned after",
    "    broadcast(members, text)": WRONG[to_all],
    "    for member in members: await member.send(text)": WRONG[in_turn],
    "    import os\n    os._exit(0)": "had not returned after",
    "    from wslab.course.experiments.bots import Floor\n    Floor.tell = lambda *_: (True, 0, '', '')": "fewer",
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process has no limits there")
class TestGraded:
    def test_a_right_answer_is_solved_in_a_process_of_its_own(self) -> None:
        task = next(one for one in grading.tasks() if one.name == "14.sending")
        submission = grading.Submission("ada", "", "", "", (NOTEBOOK.read_text("utf-8"),))
        with Stranger(submission.notebooks[0]) as stranger:
            asyncio.run(task.exercise.check(stranger.answer(task.answer), seed_of="ada", kept=False)).assert_solved()

    @pytest.mark.parametrize("solution", ELSEWHERE)
    def test_a_wrong_answer_is_not(self, solution: str) -> None:
        told = judged_elsewhere(HEAD + solution)
        assert not told.solved
        assert ELSEWHERE[solution] in " ".join([repr(told).replace("\n", " "), told.mistake])


def test_the_notebook_says_what_is_so_of_names() -> None:
    text = Path(NOTEBOOK).read_text("utf-8")
    names: Sequence[str] = ("get_write_buffer_size()", "abort()", "wait_for")
    assert all(name in text for name in names)
