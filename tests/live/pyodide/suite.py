"""Runs inside Pyodide: the lab's own tests over the memory carrier, by pytest.

Tests call ``asyncio.run``, which a browser's loop cannot do: it never blocks. So they get
a loop that waits for nobody but the clock. That is enough, since nothing in memory
waits for anybody else. ``conversation.py`` runs on the browser's own loop.
"""

import asyncio
import asyncio.events
import os
import time
from collections.abc import Coroutine
from typing import Any

import pytest


class Clock:
    """Stands where a selector would: there is nothing to select."""

    def select(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "nothing will ever happen on this loop again"
        time.sleep(timeout)
        return []


class Loop(asyncio.BaseEventLoop):
    """An event loop without a network."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = Clock()

    def _process_events(self, event_list: list[Any]) -> None: ...

    def _write_to_self(self) -> None: ...


def run(main: Coroutine[Any, Any, Any], **_: Any) -> Any:
    outer = asyncio.events._get_running_loop()
    asyncio.events._set_running_loop(None)
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(main)
    finally:
        asyncio.events._set_running_loop(outer)


def main(*arguments: str) -> int:
    """What run.mjs calls: pytest with these arguments."""
    asyncio.run = run
    os.chdir("/site")
    return int(pytest.main(["-p", "no:cacheprovider", "-p", "no:faulthandler", *arguments]))
