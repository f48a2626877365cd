"""What a long recording costs: each figure beside the one that it must not exceed.

Times on their own mean little on a machine that others use; what matters is that the cost of a record stays flat while
the trace turns over, and that nothing stalls.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
import zlib
from collections.abc import Callable

from wslab import Lab, LabPanel, Sender, Trace
from wslab.protocol import build_frame, build_request, build_response

MASK = bytes(4)
KEPT = 20_000  # records of a trace that turns over
PROMISE = "permessage-deflate; client_no_context_takeover"


def deflated(data: bytes) -> bytes:
    """RFC 7692 section 7.2.1: compressed, without the four last octets."""
    squeeze = zlib.compressobj(wbits=-15)
    return (squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


def began(trace: Trace, extensions: str = "") -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
    """What writes to and reads from an open connection."""
    client, server = trace.join(Sender.CLIENT, "one"), trace.join(Sender.SERVER, "one")
    headers = [("Sec-WebSocket-Extensions", extensions)] if extensions else []
    client.sent(bytes(build_request(headers=headers)))
    server.sent(bytes(build_response(headers=headers)))
    return client.sent, server.received


def turning_over(frame: bytes, extensions: str = "") -> list[float]:
    """Microseconds of processor time to derive a record, for each time that the trace was filled anew."""
    trace = Trace(max_entries=KEPT)
    sent, _ = began(trace, extensions)
    costs = []
    for _ in range(4):
        used = time.process_time()
        for _ in range(KEPT // 100):
            for _ in range(100):
                sent(frame)
            trace.update()
        costs.append((time.process_time() - used) / KEPT * 1e6)
    return costs


def shown() -> tuple[float, float]:
    """Milliseconds for the repr and for the last of 100,000 records."""
    trace = Trace()
    sent, _ = began(trace)
    for _ in range(100_000):
        sent(build_frame("small", mask=MASK))
    trace.update()

    def took(look: Callable[[], object]) -> float:
        begun = time.perf_counter()
        look()
        return (time.perf_counter() - begun) * 1000

    return min(took(lambda: repr(trace)) for _ in range(5)), min(took(lambda: trace.records[-1]) for _ in range(5))


async def worst_stall(seconds: float = 8.0) -> float:
    """Milliseconds of the longest echo while a trace of default bounds is flooded by small frames."""
    async with Lab(carrier="memory") as lab:
        await lab.serve()
        sent, received = began(lab.trace)
        frame, worst = build_frame("flood", mask=MASK), 0.0
        async with lab.connect() as client:
            stop = time.perf_counter() + seconds
            while time.perf_counter() < stop:
                for _ in range(200):
                    sent(frame)
                    received(frame)
                begun = time.perf_counter()
                await client.send("x")
                await client.recv()
                worst = max(worst, time.perf_counter() - begun)
    return worst * 1000


def pushes(reads: bool) -> float:
    """Median microseconds of a push of 50 records to a panel, after 20,000 that the peer read or did not."""
    trace = Trace()
    sent, received = began(trace)
    panel = LabPanel(trace)
    panel._asked = True
    frame, costs = build_frame("x", mask=MASK), []
    for turn in range(400):
        for _ in range(50):
            sent(frame)
            if reads:
                received(frame)
        trace.update()
        used = time.thread_time()
        panel._push()
        if turn >= 300:
            costs.append(time.thread_time() - used)
    panel.close()
    return sorted(costs)[len(costs) // 2] * 1e6


def idle() -> float:
    """Megabytes of a lab that nothing was done with."""
    labs = [Lab()]
    gc.collect()
    tracemalloc.start()
    labs += [Lab() for _ in range(10)]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / 10 / 1e6


def main() -> None:
    print("cost of a record each time that the trace is filled, µs (wanted: flat)")
    for name, frame, extensions in (
        ("lawful", build_frame("a small one", mask=MASK), ""),
        ("breaking a rule", build_frame("a small one", mask=MASK, rsv2=True), ""),
        ("compressed", build_frame(deflated(b"a small one" * 20), mask=MASK, rsv1=True), PROMISE),
    ):
        costs = turning_over(frame, extensions)
        print(f"{name:>18}  " + "  ".join(f"{cost:6.1f}" for cost in costs), flush=True)
    text, last = shown()
    print(f"repr of 100,000 records {text:.1f} ms, the last one {last:.1f} ms (wanted: under 20)", flush=True)
    print(f"worst stall of an echo under a flood {asyncio.run(worst_stall()):.1f} ms (wanted: under 30)", flush=True)
    read, unread = pushes(True), pushes(False)
    print(f"a push after a peer that reads {read:.0f} µs, that does not {unread:.0f} µs (wanted: at most twice)")
    print(f"an idle lab {idle():.2f} MB (wanted: under 2)")


if __name__ == "__main__":
    main()
