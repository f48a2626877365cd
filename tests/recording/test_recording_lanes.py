"""The lanes around a record against all chunks, records and messages of a trace, filtered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import conversation

from wslab.anatomy.field import Sender
from wslab.anatomy.record import PACKED, Kind, Record
from wslab.protocol import build_frame, build_response
from wslab.recording import lanes
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender


@pytest.fixture
def trace() -> Trace:
    trace = Trace()
    conversation(trace)
    return trace


def test_lanes_lay_chunks_frames_and_messages_over_the_same_bytes(trace: Trace) -> None:
    lanes = trace.lanes(3)  # the ping between the fragments
    frames = {record.number: record for record in lanes.records}
    assert {2, 3, 4} <= set(frames)
    assert (lanes.start, lanes.stop) == (0, frames[6].offset + 4), "what the server sent, from its head to its Close"
    ((first, last, start, stop, message),) = lanes.messages
    assert (first, last, start, stop) == (2, 4, frames[2].offset, frames[4].offset + 4)
    assert message.length == 5
    written = [chunk for chunk in lanes.chunks if chunk.seen_by is SERVER]
    read = [chunk for chunk in lanes.chunks if chunk.seen_by is CLIENT]
    assert len(written) == 3
    assert len(read) == lanes.stop - lanes.start, "a byte at a time"
    for chunks in (written, read):
        assert [chunk.offset for chunk in chunks][1:] == [chunk.offset + chunk.length for chunk in chunks][:-1]


def test_lanes_take_so_many_records_around_a_message() -> None:
    trace = Trace()
    server = trace.join(SERVER, "one")
    server.sent(bytes(build_response()))
    for number in range(20):
        server.sent(build_frame(f"{number:02}"))
    assert [record.number for record in trace.lanes(10, around=3).records] == [*range(7, 14)]
    assert [record.number for record in trace.lanes(20, around=3).records] == [*range(17, 21)]
    with pytest.raises(IndexError, match="no record 99"):
        trace.lanes(99)


def test_lanes_survive_a_file(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "one.wslab")
    again = Trace.load(tmp_path / "one.wslab")
    assert [again.lanes(number) for number in range(9)] == [trace.lanes(number) for number in range(9)]
    assert again.lanes(3).messages


def test_whose_reads_what_a_packed_record_says(trace: Trace) -> None:
    assert lanes.WHOSE.size == PACKED.size
    for record in trace:
        assert lanes.WHOSE.unpack(record.pack()) == (record.connection, record.sender, record.kind)


PIECES = [
    build_frame("one"), build_frame("t", fin=False), build_frame("w", opcode=0, fin=False), build_frame("o", opcode=0),
    build_frame(b"?", opcode=9), build_frame("x" * 200),
]  # fmt: skip


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(PIECES), st.integers(1, 60), st.booleans()), max_size=25),
    st.integers(0, 3),
)
def test_lanes_are_what_a_look_at_everything_finds(writes: list[tuple[int, bytes, int, bool]], around: int) -> None:
    trace = Trace()
    taps = [(trace.join(SERVER, key), trace.join(CLIENT, key)) for key in range(2)]
    late = [b"", b""]
    for server, client in taps:
        server.sent(bytes(build_response()))
        client.received(bytes(build_response()))
    for which, data, size, wait in writes:
        server, client = taps[which]
        server.sent(data)
        late[which] += data
        while late[which] and not wait:
            client.received(late[which][:size])
            late[which] = late[which][size:]
    for record in trace:
        found = trace.lanes(record.number, around)
        mine = [r for r in trace if (r.connection, r.sender) == (record.connection, record.sender)]
        own = message(trace, record)
        span = [r.number for r in mine if r.number == record.number or (own is not None and own == message(trace, r))]
        before = [r for r in mine if r.number < span[0]]
        after = [r for r in mine if r.number > span[-1]]
        inside = [r for r in mine if span[0] <= r.number <= span[-1]]
        if len(inside) == len(span):  # nothing of another message between
            assert list(found.records) == [*before[max(0, len(before) - around) :], *inside, *after[:around]]
        assert list(found.chunks) == [
            chunk
            for chunk in trace.chunks
            if (chunk.connection, chunk.sender) == (record.connection, record.sender)
            and chunk.offset < found.stop
            and chunk.offset + chunk.length > found.start
        ]
        for first, last, start, stop, told in found.messages:
            assert told.length == sum(r.payload_length for r in mine if message(trace, r) == told.number)
            parts = [r for r in found.records if message(trace, r) == told.number]
            assert (first, last, start) == (parts[0].number, parts[-1].number, parts[0].offset)
            assert stop == parts[-1].offset + parts[-1].header_length + parts[-1].payload_length


def message(trace: Trace, record: Record) -> int | None:
    """Which of its sender's messages a record is a part of, as its frame says."""
    return trace.frame(record.number).message if record.kind is Kind.FRAME else None
