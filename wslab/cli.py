"""The same things from a terminal: ``wslab lab``, ``wslab echo`` and ``wslab dissect``.

Each command imports what it needs when it runs, so that ``wslab --help`` answers at once.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

START = "00-start-here.ipynb"
SUMMARY = 60
"""At most so many records, the last ones, are in the summary that ``wslab echo`` prints."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (``sys.argv``'s by default) name; the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has every character
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.run is not _lab:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wslab", description="A laboratory for the WebSocket protocol.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    lab = commands.add_parser(
        "lab",
        help="open the course in JupyterLab",
        description="Opens the course in JupyterLab. Any other arguments go to `jupyter lab` as they are.",
    )
    lab.set_defaults(run=_lab)

    echo = commands.add_parser(
        "echo",
        help="run a recording echo server",
        description="Runs an echo server on 127.0.0.1 and records every byte. Ctrl-C closes its connections with "
        "code 1001 and prints what happened.",
    )
    echo.add_argument("--port", type=_port, default=0, metavar="N", help="the port; any free one if not given")
    echo.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="let pages of this origin connect, for instance http://localhost:8000; may be repeated. "
        "Without it, programs may connect and pages may not",
    )
    echo.add_argument("--compression", action="store_true", help="accept permessage-deflate where a client offers it")
    echo.add_argument("--save", type=Path, metavar="FILE", help="save the recording, for wslab.Trace.load")
    echo.set_defaults(run=_echo)

    dissect = commands.add_parser(
        "dissect",
        help="explain the raw bytes of one connection",
        description="Explains two raw byte streams of one connection, as they crossed the wire, HTTP heads included.",
    )
    dissect.add_argument("--client", metavar="FILE", help="what the client sent; - is standard input")
    dissect.add_argument("--server", metavar="FILE", help="what the server sent; - is standard input")
    dissect.add_argument("--json", action="store_true", help="print one JSON object a line for each head and frame")
    dissect.set_defaults(run=_dissect)
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 (any free port) to 65535")


def _lab(options: argparse.Namespace) -> int:
    folder = _course()
    # The kernel finds `wslab` by name too, also where the environment was not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "JUPYTER_PREFER_ENV_PATH": "1"}
    command = [sys.executable, "-m", "jupyterlab"]
    command += [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{START}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container everybody is root, and JupyterLab would refuse to start
    command += options.rest
    if os.name == "nt":
        import subprocess

        return subprocess.run(command, env=environment, check=False).returncode
    sys.stdout.flush()
    os.execve(command[0], command, environment)


def _course() -> Path:
    """The folder of notebooks: the checkout's own, or a copy of the installed ones in the working directory."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / "notebooks"
    if (checkout / START).exists():
        return checkout
    copy = Path.cwd() / "wslab-notebooks"
    if not copy.exists():
        shutil.copytree(package / "notebooks", copy, ignore=shutil.ignore_patterns(".*"))
        print(f"copied the course to {copy}", file=sys.stderr)
    return copy


def _echo(options: argparse.Namespace) -> int:
    import asyncio
    import signal

    from .live import Lab, PortTaken
    from .recording.trace import Trace

    async def serve(trace: Trace) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, stop.set)
            except NotImplementedError:  # on Windows
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        async with Lab(carrier="tcp", trace=trace) as lab:
            server = await lab.serve(
                port=options.port,
                origins=[None, *options.origin],
                compression="deflate" if options.compression else None,
            )
            print(f"listening on {server.uri}", flush=True)
            await stop.wait()

    trace = Trace()
    try:
        asyncio.run(serve(trace))
    except PortTaken:
        print(
            f"wslab echo: port {options.port} is taken by another program: close that program, "
            "name another port, or leave --port out and get a free one",
            file=sys.stderr,
        )
        return 1
    trace.update()
    left_out = max(0, trace.total - SUMMARY)
    print(f"the last {SUMMARY} of {trace.total} records" if left_out else "what happened", end=": ")
    print(trace[left_out:])
    if options.save:
        try:
            trace.save(options.save)
        except OSError as error:
            print(f"wslab echo: cannot write {options.save}: {error.strerror}", file=sys.stderr)
            return 1
    return 0


def _dissect(options: argparse.Namespace) -> int:
    from .protocol import dissect

    if options.client is None and options.server is None:
        print("wslab dissect: give --client FILE, --server FILE or both", file=sys.stderr)
        return 2
    if options.client == options.server == "-":
        print("wslab dissect: only one of the two streams can be standard input", file=sys.stderr)
        return 2
    try:
        dissection = dissect(_read(options.client), _read(options.server))
    except OSError as error:
        print(f"wslab dissect: cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        if options.json:
            for entry in dissection.json_objects():
                print(json.dumps(entry))
        else:
            print(dissection)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _read(name: str | None) -> bytes:
    if name is None:
        return b""
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
