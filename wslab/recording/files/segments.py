"""Segments: from captured packets to the two streams of each TCP connection, and to the WebSocket in it.

Theory. A capture is what somebody saw at one place of the way: packets with gaps, twice the same bytes, out of order,
cut at the snap length, begun in the midst of things. Three steps lead from there to what the endpoints sent.

1. *Sorting* (``Sorter``): link, IP and TCP headers are read, as little of them as is needed, and each segment goes to
   its TCP connection. A SYN with another sequence number begins a new connection on the same two sockets.
2. *Reassembly* (``runs``): each direction's segments become runs of bytes without a gap. A byte is told when
   the receiver could read it, which is when the last byte before it had come; of bytes that came twice, the first
   count.
   Only when the whole capture was read is a hole known to be a gap.
3. *Finding the WebSocket* (``find``): HTTP before the upgrade is stepped over. A connection whose opening handshake
   was not captured is taken for a WebSocket only if its bytes read as frames, one after another, in the roles that
   masking gives to both ends.

Nothing is invented: bytes that are missing stay missing, and a frame with a hole in it is a frame that is cut.
"""

from __future__ import annotations

import heapq
import re
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ...anatomy.field import Sender
from ...protocol.dissector import Dissector, Mode
from ...protocol.head import END, Head, begins_like_head, parse_head
from ...protocol.header import EXTENDED, is_legal, read_header
from ...protocol.words import (
    CLOSE,
    CONTINUATION,
    FIN,
    MASK,
    OPCODE,
    OPCODES,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    apply_mask,
)

TCP: Final = 6
FIN_FLAG, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_SEQUENCE: Final = 2**32

_U16: Final = struct.Struct(">H")
_TCP: Final = struct.Struct(">4sIIBB")
"""A segment's beginning (RFC 9293 section 3.1): ports, sequence and acknowledgement number, data offset, flags."""
_USUAL: Final = struct.Struct(">BxHxxHxBxx8s4sIIBB").unpack_from
"""An IPv4 header without options (RFC 791 section 3.1): length, fragment, protocol, addresses; and the above."""
_new = tuple.__new__

_IP: Final = frozenset({0x0800, 0x86DD})
"""EtherTypes of IPv4 and IPv6."""
_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100})
"""EtherTypes of VLAN tags (IEEE 802.1Q, 802.1ad, and what came before the latter); they may be nested."""
_SKIPPED: Final = frozenset({0, 43, 60, 135})
"""IPv6 extension headers that tell their length in units of 8 bytes (RFC 8200 section 4): hop-by-hop options,
routing, destination options, mobility."""
_FRAGMENT, _AUTHENTICATION = 44, 51
_NESTED: Final = 8
"""VLAN tags and extension headers that are stepped over at most."""

RUNS: Final = 64
"""Runs of one direction that are looked at."""
CANDIDATES: Final = 256
"""Segments after a gap that are tried as the beginning of a frame or a head."""
CHAINED: Final = 64
"""Frames that are looked at when bytes without a handshake are judged."""
HEAD: Final = 2**14
"""Bytes in which a head's first line, or its Upgrade line, is looked for."""
_UPGRADE: Final = re.compile(rb"\r\nupgrade:[^\r\n]*websocket", re.IGNORECASE)


def _typed(data: bytes, at: int) -> int:
    """Where IP begins, if the EtherType at ``at`` says so; -1 where it does not."""
    for _ in range(_NESTED):
        kind = _U16.unpack_from(data, at)[0]
        if kind in _IP:
            return at + 2
        if kind not in _TAGS:
            return -1
        at += 4
    return -1


def _cooked(data: bytes) -> int:
    """Linux cooked, version 2: the EtherType comes first, and what it announces after 20 bytes."""
    kind = _U16.unpack_from(data)[0]
    return 20 if kind in _IP else _typed(data, 22) if kind in _TAGS else -1


