"""What happened: a trace of chunks as they crossed, and the records, frames, messages and states they make.

``ring`` holds the bytes, ``trace`` records and derives, ``views`` show parts of it, ``files`` save and load it. Knows
nothing of sockets (``live`` writes to it) and nothing of widgets (``panels`` read from it).
"""

from .files import TraceFileError
from .trace import Chunk, Dropped, Tap, Trace
from .views import Closing, Handshake, Slice

__all__ = ["Chunk", "Closing", "Dropped", "Handshake", "Slice", "Tap", "Trace", "TraceFileError"]
