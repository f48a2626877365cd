"""What a lab raises when it cannot do what it was asked, and how an exception is said in one line."""

# ruff: noqa: N818 - the exceptions of this floor say what is the case, and so do not end in Error

import errno
import traceback
from collections import deque
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .secret import hidden

CLOSED = (
    "this lab was closed, or its cell was run again: run the cell with lab = Lab() again, and then the cells below it"
)


class NoServer(RuntimeError):
    """The lab has no server to connect to."""


class LabClosed(RuntimeError):
    """The lab was closed."""


class NotLoopback(ValueError):
    """A lab listens on 127.0.0.1 only."""


class PortTaken(OSError):
    """Another program listens on the port that was asked for."""


class StreamEnded(EOFError):
    """The peer's stream ended before what was waited for had come."""


class CannotSend(ConnectionError):
    """This end has ended its stream, or its connection is closed."""


class LibraryRefuses(ValueError):
    """``websockets`` does not send this. Nobody refuses the same as bytes."""


class NodeMissing(RuntimeError):
    """Node, npm or the package ws is not installed; the message says what to do."""


class NodeFailed(RuntimeError):
    """The script ended before it did what was waited for; the message has what it said."""


def port_taken(port: int, error: OSError) -> OSError:
    """``error``, or where it says that the port is in use a PortTaken that says what to do."""
    if error.errno != errno.EADDRINUSE:
        return error
    return PortTaken(
        error.errno,
        f"port {port} is taken by another program on this machine. Close that program or notebook "
        f"(`lsof -i :{port}` names it), or take any free port: await lab.serve()",
    )


def complaint(exception: BaseException) -> str:
    """The type and the message of an exception, in one line, without a secret."""
    message = hidden(" ".join(str(exception).split()))
    return f"{type(exception).__name__}: {message}" if message else type(exception).__name__


failures: deque[str] = deque(maxlen=1)  # what the handler of a lab's server raised last, and where
_PACKAGE = Path(__file__).parents[1]


class OwnLine(NamedTuple):
    """A line of somebody's own code."""

    function: str
    line: int
    source: str  # without the space around it

    def __str__(self) -> str:
        return (
            f"{self.function}, line {self.line}: {self.source}" if self.source else f"{self.function}, line {self.line}"
        )


@cache
def _libraries() -> list[Path]:
    import sysconfig  # it takes its time

    return [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]


def place_of(exception: BaseException) -> OwnLine | None:
    """The last line of a program's own code, outside wslab and libraries, that an exception went through."""
    for frame in reversed(traceback.extract_tb(exception.__traceback__)):
        path = Path(frame.filename)
        if not any(path.is_relative_to(folder) for folder in (_PACKAGE, *_libraries())) and frame.filename[0] != "<":
            return OwnLine(frame.name, frame.lineno or 0, frame.line or "")
    return None


def blame(exception: BaseException) -> str:
    """The type and the message of an exception, and the line of a program's own code that raised it, in one line."""
    place = place_of(exception)
    return complaint(exception) if place is None else f"{complaint(exception)} ({place})"
