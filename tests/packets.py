"""Packets and capture files made to order with dpkt, which wslab itself does not use: the other opinion."""

from __future__ import annotations

import io
import itertools
import random
import struct
from collections.abc import Iterable

import dpkt

from wslab.anatomy.field import Sender
from wslab.protocol import build_close, build_frame, build_request, build_response

MASK = bytes.fromhex("37fa213d")
SYN, ACK, FIN, RST, PSH = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK, dpkt.tcp.TH_FIN, dpkt.tcp.TH_RST, dpkt.tcp.TH_PUSH
CLIENT, SERVER = (b"\x0a\x00\x00\x01", 50000), (b"\x0a\x00\x00\x02", 80)
BEGAN = 1_700_000_000.0
Packet = tuple[float, bytes]

GREETING = (
    ("c", build_request()),
    ("s", build_response()),
    ("c", build_frame("Hello server!", mask=MASK)),
    ("s", build_frame("Hello client!")),
    ("c", build_close(1000, "bye", mask=MASK)),
    ("s", build_close(1000, "bye")),
)
SAID = [b"Hello server!", b"Hello client!"]

STREAMS = {
    sender: b"".join(data for who, data in GREETING if (who == "s") == (sender is Sender.SERVER)) for sender in Sender
}


class Talk:
    """One TCP connection as a capture sees it: each call appends a packet, a millisecond after the last."""

    def __init__(self, client=CLIENT, server=SERVER, *, isn=(1000, 2**32 - 50), begins: float = 0.0) -> None:
        self.ends = {"c": client, "s": server}
        self.next = dict(zip("cs", isn, strict=True))
        self.packets: list[Packet] = []
        self.clock = BEGAN + begins

    def put(self, who: str, data: bytes = b"", flags: int = ACK, *, seq: int | None = None) -> bytes:
        peer = "s" if who == "c" else "c"
        (source, sport), (target, dport) = self.ends[who], self.ends[peer]
        segment = dpkt.tcp.TCP(
            sport=sport,
            dport=dport,
            seq=(self.next[who] if seq is None else seq) % 2**32,
            ack=self.next[peer] % 2**32 if flags & ACK else 0,
            flags=flags | (PSH if data else 0),
            data=data,
        )
        if len(source) == 4:
            packet = dpkt.ip.IP(src=source, dst=target, p=6, data=segment)
            packet.len = len(packet)
        else:
            packet = dpkt.ip6.IP6(src=source, dst=target, nxt=6, hlim=64, plen=len(segment), data=segment)
            packet.extension_hdrs, packet.all_extension_headers = {}, []
        self.clock += 0.001
        self.packets.append((self.clock, bytes(packet)))
        if seq is None:
            self.next[who] += len(data) + bool(flags & (SYN | FIN))
        return bytes(packet)

    def open(self) -> Talk:
        self.put("c", flags=SYN)
        self.put("s", flags=SYN | ACK)
        self.put("c")
        return self

    def say(self, lines: Iterable[tuple[str, bytes]] = GREETING) -> Talk:
        for who, data in lines:
            self.put(who, data)
        return self

    def close(self) -> Talk:
        for who, flags in (("s", FIN | ACK), ("c", FIN | ACK), ("s", ACK)):
            self.put(who, flags=flags)
        return self


def greeting() -> Talk:
    """A whole connection: handshakes, greetings, goodbyes."""
    return Talk().open().say().close()


IPV6 = (bytes(15) + b"\x01", 50000), (bytes(15) + b"\x02", 80)


def ethernet(packet: bytes, tags: tuple[int, ...] = ()) -> bytes:
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    types = b"".join(struct.pack(">HH", tag, 5) for tag in tags) + struct.pack(">H", kind)
    return bytes(12) + types + packet


