"""Binary protocols that are not WebSocket, as streams of random messages, and WebSocket without its handshake."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any, Final

from packets import Talk

from wslab.protocol import build_frame
from wslab.protocol.words import BINARY, CONTINUATION, PING, PONG, TEXT

Lines = list[tuple[str, bytes]]


def _size(rng: random.Random) -> int:
    return rng.choice((0, 1, 4, rng.randrange(2, 126), rng.randrange(126, 700), rng.randrange(700, 3000)))


def _body(rng: random.Random) -> bytes:
    """Noise, text, zeros, or small numbers."""
    size = _size(rng)
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: rng.randbytes(size),
        lambda: bytes(rng.choice(b'abcdefgh ,.{}":0123456789\r\n') for _ in range(size)),
        lambda: bytes(size),
        lambda: bytes(rng.choice((0, 0, 0, 1, 2, 8, 16)) for _ in range(size)),
    )
    return rng.choice(kinds)()


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def length_prefixed(rng: random.Random, who: str) -> bytes:
    """Four bytes of length, big-endian: Kafka's and many others' way."""
    body = _body(rng)
    return struct.pack(">I", len(body)) + body


def little_prefixed(rng: random.Random, who: str) -> bytes:
    body = _body(rng)
    return struct.pack("<I", len(body)) + body


def short_prefixed(rng: random.Random, who: str) -> bytes:
    """Two bytes of length: DNS over TCP."""
    body = _body(rng)
    return struct.pack(">H", len(body)) + body


def mqtt(rng: random.Random, who: str) -> bytes:
    kind = rng.choice((0x10, 0x30, 0x32, 0x40, 0x82, 0x90, 0xC0, 0xD0, 0xE0))
    if kind in (0xC0, 0xD0, 0xE0):
        return bytes([kind, 0])
    topic = b"sensors/%d" % rng.randrange(99)
    body = struct.pack(">H", len(topic)) + topic + _body(rng) if kind & 0xF0 == 0x30 else rng.randbytes(2)
    return bytes([kind]) + _varint(len(body)) + body


def tls_records(rng: random.Random, who: str) -> bytes:
    body = rng.randbytes(rng.randrange(24, 1400))
    return b"\x17\x03\x03" + struct.pack(">H", len(body)) + body


def redis(rng: random.Random, who: str) -> bytes:
    parts = [b"SET", b"key:%d" % rng.randrange(999), _body(rng)]
    if who == "s":
        return rng.choice((b"+OK\r\n", b":1000\r\n", b"$3\r\nabc\r\n", b"-ERR no\r\n", b"$-1\r\n"))
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def protobuf(rng: random.Random, who: str) -> bytes:
    """Delimited messages: their lengths as varints."""
    fields = b"".join(
        bytes([rng.randrange(1, 9) << 3 | 2]) + _varint(len(text)) + text
        for text in (b"x" * rng.randrange(40) for _ in range(rng.randrange(1, 6)))
    )
    return _varint(len(fields)) + fields


def noise(rng: random.Random, who: str) -> bytes:
    return rng.randbytes(rng.randrange(1, 1400))


def http2(rng: random.Random, who: str) -> bytes:
    body = _body(rng)
    kind = rng.choice((0, 1, 3, 4, 6, 8))
    return (
        struct.pack(">I", len(body))[1:]
        + bytes([kind, rng.choice((0, 1, 4))])
        + struct.pack(">I", rng.randrange(9))
        + body
    )


def postgres(rng: random.Random, who: str) -> bytes:
    body = _body(rng)
    return rng.choice((b"Q", b"D", b"T", b"C", b"Z")) + struct.pack(">I", len(body) + 4) + body


def memcached(rng: random.Random, who: str) -> bytes:
    """Its first byte is 0x80 in requests and 0x81 in responses, as a frame's may be."""
    key, value = b"key:%d" % rng.randrange(999), _body(rng)
    if who == "s":
        return struct.pack(">BBHBBHIIQ", 0x81, rng.choice((0, 1)), 0, 4, 0, 0, 4 + len(value), 7, 1) + bytes(4) + value
    return struct.pack(">BBHBBHIIQ", 0x80, rng.choice((0, 1)), len(key), 0, 0, 0, len(key), 7, 0) + key


def ldap(rng: random.Random, who: str) -> bytes:
    body = b"\x02\x01" + rng.randbytes(1) + b"\x63" + rng.randbytes(1) + b"x" * rng.randrange(90)
    return b"\x30" + bytes([len(body)]) + body


def interleaved(rng: random.Random, who: str) -> bytes:
    """RTP in RTSP: a dollar sign, the channel, two bytes of length."""
    body = b"\x80\x60" + rng.randbytes(rng.randrange(12, 1300))
    return b"$" + bytes([rng.randrange(4)]) + struct.pack(">H", len(body)) + body


STRANGERS: Final = {
    make.__name__: make
    for make in (
        length_prefixed, little_prefixed, short_prefixed, mqtt, tls_records, redis, protobuf, noise, http2, postgres,
        memcached, ldap, interleaved,
    )
}  # fmt: skip


def stranger(name: str, rng: random.Random) -> Lines:
    """What both ends, or one of them, say in that protocol; the first message of each may have begun before."""
    ends = rng.choice(("cs", "cs", "c", "s"))
    lines = []
    for number in range(rng.randrange(1, 12)):
        who = rng.choice(ends)
        data = STRANGERS[name](rng, who)
        lines.append((who, data[rng.randrange(len(data)) :] if number < 2 and rng.random() < 0.3 else data))
    return [(who, data) for who, data in lines if data]


def midstream(rng: random.Random, ends: str = "") -> Lines:
    """WebSocket from any frame on: messages, fragments and control frames of both ends, or of one."""
    ends = ends or rng.choice(("cs", "cs", "c", "s"))
    lines = []
    for _ in range(rng.randrange(2, 14)):
        who = rng.choice(ends)
        lines += [
            (who, build_frame(data, **how, mask=rng.randbytes(4) if who == "c" else None))
            for data, how in _message(rng)
        ]
    return lines


def _message(rng: random.Random) -> list[tuple[bytes | str, dict[str, Any]]]:
    """The frames of a message: text, binary, compressed, fragmented; or a control frame."""
    data = rng.randbytes(_size(rng))
    return rng.choice(
        (
            [("".join(rng.choice("abc déş{}0\U0001f600") for _ in range(_size(rng) // 2)), {})],
            [(data, {"opcode": BINARY})],
            [(data, {"opcode": rng.choice((TEXT, BINARY)), "rsv1": True})],
            [(b"?", {"opcode": rng.choice((PING, PONG))})],
            [(b"one", {"opcode": BINARY, "fin": False}), (data, {"opcode": CONTINUATION})],
        )
    )


def captured(lines: Lines, rng: random.Random) -> Talk:
    """Without a SYN, and with any number of bytes in a packet."""
    talk = Talk()
    for who, data in lines:
        size = rng.choice((len(data), 536, 1400))
        talk.say((who, data[at : at + size]) for at in range(0, len(data), size))
    return talk
