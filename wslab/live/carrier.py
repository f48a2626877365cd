"""Where a lab's server runs: over TCP on a loop in a thread of its own, or in memory on the caller's loop.

A server on the kernel's own loop freezes whenever a cell computes, so TCP is served from a thread. Places without
threads or sockets have one loop for everything.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

from . import memory
from .errors import complaint
from .waiting import run_on, start_on

T = TypeVar("T")
ADDRESS = memory.ADDRESS
GRACE = 1.0  # seconds that a peer or a handler gets to finish before it is cut off


def port_of(server: Any) -> int:
    """The port that a server listens on."""
    return int(server.sockets[0].getsockname()[1])


class Carrier(ABC):
    """Where a lab's server runs. ``report`` is called with words for what went wrong on the server's loop."""

    name: ClassVar[str]

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    @property
    @abstractmethod
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The server's loop; None before there is one, and after its end."""

    @abstractmethod
    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` on the server's loop, and wait for it."""

    def soon(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run ``coroutine`` on the server's loop, if that runs. Thread-safe; returns at once."""
        start_on(self.loop, coroutine)

    def listening(self, port: int) -> dict[str, Any]:
        """The host and port for a loop's ``create_server``."""
        return {"host": ADDRESS, "port": port}

    def reaching(self, port: int) -> dict[str, Any]:
        """What a loop's ``create_connection`` needs to be told beside a URI on 127.0.0.1 with that port."""
        return {}

    @abstractmethod
    async def stop(self) -> None:
        """Leave no thread and no network behind."""

    @abstractmethod
    def stop_now(self, timeout: float) -> None:
        """Do the same where nothing can be awaited: when the interpreter ends. ``timeout`` is in seconds."""


class _Tcp(Carrier):
    """Loopback TCP. The server's loop is in a daemon thread of its own, which starts when it is first needed."""

    name = "tcp"
    _thread: threading.Thread
    _ended: concurrent.futures.Future[None]
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        return None if self._loop is None or self._loop.is_closed() else self._loop

    def _start(self) -> asyncio.AbstractEventLoop:
        """Start the thread. It holds nothing of the lab, so that a forgotten lab is collected while it runs."""
        report, loop, started = self._report, asyncio.new_event_loop(), threading.Event()
        loop.set_exception_handler(
            lambda _, context: report(complaint(context["exception"]) if "exception" in context else context["message"])
        )
        loop.call_soon(started.set)
        self._ended = concurrent.futures.Future()
        self._thread = threading.Thread(target=_run, args=(loop, self._ended), name="wslab server", daemon=True)
        self._thread.start()
        started.wait()
        return loop

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            self._loop = self._start()
        return await run_on(self._loop, coroutine)

    async def stop(self) -> None:
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
        if self._loop is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout)


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


class _Memory(Carrier):
    """A network in memory, on the first loop that uses it."""

    name = "memory"
    _network: memory.Network | None = None

    def _here(self) -> memory.Network:
        loop = asyncio.get_running_loop()
        if self._network is None:
            self._network = memory.Network(loop)
        if self._network.loop is not loop:
            raise RuntimeError("a lab in memory lives on one event loop, and this is another: make a new Lab here")
        return self._network

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        return None if self._network is None else self._network.loop

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` here. Raises RuntimeError on another loop than the network's."""
        with contextlib.closing(coroutine):
            self._here()
            return await coroutine

    def listening(self, port: int) -> dict[str, Any]:
        return {"host": self._here().host, "port": port}

    def reaching(self, port: int) -> dict[str, Any]:
        network = self._network
        return {"host": network.host, "port": port} if network is not None and port in network.ports else {}

    async def stop(self) -> None:
        if self._network is not None:
            self._network.detach()

    def stop_now(self, timeout: float) -> None:
        pass


CARRIERS: dict[str, type[Carrier]] = {kind.name: kind for kind in (_Tcp, _Memory)}


def make(name: str | None, report: Callable[[str], None]) -> Carrier:
    """The carrier of that name; the one that suits the platform where ``name`` is None."""
    if name is None:
        name = "memory" if sys.platform == "emscripten" else "tcp"
    if name not in CARRIERS:
        raise ValueError(f"carrier={name!r}: there is {' and '.join(map(repr, CARRIERS))}")
    return CARRIERS[name](report)
