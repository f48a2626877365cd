"""How much faster the dissector indexes headers than ``websockets`` parses frames, in one run, side by side.

Both read the same 100,000 small frames. ``websockets.frames.Frame.parse`` unmasks and checks each frame as it reads it;
``Dissector.feed`` notes where each lies and what its header says, and leaves the rest until somebody asks. The
difference is the point: a recording is indexed whole, and explained one frame at a time. Two more columns say what
more costs: reading every header out of the index, and judging every frame as a ``Connection`` does, rules, unmasking
and UTF-8 included. The last row judges long masked texts as a recording does, with the unmasking that it hands down.

Run ``python benchmarks/indexing.py``. It prints ratios and exits with 1 where indexing is less than 12 times faster, or
where judging a long text takes more than twice as long as ``Frame.parse``.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from functools import partial

from websockets.frames import Frame
from websockets.streams import StreamReader

from wslab.anatomy.field import Sender
from wslab.protocol import Connection, Dissector, build_frame
from wslab.recording.ledger import apply_mask

FRAMES = 100_000
ROUNDS = 7
TARGET = 12.0
LONG = 2**16
LONG_FRAMES = 500
SLOWEST = 2.0


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


def read(stream: bytes, sender: Sender) -> int:
    """Index every frame of ``stream`` and read each header out, as somebody who asks for all of them would."""
    return sum(1 for _ in Dissector(sender, expect_head=False).feed(stream))


def connect(stream: bytes, sender: Sender) -> int:
    """Index, unmask and judge every frame of ``stream``, as a recorder does; return how many things came of it."""
    return len(Connection(heads=(False, False)).feed(sender, stream))


def record(stream: bytes) -> int:
    """The same as a recording does it."""
    return len(Connection(heads=(False, False), unmask=apply_mask).feed(Sender.CLIENT, stream))


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


KINDS: tuple[tuple[str, Sender, bytes], ...] = (
    ("client, 5 bytes, masked", Sender.CLIENT, b"Hello"),
    ("server, 5 bytes", Sender.SERVER, b"Hello"),
    ("client, 32 bytes, masked", Sender.CLIENT, b"0123456789abcdef" * 2),
)


def main() -> int:
    """Print the table of ratios; return 0 where the target is reached for every kind of frame."""
    print(f"{FRAMES:,} frames, best of {ROUNDS} rounds, in each round one after the other; microseconds a frame")
    print(f"{'':24}{'Frame.parse':>12}{'indexed':>9}{'read out':>10}{'judged':>8}{'Frame.parse / indexed':>23}")
    ratios = []
    for name, sender, payload in KINDS:
        masked = sender is Sender.CLIENT
        stream = build_frame(payload, mask=b"\x37\xfa\x21\x3d" if masked else None) * FRAMES
        works = (
            partial(parse_with_websockets, stream, masked),
            partial(index, stream, sender),
            partial(read, stream, sender),
            partial(connect, stream, sender),
        )
        best = [min(times) for times in zip(*([seconds(work) for work in works] for _ in range(ROUNDS)), strict=True)]
        ratios.append(best[0] / best[1])
        parse, indexed, out, judged = (time / FRAMES * 1e6 for time in best)
        print(f"{name:24}{parse:>12.2f}{indexed:>9.2f}{out:>10.2f}{judged:>8.2f}{ratios[-1]:>22.1f}x")
    stream = build_frame("Hello server! OK" * (LONG // 16), mask=b"\x37\xfa\x21\x3d") * LONG_FRAMES
    works = partial(parse_with_websockets, stream, True), partial(record, stream)
    rounds = [[seconds(work) for work in works] for _ in range(ROUNDS)]
    parse, judged = map(min, zip(*rounds, strict=True))
    print(f"{'client, 64 KiB of text':24}{parse / LONG_FRAMES * 1e6:>12.2f}{'':19}{judged / LONG_FRAMES * 1e6:>8.2f}")
    print(f"judging a long text takes {judged / parse:.1f} times as long as Frame.parse (wanted: at most {SLOWEST:g})")
    print(f"indexing headers is at least {min(ratios):.1f} times faster than Frame.parse (wanted: {TARGET:g})")
    return 0 if min(ratios) >= TARGET and judged <= SLOWEST * parse else 1


if __name__ == "__main__":
    sys.exit(main())
