"""Captures as files: the packets of a pcap or pcapng file, and pcapng written.

Theory. A *pcap* file is a header and packets, each with its time and length. A *pcapng* file is blocks, each with its
type and, before and after its body, its length; sections have a byte order, and interfaces a link type and a
unit of time. Both say how long things are before they come, and a damaged file says it wrongly. So every length
is held against the bytes that there are, reading stops where a length cannot be right, and the story says so.

Why no library reads here: dpkt 1.9.8 knows one interface a file, returns times as floats (a nanosecond is lost), raises
on a cut or lying block and asks for 4 GiB where a block claims them; python-pcapng 2.1.1 reads several interfaces but
no pcap, and raises too. They take 4 and 24 times as long a packet as the loop below. Tests hold it to what dpkt,
tshark and dumpcap read and write.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .imported import Problems

PCAPNG: Final = b"\x0a\x0d\x0d\x0a"  # a section header's type, the same in both byte orders (pcapng, section 4.1)
# By a pcap file's first four bytes: byte order, nanoseconds in a unit of time, length of a packet's header (24 in the
# variant that Linux distributions once patched into libpcap).
PCAP: Final = {
    struct.pack(f"{order}I", magic): (order, unit, header)
    for magic, unit, header in ((0xA1B2C3D4, 1000, 16), (0xA1B23C4D, 1, 16), (0xA1B2CD34, 1000, 24))
    for order in "<>"
}

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _PACKET, _SECRETS = 0x0A0D0D0A, 1, 2, 3, 6, 10
# Options: of any block; if_name, shb_userappl, if_tsresol, if_tsoffset.
_COMMENT, _NAME, _PROGRAM, _RESOLUTION, _OFFSET = 1, 2, 4, 9, 14
_ORDERS: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
# Bytes of a packet that is cut by the file's end that are read; libpcap takes no longer packets either.
LONGEST: Final = 2**18
RAW: Final = 101  # the link type of packets that begin with IP


class Interface(NamedTuple):
    """Where packets were captured."""

    link: int
    snaplen: int
    name: str
    divisor: int  # a unit of time is ``10**9 / divisor`` nanoseconds
    offset: int  # nanoseconds that are added to each time


@dataclass
class Story:
    """What is wrong with a file, and what it says about itself."""

    problems: Problems = field(default_factory=Problems)
    program: str = ""  # what wrote the first section
    comment: str = ""  # of the first section
    names: dict[int, str] = field(default_factory=dict)  # of the interfaces, by the ``place`` of their packets


def is_capture(beginning: bytes) -> bool:
    """Whether a file that begins like this is a pcap or a pcapng file."""
    return beginning[:4] == PCAPNG or beginning[:4] in PCAP


def packets(data: bytes, story: Story) -> Iterator[tuple[int, int, int, bytes]]:
    """Each packet's time (nanoseconds since 1970), link type, interface and bytes, in the order of the file."""
    return _pcapng(data, story) if data[:4] == PCAPNG else _pcap(data, story)


def _pcap(data: bytes, story: Story) -> Iterator[tuple[int, int, int, bytes]]:
    order, unit, header = PCAP[data[:4]]
    if len(data) < 24:
        return story.problems.note("the file is cut in its header")
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF  # above: what is told of the frame check sequence
    unpack = struct.Struct(order + "IIII").unpack_from
    at, size = 24, len(data)
    while at < size:
        if at + header > size:
            return story.problems.note(f"the file is cut in a packet's header, {size - at} bytes before its end")
        seconds, fraction, length, _ = unpack(data, at)
        at += header
        if at + length > size:
            story.problems.note(
                f"a packet at byte {at - header} says it has {length:,} bytes, and {size - at:,} are left in the file: "
                "cut or lying, and nothing after it can be found"
            )
            yield seconds * 1_000_000_000 + fraction * unit, link, 0, data[at : at + LONGEST]
            return
        yield seconds * 1_000_000_000 + fraction * unit, link, 0, data[at : at + length]
        at += length


