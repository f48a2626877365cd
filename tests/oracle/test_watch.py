"""``wslab watch`` changes no byte when nothing is bent: dumpcap on both sides of it sees the same streams."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from capture import capturing, read_capture
from jupyter_process import jupyter_process
from peers import node_client, node_server
from terminal import watch
from websockets.sync.client import connect

from wslab import Trace
from wslab.anatomy.field import Sender

pytestmark = [pytest.mark.oracle, pytest.mark.slow]
CLIENT, SERVER = Sender
Streams = list[tuple[bytes, bytes]]


@contextmanager
def watched(port: int, tmp_path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The port of a ``wslab watch`` in front of ``port``, and what crossed on both sides of it, when it is over."""
    near, far, saved = (tmp_path / name for name in ("near.pcapng", "far.pcapng", "talk.wslab"))
    crossed: dict[str, Any] = {}
    with watch(f"http://127.0.0.1:{port}/", "--save", str(saved)) as relay:
        own = int(urlsplit(relay.address).port or 0)
        with capturing(own, near), capturing(port, far):
            yield own, crossed
        assert relay.interrupt()[0] == 0
    crossed["near"], crossed["far"] = _streams(near, own), _streams(far, port)
    trace = Trace.load(saved)
    crossed["recorded"] = sorted(
        (trace.bytes_sent(each, CLIENT), trace.bytes_sent(each, SERVER)) for each in trace.connections
    )


def _streams(path: Path, port: int) -> Streams:
    """What the client and the server of each TCP connection sent, according to tshark."""
    return sorted((each[CLIENT].stream, each[SERVER].stream) for each in read_capture(path, port))


def test_in_front_of_node_s_ws(tmp_path: Path) -> None:
    echoed = ["Hello server!", "", "Straße 🙂", "x" * 126, "y" * 70_000]
    actions: list[list[Any]] = [["text", text] for text in [*echoed, "please ping hello", "please fragments a b c"]]
    actions += [["messages", 1 + len(echoed) + 1], ["close", 4001, "bye"]]
    with node_server(deflate=True) as port, watched(port, tmp_path) as (own, crossed):
        plans = [{"perMessageDeflate": False}, {"perMessageDeflate": True}, {"perMessageDeflate": True}]
        with ThreadPoolExecutor() as several:
            done = list(several.map(lambda plan: node_client(own, actions, **plan), plans))
        assert all(any(event.get("code") == 4001 for event in events) for events in done), done
    assert len(crossed["near"]) == 3
    assert crossed["near"] == crossed["far"] == crossed["recorded"]
    assert all(b"Host: 127.0.0.1:%d\r\n" % own in client for client, _ in crossed["far"])


def test_in_front_of_a_real_jupyter_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with jupyter_process("jupyter_server", home) as server:
        parts = urlsplit(server.url)
        port, token = int(parts.port or 0), {"Authorization": f"token {server.token}"}
        with watched(port, tmp_path) as (own, crossed):
            with closing(http.client.HTTPConnection("127.0.0.1", own, timeout=30)) as connection:
                connection.request("GET", parts.path + "api/status", headers=token)
                assert "kernels" in json.load(connection.getresponse())
                connection.request("POST", parts.path + "api/kernels", body=b"{}", headers=token)
                kernel = json.load(connection.getresponse())["id"]
            uri = f"ws://127.0.0.1:{own}{parts.path}api/kernels/{kernel}/channels"
            own_protocol: Any = ["v1.kernel.websocket.jupyter.org"]
            with connect(uri, subprotocols=own_protocol, additional_headers=token, proxy=None, max_size=None) as socket:
                assert socket.subprotocol == own_protocol[0]
                socket.send(_kernel_info())
                while b"kernel_info_reply" not in (message := socket.recv(30)):  # type: ignore[operator]
                    assert message
    # The page's other requests pass as they are too, and are no part of the recording.
    assert crossed["near"] == crossed["far"]
    assert len(crossed["near"]) == 2
    (talk,) = [each for each in crossed["near"] if b"Upgrade: websocket" in each[0]]
    (recorded,) = crossed["recorded"]
    for wire, kept in zip(talk, recorded, strict=True):
        assert len(wire) == len(kept)
        # A saved trace withholds tokens and cookies.
        assert {
            (one, other) for one, other in zip(wire, kept, strict=True) if one != other and other != ord("*")
        } == set()
        assert wire.partition(b"\r\n\r\n")[2] == kept.partition(b"\r\n\r\n")[2]


def _kernel_info() -> bytes:
    """A message in Jupyter's own framing: how many parts, where each begins, then channel, header, ... (all JSON)."""
    header = {"msg_id": "1", "msg_type": "kernel_info_request", "session": "s", "username": "", "version": "5.4"}
    parts = [b"shell", json.dumps({**header, "date": "2026-01-01T00:00:00Z"}).encode(), b"{}", b"{}", b"{}"]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return b"".join(number.to_bytes(8, "little") for number in (len(offsets), *offsets)) + b"".join(parts)
