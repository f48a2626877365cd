"""Which panel shows a lab, a relay, a script or a page in a notebook: told by names, so that nothing is imported.

In a Jupyter kernel that has threads it is a live panel. Elsewhere (IPython without a kernel, Pyodide, no anywidget) the
thing's own text and HTML are shown.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

from ..drawing.cell import shell
from ..live import showing

# The panel of each class. A subclass is shown by the same.
PANELS = {
    ("wslab.live.lab", "Lab"): (".lab_panel.lab_panel", "LabPanel"),
    ("wslab.live.relay.relay", "Relay"): (".lab_panel.lab_panel", "LabPanel"),
    ("wslab.live.node.process", "NodeProcess"): (".node_panel.node_panel", "NodePanel"),
    ("wslab.live.jupyter.pages", "Page"): (".page_panel.page_panel", "PagePanel"),
    ("wslab.course.prediction", "Prediction"): (".question_panel.question_panel", "QuestionPanel"),
    ("wslab.course.prediction", "Reveal"): (".question_panel.question_panel", "QuestionPanel"),
    ("wslab.course.quizzes", "Quiz"): (".question_panel.question_panel", "QuestionPanel"),
}


def _make(module: str, name: str, thing: object) -> Any:
    return getattr(import_module(module, __package__), name)(thing)


def show(thing: Any, include: Any = None, exclude: Any = None) -> Any:
    """What a cell that ends in ``thing`` shows."""
    if sys.platform != "emscripten" and shell() is not None:
        with suppress(ImportError):
            return thing.panel._repr_mimebundle_(include=include, exclude=exclude)
    return thing._repr_mimebundle_(include=include, exclude=exclude)


def register() -> None:
    """Tell the floor below which panel shows what and, where IPython runs, IPython how to show it."""
    ipython = sys.modules.get("IPython")
    here = ipython.get_ipython() if ipython is not None else None
    for (module, name), panel in PANELS.items():
        showing.panels[name] = partial(_make, *panel)
        if here is not None:
            # By name: IPython looks whether a class of that name is among the bases of what a cell shows.
            here.display_formatter.mimebundle_formatter.for_type_by_name(module, name, show)
