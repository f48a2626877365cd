"""Captures out: a Trace written as pcapng.

Theory. A trace knows streams, chunks and times, not packets. So loopback addresses, ports and sequence numbers are made
up, and the file's comment says so. An end's writes are segments with PSH on the last one; its reads are ACKs without
data, each at the time of the read; two interfaces, one for each end, tell who saw what. Read back, that gives the same
chunks. Of reads that nothing tells, the ACKs are made up too and ride on data.
"""

import re
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from typing import Final

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing.visible import count
from ..archive import withheld
from ..reading import Reading
from ..tape import EVENT, NOT_STORED, Wire
from ..work import watched, work, written
from .packets import ACK, FIN_FLAG, PSH, RST, SYN
from .pcapng import RAW, pcapng

PROGRAM: Final = "wslab"
ENDS: Final = ("the client's end", "the server's end")  # names of the interfaces in a capture that wslab wrote
SAID: Final = (
    "Written by wslab from a recording, which holds streams and times but no packets: the addresses, the ports, the "
    "sequence numbers and the segments' sizes are made up. ACKs without data stand for what an end's program "
    "read, and when. Not in here: errors and close reports of programs. The recording began {began} ns after 1970."
)
REBUILT: Final = " The streams were built again from messages."

HOST: Final = 0x7F000001  # 127.0.0.1, at both ends
SERVER_PORT: Final = 80  # Wireshark reads HTTP there without being told
CLIENT_PORTS: Final = range(49152, 65536)
MOST: Final = 65495  # bytes of data in a segment: what an IPv4 packet holds besides two headers of 20 bytes
# Of a SYN: maximum segment size 65495, window scale 14 (RFC 9293 section 3.2, RFC 7323 section 2).
_OPTIONS: Final = bytes.fromhex("0204ffd7 0103030e")
_MASK: Final = 2**32 - 1
_LOST: Final = re.compile(r"(?:the last )?(\d[\d,]{,12}) bytes? of the \w+'s stream were not captured$")

# Times in seconds since the trace began, ends that saw them, and packets.
Packets = Iterator[tuple[float, Sender, bytes]]


def save_capture(trace: Reading, path: str | PathLike[str], *, reveal: bool = False) -> None:
    """See ``Trace.to_pcapng``."""
    began = round(trace.began * 1e9)
    comment = SAID.format(began=began) + REBUILT * trace.rebuilt + trace.lacking(Kind.ERROR, Kind.BEND)
    if (dropped := trace.dropped).chunks and not str(dropped):  # the log was full, and records and bytes are all there
        comment += f" Note: {count(dropped.chunks, 'chunk')} before are no longer kept: their bytes are left out."
    with work("writing", path), trace.still(), written(path) as file:
        told = ((began + round(at * 1e9), int(end), packet) for at, end, packet in _Export(trace, reveal).packets())
        for block in pcapng(ENDS, told, link=RAW, program=PROGRAM, comment=comment):
            file.write(block)


@dataclass(slots=True)
class _WrittenEnd:
    """One end of a connection that is being written."""

    next: int  # stream offset of what it sends next
    acknowledged: int  # of its peer's stream
    reads: bool  # whether the trace tells what it read
    # Reads that were told before the write was: time and stream offset.
    goal: deque[tuple[float, int]] = field(default_factory=deque)
    finished: bool = False
    told: bool = False  # whether its FIN was acknowledged


