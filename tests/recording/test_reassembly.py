"""Segments become streams, whatever a network and a capture do to them; what is missing is told, nothing invented."""

from __future__ import annotations

import random
from functools import partial

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import (
    ACK,
    FIN,
    GREETING,
    IPV6,
    LINKS,
    MASK,
    PSH,
    RST,
    SAID,
    STREAMS,
    SYN,
    Talk,
    ethernet,
    greeting,
    jumbled,
    pcap,
    with_extensions,
)  # fmt: skip

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.protocol import build_frame, build_request, build_response
from wslab.recording.files import capture_in
from wslab.recording.trace import Trace

read_capture = partial(capture_in.read_capture, kind=Trace)

GUESSED = (
    "connection 0: the capture began in its middle, before its frames; that they are WebSocket is a guess, since no "
    "opening handshake was captured"
)


def read(talk: Talk | list[tuple[float, bytes]], link: int = 101) -> Trace:
    return read_capture(pcap(talk.packets if isinstance(talk, Talk) else talk, link=link))


def said(trace: Trace) -> list[bytes | None]:
    return [message.data for message in trace.messages]


def streams(trace: Trace, connection: int = 0) -> dict[Sender, bytes]:
    return {sender: trace.bytes_sent(connection, sender) for sender in Sender}


def test_a_whole_connection():
    trace = read(greeting())
    assert streams(trace) == STREAMS
    assert said(trace) == SAID
    assert trace.notes == ()
    assert [record.kind for record in trace.records[-2:]] == [Kind.FIN, Kind.FIN]
    assert [chunk.time for chunk in trace.chunks] == pytest.approx([0.0, 0.001, 0.002, 0.003, 0.004, 0.005], abs=2e-6)
    assert trace.began == pytest.approx(1_700_000_000.004, abs=2e-6)
    assert all(record.received is None for record in trace.records)


@pytest.mark.parametrize("name", LINKS)
def test_links(name: str):
    link, wrap = LINKS[name]
    trace = read([(time, wrap(packet)) for time, packet in greeting().packets], link)
    assert streams(trace) == STREAMS
    assert trace.notes == ()


@pytest.mark.parametrize("wrap", [bytes, with_extensions, ethernet], ids=["plain", "extensions", "ethernet"])
def test_ipv6(wrap):
    talk = Talk(*IPV6).open().say().close()
    trace = read([(time, wrap(packet)) for time, packet in talk.packets], 1 if wrap is ethernet else 101)
    assert streams(trace) == STREAMS


def test_other_packets_are_counted():
    talk = greeting()
    udp = dpkt.ip.IP(src=b"\1\1\1\1", dst=b"\2\2\2\2", p=17, data=dpkt.udp.UDP(data=b"x"))
    fragment = bytearray(talk.packets[0][1])
    fragment[6:8] = b"\x20\x00"
    packets = [*talk.packets, (0.0, bytes(udp)), (0.0, bytes(fragment)), (0.0, b"\x45\0\0"), (0.0, b"\x00" * 40)]
    trace = read(packets)
    assert said(trace) == SAID
    assert set(trace.notes) == {
        "1 packet left out: no TCP",
        "1 packet left out: fragments of IP packets, which are not put together here",
        "the connections' numbers may differ from Wireshark's, which counts some of what is left out",
        "1 packet left out: cut before the end of their headers",
        "1 packet left out: no IP",
    }
    assert read([(0.0, b"x")], 147).notes == ("1 packet left out: on a link of type 147, which is not read here",)


