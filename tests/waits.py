"""Waiting on a condition, never on a time: ``until`` in a coroutine, ``soon`` in a plain test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE = 10.0
"""Seconds after which a condition counts as one that never holds."""
PAUSE = 0.002


async def until(condition: Callable[[], object], what: object = "") -> None:
    """Wait until the condition holds; fail, and say ``what`` did not happen, where it never does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"this never happened: {what or condition}"
        await asyncio.sleep(PAUSE)


def soon(condition: Callable[[], object], what: Callable[[], object] = str, *, patience: float = PATIENCE) -> None:
    """Wait until the condition holds; fail, and say ``what()`` is there instead, where it never does."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"this never happened: {condition}: {what()}"
        time.sleep(PAUSE)
