"""What a lesson needs beside the lab: predictions, exercises, quizzes, and what a learner has done so far."""

from .answers import Bits, Choice, Hex, Number, Order, Text
from .exercises import Exercise, ExerciseVerdict, Outcome, Trial, exercise
from .journal import Progress, progress
from .prediction import Prediction, Reveal, predict
from .quizzes import Quiz, quiz

__all__ = [
    "Bits", "Choice", "Exercise", "ExerciseVerdict", "Hex", "Number", "Order", "Outcome", "Prediction", "Progress",
    "Quiz", "Reveal", "Text", "Trial", "exercise", "predict", "progress", "quiz",
]  # fmt: skip
