"""No verdict without evidence: what a capture does not show is held against nobody, and said to be missing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import dpkt
import pytest
from packets import ACK, FIN, GREETING, MASK, RST, SYN, Packet, Talk, greeting, pcap, pcapng

from wslab import ClosingPanel
from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.protocol import build_frame, build_request, build_response
from wslab.protocol.states import State
from wslab.protocol.words import BINARY
from wslab.recording.derive import FEWEST
from wslab.recording.files.capture_in import read_capture
from wslab.recording.trace import Trace, dissections

LONG = build_frame(bytes(3000), opcode=BINARY, mask=MASK)
PARTS = [
    build_frame(part, opcode=opcode, fin=fin, mask=MASK) for part, opcode, fin in (("a", 1, False), ("b", 0, True))
]
ANSWER = build_frame("as you like")


def read(packets: list[Packet]) -> Trace:
    return read_capture(pcap(packets), Trace)


def accused(trace: Trace) -> list[str]:
    return [found.rule for record in trace.records for found in trace.explain(record.number).violations]


def of(talk: Talk, end: str) -> list[Packet]:
    """The packets of one end."""
    port = talk.ends[end][1]
    return [packet for packet in talk.packets if int.from_bytes(packet[1][20:22], "big") == port]


def talk(*more: tuple[str, bytes]) -> Talk:
    return Talk().open().say([*GREETING[:4], *more, *GREETING[4:]]).close()


@pytest.mark.parametrize(("end", "other"), [("c", "server"), ("s", "client")])
def test_one_direction_alone(end: str, other: str):
    trace = read(of(greeting(), end))
    assert accused(trace) == []
    assert any(f"nothing that the {other} sent was captured" in note for note in trace.notes)
    assert Kind.FRAME in [record.kind for record in trace.records]


def test_a_server_that_is_heard_and_says_nothing_is_judged():
    trace = read(Talk().open().say([GREETING[0], GREETING[2]]).packets)
    assert accused(trace) == ["client-frame-before-handshake"]


@pytest.mark.parametrize("more", [0, 1, 3])
def test_a_lost_first_fragment(more: int):
    """And the fragments in between, which go on with what nobody has seen."""
    between = [("c", build_frame("…", opcode=0, fin=False, mask=MASK))] * more
    lost = talk(("c", PARTS[0]), *between, ("c", PARTS[1]))
    del lost.packets[3 + 4]
    trace = read(lost.packets)
    assert accused(trace) == []
    rest = [frame.note for frame in trace.frames if not frame.first & 0x0F]
    assert rest == ["the beginning of its message is not known"] * (more + 1)


def test_what_begins_behind_a_message_is_judged_again():
    lost = talk(("c", build_frame("lost", mask=MASK)), ("c", PARTS[1]), ("c", PARTS[1]))
    del lost.packets[3 + 4]
    assert accused(read(lost.packets)) == ["continuation-without-message"]  # the second: the first has ended a message


def test_a_frame_with_a_hole_has_a_record():
    holed = talk(*(("c", piece) for piece in (LONG[:1000], LONG[1000:2000], LONG[2000:])))
    del holed.packets[3 + 5]
    trace = read(holed.packets)
    assert accused(trace) == []
    (cut,) = (record for record in trace.records if record.kind is Kind.UNREAD)
    assert cut.summary == "BINARY cut short: 992 of 3,000 bytes"
    said = " ".join(repr(trace.explain(cut.number)).split())
    assert said.startswith("BINARY frame, cut short")
    *_, extended, key, payload = trace.explain(cut.number).fields
    assert (extended.value, key.value, payload.width) == (3000, MASK, 992 * 8)
    assert "a frame with 992 of 3,000 bytes of payload; what follows was not recorded" in said
    assert "connection 0: 1,008 bytes after gaps are the ends of frames that the gaps cut" in trace.notes
    assert not any("no frame's beginning is known" in note for note in trace.notes)


@pytest.mark.parametrize(
    ("kept", "inside"),
    [(1000, "a frame, 2,008 bytes before its end,"), (1, "a frame's header"), (3, "a frame's header")],
)
def test_a_capture_that_ends_inside_a_frame(kept: int, inside: str):
    trace = read(Talk().open().say([*GREETING[:2], ("c", LONG[:kept])]).packets)
    assert accused(trace) == []
    assert trace.notes == (f"connection 0: the capture ends inside {inside} of the client",)
    assert [record.kind for record in trace.records][-1] is Kind.UNREAD
    assert "what follows was not recorded" in " ".join(repr(trace.explain(2)).split())


def test_a_stream_that_ends_inside_a_frame_is_still_judged():
    trace = read(Talk().open().say([*GREETING[:2], ("c", LONG[:1000])]).close().packets)
    assert accused(trace) == ["stream-cut"]


def test_the_last_bytes_before_an_end_are_missing():
    ended = talk(("c", build_frame("x", mask=MASK)))
    del ended.packets[3 + 6]  # the server's close frame, right before its FIN
    trace = read(ended.packets)
    assert accused(trace) == []
    assert any("were not captured" in note for note in trace.notes)


def bent() -> Iterator[tuple[str, list[Packet]]]:
    """A long conversation in which one packet is left out, cut short, doubled, delayed or swapped."""
    pieces = [LONG[at : at + 700] for at in range(0, len(LONG), 700)]
    whole = talk(*(("c", piece) for piece in pieces), ("s", ANSWER), *(("c", part) for part in PARTS)).packets
    for at, (time, packet) in enumerate(whole):
        yield f"{at} left out", whole[:at] + whole[at + 1 :]
        yield f"{at} cut", [*whole[:at], (time, packet[:47]), *whole[at + 1 :]]
        yield f"{at} doubled", [*whole[:at], whole[at], *whole[at:]]
        yield f"{at} delayed", [*whole[:at], *whole[at + 1 : at + 4], whole[at], *whole[at + 4 :]]
        yield f"{at} the last", whole[: at + 1]
        yield f"{at} the first", whole[at:]


@pytest.mark.parametrize("packets", [pytest.param(packets, id=name) for name, packets in bent()])
def test_whatever_a_capture_does_to_a_packet_nobody_is_accused(packets: list[Packet]):
    assert accused(read(packets)) == []


@pytest.mark.parametrize("name", ["x-webkit-deflate-frame", "permessage-bzip2", "x-mux"])
@pytest.mark.parametrize("parameters", ["", "; quota=10"])
def test_an_extension_that_is_not_known_here_may_use_what_is_reserved(name: str, parameters: str):
    agreed = {"Sec-WebSocket-Extensions": name + parameters}
    request = build_request(headers=agreed)
    lines = [("c", request), ("s", build_response("dGhlIHNhbXBsZSBub25jZQ==", headers=agreed))]
    lines += [("s", build_frame(b"\xf2\x48\xcd\xc9\xc9\x07\x00", opcode=1, rsv1=True))]
    lines += [("s", build_frame(b"", opcode=3, rsv3=True))]
    trace = read(Talk().open().say(lines).packets)
    assert accused(trace) == []
    note = 'not inflated: an extension that is not known here was agreed, "' + name + '"'
    assert trace.frames[0].note == note


def test_rsv1_where_it_is_known_that_nothing_was_agreed():
    trace = read(Talk().open().say([*GREETING[:2], ("s", build_frame(b"\xf2", opcode=1, rsv1=True))]).packets)
    assert accused(trace) == ["rsv-not-agreed"]
    assert trace.frames[0].note == "not inflated: permessage-deflate was not agreed"


@pytest.mark.parametrize("garbage", [b"\0", b"x", GREETING[2][1][-1:]])
def test_keep_alive_probes_are_no_data(garbage: bytes):
    idle = Talk().open().say(GREETING[:4])
    for _ in range(3):
        idle.put("c", garbage, seq=idle.next["c"] - 1)
        idle.put("s")
    trace = read(idle.say(GREETING[4:]).close().packets)
    assert [message.data for message in trace.messages] == [b"Hello server!", b"Hello client!"]
    same = garbage == GREETING[2][1][-1:]  # then it says nothing else than what was sent before
    assert trace.notes == (() if same else ("connection 0: 3 keep-alive probes of the client are left out",))


def test_a_capture_that_begins_with_a_probe():
    idle = Talk()
    idle.put("c", b"\0", seq=idle.next["c"] - 1)
    time, probe = idle.packets[0]
    idle.packets[0] = time, probe[:33] + b"\x10" + probe[34:]  # an ACK, without PSH
    trace = read(idle.say(GREETING[2:4]).packets)
    assert [message.data for message in trace.messages] == [b"Hello server!", b"Hello client!"]


NUMBERS = "the connections' numbers may differ from Wireshark's, which counts some of what is left out"
IN_UDP = {1701: "L2TP", 2152: "GTP", 3544: "Teredo", 4789: "VXLAN", 6081: "Geneve", 6635: "MPLS"}
IN_IP = {4: "IP in IP", 41: "IPv6 in IP", 47: "GRE", 51: "AH", 97: "EtherIP"}


@pytest.mark.parametrize(
    ("protocol", "port", "name"),
    [(17, port, name) for port, name in IN_UDP.items()] + [(protocol, 0, name) for protocol, name in IN_IP.items()],
)
def test_what_is_in_a_tunnel_is_said_to_be_there(protocol: int, port: int, name: str):
    inside = dpkt.udp.UDP(sport=port, dport=port, data=b"inside") if protocol == 17 else b"inside"
    tunnel = dpkt.ip.IP(src=b"\1\1\1\1", dst=b"\2\2\2\2", p=protocol, data=inside)
    tunnel.len = len(tunnel)
    trace = read([(0.0, bytes(tunnel)), *greeting().packets])
    assert trace.notes == (
        f"1 packet left out: in {name}, a tunnel that is not read",
        NUMBERS,
    )


@pytest.mark.parametrize(("kind", "name"), [(0x8847, "MPLS"), (0x8864, "PPPoE")])
def test_other_links_in_ethernet(kind: int, name: str):
    trace = read_capture(pcap([(0.0, bytes(12) + kind.to_bytes(2, "big") + b"inside")], link=1), Trace)
    assert trace.notes == (f"1 packet left out: in {name}, a tunnel that is not read",)


LENGTHS = bytes.fromhex("0000006c") + bytes(range(108))
PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
H2C = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([("s", LENGTHS)], "not WebSocket, as far as what was captured of it tells"),
        ([("c", H2C), ("s", H2C)], 'HTTP with an upgrade to "h2c", and not to WebSocket'),
        ([("c", H2C)], 'HTTP with an upgrade to "h2c", and not to WebSocket'),
        ([("c", H2C.replace(b"h2c", b"TLS/1.0, x"))], 'HTTP with an upgrade to "TLS/1.0", and not to WebSocket'),
        ([("c", PLAIN), ("c", H2C)], 'HTTP with an upgrade to "h2c", and not to WebSocket'),
        ([("c", b"\x16\x03\x01\x00\xa0" + bytes(160))], "TLS, which is not decrypted here"),
        ([("s", b"\x16\x03\x03\x00\x10" + bytes(16))], "TLS, which is not decrypted here"),
        ([("c", PLAIN)], "HTTP without an upgrade to WebSocket"),
        ([("s", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")], "HTTP without an upgrade to WebSocket"),
        ([("c", b"GET / HTTP/1.1\r\nHost: a\r\n")], "HTTP whose first head has no end in the capture"),
    ],
)
def test_the_reason_why_a_connection_is_left_out(lines: list[tuple[str, bytes]], reason: str):
    assert read(Talk().say(lines).packets).notes == (f"1 TCP connection left out: {reason}",)


@pytest.mark.parametrize("snaplen", [120, 187])
def test_heads_that_a_snap_length_cut_behind_their_upgrade(snaplen: int):
    """What is left of the request tells what it asks for, and all that is short is read."""
    trace = read([(time, packet[:snaplen]) for time, packet in greeting().packets])
    assert accused(trace) == []
    assert [message.data for message in trace.messages] == [b"Hello server!", b"Hello client!"]


@pytest.mark.parametrize("snaplen", [48, 60, 80])
def test_packets_that_were_captured_cut_short(snaplen: int):
    packets = [(time, packet[:snaplen]) for time, packet in greeting().packets]
    assert read(packets).notes == ("1 TCP connection left out: HTTP in packets that were captured cut short",)


def test_what_a_snap_length_leaves_whole_is_read():
    lines = [*GREETING[:2], ("c", build_frame("a", mask=MASK)), ("s", build_frame("x" * 300)), ("s", ANSWER)]
    trace = read([(time, packet[:188]) for time, packet in Talk().open().say([*lines, *GREETING[4:]]).packets])
    assert accused(trace) == []
    assert [message.data for message in trace.messages] == [b"a", b"as you like"]
    assert "connection 0: 156 bytes of the server's stream were not captured" in trace.notes


def test_frames_in_the_midst_of_which_a_capture_began_stay_found():
    trace = read(Talk().say([("s", build_frame("a", fin=False)), ("s", build_frame("b", opcode=0))]).packets)
    assert len(trace.frames) == 2
    assert any("that they are WebSocket is a guess" in note for note in trace.notes)


def test_a_101_whose_request_was_lost():
    lost = greeting()
    del lost.packets[3]
    trace = read(lost.packets)
    assert next(iter(trace.records)).kind is Kind.RESPONSE
    assert len(trace.frames) == 4
    assert accused(trace) == []


def test_a_slice_has_frames_and_a_frame_tells_its_connection():
    first, second = greeting(), Talk(client=(b"\x0a\0\0\3", 50001)).open().say(GREETING)
    trace = read([*first.packets, *second.packets])
    assert [frame.connection for frame in trace.frames] == [0] * 4 + [1] * 4
    assert [frame.connection for frame in trace.connection(1).frames] == [1] * 4
    assert [frame.sender == "client" for frame in trace.connection(1).frames] == [True, False, True, False]
    assert trace.frames[0].sender != "server"
    assert trace.frames[0].sender in {trace.frames[2].sender}
    assert len(trace.connection(0).frames) == 4


def test_a_file_with_secrets_says_that_nothing_is_decrypted():
    secrets = struct.pack("<IIII", 10, 20, 0x544C534B, 0) + struct.pack("<I", 20)
    trace = read_capture(pcapng(greeting().packets) + secrets, Trace)
    assert trace.notes == ("the file holds secrets, such as those of TLS; nothing is decrypted here",)


@pytest.mark.parametrize("heads", ["c", "s", "cs"])
def test_heads_whose_lines_end_in_lf_alone_are_read(heads: str):
    lines = [(who, data.replace(b"\r\n", b"\n") if who in heads else data) for who, data in GREETING[:2]]
    trace = read(Talk().open().say([*PAGE, *lines, *GREETING[2:]]).close().packets)
    assert accused(trace) == ["line-ends-in-bare-lf"] * len(heads)
    assert len(trace.frames) == 4
    assert [head.headers for head in trace.handshakes] == [head.headers for head in read(greeting().packets).handshakes]


@pytest.mark.parametrize("later", [1, 2, 3, 5])
def test_a_syn_that_the_capture_saw_late_opens_no_other_connection(later: int):
    packets = greeting().packets
    trace = read([*packets[1 : 1 + later], packets[0], *packets[1 + later :]])
    assert (trace.connections, trace.notes) == ([0], ())
    assert len(trace.messages) == 2


@pytest.mark.parametrize("kept", [0, 1, 17, 60, 110])
def test_the_rest_of_a_head_is_no_frame(kept: int):
    """Of the 101, only these bytes and the last ones were captured: frames follow behind its empty line."""
    head = GREETING[1][1]
    cut = Talk().open().say([GREETING[0], ("s", head[:kept]), ("s", head[kept:-7]), ("s", head[-7:] + GREETING[3][1])])
    del cut.packets[5]
    trace = read(cut.say([GREETING[2], *GREETING[4:]]).close().packets)
    assert accused(trace) == []
    assert sorted(message.data or b"" for message in trace.messages) == [b"Hello client!", b"Hello server!"]


NO = ("s", b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
PAGE = [("c", b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"), ("s", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]


@pytest.mark.parametrize("before", [[GREETING[0], NO], [*PAGE, GREETING[0], NO], [GREETING[0], NO, GREETING[0], NO]])
@pytest.mark.parametrize("end", ["", "c", "s"])
def test_several_requests_on_one_connection(before: list[tuple[str, bytes]], end: str):
    """The whole, and each direction alone: a second request is no frame."""
    asked = Talk().open().say([*before, *GREETING]).close()
    trace = read(of(asked, end) if end else asked.packets)
    assert accused(trace) == []
    assert len(trace.frames) == (2 if end else 4)
    assert all(head.malformed is None for head in trace.handshakes)


@pytest.mark.parametrize("gone", range(3, 9))
def test_several_requests_of_which_one_is_cut_short(gone: int):
    asked = Talk().open().say([*PAGE, GREETING[0], NO, *GREETING]).close()
    time, packet = asked.packets[gone]
    asked.packets[gone] = time, packet[: 40 + (len(packet) - 40) // 2]
    trace = read(asked.packets)
    assert accused(trace) == []
    assert len(trace.frames) == 4


@pytest.mark.parametrize("lines", [[GREETING[0], NO], [GREETING[0], ("s", GREETING[1][1])]])
def test_a_server_whose_only_bytes_were_lost_is_not_said_to_be_silent(lines: list[tuple[str, bytes]]):
    lost = Talk().open().say(lines).close()
    del lost.packets[4]
    trace = read(lost.packets)
    assert accused(trace) == []
    note = f"connection 0: the last {len(lines[1][1])} bytes of the server's stream were not captured"
    assert trace.notes == (note,)


def swapped(packets: list[Packet], at: int) -> list[Packet]:
    return [*packets[:at], packets[at + 1], packets[at], *packets[at + 2 :]]


@pytest.mark.parametrize("gone", [(3,), (1, 3), (0, 1, 3), (1,)])
def test_what_was_heard_orders_both_streams_beyond_a_gap(gone: tuple[int, ...]):
    """The 101 is seen behind the client's frame, which acknowledges it; the request or a SYN was lost."""
    packets = swapped(greeting().packets, 4)
    trace = read([packet for place, packet in enumerate(packets) if place not in gone])
    assert accused(trace) == []
    assert len(trace.messages) == 2


