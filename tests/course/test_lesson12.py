"""Lesson 12, in the middle: its exercise, its predictions, and what it tells its learners is so."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import pytest
from usual import check_usual
from websockets.asyncio.client import connect as dial
from websockets.exceptions import ConnectionClosed

from wslab import Lab, Sender, predict, quiz
from wslab.course.experiments.lesson12 import ConfirmingStore, deliver, delivery
from wslab.course.experiments.middle import (
    DAMAGES,
    GREETING,
    SENT,
    THROUGH,
    Greeting,
    both_frames,
    code_sent,
    compared,
    damaged,
    delivered,
    first_frames,
    greet,
    known,
    pick_damage,
    pulled_cable,
    quiet,
    send_a_thousand,
    unbent,
    what_programs_got,
)
from wslab.course.experiments.three_lanes import Passage, ThreeLanes, crossings, ends
from wslab.live.relay.bends import Bend, FlipBits, IdleClose, OneByte, Reset, Silence
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender
GOT = ["426", "1002", "1007", "Iello server!", "Hello server!", "1006"]


@cache
def greeting(*bends: Bend) -> Greeting:
    return asyncio.run(greet(*bends))


@cache
def damages() -> dict[str, Greeting]:
    return asyncio.run(damaged())


def in_a_lab(program: Callable[[Lab], Awaitable[Any]]) -> Any:
    """Run ``program`` with a lab whose server echoes."""

    async def main() -> Any:
        async with asyncio.timeout(20), Lab(seed=12) as lab:
            await lab.serve()
            return await program(lab)

    return asyncio.run(main())


# The exercise.


async def trusts_send(connect: Any, texts: list[str]) -> None:
    async with connect() as ws:
        for number, text in enumerate(texts):
            await ws.send(f"{number} {text}")


async def gives_up(connect: Any, texts: list[str]) -> None:
    async with connect() as ws:
        for number, text in enumerate(texts):
            await ws.send(f"{number} {text}")
        for _ in texts:
            await ws.recv()


async def counts_anew(connect: Any, texts: list[str]) -> None:
    left = [*texts]
    while left:
        try:
            async with connect() as ws:
                for number, text in enumerate(left, 100):
                    await ws.send(f"{number} {text}")
                while left:
                    await ws.recv()
                    left.pop(0)
        except ConnectionClosed:
            pass


async def counts_from_0(connect: Any, texts: list[str]) -> None:
    left = [*texts]
    while left:
        try:
            async with connect() as ws:
                for number, text in enumerate(left):
                    await ws.send(f"{number} {text}")
                while left:
                    await ws.recv()
                    left.pop(0)
        except ConnectionClosed:
            pass


async def goes_on_behind_what_was_sent(connect: Any, texts: list[str]) -> None:
    number = 0
    while number < len(texts):
        try:
            async with connect() as ws:
                while number < len(texts):
                    await ws.send(f"{number} {texts[number]}")
                    number += 1
                    await ws.recv()
        except ConnectionClosed:
            pass


async def sends_bare_texts(connect: Any, texts: list[str]) -> None:
    async with connect() as ws:
        for text in texts:
            await ws.send(text)


async def one_at_a_time(connect: Any, texts: list[str]) -> None:
    confirmed = 0
    while confirmed < len(texts):
        try:
            async with connect() as ws:
                while confirmed < len(texts):
                    await ws.send(f"{confirmed} {texts[confirmed]}")
                    await ws.recv()
                    confirmed += 1
        except ConnectionClosed:
            pass


async def opens_by_await(connect: Any, texts: list[str]) -> None:
    ws = await connect()
    for number, text in enumerate(texts):
        await ws.send(f"{number} {text}")
    await ws.close()


WRONG: dict[str, tuple[Any, str]] = {
    "opens by await": (opens_by_await, "You trust send(): it returned for texts that nobody has read"),
    "trusts send": (trusts_send, "You trust send(): it returned for texts that nobody has read"),
    "gives up": (gives_up, "Your function ends with the connection"),
    "counts anew": (counts_anew, "You count anew on each connection"),
    "counts from 0": (counts_from_0, "You count anew on each connection"),
    "goes on": (goes_on_behind_what_was_sent, "You go on after the last text that was sent"),
    "bare texts": (sends_bare_texts, "Your message has another form"),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.lengthy
def test_a_wrong_answer_gets_its_own_sentence(mistake: str) -> None:
    answer, sentence = WRONG[mistake]
    verdict = asyncio.run(delivery.check(answer))
    assert not verdict.solved
    assert sentence in repr(verdict).replace("\n", " ")


@pytest.mark.lengthy
@pytest.mark.slow
def test_fifty_seeds_are_solvable() -> None:
    async def main() -> None:
        for seed in range(50):
            (await delivery.check(deliver, seed_of=str(seed))).assert_solved()

    asyncio.run(main())


def test_one_at_a_time_is_right_too() -> None:
    asyncio.run(delivery.check(one_at_a_time)).assert_solved()


@pytest.mark.lengthy
@pytest.mark.slow
def test_an_endless_loop_is_stopped() -> None:
    async def endless(connect: Any, texts: list[str]) -> None:
        while True:
            pass

    verdict = asyncio.run(delivery.check(endless))
    assert "had not returned after 1 s" in repr(verdict)
    assert not verdict.mistake


async def never_opens(connect: Any, texts: list[str]) -> None:
    ws = connect()
    for number, text in enumerate(texts):
        await ws.send(f"{number} {text}")


async def misspells(connect: Any, texts: list[str]) -> None:
    async with connect() as ws:
        await ws.sned("0 wire")


@pytest.mark.parametrize("answer", [never_opens, misspells])
def test_an_exception_is_told_and_no_mistake_beside_it(answer: Any) -> None:
    verdict = asyncio.run(delivery.check(answer))
    assert "Your code raised AttributeError" in repr(verdict)
    assert "lab.connect" not in repr(verdict)  # there is no lab in the exercise
    assert not verdict.mistake


def test_a_cut_loses_something_for_who_trusts_send() -> None:
    verdict = asyncio.run(delivery.check(trusts_send))
    lost = [one for one in verdict.outcomes if "cut" in one.sent and not one.ok]
    assert lost


# The predictions.


def test_a_relay_that_changes_nothing_ends_one_connection_and_begins_another() -> None:
    outcome = asyncio.run(unbent())
    assert [*outcome.values()] == [2, 0, "masked"]
    check_usual("12.nothing", outcome)


def test_what_a_relay_changes_is_counted() -> None:
    assert compared(greeting(FlipBits(55)).trace)["bytes of the client's that the relay changed"] == 1
    assert compared(greeting(FlipBits(7, 15, 23)).trace)["bytes of the client's that the relay changed"] == 3
    assert compared(greeting(FlipBits(8)).trace)["the first frame reaches the server"] == "unmasked"


def test_six_damages_give_six_answers() -> None:
    """Misconception 16: a stripped header gives 426. Nothing in WebSocket notices a bit that gives another letter."""
    outcome = what_programs_got(damages())
    assert [*outcome.values()] == GOT
    assert [*outcome] == [*DAMAGES]
    check_usual("12.broken", outcome)


@pytest.mark.parametrize(
    ("name", "was"), [("12.broken", GOT), ("12.quiet", ["1006", "it is open", "1011", "1006", "it is open"])]
)
def test_each_wrong_answer_has_its_reason(name: str, was: list[str]) -> None:
    for told, case in zip(was, predict(name).asked.cases.values(), strict=True):
        assert set(case.kind.form()["options"]) == {told, *case.because}


@pytest.mark.lengthy
def test_without_damage_the_greeting_comes_back() -> None:
    assert what_programs_got(dict.fromkeys(DAMAGES, greeting())) == dict.fromkeys(DAMAGES, GREETING)
    assert greeting(FlipBits(0)).got == greeting(FlipBits(9)).got == "nothing"
    assert greeting(FlipBits(1)).got == "1002"
    assert greeting(Reset(direction="client", at="frame 0")).got == "1006"


def test_a_bit_of_the_key_changes_a_letter_in_four() -> None:
    got = greeting(FlipBits(23)).got
    assert [place for place, pair in enumerate(zip(GREETING, got, strict=True)) if pair[0] != pair[1]] == [0, 4, 8, 12]


def test_a_ping_that_nobody_sent_is_answered_and_no_program_hears_of_it() -> None:
    lanes = damages()["a ping is put in"].lanes
    assert Passage(CLIENT, "", "PING") in lanes.crossed
    assert Passage(SERVER, "PONG", "PONG") in lanes.crossed
    assert [one.near for one in lanes.crossed if one.near.startswith("TEXT")] == [f'TEXT "{GREETING}"'] * 2


@pytest.mark.lengthy
@pytest.mark.slow
def test_a_proxy_ends_what_is_idle_and_a_pulled_cable_ends_nothing() -> None:
    """Misconception 16, and 15 as the relay sees it: who gives up sends 1011 and reports 1006."""
    cable, outcome = asyncio.run(quiet())
    assert [*outcome.values()] == ["1006", "it is open", "1011", "1006", "it is open"]
    check_usual("12.quiet", outcome)
    said = [(one.near, one.far) for one in cable.lanes.crossed]
    assert ('CLOSE 1011 "keepalive ping timeout"', "") in said
    assert all(far.startswith(("GET", "101")) for _, far in said if far)


def test_who_says_goodbye_sends_another_code_and_who_says_nothing_sends_none() -> None:
    async def program(lab: Lab) -> str:
        relay = await lab.relay()
        async with lab.connect(relay.uri) as ws:
            assert known(ws) == "it is open"
        assert known(ws) == "1000"
        return code_sent(lab.trace)

    assert in_a_lab(program) == "1000"
    assert code_sent(greeting(Reset(direction="client", at="frame 0")).trace) == "none"
    assert known(None) == "it is open"


@pytest.mark.lengthy
@pytest.mark.slow
@pytest.mark.parametrize(("client", "server", "lives"), [(None, None, False), (0.1, None, True), (None, 0.1, True)])
def test_either_ends_pings_keep_an_idle_connection(client: float | None, server: float | None, lives: bool) -> None:
    """Misconception 16."""

    async def program(lab: Lab) -> None:
        await lab.serve(lambda connection: connection.wait_closed(), ping_interval=server)
        relay = await lab.relay(bends=[IdleClose(0.8)])
        async with lab.connect(relay.uri, ping_interval=client) as ws:
            with pytest.raises(TimeoutError if lives else ConnectionClosed):
                await asyncio.wait_for(ws.recv(), 2)

    in_a_lab(program)


@pytest.mark.lengthy
def test_who_only_listens_never_learns_of_a_pulled_cable() -> None:
    async def program(lab: Lab) -> str:
        relay = await lab.relay(bends=[Silence(at="frames")])
        async with lab.connect(relay.uri, close_timeout=0.1) as ws:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.3)
            return known(ws)

    assert in_a_lab(program) == "it is open"
    cable = asyncio.run(pulled_cable())
    assert (cable.client, cable.server) == ("1006", "it is open")


def test_send_returned_and_it_was_not_delivered() -> None:
    """Misconception 21."""
    outcome = asyncio.run(send_a_thousand())
    assert [*outcome.values()] == [SENT, THROUGH, 0]
    check_usual("12.delivered", outcome)


def test_what_a_server_confirms_is_counted() -> None:
    assert [*delivered(greeting().trace, 1, 1).values()] == [1, 1, 1]


# Three lanes.


def test_three_lanes_of_a_relay_that_does_nothing() -> None:
    assert [(one.near, one.far) for one in greeting().lanes.crossed] == [
        (said, said) for said in ("GET /", "101 Switching Protocols", f'TEXT "{GREETING}"', f'TEXT "{GREETING}"')
    ]
    assert not any(one.changed for one in greeting(OneByte()).lanes.crossed)


@pytest.mark.lengthy
def test_what_a_relay_changed_kept_and_made_is_seen() -> None:
    stripped = damages()["the line Upgrade is taken out"].lanes
    assert stripped.crossed[0] == Passage(CLIENT, "GET /", "GET /, no Upgrade", changed=True)
    cut = greeting(FlipBits(9)).lanes
    assert cut.crossed[-1] == Passage(CLIENT, f'TEXT "{GREETING}"', "bytes, and no whole frame", changed=True)
    ended = [
        (one.near, one.far) for one in damages()["the server's stream ends (FIN) after the handshake"].lanes.crossed
    ]
    assert ("FIN, end of stream", "") in ended
    assert ("", f'TEXT "{GREETING}"') in ended


@pytest.mark.lengthy
def test_the_lanes_as_text_have_one_width() -> None:
    for one in [*damages().values(), greeting(FlipBits(9))]:
        lines = repr(one).split("\n")
        assert {len(line) for line in lines[1:-1]} == {79}
        assert lines[0].startswith("● client")
        assert lines[0].endswith("■ server")
        assert "◆ relay" in lines[0]
    assert repr(greeting(FlipBits(23))).endswith('The client\'s program gets: "Ielln sesver "')
    row = ThreeLanes([Passage(SERVER, "", "PING")])
    assert "×" in repr(row)
    assert "PING" in row.svg()


def test_the_picker_shows_one_of_them() -> None:
    picker = pick_damage(damages())
    assert repr(picker).startswith("the line Upgrade is taken out\n")
    assert set(picker._repr_mimebundle_()) == {"text/html", "text/plain"}
    assert "<pre>● client" in picker._repr_mimebundle_()["text/html"]


def test_the_ends_are_known_whichever_connection_began_first() -> None:
    trace = Trace()
    server, client = trace.join(SERVER, "far"), trace.join(CLIENT, "near")
    client.sent(b"GET / HTTP/1.1\r\n\r\n")
    server.received(b"GET / HTTP/1.1\r\n\r\n")
    assert ends(trace) == (1, 0)
    assert [one.near for one in crossings(trace)] == ["GET /"]


def test_one_byte_of_the_frame_differs() -> None:
    wrote, read = first_frames(greeting(FlipBits(55)).trace)
    assert [at for at, pair in enumerate(zip(wrote, read, strict=True)) if pair[0] != pair[1]] == [6]
    assert len(wrote) == 19
    assert "differs in byte 6" in repr(both_frames(greeting(FlipBits(55))))
    assert "every byte is the same" in repr(both_frames(greeting()))


def test_a_server_keeps_the_first_text_of_a_number() -> None:
    store = ConfirmingStore()
    assert [store.read(message) for message in ("7 wire", "7 lab", "wire", "7")] == ["7", "7", None, None]
    assert store.kept == {7: "wire"}
    assert (store.again, store.strange) == (["7 lab"], ["wire", "7"])


def test_websockets_pings_every_20_s_unless_told_otherwise() -> None:
    assert inspect.signature(dial).parameters["ping_interval"].default == 20


def test_the_quiz_has_five_questions_and_its_usual_answers_are_wrong_with_a_reason() -> None:
    form = quiz("12")
    form.answer({case: one.usual for case, one in form.asked.cases.items()})
    assert len(form.marked.rows) == 5
    assert all(row.verdict == "not so" and row.why for row in form.marked.rows)
