"""``Lab`` as a notebook uses it: the lab of ``wslab.live`` that shows itself as a live panel when a cell ends in it.

Importing this module loads no widget; the first display does. Where widgets or a kernel are missing (plain Python,
Pyodide), the recording's text and HTML are shown instead.
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import live

if TYPE_CHECKING:
    from ..live.jupyter.pages import Page
    from ..live.relay.relay import Relaying
    from ..recording.trace import Trace
    from .kit.panel import Panel
    from .lab_panel.lab_panel import LabPanel
    from .node import NodeProcess
    from .relay import Relay

P = TypeVar("P", bound="Panel")


def in_kernel() -> bool:
    """Whether this is a Jupyter kernel that has threads, so that a live panel can be pushed to."""
    ipython = sys.modules.get("IPython")
    return sys.platform != "emscripten" and ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class Live(Generic[P]):
    """What shows itself as a live panel. All cells that show it show one panel."""

    _panel: P | None = None

    @property
    def panel(self) -> P:
        """Its live panel. Raises ImportError, which says what to do, where anywidget is not installed."""
        if self._panel is None:
            try:
                self._panel = self._make_panel()
            except ImportError as error:
                raise ImportError("the live panel needs anywidget: pip install anywidget") from error
        return self._panel

    def _make_panel(self) -> P:
        """The panel; imports it."""
        raise NotImplementedError

    def _still(self) -> Any:
        """What is shown where there are no widgets: it has a text and HTML."""
        return self

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if in_kernel():
            try:
                return self.panel._repr_mimebundle_(include=include, exclude=exclude)
            except ImportError:
                pass
        still = self._still()
        return {"text/plain": repr(still), "text/html": still._repr_html_()}


class LiveRecording(Live["LabPanel"]):
    """What has a ``trace``, and shows itself as a live panel over it."""

    trace: Trace

    def _make_panel(self) -> LabPanel:
        from .lab_panel.lab_panel import LabPanel

        return LabPanel(self)

    def _still(self) -> Trace:
        return self.trace

    def _refresh(self) -> None:
        if (panels := sys.modules.get("wslab.panels.kit.trace_panel")) is not None:
            panels.refresh(self.trace)


class Lab(LiveRecording, live.Lab):
    """A WebSocket laboratory: ``await lab.serve(handler)``, ``await lab.connect()``, then ``lab`` to see every byte.

    Takes what ``wslab.live.Lab`` takes and does the same. All cells that show one lab show one panel.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._relays: weakref.WeakSet[Relay] = weakref.WeakSet()

    async def close(self) -> None:
        """Close every connection and the servers, as ``wslab.live.Lab.close`` does; its panels say so and stay."""
        await super().close()
        for shown in (self, *self._relays):
            shown._refresh()

    def _as_relay(self, relaying: Relaying) -> Relay:
        from .relay import Relay

        relay = Relay(self, relaying)
        self._relays.add(relay)
        return relay

    def _as_node(self) -> type[NodeProcess]:
        from .node import NodeProcess

        return NodeProcess

    def _as_page(self, server: live.Server, page: Page) -> Page:
        from .page import Page as ShownPage

        return ShownPage(page.html, page.written_port, page.port, page.secure, server)
