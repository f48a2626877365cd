"""Capture files of every make are read, and what a trace writes comes back as it was."""

from __future__ import annotations

import json
import random
import struct
import zipfile
from functools import partial
from pathlib import Path

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import GREETING, MASK, SAID, enhanced, greeting, interface, pcap, pcapng, section
from packets import block as make_block
from recorded import conversation

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.protocol import build_close, build_frame, build_request, build_response
from wslab.recording.archive import TraceFileError
from wslab.recording.files import capture_in
from wslab.recording.trace import Trace

read_capture = partial(capture_in.read_capture, kind=Trace)

CLIENT, SERVER = Sender

GUESSED = (
    "connection 0: the capture began in its middle, before its frames; that they are WebSocket is a guess, since no "
    "opening handshake was captured"
)


def blocks(order: str, *, resolution: int | None = None, unit: float = 1e6) -> bytes:
    talk = greeting()
    return b"".join(
        [
            section(order),
            interface(101, order, resolution),
            *(enhanced(time, packet, 0, order, unit) for time, packet in talk.packets),
        ]
    )


FILES = {
    "pcap, little": lambda: pcap(greeting().packets),
    "pcap, big": lambda: pcap(greeting().packets, order=">"),
    "pcap, nanoseconds": lambda: pcap(greeting().packets, nano=True),
    "pcap, nanoseconds, big": lambda: pcap(greeting().packets, order=">", nano=True),
    "pcapng of dpkt": lambda: pcapng(greeting().packets),
    "pcapng, little": lambda: blocks("<"),
    "pcapng, big": lambda: blocks(">"),
    "pcapng, nanoseconds": lambda: blocks("<", resolution=9, unit=1e9),
    "pcapng, 2**-20 s": lambda: blocks(">", resolution=0x80 | 20, unit=2**20),
    "pcapng, milliseconds": lambda: blocks("<", resolution=3, unit=1e3),
}


@pytest.mark.parametrize("name", FILES)
def test_every_make_of_file(name: str, tmp_path: Path):
    path = tmp_path / "capture"
    path.write_bytes(FILES[name]())
    trace = Trace.from_pcapng(path)
    assert [message.data for message in trace.messages] == SAID
    assert trace.notes == ()
    assert trace.began == pytest.approx(1_700_000_000.004, abs=1e-3)
    assert [record.time for record in trace.records] == pytest.approx([n / 1000 for n in range(8)], abs=1e-3)
    assert [record.number for record in Trace.open(path).records] == list(range(8))


def test_several_interfaces_and_sections():
    """Each with its own link, byte order and unit of time; packets of one connection on both."""
    talk = greeting()
    one, two = talk.packets[::2], talk.packets[1::2]
    kind = b"\x08\x00"
    written = [section("<"), interface(1, "<"), interface(101, "<", 9)]
    for (early, ethernet), (late, raw) in zip(one[:4], two[:4], strict=True):
        written += [enhanced(early, bytes(12) + kind + ethernet, 0), enhanced(late, raw, 1, unit=1e9)]
    written += [section(">"), interface(113, ">", 6)]
    for time, packet in sorted([*one[4:], *two[4:]]):
        written.append(enhanced(time, bytes(14) + kind + packet, 0, ">"))
    trace = read_capture(b"".join(written))
    assert [message.data for message in trace.messages] == SAID
    assert trace.notes == ()


def test_blocks_of_other_kinds():
    """Names, statistics and custom blocks are passed over; simple and obsolete packet blocks are read."""
    packets = greeting().packets
    written = [section(), make_block(4, bytes(8)), interface(), make_block(0xBAD, b"custom")]
    for place, (time, packet) in enumerate(packets):
        if place == 5:
            written.append(make_block(3, struct.pack("<I", len(packet)) + packet))
        elif place == 6:
            ticks = round(time * 1e6)
            header = struct.pack("<HHIIII", 0, 0xFFFF, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), len(packet))
            written.append(make_block(2, header + packet))
        else:
            written.append(enhanced(time, packet))
    written.append(make_block(5, bytes(12)))
    trace = read_capture(b"".join(written))
    assert [message.data for message in trace.messages] == SAID
    assert trace.notes == ("a packet has no time of its own, and is given the time of the packet before",)


def test_an_offset_of_time():
    options = struct.pack("<HHqHH", 14, 8, 3600, 0, 0)
    described = make_block(1, struct.pack("<HHI", 101, 0, 0) + options)
    talk = greeting()
    data = section() + described + b"".join(enhanced(time - 3600, packet) for time, packet in talk.packets)
    assert read_capture(data).began == pytest.approx(1_700_000_000.004, abs=1e-5)


