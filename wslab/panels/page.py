"""``Page`` as a notebook uses it: the page of ``wslab.live`` that shows itself as a link to open it by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..live.jupyter import pages
from .notebook import in_kernel

if TYPE_CHECKING:
    from ..live.lab import Server


@dataclass(frozen=True, slots=True, repr=False)
class Page(pages.Page):
    """A page that a lab's server serves, as ``server.page()`` gives it; see ``wslab.live.jupyter.pages.Page``."""

    server: Server

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if in_kernel():
            from .page_panel.page_panel import PagePanel

            return PagePanel(self.server, self)._repr_mimebundle_(include=include, exclude=exclude)
        return {"text/plain": repr(self)}
