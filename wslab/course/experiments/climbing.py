"""``Climb``: the stages of lesson 16 as the rungs of a ladder: which are green so far, and which is next."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from ...drawing import pen, style
from ...drawing.cell import beside
from ...drawing.style import themed
from ..exercises import Exercise
from .lesson16 import STAGES, article_stage

_TALL, _STEP, _TOP = 30, 38, 40  # pixels: of a rung, from one to the next, and above the highest
_LEFT, _RIGHT = 34, pen.WIDTH - 34
_GREEN, _WHITE = "#1b6e3c", "#ffffff"  # the same on light and on dark paper; a tick says it, too


class Reach(NamedTuple):
    """A rung."""

    name: str
    part: str  # what a learner writes for it
    exercise: Exercise


class Climb:
    """The stages of a lesson, the first one lowest. In a notebook it follows each check.

    Args:
        reaches: the rungs, the lowest first.
    """

    def __init__(self, reaches: Sequence[Reach]) -> None:
        self.reaches = tuple(reaches)

    @property
    def green(self) -> list[bool]:
        """Whether what was checked last is right, by stage."""
        return [reach.exercise.solved for reach in self.reaches]

    @property
    def following(self) -> int | None:
        """The place of the lowest stage that is not green; None where all are."""
        return next((place for place, green in enumerate(self.green) if not green), None)

    def _state(self, place: int) -> str:
        return "green" if self.green[place] else "next" if place == self.following else ""

    @property
    def title(self) -> str:
        """How far the learner has come."""
        return f"{sum(self.green)} of {len(self.reaches)} stages are green"

    def __repr__(self) -> str:
        lines = [
            f"{place + 1:2}  {reach.name:<12} {reach.part:<12} {self._state(place):<6} {_promise(reach)}".rstrip()
            for place, reach in enumerate(self.reaches)
        ]
        return "\n".join([self.title, *reversed(lines)])

    def svg(self) -> str:
        """The ladder in the colours of the page, light or dark."""
        height = _TOP + _STEP * len(self.reaches) + 4
        rails = [pen.rect(x, _TOP - 8, 6, height - _TOP + 4, f'fill="{style.RULE}"') for x in (_LEFT + 8, _RIGHT - 14)]
        parts = [pen.text(_LEFT, 18, self.title, size=15, weight=700), *rails]
        for place in range(len(self.reaches)):
            parts += self._rung(place, height - 4 - _STEP * (place + 1))
        return themed(
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{pen.WIDTH}" height="{height}" '
            f'viewBox="0 0 {pen.WIDTH} {height}" font-family="{pen.SANS}"><title>{escape(self.title)}</title>'
            f"<desc>{escape(repr(self))}</desc>{''.join(parts)}</svg>"
        )

    def _rung(self, place: int, y: float) -> list[str]:
        reach, state = self.reaches[place], self._state(place)
        ink = _WHITE if state == "green" else style.INK
        soft = _WHITE if state == "green" else style.SOFT
        look = {
            "green": f'fill="{_GREEN}"',
            "next": f'fill="{style.PAPER}" stroke="{style.LANE_INKS[0]}" stroke-width="2.5"',
        }.get(state, f'fill="{style.TINT}" stroke="{style.RULE}" stroke-width="0.75"')
        said = {"green": "✓ green", "next": "next"}.get(state, "")
        line = y + 20
        return [
            pen.rect(_LEFT, y, _RIGHT - _LEFT, _TALL, f'{look} rx="5"'),
            pen.text(_LEFT + 26, line, str(place + 1), size=13, weight=700, anchor="end", ink=ink),
            pen.text(_LEFT + 40, line, reach.name, size=13, weight=700, ink=ink),
            pen.text(_LEFT + 146, line, reach.part, size=12, ink=ink, more=pen.CODE),
            pen.text(_LEFT + 262, line, _promise(reach), size=12, ink=soft),
            pen.text(_RIGHT - 14, line, said, size=12, weight=700, anchor="end", ink=ink),
        ]

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        still = {"text/html": self.svg(), "text/plain": repr(self)}
        return beside(still, lambda: _following(self), **kwargs)


def _promise(reach: Reach) -> str:
    return (inspect.cleandoc(reach.exercise.task).partition("\n")[0]).rstrip(".")


def _following(climb: Climb) -> Any:
    """The ladder, painted again after each check."""
    import ipywidgets

    page = ipywidgets.HTML(climb.svg())

    def paint() -> None:
        page.value = climb.svg()

    for reach in climb.reaches:
        reach.exercise.watch(paint)
    return page


def ladder() -> Climb:
    """The ladder of lesson 16."""
    return Climb(
        [
            *(Reach(stage.name, stage.part, stage.exercise) for stage in STAGES),
            Reach("the article", "endpoint", article_stage),
        ]
    )
