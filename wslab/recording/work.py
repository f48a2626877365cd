"""Work that takes a moment: its progress where somebody waits for it, and files that are whole or not there.

Progress is shown in a cell whose front end tells which cell runs (``running_cell``), and in a terminal on standard
error; a program that executes notebooks is shown nothing, so that their outputs stay equal. In a cell it is an output
of IPython's that is kept up to date: a native ``<progress>`` with a label, which a screen reader reads. A widget
(ipywidgets' FloatProgress, tqdm's) has no role that one could read, and stays in the notebook as one without a model.
"""

import operator
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from html import escape
from os import PathLike
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from ..drawing.cell import running_cell
from ..drawing.visible import visible

T = TypeVar("T")
DELAY: Final = 0.7  # seconds that work takes before it is shown
EVERY: Final = 0.2  # seconds between two changes of what is shown
_at_work: list["_Gauge"] = []  # none, or one


class _Gauge:
    def __init__(self, what: str) -> None:
        self.what, self.due, self.text = visible(what), time.monotonic() + DELAY, ""
        self.handle: Any = None  # IPython's, once something is shown in a cell

    def show(self, doing: str, part: float | None) -> None:
        self.due = time.monotonic() + EVERY
        text, value = f"{self.what}: {doing}", ""
        if part is not None:
            text, value = f"{text} {part:.0%}", f' value="{part:.3f}"'
        self.put(text, f'<label>{escape(text)}<br><progress max="1"{value}></progress></label>')

    def put(self, text: str = "", html: str = "") -> None:
        before, self.text = self.text, text  # noted first, so that what an interrupt leaves shown is taken away
        if self.handle is None and running_cell() is not None:
            from IPython.display import DisplayHandle

            self.handle = DisplayHandle()  # type: ignore[no-untyped-call]
            self.handle.display({"text/plain": ""}, raw=True)
        if self.handle is not None:
            self.handle.update({"text/plain": text, "text/html": html}, raw=True)
        elif sys.stderr and sys.stderr.isatty():
            sys.stderr.write(f"\r{text.ljust(len(before))}" + ("" if text else "\r"))
            sys.stderr.flush()


@contextmanager
def work(verb: str, path: str | PathLike[str]) -> Iterator[None]:
    """Have what ``watched`` hands on meanwhile shown as progress of this; work within work belongs to the outer one."""
    if _at_work or threading.current_thread() is not threading.main_thread():
        yield
        return
    _at_work.append(gauge := _Gauge(f"{verb} {Path(path).name}"))
    try:
        yield
    finally:
        _at_work.clear()
        if gauge.text:
            gauge.put()


def watched(things: Iterable[T], doing: str, total: float = 0, size: Callable[[T], float] = lambda _: 1) -> Iterator[T]:
    """The same things, and how far they are shown; each counts for its ``size``. Without a total, their number is."""
    progress, done = _at_work[0] if _at_work else None, 0.0
    if progress is None or threading.current_thread() is not threading.main_thread():
        yield from things
        return
    total = total or operator.length_hint(things)
    for thing in things:
        if time.monotonic() >= progress.due:
            progress.show(doing, min(done / total, 1) if total else None)
        done += size(thing)
        yield thing


@contextmanager
def written(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write, which takes the name ``path`` when it is whole. Where the work ends before, what was there
    stays. What is no file, such as a pipe, is written to directly."""
    target = Path(path).resolve()
    own = target.with_name(f".wslab-{os.getpid()}-{threading.get_ident()}")  # no longer than any name may be
    beside = own if target.is_file() or not target.exists() else target
    try:
        with beside.open("w+b" if beside is not target else "wb") as file:
            yield file
        if beside is not target:
            beside.chmod(target.stat().st_mode if target.exists() else beside.stat().st_mode)
            beside.replace(target)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename in (None, str(beside)):  # None where the disk is full
            error.filename = str(path)
        if beside is not target:
            beside.unlink(missing_ok=True)
        raise
