"""Lesson 16: its stages judge each part, wrong endpoints are caught where they should be, and what it says is so."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from usual import check_usual
from websockets.exceptions import ConnectionClosed

from wslab import Lab, build_close, build_frame, judge, quiz
from wslab.anatomy.record import Kind
from wslab.course import Trial
from wslab.course.copies import nbgrader, source_folder, student
from wslab.course.experiments import classmates, conversations, odd_frames, stages
from wslab.course.experiments import endpoint_parts as right
from wslab.course.experiments.at_work import at_work, listing
from wslab.course.experiments.climbing import ladder
from wslab.course.experiments.conversations import Act, Promise, Talk
from wslab.course.experiments.endpoint import Endpoint
from wslab.course.experiments.endpoint_kinds import RETURNS
from wslab.course.experiments.endpoint_parts import RIGHT
from wslab.course.experiments.lesson16 import STAGES, article_stage, climb, right_endpoint, stops_at
from wslab.course.grading import tasks
from wslab.course.stranger import Stranger
from wslab.live.judges.comparison import broken_rules
from wslab.live.judges.verdict import Judgement
from wslab.protocol import build_request

NOTEBOOK = next(source_folder().glob("16-*.ipynb"))
NAMES = [stage.name for stage in STAGES]
HELLO = build_frame("Hello", mask=bytes(4))


def run(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())


# What the predictions reveal, and the same helpers told of the opposite.


@functools.cache
def differ() -> dict[odd_frames.OddFrame, Judgement]:
    return odd_frames.differing(odd_frames.odd_frames())


ODD = {
    "frames on which they differ": 12,
    "most of these are about": "a length",
    "who refuses a close frame with 1014": "wsproto",
    "who refuses a text frame of 2 bytes, its length in two bytes": "wsproto",
    "who refuses a length of 16 TiB": "websockets",
}
MATES = dict(zip(classmates.FOUR, ["the mask", "the mask", "the lengths", "the message"], strict=True))


def test_on_twelve_odd_frames_of_2666_the_libraries_differ() -> None:
    """Misconception 19: on the length's form one library insists, and one does not."""
    assert len(odd_frames.odd_frames()) == 2666
    assert odd_frames.told(differ()) == ODD
    check_usual("16.odd", odd_frames.told(differ()))


def test_what_the_lesson_says_of_the_odd_frames_is_so() -> None:
    about = [frame.about for frame in differ()]
    assert sum("its length in" in frame.name for frame in differ()) == 8
    assert about.count("a status code") == 1
    assert sum(frame.about == "a status code" for frame in odd_frames.odd_frames()) == 1110
    assert [frame.name for frame in differ() if frame.about == "a first byte"] == ["first byte 01 before ff"]
    rows = odd_frames.Arguments(differ()).rows
    assert [len(alike) for alike in rows.values()] == [1, 1, 8, 1, 1]
    assert {(first, second) for first, second, _ in rows} == {
        ("accepts", "refuses, 1002"),
        ("accepts", "refuses, 1007"),
        ("refuses, 1009", "refuses, 1002"),
        ("refuses, 1009", "waits"),
    }
    assert [rule[:5] for *_, rule in rows] == ["7.4.2", "5.6: ", "5.2: ", "5.2: ", "10.4:"]


def test_libraries_that_agree_or_change_places_are_told_as_such() -> None:
    nothing = odd_frames.told(odd_frames.differing([odd_frames.OddFrame("a length", "Hello", HELLO)]))
    assert list(nothing.values()) == [0, "nothing", *["both or neither"] * 3]
    swapped = {
        frame: Judgement(
            both.data,
            both.as_client,
            *(one.__class__(**{**vars(one), "judge": name}) for one, name in
              zip(both.verdicts[::-1], ("websockets", "wsproto"), strict=True)),
        )
        for frame, both in differ().items()
    }  # fmt: skip
    assert list(odd_frames.told(swapped).values())[2:] == ["websockets", "websockets", "wsproto"]
    one = odd_frames.told({frame: both for frame, both in differ().items() if frame.about == "a status code"})
    assert list(one.values())[:2] == [1, "a status code"]


