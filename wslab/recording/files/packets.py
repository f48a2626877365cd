"""Packets: headers are read, each segment goes to its connection, and segments become runs of bytes without a gap.

Theory. Of headers no more is read than is needed, and what cannot be read is counted by its reason. A SYN with another
sequence number begins another connection. A capture is what somebody saw at one place of the way: packets with gaps,
twice the same bytes, out of order, cut at the snap length, begun in the midst of things. A byte is told when the
receiver could read it, which is when the last byte before it had come; of bytes that came twice, the first count. Only
when the whole capture was read is a hole known to be a gap. Nothing is invented: bytes that are missing stay missing.
"""

import heapq
import re
import struct
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

TCP: Final = 6
FIN_FLAG, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

_U16: Final = struct.Struct(">H").unpack_from
# A segment's beginning (RFC 9293 section 3.1): ports, sequence and acknowledgement number, data offset, flags, window.
_TCP: Final = struct.Struct(">4sIIBBxx").unpack_from
# An IPv4 header without options (RFC 791 section 3.1): length, fragment, TTL, protocol, addresses; and the above.
_USUAL: Final = struct.Struct(">BxHxxHBBxx8s4sIIBBxx").unpack_from
_new = tuple.__new__

_IP: Final = frozenset({0x0800, 0x86DD})  # EtherTypes of IPv4 and IPv6
# EtherTypes of VLAN tags (IEEE 802.1Q, 802.1ad, and what came before the latter); they may be nested.
_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100})
# IPv6 extension headers that tell their length, and its unit in bytes: hop-by-hop options, routing, destination
# options (RFC 8200 section 4), authentication (RFC 4302 section 2.2: minus 2).
_SKIPPED: Final = {0: 8, 43: 8, 60: 8, 51: 4}
_FRAGMENT: Final = 44
_NESTED: Final = 8  # VLAN tags and extension headers that are stepped over at most

# By link type (tcpdump.org/linktypes.html): where in a packet IP begins, and where its EtherType stands, if any.
LINKS: Final[dict[int, tuple[int, int | None]]] = {
    0: (4, None),  # NULL: an address family in the byte order of the capturing machine
    1: (14, 12),  # Ethernet
    108: (4, None),  # LOOP, of OpenBSD
    113: (16, 14),  # Linux cooked, version 1
    276: (20, 0),  # Linux cooked, version 2
    **dict.fromkeys((12, 14, 101, 228, 229), (0, None)),  # raw IP, also as some systems number it; raw IPv4; raw IPv6
}

# What is inside tunnels is not read; Wireshark reads many, and counts their connections.
_TUNNELS: Final = {4: "IP in IP", 41: "IPv6 in IP", 47: "GRE", 51: "AH", 97: "EtherIP", 137: "MPLS"}
_ICMP, _UDP = 1, 17
_QUOTES: Final = frozenset({3, 4, 5, 11, 12})  # types of ICMP messages that quote the packet that they are about
_PORTS: Final = {
    1701: "L2TP", 2152: "GTP", 3544: "Teredo", 4341: "LISP", 4789: "VXLAN", 4790: "VXLAN-GPE", 5247: "CAPWAP",
    6081: "Geneve", 6635: "MPLS",
}  # fmt: skip
_ETHERTYPES: Final = {0x6558: "Ethernet", 0x8847: "MPLS", 0x8848: "MPLS", 0x8864: "PPPoE", 0x88E7: "PBB"}
# IPv4 (which begins with "E") in one piece, or IPv6 ("`"), and TCP with a data offset of 5 to 11 words.
_INNER: Final = re.compile(rb"(?s:.{,120}?(?:E.{5}[\0@]\0.\x06.{22}|`[\0-\x0f]..[\0-?].\x06.{45}))[P`p\x80\xa0\xb0]")
NO_IP, NO_TCP, CUT = "no IP", "no TCP", "cut before the end of their headers"
UNCOUNTED: Final = frozenset({NO_IP, NO_TCP, CUT})  # reasons for which Wireshark counts no connection either

RUNS: Final = 64  # runs of one direction that are looked at
LATE: Final = 8  # segments behind which a SYN that the capture saw late still begins their connection
_CIRCLE: Final = 2**32  # sequence numbers wrap (RFC 9293 section 3.4)


class Segment(NamedTuple):
    """What one packet tells of a TCP connection."""

    order: float  # the packet's place in the capture
    time: int  # nanoseconds since 1970
    end: int  # which of the connection's two ends sent it
    sequence: int
    acknowledged: int
    flags: int
    data: bytes
    length: int  # of its data, as the IP header tells it; more than ``data`` where the capture cut it
    place: int  # the interface that it was captured on
    ttl: int  # IPv6's hop limit


