"""Holds dissection to tshark's, field by field and bit by bit, on captures of other people's endpoints.

The bytes come from the capture itself: tshark follows the TCP stream, and both dissect what it found.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from capture import Direction, Part, SharkFrame, capturing, read_capture
from peers import node_client, node_server
from terminal import wslab_echo
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from wslab import build_close, build_frame, dissect
from wslab.anatomy.explanation import Explanation
from wslab.anatomy.field import Sender
from wslab.protocol.frame import Frame
from wslab.protocol.handshake import build_request

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(180)]

LENGTHS = (0, 1, 125, 126, 65535, 65536)

# tshark's name of a field, and ours. RSV is one field of three bits there.
NAMES = {
    "fin": ("FIN",),
    "rsv": ("RSV1", "RSV2", "RSV3"),
    "opcode": ("opcode",),
    "mask": ("MASK",),
    "payload_length": ("Payload len",),
    "payload_length_ext_16": ("Extended payload length",),
    "payload_length_ext_64": ("Extended payload length",),
    "masking_key": ("Masking-key",),
}

# What websockets is told, and what Node's ws is told.
COMPRESSION: dict[str, tuple[Any, bool | Mapping[str, Any]]] = {
    "none": (None, False),
    "context takeover": ("deflate", {"threshold": 0}),
    "no context takeover": (
        ClientPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True),
        {"threshold": 0, "serverNoContextTakeover": True, "clientNoContextTakeover": True},
    ),
    "server forgets": (
        ClientPerMessageDeflateFactory(server_no_context_takeover=True),
        {"threshold": 0, "serverNoContextTakeover": True},
    ),
    "client forgets, small windows": (
        ClientPerMessageDeflateFactory(client_no_context_takeover=True, client_max_window_bits=9),
        {"threshold": 0, "clientNoContextTakeover": True, "serverMaxWindowBits": 10},
    ),
}


def compare(capture: dict[Sender, Direction]) -> dict[Sender, list[Frame]]:
    """Assert that we see in both streams what tshark sees; our frames of each direction."""
    dissection = dissect(capture[Sender.CLIENT].stream, capture[Sender.SERVER].stream)
    mine = {sender: [frame for frame in dissection.frames if frame.sender is sender] for sender in Sender}
    for sender, theirs in capture.items():
        (head,) = [head for head in dissection.heads if head.sender is sender]
        assert [head.start_line, *(f"{name}: {value}" for name, value in head.headers)] == theirs.head
        # strict: a frame that only one of the two sees is a difference.
        offset = len(head.data)
        for frame, shark in zip(mine[sender], theirs.frames, strict=True):
            assert frame.offset == offset
            compare_frame(frame, shark)
            offset += frame.header_length + frame.payload_length
    compare_messages(dissection.messages, capture)
    return mine


def compare_frame(frame: Frame, shark: SharkFrame) -> None:
    explanation = frame.explain()
    parts = shark.parts
    for name in parts.keys() & NAMES.keys():
        compare_part(explanation, NAMES[name], parts[name])
    assert frame.header_length * 8 == max(part.start + part.width for name, part in parts.items() if name in NAMES)
    length = parts.get("payload_length_ext_16") or parts.get("payload_length_ext_64") or parts["payload_length"]
    assert frame.payload_length == int.from_bytes(length.data, "big")
    assert (frame.masking_key or b"") == (parts["masking_key"].data if "masking_key" in parts else b"")
    if "payload" in parts:
        crossed = parts["masked_payload" if frame.mask else "payload"]
        assert frame.payload == crossed.data
        assert crossed.start == frame.header_length * 8
    if "masked_payload" in parts and frame.payload_length:
        assert frame.data == parts["payload"].data
    for kind in ("ping", "pong"):
        if f"payload.{kind}" in parts:
            assert frame.data == parts[f"payload.{kind}"].data
    if "payload.close.status_code" in parts:
        assert frame.status_code == int.from_bytes(parts["payload.close.status_code"].data, "big")
        reason = parts["payload.close.reason"].data if "payload.close.reason" in parts else b""
        assert frame.close_reason == reason.decode(errors="replace")


def compare_part(explanation: Explanation, names: tuple[str, ...], part: Part) -> None:
    """The same bits in the same place, whatever the two call them."""
    fields = [explanation[name] for name in names]
    assert fields[0].start == part.start, names
    assert sum(field.width for field in fields) == part.width, names
    bits = "".join(field.bits for field in fields)
    assert int(bits, 2) == int.from_bytes(part.data, "big"), names


def compare_messages(messages: Any, capture: dict[Sender, Direction]) -> None:
    """tshark inflates with the connection's context too, until a compressed message comes in fragments.

    It takes that message's end for uncompressed and loses the context; and it mixes up the fragments of both
    directions. What was in such messages is known to the endpoints, see ``SAID``.
    """
    lost = set()
    for message in messages:
        frame = capture[message.sender].frames[message.last_frame]
        theirs = frame.parts["payload.text"].data if "payload.text" in frame.parts else frame.body
        if message.first_frame != message.last_frame:
            lost.add(message.sender)
        compressed = frame.parts["rsv"].data == b"\x04"
        if theirs is None or message.violations or (message.sender in lost and (compressed or not frame_begins(frame))):
            continue
        # An empty compressed message is one byte 00 (RFC 7692 7.2.3.6), which tshark leaves as it crossed.
        assert message.data == (b"" if compressed and theirs == b"\x00" else theirs)


def frame_begins(shark: SharkFrame) -> bool:
    """Whether a frame begins a message."""
    return shark.parts["opcode"].data != b"\x00"


def sample(length: int) -> str:
    """Text of that many ASCII characters, always the same, that compresses a little."""
    return "".join(random.Random(length).choices("websocket ", k=length))


WORDS = "three times the same message, three times the same message"
# What each endpoint says in ``talk``, message by message.
SAID: dict[Sender, list[str | bytes]] = {
    Sender.CLIENT: [
        *(said for length in LENGTHS for said in (sample(length), random.Random(length).randbytes(length))),
        *[WORDS] * 3,
        "please ping and-you",
        "Hello ş",
        b"\x00\x01\x02",
        "please fragments one two three",
    ],
}
SAID[Sender.SERVER] = ["Hello client!", *SAID[Sender.CLIENT], "onetwothree"]
for asked in ("please ping and-you", "please fragments one two three"):
    SAID[Sender.SERVER].remove(asked)


async def talk(ws: ClientConnection) -> None:
    """Every kind of frame, both ways, each length form; Node's server answers."""
    received = [await ws.recv()]
    fragmented: dict[str | bytes, Any] = {"Hello ş": interrupted(ws), b"\x00\x01\x02": [b"\x00\x01", b"", b"\x02"]}
    for said in SAID[Sender.CLIENT]:
        await ws.send(fragmented.get(said, said))
        if said != "please ping and-you":
            received.append(await ws.recv())
    await (await ws.ping("are you there"))
    assert received == SAID[Sender.SERVER]