LINKS: Final[dict[int, Callable[[bytes], int]]] = {
    0: lambda data: 4,  # NULL: an address family in the byte order of the capturing machine
    1: lambda data: _typed(data, 12),  # Ethernet
    12: lambda data: 0,  # raw IP, as some systems number it
    14: lambda data: 0,
    101: lambda data: 0,  # raw IP
    108: lambda data: 4,  # LOOP, of OpenBSD
    113: lambda data: _typed(data, 14),  # Linux cooked, version 1
    228: lambda data: 0,  # raw IPv4
    229: lambda data: 0,  # raw IPv6
    276: _cooked,  # Linux cooked, version 2
}
"""By link type (tcpdump.org/linktypes.html): where in a packet IP begins; -1 where there is none."""


class Segment(NamedTuple):
    """What one packet tells of a TCP connection."""

    order: int
    """The packet's place in the capture."""
    time: int
    """Nanoseconds since 1970."""
    end: int
    """Which of the connection's two ends sent it."""
    sequence: int
    acknowledged: int
    flags: int
    data: bytes
    length: int
    """Of its data, as the IP header tells it; more than ``data`` where the capture cut it."""
    place: int
    """The interface that it was captured on."""


class Flow:
    """One TCP connection, in the order of its packets."""

    __slots__ = ("number", "opened_by", "segments", "sockets", "syns")

    def __init__(self, number: int, sockets: tuple[bytes, bytes]) -> None:
        self.number = number
        self.sockets = sockets
        self.segments: list[Segment] = []
        self.syns: list[int | None] = [None, None]
        self.opened_by: int | None = None
        """The end that sent the first SYN, which is the client; None where no SYN was captured."""


class Sorter:
    """Puts segments to their connections. It never raises, and counts what it leaves out, by reason."""

    def __init__(self) -> None:
        self.flows: list[Flow] = []
        self.left_out: Counter[str] = Counter()
        self._ends: dict[bytes, tuple[Flow, int]] = {}

    def add(self, order: int, time: int, link: int, data: bytes, place: int) -> None:
        """Take the next packet."""
        try:
            reason = self._add(order, time, link, data, place)
        except (struct.error, IndexError):
            reason = "cut before the end of their headers"
        if reason is not None:
            self.left_out[reason] += 1

    def _add(self, order: int, time: int, link: int, data: bytes, place: int) -> str | None:
        finder = LINKS.get(link)
        if finder is None:
            return f"on a link of type {link}, which is not read here"
        start = finder(data)
        if start < 0:
            return "no IP"
        usual = data[start] == 0x45 and len(data) >= start + 34  # IPv4 without options, as nearly every packet is
        if usual:
            _, length, fragment, protocol, hosts, ports, sequence, acknowledged, offset, flags = _USUAL(data, start)
            at = start + 20
            stop = start + length
        elif data[start] >> 4 == 4:
            at = start + (data[start] & 0b1111) * 4
            length, _, fragment = struct.unpack_from(">HHH", data, start + 2)
            protocol = data[start + 9]
            hosts = data[start + 12 : start + 20]
            stop = start + length
        elif data[start] >> 4 == 6:
            length = _U16.unpack_from(data, start + 4)[0]
            at, protocol, fragment = _after_extensions(data, start + 40, data[start + 6])
            hosts = data[start + 8 : start + 40]
            stop = start + 40 + length
        else:
            return "no IP"
        if fragment & 0x3FFF:  # an offset, or more to come
            return "fragments of IP packets, which are not put together here"
        if protocol != TCP:
            return "no TCP"
        if not usual:
            ports, sequence, acknowledged, offset, flags = _TCP.unpack_from(data, at)
        if not length:  # segmentation offload: the card fills the length in after the capture has seen the packet
            stop = len(data)
        first = at + (offset >> 4) * 4
        if first < at + 20 or first > stop or at < start + 20:
            return "with a TCP header that contradicts itself"
        known = self._ends.get(hosts + ports)
        if known is None or (flags & SYN and _begins_anew(known, sequence, flags)):
            known = self._open(hosts, ports)
        flow, end = known
        if flags & SYN:
            if flow.syns[end] is None:
                flow.syns[end] = sequence
            if flow.opened_by is None:
                flow.opened_by = 1 - end if flags & ACK else end
        flow.segments.append(
            _new(
                Segment,
                (order, time, end, sequence, acknowledged, flags, data[first:stop], stop - first, place),
            )
        )
        return None

    def _open(self, hosts: bytes, ports: bytes) -> tuple[Flow, int]:
        half = len(hosts) // 2
        one, other = hosts[:half] + ports[:2], hosts[half:] + ports[2:]
        flow = Flow(len(self.flows), (one, other))
        self.flows.append(flow)
        self._ends[hosts[half:] + hosts[:half] + ports[2:] + ports[:2]] = (flow, 1)
        self._ends[hosts + ports] = (flow, 0)  # last: a connection of a socket with itself has one end
        return flow, 0


