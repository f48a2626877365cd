"""Captures and traces: a pcap or pcapng file read into a Trace, and a Trace written as pcapng.

Reading. Each TCP connection that holds a WebSocket becomes a connection of the trace, under the number that it has in
the capture, where all TCP connections are counted in the order of their first packets (as Wireshark's ``tcp.stream``).
A chunk is what one segment made readable, at the time at which the capture saw it. Where bytes are missing, the
stream ends with a note, and what can be read after them is a connection of its own, numbered after all others: its
compression and its messages' beginnings are lost. Everything else is left out and counted in ``Trace.notes``.

Writing. The trace knows streams, chunks and times, not packets. So loopback addresses, ports and sequence numbers
are made up, and the file's comment says so. An end's writes are segments with PSH on the last one; its
reads are ACKs without data, each at the time of the read; two interfaces, one for each end, tell who saw what. Read
back, that gives the same chunks. Of reads that nothing tells, the ACKs are made up too and ride on data.
"""

from __future__ import annotations

import gc
import re
import struct
from collections import Counter, deque
from collections.abc import Iterator
from operator import itemgetter
from os import PathLike
from pathlib import Path
from typing import Final

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...drawing.visible import count
from ..archive import LATEST, R, TraceFileError, read_up_to, withheld
from ..entries import EVENT, NOT_STORED, Wire
from ..reading import Reading
from ..tape import Tap
from .container import RAW, Story, is_capture, packets, pcapng
from .segments import (
    ACK,
    FIN_FLAG,
    PSH,
    RST,
    SYN,
    CapturedStream,
    Flow,
    FoundConversation,
    Sorter,
    StreamPart,
    find,
    streams,
    together,
)

LARGEST: Final = 2**28
"""Bytes of a file that are read. What follows is left out, and said to be."""
PACKETS: Final = 2_000_000
"""Packets that are read, likewise."""
PROGRAM: Final = "wslab"
ENDS: Final = ("the client's end", "the server's end")
"""Names of the interfaces in a capture that wslab wrote."""
_BEGAN: Final = re.compile(r"The recording began (\d{1,19}) ns after 1970\.")
SAID: Final = (
    "Written by wslab from a recording, which holds streams and times but no packets: the addresses, the ports, the "
    "sequence numbers and the segments' sizes are made up. ACKs without data stand for what an end's program "
    "read, and when. Not in here: errors and close reports of programs. The recording began {began} ns after 1970."
)

HOST: Final = 0x7F000001
"""127.0.0.1, at both ends."""
SERVER_PORT: Final = 80
"""Wireshark reads HTTP there without being told."""
CLIENT_PORTS: Final = range(49152, 65536)
MOST: Final = 65495
"""Bytes of data in a segment: what an IPv4 packet holds besides two headers of 20 bytes."""
_OPTIONS: Final = bytes.fromhex("0204ffd7 0103030e")
"""Of a SYN: maximum segment size 65495, window scale 14 (RFC 9293 section 3.2, RFC 7323 section 2)."""
_MASK: Final = 2**32 - 1


def load_capture(path: str | PathLike[str], kind: type[R]) -> R:
    """The recording that a capture tells of, as one of that kind; see ``Trace.from_pcapng``."""
    try:
        data = read_up_to(path, LARGEST)
    except OSError as error:
        raise TraceFileError(
            f"{path}: expected a pcap or pcapng file, but it cannot be read: {error.strerror}"
        ) from None
    if not is_capture(data):
        raise TraceFileError(
            f"{path}: expected a pcap or pcapng file, but it begins with {data[:4].hex(' ') or 'nothing'}; "
            "dumpcap, tcpdump and Wireshark write such files, and a compressed one must be unpacked first"
        )
    return read_capture(data, kind)


def read_capture(data: bytes, kind: type[R]) -> R:
    """The trace of a capture file's bytes, derived. Never raises on them; see ``Trace.notes``."""
    # Hundreds of thousands of tuples and no cycle: to look through them again and again for one, as the collector does
    # while they become more, takes a fifth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        trace = _read_capture(data, kind)
        trace.update()
    finally:
        if collects:
            gc.enable()
    return trace


