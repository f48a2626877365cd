"""A lab's memory is bounded: many short connections, and much traffic, each counted exactly.

``benchmarks/bounds.py`` does the same at full size: 100,000 connections under 40 MB, which is 400 bytes each, and 1 GB.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import tracemalloc

import pytest

from wslab.live import Lab
from wslab.protocol import build_frame
from wslab.recording.trace import Trace

pytestmark = pytest.mark.slow
EACH = 400  # bytes that a short connection may leave behind


def weight() -> int:
    """Bytes of all objects that may hold others: a connection that is kept is some sixty of them."""
    gc.collect()
    return sum(sys.getsizeof(each, 0) for each in gc.get_objects())


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_short_connections_leave_nothing_behind_once_the_recording_is_full(compression: str | None) -> None:
    async def some(lab: Lab, number: int) -> None:
        for _ in range(number):
            async with lab.connect(compression=compression) as client:
                await client.send("Hello" * 20)
                await client.recv()
        lab.trace.update()

    async def main() -> float:
        async with Lab(carrier="memory", trace=Trace(max_bytes=2**16, max_entries=6400)) as lab:
            await lab.serve(compression=compression)
            await some(lab, 150)
            before = weight()
            await some(lab, 200)
            after = weight()
            assert len(lab.trace.connections) == 64
            return (after - before) / 200

    assert asyncio.run(main()) < EACH


def test_much_traffic_takes_what_the_recorder_may_keep_and_every_byte_is_counted() -> None:
    kept, message, times = 2**20, 2**16, 200

    async def main() -> tuple[Trace, int]:
        async with Lab(carrier="memory", trace=Trace(max_bytes=kept)) as lab:
            await lab.serve()
            async with lab.connect() as client:
                payload = random.Random(1).randbytes(message)
                await client.send(payload)
                await client.recv()
                tracemalloc.start()
                try:
                    for _ in range(times):
                        await client.send(payload)
                        assert await client.recv() == payload
                    lab.trace.update()
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
            return lab.trace, peak

    trace, peak = asyncio.run(main())
    assert peak < 3 * kept
    assert len(trace.records) == 2 + 2 * (times + 1) + 4
    assert [message_.length for message_ in trace.messages] == [message] * 2 * (times + 1)
    heads = sum(len(head.data) for head in trace.handshakes)
    frame = len(build_frame(bytes(message), opcode=2))
    total = heads + 2 * (times + 1) * frame + (times + 1) * 4 + 2 * 4 + 4
    assert sum(max(seen) for seen in trace.conversation(0).wire.seen) == total
    assert trace.dropped.bytes == total - kept
