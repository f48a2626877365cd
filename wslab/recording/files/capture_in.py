"""Captures in: a pcap or pcapng file read into a Trace.

Theory. Each TCP connection that holds a WebSocket becomes a connection of the trace, under the number that it has in
the capture, where all TCP connections are counted in the order of their first packets (as Wireshark's ``tcp.stream``).
A chunk is what one segment made readable, at the time at which the capture saw it. Where bytes are missing, the
stream ends with a note, and what can be read after them is a connection of its own, numbered after all others: its
compression and its messages' beginnings are lost. Everything else is left out and counted in ``Trace.notes``.
"""

import gc
import re
from collections import Counter
from os import PathLike
from typing import Final

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing.visible import count
from ..archive import LATEST, R, TraceFileError
from .capture_out import ENDS, PROGRAM
from .conversations import FoundConversation, StreamPart, find
from .imported import FileEvent, play, read_file
from .packets import ACK, RST, Flow, Segment, Sorter, together
from .pcapng import Story, is_capture, packets

LARGEST: Final = 2**28  # bytes of a file that are read. What follows is left out, and said to be.
PACKETS: Final = 2_000_000  # packets that are read, likewise
_BEGAN: Final = re.compile(r"The recording began (\d{1,19}) ns after 1970\.")


def load_capture(path: str | PathLike[str], kind: type[R]) -> R:
    """The recording that a capture tells of, as one of that kind; see ``Trace.from_pcapng``."""
    data = read_file(path, LARGEST, "pcap or pcapng file")
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
        trace = _Import(data).trace(kind)
        trace.update()
    finally:
        if collects:
            gc.enable()
    return trace


class _Import:
    """Reads a capture, and makes events of what its connections hold."""

    def __init__(self, data: bytes) -> None:
        self.story = Story()
        self.problem = self.story.problems.note
        sorter = Sorter()
        if len(data) > LARGEST:
            self.problem(f"the file is longer than {LARGEST:,} bytes; the rest of it is not read")
            data = data[:LARGEST]
        for order, (time, link, place, packet) in enumerate(packets(data, self.story)):
            if order == PACKETS:
                self.problem(f"only the first {PACKETS:,} packets are read")
                break
            sorter.add(order, time, link, packet, place)
        self.own = self.story.program == PROGRAM  # whether wslab wrote the file
        names = self.story.names if self.own else {}
        self.ends = {place: Sender(ENDS.index(name)) for place, name in names.items() if name in ENDS}
        self.events: list[FileEvent] = []
        self.middle: dict[int, bool] = {}  # the trace's connections, and whether each begins in the midst of frames
        self.next_wire = len(sorter.flows)
        others: Counter[str] = Counter()
        for flow in sorter.flows:
            # What wslab wrote from its beginning on was a connection of a trace, whatever it looks like.
            found = find(flow, whole=self.own and flow.opened_by is not None)
            if isinstance(found, str):
                others[found] += 1
            else:
                self._take(flow, found)
            flow.segments.clear()
        for reason, number in others.items():
            self.problem(f"{count(number, 'TCP connection')} left out: {reason}")
        for reason, number in sorter.left_out.items():
            self.problem(f"{count(number, 'packet')} left out: {reason}")

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
        ends = {(event.wire, event.end) for event in self.events}
        if not self.own:  # both streams are as they were sent, and nothing tells when they were read
            ends |= {(wire, end.peer) for wire, end in ends}
        trace = play(kind, self.events, ends, self.middle, source="capture", began=start, base=base, unit=1e9)
        trace.notes = (*trace.notes, *self.story.problems.told())
        return trace

    def _tell(self, at: Segment, wire: int, sender: Sender, what: bytes | str | Kind) -> None:
        self.events.append(FileEvent(at.order, at.time, wire, self.ends.get(at.place, sender), sender, what))

    def _take(self, flow: Flow, found: FoundConversation) -> None:
        name = f"connection {flow.number}"
        if found.skipped:
            self.problem(f"{name}: {count(found.skipped, 'byte')} of HTTP before the upgrade are left out")
        if found.unread:
            left_out = f"{count(found.unread, 'byte')} after gaps are left out"
            self.problem(f"{name}: {left_out}, since no frame's beginning is known")
        wires: dict[Sender, int] = {}
        for part in found.parts:
            wire = flow.number
            if part.sender in wires:
                wire, self.next_wire = self.next_wire, self.next_wire + 1
                whose = f"the {part.sender.label}'s stream"
                self.problem(f"{name}: what could be read after a gap in {whose} is connection {wire}")
            wires[part.sender] = wire
            self.middle[wire] = not part.head
            self._take_part(part, wire)
        for sender, stream in zip(Sender, found.streams, strict=True):
            self._take_gaps(flow, found, sender)
            for segment in stream.ends:
                for wire in {flow.number, wires.get(sender, flow.number)}:
                    self._tell(segment, wire, sender, Kind.RESET if segment.flags & RST else Kind.FIN)
        if flow.opened_by is None:
            began = "before its frames" if self.middle.get(flow.number) else "before its opening handshake"
            self.problem(f"{name}: the capture began in its middle, {began}")
        if self.own:
            self._take_reads(flow, found)

    def _take_part(self, part: StreamPart, wire: int) -> None:
        skip = part.start
        for piece in together(part.run.pieces):
            if data := piece.data[skip:]:
                self._tell(piece, wire, part.sender, data)
            skip = max(0, skip - len(piece.data))

    def _take_gaps(self, flow: Flow, found: FoundConversation, sender: Sender) -> None:
        """Say which bytes of a stream are missing, in the trace too where something was read before them."""
        name, whose, stream = f"connection {flow.number}", f"of the {sender.label}'s stream", found.streams[sender]
        parts = [part for part in found.parts if part.sender is sender]
        for run in stream.runs:
            if run.missing:
                text = f"{count(run.missing, 'byte')} {whose} were not captured"
                self.problem(f"{name}: {text}")
                if any(part.run is not run or not part.head for part in parts):
                    piece = run.pieces[0]
                    self._tell(piece._replace(order=piece.order - 1), flow.number, sender, text)
        if stream.unfinished:
            self.problem(f"{name}: the last {count(stream.unfinished, 'byte')} {whose} were not captured")
        if stream.unlooked:
            self.problem(f"{name}: after too many gaps, {count(stream.unlooked, 'byte')} {whose} are left out")
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
