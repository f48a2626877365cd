"""Capture files against tshark, which reads what we write, and whose reading of others' captures ours must equal."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dpkt
import pytest
from capture import Direction, capturing, read_capture
from packets import LINKS, STREAMS, Talk, enhanced, ethernet, greeting, interface, jumbled, pcap, section
from test_tshark import RAW, SAID, capture_python_client, compare, compare_frame, talk
from websockets.asyncio.client import connect

from wslab import Lab, build_close, build_frame
from wslab.anatomy.field import Sender
from wslab.protocol import build_request, build_response
from wslab.recording.trace import Trace

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(180)]

CLIENT, SERVER = Sender
COMPLAINTS = (
    "_ws.malformed",
    "tcp.analysis.flags",
    "tcp.checksum.status == 0",
    "ip.checksum.status == 0",
    "_ws.expert.severity >= 6291456 && !tcp.flags.reset == 1",  # a warning or an error; a RST is one by itself
)


def tshark(path: Path, *arguments: str) -> list[str]:
    """The lines that tshark prints."""
    program = shutil.which("tshark") or pytest.skip("tshark is not installed")
    check = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    command = [program, "-n", "-r", str(path), *check, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()


def assert_clean(path: Path) -> None:
    """No malformed packet, wrong checksum, or odd sequence number, and no warning but a RST's."""
    assert tshark(path, "-Y", " || ".join(f"({complaint})" for complaint in COMPLAINTS)) == []


def assert_same(trace: Trace, connection: int, capture: dict[Sender, Direction]) -> None:
    """Streams, heads and frames of one connection as tshark sees them."""
    for sender, theirs in capture.items():
        assert theirs.stream == trace.bytes_sent(connection, sender)
        mine = [
            trace.frame(record.number)
            for record in trace.connection(connection)
            if record.kind.name == "FRAME" and record.sender is sender
        ]
        for frame, shark in zip(mine, theirs.frames, strict=True):
            compare_frame(frame, shark)


def odd_trace() -> Trace:
    """Conversations with everything that is hard to write as TCP."""
    trace = Trace()
    for number, data in enumerate(RAW.values()):
        client, server = trace.join(CLIENT, number), trace.join(SERVER, number)
        for writer, reader, said in (
            (client, server, build_request()),
            (server, client, build_response()),
            (client, server, data),
        ):
            writer.sent(said)
            for at in range(0, len(said), 50):
                reader.received(said[at : at + 50])
        if number % 3 == 0:
            server.reset_sent()
            client.reset_received()
        elif number % 3 == 1:
            server.fin_sent()
            client.fin_received()
            client.sent(build_close(1001, mask=b"abcd"))
            client.fin_sent()
    big = trace.join(SERVER, "outside")
    big.received(build_request())
    big.sent(build_response())
    big.sent(build_frame(random.Random(1).randbytes(200_000), opcode=2))
    big.received(build_frame("thanks", mask=b"abcd"))
    big.fin_received()
    big.fin_sent()
    return trace


def test_own_export_of_odd_things(tmp_path: Path) -> None:
    trace = odd_trace()
    trace.to_pcapng(tmp_path / "own.pcapng")
    assert_clean(tmp_path / "own.pcapng")
    captures = read_capture(tmp_path / "own.pcapng", 80)
    for connection, capture in zip(trace.connections, captures, strict=True):
        assert_same(trace, connection, capture)


def test_the_complaints_are_noticed(tmp_path: Path) -> None:
    """One byte changed anywhere in a packet, or a packet left out, and the check above would say so."""
    talk = greeting()
    good = tmp_path / "good.pcap"
    good.write_bytes(pcap(talk.packets))
    assert_clean(good)
    time, packet = talk.packets[5]
    for name, packets in {
        "checksum": [*talk.packets[:5], (time, packet[:-1] + b"?"), *talk.packets[6:]],
        "sequence": [*talk.packets[:5], *talk.packets[6:]],
    }.items():
        bad = tmp_path / f"{name}.pcap"
        bad.write_bytes(pcap(packets))
        with pytest.raises(AssertionError):
            assert_clean(bad)


def test_real_traffic_exported_and_imported(tmp_path: Path) -> None:
    """A lab's own recording, dumpcap's capture of the same, and both through our files: four times the same."""
    path = tmp_path / "capture.pcapng"

    async def conversation() -> Trace:
        async with Lab(carrier="tcp") as lab:
            server = await lab.serve()
            ports.append(server.port)
            with capturing(server.port, path):
                for compression in (None, "deflate"):
                    async with await lab.connect(compression=compression) as ws:
                        for said in ("Hello server!", b"\x00" * 70_000, "ş" * 1000):
                            await ws.send(said)
                            assert await ws.recv() == said
                    await ws.wait_closed()
                await lab.settled()
        return lab.trace

    ports: list[int] = []
    trace = asyncio.run(conversation())
    trace.to_pcapng(tmp_path / "own.pcapng")
    assert_clean(tmp_path / "own.pcapng")
    captured = Trace.open(path)
    back = Trace.open(tmp_path / "own.pcapng")
    assert back.notes == ()
    assert [note.partition(" ")[2] for note in captured.notes] == [
        "packets left out: no TCP"
    ]  # the capture's own marks
    by_dumpcap = read_capture(path, ports[0])
    by_tshark = read_capture(tmp_path / "own.pcapng", 80)
    for connection in trace.connections:
        for other in (captured, back):
            for sender in Sender:
                assert other.bytes_sent(connection, sender) == trace.bytes_sent(connection, sender)
                assert other.messages_of(connection, sender) == trace.messages_of(connection, sender)
        for capture in (by_dumpcap[connection], by_tshark[connection]):
            assert_same(trace, connection, capture)
    assert captured.states(0) == trace.states(0)


