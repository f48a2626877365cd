"""Runs the terminal commands as a person would: in a process of their own, with Ctrl-C at the end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 20.0


def wslab(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run ``wslab`` to its end, with ``data`` on its standard input."""
    command = [sys.executable, "-m", "wslab.cli", *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=PATIENCE, check=False)


class Echo:
    """A running ``wslab echo``."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def interrupt(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Press Ctrl-C (or send another signal); exit status, the rest of stdout, stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@contextmanager
def wslab_echo(*arguments: str) -> Iterator[Echo]:
    """Run ``wslab echo`` as a person would in a terminal."""
    command = [sys.executable, "-m", "wslab.cli", "echo", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on ws://127.0.0.1:"), (line, process.stderr and process.stderr.read())
            yield Echo(process, int(line.rsplit(":")[-1].strip("/\n")))
        finally:
            process.kill()


class Watch:
    """A running ``wslab watch``."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process, self.address = process, address

    def line(self, part: str) -> str:
        """The next line with that in it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if part in line:
                return line
        raise AssertionError(f"no line with {part!r}")

    def interrupt(self) -> tuple[int, str, str]:
        """Press Ctrl-C; exit status, the rest of stdout, stderr."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        out, err = self.process.stdout.read(), self.process.stderr.read()
        return self.process.wait(PATIENCE), out, err


@contextmanager
def watch(*arguments: str) -> Iterator[Watch]:
    """Run ``wslab watch`` as a person would in a terminal."""
    command = [sys.executable, "-m", "wslab.cli", "watch", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.match(r"listening on (\S+) for ", first)
            assert found, (first, process.stderr and process.stderr.read())
            yield Watch(process, found[1])
        finally:
            process.kill()
