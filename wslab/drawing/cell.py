"""The Jupyter cell around a program: whether there is one, which one runs, and what it shows. Imports nothing."""

import os
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
    parent = _request()
    cell = parent.get("metadata", {}).get("cellId")
    execution = parent.get("header", {}).get("msg_id")
    return (cell, execution) if isinstance(cell, str) and isinstance(execution, str) else None


def unattended() -> bool:
    """Whether a program executes the notebook, such as nbconvert, and no page will show its widgets. Such a program
    tells no cell, and says that nobody answers ``input``. Voila does both, and has a page."""
    answered = _request().get("content", {}).get("allow_stdin", True)
    return not answered and running_cell() is None and not os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


def _request() -> dict[str, Any]:
    # The message with which the front end asked for the running cell.
    here = shell()
    parent = here.get_parent() if hasattr(here, "get_parent") else None
    return parent if isinstance(parent, dict) else {}


def beside(still: dict[str, Any], widget: Callable[[], Any], **kwargs: Any) -> dict[str, Any]:
    """What a cell shows of a thing: its ``still`` form, and the widget in a kernel that has widgets and a page."""
    if shell() is not None and not unattended():
        with suppress(ImportError):
            return {**widget()._repr_mimebundle_(**kwargs), **still}
    return still