def _after_extensions(data: bytes, at: int, kind: int) -> tuple[int, int, int]:
    """Where the headers of IPv6 end, which protocol follows, and what the fragment header says, as IPv4 would."""
    fragment = 0
    for _ in range(_NESTED):
        if kind in _SKIPPED:
            kind, at = data[at], at + 8 + data[at + 1] * 8
        elif kind == _AUTHENTICATION:
            kind, at = data[at], at + 8 + data[at + 1] * 4  # RFC 4302 section 2.2: in units of 4 bytes, minus 2
        elif kind == _FRAGMENT:
            # Neither an offset nor more to come: the packet is whole (RFC 6946).
            fragment |= _U16.unpack_from(data, at + 2)[0] & 0xFFF9
            kind, at = data[at], at + 8
        else:
            break
    return at, kind, 1 if fragment else 0


def _begins_anew(known: tuple[Flow, int], sequence: int, flags: int) -> bool:
    """Whether a SYN opens a new connection on sockets that were used before, and is no repeated one."""
    flow, end = known
    syn = flow.syns[end]
    if syn is None:
        return not flags & ACK and bool(flow.segments) and flow.opened_by != 1 - end
    return syn != sequence


class Run:
    """Bytes of one direction without a gap."""

    __slots__ = ("missing", "offsets", "pieces")

    def __init__(self, missing: int) -> None:
        self.missing = missing
        """How many bytes are missing before it."""
        self.pieces: list[Segment] = []
        """Segments with what each adds: ``data`` without the bytes that had come before, ``order`` and ``time`` of when
        the data became readable, which is later than its own where it overtook others."""
        self.offsets: list[int] = []

    @property
    def data(self) -> bytes:
        """All of it."""
        return b"".join(piece.data for piece in self.pieces)


class CapturedStream:
    """What one end of a TCP connection sent."""

    __slots__ = ("base", "conflicts", "ends", "runs", "unfinished", "unlooked")

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.ends: list[tuple[int, int, int, bool]] = []
        """FIN and RST: order, time, place, and whether it is RST."""
        self.base = 0
        """The sequence number of the first byte."""
        self.conflicts = 0
        """Bytes that were sent again and were not what they had been before."""
        self.unfinished = 0
        """Bytes that are known to have followed the last run, and were not captured."""
        self.unlooked = 0
        """Bytes of runs beyond ``RUNS``, which are left out."""


def streams(flow: Flow) -> tuple[CapturedStream, CapturedStream]:
    """Both directions of a connection, reassembled."""
    return _stream(flow, 0), _stream(flow, 1)


def _stream(flow: Flow, end: int) -> CapturedStream:
    stream = CapturedStream()
    placed: list[tuple[int, Segment]] = []
    syn = flow.syns[end]
    begun = syn is not None
    stream.base = reference = (syn + 1) % _SEQUENCE if syn is not None else 0
    newest = 0
    fin: tuple[int, Segment] | None = None
    for segment in flow.segments:
        order, time, sender, sequence, _, flags, _, length, place = segment
        if sender != end:
            continue
        if flags & RST:
            stream.ends.append((order, time, place, True))
            continue
        if not length and not flags & FIN_FLAG:
            continue
        if flags & SYN:
            sequence += 1
        if not begun:
            begun = True
            stream.base = reference = sequence
        at = newest
        if sequence != reference:
            # Sequence numbers wrap (RFC 9293 section 3.4): what is less than half the circle away lies ahead.
            ahead = (sequence - reference) % _SEQUENCE
            at += ahead if ahead < _SEQUENCE // 2 else ahead - _SEQUENCE
        if length:
            placed.append((at, segment))
            if at + length > newest:
                newest = at + length
                reference = (stream.base + newest) % _SEQUENCE
        if flags & FIN_FLAG and fin is None:
            fin = (at + length, segment)
    reached = newest
    stream.runs, stream.conflicts, position = _runs(placed)
    stream.unlooked = sum(len(piece.data) for run in stream.runs[RUNS:] for piece in run.pieces)
    del stream.runs[RUNS:]
    if fin is not None:
        at, segment = fin
        last = stream.runs[-1].pieces[-1] if stream.runs else None
        # A FIN that overtook the data before it is read after them.
        late = last if last is not None and last.order > segment.order else segment
        stream.ends.append((late.order, late.time, segment.place, False))
        reached = max(reached, at)
    stream.unfinished = max(0, reached - position)
    return stream


