"""Captures on loopback, and what tshark reads in them: the oracle that owes nothing to this project.

``capturing`` runs dumpcap around a conversation; ``read_capture`` has tshark follow the TCP streams and dissect them.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wslab.anatomy.field import Sender

PATIENCE = 20.0
BEGIN, END = b"wslab: the capture runs", b"wslab: the conversation is over"


@dataclass
class Part:
    """One field as tshark reports it: its bytes, and which bits of the frame it covers."""

    data: bytes
    start: int
    """First bit, from the frame's first; meaningless where the bytes are tshark's own (unmasked, inflated)."""
    width: int


@dataclass
class SharkFrame:
    """A WebSocket frame as tshark reports it: its field names to what they cover."""

    parts: dict[str, Part]
    body: bytes | None = None
    """A binary message's data, inflated where it was compressed; tshark hands it to its "data" dissector."""


@dataclass
class Direction:
    """What one endpoint sent, according to tshark."""

    stream: bytes = b""
    frames: list[SharkFrame] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    """The lines of the HTTP head."""


@contextmanager
def capturing(port: int, path: Path) -> Iterator[None]:
    """Capture one TCP port on loopback into ``path`` while the block runs, and not a packet less.

    Marked datagrams are sent until the first is in the file, so the capture is known to run, and afterwards until
    the last is, so everything before it has been written.
    """
    dumpcap = shutil.which("dumpcap") or pytest.skip("dumpcap is not installed")
    interface = "lo0" if sys.platform == "darwin" else "lo"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox, path.with_suffix(".log").open("wb") as log:
        inbox.bind(("127.0.0.1", 0))
        expression = f"tcp port {port} or udp port {inbox.getsockname()[1]}"
        command = [dumpcap, "-q", "-i", interface, "-f", expression, "-w", str(path)]
        process = subprocess.Popen(command, stderr=log)
        try:
            _mark(inbox, BEGIN, path, process)
            yield
            _mark(inbox, END, path, process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def _mark(inbox: socket.socket, mark: bytes, path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and mark in path.read_bytes()):
        if process.poll() is not None:
            reason = path.with_suffix(".log").read_text()
            pytest.skip(f"capturing is not permitted here (root or CAP_NET_RAW is needed): {reason}")
        assert time.monotonic() < deadline, f"dumpcap wrote no {mark!r}"
        inbox.sendto(mark, inbox.getsockname())
        time.sleep(0.02)


def read_capture(path: Path, port: int) -> list[dict[Sender, Direction]]:
    """Every TCP connection to ``port`` in a capture, in the order of their first packets."""
    listing = _tshark(path, "-Y", f"tcp.port == {port}", "-T", "fields", "-e", "tcp.stream")
    streams = list(dict.fromkeys(listing.split()))
    return [_read_stream(path, port, stream) for stream in streams]


def _tshark(path: Path, *arguments: str) -> str:
    tshark = shutil.which("tshark") or pytest.skip("tshark is not installed")
    command = [tshark, "-n", "-r", str(path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE * 3).stdout


def _read_stream(path: Path, port: int, stream: str) -> dict[Sender, Direction]:
    found = {Sender.CLIENT: Direction(), Sender.SERVER: Direction()}
    first_is_server = False
    for line in _tshark(path, "-q", "-z", f"follow,tcp,raw,{stream}").splitlines():
        if line.startswith("Node 0:"):
            first_is_server = line.endswith(f":{port}")
        elif line.strip() and not line.startswith(("=", "Follow", "Filter", "Node")):
            # The second node's lines are indented.
            sender = Sender(first_is_server != line.startswith("\t"))
            found[sender].stream += bytes.fromhex(line.strip())
    selection = f"tcp.stream == {stream} and (websocket or http)"
    options = ["-d", f"tcp.port=={port},http", "-Y", selection, "-T", "json", "-x"]
    packets = json.loads(_tshark(path, *options) or "[]", object_pairs_hook=list)
    for packet in packets:
        layers = _only(_only(packet, "_source"), "layers")
        sender = Sender(_only(_only(layers, "tcp"), "tcp.srcport") == str(port))
        direction = found[sender]
        for place, (name, content) in enumerate(layers):
            if name == "http":
                direction.head += _lines(content)
            elif name == "websocket":
                direction.frames.append(_frame(layers[place - 1][1], content))
            elif name == "data" and direction.frames:
                direction.frames[-1].body = bytes.fromhex(_only(content, "data.data_raw")[0])
    return found


def _only(pairs: list[Any], name: str) -> Any:
    """The first value under a name: tshark repeats names, so its objects are read as lists of pairs."""
    return next(value for key, value in pairs if key == name)


def _pairs(content: Any) -> Iterator[tuple[str, Any]]:
    """Every (name, value) of a nested object, depth first."""
    for entry in content if isinstance(content, list) else ():
        if isinstance(entry, tuple):
            yield entry[0], entry[1]
            yield from _pairs(entry[1])


def _lines(http: Any) -> list[str]:
    """The lines of an HTTP head: the first, then the headers."""
    first = [name for name, value in _pairs(http) if name.endswith("\\r\\n") and isinstance(value, list)]
    rest = [value for name, value in _pairs(http) if name in ("http.request.line", "http.response.line")]
    return [first[0].removesuffix("\\r\\n"), *(line.removesuffix("\r\n").removesuffix("\\r\\n") for line in rest)]


def _frame(raw: list[Any], content: Any) -> SharkFrame:
    """Read ``[hex, position, length, bit mask, type]``, tshark's way of saying where a field is."""
    beginning = raw[1]
    parts = {}
    for name, value in _pairs(content):
        if name.endswith("_raw") and isinstance(value, list):
            digits, position, length, mask, _ = value
            start, width = (position - beginning) * 8, length * 8
            if mask:
                start, width = start + length * 8 - mask.bit_length(), mask.bit_count()
            data = bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))
            parts[name.removesuffix("_raw").removeprefix("websocket.")] = Part(data, start, width)
    return SharkFrame(parts)
