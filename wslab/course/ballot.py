"""A class's votes on the cases of a prediction: what counts as one, and how many said what.

What voters write is hostile until it is read here: an answer is short, is one that its case can have, and is shown with
everything harmless that could act or hide. A voter has one vote, which another one replaces.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..drawing.visible import harmless
from .answers import Choice, Number, Order, Text

LONGEST = 60  # letters of an answer
MOST_VOTERS = 400
MOST_SHOWN = 8  # different answers to one case; the others are counted together


class VoteBar(NamedTuple):
    """An answer, and how many gave it."""

    answer: str
    votes: int
    right: bool | None  # None where that is not told yet


class Ballot:
    """The votes of a class. Thread-safe.

    Args:
        kinds: by case: the kind of its answers.
    """

    def __init__(self, kinds: Mapping[str, Text]) -> None:
        self._kinds = kinds
        self._votes: dict[str, dict[str, str]] = {}  # by voter: the answers by case
        self._lock = threading.Lock()
        self._over = False

    def voter(self, said: Any) -> str | None:
        """A voter's id: ``said`` if it is one, else a new one; None where there are too many."""
        with self._lock:
            if isinstance(said, str) and said in self._votes:
                return said
            if len(self._votes) >= MOST_VOTERS:
                return None
            self._votes[voter := secrets.token_hex(16)] = {}
            return voter

    def of(self, voter: str) -> dict[str, str]:
        """What a voter has said, by case."""
        return dict(self._votes[voter])

    def cast(self, voter: str, vote: Any) -> str:
        """Count a vote, by case; what is wrong with it, in a sentence, and then nothing of it counts. Empty if nothing.

        Args:
            voter: whose it is.
            vote: whatever came; a mapping from cases to answers is one.
        """
        if not isinstance(vote, dict) or not vote:
            return "This is no vote."
        for case, said in vote.items():
            if case not in self._kinds:
                return "This was not asked."
            if fault := _fault(self._kinds[case], said):
                return f"{case}: {fault}"
        with self._lock:
            if self._over:
                return "The vote is over."
            self._votes[voter] |= {case: said.strip() for case, said in vote.items()}
        return ""

    def finish(self) -> bool:
        """Count no more votes; whether it counted them until now."""
        with self._lock:
            first, self._over = not self._over, True
        return first

    @property
    def over(self) -> bool:
        """Whether no vote counts any more."""
        return self._over

    @property
    def voters(self) -> int:
        """How many have voted."""
        with self._lock:
            return sum(map(bool, self._votes.values()))

    def bars(self, right: Callable[[str, str], bool | None] = lambda case, said: None) -> dict[str, list[VoteBar]]:
        """By case: the answers, the most frequent one first; at most ``MOST_SHOWN``, and one for all others.

        Args:
            right: whether an answer to a case is right; None where that is not told yet.
        """
        with self._lock:
            votes = [dict(vote) for vote in self._votes.values()]
        made: dict[str, list[VoteBar]] = {}
        for case, kind in self._kinds.items():
            # By what is said: the words for it, and how many said so. All choices stand there from the first.
            words = {kind.read(option): option for option in _choices(kind)}
            counts = Counter(dict.fromkeys(words, 0))
            for said in (vote[case] for vote in votes if case in vote):
                read = kind.read(said)
                # Of a number only itself is shown: "15 and a remark" is 15.
                words.setdefault(read, str(read) if isinstance(kind, Number) else kind.shown(said))
                counts[read] += 1
            told = [
                VoteBar(harmless(words[read]), number, right(case, words[read]))
                for read, number in counts.most_common()
            ]
            rest = told[MOST_SHOWN:]
            others = [VoteBar(f"{len(rest)} other answers", sum(bar.votes for bar in rest), None)] if rest else []
            made[case] = told[:MOST_SHOWN] + others
        return made


def _choices(kind: Text) -> tuple[str, ...]:
    """All answers that there are; none where anything may be written."""
    return kind.options if isinstance(kind, Choice) and not isinstance(kind, Order) else ()


def _fault(kind: Text, said: Any) -> str:
    """What is wrong with an answer, in words; empty where nothing is."""
    longest = max(LONGEST, 2 * len("".join(kind.options))) if isinstance(kind, Choice) else LONGEST
    if not isinstance(said, str) or len(said) > longest:
        return f"expected at most {longest} letters"
    fits = kind.read(said) is not None
    if choices := _choices(kind):
        fits = kind.read(said) in map(kind.read, choices)
    elif isinstance(kind, Order):
        fits = _parts(kind, said) == _parts(kind, kind.options)
    return "" if fits else f"expected {kind.hint}"


def _parts(kind: Order, said: Any) -> list[str]:
    read = kind.read(said)
    return sorted(map(str, read)) if isinstance(read, tuple) else []