def _runs(placed: list[tuple[int, Segment]]) -> tuple[list[Run], int, int]:
    """The runs that these segments make, in how many bytes a repeated one differed, and where the last run ends."""
    if not placed:
        return [], 0, 0
    begin = max(0, min(at for at, _ in placed))
    builder = _Builder(begin, begin)
    waiting: list[tuple[int, int, Segment]] = []
    for at, segment in placed:
        if at > builder.position:
            heapq.heappush(waiting, (at, segment.order, segment))
            continue
        builder.add(at, segment, segment.order, segment.time)
        while waiting and waiting[0][0] <= builder.position:
            at, _, held = heapq.heappop(waiting)
            builder.add(at, held, segment.order, segment.time)
    runs, conflicts = [builder.run], builder.conflicts()
    order = time = 0
    while waiting:
        at, arrived, segment = heapq.heappop(waiting)
        if at > builder.position:
            conflicts += builder.conflicts() if len(runs) > 1 else 0
            builder = _Builder(at, at - builder.position)
            runs.append(builder.run)
            order = 0
        if arrived > order:
            order, time = arrived, segment.time
        builder.add(at, segment, order, time)
    return [run for run in runs if run.pieces], conflicts, builder.position


class _Builder:
    """A run that is being put together."""

    def __init__(self, begin: int, missing: int) -> None:
        self.run = Run(missing)
        self.begin = self.position = begin
        self.repeated: list[tuple[int, bytes]] = []

    def add(self, at: int, segment: Segment, order: int, time: int) -> None:
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
            self.run.offsets.append(self.position - self.begin)
            self.run.pieces.append(segment)
            self.position += len(data)

    def conflicts(self) -> int:
        """How many bytes came again and were not the same."""
        if not self.repeated:
            return 0
        whole = self.run.data
        return sum(
            sum(map(int.__ne__, whole[at : at + len(data)], data))
            for at, data in self.repeated
            if whole[at : at + len(data)] != data
        )


def together(pieces: list[Segment]) -> Iterator[Segment]:
    """Pieces with those joined that one write handed over: the same time, and no PSH between them."""
    held: list[Segment] = []
    for piece in pieces:
        if held and (held[-1].time != piece.time or held[-1].place != piece.place):
            yield _joined(held)
            held = []
        if piece.flags & PSH and not held:
            yield piece
            continue
        held.append(piece)
        if piece.flags & PSH:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(held: list[Segment]) -> Segment:
    if len(held) == 1:
        return held[0]
    return held[-1]._replace(data=b"".join(piece.data for piece in held))


class StreamPart(NamedTuple):
    """A run, or the end of one, that holds a WebSocket's bytes of one sender."""

    sender: Sender
    run: Run
    start: int
    """Offset in the run."""
    head: bool
    """Whether it begins with an opening handshake, and else in the midst of frames."""


class FoundConversation(NamedTuple):
    """The WebSocket in a TCP connection."""

    client: int
    """Which of the two ends is the client."""
    parts: list[StreamPart]
    """First both senders' that belong together, then those after gaps."""
    skipped: int
    """Bytes of HTTP before the upgrade request."""
    unread: int
    """Bytes after gaps in which no frame's beginning was found."""


def find(flow: Flow, both: tuple[CapturedStream, CapturedStream]) -> FoundConversation | str:
    """The WebSocket in a connection, or what the connection is in its stead."""
    ends = (0, 1) if flow.opened_by is None else (flow.opened_by,)
    if not any(stream.runs for stream in both):
        return "without data"
    for client in ends:
        found = _upgraded(both, client)
        if found is not None:
            return found
    for client in ends:
        found = _headless(both, client)
        if found is not None:
            return found
    return _what(both)


