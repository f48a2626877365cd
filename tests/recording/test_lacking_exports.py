"""What a recording lacks, its exports lack too: read again, they accuse nobody of it, and say what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from packets import ACK, GREETING, MASK, RST, SYN, Talk, pcap
from test_har import entry, message

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.protocol import build_frame
from wslab.protocol.states import State
from wslab.recording.files.capture_in import read_capture
from wslab.recording.files.har import read_har
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender
LONG = build_frame("x" * 3000, mask=MASK)


def one_sided(whose: str) -> Trace:
    """Only the packets of one direction were captured."""
    talk = Talk().open()
    kept = []
    for who, data in GREETING:
        talk.put(who, data)
        kept += talk.packets[-1:] if who == whose else []
    first = Talk()
    first.put(whose, flags=SYN if whose == "c" else SYN | ACK)
    return read_capture(pcap([*first.packets, *kept]), Trace)


def gap(*, end: bool) -> Trace:
    """A frame was captured up to its middle; after it the client ends its stream, or the capture stops."""
    talk = Talk().open().say(GREETING[:3])
    talk.put("c", LONG[:1000])
    talk.put("c", LONG[1000:])
    del talk.packets[-1]
    talk.close() if end else talk.put("s", GREETING[3][1])
    return read_capture(pcap(talk.packets), Trace)


def lost_request() -> Trace:
    talk = Talk().open().say(GREETING)
    del talk.packets[3]
    return read_capture(pcap(talk.packets), Trace)


def middle(*lines: tuple[str, bytes]) -> Trace:
    return read_capture(pcap(Talk().say(lines).packets), Trace)


LACKING = {
    "only the client": lambda: one_sided("c"),
    "only the server": lambda: one_sided("s"),
    "a gap, then FIN": lambda: gap(end=True),
    "the capture stops in a frame": lambda: gap(end=False),
    "the request was lost": lost_request,
    "begun in the middle": lambda: middle(*GREETING[2:]),
    "begun in the middle, the server first": lambda: middle(GREETING[3], GREETING[2], GREETING[3]),
    "a HAR without a handshake": lambda: read_har([entry([message(), message("receive")], request=None)], Trace),
    "a HAR with one message": lambda: read_har([entry([message("receive")], request=None)], Trace),
}


@pytest.mark.parametrize("saved", [False, True], ids=["", "saved"])
@pytest.mark.parametrize("name", LACKING)
def test_a_capture_of_it_accuses_nobody_of_what_it_lacks(name: str, saved: bool, tmp_path: Path):
    trace = LACKING[name]()
    assert trace.violations == []
    assert trace.notes
    if saved:
        trace.save(tmp_path / "own.wslab")
        trace = Trace.open(tmp_path / "own.wslab")
    trace.to_pcapng(tmp_path / "own.pcapng")
    again = Trace.open(tmp_path / "own.pcapng")
    assert again.violations == []
    assert [message[:5] for message in again.messages] == [message[:5] for message in trace.messages]
    assert [(head.sender, head.headers) for head in again.handshakes] == [
        (head.sender, head.headers) for head in trace.handshakes
    ]
    assert [again.states(number) for number in again.connections] == [trace.states(n) for n in trace.connections]
    for note in trace.notes:
        assert any(note in told for told in again.notes), note
    assert again.rebuilt == trace.rebuilt


def test_a_recording_that_lacks_nothing_stays_judged(tmp_path: Path):
    """The silence is for what was not recorded, and for nothing else."""
    trace = Trace()
    client, server = trace.join(CLIENT, "one"), trace.join(SERVER, "one")
    server.sent(build_frame("too soon"))
    client.received(build_frame("too soon"))
    client.fin_sent()
    trace.to_pcapng(tmp_path / "own.pcapng")
    again = Trace.open(tmp_path / "own.pcapng")
    rules = [found.rule for _, found in trace.violations]
    assert "server-frame-before-handshake" in rules
    assert [found.rule for _, found in again.violations] == rules
    assert again.notes == ()
    assert [record.kind for record in again.records] == [Kind.FRAME, Kind.FIN]
    assert again.states(0)[SERVER] is State.CONNECTING


@pytest.mark.parametrize("who", ["client", "server"])
def test_who_sent_an_rst_is_no_better_known_from_an_export(who: str, tmp_path: Path):
    talk = Talk().open().say(GREETING[:3])
    talk.put(who[0], flags=RST)
    trace = read_capture(pcap(talk.packets), Trace)
    for _ in range(2):
        trace.to_pcapng(tmp_path / "own.pcapng")
        trace = Trace.open(tmp_path / "own.pcapng")
        closing = " ".join(str(trace.closing(0)).split())
        assert f"TCP ended by an RST with the {who}'s address; who sent it is not known" in closing
        assert f"{who} with RST" not in closing


@pytest.mark.parametrize("said", [", bytes", "1,400 bytes", "9" * 40 + " bytes", "-1 bytes", "٣ bytes"])
def test_what_a_program_says_is_no_gap_that_would_stop_an_export(said: str, tmp_path: Path):
    trace = Trace()
    client = trace.join(CLIENT, "one")
    for _, data in GREETING[::2]:
        client.sent(data)
    client.note(f"{said} of the client's stream were not captured")
    client.fin_sent()
    trace.to_pcapng(tmp_path / "own.pcapng")
    assert Trace.open(tmp_path / "own.pcapng").messages == trace.messages


def test_bytes_whose_chunks_are_no_longer_kept_are_said_to_be_left_out(tmp_path: Path):
    """The log of chunks is full, and the trace still holds every record and every byte."""
    trace = Trace(max_entries=64)
    client = trace.join(CLIENT, "one")
    for byte in LONG[:400] + bytes(2614):
        client.sent(bytes([byte]))
    assert trace.dropped.chunks
    assert str(trace.dropped) == ""
    trace.to_pcapng(tmp_path / "own.pcapng")
    said = f"{trace.dropped.chunks:,} chunks before are no longer kept: their bytes are left out"
    assert any(said in note for note in Trace.open(tmp_path / "own.pcapng").notes)
