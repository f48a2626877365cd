"""Hostile bytes for every reader, and for some of them through every view: no exception, nothing slow, no memory lost.

With atheris (on Linux, ``run.py endurance`` installs it) the inputs follow the coverage of wslab's code. Elsewhere, or
with ``--plain``, they are mutations of the seeds. Each reader runs in a process of its own. What is found is kept as a
file in ``build/endurance``, the smallest of its kind, and ``--again FILE`` reads one.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import paths
from memory import MALLOC, memory

SLOWEST = 2.0
"""Seconds of a thread's own time that one reading or one view may take, however busy the machine is."""
HANGS = 120
"""Seconds after which a reading counts as one that never ends: where it stands is printed, and the process ends."""
WATCHED = 100
"""Inputs after which this watch begins anew; to begin it for each would take a third of the time."""
FIRST = 2_000
AFRESH = 0.4
"""How many of atheris' inputs are made of a seed: most of what it keeps is refused, each time at another place."""
GROWTH = 32 * 2**20
"""Bytes of memory that a process may gain after its first inputs; atheris keeps its own inputs there too."""


@dataclass
class Run:
    """One reader's run: what it found, and what it cost."""

    name: str
    inputs: int
    views: int
    minutes: float
    folder: Path
    began: float = field(default_factory=time.monotonic)
    tried: int = 0
    read: int = 0
    viewed: int = 0
    slowest: tuple[float, str] = (0.0, "")
    slowest_view: tuple[float, str] = (0.0, "")
    early: int = 0  # bytes of memory after the ``FIRST`` inputs
    found: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from fuzz_readers import READERS

        self.reader = READERS[self.name]

    @property
    def over(self) -> bool:
        """Whether it is done."""
        return self.tried >= self.inputs or time.monotonic() > self.began + 60 * self.minutes

    def __call__(self, data: bytes) -> None:
        """Read one input and, when a view is due, look at it in every way."""
        self.tried += 1
        if self.early == 0 and self.tried >= FIRST:
            self.early = memory()
        if self.tried % 10_000 == 0:
            print(json.dumps(self.told()), file=sys.stderr, flush=True)
        views, spent = self._timed("reading", data, partial(self.reader.read, data, self.folder))
        self.slowest = max(self.slowest, (spent, "reading"))
        if views is None:
            return
        self.read += 1
        if self.viewed * self.inputs >= self.tried * self.views:
            return
        self.viewed += 1
        while True:
            view, _ = self._timed("views", data, partial(next, views, None))
            if view is None:
                break
            name, look = view
            _, spent = self._timed(name, data, look)
            self.slowest_view = max(self.slowest_view, (spent, name))

    def _timed(self, name: str, data: bytes, call: Any) -> tuple[Any, float]:
        started = time.thread_time()
        try:
            result = call()
        except Exception as error:
            self._keep(where(name, error), data)
            result = None
        spent = time.thread_time() - started
        if spent > SLOWEST:
            self._keep(f"{name}: {SLOWEST:g} s", data)
        return result, spent

    def _keep(self, what: str, data: bytes) -> None:
        if what not in self.found or len(data) < len(self.found[what]):
            self.found[what] = data

    def told(self) -> dict[str, Any]:
        """The run as plain values; what was found is written to files."""
        grown = memory() - self.early
        if grown > GROWTH and self.early:
            self._keep("memory grew", b"")  # by how much, the two figures below tell
        cases = {}
        for number, (what, data) in enumerate(self.found.items()):
            path = paths.BUILD / f"{self.name}-{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            cases[what] = str(path)
        return {
            "reader": self.name, "inputs": self.tried, "read": self.read, "through every view": self.viewed,
            "slowest reading, ms": round(1000 * self.slowest[0]),
            "slowest view, ms": f"{1000 * self.slowest_view[0]:.0f} ({self.slowest_view[1]})",
            "memory early, MiB": round(self.early / 2**20), "memory at the end, MiB": round(memory() / 2**20),
            "found": cases,
        }  # fmt: skip


