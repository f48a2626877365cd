"""Lesson 10: what its experiments tell, in both directions, what leaks, and how its exercise judges."""

from __future__ import annotations

import asyncio
import random
import re
import time
import zlib
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from usual import check_usual

from wslab import Lab, build_frame, judge
from wslab.course import quiz
from wslab.course.experiments import deflated, lesson10, vaults
from wslab.course.experiments.deflated import Token
from wslab.course.experiments.lesson10 import MESSAGES, TEXT, Thief, Window, burglary
from wslab.course.experiments.vaults import DIGITS, LEAD_IN, Burglary, Round, Vault, burgle, pin_of

SIZES = {
    "the text": "40 to 45 bytes",
    "the same text again": "under 10 bytes",
    "the same text once more": "under 10 bytes",
    "43 random bytes": "over 45 bytes",
}
VAULTS = {
    "wss:": "it opens",
    "the client forgets": "it opens",
    "the server forgets": "it stays shut",
}
WINDOWS = {"a window of 512 bytes": "40 to 45 bytes", "a window of 32,768 bytes": "under 10 bytes"}


def in_lab(work: Callable[[Lab], Awaitable[Any]], compression: str | None = "deflate") -> Any:
    async def main() -> Any:
        async with Lab(seed=10, carrier="memory") as lab:
            await lab.serve(compression=compression)
            return await work(lab)

    return asyncio.run(main())


async def talk(lab: Lab, *messages: str | bytes) -> Lab:
    async with lab.connect(compression="deflate") as client:
        for message in messages:
            await client.send(message)
            assert await client.recv() == message
    return lab


# The predictions.


def test_the_first_message_gains_nothing_a_repeated_one_shrinks_and_random_bytes_grow() -> None:
    """Misconception 23."""
    outcome = lesson10.weighed(in_lab(lambda lab: talk(lab, *MESSAGES)).trace)
    assert outcome == SIZES
    check_usual("10.sizes", outcome)


def test_the_three_texts_take_44_and_7_and_6_bytes() -> None:
    trace = in_lab(lambda lab: talk(lab, *MESSAGES)).trace
    sizes = [deflated.size_of(frame) for frame in deflated.answers(trace)]
    assert sizes[:3] == [44, 7, 6]
    assert sizes[3] > 45
    assert [len(message) for message in MESSAGES] == [43] * 4
    assert "the text: 44, again: 7, once more: 6" in repr(lesson10.scale(trace))


def test_without_compression_all_sizes_are_told_as_45_bytes() -> None:
    assert set(lesson10.weighed(in_lab(lambda lab: talk(lab, *MESSAGES), None).trace).values()) == {"40 to 45 bytes"}
    assert [lesson10.range_of(size) for size in (9, 10, 39, 40, 45, 46)] == [
        "under 10 bytes", "10 to 39 bytes", "10 to 39 bytes", "40 to 45 bytes", "40 to 45 bytes", "over 45 bytes",
    ]  # fmt: skip


@pytest.mark.lengthy
def test_tls_and_a_client_that_forgets_leave_the_vault_open_and_a_server_that_forgets_shuts_it() -> None:
    """Misconception 23."""
    attacks = asyncio.run(vaults.three_vaults())
    outcome = vaults.opened(attacks)
    assert outcome == VAULTS
    check_usual("10.vaults", outcome)
    slider = vaults.vault_slider(attacks)
    assert "→ PIN is 3526" in repr(slider)
    slider.at = "the server forgets"
    assert "no size stands out" in repr(slider)
    assert "<svg" in slider._repr_html_()


def test_another_pin_than_the_vaults_is_told_as_shut() -> None:
    found = Burglary((Round("735", (7, 6, *[7] * 8)),))
    assert vaults.opened({"one": ("7351", found), "other": ("7352", found)}) == {
        "one": "it opens",
        "other": "it stays shut",
    }
    assert Burglary((Round("", (7,) * 10),)).pin is None
    assert Round("", (6, 6, *[7] * 8)).digit is None


@pytest.mark.slow
def test_fifty_of_fifty_pins_are_opened_and_none_where_the_server_forgets() -> None:
    async def main() -> tuple[list[str | None], list[Burglary]]:
        pins = [pin_of(seed) for seed in range(50)]
        forgets = [await burgle(pin, carrier="memory", server_no_context_takeover=True) for pin in pins]
        return [(await burgle(pin, carrier="memory")).pin for pin in pins], forgets

    opened, shut = asyncio.run(main())
    assert opened == [pin_of(seed) for seed in range(50)]
    assert len(set(opened)) == 50
    assert [one.pin for one in shut] == [None] * 50
    assert {len(set(one.rounds[0].sizes)) for one in shut} == {1}  # all ten answers are alike


@pytest.mark.slow
def test_over_tls_pins_are_opened_by_the_lengths_of_records() -> None:
    for seed in range(3):
        found = asyncio.run(burgle(pin_of(seed), tls=True))
        assert found.pin == pin_of(seed)
        assert {max(one.sizes) - min(one.sizes) for one in found.rounds} == {1}