class Flow:
    """One TCP connection, in the order of its packets."""

    __slots__ = ("number", "opened_by", "segments", "syns")

    def __init__(self, number: int) -> None:
        self.number = number
        self.segments: list[Segment] = []
        self.syns: list[int | None] = [None, None]
        # The end that sent the first SYN, which is the client; None where no SYN was captured.
        self.opened_by: int | None = None


class Sorter:
    """Puts segments to their connections. It never raises, and counts what it leaves out, by reason."""

    def __init__(self) -> None:
        self.flows: list[Flow] = []
        self.left_out: Counter[str] = Counter()
        self.ambiguous = False  # whether a SYN with ACK began a connection, as Wireshark lets none do
        self._ends: dict[bytes, tuple[Flow, int]] = {}

    def add(self, order: int, time: int, link: int, data: bytes, place: int) -> None:
        """Take the next packet."""
        try:
            reason = self._add(order, time, link, data, place)
        except (struct.error, IndexError):
            reason = CUT
        if reason is not None:
            self.left_out[reason] += 1

    def _add(self, order: int, time: int, link: int, data: bytes, place: int) -> str | None:
        if link not in LINKS:
            return f"on a link of type {link}, which is not read here"
        start, kind = _ip(data, *LINKS[link])
        if start < 0:
            return _tunnel(_ETHERTYPES.get(kind), NO_IP, data)
        usual = data[start] == 0x45 and len(data) >= start + 36  # IPv4 without options, as nearly every packet is
        if usual:
            _, length, fragment, ttl, protocol, hosts, ports, sequence, heard, offset, flags = _USUAL(data, start)
            at, stop = start + 20, start + length
        elif data[start] >> 4 == 4:
            at = start + (data[start] & 0b1111) * 4
            length, _, fragment = struct.unpack_from(">HHH", data, start + 2)
            ttl, protocol, hosts, stop = data[start + 8], data[start + 9], data[start + 12 : start + 20], start + length
        elif data[start] >> 4 == 6:
            (length,) = _U16(data, start + 4)
            at, protocol, fragment = _after_extensions(data, start + 40, data[start + 6])
            ttl, hosts, stop = data[start + 7], data[start + 8 : start + 40], start + 40 + length
        else:
            return NO_IP
        if fragment & 0x3FFF:  # an offset, or more to come
            return "fragments of IP packets, which are not put together here"
        if protocol != TCP:
            if protocol == _ICMP and data[at] in _QUOTES and data[at + 17] == TCP:
                return "quoted by ICMP"
            ports = _U16(data, at + 2) + _U16(data, at) if protocol == _UDP else ()
            name = _TUNNELS.get(protocol) or next(filter(None, map(_PORTS.get, ports)), None)
            return _tunnel(name, NO_TCP, data[at:])
        if not usual:
            ports, sequence, heard, offset, flags = _TCP(data, at)
        if not length:  # segmentation offload: the card fills the length in after the capture has seen the packet
            stop = len(data)
        first = at + (offset >> 4) * 4
        if first < at + 20 or first > stop or at < start + 20:
            return "with a TCP header that contradicts itself"
        known = self._ends.get(hosts + ports)
        if known is None or (flags & SYN and _begins_anew(*known, sequence, heard, flags)):
            self.ambiguous |= known is not None and bool(flags & ACK)
            known = self._open(hosts, ports)
        flow, end = known
        if flags & SYN:
            if flow.syns[end] is None:
                flow.syns[end] = sequence
            if flow.opened_by is None:
                flow.opened_by = 1 - end if flags & ACK else end
        told = (order, time, end, sequence, heard, flags, data[first:stop], stop - first, place, ttl)
        flow.segments.append(_new(Segment, told))
        return None

    def _open(self, hosts: bytes, ports: bytes) -> tuple[Flow, int]:
        half = len(hosts) // 2
        flow = Flow(len(self.flows))
        self.flows.append(flow)
        self._ends[hosts[half:] + hosts[:half] + ports[2:] + ports[:2]] = (flow, 1)
        self._ends[hosts + ports] = (flow, 0)  # last: a connection of a socket with itself has one end
        return flow, 0


def _tunnel(name: str | None, other: str, data: bytes) -> str:
    if name is None and _INNER.match(data):
        return "that seem to hold TCP in something that is not read"
    return other if name is None else f"in {name}, a tunnel that is not read"


