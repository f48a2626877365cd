"""Reassembly: each direction's segments become runs of bytes without a gap.

Theory. A capture is what somebody saw at one place of the way: packets with gaps, twice the same bytes, out of order,
cut at the snap length, begun in the midst of things. A byte is told when the receiver could read it, which is when the
last byte before it had come; of bytes that came twice, the first count. Only when the whole capture was read is a hole
known to be a gap. Nothing is invented: bytes that are missing stay missing.
"""

import heapq
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from .packets import FIN_FLAG, PSH, RST, SYN, Flow, Segment

_CIRCLE: Final = 2**32  # sequence numbers wrap (RFC 9293 section 3.4)

RUNS: Final = 64  # runs of one direction that are looked at


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
            self.offsets.append(self.position - self.begin)
            self.pieces.append(segment)
            self.position += len(data)

    def conflicts(self) -> int:
        """How many bytes came again and were not the same."""
        whole = self.data if self.repeated else b""
        return sum(
            sum(map(int.__ne__, whole[at : at + len(data)], data))
            for at, data in self.repeated
            if whole[at : at + len(data)] != data
        )


class CapturedStream:
    """What one end of a TCP connection sent."""

    __slots__ = ("base", "conflicts", "end", "ends", "runs", "unfinished", "unlooked")

    def __init__(self, flow: Flow, end: int) -> None:
        self.end = end  # which end of the flow it is
        self.ends: list[Segment] = []  # FIN and RST, each with the ``order`` and ``time`` of when it became readable
        syn = flow.syns[end]
        begun = syn is not None
        self.base = (syn + 1) % _CIRCLE if syn is not None else 0  # the sequence number of the first byte
        placed: list[tuple[int, Segment]] = []
        reference, newest = self.base, 0
        fin: tuple[int, Segment] | None = None
        for segment in flow.segments:
            _, _, sender, sequence, _, flags, _, length, _ = segment
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
                begun = True
                self.base = reference = sequence
            at = newest
            if sequence != reference:
                # What is less than half the circle away lies ahead.
                ahead = (sequence - reference) % _CIRCLE
                at += ahead if ahead < _CIRCLE // 2 else ahead - _CIRCLE
            if length:
                placed.append((at, segment))
                if at + length > newest:
                    newest = at + length
                    reference = (self.base + newest) % _CIRCLE
            if flags & FIN_FLAG and fin is None:
                fin = (at + length, segment)
        self.runs, self.conflicts, position = _runs(placed)
        # Bytes of runs beyond ``RUNS``, which are left out.
        self.unlooked = sum(len(piece.data) for run in self.runs[RUNS:] for piece in run.pieces)
        del self.runs[RUNS:]
        if fin is not None:
            at, segment = fin
            # A FIN that overtook the data before it is read after them.
            last = max(self.runs[-1].pieces[-1] if self.runs else segment, segment, key=lambda one: one.order)
            self.ends.append(segment._replace(order=last.order, time=last.time))
            newest = max(newest, at)
        # Bytes that are known to have followed the last run, and were not captured.
        self.unfinished = max(0, newest - position)


def _runs(placed: list[tuple[int, Segment]]) -> tuple[list[Run], int, int]:
    """The runs that these segments make, in how many bytes a repeated one differed, and where the last run ends."""
    if not placed:
        return [], 0, 0
    run = Run(begin := max(0, min(at for at, _ in placed)), begin)
    waiting: list[tuple[int, int, Segment]] = []
    for at, segment in placed:
        if at > run.position:
            heapq.heappush(waiting, (at, segment.order, segment))
            continue
        run.add(at, segment, segment.order, segment.time)
        while waiting and waiting[0][0] <= run.position:
            at, _, held = heapq.heappop(waiting)
            run.add(at, held, segment.order, segment.time)
    runs = [run]
    order = time = 0
    while waiting:
        at, arrived, segment = heapq.heappop(waiting)
        if at > run.position:
            run = Run(at, at - run.position)
            runs.append(run)
            order = 0
        if arrived > order:
            order, time = arrived, segment.time
        run.add(at, segment, order, time)
    return [run for run in runs if run.pieces], sum(run.conflicts() for run in runs), run.position


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
