"""Where recorded bytes live: a ring of fixed size, and logs of fixed-size entries.

Keeping every chunk as an object makes the allocator fetch fresh pages for each large
message, which costs more than copying it. A ring that is allocated once is written over
and over, and a log of packed entries costs no object per entry. Both count what they
drop, and positions in both are absolute: they never shift when something is dropped.
"""

from __future__ import annotations

import struct
from typing import Any

LINED_UP = 1024
"""Entries that a log lets wait before it joins them."""


class Ring:
    """The last ``capacity`` bytes written; positions count every byte ever written.

    It is not safe from several threads by itself.
    """

    __slots__ = ("_view", "capacity", "end")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.end = 0
        self._view = memoryview(bytearray(capacity))

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
        room = self.capacity - at
        if length <= room:
            self._view[at : at + length] = data
        else:
            data = memoryview(data)
            self._view[at:] = data[:room]
            self._view[: length - room] = data[room:]
        return position

    def read(self, position: int, length: int) -> bytes | None:
        """The bytes at that position, or None when some of them were dropped or never written."""
        if position < self.start or position + length > self.end:
            return None
        at = position % self.capacity
        room = self.capacity - at
        if length <= room:
            return bytes(self._view[at : at + length])
        return b"".join((self._view[at:], self._view[: length - room]))


class PackedLog:
    """The last ``limit`` entries of one ``struct``; entry numbers count every entry ever appended.

    An append only lines the entry up; ``flush``, which every reader does first, joins what is lined up. It is not safe
    from several threads by itself.
    """

    __slots__ = ("_data", "_dropped", "_new", "limit", "struct", "total")

    def __init__(self, layout: struct.Struct, limit: int) -> None:
        self.struct = layout
        self.limit = limit
        self.total = 0
        """How many entries were ever appended."""
        self._data = bytearray()
        self._new: list[bytes] = []
        self._dropped = 0

    @property
    def first(self) -> int:
        """Number of the first entry that is still kept."""
        return max(self._dropped, self.total - self.limit)

    def append(self, packed: bytes) -> int:
        """Append one entry; its number."""
        self._new.append(packed)
        number = self.total
        self.total = number + 1
        if len(self._new) >= LINED_UP:
            self.flush()
        return number

    def flush(self) -> None:
        """Join what was appended, and drop the oldest in bulk, so that dropping stays cheap."""
        if not self._new:
            return
        data, size = self._data, self.struct.size
        data += b"".join(self._new)
        self._new.clear()
        if len(data) > size * (self.limit + self.limit // 4):
            spare = len(data) // size - self.limit
            del data[: spare * size]
            self._dropped += spare

    def slice(self, start: int, stop: int) -> bytes:
        """The packed entries numbered ``start`` to ``stop`` (not included), as far as they are kept."""
        self.flush()
        start, stop = max(start, self.first), min(stop, self.total)
        if start >= stop:
            return b""
        size = self.struct.size
        return bytes(self._data[(start - self._dropped) * size : (stop - self._dropped) * size])

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        """The unpacked entry of that number. Raises IndexError when it is not kept."""
        self.flush()
        if not self.first <= number < self.total:
            raise IndexError(f"entry {number} is not kept; entries {self.first} to {self.total - 1} are")
        return self.struct.unpack_from(self._data, (number - self._dropped) * self.struct.size)

    def patch(self, number: int, at: int, data: bytes) -> None:
        """Put ``data`` at byte ``at`` of an entry; nothing happens where the entry is not kept."""
        lined_up = number - self.total + len(self._new)
        if lined_up >= 0:
            entry = self._new[lined_up]
            self._new[lined_up] = entry[:at] + data + entry[at + len(data) :]
        elif number >= self._dropped:
            start = (number - self._dropped) * self.struct.size + at
            self._data[start : start + len(data)] = data

    def restore(self, first: int, packed: bytes) -> None:
        """Take over the entries ``packed``, numbered from ``first``, as the whole log."""
        self._dropped, self._data = first, bytearray(packed)
        self._new.clear()
        self.total = first + len(packed) // self.struct.size
