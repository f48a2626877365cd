"""``form``: ipywidgets below one another, in which the keys are the learner's and not JupyterLab's."""

from __future__ import annotations

from typing import Any

import ipywidgets
from anywidget import AnyWidget


class KeptKeys(AnyWidget):
    """An unseen part of a form. JupyterLab's shortcuts (``a`` inserts a cell) do not act on what has focus there."""

    _esm = """
    const keep = ({ target }) => target.setAttribute("data-lm-suppress-shortcuts", "true");
    export default {
      render({ el }) {
        const mark = (event) => el.parentElement?.contains(event.target) && keep(event);
        document.addEventListener("focusin", mark);
        return () => document.removeEventListener("focusin", mark);
      },
    };
    """
    _css = """
    [data-jp-theme-light="false"] .wslab-kept-keys .widget-dropdown > select {
      appearance: auto;
      background-image: none;
      color-scheme: dark;
    }
    """


def form(*parts: Any) -> Any:
    """Widgets below one another."""
    return ipywidgets.VBox([*parts, KeptKeys(layout={"display": "none"})]).add_class("wslab-kept-keys")
