"""Lesson 15: captures are judged from their bytes alone, the board counts in parts, and the experiments tell outcomes.

``second_opinion`` is a judge that shares no line with the package's. Neither knows what was drawn.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from second_opinion import second_opinion, things
from usual import check_usual

from wslab import Sender, build_close, build_frame, judge
from wslab.anatomy.record import Kind
from wslab.course import predict, quiz
from wslab.course.copies import source_folder
from wslab.course.experiments import lesson15
from wslab.course.experiments.captures import HAPPENINGS, LEVELS, DrawnCapture, capture, drawn, played
from wslab.course.experiments.evidence import (
    NO_CHARGE,
    SECTIONS,
    WHO,
    board,
    charges,
    points,
    sealed,
)
from wslab.course.experiments.lesson15 import SENTENCES, detective, true_or_false, turn
from wslab.recording.trace import Trace

SEEDS = range(200)
NOBODY = (None, "nobody", None)
WANTED = {
    "nobody errs": "",
    "a client does not mask": "5.1",
    "a wrong Accept": "4.1",
    "a code that is never sent": "7.4.1",
    "half a letter": "5.6",
    "RSV1, not agreed": "5.2",
    "a long form of the length": "5.2",
    "a request that is refused": "",
    "RSV1, agreed": "",
    "a ping that is not answered": "5.5.2",
    "a ping that is answered too late for its sender": "",
    "an Upgrade that a proxy strips": "4.1",
    "an Accept from a proxy's cache": "4.1",
    "a server masks": "5.1",
    "a message inside a message": "5.4",
    "data after a close frame": "5.5.1",
    "a ping that is too long": "5.5",
}


# The judge.


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_two_judges_who_share_nothing_find_the_same_and_an_answer_scores_in_full(level: int) -> None:
    for seed in SEEDS:
        trace, truth = capture(seed, level), second_opinion(drawn(seed, level))
        assert [(one.record, one.who, one.section) for one in charges(trace)] == truth, f"seed {seed}"
        for answer in truth or [NOBODY]:
            assert points(trace, answer) == 1
        assert len(trace) == len(things(drawn(seed, level)))


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_a_blank_a_random_and_an_accuse_everybody_answer_score_low(level: int) -> None:
    chance = random.Random(level)
    scored: dict[str, list[float]] = {"random": [], "everybody": [], "always the client": [], "always nobody": []}
    for seed in SEEDS:
        trace = capture(seed, level)
        records, sections = [*range(len(trace)), None], [*SECTIONS, None]
        guess = (chance.choice(records), chance.choice(WHO), chance.choice(sections))
        everybody = list(product(records[:-1], WHO[:3], list(SECTIONS)))
        assert points(trace) == 0
        assert points(trace, ("", "", "")) == 0
        scored["random"].append(points(trace, guess))
        scored["everybody"].append(points(trace, *everybody))
        scored["always the client"].append(points(trace, (4, "the client", "5.2")))
        scored["always nobody"].append(points(trace, NOBODY))
    assert max(scored["everybody"]) < 0.35
    mean = {name: sum(some) / len(some) for name, some in scored.items()}
    assert mean["random"] < 0.2
    assert mean["everybody"] < 0.2
    assert mean["always the client"] < 0.4
    assert mean["always nobody"] < 0.4


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.lengthy
def test_what_happens_is_what_is_found(level: int) -> None:
    for name, (least, _) in HAPPENINGS.items():
        for seed in range(12) if least <= level else ():
            found = charges(capture(seed, level, name))
            assert {one.section for one in found} == {section for section in [WANTED[name]] if section}, name
            between = {one.who for one in found} == {"a program between them"}
            assert between == (name in ("an Upgrade that a proxy strips", "an Accept from a proxy's cache"))
            # On the third level both sides show what an end did, and one side what the proxy did.
            assert len(found) == (0 if not WANTED[name] else 2 if level == 3 and not between else 1)


def test_each_thing_happens_in_two_hundred_seeds() -> None:
    for level in LEVELS:
        sections = Counter(([*second_opinion(drawn(seed, level)), (0, "", "")][0][2]) for seed in SEEDS)
        assert set(sections) == {WANTED[name] for name, (least, _) in HAPPENINGS.items() if least <= level}
        assert min(sections.values()) >= 5


def test_captures_of_one_seed_are_equal_and_others_differ() -> None:
    assert drawn(7, 2) == drawn(7, 2)
    assert len({tuple(event.what for event in drawn(seed, 2)) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("level", LEVELS)
def test_real_peers_accept_the_innocent_and_refuse_the_guilty(level: int) -> None:
    """Each end's frames are put to websockets and to wsproto; neither knows the judge."""
    refused: Counter[str] = Counter()
    for seed in range(30):
        trace = capture(seed, level)
        found = charges(trace)
        if any(one.section == "4.1" for one in found):
            continue
        extension = trace.heads(0)[1].get("Sec-WebSocket-Extensions")  # type: ignore[union-attr]
        for sender in Sender:
            frames = [one for one in trace if one.connection == 0 and one.sender is sender and one.kind is Kind.FRAME]
            guilty = [one for one in found if one.record in {frame.number for frame in frames}]
            # Behind a close frame a peer reads nothing more, and the CLOSE itself is judged by its code.
            data = b"".join(trace.raw(frame) or b"" for frame in frames)
            both = judge(data, sender is Sender.CLIENT, extension[0] if extension else None, handshake=False)
            if not guilty or guilty[0].rule in ("ping-not-answered", "data-after-close"):
                assert [verdict.code for verdict in both.verdicts if not verdict.accepted] == [], f"seed {seed}"
            else:
                refusals = [verdict.code for verdict in both.verdicts if not verdict.accepted]
                refused[guilty[0].section] += 1
                # Lesson 03: of the two, one takes a length that is written in too many bits.
                assert len(refusals) == (1 if guilty[0].rule == "length-not-minimal" else 2), f"seed {seed}"
                assert set(refusals) <= {1002, 1007}
    assert len(refused) >= 3