def _read_capture(data: bytes, kind: type[R]) -> R:
    story = Story()
    if len(data) > LARGEST:
        story.problem(f"the file is longer than {LARGEST:,} bytes; the rest of it is not read")
        data = data[:LARGEST]
    sorter = Sorter()
    add = sorter.add
    for order, (time, link, place, packet) in enumerate(packets(data, story)):
        if order == PACKETS:
            story.problem(f"only the first {PACKETS:,} packets are read")
            break
        add(order, time, link, packet, place)
    return _Import(sorter, story).trace(kind)


_Told = tuple[int, int, int, int, Sender, bytes | int | bool | str]
"""What happens on a connection of the trace: the packet's place in the capture, its time, the interface (or -1 and -2
for an end of the connection), the connection, whose stream it is about; and data, how many bytes were read, an
end of the stream (True for a reset), or a note."""


class _Import:
    """Builds a trace from sorted segments."""

    def __init__(self, sorter: Sorter, story: Story) -> None:
        self.sorter, self.story = sorter, story
        self.own = story.program == PROGRAM
        self.ends = {place: Sender(ENDS.index(name)) for place, name in story.names.items() if name in ENDS}
        self.told: list[_Told] = []
        self.middle: dict[int, bool] = {}
        """The trace's connections, and whether each begins in the midst of frames."""
        self.next_wire = len(sorter.flows)

    def trace(self, kind: type[R]) -> R:
        story = self.story
        others: Counter[str] = Counter()
        for flow in self.sorter.flows:
            both = streams(flow)
            found = find(flow, both) if not self._whole(flow) else _whole_of(flow, both)
            if isinstance(found, str):
                others[found] += 1
            else:
                self._tell(flow, both, found)
            flow.segments.clear()
        for reason, number in others.items():
            story.problem(f"{count(number, 'TCP connection')} left out: {reason}")
        for reason, number in self.sorter.left_out.items():
            story.problem(f"{count(number, 'packet')} left out: {reason}")
        self.told.sort(key=itemgetter(0))
        base = min(map(itemgetter(1), self.told), default=0)
        began = _BEGAN.search(story.comment) if self.own else None
        if began is not None and 0 <= base - int(began[1]) < 10**9 * 10**6:
            base = int(began[1])
        beginning = base / 1e9
        if not 0 <= beginning < LATEST:
            story.problem(
                "the file's times lie before 1970 or after 9999; the recording is told as though it began in 1970"
            )
            beginning = 0.0
        size = sum(len(what) for *_, what in self.told if isinstance(what, bytes))
        # A quarter of the bytes may be inflated ones, which is what the least is for.
        trace = kind(max_bytes=max(2**24, 2 * size), max_entries=max(200_000, 2 * len(self.told)))
        trace.began = beginning
        self._play(trace, base)
        trace.notes = (*trace.notes, *story.notes)
        return trace

    def _whole(self, flow: Flow) -> bool:
        """Whether this is a connection that wslab wrote from its beginning on: all of it was in a trace."""
        return self.own and flow.opened_by is not None

    def _tell(self, flow: Flow, both: tuple[CapturedStream, CapturedStream], found: FoundConversation) -> None:
        problem = self.story.problem
        name = f"connection {flow.number}"
        if found.skipped:
            problem(f"{name}: {count(found.skipped, 'byte')} of HTTP before the upgrade are left out")
        if found.unread:
            problem(
                f"{name}: {count(found.unread, 'byte')} after gaps are left out, since no frame's beginning is known"
            )
        wires: dict[Sender, int] = {}
        for part in found.parts:
            if part.sender in wires:
                wire, self.next_wire = self.next_wire, self.next_wire + 1
                problem(
                    f"{name}: what could be read after a gap in the {part.sender.label}'s stream is connection {wire}"
                )
            else:
                wire = flow.number
            wires[part.sender] = wire
            self.middle[wire] = not part.head
            self._pieces(part, wire)
        for sender in Sender:
            stream = both[found.client if sender is Sender.CLIENT else 1 - found.client]
            self._gaps(name, sender, stream, wires.get(sender, flow.number), flow.number, found.parts)
            for order, time, place, reset in stream.ends:
                for wire in {flow.number, wires.get(sender, flow.number)}:
                    self.told.append((order, time, place, wire, sender, reset))
        if not flow.syns[0] and not flow.syns[1] and flow.opened_by is None:
            began = "before its frames" if self.middle.get(flow.number) else "before its opening handshake"
            problem(f"{name}: the capture began in its middle, {began}")
        if self.own:
            self._reads(flow, both, found)

    def _pieces(self, part: StreamPart, wire: int) -> None:
        run = part.run
        tell = self.told.append
        sender = part.sender
        skip = part.start
        for piece in together(run.pieces):
            data = piece.data
            if skip:
                data, skip = data[skip:], max(0, skip - len(data))
                if not data:
                    continue
            tell((piece.order, piece.time, piece.place, wire, sender, data))

    def _gaps(
        self, name: str, sender: Sender, stream: CapturedStream, wire: int, first: int, parts: list[StreamPart]
    ) -> None:
        problem = self.story.problem
        for run in stream.runs:
            if run.missing:
                text = f"{count(run.missing, 'byte')} of the {sender.label}'s stream were not captured"
                problem(f"{name}: {text}")
                piece = run.pieces[0]
                if any(part.run is not run or not part.head for part in parts if part.sender is sender):
                    self.told.append((piece.order - 1, piece.time, piece.place, first, sender, text))
        whose = f"of the {sender.label}'s stream"
        if stream.unfinished:
            problem(f"{name}: the last {count(stream.unfinished, 'byte')} {whose} were not captured")
        if stream.unlooked:
            problem(f"{name}: after too many gaps, {count(stream.unlooked, 'byte')} {whose} are left out")
        if stream.conflicts:
            problem(f"{name}: {count(stream.conflicts, 'byte')} {whose} were sent again as others; the first are kept")

    def _reads(self, flow: Flow, both: tuple[CapturedStream, CapturedStream], found: FoundConversation) -> None:
        """What each end read, from the ACKs without data that wslab wrote in their stead."""
        read = [0, 0]
        ended = [False, False]
        sent = [sum(len(piece.data) for run in stream.runs for piece in run.pieces) for stream in both]
        for segment in flow.segments:
            if segment.flags != ACK or segment.length:
                continue
            other = 1 - segment.end
            at = (segment.acknowledged - both[other].base) & _MASK
            sender = Sender.CLIENT if other == found.client else Sender.SERVER
            reader = sender.peer
            length = min(at, sent[other]) - read[other]
            what: int | None = None
            if length > 0 and at < 2**31:
                read[other] += length
                what = length
                self.told.append((segment.order, segment.time, -1 - reader, flow.number, sender, what))
            if at == sent[other] + 1 and not ended[other] and any(not reset for *_, reset in both[other].ends):
                ended[other] = True
                self.told.append((segment.order, segment.time, -1 - reader, flow.number, sender, False))

    def _play(self, trace: Reading, base: int) -> None:
        """Write it all into the trace, in the order of the packets."""
        taps: dict[tuple[int, Sender], Tap] = {}
        ends = {place: self.ends.get(place) for _, _, place, *_ in self.told} if self.own else {}
        ends |= {-1 - end: end for end in Sender}
        seen: set[tuple[int, Sender]] = set()
        for _, _, place, wire, sender, _ in self.told:
            end = ends.get(place)
            seen.add((wire, sender if end is None else end))
        if not self.own:  # both streams are as they were sent, and nothing tells when they were read
            seen |= {(wire, end) for wire, _ in seen for end in Sender}
        for wire, end in sorted(seen):
            taps[wire, end] = trace.join(end, ("capture", wire), number=wire, middle=self.middle.get(wire, False))
        for _, time, place, wire, sender, what in self.told:
            found = ends.get(place)
            end = sender if found is None else found
            tap = taps[wire, end]
            at = (time - base) / 1e9
            if type(what) is bytes:
                (tap.sent if end is sender else tap.received)(what, at)
            elif isinstance(what, str):
                tap.note(what, at)
            elif what is True:
                (tap.reset_sent if end is sender else tap.reset_received)(at)
            elif what is False:
                (tap.fin_sent if end is sender else tap.fin_received)(at)
            elif isinstance(what, int) and (wire, sender) in taps:
                # Else its bytes are kept as this end read them, and that is told already.
                tap.received(bytes(what), at)
        for tap in taps.values():
            tap.left()


