"""Packets that belong to no place of a stream: old, forged, or seen in another order; and what they cost."""

from __future__ import annotations

import subprocess
import time

import pytest
from packets import ACK, GREETING, RST, SAID, SYN, Packet, Talk, ethernet, greeting, pcap

from wslab.protocol import build_frame
from wslab.recording.files.capture_in import read_capture
from wslab.recording.trace import Trace

FRAMES = [("s", build_frame("one two three")), ("s", build_frame("four")), ("c", build_frame("five", mask=bytes(4)))]


def read(packets: list[Packet], link: int = 101) -> Trace:
    return read_capture(pcap(packets, link=link), Trace)


def said(trace: Trace) -> list[bytes]:
    return [bytes(message.data or b"") for message in trace.messages]


def kinds(trace: Trace) -> list[str]:
    return [record.kind.name for record in trace.records]


@pytest.mark.parametrize("who", ["c", "s"])
@pytest.mark.parametrize("far", [-7, 12345, 10**9, -(10**9)])
@pytest.mark.parametrize("at", [0, 2, 4])
def test_an_rst_that_more_bytes_follow_ended_nothing(who: str, far: int, at: int):
    """A receiver looks at its sequence number first (RFC 9293 section 3.5.3)."""
    talk = Talk().open().say(GREETING[:at])
    talk.put(who, flags=RST, seq=talk.next[who] + far)
    trace = read(talk.say(GREETING[at:]).close().packets)
    assert said(trace) == SAID
    assert kinds(trace).count("FIN") == 2
    assert "RESET" not in kinds(trace)
    whose = {"c": "client", "s": "server"}[who]
    note = f"connection 0: 1 RST of the {whose}'s stream ended nothing, since more bytes followed"
    assert trace.notes == (note,)


def test_an_rst_that_overtook_the_last_bytes_ends_the_stream():
    talk = Talk().open().say(GREETING)
    talk.put("s", flags=RST)
    *others, last, reset = talk.packets
    trace = read([*others, reset, last])
    assert said(trace) == SAID
    assert kinds(trace)[-1] == "RESET"
    assert not trace.notes


def test_many_rst_cost_no_more_than_their_number():
    talk = Talk().open().say(GREETING)
    for _ in range(4000):
        talk.put("s", flags=RST)
    began = time.perf_counter()
    trace = read(talk.packets)
    assert time.perf_counter() - began < 2
    assert kinds(trace).count("RESET") == 1


def test_many_segments_that_look_like_requests_cost_no_more_than_their_number():
    lines = [("c", b"POST / HTTP/1.1\r\n")] + [("c", b"GET \nupgrade:")] * 4000
    talk = Talk().open().say(lines)
    began = time.perf_counter()
    assert not len(read(talk.packets))
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("order", [(1, 0, 2), (1, 2, 0), (0, 1, 2)])
def test_the_first_packets_of_a_capture_in_another_order(order: tuple[int, ...]):
    packets = Talk().say(FRAMES).packets
    trace = read([packets[place] for place in order])
    assert sorted(said(trace)) == [b"five", b"four", b"one two three"]
    assert len(trace.notes) == 1


@pytest.mark.parametrize("begun", [True, False])
def test_bytes_from_before_the_beginning_are_told(begun: bool):
    talk = Talk().open().say(GREETING) if begun else Talk().say(FRAMES)
    talk.put("s", b"of long ago", seq=talk.next["s"] - 10**8)
    trace = read(talk.packets)
    assert "connection 0: 11 bytes of the server's stream lie before its beginning, and are left out" in trace.notes
    assert said(trace) == SAID if begun else len(trace.messages) == 3


@pytest.mark.parametrize(("who", "flags"), [("s", SYN | ACK), ("s", SYN), ("c", SYN)])
@pytest.mark.parametrize("stray", [5, 10**6])
def test_a_stray_syn_accuses_nobody(who: str, flags: int, stray: int):
    talk = Talk().open()
    nexts = dict(talk.next)
    talk.put(who, flags=flags, seq=nexts[who] + stray)
    assert not read(talk.say(GREETING).close().packets).violations


def test_a_second_answer_to_the_same_syn_opens_no_other_connection():
    talk = Talk().open()
    talk.put("s", flags=SYN | ACK, seq=77)
    trace = read(talk.say(GREETING).close().packets)
    assert trace.connections == [0]
    assert said(trace) == SAID


INNER = Talk((b"\xc0\xa8\0\1", 1234), (b"\xc0\xa8\0\2", 80)).open().packets
INNER6 = Talk((bytes(15) + b"\5", 1234), (bytes(15) + b"\6", 80)).open().packets


@pytest.mark.parametrize(
    "header",
    [
        (0x0FC6_0103).to_bytes(4, "big") + bytes(20) + bytes(12) + b"\x08\0",
        bytes(4) + b"\x08\0",
        b"\xaa\xaa\3\0\0\0\x08\0",
    ],
    ids=["NSH", "VN-tag", "SNAP"],
)
@pytest.mark.parametrize("inner", [INNER, INNER6], ids=["IPv4", "IPv6"])
def test_tcp_in_what_nobody_named_is_seen(header: bytes, inner: list[Packet]):
    kinds = {24 + 14: 0x894F, 6: 0x8926}
    kind = kinds.get(len(header), len(header) + 40).to_bytes(2, "big")
    hidden = [(when, bytes(12) + kind + header + packet) for when, packet in inner]
    trace = read(hidden + [(when, ethernet(packet)) for when, packet in greeting().packets], link=1)
    assert trace.notes == (
        "3 packets left out: that seem to hold TCP in something that is not read",
        "the connections' numbers may differ from Wireshark's, which counts some of what is left out",
    )


@pytest.mark.parametrize("payload", [bytes(200), bytes(range(200)), b"E" * 200, b"\x06" * 200])
def test_other_packets_hold_no_tcp(payload: bytes):
    other = (0.0, bytes(12) + b"\x08\x06" + payload)
    trace = read([other, *((when, ethernet(packet)) for when, packet in greeting().packets)], link=1)
    assert trace.notes == ("1 packet left out: no IP",)


@pytest.mark.oracle
@pytest.mark.parametrize("kept", range(12, 21))
def test_tcp_headers_that_were_cut_are_counted_as_wireshark_counts_them(kept: int, tmp_path):
    cut = [(when, packet[: 20 + kept]) for when, packet in INNER]
    path = tmp_path / "cut.pcap"
    path.write_bytes(pcap([*cut, *greeting().packets]))
    asked = ["tshark", "-r", str(path), "-Y", "websocket", "-T", "fields", "-e", "tcp.stream"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert {int(line) for line in told.split()} == set(Trace.open(path).connections)