def _pcapng(data: bytes, story: Story) -> Iterator[tuple[int, int, int, bytes]]:
    at, size, order, note = 0, len(data), "", story.problems.note
    sections = places = first = newest = 0
    interfaces: list[Interface] = []
    head = packet = struct.Struct("<II")
    while at < size:
        if at + 12 > size:
            return note(f"the file is cut in a block's header, {size - at} bytes before its end")
        if data[at : at + 4] == PCAPNG:
            found = _ORDERS.get(data[at + 8 : at + 12])
            if found is None:
                return note(f"the section at byte {at} has a byte-order magic that is none: nothing after it is read")
            order, interfaces, first, sections = found, [], places, sections + 1
            head, packet = struct.Struct(order + "II"), struct.Struct(order + "IIIII")
        kind, length = head.unpack_from(data, at)
        if length < 12 or length % 4 or at + length > size:
            what = "more than are left" if at + length > size else "which no block can have"
            return note(f"a block at byte {at} says it has {length:,} bytes, {what}: nothing after it is read")
        if data[at + 4 : at + 8] != data[at + length - 4 : at + length]:
            return note(f"a block at byte {at} has two different lengths: nothing after it is read")
        stop = at + length - 4
        if kind in (_PACKET, _OLD_PACKET):
            if length < 32:
                note("a packet block is too short for its own header")
                at += length
                continue
            which, high, low, captured, _ = packet.unpack_from(data, at + 8)
            if kind == _OLD_PACKET:
                which = struct.unpack_from(order + "H", data, at + 8)[0]
            start = at + 28
            if start + captured > stop:
                note("a packet says that it is longer than its block; what the block holds is read")
                captured = stop - start
            if which < len(interfaces):
                link, _, _, divisor, offset = interfaces[which]
                newest = (high << 32 | low) * 10**9 // divisor + offset
                yield newest, link, first + which, data[start : start + captured]
            else:
                note("a packet names an interface that the file does not describe, and is left out")
        elif kind == _SIMPLE:
            if interfaces and length >= 16:
                link, snaplen, *_ = interfaces[0]
                original = head.unpack_from(data, at + 8)[0] if length > 16 else 0
                captured = min(original, snaplen or original, stop - at - 12)
                note("a packet has no time of its own, and is given the time of the packet before")
                yield newest, link, first, data[at + 12 : at + 12 + captured]
            else:
                note("a simple packet block before any interface is left out")
        elif kind == _INTERFACE:
            if length >= 20:
                interface = _interface(data, at, stop, order)
                interfaces.append(interface)
                story.names[places] = interface.name
                places += 1
            else:
                note("an interface block is too short for its own header")
        elif kind == _SECRETS:
            note("the file holds secrets, such as those of TLS; nothing is decrypted here")
        elif kind == _SECTION and sections == 1:
            options = _options(data, at + 24, stop, order)
            story.program = _text(options.get(_PROGRAM, b""))
            story.comment = _text(options.get(_COMMENT, b""))
        at += length


def _interface(data: bytes, at: int, stop: int, order: str) -> Interface:
    link, _, snaplen = struct.unpack_from(order + "HHI", data, at + 8)
    options = _options(data, at + 16, stop, order)
    resolution = (options.get(_RESOLUTION, b"") or b"\x06")[0]
    exponent = resolution & 0x7F
    # pcapng, section 4.2: the most significant bit says whether the unit is a power of 2 or of 10.
    divisor = 2**exponent if resolution & 0x80 else 10**exponent
    offset = options.get(_OFFSET, b"")
    seconds = struct.unpack(order + "q", offset)[0] if len(offset) == 8 else 0
    return Interface(link, snaplen, _text(options.get(_NAME, b"")), divisor, seconds * 10**9)


def _options(data: bytes, at: int, stop: int, order: str) -> dict[int, bytes]:
    """A block's options, the first of each code."""
    found: dict[int, bytes] = {}
    while at + 4 <= stop:
        code, length = struct.unpack_from(order + "HH", data, at)
        if not code or at + 4 + length > stop:
            break
        found.setdefault(code, data[at + 4 : at + 4 + length])
        at += 4 + length + -length % 4
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").rstrip("\0")


def pcapng(
    names: Iterable[str], written: Iterable[tuple[int, int, bytes]], *, link: int, program: str, comment: str
) -> Iterator[bytes]:
    """The blocks of a pcapng file by that ``program``, with interfaces of those names and that link type.

    A packet is its time in nanoseconds since 1970, its interface's place in ``names``, and its bytes.
    """
    said = _option(_COMMENT, comment.encode()) + _option(_PROGRAM, program.encode()) + bytes(4)
    yield _block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + said)
    for name in names:
        options = _option(_NAME, name.encode()) + _option(_RESOLUTION, b"\x09") + bytes(4)
        yield _block(_INTERFACE, struct.pack("<HHI", link, 0, 0) + options)
    for time, place, data in written:
        size = len(data)
        header = struct.pack("<IIIII", place, time >> 32 & 0xFFFFFFFF, time & 0xFFFFFFFF, size, size)
        yield _block(_PACKET, header + data)


def _option(code: int, value: bytes) -> bytes:
    value = value[:0xFFFC]
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
