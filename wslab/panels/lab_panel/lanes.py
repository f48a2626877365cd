"""The three lanes around a record as JSON values: chunks, frames and messages over the same bytes of one stream."""

from __future__ import annotations

from typing import Any

from ...anatomy.record import Kind, Record
from ...drawing.visible import count, harmless
from ...protocol import Message
from ...protocol.words import opcode_name
from ...recording.trace import Trace
from ..kit.record_filter import CONTROL

MOST_CHUNKS = 400
"""Writes and reads that are sent; ``chunks_left_out`` says how many more there are."""


def lanes_json(trace: Trace, number: int) -> dict[str, Any]:
    """What lies around record ``number`` in its sender's stream, as JSON values.

    Offsets and lengths are in bytes, times in seconds since the trace began. ``chunks`` are the sender's writes and
    the peer's reads, as far as those ends are in the lab. ``records`` are the frames and heads in those bytes.
    ``messages`` reach from their first frame to the end of their last; other frames may stand between.

    Raises:
        IndexError: there is no such record.
    """
    record = trace.record(number)
    lanes = trace.lanes(number)
    return {
        "sender": record.sender.label,
        "connection": record.connection,
        "start": lanes.start,
        "stop": lanes.stop,
        "chunks": [
            {"by": chunk.seen_by.label, "offset": chunk.offset, "length": chunk.length, "time": chunk.time}
            for chunk in lanes.chunks[:MOST_CHUNKS]
        ],
        "chunks_left_out": max(0, len(lanes.chunks) - MOST_CHUNKS),
        "records": [_record(one) for one in lanes.records],
        "messages": [
            {"first": first, "last": last, "start": start, "stop": stop, "words": _words(message)}
            for first, last, start, stop, message in lanes.messages
        ],
    }


def _record(record: Record) -> dict[str, Any]:
    return {
        "number": record.number,
        "kind": record.kind.name.lower(),
        "control": record.kind is Kind.FRAME and bool(record.first & CONTROL),
        "offset": record.offset,
        "header": record.header_length,
        "payload": record.payload_length,
        "words": harmless(record.summary),
    }


def _words(message: Message) -> str:
    return f"{opcode_name(message.opcode)}, {count(message.length, 'byte')}"