@pytest.mark.parametrize("compression", ["none", "context takeover"])
def test_dumpcap_of_node_and_python(tmp_path: Path, compression: str) -> None:
    """Other people's endpoints; our reassembly gives tshark's streams, and their messages."""
    (capture,) = capture_python_client(tmp_path, [talk], compression)
    compare(capture)
    trace = Trace.open(tmp_path / "capture.pcapng")
    assert_same(trace, 0, capture)
    for sender, said in SAID.items():
        texts = [text.encode() if isinstance(text, str) else text for text in said]
        assert [message.data for message in trace.messages_of(0, sender)] == texts


def test_every_link_type_as_tshark_reads_it(tmp_path: Path) -> None:
    """All in one pcapng file, each on an interface of its own."""
    # 12 is no file's raw IP for Wireshark, and offloading is a matter of its settings.
    names = [name for name, (link, _) in LINKS.items() if link != 12 and name != "offloaded"]
    file = section() + b"".join(interface(LINKS[name][0]) for name in names)
    for number, name in enumerate(names):
        talk = Talk((b"\x0a\x00\x00\x01", 40_000 + number), begins=number).open().say().close()
        file += b"".join(enhanced(time, LINKS[name][1](packet), number) for time, packet in talk.packets)
    (tmp_path / "links.pcapng").write_bytes(file)
    trace = Trace.open(tmp_path / "links.pcapng")
    captures = read_capture(tmp_path / "links.pcapng", 80)
    assert trace.connections == list(range(len(names)))
    for connection, capture in zip(trace.connections, captures, strict=True):
        assert_same(trace, connection, capture)


def test_jumbled_segments_as_tshark_puts_them_together(tmp_path: Path) -> None:
    path = tmp_path / "jumbled.pcap"
    packets: list[Any] = []
    for seed in range(30):
        packets += jumbled(random.Random(seed), (b"\x0a\x00\x00\x01", 40_000 + seed))
    path.write_bytes(pcap(packets))
    trace = Trace.open(path)
    lines = tshark(path, "-q", *[part for n in range(30) for part in ("-z", f"follow,tcp,raw,{n}")])
    followed = _followed(lines)
    assert trace.connections == list(range(30))
    for connection in trace.connections:
        assert {sender: trace.bytes_sent(connection, sender) for sender in Sender} == STREAMS
        assert followed[connection] == STREAMS


def _followed(lines: list[str]) -> list[dict[Sender, bytes]]:
    found: list[dict[Sender, bytes]] = []
    for line in lines:
        if line.startswith("Filter:"):
            found.append(dict.fromkeys(Sender, b""))
        elif line.strip() and not line.startswith(("=", "Follow", "Node")):
            # The first end that tshark names is the one of lower address: the client, in these.
            found[-1][Sender(line.startswith("\t"))] += bytes.fromhex(line.strip())
    return found


def test_numbers_are_those_of_wireshark(tmp_path: Path) -> None:
    """A connection's number is tshark's tcp.stream, among others and with ports used again."""
    talks = [
        Talk((b"\x0a\0\0\x01", 50_001)).open().say([("c", b"EHLO"), ("s", b"250")]),
        greeting(),
        Talk((b"\x0a\0\0\x01", 50_002), begins=1).open(),
        Talk(isn=(77_777, 88_888), begins=2).open().say().close(),
    ]
    path = tmp_path / "many.pcap"
    path.write_bytes(pcap([packet for talk in talks for packet in talk.packets]))
    options = ["-Y", "websocket", "-T", "fields", "-e", "tcp.stream"]
    assert sorted({int(line) for line in tshark(path, *options)}) == Trace.open(path).connections == [1, 3]


def in_ip(data: bytes, protocol: int) -> bytes:
    outer = dpkt.ip.IP(src=b"\1\1\1\1", dst=b"\2\2\2\2", p=protocol, data=data)
    outer.len = len(outer)
    return bytes(outer)


def in_udp(data: bytes, port: int) -> bytes:
    return in_ip(bytes(dpkt.udp.UDP(sport=port, dport=port, ulen=8 + len(data), data=data)), 17)


