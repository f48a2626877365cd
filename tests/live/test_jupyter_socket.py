"""Jupyter's own messages: read as jupyter_server writes them, harmless whatever they are, and met in a real kernel."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jupyter_process import ALONE, JupyterServer, jupyter_process
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from websockets.asyncio.client import ClientConnection, connect

from wslab.anatomy.field import Sender
from wslab.drawing.visible import shows
from wslab.live.jupyter import jupyter_socket
from wslab.live.jupyter.jupyter_socket import SUBPROTOCOL, JupyterMessage, NoJupyter, encode
from wslab.live.lab import Lab

Run = Callable[[Any], Any]

HEADER = {
    "msg_id": "5b2f8a7e-7f1f4f7a9a1b2c3d4e5f6071_4242_7",
    "msg_type": "status",
    "session": "5b2f8a7e-7f1f4f7a9a1b2c3d4e5f6071",
    "username": "ann",
    "date": "2026-11-22T18:40:01.123456Z",
    "version": "5.3",
}
PARENT = {**HEADER, "msg_type": "execute_request"}


def written(*buffers: bytes, channel: str = "iopub", content: Any = None, header: Any = HEADER) -> bytes:
    """A message as the Jupyter server puts it together."""
    parts = [json.dumps(part).encode() for part in (header, PARENT, {}, content or {"execution_state": "busy"})]
    return bytes(serialize_msg_to_ws_v1([*parts, *buffers], channel))


def test_a_message_reads_as_jupyter_wrote_it() -> None:
    message = JupyterMessage(written(b"\x00\x01", b"", b"\xff" * 10), Sender.SERVER)
    assert message.problem == ""
    assert message.channel == "iopub"
    assert message.type == "status"
    assert message.header == HEADER
    assert message.parent_header == PARENT
    assert message.metadata == {}
    assert message.content == {"execution_state": "busy"}
    assert message.buffers == (b"\x00\x01", b"", b"\xff" * 10)


@pytest.mark.lengthy
@given(
    st.sampled_from(["shell", "control", "stdin"]),
    st.text(),
    st.dictionaries(st.text(), st.text()),
    st.lists(st.binary()),
)
def test_jupyter_reads_what_is_encoded(channel: str, kind: str, content: dict[str, str], buffers: list[bytes]) -> None:
    data = encode(channel, kind, content, *buffers)
    read_channel, parts = deserialize_msg_from_ws_v1(data)
    assert read_channel == channel
    assert json.loads(parts[0])["msg_type"] == kind
    assert json.loads(parts[3]) == content
    assert parts[4:] == buffers
    assert JupyterMessage(data).parts == (channel.encode(), *parts)


def test_its_text_is_steady_and_explains_each_part() -> None:
    content = {"comm_id": "0123456789abcdef0123456789abcdef", "data": "one\n", "version": "9.18.1"}
    assert (
        str(JupyterMessage(written(b"abc", content=content), Sender.SERVER))
        == """\
