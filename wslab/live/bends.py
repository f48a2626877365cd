"""Bends: what a relay can do to the bytes between two peers, as small objects that are put in a row.

Theory. A bend says what to do; a ``Stage`` does it to one stream of one connection. A stage is a machine without a
clock and without a socket: it is given items and the time, and yields items. An item is a run of ``bytes``, the end of
the stream (``End``), or an ``Acted``, by which a stage says that it did something just here. What a stage keeps back
it yields when it is woken, not before the time that ``due`` tells. The stages of a stream stand in a row, and what one
yields is given to the next, so bends compose by standing in a list.

Where a bend begins to act is a place in the stream that reaches it: after so many bytes, or where a frame begins. A
chunk that runs over that place is cut there. So a bend acts at the same byte however the bytes came.
"""

from __future__ import annotations

import itertools
import random
import re
import shlex
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from enum import Enum
from math import inf
from typing import Any, ClassVar, Final

from ..anatomy.field import Sender
from ..anatomy.visible import count
from ..protocol.dissector import HEAD_LIMIT, Dissector, Mode
from ..protocol.head import END as END_OF_HEAD
from ..protocol.head import TOKEN

SENDERS: Final = {"client": (Sender.CLIENT,), "server": (Sender.SERVER,), "both": tuple(Sender)}
"""Whose bytes a bend acts on, by its ``direction``."""
SLICES: Final = 20
"""Pieces a second into which a bandwidth divides what it lets through."""
_FRAME: Final = re.compile(r"frames|frame[ :=]?(\d+)")


class End(Enum):
    """How a stream ends."""

    FIN = "FIN"
    RESET = "RST"


class Acted(str):
    """What a bend did, in words; it stands in the stream where it was done."""


Item = bytes | End | Acted


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

    def __init__(self, bend: Bend, sender: Sender) -> None:
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
            yield from self.end(now, item) if isinstance(item, End) else self.pass_word(now, item)
            return
        before, behind = self.place.cut(item)
        if before:
            yield before
        if not self.acting and (behind or (self.eager and self.place.reached)):
            self.acting = True
            yield Acted(self.words)
            yield from self.begin(now)
        if behind:
            yield from self.bend(now, behind)

    def wake(self, now: float) -> Iterator[Item]:
        """Yield what was due by now."""
        yield from ()

    def begin(self, now: float) -> Iterator[Item]:
        """It begins to act."""
        yield from ()

    def bend(self, now: float, data: bytes) -> Iterator[Item]:
        """Some bytes behind its place came."""
        yield data

    def end(self, now: float, end: End) -> Iterator[Item]:
        """The stream ended."""
        yield end

    def pass_word(self, now: float, word: Acted) -> Iterator[Item]:
        """Another bend acted before this one in the row."""
        yield word


