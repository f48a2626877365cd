"""Where recorded bytes live: a ring for bytes, and logs of fixed-size entries. Neither is thread-safe by itself.

Keeping every chunk as an object makes the allocator fetch fresh pages for each large message, which costs more than
copying it. A ring is written over and over, and a log of packed entries costs no object per entry. Both count what they
drop, and positions in both are absolute: they never shift when something is dropped.
"""

from __future__ import annotations

import struct
from typing import Any

SMALLEST = 2**16  # bytes of memory that a ring begins with
SHORT = 2**12  # bytes up to which a copy is cheaper than a view
CAPACITY = 16 * 2**20  # bytes of traffic that a recording keeps, unless it is told otherwise


class Ring:
    """The last ``capacity`` bytes written. It takes its memory as it is written to."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.end, self._room = capacity, 0, 0
        self._view = memoryview(bytearray())

    @property
    def start(self) -> int:
        """Position of the first byte that is still kept."""
        return max(0, self.end - self.capacity)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append ``data``, of which only the end is kept where it is too long; the position of its first byte."""
        position, length, capacity = self.end, len(data), self.capacity
        self.end = position + length
        if length > capacity:
            data = memoryview(data)[length - capacity :]
            length = capacity
        at = (self.end - length) % capacity
        stop = at + length
        if stop > self._room < capacity:
            grown = bytearray(min(capacity, max(stop, 2 * self._room, SMALLEST)))
            grown[: self._room] = self._view
            self._room, self._view = len(grown), memoryview(grown)  # views of the old memory stay as they are
        if stop <= capacity:
            self._view[at:stop] = data
        else:
            data = memoryview(data)
            self._view[at:] = data[: capacity - at]
            self._view[: stop - capacity] = data[capacity - at :]
        return position

    def view(self, position: int, length: int) -> bytes | memoryview | None:
        """The same bytes as ``read`` gives; long ones are not copied, and change when they are written over."""
        if position + self.capacity < self.end or position < 0 or position + length > self.end:
            return None
        at = position % self.capacity
        stop = at + length
        if stop > self.capacity:
            return b"".join((self._view[at:], self._view[: stop - self.capacity]))
        return self._view[at:stop] if length > SHORT else bytes(self._view[at:stop])

    def read(self, position: int, length: int) -> bytes | None:
        """The bytes at that position, or None when some of them were dropped or never written."""
        found = self.view(position, length)
        return None if found is None else bytes(found)


class PackedLog:
    """The last ``limit`` entries of one ``struct``; entry numbers count every entry ever appended."""

    def __init__(self, layout: struct.Struct, limit: int) -> None:
        self.struct, self.limit = layout, limit
        self.restore(0, b"")

    def restore(self, first: int, packed: bytes) -> None:
        """Take over the entries ``packed``, numbered from ``first``, as the whole log."""
        self.total = first + len(packed) // self.struct.size  # how many entries were ever appended
        self._data = bytearray(packed)
        self._drop(first)

    def _drop(self, first: int) -> None:
        """Note the first entry that lies there. The oldest are dropped in bulk, so that dropping stays cheap."""
        self._dropped = first
        self._full = first + self.limit + max(self.limit // 16, 1)

    @property
    def first(self) -> int:
        """Number of the first entry that is still kept."""
        return max(self._dropped, self.total - self.limit)

    def append(self, packed: bytes) -> int:
        """Append one entry; its number."""
        self._data += packed
        number = self.total
        self.total = number + 1
        if number >= self._full:
            self.drop(self.first)
        return number

    def drop(self, first: int) -> None:
        """Drop the entries before that number, which is at most ``total``."""
        if first > self._dropped:
            del self._data[: (first - self._dropped) * self.struct.size]
            self._drop(first)

    def patch(self, number: int, layout: struct.Struct, at: int, value: Any) -> None:
        """Write ``value`` at byte ``at`` of an entry; nothing happens where the entry is not kept."""
        if number >= self._dropped:
            layout.pack_into(self._data, (number - self._dropped) * self.struct.size + at, value)

    def slice(self, start: int = 0, stop: int | None = None) -> bytes:
        """The packed entries numbered ``start`` to ``stop`` (not included), as far as they are kept."""
        size, start = self.struct.size, max(start, self.first)
        stop = self.total if stop is None else min(stop, self.total)
        return bytes(memoryview(self._data)[(start - self._dropped) * size : max(0, stop - self._dropped) * size])

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        """The unpacked entry of that number. Raises IndexError when it is not kept."""
        if not self.first <= number < self.total:
            raise IndexError(f"entry {number} is not kept; entries {self.first} to {self.total - 1} are")
        return self.struct.unpack_from(self._data, (number - self._dropped) * self.struct.size)
