"""Which processes run and which ports listen, for tests of what must be gone."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from waits import soon

DEADLINE = 30.0


def lives(pid: int) -> bool:
    """Whether that process runs; one that nobody has waited for yet does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def gone(pid: int) -> bool:
    """Whether it ends."""
    soon(lambda: not lives(pid), patience=DEADLINE)
    return True


def listens(port: int) -> bool:
    """Whether somebody accepts connections on that port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free(port: int) -> bool:
    """Whether nobody listens there any more: the threads of a killed process let go of it one after the other."""
    soon(lambda: not listens(port), patience=DEADLINE)
    return True
