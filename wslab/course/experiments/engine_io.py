"""Lesson 09b: a layer above WebSocket. A server speaks Engine.IO, on which Socket.IO stands, to a plain client.

The server does what the documentation of Engine.IO 4 says of its WebSocket transport: an "open" packet first, then a
"ping" packet, which the client has to answer. Socket.IO itself is not installed.
"""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...anatomy.records import is_close
from ...live.lab import Lab
from ...protocol.words import BINARY, OPCODE, TEXT
from ...recording.trace import Trace

OPEN = '0{"sid":"wslab","upgrades":[],"pingInterval":100,"pingTimeout":200,"maxPayload":1000000}'
PING, PONG = "2", "3"
PATIENCE = 0.2  # seconds, as ``OPEN`` says


async def speak_engine_io(connection: ServerConnection) -> None:
    """Open a session, ping once, and close the connection where no pong comes in time."""
    await connection.send(OPEN)
    await connection.send(PING)
    try:
        async with asyncio.timeout(PATIENCE):
            while await connection.recv() != PONG:
                pass
    except TimeoutError:
        await connection.close()
    except ConnectionClosed:
        pass
    else:
        await connection.wait_closed()


async def talk(lab: Lab, answer: str | None = None) -> None:
    """A client reads what such a server says, and says ``answer`` to its ping, if it has one."""
    await lab.serve(speak_engine_io)
    async with lab.connect() as ws:
        async for message in ws:
            if message == PING and answer is not None:
                await ws.send(answer)
                await asyncio.sleep(2 * PATIENCE)  # in which the server would give up
                await ws.close()
    await lab.settled()


def layers(trace: Trace) -> dict[str, str]:
    """What crossed for that layer on a recording's last connection, and how the connection ended."""
    records = [one for one in trace.connection(trace.connections[-1]) if one.kind is Kind.FRAME]
    spoken = [one for one in records if one.sender is Sender.SERVER]
    names = {TEXT: "1, text", BINARY: "2, binary"}
    pings = [one for one in spoken if one.summary.split()[0] == "PING" or one.summary == f'TEXT "{PING}"']
    left = next((one for one in records if is_close(one)), None)
    return {
        "the opcode of the server's first frame": names.get(spoken[0].first & OPCODE, "one of Socket.IO's own"),
        "its heartbeat crosses as": f"a {pings[0].summary.split()[0]} frame" if pings else "nothing",
        "a WebSocket client that only reads": "is closed" if left and left.sender is Sender.SERVER else "is kept",
    }


async def speak_to_engine_io(lab: Lab) -> dict[str, str]:
    """A plain client connects to such a server; what crossed."""
    await talk(lab)
    return layers(lab.trace)
