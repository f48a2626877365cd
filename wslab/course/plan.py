"""How long a lesson takes, and the plan that a teacher's copy of it begins with: one formula for all lessons.

A plan is made of the notebook and of its predictions' texts, so that it is never another lesson's or an old one.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from .lesson import Asked, prediction_text

WORDS_A_MINUTE = 200
PREDICTION, EXERCISE, PICTURE, OTHER = 90, 8 * 60, 60, 30  # seconds that a cell takes
HEADING = re.compile(r"\s*#{1,2} +(.+)")
CHECKED = re.compile(r"await (\w+)\.check\(")
PREDICTED = re.compile(r"""\bpredict\(["'](\d\d\.[\w-]+)["']\)""")
HOUR = 50  # minutes of a lesson at a school

Cell = Mapping[str, Any]


def source(cell: Cell) -> str:
    """A cell's source as one text."""
    return "".join(cell["source"])


def words(text: str) -> int:
    """How many words are read, without the marks of Markdown."""
    return len(re.findall(r"\w[\w'’.:/-]*", text))


def seconds(cell: Cell) -> float:
    """How long a cell takes: 200 words a minute, 30 s a cell, 90 s a prediction, 60 s a picture, 8 min an exercise."""
    text = source(cell)
    if cell["cell_type"] == "markdown":
        return words(text) / WORDS_A_MINUTE * 60
    if cell["cell_type"] != "code":
        return 0.0
    if re.search(r"\bpredict\(", text):
        return PREDICTION
    if ".check(" in text:
        return EXERCISE
    shows = any(output.get("data", {}).get("text/html") for output in cell["outputs"])
    return PICTURE if shows and not re.search(r"\.reveal\(|\bquiz\(", text) else OTHER


def minutes(cells: Iterable[Cell]) -> int:
    """How long these cells take, in whole minutes."""
    return math.ceil(sum(map(seconds, cells)) / 60)


def predictions(cell: Cell) -> list[Asked]:
    """The predictions of a lesson that a cell asks for."""
    if cell["cell_type"] != "code":
        return []
    return [prediction_text(name) for name in PREDICTED.findall(source(cell))]


class Section(NamedTuple):
    """What stands under a heading."""

    heading: str
    cells: Sequence[Cell]

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return sum(map(seconds, self.cells))

    @property
    def asked(self) -> list[Asked]:
        """What it asks for."""
        return [asked for cell in self.cells for asked in predictions(cell)]


def sections(cells: Iterable[Cell]) -> list[Section]:
    """A notebook's sections: what stands before a heading belongs to the one above."""
    made: list[tuple[str, list[Cell]]] = []
    for cell in cells:
        found = HEADING.match(source(cell)) if cell["cell_type"] == "markdown" else None
        if found or not made:
            made.append((found[1].strip() if found else "Before it begins", []))
        made[-1][1].append(cell)
    return [Section(heading, own) for heading, own in made]


def plan(cells: Sequence[Cell]) -> str:
    """The plan of a lesson as Markdown: minutes by section, what to ask, what half the room says, what goes wrong.

    Args:
        cells: the notebook's.
    """
    parts = sections(cells)
    rows, begun = [], 0.0
    for part in parts:
        asked = "; ".join(one.question for one in part.asked)
        rows.append(f"| {_clock(begun)} | {_clock(part.seconds)} | {_cell(part.heading)} | {_cell(asked)} |")
        begun += part.seconds
    lines = [
        f"**For the teacher: a plan of {minutes(cells)} minutes.**", "",
        "| Begins (min:s) | Takes | What | Ask |", "|---:|---:|---|---|", *rows, "",
        "At each question: two minutes, each learner writes an answer down or votes "
        "(`await show_of_hands(guess, network=True)`), and only then does its reveal run.",
    ]  # fmt: skip
    if said := [line for part in parts for asked in part.asked for line in half_the_room(asked)]:
        lines += ["", "What half the room says:", "", *said]
    if wrong := list(goes_wrong(cells)):
        lines += ["", "What goes wrong in the exercise, and what the check says of it:", "", *wrong]
    if cut := _left_out(parts):
        lines += ["", cut]
    return "\n".join(lines)


def half_the_room(asked: Asked) -> Iterator[str]:
    """A line for each case of a prediction: the usual answer, and why it is wrong."""
    for name, case in asked.cases.items():
        if case.usual is not None:
            yield f"- {name}: half the room says *{case.kind.shown(case.usual)}*. {case.why(case.usual)}"


def imported(cells: Iterable[Cell], name: str) -> str:
    """The module from which a notebook imports a name.

    Raises:
        LookupError: no cell imports it.
    """
    for cell in cells:
        for node in ast.walk(ast.parse(source(cell))) if cell["cell_type"] == "code" else ():
            if isinstance(node, ast.ImportFrom) and any((one.asname or one.name) == name for one in node.names):
                return node.module or ""
    raise LookupError(f"no cell imports the exercise {name!r}")


def goes_wrong(cells: Sequence[Cell]) -> Iterator[str]:
    """A line for each mistake that the lesson's exercises foresee."""
    code = [source(cell) for cell in cells if cell["cell_type"] == "code"]
    for name in dict.fromkeys(found for text in code for found in CHECKED.findall(text)):
        for sentence in getattr(import_module(imported(cells, name)), name).mistakes:
            yield f"- `{name}`: {sentence}"


def _left_out(parts: Sequence[Section]) -> str:
    """What to leave for homework where a lesson and its talk do not fit into an hour."""
    talk = sum(len(part.asked) for part in parts) * 2
    whole = math.ceil(sum(part.seconds for part in parts) / 60) + talk
    if whole <= HOUR:
        return f"With two minutes of talk at each question it takes {whole} of the {HOUR} minutes of a class."
    return (
        f"With two minutes of talk at each question it takes {whole} minutes. For a class of {HOUR}, give the exercise "
        "and the quiz as homework."
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
