"""No verdict without evidence: what a capture does not show is held against nobody, and said to be missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from packets import GREETING, MASK, Packet, Talk, greeting, pcap

from wslab.anatomy.record import Kind
from wslab.protocol import build_frame
from wslab.protocol.words import BINARY
from wslab.recording.files.capture_in import read_capture
from wslab.recording.trace import Trace

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


def test_a_lost_first_fragment():
    lost = talk(*(("c", part) for part in PARTS))
    del lost.packets[3 + 4]
    trace = read(lost.packets)
    assert accused(trace) == []
    (rest,) = (frame for frame in trace.frames if not frame.first & 0x0F)
    assert rest.note == "the beginning of its message is not known"


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
    said = " ".join(repr(trace.explain(cut.number)).split())
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
