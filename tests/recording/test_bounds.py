"""What a recording takes of memory is bounded, whatever was recorded and whether or not anybody looked."""

from __future__ import annotations

import gc
import random
import tracemalloc
import zlib
from pathlib import Path

import pytest
from recorded import conversation

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.protocol import build_close, build_frame, build_request, build_response
from wslab.recording import archive, derive
from wslab.recording.derive import FEWEST
from wslab.recording.ledger import Ledger
from wslab.recording.tape import Tape
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender
MASK = bytes(4)
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}


def compressed(trace: Trace, key: object, said: bytes) -> None:
    """A short conversation of one compressed message, from its handshake to its end."""
    client, server = trace.join(CLIENT, key), trace.join(SERVER, key)
    squeeze = zlib.compressobj(wbits=-15)
    data = (squeeze.compress(said) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]
    client.sent(bytes(build_request(headers=OFFER)))
    server.sent(bytes(build_response(headers=OFFER)))
    client.sent(build_frame(data, rsv1=True, opcode=2, mask=MASK) + build_close(1000, mask=MASK))
    server.sent(build_frame(data, rsv1=True, opcode=2) + build_close(1000))
    for tap in (server, client):
        tap.fin_sent()
        tap.closed(1000)


def memory_of(trace: Trace, connections: int, said: bytes) -> float:
    """Bytes of memory that so many short conversations take each."""
    compressed(trace, "first", said)
    trace.update()
    gc.collect()
    tracemalloc.start()
    for number in range(connections):
        compressed(trace, number, said)
    trace.update()
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / connections


@pytest.mark.lengthy
@pytest.mark.parametrize("said", [b"", b"short", random.Random(1).randbytes(40_000)], ids=["empty", "short", "long"])
def test_a_connection_that_is_over_keeps_no_window_of_its_compression(said: bytes) -> None:
    trace = Trace(max_bytes=2**16, max_entries=FEWEST * 100)  # so many are kept that 50 of them all are
    assert memory_of(trace, 50, said) < 30_000, "an inflater takes 50 KiB, and each connection has two"


def test_what_comes_after_the_end_of_a_compressed_stream_is_not_inflated_and_says_so() -> None:
    trace = Trace()
    compressed(trace, "one", b"before the end")
    late = trace.join(SERVER, "two")
    late.sent(bytes(build_response(headers=OFFER)))
    late.fin_sent()
    late.sent(build_frame(b"\xca\x00\x00", rsv1=True))
    assert trace.frames[-1].note == "not inflated: the stream had ended"


def test_records_go_with_the_connections_before_all_that_are_kept() -> None:
    trace = Trace(max_entries=16 * FEWEST)
    for number in range(200):
        conversation(trace, str(number), reads=999)
        trace.update()
    assert trace.connections == list(range(200 - FEWEST, 200))
    assert {record.connection for record in trace.records} == set(trace.connections)
    assert {chunk.connection for chunk in trace.chunks} == set(trace.connections)
    assert trace.dropped.records == trace.records[0].number == trace.total - len(trace.records)
    assert len(trace.messages) == FEWEST
    assert {step.connection for step in trace.steps()} == set(trace.connections)
    assert trace.records[0].kind is Kind.REQUEST
    assert len(trace.explain(trace.first).fields) > 3


@pytest.mark.lengthy
def test_records_stay_while_an_older_connection_is_open() -> None:
    trace = Trace(max_entries=100_000)
    open_one = trace.join(CLIENT, "open")
    open_one.sent(bytes(build_request()))
    for number in range(1000):
        conversation(trace, str(number), reads=999)
    assert (trace.first, len(trace.connections)) == (0, 251)
    open_one.fin_sent()
    open_one.closed()
    for number in range(250):
        conversation(trace, f"again {number}", reads=999)
    assert trace.dropped.records > 9000


@pytest.mark.lengthy
def test_connections_that_nobody_has_looked_at_are_not_all_begun_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """They wait as entries, which take a fraction of the memory."""
    trace, most, forget = Trace(max_entries=26_000), 0, derive._forget

    def watched(tape: Tape, ledger: Ledger) -> None:
        nonlocal most
        most = max(most, len(ledger.conversations))
        forget(tape, ledger)

    monkeypatch.setattr(derive, "_forget", watched)
    for number in range(800):
        conversation(trace, str(number), reads=999)
    assert most == 0
    assert len(trace.connections) == 65
    assert 65 <= most < 65 + derive.FORGETTING / 10


def test_a_writer_helps_where_very_many_connections_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.recording.tape.NEW", 20)
    trace = Trace()
    for number in range(100):
        conversation(trace, str(number), reads=999)
        assert len(trace.tape.joined) <= 21
    assert len(trace.connections) == 100


def test_a_program_that_tells_of_a_forgotten_connection_harms_nothing() -> None:
    trace = Trace(max_entries=16)
    first = trace.join(SERVER, "first")
    first.sent(bytes(build_response()))
    first.closed(1000)
    for number in range(2 * FEWEST):
        conversation(trace, str(number), reads=999)
        trace.update()
    assert 0 not in trace.connections
    before = trace.total
    first.note("its handler failed late")
    first.bend("so did a relay")
    first.sent(b"\x81\x00")
    first.fin_sent()
    assert trace.total == before
    conversation(trace, "later", reads=999)
    assert trace.total == before + 9


def test_a_connection_that_joins_and_leaves_without_a_byte_is_forgotten_too() -> None:
    trace = Trace(max_entries=16)
    for number in range(3 * FEWEST):
        trace.join(CLIENT, number).left()
        trace.update()
    assert len(trace.connections) <= FEWEST
    for number in range(3 * FEWEST):  # and where nobody looks in between
        trace.join(CLIENT, -1 - number).left()
    assert len(trace.connections) <= FEWEST


def test_a_file_of_more_connections_than_a_recording_keeps_gives_all_of_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace(max_entries=20_000)
    assert archive.RECORDS_EACH == derive.RECORDS_EACH
    monkeypatch.setattr(derive, "RECORDS_EACH", 64)  # as in a version that kept more of them
    for number in range(200):
        conversation(trace, str(number), reads=999)
    trace.save(tmp_path / "many.wslab")
    monkeypatch.undo()
    trace = Trace.load(tmp_path / "many.wslab")
    assert trace.connections == list(range(200))
    assert len(trace.records) == 200 * 9
