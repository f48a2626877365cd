"""Records in their packed form as a sequence: 100,000 of them cost no more than their bytes until one is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from ..anatomy.record import PACKED, Record


class Records(Sequence[Record]):
    """Records in their packed form, each of which is unpacked when it is asked for."""

    __slots__ = ("_packed",)

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // PACKED.size

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        at = range(len(self))[place] * PACKED.size
        return Record.unpack(self._packed[at : at + PACKED.size])

    def __iter__(self) -> Iterator[Record]:
        return (Record.unpack(self._packed[at : at + PACKED.size]) for at in range(0, len(self._packed), PACKED.size))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Records):
            return self._packed == other._packed
        return list(self) == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))
