"""Waiting until something is the case, else saying so; running things on their own loop; closing what ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from ..recording.trace import Trace

T = TypeVar("T")
_kept: set[asyncio.Task[Any]] = set()


def keep(task: asyncio.Task[Any]) -> asyncio.Task[Any]:
    """Keep a task alive until it is done, which the loop alone does not."""
    _kept.add(task)
    task.add_done_callback(_kept.discard)
    return task


def start_on(loop: asyncio.AbstractEventLoop | None, coroutine: Coroutine[Any, Any, None]) -> None:
    """Run ``coroutine`` on ``loop``, if that runs. Thread-safe; returns at once."""
    if loop is not None and loop.is_running():
        loop.call_soon_threadsafe(lambda: keep(loop.create_task(coroutine)))
    else:
        coroutine.close()


async def run_on(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` on ``loop``, from any loop, and wait for it."""
    if asyncio.get_running_loop() is loop:
        return await coroutine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))


class Closes:
    """What ``async with`` closes at its end."""

    async def close(self) -> None:
        """Close it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


class Changes:
    """Something that changes, and those who wait for it, all on one event loop."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def tell(self) -> None:
        """Have everybody who waits look again. Belongs to the loop on which they wait."""
        for moved in self._waiting:
            moved.set()

    async def until(self, ready: Callable[[], object], timeout: float | None, otherwise: Callable[[], str]) -> None:
        """Wait until ``ready()`` is true; it is asked again after each change.

        Raises TimeoutError with what ``otherwise`` says after ``timeout`` seconds; None waits for ever.
        """
        moved = asyncio.Event()
        self._waiting.add(moved)
        try:
            async with asyncio.timeout(timeout):
                while not ready():
                    await moved.wait()
                    moved.clear()
        except TimeoutError:
            raise TimeoutError(otherwise()) from None
        finally:
            self._waiting.discard(moved)


async def settle(trace: Trace, on_its_way: Callable[[], list[str]], timeout: float) -> None:
    """Wait until nothing is on its way any more; ``on_its_way`` says in words what is.

    It is asked again whenever ``trace`` is written, on any thread. Raises TimeoutError, which says what is still on its
    way, after ``timeout`` seconds.
    """
    loop, changes = asyncio.get_running_loop(), Changes()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits
            loop.call_soon_threadsafe(changes.tell)

    def otherwise() -> str:
        return f"after {timeout:g} s there was still on its way: {'; '.join(on_its_way()) or 'nothing any more'}"

    unsubscribe = trace.subscribe(wake)
    try:
        await changes.until(lambda: not on_its_way(), timeout, otherwise)
    finally:
        unsubscribe()