def assert_equal(trace: Trace, other: Trace) -> None:
    """All that a capture can hold, times to the microsecond."""
    assert other.began == pytest.approx(trace.began, abs=1e-6)
    assert [chunk[1:] for chunk in other.chunks] == [chunk[1:] for chunk in trace.chunks]
    assert [chunk.time for chunk in other.chunks] == pytest.approx([chunk.time for chunk in trace.chunks], abs=1e-6)
    kept = [record for record in trace.records if record.kind not in (Kind.ERROR, Kind.BEND)]
    plain = [record._replace(number=0, time=0, received=None) for record in kept]
    assert [record._replace(number=0, time=0, received=None) for record in other.records] == plain
    assert [record.time for record in other.records] == pytest.approx([record.time for record in kept], abs=1e-6)
    assert other.frames == trace.frames
    assert other.messages == trace.messages
    assert other.handshakes == trace.handshakes
    assert [violation for _, violation in other.violations] == [violation for _, violation in trace.violations]
    for mine, theirs in zip(kept, other.records, strict=True):
        if mine.kind is not Kind.RESET:  # nothing acknowledges a RST
            assert (mine.received is None) == (theirs.received is None)
            assert mine.received is None or theirs.received == pytest.approx(mine.received, abs=2e-6)


def back(trace: Trace, tmp_path: Path, **kw: bool) -> Trace:
    trace.to_pcapng(tmp_path / "own.pcapng", **kw)
    return Trace.open(tmp_path / "own.pcapng")


@pytest.mark.parametrize("reads", [1, 7, 10_000])
def test_own_export_comes_back_equal(reads: int, tmp_path: Path):
    trace = Trace()
    conversation(trace, "one", reads)
    conversation(trace, "two", reads + 1)
    other = back(trace, tmp_path)
    assert_equal(trace, other)
    assert other.notes == ()
    assert other.states(0) == trace.states(0)


def test_large_chunks_come_back_in_one_piece(tmp_path: Path):
    trace = Trace()
    client, server = trace.join(CLIENT, 1), trace.join(SERVER, 1)
    big = build_frame(random.Random(1).randbytes(300_000), opcode=2, mask=MASK)
    for writer, reader, data in ((client, server, build_request()), (server, client, build_response())):
        writer.sent(data)
        reader.received(data)
    client.sent(big)
    server.received(big[:100_000])
    server.received(big[100_000:])
    assert_equal(trace, back(trace, tmp_path))


def test_what_only_the_server_told(tmp_path: Path):
    """The client was outside: its bytes are known from what the server read."""
    trace = Trace()
    server = trace.join(SERVER, 1)
    server.received(build_request())
    server.sent(build_response())
    server.received(build_frame("from outside", mask=MASK) + build_close(1001, mask=MASK))
    server.fin_received()
    server.reset_sent()
    other = back(trace, tmp_path)
    assert_equal(trace, other)
    assert {chunk.seen_by for chunk in other.chunks} == {SERVER}


def test_a_read_that_is_told_before_the_write(tmp_path: Path):
    trace = Trace()
    client, server = trace.join(CLIENT, 1), trace.join(SERVER, 1)
    server.received(build_request())
    client.sent(build_request())
    server.sent(build_response())
    other = back(trace, tmp_path)
    assert sorted(chunk[1:] for chunk in other.chunks) == sorted(chunk[1:] for chunk in trace.chunks)


