"""What a seed fixes, and that nothing else is fixed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from wslab.anatomy.field import Sender
from wslab.live.lab import Lab
from wslab.live.tap import SAMPLE_KEY, SAMPLE_MASK
from wslab.recording.trace import Trace

Run = Callable[[Any], Any]
C, S = Sender.CLIENT, Sender.SERVER


async def conversation(seed: Any, carrier: str, port: int = 0) -> Trace:
    """Two clients, fragments, pings from both ends, compression, a refusal and a failing handler."""

    async def handler(connection: Any) -> None:
        await (await connection.ping())
        await connection.send("ready")
        async for message in connection:
            if message == "fail":
                raise RuntimeError("as asked")
            await connection.send(message)

    async with Lab(seed, carrier=carrier) as lab:
        server = await lab.serve(handler, compression="deflate", port=port)
        for compression in (None, "deflate"):
            async with lab.connect("/?a", compression=compression) as client:
                assert await client.recv() == "ready"
                for message in ("Hello", b"\x00" * 300, "x" * 70_000):
                    await client.send(message)
                    assert await client.recv() == message
                await client.send(["frag", "ments"])
                assert await client.recv() == "fragments"
                await (await client.ping())
                await client.send("fail")
                await client.wait_closed()
        raw = await lab.raw()
        await raw.handshake(headers={"Origin": "http://evil.example"})
        await raw.close()
        assert server.is_serving()
    return lab.trace


def streams(trace: Trace) -> list[bytes]:
    connections = {record.connection for record in trace.records}
    return [trace.bytes_sent(number, sender) for number in sorted(connections) for sender in (C, S)]


def test_a_seed_repeats_every_byte(carrier: str, run: Run) -> None:
    first = run(conversation(7, carrier, 0))
    port = int(first.heads(0)[0].get("Host")[0].partition(":")[2])
    assert streams(run(conversation(7, carrier, port))) == streams(first)
    assert streams(run(conversation(8, carrier, port))) != streams(first)


def test_in_memory_the_whole_trace_repeats(run: Run) -> None:
    def without_times(trace: Trace) -> tuple[Any, ...]:
        records = [record._replace(time=0, received=record.received is not None) for record in trace.records]
        chunks = [chunk._replace(time=0) for chunk in trace.chunks]
        return records, chunks, streams(trace)

    assert without_times(run(conversation("s", "memory"))) == without_times(run(conversation("s", "memory")))


@pytest.mark.lengthy
def test_a_seed_means_the_same_in_every_process() -> None:
    program = """
import asyncio
from wslab.live import Lab
async def main():
    async with Lab("seed", carrier="memory") as lab:
        await lab.serve()
        async with lab.connect() as client:
            await client.send("Hello")
    print(lab.trace.bytes_sent(0, 0).hex())
asyncio.run(main())
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": number},
        ).stdout
        for number in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 300


def test_without_a_seed_nothing_repeats(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            for _ in range(2):
                async with lab.connect() as client:
                    await client.send("Hello")
                    await client.send("Hello")
            keys = {str(lab.trace.heads(number)[0].get("Sec-WebSocket-Key")) for number in (0, 1)}
            assert len(keys) == 2
            masks = {frame.masking_key for frame in lab.trace.frames if frame.sender is C}
            assert len(masks) == 6

    run(main())


def test_a_seeds_masking_keys_differ_from_frame_to_frame(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(1, carrier=carrier) as lab:
            await lab.serve()
            for _ in range(2):
                async with lab.connect() as client:
                    await client.send("Hello")
            masks = [frame.masking_key for frame in lab.trace.frames if frame.sender is C]
            assert len(set(masks)) == len(masks) == 4

    run(main())


def test_the_rfcs_own_bytes(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab("rfc", carrier=carrier) as lab:
            await lab.serve()
            async with lab.connect() as client:
                await client.send("Hello")
                assert await client.recv() == "Hello"
            request, response = lab.trace.heads(0)
            assert request.get("Sec-WebSocket-Key") == ["dGhlIHNhbXBsZSBub25jZQ=="]
            assert response.get("Sec-WebSocket-Accept") == ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
            start, end = len(request.data), len(response.data)
            assert lab.trace.bytes_sent(0, C)[start : start + 11] == bytes.fromhex("818537fa213d7f9f4d5158")
            assert lab.trace.bytes_sent(0, S)[end : end + 7] == bytes.fromhex("810548656c6c6f")

    run(main())


def test_a_key_and_masks_of_ones_own(carrier: str, run: Run) -> None:
    async def main() -> None:
        for seed in (None, 5):
            async with Lab(seed, carrier=carrier) as lab:
                await lab.serve()
                async with lab.connect(key=SAMPLE_KEY, masks=[SAMPLE_MASK, bytes(4)]) as client:
                    for _ in range(3):
                        await client.send("Hello")
                        assert await client.recv() == "Hello"
                masks = [frame.masking_key for frame in lab.trace.frames if frame.sender is C]
                assert masks[:2] == [SAMPLE_MASK, bytes(4)]
                assert len(set(masks)) == 4
                assert lab.trace.heads(0)[0].get("Sec-WebSocket-Key") == [SAMPLE_KEY]
                with pytest.raises(ValueError, match="a masking key is 4 bytes"):
                    lab.connect(masks=[b"abc"])

    run(main())


def test_an_unseeded_connection_is_not_rewritten(run: Run) -> None:
    """What costs time is done only where somebody asked for it."""

    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            client: Any = await lab.connect()
            assert client.transport.write.__name__ == "note_and_write"
            await asyncio.sleep(0)

    run(main())