@pytest.mark.parametrize("gone", [(4,), (1, 4), (1, 2, 4), (0, 1, 2, 4)])
def test_a_lost_answer_is_known_from_what_the_client_has_heard(gone: tuple[int, ...]):
    trace = read([packet for place, packet in enumerate(greeting().packets) if place not in gone])
    assert accused(trace) == []
    assert len(trace.messages) == 2
    assert any(f"{len(GREETING[1][1])} bytes of the server's stream were not captured" in note for note in trace.notes)


@pytest.mark.parametrize("stop", [5, 6])
def test_what_is_acknowledged_was_sent_though_the_capture_stops_before_it(stop: int):
    """The client's frame comes before the 101 that it acknowledges, which comes too late for the capture."""
    packets = [*greeting().packets[:4], greeting().packets[5], greeting().packets[7]][:stop]
    trace = read(packets)
    assert accused(trace) == []
    assert any("of the server's stream were not captured" in note for note in trace.notes)


def test_a_packet_cut_to_nothing_beside_one_that_is_cut_short():
    lines = [*GREETING[:2], ("s", ANSWER), ("s", build_frame("")), ("s", build_frame("x" * 130)), ("s", ANSWER)]
    packets = Talk().open().say(lines).packets
    packets[5] = packets[5][0], packets[5][1][:-7]
    packets[6] = packets[6][0], packets[6][1][:-2]
    trace = read(packets)
    assert accused(trace) == []
    assert "connection 0: 9 bytes of the server's stream were not captured" in trace.notes
    assert [message.data for message in trace.messages] == [b"x" * 130, b"as you like"]


