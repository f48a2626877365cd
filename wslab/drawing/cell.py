"""The Jupyter cell around a program: whether there is one, which one runs, and what it shows. Imports nothing."""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def shell() -> Any:
    """The IPython shell of the Jupyter kernel that this is, or None."""
    ipython = sys.modules.get("IPython")
    found = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return found if hasattr(found, "kernel") else None


def running_cell() -> tuple[str, str] | None:
    """The running cell's id and its execution's id, where the front end tells them, as JupyterLab does. A program that
    executes notebooks tells none."""
    here = shell()
    parent = here.get_parent() if hasattr(here, "get_parent") else None
    if not isinstance(parent, dict):
        return None
    cell = parent.get("metadata", {}).get("cellId")
    execution = parent.get("header", {}).get("msg_id")
    return (cell, execution) if isinstance(cell, str) and isinstance(execution, str) else None


def beside(still: dict[str, Any], widget: Callable[[], Any], **kwargs: Any) -> dict[str, Any]:
    """What a cell shows of a thing: the widget in a Jupyter kernel that has widgets, and its ``still`` form."""
    if shell() is not None:
        with suppress(ImportError):
            return {**widget()._repr_mimebundle_(**kwargs), **still}
    return still
