"""Which edition of the course a notebook belongs to: a student's copy keeps outcomes back until somebody predicts.

The edition stands in the notebook's metadata, under ``wslab``, so that JupyterLab, VS Code, Binder and a hub treat a
copy alike. Jupyter tells the kernel which notebook it runs. Where nothing is told, ``WSLAB_EDITION`` decides, and else
it is the author's edition.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from pathlib import Path

EDITIONS = ("author", "student", "teacher")


def edition() -> str:
    """The edition of the notebook that runs: one of ``EDITIONS``."""
    said = os.environ.get("WSLAB_EDITION")
    if said is not None and said not in EDITIONS:
        raise ValueError(f"WSLAB_EDITION={said!r}: expected one of {', '.join(EDITIONS)}")
    return said or _of_notebook(_notebook()) or "author"


def _notebook() -> str:
    main = sys.modules.get("__main__")
    # Set by Jupyter Server for each kernel, and by VS Code in the kernel's namespace.
    return os.environ.get("JPY_SESSION_NAME") or str(getattr(main, "__vsc_ipynb_file__", ""))


@cache
def _of_notebook(path: str) -> str | None:
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))["metadata"]["wslab"]["edition"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return told if told in EDITIONS else None
