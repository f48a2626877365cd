"""Lesson 06, messages, fragments, UTF-8: its exercise, its predictions, and what it tells its learners is so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from usual import check_usual

from wslab import Lab, build_frame, judge
from wslab.course import ExerciseVerdict
from wslab.course.experiments.lesson06 import (
    BETWEEN,
    CUT,
    KEY,
    Fragments,
    cut_slider,
    endless_message,
    fragments,
    in_frames,
    outcomes,
    row,
    send_in_pieces,
    what_came,
    when_refused,
)

T = TypeVar("T")
Cut = Callable[[str, list[int]], Any]
GREETING = "Héllo 👋"
WHOLE = {"whole": row((b"Hello", 1, True))}


def in_a_lab(program: Callable[[Lab], Awaitable[T]]) -> T:
    async def main() -> T:
        async with Lab(seed=6, carrier="memory") as lab:
            await lab.serve()
            return await program(lab)

    return asyncio.run(main())


def check(answer: Any, seed: str = "author") -> ExerciseVerdict:
    return asyncio.run(fragments.check(answer, seed_of=seed))


def pieces(text: str, cuts: list[int]) -> list[bytes]:
    data = text.encode()
    return [data[start:stop] for start, stop in pairwise([0, *cuts, len(data)])]


def made(fin: Callable[[int, int], int], opcode: Callable[[int], int]) -> Cut:
    """An answer that chooses its first bytes so."""

    def answer(text: str, cuts: list[int]) -> list[bytes]:
        cut = pieces(text, cuts)
        last = len(cut) - 1
        return [bytes([fin(place, last) << 7 | opcode(place), len(piece)]) + piece for place, piece in enumerate(cut)]

    return answer


def last(place: int, of: int) -> int:
    return int(place == of)


def first(place: int) -> int:
    return int(place == 0)


def cuts_the_text(text: str, cuts: list[int]) -> list[bytes]:
    parts = [text[start:stop] for start, stop in pairwise([0, *cuts, len(text)])]
    frames = [(part.encode(), 0 if place else 1) for place, part in enumerate(parts)]
    return [
        build_frame(part, opcode=opcode, fin=place == len(parts) - 1) for place, (part, opcode) in enumerate(frames)
    ]


def masked(text: str, cuts: list[int]) -> list[bytes]:
    return [bytes([frame[0], frame[1] | 0x80]) + KEY + frame[2:] for frame in in_frames(text, cuts)]


def counts_characters(text: str, cuts: list[int]) -> list[bytes]:
    return [bytes([frame[0], len(frame[2:].decode(errors="ignore"))]) + frame[2:] for frame in in_frames(text, cuts)]


WRONG = {
    "opcode 1 in each": (made(last, lambda place: 1), "Each of your frames says TEXT."),
    "binary": (made(last, lambda place: 2 * first(place)), "Your first frame does not say that it begins a text"),
    "opcode 2 behind": (made(last, lambda place: 1 if place == 0 else 2), "A frame after the first has another"),
    "FIN in each": (made(lambda place, of: 1, first), "Each of your frames has FIN set."),
    "no FIN": (made(lambda place, of: 0, first), "No frame has FIN set"),
    "FIN in the first": (made(lambda place, of: first(place), first), "Your first frame has FIN set."),
    "the text is cut": (cuts_the_text, "You cut the text. Cut its bytes"),
    "the rest is left out": (lambda text, cuts: in_frames(text, cuts)[:-1], "One cut makes two frames."),
    "the last bytes are left out": (
        lambda text, cuts: [*in_frames(text, cuts)[:-1], b"\x80\x00"], "The bytes after the last cut are missing.",
    ),
    "masked": (masked, "You set MASK."),
    "characters are counted": (counts_characters, "A length does not fit its payload."),
    "one run of bytes": (lambda text, cuts: b"".join(in_frames(text, cuts)), "Return a list"),
}  # fmt: skip


@pytest.mark.lengthy
def test_the_reference_is_solved_by_fifty_seeds() -> None:
    for seed in range(50):
        check(in_frames, str(seed)).assert_solved()


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_answer_gets_its_own_sentence(mistake: str) -> None:
    answer, sentence = WRONG[mistake]
    verdict = check(answer)
    assert not verdict.solved
    assert sentence in repr(verdict).replace("\n", " ")


def test_the_sentences_differ() -> None:
    assert len({sentence for _, sentence in WRONG.values()}) == len(WRONG)


@pytest.mark.slow
def test_an_endless_loop_is_stopped() -> None:
    def endless(text: str, cuts: list[int]) -> list[bytes]:
        while True:
            pass

    assert "had not returned after 1 s" in repr(check(endless))


def test_a_judge_is_a_real_library() -> None:
    """What the exercise accepts, the libraries accept, and what they refuse is refused."""
    for frames, accepted in ((in_frames("née", [2]), True), (made(last, lambda place: 1)("née", [2]), False)):
        assert [one.accepted for one in judge(b"".join(frames), as_client=False).verdicts] == [accepted] * 2


def test_one_message_in_three_frames_comes_back_in_one() -> None:
    """Misconception 6."""
    outcome = in_a_lab(lambda lab: send_in_pieces(lab, ["Hel", "lo"]))
    assert [*outcome.values()] == [3, 1, 1]
    check_usual("06.count", outcome)


def test_the_counts_come_from_the_recording() -> None:
    assert [*in_a_lab(lambda lab: send_in_pieces(lab, ["Hello"])).values()] == [2, 1, 1]
    assert [*in_a_lab(lambda lab: send_in_pieces(lab, "Hello")).values()] == [1, 1, 1]  # type: ignore[arg-type]


def test_a_message_must_be_utf_8_and_a_frame_need_not() -> None:
    """Misconception 7."""
    outcome = asyncio.run(outcomes(CUT))
    assert [*outcome.values()] == ["delivered", "closed with 1007", "delivered"]
    check_usual("06.cut", outcome)


def test_only_a_whole_control_frame_may_stand_inside_a_message() -> None:
    outcome = asyncio.run(outcomes(BETWEEN))
    assert [*outcome.values()] == ["delivered", "closed with 1002", "closed with 1002", "closed with 1002"]
    check_usual("06.between", outcome)


@pytest.mark.parametrize(("cases"), [CUT, BETWEEN])
def test_both_libraries_see_it_as_the_live_server_does(cases: dict[str, list[bytes]]) -> None:
    live = asyncio.run(outcomes(cases))
    for name, frames in cases.items():
        for verdict in judge(b"".join(frames)).verdicts:
            assert live[name] == ("delivered" if verdict.accepted else f"closed with {verdict.code}")


def test_the_same_words_come_of_the_opposite_recordings() -> None:
    assert asyncio.run(outcomes(WHOLE)) == {"whole": "delivered"}
    assert what_came([]) == "no answer"


def test_the_libraries_refuse_bad_text_at_different_times() -> None:
    outcome = when_refused()
    assert outcome == {"websockets": "at the last frame", "wsproto": "at the first frame"}
    check_usual("06.first", outcome)
    good, end = row((b"a", 1, False), (b"b", 0, True))
    assert set(when_refused(good, end).values()) == {"never"}
    assert set(when_refused(build_frame(b"a", opcode=3, mask=KEY), end).values()) == {"at the first frame"}


def test_the_slider_moves_the_cut_through_every_place() -> None:
    slider = cut_slider(GREETING)
    assert len(slider.stops) == 10
    inside = [at for at in range(1, 11) if Fragments(GREETING, [at]).halves]
    assert inside == [2, 8, 9, 10]
    assert "after byte 1 of 11" in repr(slider)
    assert "accepted" not in repr(slider)
    assert Fragments(GREETING, [2]).halves == [1, 2]
    assert "(c3)" in repr(Fragments(GREETING, [2]))


def test_no_cut_of_two_frames_is_refused() -> None:
    for at in range(1, 11):
        shown = Fragments(GREETING, [at], judged=True)
        assert all(one.accepted for one in judge(b"".join(shown.frames), as_client=False).verdicts)
        assert repr(shown).count("accepted") == 2


def test_the_frames_of_the_table_are_those_that_are_sent() -> None:
    for name, wanted in zip(CUT, (["01 82", "80 84"], ["81 82"], ["02 82", "80 84"]), strict=True):
        assert [frame[:2].hex(" ") for frame in CUT[name]] == wanted
    assert [frame.hex(" ") for frame in Fragments("Héllo", [2]).frames] == ["01 02 48 c3", "80 04 a9 6c 6c 6f"]


def test_a_message_without_an_end_is_ended_by_the_limit_for_messages() -> None:
    for size in (100_000, 50_000):
        assert asyncio.run(endless_message(b"x" * size)) == (
            f"CLOSE 1009: frame with {size} bytes after reading 1000000 bytes exceeds limit of 1048576 bytes"
        )