def _ip(data: bytes, start: int, typed: int | None) -> tuple[int, int]:
    """Where IP begins behind VLAN tags, or -1 where the packet holds none; and the EtherType, 0 where there is none.
    ``start``, ``typed``: as in ``LINKS``."""
    kind = 0
    if typed is None:
        return start, kind
    for _ in range(_NESTED):
        (kind,) = _U16(data, typed)
        if kind in _IP:
            return start, kind
        if kind not in _TAGS:
            return -1, kind
        start += 4
        typed = start - 2
    return -1, kind


def _after_extensions(data: bytes, at: int, kind: int) -> tuple[int, int, int]:
    """Where the headers of IPv6 end, which protocol follows, and what the fragment header says, as IPv4 would."""
    fragment = 0
    for _ in range(_NESTED):
        if unit := _SKIPPED.get(kind):
            kind, at = data[at], at + 8 + data[at + 1] * unit
        elif kind == _FRAGMENT:
            # Neither an offset nor more to come: the packet is whole (RFC 6946).
            fragment |= _U16(data, at + 2)[0] & 0xFFF9
            kind, at = data[at], at + 8
        else:
            break
    return at, kind, 1 if fragment else 0


def _begins_anew(flow: Flow, end: int, sequence: int, heard: int, flags: int) -> bool:
    """Whether a SYN opens a new connection on sockets that were used before, and is neither repeated nor seen late."""
    syn, answered = flow.syns[end], flow.syns[1 - end]
    if syn is not None:  # a stray one may answer the same SYN
        return syn != sequence and not (flags & ACK and answered is not None and heard == (answered + 1) % _CIRCLE)
    first = (sequence + 1) % _CIRCLE
    late = any((one.sequence if one.end == end else one.acknowledged) == first for one in flow.segments[:LATE])
    return not flags & ACK and bool(flow.segments) and flow.opened_by != 1 - end and not late


class Run:
    """Bytes of one direction without a gap."""

    __slots__ = ("begin", "missing", "offsets", "pieces", "position", "repeated")

    def __init__(self, begin: int, missing: int) -> None:
        self.missing = missing  # how many bytes are missing before it
        # Segments with what each adds: ``data`` without the bytes that had come before, ``order`` and ``time`` of when
        # the data became readable, which is later than its own where it overtook others.
        self.pieces: list[Segment] = []
        self.offsets: list[int] = []
        self.begin = self.position = begin
        self.repeated: list[tuple[int, bytes]] = []  # offsets and bytes that came again

    @property
    def data(self) -> bytes:
        """All of it."""
        return b"".join(piece.data for piece in self.pieces)

    def add(self, at: int, segment: Segment, order: float, time: int) -> None:
        """Take a segment's bytes, of which none lies beyond the position."""
        data = segment.data
        known = self.position - at
        if known:
            if at >= self.begin:
                self.repeated.append((at - self.begin, data[:known]))
            data = data[known:]
        if data:
            if known or order != segment.order:
                segment = segment._replace(order=order, time=time, data=data)
            self.offsets.append(self.position - self.begin)
            self.pieces.append(segment)
            self.position += len(data)

    def conflicts(self) -> tuple[int, int]:
        """How many bytes came again and were not the same, and how many others are garbage of keep-alive probes."""
        whole = self.data if self.repeated else b""
        ends = {*self.offsets, len(whole)} if self.repeated else set()
        differ = probes = 0
        for at, again in self.repeated:
            first = whole[at : at + len(again)]
            if first != again:
                # A keep-alive may hold one byte of garbage, where the last byte stood (RFC 9293 3.8.4).
                probe = len(again) == 1 and at + 1 in ends
                probes += probe
                differ += 0 if probe else sum(map(int.__ne__, first, again))
        return differ, probes


