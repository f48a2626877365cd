"""Where recorded bytes live: a ring for bytes, and logs of fixed-size entries.

Keeping every chunk as an object makes the allocator fetch fresh pages for each large message, which costs more than
copying it. A ring is written over and over, and a log of packed entries costs no object per entry. Both count what they
drop, and positions in both are absolute: they never shift when something is dropped.

Neither is thread-safe by itself.
"""

from __future__ import annotations

import struct
from typing import Any

SMALLEST = 2**16
"""Bytes of memory that a ring begins with."""
SHORT = 2**12
"""Bytes up to which a copy is cheaper than a view."""


CAPACITY = 16 * 2**20
"""Bytes of traffic that a recording keeps, unless it is told otherwise."""


class Ring:
    """The last ``capacity`` bytes written; positions count every byte ever written.

    It takes its memory as it is written to.
    """

    __slots__ = ("_room", "_view", "capacity", "end")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.end = 0
        self._room = 0
        self._view = memoryview(bytearray())

    @property
    def start(self) -> int:
        """Position of the first byte that is still kept."""
        return max(0, self.end - self.capacity)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append ``data`` and return the position of its first byte.

        Of data longer than the ring only the end is kept.
        """
        position, length = self.end, len(data)
        self.end = position + length
        if length > self.capacity:
            data = memoryview(data)[length - self.capacity :]
            length = self.capacity
        at = (self.end - length) % self.capacity
        stop = at + length
        if stop > self._room < self.capacity:
            self._grow(stop)
        if stop <= self.capacity:
            self._view[at:stop] = data
        else:
            room = self.capacity - at
            data = memoryview(data)
            self._view[at:] = data[:room]
            self._view[: length - room] = data[room:]
        return position

    def _grow(self, needed: int) -> None:
        """Move to twice the memory, or as much more as is needed. Views of the old memory stay as they are."""
        grown = bytearray(min(self.capacity, max(needed, 2 * self._room, SMALLEST)))
        grown[: self._room] = self._view
        self._room, self._view = len(grown), memoryview(grown)

    def read(self, position: int, length: int) -> bytes | None:
        """The bytes at that position, or None when some of them were dropped or never written."""
        if position + self.capacity < self.end or position < 0 or position + length > self.end:
            return None
        at = position % self.capacity
        stop = at + length
        if stop <= self.capacity:
            return bytes(self._view[at:stop])
        return b"".join((self._view[at:], self._view[: stop - self.capacity]))

    def view(self, position: int, length: int) -> bytes | memoryview | None:
        """The same bytes as ``read`` gives; long ones are not copied, and change when they are written over."""
        at = position % self.capacity
        if length <= SHORT or at + length > self.capacity or self.read(position, 0) is None:
            return self.read(position, length)
        return self._view[at : at + length]


class PackedLog:
    """The last ``limit`` entries of one ``struct``; entry numbers count every entry ever appended."""

    __slots__ = ("_data", "_dropped", "_full", "limit", "struct", "total")

    def __init__(self, layout: struct.Struct, limit: int) -> None:
        self.struct = layout
        self.limit = limit
        self.total = 0
        """How many entries were ever appended."""
        self._data = bytearray()
        self._dropped = 0
        self._full = self._room

    @property
    def first(self) -> int:
        """Number of the first entry that is still kept."""
        return max(self._dropped, self.total - self.limit)

    @property
    def _room(self) -> int:
        """How many entries may lie there: the oldest are dropped in bulk, so that dropping stays cheap."""
        return self.limit + max(self.limit // 4, 1)

    def append(self, packed: bytes) -> int:
        """Append one entry; its number."""
        self._data += packed
        number = self.total
        self.total = number + 1
        if number >= self._full:
            self._drop()
        return number

    def _drop(self) -> None:
        spare = self.total - self.limit - self._dropped
        del self._data[: spare * self.struct.size]
        self._dropped += spare
        self._full = self._dropped + self._room

    def patch(self, number: int, layout: struct.Struct, at: int, value: Any) -> None:
        """Write ``value`` at byte ``at`` of an entry; nothing happens where the entry is not kept."""
        if number >= self._dropped:
            layout.pack_into(self._data, (number - self._dropped) * self.struct.size + at, value)

    def slice(self, start: int, stop: int) -> bytes:
        """The packed entries numbered ``start`` to ``stop`` (not included), as far as they are kept."""
        start, stop = max(start, self.first), min(stop, self.total)
        if start >= stop:
            return b""
        size = self.struct.size
        return bytes(memoryview(self._data)[(start - self._dropped) * size : (stop - self._dropped) * size])

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        """The unpacked entry of that number. Raises IndexError when it is not kept."""
        if not self.first <= number < self.total:
            raise IndexError(f"entry {number} is not kept; entries {self.first} to {self.total - 1} are")
        return self.struct.unpack_from(self._data, (number - self._dropped) * self.struct.size)

    def restore(self, first: int, packed: bytes) -> None:
        """Take over the entries ``packed``, numbered from ``first``, as the whole log."""
        self._dropped, self._data = first, bytearray(packed)
        self.total = first + len(packed) // self.struct.size
        self._full = first + self._room
