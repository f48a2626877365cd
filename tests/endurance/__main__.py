"""``python3 run.py endurance NAME [arguments]``: the programs that run for minutes or hours. CI runs samples of them.

    fuzz       hostile bytes for every reader, and through every view (atheris, or plain mutation where it is missing)
    machines   any order of serving, connecting, sending, breaking, closing and cancelling, against a model
    soak       a day of lessons in ten minutes: nothing lost, nothing left over
    autobahn   Autobahn's cases against a lab and against websockets alone, with recording on
    bends      captures with packets left out, cut short, doubled, delayed and swapped

Each tells its own arguments with ``--help``, prints a table and ends with status 1 where something is wrong.
"""

from __future__ import annotations

import sys
from importlib import import_module

import paths  # noqa: F401 (it puts the other tests' builders on the path)

PROGRAMS = {
    "fuzz": "fuzz",
    "machines": "machines",
    "soak": "soak",
    "autobahn": "autobahn_cases",  # the cases themselves import a package called autobahn
    "bends": "bends",
}


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in PROGRAMS:
        print(__doc__)
        return 0 if argv and argv[0] in ("-h", "--help") else 2
    return int(import_module(PROGRAMS[argv[0]]).main(argv[1:]) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
