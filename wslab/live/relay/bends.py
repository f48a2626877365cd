"""Bends: what a relay can do to the bytes between two peers, as small values that are put in a row.

A bend says what to do, to whose bytes, and from where on; ``stage`` makes the machine that does it (``machines.py``).
Bends compose by standing in a list: what one lets out, the next is given.
"""

from __future__ import annotations  # ``parse`` reads the types of arguments by their names

import random
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Final

from ...anatomy.field import Sender
from ...anatomy.hex_text import parse_hex
from ...drawing.visible import count
from .bend import SENDERS as SENDERS
from .bend import Bend as Bend
from .bend import arguments, spelt
from .machines import Cut, Flipping, HeadChange, Idle, Joined, Queue, Quiet, with_header
from .stages import Gate, Row, Spot, Stage, StreamEnd

SLICES: Final = 20  # pieces a second into which a bandwidth divides what it lets through


def _chance(seed: int, spot: Spot) -> random.Random:
    return random.Random(f"{seed} {spot.sender.label}")


@dataclass(frozen=True, repr=False)
class Delay(Bend):
    """Each chunk goes on ``seconds`` later."""

    says = "delay {seconds:g} s"
    seconds: float

    def stage(self, spot: Spot) -> Stage:
        return Queue(spot, lambda now, last, size: now + self.seconds)


@dataclass(frozen=True, repr=False)
class Jitter(Bend):
    """Each chunk goes on up to ``seconds`` later, by chance, and never before an earlier one: TCP keeps the order."""

    says = "jitter up to {seconds:g} s"
    seconds: float
    seed: int = 0

    def stage(self, spot: Spot) -> Stage:
        draw = _chance(self.seed, spot)
        return Queue(spot, lambda now, last, size: now + draw.random() * self.seconds)


@dataclass(frozen=True, repr=False)
class Bandwidth(Bend):
    """At most ``bytes_per_second`` go on."""

    says = "bandwidth {bytes_per_second:g} bytes/s"
    bytes_per_second: float

    def stage(self, spot: Spot) -> Stage:
        rate = self.bytes_per_second
        piece = max(1, int(rate / SLICES))
        return Queue(spot, lambda now, last, size: max(now, last) + size / rate, lambda left: piece)


@dataclass(frozen=True, repr=False)
class OneByte(Bend):
    """Every byte goes on by a write of its own.

    With ``gap=0`` the receiver's kernel may join bytes again before they are read; a gap of a millisecond or so, in
    seconds, has them read one by one.
    """

    says = "one byte at a time"
    gap: float = 0.0

    def stage(self, spot: Spot) -> Stage:
        return Queue(spot, lambda now, last, size: max(now, last + self.gap), lambda left: 1)


@dataclass(frozen=True, repr=False)
class Coalesced(Bend):
    """Chunks are joined: what came within ``seconds`` goes on at once, or as soon as it is ``size`` bytes long."""

    says = "coalesced within {seconds:g} s"
    seconds: float = 0.1
    size: int = 65536

    def stage(self, spot: Spot) -> Stage:
        return Joined(spot, self.seconds, self.size)


@dataclass(frozen=True, repr=False)
class RandomChunks(Bend):
    """Chunks are cut by chance into pieces of 1 to ``largest`` bytes, the same ones for the same ``seed``.

    ``gap`` is as for ``OneByte``.
    """

    seed: int = 0
    largest: int = 16
    gap: float = 0.0

    @property
    def words(self) -> str:
        return f"random chunks up to {count(self.largest, 'byte')}"

    def stage(self, spot: Spot) -> Stage:
        draw = _chance(self.seed, spot)
        return Queue(
            spot, lambda now, last, size: max(now, last + self.gap), lambda left: draw.randint(1, self.largest)
        )


@dataclass(frozen=True, repr=False)
class Hold(Bend):
    """Chunks wait until somebody lets them go, one by one if one likes: ``relay.release(n)``."""

    says = "hold: chunks wait here"

    def stage(self, spot: Spot) -> Stage:
        return Gate(spot)


