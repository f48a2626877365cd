"""Progress: what a learner predicted, solved and answered, in one file beside the notebooks.

The file holds a line of JSON for each event and no names. It survives a restart of the kernel. Surprises are the point
of a prediction, so what counts is how many were made, and not how many were right.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..drawing.blocks import Table, Words
from ..drawing.sheet import Sheet, Shown
from ..drawing.visible import count

FILE = "wslab-progress.jsonl"
_LOCK = threading.Lock()


def note(event: str, name: str, **facts: Any) -> None:
    """Add an event to the file.

    Args:
        event: what happened: ``predicted``, ``skipped``, ``tried``, ``hint``, ``solution`` or ``quiz``.
        name: of the prediction, exercise or quiz, such as ``01.bytes``.
        facts: what else is known, as JSON can hold it.

    A folder that cannot be written to loses the event, and nothing else.
    """
    line = json.dumps({"at": round(time.time()), "event": event, "name": name, **facts})
    try:
        with _LOCK, Path(FILE).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError:
        pass


def events() -> Iterator[dict[str, Any]]:
    """All events, the oldest first; lines that are damaged are left out."""
    try:
        lines = Path(FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str) and isinstance(event.get("name"), str):
            yield event


def seed() -> str:
    """What makes this learner's exercises differ from another's: a random word, kept in the file."""
    for event in events():
        if event["event"] == "began":
            return str(event["name"])
    name = secrets.token_hex(4)
    note("began", name)
    return name


class Progress(Shown):
    """What was done so far, a line for each lesson."""

    def __init__(self) -> None:
        self.events = tuple(events())

    def _sheet(self) -> Sheet:
        lessons: dict[str, list[dict[str, Any]]] = {}
        for event in self.events:
            if "." in event["name"]:
                lessons.setdefault(event["name"].partition(".")[0], []).append(event)
        if not lessons:
            return Sheet("Progress", [Words("Nothing is noted yet. The first prediction that you lock in is.")])
        columns = "lesson", "predicted", "surprises", "exercise", "quiz"
        return Sheet("Progress", [Table(columns, [_row(*one) for one in sorted(lessons.items())], row_heading=0)])


def _row(lesson: str, told: list[dict[str, Any]]) -> tuple[str, ...]:
    first: dict[str, dict[str, Any]] = {}
    for event in told:
        if event["event"] == "predicted":
            first.setdefault(event["name"], event)  # the first answer is kept
    tries = [event for event in told if event["event"] == "tried"]
    hints = sum(event["event"] == "hint" for event in told)
    solved = any(event.get("solved") for event in tries)
    tried = f"{len(tries)} tr{'y' if len(tries) == 1 else 'ies'}, {count(hints, 'hint')}"
    exercise = f"{'solved' if solved else 'not yet'}, {tried}" if tries else ""
    quiz = next((event for event in told if event["event"] == "quiz"), None)
    return (
        lesson,
        str(len(first)),
        str(sum(event.get("surprises", 0) for event in first.values())),
        exercise,
        f"{quiz.get('right', 0)} of {quiz.get('of', 0)}" if quiz else "",
    )


def progress() -> Progress:
    """What you have done so far, lesson by lesson."""
    return Progress()