def with_extensions(packet: bytes) -> bytes:
    """Hop-by-hop options, routing, destination options, a fragment header that cuts nothing, authentication."""
    chain = bytes([43, 0, 1, 4, 0, 0, 0, 0]) + bytes([60, 1]) + bytes(14) + bytes([44, 0]) + bytes(6)
    chain += bytes([51, 0]) + bytes(6) + bytes([6, 4]) + bytes(22)
    length = struct.pack(">H", len(packet) - 40 + len(chain))
    return packet[:4] + length + b"\x00" + packet[7:40] + chain + packet[40:]


def with_options(packet: bytes) -> bytes:
    """An IPv4 header of 24 bytes."""
    return b"\x46" + packet[1:2] + struct.pack(">H", len(packet) + 4) + packet[4:20] + b"\x01\x01\x01\x00" + packet[20:]


def padded(packet: bytes) -> bytes:
    """As Ethernet pads a short frame: the IP header tells where the packet ends."""
    return ethernet(packet) + bytes(20)


LINKS = {
    "ethernet": (1, ethernet),
    "padded": (1, padded),
    "vlan": (1, lambda packet: ethernet(packet, (0x8100,))),
    "q-in-q": (1, lambda packet: ethernet(packet, (0x88A8, 0x8100))),
    "null, little": (0, lambda packet: b"\x02\0\0\0" + packet),
    "null, big": (0, lambda packet: b"\0\0\0\x02" + packet),
    "loop": (108, lambda packet: b"\0\0\0\x02" + packet),
    "raw": (101, bytes),
    "raw, another number": (12, bytes),
    "raw ipv4": (228, bytes),
    "cooked": (113, lambda packet: bytes(14) + ethernet(packet)[12:]),
    "cooked, vlan": (113, lambda packet: bytes(14) + ethernet(packet, (0x8100,))[12:]),
    "cooked 2": (276, lambda packet: b"\x08\x00" + bytes(18) + packet),
    "cooked 2, vlan": (276, lambda packet: b"\x81\x00" + bytes(18) + b"\x00\x05\x08\x00" + packet),
    "options": (101, with_options),
    "offloaded": (101, lambda packet: packet[:2] + b"\0\0" + packet[4:]),
}
"""Link types, and how a packet looks on them."""


def jumbled(rng: random.Random, client: tuple[bytes, int] = CLIENT) -> list[Packet]:
    """The greeting cut anew, parts of it sent again and cut otherwise, and all segments of data shuffled."""
    talk = Talk(client).open()
    starts = dict(talk.next)
    opening, talk.packets = talk.packets, []
    for who, sender in zip("cs", Sender, strict=True):
        stream = STREAMS[sender]
        cuts = sorted({0, len(stream), *(rng.randrange(len(stream)) for _ in range(rng.randrange(8)))})
        spans = list(itertools.pairwise(cuts))
        for _ in range(rng.randrange(4)):
            start = rng.randrange(len(stream))
            spans.append((start, rng.randrange(start, len(stream)) + 1))
        rng.shuffle(spans)
        for start, stop in spans:
            talk.put(who, stream[start:stop], seq=starts[who] + start)
    rng.shuffle(talk.packets)
    return opening + talk.packets


def pcap(packets: Iterable[Packet], *, link: int = 101, order: str = "<", nano: bool = False) -> bytes:
    """A pcap file."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for time, data in packets:
        seconds = int(time)
        fraction = round((time - seconds) * (10**9 if nano else 10**6))
        out += [struct.pack(order + "IIII", seconds, fraction, len(data), len(data)), data]
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 101, order: str = "<", resolution: int | None = None) -> bytes:
    option = b"" if resolution is None else struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
    return block(1, struct.pack(order + "HHI", link, 0, 262144) + option, order)


def enhanced(time: float, data: bytes, which: int = 0, order: str = "<", unit: float = 1e6) -> bytes:
    ticks = round(time * unit)
    header = struct.pack(order + "IIIII", which, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(6, header + data, order)


def pcapng(packets: Iterable[Packet], *, link: int = 101) -> bytes:
    """A pcapng file as dpkt writes it."""
    file = io.BytesIO()
    writer = dpkt.pcapng.Writer(file, linktype=link)
    for time, data in packets:
        writer.writepkt_time(data, time)
    return file.getvalue()