def _whole_of(flow: Flow, both: tuple[CapturedStream, CapturedStream]) -> FoundConversation | str:
    client = flow.opened_by or 0
    parts = [
        StreamPart(sender, stream.runs[0], 0, True)
        for sender, stream in zip(Sender, (both[client], both[1 - client]), strict=True)
        if stream.runs
    ]
    ended = any(stream.ends for stream in both)
    return FoundConversation(client, parts, 0, 0) if parts or ended else "without data"


def save_capture(trace: Reading, path: str | PathLike[str], *, reveal: bool = False) -> None:
    """See ``Trace.to_pcapng``."""
    began = round(trace.began * 1e9)
    with trace.still():
        blocks = pcapng(
            ENDS,
            ((began + round(at * 1e9), int(end), packet) for at, end, packet in _Export(trace, reveal).packets()),
            link=RAW,
            program=PROGRAM,
            comment=SAID.format(began=began)
            + (" The streams were built again from messages." if trace.rebuilt else ""),
        )
        with Path(path).open("wb") as file:
            for block in blocks:
                file.write(block)


class _WrittenEnd:
    """One end of a connection that is being written."""

    __slots__ = ("acknowledged", "finished", "goal", "next", "reads", "told")

    def __init__(self, begins: int, reads: bool) -> None:
        self.next = begins
        """Stream offset of what it sends next."""
        self.acknowledged = 0
        """Of its peer's stream."""
        self.goal: deque[tuple[float, int]] = deque()
        """Reads that were told before the write was: time and stream offset."""
        self.reads = reads
        """Whether the trace tells what it read."""
        self.finished = False
        self.told = False
        """Whether its FIN was acknowledged."""