@dataclass(frozen=True, repr=False)
class DropRest(Bend):
    """Nothing more goes on, but the stream's end does."""

    def stage(self, spot: Spot) -> Stage:
        return Cut(spot, passes=tuple(StreamEnd), eager=False)


@dataclass(frozen=True, repr=False)
class Silence(Bend):
    """Nothing goes on any more, not even the stream's end: a half-open connection, as a pulled cable leaves it."""

    def stage(self, spot: Spot) -> Stage:
        return Cut(spot)


@dataclass(frozen=True, repr=False)
class Fin(Bend):
    """The stream ends (TCP FIN), and nothing more of it goes on. The other direction stays as it is."""

    says = "FIN"

    def stage(self, spot: Spot) -> Stage:
        return Cut(spot, makes=StreamEnd.FIN, passes=[StreamEnd.RESET])


@dataclass(frozen=True, repr=False)
class Reset(Bend):
    """Both peers' connections are torn down (TCP RST) when one of the streams comes to that place."""

    says = "RST"

    def stage(self, spot: Spot) -> Stage:
        return Cut(spot, makes=StreamEnd.RESET)


@dataclass(frozen=True, repr=False)
class IdleClose(Bend):
    """Both streams end (TCP FIN) when no byte came from either peer for ``seconds``, as proxies do it."""

    says = "idle for {seconds:g} s: closed"
    seconds: float
    direction: str = field(default="both", init=False)

    def stages(self) -> dict[Sender, Stage]:
        """Two machines that look at one clock."""
        quiet = Quiet()
        return {sender: Idle(Spot(self.at, sender, self.words), self.seconds, quiet) for sender in Sender}


@dataclass(frozen=True, repr=False)
class HeaderBend(Bend):
    """Something is done to the header lines of one name in the first head of a stream."""

    alters = True
    header: str
    direction: str = field(default="client", kw_only=True)
    at: int | str = field(default=0, init=False)

    def alter(self, head: bytes) -> bytes:
        """What goes on instead of ``head``."""
        raise NotImplementedError

    def stage(self, spot: Spot) -> Stage:
        return HeadChange(spot, self.alter)


@dataclass(frozen=True, repr=False)
class StripHeader(HeaderBend):
    """Every header line of that name is taken out of the request (or, with ``direction="server"``, the response)."""

    says = "strip header {header}"

    def alter(self, head: bytes) -> bytes:
        return with_header(head, self.header, None)


@dataclass(frozen=True, repr=False)
class RewriteHeader(HeaderBend):
    """The header line of that name has that value in the request (or response); where it had none, it is added."""

    says = "rewrite header {header}"
    value: str

    def alter(self, head: bytes) -> bytes:
        return with_header(head, self.header, self.value.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, repr=False)
class FlipBits(Bend):
    """Bits are turned over: bit 0 is the highest bit of the first byte behind the place ``at``, as the RFC counts."""

    alters = True
    bits: tuple[int, ...]
    direction: str = field(default="client", kw_only=True)
    at: int | str = field(default="frames", kw_only=True)

    def __init__(self, *bits: int, direction: str = "client", at: int | str = "frames") -> None:
        object.__setattr__(self, "bits", bits)
        super().__init__(direction=direction, at=at)

    @property
    def words(self) -> str:
        return f"flip {'bit' if len(self.bits) == 1 else 'bits'} {', '.join(map(str, self.bits))}"

    def stage(self, spot: Spot) -> Stage:
        return Flipping(spot, self.bits)

    def __repr__(self) -> str:
        return f"FlipBits({', '.join(map(str, self.bits))}, direction={self.direction!r}, at={self.at!r})"


