"""Where a lab's server runs: over TCP on a loop in a thread of its own, or in memory on the caller's loop.

A server on the kernel's own loop freezes whenever a cell computes, so TCP is served from
a thread. Places without threads or sockets have one loop for everything.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

from . import memory
from .errors import complaint
from .waiting import keep

T = TypeVar("T")
ADDRESS = memory.ADDRESS
GRACE = 1.0
"""Seconds that a peer or a handler gets to finish before it is cut off."""


def port_of(server: Any) -> int:
    """The port that a server listens on."""
    return int(server.sockets[0].getsockname()[1])


def _run(loop: asyncio.AbstractEventLoop, ended: concurrent.futures.Future[None]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for finish in (False, True):
            rest = asyncio.all_tasks(loop)
            for task in rest if finish else ():
                task.cancel()
            if rest:
                loop.run_until_complete(asyncio.wait(rest, timeout=2 * GRACE))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        ended.set_result(None)


def _complaint(context: dict[str, Any]) -> str:
    exception = context.get("exception")
    return str(context.get("message", "")) if exception is None else complaint(exception)


class Carrier:
    """Where a lab's server runs, and how the lab's ends reach each other.

    Args:
        report: called with words for what went wrong on the server's loop.
    """

    name: ClassVar[str]

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The server's loop; None before there is one, and after its end."""
        raise NotImplementedError

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` on the server's loop, and wait for it."""
        raise NotImplementedError

    def listening(self, port: int) -> dict[str, Any]:
        """The host and port for a loop's ``create_server``."""
        return {"host": ADDRESS, "port": port}

    def reaching(self, port: int) -> dict[str, Any]:
        """What a loop's ``create_connection`` needs to be told beside a URI on 127.0.0.1 with that port."""
        return {}

    def soon(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Run ``coroutine`` on the server's loop. Thread-safe; returns at once; False where no loop runs it."""
        loop = self.loop
        if loop is None or not loop.is_running():
            coroutine.close()
            return False
        loop.call_soon_threadsafe(lambda: keep(loop.create_task(coroutine)))
        return True

    async def stop(self) -> None:
        """Leave no thread and no network behind."""
        raise NotImplementedError

    def stop_now(self, timeout: float) -> None:
        """Do the same where nothing can be awaited: when the interpreter ends. ``timeout`` is in seconds."""


class Tcp(Carrier):
    """Loopback TCP. The server's loop is in a daemon thread of its own, which starts when it is first needed."""

    name = "tcp"

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(report)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread: threading.Thread

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop of the server's thread, while it runs."""
        return None if self._loop is None or self._loop.is_closed() else self._loop

    def _start(self) -> asyncio.AbstractEventLoop:
        """Start the thread. It holds nothing of the lab, so that a forgotten lab is collected while it runs."""
        report, loop, started = self._report, asyncio.new_event_loop(), threading.Event()
        loop.set_exception_handler(lambda _, context: report(_complaint(context)))
        loop.call_soon(started.set)
        self._thread = threading.Thread(target=_run, args=(loop, self._ended), name="wslab server", daemon=True)
        self._thread.start()
        started.wait()
        return loop

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` in that thread, from any loop, and wait for it."""
        if self._loop is None:
            self._loop = self._start()
        if asyncio.get_running_loop() is self._loop:
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    async def stop(self) -> None:
        """End the thread, and wait for that."""
        if self._loop is None:
            return
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is self._thread:
            return
        # A handler that blocks the server's thread cannot be stopped; it is a daemon thread, and is left behind.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._ended)), 2 * GRACE)
            self._thread.join(GRACE)

    def stop_now(self, timeout: float) -> None:
        """Wait for the thread's end."""
        if self._loop is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout)


class Memory(Carrier):
    """A network in memory, on the first loop that uses it."""

    name = "memory"
    _network: memory.Network | None = None

    @property
    def _here(self) -> memory.Network:
        loop = asyncio.get_running_loop()
        if self._network is None:
            self._network = memory.Network(loop)
        if self._network.loop is not loop:
            raise RuntimeError("a lab in memory lives on one event loop, and this is another: make a new Lab here")
        return self._network

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that used the network first."""
        return None if self._network is None else self._network.loop

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` here. Raises RuntimeError on another loop than the network's."""
        try:
            self._here  # noqa: B018 - it raises
        except RuntimeError:
            coroutine.close()
            raise
        return await coroutine

    def listening(self, port: int) -> dict[str, Any]:
        """The network's private host name and the port."""
        return {"host": self._here.host, "port": port}

    def reaching(self, port: int) -> dict[str, Any]:
        """The same, where the port is one of the network's."""
        network = self._network
        return {"host": network.host, "port": port} if network is not None and port in network.ports else {}

    async def stop(self) -> None:
        """Give the loop its own methods back."""
        if self._network is not None:
            self._network.detach()


CARRIERS: dict[str, type[Carrier]] = {kind.name: kind for kind in (Tcp, Memory)}


def make(name: str | None, report: Callable[[str], None]) -> Carrier:
    """The carrier of that name; the one that suits the platform where ``name`` is None."""
    if name is None:
        name = "memory" if sys.platform == "emscripten" else "tcp"
    if name not in CARRIERS:
        raise ValueError(f"carrier={name!r}: there is {' and '.join(map(repr, CARRIERS))}")
    return CARRIERS[name](report)
