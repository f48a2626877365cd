"""The six machines, beside the gate, that bends are made of. Each is a ``Stage``, and knows no bend.

The seventh, ``Gate``, stands in ``stages.py``, since every row ends with one.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from math import inf

from ...protocol.dissector import HEAD_LIMIT
from ...protocol.head import END as END_OF_HEAD
from .stages import Acted, Item, Spot, Stage, StreamEnd


class Queue(Stage):
    """Keeps items in order, each until its time.

    ``leaves(now, last, size)`` is when an item of ``size`` bytes may go on; ``last`` is when the item before it may.
    ``piece(left)`` is how long the next piece of a chunk is; without it chunks stay whole.
    """

    def __init__(
        self, spot: Spot, leaves: Callable[[float, float, int], float], piece: Callable[[int], int] = lambda left: left
    ) -> None:
        super().__init__(spot)
        self._leaves, self._piece = leaves, piece
        self._waiting: deque[tuple[float, Item]] = deque()
        self._last = -inf

    @property
    def due(self) -> float:
        return self._waiting[0][0] if self._waiting else inf

    def _put(self, leaves: float, item: Item) -> None:
        self._last = max(self._last, leaves)  # TCP keeps the order, so nothing overtakes
        self._waiting.append((self._last, item))
        self.held += len(item) if isinstance(item, bytes) else 0

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        start = 0
        while start < len(data):
            piece = data[start : start + self._piece(len(data) - start)]
            start += len(piece)
            self._put(self._leaves(now, self._last, len(piece)), piece)
        return self.wake(now)

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        if not self.acting:
            return super()._end(now, end)
        self._put(self._leaves(now, self._last, 0), end)
        return self.wake(now)

    def _word(self, now: float, word: Acted) -> Iterator[Item]:
        self._put(now, word)
        return self.wake(now)

    def wake(self, now: float) -> Iterator[Item]:
        while self._waiting and self._waiting[0][0] <= now:
            item = self._waiting.popleft()[1]
            self.held -= len(item) if isinstance(item, bytes) else 0
            yield item


class Joined(Stage):
    """Joins what comes within ``seconds``; it goes on then, or as soon as it is ``size`` bytes long."""

    def __init__(self, spot: Spot, seconds: float, size: int) -> None:
        super().__init__(spot)
        self._seconds, self._size = seconds, size
        self._gathered = bytearray()
        self._due = inf

    @property
    def due(self) -> float:
        return self._due

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        self._gathered += data
        self.held += len(data)
        self._due = now if self.held >= self._size else min(self._due, now + self._seconds)
        return self.wake(now)

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        self._due = now
        yield from self.wake(now)
        yield end

    def wake(self, now: float) -> Iterator[Item]:
        if self._due > now:
            return
        data, self._gathered = bytes(self._gathered), bytearray()
        self._due, self.held = inf, 0
        if data:
            yield data


class Cut(Stage):
    """Lets no more bytes through, and of the sender's ends those that it ``passes``. It may make one itself.

    It may be ``eager`` behind so many bytes. At a frame it acts when that comes.
    """

    def __init__(
        self, spot: Spot, *, makes: StreamEnd | None = None, passes: Collection[StreamEnd] = (), eager: bool = True
    ) -> None:
        super().__init__(spot, eager=eager and isinstance(spot.at, int), begins=[makes] if makes else [])
        self._passes = passes

    def _bend(self, now: float, data: bytes) -> Iterator[Item]:
        yield from ()

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        if not self.acting or end in self._passes:
            yield end


@dataclass
class Quiet:
    """What the two ``Idle`` stages of a connection share: when the last byte of either stream came."""

    last: float = inf
    over: bool = False


class Idle(Stage):
    """Ends its stream with FIN when neither peer has sent a byte for ``seconds``."""

    def __init__(self, spot: Spot, seconds: float, quiet: Quiet) -> None:
        super().__init__(spot)
        self._seconds, self._quiet = seconds, quiet
        self._over = False

    @property
    def due(self) -> float:
        return inf if self._over else self._quiet.last + self._seconds

    def push(self, now: float, item: Item) -> Iterator[Item]:
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
        if self.due > now:
            return
        self._over = True
        if not self._quiet.over:
            self._quiet.over = True
            yield Acted(self.words)
        yield StreamEnd.FIN


class HeadChange(Stage):
    """Gathers an HTTP head and passes on what ``alter`` makes of it."""

    def __init__(self, spot: Spot, alter: Callable[[bytes], bytes]) -> None:
        super().__init__(spot)
        self._alter = alter
        self._gathered = bytearray()
        self._done = False

    def _take(self, now: float, data: bytes) -> Iterator[Item]:
        if self._done:
            yield data
            return
        searched = max(0, self.held - len(END_OF_HEAD))
        self._gathered += data
        self.held += len(data)
        end = self._gathered.find(END_OF_HEAD, searched)
        if end >= 0:
            end += len(END_OF_HEAD)
            head = bytes(self._gathered[:end])
            altered = self._alter(head)
            if altered != head:
                yield Acted(self.words)
            self._gathered[:end] = altered
        if end >= 0 or self.held > HEAD_LIMIT:  # what is so long is no head, or none that is changed
            yield from self._flush()

    def _flush(self) -> Iterator[Item]:
        if self._gathered:
            yield bytes(self._gathered)
        self._done, self._gathered, self.held = True, bytearray(), 0

    def _end(self, now: float, end: StreamEnd) -> Iterator[Item]:
        yield from self._flush()
        yield end


def with_header(head: bytes, name: str, value: str | None) -> bytes:
    """The head with ``value`` under that header's name, once; None takes all its lines out."""
    first, *lines = head.removesuffix(END_OF_HEAD).split(b"\r\n")
    values = [] if value is None else [value.encode("utf-8", "surrogateescape")]
    kept: list[bytes] = []
    for line in lines:
        given = line.partition(b":")[0]
        if given.strip().lower() != name.lower().encode():
            kept.append(line)
        elif values:
            kept.append(given + b": " + values.pop())
    kept += [name.encode() + b": " + each for each in values]
    return b"\r\n".join([first, *kept]) + END_OF_HEAD


class Flipping(Stage):
    """Turns some bits over; bit 0 is the highest bit of the first byte behind its place."""

    def __init__(self, spot: Spot, bits: Iterable[int]) -> None:
        super().__init__(spot)
        self._masks: dict[int, int] = {}
        for bit in bits:
            self._masks[bit // 8] = self._masks.get(bit // 8, 0) | 0b10000000 >> bit % 8
        self._behind = 0  # how many bytes behind its place have passed

    def _take(self, now: float, data: bytes) -> Iterator[Item]:
        before, behind = self.place.cut(data)
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
