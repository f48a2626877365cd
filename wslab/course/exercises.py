"""Exercises: a function that a learner writes, and real peers that judge what it makes.

Theory. An exercise is a coroutine of its author. It gets the learner's answer and a seeded trial, has real endpoints
read what the answer makes, and returns what was sent, wanted and received. ``check`` runs it for a few seeds and says
in words what came of it. It never raises for a wrong answer.

``asyncio.timeout`` cannot end ``while True: pass``, and in a busy kernel no interrupt arrives. So each step of a check
runs under a watch: a thread that raises an exception in this one when a second has passed. It does not reach
``time.sleep``, C code or ``except BaseException``; where a class is graded each submission has a process of its own.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import inspect
import random
import threading
import types
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from ..drawing.blocks import Notes, Table, Words
from ..drawing.sheet import Sheet, Shown
from ..drawing.visible import count, visible
from ..live.errors import place_of
from .edition import edition
from .journal import events, note, seed

T = TypeVar("T")
DEADLINE = 1.0  # seconds that a learner's code may compute without awaiting anything
PATIENCE = 10.0  # seconds that a check takes at most: then a peer waits for bytes that never come
TRIES = 3  # before a solution is shown


class Outcome(NamedTuple):
    """What came of one thing that was tried."""

    sent: str
    wanted: str
    came: str
    ok: bool


class EndlessLoopError(Exception):
    """A learner's code did not return in time."""


class Trial:
    """What an exercise tries an answer with: chance from a seed, so that each learner has cases of their own."""

    WORDS = ("Hello", "ping", "wire", "frame", "lab", "notebook", "socket", "echo")
    WIDE = ("şğü", "žluť", "naïve", "日本", "été", "👋")  # their letters take more than a byte each in UTF-8

    def __init__(self, source: str) -> None:
        self.random = random.Random(source)

    def words(self, number: int) -> list[str]:
        """That many words, one of which has letters outside ASCII."""
        chosen = [*self.random.sample(self.WORDS, number - 1), self.random.choice(self.WIDE)]
        self.random.shuffle(chosen)
        return chosen


class ExerciseVerdict(Shown):
    """What came of a check; it shows itself as a message, and is no exception."""

    def __init__(
        self, name: str, outcomes: Sequence[Outcome], lines: Sequence[str], points: int, heading: str, mistake: str = ""
    ) -> None:
        self.name, self.outcomes, self.lines, self.heading = name, tuple(outcomes), tuple(lines), heading
        self.mistake = mistake  # the sentence for the foreseen mistake that was made, if one was
        self._most = points

    @property
    def solved(self) -> bool:
        """Whether all that was tried came out as wanted."""
        return bool(self.outcomes) and all(outcome.ok for outcome in self.outcomes)

    def points(self) -> float:
        """The points for it, in part where a part came out as wanted; nbgrader takes them from a cell's last line."""
        right = sum(outcome.ok for outcome in self.outcomes)
        return round(self._most * right / len(self.outcomes), 2) if self.outcomes else 0.0

    def assert_solved(self) -> None:
        """Raise AssertionError, with the verdict as its message, unless it is solved."""
        assert self.solved, repr(self)

    def _sheet(self) -> Sheet:
        rows = [
            (visible(one.sent), visible(one.wanted), visible(one.came), "yes" if one.ok else "no")
            for one in self.outcomes
        ]
        table = [Table(("sent", "wanted", "came", "so"), rows)] if rows else []
        notes = [Notes([visible(line) for line in self.lines])] if self.lines else []
        return Sheet(self.heading, [Words(self.heading), *table, *notes])