class CapturedStream:
    """What one end of a TCP connection sent."""

    def __init__(self, flow: Flow, end: int) -> None:
        self.end = end  # which end of the flow it is
        syn = flow.syns[end]
        self.begun = syn is not None  # whether its beginning was captured
        self.probes = 0  # keep-alive probes: a byte that was sent before, or any other in its stead
        self.ends: list[Segment] = []  # FIN and RST, each with the ``order`` and ``time`` of when it became readable
        begun = syn is not None
        self.base = (syn + 1) % _CIRCLE if syn is not None else 0  # the sequence number of the first byte
        acks = [one.acknowledged for one in flow.segments if one.end != end and one.flags & (ACK | RST) == ACK]
        placed: list[tuple[int, Segment]] = []
        reference, newest = self.base, 0
        fin: tuple[int, Segment] | None = None
        for segment in flow.segments:
            sender, sequence, flags, length = segment.end, segment.sequence, segment.flags, segment.length
            if sender != end:
                continue
            if flags & RST:
                self.ends.append(segment)
                continue
            if not length and not flags & FIN_FLAG:
                continue
            if flags & SYN:
                sequence += 1
            if not begun:
                if segment.data == b"\0" and not flags & (PSH | FIN_FLAG | SYN):
                    self.probes += 1  # at the beginning of a capture nothing else can be known of it
                    continue
                begun = True
                # What the peer had read when the capture first saw it tells what was sent, and not captured, since.
                heard = next(iter(acks), sequence)
                lost = (sequence - heard) % _CIRCLE < _CIRCLE // 2
                self.base = reference = heard if lost else sequence
            at = newest
            if sequence != reference:
                # What is less than half the circle away lies ahead.
                ahead = (sequence - reference) % _CIRCLE
                at += ahead if ahead < _CIRCLE // 2 else ahead - _CIRCLE
            if length:
                if segment.data:
                    placed.append((at, segment))
                if at + length > newest:
                    newest = at + length
                    reference = (self.base + newest) % _CIRCLE
            if flags & FIN_FLAG and fin is None:
                fin = (at + length, segment)
        low = self.outside = 0  # where the stream begins, and bytes that lie before it
        for at, segment in sorted((one for one in placed if one[0] < 0), reverse=True):
            if syn is None and at + len(segment.data) >= low:
                low = at
            elif len(segment.data) > 1:  # and no keep-alive probe
                self.outside += min(len(segment.data), low - at)
        self.runs, position = _runs(placed, low)
        told = [run.conflicts() for run in self.runs]
        self.conflicts, garbage = sum(differ for differ, _ in told), sum(probes for _, probes in told)
        self.probes += garbage
        # Bytes of runs beyond ``RUNS``, which are left out.
        self.unlooked = sum(len(piece.data) for run in self.runs[RUNS:] for piece in run.pieces)
        del self.runs[RUNS:]
        # An RST before other bytes of its sender ended nothing, unless it only overtook them.
        late = max((run.pieces[-1].order for run in self.runs), default=0.0)
        ended = [one for one in self.ends if one.order > late or one.sequence == (self.base + position) % _CIRCLE]
        self.ends, self.strays = ended[:1], len(self.ends) - len(ended)
        if fin is not None:
            at, segment = fin
            # A FIN that overtook the data before it is read after them.
            last = max(self.runs[-1].pieces[-1] if self.runs else segment, segment, key=lambda one: one.order)
            self.ends.append(segment._replace(order=last.order, time=last.time))
            newest = max(newest, at)
        if begun and fin is None:
            # What the peer has read was sent. One more may be the FIN, which was not captured then.
            most = max((at for ack in acks if (at := (ack - self.base) % _CIRCLE) < _CIRCLE // 2), default=0)
            newest = most if most > newest + 1 else newest
        # Bytes that are known to have followed the last run, and were not captured.
        self.unfinished = max(0, newest - position)


def _runs(placed: list[tuple[int, Segment]], low: int) -> tuple[list[Run], int]:
    """The runs that these segments make from ``low`` on, and where the last run ends."""
    if not placed:
        return [], 0
    run = Run(begin := max(low, min(at for at, _ in placed)), max(0, begin))
    waiting: list[tuple[int, float, Segment]] = []
    for at, segment in placed:
        if at > run.position:
            heapq.heappush(waiting, (at, segment.order, segment))
            continue
        run.add(at, segment, segment.order, segment.time)
        while waiting and waiting[0][0] <= run.position:
            at, _, held = heapq.heappop(waiting)
            run.add(at, held, segment.order, segment.time)
    runs = [run]
    order, time = 0.0, 0
    while waiting:
        at, arrived, segment = heapq.heappop(waiting)
        if at > run.position:
            run = Run(at, at - run.position)
            runs.append(run)
            order = 0.0
        if arrived > order:
            order, time = arrived, segment.time
        run.add(at, segment, order, time)
    return [run for run in runs if run.pieces], run.position


def together(pieces: list[Segment]) -> Iterator[Segment]:
    """Pieces with those joined that one write handed over: the same time, and no PSH between them."""
    writes = 0

    def write(piece: Segment) -> tuple[int, int, int]:
        nonlocal writes
        key = (writes, piece.time, piece.place)
        writes += bool(piece.flags & PSH)
        return key

    for _, group in groupby(pieces, write):
        held = list(group)
        yield held[0] if len(held) == 1 else held[-1]._replace(data=b"".join(piece.data for piece in held))