@pytest.mark.lengthy
@given(st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_streams(rng: random.Random):
    """Cut anew, sent again, overlapping and shuffled: what the endpoints sent stays what they sent."""
    trace = read(jumbled(rng))
    assert streams(trace) == STREAMS
    assert sorted(said(trace)) == sorted(SAID)
    assert trace.notes == ()


def test_a_segment_that_overtook_is_read_when_the_one_before_has_come():
    talk = Talk().open().say(GREETING[:2])
    first, second = (build_frame(text, mask=MASK) for text in ("one", "two"))
    start = talk.next["c"]
    talk.put("c", second, seq=start + len(first))
    talk.put("c", first, seq=start)
    trace = read(talk)
    assert said(trace) == [b"one", b"two"]
    assert len({round(record.time, 6) for record in trace.records[-2:]}) == 1


def test_bytes_that_came_twice_and_differ_are_told():
    talk = Talk().open().say(GREETING[:2])
    start = talk.next["s"]
    talk.put("s", build_frame("true"), seq=start)
    talk.put("s", build_frame("lies"), seq=start)
    trace = read(talk)
    assert said(trace) == [b"true"]
    assert trace.notes == (
        "connection 0: 4 bytes of the server's stream were sent again as others; the first are kept",
    )


def test_sequence_numbers_wrap():
    talk = Talk(isn=(2**32 - 1, 2**32 - 200)).open().say().close()
    assert streams(read(talk)) == STREAMS


class TestGaps:
    def test_a_lost_frame(self):
        frames = [build_frame(f"number {n}", mask=MASK) for n in range(4)]
        talk = Talk().open().say([*GREETING[:2], *(("c", frame) for frame in frames)])
        del talk.packets[6]
        trace = read(talk)
        assert said(trace) == [b"number 0", b"number 2", b"number 3"]
        assert trace.connections == [0, 1]
        assert "connection 0: 14 bytes of the client's stream were not captured" in trace.notes
        assert "connection 0: what could be read after a gap in the client's stream is connection 1" in trace.notes
        assert [record.kind for record in trace.records if record.connection == 0][-1] is Kind.ERROR
        assert trace.violations == []

    def test_a_hole_in_a_payload(self):
        """The cut frame's header tells where the next one begins, though it begins in the midst of a segment."""
        big, after = build_frame(b"\x81\x00" * 500, opcode=2), build_frame("after")
        talk = Talk().open().say([*GREETING[:2], ("s", big[:100]), ("s", big[100:300]), ("s", big[300:] + after)])
        del talk.packets[6]
        trace = read(talk)
        assert said(trace) == [b"after"]
        assert trace.bytes_sent(1, Sender.SERVER) == after

    def test_the_other_direction_goes_on(self):
        talk = Talk().open().say([*GREETING[:2], ("c", build_frame("lost", mask=MASK)), *GREETING[3:]]).close()
        del talk.packets[5]
        trace = read(talk)
        assert said(trace) == [b"Hello client!"]
        assert trace.connection(0).records[-1].kind is Kind.FIN

    def test_a_packet_that_the_snap_length_cut(self):
        talk = Talk().open().say([*GREETING[:2], ("s", build_frame("x" * 1000)), ("s", build_frame("after"))])
        talk.packets[5] = (talk.packets[5][0], talk.packets[5][1][:200])
        trace = read(talk)
        assert said(trace) == [b"after"]
        assert any("were not captured" in note for note in trace.notes)

    def test_the_last_bytes_are_missing(self):
        talk = Talk().open().say(GREETING[:2])
        talk.put("s", build_frame("x" * 100))
        talk.packets[-1] = (talk.packets[-1][0], talk.packets[-1][1][:-50])
        assert "connection 0: the last 50 bytes of the server's stream were not captured" in read(talk).notes

    def test_no_beginning_after_a_gap(self):
        """Bytes that read as no frames are left, and counted."""
        noise = random.Random(1).randbytes(400)
        talk = Talk().open().say([*GREETING[:2], ("s", build_frame("gone")), ("s", b"\xff" + noise)])
        del talk.packets[5]
        trace = read(talk)
        assert "connection 0: 401 bytes after gaps are left out, since no frame's beginning is known" in trace.notes


class TestBeginnings:
    def test_no_syn(self):
        talk = Talk().say()
        trace = read(talk)
        assert streams(trace) == STREAMS
        assert trace.notes == ("connection 0: the capture began in its middle, before its opening handshake",)

    def test_in_the_midst_of_frames(self):
        talk = Talk().say(GREETING[2:])
        trace = read(talk)
        assert said(trace) == SAID
        assert trace.handshakes == []
        assert trace.violations == []
        assert trace.notes == (GUESSED,)

    def test_in_the_midst_of_frames_the_server_comes_first(self):
        trace = read(Talk().say([*GREETING[3:], *GREETING[2:3]]))
        assert [message.sender for message in trace.messages] == [Sender.SERVER, Sender.CLIENT]

    def test_in_the_midst_of_anything_else(self):
        trace = read(Talk().say([("c", b"EHLO example"), ("s", b"250 hello")]))
        assert trace.connections == []
        assert trace.notes == ("1 TCP connection left out: not WebSocket, as far as what was captured of it tells",)

    def test_http_before_the_upgrade(self):
        before = [
            ("c", b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("s", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            ("c", b"POST /form HTTP/1.1\r\nContent-Length: 31\r\n\r\nGET / HTTP/1.1\r\nUpgrade: websock"),
            ("s", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("s", b"5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"),
            ("c", b"HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("s", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ]
        skipped = sum(len(data) for _, data in before)
        trace = read(Talk().open().say([*before, *GREETING]).close())
        assert streams(trace) == STREAMS
        assert trace.notes == (f"connection 0: {skipped} bytes before the upgrade are left out",)

    def test_an_upgrade_that_was_refused_and_then_granted(self):
        refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
        trace = read(Talk().open().say([("c", build_request()), ("s", refused), *GREETING]))
        assert streams(trace) == STREAMS

    def test_an_upgrade_that_was_refused(self):
        refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
        trace = read(Talk().open().say([("c", build_request()), ("s", refused)]))
        assert [record.kind for record in trace.records] == [Kind.REQUEST, Kind.RESPONSE, Kind.UNREAD]

    def test_a_head_in_two_segments(self):
        request = build_request()
        trace = read(Talk().open().say([("c", request[:30]), ("c", request[30:]), *GREETING[1:]]))
        assert streams(trace) == STREAMS

    def test_an_upgrade_behind_a_gap(self):
        talk = Talk().open().say([("c", b"GET /lost HTTP/1.1\r\n\r\n"), ("s", b"HTTP/1.1 204 No\r\n\r\n"), *GREETING])
        del talk.packets[3]
        assert said(read(talk)) == SAID


class TestConnections:
    def test_numbers_count_all_tcp_connections_in_order_of_first_packets(self):
        other = Talk((b"\x0a\0\0\x01", 50001)).open().say([("c", b"EHLO"), ("s", b"250")])
        tls = Talk((b"\x0a\0\0\x01", 50002)).open().say([("c", b"\x16\x03\x01\x00\x05")])
        idle = Talk((b"\x0a\0\0\x01", 50003)).open()
        last = Talk((b"\x0a\0\0\x01", 50004)).open().say()
        packets = [*other.packets, *greeting().packets, *tls.packets, *idle.packets, *last.packets]
        trace = read(packets)
        assert trace.connections == [1, 4]
        assert set(trace.notes) == {
            "1 TCP connection left out: not WebSocket",
            "1 TCP connection left out: TLS, which is not decrypted here",
            "1 TCP connection left out: without data",
        }

    def test_ports_that_are_used_again(self):
        again = Talk(isn=(77_777, 88_888), begins=10.0).open().say().close()
        trace = read([*greeting().packets, *again.packets])
        assert trace.connections == [0, 1]
        assert streams(trace, 1) == STREAMS

    def test_a_syn_that_is_sent_again_opens_nothing(self):
        talk = greeting()
        trace = read([talk.packets[0], talk.packets[0], talk.packets[1], *talk.packets[1:]])
        assert trace.connections == [0]

    def test_many_at_once(self):
        talks = [Talk((b"\x0a\0\0\x01", 40000 + n), begins=n / 7000).open().say() for n in range(50)]
        packets = sorted(packet for talk in talks for packet in talk.packets)
        trace = read(packets)
        assert trace.connections == list(range(50))
        assert said(trace).count(b"Hello server!") == 50

    def test_a_reset(self):
        talk = Talk().open().say(GREETING[:3])
        talk.put("s", flags=RST | ACK)
        assert read(talk).records[-1].kind is Kind.RESET

    def test_a_fin_with_the_last_data_and_one_that_overtook_it(self):
        talk = Talk().open().say(GREETING[:4])
        talk.put("c", build_frame("more", mask=MASK))
        talk.put("c", GREETING[4][1], FIN | ACK | PSH)
        talk.packets[-2:] = talk.packets[-2:][::-1]
        trace = read(talk)
        assert trace.records[-1].kind is Kind.FIN
        assert trace.records[-1].offset == len(STREAMS[Sender.CLIENT]) + 10

    def test_data_in_the_syn(self):
        """TCP Fast Open (RFC 7413)."""
        talk = Talk()
        talk.put("c", build_request(), SYN)
        talk.put("s", flags=SYN | ACK)
        talk.put("s", build_response())
        assert len(read(talk).handshakes) == 2

    def test_keep_alives_are_no_data(self):
        talk = Talk().open().say(GREETING[:4])
        talk.put("c", b"\0", seq=talk.next["c"] - 1)
        talk.put("c", seq=talk.next["c"] - 1)
        talk.say(GREETING[4:])
        assert streams(read(talk)) == STREAMS

    def test_a_conversation_of_a_socket_with_itself(self):
        """It can happen on loopback (simultaneous open), and must not confuse anything."""
        talk = Talk(server=(b"\x0a\x00\x00\x01", 50000)).open().say()
        assert read(talk).connections == [1]  # its one stream holds a 101: a server's, whose request is another's
