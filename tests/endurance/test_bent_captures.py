"""A sample of ``run.py endurance bends``, and that its checks would notice."""

from __future__ import annotations

from collections import Counter

import pytest
from bends import Frame, all_captures, compared, faults, table

from wslab.anatomy.field import Sender

EVERY = 11
"""One of so many bent captures is read here. It shares no factor with the number of ways, so each way is read."""


@pytest.mark.oracle
def test_a_sample_of_the_bent_captures(tshark_path: str):
    sample = [one for place, one in enumerate(all_captures([])) if one.way == "whole" or not place % EVERY]
    assert len({(one.kind, one.way) for one in sample}) > 80
    assert compared(sample) == []
    assert next(line for line in table(sample) if line.startswith("whole")).split()[1:] == ["18", "152", "152", "152"]


def test_what_is_wrong_is_noticed():
    captures = {(one.way, one.at): one for one in all_captures(["plain"])}
    whole, lost = captures["whole", 0], captures["left out", 6]
    for one in (whole, lost):
        one.read()
        one.theirs = Counter(one.frames)
    assert list(faults(lost, whole)) == []
    invented = Frame(Sender.CLIENT, 1, True, True, 1, b"x")
    missing = next(frame for frame in lost.frames if frame.sender is Sender.CLIENT)
    lost.frames[invented] += 1
    del lost.frames[missing]
    lost.rules[Sender.SERVER, "stream-cut"] += 1
    lost.notes = whole.notes = ()
    said = "; ".join(faults(lost, whole))
    for part in (
        "is accused of stream-cut",
        "does not hold",
        "of the other direction is missing",
        "only wslab",
        "only tshark",
    ):
        assert part in said
    doubled = captures["doubled", 3]
    doubled.read()
    doubled.notes = ("something",)
    doubled.frames.clear()
    assert {text.partition(",")[0] for text in faults(doubled, whole)} == {"no byte is missing"}
