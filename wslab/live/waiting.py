"""Waiting until what was sent has been read, as a trace tells it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from ..recording.trace import Trace


async def settle(trace: Trace, on_its_way: Callable[[], list[str]], timeout: float) -> None:
    """Wait until nothing is on its way any more.

    Args:
        trace: is written, perhaps from other threads, whenever something came.
        on_its_way: what is, in words; asked again after each time.
        timeout: seconds.

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
            while on_its_way():
                await moved.wait()
                moved.clear()
    except TimeoutError:
        left = "; ".join(on_its_way()) or "nothing any more"
        raise TimeoutError(f"after {timeout:g} s there was still on its way: {left}") from None
    finally:
        unsubscribe()
