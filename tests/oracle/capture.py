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
    """Every TCP connection to ``port`` in a capture that spoke HTTP, in the order of their first packets."""
    options = ["-d", f"tcp.port=={port},http", "-Y", "websocket or http", "-T", "json", "-x"]
    found: dict[str, dict[Sender, Direction]] = {}
    for packet in json.loads(_tshark(path, *options) or "[]", object_pairs_hook=list):
        layers = _only(_only(packet, "_source"), "layers")
        tcp = _only(layers, "tcp")
        both = found.setdefault(_only(tcp, "tcp.stream"), {sender: Direction() for sender in Sender})
        _read_packet(layers, both[Sender(_only(tcp, "tcp.srcport") == str(port))])
    follow = [option for stream in found for option in ("-z", f"follow,tcp,raw,{stream}")]
    _read_streams(_tshark(path, "-q", *follow).splitlines(), port, found)
    return list(found.values())


def _tshark(path: Path, *arguments: str) -> str:
    tshark = shutil.which("tshark") or pytest.skip("tshark is not installed")
    command = [tshark, "-n", "-r", str(path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE * 3).stdout


def _read_packet(layers: list[Any], direction: Direction) -> None:
    """A packet has a layer for each frame that ends in it, and after it one for what the frame holds."""
    for place, (name, content) in enumerate(layers):
        if name == "http":
            direction.head += _lines(content)
        elif name == "websocket":
            direction.frames.append(_frame(layers[place - 1][1], content))
        elif name == "data" and direction.frames:
            direction.frames[-1].body = bytes.fromhex(_only(content, "data.data_raw")[0])


def _read_streams(lines: list[str], port: int, found: dict[str, dict[Sender, Direction]]) -> None:
    """What "follow" prints: for each stream its two ends and their bytes as hex, the second end's indented."""
    stream, first_is_server = "", False
    for line in lines:
        if line.startswith("Filter:"):
            stream = line.split()[-1]
        elif line.startswith("Node 0:"):
            first_is_server = line.endswith(f":{port}")
        elif line.strip() and not line.startswith(("=", "Follow", "Node")):
            sender = Sender(first_is_server != line.startswith("\t"))
            found[stream][sender].stream += bytes.fromhex(line.strip())


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
