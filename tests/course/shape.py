"""The shape of a lesson: its length, what it asks, what may stand in it. ``python tests/course/shape.py NOTEBOOK``."""

from __future__ import annotations

import ast
import html
import importlib
import inspect
import json
import math
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wslab.course import plan
from wslab.course.lesson import Asked, lesson, prediction_text, quiz_text
from wslab.course.plan import words

MOST_CELLS, MOST_CELLS_MORE = 30, 40
MOST_WORDS = 1_200
MOST_LINES, MOST_REVEAL_LINES = 12, 5
MINUTES = range(10, 41)  # of one sitting
SITTINGS = {"16": 3}  # lessons that are built stage by stage, and say so in their first cell
SPOKEN = 0.1  # how far the minutes that a lesson promises may be from those that are computed, as a share

Cell = dict[str, Any]


def cells(path: Path) -> list[Cell]:
    """A notebook's cells, each with its source as one text."""
    read = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in read]


def number(path: Path) -> str:
    """A lesson's number, such as ``02``."""
    return path.name[:2]


def is_more(path: Path) -> bool:
    """Whether it is a notebook for the curious."""
    return path.name[2] == "b"


def without_solution(source: str) -> str:
    """A cell as a student gets it."""
    return re.sub(r"### BEGIN SOLUTION.*?### END SOLUTION", "raise NotImplementedError", source, flags=re.DOTALL)


def code_lines(cell: Cell) -> int:
    """Lines of a code cell that are not blank."""
    return sum(bool(line.strip()) for line in without_solution(cell["source"]).splitlines())


def calls(cell: Cell, name: str) -> list[ast.Call]:
    """The calls of a function or method of that name in a code cell."""
    if cell["cell_type"] != "code":
        return []
    found = [node for node in ast.walk(ast.parse(cell["source"])) if isinstance(node, ast.Call)]
    return [call for call in found if (getattr(call.func, "attr", None) or getattr(call.func, "id", "")) == name]


def asked(path: Path) -> Iterator[Asked]:
    """The predictions that a lesson asks for, and its quiz."""
    for cell in cells(path):
        for call in calls(cell, "predict"):
            if len(call.args) == 1 and isinstance(call.args[0], ast.Constant):
                yield prediction_text(call.args[0].value)
        for call in calls(cell, "quiz"):
            assert isinstance(call.args[0], ast.Constant)
            yield quiz_text(call.args[0].value)


def minutes(path: Path) -> int:
    """How long a lesson takes."""
    return plan.minutes(cells(path))


def sittings(path: Path) -> int:
    """In how many sittings a lesson is done."""
    return SITTINGS.get(number(path), 1)


def promised(path: Path) -> int | None:
    """The minutes that a lesson's first cell promises."""
    found = re.search(r"(\d+) minutes", cells(path)[0]["source"])
    return int(found[1]) if found else None


def broken(path: Path) -> list[str]:
    """Each way in which a lesson's shape is not as it should be, in a sentence."""
    return [*_sizes(path), *_texts(path), *constants_in(path)]


def _sizes(path: Path) -> Iterator[str]:
    all_cells = cells(path)
    most = MOST_CELLS_MORE if is_more(path) else MOST_CELLS
    if len(all_cells) > most:
        yield f"{len(all_cells)} cells, {most} at most"
    read = sum(words(cell["source"]) for cell in all_cells if cell["cell_type"] == "markdown")
    if read > MOST_WORDS and not is_more(path):
        yield f"{read} words of Markdown, {MOST_WORDS} at most"
    for cell in all_cells:
        if cell["cell_type"] != "code":
            continue
        lines, limit = code_lines(cell), MOST_REVEAL_LINES if calls(cell, "reveal") else MOST_LINES
        if lines > limit:
            yield f"cell {cell['id']}: {lines} lines, {limit} at most"
    took, said = minutes(path), promised(path)
    if not is_more(path):
        if math.ceil(took / sittings(path)) not in MINUTES:
            yield f"takes {took} minutes, wanted {MINUTES.start} to {MINUTES.stop - 1} a sitting"
        if said is None or abs(said - took) > max(2, SPOKEN * took):
            yield f"the first cell promises {said} minutes, it takes {took}"


