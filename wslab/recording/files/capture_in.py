"""Captures in: a pcap or pcapng file read into a Trace.

Theory. Each TCP connection that holds a WebSocket becomes a connection of the trace, under the number that it has in
the capture, where all TCP connections are counted in the order of their first packets (as Wireshark's ``tcp.stream``).
A chunk is what one segment made readable, at the time at which the capture saw it. Where bytes are missing, the
stream ends with a note, and what can be read after them is a connection of its own, numbered after all others: its
compression and its messages' beginnings are lost. Everything else is left out and counted in ``Trace.notes``.
"""

import gc
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Final, NamedTuple

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing.visible import count
from ..archive import LATEST, R, TraceFileError
from ..tape import LossNote, ResetNote
from ..work import watched, work
from .capture_out import ENDS, PROGRAM, REBUILT
from .conversations import FoundConversation, StreamPart, find, unfinished
from .imported import FileEvent, play, read_file
from .packets import ACK, RST, SYN, UNCOUNTED, CapturedStream, Flow, Segment, Sorter, together
from .pcapng import Story, is_capture, packets

LARGEST: Final = 2**28  # bytes of a file that are read. What follows is left out, and said to be.
PACKETS: Final = 2_000_000  # packets that are read, likewise
STEP: Final = 2**-20  # how far behind a packet something is told that has none of its own; packets are 1 apart
_BEGAN: Final = re.compile(r"The recording began (\d{1,19}) ns after 1970\.")


def load_capture(path: str | PathLike[str], kind: type[R]) -> R:
    """The recording that a capture tells of, as one of that kind; see ``Trace.from_pcapng``."""
    with work("opening", path):
        return read_capture(_capture(path), kind)


def _capture(path: str | PathLike[str]) -> bytes:
    data = read_file(path, LARGEST, "pcap or pcapng file")
    if not is_capture(data):
        raise TraceFileError(
            f"{path}: expected a pcap or pcapng file, but it begins with {data[:4].hex(' ') or 'nothing'}; "
            "dumpcap, tcpdump and Wireshark write such files, and a compressed one must be unpacked first"
        )
    return data


def read_capture(data: bytes, kind: type[R]) -> R:
    """The trace of a capture file's bytes, derived. Never raises on them; see ``Trace.notes``."""
    # Hundreds of thousands of tuples and no cycle: to look through them again and again for one, as the collector does
    # while they become more, takes a fifth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        story = _Import(data)
        del data
        trace = story.trace(kind)
        trace.update()
    finally:
        if collects:
            gc.enable()
    return trace


@dataclass
class Placed:
    """A part, and where it is told of."""

    part: StreamPart
    wire: int
    last: Segment | None = None  # that brought its last bytes, as it is told


class Piece(NamedTuple):
    """Bytes of a part that became readable at once."""

    piece: Segment
    data: bytes
    begin: int  # where they begin in their sender's stream
    heard: int  # how many bytes of the peer's stream its sender had read
    placed: Placed


def _behind(piece: Segment, step: float) -> Segment:
    return piece._replace(order=piece.order + step)


def _told(placed: Sequence[Placed], peer: CapturedStream) -> Iterator[Piece]:
    for one in placed:
        skip, stop = one.part.start, one.part.run.begin
        for piece in together(one.part.run.pieces):
            begin, stop = stop + skip, stop + len(piece.data)
            heard = (piece.acknowledged - peer.base) % 2**32 if piece.flags & ACK else 0
            if data := piece.data[skip:]:
                yield Piece(piece, data, begin, heard if heard < 2**31 else 0, one)
            skip = max(0, skip - len(piece.data))


