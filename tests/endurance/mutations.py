"""Changes to inputs that keep their form, so that a fuzzer gets behind the first check: JSON, captures, archives.

Each takes the bytes, a random source and ``plain``, which changes bytes that have no form.
"""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import accumulate
from typing import Any

Plain = Callable[[bytes], bytes]
Mutation = Callable[[bytes, random.Random, Plain], bytes]

ODD_NUMBERS = (0, 1, -1, 0.5, 7, 8, 15, 16, 125, 126, 255, 65535, 65536, 2**31, 2**32, 2**53, 2**63, 2**70, 1e300)
ODD_WORDS = ("", "x", "\x00", "\u202e", "\ud800", "ws://[::1", "sha-256", "13", "deflate", "A" * 300, "=" * 5, "1e999")
ODD = (*ODD_NUMBERS, *ODD_WORDS, None, True, False, [], {}, [[]], [None], {"a": 1}, float("inf"), float("nan"))
SPLICES = (
    b"\x81\x85",
    b"\xc1\x07",
    b"\x88\x02\x03\xe8",
    b"\x7f" + bytes(8),
    b"\x7e\xff\xff",
    b"\r\n\r\n",
    b"HTTP/1.1 ",
)


def plain(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, left out, doubled or put in: what is done where atheris is missing."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(out) + 1)
        length = rng.choice((1, 1, 2, 4, 8, 40))
        match rng.randrange(6):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(out):
                out[at] = rng.choice((0, 1, 0x7E, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length]
            case 4:
                out[at:at] = rng.choice((*SPLICES, rng.randbytes(length)))
            case _:
                out[at : at + length] = rng.randbytes(length)
    return bytes(out)


def ways_into(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every value in some JSON, those that hold others included."""
    if way:
        yield way
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from ways_into(value[key], (*way, key))


def other_json(data: bytes, rng: random.Random, plain: Plain) -> bytes:
    """Values replaced by odd ones or by each other, left out or doubled; strings changed.

    What is no JSON, or is nested too deeply for Python, is changed as bytes.
    """
    try:
        value = json.loads(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            ways = [*ways_into(value)]
            if not ways:
                return plain(data)
            *way, last = rng.choice(ways)
            holder = reduce(lambda holder, key: holder[key], way, value)
            there = holder[last]
            match rng.randrange(6):
                case 0:
                    del holder[last]
                case 1 if isinstance(holder, list):
                    holder.insert(last, there)
                case 2:
                    holder[last] = copy.deepcopy(reduce(lambda holder, key: holder[key], rng.choice(ways), value))
                case 3 if isinstance(there, str):
                    holder[last] = plain(there.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
                case 4 if isinstance(there, int | float):
                    holder[last] = there + rng.choice((-1, 1, 0.5, -(2**31), 2**31, 2**63))
                case _:
                    holder[last] = rng.choice(ODD)
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return plain(data)


def other_parts(parts: list[bytes], rng: random.Random, change: Plain) -> list[bytes]:
    """Parts left out, doubled, swapped, cut short or changed inside."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(parts)) if parts else 0
        match rng.randrange(6):
            case _ if not parts:
                return parts
            case 0:
                del parts[at]
            case 1:
                parts.insert(rng.randrange(len(parts) + 1), parts[at])
            case 2:
                other = rng.randrange(len(parts))
                parts[at], parts[other] = parts[other], parts[at]
            case _:
                parts[at] = change(parts[at])
    return parts


def other_packet(data: bytes, rng: random.Random, plain: Plain) -> bytes:
    """A packet with another sequence number, other flags, cut short, or changed anywhere."""
    out = bytearray(data)
    match rng.randrange(4):
        case 0 if len(out) >= 40:
            at = rng.choice((24, 28))
            (number,) = struct.unpack_from(">I", out, at)
            struct.pack_into(">I", out, at, (number + rng.choice((-1, 1, -100, 100, 1400, 2**31, 2**20))) % 2**32)
        case 1 if len(out) >= 40:
            out[33] = rng.choice((0, 1, 2, 4, 16, 17, 18, 24, 63, 255))
        case 2:
            del out[rng.randrange(len(out) + 1) :]
        case 3 if len(out) > 40:
            out[40:] = plain(bytes(out[40:]))
        case _:
            return plain(data)
    return bytes(out)


def other_capture(data: bytes, rng: random.Random, plain: Plain) -> bytes:
    """A pcap file whose packets, or a pcapng file whose blocks, are changed, with lengths that still fit."""
    if rng.random() < 0.3:
        return plain(data)

    def change(packet: bytes) -> bytes:
        return other_packet(packet, rng, plain)

    if data[:4] == b"\xd4\xc3\xb2\xa1" and len(data) >= 24:
        packets, at, times = [], 24, []
        while at + 16 <= len(data):
            seconds, fraction, length, _ = struct.unpack_from("<IIII", data, at)
            times.append((seconds, fraction))
            packets.append(data[at + 16 : at + 16 + length])
            at += 16 + length
        out = [data[:24]]
        for place, packet in enumerate(other_parts(packets, rng, change)):
            seconds, fraction = times[min(place, len(times) - 1)]
            out += [struct.pack("<IIII", seconds, fraction, len(packet), len(packet)), packet]
        return b"".join(out)
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        blocks, at = [], 0
        while at + 12 <= len(data) and (length := int.from_bytes(data[at + 4 : at + 8], "little")) >= 12:
            blocks.append(data[at : at + 4] + data[at + 8 : at + length - 4])
            at += length
        return b"".join(_block(one) for one in other_parts(blocks, rng, lambda one: _other_block(one, change, plain)))
    return plain(data)


def _other_block(block: bytes, change: Plain, plain: Plain) -> bytes:
    """Enhanced packet blocks get another packet, others other bytes."""
    if block[:4] != b"\6\0\0\0" or len(block) < 24:
        return block[:4] + plain(block[4:])
    packet = change(block[24:])
    return block[:16] + struct.pack("<II", len(packet), len(packet)) + packet


def _block(block: bytes) -> bytes:
    body = block[4:] + bytes(-len(block) % 4)
    length = struct.pack("<I", len(body) + 12)
    return block[:4].ljust(4, b"\0") + length + body + length


def other_archive(data: bytes, rng: random.Random, plain: Plain) -> bytes:
    """A zip with one part changed or gone, whose checksums are right again."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # it was changed as bytes before
        return plain(data)
    if not parts or rng.random() < 0.05:
        return plain(data)
    name = rng.choice([*parts, "trace.json", "trace.json"])
    if rng.random() < 0.03:
        parts.pop(name, None)
    elif name in parts:
        parts[name] = other_json(parts[name], rng, plain) if name.endswith(".json") else plain(parts[name])
    return zipped(parts)


def zipped(parts: dict[str, bytes]) -> bytes:
    """A zip that stores its parts as they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part)
    return file.getvalue()


def other_streams(data: bytes, rng: random.Random, plain: Plain) -> bytes:
    """What ``streams`` made, with one of its two streams changed or the point moved at which they meet."""
    first, cut, client, server = parted(data)
    match rng.randrange(8):
        case 0:
            first = rng.randrange(256)
        case 1:
            client, server = server, client
        case 2:
            client = client[:cut] + rng.choice(SPLICES) + client[cut:]
        case n if n % 2:
            client = plain(client)
        case _:
            server = plain(server)
    return streams(client, server, first)


def streams(client: bytes, server: bytes, first: int = 0) -> bytes:
    """One input of two streams: a byte of options, the first stream's length, the streams."""
    return bytes([first]) + struct.pack(">H", min(len(client), 65535)) + client + server


def parted(data: bytes) -> tuple[int, int, bytes, bytes]:
    """Its options, where the streams meet, and the streams."""
    first, length = data[0] if data else 0, int.from_bytes(data[1:3], "big")
    return first, length, data[3 : 3 + length], data[3 + length :]


def cuts(first: int, data: bytes) -> list[bytes]:
    """The stream in chunks, as long as the options say: whole, or in pieces."""
    step = (len(data) or 1, 1, 3, 50)[first & 3]
    return [data[stop - step : stop] for stop in accumulate([step] * (-(-len(data) // step)))]