class _Export:
    """Makes packets of a trace."""

    def __init__(self, trace: Reading, reveal: bool) -> None:
        self.trace = trace
        self.hidden: dict[tuple[int, Sender], list[tuple[int, bytes]]] = {}
        self.sides: dict[int, tuple[_WrittenEnd, _WrittenEnd]] = {}
        ends = [record for record in trace.records if record.kind in (Kind.FIN, Kind.RESET)]
        self.ended = {(record.connection, record.sender, record.time): record for record in ends}
        # Bytes behind the last ones of a stream, which leave a hole before its FIN.
        told = ((one, _LOST.match(trace.ledger.texts.get(one.number, ""))) for one in trace.records if one.offset)
        self.lost = {(one.connection, one.sender): int(found[1].replace(",", "")) for one, found in told if found}
        self.begins = trace.tape.begins()
        for number in () if reveal else trace.connections:
            protocol = trace.conversation(number).protocol
            for head in (*protocol.heads, *protocol.unfinished()):
                self.hidden.setdefault((number, head.sender), []).append((head.offset, withheld(head)))

    def packets(self) -> Packets:
        entries = watched(self.trace.tape.entries(), "writing packets")
        for at, connection, by, seen_by, offset, length, position in entries:
            wire = self.trace.tape.wires.get(connection)
            if wire is None:
                continue
            sender, end = Sender(by), Sender(seen_by)
            if position == NOT_STORED:
                yield from self._read(wire, end, at, offset + length)
            elif position == EVENT:
                yield from self._event(wire, sender, end, at)
            else:
                yield from self._written(wire, sender, end, at, offset, length)

    def _begin(self, wire: Wire, at: float) -> Packets:
        """Both sides of a connection; and the TCP handshake, if nothing of its streams was dropped."""
        if wire.number in self.sides:
            return
        # Stream offsets of the first bytes that are kept together with their chunks.
        begins = [self.begins.get((wire.number, sender), max(wire.seen[sender])) for sender in Sender]
        client, server = (
            _WrittenEnd(begins[end], begins[end.peer], wire.seen[end.peer][end] > 0 and wire.tapped[end.peer])
            for end in Sender
        )
        self.sides[wire.number] = client, server
        if not any(begins):
            end = Sender.CLIENT if wire.tapped[Sender.CLIENT] else Sender.SERVER
            # A SYN says that its sender's stream begins with the opening handshake, the ACK that both are begun.
            if wire.heads[Sender.CLIENT]:
                yield at, end, _packet(wire, Sender.CLIENT, 0, 0, SYN)
            if wire.heads[Sender.SERVER]:
                yield at, end, _packet(wire, Sender.SERVER, 0, 1, SYN | ACK)
            if wire.heads != (True, False):
                yield at, end, _packet(wire, Sender.CLIENT, 1, 1, ACK)

    def _sides(self, wire: Wire, sender: Sender) -> tuple[_WrittenEnd, _WrittenEnd]:
        sides = self.sides[wire.number]
        return sides[sender], sides[sender.peer]

    def _written(self, wire: Wire, sender: Sender, end: Sender, at: float, offset: int, length: int) -> Packets:
        yield from self._begin(wire, at)
        side, peer = self._sides(wire, sender)
        if not offset <= side.next < offset + length:
            return
        offset, length = side.next, offset + length - side.next  # the chunk's beginning may be dropped
        if (data := self.trace.bytes_at(wire.number, sender, offset, length)) is None:
            return
        for start, said in self.hidden.get((wire.number, sender), ()):
            if offset < start + len(said) and start < offset + length:
                first = max(offset, start)
                part = said[first - start : offset + length - start]
                data = data[: first - offset] + part + data[first - offset + len(part) :]
        if not side.reads:
            side.acknowledged = peer.next
        for start in range(0, length, MOST):
            part = data[start : start + MOST]
            flags = ACK | (PSH if start + MOST >= length else 0)
            yield at, end, _packet(wire, sender, 1 + side.next, _acknowledged(side, peer), flags, part)
            side.next += len(part)
        while peer.goal and peer.goal[0][1] <= side.next:
            yield from self._read(wire, sender.peer, *peer.goal.popleft())

    def _read(self, wire: Wire, reader: Sender, at: float, offset: int) -> Packets:
        yield from self._begin(wire, at)
        side, peer = self._sides(wire, reader)
        if offset > peer.next:
            side.goal.append((at, offset))
        elif offset > side.acknowledged:
            side.acknowledged = offset
            yield at, reader, _packet(wire, reader, 1 + side.next + side.finished, _acknowledged(side, peer), ACK)

    def _event(self, wire: Wire, sender: Sender, end: Sender, at: float) -> Packets:
        record = self.ended.pop((wire.number, sender, at), None)
        if record is None and (end is sender or wire.number not in self.sides):
            return  # what a program says
        yield from self._begin(wire, at)
        side, peer = self._sides(wire, sender)
        if record is not None:
            if not side.reads:
                side.acknowledged = peer.next
            # An RST whose author is not known acknowledges nothing.
            reset = RST if record.number in self.trace.ledger.texts else RST | ACK
            flags = reset if record.kind is Kind.RESET else FIN_FLAG | ACK
            sequence = 1 + side.next + side.finished + self.lost.get((wire.number, sender), 0)
            yield at, end, _packet(wire, sender, sequence, _acknowledged(side, peer), flags)
            side.finished = side.finished or record.kind is Kind.FIN
        elif side.finished and not side.told and peer.acknowledged == side.next:
            side.told = True
            yield at, end, _packet(wire, end, 1 + peer.next + peer.finished, _acknowledged(peer, side), ACK)


def _acknowledged(side: _WrittenEnd, peer: _WrittenEnd) -> int:
    """The acknowledgement number that ``side`` sends."""
    fin = peer.finished and side.acknowledged == peer.next and (peer.told or not side.reads)
    return 1 + side.acknowledged + fin


def _packet(wire: Wire, sender: Sender, sequence: int, acknowledged: int, flags: int, data: bytes = b"") -> bytes:
    """An IPv4 packet with a TCP segment (RFC 791 section 3.1, RFC 9293 section 3.1)."""
    turn, place = divmod(wire.number, len(CLIENT_PORTS))
    both = (HOST + turn % 2**16, CLIENT_PORTS[place]), (HOST, SERVER_PORT)
    (source, source_port), (target, target_port) = both[sender], both[sender.peer]
    options = _OPTIONS if flags & SYN else b""
    numbers = (sequence & _MASK, acknowledged & _MASK, 20 + len(options) << 2, flags, 0xFFFF, 0, 0)
    tcp = bytearray(struct.pack(">HHIIBBHHH", source_port, target_port, *numbers) + options + data)
    pseudo = struct.pack(">IIHH", source, target, 6, len(tcp))
    struct.pack_into(">H", tcp, 16, _checksum(pseudo + tcp))
    ip = bytearray(struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, source, target))
    struct.pack_into(">H", ip, 10, _checksum(ip))
    return bytes(ip + tcp)


def _checksum(data: bytes | bytearray) -> int:
    """The complement of the one's complement sum of its 16-bit words (RFC 1071), which is a remainder by 0xFFFF."""
    total = int.from_bytes(data + bytes(len(data) % 2), "big")
    return 0xFFFF - ((total % 0xFFFF or 0xFFFF) if total else 0)