def _torn(flow: Flow, reset: Segment, sender: Sender) -> tuple[str, bool]:
    """What is known of who sent an RST with that sender's address, in words, and whether it may be somebody else."""
    others = [one for one in flow.segments if one.end == reset.end and not one.flags & RST]
    before = [one for one in flow.segments if one.end != reset.end and one.order < reset.order]
    usual = sorted({one.ttl for one in others})
    strange = bool(usual) and reset.ttl not in usual
    text = f"an RST with the {sender.label}'s address; its TTL is {reset.ttl}"
    if usual:
        numbers = " and ".join(map(str, usual))
        text += f", and that side's other packets have {numbers}" if strange else ", as that side's other packets have"
    if before:
        late = reset.time - before[-1].time
        text += f"; it came {_seconds(late)} after the {sender.peer.label}'s last packet"
        # How long this side takes to answer, as the first packet that acknowledges one of the peer's tells.
        asked = next((one for one in before if one.flags & SYN), None)
        answer = asked and next((one for one in others if one.flags & ACK and one.order > asked.order), None)
        if asked and answer and 0 <= late < (took := answer.time - asked.time) // 2:
            text += f", too soon to answer that: the answer to the first took {_seconds(took)}"
    return text + (": something between the two may have sent it" if strange else ""), strange


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:,.1f} ms" if abs(nanoseconds) < 10**9 else f"{nanoseconds / 1e9:,.1f} s"


