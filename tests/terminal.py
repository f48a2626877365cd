"""Runs the terminal commands as a person would: in a process of their own, with Ctrl-C at the end."""

from __future__ import annotations

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
