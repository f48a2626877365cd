"""``TargetEnd``: the end that a composer sends by, whether it is open, and why nothing can be sent by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ...anatomy.field import Sender
from ...live.ends import RAW_KIND, End
from ...protocol.states import State

MOST_ENDS = 60
"""Ends that are offered at once; of more, the newest."""
_SENDERS: Final = {sender.label: sender for sender in Sender}
_NO_END = (
    "There is no open connection yet. Open a client here, or connect one: `await lab.connect()`. "
    "To be connected to, the lab needs a server: `await lab.serve()`."
)


class TargetEnd(NamedTuple):
    """An end, as ``"client 0"`` names it: the client of connection 0."""

    key: str
    end: End | None
    """None when it is gone, or was never there."""

    @property
    def sender(self) -> Sender | None:
        """The side that the key names; None where it names none."""
        side, _, number = self.key.partition(" ")
        return _SENDERS.get(side) if number.isdecimal() else None

    @property
    def label(self) -> str:
        """What a person calls it; empty where the key names no end."""
        if self.end is not None:
            return self.end.label
        return "" if self.sender is None else f"{self.sender.mark} of connection {self.key.partition(' ')[2]}, gone"

    @property
    def by_library(self) -> bool:
        """Whether ``websockets`` keeps its state, which is not told of exact bytes."""
        return self.end is not None and self.end.kind != RAW_KIND

    @property
    def trouble(self) -> str:
        """Why nothing can be sent by it; empty where something can."""
        if self.end is not None:
            ended = f"{self.label} has ended its stream: it can send no more. Choose another end."
            return "" if self.end.open else ended
        if not self.key:
            return _NO_END
        if self.sender is None:
            return f'target={self.key!r} names no end: it is said as "client 0" or "server 0". Choose one.'
        return f"{self.label}: its connection is over, so nothing can be sent there. Choose another end, or open one."

    @property
    def facts(self) -> dict[str, Any]:
        """All of it as JSON values."""
        end, is_open = self.end, self.end is not None and self.end.open
        return {
            "key": self.key,
            "sender": "" if self.sender is None else self.sender.label,
            "connection": self.key.partition(" ")[2],
            "kind": "" if end is None else end.kind,
            "state": (end.state if end is not None and is_open else State.CLOSED).value,
            "open": is_open,
            "label": self.label,
        }


def ends_facts(ends: Sequence[End], target: TargetEnd) -> dict[str, Any]:
    """The newest ends to choose from, and the target among them, as JSON values."""
    listed = [TargetEnd(end.key, end).facts for end in ends[-MOST_ENDS:]]
    if target.sender is not None and target.key not in [each["key"] for each in listed]:
        listed.insert(0, target.facts)
    return {"ends": listed, "more": max(0, len(ends) - MOST_ENDS), "why": target.trouble}