@pytest.mark.lengthy
def test_four_classmates_are_caught_where_nobody_looks() -> None:
    """Misconception 7: an endpoint that wants each frame of a text to be UTF-8 refuses a right client."""
    caught = run(classmates.caught(classmates.FOUR))
    assert caught == MATES
    check_usual("16.mates", caught)


@pytest.mark.lengthy
def test_a_right_endpoint_is_never_caught_and_another_mistake_elsewhere() -> None:
    others = {"right": RIGHT, "no pong": RIGHT._replace(reply=lambda *_: None)}
    assert run(classmates.caught(others)) == {"right": "never", "no pong": "the ping"}


def test_the_quiz_has_a_reason_for_each_usual_answer_and_an_answer_for_each_question() -> None:
    asked = quiz("16").asked.cases
    assert len(asked) == 5
    for case in asked.values():
        assert case.why(case.usual)
        assert not case.kind.same(case.usual, case.was)


# The right endpoint.


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
@pytest.mark.lengthy
def test_a_right_part_is_solved_and_no_mistake_is_seen_in_it(stage: Any) -> None:
    verdict = run(stage.exercise.check(stage.exercise.answer))
    verdict.assert_solved()
    assert verdict.points() == stage.exercise.points
    for test, said in stage.foreseen:
        assert not test(stage.exercise.answer), said


@pytest.mark.lengthy
def test_the_right_endpoint_keeps_what_all_stages_promise() -> None:
    verdict = run(article_stage.check(right_endpoint))
    verdict.assert_solved()
    assert [outcome.sent for outcome in verdict.outcomes] == [*NAMES, "the article"]


@pytest.mark.slow
def test_it_does_so_for_fifty_seeds() -> None:
    async def all_seeds() -> None:
        for seed in range(50):
            assert stops_at(await climb(right_endpoint, Trial(str(seed)))) == "never", seed

    asyncio.run(all_seeds())


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.lengthy
def test_what_the_faults_break_is_told_from_the_bytes_alone(seed: int) -> None:
    """The promises ask for what wslab's own rules and both libraries, as servers, say of the same bytes."""
    for name, (data, code) in stages.faults(Trial(str(seed))).items():
        assert broken_rules(data, as_client=True), name
        assert {one.code for one in judge(data).verdicts if not one.accepted} == {code}, name
        assert not any(one.accepted for one in judge(data).verdicts), name


def test_a_text_and_a_close_frame_in_one_read_are_answered_in_order() -> None:
    endpoint = opened()
    over, sent = conversations.answered(endpoint, HELLO + build_close(1000, mask=bytes(4)) + HELLO)
    assert over
    assert sent == build_frame("Hello") + build_close(1000)
    assert endpoint.receive(HELLO) == []


def opened() -> Endpoint:
    endpoint = right_endpoint()
    endpoint.receive(build_request("/", {}, host="127.0.0.1"))
    return endpoint


def test_a_head_may_come_in_pieces_with_a_frame_behind_it() -> None:
    endpoint, events = right_endpoint(), []
    for byte in build_request("/", {}, host="127.0.0.1") + HELLO:
        events += endpoint.receive(bytes([byte]))
    assert [kind for kind, _ in events] == ["send", "open", "message"]


def test_a_request_that_asks_for_no_websocket_ends_with_400() -> None:
    events = right_endpoint().receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert events[0][1].startswith(b"HTTP/1.1 400 ")
    assert events[1] == ("closed", 400)


# Ten endpoints, each wrong in another way.


TEN = list(zip(classmates.TEN.items(), STAGES, strict=True))


@pytest.mark.parametrize(("mate", "stage"), TEN, ids=NAMES)
@pytest.mark.lengthy
def test_a_wrong_endpoint_fails_at_its_stage_with_a_sentence_of_its_own(
    mate: Any, stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "WAIT", 0.5)
    _, parts = mate
    whole = run(article_stage.check(lambda: Endpoint(parts)))
    assert not whole.solved
    assert stops_at(whole.outcomes) == stage.name
    assert whole.mistake in [said for _, said in stage.foreseen]
    alone = run(stage.exercise.check(getattr(parts, stage.part)))
    assert not alone.solved
    assert alone.mistake == whole.mistake


