"""How long a capture of 100,000 small frames takes to a full table, beside ``tshark -T fields`` on the same file.

Each frame is a packet of its own, which is the hardest case here: the cost is that of packets and frames, not of bytes.
Both are fresh processes, interpreter, pandas and dissectors' start included, and take turns. Our table
holds more than the fields that tshark is asked for: violations, and what was compressed is inflated. A last column
tells what the same takes in a kernel that has loaded pandas already.

Run ``python benchmarks/captures.py``. It prints times and ratios, and exits with 1 where tshark is faster.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from wslab.anatomy.field import Sender
from wslab.protocol import build_frame, build_request, build_response
from wslab.recording import Trace

FRAMES = 100_000
ROUNDS = 3
TARGET = 1.0
FIELDS = (
    "frame.number", "frame.time_epoch", "tcp.stream", "tcp.srcport", "websocket.fin", "websocket.rsv",
    "websocket.opcode", "websocket.mask", "websocket.payload_length", "websocket.payload.text",
    "websocket.payload.close.status_code", "websocket.payload.close.reason",
)  # fmt: skip
PROGRAM = """
import sys, time
import pandas
from wslab import Trace
started = time.perf_counter()
table = Trace.open(sys.argv[1]).to_dataframe()
print(len(table), time.perf_counter() - started)
"""


def write(path: Path) -> None:
    """A conversation of as many frames, a millisecond apart, as a pcapng file."""
    trace = Trace(max_entries=2 * FRAMES)
    ends = [trace.join(sender, "bench") for sender in Sender]
    ends[0].sent(build_request(), 0.0)
    ends[1].sent(build_response(), 0.0)
    frames = build_frame("Hello server!", mask=b"\x37\xfa\x21\x3d"), build_frame("Hello client!")
    for number in range(FRAMES):
        ends[number % 2].sent(frames[number % 2], number / 1000)
    trace.to_pcapng(path)


def seconds(command: Sequence[str]) -> tuple[float, str]:
    """How long a command takes, and what it prints."""
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, done.stdout


def main() -> int:
    """Print times and ratio; return 0 where the table is there before tshark's."""
    tshark = shutil.which("tshark")
    if tshark is None:
        print("tshark is not installed, and there is nothing to compare with")
        return 1
    fields = [option for field in FIELDS for option in ("-e", field)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.pcapng"
        write(path)
        print(
            f"{FRAMES:,} frames in {path.stat().st_size:,} bytes, {ROUNDS} rounds, in each one after the other; seconds"
        )
        times: list[tuple[float, float, float]] = []
        for _ in range(ROUNDS):
            theirs, lines = seconds([tshark, "-n", "-r", str(path), "-Y", "websocket", "-T", "fields", *fields])
            ours, said = seconds([sys.executable, "-c", PROGRAM, str(path)])
            rows, inside = said.split()
            assert lines.count("\n") == int(rows) == FRAMES
            times.append((theirs, ours, float(inside)))
    theirs, ours, inside = (min(column) for column in zip(*times, strict=True))
    print(f"{'tshark -T fields':>20}{'to_dataframe':>16}{'in a kernel':>14}{'of tshark’s time':>20}")
    print(f"{theirs:>20.2f}{ours:>16.2f}{inside:>14.2f}{ours / theirs:>19.2f}x")
    return 0 if ours < TARGET * theirs else 1


if __name__ == "__main__":
    sys.exit(main())