class _Export:
    """Makes packets of a trace."""

    def __init__(self, trace: Reading, reveal: bool) -> None:
        self.trace = trace
        self.hidden: dict[tuple[int, Sender], list[tuple[int, bytes]]] = {}
        self.sides: dict[int, tuple[_WrittenEnd, _WrittenEnd]] = {}
        self.ended: dict[tuple[int, int, float], Record] = {
            (record.connection, record.sender, record.time): record
            for record in trace.records
            if record.kind in (Kind.FIN, Kind.RESET)
        }
        self.begins = trace.tape.begins()
        for number in trace.connections:
            for head in () if reveal else trace.conversation(number).protocol.heads:
                self.hidden.setdefault((number, head.sender), []).append((head.offset, withheld(head)))

    def packets(self) -> Iterator[tuple[float, Sender, bytes]]:
        trace = self.trace
        for at, connection, by, seen_by, offset, length, position in trace.tape.entries():
            wire = trace.tape.wires.get(connection)
            if wire is None:
                continue
            sender, end = Sender(by), Sender(seen_by)
            if position == NOT_STORED:
                yield from self._read(wire, end, at, offset + length)
            elif position == EVENT:
                yield from self._event(wire, sender, end, at)
            else:
                yield from self._written(wire, sender, end, at, offset, length)

    def _begin(self, wire: Wire, at: float) -> Iterator[tuple[float, Sender, bytes]]:
        """Both sides of a connection; and the TCP handshake, if nothing of its streams was dropped."""
        if wire.number in self.sides:
            return
        begins = [self._first(wire, sender) for sender in Sender]
        client, server = self.sides[wire.number] = tuple(  # type: ignore[assignment]
            _WrittenEnd(first, wire.seen[end.peer][end] > 0 and wire.tapped[end.peer])
            for end, first in zip(Sender, begins, strict=True)
        )
        client.acknowledged, server.acknowledged = begins[1], begins[0]
        if not any(begins):
            end = Sender.CLIENT if wire.tapped[Sender.CLIENT] else Sender.SERVER
            yield at, end, _packet(wire, Sender.CLIENT, 0, 0, SYN)
            yield at, end, _packet(wire, Sender.SERVER, 0, 1, SYN | ACK)
            yield at, end, _packet(wire, Sender.CLIENT, 1, 1, ACK)

    def _first(self, wire: Wire, sender: Sender) -> int:
        """Stream offset of the first byte that is kept together with its chunk."""
        return self.begins.get((wire.number, sender), max(wire.seen[sender]))

    def _written(
        self, wire: Wire, sender: Sender, end: Sender, at: float, offset: int, length: int
    ) -> Iterator[tuple[float, Sender, bytes]]:
        yield from self._begin(wire, at)
        sides = self.sides[wire.number]
        side, peer = sides[sender], sides[sender.peer]
        skip = side.next - offset
        data = self.trace.bytes_at(wire.number, sender, offset, length) if 0 <= skip < length else None
        if data is None:
            return
        for start, said in self.hidden.get((wire.number, sender), ()):
            if offset < start + len(said) and start < offset + length:
                first = max(offset, start)
                part = said[first - start : offset + length - start]
                data = data[: first - offset] + part + data[first - offset + len(part) :]
        if not side.reads:
            side.acknowledged = peer.next
        for start in range(skip, length, MOST):
            part = data[start : start + MOST]
            flags = ACK | (PSH if start + MOST >= length else 0)
            yield at, end, _packet(wire, sender, 1 + side.next, _acknowledged(side, peer), flags, part)
            side.next += len(part)
        while peer.goal and peer.goal[0][1] <= side.next:
            yield from self._read(wire, sender.peer, *peer.goal.popleft())

    def _read(self, wire: Wire, reader: Sender, at: float, offset: int) -> Iterator[tuple[float, Sender, bytes]]:
        yield from self._begin(wire, at)
        sides = self.sides[wire.number]
        side, peer = sides[reader], sides[reader.peer]
        if offset > peer.next:
            side.goal.append((at, offset))
        elif offset > side.acknowledged:
            side.acknowledged = offset
            yield at, reader, _packet(wire, reader, 1 + side.next + side.finished, _acknowledged(side, peer), ACK)

    def _event(self, wire: Wire, sender: Sender, end: Sender, at: float) -> Iterator[tuple[float, Sender, bytes]]:
        record = self.ended.pop((wire.number, sender, at), None)
        if record is None and (end is sender or wire.number not in self.sides):
            return  # what a program says
        yield from self._begin(wire, at)
        sides = self.sides[wire.number]
        side, peer = sides[sender], sides[sender.peer]
        if record is not None:
            if not side.reads:
                side.acknowledged = peer.next
            flags = RST | ACK if record.kind is Kind.RESET else FIN_FLAG | ACK
            yield at, end, _packet(wire, sender, 1 + side.next + side.finished, _acknowledged(side, peer), flags)
            side.finished = side.finished or record.kind is Kind.FIN
        elif side.finished and not side.told and peer.acknowledged == side.next:
            side.told = True
            number = 1 + peer.next + peer.finished
            yield at, end, _packet(wire, end, number, _acknowledged(peer, side), ACK)