def test_their_sentences_differ() -> None:
    sentences = [said for stage in STAGES for _, said in stage.foreseen]
    assert len(set(sentences)) >= 60
    assert [parts for parts in classmates.TEN.values() if parts == RIGHT] == []


def gives(value: Any) -> Callable[..., Any]:
    return lambda *_: value


class Base(right.FrameParser):
    changes: Callable[[Any], Any] = staticmethod(lambda frame: frame)

    def feed(self, data: bytes) -> Any:
        return [self.changes(frame) for frame in super().feed(data)]


class PayloadsOnly(Base):
    changes = staticmethod(lambda frame: frame[2])


class Unmasks(Base):
    changes = staticmethod(lambda frame: (*frame[:2], right.unmask(frame[2], frame[1]) if frame[1] else frame[2]))


class OnlyOne(Base):
    def feed(self, data: bytes) -> Any:
        return super().feed(data)[:1]


class Returnless(Base):
    def feed(self, data: bytes) -> Any:
        super().feed(data)


class FeedsBytes(Base):
    def feed(self, data: bytes) -> Any:
        return b""


class NoLongLengths(Base):
    def feed(self, data: bytes) -> Any:
        self.rest = getattr(self, "rest", b"") + data
        frames = []
        while len(self.rest) >= 6 and len(self.rest) >= (stop := 6 + (self.rest[1] & 127)):
            frames.append((self.rest[0], self.rest[2:6], self.rest[6:stop]))
            self.rest = self.rest[stop:]
        return frames


class ReadIsFrame(Base):
    def feed(self, data: bytes) -> Any:
        return [(data[0], data[2:6], data[6:])]


def without(code: int | None, when: Callable[..., object]) -> Callable[..., Any]:
    """A ``fault`` that says ``code`` in some cases."""
    return lambda *frame: code if when(*frame) else right.fault(*frame)


