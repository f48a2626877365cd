"""wslab: a laboratory for WebSocket that lives in a notebook.

The public names load on first use, so that ``import wslab`` stays as light as the program that needs only
one of them: neither widgets nor servers are imported before somebody asks for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .anatomy.explanation import Explanation as Explanation
    from .anatomy.field import Field as Field
    from .anatomy.field import Sender as Sender
    from .anatomy.field import Violation as Violation
    from .anatomy.record import Record as Record
    from .course import predict as predict
    from .course import progress as progress
    from .course import quiz as quiz
    from .live.judges.judge import judge as judge
    from .live.lab import Lab as Lab
    from .live.paste import paste_scripts as paste_scripts
    from .panels.browser_panel.browser_panel import BrowserPanel as BrowserPanel
    from .panels.byte_inspector.byte_inspector import ByteInspector as ByteInspector
    from .panels.closing_panel.closing_panel import ClosingPanel as ClosingPanel
    from .panels.composer.composer import Composer as Composer
    from .panels.frame_builder.frame_builder import FrameBuilder as FrameBuilder
    from .panels.handshake_workbench.handshake_workbench import HandshakeWorkbench as HandshakeWorkbench
    from .panels.lab_panel.lab_panel import LabPanel as LabPanel
    from .protocol import accept_key as accept_key
    from .protocol import build_close as build_close
    from .protocol import build_frame as build_frame
    from .protocol import dissect as dissect
    from .protocol import explain as explain
    from .recording.trace import Trace as Trace

__version__ = "0.1.0"

_HOME = {
    "BrowserPanel": ".panels.browser_panel.browser_panel", "ByteInspector": ".panels.byte_inspector.byte_inspector",
    "ClosingPanel": ".panels.closing_panel.closing_panel", "Composer": ".panels.composer.composer",
    "Explanation": ".anatomy.explanation", "Field": ".anatomy.field",
    "FrameBuilder": ".panels.frame_builder.frame_builder",
    "HandshakeWorkbench": ".panels.handshake_workbench.handshake_workbench", "Lab": ".live.lab",
    "LabPanel": ".panels.lab_panel.lab_panel", "Record": ".anatomy.record", "Sender": ".anatomy.field",
    "Trace": ".recording.trace", "Violation": ".anatomy.field", "accept_key": ".protocol", "build_close": ".protocol",
    "build_frame": ".protocol", "dissect": ".protocol", "explain": ".protocol", "judge": ".live.judges.judge",
    "paste_scripts": ".live.paste", "predict": ".course", "progress": ".course",
    "quiz": ".course",
}  # fmt: skip

__all__ = sorted(_HOME)
# At once, since a lab shows itself as a panel also where it was imported from wslab.live. This imports no panel.
import_module(".panels.notebook", __name__).register()


def __getattr__(name: str) -> Any:
    """Import a public name from the floor where it lives (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"wslab has no name {name!r}; it has {', '.join(__all__)}")
    return globals().setdefault(name, getattr(import_module(_HOME[name], __name__), name))


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
