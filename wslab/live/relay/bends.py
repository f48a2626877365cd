"""Bends: what a relay can do to the bytes between two peers, as small values that are put in a row.

A bend says what to do, to whose bytes, and from where on; ``stage`` makes the machine that does it (``machines.py``).
Bends compose by standing in a list: what one lets out, the next is given.
"""

from __future__ import annotations  # ``parse`` reads the types of arguments by their names

import random
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from math import inf
from typing import Any, ClassVar, Final, dataclass_transform

from ...anatomy.field import Sender
from ...anatomy.hex_text import parse_hex
from ...drawing.visible import count
from ...protocol.head import TOKEN
from .machines import Cut, Flipping, HeadChange, Idle, Joined, Queue, Quiet, with_header
from .stages import Gate, Row, Spot, Stage, StreamEnd

# Whose bytes a bend acts on, by its ``direction``.
SENDERS: Final = {"client": (Sender.CLIENT,), "server": (Sender.SERVER,), "both": tuple(Sender)}
SLICES: Final = 20  # pieces a second into which a bandwidth divides what it lets through
_FRAME: Final = re.compile(r"frames|frame[ :=]?(\d+)")
_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("seconds", "gap"), (lambda value: 0 <= value < inf, "a number of seconds, 0 or more")),
    "bytes_per_second": (lambda value: 0 < value < inf, "a number above 0"),
    **dict.fromkeys(("size", "largest"), (lambda value: value > 0, "a number of bytes, 1 or more")),
    "bits": (lambda value: value and min(value) >= 0, "numbers of bits, from 0"),
    "data": (lambda value: isinstance(value, bytes) and value != b"", "bytes, at least one"),
    "header": (lambda value: TOKEN.fullmatch(value) is not None, "a header's name, such as 'Upgrade'"),
    "value": (lambda value: not re.search("[\r\n\0]", value), "a header's value, in one line"),
}


