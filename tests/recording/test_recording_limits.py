"""Each limit of recordings, of explaining and of foreign files is reached, and what docs/limits.md says happens."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from packets import GREETING, Talk, pcap
from recorded import conversation
from test_har import entry, message

from wslab import cli
from wslab.anatomy.field import Sender
from wslab.protocol import build_frame, build_request, build_response
from wslab.protocol.connection import Connection, Unread
from wslab.recording import ledger
from wslab.recording.archive import TraceFileError
from wslab.recording.files.imported import PROBLEMS, Problems
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender
MASK = bytes(4)
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}


def test_the_oldest_inflated_payloads_are_dropped_and_their_records_stay() -> None:
    trace = Trace(max_bytes=4096)
    server = trace.join(SERVER, "one")
    server.sent(bytes(build_response(headers=OFFER)))
    squeeze = zlib.compressobj(wbits=-15)
    for letter in "abcde":
        data = (squeeze.compress(letter.encode() * 300) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]
        server.sent(build_frame(data, rsv1=True, opcode=2))
    frames = trace.frames
    assert len(frames) == 5
    assert [frame.inflated for frame in frames] == [None, None, b"c" * 300, b"d" * 300, b"e" * 300]
    assert [frame.preview[:1] for frame in frames] == [b"a", b"b", b"c", b"d", b"e"]


def test_a_record_that_is_no_longer_kept_says_so() -> None:
    trace = Trace(max_bytes=1024, max_entries=1000)
    conversation(trace, reads=999)
    client = trace.join(CLIENT, "two")
    client.sent(build_frame(bytes(2000), opcode=2, mask=MASK))
    assert trace.dropped.bytes > 0
    assert trace.frames[0].payload is None
    assert "not kept" in str(trace.explain(2))


def test_times_of_reading_beyond_the_limit_are_not_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "RECEPTIONS", 4)
    trace = Trace()
    conversation(trace, reads=999)
    assert len(trace.records) == 9
    assert trace.ledger.receptions.total - trace.ledger.receptions.first == 4
    assert all(record.received is not None for record in trace.records if record.kind.name == "FRAME")


def test_lanes_look_no_farther(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace()
    client = trace.join(CLIENT, "one")
    client.sent(bytes(build_request()))
    for _ in range(30):
        client.sent(build_frame("x", mask=MASK))
    assert len(trace.lanes(15, around=10).records) == 21
    monkeypatch.setattr("wslab.recording.lanes.FARTHEST", 3)
    near = trace.lanes(15, around=10)
    assert 3 < len(near.records) <= 7
    assert len(near.chunks) <= 7


def test_a_file_that_would_unpack_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(max_bytes=2000)
    for key in "ab":
        conversation(trace, key, reads=999)
    trace.save(tmp_path / "a.wslab")
    monkeypatch.setattr("wslab.recording.archive.LARGEST", 2000)
    with pytest.raises(TraceFileError, match="would unpack to more than 2000 bytes"):
        Trace.load(tmp_path / "a.wslab")


@pytest.mark.parametrize(("length", "read"), [(1024, True), (1025, False)])
def test_a_long_line_between_two_chunks_ends_the_reading_of_a_body(length: int, read: bool) -> None:
    connection = Connection()
    head = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
    line = b"1;" + b"x" * (length - 4) + b"\r\n"
    found = connection.feed(SERVER, head + line + b"a\r\n0\r\n\r\n" + head)
    assert sum(type(thing).__name__ == "Head" for thing in found) == (2 if read else 1)
    left = [*(thing for thing in found if isinstance(thing, Unread)), *connection.end(SERVER)]
    assert left[0].length == len(line) + 8 + (0 if read else len(head))


def test_a_summary_holds_as_much_of_a_payload_as_its_record() -> None:
    trace = Trace()
    conversation(trace, reads=999)
    server = trace.join(SERVER, "two")
    server.sent(bytes(build_response()) + build_frame("x" * 28) + build_frame("x" * 29))
    exact, longer = trace.records[-2:]
    assert exact.summary == 'TEXT "' + "x" * 28 + '"'
    assert "…" in longer.summary
    assert trace.frames[-1].payload == b"x" * 29


def test_of_a_capture_with_a_long_last_packet_a_part_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.recording.files.pcapng.LONGEST", 60)
    talk = Talk().open().say([*GREETING[:2], ("s", build_frame(bytes(900), opcode=2))])
    whole = pcap(talk.packets)
    (tmp_path / "cut.pcap").write_bytes(whole[:-10])
    trace = Trace.open(tmp_path / "cut.pcap")
    assert any("are left in the file: cut or lying" in note for note in trace.notes)
    assert sum(chunk.length for chunk in trace.chunks if chunk.sender is SERVER) == len(GREETING[1][1]) + 20


def test_after_a_gap_so_many_segments_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk().open().say(GREETING[:2])
    begins = len(talk.packets)
    talk.put("s", build_frame(bytes(500), opcode=2))  # this one is lost
    for _ in range(6):
        talk.put("s", b"\xff" * 50)
    for number in range(6):
        talk.put("s", build_frame(f"after {number}"))
    packets = talk.packets[:begins] + talk.packets[begins + 1 :]
    (tmp_path / "gap.pcap").write_bytes(pcap(packets))
    found = [message.data for message in Trace.open(tmp_path / "gap.pcap").messages]
    monkeypatch.setattr("wslab.recording.files.conversations.CANDIDATES", 3)
    assert found == [b"after %d" % number for number in range(6)]
    few = Trace.open(tmp_path / "gap.pcap")
    assert [message.data for message in few.messages] == []


def test_of_many_messages_in_a_har_the_first_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.recording.files.har.MESSAGES", 3)
    (tmp_path / "a.har").write_text(json.dumps({"log": {"entries": [entry([message()] * 2), entry([message()] * 2)]}}))
    trace = Trace.open(tmp_path / "a.har")
    assert len(trace.messages) == 3
    assert any("only the first 3 messages are read" in note for note in trace.notes)


def test_of_many_header_lines_in_a_har_the_first_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = entry([message()])
    many = [{"name": f"X-{number}", "value": "x"} for number in range(20)]
    whole["request"]["headers"] += many
    monkeypatch.setattr("wslab.recording.files.har.HEADERS", len(whole["request"]["headers"]) - 15)
    (tmp_path / "a.har").write_text(json.dumps({"log": {"entries": [whole]}}))
    trace = Trace.open(tmp_path / "a.har")
    assert sum(name.startswith("X-") for name, _ in trace.handshakes[0].headers) == 5
    assert any("header lines of a head are read" in note for note in trace.notes)


def test_of_many_problems_the_rest_is_counted() -> None:
    problems = Problems()
    for number in range(PROBLEMS + 7):
        problems.note(f"problem {number}")
    assert len(problems.told()) == PROBLEMS + 1
    assert problems.told()[-1] == "more problems (7 times)"


def test_a_summary_in_a_terminal_has_so_many_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = Trace()
    conversation(trace, reads=999)

    async def recorded() -> Trace:
        return trace

    monkeypatch.setattr("wslab.cli.SUMMARY", 4)
    assert cli._record("echo", recorded(), type("Options", (), {"save": None, "port": 0})()) == 0
    said = capsys.readouterr().out
    assert said.startswith("the last 4 of 9 records: ")
    assert "GET" not in said
