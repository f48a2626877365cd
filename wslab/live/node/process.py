"""``NodeProcess``: a script that runs in Node beside a lab, with the npm package ``ws``, and ends with it.

Theory. The script is a child process, in a group of its own and with no shell between. It must end with the lab
however the lab ends, also if the kernel is killed and can do nothing any more. So the lab holds the other end of the
child's standard input, which the system closes when the kernel dies. A thread in the child kills the child's group when
that stream ends (``node/leash.js``, which Node loads before the script).

The leash does three more things for a script that was written for another place, such as the article's server:

- It listens on 127.0.0.1, where no host is named; another host than this machine's own is refused.
- The article's port, 1234, stands for the port that was asked for, or for any free one.
- ``WebSocket`` is there as in a browser, and to it ``ws://localhost:1234`` is the server that the lab says.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import errno
import json
import os
import secrets
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from subprocess import PIPE
from typing import Final, TypeVar

from ...drawing.blocks import Words
from ...drawing.sheet import Sheet, Shown
from ...drawing.visible import count, harmless
from ..article import PORT, SERVER_SCRIPT
from ..carrier import ADDRESS, GRACE
from ..errors import NodeFailed, port_taken
from ..estate import Estate, replace_helpers
from ..kernel import let_interrupts_arrive
from ..secret import hidden
from ..showing import Alive
from ..waiting import Changes, Closes, keep
from .package import SOURCE, home, program

T = TypeVar("T")
KINDS: Final = ("server", "client")
TIMEOUT = 10.0  # seconds that a server's script has to listen: Node's first start on a busy machine takes some
LINES = 1000  # lines of output that are kept
LONGEST = 2000  # characters of a line that are kept
READ = 65536
SHOWN = 60  # lines, the last ones, that a view shows
LONGEST_SCRIPT = 100_000  # bytes of a script that is given as text: Linux lets an argument have 128 KiB


class NodeProcess(Alive, Closes, Shown):
    """A script that runs in Node beside a lab, as ``Lab.node`` starts it. Any loop and any thread may use it.

    In a cell it shows what the script printed. It is closed with the lab, and cannot outlive the kernel.
    """

    def __init__(self, estate: Estate, script: str | os.PathLike[str]) -> None:
        self._estate = estate
        what = "the article's server" if script == SERVER_SCRIPT else "the script"
        self.name = f"{harmless(Path(script).name) if isinstance(script, os.PathLike) else what} in Node"
        self._process: asyncio.subprocess.Process | None = None
        self._mark = f"\0{secrets.token_hex(8)} "
        self._lines: deque[tuple[str, bool]] = deque(maxlen=LINES)  # and whether each went to standard error
        self.total = 0  # how many lines it has printed
        self._lock = threading.Lock()
        self.port: int | None = None  # the first port that the script listens on; None while it listens on none
        self._ended: int | None = None
        self._closing = False
        self._end: asyncio.Task[None] | None = None
        self._changes = Changes()
        self._watchers: list[Callable[[], None]] = []

    async def _start(self, command: list[str], folder: Path | None, environment: dict[str, str]) -> None:
        """Start the child; runs on the server's loop."""
        self._estate.helpers[self] = None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command, cwd=folder, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
            )
        except BaseException:
            self._estate.helpers.pop(self, None)
            raise
        self._end = keep(asyncio.get_running_loop().create_task(self._live(self._process)))

    async def _live(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        pumps = asyncio.gather(self._pump(process.stdout, False), self._pump(process.stderr, True))
        status = await process.wait()
        _kill(process.pid)  # what the script started may hold its output open
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(pumps, GRACE)
        self._ended = status
        self._estate.helpers.pop(self, None)
        self._changed()

    async def _pump(self, stream: asyncio.StreamReader, error: bool) -> None:
        """Read until the stream ends; runs on the server's loop."""
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        rest = ""
        while data := await stream.read(READ):
            *lines, rest = (rest + decoder.decode(data)).split("\n")
            self._add(lines, error)
            rest = rest[:READ]  # of a line without an end only the beginning is kept
        self._add([rest] if rest else [], error)

    def _add(self, lines: Sequence[str], error: bool) -> None:
        """Keep what the script printed, and take out what the leash tells."""
        for line, following in zip_longest(lines, lines[1:], fillvalue=""):
            if not error and line.startswith(self._mark):
                with contextlib.suppress(ValueError):
                    port = json.loads(line.removeprefix(self._mark)).get("listening")
                    if isinstance(port, int) and self.port is None:
                        self.port = port
            # The leash writes a line's end before its mark, since the script may have begun a line.
            elif line or error or not following.startswith(self._mark):
                cut = line.removesuffix("\r")
                text = harmless(hidden(cut if len(cut) <= LONGEST else cut[:LONGEST] + "…"))
                with self._lock:
                    self._lines.append((text, error))
                    self.total += 1
        if lines:
            self._changed()

    def _changed(self) -> None:
        self._changes.tell()
        for watcher in [*self._watchers]:
            watcher()

    async def _wait(self, find: Callable[[], T | None], timeout: float, otherwise: str) -> T:
        """What ``find()`` finds, once it finds something. Raises NodeFailed if the script ends before that."""

        def late() -> str:
            return f"after {timeout:g} s {self.name} has not {otherwise}. {self._last_words()}"

        if find() is None:
            changed = self._changes.until(lambda: find() is not None or self._ended is not None, timeout, late)
            await self._estate.carrier.run(changed)
        if (found := find()) is None:
            raise NodeFailed(f"{self.name} {self.state} before it had {otherwise}: {self._last_words()}")
        return found

    def _last_words(self) -> str:
        said = [text for text, error in self._so_far()[1] if error] or self.lines
        return "\n".join(said[-12:]) or "it printed nothing"

    @property
    def uri(self) -> str | None:
        """Where to connect to: ``ws://127.0.0.1:PORT/``; None while the script does not listen."""
        return None if self.port is None else f"ws://{ADDRESS}:{self.port}/"

    @property
    def lines(self) -> list[str]:
        """The last lines that the script printed, at most ``LINES``, on standard output and standard error."""
        return [text for text, _ in self._so_far()[1]]

    @property
    def output(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)

    @property
    def running(self) -> bool:
        """Whether the script runs."""
        return self._process is not None and self._ended is None

    @property
    def pid(self) -> int | None:
        """The child's process id; None before it starts."""
        return None if self._process is None else self._process.pid

    @property
    def state(self) -> str:
        """``runs``, ``was closed``, ``ended``, or ``ended with exit status 1``."""
        if self._ended is None:
            return "runs"
        if self._closing or not self._ended:
            return "was closed" if self._closing else "ended"
        how = "was ended by signal" if self._ended < 0 else "ended with exit status"
        return f"{how} {abs(self._ended)}"

    async def wait_for(self, text: str, timeout: float = 5.0) -> str:
        """Wait at most ``timeout`` seconds until a line with ``text`` in it has been printed, and return that line.

        Raises TimeoutError where none came in time, and NodeFailed with its last words where the script ended first.
        """

        def find() -> str | None:
            return next((line for line in self.lines if text in line), None)

        return await self._wait(find, timeout, f"printed {text!r}")

    async def wait_closed(self, timeout: float = 5.0) -> int:
        """Wait until the script has ended by itself; its exit status. Raises TimeoutError."""
        return await self._wait(lambda: self._ended, timeout, "ended")

    async def close(self) -> None:
        """End the script and whatever it started, and wait until they are gone. Calling it again does nothing.

        Its connections end as those of a program that was killed: without a close frame, and the peer reports 1006
        (RFC 6455 7.1.5).
        """
        if self.running:
            await self._estate.carrier.run(self._kill())

    def abandon(self) -> None:
        """Begin to end it. Thread-safe; returns at once."""
        if self.running:
            self._estate.carrier.soon(self._kill())

    async def _kill(self) -> None:
        if self._process is not None and self._end is not None and not self._end.done():
            self._closing = True
            if self._process.returncode is None:
                _kill(self._process.pid)
            await asyncio.wait({self._end}, timeout=3 * GRACE)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Have ``changed()`` called, on the server's thread, when something was printed or the script ended.

        ``changed`` must be quick. Returns a function that ends the calls.
        """
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed) if changed in self._watchers else None

    def _still(self) -> NodeProcess:
        return self

    @property
    def summary(self) -> str:
        """``the article's server in Node runs; 1 line of output``."""
        shown = f", the last {SHOWN} of which are" if self.total > SHOWN else ""
        return f"{self.name} {self.state}; {count(self.total, 'line')} of output{shown}"

    def shown_so_far(self) -> tuple[int, list[tuple[str, bool]]]:
        """How many lines it has printed and, at the same moment, those that a view shows. Thread-safe.

        The lines are made harmless; with each it says whether that went to standard error.
        """
        total, lines = self._so_far()
        return total, lines[-SHOWN:]

    def _so_far(self) -> tuple[int, list[tuple[str, bool]]]:
        with self._lock:
            return self.total, [*self._lines]

    def _sheet(self) -> Sheet:
        marked = "\n".join(f"{'!' if error else '│'} {text}" for text, error in self.shown_so_far()[1])
        output = [Words(marked, code=True, close=True)] if marked else []
        return Sheet("A script in Node", [Words(self.summary), *output])


def _kill(pid: int) -> None:
    """Kill a child's whole group; where there are no groups, the child."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)


def _environment(mark: str, port: int, target: str | None, authority: Path | None) -> dict[str, str]:
    """The child's environment: this process's, without what changes how Node behaves."""
    without = ("NODE_OPTIONS", "NODE_PATH", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "NODE_EXTRA_CA_CERTS")
    kept = {name: value for name, value in os.environ.items() if name not in without}
    leash = {"mark": mark, "port": port, "articlePort": PORT, "target": target}
    own = {"NO_COLOR": "1", "NODE_PATH": str(home() / "node_modules"), "WSLAB_LEASH": json.dumps(leash)}
    return kept | own | ({"NODE_EXTRA_CA_CERTS": str(authority)} if authority is not None else {})


async def start(
    estate: Estate, script: str | os.PathLike[str], *, port: int, to: str | None, arguments: Sequence[str]
) -> NodeProcess:
    """Start a script; see ``Lab.node``. ``to`` is the target of a client, and None for a server."""
    let_interrupts_arrive(asyncio.get_running_loop())
    node = program()
    if isinstance(script, str) and len(script.encode()) > LONGEST_SCRIPT:
        raise ValueError(f"a script of more than {LONGEST_SCRIPT} bytes: put it into a file, and give its Path")
    await estate.make_room(port)
    child = NodeProcess(estate, script)
    what = ["--eval", script, "--"] if isinstance(script, str) else ["--", os.fspath(script)]
    command = [node, "--require", str(SOURCE / "leash.js"), *what, *arguments]
    folder = home() if isinstance(script, str) else None
    environment = _environment(child._mark, port, to, estate.authority.path if estate.has_authority else None)
    try:
        await estate.carrier.run(child._start(command, folder, environment))
        if to is None:
            await child._wait(lambda: child.port, TIMEOUT, "listened")
    except BaseException as error:
        await asyncio.shield(child.close())
        if port and "EADDRINUSE" in child.output and isinstance(error, NodeFailed):
            raise port_taken(port, OSError(errno.EADDRINUSE, "")) from None
        raise
    replace_helpers(child)
    return child
