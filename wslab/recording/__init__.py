"""What happened: a trace of chunks as they crossed, and the records, frames, messages and states they make.

``ring`` holds bytes and ``entries``; ``tape`` notes what crosses, ``ledger`` holds what it means, and ``derive`` works
that out. ``reading`` holds these and answers, with ``packed``, ``explaining``, ``steps`` and ``lanes`` for what
lies behind a record and around it. ``views`` show parts of it, ``archive`` saves and loads it, ``files`` exchange it
with other programs, ``dissecting`` hands it on whole, and ``trace`` is all of that in one place.
Knows nothing of sockets (``live`` writes to it) and nothing of widgets (``panels`` read
from it).
"""

from .archive import TraceFileError
from .lanes import Lanes
from .steps import Step
from .trace import Chunk, Dropped, Tap, Trace
from .views import Closing, Handshake, Slice

__all__ = ["Chunk", "Closing", "Dropped", "Handshake", "Lanes", "Slice", "Step", "Tap", "Trace", "TraceFileError"]
