"""The same things from a terminal: ``wslab lab``, ``wslab echo``, ``wslab watch``, ``wslab node``, ``wslab dissect``.

The course's own commands are in ``wslab/course/commands.py``.

Each command imports what it needs when it runs, so that ``wslab --help`` answers at once.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .course.commands import add_to as commands_of_the_course

if TYPE_CHECKING:
    import asyncio

    from .anatomy.record import Record
    from .protocol.dissection import Dissection
    from .recording.trace import Trace

START = "00-start-here.ipynb"
SUMMARY = 60  # records, the last ones, in the summary that ``wslab echo`` and ``wslab watch`` print
TELL_EVERY = 0.05  # seconds between two batches of lines that ``wslab watch`` prints


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (``sys.argv``'s by default) name; the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has every character
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.run is not _lab:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wslab", description="A laboratory for the WebSocket protocol.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace], int], help: str) -> Callable[..., object]:
        """A command named and described as its function is; what adds its arguments."""
        added = commands.add_parser(run.__name__.strip("_"), help=help, description=run.__doc__)
        added.set_defaults(run=run)
        return added.add_argument

    def listens(add: Callable[..., object]) -> None:
        add("--port", type=_port, default=0, metavar="N", help="the port; any free one if not given")
        add("--save", type=Path, metavar="FILE", help="save the recording, for wslab.Trace.load")

    add = command(_lab, "open the course in JupyterLab")
    add("--author", action="store_true", help="open the notebooks themselves, with outputs and solutions")
    add("--fresh", metavar="LESSON", help="start a lesson again, such as 02; your old notebook is kept beside it")
    add = command(_echo, "run a recording echo server")
    listens(add)
    add(
        "--origin", action="append", default=[], metavar="URL",
        help="let pages of this origin connect, for instance http://localhost:8000; may be repeated. "
        "Without it, programs may connect and pages may not",
    )  # fmt: skip
    add("--compression", action="store_true", help="accept permessage-deflate where a client offers it")

    add = command(_watch, "stand between any two WebSocket peers and show what passes")
    add("url", metavar="URL", help="where to: ws://, wss://, http:// or https://")
    listens(add)
    add(
        "--bend", action="append", default=[], metavar="SPEC",
        help="bend what passes, for instance --bend 'delay 0.2' --bend 'strip-header Upgrade'; may be repeated, and "
        "`--bend help` tells of all",
    )  # fmt: skip
    add("--remote", action="store_true", help="let URL be on another machine")
    add(
        "--authority", type=Path, metavar="FILE",
        help="for wss:// and https://: write the certificate here by which a client can trust this relay",
    )  # fmt: skip

    command(_node, "install what a lab's Node scripts need")
    add = command(_dissect, "explain what a file holds")
    add("file", nargs="?", metavar="FILE", help="a capture, a HAR or a recording")
    for end in ("client", "server"):
        add(f"--{end}", metavar="FILE", help=f"what the {end} sent; - is standard input")
    add("--json", action="store_true", help="print one JSON object a line for each head and frame")
    commands_of_the_course(command)
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 (any free port) to 65535")


def _lab(options: argparse.Namespace) -> int:
    """Opens your copy of the course in JupyterLab. Any other arguments go to `jupyter lab` as they are."""
    from .course.copies import WORKING_COPY, fresh, source_folder, working_copy

    folder = source_folder() if options.author else Path.cwd() / WORKING_COPY
    if not options.author:
        try:
            told = fresh(folder, options.fresh) if options.fresh else working_copy(folder)
        except LookupError as error:
            return _fail("lab --fresh", error, 2)
        print("\n".join([f"your copy of the course is {folder}", *told]), file=sys.stderr)
    # The kernel finds `wslab` by name too, also where the environment was not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "JUPYTER_PREFER_ENV_PATH": "1"}
    root, first = f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{START}"
    command = [sys.executable, "-m", "jupyterlab", root, first]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container everybody is root, and JupyterLab would refuse to start
    command += options.rest
    if os.name == "nt":
        import subprocess

        return subprocess.run(command, env=environment, check=False).returncode
    sys.stdout.flush()
    os.execve(command[0], command, environment)


def _echo(options: argparse.Namespace) -> int:
    """Runs an echo server on 127.0.0.1 and records every byte. Ctrl-C closes its connections with code 1001 and prints
    what happened."""
    from .live import Lab

    async def serve() -> Trace:
        stop = _interrupted()
        async with Lab(carrier="tcp") as lab:
            compression = "deflate" if options.compression else None
            server = await lab.serve(port=options.port, origins=[None, *options.origin], compression=compression)
            print(f"listening on {server.uri}", flush=True)
            await stop.wait()
        return lab.trace

    return _record("echo", serve(), options)


def _watch(options: argparse.Namespace) -> int:
    """Listens on 127.0.0.1, passes everything on to URL and back, and tells each frame as it passes; connect to the
    address that it prints instead of URL. Ctrl-C prints what happened. Without --bend no byte is changed, not even
    those of the Host header."""
    import asyncio
    from urllib.parse import urlsplit

    from .live import Lab
    from .live.relay import bends

    if "help" in options.bend:
        print(bends.usage())
        return 0
    try:
        chain = [bends.parse(spec) for spec in options.bend]
    except ValueError as error:
        return _fail("watch", f"--bend {error}", 2)

    async def watch() -> Trace:
        stop = _interrupted()
        async with Lab(carrier="tcp") as lab:
            relay = await lab.relay(options.url, bends=chain, port=options.port, remote=options.remote)
            if options.authority is not None:
                lab.authority.write(options.authority)
            given = urlsplit(options.url).scheme.lower()
            print(f"listening on {given}:{relay.uri.partition(':')[2]} for {options.url}", flush=True)
            if any(isinstance(bend, bends.Hold) for bend in chain):
                _at_each_line(relay.release)
            telling = asyncio.create_task(_tell(relay.trace, stop))
            await stop.wait()
        await telling
        return relay.trace

    return _record("watch", watch(), options)


async def _tell(trace: Trace, stop: asyncio.Event) -> None:
    """Print each record in a line as it comes, until ``stop``; then what is left."""
    import asyncio

    from .anatomy.record import Kind
    from .anatomy.records import label
    from .drawing.visible import visible

    loop, moved, told, over = asyncio.get_running_loop(), asyncio.Event(), 0, False
    unsubscribe = trace.subscribe(lambda: loop.call_soon_threadsafe(moved.set))
    stopping = loop.create_task(stop.wait())
    stopping.add_done_callback(lambda _: moved.set())
    moved.set()  # a trace calls no subscriber for what came before
    try:
        while not over:
            await moved.wait()
            moved.clear()
            await asyncio.sleep(TELL_EVERY)
            over, total = stop.is_set(), trace.total
            for record in trace.between(max(told, trace.first), total):
                in_words = record.kind in (Kind.ERROR, Kind.BEND)
                text = trace.explain(record.number).facts[0][1] if in_words else ""
                said = f"{record.kind.name.lower()}: {visible(text)}" if text else label(record)
                print(f"{record.time:9.4f}  c{record.connection}  {record.sender.mark}  {said}")
            told = total
            sys.stdout.flush()
    except BrokenPipeError:
        _seen_enough()
        stop.set()
    finally:
        unsubscribe()
        stopping.cancel()


def _at_each_line(release: Callable[[int], None]) -> None:
    """Let a chunk go whenever somebody presses Enter."""
    import asyncio

    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        typed = os.read(terminal, 4096)
        release(typed.count(b"\n"))
        if not typed:
            loop.remove_reader(terminal)

    try:
        loop.add_reader(terminal, read)
    except (NotImplementedError, OSError):  # on Windows, and where standard input is a file
        print("chunks are held, and without a terminal there is nobody to let them go", file=sys.stderr)
    else:
        print("Enter lets one chunk go", flush=True)


def _interrupted() -> asyncio.Event:
    """Set when somebody presses Ctrl-C."""
    import asyncio
    import signal

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # on Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    return stop


def _fail(command: str, problem: object, status: int) -> int:
    """Say on standard error what is wrong; ``status``."""
    print(f"wslab {command}: {problem}", file=sys.stderr)
    return status


def _seen_enough() -> None:
    """Drop what is still to be printed: the reader of a pipe, such as ``| head``, has ended."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _record(command: str, recording: Coroutine[None, None, Trace], options: argparse.Namespace) -> int:
    """Run ``recording``, print the end of what it recorded, and save that where it is wanted; the exit status."""
    import asyncio

    from .live import NotLoopback, PortTaken

    try:
        trace = asyncio.run(recording)
    except PortTaken:
        remedy = "close that program, name another port, or leave --port out and get a free one"
        return _fail(command, f"port {options.port} is taken by another program: {remedy}", 1)
    except (NotLoopback, ValueError, ImportError) as error:
        return _fail(command, error, 2)
    except OSError as error:
        return _fail(command, error, 1)
    trace.update()
    left_out = max(0, trace.total - SUMMARY)
    print(f"the last {SUMMARY} of {trace.total} records" if left_out else "what happened", end=": ")
    print(trace[left_out:])
    try:
        if options.save:
            trace.save(options.save)
    except OSError as error:
        return _fail(command, f"cannot write {options.save}: {error.strerror}", 1)
    return 0