def _what(both: tuple[CapturedStream, CapturedStream]) -> str:
    first = [stream.runs[0].pieces[0].data for stream in both if stream.runs and stream.runs[0].pieces]
    if any(data[:1] == b"\x16" and data[1:2] == b"\x03" for data in first):
        return "TLS, which cannot be read without its keys"
    if any(begins_like_head(data) for data in first):
        return "HTTP without an upgrade to WebSocket"
    return "not WebSocket"


def _upgraded(both: tuple[CapturedStream, CapturedStream], client: int) -> FoundConversation | None:
    requests, responses = both[client].runs, both[1 - client].runs
    for number, run in enumerate(requests):
        data = run.data
        walked = [*_heads(data, Sender.CLIENT)]
        wanted = [place for place, (_, head) in enumerate(walked) if _upgrades(head)]
        if number == 0 and wanted and responses and not (run.missing or responses[0].missing):
            methods = [head.method for _, head in walked]
            answers = [*_heads(responses[0].data, Sender.SERVER, methods)]
            accepted = [place for place in wanted if place < len(answers) and answers[place][1].status == 101]
            place = (accepted or wanted)[0]
            start = walked[place][0]
            if place < len(answers):
                return _with_rest(both, client, 0, start, 0, answers[place][0])
        elif wanted:
            start = walked[wanted[0]][0]
        else:
            # Behind a gap, or behind a body whose length nobody tells, a request still begins where a segment does.
            start = next(
                (
                    at
                    for at, piece in zip(run.offsets, run.pieces, strict=True)
                    if piece.data[:4] == b"GET " and _UPGRADE.search(data, at, at + HEAD)
                ),
                -1,
            )
            if start < 0:
                continue
        order = run.pieces[bisect_right(run.offsets, start) - 1].order
        for which, answer in enumerate(responses):
            for at, piece in zip(answer.offsets, answer.pieces, strict=True):
                if piece.order > order:
                    return _with_rest(both, client, number, start, which, at)
        return _with_rest(both, client, number, start, len(responses), 0)
    return None


def _with_rest(
    both: tuple[CapturedStream, CapturedStream], client: int, number: int, start: int, which: int, at: int
) -> FoundConversation:
    """The two parts that begin with the handshake, and behind them what can be read after gaps."""
    parts: list[StreamPart] = []
    later: list[StreamPart] = []
    skipped = unread = 0
    for sender, place, offset in ((Sender.CLIENT, number, start), (Sender.SERVER, which, at)):
        runs = both[client if sender is Sender.CLIENT else 1 - client].runs
        skipped += sum(len(piece.data) for run in runs[:place] for piece in run.pieces) + offset
        if place < len(runs):
            parts.append(StreamPart(sender, runs[place], offset, True))
            cut = _cut_frame(runs[place], offset, sender, head=True)
            unread += _after_gaps(runs[place + 1 :], sender, cut, later)
    return FoundConversation(client, parts + later, skipped, unread)


def _headless(both: tuple[CapturedStream, CapturedStream], client: int) -> FoundConversation | None:
    """Bytes that are frames from their first one on, though no handshake was captured."""
    parts: list[StreamPart] = []
    later: list[StreamPart] = []
    unread = frames = 0
    for sender in Sender:
        runs = both[client if sender is Sender.CLIENT else 1 - client].runs
        if not runs:
            continue
        chained = _chained(runs[0].data, sender)
        if not chained:
            return None
        frames += chained
        parts.append(StreamPart(sender, runs[0], 0, False))
        unread += _after_gaps(runs[1:], sender, _cut_frame(runs[0], 0, sender, head=False), later)
    return FoundConversation(client, parts + later, 0, unread) if parts and frames > 1 else None


def _cut_frame(run: Run, start: int, sender: Sender, *, head: bool) -> int:
    """How many bytes of the run's last frame, or of a head, are missing at its end; -1 where that is not known."""
    dissector = Dissector(sender, expect_head=head)
    dissector.feed(run.data[start:])
    if dissector.mode is not Mode.FRAMES:
        return -1
    return dissector.next_offset - dissector.received if dissector.next_offset >= dissector.received else -1