■ kernel to page, iopub: status
    offsets        7 numbers of 8 bytes
                   where each part begins and the last ends
    channel        iopub
                   what the kernel tells everybody: it is busy, a cell printed, a result
    header         msg_id, msg_type, session, username, date, version
                   which message this is, of what kind, who sends it, and when
    parent header  msg_id, msg_type, session, username, date, version
                   the header of the execute_request that it answers
    metadata       {}
                   nothing is said about the content
    content        {"comm_id": "ID", "data": "one\\n", "version": "VERSION"}
                   what is said; what is in it depends on the kind
    buffer 0       3 bytes
                   bytes that JSON could not carry"""
    )


def test_two_messages_of_one_kind_have_one_text() -> None:
    first, second = (JupyterMessage(encode("control", "kernel_info_request")) for _ in range(2))
    assert first.header["msg_id"] != second.header["msg_id"]
    assert str(first) == str(second)


def test_an_answer_knows_its_question() -> None:
    question, other = JupyterMessage(encode("shell", "a")), JupyterMessage(encode("shell", "a"))
    answer = JupyterMessage(
        bytes(serialize_msg_to_ws_v1([b"{}", json.dumps(question.header).encode(), b"{}", b"{}"], "shell"))
    )
    assert answer.answers(question)
    assert not answer.answers(other)
    assert not JupyterMessage(b"").answers(JupyterMessage(b""))


def offsets(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in numbers)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "a message begins with a number of 8 bytes, and this has 0"),
        (b"\x06" * 7, "a message begins with a number of 8 bytes, and this has 7"),
        (offsets(0), "it says that it has 0 offsets; 5 parts and an end need 6"),
        (offsets(5, 1, 2, 3, 4, 5), "it says that it has 5 offsets"),
        (offsets(2**64 - 1), "it says that it has 18446744073709551615 offsets, and ends after 0"),
        (offsets(6, 56, 56, 56), "it says that it has 6 offsets, and ends after 3"),
        (offsets(6, 8, 56, 56, 56, 56, 56), "before byte 56"),
        (offsets(6, 56, 60, 57, 60, 60, 60) + b"four", "a part begins or ends at byte 57, before byte 60"),
        (offsets(6, 56, 56, 56, 56, 56, 2**63) + b"four", "beyond the message's end"),
    ],
)
def test_a_message_that_lies_is_told_so(data: bytes, problem: str) -> None:
    message = JupyterMessage(data)
    assert problem in message.problem
    assert (message.channel, message.header, message.buffers, message.type) == ("", {}, (), "")
    assert str(message) == f"message: cannot be read: {message.problem}"


@given(st.one_of(st.binary(), st.binary().map(lambda tail: offsets(6, 56, 57, 58, 59, 60, 61) + tail)))
@example(written(channel="\x1b[31m\u202e", header={"msg_type": "\x1b]0;\u202e"}, content={"\x1b": "\u202e"}))
@example(written(header=[1, 2]))
@example(written(header="x"))
@example(written(content=json.loads("[" * 300 + "]" * 300)))
@example(offsets(6, 56, 57, 58, 59, 60, 61) + b"\xff{[1\x1b")
def test_any_bytes_are_read_without_harm(data: bytes) -> None:
    for sender in (None, *Sender):
        message = JupyterMessage(data, sender)
        assert all(shows(line) for line in str(message).split("\n"))
        assert isinstance(message.header, dict)


def test_the_binary_messages_of_a_recording_are_read(run: Run) -> None:
    async def main() -> None:
        async with Lab(seed=1, carrier="memory") as lab:
            await lab.serve(subprotocols=[SUBPROTOCOL])  # type: ignore[list-item]
            async with lab.connect(subprotocols=[SUBPROTOCOL]) as client:  # type: ignore[list-item]
                data = encode("control", "kernel_info_request")
                await client.send("text is of an older protocol")
                await client.send([data[:20], data[20:]])
                await client.recv()
                await client.recv()
            read = jupyter_socket.read(lab.trace)
            assert [(message.sender, message.data) for message in read] == [
                (Sender.CLIENT, data),
                (Sender.SERVER, data),
            ]

    run(main())


def test_outside_a_kernel_it_says_so() -> None:
    with pytest.raises(NoJupyter, match="in no Jupyter kernel: run it in a notebook's cell"):
        jupyter_socket.here()


# The recipe: a cell watches its own kernel's socket through a relay.
RECIPE = """
from wslab import Lab
from wslab.live.jupyter import jupyter_socket

lab = Lab()
here = jupyter_socket.here()
relay = await lab.relay(to=here.uri)
question = jupyter_socket.JupyterMessage(jupyter_socket.encode("control", "kernel_info_request"))
async with lab.connect(
    relay.uri, subprotocols=[jupyter_socket.SUBPROTOCOL], additional_headers=here.headers, max_size=None
) as socket:
    await socket.send(question.data)
    async for data in socket:
        answer = jupyter_socket.JupyterMessage(data)
        if answer.channel == "control" and answer.answers(question):
            break
for message in jupyter_socket.read(relay.trace):
    if message.channel == "control":
        print(message)
print(repr(here), here.token in repr(relay.trace), here.token in str(relay.trace.explain(0)))
await lab.close()
"""


async def execute(socket: ClientConnection, code: str) -> str:
    """What a cell printed, or how it failed."""
    request = JupyterMessage(
        encode("shell", "execute_request", {"code": code, "silent": False, "store_history": False})
    )
    await socket.send(request.data)
    printed = ""
    async for data in socket:
        assert isinstance(data, bytes)
        message = JupyterMessage(data)
        if message.answers(request):
            match message.type:
                case "stream":
                    printed += message.content["text"]
                case "error":
                    printed += message.content["evalue"]
                case "status" if message.content["execution_state"] == "idle":
                    return printed
    raise AssertionError("the socket was closed")


def start_kernel(server: JupyterServer) -> str:
    request = urllib.request.Request(
        f"{server.url}api/kernels", method="POST", data=b"{}", headers={"Authorization": f"token {server.token}"}
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["id"])


@pytest.mark.slow
def test_a_cell_reads_its_own_kernels_socket_through_a_relay(tmp_path: Path) -> None:
    async def main(server: JupyterServer) -> None:
        uri = f"ws{server.url[4:]}api/kernels/{start_kernel(server)}/channels"
        headers = {"Authorization": f"token {server.token}"}
        async with asyncio.timeout(60):
            async with connect(uri, subprotocols=[SUBPROTOCOL], additional_headers=headers, proxy=None) as socket:  # type: ignore[list-item]
                assert socket.subprotocol == SUBPROTOCOL
                printed = await execute(socket, RECIPE)
        assert printed.startswith("● page to kernel, control: kernel_info_request\n")
        assert "\n■ kernel to page, control: kernel_info_reply\n" in printed
        assert '"implementation": "ipython", "implementation_version": "VERSION"' in printed
        assert printed.endswith("<KernelSocket> False False\n")

    with jupyter_process("jupyter_server", tmp_path, ALONE, "--ServerApp.base_url=/x/") as server:
        asyncio.run(main(server))