def test_what_a_lost_message_took_with_it_is_not_inflated_and_no_fault():
    agreed = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    lines = [("c", build_request(headers=agreed)), ("s", build_response(headers=agreed))]
    deflate = zlib.compressobj(wbits=-15)
    for text in (b"one text, one text", b"another text, one text"):
        data = deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)
        lines.append(("c", build_frame(data[:-4], opcode=1, rsv1=True, mask=MASK)))
    packets = Talk().open().say([*lines, ("s", ANSWER)]).packets
    trace = read([packet for place, packet in enumerate(packets) if place not in (3, 5)])
    assert accused(trace) == []
    (note,) = (frame.note for frame in trace.frames if frame.sender is Sender.CLIENT)
    assert note == "not inflated: invalid distance too far back; what it refers back to may not have been recorded"


def refusal(*headers: str) -> tuple[str, bytes]:
    return "s", "".join(f"{line}\r\n" for line in ("HTTP/1.1 403 Forbidden", *headers, "")).encode() + b"no"


ENDS = {"c": ("c", FIN | ACK), "s": ("s", FIN | ACK), "C": ("c", RST | ACK), "S": ("s", RST | ACK)}
SAID = {
    "nothing": GREETING[:1],
    "refused": [GREETING[0], refusal("Content-Length: 2")],
    "refused, and closes": [GREETING[0], refusal("Content-Length: 2", "Connection: close")],
    "refused, to the end": [GREETING[0], refusal()],
    "refused twice": [GREETING[0], NO, GREETING[0], NO],
    "open": GREETING[:4],
    "closing": GREETING[:5],
    "closing, by the server": [*GREETING[:4], GREETING[5]],
    "open, with a gap": [*GREETING[:4], ("c", b"gone"), *GREETING[2:4]],
    "closing, with a gap": [*GREETING[:4], ("s", b"gone"), GREETING[3], *GREETING[4:]],
}