class _Import:
    """Reads a capture, and makes events of what its connections hold."""

    def __init__(self, data: bytes) -> None:
        self.story = Story()
        self.problem = self.story.problems.note
        sorter = Sorter()
        if len(data) > LARGEST:
            self.problem(f"the file is longer than {LARGEST:,} bytes; the rest of it is not read")
            data = data[:LARGEST]
        for order, (time, link, place, packet) in enumerate(
            watched(packets(data, self.story), "reading packets", len(data), lambda packet: len(packet[3]))
        ):
            if order == PACKETS:
                self.problem(f"only the first {PACKETS:,} packets are read")
                break
            sorter.add(order, time, link, packet, place)
        self.own = self.story.program == PROGRAM  # whether wslab wrote the file
        names = self.story.names if self.own else {}
        self.ends = {place: Sender(ENDS.index(name)) for place, name in names.items() if name in ENDS}
        self.events: list[FileEvent] = []
        self.heads: dict[int, tuple[bool, bool]] = {}  # of each connection, whose stream begins with the handshake
        self.next_wire = len(sorter.flows)
        others: Counter[str] = Counter()
        for flow in sorter.flows:
            # What wslab wrote from its beginning on was a connection of a trace, whatever it looks like.
            _, _, _, sequence, heard, flags, *_ = flow.segments[0]
            begun = flow.opened_by is not None or (sequence, heard, flags) == (1, 1, ACK)
            found = find(flow, whole=self.own and begun)
            if isinstance(found, str):
                others[found] += 1
            else:
                self._take(flow, found)
            flow.segments.clear()
        for reason, number in others.items():
            self.problem(f"{count(number, 'TCP connection')} left out: {reason}")
        for reason, number in sorter.left_out.items():
            self.problem(f"{count(number, 'packet')} left out: {reason}")
        if self.events and (sorter.ambiguous or not UNCOUNTED.issuperset(sorter.left_out)):
            why = "takes another SYN for a new connection" if sorter.ambiguous else "counts some of what is left out"
            self.problem(f"the connections' numbers may differ from Wireshark's, which {why}")

    def trace(self, kind: type[R]) -> R:
        """All of it as a recording."""
        self.events.sort(key=lambda event: event.order)
        base = min((int(event.time) for event in self.events), default=0)
        began = _BEGAN.search(self.story.comment) if self.own else None
        if began is not None and 0 <= base - int(began[1]) < 10**9 * 10**6:
            base = int(began[1])
        start = base / 1e9
        if not 0 <= start < LATEST:
            start, beyond = 0.0, "the file's times lie before 1970 or after 9999"
            self.problem(f"{beyond}; the recording is told as though it began in 1970")
        last = base + int(LATEST - start - 1) * 10**9
        if any(event.time > last for event in self.events):
            self.problem("times after 9999 are told as the end of 9999")
            self.events = [event._replace(time=min(event.time, last)) for event in self.events]
        ends = {(event.wire, event.end) for event in self.events}
        if not self.own:  # both streams are as they were sent, and nothing tells when they were read
            ends |= {(wire, end.peer) for wire, end in ends}
        trace = play(kind, self.events, ends, self.heads, source="capture", began=start, base=base, unit=1e9)
        trace.rebuilt = self.own and REBUILT in self.story.comment
        said = self.story.comment.partition(" Note: ")[2].removesuffix(".").split(". Note: ") if self.own else []
        # That the beginning was dropped is seen in the packets.
        of_it = [
            f"of the recording that wslab wrote: {one}" for one in said if one and "before were dropped" not in one
        ]
        trace.notes = (*trace.notes, *self.story.problems.told(), *of_it)
        return trace

    def _tell(self, at: Segment, wire: int, sender: Sender, what: bytes | str | Kind) -> None:
        self.events.append(FileEvent(at.order, at.time, wire, self.ends.get(at.place, sender), sender, what))

    def _take(self, flow: Flow, found: FoundConversation) -> None:
        name = f"connection {flow.number}"
        if found.skipped:
            self.problem(f"{name}: {count(found.skipped, 'byte')} before the upgrade are left out")
        if found.cut:
            self.problem(f"{name}: {count(found.cut, 'byte')} after gaps are the ends of frames that the gaps cut")
        if found.unread:
            left_out = f"{count(found.unread, 'byte')} after gaps are left out"
            self.problem(f"{name}: {left_out}, since no frame's beginning is known")
        placed: dict[Sender, list[Placed]] = {sender: [] for sender in Sender}
        for part in found.parts:
            wire = flow.number
            if placed[part.sender]:
                wire, self.next_wire = self.next_wire, self.next_wire + 1
                whose = f"the {part.sender.label}'s stream"
                self.problem(f"{name}: what could be read after a gap in {whose} is connection {wire}")
            placed[part.sender].append(Placed(part, wire))
            self.heads[wire] = (False, False)
        self._take_parts(found, placed)
        self.heads[flow.number] = self._heads(name, flow, found)
        wires = sorted({flow.number, *(one.wire for both in placed.values() for one in both)})
        for sender, stream in zip(Sender, found.streams, strict=True):
            self._take_gaps(flow, stream, sender, placed[sender])
            last = max((one.last for one in placed[sender] if one.last), key=lambda piece: piece.order, default=None)
            for segment in stream.ends:
                if last is not None and segment.order <= last.order:
                    segment = _behind(last, STEP)._replace(flags=segment.flags, ttl=segment.ttl)
                what: ResetNote | Kind = Kind.RESET if segment.flags & RST else Kind.FIN
                if what is Kind.RESET and not self.own:
                    said, strange = _torn(flow, segment, sender)
                    what = ResetNote(said)
                    if strange:
                        self.problem(f"{name}: {said}")
                elif what is Kind.RESET and not segment.flags & ACK:
                    what = ResetNote(f"an RST with the {sender.label}'s address; who sent it is not known")
                for wire in wires:
                    self._tell(segment, wire, sender, what)
        guess = "that they are WebSocket is a guess, since no opening handshake was captured"
        headless = not any(self.heads[flow.number])
        if flow.opened_by is None:
            began = f"before its frames; {guess}" if headless else "before its opening handshake"
            self.problem(f"{name}: the capture began in its middle, {began}")
        elif headless and not any(part.head for part in found.parts):
            self.problem(f"{name}: its first frames follow a gap; {guess}")
        if self.own:
            self._take_reads(flow, found)

    def _heads(self, name: str, flow: Flow, found: FoundConversation) -> tuple[bool, bool]:
        """Whether what the client and what the server sent is known from the opening handshake on."""
        begins = {part.sender: part.head for part in reversed(found.parts)}
        seen = {segment.end for segment in flow.segments}
        for sender, stream in zip(Sender, found.streams, strict=True):
            if stream.end not in seen:
                self.problem(f"{name}: nothing that the {sender.label} sent was captured; what needs it is not judged")
                begins.setdefault(sender, False)
        whole = all(begins.values())
        return begins.get(Sender.CLIENT, whole), begins.get(Sender.SERVER, whole)

    def _take_parts(self, found: FoundConversation, placed: Mapping[Sender, Sequence[Placed]]) -> None:
        """Tell of the parts' bytes. What a packet acknowledges came before it, in whatever order both were captured."""
        waiting = {sender: deque(_told(placed[sender], found.streams[sender.peer])) for sender in Sender}
        order, time = -1.0, 0
        while any(waiting.values()):
            first, *other = sorted((queue[0].piece.order, sender) for sender, queue in waiting.items() if queue)
            sender = first[1]
            if other:
                ours, theirs = waiting[sender][0], waiting[sender.peer][0]
                if ours.heard > theirs.begin and theirs.heard <= ours.begin:
                    sender = sender.peer
            piece, data, _, _, one = waiting[sender].popleft()
            if piece.order <= order:
                piece = piece._replace(order=order + STEP, time=time)
            order, time = piece.order, piece.time
            one.last = piece
            self._tell(piece, one.wire, sender, data)

    def _take_gaps(self, flow: Flow, stream: CapturedStream, sender: Sender, placed: list[Placed]) -> None:
        """Say which bytes of a stream are missing, in the trace too where something was read before or after them."""
        name, whose = f"connection {flow.number}", f"of the {sender.label}'s stream"
        by_run = {id(one.part.run): one for one in placed}
        before: Placed | None = None
        for run in stream.runs:
            if run.missing:
                text = f"{count(run.missing, 'byte')} {whose} were not captured"
                self.problem(f"{name}: {text}")
                first = run.pieces[0]
                if before is not None and before.last is not None:
                    self._tell(_behind(before.last, STEP / 2), before.wire, sender, LossNote(text))
                elif not placed:
                    self._tell(_behind(flow.segments[0], -STEP), flow.number, sender, LossNote(text))
                elif any(one.part.run is not run or not one.part.head for one in placed):
                    self._tell(first._replace(order=first.order - 1), flow.number, sender, text)
            before = by_run.get(id(run), before)
        if stream.unfinished:
            text = f"the last {count(stream.unfinished, 'byte')} {whose} were not captured"
            self.problem(f"{name}: {text}")
            if before is not None and before.last is not None:
                self._tell(_behind(before.last, STEP / 2), before.wire, sender, LossNote(text))
            elif not placed:
                self._tell(_behind(flow.segments[0], -STEP), flow.number, sender, LossNote(text))
        elif before is not None and before.last is not None and not stream.ends and not self.own:
            if before.part.run is stream.runs[-1] and (inside := unfinished(before.part)):
                self.problem(f"{name}: the capture ends inside {inside} of the {sender.label}")
            self._tell(_behind(before.last, STEP / 2), before.wire, sender, LossNote())
        if stream.unlooked:
            self.problem(f"{name}: after too many gaps, {count(stream.unlooked, 'byte')} {whose} are left out")
        if stream.outside:
            self.problem(f"{name}: {count(stream.outside, 'byte')} {whose} lie before its beginning, and are left out")
        if stream.strays:
            self.problem(f"{name}: {count(stream.strays, 'RST')} {whose} ended nothing, since more bytes followed")
        if stream.probes:
            self.problem(f"{name}: {count(stream.probes, 'keep-alive probe')} of the {sender.label} are left out")
        if stream.conflicts:
            again = f"{count(stream.conflicts, 'byte')} {whose} were sent again as others"
            self.problem(f"{name}: {again}; the first are kept")

    def _take_reads(self, flow: Flow, found: FoundConversation) -> None:
        """What each end read, from the ACKs without data that wslab wrote in their stead."""
        read, ended = [0, 0], [False, False]
        sent = [sum(len(piece.data) for run in stream.runs for piece in run.pieces) for stream in found.streams]
        finished = [any(not segment.flags & RST for segment in stream.ends) for stream in found.streams]
        for segment in flow.segments:
            if segment.flags != ACK or segment.length:
                continue
            sender = Sender.SERVER if segment.end == found.streams[0].end else Sender.CLIENT
            at = (segment.acknowledged - found.streams[sender].base) % 2**32
            length = min(at, sent[sender]) - read[sender]
            if length > 0 and at < 2**31:
                read[sender] += length
                self.events.append(FileEvent(segment.order, segment.time, flow.number, sender.peer, sender, length))
            if at == sent[sender] + 1 and finished[sender] and not ended[sender]:
                ended[sender] = True
                self.events.append(FileEvent(segment.order, segment.time, flow.number, sender.peer, sender, Kind.FIN))