def _after_gaps(runs: list[Run], sender: Sender, cut: int, parts: list[StreamPart]) -> int:
    """Append a part for each of these runs in which frames can be found; how many bytes had to be left."""
    unread = 0
    for run in runs:
        data = run.data
        start = -1
        if 0 <= cut - run.missing <= len(data):
            start = cut - run.missing  # the frame that was cut says itself where the next one begins
        elif cut - run.missing > len(data):
            cut -= run.missing + len(data)
            unread += len(data)
            continue
        else:
            start = next((at for at in run.offsets[:CANDIDATES] if _chained(data, sender, at)), -1)
        if start < 0:
            unread += len(data)
            cut = -1
            continue
        unread += start
        if start < len(data):
            parts.append(StreamPart(sender, run, start, False))
        cut = _cut_frame(run, start, sender, head=False)
    return unread


def _chained(data: bytes, sender: Sender, at: int = 0) -> int:
    """How many legal frames of that sender follow one another from ``at`` on; 0 where any is not legal.

    Only whole frames count. A legal frame has a known opcode, reserved bits as an extension might set them, the
    MASK bit of its sender, the shortest form of its length, and text that is UTF-8.
    """
    number, size = 0, len(data)
    while at + 2 <= size and number < CHAINED:
        _, _, header, length, first, second, key = read_header(data, at)
        control = first & OPCODE >= CLOSE
        if (
            first & OPCODE not in OPCODES
            or first & (RSV2 | RSV3)
            or (control and (not first & FIN or first & RSV1 or EXTENDED[second]))
            or (first & RSV1 and first & OPCODE == CONTINUATION)
            or bool(second & MASK) is not (sender is Sender.CLIENT)
        ):
            return 0
        start = at + header
        if start > size:
            break
        if not is_legal(second, length):
            return 0
        stop = start + length
        if stop > size:
            break
        if first & OPCODE == TEXT and first & FIN and not first & RSV1 and length < HEAD:
            body = data[start:stop] if key is None else apply_mask(data[start:stop], key)
            try:
                body.decode()
            except UnicodeDecodeError:
                return 0
        number += 1
        at = stop
    return number


def _upgrades(head: Head) -> bool:
    return head.method is not None and "websocket" in [token.lower() for token in head.tokens("Upgrade")]


def _heads(data: bytes, sender: Sender, methods: list[str | None] | None = None) -> Iterator[tuple[int, Head]]:
    """The HTTP heads of a stream, from its first byte on, with their offsets; interim responses are left out.

    The bodies between are stepped over (RFC 9112 section 6.3). It ends where no head follows, or an upgrade.
    """
    at = number = 0
    while at < len(data) and begins_like_head(data[at : at + HEAD]):
        found = data.find(END, at, at + 2**16)
        if found < 0:
            return
        head = parse_head(data[at : found + 4], sender, offset=at)
        start, at = at, found + 4
        status = head.status
        if status is not None and 100 <= status < 200 and status != 101:
            continue
        yield start, head
        method = methods[number] if methods is not None and number < len(methods) else None
        number += 1
        if status == 101:
            return
        if method == "HEAD" or status in (204, 304):
            continue
        if "chunked" in [token.lower() for token in head.tokens("Transfer-Encoding")]:
            at = _after_chunks(data, at)
        elif lengths := head.get("Content-Length"):
            at += int(lengths[0]) if lengths[0].isdecimal() and len(lengths[0]) < 19 else len(data)
        elif sender is Sender.SERVER:
            return  # the body ends where the stream does


def _after_chunks(data: bytes, at: int) -> int:
    """Where a chunked body ends (RFC 9112 section 7.1); the stream's end where it does not."""
    while True:
        stop = data.find(b"\r\n", at, at + 1024)
        size = data[at:stop].split(b";")[0].strip() if stop >= 0 else b""
        try:
            length = int(size, 16)
        except ValueError:
            return len(data)
        if length < 0:
            return len(data)
        at = stop + 2
        if not length:
            while (stop := data.find(b"\r\n", at, at + 2**16)) > at:
                at = stop + 2
            return stop + 2 if stop >= 0 else len(data)
        at += length + 2
