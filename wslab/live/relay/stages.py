"""Stages: each bend at work on one stream, as a machine without a clock and without a socket.

Theory. A stage is given items and the time, and yields items. An item is a run of ``bytes``, the end of the stream
(``StreamEnd``), or an ``Acted``, by which a stage says that it did something just here. What a stage keeps back it
yields when it is woken, not before the time that ``due`` tells. The stages of a stream stand in a ``Row``, and what
one yields is given to the next.

Where a bend begins to act is a place in the stream that reaches it: after so many bytes, or where a frame begins. A
chunk that runs over that place is cut there. So a bend acts at the same byte however the bytes came.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Final

from ...anatomy.field import Sender
from ...drawing.visible import count
from ...protocol.dissector import HEAD_LIMIT, Dissector, Mode
from ...protocol.head import END as END_OF_HEAD

if TYPE_CHECKING:
    from . import bends

SLICES: Final = 20
"""Pieces a second into which a bandwidth divides what it lets through."""


class StreamEnd(Enum):
    """How a stream ends."""

    FIN = "FIN"
    RESET = "RST"


class Acted(str):
    """What a bend did, in words; it stands in the stream where it was done."""


Item = bytes | StreamEnd | Acted


class Place:
    """Counts a stream up to the place where a bend begins to act.

    Args:
        at: so many bytes of the stream; ``"frames"``, where its first frame begins; ``"frame 2"``, where its frame
            with that index begins.
    """

    __slots__ = ("_dissector", "_frame", "_seen", "reached")

    def __init__(self, at: int | str, sender: Sender) -> None:
        self._frame = at if isinstance(at, int) else int(at.partition(" ")[2] or 0)
        self._dissector = None if isinstance(at, int) else Dissector(sender)
        self._seen = 0
        self.reached = at == 0

    def cut(self, data: bytes) -> tuple[bytes, bytes]:
        """The part of the stream's next bytes that lies before the place, and the part behind it."""
        if self.reached:
            return b"", data
        before = self._frame - self._seen if self._dissector is None else self._begins(self._dissector, data)
        self._seen += len(data)
        if before is None or before > len(data):
            return data, b""
        self.reached = True
        return data[:before], data[before:]

    def _begins(self, dissector: Dissector, data: bytes) -> int | None:
        """How far behind the beginning of ``data`` the frame begins, once that is known."""
        found = dissector.feed(data)
        behind = self._frame - found.first_index - len(found.marks)
        if behind < 0:
            return found.header(self._frame - found.first_index).offset - self._seen
        known = dissector.mode is Mode.FRAMES and dissector.next_offset <= dissector.received
        return dissector.next_offset - self._seen if known and not behind else None


class Stage:
    """One bend at work on one stream. What it does not say otherwise passes as it is.

    ``push`` and ``wake`` take the time, in seconds of any steady clock. ``push`` of ``b""`` begins the stream.
    """

    eager = False
    """Whether it acts as soon as its place is reached, not only when something comes there."""

    def __init__(self, bend: bends.Bend, sender: Sender) -> None:
        self.sender, self.words = sender, bend.words
        self.place = Place(bend.at, sender)
        self.acting = False

    @property
    def held(self) -> int:
        """Bytes that wait here."""
        return 0

    @property
    def due(self) -> float:
        """When it wants to be woken; infinity where time alone changes nothing."""
        return inf

    def push(self, now: float, item: Item) -> Iterator[Item]:
        """Take the stream's next item; yields what goes on at once."""
        if not isinstance(item, bytes):
            yield from self._end(now, item) if isinstance(item, StreamEnd) else self._word(now, item)
            return
        before, behind = self.place.cut(item)
        if before:
            yield before
        if not self.acting and (behind or (self.eager and self.place.reached)):
            self.acting = True
            yield Acted(self.words)
            yield from self._begin(now)
        if behind:
            yield from self._bend(now, behind)

    def wake(self, now: float) -> Iterator[Item]:
        """Yield what was due by now."""
        yield from ()

    def _begin(self, now: float) -> Iterator[Item]:
        """It begins to act."""
        yield from ()

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        """Some bytes behind its place came."""
        yield data

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        """The stream ended."""
        yield end

    def _word(self, now: float, word: Acted) -> Iterator[Item]:
        """Another bend acted before this one in the row."""
        yield word


