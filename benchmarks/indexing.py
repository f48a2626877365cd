"""How much faster the dissector indexes headers than ``websockets`` parses frames, in one run, side by side.

Both read the same 100,000 small frames. ``websockets.frames.Frame.parse`` unmasks and checks each frame as it reads it;
``Dissector.feed`` notes where each lies and what its header says, and leaves the rest until somebody asks. The
difference is the point: a recording is indexed whole, and explained one frame at a time.

Run ``python benchmarks/indexing.py``. It prints ratios and exits with 1 where indexing is less than 12 times faster.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

from websockets.frames import Frame
from websockets.streams import StreamReader

from wslab.anatomy.field import Sender
from wslab.protocol import Connection, Dissector, build_frame

FRAMES = 100_000
ROUNDS = 7
TARGET = 12.0


def parse_with_websockets(stream: bytes, mask: bool) -> int:
    """Parse every frame of ``stream`` as ``websockets`` does inside its protocol; return how many there were."""
    reader = StreamReader()
    reader.feed_data(stream)
    number = 0
    while reader.buffer:
        parser = Frame.parse(reader.read_exact, mask=mask)
        try:
            next(parser)
        except StopIteration:
            number += 1
    return number


def index(stream: bytes, sender: Sender) -> int:
    """Index every frame of ``stream``; return how many there were."""
    return len(Dissector(sender, expect_head=False).feed(stream))


def connect(stream: bytes, sender: Sender) -> int:
    """Index, unmask and judge every frame of ``stream``, as a recorder does; return how many things came of it."""
    return len(Connection(heads=(False, False)).feed(sender, stream))


def seconds(work: Callable[[], int]) -> float:
    """How long one call takes, with the collector quiet."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    finally:
        gc.enable()


def main() -> int:
    """Print the table of ratios; return 0 where the target is reached for every kind of frame."""
    worst = float("inf")
    print(f"{FRAMES:,} frames, best of {ROUNDS} rounds, each round one after the other")
    print(f"{'frames':24}{'Frame.parse':>14}{'Dissector':>12}{'Connection':>12}{'ratio':>8}")
    for name, sender, payload in (
        ("client, 5 bytes, masked", Sender.CLIENT, b"Hello"),
        ("server, 5 bytes", Sender.SERVER, b"Hello"),
        ("client, 32 bytes, masked", Sender.CLIENT, b"0123456789abcdef" * 2),
    ):
        stream = build_frame(payload, mask=b"\x37\xfa\x21\x3d" if sender is Sender.CLIENT else None) * FRAMES
        masked = sender is Sender.CLIENT
        best = [float("inf")] * 3
        for _ in range(ROUNDS):
            works: tuple[Callable[[], int], ...] = (
                lambda stream=stream, masked=masked: parse_with_websockets(stream, masked),  # type: ignore[misc]
                lambda stream=stream, sender=sender: index(stream, sender),  # type: ignore[misc]
                lambda stream=stream, sender=sender: connect(stream, sender),  # type: ignore[misc]
            )
            best = [min(old, seconds(work)) for old, work in zip(best, works, strict=True)]
        ratio = best[0] / best[1]
        worst = min(worst, ratio)
        each = [f"{value / FRAMES * 1e6:.2f} µs" for value in best]
        print(f"{name:24}{each[0]:>14}{each[1]:>12}{each[2]:>12}{ratio:>7.1f}x")
    print(f"indexing headers is at least {worst:.1f} times faster than Frame.parse (wanted: {TARGET:g})")
    return 0 if worst >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
