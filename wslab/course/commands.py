"""The course's commands: ``wslab edition``, ``wslab slides``, ``wslab submit``, ``wslab grade``, ``wslab doctor``."""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from .copies import EDITIONS, LAID_OUT, WORKING_COPY, write_edition
from .journal import FILE

Add = Callable[..., object]


def add_to(command: Callable[[Callable[[argparse.Namespace], int], str], Add]) -> None:
    """Add the commands to those of ``wslab``.

    Args:
        command: adds a command of that function and help, and gives what adds its arguments.
    """
    add = command(edition, "write the course for students, teachers or nbgrader")
    add("kind", choices=sorted(EDITIONS), help="which edition")
    add("folder", type=Path, metavar="DIR", help="where to; it is made")

    add = command(slides, "draw the panel that each lesson begins with, for slides")
    add("folder", type=Path, metavar="DIR", help="where to; it is made")

    add = command(submit, "pack your notebooks for your teacher")
    add("folder", nargs="?", type=Path, metavar="DIR", help=f"your notebooks; {WORKING_COPY} if not given")
    add("--name", default="", help="your name, as your teacher knows you")

    add = command(grade, "grade a folder of submissions")
    add("folder", type=Path, metavar="DIR", help="a folder, a zip or a notebook a student")
    add("--to", type=Path, metavar="DIR", help="where the marks go; DIR-grades if not given")

    add = command(doctor, "look at what the course needs on this machine")
    add("--deep", action="store_true", help="run every exercise's solution too")


def edition(options: argparse.Namespace) -> int:
    """Writes the course's notebooks for students (no outputs, no solutions), teachers (notes) or nbgrader (sources)."""
    written = write_edition(options.kind, options.folder)
    print(f"wrote {len(written)} files to {options.folder}")
    return 0


def slides(options: argparse.Namespace) -> int:
    """Writes an SVG picture for each lesson: its title, its question, and the panel or picture that it begins with.

    It runs the first cells of each lesson, which takes a few seconds a lesson.
    """
    from .slides import slides as drawn

    missing: list[str] = []
    written = drawn(options.folder, missing.append)
    print(f"wrote {len(written)} slides to {options.folder}")
    for sentence in missing:
        print(f"wslab slides: {sentence}", file=sys.stderr)
    return 1 if missing else 0


def submit(options: argparse.Namespace) -> int:
    """Packs your notebooks and your progress into one zip."""
    here = Path.cwd()
    folder = options.folder or (here / WORKING_COPY if (here / WORKING_COPY).is_dir() else here)
    notebooks = sorted(path for path in folder.glob("*.ipynb")) if folder.is_dir() else []
    if not notebooks:
        print(f"wslab submit: {folder} holds no notebooks: name the folder that `wslab lab` opens", file=sys.stderr)
        return 1
    packed = here / f"{options.name or 'my-submission'}.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in [*notebooks, folder / FILE]:
            if path.exists() and path.name != LAID_OUT:
                file.write(path, path.name)
    print(f"packed {len(notebooks)} notebooks into {packed}")
    return 0


def grade(options: argparse.Namespace) -> int:
    """Grades every exercise of every submission in DIR: a CSV row a student, a class report, and each verdict.

    It runs strangers' code, each in a process of its own that has limits. That is no sandbox: use a container.
    """
    from .grading import grade as graded
    from .grading import report, write

    try:
        marks = graded(options.folder)
    except OSError as error:
        print(f"wslab grade: {error}", file=sys.stderr)
        return 1
    written = write(marks, options.to or options.folder.with_name(f"{options.folder.resolve().name}-grades"))
    print(report(marks))
    print("wrote", ", ".join(str(path) for path in written.values()))
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Looks at Python, browser, Node, ports and proxies, each line with its remedy."""
    from .doctor import examined

    failed = False
    for line in examined(deep=options.deep):
        sign = "ok  " if line.fine else "FAIL" if line.needed else "note"
        print(f"{sign}  {line.name}: {line.found}" + ("" if line.fine else f"\n      {line.remedy}"), flush=True)
        failed = failed or (line.needed and not line.fine)
    return int(failed)
