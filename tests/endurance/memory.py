"""How much memory a process has, measured so that what was freed does not count."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from pathlib import Path

MALLOC = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
"""Variables with which every object is the C library's, in one heap, so that freed memory can be given back."""


def memory() -> int:
    """Bytes of memory that this process has, once the C library has given back what it keeps for later; 0 where the
    system does not tell."""
    gc.collect()
    try:
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0