WRONG: dict[str, list[tuple[Any, str]]] = {
    "accept_key": [
        (gives(None), "needs `return`"),
        (lambda key: right.accept_key(key).encode(), "returns bytes"),
        (gives("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the same for every key"),
    ],
    "key_in": [
        (gives(None), "You refuse what every library asks"),
        (lambda head: (right.key_in(head) or "").encode() or None, "wanted as a text"),
        (lambda head: right.key_in(head) if b"Connection: Upgrade" in head else None, "`Connection` is a list"),
        (lambda head: right.key_in(head.replace(b"h2c", b"websocket")), "You accept an upgrade to h2c"),
        (lambda head: right.key_in(head.replace(b"Version: 8", b"Version: 13")), "You accept version 8"),
        (lambda head: right.key_in(head.replace(b"close", b"Upgrade")), "`Connection` does not name Upgrade"),
    ],
    "short_frame": [
        (gives(None), "needs `return`"),
        (lambda opcode, payload: bytes([0x80 | opcode, 0x80 | len(payload)]) + payload, "has MASK set"),
        (lambda opcode, payload: right.short_frame(1, payload), "the same for each opcode"),
        (lambda opcode, payload: list(right.short_frame(opcode, payload)), "returns a list"),
        (lambda opcode, payload: bytes([0x80 | opcode, len(payload) + 2]) + payload, "not the number"),
        (lambda opcode, payload: right.short_frame(opcode, payload[::-1]), "does not stand as it is"),
    ],
    "unmask": [
        (lambda payload, key: payload, "You return the payload as it is"),
        (lambda payload, key: right.unmask(payload, key).decode("latin-1"), "You return a text"),
        (lambda payload, key: list(right.unmask(payload, key)), "You return a list"),
    ],
    "long_frame": [
        (lambda opcode, payload: bytes([0x80 | opcode, len(payload)]) + payload, "is read as MASK and 72"),
        (lambda opcode, payload: bytes([0x80 | opcode, 126]) + len(payload).to_bytes(2, "big") + payload,
         "Two bytes cannot hold 65,536"),
        (lambda opcode, payload: bytes([0x80 | opcode, 126]) + len(payload).to_bytes(2, "little") + payload,
         "has its low byte first"),
        (lambda opcode, payload: right.long_frame(1, payload), "the same for each opcode"),
        (lambda opcode, payload: list(right.long_frame(opcode, payload)), "returns a list"),
    ],
    "FrameParser": [
        (Returnless, "`feed` returns nothing"),
        (FeedsBytes, "`feed` returns a list"),
        (NoLongLengths, "126 is no length"),
        (PayloadsOnly, "You return payloads"),
        (Unmasks, "You unmask here"),
        (OnlyOne, "Two frames can come in one read"),
        (ReadIsFrame, "You take a read for a frame"),
        (classmates.FOUR["Ada's FrameParser takes the whole second byte for the length"].FrameParser,
         "The second byte holds MASK, too"),
    ],
    "reply": [
        (gives(None), "You leave a ping unanswered"),
        (lambda opcode, payload: right.short_frame(10, payload), "You return a frame"),
        (lambda opcode, payload: (9, payload) if opcode == 9 else None, "You answer a ping with a ping"),
        (lambda opcode, payload: (10, b"") if opcode == 9 else None, "lacks the ping's payload"),
    ],
    "reassemble": [
        (lambda begun, first, payload: right.reassemble(begun, first, payload)[1], "Return two things"),
        (classmates.FOUR["Bo's reassemble returns each message as bytes"].reassemble, "A text message is a `str`"),
        (lambda begun, first, payload: (None, payload.decode(errors="replace")), "You deliver a fragment"),
        (lambda begun, first, payload: right.reassemble((begun[0], b"") if begun else None, first, payload),
         "You forget what came before"),
        (lambda begun, first, payload: (begun or (1, b""), right.reassemble(begun, first, payload)[1]),
         "When a message is whole"),
    ],
    "close_reply": [
        (gives(None), "needs `return`"),
        (lambda payload: int.from_bytes(payload[:2], "big"), "A code crosses as two bytes"),
        (lambda payload: b"\x03" + payload[:2], "does not begin with the code"),
        (lambda payload: payload[:2] or b"\x03\xe8", "without a code is answered with one without"),
    ],
    "fault": [
        (gives(1002), "in which there is none"),
        (gives(None), "You let RSV1 pass"),
        (classmates.FOUR["Dan's fault wants each frame of a text to be UTF-8"].fault, "A fragment may end inside"),
        (without(None, lambda first, masked, *_: not masked), "without a mask pass"),
        (without(None, lambda first, *_: first & 0x0F in (3, 11)), "unknown opcodes"),
        (without(None, lambda first, *_: first == 0x09), "a ping with FIN 0"),
        (without(None, lambda first, masked, payload, begun: len(payload) > 125), "a ping of 126 bytes"),
        (without(None, lambda first, masked, payload, begun: first == 0x80 and begun is None), "continues nothing"),
        (without(None, lambda first, masked, payload, begun: first == 0x81 and begun), "a new text begin"),
        (without(None, lambda first, masked, payload, begun: first == 0x88 and payload[:2] == b"\x03\xed"), "1005"),
        (without(None, lambda first, masked, payload, begun: payload == b"\xff"), "a text pass that is not UTF-8"),
        (without(None, lambda first, masked, payload, begun: first == 0x80), "continues nothing"),
        (without(None, lambda first, masked, payload, begun: first == 0x80 and begun), "a text in fragments pass"),
        (without(None, lambda first, masked, payload, begun: first == 0x88 and len(payload) > 2), "a close reason"),
        (without(1007, lambda first, masked, payload, begun: first == 0x80 and payload[:1] >= b"\x80"), "alone"),
        (without(1007, lambda first, *_: first == 0x82), "Bytes need not be UTF-8"),
        (without(1002, lambda first, masked, payload, begun: first == 0x89 and begun), "between fragments"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "answer", "says"),
    [(stage, answer, says) for stage in STAGES for answer, says in WRONG[stage.part]],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.lengthy
def test_a_wrong_part_gets_its_own_sentence(
    stage: Any, answer: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "WAIT", 0.2)
    verdict = run(stage.exercise.check(answer))
    assert not verdict.solved
    assert says in verdict.mistake, repr(verdict)


@pytest.mark.lengthy
def test_a_stub_is_not_begun() -> None:
    def stub(*_: Any) -> Any:
        raise NotImplementedError

    class Stub:
        feed = stub

    for stage in STAGES:
        answer = Stub if stage.part == "FrameParser" else stub
        assert "not begun" in repr(run(stage.exercise.check(answer)))
        assert "not begun" in repr(run(article_stage.check(lambda: Endpoint(RIGHT._replace(**{stage.part: answer})))))  # noqa: B023


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
@pytest.mark.lengthy
def test_whatever_a_part_returns_the_check_says_what_is_wanted(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "WAIT", 0.3)  # also to connect, on a busy machine
    wanted, fits = RETURNS[stage.part]
    for value in (None, -1, 10**30, "", "a\r\nb", b"x", [], (1, 2), (9, b"x"), [(1, b"", b"")], (None, b"x"), object()):
        answer = type("Parser", (), {"feed": lambda self, data, value=value: value})
        verdict = run(stage.exercise.check(answer if stage.part == "FrameParser" else gives(value)))
        assert not verdict.solved
        assert fits(value) or verdict.outcomes[-1][1:3] == (wanted, repr(value)[:60])
        assert "Your code raised" not in repr(verdict)
        assert "Nothing happened" not in repr(verdict)


@pytest.mark.slow
def test_an_endless_loop_is_ended() -> None:
    def endless(*_: Any) -> Any:
        while True:
            pass

    started = time.perf_counter()
    assert "had not returned after 1 s" in repr(run(STAGES[3].exercise.check(endless)))
    assert "had not returned after 1 s" in repr(run(article_stage.check(endless)))
    assert time.perf_counter() - started < 8


def test_what_a_learners_code_raises_is_told_with_its_stage() -> None:
    def raises(opcode: int, payload: bytes) -> Any:
        raise ZeroDivisionError("no")

    verdict = run(article_stage.check(lambda: Endpoint(RIGHT._replace(reply=raises))))
    assert stops_at(verdict.outcomes) == "the ping"
    assert "ZeroDivisionError: no" in repr(verdict)


# How conversations are held.


def test_both_clients_say_what_they_were_told_instead() -> None:
    async def told(make: Callable[[], Endpoint]) -> list[Any]:
        talk = Talk((Act("send", "Hello", ("message", "Hello"), "says hello"),))
        async with Lab() as lab:
            return await conversations.keeps(lab, make, Promise("say hello", "it comes back", [talk]))

    [both] = run(told(right_endpoint))
    assert both == ("both clients say hello", "it comes back", "it comes back", True)
    upper = RIGHT._replace(short_frame=lambda opcode, payload: right.short_frame(opcode, payload.upper()))
    assert [one.came for one in run(told(lambda: Endpoint(upper)))] == ['text "HELLO"'] * 2
    strict = RIGHT._replace(short_frame=classmates.TEN["its long_frame always writes eight bytes of length"].long_frame)
    accepted, refused = run(told(lambda: Endpoint(strict)))
    assert accepted.sent.startswith("websockets, made to")
    assert accepted.ok
    assert "would have sufficed" in refused.came


def test_a_message_that_looks_the_same_is_said_to_differ() -> None:
    assert conversations.in_words(("message", "x" * 99), ("message", "y" * 99)) == "text of 99 bytes, but other ones"
    assert conversations.in_words(("close", 1000)) == "close 1000"
    assert conversations.in_words(("nothing", "")) == "nothing"


def test_what_both_clients_do_is_recorded() -> None:
    async def records() -> Any:
        async with Lab() as lab:
            await conversations.keeps(lab, right_endpoint, stages.mask_promises(Trial("1"))[0])
            return [record.kind for record in lab.trace]

    kinds = run(records())
    assert kinds.count(Kind.FRAME) >= 16


# The whole endpoint at work, the ladder, the listing.


def test_the_endpoint_serves_the_articles_conversation_again_and_again() -> None:
    async def work() -> Any:
        async with Lab(seed=16) as lab:
            served = await at_work(lab, right_endpoint)
            for _ in range(2):
                async with lab.connect(served.relay.uri) as client:
                    assert await client.recv() == "Hello client!"
                    await client.send("Hello server!")
                    await client.close(4000)
                assert client.close_code == 4000
            return served.heard

    assert run(work()) == ["Client: Hello server!"] * 2


def test_an_endpoint_that_raises_at_work_ends_its_connection_only() -> None:
    made: list[int] = []

    def make() -> Endpoint:
        made.append(1)
        return Endpoint(RIGHT._replace(reassemble=lambda *_: 1 // 0) if len(made) == 1 else RIGHT)

    async def work() -> Any:
        async with Lab(seed=16) as lab:
            served = await at_work(lab, make)
            client = await lab.connect(served.relay.uri)
            await client.recv()
            await client.send("Hello server!")
            with pytest.raises(ConnectionClosed):
                await client.recv()
            async with lab.connect(served.relay.uri) as again:
                assert await again.recv() == "Hello client!"
            return served.heard

    [said] = run(work())
    assert "ZeroDivisionError" in said


@pytest.mark.lengthy
def test_the_ladder_follows_each_check() -> None:
    climb_up = ladder()
    for reach in climb_up.reaches:
        reach.exercise.solved = False
    assert "0 of 11 stages are green" in repr(climb_up)
    assert climb_up.following == 0
    for stage in STAGES[:2]:
        run(stage.exercise.check(stage.exercise.answer))
    assert climb_up.green == [True, True, *[False] * 9]
    assert climb_up.following == 2
    assert climb_up.svg().count("✓ green") == 2
    run(STAGES[0].exercise.check(gives(None)))
    assert climb_up.following == 0
    assert "1 of 11 stages are green" in climb_up.svg()
    text = repr(climb_up).splitlines()
    assert text[1].startswith("11  the article")
    assert text[-1].split()[:5] == ["1", "the", "key", "accept_key", "next"]


def test_the_ladder_in_a_notebook_is_painted_again() -> None:
    from wslab.course.experiments import climbing

    page = climbing._following(ladder())
    STAGES[6].exercise.solved = False
    before = page.value
    run(STAGES[6].exercise.check(right.reply))
    assert page.value != before
    assert page.value.startswith("<svg")


@pytest.mark.lengthy
@pytest.mark.usefixtures("student")
def test_the_ladder_knows_after_a_restart_what_is_green() -> None:
    stage = STAGES[8].exercise
    for answer, green in ((right.close_reply, True), (gives(b""), False), (right.close_reply, True)):
        run(stage.check(answer))
        for known in ("solved", "_before", "_done"):
            stage.__dict__.pop(known, None)
        assert stage.solved is green


def test_the_listing_is_the_code_that_runs() -> None:
    shown = repr(listing(Endpoint))
    assert shown.startswith("class Endpoint:")
    assert all(f"parts.{part}" in shown for part in RIGHT._fields)


# The notebook.


def solved_notebook() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return found


def test_nbgrader_and_wslab_grade_see_each_stage() -> None:
    made = nbgrader(solved_notebook())
    points = [one["metadata"]["nbgrader"].get("points") for one in made["cells"] if one["metadata"].get("nbgrader")]
    assert [one for one in points if one] == [*(stage.exercise.points for stage in STAGES), article_stage.points]
    graded = [task.answer for task in tasks() if task.lesson == "16"]
    assert graded == [*RIGHT._fields, "endpoint"]


@pytest.mark.slow
def test_a_classmates_notebook_is_judged_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "theirs.ipynb"
    text = NOTEBOOK.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    run(classmates.of_notebook(str(path))).assert_solved()
    path.write_text(text.replace("return payload[:2]", 'return b\\"\\\\x03\\\\xe8\\"'), encoding="utf-8")
    verdict = run(classmates.of_notebook(str(path)))
    assert stops_at(verdict.outcomes) == "the close"
    assert "You always answer 1000" in verdict.mistake
    path.write_text(json.dumps(student(solved_notebook())), encoding="utf-8")
    assert "not begun" in repr(run(classmates.of_notebook(str(path))))


@pytest.mark.slow
def test_each_stage_is_graded_in_a_process_of_its_own() -> None:
    with Stranger(NOTEBOOK.read_text(encoding="utf-8")) as stranger:
        for stage in STAGES:
            run(stage.exercise.check(stranger.answer(stage.part), seed_of="ada", kept=False)).assert_solved()
    with Stranger(json.dumps(student(solved_notebook()))) as stranger:
        for stage in STAGES:
            assert "not begun" in repr(run(stage.exercise.check(stranger.answer(stage.part), kept=False)))
