"""``Slider``: one picture for each place of a slider. The learner moves it, and the picture changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..drawing.blocks import Words
from ..drawing.cell import beside
from ..drawing.sheet import Sheet, Shown, sheet_of


class Pictured(Protocol):
    """What is a picture and no sheet; its ``repr`` says the same."""

    def svg(self) -> str:
        """The picture in the colours of the page."""


class Slider(Shown):
    """A slider in a cell. As text it is the picture at the place where it stands.

    Args:
        label: what is moved.
        stops: by the words for a place, the thing that is shown there. The things must be ready: a slider runs nothing.
        at: the place where it stands first; the first place if None.
    """

    def __init__(self, label: str, stops: Mapping[str, Shown | Pictured], at: str | None = None) -> None:
        self.label, self.stops = label, dict(stops)
        self.at = next(iter(self.stops)) if at is None else at
        if self.at not in self.stops:
            raise KeyError(f"at={at!r}: the places are {', '.join(self.stops)}")

    def _sheet(self) -> Sheet:
        shown = self.stops[self.at]
        blocks = sheet_of(shown).blocks if isinstance(shown, Shown) else [Words(repr(shown), code=True)]
        return Sheet(self.label, [Words(f"{self.label}: {self.at}"), *blocks])

    def page(self) -> str:
        """What is shown at the place where it stands, as HTML."""
        shown = self.stops[self.at]
        return sheet_of(shown).html() if isinstance(shown, Shown) else shown.svg()

    def _repr_html_(self) -> str:
        if isinstance(self.stops[self.at], Shown):
            return super()._repr_html_()
        return Sheet("", [Words(f"{self.label}: {self.at}")]).html() + self.page()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        text = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return beside(text, lambda: _widget(self), **kwargs)


def _widget(slider: Slider) -> Any:
    """The live form: what is moved, and under it the picture."""
    import ipywidgets

    from .forms import form

    def moved(change: Mapping[str, Any]) -> None:
        slider.at = change["new"]
        page.value = slider.page()

    page = ipywidgets.HTML(slider.page())
    line = ipywidgets.SelectionSlider(
        options=list(slider.stops), value=slider.at, description=slider.label,
        style={"description_width": "initial"}, layout={"width": "90%", "max_width": "48em"},
    )  # fmt: skip
    line.observe(moved, "value")
    return form(line, page)