def test_a_level_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match="levels are 1, 2 and 3"):
        board(level=4)


# The board.


@pytest.mark.lengthy
def test_the_evidence_shows_all_bytes_and_accuses_nobody() -> None:
    for level, seed in product(LEVELS, range(20)):
        trace = capture(seed, level)
        shown = sealed(trace)
        assert [shown.raw(record) for record in shown] == [trace.raw(record) for record in trace]
        assert [record[:11] for record in shown] == [record[:11] for record in trace]
        assert not any(record.violations for record in shown)
        assert not any(frame.violations for frame in shown.frames)
        assert not any(head.violations for head in shown.handshakes)
        assert not any(shown.explain(record.number).violations for record in shown)
        assert shown.violations == []
        assert charges(shown) == charges(trace)


def test_an_accusation_counts_in_parts_and_is_kept() -> None:
    one = board(1, 25)
    right = charges(one.evidence)[0]
    assert (right.record, right.who, right.section) == (4, "the client", "5.1")
    one.accuse(4, "the server", "5.1")
    assert "2 of 3 right. So far on level 1, in 1 capture: 2 of 3 points." in repr(one)
    rows = one.accusation.marked.rows
    assert [row.verdict for row in rows] == ["right", "not so", "right"]
    assert rows[2].why == "a client MUST mask all frames that it sends to the server"
    with pytest.raises(RuntimeError):
        one.accuse(4, "the client", "5.1")
    again = board(1, 25).accuse(4, "the client", "5.1")
    assert "3 of 3 right. So far on level 1, in 1 capture: 2 of 3 points." in repr(again)  # the first is kept
    other = board(1, 16).accuse(None, "nobody", None)
    assert "3 of 3 right. So far on level 1, in 2 captures: 5 of 6 points." in repr(other)


def test_on_the_third_level_either_record_of_a_breach_counts() -> None:
    for record in (14, 15):
        assert "3 of 3 right" in repr(board(3, 50).accuse(record, "the client", "5.5.2"))
    assert "2 of 3 right" in repr(board(3, 50).accuse(16, "the client", "5.5.2"))


def test_a_students_board_tells_nothing_before_somebody_is_accused(student: None) -> None:
    one = board(1, 25)
    state = one.accusation.state()
    for shown in (repr(one), one._repr_html_(), repr(state)):
        assert "MUST" not in shown
        assert "is not masked" not in shown
    assert "rows" not in state
    one.accuse(2, "nobody", None)
    assert one.accusation.state()["rows"][0][:4] == ["Which record shows it?", "2", "4", "not so"]
    assert "MUST mask" in repr(one.accusation.state())


@pytest.mark.usefixtures("student")
def test_evidence_is_not_held_back_while_a_prediction_is_open() -> None:
    predict("Who?", {"who": ["a", "b"]})
    for shown in (board(2, 39), lesson15.side_by_side(lesson15.pairs()), turn(lesson15.quiet(), 2, 8)):
        assert "wait for your prediction" not in repr(shown)
        assert "Switching Protocols" in repr(shown)


