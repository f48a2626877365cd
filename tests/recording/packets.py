"""Packets and capture files made to order with dpkt, which wslab itself does not use: the other opinion."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable

import dpkt

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