async def interrupted(ws: ClientConnection) -> AsyncIterator[str]:
    """A message in three fragments with a ping between them (RFC 6455 5.4)."""
    yield "Hel"
    await ws.ping("in between")
    yield "lo "
    yield "ş"


def capture_python_client(
    folder: Path, runs: Iterable[Callable[[ClientConnection], Awaitable[None]]], compression: str = "none"
) -> list[dict[Sender, Direction]]:
    """What crosses when a websockets client does each of ``runs`` with Node's server, on a connection of its own."""
    ours, theirs = COMPRESSION[compression]
    path = folder / "capture.pcapng"

    async def client(port: int) -> None:
        kwargs: dict[str, Any] = {"compression": ours}
        if isinstance(ours, ClientPerMessageDeflateFactory):
            kwargs = {"compression": None, "extensions": [ours]}
        for run in runs:
            uri = f"ws://127.0.0.1:{port}/"
            async with connect(uri, ping_interval=None, close_timeout=5, **kwargs) as ws:
                await run(ws)

    with node_server(theirs) as port, capturing(port, path):
        asyncio.run(client(port))
    return read_capture(path, port)


@pytest.mark.parametrize("compression", COMPRESSION)
def test_python_client_with_node_server(tmp_path: Path, compression: str) -> None:
    (capture,) = capture_python_client(tmp_path, [talk], compression)
    frames = compare(capture)
    messages = dissect(*(capture[sender].stream for sender in Sender)).messages
    for sender, said in SAID.items():
        texts = [text.encode() if isinstance(text, str) else text for text in said]
        assert [message.data for message in messages if message.sender is sender] == texts
    opcodes = {frame.opcode for both in frames.values() for frame in both}
    assert opcodes == {0x0, 0x1, 0x2, 0x8, 0x9, 0xA}
    assert any(frame.rsv1 for frame in frames[Sender.SERVER]) is (compression != "none")


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_node_client_with_wslab_server(tmp_path: Path, deflate: bool) -> None:
    path = tmp_path / "capture.pcapng"
    big = random.Random(1).randbytes(70_000).hex()
    actions: list[list[Any]] = [
        ["text", "Hello server!"],
        ["binary", big],
        ["text", "a frag", {"fin": False}],
        ["ping", "between"],
        ["text", "ment"],
        ["text", sample(126)],
        ["text", sample(126)],
        ["messages", 5],
        ["close", 4001, "go’s done"],
    ]
    with wslab_echo(*(["--compression"] if deflate else [])) as echo, capturing(echo.port, path):
        report = node_client(echo.port, actions, perMessageDeflate={"threshold": 0} if deflate else False)
    assert report[-1] == {"code": 4001, "reason": "go’s done"}
    (capture,) = read_capture(path, echo.port)
    frames = compare(capture)
    assert any(frame.rsv1 for frame in frames[Sender.SERVER]) is deflate
    assert frames[Sender.CLIENT][-1].close_reason == "go’s done"