@pytest.mark.parametrize("how", ["", "c", "s", "cs", "sc", "C", "S", "sC", "cS"])
@pytest.mark.parametrize("what", SAID)
def test_states_after_the_end(what: str, how: str):
    """Both ends are CLOSED once TCP has ended both ways or by a reset, and never OPEN after a refusal."""
    talk = Talk().open().say(SAID[what])
    if "gap" in what:
        del talk.packets[3 + 4]
    for end in how:
        talk.put(ENDS[end][0], flags=ENDS[end][1])
    trace = read(talk.packets)
    over = len(how) == 2 or how.isupper()
    assert len(trace.connections) == (2 if "gap" in what else 1)
    for number in trace.connections:
        states = set(trace.states(number).values())
        assert states == {State.CLOSED} if over else State.OPEN not in states or "refused" not in what


@pytest.mark.parametrize(
    ("head", "name", "says"),
    [
        (b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\r\n", "Upgrade", "it does not now"),
        (b"HTTP/1.1 400 Bad Request\r\nUpgrade: websocket, h2c\r\n\r\n", "Upgrade", "it does not now"),
        (b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\n", "Connection", "closes the TCP connection after this"),
        (b"HTTP/1.1 426 No\r\nConnection: Upgrade\r\n\r\n", "Connection", 'options of this connection: "Upgrade"'),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", "Connection", "options of this connection"),
    ],
)
def test_the_headers_of_a_refusal_are_told_as_one_s(head: bytes, name: str, says: str):
    trace = read(Talk().open().say([GREETING[0], ("s", head)]).close().packets)
    assert says in trace.explain(1)[name].meaning


@pytest.mark.parametrize("first", [6, 7, 8])
def test_a_close_frame_may_have_come_before_the_capture_began(first: int):
    """The server closes first, and the client's frames after that are all that is seen, with both ends' FIN."""
    late = Talk().open().say([*GREETING[:2], ("s", GREETING[5][1]), GREETING[2], GREETING[4]]).close()
    trace = read(late.packets[first:])
    assert accused(trace) == []


def torn(who: str, ttl: int, *, late: float = 0.05) -> Trace:
    """A conversation that ends with an RST: its TTL, and seconds behind the last packet. The others' TTL is 64."""
    talk = Talk().open().say(GREETING[:4])
    talk.clock += late
    talk.put(who, flags=RST | ACK)
    time, packet = talk.packets[-1]
    talk.packets[-1] = time, packet[:8] + bytes([ttl]) + packet[9:]
    return read(talk.packets)


BOX = ": something between the two may have sent it"


@pytest.mark.parametrize(
    ("who", "ttl", "late", "says"),
    [
        ("s", 64, 0.05, "server's address; its TTL is 64, as that side's other packets have; it came 52.0 ms after"),
        (
            "s",
            57,
            0.05,
            "server's address; its TTL is 57, and that side's other packets have 64; it came 52.0 ms after",
        ),
        ("c", 255, 0.05, "client's address; its TTL is 255, and that side's other packets have 64; it came 51.0 ms"),
        ("c", 64, 90, "client's address; its TTL is 64, as that side's other packets have; it came 90.0 s after"),
    ],
)
def test_an_rst_bears_an_address_and_no_author(who: str, ttl: int, late: float, says: str):
    trace = torn(who, ttl, late=late)
    strange = ttl != 64
    label = "client" if who == "c" else "server"
    said = next(one for one in trace.records if one.kind is Kind.RESET)
    ((name, text),) = trace.explain(said.number).facts
    assert name == "TCP RST"
    assert text.startswith(f"an RST with the {says}")
    assert text.endswith(BOX) is strange
    for view in (trace.closing(0), ClosingPanel(trace)):
        assert text in " ".join(str(view).split())
    assert f"the {label} with RST" not in str(trace.closing(0))
    assert trace.notes == ((f"connection 0: {text}",) if strange else ())


def test_an_rst_that_came_sooner_than_that_side_can_answer():
    talk = Talk()
    talk.put("c", flags=SYN)
    talk.clock += 0.2
    talk.put("s", flags=SYN | ACK)
    talk.put("c")
    talk.say(GREETING[:3])
    talk.put("s", flags=RST)
    trace = read(talk.packets)
    said = (
        "it came 1.0 ms after the client's last packet, too soon to answer that: the answer to the first took 201.0 ms"
    )
    assert said in " ".join(str(trace.closing(0)).split())
    assert trace.notes == ()


def test_the_author_of_an_rst_that_wslab_recorded_is_known(tmp_path: Path):
    trace = Trace()
    server = trace.join(Sender.SERVER, "one")
    server.received(GREETING[0][1])
    server.reset_sent()
    trace.to_pcapng(tmp_path / "own.pcapng")
    assert "■ server with RST" in str(Trace.open(tmp_path / "own.pcapng").closing(0))
    torn("s", 57).save(tmp_path / "torn.wslab")
    assert BOX in str(Trace.open(tmp_path / "torn.wslab").closing(0))


@pytest.mark.slow
def test_a_capture_of_many_connections_keeps_them_all():
    packets = [
        one for port in range(3500) for one in Talk(client=(b"\x0a\0\0\3", 2000 + port)).say(GREETING[:2]).packets
    ]
    trace = read(packets)
    assert trace.connections == list(range(3500))
    assert len(list(dissections(trace))) == 3500


def test_connections_that_were_dropped_are_left_out_of_a_dissection():
    trace = Trace(max_entries=100)
    for number in range(FEWEST + 5):
        tap = trace.join(Sender.CLIENT, number)
        tap.sent(GREETING[0][1])
        tap.left()
    assert len(list(dissections(trace))) == len(trace.connections) <= FEWEST + 1
