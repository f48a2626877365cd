"""Lesson 00, start here: who speaks first, and how a notebook runs what waits for the network."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from ...recording.trace import Trace

OUTSIDER = """
import sys
from websockets.sync.client import connect

with connect(sys.argv[1], proxy=None) as connection:
    print(connection.recv())
"""  # a program of its own, outside the notebook


def first_words(trace: Trace) -> dict[str, str | int]:
    """Who sent the first message of a recording, and over how many TCP connections it all went."""
    return {
        "who sends the first message": trace.messages[0].sender.label,
        "TCP connections": len(trace.connections),
    }


def run(main: Callable[[], Coroutine[Any, Any, object]]) -> str:
    """What ``asyncio.run(main())`` gives here: its result in quotes, or the kind of its error."""
    attempt = main()
    try:
        return f'"{asyncio.run(attempt)!s}"'
    except RuntimeError as error:
        attempt.close()
        return f"an error: {type(error).__name__}"


async def awaited(main: Callable[[], Coroutine[Any, Any, object]]) -> str:
    """What ``await main()`` gives here: its result in quotes, or the kind of its error."""
    try:
        return f'"{await main()!s}"'
    except RuntimeError as error:
        return f"an error: {type(error).__name__}"


def heard_while_computing(uri: str) -> str:
    """What a program outside hears from the server at ``uri`` while this function computes and awaits nothing.

    That program gives up after ten seconds; then the answer is "nothing".
    """
    program = subprocess.Popen(
        [sys.executable, "-c", OUTSIDER, uri], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    while program.poll() is None:
        sum(number * number for number in range(500_000))
    said, _ = program.communicate()
    return f'"{said.strip()}"' if said else "nothing"