async def empty_close(ws: ClientConnection) -> None:
    await ws.recv()
    await ws.send("please close")
    with pytest.raises(ConnectionClosed):
        await ws.recv()


async def server_closes(ws: ClientConnection) -> None:
    await ws.recv()
    await ws.send("please close 1001 moving")
    with pytest.raises(ConnectionClosed):
        await ws.recv()


async def private_code(ws: ClientConnection) -> None:
    await ws.recv()
    await ws.close(4999, "ş" * 61)


async def ordinary_close(ws: ClientConnection) -> None:
    await ws.recv()
    await ws.close(1000, "bye")


async def reset_by_server(ws: ClientConnection) -> None:
    await ws.recv()
    await ws.send("please reset")
    with pytest.raises(ConnectionClosed):
        await ws.recv()


WAYS_TO_END: dict[Callable[[ClientConnection], Awaitable[None]], list[int | None]] = {
    empty_close: [None, None],
    server_closes: [1001, 1001],
    private_code: [4999, 4999],
    ordinary_close: [1000, 1000],
    reset_by_server: [],
}


def test_ways_to_end(tmp_path: Path) -> None:
    captures = capture_python_client(tmp_path, WAYS_TO_END)
    for capture, codes in zip(captures, WAYS_TO_END.values(), strict=True):
        closes = [frame for both in compare(capture).values() for frame in both if frame.opcode == 0x8]
        assert [frame.status_code for frame in closes] == codes


KEY = bytes.fromhex("37fa213d")
RAW = {
    "a close body of one byte": build_frame(b"\x03", opcode=8, mask=KEY),
    "a code that never crosses": build_close(1006, mask=KEY),
    "a close reason that is no UTF-8": build_frame(b"\x03\xe8\xff", opcode=8, mask=KEY),
    "no mask": build_frame("Hello"),
    "RSV bits": build_frame("Hello", rsv1=True, rsv2=True, rsv3=True, mask=KEY),
    "a reserved opcode": build_frame("Hello", opcode=3, mask=KEY),
    "a reserved control opcode": build_frame("Hello", opcode=15, mask=KEY),
    "a length not in its shortest form": build_frame("Hello", length_form=16, mask=KEY),
    "nor here": build_frame("Hello", length_form=64, mask=KEY),
    "a ping in fragments": build_frame("Hel", opcode=9, fin=False, mask=KEY),
    "a ping of 126 bytes": build_frame(bytes(126), opcode=9, mask=KEY),
    "a CONTINUATION from nowhere": build_frame("Hello", opcode=0, mask=KEY),
    "a message inside a message": build_frame("Hel", fin=False, mask=KEY) + build_frame("Hello", mask=KEY),
    "half a character": build_frame("ş".encode()[:1], mask=KEY),
    "a mask of zeros": build_frame("Hello", mask=bytes(4)),
    "data after close": build_close(1000, "bye", mask=KEY) + build_frame("still here", mask=KEY),
    "a frame and half of another": build_frame("Hello", mask=KEY) + build_frame("Hello", mask=KEY)[:7],
}


@pytest.fixture(scope="module")
def raw_captures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[Sender, Direction]]:
    """What no library would send, each on a connection of its own that ends with RST; Node's answers too."""
    path = tmp_path_factory.mktemp("raw") / "capture.pcapng"
    with node_server() as port, capturing(port, path):
        for data in RAW.values():
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(build_request(host=f"127.0.0.1:{port}"))
                received = b""
                while b"Hello client!" not in received:
                    received += client.recv(65536)
                client.sendall(data)
                client.recv(65536)  # the server's verdict, or its echo
                # Lingering for no time at all turns a close into a reset.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return dict(zip(RAW, read_capture(path, port), strict=True))


@pytest.mark.parametrize("name", RAW)
def test_raw_bytes_and_a_reset(raw_captures: dict[str, dict[Sender, Direction]], name: str) -> None:
    capture = raw_captures[name]
    assert capture[Sender.CLIENT].stream.endswith(RAW[name])
    assert compare(capture)[Sender.CLIENT]


@pytest.mark.parametrize("place", range(11))
def test_the_comparison_notices_every_byte(raw_captures: dict[str, dict[Sender, Direction]], place: int) -> None:
    """Had we read another byte than tshark anywhere in a frame, it would show: here is one that we did."""
    name = "a mask of zeros"
    capture = raw_captures[name]
    stream = bytearray(capture[Sender.CLIENT].stream)
    stream[place - len(RAW[name])] ^= 0b00000100
    altered = {**capture, Sender.CLIENT: replace(capture[Sender.CLIENT], stream=bytes(stream))}
    with pytest.raises((AssertionError, ValueError)):
        compare(altered)