def _node(options: argparse.Namespace) -> int:
    """Installs the npm package ws, in the version that wslab pins, where `lab.node()` looks for it: in a checkout
    beside wslab's own files, else in a folder of this user's Jupyter data. It needs npm."""
    from .live.errors import NodeMissing
    from .live.node import package as node

    try:
        folder = None if node.installed() else node.install()
    except (NodeMissing, OSError) as error:
        return _fail("node", error, 1)
    done = "is installed already" if folder is None else "is installed"
    print(f"ws {node.pinned()} {done} in {node.home()}; `await lab.node()` starts the article's server")
    return 0


def _dissect(options: argparse.Namespace) -> int:
    """Explains the WebSocket connections in a file: a pcapng or pcap capture, a HAR, a recording of wslab. Or, with
    --client and --server, two raw byte streams of one connection, as they crossed the wire, HTTP heads included. What
    a file lacks or lies about is said on standard error."""
    streams = [name for name in (options.client, options.server) if name is not None]
    if options.file is not None and streams:
        return _fail("dissect", "give either a FILE, or --client and --server", 2)
    if options.file is not None:
        return _dissect_file(options)
    if not streams:
        return _fail("dissect", "give a FILE, or give --client FILE, --server FILE or both", 2)
    if streams == ["-", "-"]:
        return _fail("dissect", "only one of the two streams can be standard input", 2)
    from .protocol import dissect

    try:
        dissection = dissect(_read(options.client), _read(options.server))
    except OSError as error:
        return _fail("dissect", f"cannot read {error.filename}: {error.strerror}", 2)
    return _print_dissections([(0, dissection, [])], as_json=options.json)