def test_bytes_that_are_no_websocket_come_back_too(tmp_path: Path):
    trace = Trace()
    client, server = trace.join(CLIENT, 1), trace.join(SERVER, 1)
    client.sent(b"\x00\x01 no handshake at all")
    server.sent(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
    server.fin_sent()
    client.reset_sent()
    assert_equal(trace, back(trace, tmp_path))


def test_a_trace_that_dropped_its_beginning(tmp_path: Path):
    """What is kept is written, from the first whole chunk on."""
    trace = Trace(max_bytes=2048)
    client, server = trace.join(CLIENT, 1), trace.join(SERVER, 1)
    client.sent(build_request())
    server.sent(build_response())
    for number in range(100):
        client.sent(build_frame(f"message {number:3}, and some more text", mask=MASK))
        server.sent(build_frame(f"answer {number:3}, and some more text"))
    other = back(trace, tmp_path)
    kept = [message.data for message in trace.messages if message.data is not None]
    assert 10 < len(kept) < 100
    assert [message.data for message in other.messages] == kept
    assert other.notes == (GUESSED,)


actions = st.lists(
    st.tuples(
        st.sampled_from(["client", "server", "client reads", "server reads", "client fin", "server fin"]),
        st.binary(min_size=1, max_size=40),
    ),
    max_size=25,
)


@pytest.mark.slow
@given(actions)
def test_anything_comes_back(tmp_path_factory: pytest.TempPathFactory, actions):
    trace = Trace()
    ends = {"client": trace.join(CLIENT, 1), "server": trace.join(SERVER, 1)}
    unread = {"client": b"", "server": b""}
    closed = set()
    ends["client"].sent(build_request())
    ends["server"].received(build_request())
    ends["server"].sent(build_response())
    ends["client"].received(build_response())
    for action, data in actions:
        who, _, what = action.partition(" ")
        peer = "server" if who == "client" else "client"
        if what == "reads":
            part, unread[peer] = unread[peer][: len(data)], unread[peer][len(data) :]
            ends[who].received(part)
        elif who not in closed and what == "fin":
            closed.add(who)
            ends[who].fin_sent()
        elif who not in closed:
            ends[who].sent(data)
            unread[who] += data
    assert_equal(trace, back(trace, tmp_path_factory.mktemp("own")))


@pytest.mark.parametrize("ended", [False, True], ids=["still coming", "ended"])
@pytest.mark.parametrize("first", ["GET / HTTP/1.1", "GET /a b HTTP/1.1", "\r\nGET / HTTP/1.1"])
@pytest.mark.parametrize("line", ["Cookie: opensesame", "Authorization:\r\n opensesame", "X: 1\rCookie: opensesame"])
def test_credentials_in_a_head_without_its_end_stay_here_too(line: str, first: str, ended: bool, tmp_path: Path):
    trace = Trace()
    client, server = trace.join(CLIENT, 1), trace.join(SERVER, 1)
    cut = f"{first}\r\n{line}".encode()
    client.sent(cut)
    server.received(cut)
    if ended:
        client.fin_sent()
        server.fin_received()
    trace.update()
    trace.save(tmp_path / "cut.wslab")
    trace.to_pcapng(tmp_path / "cut.pcapng")
    with zipfile.ZipFile(tmp_path / "cut.wslab") as file:
        parts = b"".join(map(file.read, file.namelist()))
    views = [repr(trace), trace._repr_html_(), str(trace.connection(0)), json.dumps(trace.to_har())]
    views += [view for n in range(trace.total) for view in (repr(trace.explain(n)), trace.explain(n)._repr_html_())]
    for data in (parts, (tmp_path / "cut.pcapng").read_bytes(), "".join(views).encode()):
        for secret in (b"sesame", b"sesame".hex().encode(), b"sesame".hex(" ").encode()):
            assert secret not in data
    trace.save(tmp_path / "whole.wslab", reveal=True)
    with zipfile.ZipFile(tmp_path / "whole.wslab") as file:
        assert b"opensesame" in file.read("bytes.bin")


def test_credentials_stay_here_unless_asked_for(tmp_path: Path):
    secret = "session=opensesame"
    trace = Trace()
    client, server = trace.join(CLIENT, 1), trace.join(SERVER, 1)
    request = build_request(headers={"Cookie": secret, "Authorization": "Basic b3BlbjpzZXNhbWU="})
    for piece in (request[:60], request[60:150], request[150:]):
        client.sent(piece)
        server.received(piece)
    server.sent(build_response(headers={"Set-Cookie": secret}))
    other = back(trace, tmp_path)
    written = (tmp_path / "own.pcapng").read_bytes()
    assert b"sesame" not in written
    assert b"b3Blbj" not in written
    assert [head.malformed for head in other.handshakes] == [None, None]
    assert other.handshakes[0].get("Cookie") == ["*" * len(secret)]
    assert other.handshakes[0].get("Host") == ["127.0.0.1"]
    assert_equal(trace, back(trace, tmp_path, reveal=True))


def test_the_file_says_what_is_made_up(tmp_path: Path):
    trace = Trace()
    conversation(trace)
    trace.to_pcapng(tmp_path / "own.pcapng")
    data = (tmp_path / "own.pcapng").read_bytes()
    assert b"the addresses, the ports" in data
    assert b"are made up" in data
    assert b"the client's end" in data


def test_dpkt_reads_it_and_finds_the_checksums_right(tmp_path: Path):
    trace = Trace()
    conversation(trace)
    trace.to_pcapng(tmp_path / "own.pcapng")
    with (tmp_path / "own.pcapng").open("rb") as file:
        packets = [packet for _, packet in dpkt.pcapng.Reader(file)]
    assert len(packets) > 10
    for packet in packets:
        read = dpkt.ip.IP(packet)
        told = read.sum, read.data.sum
        read.sum = read.data.sum = 0
        again = dpkt.ip.IP(bytes(read))
        assert (again.sum, again.data.sum) == told


def test_a_capture_is_shown_with_its_notes(tmp_path: Path):
    talk = greeting()
    del talk.packets[5]
    (tmp_path / "cut.pcap").write_bytes(pcap(talk.packets))
    trace = Trace.open(tmp_path / "cut.pcap")
    assert "note: connection 0: 19 bytes of the client's stream were not captured" in repr(trace)
    assert "<li>connection 0: 19 bytes of the client&#x27;s stream were not captured</li>" in trace._repr_html_()
    trace.save(tmp_path / "cut.wslab")
    assert Trace.open(tmp_path / "cut.wslab").notes == trace.notes


def test_compressed_files_are_told_to_be_unpacked(tmp_path: Path):
    (tmp_path / "x.pcap.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    with pytest.raises(TraceFileError, match="compressed with gzip: unpack it"):
        Trace.open(tmp_path / "x.pcap.gz")


def test_a_capture_opens_in_the_panel_like_live_traffic():
    from wslab import LabPanel

    trace = read_capture(pcap(greeting().packets))
    live = Trace()
    client, server = live.join(CLIENT, 1), live.join(SERVER, 1)
    for who, data in GREETING:
        (client if who == "c" else server).sent(data)
    server.fin_sent()
    client.fin_sent()
    assert repr(LabPanel(trace)) == repr(LabPanel(live))
    assert trace.explain(2).fields == live.explain(2).fields


def test_a_tap_tells_when(tmp_path: Path):
    """What is told with ``at`` has that time, and no other."""
    trace = Trace()
    tap = trace.join(CLIENT, 1)
    tap.sent(GREETING[0][1], at=12.5)
    tap.fin_sent(at=13.0)
    tap.left()
    assert [record.time for record in trace.records] == [12.5, 13.0]
    assert trace.closings(0) == {}


def test_what_the_log_dropped_is_not_waited_for_though_its_bytes_are_kept(tmp_path: Path) -> None:
    trace = Trace(max_entries=1000)
    client, server = trace.join(CLIENT, "one"), trace.join(SERVER, "one")
    written = [bytes(build_request()), *(build_frame(f"number {n}", mask=MASK) for n in range(2000))]
    for data in written:
        client.sent(data)
        server.received(data)
    assert trace.dropped.chunks > 0
    assert trace.dropped.bytes == 0, "the ring has bytes of which the log has no chunk"
    trace.to_pcapng(tmp_path / "late.pcapng")
    again = Trace.open(tmp_path / "late.pcapng")
    kept = sum(chunk.length for chunk in trace.chunks if chunk.seen_by is CLIENT)
    assert sum(chunk.length for chunk in again.chunks if chunk.seen_by is CLIENT) == kept > 0
    assert [message.data for message in again.messages][-1] == b"number 1999"
    assert len(again.messages) >= 999
    lacks = f"Note: {trace.dropped.records:,} records and 0 bytes before were dropped."
    assert lacks.encode() in (tmp_path / "late.pcapng").read_bytes()
    assert lacks in trace.to_har()["log"]["comment"]


@pytest.mark.lengthy
@pytest.mark.parametrize("bounds", [{"max_entries": 1000}, {"max_entries": 16}, {"max_bytes": 1024}])
def test_an_export_of_what_is_left_is_never_empty_and_says_what_is_gone(tmp_path: Path, bounds: dict[str, int]) -> None:
    trace = Trace(**bounds)
    client, server = trace.join(CLIENT, "one"), trace.join(SERVER, "one")
    for number in range(1000):
        client.sent(data := build_frame(f"{number}", mask=MASK))
        server.received(data)
    trace.to_pcapng(tmp_path / "left.pcapng")
    assert str(trace.dropped).encode() in (tmp_path / "left.pcapng").read_bytes()
    again = Trace.open(tmp_path / "left.pcapng")
    assert again.messages[-1].data == b"999"
    assert len(again.messages) >= min(len(trace.messages), 15)