def test_an_accusation_says_why_it_was_them_and_nothing_of_pages() -> None:
    whys = {
        (1, 25): (4, "record 4 is the client's"),
        (3, 50): (14, "did not answer"),
    }
    for (level, seed), (record, why) in whys.items():
        accused = board(level, seed).accuse(record, "nobody", None).accusation
        assert why in accused.marked.rows[1].why
        assert "happens in a page" not in repr(accused)
        assert accused.state()["meaning"] == ""


def test_a_pair_shows_the_lines_in_which_its_captures_differ() -> None:
    for place, extension in (("A", False), ("B", True)):
        slider = lesson15.side_by_side(lesson15.pairs())
        slider.at = place
        assert ("permessage-deflate" in repr(slider).partition("The server's answer")[2]) is extension


def test_the_author_sees_what_the_judge_finds() -> None:
    assert "What the judge finds" in repr(board(1, 25))
    assert "no byte of this capture breaks a rule" in " ".join(repr(board(1, 16)).split())


# What is predicted.

OUTCOMES: dict[str, dict[str, Any]] = {
    "pairs": dict(zip(lesson15.CASES, ["the server", "nobody", "the client", "nobody"], strict=True)),
    "between": {
        "Which recording shows a broken rule?": "the server's side",
        "The status of the server's answer": 426,
        "Who did it?": "a program between them",
    },
}
TRUE = (SENTENCES[2], SENTENCES[4], SENTENCES[8], SENTENCES[9])


def said(name: str) -> dict[str, Any]:
    """The outcome of a prediction, from its experiment."""
    match name:
        case "pairs":
            return dict(lesson15.culprits(lesson15.pairs()))
        case "between":
            return lesson15.seen_by_both(asyncio.run(lesson15.through_proxy("Upgrade")))
    sentences = lesson15.FIRST if name == "sentences" else lesson15.SECOND
    return dict(true_or_false(asyncio.run(lesson15.conversation()), sentences))


@pytest.mark.parametrize("name", ["pairs", "between", "sentences", "more"])
def test_an_experiment_tells_the_outcome_and_the_usual_answers_are_surprises_with_reasons(name: str) -> None:
    outcome = said(name)
    wanted = OUTCOMES.get(name) or {sentence: "true" if sentence in TRUE else "false" for sentence in outcome}
    assert outcome == wanted
    check_usual(f"15.{name}", outcome)
    again = predict(f"15.{name}").answer(outcome)
    assert {row.verdict for row in again.reveal(outcome).rows} == {"as predicted"}


@pytest.mark.parametrize(
    ("name", "numbers"), [("pairs", {12, 15}), ("between", {16}), ("sentences", {14, 2}), ("more", {6, 18, 1, 9})]
)
def test_each_prediction_names_the_misconceptions_that_it_ends(name: str, numbers: set[int]) -> None:
    assert set(predict(f"15.{name}").asked.misconceptions) == numbers


def test_in_a_pair_the_suspicious_frames_have_the_same_bytes() -> None:
    traces = list(lesson15.pairs().values())

    def marked(trace: Trace, is_it: Callable[[int], object]) -> list[bytes | None]:
        return [trace.raw(one) for one in trace if one.kind is Kind.FRAME and is_it(one.first)]

    assert marked(traces[0], lambda first: first & 0x40) == marked(traces[1], lambda first: first & 0x40) != []
    assert marked(traces[2], lambda first: first == 0x89) == marked(traces[3], lambda first: first == 0x89) != []
    requests = [trace.heads(0)[0] for trace in traces[:2]]
    assert all(request and request.get("Sec-WebSocket-Extensions") for request in requests)


def test_the_other_recordings_give_the_other_words() -> None:
    untouched = lesson15.seen_by_both(asyncio.run(lesson15.through_proxy()))
    assert untouched == dict(zip(OUTCOMES["between"], ["neither", 101, "nobody"], strict=True))
    guilty = [capture(seed, 1, "a client does not mask") for seed in range(2)]
    assert lesson15.culprits({"one": guilty[0], "two": capture(1, 1, "nobody errs")}) == {
        "one": "the client",
        "two": "nobody",
    }
    # Both sides show what an end did.
    both = played(_without_upgrade(drawn(3, 3, "an Upgrade that a proxy strips")))
    assert lesson15.seen_by_both(both) == dict(zip(OUTCOMES["between"], ["both", 426, "the client"], strict=True))


def _without_upgrade(events: list[Any]) -> list[Any]:
    return [
        event._replace(what=event.what.replace(b"Upgrade: websocket\r\n", b""))
        if isinstance(event.what, bytes) and event.what.startswith(b"GET")
        else event
        for event in events
    ]


