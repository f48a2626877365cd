"""``NodeProcess`` as a notebook uses it: the script of ``wslab.live`` that shows its output live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..live.node import process as node
from .notebook import Live

if TYPE_CHECKING:
    from .node_panel.node_panel import NodePanel


class NodeProcess(Live["NodePanel"], node.NodeProcess):
    """A script in Node, as ``lab.node()`` gives it; see ``wslab.live.node.process.NodeProcess``."""

    def _make_panel(self) -> NodePanel:
        from .node_panel.node_panel import NodePanel

        return NodePanel(self)