def _acknowledged(side: _WrittenEnd, peer: _WrittenEnd) -> int:
    """The acknowledgement number that ``side`` sends."""
    fin = peer.finished and side.acknowledged == peer.next and (peer.told or not side.reads)
    return 1 + side.acknowledged + fin


def _packet(wire: Wire, sender: Sender, sequence: int, acknowledged: int, flags: int, data: bytes = b"") -> bytes:
    """An IPv4 packet with a TCP segment (RFC 791 section 3.1, RFC 9293 section 3.1)."""
    turn, place = divmod(wire.number, len(CLIENT_PORTS))
    client, server = (HOST + turn % 2**16, CLIENT_PORTS[place]), (HOST, SERVER_PORT)
    (source, source_port), (target, target_port) = (client, server) if sender is Sender.CLIENT else (server, client)
    options = _OPTIONS if flags & SYN else b""
    size = 20 + len(options)
    tcp = bytearray(
        struct.pack(
            ">HHIIBBHHH",
            source_port,
            target_port,
            sequence & _MASK,
            acknowledged & _MASK,
            size << 2,
            flags,
            0xFFFF,
            0,
            0,
        )
    )
    tcp += options
    tcp += data
    pseudo = struct.pack(">IIHH", source, target, 6, len(tcp))
    struct.pack_into(">H", tcp, 16, _checksum(pseudo + tcp))
    ip = bytearray(struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, source, target))
    struct.pack_into(">H", ip, 10, _checksum(ip))
    return bytes(ip + tcp)


def _checksum(data: bytes | bytearray) -> int:
    """The complement of the one's complement sum of its 16-bit words (RFC 1071), which is a remainder by 0xFFFF."""
    total = int.from_bytes(data + bytes(len(data) % 2), "big")
    return 0xFFFF - ((total % 0xFFFF or 0xFFFF) if total else 0)
