"""How long ``import wslab`` takes against ``import websockets``: the goal is at most 1.5 times.

Each import runs in a fresh interpreter, the two in turn, and the time is the import statement's own, so that the
interpreter's start is in neither. The median of many pairs is printed, and beside it the same for the first use of
a real name, which is what a learner's first cell does.

Run ``python benchmarks/imports.py``. It prints ratios and exits with 1 where the first is above the goal.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

PAIRS = 40
GOAL = 1.5
# What is compared: a line, and the statements on either side.
COMPARED = [
    ("import", "import wslab", "import websockets"),
    ("first dissection, first connection", "from wslab import dissect", "from websockets import connect, serve"),
]
TIMED = "from time import perf_counter as now; start = now(); {}; print(now() - start)"


def seconds(statement: str) -> float:
    """How long one statement takes in a new interpreter."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(ours: str, theirs: str, pairs: int = PAIRS) -> tuple[float, float]:
    """The medians of both statements in seconds, measured in turn; the first pair only warms the disk's cache."""
    times = [(seconds(ours), seconds(theirs)) for _ in range(pairs + 1)][1:]
    return median(pair[0] for pair in times), median(pair[1] for pair in times)


def main() -> int:
    """Print the ratios; 1 if the goal was missed."""
    missed = False
    for title, ours, theirs in COMPARED:
        our_time, their_time = compare(ours, theirs)
        ratio = our_time / their_time
        print(f"{title}: {ratio:.2f} times websockets", end="")
        if title == "import":
            print(f" (goal: at most {GOAL})", end="")
            missed = ratio > GOAL
        print(f"\n    {ours}: {our_time * 1e3:.1f} ms; {theirs}: {their_time * 1e3:.1f} ms")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