def test_a_conversation_that_goes_the_other_way_turns_each_sentence_over() -> None:
    talk = DrawnCapture(random.Random(1))
    request, response = talk.heads(stale=True)  # the Accept does not follow from the key
    talk.put(Sender.CLIENT, request)
    talk.put(Sender.SERVER, response)
    talk.put(Sender.CLIENT, b"G\x83\x00\x00\x00\x00ET ")  # what would be HTTP
    talk.frame(Sender.CLIENT, "something else", mask=b"\x01\x02\x03\x04")  # type: ignore[arg-type]
    talk.frame(Sender.CLIENT, '{"sid"}', opcode=1)
    talk.put(Sender.CLIENT, build_close(1006, mask=bytes(4)))
    talk.end(Sender.CLIENT)
    # The first frame is HTTP's, from the client; nothing is cut, no wide letter was sent, and every frame has a key.
    told = true_or_false(played(talk.events))
    whole = {sentence: "false" if sentence in TRUE else "true" for sentence in SENTENCES}
    assert told == whole | {SENTENCES[5]: "false"}  # G is 0100 0111: FIN is 0
    plain = DrawnCapture(random.Random(1))
    plain.opening()
    plain.frame(Sender.CLIENT, "şğü")
    plain.frame(Sender.SERVER, "abc")
    plain.end(Sender.CLIENT)
    assert true_or_false(played(plain.events), [SENTENCES[5]]) == {SENTENCES[5]: "true"}


def test_each_sentence_is_shown_with_its_record() -> None:
    trace = asyncio.run(lesson15.conversation())
    text = " ".join(repr(lesson15.Proof(trace)).split())
    numbers = [about(trace)[1] for about in lesson15._ABOUT.values()]
    assert numbers == [2, 3, 2, 2, 2, 5, 9, 11, 1, 3]
    frame = trace.frame(2)
    assert (frame.opcode, (frame.data or b"")[:7]) == (1, b'0{"sid"')
    assert "TEXT" in text
    told = {sender.label: report.code for sender, report in trace.closings(0).items()}
    assert 1006 in told.values()
    assert [one.first & 0x8F for one in trace.records[5:8]] == [0x01, 0x00, 0x80]  # three frames, as the meaning says


def test_two_runs_record_the_same() -> None:
    runs = [repr(lesson15.Proof(asyncio.run(lesson15.conversation()))) for _ in range(3)]
    assert len(set(runs)) == 1


def test_the_quiz_has_a_reason_for_each_usual_answer() -> None:
    asked = quiz("15").asked.cases
    assert len(asked) == 5
    for case in asked.values():
        assert case.why(case.usual)
        assert not case.kind.same(case.usual, case.was)


# One bit turned over.


def test_the_bits_do_what_the_lesson_says() -> None:
    calm = lesson15.quiet()
    assert charges(calm) == []
    culprits = {
        bit: [(one.record, one.who, one.section) for one in charges(turn(calm, 2, bit).trace)][:1] for bit in range(9)
    }
    assert culprits[0] == []
    assert culprits[1] == [(2, "the client", "5.2")]
    assert culprits[4] == [(2, "the server", "5.5.2")]
    assert culprits[7] == [(2, "the client", "5.4")]
    assert culprits[8] == [(2, "the client", "5.1")]
    assert "nobody broke a rule" in repr(turn(calm, 2, 0))
    with pytest.raises(ValueError, match="bit=88: the record has bits 0 to 87"):
        turn(calm, 2, 88)
    assert "more, since what stands after it is read wrongly" in repr(turn(calm, 2, 8))
    assert "wsproto: fails the connection with 1002" in repr(turn(calm, 2, 1))
    assert [record.summary for record in calm][2:6] == [
        'TEXT "hello"',
        'TEXT "good morning"',
        "CLOSE 1000",
        "CLOSE 1000",
    ]


def test_the_suspicious_record_is_explained_with_its_rule() -> None:
    captures = lesson15.pairs()
    told = lesson15.suspect(captures[lesson15.CASES[0]])
    assert [one.rule for one in told.violations] == ["rsv-not-agreed"]
    assert lesson15.suspect(captures[lesson15.CASES[1]]).violations == ()


# The exercise.


def check(answer: Any, **options: Any) -> Any:
    return asyncio.run(detective.check(answer, **options))


def accuse(answer: Callable[[int, str, bytes], Any]) -> Any:
    def one_by_one(frames: list[tuple[int, str, bytes]]) -> Any:
        return next((told for told in (answer(*frame) for frame in frames) if told), None)

    return one_by_one