class Exercise(Shown):
    """Something to write, with the peers that judge it. Made by ``exercise``."""

    def __init__(
        self,
        judge: Callable[[Any, Trial], Awaitable[Sequence[Outcome]]],
        *,
        points: int,
        misconception: int | None,
        variants: int,
        hints: Sequence[str],
        foreseen: Sequence[tuple[Callable[[Any], object], str]],
    ) -> None:
        self.name = judge.__name__
        self.task = inspect.getdoc(judge) or ""
        self.lesson = judge.__module__.rpartition(".")[2].removeprefix("lesson")
        self.points, self.misconception, self.variants = points, misconception, variants
        self._judge, self._hints, self._foreseen = judge, tuple(hints), tuple(foreseen)
        self.answer: Any = None  # the exercise's solution
        self._watchers: list[Callable[[], object]] = []

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The sentences for the mistakes that are foreseen."""
        return tuple(sentence for _, sentence in self._foreseen)

    @property
    def _event(self) -> str:
        return f"{self.lesson}.{self.name}"

    @cached_property
    def _before(self) -> Sequence[Mapping[str, Any]]:
        """What a student's journal knows of it from before a restart."""
        before = events() if edition() == "student" else ()
        return [event for event in before if event["name"] == self._event]

    @cached_property
    def _done(self) -> Counter[str]:
        """How often it was tried and how many hints were given."""
        return Counter(event["event"] for event in self._before)

    @cached_property
    def solved(self) -> bool:
        """Whether what was checked last is right."""
        return any([event.get("solved") for event in self._before if event["event"] == "tried"][-1:])

    def watch(self, wake: Callable[[], object]) -> None:
        """Have ``wake()`` called after each check."""
        self._watchers.append(wake)

    @property
    def tries(self) -> int:
        """How often it was checked."""
        return self._done["tried"]

    @property
    def _given(self) -> int:
        return self._done["hint"]

    async def check(self, answer: Any, *, seed_of: str | None = None, kept: bool = True) -> ExerciseVerdict:
        """Have the peers judge an answer. Never raises for a wrong one.

        Args:
            answer: what the learner wrote.
            seed_of: whose cases are taken; None for those of this learner.
            kept: whether the try is counted as progress, and the hints that are left are told.
        """
        owner = seed_of if seed_of is not None else seed() if edition() == "student" else "author"
        outcomes: list[Outcome] = []
        lines: list[str] = []
        looped = False
        try:
            async with asyncio.timeout(PATIENCE):
                for variant in range(self.variants):
                    trial = Trial(f"{owner} {self.name} {variant}")
                    outcomes += await watched(self._judge(answer, trial))
        except NotImplementedError:
            return self._verdict(
                [],
                ['Replace "raise NotImplementedError" with your code. Run the cell that holds it, and check again.'],
                "not begun",
            )
        except TimeoutError:
            lines.append(f"Nothing happened for {PATIENCE:g} s: the peer still waits for bytes.")
        except Exception as error:
            looped = isinstance(error, EndlessLoopError)  # and that says it all
            lines.append(_blame(error))
        solved = bool(outcomes) and not lines and all(outcome.ok for outcome in outcomes)
        if lines:  # it ended before its time: what came out well before does not make it right
            outcomes.append(Outcome("", "an answer", "none", False))
        reason = [] if solved or looped else self._reason(answer)
        if not solved:
            lines += reason
            left = len(self._hints) - self._given if kept else 0
            lines += [f"{count(left, 'hint')} left: {self.name}.hint()"] if left else []
        if kept:
            self._done["tried"] += 1
            self.solved = solved
            note("tried", self._event, solved=solved)
            for wake in self._watchers:
                wake()
        return self._verdict(outcomes, lines, "solved" if solved else "not yet", "".join(reason))

    def _verdict(
        self, outcomes: Sequence[Outcome], lines: Sequence[str], heading: str, mistake: str = ""
    ) -> ExerciseVerdict:
        return ExerciseVerdict(self.name, outcomes, lines, self.points, f"{self.name}: {heading}", mistake)

    def _reason(self, answer: Any) -> list[str]:
        """The first foreseen mistake that the answer makes, in a sentence."""
        plain = functools.partial(_at_once, answer) if inspect.iscoroutinefunction(answer) else answer
        for makes, sentence in self._foreseen:
            try:
                if _within(functools.partial(makes, plain)):
                    return [sentence]
            except EndlessLoopError:
                break  # the next test would wait as long
            except Exception:
                continue
        return []

    def hint(self) -> Shown:
        """The next hint."""
        if self._given >= len(self._hints):
            return _Reply("There are no more hints.")
        self._done["hint"] += 1
        note("hint", self._event)
        return _Reply(f"Hint {self._given} of {len(self._hints)}: {self._hints[self._given - 1]}")

    def reference(self, function: T) -> T:
        """Decorator: the exercise's solution."""
        self.answer = function
        return function

    def solution(self) -> Shown:
        """The solution as text, after three tries and all hints, or in the teacher's edition."""
        if edition() != "teacher" and (self.tries < TRIES or self._given < len(self._hints)):
            return _Reply(
                f"The solution opens after {TRIES} tries and all {len(self._hints)} hints. "
                f"Tried: {self.tries}; hints: {self._given}."
            )
        note("solution", self._event)
        return _Reply(inspect.getsource(self.answer) if self.answer else "There is none.")

    def _sheet(self) -> Sheet:
        return Sheet("Exercise", [Words(f"{self.name} ({self.points} points)"), Words(self.task)])