def _dissect_file(options: argparse.Namespace) -> int:
    from .drawing.visible import visible
    from .recording import Trace, TraceFileError
    from .recording.trace import dissections

    try:
        trace = Trace.open(options.file)
    except TraceFileError as error:
        return _fail("dissect", error, 2)
    records: dict[int, list[Record]] = {}
    for record in trace.records:
        records.setdefault(record.connection, []).append(record)
    found = [(number, dissection, records.get(number, [])) for number, dissection in dissections(trace)]
    notes = [note for note in (*trace.notes, str(trace.dropped)) if note]
    for note in notes:
        _fail("dissect", visible(note), 0)
    if not found:
        _fail("dissect", f"{options.file} holds no WebSocket connection", 0)
    return _print_dissections(found, as_json=options.json, texts=trace.ledger.texts, notes=notes)


def _print_dissections(
    dissections: Sequence[tuple[int, Dissection, Sequence[Record]]], *, as_json: bool,
    texts: Mapping[int, str] | None = None, notes: Sequence[str] = (),
) -> int:  # fmt: skip
    """Print them, with what was noted: by record ``texts``, and as JSON of the whole ``notes``."""
    from .anatomy.record import Kind
    from .drawing.visible import visible

    try:
        for note in notes if as_json else ():
            print(json.dumps({"kind": "note", "text": note}))
        for place, (number, dissection, records) in enumerate(dissections):
            if as_json:
                for entry in _entries(number, dissection, records, texts or {}):
                    print(json.dumps(entry))
                continue
            if len(dissections) > 1:
                print(f"{chr(10) if place else ''}connection {number}\n")
            for record in records:
                noted = (texts or {}).get(record.number, "") if record.kind in (Kind.ERROR, Kind.BEND) else ""
                print(f"{record.time:12.6f} s  {record.sender.label}  {visible(noted) or record.summary}")
            print("\n" * bool(records) + str(dissection))
        sys.stdout.flush()
    except BrokenPipeError:
        _seen_enough()
    return 0


def _entries(
    number: int, dissection: Dissection, records: Sequence[Record], texts: Mapping[int, str]
) -> Iterator[dict[str, Any]]:
    """The JSON objects of a connection; where it was recorded, each with its time, with how the streams ended, and with
    what a program or a relay noted."""
    from .anatomy.record import Kind

    ends = {Kind.FIN: "FIN", Kind.RESET: "RST", Kind.ERROR: "", Kind.BEND: ""}
    times = {(one.sender.label, one.offset): round(one.time, 6) for one in records if one.kind not in ends}
    for entry in dissection.json_objects(number):
        at = times.get((str(entry["sender"]), entry["offset"]))
        yield entry if at is None else {**entry, "time": at}
    for one in records:
        if (how := ends.get(one.kind)) is not None:
            text = texts.get(one.number, "")
            what: dict[str, str] = {"kind": "end", "how": how} if how else {"kind": one.kind.name.lower(), "text": text}
            seen = {"seen": text} if how and text else {}
            yield {**what, "connection": number, "sender": one.sender.label, "time": round(one.time, 6), **seen}


def _read(name: str | None) -> bytes:
    return b"" if name is None else sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