def test_a_right_guess_is_one_byte_shorter_a_digit_and_leads_to_the_pin() -> None:
    found = asyncio.run(burgle(pin_of(10)))
    assert found.pin == pin_of(10) == "3526"
    for one in found.rounds:
        assert sorted(one.sizes) == [6, *[7] * 9]
    assert repr(vaults.guesses(found)).splitlines()[-1] == "    → PIN is 3526"


def test_the_drawings_are_readable_in_a_narrow_window() -> None:
    found = Burglary((Round("", (24, *[25] * 9)),) * 4)
    trace = asyncio.run(lesson10.through_windows((9,)))[9]
    for drawn in (vaults.guesses(found), Window(trace)):
        assert int(re.findall(r'viewBox="0 0 (\d+) ', drawn.picture().svg)[0]) <= 680
        assert min(map(float, re.findall(r'font-size="([\d.]+)"', drawn.picture().svg))) >= 11


def test_the_sizes_of_ten_narrow_bars_do_not_touch() -> None:
    drawn = vaults.guesses(Burglary((Round("", (23, *[24] * 9)),) * 4)).picture().svg
    places = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" font-size="11"[^>]*>2[34]<', drawn)
    assert len(places) == 40
    for height in {y for _, y in places}:
        across = sorted(float(x) for x, y in places if y == height)
        assert all(right - left > 20 for left, right in pairwise(across))


def test_the_window_decides_whether_a_text_is_copied() -> None:
    traces = asyncio.run(lesson10.through_windows((9, 10, 15)))
    outcome = lesson10.remembered(traces, 9, 15)
    assert outcome == WINDOWS
    check_usual("10.windows", outcome)
    assert [Window(trace).reach for trace in traces.values()] == [512, 1024, 32768]
    assert [Window(trace).size < 10 for trace in traces.values()] == [False, True, True]
    assert "the second text takes 44 of 45 bytes" in repr(lesson10.window_slider(traces))
    assert "the last 512 bytes" in Window(traces[9]).picture().svg


def test_the_quiz_has_a_reason_for_each_usual_answer() -> None:
    asked = quiz("10").asked.cases
    assert len(asked) == 5
    for case in asked.values():
        assert case.why(case.usual)
        assert not case.kind.same(case.usual, case.was)


# What the lesson prints and says beside its predictions.


def test_a_right_guess_is_one_copy_and_a_wrong_one_a_copy_and_a_letter() -> None:
    said = repr(deflated.steps(asyncio.run(vaults.two_guesses())))
    right, wrong = said.split('The answer "')[1:]
    assert right.startswith('PIN is 7"')
    assert "copy 8 from 12 back: bytes 0 to 7\n" in right
    assert "1 copy and 0 letters: 4 bytes" in right
    assert wrong.startswith('PIN is 8"')
    assert "copy 7 from 12 back: bytes 0 to 6; as it is: byte 7" in wrong
    assert "1 copy and 1 letter: 5 bytes" in wrong


@pytest.mark.parametrize("seed", range(40))
def test_tokens_are_what_zlib_inflates_to(seed: int) -> None:
    chance = random.Random(seed)
    words = ["PIN is ", "7391", "\x00é", "ada ", "x" * chance.randrange(300), TEXT[:20]]
    before, said = "".join(chance.choices(words, k=20)).encode(), "".join(chance.choices(words, k=4)).encode()
    engine = zlib.compressobj(wbits=-15, strategy=zlib.Z_FIXED)
    engine.compress(before)
    engine.flush(zlib.Z_SYNC_FLUSH)
    payload = (engine.compress(said) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]
    found = deflated.tokens(payload, before)
    assert b"".join(one.data for one in found) == said
    assert all(one.back or len(one.data) == 1 for one in found)


def test_tokens_of_hello_are_its_letters_and_other_codes_are_refused() -> None:
    assert deflated.tokens(bytes.fromhex("f2 48 cd c9 c9 07 00"), b"") == [Token(bytes([one])) for one in b"Hello"]
    with pytest.raises(ValueError, match="a block of type 2"):
        deflated.tokens(zlib.compress(bytes(random.Random(1).choices(b"abcd", k=3000)))[2:], b"")


def test_the_nine_bytes_are_those_of_the_rfc_and_the_payload_is_longer_than_the_word() -> None:
    lab = in_lab(lambda lab: talk(lab, "Hello"))
    frame = lab.trace.frame(deflated.last_answer(lab.trace))
    # RFC 7692 7.2.3.1: "0xc1 0x07 0xf2 0x48 0xcd 0xc9 0xc9 0x07 0x00"
    assert (frame.raw or b"").hex(" ") == "c1 07 f2 48 cd c9 c9 07 00"
    assert frame.payload_length > len("Hello")
    assert build_frame("Hello")[:1] == b"\x81"
    # Misconception 12: without the extension the same bit breaks a rule.
    assert {one.code for one in judge(frame.raw or b"", as_client=True).verdicts} == {1002}


