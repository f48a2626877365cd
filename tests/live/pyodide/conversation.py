"""One conversation over the memory carrier, told in text: the same in Pyodide as anywhere else."""

import sys

from websockets.asyncio.server import ServerConnection

from wslab.anatomy.field import Sender
from wslab.live import Lab
from wslab.live.judges.judge import judge
from wslab.protocol import build_frame


async def conversation() -> str:
    """Have it, and tell it."""

    async def handler(connection: ServerConnection) -> None:
        await connection.send("Hello client!")
        await (await connection.ping())
        async for message in connection:
            if message == "fail":
                raise ValueError("as asked")
            await connection.send(message)

    async with Lab(1, carrier="memory") as lab:
        await lab.serve(handler, compression="deflate")
        for compression in (None, "deflate"):
            async with lab.connect("/chat", compression=compression) as client:
                await client.recv()
                for message in ("Hello server!", b"\0" * 1000, "ğ" * 70_000):
                    await client.send(message)
                    assert await client.recv() == message
        client = await lab.connect()
        await client.send("fail")
        await client.wait_closed()
        raw = await lab.raw()
        await raw.handshake(headers={"Origin": "http://evil.example"})
        await raw.close()
        raw = await lab.raw()
        await raw.handshake()
        await raw.reset()
    lines = [repr(lab)]
    for record in lab.trace.records:
        lines.append(f"{record.connection} {record.sender.label} {record.offset} {record.summary}")
    for chunk in lab.trace.chunks:
        lines.append(str(tuple(chunk)[1:]))
    for number in range(5):
        for sender in Sender:
            lines.append(lab.trace.bytes_sent(number, sender).hex())
    lines.append(str(lab.trace.explain(2)))
    lines.append(str(judge(build_frame("Hello", mask=b"abcd", length_form=16))))
    unwanted = {"anywidget", "ipywidgets", "IPython", "nest_asyncio2"} & set(sys.modules)
    lines.append(f"loaded: {sorted(unwanted) if sys.platform == 'emscripten' else []}")
    return "\n".join(lines)


async def main() -> int:
    """What run.mjs calls."""
    sys.stdout.write(await conversation() + "\n")
    return 0