def arguments(kind: type[Bend]) -> list[Field[Any]]:
    """What a bend is made of, in the order in which it is given."""
    return sorted((each for each in fields(kind) if each.init), key=lambda each: bool(each.kw_only))


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class _Value:
    """What derives from it is a frozen dataclass, and has a name."""

    name: ClassVar[str]  # what a terminal calls it: ``one-byte``

    def __init_subclass__(cls) -> None:
        cls.name = re.sub("(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()
        dataclass(frozen=True, repr=False)(cls)


class Bend(_Value):
    """One thing that a relay does to what passes. Bends are values: one object serves any number of connections.

    Args:
        direction: whose bytes it acts on: ``"client"``, ``"server"`` or ``"both"``.
        at: where in each of these streams it begins: behind so many bytes; at ``"frames"``, behind the opening
            handshake; or at ``"frame 2"``, where the frame of that index begins, once that comes. In a stream that
            never comes there it never acts.

    A value that cannot be raises ValueError. A bend that ``alters`` lets out other bytes than went in. What it ``says``
    is what the ladder says where it acted, with the bend's values in braces; where empty, its name.
    """

    direction: str = field(default="both", kw_only=True)
    at: int | str = field(default=0, kw_only=True)
    alters: ClassVar[bool] = False
    says: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.direction not in SENDERS:
            self._refuse("direction", "'client', 'server' or 'both'")
        frame = _FRAME.fullmatch(self.at) if isinstance(self.at, str) else None
        if frame is not None:
            object.__setattr__(self, "at", self.at if frame[1] is None else f"frame {int(frame[1])}")
        elif isinstance(self.at, str | bool) or self.at < 0:
            self._refuse("at", "a number of bytes, 'frames' for behind the opening handshake, or 'frame 0', 'frame 1'")
        for name, (allowed, wanted) in _ALLOWED.items():
            if hasattr(self, name) and not allowed(getattr(self, name)):
                self._refuse(name, wanted)

    def _refuse(self, name: str, wanted: str) -> None:
        raise ValueError(f"{type(self).__name__}({name}={getattr(self, name)!r}): {name} is {wanted}")

    @property
    def words(self) -> str:
        """What the ladder says where it acted: ``delay 0.2 s``."""
        return self.says.format_map(vars(self)) or self.name

    def stage(self, spot: Spot) -> Stage:
        """A new machine for one stream."""
        raise NotImplementedError

    def stages(self) -> dict[Sender, Stage]:
        """New machines for one connection, one for each stream that the bend acts on."""
        return {sender: self.stage(Spot(self.at, sender, self.words)) for sender in SENDERS[self.direction]}

    def __repr__(self) -> str:
        shown = [
            repr(value) if each.default is MISSING and not each.kw_only else f"{each.name}={value!r}"
            for each in arguments(type(self))
            if (value := getattr(self, each.name)) != each.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def _chance(seed: int, spot: Spot) -> random.Random:
    return random.Random(f"{seed} {spot.sender.label}")


class Delay(Bend):
    """Each chunk goes on ``seconds`` later."""

    says = "delay {seconds:g} s"
    seconds: float

    def stage(self, spot: Spot) -> Stage:
        return Queue(spot, lambda now, last, size: now + self.seconds)


class Jitter(Bend):
    """Each chunk goes on up to ``seconds`` later, by chance, and never before an earlier one: TCP keeps the order."""

    says = "jitter up to {seconds:g} s"
    seconds: float
    seed: int = 0

    def stage(self, spot: Spot) -> Stage:
        draw = _chance(self.seed, spot)
        return Queue(spot, lambda now, last, size: now + draw.random() * self.seconds)


class Bandwidth(Bend):
    """At most ``bytes_per_second`` go on."""

    says = "bandwidth {bytes_per_second:g} bytes/s"
    bytes_per_second: float

    def stage(self, spot: Spot) -> Stage:
        rate = self.bytes_per_second
        piece = max(1, int(rate / SLICES))
        return Queue(spot, lambda now, last, size: max(now, last) + size / rate, lambda left: piece)


class OneByte(Bend):
    """Every byte goes on by a write of its own.

    With ``gap=0`` the receiver's kernel may join bytes again before they are read; a gap of a millisecond or so, in
    seconds, has them read one by one.
    """

    says = "one byte at a time"
    gap: float = 0.0

    def stage(self, spot: Spot) -> Stage:
        return Queue(spot, lambda now, last, size: max(now, last + self.gap), lambda left: 1)


class Coalesced(Bend):
    """Chunks are joined: what came within ``seconds`` goes on at once, or as soon as it is ``size`` bytes long."""

    says = "coalesced within {seconds:g} s"
    seconds: float = 0.1
    size: int = 65536

    def stage(self, spot: Spot) -> Stage:
        return Joined(spot, self.seconds, self.size)


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
        draw, largest = _chance(self.seed, spot), self.largest
        return Queue(spot, lambda now, last, size: max(now, last + self.gap), lambda left: draw.randint(1, largest))


class Hold(Bend):
    """Chunks wait until somebody lets them go, one by one if one likes: ``relay.release(n)``."""

    says = "hold: chunks wait here"

    def stage(self, spot: Spot) -> Stage:
        return Gate(spot)


class DropRest(Bend):
    """Nothing more goes on, but the stream's end does."""

    def stage(self, spot: Spot) -> Stage:
        return Cut(spot, passes=tuple(StreamEnd), eager=False)


class Silence(Bend):
    """Nothing goes on any more, not even the stream's end: a half-open connection, as a pulled cable leaves it."""

    def stage(self, spot: Spot) -> Stage:
        return Cut(spot)


class Fin(Bend):
    """The stream ends (TCP FIN), and nothing more of it goes on. The other direction stays as it is."""

    says = "FIN"

    def stage(self, spot: Spot) -> Stage:
        return Cut(spot, makes=StreamEnd.FIN, passes=[StreamEnd.RESET])


class Reset(Bend):
    """Both peers' connections are torn down (TCP RST) when one of the streams comes to that place."""

    says = "RST"

    def stage(self, spot: Spot) -> Stage:
        return Cut(spot, makes=StreamEnd.RESET)


class IdleClose(Bend):
    """Both streams end (TCP FIN) when no byte came from either peer for ``seconds``, as proxies do it."""

    says = "idle for {seconds:g} s: closed"
    seconds: float
    direction: str = field(default="both", init=False)

    def stages(self) -> dict[Sender, Stage]:
        """Two machines that look at one clock."""
        quiet = Quiet()
        return {sender: Idle(Spot(self.at, sender, self.words), self.seconds, quiet) for sender in Sender}


class HeaderBend(Bend):
    """Something is done to the header lines of one name in the first head of a stream."""

    alters = True
    header: str
    direction: str = field(default="client", kw_only=True)
    at: int | str = field(default=0, init=False)

    def alter(self, head: bytes) -> bytes:
        """What goes on instead of ``head``."""
        return with_header(head, self.header, vars(self).get("value"))

    def stage(self, spot: Spot) -> Stage:
        return HeadChange(spot, self.alter)


class StripHeader(HeaderBend):
    """Every header line of that name is taken out of the request (or, with ``direction="server"``, the response)."""

    says = "strip header {header}"


class RewriteHeader(HeaderBend):
    """The header line of that name has that value in the request (or response); where it had none, it is added."""

    says = "rewrite header {header}"
    value: str


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
    kind.name: kind
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
    taken = arguments(kind)
    return ", ".join(each.name if each.default is MISSING else f"{each.name}={each.default}" for each in taken)
