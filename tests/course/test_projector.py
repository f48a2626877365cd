"""What the projector shows: the newest of each prediction, one at a time, and no outcome before it is revealed."""

from collections.abc import Iterator

import pytest

from wslab.course import predict, prediction, teacher
from wslab.course.prediction import Prediction
from wslab.course.projector import EMPTY, Projector


@pytest.fixture(autouse=True)
def no_others(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(prediction, "made", [])
    return


def ask(name: str) -> Prediction:
    return predict(name, {"it is": ["a", "b"]}, usual={"it is": "b"}, meaning=f"So is {name}")


def hears(projector: Projector, ask: str, **question: object) -> None:
    projector._heard(None, {"ask": ask, **question}, [])
    assert projector.problem == ""


def test_predictions_that_are_asked_later_appear_and_those_asked_again_keep_their_place():
    projector = teacher()
    assert projector.state["question"] == EMPTY
    assert EMPTY in repr(projector)
    first, second = ask("One?"), ask("Two?")
    assert (projector.state["question"], projector.state["place"], projector.state["places"]) == ("One?", 1, 2)
    again = ask("One?")
    assert (projector.state["place"], projector.state["places"]) == (1, 2)
    hears(projector, "lock", answers={"it is": "a"})
    assert again.locked
    assert not first.locked
    for by in (1, 1, 1):
        hears(projector, "turn", by=by)
    assert projector.state["question"] == "Two?"
    for by in (-1, -5):
        hears(projector, "turn", by=by)
    assert projector.state["question"] == "One?"
    assert not second.locked


def test_no_outcome_is_there_before_it_is_revealed():
    guess = ask("One?")
    projector = teacher()
    guess.reveal("a")
    assert "rows" not in projector.state
    assert projector.state["open"] is False
    assert "So is One?" not in str(projector.state) + repr(projector) + projector._repr_html_()
    hears(projector, "reveal")
    assert guess.skipped
    assert projector.state["open"] is True
    assert projector.state["rows"] == [["it is", "b", "a", "surprise", ""]]
    assert projector.state["meaning"] == "So is One?"
    assert "So is One?" in repr(projector)


def test_what_was_revealed_before_the_experiment_ran_appears_with_it():
    guess = ask("One?")
    projector = teacher()
    hears(projector, "reveal")
    assert "rows" not in projector.state
    guess.reveal("a")
    assert projector.state["rows"][0][2] == "a"


def test_without_a_vote_its_questions_are_left_alone():
    guess = ask("One?")
    projector = teacher()
    hears(projector, "where", origin="http://localhost:8888", root="http://localhost:8888/", loopback=True)
    hears(projector, "end")
    assert projector.state["hands"] is None
    assert not guess.locked
