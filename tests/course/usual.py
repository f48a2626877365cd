"""What many say: each usual answer of a prediction is a surprise with its reason."""

from __future__ import annotations

from typing import Any

from wslab.course import Prediction, predict


def check_usual(name: str, outcome: Any) -> None:
    """Answer a lesson's prediction as many do, and reveal that outcome."""
    guess: Prediction = predict(name)
    guess.answer({case: one.usual for case, one in guess.asked.cases.items()})
    rows = guess.reveal(outcome).rows
    assert [row.verdict for row in rows] == ["surprise"] * len(rows)
    assert all(row.why for row in rows)
    assert guess.asked.meaning
