"""Bends: what a relay can do to the bytes between two peers, as small values that are put in a row.

A bend says what to do, to whose bytes, and from where on. ``wslab.live.relay.stages`` does it. Bends compose by
standing in a list: what one lets out is what the next one is given.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from math import inf
from typing import Any, ClassVar, Final

from ...anatomy.field import Sender
from ...drawing.visible import count
from ...protocol.head import END as END_OF_HEAD
from ...protocol.head import TOKEN
from . import stages
from .stages import Row, Stage

SENDERS: Final = {"client": (Sender.CLIENT,), "server": (Sender.SERVER,), "both": tuple(Sender)}
"""Whose bytes a bend acts on, by its ``direction``."""
_FRAME: Final = re.compile(r"frames|frame[ :=]?(\d+)")


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

    stage = stages.Late
    seconds: float

    @property
    def words(self) -> str:
        """``delay 0.2 s``."""
        return f"delay {self.seconds:g} s"


@dataclass(frozen=True, repr=False)
class Jitter(Bend):
    """Each chunk goes on up to ``seconds`` later, by chance, and never before an earlier one: TCP keeps the order."""

    stage = stages.Jittery
    seconds: float
    seed: int = 0

    @property
    def words(self) -> str:
        """``jitter up to 0.2 s``."""
        return f"jitter up to {self.seconds:g} s"


@dataclass(frozen=True, repr=False)
class Bandwidth(Bend):
    """At most ``bytes_per_second`` go on."""

    stage = stages.Narrow
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

    stage = stages.Bytewise
    gap: float = 0.0

    @property
    def words(self) -> str:
        """``one byte at a time``."""
        return "one byte at a time"


@dataclass(frozen=True, repr=False)
class Coalesced(Bend):
    """Chunks are joined: what came within ``seconds`` goes on at once, or as soon as it is ``size`` bytes long."""

    stage = stages.Joined
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

    stage = stages.Torn
    seed: int = 0
    largest: int = 16
    gap: float = 0.0

    @property
    def words(self) -> str:
        """``random chunks up to 16 bytes``."""
        return f"random chunks up to {count(self.largest, 'byte')}"


@dataclass(frozen=True, repr=False)
class Hold(Bend):
    """Chunks wait until somebody lets them go, one by one if one likes: ``relay.release(n)``."""

    stage = stages.Gate

    @property
    def words(self) -> str:
        """``hold: chunks wait here``."""
        return "hold: chunks wait here"


@dataclass(frozen=True, repr=False)
class DropRest(Bend):
    """Nothing more goes on, but the stream's end does."""

    stage = stages.Dropping


@dataclass(frozen=True, repr=False)
class Silence(Bend):
    """Nothing goes on any more, not even the stream's end: a half-open connection, as a pulled cable leaves it."""

    stage = stages.Silent


@dataclass(frozen=True, repr=False)
class Fin(Bend):
    """The stream ends (TCP FIN), and nothing more of it goes on. The other direction stays as it is."""

    stage = stages.Finishing

    @property
    def words(self) -> str:
        """``FIN``."""
        return "FIN"


@dataclass(frozen=True, repr=False)
class Reset(Bend):
    """Both peers' connections are torn down (TCP RST) when one of the streams comes to that place."""

    stage = stages.Resetting

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
        quiet = stages.Quiet()
        return {sender: stages.Idle(self, sender, quiet) for sender in Sender}


@dataclass(frozen=True, repr=False)
class StripHeader(Bend):
    """Every header line of that name is taken out of the request (or, with ``direction="server"``, the response)."""

    alters = True
    stage = stages.HeadChange
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
    stage = stages.HeadChange
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
    stage = stages.Flipping
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
    stage = stages.Injecting
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


def rows(bends: Iterable[Bend]) -> dict[Sender, Row]:
    """A new connection's stages. At the end of each row stands an open gate, which a relay can shut."""
    made: dict[Sender, list[Stage]] = {sender: [] for sender in Sender}
    for bend in bends:
        for sender, stage in bend.stages().items():
            made[sender].append(stage)
    return {sender: Row([*row, stages.Gate(_BY_HAND, sender, shut=False)]) for sender, row in made.items()}


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


def usage() -> str:
    """Every bend, a line each, with what it takes and what it does."""
    lines = [
        "A bend is a name and its arguments, in order or as name=value: 'delay 0.2 at=\"frame 2\"'. Bytes are hex.",
        "",
    ]
    for name, kind in KINDS.items():
        lines += [f"{name}  {_usage(kind)}", f"    {(kind.__doc__ or '').partition('.')[0].replace('``', '')}."]
    return "\n".join(lines)


def _usage(kind: type[Bend]) -> str:
    return ", ".join(
        each.name if each.default is MISSING else f"{each.name}={each.default}" for each in _arguments(kind)
    )
