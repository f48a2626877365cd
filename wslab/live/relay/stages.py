"""Stages: what works on one stream of a relay, without a clock and without a socket, and the row in which they stand.

Theory. A stage is given items and the time, and yields items. An item is a run of ``bytes``, the end of the stream
(``StreamEnd``), or an ``Acted``, by which a stage says that it acted just here. What a stage keeps back it yields when
it is woken, and ``due`` says when to wake it. What one stage of a ``Row`` yields, the next is given.

A stage begins to act at a place in its stream: after so many bytes, or where a frame begins. A chunk that runs over
that place is cut there. So a stage acts at the same byte however the bytes arrive.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from math import inf
from typing import NamedTuple

from ...anatomy.field import Sender
from ...drawing.visible import count
from ...protocol.dissector import Dissector, Mode


class StreamEnd(Enum):
    """How a stream ends."""

    FIN = "FIN"
    RESET = "RST"


class Acted(str):
    """What a bend did, in words. It stands in the stream where the bend did it."""


Item = bytes | StreamEnd | Acted


class Spot(NamedTuple):
    """Where a stage begins to act on a sender's stream, and what the ladder says there.

    That is ``at`` so many bytes; at ``"frames"``, where the first frame begins; or at ``"frame 2"``, where the frame of
    that index begins.
    """

    at: int | str
    sender: Sender
    words: str


class Place:
    """Counts a stream up to the place where a stage begins to act."""

    def __init__(self, spot: Spot) -> None:
        at = spot.at
        self._dissector = None if isinstance(at, int) else Dissector(spot.sender)
        self._goal = at if isinstance(at, int) else int(at.partition(" ")[2] or 0)  # bytes, or a frame's index
        self._seen = 0
        self.reached = at == 0

    def cut(self, data: bytes) -> tuple[bytes, bytes]:
        """The part of the stream's next bytes before the place, and the part behind it."""
        if self.reached:
            return b"", data
        before = self._goal - self._seen if self._dissector is None else self._begins(self._dissector, data)
        self._seen += len(data)
        if before is None or before > len(data):
            return data, b""
        self.reached = True
        return data[:before], data[before:]

    def _begins(self, dissector: Dissector, data: bytes) -> int | None:
        """How far behind the beginning of ``data`` the frame begins; None until that is known."""
        found = dissector.feed(data)
        behind = self._goal - found.first_index - len(found.marks)
        if behind < 0:
            return found.header(self._goal - found.first_index).offset - self._seen
        known = dissector.mode is Mode.FRAMES and dissector.next_offset <= dissector.received
        return dissector.next_offset - self._seen if known and not behind else None


class Stage:
    """One bend at work on one stream. What a subclass does not change passes as it is.

    ``push`` and ``wake`` take the time, in seconds of any steady clock. ``push`` of ``b""`` begins the stream. An
    ``eager`` stage acts as soon as its place is reached, any other when something comes there. There it puts in what
    it ``begins`` with. ``held`` is how many bytes wait here.
    """

    held = 0
    acting = False

    def __init__(self, spot: Spot, *, eager: bool = False, begins: Iterable[Item] = ()) -> None:
        self.words, self.eager, self.begins, self.place = spot.words, eager, begins, Place(spot)

    @property
    def due(self) -> float:
        """When to wake it; infinity if time alone changes nothing."""
        return inf

    def push(self, now: float, item: Item) -> Iterator[Item]:
        """Take the stream's next item; yield what goes on at once."""
        if isinstance(item, bytes):
            return self._take(now, item)
        return self._end(now, item) if isinstance(item, StreamEnd) else self._word(now, item)

    def wake(self, now: float) -> Iterator[Item]:
        """Yield what is due by now."""
        yield from ()

    def _take(self, now: float, data: bytes) -> Iterator[Item]:
        before, behind = self.place.cut(data)
        if before:
            yield before
        if not self.acting and (behind or (self.eager and self.place.reached)):
            self.acting = True
            yield Acted(self.words)
            yield from self.begins
        if behind:
            yield from self._bend(now, behind)

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        yield data

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        yield end

    def _word(self, now: float, word: Acted) -> Iterator[Item]:
        """Another stage acted before this one in the row."""
        yield word


_arrivals = itertools.count()


class Gate(Stage):
    """Where chunks wait, while it is shut, until they are released.

    ``waiting`` is what waits, each item with its number in the order of arrival at all gates.
    """

    def __init__(self, spot: Spot, *, shut: bool = True) -> None:
        super().__init__(spot)
        self.shut = shut
        self.waiting: deque[tuple[int, Item]] = deque()

    @property
    def chunks(self) -> list[int]:
        """The arrival numbers of the chunks that wait. The stream's end counts as a chunk."""
        return [number for number, item in tuple(self.waiting) if not isinstance(item, Acted)]

    def push(self, now: float, item: Item) -> Iterator[Item]:
        return super().push(now, item) if self.shut else iter((item,) if item else ())

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        self.waiting.append((next(_arrivals), data))
        self.held += len(data)
        yield from ()

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        if self.place.reached:
            self.waiting.append((next(_arrivals), end))
        else:
            yield end

    def _word(self, now: float, word: Acted) -> Iterator[Item]:
        if self.waiting:
            self.waiting.append((self.waiting[-1][0], word))  # it goes on with what it stands behind
        else:
            yield word

    def release(self, chunks: int) -> Iterator[Item]:
        """Let so many of the oldest chunks go."""
        yield Acted(f"release {count(chunks, 'chunk')}")
        while self.waiting and (chunks or isinstance(self.waiting[0][1], Acted)):
            item = self.waiting.popleft()[1]
            self.held -= len(item) if isinstance(item, bytes) else 0
            chunks -= not isinstance(item, Acted)
            yield item


class Row:
    """The stages of one stream, one behind the other, and among them the gates, at which chunks may wait."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.stages = tuple(stages)
        self.gates = [stage for stage in self.stages if isinstance(stage, Gate)]

    @property
    def held(self) -> int:
        return sum(stage.held for stage in self.stages)

    @property
    def due(self) -> float:
        return min((stage.due for stage in self.stages), default=inf)

    @property
    def empty(self) -> bool:
        """Whether nothing waits in its stages, and time alone changes nothing."""
        return self.due == inf and not self.held and not any(gate.waiting for gate in self.gates)

    def push(self, now: float, item: Item, start: int = 0) -> list[Item]:
        """What comes out at once when ``item`` goes in before the stage of index ``start``."""
        items = [item]
        for stage in self.stages[start:]:
            items = [come for each in items for come in stage.push(now, each)]
        return items

    def _behind(self, now: float, index: int, items: Iterable[Item]) -> list[Item]:
        return [come for item in list(items) for come in self.push(now, item, index + 1)]

    def begin(self, now: float) -> list[Item]:
        """What comes out before anything goes in."""
        return [
            item for index, stage in enumerate(self.stages) for item in self._behind(now, index, stage.push(now, b""))
        ]

    def wake(self, now: float) -> list[Item]:
        return [item for index, stage in enumerate(self.stages) for item in self._behind(now, index, stage.wake(now))]

    def release(self, now: float, gate: Gate, chunks: int) -> list[Item]:
        """What comes out when one of its gates lets so many chunks go."""
        return self._behind(now, self.stages.index(gate), gate.release(chunks))