class Queue(Stage):
    """Keeps items in order, each until its time."""

    def __init__(self, bend: bends.Bend, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._waiting: deque[tuple[float, Item]] = deque()
        self._held = 0
        self._last = -inf

    def _leaves(self, now: float, size: int) -> float:
        """When something that came now and is that long may go on; never before what came earlier."""
        return now

    def _put(self, leaves: float, item: Item) -> None:
        self._last = max(self._last, leaves)
        self._waiting.append((self._last, item))
        self._held += len(item) if isinstance(item, bytes) else 0

    @property
    def held(self) -> int:
        """Bytes that wait here."""
        return self._held

    @property
    def due(self) -> float:
        """When the first that waits may go on."""
        return self._waiting[0][0] if self._waiting else inf

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        """Wait for its time."""
        self._put(self._leaves(now, len(data)), data)
        yield from self.wake(now)

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        """The end waits behind the bytes, and as long as they."""
        if self.acting:
            self._put(self._leaves(now, 0), end)
            yield from self.wake(now)
        else:
            yield end

    def _word(self, now: float, word: Acted) -> Iterator[Item]:
        """Words stay where they were said."""
        self._put(now, word)
        yield from self.wake(now)

    def wake(self, now: float) -> Iterator[Item]:
        """Yield what was due by now."""
        while self._waiting and self._waiting[0][0] <= now:
            item = self._waiting.popleft()[1]
            self._held -= len(item) if isinstance(item, bytes) else 0
            yield item


class Pieces(Queue):
    """Cuts what comes, and lets ``gap`` seconds pass between two pieces."""

    gap = 0.0

    def _sizes(self, data: bytes) -> Iterator[int]:
        """How long the next pieces are; more of them than anybody needs."""
        raise NotImplementedError

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        """Cut it, and have the pieces wait for each other."""
        start, sizes = 0, self._sizes(data)
        while start < len(data):
            piece = data[start : start + next(sizes)]
            start += len(piece)
            self._put(self._leaves(now, len(piece)), piece)
        yield from self.wake(now)

    def _leaves(self, now: float, size: int) -> float:
        """A gap after the last piece."""
        return max(now, self._last + self.gap)


class Late(Queue):
    """Each item later by the same time."""

    def __init__(self, bend: bends.Delay, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._seconds = bend.seconds

    def _leaves(self, now: float, size: int) -> float:
        return now + self._seconds


class Jittery(Queue):
    """Each item later by chance."""

    def __init__(self, bend: bends.Jitter, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._seconds, self._draw = bend.seconds, _chance(bend.seed, sender)

    def _leaves(self, now: float, size: int) -> float:
        return now + self._draw.random() * self._seconds


class Narrow(Pieces):
    """So many bytes a second."""

    def __init__(self, bend: bends.Bandwidth, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._rate = bend.bytes_per_second

    def _sizes(self, data: bytes) -> Iterator[int]:
        return itertools.repeat(max(1, int(self._rate / SLICES)))

    def _leaves(self, now: float, size: int) -> float:
        return max(now, self._last) + size / self._rate


class Bytewise(Pieces):
    """Byte for byte."""

    def __init__(self, bend: bends.OneByte, sender: Sender) -> None:
        super().__init__(bend, sender)
        self.gap = bend.gap

    def _sizes(self, data: bytes) -> Iterator[int]:
        return itertools.repeat(1)


class Torn(Pieces):
    """Pieces by chance."""

    def __init__(self, bend: bends.RandomChunks, sender: Sender) -> None:
        super().__init__(bend, sender)
        self.gap = bend.gap
        self._largest, self._draw = bend.largest, _chance(bend.seed, sender)

    def _sizes(self, data: bytes) -> Iterator[int]:
        return iter(lambda: self._draw.randint(1, self._largest), 0)


class Joined(Stage):
    """What came within some time goes on at once."""

    def __init__(self, bend: bends.Coalesced, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._seconds, self._size = bend.seconds, bend.size
        self._gathered = bytearray()
        self._due = inf

    @property
    def held(self) -> int:
        """Bytes that wait here."""
        return len(self._gathered)

    @property
    def due(self) -> float:
        """When what was gathered may go on."""
        return self._due

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        self._gathered += data
        self._due = min(self._due, now + self._seconds)
        if len(self._gathered) >= self._size or self._due <= now:
            yield from self._flush()

    def wake(self, now: float) -> Iterator[Item]:
        """Yield what was gathered, if its time has come."""
        if self._due <= now:
            yield from self._flush()

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        yield from self._flush()
        yield end

    def _flush(self) -> Iterator[Item]:
        self._due = inf
        if self._gathered:
            data = bytes(self._gathered)
            self._gathered.clear()
            yield data


_arrivals = itertools.count()


class Gate(Stage):
    """Where chunks wait until somebody releases them, while it is shut."""

    def __init__(self, bend: bends.Bend, sender: Sender, *, shut: bool = True) -> None:
        super().__init__(bend, sender)
        self.shut = shut
        self.waiting: deque[tuple[int, Item]] = deque()
        """What waits, each with its place in the order in which it came to any gate."""

    @property
    def held(self) -> int:
        """Bytes that wait here."""
        return sum(len(item) for _, item in self.waiting if isinstance(item, bytes))

    def push(self, now: float, item: Item) -> Iterator[Item]:
        """An open gate is as if it were not there."""
        return super().push(now, item) if self.shut else iter((item,) if item else ())

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        """Wait."""
        self.waiting.append((next(_arrivals), data))
        yield from ()

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        """The end waits behind the bytes; it counts as a chunk."""
        if self.place.reached:
            self.waiting.append((next(_arrivals), end))
        else:
            yield end

    def _word(self, now: float, word: Acted) -> Iterator[Item]:
        """Words wait behind what they stand behind, and go with it."""
        if self.waiting:
            self.waiting.append((self.waiting[-1][0], word))
        else:
            yield word

    def release(self, chunks: int) -> Iterator[Item]:
        """Let so many of the oldest chunks go."""
        yield Acted(f"release {count(chunks, 'chunk')}")
        while chunks and self.waiting:
            item = self.waiting.popleft()[1]
            chunks -= not isinstance(item, Acted)
            yield item
        while self.waiting and isinstance(self.waiting[0][1], Acted):
            yield self.waiting.popleft()[1]

    @property
    def chunks(self) -> list[int]:
        """The places of the chunks that wait in the order in which they came to any gate."""
        return [place for place, item in tuple(self.waiting) if not isinstance(item, Acted)]


class Dropping(Stage):
    """No more bytes; the end passes."""

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        yield from ()


class Cut(Dropping):
    """Acts behind so many bytes at once, and at a frame when that comes."""

    def __init__(self, bend: bends.Bend, sender: Sender) -> None:
        super().__init__(bend, sender)
        self.eager = isinstance(bend.at, int)


class Silent(Cut):
    """No more bytes, and no end."""

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        if not self.acting:
            yield end


class Finishing(Cut):
    """FIN, and then no more."""

    def _begin(self, now: float) -> Iterator[Item]:
        yield StreamEnd.FIN

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        if not self.acting or end is StreamEnd.RESET:
            yield end


class Resetting(Silent):
    """RST, and then no more."""

    def _begin(self, now: float) -> Iterator[Item]:
        yield StreamEnd.RESET


class Quiet:
    """What the two streams of a connection that is closed when idle have in common."""

    def __init__(self) -> None:
        self.last = inf
        self.over = False


class Idle(Stage):
    """FIN when nothing came from either peer for a while."""

    eager = True

    def __init__(self, bend: bends.IdleClose, sender: Sender, quiet: Quiet) -> None:
        super().__init__(bend, sender)
        self._seconds, self._quiet = bend.seconds, quiet
        self._over = False

    @property
    def due(self) -> float:
        """When both have been quiet for long enough."""
        return inf if self._over else self._quiet.last + self._seconds

    def push(self, now: float, item: Item) -> Iterator[Item]:
        """Note the time, and pass it on."""
        if isinstance(item, bytes):
            self.place.cut(item)
            if self.place.reached:
                self._quiet.last = now
        if self._over and item is not StreamEnd.RESET:
            return
        self._over = isinstance(item, StreamEnd)
        if item:
            yield item

    def wake(self, now: float) -> Iterator[Item]:
        """End the stream."""
        if self.due <= now:
            self._over = True
            if not self._quiet.over:
                self._quiet.over = True
                yield Acted(self.words)
            yield StreamEnd.FIN


class HeadChange(Stage):
    """Gathers an HTTP head and lets ``alter`` change it."""

    def __init__(self, bend: bends.StripHeader | bends.RewriteHeader, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._alter: Callable[[bytes], bytes] = bend.alter
        self._gathered: bytearray | None = bytearray()

    @property
    def held(self) -> int:
        """Bytes that wait here."""
        return len(self._gathered or b"")

    def push(self, now: float, item: Item) -> Iterator[Item]:
        """Gather until the head is whole."""
        gathered = self._gathered
        if gathered is None:
            yield item
            return
        if isinstance(item, StreamEnd):
            self._gathered = None
            yield from (bytes(gathered), item) if gathered else (item,)
            return
        if isinstance(item, Acted):
            yield item
            return
        gathered += item
        stop = gathered.find(END_OF_HEAD) + len(END_OF_HEAD)
        if stop >= len(END_OF_HEAD):
            head = bytes(gathered[:stop])
            altered = self._alter(head)
            if altered != head:
                yield Acted(self.words)
            yield altered + bytes(gathered[stop:])
        elif len(gathered) > HEAD_LIMIT:
            yield bytes(gathered)
        else:
            return
        self._gathered = None


class Flipping(Stage):
    """Some bits turned over."""

    def __init__(self, bend: bends.FlipBits, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._masks: dict[int, int] = {}
        for bit in bend.bits:
            self._masks[bit // 8] = self._masks.get(bit // 8, 0) | 0b10000000 >> bit % 8
        self._behind = 0

    def push(self, now: float, item: Item) -> Iterator[Item]:
        """Pass it on, with the bits changed that lie in it."""
        if not isinstance(item, bytes):
            yield item
            return
        before, behind = self.place.cut(item)
        changed = bytearray(behind)
        here = [byte for byte in self._masks if 0 <= byte - self._behind < len(changed)]
        for byte in here:
            changed[byte - self._behind] ^= self._masks.pop(byte)
        self._behind += len(behind)
        if before:
            yield before
        if here:
            yield Acted(self.words)
        if changed:
            yield bytes(changed)


class Injecting(Stage):
    """Some bytes put in."""

    def __init__(self, bend: bends.Inject, sender: Sender) -> None:
        super().__init__(bend, sender)
        # Behind its request a client waits for the response, and so does what is put in there.
        self.eager = sender is Sender.SERVER or bend.at not in ("frames", "frame 0")
        self._data = bend.data

    def _begin(self, now: float) -> Iterator[Item]:
        yield self._data


def _chance(seed: int, sender: Sender) -> random.Random:
    return random.Random(f"{seed} {sender.label}")


class Row:
    """The stages of one stream, one behind the other."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.stages = tuple(stages)

    @property
    def held(self) -> int:
        """Bytes that wait in its stages."""
        return sum(stage.held for stage in self.stages)

    @property
    def due(self) -> float:
        """When it wants to be woken."""
        return min((stage.due for stage in self.stages), default=inf)

    @property
    def empty(self) -> bool:
        """Whether nothing waits in its stages, and nothing will come of itself."""
        return self.due == inf and not self.held and not any(gate.waiting for gate in self.gates)

    @property
    def gates(self) -> list[Gate]:
        """The stages at which chunks may wait to be released."""
        return [stage for stage in self.stages if isinstance(stage, Gate)]

    def push(self, now: float, item: Item, start: int = 0) -> list[Item]:
        """What comes out at once when ``item`` goes in before the stage of that index."""
        items = [item]
        for stage in self.stages[start:]:
            items = [come for each in items for come in stage.push(now, each)]
        return items

    def begin(self, now: float) -> list[Item]:
        """What comes out before anything came."""
        items: list[Item] = []
        for index in range(len(self.stages)):
            for item in list(self.stages[index].push(now, b"")):
                items += self.push(now, item, index + 1)
        return items

    def wake(self, now: float) -> list[Item]:
        """What was due by now."""
        items: list[Item] = []
        for index, stage in enumerate(self.stages):
            for item in list(stage.wake(now)):
                items += self.push(now, item, index + 1)
        return items

    def release(self, now: float, gate: Gate, chunks: int) -> list[Item]:
        """What comes out when one of its gates lets so many chunks go."""
        start = self.stages.index(gate) + 1
        return [come for item in list(gate.release(chunks)) for come in self.push(now, item, start)]
