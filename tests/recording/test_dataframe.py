"""The data frame has a row for each frame, and says of it what the frame says of itself."""

from __future__ import annotations

import sys

import pandas
import pytest
from recorded import conversation

from wslab.anatomy.field import Sender
from wslab.protocol import build_close, build_frame, build_request, build_response
from wslab.protocol.words import opcode_name
from wslab.recording.files.dataframe import LAYOUT
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender


def recording() -> Trace:
    trace = Trace()
    conversation(trace, "one")
    client, server = trace.join(CLIENT, 2), trace.join(SERVER, 2)
    client.sent(build_request())
    server.sent(build_response())
    for data in (
        build_frame("plain, unmasked"),
        build_frame("ş" * 100, mask=b"abcd"),
        build_frame(b"\x00\xff\x00", opcode=2, mask=b"abcd"),
        build_frame(b"", opcode=3, rsv2=True, rsv3=True, mask=b"abcd"),
        build_close(None, b"x", mask=b"abcd"),
        build_close(4001, "bye", mask=b"abcd"),
    ):
        client.sent(data)
    return trace


def test_a_row_a_frame():
    trace = recording()
    table = trace.to_dataframe()
    assert len(table) == len(trace.frames) == 11
    records = [trace.record(number) for number in table["record"]]
    for row, frame, record in zip(table.itertuples(), trace.frames, records, strict=True):
        assert row.time == record.time
        assert (None if pandas.isna(row.received) else row.received) == record.received
        assert row.connection == record.connection
        assert row.sender == frame.sender.label
        assert row.opcode in (opcode_name(frame.opcode), f"reserved {frame.opcode}")
        assert (row.fin, row.rsv1, row.rsv2, row.rsv3) == (frame.fin, frame.rsv1, frame.rsv2, frame.rsv3)
        assert row.masked == frame.mask
        assert (row.header_length, row.length) == (frame.header_length, frame.payload_length)
        assert row.start == frame.preview
        assert (None if pandas.isna(row.status_code) else row.status_code) == frame.status_code
        assert (None if pandas.isna(row.close_reason) else row.close_reason) == frame.close_reason
        assert row.violations == ", ".join(violation.rule for violation in frame.violations)


def test_the_beginning_of_a_text_ends_with_a_whole_character():
    table = recording().to_dataframe()
    texts = table[table["opcode"] == "TEXT"]["text"].tolist()
    assert texts == ["Hel", "plain, unmasked", "ş" * 14]
    assert table[table["opcode"] == "BINARY"]["text"].isna().all()


def test_what_is_no_utf8_is_told_as_such_and_a_close_reason_is_whole():
    """A frame's own ``close_reason`` says the same; a text that goes on in the midst of a character is no fault."""
    trace = Trace()
    client = trace.join(CLIENT, 1)
    client.sent(build_request())
    reason = "ş" * 61
    for data in (
        build_frame(b"a\xffb", mask=b"abcd", opcode=1),
        build_frame(b"cut \xc5", mask=b"abcd", opcode=1),
        build_frame("ş".encode()[:1], mask=b"abcd", opcode=1, fin=False),
        build_frame("ş".encode()[1:], mask=b"abcd", opcode=0),
        build_frame(b"\x03\xe8" + reason.encode(), opcode=8, mask=b"abcd"),
        build_frame(b"\x03\xe8a\xffb", opcode=8, mask=b"abcd"),
    ):
        client.sent(data)
    table = trace.to_dataframe()
    assert table["text"].tolist()[:3] == ["a\ufffdb", "cut \ufffd", ""]
    assert table["close_reason"].tolist()[4:] == [frame.close_reason for frame in trace.frames[4:]]
    assert table["close_reason"].tolist()[4:] == [reason, "a\ufffdb"]


def test_a_close_reason_whose_bytes_are_gone_is_told_as_far_as_it_is_known():
    trace = Trace(max_bytes=1024)
    client = trace.join(CLIENT, 1)
    client.sent(build_close(4000, "x" * 100, mask=b"abcd"))
    client.sent(build_frame(bytes(1020), opcode=2, mask=b"abcd"))
    table = trace.to_dataframe()
    assert trace.frames[0].close_reason is None
    assert table["close_reason"].tolist()[0] == "x" * 28


def test_it_answers_questions():
    """What one has a data frame for."""
    table = recording().to_dataframe()
    assert table.groupby("sender")["length"].sum().to_dict() == {"client": 226, "server": 8}
    assert table[table["violations"] != ""]["record"].count() == 3


def test_nothing_recorded():
    table = Trace().to_dataframe()
    assert len(table) == 0
    assert list(table.columns) == list(recording().to_dataframe().columns)


def test_the_layout_is_that_of_the_packed_record():
    import numpy

    from wslab.anatomy.record import PACKED

    assert numpy.dtype(LAYOUT).itemsize == PACKED.size


def test_without_pandas_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"-m pip install 'pandas>="):
        Trace().to_dataframe()
