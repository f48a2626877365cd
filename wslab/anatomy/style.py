"""The one style sheet of all static HTML: JupyterLab's variables, each with a literal fallback."""

from __future__ import annotations

CSS = ""