def test_a_message_that_becomes_too_large_is_refused_with_1009() -> None:
    said = asyncio.run(lesson10.small_and_large(2_000_000))
    assert "about 1,000 times smaller" in said
    assert "it closes with 1009" in said
    assert "1,000,000 bytes come back" in asyncio.run(lesson10.small_and_large(1_000_000))


def test_a_short_message_is_told_as_it_is() -> None:
    assert "100 letters, about 8 times smaller" in asyncio.run(lesson10.small_and_large(100))
    assert "5 letters, no smaller on the wire" in asyncio.run(lesson10.small_and_large(5))


def test_the_vault_opens_round_by_round_and_its_door_says_4000() -> None:
    async def main() -> tuple[int | None, bool, int]:
        opening = Vault(Burglary((Round("", (6, *[7] * 9)),)))
        while not opening.finished:
            await opening.next_round()
        code = await opening.knock()
        opening.another()
        return code, opening.finished, len(opening.rounds)

    assert asyncio.run(main()) == (4000, False, 0)


def test_the_vault_shows_its_attack_without_a_kernel_and_has_buttons_with_one() -> None:
    shut = Vault(Burglary((Round("", (6, *[7] * 9)),)))
    assert set(shut._repr_mimebundle_()) == {"text/html", "text/plain"}
    assert "→ PIN is 0" in repr(shut)
    buttons, tell, page, *_ = vaults.vault_form(shut).children
    assert [one.description for one in buttons.children] == ["Try ten digits", "Another PIN"]
    assert tell.value == "The vault is shut."
    assert "round 1" in page.value


def test_a_round_ends_before_there_is_another_pin_and_one_that_tells_nothing_is_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        opening = Vault(Burglary((Round("", (6, *[7] * 9)),)))
        buttons, tell, *_ = vaults.vault_form(opening).children
        go, new = buttons.children

        async def press() -> None:
            go.click()
            await asyncio.sleep(0)
            assert go.disabled
            assert new.disabled
            async with asyncio.timeout(10):
                while new.disabled:
                    await asyncio.sleep(0.01)

        await press()
        assert (tell.value, go.disabled) == ("1 of 4 digits", False)
        monkeypatch.setattr(vaults, "ten_guesses", nothing)
        await press()
        assert (tell.value, go.disabled) == ("No size stands out, so digit 2 is not known. Take another PIN.", True)
        new.click()
        assert (tell.value, go.disabled, opening.rounds) == ("The vault is shut.", False, [])

    async def nothing(lab: Lab, known: str) -> Round:
        return Round(known, (7,) * 10)

    asyncio.run(main())


# The exercise.


def check(answer: Any, **options: Any) -> Any:
    return asyncio.run(burglary.check(answer, **options))


def thief(**methods: Any) -> Any:
    """A thief with other methods."""
    return type("Other", (Thief,), methods)


ONE = thief(
    connections=lambda self, known: [[LEAD_IN + known + digit for digit in DIGITS]],
    digit=lambda self, sizes: str(sizes[0].index(min(sizes[0]))) if len(set(sizes[0])) > 1 else None,
)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (thief(connections=lambda self, known: [[known + one] for one in DIGITS]), "do not repeat what stands before"),
        (thief(connections=lambda self, known: [[LEAD_IN + one] for one in DIGITS]), "leave out the digits"),
        (thief(digit=lambda self, sizes: sizes.index(min(sizes))), "You return a number"),
        (
            thief(digit=lambda self, sizes: str(sizes.index(max(sizes))) if sizes.count(max(sizes)) == 1 else None),
            "You take the largest answer",
        ),
        (thief(digit=lambda self, sizes: str(sizes.index(min(sizes)))), "All answers have the same size"),
        (thief(connections=lambda self, known: "PIN is 7"), "wanted is a list of lists"),
        (thief(connections=lambda self, known: [["PIN is 7"]] * 41), "wanted is a list of lists"),
    ],
)
@pytest.mark.lengthy
def test_a_wrong_thief_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(answer)
    assert not verdict.solved
    assert says in " ".join(repr(verdict).split())


def test_the_ten_guesses_of_a_digit_may_be_said_on_one_connection_too() -> None:
    check(ONE).assert_solved()


def test_a_digit_alone_is_never_copied() -> None:
    """What a question of the quiz says."""

    async def main() -> list[int]:
        async with Lab(carrier="memory") as lab:
            await vaults.open_vault(lab, "7391")
            return [(await vaults.overheard(lab, [digit]))[0] for digit in DIGITS]

    assert len(set(asyncio.run(main()))) == 1


@pytest.mark.lengthy
def test_the_reference_is_right_for_the_author() -> None:
    verdict = check(burglary.answer)
    verdict.assert_solved()
    assert verdict.points() == 4


@pytest.mark.slow
def test_the_reference_is_right_for_fifty_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burglary, "variants", 1)
    for seed in range(50):
        check(burglary.answer, seed_of=str(seed)).assert_solved()


@pytest.mark.slow
def test_an_endless_loop_is_ended() -> None:
    def endless(self: Any, known: str) -> None:
        while True:
            pass

    started = time.perf_counter()
    assert "had not returned after 1 s" in repr(check(thief(connections=endless)))
    assert time.perf_counter() - started < 6