class _Reply(Shown):
    def __init__(self, text: str) -> None:
        self.text = text

    def _sheet(self) -> Sheet:
        return Sheet("", [Words(self.text, code=True)])


def exercise(
    *,
    points: int = 1,
    misconception: int | None = None,
    variants: int = 3,
    hints: Sequence[str] = (),
    foreseen: Sequence[tuple[Callable[[Any], object], str]] = (),
) -> Callable[[Callable[[Any, Trial], Awaitable[Sequence[Outcome]]]], Exercise]:
    """Decorator: make an exercise of a coroutine function that judges an answer.

    Args:
        points: what it is worth.
        misconception: the number of the misconception that it ends.
        variants: how many seeded cases are tried.
        hints: sentences that are opened one after another.
        foreseen: tests of an answer, each with the sentence for who made that mistake; the first that fits is said.

    The function gets the answer and a ``Trial`` and returns ``Outcome`` tuples. Its docstring is the task.
    """

    def make(judge: Callable[[Any, Trial], Awaitable[Sequence[Outcome]]]) -> Exercise:
        return Exercise(
            judge, points=points, misconception=misconception, variants=variants, hints=hints, foreseen=foreseen
        )

    return make


def _within(call: Callable[[], T], seconds: float = DEADLINE) -> T:
    """What ``call()`` returns. Raises EndlessLoopError where it has not returned after so many seconds."""
    thread = threading.get_ident()
    lock = threading.Lock()
    over = fired = False

    def end() -> None:
        nonlocal fired
        with lock:
            if not over:
                fired = True
                _raise_in(thread, EndlessLoopError)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        return call()
    except EndlessLoopError:
        raise EndlessLoopError(f"your function had not returned after {seconds:g} s") from None
    finally:
        with lock:
            over = True
            if fired:
                _raise_in(thread, None)  # where it has not arrived yet
        timer.cancel()


def _at_once(function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
    """What a coroutine function gives that awaits nothing on the way. Raises RuntimeError where it does."""
    coroutine = function(*args)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("it awaits something")


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind) if kind else None)


@types.coroutine
def _stepwise(coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    send: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731
    while True:
        try:
            awaited = _within(send)
        except StopIteration as stop:
            result: T = stop.value
            return result
        try:
            value = yield awaited
            send = lambda value=value: coroutine.send(value)  # type: ignore[misc]  # noqa: E731
        except BaseException as error:
            send = lambda error=error: coroutine.throw(error)  # type: ignore[misc]  # noqa: E731


async def watched(coroutine: Awaitable[T]) -> T:
    """The result of a coroutine. Raises EndlessLoopError where it computes for a second between two awaits."""
    return await _stepwise(coroutine)  # type: ignore[arg-type]


def _blame(error: Exception) -> str:
    """An exception of a learner's code in words, with the line of theirs that raised it."""
    if isinstance(error, EndlessLoopError):
        return f"{str(error)[:1].upper()}{str(error)[1:]}: is there a loop without an end?"
    place = place_of(error)
    where = f", in line {place.line}: {place.source}" if place else ""
    return f"Your code raised {type(error).__name__}: {error}{where}"
