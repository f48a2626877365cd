"""What all bends have in common: whose bytes a bend acts on, from where on, and which values it may have."""

import re
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from math import inf
from typing import Any, ClassVar, Final

from ...anatomy.field import Sender
from ...protocol.head import TOKEN
from .stages import Spot, Stage

# Whose bytes a bend acts on, by its ``direction``.
SENDERS: Final = {"client": (Sender.CLIENT,), "server": (Sender.SERVER,), "both": tuple(Sender)}
_FRAME: Final = re.compile(r"frames|frame[ :=]?(\d+)")


@dataclass(frozen=True, repr=False, kw_only=True)
class Bend:
    """One thing that a relay does to what passes. Bends are values: one object serves any number of connections.

    Args:
        direction: whose bytes it acts on: ``"client"``, ``"server"`` or ``"both"``.
        at: where in each of these streams it begins: behind so many bytes; at ``"frames"``, behind the opening
            handshake; or at ``"frame 2"``, where the frame of that index begins, once that comes. In a stream that
            never comes there it never acts.

    A value that cannot be raises ValueError. A bend that ``alters`` lets out other bytes than went in. What it ``says``
    is what the ladder says where it acted, with the bend's values in braces; where empty, its name.
    """

    direction: str = "both"
    at: int | str = 0

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
    def name(self) -> str:
        """What a terminal calls it: ``one-byte``."""
        return spelt(type(self))

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
        given = {each: getattr(self, each.name) for each in arguments(type(self))}
        shown = [
            repr(value) if each.default is MISSING and not each.kw_only else f"{each.name}={value!r}"
            for each, value in given.items()
            if value != each.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def arguments(kind: type[Bend]) -> list[Field[Any]]:
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


def spelt(kind: type[Bend]) -> str:
    """What a terminal calls a kind of bend: ``one-byte``."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()
