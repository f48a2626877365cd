"""Exercises are judged, never raise, name the foreseen mistake, and end loops that have no end."""

import asyncio
import contextlib
import time
from typing import Any

import pytest

from wslab.course import Exercise, ExerciseVerdict, Outcome, Trial, exercise
from wslab.course.exercises import EndlessLoopError, watched


@exercise(
    points=3,
    variants=2,
    hints=["Say it twice.", "Use `+`."],
    foreseen=[
        (lambda f: f("ab") == "ab", "You gave the word back as it is."),
        (lambda f: f("ab") == "ab ab", "There is a blank too many."),
    ],
)
async def doubled(answer: Any, trial: Trial) -> list[Outcome]:
    """Return the word twice."""
    outcomes = []
    for word in trial.words(2):
        came = answer(word)
        came = await came if asyncio.iscoroutine(came) else came
        outcomes.append(Outcome(word, word * 2, came, came == word * 2))
    return outcomes


def check(answer: Any, **options: Any) -> ExerciseVerdict:
    return asyncio.run(doubled.check(answer, **options))


@doubled.reference
def twice(word: str) -> str:
    return word + word


async def coroutine_twice(word: str) -> str:
    await asyncio.sleep(0)
    return word * 2


def stub(word: str) -> str:
    raise NotImplementedError


def divides(word: str) -> float:
    return 1 / 0


def endless(word: str) -> None:
    while True:
        pass


def seldom_endless(word: str) -> str:
    while word != "ab":
        pass
    return word


async def endless_coroutine(word: str) -> None:
    await asyncio.sleep(0)
    while True:
        pass


@pytest.mark.parametrize("answer", [twice, coroutine_twice])
def test_a_right_answer_is_solved_for_fifty_seeds(answer: Any):
    for seed in range(50):
        verdict = check(answer, seed_of=str(seed))
        assert verdict.solved
        assert verdict.points() == 3
        verdict.assert_solved()
    assert "doubled: solved" in repr(verdict)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda word: word, "You gave the word back as it is."),
        (lambda word: f"{word} {word}", "There is a blank too many."),
        (divides, r"Your code raised ZeroDivisionError: division by zero, in line \d+: return 1 / 0"),
        (stub, 'Replace "raise NotImplementedError"'),
        (None, "Your code raised TypeError"),
    ],
)
def test_a_wrong_answer_gets_its_own_sentence(answer: Any, says: str):
    verdict = check(answer)
    assert not verdict.solved
    with pytest.raises(AssertionError, match=says):
        verdict.assert_solved()
    assert verdict.points() == 0


def test_a_part_that_is_right_has_its_points():
    verdict = check(lambda word: word * 2 if word.isascii() else word)
    assert verdict.points() == 1.5


@pytest.mark.parametrize("answer", [endless, seldom_endless, endless_coroutine])
@pytest.mark.slow
def test_an_endless_loop_is_ended(answer: Any):
    started = time.perf_counter()
    verdict = check(answer)
    assert "had not returned after 1 s" in repr(verdict)
    assert not verdict.solved
    assert not verdict.mistake
    assert time.perf_counter() - started < 5


def test_what_waits_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wslab.course.exercises.PATIENCE", 0.05)

    async def waits(word: str) -> None:
        await asyncio.Event().wait()

    assert "waits for bytes" in repr(check(waits))


def test_a_watched_coroutine_is_as_it_was():
    async def work() -> list[int]:
        found = [await asyncio.sleep(0, 1)]
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        except TimeoutError:
            found.append(2)
        return [*found, *await asyncio.gather(*(asyncio.sleep(0.001, n) for n in (3, 4)))]

    async def cancelled() -> None:
        task = asyncio.ensure_future(watched(asyncio.sleep(10)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert asyncio.run(watched(work())) == [1, 2, 3, 4]
    asyncio.run(cancelled())


@pytest.mark.slow
def test_no_exception_comes_late():
    async def nearly() -> None:
        stop = time.perf_counter() + 1.0
        while time.perf_counter() < stop:
            pass

    for _ in range(3):
        with contextlib.suppress(EndlessLoopError):
            asyncio.run(watched(nearly()))
        for _ in range(1000):
            time.sleep(0)


def test_hints_open_one_by_one_and_then_the_solution():
    doubled._done.clear()
    assert "opens after 3 tries and all 2 hints" in repr(doubled.solution())
    assert "Hint 1 of 2: Say it twice." in repr(doubled.hint())
    assert "Hint 2 of 2" in repr(doubled.hint())
    assert "no more hints" in repr(doubled.hint())
    doubled._done["tried"] = 3
    assert "return word + word" in repr(doubled.solution())


def test_a_teacher_sees_the_solution_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WSLAB_EDITION", "teacher")
    assert "return word + word" in repr(doubled.solution())


@pytest.mark.usefixtures("student")
def test_tries_and_hints_are_known_after_a_restart():
    def made() -> Exercise:
        @exercise(hints=["Only one."])
        async def restarted(answer: Any, trial: Trial) -> list[Outcome]:
            """Say yes."""
            return [Outcome("", "yes", answer(), answer() == "yes")]

        restarted.reference(lambda: "yes")
        return restarted

    for _ in range(3):
        asyncio.run(made().check(lambda: "no"))
    assert "opens after" in repr(made().solution())
    assert "Only one." in repr(made().hint())
    after = made()
    assert after.tries == 3
    assert "opens after" not in repr(after.solution())
    assert "no more hints" in repr(after.hint())
