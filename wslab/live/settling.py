"""Waiting until what was sent has been read, as a trace tells it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Hashable

from ..recording.trace import Trace


async def settle(trace: Trace, timeout: float, expected: Callable[[Hashable], bool] = lambda key: False) -> None:
    """Wait until nothing in the trace is on its way any more: see ``Trace.on_its_way``.

    Args:
        trace: may be written from any thread meanwhile.
        timeout: seconds.
        expected: as ``Trace.on_its_way`` takes it.

    Raises:
        TimeoutError: something was still on its way after ``timeout`` seconds; the message says what.
    """
    loop, moved = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits
            loop.call_soon_threadsafe(moved.set)

    unsubscribe = trace.subscribe(wake)
    try:
        async with asyncio.timeout(timeout):
            while trace.on_its_way(expected):
                await moved.wait()
                moved.clear()
    except TimeoutError:
        left = "; ".join(trace.on_its_way(expected)) or "nothing any more"
        raise TimeoutError(f"after {timeout:g} s there was still on its way: {left}") from None
    finally:
        unsubscribe()
