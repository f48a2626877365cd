"""``Awaited``: an outcome that a page tells later, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol


class Source(Protocol):
    """What tells an outcome bit by bit."""

    def watch(self, wake: Callable[[], object]) -> None:
        """Have ``wake()`` called when it may have told more."""


class Awaited(Mapping[str, Any]):
    """An outcome that comes by itself while a page runs a program: what it has not told yet is None.

    Args:
        source: what tells it, such as ``wslab.course.experiments.pages.PageProgram``.
        read: what is known by now, by case. Once it knows all, that stays the outcome.
    """

    def __init__(self, source: Source, read: Callable[[], Mapping[str, Any]]) -> None:
        self.watch = source.watch
        self._read = read
        self._all: Mapping[str, Any] | None = None

    @property
    def told(self) -> Mapping[str, Any]:
        """What is known by now, by case."""
        if self._all is None and None not in (now := self._read()).values():
            self._all = now
        return now if self._all is None else self._all

    def __getitem__(self, case: str) -> Any:
        return self.told[case]

    def __iter__(self) -> Iterator[str]:
        return iter(self.told)

    def __len__(self) -> int:
        return len(self.told)