def _texts(path: Path) -> Iterator[str]:
    """A sentence for each foreseen wrong answer, and nothing that tells an outcome in the notebook."""
    shown = [cell["source"] for cell in cells(path)]
    for one in asked(path):
        for name, case in one.cases.items():
            if case.usual is None:
                yield f"{one.name}, {name}: no `usual`"
            elif not case.why(case.usual):
                yield f"{one.name}, {name}: no sentence for its `usual`"
            for sentence in case.because.values():
                if any(sentence in source for source in shown):
                    yield f"{one.name}, {name}: its reason stands in the notebook"
        if one.meaning and any(one.meaning in source for source in shown):
            yield f"{one.name}: its meaning stands in the notebook"
        if not one.meaning and not one.name.endswith(".quiz"):
            yield f"{one.name}: no sentence that begins with the outcome"
    quizzes = [len(one.cases) for one in asked(path) if one.name.endswith(".quiz")]
    if not is_more(path) and number(path) not in ("00", "17") and quizzes != [5]:
        yield f"questions of its quizzes: {quizzes}, wanted one quiz of five"
    told = set(lesson(number(path)).get("predict", {})) - {one.name.partition(".")[2] for one in asked(path)}
    if told and not is_more(path) and not path.with_name(f"{number(path)}b-more.ipynb").exists():
        yield f"predictions in the TOML that nobody asks for: {', '.join(sorted(told))}"


def constants_in(path: Path) -> Iterator[str]:
    """Constants that reach ``reveal(...)``, directly, through a name or through a helper."""
    names: dict[str, list[ast.expr]] = {}
    helpers: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
    for cell in cells(path):
        if cell["cell_type"] != "code":
            continue
        for node in ast.walk(ast.parse(cell["source"])):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        names.setdefault(target.id, []).append(node.value)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                helpers[node.name] = node
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wslab.course.experiments"):
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    function = getattr(module, alias.name)
                    if inspect.isfunction(function):
                        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
                        assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
                        helpers[alias.asname or alias.name] = tree
        for call in calls(cell, "reveal"):
            for told in call.args:
                for constant in constants(told, names, helpers):
                    yield f"cell {cell['id']}: a constant reaches reveal: {constant}"


def constants(
    told: ast.expr,
    names: dict[str, list[ast.expr]],
    helpers: dict[str, ast.FunctionDef | ast.AsyncFunctionDef],
    seen: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """The parts of what is told that no experiment can change, as source."""
    if isinstance(told, ast.Await):
        yield from constants(told.value, names, helpers, seen)
    elif isinstance(told, ast.Dict):
        for value in told.values:
            yield from constants(value, names, helpers, seen)
    elif isinstance(told, ast.Name) and told.id in names and told.id not in seen:
        for value in names[told.id]:
            yield from constants(value, names, helpers, seen | {told.id})
    elif isinstance(told, ast.Call) and isinstance(told.func, ast.Name) and told.func.id in helpers:
        name = told.func.id
        if name not in seen:
            own = {
                target.id: [node.value]
                for node in ast.walk(helpers[name])
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            given = [node.value for node in ast.walk(helpers[name]) if isinstance(node, ast.Return) and node.value]
            found = [list(constants(value, own, helpers, seen | {name})) for value in given]
            # A helper may choose between words; it may not know one only.
            if len(found) == 1 or len({ast.dump(value) for value in given}) == 1:
                yield from (f"{name} returns {constant}" for each in found for constant in each)
    elif not any(
        isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript | ast.Await) for node in ast.walk(told)
    ):
        yield ast.unparse(told)


def readable(path: Path) -> str:
    """All that a notebook shows: sources, Markdown and outputs, without markup."""
    parts: list[str] = []
    for cell in cells(path):
        parts.append(cell["source"])
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            parts += ["".join(output.get("text", "")), *("".join(text) for text in data.values() if text)]
    return html.unescape("\n".join(parts))


if __name__ == "__main__":
    failed = False
    for name in sys.argv[1:]:
        found = broken(Path(name))
        failed = failed or bool(found)
        print(f"{name}: {minutes(Path(name))} minutes, {len(found)} faults")
        for sentence in found:
            print("  -", sentence)
    sys.exit(failed)
