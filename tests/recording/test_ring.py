"""The ring and the packed log against the simplest thing that could be right: everything kept, then cut."""

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wslab.recording.ring import PackedLog, Ring


@given(st.integers(1, 40), st.lists(st.binary(max_size=90), max_size=20))
def test_ring_keeps_the_end_of_all_that_was_written(capacity, writes):
    ring, model = Ring(capacity), b""
    for data in writes:
        assert ring.write(data) == len(model)
        model += data
        for start in range(max(0, len(model) - 50), len(model) + 1):
            for length in (0, 1, 7, len(model) - start):
                kept = start >= len(model) - capacity and start + length <= len(model)
                assert ring.read(start, length) == (model[start : start + length] if kept else None)
                assert ring.view(start, length) == ring.read(start, length)
    assert ring.start == max(0, len(model) - capacity)


@given(st.integers(1, 30), st.integers(0, 200))
def test_log_drops_the_oldest_and_keeps_numbers(limit, count):
    log = PackedLog(struct.Struct("<I"), limit)
    for number in range(count):
        log.append(struct.pack("<I", number))
    first = max(0, count - limit)
    assert (log.first, log.total) == (first, count)
    assert log.slice(0, count) == b"".join(struct.pack("<I", number) for number in range(first, count))
    for number in range(first, count):
        assert log[number] == (number,)
    for gone in (first - 1, count):
        with pytest.raises(IndexError):
            log[gone]


@given(st.integers(1, 2**18), st.lists(st.integers(0, 2**17), max_size=8), st.integers(0, 2**19))
def test_a_ring_takes_memory_as_it_is_written_to_and_views_of_it_stay(capacity, sizes, begins):
    ring, written, rest = Ring(capacity), bytes(begins), []
    ring.end = begins  # as where a file's bytes are taken over
    for number, size in enumerate(sizes):
        data = bytes([number + 1]) * size
        position = ring.write(data)
        written += data
        kept = max(ring.start, begins)
        view = ring.view(kept, ring.end - kept)
        assert view is not None
        assert view == written[kept:]
        rest.append((position, size))
    for position, size in rest:
        assert ring.read(position, size) == (written[position : position + size] if position >= ring.start else None)


def test_an_unused_ring_takes_no_memory():
    tracemalloc.start()
    rings = [Ring(2**24) for _ in range(10)]
    rings[0].write(b"a few bytes")
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 2**18
