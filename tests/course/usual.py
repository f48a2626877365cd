"""What each prediction keeps to: many say what is wrong, and each foreseen wrong answer has its reason."""

from __future__ import annotations

from typing import Any

from wslab.course import Prediction, predict


def check_usual(name: str, outcome: Any) -> None:
    """Answer a lesson's prediction as many do, and as it is, and reveal that outcome."""
    guess: Prediction = predict(name)
    guess.answer({case: one.usual for case, one in guess.asked.cases.items()})
    rows = guess.reveal(outcome).rows
    assert [row.verdict for row in rows] == ["surprise"] * len(rows)
    assert all(row.why for row in rows)
    assert guess.asked.meaning
    told = dict(outcome) if isinstance(outcome, dict) else dict.fromkeys(guess.asked.cases, outcome)
    assert {row.verdict for row in predict(name).answer(told).reveal(outcome).rows} == {"as predicted"}
    for case, one in guess.asked.cases.items():
        assert not one.why(told[case])
        if options := one.kind.form()["options"]:
            assert {one.kind.shown(said) for said in (told[case], one.usual, *one.because)} <= set(options)
