"""The packed form is what its table says, and a record says the same few words everywhere."""

from __future__ import annotations

import re
import struct

import pytest
from anatomy_samples import CLIENT, SERVER, record, records
from hypothesis import given

from wslab.anatomy import record as module
from wslab.anatomy.record import PACKED, Kind, Record
from wslab.drawing.visible import shows

_TYPES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "f64": "d", "28 s": "28s"}


@given(records)
def test_packing_loses_nothing(one: Record) -> None:
    assert Record.unpack(one.pack()) == one


def test_the_documented_table_is_the_packed_form() -> None:
    rows = re.findall(r"^(\d+) +(u8|u16|u32|u64|f64|28 s) +(\w+) ", module.__doc__ or "", re.MULTILINE)
    assert {name for _, _, name in rows} == {*Record._fields, "preview_length", "delay"} - {"received"}
    one = record(Kind.UNREAD, SERVER, b"abc", number=7)._replace(received=0.500123)
    packed = one.pack()
    assert len(packed) == PACKED.size == 76
    for offset, kind, name in rows:
        (value,) = struct.unpack_from("<" + _TYPES[kind], packed, int(offset))
        expected = {"preview_length": 3, "delay": 123}.get(name) or getattr(one, name)
        assert value == (expected.ljust(28, b"\0") if isinstance(expected, bytes) else expected), name


def test_more_than_255_violations_still_fit() -> None:
    assert Record.unpack(record(violations=300).pack()).violations == 255


@pytest.mark.parametrize(
    ("received", "delay", "said"),
    [(None, 0xFFFFFFFF, None), (0.5, 0, 0.5), (0.4, 0, 0.5), (1.5, 10**6, 1.5), (9e9, 0xFFFFFFFE, 0.5 + 4294.967294)],
)
def test_a_delay_is_microseconds_and_never_looks_unknown(
    received: float | None, delay: int, said: float | None
) -> None:
    packed = record()._replace(received=received).pack()
    assert struct.unpack_from("<I", packed, 72) == (delay,)
    assert Record.unpack(packed).received == said


BYE = b"bye"
LONG = b"abcdefghijklmnopqrstuvwxyz0123456789"


def cut(header: bytes, have: int) -> Record:
    """A record of a frame whose end did not come."""
    one = record(Kind.UNREAD, CLIENT, header, length=have)
    return one._replace(first=header[0], second=header[1], header_length=len(header))


SUMMARIES = [
    (record(preview=b"Hello"), 'TEXT "Hello"'),
    (record(), 'TEXT ""'),
    (record(preview=b"", length=300), "TEXT, 300 bytes"),
    (record(preview=LONG, length=300), 'TEXT "abcdefghijklmnopqrstuvwxyz01…" 300 bytes'),
    (record(preview=LONG[:28]), 'TEXT "abcdefghijklmnopqrstuvwxyz01"'),
    (record(preview=("x" * 27 + "é").encode(), length=29), f'TEXT "{"x" * 27}…" 29 bytes'),
    (record(preview=b"caf\xc3", first=0x01), r'TEXT "caf\xc3", not final'),
    (record(preview=b"<b>\x1b\n", first=0x81), r'TEXT "<b>\x1b\n"'),
    (record(preview=b"Hello", length=7, first=0xC1), 'TEXT "Hello", RSV1'),
    (record(preview=b"Hi", first=0x71), 'TEXT "Hi", not final, RSV1, RSV2, RSV3'),
    (record(preview=bytes(range(3)), first=0x82), "BINARY 00 01 02"),
    (record(preview=bytes(range(20)), first=0x82), "BINARY 00 01 02 03 04 05 06 07 … 20 bytes"),
    (record(first=0x82), "BINARY"),
    (record(preview=b"lo", first=0x80), 'CONTINUATION "lo"'),
    (record(preview=b"\xa9", first=0x00), "CONTINUATION a9, not final"),
    (record(first=0x89), "PING"),
    (record(preview=b"abc", first=0x89), 'PING "abc"'),
    (record(preview=b"\xef\x12\x9a\x3c", first=0x8A), "PONG ef 12 9a 3c"),
    (record(first=0x88), "CLOSE"),
    (record(preview=b"", length=1, first=0x88), "CLOSE with 1 byte"),
    (record(preview=b"", length=2, first=0x88, status=1000), "CLOSE 1000"),
    (record(preview=BYE, length=5, first=0x88, status=1000), 'CLOSE 1000 "bye"'),
    (record(preview=LONG, length=102, first=0x88, status=4000), 'CLOSE 4000 "abcdefghijklmnopqrstuvwxyz01…" 100 bytes'),
    (record(preview=b"x", first=0x83), 'reserved opcode 3 "x"'),
    (record(Kind.REQUEST, CLIENT, b"GET /chat"), "GET /chat"),
    (record(Kind.REQUEST, CLIENT, b"GET /" + LONG), "GET /abcdefghijklmnopqrstuvw…"),
    (record(Kind.RESPONSE, SERVER, b"101 Switching Protocols"), "101 Switching Protocols"),
    (record(Kind.FIN), "FIN, end of stream"),
    (record(Kind.RESET), "RST, connection reset"),
    (record(Kind.ERROR, SERVER, b"ValueError: no\n"), r"ValueError: no\n"),
    (record(Kind.BEND, CLIENT, b"delay 0.2 s"), "delay 0.2 s"),
    (record(Kind.UNREAD, CLIENT, b"GET / HTTP/1"), 'no frame: "GET / HTTP/1"'),
    (record(Kind.UNREAD, CLIENT, b"\x81"), "no frame: 81"),
    (cut(b"\x81\x85\1\2\3\4", 2), "TEXT cut short: 2 of 5 bytes"),
    (cut(b"\x02\x7e\x0b\xb8", 1396), "BINARY cut short: 1,396 of 3,000 bytes"),
    (cut(b"\x83\xff\0\0\0\1\0\0\0\0\1\2\3\4", 0), "reserved opcode 3 cut short: 0 of 4,294,967,296 bytes"),
    (cut(b"\x89\x81\1\2\3\4", 0), "PING cut short: 0 of 1 byte"),
    (record(Kind.UNREAD, CLIENT, b"\x81\xff" * 10), "no frame: 81 ff 81 ff 81 ff 81 ff … 20 bytes"),
    (
        record(Kind.UNREAD, SERVER, b"Failed to open a WebSocket connection"[:28], length=70, first=1),
        'HTTP body: "Failed to open a WebSocket c…" 70 bytes',
    ),
]


@pytest.mark.parametrize(("one", "said"), SUMMARIES, ids=[said for _, said in SUMMARIES])
def test_a_record_in_a_few_words(one: Record, said: str) -> None:
    assert one.summary == said


@given(records)
def test_every_record_has_a_short_harmless_summary(one: Record) -> None:
    said = one.summary
    assert said or one.kind in (Kind.REQUEST, Kind.RESPONSE, Kind.ERROR, Kind.BEND)
    assert shows(said)
    assert len(said) < 400