@dataclass(frozen=True, repr=False)
class Inject(Bend):
    """Bytes that no peer sent are put in."""

    alters = True
    data: bytes
    direction: str = field(default="client", kw_only=True)
    at: int | str = field(default="frames", kw_only=True)

    @property
    def words(self) -> str:
        return f"inject {count(len(self.data), 'byte')}"

    def stage(self, spot: Spot) -> Stage:
        # After its request a client waits for the response, and so does what is put in there.
        eager = spot.sender is Sender.SERVER or spot.at not in ("frames", "frame 0")
        return Stage(spot, eager=eager, begins=[self.data])


def check(bends: Iterable[Bend], *, opaque: bool) -> None:
    """Raise TypeError for what is no bend, and ValueError for what cannot act on ciphertext, if that is ``opaque``."""
    for bend in bends:
        if not isinstance(bend, Bend):
            raise TypeError(
                f"bends=[{bend!r}]: expected bends such as wslab.live.relay.bends.Delay(0.2); "
                "for a terminal's words there is wslab.live.relay.bends.parse"
            )
        if opaque and (isinstance(bend, HeaderBend) or isinstance(bend.at, str)):
            raise ValueError(
                f"bends=[{bend!r}] with tls='through': neither headers nor frames can be found in ciphertext; "
                "say behind how many bytes it acts, such as at=5000"
            )


def rows(bends: Iterable[Bend]) -> dict[Sender, Row]:
    """New rows for one connection. At the end of each stands an open gate, which a relay can shut."""
    made: dict[Sender, list[Stage]] = {sender: [] for sender in Sender}
    for bend in bends:
        for sender, stage in bend.stages().items():
            made[sender].append(stage)
    return {sender: Row([*row, Gate(Spot(0, sender, Hold.says), shut=False)]) for sender, row in made.items()}


# Every bend, by what a terminal calls it.
KINDS: Final[Mapping[str, type[Bend]]] = {
    spelt(kind): kind
    for kind in (
        Delay, Jitter, Bandwidth, OneByte, Coalesced, RandomChunks, Hold, DropRest, Silence, Fin, Reset, IdleClose,
        StripHeader, RewriteHeader, FlipBits, Inject,
    )
}  # fmt: skip

# How a terminal's word becomes an argument of that type; others are text.
_READ: dict[Any, Callable[[str], Any]] = {
    "float": float,
    "int": int,
    "bytes": parse_hex,
    "int | str": lambda text: int(text) if text.isdecimal() else text,
}


def parse(text: str) -> Bend:
    """The bend that a terminal's words tell of: ``delay 0.2``, ``rewrite-header Host example.com``.

    A name, then arguments in order or as ``name=value``, quoted as for a shell where they have spaces: ``inject 8900
    direction=server at='frame 2'``. Bytes are hex. Raises ValueError, which says what there is, for anything else.
    """
    name, *words = shlex.split(text) or [""]
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"{name!r} is no bend; there is {', '.join(KINDS)}")
    known = {each.name: each for each in arguments(kind)}
    places = [each for each in known.values() if not each.kw_only]
    given: dict[str, Any] = {}
    positional: list[Any] = []
    try:
        for word in words:
            key, equals, value = word.partition("=")
            if equals and key in known:
                given[key] = _READ.get(known[key].type, str)(value)
            elif kind is FlipBits:
                positional.append(int(word))
            elif places:
                positional.append(_READ.get(places.pop(0).type, str)(word))
            else:
                raise ValueError(f"{word!r} is one too many")
        return kind(*positional, **given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{text!r}: {error}. {name} takes {_usage(kind)}") from None


def usage() -> str:
    """Every bend, a line each, with what it takes and what it does."""
    text = "A bend is a name and its arguments, in order or as name=value: 'delay 0.2 at=\"frame 2\"'. Bytes are hex.\n"
    for name, kind in KINDS.items():
        text += f"\n{name}  {_usage(kind)}\n    {(kind.__doc__ or '').partition('.')[0].replace('``', '')}."
    return text


def _usage(kind: type[Bend]) -> str:
    return ", ".join(
        each.name if each.default is MISSING else f"{each.name}={each.default}" for each in arguments(kind)
    )
