"""When the peer had read a record's last byte: recomputed from the chunks, for any chunks on both ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind, Record
from wslab.protocol.builder import build_close, build_frame
from wslab.protocol.handshake import build_request, build_response
from wslab.recording.trace import Tap, Trace

CLIENT, SERVER = Sender.CLIENT, Sender.SERVER
MASK = bytes.fromhex("37fa213d")
MICROSECOND = 1e-6
STREAMS = {
    CLIENT: bytes(build_request())
    + b"".join(build_frame("x" * n, mask=MASK) for n in (0, 1, 125, 126, 5))
    + build_frame("Hel", fin=False, mask=MASK)
    + build_frame("lo", opcode=0, mask=MASK)
    + build_close(1000, "bye", mask=MASK)
    + b"\x81",  # the start of a frame that never comes
    SERVER: bytes(build_response()) + build_frame(bytes(300), opcode=2) + build_frame("ab") * 3 + build_close(1000),
}


def oracle(trace: Trace, record: Record) -> float | None:
    """The time of the peer's read that covers the record's last byte."""
    last = record.offset + record.header_length + record.payload_length - 1
    for chunk in trace.chunks:
        its = (chunk.connection, chunk.sender, chunk.seen_by) == (record.connection, record.sender, record.sender.peer)
        if its and chunk.offset <= last < chunk.offset + chunk.length:
            return chunk.time
    return None


def check(trace: Trace) -> None:
    for record in trace.records:
        if record.kind in (Kind.FIN, Kind.RESET, Kind.ERROR):
            continue
        read = oracle(trace, record)
        if read is not None and read < record.time:  # what was left over was read before it was known to be that
            assert (record.kind, record.received) == (Kind.UNREAD, None)
        elif read is None:
            assert record.received is None, record
        else:
            assert record.received == pytest.approx(read, abs=MICROSECOND), record
            assert record.received >= record.time


@st.composite
def crossings(draw: st.DrawFn) -> list[tuple[Sender, bool, int]]:
    """Writes and reads of both directions in any order in which they can happen: sender, whether a write, length."""
    written, read = dict.fromkeys(Sender, 0), dict.fromkeys(Sender, 0)
    steps = []
    for _ in range(draw(st.integers(0, 60))):
        sender, write = draw(st.sampled_from(Sender)), draw(st.booleans())
        room = len(STREAMS[sender]) - written[sender] if write else written[sender] - read[sender]
        if room:
            length = draw(st.integers(1, room))
            (written if write else read)[sender] += length
            steps.append((sender, write, length))
    return steps


@pytest.mark.lengthy
@given(crossings(), st.sets(st.integers(0, 60)), st.booleans())
def test_received_is_when_the_last_byte_was_read(
    steps: list[tuple[Sender, bool, int]], looks: set[int], ended: bool
) -> None:
    trace = Trace()
    taps = {end: trace.join(end, "k") for end in Sender}
    at = {(sender, write): 0 for sender in Sender for write in (True, False)}
    for number, (sender, write, length) in enumerate(steps):
        start = at[sender, write]
        data = STREAMS[sender][start : start + length]
        at[sender, write] = start + length
        if write:
            taps[sender].sent(data)
        else:
            taps[sender.peer].received(data)
        if number in looks:
            check(trace)
    if ended:
        for sender in Sender:
            taps[sender].fin_sent()
            left = STREAMS[sender][at[sender, False] : at[sender, True]]
            if left:
                taps[sender.peer].received(left)
    check(trace)


def both(trace: Trace, key: object = "k") -> tuple[Tap, Tap]:
    client, server = trace.join(CLIENT, key), trace.join(SERVER, key)
    client.sent(bytes(build_request()))
    server.received(bytes(build_request()))
    server.sent(bytes(build_response()))
    client.received(bytes(build_response()))
    return client, server


def test_an_end_is_received_when_the_peer_is_told_of_it() -> None:
    trace = Trace()
    client, server = both(trace)
    server.fin_sent()
    client.reset_sent()
    assert [record.received for record in trace[2:]] == [None, None]
    client.fin_received()
    server.reset_received()
    fin, reset = trace[2:]
    assert (fin.kind, reset.kind) == (Kind.FIN, Kind.RESET)
    assert fin.received is not None
    assert fin.received >= reset.time
    assert reset.received is not None
    assert reset.received >= fin.received
    client.fin_received()
    assert trace.record(2) == fin


def test_an_end_of_which_only_the_peer_tells_is_received_as_it_is_told() -> None:
    trace = Trace()
    client, server = both(trace)
    client.reset_received()
    server.closed()
    client.closed()
    (reset,) = trace[2:]
    assert (reset.sender, reset.received) == (SERVER, reset.time)


def test_of_an_outside_end_nothing_is_known() -> None:
    trace = Trace()
    server = trace.join(SERVER, "outside")
    server.received(bytes(build_request()) + build_frame("a", mask=MASK))
    server.sent(bytes(build_response()) + build_frame("b"))
    server.received(build_frame("c", mask=MASK))
    server.fin_received()
    server.fin_sent()
    assert len(trace) == 7
    assert [record.received for record in trace] == [None] * 7


def test_a_server_that_joins_late_has_read_what_it_reads() -> None:
    trace = Trace()
    client = trace.join(CLIENT, "k")
    client.sent(bytes(build_request()))
    assert trace.record(0).received is None
    server = trace.join(SERVER, "k")
    server.received(bytes(build_request()))
    check(trace)
    assert trace.record(0).received is not None


def test_bytes_that_were_read_before_anybody_said_they_were_sent_are_no_trouble() -> None:
    trace = Trace()
    client, server = both(trace)
    frame = build_frame("early", mask=MASK)
    server.received(frame)
    trace.update()
    client.sent(frame + frame)
    server.received(frame)
    early, after = trace[2:]
    assert early.received is None
    assert after.received == pytest.approx(oracle(trace, after), abs=MICROSECOND)


@pytest.mark.slow
@pytest.mark.parametrize("tapped", [True, False])
def test_what_is_never_read_does_not_pile_up(tapped: bool) -> None:
    trace = Trace(max_entries=5000)
    client = trace.join(CLIENT, "k")
    if tapped:
        trace.join(SERVER, "k")
    client.sent(bytes(build_request()))
    for _ in range(200):
        client.sent(build_frame("x", mask=MASK) * 100)
        trace.update()
    (stream, _) = trace.ledger.conversations[0].streams
    assert len(stream.waiting) <= (5100 if tapped else 4096)
    client.closed()
    assert trace.total == 20_001


def test_a_connection_that_is_over_waits_for_nothing() -> None:
    trace = Trace()
    client, server = both(trace)
    client.sent(build_frame("lost", mask=MASK))
    server.sent(build_frame("lost"))
    client.closed()
    server.closed()
    trace.update()
    assert [len(stream.waiting) for stream in trace.ledger.conversations[0].streams] == [0, 0]