class _Queue(Stage):
    """Keeps items in order, each until its time."""

    def __init__(self, bend: Bend, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._waiting: deque[tuple[float, Item]] = deque()
        self._held = 0
        self._last = -inf

    def leaves(self, now: float, size: int) -> float:
        """When something that came now and is that long may go on; never before what came earlier."""
        return now

    def put(self, leaves: float, item: Item) -> None:
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

    def bend(self, now: float, data: bytes) -> Iterator[Item]:
        """Wait for its time."""
        self.put(self.leaves(now, len(data)), data)
        yield from self.wake(now)

    def end(self, now: float, end: End) -> Iterator[Item]:
        """The end waits behind the bytes, and as long as they."""
        if self.acting:
            self.put(self.leaves(now, 0), end)
            yield from self.wake(now)
        else:
            yield end

    def pass_word(self, now: float, word: Acted) -> Iterator[Item]:
        """Words stay where they were said."""
        self.put(now, word)
        yield from self.wake(now)

    def wake(self, now: float) -> Iterator[Item]:
        """Yield what was due by now."""
        while self._waiting and self._waiting[0][0] <= now:
            item = self._waiting.popleft()[1]
            self._held -= len(item) if isinstance(item, bytes) else 0
            yield item


class _Pieces(_Queue):
    """Cuts what comes, and lets ``gap`` seconds pass between two pieces."""

    gap = 0.0

    def sizes(self, data: bytes) -> Iterator[int]:
        """How long the next pieces are; more of them than anybody needs."""
        raise NotImplementedError

    def bend(self, now: float, data: bytes) -> Iterator[Item]:
        """Cut it, and have the pieces wait for each other."""
        start, sizes = 0, self.sizes(data)
        while start < len(data):
            piece = data[start : start + next(sizes)]
            start += len(piece)
            self.put(self.leaves(now, len(piece)), piece)
        yield from self.wake(now)

    def leaves(self, now: float, size: int) -> float:
        """A gap after the last piece."""
        return max(now, self._last + self.gap)


class _Delay(_Queue):
    def __init__(self, bend: Delay, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._seconds = bend.seconds

    def leaves(self, now: float, size: int) -> float:
        return now + self._seconds


class _Jitter(_Queue):
    def __init__(self, bend: Jitter, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._seconds, self._draw = bend.seconds, _chance(bend.seed, sender)

    def leaves(self, now: float, size: int) -> float:
        return now + self._draw.random() * self._seconds


class _Bandwidth(_Pieces):
    def __init__(self, bend: Bandwidth, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._rate = bend.bytes_per_second

    def sizes(self, data: bytes) -> Iterator[int]:
        return itertools.repeat(max(1, int(self._rate / SLICES)))

    def leaves(self, now: float, size: int) -> float:
        return max(now, self._last) + size / self._rate


class _OneByte(_Pieces):
    def __init__(self, bend: OneByte, sender: Sender) -> None:
        super().__init__(bend, sender)
        self.gap = bend.gap

    def sizes(self, data: bytes) -> Iterator[int]:
        return itertools.repeat(1)


class _RandomChunks(_Pieces):
    def __init__(self, bend: RandomChunks, sender: Sender) -> None:
        super().__init__(bend, sender)
        self.gap = bend.gap
        self._largest, self._draw = bend.largest, _chance(bend.seed, sender)

    def sizes(self, data: bytes) -> Iterator[int]:
        return iter(lambda: self._draw.randint(1, self._largest), 0)


class _Coalesced(Stage):
    def __init__(self, bend: Coalesced, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._seconds, self._size = bend.seconds, bend.size
        self._gathered = bytearray()
        self._due = inf

    @property
    def held(self) -> int:
        return len(self._gathered)

    @property
    def due(self) -> float:
        return self._due

    def bend(self, now: float, data: bytes) -> Iterator[Item]:
        self._gathered += data
        self._due = min(self._due, now + self._seconds)
        if len(self._gathered) >= self._size or self._due <= now:
            yield from self._flush()

    def wake(self, now: float) -> Iterator[Item]:
        if self._due <= now:
            yield from self._flush()

    def end(self, now: float, end: End) -> Iterator[Item]:
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

    def __init__(self, bend: Bend, sender: Sender, *, shut: bool = True) -> None:
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

    def bend(self, now: float, data: bytes) -> Iterator[Item]:
        """Wait."""
        self.waiting.append((next(_arrivals), data))
        yield from ()

    def end(self, now: float, end: End) -> Iterator[Item]:
        """The end waits behind the bytes; it counts as a chunk."""
        if self.place.reached:
            self.waiting.append((next(_arrivals), end))
        else:
            yield end

    def pass_word(self, now: float, word: Acted) -> Iterator[Item]:
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


class _DropRest(Stage):
    def bend(self, now: float, data: bytes) -> Iterator[Item]:
        yield from ()


class _Cut(_DropRest):
    """Acts behind so many bytes at once, and at a frame when that comes."""

    def __init__(self, bend: Bend, sender: Sender) -> None:
        super().__init__(bend, sender)
        self.eager = isinstance(bend.at, int)


class _Silence(_Cut):
    def end(self, now: float, end: End) -> Iterator[Item]:
        if not self.acting:
            yield end


class _Fin(_Cut):
    def begin(self, now: float) -> Iterator[Item]:
        yield End.FIN

    def end(self, now: float, end: End) -> Iterator[Item]:
        if not self.acting or end is End.RESET:
            yield end


class _Reset(_Silence):
    def begin(self, now: float) -> Iterator[Item]:
        yield End.RESET


class _Quiet:
    """What the two streams of a connection that is closed when idle have in common."""

    def __init__(self) -> None:
        self.last = inf
        self.over = False


class _Idle(Stage):
    eager = True

    def __init__(self, bend: IdleClose, sender: Sender, quiet: _Quiet) -> None:
        super().__init__(bend, sender)
        self._seconds, self._quiet = bend.seconds, quiet
        self._over = False

    @property
    def due(self) -> float:
        return inf if self._over else self._quiet.last + self._seconds

    def push(self, now: float, item: Item) -> Iterator[Item]:
        if isinstance(item, bytes):
            self.place.cut(item)
            if self.place.reached:
                self._quiet.last = now
        if self._over and item is not End.RESET:
            return
        self._over = isinstance(item, End)
        if item:
            yield item

    def wake(self, now: float) -> Iterator[Item]:
        if self.due <= now:
            self._over = True
            if not self._quiet.over:
                self._quiet.over = True
                yield Acted(self.words)
            yield End.FIN


class _Head(Stage):
    """Gathers an HTTP head and lets ``alter`` change it."""

    def __init__(self, bend: StripHeader | RewriteHeader, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._alter: Callable[[bytes], bytes] = bend.alter
        self._gathered: bytearray | None = bytearray()

    @property
    def held(self) -> int:
        return len(self._gathered or b"")

    def push(self, now: float, item: Item) -> Iterator[Item]:
        gathered = self._gathered
        if gathered is None:
            yield item
            return
        if isinstance(item, End):
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


class _FlipBits(Stage):
    def __init__(self, bend: FlipBits, sender: Sender) -> None:
        super().__init__(bend, sender)
        self._masks: dict[int, int] = {}
        for bit in bend.bits:
            self._masks[bit // 8] = self._masks.get(bit // 8, 0) | 0b10000000 >> bit % 8
        self._behind = 0

    def push(self, now: float, item: Item) -> Iterator[Item]:
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


class _Inject(Stage):
    def __init__(self, bend: Inject, sender: Sender) -> None:
        super().__init__(bend, sender)
        # Behind its request a client waits for the response, and so does what is put in there.
        self.eager = sender is Sender.SERVER or bend.at not in ("frames", "frame 0")
        self._data = bend.data

    def begin(self, now: float) -> Iterator[Item]:
        yield self._data


def _chance(seed: int, sender: Sender) -> random.Random:
    return random.Random(f"{seed} {sender.label}")


@dataclass(frozen=True, repr=False, kw_only=True)
class Bend:
    """One thing that a relay does to what passes. Bends are values: one object serves any number of connections.

    Args:
        direction: whose bytes it acts on: ``"client"``, ``"server"`` or ``"both"``.
        at: where in each of these streams it begins: behind so many bytes; at ``"frames"``, behind the opening
            handshake; or at ``"frame 2"``, where the frame of that index begins, once that comes. In a stream that
            never comes there it never acts.

    Raises:
        ValueError: a value that cannot be; the message says which can.
    """

    direction: str = "both"
    at: int | str = 0

    alters: ClassVar[bool] = False
    """Whether the bytes that come out are others than those that went in."""
    stage: ClassVar[Callable[..., Stage]]

    def __post_init__(self) -> None:
        if self.direction not in SENDERS:
            self._refuse("direction", "'client', 'server' or 'both'")
        at = self.at
        frame = _FRAME.fullmatch(at) if isinstance(at, str) else None
        if frame is not None:
            object.__setattr__(self, "at", at if frame[1] is None else f"frame {int(frame[1])}")
        elif isinstance(at, str | bool) or at < 0:
            self._refuse("at", "a number of bytes, 'frames' for behind the opening handshake, or 'frame 0', 'frame 1'")
        for name, (allowed, wanted) in _ALLOWED.items():
            if name in self._values and not allowed(self._values[name]):
                self._refuse(name, wanted)

    @property
    def _values(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in _arguments(type(self))}

    def _refuse(self, name: str, wanted: str) -> None:
        raise ValueError(f"{type(self).__name__}({name}={getattr(self, name)!r}): {name} is {wanted}")

    @property
    def name(self) -> str:
        """What a terminal calls it: ``one-byte``."""
        return _spelt(type(self))

    @property
    def words(self) -> str:
        """What the ladder says where it acted."""
        return self.name

    def stages(self) -> dict[Sender, Stage]:
        """A new connection's stages, for each stream that it acts on."""
        return {sender: type(self).stage(self, sender) for sender in SENDERS[self.direction]}

    def __repr__(self) -> str:
        shown = []
        for each in _arguments(type(self)):
            value = getattr(self, each.name)
            if value != each.default:
                bare = each.default is MISSING and not each.kw_only
                shown.append(repr(value) if bare else f"{each.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _arguments(kind: type[Bend]) -> list[Field[Any]]:
    """What a bend is made of, in the order in which it is given."""
    return sorted((each for each in fields(kind) if each.init), key=lambda each: bool(each.kw_only))


_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "seconds": (lambda value: 0 <= value < inf, "a number of seconds, 0 or more"),
    "gap": (lambda value: 0 <= value < inf, "a number of seconds, 0 or more"),
    "bytes_per_second": (lambda value: 0 < value < inf, "a number above 0"),
    "size": (lambda value: value > 0, "a number of bytes, 1 or more"),
    "largest": (lambda value: value > 0, "a number of bytes, 1 or more"),
    "bits": (lambda value: value and min(value) >= 0, "numbers of bits, from 0"),
    "data": (lambda value: isinstance(value, bytes) and value != b"", "bytes, at least one"),
    "header": (lambda value: TOKEN.fullmatch(value) is not None, "a header's name, such as 'Upgrade'"),
    "value": (lambda value: not re.search("[\r\n\0]", value), "a header's value, in one line"),
}


@dataclass(frozen=True, repr=False)
class Delay(Bend):
    """Each chunk goes on ``seconds`` later."""

    stage = _Delay
    seconds: float

    @property
    def words(self) -> str:
        """``delay 0.2 s``."""
        return f"delay {self.seconds:g} s"


@dataclass(frozen=True, repr=False)
class Jitter(Bend):
    """Each chunk goes on up to ``seconds`` later, by chance, and never before an earlier one: TCP keeps the order."""

    stage = _Jitter
    seconds: float
    seed: int = 0

    @property
    def words(self) -> str:
        """``jitter up to 0.2 s``."""
        return f"jitter up to {self.seconds:g} s"


@dataclass(frozen=True, repr=False)
class Bandwidth(Bend):
    """At most ``bytes_per_second`` go on."""

    stage = _Bandwidth
    bytes_per_second: float

    @property
    def words(self) -> str:
        """``bandwidth 1000 bytes/s``."""
        return f"bandwidth {self.bytes_per_second:g} bytes/s"


@dataclass(frozen=True, repr=False)
class OneByte(Bend):
    """Every byte goes on by a write of its own.

    With ``gap=0`` the receiver's kernel may join bytes again before they are read; a gap of a millisecond or so, in
    seconds, has them read one by one.
    """

    stage = _OneByte
    gap: float = 0.0

    @property
    def words(self) -> str:
        """``one byte at a time``."""
        return "one byte at a time"


@dataclass(frozen=True, repr=False)
class Coalesced(Bend):
    """Chunks are joined: what came within ``seconds`` goes on at once, or as soon as it is ``size`` bytes long."""

    stage = _Coalesced
    seconds: float = 0.1
    size: int = 65536

    @property
    def words(self) -> str:
        """``coalesced within 0.1 s``."""
        return f"coalesced within {self.seconds:g} s"


@dataclass(frozen=True, repr=False)
class RandomChunks(Bend):
    """Chunks are cut by chance into pieces of 1 to ``largest`` bytes, the same ones for the same ``seed``.

    ``gap`` is as for ``OneByte``.
    """

    stage = _RandomChunks
    seed: int = 0
    largest: int = 16
    gap: float = 0.0

    @property
    def words(self) -> str:
        """``random chunks up to 16 bytes``."""
        return f"random chunks up to {count(self.largest, 'byte')}"


@dataclass(frozen=True, repr=False)
class Hold(Bend):
    """Chunks wait until ``relay.release(n)`` lets them go, one by one if one likes."""

    stage = Gate

    @property
    def words(self) -> str:
        """``hold: chunks wait here``."""
        return "hold: chunks wait here"


@dataclass(frozen=True, repr=False)
class DropRest(Bend):
    """Nothing more goes on, but the stream's end does."""

    stage = _DropRest


@dataclass(frozen=True, repr=False)
class Silence(Bend):
    """Nothing goes on any more, not even the stream's end: a half-open connection, as a pulled cable leaves it."""

    stage = _Silence


@dataclass(frozen=True, repr=False)
class Fin(Bend):
    """The stream ends (TCP FIN), and nothing more of it goes on. The other direction stays as it is."""

    stage = _Fin

    @property
    def words(self) -> str:
        """``FIN``."""
        return "FIN"


@dataclass(frozen=True, repr=False)
class Reset(Bend):
    """Both peers' connections are torn down (TCP RST) when one of the streams comes to that place."""

    stage = _Reset

    @property
    def words(self) -> str:
        """``RST``."""
        return "RST"


@dataclass(frozen=True, repr=False)
class IdleClose(Bend):
    """Both streams end (TCP FIN) when no byte came from either peer for ``seconds``, as proxies do it."""

    seconds: float
    direction: str = field(default="both", init=False)

    @property
    def words(self) -> str:
        """``idle for 60 s: closed``."""
        return f"idle for {self.seconds:g} s: closed"

    def stages(self) -> dict[Sender, Stage]:
        """Two stages that look at one clock."""
        quiet = _Quiet()
        return {sender: _Idle(self, sender, quiet) for sender in Sender}


@dataclass(frozen=True, repr=False)
class StripHeader(Bend):
    """Every header line of that name is taken out of the request (or, with ``direction="server"``, the response)."""

    alters = True
    stage = _Head
    header: str
    direction: str = field(default="client", kw_only=True)
    at: int | str = field(default=0, init=False)

    @property
    def words(self) -> str:
        """``strip header Upgrade``."""
        return f"strip header {self.header}"

    def alter(self, head: bytes) -> bytes:
        """The head without these lines."""
        return _with_lines(head, self.header, None)


@dataclass(frozen=True, repr=False)
class RewriteHeader(Bend):
    """The header line of that name has that value in the request (or response); where it had none, it is added."""

    alters = True
    stage = _Head
    header: str
    value: str
    direction: str = field(default="client", kw_only=True)
    at: int | str = field(default=0, init=False)

    @property
    def words(self) -> str:
        """``rewrite header Host``."""
        return f"rewrite header {self.header}"

    def alter(self, head: bytes) -> bytes:
        """The head with this one line."""
        return _with_lines(head, self.header, self.value.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, repr=False)
class FlipBits(Bend):
    """Bits are turned over: bit 0 is the highest bit of the first byte behind the place ``at``, as the RFC counts."""

    alters = True
    stage = _FlipBits
    bits: tuple[int, ...]
    direction: str = field(default="client", kw_only=True)
    at: int | str = field(default="frames", kw_only=True)

    def __init__(self, *bits: int, direction: str = "client", at: int | str = "frames") -> None:
        for name, value in (("bits", bits), ("direction", direction), ("at", at)):
            object.__setattr__(self, name, value)
        self.__post_init__()

    @property
    def words(self) -> str:
        """``flip bit 0``."""
        return f"flip {'bit' if len(self.bits) == 1 else 'bits'} {', '.join(map(str, self.bits))}"

    def __repr__(self) -> str:
        return f"FlipBits({', '.join(map(str, self.bits))}, direction={self.direction!r}, at={self.at!r})"


@dataclass(frozen=True, repr=False)
class Inject(Bend):
    """Bytes that no peer sent are put in."""

    alters = True
    stage = _Inject
    data: bytes
    direction: str = field(default="client", kw_only=True)
    at: int | str = field(default="frames", kw_only=True)

    @property
    def words(self) -> str:
        """``inject 2 bytes``."""
        return f"inject {count(len(self.data), 'byte')}"


def _with_lines(head: bytes, name: str, value: bytes | None) -> bytes:
    """The head with that value under that name, or without that name."""
    first, *lines = head.removesuffix(END_OF_HEAD).split(b"\r\n")
    kept: list[bytes] = []
    for line in lines:
        given = line.partition(b":")[0]
        if given.strip().lower() != name.lower().encode():
            kept.append(line)
        elif value is not None:
            kept.append(given + b": " + value)
            value = None
    if value is not None:
        kept.append(name.encode() + b": " + value)
    return b"\r\n".join([first, *kept]) + END_OF_HEAD


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


def rows(bends: Iterable[Bend]) -> dict[Sender, Row]:
    """A new connection's stages. At the end of each row stands an open gate, which a relay can shut."""
    stages: dict[Sender, list[Stage]] = {sender: [] for sender in Sender}
    for bend in bends:
        for sender, stage in bend.stages().items():
            stages[sender].append(stage)
    return {sender: Row([*row, Gate(_BY_HAND, sender, shut=False)]) for sender, row in stages.items()}


_BY_HAND: Final = Hold()


def _spelt(kind: type[Bend]) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()


KINDS: Final[Mapping[str, type[Bend]]] = {
    _spelt(kind): kind
    for kind in (
        Delay, Jitter, Bandwidth, OneByte, Coalesced, RandomChunks, Hold, DropRest, Silence, Fin, Reset, IdleClose,
        StripHeader, RewriteHeader, FlipBits, Inject,
    )
}  # fmt: skip
"""Every bend, by what a terminal calls it."""

_READ: dict[str, Callable[[str], Any]] = {
    "seconds": float,
    "gap": float,
    "bytes_per_second": float,
    "seed": int,
    "size": int,
    "largest": int,
    "data": bytes.fromhex,
    "at": lambda text: int(text) if text.isdecimal() else text,
}
"""How a terminal's word becomes an argument; others are text."""


def parse(text: str) -> Bend:
    """The bend that a terminal's words tell of: ``delay 0.2``, ``rewrite-header Host example.com``.

    Args:
        text: a name, then arguments in order or as ``name=value``, quoted as for a shell where they have spaces:
            ``inject 8900 direction=server at='frame 2'``. Bytes are hex.

    Raises:
        ValueError: there is no such bend, or it cannot have these arguments; the message says what there is.
    """
    name, *words = shlex.split(text) or [""]
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"{name!r} is no bend; there is {', '.join(KINDS)}")
    known = {each.name: each for each in _arguments(kind)}
    places = [each for each in known if not known[each].kw_only]
    given: dict[str, Any] = {}
    positional: list[Any] = []
    try:
        for word in words:
            key, equals, value = word.partition("=")
            if equals and key in known:
                given[key] = _READ.get(key, str)(value)
            elif kind is FlipBits:
                positional.append(int(word))
            elif len(positional) < len(places):
                positional.append(_READ.get(places[len(positional)], str)(word))
            else:
                raise ValueError(f"{word!r} is one too many")
        return kind(*positional, **given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{text!r}: {error}. {name} takes {_usage(kind)}") from None


def _usage(kind: type[Bend]) -> str:
    return ", ".join(
        each.name if each.default is MISSING else f"{each.name}={each.default}" for each in _arguments(kind)
    )
