"""What an eavesdropper sees, by dumpcap and tshark, against what is noted below TLS at the lab's own end."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from capture import PATIENCE, capturing

from wslab.anatomy.field import Sender
from wslab.live import Lab, NodeMissing
from wslab.live.node import package as node
from wslab.live.tls.eavesdropping import Eavesdropped
from wslab.live.tls.records import CONTENT_TYPES, VERSIONS, version_name

pytestmark = pytest.mark.oracle

CLIENT = """
const ws = require('ws');
const clientSocket = new ws(process.argv[1], { ALPNProtocols: ['http/1.1'], perMessageDeflate: false });
clientSocket.on('open', () => clientSocket.send('x'.repeat(100000)));
clientSocket.on('message', (data) => { console.log(data.length); clientSocket.close(4001, 'bye'); });
clientSocket.on('error', (error) => console.log(`error ${error.message}`));
"""


def tshark(path: Path, port: int, *fields: str) -> list[list[list[str]]]:
    """The values of these fields in each packet of TLS that tshark finds, in order."""
    program = shutil.which("tshark") or pytest.skip("tshark is not installed")
    options = [option for field in fields for option in ("-e", field)]
    command = [
        program, "-n", "-r", str(path), "-d", f"tcp.port=={port},tls", "-Y", "tls", "-T", "json", *options,
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE * 3)
    packets = [packet["_source"]["layers"] for packet in json.loads(done.stdout or "[]")]
    return [[packet.get(field, []) for field in fields] for packet in packets]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Eavesdropped, Path, int]:
    """Node's ws and a lab's server over TLS, tapped by dumpcap on the way."""
    try:
        node.program()
    except NodeMissing as missing:
        pytest.skip(str(missing))
    path = tmp_path_factory.mktemp("tls") / "capture.pcapng"

    async def main() -> tuple[Eavesdropped, int]:
        async with Lab() as lab:
            server = await lab.serve(tls=True)
            with capturing(server.port, path):
                client = await lab.node(CLIENT, to=server)
                await client.wait_for("100000", timeout=PATIENCE)
                await client.wait_closed(timeout=PATIENCE)
                while lab.eavesdropped().ciphertext.connection is None or lab.trace.closings(0) == {}:
                    await asyncio.sleep(0.01)
            return lab.eavesdropped(), server.port

    eavesdropped, port = asyncio.run(main())
    return eavesdropped, path, port


def test_the_records_are_tsharks(seen: tuple[Eavesdropped, Path, int]) -> None:
    eavesdropped, path, port = seen
    found: dict[Sender, list[int]] = {sender: [] for sender in Sender}
    for [source], lengths in tshark(path, port, "tcp.srcport", "tls.record.length"):
        found[Sender(source == str(port))] += map(int, lengths)
    for sender in Sender:
        lengths_seen = [each.length for each in eavesdropped.records if each.sender is sender]
        assert lengths_seen == eavesdropped.lengths[sender] == found[sender]
        assert len(lengths_seen) > 8


def test_the_hellos_are_tsharks(seen: tuple[Eavesdropped, Path, int]) -> None:
    eavesdropped, path, port = seen
    names = ("sni", "alpn", "versions", "suites", "chosen")
    fields = (
        "tls.handshake.extensions_server_name", "tls.handshake.extensions_alpn_str",
        "tls.handshake.extensions.supported_version", "tls.handshake.ciphersuite", "tls.handshake.type",
    )  # fmt: skip
    packets = [packet for packet in tshark(path, port, *fields) if packet[4][:1] in (["1"], ["2"])]
    hellos = [dict(zip(names, packet, strict=True)) for packet in packets]
    asked, chosen = eavesdropped.client_hello, eavesdropped.server_hello
    assert asked is not None
    assert chosen is not None
    assert [asked.server_name] == hellos[0]["sni"] == ["localhost"]
    assert [*asked.protocols] == hellos[0]["alpn"] == ["http/1.1"]
    assert [*asked.versions] == [int(each, 16) for each in hellos[0]["versions"]]
    assert [*asked.cipher_suites] == [int(each, 16) for each in hellos[0]["suites"]]
    assert [*chosen.versions] == [int(each, 16) for each in hellos[1]["versions"]]
    assert [*chosen.cipher_suites] == [int(each, 16) for each in hellos[1]["suites"]]
    assert version_name(chosen.versions[0]) in VERSIONS.values()


def test_the_bytes_are_those_that_crossed(seen: tuple[Eavesdropped, Path, int]) -> None:
    """Every record that was kept, byte for byte, in the TCP streams that tshark follows; and no word of the ends'."""
    eavesdropped, path, port = seen
    program = shutil.which("tshark") or pytest.skip("tshark is not installed")
    command = [program, "-n", "-q", "-r", str(path), "-z", "follow,tcp,raw,0"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE * 3)
    lines = done.stdout.splitlines()
    first_is_server = next(line for line in lines if line.startswith("Node 0:")).endswith(f":{port}")
    streams = dict.fromkeys(Sender, b"")
    for line in lines:
        if line.strip() and not line.startswith(("=", "Follow", "Filter", "Node")):
            streams[Sender(first_is_server != line.startswith("\t"))] += bytes.fromhex(line.strip())
    for sender in Sender:
        assert b"".join(each.record.data for each in eavesdropped.records if each.sender is sender) == streams[sender]
        assert b"GET /" not in streams[sender]
        assert b"xxxxxxxx" not in streams[sender]
    assert {each.record.content_type for each in eavesdropped.records} <= set(CONTENT_TYPES)
