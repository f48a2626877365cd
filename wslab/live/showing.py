"""How a lab and what runs beside it show themselves: by a live panel, and elsewhere by their text and HTML.

The panels stand on a floor above this one. ``wslab.panels.notebook`` tells them here, by the name of the class that
each one shows. A panel is imported when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..drawing.sheet import Shown
    from ..recording.trace import Trace


class LivePanel(Protocol):
    """What every live panel has."""

    problem: Any

    def picture(self) -> Any:
        """The panel as it stands as a standalone picture (SVG)."""

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The panel for a cell."""


panels: dict[str, Callable[[Any], LivePanel]] = {}  # what makes the panel of a thing, by the name of its class
# Called with a trace on any thread when its views change and no record tells it: a lab or a relay was closed, or a
# prediction that held records back is no longer open.
changes: list[Callable[[Trace], object]] = []


def panel_of(thing: object) -> LivePanel:
    """A new live panel of that thing. Raises ImportError, which says what to do, where anywidget is not installed."""
    make = next((panels[kind.__name__] for kind in type(thing).__mro__ if kind.__name__ in panels), None)
    try:
        if make is None:
            raise ImportError("no panel is registered for it")
        return make(thing)
    except ImportError as error:
        raise ImportError("the live panel needs anywidget: pip install anywidget") from error


def tell_changed(trace: Trace) -> None:
    """Tell the panels over this trace that they have something else to show."""
    for tell in changes:
        tell(trace)


class Alive:
    """What has a live panel. All cells that show it show that one panel."""

    @cached_property
    def panel(self) -> LivePanel:
        """Its live panel. Raises ImportError, which says what to do, where anywidget is not installed."""
        return panel_of(self)

    def _still(self) -> Shown:
        """What is shown where there are no widgets."""
        raise NotImplementedError

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        # In a kernel, what wslab.panels.notebook registers comes before this method.
        still = self._still()
        return {"text/plain": repr(still), "text/html": still._repr_html_()}
