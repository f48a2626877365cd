"""What the tests of live endpoints share: the two carriers, and a runner that leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
DEADLINE = 20.0


@pytest.fixture(params=["tcp", "memory"])
def carrier(request: pytest.FixtureRequest) -> str:
    """Every test that asks for it runs over both."""
    return str(request.param)


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Run a coroutine to its end, and see that no task and no thread of the lab's outlives it."""

    def run_to_the_end(coroutine: Coroutine[Any, Any, T]) -> T:
        async def main() -> T:
            async with asyncio.timeout(DEADLINE):
                result = await coroutine
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert left == set(), "tasks were left behind"
            return result

        result = asyncio.run(main())
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("wslab")] == []
        return result

    return run_to_the_end
