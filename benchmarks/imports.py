"""How long importing wslab takes against importing websockets, for the package, for a lab and for a first call.

Each import runs in a fresh interpreter, the two in turn, and the time is the import statement's own, so that the
interpreter's start is in neither. The median of many pairs is printed, and beside it the same for the first use of
a real name, which is what a learner's first cell does.

Run ``python benchmarks/imports.py``. It prints ratios and exits with 1 where one is above its goal.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

PAIRS = 40
# What is compared: a line, the statements on either side, and the goal.
COMPARED = [
    ("import", "import wslab", "import websockets", 1.5),
    ("a lab, a client", "from wslab import Lab", "import websockets.asyncio.client", 1.3),
    ("first dissection, first connection", "from wslab import dissect", "from websockets import connect, serve", None),
]
TIMED = "from time import perf_counter as now; start = now(); {}; print(now() - start)"


def seconds(statement: str) -> float:
    """How long one statement takes in a new interpreter."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    # An installed package has its bytecode.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(run.stdout)


def compare(ours: str, theirs: str, pairs: int = PAIRS) -> tuple[float, float]:
    """The medians of both statements in seconds, measured in turn; the first pair only warms the disk's cache."""
    times = [(seconds(ours), seconds(theirs)) for _ in range(pairs + 1)][1:]
    return median(pair[0] for pair in times), median(pair[1] for pair in times)


def main() -> int:
    """Print the ratios; 1 if the goal was missed."""
    missed = False
    for title, ours, theirs, goal in COMPARED:
        our_time, their_time = compare(ours, theirs)
        ratio = our_time / their_time
        missed |= goal is not None and ratio > goal
        print(f"{title}: {ratio:.2f} times websockets" + (f" (goal: at most {goal})" if goal else ""))
        print(f"    {ours}: {our_time * 1e3:.1f} ms; {theirs}: {their_time * 1e3:.1f} ms")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
