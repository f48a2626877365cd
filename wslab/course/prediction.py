"""A prediction is made before the cell that settles it, and shown beside what happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..drawing.blocks import Table, Words
from ..drawing.sheet import Sheet, Shown
from ..drawing.table import Column

NOT_YET = "predict first"


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """What was predicted beside what happened; shows itself as a table."""

    question: str
    rows: tuple[tuple[str, str, str, str], ...]  # case, prediction, outcome, and whether they agree, in words

    @property
    def right(self) -> int:
        """How many predictions came true."""
        return sum(verdict == "as predicted" for *_, verdict in self.rows)

    def _sheet(self) -> Sheet:
        open_ = sum(verdict == NOT_YET for *_, verdict in self.rows)
        score = f"{self.right} of {len(self.rows)} as predicted"
        score += f"; {open_} still to predict: replace None above and run again" if open_ else ""
        columns = "case", "you predicted", "it was", Column("so", most=12)
        return Sheet("Prediction", [Table(columns, self.rows, self.question, row_heading=0), Words(score, close=True)])


@dataclass(frozen=True)
class Prediction:
    """A question and what somebody expects; ``reveal`` sets it beside the outcome."""

    question: str
    guesses: Mapping[str, Any]

    def reveal(self, outcome: Any) -> Comparison:
        """The prediction beside what happened.

        Args:
            outcome: what happened; for a prediction of several cases a mapping with the same names.

        Returns:
            a Comparison. A case whose guess is None keeps its outcome to itself: predict first.

        Raises:
            KeyError: the outcome lacks a case that was predicted, or knows one that was not.
        """
        outcomes = outcome if isinstance(outcome, Mapping) else dict.fromkeys(self.guesses, outcome)
        if set(outcomes) != set(self.guesses):
            raise KeyError(
                f"predicted were {', '.join(self.guesses)}; the outcome tells of {', '.join(map(str, outcomes))}: "
                f"give an outcome for each prediction"
            )
        return Comparison(
            self.question, tuple(_row(case, guess, outcomes[case]) for case, guess in self.guesses.items())
        )

    def __repr__(self) -> str:
        made = sum(guess is not None for guess in self.guesses.values())
        return f"{self.question}\n{made} of {len(self.guesses)} predicted"


def _row(case: str, guess: Any, outcome: Any) -> tuple[str, str, str, str]:
    if guess is None:
        return case, "", "", NOT_YET
    return case, str(guess), str(outcome), "as predicted" if guess == outcome else "surprise"


def predict(question: str, guess: Any) -> Prediction:
    """Record what you expect before you look.

    Args:
        question: what is asked.
        guess: what you expect; a mapping from case to guess predicts several at once. None means not yet.
    """
    return Prediction(question, guess if isinstance(guess, Mapping) else {"your guess": guess})