def without_unmasking(record: int, sender: str, data: bytes) -> Any:
    if sender == "client" and data[1] < 128:
        return record, "5.1"
    if data[1] & 127 == 126 and int.from_bytes(data[2:4], "big") < 126:
        return record, "5.2"
    start = 6 if data[1] > 127 else 2
    if data[0] & 15 == 8 and int.from_bytes(data[start : start + 2], "big") in (1005, 1006, 1015):
        return record, "7.4.1"
    return None


def bare(record: int, sender: str, data: bytes) -> Any:
    return (record, "5.1") if sender == "client" and data[1] < 128 else None


def sixteen_bits(record: int, sender: str, data: bytes) -> Any:
    return bare(record, sender, data) or ((record, "5.2") if data[1] & 127 == 126 else None)


def endless(_: Any) -> None:
    while True:
        pass


def test_the_reference_is_right_for_the_author() -> None:
    verdict = check(detective.answer)
    verdict.assert_solved()
    assert verdict.points() == 3


@pytest.mark.slow
def test_fifty_students_captures_can_be_solved() -> None:
    for seed in range(50):
        check(detective.answer, seed_of=str(seed)).assert_solved()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda frames: None, "You miss a client's frame that has no mask"),
        (accuse(bare), "You miss a length of 5"),
        (accuse(without_unmasking), "unmask its payload first"),
        (accuse(lambda record, sender, data: (record, "5.1") if data[1] < 128 else None), "only clients mask"),
        (
            accuse(sixteen_bits),
            "a length of 150 in 16 bits",
        ),
        (
            accuse(lambda r, s, d: without_unmasking(r, s, d) or ((r, "7.4.1") if d[-2:] == b"\x03\xed" else None)),
            "in a close frame only",
        ),
        (lambda frames: [(frame[0], "5.1") for frame in frames], "You gave a list"),
        (accuse(lambda record, sender, data: (record, 5.1) if data[1] < 128 and sender == "client" else None),
         "the section as a number"),
        (lambda frames: frames[99], "IndexError"),
    ],
)  # fmt: skip
def test_a_wrong_detective_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(answer)
    assert not verdict.solved
    assert says in " ".join(repr(verdict).split())


def test_a_list_of_two_is_as_good_as_a_tuple() -> None:
    check(lambda frames: (told := detective.answer(frames)) and list(told)).assert_solved()


def test_who_accuses_nobody_or_everybody_gains_little() -> None:
    assert check(lambda frames: None).points() == 0.75
    assert check(lambda frames: [(frame[0], section) for frame in frames for section in SECTIONS]).points() == 0
    assert check(lambda frames: (frames[0][0], "5.1")).points() < 0.5


def test_much_on_the_second_level_looks_strange_and_is_innocent() -> None:
    """What the lesson names and what the foreseen mistakes accuse appears in captures, and breaks no rule there."""
    seen = Counter[str]()
    for seed in range(40):
        trace = capture(seed, 2, "nobody errs")
        frames = [trace.frame_of(one) for one in trace if one.kind is Kind.FRAME]
        pings = {frame.data for frame in frames if frame.opcode == 9}
        for frame in frames:
            seen["a server's frame without a mask"] += frame.sender is Sender.SERVER
            seen["a length in 16 bits"] += frame.second & 127 == 126
            seen["03 ed as a payload"] += frame.opcode == 2 and frame.data == b"\x03\xed"
            seen["an empty message"] += frame.opcode == 1 and frame.payload_length == 0
            seen["an answer that nobody asked for"] += frame.opcode == 10 and frame.data not in pings
            seen["a letter that is cut in two"] += frame.opcode == 1 and not frame.fin
            seen["Socket.IO's 0"] += (frame.data or b"").startswith(b'0{"sid"')
            seen["a key of zeros"] += frame.masking_key == bytes(4)
    assert len(seen) == 8
    assert min(seen.values()) >= 3


def test_the_solution_in_the_notebook_is_right_for_others_too() -> None:
    cells = json.loads((source_folder() / "15-detective.ipynb").read_text("utf-8"))["cells"]
    [stub] = ["".join(cell["source"]) for cell in cells if "def accuse" in "".join(cell["source"])]
    space: dict[str, Any] = {}
    exec(stub, space)
    for seed in range(5):
        check(space["accuse"], seed_of=str(seed)).assert_solved()


@pytest.mark.lengthy
def test_an_endless_loop_is_ended() -> None:
    started = time.perf_counter()
    assert "had not returned after 1 s" in repr(check(endless))
    assert time.perf_counter() - started < 6


def test_a_frame_of_lessons_is_built_as_it_says() -> None:
    assert build_frame("hello", length_form=16)[:4] == b"\x81\x7e\x00\x05"
    assert NO_CHARGE.who == "nobody"
