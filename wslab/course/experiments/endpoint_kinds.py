"""What each part of an endpoint is to return, whatever it is asked: a learner hears at once of anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _bytes(value: Any) -> bool:
    return isinstance(value, bytes | bytearray)


def _shaped(value: Any, *kinds: Callable[[Any], bool]) -> bool:
    """Whether a value is a tuple or list of as many things, each of its kind."""
    alike = isinstance(value, tuple | list) and len(value) == len(kinds)
    return alike and all(fits(one) for fits, one in zip(kinds, value, strict=True))


def _whole(value: Any) -> bool:
    return isinstance(value, int)


def _is_message(value: Any) -> bool:
    return value is None or isinstance(value, str) or _bytes(value)


RETURNS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "accept_key": ("a text", lambda value: isinstance(value, str)),
    "key_in": ("a text, or None", lambda value: isinstance(value, str | None)),
    "short_frame": ("bytes", _bytes),
    "unmask": ("bytes", _bytes),
    "long_frame": ("bytes", _bytes),
    "FrameParser": (
        "a list of (first byte, key, payload)",
        lambda value: isinstance(value, list) and all(_shaped(one, _whole, _bytes, _bytes) for one in value),
    ),
    "reply": ("(opcode, payload), or None", lambda value: value is None or _shaped(value, _whole, _bytes)),
    "reassemble": (
        "(begun, None), or (None, message)",
        lambda value: _shaped(value, lambda begun: begun is None or _shaped(begun, _whole, _bytes), _is_message),
    ),
    "close_reply": ("bytes", _bytes),
    "fault": ("1002, 1007, or None", lambda value: value in (1002, 1007, None)),
}
"""By part, what it is to return, in words and as a test."""


class OtherKindError(Exception):
    """A part returned what it never should, whatever it was asked."""


class HeldToKind:
    """A learner's part, called as it is. It raises OtherKindError for what the part never should return.

    Args:
        part: its name in ``EndpointParts``.
        answer: the learner's.
    """

    def __init__(self, part: str, answer: Any) -> None:
        self._part, self._answer = part, answer

    def __call__(self, *given: Any) -> Any:
        """What the part returns; of a new parser, what holds its ``feed`` to the same."""
        value = self._answer(*given)
        if self._part == "FrameParser" and not given:
            return HeldToKind(self._part, value.feed)
        if not RETURNS[self._part][1](value):
            raise OtherKindError(repr(value)[:60])
        return value

    feed = __call__
