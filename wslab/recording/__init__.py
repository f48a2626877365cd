"""What happened: a trace of chunks as they crossed, and the records, frames, messages and states they make.

``ring`` holds the bytes; ``writing`` notes them, ``deriving`` works out what they mean, and ``trace`` reads both,
with ``explaining``, ``steps`` and ``lanes`` for what lies behind a record and around it; ``views`` show parts of it,
``files`` save and load it. ``opening`` tells by a file's content who reads it: ``files``, ``har``, or ``capture`` with
``container`` (pcap and pcapng) and ``segments`` (IP and TCP) beneath; ``dataframe`` and ``dissecting`` hand it on
whole. Knows nothing of sockets (``live`` writes to it) and nothing of widgets (``panels`` read
from it).
"""

from .archive import TraceFileError
from .lanes import Lanes
from .steps import Step
from .trace import Chunk, Dropped, Tap, Trace
from .views import Closing, Handshake, Slice

__all__ = ["Chunk", "Closing", "Dropped", "Handshake", "Lanes", "Slice", "Step", "Tap", "Trace", "TraceFileError"]
