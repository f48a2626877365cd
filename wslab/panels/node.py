"""``NodeProcess`` as a notebook uses it: the script of ``wslab.live`` that shows its output live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..live import node
from .notebook import in_kernel

if TYPE_CHECKING:
    from .node_panel import NodePanel


class NodeProcess(node.NodeProcess):
    """A script in Node, as ``lab.node()`` gives it; see ``wslab.live.node.NodeProcess``."""

    _panel: NodePanel | None = None

    @property
    def panel(self) -> NodePanel:
        """Its live panel. Raises ImportError, which says what to do, where anywidget is not installed."""
        if self._panel is None:
            try:
                from .node_panel import NodePanel
            except ImportError as error:
                raise ImportError("the live panel needs anywidget: pip install anywidget") from error
            self._panel = NodePanel(self)
        return self._panel

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if in_kernel():
            try:
                return self.panel._repr_mimebundle_(include=include, exclude=exclude)
            except ImportError:
                pass
        return {"text/plain": repr(self), "text/html": self._repr_html_()}
