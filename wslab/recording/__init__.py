"""What happened: a trace of chunks as they crossed, and the records, frames, messages and states they make.

``ring`` holds bytes and entries; ``tape`` notes what crosses, ``ledger`` holds what it means, and ``derive`` works
that out. ``reading`` holds these and answers, with ``lanes`` for what lies around a record. ``archive`` saves and loads
it, ``files`` exchange it with other programs, and ``trace`` is all of that in one place, and shows it. Knows nothing of
sockets (``live`` writes to it) and nothing of widgets (``panels`` read from it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .lanes import Lanes
from .ledger import Dropped, Step
from .tape import Chunk
from .trace import Closing, Handshake, Slice, Tap, Trace

if TYPE_CHECKING:
    from .archive import TraceFileError

__all__ = ["Chunk", "Closing", "Dropped", "Handshake", "Lanes", "Slice", "Step", "Tap", "Trace", "TraceFileError"]


def __getattr__(name: str) -> Any:
    """Import what reads files when it is first used (PEP 562)."""
    if name == "TraceFileError":
        from .archive import TraceFileError

        return TraceFileError
    raise AttributeError(f"wslab.recording has no name {name!r}; it has {', '.join(__all__)}")