def in_pieces(packet: bytes) -> list[bytes]:
    """An IP packet as two fragments."""
    first, last = packet[20:36], packet[36:]
    begin = packet[:2] + (36).to_bytes(2, "big") + b"\0\7\x20\0" + packet[8:20] + first
    return [begin, packet[:2] + (20 + len(last)).to_bytes(2, "big") + b"\0\7\0\2" + packet[8:20] + last]


WRAPPED: dict[str, Callable[[bytes], list[bytes]]] = {
    "IP in IP": lambda packet: [in_ip(packet, 4)],
    "GRE": lambda packet: [in_ip(b"\0\0\x08\0" + packet, 47)],
    "GTP": lambda packet: [in_udp(b"\x30\xff" + len(packet).to_bytes(2, "big") + bytes(3) + b"\1" + packet, 2152)],
    "VXLAN": lambda packet: [in_udp(b"\x08\0\0\0\0\0\1\0" + ethernet(packet), 4789)],
    "Geneve": lambda packet: [in_udp(b"\0\0\x65\x58\0\0\1\0" + ethernet(packet), 6081)],
    "MPLS": lambda packet: [in_udp(b"\0\0\x11\x40" + packet, 6635)],
    "quoted by ICMP": lambda packet: [in_ip(b"\3\3\0\0" + bytes(4) + packet, 1)],
    "fragments of IP packets": in_pieces,
    "a TCP header that contradicts itself": lambda packet: [packet[:32] + b"\x10" + packet[33:]],
    "no TCP": lambda packet: [in_udp(packet[20:], 9)],
    "cut before the end of their headers": lambda packet: [packet[:30]],
    "not WebSocket": lambda packet: [packet],
}


@pytest.mark.parametrize("name", WRAPPED)
def test_numbers_are_those_of_wireshark_or_a_note_says_why_not(name: str, tmp_path: Path) -> None:
    """Before the WebSocket comes another connection in a packet of every kind that is left out."""
    other = Talk((b"\x0a\0\0\x09", 50_009)).say([("c", b"EHLO"), ("s", b"250")]).packets
    packets = [(when, wrapped) for when, packet in other for wrapped in WRAPPED[name](packet)]
    path = tmp_path / "wrapped.pcap"
    path.write_bytes(pcap([*packets, *greeting().packets]))
    (theirs,) = {int(line) for line in tshark(path, "-Y", "websocket", "-T", "fields", "-e", "tcp.stream")}
    trace = Trace.open(path)
    assert any(name in note for note in trace.notes)
    doubted = any("numbers may differ from Wireshark's" in note for note in trace.notes)
    assert (theirs != trace.connections[0]) is doubted


def test_captured_on_any_interface(tmp_path: Path) -> None:
    """dumpcap on "any" writes Linux cooked packets, and on loopback sees each of them once or twice."""
    program = shutil.which("dumpcap") or pytest.skip("dumpcap is not installed")
    path = tmp_path / "any.pcapng"

    async def conversation() -> tuple[Trace, int]:
        async with Lab(carrier="tcp") as lab:
            server = await lab.serve()
            command = [program, "-q", "-i", "any", "-f", f"tcp port {server.port}", "-w", str(path)]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
            try:
                deadline = asyncio.get_running_loop().time() + 20
                # Dumpcap tells of no beginning: connections are made until one of them is in the file.
                while not (path.exists() and b"101 Switching" in path.read_bytes()):
                    assert asyncio.get_running_loop().time() < deadline
                    if process.poll() is not None:
                        pytest.skip("capturing on any interface is not permitted here")
                    async with connect(server.uri) as ws:
                        await ws.send("Hello server!")
                        await ws.recv()
                    await asyncio.sleep(0.05)
            finally:
                process.terminate()
                process.wait(20)
        return lab.trace, server.port

    trace, port = asyncio.run(conversation())
    captured = Trace.open(path)
    greeted = [message for message in captured.messages if message.data == b"Hello server!"]
    assert greeted
    assert len(read_capture(path, port)) >= len(captured.connections) > 0
    assert captured.violations == trace.violations == []


def test_tshark_reads_an_exported_conversation_whose_secret_was_left_out(tmp_path: Path) -> None:
    path, wire = tmp_path / "ours.pcapng", tmp_path / "wire.pcapng"

    async def main() -> Trace:
        async with Lab() as lab:
            server = await lab.serve(secret=True)
            with capturing(server.port, wire):
                for reaching in (connect(f"{server.uri}chat", proxy=None), lab.connect("/chat")):
                    async with reaching as client:
                        await client.send("Hello")
                        assert await client.recv() == "Hello"
            lab.trace.to_pcapng(path)
            asked = await asyncio.to_thread(tshark, wire, *uris(server.port))
            assert [one.startswith("/secret-") for one in asked] == [True, False]  # the lab knows its own client
            return lab.trace

    def uris(port: int) -> list[str]:
        return ["-d", f"tcp.port=={port},http", "-Y", "http.request", "-T", "fields", "-e", "http.request.uri"]

    trace = asyncio.run(main())
    assert_clean(path)
    assert tshark(path, *uris(80)) == ["/chat", "/chat"]
    for number in trace.connections:
        assert_same(trace, number, read_capture(path, 80)[number])
