"""``Slider``: one picture for each place of a slider. The learner moves it, and the picture changes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ..drawing.blocks import Words
from ..drawing.sheet import Sheet, Shown, sheet_of


class Slider(Shown):
    """A slider in a cell. As text it is the picture at the place where it stands.

    Args:
        label: what is moved.
        stops: by the words for a place, the thing that is shown there. The things must be ready: a slider runs nothing.
        at: the place where it stands first; the first place if None.
    """

    def __init__(self, label: str, stops: Mapping[str, Shown], at: str | None = None) -> None:
        self.label, self.stops = label, dict(stops)
        self.at = next(iter(self.stops)) if at is None else at
        if self.at not in self.stops:
            raise KeyError(f"at={at!r}: the places are {', '.join(self.stops)}")

    def _sheet(self) -> Sheet:
        return Sheet(self.label, [Words(f"{self.label}: {self.at}"), *sheet_of(self.stops[self.at]).blocks])

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        text = {"text/plain": repr(self), "text/html": self._repr_html_()}
        ipython = sys.modules.get("IPython")
        if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
            return text
        return {**_widget(self)._repr_mimebundle_(**kwargs), **text}


def _widget(slider: Slider) -> Any:
    """The live form: what is moved, and under it the picture."""
    import ipywidgets

    def moved(change: Mapping[str, Any]) -> None:
        slider.at = change["new"]
        page.value = sheet_of(slider.stops[slider.at]).html()

    page = ipywidgets.HTML(sheet_of(slider.stops[slider.at]).html())
    line = ipywidgets.SelectionSlider(
        options=list(slider.stops), value=slider.at, description=slider.label,
        style={"description_width": "initial"}, layout={"width": "90%", "max_width": "48em"},
    )  # fmt: skip
    line.observe(moved, "value")
    return ipywidgets.VBox([line, page])