def where(name: str, error: BaseException) -> str:
    """What is the same about equal failures: the view, the exception and the last line of wslab's that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"{os.sep}wslab{os.sep}" in frame.filename] or frames
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
    return f"{name}: {type(error).__name__} at {place}: {str(error)[:80]}" if place else name


def watched(run: Run, data: bytes) -> None:
    """Run one input, and let the watch begin anew when it is time."""
    if run.tried % WATCHED == 0:
        faulthandler.dump_traceback_later(HANGS, exit=True)
    run(data)


def run_plainly(run: Run, seed: int) -> None:
    """The seeds, then mutations of them."""
    import mutations

    rng = random.Random(seed)
    seeds = run.reader.seeds(run.folder)
    while not run.over:
        data = seeds[run.tried] if run.tried < len(seeds) else rng.choice(seeds)
        for _ in range(0 if run.tried < len(seeds) else rng.choice((1, 1, 2, 3))):
            data = run.reader.mutate(data, rng, lambda one: mutations.plain(one, rng))
        watched(run, data[: run.reader.longest])
    faulthandler.cancel_dump_traceback_later()


MEASURED = {"dissector": "wslab.protocol", "heads": "wslab.protocol.head", "archive": "wslab.recording.archive"}
"""Whose coverage atheris follows; ``wslab.recording.files`` for the others. All of wslab would take thrice as long."""


def run_with_atheris(name: str, options: argparse.Namespace, folder: Path) -> None:
    """The same with inputs that follow the coverage; ends the process."""
    import atheris

    with atheris.instrument_imports(include=[MEASURED.get(name, "wslab.recording.files")]):
        import fuzz_readers  # noqa: F401 (it imports what is to be followed)
    run = Run(name, options.inputs, options.views, options.minutes, folder)
    seeds = folder / "seeds"
    seeds.mkdir()
    originals = run.reader.seeds(folder)
    for number, data in enumerate(originals):
        (seeds / str(number)).write_bytes(data)

    def one(data: bytes) -> None:
        watched(run, data)
        if run.over:
            print(json.dumps(run.told()), flush=True)
            os._exit(0)

    def other(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < AFRESH:
            data = rng.choice(originals)
        changed = run.reader.mutate(data, rng, lambda part: atheris.Mutate(part, len(part) + 64) if part else b"\0")
        return changed[:most]

    flags = ["-runs=-1", "-rss_limit_mb=0", "-verbosity=0", "-len_control=0"]
    flags += [f"-seed={options.seed}", f"-max_len={run.reader.longest}", f"-artifact_prefix={paths.BUILD}{os.sep}"]
    atheris.Setup([sys.argv[0], *flags, str(seeds)], one, custom_mutator=other)
    atheris.Fuzz()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="endurance fuzz", description=__doc__)
    parser.add_argument("--reader", action="append", help="only this one; may be repeated")
    parser.add_argument("--inputs", type=int, default=500_000, help="inputs a reader")
    parser.add_argument("--views", type=int, default=5_000, help="of these, how many go through every view")
    parser.add_argument("--minutes", type=float, default=1e6, help="for each reader, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--again", type=Path, metavar="FILE", help="read this file with the one --reader, and raise")
    parser.add_argument("--alone", help=argparse.SUPPRESS)  # in this process
    options = parser.parse_args(argv)
    if options.alone:
        return alone(options.alone, options)
    from fuzz_readers import READERS

    names = options.reader or list(READERS)
    if unknown := set(names) - set(READERS):
        parser.error(f"no reader {', '.join(sorted(unknown))}: there are {', '.join(READERS)}")
    if options.again:
        return again(names[0], options.again)
    failed = False
    for name in names:
        numbers = [f"--{what}={getattr(options, what)}" for what in ("inputs", "views", "seed", "minutes")]
        plain = ["--plain"] if options.plain else []
        command = [sys.executable, str(Path(__file__).parent), "fuzz", f"--alone={name}", *numbers, *plain]
        paths.BUILD.mkdir(parents=True, exist_ok=True)
        log = paths.BUILD / f"{name}.log"
        with log.open("w") as file:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=file, text=True, env=os.environ | MALLOC, check=False
            )
        lines = done.stdout.splitlines()
        if done.returncode or not lines:
            print(f"{name}: ended with status {done.returncode}\n{log.read_text()[-4000:]}", flush=True)
            failed = True
            continue
        told = json.loads(lines[-1])
        found = told.pop("found")
        print("; ".join(f"{what}: {value}" for what, value in told.items()), flush=True)
        for what, path in found.items():
            print(f"  {what}\n    {path}", flush=True)
        failed = failed or bool(found)
    return int(failed)


def alone(name: str, options: argparse.Namespace) -> int:
    """One reader in this process; prints one line of JSON."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        if not options.plain:
            try:
                run_with_atheris(name, options, Path(folder))
            except ImportError:
                print("atheris is not installed: plain mutations instead", file=sys.stderr)
        run = Run(name, options.inputs, options.views, options.minutes, Path(folder))
        run_plainly(run, options.seed)
        print(json.dumps(run.told()))
    return 0


def again(name: str, path: Path) -> int:
    """Read a found case, and look at it in every way; what is wrong is raised."""
    from fuzz_readers import READERS

    with tempfile.TemporaryDirectory() as folder:
        for view, look in READERS[name].read(path.read_bytes(), Path(folder)) or ():
            started = time.thread_time()
            look()
            print(f"{1000 * (time.thread_time() - started):8.1f} ms  {view}")
    return 0
