"""Doors: the ports of this user's labs that a page may reach through the user's own Jupyter server.

The threat: a Jupyter server that passed requests on to any port of its machine would give every page that it serves,
and every user whom it lets in, a way around firewalls. Four checks stand against it:

- *One port a door.* A lab that is to be reached writes a door: a file, named by a random key of 128 bits, that names
  one port. ``wslab.splice``, in the Jupyter server, passes on to the port that it finds by that key and to no other.
- *Who has the key.* A private door is for those who may execute code on the Jupyter server. A public one, which only a
  show of hands opens, is for everybody who was told its path; what is behind it asks for a code of its own.
- *Only this user's doors.* A door is believed if its file belongs to this user and nobody else may read it.
- *No door outlives its kernel.* A door names the process that wrote it. If that process is gone, or its number now
  belongs to one that began later, the door is not believed, and is removed.

Jupyter's own modules are imported where they are used: a lab without doors does without them, as in Pyodide.
"""

import contextlib
import json
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

PREFIX = "wslab"  # the doors' folder in Jupyter's runtime directory, and the first step of their paths
KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
SECRET = re.compile(r"/[0-9a-z-]+", re.ASCII)
PORTS = range(1, 65536)


def folder() -> Path:
    """Where the doors of this user are."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir()) / PREFIX


@dataclass(frozen=True, slots=True)
class Door:
    """A port that the user's Jupyter server passes on to, as ``open`` makes it."""

    key: str
    port: int
    secret: str = ""  # what the splice puts before the path, since the server behind the door wants it

    @property
    def path(self) -> str:
        """``wslab/<key>/``: where the port is found, below the Jupyter server's ``base_url``."""
        return f"{PREFIX}/{self.key}/"

    def close(self) -> None:
        """Let no new connection in. Open ones stay until the port's server ends them. Calling it again does nothing."""
        _remove(folder() / self.key)

    def __repr__(self) -> str:
        return "<Door>"


def open(port: int, *, public: bool = False, secret: str = "") -> Door:
    """Open a door to a port of 127.0.0.1 on which this process, or a child of it, listens.

    Close it with the server; it ends with this process in any case. Raises ValueError where ``port`` is no number from
    1 to 65535.
    """
    from jupyter_core.paths import secure_write

    if port not in PORTS:
        raise ValueError(f"port={port!r}: a port is a number from {PORTS.start} to {PORTS.stop - 1}")
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in place.iterdir():
        find(path.name)  # removes it if its process is gone
    door = Door(secrets.token_hex(16), port, secret)
    written = place / f"{door.key}.new"
    with secure_write(str(written)) as file:
        told = {"port": port, "pid": os.getpid(), "started": _started(os.getpid()), "public": public, "secret": secret}
        json.dump(told, file)
    written.replace(place / door.key)  # in one step, so that no reader finds half a door
    return door


def find(key: str, *, public: bool = False) -> int | None:
    """The port behind the door (the ``public`` door) of that key; None if there is none, or if it is not believed.

    It does not ask whether anything listens on the port.
    """
    door = believed(key, public=public)
    return None if door is None else door.port


def believed(key: str, *, public: bool = False) -> Door | None:
    """The door of that key with its port and its server's secret, as ``find`` finds it."""
    if not KEY.fullmatch(key):
        return None
    path = folder() / key
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, encoding="utf-8") as file:
            if not _private(os.fstat(descriptor)):
                return None
            told = json.load(file)
        port, pid, started, opened = int(told["port"]), int(told["pid"]), told["started"], told.get("public") is True
        secret = str(told.get("secret") or "")
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if not _runs(pid) or _started(pid) != started:
        _remove(path)
        return None
    good = port in PORTS and opened >= public and (not secret or SECRET.fullmatch(secret))
    return Door(key, port, secret) if good else None


def _private(status: os.stat_result) -> bool:
    """Whether it is a file of this user that nobody else may open. Where files have no owners, whether it is a file."""
    mine = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077)
    return mine and stat.S_ISREG(status.st_mode)


def _runs(pid: int) -> bool:
    from jupyter_server.utils import check_pid

    try:
        return pid > 0 and bool(check_pid(pid))
    except OverflowError:
        return False


def _started(pid: int) -> str | None:
    """When that process began, in Linux' clock ticks since the machine began; None on systems that do not say.

    None as well if it has ended and its parent has not asked how.
    """
    try:
        # Fields 3 and 22 of proc_pid_stat(5). Field 2 is the program's name in brackets, and may hold anything.
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if told[0] in "ZX" else told[19]
    except (OSError, IndexError):
        return None


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
