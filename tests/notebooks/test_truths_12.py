"""What lesson 12, In the middle, claims beyond what the relay's own tests hold it to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from wslab import Lab, Sender
from wslab.live.relay.bends import FlipBits, Hold, IdleClose, Inject, OneByte, Silence
from wslab.recording.trace import Trace

PING = bytes.fromhex("89 80 00 00 00 00")


def in_a_lab(program: Callable[[Lab], Awaitable[None]]) -> None:
    """Run ``program`` with a lab whose server echoes."""

    async def main() -> None:
        async with asyncio.timeout(20), Lab(seed=12) as lab:
            await lab.serve()
            await program(lab)

    asyncio.run(main())


def summaries(trace: Trace, sender: Sender) -> list[str]:
    """What this sender's records say."""
    return [record.summary for record in trace if record.sender is sender]


def test_a_flipped_bit_may_give_another_valid_text() -> None:
    """There is no checksum in WebSocket."""

    async def program(lab: Lab) -> None:
        relay = await lab.relay(bends=[FlipBits(55)])
        async with lab.connect(relay.uri) as ws:
            await ws.send("Hello server!")
            assert await ws.recv() == "Iello server!"

    in_a_lab(program)


def test_a_ping_that_nobody_sent_is_answered_and_no_program_hears_of_it() -> None:
    async def program(lab: Lab) -> None:
        relay = await lab.relay(bends=[Inject(PING, at="frames")])
        async with lab.connect(relay.uri) as ws:
            await ws.send("Hello server!")
            assert await ws.recv() == "Hello server!"
        await relay.settled()
        assert any(said.startswith("PONG") for said in summaries(relay.trace, Sender.SERVER))

    in_a_lab(program)


def test_a_byte_at_a_time_no_edge_of_a_write_is_left() -> None:
    """Misconception 5: what one read gives has nothing to do with frames."""

    async def program(lab: Lab) -> None:
        relay = await lab.relay(bends=[OneByte(direction="client")])
        async with lab.connect(relay.uri) as ws:
            await ws.send("one")
            assert await ws.recv() == "one"
        await relay.settled()
        frame = next(record for record in relay.trace if record.summary == 'TEXT "one"')
        chunks = relay.trace.lanes(frame.number, around=0).chunks
        assert sum(chunk.seen_by is Sender.CLIENT for chunk in chunks) == 1
        assert sum(chunk.seen_by is Sender.SERVER for chunk in chunks) == 9

    in_a_lab(program)


@pytest.mark.lengthy
def test_who_only_listens_never_learns_of_silence_and_who_pings_reports_1006() -> None:
    async def program(lab: Lab) -> None:
        silent = await lab.relay(bends=[Silence(at="frames")])
        async with lab.connect(silent.uri, close_timeout=0.1) as ws:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.3)
            assert ws.state.name == "OPEN"
        pinged = await lab.relay(bends=[Silence(at="frames")])
        async with lab.connect(pinged.uri, ping_interval=0.1, ping_timeout=0.2, close_timeout=0.1) as ws:
            with pytest.raises(ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 1006
        sent = [said for said in summaries(pinged.trace, Sender.CLIENT) if said.startswith("CLOSE")]
        assert sent == ['CLOSE 1011 "keepalive ping timeout"']

    in_a_lab(program)


def test_send_returned_and_it_was_not_delivered() -> None:
    """Misconception 21."""
    read: list[str | bytes] = []

    async def collect(connection: ServerConnection) -> None:
        try:
            async for message in connection:
                read.append(message)
        except ConnectionClosed:
            pass

    async def program(lab: Lab) -> None:
        await lab.serve(collect)
        relay = await lab.relay(bends=[Hold(direction="client", at="frame 30")])
        async with lab.connect(relay.uri) as ws:
            for number in range(100):
                await ws.send(str(number))
            while len(read) < 30:
                await asyncio.sleep(0.01)
            await relay.close()
            await ws.wait_closed()
        assert read == [str(number) for number in range(30)]

    in_a_lab(program)


@pytest.mark.slow
@pytest.mark.parametrize(("client", "server", "lives"), [(None, None, False), (0.1, None, True), (None, 0.1, True)])
def test_either_ends_pings_keep_an_idle_connection(client: float | None, server: float | None, lives: bool) -> None:
    """Misconception 16."""

    async def program(lab: Lab) -> None:
        await lab.serve(lambda connection: connection.wait_closed(), ping_interval=server)
        relay = await lab.relay(bends=[IdleClose(0.8)])
        async with lab.connect(relay.uri, ping_interval=client) as ws:
            with pytest.raises(TimeoutError if lives else ConnectionClosed):
                await asyncio.wait_for(ws.recv(), 2)

    in_a_lab(program)
