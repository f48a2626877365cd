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
from typing import Any, Protocol, TypeVar

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


class Background:
    """An event loop in a daemon thread of its own, started at once.

    It holds nothing of the lab, so that an abandoned lab can be collected while it runs.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda loop, context: report(_complaint(context)))
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.thread = threading.Thread(target=_run, args=(self.loop, self.ended), name="wslab server", daemon=True)
        self.thread.start()

    @property
    def inside(self) -> bool:
        """Whether the caller runs in this very thread."""
        return threading.current_thread() is self.thread

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on that loop and wait, from any loop."""
        if asyncio.get_running_loop() is self.loop:
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def stop(self) -> None:
        """Cancel what runs there and end the thread; any thread may say so, more than once."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self.loop.call_soon_threadsafe(self.loop.stop)

    def join(self, timeout: float) -> None:
        """Wait for the thread's end, at most ``timeout`` seconds."""
        if not self.inside:
            self.thread.join(timeout)


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


class Carrier(Protocol):
    """How a lab's ends reach each other."""

    name: str

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The server's loop; None before there is one, and after its end."""

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the server's loop."""

    def listening(self, port: int) -> dict[str, Any]:
        """The host and port for a loop's ``create_server``."""

    def reaching(self, port: int) -> dict[str, Any]:
        """What a loop's ``create_connection`` needs to be told beside a URI on 127.0.0.1 with that port."""

    def soon(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Run it on the server's loop without waiting; False where there is none to run it."""

    async def stop(self) -> None:
        """Leave no thread and no network behind."""

    def stop_now(self, timeout: float) -> None:
        """The same where nothing can be awaited: when the interpreter ends."""


class Tcp:
    """Loopback TCP; the server has a loop in a thread of its own, which starts when it is first needed."""

    name = "tcp"

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._background: Background | None = None

    @property
    def _running(self) -> Background:
        if self._background is None:
            self._background = Background(self._report)
        return self._background

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop of the server's thread, while it runs."""
        background = self._background
        return None if background is None or background.loop.is_closed() else background.loop

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the server's loop."""
        return await self._running.run(coroutine)

    def listening(self, port: int) -> dict[str, Any]:
        """127.0.0.1 and the port."""
        return {"host": ADDRESS, "port": port}

    def reaching(self, port: int) -> dict[str, Any]:
        """Nothing: the URI says it all."""
        return {}

    def soon(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Run it on the server's loop without waiting."""
        if self._background is None or self._background.loop.is_closed():
            coroutine.close()
            return False
        loop = self._background.loop
        loop.call_soon_threadsafe(lambda: keep(loop.create_task(coroutine)))
        return True

    async def stop(self) -> None:
        """End the thread and wait for that."""
        background = self._background
        if background is None:
            return
        background.stop()
        if background.inside:
            return
        # A handler that blocks the server's thread cannot be stopped; it is a daemon thread, and is left behind.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(background.ended)), 2 * GRACE)
            background.join(GRACE)

    def stop_now(self, timeout: float) -> None:
        """End the thread and wait for that."""
        if self._background is not None:
            self._background.join(timeout)


class Memory:
    """A network in memory, on the first loop that uses it."""

    name = "memory"

    def __init__(self, report: Callable[[str], None]) -> None:
        self._network: memory.Network | None = None

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
        """Run it here, which is the server's loop too."""
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
        """The network's private host name and the port, where it is one of the network's."""
        network = self._network
        return {"host": network.host, "port": port} if network is not None and port in network.ports else {}

    def soon(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Run it on the server's loop without waiting, if that loop still runs."""
        loop = self._network.loop if self._network is not None else None
        if loop is None or not loop.is_running():
            coroutine.close()
            return False
        loop.call_soon_threadsafe(lambda: keep(loop.create_task(coroutine)))
        return True

    async def stop(self) -> None:
        """Give the loop its own methods back."""
        if self._network is not None:
            self._network.detach()

    def stop_now(self, timeout: float) -> None:
        """Nothing outlives the loop."""


CARRIERS: dict[str, Callable[[Callable[[str], None]], Carrier]] = {"tcp": Tcp, "memory": Memory}


def make(name: str | None, report: Callable[[str], None]) -> Carrier:
    """The carrier of that name; the one that suits the platform where ``name`` is None."""
    if name is None:
        name = "memory" if sys.platform == "emscripten" else "tcp"
    if name not in CARRIERS:
        raise ValueError(f"carrier={name!r}: there is {' and '.join(map(repr, CARRIERS))}")
    return CARRIERS[name](report)
