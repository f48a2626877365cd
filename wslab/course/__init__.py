"""What a lesson needs beside the lab: predictions, exercises, quizzes, and what a learner has done so far.

A lesson's texts are in ``lessons``, its plumbing and exercises in ``experiments``. ``copies`` makes editions,
``grading`` grades them, and ``commands`` is all of that from a terminal.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answers import Bits as Bits
    from .answers import Choice as Choice
    from .answers import Hex as Hex
    from .answers import Number as Number
    from .answers import Order as Order
    from .answers import Text as Text
    from .exercises import Exercise as Exercise
    from .exercises import ExerciseVerdict as ExerciseVerdict
    from .exercises import Outcome as Outcome
    from .exercises import Trial as Trial
    from .exercises import exercise as exercise
    from .hands import show_of_hands as show_of_hands
    from .journal import Progress as Progress
    from .journal import progress as progress
    from .prediction import Prediction as Prediction
    from .prediction import Reveal as Reveal
    from .prediction import predict as predict
    from .projector import teacher as teacher
    from .quizzes import Quiz as Quiz
    from .quizzes import quiz as quiz

_HOME = {
    **dict.fromkeys(("Bits", "Choice", "Hex", "Number", "Order", "Text"), ".answers"),
    **dict.fromkeys(("Exercise", "ExerciseVerdict", "Outcome", "Trial", "exercise"), ".exercises"),
    **dict.fromkeys(("Progress", "progress"), ".journal"),
    **dict.fromkeys(("Prediction", "Reveal", "predict"), ".prediction"),
    **dict.fromkeys(("Quiz", "quiz"), ".quizzes"),
    "show_of_hands": ".hands",
    "teacher": ".projector",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: a command needs no lab (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"wslab.course has no name {name!r}; it has {', '.join(_HOME)}")
    return globals().setdefault(name, getattr(import_module(_HOME[name], __name__), name))
